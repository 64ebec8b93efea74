/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* src/quirks/display_strings.c */
#include "quirks/display_strings.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include "unit/unit_cmocka.h"

#include <string.h>

#define SIZE (DISPLAY_STRINGS * DISPLAY_WIDTH)

static void every_language_fits_the_display(void **state)
{
	static const char *const locales[] = { "en", "fr", "de", "es", "it", "pt", "nl", "tr" };
	uint8_t text[8][SIZE];

	(void)state;
	for (size_t i = 0; i < 8; i++) {
		display_strings_fill(text[i], locales[i]);
		for (size_t k = 0; k < SIZE; k++)
			assert_true(text[i][k] >= 0x20 && text[i][k] < 0x7F);
		for (size_t line = 0; line < DISPLAY_STRINGS; line++)
			assert_int_not_equal(text[i][line * DISPLAY_WIDTH], ' ');
		for (size_t k = 0; k < i; k++)
			assert_memory_not_equal(text[i], text[k], SIZE);
	}
}

static void locale_names(void **state)
{
	uint8_t english[SIZE], french[SIZE], out[SIZE];
	static const char *const others[] = { "", "f", "C", "xx_YY", "POSIX" };

	(void)state;
	display_strings_fill(english, NULL);
	assert_memory_equal(english, "Type your PIN   Type a new PIN  ", 32);
	display_strings_fill(french, "fr");
	display_strings_fill(out, "fr_BE.UTF-8@euro");
	assert_memory_equal(out, french, SIZE);
	for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
		display_strings_fill(out, others[i]);
		assert_memory_equal(out, english, SIZE);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_language_fits_the_display),
		cmocka_unit_test(locale_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
