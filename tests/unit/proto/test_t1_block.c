/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/t1_block.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include "unit/unit_cmocka.h"

/* Each block with both epilogues: what libccid and cards in the field send, and the letter of
 * ISO/IEC 13239. Vectors computed apart from the driver. */
static const struct {
	uint8_t block[8];
	uint8_t len, plain[2], inverted[2];
} crcs[] = {
	{ { 0x00, 0xC1, 0x01, 0xFE }, 4, { 0x54, 0x4E }, { 0xB1, 0xAB } },
	{ { 0x00, 0xE1, 0x01, 0xFE }, 4, { 0x57, 0x75 }, { 0x8A, 0xA8 } },
	{ { 0x00, 0x00, 0x02, 0x90, 0x00 }, 5, { 0x9C, 0x6D }, { 0x92, 0x63 } },
	{ { 0x00, 0x00, 0x05, 0x80, 0x10, 0x00, 0x00, 0x00 }, 8, { 0x21, 0xFF }, { 0x00, 0xDE } },
};

static void crc_of_the_field(void **state)
{
	uint8_t block[T1_BLOCK_MAX];
	struct t1_block b;

	(void)state;
	for (size_t i = 0; i < sizeof crcs / sizeof crcs[0]; i++) {
		const uint8_t *p = crcs[i].block;
		size_t n = crcs[i].len;

		assert_int_equal(t1_block_put(block, p[0], p[1], p + 3, p[2], T1_CRC_OPEN), n + 2);
		assert_memory_equal(block, p, n);
		assert_memory_equal(block + n, crcs[i].plain, 2);
		assert_int_equal(t1_block_parse(&b, block, n + 2, 0, T1_CRC_OPEN), T1_FAULT_NONE);
		assert_int_equal(b.edc, T1_CRC_PLAIN);
		assert_int_equal(t1_block_parse(&b, block, n + 2, 0, T1_CRC_INVERTED), T1_FAULT_EDC);
		assert_int_equal(b.edc, T1_CRC_INVERTED);
		assert_int_equal(t1_seal(block, n, T1_CRC_INVERTED), n + 2);
		assert_memory_equal(block + n, crcs[i].inverted, 2);
		assert_int_equal(t1_block_parse(&b, block, n + 2, 0, T1_CRC_OPEN), T1_FAULT_NONE);
		assert_int_equal(b.edc, T1_CRC_INVERTED);
		assert_int_equal(t1_block_parse(&b, block, n + 2, 0, T1_CRC_PLAIN), T1_FAULT_EDC);
		block[n] ^= 1;
		assert_int_equal(t1_block_parse(&b, block, n + 2, 0, T1_CRC_OPEN), T1_FAULT_EDC);
		assert_int_equal(b.edc, T1_CRC_OPEN);
	}
}

static void lrc_of_every_length(void **state)
{
	uint8_t block[T1_BLOCK_MAX], sum;

	(void)state;

	for (size_t len = 0; len < sizeof block; len++) {
		for (size_t i = 0; i < len; i++)
			block[i] = (uint8_t)(i * 37 + len);
		sum = 0;
		for (size_t i = 0; i < len; i++)
			sum ^= block[i];
		assert_int_equal(t1_seal(block, len, T1_LRC), len + 1);
		assert_int_equal(block[len], sum);
	}
}

static void lrc_is_the_exclusive_or(void **state)
{
	uint8_t block[T1_BLOCK_MAX];

	(void)state;
	assert_int_equal(t1_block_put(block, 0x12, 0xC1, (const uint8_t *)"\xFE", 1, T1_LRC), 5);
	assert_memory_equal(block, "\x12\xC1\x01\xFE\x2C", 5);
	assert_int_equal(t1_block_put(block, 0, 0x80, NULL, 0, T1_LRC), 4);
	assert_memory_equal(block, "\x00\x80\x00\x80", 4);
}

