/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/ccid_desc.h"

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
	0x07,				/* bVoltageSupport */
	0x03, 0x00, 0x01, 0x00,		/* dwProtocols */
	0xA0, 0x0F, 0x00, 0x00,		/* dwDefaultClock 4000 */
	0x20, 0x4E, 0x00, 0x00,		/* dwMaximumClock 20000 */
	0x04,				/* bNumClockSupported */
	0x00, 0x2A, 0x00, 0x00,		/* dwDataRate 10752 */
	0x16, 0x40, 0x05, 0x00,		/* dwMaxDataRate 344086 */
	0x35,				/* bNumDataRatesSupported */
	0xFE, 0x00, 0x00, 0x00,		/* dwMaxIFSD */
	0x06, 0x00, 0x00, 0x00,		/* dwSynchProtocols */
	0x08, 0x00, 0x00, 0x00,		/* dwMechanical */
	0x30, 0x02, 0x01, 0x00,		/* dwFeatures */
	0x0F, 0x01, 0x00, 0x00,		/* dwMaxCCIDMessageLength 271 */
	0xC0, 0xC2,			/* bClassGetResponse, bClassEnvelope */
	0x14, 0x02,			/* wLcdLayout */
	0x03,				/* bPINSupport */
	0x05,				/* bMaxCCIDBusySlots */
};

static void fields(void **state)
{
	struct ccid_desc d = { .bInterfaceNumber = 9, .bulk_in = 0x82, .idVendor = 0x1234 };
	const char *why = "?";

	(void)state;
	assert_int_equal(ccid_desc_parse(&d, sample, sizeof sample, &why), CCID_OK);
	assert_null(why);
	assert_int_equal(d.bcdCCID, 0x0110);
	assert_int_equal(d.bMaxSlotIndex, 2);
	assert_int_equal(d.bVoltageSupport, 7);
	assert_int_equal(d.dwProtocols, 0x10003);
	assert_int_equal(d.dwDefaultClock, 4000);
	assert_int_equal(d.dwMaximumClock, 20000);
	assert_int_equal(d.bNumClockSupported, 4);
	assert_int_equal(d.dwDataRate, 10752);
	assert_int_equal(d.dwMaxDataRate, 344086);
	assert_int_equal(d.bNumDataRatesSupported, 53);
	assert_int_equal(d.dwMaxIFSD, 254);
	assert_int_equal(d.dwSynchProtocols, 6);
	assert_int_equal(d.dwMechanical, 8);
	assert_int_equal(d.dwFeatures, 0x00010230);
	assert_int_equal(d.dwMaxCCIDMessageLength, 271);
	assert_int_equal(d.bClassGetResponse, 0xC0);
	assert_int_equal(d.bClassEnvelope, 0xC2);
	assert_int_equal(d.wLcdLayout, 0x0214);
	assert_int_equal(d.bPINSupport, 3);
	assert_int_equal(d.bMaxCCIDBusySlots, 5);
	/* left alone */
	assert_int_equal(d.bInterfaceNumber, 9);
	assert_int_equal(d.bulk_in, 0x82);
	assert_int_equal(d.idVendor, 0x1234);
}

static enum ccid_err parse(const uint8_t *p, size_t len, uint8_t protocol, const char **why)
{
	struct ccid_desc d = { .bInterfaceProtocol = protocol };
	uint8_t *exact = malloc(len ? len : 1);
	enum ccid_err err;

	assert_non_null(exact);
	memcpy(exact, p, len);
	*why = NULL;
	err = ccid_desc_parse(&d, exact, len, why);
	free(exact);
	assert_int_equal(err != CCID_OK, *why != NULL);
	return err;
}

