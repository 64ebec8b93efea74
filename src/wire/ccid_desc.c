/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/ccid_desc.h"

#include "util/buf.h"

/* Room for the header and at least one byte behind it. */
#define MIN_MESSAGE_LENGTH (CCID_HEADER_LENGTH + 1)
/* Slots 0 to 254: pcscd's Lun has 8 bits for them. */
#define MAX_SLOTS 255

/* The fields in the order they come in: CCID 1.10 table 5.1-1. */
static void desc_read(struct ccid_desc *d, struct rbuf *r)
{
	d->bcdCCID = rbuf_le16(r);
	d->bMaxSlotIndex = rbuf_u8(r);
	d->bVoltageSupport = rbuf_u8(r);
	d->dwProtocols = rbuf_le32(r);
	d->dwDefaultClock = rbuf_le32(r);
	d->dwMaximumClock = rbuf_le32(r);
	d->bNumClockSupported = rbuf_u8(r);
	d->dwDataRate = rbuf_le32(r);
	d->dwMaxDataRate = rbuf_le32(r);
	d->bNumDataRatesSupported = rbuf_u8(r);
	d->dwMaxIFSD = rbuf_le32(r);
	d->dwSynchProtocols = rbuf_le32(r);
	d->dwMechanical = rbuf_le32(r);
	d->dwFeatures = rbuf_le32(r);
	d->dwMaxCCIDMessageLength = rbuf_le32(r);
	d->bClassGetResponse = rbuf_u8(r);
	d->bClassEnvelope = rbuf_u8(r);
	d->wLcdLayout = rbuf_le16(r);
	d->bPINSupport = rbuf_u8(r);
	d->bMaxCCIDBusySlots = rbuf_u8(r);
}

enum ccid_err ccid_desc_parse(struct ccid_desc *d, const uint8_t *p, size_t len, const char **why)
{
	struct rbuf r = rbuf_of(p, len);
	uint8_t bLength = rbuf_u8(&r);
	uint8_t bDescriptorType = rbuf_u8(&r);

	*why = NULL;
	if (len < CCID_CLASS_DESCRIPTOR_LENGTH || bLength < CCID_CLASS_DESCRIPTOR_LENGTH) {
		*why = "class descriptor too short (bLength)";
		return CCID_ERR_PROTOCOL;
	}
	if (bDescriptorType != CCID_CLASS_DESCRIPTOR_TYPE &&
	    bDescriptorType != CCID_CLASS_DESCRIPTOR_TYPE_OLD) {
		*why = "not a CCID class descriptor (bDescriptorType)";
		return CCID_ERR_PROTOCOL;
	}
	desc_read(d, &r);
	if (d->bInterfaceProtocol == CCID_PROTOCOL_BULK &&
	    d->dwMaxCCIDMessageLength < MIN_MESSAGE_LENGTH) {
		*why = "no room for data in a message (dwMaxCCIDMessageLength)";
		return CCID_ERR_PROTOCOL;
	}
	return CCID_OK;
}

/* How well a descriptor of n bytes does as the class descriptor; 0: not at all. */
static unsigned fitness(const uint8_t *p, size_t n)
{
	if (p[1] == CCID_CLASS_DESCRIPTOR_TYPE)
		return n >= CCID_CLASS_DESCRIPTOR_LENGTH ? 3 : 1;
	return p[1] == CCID_CLASS_DESCRIPTOR_TYPE_OLD && p[0] == CCID_CLASS_DESCRIPTOR_LENGTH &&
			       n == CCID_CLASS_DESCRIPTOR_LENGTH ? 2 : 0;
}

const uint8_t *ccid_desc_find(const uint8_t *extra, size_t extra_len, size_t *len)
{
	const uint8_t *found = NULL;
	unsigned best = 0;

	*len = 0;
	/* Every descriptor begins with bLength and bDescriptorType (USB 2.0 §9.5); a bLength
	 * below 2 leaves no way to the next one. */
	while (extra_len >= 2 && extra[0] >= 2) {
		size_t n = extra[0] < extra_len ? extra[0] : extra_len;
		unsigned fit = fitness(extra, n);

		if (fit > best) {
			found = extra;
			*len = n;
			best = fit;
		}
		extra += n;
		extra_len -= n;
	}
	return found;
}

unsigned ccid_desc_slots(const struct ccid_desc *d)
{
	return d->bMaxSlotIndex < MAX_SLOTS ? d->bMaxSlotIndex + 1u : MAX_SLOTS;
}

unsigned ccid_desc_busy_places(const struct ccid_desc *d)
{
	unsigned places = d->bMaxCCIDBusySlots ? d->bMaxCCIDBusySlots : 1;
	unsigned slots = ccid_desc_slots(d);

	return places < slots ? places : slots;
}

size_t ccid_rates_parse(uint32_t *rates, size_t cap, const uint8_t *p, size_t len,
			unsigned announced)
{
	size_t n = len % 4 == 0 ? len / 4 : 0, stored = 0;

	if (announced != 0 && n > announced)
		n = announced;
	for (size_t i = 0; i < n && stored < cap; i++) {
		uint32_t rate = get_le32(p + 4 * i);

		if (rate != 0)
			rates[stored++] = rate;
	}
	return stored;
}
