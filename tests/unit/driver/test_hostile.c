/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a device may do to the driver, row by row, as pcscd would see it: no wait beyond the deadline, the other
 * slot undisturbed, usable again afterwards. Virtual time. The rows that are not here have their tests with the
 * floor that deals with them (ccid, slot, transport). */
#include "driver_rig.h"

#include <stdio.h>
#include <string.h>

#define LONGEST_MS (5 * 60 * 1000 + 5000)

static uint8_t out[70000];
static size_t len;

static void close_both(void)
{
	RIG_IS_FINE(IFDHCloseChannel(0));
	RIG_IS_FINE(IFDHCloseChannel(1));
	rig_stop();
}

/* Slot 1 works while slot 0 has its trouble, and slot 0 works after a reset of its card at the latest. */
static void recovers(const char *fault, unsigned protocol)
{
	rig_fault(0, "clear");
	rig_pardon();
	RIG_IS_FINE(rig_echo(1, 7, 200));
	if (rig_echo(0, 8, 200) != IFD_SUCCESS) {
		RIG_IS_FINE(rig_power(0));
		RIG_IS_FINE(IFDHSetProtocolParameters(0, protocol ? SCARD_PROTOCOL_T1 : SCARD_PROTOCOL_T0, 0, 0, 0, 0));
		if (rig_echo(0, 9, 200) != IFD_SUCCESS)
			fail_msg("%s: slot 0 is lost", fault);
	}
	RIG_IS_FINE(rig_echo(0, 10, 33));
	RIG_IS_FINE(rig_echo(1, 11, 33));
	rig_expect_no_complaint();
}

/* A command under a fault: it must end in time, and what it calls success must be the true answer. */
static RESPONSECODE under_fault(const char *fault, uint64_t limit_ms)
{
	static const uint8_t apdu[] = { 0x80, 0x14, 0x00, 0x20, 0x20 };
	uint64_t began;
	RESPONSECODE rc;

	rig_fault(0, "%s", fault);
	rig_log_clear();
	memset(out, 0xEE, sizeof out);
	began = rig_ms();
	rc = rig_apdu(0, apdu, sizeof apdu, out, 300, &len);
	if (rig_ms() - began > limit_ms)
		fail_msg("%s: %u ms", fault, (unsigned)(rig_ms() - began));
	if (rc != IFD_SUCCESS) {
		assert_int_equal(len, 0);
		if (rig_log_count("transmit of 5 bytes failed") != 1)
			fail_msg("%s: %u lines", fault, rig_log_count("transmit of"));
	} else if (len != 34 || out[0] != 0 || out[31] != 31 || out[32] != 0x90) {
		fail_msg("%s: a wrong answer of %zu bytes", fault, len);
	}
	assert_int_equal(out[300], 0xEE);
	assert_int_equal(rig_log_critical(), 0);
	return rc;
}

/* --- rows 11 to 13: descriptors --- */

static void row_11_slots_and_places(void **state)
{
	static const struct {
		const char *fault;
		unsigned slots;
	} rows[] = { { "max-slot-index value=255", 255 }, { "max-slot-index value=40", 41 },
		     { "busy-slots value=0", 2 }, { "busy-slots value=255", 2 } };

	(void)state;
	for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		UCHAR n;
		DWORD size = 1;

		rig_start(FAKE_VIRTUAL, "reader r\nslots = 2\nbusy = 2\ncard 0 = t1\ncard 1 = t1\nunplugged\n");
		rig_fault(0, "%s", rows[i].fault);
		fake_usb_plug(0);
		rig_ready(0, 0, 1);
		rig_ready(1, 0, 1);
		RIG_IS_FINE(IFDHGetCapabilities(0, TAG_IFD_SLOTS_NUMBER, &size, &n));
		assert_int_equal(n, rows[i].slots);
		for (unsigned k = 1; k < 30; k++)
			RIG_IS_FINE(rig_echo(k & 1, k, k));
		if (rows[i].slots > 40) {
			RIG_IS_FINE(rig_open(40, 0, 0));
			assert_int_equal(IFDHICCPresence(40), IFD_ICC_NOT_PRESENT);
			rig_insert(0, 40, "t1");
			RIG_IS_FINE(rig_power(40));
			RIG_IS_FINE(rig_echo(40, 3, 50));
			RIG_IS_FINE(IFDHCloseChannel(40));
		}
		close_both();
	}
}

