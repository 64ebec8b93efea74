/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef PORTS_WASM_CMOCKA_H
#define PORTS_WASM_CMOCKA_H

/* The part of cmocka's interface that the core's unit tests use, for systems without cmocka. The
 * first failed assertion ends the program. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct CMUnitTest {
	const char *name;
	void (*run)(void **state);
};

#define cmocka_unit_test(f) { #f, f }
#define fail_at(text) (printf("# %s:%d: %s\n", __FILE__, __LINE__, text), exit(1))
#define fail_msg(...) (printf("# %s:%d: ", __FILE__, __LINE__), printf(__VA_ARGS__), printf("\n"), exit(1))
#define print_message printf
#define assert_true(x) ((x) ? (void)0 : fail_at(#x))
#define assert_false(x) assert_true(!(x))
#define assert_null(p) assert_true((p) == NULL)
#define assert_non_null(p) assert_true((p) != NULL)
#define assert_ptr_equal(a, b) assert_true((const void *)(a) == (const void *)(b))
#define assert_int_equal(a, b) assert_true((long long)(a) == (long long)(b))
#define assert_int_not_equal(a, b) assert_true((long long)(a) != (long long)(b))
#define assert_in_range(x, least, most) assert_true((x) >= (least) && (x) <= (most))
#define assert_string_equal(a, b) assert_true(strcmp(a, b) == 0)
#define assert_string_not_equal(a, b) assert_true(strcmp(a, b) != 0)
#define assert_memory_equal(a, b, n) assert_true(memcmp(a, b, n) == 0)
#define assert_memory_not_equal(a, b, n) assert_true(memcmp(a, b, n) != 0)

static inline int run_unit_tests(const struct CMUnitTest *tests, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		tests[i].run(&(void *){ NULL });
		printf("passed %s\n", tests[i].name);
	}
	printf("all passed: %zu\n", n);
	return 0;
}

#define cmocka_run_group_tests(tests, setup, teardown) run_unit_tests(tests, sizeof tests / sizeof tests[0])

#endif
