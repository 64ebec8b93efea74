/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "slot/pinpad.h"
#include "proto/t1.h"
#include "slot/features.h"
#include "slot/gemalto.h"
#include "slot/slot_exchange.h"
#include "slot/slot_power.h"
#include "slot/slot_protocol.h"
#include "util/buf.h"

#include <string.h>

#define PIN_WAIT_S 90u			/* least time for a PIN entry */
#define PIN_WAIT_MARGIN_S 10u		/* the reader's own time, on top of bTimeOut */
#define ENTER_RELEASE_MS 250u
#define APDU_MIN 4			/* CLA INS P1 P2 */
#define SW_LENGTH 2
#define BLOCK_MAX 300			/* T=1: 3 + 254 + 2, and a margin */

#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define HOST_IS_BIG_ENDIAN true
#else
#define HOST_IS_BIG_ENDIAN false
#endif

static uint32_t swap32(uint32_t v)
{
	return v >> 24 | (v >> 8 & 0xFF00u) | (v << 8 & 0xFF0000u) | v << 24;
}

static uint16_t swap16(uint16_t v)
{
	return (uint16_t)(v >> 8 | v << 8);
}

/* The fields in the order of the structures (PC/SC part 10 §2.5.2, §2.5.3): MODIFY has a few
 * more. */
static void pinpad_read(struct pin_request *r, struct rbuf *b, uint32_t *ulDataLength)
{
	bool modify = r->operation == PIN_OPERATION_MODIFY;

	r->bTimeOut = rbuf_u8(b);
	rbuf_u8(b);		/* bTimeOut2: not in the CCID message */
	r->bmFormatString = rbuf_u8(b);
	r->bmPINBlockString = rbuf_u8(b);
	r->bmPINLengthFormat = rbuf_u8(b);
	r->bInsertionOffsetOld = modify ? rbuf_u8(b) : 0;
	r->bInsertionOffsetNew = modify ? rbuf_u8(b) : 0;
	r->wPINMaxExtraDigit = rbuf_le16(b);
	r->bConfirmPIN = modify ? rbuf_u8(b) : 0;
	r->bEntryValidationCondition = rbuf_u8(b);
	r->bNumberMessage = rbuf_u8(b);
	r->wLangId = rbuf_le16(b);
	r->bMsgIndex[0] = rbuf_u8(b);
	r->bMsgIndex[1] = modify ? rbuf_u8(b) : 0;
	r->bMsgIndex[2] = modify ? rbuf_u8(b) : 0;
	for (int i = 0; i < 3; i++)
		r->bTeoPrologue[i] = rbuf_u8(b);
	*ulDataLength = rbuf_le32(b);
}

enum ccid_err pinpad_parse(struct pin_request *r, enum pin_operation operation,
			   const uint8_t *in, size_t len, bool big_host)
{
	struct rbuf b = rbuf_of(in, len);
	uint32_t ulDataLength;

	*r = (struct pin_request){ .operation = operation };
	pinpad_read(r, &b, &ulDataLength);
	if (b.bad || b.left < APDU_MIN || b.left > PIN_APDU_MAX)
		return CCID_ERR_NOT_SUPPORTED;
	if (big_host && ulDataLength != b.left && swap32(ulDataLength) == b.left) {
		ulDataLength = swap32(ulDataLength);
		r->wPINMaxExtraDigit = swap16(r->wPINMaxExtraDigit);
		r->wLangId = swap16(r->wLangId);
	}
	if (ulDataLength != b.left)
		return CCID_ERR_NOT_SUPPORTED;
	r->apdu = b.p;
	r->apdu_len = b.left;
	return CCID_OK;
}

static void adapt_condition(struct pin_request *r, const struct reader *reader)
{
	/* A Cherry keyboard crashes on undefined values: no reader is sent any. */
	if (r->bEntryValidationCondition == 0 || r->bEntryValidationCondition > 7)
		r->bEntryValidationCondition = 2;
	if (reader->has_gemalto_features)
		r->bEntryValidationCondition &= reader->gemalto_features[GEMALTO_ENTRY_CONDITION];
	if (r->bEntryValidationCondition == 0 ||
	    quirk_has(&reader->quirks, QUIRK_PIN_ENTRY_CONDITION_2))
		r->bEntryValidationCondition = 2;
}

