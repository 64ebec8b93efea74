/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transport/usb_node.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int usb_node_open(const char *path)
{
#ifdef HAVE_LIBUSB_WRAP_SYS_DEVICE
	return open(path, O_RDWR | O_CLOEXEC);
#else
	(void)path;
	errno = ENOSYS;
	return -1;
#endif
}

/* The device's folder in Linux's sysfs is named so. */
static bool is_ports(const char *name)
{
	size_t bus = strspn(name, "0123456789");

	return bus > 0 && name[bus] == '-' && name[bus + 1] &&
	       name[bus + 1 + strspn(name + bus + 1, "0123456789.")] == '\0';
}

bool usb_node_ports(unsigned bus, unsigned address, char *out, size_t cap)
{
	char link[64], folder[256];
	const char *name;
	ssize_t n;

	snprintf(link, sizeof link, "/sys/dev/char/189:%u", (bus - 1) * 128 + address - 1);
	n = readlink(link, folder, sizeof folder - 1);
	if (n <= 0)
		return false;
	folder[n] = '\0';
	name = strrchr(folder, '/');
	name = name ? name + 1 : folder;
	if (!is_ports(name) || strlen(name) >= cap)
		return false;
	memcpy(out, name, strlen(name) + 1);
	return true;
}

void usb_node_close(int fd)
{
	close(fd);
}
