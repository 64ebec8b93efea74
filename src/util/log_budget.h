/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef UTIL_LOG_BUDGET_H
#define UTIL_LOG_BUDGET_H

#include "util/port.h"

/* What one reader may write into the log: of each kind of line LOG_BUDGET_LINES in a minute. A kind
 * that has used them up has one line a minute, which says how many were left out, until a minute
 * had no more than its share. A kind does not hide another. */
#define LOG_BUDGET_LINES 10u
#define LOG_BUDGET_KINDS 32u

struct log_budget {
	struct port_mutex lock;		/* taken last of all */
	struct log_kind {
		const void *key;	/* NULL: not in use */
		uint64_t since_ns;	/* start of the kind's minute */
		unsigned shown;		/* in this minute */
		unsigned long left_out;	/* since the last line */
	} kinds[LOG_BUDGET_KINDS];
	unsigned long forgotten;	/* left out of kinds that made room for others */
};

void log_budget_init(struct log_budget *b);
/* Returns how many lines were left out and not told of. */
unsigned long log_budget_end(struct log_budget *b);

/* May a line of that kind be written now? *left_out: how many of it were not, since the last one.
 * key is the text that the lines of a kind have in common. Any thread. */
bool log_budget_allows(struct log_budget *b, const void *key, unsigned long *left_out);

#endif
