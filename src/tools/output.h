/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TOOLS_OUTPUT_H
#define TOOLS_OUTPUT_H

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* The end of a program's standard output: `good` when all of it has been written; otherwise a
 * line on standard error and `failed`. Both are exit codes. */
static inline int output_end(const char *program, int good, int failed)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return good;
	fprintf(stderr, "%s: standard output: %s\n", program, strerror(errno));
	return failed;
}

#endif
