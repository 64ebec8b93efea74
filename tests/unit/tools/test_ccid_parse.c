/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ccid-parse from descriptors to text and JSON; no bus. */
#include "tools/parse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include "unit/unit_cmocka.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* Every field has its own value, so that none can stand for another. */
static const uint8_t sample[CCID_CLASS_DESCRIPTOR_LENGTH] = {
	54, 0x21,
	0x10, 0x01,			/* bcdCCID 1.10 */
	0x02,				/* bMaxSlotIndex */
	0x05,				/* bVoltageSupport */
	0x03, 0x00, 0x01, 0x00,		/* dwProtocols, with a bit that means nothing */
	0xA0, 0x0F, 0x00, 0x00,		/* dwDefaultClock 4000 */
	0x20, 0x4E, 0x00, 0x00,		/* dwMaximumClock 20000 */
	0x04,				/* bNumClockSupported */
	0x00, 0x2A, 0x00, 0x00,		/* dwDataRate 10752 */
	0x16, 0x40, 0x05, 0x00,		/* dwMaxDataRate 344086 */
	0x35,				/* bNumDataRatesSupported */
	0xFE, 0x00, 0x00, 0x00,		/* dwMaxIFSD */
	0x06, 0x00, 0x00, 0x00,		/* dwSynchProtocols */
	0x08, 0x00, 0x00, 0x00,		/* dwMechanical */
	0xFE, 0x0F, 0x14, 0x00,		/* dwFeatures: all, extended APDU */
	0x0F, 0x01, 0x00, 0x00,		/* dwMaxCCIDMessageLength 271 */
	0xFF, 0xC2,			/* bClassGetResponse, bClassEnvelope */
	0x14, 0x02,			/* wLcdLayout */
	0x03,				/* bPINSupport */
	0x05,				/* bMaxCCIDBusySlots */
};

/* A device of one interface, as libusb shows it. */
struct bench {
	uint8_t extra[300];
	struct libusb_endpoint_descriptor endpoint[40];
	struct libusb_interface_descriptor alt;
	struct libusb_config_descriptor config;
	struct libusb_device_descriptor device;
	struct parse_reader reader;
};

static int set_up(void **state)
{
	struct bench *b = calloc(1, sizeof *b);

	if (!b)
		return -1;
	memcpy(b->extra, sample, sizeof sample);
	b->endpoint[0] = (struct libusb_endpoint_descriptor){ .bEndpointAddress = 0x83, .bmAttributes = 0x03,
		.wMaxPacketSize = 8, .bInterval = 24 };
	b->endpoint[1] = (struct libusb_endpoint_descriptor){ .bEndpointAddress = 0x04, .bmAttributes = 0x02,
		.wMaxPacketSize = 64 };
	b->endpoint[2] = (struct libusb_endpoint_descriptor){ .bEndpointAddress = 0x85, .bmAttributes = 0x02,
		.wMaxPacketSize = 512 };
	b->alt = (struct libusb_interface_descriptor){ .bInterfaceNumber = 6, .bAlternateSetting = 1,
		.bNumEndpoints = 3, .bInterfaceClass = 0x0B, .bInterfaceSubClass = 7, .iInterface = 4,
		.endpoint = b->endpoint, .extra = b->extra, .extra_length = sizeof sample };
	b->config = (struct libusb_config_descriptor){ .bNumInterfaces = 9, .bConfigurationValue = 2,
		.bmAttributes = 0xE0, .MaxPower = 50 };
	b->device = (struct libusb_device_descriptor){ .bcdUSB = 0x0201, .bDeviceClass = 0xEF,
		.bDeviceSubClass = 0x02, .bDeviceProtocol = 0x01, .bMaxPacketSize0 = 32, .idVendor = 0x08E6,
		.idProduct = 0x0ABC, .bcdDevice = 0x1234, .iManufacturer = 1, .iProduct = 2,
		.iSerialNumber = 0, .bNumConfigurations = 3 };
	*state = b;
	return 0;
}

static int tear_down(void **state)
{
	free(*state);
	return 0;
}

static void gather(struct bench *b)
{
	parse_gather(&b->reader, &b->device, &b->config, &b->alt);
	b->reader.bus = 1;
	b->reader.address = 42;
}

