/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* src/transport/usb_find.c: the interface in a device's descriptors, the device on the buses. */
#include "usb_bench.h"

#include "transport/usb_find.h"

#include <errno.h>
#include <libusb.h>

/* --- calls of libusb that fail (linked with --wrap) --- */

static struct {
	bool init, list, device, active_config, config;
	uint8_t ports[8];
	int n_ports;		/* 0: as the simulator says */
} as_told;

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
int __real_libusb_get_port_numbers(libusb_device *dev, uint8_t *ports, int len);
int __wrap_libusb_get_port_numbers(libusb_device *dev, uint8_t *ports, int len);

int __wrap_libusb_init(libusb_context **ctx)
{
	return as_told.init ? LIBUSB_ERROR_OTHER : __real_libusb_init(ctx);
}

ssize_t __wrap_libusb_get_device_list(libusb_context *ctx, libusb_device ***list)
{
	return as_told.list ? LIBUSB_ERROR_NO_MEM : __real_libusb_get_device_list(ctx, list);
}

int __wrap_libusb_get_device_descriptor(libusb_device *dev, struct libusb_device_descriptor *d)
{
	return as_told.device ? LIBUSB_ERROR_IO : __real_libusb_get_device_descriptor(dev, d);
}

int __wrap_libusb_get_active_config_descriptor(libusb_device *dev,
					       struct libusb_config_descriptor **c)
{
	return as_told.active_config ? LIBUSB_ERROR_NOT_FOUND :
				       __real_libusb_get_active_config_descriptor(dev, c);
}

int __wrap_libusb_get_config_descriptor(libusb_device *dev, uint8_t index,
					struct libusb_config_descriptor **c)
{
	return as_told.config ? LIBUSB_ERROR_NOT_FOUND :
				__real_libusb_get_config_descriptor(dev, index, c);
}

int __wrap_libusb_get_port_numbers(libusb_device *dev, uint8_t *ports, int len)
{
	if (as_told.n_ports == 0)
		return __real_libusb_get_port_numbers(dev, ports, len);
	assert_true(as_told.n_ports <= len);
	for (int i = 0; i < as_told.n_ports; i++)
		ports[i] = as_told.ports[i];
	return as_told.n_ports;
}

static struct ccid_desc desc;
static struct usb_name name;
static unsigned n_interfaces;

static int setup(void **state)
{
	(void)state;
	bench.log = (struct log_ctx){ .reader = "bench" };
	memset(&as_told, 0, sizeof as_told);
	return 0;
}

static int teardown(void **state)
{
	memset(&as_told, 0, sizeof as_told);
	return bench_teardown(state);
}

/* Looks at device dev of the bus. */
static enum ccid_err find(unsigned dev, int interface)
{
	struct libusb_device_descriptor dd;
	libusb_device **list;
	libusb_context *ctx;
	enum ccid_err err;

	name = (struct usb_name){ .interface = interface };
	libusb_init(&ctx);
	assert_true(libusb_get_device_list(ctx, &list) > (ssize_t)dev);
	libusb_get_device_descriptor(list[dev], &dd);
	err = usb_find_interface(list[dev], &dd, &name, &bench.log, &desc, &n_interfaces);
	libusb_free_device_list(list, 1);
	libusb_exit(ctx);
	return err;
}

static void what_a_plain_reader_has(void **state)
{
	(void)state;
	fixture_start(FAKE_VIRTUAL, "reader r\nvendor = 1234\nproduct = 5678\nbcd = 2.10\n"
		  "slots = 3\nbusy = 2\nmaxlen = 300\n");
	assert_int_equal(find(0, 0), CCID_OK);
	assert_int_equal(desc.idVendor, 0x1234);
	assert_int_equal(desc.idProduct, 0x5678);
	assert_int_equal(desc.bcdDevice, 0x0210);
	assert_int_equal(desc.bMaxSlotIndex, 2);
	assert_int_equal(desc.bMaxCCIDBusySlots, 2);
	assert_int_equal(desc.dwMaxCCIDMessageLength, 300);
	assert_int_equal(desc.bulk_out, 0x01);
	assert_int_equal(desc.bulk_in, 0x81);
	assert_int_equal(desc.interrupt_in, 0x82);
	assert_int_equal(desc.bulk_in_packet, 64);
	assert_int_equal(n_interfaces, 1);
	assert_int_equal(find(0, -1), CCID_OK);
	assert_int_equal(name.interface, 0);
	assert_int_equal(find(0, 1), CCID_ERR_NO_DEVICE);
	assert_int_equal(fixture_log_critical(), 0);
	fixture_stop();
}

