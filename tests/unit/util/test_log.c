/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* src/util/log.c, log_message.c and log_secrets.c: what is written, and above all what is not. */
#include "util/deadline.h"
#include "util/log_message.h"

#include <stdarg.h>
#include <setjmp.h>
#include "unit/unit_cmocka.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#if !defined(EMBEDDED) && !defined(NO_PCSCLITE_LOG)
#define WITH_PCSCD 1
#else
#define WITH_PCSCD 0
#endif

static char out[20000];
static int last_priority;

#if WITH_PCSCD
/* pcscd's part. */
void log_msg(const int priority, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

void log_msg(const int priority, const char *fmt, ...)
{
	size_t n = strlen(out);
	va_list ap;

	last_priority = priority;
	va_start(ap, fmt);
	vsnprintf(out + n, sizeof out - n, fmt, ap);
	va_end(ap);
	strncat(out, "\n", sizeof out - strlen(out) - 1);
}
#endif

static const bool reader_there = false;
static const struct log_ctx who = { .reader = "usb:1234/5678", .lun = 0x10002, .gone = &reader_there };

static int setup(void **state)
{
	(void)state;
	out[0] = '\0';
	last_priority = -1;
	log_setup(0x0F, false);
	return 0;
}

#if WITH_PCSCD

static void levels_are_a_mask(void **state)
{
	(void)state;
	log_setup(LOG_INFO, false);
	assert_true(log_enabled(LOG_INFO));
	assert_false(log_enabled(LOG_CRITICAL));
	assert_false(log_enabled(LOG_COMM));
	LOG(LOG_COMM, NULL, "unseen");
	log_line(LOG_CRITICAL, NULL, "unseen too");
	log_bytes(LOG_PERIODIC, NULL, "unseen", (const uint8_t *)"x", 1);
	assert_string_equal(out, "");
	LOG(LOG_INFO, NULL, "seen %d", 5);
	assert_string_equal(out, "seen 5\n");
	assert_int_equal(last_priority, 1);
	log_setup(LOG_CRITICAL, false);
	LOG(LOG_CRITICAL, NULL, "x");
	assert_int_equal(last_priority, 3);
}

static void line_names_reader_and_lun(void **state)
{
	(void)state;
	LOG(LOG_INFO, &who, "hello");
	assert_string_equal(out, "usb:1234/5678 (lun 10002): hello\n");
}

static void line_is_ascii_and_bounded(void **state)
{
	char big[5000];

	(void)state;
	LOG(LOG_INFO, NULL, "a\nb\x1b[31m\xc3\xa9%s", "%n%s");
	assert_string_equal(out, "a?b?[31m??%n%s\n");
	memset(big, 'x', sizeof big - 1);
	big[sizeof big - 1] = '\0';
	out[0] = '\0';
	LOG(LOG_INFO, &who, "%s", big);
	assert_true(strlen(out) > 1000 && strlen(out) < 1200);
}

static void removed_reader_writes_no_errors(void **state)
{
	const bool reader_gone = true;
	struct log_ctx gone = { .reader = "r", .lun = 1, .gone = &reader_gone };

	(void)state;
	LOG(LOG_CRITICAL, &gone, "no");
	assert_string_equal(out, "");
	LOG(LOG_INFO, &gone, "yes");
	assert_string_equal(out, "r (lun 1): yes\n");
	LOG(LOG_CRITICAL, &who, "there");
	assert_non_null(strstr(out, "there"));
}

static void bytes_in_lines_of_256(void **state)
{
	uint8_t b[300];
	const char *second;

	(void)state;
	for (size_t i = 0; i < sizeof b; i++)
		b[i] = (uint8_t)i;
	log_bytes(LOG_COMM, &who, "->", b, 3);
	assert_string_equal(out, "usb:1234/5678 (lun 10002): -> 00 01 02\n");
	out[0] = '\0';
	log_bytes(LOG_COMM, &who, "->", b, sizeof b);
	assert_non_null(strstr(out, " FD FE FF\n"));
	second = strstr(out, "-> +256 00 01");
	assert_non_null(second);
	assert_non_null(strstr(second, " 2A 2B\n"));
	out[0] = '\0';
	log_bytes(LOG_COMM, NULL, "empty", b, 0);
	assert_string_equal(out, "empty\n");
}

#else

static void log_without_pcscd_goes_to_stderr(void **state)
{
	FILE *f = tmpfile();
	int saved = dup(2);

	(void)state;
	assert_non_null(f);
	fflush(stderr);
	dup2(fileno(f), 2);
	LOG(LOG_CRITICAL, &who, "to stderr");
	fflush(stderr);
	dup2(saved, 2);
	close(saved);
	rewind(f);
	out[fread(out, 1, sizeof out - 1, f)] = '\0';
	fclose(f);
#ifdef EMBEDDED
	assert_string_equal(out, "");
	assert_false(log_enabled(LOG_CRITICAL));
#else
	assert_non_null(strstr(out, "usb:1234/5678 (lun 10002): to stderr"));
#endif
}

#endif

/* ---- secrets ---- */

#define PIN "\x31\x32\x33\x34"
static const uint8_t header_xfr[10] = { 0x6F };

/* Sends data in an XfrBlock; how many bytes of it may be shown. */
static size_t sent(struct log_secrecy *s, uint16_t level, const char *data, size_t len)
{
	uint8_t m[400];
	size_t shown;

	memcpy(m, header_xfr, 10);
	m[8] = (uint8_t)level;
	m[9] = (uint8_t)(level >> 8);
	memcpy(m + 10, data, len);
	shown = log_showable(s, true, m, 10 + len);
	assert_true(shown >= 10);
	return shown - 10;
}

static size_t got(struct log_secrecy *s, uint8_t type, const char *data, size_t len)
{
	uint8_t m[400] = { type };
	size_t shown;

	memcpy(m + 10, data, len);
	shown = log_showable(s, false, m, 10 + len);
	assert_true(shown >= 10);
	return shown - 10;
}

#define SENT(s, level, data) sent((s), (level), (data), sizeof(data) - 1)
#define GOT(s, data) got((s), 0x80, (data), sizeof(data) - 1)

/* Each row is hidden; INS | 1 as well when it is not 82 or E2. */
static const struct { uint8_t header[4]; uint8_t other_cla, other_p1, other_p2; } hidden[] = {
	/* other_cla: hidden with this CLA, too; other_p1, other_p2: shown with these, if they are not 0 */
	{ { 0x00, 0x20, 0x00, 0x01 }, 0x80, 0, 0 },
	{ { 0x00, 0x24, 0x00, 0x01 }, 0x0C, 0, 0 },
	{ { 0x00, 0x2C, 0x00, 0x01 }, 0x10, 0, 0 },
	{ { 0x00, 0x82, 0x00, 0x01 }, 0xFF, 0, 0 },
	{ { 0x00, 0x86, 0x00, 0x01 }, 0x10, 0, 0 },
	{ { 0x00, 0x2A, 0x80, 0x86 }, 0x10, 0x9E, 0 },
	{ { 0x80, 0xD8, 0x00, 0x01 }, 0x84, 0, 0 },
	{ { 0x80, 0xE2, 0x00, 0x01 }, 0x84, 0, 0 },
	{ { 0x00, 0xDA, 0x3F, 0xFF }, 0x10, 0x5F, 0xFE },
	{ { 0x00, 0xDA, 0x00, 0xD1 }, 0x10, 0x01, 0xC7 },
	{ { 0x00, 0xDA, 0x00, 0xD2 }, 0x10, 0x01, 0x5B },
	{ { 0x00, 0xDA, 0x00, 0xD3 }, 0x10, 0x01, 0x5E },
	{ { 0x00, 0xDA, 0x00, 0xD5 }, 0x10, 0x01, 0xC4 },
	{ { 0x00, 0xDA, 0x00, 0xF4 }, 0x10, 0x01, 0xF9 },
	{ { 0x00, 0xFE, 0x07, 0x9C }, 0x10, 0, 0 },
};

/* A short command is hidden with its answer, or shown with it. */
static bool is_hidden(const uint8_t header[4])
{
	char apdu[9] = { 0, 0, 0, 0, 4, 0x31, 0x32, 0x33, 0x34 };
	struct log_secrecy s = { 0 };
	size_t shown;

	memcpy(apdu, header, 4);
	shown = sent(&s, 0, apdu, sizeof apdu);
	assert_true(shown == 0 || shown == sizeof apdu);
	assert_int_equal(GOT(&s, "\x90\x00"), shown ? 2 : 0);
	return shown == 0;
}

static void secret_commands_are_hidden(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof hidden / sizeof *hidden; i++) {
		uint8_t h[4];
		bool next_too = hidden[i].header[1] != 0x82 && hidden[i].header[1] != 0xE2;

		memcpy(h, hidden[i].header, 4);
		assert_true(is_hidden(h));
		h[1] |= 1;
		assert_int_equal(is_hidden(h), next_too);
		h[0] = hidden[i].other_cla;
		h[1] = hidden[i].header[1];
		assert_true(is_hidden(h));
		for (unsigned at = 2; at < 4; at++) {
			uint8_t other = at == 2 ? hidden[i].other_p1 : hidden[i].other_p2;

			memcpy(h, hidden[i].header, 4);
			h[at] = other ? other : h[at];
			assert_int_equal(is_hidden(h), other == 0);
		}
	}
}

