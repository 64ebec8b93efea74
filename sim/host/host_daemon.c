/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The simulator's process: one loop over sockets and one timer, set to the devices' next event. */
#define _GNU_SOURCE
#include "sim/host/host.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <unistd.h>

#define EVENTS 64
#define STATUS_COMPLAINTS 1
#define STATUS_ERROR 2
#define STATUS_DIVERGED 3

struct loop {
	int listen, timer, signal;
	uint64_t timer_at;
};

int host_listen(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX, .sun_path = HOST_SOCKET };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd >= 0 && !bind(fd, (struct sockaddr *)&a, sizeof a) && !listen(fd, 128))
		return fd;
	fprintf(stderr, "ccid-sim: " HOST_SOCKET ": %s\n", strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

static int daemon_start(struct sim_host *r, const char *config, bool trace)
{
	char line[] = "trace on";

	r->started = host_now();
	r->next_device = 1;
	r->front = &host_host_front;
	if (host_load(r, config))
		return -1;
	r->usbfs = host_usbfs_new(r);
	r->uevent_fd = host_uevent_open();
	if (!r->usbfs || r->uevent_fd < 0) {
		fprintf(stderr, "ccid-sim: %s\n", strerror(errno));
		return -1;
	}
	if (trace)
		host_command(r, line, stderr);
	for (unsigned i = 0; i < r->n_ports; i++) {
		if (!sim_dev_is_plugged(r->ports[i].dev))
			continue;
		if (host_plug(r, &r->ports[i])) {
			fprintf(stderr, "ccid-sim: cannot plug %s: %s\n", sim_dev_name(r->ports[i].dev),
				strerror(errno));
			return -1;
		}
	}
	return 0;
}

static int watch(int epoll, int *fd)
{
	struct epoll_event e = { .events = EPOLLIN, .data.ptr = fd };

	return *fd < 0 ? -1 : epoll_ctl(epoll, EPOLL_CTL_ADD, *fd, &e);
}

static int prepare(struct loop *l, int epoll, int listen_fd)
{
	sigset_t s;

	sigemptyset(&s);
	sigaddset(&s, SIGTERM);
	sigprocmask(SIG_BLOCK, &s, NULL);
	l->listen = listen_fd;
	l->timer_at = UINT64_MAX;
	l->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	l->signal = signalfd(-1, &s, SFD_CLOEXEC | SFD_NONBLOCK);
	return watch(epoll, &l->listen) || watch(epoll, &l->timer) || watch(epoll, &l->signal) ? -1 : 0;
}

static void set_timer(struct loop *l, uint64_t at)
{
	struct itimerspec t = { { 0, 0 }, { 0, 0 } };

	if (at == l->timer_at)
		return;
	l->timer_at = at;
	if (at != UINT64_MAX) {
		t.it_value.tv_sec = (time_t)(at / 1000000000u);
		t.it_value.tv_nsec = (long)(at % 1000000000u);
		if (!at)
			t.it_value.tv_nsec = 1;
	}
	timerfd_settime(l->timer, TFD_TIMER_ABSTIME, &t, NULL);
}

static void accept_all(struct sim_host *r, struct loop *l)
{
	int fd;

	while ((fd = accept4(l->listen, NULL, NULL, SOCK_CLOEXEC)) >= 0)
		host_usbfs_accept(r->usbfs, fd);
}

/* A device may go away by itself: a fault can do that. */
static void notice_vanished(struct sim_host *r)
{
	for (unsigned i = 0; i < r->n_ports; i++)
		if (r->ports[i].device && !sim_dev_is_plugged(r->ports[i].dev))
			host_unplug(r, &r->ports[i]);
}

/* Serves one batch of events. False: it is time to end. */
static bool turn(struct sim_host *r, struct loop *l)
{
	struct epoll_event e[EVENTS];
	bool go_on = true;
	uint64_t count, next, foreign;
	int n = epoll_wait(host_usbfs_epoll(r->usbfs), e, EVENTS, -1);

	for (int i = 0; i < n; i++) {
		if (e[i].data.ptr == &l->listen) {
			accept_all(r, l);
		} else if (e[i].data.ptr == &l->timer) {
			/* The timer has fired, so it has to be set again also for the same time. */
			if (read(l->timer, &count, sizeof count) > 0)
				l->timer_at = UINT64_MAX;
		} else if (e[i].data.ptr == &l->signal) {
			go_on = false;
		} else {
			host_usbfs_event(r->usbfs, e[i].data.ptr, e[i].events);
		}
	}
	foreign = host_foreign_run(r, host_now());
	next = host_usbfs_run(r->usbfs, host_now());
	set_timer(l, foreign < next ? foreign : next);
	notice_vanished(r);
	host_usbfs_sweep(r->usbfs);
	return go_on;
}

static void finish(struct sim_host *r)
{
	host_foreign_free(r);
	if (r->usbfs)
		host_usbfs_free(r->usbfs);
	host_unload(r);
}

int host_daemon(const char *config, bool trace, int listen_fd, int ready_fd)
{
	struct sim_host r = { 0 };
	int status = STATUS_ERROR;
	struct loop l;

	if (!daemon_start(&r, config, trace) && !prepare(&l, host_usbfs_epoll(r.usbfs), listen_fd) &&
	    write(ready_fd, "", 1) == 1) {
		close(ready_fd);
		set_timer(&l, host_foreign_run(&r, host_now()));
		while (turn(&r, &l))
			;
		status = host_complaints(&r, stderr) ? STATUS_COMPLAINTS : 0;
		if (host_divergences(&r, stderr))
			status = STATUS_DIVERGED;
	}
	finish(&r);
	return status;
}
