/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef USB_INTR_H
#define USB_INTR_H

#include "transport/usb_device.h"

/* Slot changes: the standing interrupt transfer, and the polls. */

enum ccid_err usb_intr_init(struct usb_transport *u);
/* Submits the standing transfer for the first time. Not under lock. */
void usb_intr_start(struct usb_transport *u);
enum ccid_err usb_wait_change(struct transport *t, uint8_t slot, const struct deadline *d);
void usb_stop_change(struct transport *t, uint8_t slot);
void usb_mark_changed(struct transport *t, uint8_t slot);

#endif
