/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "util/log.h"
#include "util/buf.h"
#include "util/text.h"

#include <stdarg.h>
#include <stdatomic.h>

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

bool log_enabled(enum log_level level)
{
	return (atomic_load_explicit(&log_mask, memory_order_relaxed) & (unsigned)level) != 0;
}

static void line_add_hex(struct text *l, const uint8_t *p, size_t len)
{
	static const char digits[] = "0123456789ABCDEF";

	for (size_t i = 0; i < len && l->len + 4 <= l->cap; i++) {
		l->p[l->len++] = ' ';
		l->p[l->len++] = digits[p[i] >> 4];
		l->p[l->len++] = digits[p[i] & 0x0F];
	}
	l->p[l->len] = '\0';
}

static void line_begin(struct text *l, const struct log_ctx *who)
{
	if (who)
		text_add(l, "%.120s (lun %lx): ", who->reader ? who->reader : "?", who->lun);
}

static void line_end(struct text *l, enum log_level level, bool is_private)
{
	enum port_priority priority = level == LOG_CRITICAL ? PORT_CRITICAL :
				      level == LOG_INFO ? PORT_INFO : PORT_DEBUG;

	/* Names and strings come from devices: no control characters, no other alphabets. */
	for (size_t i = 0; i < l->len; i++)
		if (l->p[i] < 0x20 || l->p[i] > 0x7E)
			l->p[i] = '?';
	port_log(priority, is_private, l->p);
	wipe(l->p, l->len);
}

/* A removed reader is silent: its errors are not worth a line. */
static bool silenced(enum log_level level, const struct log_ctx *who)
{
	return !log_enabled(level) ||
	       (level == LOG_CRITICAL && who && who->gone &&
		__atomic_load_n(who->gone, __ATOMIC_RELAXED));
}

/* The reader's budget for lines of that kind. *left_out: so many were not written before. A
 * log of each message has each line. */
static bool affordable(enum log_level level, const struct log_ctx *who, const char *kind,
		       unsigned long *left_out)
{
	*left_out = 0;
	if (!who || !who->budget || log_enabled(LOG_COMM))
		return true;
	return (level != LOG_CRITICAL && level != LOG_INFO) ||
	       log_budget_allows(who->budget, kind, left_out);
}

static void line_add_left_out(struct text *l, unsigned long left_out)
{
	if (left_out > 0)
		text_add(l, " (%lu more such lines were left out since the last one)", left_out);
}

void log_line(enum log_level level, const struct log_ctx *who, const char *fmt, ...)
{
	char room[LINE_MAX_CHARS];
	struct text l = text_of(room, sizeof room);
	unsigned long left_out;
	va_list ap;

	if (silenced(level, who) || !affordable(level, who, fmt, &left_out))
		return;
	line_begin(&l, who);
	va_start(ap, fmt);
	text_vadd(&l, fmt, ap);
	va_end(ap);
	line_add_left_out(&l, left_out);
	line_end(&l, level, false);
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
		char room[LINE_MAX_CHARS];
		struct text l = text_of(room, sizeof room);

		line_begin(&l, who);
		text_add(&l, "%.80s", what);
		if (at > 0)
			text_add(&l, " +%zu", at);
		if (n > 0)
			line_add_hex(&l, p + at, n);
		if (at + n == len)
			line_add_left_out(&l, left_out);
		line_end(&l, level, log_shows_secrets());
		at += n;
	} while (at < len);
}

#endif
