/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The fields of the descriptors and what their values mean, as tables: CCID 1.10 §5.1, ICCD 1.0 §4,
 * USB 2.0 §9.6. */
#include "tools/parse.h"

#include <string.h>

/* A value means `text` when its bits under `mask` are `bits`. */
struct meaning {
	const char *field;
	uint32_t mask, bits;
	const char *text;
};

#define BIT(field, bit, text) { field, bit, bit, text }
#define ALL 0xFFFFFFFFu

static const struct meaning meanings[] = {
	{ "bInterfaceClass", ALL, CCID_CLASS, "smart card (CCID)" },
	{ "bInterfaceClass", ALL, CCID_CLASS_VENDOR, "the vendor's own, older than the standard" },
	{ "bInterfaceClass", ALL, CCID_CLASS_NONE, "none is said" },
	{ "bInterfaceProtocol", ALL, CCID_PROTOCOL_BULK, "CCID, bulk transfers" },
	{ "bInterfaceProtocol", ALL, CCID_PROTOCOL_ICCD_A, "ICCD version A, control transfers" },
	{ "bInterfaceProtocol", ALL, CCID_PROTOCOL_ICCD_B, "ICCD version B, control transfers" },

	BIT("bmAttributes", 0x20, "wakes the computer up"),
	BIT("bmAttributes", 0x40, "has power of its own"),
	BIT("bmAttributes", 0x80, "takes power from the bus"),

	{ "bEndpointAddress", 0x80, 0x00, "OUT, to the reader" },
	{ "bEndpointAddress", 0x80, 0x80, "IN, from the reader" },
	{ "bmAttributes (endpoint)", 0x03, 0x00, "control" },
	{ "bmAttributes (endpoint)", 0x03, 0x01, "isochronous" },
	{ "bmAttributes (endpoint)", 0x03, 0x02, "bulk" },
	{ "bmAttributes (endpoint)", 0x03, 0x03, "interrupt" },

	BIT("bVoltageSupport", 0x01, "5.0 V"),
	BIT("bVoltageSupport", 0x02, "3.0 V"),
	BIT("bVoltageSupport", 0x04, "1.8 V"),

	BIT("dwProtocols", 0x00000001, "T=0"),
	BIT("dwProtocols", 0x00000002, "T=1"),

	{ "bNumClockSupported", ALL, 0, "only the default and the maximum, or automatic" },
	{ "bNumDataRatesSupported", ALL, 0, "all between the default and the maximum" },

	BIT("dwSynchProtocols", 0x00000001, "2-wire protocol"),
	BIT("dwSynchProtocols", 0x00000002, "3-wire protocol"),
	BIT("dwSynchProtocols", 0x00000004, "I2C protocol"),

	BIT("dwMechanical", 0x00000001, "takes the card in"),
	BIT("dwMechanical", 0x00000002, "ejects the card"),
	BIT("dwMechanical", 0x00000004, "captures the card"),
	BIT("dwMechanical", 0x00000008, "locks and unlocks the card"),

	BIT("dwFeatures", CCID_FEATURE_AUTO_ATR_CONFIG, "sets its parameters from the ATR"),
	BIT("dwFeatures", CCID_FEATURE_AUTO_ACTIVATION, "powers the card on when it is inserted"),
	BIT("dwFeatures", CCID_FEATURE_AUTO_VOLTAGE, "selects the voltage"),
	BIT("dwFeatures", CCID_FEATURE_AUTO_CLOCK,
	    "changes the clock frequency as the card needs it"),
	BIT("dwFeatures", CCID_FEATURE_AUTO_BAUD, "changes the baud rate as the card needs it"),
	BIT("dwFeatures", CCID_FEATURE_AUTO_PARAM_NEGOTIATION,
	    "negotiates the parameters with the card"),
	BIT("dwFeatures", CCID_FEATURE_AUTO_PPS, "does PPS with the card"),
	BIT("dwFeatures", CCID_FEATURE_CLOCK_STOP, "can stop the card's clock"),
	BIT("dwFeatures", CCID_FEATURE_NAD, "takes a NAD other than 00 (T=1)"),
	BIT("dwFeatures", CCID_FEATURE_AUTO_IFSD, "sends its IFSD first (T=1)"),
	BIT("dwFeatures", 0x00000800, "ICCD: requests of the computer are valid"),
	{ "dwFeatures", CCID_FEATURE_LEVEL_MASK, 0, "exchange level: character" },
	{ "dwFeatures", CCID_FEATURE_LEVEL_MASK, CCID_FEATURE_TPDU, "exchange level: TPDU" },
	{ "dwFeatures", CCID_FEATURE_LEVEL_MASK, CCID_FEATURE_SHORT_APDU,
	  "exchange level: short APDU" },
	{ "dwFeatures", CCID_FEATURE_LEVEL_MASK, CCID_FEATURE_EXTENDED_APDU,
	  "exchange level: short and extended APDU" },
	BIT("dwFeatures", 0x00100000, "wakes the computer up when a card comes or goes"),

	{ "bClassGetResponse", ALL, 0xFF, "the class of the command" },
	{ "bClassEnvelope", ALL, 0xFF, "the class of the command" },
	{ "wLcdLayout", ALL, 0, "no display" },
	BIT("bPINSupport", CCID_PIN_VERIFY, "verifies a PIN on its keypad"),
	BIT("bPINSupport", CCID_PIN_MODIFY, "changes a PIN on its keypad"),
	{ "bMaxCCIDBusySlots", ALL, 0, "counts as 1" },
};

