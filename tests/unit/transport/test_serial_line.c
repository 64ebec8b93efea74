/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The serial transport at work: faults of the line, card movements, threads, removal. */
#include "serial_peer.h"

/* "At once" on a machine that is busy with other tests too; the waits would be a minute. */
#define AT_ONCE_MS 5000u
/* Time for what is done at once, and never measured. */
#define AMPLE_MS 20000u
/* As long as pieces come faster than this the line is not silent: the limit is 30 ms. */
#define BRISK_NS 25000000u

/* ---- exchange and faults (row 25) ---- */

static void all_lengths(void **state)
{
	struct peer *p = *state;
	struct transport *t;
	struct exchange_io x;
	struct deadline d = deadline_in_ms(AMPLE_MS);

	p->echoes = true;
	t = open_as(p, "GemPCPinPad");
	for (size_t n = 0; n <= SERIAL_MESSAGE_MAX - 10; n += 29) {
		prepare(&x, 0, (uint8_t)n, n);
		assert_int_equal(go(t, &x, AMPLE_MS), CCID_OK);
		assert_echoed(&x);
	}
	x.r.len = SERIAL_MESSAGE_MAX + 1;
	assert_int_equal(t->ops->start(t, &x.r, &d), CCID_ERR_TOO_LONG);
	x.r.len = 9;
	assert_int_equal(t->ops->start(t, &x.r, &d), CCID_ERR_ARG);
	prepare(&x, 0, 1, 20);
	x.r.answer_cap = 29;
	assert_int_equal(go(t, &x, AMPLE_MS), CCID_ERR_COMM);
	assert_works(p, t);
	t->ops->close(t);
}

struct fault {
	int mode, times;
	enum ccid_err expect;
	unsigned naks, sent;	/* NAKs from the driver, times the command went out */
	bool echoes;
};

static void faults(void **state)
{
	static const struct fault rows[] = {
		{ BAD_LRC, 1, CCID_OK, 1, 1, false },	{ BAD_LRC, 2, CCID_OK, 2, 1, true },
		{ BAD_LRC, 99, CCID_ERR_COMM, 2, 1, false },
		{ NAK, 1, CCID_OK, 0, 2, true },	{ NAK, 3, CCID_OK, 0, 4, false },
		{ NAK, 9999, CCID_ERR_COMM, 0, 4, true },
		{ GARBAGE, 0, CCID_OK, 0, 1, true },	{ TOO_LONG, 2, CCID_OK, 2, 1, false },
		{ TOO_LONG, 99, CCID_ERR_COMM, 2, 1, false },
		{ HALF, 1, CCID_OK, 1, 1, false },	{ HALF, 99, CCID_ERR_COMM, 2, 1, false },
		{ SILENT, 0, CCID_ERR_TIMEOUT, 0, 1, true },
		{ STALE, 0, CCID_OK, 0, 1, false },
	};
	struct peer *p = *state;
	struct transport *t;
	struct exchange_io x;

	t = open_as(p, "GemCorePOSPro");
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		uint64_t start;
		enum ccid_err err;
		unsigned round = 0;

		/* again when the machine was too busy for a reader that does not pause */
		do {
			start = clock_now();
			p->mode = rows[i].mode;
			p->times = rows[i].times;
			p->naks = p->commands = 0;
			p->gap_ns = 0;
			prepare(&x, 1, (uint8_t)(i + 1), 50);
			err = go(t, &x, rows[i].mode == SILENT ? 500 : 2 * AMPLE_MS);
			wait_until_noted(p);
			if (p->gap_ns > BRISK_NS)
				assert_works(p, t);
		} while (p->gap_ns > BRISK_NS && ++round < 50);
		assert_int_equal(err, rows[i].expect);
		assert_true(ms_since(start) < AMPLE_MS);
		if (rows[i].expect == CCID_OK)
			assert_echoed(&x);
		else
			assert_int_equal(x.r.answer_len, 0);
		assert_int_equal(p->naks, rows[i].naks);
		assert_int_equal(p->commands, rows[i].sent);
		assert_works(p, t);
	}
	t->ops->close(t);
}

