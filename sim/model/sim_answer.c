/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The CCID slot machine's RDR_to_PC messages: made, struck by faults, sent when it is time. */
#include "sim/model/sim_dev_priv.h"

#include <string.h>

/* ns. On virtual time a flood costs no time: it is bounded, so that a wait of minutes has no million of them. */
#define EXTENSION_EVERY_MIN 10000000u

static void fire_msg(struct sim_dev *d, struct sim_event *e)
{
	(void)d;
	sim_trace_msg(e->f, false, e->msg->data, e->msg->len);
	sim_player_sent(e->f, false, e->msg->data, e->msg->len);
	sim_queue(e->f, e->msg);
}

void sim_emit(struct sim_iface *f, struct sim_msg *m, uint64_t at)
{
	struct sim_event *e;

	if (at < f->d->now)
		at = f->d->now;
	e = sim_at(f->d, at, fire_msg);
	e->f = f;
	e->slot = m->slot;
	e->msg = m;
}

static struct sim_msg *new_msg(struct sim_iface *f, uint8_t type, unsigned slot, uint8_t seq,
			       const uint8_t *data, size_t len)
{
	struct sim_msg *m = sim_alloc(sizeof *m);

	m->data = sim_alloc(SIM_HEADER + len + 1);
	m->len = SIM_HEADER + len;
	m->slot = slot;
	m->data[0] = type;
	sim_put32(m->data + 1, (uint32_t)len);
	m->data[5] = (uint8_t)slot;
	m->data[6] = seq;
	if (len)
		memcpy(m->data + SIM_HEADER, data, len);
	m->zlp = !f->d->conf.no_zlp && m->len % f->conf->packet == 0;
	return m;
}

/* A time extension (bmCommandStatus 2; bError is the multiplier), and the next one. */
static void fire_extension(struct sim_dev *d, struct sim_event *e)
{
	struct sim_iface *f = e->f;
	struct sim_msg *m = new_msg(f, e->type, e->slot, e->seq, NULL, 0);
	struct sim_slot *s = e->slot < f->n_slots ? &f->slot[e->slot] : NULL;

	m->data[7] = 0x80 | (s ? sim_icc(s) : 2);
	m->data[8] = e->value;
	sim_trace_msg(f, false, m->data, m->len);
	sim_player_sent(f, false, m->data, m->len);
	sim_queue(f, m);
	if (e->left != 1 && d->now + e->every > d->now) {
		struct sim_event *n = sim_at(d, d->now + e->every, fire_extension);

		n->f = f;
		n->slot = e->slot;
		n->seq = e->seq;
		n->type = e->type;
		n->value = e->value;
		n->every = e->every;
		n->left = e->left ? e->left - 1 : 0;
	}
}

static void extend(struct sim_iface *f, const struct sim_cmd *c, uint8_t type, uint64_t every,
		   unsigned times, uint8_t multiplier)
{
	struct sim_event *e;

	if (every < EXTENSION_EVERY_MIN)
		every = EXTENSION_EVERY_MIN;
	e = sim_at(f->d, f->d->now + every, fire_extension);
	e->f = f;
	e->slot = c->slot;
	e->seq = c->seq;
	e->type = type;
	e->value = multiplier;
	e->every = every;
	e->left = times;
}

static uint8_t answer_type(uint8_t command)
{
	switch (command) {
	case PC_POWER_ON:
	case PC_XFR_BLOCK:
	case PC_SECURE:
		return RDR_DATA;
	case PC_GET_PARAMETERS:
	case PC_RESET_PARAMETERS:
	case PC_SET_PARAMETERS:
		return RDR_PARAMETERS;
	case PC_ESCAPE:
		return RDR_ESCAPE;
	case PC_SET_RATE:
		return RDR_RATE;
	default:
		return RDR_STATUS;
	}
}

