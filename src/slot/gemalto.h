/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef SLOT_GEMALTO_H
#define SLOT_GEMALTO_H

#include "slot/slot_state.h"

/* Offsets in the answer of a Gemalto firmware to Escape 6A (21 bytes or more): those that the
 * driver uses. */
enum gemalto_byte {
	GEMALTO_ENTRY_CONDITION = 3,
	GEMALTO_MIN_PIN = 13,
	GEMALTO_MAX_PIN = 14,
};

/* Bits: byte << 8 | mask. */
enum gemalto_bit {
	GEMALTO_NUMBER_MESSAGE_FIX = 8 << 8 | 0x04,
};

static inline bool gemalto_has(const struct reader *r, enum gemalto_bit bit)
{
	return r->has_gemalto_features && (r->gemalto_features[bit >> 8] & (bit & 0xFF)) != 0;
}

#endif
