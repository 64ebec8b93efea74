/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* src/ifdh/ifdh_control.c: which control code does what, and which is refused. */
#include "ifdh/ifdh.h"
#include "slot/pinpad.h"

#include <stdarg.h>
#include <setjmp.h>
#include "unit/unit_cmocka.h"

#include <reader.h>
#include <string.h>

#define BIT(q) (UINT64_C(1) << QUIRK_##q)
#define CODE(f) SCARD_CTL_CODE(0x330000 + (f))

static struct transport transport;
static struct transport_ops ops;
static struct reader reader;
static struct slot slot;

static struct {
	const char *called;
	size_t len, answer_len;
	enum ccid_err err;
} t;

/* ---- the slot layer ---- */

static enum ccid_err called(const char *what, const uint8_t *in, size_t len,
			    uint8_t *answer, size_t cap, size_t *answer_len)
{
	(void)in;
	t.called = what;
	t.len = len;
	assert_true(port_mutex_try(&slot.lock));
	port_mutex_unlock(&slot.lock);
	*answer_len = t.answer_len;	/* set with an error as well: it must be ignored then */
	if (t.err)
		return t.err;
	if (t.answer_len > cap)
		return CCID_ERR_SHORT_BUFFER;
	memset(answer, 0xAB, t.answer_len);
	return CCID_OK;
}

enum ccid_err slot_escape(struct slot *s, const uint8_t *data, size_t len,
			  uint8_t *answer, size_t cap, size_t *answer_len)
{
	(void)s;
	return called("escape", data, len, answer, cap, answer_len);
}

enum ccid_err slot_pin_verify(struct slot *s, const uint8_t *in, size_t len,
			      uint8_t *answer, size_t cap, size_t *answer_len)
{
	(void)s;
	return called("verify", in, len, answer, cap, answer_len);
}

enum ccid_err slot_pin_modify(struct slot *s, const uint8_t *in, size_t len,
			      uint8_t *answer, size_t cap, size_t *answer_len)
{
	(void)s;
	return called("modify", in, len, answer, cap, answer_len);
}

static enum ccid_err bus_path(struct transport *tr, char *out, size_t cap)
{
	static const char path[] = "1-4.2:1.0";

	assert_ptr_equal(tr, &transport);
	if (cap < sizeof path)
		return CCID_ERR_SHORT_BUFFER;
	memcpy(out, path, sizeof path);
	return CCID_OK;
}

static int setup(void **state)
{
	(void)state;
	memset(&t, 0, sizeof t);
	memset(&transport, 0, sizeof transport);
	memset(&reader, 0, sizeof reader);
	memset(&slot, 0, sizeof slot);
	ops = (struct transport_ops){ .bus_path = bus_path };
	transport.ops = &ops;
	reader.transport = &transport;
	reader.level = LEVEL_SHORT_APDU;
	slot.reader = &reader;
	port_mutex_init(&slot.lock);
	return 0;
}

static uint8_t out[300];
static size_t returned;

static RESPONSECODE control(DWORD code, const char *in, size_t len, size_t cap)
{
	RESPONSECODE rc;

	memset(out, 0xEE, sizeof out);
	returned = 99;
	t.called = NULL;
	rc = ifdh_control(&slot, code, (const uint8_t *)in, len, out, cap, &returned);
	assert_int_equal(out[cap], 0xEE);
	if (rc != IFD_SUCCESS)
		assert_int_equal(returned, 0);
	assert_true(port_mutex_try(&slot.lock));
	port_mutex_unlock(&slot.lock);
	return rc;
}

static void unknown_codes_are_refused(void **state)
{
	static const DWORD codes[] = { 0, 1, SCARD_CTL_CODE(0), SCARD_CTL_CODE(2), SCARD_CTL_CODE(3401),
				       CODE(1), CODE(0x20), 0xFFFFFFFF };

	(void)state;
	for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
		assert_int_equal(control(codes[i], "x", 1, 100), IFD_ERROR_NOT_SUPPORTED);
}

static void null_buffers_are_errors(void **state)
{
	(void)state;
	assert_int_equal(ifdh_control(&slot, CM_IOCTL_GET_FEATURE_REQUEST, NULL, 1, out, 10, &returned),
			 IFD_COMMUNICATION_ERROR);
	assert_int_equal(ifdh_control(&slot, CM_IOCTL_GET_FEATURE_REQUEST, NULL, 0, NULL, 10, &returned),
			 IFD_COMMUNICATION_ERROR);
	assert_int_equal(ifdh_control(&slot, CM_IOCTL_GET_FEATURE_REQUEST, NULL, 0, NULL, 0, &returned),
			 IFD_ERROR_INSUFFICIENT_BUFFER);
	assert_int_equal(returned, 0);
}

