/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Row 27: any allocation fails, a transfer cannot be made or submitted, or a serial line cannot be
 * written to. The scenarios of tests/e2e run here in one process, once for every such failure: each
 * call ends, with an error or without, nothing is left behind, and the same scenario succeeds
 * afterwards. Linked with --wrap for the functions that allocate. Virtual time. */
#include "driver_actor.h"
#include "failing_heap.h"

#include "fake/fake_serial.h"
#include "slot/config.h"
#include "tools/parse.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define PLACES_MAX 16
/* There is one thread. The thread sanitizer is slow here, and is shown some of the failures. */
#ifdef __SANITIZE_THREAD__
#define STEP 10u
#else
#define STEP 1u
#endif
#define MOST_FAILURES 3000	/* of one kind in one scenario */

/* --- what is done with a reader; nr: device, or serial line --- */

static struct actor actor;
static bool fine;		/* every step of this run has succeeded so far */

static void step(enum act a)
{
	if (a == ACT_WRONG)
		fail_msg("a wrong answer at Lun %lX", (unsigned long)actor.lun);
	fine &= a == ACT_FINE;
}

static void result(RESPONSECODE rc)
{
	fine &= rc == IFD_SUCCESS;
}

/* Every case of APDU, with little data: each block makes several failures possible. */
static void exchanges(const char *reader)
{
	bool extended = actor.protocol == SCARD_PROTOCOL_T1 ? strncmp(reader, "short", 5) != 0 :
							       strncmp(reader, "extended", 8) == 0;

	/* messages of extended-11 carry one byte each: short APDUs make enough of them */
	extended &= strncmp(reader, "extended-11", 11) != 0;

	step(actor_touch(&actor));
	step(actor_read(&actor, 20));
	step(actor_write(&actor, 20));
	step(actor_echo(&actor, 40));
	if (extended)
		step(actor_echo(&actor, 260));
	fine &= IFDHICCPresence(actor.lun) == IFD_ICC_PRESENT;
}

static void power_off(void)
{
	UCHAR atr[MAX_ATR_SIZE];
	DWORD len = sizeof atr;

	result(IFDHPowerICC(actor.lun, IFD_POWER_DOWN, atr, &len));
}

static bool begin(DWORD lun, RESPONSECODE opened)
{
	actor.lun = lun;
	result(opened);
	return opened == IFD_SUCCESS;
}

static bool begin_usb(unsigned nr)
{
	return begin(0, fixture_open(0, nr, sim_dev_interface_number(fake_usb_dev(nr), 0)));
}

static void end(DWORD lun)
{
	assert_int_equal(IFDHCloseChannel(lun), IFD_SUCCESS);
}

static void on_one_slot(unsigned nr)
{
	step(actor_power(&actor));
	exchanges(sim_dev_name(fake_usb_dev(nr)));
	power_off();
}

/* Every slot of every interface is open at once. */
static void everything(unsigned nr)
{
	const struct sim_dev *d = fake_usb_dev(nr);
	DWORD lun[PLACES_MAX];
	unsigned n = 0;

	for (unsigned i = 0; i < sim_dev_interfaces(d); i++) {
		for (unsigned k = 0; k < sim_dev_slots(d, i); k++) {
			lun[n] = (DWORD)i << 16 | k;
			n += begin(lun[n], fixture_open(lun[n], nr, sim_dev_interface_number(d, i)));
		}
	}
	for (unsigned i = 0; i < n; i++) {
		actor.lun = lun[i];
		on_one_slot(nr);
	}
	while (n-- > 0)
		end(lun[n]);
}

static void wait_for_card(DWORD present)
{
	RESPONSECODE (*poll)(DWORD, int);
	DWORD size = sizeof poll;

	if (IFDHGetCapabilities(0, TAG_IFD_POLLING_THREAD_WITH_TIMEOUT, &size, (PUCHAR)&poll) == IFD_SUCCESS)
		poll(0, 1000);
	fine &= (DWORD)IFDHICCPresence(0) == present;
}

