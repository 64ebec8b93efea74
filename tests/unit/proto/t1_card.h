/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TESTS_UNIT_PROTO_T1_CARD_H
#define TESTS_UNIT_PROTO_T1_CARD_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* The card's half of T=1 for the tests, written from ISO 7816-3:2006 §11; it shares no code with
 * src/proto. The answer depends on the command, so that a wrong answer is noticed. */
struct card {
	bool crc;
	bool inverted;			/* CRC inverted, low byte first */
	uint8_t nad;			/* of the blocks it receives */
	unsigned ifsc, ifsd;
	unsigned ns, nr;		/* of its outstanding or next I-block; expected */
	uint8_t cmd[1024];
	size_t cmd_len;
	uint8_t rsp[800];
	size_t rsp_len, rsp_sent, chunk;
	bool replying;			/* an I-block of the driver is expected */
	uint8_t last[259];
	size_t last_len;
	char last_kind;			/* I, R, q (S request), a (S response) */
	unsigned executed;
	unsigned complaints;		/* blocks that a correct interface device does not send */
	uint32_t random;		/* 0: the card sends no S requests */
	bool held;			/* an S request was sent in place of the block that is
					   due */
	bool asleep;			/* answers nothing, not even S(RESYNCH) */
};

static inline uint32_t card_random(uint32_t *r)
{
	*r = *r * 1664525u + 1013904223u;
	return *r >> 8;
}

/* CRC by shifting left over reversed bits, LRC byte by byte: computed in another way than in
 * src/proto. */
static inline size_t card_edc(const struct card *c, const uint8_t *p, size_t len, uint8_t edc[2])
{
	unsigned reg = 0xFFFF, out = 0;

	edc[0] = 0;
	for (size_t i = 0; i < len; i++)
		edc[0] ^= p[i];
	if (!c->crc)
		return 1;
	for (size_t i = 0; i < len * 8; i++) {
		unsigned top = (reg >> 15 ^ p[i / 8] >> i % 8) & 1;

		reg = (reg << 1 & 0xFFFF) ^ top * 0x1021;
	}
	if (c->inverted)
		reg = ~reg;
	for (unsigned i = 0; i < 16; i++)
		out |= (reg >> (15 - i) & 1) << i;
	edc[0] = (c->inverted ? out : out >> 8) & 0xFF;
	edc[1] = (c->inverted ? out >> 8 : out) & 0xFF;
	return 2;
}

static inline void card_put(struct card *c, char kind, unsigned pcb, const uint8_t *inf, size_t n)
{
	c->last[0] = (uint8_t)((c->nad & 7) << 4 | (c->nad >> 4 & 7));
	c->last[1] = (uint8_t)pcb;
	c->last[2] = (uint8_t)n;
	if (n)
		memcpy(c->last + 3, inf, n);
	c->last_len = 3 + n;
	c->last_len += card_edc(c, c->last, c->last_len, c->last + c->last_len);
	c->last_kind = kind;
}

static inline void card_r(struct card *c, unsigned error)
{
	card_put(c, 'R', 0x80u | c->nr << 4 | error, NULL, 0);
}

/* The answer to a command: up to 700 bytes that look random, then 90 00. */
static inline size_t card_answer(const uint8_t *cmd, size_t len, uint8_t *out)
{
	uint32_t h = 2166136261u;
	size_t n;

	for (size_t i = 0; i < len; i++)
		h = (h ^ cmd[i]) * 16777619u;
	n = h >> 4 & 1 ? h % 20 : h % 700;
	for (size_t i = 0; i < n; i++)
		out[i] = (uint8_t)card_random(&h);
	out[n] = 0x90;
	out[n + 1] = 0;
	return n + 2;
}

static inline void card_i(struct card *c)
{
	size_t left = c->rsp_len - c->rsp_sent;

	c->chunk = left < c->ifsd ? left : c->ifsd;
	c->replying = true;
	card_put(c, 'I', c->ns << 6 | (c->chunk < left ? 0x20u : 0u), c->rsp + c->rsp_sent,
		 c->chunk);
}

