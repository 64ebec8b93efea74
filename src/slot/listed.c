/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "slot/listed.h"

#include "util/log.h"
#include "util/plist.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PATH_CAP 1024

/* The ids of one bundle, as pcscd reads them. */
struct ids {
	uint32_t *id;
	size_t n;
};

static void take_vendor(void *user, size_t i, const char *value)
{
	struct ids *ids = user;

	if (i < ids->n)
		ids->id[i] = (uint32_t)strtoul(value, NULL, 16) << 16;
}

static void take_product(void *user, size_t i, const char *value)
{
	struct ids *ids = user;

	if (i < ids->n)
		ids->id[i] |= (uint32_t)strtoul(value, NULL, 16) & 0xFFFF;
}

static enum ccid_err add_all(struct listed *l, const struct plist *p)
{
	size_t vendors = plist_count(p, "ifdVendorID"), products = plist_count(p, "ifdProductID");
	size_t n = vendors < products ? vendors : products;
	uint32_t *more = realloc(l->ids, (l->n + n + 1) * sizeof *more);
	struct ids ids;

	if (!more)
		return CCID_ERR_NOMEM;
	l->ids = more;
	ids = (struct ids){ more + l->n, n };
	plist_each(p, "ifdVendorID", take_vendor, &ids);
	plist_each(p, "ifdProductID", take_product, &ids);
	l->n += n;
	return CCID_OK;
}

static enum ccid_err add_bundle(struct listed *l, const char *path)
{
	struct plist_error e;
	struct plist *p;
	enum ccid_err err = plist_read(&p, path, &e);

	if (err == CCID_OK) {
		err = add_all(l, p);
		plist_free(p);
	} else if (err != CCID_ERR_NOMEM) {
		LOG(LOG_CRITICAL, NULL, "%s, line %u: %s: its readers count as not listed", path,
		    e.line, e.why);
		err = CCID_OK;
	}
	return err;
}

static bool is_bundle(const char *name)
{
	return strstr(name, ".bundle") != NULL;
}

enum ccid_err listed_load(struct listed *l, const char *folder)
{
	DIR *dir = opendir(folder);
	enum ccid_err err = CCID_OK;
	char path[PATH_CAP];
	struct dirent *e;

	*l = (struct listed){ .n = 0 };
	if (!dir) {
		LOG(LOG_CRITICAL, NULL, "%s: %s: readers by class are not looked for", folder,
		    strerror(errno));
		return CCID_ERR_CONFIG;
	}
	while (err == CCID_OK && (e = readdir(dir))) {
		int len = snprintf(path, sizeof path, "%s/%s/Contents/Info.plist", folder,
				   e->d_name);

		/* What ccid-add-reader added to a driver that is gone has no Info.plist. */
		if (is_bundle(e->d_name) && len < (int)sizeof path && access(path, F_OK) == 0)
			err = add_bundle(l, path);
	}
	closedir(dir);
	if (err != CCID_OK)
		listed_free(l);
	return err;
}

bool listed_has(const struct listed *l, uint16_t idVendor, uint16_t idProduct)
{
	uint32_t id = (uint32_t)idVendor << 16 | idProduct;

	for (size_t i = 0; i < l->n; i++)
		if (l->ids[i] == id)
			return true;
	return false;
}

void listed_free(struct listed *l)
{
	free(l->ids);
	*l = (struct listed){ .n = 0 };
}