static char *written(const struct bench *b, bool json)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	assert_non_null(out);
	if (json)
		parse_json(out, &b->reader);
	else
		parse_text(out, &b->reader, false);
	assert_int_equal(fclose(out), 0);
	assert_non_null(text);
	assert_int_equal(strlen(text), len);
	return text;
}

static void must_have(const char *text, const char *line)
{
	if (!strstr(text, line))
		fail_msg("\"%s\" is not in:\n%s", line, text);
}

static void must_not_have(const char *text, const char *line)
{
	if (strstr(text, line))
		fail_msg("\"%s\" is in:\n%s", line, text);
}

static void text_has_every_field(void **state)
{
	static const char *const lines[] = {
		"08e6:0abc Leser, bus 001 device 042 interface 6\n device\n  bcdUSB: 2.01\n  bDeviceClass: 0xEF\n"
		"  bDeviceSubClass: 0x02\n  bDeviceProtocol: 0x01\n  bMaxPacketSize0: 32 bytes\n  idVendor: 0x08E6\n"
		"  idProduct: 0x0ABC\n  bcdDevice: 12.34\n  iManufacturer: string 1, not read\n  iProduct: Leser\n"
		"  iSerialNumber: none\n  bNumConfigurations: 3\n configuration\n",
		"\n  bNumInterfaces: 9\n  bConfigurationValue: 2\n  bmAttributes: 0xE0\n"
		"    0x20 wakes the computer up\n"
		"    0x40 has power of its own\n    0x80 takes power from the bus\n  bMaxPower: 50 (100 mA)\n"
		" interface\n",
		"\n  bInterfaceNumber: 6\n  bAlternateSetting: 1\n  bNumEndpoints: 3\n"
		"  bInterfaceClass: 0x0B (smart card (CCID))\n  bInterfaceSubClass: 0x07\n"
		"  bInterfaceProtocol: 0 (CCID, bulk transfers)\n  iInterface: string 4, not read\n endpoint\n",
		" endpoint\n  bEndpointAddress: 0x83 (IN, from the reader)\n  bmAttributes: 0x03 (interrupt)\n"
		"  wMaxPacketSize: 8 bytes\n  bInterval: 24\n",
		" endpoint\n  bEndpointAddress: 0x04 (OUT, to the reader)\n  bmAttributes: 0x02 (bulk)\n"
		"  wMaxPacketSize: 64 bytes\n  bInterval: 0\n",
		" endpoint\n  bEndpointAddress: 0x85 (IN, from the reader)\n  bmAttributes: 0x02 (bulk)\n"
		"  wMaxPacketSize: 512 bytes\n  bInterval: 0\n class descriptor\n  raw: 36 21 10 01 02 05 03",
		"\n  bLength: 54 bytes\n  bDescriptorType: 0x21\n  bcdCCID: 1.10\n  bMaxSlotIndex: 2 (3 slots)\n"
		"  bVoltageSupport: 0x05\n    0x01 5.0 V\n    0x04 1.8 V\n"
		"  dwProtocols: 0x00010003 (bits without a meaning: 0x00010000)\n    0x00000001 T=0\n"
		"    0x00000002 T=1\n"
		"  dwDefaultClock: 4000 kHz\n  dwMaximumClock: 20000 kHz\n  bNumClockSupported: 4\n"
		"  GET_CLOCK_FREQUENCIES: 4000, 20000 kHz (fewer than announced)\n"
		"  dwDataRate: 10752 bps\n  dwMaxDataRate: 344086 bps\n  bNumDataRatesSupported: 53\n"
		"  GET_DATA_RATES: none (not read)\n  dwMaxIFSD: 254 bytes\n  dwSynchProtocols: 0x00000006\n"
		"    0x00000002 3-wire protocol\n    0x00000004 I2C protocol\n  dwMechanical: 0x00000008\n"
		"    0x00000008 locks and unlocks the card\n  dwFeatures: 0x00140FFE\n",
		"\n  dwMaxCCIDMessageLength: 271 bytes\n  bClassGetResponse: 0xFF (the class of the command)\n"
		"  bClassEnvelope: 0xC2\n  wLcdLayout: 0x0214 (2 lines of 20 characters)\n  bPINSupport: 0x03\n"
		"    0x01 verifies a PIN on its keypad\n    0x02 changes a PIN on its keypad\n"
		"  bMaxCCIDBusySlots: 5 (5 slots busy at once)\n",
	};
	static const uint8_t leser[] = { 12, 3, 'L', 0, 'e', 0, 's', 0, 'e', 0, 'r', 0 };
	static const uint8_t clocks[] = { 0xA0, 0x0F, 0, 0, 0x20, 0x4E, 0, 0 };
	struct bench *b = *state;
	char *text;

	gather(b);
	assert_true(parse_string_descriptor(&b->reader.iProduct, leser, sizeof leser));
	parse_rates_answer(&b->reader.clocks, clocks, sizeof clocks, 4);
	text = written(b, false);
	for (size_t i = 0; i < COUNT(lines); i++)
		must_have(text, lines[i]);
	must_not_have(text, "cannot be used");
	must_not_have(text, "\033");
	free(text);
}

