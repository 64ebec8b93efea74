/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Requests on the control pipe: transfers like all others, so that a wait for one ends when the
 * reader is closed or removed, and in a buffer of their own, which is wiped: libusb's blocking call
 * does neither. */
#include "transport/usb_control.h"

#include "transport/usb_error.h"
#include "util/buf.h"

#include <stdlib.h>
#include <string.h>

/* How long a request that was taken back may need to return before it is left to itself. */
#define CANCEL_MS 200u

enum control_state {
	CONTROL_PENDING,	/* the host has it, a thread waits */
	CONTROL_DONE,
	CONTROL_ABANDONED,	/* in the host, with no waiter: the callback frees it */
};

struct usb_control {
	struct usb_transport *owner;
	struct usb_control *next;	/* in owner->controls, unless done */
	unsigned slot;
	enum control_state state;
	struct waiter waiter;
	struct libusb_transfer *transfer;
	size_t len;			/* of buf */
	uint8_t buf[];			/* setup packet and data */
};

static void control_free(struct usb_control *c)
{
	waiter_destroy(c->owner->pump, &c->waiter);
	libusb_free_transfer(c->transfer);
	wipe(c->buf, c->len);
	free(c);
}

static struct usb_control *control_new(struct usb_transport *u, unsigned slot,
				       const struct usb_setup *setup, const uint8_t *data)
{
	size_t len = LIBUSB_CONTROL_SETUP_SIZE + (size_t)setup->wLength;
	struct usb_control *c = calloc(1, sizeof *c + len);

	if (!c)
		return NULL;
	c->owner = u;
	c->slot = slot;
	c->len = len;
	waiter_init(&c->waiter, WAIT_COMMAND);
	c->transfer = libusb_alloc_transfer(0);
	if (!c->transfer) {
		control_free(c);
		return NULL;
	}
	libusb_fill_control_setup(c->buf, setup->bmRequestType, setup->bRequest, setup->wValue,
				  setup->wIndex, setup->wLength);
	if (setup->wLength > 0 && !(setup->bmRequestType & LIBUSB_ENDPOINT_IN))
		memcpy(c->buf + LIBUSB_CONTROL_SETUP_SIZE, data, setup->wLength);
	return c;
}

static void LIBUSB_CALL control_done(struct libusb_transfer *x)
{
	struct usb_control *c = x->user_data;
	struct usb_transport *u = c->owner;
	struct usb_control **i;

	pthread_mutex_lock(&u->lock);
	for (i = &u->controls; *i != c; i = &(*i)->next)
		;
	*i = c->next;
	if (x->status == LIBUSB_TRANSFER_NO_DEVICE)
		usb_lost(u);
	if (c->state == CONTROL_ABANDONED) {
		control_free(c);
	} else {
		c->state = CONTROL_DONE;
		pump_wake(u->pump, &c->waiter);
	}
	usb_reaped(u);
	pthread_mutex_unlock(&u->lock);
}

/* A request that does not come back blocks the pipe: later ones would not come back either. */
static bool is_blocked(const struct usb_transport *u)
{
	for (const struct usb_control *c = u->controls; c; c = c->next) {
		if (c->state == CONTROL_ABANDONED)
			return true;
	}
	return false;
}

/* Under lock. */
static enum ccid_err control_submit(struct usb_transport *u, struct usb_control *c)
{
	enum ccid_err err = usb_refusal(u, c->slot);
	int rc;

	if (err != CCID_OK)
		return err;
	if (is_blocked(u))
		return CCID_ERR_TIMEOUT;
	libusb_fill_control_transfer(c->transfer, u->handle, c->buf, control_done, c, 0);
	rc = libusb_submit_transfer(c->transfer);
	if (rc == LIBUSB_ERROR_NO_DEVICE)
		usb_lost(u);
	if (rc != 0)
		return usb_error(rc);
	c->next = u->controls;
	u->controls = c;
	return CCID_OK;
}

