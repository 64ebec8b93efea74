/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Runs one subject (a driver, or the baseline) over all simulated readers and prints its cost as
 * one line of key=value pairs. Times in microseconds. */
#include "bench/bench.h"

#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct options {
	char *const *subject;		/* "baseline", or the paths of copies of a library */
	unsigned subjects;
	const char *unplug;		/* the simulator's program, to unplug all before closing */
	unsigned active, rounds, protocol, idle_s, slots_per_device, places;
	uint8_t apdu[65560];
	size_t apdu_len, data, ne, expect;
	bool poll, memory, leave, apart;
};

/* The slots that are open. */
struct bench {
	const struct options *o;
	struct bench_subject s;
	struct bench_device dev[BENCH_MAX_SLOTS];
	unsigned devices, slots;
};

struct worker {
	pthread_t thread;
	struct bench *b;
	pthread_barrier_t *barrier;
	unsigned index, failed;
};

static bool one_apdu(struct bench *b, unsigned index, uint8_t *answer)
{
	size_t len = BENCH_ANSWER_MAX;

	return b->s.transmit(b->s.ctx, index, b->o->apdu, b->o->apdu_len, answer, &len) &&
	       len == b->o->expect && answer[len - 2] == 0x90;
}

static void *work(void *arg)
{
	struct worker *w = arg;
	uint8_t *answer = malloc(BENCH_ANSWER_MAX);

	pthread_barrier_wait(w->barrier);
	for (unsigned i = 0; i < w->b->o->rounds; i++)
		if (!answer || !one_apdu(w->b, w->index, answer))
			w->failed++;
	pthread_barrier_wait(w->barrier);
	free(answer);
	return NULL;
}

/* Runs APDUs in all active slots, spread over the devices. Prints wall, CPU and switches per APDU;
 * returns how many APDUs failed. */
static unsigned run(struct bench *b)
{
	unsigned active = b->o->active && b->o->active < b->slots ? b->o->active : b->slots;
	struct worker *w = calloc(active, sizeof *w);
	pthread_barrier_t barrier;
	struct bench_usage before, cost;
	double apdus = (double)active * b->o->rounds;
	unsigned failed = 0;

	if (!w)
		return 1;
	pthread_barrier_init(&barrier, NULL, active + 1);
	for (unsigned i = 0; i < active; i++) {
		w[i] = (struct worker){ .b = b, .barrier = &barrier, .index = i * b->slots / active };
		if (pthread_create(&w[i].thread, NULL, work, &w[i]) != 0)
			abort();
	}
	/* Measured before the start: with few processors a worker might run first. */
	before = bench_usage_now();
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	cost = bench_usage_since(before);
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
	struct bench_usage before, cost;

	sleep(1);	/* until the previous step's threads are idle */
	before = bench_usage_now();
	sleep(o->idle_s);
	cost = bench_usage_since(before);
	/* One switch is this thread's own sleep. */
	printf(" idle_s=%u idle_wakeups=%.0f idle_cpu_us=%.0f", o->idle_s, cost.switches - 1,
	       cost.cpu_us);
}

/* Prints the memory that a slot of the first device needs once a card works in it. */
static bool open_measuring_memory(struct bench *b)
{
	uint8_t *answer = malloc(BENCH_ANSWER_MAX);
	size_t first = 0;
	unsigned n = b->dev[0].slots;
	bool ok = answer && n > 1;

	for (unsigned k = 0; ok && k < n; k++) {
		ok = b->s.open_slot(b->s.ctx, k, &b->dev[0], 0, k) &&
		     b->s.power_on(b->s.ctx, k, b->o->protocol) && one_apdu(b, k, answer);
		b->slots++;
		if (k == 0)
			first = bench_heap();
	}
	if (ok)
		printf(" bytes_per_slot=%.0f", ((double)bench_heap() - (double)first) / (n - 1));
	free(answer);
	return ok;
}

static bool open_all(struct bench *b)
{
	struct bench_usage before = bench_usage_now(), cost;

	for (unsigned i = 0; i < b->devices; i++)
		for (unsigned k = 0; k < b->dev[i].slots; k++)
			if (!b->s.open_slot(b->s.ctx, b->slots++, &b->dev[i], i, k))
				return false;
	cost = bench_usage_since(before);
	printf(" slots=%u open_us=%.0f threads=%u", b->slots, cost.wall_us, bench_threads() - 1);
	for (unsigned i = 0; i < b->slots; i++)
		if (!b->s.power_on(b->s.ctx, i, b->o->protocol) ||
		    (b->o->poll && !b->s.start_polling(b->s.ctx, i)))
			return false;
	return true;
}

