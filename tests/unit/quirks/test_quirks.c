/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* src/quirks/quirks.c and quirks.def: matching, the run-time override, and every row of the table: what
 * the driver does with a reader of that row, and that it does not do so without the row. */
#include "../slot/layer_doubles.h"

#include "slot/features.h"
#include "slot/pinpad.h"
#include "slot/slot_quirks.h"

#include <stdlib.h>

static bool has(uint16_t vendor, uint16_t product, uint16_t fw, const char *override, enum quirk which)
{
	struct quirk_set q;

	quirks_match(&q, vendor, product, fw, override);
	return quirk_has(&q, which);
}

/* ---- the table as such ---- */

static void table_is_sorted_and_whole(void **state)
{
	size_t n;
	const struct quirk_row *t = quirks_table(&n);

	(void)state;
	assert_true(n > 60);
	for (size_t i = 0; i < n; i++) {
		static const struct quirk_set none;

		assert_true(t[i].fw_from <= t[i].fw_to);
		assert_true(t[i].vendor <= QUIRK_ANY && t[i].product <= QUIRK_ANY);
		assert_true(strlen(t[i].reason) > 10 && strlen(t[i].reference) > 3);
		assert_int_not_equal(memcmp(&t[i].set, &none, sizeof none), 0);
		if (i > 0)
			assert_true(t[i - 1].vendor < t[i].vendor ||
				    (t[i - 1].vendor == t[i].vendor && t[i - 1].product <= t[i].product));
	}
}

/* ---- names and overrides ---- */

static void names_go_both_ways(void **state)
{
	char name[QUIRK_NAME_CAP];

	(void)state;
	for (int q = 0; q < QUIRK_COUNT; q++) {
		quirk_name((enum quirk)q, name, sizeof name);
		assert_true(strlen(name) < sizeof name - 1);
		assert_int_equal(quirk_by_name(name, strlen(name)), q);
		assert_int_equal(quirk_by_name(name, strlen(name) - 1), -1);
		assert_true(strlen(quirk_doc((enum quirk)q)) > 5);
	}
	assert_string_equal(quirk_name(QUIRK_NO_PINPAD, name, sizeof name), "no-pinpad");
	assert_int_equal(quirk_by_name("NO_PINPAD", 9), -1);
	assert_int_equal(quirk_by_name("", 0), -1);
	assert_string_equal(quirk_name(QUIRK_NO_PINPAD, name, 4), "no-");
}

static void override_adds_and_removes(void **state)
{
	(void)state;
	assert_false(has(0x1111, 0x2222, 0, NULL, QUIRK_NO_PINPAD));
	assert_true(has(0x1111, 0x2222, 0, "1111:2222:no-pinpad", QUIRK_NO_PINPAD));
	assert_false(has(0x1111, 0x2223, 0, "1111:2222:no-pinpad", QUIRK_NO_PINPAD));
	assert_false(has(0x1112, 0x2222, 0, "1111:2222:no-pinpad", QUIRK_NO_PINPAD));
	assert_true(has(0x25dd, 0x3111, 0, NULL, QUIRK_NO_PINPAD));
	assert_false(has(0x25dd, 0x3111, 0, "25DD:3111:-no-pinpad", QUIRK_NO_PINPAD));
	assert_true(has(0x1111, 0x2222, 0, "1111:xxxx:no-pinpad", QUIRK_NO_PINPAD));
	assert_true(has(0x1111, 0x2222, 0, "xxxx:xxxx:no-pinpad", QUIRK_NO_PINPAD));
	assert_true(has(0x1111, 0x0022, 0, "1111:22:case1-needs-p3,no-pinpad", QUIRK_NO_PINPAD));
	assert_true(has(0x1111, 0x2222, 0, "1:2:no-ifsd;1111:2222:no-pinpad;", QUIRK_NO_PINPAD));
	/* of two contradictions the last one counts */
	assert_false(has(0x1111, 0x2222, 0, "1111:2222:no-pinpad,-no-pinpad", QUIRK_NO_PINPAD));
	assert_true(has(0x1111, 0x2222, 0, "1111:2222:-no-pinpad,no-pinpad", QUIRK_NO_PINPAD));
	assert_false(has(0x1111, 0x2222, 0, "1111:2222:no-pinpad;1111:2222:-no-pinpad", QUIRK_NO_PINPAD));
}

