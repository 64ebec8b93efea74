/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One card: power, presence, protocol, transmit. */
#include "slot/slot.h"

#include "slot/slot_escape_t1.h"
#include "slot/slot_exchange.h"
#include "slot/slot_keep.h"
#include "slot/slot_power.h"
#include "slot/slot_protocol.h"
#include "slot/slot_quirks.h"

/* PC/SC part 10 pseudo-APDU FF C2 01: the user types a PIN meanwhile. */
#define PSEUDO_APDU_MS 90000u

/* The card went away and (perhaps) came back between two looks: it is reported as absent once, and
 * the next poll ends at once so that its return is seen. A call that only switches the power is
 * told what is so now; slot_leave() makes the event thread look. */
static void report_absent_once(struct slot *s, bool is_look, bool *present)
{
	struct transport *t = s->reader->transport;

	s->owes_absence = !is_look;
	*present = s->ccid.icc_state != ICC_ABSENT;
	if (!is_look)
		return;
	/* Where it cannot be taken out pcscd would not look again: its next command says that it
	 * has no power. */
	*present = t->card_always_present;
	transport_mark_changed(t, (uint8_t)s->number);
}

/* SEC1210: interface 1 has no card detector; its card state follows that of interface 0. */
static bool follows_sibling(const struct slot *s, bool *present)
{
	enum device_card card = device_card(s->reader->device, 0);

	*present = card != DEVICE_CARD_ABSENT;
	return quirk_has(&s->reader->quirks, QUIRK_SEC1210_SYNC) &&
	       s->reader->desc.bInterfaceNumber == 1 && card != DEVICE_NOT_OPEN;
}

/* The reader is busy with other slots and cannot be asked: its last notification, or else its last
 * answer. */
static void presence_meanwhile(struct slot *s, bool is_look, bool *present)
{
	struct transport *t = s->reader->transport;
	enum card_told told = transport_card_told(t, (uint8_t)s->number);

	*present = s->ccid.icc_state != ICC_ABSENT;
	if (told == CARD_TOLD_PRESENT)
		*present = true;
	else if (told != CARD_UNTOLD)
		*present = false;
	if (told == CARD_TOLD_REPLACED)
		*present = true;
	if (told == CARD_TOLD_REPLACED && s->card != CARD_OFF)
		report_absent_once(s, is_look, present);
	if (!*present || told == CARD_TOLD_REPLACED)
		slot_forget_card(s);
}

static enum ccid_err presence_locked(struct slot *s, bool is_look, bool *present)
{
	enum ccid_err err;
	bool reopened;

	if (follows_sibling(s, present)) {
		if (!*present)
			slot_card_left(s);
		return CCID_OK;
	}
	if (quirk_has(&s->reader->quirks, QUIRK_PRESENCE_FROM_POWER)) {
		*present = !s->power_failed;
		return CCID_OK;
	}
	err = ccid_look(&s->ccid);
	if (err == CCID_ERR_BUSY && s->ccid.bError == 0) {
		presence_meanwhile(s, is_look, present);
		return CCID_OK;
	}
	err = slot_recover(s, err);
	reopened = slot_was_reopened(s);
	if (s->owes_absence && is_look) {
		report_absent_once(s, is_look, present);
		return CCID_OK;
	}
	if (reopened && err == CCID_ERR_COMM)
		err = ccid_look(&s->ccid);
	if (err != CCID_OK)
		return err;
	*present = s->ccid.icc_state != ICC_ABSENT;
	if (!*present) {
		slot_card_left(s);
	} else if (s->ccid.icc_state == ICC_PRESENT_INACTIVE && s->card != CARD_OFF) {
		/* The driver did not power the card off: another card, or a reader that lost its
		 * state. */
		slot_card_left(s);
		report_absent_once(s, is_look, present);
	}
	return CCID_OK;
}

/* A command is under way, and this call does not wait for it: what was known when it began. A card
 * that is taken out meanwhile is the command's to find. One that was put in is told by the reader;
 * else the slot is asked when the command has ended. */
static bool is_present_meanwhile(struct slot *s)
{
	struct transport *t = s->reader->transport;
	enum card_told told;
	bool present;

	if (follows_sibling(s, &present))
		return present;
	if (slot_seen(s) != CARD_SEEN_ABSENT)
		return true;
	told = transport_card_told(t, (uint8_t)s->number);
	return told == CARD_TOLD_PRESENT || told == CARD_TOLD_REPLACED;
}

enum ccid_err slot_presence(struct slot *s, bool *present)
{
	enum ccid_err err;
	bool is_look = slot_is_look(s);

	*present = false;
	/* pcscd itself reported the removal. Told of it again, it would ask for a rescan and sleep
	 * for a second, once a slot; told that there is no card, pcscd 1.9 forgets that it ends its
	 * polling thread. */
	if (reader_is_gone(s->reader))
		return CCID_ERR_COMM;
	if (!slot_try_enter(s)) {
		*present = is_present_meanwhile(s);
		return CCID_OK;
	}
	err = presence_locked(s, is_look, present);
	slot_leave(s);
	return err;
}

