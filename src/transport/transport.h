/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TRANSPORT_H
#define TRANSPORT_H

#include "wire/ccid_desc.h"
#include "util/deadline.h"
#include "util/err.h"
#include "util/log.h"

/* The carrier of CCID messages: USB bulk, the control pipe (ICCD) or a serial line.
 *
 * Above a transport there are only CCID messages: ICCD translates PC_to_RDR
 * messages into control requests and makes up the RDR_to_PC answer, a serial
 * line frames them. All hooks may be called from any thread; none is called with
 * a transport's lock held, and none is called after close() began except those
 * already inside, which return CCID_ERR_NO_DEVICE at once. */
struct transport;

/* One command in flight. The caller owns it, zeroes it, fills the first part, and
 * keeps it in place from start() to finish(). At most one per slot at a time. `msg` is a whole
 * PC_to_RDR message; its header's bSlot equals slot, and bSeq equals seq unless takes_number. */
struct request {
	/* filled by the caller */
	uint8_t slot;
	uint8_t seq;
	uint8_t *msg;
	size_t len;
	bool takes_number;	/* start() gives it the reader's next bSeq, in seq and msg */
	bool passes_gate;	/* Abort: takes no busy place */
	bool no_queue;		/* CCID_ERR_BUSY at once when there is no place */
	bool needs_card;	/* ends soon after the reader tells that the card was taken out */
	uint8_t seq_slack;	/* quirk: answers whose bSeq is off by so much count too */
	uint64_t sent_ns;	/* set by start(): when the message went out; 0: not told */
	/* where the answer goes: capacity covers any message of this reader */
	uint8_t *answer;
	size_t answer_cap;
	size_t answer_len;	/* set by wait() */
	/* An answer that does not fit: it is here instead, from port_alloc(), the caller's to
	 * wipe and to free. */
	uint8_t *long_answer;
};

/* What notifications said of the card since the slot's last answer. */
enum card_told { CARD_UNTOLD, CARD_TOLD_ABSENT, CARD_TOLD_PRESENT, CARD_TOLD_REPLACED };

struct transport_ops {
	/* Waits for a busy place (unless passes_gate) and sends the message.
	 * Errors: TIMEOUT (no place, or not sent by the deadline), BUSY (no_queue), NO_DEVICE,
	 * STALE, COMM, NOMEM. After an error nothing is in flight and finish() need not be
	 * called. */
	enum ccid_err (*start)(struct transport *t, struct request *r, const struct deadline *d);

	/* Waits for the next answer that carries the request's slot and seq; may be
	 * called again for the answer after a time extension. An answer is at least
	 * 10 bytes, its dwLength is not yet judged. Errors: TIMEOUT, NO_DEVICE, STALE,
	 * COMM (damaged frame), NO_CARD (needs_card: the reader told so, and stays silent). */
	enum ccid_err (*wait)(struct transport *t, struct request *r, const struct deadline *d);

	/* Gives the busy place back. An answer that comes later is dropped. */
	void (*finish)(struct transport *t, struct request *r);

	/* Class request ABORT for a slot (CCID 1.10 §5.3.1); NULL where there is none. */
	enum ccid_err (*abort)(struct transport *t, uint8_t slot, uint8_t seq,
			       const struct deadline *d);

	/* Drops what the reader still wants to tell about a former command of this
	 * slot (serial: flushes the line). NULL: nothing to do. */
	void (*resync)(struct transport *t, uint8_t slot);

	/* Waits for a slot change of that slot: CCID_OK on an event (also one that came
	 * while no call waited), CCID_ERR_TIMEOUT at the deadline or when stopped. NULL when
	 * the transport has no notifications. Of a device that is gone there are no events:
	 * over USB it waits to be stopped all the same, 5 s at most, then NO_DEVICE. */
	enum ccid_err (*wait_change)(struct transport *t, uint8_t slot, const struct deadline *d);
	/* Ends the current wait_change of that slot, or the next one when none runs. NULL with
	 * wait_change. */
	void (*stop_change)(struct transport *t, uint8_t slot);

	/* The device is gone: every call inside and every later one fails at once, but
	 * wait_change. */
	void (*set_gone)(struct transport *t);

	/* The slot is being closed (or opened again): what runs on it, and every later call, fails
	 * with CCID_ERR_NO_DEVICE at once; the other slots do not notice. */
	void (*set_closed)(struct transport *t, uint8_t slot, bool closed);

	/* Makes the next wait_change of that slot return at once. NULL with wait_change. */
	void (*mark_changed)(struct transport *t, uint8_t slot);

	/* What notifications said of a slot's card since its last answer. Then CARD_UNTOLD has the
	 * slot polled again when the reader has a busy place. NULL with wait_change. */
	enum card_told (*card_told)(struct transport *t, uint8_t slot);