static void several_interfaces(void **state)
{
	(void)state;
	fixture_start(FAKE_VIRTUAL, "reader r\nslots = 1\ninterface = 2\nslots = 4\ninterface = 3\nclass = 3\n");
	assert_int_equal(find(0, 2), CCID_OK);
	assert_int_equal(desc.bInterfaceNumber, 2);
	assert_int_equal(desc.bMaxSlotIndex, 3);
	assert_int_equal(n_interfaces, 2);
	assert_int_equal(find(0, 0), CCID_OK);
	assert_int_equal(desc.bMaxSlotIndex, 0);
	/* a filler of another class, and one with a foreign class that is announced */
	assert_int_equal(find(0, 1), CCID_ERR_NO_DEVICE);
	assert_int_equal(find(0, 3), CCID_ERR_NO_DEVICE);
	assert_int_equal(fixture_log_critical(), 0);
	fixture_stop();
}

/* The class of readers older than the standard, and of some of ACS: the class descriptor decides. */
static void other_class(const char *sim)
{
	fixture_start(FAKE_VIRTUAL, sim);
	assert_int_equal(find(0, 0), CCID_OK);
	assert_int_equal(desc.bInterfaceProtocol, CCID_PROTOCOL_BULK);
	fixture_fault(0, "desc-short value=20");
	fake_usb_unplug(0);
	fake_usb_plug(0);
	assert_int_equal(find(0, 0), CCID_ERR_NO_DEVICE);
	/* not a reader: no message */
	assert_int_equal(fixture_log_critical(), 0);
	fixture_stop();
}

static void class_ff(void **state)
{
	(void)state;
	other_class("reader r\nclass = 0xFF\n");
}

static void class_00(void **state)
{
	(void)state;
	other_class("reader r\nvendor = 072f\nproduct = 2011\nclass = 0x00\n");
}

/* Row 13 of what a device may do, and what has to come of it. */
static const struct {
	const char *fault;
	enum ccid_err want;
	const char *line;	/* in the one critical line */
} rows[] = {
	{ "desc-short value=20", CCID_ERR_NO_DEVICE, "cannot be used" },
	{ "desc-short value=53", CCID_ERR_NO_DEVICE, "cannot be used" },
	{ "desc-short value=2", CCID_ERR_NO_DEVICE, "cannot be used" },
	{ "desc-long value=60", CCID_OK, NULL },
	{ "desc-doubled", CCID_OK, NULL },
	{ "desc-at-endpoint", CCID_OK, NULL },
	{ "desc-none", CCID_ERR_NO_DEVICE, "no class descriptor" },
	{ "no-altsetting", CCID_ERR_NO_DEVICE, NULL },
	{ "no-endpoints", CCID_ERR_NO_DEVICE, "a bulk endpoint is missing" },
	{ "endpoints-doubled", CCID_OK, NULL },
	{ "endpoint-type", CCID_ERR_NO_DEVICE, "a bulk endpoint is missing" },
	{ "max-message value=0", CCID_ERR_NO_DEVICE, "dwMaxCCIDMessageLength" },
	{ "max-message value=9", CCID_ERR_NO_DEVICE, "dwMaxCCIDMessageLength" },
	{ "max-message value=10", CCID_ERR_NO_DEVICE, "dwMaxCCIDMessageLength" },
	{ "max-message value=11", CCID_OK, NULL },
	{ "max-message value=64", CCID_OK, NULL },
	{ "max-message value=4294967295", CCID_OK, NULL },
	{ "max-slot-index value=255", CCID_OK, NULL },
	{ "max-slot-index value=40", CCID_OK, NULL },
	{ "busy-slots value=0", CCID_OK, NULL },
	{ "busy-slots value=255", CCID_OK, NULL },
};

