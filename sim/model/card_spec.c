/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The text that describes a card: words separated by blanks, later ones win.
 *
 * Ready-made cards (the word alone, or card=NAME):
 *   t0t1 (default), t0, t1, t1crc, sim, pinpad, mute, ...: see the table of presets below
 *
 * ATR and protocols:
 *   atr=HEX       the ATR as it is, right or wrong (0 to 64 bytes); otherwise it is built from
 *   proto=0|1|01  protocols offered (default 01)
 *   ta1=HH        Fi/Di (96)               ta2=HH   specific mode      tc1=HH   extra guard time
 *   wi=N          TC2, waiting time of T=0 (absent: 10)                ifsc=N   TA3 (254)
 *   bwi=N cwi=N   TB3 (4, 5)               crc      TC3 = 01: CRC      hist=HEX historical bytes
 *   inverse       TS is 3F                 silent   never answers
 *   classes=ABC   voltages it works at: A 5 V, B 3 V, C 1.8 V (ABC)
 *
 * How it speaks:
 *   time_us=N     work for each command    chain=N  most bytes in an I-block of the card (254)
 *   ack=all|one|mixed  T=0 data after INS, after INS^FF byte by byte, or the first byte so
 *   nulls=N       60 before each procedure byte
 *   wtx=N|off     S(WTX N) or 60 before every answer; off: never. Without it the card asks when
 *                 its work takes longer than 3/4 of the waiting time (at 4 MHz)
 *   crc=plain|iso CRC as cards in the field have it (default; card_t1_block.c), or by the letter of ISO/IEC 13239
 *   wtx_count=N   how often it asks before every answer (1)
 *   nad=swap|echo SAD and DAD swapped in the answer (default), or the NAD as it came
 *   fault=NAME[,key=value...]  a fault of card_fault.c, armed from the start
 *
 * What it does:
 *   applet=file|echo|none  see card_applet.c
 *   pin=DIGITS tries=N     PIN of 4 to 12 digits (1234), tries before it is blocked (3)
 *   gsm                    commands of class A0, 9Fxx in place of 61xx
 *   own-atr       of a foreign card: only the historical bytes are its */
#include "sim/model/card.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLANKS " \t\n"

static const struct { const char *name, *words; } presets[] = {
	{ "t0t1", "proto=01" },
	{ "t0", "proto=0" },
	{ "t1", "proto=1" },
	{ "t1crc", "proto=1 crc" },
	{ "t0basic", "proto=0 ta1=11" },
	{ "t1basic", "proto=1 ta1=11 ifsc=32" },
	{ "t0one", "proto=0 ack=one" },
	{ "t0null", "proto=0 nulls=3" },
	{ "t1small", "proto=1 ifsc=16 chain=16" },
	{ "t1wtx", "proto=1 wtx=2" },
	{ "t0specific", "proto=0 ta2=80" },
	{ "t1specific", "proto=1 ta2=81" },
	{ "sim", "proto=0 ta1=94 gsm classes=BC" },
	{ "pinpad", "proto=1 pin=1234 tries=3" },
	{ "slow", "proto=1 time_us=2500000" },
	{ "inverse", "proto=0 inverse" },
	{ "lowvolt", "proto=1 classes=C" },
	{ "maxatr", "proto=01 tc1=00 wi=10 crc hist=303132333435363738394142434445" },
	{ "openpgp1", "atr=3BFA1300FF813180450031C173C00100009000B1" },
	{ "echo", "proto=01 applet=echo" },
	{ "mute", "silent" },
};

#define N_PRESETS (sizeof presets / sizeof presets[0])

const char *sim_card_preset(unsigned i)
{
	return i < N_PRESETS ? presets[i].name : NULL;
}

struct field {
	const char *key;
	size_t offset;		/* of an unsigned in struct card_config */
	unsigned min, max;
	int base;
};

#define FIELD(name, min, max, base) { #name, offsetof(struct card_config, name), min, max, base }

static const struct field numbers[] = {
	FIELD(ta1, 0, 255, 16), FIELD(ta2, 0, 255, 16), FIELD(tc1, 0, 255, 16),
	FIELD(wi, 0, 255, 10), FIELD(ifsc, 0, 255, 10),
	FIELD(bwi, 0, 15, 10), FIELD(cwi, 0, 15, 10),
	FIELD(time_us, 0, 600000000, 10), FIELD(wtx_count, 1, 200, 10), FIELD(nulls, 0, 200, 10),
	FIELD(chain, 1, 254, 10), FIELD(tries, 1, 15, 10),
};

static const struct field flags[] = {
	FIELD(crc, 1, 1, 0), FIELD(inverse, 1, 1, 0), FIELD(gsm, 1, 1, 0),
	{ "silent", offsetof(struct card_config, mute), 1, 1, 0 },
	{ "own-atr", offsetof(struct card_config, own_atr), 1, 1, 0 },
};

static const struct { const char *key, *value; size_t offset; unsigned set; } choices[] = {
	{ "proto", "0", offsetof(struct card_config, protocols), 1 },
	{ "proto", "1", offsetof(struct card_config, protocols), 2 },
	{ "proto", "01", offsetof(struct card_config, protocols), 3 },
	{ "ack", "all", offsetof(struct card_config, ack), ACK_ALL },
	{ "ack", "one", offsetof(struct card_config, ack), ACK_ONE },
	{ "ack", "mixed", offsetof(struct card_config, ack), ACK_MIXED },
	{ "applet", "file", offsetof(struct card_config, applet), APPLET_FILE },
	{ "applet", "echo", offsetof(struct card_config, applet), APPLET_ECHO },
	{ "applet", "none", offsetof(struct card_config, applet), APPLET_NONE },
	{ "nad", "swap", offsetof(struct card_config, nad_echo), 0 },
	{ "nad", "echo", offsetof(struct card_config, nad_echo), 1 },
	{ "crc", "iso", offsetof(struct card_config, crc), CRC_ISO },
	{ "crc", "plain", offsetof(struct card_config, crc), CRC_PLAIN },
	{ "wtx", "off", offsetof(struct card_config, wtx_mode), WTX_OFF },
};

