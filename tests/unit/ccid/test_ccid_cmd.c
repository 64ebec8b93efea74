/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* src/ccid/ccid_cmd.c: one command, its one answer, and everything else a reader may say. Virtual time. The
 * tests named row_NN are rows of the list of hostile behaviour. */
#include "../driver/failing_heap.h"
#include "../transport/usb_bench.h"

#include "ccid/ccid_cmd.h"

static struct ccid_slot cs, cs1;
static struct quirk_set quirks;
static uint8_t buffers[4][66000], out[70000];
static size_t out_len;

static void slot_init(struct ccid_slot *s, unsigned number)
{
	*s = (struct ccid_slot){
		.transport = bench.t, .desc = &bench.t->desc, .quirks = &quirks, .bSlot = (uint8_t)number,
		.message = buffers[2 * number], .message_cap = bench.t->desc.dwMaxCCIDMessageLength,
		.answer = buffers[2 * number + 1], .answer_cap = bench.t->desc.dwMaxCCIDMessageLength,
		.log = { .reader = "bench" },
	};
}

static void begin(const char *text)
{
	bench_start(FAKE_VIRTUAL, text);
	quirks = (struct quirk_set){ 0 };
	slot_init(&cs, 0);
	if (usb_of(bench.t)->n_slots > 1)
		slot_init(&cs1, 1);
	memset(out, 0xEE, sizeof out);
}

static int setup(void **state)
{
	(void)state;
	begin("reader r\nslots = 2\nbusy = 2\nlevel = short\nfeatures = 0x000204FA\ncard 0 = t1\ncard 1 = t1\n");
	assert_int_equal(ccid_power_on(&cs, 0, out, sizeof out, &out_len), CCID_OK);
	assert_int_equal(ccid_power_on(&cs1, 0, out, sizeof out, &out_len), CCID_OK);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	bench_stop();
	return 0;
}

/* GENERATE n bytes: the answer is n, n is different each time, so an old answer shows. */
static enum ccid_err generate(struct ccid_slot *s, uint8_t n, unsigned wait_ms)
{
	const uint8_t apdu[] = { 0x80, 0x14, 0x00, n, n };
	struct ccid_block b;
	enum ccid_err err = ccid_xfr_block(s, apdu, sizeof apdu, 0, 0, wait_ms, &b);

	if (err == CCID_OK) {
		assert_int_equal(b.len, n + 2u);
		assert_int_equal(b.data[n - 1], n - 1);
		assert_int_equal(b.data[n], 0x90);
	}
	return err;
}

/* Both slots work again, without delay. */
static void expect_usable(void)
{
	uint64_t began = fixture_ms();

	for (uint8_t n = 1; n < 20; n++) {
		assert_int_equal(generate(&cs, n, 3000), CCID_OK);
		assert_int_equal(generate(&cs1, (uint8_t)(n + 50), 3000), CCID_OK);
	}
	assert_in_range(fixture_ms() - began, 0, 200);
}

static void one_after_the_other(void **state)
{
	(void)state;
	expect_usable();
	assert_int_equal(cs.icc_state, ICC_PRESENT_ACTIVE);
	assert_int_equal(ccid_get_slot_status(&cs, 3000), CCID_OK);
	assert_int_equal(ccid_power_off(&cs), CCID_OK);
	assert_int_equal(cs.icc_state, ICC_PRESENT_INACTIVE);
}

static void sequence_numbers_wrap(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 600; i++)
		assert_int_equal(ccid_get_slot_status(&cs, 3000), CCID_OK);
	expect_usable();
}

/* An answer that is dropped does not end the wait. Afterwards both slots work. */
static void expect_dropped(const char *fault)
{
	uint64_t began = fixture_ms();
	enum ccid_err err;

	fixture_fault(0, "%s", fault);
	err = generate(&cs, 30, 3000);
	if (err != CCID_ERR_TIMEOUT)
		fail_msg("%s: %s", fault, err_name(err));
	assert_in_range(fixture_ms() - began, 3000, 6500);
	expect_usable();
}

static void row_01_another_slot(void **state)
{
	(void)state;
	expect_dropped("wrong-slot value=255");
	expect_dropped("wrong-slot value=2");
	expect_dropped("wrong-slot value=1");
}

static void row_02_another_sequence_number(void **state)
{
	(void)state;
	expect_dropped("wrong-seq value=1");
	expect_dropped("wrong-seq value=255");
	fixture_fault(0, "stale value=100 count=3");
	expect_usable();
	fixture_fault(0, "duplicate count=20");
	expect_usable();
}

