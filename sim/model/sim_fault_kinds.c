/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The effect of each fault. sim_fault.c arms faults and decides when they strike. */
#include "sim/model/sim_dev_priv.h"

#include <stdlib.h>
#include <string.h>

uint32_t sim_fault_value(const struct sim_fault *t, uint32_t otherwise)
{
	return t->has_value ? t->value : otherwise;
}

static uint64_t fault_ns(const struct sim_fault *t, uint64_t otherwise_ms)
{
	return t->has_ns ? t->ns : otherwise_ms * SIM_MS;
}

/* --- faults of an answer --- */

static void body(struct sim_msg *m, const uint8_t *p, size_t len)
{
	uint8_t *data = sim_alloc(SIM_HEADER + len + 1);

	memcpy(data, m->data, SIM_HEADER);
	if (len)
		memcpy(data + SIM_HEADER, p, len);
	sim_put32(data + 1, (uint32_t)len);
	free(m->data);
	m->data = data;
	m->len = SIM_HEADER + len;
}

/* Makes the body len bytes long, cut or filled up with A5. */
static void resize(struct sim_msg *m, size_t len, bool tell)
{
	size_t had = m->len - SIM_HEADER;
	uint32_t said = sim_get32(m->data + 1);
	uint8_t *p;

	if (len > SIM_ROOM)
		len = SIM_ROOM;
	p = sim_alloc(len + 1);
	memset(p, 0xA5, len);
	memcpy(p, m->data + SIM_HEADER, had < len ? had : len);
	body(m, p, len);
	free(p);
	if (!tell)
		sim_put32(m->data + 1, said);
}

static void wrong_slot(const struct sim_fault *t, const struct sim_strike_at *a)
{
	a->m->data[5] = (uint8_t)sim_fault_value(t, a->f->n_slots);
}

static void wrong_seq(const struct sim_fault *t, const struct sim_strike_at *a)
{
	a->m->data[6] = (uint8_t)(a->m->data[6] + sim_fault_value(t, 1));
}

static void wrong_type(const struct sim_fault *t, const struct sim_strike_at *a)
{
	a->m->data[0] = (uint8_t)sim_fault_value(t, 0x8F);
}

static void stale(const struct sim_fault *t, const struct sim_strike_at *a)
{
	a->k->stale_before = sim_fault_value(t, 1) < 10000 ? sim_fault_value(t, 1) : 10000;
}

static void duplicate(const struct sim_fault *t, const struct sim_strike_at *a)
{
	(void)t;
	a->k->twice = true;
}

static void zero_length(const struct sim_fault *t, const struct sim_strike_at *a)
{
	(void)t;
	a->k->empty_before = true;
}

static void short_answer(const struct sim_fault *t, const struct sim_strike_at *a)
{
	uint32_t n = sim_fault_value(t, 9);

	a->m->len = n < a->m->len ? n : a->m->len;
}

static void length_more(const struct sim_fault *t, const struct sim_strike_at *a)
{
	sim_put32(a->m->data + 1, sim_get32(a->m->data + 1) + sim_fault_value(t, 1));
}

static void length_less(const struct sim_fault *t, const struct sim_strike_at *a)
{
	uint32_t had = sim_get32(a->m->data + 1), less = sim_fault_value(t, 1);

	if (had == 0)
		resize(a->m, less, false);
	else
		sim_put32(a->m->data + 1, had - (less < had ? less : had));
}

static void padded(const struct sim_fault *t, const struct sim_strike_at *a)
{
	resize(a->m, a->m->len - SIM_HEADER + sim_fault_value(t, 1), false);
}

static void longer(const struct sim_fault *t, const struct sim_strike_at *a)
{
	resize(a->m, sim_fault_value(t, 65000), true);
}

static void shorter(const struct sim_fault *t, const struct sim_strike_at *a)
{
	resize(a->m, sim_fault_value(t, 0), true);
}

static void exact(const struct sim_fault *t, const struct sim_strike_at *a)
{
	size_t packet = a->f->conf->packet, n = sim_fault_value(t, 1);

	resize(a->m, (n ? n : 1) * packet - SIM_HEADER, true);
}

static void overflow(const struct sim_fault *t, const struct sim_strike_at *a)
{
	(void)t;
	a->k->status = SIM_OVERFLOW;
}

static void in_stall(const struct sim_fault *t, const struct sim_strike_at *a)
{
	(void)t;
	a->k->status = SIM_STALL;
}

static void in_error(const struct sim_fault *t, const struct sim_strike_at *a)
{
	(void)t;
	a->k->status = SIM_IO;
}

