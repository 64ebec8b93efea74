/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Writes pcapng with Linux's USB headers (LINKTYPE_USB_LINUX_MMAPPED): an interface for each
 * reader, its device and configuration descriptors first, so that Wireshark knows it for a
 * smart-card reader. */
#include "tools/trace.h"

#include "util/buf.h"

#include <stdlib.h>
#include <string.h>

#define LINKTYPE_USB_LINUX_MMAPPED 220
#define USB_HEADER		   64u
#define BLOCK_EPB_HEADER	   28u /* of an Enhanced Packet Block, up to the packet */
enum { BLOCK_SHB = 0x0A0D0D0A, BLOCK_IDB = 1, BLOCK_EPB = 6 };
enum { XFER_INTERRUPT = 1, XFER_CONTROL = 2, XFER_BULK = 3 };

struct pcapng_sink {
	struct trace_sink s;
	uint64_t urb;	     /* ids of the transfers made up so far */
	uint32_t interfaces; /* written so far */
};

/* Of each reader that has its interface. */
struct pcapng_reader {
	uint32_t interface;
};

/* What goes into one packet. */
struct packet {
	const struct trace_reader *r;
	uint64_t time_us, urb;
	char type; /* 'S' submitted, 'C' completed */
	uint8_t xfer, endpoint;
	const uint8_t *setup; /* 8 bytes, or NULL */
	const uint8_t *data;
	size_t len, full;
};

static void put_le64(uint8_t *p, uint64_t v)
{
	put_le32(p, (uint32_t)v);
	put_le32(p + 4, (uint32_t)(v >> 32));
}

static void write_begin(FILE *out)
{
	uint8_t b[28] = {0};

	put_le32(b, BLOCK_SHB);
	put_le32(b + 4, sizeof b);
	put_le32(b + 8, 0x1A2B3C4D);
	put_le16(b + 12, 1);
	memset(b + 16, 0xFF, 8); /* the section's length is not known */
	put_le32(b + 24, sizeof b);
	fwrite(b, 1, sizeof b, out);
}

/* An interface with the option if_name (2): the reader's name. */
static void write_interface(FILE *out, const struct trace_reader *r)
{
	uint8_t b[20 + TRACE_NAME_MAX + 12] = {0};
	size_t name = strlen(r->name), padded = (name + 3) & ~(size_t)3;
	size_t len = 20 + padded + 4 + 4;

	put_le32(b, BLOCK_IDB);
	put_le32(b + 4, (uint32_t)len);
	put_le16(b + 8, LINKTYPE_USB_LINUX_MMAPPED);
	put_le16(b + 16, 2);
	put_le16(b + 18, (uint16_t)name);
	memcpy(b + 20, r->name, name);
	/* behind it opt_endofopt, four zeros */
	put_le32(b + len - 4, (uint32_t)len);
	fwrite(b, 1, len, out);
}

static void usb_header(uint8_t h[USB_HEADER], const struct packet *k)
{
	const struct trace_device *d = &k->r->device;

	memset(h, 0, USB_HEADER);
	put_le64(h, k->urb);
	h[8] = (uint8_t)k->type;
	h[9] = k->xfer;
	h[10] = k->endpoint;
	h[11] = d->address;
	put_le16(h + 12, d->bus);
	h[14] = k->setup ? 0 : '-';
	h[15] = k->len ? 0 : (k->endpoint & 0x80 ? '<' : '>');
	put_le64(h + 16, k->time_us / 1000000);
	put_le32(h + 24, (uint32_t)(k->time_us % 1000000));
	put_le32(h + 28, k->type == 'S' ? (uint32_t)-115 : 0); /* -EINPROGRESS */
	put_le32(h + 32, (uint32_t)k->full);
	put_le32(h + 36, (uint32_t)k->len);
	if (k->setup)
		memcpy(h + 40, k->setup, 8);
}

static void write_packet(FILE *out, const struct packet *k)
{
	static const uint8_t zeros[4];
	uint8_t b[BLOCK_EPB_HEADER + USB_HEADER], end[4];
	size_t pad = (4 - k->len % 4) % 4;
	uint32_t len = (uint32_t)(sizeof b + k->len + pad + 4);

	put_le32(b, BLOCK_EPB);
	put_le32(b + 4, len);
	put_le32(b + 8, ((const struct pcapng_reader *)k->r->sink_data)->interface);
	put_le32(b + 12, (uint32_t)(k->time_us >> 32));
	put_le32(b + 16, (uint32_t)k->time_us);
	put_le32(b + 20, (uint32_t)(USB_HEADER + k->len));
	put_le32(b + 24, (uint32_t)(USB_HEADER + k->full));
	usb_header(b + BLOCK_EPB_HEADER, k);
	put_le32(end, len);
	fwrite(b, 1, sizeof b, out);
	if (k->len)
		fwrite(k->data, 1, k->len, out);
	fwrite(zeros, 1, pad, out);
	fwrite(end, 1, sizeof end, out);
}