static void the_feature_list_is_returned(void **state)
{
	(void)state;
	assert_int_equal(control(CM_IOCTL_GET_FEATURE_REQUEST, NULL, 0, 200), IFD_SUCCESS);
	assert_int_equal(returned, 6);
	assert_memory_equal(out, "\x12\x04\x42\x33\x00\x12", 6);
	assert_int_equal(control(0x313520, NULL, 0, 200), IFD_SUCCESS);
	assert_int_equal(returned, 6);
	assert_int_equal(control(CM_IOCTL_GET_FEATURE_REQUEST, NULL, 0, 5), IFD_ERROR_INSUFFICIENT_BUFFER);
	assert_int_equal(control(CODE(FEATURE_GET_TLV_PROPERTIES), NULL, 0, 200), IFD_SUCCESS);
	assert_true(returned > 6);
}

static void pin_entry_needs_a_pinpad(void **state)
{
	static const DWORD codes[] = { CODE(FEATURE_VERIFY_PIN_DIRECT), CODE(FEATURE_MODIFY_PIN_DIRECT),
				       CODE(FEATURE_IFD_PIN_PROPERTIES) };

	(void)state;
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(control(codes[i], "x", 1, 100), IFD_ERROR_NOT_SUPPORTED);
	assert_null(t.called);
	reader.desc.bPINSupport = CCID_PIN_VERIFY;
	t.answer_len = 2;
	assert_int_equal(control(codes[0], "abc", 3, 100), IFD_SUCCESS);
	assert_string_equal(t.called, "verify");
	assert_int_equal(t.len, 3);
	assert_int_equal(returned, 2);
	assert_int_equal(control(codes[1], "abc", 3, 100), IFD_ERROR_NOT_SUPPORTED);
	assert_int_equal(control(codes[2], NULL, 0, 100), IFD_SUCCESS);
	assert_int_equal(returned, 4);
	reader.desc.bPINSupport = CCID_PIN_MODIFY;
	assert_int_equal(control(codes[1], "abc", 3, 100), IFD_SUCCESS);
	assert_string_equal(t.called, "modify");
	/* wrong lengths and the like */
	t.err = CCID_ERR_NOT_SUPPORTED;
	assert_int_equal(control(codes[1], "abc", 3, 100), IFD_NOT_SUPPORTED);
}

static void escape_needs_permission(void **state)
{
	static const DWORD codes[] = { SCARD_CTL_CODE(1), CODE(FEATURE_CCID_ESC_COMMAND) };

	(void)state;
	t.answer_len = 7;
	for (size_t i = 0; i < 2; i++) {
		reader.config.driver_options = 0;
		reader.quirks.bits = 0;
		assert_int_equal(control(codes[i], "\x02", 1, 100), IFD_COMMUNICATION_ERROR);
		assert_null(t.called);
		reader.quirks.bits = BIT(ESCAPE_FIRMWARE_VERSION);
		assert_int_equal(control(codes[i], "\x02", 1, 100), IFD_SUCCESS);
		assert_string_equal(t.called, "escape");
		assert_int_equal(returned, 7);
		assert_int_equal(control(codes[i], "\x03", 1, 100), IFD_COMMUNICATION_ERROR);
		reader.config.driver_options = OPTION_ESCAPE_AUTHORISED;
		assert_int_equal(control(codes[i], "\x03", 1, 100), IFD_SUCCESS);
		assert_int_equal(control(codes[i], "\x03", 1, 6), IFD_ERROR_INSUFFICIENT_BUFFER);
		t.err = CCID_ERR_NO_DEVICE;
		assert_int_equal(control(codes[i], "\x03", 1, 100), IFD_NO_SUCH_DEVICE);
		t.err = CCID_OK;
	}
}

static void mct_does_not_get_around_the_escape_ban(void **state)
{
	static const struct { const char *bytes; size_t len; } bad[] = {
		{ "", 0 }, { "\x20", 1 }, { "\x20\x12", 2 }, { "\x20\x70\x00\x00", 4 },
		{ "\x20\x6F\x00\x00\x00", 5 }, { "\x20\x75\x00\x00\x00", 5 },
		{ "\x21\x70\x00\x00\x00", 5 }, { "\x20\x70\x01\x00\x00", 5 },
		{ "\x20\x70\x00\x01\x00", 5 }, { "\x20\x70\x00\x00\x01\x00", 6 },
		{ "\x1F\x02\x00\x00\x00", 5 },
	};

	(void)state;
	reader.config.driver_options = OPTION_ESCAPE_AUTHORISED;
	assert_int_equal(control(CODE(FEATURE_MCT_READER_DIRECT), "\x20", 1, 100), IFD_ERROR_NOT_SUPPORTED);
	assert_null(t.called);
	reader.config.driver_options = 0;
	reader.quirks.bits = BIT(MCT_READER_DIRECT);
	t.answer_len = 2;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		assert_int_equal(control(CODE(FEATURE_MCT_READER_DIRECT), bad[i].bytes, bad[i].len, 100),
				 IFD_COMMUNICATION_ERROR);
		assert_int_equal(returned, 0);
	}
	assert_null(t.called);
	for (char ins = 0x70; ins <= 0x74; ins++) {
		const char command[8] = { 0x20, ins, 0, 0, 0, 0, 1, 0x55 };

		t.called = NULL;
		assert_int_equal(control(CODE(FEATURE_MCT_READER_DIRECT), command, 5, 100), IFD_SUCCESS);
		assert_string_equal(t.called, "escape");
		assert_int_equal(returned, 2);
		/* with an extended length */
		assert_int_equal(control(CODE(FEATURE_MCT_READER_DIRECT), command, 8, 100), IFD_SUCCESS);
	}
}

