/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* src/transport/usb_failures.c: what is remembered of interfaces that could not be opened. */
#include "transport/usb_failures.h"

#include "fake/fake_libusb.h"

#include "unit/unit_cmocka.h"

#define SECOND UINT64_C(1000000000)

static struct usb_failures failures;

static int begin(void **state)
{
	(void)state;
	fake_usb_begin(FAKE_VIRTUAL);
	failures = (struct usb_failures){ .lock = PTHREAD_MUTEX_INITIALIZER };
	return 0;
}

static void note(int interface, enum ccid_err err)
{
	usb_failure_note(&failures, 1, 2, interface, err);
}

static void claimed(int interface)
{
	usb_failure_claimed(&failures, 1, 2, interface);
}

static void is(int interface, enum usb_failure want)
{
	assert_int_equal(usb_failure_of(&failures, 1, 2, interface), want);
}

static void claimed_by_another_program(void **state)
{
	(void)state;
	is(0, USB_UNTRIED);
	claimed(0);
	is(0, USB_CLAIMED);
	is(1, USB_UNTRIED);
	assert_int_equal(usb_failure_of(&failures, 1, 3, 0), USB_UNTRIED);
	assert_int_equal(usb_failure_of(&failures, 2, 2, 0), USB_UNTRIED);
	fake_clock_advance(3000 * SECOND);
	is(0, USB_CLAIMED);
	claimed(0);
	fake_clock_advance(3000 * SECOND);
	is(0, USB_CLAIMED);
	note(0, CCID_OK);
	is(0, USB_UNTRIED);
	claimed(0);
	fake_clock_advance(3600 * SECOND);
	is(0, USB_UNTRIED);
}

static void a_lasting_error_is_not_retried_for_a_minute(void **state)
{
	(void)state;
	/* busy with another command, not with another program */
	note(0, CCID_ERR_BUSY);
	is(0, USB_FAILED);
	note(0, CCID_ERR_NOMEM);
	note(0, CCID_ERR_COMM);
	is(0, USB_FAILED);
	fake_clock_advance(59 * SECOND);
	note(0, CCID_ERR_NO_DEVICE);
	is(0, USB_HOPELESS);
	fake_clock_advance(SECOND);
	is(0, USB_UNTRIED);
	note(0, CCID_ERR_COMM);
	is(0, USB_FAILED);
	note(0, CCID_OK);
	is(0, USB_UNTRIED);
	/* what was claimed before is counted from the beginning */
	claimed(0);
	for (unsigned i = 0; i < USB_FAILURES_MAX; i++)
		note(0, CCID_ERR_COMM);
	is(0, USB_HOPELESS);
}

static void many(void **state)
{
	(void)state;
	for (int i = 0; i < (int)USB_FAILURES_CAP + 1; i++)
		claimed(i);
	is(0, USB_UNTRIED);
	for (int i = 1; i < (int)USB_FAILURES_CAP + 1; i++)
		is(i, USB_CLAIMED);
	note(7, CCID_OK);
	note(7, CCID_OK);
	is(7, USB_UNTRIED);
	usb_failure_note(NULL, 1, 2, 0, CCID_ERR_BUSY);
	usb_failure_claimed(NULL, 1, 2, 0);
	assert_int_equal(usb_failure_of(NULL, 1, 2, 8), USB_UNTRIED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(claimed_by_another_program, begin),
		cmocka_unit_test_setup(a_lasting_error_is_not_retried_for_a_minute, begin),
		cmocka_unit_test_setup(many, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
