/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef SLOT_REGISTRY_H
#define SLOT_REGISTRY_H

#include "slot/slot.h"

/* Lun -> slot. No fixed number of readers. */

/* Opens the slot that a device name stands for: a device not yet open is opened with its
 * slot (Lun & 0xFF, when 0xFFFF holds the slot number); one already open by us yields that further
 * slot. device_name NULL: the first free supported reader. After an error nothing stays behind. */
enum ccid_err registry_open(unsigned long lun, const char *device_name);
/* Ends a slot, also while a command runs on it: that command fails with
 * CCID_ERR_NO_DEVICE first. The last slot of a reader closes the device. */
enum ccid_err registry_close(unsigned long lun);

/* Takes a slot for use: NULL when the Lun is not open. Every slot taken is given back. */
struct slot *registry_get(unsigned long lun);
void registry_put(struct slot *s);

#endif