/* GET_DESCRIPTOR and its answer (USB 2.0 §9.4.3). */
static void write_descriptor(struct pcapng_sink *p, const struct trace_reader *r, uint64_t time_us,
			     uint8_t type, const uint8_t *data, size_t len)
{
	uint8_t setup[8] = {0x80, 0x06, 0, type, 0, 0, (uint8_t)len, (uint8_t)(len >> 8)};
	struct packet k = {.r = r,
			   .time_us = time_us,
			   .urb = ++p->urb,
			   .type = 'S',
			   .xfer = XFER_CONTROL,
			   .endpoint = 0x80,
			   .setup = setup,
			   .full = len};

	write_packet(p->s.out, &k);
	k.type = 'C';
	k.setup = NULL;
	k.data = data;
	k.len = len;
	write_packet(p->s.out, &k);
}

static size_t put_endpoint(uint8_t *b, uint8_t address, uint8_t attributes, uint8_t interval)
{
	const uint8_t e[7] = {7, 5, address, attributes, 64, 0, interval};

	memcpy(b, e, sizeof e);
	return sizeof e;
}

/* A configuration with the one interface that the trace is about (USB 2.0 §9.6.3, CCID 1.10 §5.1).
 */
static size_t configuration(const struct trace_device *d, uint8_t b[9 + 9 + 54 + 21])
{
	const uint8_t config[9] = {9, 2, 0, 0, 1, 1, 0, 0x80, 50};
	const uint8_t iface[9] = {9,	4, d->interface, 0, d->interrupt_in ? 3 : 2,
				  0x0B, 0, d->protocol,	 0};
	size_t n = sizeof config;

	memcpy(b, config, sizeof config);
	memcpy(b + n, iface, sizeof iface);
	n += sizeof iface;
	if (d->has_class_desc) {
		memcpy(b + n, d->class_desc, sizeof d->class_desc);
		n += sizeof d->class_desc;
	}
	n += put_endpoint(b + n, d->bulk_out, 2, 0);
	n += put_endpoint(b + n, d->bulk_in, 2, 0);
	if (d->interrupt_in)
		n += put_endpoint(b + n, d->interrupt_in, 3, 16);
	put_le16(b + 2, (uint16_t)n);
	return n;
}

static void write_descriptors(struct pcapng_sink *p, const struct trace_reader *r, uint64_t time_us)
{
	const struct trace_device *d = &r->device;
	uint8_t device[18] = {18, 1, 0, 2, 0, 0, 0, 64};
	uint8_t config[9 + 9 + 54 + 21];
	size_t n = configuration(d, config);

	put_le16(device + 8, d->idVendor);
	put_le16(device + 10, d->idProduct);
	put_le16(device + 12, d->bcdDevice);
	device[17] = 1;
	write_descriptor(p, r, time_us, 1, device, sizeof device);
	write_descriptor(p, r, time_us, 2, config, n);
}

static void pcapng_message(struct trace_sink *s, const struct trace_message *m)
{
	struct pcapng_sink *p = (struct pcapng_sink *)s;
	struct trace_reader *r = m->reader;
	struct packet k = {.r = r,
			   .time_us = m->time_us,
			   .type = m->sent ? 'S' : 'C',
			   .xfer = m->interrupt ? XFER_INTERRUPT : XFER_BULK,
			   .endpoint = m->sent	      ? r->device.bulk_out
				       : m->interrupt ? r->device.interrupt_in
						      : r->device.bulk_in,
			   .data = m->bytes,
			   .len = m->len,
			   .full = m->full};

	if (!r->sink_data) {
		struct pcapng_reader *own = malloc(sizeof *own);

		if (!own)
			return;
		own->interface = p->interfaces++;
		r->sink_data = own;
		write_interface(s->out, r);
		write_descriptors(p, r, m->time_us);
	}
	k.urb = ++p->urb;
	write_packet(s->out, &k);
}

struct trace_sink *trace_pcapng_sink(FILE *out)
{
	struct pcapng_sink *p = calloc(1, sizeof *p);

	if (!p)
		return NULL;
	p->s = (struct trace_sink){.message = pcapng_message, .out = out};
	write_begin(out);
	return &p->s;
}
