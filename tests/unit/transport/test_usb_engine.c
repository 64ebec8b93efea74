/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* src/transport/usb_request.c and usb_device.c: busy places, closing, removal, reset, reopening. */
#include "usb_bench.h"

#include <errno.h>
#include <unistd.h>

#define THREE "reader three\nslots = 3\nbusy = 2\ncard 0 = t1\ncard 1 = t1\ncard 2 = t1\n"

static struct command c[3];

static int setup(void **state)
{
	(void)state;
	bench_start(FAKE_VIRTUAL, THREE);
	return 0;
}

static int setup_real(void **state)
{
	(void)state;
	bench_start(FAKE_REAL, THREE);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	bench_stop();
	return 0;
}

static enum ccid_err start(unsigned i, uint8_t type, uint8_t seq, unsigned ms)
{
	struct deadline d = deadline_in_ms(ms);

	command_make(&c[i], type, (uint8_t)i, seq, NULL, 0);
	return bench.t->ops->start(bench.t, &c[i].r, &d);
}

static enum ccid_err wait(unsigned i, unsigned ms)
{
	struct deadline d = deadline_in_ms(ms);

	return bench.t->ops->wait(bench.t, &c[i].r, &d);
}

static void finish(unsigned i)
{
	bench.t->ops->finish(bench.t, &c[i].r);
}

static void places_bound_what_is_in_flight(void **state)
{
	const struct deadline never = { UINT64_MAX };
	uint64_t began;

	(void)state;
	assert_int_equal(start(0, PC_TO_RDR_ICC_POWER_ON, 1, 1000), CCID_OK);
	assert_int_equal(start(1, PC_TO_RDR_ICC_POWER_ON, 2, 1000), CCID_OK);
	began = fixture_ms();
	assert_int_equal(start(2, PC_TO_RDR_ICC_POWER_ON, 4, 300), CCID_ERR_TIMEOUT);
	assert_true(fixture_ms() - began >= 300);
	/* the firmware never saw another command beside them either */
	assert_int_equal(start(2, PC_TO_RDR_GET_SLOT_STATUS, 5, 0), CCID_ERR_TIMEOUT);
	command_make(&c[2], PC_TO_RDR_GET_SLOT_STATUS, 2, 6, NULL, 0);
	c[2].r.no_queue = true;
	assert_int_equal(bench.t->ops->start(bench.t, &c[2].r, &never), CCID_ERR_BUSY);
	assert_int_equal(wait(0, 1000), CCID_OK);
	finish(0);
	assert_int_equal(start(2, PC_TO_RDR_ICC_POWER_ON, 3, 300), CCID_OK);
	assert_int_equal(wait(1, 1000), CCID_OK);
	assert_int_equal(wait(2, 1000), CCID_OK);
	finish(1);
	finish(2);
	assert_int_equal(fixture_max_in_flight(0), 2);
	assert_int_equal(usb_of(bench.t)->gate->used, 0);
}

static void answers_find_their_slots(void **state)
{
	(void)state;
	assert_int_equal(start(0, PC_TO_RDR_GET_SLOT_STATUS, 7, 1000), CCID_OK);
	assert_int_equal(start(1, PC_TO_RDR_GET_SLOT_STATUS, 7, 1000), CCID_OK);
	for (unsigned i = 2; i-- > 0;) {
		assert_int_equal(wait(i, 1000), CCID_OK);
		assert_int_equal(c[i].answer[5], i);
		finish(i);
	}
}

static void slots_that_do_not_exist(void **state)
{
	struct deadline d = deadline_in_ms(100);

	(void)state;
	command_make(&c[0], PC_TO_RDR_GET_SLOT_STATUS, 3, 0, NULL, 0);
	assert_int_equal(bench.t->ops->start(bench.t, &c[0].r, &d), CCID_ERR_ARG);
	assert_int_equal(bench.t->ops->wait_change(bench.t, 3, &d), CCID_ERR_ARG);
	bench.t->ops->stop_change(bench.t, 3);
	bench.t->ops->mark_changed(bench.t, 255);
	bench.t->ops->set_closed(bench.t, 3, true);
}

