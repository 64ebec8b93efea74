/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Hostile behaviour of readers, row by row, as pcscd would see it: rows 1 to 8, 10 to 15, 24 and
 * 29. Virtual time. SECURITY.md has the whole list; the card's part of it is in
 * test_hostile_card.c. */
#include "hostile.h"

#include "sim/model/sim_dev_priv.h"

/* --- rows 1 to 8: answers --- */

static void row_01_another_slot(void **state)
{
	static const struct row rows[] = {
		{ "wrong-slot value=255", BAD, "no command waits for: 44 bytes, bSlot 255" },
		{ "wrong-slot value=2", BAD, "bSlot 2" },	/* beyond the last slot */
		{ "wrong-slot value=1", BAD, "bSlot 1" },	/* the other slot */
		{ "wrong-slot value=1 count=0", BAD, "bSlot 1" },
	};

	(void)state;
	PLAY(APDU_TWO, 1, rows);
}

static void row_02_another_sequence_number(void **state)
{
	static const struct row rows[] = {
		{ "wrong-seq", BAD, "bSeq" }, { "wrong-seq value=255", BAD, "bSeq" },
		{ "stale", GOOD, "no command waits for: 44 bytes, bSlot 0, bSeq" },
		{ "stale value=300 count=1", GOOD, "bSeq" },
		{ "duplicate", GOOD, NULL },	/* dropped when the next answer is read */
		{ "wrong-seq count=0", BAD, "bSeq" },
	};

	(void)state;
	PLAY(APDU_TWO, 1, rows);
}

static void row_03_another_type(void **state)
{
	static const struct row rows[] = {
		{ "wrong-type", BAD, "answered by bMessageType 0x8F" },
		{ "wrong-type value=0x81", BAD, "answered by bMessageType 0x81" },
		{ "wrong-type value=0x50", BAD, "answered by bMessageType 0x50" },
		{ "wrong-type value=0", BAD, "answered by bMessageType 0x00" },
		{ "wrong-type count=0", BAD, "answered by bMessageType 0x8F" },
	};

	(void)state;
	PLAY(APDU_TWO, 1, rows);
}

static void row_04_torn_frames(void **state)
{
	static const struct row rows[] = {
		{ "zero-length", GOOD, NULL }, { "zero-length count=0", GOOD, NULL },
		{ "short-answer value=1", BAD, "an answer of 1 bytes has no header" },
		{ "short-answer value=2", BAD, "an answer of 2 bytes has no header" },
		{ "short-answer value=3", BAD, "an answer of 3 bytes has no header" },
		{ "short-answer value=4", BAD, "an answer of 4 bytes has no header" },
		{ "short-answer value=5", BAD, "an answer of 5 bytes has no header" },
		{ "short-answer value=6", BAD, "an answer of 6 bytes has no header" },
		{ "short-answer value=7", BAD, "an answer of 7 bytes has no header" },
		{ "short-answer value=8", BAD, "an answer of 8 bytes has no header" },
		{ "short-answer value=9", BAD, "an answer of 9 bytes has no header" },
		{ "short-answer value=9 count=0", BAD, "an answer of 9 bytes has no header" },
	};

	(void)state;
	PLAY(APDU_TWO, 1, rows);
}

static void row_05_lengths_that_lie(void **state)
{
	static const struct row rows[] = {
		{ "length-more", BAD, "dwLength is 35 but 34 bytes came" },
		{ "length-more value=4294900000", BAD, "dwLength is 4294900034 but 34 bytes came" },
		{ "length-less", BAD, "dwLength is 33 but 34 bytes came" },
		{ "padded", BAD, "dwLength is 34 but 35 bytes came" },
		{ "padded value=60", BAD, "dwLength is 34 but 94 bytes came" },
		{ "short-answer value=10", BAD, "dwLength is 34 but 0 bytes came" },
		{ "short-answer value=43", BAD, "dwLength is 34 but 33 bytes came" },
		{ "length-more count=0", BAD, "dwLength is 35 but 34 bytes came" },
	};
	static const struct row padding[] = {
		{ "padded value=60", GOOD, NULL }, { "padded count=0", GOOD, NULL },
		{ "length-more", BAD, "dwLength is 35 but 34 bytes came" },
	};

	(void)state;
	PLAY(APDU_TWO, 1, rows);
	/* the quirk allows padding */
	PLAY(APDU_TWO "product = 0fad\n", 1, padding);
}

