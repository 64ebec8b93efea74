/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The library that ccid-sim record preloads: sees each transfer that a program makes through Linux's usbfs and tells
 * the recorder. Only ioctl() is interposed. The program's own calls go on to the next library: the C library's, or
 * that of ccid-sim run. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <linux/usbdevice_fs.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "sim/model/sim_dev.h"
#include "sim/host/sim_record_wire.h"

#define EXPORT __attribute__((visibility("default")))
#define MAX_FD 1024
#define SETUP 8

/* The one piece of global state, as interposed functions get no context. */
static struct {
	pthread_mutex_t lock;
	pid_t owner;		/* the owner of the connection: a forked program opens its own */
	int fd;
	ino_t inode;		/* of the socket */
	struct { unsigned bus, device; } node[MAX_FD];	/* bus 0: not known */
} rec = { .lock = PTHREAD_MUTEX_INITIALIZER, .fd = -1 };

typedef int (*ioctl_fn)(int fd, unsigned long request, ...);

static ioctl_fn next_ioctl(void)
{
	static ioctl_fn found;
	ioctl_fn f = __atomic_load_n(&found, __ATOMIC_RELAXED);
	void *p;

	if (f)
		return f;
	p = dlsym(RTLD_NEXT, "ioctl");
	if (!p)
		abort();
	memcpy(&f, &p, sizeof f);
	__atomic_store_n(&found, f, __ATOMIC_RELAXED);
	return f;
}

/* Whether the descriptor is still the connection's: a program that becomes a daemon closes all that it has, and the
 * number may be another file's by now. */
static bool is_connected(void)
{
	struct stat s;

	return rec.fd >= 0 && rec.owner == getpid() && fstat(rec.fd, &s) == 0 && s.st_ino == rec.inode &&
	       S_ISSOCK(s.st_mode);
}

/* Waits while the recorder has too many connections to accept, whatever signals come. */
static int connect_to(const struct sockaddr_un *a)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), r = -1;

	do
		r = fd < 0 ? 0 : connect(fd, (const struct sockaddr *)a, sizeof *a);
	while (r && errno == EINTR);
	if (r) {
		close(fd);
		fd = -1;
	}
	return fd;
}

