/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TRANSPORT_SERIAL_TTY_H
#define TRANSPORT_SERIAL_TTY_H

#include "util/deadline.h"
#include "util/err.h"
#include "util/log.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* A terminal line in raw mode, 8N2, no flow control, RTS low; non-blocking. */

/* Opens path at 115200 bps. Errors, each with a line in the log that names the errno and says
 * what to do: CCID_ERR_NO_DEVICE (not there, no terminal), CCID_ERR_BUSY (another's, or not for
 * pcscd), else CCID_ERR_COMM. *fd is the caller's. */
enum ccid_err serial_tty_open(const char *path, const struct log_ctx *log, int *fd);
/* Changes the speed (9600 or 115200) and forgets bytes on their way. */
enum ccid_err serial_tty_speed(int fd, unsigned bps);
/* Forgets what was received and not yet read. */
void serial_tty_flush(int fd);
void serial_tty_close(int fd);

/* Waits until until_ns (monotonic) for bytes, or for wake_fd to become readable, and reads
 * what is there. Returns the number of bytes, 0 when there were none, -1 at the end of the
 * line (EOF, hang-up, error). */
ssize_t serial_tty_read(int fd, int wake_fd, uint8_t *buf, size_t cap, uint64_t until_ns);
/* Writes what goes out without waiting: the number of bytes, 0 when the line takes none
 * now, -1 when it is dead. */
ssize_t serial_tty_write(int fd, const uint8_t *buf, size_t len);

#endif
