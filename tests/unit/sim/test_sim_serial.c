/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The simulated serial reader, on virtual time. */
#include "sim/model/sim_serial.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "unit/unit_cmocka.h"

#define SECOND 1000000000ull

struct line {
	struct sim_serial *s;
	uint64_t now;
	uint8_t got[2048];
	size_t n;
	uint8_t seq;
};

static const uint8_t nak[] = { 0x03, 0x15, 0x16 };

static struct line *open_line(const char *type, const char *card)
{
	struct line *l = calloc(1, sizeof *l);
	char err[200] = "";

	assert_non_null(l);
	l->s = sim_serial_new(type, &card, 1, err, sizeof err);
	assert_string_equal(err, "");
	assert_non_null(l->s);
	l->now = SECOND;
	return l;
}

static void close_line(struct line *l, unsigned complaints)
{
	assert_int_equal(sim_dev_complaints(sim_serial_device(l->s)), complaints);
	sim_serial_free(l->s);
	free(l);
}

/* Lets 5 s pass, with all that the reader does by itself. */
static void settle(struct line *l)
{
	uint64_t end = l->now + 5 * SECOND, at;

	for (;;) {
		l->n += sim_serial_output(l->s, l->got + l->n, sizeof l->got - l->n, l->now);
		at = sim_serial_next(l->s);
		if (at > end)
			return;
		if (at > l->now)
			l->now = at;
	}
}

static void say(struct line *l, const void *bytes, size_t n)
{
	l->n = 0;
	sim_serial_input(l->s, bytes, n, l->now);
	settle(l);
}

static size_t frame(uint8_t *f, uint8_t type, uint8_t slot, uint8_t seq, uint8_t b7, const void *data, size_t n)
{
	memset(f, 0, 12);
	f[0] = 0x03;
	f[1] = 0x06;
	f[2] = type;
	f[3] = (uint8_t)n;
	f[7] = slot;
	f[8] = seq;
	f[9] = b7;
	if (n)
		memcpy(f + 12, data, n);
	f[12 + n] = 0;
	for (size_t i = 0; i < 12 + n; i++)
		f[12 + n] ^= f[i];
	return 13 + n;
}

static size_t command(struct line *l, uint8_t *f, uint8_t type, uint8_t b7, const void *data, size_t n)
{
	size_t len = frame(f, type, 0, ++l->seq, b7, data, n);

	say(l, f, len);
	return len;
}

/* Finds the answer at the end of the bytes that came, and checks it. */
static const uint8_t *answer_at(const struct line *l, size_t at, uint8_t type)
{
	const uint8_t *p = l->got + at;
	uint8_t lrc = 0;

	assert_true(l->n >= at + 13);
	assert_int_equal(p[0], 0x03);
	assert_int_equal(p[1], 0x06);
	assert_int_equal(p[2], type);
	assert_int_equal(p[8], l->seq);
	assert_int_equal(l->n, at + 13u + p[3]);
	for (size_t i = 0; i < 13u + p[3]; i++)
		lrc ^= p[i];
	assert_int_equal(lrc, 0);
	return p + 2;
}

static void echo_and_card(void **state)
{
	struct line *l = open_line("gempctwin", "t0");
	uint8_t f[64];
	const uint8_t *a;
	size_t n;

	(void)state;
	n = command(l, f, 0x65, 0, NULL, 0);
	assert_memory_equal(l->got, f, n);
	a = answer_at(l, n, 0x81);
	assert_int_equal(a[7], 1);
	n = command(l, f, 0x62, 1, NULL, 0);
	a = answer_at(l, n, 0x80);
	assert_int_equal(a[7], 0);
	assert_int_equal(a[10], 0x3B);
	n = command(l, f, 0x6F, 0, "\x00\xA4\x00\x00\x02\x3F\x00", 7);
	a = answer_at(l, n, 0x80);
	assert_int_equal(a[7], 0);
	assert_true(a[1] >= 2);
	close_line(l, 0);
}

static void no_echo(void **state)
{
	struct line *l = open_line("SEC1210", "t0");
	uint8_t f[64];

	(void)state;
	command(l, f, 0x65, 0, NULL, 0);
	answer_at(l, 0, 0x81);
	command(l, f, 0x6B, 0, "\x06", 1);
	answer_at(l, 0, 0x83);
	close_line(l, 0);
}

static void naks(void **state)
{
	struct line *l = open_line("GemCorePOSPro", "t0");
	uint8_t f[64], before[64];
	size_t n;

	(void)state;
	n = frame(f, 0x65, 0, 1, 0, NULL, 0);
	f[n - 1] ^= 1;
	say(l, f, n);
	assert_int_equal(l->n, 3);
	assert_memory_equal(l->got, nak, 3);
	command(l, f, 0x65, 0, NULL, 0);
	answer_at(l, 0, 0x81);
	memcpy(before, l->got, l->n);
	n = l->n;
	say(l, nak, 3);
	assert_int_equal(l->n, n);
	assert_memory_equal(l->got, before, n);
	/* a length that no message has */
	say(l, "\x03\x06\x6F\xFF\xFF\xFF\xFF", 7);
	assert_memory_equal(l->got, nak, 3);
	close_line(l, 0);
}

static void bytes_take_their_time(void **state)
{
	struct line *l = open_line("GemCorePOSPro", "t0");
	uint8_t f[64], byte;
	size_t n = frame(f, 0x65, 0, 1, 0, NULL, 0), count = 0;
	uint64_t first = 0;

	(void)state;
	sim_serial_input(l->s, f, n, l->now);
	while (count < 13) {
		l->now = sim_serial_next(l->s) > l->now ? sim_serial_next(l->s) : l->now;
		if (sim_serial_output(l->s, &byte, 1, l->now) == 1 && ++count == 1)
			first = l->now;
	}
	/* 11 bits each */
	assert_in_range(l->now - first, 12 * 11 * SECOND / 115200 - 100, 12 * 11 * SECOND / 115200 + 100);
	close_line(l, 0);
}