static void strange_descriptors(void **state)
{
	(void)state;
	for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		enum ccid_err err;

		fixture_start(FAKE_VIRTUAL, "reader r\nunplugged\n");
		fixture_fault(0, "%s", rows[i].fault);
		fake_usb_plug(0);
		err = find(0, 0);
		if (err != rows[i].want)
			fail_msg("%s: %s", rows[i].fault, err_name(err));
		assert_int_equal(fixture_log_critical(), rows[i].line ? 1 : 0);
		if (rows[i].line && fixture_log_count(rows[i].line) != 1) {
			fixture_log_print();
			fail_msg("%s: no line with %s", rows[i].fault, rows[i].line);
		}
		if (err == CCID_OK) {
			assert_int_equal(desc.bulk_in, 0x81);
			assert_in_range(ccid_desc_slots(&desc), 1, 255);
			assert_in_range(ccid_desc_busy_places(&desc), 1, ccid_desc_slots(&desc));
		}
		fixture_stop();
	}
}

/* The descriptor that lies is the second one. */
static void the_first_whole_descriptor_counts(void **state)
{
	(void)state;
	fixture_start(FAKE_VIRTUAL, "reader r\nslots = 2\nunplugged\n");
	fixture_fault(0, "desc-doubled");
	fake_usb_plug(0);
	assert_int_equal(find(0, 0), CCID_OK);
	assert_int_equal(desc.bMaxSlotIndex, 1);
	fixture_stop();
}

/* --- the first free reader --- */

static bool all_taken(void *user, unsigned bus, unsigned address, int interface)
{
	unsigned *calls = user;

	assert_int_equal(bus, 1);
	assert_true(address >= 2 && interface >= 0);
	++*calls;
	return true;
}

static bool address_2_taken(void *user, unsigned bus, unsigned address, int interface)
{
	(void)user;
	(void)bus;
	(void)interface;
	return address == 2;
}

static enum ccid_err first(const struct usb_open_request *rq, struct usb_name *found)
{
	*found = (struct usb_name){ .interface = -1 };
	return usb_find_next(rq, found);
}

static void the_first_that_fits(void **state)
{
	struct usb_name wanted = { .interface = -1 }, found = wanted;
	unsigned calls = 0;
	struct usb_open_request rq = { .name = &wanted, .log = &bench.log };

	(void)state;
	fixture_start(FAKE_VIRTUAL, "reader mouse\nclass = 3\nreader a\nvendor = 1111\nproduct = 0001\n"
		  "reader b\nvendor = 2222\nproduct = 0002\n");
	assert_int_equal(first(&rq, &found), CCID_OK);
	assert_int_equal(found.address, 3);
	assert_string_equal(found.node, "/dev/bus/usb/001/003");
	assert_int_equal(found.interface, 0);
	wanted.idVendor = 0x2222;
	wanted.idProduct = 2;
	assert_int_equal(first(&rq, &found), CCID_OK);
	assert_int_equal(found.address, 4);
	wanted.idProduct = 3;
	assert_int_equal(first(&rq, &found), CCID_ERR_NO_DEVICE);
	wanted = (struct usb_name){ .interface = -1 };
	rq.taken = all_taken;
	rq.user = &calls;
	assert_int_equal(first(&rq, &found), CCID_ERR_NO_DEVICE);
	assert_int_equal(calls, 2);
	rq.taken = address_2_taken;
	fake_usb_unplug(1);
	assert_int_equal(first(&rq, &found), CCID_OK);
	assert_int_equal(found.address, 4);
	fixture_stop();
}

static bool lists_2222(void *user, uint16_t idVendor, uint16_t idProduct)
{
	(void)user;
	(void)idProduct;
	return idVendor == 0x2222;
}

/* By its class alone: neither what is listed, nor what only looks like a reader, nor what is of no use. */
static void the_first_of_its_class(void **state)
{
	struct usb_name wanted = { .interface = -1, .of_class = true }, found = wanted;
	struct usb_open_request rq = { .name = &wanted, .log = &bench.log, .listed = lists_2222 };

	(void)state;
	fixture_start(FAKE_VIRTUAL, "reader mouse\nclass = 3\nreader vendors\nclass = 0xFF\nreader none\nclass = 0\n"
		  "reader listed\nvendor = 2222\nreader broken\nunplugged\nreader a\nreader two\ninterface = 1\n");
	fixture_fault(4, "desc-short value=20");
	fake_usb_plug(4);
	assert_int_equal(first(&rq, &found), CCID_OK);
	assert_int_equal(found.address, 6);
	assert_string_equal(found.node, "/dev/bus/usb/001/006");
	assert_int_equal(usb_find_next(&rq, &found), CCID_OK);
	assert_int_equal(found.address, 7);
	assert_int_equal(found.interface, 0);
	assert_int_equal(usb_find_next(&rq, &found), CCID_OK);
	assert_int_equal(found.address, 7);
	assert_int_equal(found.interface, 1);
	assert_int_equal(usb_find_next(&rq, &found), CCID_ERR_NO_DEVICE);
	rq.listed = NULL;
	assert_int_equal(first(&rq, &found), CCID_OK);
	assert_int_equal(found.address, 5);
	fixture_stop();
}

