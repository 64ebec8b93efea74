/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* src/transport/usb_open.c: node, claim, strings, data rates; and nothing left behind. */
#include "usb_bench.h"

#include <errno.h>

static uint8_t seq;

static enum ccid_err open_it(void)
{
	return bench_open_interface(0, 0, &bench.t);
}

/* After an error nothing but the host is alive. */
static void nothing_left(void)
{
	struct fake_counts c = fake_usb_counts();

	assert_null(bench.t);
	assert_int_equal(c.handles + c.transfers + c.submitted + c.nodes + c.device_refs + c.claims, 0);
	assert_int_equal(c.contexts, 1);
}

static void strings_and_numbers(void **state)
{
	(void)state;
	bench_start(FAKE_VIRTUAL, "reader r\nmanufacturer = Good Readers Inc.\nserial = 0815\x01\xE4x\n");
	assert_string_equal(bench.t->manufacturer, "Good Readers Inc.");
	assert_int_equal(strlen(bench.t->serial_number), 7);
	for (const char *p = bench.t->serial_number; *p; p++)
		assert_in_range(*p, 0x20, 0x7E);
	assert_memory_equal(bench.t->serial_number, "0815", 4);
	assert_int_equal(bench.t->bus, 1);
	assert_int_equal(bench.t->address, 2);
	assert_false(bench.t->card_always_present);
	bench_stop();
}

static void no_strings(void **state)
{
	(void)state;
	bench_start(FAKE_VIRTUAL, "reader r\nmanufacturer =\n");
	assert_null(bench.t->manufacturer);
	assert_null(bench.t->serial_number);
	bench_stop();
}

/* Row 14: GET_DATA_RATES */
static void data_rates(void **state)
{
	static const struct {
		const char *text, *fault;
		size_t want;
	} rows[] = {
		{ "reader r\nrates = 9600,19200,38400\n", NULL, 3 },
		{ "reader r\n", NULL, 0 },
		{ "reader r\nrates = 9600,19200\n", "rates-stall", 0 },
		{ "reader r\nrates = 9600,19200\n", "rates-extra value=1", 2 },
		{ "reader r\n", "rates-extra value=1", 0 },
		{ "reader r\n", "rates-extra value=3", 0 },
		{ "reader r\n", "rates-count value=256", 0 },
		{ "reader r\nrates = 0,9600,0\n", NULL, 1 },
		{ "reader r\nrates = 9600,19200\n", "rates-count value=256", 2 },
		{ "reader r\nrates = 9600,19200\n", "rates-count value=1", 1 },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		bench_host(FAKE_VIRTUAL, rows[i].text);
		if (rows[i].fault)
			fixture_fault(0, "%s", rows[i].fault);
		assert_int_equal(open_it(), CCID_OK);
		if (bench.t->n_data_rates != rows[i].want)
			fail_msg("row %u: %zu rates", i, bench.t->n_data_rates);
		assert_int_equal(bench.t->data_rates != NULL, rows[i].want > 0);
		if (i == 0)
			assert_int_equal(bench.t->data_rates[2], 38400);
		assert_int_equal(status_of(bench.t, 0, seq++), CCID_OK);
		bench_stop();
	}
}

/* Row 24: another program has the interface, for a moment or for good. */
static void claimed_by_another_program(void **state)
{
	uint64_t began;

	(void)state;
	bench_host(FAKE_VIRTUAL, FIXTURE_ONE);
	fake_usb_claim_busy(5);
	began = fixture_ms();
	assert_int_equal(open_it(), CCID_OK);
	assert_in_range(fixture_ms() - began, 100, 1000);
	assert_int_equal(fixture_log_critical(), 0);
	bench.t->ops->close(bench.t);
	bench.t = NULL;
	fake_usb_claim_busy(1000);
	began = fixture_ms();
	assert_int_equal(open_it(), CCID_ERR_BUSY);
	assert_in_range(fixture_ms() - began, 1000, 3000);
	assert_int_equal(fixture_log_critical(), 1);
	assert_int_equal(fixture_log_count("scdaemon"), 1);
	assert_int_equal(fixture_log_count("disable-ccid"), 1);
	nothing_left();
	fake_usb_claim_busy(0);
	assert_int_equal(open_it(), CCID_OK);
	bench_stop();
}

/* No second wait for a program that still has it, and no other line; and a reader
 * that does not work is not claimed for ever. */
