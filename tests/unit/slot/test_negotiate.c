/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "slot/negotiate.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "unit/unit_cmocka.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define KEEP 1
#define NO_IFSD 2

struct reader {
	struct ccid_desc desc;
	const uint32_t *rates;
	size_t n_rates;
	enum exchange_level level;	/* expected */
	size_t max_data;		/* expected */
};

/* Descriptors of real readers. The Alcor's table and maximum are without the rates above 200000, as
 * its quirk leaves them. */
static const uint32_t twin_rates[] = {
	10753, 14337, 15625, 17204, 20833, 21505, 23438, 25806, 28674, 31250, 32258, 34409,
	39063, 41667, 43011, 46875, 52083, 53763, 57348, 62500, 64516, 68817, 71685, 78125,
	83333, 86022, 93750, 104167, 107527, 114695, 125000, 129032, 143369, 156250, 166667,
	172043, 215054, 229391, 250000, 344086
};
static const uint32_t au9540_rates[] = {
	10753, 21505, 31250, 43011, 62500, 64516, 86022, 93750, 107527, 125000, 129032, 161290,
	172043, 187500
};
static const uint32_t au9540_37_rates[] = {
	9946, 19892, 28906, 39785, 57813, 59677, 79570, 86719, 99462, 115625, 119355, 159140,
	198925
};

