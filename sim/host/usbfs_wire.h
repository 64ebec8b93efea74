/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef USBFS_WIRE_H
#define USBFS_WIRE_H

#include <stdint.h>

/* Messages between the preloaded library and the simulator's daemon. Sockets are AF_UNIX,
 * SOCK_SEQPACKET: one packet is one struct wire_msg, followed by `length` bytes of data where the
 * operation has some. Both ends are of one build, so fields are in host order.
 *
 * An open device node is two connections. The first is the file descriptor that the program
 * holds: requests go out on it and completions come in, so that its readiness is the node's. The
 * second carries the ioctls that wait for an answer. */
enum wire_op {
	WIRE_OPEN = 1,		/* first connection: arg = bus << 16 | device; answer: cookie = handle */
	WIRE_JOIN,		/* second connection: cookie = handle; answer: arg = speed, data = descriptors */
	WIRE_SUBMIT,		/* first: cookie, type, endpoint, room or data, setup; answered by WIRE_COMPLETE */
	WIRE_DISCARD,		/* first: cookie; no answer of its own */
	WIRE_COMPLETE,		/* first: cookie, status, arg = actual length, data of an IN transfer */
	WIRE_CLAIM,		/* second, from here on: arg = interface */
	WIRE_RELEASE,
	WIRE_DRIVER,		/* arg = interface; status 0: claimed by usbfs, -ENODATA: no driver */
	WIRE_SET_INTERFACE,	/* arg = interface << 8 | altsetting */
	WIRE_SET_CONFIGURATION,	/* arg = value */
	WIRE_CLEAR_HALT,	/* arg = endpoint */
	WIRE_RESET,
	WIRE_TRANSFER,		/* a blocking control or bulk transfer; timeout_ms 0: for ever */
	WIRE_CLOSE,
	WIRE_COMMAND,		/* a control command: data is text; answer: status 0 or -1, data is text */
};

struct wire_msg {
	uint32_t op;
	int32_t status;
	uint64_t cookie;
	uint32_t type;		/* enum sim_urb_type */
	uint32_t endpoint;
	uint32_t length;	/* room, or bytes of data that follow */
	uint32_t arg;
	uint32_t timeout_ms;
	uint8_t setup[8];
};

/* The largest data of one packet: the longest CCID message (65 544 + 10) and room to be wrong in.
 * Fits the socket buffer that Linux gives to anyone (net.core.wmem_default). */
#define WIRE_MAX_DATA 131072u

#define WIRE_SOCKET_ENV "CCID_SIM_SOCKET"

#endif
