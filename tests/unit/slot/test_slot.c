/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* src/slot/slot.c: power, presence, transmit of one card. Virtual time. */
#include "../driver/driver_fixture.h"

#include "slot/registry.h"

#include <stdio.h>
#include <string.h>

static struct slot *slot, *second;
static uint8_t atr[ATR_MAX + 1], out[300];
static size_t len;
static unsigned power_ons, power_offs;

static void count_power_ons(void *user, uint64_t now, const char *text)
{
	(void)user;
	(void)now;
	power_ons += strstr(text, "out ") == text && strstr(text, "IccPowerOn") != NULL;
	power_offs += strstr(text, "out ") == text && strstr(text, "IccPowerOff") != NULL;
}

static void begin_interface(const char *text, unsigned interface)
{
	fixture_start(FAKE_VIRTUAL, text);
	fake_usb_lock();
	sim_dev_trace(fake_usb_dev(0), count_power_ons, NULL);
	fake_usb_unlock();
	FIXTURE_IS_FINE(fixture_open(0, 0, interface));
	slot = registry_get(0);
	assert_non_null(slot);
	power_ons = 0;
	memset(atr, 0xEE, sizeof atr);
	memset(out, 0xEE, sizeof out);
}

static void begin(const char *text)
{
	begin_interface(text, 0);
}

static void close_slot(void)
{
	registry_put(slot);
	FIXTURE_IS_FINE(IFDHCloseChannel(0));
}

static void end(void)
{
	close_slot();
	fixture_stop();
}

static const uint8_t challenge[] = { 0x80, 0x14, 0x00, 0x05, 0x05 };

static enum ccid_err transmit(size_t cap)
{
	return slot_transmit(slot, challenge, sizeof challenge, out, cap, &len);
}

/* --- power --- */

static void voltages_in_their_order(void **state)
{
	static const struct {
		const char *reader, *classes;
		unsigned options, tries;
		enum ccid_err want;
	} rows[] = {
		{ "voltages = 7", "A", 0x00, 1, CCID_OK }, { "voltages = 7", "B", 0x00, 2, CCID_OK },
		{ "voltages = 7", "C", 0x00, 3, CCID_OK }, { "voltages = 5", "C", 0x00, 2, CCID_OK },
		{ "voltages = 3", "C", 0x00, 2, CCID_ERR_MUTE }, { "voltages = 1", "A", 0x20, 1, CCID_OK },
		{ "voltages = 7", "B", 0x10, 1, CCID_OK }, { "voltages = 7", "C", 0x10, 3, CCID_OK },
		{ "voltages = 7", "A", 0x10, 2, CCID_OK }, { "voltages = 7", "C", 0x20, 1, CCID_OK },
		{ "voltages = 7", "A", 0x20, 3, CCID_OK }, { "voltages = 7", "B", 0x20, 2, CCID_OK },
		{ "features = 0x00010038", "C", 0x00, 1, CCID_OK }, { "features = 0x00010034", "B", 0x20, 1, CCID_OK },
		{ "features = 0x00010038", "A", 0x30, 1, CCID_OK },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		char text[200];

		snprintf(text, sizeof text, "reader r\n%s\ncard 0 = t1 classes=%s\n", rows[i].reader, rows[i].classes);
		begin(text);
		slot->reader->config.driver_options = rows[i].options;
		assert_int_equal(slot_power_on(slot, atr, &len), rows[i].want);
		if (power_ons != rows[i].tries)
			fail_msg("row %u: %u power ons", i, power_ons);
		assert_int_equal(len > 0, rows[i].want == CCID_OK);
		end();
	}
}

static void a_reset_is_warm_and_a_power_on_is_cold(void **state)
{
	(void)state;
	begin(FIXTURE_ONE);
	for (unsigned i = 0; i < 5; i++) {
		assert_int_equal(slot_power_on(slot, atr, &len), CCID_OK);
		assert_int_equal(slot->atr_len, len);
		assert_memory_equal(slot->atr, atr, len);
		assert_int_equal(transmit(sizeof out), CCID_OK);
	}
	assert_int_equal(slot_power_off(slot), CCID_OK);
	assert_int_equal(slot->atr_len, 0);
	assert_int_equal(transmit(sizeof out), CCID_ERR_COMM);
	assert_int_equal(len, 0);
	assert_int_equal(slot_power_off(slot), CCID_OK);
	end();
}

