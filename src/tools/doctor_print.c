/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What ccid-doctor found, for a person and as JSON (doc/ccid-doctor.schema.json). */
#include "tools/doctor.h"

#include <string.h>

static const struct {
	const char *word, *json, *colour;
} verdicts[DOCTOR_VERDICTS] = {
	[WELL] = { "ok", "well", "\033[32m"},
	[BROKEN] = { "BROKEN", "broken", "\033[1;31m"},
	[UNKNOWN] = { "?", "unknown", "\033[33m"},
};

static void put_title(FILE *out, const struct doctor_device *device)
{
	if (device)
		fprintf(out, "%04x:%04x%s%s, port %s, bus %03u device %03u\n", device->usb.vendor,
			device->usb.product, *device->usb.title ? " " : "", device->usb.title,
			device->usb.port, device->usb.bus, device->usb.address);
	else
		fputs("this machine\n", out);
}

/* The findings of one device, or of the machine; nothing when there are none. */
static void put_group(FILE *out, const struct doctor *d, const struct doctor_device *device,
		      bool colour)
{
	bool title = false;

	for (unsigned i = 0; i < d->n_findings; i++) {
		const struct doctor_finding *f = &d->finding[i];

		if (f->device != device)
			continue;
		if (!title)
			put_title(out, device);
		title = true;
		fprintf(out, "  %s%-7s%s %-11s %s\n", colour ? verdicts[f->verdict].colour : "",
			verdicts[f->verdict].word, colour ? "\033[0m" : "", f->step, f->text);
		if (f->cure[0])
			fprintf(out, "          do this:    %s\n", f->cure);
	}
}

void doctor_print_text(FILE *out, const struct doctor *d, int code, bool colour)
{
	static const char *const ends[] = {
		"All is well.",
		"Something is broken: see above what to do.",
		"Nothing broken was found, but not all of it could be seen: try as root.",
	};

	put_group(out, d, NULL, colour);
	for (unsigned i = 0; i < d->n_devices; i++)
		put_group(out, d, &d->device[i], colour);
	fprintf(out, "%s%s\n", ends[code],
		code == 0 && d->pcsc.how == PCSC_NOT_ASKED ? " pcscd was not asked." : "");
}

static void put_pair(FILE *out, const char *name, const char *text)
{
	fprintf(out, ", \"%s\": ", name);
	system_json_string(out, text);
}

static void put_device(FILE *out, const struct doctor_device *device)
{
	char flag[QUIRK_NAME_CAP];
	bool comma = false;

	fprintf(out, "{\"port\": \"%s\", \"bus\": %u, \"address\": %u, \"id\": \"%04x:%04x\"",
		device->usb.port, device->usb.bus, device->usb.address, device->usb.vendor,
		device->usb.product);
	put_pair(out, "name", device->usb.title);
	put_pair(out, "bundle", device->bundle ? device->bundle->name : "");
	put_pair(out, "listed_as",
		 device->bundle ? bundle_reader_name(device->bundle, device->index) : "");
	fputs(", \"quirks\": [", out);
	for (unsigned q = 0; q < QUIRK_COUNT; q++) {
		if (!quirk_has(&device->quirks, (enum quirk)q))
			continue;
		fprintf(out, "%s\"%s\"", comma ? ", " : "",
			quirk_name((enum quirk)q, flag, sizeof flag));
		comma = true;
	}
	fputs("]}", out);
}

static void put_finding(FILE *out, const struct doctor_finding *f)
{
	fputs("{\"port\": ", out);
	system_json_string(out, f->device ? f->device->usb.port : "");
	put_pair(out, "step", f->step);
	put_pair(out, "looks_at", f->looks_at);
	put_pair(out, "verdict", verdicts[f->verdict].json);
	put_pair(out, "text", f->text);
	put_pair(out, "cure", f->cure);
	fputs("}", out);
}

void doctor_print_json(FILE *out, const struct doctor *d, int code)
{
	static const char *const results[] = { "well", "broken", "unknown"};

	fprintf(out,
		"{\"format\": 1, \"version\": \"" VERSION
		"\", \"result\": \"%s\",\n \"devices\": [",
		results[code]);
	for (unsigned i = 0; i < d->n_devices; i++) {
		fputs(i ? ",\n  " : "\n  ", out);
		put_device(out, &d->device[i]);
	}
	fputs("],\n \"findings\": [", out);
	for (unsigned i = 0; i < d->n_findings; i++) {
		fputs(i ? ",\n  " : "\n  ", out);
		put_finding(out, &d->finding[i]);
	}
	fputs("]}\n", out);
}
