/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "quirks/cards.h"

#include <string.h>

#define BYTES(...) (const uint8_t[]){ __VA_ARGS__ }
#define ATR(...) .atr = BYTES(__VA_ARGS__), .len = sizeof(BYTES(__VA_ARGS__))
#define V(...) __VA_ARGS__
#define CARD(bytes, values, why, where) \
	{ bytes, .quirks = { values }, .reason = (why), .reference = (where) },

static const struct card_row table[] = {
#include "quirks/cards.def"
};

const struct card_row *card_row(size_t i)
{
	return i < sizeof table / sizeof table[0] ? &table[i] : NULL;
}

const struct card_quirks *card_quirks_of(const uint8_t *atr, size_t len)
{
	static const struct card_quirks none;

	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
		if (table[i].len == len && memcmp(table[i].atr, atr, len) == 0)
			return &table[i].quirks;
	return &none;
}
