/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* src/ifdh/ifdhandler.c: the ten functions, their arguments, and that every slot that is taken is
 * given back. */
#include "ifdh/ifdh.h"
#include "slot/composite.h"
#include "slot/pinpad.h"

#include <stdarg.h>
#include <setjmp.h>
#include "unit/unit_cmocka.h"

#include <reader.h>
#include <string.h>

#define LUN 0x10001u

static struct transport_ops ops;
static struct transport transport = { .ops = &ops };
static struct reader reader = { .transport = &transport, .n_slots = 2 };
static struct slot slot = { .reader = &reader };

static struct {
	int taken;
	const char *called, *name;
	char copy[64];
	unsigned protocol;
	bool present;
	enum ccid_err err;
	size_t answer_len;
} t;

/* ---- the slot layer ---- */

enum ccid_err registry_open(unsigned long lun, const char *device_name)
{
	assert_int_equal(lun, LUN);
	t.called = "open";
	t.name = NULL;
	if (device_name)
		t.name = strncpy(t.copy, device_name, sizeof t.copy - 1);
	return t.err;
}

enum ccid_err registry_close(unsigned long lun)
{
	assert_int_equal(lun, LUN);
	t.called = "close";
	return t.err;
}

struct slot *registry_get(unsigned long lun)
{
	if (lun != LUN)
		return NULL;
	t.taken++;
	return &slot;
}

void registry_put(struct slot *s)
{
	assert_ptr_equal(s, &slot);
	t.taken--;
}

enum ccid_err slot_power_on(struct slot *s, uint8_t *atr, size_t *len)
{
	(void)s;
	t.called = "on";
	*len = t.answer_len;
	memset(atr, 0x3B, ATR_MAX);
	return t.err;
}

enum ccid_err slot_reset(struct slot *s, uint8_t *atr, size_t *len)
{
	enum ccid_err err = slot_power_on(s, atr, len);

	t.called = "reset";
	return err;
}

enum ccid_err slot_power_off(struct slot *s)
{
	(void)s;
	t.called = "off";
	return t.err;
}

enum ccid_err slot_presence(struct slot *s, bool *present)
{
	(void)s;
	*present = t.present;
	return t.err;
}

enum ccid_err slot_set_protocol(struct slot *s, unsigned protocol)
{
	(void)s;
	t.called = "protocol";
	t.protocol = protocol;
	return t.err;
}

enum ccid_err slot_transmit(struct slot *s, const uint8_t *apdu, size_t len,
			    uint8_t *answer, size_t cap, size_t *answer_len)
{
	(void)s;
	(void)apdu;
	t.called = "transmit";
	assert_true(len > 0);
	if (cap > 0)
		memset(answer, 0xAA, t.answer_len < cap ? t.answer_len : cap);
	*answer_len = t.answer_len;
	return t.err;
}

enum ccid_err slot_escape(struct slot *s, const uint8_t *data, size_t len,
			  uint8_t *answer, size_t cap, size_t *answer_len)
{
	(void)s, (void)data, (void)len, (void)answer, (void)cap;
	*answer_len = 0;
	return CCID_OK;
}

enum ccid_err slot_pin_verify(struct slot *s, const uint8_t *in, size_t len,
			      uint8_t *answer, size_t cap, size_t *answer_len)
{
	return slot_escape(s, in, len, answer, cap, answer_len);
}

enum ccid_err slot_pin_modify(struct slot *s, const uint8_t *in, size_t len,
			      uint8_t *answer, size_t cap, size_t *answer_len)
{
	return slot_escape(s, in, len, answer, cap, answer_len);
}

unsigned composite_slots(const struct reader *r)
{
	return r->n_slots;
}

void slot_poll_ended(struct slot *s)
{
	(void)s;
}

void reader_set_gone(struct reader *r)
{
	assert_ptr_equal(r, &reader);
	t.called = "gone";
}

