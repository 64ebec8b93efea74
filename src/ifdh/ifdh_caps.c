/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ifdh/ifdh.h"

#include "slot/composite.h"

#include <reader.h>
#include <string.h>

/* A value on its way to the caller: text, or up to 40 bytes. */
struct cap_value {
	const char *text;	/* not NULL: the value, with its closing zero */
	uint8_t bytes[40];
	size_t len;		/* of bytes */
};

static enum ccid_err put_byte(struct cap_value *v, uint8_t b)
{
	v->bytes[0] = b;
	v->len = 1;
	return CCID_OK;
}

/* PC/SC's DWORD attributes are 32 bits in host order, whatever DWORD is. */
static enum ccid_err put_u32(struct cap_value *v, uint32_t n)
{
	memcpy(v->bytes, &n, sizeof n);
	v->len = sizeof n;
	return CCID_OK;
}

static enum ccid_err get_one(struct slot *s, struct cap_value *v)
{
	(void)s;
	return put_byte(v, 1);
}

static enum ccid_err get_atr(struct slot *s, struct cap_value *v)
{
	port_mutex_lock(&s->lock);
	v->len = s->atr_len;
	memcpy(v->bytes, s->atr, s->atr_len);
	port_mutex_unlock(&s->lock);
	return CCID_OK;
}

/* Zero when the contacts are not active. */
static enum ccid_err get_interface_status(struct slot *s, struct cap_value *v)
{
	bool powered;

	port_mutex_lock(&s->lock);
	powered = s->card != CARD_OFF;
	port_mutex_unlock(&s->lock);
	return put_byte(v, powered);
}

static enum ccid_err get_presence(struct slot *s, struct cap_value *v)
{
	bool present = false;
	enum ccid_err err = slot_presence(s, &present);

	/* 0: no card; 2: a card, not swallowed (PC/SC part 3) */
	return err != CCID_OK ? err : put_byte(v, present ? 2 : 0);
}

static enum ccid_err get_version(struct slot *s, struct cap_value *v)
{
	return put_u32(v, (uint32_t)s->reader->desc.bcdDevice << 16);
}

static enum ccid_err get_vendor_name(struct slot *s, struct cap_value *v)
{
	v->text = s->reader->transport->manufacturer;
	return CCID_OK;
}

static enum ccid_err get_serial_no(struct slot *s, struct cap_value *v)
{
	v->text = s->reader->transport->serial_number;
	return CCID_OK;
}

static enum ccid_err get_max_input(struct slot *s, struct cap_value *v)
{
	return put_u32(v, s->reader->desc.dwMaxCCIDMessageLength - CCID_HEADER_LENGTH);
}

/* DDDDCCCC: 0020 is USB, the channel is bus and address (PC/SC part 3). */
static enum ccid_err get_channel_id(struct slot *s, struct cap_value *v)
{
	const struct transport *t = s->reader->transport;

	return put_u32(v, 0x0020u << 16 | (uint32_t)t->bus << 8 | t->address);
}

static enum ccid_err get_simultaneous(struct slot *s, struct cap_value *v)
{
	(void)s;
	return put_byte(v, 255);
}

static enum ccid_err get_slots_number(struct slot *s, struct cap_value *v)
{
	unsigned slots = composite_slots(s->reader);

	return put_byte(v, slots > 255 ? 255 : (uint8_t)slots);
}

static enum ccid_err get_slot_thread_safe(struct slot *s, struct cap_value *v)
{
	return put_byte(v, composite_slots(s->reader) > 1);
}

static int milliseconds(int timeout_ms)
{
	return timeout_ms > 0 ? timeout_ms : 0;
}

static RESPONSECODE wait_for_change(DWORD Lun, int timeout_ms)
{
	struct deadline d = deadline_in_ms((uint64_t)milliseconds(timeout_ms));
	struct slot *s = registry_get(Lun);
	enum ccid_err err;

	if (!s)
		return ifdh_code(CCID_ERR_NO_DEVICE);
	err = transport_wait_change(s->reader->transport, (uint8_t)s->number, &d);
	slot_poll_ended(s);
	registry_put(s);
	return ifdh_code(err == CCID_ERR_TIMEOUT ? CCID_OK : err);
}

/* What pcscd's polling thread runs. Any other result than success costs it 400 ms of sleep. */
static RESPONSECODE poll_change(DWORD Lun, int timeout_ms)
{
	int cancelling = ifdh_not_cancelled();
	RESPONSECODE code = wait_for_change(Lun, timeout_ms);

	ifdh_cancelled_again(cancelling);
	return code;
}

static RESPONSECODE end_wait(DWORD Lun)
{
	struct slot *s = registry_get(Lun);

	if (!s)
		return ifdh_code(CCID_ERR_NO_DEVICE);
	transport_stop_change(s->reader->transport, (uint8_t)s->number);
	registry_put(s);
	return IFD_SUCCESS;
}

