/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef USB_DEVICE_H
#define USB_DEVICE_H

#include "transport/usb.h"
#include "transport/usb_find.h"
#include "transport/usb_gate.h"
#include "transport/usb_pump.h"

/* One claimed interface: its handle, its state, its slots. What carries messages are pipes, which
 * register here (usb_bulk.h, usb_intr.h, usb_control.h, usb_iccd.h). Private to
 * src/transport/usb_*.c. */

/* State of a wait for an answer, beside the answer. */
struct usb_vigil {
	bool peeking;			/* for what the bulk IN transfer holds so far */
	bool last_peek;			/* at the deadline: was begun */
	unsigned peeks;			/* early looks, of this request */
	uint64_t peek_ns;		/* when the next one is due; UINT64_MAX: none */
	uint64_t take_ns;		/* time by which the reader must take the message;
					   UINT64_MAX: taken */
	uint64_t gone_ns;		/* when the reader reported the card removed; 0: not
					   reported */
};

/* The interrupt transfer. Only the next poll that looks takes it out of the last two. */
enum intr_state {
	INTR_STOPPED,		/* to be submitted */
	INTR_PENDING,		/* the host has it */
	INTR_HALTED,		/* the endpoint's stall is to be cleared first */
};

/* What is known of the handle. usb_become() alone changes it. */
enum usb_state {
	USB_OPEN,
	USB_HANDLE_DEAD,	/* the next reopen() opens the device again */
	USB_REOPENING,		/* a thread is reopening */
	USB_UNPLUGGED,		/* for good: the system or pcscd says so, or it is being closed */
	USB_ORPHANED,		/* closed, but the host has transfers of it: the last one ends it */
};

struct usb_transport;

/* What a pipe does when the device's state changes. Absent hooks are NULL; all but free() are
 * called under lock. */
struct usb_pipe {
	/* Cancels the pipe's transfers. */
	void (*cancel)(struct usb_transport *u);
	/* Whether the host has none of the pipe's transfers. */
	bool (*idle)(const struct usb_transport *u);
	/* The handle works no more, or the slot is being closed: waiters are woken. */
	void (*lost)(struct usb_transport *u);
	void (*closed)(struct usb_transport *u, unsigned slot);
	/* The device was opened again. */
	void (*restart)(struct usb_transport *u);
	/* The host has none of the pipe's transfers, and never will. */
	void (*free)(struct usb_transport *u);
};
#define USB_PIPES 4u

/* What is kept for each slot, under the transport's lock. */
struct usb_slot {
	struct usb_transport *owner;
	struct request *req;		/* in flight; its owner keeps it until finish() */
	bool answered;			/* req has its answer or result */
	enum ccid_err result;
	bool taken;			/* the owner looks at an answer: the next is parked */
	uint8_t *parked;		/* that next one, until the owner waits again; owned */
	size_t parked_len;
	bool holds_place;		/* of the gate */
	bool closed;			/* fails at once */
	struct libusb_transfer *out;	/* made at first use */
	uint8_t *out_buf;		/* of out: the caller's message may end before it; wiped */
	size_t out_cap;
	bool out_pending;
	struct usb_vigil vigil;		/* of req */
	enum card_told told;
	bool unsure;			/* to be polled again when the gate has a place */
	struct waiter command;		/* the thread that waits for req */

	struct waiter poller;		/* the thread that waits for a slot change */
	bool polling;
	bool changed;			/* not yet told to a poller */
	bool stop;			/* the current or next poll ends at once */
};

struct usb_transport {
	struct transport t;
	struct usb_name name;
	struct usb_identity identity;	/* reopening wants the same */
	struct pump *pump;
	struct usb_gate *gate;
	char ports[USB_PORTS_CAP];	/* "bus-port[.port...]"; "": not asked yet; under lock */
	libusb_device_handle *handle;
	int fd;				/* of the node; -1 when libusb opened it */
	struct iccd *iccd;		/* protocols 1 and 2 only */
	bool iccd_sent;			/* the request's message went out */

	/* Lock order: this lock, the gate's, the pump's, a waiter's. Never held while sleeping. */
	pthread_mutex_t lock;
	enum usb_state state;
	bool failure_logged;		/* a repeated failure has no line of its own */
	uint64_t reopen_ns;		/* a poll does not ask for the next time before */
	bool wants_reset;		/* reopening resets the device */
	uint64_t reset_ns;		/* when it was last wanted; 0: never */
	unsigned unsure;		/* atomic: slots that are */
	unsigned inside;		/* threads that use the handle without the lock */
	const struct usb_pipe *pipes[USB_PIPES];
	unsigned n_pipes;
	struct usb_control *controls;	/* that the host has */
	struct pump_job burial;		/* of an orphan */
	bool reaping;			/* a thread waits: no transfer pending, no call inside */
	struct waiter reaper;
	unsigned in_flight;
	unsigned n_slots;
	struct usb_slot *slots;