static void an_empty_slot_is_reported(void **state)
{
	bool present = true;

	(void)state;
	begin("reader r\n");
	assert_int_equal(slot_presence(slot, &present), CCID_OK);
	assert_false(present);
	assert_int_not_equal(slot_power_on(slot, atr, &len), CCID_OK);
	assert_int_equal(len, 0);
	assert_int_equal(slot_power_off(slot), CCID_OK);
	assert_int_equal(slot_presence(slot, &present), CCID_OK);
	assert_int_equal(transmit(sizeof out), CCID_ERR_NO_CARD);
	end();
}

/* Row 9: a malformed ATR is cut or refused, and no byte of it is invented. */
static void row_09_answers_to_reset(void **state)
{
	static const struct {
		const char *fault;
		bool ok;
		size_t len;
	} rows[] = {
		{ "atr-claims value=33", false, 0 }, { "atr-claims value=0xFFFFFFFF", false, 0 },
		{ "atr-empty", false, 0 }, { "atr-long value=40", true, 33 }, { "atr-long value=34", true, 33 },
		{ "atr-ts value=0", true, 0 }, { "atr-truncated", true, 3 }, { "atr-tds value=32", true, 33 },
		{ "atr-tds value=5", true, 7 },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		enum ccid_err err;

		begin("reader r\nfeatures = 0x000100B8\ncard 0 = t1\n");
		fixture_fault(0, "%s", rows[i].fault);
		err = slot_power_on(slot, atr, &len);
		if ((err == CCID_OK) != rows[i].ok)
			fail_msg("%s: %s", rows[i].fault, err_name(err));
		assert_int_equal(atr[ATR_MAX], 0xEE);
		if (!rows[i].ok || rows[i].len)
			assert_int_equal(len, rows[i].len);
		for (size_t k = len; k < sizeof atr; k++)
			assert_int_equal(atr[k], 0xEE);
		/* later calls for such a card may fail, but must end */
		(void)slot_set_protocol(slot, 1);
		(void)transmit(sizeof out);
		fixture_pardon();
		assert_int_equal(slot_power_on(slot, atr, &len), CCID_OK);
		assert_int_equal(slot_set_protocol(slot, 1), CCID_OK);
		assert_int_equal(transmit(sizeof out), CCID_OK);
		end();
	}
}

/* --- presence --- */

static bool present_now(void)
{
	bool present = false;

	assert_int_equal(slot_presence(slot, &present), CCID_OK);
	return present;
}

static void cards_come_and_go(void **state)
{
	(void)state;
	begin("reader r\n");
	for (unsigned i = 0; i < 3; i++) {
		assert_false(present_now());
		fixture_insert(0, 0, "t1");
		assert_true(present_now());
		assert_int_equal(slot_power_on(slot, atr, &len), CCID_OK);
		assert_true(present_now());
		assert_int_equal(transmit(sizeof out), CCID_OK);
		fixture_remove(0, 0);
		assert_false(present_now());
		assert_int_equal(transmit(sizeof out), CCID_ERR_NO_CARD);
	}
	end();
}

/* Another card was inserted between two questions for the presence: the change is reported. */
static void a_swapped_card_is_reported(void **state)
{
	struct deadline d;

	(void)state;
	begin(FIXTURE_ONE);
	assert_int_equal(slot_power_on(slot, atr, &len), CCID_OK);
	fixture_remove(0, 0);
	fixture_insert(0, 0, "t0");
	assert_false(present_now());
	/* the return of the card is not waited for */
	d = deadline_in_ms(5000);
	assert_int_equal(slot->reader->transport->ops->wait_change(slot->reader->transport, 0, &d), CCID_OK);
	assert_true(present_now());
	assert_int_equal(slot->atr_len, 0);
	assert_int_equal(slot_power_on(slot, atr, &len), CCID_OK);
	assert_int_equal(slot_set_protocol(slot, 0), CCID_OK);
	assert_int_equal(transmit(sizeof out), CCID_OK);
	assert_true(present_now());
	end();
}

