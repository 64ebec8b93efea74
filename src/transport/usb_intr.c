/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Slot changes: one standing interrupt transfer, state kept per slot (CCID 1.10 §6.3). */
#include "transport/usb_intr.h"

#include "transport/usb_error.h"
#include "transport/usb_vigil.h"
#include "wire/ccid_msg.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define INTR_ERRORS_MAX 3u
/* How often a transfer that fails is tried again. */
#define RETRY_NS UINT64_C(1000000000)
/* A flood is read no faster than this: more events than that in a window wait for its end. */
#define FLOOD_WINDOW_NS 100000000u
#define FLOOD_EVENTS 50u
/* The longest a poll of a reader that is gone waits to be stopped. */
#define GONE_HOLD_MS 5000u

static void LIBUSB_CALL intr_done(struct libusb_transfer *x);

static const struct usb_pipe intr_pipe;

enum ccid_err usb_intr_init(struct usb_transport *u)
{
	usb_add_pipe(u, &intr_pipe);
	u->intr = libusb_alloc_transfer(0);
	u->intr_buf = malloc(u->t.desc.interrupt_packet ? u->t.desc.interrupt_packet : 64);
	return u->intr && u->intr_buf ? CCID_OK : CCID_ERR_NOMEM;
}

/* The host does not take the transfer: the polling thread looks for the card itself, once a second,
 * until it does. */
static void intr_not_taken(struct usb_transport *u, int rc)
{
	enum ccid_err err = usb_error(rc);

	if (err == CCID_ERR_STALE) {
		usb_lost(u);
		return;
	}
	if (!u->intr_refused)
		LOG(LOG_CRITICAL, &u->t.log, "slot changes are not reported: %s: free memory or "
		    "USB bandwidth, or use another port; cards are looked for every second",
		    errno ? strerror(errno) : err_name(err));
	u->intr_refused = true;
	u->intr_resume_ns = clock_now() + RETRY_NS;
	usb_all_changed(u);
}

static void submit(struct usb_transport *u)
{
	int len = u->t.desc.interrupt_packet ? u->t.desc.interrupt_packet : 64;
	int rc;

	if (!u->intr || u->intr_state == INTR_PENDING || u->state != USB_OPEN)
		return;
	libusb_fill_interrupt_transfer(u->intr, u->handle, u->t.desc.interrupt_in, u->intr_buf, len,
				       intr_done, u, 0);
	errno = 0;
	rc = libusb_submit_transfer(u->intr);
	if (rc != 0) {
		intr_not_taken(u, rc);
		return;
	}
	u->intr_state = INTR_PENDING;
	if (u->intr_refused)
		LOG(LOG_INFO, &u->t.log, "slot changes are reported again");
	u->intr_refused = false;
}

static void intr_restart(struct usb_transport *u)
{
	u->intr_state = INTR_STOPPED;
	u->intr_errors = 0;
	u->intr_resume_ns = 0;
	submit(u);
}

void usb_intr_start(struct usb_transport *u)
{
	pthread_mutex_lock(&u->lock);
	submit(u);
	pthread_mutex_unlock(&u->lock);
}

/* NotifySlotChange: 2 bits a slot, bit 0: a card is there, bit 1: it changed. Returns the bytes it
 * takes: as many as the slots need, or what is there. */
static size_t slot_change(struct usb_transport *u, const uint8_t *p, size_t len)
{
	size_t want = 1 + (u->n_slots + 3) / 4;

	for (unsigned i = 0; i < u->n_slots && 1 + i / 4 < len; i++) {
		unsigned bits = p[1 + i / 4] >> (i % 4 * 2) & 3;

		usb_vigil_card(u, &u->slots[i], bits & 1, bits & 2);
		if (bits & 2)
			usb_changed(u, i);
	}
	return want < len ? want : len;
}

static void parse(struct usb_transport *u, const uint8_t *p, size_t len)
{
	while (len > 0) {
		size_t used = len;

		if (p[0] == RDR_TO_PC_NOTIFY_SLOT_CHANGE && len > 1) {
			used = slot_change(u, p, len);
		} else if (p[0] == RDR_TO_PC_HARDWARE_ERROR && len >= 4) {
			LOG(LOG_CRITICAL, &u->t.log,
			    "hardware error: bSlot %u, bSeq %u, bHardwareErrorCode 0x%02X", p[1],
			    p[2], p[3]);
			used = 4;
		} else {
			LOG(LOG_INFO, &u->t.log, "unknown notification 0x%02X, %zu bytes ignored",
			    p[0], len);
		}
		p += used;
		len -= used;
	}
}

/* More events than any card can make: the next one is fetched only when the window is over. */
static bool flooding(struct usb_transport *u)
{
	uint64_t now = clock_now();

	if (now - u->intr_window_ns >= FLOOD_WINDOW_NS) {
		u->intr_window_ns = now;
		u->intr_in_window = 0;
	}
	return ++u->intr_in_window > FLOOD_EVENTS;
}

/* What the packet said is lost: every poll looks for itself. A pipe that only fails is tried again
 * now and then. */
static void intr_failed(struct usb_transport *u, enum libusb_transfer_status status)
{
	if (status == LIBUSB_TRANSFER_STALL)
		u->intr_state = INTR_HALTED;
	if (++u->intr_errors >= INTR_ERRORS_MAX) {
		u->intr_errors = 0;
		u->intr_resume_ns = clock_now() + RETRY_NS;
	}
	usb_all_changed(u);
}

