/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "err_by_name.h"
#include "proto/exchange.h"
#include "proto/t1.h"
#include "t1_card.h"
#include "t1_talks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include "unit/unit_cmocka.h"

static uint8_t s_type(char c)
{
	const char *const types = "YFAW";

	return (uint8_t)(strchr(types, c) - types);
}

/* Makes the block that a line describes, in c->last. */
static void line_block(struct card *c, const char *t)
{
	uint8_t value = strlen(t) > 3 ? (uint8_t)atoi(t + 3) : 0;
	unsigned pcb;

	if (t[0] == 'I') {
		pcb = (t[1] == '1' ? 0x40u : 0u) | (t[2] == '1' ? 0x20u : 0u);
		card_put(c, 'I', pcb, (const uint8_t *)t + 4, strlen(t + 4));
	} else if (t[0] == 'R') {
		pcb = 0x80u | (t[1] == '1' ? 0x10u : 0u);
		pcb |= t[2] == '.' ? value : 0u;
		card_put(c, 'R', pcb, NULL, 0);
	} else {
		pcb = 0xC0u | s_type(t[1]) | (t[2] == '=' ? 0x20u : 0u);
		card_put(c, 'a', pcb, &value, t[1] == 'F' || t[1] == 'W' ? 1 : 0);
	}
}

static const enum { TPDU_LRC, TPDU_CRC, CHARACTER_LRC, CHARACTER_CRC } ways[] = {
	TPDU_LRC, TPDU_CRC, CHARACTER_LRC, CHARACTER_CRC };

struct link {
	struct exchange_config cfg;
	struct t1 t1;
	struct exchange x;
	uint8_t answer[70000];
	size_t cap;
};

static void link_start(struct link *l, unsigned way, unsigned ifsc, unsigned ifsd)
{
	memset(l, 0, sizeof *l);
	l->cfg.level = way == CHARACTER_LRC || way == CHARACTER_CRC ? LEVEL_CHARACTER : LEVEL_TPDU;
	l->cfg.protocol = 1;
	l->cfg.max_data = 300;
	l->cfg.extra_wait_ms = 5;
	l->cfg.timing = (struct timing){ 4000, 372, 1, 0, 10, 4, 13 };
	l->cap = sizeof l->answer;
	t1_reset(&l->t1, way == TPDU_CRC || way == CHARACTER_CRC, (uint8_t)ifsc);
	l->t1.ifsd = (uint8_t)ifsd;
}

static struct exchange_step begin(struct link *l, const void *apdu, size_t len)
{
	return exchange_begin(&l->x, &l->cfg, &l->t1, apdu, len, l->answer, l->cap);
}

/* Feeds a block to the exchange as the level does: whole, or the prologue and then the rest. */
static struct exchange_step give(struct link *l, const uint8_t *p, size_t len)
{
	struct exchange_step s;

	if (l->cfg.level == LEVEL_TPDU)
		return exchange_feed(&l->x, CCID_OK, p, len, 0);
	s = exchange_feed(&l->x, CCID_OK, p, len < 3 ? len : 3, 0);
	if (len <= 3 || s.verdict != STEP_SEND || s.len != 0)
		return s;
	assert_int_equal(s.wLevelParameter, p[2] + (l->t1.edc ? 2 : 1));
	assert_int_equal(s.bBWI, 0);
	return exchange_feed(&l->x, CCID_OK, p + 3, len - 3, 0);
}

