/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The faults of the simulated reader, aborts, packets and interrupts. */
#include "sim_bench.h"

/* --- faults of answers --- */

struct answer_case {
	const char *spec;
	int status;
	size_t len;
	size_t at;		/* the byte at this place ... */
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

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		const struct answer_case *c = &cases[i];
		struct bench b;

		bench_open(&b, T0CARD);
		power(&b, 0);
		fault(&b, c->spec);
		send(&b, 0x6F, 0, NULL, generate, 5);
		memset(b.in, 0, 16);
		receive(&b, 5000);
		if (b.status != c->status || b.in_len != c->len ||
		    (c->len && b.in[c->at] != c->byte))
			fail_msg("%s: status %d, %zu bytes, %02x", c->spec, b.status, b.in_len,
				 b.in[c->at]);
		no_complaints(&b);
		bench_close(&b);
	}
}

/* A fault of the card reaches the wire as the reader's bError. */
static void test_card_fault(void **state)
{
	static const uint8_t generate[5] = { 0x80, 0x14, 0, 0, 4 };
	struct bench b;

	(void)state;
	bench_open(&b, T0CARD);
	power(&b, 0);
	fault(&b, "t0-bad-procedure slot=0");
	command(&b, 0x6F, 0, NULL, generate, 5);
	answered(&b, 0x80, 0x40, 0xF4);
	no_complaints(&b);
	bench_close(&b);
}

static void test_atr_faults(void **state)
{
	static const struct answer_case cases[] = {
		{ "atr-claims", SIM_OK, 12, 1, 33 },
		{ "atr-empty", SIM_OK, 10, 1, 0 },
		{ "atr-long", SIM_OK, 50, 1, 40 },
		{ "atr-ts value=0x12", SIM_OK, 0, 10, 0x12 },
		{ "atr-truncated", SIM_OK, 13, 11, 0xFF },
		{ "atr-tds", SIM_OK, 44, 43, 0x80 },
		{ "atr-empty nth=2", SIM_OK, 0, 10, 0x3B },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct bench b;

		bench_open(&b, T0CARD);
		fault(&b, cases[i].spec);
		command(&b, 0x65, 0, NULL, NULL, 0);
		command(&b, 0x62, 0, (const uint8_t[3]){ 1, 0, 0 }, NULL, 0);
		if ((cases[i].len && b.in_len != cases[i].len) ||
		    b.in[cases[i].at] != cases[i].byte)
			fail_msg("%s: %zu bytes, %02x", cases[i].spec, b.in_len, b.in[cases[i].at]);
		bench_close(&b);
	}
}

