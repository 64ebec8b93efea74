/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef SLOT_DEVICE_H
#define SLOT_DEVICE_H

#include "transport/usb.h"

#include <pthread.h>

/* One physical USB device: what its interfaces, each a reader of its own, may know of one another.
 * None of them follows a pointer into another: what one has to tell is told here. */
struct device;

/* All devices that are open. Its lock is taken alone, but for the transport's under it. */
struct device_list {
	pthread_mutex_t lock;
	struct device *first;
};

/* What an interface last knew of the card in its first slot. */
enum device_card { DEVICE_NOT_OPEN, DEVICE_CARD_UNKNOWN, DEVICE_CARD_ABSENT, DEVICE_CARD_PRESENT };

/* The device at that place, made when none of its interfaces is open yet. Given back by
 * device_put(); NULL: out of memory. */
struct device *device_get(struct device_list *list, unsigned bus, unsigned address);
/* NULL is fine. The last one frees it. */
void device_put(struct device *d);

/* The interfaces that ask for it take turns: one gate, the smallest number of places. Before the
 * interface's first command. */
void device_share_gate(struct device *d, struct transport *t);

/* Any thread, at any time between device_get() and device_put(); no lock is taken. */
void device_tell_card(struct device *d, unsigned interface, enum device_card card);
enum device_card device_card(const struct device *d, unsigned interface);

#endif
