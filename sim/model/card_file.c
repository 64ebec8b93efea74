/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Files and PIN of the applet, ISO 7816-4 §7.2.2, §7.2.3, §7.5.6. */
#include "sim/model/card.h"

#include <stdlib.h>
#include <string.h>

enum { MF = 0x3F00, DF = 0x5000 };

static const uint8_t aid[] = { 0xF0, 'i', 'f', 'd', '-', 's', 'i', 'm' };

static const struct { uint16_t id, parent; bool is_df, pin_read, pin_update; unsigned size; }
plan[CARD_FILES] = {
	{ MF, 0, true, false, false, 0 },
	{ 0x2F00, MF, false, false, false, 64 },
	{ 0x2FE2, MF, false, false, false, 10 },
	{ DF, MF, true, false, false, 0 },
	{ 0x5001, DF, false, false, false, 65536 },
	{ 0x5002, DF, false, true, true, 1024 },
	{ 0x5003, DF, false, false, true, 256 },
};

bool card_files_new(struct sim_card *c)
{
	for (unsigned i = 0; i < CARD_FILES; i++) {
		struct card_file *f = &c->files[i];

		*f = (struct card_file){ plan[i].id, plan[i].parent, plan[i].is_df,
					 plan[i].pin_read, plan[i].pin_update, NULL, plan[i].size };
		if (f->size == 0)
			continue;
		f->data = malloc(f->size);
		if (f->data == NULL)
			return false;
		for (size_t k = 0; k < f->size; k++)
			f->data[k] = (uint8_t)k;
	}
	return true;
}

void card_files_free(struct sim_card *c)
{
	for (unsigned i = 0; i < CARD_FILES; i++)
		free(c->files[i].data);
}

/* ISO 7816-4 §5.3.3: file control information. */
static void fci(struct sim_card *c, const struct card_file *f)
{
	uint8_t *p = c->ans.data, *start = p;
	const uint8_t head[] = {
		0x6F, 0, 0x82, 1, f->is_df ? 0x38 : 0x01,
		0x83, 2, (uint8_t)(f->id >> 8), (uint8_t)f->id,
		0x80, 3, (uint8_t)(f->size >> 16), (uint8_t)(f->size >> 8), (uint8_t)f->size,
	};

	memcpy(p, head, sizeof head);
	p += sizeof head;
	if (f->id == DF) {
		*p++ = 0x84;
		*p++ = sizeof aid;
		memcpy(p, aid, sizeof aid);
		p += sizeof aid;
	}
	start[1] = (uint8_t)(p - start - 2);
	c->ans.end = (size_t)(p - start);
}

static unsigned by_id(const struct sim_card *c, unsigned id)
{
	for (unsigned i = 0; i < CARD_FILES; i++)
		if (c->files[i].id == id)
			return i;
	return CARD_FILES;
}

/* The file that SELECT names; CARD_FILES: none. */
static unsigned wanted(const struct sim_card *c, const struct card_apdu *a)
{
	unsigned id = a->nc == 2 ? (unsigned)(a->data[0] << 8 | a->data[1]) : MF;
	unsigned i, here = c->files[c->df].id;

	switch (a->p1) {
	case 0x00:
		i = by_id(c, id);
		if (i < CARD_FILES && !c->files[i].is_df && c->files[i].parent != here)
			return CARD_FILES;
		return i;
	case 0x02:
		i = by_id(c, id);
		return i < CARD_FILES && !c->files[i].is_df && c->files[i].parent == here ?
			i : CARD_FILES;
	case 0x03:
		return c->df == 0 ? CARD_FILES : by_id(c, c->files[c->df].parent);
	case 0x04:		/* the beginning of an AID is enough (§7.1.1) */
		return a->nc >= 5 && a->nc <= sizeof aid && memcmp(a->data, aid, a->nc) == 0 ?
			by_id(c, DF) : CARD_FILES;
	default:
		return CARD_FILES;
	}
}

uint16_t card_select(struct sim_card *c, const struct card_apdu *a)
{
	unsigned i;

	if (a->p1 > 4 || a->p1 == 1)
		return 0x6A86;
	if (a->p1 != 4 && a->nc != 2 && a->nc != 0)
		return 0x6700;
	i = wanted(c, a);
	if (i == CARD_FILES)
		return 0x6A82;
	if (c->files[i].is_df) {
		c->df = i;
		c->ef = CARD_FILES;
	} else {
		c->ef = i;
	}
	if ((a->p2 & 0x0C) != 0x0C)
		fci(c, &c->files[i]);
	return 0x9000;
}

