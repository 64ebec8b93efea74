/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* src/util/clock.c: the machine's clock. Waits are measured from below only, the machine may be busy. */
#include "util/clock_wait.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include "unit/unit_cmocka.h"

#include <errno.h>
#include <time.h>

#define MS UINT64_C(1000000)

/* --- sleeps that signals cut short, or that are refused (linked with --wrap) --- */

static unsigned interrupts, sleeps;
static int refused;

int __real_nanosleep(const struct timespec *ts, struct timespec *left);
int __wrap_nanosleep(const struct timespec *ts, struct timespec *left);

int __wrap_nanosleep(const struct timespec *ts, struct timespec *left)
{
	sleeps++;
	if (interrupts > 0) {
		interrupts--;
		errno = EINTR;
		return -1;
	}
	if (refused) {
		errno = refused;
		return -1;
	}
	return __real_nanosleep(ts, left);
}

static void clock_never_goes_back(void **state)
{
	uint64_t before = clock_now();

	(void)state;
	for (unsigned i = 0; i < 1000; i++) {
		uint64_t now = clock_now();

		assert_true(now >= before);
		before = now;
	}
}

static void sleep_lasts_until_its_time(void **state)
{
	uint64_t at = clock_now() + 20 * MS;

	(void)state;
	clock_sleep_until(at);
	assert_true(clock_now() >= at);
	/* a signal is no reason to wake up */
	interrupts = 3;
	sleeps = 0;
	at = clock_now() + 20 * MS;
	clock_sleep_until(at);
	assert_true(clock_now() >= at);
	assert_true(sleeps >= 4);
	assert_int_equal(interrupts, 0);
}

static void does_not_sleep_without_need(void **state)
{
	(void)state;
	sleeps = 0;
	clock_sleep_until(0);
	clock_sleep_until(clock_now());
	assert_int_equal(sleeps, 0);
	/* what the system refuses once it refuses for ever: no loop */
	refused = EINVAL;
	clock_sleep_until(UINT64_MAX);
	refused = 0;
	assert_int_equal(sleeps, 1);
}

static void a_condition_is_waited_for_until_its_time(void **state)
{
	pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
	pthread_condattr_t attr;
	pthread_cond_t cond;
	uint64_t at = clock_now() + 20 * MS;

	(void)state;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&cond, &attr);
	pthread_mutex_lock(&mutex);
	/* true: woken, perhaps for nothing */
	while (clock_cond_wait(&cond, &mutex, at))
		;
	assert_true(clock_now() >= at);
	assert_false(clock_cond_wait(&cond, &mutex, 0));
	pthread_mutex_unlock(&mutex);
	pthread_cond_destroy(&cond);
	pthread_condattr_destroy(&attr);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(clock_never_goes_back),
		cmocka_unit_test(sleep_lasts_until_its_time),
		cmocka_unit_test(does_not_sleep_without_need),
		cmocka_unit_test(a_condition_is_waited_for_until_its_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
