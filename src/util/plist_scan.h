/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef UTIL_PLIST_SCAN_H
#define UTIL_PLIST_SCAN_H

#include "util/err.h"

#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>

/* Between the scanner (plist.l) and the property list it fills (plist.c). */
enum plist_tag {
	PLIST_TAG_PLIST, PLIST_TAG_DICT, PLIST_TAG_ARRAY,
	PLIST_TAG_KEY, PLIST_TAG_STRING,
	PLIST_TAG_OTHER,	/* <integer>, <true/>, <data> ...: read over */
};

/* The scanner's extra data. text collects what stands between two tags. */
struct plist_scan {
	void *sink;		/* struct builder of plist.c */
	unsigned line;
	const char *why;	/* set: stop */
	bool no_memory;
	char *text;
	size_t text_len, text_cap;
	jmp_buf out_of_memory;	/* the only way out of the generated code */
	size_t arena_used;
	_Alignas(16) unsigned char arena[1024];	/* what the generated code allocates */
};

/* plist.c: callbacks of the scanner; sets scan->why to stop it. name is the tag's. */
void plist_on_open(struct plist_scan *scan, enum plist_tag tag, bool closed_at_once);
void plist_on_close(struct plist_scan *scan, enum plist_tag tag);
void plist_on_text(struct plist_scan *scan, const char *p, size_t len);

/* plist.l: runs over the text until its end or until scan->why is set. text has room for len + 2
 * bytes and is changed. */
void plist_run(struct plist_scan *scan, char *text, size_t len);

#endif
