/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef SLOT_ESCAPE_T1_H
#define SLOT_ESCAPE_T1_H

#include "slot/slot_state.h"

/* Extended APDUs on readers of short APDU level that carry T=1 blocks in Escape commands (quirk
 * escape-t1). All under s->lock, with the card CARD_READY. */

/* Is this an APDU that goes so? */
bool slot_escapes(const struct slot *s, const uint8_t *apdu, size_t len);
/* As slot_transmit(). CCID_ERR_NOT_SUPPORTED: the reader does not carry blocks, and the card has
 * none of the command. */
enum ccid_err slot_escape_apdu(struct slot *s, const uint8_t *apdu, size_t len, uint8_t *answer,
			       size_t cap, size_t *answer_len);
/* The reader itself speaks to the card: the next exchange by Escape begins with a
 * resynchronisation. */
void slot_reader_speaks(struct slot *s);

#endif
