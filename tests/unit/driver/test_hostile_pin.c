/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Hostile behaviour of PIN pads, the host and its files, row by row, as pcscd would see it: rows 21
 * to 23 and 28. Virtual time. */
#include "hostile.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define BESIDE "reader beside\ncard 0 = t1\n"
#define BESIDE_LUN 0x10000

/* --- row 28 --- */

static char folder[] = "/tmp/test_hostile.XXXXXX", plist[120];

static void remove_folder(void)
{
	char path[80];

	unlink(plist);
	snprintf(path, sizeof path, "%s/ifd-ccid.bundle/Contents", folder);
	rmdir(path);
	snprintf(path, sizeof path, "%s/ifd-ccid.bundle", folder);
	rmdir(path);
	rmdir(folder);
}

static void write_plist(const void *text, size_t n)
{
	char path[80];
	FILE *f;

	snprintf(path, sizeof path, "%s/ifd-ccid.bundle", folder);
	mkdir(path, 0700);
	snprintf(path, sizeof path, "%s/ifd-ccid.bundle/Contents", folder);
	mkdir(path, 0700);
	snprintf(plist, sizeof plist, "%s/Info.plist", path);
	f = fopen(plist, "w");
	assert_non_null(f);
	if (n > 0)
		assert_int_equal(fwrite(text, 1, n, f), n);
	fclose(f);
}

/* The file is read once in a process, so each file is tried in a child process. Exit status 0: all
 * is well. */
static int reader_works_without_plist(const char *says)
{
	fixture_start(FAKE_VIRTUAL, FIXTURE_ONE);
	setenv("PCSCLITE_HP_DROPDIR", folder, 1);
	if (fixture_open(0, 0, 0) != IFD_SUCCESS || fixture_power(0) != IFD_SUCCESS ||
	    fixture_echo(0, 1, 100) != IFD_SUCCESS)
		return 1;
	if (fixture_log_count(says) != 1 || fixture_log_critical() != 1)
		return 2;
	return IFDHCloseChannel(0) == IFD_SUCCESS ? 0 : 3;
}

/* This case runs first: the process has not read an Info.plist yet. */
static void row_28_unusable_plists(void **state)
{
	static const struct {
		const char *text, *says;
	} rows[] = {
		{ NULL, "the file is missing" }, { "", "the file is empty" }, { "big", "the file is too large" },
		{ "binary", "Info.plist, line" }, { "<plist><dict><key>ifdVendorID</key><arr", "Info.plist, line" },
		{ "<plist><dict><key>ifdVendorID</key><array><string>0x1</string><string>0x2</string></array>"
		  "<key>ifdProductID</key><array><string>0x1</string></array>"
		  "<key>ifdFriendlyName</key><array><string>a</string></array></dict></plist>",
		  "ifdVendorID has 2 entries, ifdProductID 1, ifdFriendlyName 1" },
	};

	(void)state;
	assert_non_null(mkdtemp(folder));
	for (unsigned i = 0; i < COUNT(rows); i++) {
		uint8_t binary[256];
		pid_t child;
		int status;

		for (unsigned k = 0; k < sizeof binary; k++)
			binary[k] = (uint8_t)(k * 37 + 11);
		if (rows[i].text && strcmp(rows[i].text, "binary") == 0)
			write_plist(binary, sizeof binary);
		else if (rows[i].text)
			write_plist(rows[i].text, strlen(rows[i].text));
		if (rows[i].text && strcmp(rows[i].text, "big") == 0)
			assert_int_equal(truncate(plist, 10 * 1000 * 1000), 0);
		child = fork();
		if (child == 0)
			_exit(reader_works_without_plist(rows[i].says));
		assert_int_equal(waitpid(child, &status, 0), child);
		if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
			fail_msg("\"%s\": status %d", rows[i].says, status);
	}
	remove_folder();
}

/* --- rows 21 and 22: PIN entry --- */

#define PINPAD "reader r\nslots = 2\nbusy = 2\npinpad = 3\n"
#define PIN_CARDS(card) "card 0 = " card " pin=1234 tries=15\ncard 1 = t1\n"

#define VERIFY_CODE SCARD_CTL_CODE(0x330006)

static RESPONSECODE verify(uint8_t *answer, size_t cap, DWORD *n)
{
	/* PIN_VERIFY_STRUCTURE: 30 s, ASCII, 4 to 8 digits, VERIFY without data */
	static const uint8_t in[] = { 30, 30, 0x82, 0x08, 0x00, 8, 4, 0x02, 1, 0x09, 0x04, 0, 0, 0, 0, 13, 0, 0, 0,
				      0x00, 0x20, 0x00, 0x00, 0x08, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF };

	*n = 0xFFFF;
	return IFDHControl(0, VERIFY_CODE, (PUCHAR)(uintptr_t)in, sizeof in, answer, cap, n);
}

static void press(const char *keys)
{
	fake_usb_lock();
	assert_true(sim_dev_keys(fake_usb_dev(0), 0, keys, clock_now() + 1000000000u));
	fake_usb_unlock();
}

