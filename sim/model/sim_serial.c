/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The wire of a serial reader: 03 06 message LRC, NAKs, echo, card movements, speed. */
#include "sim/model/sim_serial.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define MESSAGE_MAX 271
#define FRAME_MAX (MESSAGE_MAX + 3)
#define OUT_MAX 8192
#define BITS_PER_BYTE 11u	/* 8N2 */
#define EVENTS_MAX 8
#define ALWAYS 0xFFFFFFFFu

enum { BAD_LRC, NAK, GARBAGE, TOO_LONG, HALF, SILENCE, N_FAULTS };

static const char *const fault_names[N_FAULTS] = {
	[BAD_LRC] = "bad-lrc", [NAK] = "nak", [GARBAGE] = "garbage", [TOO_LONG] = "too-long",
	[HALF] = "half", [SILENCE] = "silence",
};

#define RATES_4MHZ                                                                                      \
	"10753,14337,15625,17204,20833,21505,23438,25806,28674,31250,32258,34409,39063,41667,43011,"    \
	"46875,52083,53763,57348,62500,64516,68817,71685,78125,83333,86022,93750,104167,107527,114695," \
	"125000,129032,143369,156250,166667,172043,215054,229391,250000,344086"
#define COMMON "voltages = 7\nprotocols = 3\nifsd = 254\nmaxlen = 271\nbusy = 1\n" \
	       "endpoints = 3\npacket = 64\n"
#define GEM "reader serial\nvendor = 08e6\n" COMMON "features = 0x00010230\nclock = 4000\n" \
	    "datarate = 10753\n"
#define SEC "reader serial\nvendor = 0424\nproduct = 1202\n" COMMON "features = 0x000100B2\n" \
	    "clock = 4800\ndatarate = 12903\nmaxrate = 826000\n"

struct kind {
	const char *name;
	bool echo, slow;
	uint8_t firmware_escape;
	unsigned slots;
	const char *text;
};

static const struct kind kinds[] = {
	{ "GemPCTwin", true, false, 0x02, 1,
	  GEM "product = 3437\nslots = 1\nmaxrate = 344086\nrates = " RATES_4MHZ "\n" },
	{ "GemPCPinPad", true, false, 0x02, 1,
	  GEM "product = 3478\nslots = 1\npinpad = 3\nmaxrate = 500000\nrates = " RATES_4MHZ
	      ",500000\n" },
	{ "GemCorePOSPro", false, false, 0x02, 5,
	  GEM "product = 3479\nslots = 5\nmaxrate = 500000\nrates = " RATES_4MHZ ",500000\n" },
	{ "GemCoreSIMPro", false, false, 0x02, 2,
	  GEM "product = 3480\nslots = 2\nmaxrate = 500000\nrates = " RATES_4MHZ ",500000\n" },
	{ "GemCoreSIMPro2", false, true, 0x02, 2,
	  GEM "product = 3480\nslots = 2\nclock = 4800\nmaxrate = 825806\n" },
	{ "SEC1210", false, false, 0x06, 2, SEC "slots = 2\n" },
	{ "SEC1210UR2", false, false, 0x06, 2, SEC "slots = 2\n" },
	{ "SEC1210URT", false, false, 0x06, 1, SEC "slots = 1\n" },
};

struct sim_serial {
	const struct kind *kind;
	struct sim_dev *dev;
	uint8_t ep_out, ep_in, ep_intr;
	struct sim_urb out_urb, in_urb, intr_urb;
	uint8_t out_buf[MESSAGE_MAX], in_buf[1024], intr_buf[64];
	bool out_busy;

	unsigned speed, line_speed;
	uint8_t in[FRAME_MAX];		/* the frame coming in */
	size_t in_len;
	uint8_t answer[FRAME_MAX];	/* the last answer's frame, for a NAK */
	size_t answer_len;
	uint8_t out[OUT_MAX];		/* on its way to the other end */
	size_t out_len;
	uint64_t next_byte;		/* when the first of these has arrived */

