/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The card's half of T=0, ISO 7816-3:2006 §10: header, procedure bytes, data, SW1 SW2. */
#include "sim/model/card.h"

#include <string.h>

enum { NULL_BYTE = 0x60 };

static enum card_dir direction(const struct sim_card *c, const uint8_t *hdr)
{
	return card_direction(c, hdr[0], hdr[1]);
}

/* Runs the command of a TPDU. nc: data bytes that came with it. */
static size_t execute(struct sim_card *c, const uint8_t *hdr, const uint8_t *in, size_t nc,
		      bool out, const uint8_t **data, uint16_t *sw)
{
	struct card_apdu a = { hdr[0], hdr[1], hdr[2], hdr[3], in, nc, 0 };

	if (out)
		a.ne = hdr[4] ? hdr[4] : 256;
	card_run(c, &a);
	return card_take(c, &a, true, data, sw);
}

/* Applies a fault to n data bytes; added bytes are EE. */
static size_t spoil_data(const struct card_fault_def *f, unsigned value, uint8_t *data, size_t n)
{
	if (f == NULL)
		return n;
	if (f->id == FAULT_T0_LESS)
		return n > value ? n - value : 0;
	if (f->id == FAULT_T0_MORE) {
		value = value > 512 ? 512 : value;
		memset(data + n, 0xEE, value);
		return n + value;
	}
	return n;
}

int sim_card_t0_tpdu(struct sim_card *c, const uint8_t *in, size_t len, uint8_t *out,
		     size_t *out_len, uint64_t *work_ns)
{
	uint8_t hdr[5] = { 0 };
	const struct card_fault *f;
	const uint8_t *data = NULL;
	uint16_t sw = 0x6700;
	size_t n = 0, nc = len > 5 ? len - 5 : 0;
	bool dir_out;

	*out_len = 0;
	*work_ns = 0;
	if (!card_ready(c, 0))
		return SIM_CARD_MUTE;
	if (len < 4 || len > 5 + 255 || (len > 5 && nc != in[4])) {
		card_complain(c, "T=0: TPDU of %zu bytes, P3 %02X", len, len > 4 ? in[4] : 0u);
		return SIM_CARD_MUTE;
	}
	if (in[0] == 0xFF)
		card_complain(c, "T=0: CLA is FF");
	memcpy(hdr, in, len < 5 ? len : 5);
	f = card_fault_due(c, STAGE_T0, KIND_ANY);
	if (f != NULL && f->def->id == FAULT_T0_PROCEDURE)
		return SIM_CARD_CONFLICT;
	if (f != NULL && (f->def->id == FAULT_T0_NULL || f->def->id == FAULT_T0_COMPLEMENT ||
			  f->def->id == FAULT_T0_MUTE))
		return SIM_CARD_MUTE;
	dir_out = c->cfg.applet == APPLET_ECHO && hdr[1] != 0xC0 ? len == 5 :
		  direction(c, hdr) == DIR_OUT;
	if (c->foreign != NULL)	/* a command that is in no table: the data decides */
		dir_out = nc == 0 && (hdr[4] > 0 || direction(c, hdr) != DIR_IN);
	if (dir_out ? nc > 0 : nc != hdr[4] && direction(c, hdr) == DIR_IN)
		c->work = 0;	/* the application mistook the direction: 6700 */
	else
		n = execute(c, hdr, nc > 0 ? in + 5 : in, nc, dir_out, &data, &sw);
	if (c->foreign_state != SIM_FOREIGN_DONE)
		return SIM_CARD_MUTE;
	if (n > 0)
		memcpy(out, data, n);
	n = spoil_data(f != NULL ? f->def : NULL, f != NULL ? f->value : 0, out, n);
	out[n++] = (uint8_t)(sw >> 8);
	out[n++] = (uint8_t)sw;
	*out_len = n - (f != NULL && f->def->id == FAULT_T0_CUT);
	*work_ns = c->work;
	return SIM_CARD_OK;
}

