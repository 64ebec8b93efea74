/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef USB_REQUEST_H
#define USB_REQUEST_H

#include "transport/usb_device.h"

/* One request a slot, over the bulk pipes: hooks of struct transport_ops. */

enum ccid_err usb_start(struct transport *t, struct request *r, const struct deadline *d);
enum ccid_err usb_wait(struct transport *t, struct request *r, const struct deadline *d);
void usb_finish(struct transport *t, struct request *r);
enum ccid_err usb_abort(struct transport *t, uint8_t slot, uint8_t seq, const struct deadline *d);
enum card_told usb_card_told(struct transport *t, uint8_t slot);

#endif
