/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The ten exported functions with everything a caller may pass, on simulated readers: no byte is
 * written beyond a buffer, nothing crashes, and the reader works afterwards. Virtual time. */
#include "driver_fixture.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define CANARY 0xC5
#define UNKNOWN 0x70000
#define ROOM 70000

static uint8_t *buf;		/* exactly as large as the length that is passed, so that a
				   sanitizer sees an access beyond */

static int setup(void **state)
{
	(void)state;
	fixture_start(FAKE_VIRTUAL, "reader one\nlevel = extended\nfeatures = 0x000404FA\nmaxlen = 65554\n"
		      "product = 0e5c\npinpad = 3\ncard 0 = t1\n");
	fixture_ready(0, 0, 1);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	FIXTURE_IS_FINE(fixture_power(0));
	FIXTURE_IS_FINE(fixture_echo(0, 1, 100));
	FIXTURE_IS_FINE(IFDHCloseChannel(0));
	fixture_pardon();
	fixture_stop();
	return 0;
}

static void room(size_t n)
{
	free(buf);
	buf = malloc(n + 16);
	assert_non_null(buf);
	memset(buf, CANARY, n + 16);
}

static void expect_canary(size_t n)
{
	for (size_t i = 0; i < 16; i++)
		assert_int_equal(buf[n + i], CANARY);
}

static void no_answer_exceeds_its_buffer(void **state)
{
	uint8_t apdu[] = { 0x80, 0x14, 0x00, 0x08, 0x08 };
	SCARD_IO_HEADER pci = { 0, 0 };

	(void)state;
	for (DWORD tx = 0; tx <= sizeof apdu; tx++) {
		for (DWORD rx = 0; rx <= 12; rx++) {
			DWORD n = rx;
			RESPONSECODE rc;

			room(rx);
			rc = IFDHTransmitToICC(0, pci, apdu, tx, buf, &n, NULL);
			expect_canary(rx);
			if (rc != IFD_SUCCESS)
				assert_int_equal(n, 0);
			if (tx < 4)
				assert_int_not_equal(rc, IFD_SUCCESS);
			if (tx == 5) {
				FIXTURE_IS_FINE(rc);
				assert_int_equal(n, 10);
			}
		}
	}
}

static void null_buffers_are_errors(void **state)
{
	uint8_t apdu[] = { 0x80, 0x10, 0x00, 0x00 }, out[10];
	SCARD_IO_HEADER pci = { 0, 0 };
	DWORD n = sizeof out;

	(void)state;
	assert_int_not_equal(IFDHTransmitToICC(0, pci, NULL, 4, out, &n, NULL), IFD_SUCCESS);
	assert_int_equal(n, 0);
	n = sizeof out;
	assert_int_not_equal(IFDHTransmitToICC(0, pci, apdu, 4, NULL, &n, NULL), IFD_SUCCESS);
	assert_int_equal(n, 0);
	assert_int_not_equal(IFDHTransmitToICC(0, pci, apdu, 4, out, NULL, NULL), IFD_SUCCESS);
	/* no buffer and no room: the length that is returned says how much is needed */
	n = 0;
	FIXTURE_IS_FINE(IFDHTransmitToICC(0, pci, apdu, 4, NULL, &n, NULL));
	assert_int_equal(n, 2);
}

/* The longest command and the longest answer of ISO 7816-4. */
static void the_largest_apdu_passes(void **state)
{
	uint8_t *apdu = calloc(1, 65544), *out = malloc(65538 + 16);
	size_t n;

	(void)state;
	assert_true(apdu && out);
	memcpy(apdu, (uint8_t[]){ 0x80, 0x16, 0x00, 0x00, 0x00, 0xFF, 0xFF }, 7);
	for (size_t i = 0; i < 65535; i++)
		apdu[7 + i] = (uint8_t)(i * 3);
	memset(out, CANARY, 65538 + 16);
	FIXTURE_IS_FINE(fixture_apdu(0, apdu, 65544, out, 65538, &n));
	assert_int_equal(n, 65537);
	assert_memory_equal(out, apdu + 7, 65535);
	assert_memory_equal(out + 65535, "\x90\x00", 2);
	assert_int_equal(out[65538], CANARY);
	/* a byte short */
	memset(out, CANARY, 65538);
	FIXTURE_IS_FINE(fixture_apdu(0, apdu, 65544, out, 65536, &n));
	assert_int_equal(n, 65537);
	assert_int_equal(out[65536], CANARY);
	free(apdu);
	free(out);
}

