/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The baseline: the same bytes by libusb without a driver. One event thread for all devices, one
 * sleeping thread a slot. The code has just enough CCID to get answers, without checks and without
 * locks, except for a reader with fewer busy places than slots, where commands take turns. There
 * are only short APDUs, and for T=1 only the blocks of an exchange without errors. */
#include "bench/bench.h"

#include <libusb.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEADER 10u
#define MESSAGE_MAX 512u	/* holds a short APDU or its answer; full packets of 64 and 512 */
#define EP_IN 0x80u
#define POWER_ON 0x62u
#define XFR_BLOCK 0x6Fu
#define SET_PARAMETERS 0x61u
#define PROLOGUE 3u
#define T1_INF_MAX 254u
#define PCB_NS 0x40u
#define PCB_MORE 0x20u
#define PCB_R 0x80u
#define PCB_NR 0x10u
#define PCB_IFS 0xC1u
#define VOLTAGE_5V 1u
#define VOLTAGE_3V 2u
#define STATUS_MASK 0xC0u
#define TIME_EXTENSION 0x80u

struct baseline_slot {
	struct baseline_device *dev;
	uint8_t number, seq;
	bool t1, ns, nr;		/* T=1: N(S) of the next I-block of either side */
	struct libusb_transfer *out;
	uint8_t message[MESSAGE_MAX], answer[MESSAGE_MAX];
	size_t answer_len;
	sem_t done;
};

/* One IN transfer is pending while commands are in flight: the thread that sets in_flight to 1
 * submits it, and the event thread submits it again unless in_flight became 0. So the transfer
 * belongs to one thread at any time. */
struct baseline_device {
	libusb_device_handle *handle;
	struct libusb_transfer *in;
	uint8_t in_buf[MESSAGE_MAX];
	unsigned in_flight, refs;
	unsigned char ep_in, ep_out;
	struct baseline_slot *slot[256];
	unsigned drawn, served;		/* turns: callers that came, callers that are done */
};

static struct bench_baseline {
	libusb_context *ctx;
	pthread_t events;
	unsigned places;		/* most commands in flight in a device; 0: no limit */
	pthread_mutex_t turns;
	pthread_cond_t through;
	libusb_device **list;
	ssize_t listed;
	struct baseline_device *dev[BENCH_MAX_SLOTS];
	struct baseline_slot slot[BENCH_MAX_SLOTS];
} bench_baseline;

static void *pump(void *arg)
{
	struct bench_baseline *f = arg;

	for (;;)
		libusb_handle_events(f->ctx);
	return NULL;
}

static void LIBUSB_CALL in_done(struct libusb_transfer *x)
{
	struct baseline_device *d = x->user_data;
	struct baseline_slot *s;

	if (x->status != LIBUSB_TRANSFER_COMPLETED || x->actual_length < (int)HEADER)
		return;
	s = d->slot[x->buffer[5]];
	/* A time extension is not yet the answer. */
	if (!s || (x->buffer[7] & STATUS_MASK) == TIME_EXTENSION) {
		libusb_submit_transfer(x);
		return;
	}
	s->answer_len = (size_t)x->actual_length;
	memcpy(s->answer, x->buffer, s->answer_len);
	if (__atomic_sub_fetch(&d->in_flight, 1, __ATOMIC_ACQ_REL) > 0)
		libusb_submit_transfer(x);
	sem_post(&s->done);
}

static void LIBUSB_CALL out_done(struct libusb_transfer *x)
{
	(void)x;
}

static void round_trip(struct baseline_slot *s, uint8_t type, uint8_t b7, const uint8_t *data, size_t len)
{
	struct baseline_device *d = s->dev;

	memset(s->message, 0, HEADER);
	s->message[0] = type;
	s->message[1] = (uint8_t)len;
	s->message[2] = (uint8_t)(len >> 8);
	s->message[5] = s->number;
	s->message[6] = s->seq++;
	s->message[7] = b7;
	memcpy(s->message + HEADER, data, len);
	s->out->length = (int)(HEADER + len);
	if (__atomic_fetch_add(&d->in_flight, 1, __ATOMIC_ACQ_REL) == 0)
		libusb_submit_transfer(d->in);
	libusb_submit_transfer(s->out);
	sem_wait(&s->done);
}

