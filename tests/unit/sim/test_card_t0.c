/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The card's T=0: TPDUs and single characters, ISO 7816-3:2006 §10 and §12.2. */
#include "card_talk.h"

static struct talk t;

static int tpdu(struct sim_card *c, const char *in)
{
	t.in_len = from_hex(in, t.in, sizeof t.in);
	return sim_card_t0_tpdu(c, t.in, t.in_len, t.out, &t.out_len, &t.work);
}

static void say(struct sim_card *c, const char *in, const char *want)
{
	assert_int_equal(tpdu(c, in), SIM_CARD_OK);
	expect_hex(&t, want);
}

static int chars(struct sim_card *c, const char *in, size_t want)
{
	t.in_len = from_hex(in, t.in, sizeof t.in);
	return sim_card_t0_chars(c, t.in, t.in_len, want, t.out, &t.out_len, &t.work);
}

/* Sends `in`, and waits for `room` bytes; "" means that the card sends nothing. */
static void type(struct sim_card *c, const char *in, size_t room, const char *want)
{
	int rc = *want == '\0' && room > 0 ? SIM_CARD_MUTE : SIM_CARD_OK;

	assert_int_equal(chars(c, in, room), rc);
	expect_hex(&t, want);
}

static void test_cases(void **state)
{
	struct sim_card *c = card_on("t0");

	(void)state;
	say(c, "80 10 00 00", "90 00");
	say(c, "80 10 00 00 00", "90 00");
	say(c, "80 14 00 00 03", "00 01 02 90 00");
	say(c, "80 12 01 00 03 00 01 02", "90 00");
	say(c, "80 12 01 00 03 00 01 03", "6A 80");
	say(c, "80 16 00 00 03 AA BB CC", "61 03");
	say(c, "00 C0 00 00 01", "AA 61 02");
	say(c, "00 C0 00 00 03", "6C 02");
	say(c, "00 C0 00 00 02", "BB CC 90 00");
	say(c, "00 C0 00 00 02", "69 85");
	say(c, "80 1A 62 83", "62 83");
	say(c, "80 44 00 00", "6D 00");
	say(c, "90 10 00 00", "90 00");		/* a chain of one part */
	say(c, "C0 10 00 00", "6E 00");
	end_with_complaints(c, 0, NULL);
}

static void test_le(void **state)
{
	struct sim_card *c = card_on("t0");

	(void)state;
	say(c, "80 14 00 05 00", "6C 05");
	say(c, "80 14 00 05 04", "6C 05");
	say(c, "80 14 00 05 05", "00 01 02 03 04 90 00");
	assert_int_equal(tpdu(c, "80 14 01 02 00"), SIM_CARD_OK);	/* 258 bytes */
	assert_int_equal(t.out_len, 258);
	for (size_t i = 0; i < 256; i++)
		assert_int_equal(t.out[i], i);
	assert_memory_equal(t.out + 256, "\x61\x02", 2);
	say(c, "00 C0 00 00 02", "00 01 90 00");
	say(c, "80 14 01 02 10", "6C 00");
	end_with_complaints(c, 0, NULL);
}

static void test_long_answer(void **state)
{
	struct sim_card *c = card_on("t0");
	size_t have = 0;

	(void)state;
	say(c, "80 1C 00 00 03 01 00 00", "61 00");
	for (int i = 0; i < 256; i++) {
		assert_int_equal(tpdu(c, "00 C0 00 00 00"), SIM_CARD_OK);
		assert_int_equal(t.out_len, 258);
		for (size_t k = 0; k < 256; k++)
			assert_int_equal(t.out[k], k);
		have += 256;
	}
	assert_memory_equal(t.out + 256, "\x90\x00", 2);
	assert_int_equal(have, 65536);
	end_with_complaints(c, 0, NULL);
}

static void test_tpdu_violations(void **state)
{
	struct sim_card *c = card_on("t0");

	(void)state;
	assert_int_equal(tpdu(c, "80 10 00"), SIM_CARD_MUTE);
	assert_int_equal(tpdu(c, "80 16 00 00 03 AA BB CC 00"), SIM_CARD_MUTE);	/* with Le */
	assert_int_equal(tpdu(c, "80 16 00 00 03 AA BB"), SIM_CARD_MUTE);
	assert_int_equal(sim_card_complaints(c), 3);
	say(c, "80 16 00 00 03", "67 00");
	say(c, "00 84 00 00 01 AA", "67 00");
	end_with_complaints(c, 3, "TPDU");
}

