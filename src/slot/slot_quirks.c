/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "slot/slot_quirks.h"
#include "quirks/display_strings.h"
#include "util/buf.h"
#include "util/text.h"

#include <string.h>

#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "0"
#endif

#define MAX_RATE_OF_QUIRK 200000u	/* RATES_TO_200000 */
#define GEMALTO_FEATURES_ROOM 64	/* a later firmware may say more */

static void set_level(struct reader *r, enum exchange_level level, uint32_t feature)
{
	r->level = level;
	r->desc.dwFeatures = (r->desc.dwFeatures & ~CCID_FEATURE_LEVEL_MASK) | feature;
}

static void drop_fast_rates(struct reader *r)
{
	size_t kept = 0;

	for (size_t i = 0; i < r->n_data_rates; i++)
		if (r->data_rates[i] <= MAX_RATE_OF_QUIRK)
			r->data_rates[kept++] = r->data_rates[i];
	r->n_data_rates = kept;
	if (r->desc.dwMaxDataRate > MAX_RATE_OF_QUIRK)
		r->desc.dwMaxDataRate = MAX_RATE_OF_QUIRK;
}

void quirk_fix_desc(struct reader *r)
{
	const struct quirk_set *q = &r->quirks;
	struct ccid_desc *d = &r->desc;

	if (quirk_has(q, QUIRK_NO_PINPAD))
		d->bPINSupport = 0;
	if (quirk_has(q, QUIRK_MAX_IFSD_254))
		d->dwMaxIFSD = 254;
	if (quirk_has(q, QUIRK_MAX_RATE_9600))
		d->dwMaxDataRate = 9600;
	if (quirk_has(q, QUIRK_RATES_TO_200000))
		drop_fast_rates(r);
	if (quirk_has(q, QUIRK_MAX_LENGTH_270) && d->dwMaxCCIDMessageLength == 263)
		d->dwMaxCCIDMessageLength = 270;
	if (quirk_has(q, QUIRK_EXTENDED_LEVEL) && r->level == LEVEL_SHORT_APDU)
		set_level(r, LEVEL_EXTENDED_APDU, CCID_FEATURE_EXTENDED_APDU);
	if (quirk_has(q, QUIRK_SHORT_LEVEL) && r->level == LEVEL_EXTENDED_APDU)
		set_level(r, LEVEL_SHORT_APDU, CCID_FEATURE_SHORT_APDU);
}

const uint32_t *quirk_rates(const struct reader *r, unsigned slot_number, size_t *n)
{
	static const uint32_t sim_rates[] = { 10753, 21505, 43011, 125000 };

	if (slot_number > 0 && quirk_has(&r->quirks, QUIRK_SIM_SLOT_RATES)) {
		*n = sizeof sim_rates / sizeof sim_rates[0];
		return sim_rates;
	}
	*n = r->n_data_rates;
	return r->n_data_rates > 0 ? r->data_rates : NULL;
}

static enum ccid_err escape(struct slot *s, const uint8_t *cmd, size_t len,
			    uint8_t *out, size_t cap, size_t *out_len)
{
	*out_len = 0;
	return ccid_escape(&s->ccid, cmd, len, CCID_COMMAND_MS, out, cap, out_len);
}

static void gemalto_apdu_mode(struct reader *r, struct slot *s)
{
	static const uint8_t cmd[] = { 0x1F, 0x02 };
	uint8_t out[16];
	size_t len;

	if (escape(s, cmd, sizeof cmd, out, sizeof out, &len) == CCID_OK) {
		set_level(r, LEVEL_SHORT_APDU, CCID_FEATURE_SHORT_APDU);
		LOG(LOG_INFO, &s->ccid.log, "APDU mode as asked for by ifdDriverOptions");
	} else {
		LOG(LOG_CRITICAL, &s->ccid.log, "no APDU mode: the reader refuses it");
	}
}

