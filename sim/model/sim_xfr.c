/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The exchange with the card at the four levels of CCID 1.10 §6.1.4 (wLevelParameter), for bulk
 * readers and ICCD alike. */
#include "sim/model/sim_dev_priv.h"

#include <stdlib.h>
#include <string.h>

/* ISO 7816-3:2006 §8.3 tables 7 and 8; 0: reserved. */
static const uint16_t table_f[16] = { 372, 372, 558, 744,  1116, 1488, 1860, 0,
				      0,   512, 768, 1024, 1536, 2048, 0,    0 };
static const uint8_t table_d[16] = { 0, 1, 2, 4, 8, 16, 32, 64, 12, 20, 0, 0, 0, 0, 0, 0 };

static unsigned factor_f(uint8_t fidi)
{
	return table_f[fidi >> 4] ? table_f[fidi >> 4] : 372;
}

static unsigned factor_d(uint8_t fidi)
{
	return table_d[fidi & 15] ? table_d[fidi & 15] : 1;
}

static uint64_t clock_hz(const struct sim_iface *f)
{
	uint64_t khz = f->conf->dwDefaultClock ? f->conf->dwDefaultClock : 4000;

	return khz * 1000;
}

/* WT (ISO 7816-3:2006 §10.2) or BWT (§11.4.3), in ns. */
uint64_t sim_waiting_time(const struct sim_iface *f, const struct sim_slot *s, unsigned bwi)
{
	uint64_t cycles;

	if (s->protocol == 1) {
		unsigned shift = s->params[3] >> 4;

		cycles = ((uint64_t)960 * 372 << (shift < 10 ? shift : 9)) + 11u * 372;
		if (bwi > 1)
			cycles *= bwi;
	} else {
		cycles =
			(uint64_t)(s->params[3] ? s->params[3] : 10) * 960 * factor_f(s->params[0]);
	}
	return cycles * 1000000000u / clock_hz(f);
}

/* The time of the bytes at the negotiated speed: 12 etu each (start, 8 bits, parity, 2 of guard
 * time). */
static uint64_t byte_time(const struct sim_iface *f, const struct sim_slot *s, size_t n)
{
	if (!f->d->conf.card_speed)
		return 0;
	return (uint64_t)n * 12 * factor_f(s->params[0]) * 1000000000u / factor_d(s->params[0]) /
	       clock_hz(f);
}

/* Neither a CLA nor a NAD can be FF. */
static bool is_pps(const struct sim_slot *s, const uint8_t *p, size_t len)
{
	return len >= 1 && p[0] == 0xFF && sim_card_pps_possible(s->card);
}

/* A reader that does not negotiate by itself receives nothing when its speed is not the card's. */
static bool speaks_alike(struct sim_iface *f, struct sim_slot *s)
{
	if (f->conf->dwFeatures & SIM_AUTO_PARAMS)
		return true;
	if (s->protocol == sim_card_protocol(s->card) && s->params[0] == sim_card_fidi(s->card))
		return true;
	sim_complain(f->d, "bulk: XfrBlock with T=%u, F/D %02x, but the card is at T=%u, F/D %02x",
		     s->protocol, s->params[0], sim_card_protocol(s->card), sim_card_fidi(s->card));
	return false;
}

static int apdu(struct sim_iface *f, struct sim_slot *s, const uint8_t *p, size_t len, uint8_t *out,
		struct sim_result *r)
{
	/* Extended APDUs reach the card at short APDU level too: firmwares pass them on (GnuPG reads
	 * RSA keys so, CCID issue 79), and those that do not say so themselves. */
	int rc;

	if (len < 4) {
		sim_complain(f->d, "bulk: APDU of %zu bytes", len);
		return -1;
	}
	rc = sim_card_apdu(s->card, p, len, out, &r->len, &r->work_ns);
	if (rc == SIM_CARD_OK && s->protocol == 1 && sim_escape_blocks(f))
		sim_card_t1_passed(s->card, len, r->len);
	return rc;
}

