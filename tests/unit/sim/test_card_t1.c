/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The card's T=1, by conversations in the manner of ISO 7816-3:2006 annex A. The hex text of a
 * block leaves out its LRC. */
#include "card_talk.h"

static struct talk t;

static int send_block(struct sim_card *c, const char *in)
{
	t.in_len = add_lrc(t.in, from_hex(in, t.in, sizeof t.in - 1));
	return sim_card_t1_block(c, t.in, t.in_len, t.out, &t.out_len, &t.work);
}

static void say(struct sim_card *c, const char *in, const char *want)
{
	uint8_t b[1024];

	assert_int_equal(send_block(c, in), SIM_CARD_OK);
	expect_bytes(&t, b, add_lrc(b, from_hex(want, b, sizeof b - 1)));
}

/* Like say(), but the card's block is compared with its LRC. */
static void say_raw(struct sim_card *c, const char *in, const char *want)
{
	assert_int_equal(send_block(c, in), SIM_CARD_OK);
	expect_hex(&t, want);
}

#define NOP0	"00 00 05 80 10 00 00 00"	/* case 2 form of NOP: 9000 without data */
#define NOP1	"00 40 05 80 10 00 00 00"
#define SW0	"00 00 02 90 00"
#define SW1	"00 40 02 90 00"
#define R0	"00 80 00"
#define R1	"00 90 00"

static void test_simple(void **state)
{
	struct sim_card *c = card_on("t1");

	(void)state;
	assert_int_equal(sim_card_protocol(c), 1);
	say_raw(c, NOP0, "00 00 02 90 00 92");
	say(c, NOP1, SW1);
	say(c, "00 00 04 80 10 00 00", SW0);
	say(c, "00 C1 01 FE", "00 E1 01 FE");
	say(c, "00 40 08 80 16 00 00 02 AB CD 00", "00 40 04 AB CD 90 00");
	end_with_complaints(c, 0, NULL);
}

/* Another card's recorded answers move the card: sizes of 0 and 255 are reserved (ISO 7816-3:2006 §11.4.2). */
static void test_recorded_sizes(void **state)
{
	struct sim_card *c = card_on("t1");
	uint8_t in[8], out[8];
	static const char *const sizes[][2] = { { "00 C1 01 00", "00 E1 01 00" }, { "00 C1 01 FF", "00 E1 01 FF" },
						{ "00 40 01 00", "00 C1 01 00" }, { "00 40 01 00", "00 C1 01 FF" } };
	(void)state;

	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		sim_card_follow(c, in, add_lrc(in, from_hex(sizes[i][0], in, sizeof in - 1)),
				out, add_lrc(out, from_hex(sizes[i][1], out, sizeof out - 1)));
		sim_card_t1_passed(c, 40, 40);
	}
	/* the default IFSD of 32, twice 40 bytes in blocks of 32 */
	say(c, "00 C0 00", "00 E0 00");
	say(c, NOP0, SW0);
	end_with_complaints(c, 0, NULL);
}

static void test_ifsd_and_chain_out(void **state)
{
	struct sim_card *c = card_on("t1");

	(void)state;
	/* before S(IFS) the IFSD is 32 */
	say(c, "00 00 05 80 14 00 28 28", "00 20 20"
	    "000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F");
	say(c, R1, "00 40 0A 20 21 22 23 24 25 26 27 90 00");
	say(c, "00 C1 01 10", "00 E1 01 10");
	say(c, "00 40 05 80 14 00 12 12", "00 20 10 000102030405060708090A0B0C0D0E0F");
	say(c, R1, "00 40 04 10 11 90 00");
	end_with_complaints(c, 0, NULL);
}

static void test_chain_in(void **state)
{
	struct sim_card *c = card_on("t1");

	(void)state;
	say(c, "00 20 03 80 16 00", R1);
	say(c, "00 60 03 00 04 01", R0);
	say(c, "00 00 04 02 03 04 00", "00 00 06 01 02 03 04 90 00");
	end_with_complaints(c, 0, NULL);
}

