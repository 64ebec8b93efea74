/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tools/child.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define END_MS 2000

static bool write_all(int fd, const char *p, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, p, len);

		if (n <= 0)
			return false;
		p += n;
		len -= (size_t)n;
	}
	return true;
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static bool child_read(int fd, char *p, size_t len, unsigned seconds)
{
	int64_t end = now_ms() + (int64_t)seconds * 1000;

	while (len > 0) {
		struct pollfd ready = {.fd = fd, .events = POLLIN};
		int64_t left = end - now_ms();
		ssize_t n;

		if (left <= 0 || poll(&ready, 1, (int)left) <= 0)
			return false;
		n = read(fd, p, len);
		if (n <= 0)
			return false;
		p += n;
		len -= (size_t)n;
	}
	return true;
}

/* Destructors in the child may hang: they have that long. */
static void end_child(pid_t pid, int64_t ms)
{
	int64_t end = now_ms() + ms;

	while (now_ms() < end) {
		if (waitpid(pid, NULL, WNOHANG) != 0)
			return;
		poll(NULL, 0, 5);
	}
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		continue;
}

bool child_run(void (*work)(void *data, void *user), void *data, size_t len, void *user,
	       unsigned seconds)
{
	int fds[2];
	pid_t pid;
	bool good;

	if (pipe(fds) != 0)
		return false;
	fflush(NULL);
	pid = fork();
	if (pid < 0) {
		close(fds[0]);
		close(fds[1]);
		return false;
	}
	if (pid == 0) {
		close(fds[0]);
		work(data, user);
		/* not _exit(): what a checker has counted is to be written */
		exit(!write_all(fds[1], data, len));
	}
	close(fds[1]);
	good = child_read(fds[0], data, len, seconds);
	close(fds[0]);
	end_child(pid, good ? END_MS : 0);
	return good;
}
