/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ccid-list: which reader of PC/SC is where, by a key that stays the same. */
#include "tools/list.h"
#include "tools/output.h"

#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum { EXIT_NOTHING = 1, EXIT_USAGE = 2 };

struct options {
	const char *dir, *root;
	bool json, watch;
};

static int usage(FILE *to)
{
	fputs("Usage: ccid-list [-j] [-w] [--dir DIR] [--root DIR]\n"
	      "Shows each reader of PC/SC with its place: port/interface/slot.\n"
	      "  -j, --json       as JSON\n"
	      "  -w, --watch      a line for each change, until it is ended\n"
	      "      --dir DIR    pcscd's folder of drivers (" PCSCLITE_HP_DROPDIR ")\n"
	      "      --root DIR   devices and drivers are looked for below DIR\n"
	      "  -h, --help       this text\n"
	      "  -V, --version    the version\n",
	      to);
	return to == stdout ? output_end("ccid-list", EXIT_SUCCESS, EXIT_NOTHING) : EXIT_USAGE;
}

/* Returns -1 to go on, else an exit code. */
static int list_options(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "watch", no_argument, NULL, 'w' },
		{ "dir", required_argument, NULL, 'd' },
		{ "root", required_argument, NULL, 'r' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "jwhV", longs, NULL)) != -1) {
		switch (c) {
		case 'j':
			o->json = true;
			break;
		case 'w':
			o->watch = true;
			break;
		case 'd':
			o->dir = optarg;
			break;
		case 'r':
			o->root = optarg;
			break;
		case 'h':
			return usage(stdout);
		case 'V':
			puts("ccid-list (ifd-ccid) " VERSION);
			return output_end("ccid-list", EXIT_SUCCESS, EXIT_NOTHING);
		default:
			return usage(stderr);
		}
	}
	if (optind < argc) {
		fprintf(stderr, "ccid-list: unexpected argument \"%s\"\n", argv[optind]);
		return EXIT_USAGE;
	}
	return -1;
}

static void no_event(void *user, const struct list_row *row, const char *event)
{
	(void)user;
	(void)row;
	(void)event;
}

static void print_event(void *user, const struct list_row *row, const char *event)
{
	const struct options *o = user;

	list_print_event(stdout, row, event, o->json);
}

static void list_complain(const struct list *l, LONG rv)
{
	fprintf(stderr, "ccid-list: pcscd cannot be used: %s; ccid-doctor finds out why\n",
		l->pcsc.stringify_error(rv));
}

/* pcscd may end and restart: reported once each time. */
static int watch(struct list *l, struct options *o)
{
	bool was_good = true;
	LONG rv;

	/* A closed pipe is a write error, which ends the program. */
	signal(SIGPIPE, SIG_IGN);
	while (!ferror(stdout)) {
		bool good = list_update(l, print_event, o, &rv);

		if (!good && was_good)
			list_complain(l, rv);
		was_good = good;
		list_wait(l);
	}
	return EXIT_NOTHING;
}

static int list_once(struct list *l, const struct options *o)
{
	LONG rv;

	if (!list_update(l, no_event, NULL, &rv)) {
		list_complain(l, rv);
		if (o->json)
			list_print_json(stdout, l);
		return EXIT_NOTHING;
	}
	if (o->json)
		list_print_json(stdout, l);
	else if (l->n)
		list_print_table(stdout, l);
	else
		fputs("ccid-list: pcscd has no reader; ccid-doctor finds out why\n", stderr);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		perror("ccid-list: standard output");
		return EXIT_NOTHING;
	}
	return l->n ? EXIT_SUCCESS : EXIT_NOTHING;
}

static int list_run(struct list *l, struct options *o)
{
	const char *own = getenv("PCSCLITE_HP_DROPDIR");
	char why[200];
	int code;

	if (!pcsc_load(&l->pcsc, why, sizeof why)) {
		fprintf(stderr, "ccid-list: %s\n", why);
		if (o->json && !o->watch)
			list_print_json(stdout, l);
		return EXIT_NOTHING;
	}
	l->root.path = o->root && strcmp(o->root, "/") != 0 ? o->root : "";
	l->drop = o->dir ? o->dir : own && *own ? own : PCSCLITE_HP_DROPDIR;
	bundles_read(&l->bundles, &l->root, l->drop);
	code = o->watch ? watch(l, o) : list_once(l, o);
	list_end(l);
	bundles_free(&l->bundles);
	return code;
}

int main(int argc, char **argv)
{
	struct options o = {NULL, NULL, false, false};
	int rc = list_options(argc, argv, &o);
	struct list *l;

	if (rc >= 0)
		return rc;
	l = calloc(1, sizeof *l);
	if (!l) {
		perror("ccid-list");
		return EXIT_NOTHING;
	}
	rc = list_run(l, &o);
	free(l);
	return rc;
}
