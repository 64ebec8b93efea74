/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/atr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "unit/unit_cmocka.h"

#ifndef TOP_SRCDIR
#define TOP_SRCDIR "."
#endif

/* Columns of tests/vectors/atr.txt */
enum column {
	COL_BYTES, COL_VERDICT, COL_CONVENTION, COL_PROTOCOLS, COL_FIRST, COL_TA1, COL_TC1, COL_TA2,
	COL_WI, COL_HAS_T1, COL_IFSC, COL_BWI, COL_CWI, COL_EDC, COL_T15, COL_TCK, COL_WHOLE,
	COL_LEVELS, COL_HISTORICAL, COL_WHAT, COL_COUNT
};

static size_t hex(const char *text, uint8_t *out, size_t cap)
{
	size_t n = 0;
	unsigned v;

	for (; *text && *text != '-'; text += 2) {
		while (*text == ' ')
			text++;
		assert_int_equal(sscanf(text, "%2x", &v), 1);
		assert_true(n < cap);
		out[n++] = (uint8_t)v;
	}
	return n;
}

/* Cuts the line at its bars, in place, and removes the blanks around them. */
static size_t split(char *line, char *column[COL_COUNT])
{
	size_t n = 0;
	char *save = NULL;

	for (char *c = strtok_r(line, "|\n", &save); c && n < COL_COUNT;
	     c = strtok_r(NULL, "|\n", &save)) {
		char *end = c + strlen(c);

		while (*c == ' ')
			c++;
		while (end > c && end[-1] == ' ')
			*--end = '\0';
		column[n++] = c;
	}
	return n;
}

static unsigned protocol_bits(const char *list)
{
	unsigned bits = 0;

	for (char *end; *list; list = *end ? end + 1 : end)
		bits |= 1u << strtoul(list, &end, 10);
	return bits;
}

static void expect_number(const char *text, int base, unsigned got)
{
	assert_int_equal(strtoul(text, NULL, base), got);
}

static void check_interface_bytes(char *const *col, const struct atr *atr)
{
	assert_int_equal(!strcmp(col[COL_CONVENTION], "inverse"), atr->inverse);
	assert_int_equal(protocol_bits(col[COL_PROTOCOLS]), atr->protocols);
	expect_number(col[COL_FIRST], 10, atr->first_protocol);
	expect_number(col[COL_TA1], 16, atr->TA1);
	expect_number(col[COL_TC1], 16, atr->TC1);
	assert_int_equal(strcmp(col[COL_TA2], "-") != 0, atr->specific);
	if (atr->specific)
		expect_number(col[COL_TA2], 16, atr->TA2);
	expect_number(col[COL_WI], 10, atr->WI);
	assert_int_equal(!strcmp(col[COL_HAS_T1], "yes"), atr->has_t1);
	expect_number(col[COL_IFSC], 10, atr->IFSC);
	expect_number(col[COL_BWI], 10, atr->BWI);
	expect_number(col[COL_CWI], 10, atr->CWI);
	assert_int_equal(!strcmp(col[COL_EDC], "CRC"), atr->t1_crc);
}

static void check_rest(char *const *col, const struct atr *atr)
{
	uint8_t historical[15];
	size_t len = hex(col[COL_HISTORICAL], historical, sizeof historical);
	unsigned stop, classes;

	assert_int_equal(strcmp(col[COL_T15], "-") != 0, atr->has_t15);
	if (atr->has_t15) {
		assert_int_equal(sscanf(col[COL_T15], "%u/%x", &stop, &classes), 2);
		assert_int_equal(stop, atr->clock_stop);
		assert_int_equal(classes, atr->classes);
	}
	assert_int_equal(strcmp(col[COL_TCK], "none") != 0, atr->has_tck);
	assert_int_equal(!strcmp(col[COL_TCK], "wrong"), atr->tck_wrong);
	assert_int_equal(!strcmp(col[COL_WHOLE], "cut"), atr->truncated);
	expect_number(col[COL_LEVELS], 10, atr->n_levels);
	assert_int_equal(len, atr->historical_len);
	assert_memory_equal(historical, atr->historical, len);
	assert_true(atr->historical >= atr->raw);
	assert_true(atr->historical + len <= atr->raw + atr->len);
}

