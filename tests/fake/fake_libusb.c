/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The bus of the libusb stand-in: time, devices, nodes, handles. */
#include "fake/fake_libusb_priv.h"

#include "transport/usb_node.h"
#include "util/clock_wait.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct fake_bus fake = { .lock = PTHREAD_MUTEX_INITIALIZER, .done_tail = &fake.done };
static _Atomic uint64_t virtual_now;
static _Atomic bool is_virtual;
static unsigned begun;
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* --- time --- */

static uint64_t real_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

uint64_t clock_now(void)
{
	return is_virtual ? virtual_now : real_now();
}

void clock_sleep_until(uint64_t at_ns)
{
	uint64_t now = clock_now();

	if (is_virtual) {
		if (at_ns > now)
			virtual_now = at_ns;
		return;
	}
	while (now < at_ns) {
		struct timespec ts = { (time_t)((at_ns - now) / 1000000000u),
				       (long)((at_ns - now) % 1000000000u) };

		nanosleep(&ts, NULL);
		now = clock_now();
	}
}

void fake_clock_advance(uint64_t ns)
{
	virtual_now += ns;
}

/* Time of the next event of any device, at most `at`. */
static uint64_t next_event_before(uint64_t at)
{
	uint64_t now = virtual_now;

	fake_bus_lock();
	for (unsigned i = 0; i < fake.n_stirring; i++) {
		uint64_t next = sim_dev_next(fake.sim[fake.stirring[i]]);

		if (next > now && next < at)
			at = next;
	}
	fake_bus_unlock();
	return at;
}

/* Virtual time moves to the next event of a device, at most to at_ns, and other threads may run. */
bool clock_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex, uint64_t at_ns)
{
	struct timespec ts = { (time_t)(at_ns / 1000000000u), (long)(at_ns % 1000000000u) };
	uint64_t next;

	if (!is_virtual)
		return pthread_cond_timedwait(cond, mutex, &ts) != ETIMEDOUT;
	if (at_ns <= virtual_now)
		return false;
	pthread_mutex_unlock(mutex);
	next = next_event_before(at_ns);
	if (next > virtual_now)
		virtual_now = next;
	sched_yield();
	pthread_mutex_lock(mutex);
	return at_ns > virtual_now;
}

/* --- the bus --- */

static void init_once(void)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&fake.wake, &attr);
	pthread_condattr_destroy(&attr);
}

/* Under lock: removes the device from the bus. */
static void detach(unsigned nr)
{
	struct libusb_device *dev = fake.dev[nr];

	dev->attached = false;
	fake.dev[nr] = NULL;
	fake_device_unref(dev);
}

void fake_bus_stir(unsigned nr)
{
	if (fake.stirs[nr])
		return;
	fake.stirs[nr] = true;
	fake.stirring[fake.n_stirring++] = nr;
}

void fake_bus_lock(void)
{
	pthread_once(&once, init_once);
	pthread_mutex_lock(&fake.lock);
	/* a fault may have unplugged a device */
	for (unsigned i = 0; i < fake.n_stirring; i++) {
		unsigned nr = fake.stirring[i];

		if (fake.dev[nr] && !sim_dev_is_plugged(fake.sim[nr]))
			detach(nr);
	}
}

void fake_bus_unlock(void)
{
	pthread_cond_broadcast(&fake.wake);
	pthread_mutex_unlock(&fake.lock);
}

void fake_usb_lock(void)
{
	fake_bus_lock();
}

/* The caller may have changed any device: all of them are checked. */
void fake_usb_unlock(void)
{
	for (unsigned i = 0; i < fake.n_devs; i++)
		fake_bus_stir(i);
	fake_bus_unlock();
}

void fake_usb_end(void)
{
	fake_usb_lock();
	for (unsigned i = 0; i < fake.n_devs; i++) {
		if (fake.dev[i])
			fake_device_unref(fake.dev[i]);
		fake.dev[i] = NULL;
		sim_dev_free(fake.sim[i]);
		fake.sim[i] = NULL;
	}
	fake.n_devs = fake.n_stirring = 0;
	memset(fake.stirs, 0, sizeof fake.stirs);
	fake_usb_unlock();
}