static void check_sent(const struct link *l, const struct exchange_step *s, const char *line)
{
	struct card c = { .crc = l->t1.edc };
	const char *at = strchr(line, '@');
	bool tpdu = l->cfg.level == LEVEL_TPDU;
	size_t expected = tpdu ? 35u + (l->t1.edc ? 2 : 1) : 3u;
	char text[64];

	snprintf(text, sizeof text, "%.*s", at ? (int)(at - line) : 63, line);
	if (at)
		text[at - line - 1] = '\0';
	line_block(&c, text + 2);
	if (s->verdict != STEP_SEND || s->len != c.last_len ||
	    memcmp(s->data, c.last, c.last_len) != 0)
		fail_msg("line '%s': verdict %d, %zu bytes, PCB %02X", line, s->verdict, s->len,
			 s->verdict == STEP_SEND ? s->data[1] : 0);
	assert_int_equal(s->bBWI, at ? atoi(at + 1) : 0);
	assert_int_equal(s->wLevelParameter, tpdu ? 0 : 3);
	assert_int_equal(s->wait_ms,
			 5 + timing_t1_ms(&l->cfg.timing, s->len, expected, s->bBWI));
}

static struct exchange_step reply(struct link *l, const char *line)
{
	struct card c = { .crc = l->t1.edc };
	uint8_t raw[16];
	size_t n = 0;
	unsigned byte;

	if (line[1] == '%') {
		for (line += 2; sscanf(line, "%2x", &byte) == 1; line += 2)
			raw[n++] = (uint8_t)byte;
		if (l->t1.edc && n > 3)	/* raw blocks are written with an LRC: replace it by a
					   CRC */
			n = n - 1 + card_edc(&c, raw, n - 1, raw + n - 1);
		return give(l, raw, n);
	}
	line_block(&c, line + (line[1] == '#' ? 3 : 2));
	if (line[1] == '#')
		c.last[c.last_len - 1] ^= 0x10;
	return give(l, c.last, c.last_len);
}

static void talk_once(const struct talk *t, unsigned way)
{
	static struct link l;
	struct exchange_step s;

	link_start(&l, way, t->ifsc, 32);
	s = begin(&l, t->apdu, strlen(t->apdu));
	for (const char *const *line = t->lines; *line; line++) {
		const char *p = *line;

		if (*p == '>')
			check_sent(&l, &s, p);
		else if (*p == '<')
			s = reply(&l, p);
		else if (*p == 'E')
			s = exchange_feed(&l.x, err_by_name(p + 2), NULL, 0, 0);
		else if (*p == '*')
			s = begin(&l, p + 2, strlen(p + 2));
		else if (*p == '^')
			t1_reset(&l.t1, l.t1.edc, (uint8_t)t->ifsc);
		else if (*p == '!' && (s.verdict != STEP_FAILED ||
				       s.err != err_by_name(p + 2)))
			fail_msg("verdict %d, %s, not %s", s.verdict, err_name(s.err), p);
		else if (*p == '=' && (s.verdict != STEP_DONE || l.x.answer_len != strlen(p + 2) ||
				       memcmp(l.answer, p + 2, l.x.answer_len) != 0))
			fail_msg("verdict %d, %s, not %s", s.verdict, err_name(s.err), p);
	}
	assert_int_not_equal(s.verdict, STEP_SEND);
}

static void run_talk(void **state)
{
	for (size_t i = 0; i < 4; i++)
		talk_once(*state, ways[i]);
}

/* ---- conversations with a card ---- */

/* The line's damage to blocks, in per mille. */
struct noise {
	uint32_t seed;
	unsigned lost, damaged, repeated;
};

static bool chance(struct noise *n, unsigned per_mille)
{
	return per_mille && card_random(&n->seed) % 1000 < per_mille;
}

/* Changes one byte, which LRC and CRC always detect. */
static void damage(struct noise *n, uint8_t *p, size_t len)
{
	size_t at = card_random(&n->seed) % len;

	p[at] ^= (uint8_t)(1 + card_random(&n->seed) % 255);
}

