/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "util/clock_wait.h"

#include <errno.h>
#include <time.h>

uint64_t clock_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

void clock_sleep_until(uint64_t at_ns)
{
	uint64_t now = clock_now();

	while (now < at_ns) {
		uint64_t left = at_ns - now;
		struct timespec ts = {
			.tv_sec = (time_t)(left / 1000000000u),
			.tv_nsec = (long)(left % 1000000000u),
		};
		if (nanosleep(&ts, NULL) != 0 && errno != EINTR)
			return;
		now = clock_now();
	}
}

bool clock_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex, uint64_t at_ns)
{
	struct timespec ts = {
		.tv_sec = (time_t)(at_ns / 1000000000u),
		.tv_nsec = (long)(at_ns % 1000000000u),
	};

	return pthread_cond_timedwait(cond, mutex, &ts) != ETIMEDOUT;
}
