/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Requests: gate, start, wait, finish, abort; and what can be known of an answer without it. */
#include "transport/usb_request.h"

#include "transport/usb_bulk.h"
#include "transport/usb_control.h"
#include "transport/usb_error.h"
#include "transport/usb_vigil.h"

#include "wire/ccid_msg.h"

#define NS_PER_MS UINT64_C(1000000)
/* How long a message that is taken back may need to return. */
#define SETTLE_MS 250u
/* How long a cancelled IN transfer may take to come back. */
#define PEEK_NS (200u * NS_PER_MS)
/* How long the reader may take to answer after it reported the card removed. */
#define CARD_GONE_NS (2000u * NS_PER_MS)
#define ABORT_REQUEST 0x01	/* CCID 1.10 §5.3.1 */

/* Puts the request in flight; the gate was passed. */
static enum ccid_err launch(struct usb_transport *u, struct request *r, bool holds_place)
{
	struct usb_slot *s = &u->slots[r->slot];
	enum ccid_err err = usb_refusal(u, r->slot);

	if (err != CCID_OK)
		return err;
	if (s->req || s->out_pending)
		return CCID_ERR_BUSY;
	transport_number(&u->t, r);
	s->req = r;
	s->answered = false;
	s->holds_place = holds_place;
	__atomic_store_n(&s->command.done, 0, __ATOMIC_RELEASE);
	u->in_flight++;
	usb_vigil_begin(u, s);
	err = usb_bulk_send(u, r);
	if (err == CCID_ERR_STALE)
		usb_lost(u);
	if (err == CCID_OK)
		return CCID_OK;
	s->req = NULL;
	u->in_flight--;
	return err;
}

/* No busy place is free: waits for one, but not for a device that does not work. */
static enum ccid_err queue(struct usb_transport *u, const struct request *r,
			   const struct deadline *d)
{
	struct usb_slot *s = &u->slots[r->slot];
	enum ccid_err err, refusal;

	pthread_mutex_lock(&u->lock);
	refusal = usb_refusal(u, r->slot);
	__atomic_store_n(&s->command.done, 0, __ATOMIC_RELEASE);
	pthread_mutex_unlock(&u->lock);
	if (refusal != CCID_OK || r->no_queue)
		return refusal != CCID_OK ? refusal : CCID_ERR_BUSY;
	err = usb_gate_enter(u->gate, &s->command, d);
	if (err != CCID_ERR_TIMEOUT)
		return err;
	pthread_mutex_lock(&u->lock);
	refusal = usb_refusal(u, r->slot);
	pthread_mutex_unlock(&u->lock);
	return refusal != CCID_OK ? refusal : err;
}

enum ccid_err usb_start(struct transport *t, struct request *r, const struct deadline *d)
{
	struct usb_transport *u = usb_of(t);
	enum ccid_err err;

	if (r->slot >= u->n_slots)
		return CCID_ERR_ARG;
	err = r->passes_gate ? CCID_OK : usb_gate_try(u->gate);
	if (err == CCID_ERR_BUSY)
		err = queue(u, r, d);
	if (err != CCID_OK)
		return usb_judge_loss(u, err);
	pthread_mutex_lock(&u->lock);
	if (u->in_halted || u->out_halted) {
		pthread_mutex_unlock(&u->lock);
		usb_bulk_clear_halt(u, r->slot);
		pthread_mutex_lock(&u->lock);
	}
	err = launch(u, r, !r->passes_gate);
	pthread_mutex_unlock(&u->lock);
	if (err != CCID_OK && !r->passes_gate)
		usb_gate_leave(u->gate);
	return usb_judge_loss(u, err);
}

/* The next command of the slot needs the transfer. */
static void settle_out(struct usb_transport *u, struct usb_slot *s)
{
	struct deadline d = deadline_in_ms(SETTLE_MS);

	while (s->out_pending && !deadline_passed(&d)) {
		s->answered = true;	/* out_done() wakes us */
		__atomic_store_n(&s->command.done, 0, __ATOMIC_RELEASE);
		libusb_cancel_transfer(s->out);
		pthread_mutex_unlock(&u->lock);
		pump_wait(u->pump, &s->command, &d);
		pthread_mutex_lock(&u->lock);
	}
}

