/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ICCD A and B over a control pipe that follows a script. */
#include "iccd_script.h"

/* each power on begins so */
#define OFF { 0x21, 0x63, 0, NULL, 0, 0, CCID_OK, 0 }

/* ---- version A ---- */

static void a_power(void **state)
{
	static const struct step script[] = {
		OFF, { 0xA1, 0x62, 0, "\x3B\x02\x11\x22", 4, 0, CCID_OK, 0 },
		STATUS("\x10"), STATUS("\x80"),
		{ 0x21, 0x63, 0, NULL, 0, 0, CCID_OK, 0 }, STATUS("\x00"),
		OFF, { 0xA1, 0x62, 0, "", 0, 0, CCID_OK, 0 },
		OFF, { 0xA1, 0x62, 0, "", 0, 0, CCID_ERR_COMM, 0 },
	};
	struct bench *b = BENCH(A, script);

	(void)state;
	assert_int_equal(say(b, 0x62, 0, NULL, 0, 1000), CCID_OK);
	assert_answer(b, 0x80, 0, 0, 0, "\x3B\x02\x11\x22", 4);
	assert_int_equal(say(b, 0x65, 0, NULL, 0, 1000), CCID_OK);
	assert_answer(b, 0x81, 0, 0, 0, NULL, 0);
	assert_int_equal(say(b, 0x65, 0, NULL, 0, 1000), CCID_OK);
	assert_answer(b, 0x81, 1, 0, 0, NULL, 0);
	assert_int_equal(say(b, 0x63, 0, NULL, 0, 1000), CCID_OK);
	assert_answer(b, 0x81, 1, 0, 0, NULL, 0);
	assert_int_equal(say(b, 0x65, 0, NULL, 0, 1000), CCID_OK);
	assert_answer(b, 0x81, 1, 0, 0, NULL, 0);
	assert_int_equal(say(b, 0x62, 0, NULL, 0, 1000), CCID_OK);
	assert_answer(b, 0x80, 0x41, 0xFE, 0, NULL, 0);
	assert_int_equal(say(b, 0x62, 0, NULL, 0, 1000), CCID_ERR_COMM);
	assert_done(b);
}

static void a_cases(void **state)
{
	static const struct step script[] = {
		/* 1 */
		OUT("\x00\x20\x00\x01\x00", 5), STATUS("\x20"), IN("\x90\x00", 2, 2),
		/* 2, in two parts, busy in between */
		OUT("\x00\xB0\x00\x00\x04", 5), BUSY(3), STATUS("\x10"), IN("ab", 2, 4),
		BUSY(1), STATUS("\x10"), IN("cd", 2, 2), STATUS("\x20"), IN("\x90\x00", 2, 2),
		/* 3 */
		OUT("\x00\xD6\x00\x00\x03", 5), STATUS("\x10"), OUT("xyz", 3), BUSY(1),
		STATUS("\x20"), IN("\x61\x10", 2, 2),
		/* 2 refused */
		OUT("\x00\xB0\x00\x00\x00", 5), STATUS("\x20"), IN("\x6C\x04", 2, 2),
		/* 256 bytes asked for */
		OUT("\x00\xB0\x00\x00\x00", 5), STATUS("\x10"), IN("q", 1, 256), STATUS("\x20"),
		IN("\x62\x82", 2, 2),
	};
	struct bench *b = BENCH(A, script);

	(void)state;
	assert_int_equal(say(b, 0x6F, 0, "\x00\x20\x00\x01", 4, 1000), CCID_OK);
	assert_answer(b, 0x80, 1, 0, 0, "\x90\x00", 2);
	assert_int_equal(say(b, 0x6F, 0, "\x00\xB0\x00\x00\x04", 5, 1000), CCID_OK);
	assert_answer(b, 0x80, 1, 0, 0, "abcd\x90\x00", 6);
	assert_int_equal(b->paused_ms, 40);
	assert_int_equal(say(b, 0x6F, 0, "\x00\xD6\x00\x00\x03xyz", 8, 1000), CCID_OK);
	assert_answer(b, 0x80, 1, 0, 0, "\x61\x10", 2);
	assert_int_equal(say(b, 0x6F, 0, "\x00\xB0\x00\x00\x00", 5, 1000), CCID_OK);
	assert_answer(b, 0x80, 1, 0, 0, "\x6C\x04", 2);
	assert_int_equal(say(b, 0x6F, 0, "\x00\xB0\x00\x00\x00", 5, 1000), CCID_OK);
	assert_answer(b, 0x80, 1, 0, 0, "q\x62\x82", 3);
	/* not T=0 TPDUs: nothing is sent */
	assert_int_equal(say(b, 0x6F, 0, "\x00\x20\x00", 3, 1000), CCID_ERR_ARG);
	assert_int_equal(say(b, 0x6F, 0, "\x00\xD6\x00\x00\x03xy", 7, 1000), CCID_ERR_ARG);
	assert_int_equal(say(b, 0x6F, 0, "\x00\xD6\x00\x00\x03wxyz", 9, 1000), CCID_ERR_ARG);
	assert_done(b);
}

