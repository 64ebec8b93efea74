/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "util/err.h"

const char *err_name(enum ccid_err err)
{
	static const char *const names[CCID_ERR_COUNT] = {
		[CCID_OK] = "ok",
		[CCID_ERR_ARG] = "invalid argument",
		[CCID_ERR_NOMEM] = "out of memory",
		[CCID_ERR_NO_DEVICE] = "no such device",
		[CCID_ERR_STALE] = "stale device handle",
		[CCID_ERR_NO_CARD] = "no card",
		[CCID_ERR_MUTE] = "card mute",
		[CCID_ERR_TIMEOUT] = "timeout",
		[CCID_ERR_COMM] = "communication error",
		[CCID_ERR_PARITY] = "parity error",
		[CCID_ERR_PROTOCOL] = "protocol violated",
		[CCID_ERR_BUSY] = "busy",
		[CCID_ERR_TOO_LONG] = "command too long for this reader",
		[CCID_ERR_OVERFLOW] = "answer too long for the buffer",
		[CCID_ERR_NOT_SUPPORTED] = "not supported",
		[CCID_ERR_PROTO_UNSUPPORTED] = "protocol not supported",
		[CCID_ERR_PTS] = "PPS failed",
		[CCID_ERR_TAG] = "unknown tag",
		[CCID_ERR_SHORT_BUFFER] = "buffer too small",
		[CCID_ERR_POWER] = "power action failed",
		[CCID_ERR_CONFIG] = "configuration unusable",
	};

	return (unsigned)err < CCID_ERR_COUNT && names[err] ? names[err] : "unknown error";
}
