/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The steps of the bus: devices, their descriptors, and what the kernel does with them. */
#include "tools/doctor.h"

#include <string.h>

/* A reader, or what pcscd has a driver for, or what a program turns into a reader. */
static bool is_of_interest(const struct doctor *d, const struct doctor_device *device)
{
	if (d->want_vendor >= 0)
		return device->usb.vendor == d->want_vendor &&
		       device->usb.product == d->want_product;
	return device->usb.n_faces || device->bundle ||
	       quirk_has(&device->quirks, QUIRK_STARTED_BY_SWITCH);
}

static bool doctor_take_device(void *user, const struct bus_device *usb)
{
	struct doctor *d = user;
	struct doctor_device *device = &d->device[d->n_devices];
	char override[512];

	d->n_usb++;
	if (d->n_devices >= DOCTOR_DEVICES)
		return false;
	*device = (struct doctor_device){.usb = *usb, .index = -1};
	quirks_match(&device->quirks, usb->vendor, usb->product, usb->version,
		     doctor_environment(d, "IFDCCID_QUIRKS", override, sizeof override));
	device->bundle = bundles_winner(&d->bundles, usb->vendor, usb->product);
	if (device->bundle)
		device->index = bundle_lists(device->bundle, usb->vendor, usb->product);
	d->n_devices += is_of_interest(d, device);
	return false;
}

void doctor_read_bus(struct doctor *d)
{
	bus_each(&d->root, doctor_take_device, d);
}

enum doctor_verdict doctor_bus(struct doctor *d, struct doctor_device *unused)
{
	(void)unused;
	if (!system_exists(&d->root, "/sys/bus"))
		return doctor_say(d, UNKNOWN, "/sys is not mounted here: the bus cannot be seen");
	if (!system_exists(&d->root, SYSTEM_DEVICES)) {
		doctor_cure(d,
			    "in a virtual machine: give it a USB controller; in a container: mount "
			    "/sys; else: sudo modprobe xhci-hcd");
		return doctor_say(d, BROKEN, "there is no USB (no " SYSTEM_DEVICES ")");
	}
	if (d->n_devices)
		return doctor_say(d, WELL, "%u reader%s on the bus", d->n_devices,
				  d->n_devices == 1 ? "" : "s");
	if (d->want_vendor >= 0) {
		doctor_cure(
			d,
			"plug it in; try another cable, another port, no hub: dmesg -w shows what "
			"the kernel sees");
		return doctor_say(d, BROKEN, "%04x:%04x is not on the bus",
				  (unsigned)d->want_vendor, (unsigned)d->want_product);
	}
	doctor_cure(d, "plug the reader in; try another cable, another port, no hub: dmesg -w "
		       "shows what the "
		       "kernel sees; a virtual machine must be given the device. One without a "
		       "reader's interface: ccid-doctor VID:PID");
	return doctor_say(d, BROKEN, "none of the %u USB devices is a smart-card reader", d->n_usb);
}

enum doctor_verdict doctor_allowed(struct doctor *d, struct doctor_device *device)
{
	char text[16];

	if (strcmp(system_line(&d->root, text, sizeof text, SYSTEM_DEVICES "/%s/authorized",
			       device->usb.port),
		   "0") == 0) {
		doctor_cure(d,
			    "echo 1 | sudo tee " SYSTEM_DEVICES
			    "/%s/authorized; with USBGuard: sudo "
			    "usbguard allow-device %04x:%04x",
			    device->usb.port, device->usb.vendor, device->usb.product);
		return doctor_say(d, BROKEN,
				  "the system does not let this device work (authorized "
				  "is 0)");
	}
	if (!device->usb.configuration && !doctor_is_exported(d, device)) {
		doctor_cure(d, "unplug it and plug it in again; if that does not help, another "
			       "port or a hub "
			       "with a power supply: dmesg shows why");
		return doctor_say(d, BROKEN, "the kernel has not configured this device");
	}
	return doctor_say(d, WELL, "enumerated%s",
			  device->usb.configuration ? " and configured" : "");
}

enum doctor_verdict doctor_descriptor(struct doctor *d, struct doctor_device *device)
{
	const struct bus_face *face = device->usb.face;
	unsigned bad = 0;

	if (!device->usb.n_faces && quirk_has(&device->quirks, QUIRK_STARTED_BY_SWITCH)) {
		doctor_cure(d, "sudo Kobil_mIDentity_switch; the udev rules of this driver do it "
			       "by themselves");
		return doctor_say(d, BROKEN, "it is not a reader yet: a program has to switch it");
	}
	if (!device->usb.n_faces) {
		doctor_cure(d, "none: it is not a CCID reader, or needs a driver of its maker");
		return doctor_say(d, BROKEN, "no interface has a CCID class descriptor");
	}
	for (unsigned i = 0; i < device->usb.n_faces; i++)
		bad += device->usb.face[i].fault != NULL;
	while (face->fault && face < &device->usb.face[device->usb.n_faces - 1])
		face++;
	if (bad < device->usb.n_faces)
		return doctor_say(d, WELL, "class %02X, %s level, %u slot%s%s%s",
				  face->desc.bInterfaceClass, bus_level(&face->desc),
				  ccid_desc_slots(&face->desc),
				  ccid_desc_slots(&face->desc) == 1 ? "" : "s",
				  bad ? "; an interface cannot be used" : "",
				  device->usb.n_faces > 1 ? "; several interfaces" : "");
	doctor_cure(d, "the reader breaks the standard: send in the output of ccid-parse -p");
	return doctor_say(d, BROKEN, "interface %u cannot be used: %s", face->desc.bInterfaceNumber,
			  face->fault);
}

enum doctor_verdict doctor_power(struct doctor *d, struct doctor_device *device)
{
	char control[16], status[16], persist[16];

	system_line(&d->root, control, sizeof control, SYSTEM_DEVICES "/%s/power/control",
		    device->usb.port);
	system_line(&d->root, status, sizeof status, SYSTEM_DEVICES "/%s/power/runtime_status",
		    device->usb.port);
	system_line(&d->root, persist, sizeof persist, SYSTEM_DEVICES "/%s/power/persist",
		    device->usb.port);
	if (strcmp(status, "error") == 0) {
		doctor_cure(d, "unplug it and plug it in again");
		return doctor_say(d, BROKEN,
				  "the kernel could not suspend or wake it "
				  "(power/runtime_status is error)");
	}
	if (strcmp(control, "auto") == 0 && quirk_has(&device->quirks, QUIRK_NO_AUTOSUSPEND)) {
		doctor_cure(d,
			    "echo on | sudo tee " SYSTEM_DEVICES
			    "/%s/power/control; a program that saves "
			    "power (TLP, powertop) must leave %04x:%04x alone",
			    device->usb.port, device->usb.vendor, device->usb.product);
		return doctor_say(d, BROKEN,
				  "it is suspended when idle, and does not come back "
				  "from that");
	}
	return doctor_say(d, WELL, "%s%s",
			  strcmp(control, "auto") ? "always on"
						  : "suspended while no program has it open",
			  strcmp(persist, "0") ? ""
					       : "; a port that lost its power while the machine "
						 "slept unplugs it (power/persist is 0)");
}
