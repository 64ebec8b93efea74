/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Plugging and unplugging, as the kernel and udev report them. */
#define _GNU_SOURCE
#include "sim/host/host.h"
#include "sim/model/sim_replay.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

uint64_t host_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

struct host_port *host_port_by_device(struct sim_host *r, unsigned device)
{
	for (unsigned i = 0; i < r->n_ports; i++)
		if (device && r->ports[i].device == device)
			return &r->ports[i];
	return NULL;
}

struct host_port *host_port_by_name(struct sim_host *r, const char *name)
{
	struct host_port *found = NULL;
	char *end;
	unsigned long n = strtoul(name, &end, 10);

	if (end != name && !*end)
		return n < r->n_ports ? &r->ports[n] : NULL;
	for (unsigned i = 0; i < r->n_ports; i++) {
		if (strcasecmp(sim_dev_name(r->ports[i].dev), name) != 0)
			continue;
		if (found)
			return NULL;
		found = &r->ports[i];
	}
	return found;
}

/* Addresses count upwards, and every plugging gets a new one, as in the kernel. */
static unsigned free_address(struct sim_host *r)
{
	for (unsigned tries = 0; tries < 126; tries++) {
		r->next_device = r->next_device >= 127 ? 2 : r->next_device + 1;
		if (!host_port_by_device(r, r->next_device))
			return r->next_device;
	}
	return 0;
}

int host_plug(struct sim_host *r, struct host_port *p)
{
	if (p->device) {
		errno = EEXIST;
		return -1;
	}
	p->device = free_address(r);
	if (!p->device) {
		errno = ENOSPC;
		return -1;
	}
	if (!sim_dev_is_plugged(p->dev))
		sim_dev_plug(p->dev, host_now());
	host_interfaces(p);
	if (host_sysfs_add(p))
		return -1;
	host_uevent_send(r, p, NULL, "add");
	for (unsigned i = 0; i < p->n_faces; i++)
		host_uevent_send(r, p, p->faces[i], "add");
	return 0;
}

void host_unplug(struct sim_host *r, struct host_port *p)
{
	if (sim_dev_is_plugged(p->dev))
		sim_dev_unplug(p->dev, host_now());
	host_usbfs_gone(r->usbfs, p);
	host_sysfs_remove(p);
	for (unsigned i = 0; i < p->n_faces; i++)
		host_uevent_send(r, p, p->faces[i], "remove");
	host_uevent_send(r, p, NULL, "remove");
	p->device = 0;
}

unsigned host_complaints(const struct sim_host *r, FILE *to)
{
	unsigned n, total = 0;
	const char *text;

	for (unsigned i = 0; i < r->n_ports; i++) {
		n = sim_dev_complaints(r->ports[i].dev);
		total += n;
		for (unsigned k = 0; k < n; k++) {
			text = sim_dev_complaint(r->ports[i].dev, k);
			if (text)
				fprintf(to, "%s: %s\n", sim_dev_name(r->ports[i].dev), text);
		}
	}
	return total;
}

unsigned host_divergences(const struct sim_host *r, FILE *to)
{
	unsigned total = 0;
	const char *text;

	for (unsigned i = 0; i < r->n_ports; i++) {
		struct sim_dev *d = r->ports[i].dev;

		sim_replay_end(d);
		for (unsigned k = 0; (text = sim_replay_divergence(d, k)); k++)
			fprintf(to, "%s: %s\n", sim_dev_name(d), text);
		total += sim_replay_divergences(d);
	}
	return total;
}

void host_reset(struct sim_host *r, struct host_port *p)
{
	host_usbfs_reset(r->usbfs, p);
}

const struct host_front host_host_front = { host_plug, host_unplug, host_reset };

/* --- the readers --- */

static char *read_all(const char *path)
{
	FILE *f = strcmp(path, "-") ? fopen(path, "re") : stdin;
	size_t len = 0, cap = 0;
	char *text = NULL;

	/* Up to the zero that no text file has. */
	if (!f || getdelim(&text, &cap, 0, f) < 0) {
		if (f && feof(f) && !ferror(f) && (text = realloc(text, 1)))
			text[len] = 0;
		else
			fprintf(stderr, "ccid-sim: %s: %s\n", path, strerror(errno));
	}
	if (f && f != stdin)
		fclose(f);
	return text;
}

int host_load(struct sim_host *r, const char *config)
{
	char err[256] = "", *text = read_all(config);
	struct sim_dev **devs = NULL;
	int n;

	if (!text)
		return -1;
	n = sim_config_parse(text, &devs, err, sizeof err);
	free(text);
	if (n < 0) {
		fprintf(stderr, "ccid-sim: %s: %s\n", config, err);
		return -1;
	}
	r->ports = calloc((size_t)n + 1, sizeof *r->ports);
	for (int i = 0; r->ports && i < n; i++) {
		r->ports[i].dev = devs[i];
		r->ports[i].number = (unsigned)i + 1;
	}
	r->n_ports = r->ports ? (unsigned)n : 0;
	free(devs);
	return r->ports ? 0 : -1;
}

void host_unload(struct sim_host *r)
{
	for (unsigned i = 0; i < r->n_ports; i++)
		sim_dev_free(r->ports[i].dev);
	free(r->ports);
	if (r->trace && r->trace != stderr)
		fclose(r->trace);
}
