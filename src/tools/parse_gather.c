/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From descriptors to struct parse_reader. What a device says is hostile: lengths are bounded here,
 * and what ends on a terminal has no control characters. */
#include "tools/parse.h"

#include "transport/usb_find.h"
#include "util/buf.h"

#include <string.h>

bool parse_is_reader(const struct libusb_interface_descriptor *alt, bool vendor_too)
{
	return (vendor_too || alt->bInterfaceClass == CCID_CLASS) && usb_is_reader(alt);
}

static void gather_device(struct parse_reader *r, const struct libusb_device_descriptor *d)
{
	r->bcdUSB = d->bcdUSB;
	r->bDeviceClass = d->bDeviceClass;
	r->bDeviceSubClass = d->bDeviceSubClass;
	r->bDeviceProtocol = d->bDeviceProtocol;
	r->bMaxPacketSize0 = d->bMaxPacketSize0;
	r->idVendor = d->idVendor;
	r->idProduct = d->idProduct;
	r->bcdDevice = d->bcdDevice;
	r->iManufacturer.index = d->iManufacturer;
	r->iProduct.index = d->iProduct;
	r->iSerialNumber.index = d->iSerialNumber;
	r->bNumConfigurations = d->bNumConfigurations;
}

static void gather_interface(struct parse_reader *r, const struct libusb_interface_descriptor *alt)
{
	r->bInterfaceNumber = alt->bInterfaceNumber;
	r->bAlternateSetting = alt->bAlternateSetting;
	r->bNumEndpoints = alt->bNumEndpoints;
	r->bInterfaceClass = alt->bInterfaceClass;
	r->bInterfaceSubClass = alt->bInterfaceSubClass;
	r->bInterfaceProtocol = alt->bInterfaceProtocol;
	r->iInterface.index = alt->iInterface;
	for (unsigned i = 0; i < alt->bNumEndpoints && i < PARSE_MAX_ENDPOINTS; i++) {
		const struct libusb_endpoint_descriptor *e = &alt->endpoint[i];

		r->endpoint[i] = (struct parse_endpoint){ .bEndpointAddress = e->bEndpointAddress,
			.bmAttributes = e->bmAttributes, .wMaxPacketSize = e->wMaxPacketSize,
			.bInterval = e->bInterval };
		r->n_endpoints = i + 1;
	}
}

static void gather_class(struct parse_reader *r, const struct libusb_interface_descriptor *alt)
{
	size_t len = 0;
	const uint8_t *p = usb_class_descriptor(alt, &len);

	/* The fields are decoded even where the driver refuses one of them. */
	r->problem = usb_interface_fault(alt, &r->desc);
	if (!p)
		return;
	r->raw_len = len < sizeof r->raw ? len : sizeof r->raw;
	memcpy(r->raw, p, r->raw_len);
	r->bLength = p[0];
	r->bDescriptorType = p[1];
	r->decoded = r->raw_len >= CCID_CLASS_DESCRIPTOR_LENGTH;
}

void parse_gather(struct parse_reader *r, const struct libusb_device_descriptor *device,
		  const struct libusb_config_descriptor *config,
		  const struct libusb_interface_descriptor *alt)
{
	memset(r, 0, sizeof *r);
	gather_device(r, device);
	r->bNumInterfaces = config->bNumInterfaces;
	r->bConfigurationValue = config->bConfigurationValue;
	r->bmAttributes = config->bmAttributes;
	r->bMaxPower = config->MaxPower;
	gather_interface(r, alt);
	gather_class(r, alt);
	r->clocks.note = r->rates.note = "not read";
}

static size_t put_utf8(char *out, uint32_t c)
{
	if (c < 0x80) {
		out[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (char)(0xC0 | c >> 6);
		out[1] = (char)(0x80 | (c & 0x3F));
		return 2;
	}
	if (c < 0x10000) {
		out[0] = (char)(0xE0 | c >> 12);
		out[1] = (char)(0x80 | (c >> 6 & 0x3F));
		out[2] = (char)(0x80 | (c & 0x3F));
		return 3;
	}
	out[0] = (char)(0xF0 | c >> 18);
	out[1] = (char)(0x80 | (c >> 12 & 0x3F));
	out[2] = (char)(0x80 | (c >> 6 & 0x3F));
	out[3] = (char)(0x80 | (c & 0x3F));
	return 4;
}

static bool is_high_half(uint32_t c)
{
	return c >= 0xD800 && c < 0xDC00;
}

static bool is_low_half(uint32_t c)
{
	return c >= 0xDC00 && c < 0xE000;
}

bool parse_string_descriptor(struct parse_string *s, const uint8_t *p, size_t len)
{
	size_t out = 0;

	if (len < 2 || p[1] != LIBUSB_DT_STRING || p[0] < 2)
		return false;
	if (p[0] < len)
		len = p[0];
	/* 126 units give at most 378 bytes: a unit gives up to 3, a pair of them 4. */
	for (size_t i = 2; i + 1 < len && out + 4 < sizeof s->text; i += 2) {
		uint32_t c = get_le16(p + i), low = i + 3 < len ? get_le16(p + i + 2) : 0;

		if (c == 0)	/* some firmwares count a terminating NUL */
			break;
		if (is_high_half(c) && is_low_half(low)) {
			c = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
			i += 2;
		} else if (c < 0x20 || (c >= 0x7F && c < 0xA0) ||
			   is_high_half(c) || is_low_half(c) ||
			   (c >= 0x202A && c <= 0x202E)) {	/* 202A..: direction of writing */
			c = '?';
		}
		out += put_utf8(s->text + out, c);
	}
	s->text[out] = '\0';
	s->read = true;
	return true;
}

void parse_rates_answer(struct parse_rates *rates, const uint8_t *p, size_t len, unsigned announced)
{
	/* All entries, also the zeros, which are not rates to the driver. */
	rates->n = len / 4 < PARSE_MAX_RATES ? len / 4 : PARSE_MAX_RATES;
	for (size_t i = 0; i < rates->n; i++)
		rates->value[i] = get_le32(p + 4 * i);
	rates->note = NULL;
	if (rates->n == 0)
		rates->note = "the device sent none";
	else if (len % 4 != 0)
		rates->note = "and a part of one more: the driver ignores the whole list";
	else if (announced != 0 && rates->n < announced)
		rates->note = "fewer than announced";
}
