/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The C library's clock, waits and threads as the player gives them to a driver. Only one thread
 * runs at a time. When the main thread has to wait, each other thread runs for a turn; when no
 * thread had anything to do, the main thread moves the clock. The functions have the C library's
 * names: the player is first in the order of symbols. */
#include "compare/play.h"
#include "fake/fake_libusb_priv.h"
#include "util/deadline.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "transport/usb_node.h"

#define SEEN __attribute__((visibility("default")))
#define MAX_THREADS 64
#define MAX_CONDS 512
#define SECOND 1000000000u
/* A longer wait counts as endless. */
#define LONGEST (7200ull * SECOND)

struct turn {
	sem_t go, back;
	pthread_t id;
	bool ended;
	void *(*start)(void *);
	void *arg;
};

static struct {
	bool playing;
	uint64_t begun;
	struct turn thread[MAX_THREADS];
	unsigned n_threads;
	unsigned work;			/* counts all actions of threads */
	struct { const void *cond; unsigned signals; } cond[MAX_CONDS];
} play;

static __thread struct turn *self;	/* NULL: the main thread */

void play_time_begin(void)
{
	play.begun = clock_now();
	play.playing = true;
}

void play_no_end(void)
{
	printf("= %d - %llu\n", PLAY_NO_END, (unsigned long long)((clock_now() - play.begun) / 1000000));
	fflush(stdout);
	_exit(0);
}

/* --- turns --- */

static void wait_for(sem_t *sem)
{
	while (sem_wait(sem) != 0 && errno == EINTR)
		;
}

/* A measure of progress: a turn in which a thread did something changes the value. */
static unsigned work_done(void)
{
	return play.work + fake.counts.total_events + fake.counts.total_submits;
}

void play_turns(void)
{
	for (unsigned i = 0; i < play.n_threads; i++) {
		if (play.thread[i].ended)
			continue;
		sem_post(&play.thread[i].go);
		wait_for(&play.thread[i].back);
	}
}

static void end_turn(void)
{
	sem_post(&self->back);
	wait_for(&self->go);
}

/* Time of the next event of any device, at most `at`. */
static uint64_t next_event(uint64_t at)
{
	for (unsigned i = 0; i < fake.n_devs; i++) {
		uint64_t next = sim_dev_next(fake.sim[i]);

		if (next > clock_now() && next < at)
			at = next;
	}
	return at;
}

void play_idle(uint64_t at)
{
	unsigned before = work_done();

	if (self) {
		end_turn();
		return;
	}
	play_turns();
	if (work_done() != before)
		return;
	/* The other threads have run: the next event of the devices is known now. */
	if (play.n_threads)
		at = next_event(at);
	if (at > clock_now() && at != UINT64_MAX)
		fake_clock_advance(at - clock_now());
	if (play.playing && clock_now() > play.begun + LONGEST)
		play_no_end();
}

static void sleep_for(uint64_t ns)
{
	uint64_t end = clock_now() + ns;

	while (clock_now() < end)
		play_idle(end);
}

/* --- threads --- */

static void *run_thread(void *arg)
{
	self = arg;
	wait_for(&self->go);
	self->start(self->arg);
	self->ended = true;
	play.work++;
	sem_post(&self->back);
	return NULL;
}

SEEN int pthread_create(pthread_t *id, const pthread_attr_t *attr, void *(*start)(void *), void *arg)
{
	int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
	struct turn *t = &play.thread[play.n_threads];
	int rc;

	*(void **)&real = dlsym(RTLD_NEXT, "pthread_create");
	if (play.n_threads == MAX_THREADS)
		return EAGAIN;
	sem_init(&t->go, 0, 0);
	sem_init(&t->back, 0, 0);
	t->start = start;
	t->arg = arg;
	rc = real(&t->id, attr, run_thread, t);
	if (rc == 0) {
		*id = t->id;
		play.n_threads++;
		play.work++;
	}
	return rc;
}

SEEN void pthread_exit(void *value)
{
	void (*real)(void *) __attribute__((noreturn));

	*(void **)&real = dlsym(RTLD_NEXT, "pthread_exit");
	if (self) {
		self->ended = true;
		play.work++;
		sem_post(&self->back);
	}
	real(value);
}

