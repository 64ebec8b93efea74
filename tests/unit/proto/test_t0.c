/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "err_by_name.h"
#include "proto/exchange.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "unit/unit_cmocka.h"

static size_t unhex(uint8_t *out, size_t cap, const char *hex)
{
	size_t n = 0;
	unsigned byte;

	for (; *hex == ' '; hex++)
		;
	while (sscanf(hex, "%2x", &byte) == 1) {
		assert_true(n < cap);
		out[n++] = (uint8_t)byte;
		for (hex += 2; *hex == ' '; hex++)
			;
	}
	return n;
}

/* A conversation: "HEX/n" is what must be sent and how many bytes must be expected
 * (wLevelParameter), "HEX" after '<' the card's bytes, "En" an error. Last "= HEX" the
 * answer, or "!n" the error of the exchange. */
struct talk {
	const char *name;
	const char *apdu;
	const char *const lines[24];
	enum exchange_level level;
	bool p3, split;
	size_t max_data;
};

static void check_sent(const struct exchange_step *s, const char *line)
{
	uint8_t want[300];
	size_t n = unhex(want, sizeof want, line + 1);
	const char *slash = strchr(line, '/');

	assert_int_equal(s->verdict, STEP_SEND);
	assert_int_equal(s->len, n);
	assert_memory_equal(s->data, want, n);
	assert_int_equal(s->wLevelParameter, slash ? atoi(slash + 1) : 0);
	assert_int_equal(s->bBWI, 0);
	assert_true(s->wait_ms >= 3000 + 7);
}

static void run_talk(void **state)
{
	const struct talk *t = *state;
	struct exchange_config cfg = { .level = t->level, .protocol = 0, .extra_wait_ms = 7,
				       .max_data = t->max_data ? t->max_data : 261,
				       .timing = { 4000, 372, 1, 0, 10, 4, 13 },
				       .case1_needs_p3 = t->p3, .split_expected_64 = t->split };
	uint8_t apdu[300], answer[300], bytes[300];
	size_t n = unhex(apdu, sizeof apdu, t->apdu);
	struct exchange x;
	struct exchange_step s = exchange_begin(&x, &cfg, NULL, apdu, n, answer, sizeof answer);

	for (const char *const *line = t->lines; *line; line++) {
		switch ((*line)[0]) {
		case '>':
			check_sent(&s, *line);
			break;
		case '<':
			n = unhex(bytes, sizeof bytes, *line + 1);
			s = exchange_feed(&x, CCID_OK, bytes, n, 0);
			break;
		case 'E':
			s = exchange_feed(&x, err_by_name(*line + 2), NULL, 0, 0);
			break;
		case '=':
			n = unhex(bytes, sizeof bytes, *line + 1);
			assert_int_equal(s.verdict, STEP_DONE);
			assert_int_equal(x.answer_len, n);
			assert_memory_equal(answer, bytes, n);
			break;
		default:
			assert_int_equal(s.verdict, STEP_FAILED);
			assert_int_equal(s.err, err_by_name(*line + 2));
			assert_int_equal(x.answer_len, 0);
		}
	}
	assert_int_not_equal(s.verdict, STEP_SEND);
	exchange_end(&x);
}

#define E_ARG "! invalid argument"
#define E_COMM "! communication error"
#define E_PROTOCOL "! protocol violated"
#define E_TOO_LONG "! command too long for this reader"
#define E_NOT_SUPPORTED "! not supported"

