/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef PROTO_PPS_H
#define PROTO_PPS_H

#include "util/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PPS_MAX 6

/* Builds FF PPS0 [PPS1] PCK; PPS1 only when ta1 is not 11 (372, 1). Returns its length (3 or
 * 4). ISO 7816-3:2006 §9.2. */
size_t pps_build(uint8_t out[PPS_MAX], uint8_t protocol, uint8_t ta1);

/* Judges the card's answer to a request built above: CCID_OK with *speed_kept true
 * when the card agreed to PPS1 (or none was asked), false when it left PPS1 out
 * and stays at Fd, Dd; CCID_ERR_PTS for anything else (§9.3). */
enum ccid_err pps_check(const uint8_t *request, size_t request_len,
			const uint8_t *answer, size_t answer_len, bool *speed_kept);

#endif
