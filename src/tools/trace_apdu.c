/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Writes the dialogue with the cards: commands and responses, put together from T=1 blocks and from
 * the parts of a chained message, with what the status words mean. */
#include "tools/trace.h"

#include "wire/ccid_msg.h"
#include "util/buf.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Bytes of one command or response that are shown. */
#define SHOWN_MAX 64u

/* A command or a response, as far as it came. */
struct apdu_text {
	uint8_t bytes[SHOWN_MAX];
	uint8_t sw[2]; /* the last two bytes */
	size_t len, hidden;
};

struct talk {
	struct apdu_text command, response;
	uint64_t sent_us;
	bool open;	    /* a command waits for its response */
	const char *remark; /* what the response is, where it has no status word; or NULL */
	bool chaining;	    /* the last I-block or part said that more follows */
	unsigned extensions;
};

struct apdu_reader {
	struct talk slot[TRACE_SLOTS];
};

/* ISO 7816-4:2013 table 4 and §7, ISO 7816-8, and what PC/SC adds with CLA FF. */
static const struct ins_row {
	uint8_t ins;
	const char *name;
} ins_rows[] = {
	{0x0E, "ERASE BINARY"},
	{0x20, "VERIFY"},
	{0x21, "VERIFY"},
	{0x22, "MANAGE SECURITY ENVIRONMENT"},
	{0x24, "CHANGE REFERENCE DATA"},
	{0x2A, "PERFORM SECURITY OPERATION"},
	{0x2C, "RESET RETRY COUNTER"},
	{0x44, "ACTIVATE FILE"},
	{0x46, "GENERATE KEY PAIR"},
	{0x47, "GENERATE KEY PAIR"},
	{0x70, "MANAGE CHANNEL"},
	{0x82, "EXTERNAL AUTHENTICATE"},
	{0x84, "GET CHALLENGE"},
	{0x86, "GENERAL AUTHENTICATE"},
	{0x87, "GENERAL AUTHENTICATE"},
	{0x88, "INTERNAL AUTHENTICATE"},
	{0xA4, "SELECT"},
	{0xB0, "READ BINARY"},
	{0xB1, "READ BINARY"},
	{0xB2, "READ RECORD"},
	{0xC0, "GET RESPONSE"},
	{0xC2, "ENVELOPE"},
	{0xCA, "GET DATA"},
	{0xCB, "GET DATA"},
	{0xD0, "WRITE BINARY"},
	{0xD6, "UPDATE BINARY"},
	{0xD7, "UPDATE BINARY"},
	{0xDA, "PUT DATA"},
	{0xDB, "PUT DATA"},
	{0xDC, "UPDATE RECORD"},
	{0xE2, "APPEND RECORD"},
};

static const struct sw_row {
	uint16_t mask, value;
	const char *text;
} sw_rows[] = {
	{0xFFFF, 0x9000, "done"},
	{0xFF00, 0x6100, "done, more bytes wait for GET RESPONSE"},
	{0xFFFF, 0x6282, "end of file before Le bytes"},
	{0xFFFF, 0x6283, "selected file is deactivated"},
	{0xFF00, 0x6200, "warning, nothing was changed"},
	{0xFFF0, 0x63C0, "wrong, the last digit counts the tries left"},
	{0xFF00, 0x6300, "warning, memory was changed"},
	{0xFFFF, 0x6401, "PIN entry cancelled, or an answer of the host is needed"},
	{0xFF00, 0x6400, "failed, nothing was changed"},
	{0xFF00, 0x6500, "failed, memory was changed"},
	{0xFFFF, 0x6700, "wrong length"},
	{0xFF00, 0x6800, "function of CLA is not supported"},
	{0xFFFF, 0x6982, "security status is not satisfied"},
	{0xFFFF, 0x6983, "PIN is blocked"},
	{0xFFFF, 0x6985, "conditions of use are not satisfied"},
	{0xFF00, 0x6900, "command is not allowed"},
	{0xFFFF, 0x6A80, "wrong data"},
	{0xFFFF, 0x6A81, "function is not supported"},
	{0xFFFF, 0x6A82, "file or application is not found"},
	{0xFFFF, 0x6A83, "record is not found"},
	{0xFFFF, 0x6A84, "too little memory"},
	{0xFFFF, 0x6A86, "wrong P1 or P2"},
	{0xFFFF, 0x6A88, "referenced data is not found"},
	{0xFF00, 0x6A00, "wrong parameters"},
	{0xFF00, 0x6B00, "wrong P1 or P2"},
	{0xFF00, 0x6C00, "wrong Le, the last byte is the right one"},
	{0xFF00, 0x6D00, "INS is not supported"},
	{0xFF00, 0x6E00, "CLA is not supported"},
	{0xFF00, 0x6F00, "failed, no reason given"},
};

