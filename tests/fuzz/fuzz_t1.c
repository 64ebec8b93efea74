/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* T=1. Input: level, sizes, up to four commands, then the card's answer to each step. The kind byte
 * chooses between raw bytes, and PCB and information that get a matching prologue and epilogue. The
 * last answer is repeated for ever. */
#include "fuzz/fuzz_exchange.h"

#include "proto/t1.h"

#include <stdlib.h>
#include <string.h>

#define BLOCKS_MAX 4096
#define COMMANDS 4

const char fuzz_name[] = "t1";

/* A valid I-block that the card sent. */
struct said {
	uint8_t seq, more, len;
	uint8_t inf[254];
};

struct t1_card {
	struct fuzz_card c;
	bool character;
	uint8_t block[T1_BLOCK_MAX + 64];
	size_t len, off;	/* off: bytes sent so far, at character level */
	enum ccid_err result;
	struct said *said;
	unsigned n_said;
};

/* Appends the epilogue of ISO 7816-3:2006 §11.3.4, without src/proto: CRC as cards use it, or
 * LRC. */
static size_t epilogue(uint8_t *block, size_t n, bool crc)
{
	unsigned sum = crc ? 0xFFFF : 0;

	for (size_t i = 0; i < n; i++) {
		sum ^= block[i];
		for (unsigned k = 0; crc && k < 8; k++)
			sum = sum & 1 ? sum >> 1 ^ 0x8408 : sum >> 1;
	}
	block[n] = (uint8_t)(crc ? sum >> 8 : sum);
	if (crc)
		block[n + 1] = (uint8_t)sum;
	return n + (crc ? 2 : 1);
}

static void make_block(struct t1_card *t)
{
	struct fuzz_in *in = &t->c.in;
	uint8_t kind = fuzz_u8(in);
	size_t n = kind & 0x10 ? fuzz_u8(in) : kind & 3;
	const uint8_t *p;

	t->result = (kind & 0xE0) == 0xE0 ? fuzz_exchange_error(kind & 0x0F) : CCID_OK;
	t->off = 0;
	if (kind & 0x08) {
		p = fuzz_bytes(in, &n);
		memcpy(t->block, p, n);
		t->len = n;
		return;
	}
	t->block[0] = (uint8_t)((t->c.nad & 7) << 4 | (t->c.nad & 0x70) >> 4);
	t->block[1] = fuzz_u8(in);
	if (n > 254)
		n = 254;
	p = fuzz_bytes(in, &n);
	t->block[2] = (uint8_t)n;
	memcpy(t->block + 3, p, n);
	t->len = epilogue(t->block, n + 3, t->c.crc);
	if (kind & 0x04)
		t->block[t->len - 1] ^= fuzz_u8(in);
}

/* Records a valid I-block. */
static void remember(struct t1_card *t, const uint8_t *b, size_t n)
{
	uint8_t again[sizeof t->block];
	struct said *s = &t->said[t->n_said];

	if (n < 4 || b[2] > 254 || b[1] & 0x80 || n != epilogue(memcpy(again, b, n), b[2] + 3u, t->c.crc) ||
	    memcmp(again, b, n) != 0 || t->n_said == BLOCKS_MAX - 1)
		return;
	s->seq = (b[1] & 0x40) != 0;
	s->more = (b[1] & 0x20) != 0;
	s->len = b[2];
	memcpy(s->inf, b + 3, s->len);
	t->n_said++;
}

static struct fuzz_answer answer(struct fuzz_card *c, const struct exchange_step *s)
{
	struct t1_card *t = (struct t1_card *)c;
	struct fuzz_answer a = { CCID_OK, t->block, 0, 0 };

	/* At character level, when nothing was sent: the next part of the current block. */
	if (t->character && s->len == 0 && t->off < t->len) {
		a.data = t->block + t->off;
		a.len = t->len - t->off < s->wLevelParameter ? t->len - t->off : s->wLevelParameter;
	} else {
		if (c->in.left > 0)
			make_block(t);
		t->off = 0;
		a.result = t->result;
		a.len = t->result ? 0 : t->len;
		if (a.len > s->wLevelParameter && t->character)
			a.len = s->wLevelParameter;
	}
	t->off += a.len;
	/* at character level no byte behind a block is requested */
	if (a.len > 0 && (t->character || t->off == t->len))
		remember(t, t->block, t->off);
	return a;
}

/* found[N(S)][n]: the first n bytes of the answer may end with a block that has this N(S). */
struct places {
	bool *found[2];
};

