/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/t1.h"

#include <string.h>

/* The interface device's half of T=1, ISO 7816-3:2006 §11.6. "Rule" in the comments is a
 * rule of §11.6.2 (error-free operation) or §11.6.3 (error handling). */

/* Rule 7.4: attempts with one remedy before the next stronger one. */
#define T1_ATTEMPTS 3
/* How often the card may ask for one block again, or have it sent again, by R-blocks that are in
 * order: these are not failed attempts (annex A, scenario 13), but must end. */
#define T1_REPEATS 8
/* How often S(RESYNCH) may restart one command. */
#define T1_RESTARTS 2
/* Blocks without progress of the command (S(WTX), S(IFS), S(ABORT), empty chained I-blocks).
 * On-card key generation is granted hundreds of S(WTX); the caller's deadline ends it earlier when
 * the card is slow. */
#define T1_IDLE_MAX 4096

enum t1_phase {
	T1_SENDING,	/* the card has not acknowledged the I-block under way */
	T1_RECEIVING,	/* the card sends its chain, we acknowledge */
	T1_RESYNCHING,	/* S(RESYNCH request) is out */
	T1_IFS_ASKED,	/* S(IFS request) is out */
};

enum t1_last { LAST_I, LAST_R, LAST_S_REQUEST, LAST_S_RESPONSE };

void t1_reset(struct t1 *t1, bool crc, uint8_t ifsc)
{
	memset(t1, 0, sizeof *t1);
	t1->edc = crc ? T1_CRC_OPEN : T1_LRC;
	t1->ifsc = ifsc >= 1 && ifsc <= T1_IFS_MAX ? ifsc : T1_IFS_DEFAULT;
	t1->first_ifsc = t1->ifsc;
	t1->ifsd = T1_IFS_DEFAULT;
}

static bool at_character_level(const struct exchange *x)
{
	return x->cfg->level == LEVEL_CHARACTER;
}

/* Asks for `expected` bytes of the card's block after sending len bytes. */
static struct exchange_step t1_ask(struct exchange *x, size_t len, size_t expected,
				   uint8_t multiplier)
{
	struct exchange_step step = { .verdict = STEP_SEND, .data = x->scratch, .len = len,
				      .bBWI = multiplier };

	if (at_character_level(x)) {
		if (expected > x->cfg->max_data)
			expected = x->cfg->max_data;
		step.wLevelParameter = (uint16_t)expected;
	}
	step.wait_ms = timing_t1_ms(&x->cfg->timing, len, expected, multiplier) +
		       x->cfg->extra_wait_ms;
	return step;
}

/* Sends the block in scratch, for the first time or once more. */
static struct exchange_step t1_again(struct exchange *x)
{
	size_t expected = T1_PROLOGUE;

	if (!at_character_level(x))
		expected += x->t1->ifsd + t1_edc_len(x->t1->edc);
	x->m.t1.in_len = 0;
	return t1_ask(x, x->scratch_len, expected, x->m.t1.multiplier);
}

static struct exchange_step t1_send(struct exchange *x, enum t1_last last, unsigned pcb,
				    const uint8_t *inf, size_t inf_len)
{
	x->m.t1.last = last;
	x->m.t1.multiplier = 0;
	x->scratch_len = t1_block_put(x->scratch, x->t1->nad, (uint8_t)pcb, inf, inf_len,
				      x->t1->edc);
	return t1_again(x);
}

/* Rule 2.1, 5: the part of the command the card has not acknowledged, cut to what IFSC is now and
 * to what the reader can carry. */
static struct exchange_step t1_send_i(struct exchange *x)
{
	struct t1_state *m = &x->m.t1;
	size_t frame = T1_PROLOGUE + t1_edc_len(x->t1->edc);
	size_t left = x->apdu_len - x->sent;

	m->chunk = x->t1->ifsc;
	if (m->chunk > x->cfg->max_data - frame)
		m->chunk = x->cfg->max_data - frame;
	m->more = left > m->chunk;
	if (!m->more)
		m->chunk = left;
	m->phase = T1_SENDING;
	m->acknowledged = false;
	return t1_send(x, LAST_I, (x->t1->ns ? T1_PCB_I_NS : 0u) | (m->more ? T1_PCB_I_MORE : 0u),
		       x->apdu + x->sent, m->chunk);
}

