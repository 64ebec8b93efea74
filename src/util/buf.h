/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef UTIL_BUF_H
#define UTIL_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bounded cursors. A read or write past the end sets `bad` and yields zeros or
 * does nothing: check once, at the end. */
struct rbuf {
	const uint8_t *p;
	size_t left;
	bool bad;
};

struct wbuf {
	uint8_t *p;
	size_t len, cap;
	bool bad;
};

struct rbuf rbuf_of(const void *p, size_t len);
uint8_t rbuf_u8(struct rbuf *r);
uint16_t rbuf_le16(struct rbuf *r);
uint32_t rbuf_le32(struct rbuf *r);
/* The next n bytes, or NULL (and bad) when there are fewer. */
const uint8_t *rbuf_bytes(struct rbuf *r, size_t n);

struct wbuf wbuf_of(void *p, size_t cap);
void wbuf_u8(struct wbuf *w, uint8_t v);
void wbuf_le16(struct wbuf *w, uint16_t v);
void wbuf_be32(struct wbuf *w, uint32_t v);
void wbuf_bytes(struct wbuf *w, const void *p, size_t n);

/* Unaligned little-endian access for fixed places in checked buffers. */
static inline uint16_t get_le16(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

static inline uint32_t get_le32(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static inline void put_le16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)v;
	p[1] = (uint8_t)(v >> 8);
}

static inline void put_le32(uint8_t *p, uint32_t v)
{
	put_le16(p, (uint16_t)v);
	put_le16(p + 2, (uint16_t)(v >> 16));
}

/* Overwrites memory that held APDU or PIN bytes; the compiler cannot drop it. */
void wipe(void *p, size_t n);

#endif
