/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef SIM_RECORD_FILE_H
#define SIM_RECORD_FILE_H

#include <stdbool.h>
#include <stdio.h>

/* The file of a recording. A file that exists is left as it is until something is recorded. */
struct record_file {
	FILE *out;
	char name[300];
	bool made;	/* did not exist before */
};

/* Opens name, or for NULL a new file in this folder that has the name of the ids: 08e6-3437.ccidlog, or
 * 08e6-3437-2.ccidlog. False with a message when that cannot be written. */
bool record_file_open(struct record_file *f, const char *name, unsigned vendor, unsigned product);

/* Empties the file: now something is recorded. */
void record_file_begin(struct record_file *f);

/* Closes the file, and removes it when it is new and nothing is recorded. Returns false when it could not be written
 * (errno). Without effect on a file that is closed. */
bool record_file_close(struct record_file *f, bool recorded);

#endif
