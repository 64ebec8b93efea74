/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* src/ifdh/ifdh_error.c */
#include "ifdh/ifdh.h"

#include <stdarg.h>
#include <setjmp.h>
#include "unit/unit_cmocka.h"

static void codes_that_pcscd_acts_upon_are_right(void **state)
{
	(void)state;
	assert_int_equal(ifdh_code(CCID_OK), IFD_SUCCESS);
	assert_int_equal(ifdh_code(CCID_ERR_NO_DEVICE), IFD_NO_SUCH_DEVICE);
	assert_int_equal(ifdh_code(CCID_ERR_NO_CARD), IFD_ICC_NOT_PRESENT);
	assert_int_equal(ifdh_code(CCID_ERR_PROTO_UNSUPPORTED), IFD_PROTOCOL_NOT_SUPPORTED);
	assert_int_equal(ifdh_code(CCID_ERR_NOT_SUPPORTED), IFD_NOT_SUPPORTED);
	assert_int_equal(ifdh_code(CCID_ERR_TAG), IFD_ERROR_TAG);
	assert_int_equal(ifdh_code(CCID_ERR_PTS), IFD_ERROR_PTS_FAILURE);
	assert_int_equal(ifdh_code(CCID_ERR_POWER), IFD_ERROR_POWER_ACTION);
	assert_int_equal(ifdh_code(CCID_ERR_COMM), IFD_COMMUNICATION_ERROR);
}

/* Overflow, absent card, removed reader, parity error and time-out each have a code of their
 * own. */
static void five_errors_have_codes_of_their_own(void **state)
{
	static const enum ccid_err five[] = {
		CCID_ERR_OVERFLOW, CCID_ERR_NO_CARD, CCID_ERR_NO_DEVICE, CCID_ERR_PARITY, CCID_ERR_TIMEOUT,
	};

	(void)state;
	for (size_t a = 0; a < 5; a++) {
		assert_int_not_equal(ifdh_code(five[a]), IFD_COMMUNICATION_ERROR);
		for (size_t b = 0; b < a; b++)
			assert_int_not_equal(ifdh_code(five[a]), ifdh_code(five[b]));
	}
	assert_int_equal(ifdh_code(CCID_ERR_OVERFLOW), IFD_ERROR_INSUFFICIENT_BUFFER);
	assert_int_equal(ifdh_code(CCID_ERR_SHORT_BUFFER), IFD_ERROR_INSUFFICIENT_BUFFER);
	assert_int_equal(ifdh_code(CCID_ERR_TIMEOUT), IFD_RESPONSE_TIMEOUT);
}

static void only_ok_is_success(void **state)
{
	(void)state;
	for (int e = 1; e <= CCID_ERR_COUNT; e++)
		assert_int_not_equal(ifdh_code((enum ccid_err)e), IFD_SUCCESS);
	assert_int_equal(ifdh_code(CCID_ERR_COUNT), IFD_COMMUNICATION_ERROR);
	assert_int_equal(ifdh_code((enum ccid_err)-1), IFD_COMMUNICATION_ERROR);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(codes_that_pcscd_acts_upon_are_right),
		cmocka_unit_test(five_errors_have_codes_of_their_own),
		cmocka_unit_test(only_ok_is_success),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