/* The same with a reader that echoes. */
static void faults_with_echo(void **state)
{
	static const int modes[] = { BAD_LRC, NAK, GARBAGE, BAD_ECHO };
	struct peer *p = *state;
	struct transport *t;
	struct exchange_io x;

	p->echoes = true;
	t = open_as(p, "GemPCTwin");
	for (size_t i = 0; i < 4; i++) {
		p->naks = 0;
		p->mode = modes[i];
		p->times = 1;
		prepare(&x, 0, 9, 50);
		assert_int_equal(go(t, &x, AMPLE_MS), CCID_OK);
		assert_echoed(&x);
		assert_int_equal(p->naks, modes[i] == BAD_LRC);
	}
	p->mode = SILENT;
	prepare(&x, 0, 10, 50);
	assert_int_equal(go(t, &x, 100), CCID_ERR_TIMEOUT);
	t->ops->resync(t, 0);
	assert_works(p, t);
	t->ops->close(t);
}

/* Row 7: the late answer never becomes the answer to the next command. */
static void late_answer(void **state)
{
	struct peer *p = *state;
	struct transport *t = open_as(p, "GemCorePOSPro");
	struct deadline d = deadline_in_ms(AMPLE_MS);
	struct exchange_io x;

	p->mode = HELD;
	prepare(&x, 0, 5, 8);
	assert_int_equal(go(t, &x, 10), CCID_ERR_TIMEOUT);
	prepare(&x, 0, 6, 8);
	assert_int_equal(t->ops->start(t, &x.r, &d), CCID_OK);
	sem_post(&p->go_on);
	sem_post(&p->go_on);
	assert_int_equal(t->ops->wait(t, &x.r, &d), CCID_OK);
	assert_echoed(&x);
	t->ops->finish(t, &x.r);
	t->ops->close(t);
}

/* The same in pieces, the last of which look like an answer to the next command: true for pieces that follow each
 * other so fast that the line is never silent, which a busy machine does not always manage. */
static void late_pieces(void **state)
{
	struct peer *p = *state;
	struct transport *t = open_as(p, "GemCorePOSPro");
	struct exchange_io x;
	bool brisk = false;

	for (uint8_t seq = 5; !brisk && seq < 105; seq += 2) {
		uint64_t start = clock_now(), second;
		enum ccid_err first_err, err;

		p->pieces_end = 0;
		p->mode = DRIBBLE;
		prepare(&x, 0, seq, 8);
		first_err = go(t, &x, 6);
		p->mode = HONEST;
		prepare(&x, 0, (uint8_t)(seq + 1), 8);
		second = clock_now();
		err = go(t, &x, AMPLE_MS);
		ms_sleep(50);	/* the pieces end, whoever took them */
		wait_until_noted(p);
		brisk = p->pieces_end && p->pieces_end - start < BRISK_NS && second - start < BRISK_NS;
		if (!brisk) {
			t->ops->resync(t, 0);
			continue;
		}
		assert_int_equal(first_err, CCID_ERR_TIMEOUT);
		assert_int_equal(err, CCID_OK);
		assert_echoed(&x);
	}
	assert_true(brisk);
	t->ops->close(t);
}

static void time_extensions(void **state)
{
	static const int modes[] = { MORE_TIME, EXTENSION };
	struct peer *p = *state;
	struct transport *t = open_as(p, "GemCorePOSPro");
	struct exchange_io x;
	struct deadline d = deadline_in_ms(AMPLE_MS);

	p->mode = MORE_TIME;
	prepare(&x, 2, 7, 8);
	assert_int_equal(t->ops->start(t, &x.r, &d), CCID_OK);
	assert_int_equal(t->ops->wait(t, &x.r, &d), CCID_OK);
	assert_int_equal(x.r.answer_len, 10);
	assert_int_equal(x.answer[5], 2);
	assert_int_equal(x.answer[6], 7);
	assert_int_equal(x.answer[7] & 0xC0, 0x80);
	assert_int_equal(x.answer[8], 1);
	t->ops->finish(t, &x.r);
	sem_post(&p->go_on);
	for (size_t i = 0; i < 2; i++) {
		unsigned waits = 0;

		p->mode = modes[i];
		prepare(&x, 2, (uint8_t)(8 + i), 8);
		assert_int_equal(t->ops->start(t, &x.r, &d), CCID_OK);
		do {
			assert_int_equal(t->ops->wait(t, &x.r, &d), CCID_OK);
			if (modes[i] == MORE_TIME && waits == 0)
				sem_post(&p->go_on);
		} while ((x.answer[7] & 0xC0) == 0x80 && ++waits < 5);
		assert_echoed(&x);
		t->ops->finish(t, &x.r);
	}
	t->ops->close(t);
}