	bool notify, hung_up;
	uint8_t event[EVENTS_MAX];
	unsigned n_events;
	unsigned fault[N_FAULTS];	/* how often yet */
};

struct sim_dev *sim_serial_device(struct sim_serial *s)
{
	return s->dev;
}

bool sim_serial_hung_up(const struct sim_serial *s)
{
	return s->hung_up;
}

void sim_serial_line_speed(struct sim_serial *s, unsigned bps)
{
	s->line_speed = bps;
}

static uint64_t byte_ns(const struct sim_serial *s)
{
	return BITS_PER_BYTE * 1000000000ull / s->speed;
}

/* --- to the other end --- */

static void push(struct sim_serial *s, const void *p, size_t n, uint64_t now)
{
	if (n == 0 || s->fault[SILENCE] || n > sizeof s->out - s->out_len)
		return;
	if (s->out_len == 0)
		s->next_byte = now + byte_ns(s);
	memcpy(s->out + s->out_len, p, n);
	s->out_len += n;
}

static bool strikes(struct sim_serial *s, unsigned which)
{
	if (s->fault[which] == 0)
		return false;
	if (s->fault[which] != ALWAYS)
		s->fault[which]--;
	return true;
}

static void push_events(struct sim_serial *s, uint64_t now)
{
	for (unsigned i = 0; i < s->n_events; i++) {
		uint8_t two[2] = { 0x50, s->event[i] };

		push(s, two, 2, now);
	}
	s->n_events = 0;
}

/* The last answer, with its faults. */
static void push_answer(struct sim_serial *s, uint64_t now)
{
	static const uint8_t endless[] = { 0x03, 0x06, 0x80, 0xFF, 0xFF, 0xFF, 0x7F, 0, 0, 0, 0, 0, 0x55 };
	uint8_t frame[FRAME_MAX];
	size_t n = s->answer_len;
	bool noise = strikes(s, GARBAGE);

	memcpy(frame, s->answer, n);
	if (noise)
		push(s, "\x11\x03\x42\x00", 4, now);
	if (n > 0 && strikes(s, BAD_LRC))
		frame[n - 1] ^= 0x5A;
	if (strikes(s, HALF))
		n /= 2;
	if (strikes(s, TOO_LONG))
		push(s, endless, sizeof endless, now);
	else
		push(s, frame, n, now);
	if (noise)
		push(s, "\x16\x06\x00", 3, now);
}

static void answer_message(struct sim_serial *s, const uint8_t *m, size_t n, uint64_t now)
{
	uint8_t lrc = 0;

	if (n > MESSAGE_MAX)
		return;
	s->answer[0] = 0x03;
	s->answer[1] = 0x06;
	memcpy(s->answer + 2, m, n);
	for (size_t i = 0; i < n + 2; i++)
		lrc ^= s->answer[i];
	s->answer[n + 2] = lrc;
	s->answer_len = n + 3;
	push_events(s, now);
	push_answer(s, now);
}

/* --- the reader behind --- */

static void submit(struct sim_serial *s, struct sim_urb *u, enum sim_urb_type type, uint8_t endpoint,
		   uint8_t *buf, size_t len, uint64_t now)
{
	memset(u, 0, sizeof *u);
	u->type = type;
	u->endpoint = endpoint;
	u->buf = buf;
	u->len = len;
	sim_dev_submit(s->dev, u, now);
}

/* NotifySlotChange: two bits a slot, present and changed. The wire does not tell which slot. */
static void note_changes(struct sim_serial *s, const uint8_t *p, size_t n)
{
	for (size_t slot = 0; n > 0 && p[0] == 0x50 && slot < 4 * (n - 1); slot++) {
		unsigned bits = p[1 + slot / 4] >> (2 * (slot % 4)) & 3;

		if ((bits & 2) && s->notify && s->n_events < EVENTS_MAX)
			s->event[s->n_events++] = (uint8_t)bits;
	}
}

