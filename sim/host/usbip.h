/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef USBIP_H
#define USBIP_H

/* Simulated devices over USB/IP, protocol version 1.1.1 (Linux Documentation/usb/usbip_protocol.rst): the
 * kernel's vhci-hcd takes them for its own. No threads; time is an argument (nanoseconds, monotonic). */

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sim/model/sim_dev.h"

#define USBIP_PORT 3240
#define USBIP_MAX_LINKS 48	/* connections at a time */

/* Error numbers go over the wire as Linux counts them. */
#define USBIP_ECONNRESET (-104)
#define USBIP_EREMOTEIO (-121)

struct usbip_link;

/* An exported device. Its bus id is "1-N" with N = index + 1; devid is 1 << 16 | N + 1. */
struct usbip_export {
	struct sim_dev *dev;
	bool plugged;			/* is shown and can be imported */
	struct usbip_link *user;	/* the importing client, or NULL */
};

struct usbip_bus {
	struct usbip_export *exports;
	unsigned n;
};

/* usbip_link.c: one connection, from its first request to its end. Knows bytes, not sockets. */
struct usbip_link *usbip_link_new(struct usbip_bus *b);
/* Gives an imported device back: what was under way is cancelled. */
void usbip_link_free(struct usbip_link *l, uint64_t now);
/* Takes bytes as they come, in any portions. False: the peer does not speak the protocol; the connection
 * has to be closed. */
bool usbip_link_receive(struct usbip_link *l, const uint8_t *p, size_t len, uint64_t now);
/* The bytes to send; usbip_link_sent() removes n of them. */
size_t usbip_link_output(const struct usbip_link *l, const uint8_t **p);
void usbip_link_sent(struct usbip_link *l, size_t n);
/* Whether the connection ends when everything is sent: the answer was the last, or the device has gone. */
bool usbip_link_ends(const struct usbip_link *l);
/* Hands over completions that are due. Returns when something will happen next, UINT64_MAX: not by itself. */
uint64_t usbip_bus_run(struct usbip_bus *b, uint64_t now);
/* The device has been unplugged: its user's connection is going to end. */
void usbip_bus_gone(struct usbip_bus *b, struct usbip_export *e, uint64_t now);

/* usbip_server.c: connections on sockets. */
struct usbip_server;
/* The bus stays the caller's, and outlives the server. NULL: no memory. */
struct usbip_server *usbip_server_new(struct usbip_bus *b);
void usbip_server_free(struct usbip_server *s, uint64_t now);
/* Takes over a connected stream socket; closes it when there are too many. */
void usbip_server_add(struct usbip_server *s, int fd);
/* Fills in what to wait for: at most USBIP_MAX_LINKS entries. Returns how many. */
unsigned usbip_server_poll(const struct usbip_server *s, struct pollfd *p);
/* Serves sockets and devices. p, n: as usbip_server_poll() gave them and poll() left them. Returns when to be
 * called again at the latest, as usbip_bus_run(). */
uint64_t usbip_server_turn(struct usbip_server *s, const struct pollfd *p, unsigned n, uint64_t now);

#endif