static struct exchange_step t1_send_r(struct exchange *x, enum t1_fault fault)
{
	return t1_send(x, LAST_R,
		       T1_PCB_R | (x->t1->nr ? T1_PCB_R_NR : 0u) | (unsigned)fault, NULL, 0);
}

static struct exchange_step t1_send_s(struct exchange *x, enum t1_s_type type, const uint8_t *value)
{
	return t1_send(x, LAST_S_REQUEST, T1_PCB_S | (unsigned)type, value, value ? 1 : 0);
}

/* Rule 6: nothing else helped. */
static struct exchange_step t1_resynch(struct exchange *x)
{
	x->m.t1.phase = T1_RESYNCHING;
	x->m.t1.errors = 0;
	return t1_send_s(x, T1_S_RESYNCH, NULL);
}

/* The end of a request that does not belong to a command. */
static struct exchange_step t1_bare_end(struct exchange *x)
{
	x->t1->unsettled = false;
	x->machine = NULL;
	return (struct exchange_step){ .verdict = STEP_DONE };
}

/* Both ends agree on N(S). */
static struct exchange_step t1_go_on(struct exchange *x)
{
	x->t1->doubtful = false;
	x->m.t1.errors = x->m.t1.repeats = 0;
	return x->apdu_len > 0 ? t1_send_i(x) : t1_bare_end(x);
}

/* The link is in order: the next command can begin without S(RESYNCH). */
static struct exchange_step t1_settle(struct exchange *x, enum ccid_err err)
{
	x->t1->unsettled = false;
	return err == CCID_OK ? exchange_done(x) : exchange_fail(x, err);
}

/* Rule 6.3: both ends begin at N(S) = 0, and the whole command again, unless the card has taken all
 * of it: it would run twice there, and a VERIFY would cost two tries. Whether the card went back
 * to the IFS values it began with is left open by some cards: the smaller IFSC suits both. */
static struct exchange_step t1_restart(struct exchange *x)
{
	struct t1 *t1 = x->t1;

	t1->ns = 0;
	t1->nr = 0;
	if (t1->ifsc > t1->first_ifsc)
		t1->ifsc = t1->first_ifsc;
	exchange_discard(x);
	x->sent = 0;
	x->m.t1.aborted = false;
	if (x->m.t1.acknowledged)
		return t1_settle(x, x->m.t1.why);
	return t1_go_on(x);
}

/* The card does not have S(RESYNCH), and asks for the very block that it has not seen, as the
 * reader said. */
static bool t1_not_seen(const struct exchange *x)
{
	const struct t1_state *m = &x->m.t1;

	return x->t1->doubtful && m->got && (m->pcb & 0xC0) == T1_PCB_R &&
	       ((m->pcb & T1_PCB_R_NR) != 0) == (x->t1->ns != 0);
}

/* Rule 7.4: the attempts with the present remedy are used up. */
static struct exchange_step t1_escalate(struct exchange *x)
{
	struct t1_state *m = &x->m.t1;

	if (m->phase == T1_RESYNCHING && t1_not_seen(x))
		return t1_go_on(x);
	if (m->phase == T1_RESYNCHING)
		x->t1->dead = true;
	if (m->phase == T1_RESYNCHING || m->phase == T1_IFS_ASKED || m->restarts >= T1_RESTARTS)
		return exchange_fail(x, m->why);
	m->restarts++;
	return t1_resynch(x);
}

static bool t1_used_up(struct exchange *x, enum ccid_err why)
{
	if (x->m.t1.got)
		exchange_wrong_field(x, "PCB", x->m.t1.pcb);
	x->m.t1.why = why;
	return ++x->m.t1.errors >= T1_ATTEMPTS;
}

/* A block in order that asks for ours once more: the line works, so failed attempts before it are
 * forgotten. */
static bool t1_asked_too_often(struct exchange *x)
{
	exchange_wrong_field(x, "PCB", x->m.t1.pcb);
	x->m.t1.why = CCID_ERR_COMM;
	x->m.t1.errors = 0;
	return ++x->m.t1.repeats > T1_REPEATS;
}

/* No block came, or none that makes sense here. */
static struct exchange_step t1_recover(struct exchange *x, enum t1_fault fault, enum ccid_err why)
{
	enum t1_last last = x->m.t1.last;