/* Longer than any APDU. */
static void a_command_beyond_the_largest_apdu_is_refused(void **state)
{
	static const size_t lengths[] = { 65545, 65546, 65547, 66000, ROOM, 200000 };
	uint8_t *apdu = calloc(1, 200000), out[300];

	(void)state;
	memcpy(apdu, (uint8_t[]){ 0x80, 0x16, 0x00, 0x00, 0x00, 0xFF, 0xFF }, 7);
	for (unsigned i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
		size_t n;
		RESPONSECODE rc = fixture_apdu(0, apdu, lengths[i], out, sizeof out, &n);

		if (rc == IFD_SUCCESS)
			assert_in_range(n, 2, 65538);
		else
			assert_int_equal(n, 0);
	}
	free(apdu);
	fixture_pardon();
}

static void each_call_on_a_closed_lun_is_an_error(void **state)
{
	UCHAR b[300] = { 1 };
	DWORD n = sizeof b;
	SCARD_IO_HEADER pci = { 0, 0 };

	(void)state;
	assert_int_equal(IFDHTransmitToICC(UNKNOWN, pci, b, 5, b, &n, NULL), IFD_NO_SUCH_DEVICE);
	assert_int_equal(n, 0);
	n = sizeof b;
	assert_int_equal(IFDHPowerICC(UNKNOWN, IFD_POWER_UP, b, &n), IFD_NO_SUCH_DEVICE);
	assert_int_equal(n, 0);
	n = sizeof b;
	assert_int_equal(IFDHGetCapabilities(UNKNOWN, TAG_IFD_ATR, &n, b), IFD_NO_SUCH_DEVICE);
	assert_int_equal(IFDHSetCapabilities(UNKNOWN, TAG_IFD_DEVICE_REMOVED, 1, b), IFD_NO_SUCH_DEVICE);
	assert_int_equal(IFDHSetProtocolParameters(UNKNOWN, SCARD_PROTOCOL_T1, 0, 0, 0, 0), IFD_NO_SUCH_DEVICE);
	assert_int_equal(IFDHControl(UNKNOWN, CM_IOCTL_GET_FEATURE_REQUEST, NULL, 0, b, sizeof b, &n),
			 IFD_NO_SUCH_DEVICE);
	assert_int_equal(n, 0);
	assert_int_equal(IFDHICCPresence(UNKNOWN), IFD_NO_SUCH_DEVICE);
	assert_int_equal(IFDHCloseChannel(UNKNOWN), IFD_NO_SUCH_DEVICE);
}

static void closing_twice_is_an_error(void **state)
{
	(void)state;
	FIXTURE_IS_FINE(IFDHCloseChannel(0));
	assert_int_equal(IFDHCloseChannel(0), IFD_NO_SUCH_DEVICE);
	fixture_pardon();
	fixture_ready(0, 0, 1);
}

static void power_calls_return_the_atr(void **state)
{
	static const DWORD actions[] = { IFD_POWER_UP, IFD_RESET, IFD_POWER_DOWN, 0, 499, 503, 0xFFFFFFFF };
	DWORD n;

	(void)state;
	for (unsigned i = 0; i < sizeof actions / sizeof actions[0]; i++) {
		room(MAX_ATR_SIZE);
		n = 0xFFFFFFFF;	/* pcscd does not always set it */
		if (i >= 3)
			assert_int_not_equal(IFDHPowerICC(0, actions[i], buf, &n), IFD_SUCCESS);
		else
			FIXTURE_IS_FINE(IFDHPowerICC(0, actions[i], buf, &n));
		assert_int_equal(n > 0, i < 2);
		assert_true(n <= MAX_ATR_SIZE);
		/* powering down wipes the ATR */
		for (size_t k = n; k < MAX_ATR_SIZE + 16; k++)
			assert_int_equal(buf[k], actions[i] == IFD_POWER_DOWN && k < MAX_ATR_SIZE ? 0 : CANARY);
	}
	assert_int_not_equal(IFDHPowerICC(0, IFD_POWER_UP, NULL, &n), IFD_SUCCESS);
	assert_int_not_equal(IFDHPowerICC(0, IFD_POWER_UP, buf, NULL), IFD_SUCCESS);
}

/* Every known tag and many unknown ones, with every length: nothing is written beyond the
 * buffer. */
