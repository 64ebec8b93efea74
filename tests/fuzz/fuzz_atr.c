/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Input: the reader's capabilities, then an ATR, which is parsed and used to plan a negotiation. */
#include "fuzz/fuzz.h"
#include "slot/negotiate.h"

#include <stdlib.h>
#include <string.h>

const char fuzz_name[] = "atr";

static void check_atr(const struct atr *a, const uint8_t *p, size_t n)
{
	FUZZ_CHECK(a->len == (n < ATR_MAX ? n : ATR_MAX) && memcmp(a->raw, p, a->len) == 0);
	FUZZ_CHECK(a->n_levels <= ATR_MAX_LEVELS);
	if (a->historical_len > 0)
		FUZZ_CHECK(a->historical >= a->raw && a->historical + a->historical_len <= a->raw + a->len);
	FUZZ_CHECK(a->historical_len <= 15);
	FUZZ_CHECK(a->protocols != 0 && !(a->protocols & 0x8000));
	FUZZ_CHECK(a->first_protocol <= 15);
	FUZZ_CHECK(a->IFSC >= 1 && a->IFSC <= 254 && a->WI >= 1);
	FUZZ_CHECK(a->BWI <= 15 && a->CWI <= 15 && a->clock_stop <= 3);
	FUZZ_CHECK(!a->tck_wrong || a->has_tck);
	/* each interface byte that the parser reports is a byte of the ATR */
	for (unsigned i = 0; i < a->n_levels; i++) {
		const struct atr_level *l = &a->level[i];

		FUZZ_CHECK(!l->has_a || memchr(a->raw, l->TA, a->len));
		FUZZ_CHECK(!l->has_b || memchr(a->raw, l->TB, a->len));
		FUZZ_CHECK(!l->has_c || memchr(a->raw, l->TC, a->len));
		FUZZ_CHECK(!l->has_d || memchr(a->raw, l->TD, a->len));
	}
}

static void check_plan(const struct negotiation *n, const struct negotiate_input *in)
{
	const struct timing *t = &n->exchange.timing;

	FUZZ_CHECK(n->protocol <= 1 && n->exchange.protocol == n->protocol);
	FUZZ_CHECK(in->keep_atr_protocol || n->protocol == in->protocol);
	FUZZ_CHECK(!n->send_pps || (n->pps_len >= 3 && n->pps_len <= 4));
	FUZZ_CHECK(!n->set_parameters || n->params_len == (n->protocol ? 7 : 5));
	FUZZ_CHECK(!n->negotiate_ifsd || (n->ifsd >= 1 && n->ifsd <= 254));
	FUZZ_CHECK(n->protocol == 0 || (n->ifsc >= 1 && n->ifsc <= 254));
	FUZZ_CHECK(n->exchange.max_data >= 1);
	FUZZ_CHECK(t->clock_khz >= 1 && t->Fi >= 1 && t->Di >= 1);
	FUZZ_CHECK(timing_t0_ms(t, 65544, 65538) <= 5 * 60 * 1000);
	FUZZ_CHECK(timing_t1_ms(t, 259, 259, 255) <= 5 * 60 * 1000);
	FUZZ_CHECK(timing_t0_command_ms(t, 65544, 65538) <= 5 * 60 * 1000);
	FUZZ_CHECK(timing_t1_command_ms(t, 65544, 65538) <= 5 * 60 * 1000);
	FUZZ_CHECK(timing_t0_command_ms(t, 5, 2) >= 3000 && timing_t1_command_ms(t, 5, 2) >= 10000);
	FUZZ_CHECK(timing_t0_ms(t, 5, 2) >= 3000 && timing_t1_ms(t, 5, 2, 0) >= 3000);
}

static void plan(struct fuzz_in *head, const struct atr *a)
{
	uint32_t rates[8];
	struct ccid_desc d = { 0 };
	struct negotiate_input in = { .atr = a, .desc = &d, .rates = rates };
	struct negotiation n;
	uint8_t bits = fuzz_u8(head);

	memset(&n, 0xA5, sizeof n);
	d.dwFeatures = fuzz_u32(head);
	d.dwDefaultClock = fuzz_u32(head);
	d.dwMaximumClock = fuzz_u32(head);
	d.dwDataRate = fuzz_u32(head);
	d.dwMaxDataRate = fuzz_u32(head);
	d.dwMaxIFSD = fuzz_u32(head);
	d.dwProtocols = fuzz_u8(head);
	d.dwMaxCCIDMessageLength = 11 + (fuzz_u16(head) | (bits & 2 ? 0xFFFF0000u : 0));
	in.n_rates = fuzz_u8(head) % 9;
	for (size_t i = 0; i < in.n_rates; i++)
		rates[i] = fuzz_u32(head);
	in.protocol = bits & 1;
	in.keep_atr_protocol = bits & 4;
	in.no_ifsd = bits & 8;
	in.case1_needs_p3 = bits & 16;
	in.split_expected_64 = bits & 32;
	in.extra_t1_wait_ms = bits & 64 ? 1000 : 0;
	if (negotiate_plan(&n, &in) != CCID_OK)
		return;
	check_plan(&n, &in);
	negotiate_default_speed(&n, &in);
	check_plan(&n, &in);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct fuzz_in in = fuzz_input(data, len), head = fuzz_part(&in);
	uint8_t *p = fuzz_copy(in.p, in.left);
	struct atr atr;
	enum ccid_err err;

	memset(&atr, 0xA5, sizeof atr);
	err = atr_parse(&atr, p, in.left);
	FUZZ_CHECK((err == CCID_OK) == (in.left >= 2 && (p[0] == 0x3B || p[0] == 0x3F)));
	if (err == CCID_OK) {
		check_atr(&atr, p, in.left);
		plan(&head, &atr);
	}
	free(p);
	return 0;
}