static void adapt_verify(struct pin_request *r, const struct quirk_set *q)
{
	r->n_indexes = 1;
	if (quirk_has(q, QUIRK_PIN_VERIFY_MESSAGES_1))
		r->bNumberMessage = 1;
	if (quirk_has(q, QUIRK_PIN_VERIFY_MESSAGES_0))
		r->bNumberMessage = 0;
	if (quirk_has(q, QUIRK_PIN_SWAP_MAX_EXTRA_DIGIT))
		r->wPINMaxExtraDigit = swap16(r->wPINMaxExtraDigit);
}

static void adapt_modify(struct pin_request *r, const struct reader *reader)
{
	const struct quirk_set *q = &reader->quirks;

	if (quirk_has(q, QUIRK_PIN_MODIFY_MESSAGES_3))
		r->bNumberMessage = 3;
	if (quirk_has(q, QUIRK_PIN_MODIFY_MESSAGES_FF) && r->bNumberMessage == 0)
		r->bNumberMessage = 0xFF;
	/* CCID 1.10 §6.1.11.7: bMsgIndex2 and bMsgIndex3 are there when they are used. FF, the
	 * reader's own choice of messages, may need them all: libccid sends three as well. */
	r->n_indexes = r->bNumberMessage == 0 ? 1 : r->bNumberMessage < 3 ? 2 : 3;
	if (quirk_has(q, QUIRK_PIN_MODIFY_ALL_INDEXES) &&
	    !gemalto_has(reader, GEMALTO_NUMBER_MESSAGE_FIX))
		r->n_indexes = 3;
	if (quirk_has(q, QUIRK_PIN_MODIFY_THREE_INDEXES)) {
		r->bNumberMessage = 0;
		r->n_indexes = 3;
		memset(r->bMsgIndex, 0, sizeof r->bMsgIndex);
	}
}

void pinpad_adapt(struct pin_request *r, const struct reader *reader)
{
	adapt_condition(r, reader);
	if (r->operation == PIN_OPERATION_VERIFY)
		adapt_verify(r, &reader->quirks);
	else
		adapt_modify(r, reader);
}

size_t pinpad_build(const struct pin_request *r, uint8_t out[PIN_MESSAGE_MAX])
{
	bool modify = r->operation == PIN_OPERATION_MODIFY;
	struct wbuf w = wbuf_of(out, PIN_MESSAGE_MAX);

	wbuf_u8(&w, (uint8_t)r->operation);
	wbuf_u8(&w, r->bTimeOut);
	wbuf_u8(&w, r->bmFormatString);
	wbuf_u8(&w, r->bmPINBlockString);
	wbuf_u8(&w, r->bmPINLengthFormat);
	if (modify) {
		wbuf_u8(&w, r->bInsertionOffsetOld);
		wbuf_u8(&w, r->bInsertionOffsetNew);
	}
	wbuf_le16(&w, r->wPINMaxExtraDigit);
	if (modify)
		wbuf_u8(&w, r->bConfirmPIN);
	wbuf_u8(&w, r->bEntryValidationCondition);
	wbuf_u8(&w, r->bNumberMessage);
	wbuf_le16(&w, r->wLangId);
	wbuf_bytes(&w, r->bMsgIndex, r->n_indexes);
	wbuf_bytes(&w, r->bTeoPrologue, sizeof r->bTeoPrologue);
	wbuf_bytes(&w, r->apdu, r->apdu_len);
	return w.bad ? 0 : w.len;
}

unsigned pinpad_wait_ms(uint8_t bTimeOut)
{
	unsigned s = bTimeOut + PIN_WAIT_MARGIN_S;

	return (s > PIN_WAIT_S ? s : PIN_WAIT_S) * 1000u;
}

