/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef SLOT_KEEP_H
#define SLOT_KEEP_H

#include "slot/slot_state.h"

/* The quirk keep-power, enum slot_power. Both under s->lock. */

/* Before a power off: is it pcscd's idle one, of a card that keeps its power? Then it is not sent,
 * and pcscd is told that the card is off. */
bool slot_keeps_power(struct slot *s);
/* Before a power on: did the card keep its power? Then it is not reset; its ATR is in atr (room for
 * ATR_MAX bytes), of *len bytes. */
bool slot_kept_power(struct slot *s, uint8_t *atr, size_t *len);

#endif
