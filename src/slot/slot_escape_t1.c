/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* T=1 blocks in Escape commands: 1A and one block, NAD 00; the answer likewise. The reader speaks
 * T=1 by itself for short APDUs and keeps numbers of its own, so the block numbers of this side
 * hold only until it has spoken. */
#include "slot/slot_escape_t1.h"

#include "proto/apdu.h"
#include "slot/slot_exchange.h"
#include "util/buf.h"

#include <string.h>

#define PREFIX 0x1A

bool slot_escapes(const struct slot *s, const uint8_t *apdu, size_t len)
{
	struct apdu a;

	if (!quirk_has(&s->reader->quirks, QUIRK_ESCAPE_T1) || s->params.protocol != 1 ||
	    s->params.exchange.level != LEVEL_SHORT_APDU || s->t1.dead)
		return false;
	a = apdu_parse(apdu, len);
	return apdu_is_extended(&a);
}

void slot_reader_speaks(struct slot *s)
{
	if (s->params.exchange.level != LEVEL_SHORT_APDU)
		return;
	/* A card without S(RESYNCH) may happen to be where this side is. */
	s->t1.unsettled = s->t1.doubtful = true;
}

/* Bytes that are not a block of the card are judged, and asked for again, as a damaged one. */
static enum ccid_err by_escape(struct slot *s, const struct exchange_step *step, unsigned wait_ms,
			       struct ccid_block *in)
{
	uint8_t data[1 + T1_BLOCK_MAX] = { PREFIX };
	enum ccid_err err;

	memcpy(data + 1, step->data, step->len);
	err = ccid_escape_block(&s->ccid, data, step->len + 1, wait_ms, in);
	wipe(data, sizeof data);
	if (err != CCID_OK)
		return err;
	s->carries_blocks = true;
	in->bChainParameter = 0;
	if (in->len == 0 || in->data[0] != PREFIX) {
		in->len = 0;
		return CCID_OK;
	}
	in->data++;
	in->len--;
	return CCID_OK;
}

/* S(RESYNCH) takes both sides back to N(S) 0, and the card to the IFSD that it began with (ISO
 * 7816-3:2006 11.6.3.2 rule 6), which the reader had raised. */
static enum ccid_err in_step(struct slot *s, const struct exchange_config *cfg)
{
	struct exchange_step step = exchange_begin_resynch(&s->exchange, cfg, &s->t1);
	size_t none;
	enum ccid_err err = slot_run_exchange_by(by_escape, s, step, 0, &none);

	if (err != CCID_OK)
		return err;
	step = exchange_begin_ifsd(&s->exchange, cfg, &s->t1, s->params.ifsd);
	err = slot_run_exchange_by(by_escape, s, step, 0, &none);
	/* A card that refuses keeps the smaller blocks. */
	return err == CCID_ERR_NO_DEVICE || err == CCID_ERR_STALE ? err : CCID_OK;
}

enum ccid_err slot_escape_apdu(struct slot *s, const uint8_t *apdu, size_t len, uint8_t *answer,
			       size_t cap, size_t *answer_len)
{
	struct exchange_config cfg = s->params.exchange;
	struct exchange_step step;
	enum ccid_err err = CCID_OK;

	cfg.level = LEVEL_TPDU;
	cfg.max_data--;		/* the prefix */
	s->t1.nad = 0;
	*answer_len = 0;
	if (s->t1.unsettled)
		err = in_step(s, &cfg);
	if (err != CCID_OK)
		return err;
	step = exchange_begin(&s->exchange, &cfg, &s->t1, apdu, len, answer, cap);
	err = slot_run_exchange_by(by_escape, s, step, 0, answer_len);
	/* one that was refused on the way is not begun again: the card may have all of it */
	return err == CCID_ERR_NOT_SUPPORTED && s->carries_blocks ? CCID_ERR_COMM : err;
}
