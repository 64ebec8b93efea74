/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A USB/IP client on a pair of sockets, against the server with a simulated reader behind it. */
#include "sim/host/usbip.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "unit/unit_cmocka.h"

#define MS 1000000ull
#define IN 1u
#define OUT 0u
#define HEADER 48

static const char two_readers[] = "reader one\n\tfrom = GemPCTwin\n\tcard 0 = t0t1\n"
				  "reader two\n\tfrom = ACS_ACR3901U_ICC_Reader\n\tcard 0 = t1\n";

struct bench {
	struct usbip_export exports[2];
	struct usbip_bus bus;
	struct usbip_server *server;
	int fd;			/* the client's end */
	uint64_t now;
	uint32_t seqnum;
	uint8_t seq;		/* bSeq */
	uint8_t head[HEADER];	/* of the last answer */
	uint8_t data[70000];
};

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void put32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 24);
	p[1] = (uint8_t)(v >> 16);
	p[2] = (uint8_t)(v >> 8);
	p[3] = (uint8_t)v;
}

static int dial(struct bench *b)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	usbip_server_add(b->server, pair[1]);
	return pair[0];
}

/* Lets the server run, and ms of its time pass. */
static void turn(struct bench *b, unsigned ms)
{
	struct pollfd p[USBIP_MAX_LINKS];
	unsigned n = usbip_server_poll(b->server, p);

	b->now += ms * MS;
	poll(p, n, 0);
	usbip_server_turn(b->server, p, n, b->now);
}

static void say(struct bench *b, const void *p, size_t len)
{
	const uint8_t *bytes = p;
	ssize_t n;

	while (len) {
		n = send(b->fd, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n > 0) {
			bytes += n;
			len -= (size_t)n;
		}
		turn(b, 0);
	}
}

/* Reads len bytes; false: the server closed the connection. Ten seconds without a byte fail the
 * test. */
static bool hear(struct bench *b, void *p, size_t len)
{
	uint8_t *bytes = p;
	unsigned idle = 0;
	ssize_t n;

	while (len) {
		n = recv(b->fd, bytes, len, MSG_DONTWAIT);
		if (n == 0 || (n < 0 && errno == ECONNRESET))
			return false;
		if (n > 0) {
			bytes += n;
			len -= (size_t)n;
			continue;
		}
		if (++idle > 10000)
			fail_msg("no answer");
		turn(b, 1);
	}
	return true;
}

static bool silent(struct bench *b, unsigned ms)
{
	uint8_t byte;

	while (ms--)
		turn(b, 1);
	return recv(b->fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK) < 0;
}

static int setup(void **state)
{
	struct bench *b = calloc(1, sizeof *b);
	struct sim_dev **devs;
	char err[200];

	assert_int_equal(sim_config_parse(two_readers, &devs, err, sizeof err), 2);
	b->exports[0] = (struct usbip_export){ .dev = devs[0], .plugged = true };
	b->exports[1] = (struct usbip_export){ .dev = devs[1], .plugged = true };
	b->bus = (struct usbip_bus){ b->exports, 2 };
	b->server = usbip_server_new(&b->bus);
	b->now = 1000 * MS;
	b->fd = dial(b);
	free(devs);
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	struct bench *b = *state;

	close(b->fd);
	usbip_server_free(b->server, b->now);
	assert_int_equal(sim_dev_complaints(b->exports[0].dev), 0);
	sim_dev_free(b->exports[0].dev);
	sim_dev_free(b->exports[1].dev);
	free(b);
	return 0;
}

/* --- the protocol --- */

static const uint8_t req_devlist[8] = { 0x01, 0x11, 0x80, 0x05 };

static uint32_t import(struct bench *b, const char *busid)
{
	uint8_t m[40] = { 0x01, 0x11, 0x80, 0x03 }, answer[8];

	snprintf((char *)m + 8, 32, "%s", busid);
	say(b, m, sizeof m);
	assert_true(hear(b, answer, 8));
	assert_memory_equal(answer, "\x01\x11\x00\x03", 4);
	if (!get32(answer + 4))
		assert_true(hear(b, b->data, 312));
	return get32(answer + 4);
}

static uint32_t submit_flags(struct bench *b, uint32_t dir, uint32_t ep, uint32_t flags, const uint8_t *setup_packet,
			     const void *data, uint32_t len)
{
	uint8_t m[HEADER] = { 0 };

	put32(m, 1);
	put32(m + 4, ++b->seqnum);
	put32(m + 8, 1 << 16 | 2);
	put32(m + 12, dir);
	put32(m + 16, ep);
	put32(m + 20, flags);
	put32(m + 24, len);
	put32(m + 32, 0xFFFFFFFF);
	if (setup_packet)
		memcpy(m + 40, setup_packet, 8);
	say(b, m, sizeof m);
	if (dir == OUT)
		say(b, data, len);
	return b->seqnum;
}

