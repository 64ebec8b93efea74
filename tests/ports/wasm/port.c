/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* util/port.h in a browser or under node: one thread, which sleeps by giving the event loop a turn. */
#include "util/port.h"

#include <emscripten.h>
#include <stdio.h>
#include <stdlib.h>

void *port_alloc(size_t size)
{
	return calloc(1, size);
}

void port_free(void *p)
{
	free(p);
}

uint64_t clock_now(void)
{
	return (uint64_t)(emscripten_get_now() * 1e6);
}

#ifdef PORT_SLEEPS
void clock_sleep_until(uint64_t at_ns)
{
	uint64_t now = clock_now();

	if (at_ns > now)
		emscripten_sleep((unsigned)((at_ns - now + 999999) / 1000000));
}
#else
void clock_sleep_until(uint64_t at_ns)
{
	while (clock_now() < at_ns)
		;
}
#endif

void port_log(enum port_priority priority, bool is_private, const char *line)
{
	(void)priority;
	(void)is_private;
	printf("log: %s\n", line);
}
