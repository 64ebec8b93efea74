/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef UTIL_LOG_SECRETS_H
#define UTIL_LOG_SECRETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the classifier remembers between the messages of one slot: a command may be sent in
 * parts, and the answer to a secret command is secret too. Zero it before first use. */
struct log_secrecy {
	bool secret;		/* the exchange under way carries a secret */
	bool chained;		/* a chained secret command is being sent in parts */
	bool block_seen;	/* an I-block was sent: block_ns is its N(S) */
	uint8_t block_ns;
	size_t left;		/* T=0 character level: bytes of the secret command to come */
};

/* Judges one CCID message (whole, header included) that is sent or was received, and keeps
 * the state. Returns how many of its bytes, from the first, may be shown. */
size_t log_showable(struct log_secrecy *s, bool sent, const uint8_t *msg, size_t len);

/* Is it a T=1 block: NAD PCB LEN INF and a right LRC or CRC (ISO 7816-3:2006 §11.3), the CRC in
 * any convention that cards use? */
bool log_is_block(const uint8_t *p, size_t len);

#endif
