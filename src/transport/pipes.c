/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transport/pipes.h"

#include "wire/ccid_msg.h"
#include "util/buf.h"

#include <string.h>

#define SLOTS 255u
#define PACKET_MAX 512u		/* of a device that does not say it, at high speed */
#define CONTROL_MS 1000u
#define RATES_MAX 256u
#define IN_CLASS_INTERFACE 0xA1
#define OUT_CLASS_INTERFACE 0x21
#define ABORT 0x01		/* CCID 1.10 §5.3.1 */
#define GET_DATA_RATES 0x03	/* CCID 1.10 §5.3.3 */
/* A wait for a slot change looks so often whether it is to end. */
#define NOTICE_MS 250u
#define NOTICE_CAP 66u		/* bMessageType, and 2 bits for each of 255 slots */
#define WAIT_MAX_MS 0x7FFFFFFFu

struct pipes_transport {
	struct transport t;	/* first: a transport pointer is one of these */
	struct pipes p;
	/* Neither lock is taken while the other is held. */
	struct port_mutex place;	/* held from start() to finish() */
	struct port_mutex notices;	/* by the thread that reads the interrupt pipe */
	bool gone;			/* atomic, as are these: */
	uint8_t closed[SLOTS], stop[SLOTS], changed[SLOTS];
	size_t packet, cap;		/* cap has room for two packets at the least */
	uint8_t in[];			/* what came, cap bytes; with the place */
};

static struct pipes_transport *pipes_of(struct transport *t)
{
	return (struct pipes_transport *)t;
}

static unsigned ms_left(const struct deadline *d)
{
	uint64_t ms = deadline_left_ms(d);

	return ms < WAIT_MAX_MS ? (unsigned)ms : WAIT_MAX_MS;
}

static enum ccid_err pipes_refusal(const struct pipes_transport *u, uint8_t slot)
{
	bool closed = slot < SLOTS && __atomic_load_n(&u->closed[slot], __ATOMIC_ACQUIRE);

	return closed || __atomic_load_n(&u->gone, __ATOMIC_ACQUIRE) ? CCID_ERR_NO_DEVICE : CCID_OK;
}

static enum ccid_err pipes_note_loss(struct pipes_transport *u, enum ccid_err err)
{
	if (err == CCID_ERR_NO_DEVICE)
		__atomic_store_n(&u->gone, true, __ATOMIC_RELEASE);
	return err;
}

/* passes_gate means nothing here: two commands on these pipes would have to sort their answers. The
 * wait for the place ends with the command that has it, which has a deadline of its own. */
static enum ccid_err pipes_start(struct transport *t, struct request *r, const struct deadline *d)
{
	struct pipes_transport *u = pipes_of(t);
	enum ccid_err err;

	if (!r->no_queue)
		port_mutex_lock(&u->place);
	else if (!port_mutex_try(&u->place))
		return CCID_ERR_BUSY;
	err = pipes_refusal(u, r->slot);
	if (err == CCID_OK) {
		transport_number(t, r);
		err = pipes_note_loss(u, u->p.send(u->p.user, r->msg, r->len, ms_left(d)));
	}
	if (err != CCID_OK)
		port_mutex_unlock(&u->place);
	return err;
}

static void pipes_finish(struct transport *t, struct request *r)
{
	struct pipes_transport *u = pipes_of(t);

	(void)r;
	wipe(u->in, u->cap);
	port_mutex_unlock(&u->place);
}

/* One message: transfers until its length is reached or a packet was not full. Empty ones in front
 * of it are passed over. */
static enum ccid_err pipes_read_message(struct pipes_transport *u, size_t *len,
					const struct deadline *d)
{
	size_t got = 0, n = 0;

	*len = 0;
	do {
		size_t room = u->cap - got - (u->cap - got) % u->packet;
		enum ccid_err err = u->p.receive(u->p.user, u->in + got, room, &n, ms_left(d));

		if (err != CCID_OK)
			return pipes_note_loss(u, err);
		got += n;
		if (got == 0 && deadline_passed(d))
			return CCID_ERR_TIMEOUT;
		if (got >= CCID_HEADER_LENGTH &&
		    got - CCID_HEADER_LENGTH >= get_le32(u->in + 1))
			break;
	} while (got == 0 || (n > 0 && n % u->packet == 0 && u->cap - got >= u->packet));
	*len = got;
	return CCID_OK;
}

