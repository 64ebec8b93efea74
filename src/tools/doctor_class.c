/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Readers that no driver lists: reader.conf offers them by their class (libccid(5)). */
#include "tools/doctor.h"
#include "tools/tame.h"

#include <stdlib.h>
#include <string.h>

#define FOLDER "/etc/reader.conf.d"

/* The value of a line "KEY value" or KEY "value" in *out; false: it has another key. */
static bool class_value(const char *line, const char *key, char *out, size_t cap)
{
	size_t n = strlen(key);
	bool quoted;

	if (strncmp(line, key, n) != 0 || !strchr(" \t", line[n]))
		return false;
	line += n + strspn(line + n, " \t");
	quoted = *line == '"';
	line += quoted;
	n = strcspn(line, quoted ? "\"" : " \t\r");
	snprintf(out, cap, "%.*s", (int)n, line);
	tame_text(out);
	return true;
}

/* An entry begins with its name. */
static bool look_at_file(void *user, const char *file)
{
	struct doctor *d = user;
	struct doctor_class *c = &d->by_class;
	char *text = system_text(&d->root, FOLDER "/%s", file), *save = NULL, device[100] = "";

	for (char *line = text ? strtok_r(text, "\n", &save) : NULL; line;
	     line = strtok_r(NULL, "\n", &save)) {
		class_value(line, "FRIENDLYNAME", c->name, sizeof c->name);
		class_value(line, "LIBPATH", c->library, sizeof c->library);
		class_value(line, "DEVICENAME", device, sizeof device);
		if (strncmp(device, "usb:class", 9) == 0 && c->name[0] && c->library[0]) {
			snprintf(c->file, sizeof c->file, FOLDER "/%.200s", file);
			break;
		}
	}
	free(text);
	if (!c->file[0])
		*c = (struct doctor_class){.file = ""};
	return c->file[0] != '\0';
}

void doctor_find_class(struct doctor *d)
{
	system_each(&d->root, FOLDER, look_at_file, d);
}

bool doctor_is_by_class(const struct doctor *d, const struct doctor_device *device)
{
	bool of_class = false;

	for (unsigned i = 0; i < device->usb.n_faces; i++)
		of_class = of_class || (device->usb.face[i].desc.bInterfaceClass == CCID_CLASS &&
					!device->usb.face[i].fault);
	return of_class && !device->bundle && d->by_class.file[0];
}

const char *doctor_name_of(const struct doctor *d, const struct doctor_device *device)
{
	return device->bundle ? bundle_reader_name(device->bundle, device->index)
			      : d->by_class.name;
}
