/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transport/usb_node.h"

#include <errno.h>
#include <fcntl.h>
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

void usb_node_close(int fd)
{
	close(fd);
}
