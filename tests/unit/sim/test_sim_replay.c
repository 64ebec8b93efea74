/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A recording that is played: matching of commands, reports, and damaged files. */
#include "sim/model/sim_replay.h"
#include "sim_bench.h"

#include <unistd.h>

static const char head[] = "ccidlog 1\nreader f1f1:0001\nbegin\n";
static const char talk[] = "-> 65 00 00 00 00 00 ss 00 00 00\n"
			   "<- 81 00 00 00 00 00 ss 01 00 01\n"
			   "-> 62 00 00 00 00 00 ss 01 00 00\n"
			   "<- 80 05 00 00 00 00 ss 00 00 00 3B 80 80 01 01 (0.50)\n"
			   "-> 61 05 00 00 00 00 ss 00 00 00 95 00 00 0A 00\n"
			   "<- 82 05 00 00 00 00 ss 00 00 00 95 00 00 0A 00\n"
			   "-> 6F 05 00 00 00 00 ss 00 00 00 00 CA 00 01 02\n"
			   "<- 80 04 00 00 00 00 ss 00 00 00 11 22 90 00\n"
			   "-> 6F 09 00 00 00 00 ss 00 00 00 [9 hidden]\n"
			   "<- 80 02 00 00 00 00 ss 00 00 00 [2 hidden]\n"
			   "int 50 02 (2.00)\n"
			   "-> 63 00 00 00 00 00 ss 00 00 00\n"
			   "<- 81 00 00 00 00 00 ss 02 00 01\n"
			   "end 13 lines\n";

static char path[] = "/tmp/test-replay-XXXXXX";

static void write_file(const char *first, const char *second)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(first, f);
	fputs(second, f);
	assert_int_equal(fclose(f), 0);
}

static void play(struct bench *b)
{
	char text[100];

	write_file(head, talk);
	snprintf(text, sizeof text, "reader r\nreplay = %s\n", path);
	bench_open(b, text);
}

static const uint8_t five[3] = { 1, 0, 0 };
static const uint8_t slow[5] = { 0x95, 0, 0, 0x0A, 0 }, fast[5] = { 0x11, 0, 0, 0x0A, 0 };
static const uint8_t get[5] = { 0, 0xCA, 0, 1, 2 }, verify[9] = { 0, 0x20, 0, 1, 4, '1', '2', '3', '4' };

static void polls_as_often_as_one_likes(struct bench *b, uint8_t status)
{
	for (unsigned i = 0; i < 3; i++) {
		command(b, 0x65, 0, NULL, NULL, 0);
		answered(b, 0x81, status, 0);
		assert_int_equal(b->in[6], b->seq);
	}
}

static void whole_talk(struct bench *b)
{
	uint64_t before;

	polls_as_often_as_one_likes(b, 1);
	before = b->now;
	command(b, 0x62, 0, five, NULL, 0);
	answered(b, 0x80, 0, 0);
	assert_in_range(b->now - before, 500 * MS, 501 * MS);
	polls_as_often_as_one_likes(b, 0);
	command(b, 0x61, 0, NULL, slow, 5);
	answered(b, 0x82, 0, 0);
	command(b, 0x6F, 0, NULL, get, 5);
	assert_memory_equal(b->in + 10, "\x11\x22\x90\x00", 4);
	command(b, 0x6F, 0, NULL, verify, 9);
	assert_memory_equal(b->in + 10, "\x90\x00", 2);
	b->now += 3000 * MS;
	(void)sim_dev_reap(b->d, b->now);
}

static void expect_followed(struct bench *b)
{
	sim_replay_end(b->d);
	if (sim_replay_divergences(b->d))
		fail_msg("%s", sim_replay_divergence(b->d, 0));
	no_complaints(b);
	bench_close(b);
}

/* There are n divergences, and one of them contains `what`. */
static void expect_divergences(struct bench *b, unsigned n, const char *what)
{
	bool told = false;

	sim_replay_end(b->d);
	for (unsigned i = 0; sim_replay_divergence(b->d, i); i++) {
		told = told || strstr(sim_replay_divergence(b->d, i), what);
		if (!what[0] || sim_replay_divergences(b->d) != n)
			print_message("%s\n", sim_replay_divergence(b->d, i));
	}
	assert_int_equal(sim_replay_divergences(b->d), n);
	assert_true(told);
	bench_close(b);
}

static void test_followed(void **state)
{
	struct bench b;

	(void)state;
	play(&b);
	whole_talk(&b);
	expect_followed(&b);
}

