/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef LAYER_DOUBLES_H
#define LAYER_DOUBLES_H

/* Stand-ins for the command layer and for slot.c, on virtual time: they record what would go to the
 * reader and return the answers that the test prepared. Include once in a test program. */
#include "slot/slot.h"
#include "slot/slot_exchange.h"
#include "slot/slot_power.h"
#include "slot/slot_protocol.h"
#include "util/deadline.h"

#include <stdarg.h>
#include <setjmp.h>
#include "unit/unit_cmocka.h"

#include <stdio.h>
#include <string.h>

/* The sent commands, as text: "escape 1F 02\n", "secure ...", "xfr ...", "sleep 250". */
static char traffic[4000];
static uint64_t virtual_ns;

/* The answer to return. */
static struct {
	enum ccid_err escape_err;
	uint8_t escape[64];
	size_t escape_len;
	enum ccid_err secure_err;
	bool secure_not_sent;
	uint8_t secure[600];
	size_t secure_len;
	unsigned secure_wait_ms;
	enum ccid_err xfr_err;
	uint8_t xfr[600];
	size_t xfr_len;
	unsigned xfr_wait_ms, xfr_took_ms;
	unsigned recovered, forgotten;
	enum ccid_err ensure_err, exchange_err;
} answers;

static void traffic_add(const char *what, const uint8_t *p, size_t len)
{
	size_t n = strlen(traffic);

	n += (size_t)snprintf(traffic + n, sizeof traffic - n, "%s", what);
	for (size_t i = 0; i < len && n < sizeof traffic; i++)
		n += (size_t)snprintf(traffic + n, sizeof traffic - n, " %02X", p[i]);
	if (n < sizeof traffic)
		snprintf(traffic + n, sizeof traffic - n, "\n");
}

static void doubles_reset(void)
{
	traffic[0] = '\0';
	virtual_ns = 0;
	memset(&answers, 0, sizeof answers);
}

uint64_t clock_now(void)
{
	return virtual_ns;
}

void clock_sleep_until(uint64_t at_ns)
{
	char text[40];

	snprintf(text, sizeof text, "sleep %u", (unsigned)((at_ns - virtual_ns) / 1000000));
	traffic_add(text, NULL, 0);
	virtual_ns = at_ns;
}

enum ccid_err ccid_escape(struct ccid_slot *cs, const uint8_t *data, size_t len, unsigned wait_ms,
			  uint8_t *out, size_t cap, size_t *out_len)
{
	(void)cs;
	assert_true(wait_ms > 0);
	traffic_add("escape", data, len);
	*out_len = 0;
	if (answers.escape_err)
		return answers.escape_err;
	*out_len = answers.escape_len;
	if (answers.escape_len > cap)
		return CCID_ERR_OVERFLOW;
	memcpy(out, answers.escape, answers.escape_len);
	return CCID_OK;
}

enum ccid_err ccid_secure(struct ccid_slot *cs, uint8_t bBWI, uint16_t wLevelParameter,
			  const uint8_t *data, size_t len, unsigned wait_ms,
			  uint8_t *out, size_t cap, size_t *out_len, bool *not_sent)
{
	(void)cs;
	assert_int_equal(bBWI, 0);
	assert_int_equal(wLevelParameter, 0);
	traffic_add("secure", data, len);
	answers.secure_wait_ms = wait_ms;
	*not_sent = answers.secure_not_sent;
	*out_len = 0;
	if (answers.secure_err)
		return answers.secure_err;
	*out_len = answers.secure_len;
	if (answers.secure_len > cap)
		return CCID_ERR_OVERFLOW;
	memcpy(out, answers.secure, answers.secure_len);
	return CCID_OK;
}

enum ccid_err ccid_xfr_block(struct ccid_slot *cs, const uint8_t *data, size_t len, uint8_t bBWI,
			     uint16_t wLevelParameter, unsigned wait_ms, struct ccid_block *out)
{
	char text[40];

	(void)cs;
	assert_int_equal(wLevelParameter, 0);
	snprintf(text, sizeof text, "xfr bwi %u:", bBWI);
	traffic_add(text, data, len);
	answers.xfr_wait_ms = wait_ms;
	virtual_ns += answers.xfr_took_ms * UINT64_C(1000000);
	*out = (struct ccid_block){ .data = answers.xfr, .len = answers.xfr_len };
	return answers.xfr_err;
}

void ccid_forget(struct ccid_slot *cs)
{
	(void)cs;
	answers.forgotten++;
}

void slot_enter(struct slot *s)
{
	port_mutex_lock(&s->lock);
}

void slot_leave(struct slot *s)
{
	port_mutex_unlock(&s->lock);
}

enum ccid_err slot_recover(struct slot *s, enum ccid_err err)
{
	(void)s;
	answers.recovered++;
	return err;
}

enum ccid_err slot_why_no_power(struct slot *s)
{
	return s->ccid.icc_state == ICC_ABSENT ? CCID_ERR_NO_CARD : CCID_ERR_COMM;
}

enum ccid_err slot_ensure_protocol(struct slot *s)
{
	(void)s;
	return answers.ensure_err;
}

/* Records one step, and ends the exchange. */
enum ccid_err slot_run_exchange(struct slot *s, struct exchange_step step, unsigned least_wait_ms, size_t *answer_len)
{
	assert_int_equal(step.verdict, STEP_SEND);
	assert_int_equal(least_wait_ms, 0);
	traffic_add("exchange:", step.data, step.len);
	*answer_len = 0;
	if (answers.exchange_err == CCID_OK)
		s->t1.unsettled = false;
	return answers.exchange_err;
}

enum ccid_err slot_escape(struct slot *s, const uint8_t *data, size_t len,
			  uint8_t *answer, size_t cap, size_t *answer_len)
{
	/* the real one takes the lock */
	assert_true(port_mutex_try(&s->lock));
	port_mutex_unlock(&s->lock);
	return ccid_escape(&s->ccid, data, len, CCID_ESCAPE_MS, answer, cap, answer_len);
}

/* A reader with one slot and a powered card at short APDU level. */
struct fixture {
	struct transport transport;
	struct reader reader;
	struct slot slot;
	uint32_t rates[4];
};

static void fixture_init(struct fixture *g)
{
	doubles_reset();
	memset(g, 0, sizeof *g);
	g->reader.transport = &g->transport;
	g->reader.desc.dwMaxCCIDMessageLength = 271;
	g->reader.desc.bPINSupport = CCID_PIN_VERIFY | CCID_PIN_MODIFY;
	g->reader.level = LEVEL_SHORT_APDU;
	g->reader.n_slots = 1;
	g->slot.reader = &g->reader;
	g->slot.card = CARD_ON;
	g->slot.ccid.desc = &g->reader.desc;
	g->slot.ccid.quirks = &g->reader.quirks;
	port_mutex_init(&g->slot.lock);
}

/* Checks that the slot's lock is free. */
static inline void fixture_check_unlocked(struct fixture *g)
{
	assert_true(port_mutex_try(&g->slot.lock));
	port_mutex_unlock(&g->slot.lock);
}

#define BIT(q) (UINT64_C(1) << QUIRK_##q)

#endif
