/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One command out, its one answer back. */
#include "ccid/ccid_cmd.h"

#include "util/buf.h"

#include <stdlib.h>
#include <string.h>

#define RESYNC_MS 1000u
#define BUSY_RETRY_MS 10u
#define BUSY_PATIENCE_MS 30000u
/* Failures after an ABORT that make it a lie. */
#define DOUBTS_MAX 3u
#define EXTENSION_TOUCH 0xFF	/* "waiting for a touch": no multiplier */

enum {
	BERROR_NO_SLOT = 0x05,
	BERROR_SLOT_BUSY = 0xE0,
	BERROR_PIN_CANCELLED = 0xEF,
	BERROR_PIN_TIMEOUT = 0xF0,
	BERROR_ABORTED = 0xFF,
};

static const struct deadline never = { UINT64_MAX };

/* What goes out and what must come back. */
struct command {
	uint8_t type;
	uint8_t expect;
	uint8_t b7, b8, b9;
	bool passes_gate, no_queue, needs_card;
	bool has_seq;
	uint8_t seq;		/* with has_seq; else the reader's next */
	bool unused;		/* the answer's content is not used: its status is all of it */
	const uint8_t *data;
	size_t len;
	unsigned wait_ms;	/* how long the reader may be silent */
	unsigned total_ms;	/* with all its time extensions */
	unsigned place_ms;	/* how long it may wait for a busy place */
};

/* The answer's header and data; data points into cs->answer or cs->long_answer. */
struct answer {
	struct ccid_msg head;
	const uint8_t *frame;
	const uint8_t *data;
	size_t len;
};

/* Nothing is lost where bytes follow an ATR, or where nobody looks at the content. */
static bool is_length_good(const struct ccid_slot *cs, const struct command *c, size_t dwLength,
			   size_t carried)
{
	if (dwLength == carried || c->unused)
		return true;
	return dwLength < carried && (c->type == PC_TO_RDR_ICC_POWER_ON ||
				      quirk_has(cs->quirks, QUIRK_PADDED_ANSWERS));
}

static enum ccid_err judge_length(const struct ccid_slot *cs, const struct command *c,
				  struct answer *a, size_t got)
{
	size_t carried = got - CCID_HEADER_LENGTH;

	if (is_length_good(cs, c, a->head.dwLength, carried)) {
		a->data = a->frame + CCID_HEADER_LENGTH;
		a->len = a->head.dwLength < carried ? a->head.dwLength : carried;
		return CCID_OK;
	}
	LOG(LOG_INFO, &cs->log, "%s: dwLength is %u but %zu bytes came",
	    ccid_message_name(a->head.bMessageType), a->head.dwLength, carried);
	return CCID_ERR_COMM;
}

/* May an answer of that type belong to the command? By practice an error answer is also a bare
 * SlotStatus, and vsmartcard's CCID emulator sends an ATR in a SlotStatus. Where the status is all
 * of the answer, any message of a reader will do; the command itself, which some readers send back
 * when they are out of step, is not one. */
static bool is_type_good(const struct command *c, const struct answer *a, unsigned state)
{
	uint8_t type = a->head.bMessageType;

	if (type == c->expect)
		return true;
	if (type == RDR_TO_PC_SLOT_STATUS && c->type == PC_TO_RDR_ICC_POWER_ON &&
	    state == COMMAND_OK && a->len > 0)
		return true;
	if (c->unused && type >= RDR_TO_PC_DATA_BLOCK && type <= RDR_TO_PC_DATA_RATE)
		return true;
	return type == RDR_TO_PC_SLOT_STATUS && state == COMMAND_FAILED;
}

