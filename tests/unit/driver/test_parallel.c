/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Many threads on many slots: no more commands are in flight than allowed, each slot gets its turn,
 * and no answer reaches another slot. Real clock, threads; run it under the thread sanitizer
 * too. */
#include "driver_fixture.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MAX_WORKERS 64

struct worker {
	pthread_t thread;
	DWORD lun;
	unsigned rounds;
	RESPONSECODE rc;
	unsigned done;		/* atomic */
	bool power;		/* resets its card now and then */
};

static struct worker workers[MAX_WORKERS];
static int stop;

static void *work(void *arg)
{
	struct worker *w = arg;

	for (unsigned i = 0; i < w->rounds && !__atomic_load_n(&stop, __ATOMIC_RELAXED); i++) {
		if (w->power && i % 50 == 49)
			w->rc = fixture_power(w->lun);
		if (w->rc == IFD_SUCCESS)
			w->rc = fixture_echo(w->lun, (unsigned)w->lun * 1000 + i,
					     1 + (i * 13 + (unsigned)w->lun) % 240);
		if (w->rc == IFD_SUCCESS && i % 7 == 0 && IFDHICCPresence(w->lun) != IFD_ICC_PRESENT)
			w->rc = IFD_ICC_NOT_PRESENT;
		if (w->rc != IFD_SUCCESS)
			break;
		__atomic_add_fetch(&w->done, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

static void *watch(void *arg)
{
	struct worker *w = arg;
	RESPONSECODE (*poll)(DWORD, int);
	DWORD len = sizeof poll;

	w->rc = IFDHGetCapabilities(w->lun, TAG_IFD_POLLING_THREAD_WITH_TIMEOUT, &len, (PUCHAR)&poll);
	while (w->rc == IFD_SUCCESS && !__atomic_load_n(&stop, __ATOMIC_ACQUIRE))
		w->rc = poll(w->lun, 600000);
	return NULL;
}

static void start_workers(unsigned n, unsigned slots, unsigned rounds, bool power)
{
	stop = 0;
	for (unsigned i = 0; i < n; i++) {
		workers[i] = (struct worker){ .lun = i / slots << 16 | i % slots, .rounds = rounds,
					      .power = power && i % 3 == 0 };
		assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
	}
}

static void join_workers(unsigned n, unsigned rounds)
{
	for (unsigned i = 0; i < n; i++) {
		pthread_join(workers[i].thread, NULL);
		FIXTURE_IS_FINE(workers[i].rc);
		assert_int_equal(workers[i].done, rounds);
	}
}

static char *cards(char *text, unsigned slots)
{
	for (unsigned i = 0; i < slots; i++)
		sprintf(text + strlen(text), "card %u = %s\n", i, i & 1 ? "t1" : "t0");
	return text;
}

static void close_all(unsigned n, unsigned slots)
{
	for (unsigned i = 0; i < n; i++)
		FIXTURE_IS_FINE(IFDHCloseChannel(i / slots << 16 | i % slots));
}

/* One reader, each slot a thread. */
static void run_reader(unsigned slots, unsigned busy, unsigned rounds)
{
	char text[400];
	unsigned most = busy < slots ? busy : slots;

	snprintf(text, sizeof text, "reader r\nslots = %u\nbusy = %u\nusb_us = 20\n", slots, busy);
	fixture_start(FAKE_REAL, cards(text, slots));
	for (unsigned i = 0; i < slots; i++)
		fixture_ready(i, 0, i & 1);
	/* a busy machine may let one thread run after the other */
	for (unsigned go = 0; go < 20 && (go == 0 || fixture_max_in_flight(0) < most); go++) {
		start_workers(slots, slots, rounds, true);
		join_workers(slots, rounds);
	}
	assert_in_range(fixture_max_in_flight(0), 1, most);
	if (most > 1)
		assert_int_equal(fixture_max_in_flight(0), most);
	close_all(slots, slots);
	fixture_stop();
}

static void three_slots_two_places(void **state)
{
	(void)state;
	run_reader(3, 2, 300);
}

static void two_slots_five_places(void **state)
{
	(void)state;
	run_reader(2, 5, 300);
}

static void eight_slots_one_place(void **state)
{
	(void)state;
	run_reader(8, 1, 60);
}

static void eight_readers_of_eight_slots(void **state)
{
	char text[600] = "reader r\nslots = 8\nbusy = 3\nusb_us = 20\ncopies = 8\n";

	(void)state;
	fixture_start(FAKE_REAL, cards(text, 8));
	for (unsigned i = 0; i < 64; i++)
		fixture_ready(i / 8 << 16 | i % 8, i / 8, i & 1);
	start_workers(64, 8, 25, true);
	join_workers(64, 25);
	for (unsigned i = 0; i < 8; i++)
		assert_in_range(fixture_max_in_flight(i), 1, 3);
	close_all(64, 8);
	fixture_stop();
}

/* All slots want the one place all the time: each gets about its share. */
static void each_slot_gets_its_turn(void **state)
{
	char text[400] = "reader r\nslots = 4\nbusy = 1\nlevel = short\nfeatures = 0x000204FA\n";
	unsigned least = 0, most = 0;

	(void)state;
	for (unsigned i = 0; i < 4; i++)
		sprintf(text + strlen(text), "card %u = t1\n", i);
	fixture_start(FAKE_REAL, text);
	for (unsigned i = 0; i < 4; i++)
		fixture_ready(i, 0, 1);
	start_workers(4, 4, 1000000, false);
	/* a busy machine may favour one for a while, a broken queue does so for ever */
	for (unsigned round = 0; round < 30 && (round == 0 || least < 10 || least * 3 < most); round++) {
		usleep(700000);
		least = ~0u;
		most = 0;
		for (unsigned i = 0; i < 4; i++) {
			unsigned done = __atomic_load_n(&workers[i].done, __ATOMIC_RELAXED);

			least = done < least ? done : least;
			most = done > most ? done : most;
		}
	}
	__atomic_store_n(&stop, 1, __ATOMIC_RELEASE);
	for (unsigned i = 0; i < 4; i++) {
		pthread_join(workers[i].thread, NULL);
		FIXTURE_IS_FINE(workers[i].rc);
	}
	if (least * 3 < most || least < 10)
		fail_msg("between %u and %u", least, most);
	close_all(4, 4);
	fixture_stop();
}

/* pcscd's polling threads run beside the commands while cards come and go in other slots. */
static void polls_beside_commands(void **state)
{
	struct worker watchers[4];
	char text[400] = "reader r\nslots = 4\nbusy = 2\ncard 0 = t1\ncard 1 = t1\n";

	(void)state;
	fixture_start(FAKE_REAL, text);
	for (unsigned i = 0; i < 4; i++)
		FIXTURE_IS_FINE(fixture_open(i, 0, 0));
	FIXTURE_IS_FINE(fixture_power(0));
	FIXTURE_IS_FINE(fixture_power(1));
	start_workers(2, 4, 200, true);
	for (unsigned i = 0; i < 4; i++) {
		watchers[i] = (struct worker){ .lun = i };
		assert_int_equal(pthread_create(&watchers[i].thread, NULL, watch, &watchers[i]), 0);
	}
	for (unsigned i = 0; i < 20; i++) {
		fixture_insert(0, 2 + (i & 1), "t0");
		usleep(5000);
		fixture_remove(0, 2 + (i & 1));
		usleep(5000);
	}
	join_workers(2, 200);
	__atomic_store_n(&stop, 1, __ATOMIC_RELEASE);
	for (unsigned i = 0; i < 4; i++) {
		RESPONSECODE (*end)(DWORD);
		DWORD len = sizeof end;

		FIXTURE_IS_FINE(IFDHGetCapabilities(i, TAG_IFD_STOP_POLLING_THREAD, &len, (PUCHAR)&end));
		FIXTURE_IS_FINE(end(i));
		pthread_join(watchers[i].thread, NULL);
		FIXTURE_IS_FINE(watchers[i].rc);
	}
	close_all(4, 4);
	fixture_stop();
}

/* Readers are opened and closed while others work. */
static void *open_and_close(void *arg)
{
	struct worker *w = arg;

	for (unsigned i = 0; i < w->rounds && w->rc == IFD_SUCCESS; i++) {
		w->rc = fixture_open(w->lun, (unsigned)(w->lun >> 16), 0);
		if (w->rc == IFD_SUCCESS)
			w->rc = fixture_power(w->lun);
		if (w->rc == IFD_SUCCESS)
			w->rc = fixture_echo(w->lun, (unsigned)w->lun + i, 100);
		if (w->rc == IFD_SUCCESS)
			w->rc = IFDHCloseChannel(w->lun);
	}
	return NULL;
}

static void readers_come_and_go_beside_others(void **state)
{
	struct worker door[4];

	(void)state;
	fixture_start(FAKE_REAL, "reader a\ncopies = 4\nslots = 2\nbusy = 2\ncard 0 = t1\ncard 1 = t1\n");
	/* the last two threads open the two slots of one reader */
	for (unsigned i = 0; i < 4; i++) {
		door[i] = (struct worker){ .lun = i < 3 ? i << 16 : 2u << 16 | 1, .rounds = 15 };
		assert_int_equal(pthread_create(&door[i].thread, NULL, open_and_close, &door[i]), 0);
	}
	for (unsigned i = 0; i < 4; i++) {
		pthread_join(door[i].thread, NULL);
		FIXTURE_IS_FINE(door[i].rc);
	}
	fixture_pardon();
	fixture_stop();
}

/* A reset while two slots are at work: both work again. */
static void a_reset_beside_commands(void **state)
{
	(void)state;
	fixture_start(FAKE_REAL, FIXTURE_TWO);
	fixture_ready(0, 0, 1);
	fixture_ready(1, 0, 1);
	for (unsigned round = 0; round < 5; round++) {
		/* the workers do not power up: that would hide a reset that comes just then */
		start_workers(2, 2, 1000000, false);
		usleep(30000);
		fake_usb_reset(0);
		for (unsigned i = 0; i < 2; i++) {
			pthread_join(workers[i].thread, NULL);
			assert_int_not_equal(workers[i].rc, IFD_SUCCESS);
		}
		for (DWORD i = 0; i < 2; i++) {
			for (unsigned k = 0; fixture_power(i) != IFD_SUCCESS; k++)
				assert_true(k < 3);
			FIXTURE_IS_FINE(fixture_echo(i, round, 100));
		}
	}
	fixture_pardon();
	FIXTURE_IS_FINE(IFDHCloseChannel(0));
	FIXTURE_IS_FINE(IFDHCloseChannel(1));
	fixture_stop();
}

#define TEST(f) cmocka_unit_test_teardown(f, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(three_slots_two_places),
		TEST(two_slots_five_places),
		TEST(eight_slots_one_place),
		TEST(eight_readers_of_eight_slots),
		TEST(each_slot_gets_its_turn),
		TEST(polls_beside_commands),
		TEST(readers_come_and_go_beside_others),
		TEST(a_reset_beside_commands),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
