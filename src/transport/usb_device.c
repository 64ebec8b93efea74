/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The handle, and how all calls learn what becomes of it. */
#include "transport/usb_device.h"

#include "transport/usb_error.h"
#include "transport/usb_holder.h"
#include "transport/usb_node.h"
#include "util/buf.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How long cancelled transfers may take to come back before they are given up. */
#define REAP_MS 250u
#define CLAIM_RETRY_MS 50u
/* A reader that needs more resets than this is broken, and resets disturb other devices on the
 * bus. */
#define RESET_EVERY_NS UINT64_C(60000000000)

/* How long polls leave a device alone that could not be opened again. */
#define REOPEN_AGAIN_NS UINT64_C(1000000000)

/* How often a second caller looks whether the first one has opened the device again. */
#define REOPEN_LOOK_MS 10u

/* An error that repeats at each call is logged the first time only. */
static enum log_level level_of(const struct usb_transport *u)
{
	return u->failure_logged ? LOG_PERIODIC : LOG_CRITICAL;
}

static enum ccid_err usb_failed(const struct usb_transport *u, const char *step, int rc, int left)
{
	return usb_open_failed_at(level_of(u), &u->t.log, step, rc, left);
}

/* The node may appear a moment before udev sets its rights; absence is final. */
static enum ccid_err open_node(struct usb_transport *u)
{
	char step[sizeof u->name.node + 16];

	u->fd = usb_node_open(u->name.node);
	if (u->fd >= 0 || errno == ENOSYS)
		return CCID_OK;
	snprintf(step, sizeof step, "cannot open %s", u->name.node);
	return usb_failed(u, step, LIBUSB_ERROR_OTHER, errno);
}

enum ccid_err usb_open_handle(struct usb_transport *u)
{
	enum ccid_err err = open_node(u);
	int rc;

	if (err != CCID_OK)
		return err;
	errno = 0;
	rc = usb_wrap_node(u->pump->ctx, u->fd, &u->name, &u->handle);
	if (rc == 0)
		return CCID_OK;
	err = usb_failed(u, "libusb cannot use the device", rc, errno);
	if (u->fd >= 0)
		usb_node_close(u->fd);
	u->fd = -1;
	u->handle = NULL;
	return err;
}

static void close_handle(struct usb_transport *u)
{
	if (u->handle)
		libusb_close(u->handle);
	u->handle = NULL;
	if (u->fd >= 0)
		usb_node_close(u->fd);
	u->fd = -1;
}

/* Which program it is is looked for the first time alone. */
static void log_claimed(const struct usb_transport *u)
{
	struct usb_holder h = { .pid = 0 };
	const char *scdaemon = "put \"disable-ccid\" into scdaemon.conf, and end scdaemon "
			       "(gpgconf --kill scdaemon)";
	unsigned interface = u->t.desc.bInterfaceNumber;

	if (u->failure_logged || !usb_other_holder(u->name.node, &h))
		LOG(level_of(u), &u->t.log,
		    "interface %u is claimed by another program. Often it is GnuPG's scdaemon: %s",
		    interface, scdaemon);
	else
		LOG(level_of(u), &u->t.log, "interface %u is claimed by %s (process %ld): %s",
		    interface, h.comm, h.pid,
		    strcmp(h.comm, "scdaemon") == 0 ? scdaemon : "end it, or take the reader from "
								 "it");
}

/* Takes the interface from the kernel's drivers and waits a short while for another program, which
 * alone is CCID_ERR_BUSY. */
enum ccid_err usb_claim(struct usb_transport *u, const struct deadline *d)
{
	int interface = u->t.desc.bInterfaceNumber;
	char step[40];
	int rc;

	libusb_set_auto_detach_kernel_driver(u->handle, 1);
	errno = 0;
	while ((rc = libusb_claim_interface(u->handle, interface)) == LIBUSB_ERROR_BUSY &&
	       !deadline_passed(d)) {
		/* The interface may still be this driver's: closed, but for transfers that were
		 * late in returning. */
		pump_sweep(u->pump);
		deadline_sleep_ms(d, CLAIM_RETRY_MS);
	}
	if (rc == 0)
		return CCID_OK;
	if (rc != LIBUSB_ERROR_BUSY) {
		snprintf(step, sizeof step, "interface %d cannot be claimed", interface);
		return usb_failed(u, step, rc, errno) == CCID_ERR_NO_DEVICE ? CCID_ERR_NO_DEVICE
									    : CCID_ERR_COMM;
	}
	log_claimed(u);
	return CCID_ERR_BUSY;
}

