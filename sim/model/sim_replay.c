/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The player of a recording: answers what the driver asks as the reader did. What the driver says is looked for by
 * type, slot and content, from where the talk is; bSeq does not count. A recording is not a script: polls come as
 * often as the driver likes, and a reader may be opened again. What the recording does not hold is answered by the
 * model, and told. */
#include "sim/model/sim_dev_priv.h"
#include "sim/model/sim_record.h"
#include "sim/model/sim_replay.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define NONE SIZE_MAX
#define KEPT 100 /* more divergences are counted only */
#define SHOWN 24 /* bytes of a message in a divergence */

struct replay_slot {
	size_t at;   /* the last item played that is not a poll; NONE: none yet */
	size_t poll; /* the poll played last; NONE: none since then */
	struct sim_known known;
	uint8_t card_ns; /* N(S) of the card's last I-block */
	struct replay_heard heard;
	bool by_model; /* the last XfrBlock was the model's to answer, and so are the further parts of its answer */
};

struct sim_replay {
	struct sim_dev *d;
	struct sim_recording *rec;
	struct replay_slot slot[SIM_MAX_IFACES][SIM_MAX_SLOTS];
	size_t request[SIM_MAX_IFACES]; /* played last */
	struct notice {
		struct sim_replay *p;
		size_t item;
		unsigned interface;
		const struct replay_answer *a;
		uint64_t at;
		struct notice *next;
	} *notices;
	char *divergence[KEPT];
	unsigned n_divergences;
	bool ended;
};