/* PCB, LEN, first information byte; the expected verdict and content of the block. */
static const struct pcb_row {
	uint8_t pcb, inf_len, inf;
	enum t1_fault fault;
	enum t1_kind kind;
	uint8_t seq, more, r_fault, type, response, value;
} pcbs[] = {
	{ 0x00, 0, 0, T1_FAULT_NONE, T1_I_BLOCK, 0, 0, 0, 0, 0, 0 },
	{ 0x40, 9, 1, T1_FAULT_NONE, T1_I_BLOCK, 1, 0, 0, 0, 0, 0 },
	{ 0x20, 254, 1, T1_FAULT_NONE, T1_I_BLOCK, 0, 1, 0, 0, 0, 0 },
	{ 0x60, 1, 1, T1_FAULT_NONE, T1_I_BLOCK, 1, 1, 0, 0, 0, 0 },
	{ 0x01, 1, 1, T1_FAULT_OTHER, 0, 0, 0, 0, 0, 0, 0 },
	{ 0x10, 1, 1, T1_FAULT_OTHER, 0, 0, 0, 0, 0, 0, 0 },
	{ 0x80, 0, 0, T1_FAULT_NONE, T1_R_BLOCK, 0, 0, 0, 0, 0, 0 },
	{ 0x91, 0, 0, T1_FAULT_NONE, T1_R_BLOCK, 1, 0, 1, 0, 0, 0 },
	{ 0x82, 0, 0, T1_FAULT_NONE, T1_R_BLOCK, 0, 0, 2, 0, 0, 0 },
	{ 0x83, 0, 0, T1_FAULT_OTHER, 0, 0, 0, 0, 0, 0, 0 },
	{ 0xA0, 0, 0, T1_FAULT_OTHER, 0, 0, 0, 0, 0, 0, 0 },
	{ 0x80, 1, 0, T1_FAULT_OTHER, 0, 0, 0, 0, 0, 0, 0 },
	{ 0xC0, 0, 0, T1_FAULT_NONE, T1_S_BLOCK, 0, 0, 0, T1_S_RESYNCH, 0, 0 },
	{ 0xE0, 0, 0, T1_FAULT_NONE, T1_S_BLOCK, 0, 0, 0, T1_S_RESYNCH, 1, 0 },
	{ 0xC0, 1, 0, T1_FAULT_OTHER, 0, 0, 0, 0, 0, 0, 0 },
	{ 0xC1, 1, 1, T1_FAULT_NONE, T1_S_BLOCK, 0, 0, 0, T1_S_IFS, 0, 1 },
	{ 0xE1, 1, 254, T1_FAULT_NONE, T1_S_BLOCK, 0, 0, 0, T1_S_IFS, 1, 254 },
	{ 0xC1, 1, 0, T1_FAULT_OTHER, 0, 0, 0, 0, 0, 0, 0 },
	{ 0xC1, 1, 255, T1_FAULT_OTHER, 0, 0, 0, 0, 0, 0, 0 },
	{ 0xC1, 0, 0, T1_FAULT_OTHER, 0, 0, 0, 0, 0, 0, 0 },
	{ 0xC1, 2, 5, T1_FAULT_OTHER, 0, 0, 0, 0, 0, 0, 0 },
	{ 0xC2, 0, 0, T1_FAULT_NONE, T1_S_BLOCK, 0, 0, 0, T1_S_ABORT, 0, 0 },
	{ 0xE2, 1, 0, T1_FAULT_OTHER, 0, 0, 0, 0, 0, 0, 0 },
	{ 0xC3, 1, 0, T1_FAULT_NONE, T1_S_BLOCK, 0, 0, 0, T1_S_WTX, 0, 0 },
	{ 0xC3, 1, 255, T1_FAULT_NONE, T1_S_BLOCK, 0, 0, 0, T1_S_WTX, 0, 255 },
	{ 0xC3, 0, 0, T1_FAULT_OTHER, 0, 0, 0, 0, 0, 0, 0 },
	{ 0xC4, 0, 0, T1_FAULT_OTHER, 0, 0, 0, 0, 0, 0, 0 },
	{ 0xDF, 0, 0, T1_FAULT_OTHER, 0, 0, 0, 0, 0, 0, 0 },
};