	/* The reader listens no more, though it says it does: a USB reset is due. True: the handle
	 * counts as dead now, and reopen() resets the device. False: not this device, not so
	 * often. NULL when the transport has no such thing. */
	bool (*want_reset)(struct transport *t);

	/* Same node, dead handle (USB reset, suspend): opens and claims it again.
	 * NULL when the transport has no such thing. */
	enum ccid_err (*reopen)(struct transport *t, const struct deadline *d);

	/* "bus-port[.port...]:config.interface" as in sysfs, zero-terminated; NULL where there is
	 * none. */
	enum ccid_err (*bus_path)(struct transport *t, char *out, size_t cap);

	/* Cancels what is in flight, reaps it, frees everything. */
	void (*close)(struct transport *t);
};

/* Embedded at the start of each transport's own struct. */
struct transport {
	const struct transport_ops *ops;
	struct ccid_desc desc;		/* as read from the device */
	uint32_t *data_rates;		/* owned; NULL when there is no table */
	size_t n_data_rates;
	char *manufacturer;		/* iManufacturer, raw bytes escaped; owned, may be NULL */
	char *product;			/* iProduct; owned, may be NULL */
	char *serial_number;		/* iSerialNumber; owned, may be NULL */
	uint8_t bus, address;
	unsigned ccid_interfaces;	/* that the device has, this one among them */
	unsigned generation;		/* atomic: counts reopenings; each powered the cards off */
	uint8_t bSeq;			/* of the next command; under the transport's lock */
	bool card_always_present;	/* ICCD: no slot changes to wait for */
	struct log_ctx log;
};

/* One counter a reader: GemCore SIM Pro stays mute when two commands in a row, of whatever slots,
 * carry the same bSeq. Under the transport's lock, when the message is about to go out. */
static inline void transport_number(struct transport *t, struct request *r)
{
	if (!r->takes_number)
		return;
	r->seq = t->bSeq++;
	r->msg[6] = r->seq;
}

/* Calls of the hooks, with the answer of a transport that does not have one. */

static inline enum ccid_err transport_start(struct transport *t, struct request *r,
					    const struct deadline *d)
{
	return t->ops->start(t, r, d);
}

static inline enum ccid_err transport_wait(struct transport *t, struct request *r,
					   const struct deadline *d)
{
	return t->ops->wait(t, r, d);
}

static inline void transport_finish(struct transport *t, struct request *r)
{
	t->ops->finish(t, r);
}

static inline enum ccid_err transport_abort(struct transport *t, uint8_t slot, uint8_t seq,
					    const struct deadline *d)
{
	return t->ops->abort ? t->ops->abort(t, slot, seq, d) : CCID_ERR_NOT_SUPPORTED;
}

static inline void transport_resync(struct transport *t, uint8_t slot)
{
	if (t->ops->resync)
		t->ops->resync(t, slot);
}

/* Can a slot change be waited for? */
static inline bool transport_has_changes(const struct transport *t)
{
	return t->ops->wait_change;
}

static inline enum ccid_err transport_wait_change(struct transport *t, uint8_t slot,
						  const struct deadline *d)
{
	return t->ops->wait_change ? t->ops->wait_change(t, slot, d) : CCID_ERR_NOT_SUPPORTED;
}

static inline void transport_stop_change(struct transport *t, uint8_t slot)
{
	if (t->ops->stop_change)
		t->ops->stop_change(t, slot);
}

static inline void transport_mark_changed(struct transport *t, uint8_t slot)
{
	if (t->ops->mark_changed)
		t->ops->mark_changed(t, slot);
}

static inline enum card_told transport_card_told(struct transport *t, uint8_t slot)
{
	return t->ops->card_told ? t->ops->card_told(t, slot) : CARD_UNTOLD;
}

static inline void transport_set_gone(struct transport *t)
{
	t->ops->set_gone(t);
}

static inline void transport_set_closed(struct transport *t, uint8_t slot, bool closed)
{
	t->ops->set_closed(t, slot, closed);
}

static inline bool transport_want_reset(struct transport *t)
{
	return t->ops->want_reset && t->ops->want_reset(t);
}

static inline bool transport_can_reopen(const struct transport *t)
{
	return t->ops->reopen;
}

/* Only where transport_can_reopen(). */
static inline enum ccid_err transport_reopen(struct transport *t, const struct deadline *d)
{
	return t->ops->reopen(t, d);
}

static inline enum ccid_err transport_bus_path(struct transport *t, char *out, size_t cap)
{
	return t->ops->bus_path ? t->ops->bus_path(t, out, cap) : CCID_ERR_NOT_SUPPORTED;
}

static inline void transport_close(struct transport *t)
{
	t->ops->close(t);
}

#endif
