/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CCID_INTERFACE_H
#define CCID_INTERFACE_H

#include "wire/ccid_desc.h"

/* From the descriptors of a USB interface to struct ccid_desc, zeroed before. */

/* An endpoint descriptor: the first of each kind counts. */
void ccid_desc_endpoint(struct ccid_desc *d, uint8_t bEndpointAddress, uint8_t bmAttributes,
			uint16_t wMaxPacketSize);

/* An interface descriptor, after its endpoints, with the class descriptor found for it (NULL:
 * none). Returns why the driver cannot use the interface (static text), or NULL. */
const char *ccid_desc_interface(struct ccid_desc *d, uint8_t bInterfaceNumber,
				uint8_t bInterfaceClass, uint8_t bInterfaceProtocol,
				const uint8_t *class_descriptor, size_t len);

/* Is an interface of that class, with what was found as its class descriptor, a reader's? */
bool ccid_desc_is_reader(uint8_t bInterfaceClass, const uint8_t *class_descriptor, size_t len);

#endif
