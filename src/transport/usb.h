/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TRANSPORT_USB_H
#define TRANSPORT_USB_H

#include "transport/transport.h"
#include "transport/usb_failures.h"

/* What all USB readers of the process share: libusb's context and the pump (usb_pump.h). */
struct usb_host;

enum ccid_err usb_host_new(struct usb_host **out);
/* No reader of it may be open. False: the kernel still has transfers of one that was closed; the
 * host stays, for the next reader. */
bool usb_host_free(struct usb_host *host);

/* A device name of pcscd taken apart. interface -1: not said; node "": look for the first match;
 * idVendor 0: any supported reader. */
struct usb_name {
	uint16_t idVendor, idProduct;
	int interface;
	unsigned bus, address;
	char node[64];
	bool of_class;		/* any reader that tells its class and is not listed */
};

/* "usb:vvvv/pppp:libudev:i:/dev/bus/usb/BBB/DDD", "usb:vvvv/pppp:libusb-1.0:bus:address:interface",
 * "usb:vvvv/pppp", "usb:class", "usb:class:N" (N in decimal makes one more name; each stands for
 * the first that is free). CCID_ERR_ARG for anything else. */
enum ccid_err usb_name_parse(const char *device_name, struct usb_name *out);

/* Opens and claims the CCID or ICCD interface that the name stands for. CCID_ERR_NO_DEVICE,
 * quietly, for an interface that is not a CCID; other errors after one log line. For names without
 * a node: `taken` tells whether bus/address/interface is open already (may be NULL); for those of
 * the class: `listed` tells whether the reader has another name (may be NULL), and what cannot be
 * opened is passed over for the next one. On success *out is the caller's, to be ended by
 * ops->close(). */
struct usb_open_request {
	const struct usb_name *name;
	const struct log_ctx *log;	/* copied; what it points to outlives the transport */
	bool (*taken)(void *user, unsigned bus, unsigned address, int interface);
	bool (*listed)(void *user, uint16_t idVendor, uint16_t idProduct);
	void *user;
	struct usb_failures *failures;	/* what attempts before this one came to; may be NULL */
};
enum ccid_err usb_open(struct usb_host *host, const struct usb_open_request *rq,
		       struct transport **out);

/* "bus-port[.port...]:config.interface" as in sysfs, zero-terminated, at most cap bytes.
 * CCID_ERR_SHORT_BUFFER when it does not fit. */
enum ccid_err usb_bus_path(struct transport *t, char *out, size_t cap);

/* What lets commands in (usb_gate.h). */
struct usb_gate;
/* Makes interfaces of one device take turns, t being one of them, before its first start(): they
 * have one gate, the smallest number of places. gate: what this gave for another of them; NULL: t
 * is the first. The caller releases once what comes back for all of them. */
struct usb_gate *usb_gate_share(struct usb_gate *gate, struct transport *t);
/* NULL is fine. */
void usb_gate_release(struct usb_gate *gate);

#endif
