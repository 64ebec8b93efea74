/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* USB ICCs: the control pipe carries everything, one command at a time. */
#include "transport/usb_iccd.h"

#include "transport/iccd.h"
#include "transport/usb_control.h"
#include "util/buf.h"

#include <stdlib.h>

#define OPEN_MS 5000u

static enum ccid_err refusal(struct usb_transport *u)
{
	enum ccid_err err;

	pthread_mutex_lock(&u->lock);
	err = usb_refusal(u, 0);
	pthread_mutex_unlock(&u->lock);
	return err;
}

static enum ccid_err iccd_control(void *ctx, uint8_t type, uint8_t request, uint16_t value,
				  uint16_t index, uint8_t *data, size_t len, size_t *actual,
				  const struct deadline *d)
{
	const struct usb_setup setup = { type, request, value, index, (uint16_t)len };
	enum ccid_err err;

	*actual = 0;
	err = usb_control(ctx, 0, &setup, data, actual, d);
	return err == CCID_ERR_NOT_SUPPORTED ? CCID_ERR_COMM : err;
}

/* Sleeps on the slot's own condition, so that removal ends it. */
static enum ccid_err pause_ms(void *ctx, unsigned ms, const struct deadline *d)
{
	struct usb_transport *u = ctx;
	struct deadline until = deadline_earlier(deadline_in_ms(ms), *d);

	pump_park(&u->slots[0].command, &until);
	return refusal(u);
}

enum ccid_err usb_iccd_start(struct transport *t, struct request *r, const struct deadline *d)
{
	struct usb_transport *u = usb_of(t);

	(void)d;
	if (r->slot >= u->n_slots)
		return CCID_ERR_ARG;
	__atomic_store_n(&u->slots[0].command.done, 0, __ATOMIC_RELEASE);
	u->iccd_sent = false;
	transport_number(t, r);
	return usb_judge_loss(u, refusal(u));
}

enum ccid_err usb_iccd_wait(struct transport *t, struct request *r, const struct deadline *d)
{
	struct usb_transport *u = usb_of(t);
	enum ccid_err err;

	if (u->iccd_sent)
		err = iccd_continue(u->iccd, r->answer, r->answer_cap, &r->answer_len, d);
	else
		err = iccd_message(u->iccd, r->msg, r->len, r->answer, r->answer_cap,
				   &r->answer_len, d);
	u->iccd_sent = true;
	pthread_mutex_lock(&u->lock);
	if (err == CCID_ERR_STALE)
		usb_lost(u);
	if (err != CCID_OK && usb_refusal(u, 0) != CCID_OK)
		err = usb_refusal(u, 0);
	pthread_mutex_unlock(&u->lock);
	return usb_judge_loss(u, err);
}

void usb_iccd_finish(struct transport *t, struct request *r)
{
	(void)t;
	(void)r;
}

static enum ccid_err greet(struct usb_transport *u)
{
	struct iccd_pipe pipe = { .control = iccd_control, .ctx = u, .pause = pause_ms };
	struct deadline d = deadline_in_ms(OPEN_MS);

	return iccd_open(u->iccd, &pipe, u->t.desc.bInterfaceProtocol, u->t.desc.bInterfaceNumber,
			 &u->t.log, &d);
}

static void iccd_release(struct usb_transport *u)
{
	if (u->iccd)
		wipe(u->iccd, sizeof *u->iccd);
	free(u->iccd);
}

enum ccid_err usb_iccd_open(struct usb_transport *u)
{
	static const struct usb_pipe iccd_pipe = { .free = iccd_release };
	enum ccid_err err;

	usb_add_pipe(u, &iccd_pipe);

	u->iccd = calloc(1, sizeof *u->iccd);
	if (!u->iccd)
		return CCID_ERR_NOMEM;
	u->t.card_always_present = true;
	err = greet(u);
	iccd_fix_desc(&u->t.desc);
	return err;
}

enum ccid_err usb_iccd_reopen(struct transport *t, const struct deadline *d)
{
	enum ccid_err err = usb_reopen(t, d);

	return err == CCID_OK ? greet(usb_of(t)) : err;
}
