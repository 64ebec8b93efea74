/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Device nodes of the simulator as the preloaded library keeps them.
 *
 * The program's file descriptor is itself the socket to the daemon, so nothing has to be pumped: a
 * submission is one send, a reap is one receive, and sleeping in poll() is sleeping. */
#include "sim/host/preload_fd.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "sim/model/sim_dev.h"

#define MAX_FD 65536
#define CONTROL_SETUP 8u

/* A submitted request. The cookie that travels is index and generation, never the pointer: whatever
 * the daemon says late finds no entry, and the program's memory is not touched. */
struct pending {
	struct usbdevfs_urb *urb;	/* NULL: free */
	uint32_t generation;
};

struct node {
	unsigned refs;			/* under table.lock */
	int fd, sync_fd;
	unsigned bus, device, speed;
	char path[32];
	uint8_t *descriptors;
	size_t descriptors_len;
	off64_t position;			/* under lock */
	pthread_mutex_t lock;		/* pending, in, position; never held over a wait */
	struct pending *pending;
	size_t capacity;
	uint8_t *in;			/* one packet */
	pthread_mutex_t sync_lock;	/* one question at a time on sync_fd; taken alone */
};

/* The process's descriptors: the one piece of global state, as interposed functions get no context. */
static struct {
	pthread_mutex_t lock;
	struct node *nodes[MAX_FD];
} table = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* close() and poll() are interposed by this very library: go round them. */
static void close_fd(int fd)
{
	if (fd >= 0)
		syscall(SYS_close, fd);
}

static void wait_readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	syscall(SYS_ppoll, &p, 1, NULL, NULL, 0);
}

bool node_is(int fd)
{
	return fd >= 0 && fd < MAX_FD && __atomic_load_n(&table.nodes[fd], __ATOMIC_ACQUIRE);
}

struct node *node_get(int fd)
{
	struct node *n;

	if (!node_is(fd))
		return NULL;
	pthread_mutex_lock(&table.lock);
	n = table.nodes[fd];
	if (n)
		n->refs++;
	pthread_mutex_unlock(&table.lock);
	return n;
}

static void node_free(struct node *n)
{
	close_fd(n->sync_fd);
	pthread_mutex_destroy(&n->lock);
	pthread_mutex_destroy(&n->sync_lock);
	free(n->descriptors);
	free(n->pending);
	free(n->in);
	free(n);
}

void node_put(struct node *n)
{
	bool last;

	pthread_mutex_lock(&table.lock);
	last = --n->refs == 0;
	pthread_mutex_unlock(&table.lock);
	if (last)
		node_free(n);
}

static int connect_daemon(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	const char *path = getenv(WIRE_SOCKET_ENV);
	int fd;

	if (!path || strlen(path) >= sizeof a.sun_path)
		return -ENODEV;
	strcpy(a.sun_path, path);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&a, sizeof a)) {
		close_fd(fd);
		return -ENODEV;
	}
	return fd;
}

static int send_msg(int fd, const struct wire_msg *m, const void *data, size_t len)
{
	struct iovec v[2] = { { (void *)(uintptr_t)m, sizeof *m }, { (void *)(uintptr_t)data, len } };
	struct msghdr h = { .msg_iov = v, .msg_iovlen = len ? 2 : 1 };
	ssize_t r;

	do
		r = sendmsg(fd, &h, MSG_NOSIGNAL);
	while (r < 0 && errno == EINTR);
	if (r >= 0)
		return 0;
	return errno == EPIPE || errno == ECONNRESET ? -ENODEV : -errno;
}

/* One question and its answer. Returns the bytes of data that came (at most cap), or -errno. */
static int ask(int fd, struct wire_msg *m, const void *data, size_t len, void *in, size_t cap)
{
	struct iovec v[2] = { { m, sizeof *m }, { in, cap } };
	struct msghdr h = { .msg_iov = v, .msg_iovlen = cap ? 2 : 1 };
	ssize_t got;
	int r = send_msg(fd, m, data, len);

	if (r)
		return r;
	do
		got = recvmsg(fd, &h, 0);
	while (got < 0 && errno == EINTR);
	if (got < (ssize_t)sizeof *m)
		return -ENODEV;
	return m->status < 0 ? m->status : (int)(got - (ssize_t)sizeof *m);
}