/* Passes one block to the card and its answer back. */
static struct exchange_step pass(struct link *l, struct card *c, struct noise *n,
				 const struct exchange_step *s)
{
	uint8_t to[300], old[300];
	size_t old_len = c->last_len;
	bool answered;

	memcpy(to, s->data, s->len);
	memcpy(old, c->last, sizeof c->last);
	if (chance(n, n->lost))
		return exchange_feed(&l->x, CCID_ERR_MUTE, NULL, 0, 0);
	if (chance(n, n->damaged))
		damage(n, to, s->len);
	if (chance(n, n->repeated))
		card_block(c, to, s->len);
	answered = card_block(c, to, s->len);
	if (!answered || chance(n, n->lost))
		return exchange_feed(&l->x, CCID_ERR_TIMEOUT, NULL, 0, 0);
	if (old_len && chance(n, n->repeated))
		return give(l, old, old_len);
	memcpy(old, c->last, sizeof c->last);
	if (chance(n, n->damaged))
		damage(n, old, c->last_len);
	if (chance(n, n->damaged))
		return exchange_feed(&l->x, CCID_ERR_PARITY, NULL, 0, 0);
	return give(l, old, c->last_len);
}

static struct exchange_step converse(struct link *l, struct card *c, struct noise *n,
				     const uint8_t *apdu, size_t len)
{
	struct exchange_step s = begin(l, apdu, len);
	unsigned steps = 0;

	while (s.verdict == STEP_SEND) {
		s = pass(l, c, n, &s);
		assert_true(++steps < 30000);
	}
	return s;
}

static bool answer_is_right(const struct link *l, const uint8_t *apdu, size_t len)
{
	uint8_t want[1000];
	size_t n = card_answer(apdu, len, want);

	return l->x.answer_len == n && memcmp(l->answer, want, n) == 0;
}

static void chaining_works_both_ways(void **state)
{
	static const uint8_t ifs[] = { 1, 2, 31, 32, 127, 253, 254 };
	static const size_t lengths[] = { 1, 2, 30, 31, 32, 33, 64, 126, 127, 128, 253, 254, 255,
					  508, 509, 1000 };
	static struct link l;
	static struct card c;
	struct noise quiet = { 1, 0, 0, 0 };
	uint8_t apdu[1000];

	(void)state;
	for (unsigned i = 0; i < 4 * 7 * 7; i++) {
		unsigned way = i / 49;

		link_start(&l, way, ifs[i / 7 % 7], ifs[i % 7]);
		l.t1.nad = c.nad = 0x21;
		card_start(&c, l.t1.edc, ifs[i / 7 % 7]);
		c.nad = 0x21;
		c.ifsd = ifs[i % 7];
		for (unsigned k = 0; k < 16; k++) {
			for (size_t b = 0; b < lengths[k]; b++)
				apdu[b] = (uint8_t)(b * 7 + i + k);
			assert_int_equal(converse(&l, &c, &quiet, apdu, lengths[k]).verdict,
					 STEP_DONE);
			assert_true(answer_is_right(&l, apdu, lengths[k]));
			assert_int_equal(c.executed, k + 1);
		}
		assert_int_equal(c.complaints, 0);
	}
}

/* 10 000 commands over a bad line end with the right answer or an error, and never with a wrong
 * answer. */
static void a_bad_line_never_gives_wrong_data(void **state)
{
	static struct link l;
	static struct card c;
	unsigned right = 0, wrong = 0, deaths = 0, resets = 1;
	struct noise n = { 20240, 0, 0, 0 };
	uint8_t apdu[400];

	(void)state;
	for (unsigned i = 0; i < 10000; i++) {
		size_t len = 4 + card_random(&n.seed) % (i % 3 ? 40 : 390);
		struct exchange_step s;

		if (i % 100 == 0 || l.t1.dead) {
			unsigned ifs = 1 + card_random(&n.seed) % 254;

			deaths += l.t1.dead;
			resets++;
			link_start(&l, i % 4, ifs, 32);
			card_start(&c, l.t1.edc, ifs);
			c.random = i % 200 ? n.seed | 1 : 0;
		}
		n.lost = i / 100 % 5 * 20;
		n.damaged = i / 500 % 5 * 20;
		n.repeated = i / 2500 % 4 * 20;
		for (size_t b = 0; b < len; b++)
			apdu[b] = (uint8_t)card_random(&n.seed);
		s = converse(&l, &c, &n, apdu, len);
		if (s.verdict == STEP_FAILED)
			assert_int_equal(l.x.answer_len, 0);
		else if (answer_is_right(&l, apdu, len))
			right++;
		else
			wrong++;
		exchange_end(&l.x);
	}
	print_message("right %u, wrong %u, errors %u, dead %u of %u links\n", right, wrong,
		      10000 - right - wrong, deaths, resets);
	assert_int_equal(wrong, 0);
	assert_true(right > 9000);
	assert_true(deaths > 0);
}

