/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/t1_block.h"

#include <string.h>

#define CRC_POLYNOMIAL 0x8408	/* x^16 + x^12 + x^5 + 1, lowest bit first */

size_t t1_edc_len(enum t1_edc edc)
{
	return edc == T1_LRC ? 1 : 2;
}

/* The register of ISO/IEC 13239 (once 3309), preset to ones. */
static uint16_t t1_crc16(const uint8_t *p, size_t len)
{
	uint16_t crc = 0xFFFF;

	while (len-- > 0) {
		crc ^= *p++;
		for (int bit = 0; bit < 8; bit++)
			crc = (uint16_t)(crc & 1 ? crc >> 1 ^ CRC_POLYNOMIAL : crc >> 1);
	}
	return crc;
}

/* The exclusive or of all bytes, eight at a time: their order does not matter. */
static uint8_t t1_lrc(const uint8_t *p, size_t len)
{
	uint64_t sum = 0, word;

	for (; len >= sizeof word; len -= sizeof word) {
		memcpy(&word, p, sizeof word);
		p += sizeof word;
		sum ^= word;
	}
	while (len-- > 0)
		sum ^= *p++;
	sum ^= sum >> 32;
	sum ^= sum >> 16;
	return (uint8_t)(sum ^ sum >> 8);
}

/* Writes the epilogue of p[len] to out. §11.3.4 refers to ISO/IEC 13239, where the highest powers
 * go first and inverted; what cards and readers with a CRC do is another thing. */
static void put_edc(uint8_t out[2], const uint8_t *p, size_t len, enum t1_edc edc)
{
	uint16_t sum;

	if (edc != T1_LRC) {
		sum = t1_crc16(p, len);
		if (edc == T1_CRC_INVERTED)
			sum = (uint16_t)~(sum << 8 | sum >> 8);
		out[0] = (uint8_t)(sum >> 8);
		out[1] = (uint8_t)sum;
		return;
	}
	out[0] = t1_lrc(p, len);
}

size_t t1_seal(uint8_t *p, size_t len, enum t1_edc edc)
{
	uint8_t out[2];

	put_edc(out, p, len, edc);
	memcpy(p + len, out, t1_edc_len(edc));
	return len + t1_edc_len(edc);
}

/* Which epilogue stands behind p[len]? *found is one of those that edc allows. */
static bool edc_fits(const uint8_t *p, size_t len, enum t1_edc edc, enum t1_edc *found)
{
	uint8_t out[2];

	*found = edc == T1_CRC_OPEN ? T1_CRC_PLAIN : edc;
	put_edc(out, p, len, *found);
	if (memcmp(out, p + len, t1_edc_len(edc)) == 0)
		return true;
	if (edc != T1_CRC_OPEN)
		return false;
	*found = T1_CRC_INVERTED;
	put_edc(out, p, len, *found);
	return memcmp(out, p + len, t1_edc_len(edc)) == 0;
}

size_t t1_block_put(uint8_t *out, uint8_t nad, uint8_t pcb, const uint8_t *inf, size_t inf_len,
		    enum t1_edc edc)
{

	out[0] = nad;
	out[1] = pcb;
	out[2] = (uint8_t)inf_len;
	if (inf_len > 0)
		memcpy(out + T1_PROLOGUE, inf, inf_len);
	return t1_seal(out, T1_PROLOGUE + inf_len, edc);
}

uint8_t t1_nad_back(uint8_t nad)
{
	return (uint8_t)((nad & 0x07) << 4 | (nad & 0x70) >> 4);
}

/* For the log: which field, and what came in it. */
static enum t1_fault t1_fault_at(struct t1_block *b, enum t1_fault fault, const char *field,
				 unsigned value)
{
	b->wrong_field = field;
	b->wrong_value = value;
	return fault;
}

static enum t1_fault parse_i(struct t1_block *b, uint8_t pcb)
{
	b->kind = T1_I_BLOCK;
	b->seq = (pcb & T1_PCB_I_NS) != 0;
	b->more = (pcb & T1_PCB_I_MORE) != 0;
	return pcb & 0x1F ? t1_fault_at(b, T1_FAULT_OTHER, "PCB", pcb) : T1_FAULT_NONE;
}

static enum t1_fault parse_r(struct t1_block *b, uint8_t pcb)
{
	b->kind = T1_R_BLOCK;
	b->seq = (pcb & T1_PCB_R_NR) != 0;
	b->fault = pcb & 0x0F;
	if (pcb & 0x20 || b->fault > T1_FAULT_OTHER)
		return t1_fault_at(b, T1_FAULT_OTHER, "PCB", pcb);
	if (b->inf_len != 0)
		return t1_fault_at(b, T1_FAULT_OTHER, "LEN of an R-block", b->inf_len);
	return T1_FAULT_NONE;
}

static enum t1_fault parse_s(struct t1_block *b, uint8_t pcb)
{
	uint8_t type = pcb & 0x1F;
	bool has_value = type == T1_S_IFS || type == T1_S_WTX;

	b->kind = T1_S_BLOCK;
	b->response = (pcb & T1_PCB_S_RESPONSE) != 0;
	if (type > T1_S_WTX)
		return t1_fault_at(b, T1_FAULT_OTHER, "PCB", pcb);
	if (b->inf_len != (has_value ? 1 : 0))
		return t1_fault_at(b, T1_FAULT_OTHER, "LEN of an S-block", b->inf_len);
	b->type = (enum t1_s_type)type;
	if (has_value)
		b->value = b->inf[0];
	/* 00 and FF are reserved for IFS (§11.4.2). A WTX of 0 is nonsense too, but harmless. */
	if (type == T1_S_IFS && (b->value == 0 || b->value > T1_IFS_MAX))
		return t1_fault_at(b, T1_FAULT_OTHER, "IFS", b->value);
	return T1_FAULT_NONE;
}

enum t1_fault t1_block_parse(struct t1_block *b, const uint8_t *p, size_t len, uint8_t nad,
			     enum t1_edc edc)
{
	size_t edc_len = t1_edc_len(edc);

	memset(b, 0, sizeof *b);
	b->edc = edc;
	if (len < T1_PROLOGUE)
		return t1_fault_at(b, T1_FAULT_OTHER, "length of the block", (unsigned)len);
	if (p[2] > T1_IFS_MAX || len != T1_PROLOGUE + (size_t)p[2] + edc_len)
		return t1_fault_at(b, T1_FAULT_OTHER, "LEN", p[2]);
	if (!edc_fits(p, len - edc_len, edc, &b->edc)) {
		b->edc = edc;
		return t1_fault_at(b, T1_FAULT_EDC, "EDC", p[len - 1]);
	}
	if (p[0] != t1_nad_back(nad))
		return t1_fault_at(b, T1_FAULT_OTHER, "NAD", p[0]);
	b->inf = p + T1_PROLOGUE;
	b->inf_len = p[2];
	if (!(p[1] & T1_PCB_R))
		return parse_i(b, p[1]);
	return (p[1] & T1_PCB_S) == T1_PCB_S ? parse_s(b, p[1]) : parse_r(b, p[1]);
}
