/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef BENCH_H
#define BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BENCH_MAX_SLOTS 1024u
#define BENCH_ANSWER_MAX (65536u + 16u)

/* A simulated device found under /sys. */
struct bench_device {
	char name[96];		/* pcscd's device name */
	char node[64];
	unsigned slots;
};

/* What is measured: a driver behind its IFDH functions, or the floor. All calls return
 * false after saying why on stderr. */
struct bench_subject {
	bool (*open_slot)(void *ctx, unsigned index, const struct bench_device *dev, unsigned device, unsigned slot);
	bool (*power_on)(void *ctx, unsigned index, unsigned protocol);
	/* *len: room, then length of the answer. */
	bool (*transmit)(void *ctx, unsigned index, const uint8_t *apdu, size_t apdu_len, uint8_t *answer, size_t *len);
	/* Starts and ends what pcscd has running beside: a polling thread a slot. */
	bool (*start_polling)(void *ctx, unsigned index);
	void (*stop_polling)(void *ctx, unsigned index);
	void (*close_slot)(void *ctx, unsigned index);
	void *ctx;
};

bool bench_driver_new(const char *library, struct bench_subject *out);
bool bench_floor_new(struct bench_subject *out);

#endif
