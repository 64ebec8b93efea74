/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* src/tools/parse_usb.c: which interfaces of the bus are shown, and what they are asked for. */
#include "unit/driver/driver_fixture.h"
#include "unit/tools/capture.h"

#include "tools/parse.h"

#include <stdlib.h>
#include <string.h>

/* --- calls of libusb and memory that fail (linked with --wrap) --- */

static struct {
	bool init, list, device, active_config, config, memory;
} fails;

int __real_libusb_init(libusb_context **ctx);
int __wrap_libusb_init(libusb_context **ctx);
ssize_t __real_libusb_get_device_list(libusb_context *ctx, libusb_device ***list);
ssize_t __wrap_libusb_get_device_list(libusb_context *ctx, libusb_device ***list);
int __real_libusb_get_device_descriptor(libusb_device *dev, struct libusb_device_descriptor *d);
int __wrap_libusb_get_device_descriptor(libusb_device *dev, struct libusb_device_descriptor *d);
int __real_libusb_get_active_config_descriptor(libusb_device *dev,
					       struct libusb_config_descriptor **c);
int __wrap_libusb_get_active_config_descriptor(libusb_device *dev,
					       struct libusb_config_descriptor **c);
int __real_libusb_get_config_descriptor(libusb_device *dev, uint8_t index,
					struct libusb_config_descriptor **c);
int __wrap_libusb_get_config_descriptor(libusb_device *dev, uint8_t index,
					struct libusb_config_descriptor **c);
void *__real_malloc(size_t n);
void *__wrap_malloc(size_t n);

int __wrap_libusb_init(libusb_context **ctx)
{
	return fails.init ? LIBUSB_ERROR_OTHER : __real_libusb_init(ctx);
}

ssize_t __wrap_libusb_get_device_list(libusb_context *ctx, libusb_device ***list)
{
	return fails.list ? LIBUSB_ERROR_ACCESS : __real_libusb_get_device_list(ctx, list);
}

int __wrap_libusb_get_device_descriptor(libusb_device *dev, struct libusb_device_descriptor *d)
{
	return fails.device ? LIBUSB_ERROR_IO : __real_libusb_get_device_descriptor(dev, d);
}

int __wrap_libusb_get_active_config_descriptor(libusb_device *dev,
					       struct libusb_config_descriptor **c)
{
	return fails.active_config ? LIBUSB_ERROR_NOT_FOUND :
				     __real_libusb_get_active_config_descriptor(dev, c);
}

int __wrap_libusb_get_config_descriptor(libusb_device *dev, uint8_t index,
					struct libusb_config_descriptor **c)
{
	return fails.config ? LIBUSB_ERROR_NOT_FOUND :
			      __real_libusb_get_config_descriptor(dev, index, c);
}

void *__wrap_malloc(size_t n)
{
	return fails.memory && n == sizeof(struct parse_reader) ? NULL : __real_malloc(n);
}

/* --- one look at the bus --- */

#define SHOWN_MAX 4

static struct parse_reader *shown;
static unsigned n_shown;
static struct parse_seen seen;
static struct capture said;

static void show(void *user, struct parse_reader *r)
{
	assert_ptr_equal(user, &n_shown);
	assert_true(n_shown < SHOWN_MAX);
	shown[n_shown++] = *r;
}

static struct parse_wanted anything(void)
{
	return (struct parse_wanted){ .idVendor = -1, .idProduct = -1 };
}

static bool look(struct parse_wanted w)
{
	bool good;

	n_shown = 0;
	capture_begin(&said, stderr, -1);
	good = parse_bus(&w, &seen, show, &n_shown);
	capture_end(&said);
	assert_int_equal(n_shown, seen.readers);
	return good;
}

/* No error: no message. */
static void looks(struct parse_wanted w, unsigned readers)
{
	assert_true(look(w));
	assert_int_equal(seen.readers, readers);
	assert_false(seen.incomplete);
	assert_string_equal(said.text, "");
}

static void said_one_line_with(const char *text)
{
	const char *end = strchr(said.text, '\n');

	if (strncmp(said.text, "ccid-parse: ", 12) != 0 || !end || end[1] != '\0' ||
	    !strstr(said.text, text))
		fail_msg("not one line with \"%s\": %s", text, said.text);
}

static int setup(void **state)
{
	(void)state;
	shown = calloc(SHOWN_MAX, sizeof *shown);
	memset(&fails, 0, sizeof fails);
	return shown ? 0 : -1;
}

static int teardown(void **state)
{
	memset(&fails, 0, sizeof fails);
	free(shown);
	return fixture_teardown(state);
}

#define A "reader a\nvendor = 1111\nproduct = 0001\nname = Leser\nmanufacturer = Maker\nserial = S-42\n"
#define B "reader b\nvendor = 2222\nproduct = 0002\n"

/* --- what is asked --- */

