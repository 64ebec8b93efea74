/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef SIM_BENCH_H
#define SIM_BENCH_H

/* A simulated reader on the bench, driven transfer by transfer: for the tests of sim/model. */
#include "sim/model/sim_dev.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "unit/unit_cmocka.h"

#define MS 1000000ull
#define ROOM 70144		/* a multiple of 64 and 512 */

/* A reader on the bench. */
struct bench {
	struct sim_dev *d;
	uint64_t now;
	uint8_t seq;
	uint8_t *in;		/* the last transfer's bytes */
	size_t in_len;
	int status;
	char err[200];
};

static inline void bench_open(struct bench *b, const char *text)
{
	struct sim_dev **devs;

	memset(b, 0, sizeof *b);
	if (sim_config_parse(text, &devs, b->err, sizeof b->err) != 1)
		fail_msg("%s", b->err);
	b->d = devs[0];
	free(devs);
	b->in = malloc(ROOM);
	b->now = 1000 * MS;
}

static inline void bench_close(struct bench *b)
{
	sim_dev_free(b->d);
	free(b->in);
}

static inline void no_complaints(struct bench *b)
{
	if (sim_dev_complaints(b->d))
		fail_msg("%s", sim_dev_complaint(b->d, 0));
}

/* There are n complaints, and the last one contains `what`. */
static inline void complained(struct bench *b, unsigned n, const char *what)
{
	assert_int_equal(sim_dev_complaints(b->d), n);
	if (!strstr(sim_dev_complaint(b->d, n - 1), what))
		fail_msg("\"%s\" is not \"%s\"", sim_dev_complaint(b->d, n - 1), what);
}

static inline struct sim_urb *wait_any(struct bench *b, uint64_t until)
{
	struct sim_urb *u;

	for (;;) {
		uint64_t next;

		u = sim_dev_reap(b->d, b->now);
		if (u)
			return u;
		next = sim_dev_next(b->d);
		if (next > until) {
			b->now = until;
			return NULL;
		}
		if (next > b->now)
			b->now = next;
	}
}

static inline int control(struct bench *b, uint8_t type, uint8_t request, unsigned value,
			  unsigned index, void *data, unsigned len)
{
	struct sim_urb u = { .type = SIM_CONTROL, .buf = data, .len = len };
	uint8_t setup[8] = { type,	     request, (uint8_t)value, (uint8_t)(value >> 8),
			     (uint8_t)index, 0,	      (uint8_t)len,   (uint8_t)(len >> 8) };

	memcpy(u.setup, setup, 8);
	sim_dev_submit(b->d, &u, b->now);
	while (wait_any(b, b->now + 1000 * MS) != &u)
		;
	return u.status == SIM_OK ? (int)u.actual : u.status;
}

static inline int send_raw(struct bench *b, const uint8_t *p, size_t len)
{
	struct sim_urb u = {
		.type = SIM_BULK, .endpoint = 0x01, .buf = (uint8_t *)(uintptr_t)p, .len = len
	};

	sim_dev_submit(b->d, &u, b->now);
	while (wait_any(b, b->now + 1000 * MS) != &u)
		;
	return u.status;
}

static inline size_t make(uint8_t *m, struct bench *b, uint8_t type, uint8_t slot,
			  const uint8_t abc[3], const void *data, size_t len)
{
	memset(m, 0, 10);
	m[0] = type;
	m[1] = (uint8_t)len;
	m[2] = (uint8_t)(len >> 8);
	m[3] = (uint8_t)(len >> 16);
	m[5] = slot;
	m[6] = ++b->seq;
	if (abc)
		memcpy(m + 7, abc, 3);
	if (len)
		memcpy(m + 10, data, len);
	return 10 + len;
}

static inline void send(struct bench *b, uint8_t type, uint8_t slot, const uint8_t abc[3],
			const void *data, size_t len)
{
	uint8_t *m = malloc(10 + len);

	assert_int_equal(send_raw(b, m, make(m, b, type, slot, abc, data, len)), SIM_OK);
	free(m);
}

/* One transfer from bulk IN; false when none ends within ms. */
static inline bool receive_room(struct bench *b, uint64_t ms, size_t room)
{
	struct sim_urb u = { .type = SIM_BULK, .endpoint = 0x81, .buf = b->in, .len = room }, *r;

	sim_dev_submit(b->d, &u, b->now);
	do
		r = wait_any(b, b->now + ms * MS);
	while (r && r != &u);
	if (!r) {
		assert_true(sim_dev_discard(b->d, &u, b->now));
		r = sim_dev_reap(b->d, b->now);
		assert_ptr_equal(r, &u);
		assert_int_equal(u.status, SIM_CANCELLED);
	}
	b->in_len = u.actual;
	b->status = u.status;
	return u.status != SIM_CANCELLED;
}

static inline bool receive(struct bench *b, uint64_t ms)
{
	return receive_room(b, ms, ROOM);
}

static inline void command(struct bench *b, uint8_t type, uint8_t slot, const uint8_t abc[3],
			   const void *data, size_t len)
{
	send(b, type, slot, abc, data, len);
	assert_true(receive(b, 60000));
	assert_int_equal(b->status, SIM_OK);
}

/* Checks the answer's type, bStatus and bError. */
static inline void answered(struct bench *b, uint8_t type, uint8_t status, uint8_t error)
{
	assert_true(b->in_len >= 10);
	assert_int_equal(b->in[0], type);
	assert_int_equal(b->in[7], status);
	assert_int_equal(b->in[8], error);
	assert_int_equal(b->in[1] | b->in[2] << 8 | b->in[3] << 16, b->in_len - 10);
}

static inline void power(struct bench *b, uint8_t slot)
{
	static const uint8_t five_volts[3] = { 1, 0, 0 };

	command(b, 0x62, slot, five_volts, NULL, 0);
	answered(b, 0x80, 0, 0);
}

static inline void fault(struct bench *b, const char *spec)
{
	if (!sim_dev_fault(b->d, spec, b->err, sizeof b->err))
		fail_msg("%s: %s", spec, b->err);
}

#define TPDU "reader r\nclock = 4000\n"
#define T0CARD TPDU "card 0 = t0basic\n"

#endif
