/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Checks the cells of the reader table by readers/columns.def. */
#include "sim/model/sim_dev_priv.h"

#include <stdlib.h>
#include <string.h>

enum type { NAME, TEXT, ID, BCD, DEC, HEX, LIST };

static const struct column {
	const char *name;
	enum type type;
	unsigned bytes;
	const char *values;
} columns[] = {
#define COLUMN(name, type, bytes, values, field) { #name, type, bytes, values },
#include "readers/columns.def"
#undef COLUMN
};

static const char *const type_names[] = {
	[NAME] = "one word", [TEXT] = "text",
	[ID] = "lower-case hexadecimal digits", [BCD] = "a version such as 1.10", [DEC] = "a decimal number",
	[HEX] = "0x and upper-case hexadecimal digits", [LIST] = "decimal numbers with commas between them",
};

/* Text of this many of these characters; SIZE_MAX: of any number but none. */
static bool made_of(const char *text, size_t len, const char *characters, size_t wanted)
{
	return strspn(text, characters) >= len && (wanted == SIZE_MAX ? len > 0 : len == wanted);
}

/* A decimal number of so many bytes, without zeros in front. */
static bool is_decimal(const char *text, size_t len, unsigned bytes)
{
	uint64_t most = (UINT64_C(1) << (8 * bytes)) - 1, v = 0;

	if (!made_of(text, len, "0123456789", SIZE_MAX) || len > 10 || (text[0] == '0' && len > 1))
		return false;
	for (size_t i = 0; i < len; i++)
		v = 10 * v + (uint64_t)(text[i] - '0');
	return v <= most;
}

static bool is_list(const char *text, unsigned bytes)
{
	if (!*text)
		return true;
	for (;; text++) {
		size_t len = strcspn(text, ",");

		if (!is_decimal(text, len, bytes))
			return false;
		text += len;
		if (!*text)
			return true;
	}
}

static bool is_bcd(const char *text)
{
	static const char digits[] = "0123456789ABCDEFabcdef";
	size_t major = strcspn(text, ".");
	const char *minor = text + major + (text[major] == '.');

	return made_of(text, major, digits, SIZE_MAX) && major <= 2 && text[major] == '.' &&
	       made_of(minor, strlen(minor), digits, SIZE_MAX) && strlen(minor) <= 2;
}

static bool has_type(const struct column *c, const char *text)
{
	size_t len = strlen(text), digits = (size_t)2 * c->bytes;

	switch (c->type) {
	case NAME:
		return len > 0 && !strchr(text, ' ');
	case TEXT:
		return true;
	case ID:
		return made_of(text, len, "0123456789abcdef", digits);
	case BCD:
		return is_bcd(text);
	case DEC:
		return is_decimal(text, len, c->bytes);
	case HEX:
		return strncmp(text, "0x", 2) == 0 && made_of(text + 2, len - 2, "0123456789ABCDEF", digits);
	case LIST:
		return is_list(text, c->bytes);
	}
	return false;
}

/* A word of a list of words; any text when there is no list. */
static bool is_among(const char *values, const char *text)
{
	size_t len = strlen(text);

	if (!*values)
		return true;
	for (const char *p = values; *p; p += strspn(p, " ")) {
		size_t n = strcspn(p, " ");

		if (n == len && memcmp(p, text, n) == 0)
			return true;
		p += n;
	}
	return false;
}

const char *sim_column_name(size_t i)
{
	return i < sizeof columns / sizeof columns[0] ? columns[i].name : NULL;
}

bool sim_column_allows(size_t i, const char *text, char *err, size_t err_cap)
{
	const struct column *c = &columns[i];

	if (!has_type(c, text))
		snprintf(err, err_cap, "%s is \"%.40s\": not %s%s", c->name, text, type_names[c->type],
			 c->bytes ? " that fits" : "");
	else if (!is_among(c->values, text))
		snprintf(err, err_cap, "%s is \"%.40s\": none of %s", c->name, text, c->values);
	else
		return true;
	return false;
}
