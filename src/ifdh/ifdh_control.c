/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ifdh/ifdh.h"
#include "slot/features.h"
#include "slot/part10.h"
#include "slot/pinpad.h"

#include <reader.h>
#include <string.h>

/* Control codes without a name in <reader.h>. */
#define CODE_CCID_ESCAPE SCARD_CTL_CODE(1)
#define CODE_T1_NAD SCARD_CTL_CODE(3600)
#define CODE_USB_PATH SCARD_CTL_CODE(3601)
/* CM_IOCTL_GET_FEATURE_REQUEST as Windows numbers it: clients reach us over RDP. */
#define CODE_FEATURES_WINDOWS 0x313520u
#define CODE_FEATURE(f) SCARD_CTL_CODE(FEATURE_CODE_BASE + (f))

/* The core has these numbers of its own. */
#define IS_SAME(name) _Static_assert((int)PART10_##name == (int)FEATURE_##name, #name)
IS_SAME(VERIFY_PIN_DIRECT);
IS_SAME(MODIFY_PIN_DIRECT);
IS_SAME(MCT_READER_DIRECT);
IS_SAME(IFD_PIN_PROPERTIES);
IS_SAME(GET_TLV_PROPERTIES);
IS_SAME(CCID_ESC_COMMAND);
_Static_assert(PART10_CONTROL_CODE(1) == SCARD_CTL_CODE(1), "control codes");

struct control_call {
	const uint8_t *in;
	size_t len;
	uint8_t *out;
	size_t cap;
	size_t returned;
};

static enum ccid_err do_features(struct slot *s, struct control_call *c)
{
	return features_list(s, c->out, c->cap, &c->returned);
}

static enum ccid_err do_pin_properties(struct slot *s, struct control_call *c)
{
	return features_pin_properties(s, c->out, c->cap, &c->returned);
}

static enum ccid_err do_tlv_properties(struct slot *s, struct control_call *c)
{
	return features_tlv_properties(s, c->out, c->cap, &c->returned);
}

static enum ccid_err do_verify(struct slot *s, struct control_call *c)
{
	return slot_pin_verify(s, c->in, c->len, c->out, c->cap, &c->returned);
}

static enum ccid_err do_modify(struct slot *s, struct control_call *c)
{
	return slot_pin_modify(s, c->in, c->len, c->out, c->cap, &c->returned);
}

/* Firmware can be replaced by Escape commands: the administrator decides (ifdDriverOptions). */
static enum ccid_err do_escape(struct slot *s, struct control_call *c)
{
	if (!features_escape_allowed(s, c->in, c->len)) {
		LOG(LOG_INFO, &s->ccid.log,
		    "Escape command refused: ifdDriverOptions has no 0x01 (see Info.plist)");
		return CCID_ERR_COMM;
	}
	return slot_escape(s, c->in, c->len, c->out, c->cap, &c->returned);
}

/* The reader's own applications (Secoder): CLA 20, INS 70 to 74, P1 and P2 0. A first length byte
 * of 0 stands for "no data" or for an extended length. */
static bool is_mct(const uint8_t *p, size_t len)
{
	return len >= 5 && p[0] == 0x20 && p[1] >= 0x70 && p[1] <= 0x74 && p[2] == 0 &&
	       p[3] == 0 && p[4] == 0;
}

/* Goes out as an Escape, so it is for the readers that are made for it only, and no way round the
 * ban on other Escape commands. */
static enum ccid_err do_mct(struct slot *s, struct control_call *c)
{
	if (!is_mct(c->in, c->len)) {
		LOG(LOG_INFO, &s->ccid.log,
		    "MCT command refused: only 20 70 to 20 74 with 00 00 00 may pass");
		return CCID_ERR_COMM;
	}
	return slot_escape(s, c->in, c->len, c->out, c->cap, &c->returned);
}

/* ISO 7816-3:2006 §11.3.2.1: b8 and b4 are not used; source and destination differ unless both are
 * 0. */
static bool nad_is_valid(uint8_t nad)
{
	return (nad & 0x88) == 0 && (nad == 0 || (nad >> 4) != (nad & 0x0F));
}

