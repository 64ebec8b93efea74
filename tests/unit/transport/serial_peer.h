/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A thread that plays a serial reader behind a pseudo terminal, honestly or not. */
#ifndef TEST_SERIAL_PEER_H
#define TEST_SERIAL_PEER_H

#include "transport/serial.h"
#include "transport/serial_frame.h"
#include "transport/serial_types.h"
#include "util/buf.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "unit/unit_cmocka.h"

enum mode {
	HONEST,
	BAD_LRC,	/* `times` damaged answers, then a good one */
	NAK,		/* `times` NAKs, then the answer */
	GARBAGE,	/* noise around the answer */
	TOO_LONG,	/* `times` answers longer than any buffer */
	SILENT,
	HALF,		/* `times` answers of which the end is lost */
	STALE,		/* answers for other slots and other bSeq first */
	MORE_TIME,	/* a time request byte; the answer when the test says go_on */
	EXTENSION,	/* a time extension of CCID, then the answer */
	MOVEMENT,	/* a card movement before the answer */
	CARD_GONE,	/* the card is out, and no answer */
	CARD_BOUNCES,	/* card out and in again; the answer when the test says go_on */
	HANG_UP,
	SLOW,		/* answers after 30 ms */
	HELD,		/* answers when the test says go_on */
	REFUSE,		/* every Escape fails */
	DRIBBLE,	/* an answer in three pieces, the last of which look like one to the next command */
	BAD_ECHO,	/* the echo's length is damaged on its way */
};

struct peer {
	int master;
	int quit[2];
	char path[128];
	_Atomic bool echoes, slow_start;
	_Atomic bool busy;	/* answers: what it notes of that is not complete */
	_Atomic int mode, times;
	_Atomic unsigned commands, naks, overlaps, last_slot;
	_Atomic uint64_t pieces_end;	/* when the last piece of an answer was sent */
	_Atomic uint64_t gap_ns;	/* the longest silence between two pieces */
	sem_t go_on;
	pthread_t thread;
	bool running, closed;
	uint8_t last[SERIAL_FRAME_MAX];	/* the last command's frame */
	size_t last_len;
};

static const bool never_gone;
static const struct log_ctx test_log = { .reader = "test", .gone = &never_gone };

static void put(struct peer *p, const void *bytes, size_t n)
{
	const uint8_t *b = bytes;

	while (n > 0) {
		ssize_t done = write(p->master, b, n);

		if (done <= 0)
			return;
		b += done;
		n -= (size_t)done;
	}
}

static size_t make_answer(uint8_t *frame, uint8_t type, uint8_t slot, uint8_t seq, uint8_t status,
			  const void *data, size_t n)
{
	uint8_t m[SERIAL_MESSAGE_MAX] = { type, (uint8_t)n, (uint8_t)(n >> 8), 0, 0, slot, seq, status };

	if (n > 0)
		memcpy(m + 10, data, n);
	return serial_frame_encode(m, 10 + n, frame);
}

static void put_answer(struct peer *p, uint8_t type, uint8_t slot, uint8_t seq, uint8_t status,
		       const void *data, size_t n, uint8_t spoil)
{
	uint8_t frame[SERIAL_FRAME_MAX];
	size_t len = make_answer(frame, type, slot, seq, status, data, n);

	frame[len - 1] ^= spoil;
	put(p, frame, len);
}

/* The honest answer: an Escape gives a version, all else gives back the data. */
static void answer(struct peer *p, uint8_t spoil)
{
	const uint8_t *m = p->last + 2;
	bool escape = m[0] == 0x6B;

	if (escape)
		put_answer(p, 0x83, m[5], m[6], p->mode == REFUSE ? 0x40 : 0, "Test-V1.00", 10, spoil);
	else
		put_answer(p, m[0] == 0x65 ? 0x81 : 0x80, m[5], m[6], 0, m + 10, get_le32(m + 1), spoil);
}

static void ms_sleep(unsigned ms)
{
	clock_sleep_until(clock_now() + ms * 1000000ull);
}

/* A piece of an answer, 5 ms after the one before it; a busy machine makes more of them, and the test has to look. */
static void next_piece(struct peer *p, const void *bytes, size_t n, uint64_t before)
{
	uint64_t gap;

	ms_sleep(5);
	put(p, bytes, n);
	p->pieces_end = clock_now();
	gap = p->pieces_end - before;
	if (gap > p->gap_ns)
		p->gap_ns = gap;
}