/* ---- character level: what the card sends waits in t->q ---- */

static void push(struct card_t0 *t, uint8_t byte)
{
	if (t->q_len < sizeof t->q)
		t->q[t->q_len++] = byte;
}

/* A procedure byte or SW1: the 60s asked for by the spec go before it. */
static void push_procedure(struct sim_card *c, uint8_t byte)
{
	struct card_t0 *t = &c->t0;

	for (unsigned i = 0; i < c->cfg.nulls; i++)
		push(t, NULL_BYTE);
	if (t->fault != NULL && t->fault->id == FAULT_T0_PROCEDURE && t->fault_value <= 0xFF) {
		byte = (uint8_t)t->fault_value;
		t->fault_value = 0x100;		/* once in a command */
	}
	push(t, byte);
}

static void push_sw(struct sim_card *c, uint16_t sw)
{
	push_procedure(c, (uint8_t)(sw >> 8));
	if (c->t0.fault == NULL || c->t0.fault->id != FAULT_T0_CUT)
		push(&c->t0, (uint8_t)sw);
}

/* §10.3.3: is the next data byte asked for alone (INS^FF), or all the rest (INS)? */
static bool one_by_one(const struct sim_card *c, size_t done)
{
	return c->cfg.ack == ACK_ONE || (c->cfg.ack == ACK_MIXED && done == 0);
}

static void push_data(struct sim_card *c, const uint8_t *data, size_t n)
{
	struct card_t0 *t = &c->t0;
	bool ack = true;

	for (size_t i = 0; i < n; i++) {
		bool one = one_by_one(c, i);

		if (ack)
			push_procedure(c, one ? t->hdr[1] ^ 0xFF : t->hdr[1]);
		push(t, data[i]);
		ack = one;
	}
}

/* The command is whole: §10.2.2, WT = WI * 960 * Fi / f, here for Fi = 372 at 4 MHz. */
static void respond(struct sim_card *c, bool out)
{
	struct card_t0 *t = &c->t0;
	uint64_t wt = (uint64_t)(c->atr.wi ? c->atr.wi : 10) * 960 * 372 * 250;
	uint8_t copy[256 + 512];
	const uint8_t *data = NULL;
	uint16_t sw;
	size_t n = execute(c, t->hdr, t->data, t->data_len, out, &data, &sw);

	if (n > 0)
		memcpy(copy, data, n);
	n = spoil_data(t->fault, t->fault_value, copy, n);
	t->work = c->work;
	t->nulls = card_extensions(c, c->work, wt);
	t->piece = c->work / (t->nulls + 1);
	for (unsigned i = 0; i < t->nulls; i++)
		push(t, NULL_BYTE);
	push_data(c, copy, n);
	push_sw(c, sw);
	t->hdr_len = 0;
	t->data_len = 0;
}

/* Asks for the next data byte or bytes of a command. */
static void grant(struct sim_card *c)
{
	struct card_t0 *t = &c->t0;
	bool one = one_by_one(c, t->data_len);

	push_procedure(c, one ? t->hdr[1] ^ 0xFF : t->hdr[1]);
	t->granted = one ? 1 : t->need;
}