/* Frames that fill their packets occur at levels where the answer may have any length. */
static void row_06_more_than_asked_for(void **state)
{
	static const struct row rows[] = {
		{ "overflow", BAD, "bulk IN transfer failed (overflow)" },
		{ "overflow count=0", BAD, "bulk IN transfer failed (overflow)" },
	};

	(void)state;
	PLAY(APDU_TWO, 1, rows);
	for (unsigned n = 1; n <= 4; n++) {
		for (unsigned without = 0; without < 2; without++) {
			char fault[60];

			begin_two(APDU_TWO, 1);
			if (without)
				fixture_fault(0, "no-zlp count=0");
			snprintf(fault, sizeof fault, "exact value=%u slot=0", n);
			fixture_fault(0, "%s", fault);
			fixture_log_clear();
			assert_int_equal(IFDHICCPresence(0), IFD_ICC_PRESENT);
			expect_line(fault, without ? "sends no zero-length packet after" : NULL);
			other_slot_works(fault, n);
			recovers(fault, 1);
			close_both();
		}
	}
}

/* An answer longer than dwMaxCCIDMessageLength counts, and the caller's buffer is not exceeded. */
static void row_06_longer_than_announced(void **state)
{
	static const unsigned lengths[] = { 262, 299, 300, 301, 602, 65000, 65538 };

	(void)state;
	for (unsigned i = 0; i < COUNT(lengths); i++) {
		begin_two(APDU_TWO, 1);
		fixture_fault(0, "longer slot=0 value=%u", lengths[i]);
		memset(out, 0xEE, sizeof out);
		FIXTURE_IS_FINE(fixture_apdu(0, (const uint8_t[]){ 0x80, 0x14, 0, 0x20, 0x20 }, 5, out, BUFFER, &len));
		assert_int_equal(len, lengths[i]);
		assert_int_equal(out[31], 31);
		assert_int_equal(out[BUFFER], 0xEE);
		other_slot_works("longer", i);
		recovers("longer", 1);
		close_both();
	}
}

/* The late answer comes just after the deadline, and at any time later: it is never that of the next command. */
static void row_07_silence_and_late_answers(void **state)
{
	static const struct row rows[] = {
		{ "silent", BAD, "ended without its answer" }, { "slow-answer ms=500", GOOD, NULL },
		{ "silent count=0", BAD, "ended without its answer" },
	};
	uint64_t wait;

	(void)state;
	PLAY(APDU_TWO, 1, rows);
	begin_two(APDU_TWO, 1);
	wait = fixture_ms();
	assert_int_equal(under_fault("silent slot=0 msg=6F", LONGEST_MS), IFD_RESPONSE_TIMEOUT);
	wait = fixture_ms() - wait;
	recovers("silent", 1);
	close_both();
	for (unsigned ms = 0; ms < 4000; ms += 171) {
		char fault[60];

		begin_two(APDU_TWO, 1);
		snprintf(fault, sizeof fault, "late-answer ms=%u slot=0 msg=6F", (unsigned)wait - 1000 + ms);
		(void)under_fault(fault, LONGEST_MS);
		other_slot_works(fault, ms);
		for (unsigned k = 1; k < 10; k++) {
			(void)fixture_power(0);
			if (fixture_echo(0, k, k) != IFD_SUCCESS && k > 2)
				fail_msg("%s: not usable", fault);
			fake_clock_advance(300000000u);
		}
		recovers(fault, 1);
		close_both();
	}
}

/* --- row 8: any command --- */

static RESPONSECODE power_up(void)
{
	return fixture_power(0);
}

static RESPONSECODE power_down(void)
{
	UCHAR atr[MAX_ATR_SIZE];
	DWORD n = sizeof atr;

	return IFDHPowerICC(0, IFD_POWER_DOWN, atr, &n);
}

static RESPONSECODE presence(void)
{
	RESPONSECODE rc = IFDHICCPresence(0);

	return rc == IFD_ICC_PRESENT ? IFD_SUCCESS : rc;
}

static RESPONSECODE protocol(void)
{
	RESPONSECODE rc = fixture_power(0);

	return rc != IFD_SUCCESS ? rc : IFDHSetProtocolParameters(0, SCARD_PROTOCOL_T1, 0, 0, 0, 0);
}

static RESPONSECODE escape(void)
{
	static const UCHAR command[] = { 0x02 };
	DWORD n;
	RESPONSECODE rc;

	memset(out, 0xEE, sizeof out);
	rc = IFDHControl(0, SCARD_CTL_CODE(1), (PUCHAR)(uintptr_t)command, 1, out, 50, &n);
	assert_int_equal(out[50], 0xEE);
	assert_true(n <= 50);
	len = n;
	return rc;
}

