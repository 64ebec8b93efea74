/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The answers of PC/SC to this user. No reader is connected to, so no card is touched. */
#include "tools/doctor.h"

#include "tools/pcsc.h"
#include "tools/tame.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define ANSWER_SECONDS 10

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
	     name += strlen(name) + 1)
		snprintf(out->reader[out->n++].name, sizeof out->reader[0].name, "%.127s", name);
	take_states(&p, context, out);
	p.release_context(context);
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
	if (p->rv == SCARD_S_SUCCESS)
		return doctor_say(d, WELL, "%u reader%s in its list", p->n, p->n == 1 ? "" : "s");
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

static bool is_name_of(const struct doctor *d, const struct doctor_device *device,
		       const char *shown)
{
	size_t n = strlen(d->by_class.name);

	if (device->bundle)
		return bundle_names(device->bundle, device->usb.vendor, device->usb.product, shown);
	return n && strncmp(shown, d->by_class.name, n) == 0 && shown[n] == ' ';
}

/* The name as it is told: the serial number, which pcscd puts in brackets, is private. */
static const char *told(char out[128], const char *shown)
{
	const char *open = strstr(shown, " ("), *close = open ? strchr(open, ')') : NULL;

	if (close)
		snprintf(out, 128, "%.*s%s", (int)(open - shown), shown, close + 1);
	else
		snprintf(out, 128, "%s", shown);
	tame_text(out);
	return out;
}

/* How many readers of the bus may have that name. */
static unsigned same_name(const struct doctor *d, const char *shown)
{
	unsigned n = 0;

	for (unsigned i = 0; i < d->n_devices; i++) {
		const struct doctor_device *other = &d->device[i];

		n += other->expected && is_name_of(d, other, shown);
	}
	return n;
}

/* Seconds of pcscd's start since the epoch; 0: not known. */
static unsigned long long started(const struct doctor *d)
{
	char text[4096], *p;
	unsigned long long boot = 0, ticks = 0;
	long hz = 100; /* USER_HZ, on every architecture of today */

	if (system_read(&d->root, text, sizeof text, "/proc/stat") > 0 &&
	    (p = strstr(text, "\nbtime ")))
		boot = strtoull(p + 7, NULL, 10);
	if (!boot || system_read(&d->root, text, sizeof text, "/proc/%ld/stat", d->pcscd.pid) <= 0)
		return 0;
	p = strrchr(text, ')'); /* the name may contain any character */
	for (int field = 2; p && field < 22; field++)
		p = strchr(p + 1, ' ');
	if (p)
		ticks = strtoull(p, NULL, 10);
	return ticks ? boot + ticks / (unsigned long long)hz : 0;
}

/* Three seconds at least: both are rounded, and the clock may have been set in between. */
static bool list_is_newer(const struct doctor *d, const struct doctor_device *device)
{
	char path[SYSTEM_PATH];
	unsigned long long start = d->pcscd.pid ? started(d) : 0;
	struct stat st;

	return start && device->bundle &&
	       system_path(&d->root, path, "%s/%s/Contents/Info.plist", d->drop,
			   device->bundle->name) &&
	       stat(path, &st) == 0 && (unsigned long long)st.st_mtime > start + 3;
}

enum doctor_verdict doctor_shown(struct doctor *d, struct doctor_device *device)
{
	const char *first = NULL;
	char name[128];
	unsigned n = 0;

	if (d->pcsc.how != PCSC_ANSWERED)
		return SKIPPED;
	for (unsigned i = 0; i < d->pcsc.n; i++) {
		if (is_name_of(d, device, d->pcsc.reader[i].name)) {
			first = first ? first : d->pcsc.reader[i].name;
			n++;
		}
	}
	if (first && (device->held || n >= same_name(d, first)))
		return doctor_say(d, WELL, "as \"%s\"", told(name, first));
	if (list_is_newer(d, device)) {
		doctor_cure(d, "sudo systemctl restart pcscd");
		return doctor_say(d, BROKEN, "pcscd was started before the list of %s changed",
				  device->bundle->name);
	}
	if (!device->bundle && !device->held) {
		doctor_cure(d, "sudo pcscd --hotplug (pcscd 2.5.2 and later), or: sudo systemctl "
			       "restart pcscd; more readers than one each need an entry in %s",
			    d->by_class.file);
		return doctor_say(d, BROKEN, "pcscd has not looked for readers since it came");
	}
	doctor_cure(d, "sudo systemctl restart pcscd; if that does not help, read the driver's "
		       "log (journalctl -u pcscd); doc/troubleshooting.md explains its lines");
	return doctor_say(d, BROKEN, "pcscd does not show it%s; the driver could not open it",
			  n ? ", but others of that name" : "");
}

static const char *card_voltages(const struct doctor_device *device)
{
	static const char *const texts[] = { "none it tells", "5 V",	      "3 V",
					    "5 and 3 V",     "1.8 V",	      "5 and 1.8 V",
					    "3 and 1.8 V",   "5, 3 and 1.8 V"};

	return texts[device->usb.face[0].desc.bVoltageSupport & 7];
}

enum doctor_verdict doctor_card(struct doctor *d, struct doctor_device *device)
{
	unsigned cards = 0;
	char name[128];

	if (d->pcsc.how != PCSC_ANSWERED)
		return SKIPPED;
	for (unsigned i = 0; i < d->pcsc.n; i++) {
		if (!is_name_of(d, device, d->pcsc.reader[i].name))
			continue;
		if (d->pcsc.reader[i].state & SCARD_STATE_MUTE) {
			doctor_cure(d, "turn it, clean its contacts, try another card; another "
				       "voltage first: 0x10, 0x20 or "
				       "0x30 in ifdDriverOptions, libccid(5)");
			return doctor_say(
				d, BROKEN,
				"the card in \"%s\" does not answer (voltages of the reader: "
				"%s)",
				told(name, d->pcsc.reader[i].name), card_voltages(device));
		}
		cards += (d->pcsc.reader[i].state & SCARD_STATE_PRESENT) != 0;
	}
	return doctor_say(d, WELL, cards ? "%u card%s" : "no card is in it", cards,
			  cards == 1 ? "" : "s");
}
