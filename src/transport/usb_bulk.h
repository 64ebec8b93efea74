/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef USB_BULK_H
#define USB_BULK_H

#include "transport/usb_device.h"

/* The bulk pipes. Under lock unless said otherwise. */

enum ccid_err usb_bulk_init(struct usb_transport *u);
enum ccid_err usb_bulk_send(struct usb_transport *u, struct request *r);
/* The answer that came while the owner of a slot's request looked at the one before is handed
 * to it, or forgotten. */
void usb_bulk_unpark(struct usb_transport *u, unsigned slot);
void usb_bulk_drop_parked(struct usb_slot *s);
/* Not under lock: ends a stall of the bulk endpoints. Blocks, for 5 s at the longest: only the
 * kernel's own request resets the host's data toggle, too. */
void usb_bulk_clear_halt(struct usb_transport *u, unsigned slot);

#endif
