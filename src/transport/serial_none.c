/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Stands in for the serial transport in the library that serves USB readers only. */
#include "transport/serial.h"

enum ccid_err serial_open(const char *device_name, const struct log_ctx *log,
			  struct transport **out)
{
	*out = NULL;
	LOG(LOG_CRITICAL, log, "\"%.80s\" is not a USB reader; serial readers need libccidtwin.so",
	    device_name);
	return CCID_ERR_NO_DEVICE;
}

bool serial_channel_name(unsigned long channel, char *name, size_t cap)
{
	(void)channel;
	(void)name;
	(void)cap;
	return false;
}
