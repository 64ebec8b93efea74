/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef SLOT_NEGOTIATE_H
#define SLOT_NEGOTIATE_H

#include "wire/ccid_desc.h"
#include "proto/atr.h"
#include "proto/exchange.h"
#include "proto/pps.h"

/* ATR x reader -> what goes out. Pure: it plans, slot.c carries out. */
struct negotiate_input {
	const struct atr *atr;
	const struct ccid_desc *desc;
	const uint32_t *rates;		/* data-rate table, may be NULL */
	size_t n_rates;
	unsigned protocol;		/* asked for: 0 or 1 */
	bool default_speed;		/* the card was mute at the speed of its TA1 */
	bool as_it_is;			/* the card's first protocol, whether the reader names it or
					   not */
	bool keep_atr_protocol;		/* quirk (Oz776): no PPS, the ATR's default protocol */
	bool no_ifsd;			/* quirk: no S(IFS request) */
	bool case1_needs_p3, split_expected_64;
	unsigned extra_t1_wait_ms;
};

struct negotiation {
	uint8_t protocol;
	bool send_pps;
	uint8_t pps[PPS_MAX];
	size_t pps_len;
	bool set_parameters;
	uint8_t params[7];		/* abProtocolDataStructure: 5 bytes for T=0, 7 for T=1 */
	size_t params_len;
	bool negotiate_ifsd;		/* T=1 at TPDU level (character: likewise) */
	uint8_t ifsd;			/* 1..254 */
	uint8_t ifsc;			/* 1..254: what card and reader both can take in a block */
	bool crc;
	uint8_t nad;
	struct exchange_config exchange; /* level, timing, max_data, quirks */
};

/* Exchange level of a reader by its dwFeatures (CCID 1.10 §5.1); ICCD has been mapped to it when
 * the device was opened (iccd_fix_desc). */
enum exchange_level negotiate_level(const struct ccid_desc *desc);

/* A reader that names neither T=0 nor T=1 has its dwProtocols wrong, and is believed to have
 * both. The card of a USB ICC is the device: its ATR says what it speaks. */
bool negotiate_reader_has(const struct ccid_desc *desc, unsigned protocol);

/* Fills *n. CCID_ERR_PROTO_UNSUPPORTED: card or reader lack the protocol, or TA2 fixes another; *n
 * is not to be used then. */
enum ccid_err negotiate_plan(struct negotiation *n, const struct negotiate_input *in);

/* The card answered the PPS without PPS1: turns *n, planned from the same input, to Fd, Dd, which
 * are 372, 1. */
void negotiate_default_speed(struct negotiation *n, const struct negotiate_input *in);

#endif
