/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "slot/features.h"
#include "slot/gemalto.h"
#include "slot/part10.h"
#include "slot/slot.h"
#include "util/buf.h"

#include <string.h>

#define ENTRY_CONDITION_ANY 0x07	/* validation key, maximum size, time-out */
#define MAX_APDU_DATA 0x10000u		/* dwMaxAPDUDataSize with extended APDUs */
#define FIRMWARE_ID_MAX 128

bool features_has_pin_verify(const struct slot *s)
{
	return (s->reader->desc.bPINSupport & CCID_PIN_VERIFY) != 0;
}

bool features_has_pin_modify(const struct slot *s)
{
	return (s->reader->desc.bPINSupport & CCID_PIN_MODIFY) != 0;
}

static bool has_pinpad(const struct slot *s)
{
	return features_has_pin_verify(s) || features_has_pin_modify(s);
}

bool features_has_mct(const struct slot *s)
{
	return quirk_has(&s->reader->quirks, QUIRK_MCT_READER_DIRECT);
}

static bool has_tlv(const struct slot *s)
{
	(void)s;
	return true;
}

/* Any Escape command, not only particular ones. */
static bool escape_authorised(const struct slot *s)
{
	return (s->reader->config.driver_options & OPTION_ESCAPE_AUTHORISED) ||
	       quirk_has(&s->reader->quirks, QUIRK_ESCAPE_ALWAYS);
}

bool features_escape_allowed(const struct slot *s, const uint8_t *cmd, size_t len)
{
	static const uint8_t switch_interface[] = { 0x52, 0xF8, 0x04, 0x01, 0x00 };
	const struct quirk_set *q = &s->reader->quirks;

	if (escape_authorised(s))
		return true;
	if (quirk_has(q, QUIRK_ESCAPE_SWITCH_INTERFACE) && len == sizeof switch_interface + 1 &&
	    memcmp(cmd, switch_interface, sizeof switch_interface) == 0)
		return true;
	return quirk_has(q, QUIRK_ESCAPE_FIRMWARE_VERSION) && len == 1 && cmd[0] == 0x02;
}

static const struct feature {
	uint8_t tag;
	bool (*offered)(const struct slot *s);
} features[] = {
	{ PART10_VERIFY_PIN_DIRECT, features_has_pin_verify },
	{ PART10_MODIFY_PIN_DIRECT, features_has_pin_modify },
	{ PART10_IFD_PIN_PROPERTIES, has_pinpad },
	{ PART10_MCT_READER_DIRECT, features_has_mct },
	{ PART10_GET_TLV_PROPERTIES, has_tlv },
	{ PART10_CCID_ESC_COMMAND, escape_authorised },
};

static enum ccid_err finish(const struct wbuf *w, size_t *len)
{
	*len = w->bad ? 0 : w->len;
	return w->bad ? CCID_ERR_SHORT_BUFFER : CCID_OK;
}

enum ccid_err features_list(struct slot *s, uint8_t *out, size_t cap, size_t *len)
{
	struct wbuf w = wbuf_of(out, cap);

	for (size_t i = 0; i < sizeof features / sizeof features[0]; i++) {
		if (!features[i].offered(s))
			continue;
		wbuf_u8(&w, features[i].tag);
		wbuf_u8(&w, 4);
		wbuf_be32(&w, PART10_CONTROL_CODE(FEATURE_CODE_BASE + features[i].tag));
	}
	return finish(&w, len);
}

/* What is known of the conditions that end a PIN entry; 0: nothing. */
static uint8_t known_entry_condition(const struct reader *r)
{
	if (r->quirks.entry_condition)
		return r->quirks.entry_condition;
	return r->has_gemalto_features ? r->gemalto_features[GEMALTO_ENTRY_CONDITION] : 0;
}

enum ccid_err features_pin_properties(struct slot *s, uint8_t *out, size_t cap, size_t *len)
{
	const struct reader *r = s->reader;
	uint8_t condition = known_entry_condition(r);
	struct wbuf w = wbuf_of(out, cap);

	*len = 0;
	if (!has_pinpad(s))
		return CCID_ERR_NOT_SUPPORTED;
	wbuf_bytes(&w, &r->desc.wLcdLayout, sizeof r->desc.wLcdLayout);
	wbuf_u8(&w, condition ? condition : ENTRY_CONDITION_ANY);
	wbuf_u8(&w, 0);		/* bTimeOut2: PC_to_RDR_Secure has no such field */
	return finish(&w, len);
}

/* A property of 1, 2 or 4 bytes, little-endian. */
static void put_property(struct wbuf *w, uint8_t tag, uint8_t size, uint32_t value)
{
	wbuf_u8(w, tag);
	wbuf_u8(w, size);
	for (unsigned i = 0; i < size; i++)
		wbuf_u8(w, (uint8_t)(value >> 8 * i));
}

static void put_display(struct wbuf *w, const struct reader *r)
{
	uint16_t layout = r->desc.wLcdLayout;

	put_property(w, PART10_wLcdLayout, 2, layout);
	if (layout == 0)
		return;
	/* CCID 1.10 §5.1: XXYYh, XX lines of YY characters */
	put_property(w, PART10_wLcdMaxCharacters, 2, layout & 0xFFu);
	put_property(w, PART10_wLcdMaxLines, 2, layout >> 8);
}

static void put_firmware_id(struct wbuf *w, struct slot *s)
{
	static const uint8_t ask[] = { 0x02 };
	uint8_t id[FIRMWARE_ID_MAX];
	size_t len;

	if (!quirk_has(&s->reader->quirks, QUIRK_ESCAPE_FIRMWARE_VERSION) ||
	    slot_escape(s, ask, sizeof ask, id, sizeof id, &len) != CCID_OK || len == 0)
		return;
	wbuf_u8(w, PART10_sFirmwareID);
	wbuf_u8(w, (uint8_t)len);
	wbuf_bytes(w, id, len);
}

static void put_pin_sizes(struct wbuf *w, const struct reader *r)
{
	uint8_t min = r->quirks.min_pin, max = r->quirks.max_pin;

	if (max == 0 && r->has_gemalto_features) {
		min = r->gemalto_features[GEMALTO_MIN_PIN];
		max = r->gemalto_features[GEMALTO_MAX_PIN];
	}
	if (max == 0)
		return;
	put_property(w, PART10_bMinPINSize, 1, min);
	put_property(w, PART10_bMaxPINSize, 1, max);
}

enum ccid_err features_tlv_properties(struct slot *s, uint8_t *out, size_t cap, size_t *len)
{
	const struct reader *r = s->reader;
	bool extended = r->level == LEVEL_TPDU || r->level == LEVEL_EXTENDED_APDU;
	uint8_t condition = known_entry_condition(r);
	struct wbuf w = wbuf_of(out, cap);

	put_display(&w, r);
	put_property(&w, PART10_bTimeOut2, 1, 0);
	put_firmware_id(&w, s);
	put_pin_sizes(&w, r);
	if (condition)
		put_property(&w, PART10_bEntryValidationCondition, 1, condition);
	put_property(&w, PART10_bPPDUSupport, 1, escape_authorised(s));
	put_property(&w, PART10_wIdVendor, 2, r->desc.idVendor);
	put_property(&w, PART10_wIdProduct, 2, r->desc.idProduct);
	put_property(&w, PART10_dwMaxAPDUDataSize, 4, extended ? MAX_APDU_DATA : 0);
	return finish(&w, len);
}
