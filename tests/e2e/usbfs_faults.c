/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The kernel's usbfs fails below an unchanged libusb: every ioctl, and open(), with every errno,
 * once and for ever, while a reader is opened, used, opened again after a reset, and closed;
 * transfers that never come back; no descriptors left. Each errno has a reader of its own of each
 * kind, all at once: a fault of one does not disturb another. To be run in "ccid-sim run
 * readers/usbfs_faults.sim". Prints TAP lines.
 *	usbfs_faults [ROW]	only rows whose name contains that */
#include "usbfs_places.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define CLOSE_MS 5000u

static const int errnos[] = {
	EPERM, ENOENT, EINTR, EIO, ENXIO, EAGAIN, ENOMEM, EACCES, EBUSY, ENODEV, EINVAL, ENFILE, EMFILE, ENOSPC, EPIPE,
	EPROTO, EOVERFLOW, ETIMEDOUT, ESHUTDOWN, ENOTTY,
};

static bool any(int err)
{
	(void)err;
	return true;
}

/* The kernel's reap fails with ENODEV only: EAGAIN is not a failure but the end of the list. */
static bool of_reap(int err)
{
	return err == ENODEV;
}

/* ENOENT is the normal end of a cancelled transfer. */
static bool of_end(int err)
{
	return err != ENOENT;
}

static const struct row {
	const char *name;
	enum hook_call call;
	bool (*is_errno)(int err);	/* does the call fail with this errno? */
	enum hook_call also;		/* another call whose failure leads to this call */
	int also_err;
} rows[] = {
	{ "open()", HOOK_OPEN, any, HOOK_NONE, 0 },
	{ "GET_CAPABILITIES", HOOK_CAPABILITIES, any, HOOK_NONE, 0 },
	{ "DISCONNECT_CLAIM", HOOK_DISCONNECT_CLAIM, any, HOOK_NONE, 0 },
	{ "CLAIMINTERFACE", HOOK_CLAIM, any, HOOK_DISCONNECT_CLAIM, ENOTTY },
	{ "GETDRIVER", HOOK_GETDRIVER, any, HOOK_DISCONNECT_CLAIM, ENOTTY },
	{ "DISCONNECT and CONNECT", HOOK_DRIVER, any, HOOK_DISCONNECT_CLAIM, ENOTTY },
	{ "RELEASEINTERFACE", HOOK_RELEASE, any, HOOK_NONE, 0 },
	{ "SUBMITURB, control", HOOK_SUBMIT_CONTROL, any, HOOK_NONE, 0 },
	{ "SUBMITURB, bulk OUT", HOOK_SUBMIT_OUT, any, HOOK_NONE, 0 },
	{ "SUBMITURB, bulk IN", HOOK_SUBMIT_IN, any, HOOK_NONE, 0 },
	{ "SUBMITURB, interrupt", HOOK_SUBMIT_INTERRUPT, any, HOOK_NONE, 0 },
	{ "REAPURBNDELAY", HOOK_REAP, of_reap, HOOK_NONE, 0 },
	{ "DISCARDURB", HOOK_DISCARD, any, HOOK_NONE, 0 },
	{ "DISCARDURB that works", HOOK_DISCARD_LATE, any, HOOK_NONE, 0 },
	{ "CLEAR_HALT, bulk IN", HOOK_CLEAR_HALT, any, HOOK_END_IN, EPIPE },
	{ "CLEAR_HALT, bulk OUT", HOOK_CLEAR_HALT, any, HOOK_END_OUT, EPIPE },
	{ "CLEAR_HALT, interrupt", HOOK_CLEAR_HALT, any, HOOK_END_INTERRUPT, EPIPE },
	{ "a control transfer's end", HOOK_END_CONTROL, of_end, HOOK_NONE, 0 },
	{ "a bulk OUT transfer's end", HOOK_END_OUT, of_end, HOOK_NONE, 0 },
	{ "a bulk IN transfer's end", HOOK_END_IN, of_end, HOOK_NONE, 0 },
	{ "an interrupt transfer's end", HOOK_END_INTERRUPT, of_end, HOOK_NONE, 0 },
};

