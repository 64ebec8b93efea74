/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* src/transport/usb_intr.c: a slot change reaches the slot it concerns, and none is lost. */
#include "usb_bench.h"

#include <errno.h>
#include <unistd.h>

#define FIVE "reader five\nslots = 5\ncard 0 = t1\ncard 4 = t1\n"

static int setup(void **state)
{
	(void)state;
	bench_start(FAKE_VIRTUAL, FIVE);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	bench_stop();
	return 0;
}

static enum ccid_err poll_slot(unsigned slot, unsigned ms)
{
	struct deadline d = deadline_in_ms(ms);

	return bench.t->ops->wait_change(bench.t, (uint8_t)slot, &d);
}

/* Takes the notifications that the reader sends at its start. */
static void drain(void)
{
	for (unsigned i = 0; i < 5; i++)
		while (poll_slot(i, 100) == CCID_OK)
			;
}

static void cards_at_the_start(void **state)
{
	(void)state;
	assert_int_equal(poll_slot(0, 100), CCID_OK);
	assert_int_equal(poll_slot(4, 100), CCID_OK);
	assert_int_equal(poll_slot(1, 100), CCID_ERR_TIMEOUT);
	assert_int_equal(poll_slot(0, 100), CCID_ERR_TIMEOUT);
}

static void only_the_slot_that_changed(void **state)
{
	(void)state;
	drain();
	for (unsigned round = 0; round < 4; round++) {
		uint64_t began;

		if (round & 1)
			fixture_remove(0, 3);
		else
			fixture_insert(0, 3, "t0");
		began = fixture_ms();
		assert_int_equal(poll_slot(3, 5000), CCID_OK);
		assert_in_range(fixture_ms() - began, 0, 20);
		for (unsigned i = 0; i < 5; i++)
			assert_int_equal(poll_slot(i, 10), CCID_ERR_TIMEOUT);
	}
}

/* An event without a poll: seen by the next poll, once. */
static void an_event_waits_for_its_poll(void **state)
{
	(void)state;
	drain();
	fixture_insert(0, 1, "t1");
	fixture_insert(0, 2, "t1");
	assert_int_equal(status_of(bench.t, 0, 1), CCID_OK);
	fake_clock_advance(5000000000u);
	assert_int_equal(status_of(bench.t, 0, 2), CCID_OK);
	assert_int_equal(poll_slot(2, 0), CCID_OK);
	assert_int_equal(poll_slot(1, 0), CCID_OK);
	assert_int_equal(poll_slot(1, 10), CCID_ERR_TIMEOUT);
	assert_int_equal(poll_slot(2, 10), CCID_ERR_TIMEOUT);
}

static void time_out_of_a_poll(void **state)
{
	uint64_t began;

	(void)state;
	drain();
	began = fixture_ms();
	assert_int_equal(poll_slot(0, 600000), CCID_ERR_TIMEOUT);
	assert_in_range(fixture_ms() - began, 600000, 600010);
}

static void a_stop_before_the_poll(void **state)
{
	uint64_t began;

	(void)state;
	drain();
	bench.t->ops->stop_change(bench.t, 2);
	bench.t->ops->stop_change(bench.t, 2);
	began = fixture_ms();
	assert_int_equal(poll_slot(2, 5000), CCID_ERR_TIMEOUT);
	assert_int_equal(fixture_ms(), began);
	/* the one after is not disturbed */
	assert_int_equal(poll_slot(2, 500), CCID_ERR_TIMEOUT);
	assert_in_range(fixture_ms() - began, 500, 510);
}

/* A stop does not swallow an event. */
static void a_stop_and_an_event(void **state)
{
	(void)state;
	drain();
	bench.t->ops->mark_changed(bench.t, 2);
	bench.t->ops->stop_change(bench.t, 2);
	assert_int_equal(poll_slot(2, 5000), CCID_ERR_TIMEOUT);
	assert_int_equal(poll_slot(2, 5000), CCID_OK);
	assert_int_equal(poll_slot(2, 100), CCID_ERR_TIMEOUT);
}