static int join(struct node *n, uint64_t handle)
{
	struct wire_msg m = { .op = WIRE_JOIN, .cookie = handle };
	int r;

	n->sync_fd = connect_daemon();
	if (n->sync_fd < 0)
		return n->sync_fd;
	r = ask(n->sync_fd, &m, NULL, 0, n->in, WIRE_MAX_DATA);
	if (r < 0)
		return r;
	n->speed = m.arg;
	n->descriptors_len = (size_t)r;
	n->descriptors = malloc(n->descriptors_len + 1);
	if (!n->descriptors)
		return -ENOMEM;
	memcpy(n->descriptors, n->in, n->descriptors_len);
	return 0;
}

static struct node *node_new(unsigned bus, unsigned device)
{
	struct node *n = calloc(1, sizeof *n);

	if (!n)
		return NULL;
	n->refs = 1;
	n->fd = n->sync_fd = -1;
	n->bus = bus;
	n->device = device;
	snprintf(n->path, sizeof n->path, "/dev/bus/usb/%03u/%03u", bus, device);
	pthread_mutex_init(&n->lock, NULL);
	pthread_mutex_init(&n->sync_lock, NULL);
	n->in = malloc(sizeof(struct wire_msg) + WIRE_MAX_DATA);
	if (!n->in) {
		node_free(n);
		return NULL;
	}
	return n;
}

int node_open(unsigned bus, unsigned device, int flags)
{
	struct wire_msg m = { .op = WIRE_OPEN, .arg = bus << 16 | device };
	struct node *n = node_new(bus, device);
	int r;

	(void)flags;	/* every node is close-on-exec: a child of the program has no use for it */
	if (!n) {
		errno = ENOMEM;
		return -1;
	}
	r = n->fd = connect_daemon();
	if (r >= 0)
		r = ask(n->fd, &m, NULL, 0, NULL, 0);
	if (r >= 0)
		r = join(n, m.cookie);
	if (r >= 0 && n->fd >= MAX_FD)
		r = -EMFILE;
	if (r < 0) {
		close_fd(n->fd);
		node_free(n);
		errno = -r;
		return -1;
	}
	pthread_mutex_lock(&table.lock);
	__atomic_store_n(&table.nodes[n->fd], n, __ATOMIC_RELEASE);
	pthread_mutex_unlock(&table.lock);
	return n->fd;
}

void node_forget(int fd)
{
	struct node *n;

	if (!node_is(fd))
		return;
	pthread_mutex_lock(&table.lock);
	n = table.nodes[fd];
	__atomic_store_n(&table.nodes[fd], NULL, __ATOMIC_RELEASE);
	pthread_mutex_unlock(&table.lock);
	if (!n)
		return;
	/* A closed node has released its interfaces when close() returns, as in the kernel. */
	node_call(n, WIRE_CLOSE, 0);
	node_put(n);
}

const char *node_path(const struct node *n)
{
	return n->path;
}

unsigned node_bus(const struct node *n)
{
	return n->bus;
}

unsigned node_device(const struct node *n)
{
	return n->device;
}

unsigned node_speed(const struct node *n)
{
	return n->speed;
}

ssize_t node_read(struct node *n, void *buf, size_t len, off64_t offset)
{
	off64_t at;
	size_t left;

	pthread_mutex_lock(&n->lock);
	at = offset < 0 ? n->position : offset;
	left = at < (off64_t)n->descriptors_len ? n->descriptors_len - (size_t)at : 0;
	if (len > left)
		len = left;
	if (len)
		memcpy(buf, n->descriptors + at, len);
	if (offset < 0)
		n->position += (off64_t)len;
	pthread_mutex_unlock(&n->lock);
	return (ssize_t)len;
}