	struct libusb_transfer *in;
	uint8_t *in_buf;
	size_t in_cap;			/* a multiple of wMaxPacketSize */
	size_t in_first;		/* the same: bytes asked for where a frame begins */
	size_t in_asked;		/* by the transfer under way */
	size_t in_have;			/* bytes of a frame read in pieces */
	bool in_pending;
	bool in_halted, out_halted;
	bool split_reads;		/* the reader sends no closing zero-length packet */
	bool closes_frames;		/* the reader was seen to send an empty packet */
	bool in_padding;		/* what comes is the rest of a frame that was handed over */
	unsigned in_errors;		/* one after the other */
	unsigned in_vain;		/* transfers since the last message or answer that brought
					   nothing to any caller */

	struct libusb_transfer *intr;	/* NULL: no interrupt endpoint */
	uint8_t *intr_buf;
	enum intr_state intr_state;
	uint64_t intr_resume_ns;	/* not to be submitted before */
	unsigned intr_errors;		/* one after the other */
	bool intr_refused;		/* the host does not take the transfer: told in the log */
	uint64_t intr_window_ns;	/* flood: start of the window, and events in it */
	unsigned intr_in_window;
};

static inline struct usb_transport *usb_of(struct transport *t)
{
	return (struct usb_transport *)t;
}

/* Node -> handle; the interface from the kernel's drivers, or from another program that gives it
 * back by the deadline. */
enum ccid_err usb_open_handle(struct usb_transport *u);
enum ccid_err usb_claim(struct usb_transport *u, const struct deadline *d);
/* Both, of the very same device, at reopening. CCID_ERR_NO_DEVICE only when the system says that
 * the device is gone, or another one is in its place. */
enum ccid_err usb_attach(struct usb_transport *u, const struct deadline *d);
void usb_detach(struct usb_transport *u);

/* The slots and their gate, once the descriptors are known. */
enum ccid_err usb_make_slots(struct usb_transport *u);
void usb_add_pipe(struct usb_transport *u, const struct usb_pipe *pipe);
/* Something may have happened to a slot's card, or to all: the poll ends. Under lock. */
void usb_changed(struct usb_transport *u, unsigned slot);
void usb_all_changed(struct usb_transport *u);
/* Why does a call fail on this slot now? CCID_OK when it does not. Under lock. */
static inline enum ccid_err usb_refusal(const struct usb_transport *u, unsigned slot)
{
	if (u->state >= USB_UNPLUGGED || u->slots[slot].closed)
		return CCID_ERR_NO_DEVICE;
	return u->state == USB_OPEN ? CCID_OK : CCID_ERR_STALE;
}
/* Publishes the result of a slot's request and wakes its owner. Under lock. */
void usb_publish(struct usb_transport *u, unsigned slot, enum ccid_err result);
void usb_publish_all(struct usb_transport *u, enum ccid_err result);
/* What the state becomes, unless that cannot follow on what it is; every thread that waits is told
 * of a handle that does not work any more. Under lock. */
void usb_become(struct usb_transport *u, enum usb_state state);
/* A transfer says that there is no device: that is about the handle; of the handle before when the
 * device is being opened again. Under lock. */
void usb_lost(struct usb_transport *u);
/* Between the two the handle stays: for calls that must not hold the lock. CCID_OK: usb_leave() is
 * due; else why the call fails (usb_refusal). Not under lock. */
enum ccid_err usb_enter(struct usb_transport *u, unsigned slot);
void usb_leave(struct usb_transport *u);
/* A transfer came back: wakes the thread that waits for all of them. Under lock. */
void usb_tell_reaper(struct usb_transport *u);
static inline void usb_reaped(struct usb_transport *u)
{
	if (u->reaping || u->state == USB_ORPHANED)
		usb_tell_reaper(u);
}
/* A dead handle (CCID_ERR_STALE) is a reset or a suspend, unless the system says that there is no
 * such device any more: CCID_ERR_NO_DEVICE. Other errors as they are. Not under lock. */
enum ccid_err usb_judge_stale(struct usb_transport *u);
static inline enum ccid_err usb_judge_loss(struct usb_transport *u, enum ccid_err err)
{
	return err == CCID_ERR_STALE ? usb_judge_stale(u) : err;
}
/* Hooks of struct transport_ops that bulk and ICCD readers share. */
void usb_set_gone(struct transport *t);
void usb_set_closed(struct transport *t, uint8_t slot, bool closed);
enum ccid_err usb_reopen(struct transport *t, const struct deadline *d);
bool usb_want_reset(struct transport *t);
void usb_close(struct transport *t);

#endif