static void strange_notifications(void **state)
{
	static const char *const faults[] = { "intr-short", "intr-unknown", "intr-long value=64", "intr-overflow",
					      "intr-stall", "hardware-error value=3" };

	(void)state;
	drain();
	for (unsigned i = 0; i < sizeof faults / sizeof faults[0]; i++) {
		fixture_fault(0, "%s", faults[i]);
		(void)poll_slot(0, 100);
		(void)poll_slot(0, 2000);
		drain();
		fixture_insert(0, 1, "t1");
		assert_int_equal(poll_slot(1, 1000), CCID_OK);
		fixture_remove(0, 1);
		assert_int_equal(poll_slot(1, 1000), CCID_OK);
	}
	assert_int_equal(fixture_log_count("hardware error: bSlot 0"), 1);
	assert_int_equal(fixture_log_count("unknown notification 0x5F"), 1);
}

/* 10 000 notifications a second: the driver takes no more than some hundred of them, and cards still count. */
static void a_flood(void **state)
{
	unsigned before;
	uint64_t began;

	(void)state;
	drain();
	fixture_fault(0, "intr-flood");
	before = fake_usb_counts().total_events;
	began = fixture_ms();
	while (fixture_ms() - began < 2000)
		(void)poll_slot(3, 500);
	assert_in_range(fake_usb_counts().total_events - before, 1, 1400);
	fixture_insert(0, 1, "t1");
	assert_int_equal(poll_slot(1, 1000), CCID_OK);
	assert_int_equal(status_of(bench.t, 1, 1), CCID_OK);
	fixture_fault(0, "clear");
	drain();
	fixture_remove(0, 1);
	assert_int_equal(poll_slot(1, 1000), CCID_OK);
}

static void a_pipe_that_only_fails(void **state)
{
	unsigned before;
	uint64_t began;

	(void)state;
	drain();
	before = fake_usb_counts().total_events;
	began = fixture_ms();
	while (fixture_ms() - began < 10000) {
		fixture_fault(0, "intr-overflow");
		(void)poll_slot(0, 1000);
	}
	assert_true(fake_usb_counts().total_events - before < 2000);
	drain();
	fixture_insert(0, 1, "t1");
	assert_int_equal(poll_slot(1, 3000), CCID_OK);
}

/* Drained, and the transfer has to be submitted again. */
static void refuse_interrupts(unsigned times, int code, int err)
{
	drain();
	fake_usb_fail_endpoint(bench.t->desc.interrupt_in, times, code, err);
	fixture_insert(0, 2, "t1");
	assert_int_equal(poll_slot(2, 1000), CCID_OK);
}

/* Row 30: the host does not take the interrupt transfer, once. */
static void row_30_refused_once(void **state)
{
	static const struct { int code, err; } rows[] = {
		{ LIBUSB_ERROR_NO_MEM, ENOMEM }, { LIBUSB_ERROR_IO, ENOSPC }, { LIBUSB_ERROR_IO, EPERM },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		uint64_t began;

		fixture_log_clear();
		refuse_interrupts(1, rows[i].code, rows[i].err);
		/* every slot is looked at immediately, as slot 2 was: notifications in the meantime
		 * are lost */
		for (unsigned k = 0; k < 5; k++)
			assert_int_equal(poll_slot(k, 0), k == 2 ? CCID_ERR_TIMEOUT : CCID_OK);
		began = fixture_ms();
		fixture_insert(0, 1, "t1");
		assert_int_equal(poll_slot(1, 600000), CCID_OK);
		assert_in_range(fixture_ms() - began, 0, 2000);
		assert_int_equal(fixture_log_critical(), 1);
		assert_int_equal(fixture_log_count(strerror(rows[i].err)), 1);
		assert_int_equal(fixture_log_count("slot changes are reported again"), 1);
		/* from here on as ever */
		drain();
		began = fixture_ms();
		fixture_remove(0, 1);
		assert_int_equal(poll_slot(1, 600000), CCID_OK);
		assert_in_range(fixture_ms() - began, 0, 20);
		fixture_remove(0, 2);
		drain();
	}
}

