/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TOOLS_BUNDLES_H
#define TOOLS_BUNDLES_H

/* The drivers that pcscd finds, and which readers they list. */

#include "tools/system.h"
#include "util/plist.h"

#define BUNDLES_MAX 64

struct bundle {
	char name[128];	     /* "ifd-ccid.bundle" */
	struct plist *plist; /* NULL: cannot be read, see error */
	struct plist_error error;
	size_t vendors, products, names; /* length of the three arrays */
	bool class_driver;		 /* another bundle with the same reader goes first */
	bool ours;			 /* has the second library of ifd-ccid */
};

struct bundles {
	char folder[SYSTEM_PATH]; /* below the root */
	int error;		  /* errno of the folder; 0: it was read */
	unsigned n;
	struct bundle list[BUNDLES_MAX];
};

/* Reads every *.bundle of a folder, in the order in which pcscd finds them. End with
 * bundles_free(). */
void bundles_read(struct bundles *b, const struct system_root *root, const char *folder);
void bundles_free(struct bundles *b);

/* The index of a reader in a bundle's arrays, -1: it is not listed. */
int bundle_lists(const struct bundle *b, unsigned vendor, unsigned product);
const char *bundle_reader_name(const struct bundle *b, int index);
/* Whether a name of PC/SC begins with one of the names that a reader has in a bundle: an id may be
 * listed several times. */
bool bundle_names(const struct bundle *b, unsigned vendor, unsigned product, const char *shown);
/* The bundle that pcscd takes for a reader, NULL: none lists it. */
const struct bundle *bundles_winner(const struct bundles *b, unsigned vendor, unsigned product);
/* The path, without the root, of its library; false: it names none. */
bool bundle_library(const struct bundles *b, const struct bundle *one, char out[SYSTEM_PATH]);

#endif
