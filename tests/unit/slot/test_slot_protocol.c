/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* src/slot/slot_protocol.c: PPS, SetParameters and IFSD as they really go out. Virtual time. */
#include "../driver/driver_fixture.h"

#include "slot/registry.h"

#include <stdio.h>
#include <string.h>

static unsigned pps, blocks, set_parameters, power_ons;

static void count(void *user, uint64_t now, const char *text)
{
	(void)user;
	(void)now;
	if (strncmp(text, "out ", 4) != 0)
		return;
	pps += strstr(text, "XfrBlock") && strstr(text, ": FF");
	blocks += strstr(text, "XfrBlock") != NULL;
	set_parameters += strstr(text, "SetParameters") != NULL;
	power_ons += strstr(text, "IccPowerOn") != NULL;
}

static void begin(const char *text)
{
	fixture_start(FAKE_VIRTUAL, text);
	fake_usb_lock();
	sim_dev_trace(fake_usb_dev(0), count, NULL);
	fake_usb_unlock();
	FIXTURE_IS_FINE(fixture_open(0, 0, 0));
	FIXTURE_IS_FINE(fixture_power(0));
	pps = blocks = set_parameters = power_ons = 0;
}

static void end(void)
{
	FIXTURE_IS_FINE(IFDHCloseChannel(0));
	fixture_stop();
}

static RESPONSECODE set(unsigned protocol)
{
	return IFDHSetProtocolParameters(0, protocol ? SCARD_PROTOCOL_T1 : SCARD_PROTOCOL_T0, 0, 0, 0, 0);
}

static void pps_and_parameters_are_sent_where_needed(void **state)
{
	static const struct {
		const char *text;
		unsigned protocol, pps, parameters;
	} rows[] = {
		{ "reader r\ncard 0 = t0\n", 0, 1, 1 },			/* 96 */
		{ "reader r\ncard 0 = t0basic\n", 0, 0, 1 },
		{ "reader r\ncard 0 = t1basic\n", 1, 0, 1 },
		{ "reader r\ncard 0 = t0t1\n", 1, 1, 1 },
		{ "reader r\ncard 0 = t0specific\n", 0, 0, 1 },
		{ "reader r\ncard 0 = t1specific\n", 1, 0, 1 },
		{ "reader r\nfeatures = 0x000100B0\ncard 0 = t0t1\n", 1, 0, 1 },	/* automatic PPS */
		{ "reader r\nfeatures = 0x00020040\ncard 0 = t1\n", 1, 0, 0 },	/* automatic parameters */
		{ "reader r\nmaxrate = 9600\ncard 0 = t0\n", 0, 0, 1 },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		begin(rows[i].text);
		/* the reader complains of bPowerSelect, which is not automatic here */
		fixture_pardon();
		FIXTURE_IS_FINE(set(rows[i].protocol));
		if (pps != rows[i].pps || set_parameters != rows[i].parameters)
			fail_msg("row %u: %u PPS, %u SetParameters", i, pps, set_parameters);
		FIXTURE_IS_FINE(fixture_echo(0, i, 20));
		/* setting the same protocol again sends nothing */
		FIXTURE_IS_FINE(set(rows[i].protocol));
		assert_int_equal(set_parameters, rows[i].parameters);
		end();
	}
}

static void missing_protocols_are_refused(void **state)
{
	(void)state;
	begin("reader r\ncard 0 = t0\n");
	assert_int_equal(set(1), IFD_PROTOCOL_NOT_SUPPORTED);
	FIXTURE_IS_FINE(set(0));
	assert_int_equal(set(1), IFD_PROTOCOL_NOT_SUPPORTED);
	FIXTURE_IS_FINE(fixture_echo(0, 1, 5));
	end();
	begin("reader r\nprotocols = 2\ncard 0 = t0t1\n");
	assert_int_equal(set(0), IFD_PROTOCOL_NOT_SUPPORTED);
	FIXTURE_IS_FINE(set(1));
	end();
	/* one protocol is set: the other one needs a reset of the card */
	begin("reader r\ncard 0 = t0t1\n");
	FIXTURE_IS_FINE(set(0));
	assert_int_equal(set(1), IFD_PROTOCOL_NOT_SUPPORTED);
	FIXTURE_IS_FINE(fixture_power(0));
	FIXTURE_IS_FINE(set(1));
	FIXTURE_IS_FINE(fixture_echo(0, 1, 5));
	end();
}