static void row_12_message_lengths(void **state)
{
	static const struct {
		const char *level;
		uint32_t max;
		bool opens;
		size_t echo;		/* longest echo that must work */
	} rows[] = {
		{ "tpdu", 0, false, 0 }, { "tpdu", 9, false, 0 }, { "tpdu", 10, false, 0 },
		{ "tpdu", 64, true, 40 }, { "tpdu", 263, true, 250 }, { "tpdu", 0xFFFFFFFF, true, 250 },
		{ "extended", 10, false, 0 }, { "extended", 11, true, 100 }, { "extended", 12, true, 250 },
		{ "extended", 64, true, 250 }, { "extended", 0xFFFFFFFF, true, 250 },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		char text[200];
		bool extended = rows[i].level[0] == 'e';

		snprintf(text, sizeof text, "reader r\nlevel = %s\nfeatures = %s\nmaxlen = %u\ncard 0 = t1\n",
			 rows[i].level, extended ? "0x000404FA" : "0x00010030", rows[i].max);
		rig_start(FAKE_VIRTUAL, text);
		if (!rows[i].opens) {
			assert_int_equal(rig_open(0, 0, 0), IFD_NO_SUCH_DEVICE);
			assert_int_equal(rig_log_count("dwMaxCCIDMessageLength"), 1);
			rig_stop();
			continue;
		}
		rig_ready(0, 0, 1);
		for (size_t n = 1; n <= rows[i].echo; n += 13)
			RIG_IS_FINE(rig_echo(0, i, n));
		RIG_IS_FINE(IFDHCloseChannel(0));
		rig_stop();
	}
}

static void row_13_descriptors(void **state)
{
	static const struct {
		const char *fault;
		bool opens, says;
	} rows[] = {
		{ "desc-short", false, true }, { "desc-long", true, false }, { "desc-doubled", true, false },
		{ "desc-at-endpoint", true, false }, { "desc-none", false, true }, { "no-altsetting", false, false },
		{ "no-endpoints", false, true }, { "endpoints-doubled", true, false }, { "endpoint-type", false, true },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		rig_start(FAKE_VIRTUAL, "reader r\ncard 0 = t1\nunplugged\n");
		rig_fault(0, "%s", rows[i].fault);
		fake_usb_plug(0);
		rig_log_clear();
		if (rows[i].opens) {
			rig_ready(0, 0, 1);
			RIG_IS_FINE(rig_echo(0, i, 100));
			RIG_IS_FINE(IFDHCloseChannel(0));
		} else {
			assert_int_equal(rig_open(0, 0, 0), IFD_NO_SUCH_DEVICE);
			assert_int_equal(rig_log_critical(), rows[i].says ? 1 : 0);
		}
		rig_stop();
	}
}

static void row_14_data_rates(void **state)
{
	static const char *const faults[] = { "rates-stall", "rates-odd value=1", "rates-odd value=3",
					      "rates-count value=256", "rates-count value=1" };

	(void)state;
	for (unsigned i = 0; i < 2 * sizeof faults / sizeof faults[0]; i++) {
		rig_start(FAKE_VIRTUAL, i & 1 ? "reader r\nrates = 10752,86021,344086\ncard 0 = t1\n" : RIG_ONE);
		rig_fault(0, "%s", faults[i / 2]);
		rig_ready(0, 0, 1);
		RIG_IS_FINE(rig_echo(0, i, 200));
		RIG_IS_FINE(IFDHCloseChannel(0));
		rig_stop();
	}
}

