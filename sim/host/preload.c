/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The library that ccid-sim preloads into the programs it runs: plays the kernel's usbfs below an
 * unchanged libusb. Only functions of the C library that meet a device node are interposed; for
 * every other file the real one is called at once. */
#define _GNU_SOURCE
#undef _FORTIFY_SOURCE
/* open() and open64() are two here, also where configure asks for large files on 32 bits. */
#undef _FILE_OFFSET_BITS

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/usbdevice_fs.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "sim/host/preload_fd.h"

#define EXPORT __attribute__((visibility("default")))
#define SYSFS_ROOT "/sys"

/* Prototypes of the fortified entry points, which no header declares. */
EXPORT int __open_2(const char *path, int flags);
EXPORT int __open64_2(const char *path, int flags);
EXPORT int __openat_2(int dir, const char *path, int flags);
EXPORT int __openat64_2(int dir, const char *path, int flags);
EXPORT int __poll_chk(struct pollfd *fds, nfds_t n, int timeout, size_t size);
EXPORT int __ppoll_chk(struct pollfd *fds, nfds_t n, const struct timespec *t, const sigset_t *s, size_t size);
EXPORT ssize_t __read_chk(int fd, void *buf, size_t len, size_t size);
EXPORT ssize_t __pread_chk(int fd, void *buf, size_t len, off_t at, size_t size);
EXPORT ssize_t __pread64_chk(int fd, void *buf, size_t len, off64_t at, size_t size);
EXPORT ssize_t __readlink_chk(const char *path, char *buf, size_t len, size_t size);

typedef void (*any_fn)(void);

/* The next library's function, found once and kept in *kept. Two threads may both look: they find the same. */
static any_fn next_function(any_fn *kept, const char *name)
{
	any_fn f = __atomic_load_n(kept, __ATOMIC_RELAXED);
	void *p;

	if (f)
		return f;
	p = dlsym(RTLD_NEXT, name);
	if (!p)
		abort();
	memcpy(&f, &p, sizeof f);
	__atomic_store_n(kept, f, __ATOMIC_RELAXED);
	return f;
}

/* The real functions, by name. The one table that is written to (see next_function). */
static struct {
	any_fn openat, openat64, close, read, pread, pread64, lseek, lseek64;
	any_fn ioctl, poll, ppoll, statfs, statfs64, fstatfs, fstatfs64, readlink;
} real;

#define REAL(name) ((__typeof__(&name))next_function(&real.name, #name))

/* "/dev/bus/usb/BBB/DDD", exactly, while a simulator runs. */
static bool is_node(const char *path, unsigned *bus, unsigned *device)
{
	int used = 0;

	if (strncmp(path, "/dev/bus/usb/", 13) != 0 || !getenv(WIRE_SOCKET_ENV))
		return false;
	return sscanf(path, "/dev/bus/usb/%3u/%3u%n", bus, device, &used) == 2 && !path[used];
}

static mode_t mode_arg(int flags, va_list ap)
{
	return flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE ? va_arg(ap, mode_t) : 0;
}

typedef int (*openat_fn)(int dir, const char *path, int flags, ...);

/* open() is openat() from the working directory. ap holds the mode where flags want one. */
static int open_any(openat_fn next, int dir, const char *path, int flags, va_list ap)
{
	unsigned bus, device;

	if (is_node(path, &bus, &device))
		return node_open(bus, device, flags);
	return next(dir, path, flags, mode_arg(flags, ap));
}

EXPORT int open(const char *path, int flags, ...)
{
	va_list ap;
	int fd;

	va_start(ap, flags);
	fd = open_any(REAL(openat), AT_FDCWD, path, flags, ap);
	va_end(ap);
	return fd;
}

EXPORT int open64(const char *path, int flags, ...)
{
	va_list ap;
	int fd;

	va_start(ap, flags);
	fd = open_any(REAL(openat64), AT_FDCWD, path, flags, ap);
	va_end(ap);
	return fd;
}

EXPORT int openat(int dir, const char *path, int flags, ...)
{
	va_list ap;
	int fd;

	va_start(ap, flags);
	fd = open_any(REAL(openat), dir, path, flags, ap);
	va_end(ap);
	return fd;
}

