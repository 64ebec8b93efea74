/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Runs one subject (a driver, or the floor) over all simulated readers and prints what it cost as one line
 * of key=value pairs. Times in microseconds. */
#include "bench/bench.h"

#include <dirent.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

struct options {
	const char *subject;		/* "floor" or the path of a library */
	unsigned active, rounds, protocol, idle_s, slots_per_device;
	uint8_t apdu[65600];
	size_t apdu_len, expect;
	bool poll;
};

struct worker {
	pthread_t thread;
	const struct options *o;
	const struct bench_subject *s;
	pthread_barrier_t *barrier;
	unsigned index, failed;
};

struct usage { double wall_us, cpu_us, switches; };

static struct usage usage_now(void)
{
	struct timespec ts;
	struct rusage ru;
	struct usage u;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	getrusage(RUSAGE_SELF, &ru);
	u.wall_us = (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
	u.cpu_us = (double)(ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) * 1e6 +
		   (double)(ru.ru_utime.tv_usec + ru.ru_stime.tv_usec);
	u.switches = (double)(ru.ru_nvcsw + ru.ru_nivcsw);
	return u;
}

static struct usage usage_since(struct usage before)
{
	struct usage now = usage_now();

	return (struct usage){ now.wall_us - before.wall_us, now.cpu_us - before.cpu_us,
			       now.switches - before.switches };
}

static bool read_word(const char *dir, const char *file, const char *format, unsigned *out)
{
	char path[600];
	FILE *f;
	bool ok;

	snprintf(path, sizeof path, "/sys/bus/usb/devices/%s/%s", dir, file);
	f = fopen(path, "r");
	if (!f)
		return false;
	ok = fscanf(f, format, out) == 1;
	fclose(f);
	return ok;
}

static int by_node(const void *a, const void *b)
{
	return strcmp(((const struct bench_device *)a)->node, ((const struct bench_device *)b)->node);
}

static unsigned find_devices(struct bench_device *dev, unsigned cap, unsigned slots)
{
	DIR *d = opendir("/sys/bus/usb/devices");
	struct dirent *e;
	unsigned n = 0;

	while (d && n < cap && (e = readdir(d))) {
		unsigned bus, num, vendor, product;

		if (strchr(e->d_name, ':') || !read_word(e->d_name, "busnum", "%u", &bus) ||
		    !read_word(e->d_name, "devnum", "%u", &num) ||
		    !read_word(e->d_name, "idVendor", "%x", &vendor) ||
		    !read_word(e->d_name, "idProduct", "%x", &product) || vendor == 0x1d6b)
			continue;
		snprintf(dev[n].node, sizeof dev[n].node, "/dev/bus/usb/%03u/%03u", bus, num);
		snprintf(dev[n].name, sizeof dev[n].name, "usb:%04x/%04x:libudev:0:%s", vendor, product, dev[n].node);
		dev[n++].slots = slots;
	}
	if (d)
		closedir(d);
	qsort(dev, n, sizeof *dev, by_node);
	return n;
}

static void *work(void *arg)
{
	struct worker *w = arg;
	uint8_t *answer = malloc(BENCH_ANSWER_MAX);

	pthread_barrier_wait(w->barrier);
	for (unsigned i = 0; i < w->o->rounds && answer; i++) {
		size_t len = BENCH_ANSWER_MAX;

		if (!w->s->transmit(w->s->ctx, w->index, w->o->apdu, w->o->apdu_len, answer, &len) ||
		    len != w->o->expect || answer[len - 2] != 0x90)
			w->failed++;
	}
	pthread_barrier_wait(w->barrier);
	free(answer);
	return NULL;
}

static unsigned threads_now(void)
{
	DIR *d = opendir("/proc/self/task");
	unsigned n = 0;

	while (d && readdir(d))
		n++;
	if (d)
		closedir(d);
	return n > 2 ? n - 2 : 0;
}

/* All active slots at work. Prints wall, CPU and switches per APDU. */
static unsigned run(const struct options *o, const struct bench_subject *s, unsigned slots)
{
	unsigned active = o->active && o->active < slots ? o->active : slots;
	struct worker *w = calloc(active, sizeof *w);
	pthread_barrier_t barrier;
	struct usage before, cost;
	double apdus = (double)active * o->rounds;
	unsigned failed = 0;

	if (!w)
		return 1;
	pthread_barrier_init(&barrier, NULL, active + 1);
	for (unsigned i = 0; i < active; i++) {
		/* Spread over the devices. */
		w[i] = (struct worker){ .o = o, .s = s, .barrier = &barrier, .index = (unsigned)((double)i * slots / active) };
		pthread_create(&w[i].thread, NULL, work, &w[i]);
	}
	pthread_barrier_wait(&barrier);
	before = usage_now();
	pthread_barrier_wait(&barrier);
	cost = usage_since(before);
	for (unsigned i = 0; i < active; i++) {
		pthread_join(w[i].thread, NULL);
		failed += w[i].failed;
	}
	pthread_barrier_destroy(&barrier);
	free(w);
	printf(" active=%u apdus=%.0f failed=%u wall_us=%.0f cpu_us_per_apdu=%.2f switches_per_apdu=%.3f",
	       active, apdus, failed, cost.wall_us, cost.cpu_us / apdus, cost.switches / apdus);
	return failed;
}

static void idle(const struct options *o)
{
	struct usage before, cost;

	sleep(1);	/* until what just ran has calmed down */
	before = usage_now();
	sleep(o->idle_s);
	cost = usage_since(before);
	/* One switch is our own sleep. */
	printf(" idle_s=%u idle_wakeups=%.0f idle_cpu_us=%.0f", o->idle_s, cost.switches - 1, cost.cpu_us);
}

static bool open_all(const struct bench_subject *s, const struct bench_device *dev, unsigned n, unsigned *slots)
{
	size_t first_heap = 0, heap;
	unsigned threads = threads_now();
	struct usage before = usage_now(), cost;
	unsigned index = 0;

	for (unsigned i = 0; i < n; i++) {
		for (unsigned k = 0; k < dev[i].slots; k++) {
			if (!s->open_slot(s->ctx, index, &dev[i], i, k))
				return false;
			index++;
			if (i == 0 && k == 0)
				first_heap = mallinfo2().uordblks;
			if (i == 0 && k + 1 == dev[i].slots && k > 0) {
				heap = mallinfo2().uordblks;
				printf(" bytes_per_slot=%.0f", (double)(heap - first_heap) / k);
			}
		}
	}
	cost = usage_since(before);
	printf(" slots=%u open_us=%.0f threads=%u", index, cost.wall_us, threads_now() - threads);
	*slots = index;
	return true;
}

static size_t unhex(const char *text, uint8_t *out, size_t cap)
{
	size_t n = 0;
	unsigned v;

	while (n < cap && sscanf(text + 2 * n, "%2x", &v) == 1)
		out[n++] = (uint8_t)v;
	return n;
}

static bool parse(int argc, char **argv, struct options *o)
{
	int c;

	*o = (struct options){ .rounds = 50, .slots_per_device = 1, .poll = true };
	while ((c = getopt(argc, argv, "a:r:p:s:i:c:e:n")) != -1) {
		switch (c) {
		case 'a': o->active = (unsigned)atoi(optarg); break;
		case 'r': o->rounds = (unsigned)atoi(optarg); break;
		case 'p': o->protocol = (unsigned)atoi(optarg); break;
		case 's': o->slots_per_device = (unsigned)atoi(optarg); break;
		case 'i': o->idle_s = (unsigned)atoi(optarg); break;
		case 'c': o->apdu_len = unhex(optarg, o->apdu, sizeof o->apdu); break;
		case 'e': o->expect = (size_t)atoi(optarg); break;
		case 'n': o->poll = false; break;
		default: return false;
		}
	}
	if (optind + 1 != argc)
		return false;
	o->subject = argv[optind];
	return true;
}

int main(int argc, char **argv)
{
	static struct options o;
	static struct bench_device dev[BENCH_MAX_SLOTS];
	struct bench_subject s;
	struct usage before, cost;
	unsigned slots = 0, n, failed = 0;

	if (!parse(argc, argv, &o)) {
		fprintf(stderr, "usage: bench-load [-a active] [-r rounds] [-p protocol] [-s slots per device]\n"
				"  [-c APDU in hex] [-e length of the answer] [-i idle seconds] [-n no polling]  floor|LIBRARY\n");
		return 2;
	}
	if (!(strcmp(o.subject, "floor") == 0 ? bench_floor_new(&s) : bench_driver_new(o.subject, &s)))
		return 1;
	n = find_devices(dev, BENCH_MAX_SLOTS / o.slots_per_device, o.slots_per_device);
	printf("devices=%u", n);
	if (n == 0 || !open_all(&s, dev, n, &slots))
		return 1;
	for (unsigned i = 0; i < slots; i++)
		if (!s.power_on(s.ctx, i, o.protocol) || (o.poll && !s.start_polling(s.ctx, i)))
			return 1;
	if (o.apdu_len > 0)
		failed = run(&o, &s, slots);
	if (o.idle_s > 0)
		idle(&o);
	for (unsigned i = 0; o.poll && i < slots; i++)
		s.stop_polling(s.ctx, i);
	before = usage_now();
	for (unsigned i = 0; i < slots; i++)
		s.close_slot(s.ctx, i);
	cost = usage_since(before);
	printf(" close_us=%.0f\n", cost.wall_us);
	return failed ? 1 : 0;
}