static void every_feature_bit_has_a_meaning(void **state)
{
	static const uint32_t bits[] = { 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0x100, 0x200, 0x400, 0x800,
					 0x40000, 0x100000 };
	struct bench *b = *state;
	char line[32], *text;

	gather(b);
	text = written(b, false);
	for (size_t i = 0; i < COUNT(bits); i++) {
		snprintf(line, sizeof line, "\n    0x%08X ", (unsigned)bits[i]);
		must_have(text, line);
	}
	must_have(text, "0x00040000 exchange level: short and extended APDU");
	free(text);
}

static void exchange_levels(void **state)
{
	static const struct {
		uint8_t level;
		const char *words;
	} levels[] = {
		{ 0, "0x00000000 exchange level: character" },	{ 1, "0x00010000 exchange level: TPDU" },
		{ 2, "0x00020000 exchange level: short APDU" },	{ 4, "0x00040000 exchange level: short and ext" },
		{ 3, "dwFeatures: 0x00030000 (more than one exchange level)" },
		{ 0x0C, "dwFeatures: 0x000C0000 (bits without a meaning: 0x00080000)" },
	};
	struct bench *b = *state;

	b->extra[40] = b->extra[41] = 0;
	for (size_t i = 0; i < COUNT(levels); i++) {
		char *text;

		b->extra[42] = levels[i].level;
		gather(b);
		text = written(b, false);
		must_have(text, levels[i].words);
		free(text);
	}
}

static void zero_values_are_explained(void **state)
{
	static const char *const lines[] = {
		"bVoltageSupport: 0x00 (none)\n", "dwProtocols: 0x00000000 (none)\n",
		"dwSynchProtocols: 0x00000000 (none)\n", "dwMechanical: 0x00000000 (none)\n",
		"bMaxSlotIndex: 0 (1 slot)\n", "wLcdLayout: 0x0000 (no display)\n", "bPINSupport: 0x00 (none)\n",
		"bMaxCCIDBusySlots: 0 (counts as 1)\n",
		"bNumClockSupported: 0 (only the default and the maximum, or automatic)\n",
		"bNumDataRatesSupported: 0 (all between the default and the maximum)\n",
		"cannot be used: no room for data in a message (dwMaxCCIDMessageLength)\n",
	};
	struct bench *b = *state;
	char *text;

	memset(b->extra + 2, 0, sizeof sample - 2);
	gather(b);
	text = written(b, false);
	for (size_t i = 0; i < COUNT(lines); i++)
		must_have(text, lines[i]);
	free(text);
}

static void colour_only_when_asked(void **state)
{
	struct bench *b = *state;
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	assert_non_null(out);
	gather(b);
	parse_text(out, &b->reader, true);
	assert_int_equal(fclose(out), 0);
	must_have(text, "\033[1mclass descriptor\033[0m");
	free(text);
}

static void finds_the_descriptor(void **state)
{
	struct bench *b = *state;

	assert_true(parse_is_reader(&b->alt, false));
	/* class FF needs to be asked for, and a whole class descriptor */
	b->alt.bInterfaceClass = 0xFF;
	assert_false(parse_is_reader(&b->alt, false));
	assert_true(parse_is_reader(&b->alt, true));
	b->alt.extra_length = 53;
	assert_false(parse_is_reader(&b->alt, true));
	b->alt.extra_length = 0;
	assert_false(parse_is_reader(&b->alt, true));
	/* behind an endpoint */
	b->endpoint[2].extra = b->extra;
	b->endpoint[2].extra_length = sizeof sample;
	assert_true(parse_is_reader(&b->alt, true));
	gather(b);
	assert_true(b->reader.decoded);
	assert_int_equal(b->reader.desc.dwMaxCCIDMessageLength, 271);
	b->alt.bInterfaceClass = 0x03;
	assert_false(parse_is_reader(&b->alt, true));
}

