/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A driver behind its IFDH functions, called as pcscd calls them. */
#include "bench/bench.h"

#include <dlfcn.h>
#include <libusb.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <winscard.h>
#include <ifdhandler.h>

typedef RESPONSECODE poll_fn(DWORD lun, int timeout_ms);
typedef RESPONSECODE stop_fn(DWORD lun);

/* The functions that pcscd offers to its drivers; errors are shown, other lines dropped. */
void log_msg(const int priority, const char *fmt, ...) __attribute__((visibility("default")));
void log_xxd(const int priority, const char *msg, const unsigned char *buffer, const int len)
	__attribute__((visibility("default")));

void log_msg(const int priority, const char *fmt, ...)
{
	va_list ap;

	if (priority < 3 && !getenv("BENCH_LOG"))
		return;
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

void log_xxd(const int priority, const char *msg, const unsigned char *buffer, const int len)
{
	(void)priority;
	(void)msg;
	(void)buffer;
	(void)len;
}

/* The libusb context of all copies: a driver has one context, shared by all waiting threads. A
 * single driver and the baseline get contexts as usual. */
static struct {
	bool wanted;
	libusb_context *ctx;
	unsigned users;
} shared;

int LIBUSB_CALL __attribute__((visibility("default"))) libusb_init(libusb_context **ctx)
{
	int (*init)(libusb_context **), rc = 0;

	*(void **)&init = dlsym(RTLD_NEXT, "libusb_init");
	if (!shared.wanted)
		return init(ctx);
	if (shared.users == 0)
		rc = init(&shared.ctx);
	if (rc == 0)
		shared.users++;
	*ctx = shared.ctx;
	return rc;
}

void LIBUSB_CALL __attribute__((visibility("default"))) libusb_exit(libusb_context *ctx)
{
	void (*end)(libusb_context *);

	*(void **)&end = dlsym(RTLD_NEXT, "libusb_exit");
	if (!shared.wanted || --shared.users == 0)
		end(ctx);
}

/* A loaded copy of the driver's file. */
struct copy {
	RESPONSECODE (*create)(DWORD, LPSTR);
	RESPONSECODE (*close)(DWORD);
	RESPONSECODE (*caps)(DWORD, DWORD, PDWORD, PUCHAR);
	RESPONSECODE (*power)(DWORD, DWORD, PUCHAR, PDWORD);
	RESPONSECODE (*protocol)(DWORD, DWORD, UCHAR, UCHAR, UCHAR, UCHAR);
	RESPONSECODE (*transmit)(DWORD, SCARD_IO_HEADER, PUCHAR, DWORD, PUCHAR, PDWORD, PSCARD_IO_HEADER);
};

static struct driver {
	struct copy copies[BENCH_MAX_COPIES];
	unsigned n_copies;
	const struct copy *copy[BENCH_MAX_SLOTS];	/* the driver that has this slot */
	DWORD lun[BENCH_MAX_SLOTS];
	unsigned char t[BENCH_MAX_SLOTS];
	poll_fn *poll[BENCH_MAX_SLOTS];
	stop_fn *stop[BENCH_MAX_SLOTS];
	pthread_t poller[BENCH_MAX_SLOTS];
	bool polling[BENCH_MAX_SLOTS];
} driver;

static bool said(RESPONSECODE rc, const char *what, DWORD lun)
{
	if (rc == IFD_SUCCESS)
		return true;
	fprintf(stderr, "%s: Lun %lX: %ld\n", what, (unsigned long)lun, rc);
	return false;
}

static bool open_slot(void *ctx, unsigned index, const struct bench_device *dev, unsigned device, unsigned slot)
{
	struct driver *d = ctx;

	d->copy[index] = &d->copies[device % d->n_copies];
	d->lun[index] = (DWORD)device << 16 | slot;
	return said(d->copy[index]->create(d->lun[index], (LPSTR)dev->name), dev->name, d->lun[index]);
}

static bool power_on(void *ctx, unsigned index, unsigned protocol)
{
	struct driver *d = ctx;
	UCHAR atr[MAX_ATR_SIZE];
	DWORD len = sizeof atr;

	d->t[index] = (unsigned char)protocol;
	return said(d->copy[index]->power(d->lun[index], IFD_POWER_UP, atr, &len), "power on", d->lun[index]) &&
	       said(d->copy[index]->protocol(d->lun[index], protocol ? SCARD_PROTOCOL_T1 : SCARD_PROTOCOL_T0, 0, 0,
					     0, 0),
		    "protocol", d->lun[index]);
}

static bool transmit(void *ctx, unsigned index, const uint8_t *apdu, size_t apdu_len, uint8_t *answer, size_t *len)
{
	struct driver *d = ctx;
	SCARD_IO_HEADER in = { d->t[index], sizeof in }, out = { 0, 0 };
	DWORD n = (DWORD)*len;
	RESPONSECODE rc = d->copy[index]->transmit(d->lun[index], in, (PUCHAR)apdu, (DWORD)apdu_len, answer, &n,
						   &out);

	*len = n;
	return said(rc, "transmit", d->lun[index]);
}

static void *poll_for_ever(void *arg)
{
	unsigned index = (unsigned)(size_t)arg;

	while (__atomic_load_n(&driver.polling[index], __ATOMIC_ACQUIRE) &&
	       driver.poll[index](driver.lun[index], 600000) != IFD_NO_SUCH_DEVICE)
		;	/* pcscd ends its thread when the reader is gone */
	return NULL;
}

static bool start_polling(void *ctx, unsigned index)
{
	struct driver *d = ctx;
	const struct copy *c = d->copy[index];
	DWORD len = sizeof d->poll[index];

	if (c->caps(d->lun[index], TAG_IFD_POLLING_THREAD_WITH_TIMEOUT, &len, (PUCHAR)&d->poll[index]) != IFD_SUCCESS)
		return true;	/* no polling function: pcscd would call IFDHICCPresence() */
	len = sizeof d->stop[index];
	c->caps(d->lun[index], TAG_IFD_STOP_POLLING_THREAD, &len, (PUCHAR)&d->stop[index]);
	d->polling[index] = true;
	return pthread_create(&d->poller[index], NULL, poll_for_ever, (void *)(size_t)index) == 0;
}

static void stop_polling(void *ctx, unsigned index)
{
	struct driver *d = ctx;

	if (!d->polling[index])
		return;
	__atomic_store_n(&d->polling[index], false, __ATOMIC_RELEASE);
	if (d->stop[index])
		d->stop[index](d->lun[index]);
	pthread_join(d->poller[index], NULL);
}

static void close_slot(void *ctx, unsigned index)
{
	struct driver *d = ctx;

	d->copy[index]->close(d->lun[index]);
}

static bool load(const char *library, struct copy *c)
{
	void *h = dlopen(library, RTLD_NOW | RTLD_LOCAL);

	if (!h) {
		fprintf(stderr, "%s\n", dlerror());
		return false;
	}
	*(void **)&c->create = dlsym(h, "IFDHCreateChannelByName");
	*(void **)&c->close = dlsym(h, "IFDHCloseChannel");
	*(void **)&c->caps = dlsym(h, "IFDHGetCapabilities");
	*(void **)&c->power = dlsym(h, "IFDHPowerICC");
	*(void **)&c->protocol = dlsym(h, "IFDHSetProtocolParameters");
	*(void **)&c->transmit = dlsym(h, "IFDHTransmitToICC");
	return c->create && c->close && c->caps && c->power && c->protocol && c->transmit;
}

bool bench_driver_new(char *const *library, unsigned n, bool apart, struct bench_subject *out)
{
	shared.wanted = n > 1 && !apart;
	for (; driver.n_copies < n; driver.n_copies++)
		if (driver.n_copies == BENCH_MAX_COPIES ||
		    !load(library[driver.n_copies], &driver.copies[driver.n_copies]))
			return false;
	*out = (struct bench_subject){ open_slot, power_on, transmit, start_polling, stop_polling, close_slot,
					&driver };
	return n > 0;
}
