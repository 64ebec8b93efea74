/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What SCardControl() can do with a reader, command by command: see usage(). */
#include "PCSCv2part10.h"

#include <winscard.h>
#include <reader.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Control codes of this driver that part 10 does not name. */
#define CODE_ESCAPE SCARD_CTL_CODE(1)
#define CODE_NAD SCARD_CTL_CODE(3600)
#define CODE_USB_PATH SCARD_CTL_CODE(3601)

#define ANSWER_MAX 66000
#define BYTES_MAX 300
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* An open reader; the answer to its latest command. */
struct session {
	SCARDCONTEXT context;
	SCARDHANDLE card;
	char *readers;			/* SCardListReaders(), zero after each and a zero at the end */
	const char *name;		/* points into readers */
	uint8_t features[256];
	size_t features_len;
	uint8_t answer[ANSWER_MAX];
	size_t answer_len;
};

static int failed(const char *what, LONG rv)
{
	fprintf(stderr, "%s: %s\n", what, pcsc_stringify_error(rv));
	return 1;
}

/* Sends a control code; the answer is in s->answer. */
static LONG control(struct session *s, DWORD code, const void *in, size_t len)
{
	DWORD n = 0;
	LONG rv = SCardControl(s->card, code, in, len, s->answer, sizeof s->answer, &n);

	s->answer_len = rv == SCARD_S_SUCCESS ? n : 0;
	return rv;
}

static DWORD code_of(const struct session *s, uint8_t feature)
{
	return part10_control_code(s->features, s->features_len, feature);
}

/* "00 20 00 01" or "00200001"; returns the number of bytes, 0 when it is no such text. */
static size_t parse_hex(const char *text, uint8_t *out, size_t cap)
{
	size_t n = 0;
	unsigned byte;

	while (*text) {
		if (strchr(" :", *text)) {
			text++;
			continue;
		}
		if (n == cap || strspn(text, "0123456789abcdefABCDEF") < 2 || sscanf(text, "%2x", &byte) != 1)
			return 0;
		out[n++] = (uint8_t)byte;
		text += 2;
	}
	return n;
}

static void print_hex(const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		printf("%s%02X", i ? " " : "", p[i]);
	printf(len ? "\n" : "(nothing)\n");
}

/* ---- info ---- */

static const struct {
	uint8_t tag;
	const char *name, *meaning;
} features[] = {
	{ FEATURE_VERIFY_PIN_START, "VERIFY_PIN_START", "verify a PIN, first step" },
	{ FEATURE_VERIFY_PIN_FINISH, "VERIFY_PIN_FINISH", "verify a PIN, last step" },
	{ FEATURE_MODIFY_PIN_START, "MODIFY_PIN_START", "change a PIN, first step" },
	{ FEATURE_MODIFY_PIN_FINISH, "MODIFY_PIN_FINISH", "change a PIN, last step" },
	{ FEATURE_GET_KEY_PRESSED, "GET_KEY_PRESSED", "which key was pressed" },
	{ FEATURE_VERIFY_PIN_DIRECT, "VERIFY_PIN_DIRECT", "verify a PIN typed on the reader" },
	{ FEATURE_MODIFY_PIN_DIRECT, "MODIFY_PIN_DIRECT", "change a PIN typed on the reader" },
	{ FEATURE_MCT_READER_DIRECT, "MCT_READER_DIRECT", "commands for the reader itself (MKT)" },
	{ FEATURE_MCT_UNIVERSAL, "MCT_UNIVERSAL", "commands for reader and card (MKT)" },
	{ FEATURE_IFD_PIN_PROPERTIES, "IFD_PIN_PROPERTIES", "what the PIN pad is like" },
	{ FEATURE_ABORT, "ABORT", "give up a PIN entry" },
	{ FEATURE_GET_TLV_PROPERTIES, "GET_TLV_PROPERTIES", "what the reader is like" },
	{ FEATURE_CCID_ESC_COMMAND, "CCID_ESC_COMMAND", "commands of the reader's maker" },
};

static void show_features(const struct session *s)
{
	printf("\nFeatures:\n");
	for (size_t i = 0; i < COUNT(features); i++) {
		DWORD code = code_of(s, features[i].tag);

		if (code)
			printf("  %-20s control code %08lX: %s\n", features[i].name, (unsigned long)code,
			       features[i].meaning);
	}
}