#define NAD(text) control(SCARD_CTL_CODE(3600), text, sizeof(text) - 1, 100)

static void the_nad_is_set_for_t1_at_tpdu_level(void **state)
{
	(void)state;
	assert_int_equal(NAD("\x3F\x00\x00"), IFD_NOT_SUPPORTED);	/* not at TPDU level */
	reader.level = LEVEL_TPDU;
	slot.card = CARD_READY;
	assert_int_equal(NAD("\x3E\x00\x01\x21"), IFD_SUCCESS);		/* T=0 */
	assert_memory_equal(out, "\x3E\x00\x01\x01", 4);
	assert_int_equal(slot.t1.nad, 0);
	slot.params.protocol = 1;
	assert_int_equal(NAD("\x3E\x00\x01\x21"), IFD_SUCCESS);
	assert_int_equal(returned, 4);
	assert_memory_equal(out, "\x3E\x00\x01\x00\xEE", 5);
	assert_int_equal(slot.t1.nad, 0x21);
	assert_int_equal(NAD("\x3F\x00\x00"), IFD_SUCCESS);
	assert_int_equal(returned, 5);
	assert_memory_equal(out, "\x3F\x00\x02\x00\x21\xEE", 6);
	/* no node address */
	static const char wrong[][5] = { "\x3E\x00\x01\x11",
					 "\x3E\x00\x01\x81", "\x3E\x00\x01\x18", "\x3E\x00\x01\xFF" };

	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(control(SCARD_CTL_CODE(3600), wrong[i], 4, 100), IFD_SUCCESS);
		assert_memory_equal(out, "\x3E\x00\x01\x01", 4);
	}
	assert_int_equal(slot.t1.nad, 0x21);
	assert_int_equal(NAD("\x3E\x00\x01\x00"), IFD_SUCCESS);
	assert_int_equal(slot.t1.nad, 0);
	/* lengths and commands that are not right */
	assert_int_equal(NAD(""), IFD_COMMUNICATION_ERROR);
	assert_int_equal(NAD("\x3E\x00\x01"), IFD_COMMUNICATION_ERROR);
	assert_int_equal(NAD("\x3E\x00\x01\x21\x00"), IFD_COMMUNICATION_ERROR);
	assert_int_equal(NAD("\x3F\x00\x01"), IFD_COMMUNICATION_ERROR);
	assert_int_equal(NAD("\x40\x00\x00"), IFD_COMMUNICATION_ERROR);
	/* no address is set when the answer does not fit */
	assert_int_equal(control(SCARD_CTL_CODE(3600), "\x3E\x00\x01\x21", 4, 3), IFD_ERROR_INSUFFICIENT_BUFFER);
	assert_int_equal(slot.t1.nad, 0);
	assert_int_equal(control(SCARD_CTL_CODE(3600), "\x3F\x00\x00", 3, 4), IFD_ERROR_INSUFFICIENT_BUFFER);
}

static void the_usb_path_is_told(void **state)
{
	(void)state;
	assert_int_equal(control(SCARD_CTL_CODE(3601), NULL, 0, 100), IFD_SUCCESS);
	assert_int_equal(returned, 10);
	assert_string_equal((char *)out, "1-4.2:1.0");
	assert_int_equal(control(SCARD_CTL_CODE(3601), NULL, 0, 10), IFD_SUCCESS);
	assert_int_equal(control(SCARD_CTL_CODE(3601), NULL, 0, 9), IFD_ERROR_INSUFFICIENT_BUFFER);
	assert_int_equal(control(SCARD_CTL_CODE(3601), NULL, 0, 0), IFD_ERROR_INSUFFICIENT_BUFFER);
	ops.bus_path = NULL;
	assert_int_equal(control(SCARD_CTL_CODE(3601), NULL, 0, 100), IFD_NOT_SUPPORTED);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup(f, setup)
	const struct CMUnitTest tests[] = {
		T(unknown_codes_are_refused), T(null_buffers_are_errors),
		T(the_feature_list_is_returned),
		T(pin_entry_needs_a_pinpad),
		T(escape_needs_permission),
		T(mct_does_not_get_around_the_escape_ban), T(the_nad_is_set_for_t1_at_tpdu_level),
		T(the_usb_path_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
