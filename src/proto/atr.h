/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef PROTO_ATR_H
#define PROTO_ATR_H

#include "util/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ATR_MAX 33
#define ATR_MAX_LEVELS 8

/* An answer to reset taken apart (ISO 7816-3:2006 §8). Bytes that the ATR
 * announces but does not carry are treated as absent: nothing is invented.
 * It points into itself: not to be copied by assignment. */
struct atr {
	uint8_t raw[ATR_MAX];
	uint8_t len;
	bool inverse;			/* TS = 3F */
	bool truncated;			/* the ATR announces more than it carries */
	uint8_t n_levels;		/* groups of interface bytes kept in level[]; the decoded
					   fields below also know the groups after those */
	struct atr_level {		/* level[0] holds TA1 .. TD1 */
		bool has_a, has_b, has_c, has_d;
		uint8_t TA, TB, TC, TD;
	} level[ATR_MAX_LEVELS];
	uint16_t protocols;		/* bit T set: offered (TD1, TD2 ...; T=0 when none is
					   named); T=15 is not a protocol: no bit */
	uint8_t first_protocol;		/* T of TD1, 0 when there is none: the default one */
	const uint8_t *historical;	/* points into raw */
	uint8_t historical_len;
	bool has_tck, tck_wrong;

	/* decoded */
	uint8_t TA1, TC1;		/* defaults 11, 00 */
	bool specific;			/* TA2 present: specific mode */
	uint8_t TA2;
	uint8_t WI;			/* TC2; 0A when absent or 00 (reserved) */
	bool has_t1;			/* interface bytes for T=1 are there; the first ones: */
	uint8_t IFSC;			/* default 32; FF becomes 254, 0 becomes 32 */
	uint8_t BWI, CWI;		/* default 4, 13 */
	bool t1_crc;
	bool has_t15;			/* TA after T=15 (the first one): */
	uint8_t clock_stop;		/* X of TA(T=15), 0..3 */
	uint8_t classes;		/* Y of TA(T=15): bit 0 A, 1 B, 2 C; 0: not said */
};

/* Takes apart len bytes. CCID_ERR_PROTOCOL when there are fewer than 2 bytes or TS
 * is neither 3B nor 3F; more than 33 bytes are cut to 33. A wrong TCK is no
 * error (tck_wrong). */
enum ccid_err atr_parse(struct atr *atr, const uint8_t *p, size_t len);

#endif
