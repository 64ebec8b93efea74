/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* src/ifdh/ifdh_caps.c: attributes, and the functions that pcscd's polling thread calls. */
#include "ifdh/ifdh.h"
#include "slot/composite.h"

#include <stdarg.h>
#include <setjmp.h>
#include "unit/unit_cmocka.h"

#include <reader.h>
#include <string.h>

static struct transport transport;
static struct transport_ops ops;
static struct reader reader;
static struct slot slot;

static struct {
	enum ccid_err presence_err, wait_err;
	bool present, open, removed;
	int taken, polled, stopped, ended;
	unsigned polled_ms;
	uint8_t polled_slot;
	uint64_t ns;
} t;

/* ---- the layers below ---- */

uint64_t clock_now(void)
{
	return t.ns;
}

void clock_sleep_until(uint64_t at_ns)
{
	t.ns = at_ns;
}

void slot_poll_ended(struct slot *s)
{
	assert_ptr_equal(s, &slot);
	t.ended++;
}

struct slot *registry_get(unsigned long lun)
{
	if (lun != 0x30002 || !t.open)
		return NULL;
	t.taken++;
	return &slot;
}

void registry_put(struct slot *s)
{
	assert_ptr_equal(s, &slot);
	t.taken--;
}

enum ccid_err slot_presence(struct slot *s, bool *present)
{
	(void)s;
	*present = t.present;
	return t.presence_err;
}

unsigned composite_slots(const struct reader *r)
{
	return r->n_slots;
}

void reader_set_gone(struct reader *r)
{
	assert_ptr_equal(r, &reader);
	t.removed = true;
}

static enum ccid_err wait_change(struct transport *tr, uint8_t number, const struct deadline *d)
{
	assert_ptr_equal(tr, &transport);
	assert_int_equal(t.taken, 1);
	t.polled++;
	t.polled_slot = number;
	t.polled_ms = (unsigned)deadline_left_ms(d);
	return t.wait_err;
}

static void stop_change(struct transport *tr, uint8_t number)
{
	(void)tr;
	assert_int_equal(number, 2);
	t.stopped++;
}

static int setup(void **state)
{
	(void)state;
	memset(&t, 0, sizeof t);
	memset(&transport, 0, sizeof transport);
	memset(&reader, 0, sizeof reader);
	memset(&slot, 0, sizeof slot);
	ops = (struct transport_ops){ .wait_change = wait_change, .stop_change = stop_change };
	t.open = true;
	transport.ops = &ops;
	transport.bus = 3;
	transport.address = 0x11;
	reader.transport = &transport;
	reader.n_slots = 1;
	reader.desc.dwMaxCCIDMessageLength = 271;
	reader.desc.bcdDevice = 0x0213;
	slot.reader = &reader;
	slot.number = 2;
	port_mutex_init(&slot.lock);
	return 0;
}

static uint8_t value[400];
static DWORD length;

static enum ccid_err get(DWORD tag, DWORD room)
{
	enum ccid_err err;

	memset(value, 0xEE, sizeof value);
	length = room;
	err = ifdh_get_cap(&slot, tag, &length, value);
	assert_int_equal(value[room], 0xEE);
	assert_true(port_mutex_try(&slot.lock));
	port_mutex_unlock(&slot.lock);
	return err;
}

static void check(DWORD tag, const void *want, DWORD len)
{
	assert_int_equal(get(tag, 300), CCID_OK);
	assert_int_equal(length, len);
	assert_memory_equal(value, want, len);
}

static void check_byte(DWORD tag, uint8_t want)
{
	check(tag, &want, 1);
}

static void check_u32(DWORD tag, uint32_t want)
{
	check(tag, &want, 4);
}

static void attributes(void **state)
{
	(void)state;
	memcpy(slot.atr, "\x3B\x02\x14\x50", 4);
	slot.atr_len = 4;
	check(TAG_IFD_ATR, "\x3B\x02\x14\x50", 4);
	check(SCARD_ATTR_ATR_STRING, "\x3B\x02\x14\x50", 4);
	check_byte(SCARD_ATTR_ICC_INTERFACE_STATUS, 0);
	slot.card = CARD_ON;
	check_byte(SCARD_ATTR_ICC_INTERFACE_STATUS, 1);
	check_byte(SCARD_ATTR_ICC_PRESENCE, 0);
	t.present = true;
	check_byte(SCARD_ATTR_ICC_PRESENCE, 2);
	t.presence_err = CCID_ERR_NO_DEVICE;
	assert_int_equal(get(SCARD_ATTR_ICC_PRESENCE, 1), CCID_ERR_NO_DEVICE);
	check_u32(SCARD_ATTR_VENDOR_IFD_VERSION, 0x02130000);
	check_u32(SCARD_ATTR_MAXINPUT, 261);
	check_u32(SCARD_ATTR_CHANNEL_ID, 0x00200311);
}

