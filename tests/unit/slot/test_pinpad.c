/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* src/slot/pinpad.c: PC/SC part 10 structures become PC_to_RDR_Secure, compared byte for byte. */
#include "layer_doubles.h"

#include "proto/t1.h"
#include "slot/pinpad.h"

/* bTimeOut 30, bTimeOut2 99, ... wPINMaxExtraDigit 0408, wLangId 0409, bTeoPrologue 11 22 33. */
static const uint8_t verify[] = {
	30, 99, 0x82, 0x48, 0x01, 0x08, 0x04, 0x02, 0x01, 0x09, 0x04, 0x05, 0x11, 0x22, 0x33,
	13, 0, 0, 0,
	0x00, 0x20, 0x00, 0x81, 0x08, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
};
#define VERIFY_SECURE "secure 00 1E 82 48 01 08 04 02 01 09 04 05 11 22 33 " \
	"00 20 00 81 08 FF FF FF FF FF FF FF FF\n"

static const uint8_t modify[] = {
	40, 99, 0x82, 0x48, 0x01, 0x00, 0x08, 0x08, 0x04, 0x03, 0x02, 0x03, 0x09, 0x04,
	0x0A, 0x0B, 0x0C, 0x11, 0x22, 0x33, 5, 0, 0, 0,
	0x00, 0x24, 0x00, 0x81, 0x10,
};
#define MODIFY_HEAD "secure 01 28 82 48 01 00 08 08 04 03 02 "
#define MODIFY_TAIL " 11 22 33 00 24 00 81 10\n"

static struct fixture g;
static uint8_t out[64];
static size_t out_len;

static int setup(void **state)
{
	(void)state;
	fixture_init(&g);
	memcpy(answers.secure, "\x90\x00", 2);
	answers.secure_len = 2;
	memset(out, 0xEE, sizeof out);
	out_len = 77;
	return 0;
}

static enum ccid_err run_verify(const uint8_t *in, size_t len)
{
	enum ccid_err err = slot_pin_verify(&g.slot, in, len, out, sizeof out, &out_len);

	fixture_check_unlocked(&g);
	return err;
}

static enum ccid_err run_modify(const uint8_t *in, size_t len)
{
	enum ccid_err err = slot_pin_modify(&g.slot, in, len, out, sizeof out, &out_len);

	fixture_check_unlocked(&g);
	return err;
}

/* MODIFY with this bNumberMessage. */
static void modify_messages(uint8_t n)
{
	uint8_t in[sizeof modify];

	memcpy(in, modify, sizeof in);
	in[11] = n;
	traffic[0] = '\0';
	assert_int_equal(run_modify(in, sizeof in), CCID_OK);
}

static void verify_byte_for_byte(void **state)
{
	uint8_t in[sizeof verify];

	(void)state;
	memcpy(in, verify, sizeof in);
	assert_int_equal(run_verify(in, sizeof in), CCID_OK);
	assert_string_equal(traffic, VERIFY_SECURE);
	assert_int_equal(out_len, 2);
	assert_memory_equal(out, "\x90\x00\xEE", 3);
	assert_memory_equal(in, verify, sizeof in);	/* the caller's buffer is not changed */
}

static void modify_byte_for_byte(void **state)
{
	(void)state;
	modify_messages(0);
	assert_string_equal(traffic, MODIFY_HEAD "00 09 04 0A" MODIFY_TAIL);
	modify_messages(1);
	assert_string_equal(traffic, MODIFY_HEAD "01 09 04 0A 0B" MODIFY_TAIL);
	modify_messages(2);
	assert_string_equal(traffic, MODIFY_HEAD "02 09 04 0A 0B" MODIFY_TAIL);
	modify_messages(3);
	assert_string_equal(traffic, MODIFY_HEAD "03 09 04 0A 0B 0C" MODIFY_TAIL);
	modify_messages(0xFF);
	assert_string_equal(traffic, MODIFY_HEAD "FF 09 04 0A 0B 0C" MODIFY_TAIL);
	modify_messages(4);
	assert_string_equal(traffic, MODIFY_HEAD "04 09 04 0A 0B 0C" MODIFY_TAIL);
	modify_messages(0xFE);
	assert_string_equal(traffic, MODIFY_HEAD "FE 09 04 0A 0B 0C" MODIFY_TAIL);
}

