/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "quirks/quirks.h"
#include "util/log.h"

#include <string.h>

_Static_assert(QUIRK_COUNT <= 64, "the flags are bits of a uint64_t");

#define ANY QUIRK_ANY
#define FW(from, to) .fw_from = (from), .fw_to = (to)
#define ALL_FW FW(0x0000, 0xffff)
#define F(name) (UINT64_C(1) << QUIRK_##name)
#define NO_FLAGS UINT64_C(0)
#define V(...) __VA_ARGS__
#define NO_VALUES .open_delay_ms = 0
#define QUIRK(v, p, fw, flags, values, why, where) \
	{ .vendor = (v), .product = (p), fw, \
	  .set = { .bits = (flags), values }, .reason = (why), .reference = (where) },
#define TOO_OLD(v, p, good, name) \
	{ .vendor = (v), .product = (p), FW(0, (good) - 1), \
	  .set = { .bits = F(OLD_FIRMWARE), .first_good_fw = (good) }, \
	  .reason = name ": firmware known to fail", .reference = "bcdDevice" },

static const struct quirk_row table[] = {
#include "quirks/quirks.def"
};

#define N_ROWS (sizeof table / sizeof table[0])

static const char *const names[QUIRK_COUNT] = {
#define X(name, area, doc) #name,
	QUIRK_LIST(X)
#undef X
};

static const char *const docs[QUIRK_COUNT] = {
#define X(name, area, doc) doc,
	QUIRK_LIST(X)
#undef X
};

static const enum quirk_area areas[QUIRK_COUNT] = {
#define X(name, area, doc) QUIRK_##area,
	QUIRK_LIST(X)
#undef X
};

const struct quirk_row *quirks_table(size_t *n)
{
	*n = N_ROWS;
	return table;
}

enum quirk_area quirk_area(enum quirk which)
{
	return areas[which];
}

const char *quirk_doc(enum quirk which)
{
	return (unsigned)which < QUIRK_COUNT ? docs[which] : "?";
}

