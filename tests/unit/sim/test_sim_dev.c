/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The simulated reader, driven transfer by transfer. */
#include "sim/sim_dev.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MS 1000000ull
#define ROOM 70144		/* a multiple of 64 and 512 */

/* A reader on the bench. */
struct bench {
	struct sim_dev *d;
	uint64_t now;
	uint8_t seq[8];
	uint8_t *in;		/* what came last */
	size_t in_len;
	int status;
	char err[200];
};

static void bench_open(struct bench *b, const char *text)
{
	struct sim_dev **devs;

	memset(b, 0, sizeof(*b));
	if (sim_config_parse(text, &devs, b->err, sizeof(b->err)) != 1)
		fail_msg("%s", b->err);
	b->d = devs[0];
	free(devs);
	b->in = malloc(ROOM);
	b->now = 1000 * MS;
}

static void bench_close(struct bench *b)
{
	sim_dev_free(b->d);
	free(b->in);
}

static void no_complaints(struct bench *b)
{
	if (sim_dev_complaints(b->d))
		fail_msg("%s", sim_dev_complaint(b->d, 0));
}

/* The last complaint says `what`; there are n. */
static void complained(struct bench *b, unsigned n, const char *what)
{
	assert_int_equal(sim_dev_complaints(b->d), n);
	if (!strstr(sim_dev_complaint(b->d, n - 1), what))
		fail_msg("\"%s\" is not \"%s\"", sim_dev_complaint(b->d, n - 1), what);
}

static struct sim_urb *wait_any(struct bench *b, uint64_t until)
{
	struct sim_urb *u;

	for (;;) {
		uint64_t next;

		u = sim_dev_reap(b->d, b->now);
		if (u)
			return u;
		next = sim_dev_next(b->d);
		if (next > until) {
			b->now = until;
			return NULL;
		}
		if (next > b->now)
			b->now = next;
	}
}

static int control(struct bench *b, uint8_t type, uint8_t request, unsigned value, unsigned index, void *data,
		   unsigned len)
{
	struct sim_urb u = { .type = SIM_CONTROL, .buf = data, .len = len };
	uint8_t setup[8] = { type, request, (uint8_t)value, (uint8_t)(value >> 8), (uint8_t)index, 0,
			     (uint8_t)len, (uint8_t)(len >> 8) };

	memcpy(u.setup, setup, 8);
	sim_dev_submit(b->d, &u, b->now);
	while (wait_any(b, b->now + 1000 * MS) != &u)
		;
	return u.status == SIM_OK ? (int)u.actual : u.status;
}

static int send_raw(struct bench *b, const uint8_t *p, size_t len)
{
	struct sim_urb u = { .type = SIM_BULK, .endpoint = 0x01, .buf = (uint8_t *)(uintptr_t)p, .len = len };

	sim_dev_submit(b->d, &u, b->now);
	while (wait_any(b, b->now + 1000 * MS) != &u)
		;
	return u.status;
}

static size_t make(uint8_t *m, struct bench *b, uint8_t type, uint8_t slot, const uint8_t abc[3], const void *data, size_t len)
{
	memset(m, 0, 10);
	m[0] = type;
	m[1] = (uint8_t)len;
	m[2] = (uint8_t)(len >> 8);
	m[3] = (uint8_t)(len >> 16);
	m[5] = slot;
	m[6] = ++b->seq[slot & 7];
	if (abc)
		memcpy(m + 7, abc, 3);
	if (len)
		memcpy(m + 10, data, len);
	return 10 + len;
}

static void send(struct bench *b, uint8_t type, uint8_t slot, const uint8_t abc[3], const void *data, size_t len)
{
	uint8_t *m = malloc(10 + len);

	assert_int_equal(send_raw(b, m, make(m, b, type, slot, abc, data, len)), SIM_OK);
	free(m);
}

/* One transfer from bulk IN; false when nothing comes within ms. */
static bool receive_room(struct bench *b, uint64_t ms, size_t room)
{
	struct sim_urb u = { .type = SIM_BULK, .endpoint = 0x81, .buf = b->in, .len = room }, *r;

	sim_dev_submit(b->d, &u, b->now);
	do
		r = wait_any(b, b->now + ms * MS);
	while (r && r != &u);
	if (!r) {
		assert_true(sim_dev_discard(b->d, &u, b->now));
		r = sim_dev_reap(b->d, b->now);
		assert_ptr_equal(r, &u);
		assert_int_equal(u.status, SIM_CANCELLED);
	}
	b->in_len = u.actual;
	b->status = u.status;
	return u.status != SIM_CANCELLED;
}

static bool receive(struct bench *b, uint64_t ms)
{
	return receive_room(b, ms, ROOM);
}

static void command(struct bench *b, uint8_t type, uint8_t slot, const uint8_t abc[3], const void *data, size_t len)
{
	send(b, type, slot, abc, data, len);
	assert_true(receive(b, 60000));
	assert_int_equal(b->status, SIM_OK);
}

/* The answer is of that type, with that bStatus and bError. */
static void answered(struct bench *b, uint8_t type, uint8_t status, uint8_t error)
{
	assert_true(b->in_len >= 10);
	assert_int_equal(b->in[0], type);
	assert_int_equal(b->in[7], status);
	assert_int_equal(b->in[8], error);
	assert_int_equal(b->in[1] | b->in[2] << 8 | b->in[3] << 16, b->in_len - 10);
}

static void power(struct bench *b, uint8_t slot)
{
	static const uint8_t five_volts[3] = { 1, 0, 0 };

	command(b, 0x62, slot, five_volts, NULL, 0);
	answered(b, 0x80, 0, 0);
}

static void fault(struct bench *b, const char *spec)
{
	if (!sim_dev_fault(b->d, spec, b->err, sizeof(b->err)))
		fail_msg("%s: %s", spec, b->err);
}

#define TPDU "reader r\nclock = 4000\n"
#define T0CARD TPDU "card 0 = t0basic\n"

/* --- the table and the descriptors --- */

/* A walk over the descriptors; returns how many class descriptors fit and checks that all lengths agree. */
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
		if (p[at + 1] == 0x21 && p[at] == 54)
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

static unsigned long tsv_number(const struct tsv *head, const struct tsv *t, const char *name, int base)
{
	unsigned i;

	for (i = 0; i < head->n; i++) {
		if (strcmp(head->column[i], name) == 0)
			return strtoul(t->column[i], NULL, base);
	}
	fail_msg("no column %s", name);
	return 0;
}

static void check_row(const struct tsv *head, const struct tsv *t)
{
	const uint8_t *classes[8];
	char err[100];
	struct sim_dev *d = sim_dev_from_table(t->column[0], err, sizeof(err));
	unsigned n, i, number = (unsigned)tsv_number(head, t, "bInterfaceNumber", 10);

	if (!d)
		fail_msg("%s", err);
	assert_int_equal(sim_dev_vendor(d), tsv_number(head, t, "idVendor", 16));
	assert_int_equal(sim_dev_product(d), tsv_number(head, t, "idProduct", 16));
	n = walk(d, classes);
	assert_int_equal(n, sim_dev_interfaces(d));
	for (i = 0; i < n && sim_dev_interface_number(d, i) != number; i++)
		;
	assert_true(i < n);
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
	unsigned rows = 0;

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
		check_row(&head, &row);
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
	assert_null(sim_dev_from_table("ffff:fffe", err, sizeof(err)));
	assert_non_null(strstr(err, "ffff:fffe"));
	assert_null(sim_dev_from_table("no such dump", err, sizeof(err)));
	/* two dumps of one id */
	a = sim_dev_from_table("08e6:3438", err, sizeof(err));
	b = sim_dev_from_table("08e6:3438#1", err, sizeof(err));
	assert_non_null(a);
	assert_non_null(b);
	assert_string_not_equal(sim_dev_name(a), sim_dev_name(b));
	sim_dev_free(a);
	sim_dev_free(b);
}