/* The answer was not a time extension: does it fit the command? */
static enum ccid_err judge_type(struct ccid_slot *cs, const struct command *c,
				const struct answer *a)
{
	unsigned state = ccid_command_state(a->head.b7);

	if (!is_type_good(c, a, state)) {
		LOG(LOG_INFO, &cs->log, "%s answered by bMessageType 0x%02X",
		    ccid_message_name(c->type), a->head.bMessageType);
		return CCID_ERR_COMM;
	}
	cs->icc_state = (uint8_t)ccid_icc_state(a->head.b7);
	if (state == COMMAND_OK)
		return CCID_OK;
	cs->bError = a->head.b8;
	cs->refused = true;
	if (cs->bError != BERROR_SLOT_BUSY)
		LOG(LOG_INFO, &cs->log, "%s failed: bError 0x%02X (%s)", ccid_message_name(c->type),
		    cs->bError, ccid_error_text(cs->bError));
	return cs->icc_state == ICC_ABSENT ? CCID_ERR_NO_CARD : ccid_error_map(cs->bError);
}

/* How long the reader may be silent after it asked for more time. */
static struct deadline extended(const struct command *c, uint8_t bError)
{
	unsigned times = bError == 0 || bError == EXTENSION_TOUCH ? 1 : bError;

	uint64_t ms = (uint64_t)c->wait_ms * times;

	return deadline_in_ms(ms < CCID_SILENCE_MS || times == 1 ? ms : CCID_SILENCE_MS);
}

static void forget_long_answer(struct ccid_slot *cs)
{
	if (cs->long_answer)
		wipe(cs->long_answer, cs->long_len);
	free(cs->long_answer);
	cs->long_answer = NULL;
}

/* An answer came: it is in the slot's buffer, or the transport made a larger one. */
static void note_answer(struct ccid_slot *cs, const struct request *r, struct answer *a)
{
	cs->long_answer = r->long_answer;
	cs->long_len = r->answer_len;
	a->frame = r->long_answer ? r->long_answer : cs->answer;
	if (!r->long_answer && r->answer_len > cs->answer_used)
		cs->answer_used = r->answer_len;
	log_message(&cs->log, &cs->secrecy, false, a->frame, r->answer_len);
}

/* Takes answers until one is no time extension. *lost: the command ended without its answer. */
static enum ccid_err await(struct ccid_slot *cs, const struct command *c, struct request *r,
			   const struct deadline *end, struct answer *a, bool *lost)
{
	struct deadline total = deadline_in_ms(c->total_ms > c->wait_ms ? c->total_ms : c->wait_ms);
	struct deadline silence = deadline_in_ms(c->wait_ms);
	unsigned extensions = 0;
	enum ccid_err err;

	*lost = true;
	total = deadline_earlier(total, *end);
	for (;;) {
		struct deadline d = deadline_earlier(silence, total);

		/* The one before may have come in the moments that a wait takes beyond its end. */
		err = extensions > 0 && deadline_passed(&total) ?
			      CCID_ERR_TIMEOUT :
			      cs->transport->ops->wait(cs->transport, r, &d);
		if (err == CCID_ERR_TIMEOUT && extensions > 0)
			LOG(LOG_INFO, &cs->log, "%s: no answer after %u time extensions",
			    ccid_message_name(c->type), extensions);
		if (err != CCID_OK)
			return err;
		note_answer(cs, r, a);
		err = ccid_msg_decode(&a->head, a->frame, r->answer_len);
		if (err != CCID_OK)
			return err;
		if (ccid_command_state(a->head.b7) != COMMAND_TIME_EXTENSION)
			break;
		LOG(LOG_COMM, &cs->log, "%s: time extension, bError %u", ccid_message_name(c->type),
		    a->head.b8);
		silence = extended(c, a->head.b8);
		extensions++;
	}
	err = judge_length(cs, c, a, r->answer_len);
	if (err != CCID_OK)
		return err;
	err = judge_type(cs, c, a);
	*lost = err == CCID_ERR_COMM && a->head.bMessageType != c->expect &&
		ccid_command_state(a->head.b7) == COMMAND_OK;
	return err;
}

/* One message out and its answer in, by `end` at the latest. *lost tells that the answer may still
 * come. */