/* A letter of an upper-case name as the user writes it: lower case, '-' for '_'. */
static char user_letter(char c)
{
	if (c == '_')
		return '-';
	return (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

const char *quirk_name(enum quirk which, char *out, size_t cap)
{
	const char *name = (unsigned)which < QUIRK_COUNT ? names[which] : "?";
	size_t i;

	for (i = 0; name[i] && i + 1 < cap; i++)
		out[i] = user_letter(name[i]);
	if (cap > 0)
		out[i] = '\0';
	return out;
}

int quirk_by_name(const char *text, size_t len)
{
	for (int q = 0; q < QUIRK_COUNT; q++) {
		size_t i = 0;

		if (strlen(names[q]) != len)
			continue;
		while (i < len && user_letter(names[q][i]) == text[i])
			i++;
		if (i == len)
			return q;
	}
	return -1;
}

/* The numbers of a row that has them replace what is there. */
static void add_row(struct quirk_set *q, const struct quirk_set *row)
{
	q->bits |= row->bits;
#define X(type, name, max, doc) q->name = row->name ? row->name : q->name;
	QUIRK_VALUES(X)
#undef X
}

/* A piece of the override text. */
struct piece {
	const char *p;
	size_t len;
};

/* Cuts the text before the next separator off rest; false at the end of the text. */
static bool next_piece(struct piece *rest, char separator, struct piece *out)
{
	const char *end;

	if (!rest->p)
		return false;
	end = memchr(rest->p, separator, rest->len);
	out->p = rest->p;
	out->len = end ? (size_t)(end - rest->p) : rest->len;
	rest->len = end ? rest->len - out->len - 1 : 0;
	rest->p = end ? end + 1 : NULL;
	return true;
}

/* The value of a hexadecimal digit, or -1. */
static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* One to four hexadecimal digits, or "xxxx" (any). */
static bool quirk_id(struct piece s, uint32_t *out)
{
	uint32_t v = 0;

	if (s.len == 4 && memcmp(s.p, "xxxx", 4) == 0) {
		*out = QUIRK_ANY;
		return true;
	}
	if (s.len < 1 || s.len > 4)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		int digit = hex_digit(s.p[i]);

		if (digit < 0)
			return false;
		v = v << 4 | (uint32_t)digit;
	}
	*out = v;
	return true;
}

/* The numbers of struct quirk_set, by the name that the user writes. */
static const struct number {
	const char *name;
	uint32_t most;
	size_t offset, size;
} numbers[] = {
#define X(type, name, most, doc) { #name, most, offsetof(struct quirk_set, name), sizeof(type) },
	QUIRK_VALUES(X)
#undef X
};

#define N_NUMBERS (sizeof numbers / sizeof numbers[0])

static void set_number(struct quirk_set *q, const struct number *n, uint32_t v)
{
	uint8_t *at = (uint8_t *)q + n->offset, v8 = (uint8_t)v;
	uint16_t v16 = (uint16_t)v;
	unsigned whole = v;

	if (n->size == sizeof v8)
		memcpy(at, &v8, sizeof v8);
	else if (n->size == sizeof v16)
		memcpy(at, &v16, sizeof v16);
	else
		memcpy(at, &whole, sizeof whole);
}

/* Is it that upper- or lower-case name of ours, as the user writes it? */
static bool is_name(const char *ours, struct piece s)
{
	size_t i = 0;

	while (i < s.len && ours[i] && user_letter(ours[i]) == s.p[i])
		i++;
	return i == s.len && !ours[i];
}

/* Decimal, or hexadecimal after 0x. */
static bool parse_number(struct piece s, uint32_t most, uint32_t *out)
{
	bool hex = s.len > 2 && s.p[0] == '0' && s.p[1] == 'x';
	uint64_t v = 0;

	for (size_t i = hex ? 2 : 0; i < s.len; i++) {
		int digit = hex_digit(s.p[i]);

		if (digit < 0 || (!hex && digit > 9))
			return false;
		v = v * (hex ? 16 : 10) + (uint64_t)digit;
		if (v > most)
			return false;
	}
	*out = (uint32_t)v;
	return s.len > 0;
}

/* One entry, vid:pid:item[,item...] or atr:HEX:item. An item is a flag, a flag to take away
 * (-flag), a number (name=value), or the firmware that the entry is for (firmware=0100-01ff). */
struct override_entry {
	uint32_t vendor, product, fw_from, fw_to;
	uint8_t atr[QUIRK_ATR_MAX];
	size_t atr_len;		/* 0: not for a card */
	uint64_t add, remove;
	unsigned has;		/* bit i: number[i] is given */
	uint32_t number[N_NUMBERS];
	unsigned mistakes;	/* items that are not understood */
	struct piece mistake;	/* the last of them */
};

static bool parse_flag(struct piece flag, struct override_entry *e)
{
	bool remove = flag.len > 0 && flag.p[0] == '-';
	int q = quirk_by_name(flag.p + remove, flag.len - remove);
	uint64_t bit = q < 0 ? 0 : UINT64_C(1) << q;

	e->add = (e->add & ~bit) | (remove ? 0 : bit);
	e->remove = (e->remove & ~bit) | (remove ? bit : 0);
	return q >= 0;
}

/* Two bytes at least, TS and T0. */
static bool parse_atr(struct piece hex, struct override_entry *e)
{
	if (hex.len % 2 != 0 || hex.len < 4 || hex.len > 2 * sizeof e->atr)
		return false;
	for (size_t i = 0; i < hex.len; i += 2) {
		int high = hex_digit(hex.p[i]), low = hex_digit(hex.p[i + 1]);

		if (high < 0 || low < 0)
			return false;
		e->atr[e->atr_len++] = (uint8_t)(high << 4 | low);
	}
	return true;
}

static bool parse_firmware(struct piece range, struct override_entry *e)
{
	struct piece from;

	if (!next_piece(&range, '-', &from) || !quirk_id(from, &e->fw_from))
		return false;
	e->fw_to = e->fw_from;
	return (!range.p || quirk_id(range, &e->fw_to)) && e->fw_from <= e->fw_to &&
	       e->fw_to != QUIRK_ANY;
}

static bool parse_item(struct piece item, struct override_entry *e)
{
	struct piece value = item, name;

	if (e->atr_len > 0)
		return parse_flag(item, e) &&
		       (e->add | e->remove) == UINT64_C(1) << QUIRK_KEEP_POWER;
	next_piece(&value, '=', &name);
	if (!value.p)
		return parse_flag(item, e);
	if (is_name("firmware", name))
		return parse_firmware(value, e);
	for (size_t i = 0; i < N_NUMBERS; i++) {
		if (is_name(numbers[i].name, name)) {
			e->has |= 1u << i;
			return parse_number(value, numbers[i].most, &e->number[i]);
		}
	}
	return false;
}

/* False when the entry is of no use as a whole. */
static bool parse_entry(struct piece s, struct override_entry *e)
{
	struct piece vendor, product, items = s, item;

	*e = (struct override_entry){ .fw_to = 0xFFFF };
	if (!next_piece(&items, ':', &vendor) || !next_piece(&items, ':', &product) || !items.p)
		return false;
	if (is_name("atr", vendor) ? !parse_atr(product, e) :
	    !quirk_id(vendor, &e->vendor) || !quirk_id(product, &e->product))
		return false;
	while (next_piece(&items, ',', &item)) {
		struct override_entry before = *e;

		if (!parse_item(item, e)) {
			*e = before;	/* what is half right is wrong */
			e->mistakes++;
			e->mistake = item;
		}
	}
	return true;
}

static bool id_fits(uint32_t wanted, uint16_t id)
{
	return wanted == QUIRK_ANY || wanted == id;
}

static bool entry_fits(const struct override_entry *e, const struct quirk_ids *ids)
{
	if (e->atr_len > 0)
		return ids->atr && ids->atr_len == e->atr_len &&
		       memcmp(ids->atr, e->atr, e->atr_len) == 0;
	return id_fits(e->vendor, ids->idVendor) && id_fits(e->product, ids->idProduct) &&
	       ids->bcdDevice >= e->fw_from && ids->bcdDevice <= e->fw_to;
}

static void apply_entry(struct quirk_set *q, const struct override_entry *e,
			const struct quirk_ids *ids)
{
	if (!entry_fits(e, ids))
		return;
	q->bits = (q->bits | e->add) & ~e->remove;
	for (size_t i = 0; i < N_NUMBERS; i++)
		if (e->has >> i & 1)
			set_number(q, &numbers[i], e->number[i]);
	/* Added by hand, without the number of its row. */
	if (quirk_has(q, QUIRK_COMPOSITE) && q->composite_count == 0)
		q->composite_count = QUIRK_ALL_INTERFACES;
}

void quirks_override(struct quirk_set *q, const struct quirk_ids *ids, const char *text)
{
	struct piece rest = { text, strlen(text) }, piece;
	struct override_entry e;

	while (next_piece(&rest, ';', &piece))
		if (parse_entry(piece, &e))
			apply_entry(q, &e, ids);
}

bool quirks_line(struct quirk_set *q, const struct quirk_ids *ids, const char *p, size_t len)
{
	struct override_entry e;

	if (!parse_entry((struct piece){ p, len }, &e) || e.mistakes > 0)
		return false;
	apply_entry(q, &e, ids);
	return true;
}

void quirks_match(struct quirk_set *q, uint16_t idVendor, uint16_t idProduct, uint16_t bcdDevice,
		  const char *override)
{
	*q = (struct quirk_set){ 0 };
	/* Wildcards first: the numbers of an exact row replace theirs. */
	for (int exact = 0; exact <= 1; exact++) {
		for (size_t i = 0; i < N_ROWS; i++) {
			const struct quirk_row *row = &table[i];

			if ((row->product != QUIRK_ANY) == exact &&
			    id_fits(row->vendor, idVendor) && id_fits(row->product, idProduct) &&
			    bcdDevice >= row->fw_from && bcdDevice <= row->fw_to)
				add_row(q, &row->set);
		}
	}
	if (override)
		quirks_override(q, &(struct quirk_ids){ .idVendor = idVendor,
							.idProduct = idProduct,
							.bcdDevice = bcdDevice }, override);
}

unsigned quirks_check_override(const char *override)
{
	struct piece rest = { override, strlen(override) }, piece;
	struct override_entry e;
	unsigned mistakes = 0;

	while (next_piece(&rest, ';', &piece)) {
		if (piece.len == 0)
			continue;	/* nothing, or a separator too many */
		if (!parse_entry(piece, &e)) {
			LOG(LOG_CRITICAL, NULL,
			    "IFDCCID_QUIRKS: \"%.*s\" is not vid:pid:flag[,flag] or "
			    "atr:HEX:keep-power, ignored",
			    (int)piece.len, piece.p);
			mistakes++;
		} else if (e.mistakes > 0) {
			LOG(LOG_CRITICAL, NULL, "IFDCCID_QUIRKS: unknown flag \"%.*s\" ignored",
			    (int)e.mistake.len, e.mistake.p);
			mistakes += e.mistakes;
		}
	}
	return mistakes;
}
