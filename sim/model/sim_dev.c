/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The simulated reader as a USB device: life, timeline, and the way of a transfer to its endpoint. */
#include "sim/model/sim_dev_priv.h"

#include <stdlib.h>
#include <string.h>

void *sim_alloc(size_t n)
{
	void *p = calloc(1, n ? n : 1);

	if (!p)
		abort();
	return p;
}

void *sim_dup(const void *p, size_t n)
{
	void *q = sim_alloc(n);

	if (n)
		memcpy(q, p, n);
	return q;
}

/* --- the timeline --- */

struct sim_event *sim_at(struct sim_dev *d, uint64_t at,
			 void (*fire)(struct sim_dev *, struct sim_event *))
{
	struct sim_event *e = sim_alloc(sizeof *e);
	struct sim_event **p = &d->events;

	e->at = at;
	e->fire = fire;
	while (*p && (*p)->at <= at)
		p = &(*p)->next;
	e->next = *p;
	*p = e;
	return e;
}

static void advance(struct sim_dev *d, uint64_t now)
{
	while (d->events && d->events->at <= now) {
		struct sim_event *e = d->events;

		d->events = e->next;
		if (e->at > d->now)
			d->now = e->at;
		e->fire(d, e);
		free(e);
	}
	if (now > d->now)
		d->now = now;
}

uint64_t sim_dev_next(const struct sim_dev *d)
{
	if (d->done)
		return 0;
	return d->events ? d->events->at : UINT64_MAX;
}

void sim_complete(struct sim_dev *d, struct sim_urb *u, int status)
{
	u->status = status;
	u->next = NULL;
	*d->done_tail = u;
	d->done_tail = &u->next;
	if (status == SIM_GONE && !d->gone_told)
		d->gone_told = d->now ? d->now : 1;
}

static void fire_complete(struct sim_dev *d, struct sim_event *e)
{
	sim_complete(d, e->urb, e->urb->status);
}

