/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef SLOT_STATE_H
#define SLOT_STATE_H

#include "ccid/ccid_cmd.h"
#include "proto/atr.h"
#include "proto/exchange.h"
#include "slot/negotiate.h"
#include "slot/reader.h"

/* What is known of a slot's card when it may not be asked. */
enum card_seen { CARD_SEEN_NOTHING, CARD_SEEN_ABSENT, CARD_SEEN_PRESENT };

/* What was done with the card since its power on.
 *
 *	state		event					next
 *	CARD_OFF	power on brought an ATR			CARD_ON
 *	CARD_ON		a PPS goes out (ISO 7816-3 §9: once)	CARD_PPS_SENT
 *	CARD_ON		the reader refuses SetParameters	CARD_REFUSED
 *	CARD_PPS_SENT	the same				CARD_REFUSED, by a power cycle
 *	each of these	the protocol is settled			CARD_READY
 *	any		power off, power on, card or reader gone  CARD_OFF
 */
enum card_state {
	CARD_OFF,
	CARD_ON,
	CARD_PPS_SENT,
	CARD_REFUSED,		/* neither PPS nor SetParameters: the card as it came */
	CARD_READY,
};

/* What pcscd was told of the card's power, with the quirk keep-power.
 *
 *	state		event						next
 *	POWER_AS_TOLD	the thread that polls powers off (it is idle)	POWER_KEPT
 *	POWER_KEPT	power on: the ATR once more			POWER_GIVEN_BACK
 *	POWER_GIVEN_BACK  the protocol is set				POWER_AS_TOLD
 *	any		CARD_OFF					POWER_AS_TOLD
 */
enum slot_power { POWER_AS_TOLD, POWER_KEPT, POWER_GIVEN_BACK };

/* Does the card in the slot keep its power? Found out at its first idle power off. */
enum card_keeps { KEEPS_UNASKED, KEEPS_NOTHING, KEEPS_POWER };

/* pcscd asks for the card's presence in two ways. Its event thread does so after each poll, and
 * tells applications what it finds. Before it switches a card's power, any of its threads asks, and
 * an absence that only such a thread is told is lost.
 *	state		event					next
 *	any		a poll ends				SLOT_POLL_ENDED
 *	SLOT_POLL_ENDED	the thread that polled asks		SLOT_LOOKED
 */
enum slot_poll {
	SLOT_NOT_POLLED,	/* every look counts */
	SLOT_POLL_ENDED,
	SLOT_LOOKED,
};

/* One card slot. `lock` lets one command at a time in; it is taken before the registry's and before
 * any lock of the transport. */
struct slot {
	struct port_mutex lock;
	struct reader *reader;
	unsigned long lun;
	unsigned number;		/* bSlot */
	unsigned users;			/* registry's: threads that use it */
	struct slot *next;		/* registry's */
	uint8_t seen;			/* atomic: enum card_seen */
	uintptr_t poller;		/* atomic, valid with a poll: the thread that polls */
	uint8_t poll;			/* atomic: enum slot_poll */

	/* all below under lock */
	struct ccid_slot ccid;
	enum card_state card;
	enum slot_power power;
	enum card_keeps keeps;
	bool power_failed;		/* the last power on did not bring an ATR */
	unsigned generation;		/* of the transport, as last seen */
	bool owes_absence;		/* the event thread is still to be told, once, that the card
					   is gone */
	uint8_t atr[ATR_MAX];
	size_t atr_len;
	struct negotiation params;	/* settled with CARD_READY */
	uint8_t slow_atr[ATR_MAX];	/* of a card that was mute at the speed of its TA1 */
	size_t slow_atr_len;		/* 0: none, or it was taken out */
	struct t1 t1;
	bool carries_blocks;		/* quirk escape-t1: the reader has shown that it does */
	struct exchange exchange;
};

/* Each call on a slot is between the two. At its end what is known of the card by then is said for
 * those that do not wait for the lock: slot_seen(), and device_card() for other interfaces. */
void slot_enter(struct slot *s);
bool slot_try_enter(struct slot *s);
void slot_leave(struct slot *s);
/* Any thread, without the slot's lock. */
enum card_seen slot_seen(const struct slot *s);

/* Any thread, without the slot's lock: the calling one polled the slot. */
void slot_poll_ended(struct slot *s);
/* Any thread, without the slot's lock: is this call of IFDHICCPresence the one whose result pcscd
 * tells to applications? */
bool slot_is_look(struct slot *s);

/* Is the calling thread the one that polls the slot? It asks for no power off but the idle one. */
bool slot_is_poller(const struct slot *s);

/* All below between slot_enter() and slot_leave(). */

/* Nothing is known of the card any more. */
void slot_forget_card(struct slot *s);
/* The next card is perhaps another one. */
void slot_card_left(struct slot *s);
/* True once after another thread has opened the reader again. */
bool slot_was_reopened(struct slot *s);
/* Opens a reader with a stale handle again when err says so; returns the error the caller gets. */
enum ccid_err slot_recover(struct slot *s, enum ccid_err err);

#endif