EXPORT int openat64(int dir, const char *path, int flags, ...)
{
	va_list ap;
	int fd;

	va_start(ap, flags);
	fd = open_any(REAL(openat64), dir, path, flags, ap);
	va_end(ap);
	return fd;
}

EXPORT int __open_2(const char *path, int flags)
{
	return open(path, flags);
}

EXPORT int __open64_2(const char *path, int flags)
{
	return open64(path, flags);
}

EXPORT int __openat_2(int dir, const char *path, int flags)
{
	return openat(dir, path, flags);
}

EXPORT int __openat64_2(int dir, const char *path, int flags)
{
	return openat64(dir, path, flags);
}

EXPORT int close(int fd)
{
	node_forget(fd);
	return REAL(close)(fd);
}

EXPORT ssize_t read(int fd, void *buf, size_t len)
{
	struct node *n = node_get(fd);
	ssize_t r;

	if (!n)
		return REAL(read)(fd, buf, len);
	r = node_read(n, buf, len, -1);
	node_put(n);
	return r;
}

EXPORT ssize_t __read_chk(int fd, void *buf, size_t len, size_t size)
{
	if (len > size)
		abort();
	return read(fd, buf, len);
}

static ssize_t pread_node(struct node *n, void *buf, size_t len, off64_t at)
{
	ssize_t r;

	if (at < 0) {
		errno = EINVAL;
		r = -1;
	} else {
		r = node_read(n, buf, len, at);
	}
	node_put(n);
	return r;
}

EXPORT ssize_t pread(int fd, void *buf, size_t len, off_t at)
{
	struct node *n = node_get(fd);

	return n ? pread_node(n, buf, len, at) : REAL(pread)(fd, buf, len, at);
}

EXPORT ssize_t pread64(int fd, void *buf, size_t len, off64_t at)
{
	struct node *n = node_get(fd);

	return n ? pread_node(n, buf, len, at) : REAL(pread64)(fd, buf, len, at);
}

EXPORT ssize_t __pread_chk(int fd, void *buf, size_t len, off_t at, size_t size)
{
	if (len > size)
		abort();
	return pread(fd, buf, len, at);
}

EXPORT ssize_t __pread64_chk(int fd, void *buf, size_t len, off64_t at, size_t size)
{
	if (len > size)
		abort();
	return pread64(fd, buf, len, at);
}

static off64_t seek_node(struct node *n, off64_t offset, int whence)
{
	off64_t r = node_seek(n, offset, whence);

	node_put(n);
	return r;
}

EXPORT off_t lseek(int fd, off_t offset, int whence)
{
	struct node *n = node_get(fd);

	return n ? (off_t)seek_node(n, offset, whence) : REAL(lseek)(fd, offset, whence);
}

EXPORT off64_t lseek64(int fd, off64_t offset, int whence)
{
	struct node *n = node_get(fd);

	return n ? seek_node(n, offset, whence) : REAL(lseek64)(fd, offset, whence);
}

/* libusb finds the path of a descriptor that it was handed in /proc/self/fd. */
EXPORT ssize_t readlink(const char *path, char *buf, size_t len)
{
	struct node *n = NULL;
	int fd = -1, used = 0;
	ssize_t r;

	if (sscanf(path, "/proc/self/fd/%d%n", &fd, &used) == 1 && !path[used])
		n = node_get(fd);
	if (!n)
		return REAL(readlink)(path, buf, len);
	r = (ssize_t)strlen(node_path(n));
	if ((size_t)r > len)
		r = (ssize_t)len;
	memcpy(buf, node_path(n), (size_t)r);
	node_put(n);
	return r;
}

EXPORT ssize_t __readlink_chk(const char *path, char *buf, size_t len, size_t size)
{
	if (len > size)
		abort();
	return readlink(path, buf, len);
}

static int connect_info(const struct node *n, struct usbdevfs_connectinfo *c)
{
	c->devnum = node_device(n);
	c->slow = 0;
	return 0;
}

static int connect_info_ex(const struct node *n, struct usbdevfs_conninfo_ex *c, size_t size)
{
	struct usbdevfs_conninfo_ex all = {
		.size = sizeof all, .busnum = node_bus(n), .devnum = node_device(n),
		.speed = node_speed(n), .num_ports = 1, .ports = { 1 },
	};

	memcpy(c, &all, size < sizeof all ? size : sizeof all);
	return 0;
}

