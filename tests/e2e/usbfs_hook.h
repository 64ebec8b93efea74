/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef USBFS_HOOK_H
#define USBFS_HOOK_H

/* Stands between libusb and usbfs in a program that links it: the program's own open(), ioctl(),
 * poll() and close() replace the C library's. Calls that do not have to fail are
 * passed on to the simulator's functions, or the kernel. */

#include <stdbool.h>

/* Calls that can fail. HOOK_END_*: a submitted transfer ends with an error (struct usbdevfs_urb,
 * status). */
enum hook_call {
	HOOK_NONE,
	HOOK_OPEN,
	HOOK_CAPABILITIES,
	HOOK_DISCONNECT_CLAIM, HOOK_GETDRIVER, HOOK_DRIVER, HOOK_CLAIM, HOOK_RELEASE,
	HOOK_SUBMIT_CONTROL, HOOK_SUBMIT_OUT, HOOK_SUBMIT_IN, HOOK_SUBMIT_INTERRUPT,
	HOOK_REAP,
	HOOK_DISCARD,		/* the transfer goes on; hook_release() really cancels it */
	HOOK_DISCARD_LATE,	/* the transfer is cancelled, but the call returns an error */
	HOOK_CLEAR_HALT, HOOK_RESET,
	HOOK_END_CONTROL, HOOK_END_OUT, HOOK_END_IN, HOOK_END_INTERRUPT,
	HOOK_CALLS
};

#define HOOK_DEVICES 256u	/* numbers of nodes on bus 1 */
#define HOOK_EVER ~0u

/* The device's next calls, so many times, fail with this errno. */
void hook_fail(unsigned device, enum hook_call call, int err, unsigned times);
/* The device's next call is delayed by that time. */
void hook_slow(unsigned device, enum hook_call call, unsigned ms);
/* The number of calls that have failed or were delayed, on all devices. */
unsigned hook_failed(enum hook_call call);
/* No transfer of the device comes back any more. */
void hook_hold(unsigned device);
/* All faults end, and held transfers come back. */
void hook_release(unsigned device);
/* usbreset: all open handles of the device are dead afterwards. */
bool hook_reset(unsigned device);

#endif
