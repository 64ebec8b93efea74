/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Devices with several CCID interfaces: a reader each, or slots of one
 * (--enable-composite-as-multislot). The whole driver on simulated devices, as pcscd sees it. */
#include "slot/composite.h"

#include "unit/driver/driver_fixture.h"

#include <stdio.h>
#include <string.h>

#ifdef ENABLE_COMPOSITE_AS_MULTISLOT
#define MULTISLOT 1
#else
#define MULTISLOT 0
#endif
#define INTERFACES_MAX 4

static const struct composite {
	const char *from;
	const char *more;		/* further lines of the simulator's text */
	unsigned first, interfaces;	/* that are CCID; the numbers are consecutive */
	unsigned slots;			/* as slots of one reader */
} devices[] = {
	{ "HID_OMNIKEY_5422", "", 0, 2, 2 },
	{ "Alcor_Link_AK9567", "", 0, 2, 2 },
	{ "Alcor_Link_AK9572", "", 0, 2, 2 },
	{ "ACS_WalletMate_Dual_Reader", "", 0, 2, 2 },
	{ "ACS_ACR1251_Dual_Reader", "", 0, 2, 2 },
	{ "ACS_ACR1252_Dual_Reader", "", 0, 2, 2 },
	{ "ACS_ACR1252IMP_Reader", "", 0, 2, 2 },
	{ "ACS_ACR1552U", "", 0, 2, 2 },
	{ "GemProxDU", "", 1, 2, 2 },
	/* the table has its interfaces in the other order */
	{ "GemProxDU", "product = 5504\n", 1, 2, 2 },
	{ "ACS_ACR1581", "", 0, 3, 3 },
	{ "Feitian_R502", "", 0, 4, 4 },
	{ "KAPELSE_KAP-LINK", "", 0, 2, 2 },
	{ "KAPELSE_KAP-LINK2", "", 0, 3, 3 },
	{ "Kapelse_KAP-Move", "", 0, 3, 3 },
	{ "KAPELSE_KAP-eCV", "interface = 1\n", 0, 2, 1 },
	/* one interface more than the row has, and some fewer */
	{ "HID_OMNIKEY_5422", "interface = 2\n", 0, 3, 2 },
	{ "GemPCTwin", "vendor = 096e\nproduct = 060d\nbcd = 1.00\n", 0, 1, 1 },
	{ "GemPCTwin", "vendor = 2947\nproduct = 0f0f\nbcd = 1.00\n", 0, 1, 1 },
	/* not a composite reader */
	{ "GemPCTwin", "interface = 1\n", 0, 2, 0 },
};

/* Each interface has a card whose ATR names the interface. */
static void start(const struct composite *d)
{
	char text[600];
	int n = snprintf(text, sizeof text, "reader r\nfrom = %s\n%s", d->from, d->more);

	for (unsigned i = 0; i < d->interfaces; i++)
		n += snprintf(text + n, sizeof text - (size_t)n, "interface = %u\ncard 0 = t0t1 hist=3%u\n",
			      d->first + i, i);
	fixture_start(FAKE_VIRTUAL, text);
}

static unsigned value(DWORD lun, DWORD tag)
{
	UCHAR v[4] = { 0 };
	DWORD len = sizeof v;

	FIXTURE_IS_FINE(IFDHGetCapabilities(lun, tag, &len, v));
	assert_int_equal(len, 1);
	return v[0];
}

/* The number in the ATR's historical byte, which stands before TCK. */
static unsigned interface_of(DWORD lun)
{
	UCHAR atr[MAX_ATR_SIZE];
	DWORD len = sizeof atr;

	FIXTURE_IS_FINE(IFDHPowerICC(lun, IFD_POWER_UP, atr, &len));
	assert_in_range(len, 4, sizeof atr);
	return atr[len - 2] - 0x30u;
}

static void readers_apart(const struct composite *d)
{
	for (unsigned i = 0; i < d->interfaces; i++) {
		DWORD lun = (DWORD)i << 16;

		FIXTURE_IS_FINE(fixture_open(lun, 0, d->first + i));
		assert_int_equal(value(lun, TAG_IFD_SLOTS_NUMBER), 1);
		assert_int_equal(value(lun, TAG_IFD_SLOT_THREAD_SAFE), 0);
		assert_int_equal(interface_of(lun), i);
	}
	for (unsigned i = d->interfaces; i-- > 0;)
		FIXTURE_IS_FINE(IFDHCloseChannel((DWORD)i << 16));
}

