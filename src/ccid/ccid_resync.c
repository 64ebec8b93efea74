/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ABORT, and signs that a reader listens again. */
#include "ccid/ccid_resync.h"

/* The number of refusals in a row that prove an ABORT to have failed. */
#define DOUBTS_MAX 3u

/* ABORT by control and bulk with one bSeq (CCID 1.10 §5.3.1, §6.1.13). Firmware derived from
 * STMicroelectronics' CCID middleware always reads 0 on the control pipe and never ends the abort
 * when the bulk half says otherwise: 0, unless that is the lost command's. */
static enum ccid_err abort_both(struct ccid_slot *cs, const struct deadline *d)
{
	struct deadline control = deadline_earlier(deadline_in_ms(CCID_RESYNC_MS / 2), *d);
	struct ccid_command c = { .type = PC_TO_RDR_ABORT, .expect = RDR_TO_PC_SLOT_STATUS,
				  .passes_gate = true, .wait_ms = CCID_RESYNC_MS, .has_seq = true,
				  .seq = cs->last_seq == 0 ? 1 : 0 };
	enum ccid_err err = transport_abort(cs->transport, cs->bSlot, c.seq, &control);
	struct ccid_answer a;
	uint8_t last = cs->last_seq;
	bool lost;

	if (err == CCID_OK)
		err = ccid_trip(cs, &c, d, &a, &lost);
	/* An answer to the lost command may still come, not one to a new command. */
	cs->last_seq = last;
	return err;
}

enum ccid_err ccid_resync(struct ccid_slot *cs, unsigned place_ms, bool no_queue)
{
	struct ccid_command status = { .type = PC_TO_RDR_GET_SLOT_STATUS,
				       .expect = RDR_TO_PC_SLOT_STATUS,
				       .wait_ms = CCID_RESYNC_MS, .place_ms = place_ms,
				       .no_queue = no_queue };
	struct deadline d = deadline_in_ms(CCID_RESYNC_MS);
	enum ccid_err err;
	struct ccid_answer a;
	bool aborted, lost;

	cs->link = CCID_ANSWER_OWED;
	transport_resync(cs->transport, cs->bSlot);
	err = abort_both(cs, &d);
	if (ccid_is_over(err))
		return err;
	cs->bError = 0;
	aborted = err == CCID_OK;
	lost = !aborted;
	if (!aborted) {
		/* Readers without ABORT: an answer to anything shows that they listen again. */
		err = ccid_trip(cs, &status, &ccid_never, &a, &lost);
	}
	if (ccid_is_over(err))
		return err;
	if (err == CCID_ERR_BUSY && cs->bError == 0)
		return err;	/* the reader is working for another slot */
	/* "Aborted" is what a reader says to all but the other half of an ABORT that it still
	 * misses. */
	if (lost || err == CCID_ERR_TIMEOUT || err == CCID_ERR_BUSY ||
	    cs->bError == BERROR_ABORTED)
		return CCID_ERR_COMM;
	cs->link = aborted ? CCID_DOUBTED : CCID_IN_STEP;
	cs->doubts = 0;
	return CCID_OK;
}

enum ccid_err ccid_doubt(struct ccid_slot *cs, const struct ccid_command *c, enum ccid_err err)
{
	/* A refusal of an optional command (Escape, SetParameters) proves nothing. */
	if (cs->link != CCID_DOUBTED || ccid_is_over(err) ||
	    (c->type != PC_TO_RDR_XFR_BLOCK && c->type != PC_TO_RDR_ICC_POWER_ON &&
	     c->type != PC_TO_RDR_ICC_POWER_OFF && c->type != PC_TO_RDR_GET_SLOT_STATUS))
		return err;
	if (err != CCID_ERR_NOT_SUPPORTED) {
		cs->link = CCID_IN_STEP;
	} else if (++cs->doubts >= DOUBTS_MAX) {
		cs->link = CCID_IN_STEP;
		if (transport_want_reset(cs->transport))
			return CCID_ERR_STALE;
	}
	return err;
}
