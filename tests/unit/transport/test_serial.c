/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The serial transport over a pseudo terminal, with a thread that plays the reader. */
#include "transport/serial.h"
#include "transport/serial_frame.h"
#include "transport/serial_types.h"
#include "util/buf.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
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

#include <cmocka.h>

enum mode {
	HONEST,
	BAD_LRC,	/* `times` damaged answers, then a good one */
	NAK,		/* `times` NAKs, then the answer */
	GARBAGE,	/* noise around the answer */
	TOO_LONG,	/* `times` answers longer than any buffer */
	SILENT,
	HALF,		/* `times` answers of which the end is lost */
	STALE,		/* answers for other slots and other bSeq first */
	MORE_TIME,	/* time request bytes, then the answer */
	EXTENSION,	/* a time extension of CCID, then the answer */
	MOVEMENT,	/* a card movement before the answer */
	HANG_UP,
	SLOW,		/* answers after 30 ms */
	REFUSE,		/* every Escape fails */
};

struct peer {
	int master;
	int quit[2];
	char path[128];
	_Atomic bool echoes, slow_start;
	_Atomic int mode, times;
	_Atomic unsigned commands, naks, overlaps;
	pthread_t thread;
	bool running, closed;
	uint8_t last[SERIAL_FRAME_MAX];	/* the last command's frame */
	size_t last_len;
};

static const bool never_gone;
static const struct log_ctx test_log = { "test", 0, &never_gone };

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

