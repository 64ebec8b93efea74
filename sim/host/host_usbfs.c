/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The kernel's side of usbfs: open device nodes, claims, and requests on their way to a simulated device. */
#define _GNU_SOURCE
#include "sim/host/host.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

struct packet {
	struct packet *next;
	size_t len;
	uint8_t bytes[];
};

/* A connection. It becomes a handle's first or second, or stays alone and carries commands. */
struct conn {
	int fd;
	struct handle *handle;
	struct packet *out, **out_tail;	/* what the socket would not take yet */
	bool want_out, closing, dead;
	struct conn *next;
};

/* An open device node. */
struct handle {
	uint64_t id;
	struct host_port *port;
	struct conn *node, *sync;
	uint32_t claims;
	bool gone;
	struct request *requests;
	struct handle *next;
};

struct request {
	struct sim_urb urb;
	struct handle *handle;		/* NULL: the node was closed meanwhile */
	uint64_t cookie;
	bool sync;
	bool timed_out;
	uint64_t deadline;
	struct request *next;
	uint8_t data[];
};

struct host_usbfs {
	struct sim_host *host;
	int epoll;
	uint64_t next_id;
	struct conn *conns;
	struct handle *handles;
	uint8_t in[sizeof(struct wire_msg) + WIRE_MAX_DATA];
};

struct host_usbfs *host_usbfs_new(struct sim_host *r)
{
	struct host_usbfs *u = calloc(1, sizeof *u);

	if (!u)
		return NULL;
	u->host = r;
	u->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (u->epoll < 0) {
		free(u);
		return NULL;
	}
	return u;
}

int host_usbfs_epoll(const struct host_usbfs *u)
{
	return u->epoll;
}

/* --- connections --- */

void host_usbfs_accept(struct host_usbfs *u, int fd)
{
	struct epoll_event e = { .events = EPOLLIN };
	struct conn *c = calloc(1, sizeof *c);

	if (!c) {
		close(fd);
		return;
	}
	c->fd = fd;
	c->out_tail = &c->out;
	c->next = u->conns;
	u->conns = c;
	e.data.ptr = c;
	if (epoll_ctl(u->epoll, EPOLL_CTL_ADD, fd, &e))
		c->dead = true;
}

static void want_out(struct host_usbfs *u, struct conn *c, bool want)
{
	struct epoll_event e = { .events = EPOLLIN | (want ? EPOLLOUT : 0u), .data.ptr = c };

	if (c->want_out == want)
		return;
	c->want_out = want;
	epoll_ctl(u->epoll, EPOLL_CTL_MOD, c->fd, &e);
}

static void hang_up(struct conn *c)
{
	if (c && c->fd >= 0 && !c->dead) {
		shutdown(c->fd, SHUT_RDWR);
		c->dead = true;
	}
}

static bool send_now(struct conn *c, const void *bytes, size_t len)
{
	ssize_t r = send(c->fd, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL);

	/* A peer that is gone accepts everything. */
	return r >= 0 || (errno != EAGAIN && errno != EINTR && errno != ENOBUFS);
}

static void flush(struct host_usbfs *u, struct conn *c)
{
	struct packet *p;

	while ((p = c->out) && send_now(c, p->bytes, p->len)) {
		c->out = p->next;
		if (!c->out)
			c->out_tail = &c->out;
		free(p);
	}
	want_out(u, c, c->out);
	if (!c->out && c->closing)
		hang_up(c);
}

static void reply(struct host_usbfs *u, struct conn *c, const struct wire_msg *m, const void *data, size_t len)
{
	struct packet *p;

	if (!c || c->dead)
		return;
	p = malloc(sizeof *p + sizeof *m + len);
	if (!p) {
		hang_up(c);
		return;
	}
	p->next = NULL;
	p->len = sizeof *m + len;
	memcpy(p->bytes, m, sizeof *m);
	if (len)
		memcpy(p->bytes + sizeof *m, data, len);
	*c->out_tail = p;
	c->out_tail = &p->next;
	if (!c->want_out)
		flush(u, c);
}

