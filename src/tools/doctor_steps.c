/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What ccid-doctor looks at, from the bus to the application. */
#include "tools/doctor.h"

#include <stdarg.h>
#include <string.h>

const struct doctor_step doctor_steps[] = {
	{ "bus", "USB, and a reader on it", false, doctor_bus },
	{ "drivers", "pcscd's drivers and their lists of readers", false, doctor_drivers },
	{ "allowed", "whether the device may be used and is configured", true, doctor_allowed },
	{ "descriptor", "what the device says about itself", true, doctor_descriptor },
	{ "listed", "the driver that pcscd takes for it", true, doctor_listed },
	{ "library", "whether that driver loads", true, doctor_library },
	{ "firmware", "whether that driver refuses its firmware", true, doctor_firmware },
	{ "node", "whether pcscd may open it", true, doctor_node },
	{ "kernel", "whether a driver of the kernel has it", true, doctor_kernel },
	{ "holder", "whether another program has it", true, doctor_holder },
	{ "power", "whether it may be suspended", true, doctor_power },
	{ "ignored", "whether pcscd was told to pass it over", true, doctor_ignored },
	{ "installed", "whether there is a pcscd", false, doctor_installed },
	{ "service", "whether pcscd runs or is started when it is needed", false, doctor_service },
	{ "answer", "whether pcscd answers you", false, doctor_answer },
	{ "shown", "whether programs see the reader", true, doctor_shown },
	{ "card", "whether the card answers", true, doctor_card },
};
const unsigned doctor_n_steps = sizeof doctor_steps / sizeof doctor_steps[0];

static struct doctor_finding *now(struct doctor *d)
{
	return &d->finding[d->n_findings];
}

enum doctor_verdict doctor_say(struct doctor *d, enum doctor_verdict v, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(now(d)->text, DOCTOR_TEXT, fmt, ap);
	va_end(ap);
	return v;
}

void doctor_cure(struct doctor *d, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(now(d)->cure, DOCTOR_TEXT, fmt, ap);
	va_end(ap);
}

static enum doctor_verdict look(struct doctor *d, const struct doctor_step *step,
				struct doctor_device *device)
{
	struct doctor_finding *f = now(d);

	*f = (struct doctor_finding){
		.device = device, .step = step->name, .looks_at = step->looks_at};
	f->verdict = step->look(d, device);
	if (f->verdict != SKIPPED && d->n_findings + 1 < DOCTOR_FINDINGS)
		d->n_findings++;
	return f->verdict;
}

/* False: nothing is left to look at. */
static bool look_at_devices(struct doctor *d, const struct doctor_step *step)
{
	bool left = d->n_devices == 0;

	for (unsigned i = 0; i < d->n_devices; i++) {
		struct doctor_device *device = &d->device[i];

		if (!device->broken)
			device->broken = look(d, step, device) == BROKEN;
		left = left || !device->broken;
	}
	return left;
}

/* Of what programs see: an earlier step that could not look does not matter when this one did. */
static bool is_of_programs(const struct doctor_finding *f)
{
	return strcmp(f->step, "shown") == 0 || strcmp(f->step, "card") == 0;
}

/* A reader that programs see works, whatever this user could not look into. */
static int exit_code(const struct doctor *d)
{
	unsigned count[DOCTOR_VERDICTS] = {0}, shown = 0, open = 0;

	for (unsigned i = 0; i < d->n_findings; i++) {
		const struct doctor_finding *f = &d->finding[i];

		count[f->verdict]++;
		shown += f->verdict == WELL && strcmp(f->step, "shown") == 0;
		open += f->verdict == UNKNOWN && is_of_programs(f);
	}
	if (count[BROKEN])
		return 1;
	return open || (count[UNKNOWN] && (!shown || shown < d->n_devices)) ? 2 : 0;
}

int doctor_walk(struct doctor *d)
{
	for (unsigned i = 0; i < doctor_n_steps; i++) {
		const struct doctor_step *step = &doctor_steps[i];
		bool left = step->each_device ? look_at_devices(d, step)
					      : look(d, step, NULL) != BROKEN;

		if (!left)
			break;
	}
	return exit_code(d);
}
