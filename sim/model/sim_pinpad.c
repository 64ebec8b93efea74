/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* PC_to_RDR_Secure: a keypad and its user (CCID 1.10 §6.1.11, §6.1.12). */
#include "sim/model/sim_dev_priv.h"

#include <stdlib.h>
#include <string.h>

#define KEY_TIME (50 * SIM_MS)

/* Known expectations of readers beyond CCID 1.10. */
enum pin_habit {
	ALL_INDEXES = 1,	/* modify: three bMsgIndex, whatever bNumberMessage says */
	INDEXES_ZERO = 2,	/* modify: these, bNumberMessage too, are 0 */
	VERIFY_1 = 4,		/* verify: bNumberMessage is 1 */
	VERIFY_0 = 8,		/* verify: 0 */
	MODIFY_3 = 0x10,	/* modify: 3 */
	MODIFY_NOT_0 = 0x20,	/* modify: anything but 0 */
	CONDITION_2 = 0x40,	/* bEntryValidationCondition is 02 */
	DIGITS_SWAPPED = 0x80,	/* verify: wPINMaxExtraDigit is big-endian */
	APPEND_MODE = 0x100,	/* verify: appends a PIN to a case 1 APDU after Escape 80 02 00 only */
};

#define ANY_PRODUCT 0x10000u

/* The first row that fits. */
static const struct {
	uint32_t vendor, product;
	unsigned habits;
} habits[] = {
	{ 0x04e6, 0xe003, ALL_INDEXES | INDEXES_ZERO | APPEND_MODE },
	{ 0x046a, 0x003e, ALL_INDEXES | INDEXES_ZERO },
	{ 0x046a, 0x0010, MODIFY_3 },
	{ 0x046a, 0x00a1, MODIFY_NOT_0 },
	{ 0x08e6, 0x3478, ALL_INDEXES | VERIFY_1 | CONDITION_2 },
	{ 0x0982, 0x0008, ALL_INDEXES | VERIFY_1 | CONDITION_2 },
	{ 0x08e6, 0x34c0, CONDITION_2 },	/* with bNumberMessageFix among the features */
	{ 0x08e6, ANY_PRODUCT, ALL_INDEXES | CONDITION_2 },
	{ 0x413c, 0x2101, VERIFY_0 },
	{ 0x413c, 0x2100, VERIFY_0 | DIGITS_SWAPPED },
};

static unsigned habits_of(const struct sim_iface *f)
{
	const struct sim_dev_conf *c = &f->d->conf;

	for (size_t i = 0; i < sizeof habits / sizeof habits[0]; i++)
		if (habits[i].vendor == c->vendor &&
		    (habits[i].product == c->product || habits[i].product == ANY_PRODUCT))
			return habits[i].habits;
	return 0;
}

/* The data of a Secure message, taken apart. */
struct pin_block {
	bool modify;
	unsigned habits;
	uint8_t timeout, format, block, length_format, old_at, new_at;
	unsigned max, min;
	uint8_t confirm, validation, messages;
	const uint8_t *indexes, *prologue, *apdu;
	size_t apdu_len;
};

void sim_pin_end(struct sim_iface *f)
{
	unsigned serial = f->pin.key_serial + 1;

	free(f->pin.data);
	memset(&f->pin, 0, sizeof f->pin);
	f->pin.key_serial = serial;
}

/* --- taking the message apart --- */

static bool parse_verify(struct pin_block *b, const uint8_t *p, size_t len)
{
	if (len < 1 + 14 + 4)
		return false;
	b->timeout = p[1];
	b->format = p[2];
	b->block = p[3];
	b->length_format = p[4];
	b->max = p[b->habits & DIGITS_SWAPPED ? 6 : 5];
	b->min = p[b->habits & DIGITS_SWAPPED ? 5 : 6];
	b->validation = p[7];
	b->messages = p[8];
	b->prologue = p + 12;
	b->apdu = p + 15;
	b->apdu_len = len - 15;
	return true;
}