/* Row 20: each of these ends, and the next command works. */
static void a_hostile(void **state)
{
	static const struct step mute[] = { OUT("\0\xB0\0\0\4", 5), STATUS("\x80") };
	static const struct step forgot[] = { OUT("\0\xB0\0\0\4", 5), STATUS("\x00") };
	static const struct step no_status[] = { OUT("\0\xB0\0\0\4", 5),
						 { 0xA1, 0xA0, 0, "", 0, 1, CCID_OK, 0 } };
	static const struct step empty_data[] = { OUT("\0\xB0\0\0\4", 5), STATUS("\x10"),
						  IN("", 0, 4) };
	static const struct step short_sw[] = { OUT("\0\xB0\0\0\4", 5), STATUS("\x20"),
						IN("\x90", 1, 2) };
	static const struct step too_much[] = { OUT("\0\xB0\0\0\4", 5), STATUS("\x10"),
						IN("12345", 5, 4) };
	static const struct step endless_data[] = { OUT("\0\xB0\0\0\4", 5), STATUS("\x10"),
						    IN("1234", 4, 4), STATUS("\x10") };
	static const struct step data_again[] = { OUT("\0\xB0\0\0\4", 5), STATUS("\x10"),
						  IN("", 0, 4) };
	static const struct {
		const struct step *script;
		size_t n;
		enum ccid_err err;
		uint8_t bError;
	} rows[] = {
		{ mute, 2, CCID_OK, 0xFE }, { forgot, 2, CCID_OK, 0xFB },
		{ no_status, 2, CCID_ERR_COMM, 0 }, { empty_data, 3, CCID_ERR_COMM, 0 },
		{ short_sw, 3, CCID_ERR_COMM, 0 }, { too_much, 3, CCID_ERR_COMM, 0 },
		{ endless_data, 4, CCID_ERR_COMM, 0 }, { data_again, 3, CCID_ERR_COMM, 0 },
	};
	/* what is left of the former command is taken from the device first */
	static const struct step late[] = {
		BUSY(2), STATUS("\x20"), IN("\x6F\x00", 2, 2),
		OUT("\x00\x20\x00\x01\x00", 5), STATUS("\x20"), IN("\x90\x00", 2, 2),
	};
	static const struct step next[] = {
		OUT("\x00\x20\x00\x01\x00", 5), STATUS("\x20"), IN("\x90\x00", 2, 2),
	};
	struct bench *b = malloc(sizeof *b);

	(void)state;
	for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++) {
		bench_new(b, A, rows[r].script, rows[r].n);
		assert_int_equal(say(b, 0x6F, 0, "\0\xB0\0\0\4", 5, 1000), rows[r].err);
		if (!rows[r].err)
			assert_answer(b, 0x80, 0x41, rows[r].bError, 0, NULL, 0);
		assert_int_equal(b->at, b->n);
		b->script = b->i.unfinished ? late : next;
		b->n = b->i.unfinished ? 6 : 3;
		b->at = 0;
		assert_int_equal(say(b, 0x6F, 0, "\x00\x20\x00\x01", 4, 1000), CCID_OK);
		assert_answer(b, 0x80, 1, 0, 0, "\x90\x00", 2);
		assert_int_equal(b->at, b->n);
	}
	free(b);
}

