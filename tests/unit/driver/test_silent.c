/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ifdLogLevel 0: whatever readers, cards and callers do wrong, no line is written, and the driver
 * acts as it does with a log. Virtual time. */
#include "driver_fixture.h"

#include "util/log.h"

#include <stdio.h>
#include <string.h>

#define ALL_LEVELS 15u

static const char *const readers[] = {
	FIXTURE_TWO,
	"reader characters\nlevel = char\nslots = 2\ncard 0 = t0\ncard 1 = t1\n",
	"reader extended\nlevel = extended\npinpad = 3\nslots = 2\ncard 0 = t1\ncard 1 = t0\n",
	"reader iccd\niccd = b\ncard 0 = t1\n",
	"reader iccd_a\niccd = a\ncard 0 = t0\n",
};

/* A checksum of the answers. */
static unsigned answers;

static void heard(RESPONSECODE rc)
{
	answers = answers * 31u + (unsigned)rc;
}

/* Wrong names and Luns, then all that pcscd does, including wrong lengths and codes. */
static void session(void)
{
	static const UCHAR apdu[] = { 0x80, 0x14, 0x00, 0x20, 0x20 }, pin[] = { 1, 2, 3 };
	UCHAR in[300], atr[MAX_ATR_SIZE];
	DWORD len;

	heard(IFDHCreateChannelByName(0x90000, (char[]){ "usb:nonsense" }));
	heard(IFDHCreateChannelByName(0x90000, (char[]){ "/dev/no-such-line:GemPCTwin" }));
	heard(IFDHCreateChannelByName(0x90000, (char[]){ "/dev/null:Typewriter" }));
	heard(fixture_open(0, 0, 0));
	heard(fixture_open(0, 0, 0));
	for (DWORD lun = 0; lun < 2; lun++) {
		heard(fixture_open(lun, 0, 0));
		heard(fixture_power(lun));
		heard(IFDHSetProtocolParameters(lun, SCARD_PROTOCOL_T0, 0, 0, 0, 0));
		heard(IFDHSetProtocolParameters(lun, SCARD_PROTOCOL_T1, 0, 0, 0, 0));
		len = sizeof in;
		heard(IFDHTransmitToICC(lun, (SCARD_IO_HEADER){ 0, 0 }, (PUCHAR)(uintptr_t)apdu, sizeof apdu, in,
					&len, NULL));
		heard(fixture_echo(lun, 1, 200));
		heard(IFDHICCPresence(lun));
		/* an Escape that is not allowed, an unknown code, a malformed PIN structure */
		heard(IFDHControl(lun, SCARD_CTL_CODE(1), in, 5, in, sizeof in, &len));
		heard(IFDHControl(lun, SCARD_CTL_CODE(77), in, 5, in, sizeof in, &len));
		for (DWORD tag = 6; tag <= 7; tag++)
			heard(IFDHControl(lun, SCARD_CTL_CODE(0x330000 + tag), (PUCHAR)(uintptr_t)pin, sizeof pin,
					  in, sizeof in, &len));
		len = sizeof atr;
		heard(IFDHPowerICC(lun, IFD_POWER_DOWN, atr, &len));
	}
	fixture_remove(0, 0);
	heard(fixture_echo(0, 1, 20));
	heard(IFDHICCPresence(0));
	fake_usb_reset(0);
	heard(IFDHICCPresence(0));
	heard(IFDHICCPresence(0));
	for (DWORD lun = 2; lun-- > 0;)
		heard(IFDHCloseChannel(lun));
}

/* Returns the number of log lines; *told is the checksum of the answers. */
static unsigned lines_at(unsigned levels, const char *reader, const char *fault, unsigned *told)
{
	fixture_start(FAKE_VIRTUAL, reader);
	fixture_fault(0, "%s count=0", fault);
	log_setup(levels, false);
	answers = 0;
	session();
	*told = answers;
	fixture_pardon();
	fixture_stop();
	return fixture_log_count("");
}

/* The first opening reads the configuration, which would undo the log level that is set here. */
static void configuration_is_read(void)
{
	fixture_start(FAKE_VIRTUAL, FIXTURE_ONE);
	FIXTURE_IS_FINE(fixture_open(0, 0, 0));
	FIXTURE_IS_FINE(IFDHCloseChannel(0));
	fixture_stop();
}

static void not_a_line_at_level_0(void **state)
{
	(void)state;
	configuration_is_read();
	for (size_t i = 0; i < sizeof readers / sizeof readers[0]; i++) {
		unsigned told, untold, fault = 0;
		const char *name;

		for (; (name = sim_fault_name(fault)) != NULL; fault++) {
			unsigned lines = lines_at(0, readers[i], name, &untold);

			if (lines != 0) {
				fixture_log_print();
				fail_msg("%s of reader %zu: %u lines", name, i, lines);
			}
			assert_true(lines_at(ALL_LEVELS, readers[i], name, &told) > 0);
			if (told != untold)
				fail_msg("%s of reader %zu: other answers without log", name, i);
		}
		assert_true(fault > 50);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(not_a_line_at_level_0, fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