static enum ccid_err status_error(enum libusb_transfer_status status)
{
	switch (status) {
	case LIBUSB_TRANSFER_COMPLETED:
		return CCID_OK;
	case LIBUSB_TRANSFER_STALL:
		return CCID_ERR_NOT_SUPPORTED;
	case LIBUSB_TRANSFER_NO_DEVICE:
		return CCID_ERR_STALE;
	case LIBUSB_TRANSFER_CANCELLED:
	case LIBUSB_TRANSFER_TIMED_OUT:
		return CCID_ERR_TIMEOUT;
	default:
		return CCID_ERR_COMM;
	}
}

/* Waits for c, which is taken back at the deadline. CCID_OK: it is done. Lock held at entry and at
 * return, not between. */
static enum ccid_err control_wait(struct usb_transport *u, struct usb_control *c,
				  const struct deadline *d)
{
	struct deadline end = *d;
	bool cancelled = false;

	while (c->state == CONTROL_PENDING) {
		enum ccid_err err = usb_refusal(u, c->slot);

		if (err == CCID_OK && deadline_passed(&end) && cancelled)
			err = CCID_ERR_TIMEOUT;
		if (err != CCID_OK || deadline_passed(&end)) {
			libusb_cancel_transfer(c->transfer);
			cancelled = true;
			end = deadline_in_ms(CANCEL_MS);
		}
		if (err != CCID_OK)
			return err;
		__atomic_store_n(&c->waiter.done, 0, __ATOMIC_RELEASE);
		pthread_mutex_unlock(&u->lock);
		pump_wait(u->pump, &c->waiter, &end);
		pthread_mutex_lock(&u->lock);
	}
	return CCID_OK;
}

enum ccid_err usb_control(struct usb_transport *u, unsigned slot, const struct usb_setup *setup,
			  uint8_t *data, size_t *actual, const struct deadline *d)
{
	struct usb_control *c;
	enum ccid_err err;
	size_t got = 0;

	if (deadline_passed(d))
		return CCID_ERR_TIMEOUT;
	c = control_new(u, slot, setup, data);
	if (!c)
		return CCID_ERR_NOMEM;
	pthread_mutex_lock(&u->lock);
	if (is_blocked(u)) {
		/* The transfer may be back by now, and no other thread looks. */
		pthread_mutex_unlock(&u->lock);
		pump_sweep(u->pump);
		pthread_mutex_lock(&u->lock);
	}
	err = control_submit(u, c);
	if (err == CCID_OK && control_wait(u, c, d) != CCID_OK) {
		err = usb_refusal(u, slot);
		c->state = CONTROL_ABANDONED;
		pthread_mutex_unlock(&u->lock);
		return err != CCID_OK ? err : CCID_ERR_TIMEOUT;
	}
	pthread_mutex_unlock(&u->lock);
	if (err == CCID_OK)
		err = status_error(c->transfer->status);
	if (err == CCID_OK)
		got = (size_t)c->transfer->actual_length;
	if (got > setup->wLength)
		got = setup->wLength;
	if (got > 0 && setup->bmRequestType & LIBUSB_ENDPOINT_IN)
		memcpy(data, c->buf + LIBUSB_CONTROL_SETUP_SIZE, got);
	if (actual)
		*actual = got;
	control_free(c);
	return err;
}

static void lost(struct usb_transport *u)
{
	for (struct usb_control *c = u->controls; c; c = c->next)
		pump_wake(u->pump, &c->waiter);
}

static void closed(struct usb_transport *u, unsigned slot)
{
	for (struct usb_control *c = u->controls; c; c = c->next) {
		if (c->slot == slot)
			pump_wake(u->pump, &c->waiter);
	}
}

static void control_cancel(struct usb_transport *u)
{
	for (struct usb_control *c = u->controls; c; c = c->next)
		libusb_cancel_transfer(c->transfer);
}

static bool control_idle(const struct usb_transport *u)
{
	return !u->controls;
}

void usb_control_init(struct usb_transport *u)
{
	static const struct usb_pipe control_pipe = {
		.cancel = control_cancel, .idle = control_idle, .lost = lost, .closed = closed,
	};

	usb_add_pipe(u, &control_pipe);
}
