/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TRANSPORT_SERIAL_H
#define TRANSPORT_SERIAL_H

#include "transport/transport.h"

/* Opens a serial reader by its reader.conf name, "/dev/ttyXX[:Type]" (types:
 * serial_types.h; none means GemPCTwin). Takes at most 3 s, and no bytes of it outlive a
 * failure. One transport serves all slots of the port; on success it is the caller's,
 * to be ended by ops->close(). log is copied; what it points to stays the caller's. Errors:
 * CCID_ERR_ARG (unknown type), CCID_ERR_NO_DEVICE (no such line, or nothing there that speaks
 * the protocol), CCID_ERR_BUSY (another program has the line), CCID_ERR_NOMEM, CCID_ERR_COMM.
 * The log has one line that says why. */
enum ccid_err serial_open(const char *device_name, const struct log_ctx *log,
			  struct transport **out);

/* The device name of a channel number of old reader.conf files (0x0103F8: port 1, ...).
 * False: no such channel, or name (cap bytes) is too small. */
bool serial_channel_name(unsigned long channel, char *name, size_t cap);

#endif
