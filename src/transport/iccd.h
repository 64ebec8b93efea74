/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TRANSPORT_ICCD_H
#define TRANSPORT_ICCD_H

#include "wire/ccid_desc.h"
#include "util/deadline.h"
#include "util/err.h"
#include "util/log.h"

/* USB ICCs (ICCD 1.0, versions A and B) have no bulk endpoints: class requests on the control pipe
 * replace the messages of CCID. This module turns one PC_to_RDR message into such requests and
 * makes up the RDR_to_PC answer. */

/* Largest transfer on the control pipe. */
#define ICCD_TRANSFER_MAX 0x1000u

/* The control pipe. */
struct iccd_pipe {
	/* One control transfer. data: len bytes to send, or room for what comes; *actual: bytes
	 * that went or came. Errors: the transport's (a stalled pipe: CCID_ERR_COMM). */
	enum ccid_err (*control)(void *ctx, uint8_t bmRequestType, uint8_t bRequest,
				 uint16_t wValue, uint16_t wIndex, uint8_t *data, size_t len,
				 size_t *actual, const struct deadline *d);
	void *ctx;
	/* Lets ms milliseconds go by, but not past the deadline; CCID_ERR_NO_DEVICE at once when
	 * the device is gone. NULL: sleeps, and the next transfer finds out. */
	enum ccid_err (*pause)(void *ctx, unsigned ms, const struct deadline *d);
};

/* One USB ICC. The caller owns it and lets one thread at a time in. */
struct iccd {
	struct iccd_pipe pipe;
	uint8_t version;	/* bInterfaceProtocol: CCID_PROTOCOL_ICCD_A or _B */
	uint16_t interface;	/* wIndex */
	struct log_ctx log;
	bool powered;

	/* the message under way */
	uint8_t type, slot, seq;
	bool unfinished;	/* the device still owes the answer to an XfrBlock or power on */
	bool was_busy;		/* the token asked for time since the last call */
	/* version A: what is still to be sent, and what came so far */
	const uint8_t *out;
	size_t out_left, expected;
	uint8_t part[256 + 2];
	size_t part_len;
	uint8_t scratch[ICCD_TRANSFER_MAX];
};

/* Takes the pipe over and brings the device to a known state: power off, on, off. Errors: those
 * of the pipe when the device is gone, CCID_ERR_TIMEOUT; a card that does not answer is found out
 * at the next power on. */
enum ccid_err iccd_open(struct iccd *i, const struct iccd_pipe *pipe, uint8_t bInterfaceProtocol,
			uint8_t bInterfaceNumber, const struct log_ctx *log,
			const struct deadline *d);

/* One PC_to_RDR message (len bytes, at least 10) and its answer (cap: at least 12 bytes, else
 * as much as any answer of this reader). The data of a message must stay in place until its answer
 * is complete. A device that is busy until the deadline gives an answer that asks for a time
 * extension (bStatus 80): iccd_continue() goes on waiting. What a USB ICC cannot do gives a
 * failed answer with bError 0. Errors: CCID_ERR_ARG, CCID_ERR_TIMEOUT (silent until the
 * deadline), CCID_ERR_COMM (an answer that is none), those of the pipe. */
enum ccid_err iccd_message(struct iccd *i, const uint8_t *msg, size_t len, uint8_t *answer,
			   size_t cap, size_t *answer_len, const struct deadline *d);
enum ccid_err iccd_continue(struct iccd *i, uint8_t *answer, size_t cap, size_t *answer_len,
			    const struct deadline *d);

/* The descriptor as the layers above must see it: no parameters to set, and version A takes whole
 * TPDUs, a version B of short APDUs takes extended ones in parts. */
void iccd_fix_desc(struct ccid_desc *d);

#endif