static void show_conditions(unsigned v)
{
	static const char *const names[] = { "the last digit", "the OK key", "a time-out" };
	const char *before = " ";

	for (unsigned i = 0; i < COUNT(names); i++) {
		if (v >> i & 1) {
			printf("%s%s", before, names[i]);
			before = ", ";
		}
	}
	printf("\n");
}

static void show_pin_properties(struct session *s)
{
	DWORD code = code_of(s, FEATURE_IFD_PIN_PROPERTIES);
	PIN_PROPERTIES_STRUCTURE p;

	if (!code || control(s, code, NULL, 0) != SCARD_S_SUCCESS || s->answer_len < sizeof p)
		return;
	memcpy(&p, s->answer, sizeof p);
	printf("\nPIN pad:\n");
	if (p.wLcdLayout)
		printf("  %-20s %u lines of %u characters\n", "display", p.wLcdLayout >> 8, p.wLcdLayout & 0xFF);
	else
		printf("  %-20s none\n", "display");
	printf("  %-20s", "entry ends with");
	show_conditions(p.bEntryValidationCondition);
	printf("  %-20s %u\n", "bTimeOut2", p.bTimeOut2);
}

enum shape { NUMBER, HEX, CONDITIONS, LAYOUT, YES_NO, BYTES };

static const struct {
	uint8_t tag;
	const char *name;
	enum shape shape;
} properties[] = {
	{ PCSCv2_PART10_PROPERTY_wLcdLayout, "wLcdLayout", LAYOUT },
	{ PCSCv2_PART10_PROPERTY_bEntryValidationCondition, "bEntryValidationCondition", CONDITIONS },
	{ PCSCv2_PART10_PROPERTY_bTimeOut2, "bTimeOut2", NUMBER },
	{ PCSCv2_PART10_PROPERTY_wLcdMaxCharacters, "wLcdMaxCharacters", NUMBER },
	{ PCSCv2_PART10_PROPERTY_wLcdMaxLines, "wLcdMaxLines", NUMBER },
	{ PCSCv2_PART10_PROPERTY_bMinPINSize, "bMinPINSize", NUMBER },
	{ PCSCv2_PART10_PROPERTY_bMaxPINSize, "bMaxPINSize", NUMBER },
	{ PCSCv2_PART10_PROPERTY_bPPDUSupport, "bPPDUSupport", YES_NO },
	{ PCSCv2_PART10_PROPERTY_dwMaxAPDUDataSize, "dwMaxAPDUDataSize", BYTES },
	{ PCSCv2_PART10_PROPERTY_wIdVendor, "wIdVendor", HEX },
	{ PCSCv2_PART10_PROPERTY_wIdProduct, "wIdProduct", HEX },
};

static void show_property(const char *name, enum shape shape, unsigned v)
{
	printf("  %-26s", name);
	switch (shape) {
	case HEX:
		printf(" %04X\n", v);
		break;
	case CONDITIONS:
		show_conditions(v);
		break;
	case LAYOUT:
		printf(v ? " %u lines of %u characters\n" : " no display\n", v >> 8, v & 0xFF);
		break;
	case YES_NO:
		printf(v & 1 ? " yes, by SCardControl()\n" : " no\n");
		break;
	case BYTES:
		printf(v ? " %u bytes in an APDU (extended)\n" : " short APDUs only\n", v);
		break;
	default:
		printf(" %u\n", v);
		break;
	}
}

static void show_tlv_properties(struct session *s)
{
	DWORD code = code_of(s, FEATURE_GET_TLV_PROPERTIES);
	const uint8_t *text;
	size_t n;

	if (!code || control(s, code, NULL, 0) != SCARD_S_SUCCESS)
		return;
	printf("\nProperties:\n");
	for (size_t i = 0; i < COUNT(properties); i++) {
		uint32_t v;

		if (part10_property(s->answer, s->answer_len, properties[i].tag, &v) == PART10_FOUND)
			show_property(properties[i].name, properties[i].shape, v);
	}
	text = part10_property_bytes(s->answer, s->answer_len, PCSCv2_PART10_PROPERTY_sFirmwareID, &n);
	if (text)
		printf("  %-26s %.*s\n", "sFirmwareID", (int)n, (const char *)text);
}

