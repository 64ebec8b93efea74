/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* src/wire/ccid_config.c and ccid_interface.c: which interface of a configuration is the reader. */
#include "wire/ccid_config.h"
#include "wire/ccid_interface.h"

#include "unit/unit_cmocka.h"

#include <string.h>

static const uint8_t device[18] = { 18, 1, 0x10, 1, 0, 0, 0, 64, 0x34, 0x12, 0x78, 0x56, 0x23, 0x01, 0, 0, 0, 1 };

/* bInterfaceNumber, bAlternateSetting, bNumEndpoints, class, protocol */
#define FACE(n, alt, eps, class, protocol) 9, 4, (n), (alt), (eps), (class), 0, (protocol), 0
#define CCID_DESC 54, 0x21, 0x10, 1, 0, 7, 3, 0, 0, 0, 0xA0, 0x0F, 0, 0, 0xA0, 0x0F, 0, 0, 0, 0x80, 0x25, 0, 0, \
	0x80, 0x25, 0, 0, 0, 0xFE, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x30, 0, 1, 0, 0x0F, 1, 0, 0, 0, 0, 0, 0, 0, 1
#define ENDPOINT(address, type, size) 7, 5, (address), (type), (size), 0x08, 0

static const uint8_t config[] = {
	9, 2, 0, 0, 3, 1, 0, 0x80, 50,
	FACE(0, 0, 1, 0x03, 1), 9, 0x21, 0x11, 1, 0, 1, 0x22, 63, 0, ENDPOINT(0x81, 3, 8),
	FACE(1, 0, 3, 0x0B, 0), CCID_DESC, ENDPOINT(0x02, 2, 64), ENDPOINT(0x82, 2, 64), ENDPOINT(0x83, 3, 8),
	FACE(1, 1, 1, 0x0B, 0), ENDPOINT(0x04, 2, 32),
	FACE(2, 0, 2, 0xFF, 0), CCID_DESC, ENDPOINT(0x85, 2, 32), ENDPOINT(0x05, 2, 32),
};

static void the_first_reader(void **state)
{
	struct ccid_desc d;

	(void)state;
	assert_null(ccid_desc_of(&d, device, config, sizeof config, -1));
	assert_int_equal(d.idVendor, 0x1234);
	assert_int_equal(d.idProduct, 0x5678);
	assert_int_equal(d.bcdDevice, 0x0123);
	assert_int_equal(d.bInterfaceNumber, 1);
	assert_int_equal(d.bInterfaceClass, 0x0B);
	assert_int_equal(d.bulk_out, 0x02);
	assert_int_equal(d.bulk_in, 0x82);
	assert_int_equal(d.interrupt_in, 0x83);
	assert_int_equal(d.bulk_in_packet, 64);	/* the bits above are not its size */
	assert_int_equal(d.dwMaxCCIDMessageLength, 271);
}

static void by_number(void **state)
{
	struct ccid_desc d;

	(void)state;
	assert_null(ccid_desc_of(&d, device, config, sizeof config, 2));
	assert_int_equal(d.bulk_in, 0x85);
	assert_int_equal(d.interrupt_in, 0);
	assert_string_equal(ccid_desc_of(&d, device, config, sizeof config, 0), "no interface of a reader");
	assert_string_equal(ccid_desc_of(&d, device, config, sizeof config, 3), "no interface of a reader");
}

/* Cut anywhere, it is either understood or not: no byte beyond is read (memory checkers look on). */
static void cut_short(void **state)
{
	struct ccid_desc d;

	(void)state;
	for (size_t len = 0; len <= sizeof config; len++) {
		uint8_t copy[sizeof config + 1];
		const char *why;

		memcpy(copy, config, len);
		memset(copy + len, 0xFF, sizeof copy - len);
		why = ccid_desc_of(&d, device, copy, len, 1);
		assert_true(!why == (len >= 9 + 9 + 9 + 7 + 9 + 54 + 14));
	}
}

/* A length below 2 leaves no way to the next descriptor; short ones are passed over. */
static void unusual_lengths(void **state)
{
	static const uint8_t none[] = { 9, 2, 0, 0, 1, 1, 0, 0x80, 50, 0, 4, FACE(0, 0, 2, 0x0B, 0), CCID_DESC };
	static const uint8_t small[] = { 5, 4, 0, 0, 1, FACE(0, 0, 2, 0x0B, 0), CCID_DESC, 6, 5, 0x81, 2, 64, 0,
					 ENDPOINT(0x02, 2, 64) };
	struct ccid_desc d;

	(void)state;
	assert_string_equal(ccid_desc_of(&d, device, none, sizeof none, -1), "no interface of a reader");
	assert_string_equal(ccid_desc_of(&d, device, small, sizeof small, -1), "a bulk endpoint is missing");
}

static void unusable_descriptors(void **state)
{
	static const uint8_t bare[] = { FACE(0, 0, 0, 0x0B, 0) };
	static const uint8_t four[] = { FACE(0, 0, 0, 0x0B, 4), CCID_DESC };
	static const uint8_t empty[] = { FACE(0, 0, 2, 0x0B, 0), CCID_DESC, 7, 5, 0x81, 2, 0, 0, 0,
					 ENDPOINT(0x02, 2, 64) };
	struct ccid_desc d;

	(void)state;
	assert_string_equal(ccid_desc_of(&d, device, bare, sizeof bare, -1), "no class descriptor");
	assert_string_equal(ccid_desc_of(&d, device, four, sizeof four, -1), "bInterfaceProtocol is none of 0, 1, 2");
	assert_string_equal(ccid_desc_of(&d, device, empty, sizeof empty, -1),
			    "wMaxPacketSize of a bulk endpoint is 0");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_reader), cmocka_unit_test(by_number), cmocka_unit_test(cut_short),
		cmocka_unit_test(unusual_lengths), cmocka_unit_test(unusable_descriptors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
