/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Control commands: a user's actions on readers and cards while programs use them. */
#define _GNU_SOURCE
#include "sim/host/host.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void trace_line(void *user, uint64_t now, const char *text)
{
	const struct sim_host *r = user;

	if (!r->trace)
		return;
	fprintf(r->trace, "%12.6f %s\n", (double)(now - r->started) / 1e9, text);
	fflush(r->trace);
}

/* R or R.INTERFACE; *interface is the index of the interface. The name itself may have dots. */
static struct host_port *which(struct sim_host *r, char *word, unsigned *interface, FILE *out)
{
	struct host_port *p = word ? host_port_by_name(r, word) : NULL;
	char *dot, *end;

	*interface = 0;
	dot = word && !p ? strrchr(word, '.') : NULL;
	if (dot) {
		*dot = 0;
		*interface = (unsigned)strtoul(dot + 1, &end, 10);
		p = end != dot + 1 && !*end ? host_port_by_name(r, word) : NULL;
		*dot = '.';
	}
	if (!p)
		fprintf(out, "no such reader: %s (see list)\n", word ? word : "(none given)");
	else if (*interface >= sim_dev_interfaces(p->dev))
		fprintf(out, "reader %s has interfaces 0 to %u\n", word, sim_dev_interfaces(p->dev) - 1);
	else
		return p;
	return NULL;
}

static bool number(const char *word, unsigned *n, FILE *out)
{
	char *end;

	if (word && *word >= '0' && *word <= '9') {
		*n = (unsigned)strtoul(word, &end, 0);
		if (!*end)
			return true;
	}
	fprintf(out, "not a slot number: %s\n", word ? word : "(none given)");
	return false;
}

/* "\n", "\033" or "\x1b", "\b" as a shell passes them on. */
static void unescape(char *s)
{
	char *to = s;

	for (; *s; s++) {
		if (*s != '\\') {
			*to++ = *s;
		} else if (s[1] == 'n') {
			*to++ = '\n';
			s++;
		} else if (s[1] == 'b') {
			*to++ = '\b';
			s++;
		} else if (!strncmp(s, "\\033", 4) || !strncmp(s, "\\x1b", 4)) {
			*to++ = '\033';
			s += 3;
		} else {
			*to++ = *s;
		}
	}
	*to = 0;
}

static bool do_list(struct sim_host *r, char *rest, FILE *out)
{
	(void)rest;
	for (unsigned i = 0; i < r->n_ports; i++) {
		const struct host_port *p = &r->ports[i];

		fprintf(out, "%u %04x:%04x \"%s\"", i, sim_dev_vendor(p->dev), sim_dev_product(p->dev),
			sim_dev_name(p->dev));
		if (p->device)
			fprintf(out, " bus %03u device %03u", HOST_BUS, p->device);
		else
			fprintf(out, " unplugged");
		for (unsigned k = 0; k < sim_dev_interfaces(p->dev); k++)
			fprintf(out, "%s%u", k ? "+" : " slots ", sim_dev_slots(p->dev, k));
		fprintf(out, "\n");
	}
	return true;
}

static bool do_plug(struct sim_host *r, char *rest, FILE *out)
{
	unsigned f;
	struct host_port *p = which(r, strtok_r(rest, " ", &rest), &f, out);

	if (!p)
		return false;
	if (!r->front->plug(r, p))
		return true;
	fprintf(out, "%s\n", errno == EEXIST ? "already plugged" : strerror(errno));
	return false;
}

static bool do_unplug(struct sim_host *r, char *rest, FILE *out)
{
	unsigned f;
	struct host_port *p = which(r, strtok_r(rest, " ", &rest), &f, out);

	if (!p)
		return false;
	if (!p->device) {
		fprintf(out, "not plugged\n");
		return false;
	}
	r->front->unplug(r, p);
	return true;
}

static bool do_insert(struct sim_host *r, char *rest, FILE *out)
{
	char err[256] = "no such slot, or a card is in it";
	unsigned f, slot;
	struct host_port *p = which(r, strtok_r(rest, " ", &rest), &f, out);

	if (!p || !number(strtok_r(NULL, " ", &rest), &slot, out))
		return false;
	if (sim_dev_insert(p->dev, f, slot, rest ? rest : "", host_now(), err, sizeof err))
		return true;
	fprintf(out, "%s\n", err);
	return false;
}

static bool do_remove(struct sim_host *r, char *rest, FILE *out)
{
	unsigned f, slot;
	struct host_port *p = which(r, strtok_r(rest, " ", &rest), &f, out);

	if (!p || !number(strtok_r(NULL, " ", &rest), &slot, out))
		return false;
	if (sim_dev_remove(p->dev, f, slot, host_now()))
		return true;
	fprintf(out, "no such slot, or no card in it\n");
	return false;
}

