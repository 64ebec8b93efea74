/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* For check_atr_list.py: reads ATRs in hexadecimal, one a line, and prints for each "ok PROTOCOLS
 * TA1 REFUSED" or "refused - - -". REFUSED: the first protocol that the card offers and negotiation
 * refuses on a TPDU reader with T=0 and T=1, or "-". */
#include "proto/atr.h"
#include "slot/negotiate.h"

#include <stdio.h>
#include <string.h>

#define IMPLICIT 0x10	/* TA2: parameters the interface device must know (ISO 7816-3:2006 §8.3) */

/* libccid refuses such ATRs as well. */
static bool to_be_refused(const struct atr *atr, unsigned protocol)
{
	return atr->specific && ((atr->TA2 & 0x0F) != protocol || (atr->TA2 & IMPLICIT));
}

static const char *refused_protocol(const struct atr *atr)
{
	static const struct ccid_desc desc = {
		.dwFeatures = CCID_FEATURE_TPDU, .dwProtocols = 3, .dwDefaultClock = 4000, .dwDataRate = 10752,
		.dwMaxDataRate = 344086, .dwMaxIFSD = 254, .dwMaxCCIDMessageLength = 271,
	};
	static const char *const names[] = { "T=0", "T=1" };

	for (unsigned protocol = 0; protocol < 2; protocol++) {
		struct negotiate_input in = { .atr = atr, .desc = &desc, .protocol = protocol };
		struct negotiation n;

		if ((atr->protocols >> protocol & 1) && !to_be_refused(atr, protocol) &&
		    negotiate_plan(&n, &in) != CCID_OK)
			return names[protocol];
	}
	return "-";
}

int main(void)
{
	char line[256];

	while (fgets(line, sizeof line, stdin)) {
		uint8_t bytes[sizeof line / 2];
		struct atr atr;
		unsigned v;
		size_t n = 0;

		for (const char *p = line; sscanf(p, "%2x", &v) == 1; p += 2)
			bytes[n++] = (uint8_t)v;
		if (atr_parse(&atr, bytes, n) != CCID_OK)
			puts("refused - - -");
		else
			printf("ok %04x %02x %s\n", atr.protocols, atr.TA1, refused_protocol(&atr));
	}
	return 0;
}