enum phase { OPENING, WORKING, RESET, CLOSING, PHASES };
static const char *const phases[] = { "while it is opened", "at work", "after a reset", "while it is closed" };

static struct place places[PLACES];
static unsigned n_places, n_cases;
static const struct row *row;

static const char *kind_of(const struct place *p)
{
	static const char *const kinds[] = { "interrupt", "bulk", "icc-a", "icc-b" };

	return kinds[p->product == 0x0101 ? 0 : p->product == 0x0106 ? 1 : p->product == 0x0104 ? 2 : 3];
}

static void tell(bool ok, const char *name)
{
	printf("%s - %s\n", ok ? "ok" : "not ok", name);
	for (unsigned i = 0; i < n_places; i++) {
		if (places[i].wrong[0])
			printf("# %s\n", places[i].wrong);
		places[i].wrong[0] = '\0';
	}
	fflush(stdout);
	n_cases++;
}

/* Uses a reader as pcscd does. */
static void use(struct place *p)
{
	for (uint8_t i = 0; i < 2; i++) {
		for (unsigned k = 0; k < 3; k++)
			place_poll(p, 10);
		(void)place_over(p, "polls", IFD_SUCCESS);
		(void)place_over(p, "presence", IFDHICCPresence(p->lun));
		(void)place_over(p, "power", place_power(p));
		(void)place_over(p, "transmit", place_echo(p, i));
	}
}

/* The fault has ended. A reader that pcscd takes for unplugged is opened again by pcscd's hot-plugging. */
static void works_again(struct place *p, bool may_be_gone)
{
	RESPONSECODE rc = IFD_COMMUNICATION_ERROR;
	char text[60];

	for (unsigned i = 0; i < 3 && rc != IFD_SUCCESS; i++) {
		place_poll(p, 10);
		(void)place_over(p, "presence", IFDHICCPresence(p->lun));
		rc = place_over(p, "set-up", place_set_up(p));
	}
	if (rc == IFD_NO_SUCH_DEVICE && may_be_gone) {
		(void)IFDHCloseChannel(p->lun);
		rc = place_open(p);
		if (rc == IFD_SUCCESS)
			rc = place_set_up(p);
	}
	snprintf(text, sizeof text, "does not work again: %ld", (long)rc);
	if (rc != IFD_SUCCESS)
		place_wrong(p, text);
	(void)place_over(p, "working again", rc);
}

static void close_place(struct place *p)
{
	p->began = place_ms();
	(void)IFDHCloseChannel(p->lun);
	if (place_ms() - p->began > CLOSE_MS)
		place_wrong(p, "closing takes long");
	p->began = place_ms();
}

/* The fault has ended, and the reader is closed: with its last transfers back, it can be opened. */
static void opens_again(struct place *p)
{
	RESPONSECODE rc = place_over(p, "opening again", place_open(p));
	char text[60];

	if (rc == IFD_SUCCESS)
		rc = place_over(p, "set-up", place_set_up(p));
	snprintf(text, sizeof text, "is not opened again: %ld", (long)rc);
	if (rc != IFD_SUCCESS)
		place_wrong(p, text);
}

static bool says_gone(int err)
{
	return err == ENODEV || err == ENOENT || err == ENXIO;
}

static void one(struct place *p, enum phase phase, int err, unsigned times)
{
	bool opened = true;

	snprintf(p->what, sizeof p->what, "%s: %s, %s %s", kind_of(p), strerror(err), times == 1 ? "once" : "for ever",
		 phases[phase]);
	p->began = place_ms();
	if (phase != OPENING)
		opens_again(p);
	if (row->also != HOOK_NONE)
		hook_fail(p->device, row->also, row->also_err, times);
	hook_fail(p->device, row->call, err, times);
	if (phase == RESET && !hook_reset(p->device))
		place_wrong(p, "cannot be reset");
	if (phase == OPENING)
		opened = place_over(p, "opening", place_open(p)) == IFD_SUCCESS;
	if (opened && phase != CLOSING)
		use(p);
	if (phase == CLOSING) {
		close_place(p);
		opened = false;
	}
	hook_release(p->device);
	if (opened)
		works_again(p, says_gone(err));
	else
		opens_again(p);
	close_place(p);
}

