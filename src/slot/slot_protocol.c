/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Carries out what negotiate.c planned: PPS, SetParameters, IFSD. */
#include "slot/slot_protocol.h"

#include "proto/t1.h"
#include "slot/slot_exchange.h"
#include "slot/slot_power.h"
#include "slot/slot_quirks.h"

#include <string.h>

/* A reader that negotiates in part by itself derives the parameters from the ATR. */
#define DERIVES_PARAMETERS                                                                         \
	(CCID_FEATURE_AUTO_ATR_CONFIG | CCID_FEATURE_AUTO_PARAM_NEGOTIATION | CCID_FEATURE_AUTO_PPS)

static bool slow_card(const struct slot *s)
{
	return s->slow_atr_len > 0 && s->slow_atr_len == s->atr_len &&
	       !memcmp(s->slow_atr, s->atr, s->atr_len);
}

static bool speaks(const struct slot *s, unsigned protocol)
{
	return s->params.protocol == protocol ||
	       quirk_has(&s->reader->quirks, QUIRK_KEEP_ATR_PROTOCOL);
}

static struct negotiate_input input_of(const struct slot *s, const struct atr *atr,
				       unsigned protocol)
{
	const struct reader *r = s->reader;
	const struct quirk_set *q = &r->quirks;
	size_t n_rates;
	const uint32_t *rates = quirk_rates(r, s->number, &n_rates);

	return (struct negotiate_input){
		.atr = atr, .desc = &r->desc, .rates = rates, .n_rates = n_rates,
		.protocol = protocol, .default_speed = slow_card(s),
		.keep_atr_protocol = quirk_has(q, QUIRK_KEEP_ATR_PROTOCOL),
		.no_ifsd = quirk_has(q, QUIRK_NO_IFSD),
		.case1_needs_p3 = quirk_has(q, QUIRK_CASE1_NEEDS_P3),
		.split_expected_64 = quirk_has(q, QUIRK_SPLIT_EXPECTED_64),
		.extra_t1_wait_ms = q->extra_t1_wait_ms,
	};
}

static bool at_default_speed(const struct negotiation *n)
{
	return n->exchange.timing.Fi == 372 && n->exchange.timing.Di == 1;
}

/* A permanent refusal: the reader does not support it, whatever the transport, the card or the
 * moment. */
static bool is_reader_refusal(const struct slot *s, enum ccid_err err)
{
	return s->ccid.refused &&
	       (err == CCID_ERR_NOT_SUPPORTED || err == CCID_ERR_PROTO_UNSUPPORTED);
}

/* The reader's parameters after each power on, CCID 1.10 §6.1.7. */
static bool wants_defaults(const struct negotiation *n)
{
	static const uint8_t defaults[] = { 0x11, 0x00, 0x00, 0x0A, 0x00 };

	return n->protocol == 0 && n->params_len == sizeof defaults &&
	       !memcmp(n->params, defaults, sizeof defaults);
}

/* Can the card be used although SetParameters failed? */
static bool works_without(const struct slot *s, enum ccid_err err)
{
	const struct negotiation *n = &s->params;
	bool active = s->ccid.icc_state == ICC_PRESENT_ACTIVE;

	if (is_reader_refusal(s, err))
		return n->exchange.level >= LEVEL_SHORT_APDU || wants_defaults(n) ||
		       (s->reader->desc.dwFeatures & DERIVES_PARAMETERS);
	/* memory cards behind a reader that asks the card all the same */
	return s->ccid.refused && err == CCID_ERR_MUTE && active && wants_defaults(n);
}

/* ISO 7816-3:2006 §9. */
static enum ccid_err do_pps(struct slot *s, const struct negotiate_input *in)
{
	struct negotiation *n = &s->params;
	uint16_t wLevelParameter = n->exchange.level == LEVEL_CHARACTER ? (uint16_t)n->pps_len : 0;
	unsigned wait = timing_t0_ms(&n->exchange.timing, n->pps_len, PPS_MAX);
	struct ccid_block answer;
	bool kept = true;
	enum ccid_err err;

	/* Once, right after the ATR (§9): a card that had it takes another one for a command. */
	if (s->card == CARD_PPS_SENT)
		return CCID_ERR_PTS;
	s->card = CARD_PPS_SENT;
	err = ccid_xfr_block(&s->ccid, n->pps, n->pps_len, 0, wLevelParameter, wait, &answer);

