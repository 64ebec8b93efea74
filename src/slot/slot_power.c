/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Voltages, and what is an ATR. */
#include "slot/slot_power.h"

#include "slot/slot_quirks.h"

#include <string.h>

/* bPowerSelect values to try, at most 3; 0 lets the reader decide. A reader that names no voltage
 * (bVoltageSupport 0) is asked for all of them. */
static unsigned power_voltages(const struct reader *r, uint8_t out[3])
{
	unsigned supported = r->desc.bVoltageSupport & 7 ? r->desc.bVoltageSupport : 7;
	static const unsigned option[] = { 1, 2, 3, 0 };	/* ifdDriverOptions 0x30 */
	unsigned first = option[(r->config.driver_options & OPTION_VOLTAGE_MASK) >> 4];
	/* 5 V (1), 3 V (2), 1.8 V (3): the configured one first. */
	static const uint8_t order[3][3] = { { 1, 2, 3 }, { 2, 1, 3 }, { 3, 2, 1 } };
	unsigned n = 0;

	if (r->desc.dwFeatures & (CCID_FEATURE_AUTO_VOLTAGE | CCID_FEATURE_AUTO_ACTIVATION) ||
	    first == 0) {
		out[0] = 0;
		return 1;
	}
	for (unsigned i = 0; i < 3; i++) {
		unsigned v = order[first - 1][i];

		if (supported & 1u << (v - 1))
			out[n++] = (uint8_t)v;
	}
	return n;
}

/* Errors that another voltage cannot help. An answer of the reader is never such an error: slots
 * without a card detector (SAM) call a card that does not answer an absent one, by whatever
 * error. */
static bool is_final(const struct slot *s, enum ccid_err err)
{
	if (err == CCID_ERR_NO_CARD || err == CCID_ERR_TIMEOUT)
		return !s->ccid.refused;
	return err == CCID_OK || err == CCID_ERR_NO_DEVICE || err == CCID_ERR_STALE ||
	       err == CCID_ERR_NOMEM;
}

static enum ccid_err power_at(struct slot *s, uint8_t bPowerSelect)
{
	enum ccid_err err = ccid_power_on(&s->ccid, bPowerSelect, s->atr, sizeof s->atr,
					  &s->atr_len);

	if (err != CCID_OK && quirk_power_failed(s) == CCID_OK)
		err = ccid_power_on(&s->ccid, bPowerSelect, s->atr, sizeof s->atr, &s->atr_len);
	return err;
}

/* TS and T0 are mandatory (ISO 7816-3:2006 §8.2.1): less is not an ATR. pcscd judges the rest,
 * and what cannot be used is refused when the protocol is set. */
static enum ccid_err judge_atr(const struct slot *s)
{
	struct atr atr;

	if (s->atr_len < 2) {
		LOG(LOG_INFO, &s->ccid.log, "ATR of %zu bytes", s->atr_len);
		return s->atr_len == 0 ? CCID_ERR_MUTE : CCID_ERR_PROTOCOL;
	}
	if (atr_parse(&atr, s->atr, s->atr_len) != CCID_OK)
		LOG(LOG_INFO, &s->ccid.log, "ATR: TS is 0x%02X", s->atr[0]);
	else if (atr.truncated)
		LOG(LOG_INFO, &s->ccid.log, "ATR of %zu bytes: T0 0x%02X announces more",
		    s->atr_len, s->atr[1]);
	return CCID_OK;
}

enum ccid_err slot_power_on_locked(struct slot *s, uint8_t *atr, size_t *len)
{
	uint8_t select[3];
	unsigned n = power_voltages(s->reader, select);
	/* A reader may ask for more time at one voltage, but not at every one. */
	struct deadline all = deadline_in_ms(CCID_TOTAL_MS);
	enum ccid_err err = CCID_ERR_POWER;

	*len = 0;
	if (reader_is_gone(s->reader))
		return CCID_ERR_NO_DEVICE;
	slot_was_reopened(s);
	s->owes_absence = false;	/* pcscd powers the card on: it expects a fresh one */
	slot_forget_card(s);
	if (quirk_has(&s->reader->quirks, QUIRK_OFF_BEFORE_ON) ||
	    (quirk_has(&s->reader->quirks, QUIRK_SEC1210_SYNC) &&
	     s->reader->desc.bInterfaceNumber == 1))
		ccid_power_off(&s->ccid);
	for (unsigned i = 0; i < n; i++) {
		err = power_at(s, select[i]);
		if (is_final(s, err) || deadline_passed(&all))
			break;
	}
	if (err == CCID_OK)
		err = judge_atr(s);
	s->power_failed = err != CCID_OK;
	if (err != CCID_OK) {
		slot_forget_card(s);
		return slot_recover(s, err);
	}
	s->card = CARD_ON;
	memcpy(atr, s->atr, s->atr_len);
	*len = s->atr_len;
	return CCID_OK;
}

enum ccid_err slot_why_no_power(struct slot *s)
{
	enum ccid_err err = ccid_look(&s->ccid);

	if (err == CCID_ERR_NO_DEVICE || err == CCID_ERR_STALE)
		return err;
	return s->ccid.icc_state == ICC_ABSENT ? CCID_ERR_NO_CARD : CCID_ERR_COMM;
}