enum layout { NUMBER, BITS };

/* Where a field is in struct parse_reader (or struct parse_endpoint). */
struct definition {
	const char *name;
	enum parse_kind kind;
	size_t offset, size;
	enum layout layout;
	const char *unit;
	const char *meaning_of;		/* NULL: its name */
};

#define IN(type, member) offsetof(struct type, member), sizeof(((struct type *)0)->member)
#define PLAIN(kind, f, unit) { #f, kind, IN(parse_reader, f), NUMBER, unit, NULL }
#define CLASS(kind, f, layout, unit) { #f, kind, IN(parse_reader, desc.f), layout, unit, NULL }

static const struct definition device_fields[] = {
	PLAIN(PARSE_BCD, bcdUSB, NULL),
	PLAIN(PARSE_HEX, bDeviceClass, NULL),
	PLAIN(PARSE_HEX, bDeviceSubClass, NULL),
	PLAIN(PARSE_HEX, bDeviceProtocol, NULL),
	PLAIN(PARSE_DEC, bMaxPacketSize0, "bytes"),
	PLAIN(PARSE_ID, idVendor, NULL),
	PLAIN(PARSE_ID, idProduct, NULL),
	PLAIN(PARSE_BCD, bcdDevice, NULL),
	PLAIN(PARSE_STRING, iManufacturer, NULL),
	PLAIN(PARSE_STRING, iProduct, NULL),
	PLAIN(PARSE_STRING, iSerialNumber, NULL),
	PLAIN(PARSE_DEC, bNumConfigurations, NULL),
};

static const struct definition configuration_fields[] = {
	PLAIN(PARSE_DEC, bNumInterfaces, NULL),
	PLAIN(PARSE_DEC, bConfigurationValue, NULL),
	{ "bmAttributes", PARSE_HEX, IN(parse_reader, bmAttributes), BITS, NULL, NULL },
	PLAIN(PARSE_DEC, bMaxPower, NULL),
};

static const struct definition interface_fields[] = {
	PLAIN(PARSE_DEC, bInterfaceNumber, NULL),
	PLAIN(PARSE_DEC, bAlternateSetting, NULL),
	PLAIN(PARSE_DEC, bNumEndpoints, NULL),
	PLAIN(PARSE_HEX, bInterfaceClass, NULL),
	PLAIN(PARSE_HEX, bInterfaceSubClass, NULL),
	PLAIN(PARSE_DEC, bInterfaceProtocol, NULL),
	PLAIN(PARSE_STRING, iInterface, NULL),
};