	if (err == CCID_ERR_NO_DEVICE || err == CCID_ERR_STALE ||
	    (err == CCID_ERR_MUTE && !at_default_speed(n)))
		return err;
	if (err != CCID_OK)
		return CCID_ERR_PTS;
	err = pps_check(n->pps, n->pps_len, answer.data, answer.len, &kept);
	if (err != CCID_OK) {
		log_bytes(LOG_INFO, &s->ccid.log, "PPS: the card's answer is not acceptable:",
			  answer.data, answer.len < PPS_MAX ? answer.len : PPS_MAX);
		return err;
	}
	if (!kept)
		negotiate_default_speed(n, in);
	return CCID_OK;
}

static enum ccid_err power_cycle(struct slot *s)
{
	uint8_t atr[ATR_MAX];
	enum ccid_err err = ccid_power_off(&s->ccid);
	size_t len;

	if (err == CCID_ERR_NO_DEVICE || err == CCID_ERR_STALE)
		return err;
	return slot_power_on_locked(s, atr, &len);
}

/* The reader does not set parameters. pcscd goes on with the card's first protocol: a card that had
 * its PPS is brought back to it. */
static enum ccid_err after_refusal(struct slot *s, enum ccid_err err)
{
	if (s->card == CARD_PPS_SENT) {
		err = power_cycle(s);
		if (err != CCID_OK)
			return err == CCID_ERR_MUTE ? CCID_ERR_POWER : err;
		err = CCID_ERR_NOT_SUPPORTED;
	}
	s->card = CARD_REFUSED;
	return err;
}

static enum ccid_err do_parameters(struct slot *s)
{
	struct negotiation *n = &s->params;
	enum ccid_err err = ccid_set_parameters(&s->ccid, n->protocol, n->params, n->params_len);
	uint8_t atr[ATR_MAX];
	size_t len;

	if (err == CCID_OK || err == CCID_ERR_NO_DEVICE || err == CCID_ERR_STALE)
		return err;
	if (works_without(s, err)) {
		LOG(LOG_INFO, &s->ccid.log, "SetParameters refused (%s): the card is used without",
		    err_name(err));
		return CCID_OK;
	}
	if (!quirk_has(&s->reader->quirks, QUIRK_PARAMS_MAY_FAIL))
		return is_reader_refusal(s, err) ? after_refusal(s, err) : err;
	/* Readers of this kind work with what they derive from the ATR themselves: start afresh. */
	LOG(LOG_INFO, &s->ccid.log, "SetParameters failed (%s): the card is reset and used without",
	    err_name(err));
	for (int i = 0; i < 2; i++) {
		struct negotiation keep = s->params;

		err = slot_power_on_locked(s, atr, &len);
		s->params = keep;
	}
	return err;
}

/* ISO 7816-3:2006 §11.4.2; a card that refuses keeps the default. */
static enum ccid_err do_ifsd(struct slot *s)
{
	size_t none;
	struct exchange_step step = exchange_begin_ifsd(&s->exchange, &s->params.exchange, &s->t1,
							s->params.ifsd);
	enum ccid_err err = slot_run_exchange(s, step, 0, &none);

	if (err == CCID_ERR_NO_DEVICE || err == CCID_ERR_STALE)
		return err;
	if (err != CCID_OK)
		LOG(LOG_INFO, &s->ccid.log, "S(IFS request) failed (%s): IFSD stays %u",
		    err_name(err), s->t1.ifsd);
	return CCID_OK;
}

static enum ccid_err negotiate(struct slot *s, const struct negotiate_input *in)
{
	enum ccid_err err = negotiate_plan(&s->params, in);

	if (err == CCID_OK && s->params.send_pps)
		err = do_pps(s, in);
	if (err == CCID_OK && s->params.set_parameters)
		err = do_parameters(s);
	return err;
}

/* The reader refused to set parameters, which it is not asked again: what is left is the
 * protocol that the card speaks as things are. */
static enum ccid_err negotiate_nothing(struct slot *s, struct negotiate_input *in)
{
	unsigned spoken = in->atr->specific ? in->atr->TA2 & 0x0F : in->atr->first_protocol;

	if (in->protocol != spoken)
		return CCID_ERR_NOT_SUPPORTED;
	in->default_speed = true;
	return negotiate_plan(&s->params, in);
}

/* The card became mute when its speed was set: some cards cannot do the speed of their TA1. It is
 * powered off and on, and left at the default speed until it is taken out. */
static enum ccid_err negotiate_slowly(struct slot *s, struct negotiate_input *in)
{
	enum ccid_err err;

