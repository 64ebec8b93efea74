/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Runs the field cases: one TAP case for each script in tests/field/cases. With names as arguments: only those. The
 * scripts in tests/field/wrong must fail, each with the words of its line "# says". */
#include "field/field.h"
#include "sim/model/sim_replay.h"
#include "unit/driver/driver_fixture.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_CASES 512

static unsigned count_readers(const char *sim)
{
	unsigned n = 0;

	for (const char *p = sim; p; p = strchr(p, '\n')) {
		p += *p == '\n';
		n += strncmp(p, "reader", 6) == 0 && (p[6] == ' ' || p[6] == '\t');
	}
	return n < FIELD_READERS ? n : FIELD_READERS;
}

static void begin(struct running *r, const char *more)
{
	char *text = malloc(strlen(r->script->sim) + strlen(more) + 2);

	if (!text)
		abort();
	sprintf(text, "%s\n%s", r->script->sim, more);
	if (r->tape && r->tape->played) {
		char *played = tape_text(r->tape, text);

		free(text);
		text = played;
	}
	fixture_start(FAKE_VIRTUAL, text);
	r->closing = false;
	r->n_devs = count_readers(text);
	free(text);
	if (r->tape)
		tape_begin(r);
	player_begin(r);
}

static void end(struct running *r)
{
	if (r->tape)
		tape_end(r);
	r->closing = true;
	field_close(r);
	player_end(r);
	tape_divergences(r);
}

/* "restart [KEY = VALUE]": new readers as before, with this one line changed. */
static bool is_restart(const struct step *s, const char **more)
{
	if (strncmp(s->text, "restart", 7) != 0 || (s->text[7] && s->text[7] != ' '))
		return false;
	*more = s->text + 7;
	return true;
}

/* The last messages on the wire, to help find the fault. */
static void print_wire(const struct running *r)
{
	size_t from = r->n_wire > 12 ? r->n_wire - 12 : 0;
	char hex[200];

	for (size_t i = from; i < r->n_wire; i++) {
		const struct message *m = &r->wire[i];

		print_error("  wire: %s %s\n",
			    m->way == '>' ? "->" : m->way == '<' ? "<-" : m->way == 'c' ? "ctl" : "int",
			    hex_text(hex, sizeof hex, m->bytes, m->len));
	}
}

static struct running *new_run(const struct script *s, struct tape *t)
{
	struct running *r = calloc(1, sizeof *r);

	if (!r)
		abort();
	r->script = s;
	r->tape = t;
	r->replayed = (t && t->played) || strstr(s->sim, "\nreplay =");
	begin(r, "");
	return r;
}

/* False after a failure. */
static bool run_steps(struct running *r)
{
	const struct script *s = r->script;
	const char *more;
	bool fine = true;

	for (size_t i = 0; i < s->n_steps && fine; i++) {
		if (is_restart(&s->step[i], &more)) {
			end(r);
			fixture_stop();
			begin(r, more);
		} else {
			fine = step_run(r, &s->step[i]) && !r->failure[0];
		}
	}
	return fine;
}

static void run_case(void **state)
{
	const struct script *s = *state;
	struct running *r;
	bool fine;

	if (s->error[0])
		print_error("%s\n", s->error);
	assert_true(!s->error[0]);
	r = new_run(s, NULL);
	fine = run_steps(r);
	if (!fine) {
		print_error("%s:%u: %s\n", s->path, r->failed_line, r->failure);
		print_wire(r);
	}
	end(r);
	if (fine && r->failure[0]) {
		print_error("%s: %s\n", s->path, r->failure);
		fine = false;
	}
	free(r);
	assert_true(fine);
	fixture_stop();
}

/* Runs the case with a tape; false after a failure. */
static bool run_with(const struct script *s, struct tape *t)
{
	struct running *r = new_run(s, t);
	bool fine = run_steps(r);

	end(r);
	fine = fine && !r->failure[0];
	if (!fine) {
		print_error("%s:%u: %s, %s\n", s->path, r->failed_line, t->played ? "played" : "recorded", r->failure);
	}
	free(r);
	if (fine) {
		fixture_pardon();
		fixture_stop();
	}
	return fine;
}

static void remove_all(const char *folder)
{
	DIR *d = opendir(folder);
	struct dirent *e;
	char path[400];

	while (d && (e = readdir(d)) != NULL) {
		snprintf(path, sizeof path, "%s/%.200s", folder, e->d_name);
		(void)remove(path);
	}
	if (d)
		closedir(d);
	(void)remove(folder);
}

/* Records, plays and records again: the driver follows, each step has the same result, and both
 * recordings are equal. */
