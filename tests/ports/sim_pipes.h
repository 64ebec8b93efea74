/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef SIM_PIPES_H
#define SIM_PIPES_H

#include "sim/model/sim_dev.h"
#include "core/ifdccid.h"

/* A simulated reader behind the hooks of transport/pipes.h, and the functions of util/port.h for one thread and virtual
 * time: a port for tests. Include once in a program. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t sim_now = UINT64_C(1000000000);
static unsigned sim_blocks;	/* blocks of memory that the core has */
static unsigned sim_fail_at;	/* number of the allocation that fails, from 1; 0: none */
static char sim_log[4000];

uint64_t clock_now(void)
{
	return sim_now;
}

void clock_sleep_until(uint64_t at_ns)
{
	if (at_ns > sim_now)
		sim_now = at_ns;
}

/* room[0]: locked; room[1]: initialised. */
void port_mutex_init(struct port_mutex *m)
{
	m->room[0] = 0;
	m->room[1] = 1;
}

void port_mutex_end(struct port_mutex *m)
{
	if (m->room[0] != 0 || m->room[1] != 1)
		abort();
	m->room[1] = 0;
}

void port_mutex_lock(struct port_mutex *m)
{
	if (m->room[0] != 0 || m->room[1] != 1)
		abort();
	m->room[0] = 1;
}

bool port_mutex_try(struct port_mutex *m)
{
	if (m->room[0] != 0)
		return false;
	port_mutex_lock(m);
	return true;
}

void port_mutex_unlock(struct port_mutex *m)
{
	if (m->room[0] != 1)
		abort();
	m->room[0] = 0;
}

uintptr_t port_thread(void)
{
	return 0;
}

void *port_alloc(size_t size)
{
	void *p = sim_fail_at > 0 && --sim_fail_at == 0 ? NULL : calloc(1, size);

	sim_blocks += p != NULL;
	return p;
}

void port_free(void *p)
{
	sim_blocks -= p != NULL;
	free(p);
}

void port_log(enum port_priority priority, bool is_private, const char *line)
{
	size_t len = strlen(sim_log);

	snprintf(sim_log + len, sizeof sim_log - len, "%s%s%s\n", priority == PORT_CRITICAL ? "! " : "",
		 is_private ? "private: " : "", line);
}

struct sim_pipes {
	struct sim_dev *dev;
	struct ccid_desc desc;
	struct sim_urb in, notice;	/* not cancelled, as in WebUSB: in flight until they end */
	bool in_flight, notice_in_flight;
	uint8_t *in_buf;
	uint8_t notice_buf[64];
	unsigned ended;
};

#define SIM_ROOM 70144u

/* Runs the device until transfer u has ended; false: the transfer is still in flight at `until`. */
static bool sim_run(struct sim_pipes *p, const struct sim_urb *u, bool *in_flight, uint64_t until)
{
	while (*in_flight) {
		const struct sim_urb *done = sim_dev_reap(p->dev, sim_now);
		uint64_t next;

		if (done == u)
			*in_flight = false;
		else if (done == &p->in)
			p->in_flight = false;
		else if (done == &p->notice)
			p->notice_in_flight = false;
		if (done)
			continue;
		next = sim_dev_next(p->dev);
		if (next > until) {
			sim_now = until > sim_now ? until : sim_now;
			return false;
		}
		sim_now = next > sim_now ? next : sim_now;
	}
	return true;
}

static enum ccid_err sim_result(const struct sim_urb *u)
{
	return u->status == SIM_OK ? CCID_OK : u->status == SIM_GONE ? CCID_ERR_NO_DEVICE : CCID_ERR_COMM;
}

static enum ccid_err sim_out(struct sim_pipes *p, struct sim_urb *u, unsigned ms)
{
	bool in_flight = true;

	sim_dev_submit(p->dev, u, sim_now);
	if (!sim_run(p, u, &in_flight, sim_now + ms * UINT64_C(1000000))) {
		sim_dev_discard(p->dev, u, sim_now);
		sim_run(p, u, &in_flight, UINT64_MAX);
		return CCID_ERR_TIMEOUT;
	}
	return sim_result(u);
}

