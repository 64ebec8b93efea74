/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The control pipe: USB 2.0 §9.4 standard requests, CCID 1.10 §5.3 class requests. */
#include "sim/model/sim_dev_priv.h"

#include <string.h>

enum { GET_STATUS = 0, CLEAR_FEATURE = 1, SET_FEATURE = 3, SET_ADDRESS = 5, GET_DESCRIPTOR = 6,
       GET_CONFIGURATION = 8, SET_CONFIGURATION = 9, GET_INTERFACE = 10, SET_INTERFACE = 11 };
enum { CCID_ABORT = 1, CCID_GET_CLOCKS = 2, CCID_GET_RATES = 3 };

struct setup {
	uint8_t type, request;
	unsigned value, index, length;
};

static struct setup setup_of(const struct sim_urb *u)
{
	struct setup s = { u->setup[0], u->setup[1], sim_get16(u->setup + 2),
			   sim_get16(u->setup + 4), sim_get16(u->setup + 6) };

	return s;
}

static void done(struct sim_dev *d, struct sim_urb *u, int status)
{
	/* setup, data, status stage */
	sim_complete_at(d, u, status, d->now + 2 * d->conf.packet_ns);
}

static void give(struct sim_dev *d, struct sim_urb *u, const uint8_t *p, size_t len)
{
	size_t room = sim_get16(u->setup + 6);

	if (room > u->len)
		room = u->len;
	u->actual = len < room ? len : room;
	memcpy(u->buf, p, u->actual);
	done(d, u, SIM_OK);
}

static void string_descriptor(struct sim_dev *d, struct sim_urb *u, unsigned index)
{
	static const uint8_t langid[4] = { 4, 3, 0x09, 0x04 };
	const char *text = sim_dev_string(d, index);
	uint8_t p[2 + 2 * 64];
	size_t n;

	if (index == 0) {
		give(d, u, langid, sizeof langid);
		return;
	}
	if (!text) {
		done(d, u, SIM_STALL);
		return;
	}
	n = strlen(text);
	p[0] = (uint8_t)(2 + 2 * n);
	p[1] = 3;
	for (size_t i = 0; i < n; i++)
		sim_put16(p + 2 + 2 * i, (uint8_t)text[i]);
	give(d, u, p, p[0]);
}

static void get_descriptor(struct sim_dev *d, struct sim_urb *u, const struct setup *s)
{
	switch (s->value >> 8) {
	case 1:
		give(d, u, d->descriptors, 18);
		break;
	case 2:
		if (s->value & 0xFF)
			done(d, u, SIM_STALL);
		else
			give(d, u, d->descriptors + 18, d->descriptors_len - 18);
		break;
	case 3:
		string_descriptor(d, u, s->value & 0xFF);
		break;
	default:
		done(d, u, SIM_STALL);
	}
}

static void set_configuration(struct sim_dev *d, struct sim_urb *u, unsigned value)
{
	if (value > 1) {
		done(d, u, SIM_STALL);
		return;
	}
	d->configuration = (uint8_t)value;
	for (unsigned i = 0; i < d->conf.n_ifaces; i++) {
		struct sim_iface *f = &d->iface[i];

		sim_halt(d, f->ep_in, false);
		sim_halt(d, f->ep_out, false);
		sim_halt(d, f->ep_intr, false);
	}
	done(d, u, SIM_OK);
}

static bool halted(const struct sim_dev *d, uint8_t endpoint)
{
	for (unsigned i = 0; i < d->conf.n_ifaces; i++) {
		const struct sim_iface *f = &d->iface[i];

		if ((endpoint == f->ep_in && f->in.halted) ||
		    (endpoint == f->ep_out && f->out_halted) ||
		    (endpoint == f->ep_intr && f->intr.halted))
			return true;
	}
	return false;
}

