/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "util/log_budget.h"

#include "util/deadline.h"

#define MINUTE_NS UINT64_C(60000000000)

void log_budget_init(struct log_budget *b)
{
	*b = (struct log_budget){ .forgotten = 0 };
	port_mutex_init(&b->lock);
}

unsigned long log_budget_end(struct log_budget *b)
{
	unsigned long left_out = b->forgotten;

	for (unsigned i = 0; i < LOG_BUDGET_KINDS; i++)
		left_out += b->kinds[i].left_out;
	port_mutex_end(&b->lock);
	return left_out;
}

/* Under lock: the kind's entry; when all are in use, that of the kind that was begun first. */
static struct log_kind *kind_of(struct log_budget *b, const void *key)
{
	struct log_kind *oldest = &b->kinds[0];

	for (unsigned i = 0; i < LOG_BUDGET_KINDS; i++) {
		struct log_kind *k = &b->kinds[i];

		if (k->key == key)
			return k;
		if (!k->key) {
			oldest = k;
			break;
		}
		if (k->since_ns < oldest->since_ns)
			oldest = k;
	}
	b->forgotten += oldest->left_out;
	*oldest = (struct log_kind){ .key = key };
	return oldest;
}

/* Under lock. */
static bool kind_allows(struct log_kind *k, uint64_t now, unsigned long *left_out)
{
	if (k->shown == 0 || now - k->since_ns >= MINUTE_NS) {
		*left_out = k->left_out;
		/* After a minute that had too many this line is the minute's only one. */
		k->shown = k->left_out > 0 ? LOG_BUDGET_LINES : 1;
		k->left_out = 0;
		k->since_ns = now;
		return true;
	}
	if (k->shown < LOG_BUDGET_LINES) {
		k->shown++;
		return true;
	}
	k->left_out++;
	return false;
}

bool log_budget_allows(struct log_budget *b, const void *key, unsigned long *left_out)
{
	uint64_t now = clock_now();
	bool allowed;

	*left_out = 0;
	port_mutex_lock(&b->lock);
	allowed = kind_allows(kind_of(b, key), now, left_out);
	port_mutex_unlock(&b->lock);
	return allowed;
}
