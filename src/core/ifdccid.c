/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/ifdccid.h"

#include "slot/features.h"
#include "slot/pinpad.h"
#include "slot/reader_slots.h"
#include "slot/slot.h"

#include <string.h>

_Static_assert(IFDCCID_ATR_MAX == ATR_MAX, "room for an ATR");

struct ifdccid {
	struct reader *reader;
	struct port_mutex lock;		/* for slots, taken alone */
	struct slot *slots[];		/* reader->n_slots; NULL: not used yet */
};

void ifdccid_log(unsigned levels, bool secrets)
{
	log_setup(levels, secrets);
}

/* A text that is cut where there is no more room. */
static void copy_text(char *to, size_t cap, const char *from)
{
	size_t len = from ? strlen(from) : 0;

	if (len > cap - 1)
		len = cap - 1;
	if (len > 0)
		memcpy(to, from, len);
	to[len] = '\0';
}

static void take_options(struct reader *r, const struct ifdccid_options *o)
{
	r->config.driver_options = o->driver_options;
	copy_text(r->config.language, sizeof r->config.language, o->language);
	copy_text(r->config.quirks, sizeof r->config.quirks, o->quirks);
	r->interface = r->transport->desc.bInterfaceNumber;
}

static enum ccid_err ifdccid_begin(struct reader *r, struct ifdccid **out)
{
	struct log_ctx log = reader_log(r, 0);
	struct ifdccid *i;
	enum ccid_err err = reader_prepare(r, &log);

	*out = NULL;
	if (err != CCID_OK)
		return err;
	i = port_alloc(sizeof *i + r->n_slots * sizeof(struct slot *));
	if (!i)
		return CCID_ERR_NOMEM;
	port_mutex_init(&i->lock);
	i->reader = r;
	*out = i;
	return reader_first_slot(r, 0, 0, &log, &i->slots[0]);
}

enum ccid_err ifdccid_open(struct transport *t, const struct ifdccid_options *o,
			   struct ifdccid **out)
{
	static const struct ifdccid_options defaults = { .driver_options = 0 };
	const struct ifdccid_options *use = o ? o : &defaults;
	struct reader *r = reader_new(use->name ? use->name : "reader");
	enum ccid_err err;

	*out = NULL;
	if (!r) {
		transport_close(t);
		return CCID_ERR_NOMEM;
	}
	r->transport = t;
	t->log = reader_log(r, 0);
	take_options(r, use);
	err = ifdccid_begin(r, out);
	if (err == CCID_OK)
		return CCID_OK;
	if (*out) {
		port_mutex_end(&(*out)->lock);
		port_free(*out);
		*out = NULL;
	}
	reader_close(r);
	reader_free(r);
	return err;
}

void ifdccid_close(struct ifdccid *i)
{
	if (!i)
		return;
	for (unsigned n = 0; n < i->reader->n_slots; n++)
		if (i->slots[n])
			reader_free_slot(i->slots[n]);
	reader_close(i->reader);
	reader_free(i->reader);
	port_mutex_end(&i->lock);
	port_free(i);
}

void ifdccid_gone(struct ifdccid *i)
{
	reader_set_gone(i->reader);
}

unsigned ifdccid_slots(const struct ifdccid *i)
{
	return i->reader->n_slots;
}

const struct ccid_desc *ifdccid_desc(const struct ifdccid *i)
{
	return &i->reader->desc;
}

/* The slot of that number, made when it is first used. *err says why there is none. */
static struct slot *slot_of(struct ifdccid *i, unsigned number, enum ccid_err *err)
{
	struct slot *s;

	*err = CCID_ERR_ARG;
	if (number >= i->reader->n_slots)
		return NULL;
	port_mutex_lock(&i->lock);
	if (!i->slots[number])
		i->slots[number] = reader_new_slot(i->reader, number, number);
	s = i->slots[number];
	port_mutex_unlock(&i->lock);
	*err = s ? CCID_OK : CCID_ERR_NOMEM;
	return s;
}

