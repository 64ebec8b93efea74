/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef UTIL_LOG_H
#define UTIL_LOG_H

#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "util/log_budget.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bits of ifdLogLevel (Info.plist, LIBCCID_ifdLogLevel). */
enum log_level {
	LOG_CRITICAL = 1,
	LOG_INFO = 2,
	LOG_COMM = 4,
	LOG_PERIODIC = 8,
};

/* Levels in force until log_setup() is called. */
#define LOG_DEFAULT_MASK ((unsigned)LOG_CRITICAL | (unsigned)LOG_INFO)

/* The reader that a line is about: every line names it and the lun. A removed
 * reader writes no critical lines: set gone, and those lines are dropped. */
struct log_ctx {
	const char *reader;	/* device name as pcscd gave it; not owned */
	unsigned long lun;
	const bool *gone;	/* may be NULL; read atomically */
	struct log_budget *budget; /* the reader's, for critical and info lines; may be NULL */
};

/* Sets the mask of levels; secrets: show bytes of PINs and keys too. Any thread. */
void log_setup(unsigned level_mask, bool secrets);
bool log_enabled(enum log_level level);
/* May bytes that carry secrets be shown? */
bool log_shows_secrets(void);

/* Writes one line of plain ASCII (other bytes become '?'), cut at about 1 KB. who may be
 * NULL for lines about no reader in particular. */
void log_line(enum log_level level, const struct log_ctx *who, const char *fmt, ...)
	PORT_PRINTF(3, 4);
/* Writes `what` and len bytes in hexadecimal, 256 bytes a line. The caller guarantees that the
 * bytes are not secret; messages to and from readers go through log_message() (log_message.h). */
void log_bytes(enum log_level level, const struct log_ctx *who, const char *what,
	       const uint8_t *p, size_t len);

/* With EMBEDDED (no log text) the condition is constant, and the texts are not even linked. */
#ifdef EMBEDDED
#define LOG_BUILT_IN 0
#else
#define LOG_BUILT_IN 1
#endif

#define LOG(level, who, ...)                                     \
	do {                                                     \
		if (LOG_BUILT_IN && log_enabled(level))          \
			log_line((level), (who), __VA_ARGS__);   \
	} while (0)

#endif