static const struct talk talks[] = {
	/* TPDU level: ISO 7816-3 §12.2 */
	{ "tpdu case 1", "00112233", { "> 00112233", "< 9000", "= 9000" }, LEVEL_TPDU, 0, 0, 0 },
	{ "tpdu case 1 with P3", "00112233", { "> 0011223300", "< 9000", "= 9000" },
	  LEVEL_TPDU, 1, 0, 0 },
	{ "tpdu case 1 with P3 does not fit", "00112233", { E_TOO_LONG }, LEVEL_TPDU, 1, 0, 4 },
	{ "tpdu case 2", "00C0000002", { "> 00C0000002", "< AABB 9000", "= AABB9000" },
	  LEVEL_TPDU, 1, 0, 0 },
	{ "tpdu case 3", "00A4000002 3F00", { "> 00A40000023F00", "< 6102", "= 6102" },
	  LEVEL_TPDU, 1, 0, 0 },
	{ "tpdu case 4 drops Le", "00A4000002 3F00 00", { "> 00A40000023F00", "< 6112", "= 6112" },
	  LEVEL_TPDU, 0, 0, 0 },
	{ "tpdu case 4 fits without Le", "00A4000002 3F00 00",
	  { "> 00A40000023F00", "< 9000", "= 9000" }, LEVEL_TPDU, 0, 0, 7 },
	{ "tpdu case 3 too long", "00A4000002 3F00", { E_TOO_LONG }, LEVEL_TPDU, 0, 0, 6 },
	{ "tpdu malformed passes", "00A4000003 3F00", { "> 00A40000033F00", "< 6700", "= 6700" },
	  LEVEL_TPDU, 0, 0, 0 },
	{ "tpdu under 4 bytes", "00A400", { E_ARG }, LEVEL_TPDU, 0, 0, 0 },
	{ "tpdu 2E", "00B0000000 0100", { E_NOT_SUPPORTED }, LEVEL_TPDU, 0, 0, 0 },
	{ "tpdu 4E", "00D6000000 0001 55 0000", { E_NOT_SUPPORTED }, LEVEL_TPDU, 0, 0, 0 },
	{ "tpdu empty answer", "00112233", { "> 00112233", "<", E_PROTOCOL }, LEVEL_TPDU, 0, 0, 0 },
	{ "tpdu one byte", "00112233", { "> 00112233", "< 90", E_PROTOCOL }, LEVEL_TPDU, 0, 0, 0 },
	{ "tpdu error", "00112233", { "> 00112233", "E parity error", "! parity error" }, LEVEL_TPDU, 0, 0, 0 },

	/* Character level: ISO 7816-3 §10.3 */
	{ "case 1", "00112233", { "> 0011223300/1", "< 90", ">/1", "< 00", "= 9000" },
	  LEVEL_CHARACTER, 0, 0, 0 },
	{ "case 2 all at once", "00B0000003",
	  { "> 00B0000003/1", "< B0", ">/3", "< 010203", ">/1", "< 90", ">/1", "< 00",
	    "= 0102039000" }, LEVEL_CHARACTER, 0, 0, 0 },
	{ "case 2 in pieces", "00B0000003",
	  { "> 00B0000003/1", "< B0", ">/3", "< 01", ">/2", "< 0203", ">/1", "< 90", ">/1", "< 00",
	    "= 0102039000" }, LEVEL_CHARACTER, 0, 0, 0 },
	{ "case 2 byte by byte, then all", "00B0000003",
	  { "> 00B0000003/1", "< 4F", ">/1", "< 01", ">/1", "< B0", ">/2", "< 0203", ">/1", "< 90",
	    ">/1", "< 00", "= 0102039000" }, LEVEL_CHARACTER, 0, 0, 0 },
	{ "case 2 asks 256", "00B0000000", { "> 00B0000000/1", "< B0", ">/256", "E communication error", E_COMM },
	  LEVEL_CHARACTER, 0, 0, 0 },
	{ "case 2 within max_data", "00B0000000",
	  { "> 00B0000000/1", "< B0", ">/20", "E communication error", E_COMM },
	  LEVEL_CHARACTER, 0, 0, 20 },
	{ "wrong Le: 6C", "00B0000003", { "> 00B0000003/1", "< 6C", ">/1", "< 02", "= 6C02" },
	  LEVEL_CHARACTER, 0, 0, 0 },
	{ "case 3 all at once", "00D6000002 AABB",
	  { "> 00D6000002/1", "< D6", "> AABB/1", "< 90", ">/1", "< 00", "= 9000" },
	  LEVEL_CHARACTER, 0, 0, 0 },
	{ "case 3 byte by byte", "00D6000002 AABB",
	  { "> 00D6000002/1", "< 29", "> AA/1", "< 29", "> BB/1", "< 90", ">/1", "< 00", "= 9000" },
	  LEVEL_CHARACTER, 0, 0, 0 },
	{ "case 4 without Le", "00A4000002 3F00 00",
	  { "> 00A4000002/1", "< A4", "> 3F00/1", "< 61", ">/1", "< 10", "= 6110" },
	  LEVEL_CHARACTER, 0, 0, 0 },
	{ "case 3 refused early", "00D6000002 AABB",
	  { "> 00D6000002/1", "< 69", ">/1", "< 82", "= 6982" }, LEVEL_CHARACTER, 0, 0, 0 },
	{ "NULL everywhere", "00D6000002 AABB",
	  { "> 00D6000002/1", "< 60", ">/1", "< 60", ">/1", "< D6", "> AABB/1", "< 60", ">/1",
	    "< 90", ">/1", "< 60", "= 9060" }, LEVEL_CHARACTER, 0, 0, 0 },
	{ "unknown procedure byte", "00D6000002 AABB", { "> 00D6000002/1", "< D7", E_PROTOCOL },
	  LEVEL_CHARACTER, 0, 0, 0 },
	{ "case 1 acknowledged", "00112233", { "> 0011223300/1", "< 11", E_PROTOCOL },
	  LEVEL_CHARACTER, 0, 0, 0 },
	{ "asks for more than Lc", "00D6000001 AA",
	  { "> 00D6000001/1", "< D6", "> AA/1", "< 29", E_PROTOCOL }, LEVEL_CHARACTER, 0, 0, 0 },
	{ "sends more than Le", "00B0000001",
	  { "> 00B0000001/1", "< B0", ">/1", "< 01", ">/1", "< B0", E_PROTOCOL },
	  LEVEL_CHARACTER, 0, 0, 0 },
	{ "more bytes than asked for", "00B0000001",
	  { "> 00B0000001/1", "< B0", ">/1", "< 0102", E_PROTOCOL }, LEVEL_CHARACTER, 0, 0, 0 },
	{ "empty answer", "00B0000001", { "> 00B0000001/1", "<", E_COMM },
	  LEVEL_CHARACTER, 0, 0, 0 },
	{ "malformed", "00B000000203", { E_ARG }, LEVEL_CHARACTER, 0, 0, 0 },
	{ "extended", "00B0000000 0100", { E_NOT_SUPPORTED }, LEVEL_CHARACTER, 0, 0, 0 },
	{ "header does not fit", "00112233", { E_TOO_LONG }, LEVEL_CHARACTER, 0, 0, 4 },
	{ "data in two messages", "00D6000006 010203040506",
	  { "> 00D6000006/1", "< D6", "> 0102030405/0", "<", "> 06/1", "< 90", ">/1", "< 00", "= 9000" },
	  LEVEL_CHARACTER, 0, 0, 5 },
	{ "data in three, after the first byte alone", "00D600000C 0102030405060708090A0B0C",
	  { "> 00D600000C/1", "< 29", "> 01/1", "< D6", "> 0203040506/0", "<", "> 0708090A0B/0", "<",
	    "> 0C/1", "< 90", ">/1", "< 00", "= 9000" }, LEVEL_CHARACTER, 0, 0, 5 },
	{ "data of exactly two messages", "00D600000A 0102030405060708090A",
	  { "> 00D600000A/1", "< D6", "> 0102030405/0", "<", "> 060708090A/1", "< 90", ">/1", "< 00",
	    "= 9000" }, LEVEL_CHARACTER, 0, 0, 5 },
	{ "a byte between two messages", "00D6000006 010203040506",
	  { "> 00D6000006/1", "< D6", "> 0102030405/0", "< 90", E_PROTOCOL }, LEVEL_CHARACTER, 0, 0, 5 },
	{ "54 bytes make a packet", "00B0000036",
	  { "> 00B0000036/1", "< B0", ">/54", "E communication error", E_COMM },
	  LEVEL_CHARACTER, 0, 0, 0 },
	{ "54 bytes split", "00B0000036",
	  { "> 00B0000036/1", "< B0", ">/1", "< 01", ">/53", "E communication error", E_COMM },
	  LEVEL_CHARACTER, 0, 1, 0 },
	{ "118 bytes split", "00B0000076",
	  { "> 00B0000076/1", "< B0", ">/1", "< 01", ">/117", "E communication error", E_COMM },
	  LEVEL_CHARACTER, 0, 1, 0 },
	{ "55 bytes not split", "00B0000037", { "> 00B0000037/1", "< B0", ">/55", "E communication error", E_COMM },
	  LEVEL_CHARACTER, 0, 1, 0 },
};

