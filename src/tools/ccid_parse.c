/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ccid-parse: shows what smart-card readers say about themselves. */
#include "tools/parse.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#ifndef VERSION
#define VERSION "unknown"
#endif

enum { EXIT_NOTHING = 1, EXIT_INCOMPLETE = 1, EXIT_USAGE = 2 };

struct options {
	struct parse_wanted wanted;
	bool json, colour;
	const char *gz;		/* file, or NULL */
};

struct output {
	const struct options *o;
	FILE *to;
	unsigned n;
};

static int usage(FILE *to)
{
	fputs("Usage: ccid-parse [-p] [-j | -g FILE] [VID:PID | /dev/bus/usb/BBB/DDD]\n"
	      "Shows every CCID and ICCD smart-card reader on the bus.\n"
	      "  -p, --vendor     also those of class FF or 00 with a CCID class descriptor\n"
	      "  -j, --json       as JSON\n"
	      "  -g, --gz FILE    as text, compressed, without the serial number: for sending in\n"
	      "  -h, --help       this text\n"
	      "  -V, --version    the version\n", to);
	return to == stdout ? EXIT_SUCCESS : EXIT_USAGE;
}

/* "08e6:3437", "/dev/bus/usb/001/002" or "001/002". */
static bool parse_which(const char *text, struct parse_wanted *w)
{
	static const char root[] = "/dev/bus/usb/";
	unsigned a, b;
	int end = 0;

	if (sscanf(text, "%4x:%4x%n", &a, &b, &end) == 2 && text[end] == '\0' &&
	    strlen(text) == 9 && strspn(text, "0123456789abcdefABCDEF:") == 9) {
		w->idVendor = (int)a;
		w->idProduct = (int)b;
		return true;
	}
	if (strncmp(text, root, sizeof(root) - 1) == 0)
		text += sizeof(root) - 1;
	if (strspn(text, "0123456789/") != strlen(text) ||
	    sscanf(text, "%3u/%3u%n", &a, &b, &end) != 2 || text[end] != '\0' || !a || !b)
		return false;
	w->bus = a;
	w->address = b;
	return true;
}

/* Returns -1 to go on, else an exit code. */
static int parse_options(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = {
		{ "vendor", no_argument, NULL, 'p' },	{ "json", no_argument, NULL, 'j' },
		{ "gz", required_argument, NULL, 'g' }, { "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },	{ NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "pjg:hV", longs, NULL)) != -1) {
		switch (c) {
		case 'p':
			o->wanted.vendor_too = true;
			break;
		case 'j':
			o->json = true;
			break;
		case 'g':
			o->gz = optarg;
			break;
		case 'h':
			return usage(stdout);
		case 'V':
			puts("ccid-parse (ifd-ccid) " VERSION);
			return EXIT_SUCCESS;
		default:
			return usage(stderr);
		}
	}
	if (o->json && o->gz) {
		fputs("ccid-parse: -j and -g exclude each other\n", stderr);
		return EXIT_USAGE;
	}
	if (argc - optind > 1) {
		fprintf(stderr, "ccid-parse: one reader at a time: \"%s\" is too much\n",
			argv[optind + 1]);
		return EXIT_USAGE;
	}
	if (optind < argc && !parse_which(argv[optind], &o->wanted)) {
		fprintf(stderr, "ccid-parse: %s is neither VID:PID (four hexadecimal digits each) "
			"nor a device node\n", argv[optind]);
		return EXIT_USAGE;
	}
	return -1;
}

static void each(void *user, struct parse_reader *r)
{
	struct output *out = user;
	const struct options *o = out->o;

	/* A number that belongs to one person has no place in what is sent in. */
	if (o->gz && r->iSerialNumber.read)
		strcpy(r->iSerialNumber.text, "(left out)");
	if (out->n++)
		fputs(o->json ? ",\n" : "\n", out->to);
	if (o->json)
		parse_json(out->to, r);
	else
		parse_text(out->to, r, o->colour);
}

static bool write_gz(const char *file, const char *text, size_t len)
{
	gzFile gz = gzopen(file, "wb9");
	struct stat st;
	bool good;

	if (!gz) {
		fprintf(stderr, "ccid-parse: %s: %s\n", file,
			errno ? strerror(errno) : "out of memory");
		return false;
	}
	good = gzwrite(gz, text, (unsigned)len) == (int)len;
	if (gzclose(gz) != Z_OK || !good) {
		fprintf(stderr, "ccid-parse: %s cannot be written\n", file);
		/* half a file is of no use, but a device is not ours to remove */
		if (stat(file, &st) == 0 && S_ISREG(st.st_mode))
			unlink(file);
		return false;
	}
	return true;
}

static void say_nothing_found(const struct options *o, const struct parse_seen *seen)
{
	const struct parse_wanted *w = &o->wanted;

	if ((w->idVendor >= 0 || w->bus) && !seen->devices)
		fputs("ccid-parse: no such device is on the bus\n", stderr);
	else if (w->idVendor >= 0 || w->bus)
		fputs("ccid-parse: that device has no smart-card reader interface\n", stderr);
	else
		fputs("ccid-parse: no smart-card reader is on the bus\n", stderr);
	if (seen->vendor)
		fprintf(stderr,
			"ccid-parse: %u interface%s of class FF or 00 look%s like one: try -p\n",
			seen->vendor, seen->vendor == 1 ? "" : "s", seen->vendor == 1 ? "s" : "");
}

/* Everything goes to memory first: a file is written only when there is something to put in it. */
static int run(const struct options *o)
{
	struct parse_seen seen;
	struct output out = { .o = o };
	char *text = NULL;
	size_t len = 0;
	bool good;

	out.to = open_memstream(&text, &len);
	if (!out.to) {
		perror("ccid-parse");
		return EXIT_INCOMPLETE;
	}
	good = parse_bus(&o->wanted, &seen, each, &out) && !ferror(out.to);
	good = fclose(out.to) == 0 && good;
	if (good && seen.readers == 0)
		say_nothing_found(o, &seen);
	if (good && o->json)
		good = printf("[%s%s%s]\n", len ? "\n" : "", text, len ? "\n" : "") > 0;
	else if (good && o->gz && seen.readers)
		good = write_gz(o->gz, text, len);
	else if (good && !o->gz)
		good = fwrite(text, 1, len, stdout) == len;
	free(text);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		perror("ccid-parse: standard output");
		good = false;
	}
	if (good && o->gz && seen.readers)
		fprintf(stderr, "ccid-parse: %u interface%s written to %s\n", seen.readers,
			seen.readers == 1 ? "" : "s", o->gz);
	if (!good || seen.incomplete)
		return EXIT_INCOMPLETE;
	return seen.readers ? EXIT_SUCCESS : EXIT_NOTHING;
}

int main(int argc, char **argv)
{
	struct options o = { .wanted = { .idVendor = -1, .idProduct = -1 } };
	const char *term = getenv("TERM");
	int rc = parse_options(argc, argv, &o);

	if (rc >= 0)
		return rc;
	o.colour = !o.json && !o.gz && isatty(STDOUT_FILENO) && !getenv("NO_COLOR") && term &&
		   strcmp(term, "dumb") != 0;
	return run(&o);
}
