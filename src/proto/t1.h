/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef PROTO_T1_H
#define PROTO_T1_H

#include "proto/exchange_state.h"

/* The state after a reset of the card: N(S) 0 both ways, NAD 0, IFSD 32. crc and ifsc are
 * what the ATR says; an ifsc outside 1..254 counts as 32. */
void t1_reset(struct t1 *t1, bool crc, uint8_t ifsc);

/* PC_to_RDR_Secure at T=1 TPDU level: the reader builds the block itself from bTeoPrologue. */
/* Writes NAD PCB LEN of the next I-block and counts it as sent. */
void t1_secure_prologue(struct t1 *t1, uint8_t out[3], uint8_t len);
/* Takes N(S) back when nothing was sent (cancelled, timed out, refused). */
void t1_secure_unsent(struct t1 *t1);
/* Judges the block that came back: CCID_OK with the information field (*inf points into
 * block); *wtx nonzero: an S(WTX request), whose multiplier it is: send reply[reply_len] as an
 * XfrBlock with that bBWI and judge the next answer likewise; CCID_ERR_PROTOCOL: no usable block,
 * and the next exchange begins with a resynchronisation. */
enum ccid_err t1_secure_answer(struct t1 *t1, const uint8_t *block, size_t len,
			       const uint8_t **inf, size_t *inf_len,
			       uint8_t *wtx, uint8_t reply[6], size_t *reply_len);

/* ISO 7816-3:2006 §11; S(IFS request) and S(RESYNCH request) alone. */
extern const struct exchange_machine t1_machine;
extern const struct exchange_machine t1_ifsd_machine;
extern const struct exchange_machine t1_resynch_machine;	/* t1.c */

#endif
