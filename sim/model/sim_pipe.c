/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The endpoints: packets of bulk OUT become CCID messages, CCID messages become packets of bulk IN,
 * slot changes become interrupt packets. USB 2.0 §5.8.3: a transfer ends when it is full or
 * with a packet shorter than wMaxPacketSize. */
#include "sim/model/sim_dev_priv.h"

#include <stdlib.h>
#include <string.h>

void sim_pipe_init(struct sim_pipe *p)
{
	p->head = NULL;
	p->tail = &p->head;
}

static void pipe_add(struct sim_pipe *p, struct sim_urb *u)
{
	u->next = NULL;
	*p->tail = u;
	p->tail = &u->next;
}

bool sim_pipe_take(struct sim_pipe *p, struct sim_urb *u)
{
	struct sim_urb **q = &p->head;

	while (*q && *q != u)
		q = &(*q)->next;
	if (!*q)
		return false;
	*q = u->next;
	if (!*q)
		p->tail = q;
	return true;
}

void sim_msg_free(struct sim_msg *m)
{
	if (!m)
		return;
	free(m->data);
	free(m);
}

static uint64_t bus_time(const struct sim_iface *f, size_t len)
{
	uint64_t packets = len / f->conf->packet + 1;

	return packets * f->d->conf.packet_ns;
}

/* --- bulk OUT --- */

static void fire_out(struct sim_dev *d, struct sim_event *e)
{
	struct sim_iface *f = e->f;
	struct sim_urb *u = e->urb;
	bool end = u->len % f->conf->packet != 0 || u->len == 0;
	size_t n = u->len;

	if (n > SIM_ROOM + SIM_HEADER - f->out_len) {
		sim_complain(d, "bulk: message of more than %u bytes", SIM_ROOM);
		n = SIM_ROOM + SIM_HEADER - f->out_len;
		end = true;
	}
	memcpy(f->out_buf + f->out_len, u->buf, n);
	f->out_len += n;
	u->actual = u->len;
	sim_complete(d, u, SIM_OK);
	if (f->out_len >= SIM_HEADER && f->out_len - SIM_HEADER >= sim_get32(f->out_buf + 1))
		end = true;
	if (end && f->out_len) {
		size_t len = f->out_len;

		f->out_len = 0;
		sim_ccid_message(f, f->out_buf, len);
	}
}

void sim_bulk_out(struct sim_iface *f, struct sim_urb *u)
{
	struct sim_dev *d = f->d;
	struct sim_event *e;
	uint64_t start = f->out_free_at > d->now ? f->out_free_at : d->now;

	enum sim_status out = sim_player_out(f, u);

	if (out == SIM_STALL || sim_fault_hits(d, "out-stall", f, -1))
		f->out_halted = true;
	if (f->out_halted) {
		sim_complete(d, u, SIM_STALL);
		return;
	}
	if (out == SIM_IO || sim_fault_hits(d, "out-error", f, -1)) {
		sim_complete(d, u, SIM_IO);
		return;
	}
	if (out == SIM_CANCELLED || sim_fault_hits(d, "out-nak", f, -1)) {
		/* never taken: it waits until it is discarded */
		e = sim_at(d, UINT64_MAX, fire_out);
	} else {
		f->out_free_at = start + bus_time(f, u->len);
		e = sim_at(d, f->out_free_at, fire_out);
	}
	e->f = f;
	e->urb = u;
}

/* --- bulk IN --- */

void sim_queue(struct sim_iface *f, struct sim_msg *m)
{
	m->next = NULL;
	*f->queue_tail = m;
	f->queue_tail = &m->next;
	sim_pump_in(f);
}

static void msg_gone_out(struct sim_iface *f)
{
	struct sim_msg *m = f->queue;
	struct sim_slot *s = m->slot < f->n_slots ? &f->slot[m->slot] : NULL;

	f->queue = m->next;
	if (!f->queue)
		f->queue_tail = &f->queue;
	if (m->final && s && s->busy) {
		s->busy = false;
		if (f->in_flight)
			f->in_flight--;
	}
	if (s && !s->powered && m->len >= SIM_HEADER && m->data[7] & 3)
		s->loss_untold = false;
	sim_msg_free(m);
}

/* Moves packets of the first message into u. True when the transfer is over. */
static bool fill(struct sim_iface *f, struct sim_urb *u)
{
	struct sim_msg *m = f->queue;
	size_t packet = f->conf->packet;

	if (m->status != SIM_OK) {
		u->status = m->status;
		if (m->status == SIM_STALL)
			f->in.halted = true;
		msg_gone_out(f);
		return true;
	}
	for (;;) {
		size_t n = m->len - m->off < packet ? m->len - m->off : packet;
		bool last = m->off + n == m->len && (n < packet || !m->zlp);

		if (n > u->len - u->actual) {
			/* the packet does not fit: babble */
			u->status = SIM_OVERFLOW;
			msg_gone_out(f);
			return true;
		}
		if (n)
			memcpy(u->buf + u->actual, m->data + m->off, n);
		m->off += n;
		u->actual += n;
		u->status = SIM_OK;
		if (last)
			msg_gone_out(f);
		if (n < packet || u->actual == u->len)
			return true;
		if (last)
			return false;
	}
}

