/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TRANSPORT_SERIAL_TYPES_H
#define TRANSPORT_SERIAL_TYPES_H

#include "wire/ccid_desc.h"

/* A kind of serial reader. It tells no class descriptor on the wire: what it can
 * do is known here. */
struct serial_type {
	const char *name;	/* as in reader.conf behind the colon; case does not matter */
	const char *manufacturer;
	bool echoes;		/* repeats each command before it answers */
	bool notifies;		/* card movements, once asked by Escape 01 01 01 */
	bool starts_slow;	/* may be at 9600 bps after power up */
	uint8_t firmware_escape; /* Escape that tells the firmware version */
	struct ccid_desc desc;
	const uint32_t *rates;	/* bps; NULL: no table */
	size_t n_rates;
};

/* The type of that name (len characters), the default type for len 0, or NULL. */
const struct serial_type *serial_type_find(const char *name, size_t len);
/* All names, for an error message: "GemPCTwin, GemPCPinPad, ...". */
const char *serial_type_names(void);
/* The i-th type, or NULL behind the last. */
const struct serial_type *serial_type_at(size_t i);

#endif