static void diverged(struct sim_replay *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void diverged(struct sim_replay *p, const char *fmt, ...)
{
	char text[400];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	sim_trace_text(p->d, "DIVERGENCE %s", text);
	if (p->n_divergences < KEPT)
		p->divergence[p->n_divergences] = sim_dup(text, strlen(text) + 1);
	p->n_divergences++;
}

/* "SetParameters 11 10 00 4D": data, or the header's own bytes where there are none. */
static const char *told(char *text, size_t cap, const uint8_t *m, size_t len)
{
	size_t n = (size_t)snprintf(text, cap, "%s", sim_message_name(m[0]));
	size_t from = len > SIM_HEADER ? SIM_HEADER : 7, end = len > from + SHOWN ? from + SHOWN : len;

	for (size_t i = from; i < end && n + 4 < cap; i++)
		n += (size_t)snprintf(text + n, cap - n, " %02X", m[i]);
	if (end < len)
		snprintf(text + n, cap - n, " ...");
	return text;
}

/* --- from the reader --- */

static void notice_played(void *user)
{
	struct notice *n = user;

	n->p->rec->item[n->item].notices_played++;
}

static void notice_due(void *user)
{
	struct notice *n = user;

	if (n->a->status == SIM_OK)
		sim_dev_notify(n->p->d, n->interface, n->a->bytes, n->a->len, n->at);
	else
		sim_dev_fail(n->p->d, n->interface, true, n->a->status, n->at);
	sim_dev_call_at(n->p->d, n->at, notice_played, n);
}

/* from: when what comes before it has begun, so that it comes behind that also at the same time. */
static void play_notice(struct sim_replay *p, unsigned interface, size_t item, const struct replay_answer *a,
			uint64_t from, uint64_t at)
{
	struct notice *n = sim_alloc(sizeof *n);

	*n = (struct notice){ p, item, interface, a, at, p->notices };
	p->notices = n;
	sim_dev_call_at(p->d, from, notice_due, n);
}

/* Where the T=1 block of a message begins, if it has one: in an Escape message of an OMNIKEY behind a byte 1A. */
static size_t block_begins(const uint8_t *m, size_t len)
{
	bool escape = m[0] == PC_ESCAPE || m[0] == RDR_ESCAPE;

	return escape && len > SIM_HEADER && m[SIM_HEADER] == SIM_BLOCK_IN_ESCAPE ? SIM_HEADER + 1 : SIM_HEADER;
}

/* Bytes that the recording hides, made up: an answer of zeros with 90 00 behind them; as a T=1 block where the
 * command is one. */
static void make_up(struct replay_slot *s, const uint8_t *command, size_t command_len, uint8_t *m, size_t len)
{
	size_t at = block_begins(command, command_len), n = len - SIM_HEADER;
	const uint8_t *c = command + at;
	uint8_t *b = m + SIM_HEADER, sum = 0;

	if (n >= 2) {
		b[n - 2] = 0x90;
		b[n - 1] = 0;
	}
	for (size_t i = at; i < command_len; i++)
		sum ^= command[i];
	if (len < at + 4 || len > at + 258 || command_len < at + 4 || sum || c[2] + at + 4u != command_len)
		return;
	if (at > SIM_HEADER)
		*b++ = SIM_BLOCK_IN_ESCAPE;
	n = len - at;
	b[0] = (uint8_t)(c[0] << 4 | c[0] >> 4);
	b[2] = (uint8_t)(n - 4);
	if (n == 4) {
		b[1] = c[1] & 0x40 ? 0x80 : 0x90; /* R-block: the next one */
	} else {
		b[1] = s->card_ns ^= 0x40;
		if (n >= 6) {
			b[n - 3] = 0x90;
			b[n - 2] = 0;
		}
	}
	b[n - 1] = 0;
	for (size_t i = 0; i + 1 < n; i++)
		b[n - 1] ^= b[i];
}

/* Which I-block of the card was the last one, as far as the bytes tell. */
static void note_block(struct replay_slot *s, const struct replay_answer *a)
{
	size_t at = a->len < SIM_HEADER ? SIM_HEADER : block_begins(a->bytes, a->len);
	const uint8_t *b = a->bytes + at;

	if (a->len == a->full && a->len >= at + 4 && (a->bytes[0] == RDR_DATA || at > SIM_HEADER) && !(b[1] & 0x80) &&
	    b[2] + at + 4u == a->len)
		s->card_ns = b[1] & 0x40;
}

static void play_answer(struct sim_replay *p, unsigned interface, const struct replay_answer *a,
			const uint8_t *command, size_t command_len, uint64_t at)
{
	struct replay_slot *s = &p->slot[interface][command_len > 5 ? command[5] : 0];
	uint8_t *m;

	if (a->status != SIM_OK) {
		sim_dev_fail(p->d, interface, false, a->status, at);
		return;
	}
	m = sim_alloc(a->full + 1);
	if (a->len)
		memcpy(m, a->bytes, a->len);
	if (a->seq_follows && a->full > 6)
		m[6] = command[6];
	if (a->len < a->full && a->len == SIM_HEADER)
		make_up(s, command, command_len, m, a->full);
	note_block(s, a);
	sim_replay_heard(&p->d->iface[interface], &s->heard, command, command_len, m, a->full);
	sim_dev_say_part(p->d, interface, m, a->full, a->open, at);
	free(m);
}

static uint64_t bus_time(const struct sim_replay *p, unsigned interface, size_t len)
{
	return (len / p->d->iface[interface].conf->packet + 1) * p->d->conf.packet_ns;
}

static void play_item(struct sim_replay *p, unsigned interface, size_t item, const uint8_t *command, size_t len)
{
	struct replay_item *t = &p->rec->item[item];
	uint64_t now = p->d->now, sent = now - bus_time(p, interface, len), begun = now, over = now;

	/* Recorded times are those of the ends of transfers, but of the command's begin. Again: its notifications
	 * do not matter. */
	for (size_t i = 0; i < t->n_answers; i++) {
		const struct replay_answer *a = &t->answer[i];
		uint64_t takes = bus_time(p, interface, a->full);
		uint64_t at = sent + a->after > over ? sent + a->after : over;

		if (a->interrupt && !t->played) {
			play_notice(p, interface, item, a, begun, at);
		} else if (!a->interrupt) {
			begun = at > over + takes ? at - takes : over;
			over = begun + takes;
			play_answer(p, interface, a, command, len, begun);
			begun++;
		}
	}
	t->played = true;
}

/* --- from the driver --- */

static bool is_command_of(const struct sim_replay *p, size_t item, unsigned number, uint8_t slot)
{
	const struct replay_item *t = &p->rec->item[item];

	return t->kind == REPLAY_COMMAND && t->interface == number && t->bytes[5] == slot;
}

/* The slot's next item behind from that is, or is not, a poll. */
static size_t next_of(const struct sim_replay *p, unsigned number, uint8_t slot, size_t from, bool poll)
{
	for (size_t i = from == NONE ? 0 : from + 1; i < p->rec->n_items; i++)
		if (is_command_of(p, i, number, slot) && p->rec->item[i].poll == poll)
			return i;
	return NONE;
}

/* The same, whatever bSeq is. Hidden bytes are any. */
static bool same_command(const struct replay_item *t, const uint8_t *m, size_t len)
{
	return t->full == len && memcmp(t->bytes, m, 6) == 0 && memcmp(t->bytes + 7, m + 7, t->len - 7) == 0;
}

static bool was_played(const struct sim_replay *p, size_t item)
{
	const struct replay_item *t = &p->rec->item[item];

	for (size_t i = 0; i < p->rec->n_items; i++) {
		const struct replay_item *o = &p->rec->item[i];

		if (o->played && is_command_of(p, i, t->interface, t->bytes[5]) && o->full == t->full &&
		    o->len == t->len && same_command(o, t->bytes, t->len))
			return true;
	}
	return t->played;
}

/* Unsolicited items between two others: the first in *first; returns how many. */
static unsigned left_out(const struct sim_replay *p, unsigned number, uint8_t slot, size_t from, size_t to,
			 size_t *first)
{
	unsigned n = 0;

	for (size_t i = next_of(p, number, slot, from, false); i != NONE && i < to;
	     i = next_of(p, number, slot, i, false)) {
		if (p->rec->item[i].bytes[0] == PC_POWER_OFF || was_played(p, i))
			continue;
		if (!n++)
			*first = i;
	}
	return n;
}

/* The nearest item that is this command: on the way ahead, else behind. */
static size_t find_command(const struct sim_replay *p, unsigned number, size_t at, const uint8_t *m, size_t len)
{
	size_t ahead = NONE, behind = NONE, steps_ahead = 0, steps_behind = 0;

	for (size_t i = next_of(p, number, m[5], at, false); i != NONE; i = next_of(p, number, m[5], i, false)) {
		steps_ahead++;
		if (same_command(&p->rec->item[i], m, len)) {
			ahead = i;
			break;
		}
	}
	for (size_t i = at == NONE ? 0 : at + 1; i-- > 0 && behind == NONE;) {
		if (!is_command_of(p, i, number, m[5]) || p->rec->item[i].poll)
			continue;
		steps_behind++;
		if (same_command(&p->rec->item[i], m, len))
			behind = i;
	}
	return ahead != NONE && (behind == NONE || steps_ahead <= steps_behind) ? ahead : behind;
}

/* Commands to the card. The others may come again with every opening. */
static bool is_for_card(uint8_t type)
{
	return type == PC_XFR_BLOCK || type == PC_SECURE;
}

static void report_missing(struct sim_replay *p, const uint8_t *m, size_t len, size_t next)
{
	const struct replay_item *t = next == NONE ? NULL : &p->rec->item[next];
	char asked[120], there[120];

	told(asked, sizeof asked, m, len);
	if (t)
		diverged(p, "slot %u: the driver asked %s; the recording has %s (%s, line %u)", m[5], asked,
			 told(there, sizeof there, t->bytes, t->len), p->rec->file, t->line);
	else
		diverged(p, "slot %u: the driver asked %s; the recording is over (%s)", m[5], asked, p->rec->file);
}

static void report_way(struct sim_replay *p, unsigned number, size_t at, size_t found, const uint8_t *m, size_t len)
{
	const struct replay_item *t = &p->rec->item[found];
	char asked[120], there[120];
	size_t first = 0;
	unsigned n;

	if (at != NONE && found <= at) {
		if (is_for_card(m[0]))
			diverged(p,
				 "slot %u: the driver asked %s once more; the recording has it once (%s, line %u)",
				 m[5], told(asked, sizeof asked, m, len), p->rec->file, t->line);
		return;
	}
	n = left_out(p, number, m[5], at, found, &first);
	if (n)
		diverged(p, "slot %u: the driver asked %s; the recording has %s before it (%s, line %u)%s", m[5],
			 told(asked, sizeof asked, m, len),
			 told(there, sizeof there, p->rec->item[first].bytes, p->rec->item[first].len),
			 p->rec->file, p->rec->item[first].line, n > 1 ? " and more" : "");
}

/* pcscd switches an unused card off by its own clock. The recorded IccPowerOff that is next may lie behind all that
 * is still to be said: that is not the way to go. */
static bool is_early_off(const struct sim_replay *p, unsigned number, size_t at, size_t found, const uint8_t *m)
{
	size_t first;

	return m[0] == PC_POWER_OFF && (at == NONE || found > at) && left_out(p, number, m[5], at, found, &first);
}

static bool play_command(struct sim_replay *p, unsigned interface, const uint8_t *m, size_t len)
{
	struct sim_iface *f = &p->d->iface[interface];
	struct replay_slot *s = &p->slot[interface][m[5]];
	unsigned number = f->conf->number;
	size_t found = find_command(p, number, s->at, m, len), next;

	if (s->by_model && m[0] == PC_XFR_BLOCK && len == SIM_HEADER)
		return false;
	s->by_model = found == NONE && m[0] == PC_XFR_BLOCK;
	if (found == NONE) {
		next = next_of(p, number, m[5], s->at, false);
		report_missing(p, m, len, next);
		/* This command stands for the recorded one: what follows may be as recorded. */
		if (next != NONE && p->rec->item[next].bytes[0] == m[0]) {
			p->rec->item[next].played = true;
			s->at = next;
			s->poll = NONE;
		}
		return false;
	}
	if (is_early_off(p, number, s->at, found, m))
		return false;
	report_way(p, number, s->at, found, m, len);
	if (m[0] == PC_POWER_ON)
		s->card_ns = 0x40;
	play_item(p, interface, found, m, len);
	sim_replay_keep_up(f, &p->rec->item[found]);
	if (s->at == NONE || found > s->at || m[0] == PC_POWER_ON) {
		s->at = found;
		s->poll = NONE;
	}
	return true;
}

/* --- polls --- */

/* Whether the notifications that came before the poll have come here. */
static bool is_due(const struct sim_replay *p, size_t item)
{
	const struct replay_item *t = &p->rec->item[item], *a = &p->rec->item[t->anchor];

	return a->notices_played >= t->notices;
}

static bool is_plain(const struct replay_item *t)
{
	return t->n_answers == 1 && t->answer[0].len == SIM_HEADER && t->answer[0].bytes[0] == RDR_STATUS &&
	       t->answer[0].bytes[7] <= 2;
}

/* A change that was never reported is reported by the next message. */
static void guess(const struct sim_replay *p, unsigned number, uint8_t slot, struct sim_known *k)
{
	size_t i = next_of(p, number, slot, NONE, false);

	k->valid = true;
	k->icc = 2;
	for (; i != NONE; i = next_of(p, number, slot, i, false)) {
		const struct replay_item *t = &p->rec->item[i];

		if (t->bytes[0] == PC_POWER_ON && t->n_answers && t->answer[0].len >= SIM_HEADER &&
		    t->answer[0].bytes[7] < 2)
			k->icc = 1;
	}
	k->clock = k->icc == 1;
}

static void play_poll(struct sim_replay *p, unsigned interface, const uint8_t *m)
{
	struct replay_slot *s = &p->slot[interface][m[5]];
	unsigned number = p->d->iface[interface].conf->number;
	size_t end = next_of(p, number, m[5], s->at, false);
	size_t next = next_of(p, number, m[5], s->poll == NONE ? s->at : s->poll, true);
	uint8_t status[SIM_HEADER];

	if (next != NONE && (end == NONE || next < end) && is_due(p, next)) {
		s->poll = next;
		play_item(p, interface, next, m, SIM_HEADER);
		return;
	}
	if (s->poll != NONE && !is_plain(&p->rec->item[s->poll])) {
		play_item(p, interface, s->poll, m, SIM_HEADER);
		return;
	}
	if (!s->known.valid)
		guess(p, number, m[5], &s->known);
	sim_known_status(&s->known, m[5], m[6], status);
	sim_dev_say(p->d, interface, status, sizeof status, p->d->now);
}

/* A message that the recorded reader did not take goes no further. */
static enum sim_status on_out(void *user, unsigned interface, const uint8_t *m, size_t len)
{
	struct sim_replay *p = user;
	struct replay_slot *s;
	size_t found;

	if (len < SIM_HEADER)
		return SIM_OK;
	s = &p->slot[interface][m[5]];
	found = find_command(p, p->d->iface[interface].conf->number, s->at, m, len);
	if (found == NONE || p->rec->item[found].out == SIM_OK || p->rec->item[found].played)
		return SIM_OK;
	p->rec->item[found].played = true;
	s->at = found;
	s->poll = NONE;
	return p->rec->item[found].out;
}

static bool on_message(void *user, unsigned interface, const uint8_t *m, size_t len)
{
	struct sim_replay *p = user;

	if (len < SIM_HEADER)
		return false;
	if (len == SIM_HEADER && m[0] == PC_SLOT_STATUS) {
		play_poll(p, interface, m);
		return true;
	}
	return play_command(p, interface, m, len);
}

/* --- class requests --- */

enum { CLASS_OUT = 0x21, ABORT = 1 };

/* The same request, whatever bSeq an ABORT has. */
static bool same_request(const struct replay_item *t, const uint8_t setup[8], const uint8_t *data)
{
	bool abort_request = setup[0] == CLASS_OUT && setup[1] == ABORT;
	size_t len = setup[0] & 0x80 ? 0 : sim_get16(setup + 6);

	return t->kind == REPLAY_REQUEST && memcmp(t->setup, setup, abort_request ? 3 : 4) == 0 &&
	       memcmp(t->setup + 4, setup + 4, 4) == 0 && t->full == len &&
	       (!t->len || memcmp(t->bytes, data, t->len) == 0);
}

/* The commands of a USB ICC; CCID has ABORT and lists only. */
static bool is_iccd(const struct sim_iface *f)
{
	return f->conf->protocol != SIM_CCID;
}

static size_t find_request(const struct sim_replay *p, size_t at, const uint8_t setup[8], const uint8_t *data)
{
	for (size_t i = at == NONE ? 0 : at + 1; i < p->rec->n_items; i++)
		if (same_request(&p->rec->item[i], setup, data))
			return i;
	for (size_t i = at == NONE ? 0 : at + 1; i-- > 0;)
		if (same_request(&p->rec->item[i], setup, data))
			return i;
	return NONE;
}

static bool on_request(void *user, unsigned interface, const uint8_t setup[8], const uint8_t *data,
		       struct sim_reply *r)
{
	struct sim_replay *p = user;
	struct sim_iface *f = &p->d->iface[interface];
	size_t found = find_request(p, p->request[interface], setup, data);
	struct replay_item *t;

	if (found == NONE) {
		/* Lists of rates and clocks are in the reader's description, if anywhere. */
		if (is_iccd(f) || !(setup[0] & 0x80))
			diverged(p,
				 "the driver made the request %02X %02X %02X%02X; the recording has none such (%s)",
				 setup[0], setup[1], setup[3], setup[2], p->rec->file);
		return false;
	}
	t = &p->rec->item[found];
	p->request[interface] = found;
	*r = (struct sim_reply){ .data = t->reply,
				 .len = t->reply_len,
				 .stall = t->status == SIM_STALL || t->status == SIM_IO,
				 .silent = t->status == SIM_CANCELLED };
	for (size_t i = 0; i < t->n_answers && !t->played; i++)
		play_notice(p, interface, found, &t->answer[i], p->d->now, p->d->now + t->answer[i].after);
	t->played = true;
	return true;
}

/* --- life --- */

static void on_sent(void *user, unsigned interface, bool interrupt, const uint8_t *m, size_t len)
{
	struct sim_replay *p = user;
	struct sim_known known[SIM_MAX_SLOTS];

	if (!interrupt) {
		if (len >= SIM_HEADER)
			sim_known_answer(&p->slot[interface][m[5]].known, m, len);
		return;
	}
	for (unsigned i = 0; i < SIM_MAX_SLOTS; i++)
		known[i] = p->slot[interface][i].known;
	sim_known_notice(known, SIM_MAX_SLOTS, m, len);
	for (unsigned i = 0; i < SIM_MAX_SLOTS; i++)
		p->slot[interface][i].known = known[i];
}

static void begin_interface(struct sim_replay *p, unsigned interface)
{
	unsigned number = p->d->iface[interface].conf->number;

	for (unsigned i = 0; i < SIM_MAX_SLOTS; i++)
		p->slot[interface][i].known.valid = false;
	for (size_t i = 0; i < p->rec->n_items; i++) {
		struct replay_item *t = &p->rec->item[i];

		if (t->kind != REPLAY_BEGIN || t->interface != number || t->played)
			continue;
		for (size_t k = 0; k < t->n_answers; k++)
			play_notice(p, interface, i, &t->answer[k], p->d->now, p->d->now + t->answer[k].after);
		t->played = true;
		return;
	}
}

static void on_plugged(void *user)
{
	struct sim_replay *p = user;

	for (unsigned i = 0; i < p->d->conf.n_ifaces; i++)
		begin_interface(p, i);
}

static void on_free(void *user)
{
	struct sim_replay *p = user;

	while (p->notices) {
		struct notice *n = p->notices;

		p->notices = n->next;
		free(n);
	}
	for (unsigned i = 0; i < p->n_divergences && i < KEPT; i++)
		free(p->divergence[i]);
	sim_recording_free(p->rec);
	free(p);
}

static const struct sim_player replayer = {
	.message = on_message,
	.request = on_request,
	.sent = on_sent,
	.out = on_out,
	.plugged = on_plugged,
	.free = on_free,
	.alone = true,
};

void sim_replay_begin(struct sim_dev *d, struct sim_recording *r)
{
	struct sim_replay *p = sim_alloc(sizeof *p);

	p->d = d;
	p->rec = r;
	for (unsigned i = 0; i < SIM_MAX_IFACES; i++) {
		p->request[i] = NONE;
		for (unsigned k = 0; k < SIM_MAX_SLOTS; k++)
			p->slot[i][k].at = p->slot[i][k].poll = NONE;
	}
	sim_recording_show(r, d);
	sim_dev_set_player(d, &replayer, p);
	on_plugged(p);
}

bool sim_replay_is(const struct sim_dev *d)
{
	return d->player == &replayer;
}

void sim_replay_end(struct sim_dev *d)
{
	struct sim_replay *p = sim_replay_is(d) ? d->player_user : NULL;
	char there[120];

	if (!p || p->ended)
		return;
	p->ended = true;
	for (unsigned i = 0; i < d->conf.n_ifaces; i++) {
		for (unsigned k = 0; k < SIM_MAX_SLOTS; k++) {
			size_t first = 0;
			unsigned n = left_out(p, d->conf.iface[i].number, (uint8_t)k, p->slot[i][k].at,
					      p->rec->n_items, &first);

			if (n)
				diverged(
					p,
					"slot %u: the driver ended; the recording has %s (%s, line %u) and %u more",
					k,
					told(there, sizeof there, p->rec->item[first].bytes,
					     p->rec->item[first].len),
					p->rec->file, p->rec->item[first].line, n - 1);
		}
	}
}

unsigned sim_replay_divergences(const struct sim_dev *d)
{
	return sim_replay_is(d) ? ((const struct sim_replay *)d->player_user)->n_divergences : 0;
}

const char *sim_replay_divergence(const struct sim_dev *d, unsigned i)
{
	const struct sim_replay *p = sim_replay_is(d) ? d->player_user : NULL;

	if (!p || i >= p->n_divergences)
		return NULL;
	return i < KEPT ? p->divergence[i] : "(one of too many to keep)";
}
