/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "util/log_message.h"

size_t log_message_shown(struct log_secrecy *s, bool sent, const uint8_t *msg, size_t len)
{
	size_t shown = log_showable(s, sent, msg, len);

	return log_shows_secrets() ? len : shown;
}

#ifdef EMBEDDED

void log_message(const struct log_ctx *who, struct log_secrecy *s, bool sent,
		 const uint8_t *msg, size_t len)
{
	(void)who;
	(void)s;
	(void)sent;
	(void)msg;
	(void)len;
}

#else

void log_message(const struct log_ctx *who, struct log_secrecy *s, bool sent,
		 const uint8_t *msg, size_t len)
{
	size_t shown;

	if (!log_enabled(LOG_COMM))
		return;
	shown = log_message_shown(s, sent, msg, len);
	log_bytes(LOG_COMM, who, sent ? "->" : "<-", msg, shown);
	if (shown < len)
		log_line(LOG_COMM, who, "%s %zu more bytes, not shown", sent ? "->" : "<-",
			 len - shown);
}

#endif
