/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* src/util/buf.c */
#include "util/buf.h"

#include <stdarg.h>
#include <setjmp.h>
#include "unit/unit_cmocka.h"

#include <string.h>

static void reads_in_order(void **state)
{
	static const uint8_t b[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9 };
	struct rbuf r = rbuf_of(b, sizeof b);

	(void)state;
	assert_int_equal(rbuf_u8(&r), 0x01);
	assert_int_equal(rbuf_le16(&r), 0x0302);
	assert_int_equal(rbuf_le32(&r), 0x07060504);
	assert_ptr_equal(rbuf_bytes(&r, 2), b + 7);
	assert_int_equal(r.left, 0);
	assert_false(r.bad);
	assert_non_null(rbuf_bytes(&r, 0));
	assert_false(r.bad);
}

static void reading_past_the_end_is_remembered(void **state)
{
	static const uint8_t b[] = { 0xAA, 0xBB, 0xCC };
	struct rbuf r = rbuf_of(b, sizeof b);

	(void)state;
	assert_int_equal(rbuf_le32(&r), 0);
	assert_true(r.bad);
	assert_int_equal(rbuf_u8(&r), 0);	/* nothing more comes */
	assert_int_equal(r.left, 0);
	r = rbuf_of(NULL, 0);
	assert_null(rbuf_bytes(&r, SIZE_MAX));
	assert_true(r.bad);
}

static void writes_in_order(void **state)
{
	static const uint8_t want[] = { 0x11, 0x33, 0x22, 0x44, 0x55, 0x66, 0x77, 'a', 'b' };
	uint8_t b[sizeof want];
	struct wbuf w = wbuf_of(b, sizeof b);

	(void)state;
	wbuf_u8(&w, 0x11);
	wbuf_le16(&w, 0x2233);
	wbuf_be32(&w, 0x44556677);
	wbuf_bytes(&w, "ab", 2);
	wbuf_bytes(&w, NULL, 0);
	assert_false(w.bad);
	assert_int_equal(w.len, sizeof want);
	assert_memory_equal(b, want, sizeof want);
}

static void writing_past_the_end_writes_nothing(void **state)
{
	uint8_t b[5] = { 9, 9, 9, 9, 9 };
	struct wbuf w = wbuf_of(b, 4);

	(void)state;
	wbuf_u8(&w, 1);
	wbuf_be32(&w, 0x02020202);
	assert_true(w.bad);
	wbuf_u8(&w, 3);		/* would fit, but the text has a hole */
	assert_int_equal(w.len, 1);
	assert_memory_equal(b, ((uint8_t[]){ 1, 9, 9, 9, 9 }), 5);
}

static void numbers_at_fixed_places(void **state)
{
	uint8_t b[4];

	(void)state;
	put_le16(b, 0xFEDC);
	assert_int_equal(get_le16(b), 0xFEDC);
	assert_int_equal(b[0], 0xDC);
	put_le32(b, 0xFEDCBA98);
	assert_int_equal(get_le32(b), 0xFEDCBA98);
	assert_memory_equal(b, "\x98\xBA\xDC\xFE", 4);
}

static void wiped_bytes_are_zero(void **state)
{
	uint8_t b[] = { 1, 2, 3, 4 };

	(void)state;
	wipe(b + 1, 2);
	assert_memory_equal(b, "\x01\x00\x00\x04", 4);
	wipe(NULL, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_in_order),
		cmocka_unit_test(reading_past_the_end_is_remembered),
		cmocka_unit_test(writes_in_order),
		cmocka_unit_test(writing_past_the_end_writes_nothing),
		cmocka_unit_test(numbers_at_fixed_places),
		cmocka_unit_test(wiped_bytes_are_zero),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
