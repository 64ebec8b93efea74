/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Kobil mIDentity sticks come up as storage and HID only; a request makes them show their card reader
 * too. The udev rules run this when a stick is plugged in. */
#include "tools/output.h"

#include <errno.h>
#include <libusb.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CCID_CLASS = 0x0B, DATA_CAP = 64, TIMEOUT_MS = 1000, RECIPIENT = 0x1F, TO_INTERFACE = 1,
       TO_ENDPOINT = 2, FROM_DEVICE = 0x80 };

/* A request on the control pipe, USB 2.0 9.3. */
struct request {
	uint8_t bmRequestType, bRequest;
	uint16_t wValue, wIndex;
	uint16_t len;
	uint8_t data[DATA_CAP];
};

/* What the stick waits for, by the public logs of libccid's program. */
static const struct request show_reader = {
	.bmRequestType = 0x22, .bRequest = 0x09, .wValue = 0x0200, .wIndex = 0x0002, .len = 10,
	.data = { 0x00, 0x04, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x11 },
};

struct options {
	bool force;
	struct request request;
};

static bool is_stick(const struct libusb_device_descriptor *d)
{
	return d->idVendor == 0x0d46 && d->idProduct == 0x4081;
}

static bool has_reader(libusb_device *dev)
{
	struct libusb_config_descriptor *config;
	bool found = false;

	if (libusb_get_active_config_descriptor(dev, &config))
		return false;
	for (unsigned i = 0; i < config->bNumInterfaces; i++)
		if (config->interface[i].num_altsetting > 0 &&
		    config->interface[i].altsetting[0].bInterfaceClass == CCID_CLASS)
			found = true;
	libusb_free_config_descriptor(config);
	return found;
}

/* The kernel wants the interface that a request is for to be ours; its drivers have it. An endpoint
 * belongs to one of the first two. */
static int send(libusb_device_handle *handle, const struct request *r)
{
	unsigned recipient = r->bmRequestType & RECIPIENT;
	int first = recipient == TO_INTERFACE ? r->wIndex & 0xFF : 0;
	int end = recipient == TO_INTERFACE ? first + 1 : recipient == TO_ENDPOINT ? 2 : 0;
	uint8_t data[DATA_CAP];
	int claimed = first, rc = 0;

	memcpy(data, r->data, sizeof data);
	if (end > first)
		libusb_set_auto_detach_kernel_driver(handle, 1);
	while (claimed < end && (rc = libusb_claim_interface(handle, claimed)) == 0)
		claimed++;
	if (rc == 0)
		rc = libusb_control_transfer(handle, r->bmRequestType, r->bRequest, r->wValue,
					     r->wIndex, data, r->len, TIMEOUT_MS);
	while (claimed-- > first)
		libusb_release_interface(handle, claimed);
	return rc < 0 ? rc : 0;
}

/* Returns 0 when the stick has its reader, or was told to show it. */
static int switch_one(libusb_device *dev, const struct options *o)
{
	libusb_device_handle *handle;
	int rc;

	printf("bus %03u, device %03u: ", libusb_get_bus_number(dev),
	       libusb_get_device_address(dev));
	if (!o->force && has_reader(dev)) {
		puts("shows its reader already");
		return 0;
	}
	rc = libusb_open(dev, &handle);
	if (rc == 0) {
		rc = send(handle, &o->request);
		libusb_close(handle);
	}
	/* A stick that restarts at once may not live to confirm. */
	if (rc == 0 || rc == LIBUSB_ERROR_NO_DEVICE) {
		puts("switched");
		return 0;
	}
	printf("not switched: %s\n", libusb_error_name(rc));
	return 1;
}