static void a_busy_for_ever(void **state)
{
	static const struct step busy[] = {
		OUT("\x00\xB0\x00\x00\x04", 5), STATUS("\x10"), IN("ab", 2, 4), BUSY(FOR_EVER),
	};
	static const struct step ready[] = {
		STATUS("\x10"), IN("cd", 2, 2), STATUS("\x20"), IN("\x90\x00", 2, 2),
	};
	struct bench *b = BENCH(A, busy);

	(void)state;
	assert_int_equal(say(b, 0x6F, 0, "\x00\xB0\x00\x00\x04", 5, 100), CCID_OK);
	assert_answer(b, 0x80, 0x81, 1, 0, NULL, 0);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(go_on(b, 100), CCID_OK);
		assert_answer(b, 0x80, 0x81, 1, 0, NULL, 0);
		memset(b->answer, 0, CAP);
	}
	/* given up: the next command has to wait for this one */
	assert_int_equal(say(b, 0x72, 0, NULL, 0, 50), CCID_OK);
	assert_answer(b, 0x81, 1, 0, 0, NULL, 0);
	b->script = ready;
	b->n = 4;
	b->at = 0;
	b->i.type = 0x6F;
	assert_int_equal(go_on(b, 1000), CCID_OK);
	assert_answer(b, 0x80, 1, 0, 0, "abcd\x90\x00", 6);
	assert_int_equal(go_on(b, 1000), CCID_ERR_ARG);
	b->script = busy;
	b->n = 4;
	b->at = 0;
	assert_int_equal(say(b, 0x6F, 0, "\x00\xB0\x00\x00\x04", 5, 100), CCID_OK);
	assert_int_equal(say(b, 0x6F, 0, "\x00\xB0\x00\x00\x04", 5, 100), CCID_OK);
	assert_answer(b, 0x80, 0x41, 0xE0, 0, NULL, 0);
	free(b);
}

/* ---- version B ---- */

static void b_power(void **state)
{
	static const struct step script[] = {
		OFF, { 0x21, 0x62, 1, NULL, 0, 0, CCID_OK, 0 }, IN("\x80\x02\x00", 3, 0),
		IN("\x80\x00\x00", 3, 0), IN("\x00\x3B\x00", 3, 0),
		{ 0xA1, 0x81, 0, "\x00\x00\x01", 3, 3, CCID_OK, 0 },
		{ 0x21, 0x63, 0, NULL, 0, 0, CCID_OK, 0 },
		{ 0xA1, 0x81, 0, "\x41\xFE\x00", 3, 3, CCID_OK, 0 },
		{ 0xA1, 0x81, 0, "\x00\x00", 2, 3, CCID_OK, 0 },
		{ 0xA1, 0x81, 0, "\x01", 1, 3, CCID_OK, 0 },
		{ 0xA1, 0x81, 0, "", 0, 3, CCID_OK, 0 },
		OFF, { 0x21, 0x62, 1, NULL, 0, 0, CCID_OK, 0 }, IN("\x40\x41\xFE", 3, 0),
	};
	struct bench *b = BENCH(B, script);

	(void)state;
	assert_int_equal(say(b, 0x62, 0, NULL, 0, 1000), CCID_OK);
	assert_answer(b, 0x80, 0, 0, 0, "\x3B\x00", 2);
	assert_int_equal(b->paused_ms, 30);
	assert_int_equal(say(b, 0x65, 0, NULL, 0, 1000), CCID_OK);
	assert_answer(b, 0x81, 0, 0, 1, NULL, 0);
	assert_int_equal(say(b, 0x63, 0, NULL, 0, 1000), CCID_OK);
	assert_answer(b, 0x81, 1, 0, 0, NULL, 0);
	assert_int_equal(say(b, 0x65, 0, NULL, 0, 1000), CCID_OK);
	assert_answer(b, 0x81, 0x41, 0xFE, 0, NULL, 0);
	/* bStatus is all that some tokens send */
	assert_int_equal(say(b, 0x65, 0, NULL, 0, 1000), CCID_OK);
	assert_answer(b, 0x81, 0, 0, 0, NULL, 0);
	assert_int_equal(say(b, 0x65, 0, NULL, 0, 1000), CCID_OK);
	assert_answer(b, 0x81, 1, 0, 0, NULL, 0);
	assert_int_equal(say(b, 0x65, 0, NULL, 0, 1000), CCID_ERR_COMM);
	assert_int_equal(say(b, 0x62, 0, NULL, 0, 1000), CCID_OK);
	assert_answer(b, 0x80, 0x41, 0xFE, 0, NULL, 0);
	assert_done(b);
}

