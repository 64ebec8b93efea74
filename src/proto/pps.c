/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/pps.h"

#define PPSS 0xFF
#define PPS1_PRESENT 0x10
#define DEFAULT_TA1 0x11

static uint8_t xor_of(const uint8_t *p, size_t len)
{
	uint8_t sum = 0;

	while (len-- > 0)
		sum ^= *p++;
	return sum;
}

size_t pps_build(uint8_t out[PPS_MAX], uint8_t protocol, uint8_t ta1)
{
	size_t len = 0;

	out[len++] = PPSS;
	out[len++] = protocol & 0x0F;
	if (ta1 != DEFAULT_TA1) {
		out[1] |= PPS1_PRESENT;
		out[len++] = ta1;
	}
	out[len] = xor_of(out, len);
	return len + 1;
}

/* The answer repeats PPS0 and PPS1, or leaves PPS1 out (§9.3). The high bits of PPS0 (PPS2, PPS3
 * and one reserved) were not set in the request and so must not be set here. */
enum ccid_err pps_check(const uint8_t *request, size_t request_len,
			const uint8_t *answer, size_t answer_len, bool *speed_kept)
{
	bool asked = request_len == 4;
	bool agreed;

	*speed_kept = false;
	if (answer_len < 3 || answer[0] != PPSS || xor_of(answer, answer_len) != 0)
		return CCID_ERR_PTS;
	agreed = answer[1] & PPS1_PRESENT;
	if ((answer[1] | (asked ? PPS1_PRESENT : 0)) != request[1])
		return CCID_ERR_PTS;
	if (answer_len != (agreed ? 4u : 3u) || (agreed && answer[2] != request[2]))
		return CCID_ERR_PTS;
	*speed_kept = agreed == asked;
	return CCID_OK;
}
