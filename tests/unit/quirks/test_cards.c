/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* src/quirks/cards.c and cards.def: every row is found by its ATR, and by no other ATR. */
#include "proto/atr.h"
#include "quirks/cards.h"
#include "unit/unit_cmocka.h"

#include <string.h>

static void every_row_is_found(void **state)
{
	size_t n = 0;

	(void)state;
	for (const struct card_row *row; (row = card_row(n)); n++) {
		static const struct card_quirks none;
		uint8_t other[33];
		struct atr atr;

		assert_true(row->len <= sizeof other && strlen(row->reason) > 10 && strlen(row->reference) > 3);
		assert_int_equal(atr_parse(&atr, row->atr, row->len), CCID_OK);
		assert_ptr_equal(card_quirks_of(row->atr, row->len), &row->quirks);
		assert_memory_not_equal(&row->quirks, &none, sizeof none);
		assert_memory_equal(card_quirks_of(row->atr, row->len - 1), &none, sizeof none);
		memcpy(other, row->atr, row->len);
		other[row->len - 1] ^= 1;
		assert_memory_equal(card_quirks_of(other, row->len), &none, sizeof none);
	}
	assert_true(n > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(every_row_is_found) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