const char *trace_sw_text(uint8_t sw1, uint8_t sw2)
{
	unsigned sw = (unsigned)sw1 << 8 | sw2;

	for (size_t i = 0; i < sizeof sw_rows / sizeof sw_rows[0]; i++)
		if ((sw & sw_rows[i].mask) == sw_rows[i].value)
			return sw_rows[i].text;
	return "";
}

static const char *ins_name(uint8_t ins)
{
	for (size_t i = 0; i < sizeof ins_rows / sizeof ins_rows[0]; i++)
		if (ins_rows[i].ins == ins)
			return ins_rows[i].name;
	return "";
}

static void text_add(struct apdu_text *t, const uint8_t *p, size_t len, size_t hidden)
{
	size_t room = t->len < SHOWN_MAX ? SHOWN_MAX - t->len : 0;

	if (len > 0) {
		memcpy(t->bytes + (SHOWN_MAX - room), p, len < room ? len : room);
		if (len == 1)
			t->sw[0] = t->sw[1];
		else
			t->sw[0] = p[len - 2];
		t->sw[1] = p[len - 1];
	}
	t->len += len;
	t->hidden += hidden;
}

static void put_time(FILE *out, const struct trace_message *m)
{
	fprintf(out, "%5" PRIu64 ".%06u %s slot %u ", m->time_us / 1000000,
		(unsigned)(m->time_us % 1000000), m->reader->name, m->bytes[5]);
}

static void put_bytes(FILE *out, const struct apdu_text *t)
{
	size_t n = t->len < SHOWN_MAX ? t->len : SHOWN_MAX;

	for (size_t i = 0; i < n; i++)
		fprintf(out, " %02X", t->bytes[i]);
	if (t->len > n)
		fprintf(out, " ... (%zu bytes)", t->len);
	if (t->hidden)
		fprintf(out, " (%zu bytes not shown)", t->hidden);
}

static struct talk *talk_of(const struct trace_message *m)
{
	struct apdu_reader *r = m->reader->sink_data;

	if (!r)
		r = m->reader->sink_data = calloc(1, sizeof *r);
	return r ? &r->slot[m->bytes[5]] : NULL;
}

static void put_command(FILE *out, const struct trace_message *m, struct talk *k)
{
	const char *name = k->command.len > 1 ? ins_name(k->command.bytes[1]) : "";

	put_time(out, m);
	fputc('>', out);
	put_bytes(out, &k->command);
	if (*name)
		fprintf(out, "  %s", name);
	fputc('\n', out);
	k->sent_us = m->time_us;
	k->open = true;
	memset(&k->response, 0, sizeof k->response);
	k->extensions = 0;
	k->remark = k->command.len > 2 && k->command.bytes[0] == 0xFF &&
				    (k->command.bytes[1] & 0x0F) <= 1 && k->command.len <= 6
			    ? "PPS"
			    : NULL;
}

static void put_response(FILE *out, const struct trace_message *m, struct talk *k,
			 const char *remark)
{
	uint64_t us = m->time_us > k->sent_us ? m->time_us - k->sent_us : 0;

	put_time(out, m);
	fputc('<', out);
	put_bytes(out, &k->response);
	fprintf(out, "  %s%s(%" PRIu64 ".%03u ms", remark, *remark ? " " : "", us / 1000,
		(unsigned)(us % 1000));
	if (k->extensions)
		fprintf(out, ", %u time extensions", k->extensions);
	fputs(")\n", out);
	k->open = false;
}