static void test_gsm(void **state)
{
	struct sim_card *c = card_off("sim");
	size_t len;

	(void)state;
	sim_card_reset(c, 0, false, &len);
	assert_int_equal(len, 0);
	sim_card_reset(c, 1, false, &len);
	assert_true(len > 0);
	say(c, "A0 A4 00 00 02 3F 00", "9F 0E");
	say(c, "00 A4 00 00 02 3F 00", "61 0E");
	end_with_complaints(c, 0, NULL);
}

static void test_echo(void **state)
{
	struct sim_card *c = card_on("t0 applet=echo");

	(void)state;
	say(c, "12 34 56 78 02 01 02", "61 02");
	say(c, "12 C0 00 00 02", "01 02 90 00");
	say(c, "12 34 56 78 02", "00 01 90 00");
	say(c, "12 34 56 78", "90 00");
	end_with_complaints(c, 0, NULL);
	c = card_on("t0 applet=none");
	say(c, "00 A4 00 00 02 3F 00", "6D 00");
	end_with_complaints(c, 0, NULL);
}

static void test_envelope(void **state)
{
	struct sim_card *c = card_on("t0");
	uint8_t part[260] = { 0x00, 0xC2, 0x00, 0x00, 0xFF,
			      0x80, 0x16, 0x00, 0x00, 0x00, 0x01, 0x2C };

	(void)state;
	/* ECHO of 300 bytes, Le 0000: an APDU of 309 bytes in parts of 255 and 54 */
	for (int i = 12; i < 260; i++)
		part[i] = 0x77;
	assert_int_equal(sim_card_t0_tpdu(c, part, 260, t.out, &t.out_len, &t.work), 0);
	expect_hex(&t, "90 00");
	part[4] = 54;
	memset(part + 5, 0x78, 52);
	memset(part + 57, 0, 2);
	assert_int_equal(sim_card_t0_tpdu(c, part, 59, t.out, &t.out_len, &t.work), 0);
	expect_hex(&t, "61 00");
	assert_int_equal(tpdu(c, "00 C0 00 00 00"), 0);
	assert_int_equal(t.out_len, 258);
	assert_int_equal(t.out[247], 0x77);
	assert_int_equal(t.out[248], 0x78);
	assert_memory_equal(t.out + 256, "\x61\x2C", 2);
	end_with_complaints(c, 0, NULL);
}

static void test_chars_all(void **state)
{
	struct sim_card *c = card_on("t0");

	(void)state;
	type(c, "80 10 00 00 00", 2, "90 00");
	type(c, "80 14 00 03 03", 1, "14");
	type(c, "", 3, "00 01 02");
	type(c, "", 2, "90 00");
	type(c, "", 1, "");
	type(c, "80 14 00 03 04", 6, "6C 03");	/* asks for more than comes */
	type(c, "80 16 00 00 02", 1, "16");
	type(c, "AA BB", 2, "61 02");
	type(c, "00 C0 00 00 02", 5, "C0 AA BB 90 00");
	type(c, "80 14", 0, "");		/* the header may come in pieces */
	type(c, "00 01 01", 4, "14 00 90 00");
	end_with_complaints(c, 0, NULL);
}

static void test_chars_one(void **state)
{
	struct sim_card *c = card_on("t0 ack=one");

	(void)state;
	type(c, "80 14 00 02 02", 1, "EB");
	type(c, "", 1, "00");
	type(c, "", 1, "EB");
	type(c, "", 1, "01");
	type(c, "", 2, "90 00");
	type(c, "80 16 00 00 02", 1, "E9");
	type(c, "AA", 1, "E9");
	type(c, "BB", 2, "61 02");
	end_with_complaints(c, 0, NULL);
	c = card_on("t0 ack=mixed");
	type(c, "80 14 00 03 03", 9, "EB 00 14 01 02 90 00");
	type(c, "80 16 00 00 03", 1, "E9");
	type(c, "AA", 1, "16");
	type(c, "BB CC", 2, "61 03");
	end_with_complaints(c, 0, NULL);
}

