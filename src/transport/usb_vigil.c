/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transport/usb_vigil.h"

#include "wire/ccid_msg.h"

#define NS_PER_MS UINT64_C(1000000)
#define SECOND_PEEK_NS (10000u * NS_PER_MS)
#define EARLY_PEEKS 2u

void usb_vigil_plan(const struct usb_transport *u, struct usb_vigil *v, uint64_t now)
{
	if (u->split_reads || u->closes_frames || v->peeks >= EARLY_PEEKS)
		v->peek_ns = UINT64_MAX;
	else
		v->peek_ns = now + (v->peeks == 0 ? USB_FIRST_PEEK_NS : SECOND_PEEK_NS);
}

void usb_vigil_begin(struct usb_transport *u, struct usb_slot *s)
{
	uint64_t now = clock_now();
	bool to_card = s->req->needs_card && s->req->msg[0] != PC_TO_RDR_ICC_POWER_ON;

	s->req->sent_ns = now;
	s->vigil = (struct usb_vigil){ 0 };
	usb_vigil_plan(u, &s->vigil, now);
	s->vigil.take_ns = now + USB_TAKE_NS;
	/* The reader left between two commands, and no caller was told yet. */
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