static void answer(struct host_usbfs *u, struct conn *c, struct wire_msg *m, int status)
{
	m->status = status;
	m->length = 0;
	reply(u, c, m, NULL, 0);
}

/* --- handles --- */

static void discard_all(struct handle *h)
{
	struct request *next;

	for (struct request *q = h->requests; q; q = next) {
		next = q->next;
		sim_dev_discard(h->port->dev, &q->urb, host_now());
	}
}

static void handle_close(struct host_usbfs *u, struct handle *h)
{
	struct handle **p = &u->handles;

	while (*p != h)
		p = &(*p)->next;
	*p = h->next;
	discard_all(h);
	/* Requests still on their way come out of the device later and are freed then. */
	for (struct request *q = h->requests; q; q = q->next)
		q->handle = NULL;
	if (h->node)
		h->node->handle = NULL;
	if (h->sync)
		h->sync->handle = NULL;
	hang_up(h->node);
	free(h);
}

static void conn_lost(struct host_usbfs *u, struct conn *c)
{
	struct handle *h = c->handle;

	c->dead = true;
	c->handle = NULL;
	if (!h)
		return;
	if (h->sync == c)
		h->sync = NULL;
	else
		handle_close(u, h);
}

static void conn_free(struct conn *c)
{
	struct packet *p;

	while ((p = c->out)) {
		c->out = p->next;
		free(p);
	}
	close(c->fd);
	free(c);
}

void host_usbfs_sweep(struct host_usbfs *u)
{
	struct conn **p = &u->conns, *c;

	while ((c = *p)) {
		if (!c->dead) {
			p = &c->next;
			continue;
		}
		if (c->handle)
			conn_lost(u, c);
		*p = c->next;
		conn_free(c);
	}
}

void host_usbfs_free(struct host_usbfs *u)
{
	struct conn *c;

	while (u->handles)
		handle_close(u, u->handles);
	while ((c = u->conns)) {
		u->conns = c->next;
		conn_free(c);
	}
	host_usbfs_run(u, host_now());
	close(u->epoll);
	free(u);
}

static void open_node(struct host_usbfs *u, struct conn *c, struct wire_msg *m)
{
	struct host_port *p = host_port_by_device(u->host, m->arg & 0xffff);
	struct handle *h;

	if (m->arg >> 16 != HOST_BUS || !p) {
		/* The root hub can be looked at in sysfs only. */
		answer(u, c, m, m->arg == (HOST_BUS << 16 | 1) ? -EACCES : -ENODEV);
		return;
	}
	h = calloc(1, sizeof *h);
	if (!h || c->handle) {
		free(h);
		answer(u, c, m, -ENOMEM);
		return;
	}
	h->id = m->cookie = ++u->next_id;
	h->port = p;
	h->node = c;
	h->next = u->handles;
	u->handles = h;
	c->handle = h;
	answer(u, c, m, 0);
}

static void join_node(struct host_usbfs *u, struct conn *c, struct wire_msg *m)
{
	const uint8_t *d;
	struct handle *h;
	size_t len;

	for (h = u->handles; h && h->id != m->cookie; h = h->next)
		;
	if (!h || h->sync || h->gone) {
		answer(u, c, m, -ENODEV);
		return;
	}
	h->sync = c;
	c->handle = h;
	d = sim_dev_descriptors(h->port->dev, &len);
	m->status = 0;
	m->arg = sim_dev_speed(h->port->dev);
	m->length = (uint32_t)len;
	reply(u, c, m, d, len);
}

/* --- claims --- */

/* Whether another open node holds the interface. One whose program has ended, but which was not served
 * yet, does not count. */