off64_t node_seek(struct node *n, off64_t offset, int whence)
{
	off64_t r = -1;

	pthread_mutex_lock(&n->lock);
	if (whence == SEEK_CUR)
		offset += n->position;
	if (whence == SEEK_END || offset < 0)
		errno = EINVAL;
	else
		r = n->position = offset;
	pthread_mutex_unlock(&n->lock);
	return r;
}

/* A free place; n->lock is held. Returns its index, or -1: no memory. */
static long pending_place(struct node *n)
{
	size_t i, more = n->capacity + 16;
	struct pending *p;

	for (i = 0; i < n->capacity; i++)
		if (!n->pending[i].urb)
			return (long)i;
	p = realloc(n->pending, more * sizeof *p);
	if (!p)
		return -1;
	memset(p + n->capacity, 0, 16 * sizeof *p);
	n->pending = p;
	n->capacity = more;
	return (long)i;
}

/* Translates a struct usbdevfs_urb to the wire format. Returns the data to send. */
static const uint8_t *describe(const struct usbdevfs_urb *u, struct wire_msg *m, size_t *len)
{
	const uint8_t *data = u->buffer;
	bool in = u->endpoint & 0x80;

	m->length = (uint32_t)u->buffer_length;
	m->endpoint = u->endpoint;
	m->type = u->type == USBDEVFS_URB_TYPE_BULK ? SIM_BULK : SIM_INTERRUPT;
	if (u->type == USBDEVFS_URB_TYPE_CONTROL) {
		memcpy(m->setup, data, CONTROL_SETUP);
		m->type = SIM_CONTROL;
		m->endpoint = 0;
		m->length = m->setup[6] | (uint32_t)m->setup[7] << 8;
		data += CONTROL_SETUP;
		in = m->setup[0] & 0x80;
	}
	*len = in ? 0 : m->length;
	return data;
}

int node_submit(struct node *n, struct usbdevfs_urb *u)
{
	struct wire_msg m = { .op = WIRE_SUBMIT };
	const uint8_t *data;
	size_t len;
	long i;
	int r;

	if (u->type == USBDEVFS_URB_TYPE_ISO || u->buffer_length < 0 || (u->buffer_length && !u->buffer))
		return -EINVAL;
	if ((uint32_t)u->buffer_length > WIRE_MAX_DATA)
		return -ENOMEM;
	if (u->type == USBDEVFS_URB_TYPE_CONTROL && u->buffer_length < (int)CONTROL_SETUP)
		return -EINVAL;
	data = describe(u, &m, &len);
	if (u->type == USBDEVFS_URB_TYPE_CONTROL && m.length > (uint32_t)u->buffer_length - CONTROL_SETUP)
		return -EINVAL;
	pthread_mutex_lock(&n->lock);
	i = pending_place(n);
	if (i >= 0) {
		n->pending[i].urb = u;
		m.cookie = (uint64_t)++n->pending[i].generation << 32 | (uint64_t)i;
	}
	pthread_mutex_unlock(&n->lock);
	if (i < 0)
		return -ENOMEM;
	r = send_msg(n->fd, &m, data, len);
	if (r) {
		pthread_mutex_lock(&n->lock);
		n->pending[i].urb = NULL;
		pthread_mutex_unlock(&n->lock);
	}
	return r;
}

int node_discard(struct node *n, const struct usbdevfs_urb *u)
{
	struct wire_msg m = { .op = WIRE_DISCARD };
	bool found = false;
	int r;

	pthread_mutex_lock(&n->lock);
	for (size_t i = 0; i < n->capacity && !found; i++) {
		found = n->pending[i].urb == u;
		m.cookie = (uint64_t)n->pending[i].generation << 32 | (uint64_t)i;
	}
	pthread_mutex_unlock(&n->lock);
	if (!found)
		return -EINVAL;
	/* On a device that is gone all requests have completed: nothing is left to discard. */
	r = send_msg(n->fd, &m, NULL, 0);
	return r == -ENODEV ? -EINVAL : r;
}

