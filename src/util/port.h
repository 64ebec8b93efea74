/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef UTIL_PORT_H
#define UTIL_PORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the core (wire, proto, ccid, quirks, slot) needs from the system below it. The core calls
 * these functions and memcpy(), memmove(), memset(), memcmp(), memchr(), strlen(), and nothing else
 * (doc/porting.md). The driver for pcscd has them in port_posix.c, clock.c and log_pcscd.c; a port
 * brings its own. All may be called from any thread that uses the core, port_log() also with a lock
 * held. */

/* A lock in the core's own memory: a port keeps in it whatever it has for a lock, or a pointer to
 * it. A port with one thread compiles port_single.c: these five functions and port_thread(). */
struct port_mutex {
	uint64_t room[8];
};
void port_mutex_init(struct port_mutex *m);
void port_mutex_end(struct port_mutex *m);
void port_mutex_lock(struct port_mutex *m);
/* False when another thread has it. */
bool port_mutex_try(struct port_mutex *m);
void port_mutex_unlock(struct port_mutex *m);

/* A number that tells the calling thread from others; 0 where there is one thread only. */
uintptr_t port_thread(void);

/* Zeroed memory for size bytes (at least 1), aligned for any object; NULL when there is none. */
void *port_alloc(size_t size);
/* NULL is fine. The core has wiped what must not stay. */
void port_free(void *p);

/* Nanoseconds of a clock that never goes back. */
uint64_t clock_now(void);
/* Returns at that time of the clock, or at once when it has passed. */
void clock_sleep_until(uint64_t at_ns);

enum port_priority { PORT_DEBUG, PORT_INFO, PORT_ERROR, PORT_CRITICAL };
/* One line for the log: printable ASCII, zero-terminated, without an end of line. private: it may
 * show bytes of PINs or keys, which only happens when the user asked for them; a system whose log
 * hides texts by default shows all other lines (%{public}s). */
void port_log(enum port_priority priority, bool is_private, const char *line);

/* The core's formats are checked as printf()'s; it writes them itself (text.h). */
#if defined(__MINGW32__) && !defined(__clang__)
#define PORT_PRINTF(format_at, first_at) __attribute__((format(gnu_printf, format_at, first_at)))
#else
#define PORT_PRINTF(format_at, first_at) __attribute__((format(printf, format_at, first_at)))
#endif

#endif
