/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* src/slot/registry.c: Luns and readers that come and go, also during calls. */
#include "../driver/driver_fixture.h"

#include "slot/registry.h"
#include "transport/usb_device.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#define FOUR "slots = 4\nbusy = 2\ncard 0 = t1\ncard 1 = t1\ncard 2 = t0\ncard 3 = t1\n"
/* "At once" by the virtual clock. */
#define AT_ONCE_MS 100
/* "At once" by the machine's clock, which may be busy with other things; the waits are 20 s and
 * more. */
#define SOON_MS 5000

/* --- opening and closing --- */

static void nothing_alive(void)
{
	struct fake_counts c = fake_usb_counts();

	assert_int_equal(c.contexts + c.handles + c.transfers + c.submitted + c.nodes + c.device_refs + c.claims, 0);
}

/* Bytes in use, where the C library reports them. */
static size_t memory_in_use(void)
{
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 33)
	return mallinfo2().uordblks;
#else
	return 0;
#endif
}

static void a_thousand_openings_leave_nothing_behind(void **state)
{
	DWORD luns[8] = { 0, 1, 2, 3, 0x10000, 0x10001, 0x10002, 0x10003 };
	bool open[8] = { false };
	unsigned random = 7, n_open = 0, empty = 0;
	size_t used = 0;

	(void)state;
	fixture_start(FAKE_VIRTUAL, "reader a\n" FOUR "reader b\n" FOUR);
	for (unsigned i = 0; i < 4000 || n_open > 0; i++) {
		unsigned k;

		random = random * 1103515245u + 12345u;
		k = (random >> 16) % 8;
		if (i >= 4000 && !open[k])
			continue;
		if (open[k]) {
			FIXTURE_IS_FINE(IFDHCloseChannel(luns[k]));
			assert_int_equal(IFDHCloseChannel(luns[k]), IFD_NO_SUCH_DEVICE);
		} else {
			FIXTURE_IS_FINE(fixture_open(luns[k], k / 4, 0));
			if (i % 5 == 0)
				FIXTURE_IS_FINE(fixture_power(luns[k]));
		}
		open[k] = !open[k];
		n_open += open[k] ? 1 : -1u;
		if (n_open > 0)
			continue;
		nothing_alive();
		/* libraries keep some memory at first; afterwards nothing may grow */
		if (++empty == 5)
			used = memory_in_use();
	}
	assert_true(empty > 5);
	/* what malloc() keeps in its caches counts as used: it does not grow with the rounds */
	assert_true(memory_in_use() <= used + 8192);
	fixture_stop();
}

static void slots_of_one_reader_open_one_by_one(void **state)
{
	UCHAR n[1];
	DWORD len = 1;

	(void)state;
	fixture_start(FAKE_VIRTUAL, "reader a\n" FOUR);
	for (DWORD k = 0; k < 4; k++)
		FIXTURE_IS_FINE(fixture_open(0x20000 | k, 0, 0));
	assert_int_equal(fixture_open(0x20004, 0, 0), IFD_NO_SUCH_DEVICE);
	for (DWORD k = 0; k < 4; k++) {
		struct slot *s = registry_get(0x20000 | k);

		assert_int_equal(s->number, k);
		registry_put(s);
	}
	FIXTURE_IS_FINE(IFDHGetCapabilities(0x20001, TAG_IFD_SLOTS_NUMBER, &len, n));
	assert_int_equal(n[0], 4);
	assert_int_equal(fake_usb_counts().handles, 1);
	FIXTURE_IS_FINE(IFDHCloseChannel(0x20000));
	FIXTURE_IS_FINE(fixture_power(0x20003));
	FIXTURE_IS_FINE(fixture_echo(0x20003, 1, 10));
	for (DWORD k = 1; k < 4; k++)
		FIXTURE_IS_FINE(IFDHCloseChannel(0x20000 | k));
	fixture_stop();
}

