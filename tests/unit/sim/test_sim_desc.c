/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The simulated reader: table, descriptors, control pipe, text files. */
#include "sim_bench.h"

#include <unistd.h>

/* --- the table and the descriptors --- */

/* Walks over the descriptors and checks that all lengths agree; returns how many class descriptors
 * are whole. */
static unsigned walk(struct sim_dev *d, const uint8_t **class_desc)
{
	size_t len, at = 18;
	const uint8_t *p = sim_dev_descriptors(d, &len);
	unsigned n = 0, interfaces = 0;

	assert_true(len > 27);
	assert_int_equal(p[0], 18);
	assert_int_equal(p[18 + 2] | p[18 + 3] << 8, len - 18);
	while (at < len) {
		assert_true(p[at] >= 2 && at + p[at] <= len);
		interfaces += p[at + 1] == 4;
		if ((p[at + 1] == 0x21 || p[at + 1] == 0xFF) && p[at] == 54)
			class_desc[n++] = p + at;
		at += p[at];
	}
	assert_int_equal(at, len);
	assert_int_equal(interfaces, p[18 + 4]);
	return n;
}

static uint32_t le32(const uint8_t *p)
{
	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

struct tsv {
	char *column[48];
	unsigned n;
};

static void tsv_split(struct tsv *t, char *line)
{
	t->n = 0;
	line[strcspn(line, "\n")] = '\0';
	while (line && t->n < 48) {
		t->column[t->n++] = line;
		line = strchr(line, '\t');
		if (line)
			*line++ = '\0';
	}
}

static unsigned long tsv_number(const struct tsv *head, const struct tsv *t, const char *name,
				int base)
{
	for (unsigned i = 0; i < head->n; i++) {
		if (strcmp(head->column[i], name) == 0)
			return strtoul(t->column[i], NULL, base);
	}
	fail_msg("no column %s", name);
	return 0;
}

static void check_row(const struct tsv *head, const struct tsv *t, unsigned device)
{
	const uint8_t *classes[8];
	char err[100], which[100];
	struct sim_dev *d;
	unsigned n, i, number = (unsigned)tsv_number(head, t, "bInterfaceNumber", 10);

	snprintf(which, sizeof which, "%s#%u", t->column[0], device);
	d = sim_dev_from_table(which, err, sizeof err);
	if (!d)
		fail_msg("%s", err);
	assert_string_equal(sim_dev_name(d), t->column[0]);
	assert_int_equal(sim_dev_vendor(d), tsv_number(head, t, "idVendor", 16));
	assert_int_equal(sim_dev_product(d), tsv_number(head, t, "idProduct", 16));
	n = walk(d, classes);
	assert_int_equal(n, sim_dev_interfaces(d));
	for (i = 0; i < n && sim_dev_interface_number(d, i) != number; i++)
		;
	assert_true(i < n);
	assert_int_equal(classes[i][1], tsv_number(head, t, "bDescriptorType", 0));
	assert_int_equal(classes[i][4], tsv_number(head, t, "bMaxSlotIndex", 0));
	assert_int_equal(sim_dev_slots(d, i), classes[i][4] + 1);
	assert_int_equal(le32(classes[i] + 19), tsv_number(head, t, "dwDataRate_bps", 10));
	assert_int_equal(le32(classes[i] + 40), tsv_number(head, t, "dwFeatures", 0));
	assert_int_equal(le32(classes[i] + 44), tsv_number(head, t, "dwMaxCCIDMessageLength", 10));
	assert_int_equal(classes[i][52], tsv_number(head, t, "bPINSupport", 0));
	assert_int_equal(classes[i][53], tsv_number(head, t, "bMaxCCIDBusySlots", 10));
	sim_dev_free(d);
}

static void test_every_row(void **state)
{
	FILE *in = fopen(getenv("CCID_SIM_TABLE"), "r");
	char *line = malloc(16384), *head_line = malloc(16384);
	struct tsv head, row;
	unsigned rows = 0, device = 0, last = 0;
	char before[100] = "";

	(void)state;
	assert_non_null(in);
	do
		assert_non_null(fgets(head_line, 16384, in));
	while (head_line[0] == '#');
	tsv_split(&head, head_line);
	while (fgets(line, 16384, in)) {
		if (line[0] == '#')
			continue;
		tsv_split(&row, line);
		/* the same name with interface numbers that start again: a further device */
		if (strcmp(before, row.column[0]) != 0)
			device = 0;
		else if (tsv_number(&head, &row, "bInterfaceNumber", 10) <= last)
			device++;
		snprintf(before, sizeof before, "%s", row.column[0]);
		last = (unsigned)tsv_number(&head, &row, "bInterfaceNumber", 10);
		check_row(&head, &row, device);
		rows++;
	}
	assert_true(rows > 700);
	fclose(in);
	free(line);
	free(head_line);
}

static void test_table_errors(void **state)
{
	char err[200];
	struct sim_dev *a, *b;

	(void)state;
	assert_null(sim_dev_from_table("ffff:fffe", err, sizeof err));
	assert_non_null(strstr(err, "ffff:fffe"));
	assert_null(sim_dev_from_table("no such dump", err, sizeof err));
	/* two dumps of one id */
	a = sim_dev_from_table("08e6:3438", err, sizeof err);
	b = sim_dev_from_table("08e6:3438#1", err, sizeof err);
	assert_non_null(a);
	assert_non_null(b);
	assert_string_not_equal(sim_dev_name(a), sim_dev_name(b));
	sim_dev_free(a);
	sim_dev_free(b);
}

/* Reads the table with one cell changed. */
static bool reads_with(const char *path, const char *wanted, const char *instead, char *err, size_t cap)
{
	char which[] = "LTC31", head[4096], row[4096];
	FILE *in = fopen(TOP_SRCDIR "/readers/reader_descriptors.tsv", "r"), *out = fopen(path, "w");
	const char *rest = head;
	struct sim_dev *d;
	unsigned column = 0;

	assert_true(in && out && fgets(head, sizeof head, in));
	while (fgets(row, sizeof row, in) && strncmp(row, "LTC31\t", 6) != 0)
		;
	fclose(in);
	fputs(head, out);
	for (; strncmp(rest, wanted, strlen(wanted)) != 0; rest++)
		column += *rest == '\t';
	rest = row;
	for (unsigned i = 0; rest; i++) {
		size_t n = strcspn(rest, "\t\n");

		fprintf(out, "%s%.*s", i ? "\t" : "", i == column ? (int)strlen(instead) : (int)n,
			i == column ? instead : rest);
		rest = rest[n] == '\t' ? rest + n + 1 : NULL;
	}
	fputc('\n', out);
	fclose(out);
	d = sim_dev_from_table(which, err, cap);
	if (d)
		sim_dev_free(d);
	return d != NULL;
}

/* A row with a cell that readers/columns.def does not allow is refused as a whole. */
static void test_damaged_cells(void **state)
{
	static const struct {
		const char *column, *text;
		bool good;
	} cells[] = {
		{ "dwDefaultClock_kHz", "4000", true }, { "dwDefaultClock_kHz", "4.000", false },
		{ "dwDefaultClock_kHz", "", false }, { "dwDefaultClock_kHz", "04000", false },
		{ "dwDefaultClock_kHz", "4294967295", true }, { "dwDefaultClock_kHz", "4294967296", false },
		{ "bNumClockSupported", "255", true }, { "bNumClockSupported", "256", false },
		{ "bInterfaceClass", "0xFF", true }, { "bInterfaceClass", "echo", false },
		{ "bInterfaceClass", "0x0C", false }, { "bClassEnvelope", "echo", false },
		{ "idVendor", "0783", true }, { "idVendor", "783", false }, { "idVendor", "078G", false },
		{ "bcdDevice", "1.16", true }, { "bcdDevice", "116", false }, { "bcdDevice", "1.", false },
		{ "dwFeatures", "0x00010002", true }, { "dwFeatures", "0x10002", false },
		{ "dwFeatures", "0x0001000a", false }, { "wLcdLayout", "0", false },
		{ "clocks_kHz", "", true }, { "clocks_kHz", "4000,8000", true },
		{ "clocks_kHz", "4000, 8000", false }, { "clocks_kHz", "4000,", false },
		{ "iProduct", "", true }, { "iProduct", "a\001", true },
		{ "bInterfaceProtocol", "3", false }, { "bDescriptorType", "0x22", false },
	};
	char path[] = "/tmp/sim-table-XXXXXX", err[200], *before = strdup(getenv("CCID_SIM_TABLE"));
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0 && before);
	close(fd);
	setenv("CCID_SIM_TABLE", path, 1);
	for (size_t i = 0; i < sizeof cells / sizeof cells[0]; i++) {
		if (reads_with(path, cells[i].column, cells[i].text, err, sizeof err) != cells[i].good)
			fail_msg("%s \"%s\"", cells[i].column, cells[i].text);
		if (!cells[i].good)
			assert_non_null(strstr(err, cells[i].column));
	}
	setenv("CCID_SIM_TABLE", before, 1);
	free(before);
	unlink(path);
}