static void row_03_another_type(void **state)
{
	static const unsigned types[] = { 0x81, 0x82, 0x83, 0x8F, 0x00, 0x50, 0x6F };

	(void)state;
	for (unsigned i = 0; i < sizeof types / sizeof types[0]; i++) {
		uint64_t began = fixture_ms();

		fixture_fault(0, "wrong-type value=%u", types[i]);
		assert_int_equal(generate(&cs, 30, 3000), CCID_ERR_COMM);
		assert_in_range(fixture_ms() - began, 0, 2500);
		expect_usable();
	}
}

static void row_04_torn_frames(void **state)
{
	(void)state;
	fixture_fault(0, "zero-length count=0");
	expect_usable();
	fixture_fault(0, "clear");
	for (unsigned n = 1; n <= 9; n++) {
		assert_int_equal(generate(&cs, 200, 3000), CCID_OK);
		fixture_fault(0, "short-answer value=%u", n);
		assert_int_equal(generate(&cs, 30, 3000), CCID_ERR_COMM);
		expect_usable();
	}
}

static void row_05_lengths_that_lie(void **state)
{
	static const char *const faults[] = { "length-more value=1", "length-more value=4294900000",
					      "length-less value=1", "padded value=1", "padded value=60",
					      "short-answer value=11" };

	(void)state;
	for (unsigned i = 0; i < sizeof faults / sizeof faults[0]; i++) {
		fixture_fault(0, "%s", faults[i]);
		assert_int_equal(generate(&cs, 30, 3000), CCID_ERR_COMM);
		expect_usable();
	}
	/* padding is accepted with the quirk alone, and missing bytes never */
	quirks.bits = 1ull << QUIRK_PADDED_ANSWERS;
	fixture_fault(0, "padded value=60 count=3");
	expect_usable();
	fixture_fault(0, "length-more value=1");
	assert_int_equal(generate(&cs, 30, 3000), CCID_ERR_COMM);
}

static void row_06_more_than_asked_for(void **state)
{
	(void)state;
	for (unsigned n = 1; n <= 4; n++) {
		fixture_fault(0, "exact value=%u", n);
		assert_int_equal(ccid_get_slot_status(&cs, 3000), CCID_OK);
		expect_usable();
	}
	/* the content of a SlotStatus does not matter */
	fixture_fault(0, "longer value=65000");
	assert_int_equal(ccid_get_slot_status(&cs, 3000), CCID_OK);
	expect_usable();
	/* longer than dwMaxCCIDMessageLength, and whole */
	for (unsigned n = 262; n <= 65546; n += n < 700 ? 17 : 64846) {
		struct ccid_block b;

		fixture_fault(0, "longer value=%u msg=6F", n);
		assert_int_equal(ccid_xfr_block(&cs, (const uint8_t[]){ 0x80, 0x14, 0, 1, 1 }, 5, 0, 0, 3000, &b),
				 CCID_OK);
		assert_int_equal(b.len, n);
		assert_int_equal(b.data[0], 0);
		assert_int_equal(b.data[n - 1], 0xA5);
		expect_usable();
	}
	ccid_forget(&cs);
	assert_null(cs.long_answer);
	fixture_fault(0, "overflow");
	assert_int_equal(generate(&cs, 30, 3000), CCID_ERR_COMM);
	expect_usable();
	fixture_fault(0, "no-zlp count=0");
	for (unsigned n = 1; n <= 4; n++) {
		fixture_fault(0, "exact value=%u", n);
		assert_int_equal(ccid_get_slot_status(&cs, 3000), CCID_OK);
		expect_usable();
	}
}

/* The main promise: a late answer is never taken for the answer to a later command. */
static void row_07_silence_and_late_answers(void **state)
{
	(void)state;
	expect_dropped("silent msg=6F");
	for (unsigned ms = 2900; ms < 7000; ms += 171) {
		enum ccid_err err;

		fixture_fault(0, "late-answer ms=%u slot=0 msg=6F", ms);
		err = generate(&cs, 30, 3000);
		assert_int_equal(err, ms < 3000 ? CCID_OK : CCID_ERR_TIMEOUT);
		expect_usable();
		fake_clock_advance(300000000u);
		expect_usable();
	}
}

/* An answer that does not fit arrives between the end of the wait and the end of the request. */
static const struct transport_ops *honest_ops;
static unsigned came;

static enum ccid_err ends_without(struct transport *t, struct request *r, const struct deadline *d)
{
	(void)t;
	(void)r;
	(void)d;
	return CCID_ERR_TIMEOUT;
}

static void comes_in_between(struct transport *t, struct request *r)
{
	r->answer_len = r->answer_cap + 1;
	r->long_answer = malloc(r->answer_len);
	assert_non_null(r->long_answer);
	memset(r->long_answer, 0xA5, r->answer_len);
	came++;
	honest_ops->finish(t, r);
}

