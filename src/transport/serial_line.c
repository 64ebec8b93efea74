/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What goes over the line: commands, answers, and the bytes between them. */
#include "transport/serial_line.h"

#include "wire/ccid_msg.h"
#include "transport/serial_gate.h"
#include "transport/serial_tty.h"
#include "util/buf.h"
#include "util/clock_wait.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_MS UINT64_C(1000000)
/* A command is sent once and repeated after this many NAKs at most. */
#define REPEATS_MAX 3
/* A damaged answer is asked for again until this many came. */
#define DAMAGED_MAX 3
/* Inside a frame the reader is never silent for so long: the rest is lost. */
#define FRAME_GAP_NS (500u * NS_PER_MS)
/* Silence for so long after a damaged frame is its end. */
#define QUIET_NS (30u * NS_PER_MS)
/* Card movements are told when a command is under way (Escape 01 01 01: synchronously). A
 * poll therefore ends soon, and what follows it, GetSlotStatus, brings them. */
#define CHANGE_WAIT_MS 400
#define SEND_MS 3000u
/* How long the reader may take to answer after it reported the card removed. */
#define CARD_GONE_NS (2000u * NS_PER_MS)
#define WRITE_RETRY_MS 10

static bool is_time_extension(const uint8_t *answer)
{
	return ccid_command_state(answer[7]) == COMMAND_TIME_EXTENSION;
}

static void take_message(struct serial *s)
{
	const uint8_t *m = s->frame.message;
	const struct request *r = s->owner;

	/* Without bit 7 it is a command: an unexpected echo. */
	if (!r || !(m[0] & 0x80) || m[5] != r->slot || m[6] != r->seq) {
		LOG(LOG_COMM, &s->t.log, "dropped %s for slot %u, bSeq %u: no command waits for it",
		    ccid_message_name(m[0]), m[5], m[6]);
		return;
	}
	/* What follows a time extension replaces it; nothing follows an answer. */
	if (s->answer_len > 0 && !is_time_extension(s->answer))
		return;
	memcpy(s->answer, m, s->frame.message_len);
	s->answer_len = s->frame.message_len;
}

/* The wire does not tell which slot it was: only where there is one, a command for its card can
 * end early. Contacts bounce; a card that lost its power the reader reports itself. */
static void take_movement(struct serial *s, bool present)
{
	serial_mark_changes(s);
	if (present)
		s->gone_ns = 0;
	else if (s->owner && s->owner->needs_card && s->t.desc.bMaxSlotIndex == 0)
		s->gone_ns = clock_now();
}

static void take_byte(struct serial *s, uint8_t byte)
{
	switch (serial_frame_feed(&s->frame, byte)) {
	case SERIAL_MESSAGE:
		take_message(s);
		break;
	case SERIAL_NAK:
		s->nak = true;
		break;
	case SERIAL_CARD_OUT:
		take_movement(s, false);
		break;
	case SERIAL_CARD_IN:
		take_movement(s, true);
		break;
	case SERIAL_TIME:
		s->time_request = true;
		break;
	case SERIAL_DAMAGED:
		s->damaged = true;
		break;
	case SERIAL_ECHO:
		if (s->frame.echo_differs)
			LOG(LOG_INFO, &s->t.log, "the echo differs from what was sent");
		break;
	case SERIAL_NOTHING:
		break;
	}
}

/* Lets the time go by until something happened or until_ns is reached. One of the waiting
 * threads reads the line for all. Called and returns with the lock held. */
static void line_wait(struct serial *s, uint64_t until_ns)
{
	uint8_t bytes[256];
	ssize_t n;

	if (s->reading) {
		clock_cond_wait(&s->changed, &s->lock, until_ns);
		return;
	}
	s->reading = true;
	pthread_mutex_unlock(&s->lock);
	n = serial_tty_read(s->fd, s->wake[0], bytes, sizeof bytes, until_ns);
	pthread_mutex_lock(&s->lock);
	s->reading = false;
	if (n > 0)
		s->last_byte_ns = clock_now();
	for (ssize_t i = 0; i < n; i++)
		take_byte(s, bytes[i]);
	wipe(bytes, sizeof bytes);
	if (n < 0 && !s->gone) {
		LOG(LOG_INFO, &s->t.log, "the serial line was hung up");
		serial_lost(s);
	}
	/* What woke this poll() is used up; that the reader is gone never is. */
	while (!s->gone && read(s->wake[0], bytes, sizeof bytes) > 0)
		;
	pthread_cond_broadcast(&s->changed);
}