static void test_ifsc(void **state)
{
	struct sim_card *c = card_on("t1 ifsc=8");

	(void)state;
	say(c, "00 00 09 80 16 00 00 03 01 02 03 00", "00 82 00");
	say(c, "00 00 08 80 16 00 00 03 01 02 03", "00 00 02 90 00");
	end_with_complaints(c, 1, "longer than IFSC");
}

static void test_retransmission(void **state)
{
	struct sim_card *c = card_on("t1");

	(void)state;
	/* the card's block is damaged: the R-block carries the N(S) that is missing */
	fault(c, "t1-bad-edc");
	say_raw(c, NOP0, "00 00 02 90 00 C8");
	say(c, "00 81 00", SW0);
	/* a damaged acknowledgement within a chain */
	fault(c, "t1-bad-edc on=r");
	say_raw(c, "00 60 03 80 16 00", "00 80 00 DA");
	say(c, "00 91 00", R0);
	say(c, "00 00 03 00 01 77", "00 40 02 90 00");
	/* a damaged S(response): the request goes again, rule 7.3 */
	fault(c, "t1-bad-edc on=s");
	say(c, "00 40 04 80 10 00 00", SW0);
	say_raw(c, "00 C1 01 20", "00 E1 01 20 9A");
	say(c, "00 C1 01 20", "00 E1 01 20");
	end_with_complaints(c, 0, NULL);
}

static void test_asking_for_nothing(void **state)
{
	struct sim_card *c = card_on("t1");

	(void)state;
	say(c, NOP0, SW0);
	say(c, R0, SW0);
	assert_int_equal(sim_card_complaints(c), 1);
	sim_card_lost(c);
	say(c, R0, SW0);
	assert_int_equal(sim_card_complaints(c), 1);
	say(c, R1, "00 92 00");
	end_with_complaints(c, 2, "acknowledges the end");
}

