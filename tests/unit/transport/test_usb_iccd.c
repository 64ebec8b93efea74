/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* src/transport/usb_iccd.c: USB ICCs behind the same door as bulk readers. */
#include "usb_bench.h"

#include <unistd.h>

#define VERSION_A "reader a\niccd = a\ncard 0 = t0\n"
#define VERSION_B "reader b\niccd = b\nfeatures = 0x000404F2\ncard 0 = t1\n"

static const char *const versions[] = { VERSION_A, VERSION_B };
static struct command c;

static enum ccid_err run(uint8_t type, uint8_t seq, const char *data, size_t len, unsigned ms)
{
	command_make(&c, type, 0, seq, data, len);
	return command_run(bench.t, &c, ms);
}

static uint8_t bstatus(void)
{
	return c.answer[7];
}

static void a_card_is_always_there(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		bench_start(FAKE_VIRTUAL, versions[i]);
		assert_true(bench.t->card_always_present);
		assert_int_equal(bench.t->desc.bInterfaceProtocol, i + 1);
		assert_true(bench.t->desc.dwFeatures & CCID_FEATURE_AUTO_PARAM_NEGOTIATION);
		assert_int_equal(run(PC_TO_RDR_GET_SLOT_STATUS, 1, NULL, 0, 1000), CCID_OK);
		assert_int_equal(bstatus(), 1);
		assert_int_equal(run(PC_TO_RDR_ICC_POWER_ON, 2, NULL, 0, 1000), CCID_OK);
		assert_int_equal(c.answer[0], RDR_TO_PC_DATA_BLOCK);
		assert_int_equal(c.answer[6], 2);
		assert_int_equal(c.answer[10], 0x3B);
		assert_int_equal(get_le32(c.answer + 1), c.r.answer_len - 10);
		assert_int_equal(run(PC_TO_RDR_XFR_BLOCK, 3, "\x80\x14\x00\x03\x03", 5, 1000), CCID_OK);
		assert_int_equal(c.r.answer_len, 15);
		assert_memory_equal(c.answer + 10, "\x00\x01\x02\x90\x00", 5);
		assert_int_equal(run(PC_TO_RDR_ICC_POWER_OFF, 4, NULL, 0, 1000), CCID_OK);
		assert_int_equal(bstatus(), 1);
		bench_stop();
	}
}

static void what_a_usb_icc_cannot_do(void **state)
{
	static const uint8_t types[] = { PC_TO_RDR_SECURE, PC_TO_RDR_ESCAPE, PC_TO_RDR_SET_PARAMETERS,
					 PC_TO_RDR_MECHANICAL, 0x00, 0xFF };
	struct deadline d = deadline_in_ms(100);

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		bench_start(FAKE_VIRTUAL, versions[i]);
		for (unsigned k = 0; k < sizeof types; k++) {
			assert_int_equal(run(types[k], (uint8_t)k, NULL, 0, 1000), CCID_OK);
			assert_int_equal(ccid_command_state(bstatus()), COMMAND_FAILED);
			assert_int_equal(c.answer[8], 0);
		}
		command_make(&c, PC_TO_RDR_GET_SLOT_STATUS, 1, 0, NULL, 0);
		assert_int_equal(bench.t->ops->start(bench.t, &c.r, &d), CCID_ERR_ARG);
		assert_null(bench.t->ops->abort);
		bench_stop();
	}
}

