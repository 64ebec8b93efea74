/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The answer to a command on bulk OUT. The script is a list of records, each an operation byte with
 * its arguments. Bit 4 of the operation: the next record belongs to the same command. */
#include "fuzz/fuzz_dev_priv.h"

#include <string.h>

#define MORE 0x10
#define TOO_MANY 64	/* records for one command */

enum operation {
	OP_HONEST,	/* the right answer */
	OP_ANSWER,	/* bStatus, bError, b9, length, data; the rest is right */
	OP_RAW,		/* length, bytes */
	OP_EMPTY,	/* a zero-length packet */
	OP_STATUS,	/* the transfer ends with an error */
	OP_DELAY,	/* units of 40 ms; later frames are delayed */
	OP_FOREIGN,	/* right but for differences in bSlot, bSeq and dwLength */
	OP_SPECIAL,
};

enum special { UNPLUG, OUT_FAILS, OUT_STICKS, INTERRUPT, EXTENSIONS, ENDLESS, OUT_STALLS, LONG };

static uint8_t answer_type(uint8_t type)
{
	static const struct {
		uint8_t command, answer;
	} types[] = {
		{ 0x62, 0x80 }, { 0x6F, 0x80 }, { 0x69, 0x80 }, { 0x6C, 0x82 }, { 0x6D, 0x82 }, { 0x61, 0x82 },
		{ 0x6B, 0x83 }, { 0x73, 0x84 },
	};

	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
		if (types[i].command == type)
			return types[i].answer;
	return 0x81;
}

static void send(struct sim_dev *d, const struct dev_command *c, uint8_t status, uint8_t error, uint8_t b9,
		 const uint8_t *data, size_t len)
{
	uint8_t m[10 + 1024] = { answer_type(c->type), (uint8_t)len, (uint8_t)(len >> 8), 0, 0, c->slot, c->seq,
				 (uint8_t)(status | (d->powered[c->slot] ? 0 : 1)), error, b9 };

	if (len > 0)
		memcpy(m + 10, data, len);
	dev_send(d, &d->in, m, 10 + len, SIM_OK);
}

/* --- the right answers of reader and cards --- */

static size_t t1_block(const uint8_t *in, size_t len, uint8_t *ns, uint8_t *out)
{
	static const uint8_t ok[] = { 0x90, 0x00 };
	size_t n = 3;
	uint8_t sum = 0;

	if (len < 4)
		return 0;
	out[0] = (uint8_t)(in[0] << 4 | in[0] >> 4);
	out[2] = 0;
	if ((in[1] & 0xC0) == 0xC0) {
		out[1] = in[1] | 0x20;
		if (in[1] == 0xC0)
			*ns = 0;
		if (in[2] == 1 && len > 4) {
			out[2] = 1;
			out[n++] = in[3];
		}
	} else if (in[1] & 0x20) {
		out[1] = in[1] & 0x40 ? 0x80 : 0x90;
	} else {
		out[1] = *ns ? 0x40 : 0;
		*ns ^= 1;
		out[2] = 2;
		memcpy(out + n, ok, 2);
		n += 2;
	}
	for (size_t i = 0; i < n; i++)
		sum ^= out[i];
	out[n] = sum;
	return n + 1;
}

/* abData of the right answer. *status: the answer's bStatus. */
static size_t honest_data(struct sim_dev *d, const struct dev_command *c, uint8_t *out, uint8_t *status)
{
	static const uint8_t t0[] = { 0x11, 0, 0, 10, 0 }, t1[] = { 0x11, 0x10, 0, 0x4D, 0, 0x20, 0 };
	bool tpdu = (d->conf.features & 0x70000) == 0x10000;
	const uint8_t *p;
	size_t n;

	*status = 0;
	switch (c->type) {
	case 0x62:
		p = fuzz_dev_atr(d, &n);
		memcpy(out, p, n);
		d->powered[c->slot] = true;
		d->card_ns[c->slot] = 0;
		return n;
	case 0x63:
		d->powered[c->slot] = false;
		return 0;
	case 0x6C:
		memcpy(out, d->conf.t1 ? t1 : t0, d->conf.t1 ? 7 : 5);
		return d->conf.t1 ? 7 : 5;
	case 0x61:
		n = c->len < 7 ? c->len : 7;
		if (n > 0)
			memcpy(out, c->data, n);
		return n;
	case 0x6F:
		if (d->conf.t1 && tpdu)
			return t1_block(c->data, c->len, &d->card_ns[c->slot], out);
		/* fall through */
	case 0x69:
		out[0] = 0x90;
		out[1] = 0x00;
		return 2;
	case 0x6B:
		*status = 0x40;
		return 0;
	default:
		return 0;
	}
}

static void honest(struct sim_dev *d, const struct dev_command *c)
{
	uint8_t data[300], status;
	size_t n = honest_data(d, c, data, &status);

	send(d, c, status, 0, 0, data, n);
}

/* --- the script --- */

