/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The driver's functions for applications: attributes and control codes with every length of
 * buffer, and PIN entry on readers with habits of their own. The simulated readers check each
 * message. */
#include "driver_fixture.h"

#include "ifdh/ifdh.h"
#include "slot/features.h"
#include "slot/pinpad.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define LUN 0
#define CODE(f) SCARD_CTL_CODE(0x330000 + (f))
#define LENGTHS 300u
#define CANARY 0xC5

/* ---- attributes ---- */

#define WITH_STRINGS "reader one\nserial = 0123456789\nmanufacturer = Maker\nbcd = 3.21\ncard 0 = t1\n"

static const DWORD tags[] = {
	SCARD_ATTR_ATR_STRING, SCARD_ATTR_ICC_INTERFACE_STATUS, SCARD_ATTR_ICC_PRESENCE,
	SCARD_ATTR_VENDOR_IFD_VERSION, SCARD_ATTR_VENDOR_NAME, SCARD_ATTR_VENDOR_IFD_SERIAL_NO,
	SCARD_ATTR_MAXINPUT, SCARD_ATTR_CHANNEL_ID, TAG_IFD_ATR, TAG_IFD_THREAD_SAFE,
	TAG_IFD_SLOT_THREAD_SAFE, TAG_IFD_SIMULTANEOUS_ACCESS, TAG_IFD_SLOTS_NUMBER,
	TAG_IFD_POLLING_THREAD_WITH_TIMEOUT, TAG_IFD_STOP_POLLING_THREAD, TAG_IFD_POLLING_THREAD_KILLABLE,
	SCARD_ATTR_VENDOR_IFD_TYPE, SCARD_ATTR_MAX_CLK, SCARD_ATTR_CURRENT_IFSD, 0, 0xFFFFFFFF,
};

/* A block of exactly len bytes for the driver, canaries on both sides. */
static uint8_t arena[64 + 2 * LENGTHS + 64];

static uint8_t *room(size_t len)
{
	memset(arena, CANARY, sizeof arena);
	(void)len;
	return arena + 64;
}

static void canaries_live(size_t len, DWORD what)
{
	for (size_t i = 0; i < sizeof arena; i++) {
		if ((i < 64 || i >= 64 + len) && arena[i] != CANARY)
			fail_msg("%lx with %zu bytes: byte %zd written", (unsigned long)what, len,
				 (ssize_t)i - 64);
	}
}

static void no_attribute_exceeds_its_buffer(void **state)
{
	(void)state;
	fixture_start(FAKE_VIRTUAL, WITH_STRINGS);
	fixture_ready(LUN, 0, 1);
	for (size_t i = 0; i < COUNT(tags); i++) {
		DWORD whole = LENGTHS, n;
		RESPONSECODE known = IFDHGetCapabilities(LUN, tags[i], &whole, NULL);

		for (DWORD len = 0; len <= LENGTHS; len++) {
			uint8_t *p = room(len);
			RESPONSECODE rc;

			n = len;
			rc = IFDHGetCapabilities(LUN, tags[i], &n, p);
			if (known != IFD_SUCCESS)
				assert_int_equal(rc, known);
			else
				assert_int_equal(rc, len < whole ? IFD_ERROR_INSUFFICIENT_BUFFER : IFD_SUCCESS);
			canaries_live(rc == IFD_SUCCESS ? n : 0, tags[i]);
			assert_true(rc != IFD_SUCCESS || n == whole);
		}
	}
	FIXTURE_IS_FINE(IFDHCloseChannel(LUN));
	fixture_stop();
}

static size_t attribute(DWORD tag, uint8_t *out)
{
	DWORD n = LENGTHS;

	FIXTURE_IS_FINE(IFDHGetCapabilities(LUN, tag, &n, out));
	return n;
}

