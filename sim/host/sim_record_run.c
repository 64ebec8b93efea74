/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ccid-sim record: the command, and beside it a process that writes down what the preloaded library tells it. */
#define _GNU_SOURCE
#include "sim/host/host.h"
#include "sim/model/sim_record.h"
#include "sim/host/sim_record_file.h"
#include "sim/host/sim_record_folder.h"
#include "sim/host/sim_record_wire.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define RECORD_PRELOAD "libccid-sim-record.so"
#define USB_DEVICES "/sys/bus/usb/devices"
#define STATUS_ERROR 125
#define STATUS_NOTHING 1
#define MAX_CONNECTIONS 62

struct collector {
	unsigned vendor, product;
	struct sim_recorder *rec;
	struct record_file file;
	struct record_folder folder;
	unsigned bus, device;	/* of the reader that is recorded; 0: none yet */
	unsigned other_bus, other_device;	/* looked at last, and another one */
	struct pollfd fd[2 + MAX_CONNECTIONS];	/* for connections, for the end, connections */
	unsigned n_fds;
	uint8_t in[sizeof(struct record_event) + RECORD_MAX_DATA];
};

/* --- a device in sysfs --- */

struct sysfs_device {
	char dir[300], string[128];
	uint8_t descriptors[4096];
	size_t len;
};

/* Returns the number of bytes, 0 when there is no such file. A line end is removed. */
static size_t read_file(const char *dir, const char *more, const char *name, void *to, size_t cap)
{
	char path[600];
	size_t n = 0;
	FILE *f;

	snprintf(path, sizeof path, "%s%s/%s", dir, more, name);
	f = fopen(path, "re");
	if (f) {
		n = fread(to, 1, cap, f);
		fclose(f);
	}
	return n;
}

static unsigned read_number(const char *dir, const char *name)
{
	char text[16] = "";

	read_file(dir, "", name, text, sizeof text - 1);
	return (unsigned)strtoul(text, NULL, 10);
}

static bool find_device(struct sysfs_device *s, unsigned bus, unsigned device)
{
	DIR *d = opendir(USB_DEVICES);
	struct dirent *e;
	bool found = false;

	while (d && !found && (e = readdir(d))) {
		if (e->d_name[0] == '.' || strchr(e->d_name, ':'))
			continue;
		snprintf(s->dir, sizeof s->dir, USB_DEVICES "/%.200s", e->d_name);
		found = read_number(s->dir, "busnum") == bus && read_number(s->dir, "devnum") == device;
	}
	if (d)
		closedir(d);
	s->len = found ? read_file(s->dir, "", "descriptors", s->descriptors, sizeof s->descriptors) : 0;
	return s->len >= 18 + 9;
}

static const char *text_file(struct sysfs_device *s, const char *more, const char *name)
{
	size_t n = read_file(s->dir, more, name, s->string, sizeof s->string - 1);

	s->string[n] = '\0';
	s->string[strcspn(s->string, "\n")] = '\0';
	return s->string;
}

static const char *string_of(void *user, unsigned index)
{
	struct sysfs_device *s = user;
	const uint8_t *d = s->descriptors;
	char more[32];

	if (index == d[14] || index == d[15] || index == d[16])
		return text_file(s, "", index == d[14] ? "manufacturer" : index == d[15] ? "product" : "serial");
	for (size_t at = 18; at + 9 <= s->len && d[at] >= 2; at += d[at]) {
		if (d[at + 1] != 4 || d[at + 8] != index)
			continue;
		snprintf(more, sizeof more, ":%u.%u", d[18 + 5], d[at + 2]);
		return text_file(s, more, "interface");
	}
	return NULL;
}

/* --- the process beside the command --- */

