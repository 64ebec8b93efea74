/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef PROTO_T1_LINK_H
#define PROTO_T1_LINK_H

#include "proto/t1_block.h"

/* What T=1 keeps between two commands of a card (ISO 7816-3:2006 §11). One per
 * slot; t1_reset() after each power on. The machine itself is in t1.c and is
 * reached through exchange.h. */
struct t1 {
	uint8_t ns;		/* N(S) of the next I-block we send, 0 or 1 */
	uint8_t nr;		/* N(S) we expect in the card's next I-block */
	uint8_t nad;		/* node address byte of our blocks */
	uint8_t ifsc;		/* most information bytes the card takes, 1..254 */
	uint8_t ifsd;		/* most information bytes we take, 1..254 */
	uint8_t first_ifsc;	/* ifsc as the ATR has it: a resynchronisation may bring it back */
	enum t1_edc edc;	/* the epilogue: what the ATR says, then what the card has shown */
	bool dead;		/* resynchronisation failed: the card needs a reset */
	bool unsettled;		/* an exchange was left half way: the next one begins with
				   S(RESYNCH), so that no late block can answer it */
	bool doubtful;		/* and unsettled only if the reader lied, which says that the block
				   was not sent: a card without S(RESYNCH) that asks for it is
				   believed, too */
};

#endif
