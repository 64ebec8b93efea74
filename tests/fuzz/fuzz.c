/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fuzz/fuzz.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MARK 0xC5
#define MARKS 32
#define LINE_CAP 4096

void fuzz_fail(const char *file, int line, const char *what)
{
	fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, what);
	abort();
}

struct fuzz_in fuzz_input(const uint8_t *data, size_t len)
{
	return (struct fuzz_in){ data, len };
}

uint8_t fuzz_u8(struct fuzz_in *in)
{
	if (in->left == 0)
		return 0;
	in->left--;
	return *in->p++;
}

uint16_t fuzz_u16(struct fuzz_in *in)
{
	uint8_t low = fuzz_u8(in);

	return (uint16_t)(low | fuzz_u8(in) << 8);
}

uint32_t fuzz_u32(struct fuzz_in *in)
{
	uint16_t low = fuzz_u16(in);

	return low | (uint32_t)fuzz_u16(in) << 16;
}

const uint8_t *fuzz_bytes(struct fuzz_in *in, size_t *n)
{
	const uint8_t *p = in->p;

	if (*n > in->left)
		*n = in->left;
	in->p += *n;
	in->left -= *n;
	return p;
}

struct fuzz_in fuzz_part(struct fuzz_in *in)
{
	size_t n = fuzz_u8(in);
	const uint8_t *p = fuzz_bytes(in, &n);

	return (struct fuzz_in){ p, n };
}

struct fuzz_room fuzz_room(size_t cap)
{
	uint8_t *p = malloc(cap + 2 * MARKS);

	if (!p)
		abort();
	memset(p, MARK, cap + 2 * MARKS);
	return (struct fuzz_room){ p + MARKS, cap };
}

static bool all_marks(const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] != MARK)
			return false;
	return true;
}

void fuzz_room_end(struct fuzz_room *room)
{
	FUZZ_CHECK(all_marks(room->p - MARKS, MARKS));
	FUZZ_CHECK(all_marks(room->p + room->cap, MARKS));
	free(room->p - MARKS);
	room->p = NULL;
}

void fuzz_room_unused(const struct fuzz_room *room, size_t used)
{
	/* zeros are allowed: a failed attempt may have written more, which was then wiped */
	for (size_t i = used; i < room->cap; i++)
		FUZZ_CHECK(room->p[i] == MARK || room->p[i] == 0);
}

uint8_t *fuzz_copy(const uint8_t *p, size_t n)
{
	uint8_t *q = malloc(n ? n : 1);

	if (!q)
		abort();
	if (n)
		memcpy(q, p, n);
	return q;
}

bool fuzz_is_among(const uint8_t *p, size_t n, const uint8_t *q, size_t of)
{
	size_t k = 0;

	for (size_t i = 0; i < of && k < n; i++)
		k += q[i] == p[k];
	return k == n;
}

/* --- pcscd's log: with any data from a device, each line is plain text --- */

void log_msg(const int priority, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void log_xxd(const int priority, const char *msg, const unsigned char *buffer, const int size);

void log_msg(const int priority, const char *fmt, ...)
{
	static bool shown, asked;
	char line[LINE_CAP];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(line, sizeof line, fmt, ap);
	va_end(ap);
	FUZZ_CHECK(n >= 0 && n < LINE_CAP);
	for (int i = 0; i < n; i++)
		FUZZ_CHECK(line[i] >= 0x20 && line[i] < 0x7F);
	if (!asked)
		shown = getenv("FUZZ_LOG") != NULL;
	asked = true;
	if (shown)
		fprintf(stderr, "# %d %s\n", priority, line);
}

void log_xxd(const int priority, const char *msg, const unsigned char *buffer, const int size)
{
	unsigned sum = 0;

	for (int i = 0; i < size; i++)
		sum += buffer[i];
	log_msg(priority, "%s (%d bytes, sum %u)", msg, size, sum);
}