static void tried_again(void **state)
{
	struct usb_failures failures = { .lock = PTHREAD_MUTEX_INITIALIZER };
	struct usb_name name;
	struct usb_open_request rq = { .name = &name, .log = &bench.log, .failures = &failures };
	char text[80];
	uint64_t began;

	(void)state;
	bench_host(FAKE_VIRTUAL, FIXTURE_ONE);
	bench.log = (struct log_ctx){ .reader = "bench" };
	fake_usb_name(0, 0, text, sizeof text);
	assert_int_equal(usb_name_parse(text, &name), CCID_OK);
	fake_usb_claim_busy(1000);
	assert_int_equal(usb_open(bench.host, &rq, &bench.t), CCID_ERR_BUSY);
	assert_int_equal(fixture_log_critical(), 1);
	for (unsigned i = 0; i < 10; i++) {
		began = fixture_ms();
		assert_int_equal(usb_open(bench.host, &rq, &bench.t), CCID_ERR_BUSY);
		assert_in_range(fixture_ms() - began, 0, 20);
	}
	assert_int_equal(fixture_log_critical(), 1);
	fake_usb_claim_busy(0);
	assert_int_equal(usb_open(bench.host, &rq, &bench.t), CCID_OK);
	bench.t->ops->close(bench.t);
	bench.t = NULL;
	usb_failure_note(&failures, 1, 2, 0, CCID_OK);
	for (unsigned i = 0; i < USB_FAILURES_MAX; i++)
		usb_failure_note(&failures, 1, 2, 0, CCID_ERR_TIMEOUT);
	assert_int_equal(usb_open(bench.host, &rq, &bench.t), CCID_ERR_COMM);
	assert_int_equal(fixture_log_count("is left alone for a minute"), 1);
	nothing_left();
	fake_clock_advance(UINT64_C(60000000000));
	assert_int_equal(usb_open(bench.host, &rq, &bench.t), CCID_OK);
	bench_stop();
}

/* Of several readers of the class one that another program has, or that does not work, is passed over
 * without a wait. */
static void of_the_class_the_next_one(void **state)
{
	struct usb_failures failures = { .lock = PTHREAD_MUTEX_INITIALIZER };
	struct usb_name name;
	struct usb_open_request rq = { .name = &name, .log = &bench.log, .failures = &failures };
	uint64_t began;

	(void)state;
	bench_host(FAKE_VIRTUAL, "reader a\ncopies = 3\n");
	bench.log = (struct log_ctx){ .reader = "bench" };
	assert_int_equal(usb_name_parse("usb:class:0", &name), CCID_OK);
	fake_usb_claim_busy(1);
	began = fixture_ms();
	assert_int_equal(usb_open(bench.host, &rq, &bench.t), CCID_OK);
	assert_in_range(fixture_ms() - began, 0, 100);
	assert_int_equal(bench.t->address, 3);
	bench.t->ops->close(bench.t);
	usb_failure_note(&failures, 1, 2, 0, CCID_ERR_TIMEOUT);
	usb_failure_note(&failures, 1, 3, 0, CCID_ERR_TIMEOUT);
	assert_int_equal(usb_open(bench.host, &rq, &bench.t), CCID_OK);
	assert_int_equal(bench.t->address, 4);
	bench.t->ops->close(bench.t);
	bench.t = NULL;
	fake_usb_claim_busy(1000);
	assert_int_equal(usb_open(bench.host, &rq, &bench.t), CCID_ERR_NO_DEVICE);
	nothing_left();
	fake_usb_claim_busy(0);
	bench_stop();
}

static void nodes_that_cannot_be_opened(void **state)
{
	static const struct {
		int err;
		enum ccid_err want;
		unsigned lines;
	} rows[] = { { EACCES, CCID_ERR_BUSY, 1 }, { EPERM, CCID_ERR_BUSY, 1 }, { EMFILE, CCID_ERR_COMM, 1 },
		     { ENOENT, CCID_ERR_NO_DEVICE, 0 }, { ENODEV, CCID_ERR_NO_DEVICE, 0 },
		     { ENXIO, CCID_ERR_NO_DEVICE, 0 } };

	(void)state;
	bench_host(FAKE_VIRTUAL, FIXTURE_ONE);
	for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		fixture_log_clear();
		fake_usb_fail_node(1, rows[i].err);
		assert_int_equal(open_it(), rows[i].want);
		assert_int_equal(fixture_log_critical(), rows[i].lines);
		nothing_left();
	}
	assert_int_equal(open_it(), CCID_OK);
	bench_stop();
}

