/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef FUZZ_DEV_PRIV_H
#define FUZZ_DEV_PRIV_H

#include "fuzz/fuzz_dev.h"

#define DEV_SLOTS 256
#define DEV_MESSAGE_MAX 70000
#define DEV_MS 1000000ull

/* A frame that the device will send. */
struct dev_frame {
	uint64_t at;
	int status;
	size_t len, off;
	struct dev_frame *next;
	uint8_t data[];
};

/* bulk IN or interrupt IN */
struct dev_pipe {
	struct sim_urb *waiting, **waiting_tail;
	struct dev_frame *frames, **frames_tail;
	size_t packet;
};

struct dev_command {
	uint8_t type, slot, seq;
	const uint8_t *data;
	size_t len;
};

struct sim_dev {
	struct fuzz_dev_conf conf;
	enum fuzz_mood mood;
	bool plugged;
	uint64_t now, at;		/* at: the time of the next frame */
	uint8_t raw[18 + 4096];
	size_t raw_len;
	struct dev_pipe in, intr;
	struct sim_urb *done, **done_tail;
	struct sim_urb *slow;		/* a control transfer that ends at slow_at */
	uint64_t slow_at;
	struct sim_urb *stuck;		/* an OUT transfer that never ends */
	int out_status;			/* status of the next OUT transfer; 1: never ends */
	uint8_t out[DEV_MESSAGE_MAX];
	size_t out_len;
	struct fuzz_in last_record;	/* repeated in MOOD_REPEAT */
	bool powered[DEV_SLOTS];
	uint8_t card_ns[DEV_SLOTS];
	unsigned endless;		/* 1 + slot whose command gets time extensions for ever */
	struct dev_command endless_cmd;
	uint8_t iccd_state;
	uint8_t iccd_answer[40];
	size_t iccd_len;
	uint8_t *said;
	size_t said_len;
};

void dev_complete(struct sim_dev *d, struct sim_urb *u, int status);
void dev_send(struct sim_dev *d, struct dev_pipe *p, const uint8_t *data, size_t len, int status);
void dev_drop_frames(struct dev_pipe *p);
void dev_say(struct sim_dev *d, const uint8_t *p, size_t n);
void dev_unplug(struct sim_dev *d);
void dev_describe(struct sim_dev *d);
/* fuzz_dev_bulk.c */
void dev_command(struct sim_dev *d, const uint8_t *msg, size_t len);
void dev_endless(struct sim_dev *d);
/* fuzz_dev_control.c */
void dev_control(struct sim_dev *d, struct sim_urb *u);

#endif