/* Whether the event is of the reader that is recorded; the first that opens such a reader decides which one. */
static bool is_ours(struct collector *c, const struct record_event *e)
{
	static struct sysfs_device s;

	if (e->bus == c->bus && e->device == c->device)
		return true;
	if (e->op != RECORD_OPEN || (e->bus == c->other_bus && e->device == c->other_device))
		return false;
	/* A device that is just coming is looked at again when it is opened again. */
	if (!find_device(&s, e->bus, e->device))
		return false;
	if ((s.descriptors[8] | s.descriptors[9] << 8) != (int)c->vendor ||
	    (s.descriptors[10] | s.descriptors[11] << 8) != (int)c->product) {
		c->other_bus = e->bus;
		c->other_device = e->device;
		return false;
	}
	if (c->bus) {
		static struct sysfs_device before;

		if (find_device(&before, c->bus, c->device)) {
			fprintf(stderr, "ccid-sim: a second reader %04x:%04x is not recorded\n", c->vendor, c->product);
			c->other_bus = e->bus;
			c->other_device = e->device;
			return false;
		}
	}
	if (!c->bus)
		record_file_begin(&c->file);
	c->bus = e->bus;
	c->device = e->device;
	sim_record_device(c->rec, s.descriptors, s.len, string_of, &s);
	return true;
}

static int status_of(int status)
{
	switch (status) {
	case -ENODEV:
	case -ESHUTDOWN:
		return SIM_GONE;
	case -ECONNRESET:
	case -ENOENT:
		return SIM_CANCELLED;
	default:
		return status;
	}
}

static void handle(struct collector *c, size_t got)
{
	struct record_event e;
	struct sim_urb u = { 0 };

	if (got < sizeof e)
		return;
	memcpy(&e, c->in, sizeof e);
	if (!is_ours(c, &e) || e.op == RECORD_OPEN || e.length > got - sizeof e)
		return;
	u.type = (enum sim_urb_type)e.type;
	u.endpoint = (uint8_t)e.endpoint;
	memcpy(u.setup, e.setup, sizeof u.setup);
	u.buf = c->in + sizeof e;
	u.len = e.op == RECORD_SUBMIT ? e.length : e.room;
	u.actual = e.length;
	u.status = status_of(e.status);
	if (e.op == RECORD_SUBMIT)
		sim_record_submit(c->rec, &u, e.time);
	else
		sim_record_complete(c->rec, &u, e.time);
}

static void accept_one(struct collector *c)
{
	int fd = accept4(c->fd[0].fd, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0)
		return;
	if (c->n_fds == sizeof c->fd / sizeof c->fd[0]) {
		close(fd);
		return;
	}
	c->fd[c->n_fds++] = (struct pollfd){ .fd = fd, .events = POLLIN };
}

/* Serves until the end is asked for and nothing is left to read. */
static void collect(struct collector *c)
{
	bool ending = false;

	while (poll(c->fd, c->n_fds, ending ? 0 : -1) > 0 || errno == EINTR) {
		bool any = false;

		ending = ending || c->fd[1].revents;
		/* A closed pipe is always ready. */
		if (ending)
			c->fd[1].fd = -1;
		if (c->fd[0].revents)
			accept_one(c);
		for (unsigned i = 2; i < c->n_fds; i++) {
			ssize_t got = c->fd[i].revents ? recv(c->fd[i].fd, c->in, sizeof c->in, MSG_DONTWAIT) : -1;

			any = any || got > 0;
			if (got > 0) {
				handle(c, (size_t)got);
			} else if (c->fd[i].revents && (got == 0 || errno != EAGAIN)) {
				close(c->fd[i].fd);
				c->fd[i--] = c->fd[--c->n_fds];
			}
		}
		/* What is known is in the file, however this process ends. */
		fflush(c->file.out);
		if (ending && !any && !c->fd[0].revents)
			break;
		errno = 0;
	}
}

static int run_collector(struct collector *c, const struct sim_record_options *o)
{
	bool nothing, good;

	c->rec = sim_record_new(c->file.out, o);
	if (!c->rec)
		return STATUS_ERROR;
	collect(c);
	record_folder_remove(&c->folder);
	nothing = c->bus == 0;
	good = sim_record_end(c->rec);
	good = record_file_close(&c->file, !nothing) && good;
	if (!good)
		fprintf(stderr, "ccid-sim: the recording could not be written: %s\n", strerror(errno));
	else if (nothing)
		fprintf(stderr, "ccid-sim: nothing is recorded: the command opened no reader %04x:%04x\n", c->vendor,
			c->product);
	return good && !nothing ? 0 : good ? STATUS_NOTHING : STATUS_ERROR;
}

/* --- the command --- */

static int set_environment(const char *socket_path)
{
	return host_preload(RECORD_PRELOAD, "CCID_SIM_RECORD_PRELOAD") | setenv(RECORD_SOCKET_ENV, socket_path, 1);
}