static int t1_block(struct sim_iface *f, struct sim_slot *s, const uint8_t *p, size_t len,
		    uint8_t *out, struct sim_result *r)
{
	if (s->held && len >= 2 && p[1] == 0xE3) {
		/* S(WTX response) to a request that the card never made */
		memcpy(out, s->held, s->held_len);
		r->len = s->held_len;
		free(s->held);
		s->held = NULL;
		return 0;
	}
	if (len >= 4 && p[1] == 0xC1 && f->conf->dwMaxIFSD >= 32 && p[3] > f->conf->dwMaxIFSD)
		sim_complain(f->d, "bulk: S(IFS request) of %u, dwMaxIFSD is %u", p[3],
			     f->conf->dwMaxIFSD);
	return sim_card_t1_block(s->card, p, len, out, &r->len, &r->work_ns);
}

int sim_card_exchange(struct sim_iface *f, struct sim_slot *s, const uint8_t *p, size_t len,
		      struct sim_result *r)
{
	uint8_t *out = f->d->scratch;
	bool pps = is_pps(s, p, len);
	int rc;

	r->data = out;
	r->len = 0;
	if (pps) {
		if (f->conf->dwFeatures & (SIM_AUTO_PPS | SIM_AUTO_PARAMS))
			sim_complain(f->d, "bulk: PPS to a reader that does it by itself");
		rc = sim_card_pps(s->card, p, len, out, &r->len);
	} else if (!speaks_alike(f, s)) {
		return -1;
	} else if (sim_level(f) == SIM_LEVEL_SHORT || sim_level(f) == SIM_LEVEL_EXTENDED) {
		rc = apdu(f, s, p, len, out, r);
	} else if (s->protocol == 1) {
		rc = t1_block(f, s, p, len, out, r);
	} else {
		rc = sim_card_t0_tpdu(s->card, p, len, out, &r->len, &r->work_ns);
	}
	r->work_ns += byte_time(f, s, len + r->len);
	return rc;
}

int sim_escape_block(struct sim_iface *f, unsigned slot, const uint8_t *p, size_t len, struct sim_result *r,
		     uint8_t *error)
{
	struct sim_slot *s = &f->slot[slot];
	uint8_t *out = f->d->scratch;

	*error = ERR_MUTE;
	if (s->protocol != 1)
		return -1;
	if (p[1] != 0)
		sim_complain(f->d, "bulk: Escape 1A with NAD %02x", p[1]);
	if (sim_card_t1_block(s->card, p + 1, len - 1, out + 1, &r->len, &r->work_ns))
		return -1;
	out[0] = p[0];
	r->data = out;
	r->len++;
	r->work_ns += byte_time(f, s, len + r->len);
	return 0;
}

/* Keeps an answer that is fetched in parts. */
static void keep_out(struct sim_slot *s, const uint8_t *p, size_t len)
{
	free(s->out);
	s->out = sim_dup(p, len);
	s->out_len = len;
	s->out_off = 0;
	s->out_parts = 0;
}

static void next_part(struct sim_iface *f, unsigned slot, size_t room, struct sim_result *r)
{
	struct sim_slot *s = &f->slot[slot];
	size_t left = s->out_len - s->out_off;
	bool first = s->out_parts++ == 0, forever;
	const struct sim_fault *t = sim_fault_hits(f->d, "chain-tiny", f, (int)slot);

	if (t)
		room = sim_fault_value(t, 1) ? sim_fault_value(t, 1) : 1;
	forever = sim_fault_hits(f->d, "chain-begins", f, (int)slot) != NULL;
	r->data = s->out + s->out_off;
	r->len = left < room ? left : room;
	s->out_off += r->len;
	if (s->out_off == s->out_len)
		r->chain = first ? 0 : 2;
	else
		r->chain = first ? 1 : 3;
	if (sim_fault_hits(f->d, "chain-middle", f, (int)slot))
		r->chain = 3;
	if (forever) {
		r->chain = 1;
		s->out_off = 0;
	}
}

