/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CCID_DESC_H
#define CCID_DESC_H

#include "util/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CCID_CLASS 0x0B
#define CCID_CLASS_VENDOR 0xFF
#define CCID_CLASS_NONE 0x00
#define CCID_CLASS_DESCRIPTOR_TYPE 0x21
#define CCID_CLASS_DESCRIPTOR_TYPE_OLD 0xFF	/* readers made before CCID had its number */
#define CCID_CLASS_DESCRIPTOR_LENGTH 54

/* bInterfaceProtocol (CCID 1.10 §4.4, ICCD 1.0 §4) */
enum { CCID_PROTOCOL_BULK = 0, CCID_PROTOCOL_ICCD_A = 1, CCID_PROTOCOL_ICCD_B = 2 };

/* dwFeatures (CCID 1.10 §5.1) */
#define CCID_FEATURE_AUTO_ATR_CONFIG 0x00000002u
#define CCID_FEATURE_AUTO_ACTIVATION 0x00000004u
#define CCID_FEATURE_AUTO_VOLTAGE 0x00000008u
#define CCID_FEATURE_AUTO_CLOCK 0x00000010u
#define CCID_FEATURE_AUTO_BAUD 0x00000020u
#define CCID_FEATURE_AUTO_PARAM_NEGOTIATION 0x00000040u
#define CCID_FEATURE_AUTO_PPS 0x00000080u
#define CCID_FEATURE_CLOCK_STOP 0x00000100u
#define CCID_FEATURE_NAD 0x00000200u
#define CCID_FEATURE_AUTO_IFSD 0x00000400u
#define CCID_FEATURE_LEVEL_MASK 0x00070000u
#define CCID_FEATURE_TPDU 0x00010000u
#define CCID_FEATURE_SHORT_APDU 0x00020000u
#define CCID_FEATURE_EXTENDED_APDU 0x00040000u

/* bPINSupport */
#define CCID_PIN_VERIFY 0x01
#define CCID_PIN_MODIFY 0x02

#define CCID_HEADER_LENGTH 10
/* Largest message of the standard: an extended APDU with its header (CCID 1.10 §5.1); a larger
 * claim of dwMaxCCIDMessageLength changes nothing. */
#define CCID_MESSAGE_MAX (CCID_HEADER_LENGTH + 65546u)

/* The class descriptor in the standard's own names, followed by what the
 * interface and device descriptors say. After opening, quirks may have changed
 * it: it is then what the driver believes, not what the device said. */
struct ccid_desc {
	uint16_t bcdCCID;
	uint8_t bMaxSlotIndex;
	uint8_t bVoltageSupport;
	uint32_t dwProtocols;
	uint32_t dwDefaultClock;	/* kHz */
	uint32_t dwMaximumClock;	/* kHz */
	uint8_t bNumClockSupported;
	uint32_t dwDataRate;		/* bps */
	uint32_t dwMaxDataRate;		/* bps */
	uint8_t bNumDataRatesSupported;
	uint32_t dwMaxIFSD;
	uint32_t dwSynchProtocols;
	uint32_t dwMechanical;
	uint32_t dwFeatures;
	uint32_t dwMaxCCIDMessageLength;
	uint8_t bClassGetResponse;
	uint8_t bClassEnvelope;
	uint16_t wLcdLayout;
	uint8_t bPINSupport;
	uint8_t bMaxCCIDBusySlots;

	/* interface */
	uint8_t bInterfaceNumber;
	uint8_t bInterfaceClass;
	uint8_t bInterfaceProtocol;
	uint8_t bulk_out, bulk_in, interrupt_in;	/* bEndpointAddress; 0: none */
	uint16_t bulk_in_packet, bulk_out_packet, interrupt_packet; /* wMaxPacketSize, 11 bits */

	/* device */
	uint16_t idVendor, idProduct, bcdDevice;
};

/* Decodes a class descriptor of at least 54 bytes (a longer one: its first 54
 * count) into the first part of *d; the rest of *d is left alone, and
 * d->bInterfaceProtocol must be set before. Refuses, with
 * *why pointing to a static text that names the field, what cannot be used:
 * short length, wrong bDescriptorType, dwMaxCCIDMessageLength < 11 on bulk.
 * CCID 1.10 §5.1. */
enum ccid_err ccid_desc_parse(struct ccid_desc *d, const uint8_t *p, size_t len, const char **why);

/* Finds the class descriptor by its type in the extra bytes behind an interface
 * descriptor (or behind its last endpoint): the first of type 0x21 that is whole, else
 * the first of type 0xFF with just the right length, else the first of type 0x21.
 * Returns NULL when there is none; *len is what is there of it, bounded
 * by its bLength and by the extra bytes. */
const uint8_t *ccid_desc_find(const uint8_t *extra, size_t extra_len, size_t *len);

/* Slots: bMaxSlotIndex + 1, at most 255 (pcscd's Lun has 8 bits, slot <= 254). */
unsigned ccid_desc_slots(const struct ccid_desc *d);
/* Commands the reader takes at once: bMaxCCIDBusySlots, 0 counts as 1, never
 * more than the slots there are. */
unsigned ccid_desc_busy_places(const struct ccid_desc *d);

/* Decodes the answer to GET_DATA_RATES / GET_CLOCK_FREQUENCIES (CCID 1.10 §5.3.2,
 * §5.3.3): little-endian dwords. Returns how many were stored in rates (at most
 * cap): those that are not 0, of as many as `announced` says (0: all); fewer count as well.
 * 0 when len is not a multiple of 4. */
size_t ccid_rates_parse(uint32_t *rates, size_t cap, const uint8_t *p, size_t len,
			unsigned announced);

#endif