/* A fault starts at the n-th message and ends after `count` messages. */
static void test_fault_count(void **state)
{
	static const uint8_t want[6] = { 0x81, 0x81, 0x8F, 0x8F, 0x81, 0x81 };
	struct bench b;

	(void)state;
	bench_open(&b, "reader r\nslots = 2\n");
	fault(&b, "wrong-type slot=1 nth=3 count=2");
	command(&b, 0x65, 0, NULL, NULL, 0);
	for (unsigned i = 0; i < 6; i++) {
		command(&b, 0x65, 1, NULL, NULL, 0);
		assert_int_equal(b.in[0], want[i]);
	}
	fault(&b, "wrong-type count=0 msg=65");
	command(&b, 0x6C, 0, NULL, NULL, 0);
	assert_int_equal(b.in[0], 0x82);
	for (unsigned i = 0; i < 5; i++) {
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
	assert_false(sim_dev_fault(b.d, "no-such-thing", b.err, sizeof b.err));
	assert_false(sim_dev_fault(b.d, "silent nth", b.err, sizeof b.err));
	assert_false(sim_dev_fault(b.d, "silent nth=x", b.err, sizeof b.err));
	assert_false(sim_dev_fault(b.d, "silent foo=1", b.err, sizeof b.err));
	/* one of the card's own */
	fault(&b, "pps-bad-pck slot=0 count=2");
	assert_false(sim_dev_fault(b.d, "pps-bad-pck slot=1", b.err, sizeof b.err));
	power(&b, 0);
	bench_close(&b);
}

/* --- abort --- */

static void test_abort(void **state)
{
	static const uint8_t generate[5] = { 0x80, 0x14, 0, 0, 4 };
	struct bench b;

	(void)state;
	for (unsigned order = 0; order < 2; order++) {
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

/* The late answer arrives after the answer to the abort. */
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
	late_seq = b.seq;
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
	/* a slow answer does not */
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
	/* without an empty packet the transfer goes on waiting, and has its bytes when it is
	 * discarded */
	fault(&b, "no-zlp");
	send(&b, 0x6F, 0, NULL, generate, 5);
	assert_false(receive(&b, 1000));
	assert_int_equal(b.in_len, 64);
	answered(&b, 0x80, 0, 0);
	/* too little room for a packet */
	send(&b, 0x6F, 0, NULL, generate, 5);
	assert_true(receive_room(&b, 1000, 32));
	assert_int_equal(b.status, SIM_OVERFLOW);
	/* a message in two transfers, cut at a packet; and an answer read in two */
	{
		uint8_t m[10 + 261];
		uint8_t sink[5 + 120] = { 0x80, 0x12, 0, 0, 120 };

		make(m, &b, 0x6F, 0, NULL, sink, sizeof sink);
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
	/* the card that is present from the start is reported */
	assert_true(interrupt(&b, p, 8, &status, &len));
	assert_int_equal(len, 3);
	assert_memory_equal(p, "\x50\x0C\x00", 3);
	assert_false(interrupt(&b, p, 8, &status, &len));
	/* changes without a pending transfer are kept and reported together */
	assert_true(sim_dev_insert(b.d, 0, 4, "t0", b.now, b.err, sizeof b.err));
	assert_false(sim_dev_insert(b.d, 0, 4, "t0", b.now, b.err, sizeof b.err));
	assert_false(sim_dev_insert(b.d, 0, 5, "t0", b.now, b.err, sizeof b.err));
	assert_false(sim_dev_insert(b.d, 0, 3, "no=such word", b.now, b.err, sizeof b.err));
	assert_true(sim_dev_has_card(b.d, 0, 4));
	assert_true(sim_dev_remove(b.d, 0, 1, b.now));
	assert_false(sim_dev_remove(b.d, 0, 1, b.now));
	assert_true(interrupt(&b, p, 8, &status, &len));
	assert_memory_equal(p, "\x50\x08\x03", 3);
	assert_true(sim_dev_remove(b.d, 0, 4, b.now));
	assert_true(sim_dev_insert(b.d, 0, 4, "t0", b.now, b.err, sizeof b.err));
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
		{ "intr-short", SIM_OK, 1, 0x50 },
		{ "intr-unknown", SIM_OK, 2, 0x5F },
		{ "intr-long", SIM_OVERFLOW, 8, 0x50 },
		{ "intr-long value=4", SIM_OK, 4, 0x50 },
		{ "intr-overflow", SIM_OVERFLOW, 0, 0 },
		{ "hardware-error value=2", SIM_OK, 4, 0x51 },
		{ "intr-flood", SIM_OK, 2, 0x50 },
	};
	struct bench b;
	uint8_t p[64];
	int status;
	size_t len;
	uint64_t start;

	(void)state;
	bench_open(&b, "reader r\n");
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		memset(p, 0, sizeof p);
		fault(&b, cases[i].spec);
		assert_true(interrupt(&b, p, 8, &status, &len));
		assert_int_equal(status, cases[i].status);
		assert_int_equal(len, cases[i].len);
		assert_int_equal(p[0], cases[i].first);
	}
	start = b.now;
	for (size_t i = 0; i < 100; i++)
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answer_faults),
		cmocka_unit_test(test_card_fault),
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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
