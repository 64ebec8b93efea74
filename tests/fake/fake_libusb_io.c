/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Transfers and events of the libusb stand-in. */
#include "fake/fake_libusb_priv.h"

#include "util/deadline.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct fake_transfer *of(struct libusb_transfer *t)
{
	return (struct fake_transfer *)(void *)((char *)t - offsetof(struct fake_transfer, t));
}

/* --- transfers --- */

struct libusb_transfer *LIBUSB_CALL libusb_alloc_transfer(int iso_packets)
{
	struct fake_transfer *x;
	bool fail;

	if (iso_packets < 0)
		return NULL;
	fake_bus_lock();
	fake.counts.total_allocs++;
	fail = fake.fail_alloc && --fake.fail_alloc == 0;
	fake_bus_unlock();
	x = fail ? NULL :
		   calloc(1, sizeof *x + (size_t)iso_packets *
						  sizeof(struct libusb_iso_packet_descriptor));
	if (!x)
		return NULL;
	fake_bus_lock();
	fake.counts.transfers++;
	fake_bus_unlock();
	return &x->t;
}

void LIBUSB_CALL libusb_free_transfer(struct libusb_transfer *t)
{
	if (!t)
		return;
	if (of(t)->submitted)
		abort();	/* libusb would use it after it was freed */
	if (t->flags & LIBUSB_TRANSFER_FREE_BUFFER)
		free(t->buffer);
	fake_bus_lock();
	fake.counts.transfers--;
	fake_bus_unlock();
	free(of(t));
}

static void fill_urb(struct fake_transfer *x)
{
	struct libusb_transfer *t = &x->t;
	struct sim_urb *u = &x->urb;

	memset(u, 0, sizeof *u);
	u->user = x;
	u->endpoint = t->endpoint;
	u->buf = t->buffer;
	u->len = (size_t)t->length;
	if (t->type == LIBUSB_TRANSFER_TYPE_CONTROL) {
		u->type = SIM_CONTROL;
		memcpy(u->setup, t->buffer, 8);
		u->buf += 8;
		u->len -= 8;
		u->endpoint = 0;
	} else {
		u->type = t->type == LIBUSB_TRANSFER_TYPE_INTERRUPT ? SIM_INTERRUPT : SIM_BULK;
	}
}

/* Under lock. */
static int submit(struct fake_transfer *x)
{
	struct libusb_device_handle *h = x->t.dev_handle;

	fake.counts.total_submits++;
	if (x->submitted)
		return LIBUSB_ERROR_BUSY;
	if (fake.fail_submit && --fake.fail_submit == 0)
		return fake.fail_submit_code;
	if (fake.fail_endpoint && x->t.endpoint == fake.fail_endpoint_nr) {
		fake.fail_endpoint--;
		errno = fake.fail_endpoint_errno;
		return fake.fail_endpoint_code;
	}
	if (!fake_alive(h))
		return LIBUSB_ERROR_NO_DEVICE;
	if (x->t.type == LIBUSB_TRANSFER_TYPE_CONTROL && x->t.length < 8)
		return LIBUSB_ERROR_INVALID_PARAM;
	fill_urb(x);
	x->submitted = true;
	x->nr = h->dev->nr;
	x->cancelled = x->timed_out = x->completed = false;
	x->expires = x->t.timeout ? clock_now() + x->t.timeout * 1000000ull : UINT64_MAX;
	x->ctx = h->ctx;
	x->sim = fake.sim[h->dev->nr];
	if (x->expires < fake.first_expiry)
		fake.first_expiry = x->expires;
	x->next = fake.pending;
	x->link = &fake.pending;
	if (x->next)
		x->next->link = &x->next;
	fake.pending = x;
	fake.counts.submitted++;
	if (fake.watch)
		fake.watch(&x->urb, false);
	fake_bus_stir(h->dev->nr);
	sim_dev_submit(x->sim, &x->urb, clock_now());
	return 0;
}

int LIBUSB_CALL libusb_submit_transfer(struct libusb_transfer *t)
{
	int rc;

	fake_bus_lock();
	rc = submit(of(t));
	fake_bus_unlock();
	return rc;
}

