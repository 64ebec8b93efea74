/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Hostile behaviour of cards and USB ICCs, row by row, as pcscd would see it: rows 9 and 16 to 20.
 * Virtual time. */
#include "hostile.h"

/* --- row 9 --- */

/* The voltage is automatic: a malformed ATR is not asked for again at another voltage. */
#define ATR_TWO "reader r\nslots = 2\nbusy = 2\nfeatures = 0x000100B8\ncard 0 = t1\ncard 1 = t1\n"

static void row_09_answers_to_reset(void **state)
{
	static const struct {
		const char *fault;
		size_t len;		/* 0: refused */
		const char *says;
		bool usable;		/* has a protocol in it */
	} rows[] = {
		{ "atr-claims", 0, "dwLength is 33 but 2 bytes came", false },
		{ "atr-claims value=0xFFFFFFFF", 0, "dwLength is 4294967295 but 2 bytes came", false },
		{ "atr-claims-33", 2, "ATR of 2 bytes: T0 0xFF announces more", true },
		{ "atr-empty", 0, "ATR of 0 bytes", false },
		{ "atr-cut value=40", 0, "ATR of 1 bytes", false },
		{ "atr-long", 33, "DataBlock of 40 bytes: there is room for 33", true },
		{ "atr-ts", 15, "ATR: TS is 0x00", false }, { "atr-bad-ts", 15, "ATR: TS is 0x23", false },
		{ "atr-truncated", 3, "ATR of 3 bytes: T0 0xFF announces more", true },
		{ "atr-tds", 33, "DataBlock of 34 bytes: there is room for 33", true },
		{ "atr-tds value=5", 7, "ATR of 7 bytes: T0 0x80 announces more", true },
		{ "atr-many-td", 33, "ATR of 33 bytes: T0 0x80 announces more", true },
	};

	(void)state;
	for (unsigned i = 0; i < COUNT(rows); i++) {
		UCHAR atr[MAX_ATR_SIZE + 16];
		DWORD n = MAX_ATR_SIZE;
		RESPONSECODE rc;

		begin_two(ATR_TWO, 1);
		fixture_fault(0, "%s slot=0", rows[i].fault);
		fixture_log_clear();
		memset(atr, 0xEE, sizeof atr);
		rc = IFDHPowerICC(0, IFD_RESET, atr, &n);
		if ((rc == IFD_SUCCESS) != (rows[i].len > 0) || n != rows[i].len)
			fail_msg("%s: %ld, %u bytes", rows[i].fault, (long)rc, (unsigned)n);
		for (size_t k = n; k < sizeof atr; k++)
			assert_int_equal(atr[k], 0xEE);
		expect_line(rows[i].fault, rows[i].says);
		other_slot_works(rows[i].fault, i);
		/* an ATR without a protocol is refused; with a cut ATR the call may fail, but it
		 * ends */
		rc = IFDHSetProtocolParameters(0, SCARD_PROTOCOL_T1, 0, 0, 0, 0);
		if (!rows[i].usable)
			assert_int_not_equal(rc, IFD_SUCCESS);
		fixture_fault(0, "clear");
		FIXTURE_IS_FINE(fixture_power(0));
		FIXTURE_IS_FINE(IFDHSetProtocolParameters(0, SCARD_PROTOCOL_T1, 0, 0, 0, 0));
		recovers(rows[i].fault, 1);
		close_both();
	}
}

/* --- rows 16 and 17 --- */

static void row_16_character_level(void **state)
{
	static const struct row rows[] = {
		{ "t0-null", BAD, "T=0: number of NULL bytes is 5001" },
		{ "t0-null count=0", BAD, "T=0: number of NULL bytes is 5001" },
		{ "t0-ins-ff", BAD, "T=0: procedure byte is 235 (0xEB)" },
		{ "t0-ins-ff count=0", BAD, "T=0: procedure byte is 235 (0xEB)" },
		{ "t0-bad-procedure", BAD, "T=0: procedure byte is 5 (0x05)" },
		{ "t0-bad-procedure value=0xFF count=0", BAD, "T=0: procedure byte is 255 (0xFF)" },
		{ "t0-more-data value=200", BAD, "T=0: procedure byte is 238 (0xEE)" },
		{ "t0-more-data count=0", BAD, "T=0: procedure byte is 238 (0xEE)" },
		{ "t0-less-data", BAD, "T=0: procedure byte is 0 (0x00)" }, { "t0-cut", BAD, "bError 0xFE" },
		{ "t0-mute", BAD, "bError 0xFE" }, { "t0-mute count=0", BAD, "bError 0xFE" },
	};

	(void)state;
	PLAY(CHAR_TWO("t0"), 0, rows);
}