/* ---- card movements ---- */

static void movements(void **state)
{
	struct peer *p = *state;
	struct transport *t = open_as(p, "GemCorePOSPro");
	struct deadline d = deadline_in_ms(60000), past = deadline_in_ms(0);
	struct exchange_io x;
	uint64_t start = clock_now();
	uint8_t slot;

	/* none: the poll ends soon, for movements come with commands only */
	assert_int_equal(t->ops->wait_change(t, 0, &d), CCID_ERR_TIMEOUT);
	assert_true(ms_since(start) < AMPLE_MS);
	/* with an answer: every slot looks, once */
	p->mode = MOVEMENT;
	prepare(&x, 0, 1, 8);
	assert_int_equal(go(t, &x, AMPLE_MS), CCID_OK);
	assert_echoed(&x);
	for (slot = 0; slot < 5; slot++) {
		assert_int_equal(t->ops->wait_change(t, slot, &past), CCID_OK);
		assert_int_equal(t->ops->wait_change(t, slot, &past), CCID_ERR_TIMEOUT);
	}
	/* on an idle line */
	put(p, "\x50\x02", 2);
	start = clock_now();
	assert_int_equal(t->ops->wait_change(t, 3, &d), CCID_OK);
	assert_true(ms_since(start) < AMPLE_MS);
	/* a stop ends the next poll, not the one after; an event outlives it */
	t->ops->stop_change(t, 0);
	assert_int_equal(t->ops->wait_change(t, 0, &d), CCID_ERR_TIMEOUT);
	assert_int_equal(t->ops->wait_change(t, 0, &d), CCID_OK);
	/* SLOTS beyond the table */
	assert_int_equal(t->ops->wait_change(t, 255, &d), CCID_ERR_ARG);
	t->ops->stop_change(t, 255);
	t->ops->close(t);
}

/* A command for a card that is out ends 2 s after the reader told so, where there is one slot; not when the contacts
 * only bounced, nor a command that needs no card, nor where the wire does not tell the slot. */
static void card_out_in_mid_command(void **state)
{
	static const struct {
		const char *type;
		int mode;
		bool needs_card;
		enum ccid_err expect;
	} rows[] = {
		{ "GemPCTwin", CARD_GONE, true, CCID_ERR_NO_CARD },
		{ "GemPCTwin", CARD_GONE, false, CCID_ERR_TIMEOUT },
		{ "GemPCTwin", CARD_BOUNCES, true, CCID_ERR_TIMEOUT },
		{ "GemCorePOSPro", CARD_GONE, true, CCID_ERR_TIMEOUT },
	};
	struct peer *p = *state;

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct deadline d = deadline_in_ms(AMPLE_MS);
		struct exchange_io x;
		struct transport *t;
		uint64_t start;
		char byte;

		p->echoes = strcmp(rows[i].type, "GemPCTwin") == 0;
		p->mode = HONEST;
		t = open_as(p, rows[i].type);
		p->mode = rows[i].mode;
		prepare(&x, 0, 1, 8);
		x.r.needs_card = rows[i].needs_card;
		start = clock_now();
		assert_int_equal(t->ops->start(t, &x.r, &d), CCID_OK);
		d = deadline_in_ms(rows[i].expect == CCID_ERR_NO_CARD ? AMPLE_MS : 2200);
		assert_int_equal(t->ops->wait(t, &x.r, &d), rows[i].expect);
		assert_true(ms_since(start) >= 2000);
		t->ops->finish(t, &x.r);
		if (rows[i].mode == CARD_BOUNCES)
			sem_post(&p->go_on);
		assert_works(p, t);
		t->ops->close(t);
		assert_int_equal(write(p->quit[1], "", 1), 1);
		pthread_join(p->thread, NULL);
		assert_int_equal(read(p->quit[0], &byte, 1), 1);
		p->running = false;
	}
}

