/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "slot/negotiate.h"
#include "quirks/cards.h"

#include <string.h>

#define DEFAULT_TA1 0x11
#define MAX_INF 254		/* T=1 information field (§11.3.2.3) */
#define DEFAULT_IFS 32
#define T1_OVERHEAD 3		/* NAD PCB LEN */
/* Slowest clock a card must work with (§5.2.3): for readers that do not report theirs. */
#define MIN_CLOCK_KHZ 1000

/* A card rarely needs the fastest of the 512/x family: with TA1 95 to 97 a
 * slower Di, down to 94 (512/8), is tried when the reader cannot follow. The reader's table
 * decides about it where there is one: the dwMaxDataRate of Alcor Micro's AU9590 (058C:9590) and
 * of 1403:750C is the default rate, and their tables go up to 689655 bps. */
#define LOWERED_FROM 0x97
#define LOWERED_TO 0x94

enum exchange_level negotiate_level(const struct ccid_desc *desc)
{
	switch (desc->dwFeatures & CCID_FEATURE_LEVEL_MASK) {
	case CCID_FEATURE_TPDU:
		return LEVEL_TPDU;
	case CCID_FEATURE_SHORT_APDU:
		return LEVEL_SHORT_APDU;
	case CCID_FEATURE_EXTENDED_APDU:
		return LEVEL_EXTENDED_APDU;
	default:
		return LEVEL_CHARACTER;
	}
}

/* Does the reader do all of it? ICCD has no message for parameters: the card is the device. */
static bool automatic(const struct ccid_desc *desc)
{
	return (desc->dwFeatures & CCID_FEATURE_AUTO_PARAM_NEGOTIATION) ||
	       desc->bInterfaceProtocol != CCID_PROTOCOL_BULK;
}

static uint32_t clock_khz(const struct ccid_desc *desc)
{
	return desc->dwDefaultClock ? desc->dwDefaultClock : MIN_CLOCK_KHZ;
}

/* The protocol that will be spoken: specific mode leaves no choice (§6.3.1). */
static unsigned negotiate_first(const struct negotiate_input *in)
{
	if (!in->keep_atr_protocol)
		return in->protocol;
	return in->atr->specific ? in->atr->TA2 & 0x0F : in->atr->first_protocol;
}

static bool card_has(const struct atr *atr, unsigned protocol)
{
	if (atr->specific)
		return (atr->TA2 & 0x0F) == protocol;
	return atr->protocols >> protocol & 1;
}

bool negotiate_reader_has(const struct ccid_desc *desc, unsigned protocol)
{
	uint32_t known = desc->dwProtocols & 0x03;

	return desc->bInterfaceProtocol != CCID_PROTOCOL_BULK || known == 0 ||
	       (known >> protocol & 1);
}

static enum ccid_err check(const struct negotiate_input *in, unsigned protocol)
{
	if (protocol > 1 || !card_has(in->atr, protocol) ||
	    !(in->as_it_is || negotiate_reader_has(in->desc, protocol)))
		return CCID_ERR_PROTO_UNSUPPORTED;
	return CCID_OK;
}

/* Two bps either way: readers and this driver round differently. */
static bool in_table(const struct negotiate_input *in, uint32_t baud)
{
	if (!in->rates || in->n_rates == 0)
		return true;
	for (size_t i = 0; i < in->n_rates; i++) {
		uint32_t rate = in->rates[i];

		if ((rate > baud ? rate - baud : baud - rate) <= 2)
			return true;
	}
	return false;
}

/* Worth asking for, and can the reader do it? Reserved Fi and Di give 0 and are not. */
static bool usable_speed(const struct negotiate_input *in, uint8_t TA1, uint32_t max)
{
	uint32_t clock = clock_khz(in->desc);
	uint32_t baud = timing_baud(clock, TA1);

	return baud > timing_baud(clock, DEFAULT_TA1) && baud <= max && in_table(in, baud);
}

static uint8_t negotiated_speed(const struct negotiate_input *in)
{
	uint8_t TA1 = in->atr->TA1;
	uint32_t max = in->desc->dwMaxDataRate;

	if (usable_speed(in, TA1, max))
		return TA1;
	if (in->rates && in->n_rates > 0)
		max = UINT32_MAX;
	while (TA1 <= LOWERED_FROM && TA1 > LOWERED_TO)
		if (usable_speed(in, --TA1, max))
			return TA1;
	return DEFAULT_TA1;
}

/* Fi and Di in force after the plan, as a TA1. In specific mode the card already
 * speaks at TA1 and cannot be asked for anything else (§6.3.1, §9); with an automatic
 * reader it is taken to. TA2 b5 says that F and D are agreed upon in some other way: TA1 is the
 * best guess then, libccid's too, and the reader and the card answer to it. */
