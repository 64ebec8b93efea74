/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef SLOT_READER_H
#define SLOT_READER_H

#include "proto/exchange_state.h"
#include "quirks/quirks.h"
#include "slot/config.h"
#include "slot/device.h"
#include "transport/transport.h"
#include "util/log_budget.h"

/* What the slots of a reader share. A slot knows its reader; a reader knows none of its slots. */

/* The answer of a Gemalto reader to Escape 6A (24 bytes), unchanged. */
#define GEMALTO_FEATURES_LENGTH 21

/* What is kept of a slot by its number, also while the slot is closed. */
struct slot_place {
	bool taken;			/* until the slot is freed */
	bool answer_owed;		/* the slot was closed with an answer outstanding: the next
					   command resynchronises */
};

/* One interface of a device. Read-only after opening, except for the parts that are marked, and
 * the transport, which has locks of its own. */
struct reader {
	char *device_name;		/* as pcscd gave it; owned */
	struct transport *transport;
	struct device *device;		/* shared with its other interfaces; NULL: not USB */
	struct ccid_desc desc;		/* after quirks */
	struct quirk_set quirks;
	struct config config;		/* copy of the options in force at open */
	struct log_budget log_budget;
	uint32_t *data_rates;		/* after quirks; owned */
	size_t n_data_rates;
	enum exchange_level level;
	bool gone;			/* atomic: told by pcscd that the device was removed */
	bool has_gemalto_features;
	uint8_t gemalto_features[GEMALTO_FEATURES_LENGTH];
	unsigned n_slots;

	/* the registry's, under its lock */
	struct slot_place *places;	/* n_slots of them */
	bool mute_at_close;		/* atomic: the last slot to be closed was not answered */
	unsigned n_open;
	bool busy;			/* is being opened or closed */
	int interface;			/* that the device name stands for; -1: not said */
	struct reader *next, **link;	/* link: what leads here */
};

/* A reader that is not open yet, ended by reader_free(). NULL: out of memory. */
struct reader *reader_new(const char *device_name);
/* For log lines about the reader; valid until reader_free(). */
struct log_ctx reader_log(struct reader *r, unsigned long lun);

static inline bool reader_is_gone(const struct reader *r)
{
	return __atomic_load_n(&r->gone, __ATOMIC_ACQUIRE);
}
/* IFD_DEVICE_REMOVED: every call inside and every later one fails at once, without error lines; a
 * poll waits for its stop. */
void reader_set_gone(struct reader *r);

/* Closes the transport, if there is one. No slot of the reader is left. */
void reader_close(struct reader *r);
void reader_free(struct reader *r);

#endif
