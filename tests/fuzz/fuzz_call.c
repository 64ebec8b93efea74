/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fuzz/fuzz_driver.h"

#include <stdlib.h>
#include <string.h>

#define MS 1000000ull
/* Maximum time of a call: 30 minutes when the reader asks for more time for ever, twice that when a
 * command sets the parameters first, and a minute for the abort and the power-off. */
#define LONGEST_MS (61u * 60u * 1000u)
#define MANY 70000

static struct fuzz_witness witness;

void fuzz_driver_witness(const struct fuzz_witness *w)
{
	witness = w ? *w : (struct fuzz_witness){ NULL, NULL };
}

static void check_said(const struct fuzz_room *room, size_t n)
{
	const uint8_t *p;
	size_t of;

	if (!witness.said)
		return;
	p = witness.said(&of);
	if (p)
		FUZZ_CHECK(fuzz_is_among(room->p, n < room->cap ? n : room->cap, p, of));
}

RESPONSECODE fuzz_power(unsigned k, DWORD action, uint8_t *atr, DWORD *len)
{
	struct fuzz_room room = fuzz_room(FUZZ_ATR_ROOM);
	RESPONSECODE rc;

	*len = 0xFFFF;
	if (witness.unsaid)
		witness.unsaid();
	rc = IFDHPowerICC(fuzz_lun(k), action, room.p, len);
	FUZZ_CHECK(*len <= 33);
	FUZZ_CHECK(*len == 0 || (rc == IFD_SUCCESS && action != IFD_POWER_DOWN));
	FUZZ_CHECK(rc != IFD_SUCCESS || action == IFD_POWER_DOWN || *len >= 1);
	fuzz_room_unused(&room, *len);
	check_said(&room, *len);
	memcpy(atr, room.p, *len);
	fuzz_room_end(&room);
	return rc;
}

bool fuzz_is_gone(unsigned k)
{
	uint8_t atr[FUZZ_ATR_ROOM];
	DWORD n;

	return fuzz_power(k, IFD_POWER_DOWN, atr, &n) == IFD_NO_SUCH_DEVICE;
}

RESPONSECODE fuzz_apdu(unsigned k, const uint8_t *apdu, size_t len, struct fuzz_room *room, size_t *n)
{
	SCARD_IO_HEADER pci = { 0, 0 };
	uint8_t *copy = fuzz_copy(apdu, len);
	DWORD got = room->cap;
	RESPONSECODE rc;

	if (witness.unsaid)
		witness.unsaid();
	rc = IFDHTransmitToICC(fuzz_lun(k), pci, copy, len, room->p, &got, NULL);
	free(copy);
	FUZZ_CHECK(rc == IFD_SUCCESS ? got >= 2 && got <= 65538 : got == 0);
	if (rc == IFD_SUCCESS) {
		fuzz_room_unused(room, got);
		check_said(room, got);
	} else {
		/* after an error the buffer is unused or wiped */
		for (size_t i = 0; i < room->cap; i++)
			FUZZ_CHECK(room->p[i] == 0 || room->p[i] == 0xC5);
	}
	*n = got;
	return rc;
}

/* --- the calls --- */

static void call_power(unsigned k, struct fuzz_in *in)
{
	static const DWORD actions[] = { IFD_POWER_UP, IFD_RESET, IFD_POWER_UP, IFD_POWER_DOWN };
	uint8_t atr[FUZZ_ATR_ROOM];
	DWORD n;

	fuzz_power(k, actions[fuzz_u8(in) & 3], atr, &n);
}

static void call_presence(unsigned k, struct fuzz_in *in)
{
	(void)in;
	IFDHICCPresence(fuzz_lun(k));
}

static void call_protocol(unsigned k, struct fuzz_in *in)
{
	IFDHSetProtocolParameters(fuzz_lun(k), fuzz_u8(in) & 1 ? SCARD_PROTOCOL_T1 : SCARD_PROTOCOL_T0, 0, 0, 0, 0);
}

/* A command of any length that begins with bytes of the input. */
static void call_transmit(unsigned k, struct fuzz_in *in)
{
	uint8_t kind = fuzz_u8(in);
	struct fuzz_in text = fuzz_part(in);
	size_t len = kind & 1 ? fuzz_u16(in) : text.left, cap = kind & 2 ? MANY : fuzz_u8(in), n;
	struct fuzz_room room = fuzz_room(cap);
	uint8_t *apdu = calloc(1, len + 1);

	if (len > 0)
		memcpy(apdu, text.p, text.left < len ? text.left : len);
	fuzz_apdu(k, apdu, len, &room, &n);
	free(apdu);
	fuzz_room_end(&room);
}