struct poller {
	struct transport *t;
	pthread_t thread;
	enum ccid_err err;
	uint64_t began, ended;
};

static void *poll_once(void *arg)
{
	struct poller *q = arg;
	struct deadline d = deadline_in_ms(60000);

	q->began = clock_now();
	q->err = q->t->ops->wait_change(q->t, 0, &d);
	q->ended = clock_now();
	return NULL;
}

/* Takes a stop that came too late. */
static void forget_stop(struct transport *t)
{
	struct deadline past = deadline_in_ms(0);

	t->ops->mark_changed(t, 0);
	for (unsigned i = 0; i < 2 && t->ops->wait_change(t, 0, &past) != CCID_OK; i++)
		;
}

/* By itself a poll ends after 400 ms: earlier than that it was the stop. A busy machine may need several goes. */
static void stop_ends_a_poll(void **state)
{
	struct peer *p = *state;
	struct poller q = { .t = open_as(p, "GemCorePOSPro") };
	struct exchange_io x;
	bool stopped = false;

	for (unsigned round = 0; !stopped && round < 30; round++) {
		uint64_t start;

		pthread_create(&q.thread, NULL, poll_once, &q);
		ms_sleep(50);
		/* the poller reads the line; a command works meanwhile */
		prepare(&x, 1, 3, 30);
		assert_int_equal(go(q.t, &x, AMPLE_MS), CCID_OK);
		assert_echoed(&x);
		start = clock_now();
		q.t->ops->stop_change(q.t, 0);
		pthread_join(q.thread, NULL);
		assert_int_equal(q.err, CCID_ERR_TIMEOUT);
		stopped = q.began < start && q.ended > start && q.ended - q.began < 390000000u;
		forget_stop(q.t);
	}
	assert_true(stopped);
	assert_works(p, q.t);
	q.t->ops->close(q.t);
}

/* ---- several threads ---- */

struct worker {
	struct transport *t;
	pthread_t thread;
	uint8_t slot;
	unsigned good;
};

static void *work(void *arg)
{
	struct worker *w = arg;
	struct exchange_io x;

	for (unsigned i = 0; i < 10; i++) {
		prepare(&x, w->slot, (uint8_t)(i * 5 + w->slot), 40);
		if (go(w->t, &x, 60000) == CCID_OK &&
		    memcmp(x.answer + 10, x.msg + 10, 40) == 0)
			w->good++;
	}
	return NULL;
}

static void slots_take_turns(void **state)
{
	struct peer *p = *state;
	struct transport *t = open_as(p, "GemCorePOSPro");
	struct worker w[5];
	struct poller q = { .t = t };

	p->mode = SLOW;
	pthread_create(&q.thread, NULL, poll_once, &q);
	for (unsigned i = 0; i < 5; i++) {
		w[i] = (struct worker){ .t = t, .slot = (uint8_t)i };
		pthread_create(&w[i].thread, NULL, work, &w[i]);
	}
	for (unsigned i = 0; i < 5; i++) {
		pthread_join(w[i].thread, NULL);
		assert_int_equal(w[i].good, 10);
	}
	pthread_join(q.thread, NULL);
	assert_int_equal(p->overlaps, 0);
	t->ops->close(t);
}

static void no_place(void **state)
{
	struct peer *p = *state;
	struct transport *t = open_as(p, "GemCorePOSPro");
	struct deadline d = deadline_in_ms(AMPLE_MS), soon = deadline_in_ms(50);
	struct exchange_io x, y;

	prepare(&x, 0, 1, 8);
	prepare(&y, 1, 2, 8);
	y.r.passes_gate = true;
	assert_int_equal(t->ops->start(t, &x.r, &d), CCID_OK);
	assert_int_equal(t->ops->start(t, &y.r, &soon), CCID_ERR_TIMEOUT);
	assert_int_equal(t->ops->wait(t, &y.r, &soon), CCID_ERR_ARG);
	/* not the other slot's line */
	t->ops->resync(t, 1);
	assert_int_equal(t->ops->wait(t, &x.r, &d), CCID_OK);
	assert_echoed(&x);
	t->ops->finish(t, &y.r);
	t->ops->finish(t, &x.r);
	assert_int_equal(go(t, &y, AMPLE_MS), CCID_OK);
	t->ops->close(t);
}