static RESPONSECODE echo(void)
{
	return fixture_echo(0, 1, 100);
}

static void row_08_time_extensions_for_ever(void **state)
{
	static const struct {
		const char *fault;
		RESPONSECODE (*call)(void);
	} rows[] = {
		{ "endless-extension msg=6F", echo }, { "endless-extension msg=62", power_up },
		{ "endless-extension msg=63", power_down }, { "endless-extension msg=65", presence },
		{ "endless-extension msg=61", protocol }, { "endless-extension msg=6B", escape },
		{ "endless-extension msg=6F value=255 ms=1000", echo },
		{ "endless-extension msg=6F value=0 ms=20", echo },
	};

	(void)state;
	for (unsigned i = 0; i < COUNT(rows); i++) {
		char fault[100];
		uint64_t began;

		begin_two(TPDU_TWO("t1") "product = 0e5c\n", 1);
		snprintf(fault, sizeof fault, "%s slot=0 count=0", rows[i].fault);
		fixture_fault(0, "%s", fault);
		fixture_log_clear();
		began = fixture_ms();
		if (rows[i].call() == IFD_SUCCESS)
			fail_msg("%s: no error", fault);
		if (fixture_ms() - began > ENDLESS_MS)
			fail_msg("%s: %u ms", fault, (unsigned)(fixture_ms() - began));
		expect_line(fault, "time extensions");
		other_slot_works(fault, i);
		recovers(fault, 1);
		close_both();
	}
}

/* A busy reader sends a few time extensions. */
static void row_08_some_time_extensions(void **state)
{
	static const struct row rows[] = { { "time-extension", GOOD, NULL },
	{ "time-extension value=0", GOOD, NULL },
					   { "time-extension value=255 ms=500", GOOD, NULL } };

	(void)state;
	PLAY(APDU_TWO, 1, rows);
}

/* --- rows 1 to 8 with errors of the reader and of the bus, where T=1 of the driver can repair --- */

static void rows_1_to_8_repaired_by_t1(void **state)
{
	static const struct row rows[] = {
		{ "wrong-slot value=1", GOOD, "bSlot 1" }, { "wrong-seq", GOOD, "bSeq" },
		{ "stale value=300 count=1", GOOD, "bSeq" }, { "duplicate", GOOD, NULL },
		{ "wrong-type", GOOD, "bMessageType 0x8F" }, { "zero-length", GOOD, NULL },
		{ "short-answer", GOOD, "9 bytes has no header" }, { "length-more", GOOD, "dwLength is" },
		{ "length-less", GOOD, "dwLength is" }, { "padded", GOOD, "dwLength is" },
		{ "longer", GOOD, "LEN is" }, { "exact value=4", GOOD, "LEN is" },
		{ "overflow", GOOD, "(overflow)" }, { "in-stall", GOOD, "(stall)" },
		{ "in-error", GOOD, "(bus error)" },
		{ "no-zlp", GOOD, NULL }, { "silent", GOOD, "without its answer" },
		{ "late-answer ms=6000", GOOD, "without its answer" }, { "slow-answer ms=2000", GOOD, NULL },
		{ "time-extension", GOOD, NULL }, { "endless-extension", BAD, "time extensions" },
		{ "error", GOOD, "bError 0xFE" }, { "error value=0xFD", GOOD, "bError 0xFD" },
		{ "error-status", GOOD, "bError 0xFE" }, { "status-byte", BAD, "bError 0x00" },
		{ "out-stall", GOOD, "without its answer" }, { "out-error", GOOD, "without its answer" },
		{ "out-nak", GOOD, "without its answer" },
	};

	(void)state;
	PLAY(TPDU_TWO("t1"), 1, rows);
}

/* --- row 10 --- */

