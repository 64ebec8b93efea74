/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reads the descriptors of readers from what ccid-parse wrote, plain or compressed. */
#include "tools/trace.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

/* Text of more readers than there is room for; /dev/zero never ends. */
#define DESC_TEXT_MAX (16ul << 20)

struct desc_source {
	struct trace_device *out;
	size_t n, max;
	uint8_t endpoint; /* address of the endpoint whose lines follow */
};

static void read_raw(struct trace_device *d, const char *text)
{
	size_t n = 0;
	char *end;

	for (; n < sizeof d->class_desc; n++, text = end) {
		unsigned long v = strtoul(text, &end, 16);

		if (end == text || v > 0xFF)
			return;
		d->class_desc[n] = (uint8_t)v;
	}
	d->has_class_desc = true;
}

static void read_attributes(struct desc_source *s, struct trace_device *d, unsigned attributes)
{
	if ((attributes & 3) == 3)
		d->interrupt_in = s->endpoint;
	else if ((attributes & 3) == 2 && (s->endpoint & 0x80))
		d->bulk_in = s->endpoint;
	else if ((attributes & 3) == 2)
		d->bulk_out = s->endpoint;
}

static void read_field(struct desc_source *s, const char *line)
{
	struct trace_device *d = &s->out[s->n - 1];
	unsigned a, b;

	if (sscanf(line, " bcdDevice: %2x.%2x", &a, &b) == 2)
		d->bcdDevice = (uint16_t)(a << 8 | b);
	else if (sscanf(line, " bInterfaceProtocol: %x", &a) == 1)
		d->protocol = (uint8_t)a;
	else if (sscanf(line, " bEndpointAddress: %x", &a) == 1)
		s->endpoint = (uint8_t)a;
	else if (sscanf(line, " bmAttributes: %x", &a) == 1 && s->endpoint)
		read_attributes(s, d, a);
	else if (strncmp(line, "  raw: ", 7) == 0)
		read_raw(d, line + 7);
}

static void read_desc_line(struct desc_source *s, const char *line)
{
	unsigned vid, pid, bus, address, iface;
	const char *place = strstr(line, ", bus ");

	if (place && sscanf(line, "%4x:%4x", &vid, &pid) == 2 &&
	    sscanf(place, ", bus %u device %u interface %u", &bus, &address, &iface) == 3) {
		if (s->n == s->max)
			return;
		s->out[s->n++] = (struct trace_device){.idVendor = (uint16_t)vid,
						       .idProduct = (uint16_t)pid,
						       .bus = (uint8_t)bus,
						       .address = (uint8_t)address,
						       .interface = (uint8_t)iface};
		s->endpoint = 0;
	} else if (s->n > 0) {
		read_field(s, line);
	}
}

size_t trace_read_descriptors(const char *file, struct trace_device *out, size_t max)
{
	struct desc_source s = {.out = out, .max = max};
	gzFile in = gzopen(file, "rb");
	char line[1024];
	bool whole = true;

	if (!in)
		return SIZE_MAX;
	while (whole && gzgets(in, line, sizeof line)) {
		read_desc_line(&s, line);
		whole = (unsigned long)gztell(in) <= DESC_TEXT_MAX;
	}
	gzclose(in);
	errno = EFBIG;
	return whole ? s.n : SIZE_MAX;
}