static enum ccid_err round_trip_once(struct ccid_slot *cs, const struct command *c,
				     const struct deadline *end, struct answer *a, bool *lost)
{
	struct deadline place = deadline_in_ms(c->place_ms);
	struct request r = {
		.slot = cs->bSlot, .seq = c->seq, .takes_number = !c->has_seq,
		.no_queue = c->no_queue, .needs_card = c->needs_card,
		.msg = cs->message, .len = CCID_HEADER_LENGTH + c->len,
		.passes_gate = c->passes_gate,
		.seq_slack = quirk_has(cs->quirks, QUIRK_SEQ_OFF_BY_ONE) ? 1 : 0,
		.answer = cs->answer, .answer_cap = cs->answer_cap,
	};
	struct ccid_msg head = {
		.bMessageType = c->type, .dwLength = (uint32_t)c->len,
		.bSlot = r.slot, .bSeq = r.seq, .b7 = c->b7, .b8 = c->b8, .b9 = c->b9,
	};
	enum ccid_err err;

	*lost = false;
	cs->refused = false;
	ccid_msg_encode(&head, cs->message);
	if (c->len > 0)
		memcpy(cs->message + CCID_HEADER_LENGTH, c->data, c->len);
	forget_long_answer(cs);
	place = deadline_earlier(place, *end);
	err = cs->transport->ops->start(cs->transport, &r, &place);
	if (err == CCID_OK) {
		cs->last_seq = r.seq;
		log_message(&cs->log, &cs->secrecy, true, r.msg, r.len);
		err = await(cs, c, &r, end, a, lost);
		cs->transport->ops->finish(cs->transport, &r);
		/* An answer may have come after the wait for it ended: it is the slot's to free. */
		cs->long_answer = r.long_answer;
		cs->long_len = r.answer_len;
	}
	wipe(cs->message + CCID_HEADER_LENGTH, c->len);
	return err;
}

/* Nothing can be said to the reader any more. */
static bool is_over(enum ccid_err err)
{
	return err == CCID_ERR_NO_DEVICE || err == CCID_ERR_STALE;
}

/* ABORT by control and bulk with one bSeq (CCID 1.10 §5.3.1, §6.1.13). Firmware derived from
 * STMicroelectronics' CCID middleware always reads 0 on the control pipe and never ends the abort
 * when the bulk half says otherwise: 0, unless that is the lost command's. */
static enum ccid_err abort_both(struct ccid_slot *cs, const struct deadline *d)
{
	const struct transport_ops *ops = cs->transport->ops;
	struct deadline control = deadline_earlier(deadline_in_ms(RESYNC_MS / 2), *d);
	struct command c = { .type = PC_TO_RDR_ABORT, .expect = RDR_TO_PC_SLOT_STATUS,
			     .passes_gate = true, .wait_ms = RESYNC_MS, .has_seq = true,
			     .seq = cs->last_seq == 0 ? 1 : 0 };
	enum ccid_err err = CCID_ERR_NOT_SUPPORTED;
	struct answer a;
	uint8_t last = cs->last_seq;
	bool lost;

	if (ops->abort)
		err = ops->abort(cs->transport, cs->bSlot, c.seq, &control);
	if (err == CCID_OK)
		err = round_trip_once(cs, &c, d, &a, &lost);
	/* Still to come for the lost command is its answer, not ours. */
	cs->last_seq = last;
	return err;
}

/* Brings reader and driver together again after a command that ended without its answer: whatever
 * still comes for it carries another bSeq and is dropped. CCID_OK: needs_resync is cleared; else
 * the transport's error, or CCID_ERR_COMM. */
static enum ccid_err resync(struct ccid_slot *cs, unsigned place_ms, bool no_queue)
{
	const struct transport_ops *ops = cs->transport->ops;
	struct command status = { .type = PC_TO_RDR_GET_SLOT_STATUS,
				  .expect = RDR_TO_PC_SLOT_STATUS,
				  .wait_ms = RESYNC_MS, .place_ms = place_ms,
				  .no_queue = no_queue };
	struct deadline d = deadline_in_ms(RESYNC_MS);
	enum ccid_err err;
	struct answer a;
	bool lost;

