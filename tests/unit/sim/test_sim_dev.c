/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The simulated reader: messages, complaints, time, removal. */
#include "sim_bench.h"

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

/* A reader that was not told that the card is at T=1, or at another speed, gets no answer. */
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
	static const uint8_t pps[4] = { 0xFF, 0x10, 0x96, 0x79 },
			     generate[5] = { 0x80, 0x14, 0, 0, 4 };
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

/* dwFeatures 0x40: the reader negotiated by itself. */
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
	size_t n;

	(void)state;
	for (size_t i = 0; i < 600; i++)
		apdu[7 + i] = (uint8_t)(i * 7);
	bench_open(&b, "reader r\nlevel = extended\nmaxlen = 271\ncard 0 = t1basic\nfeatures = "
		       "0x0004047E\n");
	command(&b, 0x62, 0, NULL, NULL, 0);
	xfr_level(&b, 1, apdu, 261);
	answered(&b, 0x80, 0, 0);
	assert_int_equal(b.in[9], 0x10);
	xfr_level(&b, 3, apdu + 261, 261);
	assert_int_equal(b.in[9], 0x10);
	xfr_level(&b, 2, apdu + 522, sizeof apdu - 522);
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
	static const uint8_t block[8] = { 0, 0, 4, 0x80, 0x10, 0, 0, 0x94 },
			     params[7] = { 0x11, 0x10, 0, 0x45, 0, 32, 0 };
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
	memset(m, 0, sizeof m);
	/* the limit is for what goes to the card */
	make(m, &b, 0x6B, 0, NULL, long_data, 262);
	send_raw(&b, m, 272);
	receive(&b, 100);
	assert_int_equal(sim_dev_complaints(b.d), n);
	make(m, &b, 0x6F, 2, NULL, long_data, 262);
	send_raw(&b, m, 272);
	receive(&b, 100);
	n += 2;			/* a second complaint: the slot does not exist */
	assert_int_equal(sim_dev_complaints(b.d), n);
	assert_non_null(strstr(sim_dev_complaint(b.d, n - 2), "message of 272 bytes"));
	b.seq = (uint8_t)(b.seq - 2);
	command(&b, 0x6C, 0, NULL, NULL, 0);
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
	bench_open(&b, "reader r\nfeatures = 0x0002047E\ncard 0 = t0\n");
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
	bench_open(&b,
		   "reader r\nslots = 3\nbusy = 2\nlevel = short\nusb_us = 1\ncard 0 = t0basic\n"
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
	/* nor does a status request */
	command(&b, 0x65, 2, NULL, NULL, 0);
	answered(&b, 0x81, 0x40, 0xE0);
	complained(&b, 2, "3 commands in flight, 2 allowed");
	command(&b, 0x6F, 0, NULL, SLOW_ECHO, 6);
	answered(&b, 0x80, 0x40, 0xE0);
	complained(&b, 3, "command on busy slot 0 (bSeq 8)");
	assert_true(receive(&b, 100));
	assert_true(receive(&b, 100));
	assert_int_equal(b.in[5], 1);
	/* both cards worked at the same time */
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

/* --- removal --- */

static void test_card_removed(void **state)
{
	static const uint8_t slow[6] = { 0x80, 0x18, 0x09, 0xC4, 0x01, 0x00 },
			     generate[5] = { 0x80, 0x14, 0, 0, 4 };
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
	assert_true(sim_dev_insert(b.d, 0, 0, "t0basic", b.now, b.err, sizeof b.err));
	power(&b, 0);
	assert_true(sim_dev_remove(b.d, 0, 0, b.now));
	/* the driver cannot know yet: no complaint */
	command(&b, 0x6F, 0, NULL, generate, 5);
	answered(&b, 0x80, 0x42, 0xFE);
	no_complaints(&b);
	/* now the driver knows: a complaint */
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
	b.seq = 0;
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

/* --- the rest --- */

static void test_escape(void **state)
{
	struct bench b;

	(void)state;
	bench_open(&b, "reader r\nvendor = 08e6\nproduct = 3478\n");
	command(&b, 0x6B, 0, NULL, "\x6A", 1);
	answered(&b, 0x83, 2, 0);
	assert_int_equal(b.in_len, 31);
	command(&b, 0x6B, 0, NULL, "\x02", 1);
	answered(&b, 0x83, 2, 0);
	command(&b, 0x6B, 0, NULL, "\x77", 1);
	answered(&b, 0x83, 0x42, 10);
	command(&b, 0x6B, 0, NULL, "\x6A\x00", 2);
	answered(&b, 0x83, 0x42, 10);
	fault(&b, "escape-claims value=9");
	command(&b, 0x6B, 0, NULL, "\x6A", 1);
	assert_int_equal(b.in[1], 30);
	assert_int_equal(b.in_len, 31);
	fault(&b, "escape-long value=300");
	command(&b, 0x6B, 0, NULL, "\x6A", 1);
	assert_int_equal(b.in_len, 310);
	no_complaints(&b);
	bench_close(&b);
}

struct lines {
	unsigned n;
	char first[240], last[240];
};

static void count_line(void *user, uint64_t now, const char *text)
{
	struct lines *l = user;

	(void)now;
	if (l->n++ == 0)
		snprintf(l->first, sizeof l->first, "%s", text);
	snprintf(l->last, sizeof l->last, "%s", text);
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
	send(&b, 0x6F, 0, (const uint8_t[3]){ 0, 1, 0 }, "\x01\x02", 2);
	assert_string_equal(l.first, "out slot 0 seq 1 GetSlotStatus 0: ");
	assert_non_null(strstr(l.last, "in  slot 0 seq 2 DataBlock 0 status 41 error FE: "));
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
		cmocka_unit_test(test_card_removed),
		cmocka_unit_test(test_unplug),
		cmocka_unit_test(test_escape),
		cmocka_unit_test(test_trace),
		cmocka_unit_test(test_two_interfaces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