static uint32_t submit(struct bench *b, uint32_t dir, uint32_t ep, const void *data, uint32_t len)
{
	return submit_flags(b, dir, ep, 0, NULL, data, len);
}

static uint32_t unlink_urb(struct bench *b, uint32_t seqnum)
{
	uint8_t m[HEADER] = { 0 };

	put32(m, 2);
	put32(m + 4, ++b->seqnum);
	put32(m + 8, 1 << 16 | 2);
	put32(m + 20, seqnum);
	say(b, m, sizeof m);
	return b->seqnum;
}

/* Reads a RET_SUBMIT; returns its status. The data of an IN transfer is in b->data. */
static int32_t ret_submit(struct bench *b, uint32_t seqnum, bool in)
{
	assert_true(hear(b, b->head, HEADER));
	assert_int_equal(get32(b->head), 3);
	assert_int_equal(get32(b->head + 4), seqnum);
	assert_int_equal(get32(b->head + 8) | get32(b->head + 12) | get32(b->head + 16), 0);
	if (in)
		assert_true(hear(b, b->data, get32(b->head + 24)));
	return (int32_t)get32(b->head + 20);
}

static int32_t ret_unlink(struct bench *b, uint32_t seqnum)
{
	assert_true(hear(b, b->head, HEADER));
	assert_int_equal(get32(b->head), 4);
	assert_int_equal(get32(b->head + 4), seqnum);
	return (int32_t)get32(b->head + 20);
}

static uint32_t actual(const struct bench *b)
{
	return get32(b->head + 24);
}

/* The two messages of slot 0 that tests need: GetSlotStatus; IccPowerOn. */
static const uint8_t get_status[10] = { 0x65 }, power_on[10] = { 0x62, 0, 0, 0, 0, 0, 0, 1 };

static void exchange(struct bench *b, const uint8_t *command)
{
	uint8_t m[10];
	uint32_t s;

	memcpy(m, command, sizeof m);
	m[6] = ++b->seq;
	s = submit(b, OUT, 1, m, sizeof m);
	assert_int_equal(ret_submit(b, s, false), 0);
	assert_int_equal(actual(b), sizeof m);
	s = submit(b, IN, 1, NULL, 512);
	assert_int_equal(ret_submit(b, s, true), 0);
}

/* --- tests --- */

static void test_devlist(void **state)
{
	struct bench *b = *state;
	uint8_t answer[12 + 312 + 4];

	for (size_t i = 0; i < sizeof req_devlist; i++)	/* byte by byte, as TCP may deliver it */
		say(b, req_devlist + i, 1);
	assert_true(hear(b, answer, sizeof answer));
	assert_memory_equal(answer, "\x01\x11\x00\x05\0\0\0\0\0\0\0\x02", 12);
	assert_string_equal((char *)answer + 12 + 256, "1-1");
	assert_int_equal(get32(answer + 12 + 288), 1);
	assert_int_equal(get32(answer + 12 + 292), 2);
	assert_int_equal(get32(answer + 12 + 296), 2);		/* full speed */
	assert_memory_equal(answer + 12 + 300, "\x08\xe6\x34\x37", 4);
	assert_memory_equal(answer + 12 + 309, "\x01\x01\x01", 3);
	assert_memory_equal(answer + 12 + 312, "\x0b\0\0\0", 4);
	assert_true(hear(b, answer, 312 + 4));
	assert_string_equal((char *)answer + 256, "1-2");
	assert_false(hear(b, answer, 1));			/* nothing follows the list */
}

static void test_devlist_without_the_taken(void **state)
{
	struct bench *b = *state;
	int first = b->fd;
	uint8_t answer[12];

	assert_int_equal(import(b, "1-1"), 0);
	b->exports[1].plugged = false;
	b->fd = dial(b);
	say(b, req_devlist, sizeof req_devlist);
	assert_true(hear(b, answer, sizeof answer));
	assert_int_equal(get32(answer + 8), 0);
	close(first);
}

static void test_import_refused(void **state)
{
	struct bench *b = *state;
	int first = b->fd, second;

	assert_int_equal(import(b, "1-1"), 0);
	assert_string_equal((char *)b->data + 256, "1-1");
	second = b->fd = dial(b);
	assert_int_equal(import(b, "1-1"), 1);			/* the device is attached already */
	assert_false(hear(b, b->data, 1));
	close(second);
	second = b->fd = dial(b);
	assert_int_equal(import(b, "1-9"), 1);			/* no such device */
	close(second);
	close(first);						/* after detaching, the device
								   can be attached again */
	b->fd = dial(b);
	turn(b, 0);
	assert_int_equal(import(b, "1-1"), 0);
}

