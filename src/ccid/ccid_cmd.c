/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The commands, each one round trip. */
#include "ccid/ccid_cmd.h"

#include "ccid/ccid_resync.h"

#include <string.h>

#define BUSY_RETRY_MS 10u
#define BUSY_PATIENCE_MS 30000u

/* dwMaxCCIDMessageLength limits what is for the card: readers are seen to claim less than their
 * own commands need (Elatec TWN4: 64). */
static size_t data_room(const struct ccid_slot *cs, const struct ccid_command *c)
{
	size_t room = CCID_MESSAGE_MAX - CCID_HEADER_LENGTH;
	size_t told = cs->desc->dwMaxCCIDMessageLength;

	told = told > CCID_HEADER_LENGTH ? told - CCID_HEADER_LENGTH : 0;
	if (c->type != PC_TO_RDR_XFR_BLOCK && c->type != PC_TO_RDR_SECURE)
		return room;
	return told < room ? told : room;
}

/* The slot still works for an earlier user, perhaps another program. */
static enum ccid_err until_not_busy(struct ccid_slot *cs, const struct ccid_command *c,
				    struct ccid_answer *a, bool *lost)
{
	struct deadline patience = { UINT64_MAX };
	enum ccid_err err;

	for (;;) {
		err = ccid_trip(cs, c, &ccid_never, a, lost);
		if (err != CCID_ERR_BUSY || cs->bError != BERROR_SLOT_BUSY ||
		    deadline_passed(&patience))
			return err;
		if (patience.at_ns == UINT64_MAX)
			patience = deadline_in_ms(c->wait_ms < BUSY_PATIENCE_MS ?
						  c->wait_ms : BUSY_PATIENCE_MS);
		cs->bError = 0;
		deadline_sleep_ms(&patience, BUSY_RETRY_MS);
	}
}

static enum ccid_err round_trip(struct ccid_slot *cs, const struct ccid_command *c,
				struct ccid_answer *a)
{
	enum ccid_err err;
	uint8_t bError;
	bool lost;

	*a = (struct ccid_answer){ .data = cs->answer };
	cs->bError = 0;
	if (c->len > data_room(cs, c)) {
		LOG(LOG_INFO, &cs->log, "%s of %zu bytes: dwMaxCCIDMessageLength is %u",
		    ccid_message_name(c->type), c->len, cs->desc->dwMaxCCIDMessageLength);
		return CCID_ERR_TOO_LONG;
	}
	err = ccid_make_room(cs, c->len);
	if (err == CCID_OK && cs->link == CCID_ANSWER_OWED)
		err = ccid_resync(cs, c->place_ms, c->no_queue);
	if (err != CCID_OK)
		return err;
	err = until_not_busy(cs, c, a, &lost);
	if (lost && ccid_is_over(err)) {
		/* The slot was perhaps closed in mid-command: the reader may still be working on
		 * that command. */
		cs->link = CCID_ANSWER_OWED;
	} else if (lost) {
		LOG(LOG_INFO, &cs->log, "%s ended without its answer (%s): resynchronising",
		    ccid_message_name(c->type), err_name(err));
		bError = cs->bError;
		ccid_resync(cs, CCID_RESYNC_MS, false);
		cs->bError = bError;
		cs->refused = false;
		if (err == CCID_ERR_NO_CARD)
			cs->icc_state = ICC_ABSENT;
	} else if (err != CCID_OK &&
		   (cs->bError == BERROR_ABORTED || cs->bError == BERROR_SLOT_BUSY)) {
		/* Not aborted by this driver: half of an earlier ABORT was lost, or the slot is
		 * still busy. */
		bError = cs->bError;
		ccid_resync(cs, CCID_RESYNC_MS, false);
		cs->bError = bError;
		cs->refused = true;
	} else {
		err = ccid_doubt(cs, c, err);
	}
	return err;
}

/* Copies an answer's data out: never more than cap, *len is the whole length. */
static enum ccid_err give(struct ccid_slot *cs, const struct ccid_answer *a, uint8_t *out,
			  size_t cap, size_t *len)
{
	size_t n = a->len < cap ? a->len : cap;

	if (n > 0)
		memcpy(out, a->data, n);
	*len = a->len;
	ccid_forget(cs);
	if (a->len <= cap)
		return CCID_OK;
	LOG(LOG_INFO, &cs->log, "%s of %zu bytes: there is room for %zu",
	    ccid_message_name(a->head.bMessageType), a->len, cap);
	return CCID_ERR_OVERFLOW;
}

