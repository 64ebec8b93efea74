/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef FUZZ_DEV_H
#define FUZZ_DEV_H

#include "fuzz/fuzz.h"
#include "sim/model/sim_dev.h"

/* A USB device behind fake_libusb*.c that says what a script tells it to say: it takes the place of the model in
 * sim_dev.c (same functions), which knows too well what a reader is. */

enum fuzz_mood {
	MOOD_SILENT,	/* says nothing any more */
	MOOD_HONEST,	/* is a reader with a card in each slot */
	MOOD_REPEAT,	/* does for ever what the script said last */
};

struct fuzz_dev_conf {
	uint16_t vendor, product, bcd;
	uint8_t protocol;		/* bInterfaceProtocol */
	uint8_t max_slot_index, busy, pin_support;
	uint32_t features, max_message;
	uint16_t packet;
	bool t1;			/* the cards' protocol */
	bool has_interrupt;
	const uint8_t *descriptors;	/* configuration, as it is; NULL: made from the above */
	size_t descriptors_len;
	struct fuzz_in bulk;		/* what is answered to commands; see fuzz_dev_bulk.c */
	struct fuzz_in control;		/* to class and string requests: kind, length, bytes */
	struct fuzz_in interrupt;	/* delay, kind, length, bytes */
	enum fuzz_mood then;		/* at the end of the scripts */
};

struct sim_dev *fuzz_dev_new(const struct fuzz_dev_conf *conf);
/* The scripts are forgotten, and what was not sent yet. */
void fuzz_dev_honest(struct sim_dev *d);
/* One packet on the interrupt endpoint. */
void fuzz_dev_interrupt(struct sim_dev *d, const uint8_t *p, size_t n);
/* All bytes the device sent since the last call of fuzz_dev_unsaid(). */
const uint8_t *fuzz_dev_said(const struct sim_dev *d, size_t *n);
void fuzz_dev_unsaid(struct sim_dev *d);
/* ATR of its cards. */
const uint8_t *fuzz_dev_atr(const struct sim_dev *d, size_t *n);

#endif
