/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The driver's log lines go to pcscd, or to stderr where it was built without. */
#include "util/port.h"

#ifdef NO_PCSCLITE_LOG
#include <stdio.h>

void port_log(enum port_priority priority, bool is_private, const char *line)
{
	static const char *const names[] = { "debug", "info", "error", "critical" };

	(void)is_private;
	fprintf(stderr, "ifd-ccid %s: %s\n", names[priority], line);
}

#else

/* Comes from pcscd when it loads the driver. Its priorities are in the order of enum
 * port_priority (<debuglog.h>). */
void log_msg(const int priority, const char *fmt, ...);

/* Where pcscd's log is one that hides texts by default (macOS), configure says how a text is
 * marked that may be seen: not as printf() knows it. */
#ifndef LOG_PUBLIC_TEXT
#define LOG_PUBLIC_TEXT "%s"
#endif

void port_log(enum port_priority priority, bool is_private, const char *line)
{
	if (is_private)
		log_msg((int)priority, "%s", line);
	else
		log_msg((int)priority, LOG_PUBLIC_TEXT, line);
}

#endif
