/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef FUZZ_H
#define FUZZ_H

/* Common parts of all fuzz targets. A target is fuzz_NAME.c; linked with libFuzzer it looks for new
 * inputs, linked with replay.c it runs the inputs in corpus/NAME as test cases. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The target: its name, and one run on one input. Returns 0. */
extern const char fuzz_name[];
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* An invariant; ends the program when it does not hold. */
#define FUZZ_CHECK(holds) ((holds) ? (void)0 : fuzz_fail(__FILE__, __LINE__, #holds))
void fuzz_fail(const char *file, int line, const char *what) __attribute__((noreturn));

/* The input, read from its beginning. Reads beyond its end give zeros. */
struct fuzz_in {
	const uint8_t *p;
	size_t left;
};

struct fuzz_in fuzz_input(const uint8_t *data, size_t len);
uint8_t fuzz_u8(struct fuzz_in *in);
uint16_t fuzz_u16(struct fuzz_in *in);
uint32_t fuzz_u32(struct fuzz_in *in);
/* The next *n bytes, or all that are left; *n becomes their number. */
const uint8_t *fuzz_bytes(struct fuzz_in *in, size_t *n);
/* A part with a length of its own: the parts behind it stay in place when its content changes. */
struct fuzz_in fuzz_part(struct fuzz_in *in);

/* A buffer of cap bytes with marks before and behind it. */
struct fuzz_room {
	uint8_t *p;
	size_t cap;
};

struct fuzz_room fuzz_room(size_t cap);
/* Checks that nothing was written outside the buffer, and frees the buffer. */
void fuzz_room_end(struct fuzz_room *room);
/* Checks that the bytes from `used` on were not written, or were wiped. */
void fuzz_room_unused(const struct fuzz_room *room, size_t used);
/* A copy in a block of exactly n bytes: sanitizers detect a read beyond it. The caller frees the
 * copy. */
uint8_t *fuzz_copy(const uint8_t *p, size_t n);

/* Are the n bytes at p, in their order, among the `of` bytes at q? */
bool fuzz_is_among(const uint8_t *p, size_t n, const uint8_t *q, size_t of);

/* The driver's nth allocation from now on fails (0: none), and with for_ever all after it. */
void fuzz_fail_alloc(unsigned nth, bool for_ever);

#endif