static void a_good_line_executes_once(void **state)
{
	static struct link l;
	static struct card c;
	struct noise n = { 7, 0, 30, 0 };
	uint8_t apdu[100];

	(void)state;
	/* One block in thirty is damaged: R-blocks repair it, and no command runs twice except
	 * after a resynchronisation. */
	link_start(&l, TPDU_LRC, 40, 32);
	card_start(&c, false, 40);
	for (unsigned i = 0; i < 500; i++) {
		unsigned before = c.executed;

		memset(apdu, (int)i, sizeof apdu);
		if (converse(&l, &c, &n, apdu, sizeof apdu).verdict == STEP_DONE &&
		    l.x.m.t1.restarts == 0)
			assert_int_equal(c.executed, before + 1);
	}
}

static void any_block_for_ever_ends(void **state)
{
	static struct link l;
	struct card c = { 0 };
	uint8_t inf[4] = { 3, 2, 3, 4 };

	(void)state;
	for (unsigned i = 0; i < 256 * 3 * 4; i++) {
		unsigned pcb = i & 0xFF, n = i >> 8 & 3, steps = 0;
		struct exchange_step s;

		link_start(&l, TPDU_LRC, i & 0x200 ? 1 : 32, 32);
		card_put(&c, 'x', pcb, inf, n);
		s = begin(&l, "abcdefgh", 8);
		for (; s.verdict == STEP_SEND; steps++)
			s = give(&l, c.last, c.last_len);
		assert_true(steps <= 4096 + 1);
	}
}

/* A card that chains for ever, with empty or short blocks. */
static void endless_chain(size_t inf_len, enum ccid_err want)
{
	static struct link l;
	struct card c = { 0 };
	uint8_t inf[254] = { 0 };
	struct exchange_step s;
	unsigned steps = 0;

	link_start(&l, TPDU_LRC, 32, 254);
	l.cap = 300;
	memset(l.answer, 0xA5, sizeof l.answer);
	s = begin(&l, "abcd", 4);
	for (; s.verdict == STEP_SEND; steps++) {
		card_put(&c, 'I', 0x20 | (steps & 1) << 6, inf, inf_len);
		s = give(&l, c.last, c.last_len);
	}
	assert_int_equal(s.err, want);
	assert_int_equal(l.x.answer_len, 0);
	for (size_t i = 300; i < sizeof l.answer; i++)
		assert_int_equal(l.answer[i], 0xA5);
	/* the link is not trusted afterwards */
	s = begin(&l, "abcd", 4);
	assert_memory_equal(s.data, "\x00\xC0\x00\xC0", 4);
}

static void answers_are_bounded(void **state)
{
	(void)state;
	endless_chain(254, CCID_ERR_OVERFLOW);
	endless_chain(1, CCID_ERR_OVERFLOW);
	endless_chain(0, CCID_ERR_PROTOCOL);
}

static void an_answer_longer_than_the_buffer_is_an_error(void **state)
{
	static struct link l;
	static struct card c;
	struct noise quiet = { 1, 0, 0, 0 };
	uint8_t want[1000], apdu[1] = { 0 };
	size_t n;

	(void)state;
	do
		n = card_answer(apdu, 1, want);
	while (n < 100 && ++apdu[0]);
	link_start(&l, TPDU_LRC, 32, 32);
	card_start(&c, false, 32);
	l.cap = 50;
	l.answer[50] = 0xA5;
	assert_int_equal(converse(&l, &c, &quiet, apdu, 1).verdict, STEP_DONE);
	assert_int_equal(l.x.answer_len, n);
	assert_memory_equal(l.answer, want, 50);
	assert_int_equal(l.answer[50], 0xA5);
}