void sim_complete_at(struct sim_dev *d, struct sim_urb *u, int status, uint64_t at)
{
	if (at <= d->now) {
		sim_complete(d, u, status);
		return;
	}
	u->status = status;
	sim_at(d, at, fire_complete)->urb = u;
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

/* --- transfers --- */

static void submit_to_iface(struct sim_iface *f, struct sim_urb *u)
{
	if (u->endpoint == f->ep_out)
		sim_bulk_out(f, u);
	else if (u->endpoint == f->ep_in)
		sim_bulk_in(f, u);
	else
		sim_intr_in(f, u);
}

void sim_dev_submit(struct sim_dev *d, struct sim_urb *u, uint64_t now)
{
	advance(d, now);
	u->actual = 0;
	u->next = NULL;
	if (!d->plugged) {
		/* the host has 100 ms to take notice */
		if (d->gone_told && d->now > d->gone_told + 100 * SIM_MS && u->type != SIM_CONTROL)
			sim_complain(d, "usb: transfer after removal (endpoint %02x)", u->endpoint);
		sim_complete(d, u, SIM_GONE);
		return;
	}
	if (u->type == SIM_CONTROL) {
		sim_control(d, u);
		return;
	}
	for (unsigned i = 0; i < d->conf.n_ifaces; i++) {
		struct sim_iface *f = &d->iface[i];

		if (u->endpoint && (u->endpoint == f->ep_out || u->endpoint == f->ep_in ||
				    u->endpoint == f->ep_intr)) {
			submit_to_iface(f, u);
			return;
		}
	}
	sim_complain(d, "usb: transfer to endpoint %02x that does not exist", u->endpoint);
	sim_complete(d, u, SIM_STALL);
}

/* A program that ends has all of its transfers discarded. The next one cannot know which slots are still at work
 * for it. */
static void note_desertion(struct sim_iface *f)
{
	if (f->in.head || f->intr.head)
		return;
	for (unsigned i = 0; i < f->n_slots; i++)
		f->slot[i].deserted = f->slot[i].busy;
}

bool sim_any_deserted(const struct sim_iface *f)
{
	for (unsigned i = 0; i < f->n_slots; i++)
		if (f->slot[i].busy && f->slot[i].deserted)
			return true;
	return false;
}

bool sim_dev_discard(struct sim_dev *d, struct sim_urb *u, uint64_t now)
{
	advance(d, now);
	for (unsigned i = 0; i < d->conf.n_ifaces; i++) {
		struct sim_iface *f = &d->iface[i];

		if (sim_pipe_take(&f->in, u) || sim_pipe_take(&f->intr, u)) {
			note_desertion(f);
			sim_complete(d, u, SIM_CANCELLED);
			return true;
		}
	}
	/* on its way: what has crossed the bus cannot be called back, the rest can */
	for (struct sim_event **p = &d->events; *p; p = &(*p)->next) {
		struct sim_event *e = *p;

		if (e->urb != u)
			continue;
		*p = e->next;
		free(e);
		sim_complete(d, u, u->type == SIM_INTERRUPT || (u->endpoint & 0x80 && u->actual) ?
			     u->status : SIM_CANCELLED);
		return true;
	}
	return false;
}

/* --- life --- */

struct sim_iface *sim_iface_by_number(struct sim_dev *d, unsigned number)
{
	for (unsigned i = 0; i < d->conf.n_ifaces; i++) {
		if (d->conf.iface[i].number == number)
			return &d->iface[i];
	}
	return NULL;
}

void sim_slots_init(struct sim_iface *f)
{
	static const uint8_t defaults[5] = { 0x11, 0x00, 0x00, 0x0A, 0x00 };

	for (unsigned i = 0; i < f->n_slots; i++) {
		struct sim_slot *s = &f->slot[i];
		struct sim_card *card = s->card;
		char *foreign = s->foreign;

		free(s->in);
		free(s->out);
		free(s->held);
		memset(s, 0, sizeof *s);
		s->card = card;
		s->foreign = foreign;
		s->changed = card != NULL;
		memcpy(s->params, defaults, sizeof defaults);
		if (card)
			sim_card_power_off(card);
	}
}

/* Endpoint numbers: OUT 1.., IN 0x81, 0x83.., interrupt 0x82, 0x84.. */
static void iface_init(struct sim_dev *d, unsigned i)
{
	struct sim_iface *f = &d->iface[i];
	const struct sim_iface_conf *c = &d->conf.iface[i];

	f->d = d;
	f->index = i;
	f->conf = &d->conf.iface[i];
	f->n_slots = c->bMaxSlotIndex + 1u;
	f->slot = sim_alloc(SIM_MAX_SLOTS * sizeof *f->slot);
	f->queue_tail = &f->queue;
	f->out_buf = sim_alloc(SIM_ROOM + SIM_HEADER);
	sim_pipe_init(&f->in);
	sim_pipe_init(&f->intr);
	if (c->protocol == SIM_CCID && c->endpoints >= 2) {
		f->ep_out = (uint8_t)(0x01 + i);
		f->ep_in = (uint8_t)(0x81 + 2 * i);
	}
	if ((c->protocol == SIM_CCID && c->endpoints >= 3) ||
	    (c->protocol != SIM_CCID && c->endpoints))
		f->ep_intr = (uint8_t)(0x82 + 2 * i);
	sim_slots_init(f);
}

struct sim_dev *sim_dev_new(const struct sim_dev_conf *c)
{
	struct sim_dev *d = sim_alloc(sizeof *d);

	d->conf = *c;
	d->plugged = true;
	d->configuration = 1;
	d->done_tail = &d->done;
	d->scratch = sim_alloc(SIM_ROOM);
	d->scratch2 = sim_alloc(SIM_ROOM);
	for (unsigned i = 0; i < c->n_ifaces; i++)
		iface_init(d, i);
	sim_desc_build(d);
	return d;
}

/* Drops all pending events of the device; transfers end with status. */
static void forget(struct sim_dev *d, int status)
{
	while (d->events) {
		struct sim_event *e = d->events;

		d->events = e->next;
		if (e->urb)
			sim_complete(d, e->urb, status);
		sim_msg_free(e->msg);
		free(e);
	}
	for (unsigned i = 0; i < d->conf.n_ifaces; i++) {
		struct sim_iface *f = &d->iface[i];
		struct sim_urb *u;

		while ((u = f->in.head) && sim_pipe_take(&f->in, u))
			sim_complete(d, u, status);
		while ((u = f->intr.head) && sim_pipe_take(&f->intr, u))
			sim_complete(d, u, status);
		while (f->queue) {
			struct sim_msg *m = f->queue;

			f->queue = m->next;
			sim_msg_free(m);
		}
		f->queue_tail = &f->queue;
		for (struct sim_msg *m; (m = sim_take_notice(f)) != NULL;)
			sim_msg_free(m);
		f->out_len = 0;
		f->in_flight = 0;
		f->seq_known = false;
		f->in.halted = f->intr.halted = f->out_halted = false;
		f->in.free_at = f->intr.free_at = f->out_free_at = 0;
		sim_pin_end(f);
		free(f->iccd.answer);
		memset(&f->iccd, 0, sizeof f->iccd);
		sim_slots_init(f);
	}
}

void sim_slots_free(struct sim_iface *f)
{
	for (unsigned i = 0; i < SIM_MAX_SLOTS; i++) {
		struct sim_slot *s = &f->slot[i];

		if (s->card)
			sim_card_free(s->card);
		free(s->foreign);
		free(s->in);
		free(s->out);
		free(s->held);
	}
	free(f->slot);
}

void sim_dev_free(struct sim_dev *d)
{
	if (!d)
		return;
	forget(d, SIM_GONE);
	sim_player_free(d);
	sim_faults_clear(d);
	for (unsigned i = 0; i < d->conf.n_ifaces; i++) {
		sim_slots_free(&d->iface[i]);
		free(d->iface[i].out_buf);
	}
	for (unsigned i = 0; i < d->kept_complaints; i++)
		free(d->complaints[i]);
	free(d->complaints);
	free(d->descriptors);
	free(d->scratch);
	free(d->scratch2);
	sim_conf_free(&d->conf);
	free(d);
}

void sim_dev_unplug(struct sim_dev *d, uint64_t now)
{
	advance(d, now);
	if (!d->plugged)
		return;
	d->plugged = false;
	d->gone_told = 0;
	forget(d, SIM_GONE);
	sim_trace_text(d, "unplugged");
}

void sim_dev_plug(struct sim_dev *d, uint64_t now)
{
	advance(d, now);
	if (d->plugged)
		return;
	d->plugged = true;
	d->gone_told = 0;
	sim_trace_text(d, "plugged");
	sim_player_plugged(d);
}

void sim_dev_reset(struct sim_dev *d, uint64_t now)
{
	advance(d, now);
	if (!d->plugged)
		return;
	forget(d, SIM_GONE);
	d->gone_told = 0;
	for (unsigned i = 0; i < d->conf.n_ifaces; i++)
		for (unsigned k = 0; k < d->iface[i].n_slots; k++)
			d->iface[i].slot[k].loss_untold = true;
	sim_trace_text(d, "reset");
	sim_player_plugged(d);
}

bool sim_dev_is_plugged(const struct sim_dev *d)
{
	return d->plugged;
}

/* --- cards --- */

static struct sim_slot *find_slot(struct sim_dev *d, unsigned interface, unsigned slot)
{
	if (interface >= d->conf.n_ifaces || slot >= d->iface[interface].n_slots)
		return NULL;
	return &d->iface[interface].slot[slot];
}

bool sim_dev_insert(struct sim_dev *d, unsigned interface, unsigned slot, const char *card_spec,
		    uint64_t now, char *err, size_t err_cap)
{
	struct sim_slot *s = find_slot(d, interface, slot);
	struct sim_card *card;
	int invited;

	advance(d, now);
	if (!s || s->card) {
		snprintf(err, err_cap, s ? "slot %u has a card already" : "no slot %u", slot);
		return false;
	}
	invited = sim_foreign_invite(d, s, card_spec, err, err_cap);
	if (invited)
		return invited > 0;
	card = sim_card_new(card_spec, err, err_cap);
	if (!card)
		return false;
	s->card = card;
	s->changed = true;
	sim_trace_text(d, "card inserted in interface %u slot %u", interface, slot);
	sim_pump_intr(&d->iface[interface]);
	return true;
}

void sim_card_drop(struct sim_iface *f, struct sim_slot *s)
{
	sim_keep_card_complaints(f->d, s->card);
	sim_card_free(s->card);
	s->card = NULL;
	sim_slot_off(f, s);
	s->changed = true;
	s->loss_untold = true;
}

bool sim_dev_remove(struct sim_dev *d, unsigned interface, unsigned slot, uint64_t now)
{
	struct sim_slot *s = find_slot(d, interface, slot);
	struct sim_iface *f = &d->iface[interface];
	struct sim_cmd c = { 0 };

	advance(d, now);
	if (s && sim_foreign_dismiss(d, s) && !s->card)
		return true;
	if (!s || !s->card)
		return false;
	sim_card_drop(f, s);
	sim_trace_text(d, "card removed from interface %u slot %u", interface, slot);
	if (s->busy && !sim_fault_hits(d, "silent-removal", f, (int)slot)) {
		/* the exchange that ran ends now, without its card */
		if (f->pin.active && f->pin.cmd.slot == slot)
			sim_pin_end(f);
		sim_withdraw(f, slot);
		c.type = s->busy_type;
		c.slot = (uint8_t)slot;
		c.seq = s->busy_seq;
		sim_answer(f, &c, 1, ERR_MUTE, 0, NULL, 0, 0);
	} else if (s->busy) {
		sim_withdraw(f, slot);
	}
	sim_pump_intr(f);
	return true;
}

/* --- questions from outside --- */

const char *sim_dev_name(const struct sim_dev *d)
{
	return d->conf.name;
}

uint16_t sim_dev_vendor(const struct sim_dev *d)
{
	return d->conf.vendor;
}

uint16_t sim_dev_product(const struct sim_dev *d)
{
	return d->conf.product;
}

unsigned sim_dev_interfaces(const struct sim_dev *d)
{
	return d->conf.n_ifaces;
}

unsigned sim_dev_interface_number(const struct sim_dev *d, unsigned interface)
{
	return interface < d->conf.n_ifaces ? d->conf.iface[interface].number : 0;
}

unsigned sim_dev_slots(const struct sim_dev *d, unsigned interface)
{
	return interface < d->conf.n_ifaces ? d->iface[interface].n_slots : 0;
}

bool sim_dev_has_card(const struct sim_dev *d, unsigned interface, unsigned slot)
{
	return interface < d->conf.n_ifaces && slot < d->iface[interface].n_slots &&
	       d->iface[interface].slot[slot].card != NULL;
}

unsigned sim_dev_card_ran(const struct sim_dev *d, unsigned interface, unsigned slot, uint8_t ins)
{
	return sim_dev_has_card(d, interface, slot) ? sim_card_ran(d->iface[interface].slot[slot].card, ins) : 0;
}

unsigned sim_dev_max_in_flight(const struct sim_dev *d, unsigned interface)
{
	return interface < d->conf.n_ifaces ? d->iface[interface].max_in_flight : 0;
}
