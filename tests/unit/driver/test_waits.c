/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How long the driver waits for readers of the field, as pcscd would see it: slow cards behind
 * readers that send no time extensions, cards that are removed during a command, answers without
 * their empty packet, readers that do not answer. Virtual time. */
#include "driver_fixture.h"

#include "sim/model/sim_dev_priv.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define TWO "reader r\nslots = 2\nbusy = 1\nlevel = short\nfeatures = 0x000204FA\ncard 0 = t1\ncard 1 = t1\n"
#define FOUR "reader r\nslots = 4\nbusy = 1\nlevel = short\nfeatures = 0x000204FA\ncard 0 = t1\ncard 1 = t1\n" \
	     "card 2 = t1\ncard 3 = t1\n"
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const uint8_t generate[] = { 0x80, 0x14, 0x00, 0x20, 0x20 };
static uint8_t out[300];
static size_t len;

static RESPONSECODE transmit(DWORD lun)
{
	return fixture_apdu(lun, generate, sizeof generate, out, sizeof out, &len);
}

/* --- events at a set time after an XfrBlock to slot 0, once --- */

static struct plan {
	uint64_t remove_ns, insert_ns;	/* 0: not */
	bool done;
} plan;

static void fire_remove(struct sim_dev *d, struct sim_event *e)
{
	(void)e;
	(void)sim_dev_remove(d, 0, 0, d->now);
}

static void fire_insert(struct sim_dev *d, struct sim_event *e)
{
	char err[100];

	(void)e;
	(void)sim_dev_insert(d, 0, 0, "t0", d->now, err, sizeof err);
}

static void hear(void *user, uint64_t now, const char *text)
{
	struct sim_dev *d = user;

	if (plan.done || !strstr(text, "out slot 0") || !strstr(text, "XfrBlock"))
		return;
	plan.done = true;
	if (plan.remove_ns)
		sim_at(d, now + plan.remove_ns, fire_remove);
	if (plan.insert_ns)
		sim_at(d, now + plan.insert_ns, fire_insert);
}

static void plan_removal(unsigned remove_ms, unsigned insert_ms)
{
	plan = (struct plan){ .remove_ns = remove_ms * SIM_MS, .insert_ns = insert_ms * SIM_MS };
	fake_usb_lock();
	sim_dev_trace(fake_usb_dev(0), hear, fake_usb_dev(0));
	fake_usb_unlock();
}

static void begin_two(const char *reader)
{
	fixture_start(FAKE_VIRTUAL, reader);
	fixture_ready(0, 0, 1);
	fixture_ready(1, 0, 1);
}

static void end(unsigned slots)
{
	for (DWORD i = 0; i < slots; i++)
		FIXTURE_IS_FINE(IFDHCloseChannel(i));
	fixture_stop();
}

/* sysmoOCTSIM, PN7462AU, Puck One: PIV keys take 15 s, Cryptoflex 30 s; no ABORT interrupts the
 * card. */
static void slow_cards_without_time_extensions(void **state)
{
	static const struct {
		const char *reader;
		unsigned protocol;
	} rows[] = {
		{ "reader r\ncard 0 = t0\n", 0 },
		{ "reader r\nlevel = short\nfeatures = 0x000204FA\ncard 0 = t0\n", 0 },
		{ "reader r\nlevel = extended\nfeatures = 0x000404FA\ncard 0 = t0\n", 0 },
		{ "reader r\nlevel = short\nfeatures = 0x000204FA\ncard 0 = t1\n", 1 },
		{ "reader r\nlevel = extended\nfeatures = 0x000404FA\ncard 0 = t1\n", 1 },
	};
	static const unsigned seconds[] = { 8, 9 };
	static const unsigned t0_seconds[] = { 8, 15, 30, 40, 200 };

	(void)state;
	for (unsigned i = 0; i < COUNT(rows); i++) {
		const unsigned *s = rows[i].protocol ? seconds : t0_seconds;
		unsigned n = rows[i].protocol ? COUNT(seconds) : COUNT(t0_seconds);

		fixture_start(FAKE_VIRTUAL, rows[i].reader);
		fixture_ready(0, 0, rows[i].protocol);
		for (unsigned k = 0; k < n; k++) {
			uint64_t began = fixture_ms();

			fixture_fault(0, "slow-answer ms=%u", 1000 * s[k]);
			if (transmit(0) != IFD_SUCCESS)
				fail_msg("reader %u: %u s", i, s[k]);
			assert_in_range(fixture_ms() - began, 1000 * s[k], 1000 * s[k] + 1000);
		}
		assert_int_equal(fixture_log_count("resynchronising"), 0);
		end(1);
	}
}

