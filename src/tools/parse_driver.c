/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The treatment of a reader by the installed drivers. */
#include "tools/parse.h"

#include "quirks/quirks.h"

#include <stdlib.h>

/* The names of the reader's quirks, with that between them. False: it has none. */
static bool put_quirks(FILE *out, const struct parse_reader *r, const char *quote)
{
	struct quirk_set set;
	char name[QUIRK_NAME_CAP];
	bool any = false;

	quirks_match(&set, r->idVendor, r->idProduct, r->bcdDevice, getenv("IFDCCID_QUIRKS"));
	for (unsigned q = 0; q < QUIRK_COUNT; q++) {
		if (!quirk_has(&set, (enum quirk)q))
			continue;
		fprintf(out, "%s%s%s%s", any ? ", " : "", quote,
			quirk_name((enum quirk)q, name, sizeof name), quote);
		any = true;
	}
	return any;
}

void parse_driver_text(FILE *out, const struct parse_reader *r)
{
	const struct bundle *winner;

	if (!r->bundles)
		return;
	winner = bundles_winner(r->bundles, r->idVendor, r->idProduct);
	if (!winner)
		fputs("  not listed by any driver here: ccid-add-reader(8)\n", out);
	for (unsigned i = 0; i < r->bundles->n; i++) {
		const struct bundle *one = &r->bundles->list[i];
		int at = one->plist ? bundle_lists(one, r->idVendor, r->idProduct) : -1;

		if (at >= 0)
			fprintf(out, "  listed by %s as \"%s\"%s\n", one->name,
				bundle_reader_name(one, at),
				one == winner ? "" : ", which pcscd does not take");
	}
	fputs("  special treatment: ", out);
	fputs(put_quirks(out, r, "") ? "\n" : "none\n", out);
}

void parse_driver_json(FILE *out, const struct parse_reader *r)
{
	bool comma = false;

	if (!r->bundles)
		return;
	fputs(",\n  \"listed_by\": [", out);
	for (unsigned i = 0; i < r->bundles->n; i++) {
		const struct bundle *one = &r->bundles->list[i];
		int at = one->plist ? bundle_lists(one, r->idVendor, r->idProduct) : -1;

		if (at < 0)
			continue;
		fputs(comma ? ", {\"bundle\": " : "{\"bundle\": ", out);
		system_json_string(out, one->name);
		fputs(", \"name\": ", out);
		system_json_string(out, bundle_reader_name(one, at));
		fputs("}", out);
		comma = true;
	}
	fputs("], \"quirks\": [", out);
	put_quirks(out, r, "\"");
	fputs("]", out);
}
