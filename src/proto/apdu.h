/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef PROTO_APDU_H
#define PROTO_APDU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ISO 7816-3:2006 §12.1.3: S is for short length fields, E for extended ones. */
enum apdu_case {
	APDU_MALFORMED,
	APDU_1,		/* header only */
	APDU_2S,	/* Le */
	APDU_3S,	/* Lc data */
	APDU_4S,	/* Lc data Le */
	APDU_2E,
	APDU_3E,
	APDU_4E,
};

/* A command APDU taken apart; offsets are from its first byte. */
struct apdu {
	enum apdu_case shape;
	size_t Nc;		/* data bytes, 0..65535 */
	size_t data;		/* where they begin; 0 when there are none */
	size_t Ne;		/* most data bytes wanted back, 0..65536; a length field of 0 is
				   256 or 65536 */
	size_t Le;		/* where the Le field begins; 0 when there is none */
};

/* Takes apart len bytes. APDU_MALFORMED (all else 0) when the length fields do not add
 * up to len, or len is below 4. */
struct apdu apdu_parse(const uint8_t *p, size_t len);

bool apdu_is_extended(const struct apdu *a);

#endif
