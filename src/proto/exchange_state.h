/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef PROTO_EXCHANGE_STATE_H
#define PROTO_EXCHANGE_STATE_H

#include "proto/t1_link.h"
#include "proto/timing.h"
#include "util/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Longest answer: 65 536 bytes of data and SW1 SW2. More is an error. */
#define EXCHANGE_ANSWER_MAX (65536u + 2u)

/* How much of ISO 7816 the reader leaves to the driver (dwFeatures 0x00070000). */
enum exchange_level { LEVEL_CHARACTER, LEVEL_TPDU, LEVEL_SHORT_APDU, LEVEL_EXTENDED_APDU };

/* Settled when the protocol was negotiated; does not change during an exchange. */
struct exchange_config {
	enum exchange_level level;
	uint8_t protocol;		/* 0 or 1 */
	size_t max_data;		/* most bytes of abData in one XfrBlock:
					   dwMaxCCIDMessageLength - 10, at least 1 */
	struct timing timing;		/* clock, Fi, Di, WI, BWI, CWI: for the waits */
	bool case1_needs_p3;		/* quirk: T=0 TPDU case 1 is sent with P3 = 00 */
	bool split_expected_64;		/* quirk: character T=0: an expected block with
					   (length + 10) % 64 = 0 is read as 1 byte and the rest */
	unsigned extra_wait_ms;		/* quirk: added to every wait */
};

enum step_verdict {
	STEP_SEND,	/* send data, wait for the answer, feed it */
	STEP_DONE,	/* the answer is whole */
	STEP_FAILED,	/* err says why */
};

/* What the machine wants next. Pointers are valid until the next call. */
struct exchange_step {
	enum step_verdict verdict;
	enum ccid_err err;		/* STEP_FAILED */
	const uint8_t *data;		/* abData of the XfrBlock; may be empty */
	size_t len;
	uint16_t wLevelParameter;	/* character level: bytes expected; extended: chaining */
	uint8_t bBWI;			/* T=1: waiting time multiplier of a granted S(WTX), or 0 */
	unsigned wait_ms;		/* how long the card may take, all told */
};

/* The part of an exchange that one machine has for itself. */
struct t0_state {
	unsigned phase;
	bool receiving;			/* data goes from the card to us */
	size_t left;			/* data bytes of the command not yet moved */
	size_t burst;			/* of these, asked for by the last procedure byte */
	size_t asked;			/* bytes the step under way expects */
	uint8_t sw1;
};

struct t1_state {
	unsigned phase;
	unsigned last;			/* kind of the block in scratch */
	unsigned errors;		/* attempts in a row without a usable block */
	unsigned repeats;		/* times the card asked for the block under way */
	unsigned restarts;		/* resynchronisations of this exchange */
	size_t chunk;			/* information bytes of the I-block under way */
	bool more;			/* and its M bit */
	bool acknowledged;		/* the card has all of the command: not to be sent again */
	bool aborted;			/* the card gave the chain up with S(ABORT) */
	uint8_t multiplier;		/* WTX that goes with the block in scratch */
	enum ccid_err why;		/* of the newest error */
	uint8_t ifsd;			/* asked for in S(IFS request) */
	bool got;			/* a block came last, with this PCB */
	uint8_t pcb;
	uint8_t in[T1_BLOCK_MAX];	/* block that arrives in parts (character level) */
	size_t in_len;
};

/* One command APDU on its way. The caller owns it; it holds secrets while it
 * runs: exchange_end() wipes it. No I/O, no clock, no allocation. All but answer_len
 * is the machines' own. */
struct exchange {
	const struct exchange_config *cfg;
	const struct exchange_machine *machine;	/* NULL: nothing under way */
	struct t1 *t1;			/* T=1 at TPDU and character level, else NULL */
	const uint8_t *apdu;
	size_t apdu_len;
	uint8_t *answer;		/* the caller's buffer */
	size_t answer_cap;
	size_t answer_len;		/* whole, also when it did not fit; 0 after an error */
	size_t sent;			/* bytes of the APDU the other side has */
	unsigned rounds;		/* bounds loops a hostile card could keep up */
	uint8_t scratch[T1_BLOCK_MAX];	/* header, block or TPDU under way */
	size_t scratch_len;
	bool answer_begun;		/* extended APDU: a first part came */
	const char *wrong_field;	/* for the log: the first field of what came that was not in
					   order, NULL: none, */
	unsigned wrong_value;		/* and what was in it */
	union {
		struct t0_state t0;
		struct t1_state t1;
	} m;
};

/* ---- Between the machines of src/proto; not for callers. ---- */

/* begin says the first step, feed the one that follows the outcome of the last. */
struct exchange_machine {
	struct exchange_step (*begin)(struct exchange *x);
	struct exchange_step (*feed)(struct exchange *x, enum ccid_err result,
				     const uint8_t *data, size_t len, uint8_t bChainParameter);
};

/* STEP_DONE, or STEP_FAILED when the answer lacks SW1 SW2. */
struct exchange_step exchange_done(struct exchange *x);
/* STEP_FAILED: what was received is wiped, answer_len is 0. */
struct exchange_step exchange_fail(struct exchange *x, enum ccid_err err);
/* Remembers, for the log, the first field that was not in order. */
void exchange_wrong_field(struct exchange *x, const char *field, unsigned value);
/* Forgets what was received so far, and wipes it. */
void exchange_discard(struct exchange *x);
/* Adds to the answer, writing what fits; false when it grows beyond any answer. */
bool exchange_append(struct exchange *x, const uint8_t *data, size_t len);
/* The feed of a machine whose first answer is the answer. */
struct exchange_step exchange_feed_whole(struct exchange *x, enum ccid_err result,
					 const uint8_t *data, size_t len, uint8_t bChainParameter);

#endif
