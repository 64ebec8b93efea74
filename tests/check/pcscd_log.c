/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The log functions that pcscd has for its drivers, for test programs: TAP comments when
 * TEST_LOG is set in the environment, else silence. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void log_msg(const int priority, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void log_xxd(const int priority, const char *msg, const unsigned char *buffer, const int size);

void log_msg(const int priority, const char *fmt, ...)
{
	va_list ap;

	if (!getenv("TEST_LOG"))
		return;
	fprintf(stderr, "# %d: ", priority);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

void log_xxd(const int priority, const char *msg, const unsigned char *buffer, const int size)
{
	(void)buffer;
	log_msg(priority, "%s (%d bytes)", msg, size);
}
