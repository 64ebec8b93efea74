/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TOOLS_TRACE_OUTPUT_H
#define TOOLS_TRACE_OUTPUT_H

/* Where ccid-trace writes. A file gets its name at the end only, so that a run that converts
 * nothing leaves the file of that name as it is. */

#include <stdbool.h>
#include <stdio.h>

struct trace_output {
	FILE *to;
	const char *name; /* of the file; NULL: standard output. Not owned */
	char *target;	  /* name without links; NULL: to is written as it is */
	char *part;	  /* the file's name until then */
};

/* Opens the file of that name, or standard output for NULL. False with a message when it cannot be
 * written, or is the file that is read, from in. */
bool trace_output_open(struct trace_output *o, const char *name, FILE *in);
/* Closes the file; keep: it is given its name, else it is removed. False with a message when not
 * all could be written: then the file is removed, too. */
bool trace_output_close(struct trace_output *o, bool keep);

#endif