static void attributes_have_their_values(void **state)
{
	uint8_t v[LENGTHS];
	uint32_t u;
	DWORD n = sizeof v;

	(void)state;
	fixture_start(FAKE_VIRTUAL, WITH_STRINGS);
	fixture_ready(LUN, 0, 1);
	assert_int_equal(attribute(SCARD_ATTR_VENDOR_NAME, v), 6);
	assert_string_equal((char *)v, "Maker");
	assert_int_equal(attribute(SCARD_ATTR_VENDOR_IFD_SERIAL_NO, v), 11);
	assert_string_equal((char *)v, "0123456789");
	assert_int_equal(attribute(SCARD_ATTR_VENDOR_IFD_VERSION, (uint8_t *)&u), 4);
	assert_int_equal(u, 0x03210000);
	assert_int_equal(attribute(SCARD_ATTR_CHANNEL_ID, (uint8_t *)&u), 4);
	assert_int_equal(u >> 8, 0x002001);	/* USB, bus 1 */
	assert_int_equal(attribute(SCARD_ATTR_ICC_PRESENCE, v), 1);
	assert_int_equal(v[0], 2);
	assert_int_equal(attribute(SCARD_ATTR_ICC_INTERFACE_STATUS, v), 1);
	assert_int_equal(v[0], 1);
	assert_int_equal(attribute(SCARD_ATTR_ATR_STRING, v), 15);
	fixture_remove(0, 0);
	assert_int_equal(attribute(SCARD_ATTR_ICC_PRESENCE, v), 1);
	assert_int_equal(v[0], 0);
	assert_int_equal(attribute(SCARD_ATTR_ATR_STRING, v), 0);
	assert_int_equal(IFDHGetCapabilities(LUN, SCARD_ATTR_MAX_CLK, &n, v), IFD_ERROR_TAG);
	FIXTURE_IS_FINE(IFDHCloseChannel(LUN));
	fixture_stop();
}

/* ---- control codes ---- */

static const DWORD codes[] = {
	SCARD_CTL_CODE(3400), 0x313520, SCARD_CTL_CODE(1), SCARD_CTL_CODE(3600), SCARD_CTL_CODE(3601),
	CODE(FEATURE_VERIFY_PIN_DIRECT), CODE(FEATURE_MODIFY_PIN_DIRECT), CODE(FEATURE_IFD_PIN_PROPERTIES),
	CODE(FEATURE_MCT_READER_DIRECT), CODE(FEATURE_GET_TLV_PROPERTIES), CODE(FEATURE_CCID_ESC_COMMAND),
	SCARD_CTL_CODE(2), CODE(FEATURE_ABORT), 0, 0xFFFFFFFF,
};

/* Product 0e5c allows Escape (fixture_start()); the reader answers with the bytes that were
 * sent. */
#define EVERY_CODE "reader one\nproduct = 0e5c\nlevel = tpdu\npinpad = 3\nlcd = 0x0210\ncard 0 = t1\n"

static RESPONSECODE control(DWORD code, const void *in, size_t len, void *out, size_t cap, DWORD *n)
{
	void *copy = malloc(len ? len : 1);	/* the caller's buffer is never written to */
	RESPONSECODE rc;

	memcpy(copy, in, len);
	*n = 9999;
	rc = IFDHControl(LUN, code, copy, len, out, cap, n);
	assert_memory_equal(copy, in, len);
	free(copy);
	return rc;
}

static void judge_control(DWORD code, const uint8_t *in, size_t len, size_t cap, RESPONSECODE full,
			  DWORD full_len)
{
	uint8_t *p = room(cap);
	DWORD n;
	RESPONSECODE rc = control(code, in, len, p, cap, &n);

	assert_true(n <= cap);
	canaries_live(rc == IFD_SUCCESS ? n : cap, code);
	assert_true(rc == IFD_SUCCESS || n == 0);
	if (full != IFD_SUCCESS) {
		assert_int_not_equal(rc, IFD_SUCCESS);
		return;
	}
	assert_int_equal(rc, cap < full_len ? IFD_ERROR_INSUFFICIENT_BUFFER : IFD_SUCCESS);
	assert_true(rc != IFD_SUCCESS || n == full_len);
}

