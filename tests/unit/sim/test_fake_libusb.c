/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The libusb stand-in: nodes, handles, transfers, both clocks, failures. */
#include "fake/fake_libusb.h"
#include "transport/usb_node.h"
#include "util/deadline.h"

#include <libusb.h>

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "unit/unit_cmocka.h"

#define S 1000000000ull

struct fixture {
	libusb_context *ctx;
	libusb_device_handle *h;
	int fd;
	unsigned nr;
};

static unsigned add(const char *text)
{
	struct sim_dev **devs;
	char err[200];
	unsigned nr;

	if (sim_config_parse(text, &devs, err, sizeof err) != 1)
		fail_msg("%s", err);
	nr = fake_usb_add(devs[0]);
	free(devs);
	return nr;
}

static int open_named(struct fixture *r)
{
	char name[80];

	fake_usb_name(r->nr, 0, name, sizeof name);
	r->fd = usb_node_open(strstr(name, "/dev"));
	if (r->fd < 0)
		return -errno;
	return libusb_wrap_sys_device(r->ctx, r->fd, &r->h);
}

static void fixture_open(struct fixture *r, enum fake_clock clock, const char *text)
{
	memset(r, 0, sizeof *r);
	fake_usb_begin(clock);
	r->nr = add(text);
	assert_int_equal(libusb_init(&r->ctx), 0);
	assert_int_equal(open_named(r), 0);
	assert_int_equal(libusb_claim_interface(r->h, 0), 0);
}

static void fixture_close(struct fixture *r)
{
	struct fake_counts c;

	libusb_close(r->h);
	usb_node_close(r->fd);
	libusb_exit(r->ctx);
	c = fake_usb_counts();
	assert_int_equal(c.contexts + c.handles + c.transfers + c.submitted + c.nodes +
				 c.device_refs + c.claims,
			 0);
	fake_usb_end();
}

static int status_command(struct fixture *r, uint8_t seq, uint8_t *in)
{
	uint8_t m[10] = { 0x65, 0, 0, 0, 0, 0, seq };
	int n, rc;

	rc = libusb_bulk_transfer(r->h, 0x01, m, 10, &n, 1000);
	if (rc == 0)
		rc = libusb_bulk_transfer(r->h, 0x81, in, 128, &n, 1000);
	return rc ? rc : n;
}

static void test_open(void **state)
{
	struct fixture r;
	char name[80];
	uint8_t in[128];
	unsigned char text[64];
	libusb_device **list, *dev;
	struct libusb_device_descriptor dd;

	(void)state;
	fixture_open(&r, FAKE_VIRTUAL, "reader r\nvendor = 08e6\nproduct = 3437\nserial = 77\n");
	fake_usb_name(0, 2, name, sizeof name);
	assert_string_equal(name, "usb:08e6/3437:libudev:2:/dev/bus/usb/001/002");
	dev = libusb_get_device(r.h);
	assert_int_equal(libusb_get_bus_number(dev), 1);
	assert_int_equal(libusb_get_device_address(dev), 2);
	assert_int_equal(libusb_get_device_descriptor(dev, &dd), 0);
	assert_int_equal(dd.idVendor, 0x08e6);
	assert_int_equal(
		libusb_get_string_descriptor_ascii(r.h, dd.iSerialNumber, text, sizeof text), 2);
	assert_string_equal((char *)text, "77");
	assert_int_equal(status_command(&r, 1, in), 10);
	assert_int_equal(in[0], 0x81);
	assert_int_equal(libusb_get_device_list(r.ctx, &list), 1);
	assert_ptr_equal(list[0], dev);
	libusb_free_device_list(list, 1);
	assert_int_equal(usb_node_open("/dev/bus/usb/001/099"), -1);
	assert_int_equal(errno, ENOENT);
	assert_int_equal(libusb_control_transfer(r.h, 0xA1, 3, 0, 0, in, 128, 100),
			 LIBUSB_ERROR_PIPE);
	assert_int_equal(libusb_clear_halt(r.h, 0x81), 0);
	libusb_release_interface(r.h, 0);
	fixture_close(&r);
}

static void test_config_descriptor(void **state)
{
	struct libusb_config_descriptor *c;
	const struct libusb_interface_descriptor *a;
	libusb_device *dev;
	struct fixture r;

	(void)state;
	fixture_open(&r, FAKE_VIRTUAL, "reader r\ninterface = 2\n");
	dev = libusb_get_device(r.h);
	assert_int_equal(libusb_get_active_config_descriptor(dev, &c), 0);
	assert_int_equal(c->bNumInterfaces, 3);
	a = &c->interface[2].altsetting[0];
	assert_int_equal(a->bInterfaceNumber, 2);
	assert_int_equal(a->bNumEndpoints, 3);
	assert_int_equal(a->extra_length, 54);
	assert_int_equal(a->endpoint[1].wMaxPacketSize, 64);
	assert_int_equal(c->interface[1].altsetting[0].bInterfaceClass, 3);
	libusb_free_config_descriptor(c);
	assert_int_equal(libusb_get_config_descriptor(dev, 1, &c), LIBUSB_ERROR_NOT_FOUND);
	fixture_close(&r);
}