static void test_descriptor_faults(void **state)
{
	static const struct {
		const char *spec;
		unsigned classes, length;
	} cases[] = {
		{ "desc-short value=20", 0, 93 - 34 }, { "desc-long value=60", 0, 93 + 6 }, { "desc-doubled", 2, 93 + 54 },
		{ "desc-at-endpoint", 1, 93 }, { "desc-none", 0, 93 - 54 }, { "no-endpoints", 1, 93 - 21 },
		{ "endpoints-doubled", 1, 93 + 21 }, { "endpoint-type", 1, 93 },
	};
	const uint8_t *classes[4], *p;
	struct bench b;
	size_t i, len;

	(void)state;
	bench_open(&b, TPDU);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
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
	fault(&b, "rates-odd value=3");
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

/* --- messages --- */

static void test_t0(void **state)
{
	static const uint8_t generate[5] = { 0x80, 0x14, 0, 0, 0x10 };
	struct bench b;

	(void)state;
	bench_open(&b, T0CARD);
	command(&b, 0x65, 0, NULL, NULL, 0);
	answered(&b, 0x81, 1, 0);
	power(&b, 0);
	assert_int_equal(b.in[10], 0x3B);
	command(&b, 0x65, 0, NULL, NULL, 0);
	answered(&b, 0x81, 0, 0);
	command(&b, 0x6F, 0, NULL, generate, 5);
	answered(&b, 0x80, 0, 0);
	assert_int_equal(b.in_len, 10 + 18);
	assert_memory_equal(b.in + 10 + 16, "\x90\x00", 2);
	command(&b, 0x6C, 0, NULL, NULL, 0);
	answered(&b, 0x82, 0, 0);
	assert_int_equal(b.in_len, 15);
	command(&b, 0x6D, 0, NULL, NULL, 0);
	answered(&b, 0x82, 0, 0);
	command(&b, 0x6E, 0, (const uint8_t[3]){ 1, 0, 0 }, NULL, 0);
	answered(&b, 0x81, 0, 0);
	command(&b, 0x73, 0, NULL, "\x00\x12\x00\x00\x00\x2A\x00\x00", 8);
	answered(&b, 0x84, 0, 0);
	command(&b, 0x71, 0, (const uint8_t[3]){ 1, 0, 0 }, NULL, 0);
	answered(&b, 0x81, 0x40, 0);
	command(&b, 0x63, 0, NULL, NULL, 0);
	answered(&b, 0x81, 1, 0);
	no_complaints(&b);
	assert_int_equal(sim_dev_max_in_flight(b.d, 0), 1);
	bench_close(&b);
}

static void test_t1(void **state)
{
	/* NAD PCB LEN, 80 10 00 00 (a NOP), LRC */
	static const uint8_t block[8] = { 0, 0, 4, 0x80, 0x10, 0, 0, 0x94 };
	static const uint8_t params[7] = { 0x11, 0x10, 0, 0x45, 0, 32, 0 };
	struct bench b;

	(void)state;
	bench_open(&b, TPDU "card 0 = t1basic\n");
	power(&b, 0);
	command(&b, 0x61, 0, (const uint8_t[3]){ 1, 0, 0 }, params, 7);
	answered(&b, 0x82, 0, 0);
	assert_int_equal(b.in[9], 1);
	assert_memory_equal(b.in + 10, params, 7);
	command(&b, 0x6F, 0, NULL, block, 8);
	answered(&b, 0x80, 0, 0);
	assert_memory_equal(b.in + 10, "\0\0\2\x90\0\x92", 6);
	no_complaints(&b);
	bench_close(&b);
}

/* A reader that does not know that the card went to T=1, or another speed, gets nothing. */
static void test_t1_without_parameters(void **state)
{
	static const uint8_t block[8] = { 0, 0, 4, 0x80, 0x10, 0, 0, 0x94 };
	struct bench b;

	(void)state;
	bench_open(&b, TPDU "card 0 = t1basic\n");
	power(&b, 0);
	command(&b, 0x6F, 0, NULL, block, 8);
	answered(&b, 0x80, 0x40, 0xFE);
	complained(&b, 1, "the card is at T=1");
	bench_close(&b);
}

static void test_pps(void **state)
{
	static const uint8_t pps[4] = { 0xFF, 0x10, 0x96, 0x79 }, generate[5] = { 0x80, 0x14, 0, 0, 4 };
	static const uint8_t params[5] = { 0x96, 0, 0, 0x0A, 0 };
	struct bench b;

	(void)state;
	bench_open(&b, TPDU "card 0 = t0\n");
	power(&b, 0);
	command(&b, 0x6F, 0, NULL, pps, 4);
	answered(&b, 0x80, 0, 0);
	assert_memory_equal(b.in + 10, pps, 4);
	command(&b, 0x61, 0, NULL, params, 5);
	answered(&b, 0x82, 0, 0);
	command(&b, 0x6F, 0, NULL, generate, 5);
	answered(&b, 0x80, 0, 0);
	assert_int_equal(b.in_len, 16);
	no_complaints(&b);
	bench_close(&b);
}

/* dwFeatures 0x40: the reader did all of it. */
static void test_automatic(void **state)
{
	static const uint8_t generate[5] = { 0x80, 0x14, 0, 0, 4 };
	struct bench b;

	(void)state;
	bench_open(&b, "reader r\nfeatures = 0x0002047E\ncard 0 = t1\n");
	command(&b, 0x62, 0, NULL, NULL, 0);
	answered(&b, 0x80, 0, 0);
	command(&b, 0x6C, 0, NULL, NULL, 0);
	assert_int_equal(b.in[9], 1);
	assert_int_equal(b.in[10], 0x96);
	command(&b, 0x6F, 0, NULL, generate, 5);
	answered(&b, 0x80, 0, 0);
	assert_int_equal(b.in_len, 16);
	no_complaints(&b);
	bench_close(&b);
}

static void xfr_level(struct bench *b, unsigned level, const void *data, size_t len)
{
	const uint8_t abc[3] = { 0, (uint8_t)level, (uint8_t)(level >> 8) };

	command(b, 0x6F, 0, abc, data, len);
}

static void test_extended(void **state)
{
	/* ECHO of 600 bytes, all answers wanted */
	uint8_t apdu[7 + 600 + 2] = { 0x80, 0x16, 0, 0, 0, 600 >> 8, 600 & 0xFF }, got[602];
	struct bench b;
	size_t n, i;

	(void)state;
	for (i = 0; i < 600; i++)
		apdu[7 + i] = (uint8_t)(i * 7);
	bench_open(&b, "reader r\nlevel = extended\nmaxlen = 271\ncard 0 = t1basic\nfeatures = 0x0004047E\n");
	command(&b, 0x62, 0, NULL, NULL, 0);
	xfr_level(&b, 1, apdu, 261);
	answered(&b, 0x80, 0, 0);
	assert_int_equal(b.in[9], 0x10);
	xfr_level(&b, 3, apdu + 261, 261);
	assert_int_equal(b.in[9], 0x10);
	xfr_level(&b, 2, apdu + 522, sizeof(apdu) - 522);
	assert_int_equal(b.in[9], 0x01);
	for (n = 0;;) {
		memcpy(got + n, b.in + 10, b.in_len - 10);
		n += b.in_len - 10;
		if (b.in[9] == 2)
			break;
		assert_int_equal(b.in[9], n == 261 ? 1 : 3);
		xfr_level(&b, 0x10, NULL, 0);
		answered(&b, 0x80, 0, 0);
	}
	assert_int_equal(n, 602);
	assert_memory_equal(got, apdu + 7, 600);
	no_complaints(&b);
	xfr_level(&b, 0x10, NULL, 0);
	answered(&b, 0x80, 0x40, 8);
	complained(&b, 1, "wLevelParameter 0010");
	xfr_level(&b, 3, apdu, 4);
	complained(&b, 2, "wLevelParameter 0003");
	bench_close(&b);
}

static void test_extended_faults(void **state)
{
	static const uint8_t generate[7] = { 0x80, 0x14, 0, 0, 0, 1, 0x90 };
	struct bench b;

	(void)state;
	bench_open(&b, "reader r\nfeatures = 0x0004047E\ncard 0 = t1basic\n");
	command(&b, 0x62, 0, NULL, NULL, 0);
	fault(&b, "chain-tiny count=0");
	xfr_level(&b, 0, generate, 7);
	assert_int_equal(b.in_len, 11);
	assert_int_equal(b.in[9], 1);
	xfr_level(&b, 0x10, NULL, 0);
	assert_int_equal(b.in_len, 11);
	assert_int_equal(b.in[9], 3);
	fault(&b, "clear");
	fault(&b, "chain-middle");
	xfr_level(&b, 0, generate, 7);
	assert_int_equal(b.in[9], 3);
	fault(&b, "clear");
	fault(&b, "chain-begins count=0");
	xfr_level(&b, 0, generate, 7);
	xfr_level(&b, 0x10, NULL, 0);
	xfr_level(&b, 0x10, NULL, 0);
	assert_int_equal(b.in[9], 1);
	assert_int_equal(b.in_len, 271);
	fault(&b, "clear");
	fault(&b, "chain-endless value=700");
	xfr_level(&b, 0, generate, 7);
	xfr_level(&b, 0x10, NULL, 0);
	xfr_level(&b, 0x10, NULL, 0);
	assert_int_equal(b.in_len, 10 + 700 - 2 * 261);
	assert_int_equal(b.in[9], 2);
	no_complaints(&b);
	bench_close(&b);
}

static void test_character(void **state)
{
	static const uint8_t generate[5] = { 0x80, 0x14, 0, 0, 4 };
	struct bench b;

	(void)state;
	bench_open(&b, "reader r\nlevel = char\ncard 0 = t0basic\n");
	power(&b, 0);
	xfr_level(&b, 1, generate, 5);
	assert_int_equal(b.in_len, 11);
	assert_int_equal(b.in[10], 0x14);
	xfr_level(&b, 4, NULL, 0);
	assert_memory_equal(b.in + 10, "\0\1\2\3", 4);
	xfr_level(&b, 2, NULL, 0);
	assert_memory_equal(b.in + 10, "\x90\0", 2);
	no_complaints(&b);
	bench_close(&b);
}

static void test_character_t1(void **state)
{
	static const uint8_t block[8] = { 0, 0, 4, 0x80, 0x10, 0, 0, 0x94 }, params[7] = { 0x11, 0x10, 0, 0x45, 0, 32, 0 };
	struct bench b;

	(void)state;
	bench_open(&b, "reader r\nlevel = char\ncard 0 = t1basic\n");
	power(&b, 0);
	command(&b, 0x61, 0, (const uint8_t[3]){ 1, 0, 0 }, params, 7);
	xfr_level(&b, 3, block, 8);
	assert_memory_equal(b.in + 10, "\0\0\2", 3);
	assert_int_equal(b.in_len, 13);
	xfr_level(&b, 3, NULL, 0);
	assert_memory_equal(b.in + 10, "\x90\0\x92", 3);
	xfr_level(&b, 1, NULL, 0);
	answered(&b, 0x80, 0x40, 0xFE);
	no_complaints(&b);
	bench_close(&b);
}

/* --- complaints --- */

static void test_message_complaints(void **state)
{
	struct bench b;
	uint8_t m[400], long_data[262] = { 0 }, tpdu[5] = { 0x80, 0x14, 0, 0, 1 };
	unsigned n = 0;

	(void)state;
	bench_open(&b, T0CARD "slots = 2\nvoltages = 1\n");
	command(&b, 0x6F, 0, NULL, tpdu, 5);
	answered(&b, 0x80, 0x41, 0xFE);
	complained(&b, ++n, "no power");
	command(&b, 0x62, 0, NULL, NULL, 0);
	answered(&b, 0x80, 0x41, 7);
	complained(&b, ++n, "bPowerSelect 0 is not");
	command(&b, 0x62, 0, (const uint8_t[3]){ 2, 0, 0 }, NULL, 0);
	complained(&b, ++n, "bPowerSelect 2 is not");
	command(&b, 0x62, 0, (const uint8_t[3]){ 9, 0, 0 }, NULL, 0);
	complained(&b, ++n, "reserved");
	power(&b, 0);
	command(&b, 0x65, 0, (const uint8_t[3]){ 0, 0, 7 }, NULL, 0);
	complained(&b, ++n, "RFU");
	command(&b, 0x65, 2, NULL, NULL, 0);
	answered(&b, 0x81, 0x42, 5);
	complained(&b, ++n, "slot 2");
	xfr_level(&b, 1, tpdu, 5);
	answered(&b, 0x80, 0x40, 8);
	complained(&b, ++n, "wLevelParameter 0001");
	make(m, &b, 0x6F, 0, NULL, tpdu, 5);
	m[1] = 6;
	assert_int_equal(send_raw(&b, m, 15), SIM_OK);
	receive(&b, 100);
	answered(&b, 0x80, 0x40, 1);
	complained(&b, ++n, "dwLength 6, but 5");
	memset(m, 0, sizeof(m));
	make(m, &b, 0x6B, 0, NULL, long_data, 262);
	send_raw(&b, m, 272);
	receive(&b, 100);
	complained(&b, ++n, "message of 272 bytes");
	b.seq[0]--;
	command(&b, 0x65, 0, NULL, NULL, 0);
	complained(&b, ++n, "is the last one's");
	command(&b, 0x55, 0, NULL, NULL, 0);
	answered(&b, 0x81, 0x40, 0);
	complained(&b, ++n, "unknown message type");
	command(&b, 0x61, 0, (const uint8_t[3]){ 1, 0, 0 }, tpdu, 5);
	complained(&b, ++n, "SetParameters of 5 bytes for T=1");
	command(&b, 0x63, 0, NULL, tpdu, 1);
	complained(&b, ++n, "IccPowerOff with 1 bytes");
	send_raw(&b, m, 9);
	complained(&b, ++n, "message of 9 bytes");
	bench_close(&b);
}

static void test_automatic_voltage_complaint(void **state)
{
	struct bench b;

	(void)state;
	bench_open(&b, "reader r\nfeatures = 0x0002047E\ncard 0 = t1\n");
	command(&b, 0x62, 0, (const uint8_t[3]){ 1, 0, 0 }, NULL, 0);
	complained(&b, 1, "the voltage is automatic");
	command(&b, 0x61, 0, NULL, "\x11\0\0\x0A\0", 5);
	complained(&b, 2, "by itself");
	bench_close(&b);
}

#define SLOW_ECHO "\x80\x18\x00\x14\x01\x00"	/* 20 ms */

static void test_busy_slots(void **state)
{
	struct bench b;
	uint64_t start;

	(void)state;
	bench_open(&b, "reader r\nslots = 3\nbusy = 2\nlevel = short\nusb_us = 1\ncard 0 = t0basic\n"
		   "card 1 = t0basic\ncard 2 = t0basic\n");
	power(&b, 0);
	power(&b, 1);
	power(&b, 2);
	start = b.now;
	send(&b, 0x6F, 0, NULL, SLOW_ECHO, 6);
	send(&b, 0x6F, 1, NULL, SLOW_ECHO, 6);
	no_complaints(&b);
	/* a third one does not fit, a status request does */
	command(&b, 0x6F, 2, NULL, SLOW_ECHO, 6);
	answered(&b, 0x80, 0x40, 0xE0);
	complained(&b, 1, "3 commands in flight, 2 allowed");
	command(&b, 0x65, 2, NULL, NULL, 0);
	answered(&b, 0x81, 0, 0);
	command(&b, 0x6F, 0, NULL, SLOW_ECHO, 6);
	answered(&b, 0x80, 0x40, 0xE0);
	complained(&b, 2, "command on busy slot 0 (bSeq 3)");
	assert_true(receive(&b, 100));
	assert_true(receive(&b, 100));
	assert_int_equal(b.in[5], 1);
	/* both worked at the same time */
	assert_in_range(b.now - start, 20 * MS, 22 * MS);
	assert_int_equal(sim_dev_max_in_flight(b.d, 0), 2);
	bench_close(&b);
}

/* --- time --- */

static void test_time_extension(void **state)
{
	/* T=0, WI 10 at 4 MHz: 893 ms; the card needs 2.5 s */
	static const uint8_t slow[6] = { 0x80, 0x18, 0x09, 0xC4, 0x01, 0x00 };
	struct bench b;
	uint64_t start;

	(void)state;
	bench_open(&b, T0CARD);
	power(&b, 0);
	start = b.now;
	command(&b, 0x6F, 0, NULL, slow, 6);
	answered(&b, 0x80, 0x80, 1);
	assert_in_range(b.now - start, 892 * MS, 895 * MS);
	assert_true(receive(&b, 1000));
	answered(&b, 0x80, 0x80, 1);
	assert_true(receive(&b, 1000));
	assert_int_equal(b.in[7], 0);
	assert_in_range(b.now - start, 2500 * MS, 2502 * MS);
	no_complaints(&b);
	bench_close(&b);
}

static void test_card_speed(void **state)
{
	static const uint8_t generate[5] = { 0x80, 0x14, 0, 0, 250 };
	struct bench b;
	uint64_t start;

	(void)state;
	bench_open(&b, T0CARD "card_speed = on\n");
	power(&b, 0);
	start = b.now;
	command(&b, 0x6F, 0, NULL, generate, 5);
	/* 257 bytes of 12 etu, 372 cycles each at 4 MHz */
	assert_in_range(b.now - start, 286 * MS, 290 * MS);
	bench_close(&b);
}

/* --- faults of answers --- */

struct answer_case {
	const char *spec;
	int status;
	size_t len;
	size_t at;		/* this byte ... */
	uint8_t byte;		/* ... is this */
};

static void test_answer_faults(void **state)
{
	static const struct answer_case cases[] = {
		{ "wrong-slot", SIM_OK, 16, 5, 1 },
		{ "wrong-slot value=7", SIM_OK, 16, 5, 7 },
		{ "wrong-seq", SIM_OK, 16, 6, 3 },
		{ "stale value=1", SIM_OK, 16, 6, 1 },
		{ "wrong-type", SIM_OK, 16, 0, 0x8F },
		{ "zero-length", SIM_OK, 0, 0, 0 },
		{ "short-answer value=5", SIM_OK, 5, 0, 0x80 },
		{ "length-more value=3", SIM_OK, 16, 1, 9 },
		{ "length-less value=2", SIM_OK, 16, 1, 4 },
		{ "padded value=4", SIM_OK, 20, 1, 6 },
		{ "longer value=500", SIM_OK, 510, 1, 500 & 0xFF },
		{ "exact value=2", SIM_OK, 128, 1, 118 },
		{ "overflow", SIM_OVERFLOW, 0, 0, 0 },
		{ "in-stall", SIM_STALL, 0, 0, 0 },
		{ "in-error", SIM_IO, 0, 0, 0 },
		{ "error value=0xFD", SIM_OK, 10, 8, 0xFD },
		{ "error-status", SIM_OK, 10, 0, 0x81 },
		{ "icc-status value=2", SIM_OK, 16, 7, 2 },
		{ "status-byte", SIM_OK, 16, 7, 0xC0 },
		{ "time-extension", SIM_OK, 10, 7, 0x80 },
		{ "endless-extension value=9", SIM_OK, 10, 8, 9 },
		{ "unplug", SIM_GONE, 0, 0, 0 },
	};
	static const uint8_t generate[5] = { 0x80, 0x14, 0, 0, 4 };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct answer_case *c = &cases[i];
		struct bench b;

		bench_open(&b, T0CARD);
		power(&b, 0);
		fault(&b, c->spec);
		send(&b, 0x6F, 0, NULL, generate, 5);
		memset(b.in, 0, 16);
		receive(&b, 5000);
		if (b.status != c->status || b.in_len != c->len || (c->len && b.in[c->at] != c->byte))
			fail_msg("%s: status %d, %zu bytes, %02x", c->spec, b.status, b.in_len, b.in[c->at]);
		no_complaints(&b);
		bench_close(&b);
	}
}

