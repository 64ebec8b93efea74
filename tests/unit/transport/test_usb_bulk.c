/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* src/transport/usb_bulk.c: frames on the bulk pipes, whole, torn, strange and lost. Virtual time. */
#include "usb_bench.h"

#include <stdlib.h>

static struct command c, other;

static int setup(void **state)
{
	(void)state;
	bench_start(FAKE_VIRTUAL, FIXTURE_TWO);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	bench_stop();
	return 0;
}

static enum ccid_err status(unsigned ms, uint8_t seq)
{
	command_make(&c, PC_TO_RDR_GET_SLOT_STATUS, 0, seq, NULL, 0);
	return command_run(bench.t, &c, ms);
}

static void one_answer(void **state)
{
	uint64_t began = fixture_ms();

	(void)state;
	for (unsigned i = 0; i < 300; i++)
		assert_int_equal(status_of(bench.t, i & 1, (uint8_t)i), CCID_OK);
	assert_true(fixture_ms() - began < 300);
}

static void packets_before_the_answer_are_skipped(void **state)
{
	(void)state;
	fixture_fault(0, "zero-length count=0");
	for (uint8_t i = 0; i < 20; i++)
		assert_int_equal(status_of(bench.t, 0, i), CCID_OK);
}

static void torn_headers(void **state)
{
	(void)state;
	for (unsigned n = 1; n <= 9; n++) {
		uint64_t began = fixture_ms();

		fixture_fault(0, "short-answer value=%u", n);
		memset(c.answer, 0xEE, sizeof c.answer);
		assert_int_equal(status(1000, (uint8_t)(2 * n)), CCID_ERR_COMM);
		assert_true(fixture_ms() - began < 100);
		assert_int_equal(c.r.answer_len, n);
		assert_int_equal(c.answer[n], 0xEE);
		assert_int_equal(status_of(bench.t, 0, (uint8_t)(2 * n + 1)), CCID_OK);
	}
}

/* A torn frame while two commands wait belongs to neither; both get their answers. */
static void a_torn_frame_among_two_commands(void **state)
{
	struct deadline d = deadline_in_ms(500);

	(void)state;
	fixture_fault(0, "short-answer value=5 slot=0");
	command_make(&c, PC_TO_RDR_GET_SLOT_STATUS, 0, 1, NULL, 0);
	command_make(&other, PC_TO_RDR_GET_SLOT_STATUS, 1, 9, NULL, 0);
	assert_int_equal(bench.t->ops->start(bench.t, &c.r, &d), CCID_OK);
	assert_int_equal(bench.t->ops->start(bench.t, &other.r, &d), CCID_OK);
	assert_int_equal(bench.t->ops->wait(bench.t, &other.r, &d), CCID_OK);
	assert_int_equal(other.answer[6], 9);
	assert_int_equal(bench.t->ops->wait(bench.t, &c.r, &d), CCID_ERR_TIMEOUT);
	bench.t->ops->finish(bench.t, &c.r);
	bench.t->ops->finish(bench.t, &other.r);
	assert_int_equal(status_of(bench.t, 0, 2), CCID_OK);
}

static void answers_of_others_are_dropped(void **state)
{
	static const char *const faults[] = { "wrong-slot", "wrong-slot value=1", "wrong-slot value=255",
					      "wrong-seq", "wrong-seq value=255", "wrong-seq value=2", "silent" };

	(void)state;
	for (unsigned i = 0; i < sizeof faults / sizeof faults[0]; i++) {
		uint64_t began = fixture_ms();

		fixture_fault(0, "%s", faults[i]);
		assert_int_equal(status(1000, (uint8_t)(10 * i)), CCID_ERR_TIMEOUT);
		assert_in_range(fixture_ms() - began, 1000, 1300);
		assert_int_equal(status_of(bench.t, 0, (uint8_t)(10 * i + 5)), CCID_OK);
	}
	assert_int_equal(fixture_log_count("dropped an answer that no command waits for"), 6);
}

static void any_number_of_stale_answers(void **state)
{
	(void)state;
	fixture_fault(0, "stale value=200");
	assert_int_equal(status_of(bench.t, 0, 3), CCID_OK);
	assert_int_equal(fixture_log_count("dropped"), 200);
	fixture_fault(0, "duplicate count=5");
	for (uint8_t i = 10; i < 20; i++)
		assert_int_equal(status_of(bench.t, 0, i), CCID_OK);
}