static void all_tags_with_all_lengths(void **state)
{
	static const DWORD bases[] = { 0x0000, 0x0100, 0x0200, 0x0FA0, 0x0FB0, 0x10000, 0x7FFF0000, 0xFFFFFF00,
				       0x30000, 0x30300, 0x90300, 0x20100, 0x80100, 0x1A000 };

	(void)state;
	for (unsigned b = 0; b < sizeof bases / sizeof bases[0]; b++) {
		for (DWORD tag = bases[b]; tag < bases[b] + 0x100; tag++) {
			DWORD known = 0;

			if (IFDHGetCapabilities(0, tag, &known, NULL) != IFD_SUCCESS) {
				DWORD n = 300;

				room(300);
				assert_int_not_equal(IFDHGetCapabilities(0, tag, &n, buf), IFD_SUCCESS);
				for (size_t k = 0; k < 316; k++)
					assert_int_equal(buf[k], CANARY);
				continue;
			}
			for (DWORD len = 0; len <= 300; len++) {
				DWORD n = len;
				RESPONSECODE rc;

				room(len);
				rc = IFDHGetCapabilities(0, tag, &n, buf);
				expect_canary(len);
				assert_int_equal(rc, len < known ? IFD_ERROR_INSUFFICIENT_BUFFER : IFD_SUCCESS);
				assert_int_equal(n, known);
			}
		}
	}
	assert_int_not_equal(IFDHGetCapabilities(0, TAG_IFD_ATR, NULL, NULL), IFD_SUCCESS);
}

static void wrong_tags_and_values_are_refused(void **state)
{
	UCHAR value[300] = { 0 };

	(void)state;
	for (DWORD tag = 0x0F00; tag < 0x1000; tag++)
		for (DWORD len = 0; len <= 300; len += 50)
			assert_int_not_equal(IFDHSetCapabilities(0, tag, len, value), IFD_SUCCESS);
	assert_int_not_equal(IFDHSetCapabilities(0, TAG_IFD_DEVICE_REMOVED, 1, NULL), IFD_SUCCESS);
	assert_int_not_equal(IFDHSetCapabilities(0, TAG_IFD_DEVICE_REMOVED, 0, value), IFD_SUCCESS);
	FIXTURE_IS_FINE(fixture_echo(0, 3, 10));
}

/* Every control code of the driver with every length in and out. */
static void all_controls_with_all_lengths(void **state)
{
	static const DWORD codes[] = { CM_IOCTL_GET_FEATURE_REQUEST, 0x313520, SCARD_CTL_CODE(1), SCARD_CTL_CODE(3600),
				       SCARD_CTL_CODE(3601), SCARD_CTL_CODE(0x330006), SCARD_CTL_CODE(0x330007),
				       SCARD_CTL_CODE(0x330008), SCARD_CTL_CODE(0x33000A), SCARD_CTL_CODE(0x330012),
				       SCARD_CTL_CODE(0x330013), 0, 0xFFFFFFFF, SCARD_CTL_CODE(2) };

	(void)state;
	for (unsigned i = 0; i < sizeof codes / sizeof codes[0]; i++) {
		for (DWORD len = 0; len <= 300; len++) {
			uint8_t *in = malloc(len ? len : 1);
			DWORD n = 0xFFFFFFFF;

			/* the output's size varies with that of the input */
			DWORD cap = (len * 7) % 301;

			memset(in, (int)(len & 1 ? 0xFF : 0x00), len);
			room(cap);
			(void)IFDHControl(0, codes[i], in, len, buf, cap, &n);
			assert_true(n <= cap);
			expect_canary(cap);
			n = 0xFFFFFFFF;
			(void)IFDHControl(0, codes[i], len ? in : NULL, len, cap ? buf : NULL, cap, &n);
			assert_true(n <= cap);
			free(in);
		}
		assert_int_not_equal(IFDHControl(0, codes[i], NULL, 5, buf, 10, &(DWORD){ 0 }), IFD_SUCCESS);
		assert_int_not_equal(IFDHControl(0, codes[i], buf, 5, NULL, 10, &(DWORD){ 0 }), IFD_SUCCESS);
		assert_int_not_equal(IFDHControl(0, codes[i], buf, 5, buf, 10, NULL), IFD_SUCCESS);
	}
	free(buf);
	buf = NULL;
}

