/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ccid-parse's text -> rows of readers/reader_descriptors.tsv. The text is the only source, so that
 * a reader that is plugged in and the text that a user sent in give the same row. */
#include "tools/parse.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum type { NAME, TEXT, ID, BCD, DEC, HEX, LIST };

static const struct column {
	enum type type;
	int bytes;
	const char *field;
} columns[] = {
#define COLUMN(name, type, bytes, values, field) { type, bytes, field },
#include "readers/columns.def"
#undef COLUMN
};

#define COLUMNS (sizeof(columns) / sizeof(columns[0]))

/* One interface: what the text says in each field, NULL where it does not. Points into the
 * text. */
struct said {
	const char *cell[COLUMNS];
};

static bool unread(const char *cell, unsigned *index)
{
	int end = 0;

	return sscanf(cell, "string %u, not read%n", index, &end) == 1 && end > 0 && !cell[end];
}

static const char *string_of(const char *cell)
{
	return strcmp(cell, "none") == 0 ? "" : cell;
}

static const char *cell_of(const struct said *s, const char *field)
{
	for (size_t i = 0; i < COLUMNS; i++)
		if (columns[i].type != NAME && strcmp(columns[i].field, field) == 0)
			return s->cell[i];
	return "";
}

/* Maker and product in one word; a product that begins with its maker needs it once. */
static void put_name(FILE *out, const struct said *s)
{
	const char *maker = string_of(cell_of(s, "iManufacturer"));
	const char *product = string_of(cell_of(s, "iProduct"));
	bool twice = strncmp(product, maker, strlen(maker)) == 0;
	const char *const parts[] = { twice ? "" : maker, *maker && *product && !twice ? "_" : "",
				      product };

	if (!*maker && !*product)
		fprintf(out, "reader_%.4s", cell_of(s, "idProduct") + 2);
	for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
		for (const char *p = parts[i]; *p; p++)
			fputc(isalnum((unsigned char)*p) || strchr("-_.", *p) ? *p : '_', out);
}

static void row_text(FILE *out, const char *cell)
{
	unsigned index;

	if (unread(cell, &index))
		fprintf(out, "%u", index);
	else
		fputs(string_of(cell), out);
}

/* "4000, 5000 kHz" -> "4000,5000". */
static void put_list(FILE *out, const char *cell)
{
	char *end;

	for (const char *p = cell; isdigit((unsigned char)*p); p = end + 2) {
		fprintf(out, "%s%lu", p == cell ? "" : ",", strtoul(p, &end, 10));
		if (strncmp(end, ", ", 2) != 0)
			return;
	}
}

static void put_cell(FILE *out, const struct said *s, size_t i)
{
	const char *cell = s->cell[i];
	unsigned long number = strtoul(cell, NULL, 0);
	int digits = 2 * columns[i].bytes;

	switch (columns[i].type) {
	case NAME:
		put_name(out, s);
		break;
	case TEXT:
		row_text(out, cell);
		break;
	case ID:
		fprintf(out, "%0*lx", digits, number);
		break;
	case BCD:
		fprintf(out, "%.*s", (int)strcspn(cell, " "), cell);
		break;
	case DEC:
		fprintf(out, "%lu", number);
		break;
	case HEX:
		fprintf(out, "0x%0*lX", digits, number);
		break;
	case LIST:
		put_list(out, cell);
		break;
	}
}

/* The reason why there is no row; NULL: there is one. */
static const char *fault_of(const struct said *s, char *room, size_t cap)
{
	unsigned index;

	for (size_t i = 0; i < COLUMNS; i++) {
		if (!s->cell[i]) {
			snprintf(room, cap, "no field %s: not the whole text of ccid-parse",
				 columns[i].field);
			return room;
		}
	}
	if (unread(cell_of(s, "iManufacturer"), &index) || unread(cell_of(s, "iProduct"), &index))
		return "the strings were not read: run ccid-parse as root";
	return NULL;
}

static bool put_row(FILE *out, const struct said *s)
{
	char room[100];
	const char *fault = fault_of(s, room, sizeof room);

	if (fault) {
		fprintf(stderr, "ccid-parse: no row: %s\n", fault);
		return false;
	}
	for (size_t i = 0; i < COLUMNS; i++) {
		if (i > 0)
			fputc('\t', out);
		put_cell(out, s, i);
	}
	fputc('\n', out);
	return true;
}

/* "  name: value" of a field that some columns want. What comes first counts: endpoints have none
 * of them. */
static void hear(struct said *s, char *line)
{
	char *value = strstr(line, ": ");

	if (strncmp(line, "  ", 2) != 0 || !value)
		return;
	*value = '\0';
	for (size_t i = 0; i < COLUMNS; i++)
		if (!s->cell[i] && strcmp(columns[i].field, line + 2) == 0)
			s->cell[i] = value + 2;
}

int parse_rows(FILE *out, char *text)
{
	struct said s = { { NULL } };
	bool inside = false;
	int rows = 0;

	for (char *line; (line = strsep(&text, "\n"));) {
		line[strcspn(line, "\r")] = '\0';
		/* Each interface begins with a title. */
		if (line[0] != ' ' && line[0] != '\0') {
			if (inside && !put_row(out, &s))
				return -1;
			rows += inside;
			inside = true;
			s = (struct said){ { NULL } };
		} else {
			hear(&s, line);
		}
	}
	if (inside && !put_row(out, &s))
		return -1;
	return rows + inside;
}
