/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The blocks of an exchange, one after the other. */
#include "slot/slot_exchange.h"

/* The card's violation of its protocol, for the log. */
static void log_wrong_field(const struct slot *s, bool repaired)
{
	LOG(LOG_INFO, &s->ccid.log, "T=%u: %s is %u (0x%02X)%s", s->params.protocol,
	    s->exchange.wrong_field, s->exchange.wrong_value, s->exchange.wrong_value,
	    repaired ? ", repaired" : "");
}

static enum ccid_err by_xfr_block(struct slot *s, const struct exchange_step *step,
				  unsigned wait_ms, struct ccid_block *in)
{
	return ccid_xfr_block(&s->ccid, step->data, step->len, step->bBWI, step->wLevelParameter,
			      wait_ms, in);
}

enum ccid_err slot_run_exchange(struct slot *s, struct exchange_step step, unsigned least_wait_ms,
				size_t *answer_len)
{
	return slot_run_exchange_by(by_xfr_block, s, step, least_wait_ms, answer_len);
}

enum ccid_err slot_run_exchange_by(slot_carry *carry, struct slot *s, struct exchange_step step,
				   unsigned least_wait_ms, size_t *answer_len)
{
	/* One command's blocks, repeats and waiting time extensions end with it. */
	unsigned extra = least_wait_ms + s->params.exchange.extra_wait_ms;
	uint64_t now = clock_now();
	struct deadline total = deadline_from(now, CCID_TOTAL_MS + extra);
	/* A card that is silent is not asked again and again for so long. */
	struct deadline silence = deadline_from(now, CCID_SILENCE_MS + extra);
	enum ccid_err err;

	*answer_len = 0;
	while (step.verdict == STEP_SEND) {
		unsigned wait = step.wait_ms > least_wait_ms ? step.wait_ms : least_wait_ms;
		struct deadline end = deadline_earlier(total, silence);
		uint64_t left = deadline_left_from(now, &end);
		struct ccid_block in;
		uint8_t sw2;

		if (left == 0) {
			step = exchange_fail(&s->exchange, CCID_ERR_TIMEOUT);
			break;
		}
		if (wait > left)
			wait = (unsigned)left;
		err = carry(s, &step, wait, &in);
		if (err == CCID_ERR_NO_DEVICE || err == CCID_ERR_STALE ||
		    reader_is_gone(s->reader)) {
			step = exchange_fail(&s->exchange,
					     err != CCID_OK ? err : CCID_ERR_NO_DEVICE);
			break;
		}
		/* the reader asked for a PIN on its own: the answer is that of Secure */
		if (err == CCID_ERR_TIMEOUT && s->exchange.apdu && ccid_pin_sw2(&s->ccid, &sw2))
			step = exchange_finish(&s->exchange, 0x64, sw2);
		else
			step = exchange_feed(&s->exchange, err, in.data, in.len,
					     in.bChainParameter);
		if (step.verdict != STEP_SEND)
			break;
		now = clock_now();
		if (err != CCID_ERR_TIMEOUT)
			silence = deadline_from(now, CCID_SILENCE_MS + extra);
	}
	if (step.verdict == STEP_DONE)
		*answer_len = s->exchange.answer_len;
	if (s->exchange.wrong_field)
		log_wrong_field(s, step.verdict == STEP_DONE);
	exchange_end(&s->exchange);
	ccid_forget(&s->ccid);
	return step.verdict == STEP_DONE ? CCID_OK : step.err;
}