static int setup(void **state)
{
	(void)state;
	memset(&t, 0, sizeof t);
	return 0;
}

static int all_given_back(void **state)
{
	(void)state;
	return t.taken;
}

static void channels_open_and_close(void **state)
{
	char name[] = "usb:1234/5678";

	(void)state;
	assert_int_equal(IFDHCreateChannelByName(LUN, name), IFD_SUCCESS);
	assert_string_equal(t.name, name);
	assert_int_equal(IFDHCreateChannel(LUN, 0x1234), IFD_SUCCESS);
	assert_null(t.name);
	assert_int_equal(IFDHCreateChannel(LUN, 0x0102F8), IFD_SUCCESS);
	assert_string_equal(t.name, "/dev/pcsc/2");
	t.err = CCID_ERR_NO_DEVICE;
	assert_int_equal(IFDHCreateChannelByName(LUN, name), IFD_NO_SUCH_DEVICE);
	assert_int_equal(IFDHCloseChannel(LUN), IFD_NO_SUCH_DEVICE);
	assert_string_equal(t.called, "close");
	t.called = NULL;
	assert_int_equal(IFDHCreateChannelByName(LUN, NULL), IFD_COMMUNICATION_ERROR);
	assert_null(t.called);
}

static void an_unknown_lun_is_an_error(void **state)
{
	UCHAR buf[40];
	DWORD len = sizeof buf;
	SCARD_IO_HEADER pci = { 1, sizeof pci };

	(void)state;
	assert_int_equal(IFDHGetCapabilities(9, TAG_IFD_ATR, &len, buf), IFD_NO_SUCH_DEVICE);
	assert_int_equal(len, 0);
	assert_int_equal(IFDHSetCapabilities(9, TAG_IFD_DEVICE_REMOVED, 1, buf), IFD_NO_SUCH_DEVICE);
	assert_int_equal(IFDHSetProtocolParameters(9, SCARD_PROTOCOL_T0, 0, 0, 0, 0), IFD_NO_SUCH_DEVICE);
	len = sizeof buf;
	assert_int_equal(IFDHPowerICC(9, IFD_POWER_UP, buf, &len), IFD_NO_SUCH_DEVICE);
	assert_int_equal(len, 0);
	len = sizeof buf;
	assert_int_equal(IFDHTransmitToICC(9, pci, buf, 4, buf, &len, &pci), IFD_NO_SUCH_DEVICE);
	assert_int_equal(len, 0);
	len = sizeof buf;
	assert_int_equal(IFDHControl(9, SCARD_CTL_CODE(1), buf, 1, buf, 1, &len), IFD_NO_SUCH_DEVICE);
	assert_int_equal(len, 0);
	assert_int_equal(IFDHICCPresence(9), IFD_NO_SUCH_DEVICE);
	assert_null(t.called);
}

static void attributes_are_passed_on(void **state)
{
	UCHAR value[4] = { 1, 0xEE, 0xEE, 0xEE };
	DWORD len = sizeof value;

	(void)state;
	assert_int_equal(IFDHGetCapabilities(LUN, TAG_IFD_SLOTS_NUMBER, &len, value), IFD_SUCCESS);
	assert_int_equal(len, 1);
	assert_int_equal(value[0], 2);
	assert_int_equal(value[1], 0xEE);
	assert_int_equal(IFDHGetCapabilities(LUN, TAG_IFD_SLOTS_NUMBER, NULL, value), IFD_COMMUNICATION_ERROR);
	assert_int_equal(IFDHGetCapabilities(LUN, 1, &len, value), IFD_ERROR_TAG);
	value[0] = 1;
	assert_int_equal(IFDHSetCapabilities(LUN, TAG_IFD_DEVICE_REMOVED, 1, value), IFD_SUCCESS);
	assert_string_equal(t.called, "gone");
}