/* The line takes a whole frame at once unless it is stuck: then there is time to read, and to see a
 * removal. */
static enum ccid_err send_bytes(struct serial *s, const uint8_t *p, size_t len,
				const struct deadline *d)
{
	while (len > 0) {
		ssize_t n = s->gone ? -1 : serial_tty_write(s->fd, p, len);

		if (n < 0) {
			serial_lost(s);
			return CCID_ERR_NO_DEVICE;
		}
		p += n;
		len -= (size_t)n;
		if (n == 0 && deadline_passed(d))
			return CCID_ERR_TIMEOUT;
		if (n == 0)
			line_wait(s, deadline_earlier(*d, deadline_in_ms(WRITE_RETRY_MS)).at_ns);
	}
	return CCID_OK;
}

/* The clock alone does not tell silence: a thread that was kept off the processor finds bytes
 * waiting. Takes what is there, without waiting. */
static bool more_came(struct serial *s)
{
	uint64_t seen = s->last_byte_ns;

	line_wait(s, 0);
	return s->last_byte_ns != seen;
}

/* Bytes that came before a command do not belong to it. The rest of a frame that was given up is
 * let pass first: its bytes could look like anything. */
static void end_former_frame(struct serial *s, const struct deadline *d)
{
	uint64_t quiet = s->last_byte_ns + QUIET_NS;

	while (serial_frame_busy(&s->frame) && !s->gone && !deadline_passed(d) &&
	       (clock_now() < quiet || more_came(s))) {
		if (clock_now() < quiet)
			line_wait(s, quiet);
		quiet = s->last_byte_ns + QUIET_NS;
	}
	serial_frame_restart(&s->frame);
}

static enum ccid_err send_command(struct serial *s, const struct deadline *d)
{
	end_former_frame(s, d);
	if (s->echoes)
		serial_frame_expect_echo(&s->frame, s->out, s->out_len);
	s->nak = s->damaged = s->time_request = false;
	s->answer_len = 0;
	return send_bytes(s, s->out, s->out_len, d);
}

/* passes_gate has no effect here: two commands at once on one line would destroy each other. */
static enum ccid_err serial_start(struct transport *t, struct request *r, const struct deadline *d)
{
	struct serial *s = serial_of(t);
	struct deadline send;
	enum ccid_err err;

	if (r->len < CCID_HEADER_LENGTH)
		return CCID_ERR_ARG;
	if (r->len > SERIAL_MESSAGE_MAX)
		return CCID_ERR_TOO_LONG;
	err = serial_enter(s);
	if (err != CCID_OK)
		return err;
	err = r->no_queue && (s->owner || s->first) ? CCID_ERR_BUSY : serial_take_line(s, r, d);
	if (err != CCID_OK)
		return serial_leave(s, err);
	transport_number(t, r);
	s->out_len = serial_frame_encode(r->msg, r->len, s->out);
	s->repeats = s->damages = 0;
	/* However long it waited for the line: a line that takes nothing is dead. */
	send = deadline_in_ms(SEND_MS);
	err = send_command(s, &send);
	if (err != CCID_OK)
		serial_give_line(s);
	return serial_leave(s, err);
}

static enum ccid_err give_answer(struct serial *s, struct request *r)
{
	size_t len = s->answer_len;

	s->answer_len = 0;
	if (len > r->answer_cap) {
		LOG(LOG_CRITICAL, &s->t.log, "an answer of %zu bytes was not expected", len);
		return CCID_ERR_COMM;
	}
	memcpy(r->answer, s->answer, len);
	r->answer_len = len;
	return CCID_OK;
}

/* The byte on the line says what CCID says by an answer (CCID 1.10 §6.2.6). */
static enum ccid_err give_time_extension(struct serial *s, struct request *r)
{
	struct ccid_msg m = {
		.bMessageType = RDR_TO_PC_DATA_BLOCK,
		.bSlot = r->slot,
		.bSeq = r->seq,
		.b7 = COMMAND_TIME_EXTENSION << 6,
		.b8 = 1,
	};

	s->time_request = false;
	if (r->answer_cap < CCID_HEADER_LENGTH)
		return CCID_ERR_COMM;
	ccid_msg_encode(&m, r->answer);
	r->answer_len = CCID_HEADER_LENGTH;
	return CCID_OK;
}