static int cmd_path(struct session *s, int argc, char **argv)
{
	LONG rv = control(s, CODE_USB_PATH, NULL, 0);

	(void)argc;
	(void)argv;
	if (rv != SCARD_S_SUCCESS)
		return failed("USB path", rv);
	printf("USB path: %.*s\n", (int)s->answer_len, (const char *)s->answer);
	return 0;
}

static int cmd_info(struct session *s, int argc, char **argv)
{
	printf("Reader: %s\n", s->name);
	cmd_path(s, argc, argv);
	show_features(s);
	show_pin_properties(s);
	show_tlv_properties(s);
	return 0;
}

/* ---- PIN ---- */

/* What the card said. */
static int pin_result(const struct session *s)
{
	unsigned sw;

	if (s->answer_len < 2)
		return failed("no status bytes", SCARD_F_COMM_ERROR);
	sw = (unsigned)s->answer[s->answer_len - 2] << 8 | s->answer[s->answer_len - 1];
	printf("%04X: ", sw);
	if (sw == 0x9000)
		printf("the card accepted it\n");
	else if (sw == 0x6400)
		printf("no PIN was typed in time\n");
	else if (sw == 0x6401)
		printf("cancelled\n");
	else if (sw == 0x6402)
		printf("the two new PINs differ\n");
	else if ((sw & 0xFFF0) == 0x63C0)
		printf("wrong PIN, %u tries are left\n", sw & 0x0F);
	else if (sw == 0x6983)
		printf("the PIN is blocked\n");
	else
		printf("the card refused\n");
	return sw == 0x9000 ? 0 : 1;
}

static int run_pin(struct session *s, uint8_t feature, const void *in, size_t len)
{
	DWORD code = code_of(s, feature);
	LONG rv;

	if (!code) {
		fprintf(stderr, "%s has no PIN pad for this\n", s->name);
		return 1;
	}
	printf("Type on the reader.\n");
	fflush(stdout);
	rv = control(s, code, in, len);
	return rv != SCARD_S_SUCCESS ? failed("PIN entry", rv) : pin_result(s);
}

/* [SECONDS [APDU]]; the APDU has room for the PIN, as the card wants it. Returns its length, 0 on errors. */
static size_t pin_arguments(int argc, char **argv, const char *apdu, uint8_t *seconds, uint8_t *out, size_t cap)
{
	*seconds = argc > 0 ? (uint8_t)atoi(argv[0]) : 30;
	return parse_hex(argc > 1 ? argv[1] : apdu, out, cap);
}

/* A PIN of 4 to 8 ASCII digits, padded with FF to 8 bytes, which the reader puts into the APDU. */
#define FORMAT_ASCII 0x82
#define BLOCK_OF_8 0x08
#define DIGITS_4_TO_8 0x0408
#define WITH_OK_KEY 0x02
#define ENGLISH 0x0409

static int cmd_verify(struct session *s, int argc, char **argv)
{
	uint8_t message[sizeof(PIN_VERIFY_STRUCTURE) + BYTES_MAX], seconds;
	size_t n = pin_arguments(argc, argv, "00 20 00 01 08 FF FF FF FF FF FF FF FF", &seconds,
				 message + sizeof(PIN_VERIFY_STRUCTURE), BYTES_MAX);
	PIN_VERIFY_STRUCTURE p = {
		.bTimerOut = seconds,
		.bmFormatString = FORMAT_ASCII,
		.bmPINBlockString = BLOCK_OF_8,
		.wPINMaxExtraDigit = DIGITS_4_TO_8,
		.bEntryValidationCondition = WITH_OK_KEY,
		.bNumberMessage = 1,
		.wLangId = ENGLISH,
		.ulDataLength = (uint32_t)n,
	};

	if (n < 4) {
		fprintf(stderr, "verify: an APDU has 4 bytes or more\n");
		return 2;
	}
	memcpy(message, &p, sizeof p);
	return run_pin(s, FEATURE_VERIFY_PIN_DIRECT, message, sizeof p + n);
}

