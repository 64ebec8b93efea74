/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The bus: finding readers, and asking them for what no descriptor says. */
#include "tools/parse.h"

#include "util/buf.h"

#include <stdlib.h>

#define TIMEOUT_MS 1000		/* for one control transfer */
#define REQUEST_TYPE 0xA1	/* class request to the interface, to the host (CCID 1.10 §5.3) */
#define GET_CLOCK_FREQUENCIES 0x02
#define GET_DATA_RATES 0x03
#define LANGID_ENGLISH 0x0409

static void parse_complain(struct parse_seen *seen, const struct parse_reader *r, const char *what,
			   int rc)
{
	const char *hint = "";

	if (rc == LIBUSB_ERROR_ACCESS)
		hint = "; try as root";
	else if (rc == LIBUSB_ERROR_BUSY)
		hint = "; another program has it: stop pcscd (and its socket) or scdaemon first";
	fprintf(stderr, "ccid-parse: /dev/bus/usb/%03u/%03u: %s: %s%s\n", r->bus, r->address, what,
		libusb_error_name(rc), hint);
	seen->incomplete = true;
}

/* --- strings --- */

static uint16_t language(libusb_device_handle *h)
{
	uint8_t p[255];
	int n = libusb_get_string_descriptor(h, 0, 0, p, sizeof p);

	return n >= 4 && p[1] == LIBUSB_DT_STRING ? get_le16(p + 2) : LANGID_ENGLISH;
}

static void ask_string(libusb_device_handle *h, uint16_t langid, struct parse_string *s)
{
	uint8_t p[255];
	int n;

	if (s->index == 0)
		return;
	n = libusb_get_string_descriptor(h, s->index, langid, p, sizeof p);
	if (n > 0)
		parse_string_descriptor(s, p, (size_t)n);
}

static void ask_strings(libusb_device_handle *h, struct parse_reader *r)
{
	uint16_t langid = language(h);

	ask_string(h, langid, &r->iManufacturer);
	ask_string(h, langid, &r->iProduct);
	ask_string(h, langid, &r->iSerialNumber);
	ask_string(h, langid, &r->iInterface);
}

/* --- clock frequencies and data rates --- */

static void ask_rates(libusb_device_handle *h, const struct parse_reader *r, uint8_t request,
		      unsigned announced, struct parse_rates *rates)
{
	uint8_t p[4 * PARSE_MAX_RATES];
	/* A device that announces no number may still have a list: take what comes. */
	size_t want = announced ? (size_t)4 * announced : sizeof p;
	int n = libusb_control_transfer(h, REQUEST_TYPE, request, 0, r->bInterfaceNumber, p,
					(uint16_t)want, TIMEOUT_MS);

	if (n >= 0)
		parse_rates_answer(rates, p, (size_t)n, announced);
	else if (n == LIBUSB_ERROR_PIPE)
		rates->note = "the device does not know the request";
	else
		rates->note = libusb_error_name(n);
}

static void read_both_rates(libusb_device_handle *h, struct parse_reader *r,
			    struct parse_seen *seen)
{
	int rc;

	if (!r->decoded)
		return;
	if (r->desc.bInterfaceProtocol != CCID_PROTOCOL_BULK) {
		r->clocks.note = r->rates.note = "ICCD has no such request";
		return;
	}
	rc = libusb_claim_interface(h, r->bInterfaceNumber);
	if (rc != 0) {
		parse_complain(seen, r, "cannot ask for clock frequencies and data rates", rc);
		return;
	}
	ask_rates(h, r, GET_CLOCK_FREQUENCIES, r->desc.bNumClockSupported, &r->clocks);
	ask_rates(h, r, GET_DATA_RATES, r->desc.bNumDataRatesSupported, &r->rates);
	libusb_release_interface(h, r->bInterfaceNumber);
}

static void ask_device(libusb_device *dev, struct parse_reader *r, struct parse_seen *seen)
{
	libusb_device_handle *h;
	int rc = libusb_open(dev, &h);

	if (rc != 0) {
		parse_complain(seen, r, "cannot open it, so strings and rates are missing", rc);
		return;
	}
	ask_strings(h, r);
	read_both_rates(h, r, seen);
	libusb_close(h);
}

/* --- the bus --- */

static bool is_asked_for(libusb_device *dev, const struct libusb_device_descriptor *d,
			 const struct parse_wanted *w)
{
	return (w->idVendor < 0 || (d->idVendor == w->idVendor && d->idProduct == w->idProduct)) &&
	       (!w->bus || (libusb_get_bus_number(dev) == w->bus &&
			    libusb_get_device_address(dev) == w->address));
}

struct visit {
	const struct parse_wanted *wanted;
	struct parse_seen *seen;
	void (*each)(void *user, struct parse_reader *r);
	void *user;
	struct parse_reader *reader;
};

static void visit_interfaces(struct visit *v, libusb_device *dev,
			     const struct libusb_device_descriptor *d,
			     const struct libusb_config_descriptor *config)
{
	struct parse_reader *r = v->reader;

	for (unsigned i = 0; i < config->bNumInterfaces; i++) {
		const struct libusb_interface_descriptor *alt = config->interface[i].altsetting;

		if (config->interface[i].num_altsetting < 1 || !parse_is_reader(alt, true))
			continue;
		if (!parse_is_reader(alt, v->wanted->vendor_too)) {
			v->seen->vendor++;
			continue;
		}
		parse_gather(r, d, config, alt);
		r->bus = libusb_get_bus_number(dev);
		r->address = libusb_get_device_address(dev);
		ask_device(dev, r, v->seen);
		v->seen->readers++;
		v->each(v->user, r);
	}
}

static void visit_device(struct visit *v, libusb_device *dev)
{
	struct libusb_device_descriptor d;
	struct libusb_config_descriptor *config;

	if (libusb_get_device_descriptor(dev, &d) != 0 || !is_asked_for(dev, &d, v->wanted))
		return;
	v->seen->devices++;
	if (libusb_get_active_config_descriptor(dev, &config) != 0 &&
	    libusb_get_config_descriptor(dev, 0, &config) != 0)
		return;
	visit_interfaces(v, dev, &d, config);
	libusb_free_config_descriptor(config);
}

bool parse_bus(const struct parse_wanted *w, struct parse_seen *seen,
	       void (*each)(void *user, struct parse_reader *r), void *user)
{
	struct visit v = { .wanted = w, .seen = seen, .each = each, .user = user };
	libusb_context *ctx;
	libusb_device **list;
	ssize_t n;
	int rc;

	*seen = (struct parse_seen){ 0 };
	rc = libusb_init(&ctx);
	if (rc != 0) {
		fprintf(stderr, "ccid-parse: cannot use libusb: %s\n", libusb_error_name(rc));
		return false;
	}
	v.reader = malloc(sizeof *v.reader);
	n = v.reader ? libusb_get_device_list(ctx, &list) : LIBUSB_ERROR_NO_MEM;
	for (ssize_t i = 0; i < n; i++)
		visit_device(&v, list[i]);
	if (n >= 0)
		libusb_free_device_list(list, 1);
	else
		fprintf(stderr, "ccid-parse: cannot list the bus: %s\n", libusb_error_name((int)n));
	free(v.reader);
	libusb_exit(ctx);
	return n >= 0;
}
