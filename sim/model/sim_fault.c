/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Faults by name. "NAME [if=N] [slot=N] [msg=HH] [nth=N] [count=N] [ms=N] [value=N]":
 *	if, slot	only there (interface index, slot)
 *	msg		only for that PC_to_RDR message type, in hexadecimal
 *	nth		begins with the n-th message from now that it could strike (1)
 *	count		strikes so many (1); 0: for ever, until "clear"
 *	ms, value	see the table in sim_fault_kinds.c
 * Words that the table has not are tried on the cards in the slots. */
#include "sim/model/sim_dev_priv.h"

#include <stdlib.h>
#include <string.h>

const char *sim_fault_name(unsigned i)
{
	return i < sim_fault_kind_count ? sim_fault_kinds[i].name : NULL;
}

const char *sim_fault_doc(unsigned i)
{
	return i < sim_fault_kind_count ? sim_fault_kinds[i].doc : NULL;
}

/* --- striking --- */

/* Counts: does t strike this time? */
static bool strikes(struct sim_fault *t, const struct sim_iface *f, int slot, int msg)
{
	if (t->spent || (t->iface >= 0 && (unsigned)t->iface != f->index) ||
	    (t->slot >= 0 && slot >= 0 && t->slot != slot) ||
	    (t->msg >= 0 && msg >= 0 && t->msg != msg))
		return false;
	if (t->nth > 1) {
		t->nth--;
		return false;
	}
	if (t->count && --t->count == 0)
		t->spent = true;
	return true;
}

const struct sim_fault *sim_fault_hits(struct sim_dev *d, const char *name, struct sim_iface *f,
				       int slot)
{
	for (struct sim_fault *t = d->faults; t; t = t->next) {
		if (strcmp(t->kind->name, name) == 0 && strikes(t, f, slot, -1))
			return t;
	}
	return NULL;
}

void sim_fault_answer(struct sim_iface *f, const struct sim_cmd *c, struct sim_msg *m,
		      struct sim_strike *k)
{
	struct sim_strike_at a = { f, c, m, k };

	for (struct sim_fault *t = f->d->faults; t; t = t->next) {
		/* another fault has cut off the place to change */
		if (!t->kind->answer || (t->kind->only && t->kind->only != c->type) || m->len < SIM_HEADER)
			continue;
		if (strikes(t, f, c->slot, c->type))
			t->kind->answer(t, &a);
		else
			continue;
		/* the host may ask the card again after this without a complaint */
		if (c->slot < f->n_slots && f->slot[c->slot].card && c->type != PC_POWER_ON)
			sim_card_lost(f->slot[c->slot].card);
	}
	m->zlp = !f->d->conf.no_zlp && m->len && m->len % f->conf->packet == 0;
}

/* --- arming --- */

static void free_faults(struct sim_dev *d, bool all)
{
	struct sim_fault **p = &d->faults;

	while (*p) {
		struct sim_fault *t = *p;

		if (!all && !t->spent) {
			p = &t->next;
			continue;
		}
		*p = t->next;
		free(t);
	}
}

void sim_faults_clear(struct sim_dev *d)
{
	free_faults(d, true);
	for (unsigned i = 0; i < d->conf.n_ifaces; i++)
		d->iface[i].intr_flood_ns = 0;
	if (d->sane) {
		d->conf = *d->sane;
		free(d->sane);
		d->sane = NULL;
		for (unsigned i = 0; i < d->conf.n_ifaces; i++)
			d->iface[i].n_slots = d->conf.iface[i].bMaxSlotIndex + 1u;
		sim_desc_build(d);
	}
	if (d->desc_fault)
		sim_set_desc_faults(d, 0, 0);
}