static bool parse_modify(struct pin_block *b, const uint8_t *p, size_t len)
{
	size_t at;

	if (len < 1 + 14 + 3 + 4)
		return false;
	b->timeout = p[1];
	b->format = p[2];
	b->block = p[3];
	b->length_format = p[4];
	b->old_at = p[5];
	b->new_at = p[6];
	b->max = p[7];
	b->min = p[8];
	b->confirm = p[9];
	b->validation = p[10];
	b->messages = p[11];
	/* bMsgIndex1 always, bMsgIndex2 unless bNumberMessage is 0, bMsgIndex3 when it is 3 or more: FF (the
	 * reader's own messages) comes with all three, as libccid has always sent it to 046a:00a1 */
	at = 15u + (b->messages != 0) + (b->messages >= 3);
	if (b->habits & ALL_INDEXES)
		at = 17;
	if (len < at + 3 + 4)
		return false;
	b->indexes = p + 14;
	b->prologue = p + at;
	b->apdu = p + at + 3;
	b->apdu_len = len - at - 3;
	return true;
}

/* The reader's own expectation that is not met; NULL: none. */
static const char *habit_fault(const struct sim_iface *f, const struct pin_block *b)
{
	unsigned h = b->habits;

	if ((h & CONDITION_2) && b->validation != 2)
		return "this reader takes bEntryValidationCondition 02 only";
	if (!b->modify && (h & VERIFY_1) && b->messages != 1)
		return "this reader verifies with bNumberMessage 1 only";
	if (!b->modify && (h & VERIFY_0) && b->messages != 0)
		return "this reader verifies with bNumberMessage 0 only";
	if (!b->modify && (h & APPEND_MODE) && (b->block & 15) == 0 && b->apdu_len == 4 && !f->append_mode)
		return "this reader appends a PIN after Escape 80 02 00 only";
	if (b->modify && (h & MODIFY_3) && b->messages != 3)
		return "this reader modifies with bNumberMessage 3 only";
	if (b->modify && (h & MODIFY_NOT_0) && b->messages == 0)
		return "this reader refuses to modify with bNumberMessage 0";
	if (b->modify && (h & INDEXES_ZERO) &&
	    (b->messages != 0 || b->indexes[0] || b->indexes[1] || b->indexes[2]))
		return "this reader wants bNumberMessage and all bMsgIndex to be 0";
	return NULL;
}

/* The wrong field; NULL: none. */
static const char *pin_fault(const struct sim_iface *f, const struct pin_block *b)
{
	const char *wrong = NULL;

	if ((b->format & 3) == 3)
		wrong = "bmFormatString: reserved type";
	else if (b->length_format & 0xE0)
		wrong = "bmPINLengthFormat: RFU bits";
	else if (b->min > b->max)
		wrong = "wPINMaxExtraDigit: minimum over maximum";
	else if (b->max > 16)
		wrong = "wPINMaxExtraDigit: more than 16 digits";
	else if (b->validation == 0 || b->validation > 7)
		wrong = "bEntryValidationCondition";
	else if (b->confirm & 0xFC)
		wrong = "bConfirmPIN: RFU bits";
	else if (b->apdu_len > 4 && b->apdu[4] && 5u + b->apdu[4] != b->apdu_len &&
		 6u + b->apdu[4] != b->apdu_len)
		wrong = "abPINApdu: Lc is not what follows";
	else if (sim_level(f) == SIM_LEVEL_TPDU && f->slot[f->pin.cmd.slot].protocol == 1 &&
		 (b->prologue[1] & 0x9F))
		wrong = "bTeoPrologue: not an I-block";
	return wrong ? wrong : habit_fault(f, b);
}

/* --- putting the digits in --- */

/* One PIN as abPINApdu wants it; returns its length in bytes. */
static size_t format_pin(const struct pin_block *b, const uint8_t *digits, size_t n, uint8_t *out)
{
	unsigned type = b->format & 3;

	if (type == 1) {
		memset(out, 0xFF, (n + 1) / 2);
		for (size_t i = 0; i < n; i++) {
			unsigned shift = i & 1 ? 0 : 4;

			out[i / 2] = (uint8_t)((out[i / 2] & ~(0x0Fu << shift)) |
					       (unsigned)(digits[i] << shift));
		}
		return (n + 1) / 2;
	}
	for (size_t i = 0; i < n; i++)
		out[i] = (uint8_t)(digits[i] + (type == 2 ? 0x30 : 0));
	return n;
}