static void row_15_notifications(void **state)
{
	static const char *const faults[] = { "intr-short", "intr-long", "intr-unknown", "intr-overflow", "intr-stall",
					      "intr-flood", "hardware-error" };
	RESPONSECODE (*poll)(DWORD, int);
	DWORD size = sizeof poll;

	(void)state;
	rig_start(FAKE_VIRTUAL, RIG_TWO);
	rig_ready(0, 0, 1);
	rig_ready(1, 0, 1);
	RIG_IS_FINE(IFDHGetCapabilities(0, TAG_IFD_POLLING_THREAD_WITH_TIMEOUT, &size, (PUCHAR)&poll));
	for (unsigned i = 0; i < sizeof faults / sizeof faults[0]; i++) {
		unsigned events = fake_usb_counts().total_events;
		uint64_t began;

		rig_fault(0, "%s", faults[i]);
		for (unsigned k = 1; k < 20; k++) {
			RIG_IS_FINE(poll(0, 100));
			RIG_IS_FINE(rig_echo(k & 1, k, 20));
		}
		assert_true(fake_usb_counts().total_events - events < 4000);
		began = rig_ms();
		rig_remove(0, 0);
		while (IFDHICCPresence(0) == IFD_ICC_PRESENT && rig_ms() - began < 1000)
			RIG_IS_FINE(poll(0, 600000));
		assert_true(rig_ms() - began < 1000);
		rig_fault(0, "clear");
		rig_insert(0, 0, "t1");
		RIG_IS_FINE(rig_power(0));
		recovers(faults[i], 1);
	}
	close_both();
}

/* --- rows 16 and 17: the card --- */

static void card_faults(const char *reader, const char *const *faults, unsigned n, unsigned protocol, uint64_t limit_ms)
{
	for (unsigned i = 0; i < n; i++) {
		for (unsigned ever = 0; ever < 2; ever++) {
			char fault[100];

			rig_start(FAKE_VIRTUAL, reader);
			rig_ready(0, 0, protocol);
			rig_ready(1, 0, protocol);
			snprintf(fault, sizeof fault, "%s slot=0%s", faults[i], ever ? " count=0" : "");
			(void)under_fault(fault, limit_ms);
			RIG_IS_FINE(rig_echo(1, i, 100));
			recovers(fault, protocol);
			close_both();
		}
	}
}

static void row_16_character_level(void **state)
{
	static const char *const faults[] = { "t0-null", "t0-ins-ff", "t0-bad-procedure", "t0-bad-procedure value=0xFF",
					      "t0-more-data value=200", "t0-cut", "t0-mute" };

	(void)state;
	card_faults("reader r\nslots = 2\nbusy = 2\nlevel = char\ncard 0 = t0\ncard 1 = t0\n", faults,
		    sizeof faults / sizeof faults[0], 0, LONGEST_MS);
	/* at TPDU level a missing SW2 cannot be seen: all but that */
	card_faults("reader r\nslots = 2\nbusy = 2\ncard 0 = t0\ncard 1 = t0\n", faults + 6, 1, 0, LONGEST_MS);
}

static const char *const t1_faults[] = {
	"t1-bad-nad", "t1-len-255", "t1-len-beyond", "t1-len-beyond value=200", "t1-bad-edc", "t1-bad-ns", "t1-cut",
	"t1-cut value=3", "t1-empty", "t1-extra", "t1-mute", "t1-ifs-0", "t1-ifs-255", "t1-ifs", "t1-wtx-0",
	"t1-wtx-255", "t1-resynch", "t1-abort", "t1-unknown-s", "t1-r-block", "t1-r-block value=1",
};

#define N_T1 (sizeof t1_faults / sizeof t1_faults[0])

static void row_17_t1_blocks(void **state)
{
	(void)state;
	card_faults(RIG_TWO, t1_faults, N_T1, 1, LONGEST_MS);
}

static void row_17_t1_blocks_by_characters(void **state)
{
	(void)state;
	card_faults("reader r\nslots = 2\nbusy = 2\nlevel = char\ncard 0 = t1\ncard 1 = t1\n", t1_faults, N_T1, 1,
		    LONGEST_MS);
}

/* A single damage heals by itself, also in the middle of chains both ways; the whole command comes through. */
static void row_17_one_damage_heals(void **state)
{
	static const char *const faults[] = { "t1-bad-edc", "t1-bad-ns", "t1-cut", "t1-empty", "t1-r-block",
					      "t1-len-beyond", "t1-wtx-255", "t1-ifs", "t1-mute" };

	(void)state;
	for (unsigned i = 0; i < sizeof faults / sizeof faults[0]; i++) {
		for (unsigned nth = 1; nth <= 6; nth++) {
			rig_start(FAKE_VIRTUAL, "reader r\ncard 0 = t1small\n");
			rig_ready(0, 0, 1);
			rig_fault(0, "%s nth=%u", faults[i], nth);
			if (rig_echo(0, nth, 100) != IFD_SUCCESS)
				fail_msg("%s at %u: not repaired", faults[i], nth);
			RIG_IS_FINE(rig_echo(0, nth, 100));
			rig_fault(0, "clear");
			rig_pardon();
			RIG_IS_FINE(IFDHCloseChannel(0));
			rig_stop();
		}
	}
}

