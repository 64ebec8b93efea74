/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif
#ifndef _GNU_SOURCE
#define _GNU_SOURCE	/* secure_getenv */
#endif

#include "slot/config.h"
#include "quirks/quirk_files.h"
#include "util/log.h"
#include "util/plist.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The environment of a set-uid program is not the administrator's. */
static const char *environment(const char *name)
{
#ifdef HAVE_SECURE_GETENV
	return secure_getenv(name);
#else
	return getenv(name);
#endif
}

/* Decimal, 0x.. or 0..; nothing else, and nothing beyond 32 bits. */
static bool config_number(const char *text, unsigned *out)
{
	char *end;
	unsigned long v;

	if (text[0] < '0' || text[0] > '9')
		return false;
	errno = 0;
	v = strtoul(text, &end, 0);
	if (errno != 0 || *end != '\0' || v > UINT_MAX)
		return false;
	*out = (unsigned)v;
	return true;
}

static void take_number(const char *name, const char *text, unsigned *out)
{
	if (text && !config_number(text, out))
		LOG(LOG_CRITICAL, NULL, "%s: \"%.40s\" is not a number and is ignored", name, text);
}

/* pcscd pairs the three arrays by position: unequal ones give readers wrong names. */
static enum ccid_err check_arrays(const struct plist *p, const char *path)
{
	size_t vendors = plist_count(p, "ifdVendorID");
	size_t products = plist_count(p, "ifdProductID");
	size_t names = plist_count(p, "ifdFriendlyName");

	if (vendors > 0 && vendors == products && vendors == names)
		return CCID_OK;
	LOG(LOG_CRITICAL, NULL,
	    "%s: ifdVendorID has %zu entries, ifdProductID %zu, ifdFriendlyName %zu: "
	    "they must be equally many, and at least one",
	    path, vendors, products, names);
	return CCID_ERR_CONFIG;
}

static enum ccid_err read_plist(struct config *c, const char *path)
{
	struct plist_error e;
	struct plist *p;
	enum ccid_err err = plist_read(&p, path, &e);

	if (err == CCID_ERR_CONFIG && e.line == 0)
		LOG(LOG_CRITICAL, NULL,
		    "%s: %s%s%s: it is read again when the next reader is opened", path,
		    e.why, e.error ? ": " : "", e.error ? strerror(e.error) : "");
	else if (err == CCID_ERR_CONFIG)
		LOG(LOG_CRITICAL, NULL, "%s, line %u: %s", path, e.line, e.why);
	else if (err != CCID_OK)
		LOG(LOG_CRITICAL, NULL, "%s: %s", path, err_name(err));
	if (err != CCID_OK)
		return err;
	err = check_arrays(p, path);
	take_number("ifdLogLevel", plist_get(p, "ifdLogLevel", 0), &c->log_level);
	take_number("ifdDriverOptions", plist_get(p, "ifdDriverOptions", 0), &c->driver_options);
	plist_free(p);
	return err;
}

static void read_environment(struct config *c)
{
	const char *secrets = environment("IFDCCID_LOG_SECRETS");
	const char *quirks = environment("IFDCCID_QUIRKS");
	const char *language = environment("LANG");

	take_number("LIBCCID_ifdLogLevel", environment("LIBCCID_ifdLogLevel"), &c->log_level);
	c->log_secrets = secrets && strcmp(secrets, "1") == 0;
	snprintf(c->language, sizeof c->language, "%s", language ? language : "");
	if (!quirks)
		return;
	if (snprintf(c->quirks, sizeof c->quirks, "%s", quirks) >= (int)sizeof c->quirks) {
		char *entry = strrchr(c->quirks, ';');

		/* A cut entry could mean another quirk. */
		*(entry ? entry : c->quirks) = '\0';
		LOG(LOG_CRITICAL, NULL, "IFDCCID_QUIRKS is longer than %zu characters, cut",
		    sizeof c->quirks - 1);
	}
	quirks_check_override(c->quirks);
}

const char *config_folder(void)
{
	const char *dir = environment("PCSCLITE_HP_DROPDIR");

	return dir && dir[0] != '\0' ? dir : PCSCLITE_HP_DROPDIR;
}

/* A path in the bundle. The caller frees it; NULL without memory. */
static char *in_bundle(const char *name)
{
	const char *dir = config_folder();
	size_t cap;
	char *path;

	cap = strlen(dir) + strlen(name) + sizeof "/" BUNDLE "/Contents/";
	path = malloc(cap);
	if (path)
		snprintf(path, cap, "%s/%s/Contents/%s", dir, BUNDLE, name);
	return path;
}

bool config_readable(void)
{
	char *path = in_bundle("Info.plist");
	bool readable = path && access(path, R_OK) == 0;

	free(path);
	return readable;
}

static void add_files(struct quirk_set *q, const struct quirk_ids *ids)
{
	char *folder = in_bundle("quirks.d");

	if (folder)
		quirk_files_apply(q, ids, folder);
	free(folder);
}

enum ccid_err config_load(struct config *c)
{
	enum ccid_err err = CCID_ERR_NOMEM;
	char *path = in_bundle("Info.plist");

	*c = (struct config){ .log_level = LOG_DEFAULT_MASK, .more_quirks = add_files };
	if (path) {
		err = read_plist(c, path);
		free(path);
	}
	read_environment(c);
	log_setup(c->log_level, c->log_secrets);
	return err;
}
