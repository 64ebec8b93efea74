/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* src/transport/pipes.c: what a reader may send, by scripted hooks. The rest is seen by tests/unit/core. */
#include "transport/pipes.h"

#include "unit/unit_cmocka.h"

#include <string.h>

#define ANSWER(len, slot, seq) { 0x80, (len), 0, 0, 0, (slot), (seq), 0, 0, 0 }

static struct {
	struct {
		uint8_t bytes[2048];
		size_t len;
		enum ccid_err err;
	} in[4];
	unsigned next, n, aborts;
	size_t packet;
} script;
static struct transport *t;
static uint8_t answer[20];

static enum ccid_err scripted_send(void *user, const uint8_t *message, size_t len, unsigned ms)
{
	(void)user;
	(void)message;
	(void)len;
	(void)ms;
	return CCID_OK;
}

static enum ccid_err scripted_receive(void *user, uint8_t *out, size_t cap, size_t *len, unsigned ms)
{
	(void)user;
	(void)ms;
	if (script.next >= script.n)
		return CCID_ERR_TIMEOUT;
	*len = script.in[script.next].len;
	assert_true(*len <= cap);
	assert_true(cap >= script.packet && cap % script.packet == 0);
	memcpy(out, script.in[script.next].bytes, *len);
	return script.in[script.next++].err;
}

static enum ccid_err scripted_control(void *user, uint8_t type, uint8_t request, uint16_t value, uint16_t index,
				      uint8_t *data, size_t len, size_t *actual, unsigned ms)
{
	(void)user;
	(void)index;
	(void)data;
	(void)ms;
	assert_int_equal(type, 0x21);
	assert_int_equal(request, 1);
	assert_int_equal(value, 0x0902);
	assert_int_equal(len, 0);
	*actual = 0;
	script.aborts++;
	return CCID_OK;
}

static void begin_with(bool control, uint16_t packet)
{
	const struct ccid_desc desc = { .dwMaxCCIDMessageLength = 271, .bulk_in = 0x81, .bulk_out = 1,
					.bulk_in_packet = packet, .bulk_out_packet = 64 };
	const struct pipes p = { .send = scripted_send, .receive = scripted_receive,
				 .control = control ? scripted_control : NULL };

	memset(&script, 0, sizeof script);
	script.packet = packet;
	assert_int_equal(pipes_open(&p, &desc, &t), CCID_OK);
	assert_null(t->ops->wait_change);
}

static void begin(bool control)
{
	begin_with(control, 64);
}

static void comes(const uint8_t *p, size_t len)
{
	if (len > 0)
		memcpy(script.in[script.n].bytes, p, len);
	script.in[script.n++].len = len;
}

static enum ccid_err ask(struct request *r)
{
	static uint8_t msg[10] = { 0x65 };
	struct deadline d = deadline_in_ms(20);
	enum ccid_err err;

	*r = (struct request){ .seq = 7, .msg = msg, .len = 10, .answer = answer, .answer_cap = sizeof answer };
	err = t->ops->start(t, r, &d);
	if (err != CCID_OK)
		return err;
	err = t->ops->wait(t, r, &d);
	t->ops->finish(t, r);
	return err;
}

static void others_are_dropped(void **state)
{
	static const uint8_t late[] = ANSWER(0, 0, 6), other[] = ANSWER(0, 1, 7), mine[] = ANSWER(0, 0, 7);
	struct request r;

	(void)state;
	begin(true);
	comes(NULL, 0);
	comes(late, sizeof late);
	comes(other, sizeof other);
	comes(mine, sizeof mine);
	assert_int_equal(ask(&r), CCID_OK);
	assert_int_equal(r.answer_len, 10);
	assert_int_equal(ask(&r), CCID_ERR_TIMEOUT);
	t->ops->close(t);
}

static void long_and_split(void **state)
{
	uint8_t big[74] = ANSWER(64, 0, 7);
	struct request r;

	(void)state;
	begin(true);
	comes(big, 64);
	comes(big + 64, 10);
	assert_int_equal(ask(&r), CCID_OK);
	assert_int_equal(r.answer_len, 74);
	assert_memory_equal(r.long_answer, big, 74);
	port_free(r.long_answer);
	t->ops->close(t);
}

/* Less than it says, and then silence; more than any message may have. */
static void hostile(void **state)
{
	uint8_t claims[600] = { 0x80, 0xFF, 0xFF, 0xFF, 0xFF, 0, 7 };
	struct request r;

	(void)state;
	begin(true);
	comes(claims, 12);
	assert_int_equal(ask(&r), CCID_OK);
	assert_int_equal(r.answer_len, 12);
	comes(claims, 512);
	comes(claims, 512);
	assert_int_equal(ask(&r), CCID_OK);
	assert_int_equal(r.answer_len, 1024);
	port_free(r.long_answer);
	t->ops->close(t);
}

/* wMaxPacketSize is the reader's word: the room for a transfer is whole packets of any size, also behind half a
 * message. */
static void packets_of_any_size(void **state)
{
	static const uint16_t sizes[] = { 1, 8, 100, 512, 1023, 1024, 2047 };
	static uint8_t half[2047] = { 0x80, 0, 0, 1, 0, 0, 7 };	/* 65 536 bytes are to come */
	struct request r;

	(void)state;
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		size_t n = sizes[i] < 10 ? 16 : sizes[i];

		begin_with(true, sizes[i]);
		comes(half, n);
		assert_int_equal(ask(&r), CCID_ERR_TIMEOUT);
		comes(half, 11);
		assert_int_equal(ask(&r), sizes[i] == 1 ? CCID_ERR_TIMEOUT : CCID_OK);
		t->ops->close(t);
	}
}

static void closed_and_gone(void **state)
{
	struct deadline d = deadline_in_ms(10);
	struct request r;

	(void)state;
	begin(false);
	assert_int_equal(t->ops->abort(t, 2, 9, &d), CCID_ERR_NOT_SUPPORTED);
	t->ops->close(t);
	begin(true);
	assert_int_equal(t->ops->abort(t, 2, 9, &d), CCID_OK);
	assert_int_equal(script.aborts, 1);
	t->ops->set_closed(t, 0, true);
	assert_int_equal(ask(&r), CCID_ERR_NO_DEVICE);
	t->ops->set_closed(t, 0, false);
	assert_int_equal(ask(&r), CCID_ERR_TIMEOUT);
	t->ops->set_gone(t);
	assert_int_equal(ask(&r), CCID_ERR_NO_DEVICE);
	assert_int_equal(t->ops->abort(t, 2, 9, &d), CCID_ERR_NO_DEVICE);
	t->ops->close(t);
}

static void no_pipes(void **state)
{
	const struct ccid_desc desc = { .bulk_in = 0x81 };
	const struct pipes p = { .send = scripted_send, .receive = scripted_receive };

	(void)state;
	assert_int_equal(pipes_open(&p, &desc, &t), CCID_ERR_NOT_SUPPORTED);
	assert_null(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(others_are_dropped), cmocka_unit_test(long_and_split), cmocka_unit_test(hostile),
		cmocka_unit_test(packets_of_any_size),
		cmocka_unit_test(closed_and_gone), cmocka_unit_test(no_pipes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
