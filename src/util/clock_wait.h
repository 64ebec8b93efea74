/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef UTIL_CLOCK_WAIT_H
#define UTIL_CLOCK_WAIT_H

#include "util/port.h"

#include <pthread.h>

/* The driver links clock.c; tests may link another definition of clock_now(), clock_sleep_until()
 * and this to run on virtual time. */

/* pthread_cond_timedwait() on that clock (the condition is made with CLOCK_MONOTONIC): false when
 * at_ns passed, true when woken (perhaps for nothing). */
bool clock_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex, uint64_t at_ns);

#endif
