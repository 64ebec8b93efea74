/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* System data for the benchmark: devices, costs, threads, memory. */
#include "bench/bench.h"

#include <dirent.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#define ROOT_HUB 0x1d6bu

struct bench_usage bench_usage_now(void)
{
	struct timespec ts;
	struct rusage ru;
	struct bench_usage u;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	getrusage(RUSAGE_SELF, &ru);
	u.wall_us = (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
	u.cpu_us = (double)(ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) * 1e6 +
		   (double)(ru.ru_utime.tv_usec + ru.ru_stime.tv_usec);
	u.switches = (double)(ru.ru_nvcsw + ru.ru_nivcsw);
	return u;
}

struct bench_usage bench_usage_since(struct bench_usage before)
{
	struct bench_usage now = bench_usage_now();

	return (struct bench_usage){ now.wall_us - before.wall_us, now.cpu_us - before.cpu_us,
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

unsigned bench_find_devices(struct bench_device *dev, unsigned cap, unsigned slots)
{
	DIR *d = opendir("/sys/bus/usb/devices");
	struct dirent *e;
	unsigned n = 0;

	while (d && n < cap && (e = readdir(d))) {
		unsigned bus, num, vendor, product;

		if (strchr(e->d_name, ':') || !read_word(e->d_name, "busnum", "%u", &bus) ||
		    !read_word(e->d_name, "devnum", "%u", &num) ||
		    !read_word(e->d_name, "idVendor", "%x", &vendor) ||
		    !read_word(e->d_name, "idProduct", "%x", &product) || vendor == ROOT_HUB)
			continue;
		snprintf(dev[n].node, sizeof dev[n].node, "/dev/bus/usb/%03u/%03u", bus, num);
		snprintf(dev[n].name, sizeof dev[n].name, "usb:%04x/%04x:libudev:0:%s", vendor,
			 product, dev[n].node);
		dev[n++].slots = slots;
	}
	if (d)
		closedir(d);
	qsort(dev, n, sizeof *dev, by_node);
	return n;
}

unsigned bench_threads(void)
{
	DIR *d = opendir("/proc/self/task");
	unsigned n = 0;

	while (d && readdir(d))
		n++;
	if (d)
		closedir(d);
	return n > 2 ? n - 2 : 0;	/* "." and ".." */
}

size_t bench_heap(void)
{
	struct mallinfo2 m = mallinfo2();

	return m.uordblks + m.hblkhd;
}
