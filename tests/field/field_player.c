/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The reader of a conversation: compares the driver's messages with the script, and sends the
 * script's answers. */
#include "field/field.h"
#include "unit/driver/driver_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool failed(struct running *r, unsigned line, const char *fmt, ...)
{
	va_list ap;

	if (r->failure[0])
		return false;
	r->failed_line = line;
	va_start(ap, fmt);
	vsnprintf(r->failure, sizeof r->failure, fmt, ap);
	va_end(ap);
	return false;
}

/* --- messages on the wire --- */

static void keep(struct running *r, char way, const uint8_t *p, size_t len)
{
	struct message *m = realloc(r->wire, (r->n_wire + 1) * sizeof *m);

	if (!m)
		abort();
	r->wire = m;
	m += r->n_wire++;
	m->way = way;
	m->len = len;
	m->bytes = malloc(len + 1);
	if (!m->bytes)
		abort();
	if (len)
		memcpy(m->bytes, p, len);
}

void wire_clear(struct running *r)
{
	for (size_t i = 0; i < r->n_wire; i++)
		free(r->wire[i].bytes);
	free(r->wire);
	r->wire = NULL;
	r->n_wire = 0;
}

static void sent(void *user, unsigned interface, bool interrupt, const uint8_t *p, size_t len)
{
	struct field_dev *fd = user;

	keep(fd->r, interrupt ? 'i' : '<', p, len);
	if (fd->inner)
		fd->inner->sent(fd->inner_user, interface, interrupt, p, len);
}

/* --- answers --- */

/* An action waiting for its time. */
struct pending {
	struct field_dev *fd;
	const char *action;
	unsigned line;
	struct pending *next;
};

static void act(void *user)
{
	struct pending *p = user;

	if (!person_acts(p->fd->r, p->fd->nr, p->action))
		failed(p->fd->r, p->line, "cannot be done, or does not hold: \"%s\"", p->action);
}

static void act_at(struct field_dev *fd, const struct exchange *x, const struct answer *a, uint64_t at)
{
	struct pending *p = malloc(sizeof *p);

	if (!p)
		abort();
	*p = (struct pending){ fd, a->action, x->line, fd->r->pending };
	fd->r->pending = p;
	sim_dev_call_at(fake_usb_dev(fd->nr), at, act, p);
}

/* The sent message is needed for an echo only. */
static void answer(struct field_dev *fd, unsigned interface, const struct exchange *x, const uint8_t *p, size_t len)
{
	struct sim_dev *d = fake_usb_dev(fd->nr);
	uint64_t begin = clock_now(), at = begin;

	for (size_t i = x->control ? 1 : 0; i < x->n_answers; i++) {
		const struct answer *a = &x->answer[i];
		uint8_t *bytes = pattern_bytes(&a->bytes, &fd->r->names);

		for (unsigned k = 0; k < a->times; k++) {
			at += a->delay;
			if (fd->r->replayed)
				continue;	/* the recording answers */
			if (a->kind == ANSWER_BULK)
				sim_dev_say(d, interface, bytes, a->bytes.n, at);
			else if (a->kind == ANSWER_INTERRUPT)
				sim_dev_notify(d, interface, bytes, a->bytes.n, at);
			else if (a->kind == ANSWER_STALL)
				sim_dev_fail(d, interface, false, SIM_STALL, at);
			else if (a->kind == ANSWER_ECHO)
				sim_dev_say(d, interface, p, len, at);
		}
		if (a->kind == ANSWER_ACTION)
			act_at(fd, x, a, begin + a->delay);
		free(bytes);
	}
}

/* --- messages of the driver --- */

static const struct exchange *next_exchange(const struct running *r)
{
	return r->step && r->next < r->step->n_exchanges ? &r->step->exchange[r->next] : NULL;
}

static const struct exchange *find(struct running *r, bool control, const uint8_t *p, size_t len)
{
	const struct exchange *x = next_exchange(r);

	if (x && x->control == control && pattern_matches(&x->expected, p, len, &r->names)) {
		r->next++;
		return x;
	}
	for (size_t i = r->n_rules; i-- > 0;) {
		x = r->rule[i];
		if (x->control == control && pattern_matches(&x->expected, p, len, &r->names))
			return x;
	}
	return NULL;
}

static void unplug_now(void *user)
{
	struct field_dev *fd = user;

	sim_dev_unplug(fake_usb_dev(fd->nr), clock_now());
}

/* The driver sent another message: the case is over, and the driver must not wait for answers. */
static void unexpected(struct field_dev *fd, bool control, const uint8_t *p, size_t len)
{
	struct running *r = fd->r;
	const struct exchange *x = next_exchange(r);
	char hex[300];

	hex_text(hex, sizeof hex, p, len);
	if (x)
		failed(r, x->line, "the driver sent something else\n  expected: %s\n  sent:     %s %s", x->text,
		       control ? "ctl" : "->", hex);
	else
		failed(r, r->step ? r->step->line : 0, "the driver sent what is not expected\n  sent:     %s %s",
		       control ? "ctl" : "->", hex);
	sim_dev_call_at(fake_usb_dev(fd->nr), clock_now(), unplug_now, fd);
}

