/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The card's half of T=1, ISO 7816-3:2006 §11. Rule numbers are those of §11.6.2. A block that the
 * standard does not allow is answered as the standard says, and counted as a complaint, except when
 * it repairs what a fault of the card has damaged. */
#include "sim/model/card.h"

#include <string.h>

enum { NAD, PCB, LEN, INF };

enum {
	PCB_NS = 0x40, PCB_MORE = 0x20,			/* I-blocks */
	PCB_R = 0x80, PCB_NR = 0x10,			/* R-blocks */
	S_REQUEST = 0xC0, S_RESPONSE = 0x20,		/* S-blocks */
	S_RESYNCH = 0xC0, S_IFS = 0xC1, S_ABORT = 0xC2, S_WTX = 0xC3,
};

/* Where an answer goes. */
struct reply {
	uint8_t *out;
	size_t *len;
	uint64_t *work;
};

static void forget(struct card_t1 *t)
{
	t->tx_pos = t->tx_len = t->rx_len = 0;
	t->rx_chain = t->asked = t->send_r = false;
	t->last_i_len = 0;
	t->wtx_left = 0;
	t->piece = 0;
}

void card_t1_reset(struct sim_card *c)
{
	struct card_t1 *t = &c->t1;

	memset(t, 0, sizeof *t);
	t->crc = !c->atr.crc ? CRC_NONE : c->cfg.crc == CRC_ISO ? CRC_ISO : CRC_PLAIN;
	t->ifsc = (uint8_t)c->atr.ifsc;
	t->ifsd = 32;		/* §11.4.2 */
}

static int send_plain(struct sim_card *c, const struct reply *r, uint8_t pcb, const uint8_t *inf,
		      size_t n)
{
	uint8_t b[CARD_BLOCK];
	size_t len = card_t1_build(c, b, pcb, inf, n);

	return card_t1_emit(c, b, len, r->out, r->len);
}

static int send_r(struct sim_card *c, const struct reply *r, unsigned error)
{
	return send_plain(c, r, (uint8_t)(PCB_R | (c->t1.nr ? PCB_NR : 0) | error), NULL, 0);
}

/* Sends an S(request) of the card and waits for its response. */
static int ask(struct sim_card *c, const struct reply *r, uint8_t pcb, uint8_t value, bool illegal)
{
	struct card_t1 *t = &c->t1;

	t->asked = true;
	t->asked_illegal = illegal;
	t->ask_len = card_t1_build(c, t->ask, pcb, &value, pcb & 1);
	return card_t1_emit(c, t->ask, t->ask_len, r->out, r->len);
}

/* The next I-block of the answer (rule 2.1, chaining rule 5). */
static int send_i(struct sim_card *c, const struct reply *r)
{
	struct card_t1 *t = &c->t1;
	size_t room = t->ifsd < c->cfg.chain ? t->ifsd : c->cfg.chain;
	size_t n = t->tx_len - t->tx_pos;
	uint8_t pcb = t->ns ? PCB_NS : 0;

	if (n > room) {
		n = room;
		pcb |= PCB_MORE;
	}
	t->last_i_len = card_t1_build(c, t->last_i, pcb, c->tx + t->tx_pos, n);
	t->tx_pos += n;
	t->ns ^= 1;
	return card_t1_emit(c, t->last_i, t->last_i_len, r->out, r->len);
}

/* The card's turn with an I- or R-block: S(requests) of faults and of long work go first. */
static int turn(struct sim_card *c, const struct reply *r)
{
	struct card_t1 *t = &c->t1;
	const struct card_fault *f = card_fault_due(c, STAGE_T1_ASK, KIND_ANY);

	if (f != NULL)
		return ask(c, r, f->def->pcb, (uint8_t)f->value, f->def->illegal);
	*r->work = t->piece;
	if (t->wtx_left > 0) {
		t->wtx_left--;
		return ask(c, r, S_WTX, (uint8_t)c->cfg.wtx, false);
	}
	t->piece = 0;
	if (t->send_r)
		return send_r(c, r, 0);
	return send_i(c, r);
}

