/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A card whose commands are run elsewhere: by another program, or a card in another reader. Such a card knows APDUs
 * and its ATR; T=0, T=1 and PPS around them are this model's. Its answers take their time, so an exchange may have to
 * be done twice: the first one begins the command, and is undone; the second one finds the answer. */
#include "sim/model/card.h"

#include <stdlib.h>
#include <string.h>

/* Properties of the commands of ISO 7816-4 that T=0 does not show. */
static const struct {
	uint8_t ins;
	enum card_dir dir;
	bool answers;		/* data come back for data: case 4 */
} known[] = {
	{ 0x04, DIR_IN, false }, { 0x0E, DIR_IN, false }, { 0x10, DIR_IN, true }, { 0x12, DIR_OUT, false },
	{ 0x14, DIR_IN, false }, { 0x20, DIR_IN, false }, { 0x22, DIR_IN, false }, { 0x24, DIR_IN, false },
	{ 0x26, DIR_IN, false }, { 0x28, DIR_IN, false }, { 0x2A, DIR_IN, true }, { 0x2C, DIR_IN, false },
	{ 0x44, DIR_IN, false }, { 0x46, DIR_IN, true }, { 0x47, DIR_IN, true }, { 0x70, DIR_OUT, false },
	{ 0x82, DIR_IN, false }, { 0x84, DIR_OUT, false }, { 0x86, DIR_IN, true }, { 0x87, DIR_IN, true },
	{ 0x88, DIR_IN, true }, { 0xA2, DIR_IN, true }, { 0xA4, DIR_IN, true }, { 0xB0, DIR_OUT, false },
	{ 0xB1, DIR_IN, true }, { 0xB2, DIR_OUT, false }, { 0xB3, DIR_IN, true }, { 0xC0, DIR_OUT, false },
	{ 0xC2, DIR_IN, true }, { 0xCA, DIR_OUT, false }, { 0xCB, DIR_IN, true }, { 0xD0, DIR_IN, false },
	{ 0xD2, DIR_IN, false }, { 0xD6, DIR_IN, false }, { 0xDA, DIR_IN, false }, { 0xDB, DIR_IN, false },
	{ 0xDC, DIR_IN, false }, { 0xE0, DIR_IN, false }, { 0xE2, DIR_IN, false }, { 0xE4, DIR_IN, false },
	{ 0xE6, DIR_IN, false }, { 0xF1, DIR_OUT, false }, { 0xF2, DIR_OUT, false },
};

enum { N_KNOWN = sizeof known / sizeof known[0] };

enum card_dir card_foreign_direction(uint8_t ins)
{
	for (unsigned i = 0; i < N_KNOWN; i++)
		if (known[i].ins == ins)
			return known[i].dir;
	return DIR_UNKNOWN;
}

static bool answers(const struct card_apdu *a)
{
	if (a->ins == 0xA4 && (a->p2 & 0x0C) == 0x0C)
		return false;
	for (unsigned i = 0; i < N_KNOWN; i++)
		if (known[i].ins == a->ins)
			return known[i].answers;
	return false;
}

void sim_card_set_foreign(struct sim_card *c, const struct sim_foreign *f, void *user)
{
	c->foreign = f;
	c->foreign_user = user;
}

bool sim_card_is_foreign(const struct sim_card *c)
{
	return c->foreign != NULL;
}

enum sim_foreign_result sim_card_foreign_state(const struct sim_card *c)
{
	return c->foreign_state;
}

bool sim_card_foreign_works(const struct sim_card *c)
{
	return c->foreign->working(c->foreign_user);
}

struct sim_card *sim_card_save(const struct sim_card *c)
{
	struct sim_card *s = malloc(sizeof *s);

	if (s == NULL)
		abort();
	*s = *c;
	return s;
}

void sim_card_undo(struct sim_card *c, const struct sim_card *saved)
{
	*c = *saved;
	c->foreign_state = SIM_FOREIGN_DONE;
	c->foreign_again = true;
}

/* The foreign card's answer; 0: none (yet). */
static size_t ask(struct sim_card *c, const uint8_t *in, size_t len, uint8_t *out)
{
	bool again = c->foreign_again;
	size_t n = 0;

	c->foreign_again = false;
	c->work = 0;
	c->foreign_state = c->foreign->apdu(c->foreign_user, in, len, again, out, &n);
	if (c->foreign_state == SIM_FOREIGN_DONE && n < 2)
		c->foreign_state = SIM_FOREIGN_MUTE;
	return c->foreign_state == SIM_FOREIGN_DONE ? n : 0;
}

size_t card_foreign_whole(struct sim_card *c, const uint8_t *in, size_t len, uint8_t *out)
{
	return ask(c, in, len, out);
}

/* The data behind the header and the length fields; the interface bytes are passed over. */
static void historical(struct card_config *cfg, const uint8_t *atr, size_t len)
{
	size_t i = 2, k = len > 1 ? atr[1] & 0x0F : 0;
	unsigned y = len > 1 ? atr[1] >> 4 : 0;

	while (y != 0) {
		i += (y & 1) + (y >> 1 & 1) + (y >> 2 & 1);
		y = y & 8 && i < len ? atr[i++] >> 4 : 0;
	}
	if (i + k > len)
		k = i < len ? len - i : 0;
	memcpy(cfg->hist, atr + (k > 0 ? i : 0), k);
	cfg->hist_len = k;
}

bool card_foreign_reset(struct sim_card *c, bool warm)
{
	bool again = c->foreign_again;
	uint8_t atr[64];
	size_t len = 0;

	c->foreign_again = false;
	c->foreign_state = c->foreign->reset(c->foreign_user, warm, again, atr, &len);
	if (c->foreign_state != SIM_FOREIGN_DONE)
		return false;
	if (c->cfg.own_atr) {
		historical(&c->cfg, atr, len);
		card_atr_build(&c->cfg);
	} else {
		memcpy(c->cfg.atr, atr, len);
		c->cfg.atr_len = len;
	}
	card_atr_parse(c->cfg.atr, c->cfg.atr_len, &c->atr);
	return true;
}

/* A T=0 command sent again with the length from 6Cxx: the answer is there. */
static bool same_again(const struct sim_card *c, const struct card_apdu *a, const uint8_t *head)
{
	return memcmp(head, c->foreign_head, 4) == 0 && a->nc == 0 && a->ne == c->ans.end - c->ans.pos;
}

void card_foreign_t0(struct sim_card *c, const struct card_apdu *a)
{
	uint8_t apdu[5 + 255 + 1] = { a->cla, a->ins, a->p1, a->p2 };
	struct card_answer *ans = &c->ans;
	bool rest = ans->pos < ans->end;
	size_t n = 4;

	if (rest && (a->ins == 0xC0 || same_again(c, a, apdu)))
		return;
	memcpy(c->foreign_head, apdu, sizeof c->foreign_head);
	if (a->nc > 0) {
		apdu[n++] = (uint8_t)a->nc;
		memcpy(apdu + n, a->data, a->nc);
		n += a->nc;
	}
	if (a->ne > 0)
		apdu[n++] = (uint8_t)a->ne;
	else if (a->nc > 0 && answers(a))
		apdu[n++] = 0;
	ans->pos = 0;
	ans->exact = false;
	ans->end = ask(c, apdu, n, ans->data);
	if (ans->end < 2)
		return;
	ans->end -= 2;
	ans->sw = (uint16_t)(ans->data[ans->end] << 8 | ans->data[ans->end + 1]);
}
