/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CCID_CONFIG_H
#define CCID_CONFIG_H

#include "wire/ccid_desc.h"

/* struct ccid_desc from the bytes that a device gives: device (18) is its device descriptor, config
 * its configuration descriptor with all that follows. interface: bInterfaceNumber, or -1 for
 * the first reader's. Returns NULL and *d, or why there is none that can be used (static text). */
const char *ccid_desc_of(struct ccid_desc *d, const uint8_t device[18], const uint8_t *config,
			 size_t len, int interface);

#endif
