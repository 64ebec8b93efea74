/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef UTIL_DEADLINE_H
#define UTIL_DEADLINE_H

#include "util/port.h"

/* A point in time that a wait must not outlive. Deadlines travel down the
 * layers as arguments; no device stores a time-out. */
struct deadline {
	uint64_t at_ns;
};

/* The point ms milliseconds from now. */
struct deadline deadline_in_ms(uint64_t ms);
/* The same from a time that the caller has read: one APDU needs several deadlines. */
static inline struct deadline deadline_from(uint64_t now_ns, uint64_t ms)
{
	struct deadline d = { now_ns + ms * UINT64_C(1000000) };

	return d;
}
/* Milliseconds left, rounded up; 0 when it has passed. */
uint64_t deadline_left_ms(const struct deadline *d);
static inline uint64_t deadline_left_from(uint64_t now_ns, const struct deadline *d)
{
	return d->at_ns > now_ns ? (d->at_ns - now_ns + 999999u) / 1000000u : 0;
}
bool deadline_passed(const struct deadline *d);
static inline struct deadline deadline_earlier(struct deadline a, struct deadline b)
{
	return a.at_ns <= b.at_ns ? a : b;
}
/* Sleep ms milliseconds, but never past the deadline. */
void deadline_sleep_ms(const struct deadline *d, uint64_t ms);

#endif