/* The card's state is in every answer, also in one that says the command failed: firmware derived
 * from STMicroelectronics' sample refuses until the first power off. But there may be no such slot
 * (05), or one that is not in order (E0, FF). */
static enum ccid_err status_from(const struct ccid_slot *cs, enum ccid_err err)
{
	if (!cs->refused || cs->icc_state > ICC_ABSENT || ccid_is_over(err))
		return err;
	if (cs->icc_state == ICC_ABSENT || err == CCID_ERR_MUTE)
		return CCID_OK;
	return cs->bError == BERROR_NO_SLOT || cs->bError == BERROR_SLOT_BUSY ||
	       cs->bError == BERROR_ABORTED ? err : CCID_OK;
}

enum ccid_err ccid_get_slot_status(struct ccid_slot *cs, unsigned wait_ms)
{
	struct ccid_command c = { .type = PC_TO_RDR_GET_SLOT_STATUS,
				  .expect = RDR_TO_PC_SLOT_STATUS, .unused = true,
				  .wait_ms = wait_ms, .total_ms = wait_ms,
				  .place_ms = CCID_PLACE_MS };
	struct ccid_answer a;

	return status_from(cs, round_trip(cs, &c, &a));
}

enum ccid_err ccid_look(struct ccid_slot *cs)
{
	struct ccid_command c = { .type = PC_TO_RDR_GET_SLOT_STATUS,
				  .expect = RDR_TO_PC_SLOT_STATUS, .unused = true,
				  .no_queue = cs->icc_state != ICC_UNKNOWN,
				  .place_ms = CCID_COMMAND_MS, .wait_ms = CCID_COMMAND_MS,
				  .total_ms = CCID_COMMAND_MS };
	struct ccid_answer a;

	return status_from(cs, round_trip(cs, &c, &a));
}

enum ccid_err ccid_power_on(struct ccid_slot *cs, uint8_t bPowerSelect, uint8_t *atr, size_t cap,
			    size_t *len)
{
	struct ccid_command c = { .type = PC_TO_RDR_ICC_POWER_ON, .expect = RDR_TO_PC_DATA_BLOCK,
				  .b7 = bPowerSelect, .wait_ms = CCID_POWER_ON_MS,
				  .total_ms = CCID_TOTAL_MS,
				  .place_ms = CCID_PLACE_MS, .needs_card = true };
	struct ccid_answer a;
	enum ccid_err err = round_trip(cs, &c, &a);

	*len = 0;
	if (err != CCID_OK)
		return err;
	/* An ATR longer than 33 bytes is cut, not refused. */
	err = give(cs, &a, atr, cap, len);
	if (*len > cap)
		*len = cap;
	return err == CCID_ERR_OVERFLOW ? CCID_OK : err;
}

enum ccid_err ccid_power_off(struct ccid_slot *cs)
{
	struct ccid_command c = { .type = PC_TO_RDR_ICC_POWER_OFF, .expect = RDR_TO_PC_SLOT_STATUS,
				  .unused = true,
				  .wait_ms = CCID_COMMAND_MS, .total_ms = CCID_COMMAND_MS,
				  .place_ms = CCID_PLACE_MS };
	struct ccid_answer a;

	return round_trip(cs, &c, &a);
}

void ccid_power_off_briefly(struct ccid_slot *cs, unsigned wait_ms)
{
	struct ccid_command c = { .type = PC_TO_RDR_ICC_POWER_OFF, .expect = RDR_TO_PC_SLOT_STATUS,
				  .wait_ms = wait_ms, .total_ms = wait_ms, .place_ms = wait_ms };
	struct deadline end = deadline_in_ms(wait_ms);
	struct ccid_answer a;
	enum ccid_err err;
	bool lost;

	cs->bError = 0;
	err = ccid_trip(cs, &c, &end, &a, &lost);
	ccid_forget(cs);
	/* No busy place became free: the reader is working for another slot, or dead. */
	cs->link = lost || err == CCID_ERR_TIMEOUT ? CCID_ANSWER_OWED : CCID_IN_STEP;
}

static enum ccid_err block_trip(struct ccid_slot *cs, const struct ccid_command *c,
				struct ccid_block *out)
{
	struct ccid_answer a;
	enum ccid_err err = round_trip(cs, c, &a);

	*out = (struct ccid_block){ .data = a.data };
	/* The card is mute because it has no power: another block would not help. */
	if (err == CCID_ERR_MUTE && cs->icc_state == ICC_PRESENT_INACTIVE)
		return CCID_ERR_POWER;
	if (err != CCID_OK)
		return err;
	out->len = a.len;
	out->bChainParameter = a.head.b9;
	return CCID_OK;
}

