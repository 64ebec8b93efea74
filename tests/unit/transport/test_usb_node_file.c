/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* src/transport/usb_node.c itself: test_usb_node has the simulator in its place. */
#include "transport/usb_node.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>

/* Children of pcscd have no business with the reader: the descriptor ends with exec(). */
static void opened_for_both_ways_and_closed(void **state)
{
	int fd;

	(void)state;
	errno = 0;
	fd = usb_node_open("/dev/null");
#ifdef HAVE_LIBUSB_WRAP_SYS_DEVICE
	assert_true(fd >= 0);
	assert_int_equal(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDWR);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	usb_node_close(fd);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	assert_int_equal(usb_node_open("/no/such/node"), -1);
	assert_int_equal(errno, ENOENT);
#else
	assert_int_equal(fd, -1);
	assert_int_equal(errno, ENOSYS);
	usb_node_close(fd);
#endif
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(opened_for_both_ways_and_closed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
