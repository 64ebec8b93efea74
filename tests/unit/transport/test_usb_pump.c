/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* src/transport/usb_pump.c: the leader, parked threads, and the next leader. Real clock,
 * threads. */
#include "usb_bench.h"

#include <unistd.h>

static struct pump pump;

/* One thread that waits. */
struct sleeper {
	pthread_t thread;
	struct waiter w;
	unsigned wait_ms;
	bool parks;			/* pump_park() in place of pump_wait() */
	enum ccid_err err;
	uint64_t took_ms;
	int back;			/* atomic */
};

static int setup(void **state)
{
	(void)state;
	fixture_start(FAKE_REAL, "reader one\n");
	assert_int_equal(pump_init(&pump), CCID_OK);
	pump.leader = NULL;
	pump.deputy = NULL;
	pump.yield = false;
	pump.last_command_ns = 0;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	assert_null(pump.leader);
	assert_null(pump.deputy);
	assert_null(pump.parked[0]);
	assert_null(pump.parked[1]);
	pump_destroy(&pump);
	fixture_stop();
	return 0;
}

static void *sleeper_main(void *arg)
{
	struct sleeper *s = arg;
	struct deadline d = deadline_in_ms(s->wait_ms);
	uint64_t began = fixture_ms();

	s->err = s->parks ? pump_park(&s->w, &d) : pump_wait(&pump, &s->w, &d);
	s->took_ms = fixture_ms() - began;
	__atomic_store_n(&s->back, 1, __ATOMIC_RELEASE);
	return NULL;
}

static void begin(struct sleeper *s, enum wait_kind kind, unsigned wait_ms)
{
	memset(s, 0, sizeof *s);
	s->wait_ms = wait_ms;
	waiter_init(&s->w, kind);
	assert_int_equal(pthread_create(&s->thread, NULL, sleeper_main, s), 0);
}

static void end(struct sleeper *s, enum ccid_err err)
{
	pthread_join(s->thread, NULL);
	waiter_destroy(&pump, &s->w);
	assert_int_equal(s->err, err);
}

static struct waiter *leader(void)
{
	struct waiter *w;

	pthread_mutex_lock(&pump.lock);
	w = pump.leader;
	pthread_mutex_unlock(&pump.lock);
	return w;
}

static bool is_parked(const struct waiter *w)
{
	bool yes;

	pthread_mutex_lock(&pump.lock);
	yes = w->listed;
	pthread_mutex_unlock(&pump.lock);
	return yes;
}

#define UNTIL(condition) do {                                           \
		for (unsigned until_i = 0; !(condition); until_i++) {   \
			assert_true(until_i < 5000);                    \
			usleep(1000);                                   \
		}                                                       \
	} while (0)

static void a_result_that_is_there_needs_no_wait(void **state)
{
	struct deadline d = deadline_in_ms(10000);
	struct waiter w;
	uint64_t began = fixture_ms();

	(void)state;
	waiter_init(&w, WAIT_COMMAND);
	pump_wake(&pump, &w);
	assert_int_equal(pump_wait(&pump, &w, &d), CCID_OK);
	assert_int_equal(pump_park(&w, &d), CCID_OK);
	assert_true(fixture_ms() - began < 5000);
	waiter_destroy(&pump, &w);
}

static void the_deadline_ends_every_wait(void **state)
{
	struct sleeper leads, second, idle, parks;

	(void)state;
	begin(&leads, WAIT_COMMAND, 1000);
	UNTIL(leader() == &leads.w);
	begin(&second, WAIT_COMMAND, 100);
	begin(&idle, WAIT_IDLE, 100);
	memset(&parks, 0, sizeof parks);
	parks.wait_ms = 100;
	parks.parks = true;
	waiter_init(&parks.w, WAIT_COMMAND);
	assert_int_equal(pthread_create(&parks.thread, NULL, sleeper_main, &parks), 0);
	end(&second, CCID_ERR_TIMEOUT);
	end(&idle, CCID_ERR_TIMEOUT);
	end(&parks, CCID_ERR_TIMEOUT);
	end(&leads, CCID_ERR_TIMEOUT);
	assert_in_range(second.took_ms, 99, 10000);
	assert_in_range(idle.took_ms, 99, 10000);
	assert_in_range(parks.took_ms, 99, 10000);
	assert_in_range(leads.took_ms, 999, 10000);
}

