/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef QUIRKS_CARDS_H
#define QUIRKS_CARDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a card needs beside what its ATR says. 0: nothing. The table is cards.def. */
struct card_quirks {
	uint8_t bwi;		/* instead of the BWI of the ATR */
	bool keep_power;	/* as the reader's quirk of that name */
};

/* For a whole ATR; static, never NULL. */
const struct card_quirks *card_quirks_of(const uint8_t *atr, size_t len);

/* One row of cards.def, for the tests; NULL behind the last. */
struct card_row {
	const uint8_t *atr;
	size_t len;
	struct card_quirks quirks;
	const char *reason, *reference;
};
const struct card_row *card_row(size_t i);

#endif