static bool claimed_by_other(struct host_usbfs *u, const struct handle *h, unsigned interface)
{
	struct handle *next;

	for (struct handle *o = u->handles; o; o = next) {
		next = o->next;
		if (o == h || o->port != h->port || o->gone || !(o->claims & 1u << interface))
			continue;
		if (recv(o->node->fd, u->in, 1, MSG_PEEK | MSG_DONTWAIT) != 0)
			return true;
		conn_lost(u, o->node);
		next = u->handles;
	}
	return false;
}

static int claim(struct host_usbfs *u, struct handle *h, unsigned interface)
{
	unsigned i;

	if (interface >= HOST_MAX_INTERFACES)
		return -EINVAL;
	for (i = 0; i < h->port->n_faces && h->port->faces[i][2] != interface; i++)
		;
	if (i == h->port->n_faces)
		return -ENOENT;
	if (claimed_by_other(u, h, interface))
		return -EBUSY;
	h->claims |= 1u << interface;
	return 0;
}

/* bInterfaceNumber of the interface an endpoint is in, or -1. */
static int interface_of(const struct sim_dev *d, unsigned endpoint)
{
	size_t len;
	const uint8_t *p = sim_dev_descriptors(d, &len);
	int interface = -1;

	for (size_t i = 18; i + 3 <= len && p[i] >= 2 && i + p[i] <= len; i += p[i]) {
		if (p[i + 1] == 4)
			interface = p[i + 2];
		if (p[i + 1] == 5 && p[i + 2] == endpoint)
			return interface;
	}
	return -1;
}

/* A released interface's requests are ended by the kernel. */
static int release(struct handle *h, unsigned interface)
{
	struct request *next;

	if (interface >= HOST_MAX_INTERFACES || !(h->claims & 1u << interface))
		return -EINVAL;
	h->claims &= ~(1u << interface);
	for (struct request *q = h->requests; q; q = next) {
		next = q->next;
		if (!q->sync && q->urb.type != SIM_CONTROL &&
		    interface_of(h->port->dev, q->urb.endpoint) == (int)interface)
			sim_dev_discard(h->port->dev, &q->urb, host_now());
	}
	return 0;
}

static int driver_of(struct host_usbfs *u, struct handle *h, unsigned interface)
{
	if (interface >= HOST_MAX_INTERFACES)
		return -EINVAL;
	return h->claims & 1u << interface || claimed_by_other(u, h, interface) ? 0 : -ENODATA;
}

/* --- requests --- */

static bool is_in(const struct wire_msg *m)
{
	return (m->type == SIM_CONTROL ? m->setup[0] : m->endpoint) & 0x80;
}

/* As the kernel does, an endpoint's interface is claimed for a program that forgot to. */
static int may_use(struct host_usbfs *u, struct handle *h, const struct wire_msg *m)
{
	int interface;

	if (m->type == SIM_CONTROL)
		return 0;
	interface = interface_of(h->port->dev, m->endpoint);
	if (interface < 0)
		return -ENOENT;
	return h->claims & 1u << interface ? 0 : claim(u, h, (unsigned)interface);
}

static int submit(struct host_usbfs *u, struct handle *h, const struct wire_msg *m, const uint8_t *data,
		  size_t len, bool sync)
{
	struct request *q;
	int r = may_use(u, h, m);

	if (r)
		return r;
	if (m->length > WIRE_MAX_DATA || (!is_in(m) && m->length > len))
		return -EINVAL;
	q = calloc(1, sizeof *q + m->length + 1);
	if (!q)
		return -ENOMEM;
	q->handle = h;
	q->cookie = m->cookie;
	q->sync = sync;
	q->deadline = m->timeout_ms ? host_now() + m->timeout_ms * 1000000ull : UINT64_MAX;
	q->urb.type = (enum sim_urb_type)m->type;
	q->urb.endpoint = (uint8_t)m->endpoint;
	memcpy(q->urb.setup, m->setup, sizeof m->setup);
	q->urb.buf = q->data;
	q->urb.len = m->length;
	q->urb.user = q;
	if (!is_in(m) && data)
		memcpy(q->data, data, m->length);
	q->next = h->requests;
	h->requests = q;
	sim_dev_submit(h->port->dev, &q->urb, host_now());
	return 0;
}

