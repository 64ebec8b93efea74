/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A recording that is played: matching of commands, reports, and damaged files. */
#include "sim/model/sim_replay.h"
#include "sim_bench.h"

#include <sys/stat.h>
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
	assert_null(sim_recording_read("/dev/null", 0, 0, err, sizeof err));
	assert_non_null(strstr(err, "not a regular file"));
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_null(sim_recording_read(path, 0, 0, err, sizeof err));
	assert_non_null(strstr(err, "not a regular file"));
}

/* Each level, protocol and speed: what the model and its card say is played, and one command more is the model's. */
enum { LEVEL_CHARACTER = 0x30, LEVEL_TPDU = 0x10030, LEVEL_SHORT = 0x20030, LEVEL_EXTENDED = 0x40030 };
enum { READER_PARAMS = 0x40, READER_PPS = 0x80 };

struct keep {
	unsigned level, features, protocol, fidi;
};

static const struct keep keeps[] = {
	{ LEVEL_CHARACTER, 0, 0, 0 },
	{ LEVEL_TPDU, 0, 0, 0 },
	{ LEVEL_TPDU, READER_PPS, 0, 0 },
	{ LEVEL_SHORT, READER_PPS, 0, 0 },
	{ LEVEL_SHORT, READER_PARAMS, 0, 0 },
	{ LEVEL_EXTENDED, READER_PPS, 0, 0 },
	{ LEVEL_EXTENDED, READER_PARAMS, 0, 0 },
};

struct keep_log {
	struct bench *b;
	FILE *to; /* NULL: played */
	unsigned lines;
};

static void keep_line(struct keep_log *l, const char *arrow, const uint8_t *m, size_t len)
{
	fprintf(l->to, "%s", arrow);
	for (size_t i = 0; i < len; i++)
		fprintf(l->to, i == 6 ? " ss" : " %02X", m[i]);
	fprintf(l->to, "\n");
	l->lines++;
}

static void keep_say(struct keep_log *l, uint8_t type, const uint8_t abc[3], const void *data, size_t len)
{
	uint8_t m[300] = { type, (uint8_t)len };

	command(l->b, type, 0, abc, data, len);
	if (!l->to)
		return;
	if (abc)
		memcpy(m + 7, abc, 3);
	if (len)
		memcpy(m + 10, data, len);
	keep_line(l, "->", m, 10 + len);
	keep_line(l, "<-", l->b->in, l->b->in_len);
}

/* A block, whose answer is read in two parts at character level. */
static void keep_block(struct keep_log *l, const struct keep *k, const void *data, size_t len, uint8_t first,
		       uint8_t rest)
{
	bool parts = k->level == LEVEL_CHARACTER;

	keep_say(l, 0x6F, parts ? (const uint8_t[3]){ 0, first, 0 } : NULL, data, len);
	if (parts && rest)
		keep_say(l, 0x6F, (const uint8_t[3]){ 0, rest, 0 }, NULL, 0);
}

/* An unknown instruction: 6D 00, or what the card says. n: number of the block. */
static void keep_apdu(struct keep_log *l, const struct keep *k, unsigned n)
{
	uint8_t block[9] = { 0, n & 1 ? 0x40 : 0, 5, 0, 0xB0, 0, 0, 1 };
	bool apdu = k->level == LEVEL_SHORT || k->level == LEVEL_EXTENDED;

	block[7] = (uint8_t)(n + 1);
	for (unsigned i = 0; i < 8; i++)
		block[8] ^= block[i];
	if (k->protocol && !apdu)
		keep_block(l, k, block, 9, 3, 3);
	else
		keep_block(l, k, block + 3, 5, 2, 0);
	assert_int_equal(l->b->in[7] & 0xC0, 0);
	if (k->protocol && k->level == LEVEL_TPDU)
		assert_false(l->b->in[11] & 0x80); /* an I-block */
}

static void keep_talk(struct keep_log *l, const struct keep *k)
{
	uint8_t pps[4] = { 0xFF, (uint8_t)(0x10 | k->protocol), (uint8_t)k->fidi };
	uint8_t t0[5] = { (uint8_t)k->fidi, 0, 0, 10, 0 }, t1[7] = { (uint8_t)k->fidi, 0x10, 0, 0x4D, 0, 32, 0 };
	uint8_t number[3] = { (uint8_t)k->protocol, 0, 0 };

	pps[3] = pps[0] ^ pps[1] ^ pps[2];
	keep_say(l, 0x62, five, NULL, 0);
	if (!k->features && k->fidi != 0x11)
		keep_block(l, k, pps, 4, 4, 0);
	if (k->features != READER_PARAMS)
		keep_say(l, 0x61, number, k->protocol ? t1 : t0, k->protocol ? 7 : 5);
	for (unsigned n = 0; n < 3; n++)
		keep_apdu(l, k, n);
}

static void keep_one(const struct keep *k)
{
	char reader[300], text[400];
	struct keep_log l = { .lines = 0 };
	struct bench b;

	snprintf(reader, sizeof reader, "reader r\nfeatures = 0x%08X\n", k->level | k->features);
	snprintf(text, sizeof text, "%scard 0 = t%u ta1=%02X\n", reader, k->protocol, k->fidi);
	bench_open(&b, text);
	l.b = &b;
	l.to = fopen(path, "w");
	assert_non_null(l.to);
	fputs(head, l.to);
	keep_talk(&l, k);
	fprintf(l.to, "end %u lines\n", l.lines);
	assert_int_equal(fclose(l.to), 0);
	no_complaints(&b);
	bench_close(&b);
	snprintf(text, sizeof text, "%sreplay = %s\n", reader, path);
	bench_open(&b, text);
	l.to = NULL;
	keep_talk(&l, k);
	keep_apdu(&l, k, 3);
	no_complaints(&b);
	expect_divergences(&b, 1, "the recording is over");
}

static void test_model_keeps_up(void **state)
{
	(void)state;
	for (size_t i = 0; i < 4 * (sizeof keeps / sizeof *keeps); i++) {
		struct keep k = keeps[i / 4];

		k.protocol = i & 1;
		k.fidi = i & 2 ? 0x18 : 0x11;
		print_message("features %08X, T=%u, TA1 %02X\n", k.level | k.features, k.protocol, k.fidi);
		keep_one(&k);
	}
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
		cmocka_unit_test(test_model_keeps_up),
		cmocka_unit_test(test_files),
	};

	return cmocka_run_group_tests(tests, make_file, remove_file);
}