struct caller {
	struct transport *t;
	pthread_t thread;
	uint8_t slot;
	bool once;	/* one poll only */
	_Atomic bool begun;
	enum ccid_err err;
	uint64_t ended;
};

static void caller_begin(struct caller *c, void *(*f)(void *))
{
	c->begun = false;
	assert_int_equal(pthread_create(&c->thread, NULL, f, c), 0);
	while (!c->begun)
		ms_sleep(1);
}

/* The calls that have begun wait inside by now. */
static void let_them_wait(void)
{
	ms_sleep(200);
}

static void *call(void *arg)
{
	struct caller *c = arg;
	struct exchange_io x;

	prepare(&x, c->slot, 1, 8);
	c->begun = true;
	c->err = go(c->t, &x, 60000);
	c->ended = clock_now();
	return NULL;
}

static void *call_poll(void *arg)
{
	struct caller *c = arg;
	struct deadline d = deadline_in_ms(60000);

	c->begun = true;
	do {
		c->err = c->t->ops->wait_change(c->t, c->slot, &d);
	} while (c->err == CCID_ERR_TIMEOUT && !c->once && !deadline_passed(&d));
	c->ended = clock_now();
	return NULL;
}

/* A later caller waits longer, also when the line is free for a moment. */
static void first_come_first_served(void **state)
{
	struct peer *p = *state;
	struct transport *t = open_as(p, "GemCorePOSPro");
	struct deadline d = deadline_in_ms(60000);
	struct caller c = { .t = t, .slot = 1 };
	struct exchange_io x;

	for (unsigned i = 0; i < 5; i++) {
		prepare(&x, 0, 1, 8);
		assert_int_equal(t->ops->start(t, &x.r, &d), CCID_OK);
		caller_begin(&c, call);
		let_them_wait();
		t->ops->finish(t, &x.r);
		assert_int_equal(go(t, &x, AMPLE_MS), CCID_OK);
		pthread_join(c.thread, NULL);
		assert_int_equal(c.err, CCID_OK);
		assert_int_equal(p->last_slot, 0);
	}
	t->ops->close(t);
}

/* Row 22: one waits for its answer, two for the line, two poll; all end at once. */
static void ends_all(void **state, int how)
{
	struct peer *p = *state;
	struct transport *t = open_as(p, "GemCorePOSPro");
	struct caller c[5];
	struct exchange_io x;
	uint64_t start;

	p->mode = SILENT;
	for (unsigned i = 0; i < 5; i++) {
		/* no call may begin once the line is closed */
		c[i] = (struct caller){ .t = t, .slot = (uint8_t)i, .once = how == 1 };
		caller_begin(&c[i], i < 3 ? call : call_poll);
	}
	let_them_wait();
	start = clock_now();
	if (how == 0) {
		t->ops->set_gone(t);
	} else if (how == 1) {
		t->ops->close(t);
		assert_true(ms_since(start) < AT_ONCE_MS);
	} else {
		if (write(p->quit[1], "", 1) != 1)
			fail();
		pthread_join(p->thread, NULL);
		p->running = false;
		p->closed = true;
		close(p->master);
	}
	for (unsigned i = 0; i < 5; i++) {
		pthread_join(c[i].thread, NULL);
		/* a single poll ends by itself if the machine is busy */
		if (!c[i].once || i < 3 || c[i].ended > start)
			assert_int_equal(c[i].err, CCID_ERR_NO_DEVICE);
		assert_true(c[i].ended < start + AT_ONCE_MS * UINT64_C(1000000));
	}
	if (how == 1)
		return;
	prepare(&x, 0, 2, 8);
	assert_int_equal(go(t, &x, 60000), CCID_ERR_NO_DEVICE);
	assert_int_equal(t->ops->wait_change(t, 0, &(struct deadline){ UINT64_MAX }), CCID_ERR_NO_DEVICE);
	t->ops->stop_change(t, 0);
	t->ops->resync(t, 0);
	t->ops->close(t);
}

