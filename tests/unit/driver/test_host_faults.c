/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The host fails: each call into USB with each errno, once and for ever, before and after opening,
 * and transfers that are never given back; for bulk readers with and without notifications, and for
 * USB ICCs. Every call returns in time, nothing is left behind, and the reader works when the fault
 * has ended. Virtual time. */
#include "driver_fixture.h"

#include <errno.h>
#include <libusb.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
/* The longest a call may take: an unanswered command is aborted, and tried again. */
#define CALL_MS 20000u
#define FOR_EVER UINT32_MAX

static const int errnos[] = {
	EPERM, ENOENT, EINTR, EIO, ENXIO, EAGAIN, ENOMEM, EACCES, EBUSY, ENODEV, EINVAL, ENFILE, EMFILE, ENOSPC, EPIPE,
	EPROTO, EOVERFLOW, ETIMEDOUT, ESHUTDOWN,
};

static const struct kind {
	const char *text;
	DWORD protocol;
} kinds[] = {
	{ "reader one\ncard 0 = t1\n", 1 },
	{ "reader one\nendpoints = 2\ncard 0 = t1\n", 1 },
	{ "reader one\niccd = a\ncard 0 = t0\n", 0 },
	{ "reader one\niccd = b\nfeatures = 0x000404F2\ncard 0 = t1\n", 1 },
};

/* libusb's codes for the errno of a transfer's submission, and of a claim. */
static int submit_code(int err)
{
	return err == ENODEV ? LIBUSB_ERROR_NO_DEVICE : err == ENOMEM ? LIBUSB_ERROR_NO_MEM : LIBUSB_ERROR_IO;
}

static int claim_code(int err)
{
	return err == ENOENT ? LIBUSB_ERROR_NOT_FOUND : err == EBUSY ? LIBUSB_ERROR_BUSY :
	       err == ENODEV ? LIBUSB_ERROR_NO_DEVICE : LIBUSB_ERROR_OTHER;
}

static void control(unsigned times, int err) { fake_usb_fail_endpoint(0x00, times, submit_code(err), err); }
static void bulk_out(unsigned times, int err) { fake_usb_fail_endpoint(0x01, times, submit_code(err), err); }
static void bulk_in(unsigned times, int err) { fake_usb_fail_endpoint(0x81, times, submit_code(err), err); }
static void interrupt_in(unsigned times, int err) { fake_usb_fail_endpoint(0x82, times, submit_code(err), err); }
static void node(unsigned times, int err) { fake_usb_fail_node(times, err); }
static void handle(unsigned times, int err) { fake_usb_fail_open_errno(times, LIBUSB_ERROR_IO, err); }
static void claim(unsigned times, int err) { fake_usb_fail_claim(times, claim_code(err), err); }
static void init(unsigned times, int err) { fake_usb_fail_init(times, LIBUSB_ERROR_OTHER, err); }
static void events(unsigned times, int err) { fake_usb_fail_events(times ? submit_code(err) : 0); }

/* Calls: the node's open(), and the ioctls behind libusb's functions. */
static const struct call {
	const char *name;
	void (*arm)(unsigned times, int err);
} calls[] = {
	{ "open", node }, { "GET_CAPABILITIES", handle }, { "CLAIMINTERFACE", claim }, { "epoll, timerfd", init },
	{ "SUBMITURB control", control }, { "SUBMITURB bulk out", bulk_out }, { "SUBMITURB bulk in", bulk_in },
	{ "SUBMITURB interrupt", interrupt_in }, { "poll, REAPURB", events },
};

static void disarm(void)
{
	for (size_t i = 0; i < COUNT(calls); i++)
		calls[i].arm(0, 0);
	fake_usb_hold(FAKE_HOLD_NONE);
}

static char what[120];
static uint64_t began;

/* Checks that the call did not take too long. */
static RESPONSECODE over(RESPONSECODE rc)
{
	uint64_t took = fixture_ms() - began;

	if (took > CALL_MS)
		fail_msg("%s: a call took %u ms", what, (unsigned)took);
	began = fixture_ms();
	return rc;
}