void sim_extend(struct sim_iface *f, unsigned slot)
{
	const struct sim_slot *s = &f->slot[slot];
	struct sim_cmd c = { .slot = (uint8_t)slot, .seq = s->busy_seq };

	if (s->busy)
		extend(f, &c, answer_type(s->busy_type), 0, 1, 1);
}

static struct sim_msg *copy_msg(const struct sim_msg *m)
{
	struct sim_msg *n = sim_dup(m, sizeof *m);

	n->data = sim_dup(m->data, m->len + 1);
	return n;
}

static void empty_packet(struct sim_iface *f, unsigned slot, uint64_t at)
{
	struct sim_msg *m = new_msg(f, 0, slot, 0, NULL, 0);

	m->len = 0;
	m->zlp = false;
	sim_emit(f, m, at);
}

/* Sends m as armed faults demand: not at all, late, twice, behind another message. */
static void send_struck(struct sim_iface *f, const struct sim_cmd *c, struct sim_msg *m,
			uint64_t at)
{
	struct sim_strike k = { 0 };

	sim_fault_answer(f, c, m, &k);
	if (k.gone) {
		sim_msg_free(m);
		sim_dev_unplug(f->d, f->d->now);
		return;
	}
	if (k.extensions || k.forever) {
		extend(f, c, m->data[0], k.every, k.forever ? 0 : k.extensions, k.multiplier);
		at += k.every * k.extensions;
	}
	at += k.delay;
	m->stale = k.stale;
	if (k.status)
		m->status = k.status;
	if (k.no_zlp)
		m->zlp = false;
	/* An answer that was cut before its bSeq cannot be repeated under another number. */
	for (unsigned i = 0; m->len > 6 && i < k.stale_before; i++) {
		struct sim_msg *old = copy_msg(m);

		old->data[6] = (uint8_t)(m->data[6] - 1 - i);
		old->final = false;
		sim_emit(f, old, at);
	}
	if (k.empty_before)
		empty_packet(f, c->slot, at);
	if (k.twice) {
		struct sim_msg *again = copy_msg(m);

		again->final = false;
		again->stale = true;
		sim_emit(f, m, at);
		sim_emit(f, again, at);
	} else if (k.drop || k.forever) {
		sim_msg_free(m);
	} else {
		sim_emit(f, m, at);
	}
}

void sim_answer(struct sim_iface *f, const struct sim_cmd *c, unsigned status, uint8_t error,
		uint8_t b9, const uint8_t *data, size_t len, uint64_t work_ns)
{
	struct sim_slot *s = c->slot < f->n_slots ? &f->slot[c->slot] : NULL;
	struct sim_msg *m;

	if (sim_attempt_undone(f, c->slot))
		return;
	m = new_msg(f, answer_type(c->type), c->slot, c->seq, data, len);
	m->data[7] = (uint8_t)(status << 6 | (s ? sim_icc(s) : 2));
	m->data[8] = error;
	m->data[9] = b9;
	/* what is refused because the slot is busy does not end what it is busy with, whatever its bSeq */
	m->final = s && s->busy && s->busy_seq == c->seq && s->busy_type == c->type;
	if (m->final && (c->type == PC_XFR_BLOCK || c->type == PC_SECURE)) {
		uint64_t wt = sim_waiting_time(f, s, c->b7);

		if (wt < EXTENSION_EVERY_MIN)
			wt = EXTENSION_EVERY_MIN;
		if (work_ns > wt)
			extend(f, c, m->data[0], wt, (unsigned)((work_ns - 1) / wt), 1);
	}
	send_struck(f, c, m, f->d->now + work_ns);
}

void sim_fail(struct sim_iface *f, const struct sim_cmd *c, uint8_t error)
{
	uint8_t b9 =
		answer_type(c->type) == RDR_PARAMETERS ? (uint8_t)f->slot[c->slot].protocol : 0;

	sim_answer(f, c, 1, error, b9, NULL, 0, 0);
}
