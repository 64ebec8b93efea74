/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The CCID slot machine: PC_to_RDR messages in, RDR_to_PC messages out, strictly by CCID 1.10 §6. */
#include "sim/model/sim_dev_priv.h"

#include <stdlib.h>
#include <string.h>

enum sim_level sim_level(const struct sim_iface *f)
{
	uint32_t level = f->conf->dwFeatures & 0x70000u;

	/* ICCD version B has no characters: whole APDUs, chained when they are long. */
	if (f->conf->chains || (f->conf->protocol == SIM_ICCD_B && level != 0x10000))
		return SIM_LEVEL_EXTENDED;
	switch (level) {
	case 0x10000:
		return SIM_LEVEL_TPDU;
	case 0x20000:
		return SIM_LEVEL_SHORT;
	case 0x40000:
		return SIM_LEVEL_EXTENDED;
	default:
		return SIM_LEVEL_CHAR;
	}
}

/* 263 was declared by old firmwares that take 270 (10 + the longest T=0 TPDU). */
size_t sim_max_message(const struct sim_iface *f)
{
	return f->conf->dwMaxCCIDMessageLength == 263 ? 270 : f->conf->dwMaxCCIDMessageLength;
}

uint8_t sim_icc(const struct sim_slot *s)
{
	if (!s->card)
		return 2;
	return s->powered ? 0 : 1;
}

size_t sim_params_len(const struct sim_slot *s)
{
	return s->protocol == 1 ? 7 : 5;
}

static void fine(struct sim_iface *f, const struct sim_cmd *c)
{
	sim_answer(f, c, 0, 0, 0, NULL, 0, 0);
}

/* --- power --- */

void sim_slot_off(struct sim_iface *f, struct sim_slot *s)
{
	static const uint8_t defaults[7] = { 0x11, 0x00, 0x00, 0x0A, 0x00 };

	(void)f;
	if (s->card && s->powered)
		sim_card_power_off(s->card);
	s->powered = s->clock_stopped = s->chain_in = false;
	s->protocol = 0;
	memcpy(s->params, defaults, sizeof defaults);
	s->in_len = s->out_len = s->out_off = 0;
	free(s->held);
	s->held = NULL;
}

/* First protocol and TA1 of an ATR (ISO 7816-3 §8.2): what a reader that negotiates by itself goes by. */
static void negotiate(struct sim_iface *f, struct sim_slot *s, const uint8_t *atr, size_t len)
{
	uint8_t fidi = 0x11;
	unsigned protocol = 0;
	size_t i = 2, y;

	if (len < 2)
		return;
	y = atr[1] >> 4;
	if (y & 1 && i < len)
		fidi = atr[i];
	i += (y & 1) + (y >> 1 & 1) + (y >> 2 & 1);
	if (y & 8 && i < len)
		protocol = atr[i] & 0x0F;
	if (protocol > 1)
		protocol = 0;
	sim_card_set_protocol(s->card, protocol, fidi);
	if (f->conf->dwFeatures & SIM_AUTO_IFSD)
		sim_card_set_ifsd(s->card, f->conf->dwMaxIFSD && f->conf->dwMaxIFSD < 254 ?
				  (uint8_t)f->conf->dwMaxIFSD : 254);
	s->protocol = protocol;
	s->params[0] = fidi;
	if (protocol == 1) {
		static const uint8_t t1[7] = { 0, 0x10, 0, 0x4D, 0, 32, 0 };

		memcpy(s->params + 1, t1 + 1, 6);
	}
}

static const uint8_t *power_with_class(struct sim_iface *f, struct sim_slot *s, unsigned select,
				       size_t *len)
{
	uint8_t classes = f->conf->bVoltageSupport ? f->conf->bVoltageSupport : 7;
	const uint8_t *atr = NULL;

	*len = 0;
	if (select)
		return sim_card_reset(s->card, select - 1, s->powered, len);
	for (unsigned bit = 0; bit < 3 && *len == 0; bit++) {
		if (classes >> bit & 1 && sim_card_foreign_state(s->card) != SIM_FOREIGN_WORKING)
			atr = sim_card_reset(s->card, bit, s->powered, len);
	}
	return atr;
}