/* INS of a secret command with any P1-P2, of CLA 00 and of CLA 80. */
static void ordinary_commands_are_shown(void **state)
{
	static const uint8_t any[] = { 0x20, 0x21, 0x24, 0x25, 0x2C, 0x2D, 0x82, 0x86, 0x87, 0xD8, 0xD9 };

	(void)state;
	for (unsigned ins = 0; ins < 256; ins++) {
		uint8_t iso[4] = { 0x00, (uint8_t)ins, 0, 1 }, own[4] = { 0x80, (uint8_t)ins, 0, 1 };
		bool both = memchr(any, (int)ins, sizeof any) != NULL;

		assert_int_equal(is_hidden(iso), both || ins >= 0xFE);
		assert_int_equal(is_hidden(own), both || ins == 0xE2);
	}
}

/* The answer of a secret command is fetched by GET RESPONSE (ISO 7816-4 §11.8.1). */
static void fetched_answer_is_hidden(void **state)
{
	struct log_secrecy s = { 0 };

	(void)state;
	assert_int_equal(SENT(&s, 0, "\x00\xC0\x00\x00\x10"), 5);
	assert_int_equal(GOT(&s, PIN "\x90\x00"), 6);
	assert_int_equal(SENT(&s, 0, "\x00\x2A\x80\x86\x04" PIN), 0);
	assert_int_equal(GOT(&s, "\x61\x10"), 0);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(SENT(&s, 0, "\x00\xC0\x00\x00\x10"), 0);
		assert_int_equal(GOT(&s, PIN "\x61\x10"), 0);
	}
	/* in a T=1 block */
	assert_int_equal(SENT(&s, 0, "\x00\x00\x05\x00\xC0\x00\x00\x10\xD5"), 0);
	assert_int_equal(GOT(&s, "\x00\x00\x02\x90\x00\x92"), 0);
	assert_int_equal(SENT(&s, 0, "\x00\xA4\x00\x00\x02\x3F\x00"), 7);
	assert_int_equal(SENT(&s, 0, "\x00\xC0\x00\x00\x10"), 5);
	assert_int_equal(GOT(&s, PIN "\x90\x00"), 6);
}