static pid_t start_command(char **command, const char *socket_path, const sigset_t *mask)
{
	pid_t self = getpid(), pid = fork();

	if (pid)
		return pid;
	host_die_with_parent(self);
	sigprocmask(SIG_SETMASK, mask, NULL);
	if (!set_environment(socket_path)) {
		execvp(command[0], command);
		fprintf(stderr, "ccid-sim: %s: %s\n", command[0], strerror(errno));
	}
	_exit(errno == ENOENT ? 127 : 126);
}

/* alive: a pipe of which this program alone keeps the writing end. Its end is the end of the recording, also when this
 * program is killed. Signals to all processes of a terminal or of timeout(1) are for the command, whose last words are
 * still to come. */
static pid_t start_collector(struct collector *c, int listener, const int alive[2], const struct sim_record_options *o)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	close(alive[1]);
	c->fd[0] = (struct pollfd){ .fd = listener, .events = POLLIN };
	c->fd[1] = (struct pollfd){ .fd = alive[0], .events = POLLIN };
	c->n_fds = 2;
	_exit(run_collector(c, o));
}

/* Signals that end the command, and with it the recording. They wait from the start, so that none ends this program
 * before its command. */
struct signals {
	sigset_t mask, old;
};

static void hold_signals(struct signals *s)
{
	sigemptyset(&s->mask);
	sigaddset(&s->mask, SIGCHLD);
	sigaddset(&s->mask, SIGTERM);
	sigaddset(&s->mask, SIGHUP);
	sigaddset(&s->mask, SIGINT); /* the terminal signals the command as well, which decides */
	sigprocmask(SIG_BLOCK, &s->mask, &s->old);
}

/* A terminal's SIGINT goes to the command as well, but not to one that is still to be started. */
static pid_t start_interrupted(char **command, const char *socket_path, const struct signals *held)
{
	sigset_t waiting;
	pid_t pid;

	sigemptyset(&waiting);
	sigpending(&waiting);
	pid = start_command(command, socket_path, &held->old);
	if (pid > 0 && sigismember(&waiting, SIGINT))
		kill(pid, SIGINT);
	return pid;
}

static int run_both(struct collector *c, int listener, const struct sim_record_options *o, const struct signals *held,
		    char **command)
{
	int status, alive[2], collected = STATUS_ERROR << 8;
	pid_t beside, pid;

	prctl(PR_SET_CHILD_SUBREAPER, 1);
	beside = pipe2(alive, O_CLOEXEC) ? -1 : start_collector(c, listener, alive, o);
	pid = beside < 0 ? -1 : start_interrupted(command, c->folder.socket, held);
	if (pid < 0) {
		fprintf(stderr, "ccid-sim: %s\n", strerror(errno));
		return STATUS_ERROR;
	}
	status = host_supervise(pid, &held->mask);
	host_end_leftovers(beside);
	close(alive[1]);
	waitpid(beside, &collected, 0);
	if (WIFSIGNALED(status))
		return 128 + WTERMSIG(status);
	if (WEXITSTATUS(status))
		return WEXITSTATUS(status);
	return WIFEXITED(collected) && !WEXITSTATUS(collected) ? 0 : STATUS_ERROR;
}

int host_record(const char *reader, const char *file, const struct sim_record_options *o, char **command)
{
	static struct collector c;
	int used = 0, listener, status;
	struct signals held;

	if (sscanf(reader, "%4x:%4x%n", &c.vendor, &c.product, &used) != 2 || reader[used]) {
		fprintf(stderr, "ccid-sim: a reader is named by its ids, as 08e6:3437, not \"%s\"\n", reader);
		return 2;
	}
	hold_signals(&held);
	if (!record_file_open(&c.file, file, c.vendor, c.product))
		return STATUS_ERROR;
	listener = record_folder_listen(&c.folder);
	if (listener < 0) {
		fprintf(stderr, "ccid-sim: %s: %s\n", c.folder.path, strerror(errno));
		record_file_close(&c.file, false);
		status = STATUS_ERROR;
	} else {
		/* the process beside the command decides whether a new file stays */
		status = run_both(&c, listener, o, &held, command);
		record_file_close(&c.file, true);
	}
	record_folder_remove(&c.folder);
	return status;
}
