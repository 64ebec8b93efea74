/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* src/slot/listed.c: which readers a driver's bundle lists. */
#include "slot/listed.h"

#include "unit/unit_cmocka.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static char folder[64];

static void bundle(const char *name, const char *text)
{
	char path[200];
	FILE *f;

	snprintf(path, sizeof path, "%s/%s", folder, name);
	assert_int_equal(mkdir(path, 0700), 0);
	strcat(path, "/Contents");
	assert_int_equal(mkdir(path, 0700), 0);
	if (!text)
		return;
	strcat(path, "/Info.plist");
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static int a_folder(void **state)
{
	(void)state;
	strcpy(folder, "/tmp/test_listed.XXXXXX");
	return mkdtemp(folder) ? 0 : -1;
}

static int no_folder(void **state)
{
	char command[100];

	(void)state;
	snprintf(command, sizeof command, "rm -rf %s", folder);
	return system(command);
}

#define PLIST(vendors, products) "<plist><dict><key>ifdVendorID</key><array>" vendors "</array>" \
	"<key>ifdProductID</key><array>" products "</array></dict></plist>"
#define S(text) "<string>" text "</string>"

static void all_bundles(void **state)
{
	struct listed l;

	(void)state;
	bundle("ifd-ccid.bundle", PLIST(S("0x08E6") S("0x076b"), S("0x3437") S("3021")));
	bundle("other.bundle", PLIST(S("0xF1F1") S("0x1"), S("0xfFfF")));
	bundle("gone.bundle", NULL);
	bundle("broken.bundle", "<plist><dict><key>");
	bundle("empty.bundle", PLIST("", ""));
	bundle("serial", PLIST(S("0x2"), S("0x2")));
	assert_int_equal(listed_load(&l, folder), CCID_OK);
	assert_int_equal(l.n, 3);
	assert_true(listed_has(&l, 0x08E6, 0x3437));
	assert_true(listed_has(&l, 0x076B, 0x3021));
	assert_true(listed_has(&l, 0xF1F1, 0xFFFF));
	assert_false(listed_has(&l, 0x08E6, 0x3021));
	assert_false(listed_has(&l, 1, 0));
	assert_false(listed_has(&l, 2, 2));
	listed_free(&l);
	assert_false(listed_has(&l, 0x08E6, 0x3437));
}

static void no_bundles(void **state)
{
	struct listed l;

	(void)state;
	assert_int_equal(listed_load(&l, folder), CCID_OK);
	assert_int_equal(l.n, 0);
	listed_free(&l);
	assert_int_equal(listed_load(&l, "/no/such/folder"), CCID_ERR_CONFIG);
	assert_int_equal(l.n, 0);
	listed_free(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(all_bundles, a_folder, no_folder),
		cmocka_unit_test_setup_teardown(no_bundles, a_folder, no_folder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
