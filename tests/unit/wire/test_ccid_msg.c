/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/ccid_msg.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include "unit/unit_cmocka.h"

static void encode(void **state)
{
	static const struct ccid_msg m = { .bMessageType = PC_TO_RDR_XFR_BLOCK,
					   .dwLength = 0x04030201, .bSlot = 5, .bSeq = 6,
					   .b7 = 7, .b8 = 8, .b9 = 9 };
	static const uint8_t want[] = { 0x6F, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0xA5 };
	uint8_t out[11];

	(void)state;
	memset(out, 0xA5, sizeof out);
	ccid_msg_encode(&m, out);
	assert_memory_equal(out, want, sizeof want);
}

static void decode(void **state)
{
	static const uint8_t bytes[] = { 0x80, 0xFE, 0xFF, 0xFF, 0xFF, 0x11, 0x22, 0x42,
					 0xFE, 0x10, 0x99 };
	struct ccid_msg m;

	(void)state;
	for (size_t len = 0; len < 10; len++)
		assert_int_equal(ccid_msg_decode(&m, bytes, len), CCID_ERR_COMM);
	for (size_t len = 10; len < 12; len++) {
		memset(&m, 0, sizeof m);
		assert_int_equal(ccid_msg_decode(&m, bytes, len), CCID_OK);
		assert_int_equal(m.bMessageType, RDR_TO_PC_DATA_BLOCK);
		assert_int_equal(m.dwLength, 0xFFFFFFFE);
		assert_int_equal(m.bSlot, 0x11);
		assert_int_equal(m.bSeq, 0x22);
		assert_int_equal(m.b7, 0x42);
		assert_int_equal(m.b8, 0xFE);
		assert_int_equal(m.b9, 0x10);
	}
}

static void status(void **state)
{
	(void)state;
	assert_int_equal(ccid_icc_state(0x00), ICC_PRESENT_ACTIVE);
	assert_int_equal(ccid_icc_state(0x41), ICC_PRESENT_INACTIVE);
	assert_int_equal(ccid_icc_state(0xFE), ICC_ABSENT);
	assert_int_equal(ccid_command_state(0x3F), COMMAND_OK);
	assert_int_equal(ccid_command_state(0x42), COMMAND_FAILED);
	assert_int_equal(ccid_command_state(0x80), COMMAND_TIME_EXTENSION);
	assert_int_equal(ccid_command_state(0xC0), 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(encode), cmocka_unit_test(decode), cmocka_unit_test(status),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