static void abort_on_the_control_pipe(void **state)
{
	struct deadline d = deadline_in_ms(1000), past = { 0 };
	struct ccid_msg m = { .bMessageType = PC_TO_RDR_ABORT, .bSlot = 1, .bSeq = 9 };

	(void)state;
	assert_int_equal(bench.t->ops->abort(bench.t, 1, 9, &d), CCID_OK);
	command_make(&c[1], PC_TO_RDR_GET_SLOT_STATUS, 1, 9, NULL, 0);
	ccid_msg_encode(&m, c[1].msg);
	assert_int_equal(command_run(bench.t, &c[1], 1000), CCID_OK);
	assert_int_equal(bench.t->ops->abort(bench.t, 1, 10, &past), CCID_ERR_TIMEOUT);
	fixture_fault(0, "control-stall");
	assert_int_equal(bench.t->ops->abort(bench.t, 1, 10, &d), CCID_ERR_NOT_SUPPORTED);
}

static void a_closed_slot_refuses_and_opens_again(void **state)
{
	(void)state;
	bench.t->ops->set_closed(bench.t, 1, true);
	assert_int_equal(status_of(bench.t, 1, 1), CCID_ERR_NO_DEVICE);
	assert_int_equal(status_of(bench.t, 0, 1), CCID_OK);
	bench.t->ops->set_closed(bench.t, 1, false);
	assert_int_equal(status_of(bench.t, 1, 2), CCID_OK);
}

/* A thread that sends a command that is never answered. */
struct victim {
	pthread_t thread;
	unsigned slot;
	uint8_t type;
	enum ccid_err err;
};

static void *victim_main(void *arg)
{
	struct victim *v = arg;
	struct deadline d = deadline_in_ms(20000);

	command_make(&c[v->slot], v->type, (uint8_t)v->slot, 50, NULL, 0);
	v->err = bench.t->ops->start(bench.t, &c[v->slot].r, &d);
	if (v->err != CCID_OK)
		return NULL;
	v->err = bench.t->ops->wait(bench.t, &c[v->slot].r, &d);
	bench.t->ops->finish(bench.t, &c[v->slot].r);
	return NULL;
}

/* Commands that have a place or queue for one. */
static unsigned in_the_gate(void)
{
	struct usb_gate *gate = usb_of(bench.t)->gate;
	unsigned n;

	pthread_mutex_lock(&gate->lock);
	n = gate->used;
	for (struct gate_ticket *t = gate->first; t; t = t->next)
		n++;
	pthread_mutex_unlock(&gate->lock);
	return n;
}

static void victim_begin(struct victim *v, unsigned slot, uint8_t type)
{
	unsigned before = in_the_gate();

	*v = (struct victim){ .slot = slot, .type = type };
	assert_int_equal(pthread_create(&v->thread, NULL, victim_main, v), 0);
	for (unsigned i = 0; in_the_gate() == before; i++) {
		assert_true(i < 5000);
		usleep(1000);
	}
	/* from its place to its wait */
	usleep(30000);
}

/* Joins; the call of 20 s must have come back because of the event. */
static enum ccid_err victim_end(struct victim *v, uint64_t since)
{
	pthread_join(v->thread, NULL);
	assert_in_range(fixture_ms() - since, 0, 5000);
	return v->err;
}

static void close_one(unsigned slot) { bench.t->ops->set_closed(bench.t, (uint8_t)slot, true); }
static void set_gone(unsigned slot) { (void)slot; bench.t->ops->set_gone(bench.t); }
static void unplug(unsigned slot) { (void)slot; fake_usb_unplug(0); }
static void reset(unsigned slot) { (void)slot; fake_usb_reset(0); }

static const struct {
	const char *name;
	void (*act)(unsigned slot);
	enum ccid_err want;
	bool all;		/* the other slots end too */
} events[] = {
	{ "close", close_one, CCID_ERR_NO_DEVICE, false },
	{ "gone", set_gone, CCID_ERR_NO_DEVICE, true },
	{ "unplug", unplug, CCID_ERR_NO_DEVICE, true },
	{ "reset", reset, CCID_ERR_STALE, true },
};

