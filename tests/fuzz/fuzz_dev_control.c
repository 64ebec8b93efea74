/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Descriptors, and the answers of the control pipe. A record of the script: kind, length, bytes. */
#include "fuzz/fuzz_dev_priv.h"

#include <string.h>

static void put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)v;
	p[1] = (uint8_t)(v >> 8);
}

static void put32(uint8_t *p, uint32_t v)
{
	put16(p, v & 0xFFFF);
	put16(p + 2, v >> 16);
}

static size_t class_descriptor(const struct fuzz_dev_conf *c, uint8_t *p)
{
	memset(p, 0, 54);
	p[0] = 54;
	p[1] = 0x21;
	put16(p + 2, 0x0110);
	p[4] = c->max_slot_index;
	p[5] = 7;
	put32(p + 6, 3);
	put32(p + 10, 4000);
	put32(p + 14, 8000);
	put32(p + 19, 10752);
	put32(p + 23, 344086);
	p[27] = c->control.left ? 4 : 0;
	put32(p + 28, 254);
	put32(p + 40, c->features);
	put32(p + 44, c->max_message);
	p[48] = p[49] = 0xFF;
	p[52] = c->pin_support;
	p[53] = c->busy;
	return 54;
}

static size_t endpoint(uint8_t *p, uint8_t address, uint8_t attributes, unsigned packet)
{
	memcpy(p, (uint8_t[7]){ 7, 5, address, attributes, (uint8_t)packet, (uint8_t)(packet >> 8), 10 }, 7);
	return 7;
}

static size_t configuration(const struct fuzz_dev_conf *c, uint8_t *p)
{
	bool bulk = c->protocol == 0;
	size_t n = 9;

	memcpy(p, (uint8_t[9]){ 9, 2, 0, 0, 1, 1, 0, 0x80, 50 }, 9);
	memcpy(p + n, (uint8_t[9]){ 9, 4, 0, 0, (uint8_t)(2 * bulk + c->has_interrupt), 0x0B, 0, c->protocol, 0 }, 9);
	n += 9;
	n += class_descriptor(c, p + n);
	if (bulk) {
		n += endpoint(p + n, 0x01, 2, c->packet);
		n += endpoint(p + n, 0x82, 2, c->packet);
	}
	if (c->has_interrupt)
		n += endpoint(p + n, 0x83, 3, 8);
	put16(p + 2, (unsigned)n);
	return n;
}

void dev_describe(struct sim_dev *d)
{
	const struct fuzz_dev_conf *c = &d->conf;
	uint8_t *p = d->raw;
	size_t n = sizeof d->raw - 18;

	memcpy(p, (uint8_t[18]){ 18, 1, 0, 2, 0, 0, 0, 64, 0, 0, 0, 0, 0, 0, 1, 2, 3, 1 }, 18);
	put16(p + 8, c->vendor);
	put16(p + 10, c->product);
	put16(p + 12, c->bcd);
	if (!c->descriptors) {
		d->raw_len = 18 + configuration(c, p + 18);
		return;
	}
	/* libusb returns no configuration without a whole header */
	if (n > c->descriptors_len)
		n = c->descriptors_len;
	memcpy(p + 18, c->descriptors, n);
	d->raw_len = 18 + (n < 9 ? 9 : n);
}

/* --- answers --- */

static void give(struct sim_dev *d, struct sim_urb *u, const uint8_t *p, size_t n)
{
	size_t room = u->setup[0] & 0x80 ? u->setup[6] | (size_t)u->setup[7] << 8 : 0;

	if (room > u->len)
		room = u->len;
	if (n > room)
		n = room;
	if (n)
		memcpy(u->buf, p, n);
	dev_say(d, p, n);
	u->actual = u->setup[0] & 0x80 ? n : u->len;
	dev_complete(d, u, SIM_OK);
}

/* The right answers of a USB ICC (ICCD 1.0, both versions): 90 00 to any command. */
static void honest_iccd(struct sim_dev *d, struct sim_urb *u)
{
	static const uint8_t sw[] = { 0x00, 0x90, 0x00 };
	bool b = d->conf.protocol == 2;
	const uint8_t *p;
	size_t n;

	switch (u->setup[1]) {
	case 0x62:
		p = fuzz_dev_atr(d, &n);
		d->iccd_answer[0] = 0;
		memcpy(d->iccd_answer + 1, p, n);
		d->iccd_len = 1 + n;
		give(d, u, p, n);
		break;
	case 0x65:
		memcpy(d->iccd_answer, sw, 3);
		d->iccd_len = 3;
		d->iccd_state = 0x20;
		give(d, u, NULL, 0);
		break;
	case 0x6F:
		give(d, u, b ? d->iccd_answer : d->iccd_answer + 1, b ? d->iccd_len : 2);
		d->iccd_state = 0;
		break;
	case 0xA0:
		give(d, u, &d->iccd_state, 1);
		break;
	default:
		give(d, u, (const uint8_t[3]){ 0 }, 3);
		break;
	}
}

static void scripted(struct sim_dev *d, struct sim_urb *u, struct fuzz_in *in)
{
	uint8_t kind = fuzz_u8(in);
	struct fuzz_in part;

	switch (kind & 7) {
	case 0:
	case 1:
	case 2:
		part = fuzz_part(in);
		give(d, u, part.p, part.left);
		break;
	case 3:
		dev_complete(d, u, SIM_STALL);
		break;
	case 4:
		dev_complete(d, u, kind & 0x10 ? SIM_IO : SIM_OVERFLOW);
		break;
	case 5:
		if (d->slow) {
			dev_complete(d, u, SIM_STALL);
			break;
		}
		u->status = SIM_STALL;
		d->slow = u;
		d->slow_at = d->now + fuzz_u8(in) * 100 * DEV_MS;
		break;
	case 6:
		if (kind == 0xFE) {
			dev_unplug(d);
			dev_complete(d, u, SIM_GONE);
			break;
		}
		/* fall through */
	default:
		honest_iccd(d, u);
		break;
	}
}

void dev_control(struct sim_dev *d, struct sim_urb *u)
{
	bool class_request = (u->setup[0] & 0x60) == 0x20, string = u->setup[1] == 6 && u->setup[3] == 3;
	struct fuzz_in again = d->last_record;

	if (!class_request && !string) {
		u->actual = u->setup[0] & 0x80 ? 0 : u->len;
		dev_complete(d, u, SIM_OK);
	} else if (d->conf.control.left > 0) {
		if (class_request)
			d->last_record = d->conf.control;
		scripted(d, u, &d->conf.control);
	} else if (class_request && d->conf.protocol != 0 && d->mood == MOOD_REPEAT && again.left) {
		scripted(d, u, &again);
	} else if (class_request && d->conf.protocol != 0 && d->mood == MOOD_HONEST) {
		honest_iccd(d, u);
	} else if (class_request && !(u->setup[0] & 0x80)) {
		give(d, u, NULL, 0);
	} else {
		dev_complete(d, u, SIM_STALL);
	}
}
