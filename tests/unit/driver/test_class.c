/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Readers that no driver lists, opened by their class: "usb:class:N". */
#include "driver_fixture.h"

#include "slot/registry.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* "At once" by the virtual clock. */
#define AT_ONCE_MS 100

static unsigned address_of(DWORD lun, unsigned *number)
{
	struct slot *s = registry_get(lun);
	unsigned address;

	assert_non_null(s);
	address = s->reader->transport->address;
	*number = s->number;
	registry_put(s);
	return address;
}

/* Drivers' lists that name the reader 2222:0002. */
static void a_list(char dir[40])
{
	char path[128];
	FILE *f;

	strcpy(dir, "/tmp/test_registry.XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof path, "%s/other.bundle", dir);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof path, "%s/other.bundle/Contents", dir);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof path, "%s/other.bundle/Contents/Info.plist", dir);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs("<plist><dict><key>ifdVendorID</key><array><string>0x2222</string></array>"
	      "<key>ifdProductID</key><array><string>0x0002</string></array></dict></plist>", f);
	fclose(f);
	setenv("PCSCLITE_HP_DROPDIR", dir, 1);
}

static void no_list(const char *dir)
{
	char path[128];

	snprintf(path, sizeof path, "rm -rf %s", dir);
	assert_int_equal(system(path), 0);
}

static RESPONSECODE by_class(DWORD lun, char n)
{
	char name[] = "usb:class:N";

	name[sizeof name - 2] = n;
	return IFDHCreateChannelByName(lun, name);
}

/* Readers that no driver lists are opened by their class: two at once with all their slots, also
 * after they were unplugged. A reader that a driver lists is never opened so, and no reader
 * twice. */
static void unlisted_readers_are_opened_by_their_class(void **state)
{
	char dir[40];
	unsigned number;

	(void)state;
	fixture_start(FAKE_VIRTUAL, "reader listed\nvendor = 2222\nproduct = 0002\nreader vendors\nclass = 0xFF\n"
		  "reader a\nvendor = 1111\nproduct = 0001\nslots = 2\ncard 0 = t1\n"
		  "reader b\nvendor = 3333\nproduct = 0003\ncard 0 = t1\n");
	/* without the lists the driver cannot know which readers have a driver of their own */
	assert_int_not_equal(by_class(0, '0'), IFD_SUCCESS);
	assert_int_equal(fixture_log_count("readers by class are not looked for"), 1);
	a_list(dir);
	FIXTURE_IS_FINE(by_class(0x00000, '0'));
	FIXTURE_IS_FINE(by_class(0x00001, '0'));
	FIXTURE_IS_FINE(by_class(0x10000, '1'));
	assert_int_equal(by_class(0x20000, '2'), IFD_NO_SUCH_DEVICE);
	assert_int_equal(address_of(0x00000, &number), 4);
	assert_int_equal(address_of(0x00001, &number), 4);
	assert_int_equal(number, 1);
	assert_int_equal(address_of(0x10000, &number), 5);
	FIXTURE_IS_FINE(fixture_power(0x00000));
	FIXTURE_IS_FINE(fixture_echo(0x00000, 1, 10));
	FIXTURE_IS_FINE(fixture_power(0x10000));
	FIXTURE_IS_FINE(fixture_echo(0x10000, 1, 10));
	/* the listed reader is opened by its own name */
	FIXTURE_IS_FINE(fixture_open(0x30000, 0, 0));
	/* the second reader stays open while the first is replugged */
	fake_usb_unplug(2);
	assert_int_equal(IFDHICCPresence(0x00000), IFD_NO_SUCH_DEVICE);
	FIXTURE_IS_FINE(IFDHCloseChannel(0x00000));
	FIXTURE_IS_FINE(IFDHCloseChannel(0x00001));
	assert_int_equal(by_class(0x00000, '0'), IFD_NO_SUCH_DEVICE);
	fake_usb_plug(2);
	FIXTURE_IS_FINE(by_class(0x00000, '0'));
	assert_int_equal(address_of(0x10000, &number), 5);
	FIXTURE_IS_FINE(fixture_power(0x00000));
	FIXTURE_IS_FINE(fixture_echo(0x00000, 1, 10));
	FIXTURE_IS_FINE(IFDHCloseChannel(0x00000));
	FIXTURE_IS_FINE(IFDHCloseChannel(0x10000));
	FIXTURE_IS_FINE(IFDHCloseChannel(0x30000));
	no_list(dir);
	fixture_stop();
}

/* A mute reader does not keep another one from being opened, and is tried again once a minute. */
static void a_mute_reader_does_not_block_its_class(void **state)
{
	char dir[40];
	unsigned number;
	uint64_t began;

	(void)state;
	fixture_start(FAKE_VIRTUAL, "reader mute\nreader good\n");
	fixture_fault(0, "silent count=0");
	a_list(dir);
	assert_int_not_equal(by_class(0x00000, '0'), IFD_SUCCESS);
	FIXTURE_IS_FINE(by_class(0x10000, '1'));
	assert_int_equal(address_of(0x10000, &number), 3);
	began = fixture_ms();
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(by_class(0x00000, '0'), IFD_NO_SUCH_DEVICE);
	assert_in_range(fixture_ms() - began, 0, AT_ONCE_MS);
	fake_clock_advance(UINT64_C(60000000000));
	fixture_fault(0, "clear");
	FIXTURE_IS_FINE(by_class(0x00000, '0'));
	FIXTURE_IS_FINE(IFDHCloseChannel(0x00000));
	FIXTURE_IS_FINE(IFDHCloseChannel(0x10000));
	no_list(dir);
	fixture_stop();
}

#define TEST(f) cmocka_unit_test_teardown(f, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(unlisted_readers_are_opened_by_their_class),
		TEST(a_mute_reader_does_not_block_its_class),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
