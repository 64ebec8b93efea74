/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/atr.h"

#include "util/buf.h"

#include <string.h>

#define DEFAULT_TA1 0x11
#define DEFAULT_WI 10
#define DEFAULT_IFSC 32
#define MAX_IFSC 254
#define DEFAULT_BWI 4
#define DEFAULT_CWI 13
#define T_GLOBAL 15

/* State of the walk over the interface bytes. Only the first byte of a kind counts
 * for T=1 and T=15 (§11.4, §8.3), hence the flags. */
struct walk {
	struct atr *atr;
	struct rbuf r;
	unsigned named;		/* bit T set: some TD says T, 15 included */
	bool seen_ifsc, seen_waiting, seen_edc, seen_clock;
};

static void set_defaults(struct atr *atr)
{
	memset(atr, 0, sizeof *atr);
	atr->TA1 = DEFAULT_TA1;
	atr->WI = DEFAULT_WI;
	atr->IFSC = DEFAULT_IFSC;
	atr->BWI = DEFAULT_BWI;
	atr->CWI = DEFAULT_CWI;
}

/* One interface byte, if announced and there. */
static bool atr_take(struct rbuf *r, bool announced, uint8_t *v)
{
	if (!announced)
		return false;
	*v = rbuf_u8(r);
	return !r->bad;
}

/* §11.4.2: 00 and FF are reserved; 00 says nothing, FF is seen where FE is meant. */
static uint8_t usable_ifsc(uint8_t TA)
{
	if (TA == 0)
		return DEFAULT_IFSC;
	return TA > MAX_IFSC ? MAX_IFSC : TA;
}

/* TA1 to TC2: §8.3, §10.2. TB1 and TB2 (programming voltage) are deprecated. */
static void decode_first_two(struct atr *atr, unsigned group, const struct atr_level *g)
{
	if (group == 1) {
		if (g->has_a)
			atr->TA1 = g->TA;
		if (g->has_c)
			atr->TC1 = g->TC;
		return;
	}
	if (g->has_a) {
		atr->specific = true;
		atr->TA2 = g->TA;
	}
	if (g->has_c && g->TC != 0)
		atr->WI = g->TC;
}

/* §11.4: IFSC in the first TA for T=1, waiting times in the first TB, check in the first TC. */
static void decode_t1(struct walk *w, const struct atr_level *g)
{
	struct atr *atr = w->atr;

	atr->has_t1 |= g->has_a || g->has_b || g->has_c;
	if (g->has_a && !w->seen_ifsc) {
		w->seen_ifsc = true;
		atr->IFSC = usable_ifsc(g->TA);
	}
	if (g->has_b && !w->seen_waiting) {
		w->seen_waiting = true;
		atr->BWI = g->TB >> 4;
		atr->CWI = g->TB & 0x0F;
	}
	if (g->has_c && !w->seen_edc) {
		w->seen_edc = true;
		atr->t1_crc = g->TC & 0x01;
	}
}

/* §8.3: the first TA for T=15 tells clock stop and classes of operating conditions. */
static void decode_t15(struct walk *w, const struct atr_level *g)
{
	if (!g->has_a || w->seen_clock)
		return;
	w->seen_clock = true;
	w->atr->has_t15 = true;
	w->atr->clock_stop = g->TA >> 6;
	w->atr->classes = g->TA & 0x3F;
}

/* T is that of the TD before the group. The bytes of the first two groups
 * mean the same whatever it is (§8.2.3). */
static void decode_group(struct walk *w, unsigned group, unsigned T, const struct atr_level *g)
{
	if (group <= 2)
		decode_first_two(w->atr, group, g);
	else if (T == 1)
		decode_t1(w, g);
	else if (T == T_GLOBAL)
		decode_t15(w, g);
}

/* Y announces the bytes of the first group, the TD of each group those of the next. */
static void read_groups(struct walk *w, unsigned Y)
{
	struct atr *atr = w->atr;
	unsigned T = 0;

	for (unsigned group = 1; Y != 0 && w->r.left > 0; group++) {
		struct atr_level g = { 0 };

		g.has_a = atr_take(&w->r, Y & 1, &g.TA);
		g.has_b = atr_take(&w->r, Y & 2, &g.TB);
		g.has_c = atr_take(&w->r, Y & 4, &g.TC);
		g.has_d = atr_take(&w->r, Y & 8, &g.TD);
		if (atr->n_levels < ATR_MAX_LEVELS)
			atr->level[atr->n_levels++] = g;
		decode_group(w, group, T, &g);
		Y = g.has_d ? g.TD >> 4 : 0;
		if (!g.has_d)
			break;
		T = g.TD & 0x0F;
		w->named |= 1u << T;
		if (group == 1 && T != T_GLOBAL)
			atr->first_protocol = (uint8_t)T;
	}
	if (Y != 0)
		w->r.bad = true;
}

/* §8.2.5: the exclusive-or of all bytes from T0 to TCK is null. */
static bool tck_is_wrong(const struct atr *atr, const uint8_t *tck)
{
	uint8_t sum = 0;

	for (const uint8_t *p = atr->raw + 1; p <= tck; p++)
		sum ^= *p;
	return sum != 0;
}

/* Historical bytes, and TCK unless T=0 alone is named (§8.2.4, §8.2.5). */
static void read_tail(struct walk *w, size_t K)
{
	struct atr *atr = w->atr;
	struct rbuf *r = &w->r;
	const uint8_t *tck;

	atr->historical_len = (uint8_t)(K < r->left ? K : r->left);
	atr->truncated = r->bad || K > r->left;
	atr->historical = rbuf_bytes(r, atr->historical_len);
	if (atr->truncated || (w->named & ~1u) == 0)
		return;
	tck = rbuf_bytes(r, 1);
	atr->truncated = !tck;
	atr->has_tck = tck;
	atr->tck_wrong = tck && tck_is_wrong(atr, tck);
}

enum ccid_err atr_parse(struct atr *atr, const uint8_t *p, size_t len)
{
	struct walk w = { .atr = atr };
	uint8_t T0;

	set_defaults(atr);
	if (len < 2 || (p[0] != 0x3B && p[0] != 0x3F))
		return CCID_ERR_PROTOCOL;
	atr->len = (uint8_t)(len < ATR_MAX ? len : ATR_MAX);
	memcpy(atr->raw, p, atr->len);
	atr->inverse = p[0] == 0x3F;

	T0 = p[1];
	w.r = rbuf_of(atr->raw + 2, atr->len - 2u);
	read_groups(&w, T0 >> 4);
	read_tail(&w, T0 & 0x0F);

	atr->protocols = w.named & 0x7FFF;
	if (atr->protocols == 0)
		atr->protocols = 1;
	return CCID_OK;
}
