/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* PINs and keys on their way through the driver: never in the log unless asked for, and nowhere in memory
 * once the command is over.
 *
 * The linker turns the driver's malloc(), free() and log_msg(), and its calls of libusb, to this file
 * (--wrap): so the blocks that belong to the driver are known, the simulated reader runs on a stack of its own,
 * and each line of the log is seen whole. */
#include "driver_rig.h"

#include "util/buf.h"
#include "util/log.h"

#include <libusb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define LUN 0
#define MASK 0x5A
#define LONGEST 1000
/* A run of so many bytes of a secret is a leak. */
#define WINDOW 4

/* ---- the secret ---- */

/* Byte i of what nobody may see. Never together in memory but in the buffer of the application. */
static uint8_t secret_byte(size_t i)
{
	return (uint8_t)(0xA5 ^ (i * 37u) ^ (i >> 8) * 29u);
}

/* The secret of PIN pads is typed: 8642, as text. Both masked. */
static uint8_t masked[LONGEST];
static size_t masked_len;
static const uint8_t typed[] = { '8' ^ MASK, '6' ^ MASK, '4' ^ MASK, '2' ^ MASK };

/* The same as the log writes it: "A5 80 EF ", masked. */
static uint8_t masked_text[3 * 16];

static void mask_text(void)
{
	static const char digits[] = "0123456789ABCDEF";

	for (size_t i = 0; i < sizeof masked_text / 3; i++) {
		uint8_t b = i < masked_len ? masked[i] ^ MASK : 0;

		masked_text[3 * i] = (uint8_t)digits[b >> 4] ^ MASK;
		masked_text[3 * i + 1] = (uint8_t)digits[b & 0x0F] ^ MASK;
		masked_text[3 * i + 2] = ' ' ^ MASK;
	}
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

/* Is the window at this offset of the secret at p? */
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
		if (i + 3 * WINDOW <= len && (p[i] ^ MASK) == masked_text[0] && is_text(p + i))
			return p + i;
		/* enough to look at every fourth place of the secret: a longer run has one of them */
		for (size_t at = 0; at + WINDOW <= masked_len && at < 64; at += WINDOW)
			if ((p[i] ^ MASK) == masked[at] && is_window(p + i, at))
				return p + i;
	}
	return NULL;
}

/* ---- the log ---- */

