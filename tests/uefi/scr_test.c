/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An EFI application: loads the driver from its own volume, and uses the readers. The host,
 * uefi.py, changes readers and cards when a line "CUE ..." asks for it. The card is the one of
 * card.py. */
#include "contrib/uefi/efi_smart_card_reader.h"
#include "contrib/uefi/efi_usb_io.h"
#include "scr_print.h"

#include <string.h>

#define NAME_MAX 64u
#define ATR_ROOM 33u
#define ANSWER_MAX 65536u
#define PATIENCE_MS 15000u
#define STEP_MS 20u
#define SLOW_MS 2500u
#define AFTER_100_NS 1000000u	/* 100 ms, in the timers' unit */
#define FILE_MAX (4u << 20)

typedef EFI_SMART_CARD_READER_PROTOCOL SCR;

static EFI_GUID scr_guid = EFI_SMART_CARD_READER_PROTOCOL_GUID;
static EFI_GUID usb_guid = EFI_USB_IO_PROTOCOL_GUID;
static EFI_GUID image_guid = EFI_LOADED_IMAGE_PROTOCOL_GUID;
static EFI_GUID volume_guid = EFI_SIMPLE_FILE_SYSTEM_PROTOCOL_GUID;

static EFI_BOOT_SERVICES *boot;
static EFI_HANDLE self, driver;
static uint8_t command[70000], answer[70000];

static void cue(const char *what)
{
	scr_text("CUE ");
	scr_text(what);
	scr_line();
}

/* Returns the number of readers; found: the first `room` of them. */
static UINTN readers(SCR **found, UINTN room)
{
	EFI_HANDLE *handles = NULL;
	UINTN n = 0, at = 0;

	if (boot->LocateHandleBuffer(ByProtocol, &scr_guid, NULL, &n, &handles) != EFI_SUCCESS)
		return 0;
	for (UINTN i = 0; i < n && at < room; i++)
		if (boot->HandleProtocol(handles[i], &scr_guid, (VOID **)&found[at]) == EFI_SUCCESS)
			at++;
	boot->FreePool(handles);
	return n;
}

/* Lets the firmware run until the number of readers is `wanted`. */
static bool readers_become(UINTN wanted, SCR **found, UINTN room)
{
	for (UINTN ms = 0; ms < PATIENCE_MS; ms += STEP_MS) {
		if (readers(found, room) == wanted)
			return true;
		boot->Stall(STEP_MS * 1000);
	}
	return false;
}

static UINT32 state_of(SCR *r)
{
	UINT32 state = SCARD_UNKNOWN;

	return r->SCardStatus(r, NULL, NULL, &state, NULL, NULL, NULL) == EFI_SUCCESS ? state : SCARD_UNKNOWN;
}

static bool state_becomes(SCR *r, UINT32 wanted)
{
	for (UINTN ms = 0; ms < PATIENCE_MS; ms += STEP_MS) {
		if (state_of(r) == wanted)
			return true;
		boot->Stall(STEP_MS * 1000);
	}
	return false;
}

/* Reads a file of the volume that this program came from. *size: bytes. NULL: there is no such
 * file. */
static VOID *read_file(const CHAR16 *name, UINTN *size)
{
	EFI_LOADED_IMAGE *image;
	EFI_FILE_IO_INTERFACE *volume;
	EFI_FILE_HANDLE root, file;
	VOID *data = NULL;

	*size = FILE_MAX;
	if (boot->HandleProtocol(self, &image_guid, (VOID **)&image) != EFI_SUCCESS ||
	    boot->HandleProtocol(image->DeviceHandle, &volume_guid, (VOID **)&volume) != EFI_SUCCESS ||
	    volume->OpenVolume(volume, &root) != EFI_SUCCESS)
		return NULL;
	if (root->Open(root, &file, (CHAR16 *)name, EFI_FILE_MODE_READ, 0) == EFI_SUCCESS) {
		if (boot->AllocatePool(EfiLoaderData, *size, &data) == EFI_SUCCESS)
			file->Read(file, size, data);
		file->Close(file);
	}
	root->Close(root);
	return data;
}