static bool ends_with(const struct said *s, const uint8_t *out, size_t len)
{
	return s->len <= len && memcmp(out + len - s->len, s->inf, s->len) == 0;
}

/* One step backwards: block s belongs to the answer, or is skipped. */
static void go_back(struct places *at, const struct said *s, const uint8_t *out, size_t len)
{
	const bool *now = at->found[s->seq];
	bool *before = at->found[s->seq ^ 1];

	for (size_t n = s->more ? s->len : len + 1; n <= len; n++)
		if (now[n] && ends_with(s, out, n))
			before[n - s->len] = true;
}

/* The answer consists of the information fields of successive I-blocks, the last of which ends the
 * chain. The search runs backwards: blocks from before a resynchronisation do not count. */
static void judge(struct fuzz_card *c, const struct exchange *x, const uint8_t *out)
{
	struct t1_card *t = (struct t1_card *)c;
	const struct said *last = &t->said[t->n_said - 1];
	size_t len = x->answer_len;
	struct places at;

	if (len > x->answer_cap || t->n_said >= BLOCKS_MAX - 1)
		return;
	FUZZ_CHECK(t->n_said > 0 && !last->more && ends_with(last, out, len));
	for (unsigned seq = 0; seq < 2; seq++) {
		at.found[seq] = calloc(len + 1, sizeof(bool));
		FUZZ_CHECK(at.found[seq] != NULL);
	}
	at.found[last->seq ^ 1][len - last->len] = true;
	for (unsigned i = t->n_said - 1; i-- > 0 && !at.found[0][0] && !at.found[1][0];)
		go_back(&at, &t->said[i], out, len);
	FUZZ_CHECK(at.found[0][0] || at.found[1][0]);
	free(at.found[0]);
	free(at.found[1]);
}

static void check_t1(const struct t1 *t1)
{
	FUZZ_CHECK(t1->ns <= 1 && t1->nr <= 1);
	FUZZ_CHECK(t1->ifsc >= 1 && t1->ifsc <= 254 && t1->ifsd >= 1 && t1->ifsd <= 254);
}

/* A block as the answer of the PIN pad. */
static void secure(struct t1_card *t, struct t1 *t1)
{
	uint8_t prologue[3], reply[6], wtx, *block;
	const uint8_t *inf;
	size_t inf_len, reply_len;
	enum ccid_err err;

	t1_secure_prologue(t1, prologue, 5);
	make_block(t);
	block = fuzz_copy(t->block, t->len);
	err = t1_secure_answer(t1, block, t->len, &inf, &inf_len, &wtx, reply, &reply_len);
	FUZZ_CHECK(reply_len <= sizeof reply && (wtx == 0) == (reply_len == 0));
	if (err == CCID_OK && !wtx)
		FUZZ_CHECK(inf_len == 0 || (inf >= block && inf + inf_len <= block + t->len));
	free(block);
	t->off = t->len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct fuzz_in in = fuzz_input(data, len);
	uint8_t what = fuzz_u8(&in);
	enum exchange_level level = what & 1 ? LEVEL_CHARACTER : LEVEL_TPDU;
	struct exchange_config cfg = fuzz_exchange_config(&in, 1, level);
	struct t1_card t = { .c = { .answer = answer, .judge = judge, .crc = what & 2 },
			     .character = level == LEVEL_CHARACTER };
	struct fuzz_in command = fuzz_part(&in);
	struct exchange x;
	struct t1 t1;

	t.said = malloc(BLOCKS_MAX * sizeof *t.said);
	t.c.in = in;
	t.c.nad = what & 4 ? 0x21 : 0;
	t1_reset(&t1, t.c.crc, what & 8 ? fuzz_u8(&command) : 254);
	t1.nad = t.c.nad;
	if (what & 16)
		fuzz_exchange_loop(&t.c, &x, &cfg, exchange_begin_ifsd(&x, &cfg, &t1, fuzz_u8(&command)));
	for (unsigned i = 0; i < COMMANDS && (i == 0 || command.left); i++) {
		fuzz_exchange_run(&t.c, &cfg, &t1, &command);
		check_t1(&t1);
		if (what & 32)
			secure(&t, &t1);
		if (what & 64)
			fuzz_exchange_loop(&t.c, &x, &cfg, exchange_begin_resynch(&x, &cfg, &t1));
		check_t1(&t1);
	}
	free(t.said);
	return 0;
}
