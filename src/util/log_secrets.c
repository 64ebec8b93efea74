/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which bytes of a CCID message may appear in a log.
 *
 * The classifier sees only messages, not the protocol behind them. It reads a block of bytes in
 * every possible way and hides it if one of them is secret: hiding too much costs a log line,
 * hiding too little costs a PIN. */
#include "util/log_secrets.h"
#include "util/buf.h"

#define HEADER 10
/* bMessageType, CCID 1.10 §6 */
enum { ICC_POWER_ON = 0x62, SECURE = 0x69, ESCAPE = 0x6B, XFR_BLOCK = 0x6F, DATA_BLOCK = 0x80,
       ESCAPE_ANSWER = 0x83 };
#define BLOCK_IN_ESCAPE 0x1A	/* Omnikey: a T=1 block follows (quirk escape-t1) */
/* wLevelParameter of a command in parts, CCID 1.10 §6.1.4 */
enum { PART_BEGINS = 1, PART_ENDS = 2, PART_CONTINUES = 3 };
/* abData of PC_to_RDR_Secure up to the place where the APDU may begin: bPINOperation and the
 * fields before bTeoPrologue hold no secret and are what one debugs (CCID 1.10 §6.1.11). */
#define SECURE_FIELDS 12

#define GET_RESPONSE 0xC0	/* ISO 7816-4 §11.8.1 */

/* Commands that carry a PIN or a key, or whose answer is one: CLA INS P1 P2, where mask has ones.
 * libccid(5), SECRETS, says the same (check_docs.py compares INS). */
static const struct { uint32_t mask, value; } secret_commands[] = {
	/* ISO 7816-4 §11.6, any CLA */
	{ 0x00FE0000, 0x00200000 },	/* VERIFY */
	{ 0x00FE0000, 0x00240000 },	/* CHANGE REFERENCE DATA */
	{ 0x00FE0000, 0x002C0000 },	/* RESET RETRY COUNTER */
	/* EXTERNAL or MUTUAL AUTHENTICATE; with CLA FF, LOAD KEYS of PC/SC part 3 */
	{ 0x00FF0000, 0x00820000 },
	{ 0x00FE0000, 0x00860000 },	/* GENERAL AUTHENTICATE */
	/* ISO 7816-8: DECIPHER answers with what is mostly a session key */
	{ 0x00FEFF00, 0x002A8000 },
	/* GlobalPlatform; INS D8 means nothing else with another CLA */
	{ 0x00FE0000, 0x00D80000 },	/* PUT KEY */
	{ 0x80FF0000, 0x80E20000 },	/* STORE DATA */
	/* PUT DATA of OpenPGP cards: keys (PIV writes its objects with 3FFF, too), keys of secure
	 * messaging, resetting code, AES key */
	{ 0x00FEFFFF, 0x00DA3FFF },
	{ 0x00FEFFFF, 0x00DA00D1 },
	{ 0x00FEFFFF, 0x00DA00D2 },
	{ 0x00FEFFFF, 0x00DA00D3 },
	{ 0x00FEFFFF, 0x00DA00D5 },
	{ 0x00FEFFFF, 0x00DA00F4 },
	/* PIV of YubiKeys, interindustry CLA: IMPORT ASYMMETRIC KEY, SET MANAGEMENT KEY */
	{ 0x80FE0000, 0x00FE0000 },
};

/* A command cut in its header may go on as any command; one cut before its INS is secret only when
 * more follows. */
static bool header_is_secret(const uint8_t *p, size_t len, bool more_follows)
{
	uint32_t header = 0, known = 0;

	if (len < 2)
		return more_follows && len > 0;
	for (size_t i = 0; i < 4; i++) {
		header = header << 8 | (i < len ? p[i] : 0u);
		known = known << 8 | (i < len ? 0xFFu : 0u);
	}
	for (size_t i = 0; i < sizeof secret_commands / sizeof *secret_commands; i++) {
		if (((header ^ secret_commands[i].value) & secret_commands[i].mask & known) == 0)
			return true;
	}
	return false;
}

/* GET RESPONSE fetches the answer of the command before. */
static bool apdu_is_secret(const struct log_secrecy *s, const uint8_t *p, size_t len,
			   bool more_follows)
{
	if (len >= 2 && p[1] == GET_RESPONSE)
		return s->secret;
	return header_is_secret(p, len, more_follows);
}

/* ISO/IEC 13239, as T=1 uses it (ISO 7816-3:2006 §11.3.4). */
static uint16_t secrets_crc(const uint8_t *p, size_t len)
{
	uint16_t crc = 0xFFFF;

	for (size_t i = 0; i < len; i++) {
		crc ^= p[i];
		for (int bit = 0; bit < 8; bit++)
			crc = (uint16_t)(crc & 1 ? crc >> 1 ^ 0x8408 : crc >> 1);
	}
	return crc;
}

