/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TOOLS_CHILD_H
#define TOOLS_CHILD_H

#include <stdbool.h>
#include <stddef.h>

/* Runs work() in a child process, which hands back the len bytes at data. False: it crashed, or
 * took longer than that many seconds; data may then be half changed. */
bool child_run(void (*work)(void *data, void *user), void *data, size_t len, void *user,
	       unsigned seconds);

#endif