static void small_messages_limit_the_blocks(void **state)
{
	static struct link l;
	static struct card c;
	struct noise quiet = { 1, 0, 0, 0 };
	uint8_t apdu[100] = { 1, 2, 3 };

	(void)state;
	for (unsigned way = 0; way < 4; way++) {
		for (size_t max = 0; max < 40; max++) {
			struct exchange_step s;

			link_start(&l, way, 254, 32);
			card_start(&c, l.t1.edc, 254);
			l.cfg.max_data = max;
			s = begin(&l, apdu, sizeof apdu);
			if (max < 4u + (l.t1.edc ? 2 : 1)) {
				assert_int_equal(s.err, CCID_ERR_TOO_LONG);
				continue;
			}
			assert_int_equal(s.len, max);
			if (l.cfg.level == LEVEL_CHARACTER)
				continue;
			assert_int_equal(converse(&l, &c, &quiet, apdu, sizeof apdu).verdict,
					 STEP_DONE);
			assert_true(answer_is_right(&l, apdu, sizeof apdu));
		}
	}
}

/* Character level: a block arrives in as many parts as the reader's messages need, or whole when
 * the reader sends more than was asked for; a part that is too short makes the block unusable. */
static void blocks_arrive_in_parts_at_character_level(void **state)
{
	static struct link l;
	struct card c = { 0 };
	struct exchange_step s;

	(void)state;
	link_start(&l, CHARACTER_LRC, 32, 32);
	l.cfg.max_data = 6;
	card_put(&c, 'I', 0, (const uint8_t *)"0123456789", 10);
	s = begin(&l, "a", 1);
	assert_int_equal(s.wLevelParameter, 3);
	s = exchange_feed(&l.x, CCID_OK, c.last, 3, 0);
	assert_int_equal(s.len, 0);
	assert_int_equal(s.wLevelParameter, 6);
	s = exchange_feed(&l.x, CCID_OK, c.last + 3, 6, 0);
	assert_int_equal(s.wLevelParameter, 5);
	s = exchange_feed(&l.x, CCID_OK, c.last + 9, 4, 0);	/* one byte is missing */
	assert_memory_equal(s.data, "\x00\x82\x00\x82", 4);
	s = exchange_feed(&l.x, CCID_OK, c.last, c.last_len, 0);
	assert_int_equal(s.verdict, STEP_DONE);
	assert_memory_equal(l.answer, "0123456789", 10);

	s = begin(&l, "a", 1);
	s = exchange_feed(&l.x, CCID_OK, c.last, 3, 0);
	s = exchange_feed(&l.x, CCID_ERR_PARITY, NULL, 0, 0);
	assert_memory_equal(s.data, "\x00\x91\x00\x91", 4);
	assert_int_equal(s.wLevelParameter, 3);
}

/* ---- S(IFS request) and Secure ---- */

static struct exchange_step ifsd(struct link *l, uint8_t value)
{
	return exchange_begin_ifsd(&l->x, &l->cfg, &l->t1, value);
}

static void s_ifs_sets_the_ifsd(void **state)
{
	static struct link l;
	struct exchange_step s;

	(void)state;
	link_start(&l, TPDU_LRC, 32, 32);
	s = ifsd(&l, 254);
	check_sent(&l, &s, "> SF?254");
	s = reply(&l, "<# SF=254");
	check_sent(&l, &s, "> SF?254");
	s = reply(&l, "< SF=253");
	check_sent(&l, &s, "> SF?254");
	s = reply(&l, "< SF=254");
	assert_int_equal(s.verdict, STEP_DONE);
	assert_int_equal(l.t1.ifsd, 254);
	/* the sequence numbers have not changed */
	s = begin(&l, "ab", 2);
	assert_memory_equal(s.data, "\x00\x00\x02" "ab", 5);
}