/* Row 20: whatever comes, the call ends in time, nothing is invented, and the next one works. */
static void strange_answers(void **state)
{
	static const struct {
		unsigned version;
		const char *fault;
	} rows[] = {
		{ 0, "iccd-empty" }, { 0, "iccd-short" }, { 0, "iccd-status value=0x55" },
		{ 0, "iccd-status value=0x80" },
		{ 0, "iccd-status value=0x40 count=0" }, { 0, "control-stall" },
		{ 1, "iccd-empty" }, { 1, "iccd-short value=1" }, { 1, "iccd-type" },
		{ 1, "iccd-type value=0xFF" }, { 1, "iccd-poll count=0" }, { 1, "iccd-poll value=65535 count=0" },
		{ 1, "iccd-poll value=65535" }, { 1, "control-stall" },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		enum ccid_err err;
		uint64_t began;

		bench_start(FAKE_VIRTUAL, versions[rows[i].version]);
		assert_int_equal(run(PC_TO_RDR_ICC_POWER_ON, 1, NULL, 0, 1000), CCID_OK);
		fixture_fault(0, "%s", rows[i].fault);
		began = fixture_ms();
		err = run(PC_TO_RDR_XFR_BLOCK, 2, "\x80\x14\x00\x03\x03", 5, 2000);
		if (fixture_ms() - began > 2100)
			fail_msg("%s: %u ms", rows[i].fault, (unsigned)(fixture_ms() - began));
		/* version A says by its status alone how much it has: less is an answer, what is there counts */
		if (i == 1)
			assert_int_equal(c.r.answer_len, 13);
		else if (err == CCID_OK && ccid_command_state(bstatus()) == COMMAND_OK)
			fail_msg("%s: taken for an answer", rows[i].fault);
		fixture_fault(0, "clear");
		fixture_pardon();
		assert_int_equal(run(PC_TO_RDR_ICC_POWER_ON, 3, NULL, 0, 4000), CCID_OK);
		assert_int_equal(c.answer[10], 0x3B);
		assert_int_equal(run(PC_TO_RDR_XFR_BLOCK, 4, "\x80\x14\x00\x02\x02", 5, 4000), CCID_OK);
		assert_memory_equal(c.answer + 10, "\x00\x01\x90\x00", 4);
		fixture_pardon();
		bench_stop();
	}
}

/* Unplugged at the i-th request of a whole session: the call in progress and all later ones say so. */
static void unplugged_at_each_request(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		bool ended = false;

		for (unsigned nth = 1; !ended; nth++) {
			enum ccid_err err;

			assert_true(nth < 60);
			bench_host(FAKE_VIRTUAL, versions[i]);
			fixture_fault(0, "unplug-control nth=%u", nth);
			err = bench_open_interface(0, 0, &bench.t);
			if (err == CCID_OK)
				err = run(PC_TO_RDR_ICC_POWER_ON, 1, NULL, 0, 1000);
			if (err == CCID_OK)
				err = run(PC_TO_RDR_XFR_BLOCK, 2, "\x80\x14\x00\x03\x03", 5, 1000);
			ended = err == CCID_OK;
			if (!ended && err != CCID_ERR_NO_DEVICE && err != CCID_ERR_STALE)
				fail_msg("request %u: %s", nth, err_name(err));
			if (!ended && bench.t)
				assert_int_equal(run(PC_TO_RDR_GET_SLOT_STATUS, 3, NULL, 0, 1000), CCID_ERR_NO_DEVICE);
			assert_true(fixture_ms() < 500);
			bench_stop();
		}
	}
}

static void reset_and_reopened(void **state)
{
	struct deadline d;

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		bench_start(FAKE_VIRTUAL, versions[i]);
		assert_int_equal(run(PC_TO_RDR_ICC_POWER_ON, 1, NULL, 0, 1000), CCID_OK);
		fake_usb_reset(0);
		assert_int_equal(run(PC_TO_RDR_XFR_BLOCK, 2, "\x80\x14\x00\x03\x03", 5, 1000), CCID_ERR_STALE);
		d = deadline_in_ms(2000);
		assert_int_equal(bench.t->ops->reopen(bench.t, &d), CCID_OK);
		assert_int_equal(bench.t->generation, 1);
		assert_int_equal(run(PC_TO_RDR_ICC_POWER_ON, 3, NULL, 0, 1000), CCID_OK);
		assert_int_equal(run(PC_TO_RDR_XFR_BLOCK, 4, "\x80\x14\x00\x03\x03", 5, 1000), CCID_OK);
		bench_stop();
	}
}

static void *busy_main(void *arg)
{
	enum ccid_err *err = arg;

	*err = run(PC_TO_RDR_XFR_BLOCK, 2, "\x80\x14\x00\x03\x03", 5, 20000);
	return NULL;
}

static void close_it(void) { bench.t->ops->set_closed(bench.t, 0, true); }
static void set_gone(void) { bench.t->ops->set_gone(bench.t); }
static void unplug(void) { fake_usb_unplug(0); }