static int run_extended(struct sim_iface *f, unsigned slot, const uint8_t *p, size_t len,
			size_t room, struct sim_result *r)
{
	struct sim_slot *s = &f->slot[slot];
	const struct sim_fault *t;

	if (sim_card_exchange(f, s, p, len, r))
		return -1;
	t = sim_fault_hits(f->d, "chain-endless", f, (int)slot);
	if (t) {
		r->len = sim_fault_value(t, 70000);
		if (r->len > SIM_ROOM)
			r->len = SIM_ROOM;
		memset(f->d->scratch, 0x5A, r->len);
	}
	keep_out(s, f->d->scratch, r->len);
	next_part(f, slot, room, r);
	return 0;
}

static int append_in(struct sim_slot *s, const uint8_t *p, size_t len)
{
	if (!s->in)
		s->in = sim_alloc(SIM_ROOM);
	if (len > SIM_ROOM - s->in_len)
		return -1;
	if (len)
		memcpy(s->in + s->in_len, p, len);
	s->in_len += len;
	return 0;
}

static int extended(struct sim_iface *f, unsigned slot, const uint8_t *p, size_t len,
		    unsigned level, size_t room, struct sim_result *r, uint8_t *error)
{
	struct sim_slot *s = &f->slot[slot];
	bool ok = level == 0x10 ? !s->chain_in && s->out_off < s->out_len && len == 0 :
		  level == 2 || level == 3 ? s->chain_in : level <= 1 && !s->chain_in;

	if (!ok) {
		sim_complain(f->d,
			     "bulk: wLevelParameter %04x (%zu bytes) at this point of slot %u",
			     level, len, slot);
		s->chain_in = false;
		*error = 8;
		return -1;
	}
	*error = ERR_MUTE;
	if (level == 0x10) {
		next_part(f, slot, room, r);
		return 0;
	}
	if (level == 0)
		return run_extended(f, slot, p, len, room, r);
	if (len == 0)
		sim_complain(f->d, "bulk: empty part of a chained APDU (wLevelParameter %04x)",
			     level);
	if (level == 1)
		s->in_len = 0;
	s->chain_in = level != 2;
	if (append_in(s, p, len)) {
		s->chain_in = false;
		return -1;
	}
	if (level == 2)
		return run_extended(f, slot, s->in, s->in_len, room, r);
	r->data = s->in;
	r->len = 0;
	r->chain = 0x10;
	return 0;
}

/* Character level: as many bytes as wLevelParameter says; what is left waits for the next time. */
static int character(struct sim_iface *f, unsigned slot, const uint8_t *p, size_t len,
		     unsigned want, struct sim_result *r, uint8_t *error)
{
	struct sim_slot *s = &f->slot[slot];
	uint8_t *out = f->d->scratch;

	*error = ERR_MUTE;
	if (s->protocol == 0 && !is_pps(s, p, len)) {
		if (!speaks_alike(f, s))
			return -1;
		r->data = out;
		if (sim_card_t0_chars(s->card, p, len, want, out, &r->len, &r->work_ns))
			return -1;
		r->work_ns += byte_time(f, s, len + r->len);
		return 0;
	}
	if (len) {
		if (sim_card_exchange(f, s, p, len, r))
			return -1;
		keep_out(s, out, r->len);
	}
	r->data = s->out + s->out_off;
	r->len = s->out_len - s->out_off;
	if (want && want < r->len)
		r->len = want;
	if (r->len == 0 && want)
		return -1;
	s->out_off += r->len;
	return 0;
}

int sim_exchange(struct sim_iface *f, unsigned slot, const uint8_t *data, size_t len,
		 unsigned level, size_t room, struct sim_result *r, uint8_t *error)
{
	int rc;

	memset(r, 0, sizeof *r);
	*error = ERR_MUTE;
	/* short APDU devices of ICCD version B chain as extended ones do */
	if (sim_level(f) == SIM_LEVEL_EXTENDED || f->conf->protocol == SIM_ICCD_B)
		return extended(f, slot, data, len, level, room, r, error);
	if (sim_level(f) == SIM_LEVEL_CHAR)
		return character(f, slot, data, len, level, r, error);
	if (len == 0) {
		sim_complain(f->d, "bulk: XfrBlock without data");
		return -1;
	}
	rc = sim_card_exchange(f, &f->slot[slot], data, len, r);
	if (rc == SIM_CARD_CONFLICT)
		*error = ERR_PROCEDURE;
	return rc;
}