uint8_t sim_slot_on(struct sim_iface *f, struct sim_slot *s, unsigned select, size_t *len)
{
	const uint8_t *atr;
	bool warm = s->powered;

	*len = 0;
	if (!s->card)
		return ERR_MUTE;
	if (!warm)
		sim_slot_off(f, s);
	atr = power_with_class(f, s, select, len);
	if (sim_card_foreign_state(s->card) == SIM_FOREIGN_WORKING)
		return ERR_MUTE;
	if (!atr || *len == 0) {
		sim_slot_off(f, s);
		return ERR_MUTE;
	}
	memcpy(f->d->scratch, atr, *len);
	if (warm)
		s->powered = false;	/* parameters go back to their defaults, the card keeps its power */
	sim_slot_off(f, s);
	s->powered = true;
	if (f->conf->dwFeatures & SIM_AUTO_PARAMS)
		negotiate(f, s, f->d->scratch, *len);
	else
		s->protocol = 0;
	return 0;
}

static void power_on(struct sim_iface *f, const struct sim_cmd *c)
{
	struct sim_slot *s = &f->slot[c->slot];
	bool automatic = f->conf->dwFeatures & (SIM_AUTO_VOLTAGE | SIM_AUTO_ACTIVATION);
	size_t len;
	uint8_t error;

	if (c->b7 > 3) {
		sim_complain(f->d, "bulk: bPowerSelect %02x is reserved", c->b7);
		sim_fail(f, c, 7);
		return;
	}
	if (automatic && c->b7) {
		sim_complain(f->d, "bulk: bPowerSelect %u but the voltage is automatic", c->b7);
	} else if (!automatic && (c->b7 == 0 || (f->conf->bVoltageSupport &&
						 !(f->conf->bVoltageSupport >> (c->b7 - 1) & 1)))) {
		sim_complain(f->d, "bulk: bPowerSelect %u is not in bVoltageSupport %02x", c->b7,
			     f->conf->bVoltageSupport);
		sim_fail(f, c, 7);
		return;
	}
	error = sim_slot_on(f, s, automatic ? 0 : c->b7, &len);
	if (error)
		sim_fail(f, c, error);
	else
		sim_answer(f, c, 0, 0, 0, f->d->scratch, len, 20 * SIM_MS);
}

static void power_off(struct sim_iface *f, const struct sim_cmd *c)
{
	sim_slot_off(f, &f->slot[c->slot]);
	/* bClockStatus: 0 running, 1 stopped low */
	sim_answer(f, c, 0, 0, 1, NULL, 0, 0);
}

static void slot_status(struct sim_iface *f, const struct sim_cmd *c)
{
	const struct sim_slot *s = &f->slot[c->slot];

	sim_answer(f, c, 0, 0, s->powered && !s->clock_stopped ? 0 : 1, NULL, 0, 0);
}

/* --- exchange --- */

static void xfr_block(struct sim_iface *f, const struct sim_cmd *c)
{
	struct sim_slot *s = &f->slot[c->slot];
	unsigned level = c->b8 | (unsigned)c->b9 << 8;
	struct sim_result r = { 0 };
	uint8_t error;

	if (!s->powered) {
		if (!s->loss_untold)
			sim_complain(f->d, "bulk: XfrBlock to slot %u, which has no power",
				     c->slot);
		sim_fail(f, c, ERR_MUTE);
		return;
	}
	if (sim_level(f) != SIM_LEVEL_EXTENDED && sim_level(f) != SIM_LEVEL_CHAR && level) {
		sim_complain(f->d, "bulk: wLevelParameter %04x at TPDU or short APDU level", level);
		sim_fail(f, c, 8);
		return;
	}
	if (sim_exchange(f, c->slot, c->data, c->len, level, sim_max_message(f) - SIM_HEADER, &r,
			 &error)) {
		sim_answer(f, c, 1, error, 0, NULL, 0, r.work_ns);
		return;
	}
	sim_answer(f, c, 0, 0, r.chain, r.data, r.len, r.work_ns);
}