static void wrong_names_and_open_luns_are_refused(void **state)
{
	(void)state;
	fixture_start(FAKE_VIRTUAL, "reader a\nreader b\n");
	FIXTURE_IS_FINE(fixture_open(0, 0, 0));
	assert_int_not_equal(fixture_open(0, 1, 0), IFD_SUCCESS);
	assert_int_equal(fixture_log_count("is open already"), 1);
	assert_int_equal(fixture_open(1, 1, 5), IFD_NO_SUCH_DEVICE);
	assert_int_not_equal(IFDHCreateChannelByName(1, (char[]){ "usb:nonsense" }), IFD_SUCCESS);
	assert_int_equal(IFDHCreateChannelByName(1, (char[]){ "usb:1234/5678:libudev:0:/dev/bus/usb/001/099" }),
			 IFD_NO_SUCH_DEVICE);
	/* without a name: the first reader that is free */
	FIXTURE_IS_FINE(IFDHCreateChannel(0x10000, 0));
	assert_int_equal(IFDHCreateChannel(0x20000, 0), IFD_NO_SUCH_DEVICE);
	assert_int_equal(fake_usb_counts().handles, 2);
	FIXTURE_IS_FINE(IFDHCloseChannel(0));
	FIXTURE_IS_FINE(IFDHCloseChannel(0x10000));
	fixture_stop();
}

static unsigned address_of(DWORD lun, unsigned *number)
{
	struct slot *s = registry_get(lun);
	unsigned address;

	assert_non_null(s);
	address = s->reader->transport->address;
	*number = s->number;
	registry_put(s);
	return address;
}

/* Without a node in the name: first the free slots of the reader that is open, then the next reader. */
static void a_name_without_a_node_is_the_next_free_slot(void **state)
{
	static const struct {
		DWORD lun;
		unsigned address, number;
	} want[] = { { 0x00000, 2, 0 }, { 0x00001, 2, 1 }, { 0x10000, 3, 0 }, { 0x10001, 3, 1 } };
	char name[] = "usb:1111/0001";
	unsigned number = 9;

	(void)state;
	fixture_start(FAKE_VIRTUAL, "reader a\nvendor = 1111\nproduct = 0001\nslots = 2\ncopies = 2\n"
		  "reader b\nvendor = 2222\nproduct = 0002\n");
	for (unsigned i = 0; i < 4; i++) {
		FIXTURE_IS_FINE(IFDHCreateChannelByName(want[i].lun, name));
		assert_int_equal(address_of(want[i].lun, &number), want[i].address);
		assert_int_equal(number, want[i].number);
	}
	assert_int_equal(fake_usb_counts().handles, 2);
	assert_int_equal(IFDHCreateChannelByName(0x20000, name), IFD_NO_SUCH_DEVICE);
	FIXTURE_IS_FINE(IFDHCreateChannelByName(0x20000, (char[]){ "usb:2222/0002" }));
	assert_int_equal(address_of(0x20000, &number), 4);
	/* a closed slot can be opened again, under its own Lun or another one */
	FIXTURE_IS_FINE(IFDHCloseChannel(0x00001));
	FIXTURE_IS_FINE(IFDHCreateChannelByName(0x30000, name));
	assert_int_equal(address_of(0x30000, &number), 2);
	assert_int_equal(number, 1);
	FIXTURE_IS_FINE(IFDHCloseChannel(0x30000));
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(IFDHCloseChannel(want[i].lun), i == 1 ? IFD_NO_SUCH_DEVICE : IFD_SUCCESS);
	FIXTURE_IS_FINE(IFDHCloseChannel(0x20000));
	fixture_stop();
}

static struct usb_gate *gate_of(DWORD lun)
{
	struct slot *s = registry_get(lun);
	struct usb_gate *gate;

	assert_non_null(s);
	gate = usb_of(s->reader->transport)->gate;
	registry_put(s);
	return gate;
}

