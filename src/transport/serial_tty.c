/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transport/serial_tty.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

static speed_t speed_code(unsigned bps)
{
	return bps == 9600 ? B9600 : B115200;
}

static void raw_8n2(struct termios *t, unsigned bps)
{
	memset(t->c_cc, 0, sizeof t->c_cc);
	t->c_cc[VMIN] = 1;	/* read() gives 0 at a hang-up only */
	t->c_iflag = IGNBRK | IGNPAR;
	t->c_oflag = 0;
	t->c_lflag = 0;
	t->c_cflag = CS8 | CSTOPB | CREAD | CLOCAL;
	cfsetispeed(t, speed_code(bps));
	cfsetospeed(t, speed_code(bps));
}

enum ccid_err serial_tty_speed(int fd, unsigned bps)
{
	struct termios t;

	if (tcgetattr(fd, &t) != 0)
		return CCID_ERR_NO_DEVICE;
	raw_8n2(&t, bps);
	/* TCSANOW, not TCSAFLUSH: that one waits for output a dead line never sends. */
	if (tcsetattr(fd, TCSANOW, &t) != 0)
		return CCID_ERR_NO_DEVICE;
	tcflush(fd, TCIOFLUSH);
	return CCID_OK;
}

void serial_tty_flush(int fd)
{
	tcflush(fd, TCIFLUSH);
}

void serial_tty_close(int fd)
{
	/* else close() waits for bytes that nobody takes */
	tcflush(fd, TCIOFLUSH);
	ioctl(fd, TIOCNXCL);
	close(fd);
}

/* RTS low keeps the reader from sending its plug-and-play string. Lines without
 * modem control (pseudo terminals, some adapters) do not need it. */
static void rts_low(int fd)
{
	int bits = TIOCM_RTS;

	(void)ioctl(fd, TIOCMBIC, &bits);
}

enum ccid_err serial_tty_open(const char *path, const struct log_ctx *log, int *out)
{
	int fd = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	enum ccid_err err;

	if (fd < 0) {
		err = errno == EBUSY ? CCID_ERR_BUSY : CCID_ERR_NO_DEVICE;
		LOG(LOG_CRITICAL, log, "cannot open %s: %s", path, strerror(errno));
		return err;
	}
	if (!isatty(fd)) {
		LOG(LOG_CRITICAL, log, "%s is no serial line", path);
		close(fd);
		return CCID_ERR_NO_DEVICE;
	}
	if (ioctl(fd, TIOCEXCL) != 0)
		LOG(LOG_INFO, log, "%s cannot be had exclusively: %s", path, strerror(errno));
	err = serial_tty_speed(fd, 115200);
	if (err) {
		LOG(LOG_CRITICAL, log, "%s cannot be set to 115200 bps: %s", path, strerror(errno));
		serial_tty_close(fd);
		return err;
	}
	rts_low(fd);
	serial_tty_flush(fd);
	*out = fd;
	return CCID_OK;
}

static int ms_until(uint64_t until_ns)
{
	struct deadline d = { until_ns };
	uint64_t left = deadline_left_ms(&d);

	return left > INT_MAX ? INT_MAX : (int)left;
}

ssize_t serial_tty_read(int fd, int wake_fd, uint8_t *buf, size_t cap, uint64_t until_ns)
{
	struct pollfd p[2] = { { fd, POLLIN, 0 }, { wake_fd, POLLIN, 0 } };
	ssize_t n;

	if (poll(p, 2, ms_until(until_ns)) <= 0)
		return 0;
	if (p[0].revents == 0)
		return 0;
	n = read(fd, buf, cap);
	if (n > 0)
		return n;
	if (n < 0 && (errno == EAGAIN || errno == EINTR) &&
	    !(p[0].revents & (POLLHUP | POLLERR | POLLNVAL)))
		return 0;
	return -1;
}

ssize_t serial_tty_write(int fd, const uint8_t *buf, size_t len)
{
	ssize_t n = write(fd, buf, len);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	return n;
}
