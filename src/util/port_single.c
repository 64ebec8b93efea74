/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The lock and the thread of util/port.h for ports with one thread (doc/porting.md). Such a port
 * compiles this file with its own; it is not in libifdccid-core.a. */
#include "util/port.h"

void port_mutex_init(struct port_mutex *m)
{
	(void)m;
}

void port_mutex_end(struct port_mutex *m)
{
	(void)m;
}

void port_mutex_lock(struct port_mutex *m)
{
	(void)m;
}

bool port_mutex_try(struct port_mutex *m)
{
	(void)m;
	return true;
}

void port_mutex_unlock(struct port_mutex *m)
{
	(void)m;
}

uintptr_t port_thread(void)
{
	return 0;
}