static void test_atr_faults(void **state)
{
	static const struct answer_case cases[] = {
		{ "atr-claims", SIM_OK, 12, 1, 33 }, { "atr-empty", SIM_OK, 10, 1, 0 }, { "atr-long", SIM_OK, 50, 1, 40 },
		{ "atr-ts value=0x12", SIM_OK, 0, 10, 0x12 }, { "atr-truncated", SIM_OK, 13, 11, 0xFF },
		{ "atr-tds", SIM_OK, 44, 43, 0x80 }, { "atr-empty nth=2", SIM_OK, 0, 10, 0x3B },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct bench b;

		bench_open(&b, T0CARD);
		fault(&b, cases[i].spec);
		command(&b, 0x65, 0, NULL, NULL, 0);
		command(&b, 0x62, 0, (const uint8_t[3]){ 1, 0, 0 }, NULL, 0);
		if ((cases[i].len && b.in_len != cases[i].len) || b.in[cases[i].at] != cases[i].byte)
			fail_msg("%s: %zu bytes, %02x", cases[i].spec, b.in_len, b.in[cases[i].at]);
		bench_close(&b);
	}
}

/* A fault starts at the n-th message and ends after count of them. */
static void test_fault_count(void **state)
{
	static const uint8_t want[6] = { 0x81, 0x81, 0x8F, 0x8F, 0x81, 0x81 };
	struct bench b;
	unsigned i;

	(void)state;
	bench_open(&b, "reader r\nslots = 2\n");
	fault(&b, "wrong-type slot=1 nth=3 count=2");
	command(&b, 0x65, 0, NULL, NULL, 0);
	for (i = 0; i < 6; i++) {
		command(&b, 0x65, 1, NULL, NULL, 0);
		assert_int_equal(b.in[0], want[i]);
	}
	fault(&b, "wrong-type count=0 msg=65");
	command(&b, 0x6C, 0, NULL, NULL, 0);
	assert_int_equal(b.in[0], 0x82);
	for (i = 0; i < 5; i++) {
		command(&b, 0x65, 0, NULL, NULL, 0);
		assert_int_equal(b.in[0], 0x8F);
	}
	fault(&b, "clear");
	command(&b, 0x65, 0, NULL, NULL, 0);
	assert_int_equal(b.in[0], 0x81);
	bench_close(&b);
}

