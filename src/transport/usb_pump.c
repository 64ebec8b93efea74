/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transport/usb_pump.h"

#include "util/clock_wait.h"

#include <stddef.h>
#include <sys/time.h>
#include <time.h>

#define NS_PER_MS 1000000u

/* How long a leader sleeps when libusb cannot. */
#define FAILED_MS 10u

enum ccid_err pump_init(struct pump *p)
{
#if defined(HAVE_LIBUSB_WRAP_SYS_DEVICE) && LIBUSB_API_VERSION >= 0x0100010A
	/* pcscd does the hot-plugging and names the node: no enumeration, no monitor thread. Only
	 * for this context: other drivers in the process have their own. */
	struct libusb_init_option quiet = { .option = LIBUSB_OPTION_NO_DEVICE_DISCOVERY };

	if (libusb_init_context(&p->ctx, &quiet, 1) != 0)
		return CCID_ERR_NOMEM;
#else
	if (libusb_init(&p->ctx) != 0)
		return CCID_ERR_NOMEM;
#endif
	pthread_mutex_init(&p->lock, NULL);
	return CCID_OK;
}

void pump_destroy(struct pump *p)
{
	libusb_exit(p->ctx);
	pthread_mutex_destroy(&p->lock);
}

void waiter_init(struct waiter *w, enum wait_kind kind)
{
	pthread_condattr_t attr;

	*w = (struct waiter){ .kind = kind };
	pthread_mutex_init(&w->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&w->cond, &attr);
	pthread_condattr_destroy(&attr);
}

void waiter_destroy(struct pump *p, struct waiter *w)
{
	struct waiter **i;

	pthread_mutex_lock(&p->lock);
	for (i = &p->to_wake; *i && *i != w; i = &(*i)->wake_next)
		;
	/* A leader looks at the head without the lock. */
	if (*i)
		__atomic_store_n(i, w->wake_next, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&p->lock);
	pthread_cond_destroy(&w->cond);
	pthread_mutex_destroy(&w->lock);
}

static bool is_done(const struct waiter *w)
{
	return __atomic_load_n(&w->done, __ATOMIC_ACQUIRE) != 0;
}

/* One found in the lists is unparked under the pump's lock: without it, it may be gone. */
static void unpark(struct waiter *w)
{
	pthread_mutex_lock(&w->lock);
	w->token = true;
	pthread_mutex_unlock(&w->lock);
	pthread_cond_signal(&w->cond);
}

/* Sleeps until another thread unparks w, or until the deadline. */
static void waiter_park(struct waiter *w, const struct deadline *d)
{
	pthread_mutex_lock(&w->lock);
	while (!w->token && clock_cond_wait(&w->cond, &w->lock, d->at_ns))
		;
	w->token = false;
	pthread_mutex_unlock(&w->lock);
}

static void list_add(struct pump *p, struct waiter *w)
{
	struct waiter **head = &p->parked[w->kind];

	if (w->listed)
		return;
	w->prev = NULL;
	w->next = *head;
	if (*head)
		(*head)->prev = w;
	*head = w;
	__atomic_store_n(&w->listed, true, __ATOMIC_RELAXED);
}

static void list_remove(struct pump *p, struct waiter *w)
{
	if (!w->listed)
		return;
	if (w->prev)
		w->prev->next = w->next;
	else
		p->parked[w->kind] = w->next;
	if (w->next)
		w->next->prev = w->prev;
	/* For pump_wait(): a thread that sees this sees the leader before. */
	__atomic_store_n(&w->listed, false, __ATOMIC_RELEASE);
}

/* Written under lock, read by the leader without. */
static void set_yield(struct pump *p, bool yield)
{
	__atomic_store_n(&p->yield, yield, __ATOMIC_RELAXED);
}

static void set_leader(struct pump *p, struct waiter *w)
{
	__atomic_store_n(&p->leader, w, __ATOMIC_RELAXED);
}

static bool in_grace(const struct pump *p, uint64_t now)
{
	return now < p->last_command_ns + (uint64_t)PUMP_GRACE_MS * NS_PER_MS;
}

/* Makes w the leader, or leaves it listed among the parked with *until set to when it should
 * look again at the latest. */