static bool do_keys(struct sim_host *r, char *rest, FILE *out)
{
	unsigned f;
	struct host_port *p = which(r, strtok_r(rest, " ", &rest), &f, out);

	if (!p)
		return false;
	if (!rest || !*rest) {
		fprintf(out, "no keys given\n");
		return false;
	}
	unescape(rest);
	if (sim_dev_keys(p->dev, f, rest, host_now()))
		return true;
	fprintf(out, "the reader asks for no PIN\n");
	return false;
}

static bool do_reset(struct sim_host *r, char *rest, FILE *out)
{
	unsigned f;
	struct host_port *p = which(r, strtok_r(rest, " ", &rest), &f, out);

	if (!p)
		return false;
	r->front->reset(r, p);
	return true;
}

static bool do_fault(struct sim_host *r, char *rest, FILE *out)
{
	char err[256] = "no such fault";
	unsigned f;
	struct host_port *p = which(r, strtok_r(rest, " ", &rest), &f, out);

	if (!p)
		return false;
	if (sim_dev_fault(p->dev, rest ? rest : "", err, sizeof err))
		return true;
	fprintf(out, "%s\n", err);
	return false;
}

static bool do_complaints(struct sim_host *r, char *rest, FILE *out)
{
	(void)rest;
	host_complaints(r, out);
	return true;
}

static bool do_in_flight(struct sim_host *r, char *rest, FILE *out)
{
	unsigned f;
	struct host_port *p = which(r, strtok_r(rest, " ", &rest), &f, out);

	if (!p)
		return false;
	fprintf(out, "%u\n", sim_dev_max_in_flight(p->dev, f));
	return true;
}

/* on: to the daemon's stderr; off; anything else is a file to add to. */
static bool do_trace(struct sim_host *r, char *rest, FILE *out)
{
	FILE *to = NULL;

	if (!rest || !*rest) {
		fprintf(out, "trace on|off|FILE\n");
		return false;
	}
	if (!strcmp(rest, "on"))
		to = stderr;
	else if (strcmp(rest, "off") != 0)
		to = fopen(rest, "ae");
	if (!to && strcmp(rest, "off") != 0) {
		fprintf(out, "%s: %s\n", rest, strerror(errno));
		return false;
	}
	if (r->trace && r->trace != stderr)
		fclose(r->trace);
	r->trace = to;
	for (unsigned i = 0; i < r->n_ports; i++)
		sim_dev_trace(r->ports[i].dev, to ? trace_line : NULL, r);
	return true;
}

static bool do_time(struct sim_host *r, char *rest, FILE *out)
{
	(void)rest;
	fprintf(out, "%.6f\n", (double)(host_now() - r->started) / 1e9);
	return true;
}

static bool do_help(struct sim_host *r, char *rest, FILE *out);

static const struct command {
	const char *name, *args, *what;
	bool (*run)(struct sim_host *r, char *rest, FILE *out);
} commands[] = {
	{ "complaints", "", "what drivers did against the standard", do_complaints },
	{ "fault", "R NAME [KEY=VALUE...]|clear", "arm a fault", do_fault },
	{ "help", "", "this list", do_help },
	{ "in-flight", "R[.IF]", "most commands there were at once", do_in_flight },
	{ "insert", "R[.IF] SLOT [CARD]", "put a card in", do_insert },
	{ "keys", "R[.IF] KEYS", "press keys of the PIN pad; \\n OK, \\033 cancel", do_keys },
	{ "list", "", "the readers", do_list },
	{ "plug", "R", "plug the reader in", do_plug },
	{ "remove", "R[.IF] SLOT", "pull the card out", do_remove },
	{ "reset", "R", "USB reset by the host", do_reset },
	{ "time", "", "seconds since the start, as in traces", do_time },
	{ "trace", "on|off|FILE", "show each message", do_trace },
	{ "unplug", "R", "pull the reader out", do_unplug },
};

#define N_COMMANDS (sizeof commands / sizeof *commands)

const char *host_command_name(unsigned i)
{
	return i < N_COMMANDS ? commands[i].name : NULL;
}

static bool do_help(struct sim_host *r, char *rest, FILE *out)
{
	(void)r;
	(void)rest;
	for (size_t i = 0; i < N_COMMANDS; i++)
		fprintf(out, "%s %s\t%s\n", commands[i].name, commands[i].args, commands[i].what);
	return true;
}

bool host_command(struct sim_host *r, char *line, FILE *out)
{
	char *rest = line, *name;

	line[strcspn(line, "\n")] = 0;
	name = strtok_r(line, " ", &rest);
	for (size_t i = 0; name && i < N_COMMANDS; i++)
		if (!strcmp(commands[i].name, name))
			return commands[i].run(r, rest, out);
	fprintf(out, "no such command: %s (see help)\n", name ? name : "(none given)");
	return false;
}