/* A node's number may be another device's by now. */
static enum ccid_err check_identity(struct usb_transport *u)
{
	struct usb_identity now;
	int rc;

	errno = 0;
	rc = usb_identify(libusb_get_device(u->handle), u->t.desc.bInterfaceNumber, &now);
	if (rc != 0)
		return usb_failed(u, "no descriptors", rc, errno);
	if (usb_same_identity(&now, &u->identity))
		return CCID_OK;
	LOG(LOG_INFO, &u->t.log, "another device is there now: %04x:%04x", now.device.idVendor,
	    now.device.idProduct);
	return CCID_ERR_NO_DEVICE;
}

enum ccid_err usb_attach(struct usb_transport *u, const struct deadline *d)
{
	enum ccid_err err = usb_open_handle(u);

	if (err != CCID_OK)
		return err;
	err = check_identity(u);
	if (err == CCID_OK)
		err = usb_claim(u, d);
	if (err != CCID_OK)
		close_handle(u);
	return err;
}

void usb_detach(struct usb_transport *u)
{
	if (u->handle)
		libusb_release_interface(u->handle, u->t.desc.bInterfaceNumber);
	close_handle(u);
}

enum ccid_err usb_make_slots(struct usb_transport *u)
{
	u->n_slots = ccid_desc_slots(&u->t.desc);
	u->slots = calloc(u->n_slots, sizeof *u->slots);
	u->gate = usb_gate_new(u->pump, ccid_desc_busy_places(&u->t.desc));
	if (!u->slots || !u->gate) {
		u->n_slots = 0;
		return CCID_ERR_NOMEM;
	}
	for (unsigned i = 0; i < u->n_slots; i++) {
		u->slots[i].owner = u;
		waiter_init(&u->slots[i].command, WAIT_COMMAND);
		waiter_init(&u->slots[i].poller, WAIT_IDLE);
	}
	return CCID_OK;
}

void usb_add_pipe(struct usb_transport *u, const struct usb_pipe *pipe)
{
	u->pipes[u->n_pipes++] = pipe;
}

void usb_changed(struct usb_transport *u, unsigned slot)
{
	struct usb_slot *s = &u->slots[slot];

	s->changed = true;
	if (s->polling)
		pump_wake(u->pump, &s->poller);
}

void usb_all_changed(struct usb_transport *u)
{
	for (unsigned i = 0; i < u->n_slots; i++)
		usb_changed(u, i);
}

void usb_publish(struct usb_transport *u, unsigned slot, enum ccid_err result)
{
	struct usb_slot *s = &u->slots[slot];

	s->answered = true;
	s->result = result;
	pump_wake(u->pump, &s->command);
}

void usb_publish_all(struct usb_transport *u, enum ccid_err result)
{
	for (unsigned i = 0; i < u->n_slots; i++) {
		if (u->slots[i].req && !u->slots[i].answered)
			usb_publish(u, i, result);
	}
}

void usb_become(struct usb_transport *u, enum usb_state state)
{
	/* From the row's state to the column's. */
	static const bool may_follow[][USB_ORPHANED + 1] = {
		[USB_OPEN] = { [USB_HANDLE_DEAD] = true, [USB_UNPLUGGED] = true },
		[USB_HANDLE_DEAD] = { [USB_REOPENING] = true, [USB_UNPLUGGED] = true },
		[USB_REOPENING] = { [USB_OPEN] = true, [USB_HANDLE_DEAD] = true,
				    [USB_UNPLUGGED] = true },
		[USB_UNPLUGGED] = { [USB_ORPHANED] = true },
		[USB_ORPHANED] = { false },
	};
	bool told = state == USB_ORPHANED || (u->state != USB_OPEN && state != USB_UNPLUGGED);

	if (!may_follow[u->state][state])
		return;
	u->state = state;
	if (told)
		return;
	usb_publish_all(u, state == USB_UNPLUGGED ? CCID_ERR_NO_DEVICE : CCID_ERR_STALE);
	/* Callers in the gate's queue have no request in flight yet: wake them too. */
	for (unsigned i = 0; i < u->n_slots; i++)
		pump_wake(u->pump, &u->slots[i].command);
	for (unsigned i = 0; i < u->n_pipes; i++) {
		if (u->pipes[i]->lost)
			u->pipes[i]->lost(u);
	}
	usb_all_changed(u);
}