static void mistakes_in_an_override_are_ignored(void **state)
{
	static const struct {
		const char *text;
		unsigned mistakes;
	} t[] = {
		{ "", 0 }, { ";;;", 0 }, { "1111:2222:no-pinpad", 0 }, { "hello", 1 }, { "1111", 1 },
		{ "1111:2222", 1 }, { "1111:2222:", 1 }, { ":::", 1 }, { "11111:2222:no-pinpad", 1 },
		{ "11g1:2222:no-pinpad", 1 }, { ":2222:no-pinpad", 1 }, { "0x11:2222:no-pinpad", 1 },
		{ "1111:2222:no-pinpad,", 1 }, { "1111:2222:-", 1 }, { "1111:2222:--no-pinpad", 1 },
		{ "1111:2222:a,b,no-pinpad,c", 3 }, { "a;b;c", 3 },
		{ "atr:3b00:keep-power", 0 }, { "atr:3B00:-keep-power", 0 }, { "atr:3b00:no-pinpad", 1 },
		{ "atr:3b00:keep-power,min_pin=4", 1 }, { "atr:3b:keep-power", 1 }, { "atr:3b0:keep-power", 1 },
		{ "atr:3b0g:keep-power", 1 }, { "atr:3bg0:keep-power", 1 }, { "atr::keep-power", 1 }, { "atr:3b00", 1 },
		{ "atr:3b0000000000000000000000000000000000000000000000000000000000000000:keep-power", 0 },
		{ "atr:3b000000000000000000000000000000000000000000000000000000000000000000:keep-power", 1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
		struct quirk_set q;

		if (quirks_check_override(t[i].text) != t[i].mistakes)
			fail_msg("\"%s\": %u", t[i].text, quirks_check_override(t[i].text));
		quirks_match(&q, 0x1111, 0x2222, 0, t[i].text);
	}
	/* the correct parts of a text with mistakes count */
	assert_true(has(0x1111, 0x2222, 0, "oops;1111:2222:a,no-pinpad,b", QUIRK_NO_PINPAD));
}

static bool keeps(const char *text, const void *atr, size_t len)
{
	struct quirk_ids ids = { .idVendor = 0x1111, .idProduct = 0x2222, .atr = atr, .atr_len = len };
	struct quirk_set q = { 0 };

	quirks_override(&q, &ids, text);
	return quirk_has(&q, QUIRK_KEEP_POWER);
}

static void entries_for_cards(void **state)
{
	(void)state;
	assert_true(keeps("atr:3bff01:keep-power", "\x3B\xFF\x01", 3));
	assert_true(keeps("atr:3BFF01:keep-power;atr:3B00:-keep-power", "\x3B\xFF\x01", 3));
	assert_false(keeps("atr:3bff01:keep-power", "\x3B\xFF\x02", 3));
	assert_false(keeps("atr:3bff01:keep-power", "\x3B\xFF\x01", 2));
	assert_false(keeps("atr:3bff01:keep-power", NULL, 0));
	assert_true(keeps("1111:2222:keep-power", "\x3B\x00", 2));
	assert_false(keeps("1111:2222:keep-power;atr:3b00:-keep-power", "\x3B\x00", 2));
}

static void composite_by_hand_means_all_interfaces(void **state)
{
	struct quirk_set q;

	(void)state;
	quirks_match(&q, 0x1111, 0x2222, 0, "1111:2222:composite");
	assert_int_equal(q.composite_count, QUIRK_ALL_INTERFACES);
	quirks_match(&q, 0x2947, 0x0112, 0, NULL);
	assert_int_equal(q.composite_count, 1);
	quirks_match(&q, 0x2947, 0x0105, 0, NULL);
	assert_int_equal(q.composite_count, 3);
	quirks_match(&q, 0x2947, 0x0101, 0, NULL);
	assert_int_equal(q.composite_count, QUIRK_ALL_INTERFACES);
}

static void firmware_ranges(void **state)
{
	struct quirk_set q;

	(void)state;
	assert_true(has(0x04e6, 0xe003, 0x0509, NULL, QUIRK_OLD_FIRMWARE));
	assert_false(has(0x04e6, 0xe003, 0x0510, NULL, QUIRK_OLD_FIRMWARE));
	quirks_match(&q, 0x04e6, 0xe003, 0x0000, NULL);
	assert_int_equal(q.first_good_fw, 0x0510);
	assert_true(quirk_has(&q, QUIRK_PIN_APPEND_MODE));
	assert_false(has(0x0529, 0x0620, 0x0011, NULL, QUIRK_NO_IFSD));
	assert_true(has(0x0529, 0x0620, 0x0012, NULL, QUIRK_NO_IFSD));
	assert_true(has(0x0529, 0x0620, 0x0013, NULL, QUIRK_NO_IFSD));
	assert_false(has(0x0529, 0x0620, 0x0014, NULL, QUIRK_NO_IFSD));
	assert_true(has(0x0b97, 0x7762, 0x0111, NULL, QUIRK_NO_IFSD));
	assert_true(has(0x0b97, 0x7772, 0x0100, NULL, QUIRK_NO_IFSD));
	assert_true(has(0x08e6, 0x3480, 0x01ff, NULL, QUIRK_PRESENCE_FROM_POWER));
	assert_false(has(0x08e6, 0x3480, 0x0200, NULL, QUIRK_PRESENCE_FROM_POWER));
}

/* Firmware is refused as too old if and only if it is older than the first good one. */
static void only_older_firmware_is_too_old(void **state)
{
	size_t n, rows = 0;
	const struct quirk_row *t = quirks_table(&n);

	(void)state;
	for (size_t i = 0; i < n; i++) {
		uint16_t vendor = (uint16_t)t[i].vendor, product = (uint16_t)t[i].product;

		if (!quirk_has(&t[i].set, QUIRK_OLD_FIRMWARE)) {
			assert_int_equal(t[i].set.first_good_fw, 0);
			continue;
		}
		rows++;
		assert_true(has(vendor, product, 0, NULL, QUIRK_OLD_FIRMWARE));
		assert_true(has(vendor, product, t[i].set.first_good_fw - 1, NULL, QUIRK_OLD_FIRMWARE));
		assert_false(has(vendor, product, t[i].set.first_good_fw, NULL, QUIRK_OLD_FIRMWARE));
	}
	assert_true(rows > 10);
}

/* ---- every row ---- */

/* A product of this vendor that no exact row names. */
static uint16_t unlisted_product(uint32_t vendor)
{
	size_t n;
	const struct quirk_row *t = quirks_table(&n);
	uint16_t product = 0xFFFE;

	for (size_t i = 0; i < n; i++)
		if (t[i].vendor == vendor && t[i].product == product)
			fail_msg("choose another product");
	return product;
}

/* All observable effects of these quirks on a reader, as text. */
static void fingerprint(const struct quirk_set *q, char *out, size_t cap)
{
	/* bNumberMessage 0 and 2 are tried; all bytes differ */
	static const uint8_t verify[] = { 30, 0, 0x82, 0x40, 0x00, 0x08, 0x04, 0x07, 0x02, 0x09, 0x04, 0x05,
					  0, 0, 0, 4, 0, 0, 0, 0x00, 0x20, 0x00, 0x01 };
	static const uint8_t idtoken[] = { 0xFF, 0x9A, 0x01, 0x03, 0x00 };
	uint8_t modify[] = { 30, 0, 0x82, 0x48, 0x00, 0, 8, 0x08, 0x04, 0x03, 0x07, 0x00, 0x09, 0x04,
			     0x05, 0x06, 0x07, 0, 0, 0, 5, 0, 0, 0, 0x00, 0x24, 0x00, 0x01, 0x00 };
	static const uint8_t firmware_id[] = { 0x02 }, switch_if[] = { 0x52, 0xF8, 0x04, 0x01, 0x00, 0x02 };
	uint8_t buf[600];
	size_t len, n_rates;
	struct fixture g;

	fixture_init(&g);
	memcpy(answers.escape, "\0\0\0\x03\0\0\0\0\0\0\0\0\0\x04\x08\0\0\0\0\0\0\0\0\0", 24);
	answers.escape_len = 24;
	answers.secure_len = 2;
	g.reader.quirks = *q;
	g.reader.config.driver_options = OPTION_GEMALTO_APDU_MODE | OPTION_NO_PIN_RETRY;
	g.reader.desc.dwMaxIFSD = 100;
	g.reader.desc.dwMaxCCIDMessageLength = 263;
	g.reader.desc.dwMaxDataRate = 500000;
	g.reader.data_rates = g.rates;
	g.reader.n_data_rates = 2;
	g.rates[0] = 100000;
	g.rates[1] = 300000;
	g.slot.ccid.bError = 0xBB;
	out[0] = '\0';
	for (int pass = 0; pass < 2; pass++) {
		static const enum exchange_level levels[] = { LEVEL_EXTENDED_APDU, LEVEL_SHORT_APDU };

		g.reader.level = levels[pass];
		quirk_fix_desc(&g.reader);
		traffic_add("level", (const uint8_t[]){ (uint8_t)g.reader.level }, 1);
	}
	traffic_add("desc", (const uint8_t *)&g.reader.desc, sizeof g.reader.desc);
	traffic_add("rates", (const uint8_t[]){ (uint8_t)g.reader.n_data_rates }, 1);
	quirk_rates(&g.reader, 1, &n_rates);
	traffic_add("data rates of slot 1", (const uint8_t[]){ (uint8_t)n_rates }, 1);
	quirk_ready(&g.reader, &g.slot);
	traffic_add("level", (const uint8_t[]){ (uint8_t)g.reader.level }, 1);
	if (quirk_power_failed(&g.slot) == CCID_OK)
		traffic_add("once more", NULL, 0);
	if (quirk_answers_apdu(&g.slot, idtoken, sizeof idtoken, buf, sizeof buf, &len))
		traffic_add("own answer", buf, len);
	slot_pin_verify(&g.slot, verify, sizeof verify, buf, sizeof buf, &len);
	for (uint8_t messages = 0; messages < 3; messages++) {
		modify[11] = messages;
		slot_pin_modify(&g.slot, modify, sizeof modify, buf, sizeof buf, &len);
	}
	if (features_list(&g.slot, buf, sizeof buf, &len) == CCID_OK)
		traffic_add("features", buf, len);
	if (features_pin_properties(&g.slot, buf, sizeof buf, &len) == CCID_OK)
		traffic_add("pin properties", buf, len);
	if (features_tlv_properties(&g.slot, buf, sizeof buf, &len) == CCID_OK)
		traffic_add("properties", buf, len);
	if (features_escape_allowed(&g.slot, switch_if, sizeof switch_if))
		traffic_add("may switch", NULL, 0);
	if (features_escape_allowed(&g.slot, firmware_id, sizeof firmware_id))
		traffic_add("may ask", NULL, 0);
	snprintf(out, cap, "%s", traffic);
	assert_true(strlen(out) < cap - 1 && strlen(traffic) < sizeof traffic - 1);
}

static void check_flags_have_effects(const struct quirk_row *row, const struct quirk_set *all)
{
	static char with[4000], without[4000];

	for (int flag = 0; flag < QUIRK_COUNT; flag++) {
		uint64_t bit = UINT64_C(1) << flag;
		struct quirk_set less = *all;
		char name[QUIRK_NAME_CAP];

		if (!(row->set.bits & bit))
			continue;
		quirk_name((enum quirk)flag, name, sizeof name);
		assert_true((all->bits & bit) != 0);
		/* Quirks of other areas have their effect, and their tests, elsewhere. */
		if (quirk_area((enum quirk)flag) != QUIRK_READER)
			continue;
		less.bits &= ~bit;
		fingerprint(all, with, sizeof with);
		fingerprint(&less, without, sizeof without);
		if (strcmp(with, without) == 0)
			fail_msg("%04x:%04x: %s changes nothing", row->vendor, row->product, name);
	}
}

static void every_row_has_its_effect(void **state)
{
	size_t n;
	const struct quirk_row *t = quirks_table(&n);

	(void)state;
	for (size_t i = 0; i < n; i++) {
		uint16_t vendor = (uint16_t)(t[i].vendor == QUIRK_ANY ? 0xFFF0 : t[i].vendor);
		uint16_t product = (uint16_t)(t[i].product == QUIRK_ANY ? unlisted_product(vendor) : t[i].product);
		const struct quirk_set *want = &t[i].set;
		struct quirk_set q;

		quirks_match(&q, vendor, product, t[i].fw_to, NULL);
		assert_int_equal(q.bits & want->bits, want->bits);
#define X(type, name, max, doc) assert_true(want->name == 0 || q.name == want->name);
		QUIRK_VALUES(X)
#undef X
		check_flags_have_effects(&t[i], &q);
	}
}

/* For a neighbour of a row (another vendor, product or firmware) its flags and numbers do not
 * apply, unless another row gives them. */
static void no_row_has_an_effect_on_its_neighbours(void **state)
{
	struct quirk_set any, q;
	size_t n;
	const struct quirk_row *t = quirks_table(&n);

	(void)state;
	quirks_match(&any, 0xFFF0, 0xFFF0, 0x0100, NULL);
	for (size_t i = 0; i < n; i++) {
		if (t[i].product == QUIRK_ANY)
			continue;
		quirks_match(&q, 0xFFF0, (uint16_t)t[i].product, t[i].fw_to, NULL);
		assert_memory_equal(&q, &any, sizeof q);
		if (t[i].fw_to < 0xFFFF) {
			struct quirk_set inside;

			quirks_match(&inside, (uint16_t)t[i].vendor, (uint16_t)t[i].product, t[i].fw_to, NULL);
			quirks_match(&q, (uint16_t)t[i].vendor, (uint16_t)t[i].product, t[i].fw_to + 1, NULL);
			assert_memory_not_equal(&q, &inside, sizeof q);
		}
	}
}

/* No row's number exceeds its range. */
static void numbers_are_in_range(void **state)
{
	size_t n;
	const struct quirk_row *t = quirks_table(&n);

	(void)state;
	for (size_t i = 0; i < n; i++) {
#define X(type, name, max, doc) assert_true(t[i].set.name <= (max));
		QUIRK_VALUES(X)
#undef X
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table_is_sorted_and_whole),
		cmocka_unit_test(names_go_both_ways),
		cmocka_unit_test(override_adds_and_removes),
		cmocka_unit_test(mistakes_in_an_override_are_ignored),
		cmocka_unit_test(entries_for_cards),
		cmocka_unit_test(composite_by_hand_means_all_interfaces),
		cmocka_unit_test(firmware_ranges),
		cmocka_unit_test(only_older_firmware_is_too_old),
		cmocka_unit_test(every_row_has_its_effect),
		cmocka_unit_test(no_row_has_an_effect_on_its_neighbours),
		cmocka_unit_test(numbers_are_in_range),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