/* The answer that follows a time extension (or is there twice) waits while the owner looks at the one before:
 * another slot's thread may run the completions then. */
static void next_answer_waits_for_its_owner(void **state)
{
	struct deadline d;

	(void)state;
	fixture_fault(0, "duplicate slot=0");
	command_make(&c, PC_TO_RDR_GET_SLOT_STATUS, 0, 5, NULL, 0);
	d = deadline_in_ms(1000);
	assert_int_equal(bench.t->ops->start(bench.t, &c.r, &d), CCID_OK);
	assert_int_equal(bench.t->ops->wait(bench.t, &c.r, &d), CCID_OK);
	memset(c.answer, 0xEE, CCID_HEADER_LENGTH);
	c.r.answer_len = 99;
	assert_int_equal(status_of(bench.t, 1, 9), CCID_OK);
	assert_int_equal(c.r.answer_len, 99);
	assert_int_equal(c.answer[0], 0xEE);
	assert_int_equal(bench.t->ops->wait(bench.t, &c.r, &d), CCID_OK);
	assert_int_equal(c.r.answer_len, CCID_HEADER_LENGTH);
	assert_int_equal(c.answer[6], 5);
	d = deadline_in_ms(100);
	assert_int_equal(bench.t->ops->wait(bench.t, &c.r, &d), CCID_ERR_TIMEOUT);
	bench.t->ops->finish(bench.t, &c.r);
	assert_int_equal(status_of(bench.t, 0, 6), CCID_OK);
}

static void slack_of_the_sequence_number(void **state)
{
	static const struct {
		unsigned off;
		enum ccid_err want;
	} rows[] = { { 1, CCID_OK }, { 255, CCID_OK }, { 2, CCID_ERR_TIMEOUT }, { 254, CCID_ERR_TIMEOUT } };

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		command_make(&c, PC_TO_RDR_GET_SLOT_STATUS, 0, (uint8_t)(0xFF + 7 * i), NULL, 0);
		c.r.seq_slack = 1;
		fixture_fault(0, "wrong-seq value=%u", rows[i].off);
		assert_int_equal(command_run(bench.t, &c, 500), rows[i].want);
	}
}

/* Frames that fill their packets: read whole, with and without a closing empty packet. */
static void frames_of_full_packets(void **state)
{
	(void)state;
	for (unsigned n = 1; n <= 4; n++) {
		fixture_fault(0, "exact value=%u", n);
		assert_int_equal(status(1000, (uint8_t)(n * 2)), CCID_OK);
		assert_int_equal(c.r.answer_len, 64 * n);
		assert_int_equal(status_of(bench.t, 0, (uint8_t)(n * 2 + 1)), CCID_OK);
	}
	assert_int_equal(fixture_log_count("no zero-length packet"), 0);
}

static void frames_of_full_packets_without_an_end(void **state)
{
	uint64_t began = fixture_ms();

	(void)state;
	fixture_fault(0, "no-zlp count=0");
	fixture_fault(0, "exact value=2");
	assert_int_equal(status(1000, 1), CCID_OK);
	assert_int_equal(c.r.answer_len, 128);
	assert_in_range(fixture_ms() - began, 1000, 1300);
	/* Known now: no command waits for the end any more. */
	began = fixture_ms();
	for (unsigned n = 1; n <= 5; n++) {
		if (n < 5)
			fixture_fault(0, "exact value=%u", n);
		assert_int_equal(status(1000, (uint8_t)(n + 1)), CCID_OK);
		assert_int_equal(c.r.answer_len, n < 5 ? 64 * n : 10);
	}
	assert_true(fixture_ms() - began < 100);
	assert_int_equal(fixture_log_count("no zero-length packet"), 1);
}

/* More than was ever announced: the first part is an answer that does not fit its dwLength, the
 * rest is dropped. */
static void more_than_the_buffer(void **state)
{
	(void)state;
	fixture_fault(0, "longer value=65000");
	assert_int_equal(status(1000, 1), CCID_OK);
	/* the longest answer that a message carries, though the reader announced 271 bytes */
	assert_int_equal(c.r.answer_len, 65010);
	assert_int_equal(get_le32(c.answer + 1), 65000);
	assert_null(c.r.long_answer);
	for (uint8_t i = 2; i < 10; i++)
		assert_int_equal(status_of(bench.t, 0, i), CCID_OK);
}

