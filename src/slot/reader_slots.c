/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "slot/reader_slots.h"

#include "slot/config_quirks.h"
#include "slot/slot_quirks.h"
#include "util/buf.h"
#include "util/text.h"

#include <string.h>

#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "0"
#endif

#define FIRST_STATUS_TRIES 3u
/* A reader that answers nothing holds pcscd's hot-plugging for as long: for one answer, and in all.
 * With what reading its strings takes it is less than 5 s. */
#define FIRST_STATUS_MS 1500u
#define FIRST_STATUS_ALL_MS 3000u
/* A reader that reports busy is alive: it is ending a command of an earlier pcscd. */
#define FIRST_STATUS_BUSY_MS 10000u
/* For powering a card off when its slot is closed. */
#define CLOSE_MS 400u
#define FIRST_SEQ_SHIFT 10	/* of the clock in ns: the first bSeq is another one each time */
/* ATR, GetParameters and the like also come from readers that announce less. */
#define ANSWER_MIN (CCID_HEADER_LENGTH + 261u)
#define ICCD_ANSWER_MAX (CCID_HEADER_LENGTH + 0x1000u)

static size_t message_size(const struct ccid_desc *d)
{
	return d->dwMaxCCIDMessageLength < CCID_MESSAGE_MAX ? d->dwMaxCCIDMessageLength :
							     CCID_MESSAGE_MAX;
}

/* Version B of ICCD answers in parts of a transfer's length, whatever dwMaxCCIDMessageLength
 * says. */
static size_t answer_size(const struct ccid_desc *d)
{
	size_t least = d->bInterfaceProtocol == CCID_PROTOCOL_ICCD_B ? ICCD_ANSWER_MAX : ANSWER_MIN;

	return message_size(d) > least ? message_size(d) : least;
}

static void slot_destroy(struct slot *s)
{
	if (!s)
		return;
	if (s->number == 0)
		device_tell_card(s->reader->device, s->reader->desc.bInterfaceNumber,
				 DEVICE_NOT_OPEN);
	if (s->ccid.message)
		wipe(s->ccid.message, s->ccid.message_cap);
	if (s->ccid.answer)
		wipe(s->ccid.answer, s->ccid.answer_cap);
	ccid_forget(&s->ccid);
	port_free(s->ccid.message);
	port_free(s->ccid.answer);
	port_mutex_end(&s->lock);
	wipe(s, sizeof *s);
	port_free(s);
}

struct slot *reader_new_slot(struct reader *r, unsigned long lun, unsigned number)
{
	struct slot *s = port_alloc(sizeof *s);
	struct ccid_slot *c;

	if (!s)
		return NULL;
	port_mutex_init(&s->lock);
	s->reader = r;
	s->lun = lun;
	s->number = number;
	s->generation = __atomic_load_n(&r->transport->generation, __ATOMIC_ACQUIRE);
	c = &s->ccid;
	c->transport = r->transport;
	c->desc = &r->desc;
	c->quirks = &r->quirks;
	c->log = reader_log(r, lun);
	c->bSlot = (uint8_t)number;
	c->link = r->places[number].answer_owed ? CCID_ANSWER_OWED : CCID_IN_STEP;
	__atomic_store_n(&r->mute_at_close, false, __ATOMIC_RELAXED);
	c->icc_state = ICC_UNKNOWN;
	c->message_cap = message_size(&r->desc);
	c->answer_cap = answer_size(&r->desc);
	c->message = port_alloc(c->message_cap);
	c->answer = port_alloc(c->answer_cap);
	if (!c->message || !c->answer) {
		slot_destroy(s);
		return NULL;
	}
	transport_set_closed(r->transport, (uint8_t)number, false);
	if (number == 0)
		device_tell_card(r->device, r->desc.bInterfaceNumber, DEVICE_CARD_UNKNOWN);
	return s;
}