/* A part of a command that ends before P1 or P2. */
static void command_cut_in_its_header(void **state)
{
	struct log_secrecy s = { 0 };

	(void)state;
	assert_int_equal(SENT(&s, 1, "\x00\xDB\x3F"), 0);
	assert_int_equal(SENT(&s, 2, "\xFF\x04" PIN), 0);
	assert_int_equal(SENT(&s, 1, "\x00\xDB\x5F"), 3);
	assert_int_equal(SENT(&s, 2, "\xC1\x04" PIN), 6);
	assert_int_equal(SENT(&s, 1, "\x00\xDB"), 0);
	assert_int_equal(SENT(&s, 2, "\x3F\xFF\x04" PIN), 0);
	/* T=0 at character level: the data follow the header */
	assert_int_equal(SENT(&s, 1, "\x80\xD8\x00\x01\x08"), 0);
	assert_int_equal(SENT(&s, 1, PIN PIN), 0);
}

static void answer_belongs_to_its_command(void **state)
{
	struct log_secrecy s = { 0 };

	(void)state;
	assert_int_equal(SENT(&s, 0, "\x00\x20\x00\x01\x04" PIN), 0);
	assert_int_equal(GOT(&s, "\x90\x00"), 0);
	assert_int_equal(SENT(&s, 0, "\x00\xA4\x00\x00\x02\x3F\x00"), 7);
	assert_int_equal(GOT(&s, "\x90\x00"), 2);
	/* other messages are never hidden */
	assert_int_equal(SENT(&s, 0, "\x00\x20\x00\x01\x04" PIN), 0);
	assert_int_equal(got(&s, 0x82, "\x11\x00\x00\x0A\x00", 5), 5);
	assert_int_equal(got(&s, 0x83, "abc", 3), 3);
}

