/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* src/slot/device.c: what the interfaces of one device share. */
#include "../driver/driver_fixture.h"

#include "slot/device_list.h"

#include <pthread.h>

static struct device_list list = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void one_for_each_place(void **state)
{
	struct device *a, *b, *c;

	(void)state;
	a = device_get(&list, 1, 2);
	b = device_get(&list, 1, 3);
	c = device_get(&list, 2, 2);
	assert_true(a && b && c && a != b && a != c && b != c);
	assert_ptr_equal(device_get(&list, 1, 2), a);
	assert_ptr_equal(device_get(&list, 1, 3), b);
	/* the device ends when the last user has given it back, in any order */
	device_put(b);
	device_put(a);
	assert_ptr_equal(device_get(&list, 1, 2), a);
	device_put(a);
	device_put(c);
	device_put(b);
	device_put(a);
	assert_null(list.first);
	device_put(NULL);
}

static void cards_are_told_by_interface(void **state)
{
	struct device *d = device_get(&list, 1, 2);

	(void)state;
	assert_int_equal(device_card(d, 0), DEVICE_NOT_OPEN);
	device_tell_card(d, 0, DEVICE_CARD_PRESENT);
	device_tell_card(d, 31, DEVICE_CARD_ABSENT);
	assert_int_equal(device_card(d, 0), DEVICE_CARD_PRESENT);
	assert_int_equal(device_card(d, 1), DEVICE_NOT_OPEN);
	assert_int_equal(device_card(d, 31), DEVICE_CARD_ABSENT);
	/* interface numbers out of range, and readers that are not USB devices */
	device_tell_card(d, 32, DEVICE_CARD_PRESENT);
	device_tell_card(d, 255, DEVICE_CARD_PRESENT);
	assert_int_equal(device_card(d, 32), DEVICE_NOT_OPEN);
	assert_int_equal(device_card(d, 255), DEVICE_NOT_OPEN);
	device_tell_card(NULL, 0, DEVICE_CARD_PRESENT);
	assert_int_equal(device_card(NULL, 0), DEVICE_NOT_OPEN);
	device_put(d);
	/* the next device at that address does not inherit the cards */
	d = device_get(&list, 1, 2);
	assert_int_equal(device_card(d, 0), DEVICE_NOT_OPEN);
	device_put(d);
}

#define ROUNDS 300

static void *come_and_go(void *arg)
{
	RESPONSECODE *rc = arg;

	for (unsigned i = 0; i < ROUNDS && *rc == IFD_SUCCESS; i++) {
		*rc = fixture_open(0, 0, 0);
		if (*rc == IFD_SUCCESS)
			*rc = IFDHCloseChannel(0);
	}
	return NULL;
}

/* An interface that looks at its sibling's card while the sibling is opened and closed (run it with the address
 * and the thread sanitizer). */
static void a_sibling_that_comes_and_goes(void **state)
{
	RESPONSECODE rc = IFD_SUCCESS;
	pthread_t thread;

	(void)state;
	fixture_start(FAKE_REAL, "reader r\nvendor = f1f1\nproduct = 1210\ncard 0 = t1\ninterface = 1\ncard 0 = t1\n");
	FIXTURE_IS_FINE(fixture_open(0x10000, 0, 1));
	assert_int_equal(pthread_create(&thread, NULL, come_and_go, &rc), 0);
	for (unsigned i = 0; i < 10 * ROUNDS; i++)
		assert_int_equal(IFDHICCPresence(0x10000), IFD_ICC_PRESENT);
	pthread_join(thread, NULL);
	FIXTURE_IS_FINE(rc);
	FIXTURE_IS_FINE(IFDHCloseChannel(0x10000));
	fixture_stop();
}

#define TEST(f) cmocka_unit_test_teardown(f, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(one_for_each_place),
		TEST(cards_are_told_by_interface),
		TEST(a_sibling_that_comes_and_goes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
