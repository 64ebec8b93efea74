/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef USB_ICCD_H
#define USB_ICCD_H

#include "transport/usb_device.h"

/* USB ICCs: what opening needs, and hooks of struct transport_ops. */

enum ccid_err usb_iccd_open(struct usb_transport *u);
enum ccid_err usb_iccd_start(struct transport *t, struct request *r, const struct deadline *d);
enum ccid_err usb_iccd_wait(struct transport *t, struct request *r, const struct deadline *d);
void usb_iccd_finish(struct transport *t, struct request *r);
enum ccid_err usb_iccd_reopen(struct transport *t, const struct deadline *d);

#endif