/* The PIN's length goes where bmPINLengthFormat says, in so many bits as bmPINBlockString's upper half. */
static bool put_length(const struct pin_block *b, uint8_t *data, size_t data_len, size_t n)
{
	unsigned bits = b->block >> 4, at = b->length_format & 15;

	if (b->length_format & 0x10)
		at *= 8;
	if (bits == 0)
		return true;
	if ((at + bits + 7) / 8 > data_len)
		return false;
	for (unsigned i = 0; i < bits; i++) {
		unsigned bit = at + i;
		uint8_t mask = (uint8_t)(0x80 >> (bit % 8));

		if (n >> (bits - 1 - i) & 1)
			data[bit / 8] |= mask;
		else
			data[bit / 8] &= (uint8_t)~mask;
	}
	return true;
}

/* Bit by bit, as PINs of TLV cards do not begin on a byte. */
static void put_bits(uint8_t *data, unsigned at, const uint8_t *p, size_t bits)
{
	for (size_t i = 0; i < bits; i++) {
		uint8_t mask = (uint8_t)(0x80 >> ((at + i) % 8));

		if (p[i / 8] >> (7 - i % 8) & 1)
			data[(at + i) / 8] |= mask;
		else
			data[(at + i) / 8] &= (uint8_t)~mask;
	}
}

/* extra: bInsertionOffset in bytes. A block size of 0 appends the PIN and lets Lc grow. */
static bool put_pin(struct sim_iface *f, const struct pin_block *b, unsigned which, unsigned extra,
		    uint8_t *apdu, size_t *len)
{
	uint8_t pin[16];
	size_t n = f->pin.n_digits[which], bytes = format_pin(b, f->pin.digits[which], n, pin);
	size_t block = b->block & 15;
	unsigned at = (b->format >> 3 & 15) * (b->format & 0x80 ? 8 : 1) + 8 * extra;
	size_t bits = (b->format & 3) == 1 ? 4 * n : 8 * n;

	if (block == 0) {
		if (*len < 5) {
			apdu[4] = 0;
			*len = 5;
		}
		memcpy(apdu + *len, pin, bytes);
		*len += bytes;
		apdu[4] = (uint8_t)(apdu[4] + bytes);
		return true;
	}
	if (bytes > block || 5 + (at + 7) / 8 + block > *len)
		return false;
	/* bit 2: right justified within the block */
	if (b->format & 4)
		at += (unsigned)(8 * block - bits);
	put_bits(apdu + 5, at, pin, bits);
	return put_length(b, apdu + 5, *len - 5, n);
}

static size_t t1_wrap(const struct sim_slot *s, const struct pin_block *b, uint8_t *out,
		      const uint8_t *apdu, size_t len)
{
	uint8_t sum = 0;
	uint16_t crc = 0xFFFF;
	size_t n = 3 + len;

	out[0] = b->prologue[0];
	out[1] = b->prologue[1];
	out[2] = (uint8_t)len;
	memcpy(out + 3, apdu, len);
	for (size_t i = 0; i < n; i++) {
		sum ^= out[i];
		crc ^= out[i];
		for (unsigned k = 0; k < 8; k++)
			crc = crc & 1 ? (uint16_t)(crc >> 1 ^ 0x8408) : (uint16_t)(crc >> 1);
	}
	if (s->params[1] & 1) {
		/* the register as it is, high byte first, as an AU9540 sends it (card_t1_block.c) */
		out[n++] = (uint8_t)(crc >> 8);
		out[n++] = (uint8_t)crc;
	} else {
		out[n++] = sum;
	}
	return n;
}

static void answer_pin(struct sim_iface *f, unsigned status, uint8_t error, const uint8_t *p,
		       size_t len, uint64_t work_ns)
{
	struct sim_cmd c = f->pin.cmd;

	sim_pin_end(f);
	sim_answer(f, &c, status, error, 0, p, len, work_ns);
}