static const struct reader rd_plain = {
	{ .dwDefaultClock = 4000, .dwMaxDataRate = 344086, .dwFeatures = 0x10230, .dwProtocols = 3,
	  .dwMaxIFSD = 254, .dwMaxCCIDMessageLength = 271, .bInterfaceProtocol = 0 },
	NULL, 0, LEVEL_TPDU, 261
};
static const struct reader rd_twin = {
	{ .dwDefaultClock = 4000, .dwMaxDataRate = 344086, .dwFeatures = 0x10230, .dwProtocols = 3,
	  .dwMaxIFSD = 254, .dwMaxCCIDMessageLength = 271, .bInterfaceProtocol = 0 },
	twin_rates, COUNT(twin_rates), LEVEL_TPDU, 261
};
static const struct reader rd_scr = {
	{ .dwDefaultClock = 4000, .dwMaxDataRate = 344105, .dwFeatures = 0x100BA, .dwProtocols = 3,
	  .dwMaxIFSD = 252, .dwMaxCCIDMessageLength = 271, .bInterfaceProtocol = 0 },
	NULL, 0, LEVEL_TPDU, 261
};
static const struct reader rd_au9540 = {
	{ .dwDefaultClock = 4000, .dwMaxDataRate = 200000, .dwFeatures = 0x404BE, .dwProtocols = 3,
	  .dwMaxIFSD = 254, .dwMaxCCIDMessageLength = 272, .bInterfaceProtocol = 0 },
	au9540_rates, COUNT(au9540_rates), LEVEL_EXTENDED_APDU, 262
};
static const struct reader rd_au9540_37 = {
	{ .dwDefaultClock = 3700, .dwMaxDataRate = 200000, .dwFeatures = 0x404BE, .dwProtocols = 3,
	  .dwMaxIFSD = 254, .dwMaxCCIDMessageLength = 272, .bInterfaceProtocol = 0 },
	au9540_37_rates, COUNT(au9540_37_rates), LEVEL_EXTENDED_APDU, 262
};
static const struct reader rd_cm3121 = {
	{ .dwDefaultClock = 4800, .dwMaxDataRate = 412903, .dwFeatures = 0x407B2, .dwProtocols = 3,
	  .dwMaxIFSD = 492, .dwMaxCCIDMessageLength = 502, .bInterfaceProtocol = 0 },
	NULL, 0, LEVEL_EXTENDED_APDU, 492
};
static const struct reader rd_auto = {
	{ .dwDefaultClock = 4000, .dwMaxDataRate = 10000, .dwFeatures = 0x1007E, .dwProtocols = 3,
	  .dwMaxIFSD = 0, .dwMaxCCIDMessageLength = 271, .bInterfaceProtocol = 0 },
	NULL, 0, LEVEL_TPDU, 261
};
static const struct reader rd_oz = {
	{ .dwDefaultClock = 4000, .dwMaxDataRate = 9600, .dwFeatures = 0x00030, .dwProtocols = 3,
	  .dwMaxIFSD = 254, .dwMaxCCIDMessageLength = 271, .bInterfaceProtocol = 0 },
	NULL, 0, LEVEL_CHARACTER, 261
};
static const struct reader rd_t0only = {
	{ .dwDefaultClock = 3580, .dwMaxDataRate = 9600, .dwFeatures = 0x204BA, .dwProtocols = 1,
	  .dwMaxIFSD = 0, .dwMaxCCIDMessageLength = 64, .bInterfaceProtocol = 0 },
	NULL, 0, LEVEL_SHORT_APDU, 54
};
static const struct reader rd_t1only = {
	{ .dwDefaultClock = 4000, .dwMaxDataRate = 500000, .dwFeatures = 0x10030, .dwProtocols = 2,
	  .dwMaxIFSD = 1024, .dwMaxCCIDMessageLength = 11, .bInterfaceProtocol = 0 },
	NULL, 0, LEVEL_TPDU, 1
};
static const struct reader rd_swapped = {
	{ .dwDefaultClock = 1024000, .dwMaxDataRate = 129032, .dwFeatures = 0x10230,
	  .dwProtocols = 0x300,
	  .dwMaxIFSD = 254, .dwMaxCCIDMessageLength = 271, .bInterfaceProtocol = 0 },
	NULL, 0, LEVEL_TPDU, 261
};
static const struct reader rd_noclock = {
	{ .dwDefaultClock = 0, .dwMaxDataRate = 0, .dwFeatures = 0x10030, .dwProtocols = 3,
	  .dwMaxIFSD = 16, .dwMaxCCIDMessageLength = 9, .bInterfaceProtocol = 0 },
	NULL, 0, LEVEL_TPDU, 1
};
static const struct reader rd_iccda = {
	{ .dwDefaultClock = 4000, .dwMaxDataRate = 115200, .dwFeatures = 0x100BA, .dwProtocols = 3,
	  .dwMaxIFSD = 254, .dwMaxCCIDMessageLength = 263, .bInterfaceProtocol = 1 },
	NULL, 0, LEVEL_TPDU, 253
};
static const struct reader rd_iccdb = {
	{ .dwDefaultClock = 3580, .dwMaxDataRate = 9600, .dwFeatures = 0x40840, .dwProtocols = 2,
	  .dwMaxIFSD = 0, .dwMaxCCIDMessageLength = 261, .bInterfaceProtocol = 2 },
	NULL, 0, LEVEL_EXTENDED_APDU, 251
};
static const struct reader rd_length10 = {
	{ .dwDefaultClock = 4000, .dwMaxDataRate = 344086, .dwFeatures = 0x10030, .dwProtocols = 3,
	  .dwMaxIFSD = 254, .dwMaxCCIDMessageLength = 10, .bInterfaceProtocol = 0 },
	NULL, 0, LEVEL_TPDU, 1
};
static const struct reader rd_length14 = {
	{ .dwDefaultClock = 4000, .dwMaxDataRate = 344086, .dwFeatures = 0x10030, .dwProtocols = 3,
	  .dwMaxIFSD = 254, .dwMaxCCIDMessageLength = 14, .bInterfaceProtocol = 0 },
	NULL, 0, LEVEL_TPDU, 4
};
static const struct reader rd_length64 = {
	{ .dwDefaultClock = 4000, .dwMaxDataRate = 344086, .dwFeatures = 0x10030, .dwProtocols = 3,
	  .dwMaxIFSD = 254, .dwMaxCCIDMessageLength = 64, .bInterfaceProtocol = 0 },
	NULL, 0, LEVEL_TPDU, 54
};
static const struct reader rd_fast = {
	{ .dwDefaultClock = 4000, .dwMaxDataRate = 625000, .dwFeatures = 0x10030, .dwProtocols = 3,
	  .dwMaxIFSD = 255, .dwMaxCCIDMessageLength = UINT32_MAX, .bInterfaceProtocol = 0 },
	NULL, 0, LEVEL_TPDU, UINT32_MAX - 10
};