static void spec_store(struct card_config *cfg, size_t offset, unsigned v)
{
	memcpy((char *)cfg + offset, &v, sizeof v);
}

static bool hex(const char *text, uint8_t *out, size_t cap, size_t *len)
{
	unsigned byte;

	for (*len = 0; *text != '\0'; text += 2) {
		if (*len == cap || strspn(text, "0123456789abcdefABCDEF") < 2 ||
		    sscanf(text, "%2x", &byte) != 1)
			return false;
		out[(*len)++] = (uint8_t)byte;
	}
	return true;
}

static bool number(const char *text, int base, unsigned min, unsigned max, unsigned *v)
{
	char *end;
	unsigned long n = strtoul(text, &end, base);

	*v = (unsigned)n;
	return strspn(text, "0123456789abcdefABCDEF") > 0 && *end == '\0' && n >= min && n <= max;
}

/* The keys that are not plain numbers. */
static bool special(struct card_config *cfg, struct sim_card *c, const char *key, const char *val)
{
	char err[100];
	size_t n;

	if (strcmp(key, "atr") == 0) {
		memset(cfg->atr, 0, sizeof cfg->atr);
		cfg->atr_given = true;
		return hex(val, cfg->atr, sizeof cfg->atr, &cfg->atr_len);
	}
	if (strcmp(key, "hist") == 0)
		return hex(val, cfg->hist, sizeof cfg->hist, &cfg->hist_len);
	if (strcmp(key, "classes") == 0) {
		cfg->classes = 0;
		for (const char *p = val; *p != '\0'; p++)
			cfg->classes |= *p >= 'A' && *p <= 'C' ? 1u << (*p - 'A') : 8u;
		return cfg->classes != 0 && cfg->classes < 8;
	}
	if (strcmp(key, "pin") == 0) {
		n = strlen(val);
		if (n < 4 || n > 12 || strspn(val, "0123456789") != n)
			return false;
		memcpy(cfg->pin, val, n);
		cfg->pin_len = (unsigned)n;
		return true;
	}
	if (strcmp(key, "wtx") == 0) {
		cfg->wtx_mode = WTX_FIXED;
		return number(val, 10, 1, 255, &cfg->wtx);
	}
	if (strcmp(key, "fault") == 0)
		return sim_card_fault(c, val, err, sizeof err);
	return false;
}

static bool pair(struct card_config *cfg, struct sim_card *c, const char *key, const char *val)
{
	unsigned v;

	for (size_t i = 0; i < sizeof choices / sizeof choices[0]; i++)
		if (strcmp(key, choices[i].key) == 0 && strcmp(val, choices[i].value) == 0) {
			spec_store(cfg, choices[i].offset, choices[i].set);
			return true;
		}
	for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
		if (strcmp(key, numbers[i].key) == 0) {
			if (!number(val, numbers[i].base, numbers[i].min, numbers[i].max, &v))
				return false;
			spec_store(cfg, numbers[i].offset, v);
			return true;
		}
	return special(cfg, c, key, val);
}

static bool words(struct card_config *cfg, struct sim_card *c, const char *spec, char *err,
		  size_t cap);

static bool preset(struct card_config *cfg, struct sim_card *c, const char *name, char *err,
		   size_t cap)
{
	for (size_t i = 0; i < N_PRESETS; i++)
		if (strcmp(presets[i].name, name) == 0)
			return words(cfg, c, presets[i].words, err, cap);
	snprintf(err, cap, "card: unknown word '%s'", name);
	return false;
}

static bool word(struct card_config *cfg, struct sim_card *c, char *text, char *err, size_t cap)
{
	char *val = strchr(text, '=');

	if (val == NULL) {
		for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++)
			if (strcmp(text, flags[i].key) == 0) {
				spec_store(cfg, flags[i].offset, 1);
				return true;
			}
		return preset(cfg, c, text, err, cap);
	}
	*val++ = '\0';
	if (strcmp(text, "card") == 0)
		return preset(cfg, c, val, err, cap);
	if (pair(cfg, c, text, val))
		return true;
	snprintf(err, cap, "card: bad word '%s=%s'", text, val);
	return false;
}

static bool words(struct card_config *cfg, struct sim_card *c, const char *spec, char *err,
		  size_t cap)
{
	char text[512], *save = NULL;

	if ((size_t)snprintf(text, sizeof text, "%s", spec) >= sizeof text) {
		snprintf(err, cap, "card: text too long");
		return false;
	}
	for (char *w = strtok_r(text, BLANKS, &save); w != NULL; w = strtok_r(NULL, BLANKS, &save))
		if (!word(cfg, c, w, err, cap))
			return false;
	return true;
}

bool card_spec_parse(struct card_config *cfg, struct sim_card *c, const char *spec, char *err,
		     size_t cap)
{
	*cfg = (struct card_config){
		.protocols = 3, .ta1 = 0x96, .ta2 = 0x100, .tc1 = 0x100, .wi = 0x100,
		.ifsc = 254, .bwi = 4, .cwi = 5, .classes = 7, .wtx = 1, .wtx_count = 1,
		.chain = 254, .pin = "1234", .pin_len = 4, .tries = 3,
		.hist = { 'i', 'f', 'd', '-', 's', 'i', 'm' }, .hist_len = 7,
	};
	return words(cfg, c, spec, err, cap);
}
