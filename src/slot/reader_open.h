/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef SLOT_READER_OPEN_H
#define SLOT_READER_OPEN_H

#include "slot/device_list.h"
#include "slot/reader_slots.h"

/* Private to registry.c: opening and closing pcscd's devices, without the registry's lock. */

/* Opens the device and its first command's slot `number`. host and devices are what USB readers
 * share. rq: how to find a USB device; NULL for a serial line. r->device_name and r->config are
 * set. On success r->transport and all that follows are, and *first is the slot. After an error
 * nothing stays but r itself. */
enum ccid_err reader_open(struct reader *r, struct usb_host *host, struct device_list *devices,
			  const struct usb_open_request *rq, unsigned long lun, unsigned number,
			  struct slot **first);
/* Closes the device. */
void reader_end(struct reader *r);

#endif
