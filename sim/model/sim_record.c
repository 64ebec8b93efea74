/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The writer of recordings (ccidlog(5)). Each line is one transfer; what belongs to a secret is left out as the
 * driver's log leaves it out. */
#include "sim/model/sim_record.h"

#include "util/log_secrets.h"

#include <stdlib.h>
#include <string.h>

#define HEADER 10u
#define SLOTS 256u
#define IFACES 8u
#define URB_MAX 16384u		/* libusb cuts longer transfers into these */
#define MESSAGE_MAX (70000u + HEADER)
#define VISIBLE_NS 10000000u	/* shorter waits are not written */

enum { GET_SLOT_STATUS = 0x65, XFR_BLOCK = 0x6F, DATA_BLOCK = 0x80 };
enum { ICCD_XFR_BLOCK = 0x65, ICCD_DATA_BLOCK = 0x6F };

struct record_slot {
	struct log_secrecy secrecy;
	struct sim_known known;
	uint8_t seq;		/* of its last command */
	bool polling;		/* a GetSlotStatus waits for what its answer says */
	bool poll_counts;	/* bSeq of the poll is one more than the last one's */
	uint8_t poll[HEADER];
	uint64_t poll_at;
};

struct record_iface {
	uint8_t number, ep_out, ep_in, ep_intr;
	bool seq_known;
	uint8_t last_seq;
	struct record_slot slot[SLOTS];
	struct bytes { uint8_t *p; size_t len; } out, in;	/* pieces so far */
	size_t answer_left;	/* bytes of the answer that are to come ... */
	bool hide_rest;		/* ... which is secret */
};

struct sim_recorder {
	FILE *out;
	struct sim_record_options o;
	struct record_iface *iface;
	unsigned n_ifaces, current;
	uint64_t last;		/* time of the last line; 0: none yet */
	unsigned long lines;
	bool gone;
};

/* --- lines --- */

/* Only the first line of another interface names that interface. */
static void begin_line(struct sim_recorder *r, const struct record_iface *f)
{
	if (f && r->current != f->number) {
		fprintf(r->out, "interface %u\n", f->number);
		r->current = f->number;
		r->lines++;
	}
}

static void end_line(struct sim_recorder *r, uint64_t now)
{
	uint64_t waited = r->last && now > r->last ? now - r->last : 0;

	if (r->o.fine && waited >= 1000)
		fprintf(r->out, " (%.6f)", (double)waited / 1e9);
	else if (!r->o.no_times && waited >= VISIBLE_NS)
		fprintf(r->out, " (%.2f)", (double)waited / 1e9);
	putc('\n', r->out);
	r->last = now;
	r->lines++;
}

static void put_word(struct sim_recorder *r, const struct record_iface *f, uint64_t now, const char *text)
{
	begin_line(r, f);
	fputs(text, r->out);
	end_line(r, now);
}

/* bytes, of which the last ones may be hidden; the one at place ss is written as "ss". */
static void put_bytes(FILE *out, const uint8_t *p, size_t shown, size_t len, size_t ss)
{
	for (size_t i = 0; i < shown; i++) {
		if (i == ss)
			fputs(" ss", out);
		else
			fprintf(out, " %02X", p[i]);
	}
	if (shown < len)
		fprintf(out, " [%zu hidden]", len - shown);
}

static void put_transfer(struct sim_recorder *r, const struct record_iface *f, uint64_t now, const char *way,
			 const uint8_t *p, size_t shown, size_t len, bool seq_follows, bool open)
{
	begin_line(r, f);
	fputs(way, r->out);
	if (len == 0)
		fputs(" empty", r->out);
	put_bytes(r->out, p, shown, len, seq_follows ? 6 : SIZE_MAX);
	if (open)
		fputs(" +", r->out);
	end_line(r, now);
}

/* --- descriptors --- */

static void read_interface(struct sim_recorder *r, const uint8_t *p, struct record_iface **now)
{
	*now = NULL;
	if (p[5] != 0x0B && p[5] != 0xFF)
		return;
	for (unsigned i = 0; i < r->n_ifaces; i++)
		if (r->iface[i].number == p[2])
			*now = &r->iface[i];
	if (!*now && r->n_ifaces < IFACES) {
		*now = &r->iface[r->n_ifaces++];
		memset(*now, 0, sizeof **now);
		(*now)->number = p[2];
	}
}

