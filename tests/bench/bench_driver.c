/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A driver behind its IFDH functions, called as pcscd calls them. */
#include "bench/bench.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <winscard.h>
#include <ifdhandler.h>

typedef RESPONSECODE poll_fn(DWORD lun, int timeout_ms);
typedef RESPONSECODE stop_fn(DWORD lun);

/* What pcscd gives to its drivers; errors are shown, the rest is thrown away. */
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

static struct driver {
	RESPONSECODE (*create)(DWORD, LPSTR);
	RESPONSECODE (*close)(DWORD);
	RESPONSECODE (*caps)(DWORD, DWORD, PDWORD, PUCHAR);
	RESPONSECODE (*power)(DWORD, DWORD, PUCHAR, PDWORD);
	RESPONSECODE (*protocol)(DWORD, DWORD, UCHAR, UCHAR, UCHAR, UCHAR);
	RESPONSECODE (*transmit)(DWORD, SCARD_IO_HEADER, PUCHAR, DWORD, PUCHAR, PDWORD, PSCARD_IO_HEADER);
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

	d->lun[index] = (DWORD)device << 16 | slot;
	return said(d->create(d->lun[index], (LPSTR)dev->name), dev->name, d->lun[index]);
}

static bool power_on(void *ctx, unsigned index, unsigned protocol)
{
	struct driver *d = ctx;
	UCHAR atr[MAX_ATR_SIZE];
	DWORD len = sizeof atr;

	d->t[index] = (unsigned char)protocol;
	return said(d->power(d->lun[index], IFD_POWER_UP, atr, &len), "power on", d->lun[index]) &&
	       said(d->protocol(d->lun[index], protocol ? SCARD_PROTOCOL_T1 : SCARD_PROTOCOL_T0, 0, 0, 0, 0),
		    "protocol", d->lun[index]);
}

static bool transmit(void *ctx, unsigned index, const uint8_t *apdu, size_t apdu_len, uint8_t *answer, size_t *len)
{
	struct driver *d = ctx;
	SCARD_IO_HEADER in = { d->t[index], sizeof in }, out = { 0, 0 };
	DWORD n = (DWORD)*len;
	RESPONSECODE rc = d->transmit(d->lun[index], in, (PUCHAR)apdu, (DWORD)apdu_len, answer, &n, &out);

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
	DWORD len = sizeof d->poll[index];

	if (d->caps(d->lun[index], TAG_IFD_POLLING_THREAD_WITH_TIMEOUT, &len, (PUCHAR)&d->poll[index]) != IFD_SUCCESS)
		return true;	/* none: pcscd would ask for the presence now and then */
	len = sizeof d->stop[index];
	d->caps(d->lun[index], TAG_IFD_STOP_POLLING_THREAD, &len, (PUCHAR)&d->stop[index]);
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

	d->close(d->lun[index]);
}

bool bench_driver_new(const char *library, struct bench_subject *out)
{
	void *h = dlopen(library, RTLD_NOW);

	if (!h) {
		fprintf(stderr, "%s\n", dlerror());
		return false;
	}
	*(void **)&driver.create = dlsym(h, "IFDHCreateChannelByName");
	*(void **)&driver.close = dlsym(h, "IFDHCloseChannel");
	*(void **)&driver.caps = dlsym(h, "IFDHGetCapabilities");
	*(void **)&driver.power = dlsym(h, "IFDHPowerICC");
	*(void **)&driver.protocol = dlsym(h, "IFDHSetProtocolParameters");
	*(void **)&driver.transmit = dlsym(h, "IFDHTransmitToICC");
	*out = (struct bench_subject){ open_slot, power_on, transmit, start_polling, stop_polling, close_slot,
					&driver };
	return driver.create && driver.close && driver.caps && driver.power && driver.protocol && driver.transmit;
}
