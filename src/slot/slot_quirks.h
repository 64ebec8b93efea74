/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef SLOT_QUIRKS_H
#define SLOT_QUIRKS_H

#include "slot/slot_state.h"

/* The quirks that need code, one function for each moment in a reader's life. All of them look into
 * r->quirks. */

/* After the class descriptor was read into r->desc, the rates into r->data_rates, and r->level was
 * derived from dwFeatures: corrects them to what the reader really does. No I/O. */
void quirk_fix_desc(struct reader *r);

/* The data rates that a slot of the reader knows; *n of them, owned by the reader or static; NULL
 * when there is no table. */
const uint32_t *quirk_rates(const struct reader *r, unsigned slot_number, size_t *n);

/* After the first successful command, under s->lock, once per reader: switches modes, loads display
 * texts, asks for firmware features. A step that fails changes nothing. */
void quirk_ready(struct reader *r, struct slot *s);

/* After a failed power on, under s->lock. CCID_OK: something was done about it, try once more;
 * else the caller keeps its error. */
enum ccid_err quirk_power_failed(struct slot *s);

/* Does the driver itself answer this command APDU? If so, the answer is in answer[*answer_len] (at
 * most cap bytes are written, *answer_len is the whole length). */
bool quirk_answers_apdu(struct slot *s, const uint8_t *apdu, size_t len,
			uint8_t *answer, size_t cap, size_t *answer_len);

#endif
