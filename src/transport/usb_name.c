/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transport/usb.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define USBFS_ROOT "/dev/bus/usb/"

/* "BBB/DDD" at the end of a node. */
static bool node_numbers(const char *node, unsigned *bus, unsigned *address)
{
	int end = 0;

	return sscanf(node, USBFS_ROOT "%3u/%3u%n", bus, address, &end) == 2 && node[end] == '\0';
}

static enum ccid_err parse_libudev(const char *rest, struct usb_name *out)
{
	int interface, end = 0;
	size_t len;

	if (sscanf(rest, "libudev:%3d:%n", &interface, &end) != 1 || end == 0 || interface < 0)
		return CCID_ERR_ARG;
	len = strlen(rest + end);
	if (len == 0 || len >= sizeof out->node)
		return CCID_ERR_ARG;
	out->interface = interface;
	memcpy(out->node, rest + end, len + 1);
	return node_numbers(out->node, &out->bus, &out->address) ? CCID_OK : CCID_ERR_ARG;
}

static enum ccid_err parse_libusb(const char *rest, struct usb_name *out)
{
	int interface, end = 0;

	if (sscanf(rest, "libusb-1.0:%3u:%3u:%3d%n", &out->bus, &out->address, &interface,
		   &end) != 3 ||
	    rest[end] != '\0' || interface < 0)
		return CCID_ERR_ARG;
	out->interface = interface;
	snprintf(out->node, sizeof out->node, USBFS_ROOT "%03u/%03u", out->bus, out->address);
	return CCID_OK;
}

/* "usb:class", "usb:class:N". */
static bool is_class(const char *device_name)
{
	const char *rest = device_name + 9;
	size_t digits;

	if (strncmp(device_name, "usb:class", 9) != 0)
		return false;
	if (*rest == '\0')
		return true;
	digits = strspn(rest + (*rest == ':'), "0123456789");
	return *rest == ':' && digits > 0 && digits < 4 && rest[1 + digits] == '\0';
}

enum ccid_err usb_name_parse(const char *device_name, struct usb_name *out)
{
	unsigned vendor, product;
	const char *rest;
	int end = 0;

	*out = (struct usb_name){ .interface = -1 };
	out->of_class = is_class(device_name);
	if (out->of_class)
		return CCID_OK;
	if (sscanf(device_name, "usb:%4x/%4x%n", &vendor, &product, &end) != 2)
		return CCID_ERR_ARG;
	out->idVendor = (uint16_t)vendor;
	out->idProduct = (uint16_t)product;
	rest = device_name + end;
	if (*rest == '\0')
		return CCID_OK;
	if (*rest++ != ':')
		return CCID_ERR_ARG;
	if (strncmp(rest, "libudev:", 8) == 0)
		return parse_libudev(rest, out);
	return parse_libusb(rest, out);
}
