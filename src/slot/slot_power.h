/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef SLOT_POWER_H
#define SLOT_POWER_H

#include "slot/slot_state.h"

/* Under the slot's lock: power on, or reset. *len is always set; atr has room for ATR_MAX bytes. */
enum ccid_err slot_power_on_locked(struct slot *s, uint8_t *atr, size_t *len);
/* Under the slot's lock: the error of what needs a powered card, where none is known. The reader is
 * asked, if it can be: perhaps it is gone. Not CCID_OK. */
enum ccid_err slot_why_no_power(struct slot *s);

#endif
