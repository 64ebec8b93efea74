/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TOOLS_SYSTEM_H
#define TOOLS_SYSTEM_H

/* Files of the system that the tools look at, below a root folder that may be another than "/". */

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define SYSTEM_PATH    600
#define SYSTEM_DEVICES "/sys/bus/usb/devices"
#define SYSTEM_NODES   "/dev/bus/usb"

/* "" is the system's own. */
struct system_root {
	const char *path;
};

/* Puts a path below the root into out[SYSTEM_PATH]. False: it is too long. */
__attribute__((format(printf, 3, 4))) bool system_path(const struct system_root *root, char *out,
	      const char *fmt, ...);

/* Up to cap - 1 bytes of a file and a closing zero. The number of bytes, or -1 (errno). */
__attribute__((format(printf, 4, 5))) long system_read(const struct system_root *root, char *buf,
	      size_t cap, const char *fmt, ...);

/* A whole file as text, at most 1 MiB, to be freed; NULL when it cannot be read. */
__attribute__((format(printf, 2, 3))) char *system_text(const struct system_root *root,
	      const char *fmt, ...);

/* The first line of a file without its end, "" when there is none; returns out. */
__attribute__((format(printf, 4, 5))) char *system_line(const struct system_root *root, char *out,
	      size_t cap, const char *fmt, ...);

/* Where a link leads; "" when it is none; returns out. */
__attribute__((format(printf, 4, 5))) char *system_link(const struct system_root *root, char *out,
	      size_t cap, const char *fmt, ...);

__attribute__((format(printf, 2, 3))) bool system_exists(const struct system_root *root,
	      const char *fmt, ...);

/* Calls each() for every name in a folder but those that begin with a dot, in the order of the
 * alphabet; until it returns true. False when each() did not, or the folder cannot be read (errno;
 * else 0). */
bool system_each(const struct system_root *root, const char *folder,
		 bool (*each)(void *user, const char *name), void *user);

/* "text" as JSON has it. What is not UTF-8 becomes '?'. */
void system_json_string(FILE *out, const char *text);

#endif