static void test_fault_names(void **state)
{
	struct bench b;
	unsigned i;

	(void)state;
	bench_open(&b, T0CARD);
	for (i = 0; sim_fault_name(i); i++) {
		assert_true(strlen(sim_fault_doc(i)) > 8);
		fault(&b, sim_fault_name(i));
		fault(&b, "clear");
	}
	assert_true(i > 60);
	assert_false(sim_dev_fault(b.d, "no-such-thing", b.err, sizeof(b.err)));
	assert_false(sim_dev_fault(b.d, "silent nth", b.err, sizeof(b.err)));
	assert_false(sim_dev_fault(b.d, "silent nth=x", b.err, sizeof(b.err)));
	assert_false(sim_dev_fault(b.d, "silent foo=1", b.err, sizeof(b.err)));
	/* one of the card's own */
	fault(&b, "pps-bad-pck slot=0 count=2");
	assert_false(sim_dev_fault(b.d, "pps-bad-pck slot=1", b.err, sizeof(b.err)));
	power(&b, 0);
	bench_close(&b);
}

/* --- abort --- */

static void test_abort(void **state)
{
	static const uint8_t generate[5] = { 0x80, 0x14, 0, 0, 4 };
	struct bench b;
	unsigned order;

	(void)state;
	for (order = 0; order < 2; order++) {
		uint8_t m[10];

		bench_open(&b, T0CARD);
		power(&b, 0);
		fault(&b, "silent");
		send(&b, 0x6F, 0, NULL, generate, 5);
		assert_false(receive(&b, 10000));
		make(m, &b, 0x72, 0, NULL, NULL, 0);
		if (order == 0)
			assert_int_equal(control(&b, 0x21, 1, (unsigned)m[6] << 8, 0, NULL, 0), 0);
		send_raw(&b, m, 10);
		if (order == 1) {
			assert_false(receive(&b, 1000));
			assert_int_equal(control(&b, 0x21, 1, (unsigned)m[6] << 8, 0, NULL, 0), 0);
		}
		assert_true(receive(&b, 1000));
		answered(&b, 0x81, 0, 0);
		assert_int_equal(b.in[6], m[6]);
		command(&b, 0x6F, 0, NULL, generate, 5);
		answered(&b, 0x80, 0, 0);
		no_complaints(&b);
		bench_close(&b);
	}
}

static void test_abort_complaints(void **state)
{
	struct bench b;
	uint8_t m[10];

	(void)state;
	bench_open(&b, T0CARD);
	make(m, &b, 0x72, 0, NULL, NULL, 0);
	control(&b, 0x21, 1, 0x7700, 0, NULL, 0);
	command(&b, 0x65, 0, NULL, NULL, 0);
	answered(&b, 0x81, 0x41, 0xFF);
	complained(&b, 1, "while it is aborted");
	send_raw(&b, m, 10);
	receive(&b, 100);
	complained(&b, 2, "on the control pipe it was 119");
	control(&b, 0x21, 1, 0x0009, 0, NULL, 0);
	complained(&b, 3, "slot 9, which does not exist");
	bench_close(&b);
}

/* The late answer comes after all, behind the abort's. */
static void test_late_answer(void **state)
{
	static const uint8_t generate[5] = { 0x80, 0x14, 0, 0, 4 };
	struct bench b;
	uint8_t m[10], late_seq;

	(void)state;
	bench_open(&b, T0CARD);
	power(&b, 0);
	fault(&b, "late-answer ms=2000");
	send(&b, 0x6F, 0, NULL, generate, 5);
	late_seq = b.seq[0];
	assert_false(receive(&b, 1990));
	make(m, &b, 0x72, 0, NULL, NULL, 0);
	control(&b, 0x21, 1, (unsigned)m[6] << 8, 0, NULL, 0);
	send_raw(&b, m, 10);
	assert_true(receive(&b, 5));
	answered(&b, 0x81, 0, 0);
	assert_true(receive(&b, 100));
	answered(&b, 0x80, 0, 0);
	assert_int_equal(b.in[6], late_seq);
	no_complaints(&b);
	/* a slow one does not */
	fault(&b, "slow-answer ms=2000");
	send(&b, 0x6F, 0, NULL, generate, 5);
	assert_false(receive(&b, 1990));
	make(m, &b, 0x72, 0, NULL, NULL, 0);
	control(&b, 0x21, 1, (unsigned)m[6] << 8, 0, NULL, 0);
	send_raw(&b, m, 10);
	assert_true(receive(&b, 5));
	assert_false(receive(&b, 5000));
	bench_close(&b);
}