static void strings_rates_and_places(void **state)
{
	(void)state;
	fixture_start(FAKE_VIRTUAL, A "rates = 9600,19200\n" B);
	looks(anything(), 2);
	assert_int_equal(seen.devices, 2);
	assert_int_equal(shown[0].bus, 1);
	assert_int_equal(shown[0].address, 2);
	assert_string_equal(shown[0].iManufacturer.text, "Maker");
	assert_string_equal(shown[0].iProduct.text, "Leser");
	assert_string_equal(shown[0].iSerialNumber.text, "S-42");
	assert_false(shown[0].iInterface.read);
	assert_int_equal(shown[0].rates.n, 2);
	assert_int_equal(shown[0].rates.value[1], 19200);
	assert_null(shown[0].rates.note);
	assert_int_equal(shown[1].address, 3);
	assert_int_equal(shown[1].idVendor, 0x2222);
	assert_false(shown[1].iSerialNumber.read);
	fixture_stop();
}

/* A device that has no language, or does not answer: English is as good as any. */
static void strings_of_a_device_that_fails(void **state)
{
	(void)state;
	fixture_start(FAKE_VIRTUAL, A);
	for (unsigned nth = 1; nth <= 4; nth++) {
		fake_usb_fail_submit(nth, LIBUSB_ERROR_IO);
		looks(anything(), 1);
		assert_int_equal(shown[0].iManufacturer.read, nth != 2);
		assert_int_equal(shown[0].iProduct.read, nth != 3);
		assert_int_equal(shown[0].iSerialNumber.read, nth != 4);
	}
	fixture_stop();
}

static void rates_that_are_refused(void **state)
{
	(void)state;
	fixture_start(FAKE_VIRTUAL, A "rates = 9600,19200\n");
	fixture_fault(0, "rates-stall");
	looks(anything(), 1);
	assert_int_equal(shown[0].rates.n, 0);
	assert_string_equal(shown[0].rates.note, "the device does not know the request");
	fixture_fault(0, "clear");
	/* the languages, three strings, the clock frequencies, and then */
	fake_usb_fail_submit(6, LIBUSB_ERROR_TIMEOUT);
	looks(anything(), 1);
	assert_string_equal(shown[0].rates.note, "LIBUSB_ERROR_TIMEOUT");
	fixture_stop();
	/* one that announces no number is asked for all it has */
	fixture_start(FAKE_VIRTUAL, A);
	fixture_fault(0, "rates-extra value=1");
	looks(anything(), 1);
	assert_int_equal(shown[0].rates.n, 1);
	assert_non_null(strstr(shown[0].rates.note, "a part of one more"));
	fixture_stop();
}

static void iccd_is_not_asked_for_rates(void **state)
{
	unsigned submits;

	(void)state;
	fixture_start(FAKE_VIRTUAL, "reader r\niccd = b\n");
	submits = fake_usb_counts().total_submits;
	looks(anything(), 1);
	assert_string_equal(shown[0].rates.note, "ICCD has no such request");
	assert_string_equal(shown[0].clocks.note, "ICCD has no such request");
	/* the languages, and at most four strings */
	assert_in_range(fake_usb_counts().total_submits - submits, 1, 5);
	fixture_stop();
}

/* An interface that cannot be understood is shown, with the reason, and not asked. */
static void a_descriptor_cut_short(void **state)
{
	(void)state;
	fixture_start(FAKE_VIRTUAL, "reader r\nunplugged\nrates = 9600\n");
	fixture_fault(0, "desc-short value=20");
	fake_usb_plug(0);
	looks(anything(), 1);
	assert_false(shown[0].decoded);
	assert_non_null(shown[0].problem);
	assert_int_equal(shown[0].rates.n, 0);
	fixture_stop();
}

/* --- which are shown --- */

static void narrowed_by_id_and_by_node(void **state)
{
	static const struct {
		int idVendor, idProduct;
		unsigned bus, address, devices, readers;
	} rows[] = {
		{ 0x2222, 2, 0, 0, 1, 1 }, { 0x2222, 1, 0, 0, 0, 0 }, { 0x3333, 2, 0, 0, 0, 0 },
		{ -1, -1, 1, 3, 1, 1 },	   { -1, -1, 1, 9, 0, 0 },    { -1, -1, 2, 3, 0, 0 },
		{ -1, -1, 1, 4, 1, 0 },	   { 0x2222, 2, 1, 2, 0, 0 },
	};

	(void)state;
	fixture_start(FAKE_VIRTUAL, A B "reader mouse\nclass = 3\n");
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		looks((struct parse_wanted){ .idVendor = rows[i].idVendor,
					     .idProduct = rows[i].idProduct,
					     .bus = rows[i].bus,
					     .address = rows[i].address }, rows[i].readers);
		assert_int_equal(seen.devices, rows[i].devices);
		if (rows[i].readers)
			assert_int_equal(shown[0].idVendor, 0x2222);
	}
	fixture_stop();
}

