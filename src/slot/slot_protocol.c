/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Carries out what negotiate.c planned: PPS, SetParameters, IFSD. */
#include "slot/slot.h"

#include "quirks/quirk_hooks.h"

static struct negotiate_input input_of(const struct slot *s, const struct atr *atr,
				       unsigned protocol)
{
	const struct reader *r = s->reader;
	const struct quirk_set *q = &r->quirks;
	size_t n_rates;
	const uint32_t *rates = quirk_rates(r, s->number, &n_rates);

	return (struct negotiate_input){
		.atr = atr, .desc = &r->desc, .rates = rates, .n_rates = n_rates,
		.protocol = protocol,
		.keep_atr_protocol = quirk_has(q, QUIRK_KEEP_ATR_PROTOCOL),
		.no_ifsd = quirk_has(q, QUIRK_NO_IFSD),
		.case1_needs_p3 = quirk_has(q, QUIRK_CASE1_NEEDS_P3),
		.split_expected_64 = quirk_has(q, QUIRK_SPLIT_EXPECTED_64),
		.extra_t1_wait_ms = q->extra_t1_wait_ms,
	};
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
	if (s->pps_sent)
		return CCID_ERR_PTS;
	s->pps_sent = true;
	err = ccid_xfr_block(&s->ccid, n->pps, n->pps_len, 0, wLevelParameter, wait, &answer);

	if (err != CCID_OK)
		return err == CCID_ERR_NO_DEVICE || err == CCID_ERR_STALE ? err : CCID_ERR_PTS;
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

static enum ccid_err do_parameters(struct slot *s)
{
	struct negotiation *n = &s->params;
	enum ccid_err err = ccid_set_parameters(&s->ccid, n->protocol, n->params, n->params_len);
	uint8_t atr[ATR_MAX];
	size_t len;

	if (err == CCID_OK || err == CCID_ERR_NO_DEVICE || err == CCID_ERR_STALE ||
	    !quirk_has(&s->reader->quirks, QUIRK_PARAMS_MAY_FAIL))
		return err;
	/* These readers work with what they derive from the ATR themselves: start afresh. */
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

static enum ccid_err set_protocol_locked(struct slot *s, unsigned protocol)
{
	struct negotiate_input in;
	struct atr atr;
	enum ccid_err err;

	if (s->negotiated)
		/* PPS comes right after the ATR and only there (§9.1). */
		return s->params.protocol == protocol ||
		       quirk_has(&s->reader->quirks, QUIRK_KEEP_ATR_PROTOCOL)
			? CCID_OK : CCID_ERR_PROTO_UNSUPPORTED;
	if (!s->powered)
		return s->ccid.icc_state == ICC_ABSENT ? CCID_ERR_NO_CARD : CCID_ERR_COMM;
	err = atr_parse(&atr, s->atr, s->atr_len);
	if (err != CCID_OK)
		return err;
	in = input_of(s, &atr, protocol);
	err = negotiate_plan(&s->params, &in);
	if (err == CCID_OK && s->params.send_pps)
		err = do_pps(s, &in);
	if (err == CCID_OK && s->params.set_parameters)
		err = do_parameters(s);
	if (err != CCID_OK)
		return err;
	t1_reset(&s->t1, s->params.crc, s->params.ifsc);
	s->t1.nad = s->params.nad;
	if (s->params.negotiate_ifsd)
		err = do_ifsd(s);
	s->negotiated = err == CCID_OK;
	return err;
}

enum ccid_err slot_set_protocol(struct slot *s, unsigned protocol)
{
	enum ccid_err err = CCID_ERR_NO_DEVICE;

	if (protocol > 1)
		return CCID_ERR_PROTO_UNSUPPORTED;
	pthread_mutex_lock(&s->lock);
	if (!reader_is_gone(s->reader))
		err = slot_recover(s, set_protocol_locked(s, protocol));
	if (err != CCID_OK)
		LOG(LOG_INFO, &s->ccid.log, "T=%u cannot be set: %s", protocol, err_name(err));
	pthread_mutex_unlock(&s->lock);
	return err;
}

enum ccid_err slot_ensure_protocol(struct slot *s)
{
	struct atr atr;
	enum ccid_err err;

	if (s->negotiated)
		return CCID_OK;
	err = atr_parse(&atr, s->atr, s->atr_len);
	return err == CCID_OK ? set_protocol_locked(s, atr.first_protocol == 1 ? 1 : 0) : err;
}