static void complete(struct host_usbfs *u, struct request *q)
{
	struct handle *h = q->handle;
	struct request **p;
	struct wire_msg m = {
		.op = WIRE_COMPLETE, .cookie = q->cookie, .type = q->urb.type, .status = q->urb.status,
		.endpoint = q->urb.endpoint, .arg = (uint32_t)q->urb.actual,
	};

	if (h) {
		memcpy(m.setup, q->urb.setup, sizeof m.setup);
		for (p = &h->requests; *p != q; p = &(*p)->next)
			;
		*p = q->next;
		m.length = is_in(&m) ? m.arg : 0;
		if (q->sync && m.status == SIM_CANCELLED)
			m.status = q->timed_out ? -ETIMEDOUT : -ENODEV;
		if (q->sync && m.status == SIM_GONE)
			m.status = -ENODEV;
		reply(u, q->sync ? h->sync : h->node, &m, q->data, m.length);
	}
	free(q);
}

static void discard(struct handle *h, uint64_t cookie)
{
	for (struct request *q = h->requests; q; q = q->next) {
		if (q->sync || q->cookie != cookie)
			continue;
		sim_dev_discard(h->port->dev, &q->urb, host_now());
		return;
	}
}

static uint64_t expire(struct handle *h, uint64_t now)
{
	uint64_t next = UINT64_MAX;

	for (struct request *q = h->requests; q; q = q->next) {
		if (q->deadline <= now && !q->timed_out) {
			q->timed_out = true;
			sim_dev_discard(h->port->dev, &q->urb, now);
		} else if (q->deadline < next && !q->timed_out) {
			next = q->deadline;
		}
	}
	return next;
}

uint64_t host_usbfs_run(struct host_usbfs *u, uint64_t now)
{
	uint64_t next = UINT64_MAX, t;
	struct sim_urb *s;

	for (struct handle *h = u->handles; h; h = h->next) {
		t = expire(h, now);
		next = t < next ? t : next;
	}
	for (unsigned i = 0; i < u->host->n_ports; i++) {
		struct sim_dev *d = u->host->ports[i].dev;

		while ((s = sim_dev_reap(d, now)))
			complete(u, s->user);
		t = sim_dev_next(d);
		next = t < next ? t : next;
	}
	return next;
}

void host_usbfs_gone(struct host_usbfs *u, struct host_port *p)
{
	host_usbfs_run(u, host_now());
	for (struct handle *h = u->handles; h; h = h->next) {
		if (h->port != p || h->gone)
			continue;
		h->gone = true;
		h->claims = 0;
		h->node->closing = true;
		flush(u, h->node);
	}
}

void host_usbfs_reset(struct host_usbfs *u, struct host_port *p)
{
	for (struct handle *h = u->handles; h; h = h->next)
		if (h->port == p)
			h->claims = 0;
	/* Requests that wait end with ESHUTDOWN, as when the kernel unbinds usbfs for the reset. */
	sim_dev_reset(p->dev, host_now());
}

/* --- messages --- */

/* A standard control request that the kernel would send for an ioctl; its completion answers. */
static int standard(struct host_usbfs *u, struct handle *h, uint8_t type, uint8_t request, unsigned value,
		    unsigned index)
{
	struct wire_msg m = {
		.type = SIM_CONTROL, .timeout_ms = 5000,
		.setup = { type, request, value & 0xff, (value >> 8) & 0xff, index & 0xff, (index >> 8) & 0xff },
	};

	return submit(u, h, &m, NULL, 0, true);
}

