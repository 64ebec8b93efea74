/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Records a case, and plays it: the steps, with the recording in place of reader, card and script. */
#include "field/field.h"
#include "fake/fake_libusb_priv.h"
#include "sim/model/sim_record.h"
#include "sim/model/sim_replay.h"
#include "unit/driver/driver_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Files for each device: the recording, and its copy without times, for comparisons. */
struct reel {
	FILE *out[2];
	struct sim_recorder *rec[2];
	bool gone;
};

/* The stand-in for libusb has one watcher. */
static struct reel reels[FIELD_READERS];

static void file_name(char *path, size_t cap, const struct tape *t, const char *name, unsigned dev, bool plain)
{
	snprintf(path, cap, "%s/%s-%u-%u%s", t->folder, name, t->segment, dev, plain ? ".plain" : "");
}

char *tape_text(const struct tape *t, const char *sim)
{
	size_t cap = strlen(sim) + (FIELD_READERS + 1) * 200, len = 0;
	char *text = malloc(cap), path[150];
	unsigned dev = 0;
	bool inside = false;

	if (!text)
		abort();
	while (*sim) {
		size_t n = strcspn(sim, "\n") + (sim[strcspn(sim, "\n")] == '\n');
		const char *next = sim + n;
		bool last = !*next || strncmp(next, "reader", 6) == 0;

		inside = inside || strncmp(sim, "reader", 6) == 0;
		memcpy(text + len, sim, n);
		len += n;
		sim = next;
		if (!last || !inside || dev == FIELD_READERS)
			continue;
		file_name(path, sizeof path, t, t->played, dev, false);
		if (access(path, R_OK) == 0)
			len += (size_t)snprintf(text + len, cap - len, "\nreplay = %s\n", path);
		dev++;
	}
	text[len] = '\0';
	return text;
}

static const char *string_of(void *user, unsigned index)
{
	return sim_dev_string(user, index);
}

static void tell_device(struct reel *l, struct sim_dev *d)
{
	size_t len;
	const uint8_t *p = sim_dev_descriptors(d, &len);

	for (unsigned i = 0; i < 2; i++)
		sim_record_device(l->rec[i], p, len, string_of, d);
	l->gone = false;
}

/* Under the bus's lock. */
static void watch(struct sim_urb *u, bool done)
{
	const struct fake_transfer *x = (const struct fake_transfer *)(const void *)u;

	for (unsigned i = 0; i < FIELD_READERS; i++) {
		struct reel *l = &reels[i];

		if (!l->rec[0] || x->sim != fake.sim[i])
			continue;
		if (l->gone && !done && sim_dev_is_plugged(x->sim))
			tell_device(l, x->sim);
		for (unsigned k = 0; k < 2; k++)
			done ? sim_record_complete(l->rec[k], u, clock_now())
			     : sim_record_submit(l->rec[k], u, clock_now());
		l->gone = l->gone || (done && u->status == SIM_GONE);
	}
}

void tape_begin(struct running *r)
{
	static const struct sim_record_options plain = { .no_times = true, .secrets = true },
					       timed = { .fine = true, .secrets = true };
	char path[200];

	for (unsigned i = 0; i < r->n_devs; i++) {
		struct reel *l = &reels[i];

		for (unsigned k = 0; k < 2; k++) {
			file_name(path, sizeof path, r->tape, r->tape->name, i, k);
			l->out[k] = fopen(path, "w");
			l->rec[k] = l->out[k] ? sim_record_new(l->out[k], k ? &plain : &timed) : NULL;
			if (!l->rec[k])
				fail_msg("%s cannot be written", path);
		}
		fake_usb_lock();
		tell_device(l, fake_usb_dev(i));
		fake_usb_unlock();
	}
	fake.watch = watch;
}

void tape_end(struct running *r)
{
	fake.watch = NULL;
	for (unsigned i = 0; i < r->n_devs; i++) {
		struct reel *l = &reels[i];

		for (unsigned k = 0; k < 2; k++) {
			bool good = sim_record_end(l->rec[k]);

			if (fclose(l->out[k]) || !good)
				fail_msg("the recording cannot be written");
			l->rec[k] = NULL;
		}
	}
	r->tape->segment++;
}

void tape_divergences(struct running *r)
{
	for (unsigned i = 0; i < r->n_devs && r->replayed; i++) {
		sim_replay_end(fake_usb_dev(i));
		if (sim_replay_divergences(fake_usb_dev(i)))
			failed(r, 0, "%s", sim_replay_divergence(fake_usb_dev(i), 0));
	}
}

/* Compares the files one by one; missing files are skipped. */
bool tape_compare(const struct tape *t, const char *one, const char *other, char *why, size_t cap)
{
	char a[200], b[200];
	bool same = true;

	for (unsigned s = 0; s < t->segment; s++) {
		for (unsigned i = 0; i < FIELD_READERS && same; i++) {
			struct tape at = { .folder = t->folder, .segment = s };
			char *x, *y;

			file_name(a, sizeof a, &at, one, i, true);
			file_name(b, sizeof b, &at, other, i, true);
			if (access(a, R_OK) != 0)
				continue;
			x = file_text(a);
			y = file_text(b);
			same = x && y && strcmp(x, y) == 0;
			if (!same)
				snprintf(why, cap, "%s and %s differ", a, b);
			free(x);
			free(y);
		}
	}
	return same;
}
