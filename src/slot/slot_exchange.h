/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef SLOT_EXCHANGE_H
#define SLOT_EXCHANGE_H

#include "slot/slot_state.h"

/* Under the slot's lock: runs the steps of an exchange until it is done or failed. Wipes it.
 * *answer_len: whole length. */
enum ccid_err slot_run_exchange(struct slot *s, struct exchange_step step, unsigned least_wait_ms,
				size_t *answer_len);

#endif