/* Row 30: for ever. Each poll lasts a second, and pcscd looks; the log has one line. */
static void row_30_refused_for_ever(void **state)
{
	unsigned before;

	(void)state;
	fixture_log_clear();
	refuse_interrupts(UINT32_MAX, LIBUSB_ERROR_IO, ENOSPC);
	assert_int_equal(poll_slot(1, 0), CCID_OK);
	before = fake_usb_counts().total_submits;
	for (unsigned i = 0; i < 100; i++) {
		uint64_t began = fixture_ms();

		assert_int_equal(poll_slot(1, 600000), CCID_OK);
		assert_in_range(fixture_ms() - began, 900, 1100);
	}
	assert_int_equal(fake_usb_counts().total_submits - before, 100);
	assert_int_equal(fixture_log_critical(), 1);
	fake_usb_fail_endpoint(0, 0, 0, 0);
	drain();
	fixture_insert(0, 1, "t1");
	assert_int_equal(poll_slot(1, 600000), CCID_OK);
	assert_int_equal(fixture_log_count("slot changes are reported again"), 1);
}

/* Row 30: "no device" is a dead handle: the next look for the card opens the device again. */
static void row_30_no_device(void **state)
{
	struct deadline d = deadline_in_ms(2000);

	(void)state;
	refuse_interrupts(1, LIBUSB_ERROR_NO_DEVICE, ENODEV);
	assert_int_equal(poll_slot(1, 600000), CCID_OK);
	assert_int_equal(status_of(bench.t, 1, 1), CCID_ERR_STALE);
	assert_int_equal(bench.t->ops->reopen(bench.t, &d), CCID_OK);
	drain();
	fixture_insert(0, 1, "t1");
	assert_int_equal(poll_slot(1, 600000), CCID_OK);
}

/* --- with threads --- */

struct poller {
	pthread_t thread;
	unsigned slot, ms;
	enum ccid_err err;
};

static void *poller_main(void *arg)
{
	struct poller *p = arg;

	p->err = poll_slot(p->slot, p->ms);
	return NULL;
}

static bool is_polling(unsigned slot)
{
	struct usb_transport *u = usb_of(bench.t);
	bool yes;

	pthread_mutex_lock(&u->lock);
	yes = u->slots[slot].polling;
	pthread_mutex_unlock(&u->lock);
	return yes;
}

static void poller_begin(struct poller *p, unsigned slot)
{
	*p = (struct poller){ .slot = slot, .ms = 30000 };
	assert_int_equal(pthread_create(&p->thread, NULL, poller_main, p), 0);
	for (unsigned i = 0; !is_polling(slot); i++) {
		assert_true(i < 5000);
		usleep(1000);
	}
}

/* Joins; the poll of half a minute must have ended because of the event. */
static enum ccid_err poller_end(struct poller *p, uint64_t since)
{
	pthread_join(p->thread, NULL);
	assert_in_range(fixture_ms() - since, 0, 5000);
	return p->err;
}

/* By the machine's clock: waits for the notifications at the reader's start. */
static void start_real(void)
{
	bench_start(FAKE_REAL, FIVE);
	assert_int_equal(poll_slot(0, 20000), CCID_OK);
	assert_int_equal(poll_slot(4, 20000), CCID_OK);
	drain();
}

