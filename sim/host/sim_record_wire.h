/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef SIM_RECORD_WIRE_H
#define SIM_RECORD_WIRE_H

#include <stdint.h>

/* Messages from the library that ccid-sim record preloads to the recorder. One packet (AF_UNIX,
 * SOCK_SEQPACKET) is one of these and its bytes. Both ends are of one build. */
#define RECORD_SOCKET_ENV "CCID_SIM_RECORD"

enum record_op {
	RECORD_OPEN = 1,	/* a program has opened the node */
	RECORD_SUBMIT,		/* bulk OUT goes out */
	RECORD_COMPLETE,	/* any transfer is over */
};

struct record_event {
	uint32_t op;
	int32_t status;
	uint64_t time;		/* CLOCK_MONOTONIC, ns */
	uint32_t bus, device;
	uint32_t type, endpoint;	/* enum sim_urb_type */
	uint32_t room;		/* of the transfer's buffer */
	uint32_t length;	/* bytes that follow */
	uint8_t setup[8];
};

#define RECORD_MAX_DATA 131072u

#endif
