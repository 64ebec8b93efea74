/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A thousand readers, and a device of 192 slots: what one slot costs does not depend on how many there are. */
#include "driver_fixture.h"

#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define READERS 1000u
#define FEW 100u
#define SLOTS 96u
/* The cost of a slot among many may be this many times its cost among few: what is not in the caches costs up to
 * twice as much. The least of some rounds counts, as the machine may be busy with other things. */
#define FLAT 3u
#define ROUNDS 3u

static uint64_t cpu_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000u + (uint64_t)ts.tv_nsec / 1000u;
}

/* CPU time of all slots together. */
struct cost {
	uint64_t open, work, close;
};

static DWORD lun_of(unsigned slot, unsigned per_reader)
{
	return (DWORD)(slot / per_reader) << 16 | slot % per_reader;
}

/* Opens n slots, works with each, closes them. */
static struct cost run_once(unsigned n, unsigned per_reader, bool one_device)
{
	struct cost c;
	uint64_t began = cpu_us();

	for (unsigned i = 0; i < n; i++) {
		unsigned reader = i / per_reader;

		FIXTURE_IS_FINE(fixture_open(lun_of(i, per_reader), one_device ? 0 : reader, one_device ? reader : 0));
	}
	c.open = cpu_us() - began;
	began = cpu_us();
	for (unsigned i = 0; i < n; i++) {
		FIXTURE_IS_FINE(fixture_power(lun_of(i, per_reader)));
		FIXTURE_IS_FINE(fixture_echo(lun_of(i, per_reader), i, 20));
		assert_int_equal(IFDHICCPresence(lun_of(i, per_reader)), IFD_ICC_PRESENT);
	}
	c.work = cpu_us() - began;
	began = cpu_us();
	for (unsigned i = 0; i < n; i++)
		FIXTURE_IS_FINE(IFDHCloseChannel(lun_of(i * 37 % n, per_reader)));
	c.close = cpu_us() - began;
	return c;
}

