/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transport/iccd.h"

#include "wire/ccid_msg.h"
#include "util/buf.h"

#include <string.h>

/* bmRequestType: class request to the interface */
#define TO_DEVICE 0x21
#define FROM_DEVICE 0xA1

/* bRequest (ICCD 1.0 §6) */
enum {
	ICC_POWER_ON = 0x62,
	ICC_POWER_OFF = 0x63,
	XFR_BLOCK = 0x65,
	DATA_BLOCK = 0x6F,
	SLOT_STATUS = 0x81,	/* B */
	GET_ICC_STATUS = 0xA0,	/* A */
};

/* GetIccStatus of version A */
enum {
	STATUS_READY = 0x00,
	STATUS_DATA = 0x10,	/* data may go out, or come in */
	STATUS_SW = 0x20,
	STATUS_BUSY = 0x40,
	STATUS_MUTE = 0x80,
};

/* bResponseType of version B; all others are bChainParameter of CCID 1.10 §6.2.1 */
enum { RESPONSE_WHOLE = 0x00, RESPONSE_STATUS = 0x40, RESPONSE_POLLING = 0x80 };

#define POLL_MS 10
#define MS_PER_POLL_UNIT 10u
#define T0_HEADER 5u
#define SW_LENGTH 2u
/* the largest TPDU of T=0, and the largest answer */
#define ICCD_A_MESSAGE 271u

enum { ERROR_NOT_SUPPORTED = 0x00, ERROR_SLOT = 0x05, ERROR_BUSY = 0xE0, ERROR_HARDWARE = 0xFB,
       ERROR_MUTE = 0xFE };

/* The answer being made up. */
struct reply {
	uint8_t *p;
	size_t cap, len;	/* of the data part */
	uint8_t bStatus, bError, bChain;
};

/* A field of the device's answer makes no sense: logs which. */
static enum ccid_err iccd_bad_field(const struct iccd *i, const char *field, size_t value)
{
	LOG(LOG_INFO, &i->log, "%s: %s is %zu (0x%02zX)", ccid_message_name(i->type), field,
	    value, value);
	return CCID_ERR_COMM;
}

static enum ccid_err request_in(struct iccd *i, uint8_t bRequest, uint8_t *data, size_t len,
				size_t *actual, const struct deadline *d)
{
	enum ccid_err err;

	*actual = 0;
	if (deadline_passed(d))
		return CCID_ERR_TIMEOUT;
	err = i->pipe.control(i->pipe.ctx, FROM_DEVICE, bRequest, 0, i->interface, data, len,
			      actual, d);
	/* Bytes that were not asked for do not count. */
	if (err == CCID_OK && *actual > len)
		err = CCID_ERR_COMM;
	return err;
}

static enum ccid_err request_out(struct iccd *i, uint8_t bRequest, uint16_t wValue,
				 const uint8_t *data, size_t len, const struct deadline *d)
{
	size_t actual = 0;
	enum ccid_err err;

	if (deadline_passed(d))
		return CCID_ERR_TIMEOUT;
	if (len > sizeof i->scratch)
		return CCID_ERR_TOO_LONG;
	if (len > 0)
		memcpy(i->scratch, data, len);
	err = i->pipe.control(i->pipe.ctx, TO_DEVICE, bRequest, wValue, i->interface, i->scratch,
			      len, &actual, d);
	wipe(i->scratch, len);
	if (err == CCID_OK && actual != len)
		err = CCID_ERR_COMM;
	return err;
}

static enum ccid_err let_pass(struct iccd *i, unsigned ms, const struct deadline *d)
{
	i->was_busy = true;
	if (i->pipe.pause)
		return i->pipe.pause(i->pipe.ctx, ms, d);
	deadline_sleep_ms(d, ms);
	return CCID_OK;
}

static void iccd_fail(struct reply *r, uint8_t bError)
{
	r->len = 0;
	r->bStatus = COMMAND_FAILED << 6;
	r->bError = bError;
}

/* ---- version A: T=0 by hand (ICCD 1.0 §7) ---- */

static enum ccid_err icc_status(struct iccd *i, uint8_t *status, const struct deadline *d)
{
	size_t n;
	enum ccid_err err = request_in(i, GET_ICC_STATUS, status, 1, &n, d);

	if (err == CCID_OK && n != 1)
		err = iccd_bad_field(i, "length of GetIccStatus", n);
	*status &= 0xF0;
	return err;
}