static void test_control(void **state)
{
	static const uint8_t get_device[8] = { 0x80, 6, 0, 1, 0, 0, 18, 0 };
	static const uint8_t get_bos[8] = { 0x80, 6, 0, 15, 0, 0, 5, 0 };
	static const uint8_t configure[8] = { 0x00, 9, 1 };
	struct bench *b = *state;
	const uint8_t *d;
	uint32_t s;
	size_t len;

	assert_int_equal(import(b, "1-1"), 0);
	s = submit_flags(b, IN, 0, 0, get_device, NULL, 18);
	assert_int_equal(ret_submit(b, s, true), 0);
	assert_int_equal(actual(b), 18);
	d = sim_dev_descriptors(b->exports[0].dev, &len);
	assert_memory_equal(b->data, d, 18);
	s = submit_flags(b, IN, 0, 0, get_bos, NULL, 5);
	assert_int_equal(ret_submit(b, s, true), SIM_STALL);
	s = submit_flags(b, OUT, 0, 0, configure, NULL, 0);
	assert_int_equal(ret_submit(b, s, false), 0);
}

static void test_configuration_is_a_reset(void **state)
{
	static const uint8_t configure[8] = { 0x00, 9, 1 };
	struct bench *b = *state;
	uint32_t s;

	assert_int_equal(import(b, "1-1"), 0);
	exchange(b, power_on);
	exchange(b, get_status);
	assert_int_equal(b->data[7] & 3, 0);			/* active */
	s = submit_flags(b, OUT, 0, 0, configure, NULL, 0);
	assert_int_equal(ret_submit(b, s, false), 0);
	exchange(b, get_status);
	assert_int_equal(b->data[7] & 3, 1);			/* there, but inactive */
}

static void test_bulk_and_interrupt(void **state)
{
	struct bench *b = *state;
	uint32_t s;

	assert_int_equal(import(b, "1-1"), 0);
	s = submit(b, IN, 2, NULL, 8);
	assert_int_equal(ret_submit(b, s, true), 0);
	assert_int_equal(actual(b), 2);
	assert_memory_equal(b->data, "\x50\x03", 2);		/* there is a card */
	exchange(b, power_on);
	assert_int_equal(b->data[0], 0x80);
	assert_int_equal(actual(b), 10 + b->data[1]);
	assert_int_equal(b->data[10], 0x3B);
}

static void test_short_not_ok(void **state)
{
	struct bench *b = *state;
	uint32_t s;

	assert_int_equal(import(b, "1-1"), 0);
	s = submit(b, OUT, 1, power_on, 10);
	assert_int_equal(ret_submit(b, s, false), 0);
	s = submit_flags(b, IN, 1, 1, NULL, NULL, 512);
	assert_int_equal(ret_submit(b, s, true), USBIP_EREMOTEIO);
	assert_int_equal(b->data[0], 0x80);			/* and the data are there */
}

/* A message of a whole packet, and the empty packet after it that the flag asks for. */
static void test_zero_packet(void **state)
{
	/* XfrBlock with a T=0 command of 49 bytes of data */
	uint8_t m[64] = { 0x6F, 54, 0, 0, 0, 0, 77, 0, 0, 0, 0x80, 0x12, 0x01, 0x00, 49 };
	struct bench *b = *state;
	uint32_t s;

	for (uint8_t i = 0; i < 49; i++)
		m[15 + i] = i;
	assert_int_equal(import(b, "1-1"), 0);
	exchange(b, power_on);
	s = submit_flags(b, OUT, 1, 0x40, NULL, m, sizeof m);
	assert_int_equal(ret_submit(b, s, false), 0);
	assert_int_equal(actual(b), 64);
	s = submit(b, IN, 1, NULL, 512);
	assert_int_equal(ret_submit(b, s, true), 0);
	assert_int_equal(b->data[6], 77);
	assert_memory_equal(b->data + 10, "\x90\x00", 2);
	assert_true(silent(b, 10));				/* one answer to one request */
}

static void test_unlink(void **state)
{
	struct bench *b = *state;
	uint32_t s, u;

	assert_int_equal(import(b, "1-1"), 0);
	s = submit(b, IN, 1, NULL, 512);
	assert_true(silent(b, 100));
	u = unlink_urb(b, s);
	assert_int_equal(ret_unlink(b, u), USBIP_ECONNRESET);
	assert_true(silent(b, 100));				/* no RET_SUBMIT for it */
	u = unlink_urb(b, s);
	assert_int_equal(ret_unlink(b, u), 0);			/* the request has ended already */
	exchange(b, get_status);				/* the answer reaches the next
								   request */
	assert_int_equal(b->data[0], 0x81);
}

