/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef SIM_RECORD_H
#define SIM_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "sim/model/sim_dev.h"

/* Writes what goes over the wire of one USB reader as a recording: the text that ccidlog(5)
 * describes. The transfers come from the preloaded library, or from a simulated device in the same
 * process. */
struct sim_recorder;

struct sim_record_options {
	bool no_times;	/* leaves out how long each thing took */
	bool fine;	/* tells it to the microsecond */
	bool polls;	/* also those of GetSlotStatus that say what is known */
	bool secrets;	/* with the bytes of PINs and keys */
	bool serial;	/* with the serial number */
};

/* out stays the caller's. */
struct sim_recorder *sim_record_new(FILE *out, const struct sim_record_options *o);
/* What the reader is: device descriptor and configuration descriptor. string gives string descriptors, NULL where it
 * has none. The first call writes the head; a later one means that the reader was plugged in again. */
void sim_record_device(struct sim_recorder *r, const uint8_t *descriptors, size_t len,
		       const char *(*string)(void *user, unsigned index), void *user);
/* A transfer that is submitted, and when it is over. Of bulk OUT the first counts, of all others the second. */
void sim_record_submit(struct sim_recorder *r, const struct sim_urb *u, uint64_t now);
void sim_record_complete(struct sim_recorder *r, const struct sim_urb *u, uint64_t now);
/* Ends the text. False: it could not be written. */
bool sim_record_end(struct sim_recorder *r);

/* The known answer of a slot to GetSlotStatus, from the reader's earlier messages. A recording
 * leaves out the polls that say this, and a player answers polls by it: both have it from here. */
struct sim_known {
	bool valid;
	uint8_t icc;	/* bmICCStatus */
	uint8_t clock;	/* of the last SlotStatus */
};

void sim_known_answer(struct sim_known *k, const uint8_t *p, size_t len);
/* A notification of slot changes; slot i of the interface is k[i]. */
void sim_known_notice(struct sim_known *k, unsigned n, const uint8_t *p, size_t len);
/* The answer to GetSlotStatus that says what is known. */
void sim_known_status(const struct sim_known *k, uint8_t slot, uint8_t seq, uint8_t answer[10]);

#endif
