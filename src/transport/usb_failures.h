/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef USB_FAILURES_H
#define USB_FAILURES_H

#include "util/err.h"

#include <pthread.h>
#include <stdint.h>

/* Interfaces that could not be opened, and what is done at the next attempt: pcscd makes one at
 * each rescan (pcscd --hotplug), and one thread of it serves all of them.
 *
 *	state			event				next
 *	any			opened				USB_UNTRIED
 *	any			another program has it		USB_CLAIMED: no wait, no new line
 *	any			claimed, and it does not work	USB_FAILED
 *	USB_FAILED		the same, often in a minute	USB_HOPELESS: not claimed
 *	these two		a minute since the first time	USB_UNTRIED
 *	USB_CLAIMED		an hour without an attempt	USB_UNTRIED
 *
 * Without USB_HOPELESS a reader that does not work would keep pcscd from others at every rescan. */
enum usb_failure { USB_UNTRIED, USB_CLAIMED, USB_FAILED, USB_HOPELESS };

#define USB_FAILURES_CAP 32u	/* the oldest is forgotten */
#define USB_FAILURES_MAX 3u

struct usb_failed {
	unsigned bus, address;		/* 0: a free entry */
	int interface;
	enum usb_failure state;
	unsigned times;
	uint64_t since_ns;		/* the first of `times`; the last time it was claimed */
};

/* The lock of this list is taken alone. */
struct usb_failures {
	pthread_mutex_t lock;
	unsigned oldest;
	struct usb_failed list[USB_FAILURES_CAP];
};

/* f NULL: nothing is known, and nothing is noted. */
enum usb_failure usb_failure_of(struct usb_failures *f, unsigned bus, unsigned address,
				int interface);
/* Another program has the interface. */
void usb_failure_claimed(struct usb_failures *f, unsigned bus, unsigned address, int interface);
/* What became of it once it was claimed. CCID_OK: it was opened; CCID_ERR_NOMEM says nothing of the
 * interface; any other, also CCID_ERR_BUSY: it does not work. */
void usb_failure_note(struct usb_failures *f, unsigned bus, unsigned address, int interface,
		      enum ccid_err err);

#endif
