/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ccid-trace: turns logs of smart-card readers into captures for Wireshark, and captures into logs.
 */
#include "tools/output.h"
#include "tools/trace.h"
#include "tools/trace_output.h"

#include "util/log.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#ifndef VERSION
#define VERSION "unknown"
#endif

#define KNOWN_MAX 256

enum { EXIT_NOTHING = 1, EXIT_USAGE = 2 };
enum form { FORM_DEFAULT, FORM_PCAPNG, FORM_LOG, FORM_APDU, FORM_SUMMARY };

struct trace_options {
	enum form form;
	const char *output, *descriptors, *input;
};

static int usage(FILE *to)
{
	fputs("Usage: ccid-trace [-a | -s | -l | -w] [-d FILE] [-o FILE] [LOG | CAPTURE]\n"
	      "Turns a log of pcscd with this driver or with libccid (level 4 of ifdLogLevel) into "
	      "a\n"
	      "capture for Wireshark, and a capture of usbmon into a log. Reads standard input "
	      "without\n"
	      "a file. Bytes of PINs and keys are left out.\n"
	      "  -w, --pcapng            write pcapng (the default for a log)\n"
	      "  -l, --log               write the driver's log (the default for a capture)\n"
	      "  -a, --apdu              write commands and responses, and what status words mean\n"
	      "  -s, --summary           write times, errors and the slowest commands\n"
	      "  -d, --descriptors FILE  what ccid-parse wrote of the readers, also compressed\n"
	      "  -o, --output FILE       write there, not to standard output\n"
	      "  -h, --help              this text\n"
	      "  -V, --version           the version\n",
	      to);
	return to == stdout ? output_end("ccid-trace", EXIT_SUCCESS, EXIT_USAGE) : EXIT_USAGE;
}

