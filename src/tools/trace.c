/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Readers of a trace, messages put together from their pieces, and the mask that hides secrets. */
#include "tools/trace.h"

#include "tools/tame.h"
#include "util/buf.h"
#include "util/log_message.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

bool trace_fail(struct trace *t, const char *fmt, ...)
{
	char text[200];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	if (t->problem)
		snprintf(t->problem, t->problem_cap, "%s", text);
	else
		fprintf(stderr, "ccid-trace: %s, %s\n", t->file, text);
	return false;
}

bool trace_is_type(bool sent, uint8_t type)
{
	if (!sent)
		return type >= 0x80 && type <= 0x84;
	return (type >= 0x61 && type <= 0x73) && type != 0x64 && type != 0x66 && type != 0x67 &&
	       type != 0x68 && type != 0x70;
}

void trace_device_from_name(struct trace_device *d, const char *name)
{
	unsigned vid, pid, a, b, c;

	if (sscanf(name, "usb:%4x/%4x", &vid, &pid) != 2)
		return;
	d->idVendor = (uint16_t)vid;
	d->idProduct = (uint16_t)pid;
	if (sscanf(name, "usb:%*4x/%*4x:libudev:%3u:/dev/bus/usb/%3u/%3u", &a, &b, &c) == 3) {
		d->interface = (uint8_t)a;
		d->bus = (uint8_t)b;
		d->address = (uint8_t)c;
	} else if (sscanf(name, "usb:%*4x/%*4x:libusb-1.0:%3u:%3u:%3u", &a, &b, &c) == 3) {
		d->bus = (uint8_t)a;
		d->address = (uint8_t)b;
		d->interface = (uint8_t)c;
	}
}

/* What ccid-parse said of that reader; endpoints as most readers have them where nothing is known.
 */
static void complete_device(const struct trace *t, struct trace_reader *r)
{
	struct trace_device *d = &r->device;

	trace_device_from_name(d, r->name);
	for (size_t i = 0; i < t->n_known; i++) {
		const struct trace_device *k = &t->known[i];

		if (k->idVendor != d->idVendor || k->idProduct != d->idProduct ||
		    (d->bus && (k->interface != d->interface)))
			continue;
		uint8_t bus = d->bus, address = d->address;

		*d = *k;
		if (bus) {
			d->bus = bus;
			d->address = address;
		}
		break;
	}
	if (!d->bus) {
		d->bus = 1;
		d->address = (uint8_t)(r->number % 127 + 1);
	}
	if (!d->bulk_in) {
		d->bulk_out = 0x02;
		d->bulk_in = 0x82;
		d->interrupt_in = 0x81;
	}
}

struct trace_reader *trace_reader_named(struct trace *t, const char *name, size_t len)
{
	char harmless[TRACE_NAME_MAX] = "";
	struct trace_reader *r;

	if (len >= TRACE_NAME_MAX)
		len = TRACE_NAME_MAX - 1;
	memcpy(harmless, name, len);
	tame_text(harmless);
	for (unsigned i = 0; i < t->n_readers; i++)
		if (strcmp(t->readers[i]->name, harmless) == 0)
			return t->readers[i];
	if (t->n_readers == TRACE_READERS_MAX)
		return NULL;
	r = calloc(1, sizeof *r);
	if (!r)
		return NULL;
	memcpy(r->name, harmless, sizeof r->name);
	r->number = t->n_readers;
	t->readers[t->n_readers++] = r;
	complete_device(t, r);
	return r;
}

/* The mask of the driver's own log decides what of a message goes on. */
static void trace_deliver(struct trace *t, struct trace_message *m)
{
	if (!m->interrupt && m->len > TRACE_HEADER - 4) {
		struct log_secrecy *s = &m->reader->secrecy[m->bytes[5]];
		size_t shown = log_message_shown(s, m->sent, m->bytes, m->len);

		if (shown < m->len)
			m->len = shown;
	}
	t->messages++;
	t->sink->message(t->sink, m);
}

static void flush(struct trace *t, struct trace_reader *r, bool sent)
{
	struct trace_partial *p = &r->partial[sent];
	struct trace_message m = {.reader = r,
				  .sent = sent,
				  .time_us = p->time_us,
				  .place = p->place,
				  .bytes = p->bytes,
				  .len = p->have};

	if (p->whole == 0)
		return;
	if (p->have + p->hidden < p->whole && t->damaged++ == 0)
		t->damaged_at = p->place;
	m.full = p->have + p->hidden;
	p->whole = 0;
	trace_deliver(t, &m);
	wipe(p->bytes, p->have);
}

void trace_more(struct trace *t, struct trace_reader *r, bool sent, const uint8_t *bytes,
		size_t len, size_t hidden)
{
	struct trace_partial *p = &r->partial[sent];
	size_t room;

	if (p->whole == 0)
		return;
	room = TRACE_MESSAGE_MAX - p->have;
	if (len > room) {
		hidden += len - room;
		len = room;
	}
	if (len > 0)
		memcpy(p->bytes + p->have, bytes, len);
	p->have += len;
	p->hidden += hidden;
	if (p->have >= TRACE_HEADER)
		p->whole = TRACE_HEADER + (size_t)get_le32(p->bytes + 1);
	if (p->have >= TRACE_HEADER && p->have + p->hidden >= p->whole)
		flush(t, r, sent);
}

void trace_begin(struct trace *t, struct trace_reader *r, bool sent, uint64_t time_us,
		 const uint8_t *bytes, size_t len)
{
	struct trace_partial *p = &r->partial[sent];

	flush(t, r, sent);
	if (!p->bytes) {
		p->bytes = malloc(TRACE_MESSAGE_MAX);
		if (!p->bytes)
			return;
	}
	p->have = p->hidden = 0;
	p->whole = TRACE_HEADER;
	p->time_us = time_us;
	p->place = t->place;
	trace_more(t, r, sent, bytes, len, 0);
}

void trace_interrupt(struct trace *t, struct trace_reader *r, uint64_t time_us, const uint8_t *p,
		     size_t len)
{
	struct trace_message m = {.reader = r,
				  .interrupt = true,
				  .time_us = time_us,
				  .place = t->place,
				  .bytes = p,
				  .len = len,
				  .full = len};

	if (len > 0)
		trace_deliver(t, &m);
}

void trace_end(struct trace *t)
{
	for (unsigned i = 0; i < t->n_readers; i++) {
		flush(t, t->readers[i], true);
		flush(t, t->readers[i], false);
	}
	for (unsigned i = 0; t->sink->reader_end && i < t->n_readers; i++)
		t->sink->reader_end(t->sink, t->readers[i]);
	if (t->sink->end)
		t->sink->end(t->sink);
	for (unsigned i = 0; i < t->n_readers; i++) {
		struct trace_reader *r = t->readers[i];

		free(r->partial[0].bytes);
		free(r->partial[1].bytes);
		free(r->sink_data);
		free(r);
	}
	t->n_readers = 0;
}