static enum ccid_err line_repeat(struct serial *s, const struct deadline *d)
{
	serial_frame_restart(&s->frame);
	s->damaged = false;
	if (++s->damages >= DAMAGED_MAX) {
		LOG(LOG_CRITICAL, &s->t.log, "%u damaged answers: given up", s->damages);
		return CCID_ERR_COMM;
	}
	LOG(LOG_INFO, &s->t.log, "damaged answer, asked for it again");
	return send_bytes(s, serial_nak, sizeof serial_nak, d);
}

static enum ccid_err repeat(struct serial *s, const struct deadline *d)
{
	s->nak = false;
	if (s->repeats++ == REPEATS_MAX) {
		LOG(LOG_CRITICAL, &s->t.log, "the reader does not understand the command");
		return CCID_ERR_COMM;
	}
	LOG(LOG_INFO, &s->t.log, "the reader asks for the command again");
	return send_command(s, d);
}

/* When the line has to be looked at again though no byte comes. */
static uint64_t attention_ns(const struct serial *s, const struct deadline *d)
{
	uint64_t at = UINT64_MAX;

	if (s->damaged)
		at = s->last_byte_ns + QUIET_NS;
	else if (serial_frame_busy(&s->frame))
		at = s->last_byte_ns + FRAME_GAP_NS;
	if (s->gone_ns && s->gone_ns + CARD_GONE_NS < at)
		at = s->gone_ns + CARD_GONE_NS;
	return at < d->at_ns ? at : d->at_ns;
}

static bool is_card_gone(const struct serial *s)
{
	if (!s->gone_ns || clock_now() < s->gone_ns + CARD_GONE_NS)
		return false;
	LOG(LOG_INFO, &s->t.log, "no answer, and the reader reported the card removed");
	return true;
}

static enum ccid_err serial_wait(struct transport *t, struct request *r, const struct deadline *d)
{
	struct serial *s = serial_of(t);
	enum ccid_err err = serial_enter(s);

	if (err != CCID_OK)
		return err;
	while (err == CCID_OK) {
		bool silent = clock_now() >= attention_ns(s, d) && !more_came(s);

		if (serial_refusal(s, r->slot))
			err = CCID_ERR_NO_DEVICE;
		else if (s->owner != r)
			err = CCID_ERR_ARG;
		else if (s->answer_len > 0)
			return serial_leave(s, give_answer(s, r));
		else if (s->nak)
			err = repeat(s, d);
		else if (deadline_passed(d))
			err = CCID_ERR_TIMEOUT;
		else if (is_card_gone(s))
			err = CCID_ERR_NO_CARD;
		else if (silent)
			err = line_repeat(s, d);
		else if (s->time_request)
			return serial_leave(s, give_time_extension(s, r));
		else
			line_wait(s, attention_ns(s, d));
	}
	return serial_leave(s, err);
}

static void serial_finish(struct transport *t, struct request *r)
{
	struct serial *s = serial_of(t);

	pthread_mutex_lock(&s->lock);
	if (s->owner == r)
		serial_give_line(s);
	pthread_mutex_unlock(&s->lock);
}

static void serial_resync(struct transport *t, uint8_t slot)
{
	struct serial *s = serial_of(t);

	(void)slot;
	if (serial_enter(s))
		return;
	/* The line of another slot's command is left alone: slot and bSeq tell its
	 * answer from a late one. */
	if (!s->owner) {
		serial_tty_flush(s->fd);
		serial_frame_init(&s->frame);
		/* a card movement may have been among the bytes */
		serial_mark_changes(s);
	}
	serial_leave(s, CCID_OK);
}

static enum ccid_err serial_wait_change(struct transport *t, uint8_t slot, const struct deadline *d)
{
	struct serial *s = serial_of(t);
	struct deadline end = deadline_earlier(*d, deadline_in_ms(CHANGE_WAIT_MS));
	enum ccid_err err;