static void path_on_the_bus(void **state)
{
	char path[32];

	(void)state;
	bench_start(FAKE_VIRTUAL, "reader a\nreader b\n");
	assert_int_equal(usb_bus_path(bench.t, path, sizeof path), CCID_OK);
	assert_string_equal(path, "1-1:1.0");
	for (size_t cap = 1; cap < 8; cap++) {
		memset(path, 0x7E, sizeof path);
		assert_int_equal(usb_bus_path(bench.t, path, cap), CCID_ERR_SHORT_BUFFER);
		assert_int_equal(path[cap], 0x7E);
	}
	/* looked for once, not at each call */
	assert_int_equal(fake_usb_counts().total_contexts, 2);
	fake_usb_unplug(0);
	assert_int_equal(status_of(bench.t, 0, 1), CCID_ERR_NO_DEVICE);
	assert_int_equal(usb_bus_path(bench.t, path, sizeof path), CCID_ERR_NO_DEVICE);
	bench_stop();
}

static void path_behind_hubs(void **state)
{
	char path[40];

	(void)state;
	bench_start(FAKE_VIRTUAL, "reader a\n");
	as_told.n_ports = 7;	/* as deep as USB goes */
	memcpy(as_told.ports, "\x01\x04\x02\x0F\x01\x01\x03", 7);
	assert_int_equal(usb_bus_path(bench.t, path, sizeof path), CCID_OK);
	assert_string_equal(path, "1-1.4.2.15.1.1.3:1.0");
	for (size_t cap = 1; cap <= 20; cap++)
		assert_int_equal(usb_bus_path(bench.t, path, cap), CCID_ERR_SHORT_BUFFER);
	bench_stop();
	bench_start(FAKE_VIRTUAL, "reader a\n");
	as_told.n_ports = -1;	/* on no port: there is no path to tell */
	assert_int_equal(usb_bus_path(bench.t, path, sizeof path), CCID_ERR_NOT_SUPPORTED);
	bench_stop();
}

/* --- libusb refuses --- */

/* A device that does not tell its configuration, just after a reset or ever: it is still the same device. */
static void a_configuration_that_is_not_told(void **state)
{
	struct deadline d;
	char path[40];

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		bench_start(FAKE_VIRTUAL, "reader a\n");
		if (i == 1) {
			bench.t->ops->close(bench.t);
			bench.t = NULL;
			as_told.active_config = true;
			assert_int_equal(bench_open_interface(0, 0, &bench.t), CCID_OK);
			assert_int_equal(usb_bus_path(bench.t, path, sizeof path), CCID_ERR_NOT_SUPPORTED);
			as_told.active_config = false;
		}
		fake_usb_reset(0);
		assert_int_equal(status_of(bench.t, 0, 1), CCID_ERR_STALE);
		d = deadline_in_ms(2000);
		as_told.active_config = i == 0;
		assert_int_equal(bench.t->ops->reopen(bench.t, &d), CCID_OK);
		as_told.active_config = false;
		assert_int_equal(status_of(bench.t, 0, 2), CCID_OK);
		bench_stop();
	}
}

/* A name that gives the ids is held to them. */
static void another_device_at_the_same_node(void **state)
{
	static const struct {
		uint16_t idVendor, idProduct;
		enum ccid_err want;
	} ids[] = { { 0x1111, 1, CCID_OK }, { 0x1111, 2, CCID_ERR_NO_DEVICE }, { 0x2222, 1, CCID_ERR_NO_DEVICE } };
	struct libusb_device_descriptor dd = { .idVendor = 0x1111, .idProduct = 1 };
	libusb_device **list;
	libusb_context *ctx;

	(void)state;
	fixture_start(FAKE_VIRTUAL, "reader a\nvendor = 1111\nproduct = 0001\n");
	libusb_init(&ctx);
	assert_int_equal(libusb_get_device_list(ctx, &list), 1);
	for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
		name = (struct usb_name){ .idVendor = ids[i].idVendor, .idProduct = ids[i].idProduct };
		assert_int_equal(usb_find_interface(list[0], &dd, &name, &bench.log, &desc, &n_interfaces),
				 ids[i].want);
	}
	libusb_free_device_list(list, 1);
	libusb_exit(ctx);
	fixture_stop();
}