static uint64_t less(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static struct cost run(unsigned n, unsigned per_reader, bool one_device)
{
	struct cost least = { UINT64_MAX, UINT64_MAX, UINT64_MAX };

	for (unsigned i = 0; i < ROUNDS; i++) {
		struct cost c = run_once(n, per_reader, one_device);

		least = (struct cost){ less(c.open, least.open), less(c.work, least.work), less(c.close, least.close) };
	}
	return least;
}

static void is_flat(const char *what, uint64_t few_us, unsigned few, uint64_t many_us, unsigned many)
{
	double one_of_few = (double)few_us / few, one_of_many = (double)many_us / many;

	print_message("# %s: %.1f us for one of %u, %.1f us for one of %u\n", what, one_of_few, few, one_of_many, many);
	if (one_of_many > FLAT * (one_of_few < 5 ? 5 : one_of_few))
		fail_msg("%s: %.1f us for one of %u, %.1f us for one of %u", what, one_of_few, few, one_of_many, many);
}

static void a_thousand_readers(void **state)
{
	struct cost few, many;
	char text[100];

	(void)state;
	/* all readers are plugged in both times: one that is not used costs nothing */
	snprintf(text, sizeof text, "reader a\ncopies = %u\ncard 0 = t1\n", READERS);
	fixture_start(FAKE_VIRTUAL, text);
	few = run(FEW, 1, false);
	many = run(READERS, 1, false);
	fixture_stop();
	is_flat("opening a reader", few.open, FEW, many.open, READERS);
	is_flat("working with a reader", few.work, FEW, many.work, READERS);
	is_flat("closing a reader", few.close, FEW, many.close, READERS);
}

/* Two interfaces of `slots` slots, with a card in each slot. */
static char *two_interfaces(char *text, size_t cap, unsigned slots)
{
	size_t n = 0;

	for (unsigned k = 0; k < 2; k++) {
		n += (size_t)snprintf(text + n, cap - n, "%s\nslots = %u\nbusy = %u\n",
				      k ? "interface = 1" : "reader r", slots, slots);
		for (unsigned i = 0; i < slots; i++)
			n += (size_t)snprintf(text + n, cap - n, "card %u = t1\n", i);
	}
	assert_true(n < cap);
	return text;
}

static void a_hundred_and_ninety_two_slots(void **state)
{
	static char text[8000];
	struct cost few, many;

	(void)state;
	fixture_start(FAKE_VIRTUAL, two_interfaces(text, sizeof text, SLOTS));
	few = run(24, 12, true);
	many = run(2 * SLOTS, SLOTS, true);
	assert_int_equal(fixture_max_in_flight(0), 1);
	fixture_stop();
	is_flat("opening a slot", few.open, 24, many.open, 2 * SLOTS);
	is_flat("working with a slot", few.work, 24, many.work, 2 * SLOTS);
	is_flat("closing a slot", few.close, 24, many.close, 2 * SLOTS);
}

#define THREADS 8u
#define LATENCIES 20000u
/* The slow card's time. It is long, so that a machine that is busy with other things passes; the card is pulled out
 * when the others have been seen to work. */
#define SLOW_MS 60000u

struct crowd {
	unsigned slow_ms;
	RESPONSECODE slow_rc;
	bool slow_done;			/* atomic: what follows is not evidence any more */
	bool one_turn;			/* a thread ends after one visit to each slot */
	/* atomic: exchanges that went wrong, ended after the slow one, ended before it */
	unsigned failed, late, fast;
	uint64_t latency[LATENCIES];
};

struct visitor {
	struct crowd *crowd;
	unsigned nr;
	pthread_t thread;
};

/* The card of slot 0 is busy. */
static void *work_slowly(void *arg)
{
	struct crowd *c = arg;
	const uint8_t apdu[] = { 0x80, 0x18, (uint8_t)(c->slow_ms >> 8), (uint8_t)c->slow_ms };
	uint8_t out[10];
	size_t len;

	c->slow_rc = fixture_apdu(0, apdu, sizeof apdu, out, sizeof out, &len);
	__atomic_store_n(&c->slow_done, true, __ATOMIC_RELEASE);
	return NULL;
}

static void visit(struct crowd *c, unsigned slot, unsigned tag)
{
	uint64_t began = clock_now();
	bool fine = fixture_echo(slot, tag, 20) == IFD_SUCCESS && IFDHICCPresence(slot) == IFD_ICC_PRESENT;
	uint64_t us = (clock_now() - began) / 1000;
	unsigned n;

	if (!fine)
		__atomic_add_fetch(&c->failed, 1, __ATOMIC_RELAXED);
	if (__atomic_load_n(&c->slow_done, __ATOMIC_ACQUIRE)) {
		__atomic_add_fetch(&c->late, 1, __ATOMIC_RELAXED);
		return;
	}
	n = __atomic_fetch_add(&c->fast, 1, __ATOMIC_RELAXED);
	if (n < LATENCIES)
		c->latency[n] = us;
}

/* Visits the 95 other slots in turn; two threads meet at each slot, at a time of their own. */
static void *work_fast(void *arg)
{
	struct visitor *v = arg;
	struct crowd *c = v->crowd;
	unsigned turns = c->one_turn ? SLOTS - 1 : UINT_MAX;

	for (unsigned i = 0; i < turns && !__atomic_load_n(&c->slow_done, __ATOMIC_ACQUIRE); i++)
		visit(c, 1 + (v->nr * 12 + i) % (SLOTS - 1), v->nr << 16 | i);
	return NULL;
}

static int by_size(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static void print_latencies(struct crowd *c)
{
	unsigned n = c->fast < LATENCIES ? c->fast : LATENCIES;

	if (n == 0)
		return;
	qsort(c->latency, n, sizeof c->latency[0], by_size);
	print_message("# an APDU and a look at the card by %u threads in 95 slots while one card is busy: "
		      "median %u us, p99 %u us, worst %u us of %u\n", THREADS, (unsigned)c->latency[n / 2],
		      (unsigned)c->latency[n - 1 - n / 100], (unsigned)c->latency[n - 1], n);
}

/* One card is slow, and no other slot waits for it: every thread has its turn in every other slot while the slow card
 * is still at work. SCALE_SLOW_MS=20000 for the figure of tests/bench/README.md, which lets that card finish. */
static void one_slow_slot_of_96(void **state)
{
	static char text[8000];
	static struct crowd c;
	const char *ms = getenv("SCALE_SLOW_MS");
	struct visitor visitors[THREADS];
	pthread_t slow;
	unsigned submits;

	(void)state;
	c = (struct crowd){ .slow_ms = ms ? (unsigned)atoi(ms) : SLOW_MS, .one_turn = !ms };
	fixture_start(FAKE_REAL, two_interfaces(text, sizeof text, SLOTS));
	for (unsigned i = 0; i < SLOTS; i++)
		fixture_ready(i, 0, 1);
	submits = fake_usb_counts().total_submits;
	assert_int_equal(pthread_create(&slow, NULL, work_slowly, &c), 0);
	while (fake_usb_counts().total_submits == submits && !__atomic_load_n(&c.slow_done, __ATOMIC_ACQUIRE))
		usleep(1000);
	for (unsigned i = 0; i < THREADS; i++) {
		visitors[i] = (struct visitor){ .crowd = &c, .nr = i };
		assert_int_equal(pthread_create(&visitors[i].thread, NULL, work_fast, &visitors[i]), 0);
	}
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(visitors[i].thread, NULL);
	if (c.one_turn)
		fixture_remove(0, 0);
	pthread_join(slow, NULL);
	print_latencies(&c);
	assert_int_equal(c.failed, 0);
	if (c.one_turn) {
		assert_int_equal(c.late, 0);
		assert_int_equal(c.fast, THREADS * (SLOTS - 1));
		/* the card was pulled out of its command, which therefore was still running */
		assert_int_not_equal(c.slow_rc, IFD_SUCCESS);
	}
	for (unsigned i = 0; i < SLOTS; i++)
		FIXTURE_IS_FINE(IFDHCloseChannel(i));
	fixture_stop();
}

#define TEST(f) cmocka_unit_test_teardown(f, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_thousand_readers),
		TEST(a_hundred_and_ninety_two_slots),
		TEST(one_slow_slot_of_96),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
