/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef USB_IGNORED_H
#define USB_IGNORED_H

#include <stdbool.h>

/* Private to src/transport/usb_*.c: has an administrator's udev rule set PCSCLITE_IGNORE for the
 * device? pcscd asks that of the readers that it finds itself. root: "" is the system's own. */
bool usb_is_ignored(const char *root, unsigned bus, unsigned address);

#endif