static void devices_that_tell_nothing(void **state)
{
	struct usb_name wanted = { .interface = -1 }, found = wanted;
	struct usb_open_request rq = { .name = &wanted, .log = &bench.log };

	(void)state;
	fixture_start(FAKE_VIRTUAL, "reader a\n");
	as_told.active_config = true;	/* not configured yet: its first configuration */
	assert_int_equal(find(0, 0), CCID_OK);
	assert_int_equal(first(&rq, &found), CCID_ERR_NO_DEVICE);
	as_told.config = true;
	assert_int_equal(find(0, 0), CCID_ERR_NO_DEVICE);
	as_told.active_config = as_told.config = false;
	as_told.device = true;
	assert_int_equal(first(&rq, &found), CCID_ERR_NO_DEVICE);
	as_told.device = false;
	as_told.list = true;
	assert_int_equal(first(&rq, &found), CCID_ERR_COMM);
	as_told.list = false;
	as_told.init = true;
	assert_int_equal(first(&rq, &found), CCID_ERR_COMM);
	as_told.init = false;
	assert_int_equal(first(&rq, &found), CCID_OK);
	fixture_stop();
}

static void a_bus_that_tells_nothing(void **state)
{
	char path[32];

	(void)state;
	bench_start(FAKE_VIRTUAL, "reader a\n");
	as_told.init = true;
	assert_int_equal(usb_bus_path(bench.t, path, sizeof path), CCID_ERR_NOT_SUPPORTED);
	as_told.init = false;
	as_told.list = true;
	assert_int_equal(usb_bus_path(bench.t, path, sizeof path), CCID_ERR_NOT_SUPPORTED);
	as_told.list = false;
	assert_int_equal(usb_bus_path(bench.t, path, sizeof path), CCID_OK);
	bench_stop();
}

/* Where libusb takes no nodes it looks for the device itself; then the bus must be there, and the device tell. */
static void opening_what_tells_nothing(void **state)
{
	(void)state;
	bench_host(FAKE_VIRTUAL, "reader a\n");
	as_told.list = true;
	fake_usb_fail_node(1, ENOSYS);
	assert_int_equal(bench_open_interface(0, 0, &bench.t), CCID_ERR_NO_DEVICE);
	as_told.list = false;
	as_told.device = true;
	assert_int_equal(bench_open_interface(0, 0, &bench.t), CCID_ERR_COMM);
	assert_null(bench.t);
	as_told.device = false;
	assert_int_equal(fake_usb_counts().handles, 0);
	assert_int_equal(bench_open_interface(0, 0, &bench.t), CCID_OK);
	bench_stop();
}

/* Two interfaces: the first that is free, and a strange one is passed over. */
static void the_first_free_interface(void **state)
{
	struct usb_name wanted = { .interface = -1 }, found = wanted;
	struct usb_open_request rq = { .name = &wanted, .log = &bench.log };

	(void)state;
	fixture_start(FAKE_VIRTUAL, "reader strange\nunplugged\nreader ff\nclass = 0xFF\nunplugged\n"
		  "reader a\ninterface = 1\n");
	fixture_fault(0, "no-altsetting");
	fixture_fault(1, "desc-none");
	fake_usb_plug(0);
	fake_usb_plug(1);
	assert_int_equal(first(&rq, &found), CCID_OK);
	assert_int_equal(found.address, 2);
	assert_int_equal(found.interface, 0);
	fake_usb_unplug(2);
	assert_int_equal(first(&rq, &found), CCID_ERR_NO_DEVICE);
	fixture_stop();
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_a_plain_reader_has),
		TEST(several_interfaces),
		TEST(class_ff),
		TEST(class_00),
		TEST(strange_descriptors),
		TEST(the_first_whole_descriptor_counts),
		TEST(the_first_that_fits),
		TEST(the_first_of_its_class),
		TEST(path_on_the_bus),
		TEST(path_behind_hubs),
		TEST(a_configuration_that_is_not_told),
		TEST(another_device_at_the_same_node),
		TEST(devices_that_tell_nothing),
		TEST(a_bus_that_tells_nothing),
		TEST(opening_what_tells_nothing),
		TEST(the_first_free_interface),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
