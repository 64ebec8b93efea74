/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef UTIL_LOG_MESSAGE_H
#define UTIL_LOG_MESSAGE_H

#include "util/log.h"
#include "util/log_secrets.h"

/* log_showable(), and all bytes where secrets are asked for (log_shows_secrets). */
size_t log_message_shown(struct log_secrecy *s, bool sent, const uint8_t *msg, size_t len);

/* One CCID message on its way out (sent) or in, at the comm level: header and length always,
 * data as far as log_message_shown() says. */
void log_message(const struct log_ctx *who, struct log_secrecy *s, bool sent,
		 const uint8_t *msg, size_t len);

#endif