/* As the firmware does at its start, or a shell's `connect`. */
static void connect_all(void)
{
	EFI_HANDLE *handles = NULL;
	UINTN n = 0;

	if (boot->LocateHandleBuffer(ByProtocol, &usb_guid, NULL, &n, &handles) != EFI_SUCCESS)
		return;
	for (UINTN i = 0; i < n; i++)
		boot->ConnectController(handles[i], NULL, NULL, TRUE);
	boot->FreePool(handles);
}

static bool load_driver(void)
{
	UINTN size;
	VOID *data = read_file(L"\\ccid.efi", &size);
	EFI_STATUS status;

	if (!scr_ok(data != NULL, "the driver is on the volume"))
		return false;
	status = boot->LoadImage(FALSE, self, NULL, data, size, &driver);
	boot->FreePool(data);
	if (!scr_is(status, EFI_SUCCESS, "the firmware loads the driver") ||
	    !scr_is(boot->StartImage(driver, NULL, NULL), EFI_SUCCESS, "the driver starts"))
		return false;
	connect_all();
	return true;
}

static bool wide_begins(const CHAR16 *name, const char *with)
{
	for (; *with; name++, with++)
		if (*name != (CHAR16)*with)
			return false;
	return true;
}

static void test_name(SCR *r)
{
	CHAR16 name[NAME_MAX];
	UINTN length = 2, needed;

	scr_is(r->SCardStatus(r, name, &length, NULL, NULL, NULL, NULL), EFI_BUFFER_TOO_SMALL,
	       "SCardStatus: the buffer for the name is too small");
	needed = length;
	scr_ok(needed > 2 && needed <= sizeof name, "SCardStatus: and tells how many bytes it has");
	length = 0;
	scr_is(r->SCardStatus(r, NULL, &length, NULL, NULL, NULL, NULL), EFI_SUCCESS,
	       "SCardStatus: the length alone");
	scr_ok(length == needed, "SCardStatus: the length alone is the same");
	length = sizeof name;
	scr_is(r->SCardStatus(r, name, &length, NULL, NULL, NULL, NULL), EFI_SUCCESS, "SCardStatus: the name");
	scr_text("# reader \"");
	for (UINTN i = 0; i + 1 < length / 2; i++) {
		char c[2] = { (char)name[i], '\0' };

		scr_text(c);
	}
	scr_text("\"");
	scr_line();
	scr_ok(length == needed && name[length / 2 - 1] == 0 && wide_begins(name, "QEMU"),
	       "SCardStatus: the name is the device's own");
	scr_is(r->SCardStatus(r, name, NULL, NULL, NULL, NULL, NULL), EFI_INVALID_PARAMETER,
	       "SCardStatus: a name needs a length");
	scr_is(r->SCardStatus(r, NULL, NULL, NULL, NULL, NULL, NULL), EFI_SUCCESS, "SCardStatus: nothing is wanted");
}

static void test_no_card(SCR *r)
{
	UINT32 protocol = 77;
	UINTN length = sizeof answer;
	uint8_t apdu[4] = { 0x80, 0x10, 0, 0 };

	scr_ok(state_of(r) == SCARD_ABSENT, "no card: SCardStatus");
	scr_is(r->SCardConnect(r, SCARD_AM_CARD, SCARD_CA_NORESET, SCARD_PROTOCOL_T1, &protocol), EFI_NO_MEDIA,
	       "no card: SCardConnect");
	scr_is(r->SCardTransmit(r, apdu, sizeof apdu, answer, &length), EFI_NO_MEDIA, "no card: SCardTransmit");
	scr_is(r->SCardDisconnect(r, SCARD_CA_UNPOWER), EFI_SUCCESS, "no card: SCardDisconnect");
	scr_is(r->SCardConnect(r, SCARD_AM_READER, SCARD_CA_NORESET, SCARD_PROTOCOL_UNDEFINED, &protocol),
	       EFI_SUCCESS, "no card: SCardConnect to the reader");
	scr_ok(protocol == SCARD_PROTOCOL_UNDEFINED, "the reader has no protocol");
	scr_is(r->SCardConnect(r, SCARD_AM_READER, SCARD_CA_NORESET, SCARD_PROTOCOL_UNDEFINED, &protocol),
	       EFI_ACCESS_DENIED, "a second SCardConnect");
	scr_is(r->SCardDisconnect(r, SCARD_CA_NORESET), EFI_SUCCESS, "SCardDisconnect from the reader");
}

