/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* src/transport/usb_ignored.c: what udev's database says of a device. */
#include "transport/usb_ignored.h"

#include "unit/unit_cmocka.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static void udev_property_decides(void **state)
{
	static const struct { const char *text; bool ignored; } rows[] = {
		{ "N:bus/usb/002/003\nE:ID_BUS=usb\nE:PCSCLITE_IGNORE=1\nG:systemd\n", true },
		{ "E:PCSCLITE_IGNORE=0\n", false }, { "E:PCSCLITE_IGNORE=11\n", false },
		{ "E:X=E:PCSCLITE_IGNORE=1\n", false }, { "E:PCSCLITE_IGNORE=1", false }, { "", false },
	};
	char root[] = "/tmp/test_usb_ignored.XXXXXX", path[128];

	(void)state;
	assert_non_null(mkdtemp(root));
	assert_false(usb_is_ignored(root, 2, 3));
	snprintf(path, sizeof path, "%s/run", root);
	assert_int_equal(mkdir(path, 0700), 0);
	strcat(path, "/udev");
	assert_int_equal(mkdir(path, 0700), 0);
	strcat(path, "/data");
	assert_int_equal(mkdir(path, 0700), 0);
	strcat(path, "/c189:130");
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		FILE *f = fopen(path, "w");

		assert_non_null(f);
		fputs(rows[i].text, f);
		fclose(f);
		if (usb_is_ignored(root, 2, 3) != rows[i].ignored)
			fail_msg("row %zu", i);
		assert_false(usb_is_ignored(root, 2, 4));
	}
	for (unsigned i = 0; i < 4; i++) {
		remove(path);
		*strrchr(path, '/') = '\0';
	}
	remove(root);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(udev_property_decides),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
