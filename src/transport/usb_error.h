/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef USB_ERROR_H
#define USB_ERROR_H

#include "util/err.h"
#include "util/log.h"

#include <stdbool.h>

/* What libusb's codes and errno mean, and what to do about it. */

/* Of an open handle: CCID_ERR_STALE says that it works no more. */
enum ccid_err usb_error(int libusb_code);

/* Does errno say that there is no such device (any more)? */
bool usb_errno_is_gone(int error);

/* A step of opening failed with libusb's code rc and the errno that it left (0: none): one critical
 * line with the errno and what to do, and the error; one info line and CCID_ERR_NO_DEVICE when the
 * device is gone. */
enum ccid_err usb_open_failed(const struct log_ctx *log, const char *step, int rc, int left);
/* The same, at another level than LOG_CRITICAL: what fails again was told before. */
enum ccid_err usb_open_failed_at(enum log_level level, const struct log_ctx *log, const char *step,
				 int rc, int left);

#endif
