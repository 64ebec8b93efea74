/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The drivers: which one pcscd takes, and whether it can. */
#include "tools/doctor.h"
#include "tools/tame.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Of ifdDriverOptions: libccid(5). */
#define ACCEPT_OLD_FIRMWARE 0x04u

static bool is_damaged(const struct bundle *b)
{
	return !b->plist || b->vendors != b->products || b->vendors != b->names;
}

static enum doctor_verdict say_damaged(struct doctor *d, const struct bundle *b)
{
	doctor_cure(d, "put the list of the package back (sudo apt install --reinstall ifd-ccid, "
		       "or libccid), "
		       "then: sudo systemctl restart pcscd; readers are added by ccid-add-reader");
	if (!b->plist && b->error.error)
		return doctor_say(d, BROKEN, "%s/%s/Contents/Info.plist cannot be read: %s",
				  d->drop, b->name, strerror(b->error.error));
	if (!b->plist)
		return doctor_say(d, BROKEN, "%s/%s/Contents/Info.plist, line %u: %s", d->drop,
				  b->name, b->error.line, b->error.why ? b->error.why : "damaged");
	return doctor_say(d, BROKEN,
			  "%s/%s/Contents/Info.plist has %zu vendor ids, %zu product ids and "
			  "%zu names; they must be equally many",
			  d->drop, b->name, b->vendors, b->products, b->names);
}

enum doctor_verdict doctor_drivers(struct doctor *d, struct doctor_device *unused)
{
	const struct bundles *b = &d->bundles;
	const struct bundle *damaged = NULL;
	size_t readers = 0;

	(void)unused;
	if (b->error == EACCES)
		return doctor_say(d, UNKNOWN, "%s may not be read: try as root", d->drop);
	if (b->error || !b->n) {
		doctor_cure(d, "install a driver: sudo apt install ifd-ccid (or libccid)");
		return doctor_say(d, BROKEN, "no driver is in %s%s%s", d->drop,
				  b->error ? ": " : "", b->error ? strerror(b->error) : "");
	}
	for (unsigned i = 0; i < b->n; i++) {
		readers += b->list[i].vendors;
		if (is_damaged(&b->list[i]) && (!damaged || b->list[i].ours))
			damaged = &b->list[i];
	}
	/* A faulty bundle of another maker does not harm the rest; but from 2.5 on pcscd does not
	 * start with arrays of unequal length. */
	if (damaged && (damaged->ours || strcmp(damaged->name, "ifd-ccid.bundle") == 0 ||
			b->n == 1 || (damaged->plist && !d->pcscd.pid)))
		return say_damaged(d, damaged);
	return doctor_say(d, WELL, "%u driver%s for %zu readers%s%s", b->n, b->n == 1 ? "" : "s",
			  readers, damaged ? "; damaged, and passed over: " : "",
			  damaged ? damaged->name : "");
}

enum doctor_verdict doctor_listed(struct doctor *d, struct doctor_device *device)
{
	char others[200] = "";

	if (doctor_is_by_class(d, device))
		return doctor_say(d, WELL, "no driver lists it; %s offers it by its class, as "
				  "\"%s\"", d->by_class.file, d->by_class.name);
	if (!device->bundle) {
		doctor_cure(d, "sudo ccid-add-reader %04x:%04x && sudo systemctl restart pcscd",
			    device->usb.vendor, device->usb.product);
		return doctor_say(d, BROKEN,
				  "no driver in %s lists %04x:%04x, so pcscd offers it to none",
				  d->drop, device->usb.vendor, device->usb.product);
	}
	for (unsigned i = 0; i < d->bundles.n; i++) {
		const struct bundle *one = &d->bundles.list[i];
		size_t at = strlen(others);

		if (one != device->bundle && one->plist &&
		    bundle_lists(one, device->usb.vendor, device->usb.product) >= 0)
			snprintf(others + at, sizeof others - at, "%s%s",
				 at ? ", " : "; also listed by ", one->name);
	}
	return doctor_say(d, WELL, "by %s as \"%s\"%s", device->bundle->name,
			  bundle_reader_name(device->bundle, device->index), others);
}

struct loaded {
	char why[DOCTOR_TEXT]; /* "" : it loads */
};

static void load(void *data, void *user)
{
	struct loaded *out = data;
	void *handle = dlopen(user, RTLD_NOW | RTLD_LOCAL);
	const char *why = handle ? NULL : dlerror();

	snprintf(out->why, sizeof out->why, "%s", why ? why : "");
	if (handle && !dlsym(handle, "IFDHCreateChannelByName") &&
	    !dlsym(handle, "IFDHCreateChannel"))
		snprintf(out->why, sizeof out->why, "it has no IFDHCreateChannelByName");
	tame_text(out->why);
}

enum doctor_verdict doctor_library(struct doctor *d, struct doctor_device *device)
{
	char name[SYSTEM_PATH], path[SYSTEM_PATH];
	struct loaded said = { ""};

	doctor_cure(d,
		    "install the driver again: sudo apt install --reinstall ifd-ccid (or libccid); "
		    "ldd shows what a library needs");
	strcpy(name, d->by_class.library);
	if ((device->bundle && !bundle_library(&d->bundles, device->bundle, name)) ||
	    !system_path(&d->root, path, "%s", name))
		return doctor_say(d, BROKEN, "%s names no library (CFBundleExecutable)",
				  device->bundle ? device->bundle->name : d->by_class.file);
	if (!system_exists(&d->root, "%s", name))
		return doctor_say(d, BROKEN, "%s is not there", name);
	if (!child_run(load, &said, sizeof said, path, 10))
		snprintf(said.why, sizeof said.why, "it crashed while it was loaded");
	if (said.why[0])
		return doctor_say(d, BROKEN, "%s does not load: %s", name, said.why);
	doctor_cure(d, "%s", "");
	return doctor_say(d, WELL, "%s", name);
}

static unsigned list_bcd(unsigned v)
{
	return (v >> 4) * 10 + (v & 0x0F);
}

enum doctor_verdict doctor_firmware(struct doctor *d, struct doctor_device *device)
{
	const struct bundle *bundle = device->bundle;
	const char *text = bundle ? plist_get(bundle->plist, "ifdDriverOptions", 0) : NULL;
	unsigned long options = text ? strtoul(text, NULL, 0) : 0;
	unsigned have = device->usb.version, good = device->quirks.first_good_fw;

	/* What has no name in a list has no firmware that is refused. */
	if (bundle && quirk_has(&device->quirks, QUIRK_OLD_FIRMWARE) &&
	    !(options & ACCEPT_OLD_FIRMWARE)) {
		doctor_cure(d,
			    "update it, or add 0x04 to ifdDriverOptions in "
			    "%s/%s/Contents/Info.plist and "
			    "restart pcscd",
			    d->drop, bundle->name);
		return doctor_say(d, BROKEN,
				  "%u.%02u is refused as too old; %u.%02u is the first good one",
				  list_bcd(have >> 8), list_bcd(have & 0xFF), list_bcd(good >> 8),
				  list_bcd(good & 0xFF));
	}
	return doctor_say(d, WELL, "%u.%02u", list_bcd(have >> 8), list_bcd(have & 0xFF));
}
