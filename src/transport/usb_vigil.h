/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef USB_VIGIL_H
#define USB_VIGIL_H

#include "transport/usb_device.h"

/* What a wait knows besides the answer. All under lock. */

/* A request begins; a notification told of a slot's card; the IN transfer was taken back and held
 * no frame. */
void usb_vigil_begin(struct usb_transport *u, struct usb_slot *s);
void usb_vigil_card(struct usb_transport *u, struct usb_slot *s, bool present, bool moved);
void usb_vigil_peeked(struct usb_transport *u);
/* A frame that fills its packets may lie in the IN transfer when the reader does not close it with
 * a zero-length packet. It is looked for twice in a command, until it was found once: a cancelled
 * transfer is a risk of its own on some host controllers. */
#define USB_FIRST_PEEK_NS UINT64_C(1000000000)
/* How long a reader may leave a message in bulk OUT. What it has not taken no card works at:
 * libccid does not wait longer either. A message that was taken is another thing: silence does not
 * prove that the reader is dead, and asking it over the control pipe would not, for firmware that
 * does one thing at a time is silent there as well. A halted endpoint, a bus error and an unplugged
 * device end the bulk IN transfer that is always there, at once. */
#define USB_TAKE_NS UINT64_C(5000000000)

/* When the IN transfer is looked into next. */
void usb_vigil_plan(const struct usb_transport *u, struct usb_vigil *v, uint64_t now);

#endif