void sim_pump_in(struct sim_iface *f)
{
	struct sim_dev *d = f->d;

	while (f->in.head && f->queue && !f->in.halted) {
		struct sim_urb *u = f->in.head;
		uint64_t start = f->in.free_at > d->now ? f->in.free_at : d->now;
		size_t before = u->actual;

		if (!fill(f, u))
			continue;
		sim_pipe_take(&f->in, u);
		f->in.free_at = start + bus_time(f, u->actual - before);
		sim_complete_at(d, u, u->status, f->in.free_at);
	}
}

void sim_bulk_in(struct sim_iface *f, struct sim_urb *u)
{
	if (f->in.halted) {
		sim_complete(f->d, u, SIM_STALL);
		return;
	}
	pipe_add(&f->in, u);
	sim_pump_in(f);
}

/* --- interrupt IN --- */

static bool any_changed(const struct sim_iface *f)
{
	for (unsigned i = 0; i < f->n_slots; i++) {
		if (f->slot[i].changed)
			return true;
	}
	return false;
}

/* RDR_to_PC_NotifySlotChange (CCID 1.10 §6.3.1) */
static size_t slot_changes(struct sim_iface *f, uint8_t *out)
{
	size_t len = 1 + (2u * f->n_slots + 7) / 8;

	memset(out, 0, len);
	out[0] = 0x50;
	for (unsigned i = 0; i < f->n_slots; i++) {
		struct sim_slot *s = &f->slot[i];
		unsigned bits = (s->card ? 1u : 0u) | (s->changed ? 2u : 0u);

		out[1 + i / 4] |= (uint8_t)(bits << (2 * (i % 4)));
		s->changed = false;
	}
	return len;
}

static void intr_deliver(struct sim_iface *f, const uint8_t *p, size_t len, int status,
			 uint64_t delay)
{
	struct sim_urb *u = f->intr.head;

	sim_pipe_take(&f->intr, u);
	if (len > u->len) {
		len = u->len;
		status = SIM_OVERFLOW;
	}
	memcpy(u->buf, p, len);
	u->actual = len;
	sim_player_sent(f, true, p, len);
	sim_trace_text(f->d, "int if %u: %02X%02X%s", f->index, len ? p[0] : 0, len > 1 ? p[1] : 0,
		       len > 2 ? "..." : "");
	sim_complete_at(f->d, u, status, f->d->now + delay);
}

void sim_pump_intr(struct sim_iface *f)
{
	uint8_t msg[1 + SIM_MAX_SLOTS / 4];
	struct sim_msg *m;
	size_t len;

	while (f->intr.head && !f->intr.halted) {
		if ((m = sim_take_notice(f)) != NULL) {
			f->intr.halted = m->status == SIM_STALL;
			intr_deliver(f, m->data, m->len, m->status, 0);
			sim_msg_free(m);
		} else if (f->intr_raw_set) {
			f->intr_raw_set = false;
			intr_deliver(f, f->intr_raw, f->intr_raw_len, f->intr_raw_status, 0);
		} else if ((any_changed(f) && !sim_player_alone(f->d)) || f->intr_flood_ns) {
			len = slot_changes(f, msg);
			intr_deliver(f, msg, len, SIM_OK, f->intr_flood_ns);
		} else {
			return;
		}
	}
}

void sim_intr_in(struct sim_iface *f, struct sim_urb *u)
{
	if (f->intr.halted) {
		sim_complete(f->d, u, SIM_STALL);
		return;
	}
	pipe_add(&f->intr, u);
	sim_pump_intr(f);
}

/* --- both --- */

void sim_withdraw(struct sim_iface *f, unsigned slot)
{
	struct sim_event **e = &f->d->events;
	struct sim_msg **m = &f->queue;

	while (*e) {
		struct sim_event *x = *e;

		if (x->f != f || x->slot != slot || x->urb || (x->msg && x->msg->stale)) {
			e = &x->next;
			continue;
		}
		*e = x->next;
		sim_msg_free(x->msg);
		free(x);
	}
	while (*m) {
		struct sim_msg *x = *m;

		if (x->slot != slot || x->stale || x->off) {
			m = &x->next;
			continue;
		}
		*m = x->next;
		sim_msg_free(x);
	}
	f->queue_tail = m;
}

void sim_halt(struct sim_dev *d, uint8_t endpoint, bool halted)
{
	for (unsigned i = 0; i < d->conf.n_ifaces; i++) {
		struct sim_iface *f = &d->iface[i];

		if (endpoint == f->ep_out) {
			f->out_halted = halted;
			f->out_len = 0;
		} else if (endpoint == f->ep_in) {
			f->in.halted = halted;
			sim_pump_in(f);
		} else if (endpoint == f->ep_intr) {
			f->intr.halted = halted;
			sim_pump_intr(f);
		}
	}
}