/* Interfaces that cannot work at the same time (quirk shared-gate) take turns; others do not. */
static void interfaces_with_a_shared_gate_take_turns(void **state)
{
	static const char text[] = "reader twins\nvendor = f1f1\nproduct = 5a7e\ncard 0 = t1\n"
				   "interface = 1\ncard 0 = t1\nreader free\ncard 0 = t1\ninterface = 1\ncard 0 = t1\n";

	(void)state;
	fixture_start(FAKE_VIRTUAL, text);
	FIXTURE_IS_FINE(fixture_open(0x00000, 0, 0));
	FIXTURE_IS_FINE(fixture_open(0x10000, 0, 1));
	FIXTURE_IS_FINE(fixture_open(0x20000, 1, 0));
	FIXTURE_IS_FINE(fixture_open(0x30000, 1, 1));
	assert_ptr_equal(gate_of(0x00000), gate_of(0x10000));
	assert_ptr_not_equal(gate_of(0x20000), gate_of(0x30000));
	assert_ptr_not_equal(gate_of(0x00000), gate_of(0x20000));
	/* the interface that is still open keeps the gate */
	FIXTURE_IS_FINE(IFDHCloseChannel(0x00000));
	FIXTURE_IS_FINE(fixture_power(0x10000));
	FIXTURE_IS_FINE(fixture_echo(0x10000, 1, 20));
	for (DWORD i = 1; i < 4; i++)
		FIXTURE_IS_FINE(IFDHCloseChannel(i << 16));
	fixture_stop();
}

static void a_hundred_readers_are_opened(void **state)
{
	(void)state;
	fixture_start(FAKE_VIRTUAL, "reader a\ncopies = 100\ncard 0 = t1\n");
	for (DWORD i = 0; i < 100; i++)
		fixture_ready(i << 16, (unsigned)i, 1);
	for (DWORD i = 0; i < 100; i++)
		FIXTURE_IS_FINE(fixture_echo((99 - i) << 16, (unsigned)i, 20));
	assert_int_equal(fake_usb_counts().contexts, 1);
	for (DWORD i = 0; i < 100; i++)
		FIXTURE_IS_FINE(IFDHCloseChannel((i * 37 % 100) << 16));
	fixture_stop();
}

/* --- row 22: unplugged at any step --- */

/* Runs a call and demands that it came back within ms. */
#define WITHIN(ms, call) do {                                                                \
		uint64_t before = fixture_ms();                                                  \
		(void)(call);                                                                \
		if (fixture_ms() - before > (ms))                                                \
			fail_msg(#call ": %u ms (fault %s)", (unsigned)(fixture_ms() - before), fault); \
	} while (0)
#define AT_ONCE(call) WITHIN(AT_ONCE_MS, call)

/* All calls of pcscd; true when each one succeeded. */
static bool session(const char *fault)
{
	UCHAR atr[MAX_ATR_SIZE];
	DWORD len = sizeof atr;
	bool fine = true;
	RESPONSECODE rc = IFD_SUCCESS;

	AT_ONCE(rc = fixture_open(0, 0, 0));
	if (rc != IFD_SUCCESS)
		return false;
	AT_ONCE(fine &= IFDHICCPresence(0) == IFD_ICC_PRESENT);
	AT_ONCE(fine &= IFDHPowerICC(0, IFD_POWER_UP, atr, &len) == IFD_SUCCESS);
	AT_ONCE(fine &= IFDHSetProtocolParameters(0, SCARD_PROTOCOL_T1, 0, 0, 0, 0) == IFD_SUCCESS);
	AT_ONCE(fine &= fixture_echo(0, 1, 250) == IFD_SUCCESS);
	AT_ONCE(fine &= IFDHICCPresence(0) == IFD_ICC_PRESENT);
	AT_ONCE(fine &= IFDHPowerICC(0, IFD_POWER_DOWN, atr, &len) == IFD_SUCCESS);
	AT_ONCE(fine &= IFDHPowerICC(0, IFD_POWER_UP, atr, &len) == IFD_SUCCESS);
	if (!fine)
		assert_int_equal(IFDHICCPresence(0), IFD_NO_SUCH_DEVICE);
	AT_ONCE(IFDHCloseChannel(0));
	return fine;
}

