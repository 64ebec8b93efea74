/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Output of the simulated reader: the trace of its messages, and its complaints. */
#include "sim/model/sim_dev_priv.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* More are counted but not kept: a flood must not eat the memory. */
#define KEPT 200

static void keep(struct sim_dev *d, const char *text)
{
	d->n_complaints++;
	if (d->kept_complaints == KEPT)
		return;
	if (!d->complaints)
		d->complaints = sim_alloc(KEPT * sizeof *d->complaints);
	d->complaints[d->kept_complaints++] = sim_dup(text, strlen(text) + 1);
}

void sim_complain(struct sim_dev *d, const char *fmt, ...)
{
	char text[200];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	keep(d, text);
	sim_trace_text(d, "COMPLAINT %s", text);
}

void sim_keep_card_complaints(struct sim_dev *d, const struct sim_card *c)
{
	for (unsigned i = 0; i < sim_card_complaints(c); i++)
		keep(d, sim_card_complaint(c, i));
}

/* The i-th slot with a card, over all interfaces. */
static const struct sim_card *nth_card(const struct sim_dev *d, unsigned n)
{
	for (unsigned i = 0; i < d->conf.n_ifaces; i++) {
		for (unsigned j = 0; j < d->iface[i].n_slots; j++) {
			if (d->iface[i].slot[j].card && n-- == 0)
				return d->iface[i].slot[j].card;
		}
	}
	return NULL;
}

unsigned sim_dev_complaints(const struct sim_dev *d)
{
	const struct sim_card *c;
	unsigned n = d->n_complaints;

	for (unsigned i = 0; (c = nth_card(d, i)) != NULL; i++)
		n += sim_card_complaints(c);
	return n;
}

const char *sim_dev_complaint(const struct sim_dev *d, unsigned i)
{
	const struct sim_card *c;

	if (i < d->n_complaints)
		return i < d->kept_complaints ? d->complaints[i] : "(one of too many to keep)";
	i -= d->n_complaints;
	for (unsigned k = 0; (c = nth_card(d, k)) != NULL; k++) {
		if (i < sim_card_complaints(c))
			return sim_card_complaint(c, i);
		i -= sim_card_complaints(c);
	}
	return NULL;
}

void sim_dev_trace(struct sim_dev *d, void (*line)(void *user, uint64_t now, const char *text),
		   void *user)
{
	d->trace = line;
	d->trace_user = user;
}

void sim_trace_text(struct sim_dev *d, const char *fmt, ...)
{
	char text[240];
	va_list ap;

	if (!d->trace)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	d->trace(d->trace_user, d->now, text);
}

const char *sim_message_name(uint8_t type)
{
	static const struct {
		uint8_t type;
		const char *name;
	} names[] = {
		{ PC_SET_PARAMETERS, "SetParameters" },
		{ PC_POWER_ON, "IccPowerOn" },
		{ PC_POWER_OFF, "IccPowerOff" },
		{ PC_SLOT_STATUS, "GetSlotStatus" },
		{ PC_SECURE, "Secure" },
		{ PC_T0_APDU, "T0APDU" },
		{ PC_ESCAPE, "Escape" },
		{ PC_GET_PARAMETERS, "GetParameters" },
		{ PC_RESET_PARAMETERS, "ResetParameters" },
		{ PC_CLOCK, "IccClock" },
		{ PC_XFR_BLOCK, "XfrBlock" },
		{ PC_MECHANICAL, "Mechanical" },
		{ PC_ABORT, "Abort" },
		{ PC_SET_RATE, "SetDataRateAndClockFrequency" },
		{ RDR_DATA, "DataBlock" },
		{ RDR_STATUS, "SlotStatus" },
		{ RDR_PARAMETERS, "Parameters" },
		{ RDR_ESCAPE, "Escape" },
		{ RDR_RATE, "DataRateAndClockFrequency" },
	};

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		if (names[i].type == type)
			return names[i].name;
	}
	return "?";
}

void sim_trace_msg(struct sim_iface *f, bool out, const uint8_t *p, size_t len)
{
	char hex[2 * 40 + 4];
	char status[24] = "";
	size_t n;

	if (!f->d->trace)
		return;
	if (len < SIM_HEADER) {
		sim_trace_text(f->d, "%s %zu bytes", out ? "out" : "in ", len);
		return;
	}
	n = len - SIM_HEADER < 40 ? len - SIM_HEADER : 40;
	for (size_t i = 0; i < n; i++)
		snprintf(hex + 2 * i, 3, "%02X", p[SIM_HEADER + i]);
	snprintf(hex + 2 * n, 4, "%s", n < len - SIM_HEADER ? "..." : "");
	if (!out && (p[7] & 0xC0))
		snprintf(status, sizeof status, " status %02X error %02X", p[7], p[8]);
	sim_trace_text(f->d, "%s slot %u seq %u %s %zu%s: %s", out ? "out" : "in ", p[5], p[6],
		       sim_message_name(p[0]), len - SIM_HEADER, status, hex);
}
