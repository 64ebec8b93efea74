/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Recordings in memory, and the reader of ccidlog(5). */
#include "sim/model/sim_dev_priv.h"
#include "sim/model/sim_replay.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define NO_ITEM SIZE_MAX

/* --- in memory --- */

static struct replay_item *add_item(struct sim_recording *r, enum replay_kind kind, unsigned interface,
				    uint64_t time, unsigned line)
{
	struct replay_item *i;

	if ((r->n_items & (r->n_items + 1)) == 0 || !r->item) {
		r->item = realloc(r->item, (2 * r->n_items + 2) * sizeof *r->item);
		if (!r->item)
			abort();
	}
	i = &r->item[r->n_items++];
	*i = (struct replay_item){ .kind = kind, .interface = interface, .time = time, .line = line };
	return i;
}

void sim_recording_begin(struct sim_recording *r, unsigned interface, uint64_t time, unsigned line)
{
	add_item(r, REPLAY_BEGIN, interface, time, line);
}

/* The last item of the interface that is not a poll: notifications are counted from there. Each interface begins with
 * one. */
static size_t anchor_of(struct sim_recording *r, unsigned interface, uint64_t time)
{
	for (size_t i = r->n_items; i-- > 0;) {
		const struct replay_item *t = &r->item[i];

		if (t->interface == interface && !t->poll && (t->kind != REPLAY_REQUEST || !(t->setup[0] & 0x80)))
			return i;
	}
	sim_recording_begin(r, interface, time, 0);
	return r->n_items - 1;
}

struct replay_item *sim_recording_command(struct sim_recording *r, unsigned interface, uint64_t time, unsigned line,
					  const uint8_t *p, size_t len, size_t full)
{
	size_t anchor = anchor_of(r, interface, time);
	struct replay_item *i = add_item(r, REPLAY_COMMAND, interface, time, line);

	i->bytes = sim_dup(p, len);
	i->len = len;
	i->full = full;
	i->poll = full == SIM_HEADER && len == full && p[0] == PC_SLOT_STATUS;
	i->anchor = anchor;
	for (size_t k = 0; k < r->item[anchor].n_answers; k++)
		i->notices += r->item[anchor].answer[k].interrupt;
	return i;
}

struct replay_item *sim_recording_request(struct sim_recording *r, unsigned interface, uint64_t time, unsigned line,
					  const uint8_t setup[8])
{
	struct replay_item *i;

	(void)anchor_of(r, interface, time);
	i = add_item(r, REPLAY_REQUEST, interface, time, line);
	memcpy(i->setup, setup, 8);
	return i;
}

/* The command of an answer: the slot's last one; without a slot, the interface's last one. */
static struct replay_item *asked_by(struct sim_recording *r, unsigned interface, const struct replay_answer *a)
{
	bool has_slot =
		a->status == SIM_OK && a->len >= SIM_HEADER && a->bytes[0] >= RDR_DATA && a->bytes[0] <= RDR_RATE;
	struct replay_item *last = NULL;

	for (size_t i = r->n_items; i-- > 0;) {
		struct replay_item *t = &r->item[i];

		if (t->kind != REPLAY_COMMAND || t->interface != interface)
			continue;
		if (!last)
			last = t;
		if (!has_slot || (t->len > 5 && t->bytes[5] == a->bytes[5]))
			return t;
	}
	return last;
}

bool sim_recording_answer(struct sim_recording *r, unsigned interface, uint64_t time, const struct replay_answer *a)
{
	struct replay_item *t = a->interrupt ? &r->item[anchor_of(r, interface, time)] : asked_by(r, interface, a);
	struct replay_answer *to;

	if (!t)
		return false;
	t->answer = realloc(t->answer, (t->n_answers + 1) * sizeof *t->answer);
	if (!t->answer)
		abort();
	to = &t->answer[t->n_answers++];
	*to = *a;
	to->bytes = sim_dup(a->bytes, a->len);
	to->after = time > t->time ? time - t->time : 0;
	return true;
}

void sim_recording_free(struct sim_recording *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < r->n_items; i++) {
		for (size_t k = 0; k < r->item[i].n_answers; k++)
			free(r->item[i].answer[k].bytes);
		free(r->item[i].answer);
		free(r->item[i].bytes);
		free(r->item[i].reply);
	}
	free(r->item);
	for (unsigned i = 0; i < REPLAY_STRINGS; i++)
		free(r->string[i]);
	free(r->descriptors);
	free(r->file);
	free(r);
}