	cs->needs_resync = true;
	if (ops->resync)
		ops->resync(cs->transport, cs->bSlot);
	err = abort_both(cs, &d);
	if (is_over(err))
		return err;
	cs->bError = 0;
	cs->doubts = err == CCID_OK;
	lost = err != CCID_OK;
	if (err != CCID_OK) {
		/* Readers without ABORT: an answer to anything shows that they listen again. */
		err = round_trip_once(cs, &status, &never, &a, &lost);
	}
	if (is_over(err))
		return err;
	if (err == CCID_ERR_BUSY && cs->bError == 0)
		return err;	/* another slot has the reader's attention */
	/* "Aborted" is what a reader says to all but the other half of an ABORT that it still
	 * misses. */
	cs->needs_resync = lost || err == CCID_ERR_TIMEOUT || err == CCID_ERR_BUSY ||
			   cs->bError == BERROR_ABORTED;
	return cs->needs_resync ? CCID_ERR_COMM : CCID_OK;
}

/* dwMaxCCIDMessageLength limits what is for the card: readers are seen to claim less than their
 * own commands need (Elatec TWN4: 64). */
static size_t data_room(const struct ccid_slot *cs, const struct command *c)
{
	size_t room = CCID_MESSAGE_MAX - CCID_HEADER_LENGTH;
	size_t told = cs->desc->dwMaxCCIDMessageLength;

	told = told > CCID_HEADER_LENGTH ? told - CCID_HEADER_LENGTH : 0;
	if (c->type != PC_TO_RDR_XFR_BLOCK && c->type != PC_TO_RDR_SECURE)
		return room;
	return told < room ? told : room;
}

/* A long Escape makes the message buffer larger; it stays so until the slot is closed. The buffer
 * holds nothing between two commands. */
static enum ccid_err make_room(struct ccid_slot *cs, size_t len)
{
	uint8_t *larger;

	if (CCID_HEADER_LENGTH + len <= cs->message_cap)
		return CCID_OK;
	larger = malloc(CCID_HEADER_LENGTH + len);
	if (!larger)
		return CCID_ERR_NOMEM;
	free(cs->message);
	cs->message = larger;
	cs->message_cap = CCID_HEADER_LENGTH + len;
	return CCID_OK;
}

/* An ABORT succeeded, and what follows fails one by one, with nothing said of why: it did not
 * succeed at all. Such a reader listens only after a USB reset. */
static enum ccid_err doubt(struct ccid_slot *cs, const struct command *c, enum ccid_err err)
{
	const struct transport_ops *ops = cs->transport->ops;

	/* What readers may refuse (Escape, SetParameters) says nothing. */
	if (cs->doubts == 0 || is_over(err) ||
	    (c->type != PC_TO_RDR_XFR_BLOCK && c->type != PC_TO_RDR_ICC_POWER_ON &&
	     c->type != PC_TO_RDR_ICC_POWER_OFF && c->type != PC_TO_RDR_GET_SLOT_STATUS))
		return err;
	if (err != CCID_ERR_NOT_SUPPORTED) {
		cs->doubts = 0;
	} else if (++cs->doubts > DOUBTS_MAX) {
		cs->doubts = 0;
		if (ops->want_reset && ops->want_reset(cs->transport))
			return CCID_ERR_STALE;
	}
	return err;
}

/* The slot still works for who was there before us, perhaps another program. */
static enum ccid_err until_not_busy(struct ccid_slot *cs, const struct command *c, struct answer *a,
				    bool *lost)
{
	struct deadline patience = { UINT64_MAX };
	enum ccid_err err;

	for (;;) {
		err = round_trip_once(cs, c, &never, a, lost);
		if (err != CCID_ERR_BUSY || cs->bError != BERROR_SLOT_BUSY ||
		    deadline_passed(&patience))
			return err;
		if (patience.at_ns == UINT64_MAX)
			patience = deadline_in_ms(c->wait_ms < BUSY_PATIENCE_MS ?
						  c->wait_ms : BUSY_PATIENCE_MS);
		cs->bError = 0;
		deadline_sleep_ms(&patience, BUSY_RETRY_MS);
	}
}