int LIBUSB_CALL libusb_cancel_transfer(struct libusb_transfer *t)
{
	struct fake_transfer *x = of(t);
	int rc = LIBUSB_ERROR_NOT_FOUND;

	fake_bus_lock();
	if (x->submitted && !x->completed) {
		rc = 0;
		x->cancelled = true;
		fake_bus_stir(x->nr);
		(void)sim_dev_discard(x->sim, &x->urb, clock_now());
	}
	fake_bus_unlock();
	return rc;
}

/* --- events --- */

static enum libusb_transfer_status status_of(const struct fake_transfer *x)
{
	switch (x->urb.status) {
	case SIM_OK:
		return LIBUSB_TRANSFER_COMPLETED;
	case SIM_STALL:
		return LIBUSB_TRANSFER_STALL;
	case SIM_OVERFLOW:
		return LIBUSB_TRANSFER_OVERFLOW;
	case SIM_GONE:
		return LIBUSB_TRANSFER_NO_DEVICE;
	case SIM_CANCELLED:
		return x->timed_out ? LIBUSB_TRANSFER_TIMED_OUT : LIBUSB_TRANSFER_CANCELLED;
	default:
		return LIBUSB_TRANSFER_ERROR;
	}
}

static void to_done(struct fake_transfer *x)
{
	if (x->link) {
		*x->link = x->next;
		if (x->next)
			x->next->link = x->link;
		x->link = NULL;
	}
	if (x->expires != UINT64_MAX)
		fake.first_expiry = 0;	/* to be found again */
	x->next = NULL;
	x->completed = true;
	if (fake.hold == FAKE_HOLD_ALL || fake.hold == (int)x->t.type) {
		x->next = fake.held;
		fake.held = x;
		return;
	}
	*fake.done_tail = x;
	fake.done_tail = &x->next;
}

/* Ends transfers whose time has expired. Returns the time of the next expiry. */
static uint64_t expire(uint64_t now)
{
	uint64_t next = UINT64_MAX;

	if (now < fake.first_expiry)
		return fake.first_expiry;
	for (struct fake_transfer *x = fake.pending; x; x = x->next) {
		if (x->expires <= now && !x->timed_out) {
			x->timed_out = true;
			fake_bus_stir(x->nr);
			(void)sim_dev_discard(x->sim, &x->urb, now);
		} else if (!x->timed_out && x->expires < next) {
			next = x->expires;
		}
	}
	fake.first_expiry = next;
	return next;
}

/* Collects the transfers that the devices have ended by now. Returns the time of the next event. */
static uint64_t collect(uint64_t now)
{
	uint64_t next;

	while (fake.hold == FAKE_HOLD_NONE && fake.held) {
		struct fake_transfer *x = fake.held;

		fake.held = x->next;
		to_done(x);
	}
	next = expire(now);
	for (unsigned i = 0; i < fake.n_stirring;) {
		unsigned nr = fake.stirring[i];
		struct sim_urb *u;
		uint64_t at;

		while ((u = sim_dev_reap(fake.sim[nr], now)) != NULL) {
			if (fake.watch)
				fake.watch(u, true);
			to_done(u->user);
		}
		at = sim_dev_next(fake.sim[nr]);
		if (at < next)
			next = at;
		if (at == UINT64_MAX && fake.dev[nr] && sim_dev_is_plugged(fake.sim[nr])) {
			fake.stirs[nr] = false;
			fake.stirring[i] = fake.stirring[--fake.n_stirring];
		} else {
			i++;
		}
	}
	return next;
}

static struct fake_transfer *take_done(const struct libusb_context *ctx)
{
	struct fake_transfer **p = &fake.done, *x;

	while (*p && (*p)->ctx != ctx)
		p = &(*p)->next;
	x = *p;
	if (!x)
		return NULL;
	*p = x->next;
	if (!*p)
		fake.done_tail = p;
	return x;
}

