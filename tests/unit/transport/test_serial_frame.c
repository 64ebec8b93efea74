/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transport/serial_frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "unit/unit_cmocka.h"

/* GetSlotStatus of slot 0, bSeq 7, and its answer */
static const uint8_t command[10] = { 0x65, 0, 0, 0, 0, 0, 7, 0, 0, 0 };
static const uint8_t answer[10] = { 0x81, 0, 0, 0, 0, 0, 7, 1, 0, 0 };

struct bench {
	struct serial_frame f;
	uint8_t line[1024];
	size_t len;
	unsigned seen[SERIAL_DAMAGED + 1];	/* events by kind */
};

static int setup(void **state)
{
	struct bench *b = calloc(1, sizeof *b);

	serial_frame_init(&b->f);
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	free(*state);
	return 0;
}

static void put(struct bench *b, const void *p, size_t n)
{
	memcpy(b->line + b->len, p, n);
	b->len += n;
}

static void put_frame(struct bench *b, const uint8_t *msg, size_t n)
{
	b->len += serial_frame_encode(msg, n, b->line + b->len);
}

static void run(struct bench *b)
{
	memset(b->seen, 0, sizeof b->seen);
	for (size_t i = 0; i < b->len; i++)
		b->seen[serial_frame_feed(&b->f, b->line[i])]++;
	b->len = 0;
}

#define PUT(b, ...)                                                  \
	do {                                                         \
		static const uint8_t put_bytes[] = { __VA_ARGS__ };  \
		put((b), put_bytes, sizeof put_bytes);               \
	} while (0)

static void encodes(void **state)
{
	uint8_t out[SERIAL_FRAME_MAX], big[SERIAL_MESSAGE_MAX + 1] = { 0 }, lrc = 0;
	size_t i, n = serial_frame_encode(command, sizeof command, out);

	(void)state;
	assert_int_equal(n, 13);
	assert_int_equal(out[0], 0x03);
	assert_int_equal(out[1], 0x06);
	assert_memory_equal(out + 2, command, 10);
	for (i = 0; i < n; i++)
		lrc ^= out[i];
	assert_int_equal(lrc, 0);
	assert_int_equal(out[12], 0x03 ^ 0x06 ^ 0x65 ^ 7);
	assert_int_equal(serial_frame_encode(big, 9, out), 0);
	assert_int_equal(serial_frame_encode(big, SERIAL_MESSAGE_MAX, out), SERIAL_FRAME_MAX);
	assert_int_equal(serial_frame_encode(big, SERIAL_MESSAGE_MAX + 1, out), 0);
}

static void decodes(void **state)
{
	struct bench *b = *state;

	put_frame(b, answer, sizeof answer);
	run(b);
	assert_int_equal(b->seen[SERIAL_MESSAGE], 1);
	assert_int_equal(b->f.message_len, 10);
	assert_memory_equal(b->f.message, answer, 10);
}

static void largest_message(void **state)
{
	struct bench *b = *state;
	uint8_t m[SERIAL_MESSAGE_MAX];

	memset(m, 0x55, sizeof m);
	m[0] = 0x80;
	m[1] = (SERIAL_MESSAGE_MAX - 10) & 0xFF;
	m[2] = (SERIAL_MESSAGE_MAX - 10) >> 8;
	m[3] = m[4] = 0;
	put_frame(b, m, sizeof m);
	run(b);
	assert_int_equal(b->seen[SERIAL_MESSAGE], 1);
	assert_int_equal(b->f.message_len, sizeof m);
	assert_memory_equal(b->f.message, m, sizeof m);
}

/* Row 25: every single damaged bit of a frame is noticed, in length and data alike. */
static void any_bit_damaged(void **state)
{
	struct bench *b = *state;

	for (size_t bit = 16; bit < 13 * 8; bit++) {
		serial_frame_init(&b->f);
		put_frame(b, answer, sizeof answer);
		b->line[bit / 8] ^= (uint8_t)(1u << bit % 8);
		run(b);
		assert_int_equal(b->seen[SERIAL_MESSAGE], 0);
		assert_true(b->seen[SERIAL_DAMAGED] == 1 || serial_frame_busy(&b->f));
		/* and the next one is read */
		serial_frame_restart(&b->f);
		put_frame(b, answer, sizeof answer);
		run(b);
		assert_int_equal(b->seen[SERIAL_MESSAGE], 1);
	}
}

