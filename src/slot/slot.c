/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One card: power, presence, transmit. */
#include "slot/slot.h"

#include "slot/slot_quirks.h"
#include "slot/reader.h"
#include "util/buf.h"

#include <string.h>

#define REOPEN_MS 2000u
/* PC/SC part 10 pseudo-APDU FF C2 01: the user types a PIN meanwhile. */
#define PSEUDO_APDU_MS 90000u

bool reader_is_gone(const struct reader *r)
{
	return __atomic_load_n(&r->gone, __ATOMIC_ACQUIRE);
}

void reader_set_gone(struct reader *r)
{
	__atomic_store_n(&r->gone, true, __ATOMIC_RELEASE);
	r->transport->ops->set_gone(r->transport);
}

/* Nothing is known of the card any more. */
static void forget_card(struct slot *s)
{
	s->powered = false;
	s->negotiated = false;
	s->pps_sent = false;
	s->params_refused = false;
	s->atr_len = 0;
}

/* The next card is perhaps another one. */
static void card_left(struct slot *s)
{
	forget_card(s);
	s->slow_atr_len = 0;
}

enum ccid_err slot_recover(struct slot *s, enum ccid_err err)
{
	struct transport *t = s->reader->transport;
	struct deadline d;

	if (reader_is_gone(s->reader))
		return CCID_ERR_NO_DEVICE;
	if (err != CCID_ERR_STALE || !t->ops->reopen)
		return err;
	forget_card(s);
	s->ccid.needs_resync = false;
	d = deadline_in_ms(REOPEN_MS);
	err = t->ops->reopen(t, &d);
	return err == CCID_OK || err == CCID_ERR_BUSY ? CCID_ERR_COMM : CCID_ERR_NO_DEVICE;
}

/* True once after the reader was opened again behind our back. */
static bool was_reopened(struct slot *s)
{
	unsigned now = __atomic_load_n(&s->reader->transport->generation, __ATOMIC_ACQUIRE);
	bool yes = now != s->generation;

	s->generation = now;
	if (yes) {
		forget_card(s);
		s->owes_absence = true;
	}
	return yes;
}

/* The card went away and (perhaps) came back between two looks: it is reported as absent
 * once, and the next poll ends at once so that its return is seen. */
static void report_absent_once(struct slot *s, bool *present)
{
	struct transport *t = s->reader->transport;

	/* Where it cannot be taken out pcscd would not look again: its next command says that it
	 * has no power. */
	*present = t->card_always_present;
	if (t->ops->mark_changed)
		t->ops->mark_changed(t, (uint8_t)s->number);
}

/* SEC1210: interface 1 has no card detector, its card comes and goes with interface 0's. */
static bool follows_sibling(struct slot *s, bool *present)
{
	return quirk_has(&s->reader->quirks, QUIRK_SEC1210_SYNC) &&
	       s->reader->desc.bInterfaceNumber == 1 &&
	       registry_sibling_presence(s->reader, 0, present);
}

/* The reader works for other slots and cannot be asked: what it told by itself, else what it
 * answered last. */
static void presence_meanwhile(struct slot *s, bool *present)
{
	struct transport *t = s->reader->transport;
	enum card_told told = t->ops->card_told ?
				      t->ops->card_told(t, (uint8_t)s->number) : CARD_UNTOLD;

	*present = s->ccid.icc_state != ICC_ABSENT;
	if (told == CARD_TOLD_PRESENT)
		*present = true;
	else if (told != CARD_UNTOLD)
		*present = false;
	if (told == CARD_TOLD_REPLACED && s->powered)
		report_absent_once(s, present);
	else if (told == CARD_TOLD_REPLACED)
		*present = true;
	if (!*present || told == CARD_TOLD_REPLACED)
		forget_card(s);
}

static enum ccid_err presence_locked(struct slot *s, bool *present)
{
	enum ccid_err err;

	if (follows_sibling(s, present)) {
		if (!*present)
			card_left(s);
		return CCID_OK;
	}
	if (quirk_has(&s->reader->quirks, QUIRK_PRESENCE_FROM_POWER)) {
		*present = !s->power_failed;
		return CCID_OK;
	}
	err = ccid_look(&s->ccid);
	if (err == CCID_ERR_BUSY && s->ccid.bError == 0) {
		presence_meanwhile(s, present);
		return CCID_OK;
	}
	err = slot_recover(s, err);
	was_reopened(s);
	if (s->owes_absence) {
		s->owes_absence = false;
		report_absent_once(s, present);
		return CCID_OK;
	}
	if (err != CCID_OK)
		return err;
	*present = s->ccid.icc_state != ICC_ABSENT;
	if (!*present) {
		card_left(s);
	} else if (s->ccid.icc_state == ICC_PRESENT_INACTIVE && s->powered) {
		/* We did not power it off: another card, or a reader that lost its state. */
		card_left(s);
		report_absent_once(s, present);
	}
	return CCID_OK;
}