static void movements(void **state)
{
	struct line *l = open_line("GemCorePOSPro", "t0");
	struct sim_dev *d = sim_serial_device(l->s);
	uint8_t f[64];
	char err[100];

	(void)state;
	/* a change is not reported before the driver asks for it */
	assert_true(sim_dev_remove(d, 0, 0, l->now));
	command(l, f, 0x65, 0, NULL, 0);
	answer_at(l, 0, 0x81);
	command(l, f, 0x6B, 0, "\x01\x01\x01", 3);
	answer_at(l, 0, 0x83);
	/* the change is reported in front of the next answer */
	assert_true(sim_dev_insert(d, 0, 0, "t0", l->now, err, sizeof err));
	l->n = 0;
	settle(l);
	assert_int_equal(l->n, 0);
	command(l, f, 0x65, 0, NULL, 0);
	assert_memory_equal(l->got, "\x50\x03", 2);
	assert_int_equal(answer_at(l, 2, 0x81)[7], 1);
	assert_true(sim_dev_remove(d, 0, 0, l->now));
	settle(l);
	command(l, f, 0x65, 0, NULL, 0);
	assert_memory_equal(l->got, "\x50\x02", 2);
	answer_at(l, 2, 0x81);
	close_line(l, 0);
}

static void speed(void **state)
{
	struct line *l = open_line("GemCoreSIMPro2", "t0");
	uint8_t f[64];

	(void)state;
	command(l, f, 0x65, 0, NULL, 0);
	assert_int_equal(l->n, 0);
	sim_serial_line_speed(l->s, 9600);
	command(l, f, 0x65, 0, NULL, 0);
	answer_at(l, 0, 0x81);
	command(l, f, 0x6B, 0, "\x01\x10\x20", 3);
	answer_at(l, 0, 0x83);
	command(l, f, 0x65, 0, NULL, 0);
	assert_int_equal(l->n, 0);
	sim_serial_line_speed(l->s, 115200);
	command(l, f, 0x65, 0, NULL, 0);
	answer_at(l, 0, 0x81);
	close_line(l, 0);
}

static void faults(void **state)
{
	struct line *l = open_line("GemCorePOSPro", "t0");
	uint8_t f[64], lrc = 0;
	char err[200];

	(void)state;
	assert_true(sim_serial_fault(l->s, "bad-lrc count=1", err, sizeof err));
	command(l, f, 0x65, 0, NULL, 0);
	for (size_t i = 0; i < l->n; i++)
		lrc ^= l->got[i];
	assert_int_not_equal(lrc, 0);
	say(l, nak, 3);
	answer_at(l, 0, 0x81);
	assert_true(sim_serial_fault(l->s, "nak", err, sizeof err));
	for (size_t i = 0; i < 5; i++) {
		command(l, f, 0x65, 0, NULL, 0);
		assert_int_equal(l->n, 3);
	}
	assert_true(sim_serial_fault(l->s, "clear", err, sizeof err));
	assert_true(sim_serial_fault(l->s, "garbage count=1", err, sizeof err));
	command(l, f, 0x65, 0, NULL, 0);
	assert_int_equal(l->n, 13 + 7);
	assert_true(sim_serial_fault(l->s, "too-long count=1", err, sizeof err));
	command(l, f, 0x65, 0, NULL, 0);
	assert_int_equal(l->got[6], 0x7F);
	assert_true(sim_serial_fault(l->s, "half count=1", err, sizeof err));
	command(l, f, 0x65, 0, NULL, 0);
	assert_int_equal(l->n, 6);
	assert_true(sim_serial_fault(l->s, "silence", err, sizeof err));
	command(l, f, 0x65, 0, NULL, 0);
	assert_int_equal(l->n, 0);
	assert_true(sim_serial_fault(l->s, "clear", err, sizeof err));
	command(l, f, 0x65, 0, NULL, 0);
	answer_at(l, 0, 0x81);
	assert_false(sim_serial_fault(l->s, "no-such-fault", err, sizeof err));
	assert_false(sim_serial_hung_up(l->s));
	assert_true(sim_serial_fault(l->s, "hang-up", err, sizeof err));
	assert_true(sim_serial_hung_up(l->s));
	close_line(l, 0);
}

/* A wrong message inside a correct frame is a complaint. */
static void complaints(void **state)
{
	struct line *l = open_line("GemCorePOSPro", "t0");
	uint8_t f[64];

	(void)state;
	command(l, f, 0x6F, 0, "\x00\xA4\x00\x00\x00", 5);
	assert_int_equal(answer_at(l, 0, 0x80)[7] & 0xC0, 0x40);
	close_line(l, 1);
}

static void wrong_arguments(void **state)
{
	static const char *const cards[] = { "t0", "t0", "t0" };
	static const char *const nonsense[] = { "no-such-word" };
	char err[200];

	(void)state;
	assert_null(sim_serial_new("GemPCQuad", NULL, 0, err, sizeof err));
	assert_null(sim_serial_new("GemPCTwin", cards, 3, err, sizeof err));
	assert_null(sim_serial_new("GemPCTwin", nonsense, 1, err, sizeof err));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(echo_and_card), cmocka_unit_test(no_echo), cmocka_unit_test(naks),
		cmocka_unit_test(bytes_take_their_time), cmocka_unit_test(movements),
		cmocka_unit_test(speed), cmocka_unit_test(faults), cmocka_unit_test(complaints),
		cmocka_unit_test(wrong_arguments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
