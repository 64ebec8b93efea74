/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The gate of a serial line: calls under way, the one that has the line, and the queue for it. */
#include "transport/serial_gate.h"

#include "util/buf.h"
#include "util/clock_wait.h"

#include <string.h>
#include <unistd.h>

enum ccid_err serial_enter(struct serial *s)
{
	pthread_mutex_lock(&s->lock);
	if (!s->gone) {
		s->inside++;
		return CCID_OK;
	}
	pthread_mutex_unlock(&s->lock);
	return CCID_ERR_NO_DEVICE;
}

enum ccid_err serial_leave(struct serial *s, enum ccid_err err)
{
	s->inside--;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
	return err;
}

enum ccid_err serial_refusal(const struct serial *s, uint8_t slot)
{
	return s->gone || (slot < SERIAL_SLOTS && s->closed[slot]) ? CCID_ERR_NO_DEVICE : CCID_OK;
}

/* Ends the poll() of the reading thread. */
static void wake_reader(struct serial *s)
{
	static const uint8_t byte = 0;
	ssize_t n = write(s->wake[1], &byte, 1);

	(void)n;	/* full: the thread is awake already */
}

void serial_lost(struct serial *s)
{
	if (s->gone)
		return;
	s->gone = true;
	wake_reader(s);
	pthread_cond_broadcast(&s->changed);
}

void serial_mark_changes(struct serial *s)
{
	memset(s->change, true, sizeof s->change);
}

enum ccid_err serial_take_line(struct serial *s, struct request *r, const struct deadline *d)
{
	struct place me = { NULL }, **p;
	enum ccid_err err = CCID_OK;

	*s->last = &me;
	/* cppcheck-suppress autoVariables ; my place is out of the queue before I return */
	s->last = &me.next;
	while (err == CCID_OK && (s->owner || s->first != &me)) {
		err = serial_refusal(s, r->slot);
		if (err == CCID_OK && deadline_passed(d))
			err = CCID_ERR_TIMEOUT;
		if (err == CCID_OK)
			clock_cond_wait(&s->changed, &s->lock, d->at_ns);
	}
	for (p = &s->first; *p != &me; p = &(*p)->next)
		;
	*p = me.next;
	if (s->last == &me.next)
		s->last = p;
	if (err == CCID_OK)
		err = serial_refusal(s, r->slot);
	if (err == CCID_OK)
		s->owner = r;
	return err;
}

void serial_give_line(struct serial *s)
{
	s->owner = NULL;
	s->answer_len = 0;
	s->nak = s->damaged = s->time_request = false;
	s->gone_ns = 0;
	wipe(s->out, sizeof s->out);
	wipe(s->answer, sizeof s->answer);
	serial_frame_wipe(&s->frame);
	pthread_cond_broadcast(&s->changed);
}

/* flags: an array of s with one flag for each slot. */
static void gate_notify(struct serial *s, bool *flags, uint8_t slot, bool value)
{
	if (slot >= SERIAL_SLOTS || serial_enter(s))
		return;
	flags[slot] = value;
	if (s->reading)
		wake_reader(s);
	serial_leave(s, CCID_OK);
}

void serial_stop_change(struct transport *t, uint8_t slot)
{
	gate_notify(serial_of(t), serial_of(t)->stop, slot, true);
}

void serial_mark_changed(struct transport *t, uint8_t slot)
{
	gate_notify(serial_of(t), serial_of(t)->change, slot, true);
}

/* The line of a command that breaks off here becomes free; its late answer is dropped. */
void serial_set_closed(struct transport *t, uint8_t slot, bool closed)
{
	gate_notify(serial_of(t), serial_of(t)->closed, slot, closed);
}

void serial_set_gone(struct transport *t)
{
	struct serial *s = serial_of(t);

	pthread_mutex_lock(&s->lock);
	serial_lost(s);
	pthread_mutex_unlock(&s->lock);
}
