/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef SLOT_CONFIG_QUIRKS_H
#define SLOT_CONFIG_QUIRKS_H

#include "slot/config.h"

/* The quirks of a reader, and of the card in it (ids->atr): the tables', then those of
 * c->more_quirks (BUNDLE/Contents/quirks.d/NAME.quirk), then c->quirks (IFDCCID_QUIRKS). Files are
 * read each time; mistakes in them are logged. */
void config_quirks(const struct config *c, struct quirk_set *q, const struct quirk_ids *ids);

#endif