static void b_xfr(void **state)
{
	static const struct step script[] = {
		OUT_LEVEL(0, "abc", 3), IN("\x00\x90\x00", 3, CAP - 10 + 1),
		/* chaining out: begins, ends; in: begins, continues, ends */
		OUT_LEVEL(1, "ab", 2), IN("\x10", 1, 0),
		OUT_LEVEL(2, "cd", 2), IN("\x01xy", 3, 0),
		OUT_LEVEL(0x10, NULL, 0), IN("\x03zz", 3, 0),
		OUT_LEVEL(0x10, NULL, 0), IN("\x02\x90\x00", 3, 0),
		/* status and error */
		OUT_LEVEL(0, "abc", 3), IN("\x40\x40\xFD", 3, 0),
	};
	struct bench *b = BENCH(B, script);

	(void)state;
	b->i.powered = true;
	assert_int_equal(say(b, 0x6F, 0, "abc", 3, 1000), CCID_OK);
	assert_answer(b, 0x80, 0, 0, 0, "\x90\x00", 2);
	assert_int_equal(say(b, 0x6F, 1, "ab", 2, 1000), CCID_OK);
	assert_answer(b, 0x80, 0, 0, 0x10, NULL, 0);
	assert_int_equal(say(b, 0x6F, 2, "cd", 2, 1000), CCID_OK);
	assert_answer(b, 0x80, 0, 0, 1, "xy", 2);
	assert_int_equal(say(b, 0x6F, 0x10, NULL, 0, 1000), CCID_OK);
	assert_answer(b, 0x80, 0, 0, 3, "zz", 2);
	assert_int_equal(say(b, 0x6F, 0x10, NULL, 0, 1000), CCID_OK);
	assert_answer(b, 0x80, 0, 0, 2, "\x90\x00", 2);
	assert_int_equal(say(b, 0x6F, 0, "abc", 3, 1000), CCID_OK);
	assert_answer(b, 0x80, 0x40, 0xFD, 0, NULL, 0);
	assert_done(b);
}

/* Row 20 */
static void b_hostile(void **state)
{
	static const struct {
		const char *data;
		size_t n;
	} rows[] = {
		{ "", 0 }, { "\x00", 1 }, { "\x01", 1 }, { "\x02", 1 }, { "\x03", 1 },
		{ "\x10z", 2 }, { "\x04zz", 3 }, { "\x20zz", 3 }, { "\xFFzz", 3 }, { "\x41zz", 3 },
		{ "\x80", 1 }, { "\x80\x01", 2 }, { "\x80\x01\x00\x00", 4 }, { "\x40", 1 },
		{ "\x40\x40", 2 }, { "\x40\x40\x00\x00", 4 },
	};
	struct step script[4] = {
		OUT_LEVEL(0, "abc", 3), IN("", 0, 0),
		OUT_LEVEL(0, "abc", 3), IN("\x00\x90\x00", 3, 0),
	};
	struct bench *b = malloc(sizeof *b);

	(void)state;
	for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++) {
		script[1].data = rows[r].data;
		script[1].len = rows[r].n;
		bench_new(b, B, script, 4);
		assert_int_equal(say(b, 0x6F, 0, "abc", 3, 1000), CCID_ERR_COMM);
		assert_int_equal(say(b, 0x6F, 0, "abc", 3, 1000), CCID_OK);
		assert_answer(b, 0x80, 1, 0, 0, "\x90\x00", 2);
		assert_int_equal(b->at, 4);
	}
	free(b);
}