/* Status 10: data of the command goes out, otherwise data of the answer comes in. Never asks for
 * more than P3 says, and a step without a byte would go on for ever. */
static enum ccid_err a_move_data(struct iccd *i, const struct deadline *d)
{
	size_t n = i->out_left;
	enum ccid_err err;

	if (n > 0) {
		i->out_left = 0;
		return request_out(i, XFR_BLOCK, 0, i->out, n, d);
	}
	if (i->expected == 0)
		return iccd_bad_field(i, "GetIccStatus without data to move", STATUS_DATA);
	err = request_in(i, DATA_BLOCK, i->part + i->part_len, i->expected, &n, d);
	if (err == CCID_OK && n == 0)
		err = iccd_bad_field(i, "length of DataBlock", n);
	if (err != CCID_OK)
		return err;
	i->part_len += n;
	i->expected -= n;
	return CCID_OK;
}

/* SW1 SW2 end the answer. The parts were kept here, because the caller's buffer may not be used
 * between two calls. */
static enum ccid_err a_status_words(struct iccd *i, struct reply *r, const struct deadline *d)
{
	size_t n;
	enum ccid_err err = request_in(i, DATA_BLOCK, i->part + i->part_len, SW_LENGTH, &n, d);

	if (err != CCID_OK)
		return err;
	i->unfinished = false;
	if (n != SW_LENGTH || i->part_len + n > r->cap)
		return iccd_bad_field(i, "length of SW1 SW2", n);
	r->len = i->part_len + n;
	memcpy(r->p, i->part, r->len);
	return CCID_OK;
}

static enum ccid_err a_run(struct iccd *i, struct reply *r, const struct deadline *d)
{
	enum ccid_err err = CCID_OK;
	uint8_t status = 0;

	while (err == CCID_OK && i->unfinished) {
		err = icc_status(i, &status, d);
		if (err != CCID_OK)
			break;
		switch (status) {
		case STATUS_BUSY:
			err = let_pass(i, POLL_MS, d);
			break;
		case STATUS_DATA:
			err = a_move_data(i, d);
			break;
		case STATUS_SW:
			err = a_status_words(i, r, d);
			break;
		case STATUS_MUTE:
			i->unfinished = false;
			iccd_fail(r, ERROR_MUTE);
			break;
		default:
			/* ready for a command: the token forgot the last one */
			i->unfinished = false;
			iccd_bad_field(i, "GetIccStatus", status);
			iccd_fail(r, ERROR_HARDWARE);
			break;
		}
	}
	if (!i->unfinished)
		wipe(i->part, sizeof i->part);
	return err;
}

static enum ccid_err a_xfr_block(struct iccd *i, const uint8_t *data, size_t len,
				 const struct deadline *d)
{
	uint8_t header[T0_HEADER] = { 0 };
	enum ccid_err err;

	if (len < T0_HEADER - 1 || (len > T0_HEADER && len != T0_HEADER + data[4]))
		return CCID_ERR_ARG;
	memcpy(header, data, len < T0_HEADER ? len : T0_HEADER);
	i->out = data + T0_HEADER;
	i->out_left = len > T0_HEADER ? len - T0_HEADER : 0;
	i->part_len = i->expected = 0;
	if (len == T0_HEADER)
		i->expected = header[4] ? header[4] : 256;
	err = request_out(i, XFR_BLOCK, 0, header, sizeof header, d);
	i->unfinished = true;
	return err;
}

/* Here the answer is the ATR itself. */
static enum ccid_err a_power_on(struct iccd *i, struct reply *r, const struct deadline *d)
{
	size_t want = r->cap < ICCD_TRANSFER_MAX ? r->cap : ICCD_TRANSFER_MAX;
	enum ccid_err err = request_in(i, ICC_POWER_ON, r->p, want, &r->len, d);

	if (err != CCID_OK)
		return err;
	if (r->len == 0)
		iccd_fail(r, ERROR_MUTE);
	else
		i->powered = true;
	return CCID_OK;
}

static enum ccid_err a_slot_status(struct iccd *i, const struct deadline *d)
{
	uint8_t status = 0;
	enum ccid_err err = icc_status(i, &status, d);

	if (err == CCID_OK && status == STATUS_MUTE)
		i->powered = false;
	return err;
}

/* ---- version B ---- */

static bool b_chain_parameter(uint8_t bResponseType)
{
	return bResponseType <= 0x03 || bResponseType == 0x10;
}

