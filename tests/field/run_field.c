/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Runs the field cases: one TAP case for each script in tests/field/cases. With names as arguments: only those. */
#include "field/field.h"
#include "unit/driver/driver_rig.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
	rig_start(FAKE_VIRTUAL, text);
	r->closing = false;
	r->n_devs = count_readers(text);
	free(text);
	player_begin(r);
}

static void end(struct running *r)
{
	r->closing = true;
	field_close(r);
	player_end(r);
}

/* "restart [KEY = VALUE]": the same readers, new, with this one line changed. */
static bool is_restart(const struct step *s, const char **more)
{
	if (strncmp(s->text, "restart", 7) != 0 || (s->text[7] && s->text[7] != ' '))
		return false;
	*more = s->text + 7;
	return true;
}

/* What went last over the wire, for the eyes of whoever looks for the fault. */
static void print_wire(const struct running *r)
{
	size_t from = r->n_wire > 12 ? r->n_wire - 12 : 0;
	char hex[200];

	for (size_t i = from; i < r->n_wire; i++) {
		const struct message *m = &r->wire[i];

		print_error("  wire: %s %s\n",
			    m->way == '>' ? "->" : m->way == '<' ? "<-" : m->way == 'c' ? "ctl" : "int",
			    hex_text(hex, sizeof(hex), m->bytes, m->len));
	}
}

static void run_case(void **state)
{
	struct script *s = *state;
	struct running *r = calloc(1, sizeof(*r));
	const char *more;
	bool fine = true;

	if (!r)
		abort();
	if (s->error[0])
		print_error("%s\n", s->error);
	assert_true(!s->error[0]);
	r->script = s;
	begin(r, "");
	for (size_t i = 0; i < s->n_steps && fine; i++) {
		if (is_restart(&s->step[i], &more)) {
			end(r);
			rig_stop();
			begin(r, more);
		} else {
			fine = step_run(r, &s->step[i]) && !r->failure[0];
		}
	}
	if (!fine) {
		print_error("%s:%u: %s\n", s->path, r->failed_line, r->failure);
		print_wire(r);
	}
	end(r);
	free(r);
	assert_true(fine);
	rig_stop();
}

/* --- which --- */

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static size_t all_cases(const char *folder, char **name)
{
	DIR *d = opendir(folder);
	struct dirent *e;
	size_t n = 0;

	if (!d)
		return 0;
	while ((e = readdir(d)) != NULL && n < MAX_CASES) {
		size_t len = strlen(e->d_name);

		if (len > 7 && strcmp(e->d_name + len - 7, ".script") == 0 && e->d_name[0] != '.') {
			name[n] = strdup(e->d_name);
			if (!name[n])
				abort();
			name[n++][len - 7] = '\0';
		}
	}
	closedir(d);
	qsort(name, n, sizeof(*name), by_name);
	return n;
}

int main(int argc, char **argv)
{
	static const char folder[] = TOP_SRCDIR "/tests/field/cases";
	struct CMUnitTest *test = calloc(MAX_CASES, sizeof(*test));
	char **name = calloc(MAX_CASES, sizeof(*name));
	struct script **script = calloc(MAX_CASES, sizeof(*script));
	size_t n = 0;
	int rc;

	if (!test || !name || !script)
		abort();
	if (argc > 1) {
		for (; n + 1 < (size_t)argc && n < MAX_CASES; n++)
			name[n] = strdup(argv[n + 1]);
	} else {
		n = all_cases(folder, name);
	}
	for (size_t i = 0; i < n; i++) {
		script[i] = script_read(folder, name[i]);
		test[i] = (struct CMUnitTest){ name[i], run_case, NULL, rig_teardown, script[i] };
	}
	rc = _cmocka_run_group_tests("field", test, n, NULL, NULL);
	for (size_t i = 0; i < n; i++) {
		script_free(script[i]);
		free(name[i]);
	}
	free(script);
	free(name);
	free(test);
	return rc;
}
