/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The card's commands. "pattern" is the byte sequence i & FF.
 *
 * Class 00 (and A0 with the word gsm), applet=file:
 *   A4 P1 P2      SELECT        P1 00 by file id (no data: MF), 02 EF of this DF,
 *                               03 parent, 04 by AID; P2 0C: no answer, else an FCI
 *   B0 P1P2       READ BINARY   at offset P1P2, or P1 80+SFI (1: 5001, 2: 5002, 3: 5003) offset P2
 *   D6 P1P2       UPDATE BINARY the same
 *   20 00 P2      VERIFY        PIN as digits, padded with FF or 00, or as ISO 9564
 *                               format 2; without data: 63Cx
 *   24 P1 P2      CHANGE REFERENCE DATA  P1 00 old and new PIN, each half the data; 01 new PIN
 *   84 00 00      GET CHALLENGE Le random bytes (the same after every insertion)
 *   C0 00 00      GET RESPONSE  what 61xx announced
 *   C2 00 00      ENVELOPE      parts of an APDU; one of less than 255 bytes is the last
 * Files: MF 3F00 with 2F00 (64 bytes) and 2FE2 (10 bytes), DF 5000 (AID F0 6966642D73696D) with
 *   5001 (65536 bytes), 5002 (1024, PIN to read and update), 5003 (256, PIN to update).
 *   First content of all: pattern.
 * Class 80, applet=file:
 *   10            NOP           case 1
 *   12 P1         SINK          case 3; P1 01: 6A80 unless the data are the pattern
 *   14 P1P2       GENERATE      case 2: pattern of P1P2 bytes, or of Le bytes when P1P2 is 0
 *   16            ECHO          case 4: the data
 *   18 P1P2       SLOW          works P1P2 ms, then as ECHO
 *   1A P1P2       STATUS        answers SW P1P2
 *   1C            GENERATE BY DATA  case 4: pattern of as many bytes as the data say
 *                               (1 to 4 bytes, big-endian, at most 65536)
 * CLA bit 10: command chaining, parts of one command. All cases, short and extended. T=0: case 4
 *   and answers beyond 256 bytes give 61xx, a wrong Le 6Cxx.
 * applet=echo: every command returns its data, or the pattern of Le bytes. applet=none: 6D00. */
#include "sim/model/card.h"

#include <string.h>

enum { LONGEST = 65536 };

static uint16_t cmd_nop(struct sim_card *c, const struct card_apdu *a)
{
	(void)c;
	return a->nc == 0 ? 0x9000 : 0x6700;
}

static void pattern(struct sim_card *c, size_t n)
{
	for (size_t i = 0; i < n; i++)
		c->ans.data[i] = (uint8_t)i;
	c->ans.end = n;
}

static uint16_t cmd_sink(struct sim_card *c, const struct card_apdu *a)
{
	(void)c;
	for (size_t i = 0; a->p1 == 1 && i < a->nc; i++)
		if (a->data[i] != (uint8_t)i)
			return 0x6A80;
	return a->nc > 0 ? 0x9000 : 0x6700;
}

static uint16_t cmd_generate(struct sim_card *c, const struct card_apdu *a)
{
	size_t n = (size_t)a->p1 << 8 | a->p2;

	if (a->nc > 0)
		return 0x6700;
	c->ans.exact = n > 0;
	pattern(c, n > 0 ? n : a->ne);
	return 0x9000;
}

static uint16_t cmd_echo(struct sim_card *c, const struct card_apdu *a)
{
	memcpy(c->ans.data, a->data, a->nc);
	c->ans.end = a->nc;
	return 0x9000;
}

static uint16_t cmd_slow(struct sim_card *c, const struct card_apdu *a)
{
	c->work += ((uint64_t)a->p1 << 8 | a->p2) * 1000000u;
	if (a->nc > 0)
		return cmd_echo(c, a);
	return 0x9000;
}

static uint16_t cmd_status(struct sim_card *c, const struct card_apdu *a)
{
	(void)c;
	return (uint16_t)(a->p1 << 8 | a->p2);
}

static uint16_t cmd_generate_by_data(struct sim_card *c, const struct card_apdu *a)
{
	size_t n = 0;

	if (a->nc < 1 || a->nc > 4)
		return 0x6700;
	for (size_t i = 0; i < a->nc; i++)
		n = n << 8 | a->data[i];
	if (n > LONGEST)
		return 0x6A80;
	pattern(c, n);
	return 0x9000;
}

static uint16_t cmd_challenge(struct sim_card *c, const struct card_apdu *a)
{
	for (size_t i = 0; i < a->ne; i++) {
		c->random = c->random * 1664525u + 1013904223u;
		c->ans.data[i] = (uint8_t)(c->random >> 24);
	}
	c->ans.end = a->ne;
	return a->ne > 0 ? 0x9000 : 0x6700;
}