/* Two in flight, one in the queue for a place: each learns at once what happened to it. */
static void an_unplug_ends_each_wait_at_once(void **state)
{
	(void)state;
	for (unsigned i = 0; i < sizeof events / sizeof events[0]; i++) {
		struct victim v[3];
		uint64_t since;

		setup_real(NULL);
		fixture_fault(0, "silent count=0");
		for (unsigned k = 0; k < 3; k++)
			victim_begin(&v[k], k, PC_TO_RDR_ICC_POWER_ON);
		since = fixture_ms();
		events[i].act(2);
		assert_int_equal(victim_end(&v[2], since), events[i].want);
		since = fixture_ms();
		events[i].act(0);
		assert_int_equal(victim_end(&v[0], since), events[i].want);
		if (!events[i].all)
			events[i].act(1);
		assert_int_equal(victim_end(&v[1], since), events[i].want);
		assert_int_equal(usb_of(bench.t)->gate->used, 0);
		fixture_pardon();
		teardown(NULL);
	}
}

static void gone_is_for_good(void **state)
{
	struct deadline d = deadline_in_ms(1000);

	(void)state;
	bench.t->ops->set_gone(bench.t);
	assert_int_equal(status_of(bench.t, 0, 1), CCID_ERR_NO_DEVICE);
	assert_int_equal(bench.t->ops->abort(bench.t, 0, 1, &d), CCID_ERR_NO_DEVICE);
	assert_int_equal(bench.t->ops->wait_change(bench.t, 0, &d), CCID_ERR_NO_DEVICE);
	assert_int_equal(bench.t->ops->reopen(bench.t, &d), CCID_ERR_NO_DEVICE);
}

static void reset_and_reopened(void **state)
{
	struct deadline d = deadline_in_ms(2000);
	unsigned generation = bench.t->generation;

	(void)state;
	for (unsigned i = 1; i <= 5; i++) {
		fake_usb_reset(0);
		assert_int_equal(status_of(bench.t, 0, (uint8_t)(4 * i)), CCID_ERR_STALE);
		assert_int_equal(status_of(bench.t, 1, (uint8_t)(4 * i)), CCID_ERR_STALE);
		d = deadline_in_ms(2000);
		assert_int_equal(bench.t->ops->reopen(bench.t, &d), CCID_OK);
		assert_int_equal(bench.t->generation, generation + i);
		/* a thread that noticed it later has nothing to do */
		assert_int_equal(bench.t->ops->reopen(bench.t, &d), CCID_OK);
		assert_int_equal(bench.t->generation, generation + i);
		assert_int_equal(status_of(bench.t, 0, (uint8_t)(4 * i + 1)), CCID_OK);
		assert_int_equal(status_of(bench.t, 2, (uint8_t)(4 * i + 1)), CCID_OK);
		/* cards may have been changed meanwhile: every poll ends */
		for (uint8_t k = 0; k < 3; k++)
			assert_int_equal(bench.t->ops->wait_change(bench.t, k, &d), CCID_OK);
	}
	assert_int_equal(fixture_log_count("opened again"), 5);
	assert_int_equal(fake_usb_counts().handles, 1);
}

static void reopening_fails(void **state)
{
	struct deadline d = deadline_in_ms(2000);

	(void)state;
	fake_usb_reset(0);
	assert_int_equal(status_of(bench.t, 0, 1), CCID_ERR_STALE);
	fake_usb_fail_open(1000, LIBUSB_ERROR_NO_DEVICE);
	assert_int_not_equal(bench.t->ops->reopen(bench.t, &d), CCID_OK);
	fake_usb_fail_open(0, 0);
	assert_int_equal(status_of(bench.t, 0, 2), CCID_ERR_NO_DEVICE);
	assert_int_equal(fake_usb_counts().handles, 0);
	assert_int_equal(fake_usb_counts().nodes, 0);
}

/* Another program was quicker. The reader is not gone: it works again when that program has let go. */
static void reopening_waits_for_others(void **state)
{
	struct deadline d = deadline_in_ms(2000), later;

	(void)state;
	fake_usb_reset(0);
	assert_int_equal(status_of(bench.t, 0, 1), CCID_ERR_STALE);
	fake_usb_claim_busy(1000);
	assert_int_equal(bench.t->ops->reopen(bench.t, &d), CCID_ERR_BUSY);
	assert_int_equal(fake_usb_counts().handles, 0);
	assert_int_equal(fake_usb_counts().nodes, 0);
	assert_int_equal(status_of(bench.t, 0, 2), CCID_ERR_STALE);
	/* no event would tell of a change: the poll ends, and pcscd looks */
	later = deadline_in_ms(60000);
	assert_int_equal(bench.t->ops->wait_change(bench.t, 0, &later), CCID_OK);
	assert_int_equal(bench.t->ops->wait_change(bench.t, 0, &later), CCID_OK);
	assert_int_equal(bench.t->ops->reopen(bench.t, &d), CCID_ERR_BUSY);
	fake_usb_claim_busy(0);
	later = deadline_in_ms(2000);
	assert_int_equal(bench.t->ops->reopen(bench.t, &later), CCID_OK);
	assert_int_equal(status_of(bench.t, 0, 3), CCID_OK);
}