/* A device that claims more than was asked for. */
static void b_more_than_asked_for(void **state)
{
	static char big[ICCD_TRANSFER_MAX];
	struct step script[] = { OUT_LEVEL(0, "abc", 3), IN(big, CAP - 10 + 2, CAP - 10 + 1),
				 OUT_LEVEL(0, "abc", 3), IN(big, CAP - 10 + 1, CAP - 10 + 1) };
	struct bench *b = BENCH(B, script);

	(void)state;
	assert_int_equal(say(b, 0x6F, 0, "abc", 3, 1000), CCID_ERR_COMM);
	assert_int_equal(say(b, 0x6F, 0, "abc", 3, 1000), CCID_OK);
	assert_answer(b, 0x80, 1, 0, 0, big + 1, CAP - 10);
	assert_done(b);
}

static void b_polls_for_ever(void **state)
{
	static const struct step polling[] = {
		OUT_LEVEL(0, "abc", 3),
		{ 0xA1, 0x6F, 0, "\x80\x05\x00", 3, 0, CCID_OK, FOR_EVER },
	};
	static const struct step longest[] = {
		OUT_LEVEL(0, "abc", 3), IN("\x80\xFF\xFF", 3, 0),
	};
	static const struct step late[] = {
		IN("\x80\x01\x00", 3, 0), IN("\x00late", 5, 0),
		OUT_LEVEL(0, "def", 3), IN("\x00\x90\x00", 3, 0),
	};
	struct bench *b = BENCH(B, polling);
	uint64_t start = clock_now();

	(void)state;
	assert_int_equal(say(b, 0x6F, 0, "abc", 3, 100), CCID_OK);
	assert_answer(b, 0x80, 0x81, 1, 0, NULL, 0);
	assert_int_equal(go_on(b, 100), CCID_OK);
	assert_answer(b, 0x80, 0x81, 1, 0, NULL, 0);
	/* given up: the late answer is never given to the next command */
	b->script = late;
	b->n = 4;
	b->at = 0;
	assert_int_equal(say(b, 0x6F, 0, "def", 3, 1000), CCID_OK);
	assert_answer(b, 0x80, 1, 0, 0, "\x90\x00", 2);
	assert_int_equal(b->at, 4);
	/* 655 s */
	b->script = longest;
	b->n = 2;
	b->at = 0;
	assert_int_equal(say(b, 0x6F, 0, "abc", 3, 100), CCID_OK);
	assert_answer(b, 0x80, 0x81, 1, 0, NULL, 0);
	assert_true(clock_now() - start < 3000000000u);
	/* power off ends it too */
	b->script = (const struct step[]){ { 0x21, 0x63, 0, NULL, 0, 0, CCID_OK, 0 } };
	b->n = 1;
	b->at = 0;
	assert_int_equal(say(b, 0x63, 0, NULL, 0, 100), CCID_OK);
	assert_false(b->i.unfinished);
	assert_done(b);
}

