/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Interrupts. Input: the kind of reader, the calls, then the packets of the interrupt endpoint with
 * their delays. All answers on bulk are right. */
#include "fuzz/fuzz_dev.h"
#include "fuzz/fuzz_driver.h"

#define CALLS 60
#define POLL_MS 3000

const char fuzz_name[] = "intr";

/* An event that comes while no poll waits ends the next poll before its time. */
static void no_event_is_lost(struct sim_dev *d, bool has_interrupts)
{
	RESPONSECODE (*poll)(DWORD, int);
	DWORD n = sizeof poll;
	uint64_t begin;

	if (fuzz_is_gone(0) ||
	    IFDHGetCapabilities(fuzz_lun(0), TAG_IFD_POLLING_THREAD_WITH_TIMEOUT, &n, (PUCHAR)&poll) != IFD_SUCCESS)
		return;
	fake_usb_lock();
	fuzz_dev_honest(d);
	fake_usb_unlock();
	/* earlier events are consumed, and pipes have time to recover */
	for (unsigned i = 0; i < 4; i++)
		(void)poll(fuzz_lun(0), POLL_MS);
	fake_usb_lock();
	fuzz_dev_interrupt(d, (const uint8_t[2]){ 0x50, 0x03 }, 2);
	fake_usb_unlock();
	begin = clock_now();
	(void)poll(fuzz_lun(0), POLL_MS);
	FUZZ_CHECK(!has_interrupts || clock_now() - begin < POLL_MS * 1000000ull);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct fuzz_in in = fuzz_input(data, len), calls;
	uint8_t kind = fuzz_u8(&in);
	struct fuzz_dev_conf conf = { .vendor = 0xF1F1, .product = kind & 1 ? 0x0E5C : 1, .bcd = 0x0100, .packet = 64,
				      .has_interrupt = true, .features = 0x404BA, .max_message = 271,
				      .busy = 1, .then = MOOD_HONEST, .t1 = true };
	struct sim_dev *d;

	conf.max_slot_index = (uint8_t)(kind & 0x80 ? fuzz_u8(&in) : (kind >> 1) & 3);
	conf.protocol = kind & 0x10 ? 2 : 0;
	calls = fuzz_part(&in);
	conf.interrupt = in;
	fuzz_driver_begin();
	d = fuzz_dev_new(&conf);
	fake_usb_add(d);
	if (fuzz_driver_open(0) == IFD_SUCCESS) {
		fuzz_driver_open(1);
		for (unsigned i = 0; i < CALLS && calls.left; i++)
			fuzz_driver_call(&calls);
		no_event_is_lost(d, conf.protocol == 0);
	}
	fuzz_driver_end();
	return 0;
}
