/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "util/text.h"

struct text text_of(char *p, size_t cap)
{
	p[0] = '\0';
	return (struct text){ p, cap, 0 };
}

static void text_put(struct text *t, char c)
{
	if (t->len + 1 >= t->cap)
		return;
	t->p[t->len++] = c;
	t->p[t->len] = '\0';
}

/* What stands between '%' and the letter. */
struct conversion {
	bool zeros, has_precision;
	unsigned width, precision;
	char size;	/* l, z or 0 */
	char letter;
};

static const char *read_number(const char *p, unsigned *out)
{
	for (*out = 0; *p >= '0' && *p <= '9'; p++)
		*out = *out * 10 + (unsigned)(*p - '0');
	return p;
}

/* A va_list that is handed on by its address. */
struct arguments {
	va_list ap;
};

/* p: behind the '%'. Returns what follows the letter. A '*' takes its argument. */
static const char *read_conversion(const char *p, struct conversion *c, struct arguments *a)
{
	*c = (struct conversion){ .zeros = *p == '0' };
	p = read_number(p, &c->width);
	if (*p == '.') {
		c->has_precision = true;
		p = read_number(p + 1, &c->precision);
		if (*p == '*') {
			c->precision = (unsigned)va_arg(a->ap, int);
			p++;
		}
	}
	if (*p == 'l' || *p == 'z')
		c->size = *p++;
	c->letter = *p;
	return *p ? p + 1 : p;
}

static void text_put_padded(struct text *t, const struct conversion *c, const char *p, size_t len)
{
	size_t width = c->width;

	for (; width > len; width--)
		text_put(t, c->zeros ? '0' : ' ');
	for (size_t i = 0; i < len; i++)
		text_put(t, p[i]);
}

static void text_put_string(struct text *t, struct conversion *c, const char *s)
{
	size_t len = 0;

	if (!s)
		s = "(null)";
	/* With a precision it need not end by a zero. */
	while ((!c->has_precision || len < c->precision) && s[len])
		len++;
	c->zeros = false;
	text_put_padded(t, c, s, len);
}

static void text_put_number(struct text *t, const struct conversion *c, unsigned long long v,
			    bool negative)
{
	const char *digits = c->letter == 'X' ? "0123456789ABCDEF" : "0123456789abcdef";
	unsigned base = c->letter == 'd' || c->letter == 'u' ? 10 : 16;
	char out[24];
	size_t at = sizeof out;

	do {
		out[--at] = digits[v % base];
		v /= base;
	} while (v > 0);
	if (negative)
		out[--at] = '-';
	text_put_padded(t, c, out + at, sizeof out - at);
}

static void text_put_signed(struct text *t, const struct conversion *c, struct arguments *a)
{
	long v = c->size == 'l' ? va_arg(a->ap, long) :
		 c->size == 'z' ? (long)va_arg(a->ap, ptrdiff_t) : va_arg(a->ap, int);

	text_put_number(t, c, v < 0 ? 0ull - (unsigned long long)v : (unsigned long long)v, v < 0);
}

static void text_put_unsigned(struct text *t, const struct conversion *c, struct arguments *a)
{
	text_put_number(t, c,
		   c->size == 'l' ? va_arg(a->ap, unsigned long) :
		   c->size == 'z' ? va_arg(a->ap, size_t) : va_arg(a->ap, unsigned), false);
}

/* from: the '%', for what is not known. */
static void text_put_conversion(struct text *t, struct conversion *c, struct arguments *a,
				const char *from, const char *end)
{
	switch (c->letter) {
	case 'd':
		text_put_signed(t, c, a);
		break;
	case 'u': case 'x': case 'X':
		text_put_unsigned(t, c, a);
		break;
	case 'c':
		text_put(t, (char)va_arg(a->ap, int));
		break;
	case 's':
		text_put_string(t, c, va_arg(a->ap, const char *));
		break;
	case '%':
		text_put(t, '%');
		break;
	default:
		while (from < end)
			text_put(t, *from++);
		break;
	}
}

void text_vadd(struct text *t, const char *fmt, va_list ap)
{
	struct conversion c;
	struct arguments a;

	va_copy(a.ap, ap);
	while (*fmt) {
		const char *from = fmt++;

		if (*from != '%') {
			text_put(t, *from);
			continue;
		}
		fmt = read_conversion(fmt, &c, &a);
		text_put_conversion(t, &c, &a, from, fmt);
	}
	va_end(a.ap);
}

void text_add(struct text *t, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	text_vadd(t, fmt, ap);
	va_end(ap);
}
