/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef DRIVER_FIXTURE_H
#define DRIVER_FIXTURE_H

/* The whole driver on simulated readers in one process: simulator text in, opened Luns out. The
 * fixture also plays pcscd's log: it keeps the driver's lines for fixture_log_count(). */
#include "fake/fake_libusb.h"
#include "util/deadline.h"
#include "util/err.h"

#include <ifdhandler.h>
#include <reader.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include "unit/unit_cmocka.h"

/* Cards and readers that most tests use. */
#define FIXTURE_ONE "reader one\ncard 0 = t1\n"
#define FIXTURE_TWO "reader two\nslots = 2\nbusy = 2\ncard 0 = t1\ncard 1 = t1\n"

/* More entries for IFDCCID_QUIRKS, each with ';' before it; set before the first fixture_start(). */
extern const char *fixture_quirks;
/* Starts the devices of a simulator text (numbered from 0) with an empty log. */
void fixture_start(enum fake_clock clock, const char *text);
/* Fails the test if an object of libusb is left, or if a device has a complaint that was not
 * pardoned. */
void fixture_stop(void);
/* cmocka teardown: closes what a failed test left open. Luns 0000 to 001F and 10000 to 9001F. */
int fixture_teardown(void **state);
/* Drops the devices' complaints so far: the test itself caused them. */
void fixture_pardon(void);
/* Fails the test when there are complaints. */
void fixture_expect_no_complaint(void);

/* Arms a fault of sim_fault.c; fails the test when it is unknown. */
void fixture_fault(unsigned dev, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void fixture_insert(unsigned dev, unsigned slot, const char *card);
void fixture_remove(unsigned dev, unsigned slot);
unsigned fixture_max_in_flight(unsigned dev);

/* Opens the next slot of a device's interface (bInterfaceNumber). */
RESPONSECODE fixture_open(DWORD lun, unsigned dev, unsigned interface);
RESPONSECODE fixture_power(DWORD lun);
/* Open, power on, T=0 or T=1: everything must succeed. */
void fixture_ready(DWORD lun, unsigned dev, unsigned protocol);
/* Sends len bytes (1 to 250) to the card's ECHO and compares the answer, with GET RESPONSE where
 * T=0 asks for it. The bytes depend on tag. Returns the first code that is not a success,
 * IFD_COMMUNICATION_ERROR when other bytes came. */
RESPONSECODE fixture_echo(DWORD lun, unsigned tag, size_t len);
RESPONSECODE fixture_apdu(DWORD lun, const uint8_t *apdu, size_t len, uint8_t *out, size_t cap, size_t *out_len);
#define FIXTURE_IS_FINE(call) assert_int_equal((call), IFD_SUCCESS)

/* Milliseconds on the driver's clock since fixture_start(). */
uint64_t fixture_ms(void);

/* Lines that contain a text, of those since the last clear. */
unsigned fixture_log_count(const char *text);
unsigned fixture_log_critical(void);
void fixture_log_clear(void);
void fixture_log_print(void);

#endif