static void find_endpoints(struct baseline_device *d)
{
	struct libusb_config_descriptor *c;

	if (libusb_get_active_config_descriptor(libusb_get_device(d->handle), &c) != 0)
		return;
	for (unsigned i = 0; i < c->interface[0].altsetting[0].bNumEndpoints; i++) {
		const struct libusb_endpoint_descriptor *e = &c->interface[0].altsetting[0].endpoint[i];

		if ((e->bmAttributes & 3) != LIBUSB_TRANSFER_TYPE_BULK)
			continue;
		if (e->bEndpointAddress & EP_IN)
			d->ep_in = e->bEndpointAddress;
		else
			d->ep_out = e->bEndpointAddress;
	}
	libusb_free_config_descriptor(c);
}

static struct baseline_device *open_device(struct bench_baseline *f, const struct bench_device *dev)
{
	struct baseline_device *d = calloc(1, sizeof *d);
	unsigned bus = 0, address = 0;

	if (!d || sscanf(dev->node, "/dev/bus/usb/%u/%u", &bus, &address) != 2)
		return NULL;
	if (!f->list)
		f->listed = libusb_get_device_list(f->ctx, &f->list);
	for (ssize_t i = 0; i < f->listed && !d->handle; i++)
		if (libusb_get_bus_number(f->list[i]) == bus &&
		    libusb_get_device_address(f->list[i]) == address)
			libusb_open(f->list[i], &d->handle);
	d->in = libusb_alloc_transfer(0);
	if (!d->in || !d->handle || libusb_claim_interface(d->handle, 0) != 0) {
		fprintf(stderr, "baseline: cannot open %s\n", dev->node);
		return NULL;
	}
	find_endpoints(d);
	libusb_fill_bulk_transfer(d->in, d->handle, d->ep_in, d->in_buf, sizeof d->in_buf, in_done, d, 0);
	return d;
}

static bool open_slot(void *ctx, unsigned index, const struct bench_device *dev, unsigned device,
		      unsigned slot)
{
	struct bench_baseline *f = ctx;
	struct baseline_slot *s = &f->slot[index];

	if (!f->dev[device])
		f->dev[device] = open_device(f, dev);
	s->dev = f->dev[device];
	s->out = libusb_alloc_transfer(0);
	if (!s->dev || !s->out)
		return false;
	s->number = (uint8_t)slot;
	libusb_fill_bulk_transfer(s->out, s->dev->handle, s->dev->ep_out, s->message, 0, out_done, s, 0);
	sem_init(&s->done, 0, 0);
	s->dev->slot[slot] = s;
	s->dev->refs++;
	return true;
}

/* One T=1 block, with LRC, there and back. */
static void block_trip(struct baseline_slot *s, uint8_t pcb, const uint8_t *inf, size_t len)
{
	uint8_t block[PROLOGUE + T1_INF_MAX + 1] = { 0, pcb, (uint8_t)len };

	memcpy(block + PROLOGUE, inf, len);
	for (size_t i = 0; i < PROLOGUE + len; i++)
		block[PROLOGUE + len] ^= block[i];
	round_trip(s, XFR_BLOCK, 0, block, PROLOGUE + len + 1);
}

static bool went_well(const struct baseline_slot *s)
{
	return s->answer_len > HEADER && (s->answer[7] & STATUS_MASK) == 0;
}

