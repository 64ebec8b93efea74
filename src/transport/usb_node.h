/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef USB_NODE_H
#define USB_NODE_H

#include <stdbool.h>
#include <stddef.h>

/* The only file that touches device nodes itself; tests link another one. */

/* Opens a usbfs node ("/dev/bus/usb/BBB/DDD") for reading and writing. Returns a descriptor
 * that the caller closes with usb_node_close(), or -1 with errno; ENOSYS: this system has no such
 * nodes, libusb looks for the device itself. */
int usb_node_open(const char *path);
void usb_node_close(int fd);
/* "bus-port[.port...]" of a node, as in sysfs. False: the system does not say. */
bool usb_node_ports(unsigned bus, unsigned address, char *out, size_t cap);

#endif