/* Runs one callback, without the lock. */
static void deliver(struct fake_transfer *x)
{
	struct libusb_transfer *t = &x->t;
	uint8_t flags = t->flags;

	x->submitted = false;
	fake.counts.submitted--;
	fake.counts.total_events++;
	t->status = status_of(x);
	t->actual_length = (int)x->urb.actual;
	if ((flags & LIBUSB_TRANSFER_SHORT_NOT_OK) && t->status == LIBUSB_TRANSFER_COMPLETED &&
	    x->urb.actual != x->urb.len)
		t->status = LIBUSB_TRANSFER_ERROR;
	pthread_mutex_unlock(&fake.lock);
	if (t->callback)
		t->callback(t);
	if (flags & LIBUSB_TRANSFER_FREE_TRANSFER)
		libusb_free_transfer(t);
	pthread_mutex_lock(&fake.lock);
}

static void sleep_until(uint64_t at, bool stands_still)
{
	struct timespec ts = { (time_t)(at / 1000000000u), (long)(at % 1000000000u) };

	if (fake.idle) {
		pthread_mutex_unlock(&fake.lock);
		fake.idle(at);
		pthread_mutex_lock(&fake.lock);
	} else if (fake.clock == FAKE_VIRTUAL && !stands_still) {
		pthread_mutex_unlock(&fake.lock);
		clock_sleep_until(at);
		pthread_mutex_lock(&fake.lock);
	} else if (fake.clock == FAKE_VIRTUAL || at == UINT64_MAX) {
		pthread_cond_wait(&fake.wake, &fake.lock);
	} else {
		(void)pthread_cond_timedwait(&fake.wake, &fake.lock, &ts);
	}
}

/* One thread handles the events of a context; the other threads wait for that thread. */
static void handle(struct libusb_context *ctx, uint64_t end, int *completed)
{
	bool did = false;

	while (!did && !(completed && __atomic_load_n(completed, __ATOMIC_ACQUIRE))) {
		struct fake_transfer *x;
		uint64_t next;

		if (ctx->interrupted) {
			ctx->interrupted = false;
			return;
		}
		next = collect(clock_now());
		while ((x = take_done(ctx)) != NULL) {
			deliver(x);
			did = true;
		}
		if (did || clock_now() >= end)
			return;
		sleep_until(next < end ? next : end, false);
	}
}

int LIBUSB_CALL libusb_handle_events_timeout_completed(libusb_context *ctx, struct timeval *tv,
						       int *completed)
{
	uint64_t end =
		clock_now() + (uint64_t)tv->tv_sec * 1000000000u + (uint64_t)tv->tv_usec * 1000u;

	fake_bus_lock();
	ctx = fake_context(ctx);
	fake.counts.total_handlings++;
	if (fake.fail_events) {
		int rc = fake.fail_events;

		fake_bus_unlock();
		return rc;
	}
	while (!fake.idle && ctx->handling && clock_now() < end &&
	       !(completed && __atomic_load_n(completed, __ATOMIC_ACQUIRE)))
		sleep_until(end, true);
	if (fake.idle || !ctx->handling) {
		ctx->handling = true;
		handle(ctx, end, completed);
		ctx->handling = false;
	}
	fake_bus_unlock();
	return 0;
}

int LIBUSB_CALL libusb_handle_events_timeout(libusb_context *ctx, struct timeval *tv)
{
	return libusb_handle_events_timeout_completed(ctx, tv, NULL);
}

int LIBUSB_CALL libusb_handle_events_completed(libusb_context *ctx, int *completed)
{
	struct timeval tv = { 60, 0 };

	return libusb_handle_events_timeout_completed(ctx, &tv, completed);
}

int LIBUSB_CALL libusb_handle_events(libusb_context *ctx)
{
	return libusb_handle_events_completed(ctx, NULL);
}

void LIBUSB_CALL libusb_interrupt_event_handler(libusb_context *ctx)
{
	fake_bus_lock();
	fake_context(ctx)->interrupted = true;
	fake_bus_unlock();
}

/* --- the synchronous calls --- */

static void LIBUSB_CALL set_flag(struct libusb_transfer *t)
{
	__atomic_store_n((int *)t->user_data, 1, __ATOMIC_RELEASE);
}