/* An altsetting that is announced and missing; a class descriptor behind the endpoints. */
static void test_unusual_descriptors(void **state)
{
	static const char *const faults[] = { "no-altsetting", "desc-at-endpoint" };
	struct libusb_config_descriptor *c;
	libusb_context *ctx;
	libusb_device **list;

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		char text[60];

		fake_usb_begin(FAKE_VIRTUAL);
		snprintf(text, sizeof text, "reader r\nfault = %s\n", faults[i]);
		add(text);
		libusb_init(&ctx);
		assert_int_equal(libusb_get_device_list(ctx, &list), 1);
		assert_int_equal(libusb_get_active_config_descriptor(list[0], &c), 0);
		assert_int_equal(c->bNumInterfaces, 1);
		if (i == 0)
			assert_int_equal(c->interface[0].num_altsetting, 0);
		else
			assert_int_equal(c->interface[0].altsetting[0].endpoint[2].extra_length,
					 54);
		libusb_free_config_descriptor(c);
		libusb_free_device_list(list, 1);
		libusb_exit(ctx);
		fake_usb_end();
	}
}

static void test_virtual_time(void **state)
{
	struct fixture r;
	uint8_t in[128];
	uint64_t start;
	int n, done = 0;
	struct timeval tv = { 90, 0 };

	(void)state;
	fixture_open(&r, FAKE_VIRTUAL, "reader r\n");
	start = clock_now();
	assert_int_equal(libusb_bulk_transfer(r.h, 0x81, in, 128, &n, 30000), LIBUSB_ERROR_TIMEOUT);
	assert_int_equal(clock_now() - start, 30 * S);
	libusb_handle_events_timeout_completed(r.ctx, &tv, &done);
	assert_int_equal(clock_now() - start, 120 * S);
	clock_sleep_until(start + 200 * S);
	fake_clock_advance(S);
	assert_int_equal(clock_now() - start, 201 * S);
	/* an interruption ends the next wait */
	libusb_interrupt_event_handler(r.ctx);
	libusb_handle_events_timeout_completed(r.ctx, &tv, &done);
	assert_int_equal(clock_now() - start, 201 * S);
	fixture_close(&r);
}

static void LIBUSB_CALL count(struct libusb_transfer *t)
{
	__atomic_add_fetch((int *)t->user_data, 1, __ATOMIC_SEQ_CST);
}

static void test_cancel(void **state)
{
	struct fixture r;
	uint8_t in[128];
	int n = 0;
	struct timeval tv = { 1, 0 };
	struct libusb_transfer *t;

	(void)state;
	fixture_open(&r, FAKE_VIRTUAL, "reader r\n");
	t = libusb_alloc_transfer(0);
	libusb_fill_bulk_transfer(t, r.h, 0x81, in, 128, count, &n, 0);
	assert_int_equal(libusb_cancel_transfer(t), LIBUSB_ERROR_NOT_FOUND);
	assert_int_equal(libusb_submit_transfer(t), 0);
	assert_int_equal(libusb_submit_transfer(t), LIBUSB_ERROR_BUSY);
	assert_int_equal(libusb_cancel_transfer(t), 0);
	assert_int_equal(n, 0);
	libusb_handle_events_timeout(r.ctx, &tv);
	assert_int_equal(n, 1);
	assert_int_equal(t->status, LIBUSB_TRANSFER_CANCELLED);
	libusb_free_transfer(t);
	fixture_close(&r);
}

static void test_failures(void **state)
{
	struct fixture r;
	uint8_t in[128];
	libusb_device_handle *h;

	(void)state;
	fixture_open(&r, FAKE_VIRTUAL, "reader r\n");
	fake_usb_fail_submit(2, LIBUSB_ERROR_NO_MEM);
	assert_int_equal(status_command(&r, 1, in), LIBUSB_ERROR_NO_MEM);
	assert_int_equal(status_command(&r, 2, in), 10);
	fake_usb_fail_alloc(1);
	assert_int_equal(status_command(&r, 3, in), LIBUSB_ERROR_NO_MEM);
	assert_int_equal(status_command(&r, 4, in), 10);
	fake_usb_fail_open(1, LIBUSB_ERROR_ACCESS);
	assert_int_equal(libusb_wrap_sys_device(r.ctx, r.fd, &h), LIBUSB_ERROR_ACCESS);
	assert_int_equal(libusb_wrap_sys_device(r.ctx, r.fd, &h), 0);
	/* another program has it */
	assert_int_equal(libusb_claim_interface(h, 0), LIBUSB_ERROR_BUSY);
	libusb_release_interface(r.h, 0);
	fake_usb_claim_busy(2);
	assert_int_equal(libusb_claim_interface(h, 0), LIBUSB_ERROR_BUSY);
	assert_int_equal(libusb_claim_interface(h, 0), LIBUSB_ERROR_BUSY);
	assert_int_equal(libusb_claim_interface(h, 0), 0);
	assert_int_equal(libusb_claim_interface(h, 7), LIBUSB_ERROR_NOT_FOUND);
	libusb_close(h);
	fake_usb_fail_node(1, EACCES);
	assert_int_equal(usb_node_open("/dev/bus/usb/001/002"), -1);
	assert_int_equal(errno, EACCES);
	fixture_close(&r);
}

