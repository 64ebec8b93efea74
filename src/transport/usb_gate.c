/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transport/usb_gate.h"

#include <stdlib.h>

struct usb_gate *usb_gate_new(struct pump *pump, unsigned places)
{
	struct usb_gate *g = calloc(1, sizeof *g);

	if (!g)
		return NULL;
	pthread_mutex_init(&g->lock, NULL);
	g->pump = pump;
	g->places = places;
	g->refs = 1;
	return g;
}

struct usb_gate *usb_gate_ref(struct usb_gate *g)
{
	pthread_mutex_lock(&g->lock);
	g->refs++;
	pthread_mutex_unlock(&g->lock);
	return g;
}

void usb_gate_narrow(struct usb_gate *g, unsigned places)
{
	pthread_mutex_lock(&g->lock);
	if (places < g->places)
		g->places = places;
	pthread_mutex_unlock(&g->lock);
}

void usb_gate_unref(struct usb_gate *g)
{
	unsigned refs;

	pthread_mutex_lock(&g->lock);
	refs = --g->refs;
	pthread_mutex_unlock(&g->lock);
	if (refs > 0)
		return;
	pthread_mutex_destroy(&g->lock);
	free(g);
}

static void queue_remove(struct usb_gate *g, struct gate_ticket *t)
{
	struct gate_ticket *before = NULL;
	struct gate_ticket *i = g->first;

	while (i && i != t) {
		before = i;
		i = i->next;
	}
	if (!i)
		return;
	if (before)
		before->next = t->next;
	else
		g->first = t->next;
	if (g->last == t)
		g->last = before;
}

enum ccid_err usb_gate_try(struct usb_gate *g)
{
	bool free_place;

	pthread_mutex_lock(&g->lock);
	free_place = g->used < g->places && !g->first;
	if (free_place)
		g->used++;
	pthread_mutex_unlock(&g->lock);
	return free_place ? CCID_OK : CCID_ERR_BUSY;
}

enum ccid_err usb_gate_enter(struct usb_gate *g, struct waiter *w, const struct deadline *d)
{
	struct gate_ticket ticket = { .waiter = w };

	pthread_mutex_lock(&g->lock);
	if (g->used < g->places && !g->first) {
		g->used++;
		pthread_mutex_unlock(&g->lock);
		return CCID_OK;
	}
	if (g->last)
		g->last->next = &ticket;
	else
		/* cppcheck-suppress autoVariables ; it is out of the queue before I return */
		g->first = &ticket;
	/* cppcheck-suppress autoVariables ; as above */
	g->last = &ticket;
	pthread_mutex_unlock(&g->lock);

	pump_park(w, d);

	pthread_mutex_lock(&g->lock);
	if (!ticket.granted)
		queue_remove(g, &ticket);
	pthread_mutex_unlock(&g->lock);
	return ticket.granted ? CCID_OK : CCID_ERR_TIMEOUT;
}

void usb_gate_leave(struct usb_gate *g)
{
	struct gate_ticket *t;

	pthread_mutex_lock(&g->lock);
	t = g->used <= g->places ? g->first : NULL;
	if (t) {
		/* The place goes straight to the one that waited longest. */
		g->first = t->next;
		if (!g->first)
			g->last = NULL;
		t->granted = true;
		pump_wake(g->pump, t->waiter);
	} else {
		g->used--;
	}
	pthread_mutex_unlock(&g->lock);
}
