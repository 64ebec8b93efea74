/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/ccid_msg.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* What T=1 may repair by asking again is COMM, PARITY or MUTE; what repeating
 * cannot help is something else. First match counts: ranges stand behind the
 * values they contain. */
static const struct error_row {
	uint8_t first, last;
	enum ccid_err err;
	const char *text;
} errors[] = {
	/* CCID 1.10 table 6.2-2 */
	{ 0x00, 0x00, CCID_ERR_NOT_SUPPORTED, "command not supported" },
	{ 0x01, 0x01, CCID_ERR_PROTOCOL, "error on byte 1 (dwLength)" },
	{ 0x05, 0x05, CCID_ERR_PROTOCOL, "slot does not exist" },
	{ 0x02, 0x7F, CCID_ERR_PROTOCOL, "error on the byte of that number" },
	{ 0xE0, 0xE0, CCID_ERR_BUSY, "slot busy" },
	{ 0xEF, 0xEF, CCID_ERR_TIMEOUT, "PIN cancelled" },
	{ 0xF0, 0xF0, CCID_ERR_TIMEOUT, "PIN timeout" },
	{ 0xF2, 0xF2, CCID_ERR_BUSY, "busy with auto sequence" },
	{ 0xF3, 0xF3, CCID_ERR_PROTOCOL, "deactivated protocol" },
	{ 0xF4, 0xF4, CCID_ERR_PROTOCOL, "procedure byte conflict" },
	{ 0xF5, 0xF5, CCID_ERR_NOT_SUPPORTED, "class not supported" },
	{ 0xF6, 0xF6, CCID_ERR_PROTO_UNSUPPORTED, "protocol not supported" },
	{ 0xF7, 0xF7, CCID_ERR_PROTOCOL, "bad TCK in the ATR" },
	{ 0xF8, 0xF8, CCID_ERR_PROTOCOL, "bad TS in the ATR" },
	{ 0xFB, 0xFB, CCID_ERR_COMM, "hardware error" },
	{ 0xFC, 0xFC, CCID_ERR_COMM, "overrun" },
	{ 0xFD, 0xFD, CCID_ERR_PARITY, "parity error" },
	{ 0xFE, 0xFE, CCID_ERR_MUTE, "card mute" },
	{ 0xFF, 0xFF, CCID_ERR_PROTOCOL, "command aborted" },
	/* vendors' own, 81 to C0 (§6.2.6) */
	{ 0xA2, 0xA2, CCID_ERR_POWER, "card short circuit" },
	{ 0xA3, 0xA3, CCID_ERR_PROTOCOL, "ATR too long" },
	{ 0xAB, 0xAB, CCID_ERR_COMM, "no data exchanged" },
	{ 0xB0, 0xB0, CCID_ERR_TOO_LONG, "message too long for EMV mode" },
	{ 0xBB, 0xBB, CCID_ERR_PROTOCOL, "protocol error in EMV mode" },
	{ 0xBD, 0xBD, CCID_ERR_PROTOCOL, "T=1 protocol error" },
	{ 0xBE, 0xBE, CCID_ERR_TOO_LONG, "APDU length refused" },
	{ 0x81, 0xC0, CCID_ERR_COMM, "vendor's own error" },
	{ 0x80, 0xFF, CCID_ERR_COMM, "reserved error code" },
};

static const struct error_row *error_row(uint8_t bError)
{
	size_t i = 0;

	/* The last row matches whatever gets there. */
	while (i < COUNT(errors) - 1 && (bError < errors[i].first || bError > errors[i].last))
		i++;
	return &errors[i];
}

const char *ccid_error_text(uint8_t bError)
{
	return error_row(bError)->text;
}

enum ccid_err ccid_error_map(uint8_t bError)
{
	return error_row(bError)->err;
}

static const struct name_row {
	uint8_t type;
	const char *name;
} names[] = {
	{ PC_TO_RDR_SET_PARAMETERS, "PC_to_RDR_SetParameters" },
	{ PC_TO_RDR_ICC_POWER_ON, "PC_to_RDR_IccPowerOn" },
	{ PC_TO_RDR_ICC_POWER_OFF, "PC_to_RDR_IccPowerOff" },
	{ PC_TO_RDR_GET_SLOT_STATUS, "PC_to_RDR_GetSlotStatus" },
	{ PC_TO_RDR_SECURE, "PC_to_RDR_Secure" },
	{ PC_TO_RDR_T0APDU, "PC_to_RDR_T0APDU" },
	{ PC_TO_RDR_ESCAPE, "PC_to_RDR_Escape" },
	{ PC_TO_RDR_GET_PARAMETERS, "PC_to_RDR_GetParameters" },
	{ PC_TO_RDR_RESET_PARAMETERS, "PC_to_RDR_ResetParameters" },
	{ PC_TO_RDR_ICC_CLOCK, "PC_to_RDR_IccClock" },
	{ PC_TO_RDR_XFR_BLOCK, "PC_to_RDR_XfrBlock" },
	{ PC_TO_RDR_MECHANICAL, "PC_to_RDR_Mechanical" },
	{ PC_TO_RDR_ABORT, "PC_to_RDR_Abort" },
	{ PC_TO_RDR_SET_DATA_RATE, "PC_to_RDR_SetDataRateAndClockFrequency" },
	{ RDR_TO_PC_DATA_BLOCK, "RDR_to_PC_DataBlock" },
	{ RDR_TO_PC_SLOT_STATUS, "RDR_to_PC_SlotStatus" },
	{ RDR_TO_PC_PARAMETERS, "RDR_to_PC_Parameters" },
	{ RDR_TO_PC_ESCAPE, "RDR_to_PC_Escape" },
	{ RDR_TO_PC_DATA_RATE, "RDR_to_PC_DataRateAndClockFrequency" },
	{ RDR_TO_PC_NOTIFY_SLOT_CHANGE, "RDR_to_PC_NotifySlotChange" },
	{ RDR_TO_PC_HARDWARE_ERROR, "RDR_to_PC_HardwareError" },
};

const char *ccid_message_name(uint8_t type)
{
	for (size_t i = 0; i < COUNT(names); i++)
		if (names[i].type == type)
			return names[i].name;
	return "?";
}