static void row_10_escape(void **state)
{
	static const struct {
		const char *fault;
		RESPONSECODE want;
		const char *says;
	} rows[] = {
		{ "escape-claims", IFD_COMMUNICATION_ERROR, "Escape: dwLength is" },
		{ "escape-claims value=5000", IFD_COMMUNICATION_ERROR, "Escape: dwLength is" },
		{ "exact value=2 msg=6B", IFD_ERROR_INSUFFICIENT_BUFFER, "Escape of 118 bytes: there is room for 50" },
		{ "escape-long value=51", IFD_ERROR_INSUFFICIENT_BUFFER, "Escape of 51 bytes: there is room for 50" },
		{ "escape-long", IFD_ERROR_INSUFFICIENT_BUFFER, "Escape of 65000 bytes: there is room for 50" },
	};

	(void)state;
	for (unsigned i = 0; i < COUNT(rows); i++) {
		begin_two(TPDU_TWO("t1") "product = 0e5c\n", 1);
		FIXTURE_IS_FINE(escape());
		fixture_fault(0, "%s slot=0", rows[i].fault);
		fixture_log_clear();
		if (escape() != rows[i].want || len != 0)
			fail_msg("%s: %zu bytes", rows[i].fault, len);
		expect_line(rows[i].fault, rows[i].says);
		other_slot_works(rows[i].fault, i);
		FIXTURE_IS_FINE(escape());
		recovers(rows[i].fault, 1);
		close_both();
	}
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

		fixture_start(FAKE_VIRTUAL, "reader r\nslots = 2\nbusy = 2\ncard 0 = t1\ncard 1 = t1\nunplugged\n");
		fixture_fault(0, "%s", rows[i].fault);
		fake_usb_plug(0);
		fixture_ready(0, 0, 1);
		fixture_ready(1, 0, 1);
		FIXTURE_IS_FINE(IFDHGetCapabilities(0, TAG_IFD_SLOTS_NUMBER, &size, &n));
		assert_int_equal(n, rows[i].slots);
		for (unsigned k = 1; k < 30; k++)
			FIXTURE_IS_FINE(fixture_echo(k & 1, k, k));
		if (rows[i].slots > 40) {
			FIXTURE_IS_FINE(fixture_open(40, 0, 0));
			assert_int_equal(IFDHICCPresence(40), IFD_ICC_NOT_PRESENT);
			fixture_insert(0, 40, "t1");
			FIXTURE_IS_FINE(fixture_power(40));
			FIXTURE_IS_FINE(fixture_echo(40, 3, 50));
			FIXTURE_IS_FINE(IFDHCloseChannel(40));
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

		snprintf(text, sizeof text, "reader r\nlevel = %s\nfeatures = %s\ncard 0 = t1\nunplugged\n",
			 rows[i].level, extended ? "0x000404FA" : "0x00010030");
		fixture_start(FAKE_VIRTUAL, text);
		fixture_fault(0, "max-message value=%u", rows[i].max);
		fake_usb_plug(0);
		if (!rows[i].opens) {
			assert_int_equal(fixture_open(0, 0, 0), IFD_NO_SUCH_DEVICE);
			assert_int_equal(fixture_log_count("dwMaxCCIDMessageLength"), 1);
			fixture_stop();
			continue;
		}
		fixture_ready(0, 0, 1);
		for (size_t n = 1; n <= rows[i].echo; n += 13)
			FIXTURE_IS_FINE(fixture_echo(0, i, n));
		FIXTURE_IS_FINE(IFDHCloseChannel(0));
		fixture_stop();
	}
}

static void row_13_descriptors(void **state)
{
	static const struct {
		const char *fault;
		bool opens, says;
	} rows[] = {
		{ "desc-short", false, true }, { "desc-long", true, false }, { "desc-doubled", true, false },
		{ "desc-at-endpoint", true, false }, { "desc-none", false, true },
		{ "no-altsetting", false, false },
		{ "no-endpoints", false, true }, { "endpoints-doubled", true, false },
		{ "endpoint-type", false, true },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		fixture_start(FAKE_VIRTUAL, "reader r\ncard 0 = t1\nunplugged\n");
		fixture_fault(0, "%s", rows[i].fault);
		fake_usb_plug(0);
		fixture_log_clear();
		if (rows[i].opens) {
			fixture_ready(0, 0, 1);
			FIXTURE_IS_FINE(fixture_echo(0, i, 100));
			FIXTURE_IS_FINE(IFDHCloseChannel(0));
		} else {
			assert_int_equal(fixture_open(0, 0, 0), IFD_NO_SUCH_DEVICE);
			assert_int_equal(fixture_log_critical(), rows[i].says ? 1 : 0);
		}
		fixture_stop();
	}
}