/* Which endpoint belongs to which interface (USB 2.0 §9.6.5, 9.6.6). */
static void read_descriptors(struct sim_recorder *r, const uint8_t *d, size_t len)
{
	struct record_iface *f = NULL;

	for (size_t at = 18; at + 2 <= len && d[at] >= 2 && at + d[at] <= len; at += d[at]) {
		const uint8_t *p = d + at;

		if (p[1] == 4 && p[0] >= 9)
			read_interface(r, p, &f);
		if (!f || p[1] != 5 || p[0] < 7)
			continue;
		if ((p[3] & 3) == 3)
			f->ep_intr = p[2];
		else if (p[2] & 0x80)
			f->ep_in = p[2];
		else
			f->ep_out = p[2];
	}
}

static void put_string(struct sim_recorder *r, unsigned index, const char *text)
{
	if (!index || !text || !text[0])
		return;
	fprintf(r->out, "string %u ", index);
	for (; *text; text++)
		putc(*text < ' ' || *text > '~' ? '?' : *text, r->out);
	putc('\n', r->out);
}

static void write_head(struct sim_recorder *r, const uint8_t *d, size_t len,
		       const char *(*string)(void *user, unsigned index), void *user)
{
	bool seen[256] = { true };

	fputs("ccidlog 1\n# What a smart-card reader and its driver said to each other: ccidlog(5).\n", r->out);
	fprintf(r->out, "reader %02x%02x:%02x%02x\ndevice", d[9], d[8], d[11], d[10]);
	put_bytes(r->out, d, 18, 18, SIZE_MAX);
	fputs("\nconfiguration", r->out);
	put_bytes(r->out, d + 18, len - 18, len - 18, SIZE_MAX);
	putc('\n', r->out);
	seen[d[16]] = true;
	put_string(r, d[14], string(user, d[14]));
	put_string(r, d[15], d[15] == d[14] ? NULL : string(user, d[15]));
	if (d[16])
		put_string(r, d[16], r->o.serial ? string(user, d[16]) : "hidden");
	seen[d[14]] = seen[d[15]] = true;
	for (size_t at = 18; at + 9 <= len && d[at] >= 2; at += d[at]) {
		if (d[at + 1] != 4 || seen[d[at + 8]])
			continue;
		seen[d[at + 8]] = true;
		put_string(r, d[at + 8], string(user, d[at + 8]));
	}
	fputs("begin\n", r->out);
}

struct sim_recorder *sim_record_new(FILE *out, const struct sim_record_options *o)
{
	struct sim_recorder *r = calloc(1, sizeof *r);

	if (!r)
		return NULL;
	r->iface = calloc(IFACES, sizeof *r->iface);
	if (!r->iface) {
		free(r);
		return NULL;
	}
	r->out = out;
	r->o = *o;
	return r;
}

void sim_record_device(struct sim_recorder *r, const uint8_t *descriptors, size_t len,
		       const char *(*string)(void *user, unsigned index), void *user)
{
	if (len < 18 + 9)
		return;
	if (r->n_ifaces) {
		put_word(r, NULL, r->last, "plugged");
		r->gone = false;
		return;
	}
	read_descriptors(r, descriptors, len);
	write_head(r, descriptors, len, string, user);
	r->current = r->n_ifaces ? r->iface[0].number : 0;
}

/* --- bulk OUT --- */

static void flush_poll(struct sim_recorder *r, struct record_iface *f, struct record_slot *s)
{
	uint64_t at = s->poll_at > r->last ? s->poll_at : r->last;

	if (s->polling)
		put_transfer(r, f, at, "->", s->poll, HEADER, HEADER, s->poll_counts, false);
	s->polling = false;
}

static void command(struct sim_recorder *r, struct record_iface *f, const uint8_t *p, size_t len, uint64_t now)
{
	struct record_slot *s = &f->slot[len > 5 ? p[5] : 0];
	bool counts = len > 6 && (!f->seq_known || p[6] == (uint8_t)(f->last_seq + 1));
	size_t shown = r->o.secrets ? len : log_showable(&s->secrecy, true, p, len);

	flush_poll(r, f, s);
	if (len > 6) {
		f->seq_known = true;
		f->last_seq = s->seq = p[6];
	}
	if (len == HEADER && p[0] == GET_SLOT_STATUS && s->known.valid && !r->o.polls) {
		s->polling = true;
		s->poll_at = now;
		s->poll_counts = counts;
		memcpy(s->poll, p, HEADER);
		return;
	}
	put_transfer(r, f, now, "->", p, shown < len ? shown : len, len, counts, false);
}

