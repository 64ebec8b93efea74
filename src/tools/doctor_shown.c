/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The readers of PC/SC that belong to a device, and the cards in them. A reader belongs to the
 * device at its place; one without a place may belong to each device of its name. */
#include "tools/doctor.h"

#include "tools/pcsc.h"
#include "tools/tame.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

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

/* The readers of PC/SC that are, or may be, of a device. */
struct owned {
	unsigned here;	     /* at its place */
	unsigned faces_here; /* interfaces of it that a reader names */
	unsigned elsewhere;  /* of its name, at the place of another device */
	unsigned loose;	     /* of its name, without a place */
	unsigned want;	     /* readers that are needed at its place */
	unsigned want_loose; /* that the devices of its name need and do not have at their places */
	unsigned devices;    /* that need them */
	unsigned faces;	     /* interfaces that the driver can use */
	const char *first;   /* name of one at its place, else of a loose one */
};

static bool owned_at(const struct doctor *d, unsigned reader, const struct doctor_device *device)
{
	return strcmp(d->pcsc.reader[reader].port, device->usb.port) == 0;
}

static bool is_loose(const struct doctor *d, unsigned reader, const struct doctor_device *device)
{
	return !d->pcsc.reader[reader].port[0] &&
	       is_name_of(d, device, d->pcsc.reader[reader].name);
}

static unsigned count_at(const struct doctor *d, const struct doctor_device *device)
{
	unsigned n = 0;

	for (unsigned i = 0; i < d->pcsc.n; i++)
		n += owned_at(d, i, device);
	return n;
}

/* Whether a reader of PC/SC names this interface as its place. */
static bool is_face_shown(const struct doctor *d, const struct doctor_device *device,
			  const struct bus_face *face)
{
	for (unsigned i = 0; i < d->pcsc.n; i++)
		if (owned_at(d, i, device) &&
		    d->pcsc.reader[i].interface == face->desc.bInterfaceNumber)
			return true;
	return false;
}

/* Each slot of each interface is a reader of PC/SC. */
static unsigned readers_wanted(const struct doctor_device *device)
{
	unsigned n = 0;

	for (unsigned i = 0; i < device->usb.n_faces; i++)
		if (!device->usb.face[i].fault)
			n += device->usb.face[i].desc.bMaxSlotIndex + 1u;
	return n;
}

/* What the devices need of the readers without a place that are called as first. */
static void share_loose(const struct doctor *d, struct owned *o, const char *first)
{
	for (unsigned i = 0; i < d->n_devices; i++) {
		const struct doctor_device *other = &d->device[i];
		unsigned want = readers_wanted(other), here = count_at(d, other);

		if (!other->expected || here >= want || !is_name_of(d, other, first))
			continue;
		o->devices++;
		o->want_loose += want - here;
	}
}

static struct owned owned_by(const struct doctor *d, const struct doctor_device *device)
{
	struct owned o = {.want = readers_wanted(device), .here = count_at(d, device)};
	const char *loose = NULL;

	for (unsigned i = 0; i < device->usb.n_faces; i++) {
		if (device->usb.face[i].fault)
			continue;
		o.faces++;
		o.faces_here += is_face_shown(d, device, &device->usb.face[i]);
	}
	for (unsigned i = 0; i < d->pcsc.n; i++) {
		const char *name = d->pcsc.reader[i].name;

		if (owned_at(d, i, device)) {
			o.first = o.first ? o.first : name;
		} else if (is_loose(d, i, device)) {
			loose = loose ? loose : name;
			o.loose++;
		} else {
			o.elsewhere += is_name_of(d, device, name);
		}
	}
	if (loose)
		share_loose(d, &o, loose);
	o.first = o.first ? o.first : loose;
	return o;
}

