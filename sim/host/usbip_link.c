/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One USB/IP connection: list and import, then requests on their way to the imported device and back. */
#include "sim/host/usbip.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROTOCOL_VERSION 0x0111u
#define OP_REQ_DEVLIST 0x8005u
#define OP_REP_DEVLIST 0x0005u
#define OP_REQ_IMPORT 0x8003u
#define OP_REP_IMPORT 0x0003u
#define OP_SIZE 8u
#define BUSID_SIZE 32u
#define DEVICE_SIZE 312u

#define CMD_SUBMIT 1u
#define CMD_UNLINK 2u
#define RET_SUBMIT 3u
#define RET_UNLINK 4u
#define HEADER_SIZE 48u
#define NO_PACKETS 0xFFFFFFFFu	/* number_of_packets of a transfer that is not isochronous; 0 from some */

/* transfer_flags, as linux/usb.h counts them */
#define SHORT_NOT_OK 0x0001u
#define ZERO_PACKET 0x0040u

#define BUS 1u
#define MAX_TRANSFER (16u << 20)	/* what Linux lets usbfs have in all */

struct request {
	struct sim_urb urb;
	struct usbip_link *link;	/* NULL: the client has gone */
	uint32_t seqnum, flags;
	uint32_t unlink_seqnum;		/* of the CMD_UNLINK that waits for its end */
	bool in, unlinking, silent;
	struct request *next;
	uint8_t data[];
};

struct bytes {
	uint8_t *p;
	size_t off, len, cap;
};

struct usbip_link {
	struct usbip_bus *bus;
	struct usbip_export *export;	/* imported; NULL: not yet, or gone */
	bool urbs;			/* past the import */
	bool ends;
	struct bytes in, out;
	struct request *requests;
};

static uint32_t get16(const uint8_t *p)
{
	return (uint32_t)p[0] << 8 | p[1];
}

static uint32_t get32(const uint8_t *p)
{
	return get16(p) << 16 | get16(p + 2);
}

static void put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void put32(uint8_t *p, uint32_t v)
{
	put16(p, v >> 16);
	put16(p + 2, v);
}

/* Room for n more bytes at the end. Ends the program when there is no memory: it is a simulator. */
static uint8_t *extend(struct bytes *b, size_t n)
{
	uint8_t *to;

	if (b->off && b->off == b->len)
		b->off = b->len = 0;
	if (b->len + n > b->cap) {
		if (b->len > b->off)
			memmove(b->p, b->p + b->off, b->len - b->off);
		b->len -= b->off;
		b->off = 0;
	}
	if (b->len + n > b->cap) {
		b->cap = 2 * (b->len + n);
		b->p = realloc(b->p, b->cap);
		if (!b->p)
			abort();
	}
	to = b->p + b->len;
	b->len += n;
	return to;
}

struct usbip_link *usbip_link_new(struct usbip_bus *b)
{
	struct usbip_link *l = calloc(1, sizeof *l);

	if (!l)
		abort();
	l->bus = b;
	/* so that no pointer is ever NULL */
	extend(&l->in, HEADER_SIZE);
	extend(&l->out, HEADER_SIZE);
	l->in.len = l->out.len = 0;
	return l;
}

size_t usbip_link_output(const struct usbip_link *l, const uint8_t **p)
{
	*p = l->out.p + l->out.off;
	return l->out.len - l->out.off;
}

void usbip_link_sent(struct usbip_link *l, size_t n)
{
	l->out.off += n;
}

bool usbip_link_ends(const struct usbip_link *l)
{
	return l->ends;
}

/* --- list and import --- */

static unsigned index_of(const struct usbip_bus *b, const struct usbip_export *e)
{
	return (unsigned)(e - b->exports);
}

static void busid(const struct usbip_bus *b, const struct usbip_export *e, char *text)
{
	snprintf(text, BUSID_SIZE, "%u-%u", BUS, index_of(b, e) + 1);
}