static void strings(void **state)
{
	char name[] = "Maker", serial[] = "0815";

	(void)state;
	assert_int_equal(get(SCARD_ATTR_VENDOR_NAME, 100), CCID_OK);
	assert_int_equal(length, 0);
	assert_int_equal(value[0], 0xEE);
	transport.manufacturer = name;
	transport.serial_number = serial;
	check(SCARD_ATTR_VENDOR_NAME, "Maker", 6);
	check(SCARD_ATTR_VENDOR_IFD_SERIAL_NO, "0815", 5);
}

static void the_driver_says_what_it_supports(void **state)
{
	(void)state;
	check_byte(TAG_IFD_THREAD_SAFE, 1);
	check_byte(TAG_IFD_SIMULTANEOUS_ACCESS, 255);
	check_byte(TAG_IFD_DEVICE_REMOVED, 1);
	check_byte(TAG_IFD_SLOTS_NUMBER, 1);
	check_byte(TAG_IFD_SLOT_THREAD_SAFE, 0);
	reader.n_slots = 5;
	check_byte(TAG_IFD_SLOTS_NUMBER, 5);
	check_byte(TAG_IFD_SLOT_THREAD_SAFE, 1);
	reader.n_slots = 256;
	check_byte(TAG_IFD_SLOTS_NUMBER, 255);
}

/* All tags with all lengths: no byte is written beyond the buffer. */
static void every_tag_and_length(void **state)
{
	static const DWORD tags[] = {
		TAG_IFD_ATR, SCARD_ATTR_ATR_STRING, SCARD_ATTR_ICC_INTERFACE_STATUS, SCARD_ATTR_ICC_PRESENCE,
		SCARD_ATTR_VENDOR_IFD_VERSION, SCARD_ATTR_VENDOR_NAME, SCARD_ATTR_VENDOR_IFD_SERIAL_NO,
		SCARD_ATTR_MAXINPUT, SCARD_ATTR_CHANNEL_ID, TAG_IFD_THREAD_SAFE, TAG_IFD_SLOT_THREAD_SAFE,
		TAG_IFD_SIMULTANEOUS_ACCESS, TAG_IFD_SLOTS_NUMBER, TAG_IFD_POLLING_THREAD_WITH_TIMEOUT,
		TAG_IFD_STOP_POLLING_THREAD, TAG_IFD_DEVICE_REMOVED,
	};
	static char name[200];

	(void)state;
	memset(name, 'n', sizeof name - 1);
	name[sizeof name - 1] = '\0';
	transport.manufacturer = transport.serial_number = name;
	slot.atr_len = 33;
	for (size_t i = 0; i < sizeof tags / sizeof tags[0]; i++) {
		DWORD need;

		length = 0;
		assert_int_equal(ifdh_get_cap(&slot, tags[i], &length, NULL), CCID_OK);
		need = length;
		assert_true(need > 0 && need <= 200);
		for (DWORD room = 0; room <= 300; room++) {
			assert_int_equal(get(tags[i], room), room < need ? CCID_ERR_SHORT_BUFFER : CCID_OK);
			assert_int_equal(length, need);
			if (room < need)
				assert_int_equal(value[0], 0xEE);
		}
	}
	for (DWORD tag = 0; tag < 0x0FFF; tag++)
		if (tag != TAG_IFD_ATR && (tag < 0x0FAC || tag > 0x0FB4)) {
			assert_int_equal(get(tag, 300), CCID_ERR_TAG);
			assert_int_equal(length, 0);
			assert_int_equal(value[0], 0xEE);
		}
}

/* Also checks that the calling thread cannot be cancelled meanwhile. */
static RESPONSECODE poll(DWORD Lun, int timeout)
{
	RESPONSECODE (*f)(DWORD, int);

	assert_int_equal(get(TAG_IFD_POLLING_THREAD_WITH_TIMEOUT, sizeof f), CCID_OK);
	memcpy(&f, value, sizeof f);
	return f(Lun, timeout);
}

