/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* src/transport/serial_tty.c: a line in raw mode; a path that is not a line, is in use, or hangs
 * up. */
#include "transport/serial_tty.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include "unit/unit_cmocka.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

/* A wait that a busy machine does not exceed where none is needed. */
#define AMPLE_MS 20000u

static const struct log_ctx test_log = { .reader = "test" };

/* --- what the log says: pcscd's functions --- */

static struct {
	unsigned lines;
	char last[1100];
} said;

void log_msg(const int priority, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void log_xxd(const int priority, const char *msg, const unsigned char *buffer, const int size);

void log_msg(const int priority, const char *fmt, ...)
{
	va_list ap;

	(void)priority;
	va_start(ap, fmt);
	vsnprintf(said.last, sizeof said.last, fmt, ap);
	va_end(ap);
	said.lines++;
}

void log_xxd(const int priority, const char *msg, const unsigned char *buffer, const int size)
{
	(void)buffer;
	log_msg(priority, "%s (%d bytes)", msg, size);
}

/* --- calls that fail (linked with --wrap) --- */

static struct {
	int open, get, set, exclusive, poll, read, write;	/* errno */
} fails;

static int failed(int err)
{
	errno = err;
	return -1;
}

/* open() may have another name for the linker. */
#if defined _FILE_OFFSET_BITS && _FILE_OFFSET_BITS == 64
#define REAL_OPEN __real_open64
#define WRAP_OPEN __wrap_open64
#else
#define REAL_OPEN __real_open
#define WRAP_OPEN __wrap_open
#endif
int REAL_OPEN(const char *path, int flags, ...);
int WRAP_OPEN(const char *path, int flags, ...);
int __real_tcgetattr(int fd, struct termios *t);
int __wrap_tcgetattr(int fd, struct termios *t);
int __real_tcsetattr(int fd, int when, const struct termios *t);
int __wrap_tcsetattr(int fd, int when, const struct termios *t);
int __real_ioctl(int fd, unsigned long request, ...);
int __wrap_ioctl(int fd, unsigned long request, ...);
int __real_poll(struct pollfd *p, nfds_t n, int ms);
int __wrap_poll(struct pollfd *p, nfds_t n, int ms);
ssize_t __real_read(int fd, void *p, size_t n);
ssize_t __wrap_read(int fd, void *p, size_t n);
ssize_t __real_write(int fd, const void *p, size_t n);
ssize_t __wrap_write(int fd, const void *p, size_t n);

int WRAP_OPEN(const char *path, int flags, ...)
{
	return fails.open ? failed(fails.open) : REAL_OPEN(path, flags);
}

int __wrap_tcgetattr(int fd, struct termios *t)
{
	return fails.get ? failed(fails.get) : __real_tcgetattr(fd, t);
}

int __wrap_tcsetattr(int fd, int when, const struct termios *t)
{
	return fails.set ? failed(fails.set) : __real_tcsetattr(fd, when, t);
}

int __wrap_ioctl(int fd, unsigned long request, ...)
{
	va_list ap;
	void *p;

	va_start(ap, request);
	p = va_arg(ap, void *);
	va_end(ap);
	if (request == TIOCEXCL && fails.exclusive)
		return failed(fails.exclusive);
	return __real_ioctl(fd, request, p);
}

int __wrap_poll(struct pollfd *p, nfds_t n, int ms)
{
	return fails.poll ? failed(fails.poll) : __real_poll(p, n, ms);
}

ssize_t __wrap_read(int fd, void *p, size_t n)
{
	return fails.read ? failed(fails.read) : __real_read(fd, p, n);
}

ssize_t __wrap_write(int fd, const void *p, size_t n)
{
	return fails.write ? failed(fails.write) : __real_write(fd, p, n);
}

/* --- a line with its far end --- */

struct line {
	int far, near, wake[2];
	char path[128];
};

static int setup(void **state)
{
	struct line *l = calloc(1, sizeof *l);

	memset(&fails, 0, sizeof fails);
	l->near = -1;
	l->far = posix_openpt(O_RDWR | O_NOCTTY);
	if (l->far < 0 || grantpt(l->far) || unlockpt(l->far) || pipe(l->wake))
		return -1;
	snprintf(l->path, sizeof l->path, "%s", ptsname(l->far));
	*state = l;
	return 0;
}

static int teardown(void **state)
{
	struct line *l = *state;

	memset(&fails, 0, sizeof fails);
	if (l->near >= 0)
		serial_tty_close(l->near);
	if (l->far >= 0)
		close(l->far);
	close(l->wake[0]);
	close(l->wake[1]);
	free(l);
	return 0;
}

static void opened(struct line *l)
{
	assert_int_equal(serial_tty_open(l->path, &test_log, &l->near), CCID_OK);
	assert_true(l->near >= 0);
}

static ssize_t get(struct line *l, uint8_t *buf, size_t cap, unsigned ms)
{
	return serial_tty_read(l->near, l->wake[0], buf, cap, deadline_in_ms(ms).at_ns);
}

static unsigned files_open(void)
{
	unsigned n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* --- tests --- */

static void raw_8n2_without_flow_control(void **state)
{
	struct line *l = *state;
	struct termios t;

	opened(l);
	assert_int_equal(tcgetattr(l->near, &t), 0);
	assert_int_equal(t.c_cflag & (CSIZE | CSTOPB | PARENB | CRTSCTS), CS8 | CSTOPB);
	assert_int_equal(t.c_lflag & (ICANON | ECHO | ISIG), 0);
	assert_int_equal(t.c_iflag & (IXON | IXOFF | ICRNL | ISTRIP), 0);
	assert_int_equal(t.c_oflag & OPOST, 0);
	assert_int_equal(cfgetospeed(&t), B115200);
	assert_int_equal(cfgetispeed(&t), B115200);
	assert_true(fcntl(l->near, F_GETFD) & FD_CLOEXEC);
	assert_true(fcntl(l->near, F_GETFL) & O_NONBLOCK);
	assert_int_equal(serial_tty_speed(l->near, 9600), CCID_OK);
	assert_int_equal(tcgetattr(l->near, &t), 0);
	assert_int_equal(cfgetospeed(&t), B9600);
}

static void every_byte_value_both_ways(void **state)
{
	struct line *l = *state;
	uint8_t all[256], got[256];
	size_t n = 0;

	opened(l);
	for (unsigned i = 0; i < sizeof all; i++)
		all[i] = (uint8_t)i;
	assert_int_equal(write(l->far, all, sizeof all), sizeof all);
	while (n < sizeof all) {
		ssize_t more = get(l, got + n, sizeof got - n, AMPLE_MS);

		assert_true(more > 0);
		n += (size_t)more;
	}
	assert_memory_equal(got, all, sizeof all);
	assert_int_equal(serial_tty_write(l->near, all, sizeof all), sizeof all);
	for (n = 0; n < sizeof all;) {
		ssize_t more = read(l->far, got + n, sizeof got - n);

		assert_true(more > 0);
		n += (size_t)more;
	}
	assert_memory_equal(got, all, sizeof all);
}

static void waits_end_without_bytes(void **state)
{
	struct line *l = *state;
	uint64_t began;
	uint8_t b;

	opened(l);
	began = clock_now();
	assert_int_equal(get(l, &b, 1, 20), 0);
	assert_true(clock_now() - began >= 20000000u);
	/* woken: long before the time is over */
	began = clock_now();
	assert_int_equal(write(l->wake[1], "", 1), 1);
	assert_int_equal(get(l, &b, 1, 10 * AMPLE_MS), 0);
	assert_true(clock_now() - began < AMPLE_MS * UINT64_C(1000000));
	/* time without end is as long as poll() can wait */
	assert_int_equal(serial_tty_read(l->near, l->wake[0], &b, 1, UINT64_MAX), 0);
}

/* Bytes that come at one look and are gone at the next, and signals, do not end the line. */
static void interrupted_calls_are_no_end(void **state)
{
	static const int harmless[] = { EAGAIN, EINTR };
	struct line *l = *state;
	uint8_t b = 0;

	opened(l);
	assert_int_equal(write(l->far, "ab", 2), 2);
	for (size_t i = 0; i < 2; i++) {
		fails.read = harmless[i];
		assert_int_equal(get(l, &b, 1, AMPLE_MS), 0);
		fails.write = harmless[i];
		assert_int_equal(serial_tty_write(l->near, &b, 1), 0);
	}
	fails.poll = EINTR;
	assert_int_equal(get(l, &b, 1, AMPLE_MS), 0);
	memset(&fails, 0, sizeof fails);
	assert_int_equal(get(l, &b, 1, AMPLE_MS), 1);
	assert_int_equal(b, 'a');
	fails.read = fails.write = EIO;
	assert_int_equal(get(l, &b, 1, AMPLE_MS), -1);
	assert_int_equal(serial_tty_write(l->near, &b, 1), -1);
}

static void hung_up(void **state)
{
	struct line *l = *state;
	uint8_t b = 0;

	opened(l);
	close(l->far);
	l->far = -1;
	assert_int_equal(get(l, &b, 1, AMPLE_MS), -1);
	/* whatever read() says of it */
	fails.read = EAGAIN;
	assert_int_equal(get(l, &b, 1, AMPLE_MS), -1);
	fails.read = 0;
	assert_int_equal(serial_tty_write(l->near, &b, 1), -1);
}

static void flushed_bytes_are_gone(void **state)
{
	struct line *l = *state;
	struct pollfd p;
	uint8_t b;

	opened(l);
	p = (struct pollfd){ l->near, POLLIN, 0 };
	assert_int_equal(write(l->far, "old", 3), 3);
	assert_int_equal(poll(&p, 1, (int)AMPLE_MS), 1);
	serial_tty_flush(l->near);
	assert_int_equal(get(l, &b, 1, 0), 0);
}

static void paths_that_cannot_be_opened(void **state)
{
	struct line *l = *state;
	unsigned before = files_open();
	int fd = -1;

	assert_int_equal(serial_tty_open("/no/such/line", &test_log, &fd), CCID_ERR_NO_DEVICE);
	assert_non_null(strstr(said.last, "/no/such/line: No such file or directory: "));
	assert_int_equal(serial_tty_open("/dev/null", &test_log, &fd), CCID_ERR_NO_DEVICE);
	assert_non_null(strstr(said.last, "/dev/null is not a serial line: "));
	fails.set = EIO;
	assert_int_equal(serial_tty_open(l->path, &test_log, &fd), CCID_ERR_COMM);
	assert_non_null(strstr(said.last, strerror(EIO)));
	assert_int_equal(fd, -1);
	assert_int_equal(files_open(), before);
}

/* One line that names the errno and says what to do. Only a missing line is not worth a wait. */
static void every_errno_has_its_line(void **state)
{
	static const struct {
		int err;
		enum ccid_err want;
		const char *advice;
	} rows[] = {
		{ ENOENT, CCID_ERR_NO_DEVICE, "reader.conf" }, { ENODEV, CCID_ERR_NO_DEVICE, "reader.conf" },
		{ ENXIO, CCID_ERR_NO_DEVICE, "reader.conf" }, { EACCES, CCID_ERR_BUSY, "group" },
		{ EPERM, CCID_ERR_BUSY, "container" }, { EBUSY, CCID_ERR_BUSY, "end the program" },
		{ EMFILE, CCID_ERR_COMM, "LimitNOFILE" }, { ENFILE, CCID_ERR_COMM, "LimitNOFILE" },
		{ ENOMEM, CCID_ERR_COMM, "free memory" }, { EIO, CCID_ERR_COMM, "another port" },
		{ EINVAL, CCID_ERR_COMM, "another port" },
	};
	struct line *l = *state;
	int fd = -1;

	for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		said.lines = 0;
		fails.open = rows[i].err;
		assert_int_equal(serial_tty_open(l->path, &test_log, &fd), rows[i].want);
		assert_int_equal(said.lines, 1);
		assert_non_null(strstr(said.last, l->path));
		assert_non_null(strstr(said.last, strerror(rows[i].err)));
		assert_non_null(strstr(said.last, rows[i].advice));
	}
}

static void a_line_that_fails_later(void **state)
{
	struct line *l = *state;

	opened(l);
	fails.get = EIO;
	assert_int_equal(serial_tty_speed(l->near, 9600), CCID_ERR_NO_DEVICE);
	fails.get = 0;
	fails.set = EIO;
	assert_int_equal(serial_tty_speed(l->near, 9600), CCID_ERR_NO_DEVICE);
	fails.set = 0;
	assert_int_equal(serial_tty_speed(l->near, 9600), CCID_OK);
}

/* Some adapters do not support exclusive use: they work without it. */
static void without_exclusive_access(void **state)
{
	struct line *l = *state;
	uint8_t b = 0;

	fails.exclusive = ENOTTY;
	opened(l);
	assert_int_equal(write(l->far, "x", 1), 1);
	assert_int_equal(get(l, &b, 1, AMPLE_MS), 1);
	assert_int_equal(b, 'x');
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(raw_8n2_without_flow_control), TEST(every_byte_value_both_ways),
		TEST(waits_end_without_bytes),	    TEST(interrupted_calls_are_no_end),
		TEST(hung_up),			    TEST(flushed_bytes_are_gone),
		TEST(paths_that_cannot_be_opened),	    TEST(a_line_that_fails_later),
		TEST(every_errno_has_its_line),	    TEST(without_exclusive_access),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
