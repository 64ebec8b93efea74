/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim/model/card.h"

#include <string.h>

enum { NAD, PCB, LEN, INF };

static uint8_t lrc(const uint8_t *b, size_t n)
{
	uint8_t x = 0;

	while (n-- > 0)
		x ^= *b++;
	return x;
}

/* x^16 + x^12 + x^5 + 1, the bits of a byte from the lowest (as they travel), preset to ones. */
static uint16_t crc16(const uint8_t *b, size_t n)
{
	uint16_t v = 0xFFFF;

	while (n-- > 0) {
		v ^= *b++;
		for (unsigned i = 0; i < 8; i++)
			v = (uint16_t)(v & 1 ? v >> 1 ^ 0x8408 : v >> 1);
	}
	return v;
}

/* CRC_PLAIN: the register as it is, high byte first. OsEID cards, openct, libccid and what an Alcor AU9540 puts on
 * the wire agree on it: 54 4E behind 00 C1 01 FE. CRC_ISO: by the letter of §11.3.4, which names ISO/IEC 13239: the
 * remainder goes out inverted, highest power first, which is the low byte of a register that shifts right: B1 AB. */
size_t card_t1_seal(enum card_crc crc, uint8_t *b, size_t n)
{
	uint16_t v;

	if (!crc) {
		b[n] = lrc(b, n);
		return n + 1;
	}
	v = crc16(b, n);
	b[n] = (uint8_t)(crc == CRC_PLAIN ? v >> 8 : ~v);
	b[n + 1] = (uint8_t)(crc == CRC_PLAIN ? v : ~v >> 8);
	return n + 2;
}

size_t card_t1_build(struct sim_card *c, uint8_t *b, uint8_t pcb, const uint8_t *inf, size_t n)
{
	uint8_t nad = c->t1.nad;

	b[NAD] = c->cfg.nad_echo ? nad : (uint8_t)(nad << 4 | nad >> 4);
	b[PCB] = pcb;
	b[LEN] = (uint8_t)n;
	if (n > 0)
		memcpy(b + INF, inf, n);
	return card_t1_seal(c->t1.crc, b, n + INF);
}

static enum card_block bad(struct sim_card *c, enum card_block kind, const char *what)
{
	card_complain(c, "T=1: %s", what);
	return kind;
}

/* §11.3.1, §11.3.2: prologue, length and epilogue; §11.6.2 is the business of card_t1.c. */
enum card_block card_t1_judge(struct sim_card *c, const uint8_t *b, size_t len)
{
	size_t epilogue = c->t1.crc ? 2 : 1;
	uint8_t check[CARD_BLOCK];

	if (len < INF + epilogue)
		return bad(c, BLOCK_OTHER, "block too short");
	if (b[LEN] == 0xFF)
		return bad(c, BLOCK_OTHER, "LEN is FF");
	if (len != INF + b[LEN] + epilogue)
		return bad(c, BLOCK_OTHER, "LEN does not fit the block");
	memcpy(check, b, len - epilogue);
	card_t1_seal(c->t1.crc, check, len - epilogue);
	if (memcmp(check, b, len) != 0)
		return bad(c, BLOCK_EDC, "wrong epilogue");
	if (b[NAD] & 0x88)
		return bad(c, BLOCK_OTHER, "reserved bits of NAD");
	if ((b[PCB] & 0x80) == 0) {
		if (b[PCB] & 0x1F)
			return bad(c, BLOCK_OTHER, "reserved bits of an I-block's PCB");
		if (b[LEN] > c->t1.ifsc)
			return bad(c, BLOCK_OTHER, "I-block longer than IFSC");
	} else if ((b[PCB] & 0x40) == 0) {
		if ((b[PCB] & 0x2C) || (b[PCB] & 3) == 3)
			return bad(c, BLOCK_OTHER, "reserved bits of an R-block's PCB");
		if (b[LEN] != 0)
			return bad(c, BLOCK_OTHER, "R-block with an information field");
	} else if ((b[PCB] & 0x1F) > 3) {
		return bad(c, BLOCK_OTHER, "unknown S-block");
	} else if (b[LEN] != (b[PCB] & 1)) {	/* IFS and WTX: one byte, RESYNCH and ABORT: none */
		return bad(c, BLOCK_OTHER, "S-block of a wrong length");
	}
	return BLOCK_OK;
}

static unsigned kind_of(uint8_t pcb)
{
	return !(pcb & 0x80) ? KIND_I : !(pcb & 0x40) ? KIND_R : KIND_S;
}

/* Applies a fault to a block; returns the new length. */
static size_t spoil(const struct card_fault *f, enum card_crc crc, uint8_t *b, size_t len)
{
	size_t body = len - (crc ? 2 : 1);

	switch (f->def->id) {
	case FAULT_T1_NAD:
		b[NAD] ^= (uint8_t)f->value;
		return card_t1_seal(crc, b, body);
	case FAULT_T1_LEN255:
		b[LEN] = 0xFF;
		return card_t1_seal(crc, b, body);
	case FAULT_T1_LEN:
		b[LEN] = (uint8_t)(b[LEN] + f->value);
		return card_t1_seal(crc, b, body);
	case FAULT_T1_NS:
		b[PCB] ^= 0x40;
		return card_t1_seal(crc, b, body);
	case FAULT_T1_EDC:
		b[len - 1] ^= 0x5A;
		return len;
	case FAULT_T1_CUT:
		return len > f->value ? len - f->value : 0;
	case FAULT_T1_EXTRA:
		memset(b + len, 0xEE, f->value < 300 ? f->value : 300);
		return len + (f->value < 300 ? f->value : 300);
	default:		/* FAULT_T1_EMPTY */
		return 0;
	}
}

int card_t1_emit(struct sim_card *c, const uint8_t *b, size_t len, uint8_t *out, size_t *out_len)
{
	struct card_t1 *t = &c->t1;
	const struct card_fault *f = card_fault_due(c, STAGE_T1_OUT, kind_of(b[PCB]));

	memmove(t->last, b, len);
	t->last_len = len;
	t->damaged = f != NULL;
	*out_len = 0;
	if (f != NULL && f->def->id == FAULT_T1_MUTE)
		return SIM_CARD_MUTE;
	memcpy(out, t->last, len);
	*out_len = f != NULL ? spoil(f, t->crc, out, len) : len;
	return SIM_CARD_OK;
}
