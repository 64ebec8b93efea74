/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef UTIL_ERR_H
#define UTIL_ERR_H

/* The only error type inside the driver. It becomes an IFDH RESPONSECODE in one
 * place, ifdh/ifdh_error.c. */
enum ccid_err {
	CCID_OK = 0,
	CCID_ERR_ARG,		/* the caller's argument makes no sense */
	CCID_ERR_NOMEM,
	CCID_ERR_NO_DEVICE,	/* the reader is gone, or is not one of ours */
	CCID_ERR_STALE,		/* the handle died but the device node is still there */
	CCID_ERR_NO_CARD,	/* no card in the slot */
	CCID_ERR_MUTE,		/* the card does not answer (bError FE) */
	CCID_ERR_TIMEOUT,	/* a deadline passed */
	CCID_ERR_COMM,		/* bytes lost, damaged or out of place */
	CCID_ERR_PARITY,	/* parity error between reader and card */
	CCID_ERR_PROTOCOL,	/* the card or the reader broke its protocol */
	CCID_ERR_BUSY,		/* claimed by another program, or slot busy to the end */
	CCID_ERR_TOO_LONG,	/* the command does not fit this reader */
	CCID_ERR_OVERFLOW,	/* the answer does not fit the caller's buffer */
	CCID_ERR_NOT_SUPPORTED,	/* the reader cannot do this */
	CCID_ERR_PROTO_UNSUPPORTED, /* the card or the reader lacks this T= protocol */
	CCID_ERR_PTS,		/* PPS failed */
	CCID_ERR_TAG,		/* unknown capability tag */
	CCID_ERR_SHORT_BUFFER,	/* the caller's buffer is too small, nothing written */
	CCID_ERR_POWER,		/* power on or off failed */
	CCID_ERR_CONFIG,	/* Info.plist cannot be used */
	CCID_ERR_COUNT
};

/* Short English name of an error for logs; never NULL. */
const char *err_name(enum ccid_err err);

#endif