void fake_usb_begin(enum fake_clock clock)
{
	fake_usb_end();
	fake_usb_lock();
	is_virtual = clock == FAKE_VIRTUAL;
	/* More than two hours after the last test: the driver's records of devices have expired. A
	 * power of two: the first bSeq, which comes from the clock, is the same each time. */
	virtual_now = UINT64_C(1000000000) + ((uint64_t)begun++ << 43);
	fake.clock = clock;
	fake.next_address = 1;
	fake.fail_submit = fake.fail_alloc = fake.fail_open = fake.fail_node = fake.claim_busy = 0;
	fake.fail_init = fake.fail_claim = fake.fail_endpoint = 0;
	fake.hold = FAKE_HOLD_NONE;
	fake.held = NULL;
	fake.fail_events = 0;
	memset(&fake.counts, 0, sizeof fake.counts);
	fake_usb_unlock();
}

/* Under lock: the next free address of the bus; 0 is not for devices (USB 2.0 §9.4.6). */
static uint8_t new_address(unsigned bus)
{
	bool taken = true;

	while (taken) {
		taken = ++fake.next_address == 0;
		for (unsigned i = 0; i < fake.n_devs; i++)
			taken |= fake.dev[i] && fake.dev[i]->bus == bus &&
				 fake.dev[i]->address == fake.next_address;
	}
	return fake.next_address;
}

/* Under lock. */
static void attach(unsigned nr)
{
	struct libusb_device *dev = calloc(1, sizeof *dev);
	const uint8_t *raw;
	size_t len;

	if (!dev)
		abort();
	dev->refs = 1;
	dev->nr = nr;
	dev->bus = (uint8_t)(1 + nr / FAKE_BUS_DEVS);
	dev->address = new_address(dev->bus);
	dev->port = (uint8_t)(nr + 1);
	dev->attached = true;
	raw = sim_dev_descriptors(fake.sim[nr], &len);
	dev->raw_len = len < sizeof dev->raw ? len : sizeof dev->raw;
	memcpy(dev->raw, raw, dev->raw_len);
	fake.dev[nr] = dev;
}

unsigned fake_usb_add(struct sim_dev *d)
{
	unsigned nr;

	fake_usb_lock();
	nr = fake.n_devs++;
	if (nr >= FAKE_MAX_DEVS)
		abort();
	fake.sim[nr] = d;
	fake.dev[nr] = NULL;
	if (sim_dev_is_plugged(d))
		attach(nr);
	fake_usb_unlock();
	return nr;
}

struct sim_dev *fake_usb_dev(unsigned nr)
{
	return fake.sim[nr];
}

void fake_usb_name(unsigned nr, unsigned interface, char *name, size_t cap)
{
	const struct libusb_device *dev;

	fake_usb_lock();
	dev = fake.dev[nr];
	snprintf(name, cap, "usb:%04x/%04x:libudev:%u:/dev/bus/usb/%03u/%03u",
		 sim_dev_vendor(fake.sim[nr]), sim_dev_product(fake.sim[nr]), interface,
		 dev ? dev->bus : 1, dev ? dev->address : 0);
	fake_usb_unlock();
}

void fake_usb_unplug(unsigned nr)
{
	fake_usb_lock();
	if (fake.dev[nr]) {
		sim_dev_unplug(fake.sim[nr], clock_now());
		detach(nr);
	}
	fake_usb_unlock();
}

void fake_usb_plug(unsigned nr)
{
	fake_usb_lock();
	if (!fake.dev[nr]) {
		sim_dev_plug(fake.sim[nr], clock_now());
		attach(nr);
	}
	fake_usb_unlock();
}

void fake_usb_reset(unsigned nr)
{
	fake_usb_lock();
	if (fake.dev[nr]) {
		sim_dev_reset(fake.sim[nr], clock_now());
		fake.dev[nr]->resets++;
		fake.dev[nr]->claimed = 0;
	}
	fake_usb_unlock();
}

