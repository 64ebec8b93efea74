/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* src/util/deadline.c, on virtual time. */
#include "util/deadline.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include "unit/unit_cmocka.h"

static uint64_t now;

uint64_t clock_now(void)
{
	return now;
}

void clock_sleep_until(uint64_t at_ns)
{
	if (at_ns > now)
		now = at_ns;
}

#define MS UINT64_C(1000000)

static void time_left_is_rounded_up(void **state)
{
	struct deadline d;

	(void)state;
	now = 5 * MS;
	d = deadline_in_ms(10);
	assert_int_equal(deadline_left_ms(&d), 10);
	now += 1;
	assert_int_equal(deadline_left_ms(&d), 10);
	now = 15 * MS - 1;
	assert_int_equal(deadline_left_ms(&d), 1);
	assert_false(deadline_passed(&d));
	now = 15 * MS;
	assert_int_equal(deadline_left_ms(&d), 0);
	assert_true(deadline_passed(&d));
	now += 1000 * MS;
	assert_int_equal(deadline_left_ms(&d), 0);
}

static void long_waits_do_not_wrap(void **state)
{
	struct deadline d;

	(void)state;
	now = UINT64_C(1) << 60;
	d = deadline_in_ms(UINT32_MAX);
	assert_int_equal(deadline_left_ms(&d), UINT32_MAX);
	assert_false(deadline_passed(&d));
}

static void earlier_of_two_deadlines(void **state)
{
	struct deadline a = { 5 }, b = { 7 };

	(void)state;
	assert_int_equal(deadline_earlier(a, b).at_ns, 5);
	assert_int_equal(deadline_earlier(b, a).at_ns, 5);
}

static void sleep_does_not_outlive_the_deadline(void **state)
{
	struct deadline d;

	(void)state;
	now = 0;
	d = deadline_in_ms(100);
	deadline_sleep_ms(&d, 30);
	assert_int_equal(now, 30 * MS);
	deadline_sleep_ms(&d, 300);
	assert_int_equal(now, 100 * MS);
	deadline_sleep_ms(&d, 300);
	assert_int_equal(now, 100 * MS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(time_left_is_rounded_up),
		cmocka_unit_test(long_waits_do_not_wrap),
		cmocka_unit_test(earlier_of_two_deadlines),
		cmocka_unit_test(sleep_does_not_outlive_the_deadline),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
