/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef FAILING_HEAP_H
#define FAILING_HEAP_H

/* For a test that is linked with --wrap for the functions that allocate: any of the driver's
 * allocations can be made to fail, and its blocks that are not freed are known. One thread only. */
#include "fake/fake_libusb_priv.h"

#include <stdlib.h>
#include <string.h>

#define LIVE_MAX 4096

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
char *__real_strdup(const char *s);
char *__real_strndup(const char *s, size_t n);
void __real_free(void *p);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
char *__wrap_strdup(const char *s);
char *__wrap_strndup(const char *s, size_t n);
void __wrap_free(void *p);

static struct {
	bool watching;
	unsigned fail_at;	/* 0: none */
	bool for_ever;		/* all that follow fail as well */
	unsigned seen;
	void *live[LIVE_MAX];	/* the driver's blocks that are not freed yet */
	unsigned n_live;
} heap;

/* The simulator's own allocations are made with the bus locked: they neither fail nor count. */
static bool is_drivers(void)
{
	if (!heap.watching || pthread_mutex_trylock(&fake.lock) != 0)
		return false;
	pthread_mutex_unlock(&fake.lock);
	return true;
}

static void *keep(void *p)
{
	if (!p || heap.n_live == LIVE_MAX)
		abort();
	heap.live[heap.n_live++] = p;
	return p;
}

static void forget(void *p)
{
	for (unsigned i = heap.n_live; i-- > 0;) {
		if (heap.live[i] == p) {
			heap.live[i] = heap.live[--heap.n_live];
			return;
		}
	}
}

static bool fails(void)
{
	heap.seen++;
	return heap.fail_at && (heap.for_ever ? heap.seen >= heap.fail_at : heap.seen == heap.fail_at);
}

/* CALL is done unless this allocation is to fail. */
#define ALLOCATE(call) (!is_drivers() ? (call) : fails() ? NULL : keep(call))

void *__wrap_malloc(size_t n)
{
	return ALLOCATE(__real_malloc(n ? n : 1));
}

void *__wrap_calloc(size_t n, size_t size)
{
	return ALLOCATE(__real_calloc(n ? n : 1, size ? size : 1));
}

void *__wrap_realloc(void *p, size_t n)
{
	if (!is_drivers())
		return __real_realloc(p, n);
	if (fails())
		return NULL;
	forget(p);
	return keep(__real_realloc(p, n));
}

char *__wrap_strdup(const char *s)
{
	return ALLOCATE(__real_strdup(s));
}

char *__wrap_strndup(const char *s, size_t n)
{
	return ALLOCATE(__real_strndup(s, n));
}

void __wrap_free(void *p)
{
	forget(p);
	__real_free(p);
}

#endif