void fake_usb_exchange(unsigned nr, unsigned at, uint8_t value)
{
	fake_usb_lock();
	fake.dev[nr]->raw[at] = value;
	fake_usb_unlock();
}

struct fake_counts fake_usb_counts(void)
{
	struct fake_counts c;

	fake_bus_lock();
	c = fake.counts;
	fake_bus_unlock();
	return c;
}

/* --- nodes --- */

static struct libusb_device *device_at(unsigned bus, unsigned address)
{
	for (unsigned i = 0; i < fake.n_devs; i++) {
		if (fake.dev[i] && fake.dev[i]->bus == bus && fake.dev[i]->address == address)
			return fake.dev[i];
	}
	return NULL;
}

/* Under lock. Returns the descriptor, or -1 with errno. */
static int open_node(unsigned bus, unsigned address)
{
	struct libusb_device *dev = device_at(bus, address);
	int fd;

	if (!dev) {
		errno = ENOENT;
		return -1;
	}
	if (fake.fail_node) {
		fake.fail_node--;
		errno = fake.fail_node_errno;
		return -1;
	}
	fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -1;
	if (fd >= FAKE_MAX_NODES) {
		close(fd);
		errno = EMFILE;
		return -1;
	}
	fake.node[fd] = libusb_ref_device(dev);
	fake.counts.nodes++;
	return fd;
}

int usb_node_open(const char *path)
{
	unsigned bus, address;
	int fd, err;

	if (sscanf(path, "/dev/bus/usb/%u/%u", &bus, &address) != 2) {
		errno = ENOENT;
		return -1;
	}
	fake_bus_lock();
	fd = open_node(bus, address);
	err = errno;
	fake_bus_unlock();
	errno = err;
	return fd;
}

/* As on a system without /sys: the driver uses libusb's list of devices. */
bool usb_node_ports(unsigned bus, unsigned address, char *out, size_t cap)
{
	(void)bus;
	(void)address;
	(void)out;
	(void)cap;
	return false;
}

void usb_node_close(int fd)
{
	fake_bus_lock();
	if (fd >= 0 && fd < FAKE_MAX_NODES && fake.node[fd]) {
		libusb_unref_device(fake.node[fd]);
		fake.node[fd] = NULL;
		fake.counts.nodes--;
		close(fd);
	}
	fake_bus_unlock();
}

/* --- contexts --- */

int LIBUSB_CALL libusb_init(libusb_context **ctx)
{
	struct libusb_context *c = calloc(1, sizeof *c);

	if (!c)
		return LIBUSB_ERROR_NO_MEM;
	fake_bus_lock();
	if (fake.fail_init) {
		int code = fake.fail_init_code, err = fake.fail_init_errno;

		fake.fail_init--;
		fake_bus_unlock();
		free(c);
		errno = err;
		return code;
	}
	if (!ctx && fake.fallback) {
		/* the default context counts its users */
		free(c);
		fake.fallback->refs++;
	} else {
		c->refs = 1;
		c->next = fake.contexts;
		fake.contexts = c;
		fake.counts.contexts++;
		fake.counts.total_contexts++;
		if (ctx)
			*ctx = c;
		else
			fake.fallback = c;
	}
	fake_bus_unlock();
	return 0;
}

#if LIBUSB_API_VERSION >= 0x0100010A
int LIBUSB_CALL libusb_init_context(libusb_context **ctx, const struct libusb_init_option options[],
				    int num_options)
{
	(void)options;
	(void)num_options;
	return libusb_init(ctx);
}
#endif

struct libusb_context *fake_context(struct libusb_context *ctx)
{
	return ctx ? ctx : fake.fallback;
}