static void a_protocol_is_set_or_refused(void **state)
{
	(void)state;
	assert_int_equal(IFDHSetProtocolParameters(LUN, SCARD_PROTOCOL_T1, 0, 0, 0, 0), IFD_SUCCESS);
	assert_int_equal(t.protocol, 1);
	assert_int_equal(IFDHSetProtocolParameters(LUN, SCARD_PROTOCOL_T0, 0, 0, 0, 0), IFD_SUCCESS);
	assert_int_equal(t.protocol, 0);
	t.err = CCID_ERR_PTS;
	assert_int_equal(IFDHSetProtocolParameters(LUN, SCARD_PROTOCOL_T0, 0, 0, 0, 0), IFD_ERROR_PTS_FAILURE);
	t.called = NULL;
	assert_int_equal(IFDHSetProtocolParameters(LUN, SCARD_PROTOCOL_RAW, 0, 0, 0, 0), IFD_PROTOCOL_NOT_SUPPORTED);
	assert_int_equal(IFDHSetProtocolParameters(LUN, 0, 0, 0, 0, 0), IFD_PROTOCOL_NOT_SUPPORTED);
	assert_int_equal(IFDHSetProtocolParameters(LUN, SCARD_PROTOCOL_T0, IFD_NEGOTIATE_PTS1, 0x11, 0, 0),
			 IFD_NOT_SUPPORTED);
	assert_null(t.called);
}

/* As <ifdhandler.h> defines it: the action failed, or the reader is gone. */
static void power_errors_have_their_codes(void **state)
{
	static const DWORD actions[] = { IFD_POWER_UP, IFD_RESET, IFD_POWER_DOWN };
	UCHAR atr[MAX_ATR_SIZE];

	(void)state;
	for (unsigned a = 0; a < 3; a++) {
		for (int err = CCID_OK + 1; err < CCID_ERR_COUNT; err++) {
			DWORD len = sizeof atr;

			t.err = (enum ccid_err)err;
			assert_int_equal(IFDHPowerICC(LUN, actions[a], atr, &len), err == CCID_ERR_NO_DEVICE ?
					 IFD_NO_SUCH_DEVICE : IFD_ERROR_POWER_ACTION);
			assert_int_equal(len, 0);
		}
	}
	t.err = CCID_OK;
}

static void power_calls_return_the_atr(void **state)
{
	UCHAR atr[MAX_ATR_SIZE + 1];
	DWORD len = 0;	/* as pcscd may leave it */

	(void)state;
	memset(atr, 0xEE, sizeof atr);
	t.answer_len = 33;
	assert_int_equal(IFDHPowerICC(LUN, IFD_POWER_UP, atr, &len), IFD_SUCCESS);
	assert_int_equal(len, 33);
	assert_int_equal(atr[32], 0x3B);
	assert_int_equal(atr[33], 0xEE);
	memset(atr, 0xEE, sizeof atr);
	t.answer_len = 4;
	assert_int_equal(IFDHPowerICC(LUN, IFD_RESET, atr, &len), IFD_SUCCESS);
	assert_int_equal(len, 4);
	assert_int_equal(atr[4], 0xEE);
	len = 9;
	assert_int_equal(IFDHPowerICC(LUN, IFD_POWER_DOWN, atr, &len), IFD_SUCCESS);
	assert_string_equal(t.called, "off");
	for (unsigned i = 0; i < sizeof atr; i++)
		assert_int_equal(atr[i], i < MAX_ATR_SIZE ? 0 : 0xEE);
	assert_int_equal(len, 0);
	len = 9;
	assert_int_equal(IFDHPowerICC(LUN, 12345, atr, &len), IFD_NOT_SUPPORTED);
	assert_int_equal(len, 0);
	assert_int_equal(IFDHPowerICC(LUN, IFD_POWER_UP, NULL, &len), IFD_COMMUNICATION_ERROR);
	assert_int_equal(IFDHPowerICC(LUN, IFD_POWER_UP, atr, NULL), IFD_COMMUNICATION_ERROR);
}