/* Closes all slots, as pcscd does when a reader is unplugged or pcscd ends. */
static void close_all(struct bench *b)
{
	struct bench_usage before;
	char command[600];

	for (unsigned i = 0; b->o->unplug && i < b->devices; i++) {
		snprintf(command, sizeof command, "'%s' unplug %u", b->o->unplug, i);
		if (system(command) != 0)
			printf(" unplug_failed=1");
	}
	fflush(stdout);
	before = bench_usage_now();
	for (unsigned i = 0; i < b->slots; i++) {
		if (b->o->poll)
			b->s.stop_polling(b->s.ctx, i);
		b->s.close_slot(b->s.ctx, i);
	}
	printf(" close_us=%.0f", bench_usage_since(before).wall_us);
}

static size_t unhex(const char *text, uint8_t *out, size_t cap)
{
	size_t n = 0;
	unsigned v;

	while (n < cap && sscanf(text + 2 * n, "%2x", &v) == 1)
		out[n++] = (uint8_t)v;
	return n;
}

static size_t put_length(uint8_t *out, size_t n, bool extended)
{
	if (!extended) {
		out[0] = (uint8_t)n;
		return 1;
	}
	out[0] = (uint8_t)(n >> 8);
	out[1] = (uint8_t)n;
	return 2;
}

/* Completes CLA INS P1 P2 by data and Le (ISO 7816-4 5.1). */
static void complete_apdu(struct options *o)
{
	bool extended = o->data > 255 || o->ne > 256;
	uint8_t *p = o->apdu + o->apdu_len;

	if (extended)
		*p++ = 0;
	if (o->data > 0) {
		p += put_length(p, o->data, extended);
		for (size_t i = 0; i < o->data; i++)
			*p++ = (uint8_t)i;
	}
	if (o->ne > 0)
		p += put_length(p, o->ne, extended);
	o->apdu_len = (size_t)(p - o->apdu);
}

static bool parse(int argc, char **argv, struct options *o)
{
	int c;

	*o = (struct options){ .rounds = 50, .slots_per_device = 1, .poll = true };
	while ((c = getopt(argc, argv, "a:r:p:s:b:i:c:d:l:e:u:nmxk")) != -1) {
		switch (c) {
		case 'a': o->active = (unsigned)atoi(optarg); break;
		case 'r': o->rounds = (unsigned)atoi(optarg); break;
		case 'p': o->protocol = (unsigned)atoi(optarg); break;
		case 's': o->slots_per_device = (unsigned)atoi(optarg); break;
		case 'b': o->places = (unsigned)atoi(optarg); break;
		case 'i': o->idle_s = (unsigned)atoi(optarg); break;
		case 'c': o->apdu_len = unhex(optarg, o->apdu, 4); break;
		case 'd': o->data = (size_t)atoi(optarg); break;
		case 'l': o->ne = (size_t)atoi(optarg); break;
		case 'e': o->expect = (size_t)atoi(optarg); break;
		case 'u': o->unplug = optarg; break;
		case 'n': o->poll = false; break;
		case 'm': o->memory = true; break;
		case 'k': o->apart = true; break;
		case 'x': o->leave = true; break;
		default: return false;
		}
	}
	if (optind >= argc || o->slots_per_device == 0 || o->data > 65535 || o->ne > 65536)
		return false;
	if (o->apdu_len == 4)
		complete_apdu(o);
	o->subject = argv + optind;
	o->subjects = (unsigned)(argc - optind);
	return true;
}

static bool measure(struct bench *b)
{
	unsigned failed = 0;

	if (!(strcmp(b->o->subject[0], "baseline") == 0 ?
		      bench_baseline_new(b->o->places, &b->s) :
		      bench_driver_new(b->o->subject, b->o->subjects, b->o->apart, &b->s)))
		return false;
	b->devices = bench_find_devices(b->dev, BENCH_MAX_SLOTS / b->o->slots_per_device,
					b->o->slots_per_device);
	printf("devices=%u", b->devices);
	if (b->devices == 0)
		return false;
	if (b->o->memory)
		return open_measuring_memory(b);
	if (!open_all(b))
		return false;
	if (b->o->apdu_len > 0)
		failed = run(b);
	if (b->o->idle_s > 0)
		idle(b->o);
	if (!b->o->leave)
		close_all(b);
	return failed == 0;
}

int main(int argc, char **argv)
{
	static struct options o;
	static struct bench b;
	bool ok;

	if (!parse(argc, argv, &o)) {
		fputs("usage: bench-load [option...] baseline|LIBRARY...\n"
		      "  -s slots per device (1)   -p protocol (0)   -a slots at work (all)   -r rounds (50)\n"
		      "  -c CLA INS P1 P2 in hex   -d bytes of data  -l Ne   -e length of the answer\n"
		      "  -b most commands the baseline has in flight in a device (any)\n"
		      "  -i idle seconds           -m memory of a slot only  -n no polling threads\n"
		      "  -k copies of a library keep their own libusb contexts\n"
		      "  -u CCID-SIM: unplug all before closing      -x leave without closing\n", stderr);
		return 2;
	}
	if (o.memory)
		mallopt(M_ARENA_MAX, 1);
	b.o = &o;
	ok = measure(&b);
	putchar('\n');
	fflush(stdout);
	/* Not exit(): open slots still have threads. */
	_exit(ok ? 0 : 1);
}
