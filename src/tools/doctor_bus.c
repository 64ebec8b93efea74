/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The bus as sysfs shows it: devices, their descriptors, and what the kernel does with them. */
#include "tools/doctor.h"

#include "transport/usb_find.h"
#include "util/buf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DEVICE_LENGTH	 18
#define CONFIG_LENGTH	 9
#define INTERFACE_LENGTH 9
#define ENDPOINT_LENGTH	 7
#define MAX_ENDPOINTS	 30

/* An interface descriptor being put together from the bytes of the configuration. */
struct gathered {
	struct libusb_interface_descriptor alt;
	struct libusb_endpoint_descriptor endpoint[MAX_ENDPOINTS];
	bool open;
};

static void begin_interface(struct gathered *g, const uint8_t *p)
{
	*g = (struct gathered){.open = p[3] == 0};
	g->alt.bLength = p[0];
	g->alt.bDescriptorType = p[1];
	g->alt.bInterfaceNumber = p[2];
	g->alt.bInterfaceClass = p[5];
	g->alt.bInterfaceSubClass = p[6];
	g->alt.bInterfaceProtocol = p[7];
	g->alt.endpoint = g->endpoint;
}

static void add_endpoint(struct gathered *g, const uint8_t *p)
{
	struct libusb_endpoint_descriptor *e;

	if (g->alt.bNumEndpoints >= MAX_ENDPOINTS)
		return;
	e = &g->endpoint[g->alt.bNumEndpoints++];
	e->bEndpointAddress = p[2];
	e->bmAttributes = p[3];
	e->wMaxPacketSize = get_le16(p + 4);
}

/* Bytes of other kinds belong to what stands in front of them. */
static void add_extra(struct gathered *g, const uint8_t *p)
{
	unsigned n = g->alt.bNumEndpoints;
	const unsigned char **extra = n ? &g->endpoint[n - 1].extra : &g->alt.extra;
	int *length = n ? &g->endpoint[n - 1].extra_length : &g->alt.extra_length;

	if (!*extra)
		*extra = p;
	*length = (int)(p + p[0] - *extra);
}

static void end_interface(struct doctor_device *device, struct gathered *g)
{
	struct doctor_face *face = &device->face[device->n_faces];

	if (!g->open || !usb_is_reader(&g->alt) || device->n_faces >= DOCTOR_FACES)
		return;
	*face = (struct doctor_face){.desc = {.idVendor = device->vendor,
					      .idProduct = device->product,
					      .bcdDevice = device->version}};
	face->fault = usb_interface_fault(&g->alt, &face->desc);
	device->n_faces++;
}

static void read_configuration(struct doctor_device *device, const uint8_t *p, size_t len)
{
	struct gathered *g = calloc(1, sizeof(*g));

	for (size_t i = 0; g && i + 2 <= len && p[i] >= 2 && i + p[i] <= len; i += p[i]) {
		const uint8_t *one = p + i;

		if (one[1] == LIBUSB_DT_INTERFACE && one[0] >= INTERFACE_LENGTH) {
			end_interface(device, g);
			begin_interface(g, one);
		} else if (one[1] == LIBUSB_DT_ENDPOINT && one[0] >= ENDPOINT_LENGTH) {
			add_endpoint(g, one);
		} else {
			add_extra(g, one);
		}
	}
	if (g)
		end_interface(device, g);
	free(g);
}

/* The active configuration, or the first where none is active. */
static void read_descriptors(struct doctor_device *device, const uint8_t *p, size_t len,
			     unsigned active)
{
	size_t i = DEVICE_LENGTH;

	if (len < DEVICE_LENGTH)
		return;
	device->vendor = get_le16(p + 8);
	device->product = get_le16(p + 10);
	device->version = get_le16(p + 12);
	while (i + CONFIG_LENGTH <= len) {
		size_t total = get_le16(p + i + 2);

		if (total < CONFIG_LENGTH || total > len - i)
			total = len - i;
		if (!active || p[i + 5] == active) {
			read_configuration(device, p + i + CONFIG_LENGTH, total - CONFIG_LENGTH);
			return;
		}
		i += total;
	}
}

static unsigned number(const struct doctor *d, const char *port, const char *name)
{
	char text[32];

	return (unsigned)strtoul(
		system_line(&d->root, text, sizeof(text), SYSTEM_DEVICES "/%s/%s", port, name),
		NULL, 10);
}

static void read_title(const struct doctor *d, struct doctor_device *device)
{
	char maker[64], product[64];

	system_line(&d->root, maker, sizeof(maker), SYSTEM_DEVICES "/%s/manufacturer",
		    device->port);
	system_line(&d->root, product, sizeof(product), SYSTEM_DEVICES "/%s/product", device->port);
	if (strncmp(product, maker, strlen(maker)) == 0)
		maker[0] = '\0';
	snprintf(device->title, sizeof(device->title), "%s%s%s", maker, *maker ? " " : "", product);
}

/* A reader, or what pcscd has a driver for, or what a program turns into a reader. */
static bool is_of_interest(const struct doctor *d, const struct doctor_device *device)
{
	if (d->want_vendor >= 0)
		return device->vendor == d->want_vendor && device->product == d->want_product;
	return device->n_faces || device->bundle ||
	       quirk_has(&device->quirks, QUIRK_STARTED_BY_SWITCH);
}

