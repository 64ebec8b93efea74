/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "util/deadline.h"

struct deadline deadline_in_ms(uint64_t ms)
{
	return deadline_from(clock_now(), ms);
}

uint64_t deadline_left_ms(const struct deadline *d)
{
	return deadline_left_from(clock_now(), d);
}

bool deadline_passed(const struct deadline *d)
{
	return clock_now() >= d->at_ns;
}

void deadline_sleep_ms(const struct deadline *d, uint64_t ms)
{
	clock_sleep_until(deadline_earlier(deadline_in_ms(ms), *d).at_ns);
}
