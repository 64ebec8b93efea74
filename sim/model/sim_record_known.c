/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The known state of a slot's card. */
#include "sim/model/sim_record.h"

#include <string.h>

#define HEADER 10u
enum { DATA_BLOCK = 0x80, SLOT_STATUS = 0x81 };

void sim_known_answer(struct sim_known *k, const uint8_t *p, size_t len)
{
	if (len < HEADER || p[0] < DATA_BLOCK || p[0] > 0x84)
		return;
	k->valid = true;
	k->icc = p[7] & 3;
	if (p[0] == SLOT_STATUS)
		k->clock = p[9];
}

void sim_known_notice(struct sim_known *k, unsigned n, const uint8_t *p, size_t len)
{
	if (len < 2 || p[0] != 0x50)
		return;
	for (unsigned i = 0; i < n && 1 + i / 4 < len; i++) {
		unsigned bits = p[1 + i / 4] >> 2 * (i % 4) & 3;

		if (!(bits & 1))
			k[i].icc = 2;
		else if (bits & 2 || k[i].icc == 2)
			k[i].icc = 1;
	}
}

void sim_known_status(const struct sim_known *k, uint8_t slot, uint8_t seq, uint8_t answer[10])
{
	memset(answer, 0, HEADER);
	answer[0] = SLOT_STATUS;
	answer[5] = slot;
	answer[6] = seq;
	answer[7] = k->icc;
	answer[9] = k->icc ? k->clock : 0;
}