static void power_on_polls_for_ever(void **state)
{
	static const struct step polling[] = {
		OFF, { 0x21, 0x62, 1, NULL, 0, 0, CCID_OK, 0 },
		{ 0xA1, 0x6F, 0, "\x80\x00\x00", 3, 0, CCID_OK, FOR_EVER },
	};
	static const struct step done[] = { IN("\x00\x3B\x00", 3, 0) };
	struct bench *b = BENCH(B, polling);

	(void)state;
	assert_int_equal(say(b, 0x62, 0, NULL, 0, 100), CCID_OK);
	assert_answer(b, 0x80, 0x81, 1, 0, NULL, 0);
	b->script = done;
	b->n = 1;
	b->at = 0;
	assert_int_equal(go_on(b, 1000), CCID_OK);
	assert_answer(b, 0x80, 0, 0, 0, "\x3B\x00", 2);
	assert_done(b);
}

/* ---- both ---- */

static void sleeps_without_a_pause(void **state)
{
	static const struct step script[] = {
		OUT_LEVEL(0, "abc", 3), IN("\x80\x03\x00", 3, 0), IN("\x00\x90\x00", 3, 0),
	};
	struct bench *b = BENCH(B, script);
	uint64_t start = clock_now();

	(void)state;
	b->i.pipe.pause = NULL;
	assert_int_equal(say(b, 0x6F, 0, "abc", 3, 1000), CCID_OK);
	assert_true(clock_now() - start >= 30000000u);
	assert_done(b);
}

static void unsupported(void **state)
{
	static const uint8_t types[][2] = {
		{ 0x6C, 0x82 }, { 0x61, 0x82 }, { 0x6D, 0x82 }, { 0x6B, 0x83 }, { 0x73, 0x84 },
		{ 0x69, 0x80 }, { 0x6E, 0x81 }, { 0x6A, 0x81 }, { 0x71, 0x81 }, { 0x00, 0x81 },
	};
	struct bench *b = setup_bench(B, NULL, 0);
	uint8_t m[10] = { 0x62, 0, 0, 0, 0, 1, 0x2A, 0, 0, 0 };
	struct deadline d = deadline_in_ms(1000);

	(void)state;
	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
		assert_int_equal(say(b, types[i][0], 0, "x", 1, 100), CCID_OK);
		assert_answer(b, types[i][1], 0x41, 0, 0, NULL, 0);
	}
	assert_int_equal(iccd_message(&b->i, m, 10, b->answer, CAP, &b->answer_len, &d), CCID_OK);
	assert_int_equal(b->answer[5], 1);
	assert_int_equal(b->answer[7], 0x41);
	assert_int_equal(b->answer[8], 5);
	/* malformed messages */
	assert_int_equal(iccd_message(&b->i, m, 9, b->answer, CAP, &b->answer_len, &d), CCID_ERR_ARG);
	m[1] = 1;
	assert_int_equal(iccd_message(&b->i, m, 10, b->answer, CAP, &b->answer_len, &d), CCID_ERR_ARG);
	m[1] = 0;
	assert_int_equal(iccd_message(&b->i, m, 10, b->answer, 11, &b->answer_len, &d), CCID_ERR_ARG);
	assert_done(b);
}

static void too_long_for_the_pipe(void **state)
{
	static uint8_t data[ICCD_TRANSFER_MAX + 1];
	struct step script[] = { OUT_LEVEL(0, (const char *)data, ICCD_TRANSFER_MAX),
				 IN("\x00\x90\x00", 3, 0) };
	struct bench *b = BENCH(B, script);

	(void)state;
	assert_int_equal(say(b, 0x6F, 0, data, sizeof data, 1000), CCID_ERR_TOO_LONG);
	b->i.unfinished = false;
	assert_int_equal(say(b, 0x6F, 0, data, ICCD_TRANSFER_MAX, 1000), CCID_OK);
	assert_done(b);
}