static enum ccid_err sim_send(void *user, const uint8_t *message, size_t len, unsigned ms)
{
	struct sim_pipes *p = user;
	uint8_t *copy = malloc(len);
	struct sim_urb u = { .type = SIM_BULK, .endpoint = p->desc.bulk_out, .buf = copy, .len = len };
	enum ccid_err err;

	memcpy(copy, message, len);
	err = sim_out(p, &u, ms);
	free(copy);
	return err;
}

static enum ccid_err sim_in(struct sim_pipes *p, struct sim_urb *u, bool *in_flight, uint8_t *out, size_t cap,
			    size_t *len, unsigned ms)
{
	enum ccid_err err;

	if (!*in_flight) {
		if (u->len > cap)
			u->len = cap;
		sim_dev_submit(p->dev, u, sim_now);
		*in_flight = true;
	}
	if (!sim_run(p, u, in_flight, sim_now + ms * UINT64_C(1000000)))
		return CCID_ERR_TIMEOUT;
	err = sim_result(u);
	*len = err == CCID_OK && u->actual <= cap ? u->actual : 0;
	memcpy(out, u->buf, *len);
	return err;
}

static enum ccid_err sim_receive(void *user, uint8_t *out, size_t cap, size_t *len, unsigned ms)
{
	struct sim_pipes *p = user;

	if (!p->in_flight)
		p->in = (struct sim_urb){ .type = SIM_BULK, .endpoint = p->desc.bulk_in, .buf = p->in_buf,
					  .len = SIM_ROOM };
	return sim_in(p, &p->in, &p->in_flight, out, cap, len, ms);
}

static enum ccid_err sim_notice(void *user, uint8_t *out, size_t cap, size_t *len, unsigned ms)
{
	struct sim_pipes *p = user;

	if (!p->notice_in_flight)
		p->notice = (struct sim_urb){ .type = SIM_INTERRUPT, .endpoint = p->desc.interrupt_in,
					      .buf = p->notice_buf, .len = p->desc.interrupt_packet };
	return sim_in(p, &p->notice, &p->notice_in_flight, out, cap, len, ms);
}

static enum ccid_err sim_control(void *user, uint8_t type, uint8_t request, uint16_t value, uint16_t index,
				 uint8_t *data, size_t len, size_t *actual, unsigned ms)
{
	struct sim_urb u = {
		.type = SIM_CONTROL, .buf = data, .len = len,
		.setup = { type, request, (uint8_t)value, (uint8_t)(value >> 8), (uint8_t)index,
			   (uint8_t)(index >> 8), (uint8_t)len, (uint8_t)(len >> 8) },
	};
	enum ccid_err err = sim_out(user, &u, ms);

	*actual = err == CCID_OK ? u.actual : 0;
	return err;
}

static void sim_end(void *user)
{
	((struct sim_pipes *)user)->ended++;
}

/* config: text of a simulator file with one reader. Returns NULL, or an error message. */
static const char *sim_pipes_open(struct sim_pipes *p, const char *config, struct pipes *hooks)
{
	static char err[200];
	struct sim_dev **devs;
	const uint8_t *d;
	size_t len;

	memset(p, 0, sizeof *p);
	sim_log[0] = '\0';
	if (sim_config_parse(config, &devs, err, sizeof err) != 1)
		return err;
	p->dev = devs[0];
	free(devs);
	p->in_buf = malloc(SIM_ROOM);
	*hooks = (struct pipes){ .user = p, .send = sim_send, .receive = sim_receive, .control = sim_control,
				 .notice = sim_notice, .end = sim_end };
	d = sim_dev_descriptors(p->dev, &len);
	return ccid_desc_of(&p->desc, d, d + 18, len - 18, -1);
}

static void sim_pipes_close(struct sim_pipes *p)
{
	sim_dev_free(p->dev);
	free(p->in_buf);
}

#endif