void reader_free_slot(struct slot *s)
{
	struct transport *t = s->reader->transport;

	/* No wait for a reader that does not listen, or did not answer when another of its slots
	 * was closed. */
	if (s->card != CARD_OFF && s->ccid.link != CCID_ANSWER_OWED &&
	    !__atomic_load_n(&s->reader->mute_at_close, __ATOMIC_RELAXED) &&
	    !reader_is_gone(s->reader)) {
		transport_set_closed(t, (uint8_t)s->number, false);
		ccid_power_off_briefly(&s->ccid, CLOSE_MS);
		transport_set_closed(t, (uint8_t)s->number, true);
		__atomic_store_n(&s->reader->mute_at_close, s->ccid.link == CCID_ANSWER_OWED,
				 __ATOMIC_RELAXED);
	}
	s->reader->places[s->number].answer_owed = s->ccid.link == CCID_ANSWER_OWED;
	slot_destroy(s);
}

/* "2.05" from BCD 0x0205. */
static unsigned bcd_digits(unsigned v)
{
	return (v >> 4) * 10 + (v & 0x0F);
}

static enum ccid_err check_firmware(const struct reader *r, const struct log_ctx *log)
{
	unsigned have = r->desc.bcdDevice, good = r->quirks.first_good_fw;

	if (!quirk_has(&r->quirks, QUIRK_OLD_FIRMWARE))
		return CCID_OK;
	LOG(LOG_CRITICAL, log,
	    "firmware %u.%02u of this reader is too old, %u.%02u is the first good one: update it, "
	    "or set 0x%04X in ifdDriverOptions to use it all the same",
	    bcd_digits(have >> 8), bcd_digits(have & 0xFF), bcd_digits(good >> 8),
	    bcd_digits(good & 0xFF), OPTION_USE_BOGUS_FIRMWARE);
	return r->config.driver_options & OPTION_USE_BOGUS_FIRMWARE ? CCID_OK : CCID_ERR_NO_DEVICE;
}

static enum ccid_err copy_rates(struct reader *r)
{
	size_t n = r->transport->n_data_rates;

	if (n == 0)
		return CCID_OK;
	r->data_rates = port_alloc(n * sizeof *r->data_rates);
	if (!r->data_rates)
		return CCID_ERR_NOMEM;
	memcpy(r->data_rates, r->transport->data_rates, n * sizeof *r->data_rates);
	r->n_data_rates = n;
	return CCID_OK;
}

/* A reader may still owe
 * answers to an earlier pcscd. Sequence numbers that began at 0 each time could match such a late
 * answer. */
static enum ccid_err make_slots(struct reader *r)
{
	r->n_slots = ccid_desc_slots(&r->desc);
	r->places = port_alloc(r->n_slots * sizeof *r->places);
	if (!r->places)
		return CCID_ERR_NOMEM;
	r->transport->bSeq = (uint8_t)(clock_now() >> FIRST_SEQ_SHIFT);
	return CCID_OK;
}

enum ccid_err reader_prepare(struct reader *r, const struct log_ctx *log)
{
	enum ccid_err err;

	r->desc = r->transport->desc;
	config_quirks(&r->config, &r->quirks, &(struct quirk_ids){
			.idVendor = r->desc.idVendor, .idProduct = r->desc.idProduct,
			.bcdDevice = r->desc.bcdDevice });
	err = check_firmware(r, log);
	if (err == CCID_OK)
		err = copy_rates(r);
	if (err != CCID_OK)
		return err;
	r->level = negotiate_level(&r->desc);
	quirk_fix_desc(r);
	return make_slots(r);
}

static bool is_busy(const struct slot *s)
{
	return s->ccid.bError != 0 && ccid_error_map(s->ccid.bError) == CCID_ERR_BUSY;
}

static bool may_ask_again(const struct slot *s, enum ccid_err err, unsigned tries,
			  const struct deadline *all, const struct deadline *busy)
{
	if (err == CCID_OK || err == CCID_ERR_NO_DEVICE || err == CCID_ERR_STALE)
		return false;
	if (is_busy(s))
		return !deadline_passed(busy);
	return tries < FIRST_STATUS_TRIES && !deadline_passed(all);
}