static void test_chars_null(void **state)
{
	struct sim_card *c = card_on("t0 nulls=2");

	(void)state;
	type(c, "80 14 00 01 01", 1, "60");
	type(c, "", 20, "60 14 00 60 60 90 00");
	end_with_complaints(c, 0, NULL);
	/* WT 0,89 s: work of 2 s takes two more 60, the work is shared */
	c = card_on("t0");
	type(c, "80 18 07 D0 00", 1, "60");
	assert_true(t.work > 600000000 && t.work < 700000000);
	type(c, "", 1, "60");
	type(c, "", 2, "90 00");
	assert_true(t.work > 600000000 && t.work < 700000000);
	end_with_complaints(c, 0, NULL);
}

static void test_chars_violations(void **state)
{
	struct sim_card *c = card_on("t0");

	(void)state;
	type(c, "80 16 00 00 02 AA BB", 1, "16");
	assert_int_equal(sim_card_complaints(c), 2);
	type(c, "", 2, "61 02");
	type(c, "80 14 00 02 02", 1, "14");
	type(c, "80 10 00 00 00", 2, "90 00");
	end_with_complaints(c, 3, "while the card sends");
}

static void test_faults_chars(void **state)
{
	struct sim_card *c = card_on("t0");

	(void)state;
	fault(c, "t0-null");
	type(c, "80 14 00 02 02", 1, "60");
	type(c, "", 5, "60 60 60 60 60");
	type(c, "80 14 00 02 02", 5, "14 00 01 90 00");
	fault(c, "t0-ins-ff");
	type(c, "80 16 00 00 02", 1, "E9");
	type(c, "AA", 1, "E9");
	type(c, "BB", 3, "E9 E9 E9");
	type(c, "80 10 00 00 00", 2, "90 00");
	fault(c, "t0-bad-procedure");
	type(c, "80 14 00 02 02", 1, "05");
	type(c, "80 10 00 00 00", 2, "90 00");
	fault(c, "t0-bad-procedure");
	type(c, "80 16 00 00 02", 1, "05");
	type(c, "80 10 00 00 00", 2, "90 00");
	fault(c, "t0-more-data value=2");
	type(c, "80 14 00 02 02", 7, "14 00 01 EE EE 90 00");
	fault(c, "t0-less-data");
	type(c, "80 14 00 02 02", 7, "14 00 90 00");
	fault(c, "t0-cut");
	type(c, "80 14 00 02 02", 7, "14 00 01 90");
	fault(c, "t0-mute");
	type(c, "80 14 00 02 02", 7, "");
	type(c, "80 10 00 00 00", 2, "90 00");
	end_with_complaints(c, 0, NULL);
}

static void test_faults_tpdu(void **state)
{
	struct sim_card *c = card_on("t0 fault=t0-null,nth=2");

	(void)state;
	say(c, "80 10 00 00", "90 00");
	assert_int_equal(tpdu(c, "80 10 00 00"), SIM_CARD_MUTE);
	say(c, "80 10 00 00", "90 00");
	fault(c, "t0-bad-procedure");
	assert_int_equal(tpdu(c, "80 10 00 00"), SIM_CARD_CONFLICT);
	fault(c, "t0-more-data value=1");
	say(c, "80 14 00 00 02", "00 01 EE 90 00");
	fault(c, "t0-less-data");
	say(c, "80 14 00 00 02", "00 90 00");
	fault(c, "t0-cut");
	say(c, "80 14 00 00 02", "00 01 90");
	end_with_complaints(c, 0, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_le),
		cmocka_unit_test(test_long_answer),
		cmocka_unit_test(test_tpdu_violations),
		cmocka_unit_test(test_gsm),
		cmocka_unit_test(test_echo),
		cmocka_unit_test(test_envelope),
		cmocka_unit_test(test_chars_all),
		cmocka_unit_test(test_chars_one),
		cmocka_unit_test(test_chars_null),
		cmocka_unit_test(test_chars_violations),
		cmocka_unit_test(test_faults_chars),
		cmocka_unit_test(test_faults_tpdu),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