static int cmd_modify(struct session *s, int argc, char **argv)
{
	uint8_t message[sizeof(PIN_MODIFY_STRUCTURE) + BYTES_MAX], seconds;
	size_t n = pin_arguments(argc, argv, "00 24 00 01 10 FF FF FF FF FF FF FF FF FF FF FF FF FF FF FF FF",
				 &seconds, message + sizeof(PIN_MODIFY_STRUCTURE), BYTES_MAX);
	PIN_MODIFY_STRUCTURE p = {
		.bTimerOut = seconds,
		.bmFormatString = FORMAT_ASCII,
		.bmPINBlockString = BLOCK_OF_8,
		.bInsertionOffsetOld = 0,
		.bInsertionOffsetNew = 8,
		.wPINMaxExtraDigit = DIGITS_4_TO_8,
		.bConfirmPIN = 3,		/* asks for the old one, and for the new one twice */
		.bEntryValidationCondition = WITH_OK_KEY,
		.bNumberMessage = 3,
		.wLangId = ENGLISH,
		.bMsgIndex1 = 0, .bMsgIndex2 = 1, .bMsgIndex3 = 2,
		.ulDataLength = (uint32_t)n,
	};

	if (n < 4) {
		fprintf(stderr, "modify: an APDU has 4 bytes or more\n");
		return 2;
	}
	memcpy(message, &p, sizeof p);
	return run_pin(s, FEATURE_MODIFY_PIN_DIRECT, message, sizeof p + n);
}

/* ---- for the reader itself ---- */

static int exchange(struct session *s, DWORD code, const char *what, const char *hex)
{
	uint8_t in[BYTES_MAX];
	size_t n = parse_hex(hex, in, sizeof in);
	LONG rv;

	if (n == 0) {
		fprintf(stderr, "%s: \"%s\" is not hexadecimal\n", what, hex);
		return 2;
	}
	rv = control(s, code, in, n);
	if (rv != SCARD_S_SUCCESS)
		return failed(what, rv);
	printf("%s: ", what);
	print_hex(s->answer, s->answer_len);
	return 0;
}

static int cmd_escape(struct session *s, int argc, char **argv)
{
	(void)argc;
	return exchange(s, CODE_ESCAPE, "escape", argv[0]);
}

static int cmd_mct(struct session *s, int argc, char **argv)
{
	DWORD code = code_of(s, FEATURE_MCT_READER_DIRECT);

	(void)argc;
	if (!code) {
		fprintf(stderr, "%s does not have MCT_READER_DIRECT\n", s->name);
		return 1;
	}
	return exchange(s, code, "mct", argv[0]);
}

static int cmd_nad(struct session *s, int argc, char **argv)
{
	uint8_t set[] = { 0x3E, 0x00, 0x01, 0x00 }, get[] = { 0x3F, 0x00, 0x00 };
	LONG rv;

	if (argc > 0) {
		set[3] = (uint8_t)strtoul(argv[0], NULL, 16);
		rv = control(s, CODE_NAD, set, sizeof set);
		if (rv != SCARD_S_SUCCESS)
			return failed("set NAD", rv);
		if (s->answer_len < 4 || s->answer[3] != 0) {
			fprintf(stderr, "NAD %02X: refused (no T=1 card, or no such address)\n", set[3]);
			return 1;
		}
	}
	rv = control(s, CODE_NAD, get, sizeof get);
	if (rv != SCARD_S_SUCCESS || s->answer_len < 5)
		return failed("get NAD", rv);
	printf("NAD: %02X\n", s->answer[4]);
	return 0;
}

/* ---- the program ---- */

static const struct {
	const char *name, *arguments, *meaning;
	int min, max;			/* arguments */
	int (*run)(struct session *s, int argc, char **argv);
} commands[] = {
	{ "info", "", "what the reader is and can do (default)", 0, 0, cmd_info },
	{ "verify", "[SECONDS [APDU]]", "verify a PIN typed on the reader", 0, 2, cmd_verify },
	{ "modify", "[SECONDS [APDU]]", "change a PIN typed on the reader", 0, 2, cmd_modify },
	{ "escape", "HEX", "send a command of the reader's maker", 1, 1, cmd_escape },
	{ "mct", "HEX", "send a command of the MKT specification", 1, 1, cmd_mct },
	{ "nad", "[HEX]", "set and show the T=1 node address", 0, 1, cmd_nad },
	{ "path", "", "where the reader is plugged in", 0, 0, cmd_path },
};