/* At TPDU level the reader does the procedure bytes. */
static void row_16_tpdu_level(void **state)
{
	static const struct row rows[] = {
		{ "t0-null", BAD, "bError 0xFE" }, { "t0-bad-procedure", BAD, "bError 0xF4" },
		{ "t0-mute", BAD, "bError 0xFE" }, { "t0-mute count=0", BAD, "bError 0xFE" },
	};

	(void)state;
	PLAY(TPDU_TWO("t0"), 0, rows);
}

/* An answer is SW1 SW2 at least: a single byte is not an answer, whether card or reader left the
 * other one out. */
static void row_16_an_answer_without_sw2(void **state)
{
	static const struct {
		const char *reader, *fault;
		unsigned protocol;
		const char *says;
	} rows[] = {
		{ TPDU_TWO("t0"), "t0-cut", 0, "T=0: length of the answer is 1 (0x01)" },
		{ TPDU_TWO("t0"), "t0-cut count=0", 0, "T=0: length of the answer is 1 (0x01)" },
		{ CHAR_TWO("t0"), "t0-cut", 0, "bError 0xFE" },
		{ APDU_TWO, "shorter value=1", 1, "T=1: length of the answer is 1 (0x01)" },
		{ APDU_TWO, "shorter value=0", 1, "T=1: length of the answer is 0 (0x00)" },
	};
	static const uint8_t apdu[] = { 0x80, 0x10, 0x00, 0x00 };

	(void)state;
	for (unsigned i = 0; i < COUNT(rows); i++) {
		begin_two(rows[i].reader, rows[i].protocol);
		fixture_fault(0, "%s slot=0", rows[i].fault);
		fixture_log_clear();
		memset(out, 0xEE, sizeof out);
		if (fixture_apdu(0, apdu, sizeof apdu, out, BUFFER, &len) == IFD_SUCCESS)
			fail_msg("%s: an answer of %zu bytes", rows[i].fault, len);
		assert_int_equal(len, 0);
		assert_int_equal(out[2], 0xEE);
		expect_line(rows[i].fault, rows[i].says);
		other_slot_works(rows[i].fault, i);
		recovers(rows[i].fault, rows[i].protocol);
		close_both();
	}
}

static const struct row t1_rows[] = {
	{ "t1-bad-nad", GOOD, "T=1: NAD is 33 (0x21), repaired" },
	{ "t1-bad-nad count=0", BAD, "NAD is 33 (0x21)" },
	{ "t1-len-255", GOOD, "T=1: LEN is 255 (0xFF), repaired" },
	{ "t1-len-255 count=0", BAD, "LEN is 255 (0xFF)" },
	{ "t1-len-beyond", GOOD, "T=1: LEN is 44" }, { "t1-len-beyond value=200", GOOD, "T=1: LEN is 234" },
	{ "t1-len-beyond count=0", BAD, "T=1: LEN is 44" },
	{ "t1-bad-edc", GOOD, "T=1: EDC is" }, { "t1-bad-edc count=0", BAD, "T=1: EDC is" },
	{ "t1-bad-ns", GOOD, "T=1: PCB is" }, { "t1-bad-ns count=0", BAD, "T=1: PCB is" },
	{ "t1-cut", GOOD, "T=1: L" }, { "t1-cut value=3", GOOD, "T=1: L" }, { "t1-cut count=0", BAD, "T=1: L" },
	{ "t1-mute", GOOD, "bError 0xFE" }, { "t1-mute count=0", BAD, "bError 0xFE" },
	{ "t1-r-block", GOOD, "T=1: PCB is 130 (0x82), repaired" },
	{ "t1-r-block value=1", GOOD, "PCB is 129 (0x81)" },
	{ "t1-r-block count=0", BAD, "PCB is 130 (0x82)" },
	{ "t1-ifs-0", GOOD, "T=1: IFS is 0" }, { "t1-ifs-0 count=0", BAD, "T=1: IFS is 0" },
	{ "t1-ifs-255", GOOD, "T=1: IFS is 255" }, { "t1-ifs-255 count=0", BAD, "T=1: IFS is 255" },
	{ "t1-ifs", GOOD, NULL }, { "t1-ifs count=0", BAD, "blocks without progress" },
	{ "t1-wtx-0", GOOD, NULL }, { "t1-wtx-0 count=0", BAD, "blocks without progress" },
	{ "t1-wtx-255", GOOD, NULL }, { "t1-wtx-255 count=0", BAD, "blocks without progress" },
	{ "t1-resynch", GOOD, "T=1: PCB is 192 (0xC0), repaired" },
	{ "t1-resynch count=0", BAD, "PCB is 192 (0xC0)" },
	{ "t1-abort", BAD, "T=1: PCB is 194 (0xC2)" }, { "t1-abort count=0", BAD, "PCB is 194 (0xC2)" },
	{ "t1-unknown-s", GOOD, "T=1: PCB is 223 (0xDF)" }, { "t1-unknown-s count=0", BAD, "PCB is 223 (0xDF)" },
};

