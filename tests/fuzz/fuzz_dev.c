/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fuzz/fuzz_dev_priv.h"

#include <stdlib.h>
#include <string.h>

#define SAID_MAX 400000

static const uint8_t atr_t0[] = { 0x3B, 0x02, 0x14, 0x50 };
static const uint8_t atr_t1[] = { 0x3B, 0x81, 0x01, 0x77, 0xF7 };

const uint8_t *fuzz_dev_atr(const struct sim_dev *d, size_t *n)
{
	*n = d->conf.t1 ? sizeof atr_t1 : sizeof atr_t0;
	return d->conf.t1 ? atr_t1 : atr_t0;
}

void dev_say(struct sim_dev *d, const uint8_t *p, size_t n)
{
	if (d->said_len + n <= SAID_MAX && n > 0) {
		memcpy(d->said + d->said_len, p, n);
		d->said_len += n;
	}
}

const uint8_t *fuzz_dev_said(const struct sim_dev *d, size_t *n)
{
	*n = d->said_len;
	return d->said_len > SAID_MAX - DEV_MESSAGE_MAX ? NULL : d->said;
}

void fuzz_dev_unsaid(struct sim_dev *d)
{
	d->said_len = 0;
}

/* --- pipes --- */

void dev_complete(struct sim_dev *d, struct sim_urb *u, int status)
{
	u->status = status;
	u->next = NULL;
	*d->done_tail = u;
	d->done_tail = &u->next;
}

void dev_send(struct sim_dev *d, struct dev_pipe *p, const uint8_t *data, size_t len, int status)
{
	struct dev_frame *f = calloc(1, sizeof *f + len);

	if (!f)
		abort();
	f->at = d->at > d->now ? d->at : d->now;
	f->status = status;
	f->len = len;
	if (len)
		memcpy(f->data, data, len);
	*p->frames_tail = f;
	p->frames_tail = &f->next;
}

static void drop_first(struct dev_pipe *p)
{
	struct dev_frame *f = p->frames;

	p->frames = f->next;
	if (!p->frames)
		p->frames_tail = &p->frames;
	free(f);
}

void dev_drop_frames(struct dev_pipe *p)
{
	while (p->frames)
		drop_first(p);
}

/* Moves frames that are due into waiting transfers. The rest of a frame that does not fit stays for
 * the next transfer, unless a packet would be torn: that is an overflow. */
static void pump(struct sim_dev *d, struct dev_pipe *p)
{
	while (p->waiting && p->frames && p->frames->at <= d->now) {
		struct sim_urb *u = p->waiting;
		struct dev_frame *f = p->frames;
		size_t left = f->len - f->off, n = left < u->len ? left : u->len;
		int status = f->status;

		p->waiting = u->next;
		if (!p->waiting)
			p->waiting_tail = &p->waiting;
		if (n < left && n % p->packet != 0)
			status = SIM_OVERFLOW;
		if (n)
			memcpy(u->buf, f->data + f->off, n);
		u->actual = n;
		dev_say(d, f->data + f->off, n);
		f->off += n;
		if (f->off == f->len || status != SIM_OK)
			drop_first(p);
		dev_complete(d, u, status);
	}
}

static void pipe_init(struct dev_pipe *p, size_t packet)
{
	p->waiting_tail = &p->waiting;
	p->frames_tail = &p->frames;
	p->packet = packet ? packet : 64;
}

static bool take_waiting(struct dev_pipe *p, struct sim_urb *u)
{
	struct sim_urb **q = &p->waiting;

	while (*q && *q != u)
		q = &(*q)->next;
	if (!*q)
		return false;
	*q = u->next;
	if (!*q)
		p->waiting_tail = q;
	return true;
}

static void wait_on(struct dev_pipe *p, struct sim_urb *u)
{
	u->next = NULL;
	*p->waiting_tail = u;
	p->waiting_tail = &u->next;
}

/* --- OUT --- */

static void bulk_out(struct sim_dev *d, struct sim_urb *u)
{
	int status = d->out_status;
	size_t len = u->len;

	d->out_status = SIM_OK;
	if (status == 1 && !d->stuck) {
		d->stuck = u;
		return;
	}
	if (status != SIM_OK && status != 1) {
		dev_complete(d, u, status);
		return;
	}
	if (d->out_len + len > sizeof d->out)
		d->out_len = 0;
	if (len <= sizeof d->out) {
		memcpy(d->out + d->out_len, u->buf, len);
		d->out_len += len;
	}
	u->actual = len;
	dev_complete(d, u, SIM_OK);
	if (d->out_len >= 10) {
		size_t whole = 10 + (d->out[1] | (size_t)d->out[2] << 8 | (size_t)d->out[3] << 16);

		if (d->out_len < whole)
			return;
		d->endless = 0;
		dev_command(d, d->out, whole);
	}
	d->out_len = 0;
}

/* --- functions for the stand-in for libusb --- */

static void advance(struct sim_dev *d, uint64_t now)
{
	if (now > d->now)
		d->now = now;
	if (d->slow && d->slow_at <= d->now) {
		dev_complete(d, d->slow, d->slow->status);
		d->slow = NULL;
	}
	if (d->endless && !d->in.frames)
		dev_endless(d);
	pump(d, &d->in);
	pump(d, &d->intr);
}

