/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef USB_FIND_H
#define USB_FIND_H

#include "transport/usb.h"

#include <libusb.h>

/* Private to src/transport/usb_*.c and to the tools: looking for interfaces and devices. */

/* The class descriptor: among the interface's extra bytes, else behind one of its endpoints, of
 * which the last comes first. Result and *len as ccid_desc_find() says. */
const uint8_t *usb_class_descriptor(const struct libusb_interface_descriptor *alt, size_t *len);
/* A class 0B interface, or one of class FF with a whole class descriptor. */
bool usb_is_reader(const struct libusb_interface_descriptor *alt);
/* Why the driver cannot use an interface (static text), or NULL; *d is filled: class descriptor,
 * interface and endpoints, as far as they are there. The ids in *d are left alone. */
const char *usb_interface_fault(const struct libusb_interface_descriptor *alt, struct ccid_desc *d);

/* The identity of a device behind a node: its device descriptor, and the interface's class,
 * protocol and class descriptor. */
struct usb_identity {
	struct libusb_device_descriptor device;
	uint8_t bConfigurationValue;	/* 0: the device does not tell, and the rest is not known */
	uint8_t bInterfaceClass, bInterfaceProtocol;
	uint8_t class_descriptor[CCID_CLASS_DESCRIPTOR_LENGTH];
};

/* "bus-port[.port...]", at most 7 ports deep (USB 2.0 §4.1.1). */
#define USB_PORTS_CAP 40
/* Where the device is plugged in, as sysfs names it, by libusb's list of devices. False: it is not
 * there. */
bool usb_find_ports(unsigned bus, unsigned address, char out[USB_PORTS_CAP]);

/* Of bInterfaceNumber `interface`. Returns a libusb error code. */
int usb_identify(libusb_device *dev, int interface, struct usb_identity *out);
/* Unknown fields of either side do not count. */
bool usb_same_identity(const struct usb_identity *a, const struct usb_identity *b);

/* Finds the CCID or ICCD interface in the device's configuration: the one that name->interface
 * says, else the first. Fills *desc (class descriptor, interface, endpoints, ids), name->interface
 * and *n_interfaces (CCID interfaces of the device).
 * CCID_ERR_NO_DEVICE: the ids are not those of the name, there is no such interface, or it cannot
 * be used; CCID_ERR_COMM: the descriptors cannot be read. One log line each. */
enum ccid_err usb_find_interface(libusb_device *dev, const struct libusb_device_descriptor *dd,
				 struct usb_name *name, const struct log_ctx *log,
				 struct ccid_desc *desc, unsigned *n_interfaces);

/* Of the CCID interfaces on any bus that fit rq->name (its ids; 0: any; of_class: those that are
 * not listed, of the very class and usable) and are not taken, the next one behind the place (bus,
 * address, interface) that *found has; from 0, 0, -1 the first. CCID_ERR_NO_DEVICE: there is none,
 * and *found is as it was. */
enum ccid_err usb_find_next(const struct usb_open_request *rq, struct usb_name *found);

/* An open node -> a libusb handle. Without a node (fd is -1), and where configure found no
 * libusb_wrap_sys_device(), the device is looked up by bus and address. Returns a libusb error
 * code. */
int usb_wrap_node(libusb_context *ctx, int fd, const struct usb_name *name,
		  libusb_device_handle **handle);

#endif
