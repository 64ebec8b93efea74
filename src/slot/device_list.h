/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef SLOT_DEVICE_LIST_H
#define SLOT_DEVICE_LIST_H

#include "slot/device.h"
#include "transport/usb.h"

#include <pthread.h>

/* All devices that are open. Its lock is taken alone, but for the transport's under it. */
struct device_list {
	pthread_mutex_t lock;
	struct device *first;
};

/* The device at that place, made when none of its interfaces is open yet. Given back by
 * device_put(); NULL: out of memory. */
struct device *device_get(struct device_list *list, unsigned bus, unsigned address);
/* NULL is fine. The last one frees it. */
void device_put(struct device *d);

/* The interfaces that ask for it take turns: one gate, the smallest number of places. Before the
 * interface's first command. */
void device_share_gate(struct device *d, struct transport *t);

#endif