/* There may be a place for those that found none when they looked for their card. */
static void poll_unsure(struct usb_transport *u)
{
	pthread_mutex_lock(&u->lock);
	for (unsigned i = 0; i < u->n_slots; i++) {
		if (u->slots[i].unsure)
			usb_changed(u, i);
		u->slots[i].unsure = false;
	}
	__atomic_store_n(&u->unsure, 0, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&u->lock);
}

enum card_told usb_card_told(struct transport *t, uint8_t slot)
{
	struct usb_transport *u = usb_of(t);
	enum card_told told = CARD_UNTOLD;

	if (slot >= u->n_slots)
		return told;
	pthread_mutex_lock(&u->lock);
	told = u->slots[slot].told;
	if (told == CARD_UNTOLD && !u->slots[slot].unsure) {
		u->slots[slot].unsure = true;
		__atomic_store_n(&u->unsure, u->unsure + 1, __ATOMIC_RELAXED);
	}
	pthread_mutex_unlock(&u->lock);
	return told;
}

void usb_finish(struct transport *t, struct request *r)
{
	struct usb_transport *u = usb_of(t);
	struct usb_slot *s = &u->slots[r->slot];
	bool held;

	pthread_mutex_lock(&u->lock);
	if (s->out_pending)
		settle_out(u, s);
	held = s->holds_place;
	usb_bulk_drop_parked(s);
	s->req = NULL;
	s->holds_place = false;
	u->in_flight--;
	pthread_mutex_unlock(&u->lock);
	if (held)
		usb_gate_leave(u->gate);
	if (__atomic_load_n(&u->unsure, __ATOMIC_RELAXED) > 0)
		poll_unsure(u);
}

enum ccid_err usb_abort(struct transport *t, uint8_t slot, uint8_t seq, const struct deadline *d)
{
	struct usb_transport *u = usb_of(t);
	const struct usb_setup setup = { 0x21, ABORT_REQUEST, (uint16_t)(seq << 8 | slot),
					 u->t.desc.bInterfaceNumber, 0 };

	return usb_judge_loss(u, usb_control(u, slot, &setup, NULL, NULL, d));
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

/* Ready for the answer after a time extension, which needs a buffer of its own. */
static enum ccid_err take_answer(struct usb_slot *s)
{
	if (s->result != CCID_OK)
		return s->result;
	s->answered = false;
	s->taken = true;
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
	    (unsigned)(s - u->slots), (unsigned)(USB_TAKE_NS / NS_PER_MS / 1000));
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
		return take_answer(s);
	refusal = usb_refusal(u, (unsigned)(s - u->slots));
	if (refusal != CCID_OK)
		return refusal;
	now = clock_now();
	__atomic_store_n(&s->command.done, 0, __ATOMIC_RELEASE);
	if (v->gone_ns && now >= v->gone_ns + CARD_GONE_NS) {
		LOG(LOG_INFO, &u->t.log, "slot %u: no answer, and the reader reported the card "
		    "removed", (unsigned)(s - u->slots));
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
		usb_vigil_plan(u, v, now - USB_FIRST_PEEK_NS);
		peek(u, s);
	}
	until->at_ns = v->peek_ns < d->at_ns ? v->peek_ns : d->at_ns;
	if (v->take_ns < until->at_ns)
		until->at_ns = v->take_ns;
	if (v->gone_ns && v->gone_ns + CARD_GONE_NS < until->at_ns)
		until->at_ns = v->gone_ns + CARD_GONE_NS;
	return CCID_ERR_BUSY;
}

enum ccid_err usb_wait(struct transport *t, struct request *r, const struct deadline *d)
{
	struct usb_transport *u = usb_of(t);
	struct usb_slot *s = &u->slots[r->slot];
	struct deadline until = *d;
	enum ccid_err err;

	/* The caller is done with the answer before, which was a time extension. */
	if (s->taken) {
		pthread_mutex_lock(&u->lock);
		usb_vigil_plan(u, &s->vigil, clock_now());
		usb_bulk_unpark(u, r->slot);
		pthread_mutex_unlock(&u->lock);
	}
	/* Written by this thread only, unlike gone_ns: its writer wakes this thread. */
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
