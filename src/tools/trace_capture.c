/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reads a capture of usbmon: pcapng or pcap, with Linux's USB headers of 48 or 64 bytes. What is
 * not a smart-card reader is passed over: where the capture holds a device's configuration
 * descriptor, its interfaces of class 0B count; else a bulk transfer that begins like a CCID
 * message does. */
#include "tools/trace.h"

#include "util/buf.h"

#include <stdlib.h>
#include <string.h>

#define BLOCK_MAX      (1u << 24)
#define INTERFACES_MAX 64u
#define DEVICES	       128u /* of one bus */
enum { LINK_USB_LINUX = 189, LINK_USB_LINUX_MMAPPED = 220 };
enum { BLOCK_SHB = 0x0A0D0D0A, BLOCK_IDB = 1, BLOCK_SPB = 3, BLOCK_EPB = 6 };
enum { XFER_INTERRUPT = 1, XFER_CONTROL = 2, XFER_BULK = 3 };
enum { PCAP = 0xA1B2C3D4, PCAP_NS = 0xA1B23C4D };

/* What is known of one device of a bus. */
struct capture_device {
	uint16_t bus;
	uint8_t address;
	uint8_t asked;	 /* descriptor type of the GET_DESCRIPTOR under way */
	bool configured; /* the configuration descriptor was seen */
	struct trace_device d;
	char name[TRACE_NAME_MAX];
};

struct capture {
	struct trace *t;
	FILE *in;
	bool swapped; /* the file's byte order is not little-endian */
	unsigned links[INTERFACES_MAX], n_links;
	struct capture_device dev[DEVICES];
	unsigned n_dev;
	uint64_t place; /* bytes read so far, for messages */
};

bool trace_is_capture(const uint8_t *p, size_t len)
{
	uint32_t le, be;

	if (len < 4)
		return false;
	le = get_le32(p);
	be = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
	return le == BLOCK_SHB || le == PCAP || le == PCAP_NS || be == PCAP || be == PCAP_NS;
}

static uint32_t u32(const struct capture *c, const uint8_t *p)
{
	uint32_t v = get_le32(p);

	return c->swapped ? v >> 24 | (v >> 8 & 0xFF00) | (v & 0xFF00) << 8 | v << 24 : v;
}

static uint16_t u16(const struct capture *c, const uint8_t *p)
{
	return c->swapped ? (uint16_t)(p[0] << 8 | p[1]) : get_le16(p);
}

static uint64_t u64(const struct capture *c, const uint8_t *p)
{
	uint64_t first = u32(c, p), second = u32(c, p + 4);

	return c->swapped ? first << 32 | second : second << 32 | first;
}

static bool capture_fail(const struct capture *c, const char *why)
{
	return trace_fail(c->t, "byte %llu: %s", (unsigned long long)c->place, why);
}

static struct capture_device *device_of(struct capture *c, uint16_t bus, uint8_t address)
{
	struct capture_device *d;

	for (unsigned i = 0; i < c->n_dev; i++)
		if (c->dev[i].bus == bus && c->dev[i].address == address)
			return &c->dev[i];
	if (c->n_dev == DEVICES)
		return NULL;
	d = &c->dev[c->n_dev++];
	*d = (struct capture_device){.bus = bus, .address = address};
	d->d.bus = (uint8_t)bus;
	d->d.address = address;
	snprintf(d->name, sizeof d->name, "usb:0000/0000:libusb-1.0:%u:%u:0", bus, address);
	return d;
}

static void rename_device(struct capture_device *d)
{
	snprintf(d->name, sizeof d->name, "usb:%04x/%04x:libusb-1.0:%u:%u:%u", d->d.idVendor,
		 d->d.idProduct, d->bus, d->address, d->d.interface);
}