/* An answer too long for the caller's buffer comes in a buffer of its own. */
static void longer_than_the_caller_expects(void **state)
{
	static const unsigned lengths[] = { 262, 602, 1024, 5000, 65546 };

	(void)state;
	for (uint8_t i = 0; i < 5; i++) {
		struct deadline d = deadline_in_ms(1000);

		fixture_fault(0, "longer value=%u", lengths[i]);
		command_make(&c, PC_TO_RDR_GET_SLOT_STATUS, 0, (uint8_t)(2 * i), NULL, 0);
		c.r.answer_cap = 271;
		c.answer[271] = 0x5A;
		assert_int_equal(bench.t->ops->start(bench.t, &c.r, &d), CCID_OK);
		assert_int_equal(bench.t->ops->wait(bench.t, &c.r, &d), CCID_OK);
		bench.t->ops->finish(bench.t, &c.r);
		assert_int_equal(c.answer[271], 0x5A);
		assert_int_equal(c.r.answer_len, CCID_HEADER_LENGTH + lengths[i]);
		assert_non_null(c.r.long_answer);
		assert_int_equal(get_le32(c.r.long_answer + 1), lengths[i]);
		assert_int_equal(c.r.long_answer[c.r.answer_len - 1], 0xA5);
		free(c.r.long_answer);
		assert_int_equal(status_of(bench.t, 0, (uint8_t)(2 * i + 1)), CCID_OK);
	}
}

/* 49 174 bytes where dwLength says 0 (CCID issues 66, 67; acsccid issue 19), and other lengths: the next
 * answers are true. */
static void padding_of_many_packets(void **state)
{
	static const unsigned lengths[] = { 49174, 310, 374, 375, 640, 2000, 65000 };

	(void)state;
	for (unsigned zlp = 0; zlp < 2; zlp++) {
		if (!zlp)
			fixture_fault(0, "no-zlp count=0");
		for (uint8_t i = 0; i < 7; i++) {
			fixture_fault(0, "padded value=%u", lengths[i]);
			assert_int_equal(status(1500, (uint8_t)(3 * i)), CCID_OK);
			assert_in_range(c.r.answer_len, CCID_HEADER_LENGTH, 320);
			assert_int_equal(get_le32(c.answer + 1), 0);
			assert_int_equal(status_of(bench.t, 0, (uint8_t)(3 * i + 1)), CCID_OK);
			assert_int_equal(status_of(bench.t, 0, (uint8_t)(3 * i + 2)), CCID_OK);
		}
		fixture_fault(0, "clear");
	}
}

static void failing_pipes(void **state)
{
	static const char *const faults[] = { "overflow", "in-stall", "in-error", "out-stall", "out-error" };

	(void)state;
	for (unsigned i = 0; i < 40; i++) {
		uint64_t began = fixture_ms();

		fixture_fault(0, "%s", faults[i % 5]);
		assert_int_equal(status(1000, (uint8_t)(2 * i)), CCID_ERR_COMM);
		assert_true(fixture_ms() - began < 100);
		assert_int_equal(status_of(bench.t, 0, (uint8_t)(2 * i + 1)), CCID_OK);
	}
}

/* A pipe that fails for ever keeps no thread busy. */
static void a_pipe_that_only_fails(void **state)
{
	struct fake_counts before = fake_usb_counts(), after;

	(void)state;
	fixture_fault(0, "in-error count=0");
	for (uint8_t i = 0; i < 10; i++)
		assert_int_equal(status(1000, i), CCID_ERR_COMM);
	after = fake_usb_counts();
	assert_true(after.total_events - before.total_events < 100);
	fixture_fault(0, "clear");
	assert_int_equal(status_of(bench.t, 0, 50), CCID_OK);
}

/* One damaged answer among two: the other command does not notice. */
static void damage_among_two_commands(void **state)
{
	struct deadline d = deadline_in_ms(500);

	(void)state;
	fixture_fault(0, "in-error slot=0");
	command_make(&c, PC_TO_RDR_GET_SLOT_STATUS, 0, 1, NULL, 0);
	command_make(&other, PC_TO_RDR_GET_SLOT_STATUS, 1, 9, NULL, 0);
	assert_int_equal(bench.t->ops->start(bench.t, &c.r, &d), CCID_OK);
	assert_int_equal(bench.t->ops->start(bench.t, &other.r, &d), CCID_OK);
	assert_int_equal(bench.t->ops->wait(bench.t, &other.r, &d), CCID_OK);
	assert_int_equal(bench.t->ops->wait(bench.t, &c.r, &d), CCID_ERR_TIMEOUT);
	bench.t->ops->finish(bench.t, &other.r);
	bench.t->ops->finish(bench.t, &c.r);
	assert_int_equal(status_of(bench.t, 0, 2), CCID_OK);
}

