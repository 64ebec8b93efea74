/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Stands in for the USB transports when the driver is built without libusb. */
#include "transport/usb.h"

#include <stddef.h>

enum ccid_err usb_host_new(struct usb_host **out)
{
	*out = NULL;
	LOG(LOG_CRITICAL, NULL, "this driver was built without USB support");
	return CCID_ERR_NO_DEVICE;
}

bool usb_host_free(struct usb_host *host)
{
	(void)host;
	return true;
}

enum ccid_err usb_open(struct usb_host *host, const struct usb_open_request *rq,
		       struct transport **out)
{
	(void)host;
	(void)rq;
	*out = NULL;
	return CCID_ERR_NO_DEVICE;
}

struct usb_gate *usb_gate_share(struct usb_gate *gate, struct transport *t)
{
	(void)t;
	return gate;
}

void usb_gate_release(struct usb_gate *gate)
{
	(void)gate;
}
