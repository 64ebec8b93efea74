/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim/model/card.h"

/* ISO 7816-3 §9: PPSS FF, PPS0, [PPS1], [PPS2], [PPS3], PCK. */
enum { PPS0_PPS1 = 0x10, PPS0_PPS2 = 0x20, PPS0_PPS3 = 0x40, PPS0_RFU = 0x80 };

bool sim_card_pps_possible(const struct sim_card *c)
{
	return c->powered && !c->talked && !c->atr.specific;
}

/* Table 7 and 8 of §8.3; 0 for values reserved. */
static const unsigned short fi_table[16] = {
	372, 372, 558, 744, 1116, 1488, 1860, 0, 0, 512, 768, 1024, 1536, 2048, 0, 0
};
static const unsigned char di_table[16] = { 0, 1, 2, 4, 8, 16, 32, 64, 12, 20, 0, 0, 0, 0, 0, 0 };

/* Any speed between the default one and that of TA1 is agreed to (§9.3). */
static bool speed_agreed(uint8_t ta1, uint8_t pps1)
{
	unsigned fi = fi_table[pps1 >> 4], di = di_table[pps1 & 15];
	unsigned max_fi = fi_table[ta1 >> 4], max_di = di_table[ta1 & 15];

	if (fi == 0 || di == 0)
		return false;
	if (pps1 == ta1 || pps1 == 0x11)
		return true;
	if (max_fi == 0 || max_di == 0)
		return false;
	return di * max_fi <= max_di * fi && di * 372u >= fi;
}

/* The fault of the request, or NULL. */
static const char *judge(const struct sim_card *c, const uint8_t *in, size_t len)
{
	uint8_t pck = 0;
	size_t n = 3;

	if (!c->powered)
		return "PPS: card without power";
	if (c->atr.specific)
		return "PPS: the card is in specific mode (TA2)";
	if (c->talked)
		return "PPS: not the first thing after the ATR";
	if (len < 3 || in[0] != 0xFF)
		return "PPS: no PPS request";
	for (size_t i = 0; i < len; i++)
		pck ^= in[i];
	n += !!(in[1] & PPS0_PPS1) + !!(in[1] & PPS0_PPS2) + !!(in[1] & PPS0_PPS3);
	if (len != n)
		return "PPS: length does not fit PPS0";
	if (pck != 0)
		return "PPS: wrong PCK";
	if (in[1] & PPS0_RFU)
		return "PPS: reserved bit of PPS0";
	if ((in[1] & 0x0F) > 1 || !(c->atr.protocols & 1u << (in[1] & 0x0F)))
		return "PPS: protocol that the ATR does not offer";
	return NULL;
}

/* Applies a fault to the good answer at out; returns the length, or SIM_CARD_MUTE. */
static int spoil(const struct card_fault *f, uint8_t *out, size_t len)
{
	switch (f->def->id) {
	case FAULT_PPS_PPS1:
		if (out[1] & PPS0_PPS1) {
			out[2] ^= 0x03;
			out[len - 1] ^= 0x03;
		}
		return (int)len;
	case FAULT_PPS_PCK:
		out[len - 1] ^= 0x55;
		return (int)len;
	case FAULT_PPS_PROTOCOL:
		out[1] ^= 1;
		out[len - 1] ^= 1;
		return (int)len;
	case FAULT_PPS_PPSS:
		out[0] ^= 0xC0;
		out[len - 1] ^= 0xC0;
		return (int)len;
	case FAULT_PPS_SHORT:
		return 2;
	case FAULT_PPS_EMPTY:
		return 0;
	case FAULT_PPS_SILENT:
		return SIM_CARD_MUTE;
	default:
		return (int)len;
	}
}

int sim_card_pps(struct sim_card *c, const uint8_t *in, size_t len, uint8_t *out, size_t *out_len)
{
	const char *wrong = judge(c, in, len);
	const struct card_fault *f;
	bool pps1;
	size_t n = 0;
	int rc;

	*out_len = 0;
	if (wrong != NULL) {
		card_complain(c, "%s", wrong);
		return SIM_CARD_MUTE;
	}
	f = card_fault_due(c, STAGE_PPS, KIND_ANY);
	pps1 = in[1] & PPS0_PPS1 && speed_agreed(c->atr.ta1, in[2]) &&
		!(f != NULL && f->def->id == FAULT_PPS_NO_PPS1);
	out[n++] = 0xFF;
	out[n++] = (uint8_t)((in[1] & 0x0F) | (pps1 ? PPS0_PPS1 : 0));
	if (pps1)
		out[n++] = in[2];
	out[n] = 0;
	for (size_t i = 0; i < n; i++)
		out[n] ^= out[i];
	n++;
	c->talked = true;
	if (f == NULL || f->def->id == FAULT_PPS_NO_PPS1) {
		c->protocol = in[1] & 0x0F;
		c->fidi = pps1 ? in[2] : 0x11;
	} else {
		rc = spoil(f, out, n);
		if (rc < 0)
			return rc;
		n = (size_t)rc;
	}
	*out_len = n;
	return SIM_CARD_OK;
}