static void wrong_lengths_send_nothing(void **state)
{
	uint8_t in[400];

	(void)state;
	/* every length, ulDataLength as in the whole structure */
	for (size_t n = 0; n < sizeof verify; n++)
		assert_int_equal(run_verify(verify, n), CCID_ERR_NOT_SUPPORTED);
	for (size_t n = 0; n < sizeof modify; n++)
		assert_int_equal(run_modify(modify, n), CCID_ERR_NOT_SUPPORTED);
	/* right ulDataLength, too little or too much data */
	memset(in, 0, sizeof in);
	memcpy(in, verify, sizeof verify);
	for (unsigned data = 0; data < 300; data++) {
		bool fits = data >= 4 && data <= 261;

		in[15] = (uint8_t)data;
		in[16] = (uint8_t)(data >> 8);
		assert_int_equal(run_verify(in, 19 + data), fits ? CCID_OK : CCID_ERR_NOT_SUPPORTED);
	}
	traffic[0] = '\0';
	memcpy(in, verify, sizeof verify);
	in[18] = 1;
	assert_int_equal(run_verify(in, sizeof verify), CCID_ERR_NOT_SUPPORTED);
	memcpy(in, verify, sizeof verify);
	assert_int_equal(run_verify(in, sizeof verify + 1), CCID_ERR_NOT_SUPPORTED);
	assert_string_equal(traffic, "");
	assert_int_equal(out_len, 0);
}

static void verify_takes_any_message_number(void **state)
{
	uint8_t in[sizeof verify];

	(void)state;
	for (unsigned n = 0; n < 256; n++) {
		memcpy(in, verify, sizeof in);
		in[8] = (uint8_t)n;
		assert_int_equal(run_verify(in, sizeof in), CCID_OK);
	}
}

static void big_endian_hosts(void **state)
{
	uint8_t in[sizeof verify], message[PIN_MESSAGE_MAX];
	struct pin_request le, be;

	(void)state;
	assert_int_equal(pinpad_parse(&le, PIN_OPERATION_VERIFY, verify, sizeof verify, true), CCID_OK);
	assert_int_equal(le.wPINMaxExtraDigit, 0x0408);
	memcpy(in, verify, sizeof in);
	memcpy(in + 5, "\x04\x08", 2);
	memcpy(in + 9, "\x04\x09", 2);
	memcpy(in + 15, "\x00\x00\x00\x0D", 4);
	assert_int_equal(pinpad_parse(&be, PIN_OPERATION_VERIFY, in, sizeof in, true), CCID_OK);
	assert_int_equal(be.wPINMaxExtraDigit, 0x0408);
	assert_int_equal(be.wLangId, 0x0409);
	be.n_indexes = 1;
	assert_int_equal(pinpad_build(&be, message), 28);
	assert_memory_equal(message + 5, "\x08\x04\x02\x01\x09\x04", 6);
	assert_int_equal(pinpad_parse(&be, PIN_OPERATION_VERIFY, in, sizeof in, false), CCID_ERR_NOT_SUPPORTED);
}

static void the_wait_covers_the_pin_entry(void **state)
{
	uint8_t in[sizeof verify];

	(void)state;
	assert_int_equal(pinpad_wait_ms(0), 90000);
	assert_int_equal(pinpad_wait_ms(80), 90000);
	assert_int_equal(pinpad_wait_ms(81), 91000);
	assert_int_equal(pinpad_wait_ms(255), 265000);
	memcpy(in, verify, sizeof in);
	in[0] = 200;
	run_verify(in, sizeof in);
	assert_int_equal(answers.secure_wait_ms, 210000);
}

static void without_a_pinpad(void **state)
{
	(void)state;
	g.reader.desc.bPINSupport = CCID_PIN_MODIFY;
	assert_int_equal(run_verify(verify, sizeof verify), CCID_ERR_NOT_SUPPORTED);
	g.reader.desc.bPINSupport = CCID_PIN_VERIFY;
	assert_int_equal(run_modify(modify, sizeof modify), CCID_ERR_NOT_SUPPORTED);
	assert_string_equal(traffic, "");
}

