/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transport/usb_failures.h"

#include "util/deadline.h"

#include <stdbool.h>
#include <stddef.h>

#define MINUTE_NS UINT64_C(60000000000)

/* Under lock. */
static struct usb_failed *failures_find(struct usb_failures *f, unsigned bus, unsigned address,
					int interface)
{
	for (unsigned i = 0; i < USB_FAILURES_CAP; i++) {
		struct usb_failed *e = &f->list[i];

		if (e->bus == bus && e->address == address && e->interface == interface)
			return e;
	}
	return NULL;
}

/* Another device may have the address by then. */
static bool is_old(const struct usb_failed *e)
{
	return clock_now() - e->since_ns >= (e->state == USB_CLAIMED ? 60 : 1) * MINUTE_NS;
}

enum usb_failure usb_failure_of(struct usb_failures *f, unsigned bus, unsigned address,
				int interface)
{
	enum usb_failure state = USB_UNTRIED;
	struct usb_failed *e;

	if (!f)
		return state;
	pthread_mutex_lock(&f->lock);
	e = failures_find(f, bus, address, interface);
	if (e && !is_old(e))
		state = e->state;
	pthread_mutex_unlock(&f->lock);
	return state;
}

/* Under lock. */
static struct usb_failed *place_for(struct usb_failures *f, unsigned bus, unsigned address,
				    int interface)
{
	struct usb_failed *e = failures_find(f, bus, address, interface);

	if (e)
		return e;
	e = &f->list[f->oldest++ % USB_FAILURES_CAP];
	*e = (struct usb_failed){ .bus = bus, .address = address, .interface = interface };
	return e;
}

static void count(struct usb_failed *e)
{
	if (e->state < USB_FAILED || is_old(e)) {
		e->times = 0;
		e->since_ns = clock_now();
	}
	e->times++;
	e->state = e->times >= USB_FAILURES_MAX ? USB_HOPELESS : USB_FAILED;
}

void usb_failure_claimed(struct usb_failures *f, unsigned bus, unsigned address, int interface)
{
	struct usb_failed *e;

	if (!f)
		return;
	pthread_mutex_lock(&f->lock);
	e = place_for(f, bus, address, interface);
	e->state = USB_CLAIMED;
	e->since_ns = clock_now();
	pthread_mutex_unlock(&f->lock);
}

void usb_failure_note(struct usb_failures *f, unsigned bus, unsigned address, int interface,
		      enum ccid_err err)
{
	struct usb_failed *e;

	if (!f || err == CCID_ERR_NOMEM)
		return;
	pthread_mutex_lock(&f->lock);
	if (err == CCID_OK) {
		e = failures_find(f, bus, address, interface);
		if (e)
			*e = (struct usb_failed){ .bus = 0 };
	} else {
		count(place_for(f, bus, address, interface));
	}
	pthread_mutex_unlock(&f->lock);
}