static const struct option longs[] = {
	{"pcapng", no_argument, NULL, 'w'},
	{"log", no_argument, NULL, 'l'},
	{"apdu", no_argument, NULL, 'a'},
	{"summary", no_argument, NULL, 's'},
	{"descriptors", required_argument, NULL, 'd'},
	{"output", required_argument, NULL, 'o'},
	{"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, 'V'},
	{NULL, 0, NULL, 0},
};

/* Returns -1 to go on, else an exit code. */
static int read_options(int argc, char **argv, struct trace_options *o)
{
	int c;

	while ((c = getopt_long(argc, argv, "wlasd:o:hV", longs, NULL)) != -1) {
		enum form before = o->form;

		switch (c) {
		case 'w':
			o->form = FORM_PCAPNG;
			break;
		case 'l':
			o->form = FORM_LOG;
			break;
		case 'a':
			o->form = FORM_APDU;
			break;
		case 's':
			o->form = FORM_SUMMARY;
			break;
		case 'd':
			o->descriptors = optarg;
			break;
		case 'o':
			o->output = optarg;
			break;
		case 'h':
			return usage(stdout);
		case 'V':
			puts("ccid-trace (ifd-ccid) " VERSION);
			return output_end("ccid-trace", EXIT_SUCCESS, EXIT_USAGE);
		default:
			return usage(stderr);
		}
		if (before != FORM_DEFAULT && before != o->form) {
			fputs("ccid-trace: one of --pcapng, --log, --apdu and --summary\n", stderr);
			return EXIT_USAGE;
		}
	}
	if (argc - optind > 1) {
		fprintf(stderr, "ccid-trace: one file at a time; %s is one more\n",
			argv[optind + 1]);
		return EXIT_USAGE;
	}
	if (optind < argc && strcmp(argv[optind], "-") != 0)
		o->input = argv[optind];
	return -1;
}

static struct trace_sink *make_sink(enum form form, FILE *out)
{
	switch (form) {
	case FORM_LOG:
		return trace_log_sink(out);
	case FORM_APDU:
		return trace_apdu_sink(out);
	case FORM_SUMMARY:
		return trace_summary_sink(out);
	default:
		return trace_pcapng_sink(out);
	}
}

/* Reads in, writes out. Exit code. */
static int convert(const struct trace_options *o, struct trace *t, FILE *in, FILE *out)
{
	int first = getc(in);
	uint8_t byte = (uint8_t)first;
	bool capture, good;
	enum form form = o->form;

	/* 0A begins pcapng, but also an empty line; pcap begins with one of A1, D4 and 4D. */
	ungetc(first, in);
	capture = first != EOF && (byte == 0xA1 || byte == 0xD4 || byte == 0x4D || byte == 0x0A);
	if (capture && byte == 0x0A) {
		uint8_t head[4] = {0};
		size_t n = fread(head, 1, sizeof head, in);

		capture = trace_is_capture(head, n);
		while (n > 0)
			ungetc(head[--n], in);
	}
	if (form == FORM_DEFAULT)
		form = capture ? FORM_LOG : FORM_PCAPNG;
	t->sink = make_sink(form, out);
	if (!t->sink) {
		fputs("ccid-trace: out of memory\n", stderr);
		return EXIT_USAGE;
	}
	good = capture ? trace_read_capture(t, in) : trace_read_log(t, in);
	trace_end(t);
	free(t->sink);
	if (t->damaged)
		fprintf(stderr, "ccid-trace: %llu messages are not whole in %s\n",
			(unsigned long long)t->damaged, t->file);
	if (t->left_out)
		fprintf(stderr,
			"ccid-trace: %llu messages of further readers are left out of %s\n",
			(unsigned long long)t->left_out, t->file);
	if (good && t->messages == 0) {
		fprintf(stderr,
			"ccid-trace: %s has no CCID message: write the log with bit 4 of "
			"ifdLogLevel set (LIBCCID_ifdLogLevel=0x0F)\n",
			t->file);
		return EXIT_NOTHING;
	}
	return good ? EXIT_SUCCESS : EXIT_USAGE;
}

/* Reads what ccid-parse wrote. False with a message. */
static bool get_descriptors(struct trace *t, struct trace_device *known, const char *file)
{
	t->known = known;
	t->n_known = trace_read_descriptors(file, known, KNOWN_MAX);
	if (t->n_known == SIZE_MAX)
		fprintf(stderr, "ccid-trace: %s: %s\n", file, strerror(errno));
	else if (t->n_known == 0)
		fprintf(stderr,
			"ccid-trace: no descriptors in %s: it is not what ccid-parse wrote\n",
			file);
	else
		return true;
	return false;
}

static bool is_folder(FILE *in)
{
	struct stat st;

	return fstat(fileno(in), &st) == 0 && S_ISDIR(st.st_mode);
}

int main(int argc, char **argv)
{
	static struct trace_device known[KNOWN_MAX];
	struct trace_options o = {.form = FORM_DEFAULT};
	struct trace t = {.file = "standard input"};
	const char *secrets = getenv("IFDCCID_LOG_SECRETS");
	struct trace_output out;
	int rc = read_options(argc, argv, &o);
	FILE *in;

	if (rc >= 0)
		return rc;
	log_setup(0, secrets && strcmp(secrets, "1") == 0);
	if (o.input)
		t.file = o.input;
	if (o.descriptors && !get_descriptors(&t, known, o.descriptors))
		return EXIT_USAGE;
	in = o.input ? fopen(o.input, "rb") : stdin;
	if (!in || is_folder(in)) {
		fprintf(stderr, "ccid-trace: %s: %s\n", o.input ? o.input : "standard input",
			strerror(in ? EISDIR : errno));
		return EXIT_USAGE;
	}
	rc = EXIT_USAGE;
	if (trace_output_open(&out, o.output, in)) {
		rc = convert(&o, &t, in, out.to);
		if (!trace_output_close(&out, t.messages > 0))
			rc = EXIT_USAGE;
	}
	if (in != stdin)
		fclose(in);
	return rc;
}
