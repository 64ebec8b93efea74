/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef USB_CONTROL_H
#define USB_CONTROL_H

#include "transport/usb_device.h"

/* One request on the control pipe. data: wLength bytes to send, or room for what comes; *actual
 * (may be NULL): bytes that went or came. Ends soon after the deadline at the latest; when the slot
 * is closed or the handle dies, at once. CCID_ERR_NOT_SUPPORTED: stalled. Not under lock. */
struct usb_setup {
	uint8_t bmRequestType, bRequest;
	uint16_t wValue, wIndex, wLength;
};
enum ccid_err usb_control(struct usb_transport *u, unsigned slot, const struct usb_setup *setup,
			  uint8_t *data, size_t *actual, const struct deadline *d);
void usb_control_init(struct usb_transport *u);

#endif