static void row_17_t1_blocks(void **state)
{
	static const struct row rows[] = {
		{ "t1-empty", GOOD, "T=1: length of the block is 0" },
		{ "t1-empty count=0", BAD, "T=1: length of the block is 0" },
		{ "t1-extra", GOOD, "T=1: LEN is 34" }, { "t1-extra count=0", BAD, "T=1: LEN is 34" },
	};

	(void)state;
	PLAY(TPDU_TWO("t1"), 1, t1_rows);
	PLAY(TPDU_TWO("t1"), 1, rows);
}

/* A single damaged block is repaired, also within chains in both directions, and the command
 * succeeds. */
static void row_17_one_damage_heals(void **state)
{
	static const char *const faults[] = { "t1-bad-edc", "t1-bad-ns", "t1-cut", "t1-empty", "t1-r-block",
					      "t1-len-beyond", "t1-wtx-255", "t1-ifs", "t1-mute", "t1-resynch" };

	(void)state;
	for (unsigned i = 0; i < sizeof faults / sizeof faults[0]; i++) {
		for (unsigned nth = 1; nth <= 6; nth++) {
			fixture_start(FAKE_VIRTUAL, "reader r\ncard 0 = t1small\n");
			fixture_ready(0, 0, 1);
			fixture_fault(0, "%s nth=%u", faults[i], nth);
			if (fixture_echo(0, nth, 100) != IFD_SUCCESS)
				fail_msg("%s at %u: not repaired", faults[i], nth);
			FIXTURE_IS_FINE(fixture_echo(0, nth, 100));
			fixture_fault(0, "clear");
			fixture_pardon();
			FIXTURE_IS_FINE(IFDHCloseChannel(0));
			fixture_stop();
		}
	}
}

/* Three damages in a row end with S(RESYNCH), in the middle of a chain either way: the command is
 * sent again whole. A card that does not support S(RESYNCH) needs a reset. */
static void row_17_resynchronised_in_a_chain(void **state)
{
	(void)state;
	for (unsigned nth = 1; nth <= 6; nth++) {
		begin_two(TPDU_TWO("t1small"), 1);
		fixture_fault(0, "t1-bad-edc slot=0 nth=%u count=3", nth);
		fixture_log_clear();
		if (fixture_echo(0, nth, 100) != IFD_SUCCESS)
			fail_msg("at %u: not repaired", nth);
		expect_line("t1-bad-edc", "T=1: EDC is");
		other_slot_works("t1-bad-edc", nth);
		recovers("t1-bad-edc", 1);
		close_both();
	}
	begin_two(TPDU_TWO("t1small"), 1);
	fixture_fault(0, "t1-no-resynch slot=0 count=0");
	fixture_fault(0, "t1-bad-edc slot=0 nth=2 count=3");
	fixture_log_clear();
	assert_int_not_equal(fixture_echo(0, 1, 100), IFD_SUCCESS);
	expect_line("t1-no-resynch", "T=1: EDC is");
	other_slot_works("t1-no-resynch", 1);
	assert_int_not_equal(fixture_echo(0, 1, 100), IFD_SUCCESS);
	recovers("t1-no-resynch", 1);
	close_both();
}