/* A device that is busy for ever: a waiting call ends at once when the device is removed. */
static void a_busy_device_goes_away(void **state)
{
	static void (*const acts[])(void) = { close_it, set_gone, unplug };
	static const char *const busy[] = { "iccd-status value=0x40 count=0", "iccd-poll value=50 count=0" };

	(void)state;
	for (unsigned i = 0; i < 6; i++) {
		enum ccid_err err;
		pthread_t thread;
		uint64_t since;

		bench_start(FAKE_REAL, versions[i & 1]);
		assert_int_equal(run(PC_TO_RDR_ICC_POWER_ON, 1, NULL, 0, 20000), CCID_OK);
		fixture_fault(0, "%s", busy[i & 1]);
		assert_int_equal(pthread_create(&thread, NULL, busy_main, &err), 0);
		usleep(200000);
		since = fixture_ms();
		acts[i / 2]();
		pthread_join(thread, NULL);
		assert_int_equal(err, CCID_ERR_NO_DEVICE);
		/* unplugged: found out by the next request, which version B was told to wait for */
		assert_in_range(fixture_ms() - since, 0, 5000);
		bench_stop();
	}
}

static bool has_control(struct usb_transport *u)
{
	bool has;

	pthread_mutex_lock(&u->lock);
	has = u->controls;
	pthread_mutex_unlock(&u->lock);
	return has;
}

/* The host has a request and does not give it back: a waiting call ends at once. */
static void a_request_is_stuck(void **state)
{
	static void (*const acts[])(void) = { close_it, set_gone };

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		enum ccid_err err = CCID_OK;
		pthread_t thread;
		uint64_t since;

		bench_start(FAKE_REAL, versions[i & 1]);
		assert_int_equal(run(PC_TO_RDR_ICC_POWER_ON, 1, NULL, 0, 20000), CCID_OK);
		fake_usb_hold(LIBUSB_TRANSFER_TYPE_CONTROL);
		assert_int_equal(pthread_create(&thread, NULL, busy_main, &err), 0);
		while (!has_control(usb_of(bench.t)))
			usleep(1000);
		since = fixture_ms();
		acts[i / 2]();
		pthread_join(thread, NULL);
		assert_int_equal(err, CCID_ERR_NO_DEVICE);
		assert_in_range(fixture_ms() - since, 0, 5000);
		fake_usb_hold(FAKE_HOLD_NONE);
		bench_stop();
	}
}

/* Silent until the deadline: nothing is asked for behind what is stuck, and all is well once it is back. */
static void row_32_requests_that_do_not_come_back(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		uint64_t began;

		bench_start(FAKE_VIRTUAL, versions[i]);
		assert_int_equal(run(PC_TO_RDR_ICC_POWER_ON, 1, NULL, 0, 1000), CCID_OK);
		fake_usb_hold(LIBUSB_TRANSFER_TYPE_CONTROL);
		began = fixture_ms();
		assert_int_equal(run(PC_TO_RDR_XFR_BLOCK, 2, "\x80\x14\x00\x03\x03", 5, 1000), CCID_ERR_TIMEOUT);
		assert_in_range(fixture_ms() - began, 1000, 1300);
		assert_int_equal(run(PC_TO_RDR_GET_SLOT_STATUS, 3, NULL, 0, 1000), CCID_ERR_TIMEOUT);
		assert_in_range(fixture_ms() - began, 1000, 1300);
		fake_usb_hold(FAKE_HOLD_NONE);
		assert_int_equal(run(PC_TO_RDR_ICC_POWER_ON, 4, NULL, 0, 4000), CCID_OK);
		fixture_pardon();
		bench_stop();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(a_card_is_always_there, bench_teardown),
		cmocka_unit_test_teardown(what_a_usb_icc_cannot_do, bench_teardown),
		cmocka_unit_test_teardown(strange_answers, bench_teardown),
		cmocka_unit_test_teardown(unplugged_at_each_request, bench_teardown),
		cmocka_unit_test_teardown(reset_and_reopened, bench_teardown),
		cmocka_unit_test_teardown(a_busy_device_goes_away, bench_teardown),
		cmocka_unit_test_teardown(a_request_is_stuck, bench_teardown),
		cmocka_unit_test_teardown(row_32_requests_that_do_not_come_back, bench_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
