/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TRANSPORT_SERIAL_FRAME_H
#define TRANSPORT_SERIAL_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How a serial reader puts CCID messages on the line:
 *   03 06 | message | LRC	a message; LRC is the xor of all bytes before
 *   03 15 16			not acknowledged: say it again
 *   50 02, 50 03		between frames: a card went, came
 *   80..FF			between frames: the card needs more time (T=0)
 * Pure: bytes in, events out; no I/O, no clock. */

/* dwMaxCCIDMessageLength of every serial reader. */
#define SERIAL_MESSAGE_MAX 271
#define SERIAL_FRAME_MAX (SERIAL_MESSAGE_MAX + 3)
#define SERIAL_NAK_LENGTH 3

extern const uint8_t serial_nak[SERIAL_NAK_LENGTH];

enum serial_event {
	SERIAL_NOTHING,
	SERIAL_MESSAGE,		/* a whole frame with a right LRC: message, message_len */
	SERIAL_NAK,
	SERIAL_CARD_OUT,	/* a card went */
	SERIAL_CARD_IN,		/* a card came */
	SERIAL_TIME,		/* more time is asked for */
	SERIAL_ECHO,		/* our own command has come back */
	SERIAL_DAMAGED,		/* LRC or length wrong: deaf until serial_frame_restart() */
};

struct serial_frame {
	int state;
	uint8_t message[SERIAL_MESSAGE_MAX + 1]; /* and its LRC */
	size_t have, need;
	uint8_t lrc;
	/* echo of the command just sent */
	uint8_t echo[SERIAL_FRAME_MAX];
	size_t echo_len;	/* 0: none expected */
	bool in_echo;
	bool echo_differs;	/* of the last SERIAL_ECHO: not what was sent */
	size_t message_len;
};

void serial_frame_init(struct serial_frame *f);
/* Takes the next byte from the line. */
enum serial_event serial_frame_feed(struct serial_frame *f, uint8_t byte);
/* Inside a frame, or dropping bytes after a damaged one. */
bool serial_frame_busy(const struct serial_frame *f);
/* Forgets a frame that is not complete; a half card movement (50) is kept. */
void serial_frame_restart(struct serial_frame *f);
/* The reader is going to repeat these bytes (at most SERIAL_FRAME_MAX) before it
 * answers; len 0: it is not. */
void serial_frame_expect_echo(struct serial_frame *f, const uint8_t *sent, size_t len);
/* Overwrites what the parser still holds of messages. */
void serial_frame_wipe(struct serial_frame *f);

/* Puts a message of 10 to SERIAL_MESSAGE_MAX bytes into a frame; out has room for
 * SERIAL_FRAME_MAX bytes. Returns the frame's length, 0 when the length is out of
 * range. */
size_t serial_frame_encode(const uint8_t *message, size_t len, uint8_t *out);

#endif