static void class_ff_has_its_own_protocols(void **state)
{
	struct bench *b = *state;
	char *text;

	b->alt.bInterfaceClass = 0xFF;
	b->alt.bInterfaceProtocol = 2;
	gather(b);
	text = written(b, false);
	must_have(text, "bInterfaceClass: 0xFF (the vendor's own");
	must_have(text, "bInterfaceProtocol: 2\n");
	must_not_have(text, "cannot be used");
	free(text);
}

static void descriptor_faults_are_named(void **state)
{
	struct bench *b = *state;
	char *text;

	/* the driver uses it by its bulk endpoints */
	b->alt.bInterfaceProtocol = 3;
	gather(b);
	assert_null(b->reader.problem);
	b->endpoint[1].wMaxPacketSize = 0;
	gather(b);
	assert_string_equal(b->reader.problem, "wMaxPacketSize of a bulk endpoint is 0");
	b->endpoint[1].bEndpointAddress = 0x84;
	gather(b);
	assert_string_equal(b->reader.problem, "bInterfaceProtocol is none of 0, 1, 2");
	assert_int_equal(b->reader.desc.dwMaxCCIDMessageLength, 271);
	b->alt.bInterfaceProtocol = 0;
	gather(b);
	assert_string_equal(b->reader.problem, "a bulk endpoint is missing");
	b->alt.bInterfaceProtocol = 2;	/* ICCD needs none */
	b->alt.bNumEndpoints = 0;
	gather(b);
	assert_null(b->reader.problem);

	b->alt.extra_length = 20;
	gather(b);
	assert_string_equal(b->reader.problem, "class descriptor too short (bLength)");
	assert_false(b->reader.decoded);
	text = written(b, false);
	must_have(text, "raw: 36 21 10 01 02 05 03 00 01 00 A0 0F 00 00 20 4E 00 00 04 00\n  bLength: 54 bytes\n"
			"  bDescriptorType: 0x21\n");
	must_not_have(text, "bcdCCID");
	free(text);

	b->alt.extra_length = 0;
	gather(b);
	assert_string_equal(b->reader.problem, "no class descriptor");
	text = written(b, false);
	must_have(text, "class descriptor: none\n");
	must_not_have(text, "bLength");
	free(text);
}

static void longest_text(void **state)
{
	struct bench *b = *state;

	b->extra[0] = 255;
	b->alt.extra_length = 300;
	b->alt.bNumEndpoints = 40;
	gather(b);
	assert_int_equal(b->reader.raw_len, 255);
	assert_int_equal(b->reader.n_endpoints, PARSE_MAX_ENDPOINTS);
	free(written(b, false));
	free(written(b, true));
}

static void strings(void **state)
{
	static const struct {
		const char *units;
		size_t n;
		const char *want;
	} cases[] = {
		{ "", 0, "" },
		{ "A\0\xe9\0\xac\x20", 6, "A\xc3\xa9\xe2\x82\xac" },		/* A e-acute euro */
		{ "\x3d\xd8\x00\xde!\0", 6, "\xf0\x9f\x98\x80!" },		/* a surrogate pair */
		{ "\x3d\xd8!\0", 4, "?!" },					/* halves */
		{ "\x00\xde!\0", 4, "?!" },
		{ "\x3d\xd8", 2, "?" },
		{ "\x1b\0[\0\x7f\0\x9b\0\n\0", 10, "?[???" },			/* control characters */
		{ "\x2e\x20X\0", 4, "?X" },					/* writes backwards */
		{ "A\0\0\0B\0", 6, "A" },
		{ "A\0B", 3, "A" },						/* half a unit */
	};
	uint8_t p[255];

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct parse_string s = { .index = 1 };

		p[0] = (uint8_t)(cases[i].n + 2);
		p[1] = 3;
		memcpy(p + 2, cases[i].units, cases[i].n);
		assert_true(parse_string_descriptor(&s, p, cases[i].n + 2));
		assert_true(s.read);
		assert_string_equal(s.text, cases[i].want);
	}
}

