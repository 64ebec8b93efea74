/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bytes as a script writes them: "6F .. 00*4 ss data:0-260 *". */
#include "field/field.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A token is a byte, or one of these. */
#define ANY 0x100u
#define NAME 0x8000u		/* and 7 + 7 bits of letters */
#define MOST 70000u

static bool add(struct pattern *p, unsigned token, size_t times)
{
	uint16_t *more;

	if (times > MOST - p->n)
		return false;
	more = realloc(p->token, (p->n + times + 1) * sizeof *more);
	if (!more)
		abort();
	p->token = more;
	while (times--)
		p->token[p->n++] = (uint16_t)token;
	return true;
}

static bool is_name(const char *w)
{
	return strlen(w) == 2 && w[0] >= 'g' && w[0] <= 'z' && w[1] >= 'g' && w[1] <= 'z';
}

/* "data:A-B": byte i is i + i / 256, so that no two pieces are alike. */
static bool add_data(struct pattern *p, const char *w)
{
	unsigned a, b;
	char tail;

	if (sscanf(w, "data:%u-%u%c", &a, &b, &tail) != 2 || b < a || b - a >= MOST)
		return false;
	for (unsigned i = a; i <= b; i++)
		if (!add(p, (i + i / 256) & 0xFF, 1))
			return false;
	return true;
}

static bool add_hex(struct pattern *p, const char *w)
{
	size_t n = strspn(w, "0123456789abcdefABCDEF");
	unsigned v = 0, times = 1;
	char tail;

	if (n == 0 || n % 2)
		return false;
	if (w[n] && (n != 2 || sscanf(w + n, "*%u%c", &times, &tail) != 1))
		return false;
	for (size_t i = 0; i < n; i += 2) {
		char digits[3] = { w[i], w[i + 1], '\0' };

		v = (unsigned)strtoul(digits, NULL, 16);
		if (!add(p, v, times))
			return false;
	}
	return true;
}

static bool add_word(struct pattern *p, const char *w)
{
	unsigned times = 1;
	char tail;

	if (strcmp(w, "*") == 0) {
		p->open = true;
		return true;
	}
	if (strcmp(w, "..") == 0 || sscanf(w, "..*%u%c", &times, &tail) == 1)
		return add(p, ANY, times);
	if (is_name(w))
		return add(p, NAME | (unsigned)w[0] << 7 | (unsigned)w[1], 1);
	return strncmp(w, "data:", 5) == 0 ? add_data(p, w) : add_hex(p, w);
}

const char *pattern_parse(struct pattern *p, const char *text)
{
	char *copy = strdup(text), *save = NULL;
	const char *wrong = NULL;

	memset(p, 0, sizeof *p);
	if (!copy)
		abort();
	for (char *w = strtok_r(copy, " \t", &save); w && !wrong; w = strtok_r(NULL, " \t", &save)) {
		if (p->open || !add_word(p, w))
			wrong = text + (w - copy);
	}
	free(copy);
	if (wrong)
		pattern_free(p);
	return wrong;
}

void pattern_free(struct pattern *p)
{
	free(p->token);
	memset(p, 0, sizeof *p);
}

static struct binding *find(struct bindings *b, unsigned token)
{
	char name[2] = { (char)(token >> 7 & 0x7F), (char)(token & 0x7F) };
	struct binding *x;

	for (x = b->b; x < b->b + 8 && x->name[0]; x++)
		if (memcmp(x->name, name, 2) == 0)
			return x;
	if (x == b->b + 8)
		x = b->b + 7;
	memset(x, 0, sizeof *x);
	memcpy(x->name, name, 2);
	return x;
}

void bind_seq(struct bindings *b, uint8_t seq)
{
	struct binding *x = find(b, NAME | (unsigned)'s' << 7 | 's');

	x->bound = true;
	x->value = seq;
}

static bool name_matches(struct bindings *b, unsigned token, uint8_t byte)
{
	struct binding *x = find(b, token);

	if (x->bound)
		return x->value == byte;
	x->bound = true;
	x->value = byte;
	return true;
}

bool pattern_matches(const struct pattern *p, const uint8_t *bytes, size_t len, struct bindings *b)
{
	struct bindings tried = { 0 };

	if (len < p->n || (len > p->n && !p->open))
		return false;
	if (b)
		tried = *b;
	for (size_t i = 0; i < p->n; i++) {
		unsigned t = p->token[i];

		if (t & NAME ? b && !name_matches(&tried, t, bytes[i]) : t != ANY && t != bytes[i])
			return false;
	}
	if (b)
		*b = tried;
	return true;
}

uint8_t *pattern_bytes(const struct pattern *p, const struct bindings *b)
{
	uint8_t *out = calloc(1, p->n + 1);
	struct bindings names = *b;

	if (!out)
		abort();
	for (size_t i = 0; i < p->n; i++) {
		unsigned t = p->token[i];

		if (t & NAME)
			out[i] = find(&names, t)->value;
		else if (t != ANY)
			out[i] = (uint8_t)t;
	}
	return out;
}

char *hex_text(char *text, size_t cap, const uint8_t *bytes, size_t len)
{
	size_t at = 0;

	text[0] = '\0';
	for (size_t i = 0; i < len; i++) {
		if (at + 12 > cap) {
			snprintf(text + at, cap - at, "...");
			break;
		}
		at += (size_t)snprintf(text + at, cap - at, "%s%02X", i ? " " : "", bytes[i]);
	}
	return text;
}