/* --- packets --- */

static void test_packets(void **state)
{
	/* 52 bytes + SW + header: one full packet */
	static const uint8_t generate[5] = { 0x80, 0x14, 0, 0, 52 };
	struct bench b;

	(void)state;
	bench_open(&b, T0CARD);
	power(&b, 0);
	/* room for more: the empty packet ends the transfer */
	command(&b, 0x6F, 0, NULL, generate, 5);
	assert_int_equal(b.in_len, 64);
	/* no room for more: the empty packet is the next transfer */
	send(&b, 0x6F, 0, NULL, generate, 5);
	assert_true(receive_room(&b, 1000, 64));
	assert_int_equal(b.in_len, 64);
	assert_true(receive(&b, 1000));
	assert_int_equal(b.in_len, 0);
	/* without one the transfer goes on waiting, and has its bytes when it is discarded */
	fault(&b, "no-zlp");
	send(&b, 0x6F, 0, NULL, generate, 5);
	assert_false(receive(&b, 1000));
	assert_int_equal(b.in_len, 64);
	answered(&b, 0x80, 0, 0);
	/* too little room for a packet */
	send(&b, 0x6F, 0, NULL, generate, 5);
	assert_true(receive_room(&b, 1000, 32));
	assert_int_equal(b.status, SIM_OVERFLOW);
	/* a message in two transfers, cut at a packet; and one read in two */
	{
		uint8_t m[10 + 261];
		uint8_t sink[5 + 120] = { 0x80, 0x12, 0, 0, 120 };

		make(m, &b, 0x6F, 0, NULL, sink, sizeof(sink));
		send_raw(&b, m, 128);
		send_raw(&b, m + 128, 7);
		assert_true(receive(&b, 1000));
		answered(&b, 0x80, 0, 0);
	}
	send(&b, 0x6F, 0, NULL, "\x80\x14\x00\x00\xC8", 5);
	assert_true(receive_room(&b, 1000, 128));
	assert_int_equal(b.in_len, 128);
	assert_true(receive_room(&b, 1000, 128));
	assert_int_equal(b.in_len, 212 - 128);
	no_complaints(&b);
	bench_close(&b);
}

static void test_zlp_off(void **state)
{
	static const uint8_t generate[5] = { 0x80, 0x14, 0, 0, 52 };
	struct bench b;

	(void)state;
	bench_open(&b, T0CARD "zlp = off\n");
	power(&b, 0);
	send(&b, 0x6F, 0, NULL, generate, 5);
	assert_false(receive(&b, 1000));
	assert_int_equal(b.in_len, 64);
	bench_close(&b);
}

static void test_stalls(void **state)
{
	struct bench b;
	uint8_t m[10], status[2];

	(void)state;
	bench_open(&b, T0CARD);
	fault(&b, "in-stall");
	send(&b, 0x65, 0, NULL, NULL, 0);
	receive(&b, 100);
	assert_int_equal(b.status, SIM_STALL);
	receive(&b, 100);
	assert_int_equal(b.status, SIM_STALL);
	control(&b, 0x82, 0, 0, 0x81, status, 2);
	assert_int_equal(status[0], 1);
	assert_int_equal(control(&b, 0x02, 1, 0, 0x81, NULL, 0), 0);
	control(&b, 0x82, 0, 0, 0x81, status, 2);
	assert_int_equal(status[0], 0);
	command(&b, 0x65, 0, NULL, NULL, 0);
	fault(&b, "out-stall");
	make(m, &b, 0x65, 0, NULL, NULL, 0);
	assert_int_equal(send_raw(&b, m, 10), SIM_STALL);
	assert_int_equal(send_raw(&b, m, 10), SIM_STALL);
	assert_int_equal(control(&b, 0x02, 1, 0, 0x01, NULL, 0), 0);
	assert_int_equal(send_raw(&b, m, 10), SIM_OK);
	receive(&b, 100);
	fault(&b, "out-error");
	assert_int_equal(send_raw(&b, m, 10), SIM_IO);
	fault(&b, "control-stall");
	assert_int_equal(control(&b, 0x21, 1, 0, 0, NULL, 0), SIM_STALL);
	no_complaints(&b);
	bench_close(&b);
}

static void test_out_nak(void **state)
{
	struct bench b;
	uint8_t m[10];
	struct sim_urb u = { .type = SIM_BULK, .endpoint = 0x01, .buf = m, .len = 10 };

	(void)state;
	bench_open(&b, T0CARD);
	fault(&b, "out-nak");
	make(m, &b, 0x65, 0, NULL, NULL, 0);
	sim_dev_submit(b.d, &u, b.now);
	assert_null(wait_any(&b, b.now + 100000 * MS));
	assert_true(sim_dev_discard(b.d, &u, b.now));
	assert_ptr_equal(sim_dev_reap(b.d, b.now), &u);
	assert_int_equal(u.status, SIM_CANCELLED);
	assert_false(sim_dev_discard(b.d, &u, b.now));
	bench_close(&b);
}

/* --- interrupts --- */

static bool interrupt(struct bench *b, uint8_t *p, size_t room, int *status, size_t *len)
{
	struct sim_urb u = { .type = SIM_INTERRUPT, .endpoint = 0x82, .buf = p, .len = room }, *r;

	sim_dev_submit(b->d, &u, b->now);
	r = wait_any(b, b->now + 1000 * MS);
	if (!r) {
		sim_dev_discard(b->d, &u, b->now);
		sim_dev_reap(b->d, b->now);
	}
	*status = u.status;
	*len = u.actual;
	return r != NULL;
}

static void test_slot_changes(void **state)
{
	struct bench b;
	uint8_t p[64];
	int status;
	size_t len;

	(void)state;
	bench_open(&b, "reader r\nslots = 5\ncard 1 = t0\n");
	/* the card that was there from the start is news */
	assert_true(interrupt(&b, p, 8, &status, &len));
	assert_int_equal(len, 3);
	assert_memory_equal(p, "\x50\x0C\x00", 3);
	assert_false(interrupt(&b, p, 8, &status, &len));
	/* changes while nobody listens are kept, together */
	assert_true(sim_dev_insert(b.d, 0, 4, "t0", b.now, b.err, sizeof(b.err)));
	assert_false(sim_dev_insert(b.d, 0, 4, "t0", b.now, b.err, sizeof(b.err)));
	assert_false(sim_dev_insert(b.d, 0, 5, "t0", b.now, b.err, sizeof(b.err)));
	assert_false(sim_dev_insert(b.d, 0, 3, "no=such word", b.now, b.err, sizeof(b.err)));
	assert_true(sim_dev_has_card(b.d, 0, 4));
	assert_true(sim_dev_remove(b.d, 0, 1, b.now));
	assert_false(sim_dev_remove(b.d, 0, 1, b.now));
	assert_true(interrupt(&b, p, 8, &status, &len));
	assert_memory_equal(p, "\x50\x08\x03", 3);
	assert_true(sim_dev_remove(b.d, 0, 4, b.now));
	assert_true(sim_dev_insert(b.d, 0, 4, "t0", b.now, b.err, sizeof(b.err)));
	assert_true(interrupt(&b, p, 8, &status, &len));
	assert_memory_equal(p, "\x50\x00\x03", 3);
	bench_close(&b);
}

static void test_interrupt_faults(void **state)
{
	static const struct {
		const char *spec;
		int status;
		size_t len;
		uint8_t first;
	} cases[] = {
		{ "intr-short", SIM_OK, 1, 0x50 }, { "intr-unknown", SIM_OK, 2, 0x5F }, { "intr-long", SIM_OVERFLOW, 8, 0x50 },
		{ "intr-long value=4", SIM_OK, 4, 0x50 }, { "intr-overflow", SIM_OVERFLOW, 0, 0 },
		{ "hardware-error value=2", SIM_OK, 4, 0x51 }, { "intr-flood", SIM_OK, 2, 0x50 },
	};
	struct bench b;
	uint8_t p[64];
	int status;
	size_t i, len;
	uint64_t start;

	(void)state;
	bench_open(&b, "reader r\n");
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		memset(p, 0, sizeof(p));
		fault(&b, cases[i].spec);
		assert_true(interrupt(&b, p, 8, &status, &len));
		assert_int_equal(status, cases[i].status);
		assert_int_equal(len, cases[i].len);
		assert_int_equal(p[0], cases[i].first);
	}
	start = b.now;
	for (i = 0; i < 100; i++)
		assert_true(interrupt(&b, p, 8, &status, &len));
	assert_in_range(b.now - start, 10 * MS, 11 * MS);
	fault(&b, "clear");
	assert_false(interrupt(&b, p, 8, &status, &len));
	fault(&b, "intr-stall");
	interrupt(&b, p, 8, &status, &len);
	interrupt(&b, p, 8, &status, &len);
	assert_int_equal(status, SIM_STALL);
	control(&b, 0x02, 1, 0, 0x82, NULL, 0);
	assert_false(interrupt(&b, p, 8, &status, &len));
	bench_close(&b);
}