static void running_polls(void **state)
{
	struct poller p[5];
	uint64_t since;

	(void)state;
	start_real();
	for (unsigned i = 0; i < 5; i++)
		poller_begin(&p[i], i);
	assert_int_equal(poll_slot(2, 10), CCID_ERR_BUSY);
	since = fixture_ms();
	fixture_insert(0, 1, "t1");
	assert_int_equal(poller_end(&p[1], since), CCID_OK);
	since = fixture_ms();
	bench.t->ops->stop_change(bench.t, 2);
	assert_int_equal(poller_end(&p[2], since), CCID_ERR_TIMEOUT);
	/* commands go on beside the polls */
	for (uint8_t i = 0; i < 100; i++)
		assert_int_equal(status_of(bench.t, 0, i), CCID_OK);
	since = fixture_ms();
	bench.t->ops->set_closed(bench.t, 3, true);
	assert_int_equal(poller_end(&p[3], since), CCID_ERR_NO_DEVICE);
	since = fixture_ms();
	fixture_remove(0, 4);
	assert_int_equal(poller_end(&p[4], since), CCID_OK);
	since = fixture_ms();
	bench.t->ops->set_gone(bench.t);
	usleep(100000);
	assert_true(is_polling(0));
	bench.t->ops->stop_change(bench.t, 0);
	assert_int_equal(poller_end(&p[0], since), CCID_ERR_TIMEOUT);
	bench_stop();
}

/* Unplugged: the polls wait for the stops that pcscd sends, and end with them at once; a command is refused at once. */
static void unplugged_in_a_poll(void **state)
{
	struct poller p[2];
	uint64_t since;

	(void)state;
	start_real();
	poller_begin(&p[0], 1);
	poller_begin(&p[1], 2);
	fake_usb_unplug(0);
	assert_int_equal(status_of(bench.t, 0, 1), CCID_ERR_NO_DEVICE);
	usleep(100000);
	for (unsigned i = 0; i < 2; i++) {
		assert_true(is_polling(1 + i));
		since = fixture_ms();
		bench.t->ops->stop_change(bench.t, (uint8_t)(1 + i));
		assert_int_equal(poller_end(&p[i], since), CCID_ERR_TIMEOUT);
	}
	/* so does one that begins later, and closing ends it as well */
	poller_begin(&p[0], 1);
	since = fixture_ms();
	bench.t->ops->set_closed(bench.t, 1, true);
	assert_int_equal(poller_end(&p[0], since), CCID_ERR_NO_DEVICE);
	bench_stop();
}

/* A poll that is not stopped ends by itself, whether it finds the reader gone or that is known. */
static void gone_and_not_stopped(void **state)
{
	uint64_t began;

	(void)state;
	drain();
	fake_usb_unplug(0);
	for (unsigned i = 0; i < 2; i++) {
		began = fixture_ms();
		assert_int_equal(poll_slot(i, 600000), CCID_ERR_NO_DEVICE);
		assert_in_range(fixture_ms() - began, 5000, 5010);
	}
	began = fixture_ms();
	assert_int_equal(poll_slot(1, 300), CCID_ERR_NO_DEVICE);
	assert_in_range(fixture_ms() - began, 300, 310);
	bench.t->ops->stop_change(bench.t, 1);
	assert_int_equal(poll_slot(1, 600000), CCID_ERR_TIMEOUT);
	assert_in_range(fixture_ms() - began, 300, 310);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(cards_at_the_start),
		TEST(only_the_slot_that_changed),
		TEST(an_event_waits_for_its_poll),
		TEST(time_out_of_a_poll),
		TEST(a_stop_before_the_poll),
		TEST(a_stop_and_an_event),
		TEST(strange_notifications),
		TEST(a_flood),
		TEST(a_pipe_that_only_fails),
		TEST(row_30_refused_once),
		TEST(row_30_refused_for_ever),
		TEST(row_30_no_device),
		TEST(gone_and_not_stopped),
		cmocka_unit_test_teardown(running_polls, bench_teardown),
		cmocka_unit_test_teardown(unplugged_in_a_poll, bench_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
