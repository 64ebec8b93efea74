/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef COMPARE_PLAY_H
#define COMPARE_PLAY_H

#include <stdint.h>

/* Time of the player: the virtual clock of tests/fake/fake_libusb.h also is what the driver gets from the C library
 * (clock_gettime, usleep, pthread_cond_timedwait, ...), and its threads take turns, so that each run is the same. */

/* The result of a step that does not end: within two hours of the virtual clock, or 20 000
 * messages. */
#define PLAY_NO_END (-2)

/* From now on the C library's clock is the virtual one. */
void play_time_begin(void);
/* Each other thread of the driver has its turn. */
void play_turns(void);
/* Ends the conversation: the driver waits or asks for ever. */
void play_no_end(void) __attribute__((noreturn));
/* The calling thread has nothing to do before `at` (nanoseconds of the virtual clock). */
void play_idle(uint64_t at);

#endif