static void a_card_swapped_before_a_command(void **state)
{
	(void)state;
	begin(FIXTURE_ONE);
	assert_int_equal(slot_power_on(slot, atr, &len), CCID_OK);
	assert_int_equal(transmit(sizeof out), CCID_OK);
	fixture_remove(0, 0);
	fixture_insert(0, 0, "t1");
	assert_int_not_equal(transmit(sizeof out), CCID_OK);
	assert_int_equal(len, 0);
	fixture_pardon();
	assert_false(present_now());
	assert_true(present_now());
	assert_int_equal(slot_power_on(slot, atr, &len), CCID_OK);
	assert_int_equal(transmit(sizeof out), CCID_OK);
	end();
}

/* As pcscd's polling thread does. */
static void poll_once(void)
{
	struct deadline d = deadline_in_ms(100);

	assert_int_equal(slot->reader->transport->ops->wait_change(slot->reader->transport, 0, &d), CCID_OK);
}

/* pcscd asks for the presence during a command: the last known state is returned without a wait. */
static void asked_while_a_command_is_under_way(void **state)
{
	(void)state;
	begin("reader r\n");
	/* a control command on an empty slot */
	slot_enter(slot);
	assert_false(present_now());
	/* the reader reports that a card was inserted */
	fixture_insert(0, 0, "t1");
	poll_once();
	assert_true(present_now());
	slot_leave(slot);
	assert_true(present_now());
	slot_enter(slot);
	assert_true(present_now());
	/* a removal is left to the command to find out */
	fixture_remove(0, 0);
	poll_once();
	assert_true(present_now());
	slot_leave(slot);
	assert_false(present_now());
	end();
}

/* The state of a slot that was never asked is unknown: "present" makes pcscd power the card up,
 * which shows what is there. */
static void asked_before_the_first_answer(void **state)
{
	bool present = false;

	(void)state;
	begin("reader r\nslots = 2\n");
	FIXTURE_IS_FINE(fixture_open(1, 0, 0));
	second = registry_get(1);
	slot_enter(second);
	assert_int_equal(slot_presence(second, &present), CCID_OK);
	assert_true(present);
	slot_leave(second);
	assert_int_equal(slot_presence(second, &present), CCID_OK);
	assert_false(present);
	registry_put(second);
	second = NULL;
	FIXTURE_IS_FINE(IFDHCloseChannel(1));
	end();
}

/* A reader without a card detector: the last power on decides. */
static void asked_while_powering(void **state)
{
	(void)state;
	begin("reader r\nvendor = f1f1\nproduct = 0f0f\n");
	slot->reader->quirks.bits |= UINT64_C(1) << QUIRK_PRESENCE_FROM_POWER;
	assert_int_not_equal(slot_power_on(slot, atr, &len), CCID_OK);
	slot_enter(slot);
	assert_false(present_now());
	slot_leave(slot);
	end();
}

/* --- readers with ways of their own --- */

/* SEC1210: interface 1 has no card detector. Its card comes and goes with that of interface 0. */
static void sec1210_follows_its_first_interface(void **state)
{
	bool present = false;

	(void)state;
	begin("reader r\nvendor = f1f1\nproduct = 1210\ncard 0 = t1\ninterface = 1\ncard 0 = t1\n");
	FIXTURE_IS_FINE(fixture_open(0x10000, 0, 1));
	second = registry_get(0x10000);
	assert_true(present_now());
	assert_int_equal(slot_presence(second, &present), CCID_OK);
	assert_true(present);
	assert_int_equal(slot_power_on(second, atr, &len), CCID_OK);
	fixture_remove(0, 0);
	assert_false(present_now());
	assert_int_equal(slot_presence(second, &present), CCID_OK);
	assert_false(present);
	assert_int_equal(second->atr_len, 0);
	fixture_insert(0, 0, "t1");
	assert_true(present_now());
	assert_int_equal(slot_presence(second, &present), CCID_OK);
	assert_true(present);
	/* the same during a command on either interface */
	fixture_remove(0, 0);
	assert_false(present_now());
	slot_enter(slot);
	assert_int_equal(slot_presence(second, &present), CCID_OK);
	assert_false(present);
	slot_enter(second);
	assert_int_equal(slot_presence(second, &present), CCID_OK);
	assert_false(present);
	slot_leave(second);
	slot_leave(slot);
	/* without interface 0, its own reader's state counts */
	close_slot();
	assert_int_equal(slot_presence(second, &present), CCID_OK);
	assert_true(present);
	registry_put(second);
	second = NULL;
	FIXTURE_IS_FINE(IFDHCloseChannel(0x10000));
	fixture_stop();
}

