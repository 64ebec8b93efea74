/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bulk pipes: one OUT transfer a slot, one IN transfer for all of them. */
#include "transport/usb_bulk.h"

#include "transport/usb_error.h"
#include "transport/usb_vigil.h"
#include "wire/ccid_msg.h"
#include "util/buf.h"

#include <stdlib.h>
#include <string.h>

#define IN_ERRORS_MAX 3u
/* The longest frame in packets of 64 bytes, many times. */
#define IN_VAIN_MAX 10000u
/* The number of header bytes that identify the owner of an answer. */
#define OWNER_KNOWN 7u

static void LIBUSB_CALL in_done(struct libusb_transfer *x);

static const struct usb_pipe bulk_pipe;

enum ccid_err usb_bulk_init(struct usb_transport *u)
{
	size_t packet = u->t.desc.bulk_in_packet ? u->t.desc.bulk_in_packet : 64;
	size_t max = u->t.desc.dwMaxCCIDMessageLength;

	/* A reader may answer more than it announces: then the buffer grows (make_room). */
	if (max > CCID_MESSAGE_MAX)
		max = CCID_MESSAGE_MAX;
	if (max < CCID_HEADER_LENGTH + 261)
		max = CCID_HEADER_LENGTH + 261;
	u->in_cap = (max + packet - 1) / packet * packet;
	u->in_first = u->in_cap;
	usb_add_pipe(u, &bulk_pipe);
	u->in_buf = malloc(u->in_cap);
	u->in = libusb_alloc_transfer(0);
	return u->in_buf && u->in ? CCID_OK : CCID_ERR_NOMEM;
}

/* A frame of exactly n packets without a closing zero-length packet is whole when its
 * dwLength says so. */
static bool frame_is_whole(const struct usb_transport *u)
{
	return u->in_have >= CCID_HEADER_LENGTH &&
	       u->in_have - CCID_HEADER_LENGTH >= get_le32(u->in_buf + 1);
}

/* Asks for the next piece of what the reader sends: a whole number of packets. */
static int submit_in(struct usb_transport *u)
{
	size_t packet = u->t.desc.bulk_in_packet ? u->t.desc.bulk_in_packet : 64;
	size_t room = u->in_cap - u->in_have;
	size_t want = u->split_reads || u->in_padding ? packet : u->in_first;
	int rc;

	if (u->in_have >= CCID_HEADER_LENGTH && !frame_is_whole(u)) {
		/* Compared without a sum, which could exceed 32 bits. */
		size_t rest = get_le32(u->in_buf + 1) - (u->in_have - CCID_HEADER_LENGTH);

		want = rest < room ? (rest + packet - 1) / packet * packet : room;
	}
	u->in_asked = want < room ? want : room;
	libusb_fill_bulk_transfer(u->in, u->handle, u->t.desc.bulk_in, u->in_buf + u->in_have,
				  (int)u->in_asked, in_done, u, 0);
	rc = libusb_submit_transfer(u->in);
	u->in_pending = rc == 0;
	return rc;
}

static struct usb_slot *only_one_in_flight(struct usb_transport *u)
{
	struct usb_slot *found = NULL;

	for (unsigned i = 0; i < u->n_slots; i++) {
		if (!u->slots[i].req || u->slots[i].answered)
			continue;
		if (found)
			return NULL;
		found = &u->slots[i];
	}
	return found;
}

static bool is_answer_to(const struct request *r, uint8_t bSeq)
{
	return (uint8_t)(bSeq - r->seq + r->seq_slack) <= 2 * r->seq_slack;
}

/* For an answer longer than the caller expects. Padding does not count. */
static uint8_t *long_answer(struct request *r, const uint8_t *frame, size_t len)
{
	size_t said = CCID_HEADER_LENGTH + (size_t)get_le32(frame + 1);

	r->long_answer = said > r->answer_cap ? port_alloc(len) : NULL;
	return r->long_answer;
}

/* An earlier time extension may have left a long answer. */
static void forget_long_answer(struct request *r)
{
	if (!r->long_answer)
		return;
	wipe(r->long_answer, r->answer_len);
	port_free(r->long_answer);
	r->long_answer = NULL;
}

