/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The simulated PIN pad, and the control-pipe readers (ICCD). */
#include "sim_bench.h"

/* --- PIN pad --- */

#define PINPAD "reader r\nlevel = short\npinpad = 3\n"

/* VERIFY of an ISO-like block: ASCII digits, padded with FF to 8. */
static const uint8_t verify[15 + 14] = {
	0, 10, 0x82, 0x08, 0x00, 8, 4, 0x02, 1, 0x09, 0x04, 0, 0, 0, 0,
	0x00, 0x20, 0x00, 0x01, 0x08, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x00,
};

static void keys(struct bench *b, const char *k)
{
	assert_true(sim_dev_keys(b->d, 0, k, b->now));
}

static void test_pin_verify(void **state)
{
	struct bench b;
	uint64_t start;

	(void)state;
	bench_open(&b, PINPAD "card 0 = applet=echo proto=0 ta1=11\n");
	power(&b, 0);
	start = b.now;
	send(&b, 0x69, 0, NULL, verify, sizeof verify);
	/* OK has no effect while there are fewer than 4 digits; one digit is deleted */
	keys(&b, "12\n35\b4\n");
	assert_true(receive(&b, 1000));
	answered(&b, 0x80, 0, 0);
	assert_memory_equal(b.in + 10, "1234\xFF\xFF\xFF\xFF\x90\x00", 10);
	assert_in_range(b.now - start, 350 * MS, 360 * MS);
	send(&b, 0x69, 0, NULL, verify, sizeof verify);
	keys(&b, "12\033");
	assert_true(receive(&b, 1000));
	answered(&b, 0x80, 0x40, 0xEF);
	start = b.now;
	send(&b, 0x69, 0, NULL, verify, sizeof verify);
	assert_true(receive(&b, 20000));
	answered(&b, 0x80, 0x40, 0xF0);
	assert_in_range(b.now - start, 10000 * MS, 10010 * MS);
	no_complaints(&b);
	bench_close(&b);
}

/* VERIFY with the length in the APDU, with BCD digits, right justified, and appended. */
static void test_pin_formats(void **state)
{
	static const struct {
		uint8_t format, block, length_format;
		const char *card, *template;
		size_t len;
		const char *want;
		size_t want_len;
	} cases[] = {
		/* format 2 block of ISO 9564: 2L PP PP FF.., length in 4 bits at bit 4, PIN at byte 1, BCD */
		{ 0x89, 0x47, 0x04, "applet=echo",
		  "\x00\x20\x00\x01\x08\x20\xFF\xFF\xFF\xFF\xFF\xFF\xFF", 14,
		  "\x24\x12\x34\xFF\xFF\xFF\xFF\xFF\x90\x00", 10 },
		/* the length in 8 bits at byte 0 */
		{ 0x8A, 0x87, 0x10, "applet=echo",
		  "\x00\x20\x00\x01\x08\x20\xFF\xFF\xFF\xFF\xFF\xFF\xFF", 14,
		  "\x04"
		  "1234\xFF\xFF\xFF\x90\x00",
		  10 },
		/* BCD in 4 bytes, right justified */
		{ 0x85, 0x04, 0x00, "applet=echo", "\x00\x20\x00\x01\x04\x00\x00\x00\x00", 10,
		  "\x00\x00\x12\x34\x90\x00", 6 },
		/* binary, at bit 4 */
		{ 0x20, 0x04, 0x00, "applet=echo", "\x00\x20\x00\x01\x05\x00\x00\x00\x00\x00", 11,
		  "\x00\x10\x20\x30\x40\x90\x00", 7 },
		/* appended, with an Lc or without one; the card checks the PIN */
		{ 0x82, 0x00, 0x00, "pin=1234", "\x00\x20\x00\x01\x00", 5, "\x90\x00", 2 },
		{ 0x82, 0x00, 0x00, "pin=1234", "\x00\x20\x00\x01", 4, "\x90\x00", 2 },
		{ 0x82, 0x00, 0x00, "pin=1235", "\x00\x20\x00\x01", 4, "\x63\xC2", 2 },
	};
	struct bench b;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		uint8_t m[40] = { 0 };
		char text[160];

		memcpy(m, verify, 15);
		m[2] = cases[i].format;
		m[3] = cases[i].block;
		m[4] = cases[i].length_format;
		memcpy(m + 15, cases[i].template, cases[i].len);
		snprintf(text, sizeof text, PINPAD "card 0 = %s proto=0 ta1=11\n", cases[i].card);
		bench_open(&b, text);
		power(&b, 0);
		send(&b, 0x69, 0, NULL, m, 15 + cases[i].len);
		keys(&b, "1234\n");
		assert_true(receive(&b, 1000));
		no_complaints(&b);
		answered(&b, 0x80, 0, 0);
		assert_int_equal(b.in_len, 10 + cases[i].want_len);
		assert_memory_equal(b.in + 10, cases[i].want, cases[i].want_len);
		bench_close(&b);
	}
}