/* --- parameters --- */

static void give_parameters(struct sim_iface *f, const struct sim_cmd *c)
{
	const struct sim_slot *s = &f->slot[c->slot];

	sim_answer(f, c, 0, 0, (uint8_t)s->protocol, s->params, sim_params_len(s), 0);
}

static void get_parameters(struct sim_iface *f, const struct sim_cmd *c)
{
	if (f->slot[c->slot].card)
		give_parameters(f, c);
	else
		sim_fail(f, c, ERR_MUTE);
}

static void reset_parameters(struct sim_iface *f, const struct sim_cmd *c)
{
	static const uint8_t defaults[7] = { 0x11, 0x00, 0x00, 0x0A, 0x00 };
	struct sim_slot *s = &f->slot[c->slot];

	s->protocol = 0;
	memcpy(s->params, defaults, sizeof defaults);
	give_parameters(f, c);
}

/* CCID 1.10 §6.1.7: which byte of the data is wrong, or 0. */
static unsigned params_wrong(const uint8_t *p, unsigned protocol)
{
	if (protocol == 0 && p[1] & ~2u)
		return 1;
	if (protocol == 1 && (p[1] & 0xFC) != 0x10)
		return 1;
	if (p[4] > 3)
		return 4;
	if (protocol == 1 && (p[5] == 0 || p[5] == 0xFF))
		return 5;
	return 0;
}

static void set_parameters(struct sim_iface *f, const struct sim_cmd *c)
{
	struct sim_slot *s = &f->slot[c->slot];
	size_t want = c->b7 == 1 ? 7 : 5;
	unsigned wrong;

	/* one that names none of the two speaks both */
	if (c->b7 > 1 || (f->conf->dwProtocols & 3 && !(f->conf->dwProtocols >> c->b7 & 1))) {
		sim_complain(f->d, "bulk: SetParameters for protocol %u, which the reader has not",
			     c->b7);
		sim_fail(f, c, 7);
		return;
	}
	if (c->len != want) {
		sim_complain(f->d, "bulk: SetParameters of %zu bytes for T=%u", c->len, c->b7);
		sim_fail(f, c, ERR_LENGTH);
		return;
	}
	wrong = params_wrong(c->data, c->b7);
	if (wrong) {
		sim_complain(f->d, "bulk: SetParameters: byte %u is %02x", wrong, c->data[wrong]);
		sim_fail(f, c, (uint8_t)(SIM_HEADER + wrong));
		return;
	}
	if (!s->powered) {
		sim_fail(f, c, ERR_MUTE);
		return;
	}
	if (f->conf->dwFeatures & SIM_AUTO_PARAMS)
		sim_complain(f->d, "bulk: SetParameters to a reader that does it by itself");
	s->protocol = c->b7;
	memcpy(s->params, c->data, want);
	if (f->conf->dwFeatures & (SIM_AUTO_PPS | SIM_AUTO_PARAMS))
		sim_card_set_protocol(s->card, s->protocol, s->params[0]);
	give_parameters(f, c);
}

static void set_rate(struct sim_iface *f, const struct sim_cmd *c)
{
	if (c->len != 8) {
		sim_complain(f->d, "bulk: SetDataRateAndClockFrequency of %zu bytes", c->len);
		sim_fail(f, c, ERR_LENGTH);
		return;
	}
	sim_answer(f, c, 0, 0, 0, c->data, 8, 0);
}

/* --- the rest --- */

/* Only a powered card at T=1 has blocks. */
static void block_in_escape(struct sim_iface *f, const struct sim_cmd *c)
{
	struct sim_slot *s = &f->slot[c->slot];
	struct sim_result r = { 0 };
	uint8_t error = ERR_MUTE;

	if (c->b7 || c->b8 || c->b9)
		sim_complain(f->d, "bulk: Escape with %02x %02x %02x in its reserved bytes", c->b7, c->b8, c->b9);
	if (!s->powered || sim_escape_block(f, c->slot, c->data, c->len, &r, &error))
		sim_answer(f, c, 1, error, 0, NULL, 0, r.work_ns);
	else
		sim_answer(f, c, 0, 0, 0, r.data, r.len, r.work_ns);
}

