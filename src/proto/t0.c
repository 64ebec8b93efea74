/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/t0.h"
#include "proto/apdu.h"

#include <string.h>

/* T=0 (ISO 7816-3:2006 §10, §12.2): at TPDU level the reader handles the procedure bytes, at
 * character level this machine. 61xx and 6Cxx are left to the application. */

#define T0_HEADER 5		/* CLA INS P1 P2 P3 */
#define T0_NULL 0x60
/* A card that needs minutes sends NULL about once a second; a fast one perhaps ten times. */
#define T0_NULLS_MAX 5000

enum t0_phase { T0_PROCEDURE, T0_SEND, T0_DATA, T0_SW2 };

/* APDUs that cannot be a T=0 TPDU. */
static enum ccid_err t0_refuse(const struct exchange *x, const struct apdu *a)
{
	if (apdu_is_extended(a))
		return CCID_ERR_NOT_SUPPORTED;
	return x->apdu_len < T0_HEADER - 1 ? CCID_ERR_ARG : CCID_OK;
}

/* The TPDU is the APDU, but for the Le of case 4, which T=0 has no place for (§12.2.4): the
 * application fetches the answer with GET RESPONSE. */
static struct exchange_step t0_tpdu_begin(struct exchange *x)
{
	struct apdu a = apdu_parse(x->apdu, x->apdu_len);
	struct exchange_step step = { .verdict = STEP_SEND, .data = x->apdu, .len = x->apdu_len };
	enum ccid_err err = t0_refuse(x, &a);

	if (err != CCID_OK)
		return exchange_fail(x, err);
	if (a.shape == APDU_4S)
		step.len--;
	if (a.shape == APDU_1 && x->cfg->case1_needs_p3) {
		memcpy(x->scratch, x->apdu, x->apdu_len);
		x->scratch[x->apdu_len] = 0;
		x->scratch_len = T0_HEADER;
		step.data = x->scratch;
		step.len = x->scratch_len;
	}
	if (step.len > x->cfg->max_data)
		return exchange_fail(x, CCID_ERR_TOO_LONG);
	step.wait_ms = timing_t0_command_ms(&x->cfg->timing, step.len,
					    (a.shape == APDU_2S ? a.Ne : 0) + 2) +
		       x->cfg->extra_wait_ms;
	return step;
}

const struct exchange_machine t0_tpdu_machine = { t0_tpdu_begin, exchange_feed_whole };

/* Sends len bytes and asks for `expected` of the card's. */
static struct exchange_step t0_ask(struct exchange *x, const uint8_t *data, size_t len,
				   size_t expected)
{
	struct exchange_step step = { .verdict = STEP_SEND, .data = data, .len = len };

	if (expected > x->cfg->max_data)
		expected = x->cfg->max_data;
	if (x->cfg->split_expected_64 && (expected + 10) % 64 == 0)
		expected = 1;
	x->m.t0.asked = expected;
	step.wLevelParameter = (uint16_t)expected;
	step.wait_ms = timing_t0_ms(&x->cfg->timing, len, expected) + x->cfg->extra_wait_ms;
	return step;
}

static struct exchange_step t0_read(struct exchange *x, enum t0_phase phase, size_t expected)
{
	x->m.t0.phase = phase;
	return t0_ask(x, x->scratch, 0, expected);
}

static struct exchange_step t0_character_begin(struct exchange *x)
{
	struct apdu a = apdu_parse(x->apdu, x->apdu_len);
	enum ccid_err err = t0_refuse(x, &a);

	/* The direction of the data of a malformed command is unknown. */
	if (err == CCID_OK && a.shape == APDU_MALFORMED)
		err = CCID_ERR_ARG;
	if (err == CCID_OK && x->cfg->max_data < T0_HEADER)
		err = CCID_ERR_TOO_LONG;
	if (err != CCID_OK)
		return exchange_fail(x, err);
	memcpy(x->scratch, x->apdu, T0_HEADER - 1);
	x->scratch[T0_HEADER - 1] = a.shape == APDU_1 ? 0 : x->apdu[T0_HEADER - 1];
	x->scratch_len = T0_HEADER;
	x->sent = a.data;
	x->m.t0.receiving = a.shape == APDU_2S;
	x->m.t0.left = x->m.t0.receiving ? a.Ne : a.Nc;
	x->m.t0.phase = T0_PROCEDURE;
	return t0_ask(x, x->scratch, x->scratch_len, 1);
}

