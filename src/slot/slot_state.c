/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What every step on a slot begins and ends with. */
#include "slot/slot_state.h"

#define REOPEN_MS 2000u

bool reader_is_gone(const struct reader *r)
{
	return __atomic_load_n(&r->gone, __ATOMIC_ACQUIRE);
}

void reader_set_gone(struct reader *r)
{
	__atomic_store_n(&r->gone, true, __ATOMIC_RELEASE);
	r->transport->ops->set_gone(r->transport);
}

void slot_forget_card(struct slot *s)
{
	s->powered = false;
	s->negotiated = false;
	s->pps_sent = false;
	s->params_refused = false;
	s->atr_len = 0;
}

void slot_card_left(struct slot *s)
{
	slot_forget_card(s);
	s->slow_atr_len = 0;
}

enum ccid_err slot_recover(struct slot *s, enum ccid_err err)
{
	struct transport *t = s->reader->transport;
	struct deadline d;

	if (reader_is_gone(s->reader))
		return CCID_ERR_NO_DEVICE;
	if (err != CCID_ERR_STALE || !t->ops->reopen)
		return err;
	slot_forget_card(s);
	s->ccid.needs_resync = false;
	d = deadline_in_ms(REOPEN_MS);
	err = t->ops->reopen(t, &d);
	return err == CCID_OK || err == CCID_ERR_BUSY ? CCID_ERR_COMM : CCID_ERR_NO_DEVICE;
}

bool slot_was_reopened(struct slot *s)
{
	unsigned now = __atomic_load_n(&s->reader->transport->generation, __ATOMIC_ACQUIRE);
	bool yes = now != s->generation;

	s->generation = now;
	if (yes) {
		slot_forget_card(s);
		s->owes_absence = true;
	}
	return yes;
}