/* Row 31: any errno at reopening. Unless it says that there is no such device, the next call tries again; in the log it
 * is one line. */
static void row_31_any_errno_at_reopening(void **state)
{
	static const int passing[] = { EMFILE, ENFILE, EACCES, EPERM, ENOMEM, EBUSY, EIO, EINTR, ENOSPC, EINVAL };
	static const int gone[] = { ENODEV, ENOENT, ENXIO };
	uint8_t seq = 1;

	(void)state;
	for (unsigned i = 0; i < sizeof passing / sizeof passing[0]; i++) {
		struct deadline d = deadline_in_ms(2000), poll = deadline_in_ms(600000);

		fixture_log_clear();
		fake_usb_reset(0);
		fake_usb_fail_node(UINT32_MAX, passing[i]);
		assert_int_equal(status_of(bench.t, 0, seq++), CCID_ERR_STALE);
		for (unsigned k = 0; k < 5; k++) {
			assert_int_not_equal(bench.t->ops->reopen(bench.t, &d), CCID_ERR_NO_DEVICE);
			assert_int_equal(status_of(bench.t, 0, seq++), CCID_ERR_STALE);
		}
		assert_int_equal(fixture_log_critical(), 1);
		assert_int_equal(fixture_log_count(strerror(passing[i])), 1);
		/* polls end, but do not follow one on the other */
		for (unsigned k = 0; k < 3; k++) {
			uint64_t began = fixture_ms();

			assert_int_equal(bench.t->ops->wait_change(bench.t, 0, &poll), CCID_OK);
			assert_int_not_equal(bench.t->ops->reopen(bench.t, &poll), CCID_OK);
			assert_int_equal(bench.t->ops->wait_change(bench.t, 0, &poll), CCID_OK);
			assert_in_range(fixture_ms() - began, 900, 2100);
		}
		fake_usb_fail_node(0, 0);
		d = deadline_in_ms(2000);
		assert_int_equal(bench.t->ops->reopen(bench.t, &d), CCID_OK);
		assert_int_equal(status_of(bench.t, 0, seq++), CCID_OK);
	}
	for (unsigned i = 0; i < sizeof gone / sizeof gone[0]; i++) {
		teardown(NULL);
		setup(NULL);
		fake_usb_reset(0);
		fake_usb_fail_node(1, gone[i]);
		assert_int_equal(status_of(bench.t, 0, 1), CCID_ERR_NO_DEVICE);
	}
}

/* The same for libusb's and the claim's errors, and within the caller's deadline. */
static void row_31_the_deadline_of_reopening(void **state)
{
	uint64_t began;
	struct deadline d;

	(void)state;
	fake_usb_reset(0);
	assert_int_equal(status_of(bench.t, 0, 1), CCID_ERR_STALE);
	fake_usb_fail_open_errno(1, LIBUSB_ERROR_OTHER, EMFILE);
	d = deadline_in_ms(2000);
	assert_int_equal(bench.t->ops->reopen(bench.t, &d), CCID_ERR_COMM);
	fake_usb_fail_claim(1, LIBUSB_ERROR_OTHER, EPERM);
	assert_int_equal(bench.t->ops->reopen(bench.t, &d), CCID_ERR_COMM);
	fake_usb_claim_busy(1000);
	began = fixture_ms();
	d = deadline_in_ms(300);
	assert_int_equal(bench.t->ops->reopen(bench.t, &d), CCID_ERR_BUSY);
	assert_in_range(fixture_ms() - began, 300, 310);
	fake_usb_claim_busy(0);
	d = deadline_in_ms(300);
	assert_int_equal(bench.t->ops->reopen(bench.t, &d), CCID_OK);
	assert_int_equal(status_of(bench.t, 0, 2), CCID_OK);
}

