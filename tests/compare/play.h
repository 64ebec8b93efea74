/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef COMPARE_PLAY_H
#define COMPARE_PLAY_H

#include <stdint.h>

/* Time of the player: the driver gets the virtual clock of tests/fake/fake_libusb.h from the C
 * library as well (clock_gettime, usleep, pthread_cond_timedwait, ...), and only one thread of the
 * driver runs at a time, so that each run is the same. */

/* The result of a step that does not end within two hours of the virtual clock, or within 20 000
 * messages. */
#define PLAY_NO_END (-2)

/* From now on the C library's clock is the virtual one. */
void play_time_begin(void);
/* Runs each other thread of the driver for a turn. */
void play_turns(void);
/* Ends the conversation: the driver waits or asks for ever. */
void play_no_end(void) __attribute__((noreturn));
/* The calling thread has nothing to do before `at` (nanoseconds of the virtual clock). */
void play_idle(uint64_t at);

#endif