/* Copies what came into the request it belongs to; n->lock is held. NULL: no request waits for it. */
static struct usbdevfs_urb *complete(struct node *n, const struct wire_msg *m, const uint8_t *data, size_t len)
{
	size_t i = (uint32_t)m->cookie, room;
	struct usbdevfs_urb *u;
	uint8_t *to;

	if (m->op != WIRE_COMPLETE || i >= n->capacity || n->pending[i].generation != m->cookie >> 32)
		return NULL;
	u = n->pending[i].urb;
	n->pending[i].urb = NULL;
	if (!u)
		return NULL;
	to = u->buffer;
	room = (size_t)u->buffer_length;
	if (u->type == USBDEVFS_URB_TYPE_CONTROL) {
		to += CONTROL_SETUP;
		room -= CONTROL_SETUP;
	}
	if (len > room)
		len = room;
	if (len)
		memcpy(to, data, len);
	u->status = m->status;
	u->actual_length = (int)m->arg;
	u->error_count = 0;
	return u;
}

static int reap_once(struct node *n, struct usbdevfs_urb **u)
{
	struct wire_msg m;
	ssize_t got;

	*u = NULL;
	pthread_mutex_lock(&n->lock);
	got = recv(n->fd, n->in, sizeof m + WIRE_MAX_DATA, MSG_DONTWAIT);
	if (got >= (ssize_t)sizeof m) {
		memcpy(&m, n->in, sizeof m);
		*u = complete(n, &m, n->in + sizeof m, (size_t)got - sizeof m);
	}
	pthread_mutex_unlock(&n->lock);
	if (got < 0)
		return errno == EINTR ? 0 : errno == EAGAIN ? -EAGAIN : -ENODEV;
	return got == 0 ? -ENODEV : 0;
}

int node_reap(struct node *n, bool wait, struct usbdevfs_urb **u)
{
	int r;

	for (;;) {
		r = reap_once(n, u);
		if (r == -EAGAIN && wait)
			wait_readable(n->fd);
		else if (r || *u)
			return r;
	}
}

int node_call(struct node *n, enum wire_op op, uint32_t arg)
{
	struct wire_msg m = { .op = op, .arg = arg };
	int r;

	pthread_mutex_lock(&n->sync_lock);
	r = ask(n->sync_fd, &m, NULL, 0, NULL, 0);
	pthread_mutex_unlock(&n->sync_lock);
	return r < 0 ? r : m.status;
}

/* A blocking transfer. Data goes both ways through buf. Returns the bytes moved. */
static int transfer(struct node *n, struct wire_msg *m, void *buf, bool in)
{
	int r;

	m->op = WIRE_TRANSFER;
	pthread_mutex_lock(&n->sync_lock);
	r = ask(n->sync_fd, m, buf, in ? 0 : m->length, in ? buf : NULL, in ? m->length : 0);
	pthread_mutex_unlock(&n->sync_lock);
	return r < 0 ? r : (int)m->arg;
}

int node_control(struct node *n, const struct usbdevfs_ctrltransfer *c)
{
	struct wire_msg m = {
		.type = SIM_CONTROL, .length = c->wLength, .timeout_ms = c->timeout,
		.setup = {
			c->bRequestType, c->bRequest, c->wValue & 0xff, c->wValue >> 8,
			c->wIndex & 0xff, c->wIndex >> 8, c->wLength & 0xff, c->wLength >> 8,
		},
	};

	return transfer(n, &m, c->data, c->bRequestType & 0x80);
}

int node_bulk(struct node *n, const struct usbdevfs_bulktransfer *b)
{
	struct wire_msg m = {
		.type = SIM_BULK, .endpoint = b->ep, .length = b->len, .timeout_ms = b->timeout,
	};

	if (b->len > WIRE_MAX_DATA)
		return -ENOMEM;
	return transfer(n, &m, b->data, b->ep & 0x80);
}
