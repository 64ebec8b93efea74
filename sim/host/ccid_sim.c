/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ccid-sim: simulated CCID readers for unchanged programs. */
#define _GNU_SOURCE
#include "sim/host/host.h"
#include "sim/model/sim_card.h"
#include "sim/model/sim_record.h"
#include "sim/model/sim_replay.h"
#include "tools/output.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int usage(FILE *to)
{
	fputs("ccid-sim run [-t] FILE -- COMMAND [ARGUMENT...]\n"
	      "\truns COMMAND on a machine with the readers of FILE (- is standard input);\n"
	      "\t-t shows each message on standard error\n"
	      "ccid-sim usbip [-t] [-l ADDRESS] [-p PORT] [-c SOCKET] FILE\n"
	      "\toffers the readers of FILE to \"usbip attach\" (127.0.0.1, port 3240);\n"
	      "\tSOCKET takes commands: set " WIRE_SOCKET_ENV " to it\n"
	      "ccid-sim record [-akns] [-o RECORDING] VID:PID -- COMMAND [ARGUMENT...]\n"
	      "\truns COMMAND and writes down what it says to that reader (VID-PID.ccidlog);\n"
	      "\t-a with all polls, -k with PINs and keys, -n without times, -s with the serial number\n"
	      "ccid-sim names readers|cards|faults|commands\n"
	      "\tshows the words that a FILE and the commands may use, one a line\n"
	      "ccid-sim --help | --version\n"
	      "ccid-sim COMMAND [ARGUMENT...]\n"
	      "\tinside of it: list, plug, unplug, insert, remove, keys, reset, fault, complaints,\n"
	      "\tin-flight, trace, time; \"ccid-sim help\" explains them\n", to);
	return to == stdout ? output_end("ccid-sim", 0, 1) : 2;
}

static int show_version(void)
{
	puts("ccid-sim (ifd-ccid) " VERSION);
	return output_end("ccid-sim", 0, 1);
}

/* Prints the wrong word and the reason. */
static int bad_usage(const char *why, const char *word)
{
	fprintf(stderr, "ccid-sim: %s \"%s\"\n", why, word);
	return usage(stderr);
}

static int sim_run(int argc, char **argv)
{
	bool trace = false;
	const char *file;
	int c;

	while ((c = getopt(argc, argv, "+t")) != -1) {
		if (c != 't')
			return usage(stderr);
		trace = true;
	}
	if (argc - optind < 2)
		return bad_usage("which COMMAND? after FILE", argc > optind ? argv[optind] : "");
	file = argv[optind++];
	/* getopt stops at FILE, so "--" is still there. */
	if (!strcmp(argv[optind], "--"))
		optind++;
	return argv[optind] ? host_run(file, trace, argv + optind) : usage(stderr);
}

static int record(int argc, char **argv)
{
	struct sim_record_options o = { 0 };
	const char *file = NULL, *reader;
	int c;

	while ((c = getopt(argc, argv, "+aknso:")) != -1) {
		switch (c) {
		case 'a':
			o.polls = true;
			break;
		case 'k':
			o.secrets = true;
			break;
		case 'n':
			o.no_times = true;
			break;
		case 's':
			o.serial = true;
			break;
		case 'o':
			file = optarg;
			break;
		default:
			return usage(stderr);
		}
	}
	if (argc - optind < 2)
		return bad_usage("which COMMAND? after VID:PID", argc > optind ? argv[optind] : "");
	reader = argv[optind++];
	if (!strcmp(argv[optind], "--"))
		optind++;
	if (!argv[optind])
		return usage(stderr);
	return host_record(reader, file, &o, argv + optind);
}

static bool is_port(const char *text)
{
	size_t n = strspn(text, "0123456789");

	return n > 0 && n < 6 && !text[n] && atoi(text) > 0 && atoi(text) <= 65535;
}

static int usbip(int argc, char **argv)
{
	struct host_usbip_options o = { .address = "127.0.0.1", .port = "3240" };
	int c;

	while ((c = getopt(argc, argv, "tl:p:c:")) != -1) {
		switch (c) {
		case 't':
			o.trace = true;
			break;
		case 'l':
			o.address = optarg;
			break;
		case 'p':
			if (!is_port(optarg))
				return bad_usage("a port is a number from 1 to 65535, not", optarg);
			o.port = optarg;
			break;
		case 'c':
			o.control = optarg;
			break;
		default:
			return usage(stderr);
		}
	}
	if (argc - optind != 1)
		return argc > optind ? bad_usage("one FILE only, so not", argv[optind + 1]) :
				       bad_usage("which FILE?", "");
	o.file = argv[optind];
	return host_usbip(&o);
}