static void power_on_ends_secrecy(void **state)
{
	uint8_t power_on[10] = { 0x62 };
	struct log_secrecy s = { 0 };

	(void)state;
	SENT(&s, 0, "\x00\x20\x00\x01\x04" PIN);
	assert_int_equal(log_showable(&s, true, power_on, 10), 10);
	assert_int_equal(GOT(&s, "\x3B\x00"), 2);
}

static void extended_chaining(void **state)
{
	struct log_secrecy s = { 0 };

	(void)state;
	assert_int_equal(SENT(&s, 1, "\x00\x20\x00\x01\x00\x00\x08\x31"), 0);
	assert_int_equal(SENT(&s, 3, "\x32\x33\x34"), 0);
	assert_int_equal(SENT(&s, 2, "\x35\xA4\x36"), 0);
	assert_int_equal(SENT(&s, 0x10, ""), 0);
	assert_int_equal(GOT(&s, "\x90\x00"), 0);
	assert_int_equal(SENT(&s, 1, "\x00\xD6\x00\x01\x00\x00\x08\x31"), 8);
	assert_int_equal(SENT(&s, 2, "\x31\x31\x31"), 3);
	/* INS in the second part */
	assert_int_equal(SENT(&s, 1, "\x00"), 0);
	assert_int_equal(SENT(&s, 2, "\x20\x00\x01\x04" PIN), 0);
}

static void t0_character_level(void **state)
{
	struct log_secrecy s = { 0 };

	(void)state;
	assert_int_equal(SENT(&s, 1, "\x00\x20\x00\x01\x08"), 0);	/* header, expects INS */
	assert_int_equal(GOT(&s, "\x20"), 0);
	assert_int_equal(SENT(&s, 1, PIN "\xFF\xFF"), 0);
	assert_int_equal(SENT(&s, 2, "\xFF\xFF"), 0);
	assert_int_equal(GOT(&s, "\x90\x00"), 0);
	assert_int_equal(SENT(&s, 1, "\x00\xA4\x00\x00\x02"), 5);
	/* data that looks like a T=1 R-block stays data */
	s = (struct log_secrecy){ 0 };
	SENT(&s, 1, "\x00\x20\x00\x01\x04");
	assert_int_equal(SENT(&s, 2, "\x00\x80\x00\x80"), 0);
}

