/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* src/slot/slot_quirks.c: what is sent to the reader, byte for byte. */
#include "../slot/layer_doubles.h"

#include "quirks/display_strings.h"
#include "slot/slot_quirks.h"

#include <stdlib.h>

static void levels(void **state)
{
	struct fixture g;

	(void)state;
	fixture_init(&g);
	g.reader.quirks.bits = BIT(EXTENDED_LEVEL);
	g.reader.desc.dwFeatures = CCID_FEATURE_SHORT_APDU | CCID_FEATURE_AUTO_PPS;
	quirk_fix_desc(&g.reader);
	assert_int_equal(g.reader.level, LEVEL_EXTENDED_APDU);
	assert_int_equal(g.reader.desc.dwFeatures, CCID_FEATURE_EXTENDED_APDU | CCID_FEATURE_AUTO_PPS);
	g.reader.quirks.bits = BIT(SHORT_LEVEL);
	quirk_fix_desc(&g.reader);
	assert_int_equal(g.reader.level, LEVEL_SHORT_APDU);
	assert_int_equal(g.reader.desc.dwFeatures, CCID_FEATURE_SHORT_APDU | CCID_FEATURE_AUTO_PPS);
	/* other levels are not touched */
	g.reader.level = LEVEL_TPDU;
	g.reader.quirks.bits = BIT(SHORT_LEVEL) | BIT(EXTENDED_LEVEL);
	quirk_fix_desc(&g.reader);
	assert_int_equal(g.reader.level, LEVEL_TPDU);
}

static void descriptor_values(void **state)
{
	struct fixture g;

	(void)state;
	fixture_init(&g);
	g.reader.desc.dwMaxIFSD = 512;
	g.reader.desc.dwMaxDataRate = 344100;
	g.reader.desc.dwMaxCCIDMessageLength = 263;
	g.reader.quirks.bits = BIT(NO_PINPAD) | BIT(MAX_IFSD_254) | BIT(MAX_RATE_9600) | BIT(MAX_LENGTH_270);
	quirk_fix_desc(&g.reader);
	assert_int_equal(g.reader.desc.bPINSupport, 0);
	assert_int_equal(g.reader.desc.dwMaxIFSD, 254);
	assert_int_equal(g.reader.desc.dwMaxDataRate, 9600);
	assert_int_equal(g.reader.desc.dwMaxCCIDMessageLength, 270);
	g.reader.desc.dwMaxCCIDMessageLength = 271;
	quirk_fix_desc(&g.reader);
	assert_int_equal(g.reader.desc.dwMaxCCIDMessageLength, 271);
}

static void fast_rates_are_dropped(void **state)
{
	struct fixture g;
	size_t n;

	(void)state;
	fixture_init(&g);
	g.reader.data_rates = g.rates;
	g.reader.n_data_rates = 4;
	g.rates[0] = 500000;
	g.rates[1] = 200000;
	g.rates[2] = 200001;
	g.rates[3] = 9600;
	g.reader.desc.dwMaxDataRate = 500000;
	g.reader.quirks.bits = BIT(RATES_TO_200000);
	quirk_fix_desc(&g.reader);
	assert_int_equal(g.reader.n_data_rates, 2);
	assert_int_equal(g.rates[0], 200000);
	assert_int_equal(g.rates[1], 9600);
	assert_int_equal(g.reader.desc.dwMaxDataRate, 200000);
	assert_ptr_equal(quirk_rates(&g.reader, 0, &n), g.rates);
	assert_int_equal(n, 2);
	g.reader.n_data_rates = 0;
	assert_null(quirk_rates(&g.reader, 0, &n));
	assert_int_equal(n, 0);
}

static void sim_slots(void **state)
{
	static const uint32_t want[] = { 10753, 21505, 43011, 125000 };
	struct fixture g;
	size_t n;

	(void)state;
	fixture_init(&g);
	g.reader.quirks.bits = BIT(SIM_SLOT_RATES);
	assert_null(quirk_rates(&g.reader, 0, &n));
	assert_memory_equal(quirk_rates(&g.reader, 1, &n), want, sizeof want);
	assert_int_equal(n, 4);
}

static void gemalto_apdu_mode(void **state)
{
	struct fixture g;

	(void)state;
	fixture_init(&g);
	g.reader.quirks.bits = BIT(GEMALTO_APDU_MODE);
	g.reader.level = LEVEL_TPDU;
	quirk_ready(&g.reader, &g.slot);
	assert_string_equal(traffic, "");	/* only with the option */
	g.reader.config.driver_options = OPTION_GEMALTO_APDU_MODE;
	answers.escape_err = CCID_ERR_COMM;
	quirk_ready(&g.reader, &g.slot);
	assert_string_equal(traffic, "escape 1F 02\n");
	assert_int_equal(g.reader.level, LEVEL_TPDU);
	answers.escape_err = CCID_OK;
	quirk_ready(&g.reader, &g.slot);
	assert_int_equal(g.reader.level, LEVEL_SHORT_APDU);
	assert_int_equal(g.reader.desc.dwFeatures & CCID_FEATURE_LEVEL_MASK, CCID_FEATURE_SHORT_APDU);
}

