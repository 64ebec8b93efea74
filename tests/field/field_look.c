/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Assertions of a script: the log, the wire, the card. */
#include "field/field.h"
#include "unit/driver/driver_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool count_fits(const char *words, unsigned n, bool *known)
{
	unsigned want;
	char tail;

	*known = true;
	if (!*words)
		return n > 0;
	if (strcmp(words, "never") == 0)
		return n == 0;
	if (strcmp(words, "once") == 0)
		return n == 1;
	if (sscanf(words, "at least %u times%c", &want, &tail) == 1)
		return n >= want;
	if (sscanf(words, "at most %u times%c", &want, &tail) == 1)
		return n <= want;
	*known = sscanf(words, "%u times%c", &want, &tail) == 1;
	return *known && n == want;
}

/* Cuts the words of a count off the end of a line. */
static const char *cut_count(char *line)
{
	static const char *const begins[] = { " never", " once", " at least ", " at most " };
	char *p = NULL;

	for (size_t i = 0; i < sizeof begins / sizeof begins[0] && !p; i++)
		p = strstr(line, begins[i]);
	if (!p && (p = strstr(line, " times")) != NULL)
		while (p > line && (*--p != ' '))
			;
	if (!p)
		return "";
	*p = '\0';
	return p + 1;
}

static bool look_wire(struct running *r, const struct step *s, char *words)
{
	static const struct {
		const char *word;
		char way;
	} ways[] = { { "-> ", '>' }, { "<- ", '<' }, { "ctl ", 'c' }, { "int ", 'i' } };
	const char *count = cut_count(words), *wrong;
	struct pattern p;
	unsigned n = 0;
	size_t k = 0;
	bool known, fits;

	while (k < 4 && strncmp(words, ways[k].word, strlen(ways[k].word)) != 0)
		k++;
	if (k == 4)
		return failed(r, s->line, "wire is followed by ->, <-, ctl or int");
	wrong = pattern_parse(&p, words + strlen(ways[k].word));
	if (wrong)
		return failed(r, s->line, "not bytes: \"%s\"", wrong);
	for (size_t i = 0; i < r->n_wire; i++)
		n += r->wire[i].way == ways[k].way && pattern_matches(&p, r->wire[i].bytes, r->wire[i].len, NULL);
	pattern_free(&p);
	fits = count_fits(count, n, &known);
	if (!known)
		return failed(r, s->line, "not a count: \"%s\"", count);
	return fits || failed(r, s->line, "\"%s\" went over the wire %u times, not %s", words, n,
			      *count ? count : "once or more");
}

static bool look_log(struct running *r, const struct step *s, const char *words)
{
	if (strcmp(words, "clear") == 0) {
		fixture_log_clear();
		return true;
	}
	if (strncmp(words, "contains ", 9) == 0)
		return fixture_log_count(words + 9) > 0 ||
		       failed(r, s->line, "the log does not contain \"%s\"", words + 9);
	if (strncmp(words, "never ", 6) == 0)
		return fixture_log_count(words + 6) == 0 || failed(r, s->line, "the log contains \"%s\"", words + 6);
	return failed(r, s->line, "log contains, log never or log clear");
}

/* "20 once": INS and how often it was executed. */
static bool look_card(struct running *r, const struct step *s, char *words)
{
	const char *count = cut_count(words);
	unsigned long ins = strtoul(words, NULL, 16);
	unsigned n;
	bool known, fits;

	fake_usb_lock();
	n = sim_dev_card_ran(fake_usb_dev(r->reader), player_interface(r), r->slot, (uint8_t)ins);
	fake_usb_unlock();
	fits = count_fits(count, n, &known);
	if (!known || ins > 0xFF)
		return failed(r, s->line, "card ran INS, and once, never or N times");
	return fits || failed(r, s->line, "the card executed %02lX %u times, not %s", ins, n, count);
}

static bool look_bseq(struct running *r, const struct step *s)
{
	const struct message *last = NULL;

	for (size_t i = 0; i < r->n_wire; i++) {
		const struct message *m = &r->wire[i];

		if (m->way != '>' || m->len < 10)
			continue;
		if (last && last->bytes[6] == m->bytes[6])
			return failed(r, s->line, "bSeq %02X went to slot %u and to slot %u in a row", m->bytes[6],
				      last->bytes[5], m->bytes[5]);
		last = m;
	}
	return true;
}

bool step_look(struct running *r, const struct step *s, const char *words, bool *known)
{
	char line[600];
	unsigned n;

	snprintf(line, sizeof line, "%s", words);
	*known = true;
	if (strcmp(line, "wire clear") == 0) {
		wire_clear(r);
		return true;
	}
	if (strncmp(line, "wire ", 5) == 0)
		return look_wire(r, s, line + 5);
	if (strncmp(line, "log ", 4) == 0)
		return look_log(r, s, line + 4);
	if (strncmp(line, "card ran ", 9) == 0 && r->replayed)
		return true;	/* a recording has no card */
	if (strncmp(line, "card ran ", 9) == 0)
		return look_card(r, s, line + 9);
	if (sscanf(line, "interfaces claimed %u", &n) == 1)
		return fake_usb_counts().claims == n ||
		       failed(r, s->line, "%u interfaces are claimed, not %u", fake_usb_counts().claims, n);
	if (strcmp(line, "no bSeq twice in a row") == 0)
		return look_bseq(r, s);
	*known = false;
	return false;
}
