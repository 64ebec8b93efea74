/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TRANSPORT_SERIAL_LINE_H
#define TRANSPORT_SERIAL_LINE_H

#include "transport/serial_types.h"
#include "transport/transport.h"

/* The transport over an open terminal line. fd is the transport's from here on,
 * also after an error. Nothing is sent. Errors: CCID_ERR_NOMEM. */
enum ccid_err serial_line_new(int fd, const struct serial_type *type, const struct log_ctx *log,
			      struct transport **out);
/* The reader refused to tell card movements: wait_change is no longer offered. Before
 * the transport is shared with other threads only. */
void serial_line_no_changes(struct transport *t);

#endif
