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
	/* else close() waits for bytes that the reader does not take */
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

/* One line: what could not be done with which line, the errno, and what to do. */
static enum ccid_err tty_failed(const struct log_ctx *log, const char *step, const char *path,
				int error)
{
	static const struct {
		int error;
		enum ccid_err err;
		const char *advice;
	} rows[] = {
		{ ENOENT, CCID_ERR_NO_DEVICE, "plug it in, or name another line in reader.conf" },
		{ ENODEV, CCID_ERR_NO_DEVICE, "plug it in, or name another line in reader.conf" },
		{ ENXIO, CCID_ERR_NO_DEVICE, "plug it in, or name another line in reader.conf" },
		{ EACCES, CCID_ERR_BUSY,
		  "put pcscd's user into the group of the line (often dialout)" },
		{ EPERM, CCID_ERR_BUSY,
		  "allow pcscd the device (SELinux, the service's or the container's devices)" },
		{ EBUSY, CCID_ERR_BUSY, "end the program that uses it" },
		{ EMFILE, CCID_ERR_COMM, "raise pcscd's limit of open files (LimitNOFILE)" },
		{ ENFILE, CCID_ERR_COMM, "raise pcscd's limit of open files (LimitNOFILE)" },
		{ ENOMEM, CCID_ERR_COMM, "free memory" },
		{ 0, CCID_ERR_COMM,
		  "name another port in reader.conf, and see the kernel's log" },
	};
	size_t i = 0;

	while (rows[i].error && rows[i].error != error)
		i++;
	LOG(LOG_CRITICAL, log, "cannot %s %s: %s: %s", step, path, strerror(error),
	    rows[i].advice);
	return rows[i].err;
}

enum ccid_err serial_tty_open(const char *path, const struct log_ctx *log, int *out)
{
	int fd = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	enum ccid_err err;

	if (fd < 0)
		return tty_failed(log, "open", path, errno);
	if (!isatty(fd)) {
		LOG(LOG_CRITICAL, log, "%s is not a serial line: name one in reader.conf", path);
		close(fd);
		return CCID_ERR_NO_DEVICE;
	}
	if (ioctl(fd, TIOCEXCL) != 0)
		LOG(LOG_INFO, log, "%s cannot be opened exclusively: %s", path, strerror(errno));
	err = serial_tty_speed(fd, 115200);
	if (err != CCID_OK) {
		err = tty_failed(log, "set 115200 bps on", path, errno);
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