/* A message that stays in bulk OUT for 5 s has not reached a card: the reader is dead rather than
 * slow. */
static void a_message_that_is_not_taken(void **state)
{
	uint64_t began;

	(void)state;
	fixture_start(FAKE_VIRTUAL, "reader r\nlevel = extended\nfeatures = 0x000404BE\ncard 0 = t0\n");
	fixture_ready(0, 0, 0);
	fixture_fault(0, "out-nak");
	began = fixture_ms();
	assert_int_equal(transmit(0), IFD_RESPONSE_TIMEOUT);
	assert_in_range(fixture_ms() - began, 5000, 7000);
	assert_int_equal(fixture_log_count("has not taken the message for 5 s"), 1);
	FIXTURE_IS_FINE(fixture_echo(0, 0, 20));
	end(1);
}

/* While the reader sends time extensions, the card may take 20 minutes. */
static void time_extensions_for_twenty_minutes(void **state)
{
	uint64_t began;

	(void)state;
	begin_two(TWO);
	fixture_fault(0, "time-extension ms=400000 value=255 slot=0");
	began = fixture_ms();
	(void)transmit(0);
	assert_in_range(fixture_ms() - began, 10000, 30 * 60 * 1000);
	fixture_fault(0, "clear");
	FIXTURE_IS_FINE(fixture_power(0));
	FIXTURE_IS_FINE(fixture_echo(0, 1, 20));
	end(2);
}

/* --- the card leaves in mid-command --- */

#define CONTACTLESS "reader r\nslots = 2\nbusy = 2\nlevel = extended\nfeatures = 0x000404FA\ncard 0 = t0\n" \
		    "card 1 = t0\n"

static void begin_contactless(void)
{
	fixture_start(FAKE_VIRTUAL, CONTACTLESS);
	fixture_ready(0, 0, 0);
	fixture_ready(1, 0, 0);
	fixture_fault(0, "silent-removal slot=0");
	fixture_fault(0, "silent slot=0 msg=6F");
}

/* Reiner SCT cyberJack RFID basis: the reader reports that the card is gone, and never answers the
 * command. */
static void the_card_leaves_in_mid_command(void **state)
{
	uint64_t began;

	(void)state;
	begin_contactless();
	plan_removal(500, 0);
	began = fixture_ms();
	assert_int_equal(transmit(0), IFD_ICC_NOT_PRESENT);
	assert_in_range(fixture_ms() - began, 2500, 3500);
	assert_int_equal(fixture_log_count("reported the card removed"), 1);
	assert_int_equal(IFDHICCPresence(0), IFD_ICC_NOT_PRESENT);
	FIXTURE_IS_FINE(fixture_echo(1, 1, 20));
	fixture_insert(0, 0, "t0");
	assert_int_equal(IFDHICCPresence(0), IFD_ICC_PRESENT);
	FIXTURE_IS_FINE(fixture_power(0));
	FIXTURE_IS_FINE(fixture_echo(0, 1, 20));
	end(2);
}

/* The reader reports "gone" and "back" within the grace time, as contacts bounce: the ordinary
 * waiting time applies. */
static void a_card_that_bounces(void **state)
{
	uint64_t began;

	(void)state;
	begin_contactless();
	plan_removal(500, 800);
	began = fixture_ms();
	assert_int_not_equal(transmit(0), IFD_SUCCESS);
	assert_in_range(fixture_ms() - began, 60000, 310000);
	assert_int_equal(fixture_log_count("reported the card removed"), 0);
	FIXTURE_IS_FINE(fixture_power(0));
	FIXTURE_IS_FINE(fixture_echo(0, 1, 20));
	end(2);
}

/* --- answers of full packets without an empty one --- */