void usb_lost(struct usb_transport *u)
{
	if (u->state == USB_OPEN)
		usb_become(u, USB_HANDLE_DEAD);
}

/* No transfer is in the host's hands, no thread uses the handle. Under lock. */
static bool is_idle(const struct usb_transport *u)
{
	for (unsigned i = 0; i < u->n_pipes; i++) {
		if (u->pipes[i]->idle && !u->pipes[i]->idle(u))
			return false;
	}
	return u->inside == 0;
}

void usb_tell_reaper(struct usb_transport *u)
{
	if (u->reaping)
		pump_wake(u->pump, &u->reaper);
	if (u->state == USB_ORPHANED && is_idle(u))
		pump_do(u->pump, &u->burial);
}

enum ccid_err usb_judge_stale(struct usb_transport *u)
{
	int fd = usb_node_open(u->name.node);

	if (fd >= 0)
		usb_node_close(fd);
	if (fd >= 0 || !usb_errno_is_gone(errno))
		return CCID_ERR_STALE;
	pthread_mutex_lock(&u->lock);
	usb_become(u, USB_UNPLUGGED);
	pthread_mutex_unlock(&u->lock);
	return CCID_ERR_NO_DEVICE;
}

enum ccid_err usb_enter(struct usb_transport *u, unsigned slot)
{
	enum ccid_err err;

	pthread_mutex_lock(&u->lock);
	err = usb_refusal(u, slot);
	if (err == CCID_OK)
		u->inside++;
	pthread_mutex_unlock(&u->lock);
	return err;
}

void usb_leave(struct usb_transport *u)
{
	pthread_mutex_lock(&u->lock);
	u->inside--;
	usb_reaped(u);
	pthread_mutex_unlock(&u->lock);
}

/* Tells all waiters; the transfers themselves are reaped at close. */
void usb_set_gone(struct transport *t)
{
	struct usb_transport *u = usb_of(t);

	pthread_mutex_lock(&u->lock);
	usb_become(u, USB_UNPLUGGED);
	pthread_mutex_unlock(&u->lock);
}

void usb_set_closed(struct transport *t, uint8_t slot, bool closed)
{
	struct usb_transport *u = usb_of(t);
	struct usb_slot *s;

	if (slot >= u->n_slots)
		return;
	s = &u->slots[slot];
	pthread_mutex_lock(&u->lock);
	s->closed = closed;
	if (closed) {
		if (s->req && !s->answered)
			usb_publish(u, slot, CCID_ERR_NO_DEVICE);
		pump_wake(u->pump, &s->command);
		for (unsigned i = 0; i < u->n_pipes; i++) {
			if (u->pipes[i]->closed)
				u->pipes[i]->closed(u, slot);
		}
		s->stop = true;
		pump_wake(u->pump, &s->poller);
	} else {
		s->stop = s->changed = false;
	}
	pthread_mutex_unlock(&u->lock);
}

/* Cancels all transfers and pumps until the kernel gave them back, and no call uses the handle. */
static bool reap(struct usb_transport *u, struct deadline end)
{
	struct deadline d = deadline_earlier(deadline_in_ms(REAP_MS), end);
	bool idle;

	pthread_mutex_lock(&u->lock);
	for (unsigned i = 0; i < u->n_pipes; i++) {
		if (u->pipes[i]->cancel)
			u->pipes[i]->cancel(u);
	}
	u->reaping = true;
	for (;;) {
		idle = is_idle(u);
		if (idle || deadline_passed(&d))
			break;
		__atomic_store_n(&u->reaper.done, 0, __ATOMIC_RELEASE);
		pthread_mutex_unlock(&u->lock);
		pump_wait(u->pump, &u->reaper, &d);
		pthread_mutex_lock(&u->lock);
	}
	u->reaping = false;
	pthread_mutex_unlock(&u->lock);
	return idle;
}