static int get_driver(struct node *n, struct usbdevfs_getdriver *d)
{
	int r = node_call(n, WIRE_DRIVER, d->interface);

	if (!r)
		strcpy(d->driver, "usbfs");
	return r;
}

/* No kernel driver is ever bound to a simulated interface: there is nothing to disconnect. */
static int driver_ioctl(const struct usbdevfs_ioctl *c)
{
	return (unsigned)c->ioctl_code == USBDEVFS_CONNECT ? 0 : -ENODATA;
}

/* Bulk transfers are not offered in continuation pieces: one request is one message. */
static int capabilities(uint32_t *caps)
{
	*caps = USBDEVFS_CAP_ZERO_PACKET | USBDEVFS_CAP_NO_PACKET_SIZE_LIM |
		USBDEVFS_CAP_BULK_SCATTER_GATHER | USBDEVFS_CAP_REAP_AFTER_DISCONNECT |
		USBDEVFS_CAP_CONNINFO_EX;
	return 0;
}

static int node_ioctl(struct node *n, unsigned long request, void *arg)
{
	const struct usbdevfs_setinterface *si = arg;

	switch (request) {
	case USBDEVFS_SUBMITURB:
		return node_submit(n, arg);
	case USBDEVFS_REAPURB:
		return node_reap(n, true, arg);
	case USBDEVFS_REAPURBNDELAY:
		return node_reap(n, false, arg);
	case USBDEVFS_DISCARDURB:
		return node_discard(n, arg);
	case USBDEVFS_CLAIMINTERFACE:
		return node_call(n, WIRE_CLAIM, *(unsigned *)arg);
	case USBDEVFS_DISCONNECT_CLAIM:
		return node_call(n, WIRE_CLAIM, ((struct usbdevfs_disconnect_claim *)arg)->interface);
	case USBDEVFS_RELEASEINTERFACE:
		return node_call(n, WIRE_RELEASE, *(unsigned *)arg);
	case USBDEVFS_SETINTERFACE:
		return node_call(n, WIRE_SET_INTERFACE, si->interface << 8 | (si->altsetting & 0xff));
	case USBDEVFS_SETCONFIGURATION:
		return node_call(n, WIRE_SET_CONFIGURATION, *(unsigned *)arg);
	case USBDEVFS_CLEAR_HALT:
	case USBDEVFS_RESETEP:
		return node_call(n, WIRE_CLEAR_HALT, *(unsigned *)arg);
	case USBDEVFS_RESET:
		return node_call(n, WIRE_RESET, 0);
	case USBDEVFS_CONTROL:
		return node_control(n, arg);
	case USBDEVFS_BULK:
		return node_bulk(n, arg);
	case USBDEVFS_GETDRIVER:
		return get_driver(n, arg);
	case USBDEVFS_IOCTL:
		return driver_ioctl(arg);
	case USBDEVFS_GET_CAPABILITIES:
		return capabilities(arg);
	case USBDEVFS_GET_SPEED:
		return (int)node_speed(n);
	case USBDEVFS_CONNECTINFO:
		return connect_info(n, arg);
	default:
		if (_IOC_TYPE(request) == 'U' && _IOC_NR(request) == 32 && _IOC_DIR(request) == _IOC_READ)
			return connect_info_ex(n, arg, _IOC_SIZE(request));
		return -ENOTTY;
	}
}

EXPORT int ioctl(int fd, unsigned long request, ...)
{
	struct node *n = node_get(fd);
	va_list ap;
	void *arg;
	int r;

	va_start(ap, request);
	arg = va_arg(ap, void *);
	va_end(ap);
	if (!n)
		return REAL(ioctl)(fd, request, arg);
	/* Callers that keep the request in an int hand over its sign as well. */
	r = node_ioctl(n, (uint32_t)request, arg);
	node_put(n);
	if (r >= 0)
		return r;
	errno = -r;
	return -1;
}

/* A device node is writable when a completion waits, and in error when its device is gone; the
 * socket behind it says readable and hung up. */
static bool to_socket(struct pollfd *to, const struct pollfd *fds, nfds_t n)
{
	bool any = false;

	for (nfds_t i = 0; i < n; i++) {
		if (to)
			to[i] = fds[i];
		if (!node_is(fds[i].fd))
			continue;
		any = true;
		if (to)
			to[i].events = fds[i].events & POLLOUT ? POLLIN : 0;
	}
	return any;
}