static const struct reader *const readers[] = {
	&rd_plain, &rd_twin, &rd_scr, &rd_au9540, &rd_au9540_37, &rd_cm3121, &rd_auto, &rd_oz,
	&rd_t0only, &rd_t1only, &rd_swapped, &rd_noclock, &rd_iccda, &rd_iccdb, &rd_length10,
	&rd_length14, &rd_length64, &rd_fast
};

static size_t hex(const char *text, uint8_t *out)
{
	size_t n = 0;
	unsigned v;

	for (; sscanf(text, "%2x", &v) == 1; text += text[2] ? 3 : 2)
		out[n++] = (uint8_t)v;
	return n;
}

static void expect_bytes(const char *want, const uint8_t *got, size_t len)
{
	uint8_t bytes[16];

	assert_int_equal(hex(want, bytes), len);
	assert_memory_equal(bytes, got, len);
}

/* The expected values were computed by a program that shares no code with the driver. */
static const struct row {
	const struct reader *reader;
	const char *atr;
	unsigned protocol;
	unsigned flags;
	enum ccid_err err;
	const char *pps, *params;
	unsigned spoken;		/* protocol */
	unsigned Fi, Di;
	bool negotiate_ifsd;
	unsigned ifsd, ifsc;
} rows[] = {
#include "negotiate_rows.h"
};

static void check_row(const struct row *row)
{
	uint8_t bytes[ATR_MAX];
	struct atr atr;
	struct negotiate_input in = {
		.atr = &atr, .desc = &row->reader->desc,
		.rates = row->reader->rates, .n_rates = row->reader->n_rates,
		.protocol = row->protocol,
		.keep_atr_protocol = row->flags & KEEP, .no_ifsd = row->flags & NO_IFSD,
	};
	struct negotiation n;
	const struct timing *t = &n.exchange.timing;

	memset(&n, 0xA5, sizeof n);
	assert_int_equal(atr_parse(&atr, bytes, hex(row->atr, bytes)), CCID_OK);
	assert_int_equal(negotiate_plan(&n, &in), row->err);
	if (row->err)
		return;
	expect_bytes(row->pps, n.pps, n.pps_len);
	assert_int_equal(n.send_pps, row->pps[0] != '\0');
	expect_bytes(row->params, n.params, n.params_len);
	assert_int_equal(n.set_parameters, row->params[0] != '\0');
	assert_int_equal(n.protocol, row->spoken);
	assert_int_equal(n.exchange.protocol, row->spoken);
	assert_int_equal(t->Fi, row->Fi);
	assert_int_equal(t->Di, row->Di);
	assert_int_equal(t->WI, atr.WI);
	assert_int_equal(t->CWI, atr.CWI);
	assert_int_equal(t->TC1, atr.TC1);
	assert_true(t->clock_khz >= 1);
	assert_int_equal(n.negotiate_ifsd, row->negotiate_ifsd);
	assert_int_equal(n.ifsd, row->ifsd);
	assert_int_equal(n.ifsc, row->ifsc);
	assert_int_equal(n.crc, atr.t1_crc);
	assert_int_equal(n.nad, 0);
	assert_int_equal(n.exchange.level, row->reader->level);
	assert_int_equal(n.exchange.max_data, row->reader->max_data);
}

static void every_row_is_negotiated(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		print_message("%zu: %s\n", i, rows[i].atr);
		check_row(&rows[i]);
	}
	assert_true(COUNT(rows) >= 100);
}

static struct negotiation planned(struct atr *atr, const char *text, struct negotiate_input *in)
{
	uint8_t bytes[ATR_MAX];
	struct negotiation n;

	assert_int_equal(atr_parse(atr, bytes, hex(text, bytes)), CCID_OK);
	in->atr = atr;
	assert_int_equal(negotiate_plan(&n, in), CCID_OK);
	return n;
}

