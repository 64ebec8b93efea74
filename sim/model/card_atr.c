/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim/model/card.h"

#include <string.h>

enum { HAS_TA = 0x10, HAS_TB = 0x20, HAS_TC = 0x40, HAS_TD = 0x80 };

/* ISO 7816-3 §8.2: T0, interface bytes, historical bytes, TCK. */
void card_atr_build(struct card_config *cfg)
{
	bool t1 = cfg->protocols & 2;
	unsigned first = cfg->protocols & 1 ? 0 : 1;
	bool td1 = t1 || cfg->ta2 <= 0xFF || cfg->wi <= 0xFF;
	uint8_t *p = cfg->atr, tck = 0;

	if (cfg->atr_given)
		return;
	*p++ = cfg->inverse ? 0x3F : 0x3B;
	*p++ = (uint8_t)(HAS_TA | (cfg->tc1 <= 0xFF ? HAS_TC : 0) | (td1 ? HAS_TD : 0) |
			 cfg->hist_len);
	*p++ = (uint8_t)cfg->ta1;
	if (cfg->tc1 <= 0xFF)
		*p++ = (uint8_t)cfg->tc1;
	if (td1) {
		*p++ = (uint8_t)((cfg->ta2 <= 0xFF ? HAS_TA : 0) | (cfg->wi <= 0xFF ? HAS_TC : 0) |
				 (t1 ? HAS_TD : 0) | first);
		if (cfg->ta2 <= 0xFF)
			*p++ = (uint8_t)cfg->ta2;
		if (cfg->wi <= 0xFF)
			*p++ = (uint8_t)cfg->wi;
	}
	if (t1) {
		*p++ = (uint8_t)(HAS_TA | HAS_TB | (cfg->crc ? HAS_TC : 0) | 1);
		*p++ = (uint8_t)cfg->ifsc;
		*p++ = (uint8_t)(cfg->bwi << 4 | cfg->cwi);
		if (cfg->crc)
			*p++ = 1;
	}
	memcpy(p, cfg->hist, cfg->hist_len);
	p += cfg->hist_len;
	if (t1) {
		for (const uint8_t *q = cfg->atr + 1; q < p; q++)
			tck ^= *q;
		*p++ = tck;
	}
	cfg->atr_len = (size_t)(p - cfg->atr);
}

struct atr_reader {
	const uint8_t *p;
	size_t left;
};

/* The next byte when its bit is set in y and it is there; dflt otherwise. */
static unsigned atr_next_byte(struct atr_reader *r, unsigned y, unsigned bit, unsigned dflt)
{
	if (!(y & bit) || r->left == 0)
		return dflt;
	r->left--;
	return *r->p++;
}

/* The card's own view of its ATR; one given by hand may be nonsense, then the defaults stand. The
 * first TA, TB, TC for T=1 are those behind a TD that says T=1, from TA3 on (§11.4). */
void card_atr_parse(const uint8_t *atr, size_t len, struct card_atr *a)
{
	struct atr_reader r = { atr, len };
	unsigned y, protocol = 0, td, ta, tb, tc;
	bool have_t1 = false;

	*a = (struct card_atr){ .ta1 = 0x11, .wi = 10, .ifsc = 32, .bwi = 4 };
	atr_next_byte(&r, 1, 1, 0);
	y = atr_next_byte(&r, 1, 1, 0) & 0xF0;
	for (unsigned i = 1; y != 0; i++) {
		ta = atr_next_byte(&r, y, HAS_TA, 0x100);
		tb = atr_next_byte(&r, y, HAS_TB, 0x100);
		tc = atr_next_byte(&r, y, HAS_TC, 0x100);
		td = atr_next_byte(&r, y, HAS_TD, 0x100);
		if (i == 1 && ta <= 0xFF)
			a->ta1 = (uint8_t)ta;
		if (i == 2 && ta <= 0xFF) {
			a->specific = true;
			a->first = ta & 0x0F;
		}
		if (i == 2 && tc <= 0xFF)
			a->wi = tc;
		if (i > 2 && protocol == 1 && !have_t1) {
			have_t1 = true;
			a->ifsc = ta >= 1 && ta <= 254 ? ta : 32;
			a->bwi = tb <= 0xFF ? tb >> 4 : 4;
			a->crc = tc <= 0xFF && (tc & 1);
		}
		y = 0;
		if (td > 0xFF)
			continue;
		protocol = td & 0x0F;
		if (protocol <= 1)
			a->protocols |= 1u << protocol;
		if (i == 1 && !a->specific)
			a->first = protocol;
		y = td & 0xF0;
	}
	if (a->protocols == 0)
		a->protocols = 1;
	if (a->first > 1)
		a->first = 0;
}

size_t card_atr_send(struct sim_card *c)
{
	const struct card_fault *f = card_fault_due(c, STAGE_ATR, KIND_ANY);
	size_t len = c->cfg.atr_len, cap = sizeof c->atr_out;

	memcpy(c->atr_out, c->cfg.atr, cap);
	if (f == NULL)
		return len;
	switch (f->def->id) {
	case FAULT_ATR_CLAIMS:	/* T0 announces everything; TS and T0 are all that comes */
		c->atr_out[0] = 0x3B;
		c->atr_out[1] = 0xFF;
		return 2;
	case FAULT_ATR_EMPTY:
		return 0;
	case FAULT_ATR_LONG:
		memset(c->atr_out + len, 0x5A, cap - len);
		return f->value < cap ? f->value : cap;
	case FAULT_ATR_TS:
		c->atr_out[0] = (uint8_t)f->value;
		return len;
	case FAULT_ATR_CUT:
		return len > f->value ? len - f->value : 1;
	default:		/* FAULT_ATR_TDS: each TD announces only the next one */
		memset(c->atr_out, 0x80, cap);
		c->atr_out[0] = 0x3B;
		return f->value < cap ? f->value : cap;
	}
}
