/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef SLOT_PINPAD_H
#define SLOT_PINPAD_H

#include "slot/slot_state.h"

/* bPINOperation, CCID 1.10 §6.1.11 */
enum pin_operation { PIN_OPERATION_VERIFY = 0, PIN_OPERATION_MODIFY = 1 };

/* Longest abData of a PIN structure: a short APDU (ISO 7816-3:2006 §12.1). */
#define PIN_APDU_MAX 261
/* Room for what pinpad_build() writes: the longest fixed part and the APDU. */
#define PIN_MESSAGE_MAX (25 + PIN_APDU_MAX)

/* Both structures of PC/SC part 10 in one; fields that only MODIFY has are 0 for VERIFY. */
struct pin_request {
	enum pin_operation operation;
	uint8_t bTimeOut, bmFormatString, bmPINBlockString, bmPINLengthFormat;
	uint8_t bInsertionOffsetOld, bInsertionOffsetNew;
	uint16_t wPINMaxExtraDigit;
	uint8_t bConfirmPIN, bEntryValidationCondition, bNumberMessage;
	uint16_t wLangId;
	uint8_t bMsgIndex[3];
	unsigned n_indexes;		/* how many of them are sent */
	uint8_t bTeoPrologue[3];
	const uint8_t *apdu;		/* points into the caller's structure */
	size_t apdu_len;
};

/* Reads PIN_VERIFY_STRUCTURE or PIN_MODIFY_STRUCTURE. Multi-byte fields are little-endian, or, when
 * big_host, big-endian if ulDataLength fits only so. CCID_ERR_NOT_SUPPORTED for wrong lengths. Any
 * bNumberMessage passes: the reader judges it. */
enum ccid_err pinpad_parse(struct pin_request *r, enum pin_operation operation,
			   const uint8_t *in, size_t len, bool big_host);

/* Adapts the request to the reader: quirks and features of its firmware. */
void pinpad_adapt(struct pin_request *r, const struct reader *reader);

/* Writes bPINOperation and abPINDataStructure of PC_to_RDR_Secure (CCID 1.10 §6.1.11) to out, which
 * has room for PIN_MESSAGE_MAX bytes; returns the length. */
size_t pinpad_build(const struct pin_request *r, uint8_t out[PIN_MESSAGE_MAX]);

/* How long the user may take, in ms: PC/SC part 10 lets the reader wait bTimeOut seconds. */
unsigned pinpad_wait_ms(uint8_t bTimeOut);

/* PIN_VERIFY_STRUCTURE / PIN_MODIFY_STRUCTURE of PC/SC part 10 in, SW (and data) out. */
enum ccid_err slot_pin_verify(struct slot *s, const uint8_t *in, size_t len,
			      uint8_t *answer, size_t cap, size_t *answer_len);
enum ccid_err slot_pin_modify(struct slot *s, const uint8_t *in, size_t len,
			      uint8_t *answer, size_t cap, size_t *answer_len);

#endif