static void reap(struct sim_serial *s, uint64_t now)
{
	struct sim_urb *u;

	while ((u = sim_dev_reap(s->dev, now)) != NULL) {
		if (u->status == SIM_GONE)
			s->hung_up = true;
		if (u == &s->out_urb)
			s->out_busy = false;
		if (u->status != SIM_OK || u == &s->out_urb)
			continue;
		if (u == &s->in_urb) {
			answer_message(s, s->in_buf, u->actual, now);
			submit(s, u, SIM_BULK, s->ep_in, s->in_buf, sizeof s->in_buf, now);
		} else {
			note_changes(s, s->intr_buf, u->actual);
			submit(s, u, SIM_INTERRUPT, s->ep_intr, s->intr_buf, sizeof s->intr_buf, now);
		}
	}
}

/* Escapes of the serial readers, answered by the part that drives the line. */
static bool own_escape(struct sim_serial *s, const uint8_t *m, size_t n, uint64_t now)
{
	uint8_t a[40] = { 0x83 };
	const char *text = "";
	bool faster = false;

	if (m[0] != 0x6B)
		return false;
	if (n == 11 && m[10] == s->kind->firmware_escape)
		text = "Sim-Serial-V1.00";
	else if (n == 13 && memcmp(m + 10, "\x01\x01\x01", 3) == 0 && s->kind->firmware_escape == 0x02)
		s->notify = true;
	else if (n == 13 && memcmp(m + 10, "\x01\x10\x20", 3) == 0 && s->kind->slow)
		faster = true;
	else
		return false;
	a[1] = (uint8_t)strlen(text);
	a[5] = m[5];
	a[6] = m[6];
	memcpy(a + 10, text, a[1]);
	answer_message(s, a, 10u + a[1], now);
	if (faster)
		s->speed = 115200;
	return true;
}

static void take_command(struct sim_serial *s, uint64_t now)
{
	const uint8_t *m = s->in + 2;
	size_t n = s->in_len - 3;
	uint8_t lrc = 0;

	for (size_t i = 0; i < s->in_len; i++)
		lrc ^= s->in[i];
	if (s->kind->echo)
		push(s, s->in, s->in_len, now);
	if (lrc != 0 || strikes(s, NAK) || s->out_busy) {
		push(s, "\x03\x15\x16", 3, now);
		return;
	}
	if (own_escape(s, m, n, now))
		return;
	memcpy(s->out_buf, m, n);
	s->out_busy = true;
	submit(s, &s->out_urb, SIM_BULK, s->ep_out, s->out_buf, n, now);
}

static size_t frame_length(const struct sim_serial *s)
{
	uint32_t len;

	if (s->in_len < 2)
		return 2;
	if (s->in[1] == 0x15)
		return 3;
	if (s->in_len < 7)
		return 7;
	len = s->in[3] | (uint32_t)s->in[4] << 8 | (uint32_t)s->in[5] << 16 | (uint32_t)s->in[6] << 24;
	return len > MESSAGE_MAX - 10 ? 0 : 13 + len;
}

static void take_byte(struct sim_serial *s, uint8_t byte, uint64_t now)
{
	size_t want;

	if (s->in_len == 0 && byte != 0x03)
		return;
	if (s->in_len == 1 && byte != 0x06 && byte != 0x15) {
		s->in_len = byte == 0x03;
		return;
	}
	s->in[s->in_len++] = byte;
	want = frame_length(s);
	if (want == 0) {
		push(s, "\x03\x15\x16", 3, now);
		s->in_len = 0;
	} else if (s->in_len >= 3 && s->in_len == want) {
		if (s->in[1] == 0x15)
			push_answer(s, now);
		else
			take_command(s, now);
		s->in_len = 0;
	}
}

void sim_serial_input(struct sim_serial *s, const uint8_t *p, size_t n, uint64_t now)
{
	reap(s, now);
	if (s->line_speed != s->speed || s->fault[SILENCE])
		return;
	for (size_t i = 0; i < n; i++)
		take_byte(s, p[i], now);
	reap(s, now);
}