/* The interface may have been guessed: as many readers as slots are enough. */
static bool is_whole(const struct owned *o)
{
	return o->here && (o->faces_here >= o->faces || o->here >= o->want);
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

static enum doctor_verdict not_shown(struct doctor *d, const struct doctor_device *device,
				     const struct owned *o)
{
	if (!o->here && list_is_newer(d, device)) {
		doctor_cure(d, "sudo systemctl restart pcscd");
		return doctor_say(d, BROKEN, "pcscd was started before the list of %s changed",
				  device->bundle->name);
	}
	if (!o->here && !device->bundle && !device->held) {
		doctor_cure(d, "sudo pcscd --hotplug (pcscd 2.5.2 and later), or: sudo systemctl "
			       "restart pcscd; more readers than one each need an entry in %s",
			    d->by_class.file);
		return doctor_say(d, BROKEN, "pcscd has not looked for readers since it came");
	}
	doctor_cure(d, "sudo systemctl restart pcscd; if that does not help, read the driver's "
		       "log (journalctl -u pcscd); doc/troubleshooting.md explains its lines");
	if (o->here)
		return doctor_say(d, BROKEN,
				  "pcscd shows %u of its %u interfaces; the driver could not open "
				  "the rest",
				  o->faces_here ? o->faces_here : 1, o->faces);
	return doctor_say(d, BROKEN, "pcscd does not show it%s; the driver could not open it",
			  o->elsewhere ? ", but others of that name" : "");
}

enum doctor_verdict doctor_shown(struct doctor *d, struct doctor_device *device)
{
	struct owned o;
	char name[128];

	if (d->pcsc.how != PCSC_ANSWERED)
		return SKIPPED;
	o = owned_by(d, device);
	if (is_whole(&o) || (o.loose && device->held && o.faces == 1))
		return doctor_say(d, WELL, "as \"%s\"", told(name, o.first));
	if (!o.loose)
		return not_shown(d, device, &o);
	if (o.loose >= o.want_loose)
		return doctor_say(d, WELL, o.devices > 1 ? "as one like \"%s\"" : "as \"%s\"",
				  told(name, o.first));
	doctor_cure(d, "end the programs that use readers, then run ccid-doctor again");
	return doctor_say(d, UNKNOWN,
			  "%u like \"%s\" of %u that should be there: pcscd does not say which is "
			  "where",
			  o.loose, told(name, o.first), o.want_loose);
}

static const char *card_voltages(const struct doctor_device *device)
{
	static const char *const texts[] = { "not stated",  "5 V",	      "3 V",
					    "5 and 3 V",     "1.8 V",	      "5 and 1.8 V",
					    "3 and 1.8 V",   "5, 3 and 1.8 V"};

	return texts[device->usb.face[0].desc.bVoltageSupport & 7];
}

/* A card that does not answer, in a reader of this device or in one that may be another's. */
static enum doctor_verdict card_mute(struct doctor *d, const struct doctor_device *device,
				     const char *shown, bool sure)
{
	char name[128];

	doctor_cure(d, "turn it, clean its contacts, try another card; another voltage first: "
		       "0x10, 0x20 or 0x30 in ifdDriverOptions, libccid(5)");
	return doctor_say(d, sure ? BROKEN : UNKNOWN,
			  "the card in \"%s\"%s does not answer (voltages of the reader: %s)",
			  told(name, shown), sure ? "" : ", which may be another reader,",
			  card_voltages(device));
}

enum doctor_verdict doctor_card(struct doctor *d, struct doctor_device *device)
{
	unsigned cards = 0;
	struct owned o;
	bool all, sure;

	if (d->pcsc.how != PCSC_ANSWERED)
		return SKIPPED;
	o = owned_by(d, device);
	all = !is_whole(&o); /* readers without a place as well */
	sure = o.devices <= 1;
	for (unsigned i = 0; i < d->pcsc.n; i++) {
		bool here = owned_at(d, i, device);

		if (!here && !(all && is_loose(d, i, device)))
			continue;
		if (d->pcsc.reader[i].state & SCARD_STATE_MUTE)
			return card_mute(d, device, d->pcsc.reader[i].name, here || sure);
		cards += (d->pcsc.reader[i].state & SCARD_STATE_PRESENT) != 0;
	}
	if (all && !sure)
		return doctor_say(d, WELL, "%u card%s in the %u readers of that name", cards,
				  cards == 1 ? "" : "s", o.devices);
	return doctor_say(d, WELL, cards ? "%u card%s" : "no card is in it", cards,
			  cards == 1 ? "" : "s");
}