static const struct definition endpoint_fields[] = {
	{ "bEndpointAddress", PARSE_HEX, IN(parse_endpoint, bEndpointAddress), NUMBER, NULL, NULL },
	{ "bmAttributes", PARSE_HEX, IN(parse_endpoint, bmAttributes), NUMBER, NULL,
	  "bmAttributes (endpoint)" },
	{ "wMaxPacketSize", PARSE_DEC, IN(parse_endpoint, wMaxPacketSize), NUMBER, "bytes", NULL },
	{ "bInterval", PARSE_DEC, IN(parse_endpoint, bInterval), NUMBER, NULL, NULL },
};

/* The fields up to here are there in every class descriptor, however short. */
#define CLASS_ALWAYS 3

static const struct definition class_fields[] = {
	{ "raw", PARSE_BYTES, 0, 0, NUMBER, NULL, NULL },
	PLAIN(PARSE_DEC, bLength, "bytes"),
	PLAIN(PARSE_HEX, bDescriptorType, NULL),
	CLASS(PARSE_BCD, bcdCCID, NUMBER, NULL),
	CLASS(PARSE_DEC, bMaxSlotIndex, NUMBER, NULL),
	CLASS(PARSE_HEX, bVoltageSupport, BITS, NULL),
	CLASS(PARSE_HEX, dwProtocols, BITS, NULL),
	CLASS(PARSE_DEC, dwDefaultClock, NUMBER, "kHz"),
	CLASS(PARSE_DEC, dwMaximumClock, NUMBER, "kHz"),
	CLASS(PARSE_DEC, bNumClockSupported, NUMBER, NULL),
	{ "GET_CLOCK_FREQUENCIES", PARSE_RATES, offsetof(struct parse_reader, clocks), 0, NUMBER,
	  "kHz", NULL },
	CLASS(PARSE_DEC, dwDataRate, NUMBER, "bps"),
	CLASS(PARSE_DEC, dwMaxDataRate, NUMBER, "bps"),
	CLASS(PARSE_DEC, bNumDataRatesSupported, NUMBER, NULL),
	{ "GET_DATA_RATES", PARSE_RATES, offsetof(struct parse_reader, rates), 0, NUMBER,
	  "bps", NULL },
	CLASS(PARSE_DEC, dwMaxIFSD, NUMBER, "bytes"),
	CLASS(PARSE_HEX, dwSynchProtocols, BITS, NULL),
	CLASS(PARSE_HEX, dwMechanical, BITS, NULL),
	CLASS(PARSE_HEX, dwFeatures, BITS, NULL),
	CLASS(PARSE_DEC, dwMaxCCIDMessageLength, NUMBER, "bytes"),
	CLASS(PARSE_HEX, bClassGetResponse, NUMBER, NULL),
	CLASS(PARSE_HEX, bClassEnvelope, NUMBER, NULL),
	CLASS(PARSE_HEX, wLcdLayout, NUMBER, NULL),
	CLASS(PARSE_HEX, bPINSupport, BITS, NULL),
	CLASS(PARSE_DEC, bMaxCCIDBusySlots, NUMBER, NULL),
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static uint32_t value_at(const void *base, const struct definition *d)
{
	const uint8_t *p = (const uint8_t *)base + d->offset;
	uint32_t v32;
	uint16_t v16;

	switch (d->size) {
	case 1:
		return *p;
	case 2:
		memcpy(&v16, p, sizeof v16);
		return v16;
	case 4:
		memcpy(&v32, p, sizeof v32);
		return v32;
	default:
		return 0;	/* no number */
	}
}

static void add_meanings(struct parse_field *f, const char *name)
{
	uint32_t known = 0;

	for (size_t i = 0; i < COUNT(meanings); i++) {
		const struct meaning *m = &meanings[i];

		if (strcmp(m->field, name) != 0)
			continue;
		known |= m->mask;
		if ((f->value & m->mask) == m->bits && f->n_meanings < PARSE_MAX_MEANINGS)
			f->meaning[f->n_meanings++] = (struct parse_meaning){ m->bits, m->text };
	}
	if (f->note[0])
		return;
	if (f->is_bits && f->value & ~known)
		snprintf(f->note, sizeof f->note, "bits without a meaning: 0x%0*X",
			 (int)f->size * 2, (unsigned)(f->value & ~known));
	else if (f->is_bits && f->n_meanings == 0)
		snprintf(f->note, sizeof f->note, "none");
}

/* Values that must be computed. */
static void add_note(struct parse_field *f)
{
	const char *const name = f->name;
	unsigned v = f->value, levels = v & CCID_FEATURE_LEVEL_MASK;

	if (!strcmp(name, "bMaxSlotIndex"))
		snprintf(f->note, sizeof f->note, "%u slot%s", v + 1, v ? "s" : "");
	else if (!strcmp(name, "bMaxPower"))
		snprintf(f->note, sizeof f->note, "%u mA", v * 2);
	else if (!strcmp(name, "wLcdLayout") && v)
		snprintf(f->note, sizeof f->note, "%u lines of %u characters", v >> 8, v & 0xFF);
	else if (!strcmp(name, "bMaxCCIDBusySlots") && v)
		snprintf(f->note, sizeof f->note, "%u slot%s busy at once", v, v == 1 ? "" : "s");
	else if (!strcmp(name, "dwFeatures") && levels & (levels - 1))
		snprintf(f->note, sizeof f->note, "more than one exchange level");
}

static void emit(const void *base, const struct definition *d, parse_sink *sink, void *user)
{
	const uint8_t *at = (const uint8_t *)base + d->offset;
	struct parse_field f = { .name = d->name, .unit = d->unit, .kind = d->kind,
				 .size = (unsigned)d->size, .is_bits = d->layout == BITS };

	if (d->kind == PARSE_STRING) {
		f.string = (const void *)at;
	} else if (d->kind == PARSE_RATES) {
		f.rates = (const void *)at;
		if (f.rates->note)
			snprintf(f.note, sizeof f.note, "%s", f.rates->note);
	} else if (d->kind == PARSE_BYTES) {
		f.bytes = ((const struct parse_reader *)base)->raw;
		f.n_bytes = ((const struct parse_reader *)base)->raw_len;
	} else {
		f.value = value_at(base, d);
		add_note(&f);
		/* Class FF has protocol numbers of its own. */
		if (strcmp(d->name, "bInterfaceProtocol") != 0 ||
		    ((const struct parse_reader *)base)->bInterfaceClass == CCID_CLASS)
			add_meanings(&f, d->meaning_of ? d->meaning_of : d->name);
	}
	sink(user, &f);
}

void parse_section(const struct parse_reader *r, enum parse_section section, parse_sink *sink,
		   void *user)
{
	static const struct {
		const struct definition *fields;
		size_t n;
	} sections[] = {
		[PARSE_DEVICE] = { device_fields, COUNT(device_fields) },
		[PARSE_CONFIGURATION] = { configuration_fields, COUNT(configuration_fields) },
		[PARSE_INTERFACE] = { interface_fields, COUNT(interface_fields) },
		[PARSE_CLASS] = { class_fields, COUNT(class_fields) },
	};
	size_t n = sections[section].n;

	if (section == PARSE_CLASS && !r->decoded)
		n = r->raw_len ? CLASS_ALWAYS : 0;
	for (size_t i = 0; i < n; i++)
		emit(r, &sections[section].fields[i], sink, user);
}

void parse_endpoint(const struct parse_endpoint *e, parse_sink *sink, void *user)
{
	for (size_t i = 0; i < COUNT(endpoint_fields); i++)
		emit(e, &endpoint_fields[i], sink, user);
}