static const struct step open_a[] = {
	{ 0x21, 0x63, 0, NULL, 0, 0, CCID_OK, 0 }, { 0xA1, 0x62, 0, "\x3B\x00", 2, 0, CCID_OK, 0 },
	{ 0x21, 0x63, 0, NULL, 0, 0, CCID_OK, 0 },
};
static const struct step open_b[] = {
	{ 0x21, 0x63, 0, NULL, 0, 0, CCID_ERR_COMM, 0 }, { 0x21, 0x62, 1, NULL, 0, 0, CCID_OK, 0 },
	IN("\x80\x00\x00", 3, 0), IN("\x00\x3B\x00", 3, 0),
	{ 0x21, 0x63, 0, NULL, 0, 0, CCID_OK, 0 },
};
static const struct step open_mute[] = {
	{ 0x21, 0x63, 0, NULL, 0, 0, CCID_OK, 0 }, { 0xA1, 0x62, 0, "", 0, 0, CCID_OK, 0 },
	{ 0x21, 0x63, 0, NULL, 0, 0, CCID_OK, 0 },
};
static const struct step open_busy[] = {
	{ 0x21, 0x63, 0, NULL, 0, 0, CCID_OK, 0 }, { 0x21, 0x62, 1, NULL, 0, 0, CCID_OK, 0 },
	{ 0xA1, 0x6F, 0, "\x80\x00\x00", 3, 0, CCID_OK, FOR_EVER },
};

static enum ccid_err open_it(struct bench *b, uint8_t version, unsigned ms)
{
	struct iccd_pipe pipe = { control, b, hurry };
	struct deadline d = deadline_in_ms(ms);

	return iccd_open(&b->i, &pipe, version, 3, &test_log, &d);
}

static void opens(void **state)
{
	struct bench *b = BENCH(A, open_a);

	(void)state;
	assert_int_equal(open_it(b, A, 1000), CCID_OK);
	assert_false(b->i.powered);
	assert_done(b);
	b = BENCH(B, open_b);
	assert_int_equal(open_it(b, B, 1000), CCID_OK);
	assert_done(b);
	b = BENCH(A, open_mute);
	assert_int_equal(open_it(b, A, 1000), CCID_OK);
	assert_done(b);
	b = BENCH(B, open_busy);
	assert_int_equal(open_it(b, B, 100), CCID_ERR_TIMEOUT);
	free(b);
}

/* Row 20: unplugged at each step. */
static void no_device_at_each_step(void **state)
{
	static const struct step a[] = {
		{ 0x21, 0x63, 0, NULL, 0, 0, CCID_OK, 0 },
		{ 0xA1, 0x62, 0, "\x3B\x00", 2, 0, CCID_OK, 0 },
		{ 0x21, 0x63, 0, NULL, 0, 0, CCID_OK, 0 }, STATUS("\x00"),
		OUT("\x00\xB0\x00\x00\x02", 5), BUSY(1), STATUS("\x10"), IN("ab", 2, 2),
		STATUS("\x20"), IN("\x90\x00", 2, 2),
	};
	static const struct step bb[] = {
		{ 0x21, 0x63, 0, NULL, 0, 0, CCID_OK, 0 }, { 0x21, 0x62, 1, NULL, 0, 0, CCID_OK, 0 },
		IN("\x00\x3B\x00", 3, 0), { 0x21, 0x63, 0, NULL, 0, 0, CCID_OK, 0 },
		{ 0xA1, 0x81, 0, "\x01\x00\x00", 3, 3, CCID_OK, 0 },
		OUT("\x00\xB0\x00\x00\x02", 5), IN("\x80\x00\x00", 3, 0),
		IN("\x00\x61\x62\x90\x00", 5, 0),
	};
	struct bench *b = malloc(sizeof *b);
	enum ccid_err err = CCID_OK;

	(void)state;
	for (int version = A; version <= B; version++) {
		size_t n = version == A ? sizeof a / sizeof a[0] : sizeof bb / sizeof bb[0];

		for (size_t at = 1; at <= n + 1; at++) {
			bench_new(b, (uint8_t)version, version == A ? a : bb, n);
			b->refuse_at = at;
			err = open_it(b, (uint8_t)version, 5000);
			if (!err)
				err = say(b, 0x65, 0, NULL, 0, 5000);
			if (!err)
				err = say(b, 0x6F, 0, "\x00\xB0\x00\x00\x02", 5, 5000);
			assert_int_equal(err, at <= n ? CCID_ERR_NO_DEVICE : CCID_OK);
			assert_int_equal(b->calls, at <= n ? at : n);
		}
		assert_answer(b, 0x80, 1, 0, 0, "ab\x90\x00", 4);
	}
	/* and while it waits */
	bench_new(b, A, a + 4, 3);
	b->pause_err = CCID_ERR_NO_DEVICE;
	assert_int_equal(say(b, 0x6F, 0, "\x00\xB0\x00\x00\x02", 5, 5000), CCID_ERR_NO_DEVICE);
	assert_int_equal(b->at, 2);
	free(b);
}

