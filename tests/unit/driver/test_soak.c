/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Everything at once, in real time: a rack of readers, a client and a polling thread a slot, and somebody who
 * unplugs, resets and closes readers and takes cards out all the while. No answer may be another
 * command's, nobody may hang, and nothing may be left in the end.
 *	SOAK_SECONDS=600 ./test_soak	longer than the few seconds of make check */
#include "driver_rig.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define READERS 12u
#define SLOTS 8u
#define ALL (READERS * SLOTS)
#define STUCK_S 60u

static const char reader_text[] =
	"reader bank\ncopies = 12\nslots = 8\nbusy = 8\nusb_us = 20\n"
	"card 0 = t1 time_us=500\ncard 1 = t0 time_us=500\ncard 2 = t1crc\ncard 3 = t0t1 time_us=2000\n"
	"card 4 = t1small\ncard 5 = t0\ncard 6 = t1 time_us=5000\ncard 7 = t0t1\n";

static struct soak {
	int stop;
	unsigned long good, failed, wrong, opened, events;
	unsigned progress[ALL];
	pthread_mutex_t plug[READERS];	/* held while a reader is out, and while its name is asked for */
} soak;

static unsigned long count(unsigned long *what)
{
	return __atomic_add_fetch(what, 1, __ATOMIC_RELAXED);
}

static bool over(void)
{
	return __atomic_load_n(&soak.stop, __ATOMIC_ACQUIRE);
}

static void nap_ms(unsigned ms)
{
	clock_sleep_until(clock_now() + ms * UINT64_C(1000000));
}

static unsigned draw(unsigned *seed, unsigned n)
{
	*seed = *seed * 1103515245u + 12345u;
	return (*seed >> 16) % n;
}

/* One ECHO; wrong bytes are counted, errors are part of life. */
static bool echo(DWORD lun, unsigned tag, size_t len)
{
	uint8_t apdu[5 + 200] = { 0x80, 0x16, 0x00, 0x00, (uint8_t)len };
	uint8_t get[5] = { 0x00, 0xC0, 0x00, 0x00, 0x00 }, out[300];
	size_t n, apdu_len = 5 + len;

	for (size_t i = 0; i < len; i++)
		apdu[5 + i] = (uint8_t)(tag * 131u + i * 7u + (tag >> 8));
	apdu[apdu_len] = 0;
	if (rig_apdu(lun, apdu, apdu_len + 1, out, sizeof out, &n) != IFD_SUCCESS)
		return false;
	if (n == 2 && out[0] == 0x61) {
		get[4] = out[1];
		if (rig_apdu(lun, get, sizeof get, out, sizeof out, &n) != IFD_SUCCESS)
			return false;
	}
	if (n == len + 2 && memcmp(out, apdu + 5, len) == 0 && out[len] == 0x90)
		return true;
	/* A card that was reset in between has nothing to give for GET RESPONSE: a status word. */
	if (n != 2)
		count(&soak.wrong);
	return false;
}

static bool begin(unsigned index)
{
	unsigned reader = index / SLOTS;
	DWORD lun = (DWORD)reader << 16 | index % SLOTS;
	DWORD protocol = index % SLOTS == 1 || index % SLOTS == 5 ? SCARD_PROTOCOL_T0 : SCARD_PROTOCOL_T1;
	char name[80];

	pthread_mutex_lock(&soak.plug[reader]);
	fake_usb_name(reader, 0, name, sizeof name);
	pthread_mutex_unlock(&soak.plug[reader]);
	if (IFDHCreateChannelByName(lun, name) != IFD_SUCCESS)
		return false;
	count(&soak.opened);
	return rig_power(lun) == IFD_SUCCESS &&
	       IFDHSetProtocolParameters(lun, protocol, 0, 0, 0, 0) == IFD_SUCCESS;
}

static void *client(void *arg)
{
	unsigned index = (unsigned)(size_t)arg, seed = index + 1, tag = index << 16;
	DWORD lun = (DWORD)(index / SLOTS) << 16 | index % SLOTS;

	while (!over()) {
		bool ok = begin(index);

		for (unsigned i = draw(&seed, 200); ok && i > 0 && !over(); i--) {
			ok = echo(lun, tag++, 1 + draw(&seed, 180));
			count(ok ? &soak.good : &soak.failed);
			if (i % 16 == 0)
				IFDHICCPresence(lun);
			__atomic_add_fetch(&soak.progress[index], 1, __ATOMIC_RELAXED);
		}
		IFDHCloseChannel(lun);
		__atomic_add_fetch(&soak.progress[index], 1, __ATOMIC_RELAXED);
		if (!ok)
			nap_ms(5);
	}
	return NULL;
}

