/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "slot/device_list.h"

#include <stdlib.h>

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
			*d = (struct device){ .list = list, .next = list->first,
					      .link = &list->first, .bus = bus,
					      .address = address };
			if (d->next)
				d->next->link = &d->next;
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
	bool last;

	if (!d)
		return;
	pthread_mutex_lock(&list->lock);
	last = --d->refs == 0;
	if (last)
		*d->link = d->next;
	if (last && d->next)
		d->next->link = d->link;
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
