/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ccid-sim usbip: simulated readers for the kernel of this machine or of another one. */
#define _GNU_SOURCE
#include "sim/host/host.h"
#include "sim/host/usbip.h"

#include <errno.h>
#include <netdb.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define MAX_CONTROLS 16
#define STATUS_COMPLAINTS 1
#define STATUS_ERROR 2

enum { FD_SIGNAL, FD_USBIP, FD_CONTROL, FD_CONTROLS, FD_LINKS = FD_CONTROLS + MAX_CONTROLS,
       FD_MAX = FD_LINKS + USBIP_MAX_LINKS };

struct front {
	struct sim_host host;			/* first: host_front's functions find us from it */
	struct usbip_bus bus;
	struct usbip_server *server;
	struct pollfd fds[FD_MAX];
	uint8_t buf[sizeof(struct wire_msg) + WIRE_MAX_DATA];
};

/* --- plugs and sockets --- */

static struct usbip_export *export_of(struct sim_host *r, const struct host_port *p)
{
	return &((struct front *)(void *)r)->bus.exports[p->number - 1];
}

static int plug(struct sim_host *r, struct host_port *p)
{
	if (p->device) {
		errno = EEXIST;
		return -1;
	}
	if (!sim_dev_is_plugged(p->dev))
		sim_dev_plug(p->dev, host_now());
	p->device = p->number + 1;
	export_of(r, p)->plugged = true;
	return 0;
}

static void unplug(struct sim_host *r, struct host_port *p)
{
	struct front *f = (struct front *)(void *)r;

	if (sim_dev_is_plugged(p->dev))
		sim_dev_unplug(p->dev, host_now());
	usbip_bus_gone(&f->bus, export_of(r, p), host_now());
	p->device = 0;
}

static void reset(struct sim_host *r, struct host_port *p)
{
	(void)r;
	sim_dev_reset(p->dev, host_now());
}

static const struct host_front usbip_front = { plug, unplug, reset };

static int listen_on(const char *address, const char *port)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICHOST }, *a = NULL;
	int fd = -1, on = 1, error = getaddrinfo(address, port, &hints, &a);

	if (error) {
		fprintf(stderr, "ccid-sim: %s port %s: %s\n", address, port, gai_strerror(error));
		return -1;
	}
	fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) ||
	    bind(fd, a->ai_addr, a->ai_addrlen) || listen(fd, 16)) {
		fprintf(stderr, "ccid-sim: %s port %s: %s\n", address, port, strerror(errno));
		if (fd >= 0)
			close(fd);
		fd = -1;
	}
	freeaddrinfo(a);
	return fd;
}

