/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A port of the core (doc/porting.md), whole: its "USB" is a recorded conversation (ccidlog(5)), its clock is a
 * counter, and there is one thread.
 *	port_replay FILE [APDU...]
 * opens the reader of the recording, powers the card on and sends the APDUs (hexadecimal): the same that were recorded,
 * in that order. Exit status: 0 all were answered, 1 not, 2 the command line is wrong. */
#include "core/ifdccid.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- what the core needs of the system: util/port.h ---- */

void *port_alloc(size_t size)
{
	return calloc(1, size);
}

void port_free(void *p)
{
	free(p);
}

/* A recording does not wait. */
static uint64_t now_ns = 1000000000;

uint64_t clock_now(void)
{
	return now_ns += 1000;
}

void clock_sleep_until(uint64_t at_ns)
{
	if (at_ns > now_ns)
		now_ns = at_ns;
}

void port_log(enum port_priority priority, bool is_private, const char *line)
{
	(void)is_private;
	fprintf(stderr, "%s%s\n", priority == PORT_CRITICAL ? "! " : "", line);
}

/* ---- the recording ---- */

#define DESCRIPTORS_MAX 1024
#define LINE_MAX_CHARS 8192
#define BYTES_MAX (LINE_MAX_CHARS / 3)

struct recording {
	FILE *file;
	uint8_t device[18], config[DESCRIPTORS_MAX];
	size_t device_len, config_len;
	char line[LINE_MAX_CHARS];	/* the next one that was not used yet; "": none */
	uint8_t seq;			/* bSeq of the newest message: "ss" in the file */
};

static bool is_digit(char c, int *value)
{
	static const char digits[] = "0123456789abcdef0123456789ABCDEF";
	const char *at = c ? strchr(digits, c) : NULL;

	*value = at ? (int)(at - digits) % 16 : 0;
	return at != NULL;
}

/* Hexadecimal bytes with or without blanks; "ss" is seq. Returns how many, at most cap. */
static size_t read_bytes(const char *text, uint8_t seq, uint8_t *out, size_t cap)
{
	size_t n = 0;
	int high, low;

	while (n < cap) {
		while (*text == ' ')
			text++;
		if (text[0] == 's' && text[1] == 's')
			out[n++] = seq;
		else if (is_digit(text[0], &high) && is_digit(text[1], &low))
			out[n++] = (uint8_t)(high << 4 | low);
		else
			return n;
		text += 2;
	}
	return n;
}

static bool next_line(struct recording *r)
{
	if (r->line[0] == '\0' && !fgets(r->line, sizeof r->line, r->file))
		r->line[0] = '\0';
	return r->line[0] != '\0';
}

/* Everything up to "begin". */
static bool read_head(struct recording *r, const char *path)
{
	r->file = fopen(path, "r");
	if (!r->file)
		return false;
	while (next_line(r) && strncmp(r->line, "begin", 5) != 0) {
		if (strncmp(r->line, "device ", 7) == 0)
			r->device_len = read_bytes(r->line + 7, 0, r->device, sizeof r->device);
		else if (strncmp(r->line, "configuration ", 14) == 0)
			r->config_len = read_bytes(r->line + 14, 0, r->config, sizeof r->config);
		r->line[0] = '\0';
	}
	r->line[0] = '\0';
	return r->device_len == sizeof r->device && r->config_len > 0;
}

/* ---- the transport: two hooks of transport/pipes.h ---- */

static enum ccid_err replay_send(void *user, const uint8_t *message, size_t len, unsigned ms)
{
	struct recording *r = user;
	uint8_t want[BYTES_MAX];
	size_t n;

	(void)ms;
	if (!next_line(r) || strncmp(r->line, "-> ", 3) != 0)
		return CCID_ERR_NO_DEVICE;
	r->seq = message[6];
	n = read_bytes(r->line + 3, r->seq, want, sizeof want);
	if (n != len || memcmp(want, message, len) != 0) {
		fprintf(stderr, "the recording has another message: %s", r->line);
		return CCID_ERR_NO_DEVICE;
	}
	r->line[0] = '\0';
	return CCID_OK;
}

static enum ccid_err replay_receive(void *user, uint8_t *out, size_t cap, size_t *len, unsigned ms)
{
	struct recording *r = user;

	(void)ms;
	*len = 0;
	if (!next_line(r) || strncmp(r->line, "<- ", 3) != 0)
		return CCID_ERR_TIMEOUT;
	*len = read_bytes(r->line + 3, r->seq, out, cap);
	r->line[0] = '\0';
	return CCID_OK;
}

static void replay_end(void *user)
{
	fclose(((struct recording *)user)->file);
}

/* ---- the program ---- */

static void print_bytes(const char *what, const uint8_t *p, size_t len)
{
	printf("%s", what);
	for (size_t i = 0; i < len; i++)
		printf(" %02X", p[i]);
	printf("\n");
}

static enum ccid_err open_reader(struct recording *rec, struct ifdccid **out)
{
	const struct pipes pipes = {
		.user = rec, .send = replay_send, .receive = replay_receive, .end = replay_end,
	};
	const struct ifdccid_options options = { .name = "replay" };
	struct transport *t;
	struct ccid_desc desc;
	const char *why = ccid_desc_of(&desc, rec->device, rec->config, rec->config_len, -1);
	enum ccid_err err;

	if (why) {
		fprintf(stderr, "the reader cannot be used: %s\n", why);
		fclose(rec->file);
		return CCID_ERR_NO_DEVICE;
	}
	err = pipes_open(&pipes, &desc, &t);
	if (err != CCID_OK) {
		fclose(rec->file);
		return err;
	}
	return ifdccid_open(t, &options, out);
}

static enum ccid_err talk(struct ifdccid *reader, char **apdus)
{
	static uint8_t answer[65538];
	uint8_t atr[IFDCCID_ATR_MAX], apdu[BYTES_MAX];
	size_t len;
	enum ccid_err err = ifdccid_power_on(reader, 0, atr, &len);

	if (err != CCID_OK)
		return err;
	print_bytes("ATR", atr, len);
	for (; *apdus && err == CCID_OK; apdus++) {
		err = ifdccid_transmit(reader, 0, apdu, read_bytes(*apdus, 0, apdu, sizeof apdu),
				       answer, sizeof answer, &len);
		if (err == CCID_OK)
			print_bytes("answer", answer, len);
	}
	return err;
}

int main(int argc, char **argv)
{
	static struct recording rec;
	struct ifdccid *reader;
	enum ccid_err err;

	if (argc < 2 || argv[1][0] == '-') {
		fprintf(stderr, "usage: port_replay FILE [APDU...]\n");
		return 2;
	}
	if (!read_head(&rec, argv[1])) {
		fprintf(stderr, "%s is not a recording of a reader (ccidlog(5))\n", argv[1]);
		return 1;
	}
	err = open_reader(&rec, &reader);
	if (err == CCID_OK) {
		err = talk(reader, argv + 2);
		ifdccid_gone(reader);
		ifdccid_close(reader);
	}
	if (err != CCID_OK)
		fprintf(stderr, "failed: %s\n", err_name(err));
	return err == CCID_OK ? 0 : 1;
}
