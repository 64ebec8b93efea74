/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* src/slot/features.c: the queries of PC/SC part 10 that applications may make. */
#include "layer_doubles.h"

#include "slot/features.h"

static struct fixture g;
static uint8_t out[300];
static size_t len;

static int setup(void **state)
{
	(void)state;
	fixture_init(&g);
	g.reader.desc.idVendor = 0x1234;
	g.reader.desc.idProduct = 0x5678;
	memset(out, 0xEE, sizeof out);
	return 0;
}

#define IS(text) do { assert_int_equal(len, sizeof(text) - 1); assert_memory_equal(out, text, len); } while (0)

static void list_of_a_plain_reader(void **state)
{
	(void)state;
	g.reader.desc.bPINSupport = 0;
	assert_int_equal(features_list(&g.slot, out, sizeof out, &len), CCID_OK);
	IS("\x12\x04\x42\x33\x00\x12");
}

static void list_of_a_pinpad(void **state)
{
	(void)state;
	assert_int_equal(features_list(&g.slot, out, sizeof out, &len), CCID_OK);
	IS("\x06\x04\x42\x33\x00\x06" "\x07\x04\x42\x33\x00\x07" "\x0A\x04\x42\x33\x00\x0A"
	   "\x12\x04\x42\x33\x00\x12");
	g.reader.desc.bPINSupport = CCID_PIN_MODIFY;
	features_list(&g.slot, out, sizeof out, &len);
	IS("\x07\x04\x42\x33\x00\x07" "\x0A\x04\x42\x33\x00\x0A" "\x12\x04\x42\x33\x00\x12");
}

static void list_with_options(void **state)
{
	(void)state;
	g.reader.desc.bPINSupport = 0;
	g.reader.config.driver_options = OPTION_ESCAPE_AUTHORISED;
	features_list(&g.slot, out, sizeof out, &len);
	IS("\x12\x04\x42\x33\x00\x12" "\x13\x04\x42\x33\x00\x13");
	g.reader.config.driver_options = ~OPTION_ESCAPE_AUTHORISED;
	g.reader.quirks.bits = BIT(ESCAPE_ALWAYS) | BIT(MCT_READER_DIRECT);
	features_list(&g.slot, out, sizeof out, &len);
	IS("\x08\x04\x42\x33\x00\x08" "\x12\x04\x42\x33\x00\x12" "\x13\x04\x42\x33\x00\x13");
}

static void the_list_never_exceeds_the_buffer(void **state)
{
	(void)state;
	for (size_t cap = 0; cap < 24; cap++) {
		assert_int_equal(features_list(&g.slot, out, cap, &len), CCID_ERR_SHORT_BUFFER);
		assert_int_equal(len, 0);
		assert_int_equal(out[cap], 0xEE);
	}
	assert_int_equal(features_list(&g.slot, NULL, 0, &len), CCID_ERR_SHORT_BUFFER);
	assert_int_equal(features_list(&g.slot, out, 24, &len), CCID_OK);
}

static void pin_properties(void **state)
{
	uint16_t layout;

	(void)state;
	g.reader.desc.wLcdLayout = 0x0210;
	assert_int_equal(features_pin_properties(&g.slot, out, sizeof out, &len), CCID_OK);
	assert_int_equal(len, 4);
	memcpy(&layout, out, 2);
	assert_int_equal(layout, 0x0210);
	assert_memory_equal(out + 2, "\x07\x00", 2);
	g.reader.quirks.entry_condition = 2;
	features_pin_properties(&g.slot, out, sizeof out, &len);
	assert_int_equal(out[2], 2);
	g.reader.has_gemalto_features = true;
	g.reader.gemalto_features[3] = 3;
	features_pin_properties(&g.slot, out, sizeof out, &len);
	assert_int_equal(out[2], 2);	/* the quirk table overrides the descriptor */
	g.reader.quirks.entry_condition = 0;
	features_pin_properties(&g.slot, out, sizeof out, &len);
	assert_int_equal(out[2], 3);
	assert_int_equal(features_pin_properties(&g.slot, out, 3, &len), CCID_ERR_SHORT_BUFFER);
	assert_int_equal(len, 0);
	g.reader.desc.bPINSupport = 0;
	assert_int_equal(features_pin_properties(&g.slot, out, sizeof out, &len), CCID_ERR_NOT_SUPPORTED);
}

static void tlv_of_a_plain_reader(void **state)
{
	(void)state;
	assert_int_equal(features_tlv_properties(&g.slot, out, sizeof out, &len), CCID_OK);
	IS("\x01\x02\x00\x00" "\x03\x01\x00" "\x09\x01\x00" "\x0B\x02\x34\x12" "\x0C\x02\x78\x56"
	   "\x0A\x04\x00\x00\x00\x00");
	assert_string_equal(traffic, "");
}

static void tlv_levels(void **state)
{
	static const struct {
		enum exchange_level level;
		uint8_t third;		/* of dwMaxAPDUDataSize */
	} t[] = { { LEVEL_CHARACTER, 0 }, { LEVEL_TPDU, 1 }, { LEVEL_SHORT_APDU, 0 }, { LEVEL_EXTENDED_APDU, 1 } };

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		g.reader.level = t[i].level;
		features_tlv_properties(&g.slot, out, sizeof out, &len);
		assert_memory_equal(out + len - 4, ((uint8_t[]){ 0, 0, t[i].third, 0 }), 4);
	}
}

