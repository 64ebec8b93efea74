/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* src/util/err.c */
#include "util/err.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include "unit/unit_cmocka.h"

#include <string.h>

static void every_error_has_its_own_name(void **state)
{
	(void)state;
	for (int a = 0; a < CCID_ERR_COUNT; a++) {
		const char *name = err_name((enum ccid_err)a);

		assert_true(strlen(name) > 0);
		assert_string_not_equal(name, "unknown error");
		for (int b = 0; b < a; b++)
			assert_string_not_equal(name, err_name((enum ccid_err)b));
	}
}

static void an_unknown_error_has_a_name(void **state)
{
	(void)state;
	assert_string_equal(err_name(CCID_ERR_COUNT), "unknown error");
	assert_string_equal(err_name((enum ccid_err)12345), "unknown error");
	assert_string_equal(err_name((enum ccid_err)-1), "unknown error");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_error_has_its_own_name),
		cmocka_unit_test(an_unknown_error_has_a_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
