/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* src/transport/usb_gate.c: busy places, first come first served. */
#include "usb_bench.h"

#include <unistd.h>

#define THREADS 6

static struct pump pump;
static struct usb_gate *gate;

static int setup(void **state)
{
	(void)state;
	fixture_start(FAKE_REAL, "reader one\n");
	assert_int_equal(pump_init(&pump), CCID_OK);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	usb_gate_unref(gate);
	pump_destroy(&pump);
	fixture_stop();
	return 0;
}

/* One thread that wants a place. */
struct guest {
	pthread_t thread;
	struct waiter w;
	unsigned wait_ms;
	enum ccid_err err;
	int inside;			/* atomic */
	unsigned rank;			/* order of entering */
};

static unsigned entered;

static void *enter(void *arg)
{
	struct guest *g = arg;
	struct deadline d = deadline_in_ms(g->wait_ms);

	g->err = usb_gate_enter(gate, &g->w, &d);
	g->rank = __atomic_add_fetch(&entered, 1, __ATOMIC_SEQ_CST);
	__atomic_store_n(&g->inside, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

static void begin(struct guest *g, unsigned wait_ms)
{
	*g = (struct guest){ .wait_ms = wait_ms };
	waiter_init(&g->w, WAIT_COMMAND);
	assert_int_equal(pthread_create(&g->thread, NULL, enter, g), 0);
}

static void end(struct guest *g)
{
	pthread_join(g->thread, NULL);
	waiter_destroy(&pump, &g->w);
}

/* The tickets in the queue. */
static unsigned queued(void)
{
	unsigned n = 0;

	pthread_mutex_lock(&gate->lock);
	for (struct gate_ticket *t = gate->first; t; t = t->next)
		n++;
	pthread_mutex_unlock(&gate->lock);
	return n;
}

static void until_queued(unsigned n)
{
	for (unsigned i = 0; queued() != n; i++) {
		assert_true(i < 5000);
		usleep(1000);
	}
}

static enum ccid_err enter_now(struct waiter *w, unsigned ms)
{
	struct deadline d = deadline_in_ms(ms);

	w->done = 0;
	return usb_gate_enter(gate, w, &d);
}

static void places_are_counted(void **state)
{
	struct waiter w;

	(void)state;
	waiter_init(&w, WAIT_COMMAND);
	gate = usb_gate_new(&pump, 2);
	assert_int_equal(enter_now(&w, 1000), CCID_OK);
	assert_int_equal(enter_now(&w, 1000), CCID_OK);
	assert_int_equal(enter_now(&w, 20), CCID_ERR_TIMEOUT);
	assert_int_equal(queued(), 0);
	usb_gate_leave(gate);
	assert_int_equal(enter_now(&w, 1000), CCID_OK);
	usb_gate_leave(gate);
	usb_gate_leave(gate);
	assert_int_equal(gate->used, 0);
	waiter_destroy(&pump, &w);
}

static void first_come_first_served(void **state)
{
	struct guest g[THREADS];
	struct waiter w;

	(void)state;
	entered = 0;
	waiter_init(&w, WAIT_COMMAND);
	gate = usb_gate_new(&pump, 1);
	assert_int_equal(enter_now(&w, 1000), CCID_OK);
	for (unsigned i = 0; i < THREADS; i++) {
		begin(&g[i], 10000);
		until_queued(i + 1);
	}
	for (unsigned i = 0; i < THREADS; i++) {
		usb_gate_leave(gate);
		end(&g[i]);
		assert_int_equal(g[i].err, CCID_OK);
		assert_int_equal(g[i].rank, i + 1);
		assert_int_equal(queued(), THREADS - 1 - i);
	}
	/* No caller overtakes while others wait: the last guest still has the place. */
	assert_int_equal(enter_now(&w, 10), CCID_ERR_TIMEOUT);
	usb_gate_leave(gate);
	assert_int_equal(gate->used, 0);
	waiter_destroy(&pump, &w);
}

/* Callers that give up, at either end and in the middle, leave the queue whole. */
static void a_thread_that_gave_up_loses_its_turn(void **state)
{
	static const unsigned patience[] = { 1500, 20000, 1500, 20000, 1500 };
	struct guest g[5];
	struct waiter w;

	(void)state;
	waiter_init(&w, WAIT_COMMAND);
	gate = usb_gate_new(&pump, 1);
	assert_int_equal(enter_now(&w, 1000), CCID_OK);
	for (unsigned i = 0; i < 5; i++) {
		begin(&g[i], patience[i]);
		until_queued(i + 1);
	}
	until_queued(2);
	for (unsigned i = 0; i < 5; i += 2) {
		end(&g[i]);
		assert_int_equal(g[i].err, CCID_ERR_TIMEOUT);
	}
	usb_gate_leave(gate);
	end(&g[1]);
	assert_int_equal(g[1].err, CCID_OK);
	assert_int_equal(g[3].inside, 0);
	usb_gate_leave(gate);
	end(&g[3]);
	assert_int_equal(g[3].err, CCID_OK);
	usb_gate_leave(gate);
	assert_int_equal(gate->used, 0);
	assert_null(gate->first);
	assert_null(gate->last);
	waiter_destroy(&pump, &w);
}

static void a_wake_without_a_place_is_no_place(void **state)
{
	struct guest g;
	struct waiter w;
	uint64_t before;

	(void)state;
	waiter_init(&w, WAIT_COMMAND);
	gate = usb_gate_new(&pump, 1);
	assert_int_equal(enter_now(&w, 1000), CCID_OK);
	before = fixture_ms();
	begin(&g, 20000);
	until_queued(1);
	pump_wake(&pump, &g.w);
	end(&g);
	assert_int_equal(g.err, CCID_ERR_TIMEOUT);
	assert_true(fixture_ms() - before < 10000);
	assert_int_equal(queued(), 0);
	usb_gate_leave(gate);
	assert_int_equal(gate->used, 0);
	waiter_destroy(&pump, &w);
}

static void references(void **state)
{
	(void)state;
	gate = usb_gate_new(&pump, 1);
	assert_ptr_equal(usb_gate_ref(gate), gate);
	usb_gate_unref(gate);
	assert_int_equal(gate->refs, 1);
}

/* Many threads, two places: never more inside, and all get their turn. */
static unsigned inside_now, inside_most;

static void *worker(void *arg)
{
	struct waiter w;

	(void)arg;
	waiter_init(&w, WAIT_COMMAND);
	for (unsigned i = 0; i < 200; i++) {
		struct deadline d = deadline_in_ms(20000);
		unsigned now, most;

		__atomic_store_n(&w.done, 0, __ATOMIC_SEQ_CST);
		if (usb_gate_enter(gate, &w, &d) != CCID_OK)
			return arg;
		now = __atomic_add_fetch(&inside_now, 1, __ATOMIC_SEQ_CST);
		most = __atomic_load_n(&inside_most, __ATOMIC_SEQ_CST);
		while (now > most && !__atomic_compare_exchange_n(&inside_most, &most, now, false,
								  __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
			;
		__atomic_sub_fetch(&inside_now, 1, __ATOMIC_SEQ_CST);
		usb_gate_leave(gate);
	}
	waiter_destroy(&pump, &w);
	return NULL;
}

static void never_more_than_places(void **state)
{
	pthread_t t[THREADS];

	(void)state;
	gate = usb_gate_new(&pump, 2);
	for (unsigned i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&t[i], NULL, worker, &gate), 0);
	for (unsigned i = 0; i < THREADS; i++) {
		void *failed;

		pthread_join(t[i], &failed);
		assert_null(failed);
	}
	assert_in_range(inside_most, 1, 2);
	assert_int_equal(gate->used, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(places_are_counted),
		TEST(first_come_first_served),
		TEST(a_thread_that_gave_up_loses_its_turn),
		TEST(a_wake_without_a_place_is_no_place),
		TEST(references),
		TEST(never_more_than_places),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