static void test_unplug_and_reset(void **state)
{
	struct fixture r;
	uint8_t in[128];
	char name[80];
	int n = 0;
	struct timeval tv = { 1, 0 };
	struct libusb_transfer *t;

	(void)state;
	fixture_open(&r, FAKE_VIRTUAL, "reader r\n");
	t = libusb_alloc_transfer(0);
	libusb_fill_bulk_transfer(t, r.h, 0x81, in, 128, count, &n, 0);
	libusb_submit_transfer(t);
	fake_usb_unplug(r.nr);
	libusb_handle_events_timeout(r.ctx, &tv);
	assert_int_equal(n, 1);
	assert_int_equal(t->status, LIBUSB_TRANSFER_NO_DEVICE);
	assert_int_equal(libusb_submit_transfer(t), LIBUSB_ERROR_NO_DEVICE);
	fake_usb_name(r.nr, 0, name, sizeof name);
	assert_int_equal(usb_node_open(strstr(name, "/dev")), -1);
	fake_usb_plug(r.nr);
	/* the old handle stays dead, a new one works */
	assert_int_equal(libusb_submit_transfer(t), LIBUSB_ERROR_NO_DEVICE);
	libusb_free_transfer(t);
	libusb_close(r.h);
	usb_node_close(r.fd);
	assert_int_equal(open_named(&r), 0);
	assert_int_equal(libusb_get_device_address(libusb_get_device(r.h)), 3);
	assert_int_equal(status_command(&r, 1, in), 10);
	fake_usb_reset(r.nr);
	assert_int_equal(status_command(&r, 2, in), LIBUSB_ERROR_NO_DEVICE);
	libusb_close(r.h);
	usb_node_close(r.fd);
	assert_int_equal(open_named(&r), 0);
	assert_int_equal(libusb_get_device_address(libusb_get_device(r.h)), 3);
	assert_int_equal(status_command(&r, 1, in), 10);
	fixture_close(&r);
}

/* Real time: one thread sleeps in libusb, another submits, and wakes it. */
struct handler {
	libusb_context *ctx;
	int stop;
};

static void *handle(void *arg)
{
	struct handler *h = arg;

	while (!__atomic_load_n(&h->stop, __ATOMIC_SEQ_CST)) {
		struct timeval tv = { 20, 0 };

		libusb_handle_events_timeout_completed(h->ctx, &tv, &h->stop);
	}
	return NULL;
}

static void test_threads(void **state)
{
	struct handler h = { 0 };
	struct fixture r;
	pthread_t thread;
	uint8_t in[128];
	int n = 0, i;
	uint64_t start;
	struct libusb_transfer *t;

	(void)state;
	fixture_open(&r, FAKE_REAL, "reader r\n");
	h.ctx = r.ctx;
	assert_int_equal(pthread_create(&thread, NULL, handle, &h), 0);
	start = clock_now();
	for (i = 0; i < 200; i++)
		assert_int_equal(status_command(&r, (uint8_t)(i + 1), in), 10);
	t = libusb_alloc_transfer(0);
	libusb_fill_bulk_transfer(t, r.h, 0x81, in, 128, count, &n, 0);
	libusb_submit_transfer(t);
	libusb_cancel_transfer(t);
	while (!__atomic_load_n(&n, __ATOMIC_SEQ_CST))
		clock_sleep_until(clock_now() + 1000000);
	__atomic_store_n(&h.stop, 1, __ATOMIC_SEQ_CST);
	libusb_interrupt_event_handler(r.ctx);
	pthread_join(thread, NULL);
	/* no thread slept until the end of its wait */
	assert_true(clock_now() - start < 15 * S);
	libusb_free_transfer(t);
	assert_int_equal(sim_dev_complaints(fake_usb_dev(r.nr)), 0);
	fixture_close(&r);
}

static void test_names(void **state)
{
	(void)state;
	assert_string_equal(libusb_error_name(LIBUSB_ERROR_PIPE), "LIBUSB_ERROR_PIPE");
	assert_string_equal(libusb_strerror(LIBUSB_ERROR_BUSY), "Resource busy");
	assert_string_equal(libusb_error_name(17), "**UNKNOWN**");
	assert_int_equal(libusb_get_version()->major, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_open),
		cmocka_unit_test(test_config_descriptor),
		cmocka_unit_test(test_unusual_descriptors),
		cmocka_unit_test(test_virtual_time),
		cmocka_unit_test(test_cancel),
		cmocka_unit_test(test_failures),
		cmocka_unit_test(test_unplug_and_reset),
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