static void test_descriptor_faults(void **state)
{
	static const struct {
		const char *spec;
		unsigned classes, length;
	} cases[] = {
		{ "desc-short value=20", 0, 93 - 34 }, { "desc-long value=60", 0, 93 + 6 },
		{ "desc-doubled", 2, 93 + 54 },	       { "desc-at-endpoint", 1, 93 },
		{ "desc-none", 0, 93 - 54 },	       { "no-endpoints", 1, 93 - 21 },
		{ "endpoints-doubled", 1, 93 + 21 },   { "endpoint-type", 1, 93 },
	};
	const uint8_t *classes[4], *p;
	struct bench b;
	size_t len;

	(void)state;
	bench_open(&b, TPDU);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		fault(&b, cases[i].spec);
		assert_int_equal(walk(b.d, classes), cases[i].classes);
		sim_dev_descriptors(b.d, &len);
		assert_int_equal(len - 18, cases[i].length);
		fault(&b, "clear");
		assert_int_equal(walk(b.d, classes), 1);
	}
	fault(&b, "no-altsetting");
	p = sim_dev_descriptors(b.d, &len);
	assert_int_equal(len, 18 + 9);
	assert_int_equal(p[18 + 4], 1);
	fault(&b, "clear");
	fault(&b, "max-slot-index");
	fault(&b, "busy-slots value=255");
	fault(&b, "max-message value=4294967295");
	walk(b.d, classes);
	assert_int_equal(classes[0][4], 255);
	assert_int_equal(classes[0][53], 255);
	assert_int_equal(le32(classes[0] + 44), 0xFFFFFFFF);
	assert_int_equal(sim_dev_slots(b.d, 0), 256);
	fault(&b, "clear");
	walk(b.d, classes);
	assert_int_equal(classes[0][4], 0);
	assert_int_equal(le32(classes[0] + 44), 271);
	bench_close(&b);
}

