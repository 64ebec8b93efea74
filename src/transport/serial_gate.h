/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TRANSPORT_SERIAL_GATE_H
#define TRANSPORT_SERIAL_GATE_H

#include "transport/serial_frame.h"
#include "transport/transport.h"

#include <pthread.h>

/* The inside of a serial transport: what its threads share (serial_gate.c says which call may go
 * on, serial_line.c what goes over the line). */

#define SERIAL_SLOTS 8

/* In line for the reader, first come first served. On the waiter's stack. */
struct place {
	struct place *next;
};

struct serial {
	struct transport t;	/* first: a transport pointer is a serial pointer */
	bool echoes;
	int fd;
	int wake[2];		/* a byte in it ends a poll(); one stays there once gone is set */

	/* Innermost lock: nothing but the log is called under it that takes another one or
	 * blocks. All below belongs to it. */
	pthread_mutex_t lock;
	pthread_cond_t changed;	/* broadcast at every change below */
	bool gone;
	unsigned inside;	/* calls under way */
	bool reading;		/* a thread is in poll() for all others */
	uint64_t last_byte_ns;
	struct serial_frame frame;
	struct place *first, **last;
	bool change[SERIAL_SLOTS], stop[SERIAL_SLOTS], closed[SERIAL_SLOTS];

	/* the command that has the line, and what came for it */
	struct request *owner;
	uint8_t out[SERIAL_FRAME_MAX];	/* of the owner's thread */
	size_t out_len;
	unsigned repeats, damages;
	bool nak, damaged, time_request;
	uint64_t gone_ns;	/* when the reader told that the owner's card is gone; 0: not */
	uint8_t answer[SERIAL_MESSAGE_MAX];
	size_t answer_len;	/* 0: none */
};

static inline struct serial *serial_of(struct transport *t)
{
	return (struct serial *)t;
}

/* Every hook: enter, work, leave. After enter failed there is no leave; between them the lock is
 * held. serial_leave() returns err. */
enum ccid_err serial_enter(struct serial *s);
enum ccid_err serial_leave(struct serial *s, enum ccid_err err);

/* All below under the lock. */

/* May a call for that slot go on? */
enum ccid_err serial_refusal(const struct serial *s, uint8_t slot);
/* The line is dead: all waiting calls end, all later ones are refused. */
void serial_lost(struct serial *s);
/* The wire does not tell which slot a movement was in: all look. */
void serial_mark_changes(struct serial *s);
/* Waits in the queue until the line is free and all earlier callers had their turn. */
enum ccid_err serial_take_line(struct serial *s, struct request *r, const struct deadline *d);
/* Wipes what the command left. */
void serial_give_line(struct serial *s);

/* Hooks that only tell others something. Not under the lock. */
void serial_stop_change(struct transport *t, uint8_t slot);
void serial_mark_changed(struct transport *t, uint8_t slot);
void serial_set_closed(struct transport *t, uint8_t slot, bool closed);
void serial_set_gone(struct transport *t);

#endif
