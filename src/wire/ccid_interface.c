/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/ccid_interface.h"

#include "util/buf.h"

#define PACKET_MASK 0x07FF	/* wMaxPacketSize bits 0..10 (USB 2.0 §9.6.6) */
#define FEATURE_USB_WAKE_UP 0x00000800u	/* ICCD 1.0: set by every USB ICC */
/* bmAttributes, USB 2.0 table 9-13 */
#define TYPE_MASK 0x03
enum { TYPE_BULK = 2, TYPE_INTERRUPT = 3 };
#define ENDPOINT_IN 0x80

void ccid_desc_endpoint(struct ccid_desc *d, uint8_t bEndpointAddress, uint8_t bmAttributes,
			uint16_t wMaxPacketSize)
{
	unsigned type = bmAttributes & TYPE_MASK;
	bool in = bEndpointAddress & ENDPOINT_IN;
	uint16_t packet = wMaxPacketSize & PACKET_MASK;

	if (type == TYPE_BULK && in && !d->bulk_in) {
		d->bulk_in = bEndpointAddress;
		d->bulk_in_packet = packet;
	} else if (type == TYPE_BULK && !in && !d->bulk_out) {
		d->bulk_out = bEndpointAddress;
		d->bulk_out_packet = packet;
	} else if (type == TYPE_INTERRUPT && in && !d->interrupt_in) {
		d->interrupt_in = bEndpointAddress;
		d->interrupt_packet = packet;
	}
}

/* Bulk or control pipe? Readers older than the standards have other numbers in bInterfaceProtocol
 * than what they do: both bulk endpoints and nothing of ICCD in dwFeatures is CCID. */
static uint8_t protocol_of(const struct ccid_desc *d, uint8_t bInterfaceProtocol)
{
	bool bulk = d->bulk_in && d->bulk_out;

	if (bulk && (!(d->dwFeatures & FEATURE_USB_WAKE_UP) ||
		     bInterfaceProtocol > CCID_PROTOCOL_ICCD_B))
		return CCID_PROTOCOL_BULK;
	return bInterfaceProtocol;
}

const char *ccid_desc_interface(struct ccid_desc *d, uint8_t bInterfaceNumber,
				uint8_t bInterfaceClass, uint8_t bInterfaceProtocol,
				const uint8_t *class_descriptor, size_t len)
{
	const char *why = "";
	enum ccid_err err;

	if (!class_descriptor)
		return "no class descriptor";
	d->bInterfaceNumber = bInterfaceNumber;
	d->bInterfaceClass = bInterfaceClass;
	if (len >= CCID_CLASS_DESCRIPTOR_LENGTH)
		d->dwFeatures = get_le32(class_descriptor + 40);
	d->bInterfaceProtocol = protocol_of(d, bInterfaceProtocol);
	err = ccid_desc_parse(d, class_descriptor, len, &why);
	if (d->bInterfaceProtocol > CCID_PROTOCOL_ICCD_B)
		return "bInterfaceProtocol is none of 0, 1, 2";
	if (err != CCID_OK)
		return why;
	if (d->bInterfaceProtocol == CCID_PROTOCOL_BULK && (!d->bulk_in || !d->bulk_out))
		return "a bulk endpoint is missing";
	if (d->bInterfaceProtocol == CCID_PROTOCOL_BULK &&
	    (!d->bulk_in_packet || !d->bulk_out_packet))
		return "wMaxPacketSize of a bulk endpoint is 0";
	return NULL;
}

bool ccid_desc_is_reader(uint8_t bInterfaceClass, const uint8_t *class_descriptor, size_t len)
{
	if (bInterfaceClass == CCID_CLASS)
		return true;
	/* Readers older than the standard, and readers of ACS that fill in no class (ACR83U,
	 * ACR88U, ACR128U and others): a class descriptor of the right shape must be there. */
	return (bInterfaceClass == CCID_CLASS_VENDOR || bInterfaceClass == CCID_CLASS_NONE) &&
	       class_descriptor && len >= CCID_CLASS_DESCRIPTOR_LENGTH;
}
