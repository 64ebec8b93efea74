/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* USB ICCs. Input: version and level, the calls, then the control pipe's answer to each class
 * request. */
#include "fuzz/fuzz_dev.h"
#include "fuzz/fuzz_driver.h"

#define CALLS 40

const char fuzz_name[] = "iccd";

static const uint8_t *said(size_t *n)
{
	return fuzz_dev_said(fake_usb_dev(0), n);
}

static void unsaid(void)
{
	fuzz_dev_unsaid(fake_usb_dev(0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const struct fuzz_witness witness = { said, unsaid };
	static const uint32_t levels[] = { 0x00000840, 0x00010840, 0x00020840, 0x00040840 };
	struct fuzz_in in = fuzz_input(data, len), calls;
	uint8_t kind = fuzz_u8(&in);
	struct fuzz_dev_conf conf = { .vendor = 0xF1F1, .product = 1, .bcd = 0x0100, .packet = 64, .busy = 1,
				      .protocol = kind & 1 ? 2 : 1, .features = levels[(kind >> 1) & 3],
				      .has_interrupt = kind & 8, .max_message = kind & 16 ? 65554 : 271,
				      .then = (enum fuzz_mood)((kind >> 5) % 3) };

	calls = fuzz_part(&in);
	conf.control = in;
	fuzz_driver_begin();
	fake_usb_add(fuzz_dev_new(&conf));
	fuzz_driver_witness(&witness);
	if (fuzz_driver_open(0) == IFD_SUCCESS)
		for (unsigned i = 0; i < CALLS && calls.left; i++)
			fuzz_driver_call(&calls);
	fuzz_driver_end();
	return 0;
}
