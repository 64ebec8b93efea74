/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef FUZZ_DRIVER_H
#define FUZZ_DRIVER_H

/* The whole driver, called by its ten functions, with devices behind the stand-in for libusb and on
 * virtual time. */
#include "fuzz/fuzz.h"
#include "fake/fake_libusb.h"
#include "util/deadline.h"

#include <ifdhandler.h>
#include <reader.h>

#define FUZZ_LUNS 4
#define FUZZ_ATR_ROOM MAX_ATR_SIZE

/* Resets the driver and the bus: no devices. */
void fuzz_driver_begin(void);
/* Opens Lun k (0..FUZZ_LUNS - 1): slot k % 2 of interface k / 2 of device 0. */
RESPONSECODE fuzz_driver_open(unsigned k);
DWORD fuzz_lun(unsigned k);
/* Closes all readers, checks that no object of libusb is left, and frees the devices. */
void fuzz_driver_end(void);

/* One call of the driver: function, Lun and arguments come from the input. Checks that nothing is
 * written outside the buffers or beyond the returned length, that the answer is empty after an
 * error, and that the call ends in time. */
void fuzz_driver_call(struct fuzz_in *in);
/* When `said` is set, each answer of the card must be among the bytes that the device sent since
 * unsaid(). */
struct fuzz_witness {
	const uint8_t *(*said)(size_t *n);	/* returns NULL: not all bytes were kept */
	void (*unsaid)(void);
};
void fuzz_driver_witness(const struct fuzz_witness *w);
/* Does bSeq identify the reader's answers? Not with a quirk that accepts bSeq - 1 and bSeq + 1 as
 * well. */
bool fuzz_driver_numbers_count(const struct sim_dev *d);

/* Calls IFDHPowerICC, and checks the length of the ATR. */
RESPONSECODE fuzz_power(unsigned k, DWORD action, uint8_t *atr, DWORD *len);
/* Is the reader unplugged, or reported as removed by pcscd? IFDHICCPresence would not do: after
 * that report it returns another error. */
bool fuzz_is_gone(unsigned k);
RESPONSECODE fuzz_apdu(unsigned k, const uint8_t *apdu, size_t len, struct fuzz_room *room, size_t *n);

#endif