/* The first interface of class 0B, its class descriptor and endpoints. */
static void capture_configuration(struct capture_device *d, const uint8_t *p, size_t len)
{
	bool inside = false, found = false;

	for (size_t at = 0; at + 2 <= len && p[at] >= 2 && at + p[at] <= len; at += p[at]) {
		const uint8_t *b = p + at;

		if (b[1] == 4 && b[0] >= 9) {
			inside = !found && b[5] == 0x0B;
			if (!inside)
				continue;
			found = true;
			d->d.interface = b[2];
			d->d.protocol = b[7];
		} else if (inside && b[1] == 0x21 && b[0] >= sizeof d->d.class_desc) {
			memcpy(d->d.class_desc, b, sizeof d->d.class_desc);
			d->d.has_class_desc = true;
		} else if (inside && b[1] == 5 && b[0] >= 7) {
			if ((b[3] & 3) == 3)
				d->d.interrupt_in = b[2];
			else if ((b[3] & 3) == 2 && (b[2] & 0x80))
				d->d.bulk_in = b[2];
			else if ((b[3] & 3) == 2)
				d->d.bulk_out = b[2];
		}
	}
	/* A host asks for the first 9 bytes alone, too. */
	d->configured = d->configured || found || len > 9;
	if (found)
		rename_device(d);
}

static void read_control(struct capture_device *d, char type, const uint8_t *setup,
			 const uint8_t *p, size_t len)
{
	if (type == 'S') {
		d->asked = setup && setup[0] == 0x80 && setup[1] == 6 ? setup[3] : 0;
	} else if (type == 'C') {
		if (d->asked == 1 && len >= 18) {
			d->d.idVendor = get_le16(p + 8);
			d->d.idProduct = get_le16(p + 10);
			d->d.bcdDevice = get_le16(p + 12);
			rename_device(d);
		} else if (d->asked == 2) {
			capture_configuration(d, p, len);
		}
		d->asked = 0;
	}
}

static bool is_of_reader(const struct capture_device *d, uint8_t endpoint)
{
	return !d->configured || endpoint == d->d.bulk_in || endpoint == d->d.bulk_out ||
	       endpoint == d->d.interrupt_in;
}

static void read_transfer(struct capture *c, struct capture_device *d, uint8_t xfer,
			  uint8_t endpoint, uint64_t time_us, const uint8_t *p, size_t len,
			  size_t hidden)
{
	bool sent = (endpoint & 0x80) == 0;
	struct trace_reader *r;
	size_t open;

	if (len == 0 || !is_of_reader(d, endpoint))
		return;
	if (!d->configured &&
	    (xfer == XFER_INTERRUPT || len < TRACE_HEADER || !trace_is_type(sent, p[0])))
		return;
	r = trace_reader_named(c->t, d->name, strlen(d->name));
	if (!r)
		return;
	if (d->configured)
		r->device = d->d;
	open = r->partial[sent].whole;
	if (xfer == XFER_INTERRUPT)
		trace_interrupt(c->t, r, time_us, p, len);
	else if (open && r->partial[sent].have >= TRACE_HEADER)
		trace_more(c->t, r, sent, p, len, hidden); /* a message in several transfers */
	else
		trace_begin(c->t, r, sent, time_us, p, len);
	if (hidden && !open && xfer != XFER_INTERRUPT)
		trace_more(c->t, r, sent, NULL, 0, hidden);
}

static void read_packet(struct capture *c, unsigned link, const uint8_t *p, size_t len)
{
	size_t head = link == LINK_USB_LINUX_MMAPPED ? 64 : 48, data, whole;
	struct capture_device *d;
	uint64_t time_us;

	if ((link != LINK_USB_LINUX && link != LINK_USB_LINUX_MMAPPED) || len < head)
		return;
	d = device_of(c, u16(c, p + 12), p[11]);
	time_us = u64(c, p + 16) * 1000000 + u32(c, p + 24);
	whole = u32(c, p + 32);
	data = u32(c, p + 36);
	if (data > len - head)
		data = len - head;
	if (!d) {
		if (p[9] == XFER_BULK && data >= TRACE_HEADER &&
		    trace_is_type((p[10] & 0x80) == 0, p[head]))
			c->t->left_out++;
		return;
	}
	if (p[9] == XFER_CONTROL)
		read_control(d, (char)p[8], p[14] == 0 ? p + 40 : NULL, p + head, data);
	else if ((p[9] == XFER_BULK || p[9] == XFER_INTERRUPT) &&
		 p[8] == (p[10] & 0x80 ? 'C' : 'S'))
		read_transfer(c, d, p[9], p[10], time_us, p + head, data,
			      whole > data ? whole - data : 0);
}