static bool set_word(struct sim_fault *t, const char *key, const char *text)
{
	char *end;
	unsigned long v = strtoul(text, &end, strcmp(key, "msg") == 0 ? 16 : 0);

	if (!*text || *end)
		return false;
	if (strcmp(key, "slot") == 0) {
		t->slot = (int)v;
	} else if (strcmp(key, "if") == 0) {
		t->iface = (int)v;
	} else if (strcmp(key, "msg") == 0) {
		t->msg = (int)v;
	} else if (strcmp(key, "nth") == 0) {
		t->nth = (unsigned)v;
	} else if (strcmp(key, "count") == 0) {
		t->count = (unsigned)v;
	} else if (strcmp(key, "ms") == 0) {
		t->ns = (uint64_t)v * SIM_MS;
		t->has_ns = true;
	} else if (strcmp(key, "value") == 0) {
		t->value = (uint32_t)v;
		t->has_value = true;
	} else {
		return false;
	}
	return true;
}

/* The words behind the name. rest, if not NULL, collects those that are not where (if=, slot=). */
static bool parse_words(struct sim_fault *t, char *words, char *rest, size_t cap, char *err,
			size_t err_cap)
{
	char *save = NULL, *w;

	for (w = strtok_r(words, " \t", &save); w; w = strtok_r(NULL, " \t", &save)) {
		char *equals = strchr(w, '=');
		bool where = strncmp(w, "slot=", 5) == 0 || strncmp(w, "if=", 3) == 0;

		if (rest && !where) {
			snprintf(rest + strlen(rest), cap - strlen(rest), " %s", w);
			continue;
		}
		if (equals)
			*equals = '\0';
		if (!equals || !set_word(t, w, equals + 1)) {
			snprintf(err, err_cap, "fault: bad word \"%s\"", w);
			return false;
		}
	}
	return true;
}

static bool card_fault(struct sim_dev *d, const struct sim_fault *t, const char *spec, char *err,
		       size_t err_cap)
{
	bool taken = false;

	snprintf(err, err_cap, "no fault \"%s\", and no card that could know it", spec);
	for (unsigned i = 0; i < d->conf.n_ifaces; i++) {
		for (unsigned j = 0; j < d->iface[i].n_slots; j++) {
			struct sim_card *c = d->iface[i].slot[j].card;

			if (!c || (t->iface >= 0 && (unsigned)t->iface != i) ||
			    (t->slot >= 0 && (unsigned)t->slot != j))
				continue;
			taken |= sim_card_fault(c, spec, err, err_cap);
		}
	}
	return taken;
}

static void fault_now(struct sim_dev *d, const struct sim_fault *t)
{
	for (unsigned i = 0; i < d->conf.n_ifaces; i++) {
		if (t->iface < 0 || (unsigned)t->iface == i)
			t->kind->now(d, t, &d->iface[i]);
	}
}

static const struct sim_fault_kind *find_kind(const char *name)
{
	for (unsigned i = 0; i < sim_fault_kind_count; i++) {
		if (strcmp(sim_fault_kinds[i].name, name) == 0)
			return &sim_fault_kinds[i];
	}
	return NULL;
}

bool sim_dev_fault(struct sim_dev *d, const char *spec, char *err, size_t err_cap)
{
	struct sim_fault t = { .iface = -1, .slot = -1, .msg = -1, .nth = 1, .count = 1 };
	char words[256], name[64], rest[320];
	size_t n;

	spec += strspn(spec, " \t");
	sim_copy_text(words, sizeof words, spec);
	n = strcspn(words, " \t");
	snprintf(name, sizeof name, "%.*s", (int)n, words);
	if (strcmp(name, "clear") == 0) {
		sim_faults_clear(d);
		(void)card_fault(d, &t, "clear", err, err_cap);
		return true;
	}
	t.kind = find_kind(name);
	sim_copy_text(rest, sizeof rest, name);
	if (!parse_words(&t, words + n, t.kind ? NULL : rest, sizeof rest, err, err_cap))
		return false;
	if (!t.kind)
		return card_fault(d, &t, rest, err, err_cap);
	free_faults(d, false);
	if (t.kind->now) {
		fault_now(d, &t);
	} else {
		t.next = d->faults;
		d->faults = sim_dup(&t, sizeof t);
	}
	return true;
}
