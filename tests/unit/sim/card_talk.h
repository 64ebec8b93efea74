/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CARD_TALK_H
#define CARD_TALK_H

/* Conversations with a simulated card, written as hex text. For the tests of this folder. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "unit/unit_cmocka.h"

#include "sim/model/sim_card.h"

struct talk {
	uint8_t in[1024], want[1024];
	size_t in_len, want_len;
	uint8_t out[SIM_CARD_ROOM];
	size_t out_len;
	uint64_t work;
};

static inline size_t from_hex(const char *text, uint8_t *b, size_t cap)
{
	size_t n = 0;
	unsigned v;

	while (*text != '\0') {
		if (*text == ' ') {
			text++;
			continue;
		}
		assert_true(n < cap && sscanf(text, "%2x", &v) == 1);
		b[n++] = (uint8_t)v;
		text += 2;
	}
	return n;
}

static inline size_t add_lrc(uint8_t *b, size_t n)
{
	b[n] = 0;
	for (size_t i = 0; i < n; i++)
		b[n] ^= b[i];
	return n + 1;
}

static inline struct sim_card *card_off(const char *spec)
{
	char err[100] = "";
	struct sim_card *c = sim_card_new(spec, err, sizeof err);

	if (c == NULL)
		fail_msg("'%s': %s", spec, err);
	return c;
}

static inline struct sim_card *card_on(const char *spec)
{
	struct sim_card *c = card_off(spec);
	size_t len;

	sim_card_reset(c, 0, false, &len);
	assert_true(len > 0);
	return c;
}

static inline void fault(struct sim_card *c, const char *spec)
{
	char err[100] = "";

	if (!sim_card_fault(c, spec, err, sizeof err))
		fail_msg("'%s': %s", spec, err);
}

static inline void expect_bytes(const struct talk *t, const uint8_t *b, size_t n)
{
	bool same = n == t->out_len && memcmp(b, t->out, n) == 0;

	for (size_t i = 0; !same && i < t->out_len && i < 40; i++)
		fprintf(stderr, "%02X", t->out[i]);
	if (!same)
		fprintf(stderr, " came, expected\n");
	for (size_t i = 0; !same && i < n && i < 40; i++)
		fprintf(stderr, "%02X", b[i]);
	assert_true(same);
}

static inline void expect_hex(const struct talk *t, const char *want)
{
	uint8_t b[1024];

	expect_bytes(t, b, from_hex(want, b, sizeof b));
}

/* Ends a test: there must be exactly n complaints, and the last one must contain the text. */
static inline void end_with_complaints(struct sim_card *c, unsigned n, const char *text)
{
	const char *last = n > 0 ? sim_card_complaint(c, n - 1) : NULL;

	if (sim_card_complaints(c) != n)
		fail_msg("%u complaints, first: %s", sim_card_complaints(c),
			 sim_card_complaint(c, 0));
	if (n > 0 && strstr(last, text) == NULL)
		fail_msg("complaint '%s', expected '%s'", last, text);
	assert_null(sim_card_complaint(c, n));
	sim_card_free(c);
}

#endif