/* What came is not a valid block: rule 7.3 when an S(request) waits, else 7.1 and 7.4. */
static int refuse(struct sim_card *c, const struct reply *r, unsigned error)
{
	struct card_t1 *t = &c->t1;

	if (t->asked)
		return card_t1_emit(c, t->ask, t->ask_len, r->out, r->len);
	return send_r(c, r, error);
}

static int complain(struct sim_card *c, const struct reply *r, const char *what)
{
	card_complain(c, "T=1: %s", what);
	return refuse(c, r, BLOCK_OTHER);
}

/* The command is whole: run it, and share its work among the S(WTX) and the answer. */
static int execute(struct sim_card *c, const struct reply *r)
{
	struct card_t1 *t = &c->t1;
	/* §11.4.3: BWT = 11 etu + 2^BWI * 960 * 372 / f, here without the etu and at 4 MHz */
	uint64_t bwt = ((uint64_t)960 * 372 * 250) << (c->atr.bwi > 9 ? 9 : c->atr.bwi);

	t->tx_len = card_whole(c, c->rx, t->rx_len, c->tx);
	if (c->foreign_state != SIM_FOREIGN_DONE)
		return SIM_CARD_MUTE;
	t->tx_pos = 0;
	t->rx_len = 0;
	t->wtx_left = card_extensions(c, c->work, bwt);
	t->piece = c->work / (t->wtx_left + 1);
	t->send_r = false;
	return turn(c, r);
}

static int got_i(struct sim_card *c, const uint8_t *b, const struct reply *r)
{
	struct card_t1 *t = &c->t1;
	const struct card_fault *f;

	if (t->asked)
		return complain(c, r, "I-block in place of an S(response)");
	if (!!(b[PCB] & PCB_NS) != t->nr && t->passed)
		return refuse(c, r, BLOCK_OTHER);
	if (!!(b[PCB] & PCB_NS) != t->nr)
		return complain(c, r, "wrong N(S)");
	t->passed = false;
	if (t->tx_pos < t->tx_len)
		return complain(c, r, "I-block in the middle of the card's chain");
	f = card_fault_due(c, STAGE_T1_IN, KIND_ANY);
	if (f != NULL)
		return send_r(c, r, f->value & 3);
	t->nr ^= 1;
	t->last_i_len = 0;	/* rule 2.2: this acknowledges the card's last one */
	if (t->rx_len + b[LEN] <= sizeof c->rx)
		memcpy(c->rx + t->rx_len, b + INF, b[LEN]);
	t->rx_len += b[LEN];
	if (t->rx_len > sizeof c->rx)
		t->rx_len = sizeof c->rx;	/* longer than any APDU: 6700 in the end */
	t->rx_chain = b[PCB] & PCB_MORE;
	if (!t->rx_chain)
		return execute(c, r);
	if (b[LEN] == 0)
		card_complain(c, "T=1: empty I-block within a chain");
	t->send_r = true;
	return turn(c, r);
}

/* Sends a block once more; §11.6.2 rule 7 lets the other side ask only for a block that it did not
 * receive. */
static int again(struct sim_card *c, const struct reply *r, const uint8_t *b, size_t len)
{
	if (!c->t1.damaged)
		card_complain(c, "T=1: R-block asks again for a good block");
	return card_t1_emit(c, b, len, r->out, r->len);
}

static int got_r(struct sim_card *c, const uint8_t *b, const struct reply *r)
{
	struct card_t1 *t = &c->t1;
	uint8_t nr = !!(b[PCB] & PCB_NR);

	if (t->asked && t->asked_illegal) {
		/* a justified refusal: go on with the next block */
		t->asked = false;
		return turn(c, r);
	}
	if (t->asked)
		return again(c, r, t->ask, t->ask_len);
	if (t->last_len == 0)
		return complain(c, r, "R-block as the first block");
	if (t->last_i_len > 0 && nr != t->ns)
		return again(c, r, t->last_i, t->last_i_len);
	if (t->last_i_len > 0 && t->tx_pos < t->tx_len) {
		if (b[PCB] & 3)
			card_complain(c, "T=1: R-block with an error acknowledges a block");
		return turn(c, r);
	}
	if (t->last_i_len > 0)
		return complain(c, r, "R-block acknowledges the end of an answer");
	if (nr != t->ns)
		return complain(c, r, "wrong N(R)");
	if ((t->last[PCB] & S_REQUEST) == S_REQUEST && !t->damaged)
		return complain(c, r, "R-block after an S(response)");
	return again(c, r, t->last, t->last_len);
}