static void openpgp_card_1_is_given_more_time(void **state)
{
	static const char text[] = "3B FA 13 00 FF 81 31 80 45 00 31 C1 73 C0 01 00 00 90 00 B1";
	struct negotiate_input in = { .desc = &rd_plain.desc, .protocol = 1 };
	struct atr atr;
	struct negotiation n = planned(&atr, text, &in);

	(void)state;
	assert_int_equal(n.exchange.timing.BWI, 7);
	assert_int_equal(n.exchange.timing.CWI, 5);
	/* The driver also needs the waiting times where the reader negotiates by itself. */
	in.desc = &rd_auto.desc;
	n = planned(&atr, text, &in);
	assert_int_equal(n.exchange.timing.BWI, 7);
}

static void quirks_reach_the_exchange(void **state)
{
	struct negotiate_input in = { .desc = &rd_plain.desc, .protocol = 1, .case1_needs_p3 = true,
				      .extra_t1_wait_ms = 300000 };
	struct atr atr;
	struct negotiation n = planned(&atr, "3B 80 80 01 01", &in);

	(void)state;
	assert_true(n.exchange.case1_needs_p3);
	assert_false(n.exchange.split_expected_64);
	assert_int_equal(n.exchange.extra_wait_ms, 300000);
	in.protocol = 0;
	in.case1_needs_p3 = false;
	in.split_expected_64 = true;
	n = planned(&atr, "3B 80 80 01 01", &in);
	assert_false(n.exchange.case1_needs_p3);
	assert_true(n.exchange.split_expected_64);
	assert_int_equal(n.exchange.extra_wait_ms, 0);
}

static void clocks_are_those_of_the_reader(void **state)
{
	struct negotiate_input in = { .desc = &rd_cm3121.desc, .protocol = 0 };
	struct atr atr;
	struct negotiation n = planned(&atr, "3B 00", &in);

	(void)state;
	assert_int_equal(n.exchange.timing.clock_khz, 4800);
	in.desc = &rd_noclock.desc;
	n = planned(&atr, "3B 00", &in);
	assert_int_equal(n.exchange.timing.clock_khz, 1000);
}

static void back_to_default_speed(void **state)
{
	struct negotiate_input in = { .desc = &rd_plain.desc, .protocol = 1 };
	struct atr atr;
	struct negotiation n = planned(&atr, "3B D0 96 FF 81 B1 FE 45 1F 07 2A", &in);

	(void)state;
	expect_bytes("96 10 FF 45 00 FE 00", n.params, n.params_len);
	negotiate_default_speed(&n, &in);
	expect_bytes("11 10 FF 45 00 FE 00", n.params, n.params_len);
	assert_int_equal(n.exchange.timing.Fi, 372);
	assert_int_equal(n.exchange.timing.Di, 1);
	assert_int_equal(n.exchange.timing.BWI, 4);
	assert_int_equal(n.exchange.max_data, 261);
	assert_int_equal(n.exchange.protocol, 1);
	assert_true(n.set_parameters);
	assert_true(n.negotiate_ifsd);
	assert_int_equal(n.ifsd, 254);
	in.protocol = 0;
	n = planned(&atr, "3F 50 96 05", &in);
	expect_bytes("96 02 05 0A 00", n.params, n.params_len);
	negotiate_default_speed(&n, &in);
	expect_bytes("11 02 05 0A 00", n.params, n.params_len);
}

static void an_empty_rate_table_is_ignored(void **state)
{
	static const uint32_t nothing[1];
	struct negotiate_input in = { .desc = &rd_plain.desc, .rates = nothing, .n_rates = 0 };
	struct atr atr;
	struct negotiation n = planned(&atr, "3B 10 96", &in);

	(void)state;
	expect_bytes("FF 10 96 79", n.pps, n.pps_len);
}

/* A rate of the table may differ from 62500 bps (4000 kHz, TA1 94) by the tolerance. */
static void a_rate_within_the_tolerance_counts(void **state)
{
	static const struct {
		uint32_t rate;
		bool used;
	} edges[] = { { 62497, false }, { 62498, true }, { 62499, true }, { 62500, true },
		      { 62501, true }, { 62502, true }, { 62503, false }, { 0, false },
		      { UINT32_MAX, false } };

	(void)state;
	for (size_t i = 0; i < COUNT(edges); i++) {
		/* first, in the middle, last */
		const uint32_t rates[3] = { i % 3 == 0 ? edges[i].rate : 1,
					    i % 3 == 1 ? edges[i].rate : 2,
					    i % 3 == 2 ? edges[i].rate : 500000 };
		struct negotiate_input in = { .desc = &rd_plain.desc, .rates = rates,
					      .n_rates = 3 };
		struct atr atr;
		struct negotiation n = planned(&atr, "3B 10 94", &in);

		assert_int_equal(n.send_pps, edges[i].used);
		assert_int_equal(n.params[0], edges[i].used ? 0x94 : 0x11);
	}
}