struct pin_row {
	const char *fault, *keys;
	uint16_t sw;			/* 0: an error */
	const char *says;
};

static void play_pins(const char *reader, unsigned protocol, const struct pin_row *rows, size_t n_rows)
{
	for (unsigned i = 0; i < n_rows; i++) {
		const char *fault = rows[i].fault;
		uint64_t began;
		RESPONSECODE rc;
		DWORD n;

		fixture_start(FAKE_VIRTUAL, reader);
		fixture_ready(0, 0, protocol);
		fixture_ready(1, 0, 1);
		press(rows[i].keys);
		fixture_fault(0, "%s", fault);
		fixture_log_clear();
		memset(out, 0xEE, sizeof out);
		began = fixture_ms();
		rc = verify(out, 10, &n);
		if (fixture_ms() - began > 105000)
			fail_msg("%s: %u ms", fault, (unsigned)(fixture_ms() - began));
		if (rows[i].sw && (rc != IFD_SUCCESS || n != 2 || (out[0] << 8 | out[1]) != rows[i].sw))
			fail_msg("%s: %ld, %02X%02X", fault, (long)rc, out[0], out[1]);
		if (!rows[i].sw && (rc == IFD_SUCCESS || n != 0))
			fail_msg("%s: %u bytes of answer", fault, (unsigned)n);
		assert_int_equal(out[n], 0xEE);
		expect_line(fault, rows[i].says);
		other_slot_works(fault, i);
		fixture_fault(0, "clear");
		/* the block numbers are right: the next command succeeds, and another PIN entry
		 * does */
		if (fixture_echo(0, i, 100) != IFD_SUCCESS)
			fail_msg("%s: the next command fails", fault);
		press("1234\n");
		FIXTURE_IS_FINE(verify(out, 10, &n));
		assert_memory_equal(out, "\x90\x00", 2);
		FIXTURE_IS_FINE(fixture_echo(0, i + 1, 100));
		fixture_expect_no_complaint();
		close_both();
	}
}

/* The reader answers "cancelled" before or after it has sent the block to the card: both cases are
 * tested. */
static void row_21_pin_entry_at_t1(void **state)
{
	static const struct pin_row rows[] = {
		{ "pin-short value=0", "1234\n", 0, "PIN entry: no answer block, length 0, PCB 0x00" },
		{ "pin-short value=1", "1234\n", 0, "PIN entry: no answer block, length 1, PCB 0x00" },
		{ "pin-short value=3", "1234\n", 0, "PIN entry: no answer block, length 3, PCB 0x00" },
		{ "pin-short value=5", "1234\n", 0, "PIN entry: no answer block, length 5, PCB 0x00" },
		{ "clear", "1234\n", 0x9000, NULL }, { "clear", "9999\n", 0x63CE, NULL },
		{ "clear", "12\033", 0x6401, "bError 0xEF" }, { "clear", "12", 0x6400, "bError 0xF0" },
		{ "pin-cancelled", "1234\n", 0x6401, "bError 0xEF" },
		{ "pin-timeout", "1234\n", 0x6400, "bError 0xF0" },
		{ "pin-wtx value=3", "1234\n", 0x9000, NULL },
		{ "error value=0xFB msg=69", "1234\n", 0, "bError 0xFB" },
		/* "not supported", although the card has received the block */
		{ "error value=0 msg=69", "1234\n", 0, "bError 0x00" },
		{ "status-byte msg=69", "1234\n", 0, "bError 0x00" },
		{ "in-error msg=69", "1234\n", 0, "(bus error)" },
		{ "silent msg=69", "1234\n", 0, "ended without its answer" },
		{ "late-answer msg=69 ms=95000", "1234\n", 0, "ended without its answer" },
		{ "endless-extension msg=69 ms=1000", "1234\n", 0, "time extensions" },
		{ "t1-bad-edc slot=0", "1234\n", 0, "no answer block, length 6" },
		{ "t1-bad-ns slot=0", "1234\n", 0, "no answer block, length 6" },
		{ "t1-mute slot=0", "1234\n", 0, "bError 0xFE" },
	};

	(void)state;
	play_pins(PINPAD PIN_CARDS("t1"), 1, rows, COUNT(rows));
}

/* A card that does not support S(RESYNCH): a PIN entry that was given up needs no reset. */
static void row_21_given_up_without_resynch(void **state)
{
	static const char *const keys[] = { "12\033", "12" };
	DWORD n;

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		fixture_start(FAKE_VIRTUAL, PINPAD PIN_CARDS("t1"));
		fixture_ready(0, 0, 1);
		fixture_ready(1, 0, 1);
		fixture_fault(0, "t1-no-resynch slot=0 count=0");
		press(keys[i / 2]);
		FIXTURE_IS_FINE(verify(out, 10, &n));
		if (i & 1)
			FIXTURE_IS_FINE(fixture_echo(0, i, 100));
		press("1234\n");
		FIXTURE_IS_FINE(verify(out, 10, &n));
		assert_memory_equal(out, "\x90\x00", 2);
		FIXTURE_IS_FINE(fixture_echo(0, i, 100));
		other_slot_works("t1-no-resynch", i);
		fixture_pardon();
		close_both();
	}
}

