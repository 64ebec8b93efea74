/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Escape commands: the reader, the command, the answer. */
#include "sim/model/sim_dev_priv.h"

#include <string.h>

#define ANY 0x10000u

struct escape {
	uint32_t vendor, product;
	uint8_t prefix[6];
	uint8_t prefix_len;
	int len;		/* of the whole command; -1: the prefix or longer */
	const char *answer;
	uint8_t answer_len;
};

/* Gemalto's firmware features: 21 bytes, as libccid's structure of them and reports of readers in the field have
 * it. Two lines of 16, entry ends with the validation key, VerifyPinDirect
 * and ModifyPinDirect, bits of byte 8, version 1, PINs of 4 to 8 digits, no firewall. */
#define FEATURES(bits) "\x02\x10\x00\x02\x60\x00\x00\x00" bits "\x00\x00\x00\x01\x04\x08\x00" \
	"\x00\x00\x00\x00\x00"
#define NUMBER_MESSAGE_FIX "\x04"
#define LONGER 0xFF	/* the answer repeats what came in */

static const struct escape table[] = {
	{ 0x08e6, 0x34c0, { 0x6A }, 1, 1, FEATURES(NUMBER_MESSAGE_FIX), 21 },
	{ 0x08e6, ANY, { 0x6A }, 1, 1, FEATURES("\x00"), 21 },
	{ 0x08e6, ANY, { 0x02 }, 1, 1, "GemTwRC2-V2.00-GT0", 18 },
	{ 0x08e6, ANY, { 0x1F, 0x02 }, 2, 2, "", 0 },
	{ 0x08e6, ANY, { 0x1F, 0x01 }, 2, 2, "", 0 },
	{ 0x046a, 0x0005, { 0x1F, 0x01 }, 2, 2, "", 0 },
	{ 0x08e6, 0x3478, { 0xB2, 0xA0, 0x00, 0x4D, 0x4C }, 5, 165, "", 0 },
	{ 0x0982, 0x0008, { 0xB2, 0xA0, 0x00, 0x4D, 0x4C }, 5, 165, "", 0 },
	{ 0x08e6, 0x3478, { 0xB5, 0x00 }, 2, 2, "", 0 },
	{ 0x0982, 0x0008, { 0xB5, 0x00 }, 2, 2, "", 0 },
	{ 0x08e6, 0x5503, { 0x52, 0xF8, 0x04, 0x01, 0x00 }, 5, 6, "\x90\x00", 2 },
	{ 0x04e6, 0xe003, { 0x80, 0x02, 0x00 }, 3, 3, "", 0 },
	/* ACR122U: whether it beeps when a card comes */
	{ 0x072f, 0x2200, { 0xFF, 0x00, 0x52 }, 3, 5, "\x90\x00", 2 },
	{ 0x076b, 0x5427, { 0 }, 0, -1, NULL, LONGER },
	/* a reader of the project's own making: gives back what it gets, for tests of lengths */
	{ 0xf1f1, ANY, { 0 }, 0, -1, NULL, LONGER },
};

static bool fits(const struct escape *e, const struct sim_dev_conf *c, const uint8_t *in, size_t len)
{
	if (e->vendor != c->vendor || (e->product != ANY && e->product != c->product))
		return false;
	if (len < e->prefix_len || (e->len >= 0 && len != (size_t)e->len))
		return false;
	return memcmp(e->prefix, in, e->prefix_len) == 0;
}

/* OMNIKEY, at short APDU level: 1A and one T=1 block with NAD 00, the answer likewise. Written from what GnuPG's driver
 * does with CardMan 3121 and 6121. */
bool sim_escape_blocks(const struct sim_iface *f)
{
	return f->d->conf.vendor == 0x076b && sim_level(f) == SIM_LEVEL_SHORT;
}

bool sim_escape(struct sim_iface *f, const uint8_t *in, size_t len, uint8_t *out, size_t *out_len)
{
	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
		const struct escape *e = &table[i];

		if (!fits(e, &f->d->conf, in, len))
			continue;
		if (e->vendor == 0x04e6)
			f->append_mode = true;
		*out_len = e->answer_len == LONGER ? len : e->answer_len;
		memcpy(out, e->answer_len == LONGER ? in : (const uint8_t *)e->answer, *out_len);
		return true;
	}
	return false;
}