/* Old PIN, new PIN, new PIN again: 8 bytes each, at 0 and 8. */
static size_t modify(uint8_t *m, uint8_t messages)
{
	static const uint8_t head[15] = { 1, 10,   0x82, 0x08, 0x00, 0,	   8, 8,
					  4, 0x03, 0x02, 0,    0x09, 0x04, 0 };
	size_t n = sizeof head;

	memcpy(m, head, n);
	m[11] = messages;
	if (messages)
		m[n++] = 1;
	if (messages >= 3)
		m[n++] = 2;
	memset(m + n, 0, 3);
	n += 3;
	memcpy(m + n, "\x00\x24\x00\x01\x10", 5);
	memset(m + n + 5, 0xFF, 16);
	m[n + 21] = 0x00;	/* Le: the card returns what it received */
	return n + 22;
}

static void test_pin_modify(void **state)
{
	static const uint8_t messages[] = { 0, 1, 2, 3, 4, 0xFF };
	struct bench b;

	(void)state;
	for (size_t i = 0; i < sizeof messages; i++) {
		uint8_t m[60];

		bench_open(&b, PINPAD "card 0 = applet=echo proto=0 ta1=11\n");
		power(&b, 0);
		send(&b, 0x69, 0, NULL, m, modify(m, messages[i]));
		keys(&b, "1234\n56789\n56789\n");
		assert_true(receive(&b, 5000));
		no_complaints(&b);
		answered(&b, 0x80, 0, 0);
		assert_memory_equal(b.in + 10, "1234\xFF\xFF\xFF\xFF" "56789\xFF\xFF\xFF", 16);
		send(&b, 0x69, 0, NULL, m, modify(m, messages[i]));
		keys(&b, "1234\n56789\n5678\n");
		assert_true(receive(&b, 5000));
		assert_memory_equal(b.in + 10, "\x64\x02", 2);
		bench_close(&b);
	}
}

static void test_pin_t1(void **state)
{
	static const uint8_t params[7] = { 0x11, 0x10, 0, 0x45, 0, 32, 0 };
	struct bench b;

	(void)state;
	bench_open(&b, "reader r\npinpad = 1\ncard 0 = applet=echo proto=1 ta1=11\n");
	power(&b, 0);
	command(&b, 0x61, 0, (const uint8_t[3]){ 1, 0, 0 }, params, 7);
	send(&b, 0x69, 0, NULL, verify, sizeof verify);
	keys(&b, "1234\n");
	assert_true(receive(&b, 1000));
	answered(&b, 0x80, 0, 0);
	assert_int_equal(b.in_len, 10 + 3 + 10 + 1);
	assert_memory_equal(b.in + 10, "\0\0\x0A" "1234", 7);
	no_complaints(&b);
	bench_close(&b);
}

static void test_pin_wtx(void **state)
{
	static const uint8_t params[7] = { 0x11, 0x10, 0, 0x45, 0, 32, 0 },
			     wtx[5] = { 0, 0xE3, 1, 1, 0xE3 };
	struct bench b;

	(void)state;
	bench_open(&b, "reader r\npinpad = 1\ncard 0 = applet=echo proto=1 ta1=11\n");
	power(&b, 0);
	command(&b, 0x61, 0, (const uint8_t[3]){ 1, 0, 0 }, params, 7);
	fault(&b, "pin-wtx");
	send(&b, 0x69, 0, NULL, verify, sizeof verify);
	keys(&b, "1234\n");
	assert_true(receive(&b, 1000));
	assert_memory_equal(b.in + 10, "\0\xC3\1\1\xC3", 5);
	command(&b, 0x6F, 0, NULL, wtx, 5);
	answered(&b, 0x80, 0, 0);
	assert_memory_equal(b.in + 10, "\0\0\x0A" "1234", 7);
	fault(&b, "pin-short value=3");
	send(&b, 0x69, 0, NULL, verify, sizeof verify);
	keys(&b, "\033");
	assert_true(receive(&b, 1000));
	assert_int_equal(b.in_len, 13);
	fault(&b, "pin-cancelled");
	send(&b, 0x69, 0, NULL, verify, sizeof verify);
	keys(&b, "\033");
	assert_true(receive(&b, 1000));
	answered(&b, 0x80, 0x40, 0xEF);
	no_complaints(&b);
	bench_close(&b);
}