/* One DataBlock, in i->scratch. */
static enum ccid_err b_take(struct iccd *i, struct reply *r, size_t n, const struct deadline *d)
{
	const uint8_t *p = i->scratch;
	unsigned units;

	if (n == 0)
		return iccd_bad_field(i, "length of DataBlock", n);
	if (b_chain_parameter(p[0])) {
		/* An empty part would be asked for again and again; 10 is always empty. */
		if ((p[0] != 0x10) == (n == 1) || n - 1 > r->cap)
			return iccd_bad_field(i, "length of DataBlock", n);
		i->unfinished = false;
		memcpy(r->p, p + 1, n - 1);
		r->len = n - 1;
		r->bChain = p[0];
		return CCID_OK;
	}
	if (p[0] == RESPONSE_POLLING && n == 3) {
		units = get_le16(p + 1);
		return let_pass(i, (units ? units : 1) * MS_PER_POLL_UNIT, d);
	}
	if (p[0] == RESPONSE_STATUS && n == 3) {
		i->unfinished = false;
		iccd_fail(r, p[2]);
		return CCID_OK;
	}
	return iccd_bad_field(i, "bResponseType", p[0]);
}

static enum ccid_err b_run(struct iccd *i, struct reply *r, const struct deadline *d)
{
	size_t room = r->cap + 1, n;
	enum ccid_err err = CCID_OK;

	if (room > ICCD_TRANSFER_MAX)
		room = ICCD_TRANSFER_MAX;
	while (err == CCID_OK && i->unfinished) {
		err = request_in(i, DATA_BLOCK, i->scratch, room, &n, d);
		if (err == CCID_OK)
			err = b_take(i, r, n, d);
		wipe(i->scratch, room);
		/* an answer that cannot be understood is not asked for twice */
		if (err == CCID_ERR_COMM)
			i->unfinished = false;
	}
	return err;
}

/* wLevelParameter of the message is bLevelParameter here. */
static enum ccid_err b_xfr_block(struct iccd *i, const uint8_t *data, size_t len,
				 uint16_t wLevelParameter, const struct deadline *d)
{
	enum ccid_err err = request_out(i, XFR_BLOCK, (uint16_t)(wLevelParameter << 8), data, len,
					d);

	i->unfinished = true;
	return err;
}

static enum ccid_err b_slot_status(struct iccd *i, struct reply *r, const struct deadline *d)
{
	uint8_t status[3] = { 0 };
	size_t n;
	enum ccid_err err = request_in(i, SLOT_STATUS, status, sizeof status, &n, d);

	/* bStatus is what counts, and all that some tokens send */
	if (err == CCID_OK && n == 0)
		err = iccd_bad_field(i, "length of SlotStatus", n);
	if (err != CCID_OK)
		return err;
	i->powered = ccid_icc_state(status[0]) == ICC_PRESENT_ACTIVE;
	r->bStatus = status[0] & 0xC0;
	r->bError = status[1];
	r->bChain = status[2];	/* bClockStatus */
	return CCID_OK;
}

/* ---- both ---- */

static uint8_t answer_type(uint8_t type)
{
	switch (type) {
	case PC_TO_RDR_ICC_POWER_ON:
	case PC_TO_RDR_XFR_BLOCK:
	case PC_TO_RDR_SECURE:
		return RDR_TO_PC_DATA_BLOCK;
	case PC_TO_RDR_GET_PARAMETERS:
	case PC_TO_RDR_SET_PARAMETERS:
	case PC_TO_RDR_RESET_PARAMETERS:
		return RDR_TO_PC_PARAMETERS;
	case PC_TO_RDR_ESCAPE:
		return RDR_TO_PC_ESCAPE;
	case PC_TO_RDR_SET_DATA_RATE:
		return RDR_TO_PC_DATA_RATE;
	default:
		return RDR_TO_PC_SLOT_STATUS;
	}
}

static enum ccid_err iccd_exchange(struct iccd *i, struct reply *r, const struct deadline *d)
{
	enum ccid_err err;

	i->was_busy = false;
	err = i->version == CCID_PROTOCOL_ICCD_A ? a_run(i, r, d) : b_run(i, r, d);
	/* Busy until the deadline is not the same as silent until the deadline. */
	if (err == CCID_ERR_TIMEOUT && i->was_busy) {
		r->bStatus = COMMAND_TIME_EXTENSION << 6;
		r->bError = 1;
		err = CCID_OK;
	}
	if (err == CCID_OK && i->type == PC_TO_RDR_ICC_POWER_ON && !i->unfinished)
		i->powered = r->bStatus == 0;
	return err;
}

