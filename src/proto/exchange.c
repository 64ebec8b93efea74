/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/exchange.h"
#include "proto/apdu.h"
#include "proto/t0.h"
#include "proto/t1.h"
#include "util/buf.h"

/* wLevelParameter and bChainParameter at extended APDU level, CCID 1.10 §6.1.4 and §6.2.1. */
enum chain {
	CHAIN_WHOLE = 0x00,
	CHAIN_BEGINS = 0x01,
	CHAIN_ENDS = 0x02,
	CHAIN_GOES_ON = 0x03,
	CHAIN_NEXT = 0x10,	/* empty abData: the other side's next part is expected */
};

/* A step of the two APDU levels. The reader speaks with the card meanwhile, so the wait is
 * for the whole command and answer, whatever part is under way. */
static struct exchange_step apdu_step(const struct exchange *x, const uint8_t *data, size_t len,
				      enum chain parameter)
{
	const struct exchange_config *cfg = x->cfg;
	struct apdu a = apdu_parse(x->apdu, x->apdu_len);
	size_t in = (a.shape == APDU_MALFORMED ? 256 : a.Ne) + 2;
	struct exchange_step step = { .verdict = STEP_SEND, .data = data, .len = len,
				      .wLevelParameter = (uint16_t)parameter };

	step.wait_ms = cfg->protocol == 0 ? timing_t0_command_ms(&cfg->timing, x->apdu_len, in)
					  : timing_t1_command_ms(&cfg->timing, x->apdu_len, in);
	step.wait_ms += cfg->extra_wait_ms;
	return step;
}

/* Whatever fits goes out as it is, an extended APDU too: many firmwares of this level take it, and
 * the reader and the card are the ones to refuse it. */
static struct exchange_step short_begin(struct exchange *x)
{
	if (x->apdu_len > x->cfg->max_data)
		return exchange_fail(x, CCID_ERR_TOO_LONG);
	return apdu_step(x, x->apdu, x->apdu_len, CHAIN_WHOLE);
}

/* The next part of the command. */
static struct exchange_step extended_send(struct exchange *x)
{
	const uint8_t *part = x->apdu + x->sent;
	size_t left = x->apdu_len - x->sent;
	bool first = x->sent == 0;
	size_t len = left < x->cfg->max_data ? left : x->cfg->max_data;

	x->sent += len;
	if (len == left)
		return apdu_step(x, part, len, first ? CHAIN_WHOLE : CHAIN_ENDS);
	return apdu_step(x, part, len, first ? CHAIN_BEGINS : CHAIN_GOES_ON);
}

static struct exchange_step extended_begin(struct exchange *x)
{
	return x->cfg->max_data == 0 ? exchange_fail(x, CCID_ERR_TOO_LONG) : extended_send(x);
}

/* The answer to a part of the command that more parts follow: empty. Readers are seen to leave
 * bChainParameter at 0 there. A reader that answers in full has refused the command. */
static struct exchange_step extended_sent(struct exchange *x, const uint8_t *data, size_t len,
					  uint8_t chain)
{
	if (len == 0 && (chain == CHAIN_NEXT || chain == CHAIN_WHOLE))
		return extended_send(x);
	if (chain == CHAIN_WHOLE)
		return exchange_feed_whole(x, CCID_OK, data, len, chain);
	exchange_wrong_field(x, "bChainParameter", chain);
	return exchange_fail(x, CCID_ERR_PROTOCOL);
}

static struct exchange_step extended_feed(struct exchange *x, enum ccid_err result,
					  const uint8_t *data, size_t len, uint8_t chain)
{
	uint8_t last = x->answer_begun ? CHAIN_ENDS : CHAIN_WHOLE;
	uint8_t more = x->answer_begun ? CHAIN_GOES_ON : CHAIN_BEGINS;

	if (result != CCID_OK)
		return exchange_fail(x, result);
	if (x->sent < x->apdu_len)
		return extended_sent(x, data, len, chain);
	if (chain == last)
		return exchange_feed_whole(x, CCID_OK, data, len, chain);
	/* An empty part that promises more could go on for ever. */
	if (chain != more || len == 0) {
		exchange_wrong_field(x, "bChainParameter", chain);
		return exchange_fail(x, CCID_ERR_PROTOCOL);
	}
	if (!exchange_append(x, data, len))
		return exchange_fail(x, CCID_ERR_OVERFLOW);
	x->answer_begun = true;
	return apdu_step(x, x->apdu, 0, CHAIN_NEXT);
}

