/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef PROTO_EXCHANGE_H
#define PROTO_EXCHANGE_H

#include "proto/exchange_state.h"

/* Starts an exchange. apdu is at least 1 byte, and must stay as it is until the end; answer may
 * not overlap it. t1 is kept across exchanges by the caller (NULL where the reader speaks
 * the protocol). At most answer_cap bytes are written; answer_len is the whole length, up
 * to EXCHANGE_ANSWER_MAX, beyond which the exchange fails with CCID_ERR_OVERFLOW. An APDU the
 * level cannot carry fails with CCID_ERR_TOO_LONG (too many bytes) or CCID_ERR_NOT_SUPPORTED
 * (extended APDU at T=0 below the APDU levels), one that is not a command with CCID_ERR_ARG.
 * An answer without SW1 SW2 fails with CCID_ERR_PROTOCOL.
 * ISO 7816-3:2006 §10-§12, CCID 1.10 §3.2, §6.1.4. */
struct exchange_step exchange_begin(struct exchange *x, const struct exchange_config *cfg,
				    struct t1 *t1, const uint8_t *apdu, size_t apdu_len,
				    uint8_t *answer, size_t answer_cap);

/* Starts the exchange of one S(IFS request) that tells the card our IFSD (1..254); steps
 * and feeding as above, no answer bytes. On STEP_DONE t1->ifsd is set; a card
 * that refuses or fails leaves it at what it was, and the caller goes on. §11.4.2 */
struct exchange_step exchange_begin_ifsd(struct exchange *x, const struct exchange_config *cfg,
					 struct t1 *t1, uint8_t ifsd);

/* Starts the exchange of one S(RESYNCH request), for a command that is not an exchange
 * (PC_to_RDR_Secure) and comes after one that was left half way (t1->unsettled). On STEP_DONE both
 * ends are at N(S) 0 again. No answer bytes. §11.6.3.2 rule 6 */
struct exchange_step exchange_begin_resynch(struct exchange *x, const struct exchange_config *cfg,
					    struct t1 *t1);

/* Feeds the outcome of the step asked for: CCID_OK with the abData that came
 * (and bChainParameter), or the error of the round trip (PARITY, COMM, MUTE and
 * TIMEOUT are what a T=1 machine may repair; others end the exchange). */
struct exchange_step exchange_feed(struct exchange *x, enum ccid_err result,
				   const uint8_t *data, size_t len, uint8_t bChainParameter);

/* Ends an exchange, whatever its state, with these status words: the reader itself answered the
 * command. */
struct exchange_step exchange_finish(struct exchange *x, uint8_t sw1, uint8_t sw2);

/* Wipes what the machine holds. answer_len stays readable. */
void exchange_end(struct exchange *x);

#endif