static void an_apdu_is_answered(void **state)
{
	SCARD_IO_HEADER pci = { 1, sizeof pci };
	UCHAR tx[5] = { 0 }, rx[10];
	DWORD len = sizeof rx;

	(void)state;
	t.answer_len = 2;
	assert_int_equal(IFDHTransmitToICC(LUN, pci, tx, 5, rx, &len, NULL), IFD_SUCCESS);
	assert_int_equal(len, 2);
	/* an answer longer than the buffer: its length is returned, nothing is written */
	memset(rx, 0xEE, sizeof rx);
	t.answer_len = 200;
	len = 3;
	assert_int_equal(IFDHTransmitToICC(LUN, pci, tx, 5, rx, &len, &pci), IFD_SUCCESS);
	assert_int_equal(len, 200);
	assert_int_equal(rx[3], 0xEE);
	len = 0;
	assert_int_equal(IFDHTransmitToICC(LUN, pci, tx, 5, NULL, &len, &pci), IFD_SUCCESS);
	t.err = CCID_ERR_PARITY;
	len = sizeof rx;
	assert_int_equal(IFDHTransmitToICC(LUN, pci, tx, 5, rx, &len, &pci), IFDH_PARITY_ERROR);
	assert_int_equal(len, 0);
	t.called = NULL;
	len = sizeof rx;
	assert_int_equal(IFDHTransmitToICC(LUN, pci, tx, 0, rx, &len, &pci), IFD_COMMUNICATION_ERROR);
	assert_int_equal(len, 0);
	len = sizeof rx;
	assert_int_equal(IFDHTransmitToICC(LUN, pci, NULL, 5, rx, &len, &pci), IFD_COMMUNICATION_ERROR);
	len = sizeof rx;
	assert_int_equal(IFDHTransmitToICC(LUN, pci, tx, 5, NULL, &len, &pci), IFD_COMMUNICATION_ERROR);
	assert_int_equal(IFDHTransmitToICC(LUN, pci, tx, 5, rx, NULL, &pci), IFD_COMMUNICATION_ERROR);
	assert_null(t.called);
}

static void a_control_code_is_answered(void **state)
{
	UCHAR buf[20];
	DWORD len = 99;

	(void)state;
	assert_int_equal(IFDHControl(LUN, CM_IOCTL_GET_FEATURE_REQUEST, NULL, 0, buf, sizeof buf, &len), IFD_SUCCESS);
	assert_int_equal(len, 6);
	assert_int_equal(IFDHControl(LUN, 5, NULL, 0, buf, sizeof buf, &len), IFD_ERROR_NOT_SUPPORTED);
	assert_int_equal(len, 0);
	assert_int_equal(IFDHControl(LUN, CM_IOCTL_GET_FEATURE_REQUEST, NULL, 0, buf, sizeof buf, NULL),
			 IFD_COMMUNICATION_ERROR);
}

static void presence_is_answered(void **state)
{
	(void)state;
	assert_int_equal(IFDHICCPresence(LUN), IFD_ICC_NOT_PRESENT);
	t.present = true;
	assert_int_equal(IFDHICCPresence(LUN), IFD_ICC_PRESENT);
	t.err = CCID_ERR_NO_DEVICE;
	assert_int_equal(IFDHICCPresence(LUN), IFD_NO_SUCH_DEVICE);
	t.err = CCID_ERR_COMM;
	assert_int_equal(IFDHICCPresence(LUN), IFD_COMMUNICATION_ERROR);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, all_given_back)
	const struct CMUnitTest tests[] = {
		T(channels_open_and_close), T(an_unknown_lun_is_an_error),
		T(attributes_are_passed_on),
		T(a_protocol_is_set_or_refused),
		T(power_calls_return_the_atr), T(power_errors_have_their_codes),
		T(an_apdu_is_answered), T(a_control_code_is_answered), T(presence_is_answered),
	};

	port_mutex_init(&slot.lock);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
