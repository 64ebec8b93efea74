/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Serial readers. Input: type, commands, then the bytes on the line. The frame parser gets them one
 * by one; the driver gets them from the line in pieces, each after a delay. This file stands in for
 * the line's terminal, on virtual time. */
#include "fuzz/fuzz.h"
#include "fake/fake_libusb.h"
#include "transport/serial.h"
#include "transport/serial_frame.h"
#include "transport/serial_tty.h"
#include "util/buf.h"

#include <stdlib.h>
#include <string.h>

#define COMMANDS 12
#define COMMAND_MS 20000
#define MS 1000000ull
#define A_TTY 1000000	/* beyond the file descriptors of this process */

const char fuzz_name[] = "serial";

/* --- the frame parser, against the description of the wire --- */

static void check_message(const struct serial_frame *f, const uint8_t *all, size_t n)
{
	uint8_t sum = 0x03 ^ 0x06;

	FUZZ_CHECK(f->message_len >= 10 && f->message_len <= SERIAL_MESSAGE_MAX);
	FUZZ_CHECK(f->message_len == 10 + (size_t)get_le32(f->message + 1));
	FUZZ_CHECK(n >= f->message_len + 3);
	/* the last bytes received are 03 06, the message and its LRC */
	FUZZ_CHECK(memcmp(all + n - 1 - f->message_len, f->message, f->message_len) == 0);
	for (size_t i = 0; i < f->message_len; i++)
		sum ^= f->message[i];
	FUZZ_CHECK(sum == all[n - 1]);
	FUZZ_CHECK(all[n - 3 - f->message_len] == 0x03 && all[n - 2 - f->message_len] == 0x06);
}

static void frames(const uint8_t *p, size_t n, bool echo)
{
	struct serial_frame *f = malloc(sizeof *f);
	uint8_t frame[SERIAL_FRAME_MAX], *again;
	size_t len = n < 300 ? n : 300;

	serial_frame_init(f);
	if (echo)
		serial_frame_expect_echo(f, p, len < SERIAL_FRAME_MAX ? len : SERIAL_FRAME_MAX);
	for (size_t i = 0; i < n; i++) {
		enum serial_event e = serial_frame_feed(f, p[i]);

		if (e == SERIAL_MESSAGE)
			check_message(f, p, i + 1);
		if (e == SERIAL_DAMAGED && (p[i] & 1))
			serial_frame_restart(f);
	}
	serial_frame_wipe(f);
	/* a message is encoded exactly when its length is valid */
	again = fuzz_copy(p, len);
	len = serial_frame_encode(again, len, frame);
	FUZZ_CHECK((len == 0) == (n < 10 || (n < 300 ? n : 300) > SERIAL_MESSAGE_MAX));
	free(again);
	free(f);
}

/* --- the terminal --- */

static struct line {
	struct fuzz_in in;	/* pieces: delay, length, bytes */
	struct fuzz_in piece;
	uint64_t due;
	bool honest, hung_up;
	uint8_t sent[SERIAL_FRAME_MAX * 2];
	size_t sent_len;
	bool open;
} line;

enum ccid_err serial_tty_open(const char *path, const struct log_ctx *log, int *fd)
{
	(void)path;
	(void)log;
	*fd = A_TTY;
	line.open = true;
	return CCID_OK;
}

enum ccid_err serial_tty_speed(int fd, unsigned bps)
{
	FUZZ_CHECK(fd == A_TTY && line.open && (bps == 9600 || bps == 115200));
	line.piece.left = 0;
	return CCID_OK;
}

void serial_tty_flush(int fd)
{
	FUZZ_CHECK(fd == A_TTY && line.open);
	line.piece.left = 0;
}

void serial_tty_close(int fd)
{
	FUZZ_CHECK(fd == A_TTY && line.open);
	line.open = false;
}

/* The next piece, by its kind: raw bytes; a right answer to the last command; the echo of the last
 * command; the end of the line. */
static void next_piece(void)
{
	static uint8_t made[SERIAL_FRAME_MAX * 2];
	uint8_t delay = fuzz_u8(&line.in), kind = fuzz_u8(&line.in);
	size_t n = kind & 0x3F;
	const uint8_t *p = fuzz_bytes(&line.in, &n);
	uint8_t m[SERIAL_MESSAGE_MAX] = { 0x80, (uint8_t)n };

	line.due = clock_now() + (delay & 0x80 ? (delay & 0x7Fu) * 100u : delay) * MS;
	line.piece = (struct fuzz_in){ p, n };
	if ((kind & 0xC0) == 0x40 && line.sent_len >= 13) {
		static const uint8_t types[16] = { 0, 0x82, 0x80, 0x81, 0, 0x81, 0, 0,
						   0, 0x80, 0, 0x83, 0x82, 0x82, 0, 0x80 };

		m[0] = types[line.sent[2] & 15];
		m[5] = line.sent[7];
		m[6] = line.sent[8];
		m[7] = n > 0 && p[0] == 0xEE ? 0x80 : 0;
		memcpy(m + 10, p, n);
		line.piece = (struct fuzz_in){ made, serial_frame_encode(m, 10 + n, made) };
	} else if ((kind & 0xC0) == 0x80) {
		memcpy(made, line.sent, line.sent_len);
		line.piece = (struct fuzz_in){ made, line.sent_len };
	} else if (kind == 0xFF && delay == 0xFF) {
		line.hung_up = true;
	}
}