static void too_long(void **state)
{
	struct bench *b = *state;

	PUT(b, 0x03, 0x06, 0x80, 0x06, 0x01, 0, 0, 0, 7, 0, 0, 0);	/* 262 */
	run(b);
	assert_int_equal(b->seen[SERIAL_DAMAGED], 1);
	put_frame(b, answer, sizeof answer);
	run(b);
	assert_int_equal(b->seen[SERIAL_MESSAGE], 0);	/* dropped until restarted */
	serial_frame_restart(&b->f);
	PUT(b, 0x03, 0x06, 0x80, 0xFF, 0xFF, 0xFF, 0xFF, 0, 7, 0, 0, 0);
	run(b);
	assert_int_equal(b->seen[SERIAL_DAMAGED], 1);
}

static void nak(void **state)
{
	struct bench *b = *state;

	put(b, serial_nak, 3);
	put_frame(b, answer, sizeof answer);
	run(b);
	assert_int_equal(b->seen[SERIAL_NAK], 1);
	assert_int_equal(b->seen[SERIAL_MESSAGE], 1);
	PUT(b, 0x03, 0x15, 0x17);
	run(b);
	assert_int_equal(b->seen[SERIAL_NAK], 0);
	assert_int_equal(b->seen[SERIAL_DAMAGED], 1);
}

static void between_frames(void **state)
{
	struct bench *b = *state;

	PUT(b, 0x50, 0x02, 0x00, 0x11, 0x50, 0x03, 0x03);
	PUT(b, 0x42);
	put_frame(b, answer, sizeof answer);
	PUT(b, 0x80, 0xFF, 0x50, 0x51, 0x50, 0x02);
	run(b);
	assert_int_equal(b->seen[SERIAL_CARD_OUT], 2);
	assert_int_equal(b->seen[SERIAL_CARD_IN], 1);
	assert_int_equal(b->seen[SERIAL_MESSAGE], 1);
	assert_int_equal(b->seen[SERIAL_TIME], 2);
}

static void inside_a_frame_they_are_data(void **state)
{
	struct bench *b = *state;
	uint8_t m[18] = { 0x80, 8, 0, 0, 0, 0, 7, 0, 0, 0, 0x50, 0x02, 0x03, 0x15, 0x16, 0x90, 0x03, 0x06 };

	put_frame(b, m, sizeof m);
	run(b);
	assert_int_equal(b->seen[SERIAL_MESSAGE], 1);
	assert_int_equal(b->seen[SERIAL_CARD_OUT], 0);
	assert_int_equal(b->seen[SERIAL_CARD_IN], 0);
	assert_int_equal(b->seen[SERIAL_NAK], 0);
	assert_int_equal(b->seen[SERIAL_TIME], 0);
}

/* Noise that looks like the beginning of something takes no frame with it. */
static void noise_before_a_frame(void **state)
{
	static const uint8_t noise[][2] = { { 0x03, 0x03 }, { 0x50, 0x50 }, { 0x03, 0x50 },
					    { 0x50, 0x00 }, { 0x03, 0x00 }, { 0x00, 0x50 } };
	struct bench *b = *state;

	for (size_t i = 0; i < sizeof noise / sizeof noise[0]; i++) {
		put(b, noise[i], 2);
		put_frame(b, answer, sizeof answer);
		run(b);
		assert_int_equal(b->seen[SERIAL_MESSAGE], 1);
	}
	PUT(b, 0x50);
	put(b, serial_nak, 3);
	run(b);
	assert_int_equal(b->seen[SERIAL_NAK], 1);
}

static void restart_keeps_half_a_movement(void **state)
{
	struct bench *b = *state;

	PUT(b, 0x50);
	run(b);
	serial_frame_restart(&b->f);
	PUT(b, 0x02);
	run(b);
	assert_int_equal(b->seen[SERIAL_CARD_OUT], 1);
}