/* The exchange ends soon if the card repeats one byte for ever, whatever the byte. */
static void any_byte_for_ever_ends(void **state)
{
	const struct exchange_config cfg = { .level = LEVEL_CHARACTER, .max_data = 261,
					     .timing = { 4000, 372, 1, 0, 10, 4, 13 } };
	static const char *const apdus[] = { "00112233", "00B0000000", "00D60000020102" };
	uint8_t apdu[16], answer[300];

	(void)state;
	for (unsigned i = 0; i < 3 * 256; i++) {
		uint8_t byte = (uint8_t)i;
		size_t n = unhex(apdu, sizeof apdu, apdus[i / 256]);
		unsigned steps = 0;
		struct exchange x;
		struct exchange_step s = exchange_begin(&x, &cfg, NULL, apdu, n, answer,
							sizeof answer);

		for (; s.verdict == STEP_SEND; steps++)
			s = exchange_feed(&x, CCID_OK, &byte, 1, 0);
		assert_true(byte == 0x60 ? steps == 5001 : steps < 1030);
		if (byte == 0x60)
			assert_int_equal(s.err, CCID_ERR_PROTOCOL);
	}
}

int main(void)
{
	enum { N = sizeof talks / sizeof talks[0] };
	struct CMUnitTest tests[N + 1] = { [N] = cmocka_unit_test(any_byte_for_ever_ends) };

	_Static_assert(CCID_ERR_COMM == 8 && CCID_ERR_PROTOCOL == 10 && CCID_ERR_TOO_LONG == 12 &&
		       CCID_ERR_NOT_SUPPORTED == 14, "the E_ texts above");
	for (size_t i = 0; i < N; i++)
		tests[i] = (struct CMUnitTest){ talks[i].name, run_talk, NULL, NULL,
						(void *)(uintptr_t)&talks[i] };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