enum ccid_err slot_presence(struct slot *s, bool *present)
{
	enum ccid_err err;

	*present = false;
	/* pcscd said so itself. Told it again, it would ask for a rescan and sleep for a second,
	 * once a slot; told that there is no card, pcscd 1.9 forgets that it ends its polling
	 * thread. */
	if (reader_is_gone(s->reader))
		return CCID_ERR_COMM;
	/* A command is under way: then the card is there, and nobody waits for it here. */
	if (pthread_mutex_trylock(&s->lock) != 0) {
		*present = true;
		return CCID_OK;
	}
	err = presence_locked(s, present);
	pthread_mutex_unlock(&s->lock);
	return err;
}

/* bPowerSelect values to try, at most 3; 0 lets the reader decide. A reader that names no voltage
 * (bVoltageSupport 0) is asked for all of them. */
static unsigned voltages(const struct reader *r, uint8_t out[3])
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

/* Nothing that another voltage could help. What the reader answers never is: slots without a card
 * detector (SAM) call a card that does not answer an absent one, by whatever error. */
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

/* TS and T0 are mandatory (ISO 7816-3:2006 §8.2.1): less is no ATR. Else it is pcscd's to judge,
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
	unsigned n = voltages(s->reader, select);
	/* A reader may ask for more time at one voltage, not at each. */
	struct deadline all = deadline_in_ms(CCID_TOTAL_MS);
	enum ccid_err err = CCID_ERR_POWER;

	*len = 0;
	if (reader_is_gone(s->reader))
		return CCID_ERR_NO_DEVICE;
	was_reopened(s);
	s->owes_absence = false;	/* pcscd powers the card on: it expects a fresh one */
	forget_card(s);
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
		forget_card(s);
		return slot_recover(s, err);
	}
	s->powered = true;
	memcpy(atr, s->atr, s->atr_len);
	*len = s->atr_len;
	return CCID_OK;
}

enum ccid_err slot_power_on(struct slot *s, uint8_t *atr, size_t *len)
{
	enum ccid_err err;

	pthread_mutex_lock(&s->lock);
	err = slot_power_on_locked(s, atr, len);
	pthread_mutex_unlock(&s->lock);
	return err;
}

enum ccid_err slot_power_off(struct slot *s)
{
	enum ccid_err err;

	pthread_mutex_lock(&s->lock);
	forget_card(s);
	err = reader_is_gone(s->reader) ? CCID_ERR_NO_DEVICE : ccid_power_off(&s->ccid);
	/* nothing there to power: it is off; or the reader has no such command */
	if (err == CCID_ERR_MUTE || err == CCID_ERR_NO_CARD || err == CCID_ERR_NOT_SUPPORTED)
		err = CCID_OK;
	err = slot_recover(s, err);
	pthread_mutex_unlock(&s->lock);
	return err;
}