/* Row 18 */
static void row_18_answers_to_pps(void **state)
{
	static const struct {
		const char *fault;
		RESPONSECODE want;
	} rows[] = {
		{ "pps-empty", IFD_ERROR_PTS_FAILURE }, { "pps-short", IFD_ERROR_PTS_FAILURE },
		{ "pps-bad-pck", IFD_ERROR_PTS_FAILURE }, { "pps-other-protocol", IFD_ERROR_PTS_FAILURE },
		{ "pps-changed", IFD_ERROR_PTS_FAILURE }, { "pps-bad-ppss", IFD_ERROR_PTS_FAILURE },
		{ "pps-silent", IFD_SUCCESS }, { "pps-no-pps1", IFD_SUCCESS },
	};

	(void)state;
	for (unsigned protocol = 0; protocol < 2; protocol++) {
		for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
			RESPONSECODE rc;

			begin("reader r\ncard 0 = t0t1\n");
			fixture_fault(0, "%s", rows[i].fault);
			rc = set(protocol);
			if (rc != rows[i].want)
				fail_msg("%s: %ld", rows[i].fault, (long)rc);
			fixture_pardon();
			if (rc == IFD_SUCCESS)
				FIXTURE_IS_FINE(fixture_echo(0, i, 20));
			FIXTURE_IS_FINE(fixture_power(0));
			FIXTURE_IS_FINE(set(protocol));
			FIXTURE_IS_FINE(fixture_echo(0, i, 20));
			end();
		}
	}
}

/* A reader that refuses one parameter has set the others: success. A reader that refuses
 * SetParameters as a whole: not supported. */
static void refused_parameters(void **state)
{
	static const struct {
		const char *fault;
		RESPONSECODE want;
	} rows[] = {
		{ "error value=10 msg=61", IFD_SUCCESS }, { "error value=0 msg=61", IFD_NOT_SUPPORTED },
		{ "error-status value=0 msg=61", IFD_NOT_SUPPORTED },
		{ "error value=0xFB msg=61", IFD_COMMUNICATION_ERROR }, { "silent msg=61", IFD_RESPONSE_TIMEOUT },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		begin(FIXTURE_ONE);
		fixture_fault(0, "%s", rows[i].fault);
		assert_int_equal(set(1), rows[i].want);
		fixture_pardon();
		FIXTURE_IS_FINE(fixture_power(0));
		FIXTURE_IS_FINE(set(1));
		FIXTURE_IS_FINE(fixture_echo(0, i, 20));
		end();
	}
}

/* With the quirk params-may-fail, SetParameters may fail: after two resets the card is used with
 * the reader's own parameters. */
static void params_may_fail(void **state)
{
	(void)state;
	begin("reader r\nproduct = 0aa5\ncard 0 = t0basic\n");
	fixture_fault(0, "error value=0xFB msg=61");
	FIXTURE_IS_FINE(set(0));
	assert_int_equal(power_ons, 2);
	FIXTURE_IS_FINE(fixture_echo(0, 7, 20));
	assert_int_equal(fixture_log_count("the card is reset and used without"), 1);
	end();
	/* the quirk does not apply when the reader is gone */
	begin("reader r\nproduct = 0aa5\ncard 0 = t0basic\n");
	fixture_fault(0, "unplug msg=61");
	assert_int_equal(set(0), IFD_NO_SUCH_DEVICE);
	end();
}

/* A card that refuses S(IFS request) keeps the default and works. */
static void a_card_without_ifs(void **state)
{
	(void)state;
	begin(FIXTURE_ONE);
	fixture_fault(0, "t1-bad-edc count=0");
	FIXTURE_IS_FINE(set(1));
	assert_int_equal(fixture_log_count("IFSD stays 32"), 1);
	fixture_fault(0, "clear");
	fixture_pardon();
	FIXTURE_IS_FINE(fixture_power(0));
	FIXTURE_IS_FINE(set(1));
	FIXTURE_IS_FINE(fixture_echo(0, 1, 200));
	end();
}

