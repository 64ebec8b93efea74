/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ccid-doctor: why does my reader not work? */
#include "tools/doctor.h"
#include "tools/output.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { EXIT_USAGE = 2 };

/* The log functions of pcscd, which its drivers need to load. */
__attribute__((visibility("default"), format(printf, 2, 3))) void log_msg(const int priority,
	      const char *fmt, ...);
__attribute__((visibility("default"))) void log_xxd(const int priority, const char *msg,
	      const unsigned char *buffer, const int size);

void log_msg(const int priority, const char *fmt, ...)
{
	(void)priority;
	(void)fmt;
}

void log_xxd(const int priority, const char *msg, const unsigned char *buffer, const int size)
{
	(void)priority;
	(void)msg;
	(void)buffer;
	(void)size;
}

static int usage(FILE *to)
{
	fputs("Usage: ccid-doctor [-j] [--dir DIR] [--root DIR [-a]] [VID:PID]\n"
	      "Finds out why a smart-card reader does not work, and says what to do. Changes "
	      "nothing.\n"
	      "  -j, --json       as JSON\n"
	      "      --dir DIR    pcscd's folder of drivers (" PCSCLITE_HP_DROPDIR ")\n"
	      "      --root DIR   look at the files below DIR; pcscd is not asked\n"
	      "  -a, --ask        with --root: the pcscd that runs here is asked, too\n"
	      "  -h, --help       this text\n"
	      "  -V, --version    the version\n"
	      "Exit code: 0 all is well, 1 something is broken, 2 cannot tell, or wrong options.\n",
	      to);
	return to == stdout ? output_end("ccid-doctor", EXIT_SUCCESS, EXIT_USAGE) : EXIT_USAGE;
}

struct options {
	const char *dir, *root;
	bool json, ask;
	int vendor, product;
};

static bool doctor_id(const char *text, struct options *o)
{
	unsigned a, b;
	int end = 0;

	if (strlen(text) != 9 || strspn(text, "0123456789abcdefABCDEF:") != 9 ||
	    sscanf(text, "%4x:%4x%n", &a, &b, &end) != 2 || end != 9)
		return false;
	o->vendor = (int)a;
	o->product = (int)b;
	return true;
}

/* Returns -1 to go on, else an exit code. */
static int doctor_options(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = {
		{ "ask", no_argument, NULL, 'a' },
		{ "json", no_argument, NULL, 'j'},	{"dir", required_argument, NULL, 'd' },
		{ "root", required_argument, NULL, 'r'}, {"help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V'},	{NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "jahV", longs, NULL)) != -1) {
		switch (c) {
		case 'j':
			o->json = true;
			break;
		case 'a':
			o->ask = true;
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
			puts("ccid-doctor (ifd-ccid) " VERSION);
			return output_end("ccid-doctor", EXIT_SUCCESS, EXIT_USAGE);
		default:
			return usage(stderr);
		}
	}
	if (argc - optind > 1) {
		fprintf(stderr, "ccid-doctor: one reader at a time: \"%s\" is too much\n",
			argv[optind + 1]);
		return EXIT_USAGE;
	}
	if (optind < argc && !doctor_id(argv[optind], o)) {
		fprintf(stderr, "ccid-doctor: %s is not VID:PID (four hexadecimal digits each)\n",
			argv[optind]);
		return EXIT_USAGE;
	}
	return -1;
}

/* pcscd's folder of drivers: from the option, pcscd's environment, the program's own environment,
 * or configure. */
static const char *drop_folder(const struct doctor *d, const struct options *o)
{
	static char seen[SYSTEM_PATH];
	const char *own = getenv("PCSCLITE_HP_DROPDIR");

	if (o->dir)
		return o->dir;
	/* pcscd 1.9 does not know the variable */
	if (*doctor_environment(d, "PCSCLITE_HP_DROPDIR", seen, sizeof seen) &&
	    doctor_knows_variable(d, "PCSCLITE_HP_DROPDIR"))
		return seen;
	return own && *own && !d->root.path[0] ? own : PCSCLITE_HP_DROPDIR;
}

static int doctor_run(struct doctor *d, const struct options *o)
{
	const char *term = getenv("TERM");
	int code;

	d->ask = o->ask;
	d->want_vendor = o->vendor;
	d->want_product = o->product;
	d->root.path = o->root && strcmp(o->root, "/") != 0 ? o->root : "";
	doctor_find_pcscd(d);
	d->drop = drop_folder(d, o);
	bundles_read(&d->bundles, &d->root, d->drop);
	doctor_find_class(d);
	doctor_read_bus(d);
	code = doctor_walk(d);
	if (o->json)
		doctor_print_json(stdout, d, code);
	else
		doctor_print_text(stdout, d, code,
				  isatty(STDOUT_FILENO) && !getenv("NO_COLOR") && term &&
					  strcmp(term, "dumb") != 0);
	bundles_free(&d->bundles);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		perror("ccid-doctor: standard output");
		code = 2;
	}
	return code;
}

int main(int argc, char **argv)
{
	struct options o = {.vendor = -1, .product = -1};
	int rc = doctor_options(argc, argv, &o);
	struct doctor *d;

	if (rc >= 0)
		return rc;
	d = calloc(1, sizeof *d);
	if (!d) {
		perror("ccid-doctor");
		return 2;
	}
	rc = doctor_run(d, &o);
	free(d);
	return rc;
}
