/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "slot/config_quirks.h"

#include "quirks/cards.h"

void config_quirks(const struct config *c, struct quirk_set *q, const struct quirk_ids *ids)
{
	quirks_match(q, ids->idVendor, ids->idProduct, ids->bcdDevice, NULL);
	if (ids->atr && card_quirks_of(ids->atr, ids->atr_len)->keep_power)
		q->bits |= UINT64_C(1) << QUIRK_KEEP_POWER;
	if (c->more_quirks)
		c->more_quirks(q, ids);
	quirks_override(q, ids, c->quirks);
}
