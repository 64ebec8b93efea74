/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef SLOT_READER_SLOTS_H
#define SLOT_READER_SLOTS_H

#include "slot/slot_state.h"

/* A reader from its open transport to the first answered command, and its slots from then on. */

/* r->transport (open) and r->config are set: everything before the first command. */
enum ccid_err reader_prepare(struct reader *r, const struct log_ctx *log);
/* Makes the first slot that is used, waits until the reader answers, and sends what it needs to be
 * told once. *out: the slot, NULL after an error. */
enum ccid_err reader_first_slot(struct reader *r, unsigned long lun, unsigned number,
				const struct log_ctx *log, struct slot **out);
/* A further slot of an open reader. NULL: out of memory. */
struct slot *reader_new_slot(struct reader *r, unsigned long lun, unsigned number);
/* Powers the card off, unless the reader is gone, and frees the slot, which no call uses. */
void reader_free_slot(struct slot *s);

#endif