/* The reader answers "cancelled" although the card received the block, and no S(RESYNCH) reaches
 * the card: the card's answer to the PIN must not become the next command's answer. A reset of the
 * card repairs this. */
static void row_21_given_up_in_vain(void **state)
{
	static const char *const faults[] = { "t1-no-resynch slot=0 count=0", "t1-mute slot=0 count=9",
					      "t1-bad-edc slot=0 count=9" };
	DWORD n;

	(void)state;
	for (unsigned i = 0; i < COUNT(faults); i++) {
		fixture_start(FAKE_VIRTUAL, PINPAD PIN_CARDS("t1"));
		fixture_ready(0, 0, 1);
		fixture_ready(1, 0, 1);
		fixture_fault(0, "pin-cancelled");
		press("1234\n");
		FIXTURE_IS_FINE(verify(out, 10, &n));
		fixture_fault(0, "%s", faults[i]);
		if (fixture_apdu(0, (const uint8_t *)"\x80\x10\x00\x00", 4, out, sizeof out, &len) == IFD_SUCCESS)
			fail_msg("%s: the answer to the PIN is the next command's", faults[i]);
		recovers(faults[i], 1);
		close_both();
	}
}

/* Levels where the reader makes the blocks, or where there are none. */
static void row_21_pin_entry_at_other_levels(void **state)
{
	static const struct pin_row rows[] = {
		{ "pin-short value=0", "1234\n", 0, "PIN entry: answer of 0 bytes" },
		{ "pin-short value=1", "1234\n", 0, "PIN entry: answer of 1 bytes" },
		{ "clear", "12\033", 0x6401, "bError 0xEF" }, { "clear", "12", 0x6400, "bError 0xF0" },
		{ "pin-cancelled", "1234\n", 0x6401, "bError 0xEF" },
		{ "pin-timeout", "1234\n", 0x6400, "bError 0xF0" },
		{ "silent msg=69", "1234\n", 0, "ended without its answer" },
	};

	(void)state;
	play_pins(PINPAD PIN_CARDS("t0t1"), 0, rows, COUNT(rows));
	play_pins(PINPAD "level = short\nfeatures = 0x000204FA\n" PIN_CARDS("t1"), 1, rows, COUNT(rows));
}

static void row_22_unplugged_in_a_pin_entry(void **state)
{
	DWORD n;

	(void)state;
	fixture_start(FAKE_VIRTUAL, PINPAD PIN_CARDS("t1") BESIDE);
	fixture_ready(0, 0, 1);
	fixture_ready(BESIDE_LUN, 1, 1);
	press("1234\n");
	fixture_fault(0, "unplug msg=69");
	assert_int_equal(verify(out, 10, &n), IFD_NO_SUCH_DEVICE);
	assert_int_equal(n, 0);
	assert_int_equal(IFDHICCPresence(0), IFD_NO_SUCH_DEVICE);
	FIXTURE_IS_FINE(IFDHCloseChannel(0));
	FIXTURE_IS_FINE(fixture_echo(BESIDE_LUN, 1, 100));
	fixture_fault(0, "clear");
	fake_usb_plug(0);
	fixture_ready(0, 0, 1);
	press("1234\n");
	FIXTURE_IS_FINE(verify(out, 10, &n));
	FIXTURE_IS_FINE(fixture_echo(0, 1, 100));
	FIXTURE_IS_FINE(IFDHCloseChannel(0));
	FIXTURE_IS_FINE(IFDHCloseChannel(BESIDE_LUN));
	fixture_stop();
}

/* --- row 23 --- */

static void row_23_reset_by_the_host(void **state)
{
	(void)state;
	begin_two(TPDU_TWO("t1"), 1);
	for (unsigned i = 0; i < 4; i++) {
		fixture_log_clear();
		fake_usb_reset(0);
		/* noticed by a command, or by a question for the card's presence */
		if (i & 1) {
			assert_int_not_equal(fixture_echo(0, i, 20), IFD_SUCCESS);
			assert_int_not_equal(fixture_echo(0, i, 20), IFD_SUCCESS);
		}
		for (DWORD slot = 0; slot < 2; slot++) {
			assert_int_equal(IFDHICCPresence(slot), IFD_ICC_NOT_PRESENT);
			assert_int_equal(IFDHICCPresence(slot), IFD_ICC_PRESENT);
			FIXTURE_IS_FINE(fixture_power(slot));
			FIXTURE_IS_FINE(IFDHSetProtocolParameters(slot, SCARD_PROTOCOL_T1, 0, 0, 0, 0));
			FIXTURE_IS_FINE(fixture_echo(slot, i, 200));
		}
		expect_line("reset", "the reader was reset: opened again");
	}
	close_both();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(row_28_unusable_plists),
		TEST(row_21_pin_entry_at_t1),
		TEST(row_21_given_up_without_resynch),
		TEST(row_21_given_up_in_vain),
		TEST(row_21_pin_entry_at_other_levels),
		TEST(row_22_unplugged_in_a_pin_entry),
		TEST(row_23_reset_by_the_host),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