/* Returns whether more pieces are to come. */
static bool gather(struct bytes *b, const uint8_t *p, size_t len)
{
	if (b->len + len > MESSAGE_MAX)
		len = MESSAGE_MAX - b->len;
	if (!b->p)
		b->p = malloc(MESSAGE_MAX);
	if (!b->p)
		abort();
	if (len)
		memcpy(b->p + b->len, p, len);
	b->len += len;
	return len == URB_MAX && b->len < MESSAGE_MAX;
}

static size_t length_of(const uint8_t *p)
{
	return HEADER + (p[1] | (size_t)p[2] << 8 | (size_t)p[3] << 16 | (size_t)p[4] << 24);
}

void sim_record_submit(struct sim_recorder *r, const struct sim_urb *u, uint64_t now)
{
	for (unsigned i = 0; i < r->n_ifaces && u->type == SIM_BULK && !(u->endpoint & 0x80); i++) {
		struct record_iface *f = &r->iface[i];

		if (f->ep_out != u->endpoint)
			continue;
		if (gather(&f->out, u->buf, u->len) && f->out.len < length_of(f->out.p))
			return;
		command(r, f, f->out.p, f->out.len, now);
		memset(f->out.p, 0, f->out.len);
		f->out.len = 0;
	}
}

/* --- answers --- */

static const char *status_word(int status)
{
	return status == SIM_STALL ? "stall" : status == SIM_OVERFLOW ? "overflow" : "error";
}

/* The number of bytes of an answer, or of a piece of one, that may be written. */
static size_t answer_shown(struct record_iface *f, const uint8_t *p, size_t len)
{
	struct record_slot *s = &f->slot[len > 5 ? p[5] : 0];
	uint8_t head[HEADER + 1] = { 0 };
	size_t shown;

	if (f->answer_left) {
		f->answer_left -= len < f->answer_left ? len : f->answer_left;
		return f->hide_rest ? 0 : len;
	}
	if (len < HEADER || p[0] < DATA_BLOCK || p[0] > 0x84) {
		for (unsigned i = 0; i < SLOTS; i++)
			if (f->slot[i].secrecy.secret)
				return len < HEADER ? len : HEADER;
		return len;
	}
	memcpy(head, p, HEADER);
	shown = len > HEADER ? log_showable(&s->secrecy, false, p, len) : len;
	f->hide_rest = log_showable(&s->secrecy, false, head, sizeof head) <= HEADER;
	f->answer_left = length_of(p) > len ? length_of(p) - len : 0;
	return shown < len ? shown : len;
}

/* True: the poll and its answer repeat the known state. */
static bool nothing_new(const struct record_slot *s, const uint8_t *p, size_t len)
{
	uint8_t expected[HEADER];

	if (!s->polling || len != HEADER)
		return false;
	sim_known_status(&s->known, s->poll[5], s->poll[6], expected);
	return memcmp(p, expected, HEADER) == 0;
}

static void answer(struct sim_recorder *r, struct record_iface *f, const uint8_t *p, size_t len, bool open,
		   uint64_t now)
{
	struct record_slot *s = &f->slot[len > 5 ? p[5] : 0];
	bool piece = f->answer_left > 0;
	size_t shown = answer_shown(f, p, len);

	if (!piece && nothing_new(s, p, len)) {
		s->polling = false;
		return;
	}
	if (!piece && len > 6)
		flush_poll(r, f, s);
	put_transfer(r, f, now, "<-", p, r->o.secrets ? len : shown, len,
		     !piece && len > 6 && p[6] == s->seq, open);
	if (!piece)
		sim_known_answer(&s->known, p, len);
}

static void bulk_in(struct sim_recorder *r, struct record_iface *f, const struct sim_urb *u, uint64_t now)
{
	char text[32];

	/* The host gave up waiting for the end of a transfer: what had come is of the time before. */
	if (u->status == SIM_CANCELLED) {
		if (u->actual)
			answer(r, f, u->buf, u->actual, true, r->last);
		return;
	}
	if (u->status != SIM_OK) {
		snprintf(text, sizeof text, "<- %s", status_word(u->status));
		put_word(r, f, now, text);
		return;
	}
	if (u->len == URB_MAX && gather(&f->in, u->buf, u->actual))
		return;
	if (f->in.len) {
		answer(r, f, f->in.p, f->in.len, false, now);
		memset(f->in.p, 0, f->in.len);
		f->in.len = 0;
	} else {
		answer(r, f, u->buf, u->actual, u->actual && u->actual == u->len, now);
	}
}