static void run_taped(void **state)
{
	const struct script *s = *state;
	char folder[] = "/tmp/field-XXXXXX", why[500] = "";
	struct tape first = { .folder = folder, .name = "first" },
		    again = { .folder = folder, .name = "again", .played = "first" };
	bool fine;

	assert_true(!s->error[0]);
	assert_non_null(mkdtemp(folder));
	fine = run_with(s, &first) && run_with(s, &again);
	if (fine && !tape_compare(&first, "first", "again", why, sizeof why)) {
		print_error("%s\n", why);
		fine = false;
	}
	if (!getenv("FIELD_KEEP"))
		remove_all(folder);
	assert_true(fine);
}

/* Faults of the script, and failures at run time, are reported with the line. */
static void run_wrong(void **state)
{
	const struct script *s = *state;
	char said[1000] = "", *text = file_text(s->path), *says = text ? strstr(text, "# says ") : NULL;
	struct running *r;

	assert_non_null(says);
	says += strlen("# says ");
	says[strcspn(says, "\n")] = '\0';
	snprintf(said, sizeof said, "%s", s->error);
	if (!said[0]) {
		r = new_run(s, NULL);
		(void)run_steps(r);
		snprintf(said, sizeof said, "%s:%u: %s", s->path, r->failed_line, r->failure);
		end(r);
		free(r);
	}
	if (!strstr(said, says))
		print_error("%s\n  must say: %s\n", said, says);
	assert_non_null(strstr(said, says));
	free(text);
}

/* --- the choice of cases --- */

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static size_t all_cases(const char *folder, char **name, size_t max)
{
	DIR *d = opendir(folder);
	struct dirent *e;
	size_t n = 0;

	if (!d)
		return 0;
	while ((e = readdir(d)) != NULL && n < max) {
		size_t len = strlen(e->d_name);

		if (len > 7 && strcmp(e->d_name + len - 7, ".script") == 0 && e->d_name[0] != '.') {
			name[n] = strdup(e->d_name);
			if (!name[n])
				abort();
			name[n++][len - 7] = '\0';
		}
	}
	closedir(d);
	qsort(name, n, sizeof *name, by_name);
	return n;
}

struct list {
	struct CMUnitTest test[MAX_CASES];
	struct script *script[MAX_CASES];
	char *name[MAX_CASES];
	size_t n;
};

static char *taped_name(char *name)
{
	char *text = malloc(strlen(name) + 30);

	if (!text)
		abort();
	sprintf(text, "%s: recorded and played", name);
	free(name);
	return text;
}

static void add(struct list *l, const char *folder, size_t from, CMUnitTestFunction run)
{
	for (size_t i = from; i < l->n; i++) {
		l->script[i] = script_read(folder, l->name[i]);
		if (run == run_taped)
			l->name[i] = taped_name(l->name[i]);
		l->test[i] = (struct CMUnitTest){ l->name[i], run, NULL, fixture_teardown, l->script[i] };
	}
}

static void gather(struct list *l, int argc, char **argv)
{
	static const char cases[] = TOP_SRCDIR "/tests/field/cases", wrong[] = TOP_SRCDIR "/tests/field/wrong";
	size_t n;

	if (argc > 1) {
		for (; l->n + 1 < (size_t)argc && l->n < MAX_CASES; l->n++)
			l->name[l->n] = strdup(argv[l->n + 1]);
		n = l->n;
		add(l, cases, 0, run_case);
		for (size_t i = 0; i < n && l->n < MAX_CASES; i++)
			l->name[l->n++] = strdup(argv[i + 1]);
		add(l, cases, n, run_taped);
		return;
	}
	l->n = n = all_cases(cases, l->name, MAX_CASES);
	add(l, cases, 0, run_case);
	l->n += all_cases(wrong, l->name + n, MAX_CASES - n);
	add(l, wrong, n, run_wrong);
	n = l->n;
	l->n += all_cases(cases, l->name + n, MAX_CASES - n);
	add(l, cases, n, run_taped);
}

int main(int argc, char **argv)
{
	struct list *l = calloc(1, sizeof *l);
	int rc;

	if (!l)
		abort();
	/* the folder of the cases' recordings */
	if (chdir(TOP_SRCDIR "/tests/field"))
		abort();
	/* The recorded driver of this reader sent extended APDUs unchanged. */
	fixture_quirks = ";076b:3021:-escape-t1";
	sim_recording_set_foreign(sim_replay_trace);
	gather(l, argc, argv);
	rc = _cmocka_run_group_tests("field", l->test, l->n, NULL, NULL);
	for (size_t i = 0; i < l->n; i++) {
		script_free(l->script[i]);
		free(l->name[i]);
	}
	free(l);
	return rc;
}