static void handles_that_cannot_be_made(void **state)
{
	static const struct {
		int code;
		enum ccid_err want;
	} rows[] = { { LIBUSB_ERROR_NO_DEVICE, CCID_ERR_NO_DEVICE }, { LIBUSB_ERROR_NO_MEM, CCID_ERR_COMM },
		     { LIBUSB_ERROR_IO, CCID_ERR_COMM }, { LIBUSB_ERROR_OTHER, CCID_ERR_COMM } };

	(void)state;
	bench_host(FAKE_VIRTUAL, FIXTURE_ONE);
	for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		fake_usb_fail_open(1, rows[i].code);
		assert_int_equal(open_it(), rows[i].want);
		nothing_left();
	}
	bench_stop();
}

/* Every errno at every system call of an opening: one line that names it and says what to do, unless the device is
 * gone. linux_usbfs.c of libusb gives most of them as "other" or "input/output". */
static void every_errno_has_its_line(void **state)
{
	static const struct {
		int err;
		const char *advice;	/* NULL: the device is gone */
	} rows[] = {
		{ EPERM, "USBGuard" }, { EACCES, "udev rules" }, { ENOSPC, "USB bandwidth" }, { EIO, "see the kernel" },
		{ ENOMEM, "USB bandwidth" }, { EMFILE, "LimitNOFILE" }, { ENFILE, "LimitNOFILE" },
		{ EBUSY, "end the program" }, { EINVAL, "see the kernel" }, { ENODEV, NULL }, { ENOENT, NULL },
		{ ENXIO, NULL },
	};
	static const struct {
		const char *step;
		int code;
	} steps[] = {
		{ "cannot open /dev/bus/usb/001/002", 0 }, { "libusb cannot use the device", LIBUSB_ERROR_IO },
		{ "libusb cannot use the device", LIBUSB_ERROR_OTHER },
		{ "interface 0 cannot be claimed", LIBUSB_ERROR_OTHER },
	};

	(void)state;
	bench_host(FAKE_VIRTUAL, FIXTURE_ONE);
	for (unsigned i = 0; i < sizeof rows / sizeof rows[0] * 4; i++) {
		int err = rows[i / 4].err, code = steps[i % 4].code;
		const char *advice = rows[i / 4].advice;
		enum ccid_err want = !advice ? CCID_ERR_NO_DEVICE
			: (err == EACCES || err == EPERM) && i % 4 != 3 ? CCID_ERR_BUSY : CCID_ERR_COMM;

		fixture_log_clear();
		if (i % 4 == 0)
			fake_usb_fail_node(1, err);
		else if (i % 4 == 3)
			fake_usb_fail_claim(1, code, err);
		else
			fake_usb_fail_open_errno(1, code, err);
		assert_int_equal(open_it(), want);
		assert_int_equal(fixture_log_critical(), advice ? 1 : 0);
		assert_int_equal(fixture_log_count(steps[i % 4].step), 1);
		assert_int_equal(fixture_log_count(strerror(err)), 1);
		assert_int_equal(fixture_log_count(advice ? advice : "it is gone"), 1);
		nothing_left();
	}
	bench_stop();
}

/* libusb's own codes say which errno it was. */
static void codes_of_libusb_have_their_line(void **state)
{
	static const struct {
		int code, err;
	} rows[] = { { LIBUSB_ERROR_ACCESS, EACCES }, { LIBUSB_ERROR_NO_MEM, ENOMEM }, { LIBUSB_ERROR_OTHER, EIO } };

	(void)state;
	bench_host(FAKE_VIRTUAL, FIXTURE_ONE);
	for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		fixture_log_clear();
		fake_usb_fail_claim(1, rows[i].code, 0);
		assert_int_not_equal(open_it(), CCID_OK);
		assert_int_equal(fixture_log_critical(), 1);
		assert_int_equal(fixture_log_count(strerror(rows[i].err)), 1);
		nothing_left();
	}
	bench_stop();
}

