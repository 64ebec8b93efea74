/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Descriptors, strings and names of the libusb stand-in. */
#include "fake/fake_libusb_priv.h"

#include <stdlib.h>
#include <string.h>

int LIBUSB_CALL libusb_get_device_descriptor(libusb_device *dev, struct libusb_device_descriptor *d)
{
	const uint8_t *p = dev->raw;

	memset(d, 0, sizeof *d);
	d->bLength = p[0];
	d->bDescriptorType = p[1];
	d->bcdUSB = (uint16_t)(p[2] | p[3] << 8);
	d->bDeviceClass = p[4];
	d->bMaxPacketSize0 = p[7];
	d->idVendor = (uint16_t)(p[8] | p[9] << 8);
	d->idProduct = (uint16_t)(p[10] | p[11] << 8);
	d->bcdDevice = (uint16_t)(p[12] | p[13] << 8);
	d->iManufacturer = p[14];
	d->iProduct = p[15];
	d->iSerialNumber = p[16];
	d->bNumConfigurations = p[17];
	return 0;
}

/* --- configuration: a tree made from the device's list of descriptors --- */

static void *more(const void *list, size_t have, size_t size)
{
	void *p = realloc((void *)(uintptr_t)list, (have + 1) * size);

	if (!p)
		abort();
	memset((char *)p + have * size, 0, size);
	return p;
}

/* Unknown descriptors are "extra" bytes of the known descriptor that precedes them. */
static void add_extra(const unsigned char **extra, int *len, const uint8_t *p, size_t n)
{
	unsigned char *q = realloc((void *)(uintptr_t)*extra, (size_t)*len + n);

	if (!q)
		abort();
	memcpy(q + *len, p, n);
	*extra = q;
	*len += (int)n;
}

struct parse {
	struct libusb_config_descriptor *c;
	struct libusb_interface_descriptor *alt;
	struct libusb_endpoint_descriptor *endpoint;
	int interfaces;		/* seen so far */
};

static void on_interface(struct parse *s, const uint8_t *p)
{
	struct libusb_interface *ifs = (struct libusb_interface *)(uintptr_t)s->c->interface,
				*f = NULL;
	struct libusb_interface_descriptor *list;

	for (int i = 0; i < s->interfaces; i++) {
		if (ifs[i].altsetting[0].bInterfaceNumber == p[2])
			f = &ifs[i];
	}
	if (!f && s->interfaces < s->c->bNumInterfaces)
		f = &ifs[s->interfaces++];
	s->alt = NULL;
	s->endpoint = NULL;
	if (!f)
		return;
	list = more(f->altsetting, (size_t)f->num_altsetting, sizeof *list);
	f->altsetting = list;
	s->alt = &list[f->num_altsetting++];
	s->alt->bLength = p[0];
	s->alt->bDescriptorType = p[1];
	s->alt->bInterfaceNumber = p[2];
	s->alt->bAlternateSetting = p[3];
	s->alt->bInterfaceClass = p[5];
	s->alt->bInterfaceSubClass = p[6];
	s->alt->bInterfaceProtocol = p[7];
	s->alt->iInterface = p[8];
}

static void on_endpoint(struct parse *s, const uint8_t *p)
{
	struct libusb_endpoint_descriptor *list;

	if (!s->alt)
		return;
	list = more(s->alt->endpoint, s->alt->bNumEndpoints, sizeof *list);
	s->alt->endpoint = list;
	s->endpoint = &list[s->alt->bNumEndpoints++];
	s->endpoint->bLength = p[0];
	s->endpoint->bDescriptorType = p[1];
	s->endpoint->bEndpointAddress = p[2];
	s->endpoint->bmAttributes = p[3];
	s->endpoint->wMaxPacketSize = (uint16_t)(p[4] | p[5] << 8);
	s->endpoint->bInterval = p[6];
}

static struct libusb_config_descriptor *parse_config(const uint8_t *p, size_t len)
{
	struct parse s = { .c = calloc(1, sizeof *s.c) };
	size_t at = 9;

	if (!s.c)
		abort();
	s.c->bLength = p[0];
	s.c->bDescriptorType = p[1];
	s.c->wTotalLength = (uint16_t)(p[2] | p[3] << 8);
	s.c->bNumInterfaces = p[4];
	s.c->bConfigurationValue = p[5];
	s.c->bmAttributes = p[7];
	s.c->MaxPower = p[8];
	s.c->interface = calloc(p[4] ? p[4] : 1, sizeof *s.c->interface);
	if (!s.c->interface)
		abort();
	while (at + 2 <= len && p[at] >= 2 && at + p[at] <= len) {
		const uint8_t *q = p + at;

		if (q[1] == 4 && q[0] >= 9)
			on_interface(&s, q);
		else if (q[1] == 5 && q[0] >= 7)
			on_endpoint(&s, q);
		else if (s.endpoint)
			add_extra(&s.endpoint->extra, &s.endpoint->extra_length, q, q[0]);
		else if (s.alt)
			add_extra(&s.alt->extra, &s.alt->extra_length, q, q[0]);
		else
			add_extra(&s.c->extra, &s.c->extra_length, q, q[0]);
		at += q[0];
	}
	return s.c;
}

int LIBUSB_CALL libusb_get_config_descriptor(libusb_device *dev, uint8_t index,
					     struct libusb_config_descriptor **c)
{
	if (index != 0)
		return LIBUSB_ERROR_NOT_FOUND;
	fake_bus_lock();
	*c = parse_config(dev->raw + 18, dev->raw_len - 18);
	fake_bus_unlock();
	return 0;
}