static void test_wrong_blocks(void **state)
{
	static const struct { const char *in, *want, *text; } rows[] = {
		{ NOP1, "00 82 00", "wrong N(S)" },
		{ "00 00 FF", "00 82 00", "LEN is FF" },
		{ "00 00 06 80 10 00 00 00", "00 82 00", "LEN does not fit" },
		{ "00 00", "00 82 00", "too short" },
		{ "00 01 05 80 10 00 00 00", "00 82 00", "reserved bits of an I" },
		{ "00 A0 00", "00 82 00", "reserved bits of an R" },
		{ "00 83 00", "00 82 00", "reserved bits of an R" },
		{ "00 80 01 00", "00 82 00", "R-block with an information" },
		{ "00 80 00", "00 82 00", "R-block as the first" },
		{ "00 C4 00", "00 82 00", "unknown S" },
		{ "00 C1 01 00", "00 82 00", "of 0 or 255" },
		{ "00 C1 01 FF", "00 82 00", "of 0 or 255" },
		{ "00 C1 00", "00 82 00", "S-block of a wrong length" },
		{ "00 C0 01 00", "00 82 00", "S-block of a wrong length" },
		{ "00 C3 01 01", "00 82 00", "from the interface device" },
		{ "00 E3 01 01", "00 82 00", "without a request" },
		{ "00 C2 00", "00 E2 00", "without a chain" },
		{ "80 00 05 80 10 00 00 00", "00 82 00", "NAD" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct sim_card *c = card_on("t1");

		if (strcmp(rows[i].text, "without a chain") == 0) {
			assert_int_equal(send_block(c, rows[i].in), SIM_CARD_OK);
		} else {
			say(c, rows[i].in, rows[i].want);
			say(c, NOP0, SW0);	/* none of it was accepted */
		}
		end_with_complaints(c, 1, rows[i].text);
	}
}

static void test_epilogue(void **state)
{
	struct sim_card *c = card_on("t1");
	const uint8_t bad[] = { 0x00, 0x00, 0x05, 0x80, 0x10, 0, 0, 0, 0x00 };

	(void)state;
	assert_int_equal(sim_card_t1_block(c, bad, sizeof bad, t.out, &t.out_len, &t.work), 0);
	expect_hex(&t, "00 81 00 81");
	end_with_complaints(c, 1, "epilogue");
}

static void raw(struct sim_card *c, const char *in, const char *want)
{
	t.in_len = from_hex(in, t.in, sizeof t.in);
	assert_int_equal(sim_card_t1_block(c, t.in, t.in_len, t.out, &t.out_len, &t.work), 0);
	expect_hex(&t, want);
}

static void test_crc(void **state)
{
	struct sim_card *c = card_on("t1crc crc=iso");

	(void)state;
	raw(c, "00 C1 01 FE B1 AB", "00 E1 01 FE 8A A8");
	raw(c, "00 00 05 80 10 00 00 00 00 DE", "00 00 02 90 00 92 63");
	raw(c, "00 C1 01 FE B1 AC", "00 91 00 49 C6");
	end_with_complaints(c, 1, "epilogue");
	c = card_on("t1crc crc=plain");
	raw(c, "00 C1 01 FE 54 4E", "00 E1 01 FE 57 75");
	end_with_complaints(c, 0, NULL);
	c = card_on("t1crc");
	raw(c, "00 C1 01 FE 54 4E", "00 E1 01 FE 57 75");
	end_with_complaints(c, 0, NULL);
}

static void test_nad(void **state)
{
	struct sim_card *c = card_on("t1");

	(void)state;
	say(c, "21 00 05 80 10 00 00 00", "12 00 02 90 00");
	end_with_complaints(c, 0, NULL);
	c = card_on("t1 nad=echo");
	say(c, "21 00 05 80 10 00 00 00", "21 00 02 90 00");
	end_with_complaints(c, 0, NULL);
}

static void test_wtx(void **state)
{
	struct sim_card *c = card_on("t1 wtx=3 wtx_count=2 time_us=3000");

	(void)state;
	say(c, NOP0, "00 C3 01 03");
	assert_int_equal(t.work, 1000000);
	say(c, "00 E3 01 03", "00 C3 01 03");
	say(c, "00 E3 01 03", SW0);
	assert_int_equal(t.work, 1000000);
	say(c, NOP1, "00 C3 01 03");
	say(c, "00 E3 01 02", "00 C3 01 03");
	end_with_complaints(c, 1, "does not fit");

	/* BWI 4: BWT 1,43 s; 2 s of work need one more */
	c = card_on("t1");
	say(c, "00 00 04 80 18 07 D0", "00 C3 01 01");
	say(c, "00 E3 01 01", SW0);
	end_with_complaints(c, 0, NULL);
	c = card_on("t1 wtx=off");
	say(c, "00 00 04 80 18 07 D0", SW0);
	assert_int_equal(t.work, 2000000000u);
	end_with_complaints(c, 0, NULL);
}

static void test_resynch(void **state)
{
	struct sim_card *c = card_on("t1");

	(void)state;
	say(c, NOP0, SW0);
	say(c, "00 60 03 80 16 00", R0);
	say(c, "00 C0 00", "00 E0 00");		/* in a chain: the card forgets all of it */
	say(c, NOP0, SW0);
	fault(c, "t1-no-resynch");
	say(c, "00 C0 00", "00 92 00");
	say(c, "00 C0 00", "00 E0 00");
	say(c, NOP0, SW0);
	end_with_complaints(c, 0, NULL);
}

static void test_damage(void **state)
{
	static const struct { const char *fault, *came; } rows[] = {
		{ "t1-bad-nad", "21 00 02 90 00 B3" },
		{ "t1-len-255", "00 00 FF 90 00 6F" },
		{ "t1-len-beyond", "00 00 0C 90 00 9C" },
		{ "t1-bad-edc", "00 00 02 90 00 C8" },
		{ "t1-bad-ns", "00 40 02 90 00 D2" },
		{ "t1-cut value=2", "00 00 02 90" },
		{ "t1-empty", "" },
		{ "t1-extra", "00 00 02 90 00 92 EE EE EE" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct sim_card *c = card_on("t1");

		fault(c, rows[i].fault);
		say_raw(c, NOP0, rows[i].came);
		say(c, "00 82 00", SW0);
		say(c, NOP1, SW1);
		end_with_complaints(c, 0, NULL);
	}
}

static void test_fault_window(void **state)
{
	struct sim_card *c = card_on("t1");

	(void)state;
	fault(c, "t1-bad-edc nth=2 count=2");
	say(c, NOP0, SW0);
	say_raw(c, NOP1, "00 40 02 90 00 88");
	say_raw(c, "00 91 00", "00 40 02 90 00 88");
	say(c, "00 91 00", SW1);
	fault(c, "t1-mute count=0 until=reset");
	for (int i = 0; i < 10; i++)
		assert_int_equal(send_block(c, i == 0 ? NOP0 : R0), SIM_CARD_MUTE);
	fault(c, "clear");
	say(c, R0, SW0);
	fault(c, "t1-mute count=0 until=reset");
	assert_int_equal(send_block(c, NOP1), SIM_CARD_MUTE);
	sim_card_reset(c, 0, true, &t.out_len);
	say(c, NOP0, SW0);
	end_with_complaints(c, 0, NULL);
}

/* Requests that the standard allows are answered, then the exchange goes on. */
static void test_requests(void **state)
{
	struct sim_card *c = card_on("t1");

	(void)state;
	fault(c, "t1-wtx-255");
	say(c, NOP0, "00 C3 01 FF");
	say(c, "00 E3 01 FF", SW0);
	fault(c, "t1-ifs value=4");
	say(c, NOP1, "00 C1 01 04");
	say(c, "00 E1 01 04", SW1);
	say(c, NOP0, "00 82 00");		/* 5 bytes: beyond the new IFSC */
	say(c, "00 20 04 80 10 00 00", R1);
	say(c, "00 40 01 00", SW0);
	assert_int_equal(sim_card_complaints(c), 1);
	/* a lost request is sent again, rule 7.3 */
	fault(c, "t1-wtx-255");
	fault(c, "t1-mute");
	assert_int_equal(send_block(c, "00 00 04 80 10 00 00"), SIM_CARD_MUTE);
	say(c, "00 90 00", "00 C3 01 FF");
	say(c, "00 E3 01 FF", SW1);
	end_with_complaints(c, 1, "IFSC");
}

static void test_abort(void **state)
{
	struct sim_card *c = card_on("t1");

	(void)state;
	fault(c, "t1-abort");
	say(c, "00 20 03 80 16 00", "00 C2 00");
	say(c, "00 E2 00", R1);
	say(c, NOP1, SW0);
	/* the interface device aborts the card's chain */
	say(c, "00 C1 01 10", "00 E1 01 10");
	say(c, "00 00 05 80 14 00 12 12", "00 60 10 000102030405060708090A0B0C0D0E0F");
	say(c, "00 C2 00", "00 E2 00");
	say(c, NOP1, SW0);
	end_with_complaints(c, 0, NULL);
}

/* Wrong requests are refused with an R-block, and the answer comes. */
static void test_illegal_requests(void **state)
{
	static const struct { const char *fault, *came; } rows[] = {
		{ "t1-ifs-0", "00 C1 01 00" }, { "t1-ifs-255", "00 C1 01 FF" },
		{ "t1-wtx-0", "00 C3 01 00" }, { "t1-resynch", "00 C0 00" },
		{ "t1-unknown-s", "00 DF 01 00" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct sim_card *c = card_on("t1");
		char twice[60];

		snprintf(twice, sizeof twice, "%s count=2", rows[i].fault);
		fault(c, twice);
		say(c, NOP0, rows[i].came);
		say(c, "00 82 00", rows[i].came);
		say(c, "00 82 00", SW0);
		end_with_complaints(c, 0, NULL);
	}
}

static void test_r_block(void **state)
{
	struct sim_card *c = card_on("t1");

	(void)state;
	fault(c, "t1-r-block count=3");
	for (int i = 0; i < 3; i++)
		say(c, NOP0, "00 82 00");
	say(c, NOP0, SW0);
	end_with_complaints(c, 0, NULL);
}

static void test_out_of_turn(void **state)
{
	struct sim_card *c = card_on("t1 chain=1");

	(void)state;
	say(c, NOP0, "00 20 01 90");
	say(c, NOP1, "00 92 00");
	assert_int_equal(sim_card_complaints(c), 1);
	fault(c, "t1-wtx-255");
	say(c, "00 90 00", "00 C3 01 FF");
	say(c, NOP1, "00 C3 01 FF");
	say(c, "00 C1 01 FE", "00 C3 01 FF");
	say(c, "00 E3 01 FF", "00 40 01 00");
	end_with_complaints(c, 3, "in place of an S(response)");
}

/* 64 KiB in both directions, compared byte for byte. */
static void test_long(void **state)
{
	struct sim_card *c = card_on("t1");
	static uint8_t apdu[65544], got[65600];
	size_t sent = 0, have = 0, n;
	uint8_t b[300], ns = 0, pcb;

	(void)state;
	say(c, "00 C1 01 FE", "00 E1 01 FE");
	from_hex("80160000 00FFFF", apdu, 7);
	for (size_t i = 0; i < 65535; i++)
		apdu[7 + i] = (uint8_t)(i * 7 + (i >> 8));
	do {
		n = 65544 - sent < 254 ? 65544 - sent : 254;
		b[0] = 0;
		b[1] = (uint8_t)(ns << 6 | (sent + n < 65544 ? 0x20 : 0));
		b[2] = (uint8_t)n;
		memcpy(b + 3, apdu + sent, n);
		sent += n;
		n = add_lrc(b, n + 3);
		assert_int_equal(sim_card_t1_block(c, b, n, t.out, &t.out_len, &t.work), 0);
		ns ^= 1;
	} while (sent < 65544);
	for (;;) {
		pcb = t.out[1];
		memcpy(got + have, t.out + 3, t.out[2]);
		have += t.out[2];
		if (!(pcb & 0x20))
			break;
		send_block(c, pcb & 0x40 ? R0 : R1);
	}
	assert_int_equal(have, 65537);
	assert_memory_equal(got, apdu + 7, 65535);
	assert_memory_equal(got + 65535, "\x90\x00", 2);
	end_with_complaints(c, 0, NULL);
}

static void test_wrong_protocol(void **state)
{
	struct sim_card *c = card_on("t0t1");

	(void)state;
	assert_int_equal(send_block(c, NOP0), SIM_CARD_MUTE);
	end_with_complaints(c, 1, "T=1 spoken to a card that speaks T=0");
	c = card_off("t1");
	assert_int_equal(send_block(c, NOP0), SIM_CARD_MUTE);
	end_with_complaints(c, 1, "without power");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_simple),
		cmocka_unit_test(test_recorded_sizes),
		cmocka_unit_test(test_ifsd_and_chain_out),
		cmocka_unit_test(test_chain_in),
		cmocka_unit_test(test_ifsc),
		cmocka_unit_test(test_retransmission),
		cmocka_unit_test(test_asking_for_nothing),
		cmocka_unit_test(test_wrong_blocks),
		cmocka_unit_test(test_epilogue),
		cmocka_unit_test(test_crc),
		cmocka_unit_test(test_nad),
		cmocka_unit_test(test_wtx),
		cmocka_unit_test(test_resynch),
		cmocka_unit_test(test_damage),
		cmocka_unit_test(test_fault_window),
		cmocka_unit_test(test_requests),
		cmocka_unit_test(test_abort),
		cmocka_unit_test(test_illegal_requests),
		cmocka_unit_test(test_r_block),
		cmocka_unit_test(test_out_of_turn),
		cmocka_unit_test(test_long),
		cmocka_unit_test(test_wrong_protocol),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
