/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The model keeps up with what is played, for what it may have to answer: power, parameters, speed and protocol, and
 * the numbers of T=1 blocks. */
#include "sim/model/sim_dev_priv.h"
#include "sim/model/sim_replay.h"

#include <stdio.h>
#include <string.h>

static void power_on(struct sim_iface *f, struct sim_slot *s, const struct replay_answer *a, uint8_t select)
{
	char spec[2 * 64 + 8] = "atr=", why[100];
	size_t n = a->len > SIM_HEADER ? a->len - SIM_HEADER : 0, len;

	if (!n || n > 33 || a->bytes[7] & 0xC0)
		return;
	for (size_t i = 0; i < n; i++)
		snprintf(spec + 4 + 2 * i, 3, "%02X", a->bytes[SIM_HEADER + i]);
	if (s->card && !sim_card_has_atr(s->card, a->bytes + SIM_HEADER, n))
		sim_card_drop(f, s); /* the recording goes on with another card */
	if (!s->card)
		s->card = sim_card_new(spec, why, sizeof why);
	if (s->card)
		(void)sim_slot_on(f, s, select & 3, &len);
}

void sim_replay_keep_up(struct sim_iface *f, const struct replay_item *t)
{
	unsigned slot = t->bytes[5];
	const struct replay_answer *a = NULL;
	struct sim_slot *s;

	for (size_t i = 0; i < t->n_answers && !a; i++)
		if (!t->answer[i].interrupt && t->answer[i].len >= SIM_HEADER)
			a = &t->answer[i];
	if (slot >= f->n_slots || !a)
		return;
	s = &f->slot[slot];
	if (t->bytes[0] == PC_POWER_ON) {
		power_on(f, s, a, t->bytes[7]);
	} else if (t->bytes[0] == PC_POWER_OFF) {
		sim_slot_off(f, s);
	} else if (t->bytes[0] == PC_SET_PARAMETERS && !(a->bytes[7] & 0xC0) && t->len >= SIM_HEADER + 5) {
		s->protocol = t->bytes[7] & 1;
		memcpy(s->params, t->bytes + SIM_HEADER, t->len - SIM_HEADER < 7 ? t->len - SIM_HEADER : 7);
		if (s->card && f->conf->dwFeatures & (SIM_AUTO_PPS | SIM_AUTO_PARAMS))
			sim_card_set_protocol(s->card, s->protocol, s->params[0]);
	}
}

static void append(uint8_t *to, size_t *len, const uint8_t *p, size_t n)
{
	if (n > REPLAY_BLOCK - *len)
		n = REPLAY_BLOCK - *len;
	if (n)
		memcpy(to + *len, p, n);
	*len += n;
}

void sim_replay_heard(struct sim_iface *f, struct replay_heard *h, const uint8_t *command, size_t command_len,
		      const uint8_t *m, size_t len)
{
	struct sim_slot *s = command_len > SIM_HEADER - 1 && command[5] < f->n_slots ? &f->slot[command[5]] : NULL;
	bool escape = s && command[0] == PC_ESCAPE && command_len > SIM_HEADER &&
		      command[SIM_HEADER] == SIM_BLOCK_IN_ESCAPE;
	size_t at = SIM_HEADER + (escape ? 1 : 0);

	if (!s || !s->card || !s->powered || len < at || m[7] & 0xC0 || (command[0] != PC_XFR_BLOCK && !escape))
		return;
	if (!escape && (sim_level(f) == SIM_LEVEL_SHORT || sim_level(f) == SIM_LEVEL_EXTENDED)) {
		if (s->protocol == 1 && sim_escape_blocks(f) && command_len > SIM_HEADER)
			sim_card_t1_passed(s->card, command_len - SIM_HEADER, len - SIM_HEADER);
		return;
	}
	if (command_len > at) {
		h->command_len = h->answer_len = 0;
		append(h->command, &h->command_len, command + at, command_len - at);
	}
	append(h->answer, &h->answer_len, m + at, len - at);
	sim_card_follow(s->card, h->command, h->command_len, h->answer, h->answer_len);
}
