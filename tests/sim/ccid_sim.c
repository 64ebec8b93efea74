/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ccid-sim: simulated CCID readers for unchanged programs. */
#define _GNU_SOURCE
#include "sim/rig.h"

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
	      "ccid-sim COMMAND [ARGUMENT...]\n"
	      "\tinside of it: list, plug, unplug, insert, remove, keys, reset, fault, complaints,\n"
	      "\tin-flight, trace, time; \"ccid-sim help\" explains them\n", to);
	return to == stdout ? 0 : 2;
}

static int run(int argc, char **argv)
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
		return usage(stderr);
	file = argv[optind++];
	/* getopt stops at FILE, so "--" is still there. */
	if (!strcmp(argv[optind], "--"))
		optind++;
	return argv[optind] ? rig_run(file, trace, argv + optind) : usage(stderr);
}

static int usbip(int argc, char **argv)
{
	struct rig_usbip_options o = { .address = "127.0.0.1", .port = "3240" };
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
		return usage(stderr);
	o.file = argv[optind];
	return rig_usbip(&o);
}

static int connect_daemon(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	const char *path = getenv(WIRE_SOCKET_ENV);
	int fd;

	if (!path || strlen(path) >= sizeof(a.sun_path)) {
		fprintf(stderr, "ccid-sim: no simulator here (" WIRE_SOCKET_ENV " is not set); see ccid-sim run\n");
		return -1;
	}
	strcpy(a.sun_path, path);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a))) {
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
	size_t cap = sizeof(m) + WIRE_MAX_DATA, len = sizeof(m);
	char *buf = calloc(1, cap + 1);
	int fd = connect_daemon();
	ssize_t got = -1;

	if (!buf || fd < 0)
		goto out;
	for (; *words; words++)
		len += (size_t)snprintf(buf + len, cap - len, "%s%s", *words, words[1] ? " " : "");
	memcpy(buf, &m, sizeof(m));
	if (len < cap && send(fd, buf, len, MSG_NOSIGNAL) >= 0)
		got = recv(fd, buf, cap, 0);
	if (got < (ssize_t)sizeof(m)) {
		fprintf(stderr, "ccid-sim: the simulator does not answer\n");
		got = -1;
		goto out;
	}
	memcpy(&m, buf, sizeof(m));
	if (m.status)
		fputs("ccid-sim: ", stderr);
	fwrite(buf + sizeof(m), 1, (size_t)got - sizeof(m), m.status ? stderr : stdout);
out:
	if (fd >= 0)
		close(fd);
	free(buf);
	return got < 0 || m.status ? 1 : 0;
}

int main(int argc, char **argv)
{
	if (argc < 2)
		return usage(stderr);
	if (!strcmp(argv[1], "-h") || !strcmp(argv[1], "--help"))
		return usage(stdout);
	if (!strcmp(argv[1], "run"))
		return run(argc - 1, argv + 1);
	if (!strcmp(argv[1], "usbip") || !strcmp(argv[1], "--usbip"))
		return usbip(argc - 1, argv + 1);
	return command(argv + 1);
}
