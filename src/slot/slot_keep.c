/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An idle card that keeps its power. pcscd powers a card off some seconds after its last use, from
 * the thread that polls the slot, and powers it on for the next program. The polling thread asks
 * for no other power off: what programs ask for (SCARD_UNPOWER_CARD, resets) comes from threads of
 * theirs. This holds for 1.9.9 and 2.3.3, whose sources were read. */
#include "slot/slot_keep.h"

#include "slot/config_quirks.h"

#include <string.h>

static bool card_keeps(struct slot *s)
{
	const struct ccid_desc *d = &s->reader->desc;
	struct quirk_ids ids = { d->idVendor, d->idProduct, d->bcdDevice, s->atr, s->atr_len };
	struct quirk_set q;

	if (s->keeps == KEEPS_UNASKED) {
		config_quirks(&s->reader->config, &q, &ids);
		s->keeps = quirk_has(&q, QUIRK_KEEP_POWER) ? KEEPS_POWER : KEEPS_NOTHING;
	}
	return s->keeps == KEEPS_POWER;
}

bool slot_keeps_power(struct slot *s)
{
	if (s->card == CARD_OFF || reader_is_gone(s->reader) || !slot_is_poller(s) ||
	    !card_keeps(s))
		return false;
	LOG(LOG_INFO, &s->ccid.log, "the idle card keeps its power (keep-power)");
	s->power = POWER_KEPT;
	return true;
}

bool slot_kept_power(struct slot *s, uint8_t *atr, size_t *len)
{
	if (s->power != POWER_KEPT || reader_is_gone(s->reader))
		return false;
	/* Reset by the host, pulled out: the card is forgotten. */
	if (ccid_look(&s->ccid) == CCID_ERR_STALE || slot_was_reopened(s) ||
	    s->ccid.icc_state != ICC_PRESENT_ACTIVE)
		return false;
	s->power = POWER_GIVEN_BACK;
	memcpy(atr, s->atr, s->atr_len);
	*len = s->atr_len;
	return true;
}