static bool try_lead(struct pump *p, struct waiter *w, struct deadline *until)
{
	bool lead;

	pthread_mutex_lock(&p->lock);
	lead = !p->leader;
	if (w->kind == WAIT_IDLE && (p->parked[WAIT_COMMAND] || in_grace(p, clock_now())))
		lead = false;
	if (lead) {
		list_remove(p, w);
		if (p->deputy == w)
			p->deputy = NULL;
		set_leader(p, w);
		p->leader_thread = pthread_self();
		set_yield(p, false);
	} else {
		list_add(p, w);
		if (w->kind == WAIT_COMMAND && p->leader && p->leader->kind == WAIT_IDLE &&
		    !p->yield) {
			set_yield(p, true);
			libusb_interrupt_event_handler(p->ctx);
		}
		if (w->kind == WAIT_IDLE && (!p->leader || p->leader->kind == WAIT_COMMAND)) {
			if (!p->deputy)
				p->deputy = w;
			if (p->deputy == w)
				*until = deadline_earlier(*until, deadline_in_ms(PUMP_GRACE_MS));
		}
	}
	pthread_mutex_unlock(&p->lock);
	return lead;
}

static bool asked_to_yield(struct pump *p)
{
	return __atomic_load_n(&p->yield, __ATOMIC_RELAXED);
}

/* Under lock: wakes those whose results the callbacks brought. */
static void wake_all(struct pump *p)
{
	while (p->to_wake) {
		struct waiter *w = p->to_wake;

		__atomic_store_n(&p->to_wake, w->wake_next, __ATOMIC_RELAXED);
		w->to_wake = false;
		unpark(w);
	}
}

/* w stops leading, for good (gone) or to let a command lead. */
static void stop_leading(struct pump *p, struct waiter *w)
{
	struct waiter *next;

	pthread_mutex_lock(&p->lock);
	wake_all(p);
	set_leader(p, NULL);
	set_yield(p, false);
	if (w->kind == WAIT_COMMAND)
		p->last_command_ns = clock_now();
	next = p->parked[WAIT_COMMAND];
	/* An idle leader that leaves has no command behind it and no grace to keep. */
	if (!next && w->kind == WAIT_IDLE)
		next = p->parked[WAIT_IDLE];
	/* After a command an idle waiter must be looking at the clock. */
	if (!next && !p->deputy)
		next = p->parked[WAIT_IDLE];
	if (next)
		unpark(next);
	pthread_mutex_unlock(&p->lock);
}

/* w leaves the parked; the part it played goes to another. */
static void leave(struct pump *p, struct waiter *w)
{
	struct waiter *next = NULL;

	pthread_mutex_lock(&p->lock);
	list_remove(p, w);
	if (p->deputy == w)
		p->deputy = NULL;
	/* A wake-up that chose us as leader or deputy must not be lost with us. */
	if (!p->leader)
		next = p->parked[WAIT_COMMAND];
	if (!next && !p->deputy && (!p->leader || p->leader->kind == WAIT_COMMAND))
		next = p->parked[WAIT_IDLE];
	if (next)
		unpark(next);
	pthread_mutex_unlock(&p->lock);
}

void pump_promise(struct pump *p)
{
	pthread_mutex_lock(&p->lock);
	p->owed++;
	pthread_mutex_unlock(&p->lock);
}

void pump_do(struct pump *p, struct pump_job *job)
{
	pthread_mutex_lock(&p->lock);
	job->next = p->jobs;
	__atomic_store_n(&p->jobs, job, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&p->lock);
}

static void run_jobs(struct pump *p)
{
	struct pump_job *job, *next;

	if (!__atomic_load_n(&p->jobs, __ATOMIC_RELAXED))
		return;
	pthread_mutex_lock(&p->lock);
	job = p->jobs;
	__atomic_store_n(&p->jobs, NULL, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&p->lock);
	for (; job; job = next) {
		next = job->next;
		job->run(job);
		pthread_mutex_lock(&p->lock);
		p->owed--;
		pthread_mutex_unlock(&p->lock);
	}
}

