/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef USB_GATE_H
#define USB_GATE_H

#include "transport/usb_pump.h"

/* Lets at most `places` commands be in flight (bMaxCCIDBusySlots), first come first served. One
 * gate serves what is really shared: one interface, or several of one device. Lock order: after a
 * transport's lock, before the pump's. */
struct usb_gate {
	pthread_mutex_t lock;
	struct pump *pump;
	unsigned places, used;
	unsigned refs;
	struct gate_ticket *first, *last;
};

/* A place in the queue; on the stack of the thread that waits. */
struct gate_ticket {
	struct waiter *waiter;
	bool granted;
	struct gate_ticket *next;
};

struct usb_gate *usb_gate_new(struct pump *pump, unsigned places);
struct usb_gate *usb_gate_ref(struct usb_gate *g);
/* At most so many places from now on. */
void usb_gate_narrow(struct usb_gate *g, unsigned places);
void usb_gate_unref(struct usb_gate *g);

/* Waits for a place. CCID_ERR_TIMEOUT at the deadline or when the waiter was woken without a place
 * (the caller looks why). The waiter is the calling thread's. */
enum ccid_err usb_gate_enter(struct usb_gate *g, struct waiter *w, const struct deadline *d);
/* The same without waiting: CCID_ERR_BUSY when there is no place. */
enum ccid_err usb_gate_try(struct usb_gate *g);
void usb_gate_leave(struct usb_gate *g);

#endif
