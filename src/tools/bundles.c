/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tools/bundles.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SUFFIX ".bundle"

static void read_one(struct bundles *b, const struct system_root *root, const char *name)
{
	static const struct system_root no_root = { "" };
	struct bundle *one = &b->list[b->n];
	char path[SYSTEM_PATH];
	const char *text;

	if (!system_path(root, path, "%s/%s/Contents/Info.plist", b->folder, name) ||
	    strlen(name) >= sizeof one->name)
		return;
	/* Without a list pcscd passes it over: readers that were added to a driver that is gone. */
	if (!system_exists(&no_root, "%s", path))
		return;
	*one = (struct bundle){.plist = NULL};
	strcpy(one->name, name);
	if (plist_read(&one->plist, path, &one->error) == CCID_OK) {
		one->vendors = plist_count(one->plist, "ifdVendorID");
		one->products = plist_count(one->plist, "ifdProductID");
		one->names = plist_count(one->plist, "ifdFriendlyName");
		text = plist_get(one->plist, "CFBundleName", 0);
		one->class_driver = text && strcmp(text, "CCIDCLASSDRIVER") == 0;
		text = plist_get(one->plist, "CFBundleIdentifier", 0);
		one->ours = text &&
			    (strcmp(text, "ifd-ccid") == 0 || strcmp(text, "ifd-ccid-local") == 0);
	}
	b->n++;
}

void bundles_read(struct bundles *b, const struct system_root *root, const char *folder)
{
	char path[SYSTEM_PATH];
	struct dirent *e;
	DIR *dir;

	memset(b, 0, sizeof *b);
	errno = ENAMETOOLONG;
	dir = NULL;
	if (strlen(folder) < sizeof b->folder && system_path(root, path, "%s", folder)) {
		strcpy(b->folder, folder);
		dir = opendir(path);
	}
	if (!dir) {
		b->error = errno;
		return;
	}
	/* The order of the folder is the order in which pcscd finds them. */
	while ((e = readdir(dir)) && b->n < BUNDLES_MAX) {
		size_t len = strlen(e->d_name), suffix = sizeof(SUFFIX) - 1;

		if (len > suffix && strcmp(e->d_name + len - suffix, SUFFIX) == 0)
			read_one(b, root, e->d_name);
	}
	closedir(dir);
}

void bundles_free(struct bundles *b)
{
	for (unsigned i = 0; i < b->n; i++)
		plist_free(b->list[i].plist);
	b->n = 0;
}

static bool is_number(const char *text, unsigned want)
{
	char *end;

	if (!text)
		return false;
	return strtoul(text, &end, 16) == want && end != text;
}

/* The first matching index from `from` on. */
static int next_listed(const struct bundle *b, size_t from, unsigned vendor, unsigned product)
{
	size_t n = b->vendors < b->products ? b->vendors : b->products;

	for (size_t i = from; i < n; i++)
		if (is_number(plist_get(b->plist, "ifdVendorID", i), vendor) &&
		    is_number(plist_get(b->plist, "ifdProductID", i), product))
			return (int)i;
	return -1;
}

int bundle_lists(const struct bundle *b, unsigned vendor, unsigned product)
{
	return next_listed(b, 0, vendor, product);
}

bool bundle_names(const struct bundle *b, unsigned vendor, unsigned product, const char *shown)
{
	for (int i = next_listed(b, 0, vendor, product); i >= 0;
	     i = next_listed(b, (size_t)i + 1, vendor, product)) {
		const char *name = bundle_reader_name(b, i);
		size_t n = strlen(name);

		if (n && strncmp(shown, name, n) == 0 && (shown[n] == ' ' || shown[n] == '\0'))
			return true;
	}
	return false;
}

const char *bundle_reader_name(const struct bundle *b, int index)
{
	const char *name = index < 0 ? NULL : plist_get(b->plist, "ifdFriendlyName", (size_t)index);

	return name ? name : "";
}

const struct bundle *bundles_winner(const struct bundles *b, unsigned vendor, unsigned product)
{
	const struct bundle *of_class = NULL;

	for (unsigned i = 0; i < b->n; i++) {
		const struct bundle *one = &b->list[i];

		if (!one->plist || bundle_lists(one, vendor, product) < 0)
			continue;
		if (!one->class_driver)
			return one;
		if (!of_class)
			of_class = one;
	}
	return of_class;
}

bool bundle_library(const struct bundles *b, const struct bundle *one, char out[SYSTEM_PATH])
{
	static const struct system_root no_root = { "" };
	const char *name = plist_get(one->plist, "CFBundleExecutable", 0);

	return name && *name &&
	       system_path(&no_root, out, "%s/%s/Contents/" BUNDLE_ARCH "/%s", b->folder, one->name,
			   name);
}