static void every_pcb(void **state)
{
	uint8_t inf[254] = { 0 }, block[T1_BLOCK_MAX];

	(void)state;
	for (size_t i = 0; i < 2 * sizeof pcbs / sizeof pcbs[0]; i++) {
		const struct pcb_row *r = &pcbs[i / 2];
		enum t1_edc crc = i % 2 ? T1_CRC_OPEN : T1_LRC;
		struct t1_block b;
		size_t len;

		inf[0] = r->inf;
		len = t1_block_put(block, 0, r->pcb, inf, r->inf_len, crc);
		if (t1_block_parse(&b, block, len, 0, crc) != r->fault)
			fail_msg("row %zu: verdict", i / 2);
		if (r->fault == T1_FAULT_NONE &&
		    (b.kind != r->kind || b.seq != r->seq || b.more != r->more ||
		     b.fault != r->r_fault || b.type != r->type || b.response != r->response ||
		     b.value != r->value || b.inf_len != r->inf_len || b.inf != block + 3))
			fail_msg("row %zu: content", i / 2);
	}
}

static void length_must_be_len(void **state)
{
	uint8_t block[T1_BLOCK_MAX + 8] = { 0 };
	struct t1_block b;

	(void)state;
	for (enum t1_edc crc = T1_LRC; crc <= T1_CRC_INVERTED; crc++) {
		size_t len = t1_block_put(block, 0, 0, (const uint8_t *)"abc", 3, crc);

		for (size_t n = 0; n < sizeof block; n++)
			assert_int_equal(t1_block_parse(&b, block, n, 0, crc),
					 n == len ? T1_FAULT_NONE : T1_FAULT_OTHER);
		block[2] = 255;
		for (size_t n = 0; n < sizeof block; n++)
			assert_int_equal(t1_block_parse(&b, block, n, 0, crc), T1_FAULT_OTHER);
	}
}

static void every_damaged_bit_is_seen(void **state)
{
	uint8_t block[T1_BLOCK_MAX];
	struct t1_block b;

	(void)state;
	for (enum t1_edc crc = T1_LRC; crc <= T1_CRC_INVERTED; crc++) {
		size_t len = t1_block_put(block, 0, 0x40, (const uint8_t *)"abcdef", 6, crc);

		for (size_t bit = 0; bit < len * 8; bit++) {
			block[bit / 8] ^= (uint8_t)(1 << bit % 8);
			assert_int_equal(t1_block_parse(&b, block, len, 0, crc),
					 bit / 8 == 2 ? T1_FAULT_OTHER : T1_FAULT_EDC);
			block[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
	}
}

static void nad_comes_back_swapped(void **state)
{
	uint8_t block[T1_BLOCK_MAX];
	struct t1_block b;

	(void)state;
	assert_int_equal(t1_nad_back(0x00), 0x00);
	assert_int_equal(t1_nad_back(0x12), 0x21);
	assert_int_equal(t1_nad_back(0x70), 0x07);
	for (unsigned nad = 0; nad < 256; nad++) {
		size_t len = t1_block_put(block, (uint8_t)nad, 0, NULL, 0, T1_LRC);

		assert_int_equal(t1_block_parse(&b, block, len, 0x12, T1_LRC),
				 nad == 0x21 ? T1_FAULT_NONE : T1_FAULT_OTHER);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(crc_of_the_field),
		cmocka_unit_test(lrc_is_the_exclusive_or),
		cmocka_unit_test(lrc_of_every_length),
		cmocka_unit_test(every_pcb),
		cmocka_unit_test(length_must_be_len),
		cmocka_unit_test(every_damaged_bit_is_seen),
		cmocka_unit_test(nad_comes_back_swapped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