/* The file and offset READ and UPDATE BINARY mean, or an SW. */
static uint16_t locate(struct sim_card *c, const struct card_apdu *a, struct card_file **f,
		       size_t *offset)
{
	unsigned i = c->ef;

	*offset = (size_t)a->p1 << 8 | a->p2;
	if (a->p1 & 0x80) {	/* short EF identifier */
		if (c->files[c->df].id != DF || (a->p1 & 0x7F) < 1 || (a->p1 & 0x7F) > 3)
			return 0x6A82;
		i = by_id(c, DF + (a->p1 & 0x7Fu));
		c->ef = i;
		*offset = a->p2;
	}
	if (i == CARD_FILES)
		return 0x6986;
	*f = &c->files[i];
	return *offset < (*f)->size ? 0x9000 : 0x6B00;
}

uint16_t card_read_binary(struct sim_card *c, const struct card_apdu *a)
{
	struct card_file *f = NULL;
	size_t offset, n;
	uint16_t sw = locate(c, a, &f, &offset);

	if (sw != 0x9000)
		return sw;
	if (f->pin_read && !c->verified)
		return 0x6982;
	if (a->ne == 0 || a->nc > 0)
		return 0x6700;
	n = f->size - offset < a->ne ? f->size - offset : a->ne;
	memcpy(c->ans.data, f->data + offset, n);
	c->ans.end = n;
	return 0x9000;
}

uint16_t card_update_binary(struct sim_card *c, const struct card_apdu *a)
{
	struct card_file *f = NULL;
	size_t offset;
	uint16_t sw = locate(c, a, &f, &offset);

	if (sw != 0x9000)
		return sw;
	if (f->pin_update && !c->verified)
		return 0x6982;
	if (a->nc == 0)
		return 0x6700;
	if (a->nc > f->size - offset)
		return 0x6A84;
	memcpy(f->data + offset, a->data, a->nc);
	return 0x9000;
}

/* Reads a PIN of any of the forms into digits; 0: no PIN. ISO 9564-1 format 2: 2L, BCD, F. */
static size_t digits(const uint8_t *in, size_t len, uint8_t out[13])
{
	size_t n = in[0] & 0x0F;

	memset(out, 0, 13);
	if (len == 8 && in[0] >> 4 == 2 && n >= 4 && n <= 12) {
		for (size_t i = 0; i < n; i++)
			out[i] = (uint8_t)('0' + (in[1 + i / 2] >> (i & 1 ? 0 : 4) & 0x0F));
	} else {
		while (len > 0 && (in[len - 1] == 0xFF || in[len - 1] == 0x00))
			len--;
		if (len > 12)
			return 0;
		memcpy(out, in, len);
		n = len;
	}
	for (size_t i = 0; i < n; i++)
		if (out[i] < '0' || out[i] > '9')
			return 0;
	return n;
}

static uint16_t check_pin(struct sim_card *c, const uint8_t *in, size_t len)
{
	uint8_t pin[13];

	if (c->tries_left == 0)
		return 0x6983;
	if (digits(in, len, pin) != c->pin_len || memcmp(pin, c->pin, c->pin_len) != 0) {
		c->verified = false;
		c->tries_left--;
		return (uint16_t)(0x63C0 | c->tries_left);
	}
	c->tries_left = c->cfg.tries;
	return 0x9000;
}

uint16_t card_verify(struct sim_card *c, const struct card_apdu *a)
{
	uint16_t sw;

	if (a->p1 != 0)
		return 0x6A86;
	if (a->nc == 0 && c->tries_left == 0)
		return 0x6983;
	if (a->nc == 0)
		return c->verified ? 0x9000 : (uint16_t)(0x63C0 | c->tries_left);
	sw = check_pin(c, a->data, a->nc);
	c->verified = sw == 0x9000;
	return sw;
}

uint16_t card_change_pin(struct sim_card *c, const struct card_apdu *a)
{
	size_t old = a->p1 == 0 ? a->nc / 2 : 0, n;
	uint8_t pin[13];
	uint16_t sw;

	if (a->p1 > 1)
		return 0x6A86;
	if (a->nc == 0 || (a->p1 == 0 && (a->nc & 1)))
		return 0x6700;
	if (a->p1 == 1 && !c->verified)
		return 0x6982;
	if (a->p1 == 0) {
		sw = check_pin(c, a->data, old);
		if (sw != 0x9000)
			return sw;
	}
	n = digits(a->data + old, a->nc - old, pin);
	if (n < 4)
		return 0x6A80;
	memcpy(c->pin, pin, sizeof c->pin);
	c->pin_len = (unsigned)n;
	return 0x9000;
}