static void dribble(struct peer *p)
{
	const uint8_t *m = p->last + 2;
	uint8_t frame[40] = { 0x03, 0x06, 0x80, 27, 0, 0, 0, m[5], m[6] };
	uint8_t inner[14] = { 0x80, 4, 0, 0, 0, m[5], (uint8_t)(m[6] + 1), 0, 0, 0, 'b', 'a', 'd', '4' };
	uint64_t start = clock_now();

	serial_frame_encode(inner, sizeof inner, frame + 12 + 5);
	put(p, frame, 8);
	ms_sleep(5);
	next_piece(p, frame + 8, 7, start);
	next_piece(p, frame + 15, sizeof frame - 15, p->pieces_end);
}

static void misbehave(struct peer *p)
{
	static const uint8_t too_long[] = { 0x03, 0x06, 0x80, 0xFF, 0xFF, 0xFF, 0x7F, 0, 0, 0, 0, 0, 1, 2 };
	const uint8_t *m = p->last + 2;
	struct pollfd more = { p->master, POLLIN, 0 };
	uint8_t bad[SERIAL_FRAME_MAX];
	uint64_t start;

	switch (atomic_load(&p->mode)) {
	case GARBAGE:
		put(p, "\x00\x11\x03\x03\x42", 5);
		answer(p, 0);
		put(p, "\x00\x00\x16\x06", 4);
		return;
	case TOO_LONG:
		start = clock_now();
		put(p, too_long, sizeof too_long);
		/* still data of that one, whatever it looks like */
		next_piece(p, bad, make_answer(bad, 0x80, m[5], m[6], 0, "bad3", 4), start);
		return;
	case DRIBBLE:
		dribble(p);
		return;
	case HALF:
		put(p, "\x03\x06\x80\x00", 4);
		return;
	case STALE:
		put_answer(p, 0x80, m[5] ^ 1, m[6], 0, "bad1", 4, 0);
		put_answer(p, 0x80, m[5], m[6] - 1, 0, "bad2", 4, 0);
		put(p, p->last, p->last_len);	/* an echo although this type has none */
		answer(p, 0);
		put_answer(p, 0x80, m[5], m[6], 0, "dupl", 4, 0);
		return;
	case MORE_TIME:
		put(p, "\x81", 1);
		sem_wait(&p->go_on);
		answer(p, 0);
		return;
	case EXTENSION:
		put_answer(p, 0x80, m[5], m[6], 0x80, NULL, 0, 0);
		answer(p, 0);
		return;
	case MOVEMENT:
		put(p, "\x50\x03", 2);
		answer(p, 0);
		return;
	case CARD_GONE:
		put(p, "\x50\x02", 2);
		return;
	case CARD_BOUNCES:
		put(p, "\x50\x02\x50\x03", 4);
		sem_wait(&p->go_on);
		answer(p, 0);
		return;
	case HELD:
		sem_wait(&p->go_on);
		answer(p, 0);
		return;
	case SLOW:
		if (poll(&more, 1, 30) > 0)
			p->overlaps++;
		answer(p, 0);
		return;
	default:
		answer(p, 0);
	}
}

static void got_command(struct peer *p)
{
	if (p->mode == BAD_ECHO)
		p->last[3] ^= 0x80;
	if (p->echoes)
		put(p, p->last, p->last_len);
	if (p->mode == BAD_ECHO)
		p->last[3] ^= 0x80;
	if (p->mode == SILENT)
		return;
	if (p->mode == HANG_UP) {
		close(p->master);
		p->closed = true;
		return;
	}
	if ((p->mode == BAD_LRC || p->mode == NAK || p->mode == TOO_LONG || p->mode == HALF)) {
		if (p->times == 0) {
			answer(p, 0);
			return;
		}
		p->times--;
	}
	if (p->mode == BAD_LRC)
		answer(p, 0x55);
	else if (p->mode == NAK)
		put(p, serial_nak, 3);
	else
		misbehave(p);
}

/* GemCoreSIMPro2: what comes at another speed than its own is noise. */
static bool right_speed(struct peer *p)
{
	struct termios t;

	if (tcgetattr(p->master, &t) != 0)
		return false;
	return cfgetospeed(&t) == (p->slow_start ? B9600 : B115200);
}

static bool next_byte(struct peer *p, uint8_t *b)
{
	struct pollfd f[2] = { { p->master, POLLIN, 0 }, { p->quit[0], POLLIN, 0 } };

	for (;;) {
		if (p->closed || poll(f, 2, -1) < 0 || f[1].revents)
			return false;
		if ((f[0].revents & POLLIN) && read(p->master, b, 1) == 1)
			return true;
		ms_sleep(1);	/* the other end is not open */
	}
}

