/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A simulated device from recorded descriptors, which it then shows byte for byte. */
#include "sim/model/sim_dev_priv.h"
#include "sim/model/sim_replay.h"

#include <stdlib.h>
#include <string.h>

#define CLASS_DESC 54

/* CCID 1.10 §5.1 */
static void read_class(struct sim_iface_conf *f, const uint8_t *p)
{
	f->bDescriptorType = p[1];
	f->bcdCCID = (uint16_t)sim_get16(p + 2);
	f->bMaxSlotIndex = p[4];
	f->bVoltageSupport = p[5];
	f->dwProtocols = sim_get32(p + 6);
	f->dwDefaultClock = sim_get32(p + 10);
	f->dwMaximumClock = sim_get32(p + 14);
	f->bNumClockSupported = p[18];
	f->dwDataRate = sim_get32(p + 19);
	f->dwMaxDataRate = sim_get32(p + 23);
	f->bNumDataRatesSupported = p[27];
	f->dwMaxIFSD = sim_get32(p + 28);
	f->dwSynchProtocols = sim_get32(p + 32);
	f->dwMechanical = sim_get32(p + 36);
	f->dwFeatures = sim_get32(p + 40);
	f->dwMaxCCIDMessageLength = sim_get32(p + 44);
	f->bClassGetResponse = p[48];
	f->bClassEnvelope = p[49];
	f->wLcdLayout = (uint16_t)sim_get16(p + 50);
	f->bPINSupport = p[52];
	f->bMaxCCIDBusySlots = p[53];
}

/* The interface that the descriptor begins; NULL when it is another setting of one that is known. */
static struct sim_iface_conf *read_interface(struct sim_dev_conf *c, const uint8_t *p)
{
	struct sim_iface_conf *f;

	if (p[3] || c->n_ifaces == SIM_MAX_IFACES)
		return NULL;
	f = &c->iface[c->n_ifaces++];
	sim_iface_defaults(f, p[2]);
	f->endpoints = p[4];
	f->class = p[5];
	f->told_protocol = p[7];
	f->protocol = p[4] >= 2 || p[7] > SIM_ICCD_B ? SIM_CCID : p[7];
	if (p[5] != 0x0B && p[5] != 0xFF)
		f->foreign = p[5];
	return f;
}

static void read_configuration(struct sim_dev_conf *c, const uint8_t *d, size_t len)
{
	struct sim_iface_conf *f = NULL;

	c->n_ifaces = 0;
	for (size_t at = 18; at + 2 <= len && d[at] >= 2 && at + d[at] <= len; at += d[at]) {
		const uint8_t *p = d + at;

		if (p[1] == 4 && p[0] >= 9)
			f = read_interface(c, p);
		else if (f && p[0] == CLASS_DESC && (p[1] == 0x21 || p[1] == 0xFF))
			read_class(f, p);
		else if (f && p[1] == 5 && p[0] >= 7 && (p[3] & 3) == 2)
			f->packet = (uint16_t)(sim_get16(p + 4) & 0x7FF);
	}
}

bool sim_recording_conf(const struct sim_recording *r, struct sim_dev_conf *c)
{
	const uint8_t *d = r->descriptors;
	char name[64];

	if (!d)
		return false;
	sim_copy_text(name, sizeof name, c->name);
	sim_conf_free(c);
	sim_conf_defaults(c);
	sim_copy_text(c->name, sizeof c->name, name);
	c->vendor = (uint16_t)sim_get16(d + 8);
	c->product = (uint16_t)sim_get16(d + 10);
	c->bcd = (uint16_t)sim_get16(d + 12);
	read_configuration(c, d, r->descriptors_len);
	return c->n_ifaces > 0;
}

/* Endpoint addresses as recorded. */
static void set_endpoints(struct sim_dev *d)
{
	const uint8_t *p = d->descriptors;
	struct sim_iface *f = NULL;

	for (size_t at = 18; at + 7 <= d->descriptors_len && p[at] >= 2; at += p[at]) {
		const uint8_t *e = p + at;

		if (e[1] == 4 && e[0] >= 9) {
			f = e[3] ? NULL : sim_iface_by_number(d, e[2]);
			if (f)
				f->ep_in = f->ep_out = f->ep_intr = 0;
		} else if (f && e[1] == 5 && (e[3] & 3) == 3) {
			f->ep_intr = e[2];
		} else if (f && e[1] == 5 && e[2] & 0x80) {
			f->ep_in = e[2];
		} else if (f && e[1] == 5) {
			f->ep_out = e[2];
		}
	}
}

void sim_recording_show(const struct sim_recording *r, struct sim_dev *d)
{
	if (!r->descriptors)
		return;
	free(d->descriptors);
	d->descriptors = sim_dup(r->descriptors, r->descriptors_len);
	d->descriptors_len = r->descriptors_len;
	d->n_strings = 0;
	for (unsigned i = 1; i < REPLAY_STRINGS && i <= sizeof d->strings / sizeof d->strings[0]; i++) {
		sim_copy_text(d->strings[i - 1], sizeof d->strings[0], r->string[i] ? r->string[i] : "");
		if (r->string[i])
			d->n_strings = i;
	}
	set_endpoints(d);
}
