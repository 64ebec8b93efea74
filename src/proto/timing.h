/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef PROTO_TIMING_H
#define PROTO_TIMING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the waiting times of ISO 7816-3:2006 §10.2 and §11.4.3 are computed from. */
struct timing {
	uint32_t clock_khz;	/* f, at least 1 */
	uint16_t Fi;		/* 372, 512, ... (table 7); at least 1 */
	uint8_t Di;		/* 1, 2, 4, ... (table 8); at least 1 */
	uint8_t TC1;		/* extra guard time integer N */
	uint8_t WI;		/* T=0, TC2, default 10 */
	uint8_t BWI, CWI;	/* T=1, first TB for T=1, default 4 and 13 */
};

/* Does TA1 name a Fi and a Di, neither of them reserved? (§8.3, tables 7 and 8) */
bool timing_known(uint8_t TA1);
/* Fi and Di of TA1 (or PPS1); a reserved value counts as its default (372, 1). */
uint16_t timing_fi(uint8_t TA1);
uint8_t timing_di(uint8_t TA1);
/* Card's bit rate in bps: clock * Di / Fi, rounded down, at most 2^32 - 1; 0 when Fi
 * or Di is reserved. */
uint32_t timing_baud(uint32_t clock_khz, uint8_t TA1);

/* How long an exchange of out bytes to and in bytes from the card may take at T=0, in ms: a
 * WT = WI x 960 x Fi/f for each byte and 1 s of margin; never less than 3 s or more than
 * 5 minutes. */
unsigned timing_t0_ms(const struct timing *t, size_t out, size_t in);
/* The same for a T=1 block: multiplier x BWT (0 counts as 1), BWT = 11 etu + 2^BWI x 960 x 372/f,
 * and a CWT = (11 + 2^CWI) etu for each byte, or the guard time TC1 asks of our bytes where that
 * is longer. Margin, minimum and maximum as above. */
unsigned timing_t1_ms(const struct timing *t, size_t out, size_t in, uint8_t multiplier);

/* How long a reader may be silent over a whole command, when it takes NULL bytes or S(WTX) from the
 * card itself and many do not pass them on as time extensions (cards are seen to need 40 s).
 * T=0, every level but characters: no less than 260 WT and 5 bytes out, or 6 WT and 261 bytes out
 * at their guard time, whatever the command is. T=1, APDU levels: no less than BWT, 260 bytes out
 * and 260 CWT, nor than 60 s. Margin and ceiling as above. */
unsigned timing_t0_command_ms(const struct timing *t, size_t out, size_t in);
unsigned timing_t1_command_ms(const struct timing *t, size_t out, size_t in);

#endif