static void test_pin_complaints(void **state)
{
	static const struct {
		size_t at;
		uint8_t byte;
		const char *what;
	} cases[] = {
		{ 0, 2, "bPINOperation" },
		{ 2, 0x83, "bmFormatString" },
		{ 4, 0x20, "bmPINLengthFormat" },
		{ 5, 3, "minimum over maximum" },
		{ 5, 17, "more than 16" },
		{ 7, 0, "bEntryValidationCondition" },
		{ 7, 8, "bEntryValidationCondition" },
		{ 19, 9 + 2, "Lc" },
		{ 19, 6, "Lc" },
	};
	struct bench b;
	size_t i;

	(void)state;
	bench_open(&b, PINPAD "card 0 = t0basic\n");
	power(&b, 0);
	for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		uint8_t m[sizeof verify];

		memcpy(m, verify, sizeof m);
		m[cases[i].at] = cases[i].byte;
		command(&b, 0x69, 0, NULL, m, sizeof m);
		assert_int_equal(b.in[7] & 0xC0, 0x40);
		complained(&b, (unsigned)i + 1, cases[i].what);
	}
	command(&b, 0x69, 0, NULL, verify, 18);
	complained(&b, (unsigned)++i, "too few");
	/* a PIN block that does not fit */
	{
		uint8_t m[sizeof verify];

		memcpy(m, verify, sizeof m);
		m[3] = 0x0A;
		send(&b, 0x69, 0, NULL, m, sizeof m);
		keys(&b, "1234\n");
		assert_true(receive(&b, 1000));
		complained(&b, (unsigned)++i, "does not fit");
	}
	assert_false(sim_dev_keys(b.d, 1, "1", b.now));
	bench_close(&b);
}

/* --- ICCD --- */

static void test_iccd_a(void **state)
{
	static uint8_t generate[5] = { 0x80, 0x14, 0, 0, 4 }, sink[5] = { 0x80, 0x12, 0, 0, 3 },
		       data[3] = { 0, 1, 2 };
	struct bench b;
	uint8_t p[300];
	int n;

	(void)state;
	bench_open(&b, "reader r\niccd = a\ncard 0 = t0basic\n");
	n = control(&b, 0xA1, 0x62, 0, 0, p, 255);
	assert_true(n > 2);
	assert_int_equal(p[0], 0x3B);
	assert_int_equal(control(&b, 0xA1, 0xA0, 0, 0, p, 1), 1);
	assert_int_equal(p[0], 0x00);
	assert_int_equal(control(&b, 0x21, 0x65, 0, 0, generate, 5), 5);
	control(&b, 0xA1, 0xA0, 0, 0, p, 1);
	assert_int_equal(p[0], 0x10);
	assert_int_equal(control(&b, 0xA1, 0x6F, 0, 0, p, 4), 4);
	assert_memory_equal(p, "\0\1\2\3", 4);
	control(&b, 0xA1, 0xA0, 0, 0, p, 1);
	assert_int_equal(p[0], 0x20);
	assert_int_equal(control(&b, 0xA1, 0x6F, 0, 0, p, 2), 2);
	assert_memory_equal(p, "\x90\0", 2);
	/* data out */
	control(&b, 0x21, 0x65, 0, 0, sink, 5);
	control(&b, 0xA1, 0xA0, 0, 0, p, 1);
	assert_int_equal(p[0], 0x10);
	control(&b, 0x21, 0x65, 0, 0, data, 3);
	control(&b, 0xA1, 0xA0, 0, 0, p, 1);
	assert_int_equal(p[0], 0x20);
	control(&b, 0xA1, 0x6F, 0, 0, p, 2);
	assert_memory_equal(p, "\x90\0", 2);
	fault(&b, "iccd-status");
	control(&b, 0xA1, 0xA0, 0, 0, p, 1);
	assert_int_equal(p[0], 0x40);
	no_complaints(&b);
	assert_int_equal(control(&b, 0xA1, 0x6F, 0, 0, p, 2), SIM_STALL);
	complained(&b, 1, "when there is none");
	bench_close(&b);
}