static void without_a_card_or_a_reader(void **state)
{
	(void)state;
	g.slot.card = CARD_OFF;
	assert_int_equal(run_verify(verify, sizeof verify), CCID_ERR_COMM);
	g.slot.ccid.icc_state = ICC_ABSENT;
	assert_int_equal(run_verify(verify, sizeof verify), CCID_ERR_NO_CARD);
	g.slot.card = CARD_ON;
	g.transport.generation++;	/* the reader was opened again meanwhile: the card has
					   lost its power */
	assert_int_equal(run_verify(verify, sizeof verify), CCID_ERR_NO_CARD);
	g.slot.generation++;
	answers.ensure_err = CCID_ERR_PTS;
	assert_int_equal(run_verify(verify, sizeof verify), CCID_ERR_PTS);
	g.reader.gone = true;
	assert_int_equal(run_verify(verify, sizeof verify), CCID_ERR_NO_DEVICE);
	assert_string_equal(traffic, "");
}

static void buffers_and_errors(void **state)
{
	(void)state;
	assert_int_equal(slot_pin_verify(&g.slot, verify, sizeof verify, out, 1, &out_len), CCID_ERR_SHORT_BUFFER);
	assert_int_equal(out_len, 0);
	assert_int_equal(out[0], 0xEE);
	assert_int_equal(slot_pin_verify(&g.slot, verify, sizeof verify, NULL, 0, &out_len), CCID_ERR_SHORT_BUFFER);
	answers.secure_len = 600;	/* more than any answer to a VERIFY */
	assert_int_equal(run_verify(verify, sizeof verify), CCID_ERR_OVERFLOW);
	answers.secure_err = CCID_ERR_TIMEOUT;
	answers.secure_not_sent = true;
	assert_int_equal(run_verify(verify, sizeof verify), CCID_ERR_TIMEOUT);
	assert_int_equal(out_len, 0);
	assert_int_equal(out[0], 0xEE);
	assert_true(answers.recovered > 0);
	/* an answer without SW1 SW2 */
	answers.secure_err = CCID_OK;
	for (size_t n = 0; n < 2; n++) {
		answers.secure_len = n;
		assert_int_equal(run_verify(verify, sizeof verify), CCID_ERR_PROTOCOL);
		assert_int_equal(out_len, 0);
	}
}

/* ---- quirks ---- */