static void poll_once(void)
{
	RESPONSECODE (*poll)(DWORD, int);
	DWORD n = sizeof poll;

	if (IFDHGetCapabilities(0, TAG_IFD_POLLING_THREAD_WITH_TIMEOUT, &n, (PUCHAR)&poll) == IFD_SUCCESS)
		(void)over(poll(0, 1000));
}

/* pcscd's calls for a reader. */
static void use(void)
{
	for (unsigned i = 0; i < 3; i++) {
		poll_once();
		(void)over(IFDHICCPresence(0));
		(void)over(fixture_power(0));
		(void)over(fixture_echo(0, i, 20));
	}
}

static RESPONSECODE set_up(const struct kind *k)
{
	RESPONSECODE rc = fixture_power(0);

	if (rc == IFD_SUCCESS)
		rc = IFDHSetProtocolParameters(0, k->protocol ? SCARD_PROTOCOL_T1 : SCARD_PROTOCOL_T0, 0, 0, 0, 0);
	return rc == IFD_SUCCESS ? fixture_echo(0, 7, 100) : rc;
}

/* The fault has ended. A reader that pcscd takes for unplugged is opened again by pcscd's hot-plugging. */
static void works_again(const struct kind *k, bool may_be_gone)
{
	RESPONSECODE rc = IFD_COMMUNICATION_ERROR;

	for (unsigned i = 0; i < 3 && rc != IFD_SUCCESS; i++) {
		poll_once();
		(void)over(IFDHICCPresence(0));
		rc = set_up(k);
	}
	if (rc == IFD_NO_SUCH_DEVICE && may_be_gone) {
		(void)over(IFDHCloseChannel(0));
		rc = fixture_open(0, 0, 0);
		if (rc == IFD_SUCCESS)
			rc = set_up(k);
	}
	if (rc != IFD_SUCCESS)
		fail_msg("%s: does not work again: %ld", what, (long)rc);
}

static bool says_gone(int err)
{
	return err == ENODEV || err == ENOENT || err == ENXIO;
}

static void finish(void)
{
	began = fixture_ms();
	(void)over(IFDHCloseChannel(0));
	fixture_pardon();
	fixture_stop();
}

static void one_errno(const struct kind *k, const struct call *c, unsigned times, int err)
{
	snprintf(what, sizeof what, "%.20s: %s: %s, %s", strchr(k->text, '\n') + 1, c->name, strerror(err),
		 times == 1 ? "once" : "for ever");
	/* a fault while the reader is opened */
	fixture_start(FAKE_VIRTUAL, k->text);
	began = fixture_ms();
	c->arm(times, err);
	if (over(fixture_open(0, 0, 0)) == IFD_SUCCESS) {
		use();
		disarm();
		works_again(k, says_gone(err));
	} else {
		disarm();
		FIXTURE_IS_FINE(fixture_open(0, 0, 0));
		FIXTURE_IS_FINE(set_up(k));
	}
	finish();
	/* a fault while the reader is used, and after a reset by the host */
	for (unsigned reset = 0; reset < 2; reset++) {
		fixture_start(FAKE_VIRTUAL, k->text);
		fixture_ready(0, 0, (unsigned)k->protocol);
		began = fixture_ms();
		c->arm(times, err);
		if (reset)
			fake_usb_reset(0);
		use();
		disarm();
		works_again(k, says_gone(err));
		finish();
	}
}

static void each_errno_of_each_call(void **state)
{
	(void)state;
	for (size_t k = 0; k < COUNT(kinds); k++)
		for (size_t c = 0; c < COUNT(calls); c++)
			for (size_t e = 0; e < COUNT(errnos); e++)
				for (unsigned ever = 0; ever < 2; ever++)
					one_errno(&kinds[k], &calls[c], ever ? FOR_EVER : 1, errnos[e]);
}

