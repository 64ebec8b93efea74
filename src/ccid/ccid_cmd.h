/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CCID_CMD_H
#define CCID_CMD_H

#include "ccid/ccid_slot.h"

/* Each function is one round trip (slot busy is retried, time extensions are granted
 * up to total_ms from the start): CCID 1.10 §6.1 and §6.2. They return CCID_OK, the
 * transport's error, or what bError means (then cs->bError has it). wait_ms is how
 * long the reader may be silent; output buffers are never exceeded: when the
 * answer is longer, *len is its whole length and the result CCID_ERR_OVERFLOW. */
enum ccid_err ccid_get_slot_status(struct ccid_slot *cs, unsigned wait_ms);
/* The same unless the reader's busy places are taken: CCID_ERR_BUSY at once, bError 0. Before the
 * slot's first answer a place is waited for, at most CCID_COMMAND_MS (CCID_ERR_TIMEOUT). */
enum ccid_err ccid_look(struct ccid_slot *cs);
enum ccid_err ccid_power_on(struct ccid_slot *cs, uint8_t bPowerSelect, uint8_t *atr, size_t cap,
			    size_t *len);
enum ccid_err ccid_power_off(struct ccid_slot *cs);
/* At closing: one try, at most wait_ms in all. CCID_ANSWER_OWED: the reader did not answer. */
void ccid_power_off_briefly(struct ccid_slot *cs, unsigned wait_ms);
/* What an XfrBlock brought back; data points into the slot's answer buffer, until the next
 * command. */
struct ccid_block {
	const uint8_t *data;
	size_t len;
	uint8_t bChainParameter;
};
/* The caller ends a run of blocks with ccid_forget(). */
enum ccid_err ccid_xfr_block(struct ccid_slot *cs, const uint8_t *data, size_t len, uint8_t bBWI,
			     uint16_t wLevelParameter, unsigned wait_ms, struct ccid_block *out);
/* The same by PC_to_RDR_Escape, for readers that carry blocks so: what came is all of the answer's
 * data. */
enum ccid_err ccid_escape_block(struct ccid_slot *cs, const uint8_t *data, size_t len,
				unsigned wait_ms, struct ccid_block *out);
/* bError 01..7F (that parameter cannot be changed) counts as done; 00: CCID_ERR_NOT_SUPPORTED. */
enum ccid_err ccid_set_parameters(struct ccid_slot *cs, uint8_t protocol, const uint8_t *params,
				  size_t len);
enum ccid_err ccid_escape(struct ccid_slot *cs, const uint8_t *data, size_t len, unsigned wait_ms,
			  uint8_t *out, size_t cap, size_t *out_len);
/* Did the newest command end because the user cancelled the PIN entry (EF) or let it time out (F0)?
 * Then the status words are 64 *sw2. */
bool ccid_pin_sw2(const struct ccid_slot *cs, uint8_t *sw2);
/* data is abPINDataStructure preceded by bPINOperation; PIN cancelled (EF) and PIN timeout (F0)
 * come back as CCID_OK with SW 64 01 / 64 00 in out. wait_ms also bounds extensions. */
enum ccid_err ccid_secure(struct ccid_slot *cs, uint8_t bBWI, uint16_t wLevelParameter,
			  const uint8_t *data, size_t len, unsigned wait_ms,
			  uint8_t *out, size_t cap, size_t *out_len, bool *not_sent);

#endif
