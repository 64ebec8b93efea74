/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef BENCH_H
#define BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BENCH_MAX_SLOTS 1024u
#define BENCH_MAX_COPIES 16u
#define BENCH_ANSWER_MAX (65536u + 16u)

/* A simulated device found under /sys. */
struct bench_device {
	char name[128];		/* pcscd's device name */
	char node[64];
	unsigned slots;
};

/* A subject of the benchmark: a driver behind its IFDH functions, or the baseline. Slots have an
 * index, 0 first, over all devices. All calls return false after saying why on stderr. */
struct bench_subject {
	/* device: index of the device; slot: number within it. */
	bool (*open_slot)(void *ctx, unsigned index, const struct bench_device *dev,
			  unsigned device, unsigned slot);
	/* protocol: 0 or 1. */
	bool (*power_on)(void *ctx, unsigned index, unsigned protocol);
	/* *len: room, then length of the answer. */
	bool (*transmit)(void *ctx, unsigned index, const uint8_t *apdu, size_t apdu_len,
			 uint8_t *answer, size_t *len);
	/* Starts and ends a polling thread for each slot, as pcscd has. */
	bool (*start_polling)(void *ctx, unsigned index);
	void (*stop_polling)(void *ctx, unsigned index);
	void (*close_slot)(void *ctx, unsigned index);
	void *ctx;
};

/* library: n paths of copies of the driver, each with its own globals; devices are given to the
 * copies in turn. apart: each copy has its own libusb context, too; otherwise all share one, as
 * slots of one driver do. False when a copy cannot be loaded. */
bool bench_driver_new(char *const *library, unsigned n, bool apart, struct bench_subject *out);
/* places: the maximum of commands in flight in a device. False when libusb cannot be started. */
bool bench_baseline_new(unsigned places, struct bench_subject *out);

/* The cost of a piece of work to this process. Times in microseconds. */
struct bench_usage {
	double wall_us, cpu_us, switches;
};
struct bench_usage bench_usage_now(void);
struct bench_usage bench_usage_since(struct bench_usage before);

/* Fills in at most cap devices, in the order of their nodes, each with the given number of slots;
 * returns their number. */
unsigned bench_find_devices(struct bench_device *dev, unsigned cap, unsigned slots);
/* Threads of this process. */
unsigned bench_threads(void);
/* Bytes that malloc() has handed out. Complete only when there is one arena. */
size_t bench_heap(void);

#endif
