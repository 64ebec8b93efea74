/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Faults of the card: "NAME [nth=N] [count=N] [value=N] [on=i|r|s] [until=reset]".
 *
 * nth     the occasion at which it starts, counted from now; 1 is the next one (default)
 * count   how many occasions in a row it spoils; 0: for ever. Default 1
 * value   a number the fault needs (decimal, or 0x..); the default is in the table
 * on      T=1: only I-, R- or S-blocks count as occasions
 * until   reset: the next reset of the card ends it, whatever count says
 *
 * An occasion is: atr-*: a reset; pps-*: a PPS request; t0-*: a T=0 command; t1-* : see enum
 * card_stage. */
#include "sim/model/card.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ATR(n, i, v, t)		{ n, i, STAGE_ATR, v, KIND_ANY, 0, true, t }
#define PPS(n, i, t)		{ n, i, STAGE_PPS, 0, KIND_ANY, 0, true, t }
#define T0(n, i, v, t)		{ n, i, STAGE_T0, v, KIND_ANY, 0, true, t }
#define OUT(n, i, v, k, t)	{ n, i, STAGE_T1_OUT, v, k, 0, true, t }
#define ASK(n, i, p, v, bad, t)	{ n, i, STAGE_T1_ASK, v, KIND_ANY, p, bad, t }

static const struct card_fault_def fault_table[] = {
	ATR("atr-claims-33", FAULT_ATR_CLAIMS, 0, "ATR of 2 bytes that announces 33"),
	ATR("atr-empty", FAULT_ATR_EMPTY, 0, "ATR of 0 bytes"),
	ATR("atr-long", FAULT_ATR_LONG, 40, "ATR of value bytes (40)"),
	ATR("atr-bad-ts", FAULT_ATR_TS, 0x23, "TS is value (23), neither 3B nor 3F"),
	ATR("atr-cut", FAULT_ATR_CUT, 4, "the last value bytes (4) of the ATR do not come"),
	ATR("atr-many-td", FAULT_ATR_TDS, 33, "ATR of value bytes (33), TD1 to TD31 and no end"),

	PPS("pps-no-pps1", FAULT_PPS_NO_PPS1, "leaves PPS1 out: agrees to the default speed only"),
	PPS("pps-changed", FAULT_PPS_PPS1, "another PPS1 than asked for"),
	PPS("pps-bad-pck", FAULT_PPS_PCK, "wrong PCK"),
	PPS("pps-other-protocol", FAULT_PPS_PROTOCOL, "another protocol than asked for"),
	PPS("pps-bad-ppss", FAULT_PPS_PPSS, "begins with 3F in place of FF"),
	PPS("pps-short", FAULT_PPS_SHORT, "2 bytes only"),
	PPS("pps-empty", FAULT_PPS_EMPTY, "0 bytes"),
	PPS("pps-silent", FAULT_PPS_SILENT, "no answer"),

	T0("t0-null", FAULT_T0_NULL, 0, "60 for ever"),
	T0("t0-ins-ff", FAULT_T0_COMPLEMENT, 0, "INS^FF for ever"),
	T0("t0-bad-procedure", FAULT_T0_PROCEDURE, 0x05, "value (05) as procedure byte"),
	T0("t0-more-data", FAULT_T0_MORE, 10, "value (10) data bytes more than Le"),
	T0("t0-less-data", FAULT_T0_LESS, 1, "value (1) data bytes less than Le"),
	T0("t0-cut", FAULT_T0_CUT, 0, "SW2 does not come"),
	T0("t0-mute", FAULT_T0_MUTE, 0, "no answer"),

	OUT("t1-bad-nad", FAULT_T1_NAD, 0x21, KIND_ANY, "NAD changed by value (21)"),
	OUT("t1-len-255", FAULT_T1_LEN255, 0, KIND_ANY, "LEN is FF"),
	OUT("t1-len-beyond", FAULT_T1_LEN, 10, KIND_ANY,
		"LEN claims value (10) bytes more than come"),
	OUT("t1-bad-edc", FAULT_T1_EDC, 0, KIND_ANY, "wrong LRC or CRC"),
	OUT("t1-bad-ns", FAULT_T1_NS, 0, KIND_I, "wrong N(S)"),
	OUT("t1-cut", FAULT_T1_CUT, 1, KIND_ANY, "the last value bytes (1) of a block do not come"),
	OUT("t1-empty", FAULT_T1_EMPTY, 0, KIND_ANY, "a block of 0 bytes"),
	OUT("t1-extra", FAULT_T1_EXTRA, 3, KIND_ANY, "value bytes (3) behind the block"),
	OUT("t1-mute", FAULT_T1_MUTE, 0, KIND_ANY, "no answer"),

	ASK("t1-ifs-0", FAULT_T1_IFS0, 0xC1, 0, true, "S(IFS request) of 0"),
	ASK("t1-ifs-255", FAULT_T1_IFS255, 0xC1, 255, true, "S(IFS request) of 255"),
	ASK("t1-ifs", FAULT_T1_IFS, 0xC1, 16, false,
		"S(IFS request) of value (16) in mid-exchange"),
	ASK("t1-wtx-0", FAULT_T1_WTX0, 0xC3, 0, true, "S(WTX request) of 0"),
	ASK("t1-wtx-255", FAULT_T1_WTX255, 0xC3, 255, false, "S(WTX request) of 255"),
	ASK("t1-resynch", FAULT_T1_ASK_RESYNCH, 0xC0, 0, true, "S(RESYNCH request) from the card"),
	ASK("t1-abort", FAULT_T1_ABORT, 0xC2, 0, false, "S(ABORT request)"),
	ASK("t1-unknown-s", FAULT_T1_UNKNOWN_S, 0xDF, 0, true, "S-block of an unknown type"),

	{ "t1-r-block", FAULT_T1_R, STAGE_T1_IN, 2, KIND_ANY, 0, true,
	  "each I-block is asked for again, with error value (2)" },
	{ "t1-no-resynch", FAULT_T1_NO_RESYNCH, STAGE_T1_RESYNCH, 0, KIND_ANY, 0, true,
	  "S(RESYNCH request) is answered with an R-block" },
};