static void no_control_answer_exceeds_its_buffer(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
	} ins[] = {
		{ "", 0 }, { "\x00\x00\x00\x00", 1 }, { "\x3E\x00\x01\x00", 4 }, { "\x3F\x00\x00", 3 }, { "\x02", 1 },
	};
	static const uint8_t zeros[LENGTHS];

	(void)state;
	fixture_start(FAKE_VIRTUAL, EVERY_CODE);
	fixture_ready(LUN, 0, 1);
	for (size_t i = 0; i < COUNT(codes); i++) {
		DWORD n;
		RESPONSECODE rc;

		for (size_t k = 0; k < COUNT(ins); k++) {
			const uint8_t *in = (const uint8_t *)ins[k].bytes;

			rc = control(codes[i], in, ins[k].len, room(LENGTHS), LENGTHS, &n);
			for (size_t cap = 0; cap <= LENGTHS; cap++)
				judge_control(codes[i], in, ins[k].len, cap, rc, n);
		}
		for (size_t len = 0; len <= LENGTHS; len++) {
			rc = control(codes[i], zeros, len, room(LENGTHS), LENGTHS, &n);
			canaries_live(rc == IFD_SUCCESS ? n : 0, codes[i]);
			judge_control(codes[i], zeros, len, n > 0 ? n - 1 : 0, rc, n);
		}
	}
	FIXTURE_IS_FINE(IFDHCloseChannel(LUN));
	fixture_stop();
}

static void control_codes_have_their_answers(void **state)
{
	static const uint8_t set[] = { 0x3E, 0, 1, 0x21 }, wrong[] = { 0x3E, 0, 1, 0x33 }, get[] = { 0x3F, 0, 0 };
	static const PIN_PROPERTIES_STRUCTURE pin = { .wLcdLayout = 0x0210, .bEntryValidationCondition = 7 };
	uint8_t v[LENGTHS];
	DWORD n;

	(void)state;
	fixture_start(FAKE_VIRTUAL, EVERY_CODE);
	fixture_ready(LUN, 0, 1);
	FIXTURE_IS_FINE(control(SCARD_CTL_CODE(3400), "", 0, v, sizeof v, &n));
	assert_int_equal(n, 5 * 6);
	assert_memory_equal(v, "\x06\x04\x42\x33\x00\x06\x07\x04\x42\x33\x00\x07\x0A\x04\x42\x33\x00\x0A", 18);
	FIXTURE_IS_FINE(control(CODE(FEATURE_IFD_PIN_PROPERTIES), "", 0, v, sizeof v, &n));
	assert_int_equal(n, sizeof pin);
	assert_memory_equal(v, &pin, sizeof pin);
	FIXTURE_IS_FINE(control(SCARD_CTL_CODE(3601), "", 0, v, sizeof v, &n));
	assert_int_equal(n, strlen((char *)v) + 1);
	assert_non_null(strstr((char *)v, ":1.0"));
	FIXTURE_IS_FINE(control(SCARD_CTL_CODE(3600), set, sizeof set, v, sizeof v, &n));
	assert_memory_equal(v, "\x3E\x00\x01\x00", 4);
	FIXTURE_IS_FINE(control(SCARD_CTL_CODE(3600), get, sizeof get, v, sizeof v, &n));
	assert_memory_equal(v, "\x3F\x00\x02\x00\x21", 5);
	FIXTURE_IS_FINE(fixture_echo(LUN, 1, 100));	/* the card still answers at this node
							   address */
	FIXTURE_IS_FINE(control(SCARD_CTL_CODE(3600), wrong, sizeof wrong, v, sizeof v, &n));
	assert_memory_equal(v, "\x3E\x00\x01\x01", 4);
	FIXTURE_IS_FINE(fixture_echo(LUN, 2, 100));
	FIXTURE_IS_FINE(control(SCARD_CTL_CODE(1), "\1\2\3", 3, v, sizeof v, &n));
	assert_int_equal(n, 3);
	assert_memory_equal(v, "\1\2\3", 3);
	FIXTURE_IS_FINE(IFDHCloseChannel(LUN));
	fixture_stop();
}

