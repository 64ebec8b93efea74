/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Everything at once on real libusb: a client and a polling thread for each of 96 slots and of some
 * USB ICCs, and a thread that unplugs, resets, closes and powers down, makes calls into usbfs fail,
 * or holds transfers back. No answer is wrong, no call hangs, and all slots work afterwards. To be
 * run in "ccid-sim run readers/usbfs_siege.sim", best with the thread sanitizer in the driver and
 * in libusb (HACKING.md). Prints TAP lines.
 *	SIEGE_SECONDS=600 usbfs_siege */
#include "usbfs_places.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define MANY_SLOTS 8u
#define HANGS_S 300u

/* One slot. */
struct seat {
	unsigned reader;
	DWORD lun;
	pthread_t client, poller;
	unsigned long good, failed;
};

static struct place readers[PLACES];
static pthread_mutex_t plug[PLACES];	/* for unplugging, and for reading the name */
static struct seat seats[PLACES];
static unsigned n_readers, n_seats;
static int over;			/* atomic */

static bool is_over(void)
{
	return __atomic_load_n(&over, __ATOMIC_ACQUIRE);
}

static unsigned draw(unsigned *seed, unsigned n)
{
	*seed = *seed * 1103515245u + 12345u;
	return (*seed >> 16) % n;
}

static struct place look(const struct seat *s)
{
	struct place p;

	pthread_mutex_lock(&plug[s->reader]);
	p = readers[s->reader];
	pthread_mutex_unlock(&plug[s->reader]);
	p.lun = s->lun;
	return p;
}

static void *client(void *arg)
{
	struct seat *s = arg;
	unsigned seed = (unsigned)(s - seats);

	while (!is_over()) {
		struct place p = look(s);
		bool ok = place_open(&p) == IFD_SUCCESS && place_set_up(&p) == IFD_SUCCESS;

		for (unsigned i = draw(&seed, 200); ok && i > 0 && !is_over(); i--) {
			ok = place_echo(&p, (uint8_t)i) == IFD_SUCCESS;
			if (ok && draw(&seed, 16) == 0)
				(void)IFDHICCPresence(p.lun);
			if (ok && draw(&seed, 64) == 0)
				ok = place_set_up(&p) == IFD_SUCCESS;
			s->good += ok;
		}
		s->failed += !ok;
		(void)IFDHCloseChannel(p.lun);
		if (!ok)
			usleep(5000);
	}
	return NULL;
}

/* pcscd's polling thread, and its stop. */
static void *poller(void *arg)
{
	const struct seat *s = arg;
	unsigned seed = (unsigned)(s - seats) + 77;

	while (!is_over()) {
		RESPONSECODE (*stop_poll)(DWORD);
		DWORD n = sizeof stop_poll;
		struct place p = look(s);

		place_poll(&p, 100);
		if (draw(&seed, 4) == 0 && IFDHGetCapabilities(s->lun, TAG_IFD_STOP_POLLING_THREAD, &n,
							       (PUCHAR)&stop_poll) == IFD_SUCCESS)
			(void)stop_poll(s->lun);
		usleep(1000);
	}
	return NULL;
}

/* --- the thread that disturbs --- */

static void simulator(const char *command, const char *name, unsigned nr)
{
	char line[200], copy[8] = "";

	if (nr > 0)
		snprintf(copy, sizeof copy, "-%u", nr + 1);
	snprintf(line, sizeof line, "\"$CCID_SIM\" %s %s%s", command, name, copy);
	if (system(line) != 0)
		printf("# %s\n", line);
}

/* Unplugs the reader, closes its slots as pcscd does, and plugs it in again. */
static void replug(unsigned reader)
{
	const char *name = reader < 12 ? "bank" : reader < 16 ? "icc-a" : "icc-b";
	unsigned nr = reader < 12 ? reader : (reader - 12) % 4;
	UCHAR one = 1;

	pthread_mutex_lock(&plug[reader]);
	simulator("unplug", name, nr);
	for (unsigned i = 0; i < n_seats; i++) {
		if (seats[i].reader != reader)
			continue;
		(void)IFDHSetCapabilities(seats[i].lun, TAG_IFD_DEVICE_REMOVED, 1, &one);
		(void)IFDHCloseChannel(seats[i].lun);
	}
	simulator("plug", name, nr);
	for (unsigned i = 0; i < 200 && !place_refresh(&readers[reader]); i++)
		usleep(10000);
	pthread_mutex_unlock(&plug[reader]);
}