enum ccid_err slot_power_on(struct slot *s, uint8_t *atr, size_t *len)
{
	enum ccid_err err;

	slot_enter(s);
	err = slot_kept_power(s, atr, len) ? CCID_OK : slot_power_on_locked(s, atr, len);
	slot_leave(s);
	return err;
}

enum ccid_err slot_reset(struct slot *s, uint8_t *atr, size_t *len)
{
	enum ccid_err err;

	slot_enter(s);
	err = slot_power_on_locked(s, atr, len);
	slot_leave(s);
	return err;
}

static enum ccid_err power_off_locked(struct slot *s)
{
	enum ccid_err err;

	if (slot_keeps_power(s))
		return CCID_OK;
	slot_forget_card(s);
	err = reader_is_gone(s->reader) ? CCID_ERR_NO_DEVICE : ccid_power_off(&s->ccid);
	/* no card, so the power is off; or the reader does not have the command */
	if (err == CCID_ERR_MUTE || err == CCID_ERR_NO_CARD || err == CCID_ERR_NOT_SUPPORTED)
		err = CCID_OK;
	return slot_recover(s, err);
}

enum ccid_err slot_power_off(struct slot *s)
{
	enum ccid_err err;

	slot_enter(s);
	err = power_off_locked(s);
	slot_leave(s);
	return err;
}

enum ccid_err slot_set_protocol(struct slot *s, unsigned protocol)
{
	enum ccid_err err = CCID_ERR_NO_DEVICE;

	if (protocol > 1)
		return CCID_ERR_PROTO_UNSUPPORTED;
	slot_enter(s);
	if (!reader_is_gone(s->reader))
		err = slot_recover(s, slot_set_protocol_locked(s, protocol));
	if (err != CCID_OK)
		LOG(LOG_INFO, &s->ccid.log, "T=%u cannot be set: %s", protocol, err_name(err));
	slot_leave(s);
	return err;
}

/* Class FF is not for cards (ISO 7816-4:2013 §5.4.1): a command for the reader or the driver. */
static bool is_for_reader(const uint8_t *apdu)
{
	return apdu[0] == 0xFF;
}

static bool is_pseudo_apdu(const uint8_t *apdu, size_t len)
{
	return is_for_reader(apdu) && len >= 3 && apdu[1] == 0xC2 && apdu[2] == 0x01;
}

/* A command found the card removed or without power: pcscd is to look at once. */
static void note_loss(struct slot *s, enum ccid_err err)
{
	struct transport *t = s->reader->transport;

	if (err != CCID_ERR_NO_CARD && err != CCID_ERR_POWER)
		return;
	slot_card_left(s);
	s->owes_absence = err == CCID_ERR_POWER;
	transport_mark_changed(t, (uint8_t)s->number);
}

static enum ccid_err transmit_locked(struct slot *s, const uint8_t *apdu, size_t len,
				     uint8_t *answer, size_t cap, size_t *answer_len)
{
	struct exchange_step step;
	enum ccid_err err;

	if (is_for_reader(apdu) && quirk_answers_apdu(s, apdu, len, answer, cap, answer_len))
		return CCID_OK;
	if (slot_was_reopened(s) || s->card == CARD_OFF)
		return slot_why_no_power(s);
	err = s->card == CARD_READY ? CCID_OK : slot_ensure_protocol(s);
	if (err != CCID_OK)
		return err;
	if (slot_escapes(s, apdu, len)) {
		err = slot_escape_apdu(s, apdu, len, answer, cap, answer_len);
		if (err != CCID_ERR_NOT_SUPPORTED)
			return err;
	}
	slot_reader_speaks(s);
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
	slot_enter(s);
	if (!reader_is_gone(s->reader))
		err = slot_recover(s, transmit_locked(s, apdu, len, answer, cap, answer_len));
	if (err != CCID_OK) {
		note_loss(s, err);
		LOG(LOG_INFO, &s->ccid.log, "transmit of %zu bytes failed: %s", len, err_name(err));
		*answer_len = 0;
	}
	slot_leave(s);
	return err;
}

enum ccid_err slot_escape(struct slot *s, const uint8_t *data, size_t len,
			  uint8_t *answer, size_t cap, size_t *answer_len)
{
	enum ccid_err err = CCID_ERR_NO_DEVICE;

	*answer_len = 0;
	slot_enter(s);
	if (!reader_is_gone(s->reader))
		err = slot_recover(s, ccid_escape(&s->ccid, data, len, CCID_ESCAPE_MS, answer, cap,
						  answer_len));
	slot_leave(s);
	if (err != CCID_OK)
		*answer_len = 0;
	return err == CCID_ERR_OVERFLOW ? CCID_ERR_SHORT_BUFFER : err;
}