static void test_opened_again(void **state)
{
	struct bench b;

	(void)state;
	play(&b);
	whole_talk(&b);
	command(&b, 0x63, 0, NULL, NULL, 0);
	command(&b, 0x62, 0, five, NULL, 0);
	answered(&b, 0x80, 0, 0);
	command(&b, 0x61, 0, NULL, slow, 5);
	command(&b, 0x6F, 0, NULL, get, 5);
	assert_memory_equal(b.in + 10, "\x11\x22\x90\x00", 4);
	expect_followed(&b);
}

/* pcscd powers a card off that no program uses, and on again for the next program. The recording
 * has this at its end only. */
static void test_switched_off_early(void **state)
{
	struct bench b;

	(void)state;
	play(&b);
	command(&b, 0x62, 0, five, NULL, 0);
	command(&b, 0x63, 0, NULL, NULL, 0);
	answered(&b, 0x81, 1, 0);
	whole_talk(&b);
	expect_followed(&b);
}

static void test_other_bytes(void **state)
{
	struct bench b;

	(void)state;
	play(&b);
	command(&b, 0x62, 0, five, NULL, 0);
	command(&b, 0x61, 0, NULL, fast, 5);
	answered(&b, 0x82, 0, 0);	/* the model's */
	assert_memory_equal(b.in + 10, fast, 5);
	command(&b, 0x6F, 0, NULL, get, 5);
	assert_memory_equal(b.in + 10, "\x11\x22\x90\x00", 4);
	command(&b, 0x6F, 0, NULL, verify, 9);
	expect_divergences(&b, 1,
			   "the driver asked SetParameters 11 00 00 0A 00; "
			   "the recording has SetParameters 95 00 00 0A 00");
}

static void test_left_out(void **state)
{
	struct bench b;

	(void)state;
	play(&b);
	command(&b, 0x62, 0, five, NULL, 0);
	command(&b, 0x6F, 0, NULL, get, 5);
	command(&b, 0x6F, 0, NULL, verify, 9);
	expect_divergences(&b, 1, "the recording has SetParameters 95 00 00 0A 00 before it");
}

static void test_once_more(void **state)
{
	struct bench b;

	(void)state;
	play(&b);
	whole_talk(&b);
	command(&b, 0x6F, 0, NULL, get, 5);
	expect_divergences(&b, 1, "the driver asked XfrBlock 00 CA 00 01 02 once more");
}

static void test_ended_early(void **state)
{
	struct bench b;

	(void)state;
	play(&b);
	command(&b, 0x62, 0, five, NULL, 0);
	expect_divergences(&b, 1, "the driver ended; the recording has SetParameters 95 00 00 0A 00");
}

/* The card is removed when the recording says so, not before. */
static void test_removed(void **state)
{
	struct bench b;

	(void)state;
	play(&b);
	whole_talk(&b);
	assert_int_equal(sim_replay_divergences(b.d), 0);
	{
		uint8_t note[8];
		struct sim_urb u = { .type = SIM_INTERRUPT, .endpoint = 0x82, .buf = note, .len = sizeof note };

		sim_dev_submit(b.d, &u, b.now);
		while (wait_any(&b, b.now + 10 * MS) != &u)
			;
		assert_int_equal(u.actual, 2);
		assert_memory_equal(note, "\x50\x02", 2);
	}
	polls_as_often_as_one_likes(&b, 2);
	expect_followed(&b);
}

