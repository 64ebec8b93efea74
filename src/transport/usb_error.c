/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transport/usb_error.h"

#include <libusb.h>

#include <errno.h>
#include <string.h>

enum ccid_err usb_error(int code)
{
	switch (code) {
	case 0:
		return CCID_OK;
	case LIBUSB_ERROR_NO_DEVICE:
	case LIBUSB_ERROR_NOT_FOUND:
		return CCID_ERR_STALE;
	case LIBUSB_ERROR_NO_MEM:
		return CCID_ERR_NOMEM;
	case LIBUSB_ERROR_TIMEOUT:
		return CCID_ERR_TIMEOUT;
	case LIBUSB_ERROR_BUSY:
		return CCID_ERR_BUSY;
	case LIBUSB_ERROR_PIPE:
		return CCID_ERR_NOT_SUPPORTED;
	default:
		return CCID_ERR_COMM;
	}
}

/* What libusb's code means; for "other" and "input/output" the errno that its system call left
 * tells more. */
static int errno_of(int rc, int left)
{
	switch (rc) {
	case LIBUSB_ERROR_ACCESS:
		return EACCES;
	case LIBUSB_ERROR_NO_MEM:
		return ENOMEM;
	case LIBUSB_ERROR_BUSY:
		return EBUSY;
	case LIBUSB_ERROR_NO_DEVICE:
	case LIBUSB_ERROR_NOT_FOUND:
		return ENODEV;
	default:
		return left ? left : EIO;
	}
}

static const char *advice(int error)
{
	switch (error) {
	case EACCES:
		return "install the udev rules, and plug the reader in again";
	case EPERM:
		return "allow pcscd the device (USBGuard, SELinux, the container's devices)";
	case EMFILE:
	case ENFILE:
		return "raise pcscd's limit of open files (LimitNOFILE)";
	case ENOMEM:
	case ENOSPC:
		return "free memory or USB bandwidth, or use another port";
	case EBUSY:
		return "end the program that uses it";
	default:
		return "plug the reader in again, and see the kernel's log";
	}
}

bool usb_errno_is_gone(int error)
{
	return error == ENODEV || error == ENOENT || error == ENXIO;
}

enum ccid_err usb_open_failed_at(enum log_level level, const struct log_ctx *log, const char *step,
				 int rc, int left)
{
	int error = errno_of(rc, left);

	if (usb_errno_is_gone(error)) {
		LOG(LOG_INFO, log, "%s: %s: it is gone", step, strerror(error));
		return CCID_ERR_NO_DEVICE;
	}
	LOG(level, log, "%s: %s: %s", step, strerror(error), advice(error));
	return error == EACCES || error == EPERM ? CCID_ERR_BUSY : CCID_ERR_COMM;
}

enum ccid_err usb_open_failed(const struct log_ctx *log, const char *step, int rc, int left)
{
	return usb_open_failed_at(LOG_CRITICAL, log, step, rc, left);
}
