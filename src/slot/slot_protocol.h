/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef SLOT_PROTOCOL_H
#define SLOT_PROTOCOL_H

#include "slot/slot_state.h"

/* Both under the slot's lock. */

/* Settles the parameters for protocol 0 or 1. */
enum ccid_err slot_set_protocol_locked(struct slot *s, unsigned protocol);
/* Parameters are settled if they are not yet, for the first protocol of the ATR that the reader
 * has; where it has none, the card is used as it is. */
enum ccid_err slot_ensure_protocol(struct slot *s);

#endif
