/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef FAKE_LIBUSB_PRIV_H
#define FAKE_LIBUSB_PRIV_H

#include "fake/fake_libusb.h"

#include <libusb.h>
#include <pthread.h>

#define FAKE_MAX_DEVS 1100
#define FAKE_BUS_DEVS 250	/* devices on each bus, in the order of their numbers */
#define FAKE_MAX_NODES 1024

struct libusb_context {
	unsigned refs;
	bool interrupted;		/* libusb_interrupt_event_handler() was called */
	bool handling;			/* a thread handles events */
	struct libusb_context *next;
};

/* A device from one plugging-in to the next unplugging. */
struct libusb_device {
	unsigned refs;
	unsigned nr;
	uint8_t bus, address, port;
	bool attached;
	unsigned resets;
	uint32_t claimed;		/* bit per bInterfaceNumber */
	uint8_t raw[18 + 4096];		/* descriptors at the time of plugging in */
	size_t raw_len;
};

struct libusb_device_handle {
	struct libusb_context *ctx;
	struct libusb_device *dev;
	unsigned resets;		/* the device's count at the time of opening */
	uint32_t claimed;
};

struct fake_transfer {
	struct sim_urb urb;
	bool submitted, cancelled, timed_out, completed;	/* completed: by the device, perhaps held back */
	uint64_t expires;		/* UINT64_MAX: never */
	struct sim_dev *sim;
	unsigned nr;			/* of the device */
	struct libusb_context *ctx;
	struct fake_transfer *next;	/* in `pending`, `held` or `done` */
	struct fake_transfer **link;	/* what leads here in `pending`; NULL: elsewhere */
	struct libusb_transfer t;	/* last member: ends with a flexible array */
};

struct fake_bus {
	pthread_mutex_t lock;
	pthread_cond_t wake;
	enum fake_clock clock;
	struct sim_dev *sim[FAKE_MAX_DEVS];
	struct libusb_device *dev[FAKE_MAX_DEVS];	/* NULL: unplugged */
	unsigned n_devs;
	/* Devices that may have something to do. All others are skipped: there may be very many. */
	unsigned stirring[FAKE_MAX_DEVS], n_stirring;
	bool stirs[FAKE_MAX_DEVS];
	uint64_t first_expiry;		/* of all pending; 0: to be found */
	uint8_t next_address;
	struct fake_transfer *pending, *done, **done_tail;
	struct libusb_context *contexts, *fallback;
	struct libusb_device *node[FAKE_MAX_NODES];	/* by file descriptor */
	unsigned fail_submit, fail_alloc, fail_open, fail_node, claim_busy, fail_init, fail_claim;
	int hold;			/* FAKE_HOLD_NONE, _ALL, or a type of transfers */
	struct fake_transfer *held;
	int fail_events;
	unsigned fail_endpoint;		/* times */
	uint8_t fail_endpoint_nr;
	int fail_endpoint_code, fail_endpoint_errno;
	int fail_init_code, fail_init_errno, fail_claim_code, fail_claim_errno;
	int fail_submit_code, fail_open_code, fail_node_errno, fail_open_errno;
	struct fake_counts counts;
	/* Hooks for tests/compare, where several threads share the virtual clock; NULL elsewhere.
	 * idle: called by a thread that has nothing to do before `at`. watch: called for each
	 * transfer when the transfer is submitted and when it is done. */
	void (*idle)(uint64_t at);
	void (*watch)(struct sim_urb *u, bool done);
};

/* The one bus: a stand-in for the operating system. */
extern struct fake_bus fake;

/* fake_usb_lock() and fake_usb_unlock() for libusb's own functions, which call fake_bus_stir() for
 * each device that they use. */
void fake_bus_lock(void);
void fake_bus_unlock(void);
void fake_bus_stir(unsigned nr);

struct libusb_context *fake_context(struct libusb_context *ctx);
void fake_device_unref(struct libusb_device *dev);
/* Under lock: can the handle still be used? */
bool fake_alive(const struct libusb_device_handle *h);

#endif
