/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef SLOT_DEVICE_H
#define SLOT_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* USB allows 32 interfaces in a configuration. */
#define DEVICE_INTERFACES 32u

struct device_list;
struct usb_gate;

/* One physical USB device: what its interfaces, each a reader of its own, share. None of them
 * follows a pointer into another: what one has to tell is told here. Zeroed before first use; the
 * first part is device_list.h's. */
struct device {
	struct device_list *list;
	/* All to `card` are under the list's lock. link: what leads here. */
	struct device *next, **link;
	unsigned refs;
	unsigned bus, address;
	struct usb_gate *gate;		/* NULL: no gate is shared */
	uint8_t card[DEVICE_INTERFACES];	/* enum device_card; atomic */
};

/* What an interface last knew of the card in its first slot. */
enum device_card { DEVICE_NOT_OPEN, DEVICE_CARD_UNKNOWN, DEVICE_CARD_ABSENT, DEVICE_CARD_PRESENT };

/* Any thread, while the device is there; no lock is taken. d NULL (not USB, or no interface to
 * tell) is fine. */
void device_tell_card(struct device *d, unsigned interface, enum device_card card);
enum device_card device_card(const struct device *d, unsigned interface);

#endif