static void silent(void **state)
{
	static const struct step script[] = {
		OUT_LEVEL(0, "abc", 3), { 0xA1, 0x6F, 0, "", 0, 0, CCID_ERR_TIMEOUT, 0 },
	};
	struct bench *b = BENCH(B, script);

	(void)state;
	assert_int_equal(say(b, 0x6F, 0, "abc", 3, 1000), CCID_ERR_TIMEOUT);
	/* no time left: nothing is even tried */
	assert_int_equal(say(b, 0x63, 0, NULL, 0, 0), CCID_ERR_TIMEOUT);
	assert_done(b);
}

static void fixes_the_descriptor(void **state)
{
	struct ccid_desc d = { .dwFeatures = 0x00000840, .bInterfaceProtocol = A, .bMaxSlotIndex = 7,
			       .dwMaxCCIDMessageLength = 256, .dwProtocols = 3 };

	(void)state;
	iccd_fix_desc(&d);
	assert_int_equal(d.dwFeatures & CCID_FEATURE_LEVEL_MASK, CCID_FEATURE_TPDU);
	assert_int_equal(d.dwMaxCCIDMessageLength, 271);
	assert_int_equal(d.dwProtocols, 1);
	assert_int_equal(d.bMaxSlotIndex, 0);
	assert_true(d.dwFeatures & CCID_FEATURE_AUTO_PARAM_NEGOTIATION);
	assert_true(d.dwFeatures & 0x800);
	d = (struct ccid_desc){ .dwFeatures = 0x00020840, .bInterfaceProtocol = B,
				.dwMaxCCIDMessageLength = 261, .dwProtocols = 2 };
	iccd_fix_desc(&d);
	assert_int_equal(d.dwFeatures & CCID_FEATURE_LEVEL_MASK, CCID_FEATURE_EXTENDED_APDU);
	assert_int_equal(d.dwMaxCCIDMessageLength, 261);
	assert_int_equal(d.dwProtocols, 2);
	d = (struct ccid_desc){ .dwFeatures = 0x00040840, .bInterfaceProtocol = B,
				.dwMaxCCIDMessageLength = 0xFFFFFFFF };
	iccd_fix_desc(&d);
	assert_int_equal(d.dwMaxCCIDMessageLength, 0x100A);
	d.dwMaxCCIDMessageLength = 0;
	iccd_fix_desc(&d);
	assert_int_equal(d.dwMaxCCIDMessageLength, 271);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_power), cmocka_unit_test(a_cases), cmocka_unit_test(a_hostile),
		cmocka_unit_test(a_busy_for_ever), cmocka_unit_test(b_power),
		cmocka_unit_test(b_xfr), cmocka_unit_test(b_hostile),
		cmocka_unit_test(b_more_than_asked_for), cmocka_unit_test(b_polls_for_ever),
		cmocka_unit_test(power_on_polls_for_ever), cmocka_unit_test(sleeps_without_a_pause),
		cmocka_unit_test(unsupported), cmocka_unit_test(too_long_for_the_pipe),
		cmocka_unit_test(opens), cmocka_unit_test(no_device_at_each_step),
		cmocka_unit_test(silent), cmocka_unit_test(fixes_the_descriptor),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
