/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tools/bus.h"

#include "transport/usb_find.h"
#include "util/buf.h"

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

static void gather_endpoint(struct gathered *g, const uint8_t *p)
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
	const uint8_t *extra = n ? g->endpoint[n - 1].extra : g->alt.extra;
	int length;

	if (!extra)
		extra = p;
	length = (int)(p + p[0] - extra);
	/* FreeBSD's libusb has no const here. */
	if (n) {
		g->endpoint[n - 1].extra = (void *)extra;
		g->endpoint[n - 1].extra_length = length;
	} else {
		g->alt.extra = (void *)extra;
		g->alt.extra_length = length;
	}
}

static void end_interface(struct bus_device *device, struct gathered *g)
{
	struct bus_face *face = &device->face[device->n_faces];

	if (!g->open || !usb_is_reader(&g->alt) || device->n_faces >= BUS_FACES)
		return;
	*face = (struct bus_face){.desc = {.idVendor = device->vendor,
					   .idProduct = device->product,
					   .bcdDevice = device->version}};
	face->fault = usb_interface_fault(&g->alt, &face->desc);
	device->n_faces++;
}

static void gather_configuration(struct bus_device *device, const uint8_t *p, size_t len)
{
	struct gathered *g = calloc(1, sizeof *g);

	for (size_t i = 0; g && i + 2 <= len && p[i] >= 2 && i + p[i] <= len; i += p[i]) {
		const uint8_t *one = p + i;

		if (one[1] == LIBUSB_DT_INTERFACE && one[0] >= INTERFACE_LENGTH) {
			end_interface(device, g);
			begin_interface(g, one);
		} else if (one[1] == LIBUSB_DT_ENDPOINT && one[0] >= ENDPOINT_LENGTH) {
			gather_endpoint(g, one);
		} else {
			add_extra(g, one);
		}
	}
	if (g)
		end_interface(device, g);
	free(g);
}

/* The active configuration, or the first where none is active. */
static void read_descriptors(struct bus_device *device, const uint8_t *p, size_t len,
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
			gather_configuration(device, p + i + CONFIG_LENGTH, total - CONFIG_LENGTH);
			return;
		}
		i += total;
	}
}

static unsigned number(const struct system_root *root, const char *port, const char *name)
{
	char text[32];

	return (unsigned)strtoul(
		system_line(root, text, sizeof text, SYSTEM_DEVICES "/%s/%s", port, name), NULL,
		10);
}

static void read_title(const struct system_root *root, struct bus_device *device)
{
	char maker[64], product[64];

	system_line(root, maker, sizeof maker, SYSTEM_DEVICES "/%s/manufacturer", device->port);
	system_line(root, product, sizeof product, SYSTEM_DEVICES "/%s/product", device->port);
	if (strncmp(product, maker, strlen(maker)) == 0)
		maker[0] = '\0';
	snprintf(device->title, sizeof device->title, "%s%s%s", maker, *maker ? " " : "", product);
}

struct visit {
	const struct system_root *root;
	struct bus_device *device;
	bool (*each)(void *user, const struct bus_device *device);
	void *user;
};

static bool read_device(void *user, const char *name)
{
	const struct visit *v = user;
	struct bus_device *device = v->device;
	uint8_t raw[3000];
	long len;

	/* "1-2.4"; with a colon it is an interface, "usb1" is a bus. */
	if (strchr(name, ':') || !strchr(name, '-') || strlen(name) >= sizeof device->port)
		return false;
	*device = (struct bus_device){0};
	strcpy(device->port, name);
	len = system_read(v->root, (char *)raw, sizeof raw, SYSTEM_DEVICES "/%s/descriptors",
			  name);
	if (len < DEVICE_LENGTH)
		return false;
	device->bus = number(v->root, name, "busnum");
	device->address = number(v->root, name, "devnum");
	device->configuration = number(v->root, name, "bConfigurationValue");
	read_descriptors(device, raw, (size_t)len, device->configuration);
	read_title(v->root, device);
	system_line(v->root, device->serial, sizeof device->serial, SYSTEM_DEVICES "/%s/serial",
		    name);
	return v->each(v->user, device);
}

void bus_each(const struct system_root *root,
	      bool (*each)(void *user, const struct bus_device *device), void *user)
{
	struct bus_device *device = malloc(sizeof *device);
	struct visit v = {root, device, each, user};

	if (device)
		system_each(root, SYSTEM_DEVICES, read_device, &v);
	free(device);
}

const char *bus_level(const struct ccid_desc *desc)
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