static void append_lrc(char *block, size_t n)
{
	block[n] = 0;
	for (size_t i = 0; i < n; i++)
		block[n] ^= block[i];
}

static void t1_blocks(void **state)
{
	struct log_secrecy s = { 0 };
	char i0[] = "\x00\x00\x09\x00\x20\x00\x01\x04" PIN "_";
	char i1[] = "\x00\x40\x07\x00\xA4\x00\x00\x02\x3F\x00_";
	char r[] = "\x00\x90\x00_";

	(void)state;
	append_lrc(i0, 12);
	append_lrc(i1, 10);
	append_lrc(r, 3);
	assert_int_equal(sent(&s, 0, i0, 13), 0);
	assert_int_equal(sent(&s, 0, r, 4), 4);
	assert_int_equal(GOT(&s, "\x00\x00\x02\x90\x00\x92"), 0);
	assert_int_equal(sent(&s, 0, i1, 11), 11);
	assert_int_equal(GOT(&s, "\x00\x40\x02\x90\x00\xD2"), 6);
}

static void t1_chain_and_retransmission(void **state)
{
	struct log_secrecy s = { 0 };
	char first[] = "\x00\x20\x07\x00\x20\x00\x01\x08\x31\x32_";
	char last[] = "\x00\x40\x06\x33\x34\x35\x36\x37\x38_";
	char next[] = "\x00\x00\x04\x00\x84\x00\x08_";

	(void)state;
	append_lrc(first, 10);
	append_lrc(last, 9);
	append_lrc(next, 7);
	assert_int_equal(sent(&s, 0, first, 11), 0);
	assert_int_equal(sent(&s, 0, last, 10), 0);
	assert_int_equal(sent(&s, 0, last, 10), 0);	/* again */
	assert_int_equal(sent(&s, 0, next, 8), 8);
	/* IFSC 1: the INS is in the second block */
	char one[] = "\x00\x60\x01\x00_", two[] = "\x00\x20\x01\x20_", three[] = "\x00\x40\x01\x31_";

	append_lrc(one, 4);
	append_lrc(two, 4);
	append_lrc(three, 4);
	assert_int_equal(sent(&s, 0, one, 5), 0);
	assert_int_equal(sent(&s, 0, two, 5), 0);
	assert_int_equal(sent(&s, 0, three, 5), 0);
}

static void t1_with_crc(void **state)
{
	/* CRC of ISO/IEC 13239 over NAD PCB LEN INF, bit by bit; either byte order, either complement */
	static const char block[] = "\x00\x00\x09\x00\x20\x00\x01\x04" PIN;
	char m[14];
	uint16_t crc = 0xFFFF;

	(void)state;
	memcpy(m, block, 12);
	for (int i = 0; i < 12; i++)
		for (int bit = 0; bit < 8; bit++) {
			bool x = ((crc ^ (uint8_t)block[i] >> bit) & 1) != 0;

			crc = (uint16_t)(crc >> 1 ^ (x ? 0x8408 : 0));
		}
	for (int form = 0; form < 4; form++) {
		struct log_secrecy s = { 0 };
		uint16_t c = form & 1 ? (uint16_t)~crc : crc;

		m[12] = (char)(form & 2 ? c >> 8 : c);
		m[13] = (char)(form & 2 ? c : c >> 8);
		assert_int_equal(sent(&s, 0, m, 14), 0);
	}
}

static void secure_shows_its_fields_only(void **state)
{
	uint8_t m[10 + 15 + 13] = { 0x69 };
	struct log_secrecy s = { 0 };

	(void)state;
	assert_int_equal(log_showable(&s, true, m, sizeof m), 22);
	assert_int_equal(GOT(&s, "\x90\x00"), 0);
	assert_int_equal(log_showable(&s, true, m, 15), 15);
}