static void resynchronised_without_a_command(void **state)
{
	static struct link l;
	struct exchange_step s;

	(void)state;
	link_start(&l, TPDU_LRC, 32, 32);
	l.t1.ns = l.t1.nr = 1;
	l.t1.unsettled = true;
	s = exchange_begin_resynch(&l.x, &l.cfg, &l.t1);
	check_sent(&l, &s, "> SY?");
	s = reply(&l, "< SY=");
	assert_int_equal(s.verdict, STEP_DONE);
	assert_false(l.t1.unsettled);
	assert_int_equal(l.t1.ns + l.t1.nr, 0);
	l.t1.unsettled = true;
	s = exchange_begin_resynch(&l.x, &l.cfg, &l.t1);
	for (unsigned k = 0; k < 3; k++) {
		check_sent(&l, &s, "> SY?");
		s = exchange_feed(&l.x, CCID_ERR_MUTE, NULL, 0, 0);
	}
	assert_int_equal(s.verdict, STEP_FAILED);
	assert_true(l.t1.dead && l.t1.unsettled);
	assert_int_equal(exchange_begin_resynch(&l.x, &l.cfg, &l.t1).err, CCID_ERR_COMM);
}

static void a_refused_s_ifs_keeps_the_ifsd(void **state)
{
	static const char *const refusals[] = { "< R0.2", "< SF?254", "< SW=254", "< I00:ab",
						"<%" };
	static struct link l;
	struct exchange_step s;

	(void)state;
	for (size_t i = 0; i < 5; i++) {
		link_start(&l, i % 4, 32, 32);
		s = ifsd(&l, 254);
		for (unsigned k = 0; k < 3; k++) {
			check_sent(&l, &s, "> SF?254");
			s = reply(&l, refusals[i]);
		}
		assert_int_equal(s.verdict, STEP_FAILED);
		assert_int_equal(s.err, CCID_ERR_PROTOCOL);
		assert_int_equal(l.t1.ifsd, 32);
		assert_false(l.t1.dead || l.t1.unsettled);
		s = begin(&l, "ab", 2);
		check_sent(&l, &s, "> I00:ab");
	}
	assert_int_equal(ifsd(&l, 0).err, CCID_ERR_ARG);
	assert_int_equal(ifsd(&l, 255).err, CCID_ERR_ARG);
	l.t1.dead = true;
	assert_int_equal(ifsd(&l, 254).err, CCID_ERR_COMM);
}

static enum ccid_err secure(struct t1 *t1, const char *line, size_t *inf_len, uint8_t *wtx)
{
	struct card c = { .crc = t1->edc };
	const uint8_t *inf;
	uint8_t answer[6];
	size_t answer_len;
	enum ccid_err err;

	line_block(&c, line);
	err = t1_secure_answer(t1, c.last, c.last_len, &inf, inf_len, wtx, answer, &answer_len);
	if (*inf_len)
		assert_ptr_equal(inf, c.last + 3);
	if (*wtx) {
		card_put(&c, 'a', 0xE3, wtx, 1);
		assert_int_equal(answer_len, c.last_len);
		assert_memory_equal(answer, c.last, answer_len);
	} else {
		assert_int_equal(answer_len, 0);
	}
	return err;
}

static void pin_entry_uses_the_next_block(void **state)
{
	static struct link l;
	uint8_t p[3], wtx;
	size_t n;

	(void)state;
	for (unsigned way = TPDU_LRC; way <= TPDU_CRC; way++) {
		link_start(&l, way, 32, 32);
		l.t1.nad = 0;
		t1_secure_prologue(&l.t1, p, 13);
		assert_memory_equal(p, "\x00\x00\x0D", 3);
		assert_int_equal(secure(&l.t1, "SW?5", &n, &wtx), CCID_OK);
		assert_int_equal(wtx, 5);
		assert_int_equal(secure(&l.t1, "I00:ok", &n, &wtx), CCID_OK);
		assert_int_equal(n, 2);
		t1_secure_prologue(&l.t1, p, 9);
		assert_memory_equal(p, "\x00\x40\x09", 3);
		t1_secure_unsent(&l.t1);
		check_sent(&l, (struct exchange_step[]){ begin(&l, "ab", 2) }, "> I10:ab");
		assert_int_equal(reply(&l, "< I10:ok").verdict, STEP_DONE);
	}
}

