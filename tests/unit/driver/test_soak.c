/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Everything at once, in real time: a rack of readers, with a client and a polling thread for each slot, and a thread
 * that unplugs, resets and closes readers, powers cards down, takes them out and makes readers faulty. No answer may be
 * wrong and no thread may hang; in the end every slot works, nothing is left, and nothing has grown.
 *	SOAK_SECONDS=600 ./test_soak [TEST]	longer than the few seconds of make check, in rounds of a minute */
#include "driver_actor.h"

#include "fake/fake_serial.h"

#include <dirent.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define PLACES 128u
#define DEVICES 32u
#define ROUND_S 60u
#define HANGS_S 240u		/* longer than any command may take */
#define LINES 80u		/* of a device's trace, shown when an answer is wrong */
#define LINE 100u
#define SLACK 131072u		/* bytes that the C library keeps at hand for its threads */

struct soak_rack {
	const char *text;
	const char *serial[4];	/* types of serial readers beside them */
	bool faults;
};

/* Beside them USB ICCs, which answer on the control pipe. */
static const struct soak_rack slots_96 = {
	"reader bank\ncopies = 12\nslots = 8\nbusy = 8\nusb_us = 20\n"
	"card 0 = t1 time_us=500\ncard 1 = t0 time_us=500\ncard 2 = t1crc\ncard 3 = t0t1 time_us=2000\n"
	"card 4 = t1small\ncard 5 = t0\ncard 6 = t1 time_us=5000\ncard 7 = t0t1\n"
	"reader iccd\nfrom = e-gate\ncopies = 4\ncard 0 = t0\n"
	"reader iccd_2\nfrom = Aktiv_Rutoken_Magistra\ncopies = 4\ncard 0 = t1\n",
	{ NULL }, false,
};

#define TWO "card 0 = t1\ninterface = 1\ncard 0 = t0\n"
#define PINPAD(nr) "reader pinpad_" nr "\nfrom = CardMan3821\n"

static const struct soak_rack kinds_24 = {
	"reader tpdu\nfrom = GemPCTwin\ncard 0 = t1 time_us=500\n"
	"reader tpdu_2\nfrom = GemPCTwin\ncard 0 = t0 nulls=2\n"
	"reader tpdu_3\nfrom = GemPCTwin\ncard 0 = t1crc\n"
	"reader char\nfrom = Winbond\ncard 0 = t0 ack=mixed\n"
	"reader char_2\nfrom = Winbond\ncard 0 = t1\n"
	"reader char_3\nfrom = Oz776S\ncard 0 = t0\n"
	"reader short\nfrom = ACS_ACR3901U_ICC_Reader\ncard 0 = t0\n"
	"reader short_2\nfrom = ACS_ACR3901U_ICC_Reader\ncard 0 = t1\n"
	"reader extended\nfrom = AU9540\ncard 0 = t0\n"
	"reader extended_2\nfrom = AU9540\ncard 0 = t1\n"
	"reader extended_3\nfrom = Fsij_gnuk\ncard 0 = t1\n"
	"reader iccd_3\nfrom = e-gate\ncard 0 = t0\n"
	"reader iccd_4\nfrom = BIFIT_iBank2key\ncard 0 = t0 nulls=2\n"
	"reader iccd_5\nfrom = Aktiv_Rutoken_Magistra\ncard 0 = t1\n"
	"reader iccd_6\nfrom = Philips_SmartMX\nlevel = extended\nmaxlen = 64\ncard 0 = t1\n"
	"reader bank_2\nslots = 8\nbusy = 8\ncard 0 = t1\ncard 1 = t0\ncard 2 = t1small\ncard 3 = t0t1 time_us=2000\n"
	"card 4 = t1crc\ncard 5 = t0\ncard 6 = t1 time_us=5000\ncard 7 = t1\n"
	"reader bank_3\nslots = 3\nbusy = 1\ncard 0 = t1\ncard 1 = t0\ncard 2 = t1\n"
	PINPAD("1") "features = 0x00010230\ncard 0 = t1 pin=1234 tries=15\n"
	PINPAD("2") "card 0 = t1 pin=1234 tries=15\n"
	PINPAD("3") "level = extended\ncard 0 = t0 pin=1234 tries=15\n"
	"reader composite\nfrom = HID_OMNIKEY_5422\n" TWO
	"reader composite_2\nfrom = Feitian_R502\n" TWO "interface = 2\ncard 0 = t1\ninterface = 3\ncard 0 = t1\n",
	{ "GemPCTwin", "GemCoreSIMPro2" }, true,
};