/* --- row 19 --- */

static void row_19_chained_answers(void **state)
{
	static const uint8_t apdu[] = { 0x80, 0x14, 0x03, 0xE8, 0x00, 0x03, 0xE8 };
	static const struct {
		const char *fault;
		bool fine;
	} rows[] = { { "chain-begins count=0", false }, { "chain-middle", false }, { "chain-middle count=0", false },
		     { "chain-tiny count=0", true }, { "chain-tiny value=7 count=0", true },
		     { "chain-endless", false } };

	(void)state;
	for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		uint64_t began;
		RESPONSECODE rc;

		rig_start(FAKE_VIRTUAL, "reader r\nslots = 2\nbusy = 2\nfeatures = 0x000404FA\nmaxlen = 300\n"
			  "card 0 = t1\ncard 1 = t1\n");
		rig_ready(0, 0, 1);
		rig_ready(1, 0, 1);
		rig_fault(0, "%s slot=0", rows[i].fault);
		memset(out, 0xEE, sizeof out);
		began = rig_ms();
		rc = rig_apdu(0, apdu, sizeof apdu, out, 66000, &len);
		assert_true(rig_ms() - began < LONGEST_MS);
		assert_int_equal(out[66000], 0xEE);
		if (rows[i].fine != (rc == IFD_SUCCESS))
			fail_msg("%s: %ld", rows[i].fault, (long)rc);
		if (rc == IFD_SUCCESS) {
			assert_int_equal(len, 1002);
			assert_int_equal(out[999], 999 & 0xFF);
		}
		if (strcmp(rows[i].fault, "chain-endless") == 0)
			assert_int_equal(rc, IFD_ERROR_INSUFFICIENT_BUFFER);
		recovers(rows[i].fault, 1);
		close_both();
	}
}

/* --- row 20 --- */

static void row_20_iccd(void **state)
{
	static const char *const readers[] = { "reader a\niccd = a\ncard 0 = t0\n",
					       "reader b\niccd = b\nfeatures = 0x000404F2\ncard 0 = t1\n" };
	static const char *const faults[] = {
		"iccd-empty", "iccd-empty count=0", "iccd-short value=1", "iccd-short value=2", "iccd-type count=0",
		"iccd-poll count=0", "iccd-poll value=65535 count=0", "iccd-status value=0x40 count=0",
		"iccd-status value=0x80", "control-stall", "control-stall count=0",
	};

	(void)state;
	for (unsigned i = 0; i < 2 * sizeof faults / sizeof faults[0]; i++) {
		static const uint8_t apdu[] = { 0x80, 0x14, 0x00, 0x20, 0x20 };
		const char *fault = faults[i / 2];
		uint64_t began;
		RESPONSECODE rc;

		rig_start(FAKE_VIRTUAL, readers[i & 1]);
		rig_ready(0, 0, i & 1);
		rig_fault(0, "%s", fault);
		began = rig_ms();
		rc = rig_apdu(0, apdu, sizeof apdu, out, 300, &len);
		if (rig_ms() - began > LONGEST_MS)
			fail_msg("%s: %u ms", fault, (unsigned)(rig_ms() - began));
		assert_int_equal(len > 0, rc == IFD_SUCCESS);
		rig_fault(0, "clear");
		rig_pardon();
		if (rig_power(0) != IFD_SUCCESS)
			RIG_IS_FINE(rig_power(0));
		RIG_IS_FINE(rig_echo(0, i, 100));
		rig_pardon();
		RIG_IS_FINE(IFDHCloseChannel(0));
		rig_stop();
	}
}

/* --- row 21 --- */

#define VERIFY_CODE SCARD_CTL_CODE(0x330006)

