/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Begin and end of every call on a slot. */
#include "slot/slot_state.h"

#define REOPEN_MS 2000u

void slot_enter(struct slot *s)
{
	port_mutex_lock(&s->lock);
}

bool slot_try_enter(struct slot *s)
{
	return port_mutex_try(&s->lock);
}

static enum card_seen card_seen(const struct slot *s)
{
	if (quirk_has(&s->reader->quirks, QUIRK_PRESENCE_FROM_POWER))
		return s->power_failed ? CARD_SEEN_ABSENT : CARD_SEEN_PRESENT;
	if (s->ccid.icc_state == ICC_UNKNOWN)
		return CARD_SEEN_NOTHING;
	return s->ccid.icc_state == ICC_ABSENT ? CARD_SEEN_ABSENT : CARD_SEEN_PRESENT;
}

void slot_leave(struct slot *s)
{
	static const enum device_card told[] = {
		[CARD_SEEN_NOTHING] = DEVICE_CARD_UNKNOWN,
		[CARD_SEEN_ABSENT] = DEVICE_CARD_ABSENT,
		[CARD_SEEN_PRESENT] = DEVICE_CARD_PRESENT,
	};
	enum card_seen seen = card_seen(s), before = slot_seen(s);
	struct transport *t = s->reader->transport;
	bool untold = s->owes_absence ||
		      s->generation != __atomic_load_n(&t->generation, __ATOMIC_ACQUIRE);

	__atomic_store_n(&s->seen, (uint8_t)seen, __ATOMIC_RELEASE);
	if (seen != before && s->number == 0)
		device_tell_card(s->reader->device, s->reader->desc.bInterfaceNumber, told[seen]);
	port_mutex_unlock(&s->lock);
	/* A poll in the meantime was told the last known state: pcscd is to look again,
	 * and nothing else would make it. */
	if (untold)
		transport_mark_changed(t, (uint8_t)s->number);
}

enum card_seen slot_seen(const struct slot *s)
{
	return (enum card_seen)__atomic_load_n(&s->seen, __ATOMIC_ACQUIRE);
}

void slot_poll_ended(struct slot *s)
{
	__atomic_store_n(&s->poller, port_thread(), __ATOMIC_RELAXED);
	__atomic_store_n(&s->poll, (uint8_t)SLOT_POLL_ENDED, __ATOMIC_RELEASE);
}

bool slot_is_poller(const struct slot *s)
{
	return __atomic_load_n(&s->poll, __ATOMIC_ACQUIRE) != SLOT_NOT_POLLED &&
	       __atomic_load_n(&s->poller, __ATOMIC_RELAXED) == port_thread();
}

bool slot_is_look(struct slot *s)
{
	uint8_t poll = __atomic_load_n(&s->poll, __ATOMIC_ACQUIRE);

	if (poll == SLOT_NOT_POLLED)
		return true;
	if (poll != SLOT_POLL_ENDED || !slot_is_poller(s))
		return false;
	__atomic_store_n(&s->poll, (uint8_t)SLOT_LOOKED, __ATOMIC_RELEASE);
	return true;
}

void slot_forget_card(struct slot *s)
{
	s->card = CARD_OFF;
	s->power = POWER_AS_TOLD;
	s->atr_len = 0;
}

void slot_card_left(struct slot *s)
{
	slot_forget_card(s);
	s->slow_atr_len = 0;
	s->keeps = KEEPS_UNASKED;
}

enum ccid_err slot_recover(struct slot *s, enum ccid_err err)
{
	struct transport *t = s->reader->transport;
	struct deadline d;

	if (reader_is_gone(s->reader))
		return CCID_ERR_NO_DEVICE;
	if (err != CCID_ERR_STALE || !transport_can_reopen(t))
		return err;
	slot_forget_card(s);
	s->ccid.link = CCID_IN_STEP;
	d = deadline_in_ms(REOPEN_MS);
	err = transport_reopen(t, &d);
	return err == CCID_ERR_NO_DEVICE ? err : CCID_ERR_COMM;
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
