/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/pps.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include "unit/unit_cmocka.h"

#define BYTES(...) { __VA_ARGS__ }, sizeof((uint8_t[]){ __VA_ARGS__ })

static void requests_are_built(void **state)
{
	static const struct {
		uint8_t protocol, ta1;
		uint8_t bytes[4];
		size_t len;
	} rows[] = {
		{ 0, 0x11, BYTES(0xFF, 0x00, 0xFF) },
		{ 1, 0x11, BYTES(0xFF, 0x01, 0xFE) },
		{ 0, 0x94, BYTES(0xFF, 0x10, 0x94, 0x7B) },
		{ 1, 0x95, BYTES(0xFF, 0x11, 0x95, 0x7B) },
		{ 1, 0x18, BYTES(0xFF, 0x11, 0x18, 0xF6) },
		{ 0, 0x00, BYTES(0xFF, 0x10, 0x00, 0xEF) },
		{ 14, 0x96, BYTES(0xFF, 0x1E, 0x96, 0x77) },
		{ 0xF1, 0x11, BYTES(0xFF, 0x01, 0xFE) },	/* T is four bits */
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		uint8_t out[PPS_MAX + 1];

		memset(out, 0xA5, sizeof out);
		assert_int_equal(pps_build(out, rows[i].protocol, rows[i].ta1), rows[i].len);
		assert_memory_equal(out, rows[i].bytes, rows[i].len);
		assert_int_equal(out[rows[i].len], 0xA5);
	}
}

struct answer {
	const char *what;
	uint8_t bytes[8];
	size_t len;
	enum ccid_err err;
	bool kept;
};

static void check(const uint8_t *request, size_t request_len, const struct answer *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		bool kept = !rows[i].kept;

		print_message("%s\n", rows[i].what);
		assert_int_equal(pps_check(request, request_len, rows[i].bytes, rows[i].len, &kept),
				 rows[i].err);
		assert_int_equal(kept, rows[i].kept);
	}
}

static void answers_to_a_request_with_a_speed(void **state)
{
	static const uint8_t request[] = { 0xFF, 0x11, 0x95, 0x7B };
	static const struct answer rows[] = {
		{ "the same", BYTES(0xFF, 0x11, 0x95, 0x7B), CCID_OK, true },
		{ "without PPS1", BYTES(0xFF, 0x01, 0xFE), CCID_OK, false },
		{ "empty", { 0 }, 0, CCID_ERR_PTS, false },
		{ "1 byte", BYTES(0xFF), CCID_ERR_PTS, false },
		{ "2 bytes", BYTES(0xFF, 0xFF), CCID_ERR_PTS, false },
		{ "PPS1 announced, not there", BYTES(0xFF, 0x11, 0xEE), CCID_ERR_PTS, false },
		{ "wrong PCK", BYTES(0xFF, 0x11, 0x95, 0x7A), CCID_ERR_PTS, false },
		{ "wrong PCK, without PPS1", BYTES(0xFF, 0x01, 0xFF), CCID_ERR_PTS, false },
		{ "not FF", BYTES(0x3B, 0x11, 0x95, 0xBF), CCID_ERR_PTS, false },
		{ "other protocol", BYTES(0xFF, 0x10, 0x95, 0x7A), CCID_ERR_PTS, false },
		{ "another protocol, without PPS1", BYTES(0xFF, 0x00, 0xFF), CCID_ERR_PTS, false },
		{ "another PPS1", BYTES(0xFF, 0x11, 0x94, 0x7A), CCID_ERR_PTS, false },
		{ "PPS2 as well", BYTES(0xFF, 0x31, 0x95, 0x00, 0x5B), CCID_ERR_PTS, false },
		{ "PPS2 in the place of PPS1", BYTES(0xFF, 0x21, 0x95, 0x4B), CCID_ERR_PTS, false },
		{ "reserved bit", BYTES(0xFF, 0x91, 0x95, 0xFB), CCID_ERR_PTS, false },
		{ "a byte more", BYTES(0xFF, 0x11, 0x95, 0x7B, 0x00), CCID_ERR_PTS, false },
		{ "a byte more without PPS1", BYTES(0xFF, 0x01, 0x95, 0x6B), CCID_ERR_PTS, false },
	};

	(void)state;
	check(request, sizeof request, rows, sizeof rows / sizeof rows[0]);
}

static void answers_to_a_request_without_a_speed(void **state)
{
	static const uint8_t request[] = { 0xFF, 0x01, 0xFE };
	static const struct answer rows[] = {
		{ "the same", BYTES(0xFF, 0x01, 0xFE), CCID_OK, true },
		{ "PPS1 that was not asked for", BYTES(0xFF, 0x11, 0x11, 0xFF), CCID_ERR_PTS, false },
		{ "other protocol", BYTES(0xFF, 0x00, 0xFF), CCID_ERR_PTS, false },
		{ "a byte more", BYTES(0xFF, 0x01, 0xFE, 0x00), CCID_ERR_PTS, false },
		{ "empty", { 0 }, 0, CCID_ERR_PTS, false },
	};

	(void)state;
	check(request, sizeof request, rows, sizeof rows / sizeof rows[0]);
}

/* Of all answers of 3 and 4 bytes with a correct PCK, two are acceptable. */
static void only_two_answers_are_acceptable(void **state)
{
	uint8_t request[PPS_MAX];
	size_t request_len = pps_build(request, 0, 0x96);
	unsigned good = 0;

	(void)state;
	for (unsigned v = 0; v < 0x20000; v++) {
		uint8_t a[4] = { 0xFF, (uint8_t)(v >> 8), (uint8_t)v, 0 };
		size_t len = v < 0x10000 ? 4 : 3;
		bool kept;

		if (len == 4)
			a[3] = a[0] ^ a[1] ^ a[2];
		good += !pps_check(request, request_len, a, len, &kept);
	}
	assert_int_equal(good, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_are_built),
		cmocka_unit_test(answers_to_a_request_with_a_speed),
		cmocka_unit_test(answers_to_a_request_without_a_speed),
		cmocka_unit_test(only_two_answers_are_acceptable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