static void put_answer(struct peer *p, uint8_t type, uint8_t slot, uint8_t seq, uint8_t status,
		       const void *data, size_t n, uint8_t spoil)
{
	uint8_t m[SERIAL_MESSAGE_MAX] = { type, (uint8_t)n, (uint8_t)(n >> 8), 0, 0, slot, seq, status };
	uint8_t frame[SERIAL_FRAME_MAX];
	size_t len;

	if (n > 0)
		memcpy(m + 10, data, n);
	len = serial_frame_encode(m, 10 + n, frame);
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

static void misbehave(struct peer *p)
{
	static const uint8_t too_long[] = { 0x03, 0x06, 0x80, 0xFF, 0xFF, 0xFF, 0x7F, 0, 0, 0, 0, 0, 1, 2 };
	const uint8_t *m = p->last + 2;
	struct pollfd more = { p->master, POLLIN, 0 };

	switch (p->mode) {
	case GARBAGE:
		put(p, "\x00\x11\x03\x03\x42", 5);
		answer(p, 0);
		put(p, "\x00\x00\x16\x06", 4);
		return;
	case TOO_LONG:
		put(p, too_long, sizeof too_long);
		return;
	case HALF:
		put(p, "\x03\x06\x80\x00", 4);
		return;
	case STALE:
		put_answer(p, 0x80, m[5] ^ 1, m[6], 0, "bad1", 4, 0);
		put_answer(p, 0x80, m[5], m[6] - 1, 0, "bad2", 4, 0);
		put(p, p->last, p->last_len);	/* an echo that is none of this type's */
		answer(p, 0);
		put_answer(p, 0x80, m[5], m[6], 0, "dupl", 4, 0);
		return;
	case MORE_TIME:
		put(p, "\x81", 1);
		ms_sleep(50);
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
	if (p->echoes)
		put(p, p->last, p->last_len);
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
		ms_sleep(1);	/* nobody has the other end open */
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
			got_command(p);
		} else if (n >= 12 && n == 13 + get_le32(p->last + 3)) {
			p->last_len = n;
			n = 0;
			p->commands++;
			got_command(p);
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
	if (p->master < 0 || grantpt(p->master) || unlockpt(p->master) || pipe(p->quit))
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
		if (write(p->quit[1], "", 1) != 1)
			return -1;
		pthread_join(p->thread, NULL);
	}
	if (!p->closed)
		close(p->master);
	close(p->quit[0]);
	close(p->quit[1]);
	free(p);
	return 0;
}

static struct transport *open_as(struct peer *p, const char *type)
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
static void prepare(struct exchange_io *x, uint8_t slot, uint8_t seq, size_t n)
{
	size_t i;

	memset(x, 0, sizeof *x);
	x->msg[0] = 0x6F;
	put_le32(x->msg + 1, (uint32_t)n);
	x->msg[5] = slot;
	x->msg[6] = seq;
	for (i = 0; i < n; i++)
		x->msg[10 + i] = (uint8_t)(seq + i);
	x->r.slot = slot;
	x->r.seq = seq;
	x->r.msg = x->msg;
	x->r.len = 10 + n;
	x->r.answer = x->answer;
	x->r.answer_cap = sizeof x->answer;
}

static enum ccid_err go(struct transport *t, struct exchange_io *x, unsigned ms)
{
	struct deadline d = deadline_in_ms(ms);
	enum ccid_err err = t->ops->start(t, &x->r, &d);

	if (err)
		return err;
	err = t->ops->wait(t, &x->r, &d);
	t->ops->finish(t, &x->r);
	return err;
}

static void assert_echoed(const struct exchange_io *x)
{
	assert_int_equal(x->r.answer_len, x->r.len);
	assert_int_equal(x->answer[0], 0x80);
	assert_int_equal(x->answer[5], x->r.slot);
	assert_int_equal(x->answer[6], x->r.seq);
	assert_memory_equal(x->answer + 10, x->msg + 10, x->r.len - 10);
}

/* After a fault has ended the line works. */
static void assert_works(struct peer *p, struct transport *t)
{
	struct exchange_io x;

	p->mode = HONEST;
	prepare(&x, 0, 200, 20);
	assert_int_equal(go(t, &x, 3000), CCID_OK);
	assert_echoed(&x);
}

static unsigned ms_since(uint64_t start)
{
	return (unsigned)((clock_now() - start) / 1000000u);
}

/* ---- opening ---- */

static void every_type(void **state)
{
	struct peer *p = *state;
	const struct serial_type *type;
	struct transport *t;
	char name[160];
	size_t i;

	p->running = true;
	assert_int_equal(pthread_create(&p->thread, NULL, play, p), 0);
	for (i = 0; (type = serial_type_at(i)) != NULL; i++) {
		p->echoes = type->echoes;
		p->commands = 0;
		snprintf(name, sizeof name, "%s:%s", p->path, type->name);
		assert_int_equal(serial_open(name, &test_log, &t), CCID_OK);
		assert_int_equal(p->commands, type->notifies ? 2 : 1);
		assert_int_equal(t->ops->wait_change != NULL, type->notifies);
		assert_int_equal(t->desc.idVendor, type->desc.idVendor);
		assert_int_equal(t->n_data_rates, type->n_rates);
		assert_int_equal(t->desc.bNumDataRatesSupported, type->n_rates);
		assert_works(p, t);
		t->ops->close(t);
	}
	assert_int_equal(i, 8);
}

static void slow_start(void **state)
{
	struct peer *p = *state;
	struct transport *t;

	p->slow_start = true;
	t = open_as(p, "gemcoresimpro2");
	assert_int_equal(p->commands, 4);
	assert_works(p, t);
	t->ops->close(t);
}

static void default_type(void **state)
{
	struct peer *p = *state;
	struct transport *t;

	p->running = p->echoes = true;
	assert_int_equal(pthread_create(&p->thread, NULL, play, p), 0);
	assert_int_equal(serial_open(p->path, &test_log, &t), CCID_OK);
	assert_int_equal(t->desc.idProduct, 0x3437);
	assert_string_equal(t->manufacturer, "Gemplus");
	assert_works(p, t);
	t->ops->close(t);
}

static void no_notifications(void **state)
{
	struct peer *p = *state;
	struct transport *t;

	p->mode = REFUSE;
	t = open_as(p, "GemCorePOSPro");
	assert_null(t->ops->wait_change);
	assert_works(p, t);
	t->ops->close(t);
}

static void foreign_devices(void **state)
{
	static const char *const names[] = { "GemPCTwin", "GemCoreSIMPro2", "SEC1210" };
	struct peer *p = *state;
	struct transport *t = NULL;
	char name[160];
	size_t i;

	assert_int_equal(serial_open("/dev/null", &test_log, &t), CCID_ERR_NO_DEVICE);
	assert_int_equal(serial_open("/nonexistent/tty", &test_log, &t), CCID_ERR_NO_DEVICE);
	assert_int_equal(serial_open("/dev/null:GemPCQuad", &test_log, &t), CCID_ERR_ARG);
	assert_int_equal(serial_open("", &test_log, &t), CCID_ERR_NO_DEVICE);
	for (i = 0; i < 3; i++) {
		uint64_t start = clock_now();

		snprintf(name, sizeof name, "%s:%s", p->path, names[i]);
		assert_int_equal(serial_open(name, &test_log, &t), CCID_ERR_NO_DEVICE);
		assert_true(ms_since(start) < 3000);
	}
	assert_null(t);
}

static void path_with_colons(void **state)
{
	struct peer *p = *state;
	char dir[] = "/tmp/serialXXXXXX", name[64];
	struct transport *t;

	p->running = p->echoes = true;
	assert_int_equal(pthread_create(&p->thread, NULL, play, p), 0);
	assert_non_null(mkdtemp(dir));
	snprintf(name, sizeof name, "%s/usb-0:1:1.0", dir);
	assert_int_equal(symlink(p->path, name), 0);
	assert_int_equal(serial_open(name, &test_log, &t), CCID_OK);
	t->ops->close(t);
	unlink(name);
	rmdir(dir);
}

static void channels(void **state)
{
	char name[32];

	(void)state;
	assert_true(serial_channel_name(0x0103F8, name, sizeof name));
	assert_string_equal(name, "/dev/pcsc/1");
	assert_true(serial_channel_name(0x0102F8, name, sizeof name));
	assert_string_equal(name, "/dev/pcsc/2");
	assert_true(serial_channel_name(0x0103E8, name, sizeof name));
	assert_string_equal(name, "/dev/pcsc/3");
	assert_true(serial_channel_name(0x0102E8, name, 12));
	assert_string_equal(name, "/dev/pcsc/4");
	assert_false(serial_channel_name(0x0102E8, name, 11));
	assert_false(serial_channel_name(1, name, sizeof name));
}

/* ---- exchange and faults (row 25) ---- */

static void all_lengths(void **state)
{
	struct peer *p = *state;
	struct transport *t;
	struct exchange_io x;
	struct deadline d = deadline_in_ms(1000);
	size_t n;

	p->echoes = true;
	t = open_as(p, "GemPCPinPad");
	for (n = 0; n <= SERIAL_MESSAGE_MAX - 10; n += 29) {
		prepare(&x, 0, (uint8_t)n, n);
		assert_int_equal(go(t, &x, 2000), CCID_OK);
		assert_echoed(&x);
	}
	x.r.len = SERIAL_MESSAGE_MAX + 1;
	assert_int_equal(t->ops->start(t, &x.r, &d), CCID_ERR_TOO_LONG);
	x.r.len = 9;
	assert_int_equal(t->ops->start(t, &x.r, &d), CCID_ERR_ARG);
	prepare(&x, 0, 1, 20);
	x.r.answer_cap = 29;
	assert_int_equal(go(t, &x, 2000), CCID_ERR_COMM);
	assert_works(p, t);
	t->ops->close(t);
}

struct fault {
	int mode, times;
	enum ccid_err expect;
	unsigned naks, sent;	/* NAKs of ours, times the command went out */
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
	size_t i;

	t = open_as(p, "GemCorePOSPro");
	for (i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		uint64_t start = clock_now();

		p->mode = rows[i].mode;
		p->times = rows[i].times;
		p->naks = p->commands = 0;
		prepare(&x, 1, (uint8_t)(i + 1), 50);
		assert_int_equal(go(t, &x, 2000), rows[i].expect);
		assert_true(ms_since(start) < 2100);
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
	static const int modes[] = { BAD_LRC, NAK, GARBAGE };
	struct peer *p = *state;
	struct transport *t;
	struct exchange_io x;
	size_t i;

	p->echoes = true;
	t = open_as(p, "GemPCTwin");
	for (i = 0; i < 3; i++) {
		p->mode = modes[i];
		p->times = 1;
		prepare(&x, 0, 9, 50);
		assert_int_equal(go(t, &x, 2000), CCID_OK);
		assert_echoed(&x);
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
	struct exchange_io x;

	p->mode = SLOW;
	prepare(&x, 0, 5, 8);
	assert_int_equal(go(t, &x, 10), CCID_ERR_TIMEOUT);
	prepare(&x, 0, 6, 8);
	assert_int_equal(go(t, &x, 1000), CCID_OK);
	assert_echoed(&x);
	t->ops->close(t);
}

static void time_extensions(void **state)
{
	static const int modes[] = { MORE_TIME, EXTENSION };
	struct peer *p = *state;
	struct transport *t = open_as(p, "GemCorePOSPro");
	struct exchange_io x;
	struct deadline d = deadline_in_ms(2000);
	size_t i;

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
	for (i = 0; i < 2; i++) {
		unsigned waits = 0;

		p->mode = modes[i];
		prepare(&x, 2, (uint8_t)(8 + i), 8);
		assert_int_equal(t->ops->start(t, &x.r, &d), CCID_OK);
		do {
			assert_int_equal(t->ops->wait(t, &x.r, &d), CCID_OK);
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
	assert_true(ms_since(start) < 1000);
	/* with an answer: every slot looks, once */
	p->mode = MOVEMENT;
	prepare(&x, 0, 1, 8);
	assert_int_equal(go(t, &x, 2000), CCID_OK);
	assert_echoed(&x);
	for (slot = 0; slot < 5; slot++) {
		assert_int_equal(t->ops->wait_change(t, slot, &past), CCID_OK);
		assert_int_equal(t->ops->wait_change(t, slot, &past), CCID_ERR_TIMEOUT);
	}
	/* on an idle line */
	put(p, "\x50\x02", 2);
	start = clock_now();
	assert_int_equal(t->ops->wait_change(t, 3, &d), CCID_OK);
	assert_true(ms_since(start) < 200);
	/* a stop ends the next poll, not the one after; an event outlives it */
	t->ops->stop_change(t, 0);
	assert_int_equal(t->ops->wait_change(t, 0, &d), CCID_ERR_TIMEOUT);
	assert_int_equal(t->ops->wait_change(t, 0, &d), CCID_OK);
	/* SLOTS beyond the table */
	assert_int_equal(t->ops->wait_change(t, 255, &d), CCID_ERR_ARG);
	t->ops->stop_change(t, 255);
	t->ops->close(t);
}

struct poller {
	struct transport *t;
	pthread_t thread;
	enum ccid_err err;
	uint64_t ended;
};

static void *poll_once(void *arg)
{
	struct poller *q = arg;
	struct deadline d = deadline_in_ms(60000);

	q->err = q->t->ops->wait_change(q->t, 0, &d);
	q->ended = clock_now();
	return NULL;
}

static void stop_ends_a_poll(void **state)
{
	struct peer *p = *state;
	struct poller q = { .t = open_as(p, "GemCorePOSPro") };
	struct exchange_io x;
	uint64_t start;

	pthread_create(&q.thread, NULL, poll_once, &q);
	ms_sleep(50);
	/* the poller reads the line; a command works meanwhile */
	prepare(&x, 1, 3, 30);
	assert_int_equal(go(q.t, &x, 2000), CCID_OK);
	assert_echoed(&x);
	start = clock_now();
	q.t->ops->stop_change(q.t, 0);
	pthread_join(q.thread, NULL);
	assert_int_equal(q.err, CCID_ERR_TIMEOUT);
	assert_true((q.ended - start) / 1000000u < 100);
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
	unsigned i;

	for (i = 0; i < 10; i++) {
		prepare(&x, w->slot, (uint8_t)(i * 5 + w->slot), 40);
		if (go(w->t, &x, 5000) == CCID_OK &&
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
	unsigned i;

	p->mode = SLOW;
	pthread_create(&q.thread, NULL, poll_once, &q);
	for (i = 0; i < 5; i++) {
		w[i] = (struct worker){ .t = t, .slot = (uint8_t)i };
		pthread_create(&w[i].thread, NULL, work, &w[i]);
	}
	for (i = 0; i < 5; i++) {
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
	struct deadline d = deadline_in_ms(2000), soon = deadline_in_ms(50);
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
	assert_int_equal(go(t, &y, 1000), CCID_OK);
	t->ops->close(t);
}

struct caller {
	struct transport *t;
	pthread_t thread;
	uint8_t slot;
	enum ccid_err err;
	uint64_t ended;
};

static void *call(void *arg)
{
	struct caller *c = arg;
	struct exchange_io x;

	prepare(&x, c->slot, 1, 8);
	c->err = go(c->t, &x, 60000);
	c->ended = clock_now();
	return NULL;
}

static void *call_poll(void *arg)
{
	struct caller *c = arg;
	struct deadline d = deadline_in_ms(60000);

	do {
		c->err = c->t->ops->wait_change(c->t, c->slot, &d);
	} while (c->err == CCID_ERR_TIMEOUT);
	c->ended = clock_now();
	return NULL;
}

/* Row 22: one waits for its answer, two for the line, two poll; all end at once. */
static void ends_all(void **state, int how)
{
	struct peer *p = *state;
	struct transport *t = open_as(p, "GemCorePOSPro");
	struct caller c[5];
	struct exchange_io x;
	uint64_t start;
	unsigned i;

	p->mode = SILENT;
	for (i = 0; i < 5; i++) {
		c[i] = (struct caller){ .t = t, .slot = (uint8_t)i };
		pthread_create(&c[i].thread, NULL, i < 3 ? call : call_poll, &c[i]);
	}
	ms_sleep(100);
	start = clock_now();
	if (how == 0) {
		t->ops->set_gone(t);
	} else if (how == 1) {
		t->ops->close(t);
		assert_true(ms_since(start) < 100);
	} else {
		if (write(p->quit[1], "", 1) != 1)
			fail();
		pthread_join(p->thread, NULL);
		p->running = false;
		p->closed = true;
		close(p->master);
	}
	for (i = 0; i < 5; i++) {
		pthread_join(c[i].thread, NULL);
		assert_int_equal(c[i].err, CCID_ERR_NO_DEVICE);
		assert_true(c[i].ended < start + 100000000u);
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

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_type), TEST(slow_start), TEST(default_type), TEST(no_notifications),
		TEST(foreign_devices), TEST(path_with_colons), TEST(channels), TEST(all_lengths),
		TEST(faults), TEST(faults_with_echo), TEST(late_answer), TEST(time_extensions),
		TEST(movements), TEST(stop_ends_a_poll), TEST(slots_take_turns), TEST(no_place),
		TEST(gone_ends_all), TEST(close_ends_all), TEST(hang_up_ends_all),
		TEST(hang_up_in_a_command),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
