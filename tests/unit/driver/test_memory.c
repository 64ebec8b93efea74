/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Row 27: the process runs out of memory at any allocation, a transfer cannot be made or submitted. Each call
 * ends with an error or without, nothing leaks, and the next session works. Linked with --wrap for the
 * allocating functions. Virtual time. */
#include "driver_rig.h"

#include "sim/fake_libusb_priv.h"

#include <stdlib.h>
#include <string.h>

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
char *__real_strdup(const char *s);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
char *__wrap_strdup(const char *s);

static unsigned fail_at;	/* 0: none */
static unsigned seen;
static bool armed;

/* Is this allocation to fail? The simulator's own are made with the bus locked: they never do. */
static bool fails(void)
{
	if (!armed || pthread_mutex_trylock(&fake.lock) != 0)
		return false;
	pthread_mutex_unlock(&fake.lock);
	return ++seen == fail_at;
}

void *__wrap_malloc(size_t n)
{
	return fails() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t n)
{
	return fails() ? NULL : __real_realloc(p, n);
}

char *__wrap_strdup(const char *s)
{
	return fails() ? NULL : __real_strdup(s);
}

#define PLAIN "reader r\nslots = 2\nbusy = 2\nserial = 17\nrates = 10752,86021\ncard 0 = t1\ncard 1 = t1\n"
#define PINPAD "reader r\npinpad = 3\nlevel = extended\nfeatures = 0x000404FA\nproduct = 0e5c\ncard 0 = pinpad\n"
#define ICC_A "reader a\niccd = a\ncard 0 = t0\n"
#define ICC_B "reader b\niccd = b\nfeatures = 0x000404F2\ncard 0 = t1\n"
#define GEMPC "reader g\nfrom = GemPCTwin\nlevel = tpdu\ncard 0 = t1\n"

static const char *const readers[] = { PLAIN, PINPAD, ICC_A, ICC_B, GEMPC };

#define READERS (sizeof readers / sizeof readers[0])

static void one_slot(DWORD lun, bool *fine)
{
	UCHAR out[300], atr[MAX_ATR_SIZE];
	DWORD n = sizeof atr;

	*fine &= IFDHPowerICC(lun, IFD_POWER_UP, atr, &n) == IFD_SUCCESS;
	*fine &= rig_echo(lun, 1, 150) == IFD_SUCCESS;
	*fine &= IFDHICCPresence(lun) == IFD_ICC_PRESENT;
	*fine &= IFDHControl(lun, CM_IOCTL_GET_FEATURE_REQUEST, NULL, 0, out, sizeof out, &n) == IFD_SUCCESS;
	*fine &= IFDHPowerICC(lun, IFD_POWER_DOWN, atr, &n) == IFD_SUCCESS;
}

/* All that a reader is used for; true when all of it succeeded. */
static bool session(unsigned which)
{
	bool fine = rig_open(0, 0, 0) == IFD_SUCCESS, second = which == 0;

	if (!fine)
		return false;
	second = second && rig_open(1, 0, 0) == IFD_SUCCESS;
	fine &= which != 0 || second;
	one_slot(0, &fine);
	if (second) {
		one_slot(1, &fine);
		assert_int_equal(IFDHCloseChannel(1), IFD_SUCCESS);
	}
	assert_int_equal(IFDHCloseChannel(0), IFD_SUCCESS);
	return fine;
}

static void nothing_alive(void)
{
	struct fake_counts c = fake_usb_counts();

	assert_int_equal(c.contexts + c.handles + c.transfers + c.submitted + c.nodes + c.device_refs + c.claims, 0);
}

/* What fails is armed by `arm` for the nth time, until two sessions went through untouched. */
static void fail_each(void (*arm)(unsigned nth), bool (*struck)(void))
{
	for (unsigned r = 0; r < READERS; r++) {
		unsigned failures = 0;
		bool all = false;

		rig_start(FAKE_VIRTUAL, readers[r]);
		if (!session(r))
			fail_msg("reader %u does not work at all", r);
		for (unsigned nth = 1; !all; nth++) {
			failures = nth - 1;
			assert_true(nth < 1000);
			arm(nth);
			(void)session(r);
			all = !struck();
			arm(0);
			nothing_alive();
			rig_pardon();
			if (!session(r))
				fail_msg("reader %u: does not work after failure %u", r, nth);
			nothing_alive();
			rig_pardon();
		}
		/* it did strike, and often */
		assert_true(failures >= 3);
		rig_stop();
	}
}

static void arm_malloc(unsigned nth)
{
	fail_at = nth;
	seen = 0;
	armed = nth > 0;
}

static bool malloc_struck(void)
{
	return seen >= fail_at;
}

static void row_27_no_memory(void **state)
{
	(void)state;
	fail_each(arm_malloc, malloc_struck);
}

static unsigned counted, wanted;

static void arm_transfer(unsigned nth)
{
	counted = fake_usb_counts().total_allocs;
	wanted = nth;
	fake_usb_fail_alloc(nth);
}

static bool transfer_struck(void)
{
	return fake_usb_counts().total_allocs - counted >= wanted;
}

static void row_27_no_transfers(void **state)
{
	(void)state;
	fail_each(arm_transfer, transfer_struck);
}

static void arm_submit(unsigned nth)
{
	counted = fake_usb_counts().total_submits;
	wanted = nth;
	fake_usb_fail_submit(nth, nth & 1 ? LIBUSB_ERROR_NO_MEM : LIBUSB_ERROR_IO);
}

static bool submit_struck(void)
{
	return fake_usb_counts().total_submits - counted >= wanted;
}

static void row_27_no_submissions(void **state)
{
	(void)state;
	fail_each(arm_submit, submit_struck);
}

static int teardown(void **state)
{
	armed = false;
	fake_usb_fail_alloc(0);
	fake_usb_fail_submit(0, 0);
	return rig_teardown(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(row_27_no_memory, teardown),
		cmocka_unit_test_teardown(row_27_no_transfers, teardown),
		cmocka_unit_test_teardown(row_27_no_submissions, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