static bool parse(const struct sim_iface *f, struct pin_block *b, const uint8_t *p, size_t len)
{
	memset(b, 0, sizeof *b);
	b->habits = habits_of(f);
	b->modify = p[0] == 1;
	return b->modify ? parse_modify(b, p, len) : parse_verify(b, p, len);
}

/* All digits are there: the command goes to the card. */
static void give_to_card(struct sim_iface *f)
{
	struct sim_slot *s = &f->slot[f->pin.cmd.slot];
	struct sim_result r = { 0 };
	struct pin_block b;
	uint8_t apdu[300] = { 0 }, block[310];
	size_t len;
	bool ok = true;

	(void)parse(f, &b, f->pin.data, f->pin.cmd.len);
	len = b.apdu_len < 261 ? b.apdu_len : 261;
	memcpy(apdu, b.apdu, len);
	if (!b.modify) {
		ok = put_pin(f, &b, 0, 0, apdu, &len);
	} else {
		/* stage 0: the old PIN (if bConfirmPIN b1), 1: the new one */
		if (b.confirm & 2)
			ok = put_pin(f, &b, 0, b.old_at, apdu, &len);
		ok = ok && put_pin(f, &b, 1, b.new_at, apdu, &len);
	}
	if (!ok) {
		sim_complain(f->d, "secure: the PIN does not fit into abPINApdu");
		answer_pin(f, 1, SIM_HEADER + 2, NULL, 0, 0);
		return;
	}
	if (sim_level(f) == SIM_LEVEL_TPDU && s->protocol == 1) {
		len = t1_wrap(s, &b, block, apdu, len);
		ok = sim_card_exchange(f, s, block, len, &r) == 0;
	} else {
		ok = sim_card_exchange(f, s, apdu, len, &r) == 0;
	}
	if (!sim_attempt_undone(f, f->pin.cmd.slot))
		answer_pin(f, ok ? 0 : 1, ok ? 0 : ERR_MUTE, ok ? r.data : NULL, ok ? r.len : 0, r.work_ns);
}

static void present(struct sim_iface *f);

static void fire_present(struct sim_dev *d, struct sim_event *e)
{
	if (!sim_attempt_again(d, e) && e->f->pin.active)
		present(e->f);
}

static void present(struct sim_iface *f)
{
	unsigned slot = f->pin.cmd.slot;
	struct sim_attempt a;

	sim_attempt_begin(f, slot, &a);
	give_to_card(f);
	f->pin.presented = sim_attempt_end(f, slot, &a, fire_present) != NULL;
}

/* --- keys --- */

static void stage_done(struct sim_iface *f, const struct pin_block *b)
{
	static const uint8_t differ[2] = { 0x64, 0x02 };
	struct sim_pin *p = &f->pin;

	if (p->stage < p->last_stage) {
		p->stage++;
		return;
	}
	if (b->modify && (b->confirm & 1) &&
	    (p->n_digits[1] != p->n_digits[2] ||
	     memcmp(p->digits[1], p->digits[2], p->n_digits[1]) != 0)) {
		/* 6402 is not a T=1 block: such a reader asks for the new PIN again */
		if (sim_level(f) == SIM_LEVEL_TPDU && f->slot[p->cmd.slot].protocol == 1) {
			p->stage = 1;
			p->n_digits[1] = p->n_digits[2] = 0;
			return;
		}
		answer_pin(f, 0, 0, differ, sizeof differ, 0);
		return;
	}
	present(f);
}

