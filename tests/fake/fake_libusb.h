/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef FAKE_LIBUSB_H
#define FAKE_LIBUSB_H

#include "sim/model/sim_dev.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* libusb-1.0 in one process, on simulated devices: a test links fake_libusb*.c instead of -lusb-1.0, instead of
 * src/util/clock.c and instead of src/transport/usb_node.c. All functions may be called from any thread. */

/* Time. FAKE_REAL: the machine's clock, with real waits. FAKE_VIRTUAL: time stands still until a
 * thread waits in libusb or sleeps in clock_sleep_until(), and then jumps to the next event. With
 * virtual time only one thread should wait for something at a time. */
enum fake_clock { FAKE_REAL, FAKE_VIRTUAL };

/* Resets the bus: no devices, no failures, counters at 0. Earlier devices are freed. */
void fake_usb_begin(enum fake_clock clock);
/* Frees the devices. Call fake_usb_counts() before to see what the driver still holds. */
void fake_usb_end(void);
/* Virtual time only: moves the clock forward. */
void fake_clock_advance(uint64_t ns);

/* Adds a device, which this module owns from now on, with the next free address of its bus.
 * Returns its number for the functions below. */
unsigned fake_usb_add(struct sim_dev *d);
/* The device, for sim_dev_*() calls between fake_usb_lock() and fake_usb_unlock(). */
struct sim_dev *fake_usb_dev(unsigned nr);
/* Device name as pcscd gives it, "usb:08e6/3437:libudev:0:/dev/bus/usb/001/002". interface: bInterfaceNumber. */
void fake_usb_name(unsigned nr, unsigned interface, char *name, size_t cap);

/* Keeps libusb's threads away from the devices. Unlocking wakes the waiting threads, which then see
 * the changes. */
void fake_usb_lock(void);
void fake_usb_unlock(void);

/* Unplugging ends all transfers and makes all handles dead; plugging in gives a new address. */
void fake_usb_unplug(unsigned nr);
void fake_usb_plug(unsigned nr);
/* usbreset or resume: open handles are dead, but the node stays and can be opened again. */
void fake_usb_reset(unsigned nr);

/* Another device at the same node: byte `at` of the device descriptor becomes `value`. */
void fake_usb_exchange(unsigned nr, unsigned at, uint8_t value);

/* The host holds back all transfers of a type: an enum libusb_transfer_type, or FAKE_HOLD_ALL.
 * FAKE_HOLD_NONE: transfers held back so far are completed. */
#define FAKE_HOLD_NONE (-2)
#define FAKE_HOLD_ALL (-1)
void fake_usb_hold(int type);
/* libusb_handle_events*() fail with this code, as when poll() fails; 0: they work again. */
void fake_usb_fail_events(int code);

/* Failures. nth counts from 1 from now on; 0: none. Code: an enum libusb_error. */
void fake_usb_fail_submit(unsigned nth, int code);
/* The next `times` submissions to one endpoint fail with `code` and leave errno `err`. */
void fake_usb_fail_endpoint(uint8_t endpoint, unsigned times, int code, int err);
void fake_usb_fail_alloc(unsigned nth);		/* libusb_alloc_transfer() */
void fake_usb_fail_open(unsigned times, int code);	/* libusb_open(), libusb_wrap_sys_device() */
/* err: the errno that the system call leaves */
void fake_usb_fail_open_errno(unsigned times, int code, int err);
void fake_usb_fail_node(unsigned times, int err);	/* usb_node_open(): errno */
void fake_usb_fail_init(unsigned times, int code, int err);	/* libusb_init(); err: errno */
void fake_usb_fail_claim(unsigned times, int code, int err);
void fake_usb_claim_busy(unsigned times);	/* the next `times` claims: LIBUSB_ERROR_BUSY */

/* Live objects, and calls since fake_usb_begin(). */
struct fake_counts {
	unsigned contexts, handles, transfers, submitted, nodes, device_refs, claims;
	/* total_events: callbacks run; total_handlings: calls of libusb_handle_events*() */
	unsigned total_submits, total_allocs, total_opens, total_events, total_handlings, total_contexts;
};
struct fake_counts fake_usb_counts(void);

#endif
