/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A reader as text: one field a line, "name: value", what its bits mean indented below it. */
#include "tools/parse.h"

#include <inttypes.h>

struct style {
	const char *title, *problem, *end;
};

static const struct style plain = { "", "", "" };
static const struct style coloured = { "\033[1m", "\033[1;31m", "\033[0m" };

static void text_string(FILE *out, const struct parse_string *s)
{
	if (s->index == 0)
		fputs("none", out);
	else if (!s->read)
		fprintf(out, "string %u, not read", s->index);
	else
		fputs(s->text, out);
}

static void put_rates(FILE *out, const struct parse_field *f)
{
	for (size_t i = 0; i < f->rates->n; i++)
		fprintf(out, "%s%" PRIu32, i ? ", " : "", f->rates->value[i]);
	if (f->rates->n == 0)
		fputs("none", out);
}

static void text_value(FILE *out, const struct parse_field *f)
{
	unsigned v = f->value;

	switch (f->kind) {
	case PARSE_DEC:
		fprintf(out, "%u", v);
		break;
	case PARSE_HEX:
	case PARSE_ID:
		fprintf(out, "0x%0*X", (int)f->size * 2, v);
		break;
	case PARSE_BCD:
		fprintf(out, "%X.%02X", v >> 8, v & 0xFF);
		break;
	case PARSE_STRING:
		text_string(out, f->string);
		break;
	case PARSE_RATES:
		put_rates(out, f);
		break;
	case PARSE_BYTES:
		for (size_t i = 0; i < f->n_bytes; i++)
			fprintf(out, "%s%02X", i ? " " : "", f->bytes[i]);
		break;
	}
	if (f->unit && (f->kind != PARSE_RATES || f->rates->n))
		fprintf(out, " %s", f->unit);
}

static void text_field(void *user, const struct parse_field *f)
{
	FILE *out = user;

	fprintf(out, "  %s: ", f->name);
	text_value(out, f);
	for (unsigned i = 0; !f->is_bits && i < f->n_meanings; i++)
		fprintf(out, " (%s)", f->meaning[i].text);
	if (f->note[0])
		fprintf(out, " (%s)", f->note);
	fputc('\n', out);
	for (unsigned i = 0; f->is_bits && i < f->n_meanings; i++)
		fprintf(out, "    0x%0*X %s\n", (int)f->size * 2, (unsigned)f->meaning[i].bits,
			f->meaning[i].text);
}

static const char *text_of(const struct parse_string *s)
{
	return s->index && s->read ? s->text : "";
}

void parse_text(FILE *out, const struct parse_reader *r, bool colour)
{
	const struct style *c = colour ? &coloured : &plain;
	const char *product = text_of(&r->iProduct);

	fprintf(out, "%s%04x:%04x%s%s, bus %03u device %03u interface %u%s\n", c->title,
		r->idVendor, r->idProduct, *product ? " " : "", product, r->bus, r->address,
		r->bInterfaceNumber, c->end);
	if (r->problem)
		fprintf(out, "  %scannot be used: %s%s\n", c->problem, r->problem, c->end);
	parse_driver_text(out, r);
	fprintf(out, " %sdevice%s\n", c->title, c->end);
	parse_section(r, PARSE_DEVICE, text_field, out);
	fprintf(out, " %sconfiguration%s\n", c->title, c->end);
	parse_section(r, PARSE_CONFIGURATION, text_field, out);
	fprintf(out, " %sinterface%s\n", c->title, c->end);
	parse_section(r, PARSE_INTERFACE, text_field, out);
	for (unsigned i = 0; i < r->n_endpoints; i++) {
		fprintf(out, " %sendpoint%s\n", c->title, c->end);
		parse_endpoint(&r->endpoint[i], text_field, out);
	}
	fprintf(out, " %sclass descriptor%s%s\n", c->title, c->end, r->raw_len ? "" : ": none");
	parse_section(r, PARSE_CLASS, text_field, out);
}