static void short_messages(void **state)
{
	uint8_t m[10] = { 0x6F };
	struct log_secrecy s = { 0 };

	(void)state;
	for (size_t n = 0; n <= sizeof m; n++) {
		assert_int_equal(log_showable(&s, true, m, n), n);
		assert_int_equal(log_showable(&s, false, m, n), n);
	}
}

/* How often a text is in what was written. */
static unsigned __attribute__((unused)) count(const char *text)
{
	unsigned n = 0;

	for (const char *p = out; (p = strstr(p, text)); p++)
		n++;
	return n;
}

static uint64_t now_ns;

/* In place of util/clock.c. */
uint64_t clock_now(void)
{
	return now_ns;
}

static void after_s(unsigned s)
{
	now_ns += s * UINT64_C(1000000000);
}

static bool allows(struct log_budget *b, const char *key, unsigned long want)
{
	unsigned long left_out = 77;
	bool yes = log_budget_allows(b, key, &left_out);

	assert_int_equal(left_out, want);
	return yes;
}

static void budget_of_a_kind(void **state)
{
	struct log_budget b;

	(void)state;
	log_budget_init(&b);
	for (unsigned i = 0; i < 1000; i++)
		assert_int_equal(allows(&b, "flood", 0), i < 10);
	/* another kind is not hidden */
	assert_true(allows(&b, "other", 0));
	/* while it goes on: one line a minute */
	for (unsigned minute = 0; minute < 5; minute++) {
		after_s(60);
		assert_true(allows(&b, "flood", minute ? 999 : 990));
		for (unsigned i = 0; i < 999; i++)
			assert_false(allows(&b, "flood", 0));
	}
	/* a calm minute ends it */
	after_s(60);
	assert_true(allows(&b, "flood", 999));
	after_s(60);
	for (unsigned i = 0; i < 20; i++)
		assert_int_equal(allows(&b, "flood", 0), i < 10);
	assert_int_equal(log_budget_end(&b), 10);
}

/* More kinds than there is room for: the one that was begun first is forgotten, but counted. */
static void budget_of_many_kinds(void **state)
{
	static char keys[3 * LOG_BUDGET_KINDS];
	struct log_budget b;

	(void)state;
	log_budget_init(&b);
	for (unsigned i = 0; i < 15; i++)
		assert_int_equal(allows(&b, keys, 0), i < 10);
	for (unsigned i = 1; i < sizeof keys; i++) {
		after_s(1);
		assert_true(allows(&b, keys + i, 0));
	}
	assert_true(allows(&b, keys, 0));
	assert_int_equal(log_budget_end(&b), 5);
}

#if WITH_PCSCD
/* Critical and info lines of a reader with a budget; what one asks for by the log level is written. */
static void budget_of_lines(void **state)
{
	struct log_budget b;
	struct log_ctx rationed = { .reader = "r", .budget = &b };
	static const uint8_t byte = 0x5A;

	(void)state;
	log_budget_init(&b);
	log_setup(LOG_CRITICAL | LOG_INFO, false);
	for (unsigned i = 0; i < 31; i++) {
		if (i == 30)
			after_s(60);
		LOG(LOG_CRITICAL, &rationed, "overcurrent %u", i);
		LOG(LOG_INFO, &rationed, "dropped %u", i);
		log_bytes(LOG_INFO, &rationed, "bytes:", &byte, 1);
	}
	assert_int_equal(count("overcurrent"), 11);
	assert_int_equal(count("dropped"), 11);
	assert_int_equal(count("bytes: 5A"), 11);
	assert_non_null(strstr(out, "dropped 30 (20 more such lines were left out since the last one)\n"));
	assert_non_null(strstr(out, "bytes: 5A (20 more such lines were left out since the last one)\n"));
	/* a log of each message has each line */
	log_setup(0x0F, false);
	for (unsigned i = 0; i < 30; i++)
		LOG(LOG_INFO, &rationed, "everything %u", i);
	assert_int_equal(count("everything"), 30);
	assert_int_equal(log_budget_end(&b), 0);
}

