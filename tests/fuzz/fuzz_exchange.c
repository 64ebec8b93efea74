/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fuzz/fuzz_exchange.h"

#include <stdlib.h>
#include <string.h>

#define MAXIMUM_MS (5u * 60u * 1000u + 1000u)

struct exchange_config fuzz_exchange_config(struct fuzz_in *in, unsigned protocol, enum exchange_level level)
{
	struct exchange_config cfg = { .level = level, .protocol = (uint8_t)protocol };
	uint8_t bits = fuzz_u8(in);

	cfg.max_data = bits & 1 ? 261 : bits & 2 ? 65544 : 1u + fuzz_u16(in);
	cfg.case1_needs_p3 = bits & 4;
	cfg.split_expected_64 = bits & 8;
	cfg.extra_wait_ms = bits & 16 ? 1000 : 0;
	cfg.timing = (struct timing){ .clock_khz = 1u + fuzz_u16(in), .Fi = 372, .Di = 1 };
	cfg.timing.TC1 = bits & 32 ? 0xFF : 0;
	cfg.timing.WI = bits & 64 ? 0xFF : 10;
	cfg.timing.BWI = bits & 128 ? 15 : 4;
	cfg.timing.CWI = 13;
	return cfg;
}

enum ccid_err fuzz_exchange_error(uint8_t kind)
{
	static const enum ccid_err errors[] = { CCID_ERR_PARITY, CCID_ERR_COMM, CCID_ERR_MUTE, CCID_ERR_TIMEOUT,
						CCID_ERR_NO_DEVICE, CCID_ERR_PROTOCOL, CCID_ERR_NOT_SUPPORTED,
						CCID_ERR_OVERFLOW };

	return errors[kind % (sizeof errors / sizeof errors[0])];
}

static void check_send(const struct exchange_step *s, const struct exchange_config *cfg)
{
	uint8_t *copy;

	FUZZ_CHECK(s->len <= cfg->max_data);
	FUZZ_CHECK(s->wait_ms <= MAXIMUM_MS && s->wait_ms > 0);
	if (cfg->level == LEVEL_CHARACTER)
		FUZZ_CHECK(s->wLevelParameter <= cfg->max_data);
	copy = fuzz_copy(s->data, s->len);	/* reads every byte */
	free(copy);
}

void fuzz_exchange_loop(struct fuzz_card *c, struct exchange *x, const struct exchange_config *cfg,
			struct exchange_step step)
{
	unsigned steps = 0;

	while (step.verdict == STEP_SEND) {
		struct fuzz_answer a;
		uint8_t *data;

		FUZZ_CHECK(++steps < FUZZ_STEPS_MAX);
		check_send(&step, cfg);
		a = c->answer(c, &step);
		data = fuzz_copy(a.data, a.len);
		step = exchange_feed(x, a.result, data, a.len, a.chain);
		free(data);
	}
	FUZZ_CHECK(step.verdict == STEP_DONE || step.err != CCID_OK);
}

void fuzz_exchange_run(struct fuzz_card *c, const struct exchange_config *cfg, struct t1 *t1, struct fuzz_in *in)
{
	uint8_t bits = fuzz_u8(in);
	size_t n = bits & 1 ? fuzz_u8(in) : fuzz_u16(in), cap = (bits & 6) == 6 ? 70000 : fuzz_u16(in) % 600;
	struct fuzz_in text = fuzz_part(in);
	struct fuzz_room room = fuzz_room(cap);
	struct exchange x;
	uint8_t *apdu;

	/* A command that is longer than its bytes in the input repeats these bytes. */
	apdu = malloc(n ? n : 1);
	for (size_t i = 0; i < n; i++)
		apdu[i] = text.left ? text.p[i % text.left] : 0;
	memset(&x, 0xA5, sizeof x);
	fuzz_exchange_loop(c, &x, cfg, exchange_begin(&x, cfg, t1, apdu, n, room.p, cap));
	FUZZ_CHECK(x.answer_len <= EXCHANGE_ANSWER_MAX && x.answer_len != 1);
	if (x.answer_len > 0)
		c->judge(c, &x, room.p);
	fuzz_room_unused(&room, x.answer_len ? x.answer_len : cap);
	exchange_end(&x);
	fuzz_room_end(&room);
	free(apdu);
}