static void put_device(const struct usbip_bus *b, const struct usbip_export *e, uint8_t *p)
{
	size_t len;
	const uint8_t *d = sim_dev_descriptors(e->dev, &len);
	char id[BUSID_SIZE] = "";

	memset(p, 0, DEVICE_SIZE);
	busid(b, e, id);
	snprintf((char *)p, 256, "/sys/devices/platform/ccid-sim/usb%u/%s", BUS, id);
	memcpy(p + 256, id, BUSID_SIZE);
	put32(p + 288, BUS);
	put32(p + 292, index_of(b, e) + 2);
	put32(p + 296, sim_dev_speed(e->dev));
	put16(p + 300, sim_dev_vendor(e->dev));
	put16(p + 302, sim_dev_product(e->dev));
	put16(p + 304, d[12] | (uint32_t)d[13] << 8);
	memcpy(p + 306, d + 4, 3);
	p[309] = len >= 27 ? d[23] : 0;
	p[310] = d[17];
	p[311] = len >= 27 ? d[22] : 0;
}

static void put_op(struct usbip_link *l, unsigned code, unsigned status)
{
	uint8_t *p = extend(&l->out, OP_SIZE);

	put16(p, PROTOCOL_VERSION);
	put16(p + 2, code);
	put32(p + 4, status);
}

/* The interfaces of altsetting 0. Exactly bNumInterfaces are expected behind a device. */
static void put_interfaces(struct usbip_link *l, const struct sim_dev *dev)
{
	size_t len;
	const uint8_t *d = sim_dev_descriptors(dev, &len);
	unsigned left = len >= 27 ? d[22] : 0;
	uint8_t *p = extend(&l->out, 4u * left);

	memset(p, 0, 4u * left);
	for (size_t i = 18; left && i + 2 <= len && d[i] >= 2 && i + d[i] <= len; i += d[i]) {
		if (d[i + 1] != 4 || d[i] < 9 || d[i + 3] != 0)
			continue;
		memcpy(p, d + i + 5, 3);
		p += 4;
		left--;
	}
}

static void list(struct usbip_link *l)
{
	const struct usbip_bus *b = l->bus;
	unsigned n = 0;

	for (unsigned i = 0; i < b->n; i++)
		n += b->exports[i].plugged && !b->exports[i].user;
	put_op(l, OP_REP_DEVLIST, 0);
	put32(extend(&l->out, 4), n);
	for (unsigned i = 0; i < b->n; i++) {
		if (!b->exports[i].plugged || b->exports[i].user)
			continue;
		put_device(b, &b->exports[i], extend(&l->out, DEVICE_SIZE));
		put_interfaces(l, b->exports[i].dev);
	}
	l->ends = true;
}

static void import(struct usbip_link *l, const uint8_t *wanted, uint64_t now)
{
	const struct usbip_bus *b = l->bus;
	struct usbip_export *e;
	char id[BUSID_SIZE];

	for (unsigned i = 0; i < b->n; i++) {
		e = &b->exports[i];
		busid(b, e, id);
		if (!e->plugged || e->user || strncmp(id, (const char *)wanted, BUSID_SIZE) != 0)
			continue;
		/* An import is a plugging-in: the device starts in its reset state. */
		sim_dev_reset(e->dev, now);
		e->user = l;
		l->export = e;
		l->urbs = true;
		put_op(l, OP_REP_IMPORT, 0);
		put_device(b, e, extend(&l->out, DEVICE_SIZE));
		return;
	}
	put_op(l, OP_REP_IMPORT, 1);
	l->ends = true;
}

/* --- requests --- */

static uint8_t *put_header(struct usbip_link *l, uint32_t command, uint32_t seqnum, int32_t status)
{
	uint8_t *p = extend(&l->out, HEADER_SIZE);

	/* devid, direction and ep are 0 in what a server sends */
	memset(p, 0, HEADER_SIZE);
	put32(p, command);
	put32(p + 4, seqnum);
	put32(p + 20, (uint32_t)status);
	return p;
}

