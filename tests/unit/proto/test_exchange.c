/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/exchange.h"
#include "proto/t1.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include "unit/unit_cmocka.h"

static uint8_t apdu[65600], answer[70000], got[65600], source[70100];

static struct exchange_config config(enum exchange_level level, uint8_t protocol, size_t max_data)
{
	struct exchange_config cfg = { .level = level, .protocol = protocol, .max_data = max_data,
				       .timing = { 4000, 372, 1, 0, 10, 4, 13 },
				       .extra_wait_ms = 9 };

	return cfg;
}

static void fill(uint8_t *p, size_t n, unsigned seed)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)(seed = seed * 69069 + 1 + (seed >> 9));
}

/* Makes an APDU of this case; its data bytes are those that the buffer holds. */
static size_t make_apdu(const char *shape, size_t Nc)
{
	bool extended = shape[1] == 'E';
	size_t len = 4;

	fill(apdu, sizeof apdu, (unsigned)Nc);
	if (shape[0] == '1')
		return 4;
	if (extended)
		apdu[len++] = 0;
	if (shape[0] == '3' || shape[0] == '4') {
		if (extended)
			apdu[len++] = (uint8_t)(Nc >> 8);
		apdu[len++] = (uint8_t)Nc;
		len += Nc;
	}
	if (shape[0] == '2' || shape[0] == '4')
		len += extended ? 2 : 1;
	return len;
}

static struct exchange_step begin(struct exchange *x, const struct exchange_config *cfg,
				  size_t len, size_t cap)
{
	memset(answer, 0xA5, sizeof answer);
	return exchange_begin(x, cfg, NULL, apdu, len, answer, cap);
}

/* ---- short APDU level ---- */

static const struct {
	const char *shape;
	size_t Nc, max_data;
	enum ccid_err err;
} shorts[] = {
	{ "1", 0, 261, CCID_OK }, { "2S", 0, 261, CCID_OK }, { "3S", 255, 261, CCID_OK },
	{ "4S", 255, 261, CCID_OK }, { "4S", 255, 260, CCID_ERR_TOO_LONG },
	{ "1", 0, 4, CCID_OK }, { "1", 0, 3, CCID_ERR_TOO_LONG },
	/* extended APDUs as well: the reader and the card decide what they are */
	{ "2E", 0, 65000, CCID_OK }, { "3E", 1, 65000, CCID_OK }, { "4E", 300, 65000, CCID_OK },
	{ "4E", 300, 308, CCID_ERR_TOO_LONG },
};

static void short_apdu_level_passes_the_apdu_on(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2 * sizeof shorts / sizeof shorts[0]; i++) {
		size_t row = i / 2, len = make_apdu(shorts[row].shape, shorts[row].Nc);
		struct exchange_config cfg = config(LEVEL_SHORT_APDU, i % 2, shorts[row].max_data);
		struct exchange x;
		struct exchange_step s = begin(&x, &cfg, len, 300);

		if (shorts[row].err != CCID_OK) {
			assert_int_equal(s.verdict, STEP_FAILED);
			assert_int_equal(s.err, shorts[row].err);
			continue;
		}
		assert_int_equal(s.verdict, STEP_SEND);
		assert_int_equal(s.len, len);
		assert_memory_equal(s.data, apdu, len);
		assert_true(s.wLevelParameter == 0 && s.bBWI == 0 && s.wait_ms >= 3009);
		s = exchange_feed(&x, CCID_OK, (const uint8_t *)"xy\x90", 4, 0x77);
		assert_int_equal(s.verdict, STEP_DONE);
		assert_int_equal(x.answer_len, 4);
		assert_memory_equal(answer, "xy\x90", 4);
	}
}

/* A reader that announces short APDUs and chains all the same: the caller gets the whole answer, or
 * an error. */
