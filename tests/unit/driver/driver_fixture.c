/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "driver_fixture.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINES 20000
#define LINE_CAP 200
#define PRIORITY_CRITICAL 3

static struct {
	unsigned n_devs;
	unsigned pardoned;
	uint64_t started;
	pthread_mutex_t lock;
	unsigned n_lines, n_critical;
	char line[LINES][LINE_CAP];
} fixture = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* --- pcscd's log --- */

void log_msg(const int priority, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void log_xxd(const int priority, const char *msg, const unsigned char *buffer, const int size);

void log_msg(const int priority, const char *fmt, ...)
{
	va_list ap;

	pthread_mutex_lock(&fixture.lock);
	va_start(ap, fmt);
	vsnprintf(fixture.line[fixture.n_lines % LINES], LINE_CAP, fmt, ap);
	va_end(ap);
	if (getenv("TEST_LOG"))
		fprintf(stderr, "# %llu %d: %s\n", (unsigned long long)fixture_ms(), priority,
			fixture.line[fixture.n_lines % LINES]);
	fixture.n_lines++;
	fixture.n_critical += priority == PRIORITY_CRITICAL;
	pthread_mutex_unlock(&fixture.lock);
}

void log_xxd(const int priority, const char *msg, const unsigned char *buffer, const int size)
{
	(void)buffer;
	log_msg(priority, "%s (%d bytes)", msg, size);
}

static unsigned kept(void)
{
	return fixture.n_lines < LINES ? fixture.n_lines : LINES;
}

unsigned fixture_log_count(const char *text)
{
	unsigned n = 0;

	pthread_mutex_lock(&fixture.lock);
	for (unsigned i = 0; i < kept(); i++)
		n += strstr(fixture.line[i], text) != NULL;
	pthread_mutex_unlock(&fixture.lock);
	return n;
}

unsigned fixture_log_critical(void)
{
	unsigned n;

	pthread_mutex_lock(&fixture.lock);
	n = fixture.n_critical;
	pthread_mutex_unlock(&fixture.lock);
	return n;
}

void fixture_log_clear(void)
{
	pthread_mutex_lock(&fixture.lock);
	fixture.n_lines = fixture.n_critical = 0;
	pthread_mutex_unlock(&fixture.lock);
}

void fixture_log_print(void)
{
	for (unsigned i = 0; i < kept(); i++)
		fprintf(stderr, "# %s\n", fixture.line[i]);
}

/* --- devices --- */

static void add_devices(const char *text)
{
	struct sim_dev **devs;
	char err[200] = "";
	int n = sim_config_parse(text, &devs, err, sizeof err);

	if (n < 0)
		fail_msg("%s", err);
	for (int i = 0; i < n; i++)
		fake_usb_add(devs[i]);
	free(devs);
	fixture.n_devs = (unsigned)n;
}

const char *fixture_quirks = "";

void fixture_start(enum fake_clock clock, const char *text)
{
	char quirks[300];

	/* The configuration is read once in a process. */
	setenv("PCSCLITE_HP_DROPDIR", TOP_SRCDIR "/tests/unit/driver/no-such-folder", 1);
	if (!getenv("TEST_LOG"))
		setenv("LIBCCID_ifdLogLevel", "3", 1);
	snprintf(quirks, sizeof quirks, "f1f1:0e5c:escape-always;f1f1:0fad:padded-answers;"
		 "f1f1:05e9:seq-off-by-one;f1f1:0aa5:params-may-fail;f1f1:5a7e:shared-gate;"
		 "f1f1:1210:sec1210-sync%s", fixture_quirks);
	setenv("IFDCCID_QUIRKS", quirks, 1);
	fake_usb_begin(clock);
	fixture.pardoned = 0;
	fixture.started = clock_now();
	fixture_log_clear();
	add_devices(text);
}

static unsigned complaints(void)
{
	unsigned n = 0;

	fake_usb_lock();
	for (unsigned i = 0; i < fixture.n_devs; i++)
		n += sim_dev_complaints(fake_usb_dev(i));
	fake_usb_unlock();
	return n;
}

void fixture_pardon(void)
{
	fixture.pardoned = complaints();
}

void fixture_expect_no_complaint(void)
{
	if (complaints() == fixture.pardoned)
		return;
	for (unsigned i = 0; i < fixture.n_devs; i++)
		for (unsigned k = 0; k < sim_dev_complaints(fake_usb_dev(i)); k++)
			print_error("device %u: %s\n", i, sim_dev_complaint(fake_usb_dev(i), k));
	fail_msg("the simulated readers complain");
}

void fixture_stop(void)
{
	struct fake_counts c = fake_usb_counts();

	fixture_expect_no_complaint();
	fake_usb_end();
	assert_int_equal(c.contexts, 0);
	assert_int_equal(c.handles, 0);
	assert_int_equal(c.transfers, 0);
	assert_int_equal(c.submitted, 0);
	assert_int_equal(c.nodes, 0);
	assert_int_equal(c.device_refs, 0);
	assert_int_equal(c.claims, 0);
}

int fixture_teardown(void **state)
{
	(void)state;
	for (DWORD reader = 0; reader < 10; reader++)
		for (DWORD slot = 0; slot < 0x20; slot++)
			IFDHCloseChannel(reader << 16 | slot);
	fake_usb_end();
	return 0;
}

void fixture_fault(unsigned dev, const char *fmt, ...)
{
	char spec[200], err[200] = "";
	va_list ap;
	bool ok;

	va_start(ap, fmt);
	vsnprintf(spec, sizeof spec, fmt, ap);
	va_end(ap);
	fake_usb_lock();
	ok = sim_dev_fault(fake_usb_dev(dev), spec, err, sizeof err);
	fake_usb_unlock();
	if (!ok)
		fail_msg("%s", err);
}

void fixture_insert(unsigned dev, unsigned slot, const char *card)
{
	char err[200] = "";
	bool ok;

	fake_usb_lock();
	ok = sim_dev_insert(fake_usb_dev(dev), 0, slot, card, clock_now(), err, sizeof err);
	fake_usb_unlock();
	if (!ok)
		fail_msg("%s", err);
}

void fixture_remove(unsigned dev, unsigned slot)
{
	bool ok;

	fake_usb_lock();
	ok = sim_dev_remove(fake_usb_dev(dev), 0, slot, clock_now());
	fake_usb_unlock();
	assert_true(ok);
}

unsigned fixture_max_in_flight(unsigned dev)
{
	unsigned n;

	fake_usb_lock();
	n = sim_dev_max_in_flight(fake_usb_dev(dev), 0);
	fake_usb_unlock();
	return n;
}

uint64_t fixture_ms(void)
{
	return (clock_now() - fixture.started) / 1000000u;
}

/* --- what pcscd does --- */

RESPONSECODE fixture_open(DWORD lun, unsigned dev, unsigned interface)
{
	char name[80];

	fake_usb_name(dev, interface, name, sizeof name);
	return IFDHCreateChannelByName(lun, name);
}

RESPONSECODE fixture_power(DWORD lun)
{
	UCHAR atr[MAX_ATR_SIZE];
	DWORD len = sizeof atr;

	return IFDHPowerICC(lun, IFD_POWER_UP, atr, &len);
}

void fixture_ready(DWORD lun, unsigned dev, unsigned protocol)
{
	FIXTURE_IS_FINE(fixture_open(lun, dev, 0));
	FIXTURE_IS_FINE(fixture_power(lun));
	FIXTURE_IS_FINE(IFDHSetProtocolParameters(lun, protocol ? SCARD_PROTOCOL_T1 : SCARD_PROTOCOL_T0,
					      0, 0, 0, 0));
}

RESPONSECODE fixture_apdu(DWORD lun, const uint8_t *apdu, size_t len, uint8_t *out, size_t cap, size_t *out_len)
{
	SCARD_IO_HEADER pci = { 0, 0 };
	DWORD n = cap;
	RESPONSECODE rc = IFDHTransmitToICC(lun, pci, (PUCHAR)(uintptr_t)apdu, len, out, &n, NULL);

	*out_len = n;
	return rc;
}

RESPONSECODE fixture_echo(DWORD lun, unsigned tag, size_t len)
{
	uint8_t apdu[5 + 255 + 1] = { 0x80, 0x16, 0x00, 0x00, (uint8_t)len };
	uint8_t get[5] = { 0x00, 0xC0, 0x00, 0x00, 0x00 }, out[300];
	RESPONSECODE rc;
	size_t n;

	for (size_t i = 0; i < len; i++)
		apdu[5 + i] = (uint8_t)(tag * 131u + i * 7u + (tag >> 8));
	rc = fixture_apdu(lun, apdu, 6 + len, out, sizeof out, &n);
	if (rc != IFD_SUCCESS)
		return rc;
	if (n == 2 && out[0] == 0x61) {
		get[4] = out[1];
		rc = fixture_apdu(lun, get, sizeof get, out, sizeof out, &n);
	}
	if (rc != IFD_SUCCESS)
		return rc;
	if (n != len + 2 || memcmp(out, apdu + 5, len) != 0 || out[len] != 0x90 || out[len + 1] != 0x00)
		return IFD_COMMUNICATION_ERROR;
	return IFD_SUCCESS;
}