static void lengths(void **state)
{
	uint8_t p[255];
	const char *why;

	(void)state;
	memset(p, 0xFF, sizeof p);
	memcpy(p, sample, sizeof sample);
	for (size_t len = 0; len < 54; len++) {
		assert_int_equal(parse(p, len, CCID_PROTOCOL_BULK, &why), CCID_ERR_PROTOCOL);
		assert_non_null(strstr(why, "bLength"));
	}
	assert_int_equal(parse(p, 55, CCID_PROTOCOL_BULK, &why), CCID_OK);
	p[0] = 53;
	assert_int_equal(parse(p, 54, CCID_PROTOCOL_BULK, &why), CCID_ERR_PROTOCOL);
	assert_non_null(strstr(why, "bLength"));
	p[0] = 255;
	assert_int_equal(parse(p, sizeof p, CCID_PROTOCOL_BULK, &why), CCID_OK);
	p[1] = 0x24;
	assert_int_equal(parse(p, sizeof p, CCID_PROTOCOL_BULK, &why), CCID_ERR_PROTOCOL);
	assert_non_null(strstr(why, "bDescriptorType"));
	/* readers made before CCID had its number: 08e6:1359, 08e6:2202, 08e6:ace0, 09be:0002, 413c:2100 */
	p[0] = 54;
	p[1] = 0xFF;
	assert_int_equal(parse(p, 54, CCID_PROTOCOL_BULK, &why), CCID_OK);
}

static void message_length(void **state)
{
	static const struct {
		uint32_t value;
		enum ccid_err bulk;
	} rows[] = {
		{ 0, CCID_ERR_PROTOCOL }, { 9, CCID_ERR_PROTOCOL }, { 10, CCID_ERR_PROTOCOL },
		{ 11, CCID_OK }, { 64, CCID_OK }, { UINT32_MAX, CCID_OK },
	};
	const char *why;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		uint8_t p[54];

		memcpy(p, sample, sizeof p);
		for (unsigned b = 0; b < 4; b++)
			p[44 + b] = (uint8_t)(rows[i].value >> 8 * b);
		assert_int_equal(parse(p, 54, CCID_PROTOCOL_BULK, &why), rows[i].bulk);
		if (why)
			assert_non_null(strstr(why, "dwMaxCCIDMessageLength"));
		assert_int_equal(parse(p, 54, CCID_PROTOCOL_ICCD_A, &why), CCID_OK);
		assert_int_equal(parse(p, 54, CCID_PROTOCOL_ICCD_B, &why), CCID_OK);
	}
}

/* Place in the extra bytes, and length. -1: not found. */
static long find(const uint8_t *extra, size_t extra_len, size_t *len)
{
	uint8_t *exact = malloc(extra_len ? extra_len : 1);
	const uint8_t *found;
	long at;

	assert_non_null(exact);
	if (extra_len > 0)
		memcpy(exact, extra, extra_len);
	found = ccid_desc_find(exact, extra_len, len);
	at = found ? found - exact : -1;
	free(exact);
	return at;
}

static void finding(void **state)
{
	uint8_t e[200] = { 0 };
	size_t len = 99;

	(void)state;
	assert_int_equal(find(NULL, 0, &len), -1);
	assert_int_equal(len, 0);
	memcpy(e, sample, 54);
	assert_int_equal(find(e, 54, &len), 0);
	assert_int_equal(len, 54);
	/* followed by others, doubled: the first */
	memcpy(e + 54, sample, 54);
	assert_int_equal(find(e, 108, &len), 0);
	/* cut by the extra bytes */
	assert_int_equal(find(e, 30, &len), 0);
	assert_int_equal(len, 30);
	assert_int_equal(find(e, 40, &len), 0);
	assert_int_equal(len, 40);
	assert_int_equal(find(e, 2, &len), 0);
	assert_int_equal(len, 2);
	assert_int_equal(find(e, 1, &len), -1);
	/* longer than the standard's */
	e[0] = 60;
	assert_int_equal(find(e, 108, &len), 0);
	assert_int_equal(len, 60);
	/* behind something else */
	memset(e, 0, sizeof e);
	e[0] = 9;
	e[1] = 0x24;
	e[2] = 0x21;
	memcpy(e + 9, sample, 54);
	assert_int_equal(find(e, 63, &len), 9);
	assert_int_equal(len, 54);
	/* behind a short one of the same type (a DFU functional descriptor has it) */
	e[1] = 0x21;
	assert_int_equal(find(e, 63, &len), 9);
	assert_int_equal(len, 54);
	/* only short ones: the first is returned */
	assert_int_equal(find(e, 40, &len), 0);
	assert_int_equal(len, 9);
	/* behind the smallest there can be */
	e[7] = 2;
	e[8] = 0;
	assert_int_equal(find(e + 7, 56, &len), 2);
	/* a bLength of 0 or 1 ends the search */
	e[0] = 0;
	assert_int_equal(find(e, 63, &len), -1);
	e[0] = 1;
	assert_int_equal(find(e, 63, &len), -1);
	assert_int_equal(len, 0);
}

