/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The floor: the same bytes by libusb with no driver in it. One event thread for all devices, one
 * sleeping thread a slot. Knows just enough CCID to be answered; checks nothing. */
#include "bench/bench.h"

#include <libusb.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MESSAGE_MAX (10u + 65546u)
#define EP_OUT 1
#define EP_IN 0x80

struct floor_device {
	char node[64];
	libusb_device_handle *handle;
	pthread_mutex_t lock;
	struct libusb_transfer *in;
	uint8_t in_buf[66048];
	bool in_pending;
	unsigned in_flight, refs;
	unsigned char ep_in, ep_out;
	struct floor_slot *slot[256];
};

struct floor_slot {
	struct floor_device *dev;
	uint8_t number, seq;
	struct libusb_transfer *out;
	uint8_t *message, *answer;
	size_t answer_len;
	sem_t done;
};

static struct bench_floor {
	libusb_context *ctx;
	pthread_t events;
	int stop;
	struct floor_device *dev[BENCH_MAX_SLOTS];
	struct floor_slot slot[BENCH_MAX_SLOTS];
} bench_floor;

static void *pump(void *arg)
{
	struct bench_floor *f = arg;

	while (!__atomic_load_n(&f->stop, __ATOMIC_ACQUIRE))
		libusb_handle_events_completed(f->ctx, &f->stop);
	return NULL;
}

static void LIBUSB_CALL in_done(struct libusb_transfer *x)
{
	struct floor_device *d = x->user_data;

	pthread_mutex_lock(&d->lock);
	d->in_pending = false;
	if (x->status == LIBUSB_TRANSFER_COMPLETED && x->actual_length >= 10 && d->slot[x->buffer[5]]) {
		struct floor_slot *s = d->slot[x->buffer[5]];

		/* A time extension (bStatus 80) is not yet the answer. */
		if ((x->buffer[7] & 0xC0) != 0x80) {
			s->answer_len = (size_t)x->actual_length;
			memcpy(s->answer, x->buffer, s->answer_len);
			d->in_flight--;
			sem_post(&s->done);
		}
	}
	if (d->in_flight > 0 && x->status == LIBUSB_TRANSFER_COMPLETED)
		d->in_pending = libusb_submit_transfer(d->in) == 0;
	pthread_mutex_unlock(&d->lock);
}

static void LIBUSB_CALL out_done(struct libusb_transfer *x)
{
	(void)x;
}

static void round_trip(struct floor_slot *s, uint8_t type, uint8_t b7, const uint8_t *data, size_t len)
{
	struct floor_device *d = s->dev;

	memset(s->message, 0, 10);
	s->message[0] = type;
	s->message[1] = (uint8_t)len;
	s->message[2] = (uint8_t)(len >> 8);
	s->message[3] = (uint8_t)(len >> 16);
	s->message[5] = s->number;
	s->message[6] = s->seq++;
	s->message[7] = b7;
	memcpy(s->message + 10, data, len);
	libusb_fill_bulk_transfer(s->out, d->handle, d->ep_out, s->message, (int)len + 10, out_done, s, 0);
	pthread_mutex_lock(&d->lock);
	libusb_submit_transfer(s->out);
	d->in_flight++;
	if (!d->in_pending)
		d->in_pending = libusb_submit_transfer(d->in) == 0;
	pthread_mutex_unlock(&d->lock);
	sem_wait(&s->done);
}

static void find_endpoints(struct floor_device *d)
{
	struct libusb_config_descriptor *c;

	if (libusb_get_active_config_descriptor(libusb_get_device(d->handle), &c) != 0)
		return;
	for (unsigned i = 0; i < c->interface[0].altsetting[0].bNumEndpoints; i++) {
		const struct libusb_endpoint_descriptor *e = &c->interface[0].altsetting[0].endpoint[i];

		if ((e->bmAttributes & 3) == LIBUSB_TRANSFER_TYPE_BULK) {
			if (e->bEndpointAddress & EP_IN)
				d->ep_in = e->bEndpointAddress;
			else
				d->ep_out = e->bEndpointAddress;
		}
	}
	libusb_free_config_descriptor(c);
}

