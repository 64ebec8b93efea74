/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef IFDCCID_H
#define IFDCCID_H

/* The public header of libifdccid-core.a: CCID readers and their cards, for systems without pcscd
 * (doc/porting.md). A port opens a transport (transport/transport.h, or transport/pipes.h, which
 * asks for less), brings the functions of util/port.h, and calls what is below. */
#include "transport/pipes.h"
#include "transport/transport.h"
#include "util/err.h"
#include "util/port.h"
#include "wire/ccid_config.h"
#include "wire/ccid_interface.h"

#define IFDCCID_ATR_MAX 33u

/* One reader. Slots count from 0. All functions may be called from any thread between
 * ifdccid_open() and ifdccid_close(); commands for one slot wait for each other. */
struct ifdccid;

/* Zeroed, it is what most want. */
struct ifdccid_options {
	const char *name;		/* for log lines; NULL: "reader" */
	const char *quirks;		/* as IFDCCID_QUIRKS in libccid(5); NULL: none */
	const char *language;		/* of texts on a reader's display, "de"; NULL: English */
	unsigned driver_options;	/* ifdDriverOptions in libccid(5) */
};

/* Which lines go to port_log(): bits of enum log_level (util/log.h; libccid(5) tells of them).
 * secrets: show PINs and keys. Before the first call: LOG_CRITICAL and LOG_INFO, no secrets. */
void ifdccid_log(unsigned levels, bool secrets);

/* Takes over an open transport, waits until the reader answers and tells it what its kind needs to
 * hear. o may be NULL. On success *out is the caller's, to be ended by ifdccid_close(); after an
 * error it is NULL, and the transport is closed. Errors: NO_DEVICE (silent, gone, or with too old a
 * firmware), NOMEM, and those of the first command. */
enum ccid_err ifdccid_open(struct transport *t, const struct ifdccid_options *o,
			   struct ifdccid **out);
/* Powers the cards off, unless the reader is gone, and closes the transport. No call may run. NULL
 * is fine. */
void ifdccid_close(struct ifdccid *i);
/* The reader was removed: calls inside and later ones fail at once with CCID_ERR_NO_DEVICE. */
void ifdccid_gone(struct ifdccid *i);

unsigned ifdccid_slots(const struct ifdccid *i);
/* The reader's descriptor, after quirks. */
const struct ccid_desc *ifdccid_desc(const struct ifdccid *i);

/* Is there a card? CCID_ERR_COMM once the reader is gone. */
enum ccid_err ifdccid_presence(struct ifdccid *i, unsigned slot, bool *present);
/* Waits at most ms for a card to come or go: CCID_OK when that happened or may have happened, else
 * CCID_ERR_TIMEOUT; CCID_ERR_NOT_SUPPORTED by a reader that does not tell: ask it now and then. */
enum ccid_err ifdccid_wait_change(struct ifdccid *i, unsigned slot, unsigned ms);
/* Ends a wait for a change of that slot. */
void ifdccid_stop_change(struct ifdccid *i, unsigned slot);

/* Cold reset: atr has room for IFDCCID_ATR_MAX bytes, *len is set to how many came. */
enum ccid_err ifdccid_power_on(struct ifdccid *i, unsigned slot, uint8_t *atr, size_t *len);
enum ccid_err ifdccid_power_off(struct ifdccid *i, unsigned slot);
/* T=0 or T=1, with the fastest parameters of both sides; without it the first APDU does so with the
 * first protocol that the ATR offers. Once after each power on. */
enum ccid_err ifdccid_protocol(struct ifdccid *i, unsigned slot, unsigned protocol);
/* One command APDU and its response. *answer_len: the whole length of the response, of which at
 * most cap bytes were written; 0 after an error. */
enum ccid_err ifdccid_transmit(struct ifdccid *i, unsigned slot, const uint8_t *apdu, size_t len,
			       uint8_t *answer, size_t cap, size_t *answer_len);
/* PC_to_RDR_Escape; CCID_ERR_SHORT_BUFFER when the answer is longer than cap. */
enum ccid_err ifdccid_escape(struct ifdccid *i, unsigned slot, const uint8_t *data, size_t len,
			     uint8_t *answer, size_t cap, size_t *answer_len);
/* PIN_VERIFY_STRUCTURE or PIN_MODIFY_STRUCTURE of PC/SC part 10 in, the card's status bytes out. */
enum ccid_err ifdccid_pin_verify(struct ifdccid *i, unsigned slot, const uint8_t *in, size_t len,
				 uint8_t *answer, size_t cap, size_t *answer_len);
enum ccid_err ifdccid_pin_modify(struct ifdccid *i, unsigned slot, const uint8_t *in, size_t len,
				 uint8_t *answer, size_t cap, size_t *answer_len);
/* What PC/SC applications ask for (PC/SC part 10 §2.2, §2.6.14): lists of tags and values. */
enum ccid_err ifdccid_features(struct ifdccid *i, unsigned slot, uint8_t *out, size_t cap,
			       size_t *len);
enum ccid_err ifdccid_properties(struct ifdccid *i, unsigned slot, uint8_t *out, size_t cap,
				 size_t *len);

#endif