/* The message buffer is the caller's again after finish(), also when the reader never took it. */
static void a_message_that_is_never_taken(void **state)
{
	(void)state;
	fixture_fault(0, "out-nak");
	assert_int_equal(status(500, 1), CCID_ERR_TIMEOUT);
	memset(c.msg, 0, sizeof c.msg);
	assert_true(fake_usb_counts().submitted <= 2);
	assert_int_equal(status_of(bench.t, 0, 2), CCID_OK);
	assert_int_equal(status_of(bench.t, 1, 2), CCID_OK);
}

static void a_late_answer_is_dropped(void **state)
{
	(void)state;
	fixture_fault(0, "late-answer ms=1500");
	assert_int_equal(status(1000, 1), CCID_ERR_TIMEOUT);
	for (uint8_t i = 2; i < 30; i++) {
		assert_int_equal(status_of(bench.t, 0, i), CCID_OK);
		fake_clock_advance(50000000);
	}
	assert_int_equal(fixture_log_count("dropped"), 1);
}

/* A failed submission or allocation is an error, and the next command works. */
static void failing_submissions(void **state)
{
	static const struct {
		int code;
		enum ccid_err want;
	} rows[] = { { LIBUSB_ERROR_NO_MEM, CCID_ERR_NOMEM }, { LIBUSB_ERROR_IO, CCID_ERR_COMM },
		     { LIBUSB_ERROR_BUSY, CCID_ERR_BUSY } };

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		for (unsigned nth = 1; nth <= 2; nth++) {
			enum ccid_err err;

			fake_usb_fail_submit(nth, rows[i].code);
			err = status(1000, (uint8_t)(20 * i + 4 * nth));
			/* IN may be under way already, and need no submission */
			if (nth == 1)
				assert_int_equal(err, rows[i].want);
			fake_usb_fail_submit(0, 0);
			assert_int_equal(status_of(bench.t, 0, (uint8_t)(20 * i + 4 * nth + 1)), CCID_OK);
			assert_int_equal(status_of(bench.t, 1, (uint8_t)(20 * i + 4 * nth + 1)), CCID_OK);
		}
	}
}

/* The same at the first command of all, when both directions are submitted. */
static void failing_first_submission(void **state)
{
	(void)state;
	for (unsigned nth = 1; nth <= 2; nth++) {
		fake_usb_fail_submit(nth, LIBUSB_ERROR_IO);
		assert_int_equal(status(1000, 1), CCID_ERR_COMM);
		assert_int_equal(status_of(bench.t, 0, 2), CCID_OK);
		assert_int_equal(status_of(bench.t, 1, 2), CCID_OK);
		bench_stop();
		bench_start(FAKE_VIRTUAL, FIXTURE_TWO);
	}
}

static void failing_allocation(void **state)
{
	(void)state;
	fake_usb_fail_alloc(1);
	assert_int_equal(status(1000, 1), CCID_ERR_NOMEM);
	assert_int_equal(status_of(bench.t, 0, 2), CCID_OK);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(one_answer),
		TEST(packets_before_the_answer_are_skipped),
		TEST(torn_headers),
		TEST(a_torn_frame_among_two_commands),
		TEST(answers_of_others_are_dropped),
		TEST(any_number_of_stale_answers),
		TEST(next_answer_waits_for_its_owner),
		TEST(slack_of_the_sequence_number),
		TEST(frames_of_full_packets),
		TEST(frames_of_full_packets_without_an_end),
		TEST(more_than_the_buffer),
		TEST(longer_than_the_caller_expects),
		TEST(padding_of_many_packets),
		TEST(failing_pipes),
		TEST(a_pipe_that_only_fails),
		TEST(damage_among_two_commands),
		TEST(a_message_that_is_never_taken),
		TEST(a_late_answer_is_dropped),
		TEST(failing_submissions),
		TEST(failing_first_submission),
		TEST(failing_allocation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