ssize_t serial_tty_read(int fd, int wake_fd, uint8_t *buf, size_t cap, uint64_t until_ns)
{
	size_t n;
	const uint8_t *p;

	(void)wake_fd;
	FUZZ_CHECK(fd == A_TTY && line.open);
	if (line.hung_up)
		return -1;
	if (line.piece.left == 0 && line.in.left > 0)
		next_piece();
	if (line.piece.left == 0 || line.due > until_ns) {
		clock_sleep_until(until_ns);
		return 0;
	}
	clock_sleep_until(line.due);
	n = line.piece.left < cap ? line.piece.left : cap;
	p = fuzz_bytes(&line.piece, &n);
	memcpy(buf, p, n);
	return (ssize_t)n;
}

ssize_t serial_tty_write(int fd, const uint8_t *buf, size_t len)
{
	FUZZ_CHECK(fd == A_TTY && line.open && len > 0 && len <= SERIAL_FRAME_MAX);
	if (line.hung_up)
		return -1;
	if (len > SERIAL_NAK_LENGTH) {
		memcpy(line.sent, buf, len);
		line.sent_len = len;
	}
	return (ssize_t)len;
}

/* --- the line --- */

/* One command: an answer that is accepted has the command's slot and bSeq, and is whole and
 * undamaged. */
static void command(struct transport *t, struct fuzz_in *in, uint8_t seq)
{
	static const uint8_t types[] = { 0x62, 0x63, 0x65, 0x6F, 0x6B, 0x61, 0x69, 0x72 };
	uint8_t kind = fuzz_u8(in), slot = kind >> 6;
	struct fuzz_in data = fuzz_part(in);
	struct fuzz_room room = fuzz_room(SERIAL_MESSAGE_MAX);
	uint8_t msg[10 + 255] = { types[kind & 7], (uint8_t)data.left, 0, 0, 0, slot, seq };
	struct request r = { .slot = slot, .seq = seq, .msg = msg, .len = 10 + data.left, .answer = room.p,
			     .answer_cap = room.cap };
	struct deadline d = deadline_in_ms(COMMAND_MS);
	enum ccid_err err;

	if (data.left > 0)
		memcpy(msg + 10, data.p, data.left);
	err = t->ops->start(t, &r, &d);
	for (unsigned i = 0; err == CCID_OK && i < 4; i++) {
		err = t->ops->wait(t, &r, &d);
		if (err != CCID_OK)
			break;
		FUZZ_CHECK(r.answer_len >= 10 && r.answer_len <= room.cap);
		FUZZ_CHECK(room.p[5] == slot && room.p[6] == seq && (room.p[0] & 0x80));
		fuzz_room_unused(&room, SERIAL_MESSAGE_MAX);
		if (room.p[7] >> 6 != 2)
			break;
	}
	FUZZ_CHECK(clock_now() <= d.at_ns + 1000 * MS);
	t->ops->finish(t, &r);
	if (err != CCID_OK && t->ops->resync && kind & 8)
		t->ops->resync(t, slot);
	if (t->ops->wait_change && kind & 16) {
		struct deadline soon = deadline_in_ms(100);

		(void)t->ops->wait_change(t, slot, &soon);
		if (kind & 32)
			t->ops->stop_change(t, slot);
	}
	fuzz_room_end(&room);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const char *const names[] = { "/dev/ttyS0:GemPCTwin", "/dev/ttyS0:GemPCPinPad",
					     "/dev/ttyS0:GemCoreSIMPro2", "/dev/ttyS0:GemCorePOSPro",
					     "/dev/ttyS0", "/dev/ttyS0:SEC1210" };
	static const struct log_ctx log = { .reader = "serial" };
	struct fuzz_in in = fuzz_input(data, len);
	uint8_t kind = fuzz_u8(&in), nth = fuzz_u8(&in);
	struct fuzz_in commands = fuzz_part(&in);
	struct transport *t = NULL;

	frames(in.p, in.left, kind & 0x80);
	fake_usb_begin(FAKE_VIRTUAL);
	memset(&line, 0, sizeof line);
	line.in = in;
	fuzz_fail_alloc(nth & 7, false);
	if (serial_open(names[(kind & 0x7F) % (sizeof names / sizeof names[0])], &log, &t) == CCID_OK) {
		for (unsigned i = 0; i < COMMANDS && commands.left; i++)
			command(t, &commands, (uint8_t)(i + 1));
		t->ops->close(t);
	}
	fuzz_fail_alloc(0, false);
	FUZZ_CHECK(!line.open);
	fake_usb_end();
	return 0;
}