void LIBUSB_CALL libusb_exit(libusb_context *ctx)
{
	struct libusb_context **p;

	fake_bus_lock();
	ctx = fake_context(ctx);
	for (p = &fake.contexts; *p && *p != ctx; p = &(*p)->next)
		;
	if (*p && --ctx->refs == 0) {
		*p = ctx->next;
		if (fake.fallback == ctx)
			fake.fallback = NULL;
		free(ctx);
		fake.counts.contexts--;
	}
	fake_bus_unlock();
}

int LIBUSB_CALL libusb_set_option(libusb_context *ctx, enum libusb_option option, ...)
{
	(void)ctx;
	(void)option;
	return 0;
}

/* --- devices --- */

/* The context of this thread's last device list. libusb has devices of its own for each context,
 * the stand-in shares them among all contexts: libusb_open() uses the context of the list. */
static __thread struct libusb_context *listed_by;

ssize_t LIBUSB_CALL libusb_get_device_list(libusb_context *ctx, libusb_device ***list)
{
	struct libusb_device **l = calloc(FAKE_MAX_DEVS + 1, sizeof *l);
	ssize_t n = 0;

	if (!l)
		return LIBUSB_ERROR_NO_MEM;
	fake_bus_lock();
	for (unsigned i = 0; i < fake.n_devs; i++) {
		if (!fake.dev[i])
			continue;
		l[n++] = libusb_ref_device(fake.dev[i]);
	}
	listed_by = fake_context(ctx);
	fake_bus_unlock();
	*list = l;
	return n;
}

void LIBUSB_CALL libusb_free_device_list(libusb_device **list, int unref_devices)
{
	if (!list)
		return;
	for (unsigned i = 0; unref_devices && list[i]; i++)
		libusb_unref_device(list[i]);
	free(list);
}

/* May be called with the lock held: the count is atomic. */
libusb_device *LIBUSB_CALL libusb_ref_device(libusb_device *dev)
{
	__atomic_add_fetch(&dev->refs, 1, __ATOMIC_SEQ_CST);
	__atomic_add_fetch(&fake.counts.device_refs, 1, __ATOMIC_SEQ_CST);
	return dev;
}

/* The bus's own reference is not counted among device_refs. */
void fake_device_unref(struct libusb_device *dev)
{
	if (__atomic_sub_fetch(&dev->refs, 1, __ATOMIC_SEQ_CST) == 0)
		free(dev);
}

void LIBUSB_CALL libusb_unref_device(libusb_device *dev)
{
	if (!dev)
		return;
	__atomic_sub_fetch(&fake.counts.device_refs, 1, __ATOMIC_SEQ_CST);
	fake_device_unref(dev);
}

uint8_t LIBUSB_CALL libusb_get_bus_number(libusb_device *dev)
{
	return dev->bus;
}

uint8_t LIBUSB_CALL libusb_get_device_address(libusb_device *dev)
{
	return dev->address;
}

uint8_t LIBUSB_CALL libusb_get_port_number(libusb_device *dev)
{
	return dev->port;
}

int LIBUSB_CALL libusb_get_port_numbers(libusb_device *dev, uint8_t *ports, int len)
{
	if (len < 1)
		return LIBUSB_ERROR_OVERFLOW;
	ports[0] = dev->port;
	return 1;
}

/* --- handles --- */

bool fake_alive(const struct libusb_device_handle *h)
{
	return h->dev->attached && h->resets == h->dev->resets;
}

/* Under lock. */
static int make_handle(struct libusb_context *ctx, struct libusb_device *dev,
		       libusb_device_handle **out)
{
	struct libusb_device_handle *h;

	if (fake.fail_open) {
		fake.fail_open--;
		errno = fake.fail_open_errno;
		return fake.fail_open_code;
	}
	if (!dev || !dev->attached)
		return LIBUSB_ERROR_NO_DEVICE;
	h = calloc(1, sizeof *h);
	if (!h)
		return LIBUSB_ERROR_NO_MEM;
	h->ctx = fake_context(ctx);
	h->dev = libusb_ref_device(dev);
	h->resets = dev->resets;
	fake.counts.handles++;
	fake.counts.total_opens++;
	*out = h;
	return 0;
}