static void row_14_data_rates(void **state)
{
	static const char *const faults[] = { "rates-stall", "rates-extra value=1", "rates-extra value=3",
					      "rates-count value=256", "rates-count value=1" };

	(void)state;
	for (unsigned i = 0; i < 2 * sizeof faults / sizeof faults[0]; i++) {
		fixture_start(FAKE_VIRTUAL, i & 1 ? "reader r\nrates = 10752,86021,344086\ncard 0 = t1\n" :
			      FIXTURE_ONE);
		fixture_fault(0, "%s", faults[i / 2]);
		fixture_ready(0, 0, 1);
		FIXTURE_IS_FINE(fixture_echo(0, i, 200));
		FIXTURE_IS_FINE(IFDHCloseChannel(0));
		fixture_stop();
	}
}

static void row_15_notifications(void **state)
{
	static const char *const faults[] = { "intr-short", "intr-long", "intr-unknown", "intr-overflow", "intr-stall",
					      "intr-flood", "hardware-error" };
	RESPONSECODE (*poll)(DWORD, int);
	DWORD size = sizeof poll;

	(void)state;
	fixture_start(FAKE_VIRTUAL, FIXTURE_TWO);
	fixture_ready(0, 0, 1);
	fixture_ready(1, 0, 1);
	FIXTURE_IS_FINE(IFDHGetCapabilities(0, TAG_IFD_POLLING_THREAD_WITH_TIMEOUT, &size, (PUCHAR)&poll));
	for (unsigned i = 0; i < sizeof faults / sizeof faults[0]; i++) {
		unsigned events = fake_usb_counts().total_events;
		uint64_t began;

		fixture_fault(0, "%s", faults[i]);
		for (unsigned k = 1; k < 20; k++) {
			FIXTURE_IS_FINE(poll(0, 100));
			FIXTURE_IS_FINE(fixture_echo(k & 1, k, 20));
		}
		assert_true(fake_usb_counts().total_events - events < 4000);
		began = fixture_ms();
		fixture_remove(0, 0);
		while (IFDHICCPresence(0) == IFD_ICC_PRESENT && fixture_ms() - began < 1000)
			FIXTURE_IS_FINE(poll(0, 600000));
		assert_true(fixture_ms() - began < 1000);
		fixture_fault(0, "clear");
		fixture_insert(0, 0, "t1");
		FIXTURE_IS_FINE(fixture_power(0));
		recovers(faults[i], 1);
	}
	close_both();
}

/* --- row 29 --- */

/* Ten lines of a kind, then one a minute; another reader's lines are not touched. */
static void row_29_floods_in_the_log(void **state)
{
	static const struct {
		const char *fault, *line;
	} rows[] = {
		{ "hardware-error", "HardwareError" },
		{ "intr-unknown", "unknown notification" },
		{ "stale value=20 msg=65", "dropped an answer" },
		{ "error msg=65 value=0xFB", "GetSlotStatus failed" },
	};
	RESPONSECODE (*poll)(DWORD, int);
	DWORD size = sizeof poll;

	(void)state;
	fixture_start(FAKE_VIRTUAL, FIXTURE_TWO "reader other\ncard 0 = t1\n");
	fixture_ready(0, 0, 1);
	fixture_ready(0x10000, 1, 1);
	FIXTURE_IS_FINE(IFDHGetCapabilities(0, TAG_IFD_POLLING_THREAD_WITH_TIMEOUT, &size, (PUCHAR)&poll));
	for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		uint64_t began = fixture_ms();
		unsigned minutes;

		fixture_log_clear();
		while (fixture_ms() - began < 150000) {
			fixture_fault(0, "%s", rows[i].fault);
			(void)IFDHICCPresence(0);
			FIXTURE_IS_FINE(poll(0, 20));
			fixture_fault(0, "clear");
		}
		minutes = (unsigned)((fixture_ms() - began) / 60000);
		if (fixture_log_count(rows[i].line) < 10 || fixture_log_count(rows[i].line) > 10 + minutes)
			fail_msg("%s: %u lines", rows[i].fault, fixture_log_count(rows[i].line));
		assert_int_equal(fixture_log_count("more such lines were left out"), minutes);
	}
	fixture_log_clear();
	for (unsigned i = 0; i < 5; i++) {
		fixture_fault(1, "error value=0xFB msg=65");
		(void)IFDHICCPresence(0x10000);
	}
	assert_int_equal(fixture_log_count("GetSlotStatus failed"), 5);
	FIXTURE_IS_FINE(IFDHCloseChannel(0x10000));
	fixture_pardon();
	FIXTURE_IS_FINE(fixture_power(0));
	FIXTURE_IS_FINE(fixture_echo(0, 1, 200));
	fixture_log_clear();
	FIXTURE_IS_FINE(IFDHCloseChannel(0));
	/* when the reader is closed at the latest, the log says how many lines were left out */
	assert_int_equal(fixture_log_count("lines about this reader were left out"), 1);
	fixture_stop();
}