/* 3E 00 01 nad sets the node address of a T=1 card, 3F 00 00 gets it. */
static enum ccid_err do_nad(struct slot *s, struct control_call *c)
{
	static const uint8_t set[] = { 0x3E, 0x00, 0x01 }, get[] = { 0x3F, 0x00, 0x00 };
	bool sets = c->len == 4 && memcmp(c->in, set, sizeof set) == 0;
	bool gets = c->len == 3 && memcmp(c->in, get, sizeof get) == 0;
	uint8_t answer[5] = { 0x3E, 0x00, 0x01, 0x01 };
	size_t n = sets ? 4 : 5;

	if (s->reader->level != LEVEL_TPDU)
		return CCID_ERR_NOT_SUPPORTED;
	if (!sets && !gets)
		return CCID_ERR_ARG;
	if (n > c->cap)
		return CCID_ERR_SHORT_BUFFER;
	port_mutex_lock(&s->lock);
	if (gets) {
		memcpy(answer, ((const uint8_t[]){ 0x3F, 0x00, 0x02, 0x00, s->t1.nad }), n);
	} else if (s->card == CARD_READY && s->params.protocol == 1 && nad_is_valid(c->in[3])) {
		s->t1.nad = c->in[3];
		answer[3] = 0x00;
	}
	port_mutex_unlock(&s->lock);
	memcpy(c->out, answer, n);
	c->returned = n;
	return CCID_OK;
}

static enum ccid_err do_usb_path(struct slot *s, struct control_call *c)
{
	struct transport *t = s->reader->transport;
	enum ccid_err err;

	if (c->cap == 0)
		return CCID_ERR_SHORT_BUFFER;
	err = transport_bus_path(t, (char *)c->out, c->cap);
	if (err == CCID_OK)
		c->returned = strlen((const char *)c->out) + 1;
	return err;
}

static bool offers_pinpad(const struct slot *s)
{
	return features_has_pin_verify(s) || features_has_pin_modify(s);
}

static const struct control {
	DWORD code;
	enum ccid_err (*run)(struct slot *s, struct control_call *c);
	bool (*offered)(const struct slot *s);	/* NULL: always */
} controls[] = {
	{ CM_IOCTL_GET_FEATURE_REQUEST, do_features, NULL },
	{ CODE_FEATURES_WINDOWS, do_features, NULL },
	{ CODE_FEATURE(FEATURE_VERIFY_PIN_DIRECT), do_verify, features_has_pin_verify },
	{ CODE_FEATURE(FEATURE_MODIFY_PIN_DIRECT), do_modify, features_has_pin_modify },
	{ CODE_FEATURE(FEATURE_IFD_PIN_PROPERTIES), do_pin_properties, offers_pinpad },
	{ CODE_FEATURE(FEATURE_MCT_READER_DIRECT), do_mct, features_has_mct },
	{ CODE_FEATURE(FEATURE_GET_TLV_PROPERTIES), do_tlv_properties, NULL },
	{ CODE_FEATURE(FEATURE_CCID_ESC_COMMAND), do_escape, NULL },
	{ CODE_CCID_ESCAPE, do_escape, NULL },
	{ CODE_T1_NAD, do_nad, NULL },
	{ CODE_USB_PATH, do_usb_path, NULL },
};

RESPONSECODE ifdh_control(struct slot *s, DWORD code, const uint8_t *in, size_t len,
			  uint8_t *out, size_t cap, size_t *returned)
{
	struct control_call c = { .in = in, .len = len, .out = out, .cap = cap };
	enum ccid_err err;

	*returned = 0;
	if ((!in && len > 0) || (!out && cap > 0))
		return ifdh_code(CCID_ERR_ARG);
	for (size_t i = 0; i < sizeof controls / sizeof controls[0]; i++) {
		if (controls[i].code != code || (controls[i].offered && !controls[i].offered(s)))
			continue;
		err = controls[i].run(s, &c);
		*returned = err != CCID_OK ? 0 : c.returned;
		return ifdh_code(err);
	}
	LOG(LOG_INFO, &s->ccid.log, "control code %lX is not supported", (unsigned long)code);
	return IFD_ERROR_NOT_SUPPORTED;
}
