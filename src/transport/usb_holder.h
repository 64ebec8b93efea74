/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef USB_HOLDER_H
#define USB_HOLDER_H

#include <stdbool.h>
#include <stddef.h>

/* Private to src/transport/usb_*.c and to the tools: which programs have a device open. */

#define USB_COMM_CAP 32

/* A program that has the node open: its process and its name, in which only printable ASCII is left
 * as it was. */
struct usb_holder {
	long pid;
	char comm[USB_COMM_CAP];
};

/* Calls each() for every process below root ("": the system's own) that has the node
 * ("/dev/bus/usb/BBB/DDD") open. False: there is no /proc, or a process could not be looked into
 * and may have it as well. */
bool usb_each_holder(const char *root, const char *node,
		     void (*each)(void *user, const struct usb_holder *h), void *user);
/* The first that is not this process. False: none is seen. */
bool usb_other_holder(const char *node, struct usb_holder *out);

#endif
