/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Shows the one-time code of an RSA SecurID SID800, whose USB plug is a CCID reader with a card in it. */
#include "tools/output.h"

#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <winscard.h>

enum { APDU_CAP = 261, ANSWER_CAP = 258 };

struct bytes {
	size_t len;
	uint8_t p[APDU_CAP];
};

/* What the token is asked. The application lies under RSA's registered identifier
 * A000000063 (ISO/IEC 7816-5); neither it nor the command is confirmed by RSA, -a and -c replace them. The command
 * only goes to a token that has the application. */
static const char default_aid[] = "A0000000638653494401";
static const char default_command[] = "8056000004";
static const char default_reader[] = "SecurID";

struct options {
	const char *reader;	/* part of the reader's name */
	struct bytes select, command;
};

static bool from_hex(const char *text, struct bytes *out, size_t cap)
{
	size_t len = strlen(text);

	if (len == 0 || len % 2 || len / 2 > cap || strspn(text, "0123456789abcdefABCDEF") != len)
		return false;
	out->len = len / 2;
	for (size_t i = 0; i < out->len; i++) {
		char two[3] = { text[2 * i], text[2 * i + 1], '\0' };

		out->p[i] = (uint8_t)strtoul(two, NULL, 16);
	}
	return true;
}

/* SELECT by name, first occurrence (ISO 7816-4 11.2.2). */
static bool select_of(const char *aid, struct bytes *out)
{
	struct bytes name = { .len = 0 };

	if (!from_hex(aid, &name, 16))
		return false;
	memcpy(out->p, (const uint8_t[]){ 0x00, 0xA4, 0x04, 0x00 }, 4);
	out->p[4] = (uint8_t)name.len;
	memcpy(out->p + 5, name.p, name.len);
	out->len = 5 + name.len;
	return true;
}

static int complain(const char *what, LONG rv)
{
	fprintf(stderr, "RSA_SecurID_getpasswd: %s: %s\n", what, pcsc_stringify_error(rv));
	return 1;
}

/* The first reader whose name has that part, or NULL. names: as SCardListReaders gives them. */
static const char *find_reader(const char *names, const char *part)
{
	for (; *names; names += strlen(names) + 1)
		if (strstr(names, part))
			return names;
	return NULL;
}

/* Sends a command, and GET RESPONSE while the card says 61xx. Returns SW, or 0 with *rv set. */
static unsigned talk(SCARDHANDLE card, const SCARD_IO_REQUEST *pci, const struct bytes *command,
		     uint8_t *answer, size_t *len, LONG *rv)
{
	struct bytes c = *command;
	DWORD got;

	for (int turn = 0; turn < 4; turn++) {
		got = ANSWER_CAP;
		*rv = SCardTransmit(card, pci, c.p, (DWORD)c.len, NULL, answer, &got);
		if (*rv != SCARD_S_SUCCESS || got < 2)
			return 0;
		*len = got - 2;
		if (answer[got - 2] != 0x61)
			break;
		memcpy(c.p, (const uint8_t[]){ 0x00, 0xC0, 0x00, 0x00, answer[got - 1] }, 5);
		c.len = 5;
	}
	return (unsigned)answer[*len] << 8 | answer[*len + 1];
}

/* Digits as characters, or two in a byte. */
static bool show_code(const uint8_t *p, size_t len)
{
	bool text = len > 0, packed = len > 0;

	for (size_t i = 0; i < len; i++) {
		text = text && p[i] >= '0' && p[i] <= '9';
		packed = packed && p[i] >> 4 <= 9 && (p[i] & 0x0F) <= 9;
	}
	for (size_t i = 0; i < len && (text || packed); i++)
		printf(text ? "%c" : "%02X", p[i]);
	if (text || packed)
		putchar('\n');
	return text || packed;
}