/* pcscd's polling thread, and its stop on every disconnect. */
static void *poller(void *arg)
{
	unsigned index = (unsigned)(size_t)arg, seed = index + 77;
	DWORD lun = (DWORD)(index / SLOTS) << 16 | index % SLOTS;

	while (!over()) {
		RESPONSECODE (*poll)(DWORD, int) = NULL, (*halt)(DWORD) = NULL;
		DWORD len = sizeof poll;

		if (IFDHGetCapabilities(lun, TAG_IFD_POLLING_THREAD_WITH_TIMEOUT, &len, (PUCHAR)&poll) == IFD_SUCCESS)
			poll(lun, 100);
		else
			nap_ms(20);
		len = sizeof halt;
		if (draw(&seed, 4) == 0 &&
		    IFDHGetCapabilities(lun, TAG_IFD_STOP_POLLING_THREAD, &len, (PUCHAR)&halt) == IFD_SUCCESS)
			halt(lun);
	}
	return NULL;
}

static void swap_card(unsigned reader, unsigned slot)
{
	char err[100];

	fake_usb_lock();
	sim_dev_remove(fake_usb_dev(reader), 0, slot, clock_now());
	fake_usb_unlock();
	nap_ms(10);
	fake_usb_lock();
	sim_dev_insert(fake_usb_dev(reader), 0, slot, slot == 1 || slot == 5 ? "t0" : "t1", clock_now(), err,
		       sizeof err);
	fake_usb_unlock();
}

static void replug(unsigned reader)
{
	DWORD lun = (DWORD)reader << 16;
	UCHAR one = 1;

	pthread_mutex_lock(&soak.plug[reader]);
	fake_usb_unplug(reader);
	IFDHSetCapabilities(lun, TAG_IFD_DEVICE_REMOVED, 1, &one);
	for (DWORD i = 0; i < SLOTS; i++)
		IFDHCloseChannel(lun | i);
	nap_ms(10);
	fake_usb_plug(reader);
	pthread_mutex_unlock(&soak.plug[reader]);
}

static void *chaos(void *arg)
{
	unsigned seed = 4711;

	(void)arg;
	while (!over()) {
		unsigned reader = draw(&seed, READERS), slot = draw(&seed, SLOTS);

		switch (draw(&seed, 4)) {
		case 0: replug(reader); break;
		case 1: fake_usb_reset(reader); break;
		case 2: swap_card(reader, slot); break;
		case 3: IFDHCloseChannel((DWORD)reader << 16 | slot); break;
		}
		count(&soak.events);
		nap_ms(draw(&seed, 40));
	}
	return NULL;
}

static unsigned seconds(void)
{
	const char *text = getenv("SOAK_SECONDS");

	return text ? (unsigned)atoi(text) : 4;
}

/* Every client must get on; who stands still for a minute hangs. */
static void watch(void)
{
	static unsigned before[ALL];
	unsigned left = seconds(), since = 0;

	while (left-- > 0) {
		sleep(1);
		if (++since < STUCK_S)
			continue;
		since = 0;
		for (unsigned i = 0; i < ALL; i++) {
			unsigned now = __atomic_load_n(&soak.progress[i], __ATOMIC_RELAXED);

			if (now == before[i])
				fail_msg("slot %u of reader %u hangs", i % SLOTS, i / SLOTS);
			before[i] = now;
		}
	}
}

static void rack_under_siege(void **state)
{
	static pthread_t threads[2 * ALL + 1];

	(void)state;
	rig_start(FAKE_REAL, reader_text);
	for (unsigned i = 0; i < READERS; i++)
		pthread_mutex_init(&soak.plug[i], NULL);
	for (unsigned i = 0; i < ALL; i++) {
		pthread_create(&threads[2 * i], NULL, client, (void *)(size_t)i);
		pthread_create(&threads[2 * i + 1], NULL, poller, (void *)(size_t)i);
	}
	pthread_create(&threads[2 * ALL], NULL, chaos, NULL);
	watch();
	__atomic_store_n(&soak.stop, 1, __ATOMIC_RELEASE);
	for (unsigned i = 0; i < 2 * ALL + 1; i++)
		pthread_join(threads[i], NULL);
	for (DWORD i = 0; i < ALL; i++)
		IFDHCloseChannel(i / SLOTS << 16 | i % SLOTS);
	print_message("%lu good, %lu failed, %lu wrong answers, %lu slots opened, %lu events\n",
		      soak.good, soak.failed, soak.wrong, soak.opened, soak.events);
	assert_int_equal(soak.wrong, 0);
	assert_true(soak.good > 100);
	rig_pardon();	/* clients that do not know yet what happened to their card */
	rig_stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(rack_under_siege, rig_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