void __real_log_msg(const int priority, const char *fmt, ...);
void __wrap_log_msg(const int priority, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static struct {
	unsigned lines, leaks;
	bool shown;			/* the line of an ordinary command was there */
	uint8_t data[20000];		/* abData of all messages that were sent, in a row */
	size_t len;
} said;

static size_t bytes_of(const char *hex, uint8_t *out, size_t cap)
{
	size_t n = 0;
	unsigned v;
	int used;

	while (n < cap && sscanf(hex, " %2x%n", &v, &used) == 1) {
		out[n++] = (uint8_t)v;
		hex += used;
	}
	return n;
}

void __wrap_log_msg(const int priority, const char *fmt, ...)
{
	char line[2000];
	uint8_t bytes[600];
	const char *arrow;
	va_list ap;
	size_t n;

	va_start(ap, fmt);
	vsnprintf(line, sizeof line, fmt, ap);
	va_end(ap);
	if (!log_shows_secrets())
		__real_log_msg(priority, "%s", line);	/* the rig keeps it */
	said.lines++;
	said.leaks += find_secret((const uint8_t *)line, strlen(line)) != NULL;
	/* hexadecimal anywhere in the line */
	for (const char *p = line; *p; p++) {
		n = bytes_of(p, bytes, sizeof bytes);
		if (n >= WINDOW && find_secret(bytes, n)) {
			said.leaks++;
			break;
		}
	}
	arrow = strstr(line, "): ->");
	if (arrow) {
		n = bytes_of(arrow + 5, bytes, sizeof bytes);
		said.shown = said.shown || strstr(arrow, "80 16 00 00");
		if (n > 10 && said.len + n < sizeof said.data) {
			memcpy(said.data + said.len, bytes + 10, n - 10);
			said.len += n - 10;
		}
	}
	wipe(line, sizeof line);
	wipe(bytes, sizeof bytes);
}

/* Lines that show the secret, or messages that do when put together. */
static unsigned log_leaks(void)
{
	return said.leaks + (find_secret(said.data, said.len) != NULL);
}

/* ---- the driver's memory ---- */

#define BLOCKS 4096

static struct {
	void *p;
	size_t len;
} blocks[BLOCKS];
static unsigned n_freed_leaks;
/* The simulator works, or the test: their memory is not looked at. */
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

	/* What was left there by somebody else is not the driver's leak. */
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
	libusb_device_handle *handle;
	struct libusb_transfer *transfer;
	struct timeval *tv;
	int *completed, rc;
	uint8_t bmRequestType, bRequest;
	uint16_t wValue, wIndex, wLength;
	unsigned char *data;
	unsigned timeout;
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
int __real_libusb_control_transfer(libusb_device_handle *h, uint8_t bmRequestType, uint8_t bRequest,
				   uint16_t wValue, uint16_t wIndex, unsigned char *data, uint16_t wLength,
				   unsigned int timeout);
int __wrap_libusb_submit_transfer(struct libusb_transfer *t);
int __wrap_libusb_handle_events_timeout_completed(libusb_context *c, struct timeval *tv, int *completed);
int __wrap_libusb_control_transfer(libusb_device_handle *h, uint8_t bmRequestType, uint8_t bRequest,
				   uint16_t wValue, uint16_t wIndex, unsigned char *data, uint16_t wLength,
				   unsigned int timeout);

static void submit(void)
{
	call.rc = __real_libusb_submit_transfer(call.transfer);
}

static void handle(void)
{
	call.rc = __real_libusb_handle_events_timeout_completed(call.ctx, call.tv, call.completed);
}

static void request(void)
{
	call.rc = __real_libusb_control_transfer(call.handle, call.bmRequestType, call.bRequest, call.wValue,
						 call.wIndex, call.data, call.wLength, call.timeout);
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
	call.handle = h;
	call.bmRequestType = bmRequestType;
	call.bRequest = bRequest;
	call.wValue = wValue;
	call.wIndex = wIndex;
	call.data = data;
	call.wLength = wLength;
	call.timeout = timeout;
	return run_elsewhere(request);
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
	return n + n_freed_leaks;
}

/* ---- what an application does ---- */

/* Of the application, not looked at: command and answer. */
static uint8_t *app;
#define APP_ROOM 70000u

/* CLA INS, and len bytes of secret; extended when it must be. */
static size_t secret_apdu(uint8_t cla, uint8_t ins, size_t len, bool le)
{
	size_t n = 4;

	app[0] = cla;
	app[1] = ins;
	app[2] = app[3] = 0;
	if (len > 255)
		app[n++] = 0;
	if (len > 255)
		app[n++] = (uint8_t)(len >> 8);
	app[n++] = (uint8_t)len;
	for (size_t i = 0; i < len; i++)
		app[n++] = secret_byte(i);
	for (int i = le ? (len > 255 ? 2 : 1) : 0; i > 0; i--)
		app[n++] = 0;
	return n;
}

static RESPONSECODE transmit(size_t len)
{
	SCARD_IO_HEADER pci = { 0, 0 };
	DWORD n = APP_ROOM;
	RESPONSECODE rc;

	elsewhere = 0;
	rc = IFDHTransmitToICC(LUN, pci, app, len, app + APP_ROOM, &n, NULL);
	elsewhere = 1;
	wipe(app, 2 * APP_ROOM);
	return rc;
}

static void open_reader(const char *text, bool t1)
{
	rig_start(FAKE_VIRTUAL, text);
	memset(blocks, 0, sizeof blocks);
	n_freed_leaks = 0;
	elsewhere = 0;
	assert_int_equal(rig_open(LUN, 0, 0), IFD_SUCCESS);
	elsewhere = 1;
	RIG_IS_FINE(rig_power(LUN));
	RIG_IS_FINE(IFDHSetProtocolParameters(LUN, t1 ? SCARD_PROTOCOL_T1 : SCARD_PROTOCOL_T0, 0, 0, 0, 0));
}

static void close_reader(void)
{
	elsewhere = 0;
	IFDHCloseChannel(LUN);
	elsewhere = 1;
	rig_pardon();
	rig_stop();
}

/* Each way of an APDU to a card. echo: the card's answer is the secret again (at T=0 it would have to be fetched). */
static const struct way {
	const char *text;
	size_t len;
	bool t1, echo;
} ways[] = {
	{ "reader one\nlevel = tpdu\ncard 0 = t0\n", 16, false, false },
	{ "reader one\nlevel = char\ncard 0 = t0\n", 16, false, false },
	{ "reader one\nlevel = char\ncard 0 = t0 ack=one\n", 16, false, false },
	{ "reader one\nlevel = char\ncard 0 = t0 ack=mixed\n", 16, false, false },
	{ "reader one\nlevel = char\ncard 0 = t1 applet=echo\n", 16, true, true },
	{ "reader one\nlevel = char\ncard 0 = t1 ifsc=16 chain=16 applet=echo\n", 200, true, true },
	{ "reader one\nlevel = tpdu\ncard 0 = t1 applet=echo\n", 16, true, true },
	{ "reader one\nlevel = tpdu\ncard 0 = t1crc applet=echo\n", 16, true, true },
	{ "reader one\nlevel = tpdu\ncard 0 = t1 ifsc=16 chain=16 applet=echo\n", 60, true, true },
	{ "reader one\nlevel = tpdu\ncard 0 = t1 applet=echo\n", LONGEST, true, true },
	{ "reader one\nlevel = tpdu\ncard 0 = t1 wtx=2 applet=echo\n", 16, true, true },
	{ "reader one\nlevel = short\ncard 0 = t1 applet=echo\n", 16, true, true },
	{ "reader one\nlevel = short\ncard 0 = t0 applet=echo\n", 255, false, true },
	{ "reader one\nlevel = extended\ncard 0 = t1 applet=echo\n", 16, true, true },
	{ "reader one\nlevel = extended\nmaxlen = 271\ncard 0 = t1 applet=echo\n", LONGEST, true, true },
	{ "reader one\niccd = a\ncard 0 = t0\n", 16, false, false },
	{ "reader one\niccd = b\ncard 0 = t1 applet=echo\n", 16, true, true },
	{ "reader one\niccd = b\ncard 0 = t1 applet=echo\n", LONGEST, true, true },
};

static const uint8_t secret_ins[] = { 0x20, 0x21, 0x24, 0x25, 0x2C, 0x2D, 0x82 };

/* At T=0 character level a card that does not know the command never asks for its data. */
static bool way_sends(const struct way *way, uint8_t ins)
{
	return way->echo || ins == 0x20;
}

static void apdus_in_the_log(void **state)
{
	(void)state;
	for (size_t w = 0; w < COUNT(ways); w++) {
		const struct way *way = &ways[w];

		print_message("%s", strchr(way->text, '\n') + 1);
		secret_is(way->len);
		open_reader(way->text, way->t1);
		for (unsigned mask = 0; mask < 16; mask++) {
			for (size_t i = 0; i < COUNT(secret_ins) * 2; i++) {
				bool shows = i & 1;

				memset(&said, 0, sizeof said);
				log_setup(mask, shows);
				transmit(secret_apdu(0x00, secret_ins[i / 2], way->len, way->echo));
				if (!shows && log_leaks())
					fail_msg("INS %02X with levels %X is in the log", secret_ins[i / 2], mask);
				/* asked for, it is there: this test can fail */
				if (shows && (mask & LOG_COMM) && way_sends(way, secret_ins[i / 2]) && !log_leaks())
					fail_msg("INS %02X is not shown though asked for", secret_ins[i / 2]);
			}
		}
		/* an ordinary command is shown, if not right after a secret one: at T=0 character level
		 * bytes that the card never asked for may still be expected */
		memset(&said, 0, sizeof said);
		log_setup(LOG_COMM, false);
		for (unsigned i = 0; i < 4; i++) {
			size_t len = secret_apdu(0x80, 0x16, 8, way->echo);

			memset(app + 5, 0x77, 8);
			transmit(len);
		}
		assert_true(said.shown);
		log_setup(LOG_CRITICAL, false);
		close_reader();
	}
}

/* ---- PIN pads ---- */

#define VERIFY_CODE SCARD_CTL_CODE(0x330006)

static void type(void *user, uint64_t now, const char *text)
{
	char keys[sizeof typed + 2];

	if (strncmp(text, "out", 3) != 0 || !strstr(text, " Secure "))
		return;
	for (size_t i = 0; i < sizeof typed; i++)
		keys[i] = (char)(typed[i] ^ MASK);
	keys[sizeof typed] = '\n';
	keys[sizeof typed + 1] = '\0';
	sim_dev_keys(user, 0, keys, now + 10000000u);
	wipe(keys, sizeof keys);
}

/* The card answers with the PIN block: an answer to PC_to_RDR_Secure is secret, too. */
static RESPONSECODE type_a_pin(void)
{
	static const uint8_t in[] = { 30, 0, 0x82, 0x08, 0, 8, 4, 2, 1, 9, 4, 0, 0, 0, 0, 14, 0, 0, 0,
				      0x00, 0x20, 0x00, 0x01, 0x08, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0 };
	DWORD n = 0;
	RESPONSECODE rc;

	fake_usb_lock();
	sim_dev_trace(fake_usb_dev(0), type, fake_usb_dev(0));
	fake_usb_unlock();
	memcpy(app, in, sizeof in);
	elsewhere = 0;
	rc = IFDHControl(LUN, VERIFY_CODE, app, sizeof in, app + APP_ROOM, APP_ROOM, &n);
	elsewhere = 1;
	assert_true(rc != IFD_SUCCESS || n == 10);
	wipe(app, 2 * APP_ROOM);
	return rc;
}

static const struct way pads[] = {
	{ "reader one\npinpad = 3\nlevel = tpdu\ncard 0 = t1 applet=echo\n", 0, true, true },
	{ "reader one\npinpad = 3\nlevel = tpdu\ncard 0 = t1crc applet=echo\n", 0, true, true },
	{ "reader one\npinpad = 3\nlevel = short\ncard 0 = t1 applet=echo\n", 0, true, true },
	{ "reader one\npinpad = 3\nlevel = extended\ncard 0 = t0 applet=echo\n", 0, false, true },
};

static void pins_in_the_log(void **state)
{
	(void)state;
	secret_is_typed();
	for (size_t w = 0; w < COUNT(pads); w++) {
		open_reader(pads[w].text, pads[w].t1);
		for (unsigned i = 0; i < 32; i++) {
			memset(&said, 0, sizeof said);
			log_setup(i & 15, i & 16);
			RIG_IS_FINE(type_a_pin());
			assert_int_equal(log_leaks() > 0, (i & 16) && (i & LOG_COMM));
		}
		log_setup(LOG_CRITICAL, false);
		close_reader();
	}
}

/* ---- memory ---- */

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define SANITIZED true
#endif
#endif
#ifndef SANITIZED
#define SANITIZED false
#endif

/* The search finds what there is to find. */
static void the_search_works(void **state)
{
	uint8_t *p;
	uint8_t on_stack[64];

	(void)state;
	if (SANITIZED)
		skip();
	memset(blocks, 0, sizeof blocks);
	n_freed_leaks = 0;
	secret_is(16);
	elsewhere = 0;
	p = __wrap_malloc(100);
	elsewhere = 1;
	assert_int_equal(memory_leaks("nothing"), 0);
	for (size_t i = 0; i < 16; i++)
		p[40 + i] = secret_byte(i);
	assert_int_equal(memory_leaks("(wanted)"), 1);
	__wrap_free(p);
	assert_int_equal(memory_leaks("(wanted)"), 1);
	n_freed_leaks = 0;
	for (size_t i = 0; i < 7; i++)
		on_stack[i + 3] = secret_byte(i + 1);
	__asm__ __volatile__("" : : "r"(on_stack) : "memory");
	assert_int_equal(memory_leaks("(wanted)"), 1);
	wipe(on_stack, sizeof on_stack);
	assert_int_equal(memory_leaks("nothing"), 0);
}

static void apdus_in_memory(void **state)
{
	unsigned leaks = 0;

	(void)state;
	if (SANITIZED)
		skip();
	for (size_t w = 0; w < COUNT(ways); w++) {
		const char *name = strchr(ways[w].text, '\n') + 1;

		for (unsigned secrets = 0; secrets < 2; secrets++) {
			secret_is(ways[w].len);
			open_reader(ways[w].text, ways[w].t1);
			memset(&said, 0, sizeof said);
			/* the lines that show it are wiped, too */
			log_setup(secrets ? LOG_COMM : LOG_CRITICAL, secrets);
			for (unsigned i = 0; i < 2; i++) {
				transmit(secret_apdu(0x00, 0x20, ways[w].len, ways[w].echo));
				memset(&said, 0, sizeof said);
				leaks += memory_leaks(name);
			}
			log_setup(LOG_CRITICAL, false);
			close_reader();
			leaks += memory_leaks("after closing");
		}
	}
	assert_int_equal(leaks, 0);
}

static void pins_in_memory(void **state)
{
	unsigned leaks = 0;

	(void)state;
	if (SANITIZED)
		skip();
	secret_is_typed();
	for (size_t w = 0; w < COUNT(pads); w++) {
		open_reader(pads[w].text, pads[w].t1);
		RIG_IS_FINE(type_a_pin());
		leaks += memory_leaks(strchr(pads[w].text, '\n') + 1);
		close_reader();
		leaks += memory_leaks("after closing");
	}
	assert_int_equal(leaks, 0);
}

/* Commands that do not end well. */
static void failures_in_memory(void **state)
{
	static const char *const faults[] = {
		"wrong-slot", "wrong-seq", "wrong-type", "stale", "duplicate", "zero-length", "short-answer value=20",
		"length-more", "length-less", "padded value=4", "exact value=1", "overflow", "in-stall", "in-error",
		"no-zlp count=0", "silent", "late-answer ms=500", "slow-answer", "time-extension", "error", "unplug",
		"error-status", "out-stall", "out-error", "out-nak",
	};
	unsigned leaks = 0;

	(void)state;
	if (SANITIZED)
		skip();
	for (size_t i = 0; i < COUNT(faults); i++) {
		static const char *const texts[] = {
			"reader one\nlevel = tpdu\ncard 0 = t1 applet=echo\n",
			"reader one\nlevel = short\ncard 0 = t1 applet=echo\n",
			"reader one\nlevel = extended\nmaxlen = 271\ncard 0 = t1 applet=echo\n",
		};

		for (size_t k = 0; k < COUNT(texts); k++) {
			char where[200];

			snprintf(where, sizeof where, "%s: %s", faults[i], strchr(texts[k], '\n') + 1);
			secret_is(48);
			open_reader(texts[k], true);
			rig_fault(0, "%s msg=6f", faults[i]);
			/* 48 + 5 + 2 + ... makes the answer a whole packet at short APDU level */
			transmit(secret_apdu(0x00, 0x20, k == 1 ? 52 : 48, true));
			/* the second copy is in the transfer's buffer until libusb tells of it */
			if (strcmp(faults[i], "duplicate") != 0)
				leaks += memory_leaks(where);
			rig_fault(0, "clear");
			transmit(secret_apdu(0x80, 0x10, 0, false));
			leaks += memory_leaks(where);
			close_reader();
			leaks += memory_leaks(where);
		}
	}
	assert_int_equal(leaks, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(apdus_in_the_log, rig_teardown),
		cmocka_unit_test_teardown(pins_in_the_log, rig_teardown),
		cmocka_unit_test(the_search_works),
		cmocka_unit_test_teardown(apdus_in_memory, rig_teardown),
		cmocka_unit_test_teardown(pins_in_memory, rig_teardown),
		cmocka_unit_test_teardown(failures_in_memory, rig_teardown),
	};

	stack_top = __builtin_frame_address(0);
	other.stack = __real_malloc(OTHER_STACK);
	app = __real_malloc(2 * APP_ROOM);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
