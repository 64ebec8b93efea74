/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* contrib/Kobil_mIDentity_switch.c, on simulated sticks: this file plays libusb for it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include "unit/unit_cmocka.h"

int kobil_main(int argc, char **argv);
#define main kobil_main
#include "../../../contrib/Kobil_mIDentity_switch.c"
#undef main

struct libusb_device {
	uint16_t idVendor, idProduct;
	uint8_t classes[3];	/* of the interfaces, 0 ends */
	int open_error, send_error;
	unsigned requests;
	struct request last;
	bool open, kernel_driver, detach;
	unsigned claimed;	/* a bit for each interface */
};

static struct libusb_device stick[3];
static unsigned n_sticks;
static int no_usb;

int libusb_init(libusb_context **ctx)
{
	*ctx = NULL;
	return no_usb;
}

void libusb_exit(libusb_context *ctx)
{
	(void)ctx;
}

ssize_t libusb_get_device_list(libusb_context *ctx, libusb_device ***list)
{
	(void)ctx;
	*list = calloc(n_sticks + 1, sizeof **list);
	for (unsigned i = 0; i < n_sticks; i++)
		(*list)[i] = &stick[i];
	return n_sticks;
}

void libusb_free_device_list(libusb_device **list, int unref)
{
	assert_int_equal(unref, 1);
	free(list);
}

int libusb_get_device_descriptor(libusb_device *dev, struct libusb_device_descriptor *d)
{
	*d = (struct libusb_device_descriptor){ .idVendor = dev->idVendor, .idProduct = dev->idProduct };
	return 0;
}

uint8_t libusb_get_bus_number(libusb_device *dev)
{
	(void)dev;
	return 1;
}

uint8_t libusb_get_device_address(libusb_device *dev)
{
	return (uint8_t)(dev - stick + 2);
}

int libusb_get_active_config_descriptor(libusb_device *dev, struct libusb_config_descriptor **config)
{
	struct libusb_interface *interface = calloc(3, sizeof *interface);
	struct libusb_interface_descriptor *alt = calloc(3, sizeof *alt);
	unsigned n = 0;

	*config = calloc(1, sizeof **config);
	for (; n < 3 && dev->classes[n]; n++) {
		alt[n].bInterfaceClass = dev->classes[n];
		interface[n] = (struct libusb_interface){ .altsetting = &alt[n], .num_altsetting = 1 };
	}
	(*config)->bNumInterfaces = (uint8_t)n;
	(*config)->interface = interface;
	(*config)->extra = (const unsigned char *)alt;	/* to be freed */
	return 0;
}

void libusb_free_config_descriptor(struct libusb_config_descriptor *config)
{
	free((void *)(uintptr_t)config->extra);
	free((void *)(uintptr_t)config->interface);
	free(config);
}

int libusb_open(libusb_device *dev, libusb_device_handle **handle)
{
	if (dev->open_error)
		return dev->open_error;
	dev->open = true;
	*handle = (libusb_device_handle *)dev;
	return 0;
}

static struct libusb_device *of(libusb_device_handle *handle)
{
	struct libusb_device *dev = (struct libusb_device *)handle;

	assert_true(dev->open);
	return dev;
}

void libusb_close(libusb_device_handle *handle)
{
	of(handle)->open = false;
}

int libusb_set_auto_detach_kernel_driver(libusb_device_handle *handle, int enable)
{
	of(handle)->detach = enable != 0;
	return 0;
}

int libusb_claim_interface(libusb_device_handle *handle, int interface)
{
	if ((of(handle)->kernel_driver && !of(handle)->detach) || !of(handle)->classes[interface])
		return LIBUSB_ERROR_BUSY;
	of(handle)->claimed |= 1u << interface;
	return 0;
}

int libusb_release_interface(libusb_device_handle *handle, int interface)
{
	assert_true(of(handle)->claimed >> interface & 1);
	of(handle)->claimed &= ~(1u << interface);
	return 0;
}

/* Like usbfs: a request for an interface needs that interface claimed; one for an endpoint, the
 * interface that owns it. */
int libusb_control_transfer(libusb_device_handle *handle, uint8_t type, uint8_t request, uint16_t value,
			    uint16_t index, unsigned char *data, uint16_t len, unsigned timeout)
{
	struct libusb_device *dev = of(handle);

	assert_int_not_equal(timeout, 0);
	if ((type & 0x1F) == 1 && !(dev->claimed >> index & 1))
		return LIBUSB_ERROR_BUSY;
	if ((type & 0x1F) == 2 && dev->claimed != 3)
		return LIBUSB_ERROR_BUSY;
	dev->requests++;
	dev->last = (struct request){ type, request, value, index, len, { 0 } };
	memcpy(dev->last.data, data, len);
	return dev->send_error ? dev->send_error : len;
}

const char *libusb_error_name(int code)
{
	return code == LIBUSB_ERROR_ACCESS ? "LIBUSB_ERROR_ACCESS" : "LIBUSB_ERROR_OTHER";
}

