/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TOOLS_BUS_H
#define TOOLS_BUS_H

/* The USB devices that sysfs shows. No device is opened. */

#include "tools/system.h"
#include "wire/ccid_desc.h"

#include <stdint.h>

#define BUS_FACES 8

/* An interface that looks like a reader. */
struct bus_face {
	struct ccid_desc desc;
	const char *fault; /* why the driver cannot use it; static text or NULL */
};

struct bus_device {
	char port[64]; /* name in sysfs: "1-2.4" */
	unsigned bus, address;
	uint16_t vendor, product, version;
	char title[128]; /* the device's own strings; no control characters, as in serial */
	char serial[128];
	unsigned configuration; /* bConfigurationValue; 0: none is active */
	unsigned n_faces;
	struct bus_face face[BUS_FACES];
};

/* Hands over every device but the hubs' roots, in the order of their names, until each() returns
 * true. The device is valid during the call. */
void bus_each(const struct system_root *root,
	      bool (*each)(void *user, const struct bus_device *device), void *user);

/* The exchange level in words; static text. */
const char *bus_level(const struct ccid_desc *desc);

#endif
