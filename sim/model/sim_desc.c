/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Descriptors, written from USB 2.0 §9.6 and CCID 1.10 §5.1. Readers made before CCID had its number give their
 * class descriptor the type 0xFF (lsusb dumps of 08e6:1359, 08e6:2202, 08e6:ace0, 09be:0002, 413c:2100). */
#include "sim/model/sim_dev_priv.h"

#include <stdlib.h>
#include <string.h>

#define CLASS_DESC 54
#define MAX_CONFIG 4096

struct out {
	uint8_t *p;
	size_t len;
};

static void desc_put(struct out *o, const uint8_t *p, size_t n)
{
	memcpy(o->p + o->len, p, n);
	o->len += n;
}

size_t sim_class_desc(const struct sim_iface_conf *c, uint8_t *p)
{
	memset(p, 0, CLASS_DESC);
	p[0] = CLASS_DESC;
	p[1] = c->bDescriptorType;
	sim_put16(p + 2, c->bcdCCID);
	p[4] = c->bMaxSlotIndex;
	p[5] = c->bVoltageSupport;
	sim_put32(p + 6, c->dwProtocols);
	sim_put32(p + 10, c->dwDefaultClock);
	sim_put32(p + 14, c->dwMaximumClock);
	p[18] = c->bNumClockSupported;
	sim_put32(p + 19, c->dwDataRate);
	sim_put32(p + 23, c->dwMaxDataRate);
	p[27] = c->bNumDataRatesSupported;
	sim_put32(p + 28, c->dwMaxIFSD);
	sim_put32(p + 32, c->dwSynchProtocols);
	sim_put32(p + 36, c->dwMechanical);
	sim_put32(p + 40, c->dwFeatures);
	sim_put32(p + 44, c->dwMaxCCIDMessageLength);
	p[48] = c->bClassGetResponse;
	p[49] = c->bClassEnvelope;
	sim_put16(p + 50, c->wLcdLayout);
	p[52] = c->bPINSupport;
	p[53] = c->bMaxCCIDBusySlots;
	return CLASS_DESC;
}

static void put_class(struct sim_dev *d, struct out *o, const struct sim_iface_conf *c)
{
	uint8_t p[CLASS_DESC + 255];
	size_t len = sim_class_desc(c, p);

	memset(p + len, 0xEE, sizeof p - len);
	if (d->desc_fault & DESC_SHORT)
		len = d->desc_fault_value >= 2 && d->desc_fault_value < CLASS_DESC ?
			      d->desc_fault_value :
			      20;
	if (d->desc_fault & DESC_LONG)
		len = d->desc_fault_value > CLASS_DESC && d->desc_fault_value < 256 ?
			      d->desc_fault_value :
			      60;
	p[0] = (uint8_t)len;
	desc_put(o, p, len);
	if (d->desc_fault & DESC_DOUBLED) {
		p[4] = 7;	/* the second one has wrong values */
		desc_put(o, p, len);
	}
}

static void put_endpoint(struct out *o, uint8_t address, uint8_t attributes, unsigned packet,
			 uint8_t interval)
{
	uint8_t p[7] = { 7,	  5, address, attributes, (uint8_t)packet, (uint8_t)(packet >> 8),
			 interval };

	desc_put(o, p, sizeof p);
}

static unsigned put_endpoints(struct sim_dev *d, struct out *o, const struct sim_iface *f)
{
	/* upper bits of bmAttributes are reserved: a comparison must mask them */
	uint8_t bulk = d->desc_fault & DESC_ENDPOINT_TYPE ? 0x01 : 0x02;
	unsigned n = 0, intr = 1 + (2u * f->n_slots + 7) / 8;

	if (f->ep_intr) {
		put_endpoint(o, f->ep_intr, 0x03, intr > 8 ? 64 : 8, 16);
		n++;
	}
	if (f->ep_out) {
		put_endpoint(o, f->ep_out, bulk, f->conf->packet, 0);
		put_endpoint(o, f->ep_in, bulk, f->conf->packet, 0);
		n += 2;
	}
	return n;
}

