/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define _GNU_SOURCE
#undef _FORTIFY_SOURCE
/* open() and open64() are two functions here, even with configure's large files on 32 bits. */
#undef _FILE_OFFSET_BITS

#include "usbfs_hook.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/usbdevice_fs.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))
#define MAX_FD 1024
#define MAX_KEPT 64

/* A descriptor of a device node, and its transfers that are kept back. */
struct node {
	unsigned device;			/* atomic, written under lock; 0: another file */
	struct usbdevfs_urb *back[MAX_KEPT];	/* completed requests that were not reported */
	struct usbdevfs_urb *not_discarded[MAX_KEPT];
	unsigned n_back, n_not_discarded;
	bool gone;				/* reaping failed with ENODEV, as all calls do */
};

struct fault {
	int err;
	unsigned times;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct node nodes[MAX_FD];
static struct {
	struct fault fault[HOOK_CALLS];
	bool hold;
	enum hook_call slow;
	unsigned slow_ms;
} devices[HOOK_DEVICES];
static unsigned failed[HOOK_CALLS];

typedef int (*openat_fn)(int dir, const char *path, int flags, ...);
typedef int (*ioctl_fn)(int fd, unsigned long request, ...);
typedef int (*poll_fn)(struct pollfd *fds, nfds_t n, int timeout);
typedef int (*close_fn)(int fd);
typedef void (*any_fn)(void);

static struct {
	any_fn openat, ioctl, poll, close;
} next_fns;

/* Looked up once: the linker's lock must not be taken where a sanitizer reads its symbols. Two
 * threads may both look, with the same result. */
static any_fn find_next(any_fn *kept, const char *name)
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

#define NEXT(name) ((name##_fn)find_next(&next_fns.name, #name))

/* --- called by tests --- */

void hook_fail(unsigned device, enum hook_call call, int err, unsigned times)
{
	pthread_mutex_lock(&lock);
	devices[device].fault[call] = (struct fault){ err, times };
	pthread_mutex_unlock(&lock);
}

void hook_slow(unsigned device, enum hook_call call, unsigned ms)
{
	pthread_mutex_lock(&lock);
	devices[device].slow = call;
	devices[device].slow_ms = ms;
	pthread_mutex_unlock(&lock);
}

unsigned hook_failed(enum hook_call call)
{
	unsigned n;

	pthread_mutex_lock(&lock);
	n = failed[call];
	pthread_mutex_unlock(&lock);
	return n;
}

void hook_hold(unsigned device)
{
	pthread_mutex_lock(&lock);
	devices[device].hold = true;
	pthread_mutex_unlock(&lock);
}

void hook_release(unsigned device)
{
	pthread_mutex_lock(&lock);
	memset(&devices[device], 0, sizeof devices[device]);
	for (int fd = 0; fd < MAX_FD; fd++) {
		struct node *n = &nodes[fd];

		while (n->device == device && n->n_not_discarded > 0)
			NEXT(ioctl)(fd, USBDEVFS_DISCARDURB, n->not_discarded[--n->n_not_discarded]);
	}
	pthread_mutex_unlock(&lock);
}

bool hook_reset(unsigned device)
{
	char path[40];
	int fd, rc;

	snprintf(path, sizeof path, "/dev/bus/usb/001/%03u", device);
	fd = NEXT(openat)(AT_FDCWD, path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return false;
	rc = NEXT(ioctl)(fd, USBDEVFS_RESET, NULL);
	NEXT(close)(fd);
	return rc == 0;
}

/* --- called by libusb and the driver --- */

/* The errno with which the call must fail, or 0. The caller has the lock. */
static int injected(unsigned device, enum hook_call call)
{
	struct fault *f = &devices[device].fault[call];

	if (f->times == 0)
		return 0;
	if (f->times != HOOK_EVER)
		f->times--;
	failed[call]++;
	return f->err;
}

static enum hook_call of_urb(const struct usbdevfs_urb *u, enum hook_call control)
{
	/* control, OUT, IN, interrupt: in this order for submissions and for ends */
	if (u->type == USBDEVFS_URB_TYPE_CONTROL)
		return control;
	if (u->type == USBDEVFS_URB_TYPE_INTERRUPT)
		return control + 3;
	return u->endpoint & 0x80 ? control + 2 : control + 1;
}

static enum hook_call of_request(unsigned request, const void *arg)
{
	switch (request) {
	case USBDEVFS_GET_CAPABILITIES: return HOOK_CAPABILITIES;
	case USBDEVFS_DISCONNECT_CLAIM: return HOOK_DISCONNECT_CLAIM;
	case USBDEVFS_GETDRIVER: return HOOK_GETDRIVER;
	case USBDEVFS_IOCTL: return HOOK_DRIVER;
	case USBDEVFS_CLAIMINTERFACE: return HOOK_CLAIM;
	case USBDEVFS_RELEASEINTERFACE: return HOOK_RELEASE;
	case USBDEVFS_SUBMITURB: return of_urb(arg, HOOK_SUBMIT_CONTROL);
	case USBDEVFS_REAPURB:
	case USBDEVFS_REAPURBNDELAY: return HOOK_REAP;
	case USBDEVFS_DISCARDURB: return HOOK_DISCARD;
	case USBDEVFS_CLEAR_HALT: return HOOK_CLEAR_HALT;
	case USBDEVFS_RESET: return HOOK_RESET;
	default: return HOOK_NONE;
	}
}

/* A completed transfer to report, or NULL; held transfers are kept. The caller has the lock. */
static struct usbdevfs_urb *next_urb(int fd)
{
	struct node *n = &nodes[fd];
	struct usbdevfs_urb *u;

	if (!devices[n->device].hold && n->n_back > 0)
		return n->back[--n->n_back];
	while (NEXT(ioctl)(fd, USBDEVFS_REAPURBNDELAY, &u) == 0) {
		if (!devices[n->device].hold || n->n_back == MAX_KEPT)
			return u;
		n->back[n->n_back++] = u;
	}
	return NULL;
}

static int reap(int fd, struct usbdevfs_urb **out)
{
	struct usbdevfs_urb *u = next_urb(fd);
	int err;

	if (!u)
		return -1;
	err = u->status == 0 ? injected(nodes[fd].device, of_urb(u, HOOK_END_CONTROL)) : 0;
	if (err) {
		u->status = -err;
		u->actual_length = 0;
	}
	*out = u;
	return 0;
}

/* Delays the call if a test asked for it. Releases the lock meanwhile. */
static void wait_slowly(unsigned device, enum hook_call call)
{
	unsigned ms = devices[device].slow_ms;

	if (devices[device].slow != call || ms == 0)
		return;
	devices[device].slow_ms = 0;
	failed[call]++;
	pthread_mutex_unlock(&lock);
	usleep(ms * 1000);
	pthread_mutex_lock(&lock);
}

/* The caller has the lock. */
static int node_ioctl(int fd, unsigned request, void *arg)
{
	struct node *n = &nodes[fd];
	enum hook_call call = of_request(request, arg);
	int err;

	wait_slowly(n->device, call);
	err = n->gone && call != HOOK_REAP ? ENODEV : injected(n->device, call);
	if (err) {
		if (call == HOOK_DISCARD && n->n_not_discarded < MAX_KEPT)
			n->not_discarded[n->n_not_discarded++] = arg;
		n->gone = n->gone || (call == HOOK_REAP && err == ENODEV);
		errno = err;
		return -1;
	}
	if (call == HOOK_REAP)
		return reap(fd, arg);
	err = call == HOOK_DISCARD ? injected(n->device, HOOK_DISCARD_LATE) : 0;
	if (NEXT(ioctl)(fd, request, arg) == 0 && !err)
		return 0;
	errno = err ? err : errno;
	return -1;
}

EXPORT int ioctl(int fd, unsigned long request, ...)
{
	bool ours = false;
	va_list ap;
	void *arg;
	int rc = -1;

	va_start(ap, request);
	arg = va_arg(ap, void *);
	va_end(ap);
	if (fd >= 0 && fd < MAX_FD) {
		pthread_mutex_lock(&lock);
		ours = nodes[fd].device != 0;
		if (ours)
			rc = node_ioctl(fd, (unsigned)request, arg);
		pthread_mutex_unlock(&lock);
	}
	return ours ? rc : NEXT(ioctl)(fd, request, arg);
}

static void node_begin(struct node *n, unsigned device)
{
	n->n_back = n->n_not_discarded = 0;
	n->gone = false;
	__atomic_store_n(&n->device, device, __ATOMIC_RELAXED);
}

static int open_node(unsigned device, const char *path, int flags)
{
	int err, fd = -1;

	pthread_mutex_lock(&lock);
	err = injected(device, HOOK_OPEN);
	if (!err)
		fd = NEXT(openat)(AT_FDCWD, path, flags);
	if (fd >= 0 && fd < MAX_FD)
		node_begin(&nodes[fd], device);
	pthread_mutex_unlock(&lock);
	if (err)
		errno = err;
	return fd;
}

static int open_any(const char *path, int flags, mode_t mode)
{
	unsigned device = 0;

	if (sscanf(path, "/dev/bus/usb/001/%3u", &device) == 1 && device > 0 && device < HOOK_DEVICES)
		return open_node(device, path, flags);
	return NEXT(openat)(AT_FDCWD, path, flags, mode);
}

EXPORT int open(const char *path, int flags, ...)
{
	mode_t mode = 0;
	va_list ap;

	va_start(ap, flags);
	if (flags & O_CREAT)
		mode = va_arg(ap, mode_t);
	va_end(ap);
	return open_any(path, flags, mode);
}

EXPORT int open64(const char *path, int flags, ...)
{
	mode_t mode = 0;
	va_list ap;

	va_start(ap, flags);
	if (flags & O_CREAT)
		mode = va_arg(ap, mode_t);
	va_end(ap);
	return open_any(path, flags, mode);
}

/* Other files pass without a lock: a sanitizer reads its symbols with locks of its own held. */
EXPORT int close(int fd)
{
	if (fd >= 0 && fd < MAX_FD && __atomic_load_n(&nodes[fd].device, __ATOMIC_RELAXED)) {
		pthread_mutex_lock(&lock);
		__atomic_store_n(&nodes[fd].device, 0, __ATOMIC_RELAXED);
		pthread_mutex_unlock(&lock);
	}
	return NEXT(close)(fd);
}

/* A node is writable when a transfer has completed, and in error when the device is unplugged. */
static unsigned due(struct pollfd *fds, nfds_t n)
{
	unsigned found = 0;

	pthread_mutex_lock(&lock);
	for (nfds_t i = 0; i < n; i++) {
		const struct node *node = fds[i].fd >= 0 && fds[i].fd < MAX_FD ? &nodes[fds[i].fd] : &nodes[0];
		bool is = node->device != 0 && node->n_back > 0 && !devices[node->device].hold;

		fds[i].revents = is ? POLLOUT : 0;
		if (node->device != 0 && node->gone)
			fds[i].revents = POLLERR | POLLHUP;
		found += fds[i].revents != 0;
	}
	pthread_mutex_unlock(&lock);
	return found;
}

EXPORT int poll(struct pollfd *fds, nfds_t n, int timeout)
{
	unsigned found = due(fds, n);

	return found > 0 ? (int)found : NEXT(poll)(fds, n, timeout);
}