/* A stick that shows storage and HID only, and the other devices on the bus. */
static int fresh(void **state)
{
	(void)state;
	memset(stick, 0, sizeof stick);
	stick[0] = (struct libusb_device){ .idVendor = 0x08e6, .idProduct = 0x3437, .classes = { 0x0B } };
	stick[1] = (struct libusb_device){ .idVendor = 0x0d46, .idProduct = 0x4081, .classes = { 8, 3 },
					   .kernel_driver = true };
	stick[2] = stick[1];
	n_sticks = 2;
	no_usb = 0;
	return 0;
}

static int run(const char *a, const char *b)
{
	char *argv[] = { (char *)(uintptr_t)"switch", (char *)(uintptr_t)a, (char *)(uintptr_t)b, NULL };

	optind = 1;
	return kobil_main(b ? 3 : a ? 2 : 1, argv);
}

static int send_it(void)
{
	return run("-r", "21:09:0200:0001:04");
}

static void the_stick_is_switched(void **state)
{
	(void)state;
	assert_int_equal(send_it(), 0);
	assert_int_equal(stick[0].requests, 0);
	assert_int_equal(stick[1].requests, 1);
	assert_int_equal(stick[1].last.bRequest, 0x09);
	assert_int_equal(stick[1].last.len, 1);
	assert_false(stick[1].open || stick[1].claimed);
}

static void every_stick_is_switched(void **state)
{
	(void)state;
	n_sticks = 3;
	stick[1].open_error = LIBUSB_ERROR_ACCESS;
	assert_int_equal(send_it(), 1);
	assert_int_equal(stick[2].requests, 1);
}

static void readers_are_left_alone(void **state)
{
	(void)state;
	stick[1].classes[2] = 0x0B;
	assert_int_equal(send_it(), 0);
	assert_int_equal(run(NULL, NULL), 0);
	assert_int_equal(stick[1].requests, 0);
	assert_false(stick[1].open);
	assert_int_equal(run("-fr", "21:09:0200:0001:04"), 0);
	assert_int_equal(stick[1].requests, 1);
}

/* Without -r: the request that known sticks need, with both interfaces claimed. */
static void the_usual_request(void **state)
{
	const struct request *r = &stick[1].last;

	(void)state;
	assert_int_equal(run(NULL, NULL), 0);
	assert_int_equal(stick[1].requests, 1);
	assert_true(r->bmRequestType == 0x22 && r->bRequest == 0x09 && r->wValue == 0x0200 && r->wIndex == 2);
	assert_int_equal(r->len, 10);
	assert_memory_equal(r->data, "\x00\x04\x00\x00\x00\x02\x00\x00\x00\x11", 10);
	assert_false(stick[1].open || stick[1].claimed);
	assert_int_equal(run("-f", NULL), 0);
	assert_int_equal(stick[1].requests, 2);
	/* an interface cannot be claimed: nothing is sent, and the other interface is released */
	stick[1].classes[1] = 0;
	assert_int_equal(run("-f", NULL), 1);
	assert_int_equal(stick[1].requests, 2);
	assert_false(stick[1].open || stick[1].claimed);
}

static void without_a_stick_nothing_is_sent(void **state)
{
	(void)state;
	n_sticks = 1;
	assert_int_equal(run(NULL, NULL), 1);
	no_usb = LIBUSB_ERROR_OTHER;
	assert_int_equal(run(NULL, NULL), 1);
}

static void each_failure_has_an_exit_code(void **state)
{
	(void)state;
	stick[1].send_error = LIBUSB_ERROR_PIPE;
	assert_int_equal(send_it(), 1);
	assert_false(stick[1].open || stick[1].claimed);
	/* Gone at once: the stick restarts with its reader. */
	stick[1].send_error = LIBUSB_ERROR_NO_DEVICE;
	assert_int_equal(send_it(), 0);
}

static void another_request_can_be_given(void **state)
{
	static const char *const bad[] = { "", "40", "40:01:02", "40:01:0002:", "140:01:0002:0003", "C0:01:0002:0003",
					   "40:01:10000:0", "40:01:0002:0003:4", "40:01:0002:0003:4x", "40:-1:2:3" };
	const struct request *r = &stick[1].last;

	(void)state;
	assert_int_equal(run("-r", "40:a1:1234:0002:00ff"), 0);
	assert_true(r->bmRequestType == 0x40 && r->bRequest == 0xA1 && r->wValue == 0x1234 && r->wIndex == 2);
	assert_true(r->len == 2 && r->data[0] == 0 && r->data[1] == 0xFF);
	assert_int_equal(run("-r", "40:01:0000:0000"), 0);
	assert_int_equal(r->len, 0);
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		if (run("-r", bad[i]) != 2)
			fail_msg("\"%s\" is taken", bad[i]);
	assert_int_equal(stick[1].requests, 2);
	assert_int_equal(run("-x", NULL), 2);
	assert_int_equal(run("more", NULL), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(the_stick_is_switched, fresh),
		cmocka_unit_test_setup(every_stick_is_switched, fresh),
		cmocka_unit_test_setup(readers_are_left_alone, fresh),
		cmocka_unit_test_setup(the_usual_request, fresh),
		cmocka_unit_test_setup(without_a_stick_nothing_is_sent, fresh),
		cmocka_unit_test_setup(each_failure_has_an_exit_code, fresh),
		cmocka_unit_test_setup(another_request_can_be_given, fresh),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