	if (slot >= SERIAL_SLOTS)
		return CCID_ERR_ARG;
	err = serial_enter(s);
	if (err != CCID_OK)
		return err;
	for (;;) {
		if (serial_refusal(s, slot))
			return serial_leave(s, CCID_ERR_NO_DEVICE);
		if (s->stop[slot]) {
			s->stop[slot] = false;
			return serial_leave(s, CCID_ERR_TIMEOUT);
		}
		if (s->change[slot]) {
			s->change[slot] = false;
			return serial_leave(s, CCID_OK);
		}
		if (deadline_passed(&end))
			return serial_leave(s, CCID_ERR_TIMEOUT);
		line_wait(s, end.at_ns);
	}
}

static void free_line(struct serial *s)
{
	serial_tty_close(s->fd);
	if (s->wake[0] >= 0) {
		close(s->wake[0]);
		close(s->wake[1]);
	}
	pthread_cond_destroy(&s->changed);
	pthread_mutex_destroy(&s->lock);
	free(s->t.data_rates);
	free(s->t.manufacturer);
	wipe(s, sizeof *s);
	free(s);
}

/* Calls inside return at once; the one that has the line calls finish() then. */
static void serial_close(struct transport *t)
{
	struct serial *s = serial_of(t);

	pthread_mutex_lock(&s->lock);
	serial_lost(s);
	while (s->inside > 0 || s->owner)
		pthread_cond_wait(&s->changed, &s->lock);
	pthread_mutex_unlock(&s->lock);
	free_line(s);
}

static const struct transport_ops ops_with_changes = {
	.start = serial_start,
	.wait = serial_wait,
	.finish = serial_finish,
	.resync = serial_resync,
	.wait_change = serial_wait_change,
	.stop_change = serial_stop_change,
	.mark_changed = serial_mark_changed,
	.set_closed = serial_set_closed,
	.set_gone = serial_set_gone,
	.close = serial_close,
};

static const struct transport_ops ops_without_changes = {
	.start = serial_start,
	.wait = serial_wait,
	.finish = serial_finish,
	.resync = serial_resync,
	.set_closed = serial_set_closed,
	.set_gone = serial_set_gone,
	.close = serial_close,
};

void serial_line_no_changes(struct transport *t)
{
	t->ops = &ops_without_changes;
}

static enum ccid_err init_locks(struct serial *s)
{
	pthread_condattr_t attr;
	int failed;

	if (pthread_condattr_init(&attr) != 0)
		return CCID_ERR_NOMEM;
	failed = pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) != 0 ||
		 pthread_cond_init(&s->changed, &attr) != 0;
	pthread_condattr_destroy(&attr);
	if (failed)
		return CCID_ERR_NOMEM;
	if (pthread_mutex_init(&s->lock, NULL) != 0) {
		pthread_cond_destroy(&s->changed);
		return CCID_ERR_NOMEM;
	}
	return CCID_OK;
}

static enum ccid_err serial_describe(struct serial *s, const struct serial_type *type)
{
	s->t.desc = type->desc;
	s->t.manufacturer = strdup(type->manufacturer);
	if (!s->t.manufacturer)
		return CCID_ERR_NOMEM;
	if (type->n_rates == 0)
		return CCID_OK;
	s->t.data_rates = malloc(type->n_rates * sizeof *type->rates);
	if (!s->t.data_rates)
		return CCID_ERR_NOMEM;
	memcpy(s->t.data_rates, type->rates, type->n_rates * sizeof *type->rates);
	s->t.n_data_rates = type->n_rates;
	return CCID_OK;
}

enum ccid_err serial_line_new(int fd, const struct serial_type *type, const struct log_ctx *log,
			      struct transport **out)
{
	struct serial *s = calloc(1, sizeof *s);

	if (!s || init_locks(s)) {
		free(s);
		serial_tty_close(fd);
		return CCID_ERR_NOMEM;
	}
	s->t.ops = type->notifies ? &ops_with_changes : &ops_without_changes;
	s->t.log = *log;
	s->echoes = type->echoes;
	s->fd = fd;
	s->last = &s->first;
	serial_frame_init(&s->frame);
	s->wake[0] = s->wake[1] = -1;
	if (serial_describe(s, type)) {
		free_line(s);
		return CCID_ERR_NOMEM;
	}
	if (pipe2(s->wake, O_CLOEXEC | O_NONBLOCK) != 0) {
		LOG(LOG_CRITICAL, log,
		    "cannot make a pipe: %s: raise pcscd's limit of open files (LimitNOFILE)",
		    strerror(errno));
		free_line(s);
		return CCID_ERR_COMM;
	}
	*out = &s->t;
	return CCID_OK;
}