/* --- text --- */

struct reading {
	struct sim_recording *r;
	unsigned line, interface;
	unsigned long lines; /* since "begin" */
	uint64_t now;
	bool head, ended;
	uint8_t seq; /* "ss" of the next command */
	char *err;
	size_t cap;
};

/* A line's bytes. */
struct hex {
	uint8_t *p;
	size_t len, full;
	bool ss; /* the byte at place 6 is written as "ss" */
};

static bool wrong(struct reading *g, const char *what, const char *which)
{
	snprintf(g->err, g->cap, "line %u: %s%s%.60s", g->line, what, *which ? ": " : "", which);
	return false;
}

static int hex_digit(char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
				      : -1;
}

/* "6F 05 ss [3 hidden]" up to the end of the text. The bytes are the caller's, whatever comes of it. */
static bool read_hex(struct reading *g, const char *text, struct hex *h)
{
	size_t hidden = 0;
	int used = 0;

	*h = (struct hex){ sim_alloc(strlen(text) / 2 + 1), 0, 0, false };
	while (*text) {
		text += strspn(text, " ");
		if (*text == '[') {
			if (sscanf(text, "[%zu hidden]%n", &hidden, &used) != 1 || !used || text[used])
				return wrong(g, "not a number of hidden bytes", text);
			break;
		}
		if (h->len == 6 && text[0] == 's' && text[1] == 's') {
			h->ss = true;
			h->p[h->len++] = 0;
		} else if (*text) {
			if (hex_digit(text[0]) < 0 || hex_digit(text[1]) < 0)
				return wrong(g, "not a byte", text);
			h->p[h->len++] = (uint8_t)(hex_digit(text[0]) << 4 | hex_digit(text[1]));
		}
		if (*text && text[2] && text[2] != ' ')
			return wrong(g, "not a byte", text);
		text += *text ? 2 : 0;
	}
	h->full = h->len + hidden;
	return true;
}

/* Takes " (0.25)" off the end. */
static bool take_time(struct reading *g, char *text)
{
	size_t n = strlen(text);
	char *open = strrchr(text, '('), *end;
	double s;

	if (!n || text[n - 1] != ')' || !open)
		return true;
	s = strtod(open + 1, &end);
	if (end != text + n - 1 || !(s >= 0 && s < 1e6))
		return wrong(g, "not a time", open);
	g->now += (uint64_t)(s * 1e9 + 0.5);
	*open = '\0';
	return true;
}

static void trim_end(char *text)
{
	size_t n = strlen(text);

	while (n && strchr(" \t\r", text[n - 1]))
		text[--n] = '\0';
}

static const struct {
	const char *word;
	int status;
} statuses[] = {
	{ "stall", SIM_STALL },
	{ "overflow", SIM_OVERFLOW },
	{ "error", SIM_IO },
	{ "silence", SIM_CANCELLED },
};

static bool is_status(const char *text, int *status)
{
	for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
		if (strcmp(text, statuses[i].word) == 0) {
			*status = statuses[i].status;
			return true;
		}
	}
	return false;
}

/* The length of a message must agree with its dwLength. */
static bool is_whole(const struct hex *h)
{
	return h->full >= SIM_HEADER && h->len >= SIM_HEADER && h->full - SIM_HEADER == sim_get32(h->p + 1);
}

static bool read_command(struct reading *g, const char *text)
{
	struct hex h;
	bool good = read_hex(g, text, &h);

	if (good && !is_whole(&h))
		good = wrong(g, "the message is not whole", "");
	if (good) {
		if (h.ss)
			h.p[6] = (uint8_t)(g->seq + 1);
		g->seq = h.p[6];
		sim_recording_command(g->r, g->interface, g->now, g->line, h.p, h.len, h.full);
	}
	free(h.p);
	return good;
}

static bool read_answer(struct reading *g, char *text, bool interrupt)
{
	struct replay_answer a = { .interrupt = interrupt };
	struct hex h = { 0 };
	bool good = true;

	text += strspn(text, " ");
	if (strlen(text) > 2 && strcmp(text + strlen(text) - 2, " +") == 0) {
		text[strlen(text) - 2] = '\0';
		a.open = true;
	}
	if (!is_status(text, &a.status) && strcmp(text, "empty") != 0) {
		good = *text ? read_hex(g, text, &h) : wrong(g, "bytes are missing", "");
		a.bytes = h.p;
		a.len = h.len;
		a.full = h.full;
		a.seq_follows = h.ss;
	}
	if (good && !sim_recording_answer(g->r, g->interface, g->now, &a))
		good = wrong(g, "an answer before the first command", "");
	free(h.p);
	return good;
}

