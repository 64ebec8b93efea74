/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Input: ids, the control pipe's answers (strings, data rates), then the configuration descriptor.
 * The descriptor is passed to the parser of the class descriptor directly, and through libusb to
 * the whole driver. */
#include "wire/ccid_desc.h"
#include "fuzz/fuzz_dev.h"
#include "fuzz/fuzz_driver.h"

#include <stdlib.h>
#include <string.h>

const char fuzz_name[] = "desc";

static void check_parse(const uint8_t *p, size_t n, uint8_t protocol)
{
	struct ccid_desc d = { .bInterfaceProtocol = protocol };
	const char *why = NULL;

	if (ccid_desc_parse(&d, p, n, &why) != CCID_OK) {
		FUZZ_CHECK(why != NULL && *why);
		return;
	}
	FUZZ_CHECK(n >= 54 && p[1] == 0x21);
	FUZZ_CHECK(protocol != 0 || d.dwMaxCCIDMessageLength >= 11);
	FUZZ_CHECK(ccid_desc_slots(&d) >= 1 && ccid_desc_slots(&d) <= 255);
	FUZZ_CHECK(ccid_desc_busy_places(&d) >= 1 && ccid_desc_busy_places(&d) <= ccid_desc_slots(&d));
}

static void check_find(const uint8_t *extra, size_t n, uint8_t protocol)
{
	size_t len = 0;
	const uint8_t *p = ccid_desc_find(extra, n, &len);

	if (!p)
		return;
	FUZZ_CHECK(p >= extra && p + len <= extra + n && len >= 2 && p[1] == 0x21);
	check_parse(p, len, protocol);
}

static void check_rates(const uint8_t *p, size_t n, unsigned announced)
{
	uint32_t rates[16];
	size_t got = ccid_rates_parse(rates, 16, p, n, announced);

	FUZZ_CHECK(got <= 16 && got * 4 <= n && (n % 4 == 0 || got == 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct fuzz_in in = fuzz_input(data, len);
	uint8_t bits = fuzz_u8(&in);
	struct fuzz_dev_conf conf = { .vendor = fuzz_u16(&in), .product = fuzz_u16(&in), .bcd = fuzz_u8(&in),
				      .then = bits & 1 ? MOOD_HONEST : MOOD_SILENT, .packet = 64 };
	struct fuzz_in calls;
	uint8_t *copy;

	conf.control = fuzz_part(&in);
	calls = fuzz_part(&in);
	copy = fuzz_copy(in.p, in.left);
	conf.descriptors = copy;
	conf.descriptors_len = in.left;
	conf.features = 0x00040000;
	check_find(copy, in.left, bits >> 6);
	check_parse(copy, in.left, bits >> 6);
	check_rates(copy, in.left, conf.bcd);
	fuzz_driver_begin();
	fake_usb_add(fuzz_dev_new(&conf));
	for (unsigned k = 0; k < FUZZ_LUNS; k++) {
		if (fuzz_driver_open(k) != IFD_SUCCESS)
			continue;
		for (unsigned i = 0; i < 4; i++)
			fuzz_driver_call(&calls);
	}
	fuzz_driver_end();
	free(copy);
	return 0;
}