/* Under lock. */
static int connection(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	struct stat s;
	const char *path = getenv(RECORD_SOCKET_ENV);

	if (is_connected())
		return rec.fd;
	rec.fd = -1;
	if (!path || strlen(path) >= sizeof a.sun_path)
		return -1;
	strcpy(a.sun_path, path);
	rec.owner = getpid();
	rec.fd = connect_to(&a);
	rec.inode = rec.fd >= 0 && fstat(rec.fd, &s) == 0 ? s.st_ino : 0;
	return rec.fd;
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* The device of a descriptor, from its path, also for a node made by ccid-sim run. */
static bool find_node(int fd, bool again, struct record_event *e)
{
	char link[40], path[64];
	unsigned bus = 0, device = 0;
	ssize_t n;

	if (fd < 0 || fd >= MAX_FD)
		return false;
	if (again || !rec.node[fd].bus) {
		snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
		n = readlink(link, path, sizeof path - 1);
		path[n > 0 ? n : 0] = '\0';
		if (sscanf(path, "/dev/bus/usb/%3u/%3u", &bus, &device) != 2)
			bus = device = 0;
		rec.node[fd].bus = bus;
		rec.node[fd].device = device;
	}
	e->bus = rec.node[fd].bus;
	e->device = rec.node[fd].device;
	return e->bus != 0;
}

static void record_report(int fd, bool again, struct record_event *e, const void *data, size_t len)
{
	size_t n = len < RECORD_MAX_DATA ? len : RECORD_MAX_DATA;
	struct iovec v[2] = { { e, sizeof *e }, { (void *)(uintptr_t)data, n } };
	struct msghdr m = { .msg_iov = v, .msg_iovlen = 2 };
	int keep = errno, to;
	ssize_t sent = 0;

	e->length = (uint32_t)n;
	e->time = now_ns();
	pthread_mutex_lock(&rec.lock);
	to = find_node(fd, again, e) ? connection() : -1;
	do
		sent = to < 0 ? 0 : sendmsg(to, &m, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	if (sent < 0 && errno == EPIPE) {
		close(to);
		rec.fd = -1;
	}
	pthread_mutex_unlock(&rec.lock);
	errno = keep;
}

static bool known_type(const struct usbdevfs_urb *u, struct record_event *e)
{
	e->endpoint = u->endpoint;
	e->type = u->type == USBDEVFS_URB_TYPE_CONTROL ? SIM_CONTROL :
		  u->type == USBDEVFS_URB_TYPE_INTERRUPT ? SIM_INTERRUPT : SIM_BULK;
	return u->type != USBDEVFS_URB_TYPE_ISO;
}

static void report_submit(int fd, const struct usbdevfs_urb *u)
{
	struct record_event e = { .op = RECORD_SUBMIT };

	if (known_type(u, &e) && e.type == SIM_BULK && !(u->endpoint & 0x80))
		record_report(fd, false, &e, u->buffer, (size_t)u->buffer_length);
}

static void report_complete(int fd, const struct usbdevfs_urb *u)
{
	struct record_event e = { .op = RECORD_COMPLETE, .status = u->status };
	const uint8_t *p = u->buffer;
	bool in = u->endpoint & 0x80;
	size_t len = (size_t)u->actual_length;

	if (!known_type(u, &e))
		return;
	e.room = (uint32_t)u->buffer_length;
	if (e.type == SIM_CONTROL) {
		if (u->buffer_length < SETUP)
			return;
		memcpy(e.setup, p, SETUP);
		p += SETUP;
		e.room -= SETUP;
		in = e.setup[0] & 0x80;
	}
	record_report(fd, false, &e, p, in ? len : e.type == SIM_CONTROL ? e.room : 0);
}

/* The blocking calls of usbfs. result: bytes, or -1 with errno. */
static void report_control(int fd, const struct usbdevfs_ctrltransfer *c, int result)
{
	bool in = c->bRequestType & 0x80;
	struct record_event e = {
		.op = RECORD_COMPLETE, .type = SIM_CONTROL, .status = result < 0 ? -errno : 0, .room = c->wLength,
	};
	const uint16_t words[3] = { c->wValue, c->wIndex, c->wLength };

	e.setup[0] = c->bRequestType;
	e.setup[1] = c->bRequest;
	for (int i = 0; i < 3; i++) {
		e.setup[2 + 2 * i] = (uint8_t)words[i];
		e.setup[3 + 2 * i] = (uint8_t)(words[i] >> 8);
	}

	record_report(fd, false, &e, c->data, !in ? c->wLength : result > 0 ? (size_t)result : 0);
}

static void report_bulk(int fd, const struct usbdevfs_bulktransfer *b, int result)
{
	struct record_event e = { .op = RECORD_COMPLETE, .type = SIM_BULK, .endpoint = b->ep, .room = b->len,
				  .status = result < 0 ? -errno : 0 };

	record_report(fd, false, &e, b->data, b->ep & 0x80 && result > 0 ? (size_t)result : 0);
}

static void report_bulk_out(int fd, const struct usbdevfs_bulktransfer *b)
{
	struct record_event e = { .op = RECORD_SUBMIT, .type = SIM_BULK, .endpoint = b->ep };

	if (!(b->ep & 0x80))
		record_report(fd, false, &e, b->data, b->len);
}

EXPORT int ioctl(int fd, unsigned long request, ...)
{
	struct record_event opened = { .op = RECORD_OPEN };
	unsigned long what = (uint32_t)request;
	va_list ap;
	void *arg;
	int r;

	va_start(ap, request);
	arg = va_arg(ap, void *);
	va_end(ap);
	if (_IOC_TYPE(what) != 'U')
		return next_ioctl()(fd, request, arg);
	/* libusb's first call after opening, and the one that a device is used after. */
	if (what == USBDEVFS_GET_CAPABILITIES || what == USBDEVFS_CLAIMINTERFACE || what == USBDEVFS_DISCONNECT_CLAIM)
		record_report(fd, true, &opened, NULL, 0);
	if (what == USBDEVFS_SUBMITURB)
		report_submit(fd, arg);
	if (what == USBDEVFS_BULK)
		report_bulk_out(fd, arg);
	r = next_ioctl()(fd, request, arg);
	if (r >= 0 && (what == USBDEVFS_REAPURB || what == USBDEVFS_REAPURBNDELAY))
		report_complete(fd, *(struct usbdevfs_urb **)arg);
	if (what == USBDEVFS_CONTROL)
		report_control(fd, arg, r);
	if (what == USBDEVFS_BULK)
		report_bulk(fd, arg, r);
	return r;
}