static void escape(struct sim_iface *f, const struct sim_cmd *c)
{
	size_t len = 0;

	if (sim_escape_blocks(f) && c->len > 1 && c->data[0] == 0x1A) {
		block_in_escape(f, c);
		return;
	}
	if (sim_escape(f, c->data, c->len, f->d->scratch, &len))
		sim_answer(f, c, 0, 0, 0, f->d->scratch, len, 0);
	else
		sim_answer(f, c, 1, SIM_HEADER, 0, NULL, 0, 0);
}

static void icc_clock(struct sim_iface *f, const struct sim_cmd *c)
{
	struct sim_slot *s = &f->slot[c->slot];

	if (c->b7 > 1) {
		sim_complain(f->d, "bulk: bClockCommand %u", c->b7);
		sim_fail(f, c, 7);
		return;
	}
	s->clock_stopped = c->b7 == 1;
	sim_answer(f, c, 0, 0, c->b7, NULL, 0, 0);
}

static void mechanical(struct sim_iface *f, const struct sim_cmd *c)
{
	if (f->conf->dwMechanical)
		fine(f, c);
	else
		sim_fail(f, c, ERR_UNSUPPORTED);
}

static void t0_apdu(struct sim_iface *f, const struct sim_cmd *c)
{
	if (c->b7 & ~3u)
		sim_complain(f->d, "bulk: T0APDU bmChanges %02x", c->b7);
	fine(f, c);
}

static void abort_both(struct sim_iface *f, struct sim_slot *s, unsigned slot)
{
	struct sim_cmd c = { .type = PC_ABORT, .slot = (uint8_t)slot, .seq = s->abort_seq };

	s->abort_control = s->abort_bulk = false;
	sim_withdraw(f, slot);
	if (f->pin.active && f->pin.cmd.slot == slot)
		sim_pin_end(f);
	if (s->busy) {
		s->busy = false;
		if (f->in_flight)
			f->in_flight--;
		if (s->card)
			sim_card_lost(s->card);
	}
	s->chain_in = false;
	s->in_len = s->out_len = s->out_off = 0;
	fine(f, &c);
}

/* CCID 1.10 §6.1.13: answered when both halves, with the same bSeq, have come, in either order. */
static void abort_bulk(struct sim_iface *f, const struct sim_cmd *c)
{
	struct sim_slot *s = &f->slot[c->slot];

	if (s->abort_control && s->abort_seq != c->seq)
		sim_complain(f->d,
			     "bulk: Abort of slot %u with bSeq %u, on the control pipe it was %u",
			     c->slot, c->seq, s->abort_seq);
	/* stuck: the answer says that the abort is done */
	if (s->abort_control && s->abort_seq != c->seq && sim_fault_hits(f->d, "abort-seq-0", f, c->slot)) {
		s->abort_stuck = true;
		s->abort_seq = c->seq;
		abort_both(f, s, c->slot);
		return;
	}
	s->abort_seq = c->seq;
	s->abort_bulk = true;
	if (s->abort_control)
		abort_both(f, s, c->slot);
}

void sim_ccid_abort_control(struct sim_iface *f, uint8_t slot, uint8_t seq)
{
	struct sim_slot *s;

	if (slot >= f->n_slots) {
		sim_complain(f->d, "control: ABORT of slot %u, which does not exist", slot);
		return;
	}
	s = &f->slot[slot];
	sim_trace_text(f->d, "out slot %u seq %u ABORT on the control pipe", slot, seq);
	if (sim_fault_hits(f->d, "abort-seq-0", f, slot))
		seq = 0;
	if (s->abort_bulk && s->abort_seq != seq)
		sim_complain(f->d,
			     "control: ABORT of slot %u with bSeq %u, on the bulk pipe it was %u",
			     slot, seq, s->abort_seq);
	s->abort_seq = seq;
	s->abort_control = true;
	if (s->abort_bulk)
		abort_both(f, s, slot);
}