static int ask(SCARDHANDLE card, DWORD protocol, const struct options *o)
{
	const SCARD_IO_REQUEST *pci = protocol == SCARD_PROTOCOL_T1 ? SCARD_PCI_T1 : SCARD_PCI_T0;
	uint8_t answer[ANSWER_CAP];
	const struct bytes *steps[] = { &o->select, &o->command };
	size_t len = 0;
	LONG rv;

	for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
		unsigned sw = talk(card, pci, steps[i], answer, &len, &rv);

		if (sw == 0)
			return complain("the token does not answer", rv);
		if (sw != 0x9000) {
			fprintf(stderr, "RSA_SecurID_getpasswd: the token answers %04X to %s\n", sw,
				i == 0 ? "the choice of its application" : "the question for the code");
			return 1;
		}
	}
	if (show_code(answer, len))
		return 0;
	fputs("RSA_SecurID_getpasswd: the token did not answer with a code\n", stderr);
	return 1;
}

static int with_reader(SCARDCONTEXT context, const char *name, const struct options *o)
{
	SCARDHANDLE card;
	DWORD protocol;
	LONG rv = SCardConnect(context, name, SCARD_SHARE_SHARED,
			       SCARD_PROTOCOL_T0 | SCARD_PROTOCOL_T1, &card, &protocol);
	int status;

	if (rv != SCARD_S_SUCCESS)
		return complain(name, rv);
	status = ask(card, protocol, o);
	SCardDisconnect(card, SCARD_LEAVE_CARD);
	return status;
}

static int with_context(SCARDCONTEXT context, const struct options *o)
{
	DWORD size = SCARD_AUTOALLOCATE;
	const char *name = NULL;
	char *names = NULL;
	int status = 1;

	/* pcsc-lite writes the pointer when the size is SCARD_AUTOALLOCATE. */
	if (SCardListReaders(context, NULL, (LPSTR)&names, &size) == SCARD_S_SUCCESS)
		name = find_reader(names, o->reader);
	if (name)
		status = with_reader(context, name, o);
	else
		fprintf(stderr, "RSA_SecurID_getpasswd: no reader has \"%s\" in its name\n", o->reader);
	if (names)
		SCardFreeMemory(context, names);
	return status;
}

static int usage(FILE *to)
{
	fputs("Usage: RSA_SecurID_getpasswd [-a AID] [-c APDU] [-r READER]\n"
	      "Shows the code of an RSA SecurID SID800; AID and APDU in hexadecimal,\n"
	      "READER is a part of its name\n"
	      "  -h, --help       this text\n"
	      "  -V, --version    the version\n", to);
	return to == stdout ? output_end("RSA_SecurID_getpasswd", 0, 1) : 2;
}

static int show_version(void)
{
	puts("RSA_SecurID_getpasswd (ifd-ccid) " VERSION);
	return output_end("RSA_SecurID_getpasswd", 0, 1);
}

static int bad_usage(const char *why, const char *what)
{
	fprintf(stderr, "RSA_SecurID_getpasswd: %s \"%s\"\n", why, what);
	return usage(stderr);
}

int main(int argc, char **argv)
{
	struct options o = { .reader = default_reader };
	SCARDCONTEXT context;
	int c, status;
	LONG rv;
	static const struct option longs[] = { { "help", no_argument, NULL, 'h' },
					       { "version", no_argument, NULL, 'V' },
					       { NULL, 0, NULL, 0 } };

	if (!select_of(default_aid, &o.select) || !from_hex(default_command, &o.command, APDU_CAP))
		return 1;
	while ((c = getopt_long(argc, argv, "a:c:r:hV", longs, NULL)) != -1) {
		if (c == 'h')
			return usage(stdout);
		if (c == 'V')
			return show_version();
		if (c == 'a' && !select_of(optarg, &o.select))
			return bad_usage("no AID in hexadecimal:", optarg);
		if (c == 'c' && !(from_hex(optarg, &o.command, APDU_CAP) && o.command.len >= 4))
			return bad_usage("no APDU in hexadecimal:", optarg);
		if (c == 'r')
			o.reader = optarg;
		else if (c == '?')
			return usage(stderr);
	}
	if (optind < argc)
		return bad_usage("unknown argument", argv[optind]);
	rv = SCardEstablishContext(SCARD_SCOPE_SYSTEM, NULL, NULL, &context);
	if (rv != SCARD_S_SUCCESS)
		return complain("pcscd", rv);
	status = with_context(context, &o);
	SCardReleaseContext(context);
	return status;
}