/* --- removal --- */

static void test_card_removed(void **state)
{
	static const uint8_t slow[6] = { 0x80, 0x18, 0x09, 0xC4, 0x01, 0x00 }, generate[5] = { 0x80, 0x14, 0, 0, 4 };
	struct bench b;

	(void)state;
	bench_open(&b, T0CARD);
	power(&b, 0);
	send(&b, 0x6F, 0, NULL, slow, 6);
	assert_false(receive(&b, 100));
	assert_true(sim_dev_remove(b.d, 0, 0, b.now));
	assert_true(receive(&b, 10));
	answered(&b, 0x80, 0x42, 0xFE);
	assert_false(receive(&b, 5000));
	assert_true(sim_dev_insert(b.d, 0, 0, "t0basic", b.now, b.err, sizeof(b.err)));
	power(&b, 0);
	assert_true(sim_dev_remove(b.d, 0, 0, b.now));
	/* it cannot know yet ... */
	command(&b, 0x6F, 0, NULL, generate, 5);
	answered(&b, 0x80, 0x42, 0xFE);
	no_complaints(&b);
	/* ... but now it does */
	command(&b, 0x6F, 0, NULL, generate, 5);
	complained(&b, 1, "no power");
	bench_close(&b);
}

static void test_unplug(void **state)
{
	static const uint8_t slow[6] = { 0x80, 0x18, 0x09, 0xC4, 0x01, 0x00 };
	struct bench b;
	uint8_t p[8];
	struct sim_urb in, intr = { .type = SIM_INTERRUPT, .endpoint = 0x82, .buf = p, .len = 8 };
	unsigned gone = 0;

	(void)state;
	bench_open(&b, T0CARD);
	power(&b, 0);
	in = (struct sim_urb){ .type = SIM_BULK, .endpoint = 0x81, .buf = b.in, .len = ROOM };
	sim_dev_submit(b.d, &intr, b.now);
	assert_ptr_equal(wait_any(&b, b.now + MS), &intr);
	sim_dev_submit(b.d, &intr, b.now);
	send(&b, 0x6F, 0, NULL, slow, 6);
	sim_dev_submit(b.d, &in, b.now);
	sim_dev_unplug(b.d, b.now);
	assert_false(sim_dev_is_plugged(b.d));
	while (sim_dev_reap(b.d, b.now))
		gone++;
	assert_int_equal(gone, 2);
	assert_int_equal(in.status, SIM_GONE);
	assert_int_equal(intr.status, SIM_GONE);
	assert_false(receive(&b, 10) && b.status != SIM_GONE);
	no_complaints(&b);
	b.now += 200 * MS;
	receive(&b, 10);
	assert_int_equal(b.status, SIM_GONE);
	complained(&b, 1, "transfer after removal");
	sim_dev_plug(b.d, b.now);
	b.seq[0] = 0;
	command(&b, 0x65, 0, NULL, NULL, 0);
	answered(&b, 0x81, 1, 0);
	power(&b, 0);
	sim_dev_reset(b.d, b.now);
	command(&b, 0x65, 0, NULL, NULL, 0);
	answered(&b, 0x81, 1, 0);
	complained(&b, 1, "transfer after removal");
	fault(&b, "unplug-control");
	assert_int_equal(control(&b, 0x21, 1, 0, 0, NULL, 0), SIM_GONE);
	assert_false(sim_dev_is_plugged(b.d));
	bench_close(&b);
}

/* --- PIN pad --- */

#define PINPAD "reader r\nlevel = short\npinpad = 3\n"

/* VERIFY of an ISO-like block: ASCII digits, padded with FF to 8. */
static const uint8_t verify[15 + 13] = {
	0, 10, 0x82, 0x08, 0x00, 8, 4, 0x02, 1, 0x09, 0x04, 0, 0, 0, 0,
	0x00, 0x20, 0x00, 0x01, 0x08, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
};

static void keys(struct bench *b, const char *k)
{
	assert_true(sim_dev_keys(b->d, 0, k, b->now));
}

static void test_pin_verify(void **state)
{
	struct bench b;
	uint64_t start;

	(void)state;
	bench_open(&b, PINPAD "card 0 = applet=echo proto=0 ta1=11\n");
	power(&b, 0);
	start = b.now;
	send(&b, 0x69, 0, NULL, verify, sizeof(verify));
	/* OK does nothing while there are fewer than 4; a digit is taken back */
	keys(&b, "12\n35\b4\n");
	assert_true(receive(&b, 1000));
	answered(&b, 0x80, 0, 0);
	assert_memory_equal(b.in + 10, "1234\xFF\xFF\xFF\xFF\x90\x00", 10);
	assert_in_range(b.now - start, 350 * MS, 360 * MS);
	send(&b, 0x69, 0, NULL, verify, sizeof(verify));
	keys(&b, "12\033");
	assert_true(receive(&b, 1000));
	answered(&b, 0x80, 0x40, 0xEF);
	start = b.now;
	send(&b, 0x69, 0, NULL, verify, sizeof(verify));
	assert_true(receive(&b, 20000));
	answered(&b, 0x80, 0x40, 0xF0);
	assert_in_range(b.now - start, 10000 * MS, 10010 * MS);
	no_complaints(&b);
	bench_close(&b);
}

/* The same with the length in the APDU, BCD, right justified, and appended. */
static void test_pin_formats(void **state)
{
	static const struct {
		uint8_t format, block, length_format;
		const char *template, *want;
		size_t len, want_len;
	} cases[] = {
		/* format 2 block of ISO 9564: 2L PP PP FF.., length in 4 bits at bit 4, PIN at byte 1, BCD */
		{ 0x89, 0x47, 0x04, "\x00\x20\x00\x01\x08\x20\xFF\xFF\xFF\xFF\xFF\xFF\xFF", "\x24\x12\x34\xFF\xFF\xFF\xFF\xFF", 13, 8 },
		/* BCD in 4 bytes, right justified */
		{ 0x85, 0x04, 0x00, "\x00\x20\x00\x01\x04\x00\x00\x00\x00", "\x00\x00\x12\x34", 9, 4 },
		/* appended */
		{ 0x82, 0x00, 0x00, "\x00\x20\x00\x01\x00", "1234", 5, 4 },
		/* no Lc at all */
		{ 0x82, 0x00, 0x00, "\x00\x20\x00\x01", "1234", 4, 4 },
		/* binary, at bit 4 */
		{ 0x20, 0x04, 0x00, "\x00\x20\x00\x01\x05\x00\x00\x00\x00\x00", "\x00\x10\x20\x30\x40", 10, 5 },
	};
	struct bench b;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t m[40];

		memcpy(m, verify, 15);
		m[2] = cases[i].format;
		m[3] = cases[i].block;
		m[4] = cases[i].length_format;
		memcpy(m + 15, cases[i].template, cases[i].len);
		bench_open(&b, PINPAD "card 0 = applet=echo proto=0 ta1=11\n");
		power(&b, 0);
		send(&b, 0x69, 0, NULL, m, 15 + cases[i].len);
		keys(&b, "1234\n");
		assert_true(receive(&b, 1000));
		no_complaints(&b);
		answered(&b, 0x80, 0, 0);
		assert_int_equal(b.in_len, 10 + cases[i].want_len + 2);
		assert_memory_equal(b.in + 10, cases[i].want, cases[i].want_len);
		bench_close(&b);
	}
}

/* Old PIN, new PIN, new PIN again: 8 bytes each, at 0 and 8. */
static size_t modify(uint8_t *m, uint8_t messages)
{
	static const uint8_t head[15] = { 1, 10, 0x82, 0x08, 0x00, 0, 8, 8, 4, 0x03, 0x02, 0, 0x09, 0x04, 0 };
	size_t n = sizeof(head);

	memcpy(m, head, n);
	m[11] = messages;
	if (messages)
		m[n++] = 1;
	if (messages == 3)
		m[n++] = 2;
	memset(m + n, 0, 3);
	n += 3;
	memcpy(m + n, "\x00\x24\x00\x01\x10", 5);
	memset(m + n + 5, 0xFF, 16);
	return n + 21;
}