static void fail_something(unsigned device, unsigned *seed)
{
	static const int errnos[] = { ENOMEM, EIO, ENODEV, EMFILE, EBUSY, EPROTO, EPIPE };
	static const enum hook_call calls[] = {
		HOOK_OPEN, HOOK_DISCONNECT_CLAIM, HOOK_RELEASE, HOOK_SUBMIT_CONTROL, HOOK_SUBMIT_IN, HOOK_SUBMIT_OUT,
		HOOK_SUBMIT_INTERRUPT, HOOK_DISCARD_LATE, HOOK_CLEAR_HALT, HOOK_END_IN, HOOK_END_OUT, HOOK_END_CONTROL,
	};

	hook_fail(device, calls[draw(seed, COUNT(calls))], errnos[draw(seed, COUNT(errnos))], 1 + draw(seed, 3));
}

static void power_down(DWORD lun)
{
	UCHAR atr[MAX_ATR_SIZE];
	DWORD n = sizeof atr;

	(void)IFDHPowerICC(lun, IFD_POWER_DOWN, atr, &n);
}

static unsigned torment(unsigned seconds)
{
	uint64_t end = place_ms() + seconds * UINT64_C(1000);
	unsigned seed = 4711, events = 0;

	while (place_ms() < end) {
		const struct seat *s = &seats[draw(&seed, n_seats)];
		struct place p = look(s);

		switch (draw(&seed, 7)) {
		case 0: replug(s->reader); break;
		case 1: (void)hook_reset(p.device); break;
		case 2: (void)IFDHCloseChannel(s->lun); break;
		case 3: power_down(s->lun); break;
		case 4: hook_hold(p.device); break;
		case 5: fail_something(p.device, &seed); break;
		default: hook_release(p.device);
		}
		events++;
		usleep(draw(&seed, 40) * 1000);
	}
	return events;
}

/* --- before and after --- */

static void sit_down(void)
{
	n_readers = places_find(readers, PLACES);
	for (unsigned r = 0; r < n_readers; r++) {
		unsigned slots = readers[r].product >= 0x0107 ? MANY_SLOTS : 1;

		pthread_mutex_init(&plug[r], NULL);
		for (unsigned k = 0; k < slots && n_seats < PLACES; k++)
			seats[n_seats++] = (struct seat){ .reader = r, .lun = (DWORD)r << 16 | k };
	}
}

static bool all_work(void)
{
	bool ok = true;

	for (unsigned i = 0; i < n_seats; i++) {
		struct place p = look(&seats[i]);
		RESPONSECODE rc = place_open(&p);

		for (unsigned k = 0; rc == IFD_SUCCESS && k < 3 && place_set_up(&p) != IFD_SUCCESS; k++)
			rc = k == 2 ? IFD_COMMUNICATION_ERROR : rc;
		if (rc != IFD_SUCCESS)
			printf("# %s, Lun %lX: does not work afterwards: %ld\n", p.port, (unsigned long)p.lun,
			       (long)rc);
		ok = ok && rc == IFD_SUCCESS;
	}
	for (unsigned i = 0; i < n_seats; i++)
		(void)IFDHCloseChannel(seats[i].lun);
	return ok;
}

int main(void)
{
	const char *text = getenv("SIEGE_SECONDS");
	unsigned long good = 0, failed = 0;
	unsigned events;

	sit_down();
	for (unsigned i = 0; i < n_seats; i++) {
		pthread_create(&seats[i].client, NULL, client, &seats[i]);
		pthread_create(&seats[i].poller, NULL, poller, &seats[i]);
	}
	events = torment(text ? (unsigned)atoi(text) : 5);
	alarm(HANGS_S);
	__atomic_store_n(&over, 1, __ATOMIC_RELEASE);
	for (unsigned d = 0; d < HOOK_DEVICES; d++)
		hook_release(d);
	for (unsigned i = 0; i < n_seats; i++) {
		pthread_join(seats[i].client, NULL);
		pthread_join(seats[i].poller, NULL);
		good += seats[i].good;
		failed += seats[i].failed;
	}
	printf("# %u slots of %u readers: %lu good, %lu failed, %u events\n", n_seats, n_readers, good, failed, events);
	printf("%s - usbfs: answers under siege\n", good > n_seats ? "ok" : "not ok");
	printf("%s - usbfs: all slots work afterwards\n", all_work() ? "ok" : "not ok");
	return 0;
}