struct command {
	uint8_t type;
	const char *name;
	int len;		/* of the data; -1: any */
	uint8_t rfu;		/* bit i: byte 7 + i must be zero */
	bool placeless;		/* takes no busy place: it does not talk to the card */
	void (*run)(struct sim_iface *f, const struct sim_cmd *c);
};

static const struct command commands[] = {
	{ PC_SET_PARAMETERS, "SetParameters", -1, 6, false, set_parameters },
	{ PC_POWER_ON, "IccPowerOn", 0, 6, false, power_on },
	{ PC_POWER_OFF, "IccPowerOff", 0, 7, true, power_off },
	{ PC_SLOT_STATUS, "GetSlotStatus", 0, 7, true, slot_status },
	{ PC_SECURE, "Secure", -1, 0, false, sim_secure },
	{ PC_T0_APDU, "T0APDU", 0, 0, false, t0_apdu },
	{ PC_ESCAPE, "Escape", -1, 7, false, escape },
	{ PC_GET_PARAMETERS, "GetParameters", 0, 7, false, get_parameters },
	{ PC_RESET_PARAMETERS, "ResetParameters", 0, 7, false, reset_parameters },
	{ PC_CLOCK, "IccClock", 0, 6, false, icc_clock },
	{ PC_XFR_BLOCK, "XfrBlock", -1, 0, false, xfr_block },
	{ PC_MECHANICAL, "Mechanical", 0, 6, false, mechanical },
	{ PC_ABORT, "Abort", 0, 7, true, abort_bulk },
	{ PC_SET_RATE, "SetDataRateAndClockFrequency", -1, 7, false, set_rate },
};

/* The checks before a command may touch its slot. Returns false when it was answered. */
static bool admit(struct sim_iface *f, const struct sim_cmd *c, const struct command *k)
{
	struct sim_slot *s = &f->slot[c->slot];
	unsigned places = f->conf->bMaxCCIDBusySlots ? f->conf->bMaxCCIDBusySlots : 1;
	uint8_t rfu = (uint8_t)((c->b7 ? 1 : 0) | (c->b8 ? 2 : 0) | (c->b9 ? 4 : 0));

	if (rfu & k->rfu)
		sim_complain(f->d, "bulk: %s with RFU bytes %02x %02x %02x", k->name, c->b7, c->b8,
			     c->b9);
	if (k->type == PC_ABORT)
		return true;
	/* Of any slot: GemCore SIM Pro 08e6:3480 does not answer a command with the bSeq of the one before (libccid,
	 * 2006). A host that reopens the reader, and asks for its state first, cannot know the last one. */
	if (f->seq_known && f->last_seq == c->seq) {
		if (k->type != PC_SLOT_STATUS)
			sim_complain(f->d, "bulk: bSeq %u of slot %u is the last one's", c->seq, c->slot);
		if (sim_fault_hits(f->d, "same-seq-mute", f, c->slot))
			return false;
	}
	f->seq_known = true;
	f->last_seq = s->last_seq = c->seq;
	if (s->abort_stuck) {
		sim_fail(f, c, ERR_UNSUPPORTED);
		return false;
	}
	if (s->abort_control || s->abort_bulk) {
		sim_complain(f->d, "bulk: %s on slot %u while it is aborted", k->name, c->slot);
		sim_fail(f, c, ERR_ABORTED);
		return false;
	}
	if (s->busy) {
		if (!s->deserted)
			sim_complain(f->d, "bulk: command on busy slot %u (bSeq %u)", c->slot, c->seq);
		sim_fail(f, c, ERR_BUSY);
		return false;
	}
	/* Firmwares with fewer places than slots never saw a command beside those in flight: libccid, which they
	 * were tested with, sends one at a time. */
	if ((!k->placeless || places < f->n_slots) && f->in_flight >= places) {
		if (!sim_any_deserted(f))
			sim_complain(f->d, "bulk: %u commands in flight, %u allowed (slot %u)",
				     f->in_flight + 1, places, c->slot);
		sim_fail(f, c, ERR_BUSY);
		return false;
	}
	if (k->len >= 0 && c->len != (size_t)k->len) {
		sim_complain(f->d, "bulk: %s with %zu bytes of data", k->name, c->len);
		sim_fail(f, c, ERR_LENGTH);
		return false;
	}
	if (k->placeless)
		return true;
	s->busy = true;
	s->deserted = false;
	s->busy_type = c->type;
	s->busy_seq = c->seq;
	if (++f->in_flight > f->max_in_flight)
		f->max_in_flight = f->in_flight;
	return true;
}

