/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef HOSTILE_H
#define HOSTILE_H

/* Common checks of all rows of hostile behaviour (SECURITY.md): no wait beyond the deadline, no
 * byte beyond the buffer, nothing but the true answer reported as success, the other slot
 * undisturbed, one clear line in the log, and the slot works when the fault has ended. Include once
 * in a test program. */
#include "driver_fixture.h"

#include <stdio.h>
#include <string.h>

#define LONGEST_MS (5 * 60 * 1000 + 5000)	/* of silence */
#define ENDLESS_MS (30 * 60 * 1000 + 5000)	/* with time extensions */
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define BUFFER 300

/* Exchange levels, with a card in each of two slots. */
#define APDU_TWO "reader r\nslots = 2\nbusy = 2\nlevel = short\nfeatures = 0x000204FA\ncard 0 = t1\ncard 1 = t1\n"
#define CHAR_TWO(card) "reader r\nslots = 2\nbusy = 2\nlevel = char\ncard 0 = " card "\ncard 1 = " card "\n"
#define TPDU_TWO(card) "reader r\nslots = 2\nbusy = 2\ncard 0 = " card "\ncard 1 = " card "\n"

enum outcome { GOOD, BAD };

/* One fault, the required result of a command, and the line that names the field and its value. */
struct row {
	const char *fault;
	enum outcome outcome;
	const char *says;	/* NULL: no line is expected */
};

static uint8_t out[70000];
static size_t len;

static inline void begin_two(const char *reader, unsigned protocol)
{
	fixture_start(FAKE_VIRTUAL, reader);
	fixture_ready(0, 0, protocol);
	fixture_ready(1, 0, protocol);
}

static inline void close_both(void)
{
	FIXTURE_IS_FINE(IFDHCloseChannel(0));
	FIXTURE_IS_FINE(IFDHCloseChannel(1));
	fixture_stop();
}

/* Silence ends sooner than requests for more time. */
static inline uint64_t limit_of(const struct row *r)
{
	return r->says && strstr(r->says, "time extensions") ? ENDLESS_MS : LONGEST_MS;
}

/* The log has the line: once, unless the fault strikes repeatedly. */
static inline void expect_line(const char *fault, const char *says)
{
	unsigned lines = says ? fixture_log_count(says) : 0;

	assert_int_equal(fixture_log_critical(), 0);
	if (says && (lines == 0 || (lines > 1 && !strstr(fault, "count=")))) {
		fixture_log_print();
		fail_msg("%s: %u lines say \"%s\"", fault, lines, says);
	}
}

/* Runs a command under a fault: the command must end in time, and only the true answer may be a
 * success. */
static inline RESPONSECODE under_fault(const char *fault, uint64_t limit_ms)
{
	static const uint8_t apdu[] = { 0x80, 0x14, 0x00, 0x20, 0x20 };
	uint64_t began;
	RESPONSECODE rc;

	fixture_fault(0, "%s", fault);
	fixture_log_clear();
	memset(out, 0xEE, sizeof out);
	began = fixture_ms();
	rc = fixture_apdu(0, apdu, sizeof apdu, out, BUFFER, &len);
	if (fixture_ms() - began > limit_ms)
		fail_msg("%s: %u ms", fault, (unsigned)(fixture_ms() - began));
	if (rc != IFD_SUCCESS) {
		assert_int_equal(len, 0);
		if (fixture_log_count("transmit of 5 bytes failed") != 1)
			fail_msg("%s: %u lines", fault, fixture_log_count("transmit of"));
	} else if (len != 34 || out[0] != 0 || out[31] != 31 || out[32] != 0x90) {
		fail_msg("%s: a wrong answer of %zu bytes", fault, len);
	}
	assert_int_equal(out[BUFFER], 0xEE);
	return rc;
}

/* The other slot works without delay while slot 0 suffers from the fault. */
static inline void other_slot_works(const char *fault, unsigned tag)
{
	uint64_t began = fixture_ms();

	if (fixture_echo(1, tag, 200) != IFD_SUCCESS || fixture_ms() - began > 1000)
		fail_msg("%s: slot 1 is disturbed, %u ms", fault, (unsigned)(fixture_ms() - began));
}

/* When the fault has ended slot 0 works, after a reset of its card at the latest. */
static inline void recovers(const char *fault, unsigned protocol)
{
	fixture_fault(0, "clear");
	fixture_pardon();
	FIXTURE_IS_FINE(fixture_echo(1, 7, 200));
	if (fixture_echo(0, 8, 200) != IFD_SUCCESS) {
		FIXTURE_IS_FINE(fixture_power(0));
		FIXTURE_IS_FINE(IFDHSetProtocolParameters(0, protocol ? SCARD_PROTOCOL_T1 : SCARD_PROTOCOL_T0,
							  0, 0, 0, 0));
		if (fixture_echo(0, 9, 200) != IFD_SUCCESS)
			fail_msg("%s: slot 0 is lost", fault);
	}
	FIXTURE_IS_FINE(fixture_echo(0, 10, 33));
	FIXTURE_IS_FINE(fixture_echo(1, 11, 33));
	fixture_expect_no_complaint();
}

/* Runs every row on a new reader. */
static inline void play(const char *reader, unsigned protocol, const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char fault[100];
		RESPONSECODE rc;

		begin_two(reader, protocol);
		snprintf(fault, sizeof fault, "%s slot=0", rows[i].fault);
		rc = under_fault(fault, limit_of(&rows[i]));
		if ((rc == IFD_SUCCESS) != (rows[i].outcome == GOOD)) {
			fixture_log_print();
			fail_msg("%s: %ld", fault, (long)rc);
		}
		expect_line(fault, rows[i].says);
		other_slot_works(fault, (unsigned)i);
		recovers(fault, protocol);
		close_both();
	}
}

#define PLAY(reader, protocol, rows) play(reader, protocol, rows, COUNT(rows))
#define TEST(f) cmocka_unit_test_teardown(f, fixture_teardown)

#endif