/* Cold and warm resets, both protocols, the card goes and comes. */
static void card(unsigned nr)
{
	UCHAR atr[MAX_ATR_SIZE];
	DWORD len = sizeof atr;

	if (!begin_usb(nr))
		return;
	on_one_slot(nr);
	for (DWORD t = 0; t < 2; t++) {
		step(actor_power(&actor));
		result(IFDHPowerICC(0, IFD_RESET, atr, &len));
		actor.protocol = t ? SCARD_PROTOCOL_T1 : SCARD_PROTOCOL_T0;
		result(IFDHSetProtocolParameters(0, actor.protocol, 0, 0, 0, 0));
		exchanges("");
	}
	fixture_remove(nr, 0);
	wait_for_card(IFD_ICC_NOT_PRESENT);
	fine &= actor_touch(&actor) == ACT_FAILED;
	fixture_insert(nr, 0, "t0t1");
	wait_for_card(IFD_ICC_PRESENT);
	on_one_slot(nr);
	end(0);
}

/* The reader is unplugged while idle and in a command, and comes back under another name. */
static void hotplug(unsigned nr)
{
	static const char *const when[] = { "clear", "unplug msg=6F nth=2" };
	UCHAR one = 1;

	for (unsigned i = 0; i < COUNT(when); i++) {
		if (begin_usb(nr)) {
			on_one_slot(nr);
			step(actor_power(&actor));
			fixture_fault(nr, "%s", when[i]);
			(void)actor_echo(&actor, 100);
			fake_usb_unplug(nr);
			fine &= actor_touch(&actor) == ACT_FAILED;
			IFDHSetCapabilities(0, TAG_IFD_DEVICE_REMOVED, 1, &one);
			end(0);
		}
		fixture_fault(nr, "clear");
		fake_usb_unplug(nr);
		fake_usb_plug(nr);
	}
	everything(nr);
}

/* The first command after a reset may have to report that the card lost its power. */
static void reset(unsigned nr)
{
	if (!begin_usb(nr))
		return;
	on_one_slot(nr);
	for (unsigned i = 0; i < 2; i++) {
		fake_usb_reset(nr);
		(void)actor_power(&actor);
		on_one_slot(nr);
	}
	end(0);
}

static void pin(unsigned nr)
{
	if (!begin_usb(nr))
		return;
	step(actor_power(&actor));
	step(actor_pin(&actor, false));
	step(actor_pin(&actor, true));
	step(actor_echo(&actor, 100));
	end(0);
}

static void control(unsigned nr)
{
	if (!begin_usb(nr))
		return;
	step(actor_ask(&actor));
	on_one_slot(nr);
	step(actor_ask(&actor));
	end(0);
}

/* Most of these readers are refused, with failures and without. */
static void unusable(unsigned nr)
{
	bool good = nr == 0;

	everything(nr);
	fine |= !good;
}

static void serial(unsigned nr)
{
	struct sim_dev *d = sim_serial_device(fake_serial_reader(nr));
	unsigned n = 0;
	char name[80];

	fake_serial_name(nr, name, sizeof name);
	while (n < sim_dev_slots(d, 0) && begin(n, IFDHCreateChannelByName(n, name)))
		n++;
	for (actor.lun = 0; actor.lun < n; actor.lun++) {
		step(actor_power(&actor));
		step(actor_echo(&actor, 40));
		power_off();
	}
	actor.lun = 0;
	if (strstr(name, "PinPad") && n > 0) {
		step(actor_power(&actor));
		step(actor_pin(&actor, false));
	}
	while (n-- > 0)
		end(n);
}

static char drop_dir[] = "/tmp/test_memory-XXXXXX";

/* Options of the administrator; every further reader is one more chance to fail. */
static void plist(unsigned nr)
{
	struct config c;

	(void)nr;
	setenv("PCSCLITE_HP_DROPDIR", drop_dir, 1);
	fine = config_load(&c) == CCID_OK;
	setenv("PCSCLITE_HP_DROPDIR", "/nowhere", 1);
	assert_true(!fine || c.driver_options == 0x45);
}

static FILE *nowhere;

static void show(void *user, struct parse_reader *r)
{
	(void)user;
	parse_text(nowhere, r, false);
	parse_json(nowhere, r);
}

/* ccid-parse, which shares the driver's descriptors and strings. */
static void parse(unsigned nr)
{
	const struct sim_dev *d = fake_usb_dev(nr);
	const struct parse_wanted w = { true, sim_dev_vendor(d), sim_dev_product(d), 0, 0 };
	struct parse_seen seen;

	fine = parse_bus(&w, &seen, show, NULL) && !seen.incomplete && seen.readers > 0;
}

/* --- the scenarios --- */