static void row_17_t1_blocks_by_characters(void **state)
{
	/* the reader reports a mute card, and keeps the bytes that were not asked for */
	static const struct row rows[] = {
		{ "t1-empty", GOOD, "bError 0xFE" }, { "t1-empty count=0", BAD, "bError 0xFE" },
		{ "t1-extra", GOOD, NULL }, { "t1-extra count=0", GOOD, NULL },
	};

	(void)state;
	PLAY(CHAR_TWO("t1"), 1, t1_rows);
	PLAY(CHAR_TWO("t1"), 1, rows);
}

/* --- row 18 --- */

static void row_18_answers_to_pps(void **state)
{
	static const struct row rows[] = {
		{ "pps-empty", BAD, "PPS: the card's answer is not acceptable" },
		{ "pps-short", BAD, "PPS: the card's answer is not acceptable: FF 11" },
		{ "pps-bad-pck", BAD, "PPS: the card's answer is not acceptable: FF 11 96" },
		{ "pps-other-protocol", BAD, "PPS: the card's answer is not acceptable: FF 10 96" },
		{ "pps-changed", BAD, "PPS: the card's answer is not acceptable: FF 11" },
		{ "pps-bad-ppss", BAD, "PPS: the card's answer is not acceptable: 3F" },
		/* the card is reset, and used at its speed without a PPS */
		{ "pps-silent", GOOD, "the card is mute at the speed of its TA1" }, { "pps-no-pps1", GOOD, NULL },
	};

	(void)state;
	for (unsigned i = 0; i < COUNT(rows); i++) {
		RESPONSECODE rc;

		begin_two(TPDU_TWO("t1"), 1);
		FIXTURE_IS_FINE(fixture_power(0));
		fixture_fault(0, "%s slot=0", rows[i].fault);
		fixture_log_clear();
		rc = IFDHSetProtocolParameters(0, SCARD_PROTOCOL_T1, 0, 0, 0, 0);
		if (rc != (rows[i].outcome == GOOD ? IFD_SUCCESS : IFD_ERROR_PTS_FAILURE))
			fail_msg("%s: %ld", rows[i].fault, (long)rc);
		expect_line(rows[i].fault, rows[i].says);
		other_slot_works(rows[i].fault, i);
		/* a card whose parameters are unknown is sent nothing */
		if (rows[i].outcome == BAD)
			assert_int_not_equal(fixture_echo(0, i, 20), IFD_SUCCESS);
		fixture_expect_no_complaint();
		recovers(rows[i].fault, 1);
		close_both();
	}
}

/* --- row 19 --- */

static void row_19_chained_answers(void **state)
{
	static const uint8_t apdu[] = { 0x80, 0x14, 0x03, 0xE8, 0x00, 0x03, 0xE8 };
	static const struct {
		const char *fault;
		RESPONSECODE want;
		const char *says;
	} rows[] = {
		{ "chain-begins count=0", IFD_COMMUNICATION_ERROR, "bChainParameter is 1 (0x01)" },
		{ "chain-middle", IFD_COMMUNICATION_ERROR, "bChainParameter is 3 (0x03)" },
		{ "chain-middle count=0", IFD_COMMUNICATION_ERROR, "bChainParameter is 3 (0x03)" },
		{ "chain-middle nth=2 count=0", IFD_COMMUNICATION_ERROR, "bError 0x08" },
		{ "chain-tiny count=0", IFD_SUCCESS, NULL }, { "chain-tiny value=7 count=0", IFD_SUCCESS, NULL },
		{ "chain-endless", IFD_ERROR_INSUFFICIENT_BUFFER, "length of the answer is 65" },
	};

	(void)state;
	for (unsigned i = 0; i < COUNT(rows); i++) {
		uint64_t began;
		RESPONSECODE rc;

		begin_two("reader r\nslots = 2\nbusy = 2\nfeatures = 0x000404FA\nmaxlen = 300\n"
			  "card 0 = t1\ncard 1 = t1\n", 1);
		fixture_fault(0, "%s slot=0", rows[i].fault);
		fixture_log_clear();
		memset(out, 0xEE, sizeof out);
		began = fixture_ms();
		rc = fixture_apdu(0, apdu, sizeof apdu, out, 66000, &len);
		assert_true(fixture_ms() - began < LONGEST_MS);
		assert_int_equal(out[66000], 0xEE);
		assert_int_equal(len, rc == IFD_SUCCESS ? 1002 : 0);
		if (rc != rows[i].want)
			fail_msg("%s: %ld", rows[i].fault, (long)rc);
		if (rc == IFD_SUCCESS)
			assert_int_equal(out[999], 999 & 0xFF);
		expect_line(rows[i].fault, rows[i].says);
		other_slot_works(rows[i].fault, i);
		recovers(rows[i].fault, 1);
		close_both();
	}
}