enum ccid_err ifdccid_presence(struct ifdccid *i, unsigned slot, bool *present)
{
	enum ccid_err err;
	struct slot *s = slot_of(i, slot, &err);

	*present = false;
	return s ? slot_presence(s, present) : err;
}

enum ccid_err ifdccid_wait_change(struct ifdccid *i, unsigned slot, unsigned ms)
{
	struct transport *t = i->reader->transport;
	struct deadline d = deadline_in_ms(ms);

	if (slot >= i->reader->n_slots)
		return CCID_ERR_ARG;
	return transport_wait_change(t, (uint8_t)slot, &d);
}

void ifdccid_stop_change(struct ifdccid *i, unsigned slot)
{
	struct transport *t = i->reader->transport;

	if (slot < i->reader->n_slots)
		transport_stop_change(t, (uint8_t)slot);
}

enum ccid_err ifdccid_power_on(struct ifdccid *i, unsigned slot, uint8_t *atr, size_t *len)
{
	enum ccid_err err;
	struct slot *s = slot_of(i, slot, &err);

	*len = 0;
	return s ? slot_power_on(s, atr, len) : err;
}

enum ccid_err ifdccid_power_off(struct ifdccid *i, unsigned slot)
{
	enum ccid_err err;
	struct slot *s = slot_of(i, slot, &err);

	return s ? slot_power_off(s) : err;
}

enum ccid_err ifdccid_protocol(struct ifdccid *i, unsigned slot, unsigned protocol)
{
	enum ccid_err err;
	struct slot *s = slot_of(i, slot, &err);

	return s ? slot_set_protocol(s, protocol) : err;
}

/* A call with bytes in and bytes out. */
typedef enum ccid_err exchange(struct slot *s, const uint8_t *in, size_t len, uint8_t *answer,
			       size_t cap, size_t *answer_len);

static enum ccid_err exchange_by(exchange *call, struct ifdccid *i, unsigned slot,
				 const uint8_t *in, size_t len, uint8_t *answer, size_t cap,
				 size_t *answer_len)
{
	enum ccid_err err;
	struct slot *s = slot_of(i, slot, &err);

	*answer_len = 0;
	return s ? call(s, in, len, answer, cap, answer_len) : err;
}

enum ccid_err ifdccid_transmit(struct ifdccid *i, unsigned slot, const uint8_t *apdu, size_t len,
			       uint8_t *answer, size_t cap, size_t *answer_len)
{
	return exchange_by(slot_transmit, i, slot, apdu, len, answer, cap, answer_len);
}

enum ccid_err ifdccid_escape(struct ifdccid *i, unsigned slot, const uint8_t *data, size_t len,
			     uint8_t *answer, size_t cap, size_t *answer_len)
{
	return exchange_by(slot_escape, i, slot, data, len, answer, cap, answer_len);
}

enum ccid_err ifdccid_pin_verify(struct ifdccid *i, unsigned slot, const uint8_t *in, size_t len,
				 uint8_t *answer, size_t cap, size_t *answer_len)
{
	return exchange_by(slot_pin_verify, i, slot, in, len, answer, cap, answer_len);
}

enum ccid_err ifdccid_pin_modify(struct ifdccid *i, unsigned slot, const uint8_t *in, size_t len,
				 uint8_t *answer, size_t cap, size_t *answer_len)
{
	return exchange_by(slot_pin_modify, i, slot, in, len, answer, cap, answer_len);
}

enum ccid_err ifdccid_features(struct ifdccid *i, unsigned slot, uint8_t *out, size_t cap,
			       size_t *len)
{
	enum ccid_err err;
	struct slot *s = slot_of(i, slot, &err);

	*len = 0;
	return s ? features_list(s, out, cap, len) : err;
}

enum ccid_err ifdccid_properties(struct ifdccid *i, unsigned slot, uint8_t *out, size_t cap,
				 size_t *len)
{
	enum ccid_err err;
	struct slot *s = slot_of(i, slot, &err);

	*len = 0;
	return s ? features_tlv_properties(s, out, cap, len) : err;
}