static void fire_key(struct sim_dev *d, struct sim_event *e)
{
	struct sim_iface *f = e->f;
	struct sim_pin *p = &f->pin;
	struct pin_block b;

	(void)d;
	if (!p->active || p->presented)
		return;
	(void)parse(f, &b, p->data, p->cmd.len);
	if (e->value == '\033') {
		answer_pin(f, 1, ERR_CANCELLED, NULL, 0, 0);
	} else if (e->value == '\n') {
		if (p->n_digits[p->stage] >= b.min && (b.validation & 2))
			stage_done(f, &b);
	} else if (e->value == '\b') {
		if (p->n_digits[p->stage])
			p->n_digits[p->stage]--;
	} else if (e->value >= '0' && e->value <= '9' && p->n_digits[p->stage] < b.max) {
		p->digits[p->stage][p->n_digits[p->stage]++] = (uint8_t)(e->value - '0');
		if ((b.validation & 1) && p->n_digits[p->stage] == b.max)
			stage_done(f, &b);
	}
}

bool sim_dev_keys(struct sim_dev *d, unsigned interface, const char *keys, uint64_t now)
{
	if (interface >= d->conf.n_ifaces || !d->conf.iface[interface].bPINSupport || !d->plugged)
		return false;
	for (size_t i = 0; keys[i]; i++) {
		struct sim_event *e = sim_at(d, now + i * KEY_TIME, fire_key);

		e->f = &d->iface[interface];
		e->slot = UINT32_MAX;
		e->value = (uint8_t)keys[i];
	}
	return true;
}

static void fire_timeout(struct sim_dev *d, struct sim_event *e)
{
	struct sim_iface *f = e->f;
	struct pin_block b;

	(void)d;
	if (!f->pin.active || f->pin.presented || f->pin.key_serial != e->left)
		return;
	(void)parse(f, &b, f->pin.data, f->pin.cmd.len);
	if ((b.validation & 4) && f->pin.n_digits[f->pin.stage] >= b.min &&
	    f->pin.n_digits[f->pin.stage])
		stage_done(f, &b);
	else
		answer_pin(f, 1, ERR_PIN_TIMEOUT, NULL, 0, 0);
}

static void begin(struct sim_iface *f, const struct sim_cmd *c, const struct pin_block *b)
{
	struct sim_event *e;

	f->pin.active = true;
	f->pin.stage = b->modify && !(b->confirm & 2) ? 1 : 0;
	f->pin.last_stage = !b->modify ? 0 : b->confirm & 1 ? 2 : 1;
	e = sim_at(f->d, f->d->now + (b->timeout ? b->timeout : 30) * 1000 * SIM_MS, fire_timeout);
	e->f = f;
	e->slot = c->slot;
	e->left = f->pin.key_serial;
}

static void refuse(struct sim_iface *f, const struct sim_cmd *c, uint8_t error)
{
	sim_pin_end(f);
	sim_answer(f, c, 1, error, 0, NULL, 0, 0);
}

void sim_secure(struct sim_iface *f, const struct sim_cmd *c)
{
	struct sim_slot *s = &f->slot[c->slot];
	struct pin_block b;
	const char *wrong;

	if (f->pin.active) {
		sim_answer(f, c, 1, ERR_BUSY, 0, NULL, 0, 0);
		return;
	}
	f->pin.cmd = *c;
	f->pin.data = sim_dup(c->data, c->len);
	f->pin.cmd.data = f->pin.data;
	if (!s->powered) {
		if (!s->loss_untold)
			sim_complain(f->d, "secure: slot %u has no power", c->slot);
		refuse(f, c, ERR_MUTE);
	} else if (c->len < 1 || c->data[0] > 1 || !(f->conf->bPINSupport >> c->data[0] & 1)) {
		sim_complain(f->d, "secure: bPINOperation %u is not in bPINSupport",
			     c->len ? c->data[0] : 0xFF);
		refuse(f, c, SIM_HEADER);
	} else if (c->b8 || c->b9) {
		sim_complain(f->d, "secure: wLevelParameter %02x%02x", c->b9, c->b8);
		refuse(f, c, 8);
	} else if (!parse(f, &b, c->data, c->len)) {
		sim_complain(f->d, "secure: %zu bytes are too few", c->len);
		refuse(f, c, ERR_LENGTH);
	} else if ((wrong = pin_fault(f, &b)) != NULL) {
		sim_complain(f->d, "secure: %s", wrong);
		refuse(f, c, SIM_HEADER + 1);
	} else {
		f->append_mode = false;
		begin(f, c, &b);
	}
}