/* The device is unplugged or does not listen, which a refusal does not mean. */
static bool is_lost(enum ccid_err err)
{
	return err == CCID_ERR_NO_DEVICE || err == CCID_ERR_STALE || err == CCID_ERR_NOMEM ||
	       err == CCID_ERR_TIMEOUT;
}

static enum ccid_err power_off(struct iccd *i, const struct deadline *d)
{
	i->unfinished = false;
	i->powered = false;
	return request_out(i, ICC_POWER_OFF, 0, NULL, 0, d);
}

/* Power on begins with power off, which resets what the device keeps of commands; a device may
 * refuse to power off what is off. */
static enum ccid_err power_on(struct iccd *i, struct reply *r, const struct deadline *d)
{
	enum ccid_err err = power_off(i, d);

	if (is_lost(err))
		return err;
	if (i->version == CCID_PROTOCOL_ICCD_A)
		return a_power_on(i, r, d);
	err = request_out(i, ICC_POWER_ON, 1, NULL, 0, d);
	if (err != CCID_OK)
		return err;
	i->unfinished = true;
	return iccd_exchange(i, r, d);
}

/* The answer to a command that was given up comes first: it is read and dropped, lest it
 * become the answer to this one. */
static enum ccid_err drop_late_answer(struct iccd *i, struct reply *r, const struct deadline *d)
{
	struct reply late = { .p = r->p, .cap = r->cap };
	enum ccid_err err;

	i->out_left = 0;
	err = iccd_exchange(i, &late, d);
	wipe(r->p, late.len);
	if (err == CCID_OK && i->unfinished)
		iccd_fail(r, ERROR_BUSY);
	return err;
}

static enum ccid_err xfr_block(struct iccd *i, const uint8_t *msg, size_t len, struct reply *r,
			       const struct deadline *d)
{
	const uint8_t *data = msg + CCID_HEADER_LENGTH;
	enum ccid_err err = CCID_OK;

	if (i->unfinished)
		err = drop_late_answer(i, r, d);
	if (err || i->unfinished)
		return err;
	if (i->version == CCID_PROTOCOL_ICCD_A)
		err = a_xfr_block(i, data, len - CCID_HEADER_LENGTH, d);
	else
		err = b_xfr_block(i, data, len - CCID_HEADER_LENGTH, get_le16(msg + 8), d);
	return err != CCID_OK ? err : iccd_exchange(i, r, d);
}

static enum ccid_err dispatch(struct iccd *i, const uint8_t *msg, size_t len, struct reply *r,
			      const struct deadline *d)
{
	if (i->slot != 0) {
		iccd_fail(r, ERROR_SLOT);
		return CCID_OK;
	}
	switch (i->type) {
	case PC_TO_RDR_ICC_POWER_ON:
		return power_on(i, r, d);
	case PC_TO_RDR_ICC_POWER_OFF:
		return power_off(i, d);
	case PC_TO_RDR_GET_SLOT_STATUS:
		return i->version == CCID_PROTOCOL_ICCD_A ? a_slot_status(i, d)
							  : b_slot_status(i, r, d);
	case PC_TO_RDR_XFR_BLOCK:
		return xfr_block(i, msg, len, r, d);
	case PC_TO_RDR_ABORT:
		/* no part of the message has reached the device */
		return CCID_OK;
	default:
		iccd_fail(r, ERROR_NOT_SUPPORTED);
		return CCID_OK;
	}
}

static void finish_answer(const struct iccd *i, const struct reply *r, uint8_t *answer)
{
	struct ccid_msg m = {
		.bMessageType = answer_type(i->type),
		.dwLength = (uint32_t)r->len,
		.bSlot = i->slot,
		.bSeq = i->seq,
		.b7 = r->bStatus | (i->powered ? ICC_PRESENT_ACTIVE : ICC_PRESENT_INACTIVE),
		.b8 = r->bError,
		.b9 = r->bChain,
	};

	ccid_msg_encode(&m, answer);
}

static enum ccid_err answered(struct iccd *i, enum ccid_err err, const struct reply *r,
			      uint8_t *answer, size_t *answer_len)
{
	if (err != CCID_OK) {
		LOG(LOG_INFO, &i->log, "%s: %s", ccid_message_name(i->type), err_name(err));
		wipe(r->p, r->cap);
		return err;
	}
	finish_answer(i, r, answer);
	*answer_len = CCID_HEADER_LENGTH + r->len;
	return CCID_OK;
}

