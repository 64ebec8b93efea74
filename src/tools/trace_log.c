/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reads the log of this driver or of libccid, as pcscd prints it and as users paste it.
 *
 *	00000123 [1402] usb:08e6/3437:libudev:0:/dev/bus/usb/001/002 (lun 0): -> 6F 07 00 ...
 *	00000004 -> 000000 6F 07 00 00 ...
 *
 * The first eight digits are microseconds since the line before; they may be missing. Lines may be
 * indented, quoted by "> ", carry a date of the journal, colours of a terminal, and be wrapped. */
#include "tools/trace.h"

#include <stdlib.h>
#include <string.h>

#define CHUNK ((size_t)1 << 20)
#define LINE_BYTES_MAX 4096u /* bytes decoded at a time */
/* What a log without times is given: an order, not a time. */
#define STEP_US 1000u

struct log_source {
	struct trace *t;
	uint64_t now_us;
	bool timed;		   /* some line had its time */
	struct trace_reader *last; /* whose message a wrapped line goes on with */
	bool last_sent;
	char device[TRACE_NAME_MAX]; /* libccid: the device opened last */
};

/* Value of a hexadecimal digit, or 0xFF. */
static uint8_t hex_value[256];

static void fill_hex_values(void)
{
	memset(hex_value, 0xFF, sizeof hex_value);
	for (unsigned i = 0; i < 10; i++)
		hex_value['0' + i] = (uint8_t)i;
	for (unsigned i = 0; i < 6; i++)
		hex_value['a' + i] = hex_value['A' + i] = (uint8_t)(10 + i);
}

static bool trace_is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static const char *skip_blanks(const char *p, const char *end)
{
	while (p < end && trace_is_blank(*p))
		p++;
	return p;
}

/* Decodes "6F 07 00"; stops at the first word that is not two digits. *rest: where it stopped. */
static size_t decode_pairs(const char *p, const char *end, uint8_t *out, size_t max,
			   const char **rest)
{
	size_t n = 0;

	for (;;) {
		uint8_t hi, lo;

		while (p < end && *p == ' ')
			p++;
		if (n == max || end - p < 2)
			break;
		hi = hex_value[(uint8_t)p[0]];
		lo = hex_value[(uint8_t)p[1]];
		if ((hi | lo) > 0x0F || (end - p > 2 && !trace_is_blank(p[2])))
			break;
		out[n++] = (uint8_t)(hi << 4 | lo);
		p += 2;
	}
	*rest = skip_blanks(p, end);
	return n;
}

/* A number of exactly n digits (base 10 or 16) that a blank follows. */
static bool trace_number(const char *p, const char *end, int n, unsigned base, unsigned *value)
{
	if (end - p <= n || !trace_is_blank(p[n]))
		return false;
	*value = 0;
	for (int i = 0; i < n; i++) {
		uint8_t digit = hex_value[(uint8_t)p[i]];

		if (digit >= base)
			return false;
		*value = *value * base + digit;
	}
	return true;
}

/* Quotes of a mail and blanks before the line's own text. */
static const char *skip_quotes(const char *p, const char *end)
{
	while (p < end && (trace_is_blank(*p) || (*p == '>' && (p + 1 == end || p[1] != '>'))))
		p++;
	return p;
}

/* Adds the time that the line carries and returns what follows it. */
static const char *take_time(struct log_source *s, const char *p, const char *end)
{
	const char *from = skip_quotes(p, end), *mark;
	unsigned us;

	if (from < end && *from == '\033') {
		mark = memchr(from, 'm', (size_t)(end - from));
		from = mark ? mark + 1 : from;
	}
	if (!trace_number(from, end, 8, 10, &us)) {
		/* the journal's date, host and "pcscd[123]: " */
		mark = memmem(from, (size_t)(end - from), "]: ", 3);
		if (!mark || !trace_number(mark + 3, end, 8, 10, &us))
			return from;
		from = mark + 3;
	}
	s->timed = true;
	s->now_us += us;
	return from + 8;
}