static void op_answer(struct sim_dev *d, const struct dev_command *c, struct fuzz_in *in)
{
	uint8_t status = fuzz_u8(in), error = fuzz_u8(in), b9 = fuzz_u8(in);
	size_t n = fuzz_u8(in);
	const uint8_t *p = fuzz_bytes(in, &n);

	if (c->type == 0x62)
		d->powered[c->slot] = true;
	send(d, c, status, error, b9, p, n);
}

static void op_foreign(struct sim_dev *d, const struct dev_command *c, struct fuzz_in *in)
{
	struct dev_command other = *c;
	uint8_t data[300], m[310], status;
	size_t n;

	other.slot = (uint8_t)(c->slot + fuzz_u8(in));
	other.seq = (uint8_t)(c->seq + fuzz_u8(in));
	n = honest_data(d, &other, data, &status);
	memcpy(m, (uint8_t[10]){ answer_type(c->type), (uint8_t)(n + fuzz_u8(in)), 0, 0, 0, other.slot, other.seq,
				 status }, 10);
	memcpy(m + 10, data, n);
	dev_send(d, &d->in, m, 10 + n, SIM_OK);
}

/* An answer of many packets, each byte computed from its position. */
static void send_long(struct sim_dev *d, const struct dev_command *c, size_t n, uint8_t b9)
{
	uint8_t m[10 + 65535];

	memcpy(m, (uint8_t[10]){ answer_type(c->type), (uint8_t)n, (uint8_t)(n >> 8), 0, 0, c->slot, c->seq, 0, 0, b9 },
	       10);
	for (size_t i = 0; i < n; i++)
		m[10 + i] = (uint8_t)(i ^ i >> 8);
	dev_send(d, &d->in, m, 10 + n, SIM_OK);
}

static void op_special(struct sim_dev *d, const struct dev_command *c, struct fuzz_in *in)
{
	uint8_t what = fuzz_u8(in);
	struct fuzz_in part;

	switch ((enum special)(what & 7)) {
	case UNPLUG:
		if (what == 0xF8)
			dev_unplug(d);
		break;
	case OUT_FAILS:
		d->out_status = SIM_IO;
		break;
	case OUT_STICKS:
		d->out_status = 1;
		break;
	case OUT_STALLS:
		d->out_status = SIM_STALL;
		break;
	case INTERRUPT:
		part = fuzz_part(in);
		dev_send(d, &d->intr, part.p, part.left, SIM_OK);
		break;
	case EXTENSIONS:
		for (unsigned i = 0; i < what >> 3; i++) {
			d->at += 500 * DEV_MS;
			send(d, c, 0x80, (uint8_t)i, 0, NULL, 0);
		}
		break;
	case ENDLESS:
		d->endless = 1;
		d->endless_cmd = *c;
		break;
	case LONG:
		send_long(d, c, fuzz_u16(in), what >> 3);
		break;
	}
}

void dev_endless(struct sim_dev *d)
{
	d->at = d->now + 900 * DEV_MS;
	send(d, &d->endless_cmd, 0x80, 1, 0, NULL, 0);
}

static uint8_t record(struct sim_dev *d, const struct dev_command *c, struct fuzz_in *in)
{
	static const int errors[] = { SIM_STALL, SIM_OVERFLOW, SIM_IO, SIM_CANCELLED };
	uint8_t op = fuzz_u8(in);
	struct fuzz_in part;

	switch ((enum operation)(op & 7)) {
	case OP_HONEST:
		honest(d, c);
		break;
	case OP_ANSWER:
		op_answer(d, c, in);
		break;
	case OP_RAW:
		part = fuzz_part(in);
		dev_send(d, &d->in, part.p, part.left, SIM_OK);
		break;
	case OP_EMPTY:
		dev_send(d, &d->in, NULL, 0, SIM_OK);
		break;
	case OP_STATUS:
		dev_send(d, &d->in, NULL, 0, errors[op >> 6]);
		break;
	case OP_DELAY:
		d->at += fuzz_u8(in) * 40 * DEV_MS;
		break;
	case OP_FOREIGN:
		op_foreign(d, c, in);
		break;
	case OP_SPECIAL:
		op_special(d, c, in);
		break;
	}
	return op;
}

void dev_command(struct sim_dev *d, const uint8_t *msg, size_t len)
{
	struct dev_command c = { msg[0], msg[5], msg[6], msg + 10, len - 10 };
	struct fuzz_in *in = &d->conf.bulk, again;
	unsigned n = 0;

	if (d->at < d->now)
		d->at = d->now;
	if (in->left == 0 && d->mood == MOOD_HONEST) {
		honest(d, &c);
		return;
	}
	if (in->left == 0 && d->mood == MOOD_REPEAT) {
		again = d->last_record;
		in = &again;
	} else {
		d->last_record = *in;
	}
	while (in->left > 0 && d->plugged && n++ < TOO_MANY)
		if (!(record(d, &c, in) & MORE))
			return;
}