static void test_pin_modify(void **state)
{
	static const uint8_t messages[] = { 0, 1, 2, 3 };
	struct bench b;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(messages); i++) {
		uint8_t m[60];

		bench_open(&b, PINPAD "card 0 = applet=echo proto=0 ta1=11\n");
		power(&b, 0);
		send(&b, 0x69, 0, NULL, m, modify(m, messages[i]));
		keys(&b, "1234\n56789\n56789\n");
		assert_true(receive(&b, 5000));
		no_complaints(&b);
		answered(&b, 0x80, 0, 0);
		assert_memory_equal(b.in + 10, "1234\xFF\xFF\xFF\xFF" "56789\xFF\xFF\xFF", 16);
		send(&b, 0x69, 0, NULL, m, modify(m, messages[i]));
		keys(&b, "1234\n56789\n5678\n");
		assert_true(receive(&b, 5000));
		assert_memory_equal(b.in + 10, "\x64\x02", 2);
		bench_close(&b);
	}
}

static void test_pin_t1(void **state)
{
	static const uint8_t params[7] = { 0x11, 0x10, 0, 0x45, 0, 32, 0 };
	struct bench b;

	(void)state;
	bench_open(&b, "reader r\npinpad = 1\ncard 0 = applet=echo proto=1 ta1=11\n");
	power(&b, 0);
	command(&b, 0x61, 0, (const uint8_t[3]){ 1, 0, 0 }, params, 7);
	send(&b, 0x69, 0, NULL, verify, sizeof(verify));
	keys(&b, "1234\n");
	assert_true(receive(&b, 1000));
	answered(&b, 0x80, 0, 0);
	assert_int_equal(b.in_len, 10 + 3 + 10 + 1);
	assert_memory_equal(b.in + 10, "\0\0\x0A" "1234", 7);
	no_complaints(&b);
	bench_close(&b);
}

static void test_pin_wtx(void **state)
{
	static const uint8_t params[7] = { 0x11, 0x10, 0, 0x45, 0, 32, 0 }, wtx[5] = { 0, 0xE3, 1, 1, 0xE3 };
	struct bench b;

	(void)state;
	bench_open(&b, "reader r\npinpad = 1\ncard 0 = applet=echo proto=1 ta1=11\n");
	power(&b, 0);
	command(&b, 0x61, 0, (const uint8_t[3]){ 1, 0, 0 }, params, 7);
	fault(&b, "pin-wtx");
	send(&b, 0x69, 0, NULL, verify, sizeof(verify));
	keys(&b, "1234\n");
	assert_true(receive(&b, 1000));
	assert_memory_equal(b.in + 10, "\0\xC3\1\1\xC3", 5);
	command(&b, 0x6F, 0, NULL, wtx, 5);
	answered(&b, 0x80, 0, 0);
	assert_memory_equal(b.in + 10, "\0\0\x0A" "1234", 7);
	fault(&b, "pin-short value=3");
	send(&b, 0x69, 0, NULL, verify, sizeof(verify));
	keys(&b, "\033");
	assert_true(receive(&b, 1000));
	assert_int_equal(b.in_len, 13);
	fault(&b, "pin-cancelled");
	send(&b, 0x69, 0, NULL, verify, sizeof(verify));
	keys(&b, "\033");
	assert_true(receive(&b, 1000));
	answered(&b, 0x80, 0x40, 0xEF);
	no_complaints(&b);
	bench_close(&b);
}

static void test_pin_complaints(void **state)
{
	static const struct {
		size_t at;
		uint8_t byte;
		const char *what;
	} cases[] = {
		{ 0, 2, "bPINOperation" }, { 2, 0x83, "bmFormatString" }, { 4, 0x20, "bmPINLengthFormat" },
		{ 5, 3, "minimum over maximum" }, { 5, 17, "more than 16" }, { 7, 0, "bEntryValidationCondition" },
		{ 7, 8, "bEntryValidationCondition" }, { 8, 4, "bNumberMessage" }, { 19, 9 + 2, "Lc" },
	};
	struct bench b;
	size_t i;

	(void)state;
	bench_open(&b, PINPAD "card 0 = t0basic\n");
	power(&b, 0);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t m[sizeof(verify)];

		memcpy(m, verify, sizeof(m));
		m[cases[i].at] = cases[i].byte;
		command(&b, 0x69, 0, NULL, m, sizeof(m));
		assert_int_equal(b.in[7] & 0xC0, 0x40);
		complained(&b, (unsigned)i + 1, cases[i].what);
	}
	command(&b, 0x69, 0, NULL, verify, 18);
	complained(&b, (unsigned)++i, "too few");
	/* a block that does not fit */
	{
		uint8_t m[sizeof(verify)];

		memcpy(m, verify, sizeof(m));
		m[3] = 0x0A;
		send(&b, 0x69, 0, NULL, m, sizeof(m));
		keys(&b, "1234\n");
		assert_true(receive(&b, 1000));
		complained(&b, (unsigned)++i, "does not fit");
	}
	assert_false(sim_dev_keys(b.d, 1, "1", b.now));
	bench_close(&b);
}

/* --- ICCD --- */

static void test_iccd_a(void **state)
{
	static uint8_t generate[5] = { 0x80, 0x14, 0, 0, 4 }, sink[5] = { 0x80, 0x12, 0, 0, 3 }, data[3] = { 0, 1, 2 };
	struct bench b;
	uint8_t p[300];
	int n;

	(void)state;
	bench_open(&b, "reader r\niccd = a\ncard 0 = t0basic\n");
	n = control(&b, 0xA1, 0x62, 0, 0, p, 255);
	assert_true(n > 2);
	assert_int_equal(p[0], 0x3B);
	assert_int_equal(control(&b, 0xA1, 0xA0, 0, 0, p, 1), 1);
	assert_int_equal(p[0], 0x00);
	assert_int_equal(control(&b, 0x21, 0x65, 0, 0, generate, 5), 5);
	control(&b, 0xA1, 0xA0, 0, 0, p, 1);
	assert_int_equal(p[0], 0x10);
	assert_int_equal(control(&b, 0xA1, 0x6F, 0, 0, p, 4), 4);
	assert_memory_equal(p, "\0\1\2\3", 4);
	control(&b, 0xA1, 0xA0, 0, 0, p, 1);
	assert_int_equal(p[0], 0x20);
	assert_int_equal(control(&b, 0xA1, 0x6F, 0, 0, p, 2), 2);
	assert_memory_equal(p, "\x90\0", 2);
	/* data out */
	control(&b, 0x21, 0x65, 0, 0, sink, 5);
	control(&b, 0xA1, 0xA0, 0, 0, p, 1);
	assert_int_equal(p[0], 0x10);
	control(&b, 0x21, 0x65, 0, 0, data, 3);
	control(&b, 0xA1, 0xA0, 0, 0, p, 1);
	assert_int_equal(p[0], 0x20);
	control(&b, 0xA1, 0x6F, 0, 0, p, 2);
	assert_memory_equal(p, "\x90\0", 2);
	fault(&b, "iccd-status");
	control(&b, 0xA1, 0xA0, 0, 0, p, 1);
	assert_int_equal(p[0], 0x40);
	no_complaints(&b);
	assert_int_equal(control(&b, 0xA1, 0x6F, 0, 0, p, 2), SIM_STALL);
	complained(&b, 1, "when there is none");
	bench_close(&b);
}

static void test_iccd_b(void **state)
{
	static uint8_t slow[6] = { 0x80, 0x18, 0x00, 0x64, 0x01, 0x55 };
	struct bench b;
	uint8_t p[300];

	(void)state;
	bench_open(&b, "reader r\niccd = b\nfeatures = 0x0004087E\ncard 0 = t0basic\n");
	assert_int_equal(control(&b, 0xA1, 0x81, 0, 0, p, 3), 3);
	assert_int_equal(p[0], 1);
	assert_int_equal(control(&b, 0x21, 0x62, 1, 0, NULL, 0), 0);
	assert_int_equal(control(&b, 0xA1, 0x6F, 0, 0, p, 255), 3);
	assert_int_equal(p[0], 0x80);
	b.now += 10 * MS;
	assert_true(control(&b, 0xA1, 0x6F, 0, 0, p, 255) > 3);
	assert_memory_equal(p, "\0\x3B", 2);
	/* 100 ms of work: poll in 10 times 10 ms */
	assert_int_equal(control(&b, 0x21, 0x65, 0, 0, slow, 6), 6);
	assert_int_equal(control(&b, 0xA1, 0x6F, 0, 0, p, 255), 3);
	assert_memory_equal(p, "\x80\x0A\0", 3);
	b.now += 100 * MS;
	fault(&b, "iccd-poll value=3");
	assert_int_equal(control(&b, 0xA1, 0x6F, 0, 0, p, 255), 3);
	assert_memory_equal(p, "\x80\x03\0", 3);
	assert_true(control(&b, 0xA1, 0x6F, 0, 0, p, 255) >= 3);
	assert_int_equal(p[0], 0);
	control(&b, 0x21, 0x65, 0, 0, slow, 6);
	b.now += 200 * MS;
	fault(&b, "iccd-type");
	control(&b, 0xA1, 0x6F, 0, 0, p, 255);
	assert_int_equal(p[0], 0x55);
	control(&b, 0x21, 0x65, 0, 0, slow, 6);
	b.now += 200 * MS;
	fault(&b, "iccd-empty");
	assert_int_equal(control(&b, 0xA1, 0x6F, 0, 0, p, 255), 0);
	no_complaints(&b);
	assert_int_equal(control(&b, 0x21, 0x63, 0, 0, NULL, 0), 0);
	control(&b, 0x21, 0x65, 0, 0, slow, 6);
	complained(&b, 1, "without power");
	control(&b, 0xA1, 0x6F, 0, 0, p, 255);
	assert_memory_equal(p, "\x40\x41\xFE", 3);
	bench_close(&b);
}