static uint16_t cmd_envelope(struct sim_card *c, const struct card_apdu *a);

static const struct command {
	uint8_t cla, ins;
	enum card_dir dir;
	uint16_t (*run)(struct sim_card *c, const struct card_apdu *a);
} commands[] = {
	{ 0x00, 0x20, DIR_IN, card_verify },
	{ 0x00, 0x24, DIR_IN, card_change_pin },
	{ 0x00, 0x84, DIR_OUT, cmd_challenge },
	{ 0x00, 0xA4, DIR_IN, card_select },
	{ 0x00, 0xB0, DIR_OUT, card_read_binary },
	{ 0x00, 0xC0, DIR_OUT, NULL },	/* GET RESPONSE: card_run */
	{ 0x00, 0xC2, DIR_IN, cmd_envelope },
	{ 0x00, 0xD6, DIR_IN, card_update_binary },
	{ 0x80, 0x10, DIR_IN, cmd_nop },
	{ 0x80, 0x12, DIR_IN, cmd_sink },
	{ 0x80, 0x14, DIR_OUT, cmd_generate },
	{ 0x80, 0x16, DIR_IN, cmd_echo },
	{ 0x80, 0x18, DIR_IN, cmd_slow },
	{ 0x80, 0x1A, DIR_IN, cmd_status },
	{ 0x80, 0x1C, DIR_IN, cmd_generate_by_data },
};

/* The command, or NULL and why not. */
static const struct command *find_command(const struct sim_card *c, uint8_t cla, uint8_t ins, uint16_t *sw)
{
	uint8_t class = cla & 0xEC;	/* without chaining (10) and logical channel (03) */

	if (cla == 0xA0 && c->cfg.gsm)
		class = 0x00;
	*sw = 0x6E00;
	if (class != 0x00 && class != 0x80)
		return NULL;
	*sw = 0x6D00;
	if (c->cfg.applet == APPLET_NONE)
		return NULL;
	for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
		if (commands[i].ins == ins && (commands[i].cla == class || ins == 0xC0))
			return &commands[i];
	return NULL;
}

enum card_dir card_direction(const struct sim_card *c, uint8_t cla, uint8_t ins)
{
	uint16_t sw;
	const struct command *cmd;

	if (c->foreign != NULL)
		return card_foreign_direction(ins);
	cmd = find_command(c, cla, ins, &sw);
	return cmd != NULL ? cmd->dir : DIR_UNKNOWN;
}

/* Adds a part; false when there is no room. Parts of another command are forgotten. */
static bool gather(struct sim_card *c, const struct card_apdu *a)
{
	if (c->gather_ins != a->ins)
		c->gather_len = 0;
	c->gather_ins = a->ins;
	if (a->nc > sizeof c->gather - c->gather_len)
		return false;
	memcpy(c->gather + c->gather_len, a->data, a->nc);
	c->gather_len += a->nc;
	return true;
}

static void applet_start(struct sim_card *c)
{
	c->ans.pos = c->ans.end = 0;
	c->ans.exact = false;
}

static uint16_t refuse(struct sim_card *c, uint16_t sw)
{
	c->ans.pos = c->ans.end = 0;
	return sw;
}

/* The command without its class's chaining bit. */
static uint16_t run_one(struct sim_card *c, const struct card_apdu *a)
{
	uint16_t sw;
	const struct command *cmd;

	c->ran[a->ins]++;
	if (c->cfg.applet == APPLET_ECHO && a->ins != 0xC0) {
		applet_start(c);
		if (a->nc > 0)
			return cmd_echo(c, a);
		pattern(c, a->ne);
		return 0x9000;
	}
	cmd = find_command(c, a->cla, a->ins, &sw);
	if (cmd == NULL)
		return refuse(c, sw);
	if (cmd->run == NULL)	/* GET RESPONSE: what is left goes out with the SW of its command */
		return c->ans.pos < c->ans.end ? c->ans.sw : 0x6985;
	applet_start(c);
	sw = cmd->run(c, a);
	return c->ans.end == 0 ? refuse(c, sw) : sw;
}

unsigned sim_card_ran(const struct sim_card *c, uint8_t ins)
{
	return c->ran[ins];
}

