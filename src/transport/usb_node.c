/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transport/usb_node.h"

#include <fcntl.h>
#include <unistd.h>

int usb_node_open(const char *path)
{
	return open(path, O_RDWR | O_CLOEXEC);
}

void usb_node_close(int fd)
{
	close(fd);
}
