/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* src/slot/slot_keep.c: what pcscd asks for, and what is sent to the card. Virtual time. */
#include "../driver/driver_fixture.h"

#include "slot/registry.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

static struct slot *slot;
static uint8_t atr[ATR_MAX + 1], out[300];
static size_t len;
static unsigned power_ons, power_offs;
static const uint8_t challenge[] = { 0x80, 0x14, 0x00, 0x05, 0x05 };

static void count(void *user, uint64_t now, const char *text)
{
	(void)user;
	(void)now;
	power_ons += strstr(text, "out ") == text && strstr(text, "IccPowerOn") != NULL;
	power_offs += strstr(text, "out ") == text && strstr(text, "IccPowerOff") != NULL;
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

static bool present_now(void)
{
	bool present = false;

	assert_int_equal(slot_presence(slot, &present), CCID_OK);
	return present;
}

static enum ccid_err transmit(void)
{
	return slot_transmit(slot, challenge, sizeof challenge, out, sizeof out, &len);
}

static void *poll_elsewhere(void *arg)
{
	(void)arg;
	slot_poll_ended(slot);
	return NULL;
}

static void begin_kept(void)
{
	fixture_start(FAKE_VIRTUAL, "reader r\ncard 0 = t0t1\n");
	fake_usb_lock();
	sim_dev_trace(fake_usb_dev(0), count, NULL);
	fake_usb_unlock();
	FIXTURE_IS_FINE(fixture_open(0, 0, 0));
	slot = registry_get(0);
	assert_non_null(slot);
	snprintf(slot->reader->config.quirks, sizeof slot->reader->config.quirks, "xxxx:xxxx:keep-power");
	assert_int_equal(slot_power_on(slot, atr, &len), CCID_OK);
	assert_int_equal(slot_set_protocol(slot, 1), CCID_OK);
	/* makes this thread the polling thread */
	slot_poll_ended(slot);
	power_ons = power_offs = 0;
}

static void the_idle_power_off_is_kept_from_the_card(void **state)
{
	uint8_t first[ATR_MAX];

	(void)state;
	begin_kept();
	memcpy(first, atr, sizeof first);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(slot_power_off(slot), CCID_OK);
		assert_true(present_now());
		memset(atr, 0xEE, sizeof atr);
		assert_int_equal(slot_power_on(slot, atr, &len), CCID_OK);
		assert_memory_equal(atr, first, len);
		assert_int_equal(slot_set_protocol(slot, 1), CCID_OK);
		assert_int_equal(transmit(), CCID_OK);
	}
	assert_int_equal(power_ons + power_offs, 0);
	/* a second power on in a row is a reset */
	assert_int_equal(slot_power_on(slot, atr, &len), CCID_OK);
	assert_int_equal(power_ons, 1);
	/* a reset that is asked for while the power is kept */
	assert_int_equal(slot_power_off(slot), CCID_OK);
	assert_int_equal(slot_reset(slot, atr, &len), CCID_OK);
	assert_int_equal(power_ons, 2);
	/* without power there is nothing to keep */
	fixture_remove(0, 0);
	assert_false(present_now());
	assert_int_equal(slot_power_off(slot), CCID_OK);
	assert_int_equal(power_offs, 1);
	end();
}

static void a_program_can_power_off_a_kept_card(void **state)
{
	pthread_t thread;

	(void)state;
	begin_kept();
	assert_int_equal(pthread_create(&thread, NULL, poll_elsewhere, NULL), 0);
	pthread_join(thread, NULL);
	assert_int_equal(slot_power_off(slot), CCID_OK);
	assert_int_equal(power_offs, 1);
	assert_int_equal(slot_power_on(slot, atr, &len), CCID_OK);
	assert_int_equal(power_ons, 1);
	slot_poll_ended(slot);
	/* a card whose power is kept is powered off when the slot is closed */
	assert_int_equal(slot_power_off(slot), CCID_OK);
	assert_int_equal(power_offs, 1);
	close_slot();
	assert_int_equal(power_offs, 2);
	fixture_stop();
}

static void another_protocol_or_a_reset_ends_the_kept_power(void **state)
{
	char hex[2 * ATR_MAX + 1] = "";

	(void)state;
	begin_kept();
	assert_int_equal(slot_power_off(slot), CCID_OK);
	assert_int_equal(slot_power_on(slot, atr, &len), CCID_OK);
	assert_int_equal(slot_set_protocol(slot, 0), CCID_OK);
	assert_int_equal(power_ons, 1);
	assert_int_equal(transmit(), CCID_OK);
	assert_int_equal(slot_set_protocol(slot, 1), CCID_ERR_PROTO_UNSUPPORTED);
	assert_int_equal(slot_power_off(slot), CCID_OK);
	fake_usb_reset(0);
	(void)slot_power_on(slot, atr, &len);
	assert_int_equal(slot_power_on(slot, atr, &len), CCID_OK);
	assert_true(power_ons > 1);
	assert_int_equal(transmit(), CCID_OK);
	/* an entry for this card's ATR removes the quirk */
	for (size_t i = 0; i < slot->atr_len; i++)
		snprintf(hex + 2 * i, 3, "%02X", slot->atr[i]);
	snprintf(slot->reader->config.quirks, sizeof slot->reader->config.quirks,
		 "xxxx:xxxx:keep-power;atr:%s:-keep-power", hex);
	fixture_remove(0, 0);
	assert_false(present_now());
	fixture_insert(0, 0, "t0t1");
	assert_true(present_now());
	assert_int_equal(slot_power_on(slot, atr, &len), CCID_OK);
	power_offs = 0;
	assert_int_equal(slot_power_off(slot), CCID_OK);
	assert_int_equal(power_offs, 1);
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
		TEST(the_idle_power_off_is_kept_from_the_card),
		TEST(a_program_can_power_off_a_kept_card),
		TEST(another_protocol_or_a_reset_ends_the_kept_power),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
