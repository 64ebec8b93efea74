/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CCID_SLOT_H
#define CCID_SLOT_H

#include "quirks/quirks.h"
#include "transport/transport.h"
#include "util/log_message.h"
#include "wire/ccid_msg.h"

/* The state between reader and driver.
 *
 *	state			event					next
 *	CCID_IN_STEP		a command ends without its answer	CCID_ANSWER_OWED
 *	CCID_ANSWER_OWED	an ABORT succeeds			CCID_DOUBTED
 *	CCID_ANSWER_OWED	without ABORT, any command is answered	CCID_IN_STEP
 *	CCID_DOUBTED		a command does what it should		CCID_IN_STEP
 *	CCID_DOUBTED		several in a row are refused		CCID_IN_STEP, by a USB reset
 *	any			the reader is opened again		CCID_IN_STEP
 */
enum ccid_link { CCID_IN_STEP, CCID_ANSWER_OWED, CCID_DOUBTED };

/* One slot as this layer sees it. src/slot owns it and lets one thread at a time
 * in (it holds the slot's command lock). */
struct ccid_slot {
	struct transport *transport;
	const struct ccid_desc *desc;	/* after quirks */
	const struct quirk_set *quirks;
	struct log_ctx log;
	struct log_secrecy secrecy;
	uint8_t bSlot;
	uint8_t last_seq;		/* bSeq of the last command */
	uint8_t icc_state;		/* bmICCStatus of the newest answer */
	uint8_t bError;			/* of the newest failed answer */
	bool refused;			/* the newest command was answered: failed */
	enum ccid_link link;
	unsigned doubts;		/* with CCID_DOUBTED: commands refused since the ABORT */
	uint8_t *message;		/* room for the largest message to the card; owned */
	size_t message_cap;
	uint8_t *answer;
	size_t answer_cap;
	size_t answer_used;		/* most bytes an answer left in it since it was wiped */
	uint8_t *long_answer;		/* the newest one, if it did not fit; owned */
	size_t long_len;
};

/* Largest time all extensions of one command may add up to: cards make keys for a quarter of an
 * hour. */
#define CCID_TOTAL_MS 1800000u
/* Longest silence, whatever multiple of a waiting time the reader or the card asked for. */
#define CCID_SILENCE_MS 300000u
/* Longest wait for a busy place: another slot's card may take all its time. */
#define CCID_PLACE_MS (CCID_TOTAL_MS + 60000u)
/* Commands that do not involve the card's own time. */
#define CCID_COMMAND_MS 3000u
#define CCID_POWER_ON_MS 60000u
#define CCID_ESCAPE_MS 30000u

/* Room for a message with len bytes of data; it stays until the slot is closed. */
enum ccid_err ccid_grow(struct ccid_slot *cs, size_t len);
static inline enum ccid_err ccid_make_room(struct ccid_slot *cs, size_t len)
{
	return CCID_HEADER_LENGTH + len <= cs->message_cap ? CCID_OK : ccid_grow(cs, len);
}
/* Wipes what answers left in the slot's buffers. */
void ccid_forget(struct ccid_slot *cs);
/* Wipes and frees the newest answer, if it did not fit into the slot's buffer. */
void ccid_drop_long(struct ccid_slot *cs);
static inline void ccid_forget_long(struct ccid_slot *cs)
{
	if (cs->long_answer)
		ccid_drop_long(cs);
}

#endif
