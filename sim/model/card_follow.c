/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A card that takes another one's place: what that one was told and said moves this one. */
#include "sim/model/card.h"

#include <string.h>

enum { PCB = 1, LEN, INF };
enum { S_IFS_RESPONSE = 0xE1, S_RESYNCH_RESPONSE = 0xE0, S_IFS_REQUEST = 0xC1 };

/* ISO 7816-3:2006 §9.3: without PPS1 the speed is the default one. */
static void follow_pps(struct sim_card *c, const uint8_t *out, size_t len)
{
	bool pps1 = len >= 2 && out[1] & 0x10;
	size_t whole = 3u + pps1 + (len >= 2 && out[1] & 0x20) + (len >= 2 && out[1] & 0x40);

	if (len < 3 || len != whole || out[0] != 0xFF)
		return;
	sim_card_set_protocol(c, out[1] & 0x0F, pps1 ? out[2] : 0x11);
	c->talked = true;
}

/* The answer decides: an I-block took the command, and an R-block says which N(S) is next. */
static void follow_block(struct sim_card *c, const uint8_t *in, const uint8_t *out)
{
	struct card_t1 *t = &c->t1;

	t->passed = false;
	if (out[PCB] == S_RESYNCH_RESPONSE) {
		t->ns = t->nr = 0;
		t->ifsd = 32;
	} else if (out[PCB] == S_IFS_RESPONSE) {
		sim_card_set_ifsd(c, out[INF]);
	} else if ((out[PCB] & 0xC0) == 0x80) {
		t->nr = !!(out[PCB] & 0x10);
	} else {
		if (!(in[PCB] & 0x80))
			t->nr = !(in[PCB] & 0x40);
		if (!(out[PCB] & 0x80))
			t->ns = !(out[PCB] & 0x40);
		/* 0 and 255 are reserved (§11.4.2) */
		if (out[PCB] == S_IFS_REQUEST && out[INF] != 0 && out[INF] != 0xFF)
			t->ifsc = out[INF];
	}
}

void sim_card_follow(struct sim_card *c, const uint8_t *in, size_t in_len, const uint8_t *out, size_t out_len)
{
	if (in_len && in[0] == 0xFF && sim_card_pps_possible(c)) {
		follow_pps(c, out, out_len);
		return;
	}
	c->talked = true;
	if (c->protocol == 1 && in_len >= 4 && out_len >= 4 && out[LEN] + 4u + (c->t1.crc != CRC_NONE) == out_len)
		follow_block(c, in, out);
}

bool sim_card_has_atr(const struct sim_card *c, const uint8_t *atr, size_t len)
{
	return c->foreign != NULL || (c->cfg.atr_len == len && memcmp(c->cfg.atr, atr, len) == 0);
}