static struct floor_device *open_device(struct bench_floor *f, const struct bench_device *dev)
{
	struct floor_device *d = calloc(1, sizeof *d);
	libusb_device **list;
	unsigned bus = 0, address = 0;
	ssize_t n = libusb_get_device_list(f->ctx, &list);

	if (!d || sscanf(dev->node, "/dev/bus/usb/%u/%u", &bus, &address) != 2)
		return NULL;
	for (ssize_t i = 0; i < n && !d->handle; i++)
		if (libusb_get_bus_number(list[i]) == bus && libusb_get_device_address(list[i]) == address)
			libusb_open(list[i], &d->handle);
	libusb_free_device_list(list, 1);
	if (!d->handle || libusb_claim_interface(d->handle, 0) != 0) {
		fprintf(stderr, "floor: cannot open %s\n", dev->node);
		return NULL;
	}
	find_endpoints(d);
	pthread_mutex_init(&d->lock, NULL);
	d->in = libusb_alloc_transfer(0);
	libusb_fill_bulk_transfer(d->in, d->handle, d->ep_in, d->in_buf, sizeof d->in_buf, in_done, d, 0);
	return d;
}

static bool open_slot(void *ctx, unsigned index, const struct bench_device *dev, unsigned device, unsigned slot)
{
	struct bench_floor *f = ctx;
	struct floor_slot *s = &f->slot[index];

	if (!f->dev[device])
		f->dev[device] = open_device(f, dev);
	if (!f->dev[device])
		return false;
	*s = (struct floor_slot){ .dev = f->dev[device], .number = (uint8_t)slot };
	s->out = libusb_alloc_transfer(0);
	s->message = malloc(MESSAGE_MAX);
	s->answer = malloc(MESSAGE_MAX);
	sem_init(&s->done, 0, 0);
	s->dev->slot[slot] = s;
	s->dev->refs++;
	return s->out && s->message && s->answer;
}

/* T=0 with the parameters of the cards at hand; T=1 has no floor. */
static bool power_on(void *ctx, unsigned index, unsigned protocol)
{
	struct bench_floor *f = ctx;
	struct floor_slot *s = &f->slot[index];

	if (protocol != 0) {
		fprintf(stderr, "floor: T=0 only\n");
		return false;
	}
	round_trip(s, 0x62, 0, (const uint8_t *)"", 0);
	if (s->answer_len > 10 && (s->answer[7] & 0xC0) == 0)
		return true;
	round_trip(s, 0x62, 1, (const uint8_t *)"", 0);
	return s->answer_len > 10 && (s->answer[7] & 0xC0) == 0;
}

static bool transmit(void *ctx, unsigned index, const uint8_t *apdu, size_t apdu_len, uint8_t *answer, size_t *len)
{
	struct bench_floor *f = ctx;
	struct floor_slot *s = &f->slot[index];

	round_trip(s, 0x6F, 0, apdu, apdu_len);
	*len = s->answer_len - 10;
	memcpy(answer, s->answer + 10, *len);
	return true;
}

static bool no_polling(void *ctx, unsigned index)
{
	(void)ctx;
	(void)index;
	return true;
}

static void no_stop(void *ctx, unsigned index)
{
	(void)ctx;
	(void)index;
}

static void close_slot(void *ctx, unsigned index)
{
	struct bench_floor *f = ctx;
	struct floor_slot *s = &f->slot[index];
	struct floor_device *d = s->dev;

	libusb_free_transfer(s->out);
	free(s->message);
	free(s->answer);
	if (--d->refs > 0)
		return;
	libusb_free_transfer(d->in);
	libusb_close(d->handle);
}

bool bench_floor_new(struct bench_subject *out)
{
	if (libusb_init(&bench_floor.ctx) != 0)
		return false;
	pthread_create(&bench_floor.events, NULL, pump, &bench_floor);
	*out = (struct bench_subject){ open_slot, power_on, transmit, no_polling, no_stop, close_slot, &bench_floor };
	return true;
}