int LIBUSB_CALL libusb_get_active_config_descriptor(libusb_device *dev,
						    struct libusb_config_descriptor **c)
{
	return libusb_get_config_descriptor(dev, 0, c);
}

int LIBUSB_CALL libusb_get_config_descriptor_by_value(libusb_device *dev, uint8_t value,
						      struct libusb_config_descriptor **c)
{
	return libusb_get_config_descriptor(dev, value == 1 ? 0 : 1, c);
}

static void free_const(const void *p)
{
	free((void *)(uintptr_t)p);
}

void LIBUSB_CALL libusb_free_config_descriptor(struct libusb_config_descriptor *c)
{
	if (!c)
		return;
	for (int i = 0; i < c->bNumInterfaces; i++) {
		for (int j = 0; j < c->interface[i].num_altsetting; j++) {
			const struct libusb_interface_descriptor *a =
				&c->interface[i].altsetting[j];

			for (int k = 0; k < a->bNumEndpoints; k++)
				free_const(a->endpoint[k].extra);
			free_const(a->endpoint);
			free_const(a->extra);
		}
		free_const(c->interface[i].altsetting);
	}
	free_const(c->interface);
	free_const(c->extra);
	free(c);
}

int LIBUSB_CALL libusb_get_configuration(libusb_device_handle *h, int *config)
{
	(void)h;
	*config = 1;
	return 0;
}

int LIBUSB_CALL libusb_get_device_speed(libusb_device *dev)
{
	return dev->raw[3] == 2 ? LIBUSB_SPEED_HIGH : LIBUSB_SPEED_FULL;
}

/* --- strings --- */

int LIBUSB_CALL libusb_get_string_descriptor_ascii(libusb_device_handle *h, uint8_t index,
						   unsigned char *data, int length)
{
	unsigned char p[255];
	int rc, n = 0;
	uint16_t lang;

	if (index == 0 || length < 1)
		return LIBUSB_ERROR_INVALID_PARAM;
	rc = libusb_control_transfer(h, 0x80, 6, 0x0300, 0, p, sizeof p, 1000);
	if (rc < 4)
		return rc < 0 ? rc : LIBUSB_ERROR_IO;
	lang = (uint16_t)(p[2] | p[3] << 8);
	rc = libusb_control_transfer(h, 0x80, 6, (uint16_t)(0x0300 | index), lang, p, sizeof p,
				     1000);
	if (rc < 2)
		return rc < 0 ? rc : LIBUSB_ERROR_IO;
	for (int i = 2; i + 1 < rc && i + 1 < p[0] && n < length - 1; i += 2)
		data[n++] = p[i + 1] || p[i] & 0x80 ? '?' : p[i];
	data[n] = 0;
	return n;
}

/* --- names --- */

static const struct {
	int code;
	const char *name, *text;
} errors[] = {
	{ LIBUSB_SUCCESS, "LIBUSB_SUCCESS", "Success" },
	{ LIBUSB_ERROR_IO, "LIBUSB_ERROR_IO", "Input/Output Error" },
	{ LIBUSB_ERROR_INVALID_PARAM, "LIBUSB_ERROR_INVALID_PARAM", "Invalid parameter" },
	{ LIBUSB_ERROR_ACCESS, "LIBUSB_ERROR_ACCESS", "Access denied (insufficient permissions)" },
	{ LIBUSB_ERROR_NO_DEVICE, "LIBUSB_ERROR_NO_DEVICE",
	  "No such device (it may have been disconnected)" },
	{ LIBUSB_ERROR_NOT_FOUND, "LIBUSB_ERROR_NOT_FOUND", "Entity not found" },
	{ LIBUSB_ERROR_BUSY, "LIBUSB_ERROR_BUSY", "Resource busy" },
	{ LIBUSB_ERROR_TIMEOUT, "LIBUSB_ERROR_TIMEOUT", "Operation timed out" },
	{ LIBUSB_ERROR_OVERFLOW, "LIBUSB_ERROR_OVERFLOW", "Overflow" },
	{ LIBUSB_ERROR_PIPE, "LIBUSB_ERROR_PIPE", "Pipe error" },
	{ LIBUSB_ERROR_INTERRUPTED, "LIBUSB_ERROR_INTERRUPTED",
	  "System call interrupted (perhaps due to signal)" },
	{ LIBUSB_ERROR_NO_MEM, "LIBUSB_ERROR_NO_MEM", "Insufficient memory" },
	{ LIBUSB_ERROR_NOT_SUPPORTED, "LIBUSB_ERROR_NOT_SUPPORTED",
	  "Operation not supported or unimplemented" },
	{ LIBUSB_ERROR_OTHER, "LIBUSB_ERROR_OTHER", "Other error" },
};

const char *LIBUSB_CALL libusb_error_name(int code)
{
	for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
		if (errors[i].code == code)
			return errors[i].name;
	}
	return "**UNKNOWN**";
}

const char *LIBUSB_CALL libusb_strerror(int code)
{
	for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
		if (errors[i].code == code)
			return errors[i].text;
	}
	return "Other error";
}

int LIBUSB_CALL libusb_has_capability(uint32_t capability)
{
	return capability == LIBUSB_CAP_HAS_CAPABILITY;
}

const struct libusb_version *LIBUSB_CALL libusb_get_version(void)
{
	static const struct libusb_version version = { 1, 0, 26, 0, "", "stand-in" };

	return &version;
}
