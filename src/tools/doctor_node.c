/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The device node: the users that may open it, and the program that has it open. */
#include "tools/doctor.h"
#include "transport/usb_holder.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define RULES "92_pcscd_ccid.rules"

static const char *const rule_folders[] = { "/etc/udev/rules.d", "/run/udev/rules.d",
					   "/usr/lib/udev/rules.d", "/lib/udev/rules.d"};

/* --- rights --- */

static bool may_open(const struct doctor_pcscd *p, const struct stat *st)
{
	unsigned mode = st->st_mode;

	if (p->uid == 0)
		return true;
	if (st->st_uid == p->uid)
		return (mode >> 6 & 6) == 6;
	for (unsigned i = 0; i < p->n_groups; i++)
		if (st->st_gid == p->groups[i])
			return (mode >> 3 & 6) == 6;
	return (mode & 6) == 6;
}

/* The file of rules that udev takes: the first of its name. *folder is where, the result what it
 * holds (to be freed); NULL for none. */
static char *find_rules(const struct doctor *d, const char **folder)
{
	for (size_t i = 0; i < sizeof rule_folders / sizeof rule_folders[0]; i++) {
		char *text = system_text(&d->root, "%s/" RULES, rule_folders[i]);

		*folder = rule_folders[i];
		if (text)
			return text;
	}
	return NULL;
}

/* Whether the rules give this device to pcscd's group: by its class, or by its ids,
 * ccid-add-reader's file included. */
static bool rules_know(const struct doctor *d, const struct doctor_device *device, const char *text)
{
	char ids[80], *local;
	bool known = false;

	for (unsigned i = 0; i < device->usb.n_faces; i++)
		known = known || device->usb.face[i].desc.bInterfaceClass == CCID_CLASS;
	snprintf(ids, sizeof ids, "ATTR{idVendor}==\"%04x\", ATTR{idProduct}==\"%04x\"",
		 device->usb.vendor, device->usb.product);
	local = system_text(&d->root, "/etc/udev/rules.d/92_pcscd_ccid_local.rules");
	known = known || (local && strstr(local, ids));
	free(local);
	return known || strstr(text, ids);
}

static bool group_exists(const struct doctor *d, const char *name)
{
	char *text = system_text(&d->root, "/etc/group"), line[80];
	size_t n = strlen(name);
	bool found;

	snprintf(line, sizeof line, "\n%s:", name);
	found = text && ((strncmp(text, name, n) == 0 && text[n] == ':') || strstr(text, line));
	free(text);
	return found;
}

/* Why pcscd's user has no right to the node, with the cure. */
static enum doctor_verdict explain(struct doctor *d, const struct doctor_device *device,
				   const char *node, const struct stat *st)
{
	const char *folder = "", *why;
	char *rules = find_rules(d, &folder);

	if (!group_exists(d, PCSCD_GROUP)) {
		why = "there is no group " PCSCD_GROUP;
		doctor_cure(d,
			    "sudo groupadd -r " PCSCD_GROUP "; sudo usermod -aG " PCSCD_GROUP
			    " %s; sudo udevadm "
			    "trigger --subsystem-match=usb --action=change",
			    d->pcscd.user);
	} else if (!rules) {
		why = "udev's rules of the driver (" RULES ") are not installed";
		doctor_cure(d, "install the driver again: sudo apt install --reinstall ifd-ccid "
			       "(or libccid)");
	} else if (!strstr(rules, "GROUP=")) {
		why = "udev's rules of the driver are masked by a file without any";
		doctor_cure(d,
			    "sudo rm %s/" RULES
			    "; sudo udevadm control --reload-rules; sudo udevadm "
			    "trigger --subsystem-match=usb --action=change",
			    folder);
	} else if (!rules_know(d, device, rules)) {
		why = "udev's rules do not know this device";
		doctor_cure(d, "sudo ccid-add-reader %04x:%04x writes a rule, too",
			    device->usb.vendor, device->usb.product);
	} else {
		why = "udev's rules were not applied to it, or another rule takes the right away";
		doctor_cure(
			d,
			"sudo udevadm control --reload-rules; sudo udevadm trigger "
			"--subsystem-match=usb "
			"--action=change; or unplug it and plug it in again. Which rules: udevadm "
			"test %s/%s",
			SYSTEM_DEVICES, device->usb.port);
	}
	free(rules);
	return doctor_say(d, BROKEN,
			  "%s (owner %u, group %u, mode %04o) may not be opened by pcscd, which "
			  "is %s: %s",
			  node, (unsigned)st->st_uid, (unsigned)st->st_gid,
			  (unsigned)st->st_mode & 07777, d->pcscd.user, why);
}

