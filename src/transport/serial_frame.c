/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transport/serial_frame.h"

#include "wire/ccid_desc.h"
#include "util/buf.h"

#include <string.h>

#define SYNC 0x03
#define ACK 0x06
#define NAK 0x15
#define NAK_LRC (SYNC ^ NAK)
#define CARD_MOVED 0x50
#define CARD_OUT 0x02
#define CARD_IN 0x03
#define TIME_REQUEST_MIN 0x80

enum {
	BETWEEN,	/* no frame under way */
	AFTER_SYNC,	/* 03 */
	AFTER_NAK,	/* 03 15 */
	AFTER_CARD,	/* 50 */
	IN_MESSAGE,	/* 03 06 */
	DROPPING,	/* after a damaged frame: its end is not known */
};

const uint8_t serial_nak[SERIAL_NAK_LENGTH] = { SYNC, NAK, NAK_LRC };

void serial_frame_init(struct serial_frame *f)
{
	memset(f, 0, sizeof *f);
	f->state = BETWEEN;
}

bool serial_frame_busy(const struct serial_frame *f)
{
	return f->state == IN_MESSAGE || f->state == DROPPING || f->state == AFTER_NAK;
}

void serial_frame_restart(struct serial_frame *f)
{
	if (serial_frame_busy(f))
		f->state = BETWEEN;
	f->in_echo = false;
}

void serial_frame_expect_echo(struct serial_frame *f, const uint8_t *sent, size_t len)
{
	f->in_echo = false;
	f->echo_differs = false;
	f->echo_len = 0;
	if (len <= CCID_HEADER_LENGTH || len > sizeof f->echo)
		return;
	memcpy(f->echo, sent, len);
	f->echo_len = len;
}

void serial_frame_wipe(struct serial_frame *f)
{
	wipe(f->echo, sizeof f->echo);
	f->echo_len = 0;
	f->in_echo = false;
	if (f->state != IN_MESSAGE)
		wipe(f->message, sizeof f->message);
}

size_t serial_frame_encode(const uint8_t *message, size_t len, uint8_t *out)
{
	uint8_t lrc = SYNC ^ ACK;

	if (len < CCID_HEADER_LENGTH || len > SERIAL_MESSAGE_MAX)
		return 0;
	out[0] = SYNC;
	out[1] = ACK;
	for (size_t i = 0; i < len; i++) {
		out[2 + i] = message[i];
		lrc ^= message[i];
	}
	out[2 + len] = lrc;
	return len + 3;
}

static enum serial_event between(struct serial_frame *f, uint8_t byte)
{
	f->state = BETWEEN;
	if (byte == SYNC)
		f->state = AFTER_SYNC;
	else if (byte == CARD_MOVED)
		f->state = AFTER_CARD;
	else if (byte >= TIME_REQUEST_MIN)
		return SERIAL_TIME;
	/* anything else is noise */
	return SERIAL_NOTHING;
}

static enum serial_event after_sync(struct serial_frame *f, uint8_t byte)
{
	if (byte == NAK) {
		f->state = AFTER_NAK;
		return SERIAL_NOTHING;
	}
	if (byte != ACK)
		return between(f, byte);
	f->state = IN_MESSAGE;
	f->have = 0;
	f->need = CCID_HEADER_LENGTH;
	f->lrc = SYNC ^ ACK;
	f->in_echo = false;
	return SERIAL_NOTHING;
}

static enum serial_event after_card(struct serial_frame *f, uint8_t byte)
{
	if (byte == CARD_OUT) {
		f->state = BETWEEN;
		return SERIAL_CARD_OUT;
	}
	if (byte == CARD_IN) {
		/* If the 50 was noise, this 03 begins a frame: the next byte tells. */
		f->state = AFTER_SYNC;
		return SERIAL_CARD_IN;
	}
	return between(f, byte);
}

static enum serial_event damaged(struct serial_frame *f)
{
	f->state = DROPPING;
	return SERIAL_DAMAGED;
}

/* An echo is as long as what was sent, whatever its own length field says: a
 * length damaged on its way must not swallow the answer behind it. */
static enum serial_event in_echo(struct serial_frame *f, uint8_t byte)
{
	if (byte != f->echo[2 + f->have])
		f->echo_differs = true;
	f->have++;
	if (2 + f->have < f->echo_len)
		return SERIAL_NOTHING;
	f->state = BETWEEN;
	f->in_echo = false;
	f->echo_len = 0;
	return SERIAL_ECHO;
}

static enum serial_event in_message(struct serial_frame *f, uint8_t byte)
{
	uint32_t dwLength;

	/* Only an echo begins with the type of the command: answers have bit 7. */
	if (f->have == 0 && f->echo_len > 0 && byte == f->echo[2])
		f->in_echo = true;
	if (f->in_echo)
		return in_echo(f, byte);

	f->message[f->have++] = byte;
	f->lrc ^= byte;
	if (f->have < f->need)
		return SERIAL_NOTHING;
	if (f->need == CCID_HEADER_LENGTH) {
		dwLength = get_le32(f->message + 1);
		if (dwLength > SERIAL_MESSAGE_MAX - CCID_HEADER_LENGTH)
			return damaged(f);
		f->need = CCID_HEADER_LENGTH + dwLength + 1;
		return SERIAL_NOTHING;
	}
	if (f->lrc != 0)
		return damaged(f);
	f->message_len = f->need - 1;
	f->state = BETWEEN;
	return SERIAL_MESSAGE;
}

enum serial_event serial_frame_feed(struct serial_frame *f, uint8_t byte)
{
	switch (f->state) {
	case AFTER_SYNC:
		return after_sync(f, byte);
	case AFTER_NAK:
		if (byte != NAK_LRC)
			return damaged(f);
		f->state = BETWEEN;
		return SERIAL_NAK;
	case AFTER_CARD:
		return after_card(f, byte);
	case IN_MESSAGE:
		return in_message(f, byte);
	case DROPPING:
		return SERIAL_NOTHING;
	default:
		return between(f, byte);
	}
}