static int usage(FILE *f)
{
	fprintf(f, "usage: scardcontrol [-r READER] [COMMAND [ARGUMENT...]]\n"
		   "       scardcontrol -l\n"
		   "READER is a part of its name, or its number in the list that -l shows.\n\n");
	for (size_t i = 0; i < COUNT(commands); i++)
		fprintf(f, "  %-8s %-18s %s\n", commands[i].name, commands[i].arguments, commands[i].meaning);
	return 2;
}

/* Fills s->readers; shows them when asked to. */
static LONG list_readers(struct session *s, int show)
{
	DWORD len = 0;
	LONG rv = SCardListReaders(s->context, NULL, NULL, &len);
	unsigned i = 0;

	if (rv != SCARD_S_SUCCESS)
		return rv;
	s->readers = calloc(1, len + 1);
	if (!s->readers)
		return SCARD_E_NO_MEMORY;
	rv = SCardListReaders(s->context, NULL, s->readers, &len);
	for (const char *r = s->readers; show && rv == SCARD_S_SUCCESS && *r; r += strlen(r) + 1)
		printf("%u: %s\n", i++, r);
	return rv;
}

/* which: a number, a part of a name, or NULL for the first reader. */
static const char *choose(const struct session *s, const char *which)
{
	int is_number = which && *which && strspn(which, "0123456789") == strlen(which);
	unsigned i = 0;

	for (const char *r = s->readers; *r; r += strlen(r) + 1, i++) {
		if (!which || (is_number ? strtoul(which, NULL, 10) == i : strstr(r, which) != NULL))
			return r;
	}
	return NULL;
}

/* With a card in it, so that the protocol is settled; without one, the reader alone. */
static LONG connect(struct session *s)
{
	DWORD protocol;
	LONG rv = SCardConnect(s->context, s->name, SCARD_SHARE_SHARED,
			       SCARD_PROTOCOL_T0 | SCARD_PROTOCOL_T1, &s->card, &protocol);

	if (rv != SCARD_S_SUCCESS)
		rv = SCardConnect(s->context, s->name, SCARD_SHARE_DIRECT, 0, &s->card, &protocol);
	if (rv != SCARD_S_SUCCESS)
		return rv;
	if (control(s, CM_IOCTL_GET_FEATURE_REQUEST, NULL, 0) == SCARD_S_SUCCESS &&
	    s->answer_len <= sizeof s->features) {
		memcpy(s->features, s->answer, s->answer_len);
		s->features_len = s->answer_len;
	}
	return SCARD_S_SUCCESS;
}

static int run(struct session *s, const char *which, int argc, char **argv)
{
	const char *name = argc > 0 ? argv[0] : "info";
	LONG rv;

	for (size_t i = 0; i < COUNT(commands); i++) {
		int n = argc > 0 ? argc - 1 : 0;

		if (strcmp(commands[i].name, name) != 0)
			continue;
		if (n < commands[i].min || n > commands[i].max)
			return usage(stderr);
		s->name = choose(s, which);
		if (!s->name) {
			fprintf(stderr, "no such reader: %s\n", which ? which : "(none at all)");
			return 1;
		}
		rv = connect(s);
		if (rv != SCARD_S_SUCCESS)
			return failed(s->name, rv);
		n = commands[i].run(s, n, argv + 1);
		SCardDisconnect(s->card, SCARD_LEAVE_CARD);
		return n;
	}
	return usage(stderr);
}

int main(int argc, char **argv)
{
	static struct session s;
	const char *which = NULL;
	int first = 1, list, status = 0;
	LONG rv;

	list = argc > 1 && strcmp(argv[1], "-l") == 0;
	if (argc > 1 && (strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "--help") == 0)) {
		usage(stdout);
		return 0;
	}
	if (argc > 2 && strcmp(argv[1], "-r") == 0) {
		which = argv[2];
		first = 3;
	}
	rv = SCardEstablishContext(SCARD_SCOPE_SYSTEM, NULL, NULL, &s.context);
	if (rv != SCARD_S_SUCCESS)
		return failed("pcscd", rv);
	rv = list_readers(&s, list);
	if (rv != SCARD_S_SUCCESS)
		status = failed("readers", rv);
	else if (!list)
		status = run(&s, which, argc - first, argv + first);
	free(s.readers);
	SCardReleaseContext(s.context);
	return status;
}