/* Faults that the driver can notice. Those that the wire has no check for (bytes of a T=0 card, a
 * length that is too short, a part that is lost) would make a wrong answer look right, and are left
 * out. The simulator refuses faults that a reader cannot have. */
static const char *const message_faults[] = {
	"wrong-slot value=255", "wrong-seq", "stale value=3", "duplicate", "wrong-type", "length-more",
	"padded", "late-answer ms=600", "slow-answer ms=300", "time-extension",
	"error", "error value=0xFD", "error-status", "status-byte", "atr-empty", "atr-truncated", "atr-tds",
	"pin-short", "pin-cancelled", "pin-timeout", "pin-wtx value=3", "t1-bad-edc", "t1-bad-ns", "t1-cut",
	"t1-empty", "t1-mute", "t1-resynch", "t1-abort", "t1-r-block", "t0-null", "t0-mute",
};
static const char *const usb_faults[] = {
	"silent", "silent msg=62", "zero-length", "short-answer", "overflow", "in-stall", "in-error", "no-zlp",
	"out-stall", "out-error", "out-nak", "unplug", "unplug-control", "control-stall", "rates-stall",
	"chain-tiny count=20", "iccd-empty", "iccd-poll", "iccd-type", "intr-short", "intr-long",
	"intr-unknown", "intr-overflow", "intr-stall", "intr-flood value=1000", "hardware-error",
};
static const char *const line_faults[] = {
	"bad-lrc count=2", "nak count=2", "garbage count=2", "too-long count=1", "half count=1",
	"silence count=2",
};

/* One slot of a reader, which is an interface of a device or a serial line. */
static struct place {
	unsigned device, iface, slot;	/* device: serial lines come behind the USB devices */
	unsigned char number;		/* bInterfaceNumber */
	bool pinpad, iccd;		/* a USB ICC is its own card */
	DWORD protocol;			/* of its card, once that is known; atomic */
	unsigned progress;
	struct actor actor;
} places[PLACES];

static struct soak {
	bool faults;
	int stop;
	unsigned n_places, n_usb, n_devices, round;
	unsigned long good, failed, wrong, pins, opened, events, armed;
	struct trace {			/* under the bus lock */
		struct sim_dev *dev;
		char line[LINES][LINE];
		unsigned next;
	} trace[DEVICES];
	pthread_mutex_t plug[DEVICES];	/* held while a reader is out, and while its name is asked for */
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

/* --- clients --- */

static bool open_place(const struct place *p)
{
	char name[80];

	pthread_mutex_lock(&soak.plug[p->device]);
	if (p->device < soak.n_usb)
		fake_usb_name(p->device, p->number, name, sizeof name);
	else
		fake_serial_name(p->device - soak.n_usb, name, sizeof name);
	pthread_mutex_unlock(&soak.plug[p->device]);
	return IFDHCreateChannelByName(p->actor.lun, name) == IFD_SUCCESS;
}

static enum act power(struct place *p)
{
	enum act a = actor_power(&p->actor);

	if (a == ACT_FINE)
		__atomic_store_n(&p->protocol, p->actor.protocol, __ATOMIC_RELAXED);
	return a;
}

/* One action of an application. */
static enum act one(struct place *p, unsigned *seed)
{
	enum act a;

