/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef SLOT_COMPOSITE_H
#define SLOT_COMPOSITE_H

#include "slot/slot_state.h"
#include "transport/usb.h"

/* Composite readers have several CCID interfaces. By default each is a reader of its own;
 * built with --enable-composite-as-multislot, those of the known ones (QUIRK_COMPOSITE) are slots
 * of one reader: pcscd opens slot k of the first interface, and gets interface first + k. */

/* Turns the name and slot number that pcscd asks for into the interface and slot that are meant, in
 * place; for all but composite readers they stay as they are. CCID_ERR_NO_DEVICE: an
 * interface that is a slot of another. */
enum ccid_err composite_resolve(struct usb_name *name, unsigned *number,
				const struct config *config);

/* Slots to tell pcscd of. */
unsigned composite_slots(const struct reader *r);

#endif
