/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* src/transport/usb_node.c itself: test_usb_node has the simulator in its place. */
#include "transport/usb_node.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include "unit/unit_cmocka.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/types.h>

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

static const char *linked_to;

/* In place of the C library's: what /sys says of the node. */
ssize_t __wrap_readlink(const char *path, char *buf, size_t cap);
ssize_t __wrap_readlink(const char *path, char *buf, size_t cap)
{
	size_t len = linked_to ? strlen(linked_to) : 0;

	assert_string_equal(path, "/sys/dev/char/189:259");
	assert_true(len <= cap);
	if (!linked_to) {
		errno = ENOENT;
		return -1;
	}
	memcpy(buf, linked_to, len);
	return (ssize_t)len;
}

/* The name of its folder in /sys, where it is one of a USB device. */
static void port_path_of_a_node(void **state)
{
	static const struct { const char *link, *ports; } rows[] = {
		{ "../../devices/pci0000:00/0000:00:14.0/usb3/3-1/3-1.4", "3-1.4" }, { "12-3", "12-3" },
		{ "../../devices/pci0000:00/0000:00:14.0/usb3", NULL }, { "../../devices/virtual/mem/null", NULL },
		{ "../3-", NULL }, { "../-3", NULL }, { "../3-1:1.0", NULL }, { "../3-1.4.2.15.1.1.3.99", NULL },
		{ NULL, NULL },
	};
	char ports[16];

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		linked_to = rows[i].link;
		assert_int_equal(usb_node_ports(3, 4, ports, sizeof ports), rows[i].ports != NULL);
		if (rows[i].ports)
			assert_string_equal(ports, rows[i].ports);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(opened_for_both_ways_and_closed),
		cmocka_unit_test(port_path_of_a_node),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
