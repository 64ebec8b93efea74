/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reads a case: NAME.script, and the simulator text that goes with it. */
#include "field/field.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct reading {
	struct script *s;
	const char *folder;
	unsigned line;
	char *with;			/* lines for the end of the simulator text */
	char sim_name[100];
};

static void *more(void *list, size_t have, size_t size)
{
	char *p = realloc(list, (have + 1) * size);

	if (!p)
		abort();
	memset(p + have * size, 0, size);
	return p;
}

static char *copy_of(const char *text)
{
	char *p = strdup(text);

	if (!p)
		abort();
	return p;
}

static bool bad(struct reading *r, const char *what, const char *which)
{
	if (!r->s->error[0])
		snprintf(r->s->error, sizeof r->s->error, "%.100s:%u: %.60s: \"%.120s\"", r->s->name, r->line,
			 what, which);
	return false;
}

char *file_text(const char *path)
{
	FILE *in = fopen(path, "r");
	char *text;
	long n = -1;

	if (!in)
		return NULL;
	if (fseek(in, 0, SEEK_END) == 0)
		n = ftell(in);
	rewind(in);
	text = n < 0 ? NULL : calloc(1, (size_t)n + 1);
	if (text && fread(text, 1, (size_t)n, in) != (size_t)n) {
		free(text);
		text = NULL;
	}
	fclose(in);
	return text;
}

static char *trim(char *s)
{
	char *end;

	s += strspn(s, " \t");
	end = s + strlen(s);
	while (end > s && strchr(" \t\r", end[-1]))
		end--;
	*end = '\0';
	return s;
}

/* Cuts "KEYWORD" off the front. */
static char *after(char *line, const char *keyword)
{
	size_t n = strlen(keyword);

	if (strncmp(line, keyword, n) != 0 || (line[n] && line[n] != ' ' && line[n] != '\t'))
		return NULL;
	return trim(line + n);
}

static bool seconds(const char *text, uint64_t *ns)
{
	char *end;
	double v = strtod(text, &end);

	if (end == text || v < 0 || v > 1e6 || (*end && strcmp(trim(end), "s") != 0))
		return false;
	*ns = (uint64_t)(v * 1e9 + 0.5);
	return true;
}

/* --- lines of a conversation --- */

static struct step *last_step(struct reading *r)
{
	return r->s->n_steps ? &r->s->step[r->s->n_steps - 1] : NULL;
}

static struct exchange *add_exchange(struct reading *r, const char *text)
{
	struct step *st = last_step(r);
	struct exchange *x;

	st->exchange = more(st->exchange, st->n_exchanges, sizeof *x);
	x = &st->exchange[st->n_exchanges++];
	x->line = r->line;
	x->text = copy_of(text);
	return x;
}

static struct answer *add_answer(struct reading *r, enum answer_kind kind)
{
	struct step *st = last_step(r);
	struct exchange *x = &st->exchange[st->n_exchanges - 1];
	struct answer *a;

	x->answer = more(x->answer, x->n_answers, sizeof *a);
	a = &x->answer[x->n_answers++];
	a->kind = kind;
	return a;
}

static bool expectation(struct reading *r, char *line, bool control)
{
	char *bytes = after(line, control ? "ctl" : "->");
	struct exchange *x = add_exchange(r, line);
	const char *wrong = pattern_parse(&x->expected, bytes);

	x->control = control;
	return !wrong || bad(r, "neither bytes nor a name for one", wrong);
}

/* "(0.5)" at the end: seconds since the previous line. "(1 x 39)": 39 times, once a second. */
static bool take_delay(struct reading *r, char *text, uint64_t *delay, unsigned *times)
{
	char *open = strrchr(text, '('), *close = open ? strchr(open, ')') : NULL, *x;

	*delay = 0;
	*times = 1;
	if (!open)
		return true;
	if (!close || *trim(close + 1))
		return bad(r, "seconds are written as \"(0.5)\" at the end", open);
	*close = *open = '\0';
	x = strstr(open + 1, " x ");
	if (x) {
		*x = '\0';
		*times = (unsigned)strtoul(x + 3, NULL, 10);
	}
	if (!seconds(trim(open + 1), delay))
		return bad(r, "not a number of seconds", open + 1);
	trim(text);
	return true;
}