static void no_zlp(const struct sim_fault *t, const struct sim_strike_at *a)
{
	(void)t;
	a->k->no_zlp = true;
}

static void silent(const struct sim_fault *t, const struct sim_strike_at *a)
{
	(void)t;
	a->k->drop = true;
}

static void late(const struct sim_fault *t, const struct sim_strike_at *a)
{
	a->k->delay = fault_ns(t, 1000);
	a->k->stale = true;
}

static void slow(const struct sim_fault *t, const struct sim_strike_at *a)
{
	a->k->delay = fault_ns(t, 1000);
}

static void time_extension(const struct sim_fault *t, const struct sim_strike_at *a)
{
	a->k->every = fault_ns(t, 100) ? fault_ns(t, 100) : 1;
	a->k->multiplier = (uint8_t)sim_fault_value(t, 1);
	a->k->extensions = 3;
}

static void endless_extension(const struct sim_fault *t, const struct sim_strike_at *a)
{
	time_extension(t, a);
	a->k->extensions = 0;
	a->k->forever = true;
}

static void failed(const struct sim_strike_at *a, uint8_t error)
{
	a->m->data[7] = (uint8_t)((a->m->data[7] & 3) | 0x40);
	a->m->data[8] = error;
	body(a->m, NULL, 0);
}

static void error(const struct sim_fault *t, const struct sim_strike_at *a)
{
	failed(a, (uint8_t)sim_fault_value(t, ERR_MUTE));
}

static void error_status(const struct sim_fault *t, const struct sim_strike_at *a)
{
	error(t, a);
	a->m->data[0] = RDR_STATUS;
}

static void icc_status(const struct sim_fault *t, const struct sim_strike_at *a)
{
	a->m->data[7] = (uint8_t)((a->m->data[7] & ~3u) | (sim_fault_value(t, 3) & 3));
}

static void status_byte(const struct sim_fault *t, const struct sim_strike_at *a)
{
	a->m->data[7] = (uint8_t)sim_fault_value(t, 0xC0);
}

static void unplug(const struct sim_fault *t, const struct sim_strike_at *a)
{
	(void)t;
	a->k->gone = true;
}

/* --- ATRs --- */

static void atr_claims(const struct sim_fault *t, const struct sim_strike_at *a)
{
	resize(a->m, 2, true);
	sim_put32(a->m->data + 1, sim_fault_value(t, 33));
}

static void atr_empty(const struct sim_fault *t, const struct sim_strike_at *a)
{
	(void)t;
	body(a->m, NULL, 0);
}

static void atr_long(const struct sim_fault *t, const struct sim_strike_at *a)
{
	resize(a->m, sim_fault_value(t, 40), true);
}

static void atr_ts(const struct sim_fault *t, const struct sim_strike_at *a)
{
	if (a->m->len > SIM_HEADER)
		a->m->data[SIM_HEADER] = (uint8_t)sim_fault_value(t, 0x00);
}

static void atr_truncated(const struct sim_fault *t, const struct sim_strike_at *a)
{
	static const uint8_t atr[] = { 0x3B, 0xFF, 0x11 };

	(void)t;
	body(a->m, atr, sizeof atr);
}

/* TS, T0, then TDs that each announce the next one and nothing else. */
static void atr_tds(const struct sim_fault *t, const struct sim_strike_at *a)
{
	uint8_t atr[64];
	uint32_t n = sim_fault_value(t, 32);

	memset(atr, 0x80, sizeof atr);
	atr[0] = 0x3B;
	body(a->m, atr, n < 62 ? 2 + n : 64);
}

/* --- PIN --- */

static void pin_cancelled(const struct sim_fault *t, const struct sim_strike_at *a)
{
	(void)t;
	failed(a, ERR_CANCELLED);
}

static void pin_timeout(const struct sim_fault *t, const struct sim_strike_at *a)
{
	(void)t;
	failed(a, ERR_PIN_TIMEOUT);
}

/* S(WTX request) first; what the card said waits for the response (ISO 7816-3 §11.4.3). */
static void pin_wtx(const struct sim_fault *t, const struct sim_strike_at *a)
{
	uint8_t multiplier = (uint8_t)sim_fault_value(t, 1);
	uint8_t wtx[5] = { 0x00, 0xC3, 0x01, multiplier, (uint8_t)(0xC3 ^ 0x01 ^ multiplier) };
	struct sim_slot *s = &a->f->slot[a->c->slot];

	free(s->held);
	s->held_len = a->m->len - SIM_HEADER;
	s->held = sim_dup(a->m->data + SIM_HEADER, s->held_len);
	body(a->m, wtx, sizeof wtx);
}