	switch (draw(seed, 16)) {
	case 0:
		IFDHICCPresence(p->actor.lun);
		return actor_touch(&p->actor);
	case 1:
		return actor_ask(&p->actor);
	case 2:
		return power(p);
	case 3:
		return actor_read(&p->actor, 1 + draw(seed, 250));
	case 4:
		return actor_write(&p->actor, 1 + draw(seed, 250));
	case 5:
		/* an APDU that the level or the protocol does not take is refused, without further
		 * harm */
		a = actor_echo(&p->actor, 256 + draw(seed, 1500));
		return a == ACT_WRONG ? a : ACT_FINE;
	case 6:
		a = p->pinpad ? actor_pin(&p->actor, draw(seed, 2)) : ACT_FINE;
		if (p->pinpad && a == ACT_FINE)
			count(&soak.pins);
		return a;
	default:
		return actor_echo(&p->actor, 1 + draw(seed, 180));
	}
}

/* With the bus locked. */
static void note(struct trace *t, uint64_t now, const char *text)
{
	snprintf(t->line[t->next++ % LINES], LINE, "%llu.%03llu %s", (unsigned long long)(now / 1000000000u),
		 (unsigned long long)(now / 1000000u % 1000u), text);
}

static void hear(void *user, uint64_t now, const char *text)
{
	struct trace *t = user;

	note(t, now, text);
	actor_hears(t->dev, now, text);
}

static void complain(const struct place *p)
{
	const struct trace *t = &soak.trace[p->device];

	fake_usb_lock();
	print_message("wrong: device %u interface %u slot %u: %02X%02X.. is answered %02X%02X%02X.. after\n",
		      p->device, p->number, p->slot, p->actor.command[0], p->actor.command[1],
		      p->actor.answer[0], p->actor.answer[1], p->actor.answer[2]);
	for (unsigned i = t->next > LINES ? t->next - LINES : 0; i < t->next; i++)
		print_message("\t%s\n", t->line[i % LINES]);
	fake_usb_unlock();
}

static void *client(void *arg)
{
	struct place *p = arg;
	unsigned seed = (unsigned)(p - places) + 1000 * soak.round;

	while (!over()) {
		bool ok = open_place(p) && count(&soak.opened) && power(p) == ACT_FINE;

		for (unsigned i = draw(&seed, 200); ok && i > 0 && !over(); i--) {
			enum act a = one(p, &seed);

			if (a == ACT_WRONG)
				complain(p);
			ok = a == ACT_FINE;
			count(ok ? &soak.good : a == ACT_FAILED ? &soak.failed : &soak.wrong);
			__atomic_add_fetch(&p->progress, 1, __ATOMIC_RELAXED);
		}
		IFDHCloseChannel(p->actor.lun);
		__atomic_add_fetch(&p->progress, 1, __ATOMIC_RELAXED);
		if (!ok)
			nap_ms(5);
	}
	return NULL;
}

/* pcscd's polling thread, and its stop on every disconnect. */
static void *poller(void *arg)
{
	struct place *p = arg;
	unsigned seed = (unsigned)(p - places) + 77;
	DWORD lun = p->actor.lun;

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

/* --- the actor that causes faults --- */

/* With the bus locked. */
static struct sim_dev *device(unsigned nr)
{
	return nr < soak.n_usb ? fake_usb_dev(nr) : sim_serial_device(fake_serial_reader(nr - soak.n_usb));
}

static bool fault(unsigned nr, const char *spec)
{
	char err[200];
	bool ok;

	fake_usb_lock();
	ok = nr < soak.n_usb ? sim_dev_fault(fake_usb_dev(nr), spec, err, sizeof err) :
			       sim_serial_fault(fake_serial_reader(nr - soak.n_usb), spec, err, sizeof err);
	if (ok)
		note(&soak.trace[nr], clock_now(), spec);
	fake_usb_unlock();
	return ok;
}

static const char *any_fault(bool line, unsigned *seed)
{
	unsigned i = draw(seed, COUNT(message_faults) + (line ? COUNT(line_faults) : COUNT(usb_faults)));

	if (i < COUNT(message_faults))
		return message_faults[i];
	i -= COUNT(message_faults);
	return line ? line_faults[i] : usb_faults[i];
}

/* Inserts a card of the same protocol as the last one. */
static void insert(const struct place *p)
{
	bool t0 = __atomic_load_n(&p->protocol, __ATOMIC_RELAXED) == SCARD_PROTOCOL_T0;
	char err[100];

	fake_usb_lock();
	sim_dev_insert(device(p->device), p->iface, p->slot, t0 ? "t0 pin=1234 tries=15" : "t1 pin=1234 tries=15",
		       clock_now(), err, sizeof err);
	fake_usb_unlock();
}

static void swap_card(const struct place *p)
{
	if (__atomic_load_n(&p->protocol, __ATOMIC_RELAXED) == 0 || p->iccd)
		return;
	fake_usb_lock();
	sim_dev_remove(device(p->device), p->iface, p->slot, clock_now());
	fake_usb_unlock();
	nap_ms(10);
	insert(p);
}

/* Powers the card down, as pcscd does when the last application has disconnected. */
static void power_down(const struct place *p)
{
	UCHAR atr[MAX_ATR_SIZE];
	DWORD n = sizeof atr;

	IFDHPowerICC(p->actor.lun, IFD_POWER_DOWN, atr, &n);
}

/* Unplugs the device and plugs it in again, and does what pcscd does then. */
static void replug(unsigned nr)
{
	UCHAR one_byte = 1;

	if (nr >= soak.n_usb)
		return;
	pthread_mutex_lock(&soak.plug[nr]);
	fake_usb_unplug(nr);
	for (unsigned i = 0; i < soak.n_places; i++) {
		if (places[i].device != nr)
			continue;
		IFDHSetCapabilities(places[i].actor.lun, TAG_IFD_DEVICE_REMOVED, 1, &one_byte);
		IFDHCloseChannel(places[i].actor.lun);
	}
	nap_ms(10);
	fake_usb_plug(nr);
	pthread_mutex_unlock(&soak.plug[nr]);
}

static void *chaos(void *arg)
{
	unsigned seed = 4711 + soak.round;

	(void)arg;
	while (!over()) {
		const struct place *p = &places[draw(&seed, soak.n_places)];

		switch (draw(&seed, soak.faults ? 9 : 5)) {
		case 0: replug(p->device); break;
		case 1: p->device < soak.n_usb ? fake_usb_reset(p->device) : (void)0; break;
		case 2: swap_card(p); break;
		case 3: IFDHCloseChannel(p->actor.lun); break;
		case 4: power_down(p); break;
		case 5: fault(p->device, "clear"); break;
		default:
			if (fault(p->device, any_fault(p->device >= soak.n_usb, &seed)))
				count(&soak.armed);
		}
		count(&soak.events);
		nap_ms(draw(&seed, 40));
	}
	return NULL;
}

/* --- the rack --- */

static void add_places(unsigned nr, DWORD *reader)
{
	const struct sim_dev *d = device(nr);

	for (unsigned i = 0; i < sim_dev_interfaces(d); i++, ++*reader) {
		for (unsigned k = 0; k < sim_dev_slots(d, i); k++) {
			struct place *p = &places[soak.n_places++];

			assert_true(soak.n_places <= PLACES);
			memset(p, 0, sizeof *p);
			p->device = nr;
			p->iface = i;
			p->slot = k;
			p->number = (unsigned char)sim_dev_interface_number(d, i);
			p->iccd = strcmp(sim_dev_name(d), "iccd") == 0;
			p->pinpad = strcmp(sim_dev_name(d), "pinpad") == 0;
			p->actor.lun = *reader << 16 | k;
			p->actor.tag = soak.n_places << 16;
		}
	}
}

static void start_rack(const struct soak_rack *r)
{
	static const char *const cards[] = { "t1", "t0" };
	DWORD reader = 0;
	char err[200];

	fixture_start(FAKE_REAL, r->text);
	soak.faults = r->faults;
	soak.n_places = soak.n_usb = 0;
	while (fake_usb_dev(soak.n_usb))
		soak.n_usb++;
	soak.n_devices = soak.n_usb;
	for (unsigned i = 0; i < COUNT(r->serial) && r->serial[i]; i++, soak.n_devices++)
		assert_int_equal(fake_serial_add(r->serial[i], cards, 1, err, sizeof err), i);
	assert_true(soak.n_devices <= DEVICES);
	for (unsigned i = 0; i < soak.n_devices; i++) {
		pthread_mutex_init(&soak.plug[i], NULL);
		add_places(i, &reader);
		fake_usb_lock();
		soak.trace[i].dev = device(i);
		sim_dev_trace(device(i), hear, &soak.trace[i]);
		fake_usb_unlock();
	}
}

/* Faults are cleared and readers unplugged: calls that still run end at once. */
static void calm_down(void)
{
	for (unsigned i = 0; i < soak.n_devices; i++) {
		fault(i, "clear");
		if (i < soak.n_usb)
			fake_usb_unplug(i);
	}
}

/* Every slot works after the faults have ended. */
static void every_slot_works(void)
{
	for (unsigned i = 0; i < soak.n_usb; i++)
		fake_usb_plug(i);
	for (unsigned i = 0; i < soak.n_places; i++) {
		struct place *p = &places[i];
		bool has_card;

		fake_usb_lock();
		has_card = sim_dev_has_card(device(p->device), p->iface, p->slot);
		fake_usb_unlock();
		if (!has_card && p->device >= soak.n_usb)
			continue;	/* the line's empty slots */
		if (!has_card)
			insert(p);
		if (!open_place(p) || power(p) != ACT_FINE || actor_echo(&p->actor, 100) != ACT_FINE)
			fail_msg("device %u interface %u slot %u does not work afterwards", p->device, p->number,
				 p->slot);
	}
	for (unsigned i = 0; i < soak.n_places; i++)
		IFDHCloseChannel(places[i].actor.lun);
}

/* Every client must make progress within each round of a minute. */
static void watch(unsigned s)
{
	sleep(s);
	for (unsigned i = 0; s >= ROUND_S && i < soak.n_places; i++) {
		unsigned now = __atomic_load_n(&places[i].progress, __ATOMIC_RELAXED);

		if (now == 0)
			fail_msg("slot %u of device %u hangs", places[i].slot, places[i].device);
	}
}

static void one_round(const struct soak_rack *r, unsigned s)
{
	static pthread_t threads[2 * PLACES + 1];

	start_rack(r);
	soak.stop = 0;
	for (unsigned i = 0; i < soak.n_places; i++) {
		pthread_create(&threads[2 * i], NULL, client, &places[i]);
		pthread_create(&threads[2 * i + 1], NULL, poller, &places[i]);
	}
	pthread_create(&threads[2 * soak.n_places], NULL, chaos, NULL);
	watch(s);
	__atomic_store_n(&soak.stop, 1, __ATOMIC_RELEASE);
	alarm(HANGS_S);
	pthread_join(threads[2 * soak.n_places], NULL);
	calm_down();
	for (unsigned i = 0; i < 2 * soak.n_places; i++)
		pthread_join(threads[i], NULL);
	every_slot_works();
	alarm(0);
	assert_int_equal(fake_serial_open_lines(), 0);
	fake_serial_end();
	fixture_pardon();	/* clients that do not know yet what happened to their card */
	fixture_stop();
}

/* --- resources that must not grow --- */

struct held {
	size_t heap;
	unsigned descriptors, threads;
};

/* A sanitizer's own count, in a build with one. */
size_t __sanitizer_get_current_allocated_bytes(void) __attribute__((weak));

static size_t heap_in_use(void)
{
	if (__sanitizer_get_current_allocated_bytes)
		return __sanitizer_get_current_allocated_bytes();
#ifdef __GLIBC_PREREQ
#if __GLIBC_PREREQ(2, 33)
	return mallinfo2().uordblks + mallinfo2().hblkhd;
#endif
#endif
	return 0;
}

static unsigned entries(const char *path)
{
	DIR *d = opendir(path);
	unsigned n = 0;
	const struct dirent *e;

	while (d && (e = readdir(d)))
		n += e->d_name[0] != '.';
	if (d)
		closedir(d);
	return n;
}

static struct held held_now(void)
{
	return (struct held){ heap_in_use(), entries("/proc/self/fd"), entries("/proc/self/task") };
}

static unsigned seconds(void)
{
	const char *text = getenv("SOAK_SECONDS");

	return text ? (unsigned)atoi(text) : 3;
}

static void rounds(const struct soak_rack *r)
{
	unsigned n = seconds() / ROUND_S > 3 ? seconds() / ROUND_S : 3, each = seconds() / n;
	struct held first = { 0, 0, 0 };

	memset(&soak, 0, sizeof soak);
	for (soak.round = 0; soak.round < n; soak.round++) {
		struct held h;

		one_round(r, each ? each : 1);
		h = held_now();
		if (soak.round == 0)
			first = h;
		print_message("round %u: %lu good, %lu PINs, %lu failed, %lu wrong; %lu opened, %lu events, "
			      "%lu faults; %zu bytes, %u descriptors, %u threads\n", soak.round + 1, soak.good,
			      soak.pins, soak.failed, soak.wrong, soak.opened, soak.events, soak.armed, h.heap,
			      h.descriptors, h.threads);
		assert_int_equal(soak.wrong, 0);
		/* a sanitizer counts what the program has, the C library also what it keeps */
		assert_true(h.heap <= first.heap + (__sanitizer_get_current_allocated_bytes ? 0 : SLACK));
		assert_int_equal(h.descriptors, first.descriptors);
		assert_int_equal(h.threads, first.threads);
	}
	assert_true(soak.good > 100);
}

static void a_rack_of_96_slots_under_faults(void **state)
{
	(void)state;
	rounds(&slots_96);
}

static void readers_of_24_kinds_under_faults(void **state)
{
	(void)state;
	rounds(&kinds_24);
}

static int teardown(void **state)
{
	fixture_teardown(state);
	fake_serial_end();
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(a_rack_of_96_slots_under_faults, teardown),
		cmocka_unit_test_teardown(readers_of_24_kinds_under_faults, teardown),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