enum doctor_verdict doctor_node(struct doctor *d, struct doctor_device *device)
{
	char node[64], path[SYSTEM_PATH];
	struct stat st;

	snprintf(node, sizeof node, SYSTEM_NODES "/%03u/%03u", device->usb.bus,
		 device->usb.address);
	if (!system_path(&d->root, path, "%s", node))
		return SKIPPED;
	if (stat(path, &st) != 0 && errno == EACCES)
		return doctor_say(d, UNKNOWN, "%s may not be looked at: try as root", node);
	if (stat(path, &st) != 0) {
		doctor_cure(d, "in a container: give it the device (--device=/dev/bus/usb) or "
			       "pcscd's socket "
			       "(doc/recipes.md); else: sudo udevadm trigger --subsystem-match=usb "
			       "--action=add");
		return doctor_say(d, BROKEN, "%s is not there", node);
	}
	if (!may_open(&d->pcscd, &st))
		return explain(d, device, node, &st);
	return doctor_say(d, WELL, "%s may be opened by pcscd, which is %s", node, d->pcscd.user);
}

/* --- the kernel --- */

/* The driver of the first reader interface that has one, "" for none. */
static const char *driver_of(const struct doctor *d, const struct doctor_device *device, char *out,
			     size_t cap)
{
	const char *name;
	char link[SYSTEM_PATH];

	out[0] = '\0';
	for (unsigned i = 0; i < device->usb.n_faces && !out[0]; i++) {
		system_link(&d->root, link, sizeof link, SYSTEM_DEVICES "/%s:%u.%u/driver",
			    device->usb.port, device->usb.configuration,
			    device->usb.face[i].desc.bInterfaceNumber);
		name = strrchr(link, '/');
		snprintf(out, cap, "%.60s", name ? name + 1 : link);
	}
	return out;
}

bool doctor_is_exported(const struct doctor *d, const struct doctor_device *device)
{
	char driver[SYSTEM_PATH];
	const char *name;

	system_link(&d->root, driver, sizeof driver, SYSTEM_DEVICES "/%s/driver",
		    device->usb.port);
	name = strrchr(driver, '/');
	return name && strcmp(name, "/usbip-host") == 0;
}

enum doctor_verdict doctor_kernel(struct doctor *d, struct doctor_device *device)
{
	char driver[64];

	driver_of(d, device, driver, sizeof driver);
	if (strcmp(driver, "usbip-host") == 0 || doctor_is_exported(d, device)) {
		doctor_cure(d, "sudo usbip unbind -b %s", device->usb.port);
		return doctor_say(d, BROKEN, "it is handed out to other machines (usbip)");
	}
	if (!driver[0] || strcmp(driver, "usbfs") == 0)
		return doctor_say(d, WELL, "no driver of the kernel has it");
	if (!device->bundle || device->bundle->ours)
		return doctor_say(d, WELL, "%s has it; this driver takes it from there", driver);
	doctor_cure(d,
		    "sudo modprobe -r %s; echo blacklist %s | sudo tee /etc/modprobe.d/no-%s.conf",
		    driver, driver, driver);
	return doctor_say(d, BROKEN, "the driver %s of the kernel has it", driver);
}

/* --- other programs --- */

struct holders {
	struct usb_holder other; /* the last one that is not pcscd; pid 0: none seen */
	bool is_pcscd;		 /* pcscd has it */
	bool unseen;		 /* a process that may not be looked into */
};

static void note_holder(void *user, const struct usb_holder *one)
{
	struct holders *h = user;

	if (strcmp(one->comm, "pcscd") == 0)
		h->is_pcscd = true;
	else
		h->other = *one;
}

/* Programs that are known to claim readers, and how to make them release these. */
static const struct {
	const char *comm, *cure;
} takers[] = {
	{ "scdaemon", "echo disable-ccid >>~/.gnupg/scdaemon.conf; gpgconf --kill scdaemon" },
	{"qemu-system",
	 "take the device away from the virtual machine (device_del, virsh detach-device)"},
	{ "VirtualBox", "take the device away from the virtual machine (Devices, USB)" },
	{"VBoxHeadless",
	 "take the device away from the virtual machine: VBoxManage controlvm NAME usbdetach"},
	{ "vmware-vmx", "take the device away from the virtual machine (Removable Devices)" },
	{ "neard", "sudo systemctl disable --now neard" },
	{ "nfcd", "sudo systemctl disable --now nfcd" },
	{ "ifdhandler", "sudo systemctl disable --now openct" },
	{ "usbipd", "give the device back: usbip unbind" },
};

