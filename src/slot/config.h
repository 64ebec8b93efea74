/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef SLOT_CONFIG_H
#define SLOT_CONFIG_H

#include "quirks/quirks.h"
#include "util/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bits of ifdDriverOptions. */
#define OPTION_ESCAPE_AUTHORISED 0x01u
#define OPTION_GEMALTO_APDU_MODE 0x02u
#define OPTION_USE_BOGUS_FIRMWARE 0x04u
#define OPTION_VOLTAGE_MASK 0x30u	/* 00 5 V, 10 3 V, 20 1.8 V, 30 the reader decides */
#define OPTION_NO_PIN_RETRY 0x40u

/* Options from Info.plist and environment. Plain values, copied freely. */
struct config {
	unsigned log_level;		/* ifdLogLevel, LIBCCID_ifdLogLevel */
	unsigned driver_options;	/* ifdDriverOptions */
	bool log_secrets;		/* IFDCCID_LOG_SECRETS=1 */
	char language[8];		/* LANG, its beginning: for texts on a reader's display */
	/* Adds what the system has besides the tables: the driver reads the files of
	 * BUNDLE/Contents/quirks.d. NULL: nothing. */
	void (*more_quirks)(struct quirk_set *q, const struct quirk_ids *ids);
	char quirks[512];		/* IFDCCID_QUIRKS, "" when unset; longer: reported, cut */
};

/* Reads $PCSCLITE_HP_DROPDIR/BUNDLE/Contents/Info.plist (environment first, then the
 * compiled-in folder), checks that its three arrays are equally long, and the environment. Always
 * fills *c with usable values and puts the log levels in force (log_setup); CCID_ERR_CONFIG when
 * the plist cannot be used, after one clear log line (missing, unreadable, not a plist, the
 * three lengths); CCID_ERR_NOMEM. Meant to be called once per process, and
 * again after an error: mistakes in the values and in the environment are logged here. */
enum ccid_err config_load(struct config *c);
/* Where the bundles of all drivers are: $PCSCLITE_HP_DROPDIR, else the compiled-in folder. */
const char *config_folder(void);
/* Whether there is an Info.plist that may be read. */
bool config_readable(void);

#endif
