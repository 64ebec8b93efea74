/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "driver_actor.h"

#include "slot/features.h"

#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define CODE(f) SCARD_CTL_CODE(0x330000 + (f))

enum act actor_power(struct actor *a)
{
	UCHAR atr[MAX_ATR_SIZE];
	DWORD len = sizeof atr;
	size_t td1;

	if (IFDHPowerICC(a->lun, IFD_POWER_UP, atr, &len) != IFD_SUCCESS)
		return ACT_FAILED;
	if (len < 2 || len > sizeof atr)
		return ACT_WRONG;
	/* TD1 stands behind TA1, TB1 and TC1, of which T0 says whether they are there (ISO 7816-3 §8.2.3) */
	td1 = 2 + (size_t)__builtin_popcount(atr[1] & 0x70u);
	a->protocol = (atr[1] & 0x80) && td1 < len && (atr[td1] & 0x0F) == 1 ? SCARD_PROTOCOL_T1 : SCARD_PROTOCOL_T0;
	return IFDHSetProtocolParameters(a->lun, a->protocol, 0, 0, 0, 0) == IFD_SUCCESS ? ACT_FINE : ACT_FAILED;
}

/* The command's answer, with GET RESPONSE where the card wants it (ISO 7816-4 §12.2.5). */
static enum act exchange(struct actor *a, size_t command_len, const uint8_t *want, size_t want_len)
{
	uint8_t get[5] = { 0x00, 0xC0, 0x00, 0x00, 0x00 };
	const uint8_t *apdu = a->command;
	size_t n, got = 0;

	for (;;) {
		if (fixture_apdu(a->lun, apdu, command_len, a->answer + got, sizeof a->answer - got, &n) != IFD_SUCCESS)
			return ACT_FAILED;
		if (n < 2)
			return ACT_WRONG;
		got += n;
		if (a->protocol != SCARD_PROTOCOL_T0 || a->answer[got - 2] != 0x61)
			break;
		get[4] = a->answer[got - 1];
		got -= 2;
		apdu = get;
		command_len = sizeof get;
	}
	/* A card that was reset meanwhile answers GET RESPONSE with a status word alone. */
	if (a->answer[got - 2] != 0x90 || a->answer[got - 1] != 0x00)
		return got == 2 ? ACT_FAILED : ACT_WRONG;
	if (got != want_len + 2 || (want_len > 0 && memcmp(a->answer, want, want_len) != 0))
		return ACT_WRONG;
	return ACT_FINE;
}

/* CLA to Lc (none for data_len 0); returns the length so far. */
static size_t begin(struct actor *a, uint8_t ins, uint8_t p1, size_t data_len, bool extended)
{
	size_t n = 4;

	memcpy(a->command, (const uint8_t[]){ 0x80, ins, p1, 0x00 }, 4);
	if (extended)
		a->command[n++] = 0x00;
	if (extended && data_len > 0)
		a->command[n++] = (uint8_t)(data_len >> 8);
	if (data_len > 0)
		a->command[n++] = (uint8_t)data_len;
	return n;
}

enum act actor_touch(struct actor *a)
{
	return exchange(a, begin(a, 0x10, 0, 0, false), NULL, 0);
}

static void count_up(uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		p[i] = (uint8_t)i;
}

enum act actor_read(struct actor *a, size_t len)
{
	bool extended = len > 256;
	size_t n = begin(a, 0x14, 0, 0, extended);
	uint8_t *want = a->command + 16;	/* behind the command */

	if (extended)
		a->command[n++] = (uint8_t)(len >> 8);
	a->command[n++] = (uint8_t)len;
	count_up(want, len);
	return exchange(a, n, want, len);
}

enum act actor_write(struct actor *a, size_t len)
{
	size_t n = begin(a, 0x12, 1, len, len > 255);

	count_up(a->command + n, len);
	return exchange(a, n + len, NULL, 0);
}

enum act actor_echo(struct actor *a, size_t len)
{
	bool extended = len > 255;
	size_t n = begin(a, 0x16, 0, len, extended);
	uint8_t *data = a->command + n;

	a->tag++;
	for (size_t i = 0; i < len; i++)
		data[i] = (uint8_t)(a->tag * 131u + i * 7u + (a->tag >> 8));
	memset(data + len, 0, 2);
	n += len + (extended ? 2 : 1);
	return exchange(a, n, data, len);
}