/* Bit 0 of `kind` is set: the next four bytes of the input are the control code. */
static void call_control(unsigned k, struct fuzz_in *in)
{
	static const DWORD codes[] = { CM_IOCTL_GET_FEATURE_REQUEST, 0x313520, SCARD_CTL_CODE(1), SCARD_CTL_CODE(3600),
				       SCARD_CTL_CODE(3601), SCARD_CTL_CODE(0x330006), SCARD_CTL_CODE(0x330007),
				       SCARD_CTL_CODE(0x330008), SCARD_CTL_CODE(0x33000A), SCARD_CTL_CODE(0x330012),
				       SCARD_CTL_CODE(0x330013) };
	uint8_t kind = fuzz_u8(in);
	DWORD code = kind & 1 ? fuzz_u32(in) : codes[(kind >> 1) % (sizeof codes / sizeof codes[0])], n = 0xFFFF;
	struct fuzz_in text = fuzz_part(in);
	struct fuzz_room room = fuzz_room(fuzz_u16(in) % 600);
	uint8_t *copy = fuzz_copy(text.p, text.left);
	RESPONSECODE rc;

	rc = IFDHControl(fuzz_lun(k), code, copy, text.left, room.p, room.cap, &n);
	FUZZ_CHECK(n <= room.cap && (rc == IFD_SUCCESS || n == 0));
	if (rc == IFD_SUCCESS)
		fuzz_room_unused(&room, n);
	free(copy);
	fuzz_room_end(&room);
}

static void call_get(unsigned k, struct fuzz_in *in)
{
	static const DWORD tags[] = { TAG_IFD_ATR, TAG_IFD_SLOTS_NUMBER, TAG_IFD_SIMULTANEOUS_ACCESS,
				      TAG_IFD_THREAD_SAFE, TAG_IFD_SLOT_THREAD_SAFE,
				      TAG_IFD_POLLING_THREAD_WITH_TIMEOUT,
				      TAG_IFD_STOP_POLLING_THREAD, TAG_IFD_POLLING_THREAD_KILLABLE,
				      SCARD_ATTR_ATR_STRING, SCARD_ATTR_ICC_INTERFACE_STATUS, SCARD_ATTR_ICC_PRESENCE,
				      SCARD_ATTR_VENDOR_IFD_VERSION, SCARD_ATTR_VENDOR_NAME,
				      SCARD_ATTR_VENDOR_IFD_SERIAL_NO, SCARD_ATTR_MAXINPUT, SCARD_ATTR_CHANNEL_ID };
	uint8_t which = fuzz_u8(in), cap = fuzz_u8(in);
	DWORD tag = which == 0xFF ? fuzz_u32(in) : tags[which % (sizeof tags / sizeof tags[0])], n = cap;
	struct fuzz_room room = fuzz_room(cap);
	RESPONSECODE rc = IFDHGetCapabilities(fuzz_lun(k), tag, &n, room.p);

	if (rc == IFD_SUCCESS)
		FUZZ_CHECK(n <= cap);
	fuzz_room_unused(&room, rc == IFD_SUCCESS ? n : 0);
	fuzz_room_end(&room);
}

/* The calls of pcscd's polling thread. */
static void call_poll(unsigned k, struct fuzz_in *in)
{
	RESPONSECODE (*poll)(DWORD, int);
	int ms = fuzz_u16(in);
	uint64_t begin = clock_now();
	DWORD n = sizeof poll;

	if (IFDHGetCapabilities(fuzz_lun(k), TAG_IFD_POLLING_THREAD_WITH_TIMEOUT, &n, (PUCHAR)&poll) != IFD_SUCCESS)
		return;
	poll(fuzz_lun(k), ms);
	FUZZ_CHECK(clock_now() - begin <= ((uint64_t)ms + 100) * MS);
}

static void call_stop(unsigned k, struct fuzz_in *in)
{
	RESPONSECODE (*stop)(DWORD);
	DWORD n = sizeof stop;

	(void)in;
	if (IFDHGetCapabilities(fuzz_lun(k), TAG_IFD_STOP_POLLING_THREAD, &n, (PUCHAR)&stop) == IFD_SUCCESS)
		stop(fuzz_lun(k));
}

static void call_close(unsigned k, struct fuzz_in *in)
{
	IFDHCloseChannel(fuzz_lun(k));
	if (fuzz_u8(in) & 1)
		fuzz_driver_open(k);
}

static void call_open(unsigned k, struct fuzz_in *in)
{
	(void)in;
	fuzz_driver_open(k);
}

static void call_removed(unsigned k, struct fuzz_in *in)
{
	UCHAR value = fuzz_u8(in);

	IFDHSetCapabilities(fuzz_lun(k), TAG_IFD_DEVICE_REMOVED, 1, &value);
}

static void (*const calls[])(unsigned, struct fuzz_in *) = {
	call_power, call_presence, call_protocol, call_transmit, call_transmit, call_control, call_get, call_poll,
	call_stop, call_close, call_open, call_removed, call_transmit, call_power, call_protocol, call_poll,
};

void fuzz_driver_call(struct fuzz_in *in)
{
	uint8_t op = fuzz_u8(in);
	uint64_t begin = clock_now();

	calls[op & 15]((op >> 4) % FUZZ_LUNS, in);
	FUZZ_CHECK(clock_now() - begin <= LONGEST_MS * MS);
}
