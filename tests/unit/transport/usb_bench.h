/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef USB_BENCH_H
#define USB_BENCH_H

/* One USB transport on a simulated reader, without the layers above it. */
#include "../driver/driver_fixture.h"

#include "wire/ccid_msg.h"
#include "transport/usb_device.h"
#include "util/buf.h"

#include <stdio.h>
#include <string.h>

static struct {
	struct usb_host *host;
	struct transport *t;
	struct log_ctx log;
} bench;

static inline enum ccid_err bench_open_interface(unsigned dev, unsigned interface, struct transport **t)
{
	struct usb_name name;
	char text[80];
	struct usb_open_request rq = { .name = &name, .log = &bench.log };

	bench.log = (struct log_ctx){ .reader = "bench" };
	fake_usb_name(dev, interface, text, sizeof text);
	assert_int_equal(usb_name_parse(text, &name), CCID_OK);
	return usb_open(bench.host, &rq, t);
}

static inline void bench_host(enum fake_clock clock, const char *text)
{
	fixture_start(clock, text);
	assert_int_equal(usb_host_new(&bench.host), CCID_OK);
}

static inline void bench_start(enum fake_clock clock, const char *text)
{
	bench_host(clock, text);
	assert_int_equal(bench_open_interface(0, 0, &bench.t), CCID_OK);
}

static inline void bench_stop(void)
{
	if (bench.t)
		bench.t->ops->close(bench.t);
	bench.t = NULL;
	assert_true(usb_host_free(bench.host));
	bench.host = NULL;
	fixture_stop();
}

static inline int bench_teardown(void **state)
{
	if (bench.t)
		bench.t->ops->close(bench.t);
	bench.t = NULL;
	usb_host_free(bench.host);
	bench.host = NULL;
	return fixture_teardown(state);
}

/* A command with its buffers. */
struct command {
	struct request r;
	uint8_t msg[300], answer[66000];
};

static inline void command_make(struct command *c, uint8_t type, uint8_t slot, uint8_t seq, const void *data,
				size_t len)
{
	struct ccid_msg head = { .bMessageType = type, .dwLength = (uint32_t)len, .bSlot = slot, .bSeq = seq };

	c->r = (struct request){
		.slot = slot, .seq = seq, .msg = c->msg, .len = CCID_HEADER_LENGTH + len,
		.passes_gate = type == PC_TO_RDR_ABORT,
		.answer = c->answer, .answer_cap = sizeof c->answer,
	};
	if (type == PC_TO_RDR_ICC_POWER_ON)
		head.b7 = 1;
	ccid_msg_encode(&head, c->msg);
	if (len > 0)
		memcpy(c->msg + CCID_HEADER_LENGTH, data, len);
}

/* Out and back: the first error, or CCID_OK with the answer in c->answer. */
static inline enum ccid_err command_run(struct transport *t, struct command *c, unsigned ms)
{
	struct deadline d = deadline_in_ms(ms);
	enum ccid_err err = t->ops->start(t, &c->r, &d);

	if (err != CCID_OK)
		return err;
	err = t->ops->wait(t, &c->r, &d);
	t->ops->finish(t, &c->r);
	return err;
}

static inline enum ccid_err status_of(struct transport *t, uint8_t slot, uint8_t seq)
{
	static __thread struct command c;
	enum ccid_err err;

	command_make(&c, PC_TO_RDR_GET_SLOT_STATUS, slot, seq, NULL, 0);
	err = command_run(t, &c, 5000);
	if (err == CCID_OK) {
		assert_int_equal(c.r.answer_len, CCID_HEADER_LENGTH);
		assert_int_equal(c.answer[0], RDR_TO_PC_SLOT_STATUS);
		assert_int_equal(c.answer[5], slot);
		assert_int_equal(c.answer[6], seq);
	}
	return err;
}

#endif