static int got_s_response(struct sim_card *c, const uint8_t *b, const struct reply *r)
{
	struct card_t1 *t = &c->t1;

	if (!t->asked)
		return complain(c, r, "S(response) without a request");
	if ((b[PCB] ^ S_RESPONSE) != t->ask[PCB] || (b[LEN] == 1 && b[INF] != t->ask[INF]))
		return complain(c, r, "S(response) does not fit the request");
	t->asked = false;
	if (t->asked_illegal)
		return turn(c, r);
	if (t->ask[PCB] == S_IFS)
		t->ifsc = t->ask[INF];
	if (t->ask[PCB] == S_ABORT) {	/* rule 9: the R-block gives the right to send back */
		forget(t);
		return send_r(c, r, 0);
	}
	return turn(c, r);
}

static int got_s_request(struct sim_card *c, const uint8_t *b, const struct reply *r)
{
	struct card_t1 *t = &c->t1;
	uint8_t initial = (uint8_t)c->atr.ifsc;

	switch (b[PCB]) {
	case S_RESYNCH:		/* rule 6: as after the ATR */
		if (card_fault_due(c, STAGE_T1_RESYNCH, KIND_ANY) != NULL)
			return send_r(c, r, BLOCK_OTHER);
		forget(t);
		t->passed = false;
		t->ns = t->nr = 0;
		t->ifsd = 32;
		t->ifsc = t->ifsc > initial ? t->ifsc : initial;
		break;
	case S_IFS:		/* rule 4 */
		if (t->asked)
			return complain(c, r, "S(IFS request) in place of an S(response)");
		if (b[INF] == 0 || b[INF] == 0xFF)
			return complain(c, r, "S(IFS request) of 0 or 255");
		t->ifsd = b[INF];
		break;
	case S_ABORT:		/* rule 9 */
		if (!t->asked && !t->rx_chain && t->tx_pos >= t->tx_len)
			return complain(c, r, "S(ABORT request) without a chain");
		forget(t);
		break;
	default:		/* rule 3: only the card asks for time */
		return complain(c, r, "S(WTX request) from the interface device");
	}
	return send_plain(c, r, b[PCB] | S_RESPONSE, b + INF, b[LEN]);
}

void sim_card_t1_passed(struct sim_card *c, size_t in, size_t out)
{
	struct card_t1 *t = &c->t1;
	uint8_t ns = t->own_ns, nr = t->own_nr;

	if (nr != t->ns || ns != t->nr)
		ns = nr = 0;
	forget(t);
	t->nr = (uint8_t)((ns + (in + t->ifsc - 1) / t->ifsc) & 1);
	t->ns = (uint8_t)((nr + (out + t->ifsd - 1) / t->ifsd) & 1);
	t->own_ns = t->nr;
	t->own_nr = t->ns;
	t->passed = true;
}

int sim_card_t1_block(struct sim_card *c, const uint8_t *in, size_t len, uint8_t *out,
		      size_t *out_len, uint64_t *work_ns)
{
	struct reply r = { out, out_len, work_ns };
	enum card_block verdict;

	*out_len = 0;
	*work_ns = 0;
	if (!card_ready(c, 1))
		return SIM_CARD_MUTE;
	verdict = card_t1_judge(c, in, len);
	if (verdict != BLOCK_OK)
		return refuse(c, &r, verdict);
	c->t1.nad = in[NAD];
	if (!(in[PCB] & 0x80))
		return got_i(c, in, &r);
	if (!(in[PCB] & 0x40))
		return got_r(c, in, &r);
	if (in[PCB] & S_RESPONSE)
		return got_s_response(c, in, &r);
	return got_s_request(c, in, &r);
}
