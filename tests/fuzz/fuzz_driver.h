/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef FUZZ_DRIVER_H
#define FUZZ_DRIVER_H

/* The whole driver at its ten functions, on devices behind the stand-in for libusb, on virtual time. */
#include "fuzz/fuzz.h"
#include "fake/fake_libusb.h"
#include "util/deadline.h"

#include <ifdhandler.h>
#include <reader.h>

#define FUZZ_LUNS 4
#define FUZZ_ATR_ROOM MAX_ATR_SIZE

/* Starts afresh, without devices. */
void fuzz_driver_begin(void);
/* Opens Lun k (0..FUZZ_LUNS - 1): slot k % 2 of interface k / 2 of device 0. */
RESPONSECODE fuzz_driver_open(unsigned k);
DWORD fuzz_lun(unsigned k);
/* Closes all; nothing of libusb is alive then. Frees the devices. */
void fuzz_driver_end(void);

/* One call of the driver, out of the input: which, for which Lun, and its arguments. Checked: nothing is written
 * outside the buffers nor beyond what is said to be there; the answer is empty after an error; the call
 * ends within its time. */
void fuzz_driver_call(struct fuzz_in *in);
/* Answers of the card must be among what the device said since unsaid(), when said is set. */
struct fuzz_witness {
	const uint8_t *(*said)(size_t *n);	/* NULL: it lost count */
	void (*unsaid)(void);
};
void fuzz_driver_witness(const struct fuzz_witness *w);
/* Does bSeq tell the reader's answers apart? Not where a quirk takes the number before and after, too. */
bool fuzz_driver_numbers_count(const struct sim_dev *d);

/* Power on; the ATR is not longer than it may be. */
RESPONSECODE fuzz_power(unsigned k, DWORD action, uint8_t *atr, DWORD *len);
/* Unplugged, or said to be. A look for the card would not do: it is another error when pcscd said so. */
bool fuzz_is_gone(unsigned k);
RESPONSECODE fuzz_apdu(unsigned k, const uint8_t *apdu, size_t len, struct fuzz_room *room, size_t *n);

#endif