static uint8_t lrc(const uint8_t *p, size_t len)
{
	uint8_t sum = 0;

	for (size_t i = 0; i < len; i++)
		sum ^= p[i];
	return sum;
}

bool log_is_block(const uint8_t *p, size_t len)
{
	uint16_t sum, got;

	if (len < 4)
		return false;
	if (len == 4u + p[2])
		return lrc(p, len) == 0;
	if (len != 5u + p[2])
		return false;
	got = get_le16(p + len - 2);
	sum = got ^ secrets_crc(p, len - 2);
	if (sum == 0 || sum == 0xFFFF)
		return true;
	/* Cards exist with either byte order, with and without the final complement. */
	sum = (uint16_t)(got >> 8 | got << 8) ^ secrets_crc(p, len - 2);
	return sum == 0 || sum == 0xFFFF;
}

static bool is_pps(const uint8_t *p, size_t len)
{
	return len >= 3 && len <= 6 && p[0] == 0xFF && lrc(p, len) == 0;
}

/* A T=1 block on its way to the card; returns whether to hide it. */
static bool block_sent(struct log_secrecy *s, const uint8_t *p, size_t len)
{
	bool more = (p[1] & 0x20) != 0;
	uint8_t ns = p[1] & 0x40;

	if (p[1] & 0x80)
		return false;	/* R- and S-blocks carry no data of the application */
	/* In mid-chain, and when a block goes out again, INF does not begin with a header. */
	if (!s->chained && !(s->secret && s->block_seen && s->block_ns == ns))
		s->secret = apdu_is_secret(s, p + 3, p[2], more);
	s->secret = s->secret || header_is_secret(p, len, false);
	s->chained = s->secret && more;
	s->block_seen = true;
	s->block_ns = ns;
	s->left = 0;
	return s->secret;
}

/* An APDU, a TPDU, a part of either, or a PPS on its way to the card; returns whether to hide
 * it. */
static bool command_sent(struct log_secrecy *s, const uint8_t *p, size_t len, uint16_t level)
{
	bool ends = level == PART_ENDS, continues = level == PART_CONTINUES;
	bool t0_header = len == 5 && level != 0;

	if (len == 0)
		return false;	/* asks for more of the answer: the state stays */
	if (s->left > 0) {
		s->left -= len < s->left ? len : s->left;
	} else if (s->chained && (ends || continues)) {
		s->chained = continues;
	} else {
		s->secret = !is_pps(p, len) && apdu_is_secret(s, p, len, level == PART_BEGINS);
		s->chained = s->secret && level == PART_BEGINS;
	}
	/* Character level: the data bytes follow by themselves (ISO 7816-3:2006 §10.3). */
	if (t0_header && header_is_secret(p, len, false) && s->left < p[4])
		s->left = p[4];
	s->block_seen = false;
	return s->secret;
}

/* More bytes of a secret APDU are due: whatever they look like, they are not a T=1 block. */
static bool in_apdu_parts(const struct log_secrecy *s)
{
	return s->left > 0 || (s->chained && !s->block_seen);
}

/* Of more than a header. */
static bool is_card_answer(const uint8_t *msg)
{
	return msg[0] == DATA_BLOCK ||
	       (msg[0] == ESCAPE_ANSWER && msg[HEADER] == BLOCK_IN_ESCAPE);
}

size_t log_showable(struct log_secrecy *s, bool sent, const uint8_t *msg, size_t len)
{
	size_t shown = len;

	if (sent && len > 0 && msg[0] == ICC_POWER_ON)
		*s = (struct log_secrecy){ 0 };	/* the answer is an ATR */
	if (len <= HEADER)
		return len;
	if (!sent)
		return s->secret && is_card_answer(msg) ? HEADER : len;

	switch (msg[0]) {
	case SECURE:
		s->secret = true;
		s->chained = false;
		s->left = 0;
		s->block_seen = false;
		shown = len < HEADER + SECURE_FIELDS ? len : HEADER + SECURE_FIELDS;
		break;
	case XFR_BLOCK:
		if (!in_apdu_parts(s) && log_is_block(msg + HEADER, len - HEADER)) {
			if (block_sent(s, msg + HEADER, len - HEADER))
				shown = HEADER;
		} else if (command_sent(s, msg + HEADER, len - HEADER, get_le16(msg + 8))) {
			shown = HEADER;
		}
		break;
	case ESCAPE:
		if (msg[HEADER] == BLOCK_IN_ESCAPE &&
		    log_is_block(msg + HEADER + 1, len - HEADER - 1) &&
		    block_sent(s, msg + HEADER + 1, len - HEADER - 1))
			shown = HEADER;
		break;
	default:
		break;
	}
	return shown;
}