static bool pipes_is_answer(const struct request *r, const uint8_t *m, size_t len)
{
	uint8_t off;

	if (len < CCID_HEADER_LENGTH || !(m[0] & 0x80) || m[5] != r->slot)
		return false;
	off = (uint8_t)(m[6] - r->seq);
	return off <= r->seq_slack || (uint8_t)-off <= r->seq_slack;
}

static enum ccid_err pipes_give(struct pipes_transport *u, struct request *r, size_t len)
{
	uint8_t *to = r->answer;

	if (r->long_answer) {
		wipe(r->long_answer, r->answer_len);
		port_free(r->long_answer);
		r->long_answer = NULL;
	}
	if (len > r->answer_cap) {
		to = r->long_answer = port_alloc(len);
		if (!to)
			return CCID_ERR_NOMEM;
	}
	memcpy(to, u->in, len);
	r->answer_len = len;
	return CCID_OK;
}

static enum ccid_err pipes_wait(struct transport *t, struct request *r, const struct deadline *d)
{
	struct pipes_transport *u = pipes_of(t);

	for (;;) {
		size_t len;
		enum ccid_err err = pipes_refusal(u, r->slot);

		if (err == CCID_OK)
			err = pipes_read_message(u, &len, d);
		if (err != CCID_OK)
			return err;
		if (pipes_is_answer(r, u->in, len))
			return pipes_give(u, r, len);
		LOG(LOG_COMM, &t->log, "dropped %zu bytes that no command waits for", len);
		if (deadline_passed(d))
			return CCID_ERR_TIMEOUT;
	}
}

static enum ccid_err pipes_abort(struct transport *t, uint8_t slot, uint8_t seq,
				 const struct deadline *d)
{
	struct pipes_transport *u = pipes_of(t);
	enum ccid_err err = pipes_refusal(u, slot);
	size_t n;

	if (err != CCID_OK)
		return err;
	if (!u->p.control)
		return CCID_ERR_NOT_SUPPORTED;
	err = u->p.control(u->p.user, OUT_CLASS_INTERFACE, ABORT, (uint16_t)(seq << 8 | slot),
			   t->desc.bInterfaceNumber, NULL, 0, &n, ms_left(d));
	return pipes_note_loss(u, err);
}

static void pipes_set_gone(struct transport *t)
{
	__atomic_store_n(&pipes_of(t)->gone, true, __ATOMIC_RELEASE);
}

static void pipes_set(uint8_t *flags, uint8_t slot, bool value)
{
	if (slot < SLOTS)
		__atomic_store_n(&flags[slot], value, __ATOMIC_RELEASE);
}

static bool pipes_take(uint8_t *flags, uint8_t slot)
{
	return slot < SLOTS && __atomic_exchange_n(&flags[slot], false, __ATOMIC_ACQ_REL);
}

static void pipes_set_closed(struct transport *t, uint8_t slot, bool closed)
{
	pipes_set(pipes_of(t)->closed, slot, closed);
}

static void pipes_stop_change(struct transport *t, uint8_t slot)
{
	pipes_set(pipes_of(t)->stop, slot, true);
}

static void pipes_mark_changed(struct transport *t, uint8_t slot)
{
	pipes_set(pipes_of(t)->changed, slot, true);
}

/* RDR_to_PC_NotifySlotChange: two bits a slot, the second one says that there was a change
 * (CCID 1.10 §6.3.1). */
static void note_changes(struct pipes_transport *u, const uint8_t *m, size_t len)
{
	if (len < 1 || m[0] != RDR_TO_PC_NOTIFY_SLOT_CHANGE)
		return;
	for (size_t slot = 0; slot < SLOTS && 1 + slot / 4 < len; slot++)
		if (m[1 + slot / 4] >> (slot % 4 * 2) & 2)
			pipes_set(u->changed, (uint8_t)slot, true);
}

static enum ccid_err look_for_change(struct pipes_transport *u, unsigned ms)
{
	uint8_t m[NOTICE_CAP];
	enum ccid_err err;
	size_t len = 0;