static RESPONSECODE verify(uint8_t *answer, size_t cap, DWORD *n)
{
	/* PIN_VERIFY_STRUCTURE: 30 s, ASCII, 4 to 8 digits, VERIFY without data */
	static const uint8_t in[] = { 30, 30, 0x82, 0x08, 0x00, 8, 4, 0x02, 1, 0x09, 0x04, 0, 0, 0, 0, 13, 0, 0, 0,
				      0x00, 0x20, 0x00, 0x00, 0x08, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF };

	*n = 0xFFFF;
	return IFDHControl(0, VERIFY_CODE, (PUCHAR)(uintptr_t)in, sizeof in, answer, cap, n);
}

static void row_21_pin_entry(void **state)
{
	static const struct {
		const char *fault, *keys;
		uint16_t sw;		/* 0: an error */
	} rows[] = {
		{ "pin-short value=0", "1234\n", 0 }, { "pin-short value=1", "1234\n", 0 },
		{ "pin-short value=3", "1234\n", 0 }, { "clear", "12\033", 0x6401 }, { "clear", "12", 0x6400 },
		{ "clear", "1234\n", 0x9000 }, { "pin-wtx value=3", "1234\n", 0x9000 },
		{ "error value=0xFB msg=69", "1234\n", 0 }, { "in-error msg=69", "1234\n", 0 },
		{ "silent msg=69", "1234\n", 0 }, { "endless-extension msg=69", "1234\n", 0 },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		uint64_t began;
		RESPONSECODE rc;
		DWORD n;

		rig_start(FAKE_VIRTUAL, "reader r\npinpad = 3\ncard 0 = pinpad\n");
		rig_ready(0, 0, 1);
		fake_usb_lock();
		assert_true(sim_dev_keys(fake_usb_dev(0), 0, rows[i].keys, clock_now() + 1000000000u));
		fake_usb_unlock();
		rig_fault(0, "%s", rows[i].fault);
		began = rig_ms();
		rc = verify(out, 10, &n);
		assert_true(rig_ms() - began < 200000);
		if (rows[i].sw && (rc != IFD_SUCCESS || n != 2 || (out[0] << 8 | out[1]) != rows[i].sw))
			fail_msg("%s: %ld, %02X%02X", rows[i].fault, (long)rc, out[0], out[1]);
		if (!rows[i].sw)
			assert_int_not_equal(rc, IFD_SUCCESS);
		rig_fault(0, "clear");
		rig_pardon();
		/* the block numbers are right afterwards */
		if (rig_echo(0, i, 100) != IFD_SUCCESS)
			fail_msg("%s: the next command fails", rows[i].fault);
		RIG_IS_FINE(rig_echo(0, i + 1, 100));
		rig_pardon();
		RIG_IS_FINE(IFDHCloseChannel(0));
		rig_stop();
	}
}

/* --- rows 1 to 8 once more, from above and beside another slot --- */

static void rows_1_to_8_beside_another_slot(void **state)
{
	static const char *const faults[] = {
		"wrong-slot value=1", "wrong-slot value=255", "wrong-seq", "stale value=300", "duplicate",
		"wrong-type", "zero-length", "short-answer", "length-more", "length-less", "padded", "longer",
		"exact value=4", "overflow", "in-stall", "in-error", "no-zlp", "silent", "late-answer ms=6000",
		"slow-answer ms=2000", "time-extension", "endless-extension", "error", "error value=0xFD",
		"error-status", "status-byte", "out-stall", "out-error", "out-nak",
	};

	(void)state;
	for (unsigned i = 0; i < sizeof faults / sizeof faults[0]; i++) {
		char fault[100];

		rig_start(FAKE_VIRTUAL, RIG_TWO);
		rig_ready(0, 0, 1);
		rig_ready(1, 0, 1);
		snprintf(fault, sizeof fault, "%s slot=0", faults[i]);
		(void)under_fault(fault, LONGEST_MS);
		recovers(fault, 1);
		close_both();
	}
}

#define TEST(f) cmocka_unit_test_teardown(f, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(rows_1_to_8_beside_another_slot),
		TEST(row_11_slots_and_places),
		TEST(row_12_message_lengths),
		TEST(row_13_descriptors),
		TEST(row_14_data_rates),
		TEST(row_15_notifications),
		TEST(row_16_character_level),
		TEST(row_17_t1_blocks),
		TEST(row_17_t1_blocks_by_characters),
		TEST(row_17_one_damage_heals),
		TEST(row_19_chained_answers),
		TEST(row_20_iccd),
		TEST(row_21_pin_entry),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
