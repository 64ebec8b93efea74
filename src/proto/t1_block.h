/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef PROTO_T1_BLOCK_H
#define PROTO_T1_BLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define T1_PROLOGUE 3			/* NAD PCB LEN */
#define T1_BLOCK_MAX (3 + 254 + 2)
#define T1_IFS_DEFAULT 32	/* ISO 7816-3:2006 §11.4.2, both directions */
#define T1_IFS_MAX 254

/* PCB, ISO 7816-3:2006 §11.3.2.2. */
enum {
	T1_PCB_I_NS = 0x40,
	T1_PCB_I_MORE = 0x20,
	T1_PCB_R = 0x80,
	T1_PCB_R_NR = 0x10,
	T1_PCB_S = 0xC0,
	T1_PCB_S_RESPONSE = 0x20,
};

enum t1_kind { T1_I_BLOCK, T1_R_BLOCK, T1_S_BLOCK };

enum t1_s_type { T1_S_RESYNCH, T1_S_IFS, T1_S_ABORT, T1_S_WTX };

/* The epilogue. For the CRC two conventions are about: what libccid, openct and cards with a CRC
 * send (54 4E behind 00 C1 01 FE), and the letter of ISO/IEC 13239 (B1 AB). */
enum t1_edc {
	T1_LRC,
	T1_CRC_OPEN,		/* sent plain, both are accepted until the card has shown its own */
	T1_CRC_PLAIN,		/* preset to ones, high byte first */
	T1_CRC_INVERTED,	/* and inverted, low byte first */
};

/* What is wrong with a block; the values are those of an R-block's low bits. */
enum t1_fault { T1_FAULT_NONE = 0, T1_FAULT_EDC = 1, T1_FAULT_OTHER = 2 };

/* A block taken apart. */
struct t1_block {
	enum t1_kind kind;
	uint8_t seq;		/* I: N(S), R: N(R) */
	bool more;		/* I: M bit */
	uint8_t fault;		/* R: enum t1_fault */
	enum t1_s_type type;	/* S */
	bool response;		/* S */
	uint8_t value;		/* S(IFS), S(WTX) */
	const uint8_t *inf;	/* points into the block */
	uint8_t inf_len;
	enum t1_edc edc;	/* the epilogue that fits, once one does */
	const char *wrong_field;	/* the field that is wrong, else NULL */
	unsigned wrong_value;
};

/* Bytes of the epilogue: 1 LRC, 2 CRC. */
size_t t1_edc_len(enum t1_edc edc);
/* Writes the epilogue of p[len] behind it; returns the length of the whole. */
size_t t1_seal(uint8_t *p, size_t len, enum t1_edc edc);
/* Writes a block with inf_len (0..254) bytes to out, which has room for T1_BLOCK_MAX;
 * returns its length. */
size_t t1_block_put(uint8_t *out, uint8_t nad, uint8_t pcb, const uint8_t *inf, size_t inf_len,
		    enum t1_edc edc);
/* The NAD of an answer to a block with this NAD: source and destination change places
 * (§11.3.2.1). */
uint8_t t1_nad_back(uint8_t nad);
/* Takes a received block apart. nad is that of the blocks we send. T1_FAULT_EDC when only the
 * epilogue is wrong; T1_FAULT_OTHER: length, LEN, NAD, PCB, a value out of range. */
enum t1_fault t1_block_parse(struct t1_block *b, const uint8_t *p, size_t len, uint8_t nad,
			     enum t1_edc edc);

#endif