enum ccid_err ccid_escape_block(struct ccid_slot *cs, const uint8_t *data, size_t len,
				unsigned wait_ms, struct ccid_block *out)
{
	struct ccid_command c = { .type = PC_TO_RDR_ESCAPE, .expect = RDR_TO_PC_ESCAPE,
				  .data = data, .len = len,
				  .wait_ms = wait_ms, .total_ms = CCID_TOTAL_MS,
				  .place_ms = CCID_PLACE_MS, .needs_card = true };

	return block_trip(cs, &c, out);
}

enum ccid_err ccid_xfr_block(struct ccid_slot *cs, const uint8_t *data, size_t len, uint8_t bBWI,
			     uint16_t wLevelParameter, unsigned wait_ms, struct ccid_block *out)
{
	struct ccid_command c = { .type = PC_TO_RDR_XFR_BLOCK, .expect = RDR_TO_PC_DATA_BLOCK,
				  .b7 = bBWI, .b8 = (uint8_t)wLevelParameter,
				  .b9 = (uint8_t)(wLevelParameter >> 8), .data = data, .len = len,
				  .wait_ms = wait_ms, .total_ms = CCID_TOTAL_MS,
				  .place_ms = CCID_PLACE_MS, .needs_card = true };

	return block_trip(cs, &c, out);
}

enum ccid_err ccid_set_parameters(struct ccid_slot *cs, uint8_t protocol, const uint8_t *params,
				  size_t len)
{
	struct ccid_command c = { .type = PC_TO_RDR_SET_PARAMETERS, .expect = RDR_TO_PC_PARAMETERS,
				  .unused = true, .b7 = protocol, .data = params, .len = len,
				  .wait_ms = CCID_COMMAND_MS, .total_ms = CCID_TOTAL_MS,
				  .place_ms = CCID_PLACE_MS, .needs_card = true };
	struct ccid_answer a;
	enum ccid_err err = round_trip(cs, &c, &a);

	if (err == CCID_OK || cs->bError == 0 || cs->bError > 0x7F)
		return err;
	LOG(LOG_INFO, &cs->log, "parameter %u cannot be changed: used as it is", cs->bError);
	return CCID_OK;
}

enum ccid_err ccid_escape(struct ccid_slot *cs, const uint8_t *data, size_t len, unsigned wait_ms,
			  uint8_t *out, size_t cap, size_t *out_len)
{
	struct ccid_command c = { .type = PC_TO_RDR_ESCAPE, .expect = RDR_TO_PC_ESCAPE,
				  .data = data, .len = len,
				  .wait_ms = wait_ms, .total_ms = CCID_TOTAL_MS,
				  .place_ms = CCID_PLACE_MS };
	struct ccid_answer a;
	enum ccid_err err = round_trip(cs, &c, &a);

	*out_len = 0;
	return err == CCID_OK ? give(cs, &a, out, cap, out_len) : err;
}

bool ccid_pin_sw2(const struct ccid_slot *cs, uint8_t *sw2)
{
	*sw2 = cs->bError == BERROR_PIN_CANCELLED ? 0x01 : 0x00;
	return cs->refused &&
	       (cs->bError == BERROR_PIN_CANCELLED || cs->bError == BERROR_PIN_TIMEOUT);
}

enum ccid_err ccid_secure(struct ccid_slot *cs, uint8_t bBWI, uint16_t wLevelParameter,
			  const uint8_t *data, size_t len, unsigned wait_ms,
			  uint8_t *out, size_t cap, size_t *out_len, bool *not_sent)
{
	struct ccid_command c = { .type = PC_TO_RDR_SECURE, .expect = RDR_TO_PC_DATA_BLOCK,
				  .b7 = bBWI, .b8 = (uint8_t)wLevelParameter,
				  .b9 = (uint8_t)(wLevelParameter >> 8),
				  .data = data, .len = len, .wait_ms = wait_ms, .total_ms = wait_ms,
				  .place_ms = CCID_PLACE_MS, .needs_card = true };
	struct ccid_answer a;
	enum ccid_err err = round_trip(cs, &c, &a);

	uint8_t sw2;

	*out_len = 0;
	*not_sent = err != CCID_OK;
	if (err == CCID_OK)
		return give(cs, &a, out, cap, out_len);
	if (!ccid_pin_sw2(cs, &sw2))
		return err;
	if (cap < 2)
		return CCID_ERR_OVERFLOW;
	out[0] = 0x64;
	out[1] = sw2;
	*out_len = 2;
	return CCID_OK;
}