/* The rest of the burst, in as many messages as it takes: the card answers behind the last. */
static struct exchange_step t0_send(struct exchange *x)
{
	struct t0_state *m = &x->m.t0;
	const uint8_t *data = x->apdu + x->sent;
	size_t len = m->burst < x->cfg->max_data ? m->burst : x->cfg->max_data;

	m->burst -= len;
	m->left -= len;
	x->sent += len;
	m->phase = m->burst ? T0_SEND : T0_PROCEDURE;
	return t0_ask(x, data, len, m->burst ? 0 : 1);
}

static struct exchange_step t0_wrong(struct exchange *x, const char *field, unsigned value)
{
	exchange_wrong_field(x, field, value);
	return exchange_fail(x, CCID_ERR_PROTOCOL);
}

/* The card asked for data bytes, all by INS or one by its complement. */
static struct exchange_step t0_move(struct exchange *x, uint8_t byte)
{
	struct t0_state *m = &x->m.t0;

	/* The card wants more than P3 says. */
	if (m->left == 0)
		return t0_wrong(x, "procedure byte", byte);
	m->burst = byte == x->scratch[1] ? m->left : 1;
	return m->receiving ? t0_read(x, T0_DATA, m->burst) : t0_send(x);
}

/* ISO 7816-3:2006 table 11. INS is never 6X or 9X. */
static struct exchange_step t0_procedure(struct exchange *x, uint8_t byte)
{
	uint8_t ins = x->scratch[1];
	uint8_t inverse = ins ^ 0xFF;

	if (byte == T0_NULL) {
		if (++x->rounds > T0_NULLS_MAX)
			return t0_wrong(x, "number of NULL bytes", x->rounds);
		return t0_read(x, T0_PROCEDURE, 1);
	}
	if ((byte & 0xF0) == 0x60 || (byte & 0xF0) == 0x90) {
		x->m.t0.sw1 = byte;
		return t0_read(x, T0_SW2, 1);
	}
	if (byte == ins || byte == inverse)
		return t0_move(x, byte);
	return t0_wrong(x, "procedure byte", byte);
}

/* At most 256 bytes and SW: always within the bound of an answer. */
static struct exchange_step t0_data(struct exchange *x, const uint8_t *data, size_t len)
{
	struct t0_state *m = &x->m.t0;

	exchange_append(x, data, len);
	m->left -= len;
	m->burst -= len;
	return m->burst ? t0_read(x, T0_DATA, m->burst) : t0_read(x, T0_PROCEDURE, 1);
}

static struct exchange_step t0_character_feed(struct exchange *x, enum ccid_err result,
					      const uint8_t *data, size_t len, uint8_t chain)
{
	uint8_t sw[2];

	(void)chain;
	if (result != CCID_OK)
		return exchange_fail(x, result);
	if ((len == 0 && x->m.t0.asked > 0) || len > x->m.t0.asked) {
		exchange_wrong_field(x, "number of bytes", (unsigned)len);
		return exchange_fail(x, len == 0 ? CCID_ERR_COMM : CCID_ERR_PROTOCOL);
	}
	if (x->m.t0.phase == T0_SEND)
		return t0_send(x);
	if (x->m.t0.phase == T0_PROCEDURE)
		return t0_procedure(x, data[0]);
	if (x->m.t0.phase == T0_DATA)
		return t0_data(x, data, len);
	sw[0] = x->m.t0.sw1;
	sw[1] = data[0];
	exchange_append(x, sw, sizeof sw);
	return exchange_done(x);
}

const struct exchange_machine t0_character_machine = { t0_character_begin, t0_character_feed };