static void wrong_protocols_and_flags_are_refused(void **state)
{
	static const DWORD wrong[] = { 0, 4, 8, 0x10000, 3, 0xFFFFFFFF };

	(void)state;
	for (unsigned i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
		assert_int_equal(IFDHSetProtocolParameters(0, wrong[i], 0, 0, 0, 0), IFD_PROTOCOL_NOT_SUPPORTED);
	for (unsigned flags = 1; flags < 256; flags++)
		assert_int_not_equal(IFDHSetProtocolParameters(0, SCARD_PROTOCOL_T1, (UCHAR)flags, 1, 2, 3),
				     IFD_SUCCESS);
	FIXTURE_IS_FINE(IFDHSetProtocolParameters(0, SCARD_PROTOCOL_T1, 0, 0xFF, 0xFF, 0xFF));
}

/* A thread that makes all calls, and is cancelled at a chosen moment. */
struct cancelled {
	pthread_t thread;
	const char *reader;
	RESPONSECODE wrong;
	bool done;
};

static RESPONSECODE poll_and_stop(void)
{
	RESPONSECODE (*poll)(DWORD, int), (*end_poll)(DWORD);
	DWORD n = sizeof poll;
	RESPONSECODE rc = IFDHGetCapabilities(0, TAG_IFD_POLLING_THREAD_WITH_TIMEOUT, &n, (PUCHAR)&poll);

	if (rc != IFD_SUCCESS)
		return rc;
	n = sizeof end_poll;
	rc = IFDHGetCapabilities(0, TAG_IFD_STOP_POLLING_THREAD, &n, (PUCHAR)&end_poll);
	if (rc == IFD_SUCCESS)
		rc = poll(0, 50);
	if (rc == IFD_SUCCESS)
		rc = end_poll(0);
	return rc == IFD_SUCCESS ? poll(0, 5000) : rc;
}

/* A cancelled thread does not return from here: the address sanitizer would go on guarding this frame. */
__attribute__((no_sanitize_address)) static void *cancelled_main(void *arg)
{
	struct cancelled *c = arg;
	DWORD n = 0;
	UCHAR gone = 1;

	pthread_cancel(pthread_self());
	c->wrong = fixture_open(0, 0, 0);
	if (c->wrong == IFD_SUCCESS)
		c->wrong = fixture_power(0);
	if (c->wrong == IFD_SUCCESS)
		c->wrong = IFDHSetProtocolParameters(0, strstr(c->reader, "t0") ? SCARD_PROTOCOL_T0 : SCARD_PROTOCOL_T1,
						     0, 0, 0, 0);
	if (c->wrong == IFD_SUCCESS)
		c->wrong = fixture_echo(0, 1, 100);
	if (c->wrong == IFD_SUCCESS)
		c->wrong = poll_and_stop();
	if (c->wrong == IFD_SUCCESS && IFDHICCPresence(0) != IFD_ICC_PRESENT)
		c->wrong = IFD_ICC_NOT_PRESENT;
	(void)IFDHControl(0, 0x42000000 + 3400, NULL, 0, NULL, 0, &n);
	if (c->wrong == IFD_SUCCESS)
		c->wrong = IFDHSetCapabilities(0, TAG_IFD_DEVICE_REMOVED, 1, &gone);
	if (c->wrong == IFD_SUCCESS)
		c->wrong = IFDHCloseChannel(0);
	c->done = true;
	pthread_testcancel();
	return NULL;
}

/* Row 33: pcscd cancels a thread of its own that is in the driver, at whatever point: the call ends first, and leaves
 * no lock and no count behind. */
static void row_33_cancelled_in_any_call(void **state)
{
	static const char *const readers[] = {
		"reader one\ncard 0 = t1\n", "reader one\niccd = a\ncard 0 = t0\n",
		"reader one\niccd = b\nfeatures = 0x000404F2\ncard 0 = t1\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof readers / sizeof readers[0]; i++) {
		struct cancelled c = { .reader = readers[i] };
		void *result = NULL;

		fixture_start(FAKE_REAL, c.reader);
		assert_int_equal(pthread_create(&c.thread, NULL, cancelled_main, &c), 0);
		pthread_join(c.thread, &result);
		assert_true(c.done);
		assert_int_equal(c.wrong, IFD_SUCCESS);
		assert_ptr_equal(result, PTHREAD_CANCELED);
		/* the same calls again, by a thread that is not cancelled */
		fixture_ready(0, 0, strstr(c.reader, "t0") ? 0 : 1);
		FIXTURE_IS_FINE(fixture_echo(0, 2, 100));
		FIXTURE_IS_FINE(IFDHCloseChannel(0));
		fixture_stop();
	}
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(no_answer_exceeds_its_buffer),
		TEST(null_buffers_are_errors),
		TEST(the_largest_apdu_passes),
		TEST(a_command_beyond_the_largest_apdu_is_refused),
		TEST(each_call_on_a_closed_lun_is_an_error),
		TEST(closing_twice_is_an_error),
		TEST(power_calls_return_the_atr),
		TEST(all_tags_with_all_lengths),
		TEST(wrong_tags_and_values_are_refused),
		TEST(all_controls_with_all_lengths),
		TEST(wrong_protocols_and_flags_are_refused),
		cmocka_unit_test_teardown(row_33_cancelled_in_any_call, fixture_teardown),
	};
	int rc = cmocka_run_group_tests(tests, NULL, NULL);

	free(buf);
	return rc;
}
