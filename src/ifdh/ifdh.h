/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef IFDH_H
#define IFDH_H

#include "slot/registry.h"
#include "util/err.h"

#include <ifdhandler.h>
#include <pthread.h>

/* Between the files of this layer. */

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

/* A thread that pcscd cancels inside the driver would leave locks and counts behind: between the
 * two it is not. ifdh_not_cancelled() returns what ifdh_cancelled_again() takes. */
static inline int ifdh_not_cancelled(void)
{
	int before = 0;

#ifdef PTHREAD_CANCEL_DISABLE
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before);
#endif
	return before;
}

static inline void ifdh_cancelled_again(int before)
{
#ifdef PTHREAD_CANCEL_DISABLE
	pthread_setcancelstate(before, NULL);
#else
	(void)before;
#endif
}

#endif