/* Some readers take long for the first answer; others have lost an earlier message. */
static enum ccid_err first_status(struct slot *s)
{
	const struct quirk_set *q = &s->reader->quirks;
	unsigned wait = q->first_timeout_ms ? q->first_timeout_ms : FIRST_STATUS_MS;
	struct deadline all, busy;
	enum ccid_err err;
	unsigned tries = 0;
	bool off = false;

	if (q->open_delay_ms) {
		struct deadline d = deadline_in_ms(q->open_delay_ms);

		deadline_sleep_ms(&d, q->open_delay_ms);
	}
	all = deadline_in_ms(wait > FIRST_STATUS_MS ? wait : FIRST_STATUS_ALL_MS);
	busy = deadline_in_ms(FIRST_STATUS_BUSY_MS);
	for (;;) {
		err = ccid_get_slot_status(&s->ccid, wait);
		if (!may_ask_again(s, err, ++tries, &all, &busy))
			break;
		/* Some firmwares refuse everything before the first power off. */
		if (s->ccid.refused && !is_busy(s) && !off) {
			off = true;
			ccid_power_off(&s->ccid);
		}
	}
	if (err == CCID_ERR_STALE)
		err = CCID_ERR_NO_DEVICE;
	if (err != CCID_OK && err != CCID_ERR_NO_DEVICE)
		LOG(LOG_CRITICAL, &s->ccid.log, "the reader does not answer GetSlotStatus: %s",
		    err_name(err));
	return err;
}

/* One line says what is driven, and how. */
static void log_opened(const struct reader *r, const struct log_ctx *log)
{
	static const char *const levels[] = {
		[LEVEL_CHARACTER] = "character", [LEVEL_TPDU] = "TPDU",
		[LEVEL_SHORT_APDU] = "short APDU", [LEVEL_EXTENDED_APDU] = "extended APDU",
	};
	const struct ccid_desc *d = &r->desc;
	char room[512], name[QUIRK_NAME_CAP];
	struct text quirks = text_of(room, sizeof room);

	for (unsigned i = 0; i < QUIRK_COUNT; i++) {
		if (quirk_has(&r->quirks, (enum quirk)i))
			text_add(&quirks, "%s%s", quirks.len ? "," : "",
				 quirk_name((enum quirk)i, name, sizeof name));
	}
	LOG(LOG_INFO, log,
	    "ifd-ccid %s drives %04x:%04x \"%s\": level %s, slots %u, busy places %u, "
	    "firmware %x.%02x, quirks %s",
	    PACKAGE_VERSION, d->idVendor, d->idProduct,
	    r->transport->product ? r->transport->product : "", levels[r->level], r->n_slots,
	    ccid_desc_busy_places(d), d->bcdDevice >> 8, d->bcdDevice & 0xFFu,
	    quirks.len ? quirks.p : "none");
}

static enum ccid_err first_commands(struct reader *r, struct slot *s, const struct log_ctx *log)
{
	enum ccid_err err;

	slot_enter(s);
	err = first_status(s);
	if (err == CCID_OK) {
		log_opened(r, log);
		quirk_ready(r, s);
	}
	slot_leave(s);
	return err;
}

enum ccid_err reader_first_slot(struct reader *r, unsigned long lun, unsigned number,
				const struct log_ctx *log, struct slot **out)
{
	struct slot *s;
	enum ccid_err err;

	*out = NULL;
	if (number >= r->n_slots) {
		LOG(LOG_CRITICAL, log, "there is no slot %u: the reader has %u", number,
		    r->n_slots);
		return CCID_ERR_NO_DEVICE;
	}
	s = reader_new_slot(r, lun, number);
	if (!s)
		return CCID_ERR_NOMEM;
	err = first_commands(r, s, log);
	if (err == CCID_OK)
		*out = s;
	else
		slot_destroy(s);
	return err;
}