static const struct exchange_machine extended_machine = { extended_begin, extended_feed };

/* bChainParameter is reserved at this level, and some readers leave anything in it. But 01 is what
 * a firmware says that chains all the same (NXP PN7362AU, FIDO2 answers). */
static struct exchange_step short_feed(struct exchange *x, enum ccid_err result,
				       const uint8_t *data, size_t len, uint8_t chain)
{
	if (!x->answer_begun && (chain != CHAIN_BEGINS || len == 0))
		return exchange_feed_whole(x, result, data, len, chain);
	x->sent = x->apdu_len;
	return extended_feed(x, result, data, len, chain);
}

static const struct exchange_machine short_machine = { short_begin, short_feed };

#define PROTOCOLS 2
#define LEVELS (LEVEL_EXTENDED_APDU + 1)

static const struct exchange_machine *const machines[LEVELS][PROTOCOLS] = {
	[LEVEL_CHARACTER] = { &t0_character_machine, &t1_machine },
	[LEVEL_TPDU] = { &t0_tpdu_machine, &t1_machine },
	[LEVEL_SHORT_APDU] = { &short_machine, &short_machine },
	[LEVEL_EXTENDED_APDU] = { &extended_machine, &extended_machine },
};

/* A fresh exchange: nothing of an earlier one is left. */
static void clear(struct exchange *x, const struct exchange_config *cfg, struct t1 *t1)
{
	wipe(x, sizeof *x);
	x->cfg = cfg;
	x->t1 = t1;
}

struct exchange_step exchange_begin(struct exchange *x, const struct exchange_config *cfg,
				    struct t1 *t1, const uint8_t *apdu, size_t apdu_len,
				    uint8_t *answer, size_t answer_cap)
{
	clear(x, cfg, t1);
	if (apdu_len == 0 || (unsigned)cfg->level >= LEVELS || cfg->protocol >= PROTOCOLS)
		return exchange_fail(x, CCID_ERR_ARG);
	x->apdu = apdu;
	x->apdu_len = apdu_len;
	x->answer = answer;
	x->answer_cap = answer_cap;
	x->machine = machines[cfg->level][cfg->protocol];
	return x->machine->begin(x);
}

struct exchange_step exchange_begin_ifsd(struct exchange *x, const struct exchange_config *cfg,
					 struct t1 *t1, uint8_t ifsd)
{
	clear(x, cfg, t1);
	x->m.t1.ifsd = ifsd;
	x->machine = &t1_ifsd_machine;
	return x->machine->begin(x);
}

struct exchange_step exchange_begin_resynch(struct exchange *x, const struct exchange_config *cfg,
					    struct t1 *t1)
{
	clear(x, cfg, t1);
	x->machine = &t1_resynch_machine;
	return x->machine->begin(x);
}

struct exchange_step exchange_finish(struct exchange *x, uint8_t sw1, uint8_t sw2)
{
	const uint8_t sw[] = { sw1, sw2 };

	if (x->t1)
		x->t1->unsettled = true;
	exchange_discard(x);
	exchange_append(x, sw, sizeof sw);
	return exchange_done(x);
}

struct exchange_step exchange_feed(struct exchange *x, enum ccid_err result,
				   const uint8_t *data, size_t len, uint8_t bChainParameter)
{
	struct exchange_step nothing = { .verdict = STEP_FAILED, .err = CCID_ERR_ARG };

	if (!x->machine)
		return nothing;
	return x->machine->feed(x, result, data, len, bChainParameter);
}

void exchange_end(struct exchange *x)
{
	size_t answer_len = x->answer_len;

	wipe(x, sizeof *x);
	x->answer_len = answer_len;
}