void sim_dev_submit(struct sim_dev *d, struct sim_urb *u, uint64_t now)
{
	advance(d, now);
	u->actual = 0;
	u->next = NULL;
	if (!d->plugged)
		dev_complete(d, u, SIM_GONE);
	else if (u->type == SIM_CONTROL)
		dev_control(d, u);
	else if (!(u->endpoint & 0x80))
		bulk_out(d, u);
	else
		wait_on(u->type == SIM_INTERRUPT ? &d->intr : &d->in, u);
	advance(d, now);
}

bool sim_dev_discard(struct sim_dev *d, struct sim_urb *u, uint64_t now)
{
	advance(d, now);
	if (take_waiting(&d->in, u) || take_waiting(&d->intr, u)) {
		dev_complete(d, u, SIM_CANCELLED);
		return true;
	}
	if (d->slow != u && d->stuck != u)
		return false;
	if (d->slow == u)
		d->slow = NULL;
	else
		d->stuck = NULL;
	u->actual = 0;
	dev_complete(d, u, SIM_CANCELLED);
	return true;
}

uint64_t sim_dev_next(const struct sim_dev *d)
{
	uint64_t next = UINT64_MAX;

	if (d->done)
		return 0;
	if (d->in.waiting && d->in.frames)
		next = d->in.frames->at;
	if (d->intr.waiting && d->intr.frames && d->intr.frames->at < next)
		next = d->intr.frames->at;
	if (d->slow && d->slow_at < next)
		next = d->slow_at;
	return next;
}

struct sim_urb *sim_dev_reap(struct sim_dev *d, uint64_t now)
{
	struct sim_urb *u;

	advance(d, now);
	u = d->done;
	if (!u)
		return NULL;
	d->done = u->next;
	if (!d->done)
		d->done_tail = &d->done;
	u->next = NULL;
	return u;
}

void dev_unplug(struct sim_dev *d)
{
	struct sim_urb *u;

	d->plugged = false;
	while ((u = d->in.waiting) && take_waiting(&d->in, u))
		dev_complete(d, u, SIM_GONE);
	while ((u = d->intr.waiting) && take_waiting(&d->intr, u))
		dev_complete(d, u, SIM_GONE);
	if (d->slow)
		dev_complete(d, d->slow, SIM_GONE);
	if (d->stuck)
		dev_complete(d, d->stuck, SIM_GONE);
	d->slow = d->stuck = NULL;
	d->endless = 0;
	dev_drop_frames(&d->in);
	dev_drop_frames(&d->intr);
	memset(d->powered, 0, sizeof d->powered);
}

void sim_dev_unplug(struct sim_dev *d, uint64_t now)
{
	advance(d, now);
	dev_unplug(d);
}

void sim_dev_plug(struct sim_dev *d, uint64_t now)
{
	advance(d, now);
	d->plugged = true;
}

void sim_dev_reset(struct sim_dev *d, uint64_t now)
{
	advance(d, now);
	dev_unplug(d);
	d->plugged = true;
}

bool sim_dev_is_plugged(const struct sim_dev *d)
{
	return d->plugged;
}

uint16_t sim_dev_vendor(const struct sim_dev *d)
{
	return d->conf.vendor;
}

uint16_t sim_dev_product(const struct sim_dev *d)
{
	return d->conf.product;
}

const uint8_t *sim_dev_descriptors(const struct sim_dev *d, size_t *len)
{
	*len = d->raw_len;
	return d->raw;
}

/* --- life --- */

/* Queues all packets of the interrupt script, each for its own time. */
static void queue_interrupts(struct sim_dev *d)
{
	static const int errors[] = { SIM_STALL, SIM_OVERFLOW, SIM_IO, SIM_OK };
	struct fuzz_in *in = &d->conf.interrupt;

	d->at = DEV_MS * 1000;
	while (in->left > 0) {
		uint8_t delay = fuzz_u8(in), kind = fuzz_u8(in);
		size_t n = kind & 0x3F;
		const uint8_t *p = fuzz_bytes(in, &n);

		d->at += (delay & 0x80 ? (delay & 0x7F) * 1000 : delay) * DEV_MS / 10;
		dev_send(d, &d->intr, p, n, (kind & 0xC0) == 0xC0 ? errors[n & 3] : SIM_OK);
	}
	d->at = 0;
}

struct sim_dev *fuzz_dev_new(const struct fuzz_dev_conf *conf)
{
	struct sim_dev *d = calloc(1, sizeof *d);

	if (!d)
		abort();
	d->conf = *conf;
	d->mood = conf->then;
	d->plugged = true;
	d->done_tail = &d->done;
	d->said = malloc(SAID_MAX);
	pipe_init(&d->in, conf->packet);
	pipe_init(&d->intr, 8);
	dev_describe(d);
	queue_interrupts(d);
	return d;
}

void fuzz_dev_honest(struct sim_dev *d)
{
	d->mood = MOOD_HONEST;
	d->conf.bulk.left = d->conf.control.left = 0;
	d->endless = 0;
	d->at = 0;
	d->out_status = SIM_OK;
	dev_drop_frames(&d->in);
	dev_drop_frames(&d->intr);
	if (d->stuck)
		dev_complete(d, d->stuck, SIM_IO);
	d->stuck = NULL;
}

void fuzz_dev_interrupt(struct sim_dev *d, const uint8_t *p, size_t n)
{
	dev_send(d, &d->intr, p, n, SIM_OK);
}

void sim_dev_free(struct sim_dev *d)
{
	if (!d)
		return;
	dev_drop_frames(&d->in);
	dev_drop_frames(&d->intr);
	free(d->said);
	free(d);
}
