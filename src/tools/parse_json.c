/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A reader as JSON (RFC 8259): each descriptor is an object of its fields, numbers as numbers, ids
 * and BCD as strings; what values mean is in the object "meaning" beside them. */
#include "tools/parse.h"

#include <inttypes.h>

struct sink {
	FILE *out;
	bool comma;	/* not the first element */
};

static void json_string(FILE *out, const char *s)
{
	fputc('"', out);
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			fputc('\\', out);
		if ((unsigned char)*s < 0x20)
			fprintf(out, "\\u%04x", (unsigned char)*s);
		else
			fputc(*s, out);
	}
	fputc('"', out);
}

static void put_comma(struct sink *s)
{
	if (s->comma)
		fputs(", ", s->out);
	s->comma = true;
}

static void json_value(FILE *out, const struct parse_field *f)
{
	unsigned v = f->value;

	switch (f->kind) {
	case PARSE_DEC:
	case PARSE_HEX:
		fprintf(out, "%u", v);
		break;
	case PARSE_ID:
		fprintf(out, "\"0x%04X\"", v);
		break;
	case PARSE_BCD:
		fprintf(out, "\"%X.%02X\"", v >> 8, v & 0xFF);
		break;
	case PARSE_STRING:
		if (f->string->index && f->string->read)
			json_string(out, f->string->text);
		else
			fputs("null", out);
		break;
	case PARSE_RATES:
		fputc('[', out);
		for (size_t i = 0; i < f->rates->n; i++)
			fprintf(out, "%s%" PRIu32, i ? ", " : "", f->rates->value[i]);
		fputc(']', out);
		break;
	case PARSE_BYTES:
		fputc('"', out);
		for (size_t i = 0; i < f->n_bytes; i++)
			fprintf(out, "%02X", f->bytes[i]);
		fputc('"', out);
		break;
	}
}

static void json_field(void *user, const struct parse_field *f)
{
	struct sink *s = user;

	put_comma(s);
	fprintf(s->out, "\n   \"%s\": ", f->name);
	json_value(s->out, f);
}

static void put_meaning(void *user, const struct parse_field *f)
{
	struct sink *s = user, list = { .out = s->out };

	if (f->n_meanings == 0 && !f->note[0])
		return;
	put_comma(s);
	fprintf(s->out, "\n    \"%s\": [", f->name);
	for (unsigned i = 0; i < f->n_meanings; i++) {
		put_comma(&list);
		json_string(s->out, f->meaning[i].text);
	}
	if (f->note[0]) {
		put_comma(&list);
		json_string(s->out, f->note);
	}
	fputc(']', s->out);
}

static void put_section(FILE *out, const struct parse_reader *r, enum parse_section section,
			const char *name)
{
	struct sink fields = { .out = out }, words = { .out = out };

	fprintf(out, ",\n  \"%s\": {", name);
	parse_section(r, section, json_field, &fields);
	put_comma(&fields);
	fputs("\n   \"meaning\": {", out);
	parse_section(r, section, put_meaning, &words);
	fputs("}}", out);
}

static void put_endpoints(FILE *out, const struct parse_reader *r)
{
	fputs(",\n  \"endpoints\": [", out);
	for (unsigned i = 0; i < r->n_endpoints; i++) {
		struct sink fields = { .out = out }, words = { .out = out };

		fputs(i ? ", {" : "{", out);
		parse_endpoint(&r->endpoint[i], json_field, &fields);
		fputs(",\n   \"meaning\": {", out);
		parse_endpoint(&r->endpoint[i], put_meaning, &words);
		fputs("}}", out);
	}
	fputs("]", out);
}

void parse_json(FILE *out, const struct parse_reader *r)
{
	fprintf(out, " {\"bus\": %u, \"address\": %u, \"problem\": ", r->bus, r->address);
	if (r->problem)
		json_string(out, r->problem);
	else
		fputs("null", out);
	parse_driver_json(out, r);
	put_section(out, r, PARSE_DEVICE, "device");
	put_section(out, r, PARSE_CONFIGURATION, "configuration");
	put_section(out, r, PARSE_INTERFACE, "interface");
	put_endpoints(out, r);
	put_section(out, r, PARSE_CLASS, "class_descriptor");
	fputs("}", out);
}