static void pin_answers_without_a_block_are_errors(void **state)
{
	static const char *const bad[] = { "I10:ok", "I01:ok", "R0", "R1", "SW?0", "SW=5", "SF?5",
					   "SY?", "SA?" };
	static struct link l;
	const uint8_t *inf;
	uint8_t p[6], wtx;
	size_t n, m;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		link_start(&l, i % 2, 32, 32);
		t1_secure_prologue(&l.t1, p, 13);
		assert_int_equal(secure(&l.t1, bad[i], &n, &wtx), CCID_ERR_PROTOCOL);
		assert_int_equal(n, 0);
		/* the next command resynchronises */
		check_sent(&l, (struct exchange_step[]){ begin(&l, "ab", 2) }, "> SY?");
		check_sent(&l, (struct exchange_step[]){ reply(&l, "< SY=") }, "> I00:ab");
	}
	for (n = 0; n < 4; n++)
		assert_int_equal(t1_secure_answer(&l.t1, (const uint8_t *)"\0\0\0\0", n, &inf, &m,
						  &wtx, p, &m), CCID_ERR_PROTOCOL);
}

static void a_reset_clears_the_state(void **state)
{
	struct t1 t1;

	(void)state;
	for (unsigned ifsc = 0; ifsc < 256; ifsc++) {
		memset(&t1, 0xFF, sizeof t1);
		t1_reset(&t1, ifsc & 1, (uint8_t)ifsc);
		assert_int_equal(t1.ifsc, ifsc == 0 || ifsc == 255 ? 32 : ifsc);
		assert_int_equal(t1.ifsd, 32);
		assert_true(!t1.ns && !t1.nr && !t1.nad && !t1.dead && !t1.unsettled);
		assert_int_equal(t1.edc, ifsc & 1 ? T1_CRC_OPEN : T1_LRC);
	}
}

int main(void)
{
	static const struct CMUnitTest others[] = {
		cmocka_unit_test(chaining_works_both_ways),
		cmocka_unit_test(a_bad_line_never_gives_wrong_data),
		cmocka_unit_test(a_good_line_executes_once),
		cmocka_unit_test(any_block_for_ever_ends),
		cmocka_unit_test(answers_are_bounded),
		cmocka_unit_test(an_answer_longer_than_the_buffer_is_an_error),
		cmocka_unit_test(small_messages_limit_the_blocks),
		cmocka_unit_test(blocks_arrive_in_parts_at_character_level),
		cmocka_unit_test(s_ifs_sets_the_ifsd),
		cmocka_unit_test(a_refused_s_ifs_keeps_the_ifsd),
		cmocka_unit_test(resynchronised_without_a_command),
		cmocka_unit_test(pin_entry_uses_the_next_block),
		cmocka_unit_test(pin_answers_without_a_block_are_errors),
		cmocka_unit_test(a_reset_clears_the_state),
	};
	enum { TALKS = sizeof talks / sizeof talks[0], OTHERS = sizeof others / sizeof others[0] };
	struct CMUnitTest tests[TALKS + OTHERS];

	_Static_assert(CCID_ERR_NO_CARD == 5 && CCID_ERR_MUTE == 6 && CCID_ERR_TIMEOUT == 7 &&
		       CCID_ERR_COMM == 8 && CCID_ERR_PARITY == 9 && CCID_ERR_PROTOCOL == 10,
		       "the numbers in the talks");
	for (size_t i = 0; i < TALKS; i++)
		tests[i] = (struct CMUnitTest){ talks[i].name, run_talk, NULL, NULL,
						(void *)(uintptr_t)&talks[i] };
	memcpy(tests + TALKS, others, sizeof others);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
