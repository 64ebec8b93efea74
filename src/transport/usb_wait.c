/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The wait for an answer over bulk IN, and what can be known meanwhile without it. */
#include "transport/usb_engine.h"

#include "wire/ccid_msg.h"

#define NS_PER_MS UINT64_C(1000000)
/* How long a cancelled IN transfer may take to come back. */
#define PEEK_NS (200u * NS_PER_MS)
/* A frame that fills its packets may lie in the IN transfer when the reader does not close it with
 * a zero-length packet. It is looked for twice in a command, until it was found once: a cancelled
 * transfer is a risk of its own on some host controllers. */
#define FIRST_PEEK_NS (1000u * NS_PER_MS)
#define SECOND_PEEK_NS (10000u * NS_PER_MS)
#define EARLY_PEEKS 2u
/* How long a reader may leave a message in bulk OUT. What it has not taken no card works at:
 * libccid does not wait longer either. A message that was taken is another thing: silence does not
 * prove that the reader is dead, and asking it over the control pipe would not, for firmware that
 * does one thing at a time is silent there as well. A halted endpoint, a bus error and an unplugged
 * device end the bulk IN transfer that is always there, at once. */
#define TAKE_NS (5000u * NS_PER_MS)
/* How long the reader may take to answer after it told that the card is gone. */
#define CARD_GONE_NS (2000u * NS_PER_MS)

static void plan_peek(const struct usb_transport *u, struct usb_vigil *v, uint64_t now)
{
	if (u->split_reads || u->closes_frames || v->peeks >= EARLY_PEEKS)
		v->peek_ns = UINT64_MAX;
	else
		v->peek_ns = now + (v->peeks == 0 ? FIRST_PEEK_NS : SECOND_PEEK_NS);
}

void usb_vigil_begin(struct usb_transport *u, struct usb_slot *s)
{
	uint64_t now = clock_now();
	bool to_card = s->req->needs_card && s->req->msg[0] != PC_TO_RDR_ICC_POWER_ON;

	s->vigil = (struct usb_vigil){ 0 };
	plan_peek(u, &s->vigil, now);
	s->vigil.take_ns = now + TAKE_NS;
	/* It left between two commands, and nobody was told yet. */
	if (to_card && s->told == CARD_TOLD_ABSENT) {
		s->vigil.gone_ns = now;
		pump_wake(u->pump, &s->command);
	}
}

void usb_vigil_card(struct usb_transport *u, struct usb_slot *s, bool present, bool moved)
{
	if (present) {
		if (s->told == CARD_TOLD_ABSENT)
			s->told = CARD_TOLD_REPLACED;
		else if (s->told == CARD_UNTOLD && moved)
			s->told = CARD_TOLD_PRESENT;
		/* Contacts bounce; a card that lost its power the reader reports itself. */
		s->vigil.gone_ns = 0;
	} else if (moved) {
		s->told = CARD_TOLD_ABSENT;
		if (!s->req || s->answered || !s->req->needs_card || s->vigil.gone_ns)
			return;
		s->vigil.gone_ns = clock_now();
		pump_wake(u->pump, &s->command);
	}
}

void usb_vigil_peeked(struct usb_transport *u)
{
	for (unsigned i = 0; i < u->n_slots; i++) {
		if (!u->slots[i].vigil.peeking)
			continue;
		u->slots[i].vigil.peeking = false;
		pump_wake(u->pump, &u->slots[i].command);
	}
}

/* Takes the IN transfer back to see what it holds; in_done() submits it again. False: nothing to
 * see. */
static bool peek(struct usb_transport *u, struct usb_slot *s)
{
	if (!u->in_pending || u->split_reads)
		return false;
	s->vigil.peeking = libusb_cancel_transfer(u->in) == 0;
	return s->vigil.peeking;
}