/* As pcscd sees it: 612 and the line; then the reader opens, with one line that says what it is. */
static void libusb_that_cannot_be_initialised(void **state)
{
	(void)state;
	fixture_start(FAKE_VIRTUAL, "reader Test Reader\nvendor = 08e6\nproduct = 3437\nbcd = 2.00\nname = A Good One\n"
		  "level = tpdu\nslots = 2\nbusy = 2\ncard 0 = t1\n");
	fake_usb_fail_init(1, LIBUSB_ERROR_OTHER, EMFILE);
	assert_int_equal(fixture_open(0, 0, 0), IFD_COMMUNICATION_ERROR);
	assert_int_equal(fixture_log_count("libusb cannot be initialised"), 1);
	assert_int_equal(fixture_log_count(strerror(EMFILE)), 1);
	assert_int_equal(fixture_log_count("LimitNOFILE"), 1);
	fake_usb_fail_claim(1, LIBUSB_ERROR_OTHER, ENOSPC);
	assert_int_equal(fixture_open(0, 0, 0), IFD_COMMUNICATION_ERROR);
	assert_int_equal(fixture_log_count(strerror(ENOSPC)), 1);
	fixture_log_clear();
	assert_int_equal(fixture_open(0, 0, 0), IFD_SUCCESS);
	assert_int_equal(fixture_open(1, 0, 0), IFD_SUCCESS);
	assert_int_equal(fixture_log_count("drives 08e6:3437 \"A Good One\": level TPDU, slots 2, busy places 2, "
					   "firmware 2.00, quirks "), 1);
	assert_int_equal(fixture_log_count(" drives "), 1);
	assert_int_equal(IFDHCloseChannel(1), IFD_SUCCESS);
	assert_int_equal(IFDHCloseChannel(0), IFD_SUCCESS);
	fixture_stop();
}

/* Each allocation and each submission of an opening fails once. */
static void every_step_of_an_opening_fails(void **state)
{
	unsigned opened = 0;

	(void)state;
	bench_host(FAKE_VIRTUAL, "reader r\nserial = 1\nrates = 9600\ncard 0 = t1\n");
	for (unsigned nth = 1; opened < 2; nth++) {
		enum ccid_err err;

		assert_true(nth < 50);
		fake_usb_fail_alloc(nth);
		err = open_it();
		opened = fake_usb_counts().total_allocs && err == CCID_OK ? opened + 1 : 0;
		fake_usb_fail_alloc(0);
		if (err != CCID_OK) {
			assert_int_equal(err, CCID_ERR_NOMEM);
			nothing_left();
			continue;
		}
		assert_int_equal(status_of(bench.t, 0, seq++), CCID_OK);
		bench.t->ops->close(bench.t);
		bench.t = NULL;
		nothing_left();
	}
	for (unsigned nth = 1; nth < 20; nth++) {
		fake_usb_fail_submit(nth, LIBUSB_ERROR_NO_MEM);
		assert_int_equal(open_it(), CCID_OK);
		fake_usb_fail_submit(0, 0);
		assert_int_equal(status_of(bench.t, 0, seq++), CCID_OK);
		bench.t->ops->close(bench.t);
		bench.t = NULL;
		nothing_left();
	}
	bench_stop();
}

static void unplugged_while_opening(void **state)
{
	(void)state;
	bench_host(FAKE_VIRTUAL, "reader r\nrates = 9600\n");
	fixture_fault(0, "unplug-control");
	/* the strings were read, the rates were not; the next command finds out */
	if (open_it() == CCID_OK) {
		assert_int_equal(status_of(bench.t, 0, seq++), CCID_ERR_NO_DEVICE);
		bench.t->ops->close(bench.t);
		bench.t = NULL;
	}
	nothing_left();
	bench_stop();
}

static void a_thousand_times(void **state)
{
	(void)state;
	bench_host(FAKE_VIRTUAL, FIXTURE_TWO);
	for (unsigned i = 0; i < 1000; i++) {
		assert_int_equal(open_it(), CCID_OK);
		if (i % 3 == 0)
			assert_int_equal(status_of(bench.t, 1, seq++), CCID_OK);
		bench.t->ops->close(bench.t);
		bench.t = NULL;
		nothing_left();
	}
	bench_stop();
}

#define TEST(f) cmocka_unit_test_teardown(f, bench_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(strings_and_numbers),
		TEST(no_strings),
		TEST(data_rates),
		TEST(claimed_by_another_program),
		TEST(tried_again),
		TEST(of_the_class_the_next_one),
		TEST(nodes_that_cannot_be_opened),
		TEST(handles_that_cannot_be_made),
		TEST(every_errno_has_its_line), TEST(codes_of_libusb_have_their_line),
		cmocka_unit_test_teardown(libusb_that_cannot_be_initialised, fixture_teardown),
		TEST(every_step_of_an_opening_fails),
		TEST(unplugged_while_opening),
		TEST(a_thousand_times),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