static void LIBUSB_CALL intr_done(struct libusb_transfer *x)
{
	struct usb_transport *u = x->user_data;

	pthread_mutex_lock(&u->lock);
	u->intr_state = INTR_STOPPED;
	switch (x->status) {
	case LIBUSB_TRANSFER_COMPLETED:
		u->intr_errors = 0;
		parse(u, u->intr_buf, (size_t)x->actual_length);
		if (flooding(u)) {
			u->intr_resume_ns = u->intr_window_ns + FLOOD_WINDOW_NS;
			usb_all_changed(u);
		}
		break;
	case LIBUSB_TRANSFER_CANCELLED:
		/* by this driver, to close the handle: the reopening starts it again */
		u->intr_resume_ns = UINT64_MAX;
		break;
	case LIBUSB_TRANSFER_NO_DEVICE:
		usb_lost(u);
		break;
	default:
		intr_failed(u, x->status);
		break;
	}
	if (u->intr_state == INTR_STOPPED && clock_now() >= u->intr_resume_ns)
		submit(u);
	usb_reaped(u);
	pthread_mutex_unlock(&u->lock);
}

static void intr_cancel(struct usb_transport *u)
{
	if (u->intr_state == INTR_PENDING)
		libusb_cancel_transfer(u->intr);
}

static bool intr_idle(const struct usb_transport *u)
{
	return u->intr_state != INTR_PENDING;
}

static void intr_release(struct usb_transport *u)
{
	libusb_free_transfer(u->intr);
	free(u->intr_buf);
}

static const struct usb_pipe intr_pipe = {
	.cancel = intr_cancel, .idle = intr_idle, .restart = intr_restart, .free = intr_release,
};

/* The transfer stopped (flood, stall, errors, refused): begin again. Returns when to look again.
 * Lets the lock go for a moment. */
static struct deadline revive(struct usb_transport *u, struct deadline d)
{
	if (u->state == USB_HANDLE_DEAD)
		return deadline_earlier(d, (struct deadline){ u->reopen_ns });
	if (!u->intr || u->intr_state == INTR_PENDING || u->state != USB_OPEN)
		return d;
	if (clock_now() < u->intr_resume_ns)
		return deadline_earlier(d, (struct deadline){ u->intr_resume_ns });
	if (u->intr_state == INTR_HALTED) {
		u->intr_state = INTR_STOPPED;
		u->inside++;
		pthread_mutex_unlock(&u->lock);
		libusb_clear_halt(u->handle, u->t.desc.interrupt_in);
		pthread_mutex_lock(&u->lock);
		u->inside--;
		usb_reaped(u);
	}
	submit(u);
	return d;
}

/* Is there an end to the poll of slot s? With the lock, which it lets go for a moment. */
static bool poll_ends(struct usb_transport *u, struct usb_slot *s, enum ccid_err *err)
{
	bool stale = false;

	if (u->state == USB_HANDLE_DEAD && clock_now() >= u->reopen_ns) {
		/* Unplugged, or else the next look for the card opens the reader again. */
		pthread_mutex_unlock(&u->lock);
		stale = usb_judge_loss(u, CCID_ERR_STALE) == CCID_ERR_STALE;
		pthread_mutex_lock(&u->lock);
	}
	if (s->closed) {
		*err = CCID_ERR_NO_DEVICE;
	} else if (s->stop) {
		*err = CCID_ERR_TIMEOUT;
		s->stop = false;
	} else if (u->state != USB_UNPLUGGED && (s->changed || stale)) {
		*err = CCID_OK;
		s->changed = false;
	} else {
		return false;
	}
	return true;
}

/* A reader that is gone has nothing to tell any more, yet its poll goes on until it is stopped:
 * pcscd learns from udev that the reader is gone, stops the poll and waits for the thread. Had the
 * poll ended by itself, that thread would look for the card, be refused and sleep for 1.4 s, and so
 * once more for each further slot. */
enum ccid_err usb_wait_change(struct transport *t, uint8_t slot, const struct deadline *d)
{
	struct usb_transport *u = usb_of(t);
	struct deadline end = *d;
	struct usb_slot *s;
	enum ccid_err err = CCID_OK;
	bool held = false;

	if (slot >= u->n_slots)
		return CCID_ERR_ARG;
	s = &u->slots[slot];
	pthread_mutex_lock(&u->lock);
	if (s->polling) {
		pthread_mutex_unlock(&u->lock);
		return CCID_ERR_BUSY;
	}
	s->polling = true;
	while (!poll_ends(u, s, &err)) {
		struct deadline until;

		if (u->state == USB_UNPLUGGED && !held) {
			held = true;
			end = deadline_earlier(end, deadline_in_ms(GONE_HOLD_MS));
		}
		if (deadline_passed(&end)) {
			err = u->state == USB_UNPLUGGED ? CCID_ERR_NO_DEVICE : CCID_ERR_TIMEOUT;
			break;
		}
		__atomic_store_n(&s->poller.done, 0, __ATOMIC_RELEASE);
		until = revive(u, end);
		pthread_mutex_unlock(&u->lock);
		pump_wait(u->pump, &s->poller, &until);
		pthread_mutex_lock(&u->lock);
	}
	s->polling = false;
	pthread_mutex_unlock(&u->lock);
	return err;
}

void usb_stop_change(struct transport *t, uint8_t slot)
{
	struct usb_transport *u = usb_of(t);

	if (slot >= u->n_slots)
		return;
	pthread_mutex_lock(&u->lock);
	u->slots[slot].stop = true;
	if (u->slots[slot].polling)
		pump_wake(u->pump, &u->slots[slot].poller);
	pthread_mutex_unlock(&u->lock);
}

void usb_mark_changed(struct transport *t, uint8_t slot)
{
	struct usb_transport *u = usb_of(t);

	if (slot >= u->n_slots)
		return;
	pthread_mutex_lock(&u->lock);
	usb_changed(u, slot);
	pthread_mutex_unlock(&u->lock);
}