static void gemalto_features(void **state)
{
	struct fixture g;

	(void)state;
	fixture_init(&g);
	g.reader.quirks.bits = BIT(GEMALTO_FEATURES);
	for (size_t i = 0; i < sizeof answers.escape; i++)
		answers.escape[i] = (uint8_t)(i + 1);
	answers.escape_len = 20;
	quirk_ready(&g.reader, &g.slot);
	answers.escape_len = 1;
	quirk_ready(&g.reader, &g.slot);
	answers.escape_len = 0;
	quirk_ready(&g.reader, &g.slot);
	assert_string_equal(traffic, "escape 6A\nescape 6A\nescape 6A\n");
	assert_false(g.reader.has_gemalto_features);
	/* readers of the field answer 21 bytes; a later firmware may answer more */
	for (size_t n = 21; n <= 30; n++) {
		g.reader.has_gemalto_features = false;
		answers.escape_len = n;
		quirk_ready(&g.reader, &g.slot);
		assert_true(g.reader.has_gemalto_features);
		assert_memory_equal(g.reader.gemalto_features, answers.escape, 21);
	}
}

static void display_strings(void **state)
{
	struct fixture g;
	const char *p;

	(void)state;
	fixture_init(&g);
	memcpy(g.reader.config.language, "de_DE.U", 8);
	g.reader.quirks.bits = BIT(DISPLAY_STRINGS);
	quirk_ready(&g.reader, &g.slot);
	p = "sleep 1000\nescape B2 A0 00 4D 4C 50 49 4E 20 65";	/* "PIN e" */
	assert_memory_equal(traffic, p, strlen(p));
	/* one command of 165 bytes, and nothing after it */
	assert_int_equal(strlen(traffic), strlen("sleep 1000\nescape") + 3 * 165 + 1);
	g.reader.config.driver_options = OPTION_NO_PIN_RETRY;
	quirk_ready(&g.reader, &g.slot);
	assert_non_null(strstr(traffic, "\nescape B5 00\n"));
}

static void power_failed(void **state)
{
	struct fixture g;

	(void)state;
	fixture_init(&g);
	g.slot.ccid.bError = 0xBB;
	assert_int_not_equal(quirk_power_failed(&g.slot), CCID_OK);
	g.reader.quirks.bits = BIT(ISO_MODE_ON_BB);
	g.slot.ccid.bError = 0xFE;
	assert_int_not_equal(quirk_power_failed(&g.slot), CCID_OK);
	assert_string_equal(traffic, "");
	g.slot.ccid.bError = 0xBB;
	assert_int_equal(quirk_power_failed(&g.slot), CCID_OK);
	assert_string_equal(traffic, "escape 1F 01\n");
	answers.escape_err = CCID_ERR_TIMEOUT;
	assert_int_not_equal(quirk_power_failed(&g.slot), CCID_OK);
}

static void kobils_command_is_answered_by_the_driver(void **state)
{
	static const struct {
		uint8_t what;
		const char *text;
	} t[] = { { 0x01, "KOBIL systems" }, { 0x03, "IDToken" }, { 0x06, "1.05" } };
	uint8_t apdu[] = { 0xFF, 0x9A, 0x01, 0x01, 0x00, 0x00 }, out[40];
	struct fixture g;
	size_t len;

	(void)state;
	fixture_init(&g);
	g.reader.desc.bcdDevice = 0x0105;
	assert_false(quirk_answers_apdu(&g.slot, apdu, 5, out, sizeof out, &len));
	g.reader.quirks.bits = BIT(KOBIL_IDTOKEN);
	for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
		size_t n = strlen(t[i].text);

		apdu[3] = t[i].what;
		assert_true(quirk_answers_apdu(&g.slot, apdu, 5, out, sizeof out, &len));
		assert_int_equal(len, n + 2);
		assert_memory_equal(out, t[i].text, n);
		assert_memory_equal(out + n, "\x90\x00", 2);
	}
	apdu[3] = 0x07;
	assert_true(quirk_answers_apdu(&g.slot, apdu, 5, out, sizeof out, &len));
	assert_true(len > 2);
	/* the answer is cut to the buffer, and its whole length is returned */
	apdu[3] = 0x01;
	memset(out, 0xEE, sizeof out);
	assert_true(quirk_answers_apdu(&g.slot, apdu, 5, out, 3, &len));
	assert_int_equal(len, 15);
	assert_memory_equal(out, "KOB\xEE", 4);
	assert_true(quirk_answers_apdu(&g.slot, apdu, 5, NULL, 0, &len));
	/* commands that differ from it in one byte */
	assert_false(quirk_answers_apdu(&g.slot, apdu, 4, out, sizeof out, &len));
	assert_false(quirk_answers_apdu(&g.slot, apdu, 6, out, sizeof out, &len));
	apdu[3] = 0x02;
	assert_false(quirk_answers_apdu(&g.slot, apdu, 5, out, sizeof out, &len));
	apdu[3] = 0x01;
	apdu[4] = 0x01;
	assert_false(quirk_answers_apdu(&g.slot, apdu, 5, out, sizeof out, &len));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(levels), cmocka_unit_test(descriptor_values),
		cmocka_unit_test(fast_rates_are_dropped), cmocka_unit_test(sim_slots),
		cmocka_unit_test(gemalto_apdu_mode), cmocka_unit_test(gemalto_features),
		cmocka_unit_test(display_strings), cmocka_unit_test(power_failed),
		cmocka_unit_test(kobils_command_is_answered_by_the_driver),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
