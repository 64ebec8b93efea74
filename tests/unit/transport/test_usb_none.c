/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* src/transport/usb_none.c: what the driver of serial readers says to a USB reader. */
#include "transport/usb.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include "unit/unit_cmocka.h"

#include <stdio.h>
#include <string.h>

static char line[300];
static unsigned n_lines;

void log_msg(const int priority, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void log_xxd(const int priority, const char *msg, const unsigned char *buffer, const int size);

void log_msg(const int priority, const char *fmt, ...)
{
	va_list ap;

	(void)priority;
	va_start(ap, fmt);
	vsnprintf(line, sizeof line, fmt, ap);
	va_end(ap);
	n_lines++;
}

void log_xxd(const int priority, const char *msg, const unsigned char *buffer, const int size)
{
	(void)buffer;
	log_msg(priority, "%s %d", msg, size);
}

static void refuses_with_a_reason(void **state)
{
	struct usb_name name = { .interface = -1 };
	struct usb_open_request rq = { .name = &name };
	struct usb_host *host = (struct usb_host *)&name;
	struct transport *t = (struct transport *)&name;

	(void)state;
	assert_int_equal(usb_host_new(&host), CCID_ERR_NO_DEVICE);
	assert_null(host);
	assert_int_equal(n_lines, 1);
	assert_non_null(strstr(line, "built without USB support"));
	assert_int_equal(usb_open(NULL, &rq, &t), CCID_ERR_NO_DEVICE);
	assert_null(t);
	assert_null(usb_gate_share(NULL, NULL));
	usb_gate_release(NULL);
	usb_host_free(NULL);
	assert_int_equal(n_lines, 1);
	log_setup(0, false);
	assert_int_equal(usb_host_new(&host), CCID_ERR_NO_DEVICE);
	assert_int_equal(n_lines, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refuses_with_a_reason),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
