/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The driver's port: threads and memory of POSIX. The clock is in clock.c, the log in
 * log_pcscd.c. */
#include "util/port.h"

#include <pthread.h>
#include <stdlib.h>

_Static_assert(sizeof(pthread_mutex_t) <= sizeof(struct port_mutex), "room for a mutex");
_Static_assert(_Alignof(pthread_mutex_t) <= _Alignof(struct port_mutex), "place for a mutex");

static pthread_mutex_t *mutex_of(struct port_mutex *m)
{
	return (pthread_mutex_t *)(void *)m->room;
}

void port_mutex_init(struct port_mutex *m)
{
	pthread_mutex_init(mutex_of(m), NULL);
}

void port_mutex_end(struct port_mutex *m)
{
	pthread_mutex_destroy(mutex_of(m));
}

void port_mutex_lock(struct port_mutex *m)
{
	pthread_mutex_lock(mutex_of(m));
}

bool port_mutex_try(struct port_mutex *m)
{
	return pthread_mutex_trylock(mutex_of(m)) == 0;
}

void port_mutex_unlock(struct port_mutex *m)
{
	pthread_mutex_unlock(mutex_of(m));
}

uintptr_t port_thread(void)
{
	return (uintptr_t)pthread_self();
}

void *port_alloc(size_t size)
{
	return calloc(1, size);
}

void port_free(void *p)
{
	free(p);
}
