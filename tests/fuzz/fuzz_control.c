/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* IFDHControl on readers with a PIN pad. Input: reader, level, card; then keys, faults and controls
 * in turn, with any code, any data and any size of the answer buffer. Afterwards the reader works
 * as before. */
#include "fuzz/fuzz_driver.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STEPS 24

const char fuzz_name[] = "control";

static const char *const ids[] = {
	"f1f1:0001", "f1f1:0e5c", "08e6:3478", "08e6:34c2", "076b:3821", "04e6:e003", "0c4b:0500", "0dc3:1104",
	"046a:003e", "0b97:7762", "08e6:4433", "072f:90d2", "04e6:5290", "0bf8:1006", "0c4b:0300", "413c:2101",
};

static const char *const keys[] = { "1234\n", "1234\n1234\n", "1234\n5678\n5678\n", "\033", "", "123456789012345678\n",
				    "\n", "12\03334\n" };

static const char *const faults[] = {
	"pin-short value=0", "pin-short value=1", "pin-short value=3", "pin-cancelled",
	"pin-timeout", "pin-wtx value=2", "escape-claims value=30", "escape-long value=600",
	"escape-long", "error msg=69 value=0", "silent msg=69", "endless-extension msg=69",
	"wrong-type msg=6b", "length-more msg=69 value=9", "short-answer msg=69", "clear",
};

static struct sim_dev *build(uint8_t id, uint8_t kind)
{
	static const char *const levels[] = { "char", "tpdu", "short", "extended" };
	struct sim_dev **devs, *d;
	char text[400], err[200];
	unsigned vendor, product;

	sscanf(ids[id & 15], "%x:%x", &vendor, &product);
	snprintf(text, sizeof text, "reader x\nvendor = %04x\nproduct = %04x\nbcd = %x.00\nlevel = %s\npinpad = %u\n"
		 "maxlen = %u\nlcd = 0x0210\ncard 0 = %s\n", vendor, product, 1 + (id >> 6), levels[(kind >> 2) & 3],
		 kind & 0x10 ? 3 : (kind >> 5) & 3, kind & 0x80 ? 65554 : 271, kind & 1 ? "t1" : "t0");
	if (sim_config_parse(text, &devs, err, sizeof err) != 1)
		abort();
	d = devs[0];
	free(devs);
	return d;
}

/* A structure of PC/SC part 10. Its length is right unless the input changes it. */
static size_t pin_structure(struct fuzz_in *in, bool modify, uint8_t *out)
{
	size_t fixed = modify ? 24 : 19, n = fixed, apdu;
	const uint8_t *p = fuzz_bytes(in, &n);
	struct fuzz_in text = fuzz_part(in);

	memset(out, 0, fixed);
	memcpy(out, p, n);
	apdu = text.left;
	memcpy(out + fixed, text.p, apdu);
	if (fuzz_u8(in) & 1)
		memcpy(out + fixed - 4, (uint8_t[4]){ (uint8_t)apdu, (uint8_t)(apdu >> 8), 0, 0 }, 4);
	return fixed + apdu;
}

static void control(DWORD code, const uint8_t *p, size_t n, size_t cap)
{
	struct fuzz_room room = fuzz_room(cap);
	uint8_t *copy = fuzz_copy(p, n);
	DWORD got = 0xFFFF;
	RESPONSECODE rc = IFDHControl(fuzz_lun(0), code, copy, n, room.p, cap, &got);

	FUZZ_CHECK(got <= cap && (rc == IFD_SUCCESS || got == 0));
	if (rc == IFD_SUCCESS)
		fuzz_room_unused(&room, got);
	free(copy);
	fuzz_room_end(&room);
}

static void press(const char *text)
{
	fake_usb_lock();
	sim_dev_keys(fake_usb_dev(0), 0, text, clock_now());
	fake_usb_unlock();
}

static void arm(const char *fault)
{
	char err[200];

	fake_usb_lock();
	sim_dev_fault(fake_usb_dev(0), fault, err, sizeof err);
	fake_usb_unlock();
}

static void step(struct fuzz_in *in)
{
	uint8_t op = fuzz_u8(in), structure[24 + 255];
	bool modify = op & 0x10;
	size_t n;

	switch (op & 7) {
	case 0:
		press(keys[op >> 3 & 7]);
		break;
	case 1:
		arm(faults[op >> 3 & 15]);
		break;
	case 2:
	case 3:
	case 4:
		n = pin_structure(in, modify, structure);
		if (op & 0x20)
			press(keys[fuzz_u8(in) & 7]);
		control(SCARD_CTL_CODE(modify ? 0x330007 : 0x330006), structure, n, fuzz_u8(in));
		break;
	default:
		fuzz_driver_call(in);
		break;
	}
}

static void works_again(unsigned protocol)
{
	static const uint8_t echo[] = { 0x80, 0x10, 0x00, 0x00 };
	struct fuzz_room room = fuzz_room(16);
	uint8_t atr[FUZZ_ATR_ROOM];
	size_t n;
	DWORD len;

	arm("clear");
	IFDHCloseChannel(fuzz_lun(0));
	FUZZ_CHECK(fuzz_driver_open(0) == IFD_SUCCESS);
	FUZZ_CHECK(fuzz_power(0, IFD_POWER_UP, atr, &len) == IFD_SUCCESS);
	IFDHSetProtocolParameters(fuzz_lun(0), protocol ? SCARD_PROTOCOL_T1 : SCARD_PROTOCOL_T0, 0, 0, 0, 0);
	FUZZ_CHECK(fuzz_apdu(0, echo, sizeof echo, &room, &n) == IFD_SUCCESS);
	FUZZ_CHECK(n == 2 && room.p[0] == 0x90);
	fuzz_room_end(&room);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct fuzz_in in = fuzz_input(data, len);
	uint8_t id = fuzz_u8(&in), kind = fuzz_u8(&in), atr[FUZZ_ATR_ROOM];
	DWORD n;

	fuzz_driver_begin();
	fake_usb_add(build(id, kind));
	if (fuzz_driver_open(0) == IFD_SUCCESS) {
		fuzz_power(0, IFD_POWER_UP, atr, &n);
		IFDHSetProtocolParameters(fuzz_lun(0), kind & 1 ? SCARD_PROTOCOL_T1 : SCARD_PROTOCOL_T0, 0, 0, 0, 0);
		for (unsigned i = 0; i < STEPS && in.left; i++)
			step(&in);
		works_again(kind & 1);
	}
	fuzz_driver_end();
	return 0;
}
