/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CCID_RESYNC_H
#define CCID_RESYNC_H

#include "ccid/ccid_trip.h"

/* Private to src/ccid: resynchronisation of reader and driver. */

/* Time limit for a resynchronisation, and for the busy place that it needs. */
#define CCID_RESYNC_MS 1000u

/* After a command that ended without its answer: whatever still comes for it carries another bSeq
 * and is dropped. CCID_OK: no answer is owed any more; else the transport's error, or
 * CCID_ERR_COMM. */
enum ccid_err ccid_resync(struct ccid_slot *cs, unsigned place_ms, bool no_queue);
/* An ABORT succeeded, and what follows fails one by one, with nothing said of why: it did not
 * succeed at all. Such a reader listens only after a USB reset. Judges a command's error; returns
 * it, or CCID_ERR_STALE when the reset is due. */
enum ccid_err ccid_doubt(struct ccid_slot *cs, const struct ccid_command *c, enum ccid_err err);

#endif