/* Ready for the answer after a time extension, not for it in the same buffer. */
static enum ccid_err take_answer(struct usb_transport *u, struct usb_slot *s)
{
	if (s->result != CCID_OK)
		return s->result;
	s->answered = false;
	s->taken = true;
	plan_peek(u, &s->vigil, clock_now());
	__atomic_store_n(&s->command.done, 0, __ATOMIC_RELEASE);
	return CCID_OK;
}

/* Under lock: is the message still in bulk OUT, long after it was sent? */
static bool is_not_taken(const struct usb_transport *u, struct usb_slot *s, uint64_t now)
{
	if (!s->out_pending)
		s->vigil.take_ns = UINT64_MAX;
	if (now < s->vigil.take_ns)
		return false;
	LOG(LOG_INFO, &u->t.log, "slot %u: the reader has not taken the message for %u s",
	    (unsigned)(s - u->slots), (unsigned)(TAKE_NS / NS_PER_MS / 1000));
	return true;
}

/* Under lock: what does the wait end with? CCID_ERR_BUSY: not yet; look again at *until. */
static enum ccid_err end_of_wait(struct usb_transport *u, struct usb_slot *s,
				 const struct deadline *d, struct deadline *until)
{
	struct usb_vigil *v = &s->vigil;
	enum ccid_err refusal;
	uint64_t now;

	if (s->answered)
		return take_answer(u, s);
	refusal = usb_refusal(u, (unsigned)(s - u->slots));
	if (refusal != CCID_OK)
		return refusal;
	now = clock_now();
	__atomic_store_n(&s->command.done, 0, __ATOMIC_RELEASE);
	if (v->gone_ns && now >= v->gone_ns + CARD_GONE_NS) {
		LOG(LOG_INFO, &u->t.log, "slot %u: no answer, and the reader told that the card is "
		    "gone", (unsigned)(s - u->slots));
		return CCID_ERR_NO_CARD;
	}
	if (is_not_taken(u, s, now))
		return CCID_ERR_TIMEOUT;
	if (now >= d->at_ns) {
		if (v->last_peek || !peek(u, s)) {
			v->peeking = false;
			return CCID_ERR_TIMEOUT;
		}
		v->last_peek = true;
		until->at_ns = now + PEEK_NS;
		return CCID_ERR_BUSY;
	}
	if (now >= v->peek_ns) {
		v->peeks++;
		plan_peek(u, v, now - FIRST_PEEK_NS);
		peek(u, s);
	}
	until->at_ns = v->peek_ns < d->at_ns ? v->peek_ns : d->at_ns;
	if (v->take_ns < until->at_ns)
		until->at_ns = v->take_ns;
	if (v->gone_ns && v->gone_ns + CARD_GONE_NS < until->at_ns)
		until->at_ns = v->gone_ns + CARD_GONE_NS;
	return CCID_ERR_BUSY;
}

enum ccid_err usb_bulk_wait(struct transport *t, struct request *r, const struct deadline *d)
{
	struct usb_transport *u = usb_of(t);
	struct usb_slot *s = &u->slots[r->slot];
	struct deadline until = *d;
	enum ccid_err err;

	/* The caller is done with the answer before, which was a time extension. */
	if (s->taken) {
		pthread_mutex_lock(&u->lock);
		usb_bulk_unpark(u, r->slot);
		pthread_mutex_unlock(&u->lock);
	}
	/* Written by this thread only, unlike gone_ns: whoever writes that one wakes us. */
	if (s->vigil.peek_ns < until.at_ns)
		until.at_ns = s->vigil.peek_ns;
	if (s->vigil.take_ns < until.at_ns)
		until.at_ns = s->vigil.take_ns;
	do {
		pump_wait(u->pump, &s->command, &until);
		pthread_mutex_lock(&u->lock);
		err = end_of_wait(u, s, d, &until);
		pthread_mutex_unlock(&u->lock);
	} while (err == CCID_ERR_BUSY);
	return usb_judge_loss(u, err);
}