/* dwMaxDataRate is the highest rate that is allowed, and a PPS for the default speed is not
 * made. */
static void the_maximum_rate_is_allowed(void **state)
{
	struct ccid_desc desc = rd_plain.desc;
	struct negotiate_input in = { .desc = &desc };
	struct atr atr;

	(void)state;
	desc.dwMaxDataRate = 250000;
	assert_int_equal(planned(&atr, "3B 10 96", &in).params[0], 0x96);
	desc.dwMaxDataRate = 249999;
	assert_int_equal(planned(&atr, "3B 10 96", &in).params[0], 0x95);
	desc.dwMaxDataRate = 124999;
	assert_int_equal(planned(&atr, "3B 10 96", &in).params[0], 0x94);
	desc.dwMaxDataRate = 62499;
	assert_int_equal(planned(&atr, "3B 10 96", &in).params[0], 0x11);
	assert_int_equal(planned(&atr, "3B 10 98", &in).params[0], 0x11);
}

/* 058C:9590, 1403:750C: dwMaxDataRate is the default rate, and the table has much more. The maximum
 * limits the card's own speed, the table a lowered one: libccid does so, and these readers work
 * with it. */
static void maximum_below_the_table(void **state)
{
	static const uint32_t rates[] = { 689655, 500000, 250000, 125000, 62500, 31250, 10752 };
	struct ccid_desc desc = rd_plain.desc;
	struct negotiate_input in = { .desc = &desc, .rates = rates, .n_rates = COUNT(rates) };
	struct atr atr;

	(void)state;
	desc.dwMaxDataRate = 10752;
	assert_int_equal(planned(&atr, "3B 10 96", &in).params[0], 0x95);
	assert_int_equal(planned(&atr, "3B 10 97", &in).params[0], 0x96);
	assert_int_equal(planned(&atr, "3B 10 95", &in).params[0], 0x94);
	assert_int_equal(planned(&atr, "3B 10 94", &in).params[0], 0x11);
	assert_int_equal(planned(&atr, "3B 10 18", &in).params[0], 0x11);
	in.n_rates = 0;
	assert_int_equal(planned(&atr, "3B 10 96", &in).params[0], 0x11);
}

/* --- every TA1 and every reader: the speed, computed in a second way ------------------ */

static double factor(unsigned TA1)
{
	static const double F[16] = { 372, 372, 558, 744, 1116, 1488, 1860, 0,
				      0, 512, 768, 1024, 1536, 2048, 0, 0 };
	static const double D[16] = { 0, 1, 2, 4, 8, 16, 32, 64, 12, 20 };

	return F[TA1 / 16] > 0 ? D[TA1 % 16] / F[TA1 / 16] : 0;
}

static double down(double v)
{
	return (double)(uint64_t)v;
}

static bool near(double a, double b, double apart)
{
	return a - b < apart && b - a < apart;
}

static bool possible(const struct reader *r, unsigned TA1, bool lowered)
{
	bool any_rate = lowered && r->n_rates > 0;
	double clock = r->desc.dwDefaultClock ? r->desc.dwDefaultClock * 1000.0 : 1e6;
	double bps = down(clock * factor(TA1) + 1e-7);
	bool listed = r->n_rates == 0;

	for (size_t i = 0; i < r->n_rates; i++)
		listed |= near(r->rates[i], bps, 2.5);
	return factor(TA1) > 0 && bps > down(clock / 372) &&
	       (any_rate || bps <= r->desc.dwMaxDataRate) && listed;
}

