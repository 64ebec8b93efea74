/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "slot/device.h"

#include <stdlib.h>

/* USB allows 32 interfaces in a configuration. */
#define INTERFACES 32u

struct device {
	struct device_list *list;
	struct device *next;		/* this and the next under the list's lock */
	unsigned refs;
	unsigned bus, address;
	struct usb_gate *gate;		/* NULL: nobody shares one; under the list's lock */
	uint8_t card[INTERFACES];	/* enum device_card; atomic */
};

/* Under lock. */
static struct device *find_device(struct device_list *list, unsigned bus, unsigned address)
{
	struct device *d = list->first;

	while (d && (d->bus != bus || d->address != address))
		d = d->next;
	return d;
}

struct device *device_get(struct device_list *list, unsigned bus, unsigned address)
{
	struct device *d;

	pthread_mutex_lock(&list->lock);
	d = find_device(list, bus, address);
	if (!d) {
		d = calloc(1, sizeof *d);
		if (d) {
			*d = (struct device){ .list = list, .next = list->first, .bus = bus,
					      .address = address };
			list->first = d;
		}
	}
	if (d)
		d->refs++;
	pthread_mutex_unlock(&list->lock);
	return d;
}

void device_put(struct device *d)
{
	struct device_list *list = d ? d->list : NULL;
	struct device **p;
	bool last;

	if (!d)
		return;
	pthread_mutex_lock(&list->lock);
	last = --d->refs == 0;
	for (p = &list->first; last && *p != d; p = &(*p)->next)
		;
	if (last)
		*p = d->next;
	pthread_mutex_unlock(&list->lock);
	if (!last)
		return;
	usb_gate_release(d->gate);
	free(d);
}

void device_share_gate(struct device *d, struct transport *t)
{
	pthread_mutex_lock(&d->list->lock);
	d->gate = usb_gate_share(d->gate, t);
	pthread_mutex_unlock(&d->list->lock);
}

void device_tell_card(struct device *d, unsigned interface, enum device_card card)
{
	if (d && interface < INTERFACES)
		__atomic_store_n(&d->card[interface], (uint8_t)card, __ATOMIC_RELEASE);
}

enum device_card device_card(const struct device *d, unsigned interface)
{
	if (!d || interface >= INTERFACES)
		return DEVICE_NOT_OPEN;
	return (enum device_card)__atomic_load_n(&d->card[interface], __ATOMIC_ACQUIRE);
}
