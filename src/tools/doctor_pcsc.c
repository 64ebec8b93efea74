/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The answers of PC/SC to this user: its readers, their states, and their places on the bus as
 * ccid-list finds them. No card is connected to. */
#include "tools/doctor.h"

#include "tools/list.h"
#include "tools/pcsc.h"

#include <stdlib.h>
#include <string.h>

#define ANSWER_SECONDS 10
/* A reader is connected to for its place, and waits while another program has a transaction. */
#define PLACE_SECONDS 5

static void take_states(const struct pcsc *p, SCARDCONTEXT context, struct doctor_pcsc *out)
{
	/* One by one: pcscd 1.9 takes sixteen at most. */
	for (unsigned i = 0; i < out->n; i++) {
		SCARD_READERSTATE state = {.szReader = out->reader[i].name};

		if (p->get_status_change(context, 0, &state, 1) == SCARD_S_SUCCESS)
			out->reader[i].state = state.dwEventState;
	}
}

static void ask_pcscd(void *data, void *user)
{
	struct doctor_pcsc *out = data;
	struct pcsc p;
	SCARDCONTEXT context = 0;
	static char names[DOCTOR_READERS * 128 + 1]; /* of a child process */
	DWORD len = sizeof names - 1;

	(void)user;
	out->how = PCSC_NO_LIBRARY;
	if (!pcsc_load(&p, out->rv_text, sizeof out->rv_text))
		return;
	out->how = PCSC_ANSWERED;
	out->rv = p.establish_context(SCARD_SCOPE_SYSTEM, NULL, NULL, &context);
	if (out->rv == SCARD_S_SUCCESS)
		out->rv = p.list_readers(context, NULL, names, &len);
	if (out->rv == SCARD_E_NO_READERS_AVAILABLE) {
		out->rv = SCARD_S_SUCCESS;
		len = 0;
	}
	snprintf(out->rv_text, sizeof out->rv_text, "%s", p.stringify_error(out->rv));
	if (out->rv != SCARD_S_SUCCESS)
		return;
	names[len] = '\0';
	for (const char *name = names; name < names + len && *name && out->n < DOCTOR_READERS;
	     name += strlen(name) + 1) {
		out->reader[out->n].interface = -1;
		snprintf(out->reader[out->n++].name, sizeof out->reader[0].name, "%.127s", name);
	}
	take_states(&p, context, out);
	p.release_context(context);
}

static void ignore_event(void *user, const struct list_row *row, const char *event)
{
	(void)user;
	(void)row;
	(void)event;
}

static void take_place(struct doctor_pcsc *out, const struct list_row *row)
{
	for (unsigned i = 0; i < out->n; i++) {
		if (strcmp(out->reader[i].name, row->name) == 0) {
			memcpy(out->reader[i].port, row->port, sizeof out->reader[i].port);
			out->reader[i].interface = row->interface;
		}
	}
}

static void ask_places(void *data, void *user)
{
	const struct doctor *d = user;
	struct list *l = calloc(1, sizeof *l);
	char why[200];
	LONG rv;

	if (!l)
		return;
	l->root = d->root;
	l->drop = d->drop;
	l->bundles = d->bundles;
	if (pcsc_load(&l->pcsc, why, sizeof why) && list_update(l, ignore_event, NULL, &rv))
		for (unsigned i = 0; i < l->n; i++)
			take_place(data, &l->row[i]);
	list_end(l);
	free(l);
}

/* In a child process of its own: the list of readers is known without it. */
static void find_places(struct doctor *d)
{
	struct doctor_pcsc *placed = malloc(sizeof *placed);

	if (!placed)
		return;
	*placed = d->pcsc;
	if (child_run(ask_places, placed, sizeof *placed, d, PLACE_SECONDS))
		d->pcsc = *placed;
	free(placed);
}

static bool is_refused_access(long rv)
{
	return rv == SCARD_W_SECURITY_VIOLATION;
}

enum doctor_verdict doctor_answer(struct doctor *d, struct doctor_device *unused)
{
	struct doctor_pcsc *p = &d->pcsc;

	(void)unused;
	if (d->root.path[0] && !d->ask)
		return SKIPPED;
	for (unsigned i = 0; i < d->n_devices; i++)
		d->device[i].expected = !d->device[i].broken;
	if (!child_run(ask_pcscd, p, sizeof *p, NULL, ANSWER_SECONDS))
		p->how = PCSC_HANGS;
	if (p->how == PCSC_NO_LIBRARY) {
		doctor_cure(d, "sudo apt install libpcsclite1");
		return doctor_say(d, BROKEN, "the library for programs does not load: %s",
				  p->rv_text);
	}
	if (p->how == PCSC_HANGS) {
		doctor_cure(d, "sudo systemctl restart pcscd");
		return doctor_say(d, BROKEN, "pcscd has not answered within %d seconds",
				  ANSWER_SECONDS);
	}
	if (p->rv == SCARD_S_SUCCESS) {
		if (p->n)
			find_places(d);
		return doctor_say(d, WELL, "%u reader%s in its list", p->n, p->n == 1 ? "" : "s");
	}
	if (is_refused_access(p->rv)) {
		doctor_cure(d, "use the session at the machine itself, or allow it: a rule of "
			       "polkit for the "
			       "actions org.debian.pcsc-lite.access_pcsc and .access_card "
			       "(doc/recipes.md)");
		return doctor_say(d, BROKEN, "polkit does not let you use pcscd: %s", p->rv_text);
	}
	doctor_cure(d,
		    "sudo systemctl restart pcscd.socket pcscd; if that does not help, pcscd and "
		    "libpcsclite1 must be of the same version");
	return doctor_say(d, BROKEN, "pcscd cannot be used: %s (0x%08lX)", p->rv_text,
			  (unsigned long)p->rv & 0xFFFFFFFFul);
}