/* Finds "->" or "<-", also as a web page writes them. Returns what follows, NULL without one. */
static const char *find_arrow(const char *p, const char *end, bool *sent, const char **arrow)
{
	const char *at = p;

	while ((at = memchr(at, '-', (size_t)(end - at))) != NULL) {
		bool in = (at > p && at[-1] == '<') ||
			  (at - p >= 4 && memcmp(at - 4, "&lt;", 4) == 0);
		size_t out = end - at > 1 && at[1] == '>'		      ? 2
			     : end - at > 4 && memcmp(at + 1, "&gt;", 4) == 0 ? 5
									      : 0;

		if (in || out) {
			const char *after = at + (out ? out : 1);

			*sent = out != 0;
			*arrow = out ? at : at - (at[-1] == '<' ? 1 : 4);
			if (after < end && trace_is_blank(*after))
				return skip_blanks(after, end);
		}
		at++;
	}
	return NULL;
}

/* "usb:... (lun 10000): " before the arrow names the reader of this driver's log; at: the blank. */
static struct trace_reader *reader_before(struct log_source *s, const char *line, const char *at)
{
	const char *from = at;

	while (from > line && !trace_is_blank(from[-1]))
		from--;
	return trace_reader_named(s->t, from, (size_t)(at - from));
}

/* libccid numbers its open slots; the first message of a number belongs to the device opened last.
 */
static struct trace_reader *reader_numbered(struct log_source *s, unsigned number)
{
	static const char fallback[] = "libccid";
	const char *device = s->device[0] ? s->device : fallback;
	char name[TRACE_NAME_MAX + 16];
	int n;

	for (unsigned i = 0; i < s->t->n_readers; i++) {
		const char *hash = strrchr(s->t->readers[i]->name, '#');

		if (hash && strtoul(hash + 1, NULL, 10) == number)
			return s->t->readers[i];
	}
	n = snprintf(name, sizeof name, "%.100s#%u", device, number);
	return trace_reader_named(s->t, name, (size_t)n);
}

/* Whose message the text behind the arrow is. *p: moved on to the bytes. */
static struct trace_reader *reader_of(struct log_source *s, const char *line, const char *arrow,
				      const char **p, const char *end)
{
	static const char mark[] = " (lun ";
	const char *at = memmem(line, (size_t)(arrow - line), mark, sizeof mark - 1);
	unsigned number;

	if (at)
		return reader_before(s, line, at);
	if (!trace_number(*p, end, 6, 16, &number))
		return trace_reader_named(s->t, "reader", 6);
	*p = skip_blanks(*p + 6, end);
	return reader_numbered(s, number);
}

static bool is_notification(bool sent, uint8_t type)
{
	return !sent && (type == 0x50 || type == 0x51);
}

/* A line of a reader that there is no room for; the lines after it do not go on with another's. */
static void leave_out(struct log_source *s, const char *p, const char *end, bool sent)
{
	uint8_t type;

	s->last = NULL;
	if (decode_pairs(p, end, &type, 1, &p) == 1 &&
	    (trace_is_type(sent, type) || is_notification(sent, type)))
		s->t->left_out++;
}

/* Text behind the arrow: whose message, and its bytes. */
static void read_message(struct log_source *s, const char *line, const char *arrow, const char *p,
			 const char *end, bool sent)
{
	struct trace_reader *r = reader_of(s, line, arrow, &p, end);
	uint8_t bytes[LINE_BYTES_MAX];
	unsigned long_number;
	bool more = false;
	size_t n;

	if (!r) {
		leave_out(s, p, end, sent);
		return;
	}
	if (*p == '+') {
		more = true; /* "-> +256 ..." goes on with a long message */
		while (p < end && !trace_is_blank(*p))
			p++;
	} else if (sscanf(p, "%u more bytes, not shown", &long_number) == 1 &&
		   memmem(p, (size_t)(end - p), " more bytes", 11)) {
		trace_more(s->t, r, sent, NULL, 0, long_number);
		return;
	}
	for (;;) {
		n = decode_pairs(p, end, bytes, sizeof bytes, &p);
		if (n == 0)
			return;
		if (more) {
			trace_more(s->t, r, sent, bytes, n, 0);
		} else if (trace_is_type(sent, bytes[0])) {
			trace_begin(s->t, r, sent, s->now_us, bytes, n);
		} else if (is_notification(sent, bytes[0])) {
			trace_interrupt(s->t, r, s->now_us, bytes, n);
			return;
		} else {
			return;
		}
		more = true;
		s->last = r;
		s->last_sent = sent;
	}
}

