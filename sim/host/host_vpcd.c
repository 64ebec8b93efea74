/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vpcd's protocol, the reader's side: a message is two bytes of length, big-endian, and that many bytes. To the card:
 * of length 1 control (off, on, reset, "your ATR?"), else an APDU. From the card: the ATR, and what it answers to
 * APDUs; nothing else is answered. Nothing here waits: a card that is slow is asked again, one that is too slow is
 * mute. */
#define _GNU_SOURCE
#include "sim/host/host.h"
#include "sim/model/sim_card.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { VPCD_OFF = 0, VPCD_ON = 1, VPCD_RESET = 2, VPCD_ATR = 4 };

#define MESSAGE_MAX 65535u
#define OUT_MAX (4 * (MESSAGE_MAX + 2))
#define ATR_MAX 33u
#define ATR_WAIT_NS 2000000000ull

struct host_vpcd {
	int fd;
	uint64_t wait_ns;
	bool closed;		/* closed by the other side, or after a violation of the protocol */
	unsigned owed;		/* answers no longer awaited: passed over */
	bool asked, answered;	/* the question, and its answer in the buffer */
	uint64_t until;		/* of the question */
	uint8_t in[MESSAGE_MAX + 2], out[OUT_MAX];
	size_t in_len, out_len;
};

static void vpcd_put(struct host_vpcd *v, const uint8_t *p, size_t len)
{
	if (len > MESSAGE_MAX || len + 2 > sizeof v->out - v->out_len) {
		v->closed = true;	/* the program has not read for long */
		return;
	}
	v->out[v->out_len++] = (uint8_t)(len >> 8);
	v->out[v->out_len++] = (uint8_t)len;
	memcpy(v->out + v->out_len, p, len);
	v->out_len += len;
}

static void control(struct host_vpcd *v, uint8_t what)
{
	vpcd_put(v, &what, 1);
}

static void flush(struct host_vpcd *v)
{
	ssize_t n = v->out_len ? send(v->fd, v->out, v->out_len, MSG_NOSIGNAL | MSG_DONTWAIT) : 0;

	if (n < 0 && errno != EAGAIN && errno != EINTR)
		v->closed = true;
	if (n <= 0)
		return;
	v->out_len -= (size_t)n;
	memmove(v->out, v->out + n, v->out_len);
}

static size_t message_len(const struct host_vpcd *v)
{
	return v->in_len < 2 ? 0 : (size_t)v->in[0] << 8 | v->in[1];
}

static bool whole(const struct host_vpcd *v)
{
	return v->in_len >= 2 && v->in_len >= message_len(v) + 2;
}

static void drop(struct host_vpcd *v)
{
	size_t n = message_len(v) + 2;

	v->in_len -= n;
	memmove(v->in, v->in + n, v->in_len);
}

static void receive(struct host_vpcd *v)
{
	ssize_t n;

	while (!v->closed && !v->answered) {
		while (whole(v) && v->owed) {
			drop(v);
			v->owed--;
		}
		v->answered = v->asked && whole(v);
		if (v->answered)
			return;
		if (whole(v))
			drop(v);	/* no request is open */
		n = recv(v->fd, v->in + v->in_len, sizeof v->in - v->in_len, MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0)
			v->closed = true;
		else
			v->in_len += (size_t)n;
	}
}

bool host_vpcd_run(struct host_vpcd *v, uint64_t now)
{
	(void)now;
	flush(v);
	receive(v);
	return !v->closed;
}

/* The pending question is not waited for any more. */
static void give_up(struct host_vpcd *v)
{
	if (v->answered)
		drop(v);
	else if (v->asked)
		v->owed++;
	v->asked = v->answered = false;
}

static void begin(struct host_vpcd *v, uint64_t wait_ns)
{
	v->asked = true;
	v->until = host_now() + wait_ns;
	flush(v);
}

/* The answer to the question, its length in *len; it is dropped. */
static enum sim_foreign_result result(struct host_vpcd *v, uint8_t *to, size_t room, size_t *len)
{
	host_vpcd_run(v, 0);
	*len = 0;
	if (v->answered) {
		*len = message_len(v) < room ? message_len(v) : room;
		memcpy(to, v->in + 2, *len);
		give_up(v);
		return SIM_FOREIGN_DONE;
	}
	if (!v->closed && host_now() < v->until)
		return SIM_FOREIGN_WORKING;
	give_up(v);
	return SIM_FOREIGN_MUTE;
}

static enum sim_foreign_result card_reset(void *user, bool warm, bool again, uint8_t *atr, size_t *len)
{
	struct host_vpcd *v = user;

	if (!again) {
		give_up(v);
		control(v, warm ? VPCD_RESET : VPCD_ON);
		control(v, VPCD_ATR);
		begin(v, ATR_WAIT_NS);
	}
	return result(v, atr, ATR_MAX, len);
}

static enum sim_foreign_result card_apdu(void *user, const uint8_t *in, size_t len, bool again, uint8_t *out,
					 size_t *out_len)
{
	struct host_vpcd *v = user;

	if (!again) {
		give_up(v);
		if (len < 4 || len > MESSAGE_MAX) {	/* a length of 1 would be control */
			memcpy(out, "\x67\x00", 2);
			*out_len = 2;
			return SIM_FOREIGN_DONE;
		}
		vpcd_put(v, in, len);
		begin(v, v->wait_ns);
	}
	return result(v, out, SIM_CARD_ROOM, out_len);
}

static bool card_working(void *user)
{
	struct host_vpcd *v = user;

	host_vpcd_run(v, 0);
	return v->asked && !v->answered && !v->closed && host_now() < v->until;
}

static void card_power_off(void *user)
{
	struct host_vpcd *v = user;

	give_up(v);
	control(v, VPCD_OFF);
	flush(v);
}

const struct sim_foreign host_vpcd_card = { card_reset, card_apdu, card_working, card_power_off };

bool host_vpcd_awake(struct host_vpcd *v)
{
	uint8_t atr[ATR_MAX];
	size_t len;

	return card_reset(v, false, v->asked, atr, &len) != SIM_FOREIGN_WORKING;
}

struct host_vpcd *host_vpcd_new(int fd, unsigned wait_s)
{
	struct host_vpcd *v = calloc(1, sizeof *v);

	if (!v) {
		close(fd);
		return NULL;
	}
	v->fd = fd;
	v->wait_ns = wait_s * 1000000000ull;
	return v;
}

void host_vpcd_free(struct host_vpcd *v)
{
	if (!v)
		return;
	close(v->fd);
	free(v);
}