/* Type 0xFF counts at 54 bytes, and only where type 0x21 is missing. */
static void finding_the_old_type(void **state)
{
	uint8_t e[108];
	size_t len;

	(void)state;
	memcpy(e, sample, 54);
	memcpy(e + 54, sample, 54);
	e[1] = 0xFF;
	assert_int_equal(find(e, 54, &len), 0);
	assert_int_equal(len, 54);
	assert_int_equal(find(e, 53, &len), -1);
	assert_int_equal(find(e, 108, &len), 54);
	/* a fragment of type 0x21 does worse */
	assert_int_equal(find(e, 60, &len), 0);
	assert_int_equal(len, 54);
	e[0] = 55;
	assert_int_equal(find(e, 55, &len), -1);
}

static void slots(void **state)
{
	static const struct {
		uint8_t bMaxSlotIndex, bMaxCCIDBusySlots;
		unsigned slots, places;
	} rows[] = {
		{ 0, 1, 1, 1 }, { 0, 0, 1, 1 }, { 0, 255, 1, 1 }, { 1, 2, 2, 2 }, { 4, 1, 5, 1 },
		{ 40, 255, 41, 41 }, { 254, 255, 255, 255 }, { 255, 0, 255, 1 },
		{ 255, 255, 255, 255 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct ccid_desc d = { .bMaxSlotIndex = rows[i].bMaxSlotIndex,
				       .bMaxCCIDBusySlots = rows[i].bMaxCCIDBusySlots };

		assert_int_equal(ccid_desc_slots(&d), rows[i].slots);
		assert_int_equal(ccid_desc_busy_places(&d), rows[i].places);
	}
}

static void rates(void **state)
{
	static const struct {
		size_t len;
		unsigned announced;
		size_t cap, stored;
	} rows[] = {
		{ 0, 0, 8, 0 }, { 0, 1, 8, 0 }, { 4, 0, 8, 1 }, { 4, 1, 8, 1 }, { 12, 0, 8, 3 },
		{ 12, 3, 8, 3 }, { 12, 2, 8, 2 }, { 12, 4, 8, 3 }, { 11, 0, 8, 0 }, { 13, 3, 8, 0 },
		{ 14, 3, 8, 0 }, { 3, 0, 8, 0 }, { 32, 0, 8, 8 }, { 40, 0, 8, 8 }, { 40, 10, 8, 8 },
		{ 1024, 0, 256, 256 }, { 1024, 255, 256, 255 }, { 1020, 255, 256, 255 },
		{ 8, 2, 0, 0 },
	};
	uint8_t p[1024];

	(void)state;
	for (size_t i = 0; i < sizeof p; i++)
		p[i] = (uint8_t)(i * 7 + i / 256);
	for (size_t i = 0; i < COUNT(rows); i++) {
		uint32_t out[257];
		size_t n = rows[i].stored;

		memset(out, 0xA5, sizeof out);
		assert_int_equal(ccid_rates_parse(out, rows[i].cap, p, rows[i].len,
						  rows[i].announced), n);
		for (size_t k = 0; k < n; k++)
			assert_int_equal(out[k], p[4 * k] + 0x100u * p[4 * k + 1] +
					 0x10000u * p[4 * k + 2] + 0x1000000u * p[4 * k + 3]);
		assert_int_equal(out[n], 0xA5A5A5A5);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields), cmocka_unit_test(lengths),
		cmocka_unit_test(message_length),
		cmocka_unit_test(finding),
		cmocka_unit_test(finding_the_old_type), cmocka_unit_test(slots), cmocka_unit_test(rates),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