static int error_of(enum libusb_transfer_status status)
{
	switch (status) {
	case LIBUSB_TRANSFER_COMPLETED:
		return 0;
	case LIBUSB_TRANSFER_TIMED_OUT:
		return LIBUSB_ERROR_TIMEOUT;
	case LIBUSB_TRANSFER_STALL:
		return LIBUSB_ERROR_PIPE;
	case LIBUSB_TRANSFER_OVERFLOW:
		return LIBUSB_ERROR_OVERFLOW;
	case LIBUSB_TRANSFER_NO_DEVICE:
		return LIBUSB_ERROR_NO_DEVICE;
	default:
		return LIBUSB_ERROR_IO;
	}
}

/* Submits t and handles events until t is done. */
static int run(struct libusb_transfer *t)
{
	int done = 0, rc;

	t->callback = set_flag;
	t->user_data = &done;
	rc = libusb_submit_transfer(t);
	if (rc)
		return rc;
	while (!__atomic_load_n(&done, __ATOMIC_ACQUIRE))
		libusb_handle_events_completed(t->dev_handle->ctx, &done);
	return error_of(t->status);
}

int LIBUSB_CALL libusb_control_transfer(libusb_device_handle *h, uint8_t type, uint8_t request,
					uint16_t value, uint16_t index, unsigned char *data,
					uint16_t length, unsigned timeout)
{
	struct libusb_transfer *t = libusb_alloc_transfer(0);
	uint8_t *buf = calloc(1, 8u + length);
	int rc = LIBUSB_ERROR_NO_MEM;

	if (t && buf) {
		libusb_fill_control_setup(buf, type, request, value, index, length);
		if (length && !(type & 0x80))
			memcpy(buf + 8, data, length);
		libusb_fill_control_transfer(t, h, buf, set_flag, NULL, timeout);
		rc = run(t);
		if (rc == 0) {
			rc = t->actual_length;
			if (rc && (type & 0x80))
				memcpy(data, buf + 8, (size_t)rc);
		}
	}
	libusb_free_transfer(t);
	free(buf);
	return rc;
}

static int bulk(libusb_device_handle *h, unsigned char type, unsigned char endpoint,
		unsigned char *data, int length, int *actual, unsigned timeout)
{
	struct libusb_transfer *t = libusb_alloc_transfer(0);
	int rc;

	if (!t)
		return LIBUSB_ERROR_NO_MEM;
	libusb_fill_bulk_transfer(t, h, endpoint, data, length, set_flag, NULL, timeout);
	t->type = type;
	rc = run(t);
	if (actual)
		*actual = t->actual_length;
	libusb_free_transfer(t);
	return rc;
}

int LIBUSB_CALL libusb_bulk_transfer(libusb_device_handle *h, unsigned char endpoint,
				     unsigned char *data, int length, int *actual, unsigned timeout)
{
	return bulk(h, LIBUSB_TRANSFER_TYPE_BULK, endpoint, data, length, actual, timeout);
}

int LIBUSB_CALL libusb_interrupt_transfer(libusb_device_handle *h, unsigned char endpoint,
					  unsigned char *data, int length, int *actual,
					  unsigned timeout)
{
	return bulk(h, LIBUSB_TRANSFER_TYPE_INTERRUPT, endpoint, data, length, actual, timeout);
}

int LIBUSB_CALL libusb_reset_device(libusb_device_handle *h)
{
	int rc = 0;

	fake_bus_lock();
	fake_bus_stir(h->dev->nr);
	if (fake_alive(h))
		sim_dev_reset(fake.sim[h->dev->nr], clock_now());
	else
		rc = LIBUSB_ERROR_NO_DEVICE;
	fake_bus_unlock();
	return rc;
}

int LIBUSB_CALL libusb_clear_halt(libusb_device_handle *h, unsigned char endpoint)
{
	int rc = libusb_control_transfer(h, 0x02, 1, 0, endpoint, NULL, 0, 1000);

	return rc < 0 ? rc : 0;
}

int LIBUSB_CALL libusb_set_interface_alt_setting(libusb_device_handle *h, int interface,
						 int alternate)
{
	int rc = libusb_control_transfer(h, 0x01, 11, (uint16_t)alternate, (uint16_t)interface,
					 NULL, 0, 1000);

	return rc < 0 ? rc : 0;
}