enum ccid_err slot_run_exchange(struct slot *s, struct exchange_step step, unsigned least_wait_ms,
				size_t *answer_len)
{
	/* One command's blocks, repeats and waiting time extensions end with it. */
	unsigned extra = least_wait_ms + s->params.exchange.extra_wait_ms;
	struct deadline total = deadline_in_ms(CCID_TOTAL_MS + extra);
	/* A card that says nothing any more is not asked again and again for so long. */
	struct deadline silence = deadline_in_ms(CCID_SILENCE_MS + extra);
	enum ccid_err err;

	*answer_len = 0;
	while (step.verdict == STEP_SEND) {
		unsigned wait = step.wait_ms > least_wait_ms ? step.wait_ms : least_wait_ms;
		struct deadline end = deadline_earlier(total, silence);
		uint64_t left = deadline_left_ms(&end);
		struct ccid_block in;
		uint8_t sw2;

		if (left == 0) {
			step = exchange_fail(&s->exchange, CCID_ERR_TIMEOUT);
			break;
		}
		if (wait > left)
			wait = (unsigned)left;
		err = ccid_xfr_block(&s->ccid, step.data, step.len, step.bBWI, step.wLevelParameter,
				     wait, &in);
		if (err == CCID_ERR_NO_DEVICE || err == CCID_ERR_STALE ||
		    reader_is_gone(s->reader)) {
			step = exchange_fail(&s->exchange, err ? err : CCID_ERR_NO_DEVICE);
			break;
		}
		if (err != CCID_ERR_TIMEOUT)
			silence = deadline_in_ms(CCID_SILENCE_MS + extra);
		/* a PIN was asked for by the reader on its own: the answer that Secure has, too */
		if (err == CCID_ERR_TIMEOUT && s->exchange.apdu && ccid_pin_sw2(&s->ccid, &sw2))
			step = exchange_finish(&s->exchange, 0x64, sw2);
		else
			step = exchange_feed(&s->exchange, err, in.data, in.len,
					     in.bChainParameter);
	}
	if (step.verdict == STEP_DONE)
		*answer_len = s->exchange.answer_len;
	if (s->exchange.odd)
		LOG(LOG_INFO, &s->ccid.log, "T=%u: %s is %u (0x%02X)%s", s->params.protocol,
		    s->exchange.odd, s->exchange.odd_value, s->exchange.odd_value,
		    step.verdict == STEP_DONE ? ", repaired" : "");
	exchange_end(&s->exchange);
	ccid_forget(&s->ccid);
	return step.verdict == STEP_DONE ? CCID_OK : step.err;
}

static bool is_pseudo_apdu(const uint8_t *apdu, size_t len)
{
	return len >= 3 && apdu[0] == 0xFF && apdu[1] == 0xC2 && apdu[2] == 0x01;
}

/* A command found the card gone or without power: pcscd is to look at once. */
static void note_loss(struct slot *s, enum ccid_err err)
{
	struct transport *t = s->reader->transport;

	if (err != CCID_ERR_NO_CARD && err != CCID_ERR_POWER)
		return;
	card_left(s);
	s->owes_absence = err == CCID_ERR_POWER;
	if (t->ops->mark_changed)
		t->ops->mark_changed(t, (uint8_t)s->number);
}

static enum ccid_err transmit_locked(struct slot *s, const uint8_t *apdu, size_t len,
				     uint8_t *answer, size_t cap, size_t *answer_len)
{
	struct exchange_step step;
	enum ccid_err err;

	if (quirk_answers_apdu(s, apdu, len, answer, cap, answer_len))
		return CCID_OK;
	if (was_reopened(s) || !s->powered)
		return s->ccid.icc_state == ICC_ABSENT ? CCID_ERR_NO_CARD : CCID_ERR_COMM;
	err = slot_ensure_protocol(s);
	if (err != CCID_OK)
		return err;
	step = exchange_begin(&s->exchange, &s->params.exchange, &s->t1, apdu, len, answer, cap);
	return slot_run_exchange(s, step, is_pseudo_apdu(apdu, len) ? PSEUDO_APDU_MS : 0,
				 answer_len);
}

enum ccid_err slot_transmit(struct slot *s, const uint8_t *apdu, size_t len,
			    uint8_t *answer, size_t cap, size_t *answer_len)
{
	enum ccid_err err = CCID_ERR_NO_DEVICE;

	*answer_len = 0;
	if (len == 0)
		return CCID_ERR_ARG;
	pthread_mutex_lock(&s->lock);
	if (!reader_is_gone(s->reader))
		err = slot_recover(s, transmit_locked(s, apdu, len, answer, cap, answer_len));
	if (err != CCID_OK) {
		note_loss(s, err);
		LOG(LOG_INFO, &s->ccid.log, "transmit of %zu bytes failed: %s", len, err_name(err));
		*answer_len = 0;
	}
	pthread_mutex_unlock(&s->lock);
	return err;
}

enum ccid_err slot_escape(struct slot *s, const uint8_t *data, size_t len,
			  uint8_t *answer, size_t cap, size_t *answer_len)
{
	enum ccid_err err = CCID_ERR_NO_DEVICE;

	*answer_len = 0;
	pthread_mutex_lock(&s->lock);
	if (!reader_is_gone(s->reader))
		err = slot_recover(s, ccid_escape(&s->ccid, data, len, CCID_ESCAPE_MS, answer, cap,
						  answer_len));
	pthread_mutex_unlock(&s->lock);
	if (err != CCID_OK)
		*answer_len = 0;
	return err == CCID_ERR_OVERFLOW ? CCID_ERR_SHORT_BUFFER : err;
}
