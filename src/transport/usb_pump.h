/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef USB_PUMP_H
#define USB_PUMP_H

#include "util/deadline.h"
#include "util/err.h"

#include <libusb.h>
#include <pthread.h>
#include <stdbool.h>

/* The pump moves libusb's events without a thread of its own: of all threads that
 * wait for something, one leads, that is, it sleeps in libusb; the others are parked, each
 * on its own condition, and are woken one by one when their result is there.
 *
 * - A thread that waits for an answer (WAIT_COMMAND) prefers to lead: it takes over from
 *   one that merely waits for a slot change (WAIT_IDLE), so a single card pays no
 *   thread hand-over at all.
 * - When it leaves it hands over to the newest other command, whose answer is farthest away.
 * - An idle waiter takes the lead back only PUMP_GRACE_MS after the last command, so a client
 *   that sends one command after the other does not wake it each time.
 *
 * Lock order: a transport's lock first, then the pump's, then a waiter's. */
#define PUMP_GRACE_MS 50u

enum wait_kind { WAIT_COMMAND, WAIT_IDLE };

/* One thread's place to wait. Lives in the transport; used by one thread at a time. */
struct waiter {
	enum wait_kind kind;
	int done;			/* atomic: set by pump_wake() */
	bool listed;			/* atomic, written under the pump's lock: is parked */
	struct waiter *next, *prev;	/* under the pump's lock; newest first */
	bool to_wake;			/* the same: the leader will wake it */
	struct waiter *wake_next;
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool token;			/* under lock: look again */
};

/* Work that a completion callback must not do: closing a handle, above all. */
struct pump_job {
	void (*run)(struct pump_job *job);
	struct pump_job *next;		/* under the pump's lock */
};

struct pump {
	libusb_context *ctx;
	pthread_mutex_t lock;
	struct waiter *leader;		/* atomic, written under lock; NULL: none in libusb */
	pthread_t leader_thread;
	bool yield;			/* the leader is asked to let a command lead */
	struct waiter passer_by;	/* leads for who sweeps: never waits */
	struct waiter *deputy;		/* the idle waiter that looks whether to lead again */
	struct waiter *parked[2];	/* by kind */
	struct waiter *to_wake;		/* by callbacks; woken when they all have run */
	uint64_t last_command_ns;	/* when a command last led */
	struct pump_job *jobs;		/* atomic, written under lock */
	unsigned owed;			/* under lock: jobs that were promised */
};

/* Makes the libusb context, without device discovery where libusb can do without. */
enum ccid_err pump_init(struct pump *p);
void pump_destroy(struct pump *p);

void waiter_init(struct waiter *w, enum wait_kind kind);
/* No thread waits with it; a wake-up on its way is called off. */
void waiter_destroy(struct pump *p, struct waiter *w);

/* Sleeps until pump_wake(w) (CCID_OK) or the deadline (CCID_ERR_TIMEOUT). No lock is held. The
 * caller cleared w->done before whatever may wake it was started. */
enum ccid_err pump_wait(struct pump *p, struct waiter *w, const struct deadline *d);
/* The same for something that is not a USB event (a busy place): never leads. */
enum ccid_err pump_park(struct waiter *w, const struct deadline *d);
/* A job will be there when the host gives transfers back; it is run outside of all callbacks,
 * without a lock, by whichever thread moves events next. Each promise is kept by one pump_do(). */
void pump_promise(struct pump *p);
void pump_do(struct pump *p, struct pump_job *job);
/* Takes what events there are, without waiting, unless a leader does, and runs the jobs. Returns
 * how many are owed. */
unsigned pump_sweep(struct pump *p);
/* Lets w's thread go on. Callable from completion callbacks and with a transport's lock held. From
 * a callback the thread is woken only when the leader has run all callbacks at hand: it would else
 * run into the lock that the callback holds. */
void pump_wake(struct pump *p, struct waiter *w);

#endif
