/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/timing.h"

#define MINIMUM_MS 3000u
#define MARGIN_MS 1000u
#define MAXIMUM_MS 300000u
/* The minimum for a reader that exchanges whole commands at T=1: it may take S(WTX) from the card
 * and say nothing of it. Cards are seen to need 40 s (erasing flash), 30 s (initialisation of an
 * HSM) and 15 s (making a key). */
#define T1_COMMAND_MS 60000u

/* Larger than any APDU; keeps the sums below far inside 64 bits. */
#define MOST_BYTES 0x100000u

/* ISO 7816-3:2006 tables 7 and 8; 0 is reserved. */
static const uint16_t Fi_table[16] = {
	372, 372, 558, 744, 1116, 1488, 1860, 0, 0, 512, 768, 1024, 1536, 2048, 0, 0
};
static const uint8_t Di_table[16] = {
	0, 1, 2, 4, 8, 16, 32, 64, 12, 20, 0, 0, 0, 0, 0, 0
};

bool timing_known(uint8_t TA1)
{
	return Fi_table[TA1 >> 4] != 0 && Di_table[TA1 & 0x0F] != 0;
}

uint16_t timing_fi(uint8_t TA1)
{
	uint16_t Fi = Fi_table[TA1 >> 4];

	return Fi ? Fi : 372;
}

uint8_t timing_di(uint8_t TA1)
{
	uint8_t Di = Di_table[TA1 & 0x0F];

	return Di ? Di : 1;
}

uint32_t timing_baud(uint32_t clock_khz, uint8_t TA1)
{
	uint64_t bps;

	if (!timing_known(TA1))
		return 0;
	bps = (uint64_t)clock_khz * 1000 * timing_di(TA1) / timing_fi(TA1);
	return bps < UINT32_MAX ? (uint32_t)bps : UINT32_MAX;
}

static uint64_t at_least_1(uint64_t v)
{
	return v ? v : 1;
}

static uint64_t bytes_of(size_t n)
{
	return n < MOST_BYTES ? n : MOST_BYTES;
}

/* Clock cycles of n etu (an etu is Fi/Di cycles, §7.1), rounded up. */
static uint64_t etus(const struct timing *t, uint64_t n)
{
	uint64_t Di = at_least_1(t->Di);

	return (n * at_least_1(t->Fi) + Di - 1) / Di;
}

/* A kHz is a cycle in a millisecond. */
static unsigned wait_ms(const struct timing *t, uint64_t cycles)
{
	uint64_t ms = cycles / at_least_1(t->clock_khz) + 1 + MARGIN_MS;

	if (ms < MINIMUM_MS)
		return MINIMUM_MS;
	return ms < MAXIMUM_MS ? (unsigned)ms : MAXIMUM_MS;
}

unsigned timing_t0_ms(const struct timing *t, size_t out, size_t in)
{
	uint64_t WT = at_least_1(t->WI) * 960 * at_least_1(t->Fi);

	return wait_ms(t, (bytes_of(out) + bytes_of(in)) * WT);
}

/* The longest data field that comes, with SW1 SW2. */
unsigned timing_t0_command_ms(const struct timing *t, size_t out, size_t in)
{
	uint64_t WT = at_least_1(t->WI) * 960 * at_least_1(t->Fi);
	uint64_t EGT = etus(t, t->TC1 == 0xFF ? 12 : 12u + t->TC1);
	/* This bound is more than 261 bytes out and 6 WT (a WT is at least 960 Fi cycles, an EGT at
	 * most 266 Fi). */
	uint64_t least = 5 * EGT + 260 * WT;
	uint64_t ours = (bytes_of(out) + bytes_of(in)) * WT;

	return wait_ms(t, ours > least ? ours : least);
}

static uint64_t t1_bwt(const struct timing *t)
{
	return etus(t, 11) + (UINT64_C(960) * 372 << (t->BWI & 0x0F));
}

/* In etu. */
static uint64_t t1_cwt(const struct timing *t)
{
	return 11 + (UINT64_C(1) << (t->CWI & 0x0F));
}

/* In etu. §11.2: TC1 = FF is 11 etu from one of our bytes to the next, else 12 + N. */
static uint64_t t1_guard(const struct timing *t)
{
	return t->TC1 == 0xFF ? 11 : 12u + t->TC1;
}

/* In etu, of out bytes to the card and in bytes from it. */
static uint64_t t1_bytes(const struct timing *t, size_t out, size_t in)
{
	uint64_t CWT = t1_cwt(t);
	uint64_t spacing = t1_guard(t) > CWT ? t1_guard(t) : CWT;

	return bytes_of(out) * spacing + bytes_of(in) * CWT;
}

unsigned timing_t1_ms(const struct timing *t, size_t out, size_t in, uint8_t multiplier)
{
	return wait_ms(t, at_least_1(multiplier) * t1_bwt(t) + etus(t, t1_bytes(t, out, in)));
}

unsigned timing_t1_command_ms(const struct timing *t, size_t out, size_t in)
{
	uint64_t least = 260 * t1_guard(t) + 260 * t1_cwt(t);
	uint64_t ours = t1_bytes(t, out, in);
	unsigned ms = wait_ms(t, t1_bwt(t) + etus(t, ours > least ? ours : least));

	return ms > T1_COMMAND_MS ? ms : T1_COMMAND_MS;
}