/* Escape B2 A0 00 4D 4C and ten lines of 16 characters. */
static void load_display_strings(struct reader *r, struct slot *s)
{
	static const uint8_t keep_error[] = { 0xB5, 0x00 };
	uint8_t cmd[5 + DISPLAY_STRINGS * DISPLAY_WIDTH] = { 0xB2, 0xA0, 0x00, 0x4D, 0x4C };
	uint8_t out[16];
	size_t len;
	struct deadline d = deadline_in_ms(1000);

	/* The firmware is not ready for this earlier. */
	deadline_sleep_ms(&d, 1000);
	display_strings_fill(cmd + 5, r->config.language);
	if (escape(s, cmd, sizeof cmd, out, sizeof out, &len))
		LOG(LOG_INFO, &s->ccid.log, "the display texts could not be loaded");
	if ((r->config.driver_options & OPTION_NO_PIN_RETRY) &&
	    escape(s, keep_error, sizeof keep_error, out, sizeof out, &len))
		LOG(LOG_INFO, &s->ccid.log, "the reader's own PIN retry query stays on");
}

static void gemalto_features(struct reader *r, struct slot *s)
{
	static const uint8_t cmd[] = { 0x6A };
	uint8_t out[GEMALTO_FEATURES_ROOM];
	size_t len;

	/* Most readers of the maker do not have the command: not worth a line. */
	if (escape(s, cmd, sizeof cmd, out, sizeof out, &len) || len < GEMALTO_FEATURES_LENGTH)
		return;
	memcpy(r->gemalto_features, out, GEMALTO_FEATURES_LENGTH);
	r->has_gemalto_features = true;
}

void quirk_ready(struct reader *r, struct slot *s)
{
	const struct quirk_set *q = &r->quirks;

	if (quirk_has(q, QUIRK_GEMALTO_APDU_MODE) &&
	    (r->config.driver_options & OPTION_GEMALTO_APDU_MODE))
		gemalto_apdu_mode(r, s);
	if (quirk_has(q, QUIRK_DISPLAY_STRINGS))
		load_display_strings(r, s);
	if (quirk_has(q, QUIRK_GEMALTO_FEATURES))
		gemalto_features(r, s);
}

enum ccid_err quirk_power_failed(struct slot *s)
{
	static const uint8_t iso_mode[] = { 0x1F, 0x01 };
	uint8_t out[16];
	size_t len;

	/* BB: the card is not an EMV card (Gemalto's bError) */
	if (!quirk_has(&s->reader->quirks, QUIRK_ISO_MODE_ON_BB) || s->ccid.bError != 0xBB)
		return CCID_ERR_POWER;
	return escape(s, iso_mode, sizeof iso_mode, out, sizeof out, &len);
}

/* The maker's command FF 9A 01 xx 00 asks for the reader's name. */
bool quirk_answers_apdu(struct slot *s, const uint8_t *apdu, size_t len,
			uint8_t *answer, size_t cap, size_t *answer_len)
{
	static const uint8_t header[] = { 0xFF, 0x9A, 0x01 };
	uint16_t fw = s->reader->desc.bcdDevice;
	char room[32];
	struct text text = text_of(room, sizeof room - 2);	/* the status bytes */
	size_t n;

	if (!quirk_has(&s->reader->quirks, QUIRK_KOBIL_IDTOKEN) || len != 5 ||
	    memcmp(apdu, header, sizeof header) != 0 || apdu[4] != 0x00)
		return false;
	switch (apdu[3]) {
	case 0x01:
		text_add(&text, "KOBIL systems");
		break;
	case 0x03:
		text_add(&text, "IDToken");
		break;
	case 0x06:
		text_add(&text, "%X.%02X", fw >> 8, fw & 0xFFu);
		break;
	case 0x07:
		text_add(&text, "%s", PACKAGE_VERSION);
		break;
	default:
		return false;
	}
	n = text.len;
	room[n++] = (char)0x90;
	room[n++] = 0x00;
	if (cap > 0)
		memcpy(answer, room, n < cap ? n : cap);
	*answer_len = n;
	return true;
}