	LOG(LOG_INFO, &s->ccid.log,
	    "the card is mute at the speed of its TA1 (0x%02X): it is reset and used at the "
	    "default speed", in->atr->TA1);
	memcpy(s->slow_atr, s->atr, s->atr_len);
	s->slow_atr_len = s->atr_len;
	err = power_cycle(s);
	if (err != CCID_OK)
		return err;
	in->default_speed = true;
	return negotiate(s, in);
}

/* The card kept its power, and pcscd knows of no protocol: another one than it speaks can be had
 * after a reset only, as without keep-power. */
static enum ccid_err leave_protocol(struct slot *s)
{
	uint8_t atr[ATR_MAX];
	size_t len;

	return slot_power_on_locked(s, atr, &len);
}

static enum ccid_err set_protocol(struct slot *s, unsigned protocol)
{
	struct negotiate_input in;
	struct atr atr;
	enum ccid_err err;

	if (s->card == CARD_READY)
		/* PPS comes right after the ATR and only there (§9.1). */
		return speaks(s, protocol) ? CCID_OK : CCID_ERR_PROTO_UNSUPPORTED;
	if (s->card == CARD_OFF)
		return slot_why_no_power(s);
	err = atr_parse(&atr, s->atr, s->atr_len);
	if (err != CCID_OK)
		return err;
	in = input_of(s, &atr, protocol);
	err = s->card == CARD_REFUSED ? negotiate_nothing(s, &in) : negotiate(s, &in);
	if (err == CCID_ERR_MUTE && !atr.specific && !at_default_speed(&s->params))
		err = negotiate_slowly(s, &in);
	if (err != CCID_OK)
		return err;
	t1_reset(&s->t1, s->params.crc, s->params.ifsc);
	s->t1.nad = s->params.nad;
	if (s->params.negotiate_ifsd)
		err = do_ifsd(s);
	if (err == CCID_OK)
		s->card = CARD_READY;
	return err;
}

enum ccid_err slot_set_protocol_locked(struct slot *s, unsigned protocol)
{
	bool given_back = s->power == POWER_GIVEN_BACK;
	enum ccid_err err = CCID_OK;

	s->power = POWER_AS_TOLD;
	if (given_back && s->card == CARD_READY && !speaks(s, protocol))
		err = leave_protocol(s);
	return err != CCID_OK ? err : set_protocol(s, protocol);
}

/* What an APDU goes out with when no protocol was set, or the one asked for was refused:
 * the ATR's first protocol, or the first of the two that card and reader both have. -1: none. */
static int protocol_to_use(const struct slot *s, const struct atr *atr)
{
	const struct ccid_desc *desc = &s->reader->desc;
	unsigned first = atr->specific ? atr->TA2 & 0x0F : atr->first_protocol;

	if (first > 1)
		first = 0;
	if (negotiate_reader_has(desc, first))
		return (int)first;
	if (!atr->specific && s->card != CARD_REFUSED && (atr->protocols >> !first & 1) &&
	    negotiate_reader_has(desc, !first))
		return !first;
	return -1;
}

/* The reader does not name what the card speaks: neither is asked for anything, the APDU goes out
 * and they answer to it. Many readers' dwProtocols say less than they do. */
static enum ccid_err use_as_it_is(struct slot *s, const struct atr *atr)
{
	unsigned spoken = atr->specific ? atr->TA2 & 0x0F : atr->first_protocol;
	struct negotiate_input in = input_of(s, atr, spoken);
	enum ccid_err err;

	in.as_it_is = true;
	err = negotiate_plan(&s->params, &in);
	if (err != CCID_OK)
		return err;
	LOG(LOG_INFO, &s->ccid.log,
	    "the reader does not name T=%u of the card (dwProtocols 0x%08X): used as it is", spoken,
	    (unsigned)s->reader->desc.dwProtocols);
	t1_reset(&s->t1, s->params.crc, s->params.ifsc);
	s->card = CARD_READY;
	return CCID_OK;
}

enum ccid_err slot_ensure_protocol(struct slot *s)
{
	struct atr atr;
	enum ccid_err err;
	int protocol;

	if (s->card == CARD_READY)
		return CCID_OK;
	err = atr_parse(&atr, s->atr, s->atr_len);
	if (err != CCID_OK)
		return err;
	protocol = protocol_to_use(s, &atr);
	return protocol < 0 ? use_as_it_is(s, &atr) :
			      slot_set_protocol_locked(s, (unsigned)protocol);
}
