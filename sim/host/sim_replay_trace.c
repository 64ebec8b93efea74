/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Recordings from other formats: the log of this driver or of libccid, and captures of usbmon.
 * ccid-trace's readers of such files read them; PINs and keys are hidden by them. */
#include "sim/model/sim_dev_priv.h"
#include "sim/model/sim_replay.h"

#include "tools/trace.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CLASS_DESC 54

struct gather {
	struct trace_sink sink;
	struct sim_recording *rec;
	uint16_t vendor, product; /* which reader; 0: the only one */
	bool chosen, several;
	struct trace_device device; /* of the chosen one */
	char others[200];
};

/* Whether the message is of the played reader: the first one that fits, with all its interfaces. */
static bool is_chosen(struct gather *g, const struct trace_reader *r)
{
	const struct trace_device *d = &r->device;

	if (g->vendor && d->idVendor && (d->idVendor != g->vendor || d->idProduct != g->product))
		return false;
	if (!g->chosen) {
		g->chosen = true;
		g->device = *d;
		snprintf(g->others, sizeof g->others, "%s", r->name);
		return true;
	}
	if (d->idVendor == g->device.idVendor && d->idProduct == g->device.idProduct && d->bus == g->device.bus &&
	    d->address == g->device.address)
		return true;
	if (!g->several)
		snprintf(g->others + strlen(g->others), sizeof g->others - strlen(g->others), " and %.90s",
			 r->name);
	g->several = true;
	return false;
}

static void take_message(struct trace_sink *s, const struct trace_message *m)
{
	struct gather *g = (struct gather *)s;
	struct sim_recording *rec = g->rec;
	unsigned interface = m->reader->device.interface, line = (unsigned)m->place;
	const struct replay_item *last;
	uint64_t time;

	if (!is_chosen(g, m->reader))
		return;
	if (!rec->has_first)
		rec->first = m->time_us;
	rec->has_first = true;
	time = m->time_us > rec->first ? (m->time_us - rec->first) * 1000 : 0;
	if (m->sent) {
		if (m->len >= SIM_HEADER)
			sim_recording_command(rec, interface, time, line, m->bytes, m->len, m->full);
		return;
	}
	struct replay_answer a = {
		.interrupt = m->interrupt, .bytes = (uint8_t *)(uintptr_t)m->bytes, .len = m->len, .full = m->full
	};

	last = NULL;
	for (size_t i = rec->n_items; i-- > 0 && !last && m->len > 6;)
		if (rec->item[i].kind == REPLAY_COMMAND && rec->item[i].bytes[5] == m->bytes[5] &&
		    rec->item[i].interface == interface)
			last = &rec->item[i];
	a.seq_follows = !m->interrupt && last && m->len > 6 && last->bytes[6] == m->bytes[6];
	(void)sim_recording_answer(rec, interface, time, &a);
}

static bool read_file(struct trace *t, const char *file)
{
	FILE *in = fopen(file, "rb");
	uint8_t head[4];
	size_t n;
	bool good;

	if (!in)
		return trace_fail(t, "%s", strerror(errno));
	n = fread(head, 1, sizeof head, in);
	rewind(in);
	good = trace_is_capture(head, n) ? trace_read_capture(t, in) : trace_read_log(t, in);
	trace_end(t);
	fclose(in);
	return good;
}

/* The descriptors of a capture become a device of one interface; a log has only a reader's ids. */
static void describe(struct sim_recording *r, const struct trace_device *d)
{
	uint8_t b[18 + 9 + 9 + CLASS_DESC + 3 * 7] = { 18, 1, 0x10, 1, 0, 0, 0, 64 }, *p = b + 18;
	const uint8_t config[9] = { 9, 2, 0, 0, (uint8_t)(d->interface + 1), 1, 0, 0x80, 50 };
	const uint8_t iface[9] = { 9, 4, d->interface, 0, d->interrupt_in ? 3 : 2, 0x0B, 0, d->protocol, 0 };
	const uint8_t ends[3] = { d->bulk_out, d->bulk_in, d->interrupt_in };

	r->vendor = d->idVendor;
	r->product = d->idProduct;
	if (!d->has_class_desc || !d->bulk_in)
		return;
	sim_put16(b + 8, d->idVendor);
	sim_put16(b + 10, d->idProduct);
	sim_put16(b + 12, d->bcdDevice);
	b[17] = 1;
	memcpy(p, config, 9);
	memcpy(p + 9, iface, 9);
	memcpy(p + 18, d->class_desc, CLASS_DESC);
	p += 18 + CLASS_DESC;
	for (unsigned i = 0; i < 3; i++) {
		const uint8_t e[7] = { 7, 5, ends[i], i == 2 ? 3 : 2, 64, 0, i == 2 ? 16 : 0 };

		if (!ends[i])
			continue;
		memcpy(p, e, 7);
		p += 7;
	}
	r->descriptors_len = (size_t)(p - b);
	sim_put16(b + 18 + 2, (unsigned)(r->descriptors_len - 18));
	r->descriptors = sim_dup(b, r->descriptors_len);
}

bool sim_replay_trace(struct sim_recording *r, uint16_t vendor, uint16_t product, char *err, size_t cap)
{
	struct gather g = { .sink = { .message = take_message }, .rec = r, .vendor = vendor, .product = product };
	struct trace t = { .file = r->file, .sink = &g.sink, .problem = err, .problem_cap = cap };

	if (!read_file(&t, r->file))
		return false;
	if (t.damaged) {
		snprintf(err, cap, "%s %llu: a message that is not whole: the file was cut, or lines are missing",
			 t.by_line ? "line" : "byte", (unsigned long long)t.damaged_at);
		return false;
	}
	if (!r->n_items) {
		snprintf(err, cap,
			 "no CCID message of the reader: neither a ccidlog nor a log with bit 4 of ifdLogLevel "
			 "set, nor a capture");
		return false;
	}
	if (g.several) {
		snprintf(err, cap, "it holds %s: say which one with \"from = VID:PID\" above", g.others);
		return false;
	}
	describe(r, &g.device);
	return true;
}
