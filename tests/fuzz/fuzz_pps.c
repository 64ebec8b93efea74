/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Input: protocol, TA1, the card's answer to the PPS request. The expected result does not use
 * src/proto. */
#include "fuzz/fuzz.h"
#include "proto/pps.h"

#include <stdlib.h>
#include <string.h>

const char fuzz_name[] = "pps";

/* ISO 7816-3:2006 §9.2, §9.3: PPSS, PPS0 with the requested T, PPS1 as requested or absent, nothing
 * beyond the request, PCK. */
static bool is_right(unsigned protocol, uint8_t ta1, const uint8_t *a, size_t n, bool *kept)
{
	uint8_t sum = 0;
	bool asked = ta1 != 0x11, has_pps1;

	if (n < 3)
		return false;
	has_pps1 = (a[1] & 0x10) != 0;
	for (size_t i = 0; i < n; i++)
		sum ^= a[i];
	*kept = has_pps1 == asked;
	return a[0] == 0xFF && (a[1] & 0x0F) == protocol && !(a[1] & 0x60) && n == 3u + has_pps1 &&
	       sum == 0 && (!has_pps1 || (asked && a[2] == ta1));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct fuzz_in in = fuzz_input(data, len);
	unsigned protocol = fuzz_u8(&in) & 1;
	uint8_t ta1 = fuzz_u8(&in), request[PPS_MAX], *answer = fuzz_copy(in.p, in.left);
	size_t n = pps_build(request, (uint8_t)protocol, ta1);
	bool kept = false, expected_kept = false, right;

	FUZZ_CHECK(n == (ta1 == 0x11 ? 3 : 4));
	right = is_right(protocol, ta1, request, n, &kept);
	FUZZ_CHECK(right && kept);
	right = is_right(protocol, ta1, answer, in.left, &expected_kept);
	kept = !expected_kept;
	if (pps_check(request, n, answer, in.left, &kept) == CCID_OK)
		FUZZ_CHECK(right && kept == expected_kept);
	else
		FUZZ_CHECK(!right || (answer[1] & 0x80));
	free(answer);
	return 0;
}
