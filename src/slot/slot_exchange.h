/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef SLOT_EXCHANGE_H
#define SLOT_EXCHANGE_H

#include "slot/slot_state.h"

/* Under the slot's lock: runs the steps of an exchange until it is done or failed. Wipes it.
 * *answer_len: whole length. */
/* How a step goes to the card and its answer comes back (data until the next command). */
typedef enum ccid_err slot_carry(struct slot *s, const struct exchange_step *step, unsigned wait_ms,
				 struct ccid_block *in);
/* The same by another way than XfrBlock. */
enum ccid_err slot_run_exchange_by(slot_carry *carry, struct slot *s, struct exchange_step step,
				   unsigned least_wait_ms, size_t *answer_len);
enum ccid_err slot_run_exchange(struct slot *s, struct exchange_step step, unsigned least_wait_ms,
				size_t *answer_len);

#endif