static void row_22_unplugged_at_each_step(void **state)
{
	static const char *const faults[] = { "unplug", "unplug-control" };

	(void)state;
	for (unsigned kind = 0; kind < 2; kind++) {
		unsigned clean = 0;

		for (unsigned nth = 1; clean < 2; nth++) {
			char fault[40];

			assert_true(nth < 100);
			snprintf(fault, sizeof fault, "%s nth=%u", faults[kind], nth);
			fixture_start(FAKE_VIRTUAL, "reader r\nrates = 9600,344086\nserial = 1\ncard 0 = t1\n");
			fixture_fault(0, "%s", fault);
			clean = session(fault) ? clean + 1 : 0;
			nothing_alive();
			fixture_fault(0, "clear");
			fake_usb_plug(0);
			fixture_pardon();
			if (!session("none"))
				fail_msg("%s: does not work when plugged in again", fault);
			fixture_pardon();
			fixture_stop();
		}
	}
}

/* --- with threads --- */

struct caller {
	pthread_t thread;
	DWORD lun;
	unsigned ms;		/* the card works so long */
	bool enough;		/* no further poll */
	RESPONSECODE rc;
	size_t len;
};

static void *slow_main(void *arg)
{
	struct caller *c = arg;
	const uint8_t apdu[] = { 0x80, 0x18, (uint8_t)(c->ms >> 8), (uint8_t)c->ms };
	uint8_t out[10];

	c->rc = fixture_apdu(c->lun, apdu, sizeof apdu, out, sizeof out, &c->len);
	return NULL;
}

static void *poll_main(void *arg)
{
	struct caller *c = arg;
	RESPONSECODE (*poll)(DWORD, int);
	DWORD len = sizeof poll;

	c->rc = IFDHGetCapabilities(c->lun, TAG_IFD_POLLING_THREAD_WITH_TIMEOUT, &len, (PUCHAR)&poll);
	while (c->rc == IFD_SUCCESS && !__atomic_load_n(&c->enough, __ATOMIC_ACQUIRE))
		c->rc = poll(c->lun, (int)c->ms);
	return NULL;
}

/* As pcscd ends its polling thread. */
static void end_poll(struct caller *c)
{
	RESPONSECODE (*halt)(DWORD);
	DWORD len = sizeof halt;

	FIXTURE_IS_FINE(IFDHGetCapabilities(c->lun, TAG_IFD_STOP_POLLING_THREAD, &len, (PUCHAR)&halt));
	__atomic_store_n(&c->enough, true, __ATOMIC_RELEASE);
	FIXTURE_IS_FINE(halt(c->lun));
}

static void begin(struct caller *c, void *(*f)(void *), DWORD lun, unsigned ms)
{
	*c = (struct caller){ .lun = lun, .ms = ms };
	assert_int_equal(pthread_create(&c->thread, NULL, f, c), 0);
	usleep(200000);	/* the thread waits by now */
}

static void end_with(struct caller *c, RESPONSECODE rc, uint64_t since)
{
	pthread_join(c->thread, NULL);
	assert_in_range(fixture_ms() - since, 0, SOON_MS);
	assert_int_equal(c->rc, rc);
	assert_int_equal(c->len, 0);
}

static void row_22_unplugged_in_the_middle(void **state)
{
	struct caller busy, polling;
	uint64_t since;
	const char *fault = "unplugged";

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		fixture_start(FAKE_REAL, FIXTURE_TWO);
		fixture_ready(0, 0, 1);
		fixture_ready(1, 0, 1);
		begin(&busy, slow_main, 0, 20000);
		begin(&polling, poll_main, 1, 20000);
		since = fixture_ms();
		fake_usb_unplug(0);
		end_with(&busy, IFD_NO_SUCH_DEVICE, since);
		/* another thread of pcscd is told at its next call */
		WITHIN(SOON_MS, IFDHICCPresence(1));
		end_poll(&polling);
		end_with(&polling, IFD_SUCCESS, since);
		WITHIN(SOON_MS, fixture_power(1));
		WITHIN(SOON_MS, IFDHCloseChannel(1));
		WITHIN(SOON_MS, IFDHCloseChannel(0));
		fake_usb_plug(0);
		fixture_ready(0, 0, 1);
		FIXTURE_IS_FINE(fixture_echo(0, 1, 20));
		FIXTURE_IS_FINE(IFDHCloseChannel(0));
		fixture_stop();
	}
}