static void tlv_of_everything(void **state)
{
	(void)state;
	g.reader.desc.wLcdLayout = 0x0210;
	g.reader.quirks.bits = BIT(ESCAPE_FIRMWARE_VERSION);
	g.reader.quirks.max_pin = 25;
	g.reader.quirks.entry_condition = 2;
	g.reader.config.driver_options = OPTION_ESCAPE_AUTHORISED;
	memcpy(answers.escape, "GemTwRC8-V1.03", 14);
	answers.escape_len = 14;
	assert_int_equal(features_tlv_properties(&g.slot, out, sizeof out, &len), CCID_OK);
	IS("\x01\x02\x10\x02" "\x04\x02\x10\x00" "\x05\x02\x02\x00" "\x03\x01\x00"
	   "\x08\x0EGemTwRC8-V1.03" "\x06\x01\x00" "\x07\x01\x19" "\x02\x01\x02" "\x09\x01\x01"
	   "\x0B\x02\x34\x12" "\x0C\x02\x78\x56" "\x0A\x04\x00\x00\x00\x00");
	assert_string_equal(traffic, "escape 02\n");
	for (size_t cap = 0; cap < 57; cap++) {
		memset(out, 0xEE, sizeof out);
		assert_int_equal(features_tlv_properties(&g.slot, out, cap, &len), CCID_ERR_SHORT_BUFFER);
		assert_int_equal(len, 0);
		assert_int_equal(out[cap], 0xEE);
	}
	fixture_check_unlocked(&g);
}

static void tlv_of_a_gemalto(void **state)
{
	(void)state;
	g.reader.has_gemalto_features = true;
	g.reader.gemalto_features[3] = 0x03;
	g.reader.gemalto_features[13] = 5;
	g.reader.gemalto_features[14] = 9;
	g.reader.quirks.bits = BIT(ESCAPE_FIRMWARE_VERSION);
	answers.escape_err = CCID_ERR_TIMEOUT;	/* no sFirmwareID then, and no error */
	assert_int_equal(features_tlv_properties(&g.slot, out, sizeof out, &len), CCID_OK);
	IS("\x01\x02\x00\x00" "\x03\x01\x00" "\x06\x01\x05" "\x07\x01\x09" "\x02\x01\x03" "\x09\x01\x00"
	   "\x0B\x02\x34\x12" "\x0C\x02\x78\x56" "\x0A\x04\x00\x00\x00\x00");
	g.reader.quirks.min_pin = 4;
	g.reader.quirks.max_pin = 8;
	features_tlv_properties(&g.slot, out, sizeof out, &len);
	assert_memory_equal(out + 7, "\x06\x01\x04\x07\x01\x08", 6);
}

static void escape_is_allowed_by_option_or_quirk(void **state)
{
	static const uint8_t firmware[] = { 0x02, 0x00 };
	static const uint8_t switch_if[] = { 0x52, 0xF8, 0x04, 0x01, 0x00, 0x99, 0x00 };

	(void)state;
	assert_false(features_escape_allowed(&g.slot, firmware, 1));
	assert_false(features_escape_allowed(&g.slot, switch_if, 6));
	assert_false(features_escape_allowed(&g.slot, NULL, 0));
	g.reader.quirks.bits = BIT(ESCAPE_FIRMWARE_VERSION);
	assert_true(features_escape_allowed(&g.slot, firmware, 1));
	assert_false(features_escape_allowed(&g.slot, firmware, 2));
	assert_false(features_escape_allowed(&g.slot, firmware + 1, 1));
	assert_false(features_escape_allowed(&g.slot, NULL, 0));
	assert_false(features_escape_allowed(&g.slot, switch_if, 6));
	g.reader.quirks.bits = BIT(ESCAPE_SWITCH_INTERFACE);
	assert_true(features_escape_allowed(&g.slot, switch_if, 6));
	assert_false(features_escape_allowed(&g.slot, switch_if, 5));
	assert_false(features_escape_allowed(&g.slot, switch_if, 7));
	assert_false(features_escape_allowed(&g.slot, switch_if + 1, 6));
	assert_false(features_escape_allowed(&g.slot, firmware, 1));
	g.reader.quirks.bits = BIT(ESCAPE_ALWAYS);
	assert_true(features_escape_allowed(&g.slot, firmware, 2));
	g.reader.quirks.bits = 0;
	g.reader.config.driver_options = OPTION_ESCAPE_AUTHORISED;
	assert_true(features_escape_allowed(&g.slot, NULL, 0));
	g.reader.config.driver_options = ~OPTION_ESCAPE_AUTHORISED;
	assert_false(features_escape_allowed(&g.slot, firmware, 1));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup(f, setup)
	const struct CMUnitTest tests[] = {
		T(list_of_a_plain_reader), T(list_of_a_pinpad), T(list_with_options),
		T(the_list_never_exceeds_the_buffer), T(pin_properties), T(tlv_of_a_plain_reader),
		T(tlv_levels),
		T(tlv_of_everything), T(tlv_of_a_gemalto), T(escape_is_allowed_by_option_or_quirk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
