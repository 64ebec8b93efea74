/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One message out, its one answer back. */
#include "ccid/ccid_trip.h"

#include "util/buf.h"

#include <string.h>

#define EXTENSION_TOUCH 0xFF	/* "waiting for a touch": no multiplier */
/* Beyond so many time extensions of one command, the next is looked at when a moment has passed:
 * a reader that sends nothing else does not have the processor for half an hour. */
#define EXTENSIONS_AT_ONCE 1000u
#define EXTENSION_PACE_MS 10u

const struct deadline ccid_never = { UINT64_MAX };

/* Nothing is lost where bytes follow an ATR, or where the content is not used. */
static bool is_length_good(const struct ccid_slot *cs, const struct ccid_command *c,
			   size_t dwLength, size_t carried)
{
	if (dwLength == carried || c->unused)
		return true;
	return dwLength < carried && (c->type == PC_TO_RDR_ICC_POWER_ON ||
				      quirk_has(cs->quirks, QUIRK_PADDED_ANSWERS));
}

static enum ccid_err judge_length(const struct ccid_slot *cs, const struct ccid_command *c,
				  struct ccid_answer *a, size_t got)
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
static bool is_type_good(const struct ccid_command *c, const struct ccid_answer *a, unsigned state)
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

/* Does the answer, which is not a time extension, fit the command? */
static enum ccid_err judge_type(struct ccid_slot *cs, const struct ccid_command *c,
				const struct ccid_answer *a)
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
static struct deadline extended(const struct ccid_command *c, uint8_t bError)
{
	unsigned times = bError == 0 || bError == EXTENSION_TOUCH ? 1 : bError;

	uint64_t ms = (uint64_t)c->wait_ms * times;

	return deadline_in_ms(ms < CCID_SILENCE_MS || times == 1 ? ms : CCID_SILENCE_MS);
}

/* An answer came: it is in the slot's buffer, or the transport made a larger one. */
static void note_answer(struct ccid_slot *cs, const struct request *r, struct ccid_answer *a)
{
	cs->long_answer = r->long_answer;
	cs->long_len = r->answer_len;
	a->frame = r->long_answer ? r->long_answer : cs->answer;
	if (!r->long_answer && r->answer_len > cs->answer_used)
		cs->answer_used = r->answer_len;
	if (log_enabled(LOG_COMM))
		log_message(&cs->log, &cs->secrecy, false, a->frame, r->answer_len);
}

/* Takes answers until one is not a time extension. *lost: the command ended without its answer. */
static enum ccid_err await(struct ccid_slot *cs, const struct ccid_command *c, struct request *r,
			   const struct deadline *end, struct ccid_answer *a, bool *lost)
{
	uint64_t now = r->sent_ns ? r->sent_ns : clock_now();
	struct deadline total = deadline_from(now, c->total_ms > c->wait_ms ? c->total_ms :
									      c->wait_ms);
	struct deadline silence = deadline_from(now, c->wait_ms);
	unsigned extensions = 0;
	enum ccid_err err;

	*lost = true;
	total = deadline_earlier(total, *end);
	for (;;) {
		struct deadline d = deadline_earlier(silence, total);

		/* The answer may have come in the moments that a wait takes beyond its end. */
		err = extensions > 0 && deadline_passed(&total) ?
			      CCID_ERR_TIMEOUT :
			      transport_wait(cs->transport, r, &d);
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
		if (++extensions > EXTENSIONS_AT_ONCE)
			deadline_sleep_ms(&total, EXTENSION_PACE_MS);
	}
	err = judge_length(cs, c, a, r->answer_len);
	if (err != CCID_OK)
		return err;
	err = judge_type(cs, c, a);
	*lost = err == CCID_ERR_COMM && a->head.bMessageType != c->expect &&
		ccid_command_state(a->head.b7) == COMMAND_OK;
	return err;
}

enum ccid_err ccid_trip(struct ccid_slot *cs, const struct ccid_command *c,
			const struct deadline *end, struct ccid_answer *a, bool *lost)
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
	ccid_forget_long(cs);
	place = deadline_earlier(place, *end);
	err = transport_start(cs->transport, &r, &place);
	if (err == CCID_OK) {
		cs->last_seq = r.seq;
		if (log_enabled(LOG_COMM))
			log_message(&cs->log, &cs->secrecy, true, r.msg, r.len);
		err = await(cs, c, &r, end, a, lost);
		transport_finish(cs->transport, &r);
		/* An answer may have come after the wait for it ended: it is the slot's to free. */
		cs->long_answer = r.long_answer;
		cs->long_len = r.answer_len;
	}
	wipe(cs->message + CCID_HEADER_LENGTH, c->len);
	return err;
}