/* A keyboard or a disk in the same device must not vanish, nor another reader. */
static bool is_sole_function(struct usb_transport *u)
{
	struct libusb_config_descriptor *config = NULL;
	bool sole;

	if (usb_enter(u, 0) != CCID_OK)
		return false;
	sole = libusb_get_active_config_descriptor(libusb_get_device(u->handle), &config) == 0 &&
	       config->bNumInterfaces == 1;
	if (config)
		libusb_free_config_descriptor(config);
	usb_leave(u);
	return sole;
}

bool usb_want_reset(struct transport *t)
{
	struct usb_transport *u = usb_of(t);
	uint64_t now = clock_now();
	bool due;

	if (!is_sole_function(u))
		return false;
	pthread_mutex_lock(&u->lock);
	due = u->state == USB_OPEN &&
	      (u->reset_ns == 0 || now - u->reset_ns >= RESET_EVERY_NS);
	if (due) {
		LOG(LOG_CRITICAL, &u->t.log,
		    "commands still fail after an ABORT: the reader is reset");
		u->reset_ns = now;
		u->wants_reset = true;
		usb_lost(u);
	}
	pthread_mutex_unlock(&u->lock);
	return due;
}

/* The handle works again: everything starts afresh, and every slot is to be looked at. Under
 * lock. */
static void resume(struct usb_transport *u)
{
	u->failure_logged = false;
	u->reopen_ns = 0;
	__atomic_fetch_add(&u->t.generation, 1, __ATOMIC_RELEASE);
	for (unsigned i = 0; i < u->n_pipes; i++) {
		if (u->pipes[i]->restart)
			u->pipes[i]->restart(u);
	}
	usb_all_changed(u);
	LOG(LOG_INFO, &u->t.log, "the reader was reset: opened again");
}

/* Waits for a thread that is reopening. CCID_ERR_STALE: the caller must reopen now, and the state
 * is USB_REOPENING. Takes and gives back the lock. */
static enum ccid_err begin_reopening(struct usb_transport *u, const struct deadline *d)
{
	enum ccid_err err = CCID_ERR_TIMEOUT;

	pthread_mutex_lock(&u->lock);
	while (u->state == USB_REOPENING && !deadline_passed(d)) {
		pthread_mutex_unlock(&u->lock);
		deadline_sleep_ms(d, REOPEN_LOOK_MS);
		pthread_mutex_lock(&u->lock);
	}
	if (u->state == USB_UNPLUGGED)
		err = CCID_ERR_NO_DEVICE;
	else if (u->state == USB_OPEN)
		err = CCID_OK;
	else if (u->state == USB_HANDLE_DEAD)
		err = CCID_ERR_STALE;
	if (err == CCID_ERR_STALE)
		usb_become(u, USB_REOPENING);
	pthread_mutex_unlock(&u->lock);
	return err;
}

enum ccid_err usb_reopen(struct transport *t, const struct deadline *d)
{
	struct usb_transport *u = usb_of(t);
	enum ccid_err err = begin_reopening(u, d);

	if (err != CCID_ERR_STALE)
		return err;
	if (!reap(u, *d)) {
		LOG(u->failure_logged ? LOG_PERIODIC : LOG_CRITICAL, &u->t.log,
		    "not opened again: the host does not give transfers back");
	} else {
		if (u->wants_reset && u->handle)
			libusb_reset_device(u->handle);
		usb_detach(u);
		err = usb_attach(u, d);
	}
	pthread_mutex_lock(&u->lock);
	if (u->state == USB_UNPLUGGED)
		err = CCID_ERR_NO_DEVICE;	/* pcscd reported the removal in the meantime */
	u->wants_reset = false;
	usb_become(u, err == CCID_OK ? USB_OPEN :
		      err == CCID_ERR_NO_DEVICE ? USB_UNPLUGGED : USB_HANDLE_DEAD);
	if (err == CCID_OK) {
		resume(u);
	} else {
		u->failure_logged = true;
		u->reopen_ns = clock_now() + REOPEN_AGAIN_NS;
	}
	pthread_mutex_unlock(&u->lock);
	return err;
}

