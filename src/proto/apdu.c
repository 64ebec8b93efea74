/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/apdu.h"

#define HEADER 4		/* CLA INS P1 P2 */
#define SHORT_DATA (HEADER + 1)
#define EXTENDED_DATA (HEADER + 3)

static size_t get_be16(const uint8_t *p)
{
	return (size_t)p[0] << 8 | p[1];
}

/* An Le field of zeros asks for the most there is (§12.1.2). */
static size_t wanted(size_t Le, size_t most)
{
	return Le ? Le : most;
}

static struct apdu parse_short(const uint8_t *p, size_t len)
{
	size_t Lc = p[HEADER];
	struct apdu a = { APDU_MALFORMED, 0, 0, 0, 0 };

	if (len == SHORT_DATA) {
		a.shape = APDU_2S;
		a.Ne = wanted(Lc, 256);
		a.Le = HEADER;
	} else if (Lc != 0 && len == SHORT_DATA + Lc) {
		a.shape = APDU_3S;
	} else if (Lc != 0 && len == SHORT_DATA + Lc + 1) {
		a.shape = APDU_4S;
		a.Le = len - 1;
		a.Ne = wanted(p[a.Le], 256);
	}
	if (a.shape == APDU_3S || a.shape == APDU_4S) {
		a.Nc = Lc;
		a.data = SHORT_DATA;
	}
	return a;
}

static struct apdu parse_extended(const uint8_t *p, size_t len)
{
	size_t Lc = get_be16(p + HEADER + 1);
	struct apdu a = { APDU_MALFORMED, 0, 0, 0, 0 };

	if (len == EXTENDED_DATA) {
		a.shape = APDU_2E;
		a.Ne = wanted(Lc, 65536);
		a.Le = HEADER;
	} else if (Lc != 0 && len == EXTENDED_DATA + Lc) {
		a.shape = APDU_3E;
	} else if (Lc != 0 && len == EXTENDED_DATA + Lc + 2) {
		a.shape = APDU_4E;
		a.Le = len - 2;
		a.Ne = wanted(get_be16(p + a.Le), 65536);
	}
	if (a.shape == APDU_3E || a.shape == APDU_4E) {
		a.Nc = Lc;
		a.data = EXTENDED_DATA;
	}
	return a;
}

struct apdu apdu_parse(const uint8_t *p, size_t len)
{
	struct apdu a = { APDU_MALFORMED, 0, 0, 0, 0 };

	if (len < HEADER)
		return a;
	if (len == HEADER) {
		a.shape = APDU_1;
		return a;
	}
	if (p[HEADER] == 0 && len >= EXTENDED_DATA)
		return parse_extended(p, len);
	return parse_short(p, len);
}

bool apdu_is_extended(const struct apdu *a)
{
	return a->shape >= APDU_2E;
}
