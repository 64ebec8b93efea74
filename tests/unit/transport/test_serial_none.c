/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* src/transport/serial_none.c: what the driver of USB readers says to a serial one. */
#include "transport/serial.h"

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

static void refuses_with_the_other_librarys_name(void **state)
{
	static const struct log_ctx test_log = { .reader = "test" };
	struct transport *t = (struct transport *)line;
	char name[20] = "x";

	(void)state;
	assert_int_equal(serial_open("/dev/ttyS0:GemPCTwin", &test_log, &t), CCID_ERR_NO_DEVICE);
	assert_null(t);
	assert_int_equal(n_lines, 1);
	assert_non_null(strstr(line, "\"/dev/ttyS0:GemPCTwin\" is not a USB reader"));
	assert_non_null(strstr(line, "libccidtwin.so"));
	assert_false(serial_channel_name(0x0103F8, name, sizeof name));
	assert_string_equal(name, "x");
	log_setup(0, false);
	assert_int_equal(serial_open("/dev/ttyS0", &test_log, &t), CCID_ERR_NO_DEVICE);
	assert_int_equal(n_lines, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refuses_with_the_other_librarys_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