static void class_ff_when_asked_for(void **state)
{
	struct parse_wanted w = anything();

	(void)state;
	fixture_start(FAKE_VIRTUAL, A "reader v\nclass = 0xFF\n");
	looks(w, 1);
	assert_int_equal(seen.vendor, 1);
	w.vendor_too = true;
	looks(w, 2);
	assert_int_equal(seen.vendor, 0);
	assert_int_equal(shown[1].bInterfaceClass, 0xFF);
	fixture_stop();
}

static void every_interface_of_a_device(void **state)
{
	(void)state;
	fixture_start(FAKE_VIRTUAL, "reader r\ninterface = 0\ninterface = 1\n");
	looks(anything(), 2);
	assert_int_equal(seen.devices, 1);
	assert_int_equal(shown[0].bInterfaceNumber, 0);
	assert_int_equal(shown[1].bInterfaceNumber, 1);
	fixture_stop();
}

static void an_interface_without_settings(void **state)
{
	(void)state;
	fixture_start(FAKE_VIRTUAL, "reader r\nunplugged\n" B);
	fixture_fault(0, "no-altsetting");
	fake_usb_plug(0);
	looks(anything(), 1);
	assert_int_equal(shown[0].idVendor, 0x2222);
	fixture_stop();
}

/* --- what fails --- */

static void a_device_that_cannot_be_opened(void **state)
{
	static const struct {
		int code;
		const char *line;
	} rows[] = {
		{ LIBUSB_ERROR_ACCESS, "/dev/bus/usb/001/002: cannot open it, so strings and rates are "
				       "missing: LIBUSB_ERROR_ACCESS; try as root\n" },
		{ LIBUSB_ERROR_NO_DEVICE, ": LIBUSB_ERROR_NO_DEVICE\n" },
	};

	(void)state;
	fixture_start(FAKE_VIRTUAL, A "rates = 9600\n" B);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		fake_usb_fail_open(1, rows[i].code);
		assert_true(look(anything()));
		assert_true(seen.incomplete);
		said_one_line_with(rows[i].line);
		/* the rest is shown, and the other reader as well */
		assert_int_equal(n_shown, 2);
		assert_int_equal(shown[0].idVendor, 0x1111);
		assert_false(shown[0].iProduct.read);
		assert_int_equal(shown[0].rates.n, 0);
		assert_int_equal(shown[1].idVendor, 0x2222);
	}
	fixture_stop();
}

static void a_reader_that_is_in_use(void **state)
{
	(void)state;
	fixture_start(FAKE_VIRTUAL, A "rates = 9600\n");
	fake_usb_claim_busy(1);
	assert_true(look(anything()));
	assert_true(seen.incomplete);
	said_one_line_with("cannot ask for clock frequencies and data rates: LIBUSB_ERROR_BUSY; another "
			   "program has it: stop pcscd");
	assert_string_equal(shown[0].iProduct.text, "Leser");
	assert_int_equal(shown[0].rates.n, 0);
	fixture_stop();
}

static void a_bus_that_cannot_be_read(void **state)
{
	(void)state;
	fixture_start(FAKE_VIRTUAL, A);
	fails.init = true;
	assert_false(look(anything()));
	said_one_line_with("cannot use libusb: LIBUSB_ERROR_OTHER\n");
	fails.init = false;
	fails.list = true;
	assert_false(look(anything()));
	said_one_line_with("cannot list the bus: LIBUSB_ERROR_ACCESS\n");
	fails.list = false;
	fails.memory = true;
	assert_false(look(anything()));
	said_one_line_with("cannot list the bus: LIBUSB_ERROR_NO_MEM\n");
	assert_int_equal(seen.readers, 0);
	fixture_stop();
}

static void devices_without_descriptors(void **state)
{
	(void)state;
	fixture_start(FAKE_VIRTUAL, A);
	fails.device = true;
	looks(anything(), 0);
	assert_int_equal(seen.devices, 0);
	fails.device = false;
	fails.active_config = true;	/* not configured: the first one is shown */
	looks(anything(), 1);
	fails.config = true;
	looks(anything(), 0);
	assert_int_equal(seen.devices, 1);
	fixture_stop();
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(strings_rates_and_places),
		TEST(strings_of_a_device_that_fails),
		TEST(rates_that_are_refused),
		TEST(iccd_is_not_asked_for_rates),
		TEST(a_descriptor_cut_short),
		TEST(narrowed_by_id_and_by_node),
		TEST(class_ff_when_asked_for),
		TEST(every_interface_of_a_device),
		TEST(an_interface_without_settings),
		TEST(a_device_that_cannot_be_opened),
		TEST(a_reader_that_is_in_use),
		TEST(a_bus_that_cannot_be_read),
		TEST(devices_without_descriptors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