/* SCardConnect refuses contradictory arguments before it uses the card. */
static void test_arguments(SCR *r)
{
	static const struct {
		UINT32 mode, action, protocols;
	} wrong[] = {
		{ 0, SCARD_CA_NORESET, SCARD_PROTOCOL_T1 },
		{ 3, SCARD_CA_NORESET, SCARD_PROTOCOL_T1 },
		{ SCARD_AM_READER, SCARD_CA_NORESET, SCARD_PROTOCOL_T1 },
		{ SCARD_AM_READER, SCARD_CA_COLDRESET, SCARD_PROTOCOL_UNDEFINED },
		{ SCARD_AM_CARD, SCARD_CA_UNPOWER, SCARD_PROTOCOL_T1 },
		{ SCARD_AM_CARD, SCARD_CA_EJECT, SCARD_PROTOCOL_T1 },
		{ SCARD_AM_CARD, 5, SCARD_PROTOCOL_T1 },
		{ SCARD_AM_CARD, SCARD_CA_NORESET, SCARD_PROTOCOL_UNDEFINED },
		{ SCARD_AM_CARD, SCARD_CA_NORESET, 8 },
	};
	UINT32 protocol;
	UINTN length = 4;

	for (UINTN i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
		scr_ok_n(r->SCardConnect(r, wrong[i].mode, wrong[i].action, wrong[i].protocols, &protocol) ==
			 EFI_INVALID_PARAMETER, "SCardConnect refuses contradiction", i);
	scr_is(r->SCardConnect(r, SCARD_AM_CARD, SCARD_CA_NORESET, SCARD_PROTOCOL_T1, NULL), EFI_INVALID_PARAMETER,
	       "SCardConnect: no place for the protocol");
	scr_is(r->SCardConnect(NULL, SCARD_AM_CARD, SCARD_CA_NORESET, SCARD_PROTOCOL_T1, &protocol),
	       EFI_INVALID_PARAMETER, "SCardConnect: no reader");
	scr_is(r->SCardTransmit(r, NULL, 4, answer, &length), EFI_INVALID_PARAMETER, "SCardTransmit: no command");
	scr_is(r->SCardTransmit(r, command, 0, answer, &length), EFI_INVALID_PARAMETER,
	       "SCardTransmit: an empty command");
	scr_is(r->SCardTransmit(r, command, 4, answer, NULL), EFI_INVALID_PARAMETER,
	       "SCardTransmit: no place for the length");
	scr_is(r->SCardDisconnect(r, SCARD_CA_EJECT), EFI_UNSUPPORTED, "SCardDisconnect: cannot eject");
	scr_is(r->SCardDisconnect(r, 5), EFI_INVALID_PARAMETER, "SCardDisconnect: no such action");
}

static bool connect(SCR *r, UINT32 action, const char *name)
{
	UINT32 protocol = 0;
	EFI_STATUS status = r->SCardConnect(r, SCARD_AM_CARD, action, SCARD_PROTOCOL_T0 | SCARD_PROTOCOL_T1,
					    &protocol);

	return scr_is(status, EFI_SUCCESS, name) &&
	       scr_ok(protocol == SCARD_PROTOCOL_T0 || protocol == SCARD_PROTOCOL_T1, "one protocol is active");
}

static void test_atr(SCR *r)
{
	static const uint8_t wanted[] = { 0x3B, 0x81, 0x80, 0x01, 0x4A, 0x4A };
	uint8_t atr[ATR_ROOM];
	UINTN length = sizeof wanted - 1;
	UINT32 state = 0, protocol = 0;

	scr_is(r->SCardStatus(r, NULL, NULL, NULL, NULL, atr, &length), EFI_BUFFER_TOO_SMALL,
	       "SCardStatus: the buffer for the ATR is too small");
	scr_ok(length == sizeof wanted, "SCardStatus: and tells how long the ATR is");
	length = sizeof atr;
	scr_is(r->SCardStatus(r, NULL, NULL, &state, &protocol, atr, &length), EFI_SUCCESS,
	       "SCardStatus with a card");
	scr_text("# ATR ");
	scr_hex(atr, length <= sizeof atr ? length : 0);
	scr_line();
	scr_ok(length == sizeof wanted && memcmp(atr, wanted, length) == 0, "the ATR is the card's");
	scr_ok(state == SCARD_ACTIVE && protocol != SCARD_PROTOCOL_UNDEFINED, "the card is powered");
}

/* Sends the first n bytes of `command`; *len is the length of `answer`. */
static EFI_STATUS transmit(SCR *r, UINTN n, UINTN *len)
{
	*len = sizeof answer;
	memset(answer, 0xEE, ANSWER_MAX + 2);
	return r->SCardTransmit(r, command, n, answer, len);
}

/* Builds a command whose data are the pattern; lc and le 0: without. Returns its length. */
static UINTN build(uint8_t ins, UINTN lc, UINTN le, bool extended)
{
	UINTN n = 4;

	command[0] = 0x80;
	command[1] = ins;
	/* P1 asks the simulated card to check the data */
	command[2] = ins == 0x12;
	command[3] = 0;
	if (extended)
		command[n++] = 0;
	if (lc > 0) {
		if (extended)
			command[n++] = (uint8_t)(lc >> 8);
		command[n++] = (uint8_t)lc;
	}
	for (UINTN i = 0; i < lc; i++)
		command[n++] = (uint8_t)i;
	if (le > 0) {
		if (extended)
			command[n++] = (uint8_t)(le >> 8);
		command[n++] = (uint8_t)le;
	}
	return n;
}

/* The answer is `data` bytes of the pattern and 9000. */
static bool exchange(SCR *r, UINTN n, UINTN data)
{
	UINTN len;
	EFI_STATUS status = transmit(r, n, &len);
	bool good = status == EFI_SUCCESS && len == data + 2 && answer[data] == 0x90 && answer[data + 1] == 0;

	for (UINTN i = 0; good && i < data; i++)
		good = answer[i] == (uint8_t)i;
	if (!good) {
		scr_text("# status ");
		scr_number(status & ~EFI_ERROR_MASK);
		scr_text(", bytes ");
		scr_number(len);
		scr_line();
	}
	return good;
}

static bool speaks_t0(SCR *r)
{
	UINT32 protocol = SCARD_PROTOCOL_UNDEFINED;

	return r->SCardStatus(r, NULL, NULL, NULL, &protocol, NULL, NULL) == EFI_SUCCESS &&
	       protocol == SCARD_PROTOCOL_T0;
}

/* Sends n bytes of the pattern, and gets them back. A T=0 card on a TPDU reader returns them only
 * for GET RESPONSE (ISO 7816-4 §12.2.5). */
static bool echoes(SCR *r, UINTN n)
{
	UINTN len;

	if (!speaks_t0(r))
		return exchange(r, build(0x16, n, 256, false), n);
	if (transmit(r, build(0x16, n, 0, false), &len) != EFI_SUCCESS || len != 2 || answer[0] != 0x61 ||
	    answer[1] != (uint8_t)n)
		return false;
	return exchange(r, build(0xC0, 0, n, false), n);
}

static void test_short(SCR *r)
{
	static const UINTN sizes[] = { 1, 2, 53, 54, 127, 200, 254, 255, 256 };

	scr_ok(exchange(r, build(0x10, 0, 0, false), 0), "case 1");
	for (UINTN i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		UINTN n = sizes[i];

		scr_ok_n(exchange(r, build(0x14, 0, n, false), n), "case 2, bytes:", n);
		if (n == 256)
			break;
		scr_ok_n(exchange(r, build(0x12, n, 0, false), 0), "case 3, bytes:", n);
		scr_ok_n(echoes(r, n), "case 4, bytes:", n);
	}
}

/* Extended commands of up to `most` bytes. */
static void test_extended(SCR *r, UINTN most)
{
	static const UINTN sizes[] = { 1, 256, 257, 1000, 4096, 32767, 65535 };

	for (UINTN i = 0; i < sizeof sizes / sizeof sizes[0] && sizes[i] <= most; i++) {
		UINTN n = sizes[i];

		scr_ok_n(exchange(r, build(0x14, 0, n, true), n), "extended, case 2, bytes:", n);
		scr_ok_n(exchange(r, build(0x12, n, 0, true), 0), "extended, case 3, bytes:", n);
		scr_ok_n(exchange(r, build(0x16, n, 65536, true), n), "extended, case 4, bytes:", n);
	}
	if (most == 65536)
		scr_ok(exchange(r, build(0x14, 0, 65536, true), 65536), "extended, case 2, bytes: 65536");
	scr_ok(exchange(r, build(0x10, 0, 0, false), 0), "a short APDU afterwards");
}

static void test_no_extended(SCR *r)
{
	UINTN len;

	scr_is(transmit(r, build(0x14, 0, 300, true), &len), EFI_UNSUPPORTED,
	       "the reader has no extended commands");
	scr_ok(exchange(r, build(0x10, 0, 0, false), 0), "a short APDU afterwards");
}

/* The result of a second program's call, made while the first program's call waits for its card. */
struct second_call {
	SCR *reader;
	EFI_STATUS status;
	UINTN times;
};

static VOID EFIAPI call_again(EFI_EVENT event, VOID *context)
{
	struct second_call *c = context;

	(void)event;
	c->status = c->reader->SCardStatus(c->reader, NULL, NULL, NULL, NULL, NULL, NULL);
	c->times++;
}

static void test_one_at_a_time(SCR *r)
{
	struct second_call c = { r, EFI_SUCCESS, 0 };
	EFI_EVENT event;
	UINTN n = build(0x18, 0, 0, false);

	command[2] = 15;
	if (boot->CreateEvent(EVT_TIMER | EVT_NOTIFY_SIGNAL, TPL_CALLBACK, call_again, &c, &event) != EFI_SUCCESS)
		return;
	boot->SetTimer(event, TimerRelative, AFTER_100_NS);
	scr_ok(exchange(r, n, 0), "a card that thinks for 1.5 s");
	boot->CloseEvent(event);
	scr_ok(c.times == 1, "timers run meanwhile");
	scr_is(c.status, EFI_ACCESS_DENIED, "a second call meanwhile");
}

static void test_statuses(SCR *r)
{
	UINTN n = build(0x1A, 0, 0, false), len;

	command[2] = 0x6A;
	command[3] = 0x82;
	scr_ok(transmit(r, n, &len) == EFI_SUCCESS && len == 2 && answer[0] == 0x6A && answer[1] == 0x82,
	       "the card's status 6A82 is handed on");
	n = build(0x12, 2, 0, false);
	command[6] = 9;
	scr_ok(transmit(r, n, &len) == EFI_SUCCESS && len == 2 && answer[0] == 0x6A && answer[1] == 0x80,
	       "data that are not the pattern are refused by the card");
	n = build(0x14, 0, 100, false);
	len = 50;
	scr_is(r->SCardTransmit(r, command, n, answer, &len), EFI_BUFFER_TOO_SMALL, "the answer's buffer is too small");
	scr_ok(len == 102, "and the length that it needs is told");
	test_one_at_a_time(r);
}

static void test_resets(SCR *r)
{
	UINTN len;

	scr_is(r->SCardDisconnect(r, SCARD_CA_NORESET), EFI_SUCCESS, "SCardDisconnect: the card stays as it is");
	scr_ok(state_of(r) == SCARD_ACTIVE, "the card is still powered");
	if (connect(r, SCARD_CA_COLDRESET, "SCardConnect: cold reset"))
		scr_ok(exchange(r, build(0x14, 0, 33, false), 33), "after a cold reset");
	scr_is(r->SCardDisconnect(r, SCARD_CA_WARMRESET), EFI_SUCCESS, "SCardDisconnect: warm reset");
	if (connect(r, SCARD_CA_WARMRESET, "SCardConnect: warm reset"))
		scr_ok(exchange(r, build(0x14, 0, 44, false), 44), "after a warm reset");
	scr_is(r->SCardDisconnect(r, SCARD_CA_UNPOWER), EFI_SUCCESS, "SCardDisconnect: power off");
	scr_ok(state_of(r) == SCARD_INACTIVE, "the card is not powered");
	scr_is(transmit(r, build(0x10, 0, 0, false), &len), EFI_NOT_READY, "SCardTransmit without power");
}

static void test_card_removed(SCR *r)
{
	UINTN len;

	if (!connect(r, SCARD_CA_NORESET, "SCardConnect before the card is taken out"))
		return;
	cue("card-out");
	scr_ok(state_becomes(r, SCARD_ABSENT), "the card is out");
	scr_is(transmit(r, build(0x10, 0, 0, false), &len), EFI_NO_MEDIA, "SCardTransmit: the card is out");
	scr_is(r->SCardDisconnect(r, SCARD_CA_COLDRESET), EFI_SUCCESS, "SCardDisconnect: the card is out");
	cue("card-in");
	scr_ok(state_becomes(r, SCARD_INACTIVE), "the card is back");
	if (!connect(r, SCARD_CA_NORESET, "SCardConnect: the card is back"))
		return;
	scr_ok(exchange(r, build(0x14, 0, 55, false), 55), "the card is back, and works");
	scr_is(transmit(r, build(0x1E, 0, 0, false), &len), EFI_NO_MEDIA, "the card is taken out in mid-command");
	scr_is(r->SCardDisconnect(r, SCARD_CA_UNPOWER), EFI_SUCCESS, "SCardDisconnect: it was taken out");
	cue("card-in");
	scr_ok(state_becomes(r, SCARD_INACTIVE), "the card is inserted again");
}

static void test_control(SCR *r)
{
	UINTN len = sizeof answer;

	scr_is(r->SCardControl(r, CM_IOCTL_GET_FEATURE_REQUEST, NULL, 0, answer, &len), EFI_SUCCESS,
	       "SCardControl: features");
	scr_ok(len % 6 == 0, "the features are a list of tags");
	scr_is(r->SCardControl(r, 0x42000999u, NULL, 0, answer, &len), EFI_UNSUPPORTED,
	       "SCardControl: no such code");
	len = sizeof answer;
	scr_is(r->SCardGetAttrib(r, 0x00090303u, answer, &len), EFI_SUCCESS, "SCardGetAttrib: the ATR");
	scr_ok(len == 6 && answer[0] == 0x3B, "the attribute is the ATR");
	len = 0;
	scr_is(r->SCardGetAttrib(r, 0x00090303u, answer, &len), EFI_BUFFER_TOO_SMALL,
	       "SCardGetAttrib: the buffer is too small");
	len = sizeof answer;
	scr_is(r->SCardGetAttrib(r, 0x7FFFFFFFu, answer, &len), EFI_UNSUPPORTED, "SCardGetAttrib: no such tag");
}

/* While a second reader is plugged in and unplugged, the first reader works. */
static void test_two_readers(SCR *first)
{
	SCR *found[2] = { NULL, NULL };
	bool came;

	cue("second-in");
	came = scr_ok(readers_become(2, found, 2), "a second reader is found when it is plugged in");
	if (came)
		scr_ok(state_of(found[0] == first ? found[1] : found[0]) == SCARD_ABSENT, "it has no card");
	scr_ok(echoes(first, 60), "the first reader works on");
	cue("second-out");
	scr_ok(readers_become(1, found, 1) && found[0] == first, "the second reader goes when it is unplugged");
	scr_ok(echoes(first, 61), "the first reader works on again");
}

/* One reader of each exchange level, for the same commands. */
static const struct {
	const char *in, *out;
	UINTN most;		/* bytes of extended commands; 0: none are tried */
} simulated[] = {
	{ "extended in", "extended out", 65536 },
	{ "short in", "short out", 0 },
	{ "block in", "block out", 4096 },
	{ "bytes in", "bytes out", 0 },
};

/* A slow card asks for more time at T=1, and sends 60 now and then at T=0: the command succeeds. */
static void test_slow_card(SCR *r)
{
	UINTN n = build(0x18, 0, 0, false);

	command[2] = SLOW_MS >> 8;
	command[3] = SLOW_MS & 255;
	scr_ok(exchange(r, n, 0), "a simulated card that works for 2.5 s");
}

static void test_simulated(SCR *first)
{
	UINTN size;
	VOID *there = read_file(L"\\readers.sim", &size);

	if (!there) {
		scr_ok(true, "simulated readers # SKIP no usb-redir, or no ccid-sim");
		return;
	}
	boot->FreePool(there);
	for (UINTN i = 0; i < sizeof simulated / sizeof simulated[0]; i++) {
		SCR *found[2] = { NULL, NULL };
		SCR *r;

		cue(simulated[i].in);
		if (!scr_ok_n(readers_become(2, found, 2), "a simulated reader is found:", i))
			return;
		r = found[0] == first ? found[1] : found[0];
		if (connect(r, SCARD_CA_NORESET, "SCardConnect: a simulated reader")) {
			test_short(r);
			if (simulated[i].most > 0)
				test_extended(r, simulated[i].most);
			else if (speaks_t0(r))
				test_no_extended(r);
			test_slow_card(r);
		}
		cue(simulated[i].out);
		scr_ok_n(readers_become(1, found, 1), "a simulated reader goes, connected:", i);
	}
}

/* A reader is unplugged while its card works: the command ends, the reader's protocol is removed,
 * and further calls of a program that still uses the reader are errors. */
static SCR *test_unplugged(SCR *r)
{
	UINTN len;
	UINT32 protocol;
	SCR *found[1];

	scr_is(transmit(r, build(0x1C, 0, 0, false), &len), EFI_DEVICE_ERROR, "unplugged in mid-command");
	scr_ok(readers_become(0, found, 1), "no reader is left");
	scr_is(r->SCardStatus(r, NULL, NULL, &protocol, NULL, NULL, NULL), EFI_DEVICE_ERROR,
	       "SCardStatus of a reader that is gone");
	scr_is(transmit(r, build(0x10, 0, 0, false), &len), EFI_DEVICE_ERROR, "SCardTransmit to a reader that is gone");
	scr_is(r->SCardConnect(r, SCARD_AM_CARD, SCARD_CA_NORESET, SCARD_PROTOCOL_T1, &protocol), EFI_DEVICE_ERROR,
	       "SCardConnect to a reader that is gone");
	scr_is(r->SCardDisconnect(r, SCARD_CA_UNPOWER), EFI_SUCCESS, "SCardDisconnect from a reader that is gone");
	cue("reader-in");
	if (!scr_ok(readers_become(1, found, 1), "the reader is plugged in again"))
		return NULL;
	cue("card-in");
	scr_ok(state_becomes(found[0], SCARD_INACTIVE), "it has its card");
	if (connect(found[0], SCARD_CA_NORESET, "SCardConnect: the reader is back"))
		scr_ok(exchange(found[0], build(0x14, 0, 77, false), 77), "the reader is back, and works");
	return found[0];
}

static void test_unload(void)
{
	SCR *found[1];

	scr_is(boot->UnloadImage(driver), EFI_SUCCESS, "the driver is unloaded, with a card connected");
	scr_ok(readers(found, 1) == 0, "no reader is left without the driver");
	if (!load_driver() || !scr_ok(readers_become(1, found, 1), "the driver is loaded again: one reader"))
		return;
	if (connect(found[0], SCARD_CA_NORESET, "SCardConnect: loaded again"))
		scr_ok(echoes(found[0], 99), "loaded again: it works");
	scr_is(found[0]->SCardDisconnect(found[0], SCARD_CA_UNPOWER), EFI_SUCCESS, "SCardDisconnect: loaded again");
	scr_is(boot->UnloadImage(driver), EFI_SUCCESS, "the driver is unloaded again");
}

static void test_all(void)
{
	SCR *found[1];
	SCR *r;

	scr_ok(readers(found, 1) == 0, "no reader before the driver is loaded");
	if (!load_driver() || !scr_ok(readers_become(1, found, 1), "one reader is listed"))
		return;
	r = found[0];
	test_name(r);
	test_no_card(r);
	test_arguments(r);
	cue("card-in");
	scr_ok(state_becomes(r, SCARD_INACTIVE), "a card is put in");
	if (!connect(r, SCARD_CA_NORESET, "SCardConnect"))
		return;
	test_atr(r);
	test_control(r);
	test_short(r);
	test_no_extended(r);
	test_statuses(r);
	test_resets(r);
	test_card_removed(r);
	if (!connect(r, SCARD_CA_NORESET, "SCardConnect before readers come and go"))
		return;
	test_two_readers(r);
	test_simulated(r);
	if (test_unplugged(r))
		test_unload();
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *table);
EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *table)
{
	self = image;
	boot = table->BootServices;
	boot->SetWatchdogTimer(0, 0, 0, NULL);
	scr_print_to(table->ConOut);
	scr_line();
	test_all();
	scr_end();
	scr_text("UEFI-DONE");
	scr_line();
	table->RuntimeServices->ResetSystem(EfiResetShutdown, EFI_SUCCESS, 0, NULL);
	return EFI_SUCCESS;
}
