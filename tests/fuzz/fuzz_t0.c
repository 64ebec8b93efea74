/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* T=0 and the APDU levels. Input: level, sizes, command, then the answer of card or reader to each
 * step: kind, length, bytes. The last answer is repeated for ever. */
#include "fuzz/fuzz_exchange.h"

#include <stdlib.h>
#include <string.h>

#define SAID_MAX 200000

const char fuzz_name[] = "t0";

struct t0_card {
	struct fuzz_card c;
	enum exchange_level level;
	uint8_t kind, chain;
	const uint8_t *data;
	size_t len;
	uint8_t *said;		/* all answers, one after the other */
	size_t said_len, last_len;
};

static struct fuzz_answer answer(struct fuzz_card *c, const struct exchange_step *s)
{
	struct t0_card *t = (struct t0_card *)c;
	struct fuzz_answer a = { CCID_OK, NULL, 0, 0 };

	if (c->in.left > 0) {
		t->kind = fuzz_u8(&c->in);
		t->len = t->kind & 0x10 ? fuzz_u16(&c->in) % 1024 : fuzz_u8(&c->in);
		t->chain = t->kind & 0x20 ? fuzz_u8(&c->in) : (t->kind >> 6) & 3;
		t->data = fuzz_bytes(&c->in, &t->len);
	}
	a.chain = t->chain;
	if ((t->kind & 0x0F) == 0x0F) {
		a.result = fuzz_exchange_error(t->chain);
		return a;
	}
	a.data = t->data;
	a.len = t->len;
	/* At character level most answers are no longer than requested. */
	if ((t->kind & 0x08) == 0 && t->level == LEVEL_CHARACTER && a.len > s->wLevelParameter)
		a.len = s->wLevelParameter;
	t->last_len = a.len;
	if (t->said_len + a.len <= SAID_MAX && a.len) {
		memcpy(t->said + t->said_len, a.data, a.len);
		t->said_len += a.len;
	}
	return a;
}

/* The answer consists of bytes that the card sent, in their order, up to the last byte sent. */
static void judge(struct fuzz_card *c, const struct exchange *x, const uint8_t *out)
{
	struct t0_card *t = (struct t0_card *)c;
	size_t tail = t->last_len < x->answer_len ? t->last_len : x->answer_len;

	if (x->answer_len > x->answer_cap || t->said_len == SAID_MAX)
		return;
	FUZZ_CHECK(fuzz_is_among(out, x->answer_len, t->said, t->said_len));
	FUZZ_CHECK(memcmp(out + x->answer_len - tail, t->said + t->said_len - tail, tail) == 0);
	if (t->level == LEVEL_TPDU || t->level == LEVEL_SHORT_APDU)
		FUZZ_CHECK(x->answer_len == t->said_len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct fuzz_in in = fuzz_input(data, len);
	uint8_t what = fuzz_u8(&in);
	struct t0_card t = { .c = { .answer = answer, .judge = judge }, .level = what & 3 };
	struct exchange_config cfg = fuzz_exchange_config(&in, t.level >= LEVEL_SHORT_APDU && what & 4, t.level);
	struct fuzz_in command = fuzz_part(&in);

	t.said = malloc(SAID_MAX);
	t.c.in = in;
	fuzz_exchange_run(&t.c, &cfg, NULL, &command);
	free(t.said);
	return 0;
}