static void cure_holder(struct doctor *d, const struct holders *h)
{
	for (size_t i = 0; i < sizeof takers / sizeof takers[0]; i++) {
		if (strncmp(h->other.comm, takers[i].comm, strlen(takers[i].comm)) == 0) {
			doctor_cure(d, "%s", takers[i].cure);
			return;
		}
	}
	doctor_cure(d, "end that program, or take the reader away from it: ps -p %ld -f",
		    h->other.pid);
}

/* Whether the file has a line "disable-ccid". */
static bool disables_ccid(const struct doctor *d, const char *home, const char *folder)
{
	static const char word[] = "disable-ccid";
	char *text = system_text(&d->root, "%s%s/scdaemon.conf", home, folder);
	bool found = false;

	for (char *line = text; line && *line && !found; line += strcspn(line, "\n")) {
		line += strspn(line, " \t\r\n");
		found = strncmp(line, word, sizeof word - 1) == 0 &&
			strchr(" \t\r\n", line[sizeof word - 1]); /* or the file's end */
	}
	free(text);
	return found;
}

/* Puts the home folder of the person who asks into out[SYSTEM_PATH], "" when it is not known. Under
 * sudo that person is another than root, and HOME is root's. */
static void home_of_person(const struct doctor *d, char *out)
{
	const char *home = getenv("HOME"), *person = getenv("SUDO_USER");
	char *users = person && *person ? system_text(&d->root, "/etc/passwd") : NULL;
	char *rest = users, *line;

	snprintf(out, SYSTEM_PATH, "%s", home ? home : "");
	while ((line = strsep(&rest, "\n"))) {
		const char *name = strsep(&line, ":");

		if (strcmp(name, person) != 0)
			continue;
		for (unsigned field = 0; field < 4 && line; field++) /* password, ids, full name */
			strsep(&line, ":");
		if (line)
			snprintf(out, SYSTEM_PATH, "%.*s", (int)strcspn(line, ":"), line);
		break;
	}
	free(users);
}

/* Whether GnuPG's scdaemon is installed and, when gpg starts it, claims readers that pcscd does not
 * have open. Other users may have a file of their own. */
static bool scdaemon_claims_readers(const struct doctor *d)
{
	static const char *const programs[] = {
		"/usr/lib/gnupg/scdaemon", "/usr/lib/gnupg2/scdaemon", "/usr/libexec/scdaemon",
		"/usr/libexec/gnupg/scdaemon", "/usr/local/libexec/scdaemon",
	};
	const char *gnupg_home = getenv("GNUPGHOME");
	char home[SYSTEM_PATH];
	bool installed = false;

	home_of_person(d, home);
	for (size_t i = 0; i < sizeof programs / sizeof programs[0]; i++)
		installed = installed || system_exists(&d->root, "%s", programs[i]);
	return installed && !disables_ccid(d, "", "/etc/gnupg") &&
	       !(gnupg_home ? disables_ccid(d, gnupg_home, "") :
			      *home && disables_ccid(d, home, "/.gnupg"));
}

enum doctor_verdict doctor_holder(struct doctor *d, struct doctor_device *device)
{
	struct holders h = {.unseen = false};
	bool claimed;
	char driver[64], node[64];

	snprintf(node, sizeof node, SYSTEM_NODES "/%03u/%03u", device->usb.bus,
		 device->usb.address);
	claimed = strcmp(driver_of(d, device, driver, sizeof driver), "usbfs") == 0;
	h.unseen = !usb_each_holder(d->root.path, node, note_holder, &h);
	device->held = h.is_pcscd;
	if (h.is_pcscd)
		return doctor_say(d, WELL, "pcscd has it%s",
				  h.other.pid ? "; another program has it open, too" : "");
	if (h.other.pid && claimed) {
		cure_holder(d, &h);
		return doctor_say(d, BROKEN, "%s (process %ld) has it, so pcscd cannot",
				  h.other.comm, h.other.pid);
	}
	if (h.other.pid)
		return doctor_say(d, WELL,
				  "%s (process %ld) has it open, but does not keep pcscd away",
				  h.other.comm, h.other.pid);
	if (!claimed)
		return doctor_say(d, WELL, "no program has it%s",
				  scdaemon_claims_readers(d) ?
					  "; GnuPG's scdaemon may claim it before pcscd does "
					  "(disable-ccid in ~/.gnupg/scdaemon.conf prevents that)" :
					  "");
	if (h.unseen || d->pcscd.pid)
		return doctor_say(d, UNKNOWN, "a program has it%s; as root it can be seen which",
				  d->pcscd.pid ? ", pcscd likely" : "");
	doctor_cure(d, "look for it outside of this container: sudo lsof %s", node);
	return doctor_say(d, BROKEN, "a program has it that cannot be seen from here");
}