static void *play_row(void *arg)
{
	struct place *p = arg;
	int err = errnos[(size_t)(p - places) % COUNT(errnos)];

	for (enum phase phase = OPENING; phase < PHASES && row->is_errno(err) && !p->wrong[0]; phase++) {
		one(p, phase, err, 1);
		one(p, phase, err, HOOK_EVER);
	}
	return NULL;
}

/* Runs body in a thread for each place. True when no place reports a failure. */
static bool all_places(void *(*body)(void *))
{
	bool ok = true;

	for (unsigned i = 0; i < n_places; i++)
		pthread_create(&places[i].thread, NULL, body, &places[i]);
	for (unsigned i = 0; i < n_places; i++) {
		pthread_join(places[i].thread, NULL);
		ok = ok && !places[i].wrong[0];
	}
	return ok;
}

static void play_rows(const char *only)
{
	for (size_t i = 0; i < COUNT(rows); i++) {
		char name[100];
		unsigned before, failed;
		uint64_t began = place_ms();
		bool ok;

		row = &rows[i];
		if (only && !strstr(row->name, only))
			continue;
		before = hook_failed(row->call);
		ok = all_places(play_row);
		failed = hook_failed(row->call) - before;
		snprintf(name, sizeof name, "usbfs: %s fails with each errno", row->name);
		printf("# %s: %u failed in %u ms\n", row->name, failed, (unsigned)(place_ms() - began));
		tell(ok && failed > 0, name);
	}
}

/* --- transfers that never come back --- */

static void *power_on(void *arg)
{
	(void)place_power(arg);
	return NULL;
}

/* A command for the simulated reader (ccid-sim(1)): "fault", "plug", "unplug". */
static void reader_command(struct place *p, const char *command, const char *rest)
{
	unsigned nr = (unsigned)((size_t)(p - places) % COUNT(errnos)) + 1;
	char line[300], copy[8] = "";

	if (nr > 1)
		snprintf(copy, sizeof copy, "-%u", nr);
	snprintf(line, sizeof line, "\"$CCID_SIM\" %s %s%s %s", command, kind_of(p), copy, rest);
	if (system(line) != 0)
		place_wrong(p, line);
}

/* After three failures the driver does not open a reader for a minute. A reader that was just
 * plugged in starts afresh. */
static void replug(struct place *p)
{
	reader_command(p, "unplug", "");
	reader_command(p, "plug", "");
	for (unsigned i = 0; i < 200 && !place_refresh(p); i++)
		usleep(10000);
}

/* No transfer comes back from the opening on (even places), or from the middle of a command on. */
static void *play_held(void *arg)
{
	struct place *p = arg;
	bool at_work = (p - places) % 2;
	pthread_t thread;

	if ((p - places) % (long)COUNT(errnos) >= 2)
		return NULL;
	snprintf(p->what, sizeof p->what, "%s, kept %s", kind_of(p), at_work ? "at work" : "from the opening on");
	replug(p);
	p->began = place_ms();
	if (at_work)
		opens_again(p);
	hook_hold(p->device);
	if (at_work || place_over(p, "opening", place_open(p)) == IFD_SUCCESS) {
		pthread_create(&thread, NULL, power_on, p);
		usleep(300000);
		close_place(p);
		pthread_join(thread, NULL);
		(void)place_over(p, "a command in a closed reader", IFD_SUCCESS);
	}
	hook_release(p->device);
	opens_again(p);
	close_place(p);
	return NULL;
}

/* --- a reader that is reset, and a blocking call --- */

/* ABORT has no effect: the reader refuses each command, the driver resets it (USBDEVFS_RESET), and
 * the reset fails. */
static void *play_reset(void *arg)
{
	struct place *p = arg;
	int err = errnos[(size_t)(p - places) % COUNT(errnos)];

	if (p->product != 0x0106)
		return NULL;
	snprintf(p->what, sizeof p->what, "%s: %s", kind_of(p), strerror(err));
	p->began = place_ms();
	opens_again(p);
	hook_fail(p->device, HOOK_RESET, err, HOOK_EVER);
	reader_command(p, "fault", "silent msg=6F");
	(void)place_over(p, "silence", place_echo(p, 1));
	reader_command(p, "fault", "error value=0 msg=6F count=3");
	for (uint8_t i = 0; i < 4; i++)
		(void)place_over(p, "refusals", place_echo(p, i));
	hook_release(p->device);
	works_again(p, says_gone(err));
	close_place(p);
	return NULL;
}