/* Nothing is kept of a long answer that arrives after the wait for it. */
static void row_07_a_long_answer_after_the_wait(void **state)
{
	struct transport_ops ops = *bench.t->ops;

	(void)state;
	/* the transport makes its buffer for messages of this length before the count begins */
	assert_int_equal(generate(&cs, 30, 3000), CCID_OK);
	honest_ops = bench.t->ops;
	ops.wait = ends_without;
	ops.finish = comes_in_between;
	heap.watching = true;
	bench.t->ops = &ops;
	assert_int_equal(generate(&cs, 30, 3000), CCID_ERR_TIMEOUT);
	assert_int_equal(came, 3);	/* the command, the ABORT, and GetSlotStatus */
	ccid_power_off_briefly(&cs, 500);
	assert_int_equal(came, 4);
	bench.t->ops = honest_ops;
	ccid_forget(&cs);
	heap.watching = false;
	assert_int_equal(heap.n_live, 0);
	assert_int_equal(ccid_power_on(&cs, 0, out, sizeof out, &out_len), CCID_OK);
	expect_usable();
}

/* A reader does not answer for a while: each call ends, and afterwards the reader works again. */
static void row_07_long_silence(void **state)
{
	(void)state;
	fixture_fault(0, "silent slot=0 count=0");
	for (unsigned i = 0; i < 5; i++) {
		uint64_t began = fixture_ms();

		assert_int_not_equal(generate(&cs, 30, 3000), CCID_OK);
		assert_in_range(fixture_ms() - began, 100, 9000);
		assert_int_equal(generate(&cs1, 60, 3000), CCID_OK);
	}
	fixture_fault(0, "clear");
	assert_int_equal(ccid_get_slot_status(&cs, 3000), CCID_OK);
	expect_usable();
}

static void row_08_time_extensions(void **state)
{
	uint64_t began;
	size_t len;

	(void)state;
	fixture_fault(0, "time-extension ms=2500 msg=6F");
	began = fixture_ms();
	assert_int_equal(generate(&cs, 30, 3000), CCID_OK);
	assert_in_range(fixture_ms() - began, 7500, 7600);
	/* a multiplier stretches the next wait; 0 counts as 1 */
	fixture_fault(0, "time-extension ms=2500 value=0 msg=6F");
	assert_int_equal(generate(&cs, 31, 3000), CCID_OK);
	fixture_fault(0, "time-extension ms=2000 value=255 msg=6F");
	assert_int_equal(generate(&cs, 32, 3000), CCID_OK);
	fixture_fault(0, "time-extension ms=20 msg=62");
	assert_int_equal(ccid_power_on(&cs, 0, out, sizeof out, &len), CCID_OK);
	assert_int_equal(out[0], 0x3B);
	assert_true(len > 2);
	expect_usable();
}

static void row_08_time_extensions_for_ever(void **state)
{
	static const unsigned multiplier[] = { 1, 0, 255, 100 };

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		uint64_t began = fixture_ms();

		fixture_fault(0, "endless-extension ms=1000 value=%u slot=0 msg=6F", multiplier[i]);
		assert_int_equal(generate(&cs, 30, 3000), CCID_ERR_TIMEOUT);
		assert_in_range(fixture_ms() - began, CCID_TOTAL_MS, CCID_TOTAL_MS + 3000);
		expect_usable();
	}
	for (unsigned i = 0; i < 2; i++) {
		uint64_t began = fixture_ms();

		/* commands without the card's own time end earlier */
		fixture_fault(0, "endless-extension slot=0 msg=%s", i ? "63" : "65");
		assert_int_equal(i ? ccid_power_off(&cs) : ccid_get_slot_status(&cs, 3000), CCID_ERR_TIMEOUT);
		assert_in_range(fixture_ms() - began, 3000, 6500);
		assert_int_equal(ccid_get_slot_status(&cs, 3000), CCID_OK);
	}
	assert_int_equal(ccid_power_on(&cs, 0, out, sizeof out, &out_len), CCID_OK);
	expect_usable();
}

/* A wait may end a moment after its deadline and still bring an answer: here, a time extension each
 * time. */
static enum ccid_err asks_for_more(struct transport *t, struct request *r, const struct deadline *d)
{
	(void)t;
	(void)d;
	clock_sleep_until(clock_now() + 150000000u);
	memcpy(r->answer, (const uint8_t[]){ 0x81, 0, 0, 0, 0, r->slot, r->seq, 0x80, 1, 0 }, CCID_HEADER_LENGTH);
	r->answer_len = CCID_HEADER_LENGTH;
	return CCID_OK;
}

