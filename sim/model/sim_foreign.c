/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Slots whose card is run elsewhere (sim_card.h: struct sim_foreign). A command that such a card has not
 * answered yet leaves no trace, and is done again when the card is ready; meanwhile the reader asks for time. */
#include "sim/model/sim_dev_priv.h"

#include <stdlib.h>
#include <string.h>

#define LOOK_EVERY SIM_MS
#define EXTEND_EVERY (500 * SIM_MS)

bool sim_attempt_undone(const struct sim_iface *f, unsigned slot)
{
	const struct sim_card *card = slot < f->n_slots ? f->slot[slot].card : NULL;

	return card && sim_card_foreign_state(card) == SIM_FOREIGN_WORKING;
}

void sim_attempt_begin(struct sim_iface *f, unsigned slot, struct sim_attempt *a)
{
	struct sim_slot *s = &f->slot[slot];

	memset(a, 0, sizeof *a);
	if (!s->card || !sim_card_is_foreign(s->card))
		return;
	a->saved = sim_card_save(s->card);
	a->in_len = s->in_len;
	a->chain_in = s->chain_in;
	a->iccd = f->iccd;
}

struct sim_event *sim_attempt_end(struct sim_iface *f, unsigned slot, struct sim_attempt *a,
				  void (*fire)(struct sim_dev *d, struct sim_event *e))
{
	struct sim_slot *s = &f->slot[slot];
	struct sim_event *e = NULL;

	if (!a->saved)
		return NULL;
	if (sim_attempt_undone(f, slot)) {
		sim_card_undo(s->card, a->saved);
		s->in_len = a->in_len;
		s->chain_in = a->chain_in;
		f->iccd = a->iccd;
		s->extended_at = f->d->now;
		e = sim_at(f->d, f->d->now + LOOK_EVERY, fire);
		e->f = f;
		e->slot = slot;
	}
	free(a->saved);
	return e;
}

bool sim_attempt_again(struct sim_dev *d, struct sim_event *e)
{
	struct sim_slot *s = &e->f->slot[e->slot];
	struct sim_event *next;

	if (!s->card || !sim_card_is_foreign(s->card) || !sim_card_foreign_works(s->card))
		return false;
	if (d->now - s->extended_at >= EXTEND_EVERY && e->f->conf->protocol == SIM_CCID) {
		s->extended_at = d->now;
		sim_extend(e->f, e->slot);
	}
	next = sim_at(d, d->now + LOOK_EVERY, e->fire);
	next->f = e->f;
	next->slot = e->slot;
	next->urb = e->urb;
	next->msg = e->msg;
	return true;
}

/* --- which slots have such a card --- */

/* "[wait=SECONDS] WORD..." behind vpcd:PORT. The card's words are tried: a slip is told at once. */
static bool parse_words(char *text, struct sim_foreign_spec *o, char *err, size_t err_cap)
{
	size_t n = (size_t)snprintf(o->words, sizeof o->words, "%s", "");
	struct sim_card *trial;
	char *word, *save = NULL, *end;
	bool good;

	for (word = strtok_r(text, " \t", &save); word; word = strtok_r(NULL, " \t", &save)) {
		if (strncmp(word, "wait=", 5) == 0) {
			o->wait_s = (unsigned)strtoul(word + 5, &end, 10);
			if (*end || o->wait_s < 1 || o->wait_s > 3600) {
				snprintf(err, err_cap, "wait is 1 to 3600 seconds, not %s", word + 5);
				return false;
			}
			continue;
		}
		n += (size_t)snprintf(o->words + n, sizeof o->words - n, "%s%s", n ? " " : "own-atr ", word);
		if (n >= sizeof o->words) {
			snprintf(err, err_cap, "card: text too long");
			return false;
		}
	}
	trial = sim_card_new(o->words, err, err_cap);
	good = trial != NULL;
	sim_card_free(trial);
	return good;
}

bool sim_foreign_parse(const char *spec, struct sim_foreign_spec *o, char *err, size_t err_cap)
{
	char text[512], *rest;
	unsigned long port;

	*o = (struct sim_foreign_spec){ .wait_s = 15 };
	snprintf(text, sizeof text, "%s", spec + 5);
	if (strncmp(spec, "pcsc:", 5) == 0) {
		sim_copy_text(o->reader, sizeof o->reader, text);
		if (!o->reader[0])
			snprintf(err, err_cap, "pcsc: of which reader?");
		return o->reader[0] != '\0';
	}
	port = strtoul(text, &rest, 10);
	if (rest == text || port < 1 || port > 65535 || !strchr(" \t", *rest)) {
		snprintf(err, err_cap, "vpcd: a port is a number from 1 to 65535, not %.100s", text);
		return false;
	}
	o->port = (unsigned)port;
	return parse_words(rest, o, err, err_cap);
}

static bool is_foreign(const char *spec)
{
	return strncmp(spec, "vpcd:", 5) == 0 || strncmp(spec, "pcsc:", 5) == 0;
}

static struct sim_slot *slot_of(const struct sim_dev *d, unsigned interface, unsigned slot)
{
	if (interface >= d->conf.n_ifaces || slot >= d->iface[interface].n_slots)
		return NULL;
	return &d->iface[interface].slot[slot];
}

int sim_foreign_invite(struct sim_dev *d, struct sim_slot *s, const char *spec, char *err, size_t err_cap)
{
	struct sim_foreign_spec o;

	if (!is_foreign(spec))
		return 0;
	if (!sim_foreign_parse(spec, &o, err, err_cap))
		return -1;
	free(s->foreign);
	s->foreign = sim_dup(spec, strlen(spec) + 1);
	d->foreign_changes++;
	return 1;
}

bool sim_foreign_dismiss(struct sim_dev *d, struct sim_slot *s)
{
	bool was = s->foreign != NULL;

	free(s->foreign);
	s->foreign = NULL;
	d->foreign_changes += was;
	return was;
}

const char *sim_dev_foreign(const struct sim_dev *d, unsigned interface, unsigned slot)
{
	const struct sim_slot *s = slot_of(d, interface, slot);

	return s ? s->foreign : NULL;
}

unsigned sim_dev_foreign_changes(const struct sim_dev *d)
{
	return d->foreign_changes;
}

bool sim_dev_foreign_come(struct sim_dev *d, unsigned interface, unsigned slot, const char *words,
			  const struct sim_foreign *f, void *user, uint64_t now, char *err, size_t err_cap)
{
	struct sim_slot *s = slot_of(d, interface, slot);

	if (!s || !sim_dev_insert(d, interface, slot, words, now, err, err_cap))
		return false;
	sim_card_set_foreign(s->card, f, user);
	return true;
}

void sim_dev_foreign_go(struct sim_dev *d, unsigned interface, unsigned slot, uint64_t now)
{
	struct sim_slot *s = slot_of(d, interface, slot);
	char *keep = s ? s->foreign : NULL;

	if (!keep)
		return;
	s->foreign = NULL;
	sim_dev_remove(d, interface, slot, now);
	s->foreign = keep;
}