/* Without a protocol that was set, the first command uses the ATR's first protocol. */
static void the_first_command_sets_the_first_protocol(void **state)
{
	(void)state;
	begin("reader r\ncard 0 = t0t1\n");
	FIXTURE_IS_FINE(fixture_echo(0, 1, 20));
	assert_int_equal(set(1), IFD_PROTOCOL_NOT_SUPPORTED);
	end();
	begin(FIXTURE_ONE);
	FIXTURE_IS_FINE(fixture_echo(0, 1, 20));
	FIXTURE_IS_FINE(set(1));
	end();
}

/* A protocol that cannot be set is refused before anything is sent. APDUs are still sent, in a
 * protocol that card and reader both have, or else in the card's own. Automatic readers of the
 * table serve cards of a protocol that their dwProtocols does not have; a reader that waits for
 * SetParameters need not. */
static void an_apdu_after_a_refusal(void **state)
{
	static const struct {
		const char *text;
		unsigned asked, pps, parameters;
		bool answered;
	} rows[] = {
		{ "reader r\nfeatures = 0x00020040\nprotocols = 2\ncard 0 = t0\n", 0, 0, 0, true },
		{ "reader r\nfeatures = 0x00020040\nprotocols = 1\ncard 0 = t1\n", 1, 0, 0, true },
		{ "reader r\nfeatures = 0x00040040\nprotocols = 2\ncard 0 = t0specific\n", 0, 0, 0, true },
		{ "reader r\nfeatures = 0x000404BA\nprotocols = 1\ncard 0 = t1\n", 1, 0, 0, false },
		{ "reader r\nfeatures = 0x00010622\nprotocols = 2\ncard 0 = t0basic\n", 0, 0, 0, true },
		{ "reader r\nfeatures = 0x0001007A\nprotocols = 1\ncard 0 = t1basic\n", 1, 0, 0, true },
		{ "reader r\nprotocols = 2\ncard 0 = t0t1\n", 0, 1, 1, true },	/* the other one */
	};

	(void)state;
	for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		begin(rows[i].text);
		fixture_pardon();
		assert_int_equal(set(rows[i].asked), IFD_PROTOCOL_NOT_SUPPORTED);
		for (unsigned j = 0; j < 3; j++)
			assert_true((fixture_echo(0, i, 20) == IFD_SUCCESS) == rows[i].answered);
		assert_true(blocks >= 3);
		if (pps != rows[i].pps || set_parameters != rows[i].parameters)
			fail_msg("row %u: %u PPS, %u SetParameters", i, pps, set_parameters);
		fixture_pardon();
		end();
	}
}

static void no_protocol_is_set_without_power(void **state)
{
	(void)state;
	begin(FIXTURE_ONE);
	FIXTURE_IS_FINE(IFDHPowerICC(0, IFD_POWER_DOWN, (UCHAR[MAX_ATR_SIZE]){ 0 }, &(DWORD){ 0 }));
	assert_int_equal(set(1), IFD_COMMUNICATION_ERROR);
	fixture_remove(0, 0);
	assert_int_equal(IFDHICCPresence(0), IFD_ICC_NOT_PRESENT);
	assert_int_equal(set(1), IFD_ICC_NOT_PRESENT);
	assert_int_equal(IFDHSetProtocolParameters(0, SCARD_PROTOCOL_RAW, 0, 0, 0, 0), IFD_PROTOCOL_NOT_SUPPORTED);
	end();
}

#define TEST(f) cmocka_unit_test_teardown(f, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(pps_and_parameters_are_sent_where_needed),
		TEST(missing_protocols_are_refused),
		TEST(row_18_answers_to_pps),
		TEST(refused_parameters),
		TEST(params_may_fail),
		TEST(a_card_without_ifs),
		TEST(the_first_command_sets_the_first_protocol),
		TEST(an_apdu_after_a_refusal),
		TEST(no_protocol_is_set_without_power),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
