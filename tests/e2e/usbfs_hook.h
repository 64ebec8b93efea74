/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef USBFS_HOOK_H
#define USBFS_HOOK_H

/* Stands between libusb and usbfs in a program that links it: the program's own open(), ioctl(), poll() and close()
 * come before the C library's. What is not to fail goes on to the next ones: the simulator's, or the kernel's. */

#include <stdbool.h>

/* What can fail. HOOK_END_*: a transfer that was taken ends with an error (struct usbdevfs_urb, status). */
enum hook_call {
	HOOK_NONE,
	HOOK_OPEN,
	HOOK_CAPABILITIES,
	HOOK_DISCONNECT_CLAIM, HOOK_GETDRIVER, HOOK_DRIVER, HOOK_CLAIM, HOOK_RELEASE,
	HOOK_SUBMIT_CONTROL, HOOK_SUBMIT_OUT, HOOK_SUBMIT_IN, HOOK_SUBMIT_INTERRUPT,
	HOOK_REAP,
	HOOK_DISCARD,		/* the transfer goes on; hook_release() takes it back in earnest */
	HOOK_DISCARD_LATE,	/* the transfer was taken back, and an error is told all the same */
	HOOK_CLEAR_HALT, HOOK_RESET,
	HOOK_END_CONTROL, HOOK_END_OUT, HOOK_END_IN, HOOK_END_INTERRUPT,
	HOOK_CALLS
};

#define HOOK_DEVICES 256u	/* numbers of nodes on bus 1 */
#define HOOK_EVER ~0u

/* A device's next so many calls fail with this errno. */
void hook_fail(unsigned device, enum hook_call call, int err, unsigned times);
/* The device's next call takes that long before it is made. */
void hook_slow(unsigned device, enum hook_call call, unsigned ms);
/* How many have failed, or were slow, on all devices. */
unsigned hook_failed(enum hook_call call);
/* No transfer of the device comes back any more. */
void hook_hold(unsigned device);
/* Nothing fails any more, and what was kept back comes. */
void hook_release(unsigned device);
/* usbreset: all open handles of the device are dead afterwards. */
bool hook_reset(unsigned device);

#endif