static bool read_device(void *user, const char *name)
{
	struct doctor *d = user;
	struct doctor_device *device = &d->device[d->n_devices];
	char override[512];
	uint8_t raw[4096];
	long len;

	/* "1-2.4"; with a colon it is an interface, "usb1" is a bus. */
	if (strchr(name, ':') || !strchr(name, '-') || strlen(name) >= sizeof(device->port) ||
	    d->n_devices >= DOCTOR_DEVICES)
		return false;
	*device = (struct doctor_device){.index = -1};
	strcpy(device->port, name);
	len = system_read(&d->root, (char *)raw, sizeof(raw), SYSTEM_DEVICES "/%s/descriptors",
			  name);
	if (len < DEVICE_LENGTH)
		return false;
	d->n_usb++;
	device->bus = number(d, name, "busnum");
	device->address = number(d, name, "devnum");
	device->configuration = number(d, name, "bConfigurationValue");
	read_descriptors(device, raw, (size_t)len, device->configuration);
	quirks_match(&device->quirks, device->vendor, device->product, device->version,
		     doctor_environment(d, "IFDCCID_QUIRKS", override, sizeof(override)));
	device->bundle = bundles_winner(&d->bundles, device->vendor, device->product);
	if (device->bundle)
		device->index = bundle_lists(device->bundle, device->vendor, device->product);
	read_title(d, device);
	d->n_devices += is_of_interest(d, device);
	return false;
}

void doctor_read_bus(struct doctor *d)
{
	system_each(&d->root, SYSTEM_DEVICES, read_device, d);
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

	if (strcmp(system_line(&d->root, text, sizeof(text), SYSTEM_DEVICES "/%s/authorized",
			       device->port),
		   "0") == 0) {
		doctor_cure(d,
			    "echo 1 | sudo tee " SYSTEM_DEVICES
			    "/%s/authorized; with USBGuard: sudo "
			    "usbguard allow-device %04x:%04x",
			    device->port, device->vendor, device->product);
		return doctor_say(d, BROKEN,
				  "the system does not let this device work (authorized "
				  "is 0)");
	}
	if (!device->configuration) {
		doctor_cure(d, "unplug it and plug it in again; if that does not help, another "
			       "port or a hub "
			       "with a power supply: dmesg shows why");
		return doctor_say(d, BROKEN, "the kernel has not configured this device");
	}
	return doctor_say(d, WELL, "enumerated and configured");
}

static const char *level(const struct ccid_desc *desc)
{
	switch (desc->dwFeatures & CCID_FEATURE_LEVEL_MASK) {
	case 0:
		return "character";
	case CCID_FEATURE_TPDU:
		return "TPDU";
	case CCID_FEATURE_SHORT_APDU:
		return "short APDU";
	default:
		return "extended APDU";
	}
}

enum doctor_verdict doctor_descriptor(struct doctor *d, struct doctor_device *device)
{
	const struct doctor_face *face = device->face;
	unsigned bad = 0;

	if (!device->n_faces && quirk_has(&device->quirks, QUIRK_STARTED_BY_SWITCH)) {
		doctor_cure(d, "sudo Kobil_mIDentity_switch; the udev rules of this driver do it "
			       "by themselves");
		return doctor_say(d, BROKEN, "it is not a reader yet: a program has to switch it");
	}
	if (!device->n_faces) {
		doctor_cure(d, "none: it is not a CCID reader, or needs a driver of its maker");
		return doctor_say(d, BROKEN, "no interface has a CCID class descriptor");
	}
	for (unsigned i = 0; i < device->n_faces; i++)
		bad += device->face[i].fault != NULL;
	while (face->fault && face < &device->face[device->n_faces - 1])
		face++;
	if (bad < device->n_faces)
		return doctor_say(d, WELL, "class %02X, %s level, %u slot%s%s%s",
				  face->desc.bInterfaceClass, level(&face->desc),
				  ccid_desc_slots(&face->desc),
				  ccid_desc_slots(&face->desc) == 1 ? "" : "s",
				  bad ? "; an interface cannot be used" : "",
				  device->n_faces > 1 ? "; several interfaces" : "");
	doctor_cure(d, "the reader breaks the standard: send in the output of ccid-parse -p");
	return doctor_say(d, BROKEN, "interface %u cannot be used: %s", face->desc.bInterfaceNumber,
			  face->fault);
}

enum doctor_verdict doctor_power(struct doctor *d, struct doctor_device *device)
{
	char control[16], status[16];

	system_line(&d->root, control, sizeof(control), SYSTEM_DEVICES "/%s/power/control",
		    device->port);
	system_line(&d->root, status, sizeof(status), SYSTEM_DEVICES "/%s/power/runtime_status",
		    device->port);
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
			    device->port, device->vendor, device->product);
		return doctor_say(d, BROKEN,
				  "it is suspended when idle, and does not come back "
				  "from that");
	}
	return doctor_say(d, WELL, "%s",
			  strcmp(control, "auto") ? "always on" : "suspended when idle");
}