/* The path may be left over from a killed server; the path of a live server is not taken away. */
static int listen_control(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (strlen(path) >= sizeof a.sun_path) {
		errno = ENAMETOOLONG;
	} else if (fd >= 0) {
		strcpy(a.sun_path, path);
		if (connect(fd, (struct sockaddr *)&a, sizeof a) && errno == ECONNREFUSED)
			unlink(path);
		close(fd);
		fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		if (fd >= 0 && !bind(fd, (struct sockaddr *)&a, sizeof a) && !listen(fd, 16))
			return fd;
	}
	fprintf(stderr, "ccid-sim: %s: %s\n", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

/* --- control commands --- */

static void command(struct front *f, int fd, size_t len)
{
	char *line = strndup((char *)f->buf + sizeof(struct wire_msg), len - sizeof(struct wire_msg)), *text = NULL;
	struct wire_msg m;
	size_t n = 0;
	FILE *out = open_memstream(&text, &n);

	if (line && out) {
		memcpy(&m, f->buf, sizeof m);
		m.status = m.op == WIRE_COMMAND && host_command(&f->host, line, out) ? 0 : -1;
		fclose(out);
		n = n < WIRE_MAX_DATA ? n : WIRE_MAX_DATA;
		m.length = (uint32_t)n;
		memcpy(f->buf, &m, sizeof m);
		memcpy(f->buf + sizeof m, text, n);
		if (send(fd, f->buf, sizeof m + n, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
			fprintf(stderr, "ccid-sim: control: %s\n", strerror(errno));
	}
	free(text);
	free(line);
}

static void serve_control(struct front *f, struct pollfd *p)
{
	ssize_t got = recv(p->fd, f->buf, sizeof f->buf, MSG_DONTWAIT);

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got >= (ssize_t)sizeof(struct wire_msg)) {
		command(f, p->fd, (size_t)got);
		return;
	}
	close(p->fd);
	p->fd = -1;
}

static void accept_control(struct front *f)
{
	int fd = accept4(f->fds[FD_CONTROL].fd, NULL, NULL, SOCK_CLOEXEC);

	for (unsigned i = 0; fd >= 0 && i < MAX_CONTROLS; i++) {
		if (f->fds[FD_CONTROLS + i].fd < 0) {
			f->fds[FD_CONTROLS + i].fd = fd;
			return;
		}
	}
	if (fd >= 0)
		close(fd);
}

/* --- the loop --- */

/* A device may go away by itself: a fault can do that. */
static void notice_vanished(struct sim_host *r)
{
	for (unsigned i = 0; i < r->n_ports; i++)
		if (r->ports[i].device && !sim_dev_is_plugged(r->ports[i].dev))
			unplug(r, &r->ports[i]);
}

/* Returns false when it is time to end. */
static bool turn(struct front *f, uint64_t *next)
{
	uint64_t foreign, now = host_now(), wait = *next > now ? *next - now : 0;
	struct timespec t = { (time_t)(wait / 1000000000u), (long)(wait % 1000000000u) };
	unsigned n = usbip_server_poll(f->server, f->fds + FD_LINKS);
	int fd;

	if (ppoll(f->fds, FD_LINKS + n, *next == UINT64_MAX ? NULL : &t, NULL) < 0)
		return errno == EINTR;
	for (unsigned i = 0; i < MAX_CONTROLS; i++)
		if (f->fds[FD_CONTROLS + i].fd >= 0 && f->fds[FD_CONTROLS + i].revents)
			serve_control(f, &f->fds[FD_CONTROLS + i]);
	if (f->fds[FD_CONTROL].revents)
		accept_control(f);
	foreign = host_foreign_run(&f->host, host_now());
	*next = usbip_server_turn(f->server, f->fds + FD_LINKS, n, host_now());
	*next = foreign < *next ? foreign : *next;
	if (f->fds[FD_USBIP].revents && (fd = accept4(f->fds[FD_USBIP].fd, NULL, NULL, SOCK_CLOEXEC)) >= 0)
		usbip_server_add(f->server, fd);
	notice_vanished(&f->host);
	return !f->fds[FD_SIGNAL].revents;
}

static int signals(void)
{
	sigset_t s;

	sigemptyset(&s);
	sigaddset(&s, SIGTERM);
	sigaddset(&s, SIGINT);
	sigprocmask(SIG_BLOCK, &s, NULL);
	return signalfd(-1, &s, SFD_CLOEXEC | SFD_NONBLOCK);
}

static int front_start(struct front *f, const struct host_usbip_options *o)
{
	struct sim_host *r = &f->host;
	char line[] = "trace on";

	for (unsigned i = 0; i < FD_LINKS; i++)
		f->fds[i] = (struct pollfd){ .fd = -1, .events = POLLIN };
	r->front = &usbip_front;
	r->started = host_now();
	if (host_load(r, o->file))
		return -1;
	f->bus.exports = calloc(r->n_ports + 1, sizeof *f->bus.exports);
	f->server = usbip_server_new(&f->bus);
	if (!f->bus.exports || !f->server)
		return -1;
	f->bus.n = r->n_ports;
	for (unsigned i = 0; i < r->n_ports; i++) {
		f->bus.exports[i].dev = r->ports[i].dev;
		if (sim_dev_is_plugged(r->ports[i].dev))
			plug(r, &r->ports[i]);
	}
	if (o->trace)
		host_command(r, line, stderr);
	f->fds[FD_SIGNAL].fd = signals();
	f->fds[FD_USBIP].fd = listen_on(o->address, o->port);
	if (f->fds[FD_USBIP].fd < 0)
		return -1;
	if (o->control)
		f->fds[FD_CONTROL].fd = listen_control(o->control);
	return o->control && f->fds[FD_CONTROL].fd < 0 ? -1 : 0;
}

static void finish(struct front *f, const struct host_usbip_options *o)
{
	host_foreign_free(&f->host);
	if (f->server)
		usbip_server_free(f->server, host_now());
	if (f->fds[FD_CONTROL].fd >= 0)
		unlink(o->control);
	for (unsigned i = 0; i < FD_LINKS; i++)
		if (f->fds[i].fd >= 0)
			close(f->fds[i].fd);
	host_unload(&f->host);
	free(f->bus.exports);
}

int host_usbip(const struct host_usbip_options *o)
{
	struct front *f = calloc(1, sizeof *f);
	int status = STATUS_ERROR;
	uint64_t next = 0;

	if (!f)
		return status;
	if (!front_start(f, o)) {
		printf("ccid-sim: %u readers, USB/IP on %s port %s\n", f->host.n_ports, o->address, o->port);
		fflush(stdout);
		while (turn(f, &next))
			;
		status = host_complaints(&f->host, stderr) ? STATUS_COMPLAINTS : 0;
	}
	finish(f, o);
	free(f);
	return status;
}
