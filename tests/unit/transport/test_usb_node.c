/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Systems without nodes that libusb takes over (src/transport/usb_node.c gives ENOSYS there): libusb looks for the
 * device itself, by bus and address. */
#include "usb_bench.h"

#include <errno.h>

static enum ccid_err open_without_node(unsigned dev)
{
	fake_usb_fail_node(1, ENOSYS);
	return bench_open_interface(dev, 0, &bench.t);
}

static void node_is_opened_by_bus_and_address(void **state)
{
	(void)state;
	bench_host(FAKE_VIRTUAL, "reader r\nserial = one\nreader s\nserial = two\n");
	assert_int_equal(open_without_node(1), CCID_OK);
	assert_string_equal(bench.t->serial_number, "two");
	assert_int_equal(fake_usb_counts().nodes, 0);
	assert_int_equal(status_of(bench.t, 0, 1), CCID_OK);
	bench_stop();
}

static void no_node_stays_open(void **state)
{
	struct fake_counts c;

	(void)state;
	bench_host(FAKE_VIRTUAL, FIXTURE_ONE);
	for (unsigned turn = 0; turn < 3; turn++) {
		assert_int_equal(open_without_node(0), CCID_OK);
		bench.t->ops->close(bench.t);
		bench.t = NULL;
		c = fake_usb_counts();
		assert_int_equal(c.handles + c.transfers + c.submitted + c.nodes + c.device_refs + c.claims, 0);
	}
	bench_stop();
}

static void a_device_that_is_not_there(void **state)
{
	(void)state;
	bench_host(FAKE_VIRTUAL, FIXTURE_ONE);
	fake_usb_unplug(0);
	assert_int_equal(open_without_node(0), CCID_ERR_NO_DEVICE);
	assert_null(bench.t);
	assert_int_equal(fake_usb_counts().handles, 0);
	bench_stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(node_is_opened_by_bus_and_address, bench_teardown),
		cmocka_unit_test_teardown(no_node_stays_open, bench_teardown),
		cmocka_unit_test_teardown(a_device_that_is_not_there, bench_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