static void interrupt(struct sim_recorder *r, struct record_iface *f, const struct sim_urb *u, uint64_t now)
{
	char text[32];

	if (u->status != SIM_OK) {
		snprintf(text, sizeof text, "int %s", status_word(u->status));
		put_word(r, f, now, text);
		return;
	}
	put_transfer(r, f, now, "int", u->buf, u->actual, u->actual, false, false);
	struct sim_known known[SLOTS];

	for (unsigned i = 0; i < SLOTS; i++)
		known[i] = f->slot[i].known;
	sim_known_notice(known, SLOTS, u->buf, u->actual);
	for (unsigned i = 0; i < SLOTS; i++)
		f->slot[i].known = known[i];
}

/* --- control requests of a class or a vendor --- */

/* The commands of a USB ICC carry APDUs as XfrBlock does (ICCD 1.0 §4). */
static size_t iccd_shown(struct record_iface *f, const struct sim_urb *u, size_t len)
{
	bool out = !(u->setup[0] & 0x80);
	uint8_t *p;
	size_t shown;

	if (out ? u->setup[1] != ICCD_XFR_BLOCK : u->setup[1] != ICCD_DATA_BLOCK)
		return len;
	p = calloc(1, HEADER + len + 1);
	if (!p)
		abort();
	p[0] = out ? XFR_BLOCK : DATA_BLOCK;
	if (len)
		memcpy(p + HEADER, u->buf, len);
	shown = log_showable(&f->slot[0].secrecy, out, p, HEADER + len);
	memset(p, 0, HEADER + len);
	free(p);
	return shown < HEADER ? 0 : shown - HEADER < len ? shown - HEADER : len;
}

static void control(struct sim_recorder *r, struct record_iface *f, const struct sim_urb *u, uint64_t now)
{
	bool in = u->setup[0] & 0x80;
	size_t len = in ? u->actual : u->setup[6] | (size_t)u->setup[7] << 8, shown;

	if (in && u->status != SIM_OK)
		len = 0;
	shown = r->o.secrets ? len : iccd_shown(f, u, len);
	/* An ABORT means that a poll is not answered. */
	for (unsigned i = 0; i < SLOTS; i++)
		flush_poll(r, f, &f->slot[i]);
	begin_line(r, f);
	fputs("ctl", r->out);
	put_bytes(r->out, u->setup, 8, 8, SIZE_MAX);
	if (!in && len) {
		fputs(" :", r->out);
		put_bytes(r->out, u->buf, shown, len, SIZE_MAX);
	}
	fputs(" =>", r->out);
	if (u->status == SIM_CANCELLED)
		fputs(" silence", r->out);
	else if (u->status != SIM_OK)
		fprintf(r->out, " %s", status_word(u->status));
	else if (in && len)
		put_bytes(r->out, u->buf, shown, len, SIZE_MAX);
	else
		fputs(" ok", r->out);
	end_line(r, now);
}

void sim_record_complete(struct sim_recorder *r, const struct sim_urb *u, uint64_t now)
{
	if (u->status == SIM_GONE && r->n_ifaces && !r->gone) {
		r->gone = true;
		put_word(r, NULL, now, "unplugged");
	}
	if (u->status == SIM_GONE || (u->status == SIM_CANCELLED && u->type == SIM_INTERRUPT))
		return;
	for (unsigned i = 0; i < r->n_ifaces; i++) {
		struct record_iface *f = &r->iface[i];

		if (u->type == SIM_CONTROL) {
			if (u->setup[0] & 0x60 && u->setup[4] == f->number)
				control(r, f, u, now);
		} else if (u->endpoint == f->ep_out && u->status == SIM_CANCELLED && !u->actual) {
			put_word(r, f, now, "out silence");
		} else if (u->endpoint == f->ep_out && u->status != SIM_OK) {
			put_word(r, f, now, u->status == SIM_STALL ? "out stall" : "out error");
		} else if (u->endpoint == f->ep_in) {
			bulk_in(r, f, u, now);
		} else if (u->endpoint == f->ep_intr) {
			interrupt(r, f, u, now);
		}
	}
}

bool sim_record_end(struct sim_recorder *r)
{
	bool good;

	for (unsigned i = 0; i < r->n_ifaces; i++) {
		for (unsigned k = 0; k < SLOTS; k++)
			flush_poll(r, &r->iface[i], &r->iface[i].slot[k]);
		free(r->iface[i].out.p);
		free(r->iface[i].in.p);
	}
	if (r->n_ifaces)
		fprintf(r->out, "end %lu lines\n", r->lines);
	good = fflush(r->out) == 0 && !ferror(r->out);
	free(r->iface);
	free(r);
	return good;
}