static void test_control(void **state)
{
	struct bench b;
	uint8_t p[1200], rates[8] = { 0x80, 0x25, 0, 0, 0, 0x4B, 0, 0 };
	size_t len;
	const uint8_t *all;

	(void)state;
	bench_open(&b, TPDU "serial = 0815\nrates = 9600,19200\n");
	all = sim_dev_descriptors(b.d, &len);
	assert_int_equal(control(&b, 0x80, 6, 0x0100, 0, p, 18), 18);
	assert_memory_equal(p, all, 18);
	assert_int_equal(control(&b, 0x80, 6, 0x0200, 0, p, 9), 9);
	assert_int_equal(control(&b, 0x80, 6, 0x0200, 0, p, 255), (int)len - 18);
	assert_memory_equal(p, all + 18, len - 18);
	assert_int_equal(control(&b, 0x80, 6, 0x0300, 0, p, 255), 4);
	assert_int_equal(control(&b, 0x80, 6, 0x0303, 0x409, p, 255), 10);
	assert_memory_equal(p + 2, "0\0008\0001\0005", 8);
	assert_int_equal(control(&b, 0x80, 6, 0x0309, 0x409, p, 255), SIM_STALL);
	assert_int_equal(control(&b, 0x80, 8, 0, 0, p, 1), 1);
	assert_int_equal(p[0], 1);
	assert_int_equal(control(&b, 0x00, 9, 1, 0, NULL, 0), 0);
	assert_int_equal(control(&b, 0x00, 9, 2, 0, NULL, 0), SIM_STALL);
	assert_int_equal(control(&b, 0x01, 11, 0, 0, NULL, 0), 0);
	assert_int_equal(control(&b, 0xA1, 3, 0, 0, p, 255), 8);
	assert_memory_equal(p, rates, 8);
	assert_int_equal(control(&b, 0xA1, 2, 0, 0, p, 255), SIM_STALL);
	fault(&b, "rates-stall");
	assert_int_equal(control(&b, 0xA1, 3, 0, 0, p, 255), SIM_STALL);
	fault(&b, "rates-extra value=3");
	assert_int_equal(control(&b, 0xA1, 3, 0, 0, p, 255), 11);
	fault(&b, "rates-count value=256");
	assert_int_equal(control(&b, 0xA1, 3, 0, 0, p, 1024), 1024);
	fault(&b, "rates-count value=1");
	assert_int_equal(control(&b, 0xA1, 3, 0, 0, p, 255), 4);
	no_complaints(&b);
	assert_int_equal(control(&b, 0xA1, 0x55, 0, 0, p, 255), SIM_STALL);
	complained(&b, 1, "unknown class request");
	bench_close(&b);
}