/* Transfers of one type, or all, are never given back: from the opening on, or in the middle. */
static void transfers_that_are_never_given_back(void **state)
{
	static const int types[] = { FAKE_HOLD_ALL, LIBUSB_TRANSFER_TYPE_CONTROL, LIBUSB_TRANSFER_TYPE_BULK,
				     LIBUSB_TRANSFER_TYPE_INTERRUPT };

	(void)state;
	for (size_t k = 0; k < COUNT(kinds); k++) {
		for (size_t i = 0; i < COUNT(types) * 2; i++) {
			bool opened = i & 1;

			snprintf(what, sizeof what, "%.20s: type %d is held, %d", strchr(kinds[k].text, '\n') + 1,
				 types[i / 2], opened);
			fixture_start(FAKE_VIRTUAL, kinds[k].text);
			if (opened)
				fixture_ready(0, 0, (unsigned)kinds[k].protocol);
			began = fixture_ms();
			fake_usb_hold(types[i / 2]);
			if (opened || over(fixture_open(0, 0, 0)) == IFD_SUCCESS)
				use();
			/* closed while transfers are outstanding, and opened again when they are
			 * back */
			(void)over(IFDHCloseChannel(0));
			disarm();
			FIXTURE_IS_FINE(over(fixture_open(0, 0, 0)));
			FIXTURE_IS_FINE(set_up(&kinds[k]));
			finish();
		}
	}
}

static uint64_t poll_ms(void)
{
	uint64_t before = fixture_ms();

	poll_once();
	return fixture_ms() - before;
}

/* A command finds out that the host reset the reader. pcscd looks for the card while the command still runs, and is
 * told the last known state: it is made to look again afterwards, else it would go on with a card without power. */
static void a_reset_that_a_command_sees_first(void **state)
{
	(void)state;
	snprintf(what, sizeof what, "reset");
	fixture_start(FAKE_VIRTUAL, kinds[0].text);
	fixture_ready(0, 0, 1);
	began = fixture_ms();
	while (poll_ms() < 1000)
		;
	fake_usb_reset(0);
	assert_int_not_equal(fixture_echo(0, 1, 20), IFD_SUCCESS);
	/* presence is asked for during the next command */
	assert_in_range(poll_ms(), 0, 10);
	assert_int_not_equal(fixture_echo(0, 2, 20), IFD_SUCCESS);
	assert_in_range(poll_ms(), 0, 10);
	assert_int_equal(IFDHICCPresence(0), IFD_ICC_NOT_PRESENT);
	assert_in_range(poll_ms(), 0, 10);
	assert_int_equal(IFDHICCPresence(0), IFD_ICC_PRESENT);
	assert_in_range(poll_ms(), 1000, 1010);
	finish();
}

static void *look(void *found)
{
	*(RESPONSECODE *)found = IFDHICCPresence(0);
	return NULL;
}

static RESPONSECODE another_looks(void)
{
	RESPONSECODE found;
	pthread_t t;

	assert_int_equal(pthread_create(&t, NULL, look, &found), 0);
	pthread_join(t, NULL);
	return found;
}

/* pcscd asks for the card's presence before it switches the power, in any of its threads. Only its
 * event thread announces cards: an absence that another thread is told would be lost. The driver
 * therefore keeps it for the first question that the polling thread asks after a poll. */
static void the_absence_is_for_the_thread_that_polls(void **state)
{
	(void)state;
	snprintf(what, sizeof what, "reset, looked at by another thread");
	fixture_start(FAKE_VIRTUAL, kinds[0].text);
	fixture_ready(0, 0, 1);
	began = fixture_ms();
	while (poll_ms() < 1000)
		;
	assert_int_equal(IFDHICCPresence(0), IFD_ICC_PRESENT);
	fake_usb_reset(0);
	assert_int_equal(another_looks(), IFD_ICC_PRESENT);
	/* the event thread switches the power as well */
	assert_int_equal(IFDHICCPresence(0), IFD_ICC_PRESENT);
	assert_in_range(poll_ms(), 0, 10);
	assert_int_equal(another_looks(), IFD_ICC_PRESENT);
	assert_int_equal(IFDHICCPresence(0), IFD_ICC_NOT_PRESENT);
	assert_in_range(poll_ms(), 0, 10);
	assert_int_equal(another_looks(), IFD_ICC_PRESENT);
	assert_int_equal(IFDHICCPresence(0), IFD_ICC_PRESENT);
	FIXTURE_IS_FINE(fixture_power(0));
	finish();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(each_errno_of_each_call, fixture_teardown),
		cmocka_unit_test_teardown(transfers_that_are_never_given_back, fixture_teardown),
		cmocka_unit_test_teardown(a_reset_that_a_command_sees_first, fixture_teardown),
		cmocka_unit_test_teardown(the_absence_is_for_the_thread_that_polls, fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
