/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CCID_TRIP_H
#define CCID_TRIP_H

#include "ccid/ccid_slot.h"

/* Private to src/ccid: one message out and its one answer in, without a second try. */

enum {
	BERROR_NO_SLOT = 0x05,
	BERROR_SLOT_BUSY = 0xE0,
	BERROR_PIN_CANCELLED = 0xEF,
	BERROR_PIN_TIMEOUT = 0xF0,
	BERROR_ABORTED = 0xFF,
};

/* A command, and the answer that it must have. */
struct ccid_command {
	uint8_t type;
	uint8_t expect;
	uint8_t b7, b8, b9;
	bool passes_gate, no_queue, needs_card;
	bool has_seq;
	uint8_t seq;		/* with has_seq; else the reader's next */
	bool unused;		/* only the status of the answer is used */
	const uint8_t *data;
	size_t len;
	unsigned wait_ms;	/* how long the reader may be silent */
	unsigned total_ms;	/* with all its time extensions */
	unsigned place_ms;	/* how long it may wait for a busy place */
};

/* The answer's header and data; data points into cs->answer or cs->long_answer. */
struct ccid_answer {
	struct ccid_msg head;
	const uint8_t *frame;
	const uint8_t *data;
	size_t len;
};

/* One message out and its answer in, by `end` at the latest. *lost tells that the answer may still
 * come. */
enum ccid_err ccid_trip(struct ccid_slot *cs, const struct ccid_command *c,
			const struct deadline *end, struct ccid_answer *a, bool *lost);

/* An `end` that never comes. */
extern const struct deadline ccid_never;

/* The reader cannot be reached any more. */
static inline bool ccid_is_over(enum ccid_err err)
{
	return err == CCID_ERR_NO_DEVICE || err == CCID_ERR_STALE;
}

#endif
