/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* src/core/ifdccid.c: a port on simulated readers, in virtual time. */
#include "ports/sim_pipes.h"

#include "slot/slot_state.h"
#include "unit/unit_cmocka.h"

#define CARD "card 0 = t0t1 hist=41\n"

static struct sim_pipes dev;
static struct ifdccid *reader;

static enum ccid_err open_by(const char *config, const struct ifdccid_options *o)
{
	struct pipes hooks;
	struct transport *t;
	const char *why = sim_pipes_open(&dev, config, &hooks);
	enum ccid_err err;

	if (why)
		fail_msg("%s", why);
	err = pipes_open(&hooks, &dev.desc, &t);
	return err == CCID_OK ? ifdccid_open(t, o, &reader) : err;
}

/* The core has freed everything, and the reader has no complaint. */
static void end_all(void)
{
	ifdccid_close(reader);
	reader = NULL;
	assert_int_equal(dev.ended, 1);
	assert_int_equal(sim_blocks, 0);
	if (sim_dev_complaints(dev.dev))
		fail_msg("%s", sim_dev_complaint(dev.dev, 0));
	sim_pipes_close(&dev);
}

static void begin_by(const char *config)
{
	assert_int_equal(open_by(config, NULL), CCID_OK);
}

/* An APDU that the simulated card echoes. */
static void echo(unsigned slot)
{
	static const uint8_t apdu[] = { 0x80, 0x12, 0, 0, 4, 1, 2, 3, 4 };
	uint8_t answer[300];
	size_t len;

	assert_int_equal(ifdccid_transmit(reader, slot, apdu, sizeof apdu, answer, sizeof answer, &len), CCID_OK);
	assert_true(len >= 2);
}

static void a_card_from_beginning_to_end(void **state)
{
	static const char *const readers[] = { "GemPCTwin", "ACS_ACR38_plugin",
		"HID_Global_OMNIKEY_3x21_Smart_Card_Reader" };

	(void)state;
	for (size_t i = 0; i < sizeof readers / sizeof readers[0]; i++) {
		char config[200];
		uint8_t atr[IFDCCID_ATR_MAX];
		size_t len;
		bool present;

		snprintf(config, sizeof config, "reader r\nfrom = %s\n" CARD, readers[i]);
		begin_by(config);
		assert_int_equal(ifdccid_slots(reader), 1);
		assert_int_equal(ifdccid_desc(reader)->idVendor, sim_dev_vendor(dev.dev));
		assert_int_equal(ifdccid_presence(reader, 0, &present), CCID_OK);
		assert_true(present);
		for (unsigned protocol = 0; protocol < 2; protocol++) {
			assert_int_equal(ifdccid_power_on(reader, 0, atr, &len), CCID_OK);
			assert_true(len > 2 && (atr[0] == 0x3B || atr[0] == 0x3F));
			assert_int_equal(ifdccid_protocol(reader, 0, protocol), CCID_OK);
			echo(0);
		}
		assert_int_equal(ifdccid_power_off(reader, 0), CCID_OK);
		end_all();
	}
}

static void cards_come_and_go(void **state)
{
	char err[200];
	bool present;

	(void)state;
	begin_by("reader r\nfrom = GemPCTwin\n");
	assert_int_equal(ifdccid_wait_change(reader, 1, 10), CCID_ERR_ARG);
	while (ifdccid_wait_change(reader, 0, 10) == CCID_OK)
		;
	assert_int_equal(ifdccid_wait_change(reader, 0, 500), CCID_ERR_TIMEOUT);
	assert_true(sim_dev_insert(dev.dev, 0, 0, "t0", sim_now, err, sizeof err));
	assert_int_equal(ifdccid_wait_change(reader, 0, 500), CCID_OK);
	assert_int_equal(ifdccid_presence(reader, 0, &present), CCID_OK);
	assert_true(present);
	assert_true(sim_dev_remove(dev.dev, 0, 0, sim_now));
	assert_int_equal(ifdccid_wait_change(reader, 0, 500), CCID_OK);
	assert_int_equal(ifdccid_presence(reader, 0, &present), CCID_OK);
	assert_false(present);
	ifdccid_stop_change(reader, 0);
	assert_int_equal(ifdccid_wait_change(reader, 0, 100000), CCID_ERR_TIMEOUT);
	end_all();
}

static void a_slot_that_does_not_exist_is_an_error(void **state)
{
	uint8_t b[8] = { 0 };
	size_t len = 1;
	bool present = true;

	(void)state;
	begin_by("reader r\nfrom = GemPCTwin\n" CARD);
	assert_int_equal(ifdccid_presence(reader, 1, &present), CCID_ERR_ARG);
	assert_false(present);
	assert_int_equal(ifdccid_power_on(reader, 1, b, &len), CCID_ERR_ARG);
	assert_int_equal(len, 0);
	assert_int_equal(ifdccid_power_off(reader, 1), CCID_ERR_ARG);
	assert_int_equal(ifdccid_protocol(reader, 1, 0), CCID_ERR_ARG);
	assert_int_equal(ifdccid_transmit(reader, 1, b, 5, b, sizeof b, &len), CCID_ERR_ARG);
	assert_int_equal(ifdccid_features(reader, 1, b, sizeof b, &len), CCID_ERR_ARG);
	assert_int_equal(ifdccid_properties(reader, 1, b, sizeof b, &len), CCID_ERR_ARG);
	ifdccid_stop_change(reader, 1);
	end_all();
}