/* Closing makes one short attempt for all powered slots of the reader. */
static void closing_a_reader_that_answers_nothing(void **state)
{
	uint64_t began;

	(void)state;
	fixture_start(FAKE_VIRTUAL, "reader a\n" FOUR);
	for (DWORD i = 0; i < 4; i++)
		fixture_ready(i, 0, i == 2 ? 0 : 1);
	fixture_fault(0, "silent count=0");
	began = fixture_ms();
	for (DWORD i = 0; i < 4; i++)
		FIXTURE_IS_FINE(IFDHCloseChannel(i));
	assert_in_range(fixture_ms() - began, 0, 500);
	fixture_pardon();
	fixture_stop();
}

/* Every call that needs the reader returns "no such device", in any order and any number of
 * times. */
static void row_22_gone_is_gone(void **state)
{
	static const uint8_t apdu[] = { 0x80, 0x14, 0x00, 0x05, 0x05 };
	UCHAR atr[MAX_ATR_SIZE];
	uint8_t out[20];
	size_t n;

	(void)state;
	for (unsigned first = 0; first < 5; first++) {
		DWORD len;

		fixture_start(FAKE_VIRTUAL, FIXTURE_ONE);
		/* setting a protocol that is already set does not need the reader */
		if (first == 3)
			FIXTURE_IS_FINE(fixture_open(0, 0, 0));
		else
			fixture_ready(0, 0, 1);
		fake_usb_unplug(0);
		for (unsigned i = first; i < first + 15; i++) {
			RESPONSECODE rc = IFD_SUCCESS;

			len = sizeof atr;
			switch (i % 5) {
			case 0: case 1: rc = fixture_apdu(0, apdu, sizeof apdu, out, sizeof out, &n); break;
			case 2: rc = IFDHPowerICC(0, i & 1 ? IFD_POWER_UP : IFD_POWER_DOWN, atr, &len); break;
			case 3: rc = IFDHSetProtocolParameters(0, SCARD_PROTOCOL_T1, 0, 0, 0, 0); break;
			default: rc = IFDHICCPresence(0); break;
			}
			if (rc != IFD_NO_SUCH_DEVICE)
				fail_msg("call %u after call %u: %ld", i % 5, first, (long)rc);
		}
		FIXTURE_IS_FINE(IFDHCloseChannel(0));
		fixture_stop();
	}
}

/* pcscd reports the removal before the calls notice it. */
static void after_the_removal_calls_fail_at_once(void **state)
{
	struct caller busy, polling;
	uint64_t since;
	UCHAR one = 1;
	const char *fault = "removed";

	(void)state;
	fixture_start(FAKE_REAL, FIXTURE_TWO);
	fixture_ready(0, 0, 1);
	fixture_ready(1, 0, 1);
	begin(&busy, slow_main, 0, 20000);
	begin(&polling, poll_main, 1, 20000);
	fixture_log_clear();
	since = fixture_ms();
	FIXTURE_IS_FINE(IFDHSetCapabilities(1, TAG_IFD_DEVICE_REMOVED, 1, &one));
	end_with(&busy, IFD_NO_SUCH_DEVICE, since);
	end_poll(&polling);
	end_with(&polling, IFD_SUCCESS, since);
	WITHIN(SOON_MS, IFDHICCPresence(0));
	WITHIN(SOON_MS, IFDHCloseChannel(0));
	WITHIN(SOON_MS, IFDHCloseChannel(1));
	assert_int_equal(fixture_log_critical(), 0);
	fixture_stop();
}

