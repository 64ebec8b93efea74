/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CCID_MSG_H
#define CCID_MSG_H

#include "wire/ccid_desc.h"

/* bMessageType (CCID 1.10 §6) */
enum {
	PC_TO_RDR_SET_PARAMETERS = 0x61,
	PC_TO_RDR_ICC_POWER_ON = 0x62,
	PC_TO_RDR_ICC_POWER_OFF = 0x63,
	PC_TO_RDR_GET_SLOT_STATUS = 0x65,
	PC_TO_RDR_SECURE = 0x69,
	PC_TO_RDR_T0APDU = 0x6A,
	PC_TO_RDR_ESCAPE = 0x6B,
	PC_TO_RDR_GET_PARAMETERS = 0x6C,
	PC_TO_RDR_RESET_PARAMETERS = 0x6D,
	PC_TO_RDR_ICC_CLOCK = 0x6E,
	PC_TO_RDR_XFR_BLOCK = 0x6F,
	PC_TO_RDR_MECHANICAL = 0x71,
	PC_TO_RDR_ABORT = 0x72,
	PC_TO_RDR_SET_DATA_RATE = 0x73,
	RDR_TO_PC_DATA_BLOCK = 0x80,
	RDR_TO_PC_SLOT_STATUS = 0x81,
	RDR_TO_PC_PARAMETERS = 0x82,
	RDR_TO_PC_ESCAPE = 0x83,
	RDR_TO_PC_DATA_RATE = 0x84,
	RDR_TO_PC_NOTIFY_SLOT_CHANGE = 0x50,
	RDR_TO_PC_HARDWARE_ERROR = 0x51,
};

/* bStatus (CCID 1.10 §6.2.6) */
enum {
	ICC_PRESENT_ACTIVE = 0,
	ICC_PRESENT_INACTIVE = 1,
	ICC_ABSENT = 2,
	ICC_UNKNOWN = 3,	/* reserved there; ours before the slot's first answer */
};
enum { COMMAND_OK = 0, COMMAND_FAILED = 1, COMMAND_TIME_EXTENSION = 2 };

/* The 10-byte header, either direction; b7..b9 are the three bytes whose meaning
 * depends on the type (bStatus, bError, bChainParameter in an answer). */
struct ccid_msg {
	uint8_t bMessageType;
	uint32_t dwLength;
	uint8_t bSlot;
	uint8_t bSeq;
	uint8_t b7, b8, b9;
};

/* Writes the 10 header bytes to out. */
void ccid_msg_encode(const struct ccid_msg *m, uint8_t out[CCID_HEADER_LENGTH]);
/* Reads a header; CCID_ERR_COMM when fewer than 10 bytes are there. The length
 * field is not judged here. */
enum ccid_err ccid_msg_decode(struct ccid_msg *m, const uint8_t *p, size_t len);

static inline unsigned ccid_icc_state(uint8_t bStatus) { return bStatus & 0x03; }
static inline unsigned ccid_command_state(uint8_t bStatus) { return bStatus >> 6; }

/* Text of bError for logs (CCID 1.10 table 6.2-2 and vendor values seen); a
 * static string, never NULL. */
const char *ccid_error_text(uint8_t bError);
/* What bError means for the layers above (FE mute, FD parity, ...). */
enum ccid_err ccid_error_map(uint8_t bError);
/* Name of a bMessageType for logs, "?" when unknown. */
const char *ccid_message_name(uint8_t type);

#endif