/* Preparations that some readers need before the command. */
static enum ccid_err pinpad_prepare(struct slot *s, const struct pin_request *r)
{
	static const uint8_t append_mode[] = { 0x80, 0x02, 0x00 };
	const struct quirk_set *q = &s->reader->quirks;
	uint8_t out[16];
	size_t out_len;

	if (r->operation != PIN_OPERATION_VERIFY)
		return CCID_OK;
	if (quirk_has(q, QUIRK_PIN_WAIT_ENTER_RELEASE)) {
		struct deadline d = deadline_in_ms(ENTER_RELEASE_MS);

		deadline_sleep_ms(&d, ENTER_RELEASE_MS);
	}
	if (quirk_has(q, QUIRK_PIN_APPEND_MODE) && (r->bmPINBlockString & 0x0F) == 0 &&
	    r->apdu_len == APDU_MIN)
		return ccid_escape(&s->ccid, append_mode, sizeof append_mode, CCID_ESCAPE_MS,
				   out, sizeof out, &out_len);
	return CCID_OK;
}

/* Takes the answer out of the T=1 block in out, which becomes the information field. The card may
 * ask for more time first (ISO 7816-3:2006 §11.6.2.3). */
static enum ccid_err unwrap(struct slot *s, uint8_t *out, size_t cap, size_t *out_len,
			    const struct deadline *d)
{
	struct ccid_block block = { .data = out, .len = *out_len };
	const uint8_t *inf;
	size_t inf_len, reply_len;
	uint8_t reply[6], wtx;
	enum ccid_err err;

	*out_len = 0;
	for (;;) {
		err = t1_secure_answer(&s->t1, block.data, block.len, &inf, &inf_len,
				       &wtx, reply, &reply_len);
		if (err || wtx == 0)
			break;
		err = deadline_passed(d) ? CCID_ERR_TIMEOUT :
		      ccid_xfr_block(&s->ccid, reply, reply_len, wtx, 0,
				     (unsigned)deadline_left_ms(d), &block);
		if (err != CCID_OK) {
			s->t1.unsettled = true;
			break;
		}
	}
	if (err == CCID_ERR_PROTOCOL)
		LOG(LOG_INFO, &s->ccid.log, "PIN entry: no answer block, length %zu, PCB 0x%02X",
		    block.len, block.len > 1 ? block.data[1] : 0u);
	if (err == CCID_OK && inf_len > cap)
		err = CCID_ERR_OVERFLOW;
	if (err == CCID_OK) {
		memmove(out, inf, inf_len);
		*out_len = inf_len;
	}
	ccid_forget(&s->ccid);
	return err;
}

/* Can the reader build a block of len bytes? The card must expect the N(S) that the driver gives
 * the reader. */
static enum ccid_err prepare_t1(struct slot *s, size_t len)
{
	enum ccid_err err = CCID_OK;
	struct exchange_step step;
	size_t none;

	if (s->t1.dead)
		return CCID_ERR_COMM;
	if (s->t1.unsettled) {
		step = exchange_begin_resynch(&s->exchange, &s->params.exchange, &s->t1);
		err = slot_run_exchange(s, step, 0, &none);
	}
	if (err == CCID_OK && len > s->t1.ifsc)
		err = CCID_ERR_NOT_SUPPORTED;
	return err;
}