/* --- text files --- */

static void test_config_errors(void **state)
{
	static const char *const cases[] = {
		"slots = 1",
		"reader",
		"reader r\nslots = 0",
		"reader r\nslots = 257",
		"reader r\nfoo = 1",
		"reader r\nfoo",
		"reader r\nlevel = high",
		"reader r\nfrom = ffff:ffff",
		"reader r\ncard 0 = bad=word",
		"reader r\ncard x = t0",
		"reader r\ncard 1 = t0",
		"reader r\nfault = no-such",
		"reader r\nbusy = 256",
		"reader r\niccd = c",
		"reader r\ncopies = 0",
		"reader r\nzlp = maybe",
		"reader r\npacket = 7",
		"reader r\nendpoints = 4",
		"reader r\nvendor = zz",
		"reader r\nusb_us = -1",
		"reader r\nbcd = x",
		"reader r\nreader s\nreader r",
		"reader r\ncopies = 2\nreader r-2",
		"reader r-2\nreader r\ncopies = 2",
	};
	struct sim_dev **devs;
	char err[200];

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		err[0] = '\0';
		if (sim_config_parse(cases[i], &devs, err, sizeof err) != -1 ||
		    strncmp(err, "line ", 5) != 0)
			fail_msg("\"%s\": %s", cases[i], err);
		assert_null(devs);
	}
	/* the line of the second one */
	assert_int_equal(sim_config_parse("reader r\n\nreader r\nslots = 2\n", &devs, err, sizeof err), -1);
	assert_string_equal(err, "line 3: another reader has this name: r");
	assert_int_equal(sim_config_parse("# nothing\n\n", &devs, err, sizeof err), 0);
	free(devs);
}

static void test_config(void **state)
{
	static const char text[] = "# a file\n"
				   "reader bank\n  slots = 8   # many\n busy=8\n copies = 2\n card "
				   "7 = t1\n fault = silent count=2\n"
				   "reader twin\n from = 08e6:3437\n serial = 12 34\n bcd = 2.00\n"
				   "reader duo\n slots = 2\n interface = 2\n level = extended\n "
				   "card 0 = t0\n unplugged\n";
	const uint8_t *classes[8];
	struct sim_dev **devs;
	char err[200];
	size_t len;

	(void)state;
	assert_int_equal(sim_config_parse(text, &devs, err, sizeof err), 4);
	assert_string_equal(sim_dev_name(devs[0]), "bank");
	assert_string_equal(sim_dev_name(devs[1]), "bank-2");
	assert_int_equal(sim_dev_slots(devs[1], 0), 8);
	assert_true(sim_dev_has_card(devs[1], 0, 7));
	assert_int_equal(sim_dev_vendor(devs[2]), 0x08e6);
	assert_string_equal(sim_dev_name(devs[2]), "twin");
	assert_string_equal(sim_dev_string(devs[2], 3), "12 34");
	assert_null(sim_dev_string(devs[2], 9));
	assert_int_equal(sim_dev_descriptors(devs[2], &len)[13], 2);
	assert_int_equal(sim_dev_interfaces(devs[3]), 2);
	assert_int_equal(sim_dev_interface_number(devs[3], 1), 2);
	assert_false(sim_dev_is_plugged(devs[3]));
	assert_true(sim_dev_has_card(devs[3], 1, 0));
	/* the missing interface 1 is not a CCID interface */
	assert_int_equal(walk(devs[3], classes), 2);
	assert_int_equal(sim_dev_descriptors(devs[3], &len)[18 + 4], 3);
	for (int i = 0; i < 4; i++)
		sim_dev_free(devs[i]);
	free(devs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_row),
		cmocka_unit_test(test_table_errors),
		cmocka_unit_test(test_damaged_cells),
		cmocka_unit_test(test_descriptor_faults),
		cmocka_unit_test(test_control),
		cmocka_unit_test(test_config_errors),
		cmocka_unit_test(test_config),
	};

	if (!getenv("CCID_SIM_TABLE"))
		setenv("CCID_SIM_TABLE", TOP_SRCDIR "/readers/reader_descriptors.tsv", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