/* The reader's firmware remembers the card's old state: a power off precedes the power on. */
static void sec1210_powers_off_before_on(void **state)
{
	(void)state;
	for (unsigned interface = 0; interface < 2; interface++) {
		begin_interface("reader r\nvendor = f1f1\nproduct = 1210\ncard 0 = t1\ninterface = 1\n"
				"card 0 = t1\n", interface);
		power_offs = 0;
		assert_int_equal(slot_power_on(slot, atr, &len), CCID_OK);
		assert_int_equal(power_offs, interface);
		end();
	}
}

/* Gemalto's bError BB: the card is not an EMV card, and is powered on again in ISO mode. */
static void iso_mode_for_cards_that_are_not_emv(void **state)
{
	(void)state;
	begin("reader r\nvendor = 046a\nproduct = 0005\ncard 0 = t1\n");
	fixture_fault(0, "error value=0xBB");
	assert_int_equal(slot_power_on(slot, atr, &len), CCID_OK);
	assert_int_equal(power_ons, 2);
	assert_int_equal(transmit(sizeof out), CCID_OK);
	/* another error does not switch the mode */
	power_ons = 0;
	fixture_fault(0, "error value=0xFE count=0");
	assert_int_not_equal(slot_power_on(slot, atr, &len), CCID_OK);
	assert_int_equal(len, 0);
	fixture_fault(0, "clear");
	end();
}

/* Kobil's own command is answered by the driver, with or without a card. */
static void the_driver_answers_kobils_command(void **state)
{
	static const uint8_t who[] = { 0xFF, 0x9A, 0x01, 0x01, 0x00 };

	(void)state;
	begin("reader r\nvendor = 0d46\nproduct = 301d\n");
	assert_int_equal(slot_transmit(slot, who, sizeof who, out, sizeof out, &len), CCID_OK);
	assert_int_equal(len, 15);
	assert_memory_equal(out, "KOBIL systems\x90\x00", 15);
	assert_int_equal(slot_transmit(slot, who, sizeof who - 1, out, sizeof out, &len), CCID_ERR_NO_CARD);
	assert_int_equal(len, 0);
	end();
}

/* --- row 23 --- */

static void row_23_reset_seen_by_presence(void **state)
{
	(void)state;
	begin(FIXTURE_ONE);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(slot_power_on(slot, atr, &len), CCID_OK);
		assert_int_equal(transmit(sizeof out), CCID_OK);
		fake_usb_reset(0);
		assert_false(present_now());
		assert_true(present_now());
	}
	assert_int_equal(fixture_log_count("opened again"), 3);
	end();
}

static void row_23_reset_seen_by_a_command(void **state)
{
	(void)state;
	begin(FIXTURE_ONE);
	assert_int_equal(slot_power_on(slot, atr, &len), CCID_OK);
	assert_int_equal(transmit(sizeof out), CCID_OK);
	fake_usb_reset(0);
	assert_int_equal(transmit(sizeof out), CCID_ERR_COMM);
	assert_int_equal(len, 0);
	assert_int_equal(transmit(sizeof out), CCID_ERR_COMM);
	assert_false(present_now());
	assert_true(present_now());
	assert_int_equal(slot_power_on(slot, atr, &len), CCID_OK);
	assert_int_equal(transmit(sizeof out), CCID_OK);
	/* seen by power on, power off, and by setting the protocol */
	fake_usb_reset(0);
	assert_int_not_equal(slot_power_on(slot, atr, &len), CCID_OK);
	assert_int_equal(len, 0);
	assert_int_equal(slot_power_on(slot, atr, &len), CCID_OK);
	fake_usb_reset(0);
	(void)slot_power_off(slot);
	assert_int_equal(slot_power_on(slot, atr, &len), CCID_OK);
	fake_usb_reset(0);
	assert_int_not_equal(slot_set_protocol(slot, 1), CCID_OK);
	assert_int_equal(slot_power_on(slot, atr, &len), CCID_OK);
	assert_int_equal(slot_set_protocol(slot, 1), CCID_OK);
	assert_int_equal(transmit(sizeof out), CCID_OK);
	end();
}

