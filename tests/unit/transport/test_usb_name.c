/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* src/transport/usb_name.c: what pcscd calls a device. */
#include "transport/usb.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include "unit/unit_cmocka.h"

#include <string.h>

static void device_names_that_are_parsed(void **state)
{
	static const struct {
		const char *text;
		struct usb_name want;
	} rows[] = {
		{ "usb:08e6/3437:libudev:0:/dev/bus/usb/001/002",
		  { 0x08E6, 0x3437, 0, 1, 2, "/dev/bus/usb/001/002", false } },
		{ "usb:08E6/3437:libudev:12:/dev/bus/usb/255/127",
		  { 0x08E6, 0x3437, 12, 255, 127, "/dev/bus/usb/255/127", false } },
		{ "usb:ffff/0001:libusb-1.0:3:7:1", { 0xFFFF, 0x0001, 1, 3, 7, "/dev/bus/usb/003/007", false } },
		{ "usb:076b/3021", { 0x076B, 0x3021, -1, 0, 0, "", false } },
		{ "usb:class", { 0, 0, -1, 0, 0, "", true } },
		{ "usb:class:0", { 0, 0, -1, 0, 0, "", true } },
		{ "usb:class:999", { 0, 0, -1, 0, 0, "", true } },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct usb_name n;

		memset(&n, 0xEE, sizeof n);
		assert_int_equal(usb_name_parse(rows[i].text, &n), CCID_OK);
		assert_int_equal(n.idVendor, rows[i].want.idVendor);
		assert_int_equal(n.idProduct, rows[i].want.idProduct);
		assert_int_equal(n.interface, rows[i].want.interface);
		assert_int_equal(n.bus, rows[i].want.bus);
		assert_int_equal(n.address, rows[i].want.address);
		assert_string_equal(n.node, rows[i].want.node);
		assert_int_equal(n.of_class, rows[i].want.of_class);
	}
}

static void device_names_that_are_refused(void **state)
{
	static const char *const rows[] = {
		"", "usb", "usb:", "usb:08e6", "usb:08e6/", "usb:xyz/3437", "/dev/ttyS0", "USB:08e6/3437",
		"usb:08e6/3437:", "usb:08e6/3437x", "usb:08e6/34375",
		"usb:08e6/3437:libudev", "usb:08e6/3437:libudev:", "usb:08e6/3437:libudev:0",
		"usb:08e6/3437:libudev:0:", "usb:08e6/3437:libudev:-1:/dev/bus/usb/001/002",
		"usb:08e6/3437:libudev:x:/dev/bus/usb/001/002", "usb:08e6/3437:libudev:0:/dev/bus/usb/001",
		"usb:08e6/3437:libudev:0:/dev/bus/usb/001/002/", "usb:08e6/3437:libudev:0:/dev/bus/usb/001/002x",
		"usb:08e6/3437:libudev:0:/etc/passwd", "usb:08e6/3437:libudev:0:/dev/bus/usb/../../sda",
		"usb:08e6/3437:libusb-1.0:", "usb:08e6/3437:libusb-1.0:1:2", "usb:08e6/3437:libusb-1.0:1:2:",
		"usb:08e6/3437:libusb-1.0:1:2:-3", "usb:08e6/3437:libusb-1.0:1:2:3x",
		"usb:08e6/3437:libusb-1.0:1:2:3:4",
		"usb:08e6/3437:libhal:0:x",
		"usb:class:", "usb:classic", "usb:class:x", "usb:class:-1", "usb:class:1000", "usb:class:0:1",
		"usb:class:0 ", "usb:CLASS:0", "usb:class/0",
		("usb:08e6/3437:libudev:0:/dev/bus/usb/"
		 "0000000000000000000000000000000000000000000000000000000000000001/1"),
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct usb_name n;

		if (usb_name_parse(rows[i], &n) != CCID_ERR_ARG)
			fail_msg("taken: %s", rows[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(device_names_that_are_parsed),
		cmocka_unit_test(device_names_that_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
