/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef FUZZ_DEV_H
#define FUZZ_DEV_H

#include "fuzz/fuzz.h"
#include "sim/model/sim_dev.h"

/* A USB device behind fake_libusb*.c whose answers come from a script. The functions are those of
 * sim_dev.c, which is not linked: the model there is too close to a real reader. */

enum fuzz_mood {
	MOOD_SILENT,	/* sends nothing more */
	MOOD_HONEST,	/* answers correctly, with a card in each slot */
	MOOD_REPEAT,	/* repeats the script's last record for ever */
};

struct fuzz_dev_conf {
	uint16_t vendor, product, bcd;
	uint8_t protocol;		/* bInterfaceProtocol */
	uint8_t max_slot_index, busy, pin_support;
	uint32_t features, max_message;
	uint16_t packet;
	bool t1;			/* the cards' protocol */
	bool has_interrupt;
	const uint8_t *descriptors;	/* raw configuration; NULL: made from the members above */
	size_t descriptors_len;
	struct fuzz_in bulk;		/* answers to commands; see fuzz_dev_bulk.c */
	struct fuzz_in control;		/* for class and string requests: kind, length, bytes */
	struct fuzz_in interrupt;	/* delay, kind, length, bytes */
	enum fuzz_mood then;		/* the mood at the end of the scripts */
};

struct sim_dev *fuzz_dev_new(const struct fuzz_dev_conf *conf);
/* Drops the scripts and all unsent frames: from now on the device answers correctly. */
void fuzz_dev_honest(struct sim_dev *d);
/* Sends one packet on the interrupt endpoint. */
void fuzz_dev_interrupt(struct sim_dev *d, const uint8_t *p, size_t n);
/* All bytes the device sent since the last call of fuzz_dev_unsaid(). */
const uint8_t *fuzz_dev_said(const struct sim_dev *d, size_t *n);
void fuzz_dev_unsaid(struct sim_dev *d);
/* The ATR of the device's cards. */
const uint8_t *fuzz_dev_atr(const struct sim_dev *d, size_t *n);

#endif