/* Another device has taken the number: bcdDevice, bDeviceClass, idProduct. */
static void row_31_another_device_at_the_node(void **state)
{
	static const unsigned at[] = { 12, 4, 10 };

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		struct deadline d = deadline_in_ms(2000);

		fake_usb_reset(0);
		assert_int_equal(status_of(bench.t, 0, 1), CCID_ERR_STALE);
		fake_usb_exchange(0, at[i], 0x77);
		assert_int_equal(bench.t->ops->reopen(bench.t, &d), CCID_ERR_NO_DEVICE);
		assert_int_equal(status_of(bench.t, 0, 2), CCID_ERR_NO_DEVICE);
		assert_int_equal(fixture_log_count("another device is there now"), 1);
		assert_int_equal(fake_usb_counts().handles, 0);
		teardown(NULL);
		setup(NULL);
	}
}

/* pcscd says that the reader is gone while a thread opens it again: that is for good. */
static void *reopen_main(void *arg)
{
	struct deadline d = deadline_in_ms(1000);

	(void)arg;
	return bench.t->ops->reopen(bench.t, &d) == CCID_ERR_NO_DEVICE ? bench.t : NULL;
}

static void unplugged_during_reopening(void **state)
{
	pthread_t thread;
	void *result;

	(void)state;
	setup_real(NULL);
	fake_usb_reset(0);
	assert_int_equal(status_of(bench.t, 0, 1), CCID_ERR_STALE);
	fake_usb_claim_busy(UINT32_MAX);
	assert_int_equal(pthread_create(&thread, NULL, reopen_main, NULL), 0);
	while (fake_usb_counts().total_opens < 2)
		usleep(1000);
	bench.t->ops->set_gone(bench.t);
	pthread_join(thread, &result);
	assert_non_null(result);
	fake_usb_claim_busy(0);
	assert_int_equal(status_of(bench.t, 0, 2), CCID_ERR_NO_DEVICE);
	teardown(NULL);
}

/* Closing does not wait for answers. */
static void closing_is_immediate(void **state)
{
	uint64_t began;

	(void)state;
	fixture_fault(0, "silent count=0");
	assert_int_equal(start(0, PC_TO_RDR_ICC_POWER_ON, 1, 1000), CCID_OK);
	assert_int_equal(wait(0, 100), CCID_ERR_TIMEOUT);
	finish(0);
	began = fixture_ms();
	bench.t->ops->close(bench.t);
	bench.t = NULL;
	assert_in_range(fixture_ms() - began, 0, 10);
}

/* Row 32: the host does not give cancelled transfers back. Closing is bounded, what comes later touches nothing that
 * was freed, and the reader can be opened again once all of it is back: the last of it closes the handle. */
static void row_32_closed_with_transfers_that_do_not_come_back(void **state)
{
	static const int types[] = { FAKE_HOLD_ALL, LIBUSB_TRANSFER_TYPE_BULK, LIBUSB_TRANSFER_TYPE_INTERRUPT };
	struct fake_counts counts;

	(void)state;
	for (unsigned i = 0; i < sizeof types / sizeof types[0]; i++) {
		uint64_t began;

		assert_int_equal(start(0, PC_TO_RDR_GET_SLOT_STATUS, 1, 1000), CCID_OK);
		fake_usb_hold(types[i]);
		(void)wait(0, 100);
		finish(0);
		began = fixture_ms();
		bench.t->ops->close(bench.t);
		bench.t = NULL;
		assert_in_range(fixture_ms() - began, 0, 500);
		counts = fake_usb_counts();
		assert_int_equal(counts.handles, 1);
		assert_int_equal(bench_open_interface(0, 0, &bench.t), CCID_ERR_BUSY);
		assert_false(usb_host_free(bench.host));
		fake_usb_hold(FAKE_HOLD_NONE);
		assert_int_equal(bench_open_interface(0, 0, &bench.t), CCID_OK);
		counts = fake_usb_counts();
		assert_int_equal(counts.handles, 1);
		assert_int_equal(counts.claims, 1);
		assert_int_equal(status_of(bench.t, 0, 1), CCID_OK);
	}
}

