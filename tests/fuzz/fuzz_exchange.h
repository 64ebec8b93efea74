/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef FUZZ_EXCHANGE_H
#define FUZZ_EXCHANGE_H

#include "fuzz/fuzz.h"
#include "proto/exchange.h"

/* An exchange of src/proto with a card whose answers come from the input. */

/* Maximum number of steps of a command: an answer of 65538 bytes, one byte a step, each after
 * errors. */
#define FUZZ_STEPS_MAX 300000u

/* The card's answer in one step. */
struct fuzz_answer {
	enum ccid_err result;
	const uint8_t *data;
	size_t len;
	uint8_t chain;
};

struct fuzz_card {
	/* Returns the card's answer to a step. */
	struct fuzz_answer (*answer)(struct fuzz_card *c, const struct exchange_step *s);
	/* After success: checks that the answer consists of the card's answers. */
	void (*judge)(struct fuzz_card *c, const struct exchange *x, const uint8_t *answer);
	struct fuzz_in in;
	bool crc;
	uint8_t nad;
};

/* A configuration with sizes and times from the input. */
struct exchange_config fuzz_exchange_config(struct fuzz_in *in, unsigned protocol, enum exchange_level level);
/* Runs one command from the input to its end. */
void fuzz_exchange_run(struct fuzz_card *c, const struct exchange_config *cfg, struct t1 *t1, struct fuzz_in *in);
/* Runs the exchange from `step` to its end. */
void fuzz_exchange_loop(struct fuzz_card *c, struct exchange *x, const struct exchange_config *cfg,
			struct exchange_step step);
/* The error of an answer's kind byte, or CCID_OK. */
enum ccid_err fuzz_exchange_error(uint8_t kind);

#endif