	if (t1_used_up(x, why))
		return t1_escalate(x);
	/* Rules 7.2 and 7.3: the same R-block, the same request, once more. */
	if (last == LAST_R || last == LAST_S_REQUEST)
		return t1_again(x);
	/* Rule 7.1. */
	return t1_send_r(x, fault);
}

static struct exchange_step t1_wrong_block(struct exchange *x)
{
	return t1_recover(x, T1_FAULT_OTHER, CCID_ERR_PROTOCOL);
}

/* A valid block without progress of the command: their number is limited. */
static bool t1_idle_too_long(struct exchange *x)
{
	if (++x->rounds <= T1_IDLE_MAX)
		return false;
	exchange_wrong_field(x, "number of blocks without progress", x->rounds);
	return true;
}

static struct exchange_step t1_on_i(struct exchange *x, const struct t1_block *b)
{
	struct t1_state *m = &x->m.t1;
	struct t1 *t1 = x->t1;

	if (m->phase > T1_RECEIVING || b->seq != t1->nr ||
	    (m->phase == T1_SENDING && m->more && !m->aborted))
		return t1_wrong_block(x);
	/* Rule 2.1: it acknowledges our I-block. */
	if (m->phase == T1_SENDING)
		t1->ns ^= 1;
	m->phase = T1_RECEIVING;
	/* Rule 9: of the chain that was given up, nothing counts. */
	if (m->aborted)
		exchange_discard(x);
	m->aborted = false;
	m->acknowledged = true;
	m->errors = m->repeats = 0;
	t1->nr ^= 1;
	if (!exchange_append(x, b->inf, b->inf_len))
		return exchange_fail(x, CCID_ERR_OVERFLOW);
	if (!b->more)
		return t1_settle(x, CCID_OK);
	if (b->inf_len == 0 && t1_idle_too_long(x))
		return exchange_fail(x, CCID_ERR_PROTOCOL);
	/* Rule 2.2. */
	return t1_send_r(x, T1_FAULT_NONE);
}

/* Rule 9: after S(ABORT response) the card hands the right to send back to us. */
static struct exchange_step t1_on_abort_end(struct exchange *x, const struct t1_block *b)
{
	if (x->m.t1.phase == T1_SENDING)
		x->t1->ns = b->seq;
	return t1_settle(x, CCID_ERR_COMM);
}

static struct exchange_step t1_on_r(struct exchange *x, const struct t1_block *b)
{
	struct t1_state *m = &x->m.t1;
	bool acknowledges = b->seq != x->t1->ns;

	if (m->phase > T1_RECEIVING)
		return t1_wrong_block(x);
	if (m->aborted && b->fault == T1_FAULT_NONE)
		return t1_on_abort_end(x, b);
	/* Rule 7.1 seen from the other side: N(R) names the I-block the card wants (again). */
	if (m->phase == T1_SENDING && !acknowledges && !m->aborted) {
		m->acknowledged = false;
		return t1_asked_too_often(x) ? t1_escalate(x) : t1_send_i(x);
	}
	/* The card has all but our last block, which was a response. */
	if (m->last == LAST_S_RESPONSE && (b->fault != T1_FAULT_NONE || !m->more))
		return t1_asked_too_often(x) ? t1_escalate(x) : t1_again(x);
	/* Rule 2.2. */
	if (m->phase == T1_SENDING && m->more && !m->aborted) {
		x->t1->ns ^= 1;
		x->sent += m->chunk;
		m->errors = m->repeats = 0;
		return t1_send_i(x);
	}
	/* The card did not get our R-block, or has nothing to send yet. */
	if (b->fault == T1_FAULT_NONE)
		m->acknowledged = true;
	if (t1_asked_too_often(x))
		return t1_escalate(x);
	return m->last == LAST_R ? t1_again(x) : t1_send_r(x, T1_FAULT_OTHER);
}

/* Rules 3, 4 and 9: the card asks, we answer with the same value. */
static struct exchange_step t1_on_request(struct exchange *x, const struct t1_block *b)
{
	bool has_value = b->type != T1_S_ABORT;
	struct exchange_step step;

