/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "util/deadline.h"

#define NS_PER_MS 1000000u

struct deadline deadline_in_ms(uint64_t ms)
{
	struct deadline d = { clock_now() + ms * NS_PER_MS };

	return d;
}

uint64_t deadline_left_ms(const struct deadline *d)
{
	uint64_t now = clock_now();

	return d->at_ns > now ? (d->at_ns - now + NS_PER_MS - 1) / NS_PER_MS : 0;
}

bool deadline_passed(const struct deadline *d)
{
	return clock_now() >= d->at_ns;
}

struct deadline deadline_earlier(struct deadline a, struct deadline b)
{
	return a.at_ns <= b.at_ns ? a : b;
}

void deadline_sleep_ms(const struct deadline *d, uint64_t ms)
{
	clock_sleep_until(deadline_earlier(deadline_in_ms(ms), *d).at_ns);
}
