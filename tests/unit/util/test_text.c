/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* src/util/text.c writes what printf() writes, as far as the core uses it. */
#include "util/text.h"

#include "unit/unit_cmocka.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

/* The same format and arguments for both. */
#define SAME(...)                                                  \
	do {                                                       \
		char want[200], got[200];                          \
		struct text t = text_of(got, sizeof got);          \
		snprintf(want, sizeof want, __VA_ARGS__);          \
		text_add(&t, __VA_ARGS__);                         \
		assert_string_equal(got, want);                    \
		assert_int_equal(t.len, strlen(want));             \
	} while (0)

static void numbers(void **state)
{
	(void)state;
	SAME("%d %d %d %d", 0, -1, INT_MAX, INT_MIN);
	SAME("%ld %ld", LONG_MAX, LONG_MIN);
	SAME("%u %lu %zu", UINT_MAX, ULONG_MAX, SIZE_MAX);
	SAME("%zd", (ptrdiff_t)-7);
	SAME("%x %X %lx %lX %zX", 0xABCDEFu, 0xABCDEFu, 0xFEul, 0xFEul, (size_t)10);
	SAME("%02X|%04x|%08X|%5u|%3d|%1u", 7u, 0x12345u, 0x1234u, 42u, -5, 123u);
}

static void strings(void **state)
{
	static const char four[] = { 'a', 'b', 'c', 'd' };

	(void)state;
	SAME("%s|%5s|%2s|%.2s|%.9s|%.0s|%c%%", "abc", "abc", "abc", "abc", "abc", "abc", 'x');
	SAME("%.*s|%.*s", 2, "abc", 0, "abc");
	/* no zero at its end is looked for beyond the precision */
	SAME("%.4s %.*s", four, 3, four);
}

static void empty_text(void **state)
{
	char got[40];
	struct text t = text_of(got, sizeof got);
	const char *volatile none = NULL;

	(void)state;
	assert_string_equal(got, "");
	text_add(&t, "%s", none);
	assert_string_equal(got, "(null)");
}

/* As it stands; nothing is taken of the arguments. */
static void not_known(void **state)
{
	static const char *const formats[][2] = {
		{ "a%qb", "a%qb" }, { "%", "%" }, { "%05", "%05" }, { "%l", "%l" }, { "%.3e", "%.3e" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++) {
		char got[40];
		struct text t = text_of(got, sizeof got);
		const char *volatile fmt = formats[i][0];

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-security"
		text_add(&t, fmt);
#pragma GCC diagnostic pop
		assert_string_equal(got, formats[i][1]);
	}
}

static void cut(void **state)
{
	char got[6];
	struct text t = text_of(got, sizeof got);

	(void)state;
	text_add(&t, "%s", "abc");
	text_add(&t, "%04u", 12u);
	assert_string_equal(got, "abc00");
	assert_int_equal(t.len, 5);
	text_add(&t, "more");
	assert_string_equal(got, "abc00");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers), cmocka_unit_test(strings), cmocka_unit_test(empty_text),
		cmocka_unit_test(not_known), cmocka_unit_test(cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
