/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "util/log.h"
#include "util/buf.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#define LINE_MAX_CHARS 1100
#define BYTES_PER_LINE 256
#define SHOW_SECRETS 0x80000000u

/* Set once when the configuration was read, seen by every thread: an atomic, no lock. */
static atomic_uint log_mask = LOG_DEFAULT_MASK;

void log_setup(unsigned level_mask, bool secrets)
{
	atomic_store(&log_mask, (level_mask & ~SHOW_SECRETS) | (secrets ? SHOW_SECRETS : 0));
}

bool log_shows_secrets(void)
{
	return (atomic_load(&log_mask) & SHOW_SECRETS) != 0;
}

#ifdef EMBEDDED

bool log_enabled(enum log_level level)
{
	(void)level;
	return false;
}

void log_line(enum log_level level, const struct log_ctx *who, const char *fmt, ...)
{
	(void)level;
	(void)who;
	(void)fmt;
}

void log_bytes(enum log_level level, const struct log_ctx *who, const char *what,
	       const uint8_t *p, size_t len)
{
	(void)level;
	(void)who;
	(void)what;
	(void)p;
	(void)len;
}

#else /* !EMBEDDED */

/* pcscd's priorities, in the order of its <debuglog.h>. */
enum { PRIORITY_DEBUG, PRIORITY_INFO, PRIORITY_ERROR, PRIORITY_CRITICAL };

#ifdef NO_PCSCLITE_LOG
static void log_put(int priority, const char *line)
{
	static const char *const names[] = { "debug", "info", "error", "critical" };

	fprintf(stderr, "ifd-ccid %s: %s\n", names[priority], line);
}
#else
/* Comes from pcscd when it loads the driver. */
void log_msg(const int priority, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void log_put(int priority, const char *line)
{
	log_msg(priority, "%s", line);
}
#endif

bool log_enabled(enum log_level level)
{
	return (atomic_load_explicit(&log_mask, memory_order_relaxed) & (unsigned)level) != 0;
}

/* A text under construction; what does not fit is cut. */
struct line {
	size_t len;
	char text[LINE_MAX_CHARS];
};

__attribute__((format(printf, 2, 0)))
static void line_vadd(struct line *l, const char *fmt, va_list ap)
{
	size_t room = sizeof l->text - l->len;
	int n = vsnprintf(l->text + l->len, room, fmt, ap);

	if (n > 0)
		l->len += (size_t)n < room ? (size_t)n : room - 1;
}

__attribute__((format(printf, 2, 3)))
static void line_add(struct line *l, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	line_vadd(l, fmt, ap);
	va_end(ap);
}

static void line_add_hex(struct line *l, const uint8_t *p, size_t len)
{
	static const char digits[] = "0123456789ABCDEF";

	for (size_t i = 0; i < len && l->len + 4 <= sizeof l->text; i++) {
		l->text[l->len++] = ' ';
		l->text[l->len++] = digits[p[i] >> 4];
		l->text[l->len++] = digits[p[i] & 0x0F];
	}
	l->text[l->len] = '\0';
}

static void line_begin(struct line *l, const struct log_ctx *who)
{
	l->len = 0;
	l->text[0] = '\0';
	if (who)
		line_add(l, "%.120s (lun %lx): ", who->reader ? who->reader : "?", who->lun);
}

static void line_end(struct line *l, enum log_level level)
{
	int priority = level == LOG_CRITICAL ? PRIORITY_CRITICAL :
		       level == LOG_INFO ? PRIORITY_INFO : PRIORITY_DEBUG;

	/* Names and strings come from devices: no control characters, no other alphabets. */
	for (size_t i = 0; i < l->len; i++)
		if (l->text[i] < 0x20 || l->text[i] > 0x7E)
			l->text[i] = '?';
	log_put(priority, l->text);
	wipe(l->text, l->len);
}

/* That a removed reader does not answer is no news. */
static bool silenced(enum log_level level, const struct log_ctx *who)
{
	return !log_enabled(level) ||
	       (level == LOG_CRITICAL && who && who->gone &&
		__atomic_load_n(who->gone, __ATOMIC_RELAXED));
}

/* The reader's budget for lines of that kind. *left_out: so many were not written before. Whoever
 * asks for each message wants each line. */
static bool affordable(enum log_level level, const struct log_ctx *who, const char *kind,
		       unsigned long *left_out)
{
	*left_out = 0;
	if (!who || !who->budget || log_enabled(LOG_COMM))
		return true;
	return (level != LOG_CRITICAL && level != LOG_INFO) ||
	       log_budget_allows(who->budget, kind, left_out);
}

static void line_add_left_out(struct line *l, unsigned long left_out)
{
	if (left_out > 0)
		line_add(l, " (%lu more such lines were left out since the last one)", left_out);
}

void log_line(enum log_level level, const struct log_ctx *who, const char *fmt, ...)
{
	unsigned long left_out;
	struct line l;
	va_list ap;

	if (silenced(level, who) || !affordable(level, who, fmt, &left_out))
		return;
	line_begin(&l, who);
	va_start(ap, fmt);
	line_vadd(&l, fmt, ap);
	va_end(ap);
	line_add_left_out(&l, left_out);
	line_end(&l, level);
}

void log_bytes(enum log_level level, const struct log_ctx *who, const char *what,
	       const uint8_t *p, size_t len)
{
	unsigned long left_out;
	size_t at = 0;

	if (silenced(level, who) || !affordable(level, who, what, &left_out))
		return;
	do {
		size_t n = len - at < BYTES_PER_LINE ? len - at : BYTES_PER_LINE;
		struct line l;

		line_begin(&l, who);
		line_add(&l, "%.80s", what);
		if (at > 0)
			line_add(&l, " +%zu", at);
		if (n > 0)
			line_add_hex(&l, p + at, n);
		if (at + n == len)
			line_add_left_out(&l, left_out);
		line_end(&l, level);
		at += n;
	} while (at < len);
}

#endif