static void no_empty_packet(void **state)
{
	static const uint8_t apdu[] = { 0x80, 0x14, 0x00, 0x34, 0x34 };	/* 10 + 52 + 2 = 64 */
	uint64_t began;

	(void)state;
	fixture_start(FAKE_VIRTUAL, "reader r\nlevel = extended\nfeatures = 0x000404FA\ncard 0 = t1\n");
	fixture_ready(0, 0, 1);
	fixture_fault(0, "no-zlp count=0");
	for (unsigned i = 0; i < 5; i++) {
		began = fixture_ms();
		FIXTURE_IS_FINE(fixture_apdu(0, apdu, sizeof apdu, out, sizeof out, &len));
		assert_int_equal(len, 54);
		assert_true(fixture_ms() - began < (i == 0 ? 1500 : 500));
	}
	assert_int_equal(fixture_log_count("sends no zero-length packet"), 1);
	end(1);
}

/* --- readers that answer nothing --- */

static void opening_a_dead_reader(void **state)
{
	uint64_t began;

	(void)state;
	fixture_start(FAKE_VIRTUAL, "reader r\ncard 0 = t1\n");
	fixture_fault(0, "silent count=0");
	began = fixture_ms();
	assert_int_not_equal(fixture_open(0, 0, 0), IFD_SUCCESS);
	assert_true(fixture_ms() - began <= 5000);
	fixture_fault(0, "clear");
	fixture_pardon();
	FIXTURE_IS_FINE(fixture_open(0, 0, 0));
	fixture_pardon();
	end(1);
}

static void closing_a_dead_reader(void **state)
{
	uint64_t began;

	(void)state;
	fixture_start(FAKE_VIRTUAL, FOUR);
	for (DWORD i = 0; i < 4; i++)
		fixture_ready(i, 0, 1);
	fixture_fault(0, "silent count=0");
	began = fixture_ms();
	for (DWORD i = 0; i < 4; i++)
		FIXTURE_IS_FINE(IFDHCloseChannel(i));
	assert_true(fixture_ms() - began <= 500);
	fixture_pardon();
	fixture_stop();
}

/* --- one reader, several slots --- */

/* GemCore SIM Pro does not answer a command with the bSeq of the last one, whatever slot that was for. */
static void one_counter_a_reader(void **state)
{
	(void)state;
	fixture_start(FAKE_VIRTUAL, FOUR);
	fixture_fault(0, "same-seq-mute count=0");
	for (DWORD i = 0; i < 4; i++)
		fixture_ready(i, 0, 1);
	for (unsigned k = 0; k < 300; k++)
		FIXTURE_IS_FINE(fixture_echo(k % 4, k, 20));
	end(4);
}

static RESPONSECODE slow_rc;

static void *run_slow(void *arg)
{
	(void)arg;
	slow_rc = transmit(0);
	return NULL;
}

/* Slot 0 has the only busy place: the presence of slot 1 is answered at once, from its last state
 * and the reader's notifications. */
static void presence_while_the_reader_is_busy(void **state)
{
	pthread_t t;
	bool busy;

	(void)state;
	fixture_start(FAKE_REAL, TWO);
	fixture_ready(0, 0, 1);
	fixture_ready(1, 0, 1);
	fixture_fault(0, "slow-answer slot=0 ms=1500 msg=6F");
	assert_int_equal(pthread_create(&t, NULL, run_slow, NULL), 0);
	do {
		fake_usb_lock();
		busy = fake_usb_dev(0)->iface[0].in_flight > 0;
		fake_usb_unlock();
	} while (!busy);
	assert_int_equal(IFDHICCPresence(1), IFD_ICC_PRESENT);
	pthread_join(t, NULL);
	FIXTURE_IS_FINE(slow_rc);
	FIXTURE_IS_FINE(fixture_echo(1, 1, 20));
	assert_int_equal(fixture_max_in_flight(0), 1);
	end(2);
}

/* Slot 0 has the only place when the empty slot 1 is asked for the first time. No state is known
 * yet, so its first answer is waited for: "a card" would make pcscd announce one. When the place
 * stays taken, the answer is an error, and pcscd asks again. */