/* The card may send an S request before the block that is due. */
static inline bool card_asks(struct card *c)
{
	uint8_t v;

	if (c->random == 0 || card_random(&c->random) % 8 != 0)
		return false;
	c->held = true;
	v = (uint8_t)(1 + card_random(&c->random) % 254);
	if (card_random(&c->random) & 1) {
		c->ifsc = v;
		card_put(c, 'q', 0xC1, &v, 1);
	} else {
		card_put(c, 'q', 0xC3, &v, 1);
	}
	return true;
}

/* Sends the block that the last I-block or acknowledgement calls for. */
static inline void card_due(struct card *c)
{
	c->held = false;
	if (c->replying)
		card_i(c);
	else
		card_r(c, 0);
}

static inline void card_on_i(struct card *c, const uint8_t *p)
{
	bool chaining = c->replying && c->rsp_sent + c->chunk < c->rsp_len;

	if ((p[1] >> 6 & 1u) != c->nr || p[1] & 0x1F || chaining) {
		card_r(c, 2);
		return;
	}
	if (p[2] > c->ifsc)
		c->complaints++;
	if (c->replying)	/* the block acknowledges the card's last one */
		c->ns ^= 1;
	if (c->replying || c->cmd_len + p[2] > sizeof c->cmd)
		c->cmd_len = 0;
	c->replying = false;
	c->nr ^= 1;
	memcpy(c->cmd + c->cmd_len, p + 3, p[2]);
	c->cmd_len += p[2];
	if (!(p[1] & 0x20)) {
		c->rsp_len = card_answer(c->cmd, c->cmd_len, c->rsp);
		c->rsp_sent = 0;
		c->replying = true;
		c->executed++;
	}
	if (!card_asks(c))
		card_due(c);
}

static inline void card_on_r(struct card *c, const uint8_t *p)
{
	unsigned nr = p[1] >> 4 & 1;

	if (c->last_kind == 'q')	/* not the response that was asked for: rule 7.3 */
		return;
	if (c->last_kind == 'a' || !c->replying) {
		if (c->last_kind == 'I')
			c->complaints++;
		if (c->last_kind == '\0')
			card_r(c, 2);
		return;			/* the last block again */
	}
	if (nr == c->ns) {
		card_i(c);
	} else if (c->rsp_sent + c->chunk < c->rsp_len) {
		c->rsp_sent += c->chunk;
		c->ns ^= 1;
		if (!card_asks(c))
			card_due(c);
	} else {
		card_r(c, 2);
	}
}

static inline void card_on_s(struct card *c, const uint8_t *p)
{
	if (p[1] == 0xC0) {
		c->ns = c->nr = 0;
		c->cmd_len = 0;
		c->replying = c->held = false;
		card_put(c, 'a', 0xE0, NULL, 0);
	} else if (p[1] == 0xC1) {
		c->ifsd = p[3];
		card_put(c, 'a', 0xE1, p + 3, 1);
	} else if (c->last_kind == 'q' && p[1] == (c->last[1] | 0x20) && p[3] == c->last[3]) {
		if (!card_asks(c))
			card_due(c);
	} else if (c->last_kind != 'q') {
		card_r(c, 2);		/* a response that was not asked for: the card's last
					   block was lost */
	}
}

/* One block in (NULL: parity error on the way), the answer in c->last; false: no answer. */
static inline bool card_block(struct card *c, const uint8_t *p, size_t len)
{
	uint8_t edc[2];
	size_t n = c->crc ? 2 : 1;
	bool good = p && len >= 3 + n && len == 3u + p[2] + n;

	if (c->asleep)
		return false;
	if (good)
		good = card_edc(c, p, len - n, edc) == n && memcmp(edc, p + len - n, n) == 0;
	if (!good) {
		/* rules 7.1 to 7.3 */
		if (c->last_kind != 'R' && c->last_kind != 'q')
			card_r(c, 1);
	} else if (p[0] != c->nad) {
		c->complaints++;
		card_r(c, 2);
	} else if (!(p[1] & 0x80)) {
		if (c->last_kind != 'q')	/* otherwise the request is repeated */
			card_on_i(c, p);
	} else if (p[1] & 0x40) {
		card_on_s(c, p);
	} else {
		card_on_r(c, p);
	}
	return true;
}

static inline void card_start(struct card *c, bool crc, unsigned ifsc)
{
	memset(c, 0, sizeof *c);
	c->crc = crc;
	c->ifsc = ifsc;
	c->ifsd = 32;
}

#endif
