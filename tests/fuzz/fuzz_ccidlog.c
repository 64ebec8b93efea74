/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A recording (ccidlog(5)) that a simulated reader plays. Input: the driver's transfers, as a part
 * of their own, then the text of the file. The file is refused with a message, or is played to a
 * driver that need not follow the recording. */
#define _GNU_SOURCE
#include "fuzz/fuzz.h"
#include "sim/model/sim_dev.h"
#include "sim/model/sim_replay.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define STEPS 40
#define ROOM 1024
#define SECOND 1000000000ull

const char fuzz_name[] = "ccidlog";

struct host {
	struct sim_dev *d;
	uint64_t now;
	const uint8_t *desc;
	size_t desc_len;
};

/* Address of the nth endpoint of the device; 0: none. */
static uint8_t endpoint(const struct host *h, unsigned nth)
{
	for (size_t at = 18; at + 7 <= h->desc_len && h->desc[at] >= 2; at += h->desc[at])
		if (h->desc[at + 1] == 5 && !nth--)
			return h->desc[at + 2];
	return 0;
}

/* One transfer. A transfer that has not ended after five seconds is discarded. */
static void transfer(struct host *h, struct sim_urb *u)
{
	uint64_t end = h->now + 5 * SECOND, next;
	struct sim_urb *done;

	sim_dev_submit(h->d, u, h->now);
	while (!(done = sim_dev_reap(h->d, h->now))) {
		next = sim_dev_next(h->d);
		if (next > end)
			FUZZ_CHECK(sim_dev_discard(h->d, u, h->now = end));
		else if (next > h->now)
			h->now = next;
	}
	FUZZ_CHECK(done == u);
	FUZZ_CHECK(u->actual <= u->len);
}

static void step(struct host *h, struct fuzz_in *in)
{
	uint8_t what = fuzz_u8(in);
	struct fuzz_room room = fuzz_room(ROOM);
	struct fuzz_in part = { 0 };
	struct sim_urb u = { .type = SIM_BULK, .buf = room.p, .len = room.cap };

	switch (what & 7) {
	case 0:
		sim_dev_unplug(h->d, h->now);
		sim_dev_plug(h->d, h->now);
		break;
	case 1:
		u.type = SIM_CONTROL;
		for (unsigned i = 0; i < sizeof u.setup; i++)
			u.setup[i] = fuzz_u8(in);
		u.setup[7] = 0;
		u.len = u.setup[6];
		transfer(h, &u);
		break;
	default:
		u.endpoint = endpoint(h, what >> 3 & 7);
		if (u.endpoint & 0x80 || !u.endpoint) {
			u.endpoint |= 0x80;
		} else {
			part = fuzz_part(in);
			u.len = part.left < ROOM ? part.left : ROOM;
			if (u.len)
				memcpy(room.p, part.p, u.len);
		}
		transfer(h, &u);
		break;
	}
	fuzz_room_end(&room);
}

/* The reader that plays the file. NULL: the file was refused, with a message. */
static struct sim_dev *reader(const struct fuzz_in *file)
{
	int fd = memfd_create("ccidlog", MFD_CLOEXEC);
	struct sim_dev **devs, *d = NULL;
	char text[100], err[300] = "";

	FUZZ_CHECK(fd >= 0 && write(fd, file->p, file->left) == (ssize_t)file->left);
	snprintf(text, sizeof text, "reader x\nslots = 2\ncard 0 = t1\nreplay = /proc/self/fd/%d\n", fd);
	if (sim_config_parse(text, &devs, err, sizeof err) == 1) {
		d = devs[0];
		free(devs);
	} else {
		FUZZ_CHECK(strstr(err, "replay: "));
	}
	close(fd);
	return d;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct fuzz_in in = fuzz_input(data, len), said = fuzz_part(&in);
	struct host h = { .d = reader(&in), .now = SECOND };

	if (!h.d)
		return 0;
	FUZZ_CHECK(sim_replay_is(h.d));
	h.desc = sim_dev_descriptors(h.d, &h.desc_len);
	for (unsigned i = 0; i < STEPS && said.left; i++)
		step(&h, &said);
	sim_replay_end(h.d);
	for (unsigned i = 0; i < sim_replay_divergences(h.d); i++)
		FUZZ_CHECK(*sim_replay_divergence(h.d, i));
	sim_dev_free(h.d);
	return 0;
}