static void from_socket(struct pollfd *fds, const struct pollfd *from, nfds_t n)
{
	short e;

	for (nfds_t i = 0; i < n; i++) {
		e = from[i].revents;
		fds[i].revents = e;
		if (!node_is(fds[i].fd))
			continue;
		fds[i].revents = (short)((e & POLLIN ? POLLOUT : 0) | (e & POLLNVAL));
		if (e & (POLLHUP | POLLERR))
			fds[i].revents = (short)(fds[i].revents | POLLERR | POLLHUP);
	}
}

/* More descriptors than this in one poll() take memory from the heap. */
#define POLL_ON_STACK 64

static int poll_nodes(struct pollfd *fds, nfds_t n, const struct timespec *t, const sigset_t *s)
{
	struct pollfd few[POLL_ON_STACK], *copy = few;
	int r, e;

	if (n > POLL_ON_STACK)
		copy = malloc(n * sizeof *copy);
	if (!copy) {
		errno = ENOMEM;
		return -1;
	}
	to_socket(copy, fds, n);
	r = REAL(ppoll)(copy, n, t, s);
	e = errno;
	if (r >= 0)
		from_socket(fds, copy, n);
	if (copy != few)
		free(copy);
	errno = e;
	return r;
}

/* The C library declares that poll() only writes to its list; we are poll(), and read it. */
static struct pollfd *readable(struct pollfd *fds)
{
	__asm__("" : "+r"(fds));
	return fds;
}

EXPORT int poll(struct pollfd *fds, nfds_t n, int timeout)
{
	struct timespec t = { timeout / 1000, timeout % 1000 * 1000000L };

	if (!to_socket(NULL, readable(fds), n))
		return REAL(poll)(fds, n, timeout);
	return poll_nodes(fds, n, timeout < 0 ? NULL : &t, NULL);
}

EXPORT int ppoll(struct pollfd *fds, nfds_t n, const struct timespec *t, const sigset_t *s)
{
	if (!to_socket(NULL, readable(fds), n))
		return REAL(ppoll)(fds, n, t, s);
	return poll_nodes(fds, n, t, s);
}

EXPORT int __poll_chk(struct pollfd *fds, nfds_t n, int timeout, size_t size)
{
	if (size / sizeof *fds < n)
		abort();
	return poll(fds, n, timeout);
}

EXPORT int __ppoll_chk(struct pollfd *fds, nfds_t n, const struct timespec *t, const sigset_t *s, size_t size)
{
	if (size / sizeof *fds < n)
		abort();
	return ppoll(fds, n, t, s);
}

/* The private /sys is a tmpfs; libusb and libudev look whether it is a sysfs. */
static bool is_sysfs(const char *path)
{
	size_t len = strlen(SYSFS_ROOT);

	return getenv(WIRE_SOCKET_ENV) && !strncmp(path, SYSFS_ROOT, len) &&
	       (!path[len] || path[len] == '/');
}

static bool is_sysfs_fd(int fd)
{
	char link[32], path[64];
	ssize_t r;

	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	r = REAL(readlink)(link, path, sizeof path - 1);
	if (r < 0)
		return false;
	path[r] = 0;
	return is_sysfs(path);
}

EXPORT int statfs(const char *path, struct statfs *s)
{
	int r = REAL(statfs)(path, s);

	if (!r && is_sysfs(path))
		s->f_type = SYSFS_MAGIC;
	return r;
}

EXPORT int statfs64(const char *path, struct statfs64 *s)
{
	int r = REAL(statfs64)(path, s);

	if (!r && is_sysfs(path))
		s->f_type = SYSFS_MAGIC;
	return r;
}

EXPORT int fstatfs(int fd, struct statfs *s)
{
	int r = REAL(fstatfs)(fd, s);

	if (!r && is_sysfs_fd(fd))
		s->f_type = SYSFS_MAGIC;
	return r;
}

EXPORT int fstatfs64(int fd, struct statfs64 *s)
{
	int r = REAL(fstatfs64)(fd, s);

	if (!r && is_sysfs_fd(fd))
		s->f_type = SYSFS_MAGIC;
	return r;
}
