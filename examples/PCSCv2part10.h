/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef PCSCV2PART10_H
#define PCSCV2PART10_H

/* Helpers for PC/SC v2 part 10: what an application needs to find its way through the two lists that
 * a reader answers with. No PC/SC call is made here: bytes in, values out. Copy the two files into
 * a program of your own as they are. */
#include <stddef.h>
#include <stdint.h>

/* Looks a feature up in the answer to CM_IOCTL_GET_FEATURE_REQUEST.
 * list, len: the answer, in bytes; feature: FEATURE_... of <reader.h>, 1 to 255.
 * Returns the control code to hand to SCardControl(), or 0 when the reader does not have the feature. */
uint32_t part10_control_code(const uint8_t *list, size_t len, uint8_t feature);

/* Result of part10_property(). */
enum part10_found {
	PART10_FOUND = 0,
	PART10_NOT_THERE = -1,	/* the reader says nothing about it */
	PART10_NOT_A_NUMBER = -2,	/* the value is not 1, 2 or 4 bytes long: a text */
};

/* Looks a property up in the answer to FEATURE_GET_TLV_PROPERTIES.
 * list, len: the answer, in bytes; property: PCSCv2_PART10_PROPERTY_... of <reader.h>.
 * *value is set with PART10_FOUND only. */
enum part10_found part10_property(const uint8_t *list, size_t len, uint8_t property, uint32_t *value);

/* The value of a property as it is, for texts (sFirmwareID). Points into list, *value_len bytes, not
 * zero-terminated; NULL when it is not there. */
const uint8_t *part10_property_bytes(const uint8_t *list, size_t len, uint8_t property, size_t *value_len);

#endif