/* pcscd offers every interface, then opens the slots under the name of the first one. */
static void slots_of_one(const struct composite *d)
{
	FIXTURE_IS_FINE(fixture_open(0, 0, d->first));
	fixture_log_clear();	/* the missing configuration is reported once */
	assert_int_equal(value(0, TAG_IFD_SLOTS_NUMBER), d->slots);
	assert_int_equal(value(0, TAG_IFD_SLOT_THREAD_SAFE), d->slots > 1);
	for (unsigned i = 1; i < d->slots; i++)
		FIXTURE_IS_FINE(fixture_open(i, 0, d->first));
	assert_int_equal(fixture_open(d->slots, 0, d->first), IFD_NO_SUCH_DEVICE);
	for (unsigned i = 1; i < d->interfaces; i++)
		assert_int_equal(fixture_open(0x10000, 0, d->first + i), IFD_NO_SUCH_DEVICE);
	assert_int_equal(fixture_log_critical(), 0);
	for (unsigned i = 0; i < d->slots; i++) {
		assert_int_equal(value(i, TAG_IFD_SLOTS_NUMBER), d->slots);
		assert_int_equal(interface_of(i), i);
	}
	/* slots are closed in any order, and opened again */
	FIXTURE_IS_FINE(IFDHCloseChannel(0));
	FIXTURE_IS_FINE(fixture_open(0, 0, d->first));
	assert_int_equal(interface_of(0), 0);
	for (unsigned i = 0; i < d->slots; i++)
		FIXTURE_IS_FINE(IFDHCloseChannel(i));
}

static void every_device(void **state)
{
	const struct composite *d = *state;

	start(d);
	if (MULTISLOT && d->slots > 0)
		slots_of_one(d);
	else
		readers_apart(d);
	fixture_stop();
}

/* Commands, removals and polls of one interface do not disturb the others. */
static void independent(void **state)
{
	static const struct composite d = { "Feitian_R502", "", 0, 4, 4 };
	DWORD lun[INTERFACES_MAX];

	(void)state;
	start(&d);
	for (unsigned i = 0; i < d.interfaces; i++) {
		lun[i] = MULTISLOT ? i : (DWORD)i << 16;
		FIXTURE_IS_FINE(fixture_open(lun[i], 0, MULTISLOT ? d.first : d.first + i));
		FIXTURE_IS_FINE(fixture_power(lun[i]));
		FIXTURE_IS_FINE(IFDHSetProtocolParameters(lun[i], SCARD_PROTOCOL_T1, 0, 0, 0, 0));
	}
	for (unsigned i = 0; i < 40; i++)
		FIXTURE_IS_FINE(fixture_echo(lun[i % d.interfaces], i, 1 + i * 5));
	fixture_remove(0, 0);
	assert_int_equal(IFDHICCPresence(lun[0]), IFD_ICC_NOT_PRESENT);
	for (unsigned i = 1; i < d.interfaces; i++) {
		assert_int_equal(IFDHICCPresence(lun[i]), IFD_ICC_PRESENT);
		FIXTURE_IS_FINE(fixture_echo(lun[i], i, 100));
	}
	FIXTURE_IS_FINE(IFDHCloseChannel(lun[2]));
	FIXTURE_IS_FINE(fixture_echo(lun[1], 1, 100));
	fake_usb_unplug(0);
	for (unsigned i = 0; i < d.interfaces; i++) {
		if (i != 2)
			assert_int_equal(IFDHICCPresence(lun[i]), IFD_NO_SUCH_DEVICE);
	}
	for (unsigned i = 0; i < d.interfaces; i++) {
		if (i != 2)
			FIXTURE_IS_FINE(IFDHCloseChannel(lun[i]));
	}
	fixture_stop();
}

/* Names without an interface, and interface numbers that no composite reader has, are not
 * changed. */
static void untouched(void **state)
{
	struct usb_name name = { .idVendor = 0x096E, .idProduct = 0x060D, .interface = -1 };
	unsigned number = 9;

	(void)state;
	assert_int_equal(composite_resolve(&name, &number, &(struct config){ .log_level = 0 }), CCID_OK);
	assert_int_equal(name.interface, -1);
	assert_int_equal(number, 9);
	name = (struct usb_name){ .idVendor = 0x08E6, .idProduct = 0x3437, .interface = 3 };
	assert_int_equal(composite_resolve(&name, &number, &(struct config){ .log_level = 0 }), CCID_OK);
	assert_int_equal(name.interface, 3);
	assert_int_equal(number, 9);
}

#define DEVICES (sizeof devices / sizeof devices[0])

int main(void)
{
	static char names[DEVICES][80];
	struct CMUnitTest tests[DEVICES + 2];

	for (size_t i = 0; i < DEVICES; i++) {
		snprintf(names[i], sizeof names[i], "%zu %s%s", i, devices[i].from, *devices[i].more ? " changed" : "");
		tests[i] = (struct CMUnitTest){ .name = names[i], .test_func = every_device,
			.teardown_func = fixture_teardown, .initial_state = (void *)(uintptr_t)&devices[i] };
	}
	tests[DEVICES] = (struct CMUnitTest)cmocka_unit_test_teardown(independent, fixture_teardown);
	tests[DEVICES + 1] = (struct CMUnitTest)cmocka_unit_test(untouched);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