static void first_presence_while_the_reader_is_busy(void **state)
{
	static const struct {
		unsigned ms;
		RESPONSECODE presence;
	} rows[] = { { 1500, IFD_ICC_NOT_PRESENT }, { 4500, IFD_RESPONSE_TIMEOUT } };
	pthread_t t;
	bool busy;

	(void)state;
	for (unsigned i = 0; i < COUNT(rows); i++) {
		fixture_start(FAKE_REAL, "reader r\nslots = 2\nbusy = 1\nlevel = short\nfeatures = 0x000204FA\n"
				     "card 0 = t1\n");
		fixture_ready(0, 0, 1);
		FIXTURE_IS_FINE(fixture_open(1, 0, 0));
		fixture_fault(0, "slow-answer slot=0 ms=%u msg=6F", rows[i].ms);
		assert_int_equal(pthread_create(&t, NULL, run_slow, NULL), 0);
		do {
			fake_usb_lock();
			busy = fake_usb_dev(0)->iface[0].in_flight > 0;
			fake_usb_unlock();
		} while (!busy);
		assert_int_equal(IFDHICCPresence(1), rows[i].presence);
		pthread_join(t, NULL);
		FIXTURE_IS_FINE(slow_rc);
		assert_int_equal(IFDHICCPresence(1), IFD_ICC_NOT_PRESENT);
		end(2);
	}
}

/* --- ABORT that ends nothing --- */

static void hear_seq(void *user, uint64_t now, const char *text)
{
	(void)now;
	sscanf(text, "out slot 0 seq %d", (int *)user);
}

/* Firmware derived from STMicroelectronics' takes an ABORT with bSeq 0 on both pipes. When the lost
 * command had bSeq 0 it does not: then the reader is reset, once, and its card is shown as gone and
 * back. */
static void abort_is_read_as_bseq_0(void **state)
{
	int seq = -1;

	(void)state;
	fixture_start(FAKE_VIRTUAL, "reader r\nlevel = short\nfeatures = 0x000204FA\ncard 0 = t1\n");
	fixture_ready(0, 0, 1);
	fake_usb_lock();
	sim_dev_trace(fake_usb_dev(0), hear_seq, &seq);
	fake_usb_unlock();
	fixture_fault(0, "abort-seq-0 count=0");
	for (unsigned i = 0; i < 10; i++) {
		while (seq < 10 || seq > 240)
			assert_int_equal(IFDHICCPresence(0), IFD_ICC_PRESENT);
		fixture_fault(0, "silent msg=6F");
		assert_int_not_equal(transmit(0), IFD_SUCCESS);
		FIXTURE_IS_FINE(fixture_echo(0, i, 20));
	}
	assert_int_equal(fixture_log_count("the reader is reset"), 0);
	while (seq != 255)
		assert_int_equal(IFDHICCPresence(0), IFD_ICC_PRESENT);
	fixture_fault(0, "silent msg=6F");
	assert_int_not_equal(transmit(0), IFD_SUCCESS);
	for (unsigned k = 0; k < 4; k++)
		assert_int_not_equal(fixture_echo(0, k, 20), IFD_SUCCESS);
	assert_int_equal(fixture_log_count("the reader is reset"), 1);
	assert_int_equal(IFDHICCPresence(0), IFD_ICC_NOT_PRESENT);
	assert_int_equal(IFDHICCPresence(0), IFD_ICC_PRESENT);
	FIXTURE_IS_FINE(fixture_power(0));
	FIXTURE_IS_FINE(fixture_echo(0, 1, 20));
	fixture_pardon();
	end(1);
}

#define TEST(f) cmocka_unit_test_teardown(f, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(slow_cards_without_time_extensions),
		TEST(a_message_that_is_not_taken),
		TEST(time_extensions_for_twenty_minutes),
		TEST(the_card_leaves_in_mid_command),
		TEST(a_card_that_bounces),
		TEST(no_empty_packet),
		TEST(opening_a_dead_reader),
		TEST(closing_a_dead_reader),
		TEST(one_counter_a_reader),
		TEST(presence_while_the_reader_is_busy),
		TEST(first_presence_while_the_reader_is_busy),
		TEST(abort_is_read_as_bseq_0),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