/* --- the rest --- */

static void test_escape(void **state)
{
	struct bench b;

	(void)state;
	bench_open(&b, "reader r\nvendor = 08e6\nproduct = 3478\n");
	command(&b, 0x6B, 0, NULL, "\x6A", 1);
	answered(&b, 0x83, 2, 0);
	assert_int_equal(b.in_len, 34);
	command(&b, 0x6B, 0, NULL, "\x02", 1);
	answered(&b, 0x83, 2, 0);
	command(&b, 0x6B, 0, NULL, "\x77", 1);
	answered(&b, 0x83, 0x42, 10);
	fault(&b, "escape-claims value=9");
	command(&b, 0x6B, 0, NULL, "\x6A", 1);
	assert_int_equal(b.in[1], 33);
	assert_int_equal(b.in_len, 34);
	fault(&b, "escape-long value=300");
	command(&b, 0x6B, 0, NULL, "\x6A", 1);
	assert_int_equal(b.in_len, 310);
	no_complaints(&b);
	bench_close(&b);
}

static void test_config_errors(void **state)
{
	static const char *const cases[] = {
		"slots = 1", "reader", "reader r\nslots = 0", "reader r\nslots = 257", "reader r\nfoo = 1", "reader r\nfoo",
		"reader r\nlevel = high", "reader r\nfrom = ffff:ffff", "reader r\ncard 0 = bad=word", "reader r\ncard x = t0",
		"reader r\ncard 1 = t0", "reader r\nfault = no-such", "reader r\nbusy = 256", "reader r\niccd = c",
		"reader r\ncopies = 0", "reader r\nzlp = maybe", "reader r\npacket = 7", "reader r\nendpoints = 4",
		"reader r\nvendor = zz", "reader r\nusb_us = -1", "reader r\nbcd = x",
	};
	struct sim_dev **devs;
	char err[200];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		err[0] = '\0';
		if (sim_config_parse(cases[i], &devs, err, sizeof(err)) != -1 || strncmp(err, "line ", 5) != 0)
			fail_msg("\"%s\": %s", cases[i], err);
		assert_null(devs);
	}
	assert_int_equal(sim_config_parse("# nothing\n\n", &devs, err, sizeof(err)), 0);
	free(devs);
}

static void test_config(void **state)
{
	static const char text[] =
		"# a file\n"
		"reader bank\n  slots = 8   # many\n busy=8\n copies = 2\n card 7 = t1\n fault = silent count=2\n"
		"reader twin\n from = 08e6:3437\n serial = 12 34\n bcd = 2.00\n"
		"reader duo\n slots = 2\n interface = 2\n level = extended\n card 0 = t0\n unplugged\n";
	const uint8_t *classes[8];
	struct sim_dev **devs;
	char err[200];
	size_t len;
	int i;

	(void)state;
	assert_int_equal(sim_config_parse(text, &devs, err, sizeof(err)), 4);
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
	/* interface 1 is filled with one that is no CCID */
	assert_int_equal(walk(devs[3], classes), 2);
	assert_int_equal(sim_dev_descriptors(devs[3], &len)[18 + 4], 3);
	for (i = 0; i < 4; i++)
		sim_dev_free(devs[i]);
	free(devs);
}

struct lines {
	unsigned n;
	char last[240];
};

static void count_line(void *user, uint64_t now, const char *text)
{
	struct lines *l = user;

	(void)now;
	l->n++;
	snprintf(l->last, sizeof(l->last), "%s", text);
}

static void test_trace(void **state)
{
	struct lines l = { 0 };
	struct bench b;

	(void)state;
	bench_open(&b, T0CARD);
	sim_dev_trace(b.d, count_line, &l);
	command(&b, 0x65, 0, NULL, NULL, 0);
	assert_int_equal(l.n, 2);
	assert_string_equal(l.last, "in  slot 0 seq 1 SlotStatus 0: ");
	send(&b, 0x6B, 0, NULL, "\x01\x02", 2);
	assert_string_equal(l.last, "out slot 0 seq 2 Escape 2: 0102");
	bench_close(&b);
}

/* A second interface has its own endpoints. */
static void test_two_interfaces(void **state)
{
	struct bench b;
	uint8_t m[10];
	struct sim_urb out, in;

	(void)state;
	bench_open(&b, "reader r\ninterface = 1\ncard 0 = t0\n");
	make(m, &b, 0x65, 0, NULL, NULL, 0);
	out = (struct sim_urb){ .type = SIM_BULK, .endpoint = 0x02, .buf = m, .len = 10 };
	in = (struct sim_urb){ .type = SIM_BULK, .endpoint = 0x83, .buf = b.in, .len = 64 };
	sim_dev_submit(b.d, &in, b.now);
	sim_dev_submit(b.d, &out, b.now);
	assert_ptr_equal(wait_any(&b, b.now + MS), &out);
	assert_ptr_equal(wait_any(&b, b.now + MS), &in);
	assert_int_equal(in.actual, 10);
	assert_int_equal(b.in[7], 1);
	command(&b, 0x65, 0, NULL, NULL, 0);
	answered(&b, 0x81, 2, 0);
	no_complaints(&b);
	out.endpoint = 0x0F;
	sim_dev_submit(b.d, &out, b.now);
	assert_ptr_equal(wait_any(&b, b.now + MS), &out);
	assert_int_equal(out.status, SIM_STALL);
	complained(&b, 1, "endpoint 0f");
	bench_close(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_row),
		cmocka_unit_test(test_table_errors),
		cmocka_unit_test(test_descriptor_faults),
		cmocka_unit_test(test_control),
		cmocka_unit_test(test_t0),
		cmocka_unit_test(test_t1),
		cmocka_unit_test(test_t1_without_parameters),
		cmocka_unit_test(test_pps),
		cmocka_unit_test(test_automatic),
		cmocka_unit_test(test_extended),
		cmocka_unit_test(test_extended_faults),
		cmocka_unit_test(test_character),
		cmocka_unit_test(test_character_t1),
		cmocka_unit_test(test_message_complaints),
		cmocka_unit_test(test_automatic_voltage_complaint),
		cmocka_unit_test(test_busy_slots),
		cmocka_unit_test(test_time_extension),
		cmocka_unit_test(test_card_speed),
		cmocka_unit_test(test_answer_faults),
		cmocka_unit_test(test_atr_faults),
		cmocka_unit_test(test_fault_count),
		cmocka_unit_test(test_fault_names),
		cmocka_unit_test(test_abort),
		cmocka_unit_test(test_abort_complaints),
		cmocka_unit_test(test_late_answer),
		cmocka_unit_test(test_packets),
		cmocka_unit_test(test_zlp_off),
		cmocka_unit_test(test_stalls),
		cmocka_unit_test(test_out_nak),
		cmocka_unit_test(test_slot_changes),
		cmocka_unit_test(test_interrupt_faults),
		cmocka_unit_test(test_card_removed),
		cmocka_unit_test(test_unplug),
		cmocka_unit_test(test_pin_verify),
		cmocka_unit_test(test_pin_formats),
		cmocka_unit_test(test_pin_modify),
		cmocka_unit_test(test_pin_t1),
		cmocka_unit_test(test_pin_wtx),
		cmocka_unit_test(test_pin_complaints),
		cmocka_unit_test(test_iccd_a),
		cmocka_unit_test(test_iccd_b),
		cmocka_unit_test(test_escape),
		cmocka_unit_test(test_config_errors),
		cmocka_unit_test(test_config),
		cmocka_unit_test(test_trace),
		cmocka_unit_test(test_two_interfaces),
	};

	if (!getenv("CCID_SIM_TABLE"))
		setenv("CCID_SIM_TABLE", TOP_SRCDIR "/readers/reader_descriptors.tsv", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
