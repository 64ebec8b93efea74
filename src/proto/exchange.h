/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef PROTO_EXCHANGE_H
#define PROTO_EXCHANGE_H

#include "proto/t1.h"
#include "proto/t1_block.h"
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
	const char *odd;		/* for the log: the first field of what came that was not in
					   order, NULL: none, */
	unsigned odd_value;		/* and what was in it */
	union {
		struct t0_state t0;
		struct t1_state t1;
	} m;
};

/* Starts an exchange. apdu is at least 1 byte, and must stay as it is until the end; answer may
 * not overlap it. t1 is kept across exchanges by the caller (NULL where the reader speaks
 * the protocol). At most answer_cap bytes are written; answer_len is the whole length, up
 * to EXCHANGE_ANSWER_MAX, beyond which the exchange fails with CCID_ERR_OVERFLOW. An APDU the
 * level cannot carry fails with CCID_ERR_TOO_LONG (too many bytes) or CCID_ERR_NOT_SUPPORTED
 * (extended APDU at T=0 below the APDU levels), one that is no command with CCID_ERR_ARG.
 * An answer without SW1 SW2 fails with CCID_ERR_PROTOCOL.
 * ISO 7816-3:2006 §10-§12, CCID 1.10 §3.2, §6.1.4. */
struct exchange_step exchange_begin(struct exchange *x, const struct exchange_config *cfg,
				    struct t1 *t1, const uint8_t *apdu, size_t apdu_len,
				    uint8_t *answer, size_t answer_cap);

/* Starts the exchange of one S(IFS request) that tells the card our IFSD (1..254); steps
 * and feeding as above, no answer bytes. On STEP_DONE t1->ifsd is set; a card
 * that refuses or fails leaves it at what it was, and the caller goes on. §11.4.2 */
struct exchange_step exchange_begin_ifsd(struct exchange *x, const struct exchange_config *cfg,
					 struct t1 *t1, uint8_t ifsd);

/* Starts the exchange of one S(RESYNCH request), for a command that is no exchange
 * (PC_to_RDR_Secure) and comes after one that was left half way (t1->unsettled). On STEP_DONE both
 * ends are at N(S) 0 again. No answer bytes. §11.6.3.2 rule 6 */
struct exchange_step exchange_begin_resynch(struct exchange *x, const struct exchange_config *cfg,
					    struct t1 *t1);

/* PC_to_RDR_Secure at T=1 TPDU level: the reader builds the block itself from bTeoPrologue. */
/* Writes NAD PCB LEN of the next I-block and counts it as sent. */
void t1_secure_prologue(struct t1 *t1, uint8_t out[3], uint8_t len);
/* Takes N(S) back when nothing was sent (cancelled, timed out, refused). */
void t1_secure_unsent(struct t1 *t1);
/* Judges the block that came back: CCID_OK with the information field (*inf points into
 * block); *wtx nonzero: an S(WTX request), whose multiplier it is: send reply[reply_len] as an
 * XfrBlock with that bBWI and judge the next answer likewise; CCID_ERR_PROTOCOL: no usable block,
 * and the next exchange begins with a resynchronisation. */
enum ccid_err t1_secure_answer(struct t1 *t1, const uint8_t *block, size_t len,
			       const uint8_t **inf, size_t *inf_len,
			       uint8_t *wtx, uint8_t reply[6], size_t *reply_len);

/* Feeds the outcome of the step asked for: CCID_OK with the abData that came
 * (and bChainParameter), or the error of the round trip (PARITY, COMM, MUTE and
 * TIMEOUT are what a T=1 machine may repair; others end the exchange). */
struct exchange_step exchange_feed(struct exchange *x, enum ccid_err result,
				   const uint8_t *data, size_t len, uint8_t bChainParameter);

/* Ends an exchange, whatever its state, with these status words: the reader itself answered the
 * command. */
struct exchange_step exchange_finish(struct exchange *x, uint8_t sw1, uint8_t sw2);

/* Wipes what the machine holds. answer_len stays readable. */
void exchange_end(struct exchange *x);

/* ---- Between the machines of src/proto; not for callers. ---- */

/* begin says the first step, feed the one that follows the outcome of the last. */
struct exchange_machine {
	struct exchange_step (*begin)(struct exchange *x);
	struct exchange_step (*feed)(struct exchange *x, enum ccid_err result,
				     const uint8_t *data, size_t len, uint8_t bChainParameter);
};

extern const struct exchange_machine t0_tpdu_machine;		/* t0.c */
extern const struct exchange_machine t0_character_machine;	/* t0.c */
extern const struct exchange_machine t1_machine;		/* t1.c */
extern const struct exchange_machine t1_ifsd_machine;		/* t1.c */
extern const struct exchange_machine t1_resynch_machine;	/* t1.c */

/* STEP_DONE, or STEP_FAILED when the answer lacks SW1 SW2. */
struct exchange_step exchange_done(struct exchange *x);
/* STEP_FAILED: what was received is wiped, answer_len is 0. */
struct exchange_step exchange_fail(struct exchange *x, enum ccid_err err);
/* Remembers, for the log, the first field that was not in order. */
void exchange_odd(struct exchange *x, const char *field, unsigned value);
/* Forgets what was received so far, and wipes it. */
void exchange_discard(struct exchange *x);
/* Adds to the answer, writing what fits; false when it grows beyond any answer. */
bool exchange_append(struct exchange *x, const uint8_t *data, size_t len);
/* The feed of a machine whose first answer is the answer. */
struct exchange_step exchange_feed_whole(struct exchange *x, enum ccid_err result,
					 const uint8_t *data, size_t len, uint8_t bChainParameter);

#endif
