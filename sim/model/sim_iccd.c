/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ICCD 1.0: the same card over the control pipe, version A (character level) and version B (messages). */
#include "sim/model/sim_dev_priv.h"

#include <stdlib.h>
#include <string.h>

enum { REQ_POWER_ON = 0x62, REQ_POWER_OFF = 0x63, REQ_XFR_BLOCK = 0x65, REQ_DATA_BLOCK = 0x6F,
       REQ_SLOT_STATUS = 0x81, REQ_GET_STATUS = 0xA0 };
enum {
	STATUS_READY = 0x00,
	STATUS_DATA = 0x10,
	STATUS_SW = 0x20,
	STATUS_BUSY = 0x40,
	STATUS_MUTE = 0x80
};
enum { TYPE_DATA = 0x00, TYPE_ERROR = 0x40, TYPE_POLL = 0x80 };

#define MAX_TRANSFER 0x1000

static void iccd_end(struct sim_iface *f, struct sim_urb *u, int status)
{
	if (sim_attempt_undone(f, 0))
		return;
	sim_complete_at(f->d, u, status, f->d->now + 2 * f->d->conf.packet_ns);
}

static void give(struct sim_iface *f, struct sim_urb *u, const uint8_t *p, size_t len)
{
	size_t room = sim_get16(u->setup + 6);
	const struct sim_fault *t;

	if (u->setup[1] == REQ_DATA_BLOCK) {
		if (sim_fault_hits(f->d, "iccd-empty", f, 0))
			len = 0;
		t = sim_fault_hits(f->d, "iccd-short", f, 0);
		if (t && sim_fault_value(t, 1) < len)
			len = sim_fault_value(t, 1);
	}
	u->actual = len < room ? len : room;
	if (u->actual)
		memcpy(u->buf, p, u->actual);
	iccd_end(f, u, SIM_OK);
}

/* --- version A --- */

static void a_power_on(struct sim_iface *f, struct sim_urb *u)
{
	size_t len;

	f->iccd.state = ICCD_IDLE;
	if (sim_slot_on(f, &f->slot[0], 0, &len))
		iccd_end(f, u, SIM_STALL);
	else
		give(f, u, f->d->scratch, len);
}

/* One byte from the card, or -1. */
static int a_byte(struct sim_iface *f, const uint8_t *in, size_t in_len)
{
	uint64_t work = 0;
	size_t len = 0;

	if (sim_card_t0_chars(f->slot[0].card, in, in_len, 1, f->d->scratch, &len, &work) ||
	    len != 1)
		return -1;
	f->iccd.ready_at += work;
	return f->d->scratch[0];
}

/* Procedure bytes (ISO 7816-3:2006 §10.3.3) until data may flow or SW1 SW2 are there. */
static void a_procedure(struct sim_iface *f, const uint8_t *in, size_t in_len)
{
	struct sim_iccd *s = &f->iccd;
	unsigned waits = 0;
	int b = a_byte(f, in, in_len);

	while (b == 0x60 && ++waits < 1000)
		b = a_byte(f, NULL, 0);
	if (b == s->header[1]) {
		s->state = ICCD_DATA;
	} else if (b >= 0 && ((b & 0xF0) == 0x60 || (b & 0xF0) == 0x90)) {
		s->pending[0] = (uint8_t)b;
		b = a_byte(f, NULL, 0);
		s->pending[1] = (uint8_t)b;
		s->state = b < 0 ? ICCD_MUTE : ICCD_SW;
	} else {
		s->state = ICCD_MUTE;
	}
}

static void a_xfr_block(struct sim_iface *f, struct sim_urb *u)
{
	struct sim_iccd *s = &f->iccd;
	size_t len = sim_get16(u->setup + 6);

	if (!f->slot[0].powered) {
		sim_complain(f->d, "iccd: XfrBlock to a card without power");
		iccd_end(f, u, SIM_STALL);
		return;
	}
	s->ready_at = f->d->now;
	if (s->state == ICCD_DATA) {
		a_procedure(f, u->buf, len);
	} else if (s->state == ICCD_IDLE && len == 5) {
		memcpy(s->header, u->buf, 5);
		a_procedure(f, u->buf, 5);
	} else {
		sim_complain(f->d,
			     "iccd: XfrBlock of %zu bytes when the card expects something else",
			     len);
		iccd_end(f, u, SIM_STALL);
		return;
	}
	iccd_end(f, u, SIM_OK);
}

