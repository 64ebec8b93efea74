/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The core on WebUSB's calls, which return promises: the C code waits for them (emcc -sASYNCIFY).
 * Module.device is a USBDevice, or an object with the same methods (replay.js). argv: APDUs. */
#include "core/ifdccid.h"

#include <emscripten.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Each function returns a length; -1: the transfer failed; -2: the transfer is still in flight. */
EM_ASYNC_JS(int, usb_out, (int endpoint, const uint8_t *p, int len), {
	try {
		const r = await Module.device.transferOut(endpoint, HEAPU8.slice(p, p + len));
		return r.status == "ok" ? r.bytesWritten : -1;
	} catch (e) {
		return -1;
	}
});

/* WebUSB cannot cancel a transfer: a pending transfer is kept for the next call. */
EM_ASYNC_JS(int, usb_in, (int endpoint, uint8_t *p, int cap, int ms), {
	let timer;
	if (!Module.pending)
		Module.pending = Module.device.transferIn(endpoint, cap).catch(() => ({ status: "gone" }));
	const late = new Promise(done => { timer = setTimeout(done, ms, null); });
	const r = await Promise.race([Module.pending, late]);
	clearTimeout(timer);
	if (r == null)
		return -2;
	Module.pending = null;
	if (r.status != "ok")
		return -1;
	HEAPU8.set(new Uint8Array(r.data.buffer, r.data.byteOffset, r.data.byteLength), p);
	return r.data.byteLength;
});

EM_ASYNC_JS(int, usb_control_in, (int of_class, int request, int value, int index, uint8_t *p, int len), {
	try {
		const r = await Module.device.controlTransferIn({ requestType: of_class ? "class" : "standard",
			recipient: of_class ? "interface" : "device", request, value, index }, len);
		if (r.status != "ok")
			return -1;
		HEAPU8.set(new Uint8Array(r.data.buffer, r.data.byteOffset, r.data.byteLength), p);
		return r.data.byteLength;
	} catch (e) {
		return -1;
	}
});

/* WebUSB numbers endpoints without their direction. */
#define NUMBER(address) ((address) & 0x0F)

static enum ccid_err web_send(void *user, const uint8_t *message, size_t len, unsigned ms)
{
	const struct ccid_desc *d = user;

	(void)ms;
	return usb_out(NUMBER(d->bulk_out), message, (int)len) == (int)len ? CCID_OK : CCID_ERR_NO_DEVICE;
}

static enum ccid_err web_receive(void *user, uint8_t *out, size_t cap, size_t *len, unsigned ms)
{
	const struct ccid_desc *d = user;
	int n = usb_in(NUMBER(d->bulk_in), out, (int)cap, (int)ms);

	*len = n > 0 ? (size_t)n : 0;
	return n == -2 ? CCID_ERR_TIMEOUT : n < 0 ? CCID_ERR_NO_DEVICE : CCID_OK;
}

static enum ccid_err web_control(void *user, uint8_t type, uint8_t request, uint16_t value, uint16_t index,
				 uint8_t *data, size_t len, size_t *actual, unsigned ms)
{
	int n;

	(void)user;
	(void)ms;
	*actual = 0;
	if (!(type & 0x80))
		return CCID_ERR_NOT_SUPPORTED;
	n = usb_control_in(1, request, value, index, data, (int)len);
	*actual = n > 0 ? (size_t)n : 0;
	return n < 0 ? CCID_ERR_COMM : CCID_OK;
}

static size_t read_hex(const char *text, uint8_t *out, size_t cap)
{
	size_t n = 0;
	unsigned v;

	while (n < cap && sscanf(text + 2 * n, "%2x", &v) == 1)
		out[n++] = (uint8_t)v;
	return n;
}

static void print_bytes(const char *what, const uint8_t *p, size_t len)
{
	printf("%s", what);
	for (size_t i = 0; i < len; i++)
		printf(" %02X", p[i]);
	printf("\n");
}

int main(int argc, char **argv)
{
	static uint8_t device[18], config[512], apdu[300], answer[65538], atr[IFDCCID_ATR_MAX];
	static struct ccid_desc desc;
	const struct pipes pipes = { .user = &desc, .send = web_send, .receive = web_receive, .control = web_control };
	int config_len = -1;
	const char *why = "no descriptors";
	struct transport *t;
	struct ifdccid *reader = NULL;
	enum ccid_err err = CCID_ERR_NO_DEVICE;
	size_t len;

	if (usb_control_in(0, 6, 0x0100, 0, device, sizeof device) == sizeof device)
		config_len = usb_control_in(0, 6, 0x0200, 0, config, sizeof config);
	if (config_len > 0)
		why = ccid_desc_of(&desc, device, config, (size_t)config_len, -1);
	if (!why)
		err = pipes_open(&pipes, &desc, &t);
	if (err == CCID_OK)
		err = ifdccid_open(t, NULL, &reader);
	if (err == CCID_OK)
		err = ifdccid_power_on(reader, 0, atr, &len);
	if (err == CCID_OK)
		print_bytes("ATR", atr, len);
	for (int i = 1; i < argc && err == CCID_OK; i++) {
		err = ifdccid_transmit(reader, 0, apdu, read_hex(argv[i], apdu, sizeof apdu), answer, sizeof answer,
				       &len);
		if (err == CCID_OK)
			print_bytes("answer", answer, len);
	}
	printf("%s\n", why ? why : err_name(err));
	if (reader)
		ifdccid_gone(reader);
	ifdccid_close(reader);
	/* After a sleep, the value that main() returns does not reach node. */
	exit(err == CCID_OK ? 0 : 1);
}