int LIBUSB_CALL libusb_open(libusb_device *dev, libusb_device_handle **out)
{
	int rc;

	fake_bus_lock();
	rc = make_handle(listed_by, dev, out);
	fake_bus_unlock();
	return rc;
}

int LIBUSB_CALL libusb_wrap_sys_device(libusb_context *ctx, intptr_t fd, libusb_device_handle **out)
{
	int rc = LIBUSB_ERROR_IO;

	fake_bus_lock();
	if (fd >= 0 && fd < FAKE_MAX_NODES && fake.node[fd])
		rc = make_handle(ctx, fake.node[fd], out);
	fake_bus_unlock();
	return rc;
}

void LIBUSB_CALL libusb_close(libusb_device_handle *h)
{
	if (!h)
		return;
	fake_bus_lock();
	if (h->resets == h->dev->resets)
		h->dev->claimed &= ~h->claimed;
	fake.counts.claims -= (unsigned)__builtin_popcount(h->claimed);
	fake.counts.handles--;
	fake_bus_unlock();
	libusb_unref_device(h->dev);
	free(h);
}

libusb_device *LIBUSB_CALL libusb_get_device(libusb_device_handle *h)
{
	return h->dev;
}

int LIBUSB_CALL libusb_claim_interface(libusb_device_handle *h, int interface)
{
	uint32_t bit = interface >= 0 && interface < 32 ? 1u << interface : 0;
	int rc = 0, err = errno;

	fake_bus_lock();
	if (!fake_alive(h)) {
		rc = LIBUSB_ERROR_NO_DEVICE;
	} else if (!bit || (unsigned)interface >= h->dev->raw[18 + 4]) {
		rc = LIBUSB_ERROR_NOT_FOUND;
	} else if (fake.fail_claim) {
		fake.fail_claim--;
		rc = fake.fail_claim_code;
		err = fake.fail_claim_errno;
	} else if (fake.claim_busy) {
		fake.claim_busy--;
		rc = LIBUSB_ERROR_BUSY;
	} else if (h->dev->claimed & ~h->claimed & bit) {
		rc = LIBUSB_ERROR_BUSY;
	} else if (!(h->claimed & bit)) {
		h->dev->claimed |= bit;
		h->claimed |= bit;
		fake.counts.claims++;
	}
	fake_bus_unlock();
	errno = err;
	return rc;
}

int LIBUSB_CALL libusb_release_interface(libusb_device_handle *h, int interface)
{
	uint32_t bit = interface >= 0 && interface < 32 ? 1u << interface : 0;
	int rc = LIBUSB_ERROR_NOT_FOUND;

	fake_bus_lock();
	if (h->claimed & bit) {
		h->claimed &= ~bit;
		fake.counts.claims--;
		rc = fake_alive(h) ? 0 : LIBUSB_ERROR_NO_DEVICE;
		if (rc == 0)
			h->dev->claimed &= ~bit;
	}
	fake_bus_unlock();
	return rc;
}

static int alive_or_gone(libusb_device_handle *h)
{
	int rc;

	fake_bus_lock();
	rc = fake_alive(h) ? 0 : LIBUSB_ERROR_NO_DEVICE;
	fake_bus_unlock();
	return rc;
}

int LIBUSB_CALL libusb_set_auto_detach_kernel_driver(libusb_device_handle *h, int enable)
{
	(void)h;
	(void)enable;
	return 0;
}

int LIBUSB_CALL libusb_kernel_driver_active(libusb_device_handle *h, int interface)
{
	(void)interface;
	return alive_or_gone(h);
}

int LIBUSB_CALL libusb_detach_kernel_driver(libusb_device_handle *h, int interface)
{
	int rc = alive_or_gone(h);

	(void)interface;
	return rc ? rc : LIBUSB_ERROR_NOT_FOUND;
}

int LIBUSB_CALL libusb_attach_kernel_driver(libusb_device_handle *h, int interface)
{
	return libusb_detach_kernel_driver(h, interface);
}