static void message_shows_header_and_length(void **state)
{
	static const uint8_t m[] = { 0x6F, 9, 0, 0, 0, 0, 7, 0, 0, 0, 0x00, 0x20, 0, 1, 4, 0x31, 0x32, 0x33, 0x34 };
	struct log_secrecy s = { 0 };

	(void)state;
	log_message(&who, &s, true, m, sizeof m);
	assert_non_null(strstr(out, "-> 6F 09 00 00 00 00 07 00 00 00\n"));
	assert_non_null(strstr(out, "-> 9 more bytes, not shown\n"));
	assert_null(strstr(out, "31 32"));
	out[0] = '\0';
	log_setup(LOG_CRITICAL | LOG_INFO, false);
	log_message(&who, &s, false, m, sizeof m);
	assert_string_equal(out, "");
}

static void user_may_ask_for_secrets(void **state)
{
	static const uint8_t sent_pin[] = { 0x6F, 9, 0, 0, 0, 0, 7, 0, 0, 0,
					    0x00, 0x20, 0, 1, 4, 0x31, 0x32, 0x33, 0x34 };
	static const uint8_t answer[] = { 0x80, 2, 0, 0, 0, 0, 7, 0, 0, 0, 0x90, 0x00 };
	struct log_secrecy s = { 0 };

	(void)state;
	log_setup(0x0F, true);
	log_message(&who, &s, true, sent_pin, sizeof sent_pin);
	log_message(&who, &s, false, answer, sizeof answer);
	assert_non_null(strstr(out, "00 20 00 01 04 31 32 33 34\n"));
	assert_non_null(strstr(out, "90 00\n"));
	assert_null(strstr(out, "not shown"));
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
#if WITH_PCSCD
		cmocka_unit_test_setup(levels_are_a_mask, setup),
		cmocka_unit_test_setup(line_names_reader_and_lun, setup),
		cmocka_unit_test_setup(line_is_ascii_and_bounded, setup),
		cmocka_unit_test_setup(removed_reader_writes_no_errors, setup),
		cmocka_unit_test_setup(bytes_in_lines_of_256, setup),
		cmocka_unit_test_setup(message_shows_header_and_length, setup),
		cmocka_unit_test_setup(budget_of_lines, setup),
		cmocka_unit_test_setup(user_may_ask_for_secrets, setup),
#else
		cmocka_unit_test_setup(log_without_pcscd_goes_to_stderr, setup),
#endif
		cmocka_unit_test_setup(budget_of_a_kind, setup),
		cmocka_unit_test_setup(budget_of_many_kinds, setup),
		cmocka_unit_test_setup(secret_commands_are_hidden, setup),
		cmocka_unit_test_setup(ordinary_commands_are_shown, setup),
		cmocka_unit_test_setup(fetched_answer_is_hidden, setup),
		cmocka_unit_test_setup(command_cut_in_its_header, setup),
		cmocka_unit_test_setup(answer_belongs_to_its_command, setup),
		cmocka_unit_test_setup(power_on_ends_secrecy, setup),
		cmocka_unit_test_setup(extended_chaining, setup),
		cmocka_unit_test_setup(t0_character_level, setup),
		cmocka_unit_test_setup(t1_blocks, setup),
		cmocka_unit_test_setup(t1_chain_and_retransmission, setup),
		cmocka_unit_test_setup(t1_with_crc, setup),
		cmocka_unit_test_setup(secure_shows_its_fields_only, setup),
		cmocka_unit_test_setup(short_messages, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