/* Row 26: pcscd gives up waiting for its lock and closes the channel in mid-command. */
static void row_26_closed_during_a_transmit(void **state)
{
	struct caller busy, other;
	uint64_t since;

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		fixture_start(FAKE_REAL, FIXTURE_TWO);
		fixture_ready(0, 0, 1);
		fixture_ready(1, 0, 1);
		begin(&other, slow_main, 1, 1000);
		begin(&busy, slow_main, 0, 20000);
		since = fixture_ms();
		FIXTURE_IS_FINE(IFDHCloseChannel(0));
		end_with(&busy, IFD_NO_SUCH_DEVICE, since);
		assert_int_equal(IFDHICCPresence(0), IFD_NO_SUCH_DEVICE);
		pthread_join(other.thread, NULL);
		FIXTURE_IS_FINE(other.rc);
		fixture_ready(0, 0, 1);
		FIXTURE_IS_FINE(fixture_echo(0, i, 20));
		FIXTURE_IS_FINE(fixture_echo(1, i, 20));
		FIXTURE_IS_FINE(IFDHCloseChannel(0));
		FIXTURE_IS_FINE(IFDHCloseChannel(1));
		fixture_stop();
	}
}

/* The reader is closed and opened again during a command, as when pcscd ends and starts: the
 * command is aborted, and does not keep the slot busy until its end. */
static void opened_again_in_mid_command(void **state)
{
	struct caller busy;
	uint64_t since;

	(void)state;
	fixture_start(FAKE_REAL, "reader one\ncard 0 = t0\n");
	fixture_ready(0, 0, 0);
	begin(&busy, slow_main, 0, 60000);
	since = fixture_ms();
	FIXTURE_IS_FINE(IFDHCloseChannel(0));
	end_with(&busy, IFD_NO_SUCH_DEVICE, since);
	fixture_ready(0, 0, 0);
	FIXTURE_IS_FINE(fixture_echo(0, 1, 20));
	assert_in_range(fixture_ms() - since, 0, 2 * SOON_MS);
	FIXTURE_IS_FINE(IFDHCloseChannel(0));
	fixture_stop();
}

static void *verify_main(void *arg)
{
	/* PIN_VERIFY_STRUCTURE: 30 s, ASCII, 4 to 8 digits, VERIFY with a block of 8 */
	static const uint8_t in[] = { 30, 30, 0x82, 0x08, 0x00, 8, 4, 0x02, 1, 0x09, 0x04, 0, 0, 0, 0, 13, 0, 0, 0,
				      0x00, 0x20, 0x00, 0x00, 0x08, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF };
	struct caller *c = arg;
	uint8_t sw[2];
	DWORD n = 0;

	c->rc = IFDHControl(c->lun, SCARD_CTL_CODE(0x330006), (PUCHAR)(uintptr_t)in, sizeof in, sw, sizeof sw, &n);
	c->len = n;
	return NULL;
}

/* The user goes on typing after pcscd was restarted: the card's answer to the PIN is dropped. */
static void opened_again_in_a_pin_entry(void **state)
{
	struct caller busy;
	uint64_t since;

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		fixture_start(FAKE_REAL, "reader one\npinpad = 3\ncard 0 = t1 pin=1234\n");
		fixture_ready(0, 0, 1);
		if (i > 0)
			FIXTURE_IS_FINE(fixture_echo(0, i, 20));
		begin(&busy, verify_main, 0, 0);
		since = fixture_ms();
		FIXTURE_IS_FINE(IFDHCloseChannel(0));
		end_with(&busy, IFD_NO_SUCH_DEVICE, since);
		fake_usb_lock();
		/* the PIN is typed twice in time, and once too late */
		sim_dev_keys(fake_usb_dev(0), 0, "1234\n", clock_now() + (i < 2 ? 300000000u : 6000000000u));
		fake_usb_unlock();
		fixture_ready(0, 0, 1);
		usleep(800000);
		FIXTURE_IS_FINE(fixture_echo(0, 1, 20));
		FIXTURE_IS_FINE(fixture_echo(0, 2, 20));
		FIXTURE_IS_FINE(IFDHCloseChannel(0));
		fixture_stop();
	}
}