static void echo(void **state)
{
	struct bench *b = *state;
	uint8_t out[SERIAL_FRAME_MAX];
	size_t n = serial_frame_encode(command, sizeof command, out);

	serial_frame_expect_echo(&b->f, out, n);
	PUT(b, 0x50, 0x02);
	put(b, out, n);
	PUT(b, 0x50, 0x03);
	put_frame(b, answer, sizeof answer);
	run(b);
	assert_int_equal(b->seen[SERIAL_ECHO], 1);
	assert_false(b->f.echo_differs);
	assert_int_equal(b->seen[SERIAL_CARD_OUT], 1);
	assert_int_equal(b->seen[SERIAL_CARD_IN], 1);
	assert_int_equal(b->seen[SERIAL_MESSAGE], 1);
	assert_memory_equal(b->f.message, answer, 10);
}

/* A length damaged in the echo does not swallow the answer. */
static void damaged_echo(void **state)
{
	struct bench *b = *state;
	uint8_t out[SERIAL_FRAME_MAX];
	size_t n = serial_frame_encode(command, sizeof command, out);

	serial_frame_expect_echo(&b->f, out, n);
	out[3] = 0xFF;
	put(b, out, n);
	put_frame(b, answer, sizeof answer);
	run(b);
	assert_int_equal(b->seen[SERIAL_ECHO], 1);
	assert_true(b->f.echo_differs);
	assert_int_equal(b->seen[SERIAL_MESSAGE], 1);
}

static void answer_without_echo(void **state)
{
	struct bench *b = *state;
	uint8_t out[SERIAL_FRAME_MAX];

	serial_frame_expect_echo(&b->f, out, serial_frame_encode(command, sizeof command, out));
	put_frame(b, answer, sizeof answer);
	run(b);
	assert_int_equal(b->seen[SERIAL_MESSAGE], 1);
	/* no frame at all: nothing is expected */
	serial_frame_expect_echo(&b->f, out, SERIAL_FRAME_MAX + 1);
	assert_int_equal(b->f.echo_len, 0);
}

static void wiped(void **state)
{
	struct bench *b = *state;
	uint8_t out[SERIAL_FRAME_MAX];

	serial_frame_expect_echo(&b->f, out, serial_frame_encode(command, sizeof command, out));
	put_frame(b, answer, sizeof answer);
	run(b);
	serial_frame_wipe(&b->f);
	for (size_t i = 0; i < sizeof b->f.message; i++)
		assert_int_equal(b->f.message[i], 0);
	for (size_t i = 0; i < sizeof b->f.echo; i++)
		assert_int_equal(b->f.echo[i], 0);
	assert_int_equal(b->f.echo_len, 0);
}

/* Any bytes: no read or write out of bounds (sanitizers watch), and afterwards a
 * frame is read. */
static void random_bytes(void **state)
{
	struct bench *b = *state;
	uint32_t x = 1;

	for (size_t round = 0; round < 2000; round++) {
		for (size_t i = 0; i < 300; i++) {
			x = x * 1664525u + 1013904223u;
			b->line[b->len++] = (x >> 28) < 4 ? (uint8_t[]){ 3, 6, 0x80, 0x50 }[x >> 28]
							  : (uint8_t)(x >> 16);
		}
		run(b);
		assert_true(b->f.have <= sizeof b->f.message + 1);
		serial_frame_restart(&b->f);
		PUT(b, 0x00);
		put_frame(b, answer, sizeof answer);
		run(b);
		assert_int_equal(b->seen[SERIAL_MESSAGE], 1);
	}
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(encodes), TEST(decodes), TEST(largest_message), TEST(any_bit_damaged),
		TEST(too_long), TEST(nak), TEST(between_frames), TEST(inside_a_frame_they_are_data),
		TEST(noise_before_a_frame), TEST(restart_keeps_half_a_movement), TEST(echo),
		TEST(damaged_echo), TEST(answer_without_echo), TEST(wiped), TEST(random_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