/* iInterface strings follow the three of the device. */
static uint8_t add_string(struct sim_dev *d, const char *text)
{
	if (!text[0])
		return 0;
	sim_copy_text(d->strings[d->n_strings], sizeof d->strings[0], text);
	return (uint8_t)++d->n_strings;
}

static void put_interface(struct sim_dev *d, struct out *o, const struct sim_iface *f)
{
	const struct sim_iface_conf *c = f->conf;
	uint8_t p[9] = { 9, 4, c->number, 0, 0, c->foreign ? c->foreign : c->class, 0, c->told_protocol,
			 add_string(d, c->name) };
	size_t at = o->len;
	unsigned n = 0;

	desc_put(o, p, sizeof p);
	if (!c->foreign && !(d->desc_fault & (DESC_AT_ENDPOINT | DESC_NONE)))
		put_class(d, o, c);
	if (!(d->desc_fault & DESC_NO_ENDPOINTS))
		n = put_endpoints(d, o, f);
	if (d->desc_fault & DESC_ENDPOINTS_DOUBLED)
		n += put_endpoints(d, o, f);
	if (d->desc_fault & DESC_AT_ENDPOINT)
		put_class(d, o, c);
	o->p[at + 4] = (uint8_t)n;
}

/* An interface that is not a reader, so that the numbers have no gap. */
static void put_filler(struct out *o, unsigned number)
{
	uint8_t p[9] = { 9, 4, (uint8_t)number, 0, 0, 0x03, 0, 0, 0 };

	desc_put(o, p, sizeof p);
}

static size_t device_descriptor(struct sim_dev *d, uint8_t *p)
{
	bool high_speed = d->conf.iface[0].packet == 512;

	memset(p, 0, 18);
	p[0] = 18;
	p[1] = 1;
	sim_put16(p + 2, high_speed ? 0x0200 : 0x0110);
	p[7] = 64;
	sim_put16(p + 8, d->conf.vendor);
	sim_put16(p + 10, d->conf.product);
	sim_put16(p + 12, d->conf.bcd);
	p[14] = add_string(d, d->conf.manufacturer);
	p[15] = add_string(d, d->conf.product_name);
	p[16] = add_string(d, d->conf.serial);
	p[17] = 1;
	return 18;
}

void sim_desc_build(struct sim_dev *d)
{
	struct out o = { sim_alloc(MAX_CONFIG), 0 };
	uint8_t head[9] = { 9, 2, 0, 0, 0, 1, 0, 0x80, 50 };
	unsigned number = 0;
	size_t config;

	free(d->descriptors);
	d->n_strings = 0;
	o.len = config = device_descriptor(d, o.p);
	desc_put(&o, head, sizeof head);
	for (unsigned i = 0; i < d->conf.n_ifaces; i++) {
		while (number < d->conf.iface[i].number)
			put_filler(&o, number++);
		if (!(d->desc_fault & DESC_NO_ALTSETTING))
			put_interface(d, &o, &d->iface[i]);
		number++;
	}
	o.p[config + 4] = (uint8_t)number;
	sim_put16(o.p + config + 2, (unsigned)(o.len - config));
	d->descriptors = o.p;
	d->descriptors_len = o.len;
}

void sim_set_desc_faults(struct sim_dev *d, unsigned which, uint32_t value)
{
	d->desc_fault = which;
	d->desc_fault_value = value;
	sim_desc_build(d);
}

const uint8_t *sim_dev_descriptors(const struct sim_dev *d, size_t *len)
{
	*len = d->descriptors_len;
	return d->descriptors;
}

unsigned sim_dev_speed(const struct sim_dev *d)
{
	const uint8_t *p = d->descriptors;

	for (size_t i = 18; i + 2 <= d->descriptors_len && p[i] >= 2 && i + p[i] <= d->descriptors_len; i += p[i])
		if (p[i + 1] == 5 && p[i] >= 7 && (p[i + 3] & 3) == 2 && (p[i + 4] | p[i + 5] << 8) > 64)
			return 3;
	return 2;
}

const char *sim_dev_string(const struct sim_dev *d, unsigned index)
{
	return index >= 1 && index <= d->n_strings && d->strings[index - 1][0] ? d->strings[index - 1] : NULL;
}