/* The caller, who waits for nothing, is the leader for a moment. False: another one is. */
static bool lead_briefly(struct pump *p)
{
	bool lead;

	pthread_mutex_lock(&p->lock);
	lead = !p->leader;
	if (lead) {
		p->passer_by.kind = WAIT_IDLE;
		set_leader(p, &p->passer_by);
		p->leader_thread = pthread_self();
		set_yield(p, false);
	}
	pthread_mutex_unlock(&p->lock);
	return lead;
}

unsigned pump_sweep(struct pump *p)
{
	struct timeval now = { 0 };
	unsigned owed;

	if (lead_briefly(p)) {
		libusb_handle_events_timeout_completed(p->ctx, &now, NULL);
		stop_leading(p, &p->passer_by);
	}
	run_jobs(p);
	pthread_mutex_lock(&p->lock);
	owed = p->owed;
	pthread_mutex_unlock(&p->lock);
	return owed;
}

static void lead(struct pump *p, struct waiter *w, const struct deadline *d)
{
	while (!is_done(w) && !asked_to_yield(p)) {
		uint64_t left = deadline_left_ms(d);
		struct timeval tv = {
			.tv_sec = (time_t)(left / 1000),
			.tv_usec = (suseconds_t)(left % 1000) * 1000,
		};
		int rc;

		if (left == 0)
			return;
		/* Not &w->done, which libusb would read as a plain int: other threads write
		 * it. They interrupt the leader, and no other thread takes that from libusb. */
		rc = libusb_handle_events_timeout_completed(p->ctx, &tv, NULL);
		run_jobs(p);
		/* poll() itself failed: it would fail again at once. */
		if (rc != 0 && rc != LIBUSB_ERROR_INTERRUPTED && !is_done(w))
			deadline_sleep_ms(d, FAILED_MS);
		/* Only callbacks that this thread runs put waiters there. */
		if (__atomic_load_n(&p->to_wake, __ATOMIC_RELAXED) && !is_done(w)) {
			pthread_mutex_lock(&p->lock);
			wake_all(p);
			pthread_mutex_unlock(&p->lock);
		}
	}
}

enum ccid_err pump_wait(struct pump *p, struct waiter *w, const struct deadline *d)
{
	bool parked = false;
	bool passed = false;

	while (!is_done(w) && !passed) {
		struct deadline until = *d;

		if (try_lead(p, w, &until)) {
			parked = false;
			lead(p, w, d);
			stop_leading(p, w);
		} else {
			parked = true;
			/* Between listing and parking a wake-up leaves its token. */
			if (!is_done(w))
				waiter_park(w, &until);
		}
		passed = !is_done(w) && deadline_passed(d);
	}
	/* The waking thread took this waiter off the list; if this one was to lead, another
	 * must. */
	if (parked && (w->kind == WAIT_IDLE || __atomic_load_n(&w->listed, __ATOMIC_ACQUIRE) ||
		       !__atomic_load_n(&p->leader, __ATOMIC_RELAXED)))
		leave(p, w);
	return is_done(w) ? CCID_OK : CCID_ERR_TIMEOUT;
}

enum ccid_err pump_park(struct waiter *w, const struct deadline *d)
{
	while (!is_done(w) && !deadline_passed(d))
		waiter_park(w, d);
	return is_done(w) ? CCID_OK : CCID_ERR_TIMEOUT;
}

void pump_wake(struct pump *p, struct waiter *w)
{
	bool in_callback;

	__atomic_store_n(&w->done, 1, __ATOMIC_RELEASE);
	pthread_mutex_lock(&p->lock);
	in_callback = p->leader && pthread_equal(p->leader_thread, pthread_self());
	if (p->leader == w) {
		/* From its own callback the leader will look at done by itself. */
		if (!in_callback)
			libusb_interrupt_event_handler(p->ctx);
	} else if (!in_callback) {
		list_remove(p, w);
		unpark(w);
	} else if (!w->to_wake) {
		list_remove(p, w);
		w->to_wake = true;
		w->wake_next = p->to_wake;
		__atomic_store_n(&p->to_wake, w, __ATOMIC_RELAXED);
	}
	pthread_mutex_unlock(&p->lock);
}
