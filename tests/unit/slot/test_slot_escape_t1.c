/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* src/slot/slot_escape_t1.c: extended APDUs as T=1 blocks in Escape commands, on a simulated OMNIKEY. Virtual time. */
#include "../driver/driver_fixture.h"

#include "slot/registry.h"
#include "slot/slot.h"
#include "util/log.h"

#include <stdio.h>
#include <string.h>

#define OMNIKEY "reader r\nvendor = 076b\nproduct = 3021\nfeatures = 0x000205B2\nmaxlen = 271\nifsd = 254\n"

static struct slot *slot;
static unsigned escapes, resynchs, blocks;
static uint8_t command[65536 + 16], answer[65536 + 2];
static size_t len;

static void count(void *user, uint64_t now, const char *text)
{
	(void)user;
	(void)now;
	if (strstr(text, "out ") != text)
		return;
	escapes += strstr(text, "Escape") != NULL;
	resynchs += strstr(text, "1A00C000C0") || strstr(text, "1a00c000c0") || strstr(text, "1A 00 C0 00 C0") ||
		    strstr(text, "1a 00 c0 00 c0");
	blocks += strstr(text, "XfrBlock") != NULL;
}

static void begin(const char *text, unsigned protocol)
{
	fixture_start(FAKE_VIRTUAL, text);
	fake_usb_lock();
	sim_dev_trace(fake_usb_dev(0), count, NULL);
	fake_usb_unlock();
	fixture_ready(0, 0, protocol);
	slot = registry_get(0);
	assert_non_null(slot);
	escapes = resynchs = blocks = 0;
}

static void end(void)
{
	registry_put(slot);
	FIXTURE_IS_FINE(IFDHCloseChannel(0));
	fixture_stop();
}

/* Sends n bytes to the card's ECHO in an extended APDU. */
static enum ccid_err echo(size_t n)
{
	static const uint8_t head[] = { 0x80, 0x16, 0x00, 0x00, 0x00 };
	enum ccid_err err;

	memcpy(command, head, sizeof head);
	command[5] = (uint8_t)(n >> 8);
	command[6] = (uint8_t)n;
	for (size_t i = 0; i < n; i++)
		command[7 + i] = (uint8_t)(i * 7 + n);
	command[7 + n] = command[8 + n] = 0;
	err = slot_transmit(slot, command, n + 9, answer, sizeof answer, &len);
	if (err != CCID_OK)
		return err;
	assert_int_equal(len, n + 2);
	assert_memory_equal(answer, command + 7, n);
	assert_memory_equal(answer + n, "\x90\x00", 2);
	return CCID_OK;
}

static void short_echo(unsigned tag)
{
	FIXTURE_IS_FINE(fixture_echo(0, tag, 200));
}

static void all_lengths_there_and_back(void **state)
{
	static const size_t lengths[] = { 1, 244, 245, 254, 255, 256, 1000, 32767, 65535 };

	(void)state;
	begin(OMNIKEY "card 0 = t1\n", 1);
	for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++)
		assert_int_equal(echo(lengths[i]), CCID_OK);
	assert_int_equal(blocks, 0);
	assert_int_equal(resynchs, 0);
	assert_true(escapes > 2 * 65535 / 254);
	end();
}

/* The reader keeps block numbers of its own; after a short APDU through the reader the host
 * resynchronises. */
static void short_apdus_in_between(void **state)
{
	(void)state;
	begin(OMNIKEY "card 0 = t1\n", 1);
	for (unsigned i = 0; i < 5; i++) {
		for (unsigned n = 0; n < i; n++)
			short_echo(n);
		assert_int_equal(echo(300), CCID_OK);
		assert_int_equal(echo(300 + i), CCID_OK);
		assert_int_equal(resynchs, i);
	}
	/* the card sends blocks of the size that it was asked for again */
	short_echo(1);
	escapes = 0;
	assert_int_equal(echo(254), CCID_OK);
	assert_true(escapes <= 2 + 2 + 2);
	end();
}