/* Where Escape is not allowed, no other control code reaches the reader either. */
static void escape_is_refused_by_every_way(void **state)
{
	static const DWORD banned[] = { SCARD_CTL_CODE(1), CODE(FEATURE_CCID_ESC_COMMAND) };
	uint8_t v[LENGTHS];
	DWORD n;

	(void)state;
	fixture_start(FAKE_VIRTUAL, FIXTURE_ONE);
	fixture_ready(LUN, 0, 1);
	for (size_t i = 0; i < COUNT(banned); i++) {
		assert_int_equal(control(banned[i], "\x01", 1, v, sizeof v, &n), IFD_COMMUNICATION_ERROR);
		assert_int_equal(n, 0);
	}
	assert_int_equal(control(CODE(FEATURE_MCT_READER_DIRECT), "\x20\x70\x00\x00\x00", 5, v, sizeof v, &n),
			 IFD_ERROR_NOT_SUPPORTED);
	assert_int_equal(control(CODE(FEATURE_VERIFY_PIN_DIRECT), "", 0, v, sizeof v, &n), IFD_ERROR_NOT_SUPPORTED);
	FIXTURE_IS_FINE(IFDHCloseChannel(LUN));
	fixture_stop();
}

/* ---- PIN entry ---- */

/* The person at the reader types as soon as a message asks for a PIN. */
static struct {
	const char *keys;
	char secure[200];		/* abData of PC_to_RDR_Secure in hexadecimal */
	uint64_t at;
	unsigned count, escapes;
} person;

static void watch(void *user, uint64_t now, const char *text)
{
	const char *secure = strstr(text, " Secure ");

	if (strstr(text, "out ") && strstr(text, "Escape 3: 800200"))
		person.escapes++;
	if (!secure || strncmp(text, "out", 3) != 0)
		return;
	snprintf(person.secure, sizeof person.secure, "%s", strstr(secure, ": ") + 2);
	person.at = now;
	person.count++;
	if (person.keys)
		sim_dev_keys(user, 0, person.keys, now + 10000000u);
}

static void person_sits_down(const char *keys)
{
	memset(&person, 0, sizeof person);
	person.keys = keys;
	fake_usb_lock();
	sim_dev_trace(fake_usb_dev(0), watch, fake_usb_dev(0));
	fake_usb_unlock();
}

static size_t from_hex(const char *text, uint8_t *out)
{
	size_t n = 0;
	unsigned v;

	while (*text) {
		if (*text == ' ') {
			text++;
			continue;
		}
		sscanf(text, "%2x", &v);
		out[n++] = (uint8_t)v;
		text += 2;
	}
	return n;
}

/* Digits are 8 at most, 4 at least (verify), 4 (modify); the PIN's place is 8 and twice 4 bytes. */
#define VERIFY_HEX(condition, messages) \
	"1E 00 82 08 00 0804 " condition messages "0904 00 000000 0D000000 0020000108FFFFFFFFFFFFFFFF"
#define VERIFY_OUT(condition, messages, prologue) \
	"001E8208000804" condition messages "090400" prologue "0020000108FFFFFFFFFFFFFFFF"
#define MODIFY_HEX(condition, messages) \
	"1E 00 82 04 00 00 04 0404 03 " condition messages "0904 010203 000000 0D000000 0024000108FFFFFFFFFFFFFFFF"
#define MODIFY_OUT(condition, messages, indexes, prologue) \
	"011E82040000040404" "03" condition messages "0904" indexes prologue "0024000108FFFFFFFFFFFFFFFF"
#define NONE "000000"
#define T1 "00000D"

