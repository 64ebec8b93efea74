/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef PROTO_T0_H
#define PROTO_T0_H

#include "proto/exchange_state.h"

/* ISO 7816-3:2006 §10 */
extern const struct exchange_machine t0_tpdu_machine;
extern const struct exchange_machine t0_character_machine;	/* t0.c */

#endif