static void a_poll_waits_for_a_change_in_its_slot(void **state)
{
	(void)state;
	assert_int_equal(poll(0x30002, 5000), IFD_SUCCESS);
	assert_int_equal(t.polled_ms, 5000);
	assert_int_equal(t.polled_slot, 2);
	t.wait_err = CCID_ERR_TIMEOUT;
	assert_int_equal(poll(0x30002, 600000), IFD_SUCCESS);
	assert_int_equal(t.polled_ms, 600000);
	assert_int_equal(poll(0x30002, -1), IFD_SUCCESS);
	assert_int_equal(t.polled_ms, 0);
	t.wait_err = CCID_ERR_NO_DEVICE;
	assert_int_equal(poll(0x30002, 5000), IFD_NO_SUCH_DEVICE);
	assert_int_equal(t.polled, 4);
	assert_int_equal(t.ended, 4);
	assert_int_equal(poll(0x30003, 5000), IFD_NO_SUCH_DEVICE);
	assert_int_equal(t.polled, 4);
	assert_int_equal(t.ended, 4);
	assert_int_equal(t.taken, 0);
	assert_int_equal(get(TAG_IFD_POLLING_THREAD_KILLABLE, 1), CCID_ERR_TAG);
}

static void a_stop_ends_the_poll_of_its_slot(void **state)
{
	RESPONSECODE (*f)(DWORD);

	(void)state;
	assert_int_equal(get(TAG_IFD_STOP_POLLING_THREAD, sizeof f), CCID_OK);
	memcpy(&f, value, sizeof f);
	assert_int_equal(f(0x30002), IFD_SUCCESS);
	assert_int_equal(t.stopped, 1);
	assert_int_equal(f(0x40000), IFD_NO_SUCH_DEVICE);
	assert_int_equal(t.stopped, 1);
	assert_int_equal(t.taken, 0);
}

/* A USB ICC is polled and stopped like other slots: no thread is cancelled inside the driver. */
static void card_that_cannot_be_taken_out(void **state)
{
	(void)state;
	transport.card_always_present = true;
	assert_int_equal(poll(0x30002, 5000), IFD_SUCCESS);
	assert_int_equal(t.polled, 1);
	assert_int_equal(get(TAG_IFD_POLLING_THREAD_KILLABLE, 1), CCID_ERR_TAG);
	assert_int_equal(get(TAG_IFD_STOP_POLLING_THREAD, 8), CCID_OK);
}

static void without_notifications_there_is_no_poll(void **state)
{
	(void)state;
	assert_int_equal(get(TAG_IFD_POLLING_THREAD_WITH_TIMEOUT, 8), CCID_OK);
	ops.wait_change = NULL;
	assert_int_equal(get(TAG_IFD_POLLING_THREAD_WITH_TIMEOUT, 8), CCID_ERR_TAG);
	assert_int_equal(get(TAG_IFD_STOP_POLLING_THREAD, 8), CCID_ERR_TAG);
}

static void only_the_removal_can_be_set(void **state)
{
	(void)state;
	assert_int_equal(ifdh_set_cap(&slot, 0x1234, 1, (const UCHAR *)"\x01"), IFD_ERROR_TAG);
	assert_int_equal(ifdh_set_cap(&slot, TAG_IFD_ATR, 1, (const UCHAR *)"\x01"), IFD_ERROR_VALUE_READ_ONLY);
	assert_int_equal(ifdh_set_cap(&slot, TAG_IFD_DEVICE_REMOVED, 0, (const UCHAR *)"\x01"), IFD_ERROR_SET_FAILURE);
	assert_int_equal(ifdh_set_cap(&slot, TAG_IFD_DEVICE_REMOVED, 1, NULL), IFD_ERROR_SET_FAILURE);
	assert_int_equal(ifdh_set_cap(&slot, TAG_IFD_DEVICE_REMOVED, 1, (const UCHAR *)"\0"), IFD_ERROR_SET_FAILURE);
	assert_false(t.removed);
	assert_int_equal(ifdh_set_cap(&slot, TAG_IFD_DEVICE_REMOVED, 1, (const UCHAR *)"\x01"), IFD_SUCCESS);
	assert_true(t.removed);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup(f, setup)
	const struct CMUnitTest tests[] = {
		T(attributes), T(strings), T(the_driver_says_what_it_supports),
		T(every_tag_and_length),
		T(a_poll_waits_for_a_change_in_its_slot), T(a_stop_ends_the_poll_of_its_slot),
		T(card_that_cannot_be_taken_out), T(without_notifications_there_is_no_poll),
		T(only_the_removal_can_be_set),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