enum act actor_pin(struct actor *a, bool change)
{
	/* PIN_VERIFY_STRUCTURE and PIN_MODIFY_STRUCTURE: 30 s, ASCII, 4 to 8 digits, blocks of 8 bytes */
	static const uint8_t verify[] = { 30, 0, 0x82, 8, 0, 8, 4, 2, 1, 9, 4, 0, 0, 0, 0, 13, 0, 0, 0, 0x00, 0x20,
					  0x00, 0x01, 0x08, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF };
	static const uint8_t modify[] = { 30, 0, 0x82, 8, 0, 0, 8, 8, 4, 3, 2, 3, 9, 4, 0, 1, 2, 0, 0, 0, 21, 0, 0, 0,
					  0x00, 0x24, 0x00, 0x01, 0x10, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
					  0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF };
	const uint8_t *in = change ? modify : verify;
	uint8_t sw[2];
	DWORD n = 0;

	if (IFDHControl(a->lun, CODE(change ? FEATURE_MODIFY_PIN_DIRECT : FEATURE_VERIFY_PIN_DIRECT),
			(PUCHAR)(uintptr_t)in, change ? sizeof modify : sizeof verify, sw, sizeof sw,
			&n) != IFD_SUCCESS)
		return ACT_FAILED;
	if (n != 2)
		return ACT_WRONG;
	return sw[0] == 0x90 && sw[1] == 0x00 ? ACT_FINE : ACT_FAILED;
}

enum act actor_ask(struct actor *a)
{
	static const DWORD tags[] = {
		SCARD_ATTR_ATR_STRING, SCARD_ATTR_ICC_INTERFACE_STATUS, SCARD_ATTR_ICC_PRESENCE,
		SCARD_ATTR_VENDOR_IFD_VERSION, SCARD_ATTR_VENDOR_NAME, SCARD_ATTR_VENDOR_IFD_SERIAL_NO,
		SCARD_ATTR_MAXINPUT, SCARD_ATTR_CHANNEL_ID, TAG_IFD_SLOTS_NUMBER, TAG_IFD_THREAD_SAFE,
		TAG_IFD_SLOT_THREAD_SAFE, TAG_IFD_SIMULTANEOUS_ACCESS, SCARD_ATTR_VENDOR_IFD_TYPE,
	};
	static const DWORD codes[] = {
		SCARD_CTL_CODE(3600), SCARD_CTL_CODE(3601), CODE(FEATURE_IFD_PIN_PROPERTIES),
		CODE(FEATURE_GET_TLV_PROPERTIES), CODE(FEATURE_MCT_READER_DIRECT), CODE(FEATURE_CCID_ESC_COMMAND),
		SCARD_CTL_CODE(2), SCARD_CTL_CODE(1), 0,
	};
	uint8_t in[] = { 0x3F, 0, 0 };
	DWORD n;

	for (size_t i = 0; i < COUNT(tags); i++) {
		n = 256;
		IFDHGetCapabilities(a->lun, tags[i], &n, a->answer);
	}
	for (size_t i = 0; i < COUNT(codes); i++)
		IFDHControl(a->lun, codes[i], in, sizeof in, a->answer, 256, &n);
	if (IFDHControl(a->lun, SCARD_CTL_CODE(3400), NULL, 0, a->answer, 256, &n) != IFD_SUCCESS)
		return ACT_FAILED;
	return n > 0 && n % 6 == 0 ? ACT_FINE : ACT_WRONG;
}

/* bPINOperation is the first byte of abData: 00 verify, 01 modify (CCID 1.10 §6.1.11). */
void actor_hears(struct sim_dev *d, uint64_t now, const char *text)
{
	const char *secure = strncmp(text, "out", 3) == 0 ? strstr(text, " Secure ") : NULL;
	const char *data = secure ? strstr(secure, ": ") : NULL;

	if (data)
		sim_dev_keys(d, 0, strncmp(data, ": 01", 4) == 0 ? "1234\n1234\n1234\n" : "1234\n", now + 10000000u);
}

static void type_pin(void *user, uint64_t now, const char *text)
{
	actor_hears(user, now, text);
}

void actor_person(struct sim_dev *d)
{
	sim_dev_trace(d, type_pin, d);
}