size_t sim_serial_output(struct sim_serial *s, uint8_t *p, size_t cap, uint64_t now)
{
	size_t n = 0;

	reap(s, now);
	while (n < cap && n < s->out_len && s->next_byte <= now) {
		p[n] = s->out[n];
		n++;
		s->next_byte += byte_ns(s);
	}
	memmove(s->out, s->out + n, s->out_len - n);
	s->out_len -= n;
	return n;
}

uint64_t sim_serial_next(const struct sim_serial *s)
{
	uint64_t at = sim_dev_next(s->dev);

	return s->out_len > 0 && s->next_byte < at ? s->next_byte : at;
}

/* --- faults --- */

bool sim_serial_fault(struct sim_serial *s, const char *spec, char *err, size_t err_cap)
{
	size_t n = strcspn(spec, " ");
	const char *count = strstr(spec, "count=");

	if (strcmp(spec, "hang-up") == 0) {
		s->hung_up = true;
		return true;
	}
	if (strcmp(spec, "clear") == 0)
		memset(s->fault, 0, sizeof s->fault);
	for (size_t i = 0; i < N_FAULTS; i++) {
		if (strlen(fault_names[i]) == n && strncmp(spec, fault_names[i], n) == 0) {
			s->fault[i] = count ? (unsigned)strtoul(count + 6, NULL, 10) : ALWAYS;
			return true;
		}
	}
	return sim_dev_fault(s->dev, spec, err, err_cap);
}

/* --- life --- */

static void find_endpoints(struct sim_serial *s)
{
	size_t len;
	const uint8_t *p = sim_dev_descriptors(s->dev, &len);

	for (size_t i = 0; i + 1 < len && p[i] > 0; i += p[i]) {
		if (p[i + 1] != 0x05 || i + 4 > len)	/* ENDPOINT */
			continue;
		if ((p[i + 3] & 3) == 3)
			s->ep_intr = p[i + 2];
		else if (p[i + 2] & 0x80)
			s->ep_in = p[i + 2];
		else
			s->ep_out = p[i + 2];
	}
}

static struct sim_dev *make_device(const struct kind *k, const char *const *cards, unsigned n_cards,
				   char *err, size_t err_cap)
{
	struct sim_dev **devs = NULL, *d;
	char text[2048];
	size_t len = (size_t)snprintf(text, sizeof text, "%s", k->text);

	for (unsigned i = 0; i < n_cards && cards && len < sizeof text; i++) {
		if (cards[i] && cards[i][0])
			len += (size_t)snprintf(text + len, sizeof text - len, "card %u = %s\n", i, cards[i]);
	}
	if (len >= sizeof text) {
		snprintf(err, err_cap, "too much text about cards");
		return NULL;
	}
	if (sim_config_parse(text, &devs, err, err_cap) != 1)
		return NULL;
	d = devs[0];
	free(devs);
	return d;
}

struct sim_serial *sim_serial_new(const char *type, const char *const *cards, unsigned n_cards, char *err,
				  size_t err_cap)
{
	const struct kind *k = NULL;
	struct sim_serial *s;

	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
		if (strcasecmp(kinds[i].name, type) == 0)
			k = &kinds[i];
	}
	if (!k || n_cards > k->slots) {
		snprintf(err, err_cap, k ? "%s: more cards than slots" : "%s: no such serial reader", type);
		return NULL;
	}
	s = calloc(1, sizeof *s);
	if (!s)
		abort();
	s->kind = k;
	s->line_speed = 115200;
	s->speed = k->slow ? 9600 : 115200;
	s->dev = make_device(k, cards, n_cards, err, err_cap);
	if (!s->dev) {
		free(s);
		return NULL;
	}
	find_endpoints(s);
	submit(s, &s->in_urb, SIM_BULK, s->ep_in, s->in_buf, sizeof s->in_buf, 0);
	submit(s, &s->intr_urb, SIM_INTERRUPT, s->ep_intr, s->intr_buf, sizeof s->intr_buf, 0);
	return s;
}

void sim_serial_free(struct sim_serial *s)
{
	if (!s)
		return;
	sim_dev_free(s->dev);
	free(s);
}
