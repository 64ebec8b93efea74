/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The simulated card: spec, ATR, PPS, applet. T=0 and T=1 have tests of their own. */
#include "card_talk.h"

static struct talk t;

static void expect_atr(const char *spec, const char *want)
{
	struct sim_card *c = card_off(spec);
	const uint8_t *atr = sim_card_reset(c, 0, false, &t.out_len);

	memcpy(t.out, atr, t.out_len);
	expect_hex(&t, want);
	end_with_complaints(c, 0, NULL);
}

static void test_atr(void **state)
{
	(void)state;
	expect_atr("t0", "3B 17 96 6966642D73696D");
	expect_atr("t1", "3B 97 96 81 31 FE 45 6966642D73696D 3B");
	expect_atr("", "3B 97 96 80 31 FE 45 6966642D73696D 3A");
	expect_atr("t1crc hist=AB", "3B 91 96 81 71 FE 45 01 AB E6");
	expect_atr("t1specific hist=", "3B 90 96 91 81 31 FE 45 9C");
	expect_atr("card=t0 ta1=11 tc1=ff wi=20 hist=00 inverse", "3F D1 11 FF 40 14 00");
	expect_atr("atr=3B00", "3B 00");
	expect_atr("atr=", "");
	expect_atr("mute", "");
	expect_atr("openpgp1", "3B FA 13 00 FF 81 31 80 45 00 31 C1 73 C0 01 00 00 90 00 B1");
}

