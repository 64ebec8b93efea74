/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The driver's terminal lines, with simulated readers behind them. */
#include "fake/fake_serial.h"

#include "fake/fake_libusb_priv.h"
#include "transport/serial_tty.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>

#define LINES 16
#define FIRST_FD 1000000	/* beyond the file descriptors of this process */
#define LOOK_NS 1000000u	/* real time: interval of checks for bytes from another thread */

/* Protected by the bus's lock. */
static struct line {
	struct sim_serial *reader;
	char type[32];
	bool open;
} lines[LINES];
static unsigned n_lines, writes, fail_write;

int fake_serial_add(const char *type, const char *const *cards, unsigned n_cards, char *err, size_t err_cap)
{
	int nr = -1;

	fake_usb_lock();
	if (n_lines < LINES) {
		struct line *l = &lines[n_lines];

		snprintf(l->type, sizeof l->type, "%s", type);
		l->open = false;
		l->reader = sim_serial_new(type, cards, n_cards, err, err_cap);
		nr = l->reader ? (int)n_lines++ : -1;
	}
	fake_usb_unlock();
	return nr;
}

void fake_serial_name(unsigned nr, char *name, size_t cap)
{
	snprintf(name, cap, "/dev/ttySIM%u:%s", nr, lines[nr].type);
}

struct sim_serial *fake_serial_reader(unsigned nr)
{
	return lines[nr].reader;
}

unsigned fake_serial_open_lines(void)
{
	unsigned n = 0;

	fake_usb_lock();
	for (unsigned i = 0; i < n_lines; i++)
		n += lines[i].open;
	fake_usb_unlock();
	return n;
}

void fake_serial_end(void)
{
	fake_usb_lock();
	for (unsigned i = 0; i < n_lines; i++)
		sim_serial_free(lines[i].reader);
	n_lines = fail_write = 0;
	fake_usb_unlock();
}

void fake_serial_fail_write(unsigned nth)
{
	fake_usb_lock();
	fail_write = nth;
	fake_usb_unlock();
}

unsigned fake_serial_writes(void)
{
	unsigned n;

	fake_usb_lock();
	n = writes;
	fake_usb_unlock();
	return n;
}

/* --- src/transport/serial_tty.h --- */

enum ccid_err serial_tty_open(const char *path, const struct log_ctx *log, int *fd)
{
	enum ccid_err err = CCID_ERR_NO_DEVICE;
	unsigned nr;

	(void)log;
	if (sscanf(path, "/dev/ttySIM%u", &nr) != 1)
		return err;
	fake_usb_lock();
	if (nr < n_lines) {
		err = lines[nr].open ? CCID_ERR_BUSY : CCID_OK;
		if (err == CCID_OK)
			sim_serial_line_speed(lines[nr].reader, 115200);
		lines[nr].open = true;
	}
	fake_usb_unlock();
	*fd = FIRST_FD + (int)nr;
	return err;
}

enum ccid_err serial_tty_speed(int fd, unsigned bps)
{
	fake_usb_lock();
	sim_serial_line_speed(lines[fd - FIRST_FD].reader, bps);
	fake_usb_unlock();
	return CCID_OK;
}

void serial_tty_flush(int fd)
{
	uint8_t lost[64];

	fake_usb_lock();
	while (sim_serial_output(lines[fd - FIRST_FD].reader, lost, sizeof lost, clock_now()) > 0)
		;
	fake_usb_unlock();
}

void serial_tty_close(int fd)
{
	fake_usb_lock();
	lines[fd - FIRST_FD].open = false;
	fake_usb_unlock();
}

ssize_t serial_tty_read(int fd, int wake_fd, uint8_t *buf, size_t cap, uint64_t until_ns)
{
	struct sim_serial *s = lines[fd - FIRST_FD].reader;
	struct pollfd wake = { wake_fd, POLLIN, 0 };

	for (;;) {
		uint64_t now = clock_now(), next;
		size_t n;
		bool dead;

		fake_usb_lock();
		n = sim_serial_output(s, buf, cap, now);
		next = sim_serial_next(s);
		dead = sim_serial_hung_up(s);
		fake_usb_unlock();
		if (n > 0)
			return (ssize_t)n;
		if (dead)
			return -1;
		if (poll(&wake, 1, 0) > 0 || now >= until_ns)
			return 0;
		if (fake.clock == FAKE_REAL && next > now + LOOK_NS)
			next = now + LOOK_NS;
		clock_sleep_until(next < until_ns ? next : until_ns);
	}
}

ssize_t serial_tty_write(int fd, const uint8_t *buf, size_t len)
{
	struct sim_serial *s = lines[fd - FIRST_FD].reader;
	bool dead;

	fake_usb_lock();
	writes++;
	dead = (fail_write && --fail_write == 0) || sim_serial_hung_up(s);
	if (!dead)
		sim_serial_input(s, buf, len, clock_now());
	fake_usb_unlock();
	return dead ? -1 : (ssize_t)len;
}