/* The card is removed between the command and its data. */
static void test_iccd_a_card_gone(void **state)
{
	static uint8_t generate[5] = { 0x80, 0x14, 0, 0, 4 };
	struct bench b;
	uint8_t p[300];

	(void)state;
	bench_open(&b, "reader r\niccd = a\ncard 0 = t0basic\n");
	control(&b, 0xA1, 0x62, 0, 0, p, 255);
	control(&b, 0x21, 0x65, 0, 0, generate, 5);
	assert_true(sim_dev_remove(b.d, 0, 0, b.now));
	control(&b, 0xA1, 0xA0, 0, 0, p, 1);
	assert_int_equal(p[0], 0x80);
	assert_int_equal(control(&b, 0xA1, 0x6F, 0, 0, p, 4), SIM_STALL);
	no_complaints(&b);
	bench_close(&b);
}

static void test_iccd_b(void **state)
{
	static uint8_t slow[6] = { 0x80, 0x18, 0x00, 0x64, 0x01, 0x55 };
	struct bench b;
	uint8_t p[300];

	(void)state;
	bench_open(&b, "reader r\niccd = b\nfeatures = 0x0004087E\ncard 0 = t0basic\n");
	assert_int_equal(control(&b, 0xA1, 0x81, 0, 0, p, 3), 3);
	assert_int_equal(p[0], 1);
	assert_int_equal(control(&b, 0x21, 0x62, 1, 0, NULL, 0), 0);
	assert_int_equal(control(&b, 0xA1, 0x6F, 0, 0, p, 255), 3);
	assert_int_equal(p[0], 0x80);
	b.now += 10 * MS;
	assert_true(control(&b, 0xA1, 0x6F, 0, 0, p, 255) > 3);
	assert_memory_equal(p, "\0\x3B", 2);
	/* 100 ms of work: poll in 10 times 10 ms */
	assert_int_equal(control(&b, 0x21, 0x65, 0, 0, slow, 6), 6);
	assert_int_equal(control(&b, 0xA1, 0x6F, 0, 0, p, 255), 3);
	assert_memory_equal(p, "\x80\x0A\0", 3);
	b.now += 100 * MS;
	fault(&b, "iccd-poll value=3");
	assert_int_equal(control(&b, 0xA1, 0x6F, 0, 0, p, 255), 3);
	assert_memory_equal(p, "\x80\x03\0", 3);
	assert_true(control(&b, 0xA1, 0x6F, 0, 0, p, 255) >= 3);
	assert_int_equal(p[0], 0);
	control(&b, 0x21, 0x65, 0, 0, slow, 6);
	b.now += 200 * MS;
	fault(&b, "iccd-type");
	control(&b, 0xA1, 0x6F, 0, 0, p, 255);
	assert_int_equal(p[0], 0x55);
	control(&b, 0x21, 0x65, 0, 0, slow, 6);
	b.now += 200 * MS;
	fault(&b, "iccd-empty");
	assert_int_equal(control(&b, 0xA1, 0x6F, 0, 0, p, 255), 0);
	no_complaints(&b);
	assert_int_equal(control(&b, 0x21, 0x63, 0, 0, NULL, 0), 0);
	control(&b, 0x21, 0x65, 0, 0, slow, 6);
	complained(&b, 1, "without power");
	control(&b, 0xA1, 0x6F, 0, 0, p, 255);
	assert_memory_equal(p, "\x40\x41\xFE", 3);
	bench_close(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pin_verify),
		cmocka_unit_test(test_pin_formats),
		cmocka_unit_test(test_pin_modify),
		cmocka_unit_test(test_pin_t1),
		cmocka_unit_test(test_pin_wtx),
		cmocka_unit_test(test_pin_complaints),
		cmocka_unit_test(test_iccd_a),
		cmocka_unit_test(test_iccd_a_card_gone),
		cmocka_unit_test(test_iccd_b),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