	/* Rule 6: only the interface device may ask for that. */
	if (b->type == T1_S_RESYNCH)
		return t1_wrong_block(x);
	if (t1_idle_too_long(x))
		return exchange_fail(x, CCID_ERR_PROTOCOL);
	x->m.t1.errors = 0;
	/* Only a card that has our I-block has the right to ask. */
	if (!x->m.t1.more)
		x->m.t1.acknowledged = true;
	if (b->type == T1_S_IFS)
		x->t1->ifsc = b->value;
	if (b->type == T1_S_ABORT) {
		exchange_wrong_field(x, "PCB", x->m.t1.pcb);
		x->m.t1.aborted = true;
	}
	step = t1_send(x, LAST_S_RESPONSE, T1_PCB_S | T1_PCB_S_RESPONSE | (unsigned)b->type,
		       &b->value, has_value ? 1 : 0);
	if (b->type != T1_S_WTX)
		return step;
	/* Rule 3: for the next block only. */
	x->m.t1.multiplier = b->value;
	return t1_again(x);
}

static struct exchange_step t1_on_s(struct exchange *x, const struct t1_block *b)
{
	struct t1_state *m = &x->m.t1;

	switch (m->phase) {
	case T1_RESYNCHING:
		if (b->response && b->type == T1_S_RESYNCH)
			return t1_restart(x);
		return t1_wrong_block(x);
	case T1_IFS_ASKED:
		if (!b->response || b->type != T1_S_IFS || b->value != m->ifsd)
			return t1_wrong_block(x);
		x->t1->ifsd = m->ifsd;
		return t1_bare_end(x);
	default:
		return b->response ? t1_wrong_block(x) : t1_on_request(x, b);
	}
}

/* The card has shown which epilogue it has: what is in scratch may have to be sent again with
 * it. */
static void t1_learn_edc(struct exchange *x, enum t1_edc edc)
{
	if (x->t1->edc == edc)
		return;
	x->t1->edc = edc;
	t1_seal(x->scratch, x->scratch_len - t1_edc_len(edc), edc);
}

static struct exchange_step t1_judge(struct exchange *x, const uint8_t *p, size_t len)
{
	struct t1_block b;
	enum t1_fault fault = t1_block_parse(&b, p, len, x->t1->nad, x->t1->edc);

	if (b.wrong_field)
		exchange_wrong_field(x, b.wrong_field, b.wrong_value);
	t1_learn_edc(x, b.edc);
	x->m.t1.got = fault == T1_FAULT_NONE;
	x->m.t1.pcb = x->m.t1.got ? p[1] : 0;
	if (fault == T1_FAULT_EDC)
		return t1_recover(x, fault, CCID_ERR_PARITY);
	if (fault != T1_FAULT_NONE)
		return t1_wrong_block(x);
	switch (b.kind) {
	case T1_I_BLOCK:
		return t1_on_i(x, &b);
	case T1_R_BLOCK:
		return t1_on_r(x, &b);
	default:
		return t1_on_s(x, &b);
	}
}

/* Character level: the prologue first, then what it announces. Less than asked for, or a
 * LEN that no block has, is judged (and found wrong) as it is; a reader that
 * delivers the block at once is taken at its word. */
static struct exchange_step t1_collect(struct exchange *x, const uint8_t *data, size_t len)
{
	struct t1_state *m = &x->m.t1;
	size_t whole, wanted;

	if (m->in_len == 0 && (len < T1_PROLOGUE || len > T1_PROLOGUE || data[2] > T1_IFS_MAX))
		return t1_judge(x, data, len);
	whole = T1_PROLOGUE + (m->in_len ? m->in[2] : data[2]) + t1_edc_len(x->t1->edc);
	wanted = m->in_len ? whole - m->in_len : T1_PROLOGUE;
	if (wanted > x->cfg->max_data)
		wanted = x->cfg->max_data;
	if (len != wanted) {
		exchange_wrong_field(x, "LEN", m->in_len ? m->in[2] : data[2]);
		return t1_wrong_block(x);
	}
	memcpy(m->in + m->in_len, data, len);
	m->in_len += len;
	if (m->in_len == whole)
		return t1_judge(x, m->in, whole);
	return t1_ask(x, 0, whole - m->in_len, 0);
}