static const struct habit {
	const char *what, *from, *card, *in, *out;
} habits[] = {
	{ "any: no change", "CardMan3821", "t1", VERIFY_HEX("07", "02"), VERIFY_OUT("07", "02", NONE) },
	{ "any: condition 0 is 2", "CardMan3821", "t0", VERIFY_HEX("00", "01"), VERIFY_OUT("02", "01", NONE) },
	{ "any: condition 8 is 2", "CardMan3821", "t0", MODIFY_HEX("08", "03"),
	  MODIFY_OUT("02", "03", "010203", NONE) },
	{ "any: one index", "CardMan3821", "t0", MODIFY_HEX("02", "00"), MODIFY_OUT("02", "00", "01", NONE) },
	{ "any: two indexes", "CardMan3821", "t0", MODIFY_HEX("02", "01"), MODIFY_OUT("02", "01", "0102", NONE) },
	{ "any: default messages", "CardMan3821", "t0", MODIFY_HEX("02", "FF"),
	  MODIFY_OUT("02", "FF", "010203", NONE) },
	{ "any: other numbers are the reader's business", "CardMan3821", "t0", MODIFY_HEX("02", "7F"),
	  MODIFY_OUT("02", "7F", "010203", NONE) },
	{ "SPR 532", "04e6:e003", "t1", VERIFY_HEX("02", "01"), VERIFY_OUT("02", "01", T1) },
	{ "SPR 532", "04e6:e003", "t1", MODIFY_HEX("02", "03"), MODIFY_OUT("02", "00", "000000", T1) },
	{ "SPR 532: appends", "04e6:e003", "t0", "1E 00 82 00 00 0804 02 01 0904 00 000000 04000000 00200001",
	  "001E820000080402010904" "00" NONE "00200001" },
	{ "Cherry ST-2000", "046a:003e", "t0", MODIFY_HEX("02", "02"), MODIFY_OUT("02", "00", "000000", NONE) },
	{ "Cherry xx44", "046a:0010", "t0", MODIFY_HEX("02", "01"), MODIFY_OUT("02", "03", "010203", NONE) },
	{ "Cherry KC 1000 SC", "046a:00a1", "t0", MODIFY_HEX("02", "00"), MODIFY_OUT("02", "FF", "010203", NONE) },
	{ "Cherry KC 1000 SC", "046a:00a1", "t0", MODIFY_HEX("02", "01"), MODIFY_OUT("02", "01", "0102", NONE) },
	{ "Dell keyboard", "413c:2101", "t1", VERIFY_HEX("02", "01"), VERIFY_OUT("02", "00", T1) },
	{ "Dell SK-3106", "413c:2100", "t0", VERIFY_HEX("02", "02"),
	  "001E8208000408" "02" "00" "090400" NONE "0020000108FFFFFFFFFFFFFFFF" },
	{ "GemPC PinPad", "08e6:3478", "t0", VERIFY_HEX("07", "03"), VERIFY_OUT("02", "01", NONE) },
	{ "GemPC PinPad", "08e6:3478", "t0", MODIFY_HEX("07", "01"), MODIFY_OUT("02", "01", "010203", NONE) },
	{ "Vega-Alpha", "0982:0008", "t1", VERIFY_HEX("01", "00"), VERIFY_OUT("02", "01", T1) },
	{ "Vega-Alpha", "0982:0008", "t1", MODIFY_HEX("02", "02"), MODIFY_OUT("02", "02", "010203", T1) },
	{ "Gemalto", "08e6:34c2", "t0", MODIFY_HEX("07", "00"), MODIFY_OUT("02", "00", "010203", NONE) },
	{ "Gemalto with bNumberMessageFix", "08e6:34c0", "t0", MODIFY_HEX("07", "00"),
	  MODIFY_OUT("02", "00", "01", NONE) },
	{ "Gemalto with bNumberMessageFix", "08e6:34c0", "t0", MODIFY_HEX("03", "03"),
	  MODIFY_OUT("02", "03", "010203", NONE) },
};