enum ccid_err iccd_message(struct iccd *i, const uint8_t *msg, size_t len, uint8_t *answer,
			   size_t cap, size_t *answer_len, const struct deadline *d)
{
	struct ccid_msg m;
	struct reply r = { .p = answer + CCID_HEADER_LENGTH, .cap = cap - CCID_HEADER_LENGTH };

	*answer_len = 0;
	if (cap < CCID_HEADER_LENGTH + SW_LENGTH || ccid_msg_decode(&m, msg, len) ||
	    m.dwLength != len - CCID_HEADER_LENGTH)
		return CCID_ERR_ARG;
	i->type = m.bMessageType;
	i->slot = m.bSlot;
	i->seq = m.bSeq;
	return answered(i, dispatch(i, msg, len, &r, d), &r, answer, answer_len);
}

enum ccid_err iccd_continue(struct iccd *i, uint8_t *answer, size_t cap, size_t *answer_len,
			    const struct deadline *d)
{
	struct reply r = { .p = answer + CCID_HEADER_LENGTH, .cap = cap - CCID_HEADER_LENGTH };

	*answer_len = 0;
	if (cap < CCID_HEADER_LENGTH + SW_LENGTH || !i->unfinished)
		return CCID_ERR_ARG;
	return answered(i, iccd_exchange(i, &r, d), &r, answer, answer_len);
}

enum ccid_err iccd_open(struct iccd *i, const struct iccd_pipe *pipe, uint8_t bInterfaceProtocol,
			uint8_t bInterfaceNumber, const struct log_ctx *log,
			const struct deadline *d)
{
	uint8_t atr[64];
	struct reply r = { .p = atr, .cap = sizeof atr };
	enum ccid_err err;

	memset(i, 0, sizeof *i);
	i->pipe = *pipe;
	i->version = bInterfaceProtocol;
	i->interface = bInterfaceNumber;
	i->log = *log;
	i->type = PC_TO_RDR_ICC_POWER_ON;

	/* A dead card may refuse to power on. */
	err = power_on(i, &r, d);
	if (!is_lost(err) && i->unfinished)
		err = CCID_ERR_TIMEOUT;	/* busy all the time */
	if (!is_lost(err))
		err = power_off(i, d);
	return is_lost(err) ? err : CCID_OK;
}

void iccd_fix_desc(struct ccid_desc *d)
{
	uint32_t level = d->dwFeatures & CCID_FEATURE_LEVEL_MASK;

	/* A USB ICC has no line between reader and card, so no parameters to set. */
	d->dwFeatures |= CCID_FEATURE_AUTO_ATR_CONFIG | CCID_FEATURE_AUTO_VOLTAGE |
			 CCID_FEATURE_AUTO_CLOCK | CCID_FEATURE_AUTO_BAUD |
			 CCID_FEATURE_AUTO_PARAM_NEGOTIATION | CCID_FEATURE_AUTO_PPS;
	d->bMaxSlotIndex = 0;
	d->bMaxCCIDBusySlots = 1;
	d->bPINSupport = 0;
	if (d->bInterfaceProtocol == CCID_PROTOCOL_ICCD_A) {
		level = CCID_FEATURE_TPDU;
		d->dwProtocols = 1;	/* T=0: header, data and SW go apart */
		if (d->dwMaxCCIDMessageLength < ICCD_A_MESSAGE)
			d->dwMaxCCIDMessageLength = ICCD_A_MESSAGE;
	} else if (level != CCID_FEATURE_TPDU) {
		/* version B has no characters: whole APDUs, chained when they are long */
		level = CCID_FEATURE_EXTENDED_APDU;
	}
	d->dwFeatures = (d->dwFeatures & ~CCID_FEATURE_LEVEL_MASK) | level;
	if (d->dwMaxCCIDMessageLength < CCID_HEADER_LENGTH + 1)
		d->dwMaxCCIDMessageLength = ICCD_A_MESSAGE;
	if (d->dwMaxCCIDMessageLength > CCID_HEADER_LENGTH + ICCD_TRANSFER_MAX)
		d->dwMaxCCIDMessageLength = CCID_HEADER_LENGTH + ICCD_TRANSFER_MAX;
}
