/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Each interface of the reader table as a simulated reader: open, status, power on with a card that
 * fits it, negotiation, an exchange of each APDU case it allows, features, close. The simulator
 * must have no complaint, and the driver must report no error. The parameters that were used go to
 * every-reader.txt in the build folder. */
#include "driver_fixture.h"

#include "slot/registry.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ROWS_MAX 1024
#define COLUMNS 25
#define LUN 0x10000
#define CM_IOCTL_GET_FEATURE_REQUEST SCARD_CTL_CODE(3400)

/* One row of the table: an interface of a device. */
struct row {
	char dump[96];
	unsigned vendor, product, interface;
	unsigned protocols;	/* dwProtocols */
	unsigned features;	/* dwFeatures */
	unsigned bcd;		/* bcdDevice */
	bool iccd;
	unsigned nth;		/* of the devices with that id */
	char test_name[160];
};

static struct row rows[ROWS_MAX];
static unsigned n_rows;
static FILE *report;

static unsigned devices_with_id(unsigned n, unsigned vendor, unsigned product)
{
	unsigned count = 0;

	for (unsigned i = 0; i < n; i++) {
		bool same_device = i > 0 && strcmp(rows[i].dump, rows[i - 1].dump) == 0 &&
				   rows[i].vendor == rows[i - 1].vendor && rows[i].product == rows[i - 1].product &&
				   rows[i].interface > rows[i - 1].interface;

		count += !same_device && rows[i].vendor == vendor && rows[i].product == product;
	}
	return count;
}

static bool read_table(void)
{
	FILE *f = fopen(TOP_SRCDIR "/readers/reader_descriptors.tsv", "r");
	char *line = NULL;
	size_t cap = 0;

	if (!f || getline(&line, &cap, f) < 0)
		return false;
	while (n_rows < ROWS_MAX && getline(&line, &cap, f) > 0) {
		struct row *r = &rows[n_rows];
		char *rest = line, *column[COLUMNS] = { NULL };

		for (unsigned i = 0; i < COLUMNS && rest; i++)
			column[i] = strsep(&rest, "\t");
		if (!column[COLUMNS - 1] || column[0][0] == '#')
			continue;
		snprintf(r->dump, sizeof r->dump, "%s", column[0]);
		r->vendor = (unsigned)strtoul(column[1], NULL, 16);
		r->product = (unsigned)strtoul(column[2], NULL, 16);
		r->interface = (unsigned)strtoul(column[6], NULL, 0);
		r->bcd = (unsigned)(strtoul(column[3], &rest, 16) << 8 | strtoul(*rest ? rest + 1 : "0", NULL, 16));
		r->iccd = strtoul(column[8], NULL, 0) != 0;
		r->protocols = (unsigned)strtoul(column[14], NULL, 0);
		r->features = (unsigned)strtoul(column[24], NULL, 0);
		n_rows++;
		r->nth = devices_with_id(n_rows, r->vendor, r->product) - 1;
		snprintf(r->test_name, sizeof r->test_name, "%s %04x:%04x interface %u", column[0], r->vendor,
			 r->product, r->interface);
	}
	free(line);
	fclose(f);
	return true;
}

static char drop_dir[] = "/tmp/every-reader-XXXXXX";

/* An Info.plist that allows old firmware; test_firmware shows that such firmware is otherwise
 * refused. */
static bool write_plist(void)
{
	char path[200];
	FILE *f;

	if (!mkdtemp(drop_dir))
		return false;
	snprintf(path, sizeof path, "%s/" BUNDLE, drop_dir);
	mkdir(path, 0700);
	strcat(path, "/Contents");
	mkdir(path, 0700);
	strcat(path, "/Info.plist");
	f = fopen(path, "w");
	if (!f)
		return false;
	fputs("<plist version=\"1.0\"><dict><key>ifdLogLevel</key><string>3</string><key>ifdDriverOptions</key>"
	      "<string>0x0004</string><key>ifdVendorID</key><array><string>0x1</string></array>"
	      "<key>ifdProductID</key><array><string>0x1</string></array><key>ifdFriendlyName</key><array>"
	      "<string>x</string></array></dict></plist>\n", f);
	return fclose(f) == 0;
}

static void remove_plist(void)
{
	char path[200];

	snprintf(path, sizeof path, "%s/" BUNDLE "/Contents/Info.plist", drop_dir);
	unlink(path);
	for (unsigned i = 0; i < 3; i++) {
		*strrchr(path, '/') = '\0';
		rmdir(path);
	}
}