static void a_data_block(struct sim_iface *f, struct sim_urb *u)
{
	struct sim_iccd *s = &f->iccd;
	size_t want = s->header[4] ? s->header[4] : 256, len = 0;
	uint64_t work = 0;

	if (s->state == ICCD_SW) {
		s->state = ICCD_IDLE;
		give(f, u, s->pending, 2);
	} else if (!f->slot[0].card) {
		iccd_end(f, u, SIM_STALL);	/* the token was pulled out in between */
	} else if (s->state == ICCD_DATA && !sim_card_t0_chars(f->slot[0].card, NULL, 0, want,
							       f->d->scratch2, &len, &work)) {
		s->ready_at = f->d->now + work;
		a_procedure(f, NULL, 0);
		give(f, u, f->d->scratch2, len);
	} else {
		sim_complain(f->d, "iccd: DataBlock when there is none");
		iccd_end(f, u, SIM_STALL);
	}
}

static void a_status(struct sim_iface *f, struct sim_urb *u)
{
	static const uint8_t of_state[] = { STATUS_READY, STATUS_DATA, STATUS_SW, STATUS_MUTE };
	const struct sim_fault *t = sim_fault_hits(f->d, "iccd-status", f, 0);
	uint8_t status = of_state[f->iccd.state];

	if (!f->slot[0].card)
		status = STATUS_MUTE;
	else if (f->iccd.ready_at > f->d->now)
		status = STATUS_BUSY;
	if (t)
		status = (uint8_t)sim_fault_value(t, STATUS_BUSY);
	give(f, u, &status, 1);
}

/* --- version B --- */

static void b_answer(struct sim_iface *f, uint8_t type, const uint8_t *p, size_t len, uint64_t work)
{
	struct sim_iccd *s = &f->iccd;

	if (sim_attempt_undone(f, 0))
		return;
	free(s->answer);
	s->answer = sim_alloc(1 + len);
	s->answer[0] = type;
	if (len)
		memcpy(s->answer + 1, p, len);
	s->answer_len = 1 + len;
	s->has_answer = true;
	s->ready_at = f->d->now + work;
}

static void b_error(struct sim_iface *f, uint8_t error)
{
	uint8_t p[2] = { (uint8_t)(0x40 | sim_icc(&f->slot[0])), error };

	b_answer(f, TYPE_ERROR, p, 2, 0);
}

static void b_power_on(struct sim_iface *f, struct sim_urb *u)
{
	size_t len;

	if (sim_get16(u->setup + 2) != 1)
		sim_complain(f->d, "iccd: IccPowerOn with wValue %u", sim_get16(u->setup + 2));
	if (sim_slot_on(f, &f->slot[0], 0, &len))
		b_error(f, ERR_MUTE);
	else
		b_answer(f, TYPE_DATA, f->d->scratch, len, 5 * SIM_MS);
	iccd_end(f, u, SIM_OK);
}

static void b_xfr_block(struct sim_iface *f, struct sim_urb *u)
{
	unsigned level = u->setup[3];
	struct sim_result r;
	uint8_t error;

	if (f->iccd.has_answer)
		sim_complain(f->d, "iccd: XfrBlock before the last answer was taken");
	if (!f->slot[0].powered) {
		sim_complain(f->d, "iccd: XfrBlock to a card without power");
		b_error(f, ERR_MUTE);
	} else if (sim_exchange(f, 0, u->buf, sim_get16(u->setup + 6), level, MAX_TRANSFER - 1, &r,
				&error)) {
		b_error(f, error);
	} else {
		b_answer(f, r.chain, r.data, r.len, r.work_ns);
	}
	iccd_end(f, u, SIM_OK);
}

