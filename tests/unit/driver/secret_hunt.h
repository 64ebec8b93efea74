/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef SECRET_HUNT_H
#define SECRET_HUNT_H

/* A secret that is kept masked, and the search for it: in the driver's blocks on the heap, on the stack and in
 * variables. For one test program, linked with --wrap of malloc, calloc, realloc, free and the
 * calls of libusb below. */
#include "driver_fixture.h"

#include <libusb.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#define MASK 0x5A
#define LONGEST 1000
/* A run of so many bytes of a secret is a leak. */
#define WINDOW 4

/* ---- the secret ---- */

/* Byte i of the secret. Never together in memory but in the buffer of the application. */
static uint8_t secret_byte(size_t i)
{
	return (uint8_t)(0xA5 ^ (i * 37u) ^ (i >> 8) * 29u);
}

/* The secret of PIN pads is typed: 8642, as text. Both masked. */
static uint8_t masked[LONGEST];
static size_t masked_len;
static const uint8_t typed[] = { '8' ^ MASK, '6' ^ MASK, '4' ^ MASK, '2' ^ MASK };

/* The secret as the log would write it, "A5 80 EF ", masked. */
static uint8_t masked_text[3 * 16];

/* First bytes of the patterns that are looked for: most of the megabytes that are searched can be
 * skipped by them. */
static bool begins[256];

static void note_beginnings(void)
{
	memset(begins, 0, sizeof begins);
	begins[masked_text[0] ^ MASK] = true;
	for (size_t at = 0; at + WINDOW <= masked_len && at < 64; at += WINDOW)
		begins[masked[at] ^ MASK] = true;
}

static void mask_text(void)
{
	static const char digits[] = "0123456789ABCDEF";

	for (size_t i = 0; i < sizeof masked_text / 3; i++) {
		uint8_t b = i < masked_len ? masked[i] ^ MASK : 0;

		masked_text[3 * i] = (uint8_t)digits[b >> 4] ^ MASK;
		masked_text[3 * i + 1] = (uint8_t)digits[b & 0x0F] ^ MASK;
		masked_text[3 * i + 2] = ' ' ^ MASK;
	}
	note_beginnings();
}

static void secret_is(size_t len)
{
	for (size_t i = 0; i < len; i++)
		masked[i] = secret_byte(i) ^ MASK;
	masked_len = len;
	mask_text();
}

static void secret_is_typed(void)
{
	memcpy(masked, typed, sizeof typed);
	masked_len = sizeof typed;
	mask_text();
}

__attribute__((no_sanitize("address")))
static bool is_text(const uint8_t *p)
{
	for (size_t i = 0; i < 3 * WINDOW; i++)
		if ((p[i] ^ MASK) != masked_text[i])
			return false;
	return true;
}

/* Are the WINDOW bytes at p those of the secret at this offset? */
static bool is_window(const uint8_t *p, size_t at)
{
	for (size_t i = 0; i < WINDOW; i++)
		if ((p[i] ^ MASK) != masked[at + i])
			return false;
	return true;
}

__attribute__((no_sanitize("address")))
static const uint8_t *find_secret(const uint8_t *p, size_t len)
{
	for (size_t i = 0; i + WINDOW <= len; i++) {
		if (!begins[p[i]])
			continue;
		if (i + 3 * WINDOW <= len && (p[i] ^ MASK) == masked_text[0] && is_text(p + i))
			return p + i;
		/* enough to look at every fourth place of the secret: a longer run has one of them */
		for (size_t at = 0; at + WINDOW <= masked_len && at < 64; at += WINDOW)
			if ((p[i] ^ MASK) == masked[at] && is_window(p + i, at))
				return p + i;
	}
	return NULL;
}

/* ---- the driver's memory ---- */

#define BLOCKS 4096

static struct {
	void *p;
	size_t len;
} blocks[BLOCKS];
static unsigned n_freed_leaks;
/* More than 0 while the simulator or the test runs: their memory is not searched. */
static __thread unsigned elsewhere = 1;

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void __real_free(void *p);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
void __wrap_free(void *p);

static void *note(void *p, size_t len)
{
	for (size_t i = 0; p && !elsewhere && i < BLOCKS; i++) {
		if (!blocks[i].p) {
			blocks[i].p = p;
			blocks[i].len = len;
			break;
		}
	}
	return p;
}

static void forget(const void *p)
{
	for (size_t i = 0; p && i < BLOCKS; i++) {
		if (blocks[i].p == p) {
			n_freed_leaks += find_secret(p, blocks[i].len) != NULL;
			blocks[i].p = NULL;
		}
	}
}

void *__wrap_malloc(size_t n)
{
	void *p = __real_malloc(n);

	/* Copies left by other code are not the driver's leak. */
	if (p && !elsewhere)
		memset(p, 0, n);
	return note(p, n);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return note(__real_calloc(n, size), n * size);
}

void *__wrap_realloc(void *p, size_t n)
{
	forget(p);
	return note(__real_realloc(p, n), n);
}

void __wrap_free(void *p)
{
	forget(p);
	__real_free(p);
}

/* ---- the simulated reader, on a stack of its own ---- */

#define OTHER_STACK (512u * 1024u)

static struct {
	ucontext_t here, there;
	void (*run)(void);
	uint8_t *stack;
} other;