/* A mistake in a file is reported with its line. */
/* Hidden answers to T=1 blocks are whole blocks: in XfrBlock, and behind 1A in Escape as OMNIKEY readers have them. */
static void test_hidden_blocks(void **state)
{
	static const char blocks[] = "-> 62 00 00 00 00 00 ss 01 00 00\n"
				     "<- 80 05 00 00 00 00 ss 00 00 00 3B 80 80 01 01\n"
				     "-> 6F 0D 00 00 00 00 ss 00 00 00 [13 hidden]\n"
				     "<- 80 06 00 00 00 00 ss 00 00 00 [6 hidden]\n"
				     "-> 6B 0E 00 00 00 00 ss 00 00 00 [14 hidden]\n"
				     "<- 83 07 00 00 00 00 ss 00 00 00 [7 hidden]\n"
				     "-> 6B 06 00 00 00 00 ss 00 00 00 1A 00 00 01 AA AB\n"
				     "<- 83 08 00 00 00 00 ss 00 00 00 1A 00 00 03 BB 90 00 28\n"
				     "-> 6B 0E 00 00 00 00 ss 00 00 00 [14 hidden]\n"
				     "<- 83 07 00 00 00 00 ss 00 00 00 [7 hidden]\n"
				     "-> 6B 02 00 00 00 00 ss 00 00 00 [2 hidden]\n"
				     "<- 83 02 00 00 00 00 ss 00 00 00 [2 hidden]\n"
				     "end 12 lines\n";
	static const uint8_t block[14] = { 0x1A, 0, 0, 9, 0, 0x20, 0, 1, 4, '1', '2', '3', '4', 0x28 };
	static const uint8_t open[6] = { 0x1A, 0, 0, 1, 0xAA, 0xAB };
	struct bench b;
	char text[100];

	(void)state;
	write_file(head, blocks);
	snprintf(text, sizeof text, "reader r\nreplay = %s\n", path);
	bench_open(&b, text);
	command(&b, 0x62, 0, five, NULL, 0);
	command(&b, 0x6F, 0, NULL, block + 1, 13);
	assert_memory_equal(b.in + 10, "\0\0\x02\x90\0\x92", 6);
	command(&b, 0x6B, 0, NULL, block, 14);
	assert_int_equal(b.in[1], 7);
	assert_memory_equal(b.in + 10, "\x1A\0\x40\x02\x90\0\xD2", 7);
	command(&b, 0x6B, 0, NULL, open, 6);
	assert_memory_equal(b.in + 10, "\x1A\0\0\x03\xBB\x90\0\x28", 8);
	command(&b, 0x6B, 0, NULL, block, 14); /* the card's next block has N(S) 1 */
	assert_memory_equal(b.in + 10, "\x1A\0\x40\x02\x90\0\xD2", 7);
	command(&b, 0x6B, 0, NULL, (const uint8_t *)"\x1A\x01", 2);
	assert_memory_equal(b.in + 10, "\x90\0", 2);
	expect_followed(&b);
}

static void test_files(void **state)
{
	static const struct { const char *first, *second, *says; } wrong[] = {
		{ "ccidlog 2\n", "", "line 1: not a version" },
		{ head, "-> 65 00 00 00 00 00 ss 00 00 0G\n", "line 4: not a byte" },
		{ head, "-> 65 00 00 00 00 00 ss 00 00 00\n", "line 4: the file ends without \"end\"" },
		{ head, "-> 65 01 00 00 00 00 ss 00 00 00\n", "line 4: the message is not whole" },
		{ head, "\n# nothing\n<- 81 00 00 00 00 00 ss 00 00 00\n", "line 6: an answer before" },
		{ head, "hello\n", "line 4: neither a message nor a known word: hello" },
		{ head, "int 50 03 (soon)\n", "line 4: not a time: (soon)" },
		{ head, "ctl A1 03 00 => 00\n", "line 4: a setup has eight bytes" },
		{ head, "ctl A1 03 00 00 00 00 04 00\n", "line 4: a request without" },
		{ head, "int 50 03\nend 2 lines\n", "line 5: lines are missing" },
		{ head, "int 50 03\nend 1 lines\nint 50 02\n", "line 6: what follows \"end\"" },
		{ head, "-> 6F 05 00 00 00 00 ss 00 00 00 [all hidden]\n", "line 4: not a number of hidden" },
		{ "ccidlog 1\ndevice 12 01\n", "", "line 2: not such a descriptor" },
		{ "ccidlog 1\ncolour green\n", "", "line 2: not a line of the head: colour" },
		{ "ccidlog 1\nreader 1:2\n", "", "line 2: the file ends before \"begin\"" },
		{ "hello\n", "", "line 1: not \"ccidlog 1\"" },
		{ "", "", "empty" },
	};
	char err[300];

	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		write_file(wrong[i].first, wrong[i].second);
		assert_null(sim_recording_read(path, 0, 0, err, sizeof err));
		if (!strstr(err, wrong[i].says))
			fail_msg("\"%s\" does not say \"%s\"", err, wrong[i].says);
	}
	assert_null(sim_recording_read("/nonexistent/file", 0, 0, err, sizeof err));
	assert_non_null(strstr(err, "No such file"));
}

static int make_file(void **state)
{
	(void)state;
	return mkstemp(path) < 0;
}

static int remove_file(void **state)
{
	(void)state;
	return unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_followed),
		cmocka_unit_test(test_opened_again),
		cmocka_unit_test(test_switched_off_early),
		cmocka_unit_test(test_other_bytes),
		cmocka_unit_test(test_left_out),
		cmocka_unit_test(test_once_more),
		cmocka_unit_test(test_ended_early),
		cmocka_unit_test(test_removed),
		cmocka_unit_test(test_hidden_blocks),
		cmocka_unit_test(test_files),
	};

	return cmocka_run_group_tests(tests, make_file, remove_file);
}