/* The CCID interface of a keyboard is not its first one. */
static void ready(bool t1)
{
	unsigned number;

	fake_usb_lock();
	number = sim_dev_interface_number(fake_usb_dev(0), 0);
	fake_usb_unlock();
	FIXTURE_IS_FINE(fixture_open(LUN, 0, number));
	FIXTURE_IS_FINE(fixture_power(LUN));
	FIXTURE_IS_FINE(IFDHSetProtocolParameters(LUN, t1 ? SCARD_PROTOCOL_T1 : SCARD_PROTOCOL_T0, 0, 0, 0, 0));
}

static void readers_get_the_pin_entry_they_need(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(habits); i++) {
		const struct habit *h = &habits[i];
		bool modify = h->out[1] == '1', dell = strncmp(h->what, "Dell", 4) == 0;
		uint8_t in[100], answer[20];
		char text[200];
		uint64_t began;
		DWORD n;

		print_message("%s, %s\n", h->what, modify ? "modify" : "verify");
		snprintf(text, sizeof text, "reader one\nfrom = %s\ncard 0 = %s pin=1234\n", h->from, h->card);
		fixture_start(FAKE_VIRTUAL, text);
		ready(strcmp(h->card, "t1") == 0);
		person_sits_down(modify ? "1234\n5678\n5678\n" : "1234\n");
		began = clock_now();
		FIXTURE_IS_FINE(control(CODE(modify ? FEATURE_MODIFY_PIN_DIRECT : FEATURE_VERIFY_PIN_DIRECT), in,
				    from_hex(h->in, in), answer, sizeof answer, &n));
		assert_string_equal(person.secure, h->out);
		assert_int_equal(n, 2);
		assert_memory_equal(answer, "\x90\x00", 2);
		if (dell)	/* the key that started the application is released first */
			assert_true(person.at - began >= 250000000u);
		assert_int_equal(person.escapes, strstr(h->what, "appends") != NULL);
		person_sits_down(NULL);
		FIXTURE_IS_FINE(fixture_echo(LUN, 7, strcmp(h->from, "046a:0010") == 0 ? 20 : 100));
		FIXTURE_IS_FINE(IFDHCloseChannel(LUN));
		fixture_stop();
	}
}

/* An application may fill the fields in either byte order: a big-endian host accepts both, a
 * little-endian host its own. */
static void either_byte_order_is_understood(void **state)
{
	static const char *const pairs[][2] = {
		{ "1E 00 82 08 00 0804 02 01 0904 00 000000 0D000000 0020000108FFFFFFFFFFFFFFFF",
		  "1E 00 82 08 00 0408 02 01 0409 00 000000 0000000D 0020000108FFFFFFFFFFFFFFFF" },
		{ "1E 00 82 04 00 00 04 0804 03 02 03 0904 010203 000000 0D000000 0024000108FFFFFFFFFFFFFFFF",
		  "1E 00 82 04 00 00 04 0408 03 02 03 0409 010203 000000 0000000D 0024000108FFFFFFFFFFFFFFFF" },
	};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		uint8_t in[2][100], out[2][PIN_MESSAGE_MAX];
		struct pin_request r;
		size_t len[2];

		for (size_t k = 0; k < 2; k++) {
			size_t n = from_hex(pairs[i][k], in[k]);

			assert_int_equal(pinpad_parse(&r, i ? PIN_OPERATION_MODIFY : PIN_OPERATION_VERIFY, in[k], n,
						      true), CCID_OK);
			r.n_indexes = i ? 3 : 1;
			len[k] = pinpad_build(&r, out[k]);
			assert_int_equal(pinpad_parse(&r, i ? PIN_OPERATION_MODIFY : PIN_OPERATION_VERIFY, in[k], n,
						      false), k ? CCID_ERR_NOT_SUPPORTED : CCID_OK);
		}
		assert_true(len[0] > 20);
		assert_int_equal(len[0], len[1]);
		assert_memory_equal(out[0], out[1], len[0]);
	}
}

#define TPDU_PINPAD "reader one\nlevel = tpdu\npinpad = 3\ncard 0 = t1 pin=1234 tries=9\n"