static void string_lengths(void **state)
{
	struct parse_string s = { .index = 1 };
	uint8_t p[255] = { 6, 3, 'A', 0, 'B', 0, 'C', 0 };

	(void)state;
	assert_true(parse_string_descriptor(&s, p, 8));		/* bLength counts */
	assert_string_equal(s.text, "AB");
	assert_true(parse_string_descriptor(&s, p, 4));		/* what came counts */
	assert_string_equal(s.text, "A");
	p[1] = 2;
	assert_false(parse_string_descriptor(&s, p, 8));
	assert_false(parse_string_descriptor(&s, p, 1));
	assert_false(parse_string_descriptor(&s, p, 0));
	assert_string_equal(s.text, "A");
	p[0] = 255;
	p[1] = 3;
	for (size_t i = 2; i + 1 < sizeof p; i += 2) {
		p[i] = 0xAC;
		p[i + 1] = 0x20;
	}
	assert_true(parse_string_descriptor(&s, p, sizeof p));	/* 126 x 3 bytes */
	assert_int_equal(strlen(s.text), 378);
}

static void rates(void **state)
{
	static uint8_t p[1100];
	struct parse_rates r = { .note = "?" };

	(void)state;
	p[0] = 7;
	p[4] = 9;
	parse_rates_answer(&r, p, 8, 2);
	assert_int_equal(r.n, 2);
	assert_int_equal(r.value[0], 7);
	assert_int_equal(r.value[1], 9);
	assert_null(r.note);
	parse_rates_answer(&r, p, 8, 0);
	assert_int_equal(r.n, 2);
	assert_null(r.note);
	parse_rates_answer(&r, p, 8, 3);
	assert_int_equal(r.n, 2);
	assert_non_null(strstr(r.note, "fewer than announced"));
	parse_rates_answer(&r, p, 9, 2);
	assert_int_equal(r.n, 2);
	assert_non_null(strstr(r.note, "a part of one more"));
	parse_rates_answer(&r, p, 3, 0);
	assert_int_equal(r.n, 0);
	assert_string_equal(r.note, "the device sent none");
	parse_rates_answer(&r, p, sizeof p, 0);
	assert_int_equal(r.n, PARSE_MAX_RATES);
}

/* What a JSON parser makes of it is tested end to end; here: the quoting, and the braces without a descriptor. */
static void json(void **state)
{
	static const uint8_t quoted[] = { 10, 3, '"', 0, '\\', 0, 0xe9, 0, '/', 0 };
	struct bench *b = *state;
	char *text;

	gather(b);
	assert_true(parse_string_descriptor(&b->reader.iManufacturer, quoted, sizeof quoted));
	text = written(b, true);
	must_have(text, "\"iManufacturer\": \"\\\"\\\\\xc3\xa9/\"");
	must_have(text, "\"iProduct\": null");
	must_have(text, "\"idVendor\": \"0x08E6\"");
	must_have(text, "\"bcdDevice\": \"12.34\"");
	must_have(text, "\"dwFeatures\": 1314814,");
	must_have(text, "\"GET_DATA_RATES\": [],");
	must_have(text, "\"wLcdLayout\": [\"2 lines of 20 characters\"]");
	must_have(text, "\"problem\": null");
	free(text);
	b->alt.extra_length = 0;
	gather(b);
	text = written(b, true);
	must_have(text, "\"problem\": \"no class descriptor\"");
	must_have(text, "\"class_descriptor\": {\n   \"meaning\": {}}}");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(text_has_every_field, set_up, tear_down),
		cmocka_unit_test_setup_teardown(every_feature_bit_has_a_meaning, set_up, tear_down),
		cmocka_unit_test_setup_teardown(exchange_levels, set_up, tear_down),
		cmocka_unit_test_setup_teardown(zero_values_are_explained, set_up, tear_down),
		cmocka_unit_test_setup_teardown(colour_only_when_asked, set_up, tear_down),
		cmocka_unit_test_setup_teardown(finds_the_descriptor, set_up, tear_down),
		cmocka_unit_test_setup_teardown(class_ff_has_its_own_protocols, set_up, tear_down),
		cmocka_unit_test_setup_teardown(descriptor_faults_are_named, set_up, tear_down),
		cmocka_unit_test_setup_teardown(longest_text, set_up, tear_down),
		cmocka_unit_test(strings),
		cmocka_unit_test(string_lengths),
		cmocka_unit_test(rates),
		cmocka_unit_test_setup_teardown(json, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
