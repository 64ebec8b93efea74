/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A CCID session over bulk. Input: the kind of reader, the calls, then the script of the reader's
 * answers to each command. After any script, a reader that answers correctly works again. */
#include "fuzz/fuzz_dev.h"
#include "fuzz/fuzz_driver.h"

#include <string.h>

#define CALLS 40

const char fuzz_name[] = "bulk";

static const uint8_t *said(size_t *n)
{
	return fuzz_dev_said(fake_usb_dev(0), n);
}

static void unsaid(void)
{
	fuzz_dev_unsaid(fake_usb_dev(0));
}

static const struct {
	uint16_t vendor, product;
} ids[] = {
	{ 0xF1F1, 0x0001 }, { 0xF1F1, 0x0E5C }, { 0xF1F1, 0x0FAD }, { 0xF1F1, 0x05E9 }, { 0x08E6, 0x3437 },
	{ 0x08E6, 0x3438 }, { 0x046A, 0x003E }, { 0x076B, 0x3021 }, { 0x04E6, 0x5116 }, { 0x058F, 0x9520 },
	{ 0x0DF6, 0x800A }, { 0x072F, 0x90CC }, { 0x0C4B, 0x0500 }, { 0x1FC9, 0x0117 }, { 0x0783, 0x0003 },
	{ 0x163C, 0x0406 },
};

static struct fuzz_dev_conf reader(struct fuzz_in *in)
{
	static const uint32_t lengths[] = { 271, 65544 + 10, 11, 64, 128, 1034, 0xFFFFFFFF, 261 };
	uint8_t kind = fuzz_u8(in), size = fuzz_u8(in), id = fuzz_u8(in);
	struct fuzz_dev_conf c = { .bcd = 0x0100, .packet = size & 8 ? 512 : 64, .has_interrupt = !(size & 16) };

	c.vendor = ids[id & 15].vendor;
	c.product = ids[id & 15].product;
	c.features = (const uint32_t[]){ 0x10030, 0x100BA, 0x204BA, 0x404BA, 0x40, 0x00, 0x106FA, 0x20470 }[kind & 7];
	c.t1 = kind & 8;
	c.max_slot_index = (kind >> 4) & 1;
	c.busy = kind >> 5;
	c.max_message = lengths[size & 7];
	c.pin_support = size >> 6;
	c.then = (enum fuzz_mood)((id >> 4) % 3);
	return c;
}

/* Once the reader answers correctly, the slot works again. */
static void recovers(struct sim_dev *d)
{
	uint8_t atr[FUZZ_ATR_ROOM];
	const uint8_t *right;
	DWORD n = 0;
	size_t len;

	fake_usb_lock();
	fuzz_dev_honest(d);
	fake_usb_unlock();
	right = fuzz_dev_atr(d, &len);
	if (!sim_dev_is_plugged(d) || fuzz_is_gone(0))
		return;
	for (unsigned i = 0; i < 3 && n == 0; i++)
		fuzz_power(0, IFD_POWER_UP, atr, &n);
	FUZZ_CHECK(n == len && memcmp(atr, right, len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const struct fuzz_witness witness = { said, unsaid };
	struct fuzz_in in = fuzz_input(data, len), calls;
	struct fuzz_dev_conf conf = reader(&in);
	struct sim_dev *d;

	calls = fuzz_part(&in);
	conf.bulk = in;
	fuzz_driver_begin();
	d = fuzz_dev_new(&conf);
	fake_usb_add(d);
	if (fuzz_driver_numbers_count(d))
		fuzz_driver_witness(&witness);
	if (fuzz_driver_open(0) == IFD_SUCCESS) {
		fuzz_driver_open(1);
		for (unsigned i = 0; i < CALLS && calls.left; i++)
			fuzz_driver_call(&calls);
		recovers(d);
	}
	fuzz_driver_end();
	return 0;
}
