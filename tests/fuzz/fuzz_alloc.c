/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The allocation functions of the driver's objects, which are linked with these names. The test's
 * own allocations use the C library. */
#include "fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

static unsigned countdown;
static bool stays;

void fuzz_fail_alloc(unsigned nth, bool for_ever)
{
	countdown = nth;
	stays = for_ever;
}

static bool fails(void)
{
	if (countdown == 0)
		return false;
	if (countdown > 1) {
		countdown--;
		return false;
	}
	countdown = stays;
	return true;
}

void *fuzz_malloc(size_t n);
void *fuzz_calloc(size_t n, size_t size);
void *fuzz_realloc(void *p, size_t n);
char *fuzz_strdup(const char *s);
char *fuzz_strndup(const char *s, size_t n);

void *fuzz_malloc(size_t n)
{
	return fails() ? NULL : malloc(n);
}

void *fuzz_calloc(size_t n, size_t size)
{
	return fails() ? NULL : calloc(n, size);
}

void *fuzz_realloc(void *p, size_t n)
{
	return fails() ? NULL : realloc(p, n);
}

char *fuzz_strdup(const char *s)
{
	return fails() ? NULL : strdup(s);
}

char *fuzz_strndup(const char *s, size_t n)
{
	return fails() ? NULL : strndup(s, n);
}
