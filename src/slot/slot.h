/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef SLOT_H
#define SLOT_H

#include "slot/slot_state.h"

/* What can be done with a slot: each takes its lock. */

/* IFDHPowerICC up and reset: *len is always set; atr has room for ATR_MAX bytes. A card that kept
 * its power (quirk keep-power) gives its ATR once more, and is not reset, when it is powered on. */
enum ccid_err slot_power_on(struct slot *s, uint8_t *atr, size_t *len);
enum ccid_err slot_reset(struct slot *s, uint8_t *atr, size_t *len);
enum ccid_err slot_power_off(struct slot *s);
/* CCID_OK and *present; CCID_ERR_NO_DEVICE when the reader is gone, CCID_ERR_COMM when pcscd
 * knows that it is (reader_set_gone). */
enum ccid_err slot_presence(struct slot *s, bool *present);
/* IFDHSetProtocolParameters: protocol 0 or 1. */
enum ccid_err slot_set_protocol(struct slot *s, unsigned protocol);
/* One APDU. *answer_len: on success the whole length of the answer, which may be
 * larger than cap (then cap bytes are written); 0 on every error. */
enum ccid_err slot_transmit(struct slot *s, const uint8_t *apdu, size_t len,
			    uint8_t *answer, size_t cap, size_t *answer_len);
/* PC_to_RDR_Escape; CCID_ERR_SHORT_BUFFER when the answer is longer than cap. */
enum ccid_err slot_escape(struct slot *s, const uint8_t *data, size_t len,
			  uint8_t *answer, size_t cap, size_t *answer_len);

#endif
