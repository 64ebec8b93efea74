/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/ccid_msg.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include "unit/unit_cmocka.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void known_errors(void **state)
{
	static const struct {
		uint8_t bError;
		const char *word;
		enum ccid_err err;
	} rows[] = {
		{ 0x00, "not supported", CCID_ERR_NOT_SUPPORTED },
		{ 0x01, "dwLength", CCID_ERR_PROTOCOL },
		{ 0x04, "byte", CCID_ERR_PROTOCOL },
		{ 0x05, "slot does not exist", CCID_ERR_PROTOCOL },
		{ 0x06, "byte", CCID_ERR_PROTOCOL },
		{ 0x7F, "byte", CCID_ERR_PROTOCOL },
		{ 0x80, "reserved", CCID_ERR_COMM },
		{ 0x81, "vendor", CCID_ERR_COMM },
		{ 0xA2, "short circuit", CCID_ERR_POWER },
		{ 0xA3, "ATR too long", CCID_ERR_PROTOCOL },
		{ 0xAB, "no data", CCID_ERR_COMM },
		{ 0xB0, "EMV", CCID_ERR_TOO_LONG },
		{ 0xBB, "EMV", CCID_ERR_PROTOCOL },
		{ 0xBD, "T=1", CCID_ERR_PROTOCOL },
		{ 0xBE, "APDU length", CCID_ERR_TOO_LONG },
		{ 0xC0, "vendor", CCID_ERR_COMM },
		{ 0xC1, "reserved", CCID_ERR_COMM },
		{ 0xE0, "slot busy", CCID_ERR_BUSY },
		{ 0xEF, "PIN cancelled", CCID_ERR_TIMEOUT },
		{ 0xF0, "PIN timeout", CCID_ERR_TIMEOUT },
		{ 0xF1, "reserved", CCID_ERR_COMM },
		{ 0xF2, "auto sequence", CCID_ERR_BUSY },
		{ 0xF3, "deactivated protocol", CCID_ERR_PROTOCOL },
		{ 0xF4, "procedure byte", CCID_ERR_PROTOCOL },
		{ 0xF5, "class not supported", CCID_ERR_NOT_SUPPORTED },
		{ 0xF6, "protocol not supported", CCID_ERR_PROTO_UNSUPPORTED },
		{ 0xF7, "TCK", CCID_ERR_PROTOCOL },
		{ 0xF8, "TS", CCID_ERR_PROTOCOL },
		{ 0xFB, "hardware", CCID_ERR_COMM },
		{ 0xFC, "overrun", CCID_ERR_COMM },
		{ 0xFD, "parity", CCID_ERR_PARITY },
		{ 0xFE, "mute", CCID_ERR_MUTE },
		{ 0xFF, "aborted", CCID_ERR_PROTOCOL },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		assert_non_null(strstr(ccid_error_text(rows[i].bError), rows[i].word));
		assert_int_equal(ccid_error_map(rows[i].bError), rows[i].err);
	}
}

static void every_error(void **state)
{
	(void)state;
	for (unsigned e = 0; e < 256; e++) {
		assert_non_null(ccid_error_text((uint8_t)e));
		assert_true(strlen(ccid_error_text((uint8_t)e)) > 3);
		assert_int_not_equal(ccid_error_map((uint8_t)e), CCID_OK);
		assert_true(ccid_error_map((uint8_t)e) < CCID_ERR_COUNT);
	}
}

static void messages(void **state)
{
	static const struct {
		uint8_t type;
		const char *name;
	} rows[] = {
		{ 0x61, "PC_to_RDR_SetParameters" }, { 0x62, "PC_to_RDR_IccPowerOn" },
		{ 0x63, "PC_to_RDR_IccPowerOff" }, { 0x65, "PC_to_RDR_GetSlotStatus" },
		{ 0x69, "PC_to_RDR_Secure" }, { 0x6A, "PC_to_RDR_T0APDU" },
		{ 0x6B, "PC_to_RDR_Escape" },
		{ 0x6C, "PC_to_RDR_GetParameters" }, { 0x6D, "PC_to_RDR_ResetParameters" },
		{ 0x6E, "PC_to_RDR_IccClock" }, { 0x6F, "PC_to_RDR_XfrBlock" },
		{ 0x71, "PC_to_RDR_Mechanical" }, { 0x72, "PC_to_RDR_Abort" },
		{ 0x73, "PC_to_RDR_SetDataRateAndClockFrequency" }, { 0x80, "RDR_to_PC_DataBlock" },
		{ 0x81, "RDR_to_PC_SlotStatus" }, { 0x82, "RDR_to_PC_Parameters" },
		{ 0x83, "RDR_to_PC_Escape" }, { 0x84, "RDR_to_PC_DataRateAndClockFrequency" },
		{ 0x50, "RDR_to_PC_NotifySlotChange" }, { 0x51, "RDR_to_PC_HardwareError" },
	};
	unsigned known = 0;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		assert_string_equal(ccid_message_name(rows[i].type), rows[i].name);
	for (unsigned t = 0; t < 256; t++)
		known += strcmp(ccid_message_name((uint8_t)t), "?") != 0;
	assert_int_equal(known, COUNT(rows));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_errors), cmocka_unit_test(every_error),
		cmocka_unit_test(messages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