/* "SETUP [: BYTES] => RESULT" */
static bool read_request(struct reading *g, char *text)
{
	char *result = strstr(text, "=>"), *data = strchr(text, ':');
	struct hex setup = { 0 }, out = { 0 }, in = { 0 };
	struct replay_item *t;
	int status = SIM_OK;
	bool good;

	if (!result)
		return wrong(g, "a request without \"=>\"", "");
	*result = '\0';
	result += 2;
	result += strspn(result, " ");
	if (data)
		*data++ = '\0';
	trim_end(text);
	if (data)
		trim_end(data);
	good = read_hex(g, text, &setup) && (!data || read_hex(g, data, &out));
	if (good && setup.len != 8)
		good = wrong(g, "a setup has eight bytes", "");
	if (good && !is_status(result, &status) && strcmp(result, "ok") != 0)
		good = read_hex(g, result, &in);
	if (good) {
		t = sim_recording_request(g->r, setup.p[4], g->now, g->line, setup.p);
		t->status = status;
		t->bytes = sim_dup(out.p, out.len);
		t->len = out.len;
		t->full = out.full;
		t->reply = sim_dup(in.p, in.len);
		t->reply_len = in.len;
		t->reply_full = in.full;
	}
	free(setup.p);
	free(out.p);
	free(in.p);
	return good;
}

static bool read_end(struct reading *g, const char *text)
{
	unsigned long n;

	g->ended = true;
	if (sscanf(text, "%lu lines", &n) != 1)
		return wrong(g, "not a number of lines", text);
	if (n != g->lines)
		return wrong(g, "lines are missing, or are too many, before \"end\"", text);
	return true;
}

/* The result of the command above on bulk OUT. */
static bool read_out(struct reading *g, const char *word)
{
	struct sim_recording *r = g->r;
	int status;

	if (!is_status(word, &status) || status == SIM_OVERFLOW)
		return wrong(g, "nothing that happens to a message", word);
	for (size_t i = r->n_items; i-- > 0;) {
		if (r->item[i].kind != REPLAY_COMMAND || r->item[i].interface != g->interface)
			continue;
		r->item[i].out = (enum sim_status)status;
		return true;
	}
	return wrong(g, "no message is above", "");
}

static bool read_message(struct reading *g, char *text)
{
	unsigned n;

	if (g->ended)
		return wrong(g, "what follows \"end\"", text);
	if (strncmp(text, "end ", 4) == 0)
		return read_end(g, text + 4);
	g->lines++;
	if (!take_time(g, text))
		return false;
	trim_end(text);
	if (strncmp(text, "-> ", 3) == 0)
		return read_command(g, text + 3);
	if (strncmp(text, "<- ", 3) == 0)
		return read_answer(g, text + 3, false);
	if (strncmp(text, "int ", 4) == 0)
		return read_answer(g, text + 4, true);
	if (strncmp(text, "ctl ", 4) == 0)
		return read_request(g, text + 4);
	if (strcmp(text, "plugged") == 0) {
		for (size_t i = 0, many = g->r->n_items; i < many; i++)
			if (g->r->item[i].kind == REPLAY_BEGIN && g->r->item[i].line == 0)
				sim_recording_begin(g->r, g->r->item[i].interface, g->now, g->line);
		return true;
	}
	if (sscanf(text, "interface %u", &n) == 1) {
		g->interface = n;
		return true;
	}
	if (strncmp(text, "out ", 4) == 0)
		return read_out(g, text + 4);
	return strcmp(text, "unplugged") == 0 || wrong(g, "neither a message nor a known word", text);
}

static bool read_descriptor(struct reading *g, const char *text, size_t least)
{
	struct sim_recording *r = g->r;
	struct hex h;
	bool good = read_hex(g, text, &h);

	if (good && (h.len < least || h.len != h.full || (least == 18) != (r->descriptors_len == 0)))
		good = wrong(g, "not such a descriptor", "");
	if (good) {
		r->descriptors = realloc(r->descriptors, r->descriptors_len + h.len);
		if (!r->descriptors)
			abort();
		memcpy(r->descriptors + r->descriptors_len, h.p, h.len);
		r->descriptors_len += h.len;
	}
	free(h.p);
	return good;
}