static enum ccid_err round_trip(struct ccid_slot *cs, const struct command *c, struct answer *a)
{
	enum ccid_err err;
	uint8_t bError;
	bool lost;

	*a = (struct answer){ .data = cs->answer };
	cs->bError = 0;
	if (c->len > data_room(cs, c)) {
		LOG(LOG_INFO, &cs->log, "%s of %zu bytes: dwMaxCCIDMessageLength is %u",
		    ccid_message_name(c->type), c->len, cs->desc->dwMaxCCIDMessageLength);
		return CCID_ERR_TOO_LONG;
	}
	err = make_room(cs, c->len);
	if (err == CCID_OK && cs->needs_resync)
		err = resync(cs, c->place_ms, c->no_queue);
	if (err != CCID_OK)
		return err;
	err = until_not_busy(cs, c, a, &lost);
	if (lost && is_over(err)) {
		/* Closed in mid-command perhaps: the reader still works at it when we come back. */
		cs->needs_resync = true;
	} else if (lost) {
		LOG(LOG_INFO, &cs->log, "%s ended without its answer (%s): resynchronising",
		    ccid_message_name(c->type), err_name(err));
		bError = cs->bError;
		resync(cs, RESYNC_MS, false);
		cs->bError = bError;
		cs->refused = false;
		if (err == CCID_ERR_NO_CARD)
			cs->icc_state = ICC_ABSENT;
	} else if (err != CCID_OK &&
		   (cs->bError == BERROR_ABORTED || cs->bError == BERROR_SLOT_BUSY)) {
		/* Not by us: half of an ABORT of before got lost, or the slot is still busy. */
		bError = cs->bError;
		resync(cs, RESYNC_MS, false);
		cs->bError = bError;
	} else {
		err = doubt(cs, c, err);
	}
	return err;
}

/* Copies an answer's data out: never more than cap, *len is the whole length. */
static enum ccid_err give(struct ccid_slot *cs, const struct answer *a, uint8_t *out, size_t cap,
			  size_t *len)
{
	size_t n = a->len < cap ? a->len : cap;

	if (n > 0)
		memcpy(out, a->data, n);
	*len = a->len;
	ccid_forget(cs);
	if (a->len <= cap)
		return CCID_OK;
	LOG(LOG_INFO, &cs->log, "%s of %zu bytes: there is room for %zu",
	    ccid_message_name(a->head.bMessageType), a->len, cap);
	return CCID_ERR_OVERFLOW;
}

/* The card's state is in every answer, also in one that says the command failed: firmware derived
 * from STMicroelectronics' sample refuses until the first power off. But there may be no such slot
 * (05), or one that is not in order (E0, FF). */
static enum ccid_err status_from(const struct ccid_slot *cs, enum ccid_err err)
{
	if (!cs->refused || cs->icc_state > ICC_ABSENT || is_over(err))
		return err;
	if (cs->icc_state == ICC_ABSENT || err == CCID_ERR_MUTE)
		return CCID_OK;
	return cs->bError == BERROR_NO_SLOT || cs->bError == BERROR_SLOT_BUSY ||
	       cs->bError == BERROR_ABORTED ? err : CCID_OK;
}

enum ccid_err ccid_get_slot_status(struct ccid_slot *cs, unsigned wait_ms)
{
	struct command c = { .type = PC_TO_RDR_GET_SLOT_STATUS, .expect = RDR_TO_PC_SLOT_STATUS,
			     .unused = true, .wait_ms = wait_ms, .total_ms = wait_ms,
			     .place_ms = CCID_PLACE_MS };
	struct answer a;

	return status_from(cs, round_trip(cs, &c, &a));
}