static bool get(struct capture *c, uint8_t *p, size_t len)
{
	size_t n = fread(p, 1, len, c->in);

	c->place += n;
	c->t->place = c->place;
	return n == len;
}

static bool read_block(struct capture *c, uint32_t type, const uint8_t *p, size_t len)
{
	uint32_t captured, link;

	switch (type) {
	case BLOCK_SHB:
		c->n_links = 0;
		return true;
	case BLOCK_IDB:
		if (len < 8 || c->n_links == INTERFACES_MAX)
			return capture_fail(c, len < 8 ? "interface block is too short"
					       : "more than 64 interfaces");
		c->links[c->n_links++] = u16(c, p);
		return true;
	case BLOCK_EPB:
		if (len < 20)
			return capture_fail(c, "packet block is too short");
		link = u32(c, p);
		captured = u32(c, p + 12);
		if (link >= c->n_links || captured > len - 20)
			return capture_fail(
				c, "packet block names an interface or a length that is not there");
		read_packet(c, c->links[link], p + 20, captured);
		return true;
	case BLOCK_SPB:
		if (len >= 4 && c->n_links > 0)
			read_packet(c, c->links[0], p + 4, len - 4);
		return true;
	default:
		return true;
	}
}

/* One block: type, length, body, length again. The first 8 bytes were read. */
static bool read_pcapng(struct capture *c, uint8_t head[8], uint8_t *body)
{
	for (;;) {
		uint32_t type = get_le32(head), len;
		size_t have = 0;

		if (type == BLOCK_SHB) {
			if (!get(c, body, 4))
				return capture_fail(c, "file ends inside of a section header");
			c->swapped = get_le32(body) != 0x1A2B3C4D;
			have = 4;
		} else {
			type = u32(c, head);
		}
		len = u32(c, head + 4);
		if (len < 12 + have || len > BLOCK_MAX || len % 4)
			return capture_fail(c, "block has an impossible length");
		if (!get(c, body + have, len - 8 - have))
			return capture_fail(c, "file ends inside of a block");
		if (!read_block(c, type, body, len - 12))
			return false;
		if (fread(head, 1, 8, c->in) != 8)
			return true;
		c->place += 8;
	}
}

static bool read_pcap(struct capture *c, const uint8_t head[8], uint8_t *body)
{
	unsigned link;
	uint32_t len;

	c->swapped = get_le32(head) != PCAP && get_le32(head) != PCAP_NS;
	if (!get(c, body, 16))
		return capture_fail(c, "file ends inside of its header");
	link = u32(c, body + 12) & 0xFFFF;
	while (get(c, body, 16)) {
		len = u32(c, body + 8);
		if (len > BLOCK_MAX)
			return capture_fail(c, "packet has an impossible length");
		if (!get(c, body, len))
			return capture_fail(c, "file ends inside of a packet");
		read_packet(c, link, body, len);
	}
	return true;
}

bool trace_read_capture(struct trace *t, FILE *in)
{
	struct capture *c = calloc(1, sizeof *c);
	uint8_t *body = malloc(BLOCK_MAX);
	uint8_t head[8];
	bool good = c && body;

	if (!good) {
		good = trace_fail(t, "out of memory");
	} else {
		c->t = t;
		c->in = in;
		good = get(c, head, sizeof head) || capture_fail(c, "file is too short");
		if (good)
			good = get_le32(head) == BLOCK_SHB ? read_pcapng(c, head, body)
							   : read_pcap(c, head, body);
	}
	free(body);
	free(c);
	return good;
}