static const struct command *find_command(uint8_t type)
{
	for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
		if (commands[i].type == type)
			return &commands[i];
	}
	return NULL;
}

static struct sim_cmd parse_command(const uint8_t *p, size_t len)
{
	return (struct sim_cmd){ p[0], p[5], p[6], p[7], p[8], p[9], p + SIM_HEADER, len - SIM_HEADER };
}

static void run_command(struct sim_iface *f, const struct sim_cmd *c, const struct command *k);

static void fire_again(struct sim_dev *d, struct sim_event *e)
{
	struct sim_cmd c;

	if (sim_attempt_again(d, e))
		return;
	c = parse_command(e->msg->data, e->msg->len);
	run_command(e->f, &c, find_command(c.type));
	sim_msg_free(e->msg);
}

static struct sim_msg *keep_command(const struct sim_cmd *c)
{
	const uint8_t header[SIM_HEADER] = { c->type, 0, 0, 0, 0, c->slot, c->seq, c->b7, c->b8, c->b9 };
	struct sim_msg *m = sim_alloc(sizeof *m);

	m->len = SIM_HEADER + c->len;
	m->data = sim_alloc(m->len);
	memcpy(m->data, header, SIM_HEADER);
	if (c->len)
		memcpy(m->data + SIM_HEADER, c->data, c->len);
	return m;
}

static void run_command(struct sim_iface *f, const struct sim_cmd *c, const struct command *k)
{
	struct sim_attempt a;
	struct sim_event *e;

	sim_attempt_begin(f, c->slot, &a);
	k->run(f, c);
	e = sim_attempt_end(f, c->slot, &a, fire_again);
	if (e)
		e->msg = keep_command(c);
}

void sim_ccid_message(struct sim_iface *f, const uint8_t *p, size_t len)
{
	struct sim_cmd c;
	const struct command *k;

	sim_trace_msg(f, true, p, len);
	if (sim_player_message(f, p, len))
		return;
	if (len < SIM_HEADER) {
		sim_complain(f->d, "bulk: message of %zu bytes", len);
		return;
	}
	c = parse_command(p, len);
	k = find_command(c.type);
	/* dwMaxCCIDMessageLength limits what is for the card: the Elatec TWN4 (64) has a value below
	 * the length of its own fixed messages. */
	if ((c.type == PC_XFR_BLOCK || c.type == PC_SECURE) && len > sim_max_message(f))
		sim_complain(f->d, "bulk: message of %zu bytes, dwMaxCCIDMessageLength is %u", len,
			     f->conf->dwMaxCCIDMessageLength);
	if (c.slot >= f->n_slots) {
		sim_complain(f->d, "bulk: command to slot %u, which does not exist", c.slot);
		sim_answer(f, &c, 1, ERR_SLOT, 0, NULL, 0, 0);
	} else if (sim_get32(p + 1) != c.len) {
		sim_complain(f->d, "bulk: dwLength %u, but %zu bytes came", sim_get32(p + 1),
			     c.len);
		sim_fail(f, &c, ERR_LENGTH);
	} else if (!k) {
		sim_complain(f->d, "bulk: unknown message type %02x", c.type);
		sim_fail(f, &c, ERR_UNSUPPORTED);
	} else if (admit(f, &c, k)) {
		run_command(f, &c, k);
	}
}