/* --- transmit --- */

static void answers_never_exceed_the_buffer(void **state)
{
	(void)state;
	begin(FIXTURE_ONE);
	assert_int_equal(slot_power_on(slot, atr, &len), CCID_OK);
	for (size_t cap = 0; cap <= 8; cap++) {
		memset(out, 0xEE, sizeof out);
		assert_int_equal(transmit(cap), CCID_OK);
		assert_int_equal(len, 7);
		assert_int_equal(out[cap < 7 ? cap : 7], 0xEE);
		if (cap > 0)
			assert_int_equal(out[0], 0x00);
	}
	assert_int_equal(slot_transmit(slot, challenge, 0, out, sizeof out, &len), CCID_ERR_ARG);
	end();
}

static void what_a_removed_reader_answers(void **state)
{
	bool present = true;

	(void)state;
	begin(FIXTURE_ONE);
	assert_int_equal(slot_power_on(slot, atr, &len), CCID_OK);
	fixture_log_clear();
	reader_set_gone(slot->reader);
	assert_int_equal(transmit(sizeof out), CCID_ERR_NO_DEVICE);
	assert_int_equal(slot_power_on(slot, atr, &len), CCID_ERR_NO_DEVICE);
	assert_int_equal(slot_power_off(slot), CCID_ERR_NO_DEVICE);
	assert_int_equal(slot_set_protocol(slot, 1), CCID_ERR_NO_DEVICE);
	/* after "no such device" pcscd would sleep; after "no card" it would forget that it is
	 * ending the thread */
	assert_int_equal(slot_presence(slot, &present), CCID_ERR_COMM);
	assert_false(present);
	assert_int_equal(slot_escape(slot, challenge, 1, out, sizeof out, &len), CCID_ERR_NO_DEVICE);
	assert_int_equal(fixture_log_critical(), 0);
	end();
}

/* An error that T=1 cannot repair ends the command; after a reset of the card it works again. */
static void a_mute_card(void **state)
{
	uint64_t began;

	(void)state;
	begin(FIXTURE_ONE);
	assert_int_equal(slot_power_on(slot, atr, &len), CCID_OK);
	assert_int_equal(transmit(sizeof out), CCID_OK);
	fixture_fault(0, "t1-mute count=0");
	began = fixture_ms();
	assert_int_not_equal(transmit(sizeof out), CCID_OK);
	assert_int_equal(len, 0);
	assert_true(fixture_ms() - began < 120000);
	fixture_fault(0, "clear");
	assert_int_equal(slot_power_on(slot, atr, &len), CCID_OK);
	assert_int_equal(transmit(sizeof out), CCID_OK);
	end();
}

#define TEST(f) cmocka_unit_test_teardown(f, teardown)

static int teardown(void **state)
{
	if (second)
		registry_put(second);
	second = NULL;
	if (slot && registry_get(0)) {
		registry_put(slot);
		if (slot->users)
			registry_put(slot);
	}
	return fixture_teardown(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(voltages_in_their_order),
		TEST(a_reset_is_warm_and_a_power_on_is_cold),
		TEST(an_empty_slot_is_reported),
		TEST(row_09_answers_to_reset),
		TEST(cards_come_and_go),
		TEST(a_swapped_card_is_reported),
		TEST(a_card_swapped_before_a_command),
		TEST(asked_while_a_command_is_under_way),
		TEST(asked_before_the_first_answer),
		TEST(asked_while_powering),
		TEST(sec1210_follows_its_first_interface),
		TEST(sec1210_powers_off_before_on),
		TEST(iso_mode_for_cards_that_are_not_emv),
		TEST(the_driver_answers_kobils_command),
		TEST(row_23_reset_seen_by_presence),
		TEST(row_23_reset_seen_by_a_command),
		TEST(answers_never_exceed_the_buffer),
		TEST(what_a_removed_reader_answers),
		TEST(a_mute_card),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
