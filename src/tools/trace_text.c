/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Writes messages as the driver's own log has them, so that ccid-trace can read them again. */
#include "tools/trace.h"

#include <inttypes.h>
#include <stdlib.h>

#define BYTES_PER_LINE 256u

struct log_sink {
	struct trace_sink s;
	uint64_t before_us;
	bool begun;
};

static void write_line(struct log_sink *l, const struct trace_message *m, size_t at, size_t n)
{
	static const char digits[] = "0123456789ABCDEF";
	char text[3 * BYTES_PER_LINE + 1];
	uint64_t delta = l->begun && m->time_us > l->before_us ? m->time_us - l->before_us : 0;
	unsigned lun = m->len > 5 && !m->interrupt ? m->bytes[5] : 0;
	size_t len = 0;

	for (size_t i = 0; i < n; i++) {
		text[len++] = ' ';
		text[len++] = digits[m->bytes[at + i] >> 4];
		text[len++] = digits[m->bytes[at + i] & 0x0F];
	}
	text[len] = '\0';
	/* pcscd's eight digits end there */
	if (delta > 99999999)
		delta = 99999999;
	fprintf(l->s.out, "%08" PRIu64 " %s (lun %x): %s", delta, m->reader->name, lun,
		m->sent ? "->" : "<-");
	if (at > 0)
		fprintf(l->s.out, " +%zu", at);
	fprintf(l->s.out, "%s\n", text);
	l->before_us = m->time_us;
	l->begun = true;
}

static void log_sink_message(struct trace_sink *s, const struct trace_message *m)
{
	struct log_sink *l = (struct log_sink *)s;
	size_t at = 0;

	do {
		size_t n = m->len - at < BYTES_PER_LINE ? m->len - at : BYTES_PER_LINE;

		write_line(l, m, at, n);
		at += n;
	} while (at < m->len);
	if (m->len < m->full)
		fprintf(s->out, "00000000 %s (lun %x): %s %zu more bytes, not shown\n",
			m->reader->name, m->len > 5 ? m->bytes[5] : 0, m->sent ? "->" : "<-",
			m->full - m->len);
}

struct trace_sink *trace_log_sink(FILE *out)
{
	struct log_sink *l = calloc(1, sizeof *l);

	if (!l)
		return NULL;
	l->s = (struct trace_sink){.message = log_sink_message, .out = out};
	return &l->s;
}
