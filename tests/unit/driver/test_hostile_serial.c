/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Hostile behaviour of a serial reader and its line, as pcscd would see it: row 25. Virtual
 * time. */
#include "hostile.h"

#include "fake/fake_serial.h"

static void line_fault(const char *fault)
{
	char err[200] = "";
	bool known;

	fake_usb_lock();
	known = sim_serial_fault(fake_serial_reader(0), fault, err, sizeof err);
	fake_usb_unlock();
	if (!known)
		fail_msg("%s", err);
}

static RESPONSECODE open_slot(DWORD lun)
{
	char name[80];

	fake_serial_name(lun >> 16, name, sizeof name);
	return IFDHCreateChannelByName(lun, name);
}

static void power_slot(DWORD lun)
{
	FIXTURE_IS_FINE(fixture_power(lun));
	FIXTURE_IS_FINE(IFDHSetProtocolParameters(lun, SCARD_PROTOCOL_T1, 0, 0, 0, 0));
}

/* A line with two slots that take turns, and a second line. */
static void begin_lines(void)
{
	static const char *const cards[] = { "t1", "t1" };
	static const DWORD luns[] = { 0, 1, 0x10000 };
	char err[200];

	fixture_start(FAKE_VIRTUAL, "reader usb\n");
	assert_int_equal(fake_serial_add("GemCorePOSPro", cards, 2, err, sizeof err), 0);
	assert_int_equal(fake_serial_add("GemPCTwin", cards, 1, err, sizeof err), 1);
	for (unsigned i = 0; i < COUNT(luns); i++) {
		FIXTURE_IS_FINE(open_slot(luns[i]));
		power_slot(luns[i]);
	}
}

static void end_lines(void)
{
	FIXTURE_IS_FINE(IFDHCloseChannel(0));
	FIXTURE_IS_FINE(IFDHCloseChannel(1));
	FIXTURE_IS_FINE(IFDHCloseChannel(0x10000));
	fixture_stop();
	assert_int_equal(fake_serial_open_lines(), 0);
	fake_serial_end();
}

static int teardown(void **state)
{
	fixture_teardown(state);
	fake_serial_end();
	return 0;
}

static void row_25_damaged_frames(void **state)
{
	static const struct row rows[] = {
		{ "bad-lrc count=1", GOOD, "damaged answer, asked for it again" },
		{ "bad-lrc", BAD, "damaged answers: given up" },
		{ "nak count=1", GOOD, "the reader asks for the command again" },
		{ "nak", BAD, "the reader does not understand the command" },
		{ "garbage", GOOD, NULL }, { "garbage count=1", GOOD, NULL },
		{ "too-long count=1", GOOD, "damaged answer, asked for it again" },
		{ "too-long", BAD, "damaged answers: given up" },
		{ "half count=1", GOOD, "damaged answer, asked for it again" },
		{ "half", BAD, "damaged answers: given up" },
		{ "silence", BAD, "ended without its answer" },
	};

	(void)state;
	for (unsigned i = 0; i < COUNT(rows); i++) {
		static const uint8_t apdu[] = { 0x80, 0x14, 0x00, 0x20, 0x20 };
		uint64_t began;
		RESPONSECODE rc;

		begin_lines();
		line_fault(rows[i].fault);
		fixture_log_clear();
		memset(out, 0xEE, sizeof out);
		began = fixture_ms();
		rc = fixture_apdu(0, apdu, sizeof apdu, out, BUFFER, &len);
		if (fixture_ms() - began > LONGEST_MS)
			fail_msg("%s: %u ms", rows[i].fault, (unsigned)(fixture_ms() - began));
		if ((rc == IFD_SUCCESS) != (rows[i].outcome == GOOD) || len != (rc == IFD_SUCCESS ? 34 : 0)) {
			fixture_log_print();
			fail_msg("%s: %ld, %zu bytes", rows[i].fault, (long)rc, len);
		}
		if (rc == IFD_SUCCESS)
			assert_int_equal(out[31], 31);
		assert_int_equal(out[BUFFER], 0xEE);
		if (rows[i].says && fixture_log_count(rows[i].says) == 0) {
			fixture_log_print();
			fail_msg("%s: nothing says \"%s\"", rows[i].fault, rows[i].says);
		}
		/* the second line works at once; the other slot of the first one when the fault has
		 * ended */
		FIXTURE_IS_FINE(fixture_echo(0x10000, i, 200));
		line_fault("clear");
		if (fixture_echo(1, i, 200) != IFD_SUCCESS) {
			power_slot(1);
			FIXTURE_IS_FINE(fixture_echo(1, i, 200));
		}
		if (fixture_echo(0, i, 200) != IFD_SUCCESS)
			power_slot(0);
		FIXTURE_IS_FINE(fixture_echo(0, i, 200));
		FIXTURE_IS_FINE(fixture_echo(1, i, 33));
		end_lines();
	}
}

static void row_25_hang_up(void **state)
{
	uint64_t began;

	(void)state;
	begin_lines();
	line_fault("hang-up");
	fixture_log_clear();
	began = fixture_ms();
	for (DWORD slot = 0; slot < 2; slot++) {
		assert_int_equal(fixture_echo(slot, 1, 100), IFD_NO_SUCH_DEVICE);
		assert_int_equal(IFDHICCPresence(slot), IFD_NO_SUCH_DEVICE);
		assert_int_equal(fixture_power(slot), IFD_NO_SUCH_DEVICE);
	}
	assert_in_range(fixture_ms() - began, 0, 100);
	assert_true(fixture_log_count("(lun 0): transmit of 106 bytes failed: no such device") == 1);
	assert_int_equal(fixture_log_critical(), 0);
	FIXTURE_IS_FINE(fixture_echo(0x10000, 1, 200));
	end_lines();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(row_25_damaged_frames, teardown),
		cmocka_unit_test_teardown(row_25_hang_up, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