static void test_unplug(void **state)
{
	struct bench *b = *state;
	uint32_t s;

	assert_int_equal(import(b, "1-1"), 0);
	s = submit(b, IN, 1, NULL, 512);
	sim_dev_unplug(b->exports[0].dev, b->now);
	usbip_bus_gone(&b->bus, &b->exports[0], b->now);
	assert_int_equal(ret_submit(b, s, true), SIM_GONE);
	assert_false(hear(b, b->data, 1));
	close(b->fd);
	b->fd = dial(b);
	assert_int_equal(import(b, "1-1"), 1);
	close(b->fd);
	sim_dev_plug(b->exports[0].dev, b->now);
	b->exports[0].plugged = true;
	b->fd = dial(b);
	assert_int_equal(import(b, "1-1"), 0);
	exchange(b, power_on);
}

/* The client disappears while requests are under way; the next client finds a device without
 * them. */
static void test_detach_at_work(void **state)
{
	struct bench *b = *state;

	assert_int_equal(import(b, "1-1"), 0);
	submit(b, IN, 1, NULL, 512);
	submit(b, IN, 2, NULL, 8);
	submit(b, OUT, 1, power_on, 10);
	close(b->fd);
	turn(b, 0);
	b->fd = dial(b);
	assert_int_equal(import(b, "1-1"), 0);
	exchange(b, get_status);
	assert_int_equal(b->data[0], 0x81);
	assert_int_equal(b->data[7] & 3, 1);
}

/* A program ends during a command while the device stays attached. The next program finds the slot
 * busy. */
static void test_program_ends(void **state)
{
	/* T=0: ten seconds of work */
	static const uint8_t slow[16] = { 0x6F, 6, 0, 0, 0, 0, 77, 0, 0, 0, 0x80, 0x18, 0x27, 0x10, 1, 1 };
	struct bench *b = *state;
	uint32_t s, in, intr;

	assert_int_equal(import(b, "1-1"), 0);
	exchange(b, power_on);
	s = submit(b, IN, 2, NULL, 8);
	ret_submit(b, s, true);
	in = submit(b, IN, 1, NULL, 512);
	intr = submit(b, IN, 2, NULL, 8);
	s = submit(b, OUT, 1, slow, sizeof slow);
	assert_int_equal(ret_submit(b, s, false), 0);
	s = unlink_urb(b, in);
	assert_int_equal(ret_unlink(b, s), USBIP_ECONNRESET);
	s = unlink_urb(b, intr);
	assert_int_equal(ret_unlink(b, s), USBIP_ECONNRESET);
	exchange(b, get_status);
	assert_int_equal(b->data[8], 0xE0);			/* busy, without a complaint */
	assert_int_equal(sim_dev_complaints(b->exports[0].dev), 0);
}

static void test_two_devices(void **state)
{
	struct bench *b = *state;
	int first = b->fd, second;

	assert_int_equal(import(b, "1-1"), 0);
	b->fd = second = dial(b);
	assert_int_equal(import(b, "1-2"), 0);
	exchange(b, power_on);
	b->fd = first;
	exchange(b, get_status);
	assert_int_equal(b->data[7] & 3, 1);
	b->fd = second;
	exchange(b, get_status);
	assert_int_equal(b->data[7] & 3, 0);
	close(first);
}

/* The server closes the connection to a client that does not speak the protocol. */
static void test_nonsense(void **state)
{
	struct bench *b = *state;
	uint8_t m[HEADER] = { 0x01, 0x10, 0x80, 0x05 };

	say(b, m, 8);						/* another version */
	assert_false(hear(b, b->data, 1));
	for (unsigned i = 0; i < 5; i++) {
		close(b->fd);
		turn(b, 0);
		b->fd = dial(b);
		memset(m, 0, sizeof m);
		if (i == 0) {
			memcpy(m, "\x01\x11\x80\x99", 4);	/* no such operation */
			say(b, m, 8);
		} else {
			assert_int_equal(import(b, "1-1"), 0);
			put32(m, i == 1 ? 7 : 1);		/* no such command */
			put32(m + 24, i == 2 ? 0x7FFFFFFF : 0);	/* too long */
			put32(m + 32, i == 3 ? 8 : 0);		/* isochronous */
			put32(m + 16, i == 4 ? 16 : 1);		/* no such endpoint number */
			say(b, m, sizeof m);
		}
		assert_false(hear(b, b->data, 1));
	}
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_devlist),
		TEST(test_devlist_without_the_taken),
		TEST(test_import_refused),
		TEST(test_control),
		TEST(test_configuration_is_a_reset),
		TEST(test_bulk_and_interrupt),
		TEST(test_short_not_ok),
		TEST(test_zero_packet),
		TEST(test_unlink),
		TEST(test_unplug),
		TEST(test_detach_at_work),
		TEST(test_program_ends),
		TEST(test_two_devices),
		TEST(test_nonsense),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
