/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Readers whose firmware is too old are refused; one log line names both versions and the option
 * that allows them. test_every_reader shows that ifdDriverOptions 0x04 lets them through. */
#include "driver_fixture.h"

#include <stdio.h>

#define LUN 0x20000

/* id, the first good firmware as BCD */
static const struct gate {
	unsigned vendor, product, good;
} gates[] = {
	{ 0x04e6, 0xe001, 0x0516 }, { 0x04e6, 0x5111, 0x0620 }, { 0x04e6, 0xe003, 0x0510 },
	{ 0x0d46, 0x3001, 0x0037 }, { 0x0d46, 0x3002, 0x0037 }, { 0x09c3, 0x0008, 0x0203 },
	{ 0x0dc3, 0x1004, 0x0502 }, { 0x0dc3, 0x1102, 0x0607 }, { 0x058f, 0x9520, 0x0102 },
	{ 0x072f, 0x2200, 0x0206 }, { 0x08c3, 0x0402, 0x5000 }, { 0x08c3, 0x0401, 0x5000 },
	{ 0x0b0c, 0x0050, 0x0101 }, { 0x0dc3, 0x0900, 0x0200 }, { 0x03f0, 0x0036, 0x0124 },
	{ 0x062d, 0x0001, 0x0102 }, { 0x04e6, 0x5291, 0x0112 },
};

static RESPONSECODE open_with(const struct gate *g, unsigned bcd)
{
	char text[200];

	snprintf(text, sizeof text, "reader x\nvendor = %04x\nproduct = %04x\nbcd = %04x\ncard 0 = t1\n", g->vendor,
		 g->product, bcd);
	fixture_start(FAKE_VIRTUAL, text);
	return fixture_open(LUN, 0, 0);
}

/* The BCD number below. */
static unsigned bcd_below(unsigned bcd)
{
	if (bcd & 0x000F)
		return bcd - 1;
	if (bcd & 0x00F0)
		return bcd - 0x10 + 9;
	if (bcd & 0x0F00)
		return bcd - 0x100 + 0x99;
	return bcd - 0x1000 + 0x999;
}

static void old_firmware_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof gates / sizeof gates[0]; i++) {
		unsigned old = bcd_below(gates[i].good);
		char version[16];

		assert_int_equal(open_with(&gates[i], old), IFD_NO_SUCH_DEVICE);
		assert_int_equal(fixture_log_count("is too old"), 1);
		snprintf(version, sizeof version, " %x.%02x ", old >> 8, old & 0xFF);
		assert_int_equal(fixture_log_count(version), 1);
		snprintf(version, sizeof version, " %x.%02x ", gates[i].good >> 8, gates[i].good & 0xFF);
		assert_int_equal(fixture_log_count(version), 1);
		assert_int_equal(fixture_log_count("0x0004 in ifdDriverOptions"), 1);
		fixture_stop();
	}
}

static void good_firmware_is_driven(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof gates / sizeof gates[0]; i++) {
		FIXTURE_IS_FINE(open_with(&gates[i], gates[i].good));
		assert_int_equal(fixture_log_critical(), 0);
		FIXTURE_IS_FINE(IFDHCloseChannel(LUN));
		fixture_stop();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(old_firmware_is_refused, fixture_teardown),
		cmocka_unit_test_teardown(good_firmware_is_driven, fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