static bool is_i_block(uint8_t pcb)
{
	return (pcb & 0x80) == 0;
}

static void xfr_sent(FILE *out, const struct trace_message *m, struct talk *k)
{
	const uint8_t *p = m->bytes + TRACE_HEADER;
	size_t len = m->len - TRACE_HEADER, hidden = m->full - m->len;
	unsigned level = get_le16(m->bytes + 8);
	bool more = level == 1 || level == 3, goes_on = level == 2 || level == 3;

	if (len + hidden == 0)
		return; /* asks for more of the response */
	if (hidden == 0 && level == 0 && log_is_block(p, len)) {
		if (!is_i_block(p[1]))
			return;
		more = p[1] & 0x20;
		goes_on = k->chaining;
		len = p[2];
		p += 3;
	}
	if (!goes_on)
		memset(&k->command, 0, sizeof k->command);
	text_add(&k->command, p, len, hidden);
	k->chaining = more;
	if (!more)
		put_command(out, m, k);
}

static void block_received(FILE *out, const struct trace_message *m, struct talk *k)
{
	const uint8_t *p = m->bytes + TRACE_HEADER;
	size_t len = m->len - TRACE_HEADER, hidden = m->full - m->len;
	unsigned chain = m->bytes[9];
	bool more = chain == 1 || chain == 3;

	if (!k->open || chain == 0x10)
		return;
	if (hidden == 0 && log_is_block(p, len)) {
		if (!is_i_block(p[1]))
			return;
		more = p[1] & 0x20;
		len = p[2];
		p += 3;
	}
	text_add(&k->response, p, len, hidden);
	if (!more)
		put_response(out, m, k,
			     k->remark ? k->remark
			     : k->response.len > 1
				     ? trace_sw_text(k->response.sw[0], k->response.sw[1])
				     : "");
}

static void answer_received(FILE *out, const struct trace_message *m, struct talk *k)
{
	char remark[100];

	switch (m->bytes[7] >> 6) {
	case COMMAND_TIME_EXTENSION:
		k->extensions++;
		return;
	case COMMAND_FAILED:
		if (!k->open)
			return;
		snprintf(remark, sizeof remark, "failed: bError %02X (%s)", m->bytes[8],
			 ccid_error_text(m->bytes[8]));
		put_response(out, m, k, remark);
		return;
	default:
		block_received(out, m, k);
		return;
	}
}

static void power_sent(FILE *out, const struct trace_message *m, struct talk *k, const char *what,
		       const char *remark)
{
	put_time(out, m);
	fprintf(out, "> (%s)\n", what);
	memset(k, 0, sizeof *k);
	k->sent_us = m->time_us;
	k->open = true;
	k->remark = remark;
}

static void apdu_message(struct trace_sink *s, const struct trace_message *m)
{
	struct talk *k;

	if (m->interrupt || m->len < TRACE_HEADER)
		return;
	k = talk_of(m);
	if (!k)
		return;
	switch (m->bytes[0]) {
	case PC_TO_RDR_XFR_BLOCK:
		xfr_sent(s->out, m, k);
		break;
	case PC_TO_RDR_SECURE:
		power_sent(s->out, m, k, "PIN entry at the reader", NULL);
		break;
	case PC_TO_RDR_ICC_POWER_ON:
		power_sent(s->out, m, k, "power on", "ATR");
		break;
	case RDR_TO_PC_DATA_BLOCK:
	case RDR_TO_PC_SLOT_STATUS:
		answer_received(s->out, m, k);
		break;
	default:
		break;
	}
}

struct trace_sink *trace_apdu_sink(FILE *out)
{
	struct trace_sink *s = calloc(1, sizeof *s);

	if (s)
		*s = (struct trace_sink){.message = apdu_message, .out = out};
	return s;
}