	port_mutex_lock(&u->notices);
	err = u->p.notice(u->p.user, m, sizeof m, &len, ms);
	port_mutex_unlock(&u->notices);
	if (err == CCID_OK)
		note_changes(u, m, len);
	return pipes_note_loss(u, err == CCID_ERR_TIMEOUT ? CCID_OK : err);
}

static enum ccid_err pipes_wait_change(struct transport *t, uint8_t slot, const struct deadline *d)
{
	struct pipes_transport *u = pipes_of(t);

	for (;;) {
		enum ccid_err err = pipes_refusal(u, slot);
		unsigned ms = ms_left(d);

		if (err != CCID_OK)
			return err;
		if (pipes_take(u->stop, slot))
			return CCID_ERR_TIMEOUT;
		if (pipes_take(u->changed, slot))
			return CCID_OK;
		if (ms == 0)
			return CCID_ERR_TIMEOUT;
		err = look_for_change(u, ms < NOTICE_MS ? ms : NOTICE_MS);
		if (err != CCID_OK)
			return err;
	}
}

static void pipes_close(struct transport *t)
{
	struct pipes_transport *u = pipes_of(t);

	if (u->p.end)
		u->p.end(u->p.user);
	port_free(t->data_rates);
	port_mutex_end(&u->notices);
	port_mutex_end(&u->place);
	wipe(u, sizeof *u + u->cap);
	port_free(u);
}

#define COMMON_OPS .start = pipes_start, .wait = pipes_wait, .finish = pipes_finish, \
	.abort = pipes_abort, .set_gone = pipes_set_gone, .set_closed = pipes_set_closed, \
	.close = pipes_close

static const struct transport_ops ops_without_notices = { COMMON_OPS };
static const struct transport_ops ops_with_notices = {
	COMMON_OPS,
	.wait_change = pipes_wait_change,
	.stop_change = pipes_stop_change,
	.mark_changed = pipes_mark_changed,
};

/* The table of data rates, when the reader has one and tells it (CCID 1.10 §5.3.3). */
static void pipes_read_rates(struct pipes_transport *u)
{
	unsigned announced = u->t.desc.bNumDataRatesSupported;
	uint8_t answer[RATES_MAX * 4];
	size_t len = 0;

	if (announced == 0 || !u->p.control ||
	    u->p.control(u->p.user, IN_CLASS_INTERFACE, GET_DATA_RATES, 0,
			 u->t.desc.bInterfaceNumber, answer, (size_t)announced * 4, &len,
			 CONTROL_MS) != CCID_OK || len < 4)
		return;
	u->t.data_rates = port_alloc(len / 4 * sizeof(uint32_t));
	if (u->t.data_rates)
		u->t.n_data_rates = ccid_rates_parse(u->t.data_rates, len / 4, answer, len,
						     announced);
}

enum ccid_err pipes_open(const struct pipes *p, const struct ccid_desc *desc,
			 struct transport **out)
{
	size_t packet = desc->bulk_in_packet ? desc->bulk_in_packet : PACKET_MAX;
	size_t unit = packet > PACKET_MAX ? packet : PACKET_MAX;
	size_t cap = CCID_MESSAGE_MAX;
	struct pipes_transport *u;

	*out = NULL;
	if (!desc->bulk_in || !desc->bulk_out)
		return CCID_ERR_NOT_SUPPORTED;
	if (desc->dwMaxCCIDMessageLength < CCID_MESSAGE_MAX)
		cap = desc->dwMaxCCIDMessageLength;
	/* Whole packets, and one more than the largest message has. */
	cap = (cap / unit + 2) * unit;
	u = port_alloc(sizeof *u + cap);
	if (!u)
		return CCID_ERR_NOMEM;
	u->t.ops = p->notice && desc->interrupt_in ? &ops_with_notices : &ops_without_notices;
	u->t.desc = *desc;
	u->t.ccid_interfaces = 1;
	u->p = *p;
	u->packet = packet;
	u->cap = cap;
	port_mutex_init(&u->place);
	port_mutex_init(&u->notices);
	pipes_read_rates(u);
	*out = &u->t;
	return CCID_OK;
}
