/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transport/serial.h"

#include "wire/ccid_msg.h"
#include "transport/serial_frame.h"
#include "transport/serial_line.h"
#include "transport/serial_tty.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Time limit of the whole opening, so that a foreign device is reported within 3 s. */
#define OPEN_MS 2700
#define FIRST_ANSWER_MS 2000
#define SLOW_PROBE_MS 1000
#define SPEED_SETTLE_MS 250
/* The slot counts from 0: no bSeq is used twice in a row. */
#define OPENING_SEQ 0xF0

bool serial_channel_name(unsigned long channel, char *name, size_t cap)
{
	/* I/O addresses of the four COM ports of a PC */
	static const unsigned long ports[] = { 0x0103F8, 0x0102F8, 0x0103E8, 0x0102E8 };
	int n;

	for (size_t i = 0; i < sizeof ports / sizeof ports[0]; i++) {
		if (ports[i] != channel)
			continue;
		n = snprintf(name, cap, "/dev/pcsc/%zu", i + 1);
		return n > 0 && (size_t)n < cap;
	}
	return false;
}

static bool exists(const char *name, size_t len)
{
	char *path = strndup(name, len);
	bool found = path && access(path, F_OK) == 0;

	free(path);
	return found;
}

/* How long the path in "path[:type]" is. The type begins at the first ':', unless the path has
 * colons of its own (/dev/serial/by-path/...): then what is there decides. */
static size_t path_length(const char *name)
{
	size_t first = strcspn(name, ":");
	const char *last = strrchr(name, ':');

	if (!last || exists(name, strlen(name)))
		return strlen(name);
	if (!exists(name, first) && exists(name, (size_t)(last - name)))
		return (size_t)(last - name);
	return first;
}

/* libccid read an unknown type as the first one, and reader.conf files rely on it. */
static const struct serial_type *type_of(const char *name, size_t path_len,
					 const struct log_ctx *log)
{
	const char *text = name[path_len] ? name + path_len + 1 : "";
	const struct serial_type *type = serial_type_find(text, strlen(text));

	if (type)
		return type;
	type = serial_type_find("", 0);
	LOG(LOG_CRITICAL, log, "%s: no such reader type, %s is tried; there are: %s", name,
	    type->name, serial_type_names());
	return type;
}

/* The conversation at opening: one command at a time from slot 0, with its own bSeq. */
struct opening {
	struct transport *t;
	uint8_t seq;
	uint8_t answer[SERIAL_MESSAGE_MAX];
	size_t answer_len;
	struct deadline end;
};

/* A whole command and its answer; time extensions are granted until the end. */
static enum ccid_err serial_ask(struct opening *o, uint8_t type, const uint8_t *data, uint8_t len,
				unsigned ms)
{
	uint8_t msg[CCID_HEADER_LENGTH + 8] = { 0 };
	struct ccid_msg m = { .bMessageType = type, .dwLength = len, .bSeq = o->seq };
	struct request r = {
		.seq = o->seq++,
		.msg = msg,
		.len = CCID_HEADER_LENGTH + (size_t)len,
		.answer = o->answer,
		.answer_cap = sizeof o->answer,
	};
	struct deadline d = deadline_earlier(deadline_in_ms(ms), o->end);
	enum ccid_err err;

	ccid_msg_encode(&m, msg);
	if (len > 0)
		memcpy(msg + CCID_HEADER_LENGTH, data, len);
	err = o->t->ops->start(o->t, &r, &d);
	if (err != CCID_OK)
		return err;
	do {
		err = o->t->ops->wait(o->t, &r, &d);
	} while (err == CCID_OK && ccid_command_state(o->answer[7]) == COMMAND_TIME_EXTENSION);
	o->t->ops->finish(o->t, &r);
	o->answer_len = err != CCID_OK ? 0 : r.answer_len;
	return err;
}