/* One thread at a time is in libusb: what a leader looks for, a sweep leaves to it, wake-ups above all. */
static void a_sweep_beside_a_leader(void **state)
{
	struct sleeper leads;
	unsigned before;

	(void)state;
	before = fake_usb_counts().total_handlings;
	assert_int_equal(pump_sweep(&pump), 0);
	assert_int_equal(fake_usb_counts().total_handlings, before + 1);
	assert_null(leader());
	begin(&leads, WAIT_COMMAND, 20000);
	UNTIL(leader() == &leads.w);
	UNTIL(fake_usb_counts().total_handlings == before + 2);
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(pump_sweep(&pump), 0);
	assert_int_equal(fake_usb_counts().total_handlings, before + 2);
	assert_ptr_equal(leader(), &leads.w);
	pump_wake(&pump, &leads.w);
	end(&leads, CCID_OK);
	assert_in_range(leads.took_ms, 0, 15000);
}

static void a_command_takes_the_lead_from_an_idle_waiter(void **state)
{
	struct sleeper idle, command;

	(void)state;
	begin(&idle, WAIT_IDLE, 20000);
	UNTIL(leader() == &idle.w);
	begin(&command, WAIT_COMMAND, 20000);
	UNTIL(leader() == &command.w);
	UNTIL(is_parked(&idle.w));
	assert_int_equal(__atomic_load_n(&idle.back, __ATOMIC_ACQUIRE), 0);
	pump_wake(&pump, &command.w);
	end(&command, CCID_OK);
	/* and gets it back after the grace */
	UNTIL(leader() == &idle.w);
	pump_wake(&pump, &idle.w);
	end(&idle, CCID_OK);
	assert_true(command.took_ms < 15000);
}

/* One command after the other: the idle waiter is left asleep in between. */
static void no_lead_for_the_idle_within_the_grace(void **state)
{
	struct sleeper idle, command;

	(void)state;
	begin(&idle, WAIT_IDLE, 20000);
	UNTIL(leader() == &idle.w);
	begin(&command, WAIT_COMMAND, 20000);
	UNTIL(leader() == &command.w && is_parked(&idle.w));
	for (unsigned i = 0; i < 20; i++) {
		uint64_t before = fixture_ms();

		pump_wake(&pump, &command.w);
		end(&command, CCID_OK);
		/* the grace begins with the end of the command, which is not before that */
		assert_true(leader() != &idle.w || fixture_ms() - before >= PUMP_GRACE_MS);
		begin(&command, WAIT_COMMAND, 20000);
		UNTIL(leader() == &command.w);
	}
	pump_wake(&pump, &command.w);
	end(&command, CCID_OK);
	pump_wake(&pump, &idle.w);
	end(&idle, CCID_OK);
}

static void the_lead_is_handed_over(void **state)
{
	struct sleeper s[4];

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		begin(&s[i], WAIT_COMMAND, 20000);
		if (i == 0)
			UNTIL(leader() == &s[0].w);
		else
			UNTIL(is_parked(&s[i].w));
	}
	/* to the newest of the others */
	pump_wake(&pump, &s[0].w);
	end(&s[0], CCID_OK);
	UNTIL(leader() == &s[3].w);
	/* a parked one may leave without any change */
	pump_wake(&pump, &s[1].w);
	end(&s[1], CCID_OK);
	assert_ptr_equal(leader(), &s[3].w);
	pump_wake(&pump, &s[3].w);
	end(&s[3], CCID_OK);
	UNTIL(leader() == &s[2].w);
	pump_wake(&pump, &s[2].w);
	end(&s[2], CCID_OK);
	assert_null(leader());
}

/* The leader gives up at its deadline: another thread must lead at once. */
static void a_leader_at_its_deadline_hands_over(void **state)
{
	struct sleeper first, second;

	(void)state;
	begin(&first, WAIT_COMMAND, 1500);
	UNTIL(leader() == &first.w);
	begin(&second, WAIT_COMMAND, 20000);
	UNTIL(is_parked(&second.w));
	end(&first, CCID_ERR_TIMEOUT);
	UNTIL(leader() == &second.w);
	pump_wake(&pump, &second.w);
	end(&second, CCID_OK);
}

