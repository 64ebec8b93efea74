/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The rows of ccid-list as a table, as JSON (doc/ccid-list.schema.json), and as lines of events. */
#include "tools/list.h"

#include <inttypes.h>
#include <string.h>

static const char *const cards[] = {
	[LIST_NONE] = "none",		[LIST_PRESENT] = "present", [LIST_SHARED] = "in use",
	[LIST_EXCLUSIVE] = "exclusive", [LIST_MUTE] = "mute",	    [LIST_UNKNOWN] = "unknown",
};

/* The last one is shown where a name of PC/SC says nothing of the device. */
enum { COLUMNS = 9 };
static const char *const titles[COLUMNS] = { "KEY",	"READER", "CARD",  "SERIAL",
					    "FIRMWARE", "LEVEL",  "RATES", "DRIVER",
					    "DEVICE"};

/* Points cell[] at the texts of a row; rates is for one that is made here. */
static void cells_of(const struct list_row *row, char rates[32], const char *cell[COLUMNS])
{
	snprintf(rates, 32, "%" PRIu32 "-%" PRIu32, row->rate, row->max_rate);
	cell[0] = row->key;
	cell[1] = row->name;
	cell[2] = cards[row->card];
	cell[3] = row->serial;
	cell[4] = row->firmware;
	cell[5] = row->level;
	cell[6] = row->rate ? rates : "";
	cell[7] = row->driver;
	cell[8] = row->device;
	for (int i = 0; i < COLUMNS; i++)
		if (!*cell[i])
			cell[i] = "-";
}

static void print_row(FILE *out, const char *const cell[COLUMNS], const int width[COLUMNS],
		      int columns)
{
	for (int i = 0; i < columns - 1; i++)
		fprintf(out, "%-*s  ", width[i], cell[i]);
	fprintf(out, "%s\n", cell[columns - 1]);
}

/* A reader that no driver lists has its name from reader.conf (libccid(5)). */
static bool has_unlisted(const struct list *l)
{
	for (unsigned i = 0; i < l->n; i++)
		if (l->row[i].port[0] && !l->row[i].driver[0])
			return true;
	return false;
}

void list_print_table(FILE *out, const struct list *l)
{
	const char *cell[COLUMNS];
	int width[COLUMNS], columns = has_unlisted(l) ? COLUMNS : COLUMNS - 1;
	char rates[32];

	for (int c = 0; c < COLUMNS; c++)
		width[c] = (int)strlen(titles[c]);
	for (unsigned i = 0; i < l->n; i++) {
		cells_of(&l->row[i], rates, cell);
		for (int c = 0; c < COLUMNS; c++)
			if ((int)strlen(cell[c]) > width[c])
				width[c] = (int)strlen(cell[c]);
	}
	print_row(out, titles, width, columns);
	for (unsigned i = 0; i < l->n; i++) {
		cells_of(&l->row[i], rates, cell);
		print_row(out, cell, width, columns);
	}
}

static void print_text(FILE *out, const char *name, const char *text)
{
	fprintf(out, ", \"%s\": ", name);
	if (*text)
		system_json_string(out, text);
	else
		fputs("null", out);
}

static void put_number(FILE *out, const char *name, int64_t value)
{
	if (value >= 0)
		fprintf(out, ", \"%s\": %" PRId64, name, value);
	else
		fprintf(out, ", \"%s\": null", name);
}

static void put_object(FILE *out, const struct list_row *row, const char *event)
{
	fputs("{\"reader\": ", out);
	system_json_string(out, row->name);
	if (event)
		print_text(out, "event", event);
	print_text(out, "key", row->key);
	print_text(out, "port", row->port);
	put_number(out, "interface", row->interface);
	put_number(out, "slot", row->slot);
	print_text(out, "serial", row->serial);
	print_text(out, "card", cards[row->card]);
	print_text(out, "atr", row->atr);
	print_text(out, "firmware", row->firmware);
	print_text(out, "level", row->level);
	put_number(out, "rate", row->port[0] ? (int64_t)row->rate : -1);
	put_number(out, "max_rate", row->port[0] ? (int64_t)row->max_rate : -1);
	print_text(out, "driver", row->driver);
	print_text(out, "device", row->device);
	fputs("}", out);
}

void list_print_json(FILE *out, const struct list *l)
{
	fputs("[", out);
	for (unsigned i = 0; i < l->n; i++) {
		fputs(i ? ",\n " : "\n ", out);
		put_object(out, &l->row[i], NULL);
	}
	fputs(l->n ? "\n]\n" : "]\n", out);
}

void list_print_event(FILE *out, const struct list_row *row, const char *event, bool json)
{
	if (json)
		put_object(out, row, event);
	else
		fprintf(out, "%-7s  %s  %s  %s%s%s", event, row->key[0] ? row->key : "-", row->name,
			cards[row->card], row->atr[0] ? "  " : "", row->atr);
	fputc('\n', out);
	fflush(out);
}