#define N_FAULTS (sizeof fault_table / sizeof fault_table[0])

const char *sim_card_fault_name(unsigned i, const char **text)
{
	if (i >= N_FAULTS)
		return NULL;
	if (text != NULL)
		*text = fault_table[i].text;
	return fault_table[i].name;
}

const struct card_fault *card_fault_due(struct sim_card *c, enum card_stage stage, unsigned kind)
{
	const struct card_fault *due = NULL;

	for (unsigned i = 0; i < CARD_FAULTS; i++) {
		struct card_fault *f = &c->faults[i];

		if (f->def == NULL || f->def->stage != stage || !(f->kinds & kind))
			continue;
		f->seen++;
		if (due != NULL || f->seen < f->nth || (f->count != 0 && f->fired >= f->count))
			continue;
		f->fired++;
		due = f;
	}
	return due;
}

void card_fault_reset(struct sim_card *c)
{
	for (unsigned i = 0; i < CARD_FAULTS; i++)
		if (c->faults[i].until_reset)
			c->faults[i].def = NULL;
}

static const struct card_fault_def *find_kind(const char *name)
{
	for (size_t i = 0; i < N_FAULTS; i++)
		if (strcmp(fault_table[i].name, name) == 0)
			return &fault_table[i];
	return NULL;
}

/* A place for one more fault: a free one, or one of a fault that is used up. */
static struct card_fault *place(struct sim_card *c)
{
	for (unsigned i = 0; i < CARD_FAULTS; i++) {
		struct card_fault *f = &c->faults[i];

		if (f->def == NULL || (f->count != 0 && f->fired >= f->count))
			return f;
	}
	return NULL;
}

static bool number(const char *text, unsigned *value)
{
	char *end;
	unsigned long v = strtoul(text, &end, 0);

	*value = (unsigned)v;
	return *text >= '0' && *text <= '9' && *end == '\0' && v <= 1000000;
}

/* One key=value behind the name. */
static bool option(struct card_fault *f, char *word)
{
	char *val = strchr(word, '=');

	if (val == NULL)
		return false;
	*val++ = '\0';
	if (strcmp(word, "nth") == 0)
		return number(val, &f->nth);
	if (strcmp(word, "count") == 0)
		return number(val, &f->count);
	if (strcmp(word, "value") == 0)
		return number(val, &f->value);
	if (strcmp(word, "until") == 0) {
		f->until_reset = strcmp(val, "reset") == 0;
		return f->until_reset;
	}
	if (strcmp(word, "on") == 0 && strlen(val) == 1 && strchr("irs", *val) != NULL) {
		f->kinds &= *val == 'i' ? KIND_I : *val == 'r' ? KIND_R : KIND_S;
		return f->kinds != 0;
	}
	return false;
}

bool sim_card_fault(struct sim_card *c, const char *spec, char *err, size_t cap)
{
	char text[160], *save = NULL, *word;
	struct card_fault f = { .nth = 1, .count = 1 }, *to;

	if ((size_t)snprintf(text, sizeof text, "%s", spec) >= sizeof text) {
		snprintf(err, cap, "card fault: text too long");
		return false;
	}
	word = strtok_r(text, " ,\t\n", &save);
	if (word != NULL && strcmp(word, "clear") == 0) {
		memset(c->faults, 0, sizeof c->faults);
		return true;
	}
	f.def = word != NULL ? find_kind(word) : NULL;
	if (f.def == NULL) {
		snprintf(err, cap, "card fault: unknown name '%s'", word != NULL ? word : "");
		return false;
	}
	f.value = f.def->value;
	f.kinds = f.def->kinds;
	while ((word = strtok_r(NULL, " ,\t\n", &save)) != NULL) {
		if (!option(&f, word)) {
			snprintf(err, cap, "card fault %s: bad option '%s'", f.def->name, word);
			return false;
		}
	}
	to = place(c);
	if (to == NULL) {
		snprintf(err, cap, "card fault: more than %d at once", CARD_FAULTS);
		return false;
	}
	*to = f;
	return true;
}