static bool answer_line(struct reading *r, char *text, enum answer_kind kind)
{
	static const struct {
		const char *word;
		enum answer_kind kind;
	} words[] = { { "stall", ANSWER_STALL }, { "silence", ANSWER_SILENCE }, { "echo", ANSWER_ECHO } };
	struct answer *a;
	const char *wrong;
	uint64_t delay;
	unsigned times;

	if (!take_delay(r, text, &delay, &times))
		return false;
	text = trim(text);
	a = add_answer(r, kind);
	a->delay = delay;
	a->times = times;
	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
		if (kind == ANSWER_BULK && strcmp(text, words[i].word) == 0) {
			a->kind = words[i].kind;
			return true;
		}
	}
	if (strcmp(text, "empty") == 0)
		return true;
	wrong = pattern_parse(&a->bytes, text);
	return !wrong || bad(r, "neither bytes nor stall, silence, echo, empty", wrong);
}

/* "at 0.5 remove card" */
static bool action_line(struct reading *r, char *text)
{
	char *what = text + strcspn(text, " \t");
	struct answer *a;
	uint64_t delay;

	if (last_step(r)->n_exchanges > 1)
		return bad(r, "\"at\" counts from the step's begin: it stands before \"->\"", text);
	if (*what)
		*what++ = '\0';
	if (!seconds(text, &delay))
		return bad(r, "\"at\" is followed by seconds and what happens", text);
	a = add_answer(r, ANSWER_ACTION);
	a->delay = delay;
	a->action = copy_of(trim(what));
	return true;
}

/* True: this is a line of a conversation, and r->s->error has its fault, if any. */
static bool conversation_line(struct reading *r, char *line)
{
	static const char *const words[] = { "->", "<-", "ctl", "int", "at" };
	char *rest = NULL;
	size_t i;

	for (i = 0; i < sizeof words / sizeof words[0] && !rest; i++)
		rest = after(line, words[i]);
	if (!rest)
		return false;
	if (!last_step(r)) {
		bad(r, "a conversation belongs to a step, and there is none before", line);
		return true;
	}
	switch (i - 1) {
	case 0:
	case 2:
		expectation(r, line, i == 3);
		break;
	case 1:
	case 3:
		answer_line(r, rest, i == 4 ? ANSWER_INTERRUPT : ANSWER_BULK);
		break;
	default:
		action_line(r, rest);
	}
	return true;
}

/* --- steps --- */

/* Cuts " KEYWORD ..." off the end and returns the text after KEYWORD. */
static char *cut(char *line, const char *keyword)
{
	char *found = NULL, *p = line;

	while ((p = strstr(p, keyword)) != NULL)
		found = p++;
	if (!found)
		return NULL;
	*found = '\0';
	return trim(found + strlen(keyword));
}

static bool conditions(struct reading *r, struct step *st, char *line)
{
	char *t = cut(line, " within "), *u;

	if (t && !seconds(t, &st->within))
		return bad(r, "\"within\" is followed by seconds", t);
	u = cut(line, " after at least ");
	if (u && !seconds(u, &st->at_least))
		return bad(r, "\"after at least\" is followed by seconds", u);
	t = cut(line, " => ");
	st->result = t ? copy_of(t) : NULL;
	return true;
}

/* "always -> 65 *": the answers hold until the end of the case. */
static bool rule_line(struct reading *r, char *line)
{
	struct step *st = last_step(r);

	st->rule = true;
	if (!after(line, "->") && !after(line, "ctl"))
		return bad(r, "\"always\" is followed by \"->\" or \"ctl\"", line);
	return expectation(r, line, line[0] == 'c');
}

static bool step_line(struct reading *r, char *line)
{
	struct script *s = r->s;
	struct step *st;
	char *rest;
	bool free_text = after(line, "log") || after(line, "wire");

	s->step = more(s->step, s->n_steps, sizeof *st);
	st = &s->step[s->n_steps++];
	st->line = r->line;
	add_exchange(r, "");
	rest = after(line, "always");
	if (rest) {
		st->text = copy_of("always");
		return rule_line(r, rest);
	}
	if (!free_text && !conditions(r, st, line))
		return false;
	st->text = copy_of(trim(line));
	return true;
}

