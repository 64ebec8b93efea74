/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* sim-pty TYPE [CARD...] PATH: a simulated serial reader behind a pseudo terminal. PATH becomes a link to
 * the terminal; one CARD for each slot from 0 ("": empty). Prints "ready" when it can be opened. Lines on
 * standard input:
 *
 *	insert SLOT CARD	remove SLOT	keys TEXT (\n OK, \e cancel)
 *	fault SPEC		(sim_serial.h)	complaints	closed	quit
 *
 * "closed": no program has the line open any more. Each is answered "ok" or "error: ...". Exit status 1 when the driver
 * broke the standard. */
#include "sim/model/sim_serial.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

struct pty {
	struct sim_serial *reader;
	int master;
	int slave;		/* kept open: a line does not hang up when the driver closes it */
	const char *path;
	char line[1024];
	size_t line_len;
	bool stdin_open, quit;
};

static volatile sig_atomic_t told_to_stop;

static void on_signal(int number)
{
	(void)number;
	told_to_stop = 1;
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void reply(bool ok, const char *err)
{
	if (ok)
		puts("ok");
	else
		printf("error: %s\n", err);
	fflush(stdout);
}

static void unescape(char *text)
{
	char *to = text;

	for (; *text; text++) {
		if (text[0] == '\\' && (text[1] == 'n' || text[1] == 'e'))
			*to++ = *++text == 'n' ? '\n' : '\033';
		else
			*to++ = *text;
	}
	*to = '\0';
}

static void list_complaints(struct sim_dev *d)
{
	for (unsigned i = 0; i < sim_dev_complaints(d); i++)
		printf("%s\n", sim_dev_complaint(d, i));
}

static void obey(struct pty *p, char *line)
{
	struct sim_dev *d = sim_serial_device(p->reader);
	char err[200] = "not understood", *rest = line + strcspn(line, " ");
	uint64_t now = now_ns();
	bool ok = false;

	if (*rest)
		*rest++ = '\0';
	if (strcmp(line, "insert") == 0) {
		char *card;
		unsigned long slot = strtoul(rest, &card, 10);

		ok = sim_dev_insert(d, 0, (unsigned)slot, card + strspn(card, " "), now, err, sizeof err);
	} else if (strcmp(line, "remove") == 0) {
		snprintf(err, sizeof err, "no card there");
		ok = sim_dev_remove(d, 0, (unsigned)strtoul(rest, NULL, 10), now);
	} else if (strcmp(line, "keys") == 0) {
		unescape(rest);
		ok = sim_dev_keys(d, 0, rest, now);
	} else if (strcmp(line, "fault") == 0) {
		ok = sim_serial_fault(p->reader, rest, err, sizeof err);
	} else if (strcmp(line, "complaints") == 0) {
		list_complaints(d);
		ok = true;
	} else if (strcmp(line, "closed") == 0) {
		/* The last close ends TIOCEXCL on a real line. A pseudo terminal keeps it as long as its other end
		 * is open, and then only an administrator could open the line again. */
		ok = ioctl(p->slave, TIOCNXCL) == 0;
	} else if (strcmp(line, "quit") == 0) {
		ok = p->quit = true;
	}
	reply(ok, err);
}

static void read_stdin(struct pty *p)
{
	size_t have = p->line_len < sizeof p->line - 1 ? p->line_len : 0;	/* longer than any
										   line */
	ssize_t n = read(STDIN_FILENO, p->line + have, sizeof p->line - 1 - have);
	char *end;

	if (n <= 0) {
		p->stdin_open = false;
		return;
	}
	p->line_len = have + (size_t)n;
	p->line[p->line_len] = '\0';
	while ((end = memchr(p->line, '\n', p->line_len)) != NULL) {
		*end = '\0';
		obey(p, p->line);
		p->line_len -= (size_t)(end + 1 - p->line);
		memmove(p->line, end + 1, p->line_len + 1);
	}
}

static unsigned line_speed(int fd)
{
	struct termios t;

	if (tcgetattr(fd, &t) != 0)
		return 0;
	return cfgetospeed(&t) == B115200 ? 115200 : cfgetospeed(&t) == B9600 ? 9600 : 0;
}

static void read_line(struct pty *p)
{
	uint8_t bytes[512];
	ssize_t n = read(p->master, bytes, sizeof bytes);

	if (n <= 0)
		return;
	sim_serial_line_speed(p->reader, line_speed(p->master));
	sim_serial_input(p->reader, bytes, (size_t)n, now_ns());
}

static void write_line(struct pty *p)
{
	uint8_t bytes[512];
	size_t n = sim_serial_output(p->reader, bytes, sizeof bytes, now_ns());

	/* A terminal that is not read from fills up: a line loses bytes then. */
	if (n > 0 && write(p->master, bytes, n) < 0 && errno != EAGAIN)
		p->quit = true;
}

static int wait_ms(const struct pty *p)
{
	uint64_t at = sim_serial_next(p->reader), now = now_ns();

	if (at == UINT64_MAX)
		return -1;
	if (at <= now)
		return 0;
	at = (at - now + 999999u) / 1000000u;
	return at > 60000 ? 60000 : (int)at;
}

static void pty_serve(struct pty *p)
{
	while (!p->quit && !told_to_stop && !sim_serial_hung_up(p->reader)) {
		struct pollfd f[2] = {
			{ .fd = p->master, .events = POLLIN },
			{ .fd = p->stdin_open ? STDIN_FILENO : -1, .events = POLLIN },
		};

		if (poll(f, 2, wait_ms(p)) < 0 && errno != EINTR)
			return;
		if (f[0].revents)
			read_line(p);
		if (f[1].revents)
			read_stdin(p);
		write_line(p);
	}
}

static bool open_pty(struct pty *p)
{
	const char *name;
	struct termios t;

	p->master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (p->master < 0 || grantpt(p->master) != 0 || unlockpt(p->master) != 0)
		return false;
	name = ptsname(p->master);
	if (!name)
		return false;
	p->slave = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (p->slave < 0 || tcgetattr(p->slave, &t) != 0)
		return false;
	cfmakeraw(&t);
	if (tcsetattr(p->slave, TCSANOW, &t) != 0 || fcntl(p->master, F_SETFL, O_NONBLOCK) != 0)
		return false;
	(void)unlink(p->path);
	return symlink(name, p->path) == 0;
}

int main(int argc, char **argv)
{
	struct pty p = { .master = -1, .slave = -1, .stdin_open = true };
	struct sigaction sa = { .sa_handler = on_signal };
	char err[300];
	unsigned complaints;

	if (argc < 3) {
		fprintf(stderr, "usage: %s TYPE [CARD...] PATH\n", argv[0]);
		return 2;
	}
	p.path = argv[argc - 1];
	p.reader = sim_serial_new(argv[1], (const char *const *)argv + 2, (unsigned)argc - 3, err, sizeof err);
	if (!p.reader) {
		fprintf(stderr, "%s: %s\n", argv[0], err);
		return 2;
	}
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGINT, &sa, NULL);
	if (!open_pty(&p)) {
		fprintf(stderr, "%s: %s: %s\n", argv[0], p.path, strerror(errno));
		sim_serial_free(p.reader);
		return 2;
	}
	puts("ready");
	fflush(stdout);
	pty_serve(&p);
	unlink(p.path);
	close(p.slave);
	close(p.master);
	complaints = sim_dev_complaints(sim_serial_device(p.reader));
	list_complaints(sim_serial_device(p.reader));
	sim_serial_free(p.reader);
	return complaints ? 1 : 0;
}