static int connect_daemon(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	const char *path = getenv(WIRE_SOCKET_ENV);
	int fd;

	if (!path || strlen(path) >= sizeof a.sun_path) {
		fprintf(stderr, "ccid-sim: no simulator here (" WIRE_SOCKET_ENV " is not set); see ccid-sim run\n");
		return -1;
	}
	strcpy(a.sun_path, path);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof a)) {
		fprintf(stderr, "ccid-sim: %s: %s\n", path, strerror(errno));
		if (fd >= 0)
			close(fd);
		return -1;
	}
	return fd;
}

static int command(char **words)
{
	struct wire_msg m = { .op = WIRE_COMMAND };
	size_t cap = sizeof m + WIRE_MAX_DATA, len = sizeof m;
	char *buf = calloc(1, cap + 1);
	int fd = connect_daemon();
	ssize_t got = -1;

	if (!buf || fd < 0)
		goto out;
	for (; *words; words++)
		len += (size_t)snprintf(buf + len, cap - len, "%s%s", *words, words[1] ? " " : "");
	memcpy(buf, &m, sizeof m);
	if (len < cap && send(fd, buf, len, MSG_NOSIGNAL) >= 0)
		got = recv(fd, buf, cap, 0);
	if (got < (ssize_t)sizeof m) {
		fprintf(stderr, "ccid-sim: the simulator does not answer\n");
		got = -1;
		goto out;
	}
	memcpy(&m, buf, sizeof m);
	if (m.status)
		fputs("ccid-sim: ", stderr);
	fwrite(buf + sizeof m, 1, (size_t)got - sizeof m, m.status ? stderr : stdout);
out:
	if (fd >= 0)
		close(fd);
	free(buf);
	return got < 0 || m.status ? 1 : 0;
}

/* The name and the ids of each row; "from = " takes both. */
static int reader_names(void)
{
	const char *path = getenv("CCID_SIM_TABLE");
	FILE *f = fopen(path ? path : CCID_SIM_TABLE, "r");
	char *line = NULL;
	size_t cap = 0;

	if (!f) {
		fprintf(stderr, "ccid-sim: %s: %s\n", path ? path : CCID_SIM_TABLE, strerror(errno));
		return 1;
	}
	if (getline(&line, &cap, f) > 0) {
		while (getline(&line, &cap, f) > 0) {
			char *rest = line, *name = strsep(&rest, "\t"), *vendor = strsep(&rest, "\t");

			printf("%s\n%s:%s\n", name, vendor ? vendor : "", rest ? strsep(&rest, "\t") : "");
		}
	}
	free(line);
	fclose(f);
	return output_end("ccid-sim", 0, 1);
}

static const char *card_fault(unsigned i)
{
	return sim_card_fault_name(i, NULL);
}

static int names(int argc, char **argv)
{
	static const struct { const char *kind; const char *(*name)(unsigned i), *(*more)(unsigned i); } kinds[] = {
		{ "cards", sim_card_preset, NULL },
		{ "faults", sim_fault_name, card_fault },
		{ "commands", host_command_name, NULL },
	};
	const char *kind = argc == 2 ? argv[1] : "", *name;

	if (!strcmp(kind, "readers"))
		return reader_names();
	for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
		if (strcmp(kind, kinds[k].kind))
			continue;
		for (unsigned i = 0; (name = kinds[k].name(i)); i++)
			puts(name);
		for (unsigned i = 0; kinds[k].more && (name = kinds[k].more(i)); i++)
			puts(name);
		return output_end("ccid-sim", 0, 1);
	}
	return bad_usage("names of what? not of", argc > 1 ? argv[argc - 1] : "");
}

static bool is_command(const char *word)
{
	const char *name;

	for (unsigned i = 0; (name = host_command_name(i)); i++)
		if (!strcmp(name, word))
			return true;
	return false;
}

int main(int argc, char **argv)
{
	const char *word = argc > 1 ? argv[1] : "";

	if (argc < 2)
		return usage(stderr);
	if (!strcmp(word, "-h") || !strcmp(word, "--help"))
		return usage(stdout);
	if (!strcmp(word, "-V") || !strcmp(word, "--version"))
		return show_version();
	sim_recording_set_foreign(sim_replay_trace);
	host_find_table();
	/* getopt's own messages begin with the name of the program. */
	argv[1] = argv[0];
	if (!strcmp(word, "run"))
		return sim_run(argc - 1, argv + 1);
	if (!strcmp(word, "usbip") || !strcmp(word, "--usbip"))
		return usbip(argc - 1, argv + 1);
	if (!strcmp(word, "record"))
		return record(argc - 1, argv + 1);
	if (!strcmp(word, "names"))
		return names(argc - 1, argv + 1);
	if (!is_command(word))
		return bad_usage(*word == '-' ? "unknown option" : "unknown command", word);
	argv[1] = (char *)(uintptr_t)word;
	return command(argv + 1);
}
