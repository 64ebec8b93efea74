/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef SLOT_READER_H
#define SLOT_READER_H

#include "slot/slot_state.h"
#include "transport/usb.h"

/* Private to registry.c and reader.c: opening and closing devices, without the registry's lock. */

/* One that is not open yet, ended by reader_free(). NULL: out of memory. */
struct reader *reader_new(const char *device_name);
/* For lines about it; valid until reader_free(). */
struct log_ctx reader_log(struct reader *r, unsigned long lun);

/* Opens the device and its first command's slot `number`. host and devices are what USB readers
 * share. rq: how to find a USB device; NULL for a serial line. r->device_name and r->config are
 * set. On success r->transport and all that follows are, and *first is the slot. After an error
 * nothing stays but r itself. */
enum ccid_err reader_open(struct reader *r, struct usb_host *host, struct device_list *devices,
			  const struct usb_open_request *rq, unsigned long lun, unsigned number,
			  struct slot **first);
/* A further slot of an open reader. NULL: out of memory. */
struct slot *reader_new_slot(struct reader *r, unsigned long lun, unsigned number);
/* Powers the card off, unless the reader is gone, and frees the slot; nobody uses it. */
void reader_free_slot(struct slot *s);
void reader_close(struct reader *r);
void reader_free(struct reader *r);

#endif