/* Called while the answer's buffer belongs to the transport. */
static void bulk_give(struct usb_transport *u, struct usb_slot *s, const uint8_t *frame, size_t len)
{
	struct request *r = s->req;
	uint8_t *to = r->answer;
	size_t cap = r->answer_cap;

	if (len < CCID_HEADER_LENGTH)
		LOG(LOG_INFO, &u->t.log, "an answer of %zu bytes has no header", len);
	u->in_vain = 0;
	forget_long_answer(r);
	if (len > cap && long_answer(r, frame, len)) {
		to = r->long_answer;
		cap = len;
	}
	r->answer_len = len < cap ? len : cap;
	memcpy(to, frame, r->answer_len);
	s->told = CARD_UNTOLD;		/* reported by the answer */
	usb_publish(u, (unsigned)(s - u->slots),
		    len < CCID_HEADER_LENGTH ? CCID_ERR_COMM : CCID_OK);
}

/* The caller is still looking at the answer before: a time extension, if the reader is honest, and
 * then this one is the true answer. A second parked answer belongs to no command. */
static void bulk_park(struct usb_slot *s, const uint8_t *frame, size_t len)
{
	if (s->parked)
		return;
	s->parked_len = len;
	s->parked = malloc(len);
	if (s->parked)
		memcpy(s->parked, frame, len);
}

void usb_bulk_drop_parked(struct usb_slot *s)
{
	s->taken = false;
	if (!s->parked)
		return;
	wipe(s->parked, s->parked_len);
	free(s->parked);
	s->parked = NULL;
}

void usb_bulk_unpark(struct usb_transport *u, unsigned slot)
{
	struct usb_slot *s = &u->slots[slot];

	if (s->parked && !s->answered)
		bulk_give(u, s, s->parked, s->parked_len);
	usb_bulk_drop_parked(s);
}

/* Gives a frame to the request that it answers; drops a frame that no command waits for. */
static void deliver(struct usb_transport *u, size_t len)
{
	struct usb_slot *s = NULL;

	if (len >= OWNER_KNOWN && u->in_buf[5] < u->n_slots) {
		s = &u->slots[u->in_buf[5]];
		if (!s->req || s->answered || !is_answer_to(s->req, u->in_buf[6]))
			s = NULL;
	} else if (len < OWNER_KNOWN) {
		s = only_one_in_flight(u);
	}
	if (!s) {
		LOG(LOG_INFO, &u->t.log,
		    "dropped an answer that no command waits for: %zu bytes, bSlot %d, bSeq %d",
		    len, len >= OWNER_KNOWN ? u->in_buf[5] : -1,
		    len >= OWNER_KNOWN ? u->in_buf[6] : -1);
		return;
	}
	if (s->taken)
		bulk_park(s, u->in_buf, len);
	else
		bulk_give(u, s, u->in_buf, len);
}

/* The frame was handed over or is of no use: it may be the answer to a secret command. */
static void forget_frame(struct usb_transport *u)
{
	wipe(u->in_buf, u->in_have);
	u->in_have = 0;
}

/* A frame that is longer than the reader announced: up to the longest of the standard. */
static bool make_room(struct usb_transport *u)
{
	size_t packet = u->t.desc.bulk_in_packet ? u->t.desc.bulk_in_packet : 64;
	size_t cap = (CCID_MESSAGE_MAX + packet - 1) / packet * packet;
	uint8_t *more;

	if (u->in_have < u->in_cap)
		return true;
	if (u->in_cap >= cap)
		return false;
	more = malloc(cap);
	if (!more)
		return false;
	memcpy(more, u->in_buf, u->in_have);
	wipe(u->in_buf, u->in_cap);
	free(u->in_buf);
	u->in_buf = more;
	u->in_cap = cap;
	return true;
}

/* Some ACS and Feitian firmwares send up to 49 184 bytes where dwLength says 2. What comes behind
 * the frame is let pass until a short packet ends it, unless a command waits for it. */