static unsigned expected_speed(const struct reader *r, unsigned TA1, bool specific)
{
	bool by_itself = (r->desc.dwFeatures & 0x40) || r->desc.bInterfaceProtocol;

	if (by_itself || specific)
		return factor(TA1) > 0 ? TA1 : 0x11;
	if (possible(r, TA1, false))
		return TA1;
	for (unsigned lower = 0x96; TA1 >= 0x95 && TA1 <= 0x97 && lower >= 0x94; lower--)
		if (lower < TA1 && possible(r, lower, true))
			return lower;
	return 0x11;
}

static void check_speed(const struct reader *r, const uint8_t *bytes, size_t len,
			unsigned protocol, bool differs, bool specific)
{
	unsigned want = expected_speed(r, bytes[2], specific);
	bool by_itself = (r->desc.dwFeatures & 0x40) || r->desc.bInterfaceProtocol;
	bool pps = !by_itself && !(r->desc.dwFeatures & 0x80) && !specific &&
		   (differs || want != 0x11);
	struct atr atr;
	struct negotiate_input in = { .atr = &atr, .desc = &r->desc, .rates = r->rates,
				      .n_rates = r->n_rates, .protocol = protocol };
	struct negotiation n;
	double got;

	assert_int_equal(atr_parse(&atr, bytes, len), CCID_OK);
	if (!by_itself && !(r->desc.dwProtocols >> protocol & 1) && (r->desc.dwProtocols & 3)) {
		assert_int_equal(negotiate_plan(&n, &in), CCID_ERR_PROTO_UNSUPPORTED);
		return;
	}
	assert_int_equal(negotiate_plan(&n, &in), CCID_OK);
	assert_int_equal(n.send_pps, pps);
	if (pps) {
		uint8_t sum = 0;

		assert_int_equal(n.pps_len, want == 0x11 ? 3 : 4);
		for (size_t i = 0; i < n.pps_len; i++)
			sum ^= n.pps[i];
		assert_int_equal(sum, 0);
		assert_int_equal(n.pps[0], 0xFF);
		assert_int_equal(n.pps[1], protocol | (want == 0x11 ? 0 : 0x10));
		if (want != 0x11)
			assert_int_equal(n.pps[2], want);
	}
	assert_int_equal(n.set_parameters, !by_itself);
	assert_int_equal(n.params_len, by_itself ? 0 : protocol ? 7 : 5);
	if (!by_itself)
		assert_int_equal(n.params[0], want);
	got = (double)n.exchange.timing.Di / n.exchange.timing.Fi;
	assert_true(near(got, factor(want), 1e-9));
}

static void every_TA1(void **state)
{
	(void)state;
	for (size_t r = 0; r < COUNT(readers); r++) {
		for (unsigned TA1 = 0; TA1 < 256; TA1++) {
			const uint8_t ta1 = (uint8_t)TA1;
			const uint8_t t0[] = { 0x3B, 0x10, ta1 };
			const uint8_t t1[] = { 0x3B, 0x90, ta1, 0x01, 0x91 ^ ta1 };
			const uint8_t both[] = { 0x3B, 0x90, ta1, 0x80, 0x01, 0x11 ^ ta1 };
			const uint8_t fixed[] = { 0x3B, 0x90, ta1, 0x10, 0x80 };

			check_speed(readers[r], t0, sizeof t0, 0, false, false);
			check_speed(readers[r], t1, sizeof t1, 1, false, false);
			check_speed(readers[r], both, sizeof both, 0, false, false);
			check_speed(readers[r], both, sizeof both, 1, true, false);
			check_speed(readers[r], fixed, sizeof fixed, 0, false, true);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_row_is_negotiated),
		cmocka_unit_test(openpgp_card_1_is_given_more_time),
		cmocka_unit_test(quirks_reach_the_exchange),
		cmocka_unit_test(clocks_are_those_of_the_reader),
		cmocka_unit_test(back_to_default_speed),
		cmocka_unit_test(an_empty_rate_table_is_ignored),
		cmocka_unit_test(a_rate_within_the_tolerance_counts),
		cmocka_unit_test(the_maximum_rate_is_allowed),
		cmocka_unit_test(every_TA1),
		cmocka_unit_test(maximum_below_the_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