/* Errors of this kind mean that the card's block was lost or damaged on its way. */
static bool t1_can_repair(enum ccid_err err)
{
	return err == CCID_ERR_PARITY || err == CCID_ERR_COMM || err == CCID_ERR_MUTE ||
	       err == CCID_ERR_TIMEOUT;
}

static struct exchange_step t1_feed(struct exchange *x, enum ccid_err result, const uint8_t *data,
				    size_t len, uint8_t chain)
{
	(void)chain;
	if (result == CCID_OK)
		return at_character_level(x) ? t1_collect(x, data, len) : t1_judge(x, data, len);
	x->m.t1.got = false;
	if (!t1_can_repair(result))
		return exchange_fail(x, result);
	return t1_recover(x, result == CCID_ERR_PARITY ? T1_FAULT_EDC : T1_FAULT_OTHER, result);
}

/* Is there a card to speak with, and room for a block with one information byte? */
static enum ccid_err t1_refuse(const struct exchange *x)
{
	if (!x->t1)
		return CCID_ERR_ARG;
	if (x->t1->dead)
		return CCID_ERR_COMM;
	if (x->cfg->max_data < T1_PROLOGUE + 1 + t1_edc_len(x->t1->edc))
		return CCID_ERR_TOO_LONG;
	return CCID_OK;
}

static struct exchange_step t1_begin(struct exchange *x)
{
	enum ccid_err err = t1_refuse(x);
	bool unsettled;

	if (err != CCID_OK)
		return exchange_fail(x, err);
	unsettled = x->t1->unsettled;
	x->t1->unsettled = true;
	return unsettled ? t1_resynch(x) : t1_send_i(x);
}

static struct exchange_step t1_ifsd_begin(struct exchange *x)
{
	enum ccid_err err = t1_refuse(x);

	if (x->m.t1.ifsd == 0 || x->m.t1.ifsd > T1_IFS_MAX)
		err = CCID_ERR_ARG;
	if (err != CCID_OK)
		return exchange_fail(x, err);
	x->m.t1.phase = T1_IFS_ASKED;
	return t1_send_s(x, T1_S_IFS, &x->m.t1.ifsd);
}

static struct exchange_step t1_resynch_begin(struct exchange *x)
{
	enum ccid_err err = t1_refuse(x);

	return err != CCID_OK ? exchange_fail(x, err) : t1_resynch(x);
}

const struct exchange_machine t1_machine = { t1_begin, t1_feed };
const struct exchange_machine t1_ifsd_machine = { t1_ifsd_begin, t1_feed };
const struct exchange_machine t1_resynch_machine = { t1_resynch_begin, t1_feed };

void t1_secure_prologue(struct t1 *t1, uint8_t out[3], uint8_t len)
{
	out[0] = t1->nad;
	out[1] = t1->ns ? T1_PCB_I_NS : 0;
	out[2] = len;
	t1->ns ^= 1;
}

void t1_secure_unsent(struct t1 *t1)
{
	t1->ns ^= 1;
}

enum ccid_err t1_secure_answer(struct t1 *t1, const uint8_t *block, size_t len,
			       const uint8_t **inf, size_t *inf_len,
			       uint8_t *wtx, uint8_t reply[6], size_t *reply_len)
{
	struct t1_block b;
	enum t1_fault fault = t1_block_parse(&b, block, len, t1->nad, t1->edc);

	t1->edc = b.edc;
	*inf = NULL;
	*inf_len = 0;
	*wtx = 0;
	*reply_len = 0;
	if (fault == T1_FAULT_NONE && b.kind == T1_S_BLOCK && !b.response && b.type == T1_S_WTX &&
	    b.value != 0) {
		*wtx = b.value;
		*reply_len = t1_block_put(reply, t1->nad, T1_PCB_S | T1_PCB_S_RESPONSE | T1_S_WTX,
					  &b.value, 1, t1->edc);
		return CCID_OK;
	}
	/* The PIN is in the reader, so nothing can be sent again, nor a chain go on. */
	if (fault != T1_FAULT_NONE || b.kind != T1_I_BLOCK || b.more || b.seq != t1->nr) {
		t1->unsettled = true;
		return CCID_ERR_PROTOCOL;
	}
	t1->nr ^= 1;
	*inf = b.inf;
	*inf_len = b.inf_len;
	return CCID_OK;
}