/* ISO 7816-4 on top of T=0: 61xx is answered by GET RESPONSE. */
static void exchange(const uint8_t *apdu, size_t len, const uint8_t *want, size_t want_len)
{
	static uint8_t out[70000];
	uint8_t whole[2048], get[5] = { 0x00, 0xC0, 0x00, 0x00, 0x00 };
	size_t n, got = 0;

	FIXTURE_IS_FINE(fixture_apdu(LUN, apdu, len, out, sizeof out, &n));
	for (;;) {
		assert_true(n >= 2 && got + n - 2 <= sizeof whole);
		memcpy(whole + got, out, n - 2);
		got += n - 2;
		if (out[n - 2] != 0x61)
			break;
		get[4] = out[n - 1];
		FIXTURE_IS_FINE(fixture_apdu(LUN, get, sizeof get, out, sizeof out, &n));
	}
	assert_int_equal(out[n - 2] << 8 | out[n - 1], 0x9000);
	assert_int_equal(got, want_len);
	assert_memory_equal(whole, want, want_len);
}

/* max: most bytes of data in a short APDU that this reader's messages can carry, both ways. */
static void short_cases(size_t max)
{
	uint8_t pattern[256], apdu[5 + 255 + 1] = { 0x80, 0x10 };
	size_t n = max < 200 ? max : 200;

	for (unsigned i = 0; i < sizeof pattern; i++)
		pattern[i] = (uint8_t)i;
	exchange(apdu, 4, pattern, 0);				/* case 1 */
	apdu[1] = 0x14;
	apdu[4] = (uint8_t)n;
	exchange(apdu, 5, pattern, n);				/* case 2 */
	apdu[1] = 0x12;
	memcpy(apdu + 5, pattern, n);
	exchange(apdu, 5 + n, pattern, 0);			/* case 3 */
	apdu[1] = 0x16;
	apdu[5 + n] = 0;
	exchange(apdu, 6 + n, pattern, n);			/* case 4 */
}

static void extended_cases(void)
{
	enum { N = 700 };
	uint8_t pattern[N], apdu[7 + N + 2] = { 0x80, 0x14, 0, 0, 0, N >> 8, N & 0xFF };

	for (unsigned i = 0; i < N; i++)
		pattern[i] = (uint8_t)i;
	exchange(apdu, 7, pattern, N);				/* case 2E */
	apdu[1] = 0x12;
	memcpy(apdu + 7, pattern, N);
	exchange(apdu, 7 + N, pattern, 0);			/* case 3E */
	apdu[1] = 0x16;
	apdu[7 + N] = apdu[8 + N] = 0;
	exchange(apdu, 9 + N, pattern, N);			/* case 4E */
}

static void features(void)
{
	uint8_t out[256];
	DWORD n = 0;

	FIXTURE_IS_FINE(IFDHControl(LUN, CM_IOCTL_GET_FEATURE_REQUEST, NULL, 0, out, sizeof out, &n));
	assert_int_equal(n % 6, 0);
	for (DWORD i = 0; i + 6 <= n; i += 6) {
		DWORD code = (DWORD)out[i + 2] << 24 | (DWORD)out[i + 3] << 16 | (DWORD)out[i + 4] << 8 | out[i + 5];
		uint8_t value[256];
		DWORD len = 0;

		assert_int_equal(out[i + 1], 4);
		/* FEATURE_IFD_PIN_PROPERTIES, FEATURE_GET_TLV_PROPERTIES */
		if (out[i] == 0x0A || out[i] == 0x12)
			FIXTURE_IS_FINE(IFDHControl(LUN, code, NULL, 0, value, sizeof value, &len));
	}
}

/* A copy of the parameters that the driver settled for the slot. */
struct settled {
	enum exchange_level level;
	unsigned protocol;
	size_t max_data;
};

static struct settled write_report(const struct row *r)
{
	static const char *const level[] = { "character", "TPDU", "short APDU", "extended APDU" };
	struct slot *s = registry_get(LUN);
	const struct reader *rd = s->reader;
	const struct timing *t = &s->params.exchange.timing;
	struct settled settled = { rd->level, s->params.protocol, s->params.exchange.max_data };