/* --- at once --- */

static void raw_interrupt(struct sim_iface *f, const uint8_t *p, size_t len, size_t total, int status)
{
	memset(f->intr_raw, 0xA5, sizeof f->intr_raw);
	memcpy(f->intr_raw, p, len);
	f->intr_raw_len = total < sizeof f->intr_raw ? total : sizeof f->intr_raw;
	f->intr_raw_status = status;
	f->intr_raw_set = true;
	sim_pump_intr(f);
}

static void intr_short(struct sim_dev *d, const struct sim_fault *t, struct sim_iface *f)
{
	static const uint8_t p[1] = { 0x50 };

	(void)d;
	raw_interrupt(f, p, 1, sim_fault_value(t, 1), SIM_OK);
}

static void intr_long(struct sim_dev *d, const struct sim_fault *t, struct sim_iface *f)
{
	static const uint8_t p[2] = { 0x50, 0x03 };

	(void)d;
	raw_interrupt(f, p, 2, sim_fault_value(t, 64), SIM_OK);
}

static void intr_unknown(struct sim_dev *d, const struct sim_fault *t, struct sim_iface *f)
{
	uint8_t p[2] = { (uint8_t)sim_fault_value(t, 0x5F), 0 };

	(void)d;
	raw_interrupt(f, p, 2, 2, SIM_OK);
}

static void intr_overflow(struct sim_dev *d, const struct sim_fault *t, struct sim_iface *f)
{
	(void)d;
	(void)t;
	raw_interrupt(f, (const uint8_t *)"", 0, 0, SIM_OVERFLOW);
}

static void intr_stall(struct sim_dev *d, const struct sim_fault *t, struct sim_iface *f)
{
	(void)d;
	(void)t;
	if (f->intr.head)
		raw_interrupt(f, (const uint8_t *)"", 0, 0, SIM_STALL);
	f->intr.halted = true;
}

static void intr_flood(struct sim_dev *d, const struct sim_fault *t, struct sim_iface *f)
{
	uint32_t rate = sim_fault_value(t, 10000);

	(void)d;
	f->intr_flood_ns = 1000000000u / (rate ? rate : 1);
	sim_pump_intr(f);
}

static void hardware_error(struct sim_dev *d, const struct sim_fault *t, struct sim_iface *f)
{
	uint8_t p[4] = { 0x51, (uint8_t)(t->slot < 0 ? 0 : t->slot), 0, (uint8_t)sim_fault_value(t, 1) };

	(void)d;
	if (p[1] < f->n_slots)
		p[2] = f->slot[p[1]].last_seq;
	raw_interrupt(f, p, 4, 4, SIM_OK);
}

/* --- descriptors: armed before the device is looked at, until "clear" --- */

static void remember_sane(struct sim_dev *d)
{
	if (!d->sane)
		d->sane = sim_dup(&d->conf, sizeof d->conf);
}

static void max_slot_index(struct sim_dev *d, const struct sim_fault *t, struct sim_iface *f)
{
	remember_sane(d);
	f->conf->bMaxSlotIndex = (uint8_t)sim_fault_value(t, 255);
	f->n_slots = f->conf->bMaxSlotIndex + 1u;
	sim_desc_build(d);
}

static void busy_slots(struct sim_dev *d, const struct sim_fault *t, struct sim_iface *f)
{
	remember_sane(d);
	f->conf->bMaxCCIDBusySlots = (uint8_t)sim_fault_value(t, 0);
	sim_desc_build(d);
}

static void max_message(struct sim_dev *d, const struct sim_fault *t, struct sim_iface *f)
{
	remember_sane(d);
	f->conf->dwMaxCCIDMessageLength = sim_fault_value(t, 0);
	sim_desc_build(d);
}

static const struct {
	const char *name;
	unsigned bit;
} desc_bits[] = {
	{ "desc-short", DESC_SHORT }, { "desc-long", DESC_LONG }, { "desc-doubled", DESC_DOUBLED },
	{ "desc-at-endpoint", DESC_AT_ENDPOINT }, { "desc-none", DESC_NONE },
	{ "no-altsetting", DESC_NO_ALTSETTING }, { "no-endpoints", DESC_NO_ENDPOINTS },
	{ "endpoints-doubled", DESC_ENDPOINTS_DOUBLED }, { "endpoint-type", DESC_ENDPOINT_TYPE },
};