static void check_row(char *const *col)
{
	uint8_t bytes[64];
	size_t len = hex(col[COL_BYTES], bytes, sizeof bytes);
	/* A memory block of its own, as large as the ATR: a sanitizer sees a read past the end. */
	uint8_t *exact = malloc(len ? len : 1);
	struct atr atr;
	enum ccid_err err;

	assert_non_null(exact);
	memcpy(exact, bytes, len);
	memset(&atr, 0xEE, sizeof atr);
	err = atr_parse(&atr, exact, len);
	free(exact);
	if (!strcmp(col[COL_VERDICT], "refused")) {
		assert_int_equal(err, CCID_ERR_PROTOCOL);
		return;
	}
	assert_string_equal(col[COL_VERDICT], "ok");
	assert_int_equal(err, CCID_OK);
	assert_int_equal(atr.len, len < ATR_MAX ? len : ATR_MAX);
	assert_memory_equal(atr.raw, bytes, atr.len);
	check_interface_bytes(col, &atr);
	check_rest(col, &atr);
}

static void every_vector_is_decoded(void **state)
{
	FILE *f = fopen(TOP_SRCDIR "/tests/vectors/atr.txt", "r");
	char line[400];
	char *col[COL_COUNT];
	unsigned rows = 0;

	(void)state;
	assert_non_null(f);
	while (fgets(line, sizeof line, f)) {
		size_t n;

		if (line[0] == '#' || line[0] == '\n')
			continue;
		assert_non_null(strchr(line, '\n'));	/* the whole line was read */
		print_message("%.72s\n", line);
		n = split(line, col);
		assert_true(n == COL_COUNT || n == 3);
		check_row(col);
		rows++;
	}
	fclose(f);
	assert_true(rows >= 100);
}

static void levels_hold_the_bytes(void **state)
{
	static const uint8_t bytes[] = { 0x3B, 0xFF, 0x95, 0x00, 0xFF, 0xC0, 0x0A, 0x1F, 0x43, 0x80,
					 0x31, 0xE0, 0x73, 0x36, 0x21, 0x13, 0x57, 0x4A, 0x33, 0x20,
					 0x07, 0x33, 0x41, 0x41, 0x1F };
	struct atr atr;

	(void)state;
	assert_int_equal(atr_parse(&atr, bytes, sizeof bytes), CCID_OK);
	assert_int_equal(atr.n_levels, 3);
	assert_true(atr.level[0].has_a && atr.level[0].has_b);
	assert_true(atr.level[0].has_c && atr.level[0].has_d);
	assert_int_equal(atr.level[0].TA, 0x95);
	assert_int_equal(atr.level[0].TB, 0x00);
	assert_int_equal(atr.level[0].TC, 0xFF);
	assert_int_equal(atr.level[0].TD, 0xC0);
	assert_false(atr.level[1].has_a || atr.level[1].has_b);
	assert_true(atr.level[1].has_c && atr.level[1].has_d);
	assert_int_equal(atr.level[1].TC, 0x0A);
	assert_int_equal(atr.level[1].TD, 0x1F);
	assert_true(atr.level[2].has_a);
	assert_int_equal(atr.level[2].TA, 0x43);
	assert_false(atr.level[2].has_b || atr.level[2].has_c || atr.level[2].has_d);
}

/* Random bytes: the historical bytes lie inside of the ATR, and nothing is read beyond its end. */
static void random_bytes_stay_inside(void **state)
{
	uint32_t x = 1;

	(void)state;
	for (unsigned i = 0; i < 200000; i++) {
		uint8_t bytes[40];
		size_t len;
		struct atr atr;

		for (size_t k = 0; k < sizeof bytes; k++) {
			x = x * 1664525u + 1013904223u;
			bytes[k] = (uint8_t)(x >> 24);
		}
		bytes[0] = i % 5 ? 0x3B : 0x3F;
		len = 2 + (x >> 8) % 39;
		assert_int_equal(atr_parse(&atr, bytes, len), CCID_OK);
		assert_true(atr.n_levels <= ATR_MAX_LEVELS);
		assert_true(atr.historical_len <= (bytes[1] & 0x0F));
		assert_true(atr.historical + atr.historical_len <= atr.raw + atr.len);
		assert_true(atr.IFSC >= 1 && atr.IFSC <= 254);
		assert_true(atr.WI >= 1);
		assert_true(atr.protocols != 0 && !(atr.protocols & 0x8000));
		assert_true(atr.protocols >> atr.first_protocol & 1 || atr.first_protocol == 0);
		assert_false(atr.truncated && atr.has_tck);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_vector_is_decoded),
		cmocka_unit_test(levels_hold_the_bytes),
		cmocka_unit_test(random_bytes_stay_inside),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