static void features_and_commands_are_answered(void **state)
{
	static const uint8_t escape[] = { 0x02 };
	uint8_t b[300];
	size_t len;

	(void)state;
	begin_by("reader r\nfrom = GemPCPinpad\n" CARD);
	assert_int_equal(ifdccid_features(reader, 0, b, sizeof b, &len), CCID_OK);
	assert_true(len >= 6 && len % 6 == 0);
	assert_int_equal(b[1], 4);
	assert_int_equal(ifdccid_properties(reader, 0, b, sizeof b, &len), CCID_OK);
	assert_true(len > 10);
	assert_int_equal(ifdccid_escape(reader, 0, escape, sizeof escape, b, sizeof b, &len), CCID_OK);
	assert_int_equal(ifdccid_pin_verify(reader, 0, b, 3, b, sizeof b, &len), CCID_ERR_NOT_SUPPORTED);
	assert_int_equal(ifdccid_pin_modify(reader, 0, b, 3, b, sizeof b, &len), CCID_ERR_NOT_SUPPORTED);
	end_all();
}

static void an_unplugged_reader_is_an_error(void **state)
{
	uint8_t atr[IFDCCID_ATR_MAX];
	size_t len;
	bool present;

	(void)state;
	begin_by("reader r\nfrom = GemPCTwin\n" CARD);
	assert_int_equal(ifdccid_power_on(reader, 0, atr, &len), CCID_OK);
	sim_dev_unplug(dev.dev, sim_now);
	assert_int_equal(ifdccid_presence(reader, 0, &present), CCID_ERR_NO_DEVICE);
	ifdccid_gone(reader);
	assert_int_equal(ifdccid_power_on(reader, 0, atr, &len), CCID_ERR_NO_DEVICE);
	assert_int_equal(ifdccid_wait_change(reader, 0, 10), CCID_ERR_NO_DEVICE);
	end_all();
}

static void options_are_used(void **state)
{
	const struct ifdccid_options o = {
		.name = "mine", .quirks = "xxxx:xxxx:no-pinpad", .language = "a long language", .driver_options = 1,
	};

	(void)state;
	ifdccid_log(LOG_DEFAULT_MASK | LOG_COMM, true);
	assert_int_equal(open_by("reader r\nfrom = GemPCPinpad\n" CARD, &o), CCID_OK);
	ifdccid_log(LOG_DEFAULT_MASK, false);
	assert_non_null(strstr(sim_log, "mine (lun 0): ifd-ccid"));
	assert_non_null(strstr(sim_log, "private: mine (lun 0): -> 65"));
	assert_int_equal(ifdccid_desc(reader)->bPINSupport, 0);
	end_all();
}

static void two_slots_work_independently(void **state)
{
	uint8_t atr[IFDCCID_ATR_MAX];
	size_t len;

	(void)state;
	begin_by("reader r\nfrom = GemPCTwin\nslots = 2\n" CARD "card 1 = t1 hist=42\n");
	assert_int_equal(ifdccid_slots(reader), 2);
	for (unsigned slot = 0; slot < 2; slot++)
		assert_int_equal(ifdccid_power_on(reader, slot, atr, &len), CCID_OK);
	for (unsigned slot = 0; slot < 2; slot++)
		echo(slot);
	end_all();
}

static void each_failed_allocation_is_an_error(void **state)
{
	(void)state;
	for (unsigned at = 1;; at++) {
		enum ccid_err err;

		reader = NULL;
		sim_fail_at = at;
		err = open_by("reader r\nfrom = GemPCTwin\n" CARD, NULL);
		if (sim_fail_at > 0) {
			assert_int_equal(err, CCID_OK);
			sim_fail_at = 0;
			end_all();
			assert_true(at > 5);
			return;
		}
		/* opening succeeds without the table of data rates */
		if (err == CCID_OK) {
			end_all();
			continue;
		}
		assert_int_equal(err, CCID_ERR_NOMEM);
		assert_null(reader);
		assert_int_equal(sim_blocks, 0);
		sim_pipes_close(&dev);
	}
}

static void a_reader_that_does_not_answer_is_not_opened(void **state)
{
	(void)state;
	assert_int_not_equal(open_by("reader r\nfrom = GemPCTwin\nfault = silent count=0\n" CARD, NULL), CCID_OK);
	assert_null(reader);
	assert_int_equal(dev.ended, 1);
	assert_int_equal(sim_blocks, 0);
	sim_pipes_close(&dev);
	ifdccid_close(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_card_from_beginning_to_end), cmocka_unit_test(cards_come_and_go),
		cmocka_unit_test(a_slot_that_does_not_exist_is_an_error),
		cmocka_unit_test(features_and_commands_are_answered),
		cmocka_unit_test(an_unplugged_reader_is_an_error),
		cmocka_unit_test(options_are_used), cmocka_unit_test(two_slots_work_independently),
		cmocka_unit_test(each_failed_allocation_is_an_error),
		cmocka_unit_test(a_reader_that_does_not_answer_is_not_opened),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