static void desc_fault(struct sim_dev *d, const struct sim_fault *t, struct sim_iface *f)
{
	(void)f;
	for (size_t i = 0; i < sizeof desc_bits / sizeof desc_bits[0]; i++) {
		if (strcmp(desc_bits[i].name, t->kind->name) == 0)
			sim_set_desc_faults(d, d->desc_fault | desc_bits[i].bit, sim_fault_value(t, 0));
	}
}

/* --- the table --- */

const struct sim_fault_kind sim_fault_kinds[] = {
	/* answers on bulk IN */
	{ "wrong-slot", 0, wrong_slot, NULL, "bSlot is value (one beyond the last)" },
	{ "wrong-seq", 0, wrong_seq, NULL, "bSeq is off by value (1)" },
	{ "wrong-type", 0, wrong_type, NULL, "bMessageType is value (8F)" },
	{ "stale", 0, stale, NULL, "value (1) answers with older bSeq come first" },
	{ "duplicate", 0, duplicate, NULL, "the answer comes twice" },
	{ "zero-length", 0, zero_length, NULL, "an empty packet comes first" },
	{ "short-answer", 0, short_answer, NULL, "only value (9) bytes come" },
	{ "length-more", 0, length_more, NULL, "dwLength says value (1) more than comes" },
	{ "length-less", 0, length_less, NULL, "dwLength says value (1) less than comes" },
	{ "padded", 0, padded, NULL, "value (1) bytes follow that dwLength does not count" },
	{ "longer", 0, longer, NULL, "the body is made value (65000) bytes long, dwLength too" },
	{ "shorter", 0, shorter, NULL, "the body is made value (0) bytes long, dwLength too" },
	{ "exact", 0, exact, NULL, "the message is made exactly value (1) packets long" },
	{ "overflow", 0, overflow, NULL, "the transfer ends with an overflow, the answer is lost" },
	{ "in-stall", 0, in_stall, NULL, "bulk IN halts, the answer is lost" },
	{ "in-error", 0, in_error, NULL, "the transfer fails, the answer is lost" },
	{ "no-zlp", 0, no_zlp, NULL, "no empty packet behind an answer of full packets" },
	{ "silent", 0, silent, NULL, "no answer; the slot stays busy until it is aborted" },
	{ "late-answer", 0, late, NULL, "the answer comes ms (1000) later, even after an abort" },
	{ "slow-answer", 0, slow, NULL, "the answer comes ms (1000) later, unless it is aborted" },
	{ "time-extension", 0, time_extension, NULL,
	  "three time extensions first, one each ms (100; 10 or more), bError value (1)" },
	{ "endless-extension", 0, endless_extension, NULL,
	  "time extensions for ever, one each ms (100; 10 or more)" },
	{ "error", 0, error, NULL, "the command fails with bError value (FE)" },
	{ "error-status", 0, error_status, NULL, "the same, as SlotStatus whatever the command was" },
	{ "icc-status", 0, icc_status, NULL, "bmICCStatus is value (3)" },
	{ "status-byte", 0, status_byte, NULL, "bStatus is value (C0)" },
	{ "unplug", 0, unplug, NULL, "the device is unplugged instead of answering" },
	{ "atr-claims", PC_POWER_ON, atr_claims, NULL, "2 bytes of ATR, dwLength says value (33)" },
	{ "atr-empty", PC_POWER_ON, atr_empty, NULL, "an ATR of no bytes" },
	{ "atr-long", PC_POWER_ON, atr_long, NULL, "an ATR of value (40) bytes" },
	{ "atr-ts", PC_POWER_ON, atr_ts, NULL, "TS is value (00)" },
	{ "atr-truncated", PC_POWER_ON, atr_truncated, NULL, "interface bytes beyond the end" },
	{ "atr-tds", PC_POWER_ON, atr_tds, NULL, "value (32) TDs" },
	{ "escape-claims", PC_ESCAPE, length_more, NULL, "dwLength says value (1) more than comes" },
	{ "escape-long", PC_ESCAPE, longer, NULL, "value (65000) bytes of answer" },
	{ "pin-short", PC_SECURE, shorter, NULL, "an answer of value (0) bytes" },
	{ "pin-cancelled", PC_SECURE, pin_cancelled, NULL, "bError EF" },
	{ "pin-timeout", PC_SECURE, pin_timeout, NULL, "bError F0" },
	{ "pin-wtx", PC_SECURE, pin_wtx, NULL, "T=1: S(WTX request) of value (1) before the answer" },
	/* asked for by name where they strike */
	{ "out-stall", 0, NULL, NULL, "bulk OUT halts" },
	{ "out-error", 0, NULL, NULL, "a transfer on bulk OUT fails" },
	{ "out-nak", 0, NULL, NULL, "a transfer on bulk OUT is never taken" },
	{ "control-stall", 0, NULL, NULL, "a class request on the control pipe is refused" },
	{ "unplug-control", 0, NULL, NULL, "the device is unplugged at a class request" },
	{ "rates-stall", 0, NULL, NULL, "GET_DATA_RATES is refused" },
	{ "rates-extra", 0, NULL, NULL, "GET_DATA_RATES gives value (1) bytes too many" },
	{ "rates-count", 0, NULL, NULL, "GET_DATA_RATES gives value (256) rates" },
	{ "chain-begins", 0, NULL, NULL, "extended APDU: bChainParameter 01 for ever" },
	{ "chain-middle", 0, NULL, NULL, "extended APDU: bChainParameter 03, whatever is right" },
	{ "chain-tiny", 0, NULL, NULL, "extended APDU: value (1) bytes a part" },
	{ "chain-endless", 0, NULL, NULL, "extended APDU: an answer of value (70000) bytes" },
	{ "iccd-empty", 0, NULL, NULL, "ICCD: a data block of no bytes" },
	{ "iccd-short", 0, NULL, NULL, "ICCD: a data block of value (1) bytes" },
	{ "iccd-type", 0, NULL, NULL, "ICCD B: bResponseType value (55)" },
	{ "iccd-poll", 0, NULL, NULL, "ICCD B: asks to poll again, in value (0) x 10 ms" },
	{ "iccd-status", 0, NULL, NULL, "ICCD A: GetIccStatus says value (40: busy)" },
	/* seen: Reiner SCT cyberJack RFID basis 0c4b:9102 (CCID issue 155) */
	{ "silent-removal", 0, NULL, NULL, "a command under way is never answered when its card is taken out" },
	/* STMicroelectronics' CCID device middleware (stm32-mw-usb-device) takes wValue of the control ABORT for the
	 * slot alone, and goes on refusing with bError 00 until the bulk ABORT carries bSeq 0 */
	{ "abort-seq-0", 0, NULL, NULL,
	  "the control ABORT is read as bSeq 0; another one on the bulk pipe ends nothing, though it is answered" },
	{ "same-seq-mute", 0, NULL, NULL, "no answer to a command with the bSeq of the last one, of any slot" },
	/* at once */
	{ "intr-short", 0, NULL, intr_short, "an interrupt packet of value (1) bytes" },
	{ "intr-long", 0, NULL, intr_long, "an interrupt packet of value (64) bytes" },
	{ "intr-unknown", 0, NULL, intr_unknown, "an interrupt message of type value (5F)" },
	{ "intr-overflow", 0, NULL, intr_overflow, "the interrupt transfer ends with an overflow" },
	{ "intr-stall", 0, NULL, intr_stall, "the interrupt endpoint halts" },
	{ "intr-flood", 0, NULL, intr_flood, "value (10000) notifications a second, until \"clear\"" },
	{ "hardware-error", 0, NULL, hardware_error, "RDR_to_PC_HardwareError with code value (1)" },
	/* descriptors */
	{ "max-slot-index", 0, NULL, max_slot_index, "bMaxSlotIndex is value (255), and so many slots there are" },
	{ "busy-slots", 0, NULL, busy_slots, "bMaxCCIDBusySlots is value (0)" },
	{ "max-message", 0, NULL, max_message, "dwMaxCCIDMessageLength is value (0)" },
	{ "desc-short", 0, NULL, desc_fault, "class descriptor of value (20) bytes" },
	{ "desc-long", 0, NULL, desc_fault, "class descriptor of value (60) bytes" },
	{ "desc-doubled", 0, NULL, desc_fault, "two class descriptors, the second one lies" },
	{ "desc-at-endpoint", 0, NULL, desc_fault, "class descriptor behind the last endpoint" },
	{ "desc-none", 0, NULL, desc_fault, "no class descriptor" },
	{ "no-altsetting", 0, NULL, desc_fault, "an interface that is announced and not there" },
	{ "no-endpoints", 0, NULL, desc_fault, "no endpoints" },
	{ "endpoints-doubled", 0, NULL, desc_fault, "each endpoint descriptor twice" },
	{ "endpoint-type", 0, NULL, desc_fault, "isochronous endpoints instead of bulk" },
};

const unsigned sim_fault_kind_count = sizeof sim_fault_kinds / sizeof sim_fault_kinds[0];
