/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef IFDH_H
#define IFDH_H

#include "slot/registry.h"
#include "util/err.h"

#include <ifdhandler.h>

/* Between the files of this floor. */

/* No constant of <ifdhandler.h> stands for a parity error; pcscd only tells its users that the
 * exchange failed, but the number shows in its log. */
#define IFDH_PARITY_ERROR 699

/* The only map from errors inside to what pcscd understands. */
RESPONSECODE ifdh_code(enum ccid_err err);

/* IFDHGetCapabilities for an open slot: *Length is the room in Value on the way in, the length of
 * the value on the way out (also when it does not fit, or when Value is NULL and the length is all
 * that is asked for); 0 when there is no such value. */
enum ccid_err ifdh_get_cap(struct slot *s, DWORD Tag, PDWORD Length, PUCHAR Value);
/* IFDHSetCapabilities for an open slot; answers in pcscd's codes: two of them have no error
 * inside. */
RESPONSECODE ifdh_set_cap(struct slot *s, DWORD Tag, DWORD Length, const UCHAR *Value);

/* IFDHControl for an open slot. in is never written to; *returned is 0 on every error. */
RESPONSECODE ifdh_control(struct slot *s, DWORD code, const uint8_t *in, size_t len,
			  uint8_t *out, size_t cap, size_t *returned);

#endif