static void ret_submit(struct usbip_link *l, const struct request *q)
{
	int32_t status = q->urb.status;
	uint8_t *p;

	/* A host controller reports it; the server plays that part here. */
	if (q->in && !status && q->flags & SHORT_NOT_OK && q->urb.actual < q->urb.len)
		status = USBIP_EREMOTEIO;
	p = put_header(l, RET_SUBMIT, q->seqnum, status);
	put32(p + 24, (uint32_t)q->urb.actual);
	put32(p + 32, q->urb.type == SIM_CONTROL ? 0 : NO_PACKETS);
	if (q->in && q->urb.actual)
		memcpy(extend(&l->out, q->urb.actual), q->data, q->urb.actual);
}

/* A request that was unlinked in time has no RET_SUBMIT. One that came to its end before has, and the unlinking
 * is told that it came too late. */
static void complete(struct request *q)
{
	struct usbip_link *l = q->link;
	struct request **p;
	bool unlinked = q->unlinking && q->urb.status == SIM_CANCELLED;

	if (l) {
		for (p = &l->requests; *p != q; p = &(*p)->next)
			;
		*p = q->next;
		if (!unlinked && !q->silent)
			ret_submit(l, q);
		if (q->unlinking)
			put_header(l, RET_UNLINK, q->unlink_seqnum, unlinked ? USBIP_ECONNRESET : 0);
	}
	free(q);
}

uint64_t usbip_bus_run(struct usbip_bus *b, uint64_t now)
{
	uint64_t next = UINT64_MAX, t;
	struct sim_urb *u;

	for (unsigned i = 0; i < b->n; i++) {
		while ((u = sim_dev_reap(b->exports[i].dev, now)))
			complete(u->user);
		t = sim_dev_next(b->exports[i].dev);
		next = t < next ? t : next;
	}
	return next;
}

static enum sim_urb_type type_of(const struct sim_dev *dev, unsigned endpoint)
{
	size_t len;
	const uint8_t *d = sim_dev_descriptors(dev, &len);

	if (!(endpoint & 0x0F))
		return SIM_CONTROL;
	for (size_t i = 18; i + 2 <= len && d[i] >= 2 && i + d[i] <= len; i += d[i])
		if (d[i + 1] == 5 && d[i] >= 7 && d[i + 2] == endpoint)
			return (d[i + 3] & 3) == 3 ? SIM_INTERRUPT : SIM_BULK;
	return SIM_BULK;
}

static struct request *link_add(struct usbip_link *l, unsigned endpoint, size_t len)
{
	struct request *q = calloc(1, sizeof *q + len + 1);

	if (!q)
		abort();
	q->link = l;
	q->next = l->requests;
	l->requests = q;
	q->urb.type = type_of(l->export->dev, endpoint);
	q->urb.endpoint = q->urb.type == SIM_CONTROL ? 0 : (uint8_t)endpoint;
	q->urb.buf = q->data;
	q->urb.len = len;
	q->urb.user = q;
	return q;
}

static bool is_set_configuration(const struct sim_urb *u)
{
	return u->type == SIM_CONTROL && u->setup[0] == 0x00 && u->setup[1] == 9;
}

/* h: a whole CMD_SUBMIT with what follows it */
static void submit(struct usbip_link *l, const uint8_t *h, uint64_t now)
{
	bool in = get32(h + 12) != 0;
	unsigned endpoint = (get32(h + 16) & 0x0F) | (in ? 0x80u : 0u);
	uint32_t len = get32(h + 24);
	struct sim_dev *dev = l->export->dev;
	struct request *q = link_add(l, endpoint, len);

	q->seqnum = get32(h + 4);
	q->flags = get32(h + 20);
	q->in = in;
	memcpy(q->urb.setup, h + 40, sizeof q->urb.setup);
	if (!in)
		memcpy(q->data, h + HEADER_SIZE, len);
	/* A reset of the bus does not come over the wire: vhci-hcd keeps it to itself. What follows it does:
	 * the device is configured again (USB 2.0 §9.1.1). */
	if (is_set_configuration(&q->urb))
		sim_dev_reset(dev, now);
	sim_dev_submit(dev, &q->urb, now);
	/* The empty packet that ends a transfer of whole packets (USB 2.0 §5.8.3). A device that needs none takes no
	 * notice of it. */
	if (!in && q->urb.type == SIM_BULK && q->flags & ZERO_PACKET && len) {
		q = link_add(l, endpoint, 0);
		q->silent = true;
		sim_dev_submit(dev, &q->urb, now);
	}
}

