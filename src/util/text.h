/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef UTIL_TEXT_H
#define UTIL_TEXT_H

#include "util/port.h"

#include <stdarg.h>

/* A zero-terminated text under construction in the caller's memory; what does not fit is cut. No
 * locale, no memory of its own: the core formats where there is no printf(). */
struct text {
	char *p;
	size_t cap;	/* at least 1 */
	size_t len;	/* without the closing zero */
};

/* An empty text in p[cap]. */
struct text text_of(char *p, size_t cap);

/* Of printf()'s: %d %u %x %X %c %s %%, each of the numbers with l or z, a width with or without 0
 * in front of it, and for %s a precision (.* too). Anything else is written as it stands in fmt,
 * and takes no argument. */
void text_add(struct text *t, const char *fmt, ...) PORT_PRINTF(2, 3);
void text_vadd(struct text *t, const char *fmt, va_list ap) PORT_PRINTF(2, 0);

#endif
