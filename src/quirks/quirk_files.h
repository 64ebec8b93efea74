/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef QUIRK_FILES_H
#define QUIRK_FILES_H

#include "quirks/quirks.h"

/* Files NAME.quirk, which administrators put into a folder: an entry a line as in IFDCCID_QUIRKS,
 * and comments that begin with '#'. */

/* Applies the lines of a text of len bytes, any bytes. A line with a mistake is logged under the
 * name of its file, and has no effect. */
void quirk_files_text(struct quirk_set *q, const struct quirk_ids *ids, const char *file,
		      const char *p, size_t len);

/* Applies all files of a folder, in the order of their names; none when there is no such folder.
 * What cannot be read is logged and passed over. */
void quirk_files_apply(struct quirk_set *q, const struct quirk_ids *ids, const char *folder);

#endif