/* The caller's buffer keeps no part of the answer. */
static void row_22_unplugged_in_a_chain(void **state)
{
	static const uint8_t apdu[] = { 0x80, 0x14, 0x03, 0xE8, 0x00, 0x03, 0xE8 };

	(void)state;
	begin_two("reader r\nslots = 2\nbusy = 2\nfeatures = 0x000404FA\nmaxlen = 300\n"
		  "card 0 = t1\ncard 1 = t1\n", 1);
	fixture_fault(0, "unplug slot=0 nth=3");
	memset(out, 0xEE, sizeof out);
	assert_int_equal(fixture_apdu(0, apdu, sizeof apdu, out, 66000, &len), IFD_NO_SUCH_DEVICE);
	assert_int_equal(len, 0);
	assert_int_equal(out[1], 0);
	for (unsigned i = 0; i < 66000; i++)
		assert_true(out[i] == 0 || out[i] == 0xEE);
	close_both();
}

/* --- row 20 --- */

#define ICC_A "reader a\niccd = a\ncard 0 = t0\n" BESIDE
#define ICC_B "reader b\niccd = b\nfeatures = 0x000404F2\ncard 0 = t1\n" BESIDE
#define BESIDE "reader beside\ncard 0 = t1\n"
#define BESIDE_LUN 0x10000

static void begin_icc(const char *reader, unsigned protocol)
{
	fixture_start(FAKE_VIRTUAL, reader);
	fixture_ready(0, 0, protocol);
	fixture_ready(BESIDE_LUN, 1, 1);
}

static void end_icc(const char *fault, unsigned tag)
{
	FIXTURE_IS_FINE(fixture_echo(BESIDE_LUN, tag, 200));
	fixture_fault(0, "clear");
	fixture_pardon();
	if (fixture_power(0) != IFD_SUCCESS && fixture_power(0) != IFD_SUCCESS)
		fail_msg("%s: the card is lost", fault);
	FIXTURE_IS_FINE(fixture_echo(0, tag, 100));
	fixture_pardon();
	FIXTURE_IS_FINE(IFDHCloseChannel(0));
	FIXTURE_IS_FINE(IFDHCloseChannel(BESIDE_LUN));
	fixture_stop();
}

static void play_icc(const char *reader, unsigned protocol, const struct row *rows, size_t n)
{
	for (unsigned i = 0; i < n; i++) {
		RESPONSECODE rc;

		begin_icc(reader, protocol);
		rc = under_fault(rows[i].fault, limit_of(&rows[i]));
		if ((rc == IFD_SUCCESS) != (rows[i].outcome == GOOD)) {
			fixture_log_print();
			fail_msg("%s: %ld", rows[i].fault, (long)rc);
		}
		expect_line(rows[i].fault, rows[i].says);
		end_icc(rows[i].fault, i);
	}
}

static void row_20_iccd_a(void **state)
{
	static const struct row rows[] = {
		{ "iccd-empty", BAD, "length of DataBlock is 0" },
		{ "iccd-empty count=0", BAD, "length of DataBlock is 0" },
		{ "iccd-empty nth=2", BAD, "length of SW1 SW2 is 0" },
		{ "iccd-short nth=2", BAD, "length of SW1 SW2 is 1" },
		{ "iccd-status value=0x40 count=20", GOOD, NULL },
		{ "iccd-status count=0", BAD, "time extensions" },
		{ "iccd-status value=0x80", BAD, "bError 0xFE" },
		{ "iccd-status value=0x30", BAD, "GetIccStatus is 48 (0x30)" },
		{ "control-stall", BAD, "XfrBlock: communication error" },
		{ "control-stall count=0", BAD, "XfrBlock: communication error" },
	};

	(void)state;
	play_icc(ICC_A, 0, rows, COUNT(rows));
}