/* Idle waiters only: when the deputy leaves, another one looks at the clock. */
static void a_deputy_that_leaves_is_replaced(void **state)
{
	struct sleeper idle[3], command;

	(void)state;
	begin(&command, WAIT_COMMAND, 20000);
	UNTIL(leader() == &command.w);
	begin(&idle[0], WAIT_IDLE, 20000);
	UNTIL(is_parked(&idle[0].w));
	begin(&idle[1], WAIT_IDLE, 20000);
	begin(&idle[2], WAIT_IDLE, 20000);
	UNTIL(is_parked(&idle[1].w) && is_parked(&idle[2].w));
	pump_wake(&pump, &idle[0].w);
	end(&idle[0], CCID_OK);
	pump_wake(&pump, &command.w);
	end(&command, CCID_OK);
	UNTIL(leader() == &idle[1].w || leader() == &idle[2].w);
	pump_wake(&pump, leader() == &idle[1].w ? &idle[1].w : &idle[2].w);
	UNTIL(leader() == &idle[1].w || leader() == &idle[2].w);
	pump_wake(&pump, &idle[1].w);
	pump_wake(&pump, &idle[2].w);
	end(&idle[1], CCID_OK);
	end(&idle[2], CCID_OK);
}

/* All kinds of waiters, woken in any order by another thread: none is forgotten. */
#define CROWD 6

static struct sleeper crowd[CROWD];

static void *crowd_main(void *arg)
{
	struct sleeper *s = arg;

	for (unsigned i = 0; i < 300; i++) {
		struct deadline d = deadline_in_ms(30000);

		__atomic_store_n(&s->back, 1, __ATOMIC_RELEASE);
		if (pump_wait(&pump, &s->w, &d) != CCID_OK)
			return s;
		__atomic_store_n(&s->w.done, 0, __ATOMIC_RELEASE);
	}
	__atomic_store_n(&s->back, 2, __ATOMIC_RELEASE);
	return NULL;
}

static void each_waiting_thread_is_woken(void **state)
{
	unsigned left = CROWD, random = 1;

	(void)state;
	for (unsigned i = 0; i < CROWD; i++) {
		memset(&crowd[i], 0, sizeof crowd[i]);
		waiter_init(&crowd[i].w, i % 3 == 2 ? WAIT_IDLE : WAIT_COMMAND);
		assert_int_equal(pthread_create(&crowd[i].thread, NULL, crowd_main, &crowd[i]), 0);
	}
	while (left > 0) {
		struct sleeper *s;
		int one = 1;

		random = random * 1103515245u + 12345u;
		s = &crowd[(random >> 16) % CROWD];
		if (__atomic_compare_exchange_n(&s->back, &one, 0, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
			pump_wake(&pump, &s->w);
		left = 0;
		for (unsigned i = 0; i < CROWD; i++)
			left += __atomic_load_n(&crowd[i].back, __ATOMIC_ACQUIRE) != 2;
	}
	for (unsigned i = 0; i < CROWD; i++) {
		void *failed;

		pthread_join(crowd[i].thread, &failed);
		assert_null(failed);
		waiter_destroy(&pump, &crowd[i].w);
	}
}

/* poll() fails in libusb, for ever: the leader tries some hundred times a second, and a result is
 * still seen. */
static void libusb_cannot_wait(void **state)
{
	struct deadline d = deadline_in_ms(500);
	struct waiter w;
	unsigned before;

	(void)state;
	waiter_init(&w, WAIT_COMMAND);
	before = fake_usb_counts().total_handlings;
	fake_usb_fail_events(LIBUSB_ERROR_OTHER);
	assert_int_equal(pump_wait(&pump, &w, &d), CCID_ERR_TIMEOUT);
	assert_in_range(fake_usb_counts().total_handlings - before, 1, 60);
	fake_usb_fail_events(0);
	waiter_destroy(&pump, &w);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_result_that_is_there_needs_no_wait),
		TEST(the_deadline_ends_every_wait),
		TEST(a_command_takes_the_lead_from_an_idle_waiter),
		TEST(no_lead_for_the_idle_within_the_grace),
		TEST(a_sweep_beside_a_leader),
		TEST(the_lead_is_handed_over),
		TEST(a_leader_at_its_deadline_hands_over),
		TEST(a_deputy_that_leaves_is_replaced),
		TEST(each_waiting_thread_is_woken),
		TEST(libusb_cannot_wait),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
