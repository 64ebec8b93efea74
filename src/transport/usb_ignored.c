/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transport/usb_ignored.h"

#include <stdio.h>
#include <string.h>

/* udev's database: a file for each device, named by its numbers, "E:NAME=value" for a property. */
bool usb_is_ignored(const char *root, unsigned bus, unsigned address)
{
	char path[300], line[256];
	bool ignored = false;
	FILE *f;

	snprintf(path, sizeof path, "%s/run/udev/data/c189:%u", root,
		 (bus - 1) * 128 + address - 1);
	f = fopen(path, "re");
	if (!f)
		return false;
	while (!ignored && fgets(line, sizeof line, f))
		ignored = strcmp(line, "E:PCSCLITE_IGNORE=1\n") == 0;
	fclose(f);
	return ignored;
}