static void row_20_iccd_b(void **state)
{
	static const struct row rows[] = {
		{ "iccd-empty", BAD, "length of DataBlock is 0" },
		{ "iccd-empty count=0", BAD, "length of DataBlock is 0" },
		{ "iccd-short value=1", BAD, "length of DataBlock is 1" },
		{ "iccd-short value=2", BAD, "T=1: length of the answer is 1" },
		{ "iccd-type", BAD, "bResponseType is 85 (0x55)" },
		{ "iccd-type count=0", BAD, "bResponseType is 85 (0x55)" },
		{ "iccd-poll", GOOD, NULL }, { "iccd-poll count=0", BAD, "time extensions" },
		{ "iccd-poll value=65535 count=0", BAD, "time extensions" },
		{ "control-stall", BAD, "XfrBlock: communication error" },
		{ "control-stall count=0", BAD, "XfrBlock: communication error" },
	};

	(void)state;
	play_icc(ICC_B, 1, rows, COUNT(rows));
}

/* A USB ICC is mute, or reset by the host: if pcscd were told that there is no card, it would not
 * ask again for minutes. */
static void row_20_iccd_is_never_without_its_card(void **state)
{
	(void)state;
	for (unsigned version = 0; version < 2; version++) {
		begin_icc(version ? ICC_B : ICC_A, version);
		for (unsigned i = 0; i < 4; i++) {
			if (i & 1)
				fake_usb_reset(0);
			else if (!version)
				fixture_fault(0, "iccd-status value=0x80");
			assert_int_equal(IFDHICCPresence(0), IFD_ICC_PRESENT);
			assert_int_equal(IFDHICCPresence(0), IFD_ICC_PRESENT);
			if (i & 1 || !version)
				assert_int_not_equal(fixture_echo(0, i, 100), IFD_SUCCESS);
			assert_int_equal(IFDHICCPresence(0), IFD_ICC_PRESENT);
			FIXTURE_IS_FINE(fixture_power(0));
			FIXTURE_IS_FINE(fixture_echo(0, i, 100));
		}
		end_icc("reset", 1);
	}
}

/* The USB ICC is unplugged at each of its requests: opening, power, transmit, closing. */
static void row_20_iccd_unplugged_at_each_step(void **state)
{
	(void)state;
	for (unsigned version = 0; version < 2; version++) {
		bool fine = false;

		for (unsigned nth = 1; !fine; nth++) {
			uint64_t began;

			assert_true(nth < 60);
			fixture_start(FAKE_VIRTUAL, version ? ICC_B : ICC_A);
			fixture_ready(BESIDE_LUN, 1, 1);
			fixture_fault(0, "unplug-control nth=%u", nth);
			fixture_log_clear();
			began = fixture_ms();
			fine = fixture_open(0, 0, 0) == IFD_SUCCESS;
			if (fine) {
				fine = fixture_power(0) == IFD_SUCCESS && fixture_echo(0, nth, 100) == IFD_SUCCESS;
				fine &= IFDHICCPresence(0) == IFD_ICC_PRESENT;
				FIXTURE_IS_FINE(IFDHCloseChannel(0));
			}
			assert_in_range(fixture_ms() - began, 0, 1000);
			assert_int_equal(fixture_log_critical(), 0);
			FIXTURE_IS_FINE(fixture_echo(BESIDE_LUN, nth, 100));
			fixture_fault(0, "clear");
			fake_usb_unplug(0);
			fake_usb_plug(0);
			fixture_pardon();
			fixture_ready(0, 0, version);
			end_icc("unplug-control", nth);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(row_09_answers_to_reset),
		TEST(row_16_character_level),
		TEST(row_16_tpdu_level),
		TEST(row_16_an_answer_without_sw2),
		TEST(row_17_t1_blocks),
		TEST(row_17_one_damage_heals),
		TEST(row_17_resynchronised_in_a_chain),
		TEST(row_17_t1_blocks_by_characters),
		TEST(row_18_answers_to_pps),
		TEST(row_19_chained_answers),
		TEST(row_22_unplugged_in_a_chain),
		TEST(row_20_iccd_a),
		TEST(row_20_iccd_b),
		TEST(row_20_iccd_is_never_without_its_card),
		TEST(row_20_iccd_unplugged_at_each_step),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