static void header_whole(struct sim_card *c)
{
	struct card_t0 *t = &c->t0;
	const struct card_fault *f = card_fault_due(c, STAGE_T0, KIND_ANY);

	t->fault = f != NULL ? f->def : NULL;
	t->fault_value = f != NULL ? f->value : 0;
	if (t->fault != NULL && t->fault->id == FAULT_T0_PROCEDURE && t->fault_value == t->hdr[1])
		t->fault_value ^= 0x80;
	if (t->fault != NULL &&
	    (t->fault->id == FAULT_T0_NULL || t->fault->id == FAULT_T0_COMPLEMENT)) {
		t->stuck = true;
		t->stuck_byte = t->fault->id == FAULT_T0_NULL ? NULL_BYTE : t->hdr[1] ^ 0xFF;
		t->hdr_len = 0;
		return;
	}
	if (t->fault != NULL && t->fault->id == FAULT_T0_MUTE) {
		t->hdr_len = 0;
		return;
	}
	if (t->hdr[0] == 0xFF)
		card_complain(c, "T=0: CLA is FF");
	if (direction(c, t->hdr) == DIR_IN && t->hdr[4] > 0) {
		t->need = t->hdr[4];
		grant(c);
		return;
	}
	/* an unknown command is refused without looking at P3, or goes to a card that knows it */
	if (c->foreign != NULL && direction(c, t->hdr) == DIR_UNKNOWN && t->hdr[4] > 0 && t->hdr[0] & 0x80) {
		t->need = t->hdr[4];
		grant(c);
		return;
	}
	respond(c, direction(c, t->hdr) == DIR_OUT ||
		(direction(c, t->hdr) == DIR_UNKNOWN &&
		 (c->cfg.applet == APPLET_ECHO || c->foreign != NULL)));
}

static void got_data(struct sim_card *c, uint8_t byte)
{
	struct card_t0 *t = &c->t0;

	t->data[t->data_len++] = byte;
	t->need--;
	t->granted--;
	if (t->need == 0)
		respond(c, false);
	else if (t->granted == 0)
		grant(c);
}

static void got_byte(struct sim_card *c, uint8_t byte)
{
	struct card_t0 *t = &c->t0;

	t->hdr[t->hdr_len++] = byte;
	if (t->hdr_len == 5)
		header_whole(c);
}

/* Bytes from the interface device. The card sends and listens by turns, so bytes that come while
 * some of its own were not yet taken break the procedure of §10.3.3. */
static void listen(struct sim_card *c, const uint8_t *in, size_t len)
{
	struct card_t0 *t = &c->t0;
	bool was_wrong = t->stuck || t->fault != NULL;

	if (len >= 5 && (t->stuck || (was_wrong && t->need > 0))) {
		/* the interface device ended the command: a new one */
		t->stuck = false;
		t->need = t->granted = t->hdr_len = t->data_len = 0;
		t->q_pos = t->q_len = 0;
	}
	if (t->stuck)
		return;
	for (size_t i = 0; i < len; i++) {
		if (t->q_pos < t->q_len && !was_wrong)
			card_complain(c, "T=0: %zu bytes sent while the card sends", len - i);
		if (t->q_pos < t->q_len && t->need == 0) {
			if (i > 0)
				return;
			t->q_pos = t->q_len = 0;
		}
		if (t->need > 0)
			got_data(c, in[i]);
		else
			got_byte(c, in[i]);
		was_wrong = was_wrong || t->fault != NULL;
	}
}

int sim_card_t0_chars(struct sim_card *c, const uint8_t *in, size_t len, size_t want, uint8_t *out,
		      size_t *out_len, uint64_t *work_ns)
{
	struct card_t0 *t = &c->t0;
	size_t n = 0;

	*out_len = 0;
	*work_ns = 0;
	if (!card_ready(c, 0))
		return SIM_CARD_MUTE;
	listen(c, in, len);
	if (c->foreign_state != SIM_FOREIGN_DONE)
		return SIM_CARD_MUTE;
	if (want > SIM_CARD_ROOM)
		want = SIM_CARD_ROOM;
	while (n < want && (t->stuck || t->q_pos < t->q_len)) {
		if (t->stuck) {
			out[n++] = t->stuck_byte;
			continue;
		}
		if (t->work > 0 && t->nulls > 0) {
			t->nulls--;
			t->work -= t->piece;
			*work_ns += t->piece;
		} else {
			*work_ns += t->work;
			t->work = 0;
		}
		out[n++] = t->q[t->q_pos++];
	}
	if (t->q_pos == t->q_len)
		t->q_pos = t->q_len = 0;
	*out_len = n;
	return n > 0 || want == 0 ? SIM_CARD_OK : SIM_CARD_MUTE;
}
