/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* PINs and keys on their way through the driver: never in the log unless asked for, and nowhere in memory
 * once the command is over.
 *
 * The linker turns the driver's malloc(), free() and log_msg(), and its calls of libusb and of serial lines, to this
 * file (--wrap): so the blocks that belong to the driver are known, the simulated reader runs on a stack of its own,
 * and each line of the log is seen whole. */
#include "secret_hunt.h"

#include "fake/fake_serial.h"
#include "transport/serial_tty.h"

#include "util/buf.h"
#include "util/log.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define LUN 0

/* ---- the log ---- */

void __real_log_msg(const int priority, const char *fmt, ...);
void __wrap_log_msg(const int priority, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static struct {
	unsigned lines, leaks;
	bool shown;			/* the line of an ordinary command was seen */
	uint8_t data[20000];		/* abData of all messages that were sent, in a row */
	size_t len;
} said;

static int digit_of(char c)
{
	const char *digits = "0123456789abcdef", *p = c ? strchr(digits, tolower((unsigned char)c)) : NULL;

	return p ? (int)(p - digits) : -1;
}

/* Reads hexadecimal bytes, with blanks between them or without, up to the first other character.
 * Not sscanf(), which looks for the end of the line at each call. */
static size_t bytes_of(const char *hex, uint8_t *out, size_t cap)
{
	size_t n = 0;

	for (;;) {
		int high, low;

		while (*hex == ' ')
			hex++;
		high = digit_of(*hex);
		if (n >= cap || high < 0)
			return n;
		low = digit_of(*++hex);
		out[n++] = (uint8_t)(low < 0 ? high : high << 4 | low);
		hex += low >= 0;
	}
}

void __wrap_log_msg(const int priority, const char *fmt, ...)
{
	char line[2000];
	uint8_t bytes[600];
	const char *arrow;
	va_list ap;
	size_t n;

	va_start(ap, fmt);
	vsnprintf(line, sizeof line, fmt, ap);
	va_end(ap);
	if (!log_shows_secrets())
		__real_log_msg(priority, "%s", line);	/* the fixture keeps it */
	said.lines++;
	said.leaks += find_secret((const uint8_t *)line, strlen(line)) != NULL;
	/* hexadecimal anywhere in the line */
	for (const char *p = line; *p; p++) {
		n = bytes_of(p, bytes, sizeof bytes);
		if (n >= WINDOW && find_secret(bytes, n)) {
			said.leaks++;
			break;
		}
	}
	arrow = strstr(line, "): ->");
	if (arrow) {
		n = bytes_of(arrow + 5, bytes, sizeof bytes);
		said.shown = said.shown || strstr(arrow, "80 16 00 00");
		if (n > 10 && said.len + n < sizeof said.data) {
			memcpy(said.data + said.len, bytes + 10, n - 10);
			said.len += n - 10;
		}
	}
	wipe(line, sizeof line);
	wipe(bytes, sizeof bytes);
}

/* Lines that show the secret, or messages that do when put together. */
static unsigned log_leaks(void)
{
	return said.leaks + (find_secret(said.data, said.len) != NULL);
}

/* ---- what an application does ---- */

/* The application's buffers for command and answer, which are not searched. */
static uint8_t *app;
#define APP_ROOM 70000u

/* A header, and len bytes of secret; extended when it must be. */
static size_t secret_apdu(const uint8_t header[4], size_t len, bool le)
{
	size_t n = 4;

	memcpy(app, header, 4);
	if (len > 255)
		app[n++] = 0;
	if (len > 255)
		app[n++] = (uint8_t)(len >> 8);
	app[n++] = (uint8_t)len;
	for (size_t i = 0; i < len; i++)
		app[n++] = secret_byte(i);
	for (int i = le ? (len > 255 ? 2 : 1) : 0; i > 0; i--)
		app[n++] = 0;
	return n;
}

static RESPONSECODE transmit(size_t len)
{
	SCARD_IO_HEADER pci = { 0, 0 };
	DWORD n = APP_ROOM;
	RESPONSECODE rc;

	elsewhere = 0;
	rc = IFDHTransmitToICC(LUN, pci, app, len, app + APP_ROOM, &n, NULL);
	elsewhere = 1;
	wipe(app, 2 * APP_ROOM);
	return rc;
}

/* "serial\ncard": a card behind a serial line. */
static const char *serial_card(const char *text)
{
	return strncmp(text, "serial\n", 7) == 0 ? text + 7 : NULL;
}

static RESPONSECODE open_channel(const char *text)
{
	const char *card = serial_card(text);
	char name[80], err[200];
	RESPONSECODE rc;

	if (card) {
		assert_int_equal(fake_serial_add("GemPCTwin", &card, 1, err, sizeof err), 0);
		fake_serial_name(0, name, sizeof name);
	} else {
		fake_usb_name(0, 0, name, sizeof name);
	}
	elsewhere = 0;
	rc = IFDHCreateChannelByName(LUN, name);
	elsewhere = 1;
	return rc;
}

static void open_reader(const char *text, bool t1)
{
	fixture_start(FAKE_VIRTUAL, serial_card(text) ? "" : text);
	memset(blocks, 0, sizeof blocks);
	n_freed_leaks = 0;
	assert_int_equal(open_channel(text), IFD_SUCCESS);
	FIXTURE_IS_FINE(fixture_power(LUN));
	FIXTURE_IS_FINE(IFDHSetProtocolParameters(LUN, t1 ? SCARD_PROTOCOL_T1 : SCARD_PROTOCOL_T0, 0, 0, 0, 0));
}

static void close_reader(void)
{
	elsewhere = 0;
	IFDHCloseChannel(LUN);
	elsewhere = 1;
	fixture_pardon();
	fixture_stop();
	fake_serial_end();
}

/* Each way of an APDU to a card. echo: the card's answer is the secret again (at T=0 it would have to be fetched). */
static const struct way {
	const char *text;
	size_t len;
	bool t1, echo;
} ways[] = {
	{ "reader one\nlevel = tpdu\ncard 0 = t0\n", 16, false, false },
	{ "reader one\nlevel = char\ncard 0 = t0\n", 16, false, false },
	{ "reader one\nlevel = char\ncard 0 = t0 ack=one\n", 16, false, false },
	{ "reader one\nlevel = char\ncard 0 = t0 ack=mixed\n", 16, false, false },
	{ "reader one\nlevel = char\ncard 0 = t1 applet=echo\n", 16, true, true },
	{ "reader one\nlevel = char\ncard 0 = t1 ifsc=16 chain=16 applet=echo\n", 200, true, true },
	{ "reader one\nlevel = tpdu\ncard 0 = t1 applet=echo\n", 16, true, true },
	{ "reader one\nlevel = tpdu\ncard 0 = t1crc applet=echo\n", 16, true, true },
	{ "reader one\nlevel = tpdu\ncard 0 = t1 ifsc=16 chain=16 applet=echo\n", 60, true, true },
	{ "reader one\nlevel = tpdu\ncard 0 = t1 applet=echo\n", LONGEST, true, true },
	{ "reader one\nlevel = tpdu\ncard 0 = t1 wtx=2 applet=echo\n", 16, true, true },
	{ "reader one\nlevel = short\ncard 0 = t1 applet=echo\n", 16, true, true },
	{ "reader one\nlevel = short\ncard 0 = t0 applet=echo\n", 255, false, true },
	{ "reader one\nlevel = extended\ncard 0 = t1 applet=echo\n", 16, true, true },
	{ "reader one\nlevel = extended\nmaxlen = 271\ncard 0 = t1 applet=echo\n", LONGEST, true, true },
	{ "reader one\niccd = a\ncard 0 = t0\n", 16, false, false },
	{ "reader one\niccd = b\ncard 0 = t1 applet=echo\n", 16, true, true },
	{ "reader one\niccd = b\ncard 0 = t1 applet=echo\n", LONGEST, true, true },
	{ "serial\nt0", 16, false, false },
	{ "serial\nt1 applet=echo", 16, true, true },
	{ "serial\nt1 ifsc=16 chain=16 applet=echo", 200, true, true },
};

static const uint8_t verify[4] = { 0x00, 0x20, 0x00, 0x00 }, ordinary[4] = { 0x80, 0x16, 0x00, 0x00 };
static const uint8_t unknown[4] = { 0x80, 0x10, 0x00, 0x00 };
static const uint8_t secret_headers[][4] = {
	{ 0x00, 0x20, 0x00, 0x00 }, { 0x00, 0x21, 0x00, 0x00 }, { 0x00, 0x24, 0x00, 0x00 }, { 0x00, 0x2C, 0x00, 0x00 },
	{ 0x00, 0x2A, 0x80, 0x86 }, { 0x00, 0x82, 0x00, 0x00 }, { 0x10, 0x87, 0x03, 0x9B }, { 0x80, 0xD8, 0x01, 0x81 },
	{ 0x84, 0xD8, 0x01, 0x81 }, { 0x80, 0xE2, 0x80, 0x00 }, { 0x00, 0xDB, 0x3F, 0xFF }, { 0x00, 0xDA, 0x00, 0xD3 },
	{ 0x00, 0xFE, 0x07, 0x9C }, { 0x00, 0xFF, 0xFF, 0xFF },
};

/* At T=0 character level a card that does not know the command never asks for its data. */
static bool way_sends(const struct way *way, uint8_t ins)
{
	return way->echo || ins == 0x20;
}

static void apdus_in_the_log(void **state)
{
	(void)state;
	for (size_t w = 0; w < COUNT(ways); w++) {
		const struct way *way = &ways[w];

		print_message("%s\n", strchr(way->text, '\n') + 1);
		secret_is(way->len);
		open_reader(way->text, way->t1);
		for (unsigned mask = 0; mask < 16; mask++) {
			for (size_t i = 0; i < COUNT(secret_headers) * 2; i++) {
				bool shows = i & 1;
				const uint8_t *header = secret_headers[i / 2];

				memset(&said, 0, sizeof said);
				log_setup(mask, shows);
				transmit(secret_apdu(header, way->len, way->echo));
				if (!shows && log_leaks())
					fail_msg("INS %02X with levels %X is in the log", header[1], mask);
				/* with IFDCCID_LOG_SECRETS the secret is in the log: this test can
				 * fail */
				if (shows && (mask & LOG_COMM) && way_sends(way, header[1]) && !log_leaks())
					fail_msg("INS %02X is not shown though asked for", header[1]);
			}
		}
		/* an ordinary command is shown, if not right after a secret one: at T=0 character level
		 * bytes that the card never asked for may still be expected */
		memset(&said, 0, sizeof said);
		log_setup(LOG_COMM, false);
		for (unsigned i = 0; i < 4; i++) {
			size_t len = secret_apdu(ordinary, 8, way->echo);

			memset(app + 5, 0x77, 8);
			transmit(len);
		}
		assert_true(said.shown);
		log_setup(LOG_CRITICAL, false);
		close_reader();
	}
}

/* ---- PIN pads ---- */

#define VERIFY_CODE SCARD_CTL_CODE(0x330006)

static void type(void *user, uint64_t now, const char *text)
{
	char keys[sizeof typed + 2];

	if (strncmp(text, "out", 3) != 0 || !strstr(text, " Secure "))
		return;
	for (size_t i = 0; i < sizeof typed; i++)
		keys[i] = (char)(typed[i] ^ MASK);
	keys[sizeof typed] = '\n';
	keys[sizeof typed + 1] = '\0';
	sim_dev_keys(user, 0, keys, now + 10000000u);
	wipe(keys, sizeof keys);
}

/* The card answers with the PIN block: an answer to PC_to_RDR_Secure is secret, too. */
static RESPONSECODE type_a_pin(void)
{
	static const uint8_t in[] = { 30, 0, 0x82, 0x08, 0, 8, 4, 2, 1, 9, 4, 0, 0, 0, 0, 14, 0, 0, 0,
				      0x00, 0x20, 0x00, 0x01, 0x08, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0 };
	DWORD n = 0;
	RESPONSECODE rc;

	fake_usb_lock();
	sim_dev_trace(fake_usb_dev(0), type, fake_usb_dev(0));
	fake_usb_unlock();
	memcpy(app, in, sizeof in);
	elsewhere = 0;
	rc = IFDHControl(LUN, VERIFY_CODE, app, sizeof in, app + APP_ROOM, APP_ROOM, &n);
	elsewhere = 1;
	assert_true(rc != IFD_SUCCESS || n == 10);
	wipe(app, 2 * APP_ROOM);
	return rc;
}

static const struct way pads[] = {
	{ "reader one\npinpad = 3\nlevel = tpdu\ncard 0 = t1 applet=echo\n", 0, true, true },
	{ "reader one\npinpad = 3\nlevel = tpdu\ncard 0 = t1crc applet=echo\n", 0, true, true },
	{ "reader one\npinpad = 3\nlevel = short\ncard 0 = t1 applet=echo\n", 0, true, true },
	{ "reader one\npinpad = 3\nlevel = extended\ncard 0 = t0 applet=echo\n", 0, false, true },
};

static void pins_in_the_log(void **state)
{
	(void)state;
	secret_is_typed();
	for (size_t w = 0; w < COUNT(pads); w++) {
		open_reader(pads[w].text, pads[w].t1);
		for (unsigned i = 0; i < 32; i++) {
			memset(&said, 0, sizeof said);
			log_setup(i & 15, i & 16);
			FIXTURE_IS_FINE(type_a_pin());
			assert_int_equal(log_leaks() > 0, (i & 16) && (i & LOG_COMM));
		}
		log_setup(LOG_CRITICAL, false);
		close_reader();
	}
}

/* ---- memory ---- */

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define SANITIZED true
#endif
#endif
#ifndef SANITIZED
#define SANITIZED false
#endif

/* The search finds a secret that was left on purpose. */
static void the_search_works(void **state)
{
	uint8_t *p;
	uint8_t on_stack[64];

	(void)state;
	if (SANITIZED)
		skip();
	memset(blocks, 0, sizeof blocks);
	n_freed_leaks = 0;
	secret_is(16);
	elsewhere = 0;
	p = __wrap_malloc(100);
	elsewhere = 1;
	assert_int_equal(memory_leaks("nothing"), 0);
	for (size_t i = 0; i < 16; i++)
		p[40 + i] = secret_byte(i);
	assert_int_equal(memory_leaks("(wanted)"), 1);
	__wrap_free(p);
	assert_int_equal(memory_leaks("(wanted)"), 1);
	n_freed_leaks = 0;
	for (size_t i = 0; i < 7; i++)
		on_stack[i + 3] = secret_byte(i + 1);
	__asm__ __volatile__("" : : "r"(on_stack) : "memory");
	assert_int_equal(memory_leaks("(wanted)"), 1);
	wipe(on_stack, sizeof on_stack);
	assert_int_equal(memory_leaks("nothing"), 0);
}

static void apdus_in_memory(void **state)
{
	unsigned leaks = 0;

	(void)state;
	if (SANITIZED)
		skip();
	for (size_t w = 0; w < COUNT(ways); w++) {
		const char *name = strchr(ways[w].text, '\n') + 1;

		for (unsigned secrets = 0; secrets < 2; secrets++) {
			secret_is(ways[w].len);
			open_reader(ways[w].text, ways[w].t1);
			memset(&said, 0, sizeof said);
			/* log lines that show the secret are wiped as well */
			log_setup(secrets ? LOG_COMM : LOG_CRITICAL, secrets);
			for (unsigned i = 0; i < 2; i++) {
				transmit(secret_apdu(verify, ways[w].len, ways[w].echo));
				memset(&said, 0, sizeof said);
				leaks += memory_leaks(name);
			}
			log_setup(LOG_CRITICAL, false);
			close_reader();
			leaks += memory_leaks("after closing");
		}
	}
	assert_int_equal(leaks, 0);
}

static void pins_in_memory(void **state)
{
	unsigned leaks = 0;

	(void)state;
	if (SANITIZED)
		skip();
	secret_is_typed();
	for (size_t w = 0; w < COUNT(pads); w++) {
		open_reader(pads[w].text, pads[w].t1);
		FIXTURE_IS_FINE(type_a_pin());
		leaks += memory_leaks(strchr(pads[w].text, '\n') + 1);
		close_reader();
		leaks += memory_leaks("after closing");
	}
	assert_int_equal(leaks, 0);
}

/* Commands that fail. */
static void failures_in_memory(void **state)
{
	static const char *const faults[] = {
		"wrong-slot", "wrong-seq", "wrong-type", "stale", "duplicate", "zero-length", "short-answer value=20",
		"length-more", "length-less", "padded value=4", "exact value=1", "overflow", "in-stall", "in-error",
		"no-zlp count=0", "silent", "late-answer ms=500", "slow-answer", "time-extension", "error", "unplug",
		"error-status", "out-stall", "out-error", "out-nak",
	};
	unsigned leaks = 0;

	(void)state;
	if (SANITIZED)
		skip();
	for (size_t i = 0; i < COUNT(faults); i++) {
		static const char *const texts[] = {
			"reader one\nlevel = tpdu\ncard 0 = t1 applet=echo\n",
			"reader one\nlevel = short\ncard 0 = t1 applet=echo\n",
			"reader one\nlevel = extended\nmaxlen = 271\ncard 0 = t1 applet=echo\n",
		};

		for (size_t k = 0; k < COUNT(texts); k++) {
			char where[200];

			snprintf(where, sizeof where, "%s: %s", faults[i], strchr(texts[k], '\n') + 1);
			secret_is(48);
			open_reader(texts[k], true);
			fixture_fault(0, "%s msg=6f", faults[i]);
			/* 48 + 5 + 2 + ... makes the answer a whole packet at short APDU level */
			transmit(secret_apdu(verify, k == 1 ? 52 : 48, true));
			/* the second copy stays in the transfer's buffer until libusb reports the
			 * transfer */
			if (strcmp(faults[i], "duplicate") != 0)
				leaks += memory_leaks(where);
			fixture_fault(0, "clear");
			transmit(secret_apdu(unknown, 0, false));
			leaks += memory_leaks(where);
			close_reader();
			leaks += memory_leaks(where);
		}
	}
	assert_int_equal(leaks, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(apdus_in_the_log, fixture_teardown),
		cmocka_unit_test_teardown(pins_in_the_log, fixture_teardown),
		cmocka_unit_test(the_search_works),
		cmocka_unit_test_teardown(apdus_in_memory, fixture_teardown),
		cmocka_unit_test_teardown(pins_in_memory, fixture_teardown),
		cmocka_unit_test_teardown(failures_in_memory, fixture_teardown),
	};

	stack_top = __builtin_frame_address(0);
	other.stack = __real_malloc(OTHER_STACK);
	app = __real_malloc(2 * APP_ROOM);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