static void entry_conditions(void **state)
{
	static const struct {
		uint8_t in, features, out;	/* features 0: none */
		bool two;
	} t[] = {
		{ 0, 0, 2, false }, { 1, 0, 1, false }, { 7, 0, 7, false }, { 8, 0, 2, false }, { 255, 0, 2, false },
		{ 7, 0x03, 3, false }, { 4, 0x03, 2, false }, { 2, 0x02, 2, false }, { 0xF8, 0x03, 2, false },
		{ 7, 0, 2, true }, { 1, 0, 2, true }, { 7, 0x03, 2, true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
		struct pin_request r = { .bEntryValidationCondition = t[i].in };

		g.reader.quirks.bits = t[i].two ? BIT(PIN_ENTRY_CONDITION_2) : 0;
		g.reader.has_gemalto_features = t[i].features != 0;
		g.reader.gemalto_features[3] = t[i].features;
		pinpad_adapt(&r, &g.reader);
		assert_int_equal(r.bEntryValidationCondition, t[i].out);
	}
}

static void verify_quirks(void **state)
{
	(void)state;
	g.reader.quirks.bits = BIT(PIN_VERIFY_MESSAGES_0);
	run_verify(verify, sizeof verify);
	assert_string_equal(traffic, "secure 00 1E 82 48 01 08 04 02 00 09 04 05 11 22 33 "
			    "00 20 00 81 08 FF FF FF FF FF FF FF FF\n");
	traffic[0] = '\0';
	g.reader.quirks.bits = BIT(PIN_VERIFY_MESSAGES_1);
	run_verify(verify, sizeof verify);
	assert_string_equal(traffic, VERIFY_SECURE);
	traffic[0] = '\0';
	g.reader.quirks.bits = BIT(PIN_SWAP_MAX_EXTRA_DIGIT) | BIT(PIN_WAIT_ENTER_RELEASE);
	run_verify(verify, sizeof verify);
	assert_string_equal(traffic, "sleep 250\nsecure 00 1E 82 48 01 04 08 02 01 09 04 05 11 22 33 "
			    "00 20 00 81 08 FF FF FF FF FF FF FF FF\n");
	/* the quirk does not apply to MODIFY */
	traffic[0] = '\0';
	run_modify(modify, sizeof modify);
	assert_string_equal(traffic, MODIFY_HEAD "03 09 04 0A 0B 0C" MODIFY_TAIL);
}

static void append_mode_is_set_where_it_is_needed(void **state)
{
	uint8_t in[23];

	(void)state;
	memcpy(in, verify, sizeof in);
	in[3] = 0x40;		/* bmPINBlockString */
	in[15] = 4;
	g.reader.quirks.bits = BIT(PIN_APPEND_MODE);
	assert_int_equal(run_verify(in, sizeof in), CCID_OK);
	assert_string_equal(traffic, "escape 80 02 00\n"
			    "secure 00 1E 82 40 01 08 04 02 01 09 04 05 11 22 33 00 20 00 81\n");
	/* padded, or with data */
	traffic[0] = '\0';
	in[3] = 0x48;
	run_verify(in, sizeof in);
	run_verify(verify, sizeof verify);
	assert_null(strstr(traffic, "escape"));
	/* the reader refuses: nothing more is sent */
	traffic[0] = '\0';
	in[3] = 0x40;
	answers.escape_err = CCID_ERR_NOT_SUPPORTED;
	assert_int_equal(run_verify(in, sizeof in), CCID_ERR_NOT_SUPPORTED);
	assert_string_equal(traffic, "escape 80 02 00\n");
}

static void modify_quirks(void **state)
{
	(void)state;
	g.reader.quirks.bits = BIT(PIN_MODIFY_THREE_INDEXES);
	modify_messages(2);
	assert_string_equal(traffic, MODIFY_HEAD "00 09 04 00 00 00" MODIFY_TAIL);
	g.reader.quirks.bits = BIT(PIN_MODIFY_MESSAGES_3);
	modify_messages(1);
	assert_string_equal(traffic, MODIFY_HEAD "03 09 04 0A 0B 0C" MODIFY_TAIL);
	g.reader.quirks.bits = BIT(PIN_MODIFY_MESSAGES_FF);
	modify_messages(0);
	assert_string_equal(traffic, MODIFY_HEAD "FF 09 04 0A 0B 0C" MODIFY_TAIL);
	modify_messages(2);
	assert_string_equal(traffic, MODIFY_HEAD "02 09 04 0A 0B" MODIFY_TAIL);
	g.reader.quirks.bits = BIT(PIN_MODIFY_ALL_INDEXES);
	modify_messages(0);
	assert_string_equal(traffic, MODIFY_HEAD "00 09 04 0A 0B 0C" MODIFY_TAIL);
	/* bNumberMessageFix */
	g.reader.has_gemalto_features = true;
	g.reader.gemalto_features[3] = 0x07;
	g.reader.gemalto_features[8] = 0x04;
	modify_messages(0);
	assert_string_equal(traffic, MODIFY_HEAD "00 09 04 0A" MODIFY_TAIL);
	g.reader.gemalto_features[8] = (uint8_t)~0x04;
	modify_messages(0);
	assert_string_equal(traffic, MODIFY_HEAD "00 09 04 0A 0B 0C" MODIFY_TAIL);
	g.reader.has_gemalto_features = false;
	g.reader.gemalto_features[8] = 0x04;
	modify_messages(0);
	assert_string_equal(traffic, MODIFY_HEAD "00 09 04 0A 0B 0C" MODIFY_TAIL);
}

/* ---- T=1 at TPDU level ---- */

static void use_t1(void)
{
	g.slot.card = CARD_READY;
	g.slot.params.protocol = 1;
	g.slot.params.exchange.level = LEVEL_TPDU;
	g.slot.params.exchange.max_data = 261;
	t1_reset(&g.slot.t1, false, 254);
}

static void set_block(uint8_t *to, size_t *len, const char *block, size_t n)
{
	memcpy(to, block, n);
	to[n] = 0;
	for (size_t i = 0; i < n; i++)
		to[n] ^= to[i];
	*len = n + 1;
}

#define SECURE_BLOCK(b) set_block(answers.secure, &answers.secure_len, (b), sizeof(b) - 1)
#define XFR_BLOCK(b) set_block(answers.xfr, &answers.xfr_len, (b), sizeof(b) - 1)

static void t1_prologue_and_answer(void **state)
{
	(void)state;
	use_t1();
	SECURE_BLOCK("\x00\x00\x02\x63\xC2");
	assert_int_equal(run_verify(verify, sizeof verify), CCID_OK);
	assert_string_equal(traffic, "secure 00 1E 82 48 01 08 04 02 01 09 04 05 00 00 0D "
			    "00 20 00 81 08 FF FF FF FF FF FF FF FF\n");
	assert_int_equal(out_len, 2);
	assert_memory_equal(out, "\x63\xC2", 2);
	/* the next block has N(S) = 1 */
	traffic[0] = '\0';
	SECURE_BLOCK("\x00\x40\x02\x90\x00");
	assert_int_equal(run_modify(modify, sizeof modify), CCID_OK);
	assert_non_null(strstr(traffic, " 00 40 05 00 24 00 81 10\n"));
	assert_memory_equal(out, "\x90\x00", 2);
	assert_int_equal(g.slot.t1.ns, 0);
	assert_int_equal(g.slot.t1.nr, 0);
	assert_false(g.slot.t1.unsettled);
}

static void t1_other_levels_keep_the_prologue(void **state)
{
	(void)state;
	use_t1();
	g.slot.params.exchange.level = LEVEL_SHORT_APDU;
	run_verify(verify, sizeof verify);
	assert_string_equal(traffic, VERIFY_SECURE);
	use_t1();
	g.slot.params.protocol = 0;
	traffic[0] = '\0';
	run_verify(verify, sizeof verify);
	assert_string_equal(traffic, VERIFY_SECURE);
	assert_int_equal(g.slot.t1.ns, 0);
}

static void t1_cancelled(void **state)
{
	(void)state;
	use_t1();
	answers.secure_not_sent = true;
	memcpy(answers.secure, "\x64\x01", 2);
	answers.secure_len = 2;
	assert_int_equal(run_verify(verify, sizeof verify), CCID_OK);
	assert_int_equal(out_len, 2);
	assert_memory_equal(out, "\x64\x01", 2);
	assert_int_equal(g.slot.t1.ns, 0);	/* no block was sent if the reader says so
						   truthfully: the card is asked before the next
						   command */
	assert_true(g.slot.t1.unsettled);
	assert_true(g.slot.t1.doubtful);
}

static void t1_refused_or_lost(void **state)
{
	(void)state;
	use_t1();
	answers.secure_not_sent = true;
	answers.secure_err = CCID_ERR_NOT_SUPPORTED;
	assert_int_equal(run_verify(verify, sizeof verify), CCID_ERR_NOT_SUPPORTED);
	assert_int_equal(g.slot.t1.ns, 0);
	/* a reader with this answer may still have sent the block */
	assert_true(g.slot.t1.unsettled && g.slot.t1.doubtful);
	use_t1();
	answers.secure_not_sent = true;
	answers.secure_err = CCID_ERR_TIMEOUT;
	assert_int_equal(run_verify(verify, sizeof verify), CCID_ERR_TIMEOUT);
	assert_int_equal(g.slot.t1.ns, 0);
	assert_true(g.slot.t1.unsettled);	/* state unknown: resynchronise first */
}

static void t1_short_answers_are_errors(void **state)
{
	(void)state;
	for (size_t n = 0; n < 4; n++) {
		use_t1();
		memset(answers.secure, 0, sizeof answers.secure);
		answers.secure_len = n;
		assert_int_equal(run_verify(verify, sizeof verify), CCID_ERR_PROTOCOL);
		assert_int_equal(out_len, 0);
		assert_true(g.slot.t1.unsettled);
	}
	/* LEN is more than the bytes that came */
	use_t1();
	SECURE_BLOCK("\x00\x00\xFE\x90\x00");
	assert_int_equal(run_verify(verify, sizeof verify), CCID_ERR_PROTOCOL);
}

static void t1_time_requests_are_granted(void **state)
{
	(void)state;
	use_t1();
	SECURE_BLOCK("\x00\xC3\x01\x05");
	XFR_BLOCK("\x00\x00\x02\x90\x00");
	assert_int_equal(run_verify(verify, sizeof verify), CCID_OK);
	assert_non_null(strstr(traffic, "xfr bwi 5: 00 E3 01 05 E7\n"));
	assert_memory_equal(out, "\x90\x00", 2);
	assert_true(answers.xfr_wait_ms > 0 && answers.xfr_wait_ms <= 90000);
	assert_true(answers.forgotten > 0);
}

static void t1_resynchronises_before_a_pin_entry(void **state)
{
	(void)state;
	use_t1();
	g.slot.t1.unsettled = true;
	SECURE_BLOCK("\x00\x00\x02\x90\x00");
	assert_int_equal(run_verify(verify, sizeof verify), CCID_OK);
	assert_memory_equal(traffic, "exchange: 00 C0 00 C0\nsecure ", 29);	/* S(RESYNCH request) */
	assert_false(g.slot.t1.unsettled);
	traffic[0] = '\0';
	g.slot.t1.unsettled = true;
	answers.exchange_err = CCID_ERR_MUTE;
	assert_int_equal(run_verify(verify, sizeof verify), CCID_ERR_MUTE);
	assert_null(strstr(traffic, "secure"));
	assert_true(g.slot.t1.unsettled);
}

static void t1_time_requests_for_ever_end(void **state)
{
	(void)state;
	use_t1();
	SECURE_BLOCK("\x00\xC3\x01\x05");
	XFR_BLOCK("\x00\xC3\x01\x05");
	answers.xfr_took_ms = 20000;
	assert_int_equal(run_verify(verify, sizeof verify), CCID_ERR_TIMEOUT);
	assert_int_equal(virtual_ns / 1000000, 100000);	/* five of 20 s pass the 90 s */
	assert_true(g.slot.t1.unsettled);
	assert_int_equal(out_len, 0);
	answers.xfr_err = CCID_ERR_NO_DEVICE;
	use_t1();
	assert_int_equal(run_verify(verify, sizeof verify), CCID_ERR_NO_DEVICE);
}

static void t1_refuses_what_does_not_fit_a_block(void **state)
{
	(void)state;
	use_t1();
	g.slot.t1.ifsc = 12;
	assert_int_equal(run_verify(verify, sizeof verify), CCID_ERR_NOT_SUPPORTED);
	g.slot.t1.ifsc = 254;
	g.slot.t1.dead = true;
	assert_int_equal(run_verify(verify, sizeof verify), CCID_ERR_COMM);
	assert_string_equal(traffic, "");
	assert_int_equal(g.slot.t1.ns, 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup(f, setup)
	const struct CMUnitTest tests[] = {
		T(verify_byte_for_byte), T(modify_byte_for_byte), T(wrong_lengths_send_nothing),
		T(verify_takes_any_message_number), T(big_endian_hosts),
		T(the_wait_covers_the_pin_entry),
		T(without_a_pinpad),
		T(without_a_card_or_a_reader), T(buffers_and_errors), T(entry_conditions),
		T(verify_quirks),
		T(append_mode_is_set_where_it_is_needed), T(modify_quirks),
		T(t1_prologue_and_answer),
		T(t1_other_levels_keep_the_prologue), T(t1_cancelled), T(t1_refused_or_lost),
		T(t1_short_answers_are_errors), T(t1_time_requests_are_granted),
		T(t1_resynchronises_before_a_pin_entry), T(t1_time_requests_for_ever_end),
		T(t1_refuses_what_does_not_fit_a_block),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
