/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef FAKE_SERIAL_H
#define FAKE_SERIAL_H

#include "sim/model/sim_serial.h"

/* Serial lines in one process, beside fake_libusb.h and on its clock: a test links fake_serial.c instead of
 * src/transport/serial_tty.c. Lines live until fake_serial_end(). */

/* Adds a line with a reader of this type (as in reader.conf); cards as for sim_serial_new().
 * Returns the line's number for the functions below, or -1 with a message. */
int fake_serial_add(const char *type, const char *const *cards, unsigned n_cards, char *err, size_t err_cap);
/* Device name as in reader.conf, "/dev/ttySIM0:GemPCTwin". */
void fake_serial_name(unsigned nr, char *name, size_t cap);
/* The reader, for sim_serial.h's and sim_dev.h's calls between fake_usb_lock() and fake_usb_unlock(). */
struct sim_serial *fake_serial_reader(unsigned nr);
/* Lines that the driver has open. */
unsigned fake_serial_open_lines(void);
void fake_serial_end(void);

/* The nth write from now on, counted from 1, fails as on a dead line; 0: none.
 * fake_serial_writes(): the number of all writes so far. */
void fake_serial_fail_write(unsigned nth);
unsigned fake_serial_writes(void);

#endif