static void serve_sync(struct host_usbfs *u, struct conn *c, struct wire_msg *m, const uint8_t *data, size_t len)
{
	struct handle *h = c->handle;
	int r;

	if (h->gone && m->op != WIRE_CLOSE) {
		answer(u, c, m, -ENODEV);
		return;
	}
	switch (m->op) {
	case WIRE_CLAIM:
		answer(u, c, m, claim(u, h, m->arg));
		return;
	case WIRE_RELEASE:
		answer(u, c, m, release(h, m->arg));
		return;
	case WIRE_DRIVER:
		answer(u, c, m, driver_of(u, h, m->arg));
		return;
	case WIRE_RESET:
		host_usbfs_reset(u, h->port);
		answer(u, c, m, 0);
		return;
	case WIRE_CLOSE:
		handle_close(u, h);
		answer(u, c, m, 0);
		return;
	case WIRE_SET_INTERFACE:
		r = standard(u, h, 0x01, 11, m->arg & 0xff, m->arg >> 8);
		break;
	case WIRE_SET_CONFIGURATION:
		r = standard(u, h, 0x00, 9, m->arg, 0);
		break;
	case WIRE_CLEAR_HALT:
		r = standard(u, h, 0x02, 1, 0, m->arg);
		break;
	case WIRE_TRANSFER:
		r = submit(u, h, m, data, len, true);
		break;
	default:
		r = -ENOTTY;
	}
	if (r)
		answer(u, c, m, r);
}

static void serve_node(struct host_usbfs *u, struct conn *c, struct wire_msg *m, const uint8_t *data, size_t len)
{
	int r;

	if (m->op == WIRE_DISCARD) {
		discard(c->handle, m->cookie);
	} else if (m->op == WIRE_SUBMIT) {
		r = submit(u, c->handle, m, data, len, false);
		if (!r)
			return;
		m->op = WIRE_COMPLETE;
		m->arg = 0;
		answer(u, c, m, r);
	}
}

static void serve_command(struct host_usbfs *u, struct conn *c, struct wire_msg *m, const uint8_t *data, size_t len)
{
	char *line = strndup((const char *)data, len), *text = NULL;
	size_t text_len = 0;
	FILE *out = open_memstream(&text, &text_len);

	if (line && out) {
		m->status = host_command(u->host, line, out) ? 0 : -1;
		fclose(out);
		m->length = (uint32_t)(text_len < WIRE_MAX_DATA ? text_len : WIRE_MAX_DATA);
		reply(u, c, m, text, m->length);
	}
	free(text);
	free(line);
}

static void serve(struct host_usbfs *u, struct conn *c, size_t got)
{
	const uint8_t *data = u->in + sizeof(struct wire_msg);
	size_t len = got - sizeof(struct wire_msg);
	struct wire_msg m;

	memcpy(&m, u->in, sizeof m);
	if (m.op == WIRE_OPEN)
		open_node(u, c, &m);
	else if (m.op == WIRE_JOIN)
		join_node(u, c, &m);
	else if (m.op == WIRE_COMMAND)
		serve_command(u, c, &m, data, len);
	else if (!c->handle)
		answer(u, c, &m, -ENODEV);
	else if (c == c->handle->sync)
		serve_sync(u, c, &m, data, len);
	else
		serve_node(u, c, &m, data, len);
}

/* Serves all that a connection has said so far. */
static void pump(struct host_usbfs *u, struct conn *c)
{
	ssize_t got;

	while (!c->dead) {
		/* A node's requests were made before the ioctl that arrives beside them. */
		if (c->handle && c == c->handle->sync)
			pump(u, c->handle->node);
		if (c->dead)
			return;
		got = recv(c->fd, u->in, sizeof u->in, MSG_DONTWAIT);
		if (got < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (got < (ssize_t)sizeof(struct wire_msg))
			conn_lost(u, c);
		else
			serve(u, c, (size_t)got);
	}
}

void host_usbfs_event(struct host_usbfs *u, void *ptr, uint32_t events)
{
	struct conn *c = ptr;

	if (!c->dead && events & EPOLLOUT)
		flush(u, c);
	if (!c->dead && events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		pump(u, c);
}