static RESPONSECODE verify(const char *keys, uint8_t sw[2], DWORD *n)
{
	uint8_t in[100];

	person_sits_down(keys);
	return control(CODE(FEATURE_VERIFY_PIN_DIRECT), in, from_hex(VERIFY_HEX("02", "01"), in), sw, 2, n);
}

/* T=1 at TPDU level: however a PIN entry ended, the next PIN entry and the next APDU succeed. */
static void t1_goes_on_after_every_pin_entry(void **state)
{
	static const struct {
		const char *fault, *keys, *sw;	/* sw NULL: an error */
	} ends[] = {
		{ "clear", "1234\n", "\x90\x00" },	{ "clear", "12\033", "\x64\x01" },
		{ "clear", "12", "\x64\x00" },		{ "pin-wtx value=3", "1234\n", "\x90\x00" },
		{ "pin-short", "1234\n", NULL },	{ "pin-short value=3", "1234\n", NULL },
	};
	uint8_t sw[2];
	DWORD n;

	(void)state;
	for (size_t i = 0; i < 2 * COUNT(ends); i++) {
		RESPONSECODE rc;

		fixture_start(FAKE_VIRTUAL, TPDU_PINPAD);
		fixture_ready(LUN, 0, 1);
		fixture_fault(0, "%s", ends[i / 2].fault);
		rc = verify(ends[i / 2].keys, sw, &n);
		print_message("%s, %s\n", ends[i / 2].fault, ends[i / 2].sw ? "an answer" : "an error");
		assert_int_equal(rc == IFD_SUCCESS, ends[i / 2].sw != NULL);
		assert_int_equal(n, ends[i / 2].sw ? 2 : 0);
		if (ends[i / 2].sw)
			assert_memory_equal(sw, ends[i / 2].sw, 2);
		fixture_fault(0, "clear");
		/* an APDU, or another PIN entry */
		if (i & 1)
			FIXTURE_IS_FINE(fixture_echo(LUN, 3, 200));
		FIXTURE_IS_FINE(verify("1234\n", sw, &n));
		assert_memory_equal(sw, "\x90\x00", 2);
		FIXTURE_IS_FINE(fixture_echo(LUN, 4, 200));
		FIXTURE_IS_FINE(IFDHCloseChannel(LUN));
		fixture_stop();
	}
}

/* SW1 SW2 do not fit into fewer than two bytes; nothing is written then. */
static void a_pin_answer_needs_two_bytes(void **state)
{
	uint8_t in[100];
	DWORD n;

	(void)state;
	fixture_start(FAKE_VIRTUAL, TPDU_PINPAD);
	fixture_ready(LUN, 0, 1);
	for (size_t cap = 0; cap < 4; cap++) {
		uint8_t *p = room(cap);
		RESPONSECODE rc;

		person_sits_down("1234\n");
		rc = control(CODE(FEATURE_VERIFY_PIN_DIRECT), in, from_hex(VERIFY_HEX("02", "01"), in), p, cap, &n);
		assert_int_equal(rc, cap < 2 ? IFD_ERROR_INSUFFICIENT_BUFFER : IFD_SUCCESS);
		canaries_live(cap < 2 ? 0 : 2, cap);
	}
	FIXTURE_IS_FINE(IFDHCloseChannel(LUN));
	fixture_stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(no_attribute_exceeds_its_buffer, fixture_teardown),
		cmocka_unit_test_teardown(attributes_have_their_values, fixture_teardown),
		cmocka_unit_test_teardown(no_control_answer_exceeds_its_buffer, fixture_teardown),
		cmocka_unit_test_teardown(control_codes_have_their_answers, fixture_teardown),
		cmocka_unit_test_teardown(escape_is_refused_by_every_way, fixture_teardown),
		cmocka_unit_test_teardown(readers_get_the_pin_entry_they_need, fixture_teardown),
		cmocka_unit_test(either_byte_order_is_understood),
		cmocka_unit_test_teardown(t1_goes_on_after_every_pin_entry, fixture_teardown),
		cmocka_unit_test_teardown(a_pin_answer_needs_two_bytes, fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
