/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sums up a trace: for each slot the commands, their times, errors, time extensions, and the
 * slowest commands of all. */
#include "tools/trace.h"

#include "wire/ccid_msg.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define SLOWEST 10u

struct slot_sum {
	uint64_t commands, answers, failed, extensions, unanswered, unasked;
	uint64_t bytes_out, bytes_in;
	uint64_t total_us, longest_us;
	uint64_t errors[256];	     /* answers by bError */
	uint8_t open_type, open_seq; /* open_type 0: no command waits */
	uint64_t sent_us;
};

struct reader_sum {
	struct slot_sum *slot[TRACE_SLOTS];
	uint64_t notifications;
};

struct slow {
	uint64_t us, at_us;
	char reader[TRACE_NAME_MAX];
	uint8_t bSlot, type;
};

struct summary_sink {
	struct trace_sink s;
	struct slow slow[SLOWEST];
	unsigned n_slow;
};

static struct reader_sum *sum_of(struct trace_reader *r)
{
	if (!r->sink_data)
		r->sink_data = calloc(1, sizeof(struct reader_sum));
	return r->sink_data;
}

static void note_slow(struct summary_sink *u, const struct trace_message *m,
		      const struct slot_sum *k, uint64_t us)
{
	unsigned i = u->n_slow;

	if (i == SLOWEST) {
		if (u->slow[SLOWEST - 1].us >= us)
			return;
		i--;
	} else {
		u->n_slow++;
	}
	for (; i > 0 && u->slow[i - 1].us < us; i--)
		u->slow[i] = u->slow[i - 1];
	u->slow[i] = (struct slow){
		.us = us, .at_us = k->sent_us, .bSlot = m->bytes[5], .type = k->open_type};
	memcpy(u->slow[i].reader, m->reader->name, sizeof u->slow[i].reader);
}

static void count_sent(struct slot_sum *k, const struct trace_message *m)
{
	if (k->open_type)
		k->unanswered++;
	k->commands++;
	k->bytes_out += m->full;
	k->open_type = m->bytes[0];
	k->open_seq = m->bytes[6];
	k->sent_us = m->time_us;
}

static void count_received(struct summary_sink *u, struct slot_sum *k,
			   const struct trace_message *m)
{
	uint64_t us;

	k->bytes_in += m->full;
	if (!k->open_type || k->open_seq != m->bytes[6]) {
		k->unasked++;
		return;
	}
	if (ccid_command_state(m->bytes[7]) == COMMAND_TIME_EXTENSION) {
		k->extensions++;
		return;
	}
	k->answers++;
	if (ccid_command_state(m->bytes[7]) == COMMAND_FAILED) {
		k->failed++;
		k->errors[m->bytes[8]]++;
	}
	us = m->time_us > k->sent_us ? m->time_us - k->sent_us : 0;
	k->total_us += us;
	if (us > k->longest_us)
		k->longest_us = us;
	note_slow(u, m, k, us);
	k->open_type = 0;
}

static void summary_message(struct trace_sink *s, const struct trace_message *m)
{
	struct reader_sum *r = sum_of(m->reader);
	struct slot_sum *k;

	if (!r)
		return;
	if (m->interrupt) {
		r->notifications++;
		return;
	}
	if (m->len < TRACE_HEADER)
		return;
	k = r->slot[m->bytes[5]];
	if (!k)
		k = r->slot[m->bytes[5]] = calloc(1, sizeof *k);
	if (!k)
		return;
	if (m->sent)
		count_sent(k, m);
	else
		count_received((struct summary_sink *)s, k, m);
}

static void put_ms(FILE *out, const char *what, uint64_t us)
{
	fprintf(out, ", %s %" PRIu64 ".%03u ms", what, us / 1000, (unsigned)(us % 1000));
}

static void put_slot(FILE *out, unsigned bSlot, const struct slot_sum *k)
{
	fprintf(out, "  slot %u: %" PRIu64 " commands, %" PRIu64 " bytes out, %" PRIu64 " in",
		bSlot, k->commands, k->bytes_out, k->bytes_in);
	if (k->answers) {
		put_ms(out, "mean", k->total_us / k->answers);
		put_ms(out, "longest", k->longest_us);
	}
	fprintf(out,
		", %" PRIu64 " time extensions, %" PRIu64 " failed, %" PRIu64
		" without an answer, %" PRIu64 " answers to no command\n",
		k->extensions, k->failed, k->unanswered + (k->open_type != 0), k->unasked);
	for (unsigned e = 0; e < 256; e++)
		if (k->errors[e])
			fprintf(out, "    bError %02X (%s): %" PRIu64 "\n", e,
				ccid_error_text((uint8_t)e), k->errors[e]);
}

static void summary_reader_end(struct trace_sink *s, struct trace_reader *reader)
{
	struct reader_sum *r = reader->sink_data;

	if (!r)
		return;
	fprintf(s->out, "%s\n", reader->name);
	for (unsigned i = 0; i < TRACE_SLOTS; i++) {
		if (r->slot[i])
			put_slot(s->out, i, r->slot[i]);
		free(r->slot[i]);
	}
	if (r->notifications)
		fprintf(s->out, "  interrupt pipe: %" PRIu64 " messages\n", r->notifications);
}

static void summary_end(struct trace_sink *s)
{
	struct summary_sink *u = (struct summary_sink *)s;

	if (u->n_slow)
		fputs("slowest commands\n", s->out);
	for (unsigned i = 0; i < u->n_slow; i++) {
		const struct slow *w = &u->slow[i];

		fprintf(s->out, "  %" PRIu64 ".%03u ms at %" PRIu64 ".%06u s: %s, %s slot %u\n",
			w->us / 1000, (unsigned)(w->us % 1000), w->at_us / 1000000,
			(unsigned)(w->at_us % 1000000), ccid_message_name(w->type), w->reader,
			w->bSlot);
	}
}

struct trace_sink *trace_summary_sink(FILE *out)
{
	struct summary_sink *u = calloc(1, sizeof *u);

	if (!u)
		return NULL;
	u->s = (struct trace_sink){.message = summary_message,
				   .reader_end = summary_reader_end,
				   .end = summary_end,
				   .out = out};
	return &u->s;
}
