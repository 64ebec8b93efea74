/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* USB/IP connections on their sockets. */
#define _GNU_SOURCE
#include "sim/host/usbip.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define CHUNK 32768

struct conn {
	int fd;				/* -1: the place is free */
	struct usbip_link *link;
	bool dead;
};

struct usbip_server {
	struct usbip_bus *bus;
	struct conn conns[USBIP_MAX_LINKS];
	uint8_t chunk[CHUNK];
};

struct usbip_server *usbip_server_new(struct usbip_bus *b)
{
	struct usbip_server *s = calloc(1, sizeof *s);

	if (!s)
		return NULL;
	s->bus = b;
	for (unsigned i = 0; i < USBIP_MAX_LINKS; i++)
		s->conns[i].fd = -1;
	return s;
}

static void drop(struct conn *c, uint64_t now)
{
	usbip_link_free(c->link, now);
	close(c->fd);
	c->fd = -1;
}

void usbip_server_free(struct usbip_server *s, uint64_t now)
{
	for (unsigned i = 0; i < USBIP_MAX_LINKS; i++)
		if (s->conns[i].fd >= 0)
			drop(&s->conns[i], now);
	free(s);
}

void usbip_server_add(struct usbip_server *s, int fd)
{
	int on = 1;
	unsigned i;

	for (i = 0; i < USBIP_MAX_LINKS && s->conns[i].fd >= 0; i++)
		;
	if (i == USBIP_MAX_LINKS || fcntl(fd, F_SETFL, O_NONBLOCK)) {
		close(fd);
		return;
	}
	/* A command and its answer are small and the other side waits for each. (Only TCP has the option.) */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
	s->conns[i].fd = fd;
	s->conns[i].link = usbip_link_new(s->bus);
	s->conns[i].dead = false;
}

unsigned usbip_server_poll(const struct usbip_server *s, struct pollfd *p)
{
	const uint8_t *bytes;
	unsigned n = 0;

	for (unsigned i = 0; i < USBIP_MAX_LINKS; i++) {
		if (s->conns[i].fd < 0)
			continue;
		p[n].fd = s->conns[i].fd;
		p[n].events = POLLIN;
		if (usbip_link_output(s->conns[i].link, &bytes))
			p[n].events |= POLLOUT;
		p[n++].revents = 0;
	}
	return n;
}

static bool try_again(void)
{
	return errno == EAGAIN || errno == EINTR;
}

/* One portion, as other connections wait, too. */
static void receive(struct usbip_server *s, struct conn *c, uint64_t now)
{
	ssize_t got = recv(c->fd, s->chunk, sizeof s->chunk, MSG_DONTWAIT);

	if (got < 0 && try_again())
		return;
	if (got <= 0 || !usbip_link_receive(c->link, s->chunk, (size_t)got, now))
		c->dead = true;
}

static void transmit(struct conn *c)
{
	const uint8_t *p;
	size_t len;
	ssize_t n;

	while ((len = usbip_link_output(c->link, &p))) {
		n = send(c->fd, p, len, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0) {
			c->dead = !try_again();
			return;
		}
		usbip_link_sent(c->link, (size_t)n);
	}
	if (usbip_link_ends(c->link))
		c->dead = true;
}

uint64_t usbip_server_turn(struct usbip_server *s, const struct pollfd *p, unsigned n, uint64_t now)
{
	uint64_t next;
	unsigned i;

	for (unsigned k = 0; k < n; k++) {
		if (!(p[k].revents & (POLLIN | POLLHUP | POLLERR)))
			continue;
		for (i = 0; i < USBIP_MAX_LINKS && s->conns[i].fd != p[k].fd; i++)
			;
		if (i < USBIP_MAX_LINKS)
			receive(s, &s->conns[i], now);
	}
	next = usbip_bus_run(s->bus, now);
	for (i = 0; i < USBIP_MAX_LINKS; i++) {
		if (s->conns[i].fd < 0)
			continue;
		if (!s->conns[i].dead)
			transmit(&s->conns[i]);
		if (s->conns[i].dead)
			drop(&s->conns[i], now);
	}
	return next;
}