/* CLEAR_HALT waits for the device in the kernel, 5 s at the longest: closing does not wait for it. */
static void *play_slow(void *arg)
{
	struct place *p = arg;
	pthread_t thread;

	if (p->product != 0x0106)
		return NULL;
	snprintf(p->what, sizeof p->what, "%s: CLEAR_HALT takes 3 s", kind_of(p));
	p->began = place_ms();
	opens_again(p);
	hook_fail(p->device, HOOK_END_IN, EPIPE, 1);
	(void)place_power(p);
	hook_slow(p->device, HOOK_CLEAR_HALT, 3000);
	pthread_create(&thread, NULL, power_on, p);
	usleep(300000);
	p->began = place_ms();
	(void)IFDHCloseChannel(p->lun);
	if (place_ms() - p->began > 2000)
		place_wrong(p, "closing waits");
	pthread_join(thread, NULL);
	hook_release(p->device);
	opens_again(p);
	close_place(p);
	return NULL;
}

/* --- no descriptors --- */

static void limit(rlim_t n)
{
	struct rlimit r;

	getrlimit(RLIMIT_NOFILE, &r);
	r.rlim_cur = n < r.rlim_max ? n : r.rlim_max;
	setrlimit(RLIMIT_NOFILE, &r);
}

static rlim_t lowest_free(void)
{
	int fd = dup(0);

	close(fd);
	return fd < 0 ? 0 : (rlim_t)fd;
}

/* 0 to 7 descriptors are left, at opening, and at opening again after a reset. */
static void no_descriptors(void)
{
	static const unsigned kinds[] = { 0, COUNT(errnos) * 2 };

	for (rlim_t left = 0; left < 8; left++) {
		for (size_t k = 0; k < COUNT(kinds); k++) {
			struct place *p = &places[kinds[k]];
			bool opened;

			snprintf(p->what, sizeof p->what, "%s, %u descriptors", kind_of(p), (unsigned)left);
			p->began = place_ms();
			limit(lowest_free() + left);
			opened = place_open(p) == IFD_SUCCESS;
			limit(65536);
			if (!opened)
				opens_again(p);
			works_again(p, false);
			hook_reset(p->device);
			limit(lowest_free() + left);
			use(p);
			limit(65536);
			works_again(p, false);
			close_place(p);
		}
	}
}

static void *play_descriptors(void *arg)
{
	if (arg == &places[0])
		no_descriptors();
	return NULL;
}

static const struct {
	const char *name;
	void *(*body)(void *place);
	enum hook_call call;		/* must have failed; HOOK_NONE: no call has to fail */
} others[] = {
	{ "transfers that never come back", play_held, HOOK_NONE },
	{ "RESET fails with each errno", play_reset, HOOK_RESET },
	{ "CLEAR_HALT is waited for, but closing does not wait", play_slow, HOOK_CLEAR_HALT },
	{ "no descriptors are left", play_descriptors, HOOK_NONE },
};

int main(int argc, char **argv)
{
	const char *only = argc > 1 ? argv[1] : NULL;

	n_places = places_find(places, PLACES);
	if (n_places != 4 * COUNT(errnos)) {
		printf("not ok - usbfs: %u readers\n", n_places);
		return 1;
	}
	play_rows(only);
	for (size_t i = 0; i < COUNT(others); i++) {
		char name[100];
		uint64_t began = place_ms();
		bool ok;

		if (only && !strstr(others[i].name, only))
			continue;
		ok = all_places(others[i].body);
		ok = ok && (others[i].call == HOOK_NONE || hook_failed(others[i].call) > 0);
		snprintf(name, sizeof name, "usbfs: %s", others[i].name);
		printf("# %u ms\n", (unsigned)(place_ms() - began));
		tell(ok, name);
	}
	return n_cases == 0;
}