static bool is_padding(const struct usb_transport *u)
{
	const uint8_t *p = u->in_buf;
	const struct usb_slot *s;

	if (!u->in_padding || u->in_have < CCID_HEADER_LENGTH)
		return u->in_padding;
	s = p[5] < u->n_slots ? &u->slots[p[5]] : NULL;
	return p[0] < RDR_TO_PC_DATA_BLOCK || p[0] > RDR_TO_PC_DATA_RATE || !s || !s->req ||
	       s->answered || !is_answer_to(s->req, p[6]);
}

/* A reader that sends unsolicited data without end has the processor until here. */
static bool is_flood(struct usb_transport *u)
{
	if (++u->in_vain < IN_VAIN_MAX)
		return false;
	LOG(LOG_INFO, &u->t.log, "%u transfers brought no answer: the reader floods the bus, its "
	    "commands are given up", u->in_vain);
	u->in_vain = 0;
	return true;
}

static void bulk_take(struct usb_transport *u, size_t got)
{
	bool full = got > 0 && got == u->in_asked;
	bool whole;

	u->in_errors = 0;
	u->in_have += got;
	if (is_flood(u)) {
		forget_frame(u);
		usb_publish_all(u, CCID_ERR_COMM);
		return;
	}
	if (is_padding(u)) {
		u->in_padding = full;
		forget_frame(u);
		return;
	}
	if (u->in_have == 0)
		return;	/* a stray zero-length packet: some readers send them before an answer */
	whole = frame_is_whole(u);
	if (full && !whole && make_room(u))
		return;
	if (!full && got > 0 && u->t.desc.bulk_in_packet && got % u->t.desc.bulk_in_packet == 0)
		u->closes_frames = true;
	u->in_padding = full && (!whole || u->in_have - CCID_HEADER_LENGTH >
						  get_le32(u->in_buf + 1));
	deliver(u, u->in_have);
	forget_frame(u);
}

/* The transfer was taken back to look at what it holds: a frame that fills its packets
 * and was not followed by a zero-length packet is found this way. */
static void take_peeked(struct usb_transport *u, size_t got)
{
	u->in_have += got;
	if (frame_is_whole(u)) {
		LOG(LOG_INFO, &u->t.log, "the reader sends no zero-length packet after %zu bytes",
		    u->in_have);
		u->split_reads = true;
		deliver(u, u->in_have);
		forget_frame(u);
	}
	usb_vigil_peeked(u);
}

static void in_failed(struct usb_transport *u, enum libusb_transfer_status status)
{
	struct usb_slot *victim = only_one_in_flight(u);

	/* Part of the frame may be there, behind what is known to have come. */
	u->in_have = u->in_cap;
	forget_frame(u);
	LOG(LOG_INFO, &u->t.log, "bulk IN transfer failed (%s)",
	    status == LIBUSB_TRANSFER_STALL ? "stall" :
	    status == LIBUSB_TRANSFER_OVERFLOW ? "overflow" : "bus error");
	if (status == LIBUSB_TRANSFER_STALL)
		u->in_halted = true;
	/* With several in flight it is unknown whose answer was damaged: that one will miss
	 * its deadline, the others go on - unless the pipe does not recover. */
	if (u->in_halted || ++u->in_errors >= IN_ERRORS_MAX)
		usb_publish_all(u, CCID_ERR_COMM);
	else if (victim)
		usb_publish(u, (unsigned)(victim - u->slots), CCID_ERR_COMM);
}

static void LIBUSB_CALL in_done(struct libusb_transfer *x)
{
	struct usb_transport *u = x->user_data;

	pthread_mutex_lock(&u->lock);
	u->in_pending = false;
	switch (x->status) {
	case LIBUSB_TRANSFER_COMPLETED:
		bulk_take(u, (size_t)x->actual_length);
		break;
	case LIBUSB_TRANSFER_CANCELLED:
		take_peeked(u, (size_t)x->actual_length);
		break;
	case LIBUSB_TRANSFER_NO_DEVICE:
		usb_lost(u);
		break;
	default:
		in_failed(u, x->status);
		break;
	}
	if (u->in_flight > 0 && u->state == USB_OPEN && !u->in_halted && submit_in(u) != 0)
		usb_publish_all(u, CCID_ERR_COMM);
	usb_reaped(u);
	pthread_mutex_unlock(&u->lock);
}