static void test_atr_read(void **state)
{
	static const struct { const char *spec; unsigned protocol; uint8_t fidi; } rows[] = {
		{ "t0", 0, 0x11 }, { "t1", 1, 0x11 }, { "t0t1", 0, 0x11 },
		{ "t1specific", 1, 0x96 }, { "t0specific", 0, 0x96 }, { "openpgp1", 1, 0x11 },
		{ "atr=3B", 0, 0x11 }, { "atr=3BFF", 0, 0x11 }, { "atr=3B8080808080", 0, 0x11 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct sim_card *c = card_on(rows[i].spec);

		assert_int_equal(sim_card_protocol(c), rows[i].protocol);
		assert_int_equal(sim_card_fidi(c), rows[i].fidi);
		end_with_complaints(c, 0, NULL);
	}
}

static void test_atr_faults(void **state)
{
	static const struct { const char *fault, *want; } rows[] = {
		{ "atr-claims-33", "3B FF" }, { "atr-empty", "" }, { "atr-cut value=8", "3B 17" },
		{ "atr-bad-ts", "23 17 96 6966642D73696D" },
		{ "atr-long value=12", "3B 17 96 6966642D73696D 5A 5A" },
		{ "atr-many-td value=6", "3B 80 80 80 80 80" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		char spec[60];

		snprintf(spec, sizeof spec, "t0 fault=%s", rows[i].fault);
		if (strchr(spec, ' ') != strrchr(spec, ' '))
			*strrchr(spec, ' ') = ',';
		expect_atr(spec, rows[i].want);
	}
}

static void test_spec_errors(void **state)
{
	static const char *const rows[] = {
		"nonsense", "t0 nonsense=1", "atr=3", "atr=3G", "proto=2", "ifsc=256", "ifsc=",
		"pin=12",
		"pin=12a4", "classes=", "classes=D", "wtx=0", "fault=nothing", "fault=t1-mute,on=x",
		"fault=t1-bad-ns,on=r", "fault=t1-mute,nth", "chain=0",
		"hist=00112233445566778899AABBCCDDEEFF",
	};
	char err[100];
	struct sim_card *c;

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		err[0] = '\0';
		c = sim_card_new(rows[i], err, sizeof err);
		if (c != NULL || err[0] == '\0')
			fail_msg("'%s' was accepted", rows[i]);
	}
	for (unsigned i = 0; sim_card_preset(i) != NULL; i++)
		sim_card_free(card_off(sim_card_preset(i)));
	c = card_off("");
	for (unsigned i = 0; sim_card_fault_name(i, NULL) != NULL; i++) {
		fault(c, "clear");
		fault(c, sim_card_fault_name(i, NULL));
	}
	fault(c, "clear");
	for (int i = 0; i < 8; i++)
		fault(c, "t1-mute");
	assert_false(sim_card_fault(c, "t1-mute", err, sizeof err));
	end_with_complaints(c, 0, NULL);
}

static void test_power(void **state)
{
	struct sim_card *c = card_off("t0 classes=BC");

	(void)state;
	sim_card_reset(c, 0, false, &t.out_len);
	assert_int_equal(t.out_len, 0);
	sim_card_reset(c, 2, false, &t.out_len);
	assert_true(t.out_len > 0);
	sim_card_power_off(c);
	assert_int_equal(sim_card_apdu(c, t.in, 4, t.out, &t.out_len, &t.work), SIM_CARD_MUTE);
	assert_int_equal(sim_card_complaints(c), 1);
	sim_card_reset(c, 2, true, &t.out_len);
	end_with_complaints(c, 2, "warm reset");
}

static int pps(struct sim_card *c, const char *in)
{
	t.in_len = from_hex(in, t.in, sizeof t.in);
	return sim_card_pps(c, t.in, t.in_len, t.out, &t.out_len);
}

static void test_pps(void **state)
{
	static const struct {
		const char *spec, *in, *want;
		unsigned protocol;
		uint8_t fidi;
	} rows[] = {
		{ "", "FF 11 96 78", "FF 11 96 78", 1, 0x96 },
		{ "", "FF 10 96 79", "FF 10 96 79", 0, 0x96 },
		{ "", "FF 11 95 7B", "FF 11 95 7B", 1, 0x95 },		/* a speed slower than TA1 */
		{ "", "FF 11 18 F6", "FF 11 18 F6", 1, 0x18 },		/* 372/12 */
		{ "", "FF 11 97 79", "FF 01 FE", 1, 0x11 },		/* a speed faster than TA1: PPS1 is left out */
		{ "", "FF 11 7A 94", "FF 01 FE", 1, 0x11 },		/* reserved */
		{ "", "FF 01 FE", "FF 01 FE", 1, 0x11 },
		{ "", "FF 31 96 00 58", "FF 11 96 78", 1, 0x96 },	/* PPS2 left out */
		{ "fault=pps-no-pps1", "FF 11 96 78", "FF 01 FE", 1, 0x11 },
		{ "fault=pps-changed", "FF 11 96 78", "FF 11 95 7B", 0, 0x11 },
		{ "fault=pps-bad-pck", "FF 11 96 78", "FF 11 96 2D", 0, 0x11 },
		{ "fault=pps-other-protocol", "FF 11 96 78", "FF 10 96 79", 0, 0x11 },
		{ "fault=pps-bad-ppss", "FF 11 96 78", "3F 11 96 B8", 0, 0x11 },
		{ "fault=pps-short", "FF 11 96 78", "FF 11", 0, 0x11 },
		{ "fault=pps-empty", "FF 11 96 78", "", 0, 0x11 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct sim_card *c = card_on(rows[i].spec);

		assert_true(sim_card_pps_possible(c));
		assert_int_equal(pps(c, rows[i].in), SIM_CARD_OK);
		expect_hex(&t, rows[i].want);
		assert_int_equal(sim_card_protocol(c), rows[i].protocol);
		assert_int_equal(sim_card_fidi(c), rows[i].fidi);
		assert_false(sim_card_pps_possible(c));
		end_with_complaints(c, 0, NULL);
	}
}

static void test_pps_violations(void **state)
{
	static const struct { const char *spec, *in, *text; } rows[] = {
		{ "t1specific", "FF 11 96 78", "specific mode" },
		{ "", "FF 11 96 79", "PCK" },
		{ "", "FF 11 EE", "length" },
		{ "", "FF 01", "no PPS" },
		{ "", "FF 01 FE 00", "length" },
		{ "", "FF 91 96 F8", "reserved" },
		{ "t0", "FF 11 96 78", "does not offer" },
		{ "", "FF 02 FD", "does not offer" },
	};
	struct sim_card *c;

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		c = card_on(rows[i].spec);
		assert_int_equal(pps(c, rows[i].in), SIM_CARD_MUTE);
		end_with_complaints(c, 1, rows[i].text);
	}
	c = card_on("");
	from_hex("80100000", t.in, 4);
	sim_card_t0_tpdu(c, t.in, 4, t.out, &t.out_len, &t.work);
	assert_int_equal(pps(c, "FF 11 96 78"), SIM_CARD_MUTE);
	end_with_complaints(c, 1, "after the ATR");
	c = card_on("fault=pps-silent");
	assert_int_equal(pps(c, "FF 11 96 78"), SIM_CARD_MUTE);
	sim_card_set_protocol(c, 1, 0x95);
	assert_int_equal(sim_card_protocol(c), 1);
	assert_int_equal(sim_card_fidi(c), 0x95);
	end_with_complaints(c, 0, NULL);
	c = card_on("t0");
	sim_card_set_protocol(c, 1, 0x11);
	assert_int_equal(sim_card_protocol(c), 0);
	end_with_complaints(c, 1, "does not offer");
}

static void say(struct sim_card *c, const char *in, const char *want)
{
	t.in_len = from_hex(in, t.in, sizeof t.in);
	assert_int_equal(sim_card_apdu(c, t.in, t.in_len, t.out, &t.out_len, &t.work), SIM_CARD_OK);
	expect_hex(&t, want);
}

static void test_apdu_forms(void **state)
{
	struct sim_card *c = card_on("t1 time_us=5");

	(void)state;
	say(c, "80 10 00 00", "90 00");
	assert_int_equal(t.work, 5000);
	say(c, "80 14 00 00 02", "00 01 90 00");
	say(c, "80 12 01 00 02 00 01", "90 00");
	say(c, "80 16 00 00 02 AA BB 00", "AA BB 90 00");
	say(c, "80 16 00 00 02 AA BB 01", "AA 61 01");
	say(c, "00 C0 00 00 00", "BB 90 00");
	say(c, "80 16 00 00 02 AA BB", "90 00");
	say(c, "80 14 00 00 00 00 02", "00 01 90 00");
	say(c, "80 12 01 00 00 00 02 00 01", "90 00");
	say(c, "80 16 00 00 00 00 02 AA BB 00 00", "AA BB 90 00");
	say(c, "80 14 00 05 03", "6C 05");
	say(c, "80 14 00 05 07", "00 01 02 03 04 90 00");
	say(c, "80 18 00 64", "90 00");
	assert_int_equal(t.work, 100005000);
	say(c, "80 1A 69 85", "69 85");
	/* lengths that fit no case */
	say(c, "80 10 00", "67 00");
	say(c, "80 16 00 00 02 AA", "67 00");
	say(c, "80 16 00 00 02 AA BB 00 00", "67 00");
	say(c, "80 16 00 00 00 00", "67 00");
	say(c, "80 16 00 00 00 00 00 00", "67 00");
	say(c, "80 16 00 00 00 00 02 AA", "67 00");
	say(c, "80 16 00 00 00 00 02 AA BB 00", "67 00");
	end_with_complaints(c, 0, NULL);
}

static void test_64k(void **state)
{
	struct sim_card *c = card_on("t1");

	(void)state;
	t.in_len = from_hex("80 14 00 00 00 00 00", t.in, sizeof t.in);
	assert_int_equal(sim_card_apdu(c, t.in, t.in_len, t.out, &t.out_len, &t.work), 0);
	assert_int_equal(t.out_len, 65538);
	for (size_t i = 0; i < 65536; i++)
		assert_int_equal(t.out[i], i & 0xFF);
	assert_memory_equal(t.out + 65536, "\x90\x00", 2);
	say(c, "00 A4 00 0C 02 50 00", "90 00");
	say(c, "00 A4 02 0C 02 50 01", "90 00");
	t.in_len = from_hex("00 B0 00 00 00 00 00", t.in, sizeof t.in);
	assert_int_equal(sim_card_apdu(c, t.in, t.in_len, t.out, &t.out_len, &t.work), 0);
	assert_int_equal(t.out_len, 65538);
	say(c, "80 1C 00 00 04 00 01 00 01 00", "6A 80");
	end_with_complaints(c, 0, NULL);
}

static void test_files(void **state)
{
	struct sim_card *c = card_on("t1");

	(void)state;
	say(c, "00 B0 00 00 01", "69 86");
	say(c, "00 A4 00 00 00", "6F 0C 82 01 38 83 02 3F 00 80 03 00 00 00 90 00");
	say(c, "00 A4 00 0C 02 50 01", "6A 82");		/* not a file below the MF */
	say(c, "00 A4 00 0C 02 2F E2", "90 00");
	say(c, "00 B0 00 08 00", "08 09 90 00");
	say(c, "00 B0 00 0A 01", "6B 00");
	say(c, "00 D6 00 09 02 AA BB", "6A 84");
	say(c, "00 D6 00 08 02 AA BB", "90 00");
	say(c, "00 B0 00 07 03", "07 AA BB 90 00");
	say(c, "00 A4 04 00 08 F0 69 66 64 2D 73 69 6D 00",
	    "6F 16 82 01 38 83 02 50 00 80 03 00 00 00 84 08 F0 69 66 64 2D 73 69 6D 90 00");
	say(c, "00 A4 04 0C 05 F0 69 66 64 2D", "90 00");
	say(c, "00 A4 04 0C 05 F0 69 66 64 2E", "6A 82");
	say(c, "00 B0 81 05 02", "05 06 90 00");		/* 5001 by short identifier */
	say(c, "00 B0 81 00 02", "00 01 90 00");
	say(c, "00 B0 7F FF 02", "FF 00 90 00");
	say(c, "00 D6 00 00 00 00 03 01 02 03", "90 00");	/* extended */
	say(c, "00 B0 00 00 00 00 04", "01 02 03 03 90 00");
	say(c, "00 A4 03 0C", "90 00");
	say(c, "00 A4 03 0C", "6A 82");
	say(c, "00 A4 01 0C 02 50 00", "6A 86");
	say(c, "00 A4 00 0C 01 50", "67 00");
	end_with_complaints(c, 0, NULL);
}

static void test_pin(void **state)
{
	struct sim_card *c = card_on("pinpad");

	(void)state;
	say(c, "00 20 00 01", "63 C3");
	say(c, "00 A4 00 0C 02 50 00", "90 00");
	say(c, "00 B0 82 00 01", "69 82");
	say(c, "00 D6 83 00 01 AA", "69 82");
	say(c, "00 B0 83 00 01", "00 90 00");
	say(c, "00 20 00 01 04 31 32 33 35", "63 C2");
	say(c, "00 20 00 01 04 31 32 33 34", "90 00");
	say(c, "00 20 00 01", "90 00");
	say(c, "00 B0 82 00 01", "00 90 00");
	say(c, "00 20 00 01 08 31 32 33 34 FF FF FF FF", "90 00");
	say(c, "00 20 00 01 08 24 12 34 FF FF FF FF FF", "90 00");
	say(c, "00 24 00 01 10 31323334FFFFFFFF 393837363534FFFF", "90 00");
	say(c, "00 20 00 01 06 39 38 37 36 35 34", "90 00");
	say(c, "00 24 01 01 04 31 31 31 31", "90 00");
	say(c, "00 24 01 01 03 31 31 31", "6A 80");
	say(c, "00 24 00 01 08 31 32 33 34 35 36 37 38", "63 C2");
	say(c, "00 24 01 01 04 31 31 31 31", "69 82");
	say(c, "00 20 00 01 04 00 00 00 00", "63 C1");
	say(c, "00 20 00 01 04 39 39 39 39", "63 C0");
	say(c, "00 20 00 01 04 31 31 31 31", "69 83");
	say(c, "00 20 00 01", "69 83");
	end_with_complaints(c, 0, NULL);
}

static void test_challenge_and_chaining(void **state)
{
	struct sim_card *c = card_on("t1"), *d = card_on("t1");
	uint8_t first[8];

	(void)state;
	t.in_len = from_hex("00 84 00 00 08", t.in, sizeof t.in);
	sim_card_apdu(c, t.in, 5, t.out, &t.out_len, &t.work);
	assert_int_equal(t.out_len, 10);
	memcpy(first, t.out, 8);
	sim_card_apdu(c, t.in, 5, t.out, &t.out_len, &t.work);
	assert_memory_not_equal(first, t.out, 8);
	sim_card_apdu(d, t.in, 5, t.out, &t.out_len, &t.work);
	assert_memory_equal(first, t.out, 8);
	/* ISO 7816-4 command chaining; another command in between ends it */
	say(c, "90 16 00 00 02 01 02", "90 00");
	say(c, "80 16 00 00 01 03 00", "01 02 03 90 00");
	say(c, "90 16 00 00 02 01 02", "90 00");
	say(c, "90 12 00 00 01 00", "90 00");
	say(c, "80 12 01 00 01 01", "90 00");
	say(c, "90 16 00 00 02 01 02", "90 00");
	say(c, "80 10 00 00", "90 00");
	say(c, "80 16 00 00 01 03 00", "03 90 00");
	end_with_complaints(c, 0, NULL);
	end_with_complaints(d, 0, NULL);
}

static void test_complaints(void **state)
{
	struct sim_card *c = card_off("t1");

	(void)state;
	for (int i = 0; i < 40; i++)
		sim_card_apdu(c, t.in, 4, t.out, &t.out_len, &t.work);
	assert_int_equal(sim_card_complaints(c), 40);
	assert_non_null(strstr(sim_card_complaint(c, 31), "power"));
	assert_string_equal(sim_card_complaint(c, 39), "(not kept)");
	assert_null(sim_card_complaint(c, 40));
	sim_card_free(c);
	sim_card_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_atr),
		cmocka_unit_test(test_atr_read),
		cmocka_unit_test(test_atr_faults),
		cmocka_unit_test(test_spec_errors),
		cmocka_unit_test(test_power),
		cmocka_unit_test(test_pps),
		cmocka_unit_test(test_pps_violations),
		cmocka_unit_test(test_apdu_forms),
		cmocka_unit_test(test_64k),
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_pin),
		cmocka_unit_test(test_challenge_and_chaining),
		cmocka_unit_test(test_complaints),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