static void *play(void *arg)
{
	struct peer *p = arg;
	uint8_t b;
	size_t n = 0;

	while (next_byte(p, &b)) {
		if (!right_speed(p))
			continue;
		if (n == 0 && b != 0x03)
			continue;
		p->last[n++] = b;
		if (n == 3 && p->last[1] == 0x15) {
			p->naks++;
			n = 0;
			p->busy = true;
			got_command(p);
			p->busy = false;
		} else if (n >= 12 && n == 13 + get_le32(p->last + 3)) {
			p->last_len = n;
			n = 0;
			p->commands++;
			p->last_slot = p->last[7];
			p->busy = true;
			got_command(p);
			p->busy = false;
			if (p->last[2] == 0x6B && p->last[13] == 0x10)
				p->slow_start = false;
		}
	}
	return NULL;
}

static int setup(void **state)
{
	struct peer *p = calloc(1, sizeof *p);
	struct termios t;

	p->master = posix_openpt(O_RDWR | O_NOCTTY);
	if (p->master < 0 || grantpt(p->master) || unlockpt(p->master) || pipe(p->quit) ||
	    sem_init(&p->go_on, 0, 0))
		return -1;
	snprintf(p->path, sizeof p->path, "%s", ptsname(p->master));
	tcgetattr(p->master, &t);
	cfmakeraw(&t);
	tcsetattr(p->master, TCSANOW, &t);
	*state = p;
	return 0;
}

static int teardown(void **state)
{
	struct peer *p = *state;

	if (p->running) {
		sem_post(&p->go_on);
		if (write(p->quit[1], "", 1) != 1)
			return -1;
		pthread_join(p->thread, NULL);
	}
	if (!p->closed)
		close(p->master);
	close(p->quit[0]);
	close(p->quit[1]);
	sem_destroy(&p->go_on);
	free(p);
	return 0;
}

static inline struct transport *open_as(struct peer *p, const char *type)
{
	struct transport *t = NULL;
	char name[160];

	p->running = true;
	assert_int_equal(pthread_create(&p->thread, NULL, play, p), 0);
	snprintf(name, sizeof name, "%s:%s", p->path, type);
	assert_int_equal(serial_open(name, &test_log, &t), CCID_OK);
	assert_non_null(t);
	return t;
}

struct exchange_io {
	struct request r;
	uint8_t msg[SERIAL_MESSAGE_MAX];
	uint8_t answer[SERIAL_MESSAGE_MAX];
};

/* XfrBlock with n bytes i, i+1, ... */
static inline void prepare(struct exchange_io *x, uint8_t slot, uint8_t seq, size_t n)
{
	memset(x, 0, sizeof *x);
	x->msg[0] = 0x6F;
	put_le32(x->msg + 1, (uint32_t)n);
	x->msg[5] = slot;
	x->msg[6] = seq;
	for (size_t i = 0; i < n; i++)
		x->msg[10 + i] = (uint8_t)(seq + i);
	x->r.slot = slot;
	x->r.seq = seq;
	x->r.msg = x->msg;
	x->r.len = 10 + n;
	x->r.answer = x->answer;
	x->r.answer_cap = sizeof x->answer;
}

static inline enum ccid_err go(struct transport *t, struct exchange_io *x, unsigned ms)
{
	struct deadline d = deadline_in_ms(ms);
	enum ccid_err err = t->ops->start(t, &x->r, &d);

	if (err)
		return err;
	err = t->ops->wait(t, &x->r, &d);
	t->ops->finish(t, &x->r);
	return err;
}

static inline void assert_echoed(const struct exchange_io *x)
{
	assert_int_equal(x->r.answer_len, x->r.len);
	assert_int_equal(x->answer[0], 0x80);
	assert_int_equal(x->answer[5], x->r.slot);
	assert_int_equal(x->answer[6], x->r.seq);
	assert_memory_equal(x->answer + 10, x->msg + 10, x->r.len - 10);
}

/* The driver may have an answer before the thread that sent it comes to note when. */
static inline void wait_until_noted(struct peer *p)
{
	while (p->busy)
		ms_sleep(1);
}

/* After a fault has ended the line works. */
static inline void assert_works(struct peer *p, struct transport *t)
{
	struct exchange_io x;

	p->mode = HONEST;
	prepare(&x, 0, 200, 20);
	assert_int_equal(go(t, &x, 20000), CCID_OK);
	assert_echoed(&x);
}

static inline unsigned ms_since(uint64_t start)
{
	return (unsigned)((clock_now() - start) / 1000000u);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

#endif