static const struct {
	const char *name;
	unsigned slots;
} serial_kinds[] = {
	{ "GemPCTwin", 1 },	 { "GemPCPinPad", 1 }, { "GemCorePOSPro", 5 }, { "GemCoreSIMPro", 2 },
	{ "GemCoreSIMPro2", 2 }, { "SEC1210", 2 },     { "SEC1210UR2", 2 },    { "SEC1210URT", 1 },
};

static const struct scenario {
	const char *name;	/* tests/e2e/test_NAME.sh */
	const char *readers;	/* a file of tests/e2e/readers, or simulator text; NULL: serial lines, or none */
	void (*run)(unsigned nr);
} scenarios[] = {
	{ "card", "single.sim", card },
	{ "hotplug", "single.sim", hotplug },
	{ "reset", "single.sim", reset },
	{ "slots", "slots.sim", everything },
	{ "levels", "every-level.sim", everything },
	{ "apdu", "levels.sim", everything },
	{ "composite", "composite.sim", everything },
	{ "control", "control.sim", control },
	{ "pin", "pin.sim", pin },
	{ "unusable", "unusable.sim", unusable },
	{ "parse", "control.sim", parse },
	{ "serial", NULL, serial },
	{ "plist", NULL, plist },
	/* the kinds of readers that are opened in different ways */
	{ "readers", "reader r\nslots = 2\nbusy = 2\nserial = 17\nrates = 10752,86021\ncard 0 = t1\ncard 1 = t1\n"
		     "reader p\npinpad = 3\nlevel = extended\nfeatures = 0x000404FA\nproduct = 0e5c\ncard 0 = t1\n"
		     "reader a\niccd = a\ncard 0 = t0\nreader b\niccd = b\nfeatures = 0x000404F2\ncard 0 = t1\n",
	  everything },
};

static bool whole_file(const char *name, char *text, size_t cap)
{
	char path[300];
	FILE *f;
	size_t n;

	snprintf(path, sizeof path, TOP_SRCDIR "/tests/e2e/readers/%s", name);
	f = fopen(path, "r");
	if (!f)
		return false;
	n = fread(text, 1, cap - 1, f);
	text[n] = '\0';
	fclose(f);
	return n < cap - 1;
}

/* Returns the number of readers to go through. */
static unsigned start_readers(const struct scenario *s)
{
	static const char *const cards[] = { "t1 pin=1234 tries=15", "t0", "t0", "t0", "t0" };
	static char text[8000];
	char err[200];
	unsigned n = 0;

	if (s->readers && strchr(s->readers, '\n'))
		snprintf(text, sizeof text, "%s", s->readers);
	else if (!s->readers)
		text[0] = '\0';
	else
		assert_true(whole_file(s->readers, text, sizeof text));
	fixture_start(FAKE_VIRTUAL, text);
	if (s->run == serial) {
		for (n = 0; n < COUNT(serial_kinds); n++) {
			if (fake_serial_add(serial_kinds[n].name, cards, serial_kinds[n].slots, err, sizeof err) < 0)
				fail_msg("%s", err);
			actor_person(sim_serial_device(fake_serial_reader(n)));
		}
		return n;
	}
	/* run() plugs in one reader at a time */
	for (; n < fake.n_devs; n++) {
		actor_person(fake.sim[n]);
		fake_usb_unplug(n);
	}
	return n > 0 ? n : 1;
}

static unsigned descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	while (d && readdir(d))
		n++;
	if (d)
		closedir(d);
	return n;
}

/* Returns whether the driver freed what it had allocated and gave back what it had of libusb. */
static bool run(const struct scenario *s, unsigned nr, unsigned fds)
{
	struct fake_counts c;

	if (s->readers)
		fake_usb_plug(nr);
	fine = true;
	heap.watching = true;
	s->run(nr);
	heap.watching = false;
	if (s->readers)
		fake_usb_unplug(nr);
	c = fake_usb_counts();
	assert_int_equal(c.contexts + c.handles + c.transfers + c.submitted + c.nodes + c.device_refs + c.claims, 0);
	assert_int_equal(heap.n_live, 0);
	assert_int_equal(fake_serial_open_lines(), 0);
	assert_int_equal(descriptors(), fds);
	fixture_pardon();
	return fine;
}

/* One kind of failure: armed for the nth time, and counted. */
struct way {
	void (*arm)(unsigned nth);
	unsigned (*count)(void);
};

static unsigned total;