void card_run(struct sim_card *c, const struct card_apdu *a)
{
	struct card_apdu all = *a;

	if (c->foreign != NULL) {
		card_foreign_t0(c, a);
		return;
	}
	c->work = (uint64_t)c->cfg.time_us * 1000u;
	if ((a->cla & 0x10) && c->cfg.applet == APPLET_FILE) {	/* ISO 7816-4 §5.1.1.1 */
		applet_start(c);
		c->ans.sw = gather(c, a) ? 0x9000 : 0x6700;
		return;
	}
	if (c->gather_len > 0 && a->ins == c->gather_ins && a->ins != 0xC2) {
		if (!gather(c, a)) {
			c->gather_len = 0;
			c->ans.sw = refuse(c, 0x6700);
			return;
		}
		all.data = c->gather;
		all.nc = c->gather_len;
	}
	if (a->ins != 0xC2)
		c->gather_len = 0;
	c->ans.sw = run_one(c, &all);
}

/* ISO 7816-3 §12.1.3: the seven forms of a command. */
static bool parse(const uint8_t *in, size_t len, struct card_apdu *a)
{
	size_t n, body = 7;

	if (len < 4)
		return false;
	*a = (struct card_apdu){ in[0], in[1], in[2], in[3], in + 4, 0, 0 };
	if (len == 4)
		return true;
	n = in[4];
	if (len == 5) {
		a->ne = n ? n : 256;
		return true;
	}
	if (n > 0) {
		a->data = in + 5;
		a->nc = n;
		if (len == 6 + n)
			a->ne = in[5 + n] ? in[5 + n] : 256;
		return len == 5 + n || len == 6 + n;
	}
	if (len < 7)
		return false;
	n = (size_t)in[5] << 8 | in[6];
	if (len > 7) {
		if (n == 0)
			return false;
		a->data = in + 7;
		a->nc = n;
		body += n;
		if (len == body)
			return true;
		if (len != body + 2)
			return false;
		n = (size_t)in[body] << 8 | in[body + 1];
	}
	a->ne = n ? n : LONGEST;
	return true;
}

/* ISO 7816-3 §12.2: ENVELOPE carries an APDU that does not fit one TPDU. */
static uint16_t cmd_envelope(struct sim_card *c, const struct card_apdu *a)
{
	struct card_apdu inner;
	uint16_t sw;

	if (!gather(c, a)) {
		c->gather_len = 0;
		return 0x6700;
	}
	if (a->nc == 255)
		return 0x9000;
	if (!parse(c->gather, c->gather_len, &inner) || inner.ins == 0xC2) {
		c->gather_len = 0;
		return 0x6700;
	}
	sw = run_one(c, &inner);
	c->gather_len = 0;
	if (c->ans.end > inner.ne && inner.ne > 0)
		c->ans.end = inner.ne;
	return sw;
}

static uint16_t more(const struct sim_card *c, const struct card_apdu *a, size_t rest)
{
	unsigned sw1 = c->cfg.gsm && a->cla == 0xA0 ? 0x9F : 0x61;

	return (uint16_t)(sw1 << 8 | (rest < 256 ? rest : 0));
}

size_t card_take(struct sim_card *c, const struct card_apdu *a, bool t0, const uint8_t **data,
		 uint16_t *sw)
{
	struct card_answer *ans = &c->ans;
	size_t rest = ans->end - ans->pos, n;

	*sw = ans->sw;
	*data = ans->data + ans->pos;
	if (rest == 0)
		return 0;
	if (a->ne == 0) {
		if (t0)		/* case 4, §12.2.4: GET RESPONSE fetches it */
			*sw = more(c, a, rest);
		else
			ans->end = ans->pos;
		return 0;
	}
	/* case 2, §12.2.3: Le other than what there is; 256 takes the beginning */
	if (a->nc == 0 && ((t0 && rest < a->ne) ||
			   (ans->exact && rest > a->ne && a->ne != 256))) {
		*sw = (uint16_t)(0x6C00 | (rest < 256 ? rest : 0));
		return 0;
	}
	n = rest < a->ne ? rest : a->ne;
	ans->pos += n;
	ans->exact = false;
	if (ans->pos < ans->end)
		*sw = more(c, a, ans->end - ans->pos);
	return n;
}

size_t card_whole(struct sim_card *c, const uint8_t *in, size_t len, uint8_t *out)
{
	struct card_apdu a;
	const uint8_t *data = NULL;
	uint16_t sw = 0x6700;
	size_t n = 0;

	if (c->foreign != NULL)
		return card_foreign_whole(c, in, len, out);
	c->work = (uint64_t)c->cfg.time_us * 1000u;
	if (parse(in, len, &a)) {
		card_run(c, &a);
		n = card_take(c, &a, false, &data, &sw);
	}
	if (n > 0)
		memcpy(out, data, n);
	out[n] = (uint8_t)(sw >> 8);
	out[n + 1] = (uint8_t)sw;
	return n + 2;
}

void card_applet_reset(struct sim_card *c)
{
	applet_start(c);
	c->gather_len = 0;
	c->verified = false;
	c->df = 0;
	c->ef = CARD_FILES;
}