static RESPONSECODE stop_change(DWORD Lun)
{
	int cancelling = ifdh_not_cancelled();
	RESPONSECODE code = end_wait(Lun);

	ifdh_cancelled_again(cancelling);
	return code;
}

/* Without them pcscd must ask IFDHICCPresence again and again. */
static bool has_notifications(const struct slot *s)
{
	return transport_has_changes(s->reader->transport);
}

static enum ccid_err get_polling(struct slot *s, struct cap_value *v)
{
	RESPONSECODE (*f)(DWORD, int) = poll_change;

	if (!has_notifications(s))
		return CCID_ERR_TAG;
	memcpy(v->bytes, &f, sizeof f);
	v->len = sizeof f;
	return CCID_OK;
}

static enum ccid_err get_stop_polling(struct slot *s, struct cap_value *v)
{
	RESPONSECODE (*f)(DWORD) = stop_change;

	if (!has_notifications(s))
		return CCID_ERR_TAG;
	memcpy(v->bytes, &f, sizeof f);
	v->len = sizeof f;
	return CCID_OK;
}

/* No thread is to be cancelled in the driver: polls are stopped. */
static enum ccid_err get_killable(struct slot *s, struct cap_value *v)
{
	(void)s;
	(void)v;
	return CCID_ERR_TAG;
}

/* Every call inside and every later one ends at once; a poll waits for its stop. */
static void set_removed(struct slot *s)
{
	reader_set_gone(s->reader);
}

static const struct cap {
	DWORD tag;
	enum ccid_err (*get)(struct slot *s, struct cap_value *v);
	void (*set)(struct slot *s);	/* for value 1; NULL: read only */
} caps[] = {
	{ TAG_IFD_ATR, get_atr, NULL },
	{ SCARD_ATTR_ATR_STRING, get_atr, NULL },
	{ SCARD_ATTR_ICC_INTERFACE_STATUS, get_interface_status, NULL },
	{ SCARD_ATTR_ICC_PRESENCE, get_presence, NULL },
	{ SCARD_ATTR_VENDOR_IFD_VERSION, get_version, NULL },
	{ SCARD_ATTR_VENDOR_NAME, get_vendor_name, NULL },
	{ SCARD_ATTR_VENDOR_IFD_SERIAL_NO, get_serial_no, NULL },
	{ SCARD_ATTR_MAXINPUT, get_max_input, NULL },
	{ SCARD_ATTR_CHANNEL_ID, get_channel_id, NULL },
	{ TAG_IFD_THREAD_SAFE, get_one, NULL },
	{ TAG_IFD_SLOT_THREAD_SAFE, get_slot_thread_safe, NULL },
	{ TAG_IFD_SIMULTANEOUS_ACCESS, get_simultaneous, NULL },
	{ TAG_IFD_SLOTS_NUMBER, get_slots_number, NULL },
	{ TAG_IFD_POLLING_THREAD_WITH_TIMEOUT, get_polling, NULL },
	{ TAG_IFD_POLLING_THREAD_KILLABLE, get_killable, NULL },
	{ TAG_IFD_STOP_POLLING_THREAD, get_stop_polling, NULL },
	{ TAG_IFD_DEVICE_REMOVED, get_one, set_removed },
};

static const struct cap *find_cap(DWORD tag)
{
	for (size_t i = 0; i < sizeof caps / sizeof caps[0]; i++)
		if (caps[i].tag == tag)
			return &caps[i];
	return NULL;
}

enum ccid_err ifdh_get_cap(struct slot *s, DWORD Tag, PDWORD Length, PUCHAR Value)
{
	const struct cap *c = find_cap(Tag);
	struct cap_value v = { 0 };
	size_t room = *Length, len;
	enum ccid_err err;

	*Length = 0;
	if (!c)
		return CCID_ERR_TAG;
	err = c->get(s, &v);
	if (err != CCID_OK)
		return err;
	len = v.text ? strlen(v.text) + 1 : v.len;
	*Length = (DWORD)len;
	if (!Value || len == 0)
		return CCID_OK;
	if (len > room)
		return CCID_ERR_SHORT_BUFFER;
	memcpy(Value, v.text ? (const void *)v.text : v.bytes, len);
	return CCID_OK;
}

RESPONSECODE ifdh_set_cap(struct slot *s, DWORD Tag, DWORD Length, const UCHAR *Value)
{
	const struct cap *c = find_cap(Tag);

	if (!c)
		return ifdh_code(CCID_ERR_TAG);
	if (!c->set)
		return IFD_ERROR_VALUE_READ_ONLY;
	if (Length < 1 || !Value || Value[0] != 1)
		return IFD_ERROR_SET_FAILURE;
	c->set(s);
	return IFD_SUCCESS;
}