/* The first interface of a reader is the one that is meant before any is named. */
static unsigned first_interface(const struct sim_recording *r)
{
	const uint8_t *d = r->descriptors;

	for (size_t at = 18; at + 9 <= r->descriptors_len && d[at] >= 2; at += d[at])
		if (d[at + 1] == 4 && (d[at + 5] == 0x0B || d[at + 5] == 0xFF))
			return d[at + 2];
	return 0;
}

static bool read_head(struct reading *g, char *text)
{
	struct sim_recording *r = g->r;
	unsigned vendor, product, n;
	int used = 0;

	if (strcmp(text, "begin") == 0) {
		g->head = false;
		if (r->descriptors_len == 18)
			return wrong(g, "the configuration is missing", "");
		g->interface = first_interface(r);
		sim_recording_begin(r, g->interface, 0, 0);
		return true;
	}
	if (sscanf(text, "reader %4x:%4x%n", &vendor, &product, &used) == 2 && !text[used]) {
		r->vendor = (uint16_t)vendor;
		r->product = (uint16_t)product;
		return true;
	}
	if (strncmp(text, "device ", 7) == 0)
		return read_descriptor(g, text + 7, 18);
	if (strncmp(text, "configuration ", 14) == 0)
		return read_descriptor(g, text + 14, 9);
	if (sscanf(text, "string %u %n", &n, &used) == 1 && used && n > 0) {
		if (n < REPLAY_STRINGS) {
			free(r->string[n]);
			r->string[n] = sim_dup(text + used, strlen(text + used) + 1);
		}
		return true;
	}
	return wrong(g, "not a line of the head", text);
}

static bool read_line(struct reading *g, char *text)
{
	trim_end(text);
	if (g->line == 1)
		return strcmp(text, "ccidlog 1") == 0 || wrong(g, "not a version that is known here", text);
	if (!*text || *text == '#')
		return true;
	return g->head ? read_head(g, text) : read_message(g, text);
}

bool sim_recording_text(struct sim_recording *r, char *text, char *err, size_t cap)
{
	struct reading g = { .r = r, .head = true, .err = err, .cap = cap };

	while (text && *text) {
		char *nl = strchr(text, '\n');

		if (nl)
			*nl++ = '\0';
		g.line++;
		if (!read_line(&g, text))
			return false;
		text = nl;
	}
	if (!g.ended)
		return wrong(&g,
			     g.head ? "the file ends before \"begin\": it was cut off"
				    : "the file ends without \"end\": it was cut off",
			     "");
	return true;
}

/* --- which kind of file --- */

static sim_foreign_reader foreign;

void sim_recording_set_foreign(sim_foreign_reader read)
{
	foreign = read;
}

/* A device or a pipe may never end. The look comes before the opening: that of a FIFO waits. */
static FILE *open_regular(const char *file, char *err, size_t cap)
{
	struct stat is;
	FILE *in = NULL;

	if (stat(file, &is) == 0 && !S_ISREG(is.st_mode)) {
		snprintf(err, cap, "not a regular file");
		return NULL;
	}
	in = fopen(file, "r");
	if (!in)
		snprintf(err, cap, "%s", strerror(errno));
	return in;
}

struct sim_recording *sim_recording_read(const char *file, uint16_t vendor, uint16_t product, char *err, size_t cap)
{
	struct sim_recording *r = sim_alloc(sizeof *r);
	FILE *in = open_regular(file, err, cap);
	char *text = NULL;
	size_t room = 0;
	bool good = false;

	r->file = sim_dup(file, strlen(file) + 1);
	if (in && getdelim(&text, &room, 0, in) < 0) {
		snprintf(err, cap, "the file is empty, or cannot be read");
	} else if (in && strncmp(text, "ccidlog", 7) == 0) {
		good = sim_recording_text(r, text, err, cap);
	} else if (in && !foreign) {
		snprintf(err, cap, "line 1: not \"ccidlog 1\"");
	} else if (in) {
		good = foreign(r, vendor, product, err, cap);
	}
	if (in)
		fclose(in);
	free(text);
	if (good)
		return r;
	sim_recording_free(r);
	return NULL;
}