/* Fi/Di, LRC, guard time, BWI/CWI, clock stop, IFSC, NAD: the defaults of an ATR. */
static bool begin_t1(struct baseline_slot *s)
{
	static const uint8_t parameters[] = { 0x11, 0x10, 0, 0x4D, 0, 32, 0 };

	round_trip(s, SET_PARAMETERS, 1, parameters, sizeof parameters);
	if (!went_well(s))
		return false;
	block_trip(s, PCB_IFS, (const uint8_t *)"\xFE", 1);
	s->t1 = true;
	s->ns = s->nr = false;
	return went_well(s);
}

static bool power_on(void *ctx, unsigned index, unsigned protocol)
{
	struct bench_baseline *f = ctx;
	struct baseline_slot *s = &f->slot[index];

	round_trip(s, POWER_ON, VOLTAGE_5V, (const uint8_t *)"", 0);
	if (!went_well(s))
		round_trip(s, POWER_ON, VOLTAGE_3V, (const uint8_t *)"", 0);
	return went_well(s) && (protocol == 0 || begin_t1(s));
}

/* Takes turns in the order of arrival: a slot that is always overtaken would be at work alone in
 * the end. */
static void wait_turn(struct bench_baseline *f, struct baseline_device *d)
{
	pthread_mutex_lock(&f->turns);
	for (unsigned mine = d->drawn++; mine >= d->served + f->places;)
		pthread_cond_wait(&f->through, &f->turns);
	pthread_mutex_unlock(&f->turns);
}

static void end_turn(struct bench_baseline *f, struct baseline_device *d)
{
	pthread_mutex_lock(&f->turns);
	d->served++;
	pthread_cond_broadcast(&f->through);
	pthread_mutex_unlock(&f->turns);
}

/* An I-block, and an R-block for each further part of the answer. */
static void transmit_t1(struct baseline_slot *s, const uint8_t *apdu, size_t apdu_len, uint8_t *answer, size_t *len)
{
	const uint8_t *block = s->answer + HEADER;

	*len = 0;
	block_trip(s, s->ns ? PCB_NS : 0, apdu, apdu_len);
	s->ns = !s->ns;
	for (;;) {
		s->nr = !s->nr;
		memcpy(answer + *len, block + PROLOGUE, block[2]);
		*len += block[2];
		if (!(block[1] & PCB_MORE))
			return;
		block_trip(s, PCB_R | (s->nr ? PCB_NR : 0), (const uint8_t *)"", 0);
	}
}

static bool transmit(void *ctx, unsigned index, const uint8_t *apdu, size_t apdu_len, uint8_t *answer,
		     size_t *len)
{
	struct bench_baseline *f = ctx;
	struct baseline_slot *s = &f->slot[index];

	if (apdu_len > (s->t1 ? T1_INF_MAX : MESSAGE_MAX - HEADER))
		return false;
	if (f->places)
		wait_turn(f, s->dev);
	if (s->t1) {
		transmit_t1(s, apdu, apdu_len, answer, len);
	} else {
		round_trip(s, XFR_BLOCK, 0, apdu, apdu_len);
		*len = s->answer_len - HEADER;
		memcpy(answer, s->answer + HEADER, *len);
	}
	if (f->places)
		end_turn(f, s->dev);
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
	struct bench_baseline *f = ctx;
	struct baseline_slot *s = &f->slot[index];

	libusb_free_transfer(s->out);
	if (--s->dev->refs > 0)
		return;
	libusb_free_transfer(s->dev->in);
	libusb_close(s->dev->handle);
}

bool bench_baseline_new(unsigned places, struct bench_subject *out)
{
	bench_baseline.places = places;
	pthread_mutex_init(&bench_baseline.turns, NULL);
	pthread_cond_init(&bench_baseline.through, NULL);
	if (libusb_init(&bench_baseline.ctx) != 0 ||
	    pthread_create(&bench_baseline.events, NULL, pump, &bench_baseline) != 0)
		return false;
	*out = (struct bench_subject){ open_slot, power_on, transmit, no_polling, no_stop, close_slot,
				       &bench_baseline };
	return true;
}
