/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "slot/device.h"

void device_tell_card(struct device *d, unsigned interface, enum device_card card)
{
	if (d && interface < DEVICE_INTERFACES)
		__atomic_store_n(&d->card[interface], (uint8_t)card, __ATOMIC_RELEASE);
}

enum device_card device_card(const struct device *d, unsigned interface)
{
	if (!d || interface >= DEVICE_INTERFACES)
		return DEVICE_NOT_OPEN;
	return (enum device_card)__atomic_load_n(&d->card[interface], __ATOMIC_ACQUIRE);
}