static uint8_t speed_of(const struct negotiate_input *in)
{
	uint8_t TA1 = in->atr->TA1;

	if (automatic(in->desc) || in->atr->specific)
		return timing_known(TA1) ? TA1 : DEFAULT_TA1;
	if (in->keep_atr_protocol || in->default_speed || in->as_it_is)
		return DEFAULT_TA1;
	return negotiated_speed(in);
}

static uint8_t bwi_of(const struct atr *atr)
{
	uint8_t needed = card_quirks_of(atr->raw, atr->len)->bwi;

	return needed ? needed : atr->BWI;
}

static void plan_pps(struct negotiation *n, const struct negotiate_input *in, uint8_t speed)
{
	const struct atr *atr = in->atr;

	n->send_pps = !automatic(in->desc) && !(in->desc->dwFeatures & CCID_FEATURE_AUTO_PPS) &&
		      !atr->specific && !in->keep_atr_protocol &&
		      (n->protocol != atr->first_protocol || speed != DEFAULT_TA1);
	if (n->send_pps)
		n->pps_len = pps_build(n->pps, n->protocol, speed);
}

/* abProtocolDataStructure: CCID 1.10 §6.1.7. Clock stop is never used. */
static void plan_parameters(struct negotiation *n, const struct negotiate_input *in, uint8_t speed)
{
	const struct atr *atr = in->atr;
	uint8_t inverse = atr->inverse ? 0x02 : 0x00;
	const uint8_t t0[5] = { speed, inverse, atr->TC1, atr->WI, 0x00 };
	const uint8_t t1[7] = {
		speed, 0x10 | inverse | (atr->t1_crc ? 0x01 : 0x00), atr->TC1,
		(uint8_t)(bwi_of(atr) << 4 | atr->CWI), 0x00, atr->IFSC, 0x00
	};

	n->set_parameters = !automatic(in->desc);
	if (!n->set_parameters)
		return;
	n->params_len = n->protocol == 1 ? sizeof t1 : sizeof t0;
	memcpy(n->params, n->protocol == 1 ? t1 : t0, n->params_len);
}

static size_t max_data(const struct ccid_desc *desc)
{
	return desc->dwMaxCCIDMessageLength > CCID_HEADER_LENGTH ?
	       desc->dwMaxCCIDMessageLength - CCID_HEADER_LENGTH : 1;
}

/* A block of the card's IFSC may be more than one message of the reader carries. */
static uint8_t ifsc_of(const struct negotiate_input *in)
{
	size_t overhead = T1_OVERHEAD + (in->atr->t1_crc ? 2u : 1u);
	size_t room = max_data(in->desc);

	room = room > overhead ? room - overhead : 1;
	return room < in->atr->IFSC ? (uint8_t)room : in->atr->IFSC;
}

static void plan_t1(struct negotiation *n, const struct negotiate_input *in)
{
	uint32_t ifsd = in->desc->dwMaxIFSD ? in->desc->dwMaxIFSD : DEFAULT_IFS;
	bool ours = n->exchange.level == LEVEL_TPDU || n->exchange.level == LEVEL_CHARACTER;

	n->ifsd = (uint8_t)(ifsd < MAX_INF ? ifsd : MAX_INF);
	n->ifsc = ifsc_of(in);
	n->crc = in->atr->t1_crc;
	n->negotiate_ifsd = n->protocol == 1 && ours && !in->no_ifsd &&
			    !(in->desc->dwFeatures & CCID_FEATURE_AUTO_IFSD);
}

static void plan_exchange(struct negotiation *n, const struct negotiate_input *in, uint8_t speed)
{
	const struct atr *atr = in->atr;
	struct exchange_config *x = &n->exchange;

	x->level = negotiate_level(in->desc);
	x->protocol = n->protocol;
	x->max_data = max_data(in->desc);
	x->timing = (struct timing){
		.clock_khz = clock_khz(in->desc),
		.Fi = timing_fi(speed), .Di = timing_di(speed),
		.TC1 = atr->TC1, .WI = atr->WI, .BWI = bwi_of(atr), .CWI = atr->CWI,
	};
	x->case1_needs_p3 = in->case1_needs_p3;
	x->split_expected_64 = in->split_expected_64;
	x->extra_wait_ms = n->protocol == 1 ? in->extra_t1_wait_ms : 0;
}

enum ccid_err negotiate_plan(struct negotiation *n, const struct negotiate_input *in)
{
	unsigned protocol = negotiate_first(in);
	enum ccid_err err = check(in, protocol);
	uint8_t speed;

	memset(n, 0, sizeof *n);
	if (err != CCID_OK)
		return err;
	n->protocol = (uint8_t)protocol;
	speed = speed_of(in);
	plan_pps(n, in, speed);
	plan_parameters(n, in, speed);
	plan_exchange(n, in, speed);
	plan_t1(n, in);
	return CCID_OK;
}

void negotiate_default_speed(struct negotiation *n, const struct negotiate_input *in)
{
	plan_parameters(n, in, DEFAULT_TA1);
	plan_exchange(n, in, DEFAULT_TA1);
}
