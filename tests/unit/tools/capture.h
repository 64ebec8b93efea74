/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The output of a program to standard output or standard error, for one test program. */
#ifndef TEST_CAPTURE_H
#define TEST_CAPTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include "unit/unit_cmocka.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct capture {
	FILE *stream;		/* stdout or stderr */
	int kept;		/* where it went before */
	int file;
	char text[8192];
};

/* From now on the stream goes to a file without a name, or to `file` (which is then the capture's). */
static inline void capture_begin(struct capture *c, FILE *stream, int file)
{
	char name[] = "/tmp/capture-XXXXXX";

	c->stream = stream;
	c->file = file;
	if (file < 0) {
		c->file = mkstemp(name);
		unlink(name);
	}
	assert_true(c->file >= 0);
	fflush(stream);
	c->kept = dup(fileno(stream));
	assert_true(c->kept >= 0 && dup2(c->file, fileno(stream)) >= 0);
}

static inline const char *capture_end(struct capture *c)
{
	ssize_t n;

	fflush(c->stream);
	clearerr(c->stream);
	dup2(c->kept, fileno(c->stream));
	close(c->kept);
	n = pread(c->file, c->text, sizeof c->text - 1, 0);
	close(c->file);
	c->text[n > 0 ? n : 0] = '\0';
	return c->text;
}

#endif