/* A line of nothing but bytes goes on with the message that the line before broke off. */
static void read_wrapped(struct log_source *s, const char *p, const char *end)
{
	uint8_t bytes[LINE_BYTES_MAX];
	const char *rest;
	size_t n;

	if (!s->last || s->last->partial[s->last_sent].whole == 0 || p == end ||
	    hex_value[(uint8_t)*p] > 0x0F)
		return;
	n = decode_pairs(p, end, bytes, sizeof bytes, &rest);
	if (n > 0 && rest == end)
		trace_more(s->t, s->last, s->last_sent, bytes, n, 0);
}

/* libccid says which device it opens, and what came over the interrupt pipe. */
static void read_remark(struct log_source *s, const char *p, const char *end)
{
	static const char opened[] = "device: ", notified[] = "NotifySlotChange: ";
	const char *at = memmem(p, (size_t)(end - p), opened, sizeof opened - 1);
	uint8_t bytes[64];
	const char *rest;
	size_t n = 0;

	if (at) {
		at += sizeof opened - 1;
		while (n + 1 < sizeof s->device && at < end && !trace_is_blank(*at))
			s->device[n++] = *at++;
		s->device[n] = '\0';
		return;
	}
	at = memmem(p, (size_t)(end - p), notified, sizeof notified - 1);
	if (!at || !s->last)
		return;
	n = decode_pairs(at + sizeof notified - 1, end, bytes, sizeof bytes, &rest);
	trace_interrupt(s->t, s->last, s->now_us, bytes, n);
}

static void read_line(struct log_source *s, const char *line, const char *end)
{
	const char *p, *arrow, *after;
	bool sent, had_time;
	uint64_t before = s->now_us;

	s->t->place++;

	while (end > line && (trace_is_blank(end[-1]) || end[-1] == '\n'))
		end--;
	p = take_time(s, line, end);
	had_time = s->now_us != before;
	after = find_arrow(p, end, &sent, &arrow);
	if (after) {
		if (!s->timed && !had_time)
			s->now_us += STEP_US;
		read_message(s, p, arrow, after, end, sent);
		return;
	}
	p = skip_quotes(p, end);
	read_wrapped(s, p, end);
	read_remark(s, p, end);
}

/* Hands over every whole line in buf[0..len) and returns how many bytes are left over. */
static size_t read_lines(struct log_source *s, char *buf, size_t len)
{
	char *p = buf, *nl;

	while ((nl = memchr(p, '\n', len - (size_t)(p - buf))) != NULL) {
		*nl = '\0'; /* an end for sscanf() */
		read_line(s, p, nl);
		p = nl + 1;
	}
	len -= (size_t)(p - buf);
	memmove(buf, p, len);
	return len;
}

bool trace_read_log(struct trace *t, FILE *in)
{
	struct log_source s = {.t = t};
	char *buf = malloc(2 * CHUNK + 1);
	size_t left = 0, n;
	bool good = buf != NULL;

	fill_hex_values();
	t->by_line = true;
	while (good && (n = fread(buf + left, 1, CHUNK, in)) > 0) {
		left = read_lines(&s, buf, left + n);
		/* A line longer than any log's: what follows is taken for its next one. */
		if (left > CHUNK) {
			buf[left] = '\0';
			read_line(&s, buf, buf + left);
			left = 0;
		}
	}
	if (good && left > 0) {
		buf[left] = '\0';
		read_line(&s, buf, buf + left);
	}
	if (!good || ferror(in)) {
		good = trace_fail(t, "cannot be read: %s", good ? "read error" : "out of memory");
	}
	if (buf)
		memset(buf, 0, 2 * CHUNK);
	free(buf);
	return good;
}