	fprintf(report, "%-40s %04x:%04x/%u %-13s T=%u %u/%u %u kHz, %u slot(s), %u busy, quirks:", r->dump,
		r->vendor, r->product, r->interface, level[rd->level], s->params.protocol, t->Fi, t->Di,
		t->clock_khz, rd->n_slots, ccid_desc_busy_places(&rd->desc));
	for (unsigned i = 0; i < QUIRK_COUNT; i++) {
		char name[64];

		if (quirk_has(&rd->quirks, (enum quirk)i)) {
			quirk_name((enum quirk)i, name, sizeof name);
			fprintf(report, " %s", name);
		}
	}
	fputc('\n', report);
	registry_put(s);
	return settled;
}

/* Bytes of data that a command and an answer can have: at TPDU level a T=1 block or the 5 bytes of
 * a T=0 header go with them, at short APDU level header, Lc and Le. */
static size_t room_for_data(const struct settled *s)
{
	if (s->level == LEVEL_EXTENDED_APDU || (s->level != LEVEL_SHORT_APDU && s->protocol == 1))
		return 200;	/* chained */
	return s->max_data > 8 ? s->max_data - 8 : 1;
}

static bool takes_extended(const struct settled *s)
{
	return s->level == LEVEL_EXTENDED_APDU || (s->protocol == 1 && s->level != LEVEL_SHORT_APDU);
}

static void drive(const struct row *r, unsigned protocol)
{
	struct settled s;

	FIXTURE_IS_FINE(fixture_power(LUN));
	FIXTURE_IS_FINE(IFDHSetProtocolParameters(LUN, protocol ? SCARD_PROTOCOL_T1 : SCARD_PROTOCOL_T0, 0, 0, 0, 0));
	s = write_report(r);
	short_cases(room_for_data(&s));
	if (takes_extended(&s))
		extended_cases();
	features();
	assert_int_equal(IFDHICCPresence(LUN), IFD_ICC_PRESENT);
}

/* One protocol with a card that fits: readers that settle the parameters themselves take the
 * first protocol that the card offers. */
static void with_card(const struct row *r, unsigned protocol, const char *card)
{
	struct quirk_set q;
	char text[400];

	/* The firmware that this quirk is about chains. */
	quirks_match(&q, (uint16_t)r->vendor, (uint16_t)r->product, (uint16_t)r->bcd, NULL);
	snprintf(text, sizeof text, "reader x\nfrom = %04x:%04x#%u\ninterface = %u\nchains = %d\ncard 0 = %s\n",
		 r->vendor, r->product, r->nth, r->interface, quirk_has(&q, QUIRK_EXTENDED_LEVEL), card);
	fixture_start(FAKE_VIRTUAL, text);
	setenv("PCSCLITE_HP_DROPDIR", drop_dir, 1);
	FIXTURE_IS_FINE(fixture_open(LUN, 0, r->interface));
	assert_int_equal(IFDHICCPresence(LUN), IFD_ICC_PRESENT);
	drive(r, protocol);
	FIXTURE_IS_FINE(IFDHCloseChannel(LUN));
	if (fixture_log_critical() > fixture_log_count("is too old"))
		fixture_log_print();
	assert_int_equal(fixture_log_critical(), fixture_log_count("is too old"));
	fixture_stop();
}

static void every_reader(void **state)
{
	const struct row *r = *state;
	unsigned protocols = r->protocols & 3 ? r->protocols & 3 : 3;	/* dwProtocols names none: try both */
	bool automatic = r->features & CCID_FEATURE_AUTO_PARAM_NEGOTIATION || r->iccd;

	if (protocols & 1)
		with_card(r, 0, automatic ? "t0" : "t0t1");
	if (protocols & 2)
		with_card(r, 1, automatic ? "t1" : "t0t1");
}

int main(void)
{
	static struct CMUnitTest tests[ROWS_MAX];
	int failed;

	setenv("CCID_SIM_TABLE", TOP_SRCDIR "/readers/reader_descriptors.tsv", 0);
	if (!read_table() || !write_plist())
		return 1;
	report = fopen("every-reader.txt", "w");
	if (!report)
		return 1;
	for (unsigned i = 0; i < n_rows; i++)
		tests[i] = (struct CMUnitTest){ rows[i].test_name, every_reader, NULL, fixture_teardown, &rows[i] };
	failed = _cmocka_run_group_tests("every reader", tests, n_rows, NULL, NULL);
	remove_plist();
	return failed || fclose(report) != 0;
}
