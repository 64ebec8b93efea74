/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A control pipe that follows a script, for the tests of USB ICCs. */
#ifndef TEST_ICCD_SCRIPT_H
#define TEST_ICCD_SCRIPT_H

#include "wire/ccid_msg.h"
#include "transport/iccd.h"
#include "util/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "unit/unit_cmocka.h"

#define FOR_EVER 0xFFFFu
#define A CCID_PROTOCOL_ICCD_A
#define B CCID_PROTOCOL_ICCD_B
#define CAP 600

/* One expected control transfer. IN: data to answer with; OUT: data that must be sent. */
struct step {
	uint8_t type, request;
	uint16_t value;
	const char *data;
	size_t len;
	size_t want;		/* IN: room that must be asked for; 0: any */
	enum ccid_err err;
	unsigned times;		/* 0 counts as 1; FOR_EVER */
};

struct bench {
	struct iccd i;
	const struct step *script;
	size_t n, at;
	unsigned done;		/* times of the step at hand */
	uint64_t paused_ms;
	enum ccid_err pause_err;
	unsigned calls;
	size_t refuse_at;	/* the call that finds no device; 0: none */
	uint8_t answer[CAP + 16];
	size_t answer_len;
};

static const bool never_gone;
static const struct log_ctx test_log = { .reader = "test", .gone = &never_gone };

static enum ccid_err control(void *ctx, uint8_t bmRequestType, uint8_t bRequest, uint16_t wValue,
			     uint16_t wIndex, uint8_t *data, size_t len, size_t *actual,
			     const struct deadline *d)
{
	struct bench *b = ctx;
	const struct step *s;

	(void)d;
	assert_int_equal(wIndex, 3);
	assert_true(len <= ICCD_TRANSFER_MAX);
	if (++b->calls == b->refuse_at)
		return CCID_ERR_NO_DEVICE;
	assert_true(b->at < b->n);
	s = &b->script[b->at];
	if (s->times != FOR_EVER && ++b->done >= (s->times ? s->times : 1)) {
		b->at++;
		b->done = 0;
	}
	assert_int_equal(bmRequestType, s->type);
	assert_int_equal(bRequest, s->request);
	assert_int_equal(wValue, s->value);
	if (s->err)
		return s->err;
	*actual = s->len;
	if (bmRequestType == 0x21) {
		assert_int_equal(len, s->len);
		if (len > 0)
			assert_memory_equal(data, s->data, len);
		return CCID_OK;
	}
	if (s->want)
		assert_int_equal(len, s->want);
	memcpy(data, s->data, s->len < len ? s->len : len);
	return CCID_OK;
}

/* Time goes by in leaps: 1 ms for 10. */
static enum ccid_err hurry(void *ctx, unsigned ms, const struct deadline *d)
{
	struct bench *b = ctx;

	b->paused_ms += ms;
	deadline_sleep_ms(d, ms / 10);
	return b->pause_err;
}

static void bench_new(struct bench *b, uint8_t version, const struct step *script, size_t n)
{
	memset(b, 0, sizeof *b);
	b->i.pipe = (struct iccd_pipe){ control, b, hurry };
	b->i.version = version;
	b->i.interface = 3;
	b->i.log = test_log;
	b->script = script;
	b->n = n;
	memset(b->answer, 0xEE, sizeof b->answer);
}

static struct bench *setup_bench(uint8_t version, const struct step *script, size_t n)
{
	struct bench *b = malloc(sizeof *b);

	assert_non_null(b);
	bench_new(b, version, script, n);
	return b;
}

#define BENCH(version, script) setup_bench(version, script, sizeof(script) / sizeof((script)[0]))

static const uint8_t *message(uint8_t type, uint16_t level, const void *data, size_t n)
{
	static uint8_t m[8192];

	memset(m, 0, 10);
	m[0] = type;
	put_le32(m + 1, (uint32_t)n);
	m[6] = 0x2A;
	put_le16(m + 8, level);
	if (n > 0)
		memcpy(m + 10, data, n);
	return m;
}

static enum ccid_err say(struct bench *b, uint8_t type, uint16_t level, const void *data, size_t n,
			 unsigned ms)
{
	struct deadline d = deadline_in_ms(ms);
	enum ccid_err err = iccd_message(&b->i, message(type, level, data, n), 10 + n, b->answer,
					 CAP, &b->answer_len, &d);

	for (size_t i = CAP; i < sizeof b->answer; i++)
		assert_int_equal(b->answer[i], 0xEE);
	if (err)
		assert_int_equal(b->answer_len, 0);
	return err;
}

static enum ccid_err go_on(struct bench *b, unsigned ms)
{
	struct deadline d = deadline_in_ms(ms);

	return iccd_continue(&b->i, b->answer, CAP, &b->answer_len, &d);
}

static void assert_answer(const struct bench *b, uint8_t type, uint8_t bStatus, uint8_t bError,
			  uint8_t chain, const void *data, size_t n)
{
	assert_int_equal(b->answer_len, 10 + n);
	assert_int_equal(b->answer[0], type);
	assert_int_equal(get_le32(b->answer + 1), n);
	assert_int_equal(b->answer[5], 0);
	assert_int_equal(b->answer[6], 0x2A);
	assert_int_equal(b->answer[7], bStatus);
	assert_int_equal(b->answer[8], bError);
	assert_int_equal(b->answer[9], chain);
	if (n > 0)
		assert_memory_equal(b->answer + 10, data, n);
}

static void assert_done(struct bench *b)
{
	assert_int_equal(b->at, b->n);
	free(b);
}

#define STATUS(s) { 0xA1, 0xA0, 0, s, 1, 1, CCID_OK, 0 }
#define BUSY(n) { 0xA1, 0xA0, 0, "\x40", 1, 1, CCID_OK, n }
#define IN(text, n, want) { 0xA1, 0x6F, 0, text, n, want, CCID_OK, 0 }
#define OUT(text, n) { 0x21, 0x65, 0, text, n, 0, CCID_OK, 0 }
#define OUT_LEVEL(level, text, n) { 0x21, 0x65, (level) << 8, text, n, 0, CCID_OK, 0 }

#endif