SEEN int pthread_join(pthread_t id, void **value)
{
	int (*real)(pthread_t, void **);
	unsigned i;

	*(void **)&real = dlsym(RTLD_NEXT, "pthread_join");
	for (i = 0; i < play.n_threads && !pthread_equal(play.thread[i].id, id); i++)
		;
	while (i < play.n_threads && !play.thread[i].ended)
		play_idle(clock_now() + SECOND);
	return real(id, value);
}

SEEN int pthread_mutex_lock(pthread_mutex_t *mutex)
{
	int rc;

	while ((rc = pthread_mutex_trylock(mutex)) == EBUSY)
		play_idle(clock_now() + SECOND);
	return rc;
}

/* --- conditions --- */

static unsigned *signals_of(const void *cond)
{
	unsigned i;

	for (i = 0; i < MAX_CONDS && play.cond[i].cond && play.cond[i].cond != cond; i++)
		;
	if (i == MAX_CONDS)
		abort();
	play.cond[i].cond = cond;
	return &play.cond[i].signals;
}

SEEN int pthread_cond_broadcast(pthread_cond_t *cond)
{
	++*signals_of(cond);
	return 0;
}

SEEN int pthread_cond_signal(pthread_cond_t *cond)
{
	return pthread_cond_broadcast(cond);
}

static int wait_until(pthread_cond_t *cond, pthread_mutex_t *mutex, uint64_t at)
{
	unsigned *signals = signals_of(cond), before = *signals;

	pthread_mutex_unlock(mutex);
	while (*signals == before && clock_now() < at)
		play_idle(at);
	pthread_mutex_lock(mutex);
	return *signals == before ? ETIMEDOUT : 0;
}

SEEN int pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex)
{
	return wait_until(cond, mutex, clock_now() + 3600ull * SECOND);
}

SEEN int pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex, const struct timespec *at)
{
	return wait_until(cond, mutex, (uint64_t)at->tv_sec * SECOND + (uint64_t)at->tv_nsec);
}

/* --- the clock --- */

SEEN int clock_gettime(clockid_t id, struct timespec *ts)
{
	uint64_t now;

	if (!play.playing)
		return (int)syscall(SYS_clock_gettime, id, ts);
	now = clock_now();
	ts->tv_sec = (time_t)(now / SECOND);
	ts->tv_nsec = (long)(now % SECOND);
	return 0;
}

SEEN int gettimeofday(struct timeval *tv, void *zone)
{
	uint64_t now = clock_now();

	(void)zone;
	tv->tv_sec = (time_t)(now / SECOND);
	tv->tv_usec = (suseconds_t)(now % SECOND / 1000);
	return 0;
}

SEEN time_t time(time_t *t)
{
	time_t now = (time_t)(clock_now() / SECOND);

	if (t)
		*t = now;
	return now;
}

SEEN int usleep(useconds_t us)
{
	sleep_for(us * 1000ull);
	return 0;
}

SEEN unsigned sleep(unsigned s)
{
	sleep_for(s * (uint64_t)SECOND);
	return 0;
}

SEEN int nanosleep(const struct timespec *ts, struct timespec *left)
{
	(void)left;
	sleep_for((uint64_t)ts->tv_sec * SECOND + (uint64_t)ts->tv_nsec);
	return 0;
}

SEEN int clock_nanosleep(clockid_t id, int flags, const struct timespec *ts, struct timespec *left)
{
	uint64_t at = (uint64_t)ts->tv_sec * SECOND + (uint64_t)ts->tv_nsec, now = clock_now();

	(void)id;
	(void)left;
	sleep_for(!(flags & TIMER_ABSTIME) ? at : at > now ? at - now : 0);
	return 0;
}

/* --- device nodes, which this driver opens without libusb --- */

SEEN int open(const char *path, int flags, ...)
{
	va_list ap;
	mode_t mode;

	va_start(ap, flags);
	mode = flags & O_CREAT ? va_arg(ap, mode_t) : 0;
	va_end(ap);
	if (play.playing && strncmp(path, "/dev/bus/usb/", 13) == 0)
		return usb_node_open(path);
	return openat(AT_FDCWD, path, flags, mode);
}

SEEN int close(int fd)
{
	if (play.playing && fd >= 0 && fd < FAKE_MAX_NODES && fake.node[fd])
		usb_node_close(fd);
	return (int)syscall(SYS_close, fd);
}
