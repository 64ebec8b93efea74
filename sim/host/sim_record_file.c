/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define _GNU_SOURCE
#include "sim/host/sim_record_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define NAMES_MAX 10000

/* A recording may have PINs and keys (-k). A file that is replaced keeps its mode. */
#define RECORDING_MODE 0600

static int open_new(const char *name)
{
	return open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, RECORDING_MODE);
}

static int open_named(struct record_file *f)
{
	int fd = open_new(f->name);

	f->made = fd >= 0;
	return fd >= 0 || errno != EEXIST ? fd : open(f->name, O_WRONLY | O_CREAT | O_CLOEXEC, RECORDING_MODE);
}

/* No recording takes the place of an earlier one. */
static int open_numbered(struct record_file *f, unsigned vendor, unsigned product)
{
	int fd;

	snprintf(f->name, sizeof f->name, "%04x-%04x.ccidlog", vendor, product);
	fd = open_new(f->name);
	for (unsigned n = 2; fd < 0 && errno == EEXIST && n < NAMES_MAX; n++) {
		snprintf(f->name, sizeof f->name, "%04x-%04x-%u.ccidlog", vendor, product, n);
		fd = open_new(f->name);
		if (fd >= 0)
			fprintf(stderr, "ccid-sim: an earlier recording has the usual name; this one is %s\n", f->name);
	}
	f->made = fd >= 0;
	return fd;
}

bool record_file_open(struct record_file *f, const char *name, unsigned vendor, unsigned product)
{
	int fd = -1;

	if (!name)
		fd = open_numbered(f, vendor, product);
	else if (snprintf(f->name, sizeof f->name, "%s", name) < (int)sizeof f->name)
		fd = open_named(f);
	else
		errno = ENAMETOOLONG;
	f->out = fd >= 0 ? fdopen(fd, "w") : NULL;
	if (!f->out) {
		fprintf(stderr, "ccid-sim: %s: %s\n", f->name, strerror(errno));
		if (fd >= 0)
			close(fd);
	}
	return f->out != NULL;
}

void record_file_begin(struct record_file *f)
{
	/* Fails for a pipe or a device, where there is nothing to be removed. */
	if (!f->made)
		(void)!ftruncate(fileno(f->out), 0);
}

bool record_file_close(struct record_file *f, bool recorded)
{
	bool good;

	if (!f->out)
		return true;
	good = fclose(f->out) == 0;
	f->out = NULL;
	if (f->made && !recorded)
		unlink(f->name);
	return good;
}