static unsigned asked;

static enum ccid_err asks_at_once(struct transport *t, struct request *r, const struct deadline *d)
{
	(void)t;
	(void)d;
	asked++;
	memcpy(r->answer, (const uint8_t[]){ 0x81, 0, 0, 0, 0, r->slot, r->seq, 0x80, 1, 0 }, CCID_HEADER_LENGTH);
	r->answer_len = CCID_HEADER_LENGTH;
	return CCID_OK;
}

/* Time extensions as fast as the bus carries them do not take the processor. */
static void row_29_a_flood_of_time_extensions(void **state)
{
	const struct transport_ops *honest = bench.t->ops;
	struct transport_ops ops = *honest;
	uint64_t began = fixture_ms();

	(void)state;
	ops.wait = asks_at_once;
	bench.t->ops = &ops;
	asked = 0;
	assert_int_equal(ccid_get_slot_status(&cs, 3000), CCID_ERR_TIMEOUT);
	assert_in_range(fixture_ms() - began, 3000, 5600);
	/* the command's own 3 s, and what resynchronising takes */
	assert_in_range(asked, 1000, 4000);
	bench.t->ops = honest;
	expect_usable();
}

static void row_08_time_extensions_beyond_the_end(void **state)
{
	const struct transport_ops *honest = bench.t->ops;
	struct transport_ops ops = *honest;
	uint64_t began = fixture_ms();

	(void)state;
	ops.wait = asks_for_more;
	bench.t->ops = &ops;
	assert_int_equal(ccid_get_slot_status(&cs, 3000), CCID_ERR_TIMEOUT);
	assert_in_range(fixture_ms() - began, 3000, 5600);
	began = fixture_ms();
	assert_int_not_equal(ccid_power_off(&cs), CCID_OK);
	assert_in_range(fixture_ms() - began, 1000, 2500);
	bench.t->ops = honest;
	expect_usable();
}

static void row_10_escape(void **state)
{
	static const uint8_t cmd[] = { 0x02 };

	(void)state;
	fixture_fault(0, "escape-claims value=5");
	assert_int_equal(ccid_escape(&cs, cmd, 1, 3000, out, 50, &out_len), CCID_ERR_COMM);
	assert_int_equal(out_len, 0);
	expect_usable();
	memset(out, 0xEE, sizeof out);
	fixture_fault(0, "exact value=2 msg=6B");
	assert_int_equal(ccid_escape(&cs, cmd, 1, 3000, out, 50, &out_len), CCID_ERR_OVERFLOW);
	assert_int_equal(out_len, 118);
	assert_int_equal(out[50], 0xEE);
	expect_usable();
	fixture_fault(0, "escape-long value=65000");
	assert_int_not_equal(ccid_escape(&cs, cmd, 1, 3000, out, 50, &out_len), CCID_OK);
	assert_int_equal(out[50], 0xEE);
	expect_usable();
}

static void hear_abort(void *user, uint64_t now, const char *text)
{
	(void)now;
	*(unsigned *)user += strncmp(text, "out", 3) == 0 && strstr(text, " Abort ");
}

/* Retried until the deadline. By then the slot is busy with a command that this driver did not
 * send, which is aborted. */
static void slot_busy_is_retried(void **state)
{
	uint64_t began = fixture_ms();
	unsigned aborts = 0;

	(void)state;
	fixture_fault(0, "error value=0xE0 count=20 msg=6F");
	assert_int_equal(generate(&cs, 30, 3000), CCID_OK);
	assert_in_range(fixture_ms() - began, 200, 300);
	fixture_fault(0, "error-status value=0xE0 count=0 slot=0 msg=6F");
	sim_dev_trace(fake_usb_dev(0), hear_abort, &aborts);
	began = fixture_ms();
	assert_int_equal(generate(&cs, 30, 3000), CCID_ERR_BUSY);
	sim_dev_trace(fake_usb_dev(0), NULL, NULL);
	assert_int_equal(aborts, 1);
	assert_in_range(fixture_ms() - began, 3000, 3200);
	fixture_fault(0, "clear");
	expect_usable();
}

static void errors_keep_their_names(void **state)
{
	static const struct {
		uint8_t bError;
		enum ccid_err want;
	} rows[] = { { 0xFE, CCID_ERR_MUTE }, { 0xFD, CCID_ERR_PARITY } };

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		fixture_fault(0, "error value=%u", rows[i].bError);
		assert_int_equal(generate(&cs, 30, 3000), rows[i].want);
		assert_int_equal(cs.bError, rows[i].bError);
		fixture_fault(0, "error-status value=%u", rows[i].bError);
		assert_int_equal(generate(&cs, 30, 3000), rows[i].want);
		expect_usable();
	}
}

