/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Failures of the libusb stand-in. */
#include "fake/fake_libusb_priv.h"

void fake_usb_fail_submit(unsigned nth, int code)
{
	fake_usb_lock();
	fake.fail_submit = nth;
	fake.fail_submit_code = code;
	fake_usb_unlock();
}

void fake_usb_hold(int type)
{
	fake_usb_lock();
	fake.hold = type;
	fake_usb_unlock();
}

void fake_usb_fail_events(int code)
{
	fake_usb_lock();
	fake.fail_events = code;
	fake_usb_unlock();
}

void fake_usb_fail_endpoint(uint8_t endpoint, unsigned times, int code, int err)
{
	fake_usb_lock();
	fake.fail_endpoint_nr = endpoint;
	fake.fail_endpoint = times;
	fake.fail_endpoint_code = code;
	fake.fail_endpoint_errno = err;
	fake_usb_unlock();
}

void fake_usb_fail_alloc(unsigned nth)
{
	fake_usb_lock();
	fake.fail_alloc = nth;
	fake_usb_unlock();
}

void fake_usb_fail_open(unsigned times, int code)
{
	fake_usb_fail_open_errno(times, code, 0);
}

void fake_usb_fail_open_errno(unsigned times, int code, int err)
{
	fake_usb_lock();
	fake.fail_open = times;
	fake.fail_open_code = code;
	fake.fail_open_errno = err;
	fake_usb_unlock();
}

void fake_usb_fail_node(unsigned times, int err)
{
	fake_usb_lock();
	fake.fail_node = times;
	fake.fail_node_errno = err;
	fake_usb_unlock();
}

void fake_usb_fail_init(unsigned times, int code, int err)
{
	fake_usb_lock();
	fake.fail_init = times;
	fake.fail_init_code = code;
	fake.fail_init_errno = err;
	fake_usb_unlock();
}

void fake_usb_fail_claim(unsigned times, int code, int err)
{
	fake_usb_lock();
	fake.fail_claim = times;
	fake.fail_claim_code = code;
	fake.fail_claim_errno = err;
	fake_usb_unlock();
}

void fake_usb_claim_busy(unsigned times)
{
	fake_usb_lock();
	fake.claim_busy = times;
	fake_usb_unlock();
}