enum ccid_err ccid_look(struct ccid_slot *cs)
{
	struct command c = { .type = PC_TO_RDR_GET_SLOT_STATUS, .expect = RDR_TO_PC_SLOT_STATUS,
			     .unused = true, .no_queue = cs->icc_state != ICC_UNKNOWN,
			     .place_ms = CCID_COMMAND_MS, .wait_ms = CCID_COMMAND_MS,
			     .total_ms = CCID_COMMAND_MS };
	struct answer a;

	return status_from(cs, round_trip(cs, &c, &a));
}

enum ccid_err ccid_power_on(struct ccid_slot *cs, uint8_t bPowerSelect, uint8_t *atr, size_t cap,
			    size_t *len)
{
	struct command c = { .type = PC_TO_RDR_ICC_POWER_ON, .expect = RDR_TO_PC_DATA_BLOCK,
			     .b7 = bPowerSelect, .wait_ms = CCID_POWER_ON_MS,
			     .total_ms = CCID_TOTAL_MS,
			     .place_ms = CCID_PLACE_MS, .needs_card = true };
	struct answer a;
	enum ccid_err err = round_trip(cs, &c, &a);

	*len = 0;
	if (err != CCID_OK)
		return err;
	/* An ATR longer than 33 bytes is cut, not refused. */
	err = give(cs, &a, atr, cap, len);
	if (*len > cap)
		*len = cap;
	return err == CCID_ERR_OVERFLOW ? CCID_OK : err;
}

enum ccid_err ccid_power_off(struct ccid_slot *cs)
{
	struct command c = { .type = PC_TO_RDR_ICC_POWER_OFF, .expect = RDR_TO_PC_SLOT_STATUS,
			     .unused = true,
			     .wait_ms = CCID_COMMAND_MS, .total_ms = CCID_COMMAND_MS,
			     .place_ms = CCID_PLACE_MS };
	struct answer a;

	return round_trip(cs, &c, &a);
}

void ccid_power_off_briefly(struct ccid_slot *cs, unsigned wait_ms)
{
	struct command c = { .type = PC_TO_RDR_ICC_POWER_OFF, .expect = RDR_TO_PC_SLOT_STATUS,
			     .wait_ms = wait_ms, .total_ms = wait_ms, .place_ms = wait_ms };
	struct deadline end = deadline_in_ms(wait_ms);
	struct answer a;
	enum ccid_err err;

	cs->bError = 0;
	err = round_trip_once(cs, &c, &end, &a, &cs->needs_resync);
	ccid_forget(cs);
	/* No place by then: the reader is at work for another slot, or dead. */
	if (err == CCID_ERR_TIMEOUT)
		cs->needs_resync = true;
}

enum ccid_err ccid_xfr_block(struct ccid_slot *cs, const uint8_t *data, size_t len, uint8_t bBWI,
			     uint16_t wLevelParameter, unsigned wait_ms, struct ccid_block *out)
{
	struct command c = { .type = PC_TO_RDR_XFR_BLOCK, .expect = RDR_TO_PC_DATA_BLOCK,
			     .b7 = bBWI, .b8 = (uint8_t)wLevelParameter,
			     .b9 = (uint8_t)(wLevelParameter >> 8), .data = data, .len = len,
			     .wait_ms = wait_ms, .total_ms = CCID_TOTAL_MS,
			     .place_ms = CCID_PLACE_MS, .needs_card = true };
	struct answer a;
	enum ccid_err err = round_trip(cs, &c, &a);

	*out = (struct ccid_block){ .data = a.data };
	/* Mute because it has no power: nothing that another block could mend. */
	if (err == CCID_ERR_MUTE && cs->icc_state == ICC_PRESENT_INACTIVE)
		return CCID_ERR_POWER;
	if (err != CCID_OK)
		return err;
	out->len = a.len;
	out->bChainParameter = a.head.b9;
	return CCID_OK;
}

