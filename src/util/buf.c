/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "util/buf.h"

#include <string.h>

struct rbuf rbuf_of(const void *p, size_t len)
{
	struct rbuf r = { p, len, false };

	return r;
}

const uint8_t *rbuf_bytes(struct rbuf *r, size_t n)
{
	const uint8_t *p = r->p;

	if (n > r->left) {
		r->bad = true;
		r->left = 0;
		return NULL;
	}
	r->p += n;
	r->left -= n;
	return p;
}

uint8_t rbuf_u8(struct rbuf *r)
{
	const uint8_t *p = rbuf_bytes(r, 1);

	return p ? p[0] : 0;
}

uint16_t rbuf_le16(struct rbuf *r)
{
	const uint8_t *p = rbuf_bytes(r, 2);

	return p ? get_le16(p) : 0;
}

uint32_t rbuf_le32(struct rbuf *r)
{
	const uint8_t *p = rbuf_bytes(r, 4);

	return p ? get_le32(p) : 0;
}

struct wbuf wbuf_of(void *p, size_t cap)
{
	struct wbuf w = { p, 0, cap, false };

	return w;
}

void wbuf_bytes(struct wbuf *w, const void *p, size_t n)
{
	if (w->bad || n > w->cap - w->len) {
		w->bad = true;
		return;
	}
	if (n > 0)
		memcpy(w->p + w->len, p, n);
	w->len += n;
}

void wbuf_u8(struct wbuf *w, uint8_t v)
{
	wbuf_bytes(w, &v, 1);
}

void wbuf_le16(struct wbuf *w, uint16_t v)
{
	uint8_t b[2];

	put_le16(b, v);
	wbuf_bytes(w, b, sizeof b);
}

void wbuf_be32(struct wbuf *w, uint32_t v)
{
	uint8_t b[4] = { (uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v };

	wbuf_bytes(w, b, sizeof b);
}

void wipe(void *p, size_t n)
{
	if (n == 0)
		return;
	memset(p, 0, n);
	/* The compiler must believe that the memory is read. */
	__asm__ __volatile__("" : : "r"(p) : "memory");
}