/* Closing a slot ends what runs on it, wherever it waits; the others do not notice. */
static void closed_slot(void **state)
{
	struct peer *p = *state;
	struct transport *t = open_as(p, "GemCorePOSPro");
	struct caller first = { .t = t, .slot = 1 }, queued = { .t = t, .slot = 1 },
		      poll = { .t = t, .slot = 1 }, other = { .t = t, .slot = 2 };
	struct exchange_io x;
	uint64_t start;

	p->mode = SILENT;
	p->commands = 0;
	caller_begin(&first, call);
	while (p->commands == 0)
		ms_sleep(1);
	caller_begin(&queued, call);
	caller_begin(&poll, call_poll);
	let_them_wait();
	caller_begin(&other, call);
	let_them_wait();
	p->mode = HONEST;
	start = clock_now();
	t->ops->set_closed(t, 1, true);
	pthread_join(first.thread, NULL);
	pthread_join(queued.thread, NULL);
	pthread_join(poll.thread, NULL);
	assert_int_equal(first.err, CCID_ERR_NO_DEVICE);
	assert_int_equal(queued.err, CCID_ERR_NO_DEVICE);
	assert_int_equal(poll.err, CCID_ERR_NO_DEVICE);
	assert_true(ms_since(start) < AT_ONCE_MS);
	pthread_join(other.thread, NULL);
	assert_int_equal(other.err, CCID_OK);
	prepare(&x, 1, 9, 8);
	assert_int_equal(go(t, &x, 1000), CCID_ERR_NO_DEVICE);
	t->ops->set_closed(t, 1, false);
	assert_int_equal(go(t, &x, AMPLE_MS), CCID_OK);
	assert_echoed(&x);
	t->ops->set_closed(t, 200, true);	/* no such slot */
	t->ops->close(t);
}

static void marked_change(void **state)
{
	struct peer *p = *state;
	struct transport *t = open_as(p, "GemCorePOSPro");
	struct deadline d = deadline_in_ms(10000);

	/* what the opening left behind */
	while (t->ops->wait_change(t, 3, &d) == CCID_OK)
		;
	t->ops->mark_changed(t, 3);
	t->ops->mark_changed(t, 200);
	assert_int_equal(t->ops->wait_change(t, 2, &d), CCID_ERR_TIMEOUT);
	assert_int_equal(t->ops->wait_change(t, 3, &d), CCID_OK);
	assert_int_equal(t->ops->wait_change(t, 3, &d), CCID_ERR_TIMEOUT);
	t->ops->close(t);
}

static void gone_ends_all(void **state)
{
	ends_all(state, 0);
}

static void close_ends_all(void **state)
{
	ends_all(state, 1);
}

static void hang_up_ends_all(void **state)
{
	ends_all(state, 2);
}

static void hang_up_in_a_command(void **state)
{
	struct peer *p = *state;
	struct transport *t = open_as(p, "GemCorePOSPro");
	struct exchange_io x;

	p->mode = HANG_UP;
	prepare(&x, 0, 2, 8);
	assert_int_equal(go(t, &x, 5000), CCID_ERR_NO_DEVICE);
	assert_int_equal(go(t, &x, 5000), CCID_ERR_NO_DEVICE);
	t->ops->close(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(all_lengths), TEST(faults), TEST(faults_with_echo), TEST(late_answer),
		TEST(late_pieces), TEST(first_come_first_served),
		TEST(time_extensions), TEST(movements), TEST(card_out_in_mid_command),
		TEST(stop_ends_a_poll),
		TEST(slots_take_turns), TEST(no_place), TEST(gone_ends_all), TEST(close_ends_all),
		TEST(closed_slot), TEST(marked_change),
		TEST(hang_up_ends_all), TEST(hang_up_in_a_command),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