/* The port does not change while the device is open: asked for once. */
enum ccid_err usb_bus_path(struct transport *t, char *out, size_t cap)
{
	struct usb_transport *u = usb_of(t);
	int len = 0;
	bool known;

	pthread_mutex_lock(&u->lock);
	if (u->state == USB_UNPLUGGED) {
		pthread_mutex_unlock(&u->lock);
		return CCID_ERR_NO_DEVICE;
	}
	known = u->ports[0] != '\0' ||
		usb_node_ports(t->bus, t->address, u->ports, sizeof u->ports) ||
		usb_find_ports(t->bus, t->address, u->ports);
	if (known)
		len = snprintf(out, cap, "%s:%u.%u", u->ports, u->identity.bConfigurationValue,
			       t->desc.bInterfaceNumber);
	else
		u->ports[0] = '\0';
	pthread_mutex_unlock(&u->lock);
	if (!known || u->identity.bConfigurationValue == 0)
		return CCID_ERR_NOT_SUPPORTED;
	return (size_t)len < cap ? CCID_OK : CCID_ERR_SHORT_BUFFER;
}

/* No other part of the driver holds anything of it any more. */
static void bury(struct pump_job *job)
{
	char *whole = (char *)job - offsetof(struct usb_transport, burial);
	struct usb_transport *u = (struct usb_transport *)(void *)whole;

	/* The thread that handed over this job may be about to release the lock. */
	pthread_mutex_lock(&u->lock);
	pthread_mutex_unlock(&u->lock);
	usb_detach(u);
	for (unsigned i = 0; i < u->n_pipes; i++) {
		if (u->pipes[i]->free)
			u->pipes[i]->free(u);
	}
	for (unsigned i = 0; i < u->n_slots; i++) {
		waiter_destroy(u->pump, &u->slots[i].command);
		waiter_destroy(u->pump, &u->slots[i].poller);
	}
	free(u->slots);
	waiter_destroy(u->pump, &u->reaper);
	if (u->gate)
		usb_gate_unref(u->gate);
	free(u->t.data_rates);
	free(u->t.manufacturer);
	free(u->t.product);
	free(u->t.serial_number);
	pthread_mutex_destroy(&u->lock);
	free(u);
}

/* The kernel still has transfers: all stays in place for them, and the last one has the handle
 * closed. False: they came back meanwhile. */
static bool orphan(struct usb_transport *u)
{
	bool idle;

	pthread_mutex_lock(&u->lock);
	idle = is_idle(u);
	if (!idle) {
		LOG(LOG_CRITICAL, &u->t.log, "transfers do not come back: the reader can be opened "
		    "again when they have");
		u->t.log = (struct log_ctx){ 0 };	/* the log context belonged to the owner */
		usb_become(u, USB_ORPHANED);
		pump_promise(u->pump);
	}
	pthread_mutex_unlock(&u->lock);
	return !idle;
}

void usb_close(struct transport *t)
{
	struct usb_transport *u = usb_of(t);

	pthread_mutex_lock(&u->lock);
	usb_become(u, USB_UNPLUGGED);
	u->burial.run = bury;
	pthread_mutex_unlock(&u->lock);
	if (u->n_slots > 0 && u->handle && !reap(u, (struct deadline){ UINT64_MAX }) && orphan(u))
		return;
	bury(&u->burial);
}

struct usb_gate *usb_gate_share(struct usb_gate *gate, struct transport *t)
{
	struct usb_transport *u = usb_of(t);

	if (!gate)
		return usb_gate_ref(u->gate);
	usb_gate_narrow(gate, u->gate->places);
	usb_gate_unref(u->gate);
	u->gate = usb_gate_ref(gate);
	return gate;
}

void usb_gate_release(struct usb_gate *gate)
{
	if (gate)
		usb_gate_unref(gate);
}