static void small_blocks_and_crc(void **state)
{
	static const char *const cards[] = { "t1crc", "t1small", "t1wtx", "t1crc ifsc=1" };

	(void)state;
	for (size_t i = 0; i < sizeof cards / sizeof cards[0]; i++) {
		char text[300];

		snprintf(text, sizeof text, OMNIKEY "card 0 = %s\n", cards[i]);
		begin(text, 1);
		assert_int_equal(echo(700), CCID_OK);
		short_echo(2);
		assert_int_equal(echo(700), CCID_OK);
		end();
	}
}

static void damaged_blocks_are_asked_for_again(void **state)
{
	static const char *const faults[] = {
		"t1-bad-edc", "t1-cut", "t1-empty", "t1-mute", "t1-bad-ns", "t1-bad-edc count=3",
		"escape-claims nth=2", "error value=0xFD nth=2",
	};

	(void)state;
	begin(OMNIKEY "card 0 = t1\n", 1);
	for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
		fixture_fault(0, "%s", faults[i]);
		if (echo(1000) != CCID_OK)
			fail_msg("%s", faults[i]);
		fixture_fault(0, "clear");
		fixture_pardon();
		short_echo((unsigned)i);
		assert_int_equal(echo(300), CCID_OK);
	}
	end();
}

/* A mute card: the extended APDU ends with an error, and short APDUs work. */
static void a_mute_card_ends_the_exchange(void **state)
{
	(void)state;
	begin(OMNIKEY "card 0 = t1\n", 1);
	fixture_fault(0, "t1-mute count=0");
	assert_int_not_equal(echo(300), CCID_OK);
	fixture_fault(0, "clear");
	fixture_pardon();
	short_echo(1);
	FIXTURE_IS_FINE(fixture_power(0));
	assert_int_equal(echo(300), CCID_OK);
	end();
}

static void other_apdus_are_not_changed(void **state)
{
	(void)state;
	begin(OMNIKEY "card 0 = t1\n", 1);
	short_echo(1);
	assert_int_equal(escapes, 0);
	/* a reader that refuses the Escape gets the whole APDU, as any reader of this level */
	fixture_fault(0, "error value=0");
	assert_int_equal(echo(100), CCID_OK);
	assert_int_equal(escapes, 1);
	end();
	begin(OMNIKEY "card 0 = t0\n", 0);
	(void)slot_transmit(slot, (const uint8_t *)"\x80\x14\x00\x05\x00\x00\x05", 7, answer, sizeof answer, &len);
	assert_int_equal(escapes, 0);
	end();
	begin("reader r\nlevel = short\ncard 0 = t1\n", 1);
	assert_int_equal(echo(100), CCID_OK);
	assert_int_equal(escapes, 0);
	end();
}

/* VERIFY in an extended APDU: the log shows neither the PIN nor the answer. */
static void pins_are_not_logged(void **state)
{
	static const uint8_t verify[] = {
		0x00, 0x20, 0x00, 0x00, 0x00, 0x00, 0x08, '1', '2', '3', '4', 0xFF, 0xFF, 0xFF, 0xFF
	};

	(void)state;
	begin(OMNIKEY "card 0 = t1\n", 1);
	log_setup(LOG_COMM | LOG_INFO | LOG_CRITICAL, false);
	fixture_log_clear();
	assert_int_equal(slot_transmit(slot, verify, sizeof verify, answer, sizeof answer, &len), CCID_OK);
	assert_memory_equal(answer, "\x90\x00", 2);
	assert_int_equal(fixture_log_count("31 32 33 34"), 0);
	assert_int_equal(fixture_log_count("1A 00 00 02 90 00"), 0);
	assert_int_equal(fixture_log_count("not shown"), 2);
	assert_int_equal(echo(4), CCID_OK);
	assert_int_equal(fixture_log_count("not shown"), 2);
	log_setup(LOG_CRITICAL, false);
	end();
}

static int teardown(void **state)
{
	struct slot *held = registry_get(0);

	/* a failed test leaves it held */
	while (held && held->users > 0)
		registry_put(held);
	return fixture_teardown(state);
}

#define TEST(f) cmocka_unit_test_teardown(f, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(all_lengths_there_and_back),
		TEST(short_apdus_in_between),
		TEST(small_blocks_and_crc),
		TEST(damaged_blocks_are_asked_for_again),
		TEST(a_mute_card_ends_the_exchange),
		TEST(other_apdus_are_not_changed),
		TEST(pins_are_not_logged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