static bool head_line(struct reading *r, char *line)
{
	char *rest = after(line, "sim");
	size_t n = strlen(r->with);

	if (rest) {
		snprintf(r->sim_name, sizeof r->sim_name, "%s", rest);
		return true;
	}
	rest = after(line, "with");
	if (rest) {
		r->with = realloc(r->with, n + strlen(rest) + 2);
		if (!r->with)
			abort();
		sprintf(r->with + n, "%s\n", rest);
		return true;
	}
	rest = after(line, "interface");
	if (rest && strlen(rest) == 1 && rest[0] >= '0' && rest[0] < '0' + FIELD_INTERFACES) {
		r->s->interface = (unsigned)(rest[0] - '0');
		return true;
	}
	if (strcmp(line, "conversation") != 0)
		return false;
	r->s->conversation = true;
	return true;
}

static void uncomment(char *line)
{
	for (char *p = line; *p; p++) {
		if (*p == '#' && (p == line || p[-1] == ' ' || p[-1] == '\t')) {
			*p = '\0';
			return;
		}
	}
}

/* Joins lines that end with a backslash. */
static char *next_line(struct reading *r, char **text)
{
	char *line = *text, *end;

	for (;;) {
		end = strchr(*text, '\n');
		r->line++;
		if (!end) {
			*text += strlen(*text);
			return line;
		}
		*text = end + 1;
		if (end == line || end[-1] != '\\') {
			*end = '\0';
			return line;
		}
		end[-1] = end[0] = ' ';
	}
}

static void read_lines(struct reading *r, char *text)
{
	while (*text && !r->s->error[0]) {
		char *line = next_line(r, &text);

		uncomment(line);
		line = trim(line);
		if (!*line || conversation_line(r, line))
			continue;
		if (r->s->n_steps || !head_line(r, line))
			step_line(r, line);
	}
	if (!r->s->error[0] && !r->s->n_steps)
		bad(r, "no steps", r->s->name);
}

static void read_sim(struct reading *r)
{
	char path[512];
	char *text, *all;

	snprintf(path, sizeof path, "%s/%s.sim", r->folder, r->sim_name);
	text = file_text(path);
	if (!text) {
		snprintf(r->s->error, sizeof r->s->error, "%.200s: cannot be read", path);
		return;
	}
	all = malloc(strlen(text) + strlen(r->with) + 2);
	if (!all)
		abort();
	sprintf(all, "%s\n%s", text, r->with);
	free(text);
	r->s->sim = all;
}

struct script *script_read(const char *folder, const char *name)
{
	struct script *s = calloc(1, sizeof *s);
	struct reading r = { .s = s, .folder = folder };
	char path[512];
	char *text;

	if (!s)
		abort();
	snprintf(path, sizeof path, "%s/%s.script", folder, name);
	snprintf(r.sim_name, sizeof r.sim_name, "%s", name);
	s->name = copy_of(name);
	s->path = copy_of(path);
	r.with = copy_of("");
	text = file_text(path);
	if (text)
		read_lines(&r, text);
	else
		bad(&r, "cannot be read", path);
	if (!s->error[0])
		read_sim(&r);
	free(text);
	free(r.with);
	return s;
}

static void free_exchange(struct exchange *x)
{
	for (size_t i = 0; i < x->n_answers; i++) {
		pattern_free(&x->answer[i].bytes);
		free(x->answer[i].action);
	}
	pattern_free(&x->expected);
	free(x->answer);
	free(x->text);
}

void script_free(struct script *s)
{
	for (size_t i = 0; i < s->n_steps; i++) {
		for (size_t k = 0; k < s->step[i].n_exchanges; k++)
			free_exchange(&s->step[i].exchange[k]);
		free(s->step[i].exchange);
		free(s->step[i].text);
		free(s->step[i].result);
	}
	free(s->step);
	free(s->name);
	free(s->path);
	free(s->sim);
	free(s);
}
