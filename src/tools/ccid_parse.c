/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ccid-parse: shows what smart-card readers say about themselves. */
#include "tools/parse.h"
#include "tools/output.h"

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

#define DUMP_MAX (4 << 20)	/* of a text that was sent in */

enum { EXIT_NOTHING = 1, EXIT_INCOMPLETE = 1, EXIT_USAGE = 2 };

struct options {
	struct parse_wanted wanted;
	bool json, row, colour;
	const char *gz;		/* file, or NULL */
	const char *dump;	/* with row: a text to read instead of the bus, or NULL */
};

struct output {
	const struct options *o;
	FILE *to;
	unsigned n;
	struct bundles *bundles;	/* drivers that are installed; NULL: no memory */
};

static int usage(FILE *to)
{
	fputs("Usage: ccid-parse [-p] [-j | -g FILE | -r] [VID:PID | /dev/bus/usb/BBB/DDD]\n"
	      "       ccid-parse -r FILE\n"
	      "Shows every CCID and ICCD smart-card reader on the bus.\n"
	      "  -p, --vendor     also those of class FF or 00 with a CCID class descriptor\n"
	      "  -j, --json       as JSON\n"
	      "  -g, --gz FILE    as text, compressed, without the serial number: for sending in\n"
	      "  -r, --row        as rows of readers/reader_descriptors.tsv, also what FILE has\n"
	      "  -h, --help       this text\n"
	      "  -V, --version    the version\n", to);
	return to == stdout ? output_end("ccid-parse", EXIT_SUCCESS, EXIT_INCOMPLETE) : EXIT_USAGE;
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
	if (strncmp(text, root, sizeof root - 1) == 0)
		text += sizeof root - 1;
	if (strspn(text, "0123456789/") != strlen(text) ||
	    sscanf(text, "%3u/%3u%n", &a, &b, &end) != 2 || text[end] != '\0' || !a || !b)
		return false;
	w->bus = a;
	w->address = b;
	return true;
}

/* What is left of the command line. Returns -1 to go on, else an exit code. */
static int check_options(int n, char **rest, struct options *o)
{
	if (o->json + o->row + (o->gz != NULL) > 1) {
		fputs("ccid-parse: -j and -g exclude each other, and -r excludes both\n", stderr);
		return EXIT_USAGE;
	}
	if (n > 1) {
		fprintf(stderr, "ccid-parse: one reader at a time: \"%s\" is too much\n", rest[1]);
		return EXIT_USAGE;
	}
	if (n == 0 || parse_which(rest[0], &o->wanted))
		return -1;
	if (o->row && access(rest[0], R_OK) == 0) {
		o->dump = rest[0];
		return -1;
	}
	fprintf(stderr, "ccid-parse: %s is neither VID:PID (four hexadecimal digits each) "
		"nor a device node%s\n", rest[0], o->row ? " nor a file that can be read" : "");
	return EXIT_USAGE;
}

/* Returns -1 to go on, else an exit code. */
static int parse_cmdline(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = {
		{ "vendor", no_argument, NULL, 'p' },	{ "json", no_argument, NULL, 'j' },
		{ "gz", required_argument, NULL, 'g' }, { "row", no_argument, NULL, 'r' },
		{ "help", no_argument, NULL, 'h' },	{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "pjg:rhV", longs, NULL)) != -1) {
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
		case 'r':
			o->row = o->wanted.vendor_too = true;
			break;
		case 'h':
			return usage(stdout);
		case 'V':
			puts("ccid-parse (ifd-ccid) " VERSION);
			return output_end("ccid-parse", EXIT_SUCCESS, EXIT_INCOMPLETE);
		default:
			return usage(stderr);
		}
	}
	return check_options(argc - optind, argv + optind, o);
}

static void each(void *user, struct parse_reader *r)
{
	struct output *out = user;
	const struct options *o = out->o;

	/* The serial number could identify a person: left out of files that are sent in. */
	if (o->gz && r->iSerialNumber.read)
		strcpy(r->iSerialNumber.text, "(left out)");
	r->bundles = out->bundles;
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
		/* half a file is useless and removed, but a device file must stay */
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

/* A text that was sent in, compressed or not; NULL with a message. The caller frees it. */
static char *read_dump(const char *file)
{
	gzFile gz = gzopen(file, "rb");
	char *text = malloc(DUMP_MAX + 1);
	int n = gz && text ? gzread(gz, text, DUMP_MAX) : -1;

	if (gz)
		gzclose(gz);
	if (n < 0) {
		fprintf(stderr, "ccid-parse: %s cannot be read: %s\n", file,
			errno ? strerror(errno) : "it is damaged");
		free(text);
		return NULL;
	}
	text[n] = '\0';
	return text;
}

static int run_dump(const struct options *o)
{
	char *text = read_dump(o->dump);
	int rows = text ? parse_rows(stdout, text) : -1;

	free(text);
	if (rows == 0)
		fprintf(stderr, "ccid-parse: %s: no text of ccid-parse\n", o->dump);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		perror("ccid-parse: standard output");
		return EXIT_INCOMPLETE;
	}
	return rows > 0 ? EXIT_SUCCESS : EXIT_NOTHING;
}

static struct bundles *read_drivers(void)
{
	static const struct system_root no_root = { "" };
	const char *own = getenv("PCSCLITE_HP_DROPDIR");
	struct bundles *b = malloc(sizeof *b);

	if (b)
		bundles_read(b, &no_root, own && *own ? own : PCSCLITE_HP_DROPDIR);
	return b;
}

static void free_drivers(struct bundles *b)
{
	if (b)
		bundles_free(b);
	free(b);
}

/* Everything goes to memory first: a file is written only when there is something to put in it. */
static int parse_run(const struct options *o)
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
	out.bundles = read_drivers();
	good = parse_bus(&o->wanted, &seen, each, &out) && !ferror(out.to);
	good = fclose(out.to) == 0 && good;
	free_drivers(out.bundles);
	if (good && seen.readers == 0)
		say_nothing_found(o, &seen);
	if (good && o->json)
		good = printf("[%s%s%s]\n", len ? "\n" : "", text, len ? "\n" : "") > 0;
	else if (good && o->gz && seen.readers)
		good = write_gz(o->gz, text, len);
	else if (good && o->row)
		good = parse_rows(stdout, text) >= 0;
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
	int rc = parse_cmdline(argc, argv, &o);

	if (rc >= 0)
		return rc;
	if (o.dump)
		return run_dump(&o);
	o.colour = !o.json && !o.gz && !o.row && isatty(STDOUT_FILENO) && !getenv("NO_COLOR") &&
		   term && strcmp(term, "dumb") != 0;
	return parse_run(&o);
}
