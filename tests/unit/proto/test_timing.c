/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/timing.h"

#include <setjmp.h>
#include <stdarg.h>
#include "unit/unit_cmocka.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void fi_and_di_are_those_of_the_standard(void **state)
{
	/* Tables 7 and 8 of ISO 7816-3, typed a second time; 0: reserved. */
	static const unsigned F[16] = { 372, 372, 558, 744, 1116, 1488, 1860, 0,
					0, 512, 768, 1024, 1536, 2048, 0, 0 };
	static const unsigned D[16] = { 0, 1, 2, 4, 8, 16, 32, 64, 12, 20, 0, 0, 0, 0, 0, 0 };

	(void)state;
	for (unsigned TA1 = 0; TA1 < 256; TA1++) {
		unsigned f = F[TA1 >> 4], d = D[TA1 & 15];

		assert_int_equal(timing_fi((uint8_t)TA1), f ? f : 372);
		assert_int_equal(timing_di((uint8_t)TA1), d ? d : 1);
		assert_int_equal(timing_known((uint8_t)TA1), f && d);
		assert_int_equal(timing_baud(3571, (uint8_t)TA1), f && d ? 3571000 * d / f : 0);
	}
}

static void baud_rates_are_rounded_down(void **state)
{
	static const struct {
		uint32_t khz;
		uint8_t TA1;
		uint32_t bps;
	} rows[] = {
		{ 4000, 0x11, 10752 }, { 4000, 0x94, 62500 }, { 4000, 0x95, 125000 },
		{ 4000, 0x96, 250000 }, { 4000, 0x97, 500000 }, { 4000, 0x18, 129032 },
		{ 4000, 0x19, 215053 }, { 4800, 0x13, 51612 }, { 3700, 0x96, 231250 },
		{ 3580, 0x11, 9623 }, { 0, 0x96, 0 }, { 1, 0xD1, 0 },
		{ 4000, 0x10, 0 }, { 4000, 0x71, 0 }, { 4000, 0xFF, 0 },
		{ UINT32_MAX, 0x97, UINT32_MAX }, { 1024000, 0x11, 2752688 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		assert_int_equal(timing_baud(rows[i].khz, rows[i].TA1), rows[i].bps);
}

/* A card of 4 MHz at default speed: WT = 10 x 960 x 372 / 4 MHz = 892.8 ms. */
static const struct timing plain = { 4000, 372, 1, 0, 10, 4, 13 };

static void near(unsigned got, unsigned want)
{
	assert_in_range(got, want, want + 1);
}

static void t0_waits_follow_the_standard(void **state)
{
	struct timing t = plain;

	(void)state;
	assert_int_equal(timing_t0_ms(&t, 0, 0), 3000);
	assert_int_equal(timing_t0_ms(&t, 1, 0), 3000);
	assert_int_equal(timing_t0_ms(&t, 0, 2), 3000);
	near(timing_t0_ms(&t, 1, 2), 3679);		/* 2678.4 + 1000 */
	near(timing_t0_ms(&t, 5, 2), 7250);		/* 6249.6 + 1000 */
	near(timing_t0_ms(&t, 2, 5), 7250);
	near(timing_t0_ms(&t, 261, 2), 235807);		/* 234806.4 + 1000 */
	assert_int_equal(timing_t0_ms(&t, 261, 258), 300000);
	t.Di = 32;	/* WT does not depend on D */
	near(timing_t0_ms(&t, 5, 2), 7250);
	t.Fi = 512;
	near(timing_t0_ms(&t, 5, 2), 9602);		/* 7 x 1228.8 + 1000 */
	t.WI = 1;
	near(timing_t0_ms(&t, 50, 2), 7390);		/* 52 x 122.88 + 1000 */
	t.WI = 255;
	near(timing_t0_ms(&t, 5, 2), 220340);		/* 7 x 31334.4 + 1000 */
}

static void t1_waits_follow_the_standard(void **state)
{
	struct timing t = plain;

	(void)state;
	/* BWT = 11 x 0.093 + 16 x 89.28 = 1429.503 ms; CWT = 8203 x 0.093 = 762.879 ms */
	assert_int_equal(timing_t1_ms(&t, 0, 0, 1), 3000);
	near(timing_t1_ms(&t, 0, 2, 1), 3956);		/* 1429.503 + 1525.758 + 1000 */
	near(timing_t1_ms(&t, 2, 0, 1), 3956);
	near(timing_t1_ms(&t, 0, 2, 0), 3956);		/* 0 counts as 1 */
	near(timing_t1_ms(&t, 0, 2, 3), 6815);		/* 4288.509 + 1525.758 + 1000 */
	near(timing_t1_ms(&t, 0, 0, 200), 286901);
	assert_int_equal(timing_t1_ms(&t, 0, 0, 255), 300000);
	t.CWI = 5;	/* CWT = 43 x 0.093 = 3.999 ms */
	near(timing_t1_ms(&t, 258, 258, 2), 5923);	/* 2859.006 + 516 x 3.999 + 1000 */
	t.BWI = 9;	/* 512 x 89.28 = 45711.36 */
	near(timing_t1_ms(&t, 4, 4, 1), 46745);		/* 45712.383 + 31.992 + 1000 */
	t.BWI = 15;
	assert_int_equal(timing_t1_ms(&t, 4, 4, 1), 300000);
	/* A faster card: etu = 512/32 cycles = 0.004 ms; BWI counts 372 cycles whatever F is */
	t = plain;
	t.Fi = 512;
	t.Di = 32;
	near(timing_t1_ms(&t, 0, 258, 2), 12323);	/* 2857.048 + 258 x 32.812 + 1000 */
}

/* TC1 delays the bytes that the reader sends: it counts where CWT is shorter. */
static void guard_time_counts_where_cwt_is_shorter(void **state)
{
	struct timing t = { 4000, 372, 1, 254, 10, 0, 0 };

	(void)state;
	/* BWT 90.303; CWT 12 etu = 1.116; the reader's bytes 266 etu = 24.738 */
	near(timing_t1_ms(&t, 258, 0, 1), 7473);	/* 90.303 + 6382.404 + 1000 */
	assert_int_equal(timing_t1_ms(&t, 0, 258, 1), 3000);
	near(timing_t1_ms(&t, 100, 1000, 1), 4681);	/* 90.303 + 2473.8 + 1116 + 1000 */
	t.TC1 = 0xFF;	/* 11 etu: CWT is longer */
	near(timing_t1_ms(&t, 2000, 0, 1), 3323);	/* 90.303 + 2232 + 1000 */
}

static void extremes_do_not_overflow(void **state)
{
	static const struct timing zero;
	struct timing t = { UINT32_MAX, 1, 64, 0, 1, 0, 0 };

	(void)state;
	assert_int_equal(timing_t0_ms(&t, 500, 500), 3000);
	assert_int_equal(timing_t1_ms(&t, 500, 500, 1), 3000);
	t = (struct timing){ 1, 0xFFFF, 1, 255, 255, 255, 255 };
	assert_int_equal(timing_t0_ms(&t, SIZE_MAX, SIZE_MAX), 300000);
	assert_int_equal(timing_t1_ms(&t, SIZE_MAX, SIZE_MAX, 255), 300000);
	/* Parameters that are not set: no division by zero. */
	assert_int_equal(timing_t0_ms(&zero, 0, 0), 3000);
	assert_in_range(timing_t0_ms(&zero, 5, 5), 3000, 300000);
	assert_in_range(timing_t1_ms(&zero, 5, 5, 1), 3000, 300000);
}

/* Whole commands, at levels where the reader exchanges the blocks: a short command is given the
 * time of a long one. */
static void whole_t0_commands_have_time(void **state)
{
	static const struct {
		uint8_t TA1, TC1, WI;
		uint32_t khz;
		unsigned ms;
	} rows[] = {
		{ 0x11, 0, 10, 4000, 233133 },		/* 5 x 1.116 + 260 x 892.8 + 1000 */
		{ 0x11, 0xFF, 10, 4000, 233133 },
		{ 0x11, 254, 10, 4000, 233251 },	/* 5 x 24.738 + 232128 + 1000 */
		{ 0x95, 0, 10, 4000, 300000 },		/* 260 x 1228.8 = 319488 */
		{ 0x96, 0, 10, 4000, 300000 },
		{ 0x11, 0, 1, 4000, 24218 },		/* 5.58 + 260 x 89.28 + 1000 */
		{ 0x11, 254, 1, 100000, 3000 },
		{ 0x96, 0, 1, 5000, 26559 },		/* 0.192 + 260 x 98.304 + 1000 */
		{ 0x18, 0, 255, 4000, 300000 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct timing t = { rows[i].khz, timing_fi(rows[i].TA1), timing_di(rows[i].TA1), rows[i].TC1,
				    rows[i].WI, 4, 13 };

		near(timing_t0_command_ms(&t, 5, 2), rows[i].ms);
		near(timing_t0_command_ms(&t, 0, 0), rows[i].ms);
		/* never less than the time of the bytes themselves */
		assert_true(timing_t0_command_ms(&t, 65544, 258) >= timing_t0_ms(&t, 65544, 258));
	}
}

static void whole_t1_commands_have_time(void **state)
{
	struct timing t = plain;

	(void)state;
	/* 260 x 12 x 0.093 + 1429.503 + 260 x 762.879 + 1000 */
	near(timing_t1_command_ms(&t, 5, 2), 201068);
	t.CWI = 5;	/* 290.16 + 1429.503 + 260 x 3.999 + 1000 = 3759 */
	assert_int_equal(timing_t1_command_ms(&t, 5, 2), 60000);
	t.TC1 = 254;	/* 260 x 24.738 = 6431.88 in place of 290.16: 9901 */
	assert_int_equal(timing_t1_command_ms(&t, 5, 2), 60000);
	t.BWI = 9;	/* 6431.88 + 45712.383 + 1039.74 + 1000 = 54184 */
	assert_int_equal(timing_t1_command_ms(&t, 5, 2), 60000);
	t.BWI = 10;	/* 6431.88 + 91423.743 + 1039.74 + 1000 */
	near(timing_t1_command_ms(&t, 5, 2), 99895);
	near(timing_t1_command_ms(&t, 0, 0), 99895);
	assert_int_equal(timing_t1_command_ms(&t, 65544, 65538), 300000);
	t.BWI = 15;
	assert_int_equal(timing_t1_command_ms(&t, 5, 2), 300000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fi_and_di_are_those_of_the_standard),
		cmocka_unit_test(baud_rates_are_rounded_down),
		cmocka_unit_test(t0_waits_follow_the_standard),
		cmocka_unit_test(t1_waits_follow_the_standard),
		cmocka_unit_test(whole_t0_commands_have_time),
		cmocka_unit_test(whole_t1_commands_have_time),
		cmocka_unit_test(guard_time_counts_where_cwt_is_shorter),
		cmocka_unit_test(extremes_do_not_overflow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
