/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A thousand readers, and a device of 192 slots: what one slot costs does not depend on how many there are. */
#include "driver_fixture.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define READERS 1000u
#define FEW 100u
#define SLOTS 96u
/* The cost of a slot among many may be this many times its cost among few. It is about the same;
 * the machine may be busy with other things. */
#define FLAT 6u

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
static struct cost run(unsigned n, unsigned per_reader, bool one_device)
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

struct slow {
	RESPONSECODE rc;
	unsigned ms;
	int done;	/* atomic */
};

/* The card of slot 0 is busy for SCALE_SLOW_MS. */
static void *work_slowly(void *arg)
{
	struct slow *s = arg;
	const uint8_t apdu[] = { 0x80, 0x18, (uint8_t)(s->ms >> 8), (uint8_t)s->ms };
	uint8_t out[10];
	size_t len;

	s->rc = fixture_apdu(0, apdu, sizeof apdu, out, sizeof out, &len);
	__atomic_store_n(&s->done, 1, __ATOMIC_RELEASE);
	return NULL;
}

static int by_size(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

#define LATENCIES 20000u

/* One card is slow, and the 95 other slots do not wait for it: that each gets its turn is checked,
 * and how long it takes is printed. SCALE_SLOW_MS=20000 for the figure of tests/bench/README.md. */
static void one_slow_slot_of_96(void **state)
{
	static char text[8000];
	static uint64_t latency[LATENCIES];
	const char *ms = getenv("SCALE_SLOW_MS");
	struct slow slow = { .ms = ms ? (unsigned)atoi(ms) : 2000 };
	pthread_t thread;
	unsigned n = 0;

	(void)state;
	fixture_start(FAKE_REAL, two_interfaces(text, sizeof text, SLOTS));
	for (unsigned i = 0; i < SLOTS; i++)
		fixture_ready(i, 0, 1);
	assert_int_equal(pthread_create(&thread, NULL, work_slowly, &slow), 0);
	while (!__atomic_load_n(&slow.done, __ATOMIC_ACQUIRE)) {
		uint64_t began = clock_now();

		FIXTURE_IS_FINE(fixture_echo(1 + n % (SLOTS - 1), n, 20));
		assert_int_equal(IFDHICCPresence(1 + n % (SLOTS - 1)), IFD_ICC_PRESENT);
		if (n < LATENCIES)
			latency[n] = (clock_now() - began) / 1000;
		n++;
	}
	pthread_join(thread, NULL);
	FIXTURE_IS_FINE(slow.rc);
	/* each slot had its turn before the slow card answered */
	assert_true(n >= SLOTS - 1);
	n = n < LATENCIES ? n : LATENCIES;
	qsort(latency, n, sizeof latency[0], by_size);
	print_message("# an APDU and a look at the card in 95 slots while one takes %u ms: median %u us, p99 %u us, "
		      "worst %u us of %u\n", slow.ms, (unsigned)latency[n / 2], (unsigned)latency[n - 1 - n / 100],
		      (unsigned)latency[n - 1], n);
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
