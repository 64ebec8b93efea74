/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef UTIL_PLIST_H
#define UTIL_PLIST_H

#include "util/err.h"

#include <stddef.h>

/* Largest Info.plist that is read, in bytes; one with all known readers has about 100 KB. */
#define PLIST_MAX_BYTES ((size_t)2 * 1024 * 1024)

/* The outermost dictionary of an XML property list: each key has the strings of its <string>, or
 * of its <array> of <string>. Values of other kinds count as an empty list. */
struct plist;

/* Where and why a property list cannot be used. */
struct plist_error {
	const char *why;	/* static text */
	unsigned line;		/* from 1; 0: the file as a whole */
	int error;		/* errno of a file that cannot be read; 0: it was read */
};

/* Parses len bytes (need not end with a zero). On success *out is the caller's, to be ended by
 * plist_free(). CCID_ERR_CONFIG (and *e filled) for anything that is not a whole property list;
 * CCID_ERR_NOMEM. Reentrant. */
enum ccid_err plist_parse(struct plist **out, const char *text, size_t len, struct plist_error *e);

/* The same for a file of at most PLIST_MAX_BYTES. Only a regular file is read. */
enum ccid_err plist_read(struct plist **out, const char *path, struct plist_error *e);

/* How many strings a key has; 0 when there is no such key. */
size_t plist_count(const struct plist *p, const char *key);
/* The i-th string of a key (UTF-8, entities resolved), valid until plist_free(); NULL when
 * there is none. */
const char *plist_get(const struct plist *p, const char *key, size_t i);

/* Calls each() for the strings of a key in their order: many of them are quicker had so. */
void plist_each(const struct plist *p, const char *key,
		void (*each)(void *user, size_t i, const char *value), void *user);

/* NULL is allowed. */
void plist_free(struct plist *p);

#endif