static void unlink_request(struct usbip_link *l, const uint8_t *h, uint64_t now)
{
	uint32_t seqnum = get32(h + 20);

	for (struct request *q = l->requests; q; q = q->next) {
		if (q->silent || q->seqnum != seqnum)
			continue;
		q->unlinking = true;
		q->unlink_seqnum = get32(h + 4);
		sim_dev_discard(l->export->dev, &q->urb, now);
		return;
	}
	put_header(l, RET_UNLINK, get32(h + 4), 0);
}

/* --- received messages --- */

/* Takes one message. Returns its length, 0: not whole yet, -1: not a message. */
static long take_op(struct usbip_link *l, const uint8_t *p, size_t len, uint64_t now)
{
	if (len < OP_SIZE)
		return 0;
	if (get16(p) != PROTOCOL_VERSION)
		return -1;
	switch (get16(p + 2)) {
	case OP_REQ_DEVLIST:
		list(l);
		return OP_SIZE;
	case OP_REQ_IMPORT:
		if (len < OP_SIZE + BUSID_SIZE)
			return 0;
		import(l, p + OP_SIZE, now);
		return OP_SIZE + BUSID_SIZE;
	default:
		return -1;
	}
}

static bool is_submit_sane(const uint8_t *h)
{
	uint32_t packets = get32(h + 32);

	return get32(h + 24) <= MAX_TRANSFER && (packets == 0 || packets == NO_PACKETS) && get32(h + 16) < 16;
}

static long take_command(struct usbip_link *l, const uint8_t *p, size_t len, uint64_t now)
{
	size_t whole = HEADER_SIZE;

	if (len < HEADER_SIZE)
		return 0;
	switch (get32(p)) {
	case CMD_SUBMIT:
		if (!is_submit_sane(p))
			return -1;
		if (!get32(p + 12))
			whole += get32(p + 24);
		if (len < whole)
			return 0;
		submit(l, p, now);
		break;
	case CMD_UNLINK:
		unlink_request(l, p, now);
		break;
	default:
		return -1;
	}
	/* Also between two commands: an unlinking must find what is still under way, and nothing else. */
	usbip_bus_run(l->bus, now);
	return (long)whole;
}

bool usbip_link_receive(struct usbip_link *l, const uint8_t *bytes, size_t n, uint64_t now)
{
	const uint8_t *p;
	size_t len;
	long took;

	memcpy(extend(&l->in, n), bytes, n);
	while (!l->ends) {
		p = l->in.p + l->in.off;
		len = l->in.len - l->in.off;
		took = l->urbs ? take_command(l, p, len, now) : take_op(l, p, len, now);
		if (took <= 0)
			return !took;
		l->in.off += (size_t)took;
	}
	/* The client does not listen any more. */
	l->in.off = l->in.len = 0;
	return true;
}

/* --- the end --- */

void usbip_bus_gone(struct usbip_bus *b, struct usbip_export *e, uint64_t now)
{
	struct usbip_link *l = e->user;

	e->plugged = false;
	usbip_bus_run(b, now);
	e->user = NULL;
	if (l) {
		l->export = NULL;
		l->ends = true;
	}
}

void usbip_link_free(struct usbip_link *l, uint64_t now)
{
	struct request *next;

	for (struct request *q = l->requests; q; q = next) {
		next = q->next;
		/* comes out of the device at the next run, and is freed then */
		q->link = NULL;
		if (l->export)
			sim_dev_discard(l->export->dev, &q->urb, now);
	}
	if (l->export)
		l->export->user = NULL;
	usbip_bus_run(l->bus, now);
	free(l->in.p);
	free(l->out.p);
	free(l);
}