/* The same when the device is unplugged and not opened again: the host is not freed before. */
static void row_32_unplugged_with_transfers_that_do_not_come_back(void **state)
{
	(void)state;
	fake_usb_hold(FAKE_HOLD_ALL);
	fake_usb_unplug(0);
	bench.t->ops->close(bench.t);
	bench.t = NULL;
	assert_false(usb_host_free(bench.host));
	fake_usb_hold(FAKE_HOLD_NONE);
}

/* At opening, and at opening again. */
static void row_32_opened_with_transfers_that_do_not_come_back(void **state)
{
	struct deadline d = deadline_in_ms(2000);
	uint64_t began = fixture_ms();

	(void)state;
	fake_usb_hold(FAKE_HOLD_ALL);
	fake_usb_reset(0);
	assert_int_equal(status_of(bench.t, 0, 1), CCID_ERR_STALE);
	assert_int_equal(bench.t->ops->reopen(bench.t, &d), CCID_ERR_STALE);
	assert_int_equal(bench.t->ops->reopen(bench.t, &d), CCID_ERR_STALE);
	assert_in_range(fixture_ms() - began, 0, 600);
	assert_int_equal(fixture_log_count("does not give transfers back"), 1);
	fake_usb_hold(FAKE_HOLD_NONE);
	assert_int_equal(bench.t->ops->reopen(bench.t, &d), CCID_OK);
	assert_int_equal(status_of(bench.t, 0, 2), CCID_OK);
	/* strings and rates: what the control pipe does not give is not waited for again and again */
	bench.t->ops->close(bench.t);
	bench.t = NULL;
	fake_usb_hold(LIBUSB_TRANSFER_TYPE_CONTROL);
	began = fixture_ms();
	assert_int_equal(bench_open_interface(0, 0, &bench.t), CCID_OK);
	assert_in_range(fixture_ms() - began, 0, 1300);
	assert_null(bench.t->manufacturer);
	assert_int_equal(status_of(bench.t, 0, 3), CCID_OK);
	bench.t->ops->close(bench.t);
	bench.t = NULL;
	fake_usb_hold(FAKE_HOLD_NONE);
}

static void interfaces_that_take_turns(void **state)
{
	struct transport *second;
	struct usb_gate *gate;

	(void)state;
	bench_start(FAKE_VIRTUAL, "reader two\ncard 0 = t1\ninterface = 1\ncard 0 = t1\n");
	assert_int_equal(bench_open_interface(0, 1, &second), CCID_OK);
	gate = usb_gate_share(usb_gate_share(NULL, bench.t), second);
	assert_int_equal(start(0, PC_TO_RDR_ICC_POWER_ON, 1, 1000), CCID_OK);
	command_make(&c[1], PC_TO_RDR_ICC_POWER_ON, 0, 1, NULL, 0);
	assert_int_equal(command_run(second, &c[1], 200), CCID_ERR_TIMEOUT);
	assert_int_equal(wait(0, 1000), CCID_OK);
	finish(0);
	assert_int_equal(command_run(second, &c[1], 1000), CCID_OK);
	/* the gate outlives the one that brought it */
	bench.t->ops->close(bench.t);
	usb_gate_release(gate);
	bench.t = second;
	command_make(&c[1], PC_TO_RDR_ICC_POWER_ON, 0, 2, NULL, 0);
	assert_int_equal(command_run(second, &c[1], 1000), CCID_OK);
	bench_stop();
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(places_bound_what_is_in_flight),
		TEST(answers_find_their_slots),
		TEST(slots_that_do_not_exist),
		TEST(abort_on_the_control_pipe),
		TEST(a_closed_slot_refuses_and_opens_again),
		cmocka_unit_test(an_unplug_ends_each_wait_at_once),
		TEST(gone_is_for_good),
		TEST(reset_and_reopened),
		TEST(reopening_fails),
		TEST(reopening_waits_for_others),
		TEST(row_31_any_errno_at_reopening),
		TEST(row_31_the_deadline_of_reopening),
		TEST(row_31_another_device_at_the_node),
		cmocka_unit_test_teardown(unplugged_during_reopening, bench_teardown),
		TEST(closing_is_immediate),
		TEST(row_32_closed_with_transfers_that_do_not_come_back),
		TEST(row_32_unplugged_with_transfers_that_do_not_come_back),
		TEST(row_32_opened_with_transfers_that_do_not_come_back),
		cmocka_unit_test(interfaces_that_take_turns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
