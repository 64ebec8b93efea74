/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TOOLS_PARSE_H
#define TOOLS_PARSE_H

/* The inside of ccid-parse: what is known of one interface (parse_gather.c), its fields with their
 * meaning (parse_fields.c), and the ways they are written (parse_text.c, parse_json.c,
 * parse_row.c). No part
 * but parse_usb.c does USB I/O. */

#include "tools/bundles.h"
#include "wire/ccid_desc.h"

#include <libusb.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define PARSE_MAX_ENDPOINTS 30	/* 15 each way (USB 2.0 §9.6.6) */
#define PARSE_MAX_RATES 256	/* bNumDataRatesSupported has 8 bits, and a device may send more */
#define PARSE_MAX_STRING 400	/* 126 UTF-16 units as UTF-8, and NUL */

struct parse_string {
	uint8_t index;		/* 0: the device has none */
	bool read;
	char text[PARSE_MAX_STRING];	/* UTF-8 without control characters */
};

/* The answer to GET_CLOCK_FREQUENCIES or GET_DATA_RATES. */
struct parse_rates {
	uint32_t value[PARSE_MAX_RATES];
	size_t n;
	const char *note;	/* why there are none, or what is unusual; static text or NULL */
};

struct parse_endpoint {
	uint8_t bEndpointAddress, bmAttributes, bInterval;
	uint16_t wMaxPacketSize;
};

/* One interface and what surrounds it. Large: allocate it. */
struct parse_reader {
	unsigned bus, address;
	uint16_t bcdUSB, idVendor, idProduct, bcdDevice;
	uint8_t bDeviceClass, bDeviceSubClass, bDeviceProtocol, bMaxPacketSize0, bNumConfigurations;
	struct parse_string iManufacturer, iProduct, iSerialNumber;

	uint8_t bNumInterfaces, bConfigurationValue, bmAttributes, bMaxPower;

	uint8_t bInterfaceNumber, bAlternateSetting, bNumEndpoints;
	uint8_t bInterfaceClass, bInterfaceSubClass, bInterfaceProtocol;
	struct parse_string iInterface;

	struct parse_endpoint endpoint[PARSE_MAX_ENDPOINTS];
	unsigned n_endpoints;

	uint8_t raw[255];	/* the class descriptor as it came */
	size_t raw_len;		/* 0: there is none */
	uint8_t bLength, bDescriptorType;
	bool decoded;		/* desc holds the fields of the class descriptor */
	struct ccid_desc desc;
	const char *problem;	/* why the driver would refuse it; static text or NULL */
	const struct bundles *bundles;	/* drivers that may list it; NULL: not looked at */
	struct parse_rates clocks, rates;
};

/* --- parse_gather.c: from descriptors, without I/O --- */

/* Class 0B, or with vendor_too also class FF with a whole class descriptor. */
bool parse_is_reader(const struct libusb_interface_descriptor *alt, bool vendor_too);
/* Fills *r from the three descriptors; strings get their index only, and clock frequencies and data
 * rates the note that they were not read. */
void parse_gather(struct parse_reader *r, const struct libusb_device_descriptor *device,
		  const struct libusb_config_descriptor *config,
		  const struct libusb_interface_descriptor *alt);
/* A string descriptor of len bytes -> UTF-8; control characters and halves of surrogate pairs
 * become '?'. False: not a string descriptor, *s is not changed. */
bool parse_string_descriptor(struct parse_string *s, const uint8_t *p, size_t len);
/* The answer of len bytes to a request for rates, of which `announced` (0: unknown) were
 * promised. */
void parse_rates_answer(struct parse_rates *rates, const uint8_t *p, size_t len,
			unsigned announced);

/* --- parse_fields.c --- */

enum parse_kind {
	PARSE_DEC,
	PARSE_HEX,
	PARSE_ID,	/* as PARSE_HEX, but a name rather than a number */
	PARSE_BCD,	/* 0x0110 is 1.10 */
	PARSE_STRING,
	PARSE_RATES,
	PARSE_BYTES,
};

struct parse_meaning {
	uint32_t bits;		/* what in the value says so */
	const char *text;
};

#define PARSE_MAX_MEANINGS 16

struct parse_field {
	const char *name;	/* the standard's */
	const char *unit;	/* NULL: none */
	enum parse_kind kind;
	unsigned size;		/* bytes */
	uint32_t value;		/* the first three kinds and PARSE_BCD */
	const struct parse_string *string;
	const struct parse_rates *rates;
	const uint8_t *bytes;
	size_t n_bytes;
	bool is_bits;		/* each meaning belongs to bits of its own */
	struct parse_meaning meaning[PARSE_MAX_MEANINGS];
	unsigned n_meanings;
	char note[80];		/* "" : none */
};

enum parse_section { PARSE_DEVICE, PARSE_CONFIGURATION, PARSE_INTERFACE, PARSE_CLASS };

/* Valid during the call only. */
typedef void parse_sink(void *user, const struct parse_field *f);

/* Hands each field of a section to the sink, in the order of the descriptor. */
void parse_section(const struct parse_reader *r, enum parse_section section, parse_sink *sink,
		   void *user);
void parse_endpoint(const struct parse_endpoint *e, parse_sink *sink, void *user);

/* --- parse_driver.c --- */

/* Which drivers list the reader, under which name, and what special treatment this one has for it:
 * lines of text, or members of a JSON object, each behind a comma. Nothing without r->bundles. */
void parse_driver_text(FILE *out, const struct parse_reader *r);
void parse_driver_json(FILE *out, const struct parse_reader *r);

/* --- parse_text.c, parse_json.c --- */

/* Errors of writing are left in the stream (ferror). */
void parse_text(FILE *out, const struct parse_reader *r, bool colour);
/* One object; the caller writes the brackets and commas of the array. */
void parse_json(FILE *out, const struct parse_reader *r);

/* --- parse_row.c --- */

/* From parse_text()'s text of any number of interfaces, which is changed: a row of
 * readers/reader_descriptors.tsv for each. Returns the number of rows, or -1 (with a message on
 * stderr) when the text is not whole. */
int parse_rows(FILE *out, char *text);

/* --- parse_usb.c --- */

struct parse_wanted {
	bool vendor_too;
	int idVendor, idProduct;	/* -1: any */
	unsigned bus, address;		/* 0: any */
};

struct parse_seen {
	unsigned readers;	/* handed over */
	unsigned vendor;	/* interfaces of class FF that vendor_too would have shown */
	unsigned devices;	/* devices that are wanted, readers or not */
	bool incomplete;	/* a device could not be opened or read whole: said on stderr */
};

/* Hands every reader on the bus to `each`, with strings, clock frequencies and data rates where the
 * device may be opened. Returns false (with a message on stderr) when the bus itself cannot be
 * read. */
bool parse_bus(const struct parse_wanted *w, struct parse_seen *seen,
	       void (*each)(void *user, struct parse_reader *r), void *user);

#endif
