/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef SLOT_READER_H
#define SLOT_READER_H

#include "slot/slot_state.h"

/* A reader from its open transport to its end. */

/* A reader that is not open yet, ended by reader_free(). NULL: out of memory. */
struct reader *reader_new(const char *device_name);
/* For lines about it; valid until reader_free(). */
struct log_ctx reader_log(struct reader *r, unsigned long lun);

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
/* Closes the transport, if there is one. */
void reader_close(struct reader *r);
void reader_free(struct reader *r);

#endif