static void LIBUSB_CALL out_done(struct libusb_transfer *x)
{
	struct usb_slot *s = x->user_data;
	struct usb_transport *u = s->owner;

	pthread_mutex_lock(&u->lock);
	s->out_pending = false;
	wipe(s->out_buf, (size_t)x->length);
	if (x->status == LIBUSB_TRANSFER_STALL)
		u->out_halted = true;
	if (x->status == LIBUSB_TRANSFER_NO_DEVICE)
		usb_lost(u);
	else if (x->status != LIBUSB_TRANSFER_COMPLETED && s->req && !s->answered)
		usb_publish(u, (unsigned)(s - u->slots), CCID_ERR_COMM);
	else if (s->req && s->answered)
		pump_wake(u->pump, &s->command);	/* finish() waits for us */
	usb_reaped(u);
	pthread_mutex_unlock(&u->lock);
}

/* The transfer and its buffer, for len bytes. */
static bool make_out(struct usb_slot *s, size_t len)
{
	if (!s->out)
		s->out = libusb_alloc_transfer(0);
	if (s->out_cap < len) {
		free(s->out_buf);	/* wiped after each transfer */
		s->out_buf = malloc(len);
		s->out_cap = s->out_buf ? len : 0;
	}
	return s->out && s->out_buf;
}

enum ccid_err usb_bulk_send(struct usb_transport *u, struct request *r)
{
	struct usb_slot *s = &u->slots[r->slot];
	int rc;

	if (!make_out(s, r->len))
		return CCID_ERR_NOMEM;
	/* The answer's place first: a message that went out could not be called back. */
	if (!u->in_pending) {
		forget_frame(u);
		rc = submit_in(u);
		if (rc != 0)
			return usb_error(rc);
	}
	u->in_vain = 0;
	memcpy(s->out_buf, r->msg, r->len);
	libusb_fill_bulk_transfer(s->out, u->handle, u->t.desc.bulk_out, s->out_buf, (int)r->len,
				  out_done, s, 0);
	rc = libusb_submit_transfer(s->out);
	s->out_pending = rc == 0;
	if (rc != 0)
		wipe(s->out_buf, r->len);
	return usb_error(rc);
}

static void bulk_cancel(struct usb_transport *u)
{
	if (u->in_pending)
		libusb_cancel_transfer(u->in);
	for (unsigned i = 0; i < u->n_slots; i++) {
		if (u->slots[i].out_pending)
			libusb_cancel_transfer(u->slots[i].out);
	}
}

static bool bulk_idle(const struct usb_transport *u)
{
	for (unsigned i = 0; i < u->n_slots; i++) {
		if (u->slots[i].out_pending)
			return false;
	}
	return !u->in_pending;
}

void usb_bulk_clear_halt(struct usb_transport *u, unsigned slot)
{
	bool in, out;

	if (usb_enter(u, slot) != CCID_OK)
		return;
	pthread_mutex_lock(&u->lock);
	in = u->in_halted;
	out = u->out_halted;
	u->in_halted = u->out_halted = false;
	pthread_mutex_unlock(&u->lock);
	if (in)
		libusb_clear_halt(u->handle, u->t.desc.bulk_in);
	if (out)
		libusb_clear_halt(u->handle, u->t.desc.bulk_out);
	usb_leave(u);
}

static void bulk_restart(struct usb_transport *u)
{
	u->in_halted = u->out_halted = false;
	u->in_errors = 0;
}

static void bulk_release(struct usb_transport *u)
{
	for (unsigned i = 0; i < u->n_slots; i++) {
		libusb_free_transfer(u->slots[i].out);
		free(u->slots[i].out_buf);
	}
	libusb_free_transfer(u->in);
	if (u->in_buf)
		wipe(u->in_buf, u->in_cap);
	free(u->in_buf);
}

static const struct usb_pipe bulk_pipe = {
	.cancel = bulk_cancel, .idle = bulk_idle, .restart = bulk_restart, .free = bulk_release,
};