static bool serial_failed(const struct opening *o)
{
	return ccid_command_state(o->answer[7]) != COMMAND_OK;
}

/* A GemCoreSIMPro2 fresh from power up talks at 9600 bps. */
static enum ccid_err leave_9600(struct opening *o, int fd)
{
	static const uint8_t to_115200[] = { 0x01, 0x10, 0x20 };
	enum ccid_err err = serial_tty_speed(fd, 9600);

	if (err != CCID_OK)
		return err;
	err = serial_ask(o, PC_TO_RDR_GET_SLOT_STATUS, NULL, 0, SLOW_PROBE_MS);
	if (err == CCID_OK) {
		/* The answer may come at either speed, or be lost between them. */
		(void)serial_ask(o, PC_TO_RDR_ESCAPE, to_115200, sizeof to_115200, SPEED_SETTLE_MS);
		deadline_sleep_ms(&o->end, SPEED_SETTLE_MS);
	}
	if (err == CCID_ERR_NO_DEVICE)
		return err;
	err = serial_tty_speed(fd, 115200);
	o->t->ops->resync(o->t, 0);
	return err;
}

static void log_firmware(const struct opening *o, const struct serial_type *type)
{
	char text[64];
	size_t i, n = o->answer_len - CCID_HEADER_LENGTH;

	if (n > sizeof text - 1)
		n = sizeof text - 1;
	for (i = 0; i < n; i++) {
		uint8_t c = o->answer[CCID_HEADER_LENGTH + i];

		text[i] = (char)(c >= 0x20 && c < 0x7F ? c : '.');
	}
	text[n] = '\0';
	LOG(LOG_INFO, &o->t->log, "%s, firmware \"%s\"", type->name, text);
}

static enum ccid_err converse(struct opening *o, const struct serial_type *type, int fd)
{
	static const uint8_t notify[] = { 0x01, 0x01, 0x01 };
	enum ccid_err err = CCID_OK;

	if (type->starts_slow)
		err = leave_9600(o, fd);
	if (err == CCID_OK)
		err = serial_ask(o, PC_TO_RDR_ESCAPE, &type->firmware_escape, 1, FIRST_ANSWER_MS);
	if (err != CCID_OK)
		return err;
	log_firmware(o, type);
	if (!type->notifies)
		return CCID_OK;
	err = serial_ask(o, PC_TO_RDR_ESCAPE, notify, sizeof notify, FIRST_ANSWER_MS);
	if (err == CCID_OK && serial_failed(o)) {
		LOG(LOG_INFO, &o->t->log, "the reader does not report card movements");
		serial_line_no_changes(o->t);
	}
	return err;
}

static enum ccid_err open_at(const char *path, const struct serial_type *type,
			     const struct log_ctx *log, struct transport **out)
{
	struct opening o = { .seq = OPENING_SEQ, .end = deadline_in_ms(OPEN_MS) };
	enum ccid_err err;
	int fd;

	err = serial_tty_open(path, log, &fd);
	if (err != CCID_OK)
		return err;
	err = serial_line_new(fd, type, log, &o.t);
	if (err != CCID_OK)
		return err;
	err = converse(&o, type, fd);
	if (err != CCID_OK) {
		LOG(LOG_CRITICAL, log,
		    "no %s answers at %s (%s): plug it in, or correct its line in reader.conf",
		    type->name, path, err_name(err));
		o.t->ops->close(o.t);
		return err == CCID_ERR_TIMEOUT ? CCID_ERR_NO_DEVICE : err;
	}
	*out = o.t;
	return CCID_OK;
}

enum ccid_err serial_open(const char *device_name, const struct log_ctx *log,
			  struct transport **out)
{
	size_t len = path_length(device_name);
	enum ccid_err err;
	char *path = strndup(device_name, len);

	if (!path)
		return CCID_ERR_NOMEM;
	err = open_at(path, type_of(device_name, len, log), log, out);
	free(path);
	return err;
}