/* Sends the command; answer bytes to out. */
static enum ccid_err exchange_secure(struct slot *s, struct pin_request *r, uint8_t *out,
				     size_t cap, size_t *out_len)
{
	bool block = s->card == CARD_READY && s->params.protocol == 1 &&
		     s->params.exchange.level == LEVEL_TPDU;
	unsigned wait_ms = pinpad_wait_ms(r->bTimeOut);
	struct deadline d = deadline_in_ms(wait_ms);
	uint8_t message[PIN_MESSAGE_MAX];
	bool not_sent = false;
	enum ccid_err err;
	size_t len;

	if (block) {
		err = prepare_t1(s, r->apdu_len);
		if (err != CCID_OK)
			return err;
		t1_secure_prologue(&s->t1, r->bTeoPrologue, (uint8_t)r->apdu_len);
	}
	len = pinpad_build(r, message);
	err = ccid_secure(&s->ccid, 0, 0, message, len, wait_ms, out, cap, out_len, &not_sent);
	wipe(message, sizeof message);
	if (s->params.exchange.level == LEVEL_SHORT_APDU)
		s->t1.unsettled = s->t1.doubtful = true;	/* the reader has its own T=1 */
	if (!block)
		return err;
	if (not_sent)
		t1_secure_unsent(&s->t1);
	/* The reader refused the command, or it is unknown how far the block came. What says
	 * "cancelled" or "not supported" when the card has it all the same must not make its answer
	 * that of the next command. */
	s->t1.doubtful = not_sent && (err == CCID_OK || err == CCID_ERR_NOT_SUPPORTED);
	s->t1.unsettled = s->t1.unsettled || not_sent || err != CCID_OK;
	if (err || not_sent)
		return err;
	return unwrap(s, out, cap, out_len, &d);
}

/* Is there a powered card behind this slot, with its protocol settled? */
static enum ccid_err card_ready(struct slot *s)
{
	unsigned now = __atomic_load_n(&s->reader->transport->generation, __ATOMIC_ACQUIRE);

	if (s->card == CARD_OFF || s->generation != now)
		return slot_why_no_power(s);
	return slot_ensure_protocol(s);
}

static enum ccid_err run_locked(struct slot *s, struct pin_request *r,
				uint8_t *answer, size_t cap, size_t *answer_len)
{
	uint8_t out[BLOCK_MAX];
	size_t out_len = 0;
	enum ccid_err err;

	if (reader_is_gone(s->reader))
		return CCID_ERR_NO_DEVICE;
	pinpad_adapt(r, s->reader);
	err = card_ready(s);
	if (err == CCID_OK)
		err = pinpad_prepare(s, r);
	if (err == CCID_OK)
		err = exchange_secure(s, r, out, sizeof out, &out_len);
	if (err == CCID_OK && out_len < SW_LENGTH) {
		LOG(LOG_INFO, &s->ccid.log, "PIN entry: answer of %zu bytes", out_len);
		err = CCID_ERR_PROTOCOL;
	}
	err = slot_recover(s, err);
	if (err == CCID_OK && out_len > cap)
		err = CCID_ERR_SHORT_BUFFER;
	if (err == CCID_OK && out_len > 0)
		memcpy(answer, out, out_len);
	if (err == CCID_OK)
		*answer_len = out_len;
	wipe(out, sizeof out);
	return err;
}

static enum ccid_err pinpad_run(struct slot *s, enum pin_operation operation, bool offered,
				const uint8_t *in, size_t len, uint8_t *answer, size_t cap,
				size_t *answer_len)
{
	struct pin_request r;
	enum ccid_err err = CCID_ERR_NOT_SUPPORTED;

	*answer_len = 0;
	if (offered)
		err = pinpad_parse(&r, operation, in, len, HOST_IS_BIG_ENDIAN);
	if (err != CCID_OK) {
		LOG(LOG_CRITICAL, &s->ccid.log, "PIN structure of %zu bytes refused: %s", len,
		    offered ? "wrong length" : "the reader has no such PIN pad");
		return err;
	}
	slot_enter(s);
	err = run_locked(s, &r, answer, cap, answer_len);
	slot_leave(s);
	wipe(&r, sizeof r);
	return err;
}

enum ccid_err slot_pin_verify(struct slot *s, const uint8_t *in, size_t len,
			      uint8_t *answer, size_t cap, size_t *answer_len)
{
	return pinpad_run(s, PIN_OPERATION_VERIFY, features_has_pin_verify(s), in, len, answer, cap,
			  answer_len);
}

enum ccid_err slot_pin_modify(struct slot *s, const uint8_t *in, size_t len,
			      uint8_t *answer, size_t cap, size_t *answer_len)
{
	return pinpad_run(s, PIN_OPERATION_MODIFY, features_has_pin_modify(s), in, len, answer, cap,
			  answer_len);
}
