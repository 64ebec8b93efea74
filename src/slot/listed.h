/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef SLOT_LISTED_H
#define SLOT_LISTED_H

#include "util/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The readers that pcscd offers to a driver by their ids, whichever that is: what the Info.plist of
 * each bundle lists. */
struct listed {
	uint32_t *ids;		/* idVendor << 16 | idProduct; owned */
	size_t n;
};

/* Reads FOLDER/NAME.bundle/Contents/Info.plist for every NAME. What pcscd cannot read counts for
 * nothing here either, after a log line. CCID_ERR_NOMEM, CCID_ERR_CONFIG (the folder cannot be
 * read, after a log line): *l is empty, and what is listed is unknown. Else *l is the caller's,
 * to be ended by listed_free(). */
enum ccid_err listed_load(struct listed *l, const char *folder);
bool listed_has(const struct listed *l, uint16_t idVendor, uint16_t idProduct);
/* Of one that is all zeros, too. */
void listed_free(struct listed *l);

#endif