/* Returns the exit status: 0 all well, 1 a stick was not switched or there is none. */
static int switch_all(const struct options *o)
{
	struct libusb_device_descriptor d;
	libusb_context *ctx;
	libusb_device **list;
	bool seen = false;
	int status = 0;
	ssize_t n;

	if (libusb_init(&ctx)) {
		fputs("Kobil_mIDentity_switch: no access to USB\n", stderr);
		return 1;
	}
	n = libusb_get_device_list(ctx, &list);
	for (ssize_t i = 0; i < n; i++) {
		if (libusb_get_device_descriptor(list[i], &d) || !is_stick(&d))
			continue;
		seen = true;
		if (switch_one(list[i], o))
			status = 1;
	}
	if (n >= 0)
		libusb_free_device_list(list, 1);
	libusb_exit(ctx);
	if (!seen)
		fputs("Kobil_mIDentity_switch: no Kobil mIDentity found\n", stderr);
	return seen ? status : 1;
}

/* One hexadecimal field that ends at a colon or the end; false when it is none or above max. */
static bool take_hex(const char **text, unsigned long max, unsigned long *out)
{
	char *end;

	if (!strchr("0123456789abcdefABCDEF", **text) || !**text)
		return false;
	errno = 0;
	*out = strtoul(*text, &end, 16);
	if (errno || *out > max || (*end && *end != ':'))
		return false;
	*text = *end ? end + 1 : end;
	return true;
}

static bool take_data(const char *text, struct request *r)
{
	size_t len = strlen(text);

	if (len % 2 || len / 2 > DATA_CAP || strspn(text, "0123456789abcdefABCDEF") != len)
		return false;
	r->len = (uint16_t)(len / 2);
	for (size_t i = 0; i < r->len; i++) {
		char two[3] = { text[2 * i], text[2 * i + 1], '\0' };

		r->data[i] = (uint8_t)strtoul(two, NULL, 16);
	}
	return true;
}

/* TYPE:REQUEST:VALUE:INDEX[:DATA], all hexadecimal; only requests towards the device. */
static bool parse_request(const char *text, struct request *r)
{
	unsigned long type, request, value, index;

	if (!take_hex(&text, 0xFF, &type) || !take_hex(&text, 0xFF, &request) ||
	    !take_hex(&text, 0xFFFF, &value) || !take_hex(&text, 0xFFFF, &index))
		return false;
	r->bmRequestType = (uint8_t)type;
	r->bRequest = (uint8_t)request;
	r->wValue = (uint16_t)value;
	r->wIndex = (uint16_t)index;
	return !(type & FROM_DEVICE) && take_data(text, r);
}

static int usage(FILE *to)
{
	fputs("Usage: Kobil_mIDentity_switch [-f] [-r TYPE:REQUEST:VALUE:INDEX[:DATA]]\n"
	      "  -r REQUEST       sends this request in place of the usual one, fields in hexadecimal\n"
	      "  -f               also to sticks that show their reader\n"
	      "  -h, --help       this text\n"
	      "  -V, --version    the version\n", to);
	return to == stdout ? output_end("Kobil_mIDentity_switch", 0, 1) : 2;
}

static int show_version(void)
{
	puts("Kobil_mIDentity_switch (ifd-ccid) " VERSION);
	return output_end("Kobil_mIDentity_switch", 0, 1);
}

static int bad_usage(const char *why, const char *what)
{
	fprintf(stderr, "Kobil_mIDentity_switch: %s \"%s\"\n", why, what);
	return usage(stderr);
}

int main(int argc, char **argv)
{
	struct options o = { .request = show_reader };
	static const struct option longs[] = { { "help", no_argument, NULL, 'h' },
					       { "version", no_argument, NULL, 'V' },
					       { NULL, 0, NULL, 0 } };
	int c;

	while ((c = getopt_long(argc, argv, "fr:hV", longs, NULL)) != -1) {
		switch (c) {
		case 'f':
			o.force = true;
			break;
		case 'r':
			o.request = (struct request){ .len = 0 };
			if (!parse_request(optarg, &o.request))
				return bad_usage("no request:", optarg);
			break;
		case 'h':
			return usage(stdout);
		case 'V':
			return show_version();
		default:
			return usage(stderr);
		}
	}
	return optind < argc ? bad_usage("unknown argument", argv[optind]) : switch_all(&o);
}