void ccid_forget(struct ccid_slot *cs)
{
	forget_long_answer(cs);
	wipe(cs->answer, cs->answer_used);
	cs->answer_used = 0;
}

enum ccid_err ccid_get_parameters(struct ccid_slot *cs, uint8_t *params, size_t cap, size_t *len,
				  uint8_t *protocol)
{
	struct command c = { .type = PC_TO_RDR_GET_PARAMETERS, .expect = RDR_TO_PC_PARAMETERS,
			     .wait_ms = CCID_COMMAND_MS, .total_ms = CCID_TOTAL_MS,
			     .place_ms = CCID_PLACE_MS, .needs_card = true };
	struct answer a;
	enum ccid_err err = round_trip(cs, &c, &a);

	*len = 0;
	if (err != CCID_OK)
		return err;
	*protocol = a.head.b9;
	return give(cs, &a, params, cap, len);
}

enum ccid_err ccid_set_parameters(struct ccid_slot *cs, uint8_t protocol, const uint8_t *params,
				  size_t len)
{
	struct command c = { .type = PC_TO_RDR_SET_PARAMETERS, .expect = RDR_TO_PC_PARAMETERS,
			     .unused = true, .b7 = protocol, .data = params, .len = len,
			     .wait_ms = CCID_COMMAND_MS, .total_ms = CCID_TOTAL_MS,
			     .place_ms = CCID_PLACE_MS, .needs_card = true };
	struct answer a;
	enum ccid_err err = round_trip(cs, &c, &a);

	if (err == CCID_OK || cs->bError == 0 || cs->bError > 0x7F)
		return err;
	LOG(LOG_INFO, &cs->log, "parameter %u cannot be changed: goes on without", cs->bError);
	return CCID_OK;
}

enum ccid_err ccid_escape(struct ccid_slot *cs, const uint8_t *data, size_t len, unsigned wait_ms,
			  uint8_t *out, size_t cap, size_t *out_len)
{
	struct command c = { .type = PC_TO_RDR_ESCAPE, .expect = RDR_TO_PC_ESCAPE,
			     .data = data, .len = len,
			     .wait_ms = wait_ms, .total_ms = CCID_TOTAL_MS,
			     .place_ms = CCID_PLACE_MS };
	struct answer a;
	enum ccid_err err = round_trip(cs, &c, &a);

	*out_len = 0;
	return err == CCID_OK ? give(cs, &a, out, cap, out_len) : err;
}

bool ccid_pin_sw2(const struct ccid_slot *cs, uint8_t *sw2)
{
	*sw2 = cs->bError == BERROR_PIN_CANCELLED ? 0x01 : 0x00;
	return cs->refused &&
	       (cs->bError == BERROR_PIN_CANCELLED || cs->bError == BERROR_PIN_TIMEOUT);
}

enum ccid_err ccid_secure(struct ccid_slot *cs, uint8_t bBWI, uint16_t wLevelParameter,
			  const uint8_t *data, size_t len, unsigned wait_ms,
			  uint8_t *out, size_t cap, size_t *out_len, bool *not_sent)
{
	struct command c = { .type = PC_TO_RDR_SECURE, .expect = RDR_TO_PC_DATA_BLOCK, .b7 = bBWI,
			     .b8 = (uint8_t)wLevelParameter, .b9 = (uint8_t)(wLevelParameter >> 8),
			     .data = data, .len = len, .wait_ms = wait_ms, .total_ms = wait_ms,
			     .place_ms = CCID_PLACE_MS, .needs_card = true };
	struct answer a;
	enum ccid_err err = round_trip(cs, &c, &a);

	uint8_t sw2;

	*out_len = 0;
	*not_sent = err != CCID_OK;
	if (err == CCID_OK)
		return give(cs, &a, out, cap, out_len);
	if (!ccid_pin_sw2(cs, &sw2))
		return err;
	if (cap < 2)
		return CCID_ERR_OVERFLOW;
	out[0] = 0x64;
	out[1] = sw2;
	*out_len = 2;
	return CCID_OK;
}