static struct {
	libusb_context *ctx;
	struct libusb_transfer *transfer;
	struct timeval *tv;
	int *completed, rc;
	int fd, wake_fd;
	uint8_t *in;
	const uint8_t *out;
	size_t len;
	uint64_t until_ns;
	ssize_t got;
} call;

static void other_side(void)
{
	other.run();
}

static int run_elsewhere(void (*run)(void))
{
	bool nested = elsewhere > 0;

	elsewhere++;
	if (nested) {
		run();
	} else {
		other.run = run;
		getcontext(&other.there);
		other.there.uc_stack.ss_sp = other.stack;
		other.there.uc_stack.ss_size = OTHER_STACK;
		other.there.uc_link = &other.here;
		makecontext(&other.there, other_side, 0);
		swapcontext(&other.here, &other.there);
	}
	elsewhere--;
	return call.rc;
}

int __real_libusb_submit_transfer(struct libusb_transfer *t);
int __real_libusb_handle_events_timeout_completed(libusb_context *c, struct timeval *tv, int *completed);
ssize_t __real_serial_tty_read(int fd, int wake_fd, uint8_t *buf, size_t cap, uint64_t until_ns);
ssize_t __real_serial_tty_write(int fd, const uint8_t *buf, size_t len);
int __wrap_libusb_submit_transfer(struct libusb_transfer *t);
int __wrap_libusb_handle_events_timeout_completed(libusb_context *c, struct timeval *tv, int *completed);
int __wrap_libusb_control_transfer(libusb_device_handle *h, uint8_t bmRequestType, uint8_t bRequest,
				   uint16_t wValue, uint16_t wIndex, unsigned char *data, uint16_t wLength,
				   unsigned int timeout);
ssize_t __wrap_serial_tty_read(int fd, int wake_fd, uint8_t *buf, size_t cap, uint64_t until_ns);
ssize_t __wrap_serial_tty_write(int fd, const uint8_t *buf, size_t len);

/* libusb's blocking call copies what it sends to the heap, and wipes nothing. */
static unsigned blocking_calls;

static void submit(void)
{
	call.rc = __real_libusb_submit_transfer(call.transfer);
}

static void handle(void)
{
	call.rc = __real_libusb_handle_events_timeout_completed(call.ctx, call.tv, call.completed);
}

static void read_line(void)
{
	call.got = __real_serial_tty_read(call.fd, call.wake_fd, call.in, call.len, call.until_ns);
}

static void write_line(void)
{
	call.got = __real_serial_tty_write(call.fd, call.out, call.len);
}

int __wrap_libusb_submit_transfer(struct libusb_transfer *t)
{
	call.transfer = t;
	return run_elsewhere(submit);
}

int __wrap_libusb_handle_events_timeout_completed(libusb_context *c, struct timeval *tv, int *completed)
{
	call.ctx = c;
	call.tv = tv;
	call.completed = completed;
	return run_elsewhere(handle);
}

int __wrap_libusb_control_transfer(libusb_device_handle *h, uint8_t bmRequestType, uint8_t bRequest,
				   uint16_t wValue, uint16_t wIndex, unsigned char *data, uint16_t wLength,
				   unsigned int timeout)
{
	(void)h;
	(void)bmRequestType;
	(void)bRequest;
	(void)wValue;
	(void)wIndex;
	(void)data;
	(void)wLength;
	(void)timeout;
	blocking_calls++;
	return LIBUSB_ERROR_OTHER;
}

ssize_t __wrap_serial_tty_read(int fd, int wake_fd, uint8_t *buf, size_t cap, uint64_t until_ns)
{
	call.fd = fd;
	call.wake_fd = wake_fd;
	call.in = buf;
	call.len = cap;
	call.until_ns = until_ns;
	run_elsewhere(read_line);
	return call.got;
}

ssize_t __wrap_serial_tty_write(int fd, const uint8_t *buf, size_t len)
{
	call.fd = fd;
	call.out = buf;
	call.len = len;
	run_elsewhere(write_line);
	return call.got;
}

/* ---- looking for leaks ---- */

#define STACK_BELOW (96u * 1024u)

static uint8_t *stack_top;
extern char __data_start[], _end[];

__attribute__((noinline, no_sanitize("address")))
static unsigned memory_leaks(const char *where)
{
	uint8_t *here = __builtin_frame_address(0);
	unsigned n = 0;
	const uint8_t *p;

	for (size_t i = 0; i < BLOCKS; i++) {
		p = blocks[i].p ? find_secret(blocks[i].p, blocks[i].len) : NULL;
		if (p)
			print_error("%s: in a block of %zu bytes, at %zd\n", where, blocks[i].len,
				    (ssize_t)(p - (const uint8_t *)blocks[i].p));
		n += p != NULL;
	}
	p = find_secret(here - STACK_BELOW, STACK_BELOW + (size_t)(stack_top - here));
	if (p)
		print_error("%s: on the stack, %zd bytes from here\n", where, (ssize_t)(p - here));
	n += p != NULL;
	p = find_secret((const uint8_t *)__data_start, (size_t)(_end - __data_start));
	if (p)
		print_error("%s: in a variable at offset %zd\n", where, (ssize_t)(p - (const uint8_t *)__data_start));
	n += p != NULL;
	if (n_freed_leaks)
		print_error("%s: in a block that was freed\n", where);
	if (blocking_calls)
		print_error("%s: perhaps in blocks of libusb's blocking calls\n", where);
	return n + n_freed_leaks + blocking_calls;
}

#endif