static void short_apdu_level_takes_a_chained_answer(void **state)
{
	static const struct {
		uint8_t first, second;
		enum ccid_err fetch, want;
		size_t whole;
	} rows[] = {
		{ 1, 2, CCID_OK, CCID_OK, 5 }, { 1, 1, CCID_OK, CCID_ERR_PROTOCOL, 0 },
		{ 1, 2, CCID_ERR_PROTOCOL, CCID_ERR_PROTOCOL, 0 }, { 1, 0, CCID_OK, CCID_ERR_PROTOCOL, 0 },
		{ 2, 0, CCID_OK, CCID_OK, 3 }, { 3, 0, CCID_OK, CCID_OK, 3 }, { 0x10, 0, CCID_OK, CCID_OK, 3 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct exchange_config cfg = config(LEVEL_SHORT_APDU, 1, 261);
		struct exchange x;
		struct exchange_step s = begin(&x, &cfg, make_apdu("2S", 0), 300);

		assert_int_equal(s.wLevelParameter, 0);
		s = exchange_feed(&x, CCID_OK, (const uint8_t *)"xyz", 3, rows[i].first);
		if (rows[i].first == 1) {
			assert_int_equal(s.verdict, STEP_SEND);
			assert_true(s.len == 0 && s.wLevelParameter == 0x10);
			s = exchange_feed(&x, rows[i].fetch, (const uint8_t *)"\x90", 2, rows[i].second);
		}
		assert_int_equal(s.verdict, rows[i].want == CCID_OK ? STEP_DONE : STEP_FAILED);
		assert_int_equal(s.err, rows[i].want);
		assert_int_equal(x.answer_len, rows[i].whole);
	}
}

/* The reader answers for the card: the user cancelled the PIN entry. */
static void an_answer_of_the_reader_itself_ends_the_exchange(void **state)
{
	struct exchange_config cfg = config(LEVEL_SHORT_APDU, 1, 261);
	struct exchange x;
	struct exchange_step s = begin(&x, &cfg, make_apdu("2S", 0), 300);

	(void)state;
	s = exchange_finish(&x, 0x64, 0x01);
	assert_int_equal(s.verdict, STEP_DONE);
	assert_int_equal(x.answer_len, 2);
	assert_memory_equal(answer, "\x64\x01", 2);
}

/* The wait is computed for the bytes of this command and its answer. */
static void waits_follow_the_timing(void **state)
{
	size_t len = make_apdu("2S", 0);
	struct exchange_config t0 = config(LEVEL_SHORT_APDU, 0, 261);
	struct exchange_config t1 = config(LEVEL_EXTENDED_APDU, 1, 261);
	struct exchange x;

	(void)state;
	apdu[4] = 40;
	assert_int_equal(begin(&x, &t0, len, 300).wait_ms, timing_t0_command_ms(&t0.timing, 5, 42) + 9);
	assert_int_equal(begin(&x, &t1, len, 300).wait_ms, timing_t1_command_ms(&t1.timing, 5, 42) + 9);
	assert_int_equal(begin(&x, &t0, 3, 300).wait_ms, timing_t0_command_ms(&t0.timing, 3, 258) + 9);
}

/* ---- extended APDU level ---- */

struct reader {
	size_t part;		/* bytes of the answer in one message */
	size_t answer_len, given;
	size_t got_len;
	uint8_t between;	/* bChainParameter of the answers to parts of the command */
};

/* The reader's half of CCID 1.10 §6.1.4: takes the parts of the command, gives those of the
 * answer. */
static struct exchange_step pass(struct reader *r, struct exchange *x,
				 const struct exchange_step *s, size_t max_data)
{
	uint16_t param = s->wLevelParameter;
	size_t n, left;
	bool first;

	assert_true(s->len <= max_data);
	if (param == 0x10) {
		assert_int_equal(s->len, 0);
		assert_true(r->given > 0 && r->given < r->answer_len);
	} else {
		assert_true(s->len > 0);
		assert_true(r->got_len == 0 ? param < 2 : param == 2 || param == 3);
		memcpy(got + r->got_len, s->data, s->len);
		r->got_len += s->len;
		if (param & 1) {
			assert_int_equal(s->len, max_data);
			return exchange_feed(x, CCID_OK, NULL, 0, r->between);
		}
	}
	first = r->given == 0;
	left = r->answer_len - r->given;
	n = left < r->part ? left : r->part;
	r->given += n;
	return exchange_feed(x, CCID_OK, source + r->given - n, n,
			     n < left ? (first ? 1 : 3) : (first ? 0 : 2));
}

static struct exchange_step converse(struct reader *r, struct exchange *x, size_t max_data,
				     size_t len, size_t cap)
{
	struct exchange_config cfg = config(LEVEL_EXTENDED_APDU, 1, max_data);
	struct exchange_step s = begin(x, &cfg, len, cap);
	size_t steps = 0;

	while (s.verdict == STEP_SEND) {
		s = pass(r, x, &s, max_data);
		assert_true(++steps <= len + EXCHANGE_ANSWER_MAX + 2);
	}
	return s;
}

static void extended_chains_at_any_size(void **state)
{
	static const size_t sizes[] = { 1, 2, 3, 4, 5, 53, 54, 64, 255, 261, 262, 271, 1014, 4086,
					32768, 65535, 65543, 65544, 70000 };
	static const struct { const char *shape; size_t Nc; } cases[] = {
		{ "1", 0 }, { "2S", 0 }, { "3S", 8 }, { "4S", 255 }, { "2E", 0 }, { "3E", 1 },
		{ "4E", 1000 }, { "4E", 65535 } };
	static const size_t answers[] = { 2, 3, 256, 258, 65538 };

	(void)state;
	fill(source, sizeof source, 99);
	for (unsigned i = 0; i < 19 * 8 * 5; i++) {
		size_t max_data = sizes[i / 40], Nc = cases[i / 5 % 8].Nc;
		size_t len = make_apdu(cases[i / 5 % 8].shape, Nc);
		struct reader r = { .part = max_data, .answer_len = answers[i % 5],
				    .between = i % 2 ? 0x10 : 0x00 };
		struct exchange x;

		assert_int_equal(converse(&r, &x, max_data, len, sizeof answer).verdict, STEP_DONE);
		assert_int_equal(r.got_len, len);
		assert_memory_equal(got, apdu, len);
		assert_int_equal(x.answer_len, r.answer_len);
		assert_memory_equal(answer, source, r.answer_len);
		assert_int_equal(answer[r.answer_len], 0xA5);
	}
}

static void overflow_is_signalled(void **state)
{
	static const size_t caps[] = { 0, 1, 2, 255, 256, 257, 65537, 65538 };
	struct exchange x;

	(void)state;
	fill(source, sizeof source, 98);
	for (size_t i = 0; i < 8 * 2; i++) {
		struct reader r = { .part = i % 2 ? 1 : 1000, .answer_len = 65538 };

		assert_int_equal(converse(&r, &x, 1000, make_apdu("1", 0), caps[i / 2]).verdict,
				 STEP_DONE);
		assert_int_equal(x.answer_len, 65538);
		assert_memory_equal(answer, source, caps[i / 2]);
		assert_int_equal(answer[caps[i / 2]], 0xA5);
		exchange_end(&x);
		assert_int_equal(x.answer_len, 65538);
	}
}

/* An answer without end, in parts of any length: an error, and no part of it is kept. */
static void answers_without_end_are_errors(void **state)
{
	static const size_t parts[] = { 1, 2, 1000, 65538, 65539, 70000 };

	(void)state;
	fill(source, sizeof source, 97);
	for (size_t i = 0; i < 6; i++) {
		struct reader r = { .part = parts[i], .answer_len = 70000 };
		struct exchange x;
		struct exchange_step s = converse(&r, &x, 1000, make_apdu("1", 0), 1000);

		assert_int_equal(s.verdict, STEP_FAILED);
		assert_int_equal(s.err, CCID_ERR_OVERFLOW);
		assert_int_equal(x.answer_len, 0);
		assert_true(answer[1000] == 0xA5);
		for (size_t k = 0; k < 1000; k++)
			assert_true(answer[k] == 0 || answer[k] == 0xA5);
	}
}

/* The parts as they arrive (bChainParameter and length), and the expected result. */
static const struct {
	const char *what;
	size_t len, max_data;
	struct { int chain; size_t len; } in[5];
	enum ccid_err err;
	size_t answer_len;
} chains[] = {
	{ "whole", 4, 10, { { 0, 2 }, { -1, 0 } }, CCID_OK, 2 },
	{ "begin, end", 4, 10, { { 1, 5 }, { 2, 5 }, { -1, 0 } }, CCID_OK, 10 },
	{ "begin, middle, end", 4, 10, { { 1, 1 }, { 3, 1 }, { 2, 1 }, { -1, 0 } }, CCID_OK, 3 },
	{ "empty end", 4, 10, { { 1, 5 }, { 2, 0 }, { -1, 0 } }, CCID_OK, 5 },
	{ "empty, not chained", 4, 10, { { 0, 0 }, { -1, 0 } }, CCID_ERR_PROTOCOL, 0 },
	{ "one byte", 4, 10, { { 0, 1 }, { -1, 0 } }, CCID_ERR_PROTOCOL, 0 },
	{ "one byte in two parts", 4, 10, { { 1, 1 }, { 2, 0 }, { -1, 0 } }, CCID_ERR_PROTOCOL, 0 },
	{ "01 twice", 4, 10, { { 1, 5 }, { 1, 5 }, { -1, 0 } }, CCID_ERR_PROTOCOL, 0 },
	{ "03 before 01", 4, 10, { { 3, 5 }, { -1, 0 } }, CCID_ERR_PROTOCOL, 0 },
	{ "02 before 01", 4, 10, { { 2, 5 }, { -1, 0 } }, CCID_ERR_PROTOCOL, 0 },
	{ "00 after 01", 4, 10, { { 1, 5 }, { 0, 5 }, { -1, 0 } }, CCID_ERR_PROTOCOL, 0 },
	{ "10 after the last part", 4, 10, { { 0x10, 0 }, { -1, 0 } }, CCID_ERR_PROTOCOL, 0 },
	{ "10 after 01", 4, 10, { { 1, 5 }, { 0x10, 0 }, { -1, 0 } }, CCID_ERR_PROTOCOL, 0 },
	{ "unknown", 4, 10, { { 4, 5 }, { -1, 0 } }, CCID_ERR_PROTOCOL, 0 },
	{ "empty 01", 4, 10, { { 1, 0 }, { -1, 0 } }, CCID_ERR_PROTOCOL, 0 },
	{ "empty 03", 4, 10, { { 1, 1 }, { 3, 0 }, { -1, 0 } }, CCID_ERR_PROTOCOL, 0 },
	{ "command in two", 4, 3, { { 0x10, 0 }, { 0, 2 }, { -1, 0 } }, CCID_OK, 2 },
	{ "refused in mid-command", 4, 3, { { 0, 2 }, { -1, 0 } }, CCID_OK, 2 },
	{ "one byte in mid-command", 4, 3, { { 0, 1 }, { -1, 0 } }, CCID_ERR_PROTOCOL, 0 },
	{ "10 with data", 4, 3, { { 0x10, 2 }, { -1, 0 } }, CCID_ERR_PROTOCOL, 0 },
	{ "01 in mid-command", 4, 3, { { 1, 2 }, { -1, 0 } }, CCID_ERR_PROTOCOL, 0 },
	{ "02 in mid-command", 4, 3, { { 2, 0 }, { -1, 0 } }, CCID_ERR_PROTOCOL, 0 },
};

static void chain_parameters_out_of_order_are_errors(void **state)
{
	(void)state;
	fill(source, sizeof source, 96);
	for (size_t i = 0; i < sizeof chains / sizeof chains[0]; i++) {
		struct exchange_config cfg = config(LEVEL_EXTENDED_APDU, 0, chains[i].max_data);
		struct exchange x;
		struct exchange_step s = begin(&x, &cfg, chains[i].len, 100);
		size_t given = 0;

		for (unsigned k = 0; chains[i].in[k].chain >= 0; k++) {
			if (s.verdict != STEP_SEND)
				fail_msg("%s: ended after %u", chains[i].what, k);
			s = exchange_feed(&x, CCID_OK, source + given, chains[i].in[k].len,
					  (uint8_t)chains[i].in[k].chain);
			given += chains[i].in[k].len;
		}
		if (s.verdict != (chains[i].err == CCID_OK ? STEP_DONE : STEP_FAILED) ||
		    s.err != chains[i].err || x.answer_len != chains[i].answer_len ||
		    memcmp(answer, source, x.answer_len) != 0)
			fail_msg("%s: verdict %d, error %d", chains[i].what, s.verdict, s.err);
	}
}

/* ---- all levels ---- */

static void errors_end_the_exchange(void **state)
{
	(void)state;
	for (unsigned level = LEVEL_CHARACTER; level <= LEVEL_EXTENDED_APDU; level++) {
		for (int err = CCID_OK + 1; err < CCID_ERR_COUNT; err++) {
			struct exchange_config cfg = config((enum exchange_level)level, 0, 100);
			struct exchange x;
			struct exchange_step s = begin(&x, &cfg, make_apdu("1", 0), 100);

			assert_int_equal(s.verdict, STEP_SEND);
			s = exchange_feed(&x, (enum ccid_err)err, NULL, 0, 0);
			assert_int_equal(s.verdict, STEP_FAILED);
			assert_int_equal(s.err, err);
			assert_int_equal(x.answer_len, 0);
		}
	}
}

static void impossible_arguments_are_refused(void **state)
{
	struct exchange_config good = config(LEVEL_EXTENDED_APDU, 0, 100), bad = good;
	struct exchange x;

	(void)state;
	assert_int_equal(begin(&x, &good, 0, 100).err, CCID_ERR_ARG);
	bad.protocol = 2;
	assert_int_equal(begin(&x, &bad, 4, 100).err, CCID_ERR_ARG);
	bad = good;
	bad.level = (enum exchange_level)4;
	assert_int_equal(begin(&x, &bad, 4, 100).err, CCID_ERR_ARG);
	bad = good;
	bad.max_data = 0;
	assert_int_equal(begin(&x, &bad, 4, 100).err, CCID_ERR_TOO_LONG);
	/* where the driver speaks T=1, the exchange needs T=1's state */
	bad = config(LEVEL_TPDU, 1, 100);
	assert_int_equal(begin(&x, &bad, 4, 100).err, CCID_ERR_ARG);
	assert_int_equal(exchange_begin_ifsd(&x, &bad, NULL, 254).err, CCID_ERR_ARG);
}

/* A feed after the end of the exchange is refused and leaves the answer as it is. */
static void a_feed_after_the_end_is_refused(void **state)
{
	static const uint8_t ab[] = "ab", cd[] = "cd";
	struct exchange_config cfg = config(LEVEL_SHORT_APDU, 0, 100);
	struct exchange x;

	(void)state;
	begin(&x, &cfg, 4, 100);
	assert_int_equal(exchange_feed(&x, CCID_OK, ab, 2, 0).verdict, STEP_DONE);
	assert_int_equal(exchange_feed(&x, CCID_OK, cd, 2, 0).err, CCID_ERR_ARG);
	assert_memory_equal(answer, "ab\xA5", 3);
	assert_int_equal(x.answer_len, 2);
	exchange_end(&x);
	assert_int_equal(exchange_feed(&x, CCID_OK, cd, 2, 0).err, CCID_ERR_ARG);
}

/* A PIN in a block is wiped from the slot. */
static void secrets_are_wiped(void **state)
{
	static const uint8_t pin[] = { 0, 0x20, 0, 0x81, 6, '4', '7', '1', '1', '0', '8' };
	struct exchange_config cfg = config(LEVEL_TPDU, 1, 100);
	struct exchange x;
	struct t1 t1;
	const uint8_t *p = (const uint8_t *)&x;
	bool seen = false;

	(void)state;
	t1_reset(&t1, false, 32);
	exchange_begin(&x, &cfg, &t1, pin, sizeof pin, answer, sizeof answer);
	for (size_t i = 0; i + 6 <= sizeof x; i++)
		seen |= memcmp(p + i, pin + 5, 6) == 0;
	assert_true(seen);
	exchange_end(&x);
	for (size_t i = 0; i < sizeof x; i++)
		assert_int_equal(p[i], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(short_apdu_level_passes_the_apdu_on),
		cmocka_unit_test(short_apdu_level_takes_a_chained_answer),
		cmocka_unit_test(an_answer_of_the_reader_itself_ends_the_exchange),
		cmocka_unit_test(waits_follow_the_timing),
		cmocka_unit_test(extended_chains_at_any_size),
		cmocka_unit_test(overflow_is_signalled),
		cmocka_unit_test(answers_without_end_are_errors),
		cmocka_unit_test(chain_parameters_out_of_order_are_errors),
		cmocka_unit_test(errors_end_the_exchange),
		cmocka_unit_test(impossible_arguments_are_refused),
		cmocka_unit_test(a_feed_after_the_end_is_refused),
		cmocka_unit_test(secrets_are_wiped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