/* Queues n answers of a slot that does not exist. */
static void flood(unsigned n)
{
	static const uint8_t frame[] = { 0x81, 0, 0, 0, 0, 9, 0, 0, 0, 0 };

	fake_usb_lock();
	for (unsigned i = 0; i < n; i++) {
		struct sim_msg *m = sim_alloc(sizeof *m);

		m->data = sim_dup(frame, sizeof frame);
		m->len = sizeof frame;
		m->stale = true;
		sim_queue(&fake_usb_dev(0)->iface[0], m);
	}
	fake_usb_unlock();
}

/* Answers that no command waits for, without end: the command ends long before its time, and the next one works. */
static void row_29_a_flood_of_answers(void **state)
{
	uint64_t began;

	(void)state;
	fixture_start(FAKE_VIRTUAL, "reader one\nlevel = short\ncard 0 = t1\nreader other\ncard 0 = t1\n");
	fixture_ready(0, 0, 1);
	fixture_ready(0x10000, 1, 1);
	fixture_log_clear();
	began = fixture_ms();
	/* fewer than the limit are tolerated */
	flood(9000);
	FIXTURE_IS_FINE(fixture_echo(0, 1, 20));
	assert_int_equal(fixture_log_count("floods the bus"), 0);
	flood(35000);
	assert_int_equal(fixture_echo(0, 2, 20), IFD_COMMUNICATION_ERROR);
	assert_in_range(fixture_log_count("floods the bus"), 1, 3);
	assert_true(fixture_ms() - began < 5000);
	FIXTURE_IS_FINE(fixture_echo(0x10000, 3, 20));
	fixture_pardon();
	FIXTURE_IS_FINE(fixture_power(0));
	FIXTURE_IS_FINE(fixture_echo(0, 4, 20));
	FIXTURE_IS_FINE(IFDHCloseChannel(0x10000));
	FIXTURE_IS_FINE(IFDHCloseChannel(0));
	fixture_stop();
}

/* --- row 24 --- */

static void row_24_claimed_by_another_program(void **state)
{
	uint64_t began;

	(void)state;
	fixture_start(FAKE_VIRTUAL, "reader one\ncard 0 = t1\nreader two\ncard 0 = t1\n");
	fixture_ready(0x10000, 1, 1);
	/* another program has the interface for a moment */
	fake_usb_claim_busy(5);
	FIXTURE_IS_FINE(fixture_open(0, 0, 0));
	assert_int_equal(fixture_log_critical(), 0);
	FIXTURE_IS_FINE(IFDHCloseChannel(0));
	/* another program keeps the interface */
	fake_usb_claim_busy(1000);
	fixture_log_clear();
	began = fixture_ms();
	assert_int_not_equal(fixture_open(0, 0, 0), IFD_SUCCESS);
	assert_in_range(fixture_ms() - began, 100, 5000);
	assert_int_equal(fixture_log_critical(), 1);
	assert_int_equal(fixture_log_count("is claimed by another program. Often it is GnuPG's scdaemon"), 1);
	FIXTURE_IS_FINE(fixture_echo(0x10000, 1, 200));
	fake_usb_claim_busy(0);
	fixture_ready(0, 0, 1);
	FIXTURE_IS_FINE(fixture_echo(0, 2, 200));
	FIXTURE_IS_FINE(IFDHCloseChannel(0));
	FIXTURE_IS_FINE(IFDHCloseChannel(0x10000));
	fixture_stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(row_01_another_slot),
		TEST(row_02_another_sequence_number),
		TEST(row_03_another_type),
		TEST(row_04_torn_frames),
		TEST(row_05_lengths_that_lie),
		TEST(row_06_longer_than_announced), TEST(row_06_more_than_asked_for),
		TEST(row_07_silence_and_late_answers),
		TEST(row_08_time_extensions_for_ever),
		TEST(row_08_some_time_extensions),
		TEST(rows_1_to_8_repaired_by_t1),
		TEST(row_10_escape),
		TEST(row_11_slots_and_places),
		TEST(row_12_message_lengths),
		TEST(row_13_descriptors),
		TEST(row_14_data_rates),
		TEST(row_15_notifications),
		TEST(row_29_floods_in_the_log),
		TEST(row_29_a_flood_of_answers),
		TEST(row_24_claimed_by_another_program),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
