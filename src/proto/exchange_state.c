/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The part of an exchange that all machines share. */
#include "proto/exchange_state.h"
#include "util/buf.h"

#include <string.h>

void exchange_discard(struct exchange *x)
{
	wipe(x->answer, x->answer_len < x->answer_cap ? x->answer_len : x->answer_cap);
	x->answer_len = 0;
}

struct exchange_step exchange_fail(struct exchange *x, enum ccid_err err)
{
	struct exchange_step step = { .verdict = STEP_FAILED, .err = err };

	exchange_discard(x);
	x->machine = NULL;
	return step;
}

void exchange_wrong_field(struct exchange *x, const char *field, unsigned value)
{
	if (x->wrong_field)
		return;
	x->wrong_field = field;
	x->wrong_value = value;
}

struct exchange_step exchange_done(struct exchange *x)
{
	struct exchange_step step = { .verdict = STEP_DONE };

	if (x->answer_len < 2) {
		exchange_wrong_field(x, "length of the answer", (unsigned)x->answer_len);
		return exchange_fail(x, CCID_ERR_PROTOCOL);
	}
	x->machine = NULL;
	return step;
}

bool exchange_append(struct exchange *x, const uint8_t *data, size_t len)
{
	size_t room = x->answer_len < x->answer_cap ? x->answer_cap - x->answer_len : 0;

	if (len > EXCHANGE_ANSWER_MAX - x->answer_len) {
		exchange_wrong_field(x, "length of the answer", (unsigned)(x->answer_len + len));
		return false;
	}
	if (room > len)
		room = len;
	if (room > 0)
		memcpy(x->answer + x->answer_len, data, room);
	x->answer_len += len;
	return true;
}

struct exchange_step exchange_feed_whole(struct exchange *x, enum ccid_err result,
					 const uint8_t *data, size_t len, uint8_t chain)
{
	(void)chain;		/* means nothing below the extended APDU level */
	if (result != CCID_OK)
		return exchange_fail(x, result);
	if (!exchange_append(x, data, len))
		return exchange_fail(x, CCID_ERR_OVERFLOW);
	return exchange_done(x);
}
