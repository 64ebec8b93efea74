/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fuzz/fuzz_driver.h"

#include "quirks/quirks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Escape commands and old firmware allowed, all log levels: most of the code is reached. */
static const char plist[] =
	"<plist version=\"1.0\"><dict><key>ifdLogLevel</key><string>15</string><key>ifdDriverOptions</key>"
	"<string>0x0005</string><key>ifdVendorID</key><array><string>0x1</string></array><key>ifdProductID</key>"
	"<array><string>0x1</string></array><key>ifdFriendlyName</key><array><string>x</string></array></dict>"
	"</plist>\n";

static const char *const folders[] = { "", ("/" BUNDLE), "/Contents" };

#define N_FOLDERS (sizeof folders / sizeof folders[0])

static const char overrides[] = "f1f1:0e5c:escape-always;f1f1:0fad:padded-answers;f1f1:05e9:seq-off-by-one";

/* The driver reads its configuration once, when the first reader is opened. */
static void configure(void)
{
	char path[300] = "/tmp/ifd-fuzz-XXXXXX", none[] = "no reader";
	FILE *f;

	if (!mkdtemp(path))
		abort();
	setenv("PCSCLITE_HP_DROPDIR", path, 1);
	setenv("IFDCCID_QUIRKS", overrides, 1);
	for (size_t i = 1; i < N_FOLDERS; i++)
		mkdir(strcat(path, folders[i]), 0700);
	f = fopen(strcat(path, "/Info.plist"), "w");
	if (!f || fputs(plist, f) < 0 || fclose(f) != 0)
		abort();
	FUZZ_CHECK(IFDHCreateChannelByName(0x770000, none) != IFD_SUCCESS);
	unlink(path);
	for (size_t i = 0; i < N_FOLDERS; i++) {
		*strrchr(path, '/') = '\0';
		rmdir(path);
	}
}

void fuzz_driver_begin(void)
{
	static bool configured;

	fake_usb_begin(FAKE_VIRTUAL);
	if (!configured)
		configure();
	configured = true;
	fuzz_driver_witness(NULL);
}

bool fuzz_driver_numbers_count(const struct sim_dev *d)
{
	struct quirk_set q;

	quirks_match(&q, sim_dev_vendor(d), sim_dev_product(d), 0x0100, overrides);
	return !quirk_has(&q, QUIRK_SEQ_OFF_BY_ONE);
}

/* Lun 00rr00ss: reader and slot. */
DWORD fuzz_lun(unsigned k)
{
	return (DWORD)(k / 2) << 16 | k % 2;
}

RESPONSECODE fuzz_driver_open(unsigned k)
{
	char name[80];

	fake_usb_name(0, k / 2, name, sizeof name);
	return IFDHCreateChannelByName(fuzz_lun(k), name);
}

void fuzz_driver_end(void)
{
	struct fake_counts c;

	for (unsigned k = 0; k < FUZZ_LUNS; k++)
		IFDHCloseChannel(fuzz_lun(k));
	c = fake_usb_counts();
	fake_usb_end();
	FUZZ_CHECK(c.contexts == 0);
	FUZZ_CHECK(c.handles == 0);
	FUZZ_CHECK(c.transfers == 0);
	FUZZ_CHECK(c.submitted == 0);
	FUZZ_CHECK(c.nodes == 0);
	FUZZ_CHECK(c.device_refs == 0);
	FUZZ_CHECK(c.claims == 0);
}