static void standard(struct sim_dev *d, struct sim_urb *u, const struct setup *s)
{
	uint8_t status[2] = { 0, 0 };

	switch (s->request) {
	case GET_STATUS:
		status[0] = (s->type & 0x1F) == 2 && halted(d, (uint8_t)s->index);
		give(d, u, status, 2);
		break;
	case CLEAR_FEATURE:
	case SET_FEATURE:
		if ((s->type & 0x1F) == 2 && s->value == 0)
			sim_halt(d, (uint8_t)s->index, s->request == SET_FEATURE);
		done(d, u, SIM_OK);
		break;
	case GET_DESCRIPTOR:
		get_descriptor(d, u, s);
		break;
	case GET_CONFIGURATION:
		give(d, u, &d->configuration, 1);
		break;
	case SET_CONFIGURATION:
		set_configuration(d, u, s->value);
		break;
	case GET_INTERFACE:
		give(d, u, status, 1);
		break;
	case SET_INTERFACE:
		done(d, u, s->value ? SIM_STALL : SIM_OK);
		break;
	case SET_ADDRESS:
		done(d, u, SIM_OK);
		break;
	default:
		done(d, u, SIM_STALL);
	}
}

static void give_list(struct sim_iface *f, struct sim_urb *u, const uint32_t *list, unsigned n,
		      unsigned extra)
{
	uint8_t p[4 * 513];

	if (n > 512)
		n = 512;
	for (unsigned i = 0; i < n; i++)
		sim_put32(p + 4 * i, list[i]);
	memset(p + 4 * n, 0xA5, 4);
	give(f->d, u, p, 4 * n + extra);
}

/* GET_DATA_RATES with the faults of its own kind. */
static void data_rates(struct sim_iface *f, struct sim_urb *u)
{
	struct sim_dev *d = f->d;
	uint32_t made_up[256];
	const struct sim_fault *t;
	unsigned n;

	for (unsigned i = 0; i < 256; i++)
		made_up[i] = 9600 + 100 * i;
	if (sim_fault_hits(d, "rates-stall", f, -1)) {
		done(d, u, SIM_STALL);
	} else if ((t = sim_fault_hits(d, "rates-count", f, -1)) != NULL) {
		n = sim_fault_value(t, 256);
		give_list(f, u, made_up, n < 256 ? n : 256, 0);
	} else if ((t = sim_fault_hits(d, "rates-extra", f, -1)) != NULL) {
		give_list(f, u, f->conf->rates ? f->conf->rates : made_up,
			  f->conf->rates ? f->conf->n_rates : 1, sim_fault_value(t, 1) & 3);
	} else if (!f->conf->rates) {
		done(d, u, SIM_STALL);
	} else {
		give_list(f, u, f->conf->rates, f->conf->n_rates, 0);
	}
}

static void class_request(struct sim_iface *f, struct sim_urb *u, const struct setup *s)
{
	struct sim_dev *d = f->d;

	if (sim_player_request(f, u))
		return;
	if (sim_fault_hits(d, "control-stall", f, -1)) {
		done(d, u, SIM_STALL);
		return;
	}
	if (sim_fault_hits(d, "unplug-control", f, -1)) {
		sim_complete(d, u, SIM_GONE);
		sim_dev_unplug(d, d->now);
		return;
	}
	if (f->conf->protocol != SIM_CCID && sim_iccd_request(f, u))
		return;
	if (s->type == 0x21 && s->request == CCID_ABORT) {
		sim_ccid_abort_control(f, (uint8_t)s->value, (uint8_t)(s->value >> 8));
		done(d, u, SIM_OK);
	} else if (s->type == 0xA1 && s->request == CCID_GET_CLOCKS && f->conf->clocks) {
		give_list(f, u, f->conf->clocks, f->conf->n_clocks, 0);
	} else if (s->type == 0xA1 && s->request == CCID_GET_RATES) {
		data_rates(f, u);
	} else {
		if (s->type != 0xA1 || s->request != CCID_GET_CLOCKS)
			sim_complain(d, "control: unknown class request %02x %02x", s->type,
				     s->request);
		done(d, u, SIM_STALL);
	}
}

void sim_control(struct sim_dev *d, struct sim_urb *u)
{
	struct setup s = setup_of(u);
	struct sim_iface *f;

	if (s.length > u->len) {
		sim_complain(d, "control: wLength %u but only %zu bytes of buffer", s.length,
			     u->len);
		done(d, u, SIM_IO);
		return;
	}
	if (!(s.type & 0x80))
		u->actual = s.length;
	if ((s.type & 0x60) == 0) {
		standard(d, u, &s);
		return;
	}
	f = (s.type & 0x7F) == 0x21 ? sim_iface_by_number(d, s.index & 0xFF) : NULL;
	if (f)
		class_request(f, u, &s);
	else
		done(d, u, SIM_STALL);
}
