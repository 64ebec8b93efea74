/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Slots with foreign cards: listens for each expected card, on the loopback address only, inserts
 * the card when its program connects and removes it when the program goes. */
#define _GNU_SOURCE
#include "sim/host/host.h"
#include "sim/model/sim_card.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define LOOK_EVERY 20000000ull	/* ns */

struct guest {
	struct host_port *port;
	unsigned interface, slot;
	char *spec;
	struct sim_foreign_spec parsed;
	int listen;		/* -1: none; the bridge's, until it has found a card */
	pid_t bridge;		/* pcsc:READER: the process that brings the card; 0: none */
	struct host_vpcd *link;	/* NULL: no card is there */
	bool seated;		/* the card is in the slot */
	bool told;		/* the last failure was */
	struct guest *next;
};

struct host_foreign {
	unsigned changes;
	struct guest *guests;
};

static void failed(struct guest *g, const char *what)
{
	if (!g->told)
		fprintf(stderr, "ccid-sim: %s: %s: %s\n", g->spec, what, strerror(errno));
	g->told = true;
}

static int listen_on(unsigned port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd >= 0 && !setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) &&
	    !bind(fd, (struct sockaddr *)&a, sizeof a) && !listen(fd, 1))
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

static void end_bridge(struct guest *g)
{
	if (g->bridge > 0) {
		kill(g->bridge, SIGKILL);
		waitpid(g->bridge, NULL, 0);
	}
	g->bridge = 0;
}

/* The bridge's socket when it has found a card, else -1. */
static int bridge_arrival(struct guest *g)
{
	uint8_t empty[2];
	ssize_t n;
	int fd;

	if (!g->bridge) {
		g->listen = host_pcsc_start(g->parsed.reader, &g->bridge);
		if (g->listen < 0)
			failed(g, "cannot start");
		return -1;
	}
	n = recv(g->listen, empty, sizeof empty, MSG_DONTWAIT);
	if (n < 0)
		return -1;
	fd = g->listen;
	g->listen = -1;
	if (n == sizeof empty)
		return fd;
	close(fd);
	end_bridge(g);
	return -1;
}

/* A new connection, or -1. */
static int arrival(struct guest *g)
{
	int fd, on = 1;

	if (!g->parsed.port)
		return bridge_arrival(g);
	if (g->listen < 0)
		g->listen = listen_on(g->parsed.port);
	if (g->listen < 0) {
		failed(g, "cannot listen");
		return -1;
	}
	fd = accept4(g->listen, NULL, NULL, SOCK_CLOEXEC);
	if (fd >= 0)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	return fd;
}

static void depart(struct guest *g, uint64_t now)
{
	if (g->seated)
		sim_dev_foreign_go(g->port->dev, g->interface, g->slot, now);
	g->seated = false;
	host_vpcd_free(g->link);
	g->link = NULL;
	end_bridge(g);
}

/* The card is inserted when its ATR has come; a program that keeps silent is a mute card. */
static void seat(struct guest *g, uint64_t now)
{
	char err[160] = "";

	if (!host_vpcd_awake(g->link))
		return;
	g->seated = sim_dev_foreign_come(g->port->dev, g->interface, g->slot, g->parsed.words, &host_vpcd_card, g->link,
					 now, err, sizeof err);
	if (!g->seated)
		depart(g, now);
}

static void serve(struct guest *g, uint64_t now)
{
	int fd;

	if (!g->link) {
		fd = arrival(g);
		if (fd >= 0)
			g->link = host_vpcd_new(fd, g->parsed.wait_s);
	}
	if (g->link && !host_vpcd_run(g->link, now))
		depart(g, now);
	else if (g->link && !g->seated)
		seat(g, now);
}

/* --- expected cards --- */

static void guest_free(struct guest *g, uint64_t now)
{
	/* the command "remove" has taken the card out, and frees the words that name its place */
	if (g->seated && !sim_dev_has_card(g->port->dev, g->interface, g->slot))
		g->seated = false;
	depart(g, now);
	if (g->listen >= 0)
		close(g->listen);
	free(g->spec);
	free(g);
}

static void dismiss(struct host_foreign *f, uint64_t now)
{
	struct guest **p = &f->guests, *g;

	while ((g = *p)) {
		const char *spec = sim_dev_foreign(g->port->dev, g->interface, g->slot);

		if (spec && !strcmp(spec, g->spec) &&
		    (!g->seated || sim_dev_has_card(g->port->dev, g->interface, g->slot))) {
			p = &g->next;
			continue;
		}
		*p = g->next;
		guest_free(g, now);
	}
}

static bool is_known(const struct host_foreign *f, const struct host_port *port, unsigned interface, unsigned slot)
{
	const struct guest *g = f->guests;

	while (g && (g->port != port || g->interface != interface || g->slot != slot))
		g = g->next;
	return g != NULL;
}

static void expect(struct host_foreign *f, struct host_port *port, unsigned interface, unsigned slot)
{
	const char *spec = sim_dev_foreign(port->dev, interface, slot);
	struct guest *g;
	char err[160];

	if (!spec || is_known(f, port, interface, slot) || !(g = calloc(1, sizeof *g)))
		return;
	g->port = port;
	g->interface = interface;
	g->slot = slot;
	g->spec = strdup(spec);
	g->listen = -1;
	sim_foreign_parse(spec, &g->parsed, err, sizeof err);
	g->next = f->guests;
	f->guests = g;
}

static void take_stock(struct sim_host *r, uint64_t now)
{
	unsigned changes = 0;

	for (unsigned p = 0; p < r->n_ports; p++)
		changes += sim_dev_foreign_changes(r->ports[p].dev);
	if (!r->foreign && changes)
		r->foreign = calloc(1, sizeof *r->foreign);
	if (!r->foreign || changes == r->foreign->changes)
		return;
	r->foreign->changes = changes;
	dismiss(r->foreign, now);
	for (unsigned p = 0; p < r->n_ports; p++)
		for (unsigned i = 0; i < sim_dev_interfaces(r->ports[p].dev); i++)
			for (unsigned s = 0; s < sim_dev_slots(r->ports[p].dev, i); s++)
				expect(r->foreign, &r->ports[p], i, s);
}

uint64_t host_foreign_run(struct sim_host *r, uint64_t now)
{
	take_stock(r, now);
	if (!r->foreign || !r->foreign->guests)
		return UINT64_MAX;
	for (struct guest *g = r->foreign->guests; g; g = g->next)
		serve(g, now);
	return now + LOOK_EVERY;
}

void host_foreign_free(struct sim_host *r)
{
	struct guest *g;

	while (r->foreign && (g = r->foreign->guests)) {
		r->foreign->guests = g->next;
		guest_free(g, host_now());
	}
	free(r->foreign);
	r->foreign = NULL;
}
