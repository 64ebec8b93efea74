/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/apdu.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include "unit/unit_cmocka.h"

/* The header, the first bytes after it, the whole length, and the expected result. */
static const struct row {
	const char *what;
	uint8_t body[5];
	size_t len;
	enum apdu_case shape;
	size_t Nc, data, Ne, Le;
} rows[] = {
	{ "case 1", { 0 }, 4, APDU_1, 0, 0, 0, 0 },
	{ "case 2S", { 0x10 }, 5, APDU_2S, 0, 0, 16, 4 },
	{ "case 2S, Le 256", { 0 }, 5, APDU_2S, 0, 0, 256, 4 },
	{ "case 3S", { 3, 9, 9, 9 }, 8, APDU_3S, 3, 5, 0, 0 },
	{ "case 3S, 255", { 255 }, 260, APDU_3S, 255, 5, 0, 0 },
	{ "case 4S", { 2, 9, 9, 7 }, 8, APDU_4S, 2, 5, 7, 7 },
	{ "case 4S, Le 256", { 2, 9, 9, 0 }, 8, APDU_4S, 2, 5, 256, 7 },
	{ "case 4S, 255", { 255 }, 261, APDU_4S, 255, 5, 256, 260 },
	{ "case 2E", { 0, 1, 2 }, 7, APDU_2E, 0, 0, 258, 4 },
	{ "case 2E, Le 65536", { 0, 0, 0 }, 7, APDU_2E, 0, 0, 65536, 4 },
	{ "case 3E", { 0, 0, 2, 9, 9 }, 9, APDU_3E, 2, 7, 0, 0 },
	{ "case 3E, 65535", { 0, 255, 255 }, 7 + 65535, APDU_3E, 65535, 7, 0, 0 },
	{ "case 4E, Le 65536", { 0, 0, 1, 9, 0 }, 10, APDU_4E, 1, 7, 65536, 8 },
	{ "case 4E, 65535", { 0, 255, 255 }, 9 + 65535, APDU_4E, 65535, 7, 65536, 65542 },
	{ "nothing", { 0 }, 0, APDU_MALFORMED, 0, 0, 0, 0 },
	{ "half a header", { 0 }, 3, APDU_MALFORMED, 0, 0, 0, 0 },
	{ "Lc beyond the end", { 3, 9, 9 }, 7, APDU_MALFORMED, 0, 0, 0, 0 },
	{ "two bytes of Le", { 2, 9, 9, 0, 0 }, 9, APDU_MALFORMED, 0, 0, 0, 0 },
	{ "Lc 0 and Le", { 0, 0 }, 6, APDU_MALFORMED, 0, 0, 0, 0 },
	{ "extended, one byte of Le", { 0, 0, 1, 9, 0 }, 9, APDU_MALFORMED, 0, 0, 0, 0 },
	{ "extended, Lc 0", { 0, 0, 0, 9 }, 8, APDU_MALFORMED, 0, 0, 0, 0 },
	{ "extended, Lc beyond the end", { 0, 1, 0, 9 }, 8, APDU_MALFORMED, 0, 0, 0, 0 },
};

static void every_case(void **state)
{
	static const enum apdu_case extended[] = { APDU_2E, APDU_3E, APDU_4E };
	static uint8_t buf[65600];

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		const struct row *r = &rows[i];
		struct apdu a;
		bool is_extended = false;

		memset(buf, 0, sizeof buf);
		memcpy(buf + 4, r->body, sizeof r->body);
		a = apdu_parse(buf, r->len);
		for (size_t k = 0; k < 3; k++)
			is_extended |= r->shape == extended[k];
		if (a.shape != r->shape || a.Nc != r->Nc || a.data != r->data || a.Ne != r->Ne ||
		    a.Le != r->Le || apdu_is_extended(&a) != is_extended)
			fail_msg("%s: case %d Nc %zu at %zu, Ne %zu at %zu", r->what, a.shape, a.Nc,
				 a.data, a.Ne, a.Le);
	}
}

/* No length field may point outside of the APDU, whatever its bytes are. */
static void offsets_stay_inside(void **state)
{
	uint8_t buf[300];

	(void)state;
	for (unsigned fill = 0; fill < 256; fill++) {
		memset(buf, (int)fill, sizeof buf);
		for (size_t len = 0; len <= sizeof buf; len++) {
			struct apdu a = apdu_parse(buf, len);

			assert_true(a.data + a.Nc <= len);
			assert_true(a.Le < (len ? len : 1));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_case),
		cmocka_unit_test(offsets_stay_inside),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