static void b_data_block(struct sim_iface *f, struct sim_urb *u)
{
	struct sim_iccd *s = &f->iccd;
	uint8_t poll[3] = { TYPE_POLL, 1, 0 };
	const struct sim_fault *t;

	t = sim_fault_hits(f->d, "iccd-poll", f, 0);
	if (t) {
		sim_put16(poll + 1, sim_fault_value(t, 0));
		give(f, u, poll, 3);
		return;
	}
	if (!s->has_answer) {
		sim_complain(f->d, "iccd: DataBlock when there is none");
		iccd_end(f, u, SIM_STALL);
		return;
	}
	if (s->ready_at > f->d->now) {
		uint64_t ticks = (s->ready_at - f->d->now + 10 * SIM_MS - 1) / (10 * SIM_MS);

		sim_put16(poll + 1, ticks < 0xFFFF ? (unsigned)ticks : 0xFFFF);
		give(f, u, poll, 3);
		return;
	}
	t = sim_fault_hits(f->d, "iccd-type", f, 0);
	if (t)
		s->answer[0] = (uint8_t)sim_fault_value(t, 0x55);
	s->has_answer = false;
	give(f, u, s->answer, s->answer_len);
}

static void b_slot_status(struct sim_iface *f, struct sim_urb *u)
{
	/* bStatus, bError, bClockStatus */
	uint8_t p[3] = { sim_icc(&f->slot[0]), 0, f->slot[0].powered ? 0 : 1 };

	give(f, u, p, 3);
}

/* --- both --- */

static void power_off(struct sim_iface *f, struct sim_urb *u)
{
	f->iccd.state = ICCD_IDLE;
	f->iccd.has_answer = false;
	sim_slot_off(f, &f->slot[0]);
	iccd_end(f, u, SIM_OK);
}

static const struct {
	uint8_t version, type, request;
	void (*run)(struct sim_iface *f, struct sim_urb *u);
} requests[] = {
	{ SIM_ICCD_A, 0xA1, REQ_POWER_ON, a_power_on },
	{ SIM_ICCD_A, 0x21, REQ_POWER_OFF, power_off },
	{ SIM_ICCD_A, 0x21, REQ_XFR_BLOCK, a_xfr_block },
	{ SIM_ICCD_A, 0xA1, REQ_DATA_BLOCK, a_data_block },
	{ SIM_ICCD_A, 0xA1, REQ_GET_STATUS, a_status },
	{ SIM_ICCD_B, 0x21, REQ_POWER_ON, b_power_on },
	{ SIM_ICCD_B, 0x21, REQ_POWER_OFF, power_off },
	{ SIM_ICCD_B, 0x21, REQ_XFR_BLOCK, b_xfr_block },
	{ SIM_ICCD_B, 0xA1, REQ_DATA_BLOCK, b_data_block },
	{ SIM_ICCD_B, 0xA1, REQ_SLOT_STATUS, b_slot_status },
};

static void run_request(struct sim_iface *f, struct sim_urb *u, unsigned i);

static void fire_again(struct sim_dev *d, struct sim_event *e)
{
	unsigned i = 0;

	if (sim_attempt_again(d, e))
		return;
	while (requests[i].version != e->f->conf->protocol || requests[i].type != e->urb->setup[0] ||
	       requests[i].request != e->urb->setup[1])
		i++;
	run_request(e->f, e->urb, i);
}

static void run_request(struct sim_iface *f, struct sim_urb *u, unsigned i)
{
	struct sim_attempt a;
	struct sim_event *e;

	sim_attempt_begin(f, 0, &a);
	requests[i].run(f, u);
	e = sim_attempt_end(f, 0, &a, fire_again);
	if (e)
		e->urb = u;
}

bool sim_iccd_request(struct sim_iface *f, struct sim_urb *u)
{
	if (sim_get16(u->setup + 6) > MAX_TRANSFER)
		sim_complain(f->d, "iccd: transfer of %u bytes", sim_get16(u->setup + 6));
	for (unsigned i = 0; i < sizeof requests / sizeof requests[0]; i++) {
		if (requests[i].version == f->conf->protocol && requests[i].type == u->setup[0] &&
		    requests[i].request == u->setup[1]) {
			sim_trace_text(f->d, "iccd %02x %02x wValue %04x wLength %u", u->setup[0],
				       u->setup[1], sim_get16(u->setup + 2),
				       sim_get16(u->setup + 6));
			run_request(f, u, i);
			return true;
		}
	}
	return false;
}
