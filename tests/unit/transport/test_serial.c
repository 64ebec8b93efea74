/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Opening a serial reader: names, types, speeds, foreign devices. */
#include "serial_peer.h"

#include <sys/resource.h>

static void every_type(void **state)
{
	struct peer *p = *state;
	const struct serial_type *type;
	struct transport *t;
	char name[160];
	size_t i;

	p->running = true;
	assert_int_equal(pthread_create(&p->thread, NULL, play, p), 0);
	for (i = 0; (type = serial_type_at(i)) != NULL; i++) {
		p->echoes = type->echoes;
		p->commands = 0;
		snprintf(name, sizeof name, "%s:%s", p->path, type->name);
		assert_int_equal(serial_open(name, &test_log, &t), CCID_OK);
		assert_int_equal(p->commands, type->notifies ? 2 : 1);
		assert_int_equal(t->ops->wait_change != NULL, type->notifies);
		assert_int_equal(t->desc.idVendor, type->desc.idVendor);
		assert_int_equal(t->n_data_rates, type->n_rates);
		assert_int_equal(t->desc.bNumDataRatesSupported, type->n_rates);
		assert_works(p, t);
		t->ops->close(t);
	}
	assert_int_equal(i, 8);
}

static void slow_start(void **state)
{
	struct peer *p = *state;
	struct transport *t;

	p->slow_start = true;
	t = open_as(p, "gemcoresimpro2");
	assert_int_equal(p->commands, 4);
	assert_works(p, t);
	t->ops->close(t);
}

static void default_type(void **state)
{
	struct peer *p = *state;
	struct transport *t;

	p->echoes = true;
	p->running = true;
	assert_int_equal(pthread_create(&p->thread, NULL, play, p), 0);
	assert_int_equal(serial_open(p->path, &test_log, &t), CCID_OK);
	assert_int_equal(t->desc.idProduct, 0x3437);
	assert_string_equal(t->manufacturer, "Gemplus");
	assert_works(p, t);
	t->ops->close(t);
}

/* A type that is empty or unknown is the default; it begins at the first colon. */
static void unknown_type(void **state)
{
	static const char *const types[] = { ":", ":GemPCQuad", ":x:GemPCPinPad", ":GEMPCTWIN" };
	struct peer *p = *state;
	struct transport *t;
	char name[160];

	p->echoes = true;
	p->running = true;
	assert_int_equal(pthread_create(&p->thread, NULL, play, p), 0);
	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
		snprintf(name, sizeof name, "%s%s", p->path, types[i]);
		assert_int_equal(serial_open(name, &test_log, &t), CCID_OK);
		assert_int_equal(t->desc.idProduct, 0x3437);
		assert_works(p, t);
		t->ops->close(t);
	}
}

static void no_notifications(void **state)
{
	struct peer *p = *state;
	struct transport *t;

	p->mode = REFUSE;
	t = open_as(p, "GemCorePOSPro");
	assert_null(t->ops->wait_change);
	assert_works(p, t);
	t->ops->close(t);
}

static void foreign_devices(void **state)
{
	static const char *const names[] = { "GemPCTwin", "GemCoreSIMPro2", "SEC1210" };
	struct peer *p = *state;
	struct transport *t = NULL;
	char name[160];

	assert_int_equal(serial_open("/dev/null", &test_log, &t), CCID_ERR_NO_DEVICE);
	assert_int_equal(serial_open("/nonexistent/tty", &test_log, &t), CCID_ERR_NO_DEVICE);
	assert_int_equal(serial_open("/dev/null:GemPCQuad", &test_log, &t), CCID_ERR_NO_DEVICE);
	assert_int_equal(serial_open("", &test_log, &t), CCID_ERR_NO_DEVICE);
	for (size_t i = 0; i < 3; i++) {
		uint64_t start = clock_now();

		snprintf(name, sizeof name, "%s:%s", p->path, names[i]);
		assert_int_equal(serial_open(name, &test_log, &t), CCID_ERR_NO_DEVICE);
		/* each is given 2.7 s */
		assert_true(ms_since(start) < 8000);
	}
	assert_null(t);
}

/* The line can be opened, and nothing more. */
static void no_descriptor_left(void **state)
{
	struct peer *p = *state;
	struct transport *t = NULL;
	struct rlimit all, few;
	int lowest = dup(0);
	enum ccid_err err;

	assert_true(lowest >= 0);
	close(lowest);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &all), 0);
	few = all;
	few.rlim_cur = (rlim_t)lowest + 1;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	err = serial_open(p->path, &test_log, &t);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &all), 0);
	assert_int_equal(err, CCID_ERR_COMM);
	assert_null(t);
	assert_int_equal(dup(0), lowest);
	close(lowest);
}

static void path_with_colons(void **state)
{
	struct peer *p = *state;
	char dir[] = "/tmp/serialXXXXXX", name[64];
	struct transport *t;

	p->echoes = true;
	p->running = true;
	assert_int_equal(pthread_create(&p->thread, NULL, play, p), 0);
	assert_non_null(mkdtemp(dir));
	snprintf(name, sizeof name, "%s/usb-0:1:1.0", dir);
	assert_int_equal(symlink(p->path, name), 0);
	assert_int_equal(serial_open(name, &test_log, &t), CCID_OK);
	t->ops->close(t);
	strcat(name, ":GemPCPinPad");
	assert_int_equal(serial_open(name, &test_log, &t), CCID_OK);
	assert_int_equal(t->desc.idProduct, 0x3478);
	t->ops->close(t);
	*strrchr(name, ':') = '\0';
	unlink(name);
	rmdir(dir);
}

static void channels(void **state)
{
	char name[32];

	(void)state;
	assert_true(serial_channel_name(0x0103F8, name, sizeof name));
	assert_string_equal(name, "/dev/pcsc/1");
	assert_true(serial_channel_name(0x0102F8, name, sizeof name));
	assert_string_equal(name, "/dev/pcsc/2");
	assert_true(serial_channel_name(0x0103E8, name, sizeof name));
	assert_string_equal(name, "/dev/pcsc/3");
	assert_true(serial_channel_name(0x0102E8, name, 12));
	assert_string_equal(name, "/dev/pcsc/4");
	assert_false(serial_channel_name(0x0102E8, name, 11));
	assert_false(serial_channel_name(1, name, sizeof name));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_type), TEST(slow_start), TEST(default_type), TEST(unknown_type), TEST(no_notifications),
		TEST(foreign_devices), TEST(no_descriptor_left), TEST(path_with_colons), TEST(channels),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