static bool message(void *user, unsigned interface, const uint8_t *p, size_t len)
{
	struct field_dev *fd = user;
	const struct exchange *x;

	keep(fd->r, '>', p, len);
	if (fd->r->closing)
		return false;
	if (fd->inner)
		return fd->inner->message(fd->inner_user, interface, p, len);
	if (fd->r->failure[0])
		return true;
	if (len > 6)
		bind_seq(&fd->r->names, p[6]);
	x = find(fd->r, false, p, len);
	if (!x) {
		if (fd->r->script->conversation)
			unexpected(fd, false, p, len);
		return fd->r->script->conversation;
	}
	answer(fd, interface, x, p, len);
	return fd->r->script->conversation || x->n_answers;
}

static bool request(void *user, unsigned interface, const uint8_t setup[8], const uint8_t *data,
		    struct sim_reply *reply)
{
	struct field_dev *fd = user;
	const struct exchange *x;

	keep(fd->r, 'c', setup, 8);
	if (fd->r->closing)
		return false;
	if (fd->inner)
		return fd->inner->request(fd->inner_user, interface, setup, data, reply);
	x = fd->r->failure[0] ? NULL : find(fd->r, true, setup, 8);
	if (!x) {
		/* rates and clocks are in the reader's description */
		if (setup[0] & 0x80 && !fd->r->failure[0])
			return false;
		if (fd->r->script->conversation && !fd->r->failure[0])
			unexpected(fd, true, setup, 8);
		reply->stall = true;
		return fd->r->script->conversation;
	}
	if (x->n_answers) {
		const struct answer *a = &x->answer[0];

		free(fd->reply);
		fd->reply = pattern_bytes(&a->bytes, &fd->r->names);
		*reply = (struct sim_reply){ fd->reply, a->bytes.n, a->delay, a->kind == ANSWER_STALL,
					     a->kind == ANSWER_SILENCE };
	}
	answer(fd, interface, x, setup, 8);
	return fd->r->script->conversation || x->n_answers;
}

/* --- a case, a step --- */

static enum sim_status out(void *user, unsigned interface, const uint8_t *p, size_t len)
{
	struct field_dev *fd = user;

	return fd->inner && !fd->r->closing ? fd->inner->out(fd->inner_user, interface, p, len) : SIM_OK;
}

static void plugged(void *user)
{
	struct field_dev *fd = user;

	if (fd->inner)
		fd->inner->plugged(fd->inner_user);
}

void player_begin(struct running *r)
{
	static const struct sim_player alone = { message, request, sent, out, plugged, NULL, true },
				       with_model = { message, request, sent, out, plugged, NULL, false };

	fake_usb_lock();
	for (unsigned i = 0; i < r->n_devs; i++) {
		struct sim_dev *d = fake_usb_dev(i);

		r->dev[i] = (struct field_dev){ .r = r, .nr = i };
		if (r->replayed)
			r->dev[i].inner = sim_dev_player(d, &r->dev[i].inner_user);
		sim_dev_set_player(d, r->script->conversation || r->replayed ? &alone : &with_model, &r->dev[i]);
	}
	fake_usb_unlock();
}

void player_end(struct running *r)
{
	for (unsigned i = 0; i < r->n_devs; i++) {
		if (r->dev[i].inner)
			sim_dev_set_player(fake_usb_dev(i), r->dev[i].inner, r->dev[i].inner_user);
		r->dev[i].inner = NULL;
		free(r->dev[i].reply);
		r->dev[i].reply = NULL;
	}
	while (r->pending) {
		struct pending *p = r->pending;

		r->pending = p->next;
		free(p);
	}
	r->n_rules = 0;
	r->step = NULL;
	wire_clear(r);
}

unsigned player_interface(const struct running *r)
{
	const struct sim_dev *d = fake_usb_dev(r->reader);
	unsigned i = 0;

	while (i + 1 < sim_dev_interfaces(d) && sim_dev_interface_number(d, i) != r->interface)
		i++;
	return i;
}

void player_step(struct running *r, const struct step *s)
{
	fake_usb_lock();
	for (size_t i = 0; i < sizeof r->names.b / sizeof r->names.b[0]; i++)
		r->names.b[i].bound = false;
	r->step = r->replayed ? NULL : s;
	r->next = 1;
	answer(&r->dev[r->reader], player_interface(r), &s->exchange[0], NULL, 0);
	fake_usb_unlock();
}

void player_step_over(struct running *r)
{
	const struct exchange *x;

	fake_usb_lock();
	x = next_exchange(r);
	if (x)
		failed(r, x->line, "the driver did not send: %s", x->text);
	r->step = NULL;
	fake_usb_unlock();
}