/* "out slot 0 seq N ...": stores the bSeq of the first command since *user was set to -1. */
static void hear_seq(void *user, uint64_t now, const char *text)
{
	int *seq = user;

	(void)now;
	if (*seq < 0)
		sscanf(text, "out slot 0 seq %d", seq);
}

/* Sequence numbers do not start at 0 after opening: a late answer to an earlier program cannot
 * match a new command. */
static void bseq_does_not_start_at_0(void **state)
{
	int first[8];
	unsigned same = 0;

	(void)state;
	fixture_start(FAKE_VIRTUAL, FIXTURE_ONE);
	for (unsigned i = 0; i < 8; i++) {
		first[i] = -1;
		fake_usb_lock();
		sim_dev_trace(fake_usb_dev(0), hear_seq, &first[i]);
		fake_usb_unlock();
		fixture_ready(0, 0, 1);
		FIXTURE_IS_FINE(IFDHCloseChannel(0));
		assert_in_range(first[i], 0, 255);
		same += i > 0 && first[i] == first[i - 1];
	}
	assert_in_range(same, 0, 2);
	fixture_stop();
}

/* The driver fixture has no Info.plist, so the first opening could not read one. The next opening
 * reads the file that exists by then. This case is the last one, as the configuration stays. */
static void configuration_is_read_again(void **state)
{
	char dir[] = "/tmp/test_registry.XXXXXX", path[128];
	FILE *f;

	(void)state;
	fixture_start(FAKE_VIRTUAL, FIXTURE_ONE);
	FIXTURE_IS_FINE(fixture_open(0, 0, 0));
	assert_int_equal(fixture_log_count(" drives "), 1);
	FIXTURE_IS_FINE(IFDHCloseChannel(0));
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof path, "%s/" BUNDLE, dir);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof path, "%s/" BUNDLE "/Contents", dir);
	assert_int_equal(mkdir(path, 0700), 0);
	strcat(path, "/Info.plist");
	f = fopen(path, "w");
	assert_non_null(f);
	fputs("<plist><dict><key>ifdLogLevel</key><string>1</string>"
	      "<key>ifdVendorID</key><array><string>1</string></array>"
	      "<key>ifdProductID</key><array><string>1</string></array>"
	      "<key>ifdFriendlyName</key><array><string>x</string></array></dict></plist>", f);
	fclose(f);
	setenv("PCSCLITE_HP_DROPDIR", dir, 1);
	unsetenv("LIBCCID_ifdLogLevel");
	fixture_log_clear();
	FIXTURE_IS_FINE(fixture_open(0, 0, 0));
	assert_int_equal(fixture_log_count(" drives "), 0);
	FIXTURE_IS_FINE(IFDHCloseChannel(0));
	for (unsigned i = 0; i < 3; i++) {
		remove(path);
		*strrchr(path, '/') = '\0';
	}
	rmdir(dir);
	fixture_stop();
}

#define TEST(f) cmocka_unit_test_teardown(f, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_thousand_openings_leave_nothing_behind),
		TEST(slots_of_one_reader_open_one_by_one),
		TEST(wrong_names_and_open_luns_are_refused),
		TEST(a_name_without_a_node_is_the_next_free_slot),
		TEST(interfaces_with_a_shared_gate_take_turns),
		TEST(a_hundred_readers_are_opened),
		TEST(row_22_unplugged_at_each_step),
		TEST(row_22_unplugged_in_the_middle),
		TEST(closing_a_reader_that_answers_nothing),
		TEST(row_22_gone_is_gone),
		TEST(after_the_removal_calls_fail_at_once),
		TEST(row_26_closed_during_a_transmit),
		TEST(opened_again_in_mid_command),
		TEST(opened_again_in_a_pin_entry),
		TEST(bseq_does_not_start_at_0),
		TEST(configuration_is_read_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