static void fail_each(const struct way *w, const struct scenario *s, unsigned nr)
{
	unsigned fds = descriptors();

	if (!run(s, nr, fds))
		fail_msg("%s: device %u does not work at all", s->name, nr);
	for (unsigned nth = 1;; nth += STEP) {
		unsigned before = w->count();
		bool struck;

		assert_true(nth < MOST_FAILURES);
		w->arm(nth);
		(void)run(s, nr, fds);
		struck = w->count() - before >= nth;
		w->arm(0);
		if (!run(s, nr, fds))
			fail_msg("%s: device %u does not work after failure %u", s->name, nr, nth);
		if (!struck)
			return;
		total++;
	}
}

static void every_scenario(const struct way *w, unsigned at_least)
{
	total = 0;
	for (size_t i = 0; i < COUNT(scenarios); i++) {
		unsigned before = total, n = start_readers(&scenarios[i]);

		for (unsigned nr = 0; nr < n; nr++)
			fail_each(w, &scenarios[i], nr);
		fixture_pardon();
		fixture_stop();
		fake_serial_end();
		print_message("%s: %u failures\n", scenarios[i].name, total - before);
	}
	/* the failure did occur, and often */
	assert_true(total >= at_least / STEP);
}

static void arm_malloc(unsigned nth)
{
	heap.fail_at = nth > 0 ? heap.seen + nth : 0;
}

static unsigned mallocs(void)
{
	return heap.seen;
}

static void row_27_no_memory(void **state)
{
	(void)state;
	every_scenario(&(struct way){ arm_malloc, mallocs }, 500);
}

static void row_27_no_memory_from_there_on(void **state)
{
	(void)state;
	heap.for_ever = true;
	every_scenario(&(struct way){ arm_malloc, mallocs }, 500);
}

static unsigned transfers(void)
{
	return fake_usb_counts().total_allocs;
}

static void row_27_no_transfers(void **state)
{
	(void)state;
	every_scenario(&(struct way){ fake_usb_fail_alloc, transfers }, 100);
}

static void arm_submit(unsigned nth)
{
	fake_usb_fail_submit(nth, nth & 1 ? LIBUSB_ERROR_NO_MEM : LIBUSB_ERROR_IO);
	fake_serial_fail_write(nth);
}

static unsigned submits(void)
{
	return fake_usb_counts().total_submits + fake_serial_writes();
}

static void row_27_no_submissions(void **state)
{
	(void)state;
	every_scenario(&(struct way){ arm_submit, submits }, 500);
}

static int teardown(void **state)
{
	heap.watching = false;
	heap.n_live = 0;
	heap.fail_at = 0;
	heap.for_ever = false;
	fake_usb_fail_alloc(0);
	fake_usb_fail_submit(0, 0);
	fake_serial_fail_write(0);
	fixture_teardown(state);
	fake_serial_end();
	return 0;
}

static int set_up(void **state)
{
	char path[200];
	FILE *f;

	(void)state;
	nowhere = fopen("/dev/null", "w");
	if (!nowhere || !mkdtemp(drop_dir))
		return -1;
	snprintf(path, sizeof path, "%s/" BUNDLE, drop_dir);
	mkdir(path, 0700);
	strcat(path, "/Contents");
	mkdir(path, 0700);
	strcat(path, "/Info.plist");
	f = fopen(path, "w");
	if (!f)
		return -1;
	fputs("<plist version=\"1.0\"><dict><key>ifdLogLevel</key><string>3</string><key>ifdDriverOptions</key>"
	      "<string>0x0045</string><key>ifdVendorID</key><array><string>0x1</string><string>0x2</string></array>"
	      "<key>ifdProductID</key><array><string>0x1</string><string>0x2</string></array><key>ifdFriendlyName</key>"
	      "<array><string>x &amp; y</string><string>z</string></array></dict></plist>\n", f);
	return fclose(f);
}

static int tidy_up(void **state)
{
	char path[200];

	(void)state;
	snprintf(path, sizeof path, "%s/" BUNDLE "/Contents/Info.plist", drop_dir);
	fclose(nowhere);
	unlink(path);
	for (unsigned i = 0; i < 3; i++) {
		*strrchr(path, '/') = '\0';
		rmdir(path);
	}
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(row_27_no_memory, teardown),
		cmocka_unit_test_teardown(row_27_no_memory_from_there_on, teardown),
		cmocka_unit_test_teardown(row_27_no_transfers, teardown),
		cmocka_unit_test_teardown(row_27_no_submissions, teardown),
	};

	return cmocka_run_group_tests(tests, set_up, tidy_up);
}