static void off_by_one_by_quirk(void **state)
{
	(void)state;
	quirks.bits = 1ull << QUIRK_SEQ_OFF_BY_ONE;
	fixture_fault(0, "wrong-seq value=1 count=20");
	expect_usable();
	fixture_fault(0, "clear");
	fixture_fault(0, "wrong-seq value=255 count=20");
	expect_usable();
	fixture_fault(0, "clear");
	/* without the quirk such an answer is dropped */
	quirks.bits = 0;
	expect_dropped("wrong-seq value=1");
}

static void parameters(void **state)
{
	uint8_t params[7] = { 0x11, 0x10, 0x00, 0x4D, 0x00, 0x20, 0x00 };
	size_t len;

	(void)state;
	teardown(NULL);
	begin("reader r\ncard 0 = t1\n");
	assert_int_equal(ccid_power_on(&cs, 1, out, sizeof out, &len), CCID_OK);
	assert_int_equal(ccid_set_parameters(&cs, 1, params, 7), CCID_OK);
	for (unsigned e = 0; e <= 0xFF; e++) {
		enum ccid_err err;

		if (e == 0xE0)
			continue;
		fixture_fault(0, "error value=%u", e);
		err = ccid_set_parameters(&cs, 1, params, 7);
		if (e == 0)
			assert_int_equal(err, CCID_ERR_NOT_SUPPORTED);
		else
			assert_int_equal(err == CCID_OK, e <= 0x7F);
	}
}

static void too_long_a_command(void **state)
{
	struct ccid_block b;

	(void)state;
	assert_int_equal(ccid_xfr_block(&cs, buffers[3], 262, 0, 0, 3000, &b), CCID_ERR_TOO_LONG);
	assert_int_equal(fixture_log_count("dwMaxCCIDMessageLength is 271"), 1);
	expect_usable();
}

static void atr_buffers(void **state)
{
	(void)state;
	memset(out, 0xEE, sizeof out);
	fixture_fault(0, "atr-long value=40");
	assert_int_equal(ccid_power_on(&cs, 0, out, 33, &out_len), CCID_OK);
	assert_int_equal(out_len, 33);
	assert_int_equal(out[33], 0xEE);
	fixture_fault(0, "atr-empty");
	assert_int_equal(ccid_power_on(&cs, 0, out, 33, &out_len), CCID_OK);
	assert_int_equal(out_len, 0);
}

/* A slot whose answer does not come does not delay the other slot. */
static void the_other_slot_goes_on(void **state)
{
	struct request r = { .slot = 0, .seq = 200, .msg = out, .len = 10, .answer = out + 100, .answer_cap = 1000 };
	struct ccid_msg m = { .bMessageType = PC_TO_RDR_ESCAPE, .bSeq = 200 };
	struct deadline d = deadline_in_ms(3000);

	(void)state;
	fixture_fault(0, "silent slot=0");
	ccid_msg_encode(&m, out);
	assert_int_equal(bench.t->ops->start(bench.t, &r, &d), CCID_OK);
	for (uint8_t n = 1; n < 20; n++)
		assert_int_equal(generate(&cs1, n, 3000), CCID_OK);
	assert_in_range(fixture_ms(), 0, 500);
	assert_int_equal(bench.t->ops->wait(bench.t, &r, &d), CCID_ERR_TIMEOUT);
	bench.t->ops->finish(bench.t, &r);
	cs.link = CCID_ANSWER_OWED;
	expect_usable();
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(one_after_the_other),
		TEST(sequence_numbers_wrap),
		TEST(row_01_another_slot),
		TEST(row_02_another_sequence_number),
		TEST(row_03_another_type),
		TEST(row_04_torn_frames),
		TEST(row_05_lengths_that_lie),
		TEST(row_06_more_than_asked_for),
		TEST(row_07_silence_and_late_answers),
		TEST(row_07_a_long_answer_after_the_wait),
		TEST(row_07_long_silence),
		TEST(row_08_time_extensions),
		TEST(row_08_time_extensions_for_ever),
		TEST(row_08_time_extensions_beyond_the_end),
		TEST(row_29_a_flood_of_time_extensions),
		TEST(row_10_escape),
		TEST(slot_busy_is_retried),
		TEST(errors_keep_their_names),
		TEST(off_by_one_by_quirk),
		TEST(parameters),
		TEST(too_long_a_command),
		TEST(atr_buffers),
		TEST(the_other_slot_goes_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
