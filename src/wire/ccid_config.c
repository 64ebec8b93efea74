/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/ccid_config.h"

#include "wire/ccid_interface.h"
#include "util/buf.h"

/* bDescriptorType, USB 2.0 table 9-5 */
enum { INTERFACE_DESCRIPTOR = 4, ENDPOINT_DESCRIPTOR = 5 };
#define INTERFACE_LENGTH 9
#define ENDPOINT_LENGTH 7

/* One interface in the bytes of a configuration: its descriptor, and all up to the next one. */
struct face {
	const uint8_t *p;
	size_t len;
};

/* Cuts the next descriptor off. NULL: no whole one is left. */
static const uint8_t *next_descriptor(struct rbuf *r)
{
	if (r->left < 2 || r->p[0] < 2)
		return NULL;
	return rbuf_bytes(r, r->p[0]);
}

/* The next interface with bAlternateSetting 0. */
static bool next_face(struct rbuf *r, struct face *f)
{
	const uint8_t *p;

	f->p = NULL;
	while (r->left >= 2 && !(f->p && r->p[1] == INTERFACE_DESCRIPTOR)) {
		p = next_descriptor(r);
		if (!p)
			break;
		if (p[1] == INTERFACE_DESCRIPTOR && p[0] >= INTERFACE_LENGTH && p[3] == 0)
			f->p = p;
		f->len = f->p ? (size_t)(p + p[0] - f->p) : 0;
	}
	return f->p != NULL;
}

static const char *read_face(struct ccid_desc *d, const struct face *f, const uint8_t *class_desc,
			     size_t class_len)
{
	struct rbuf r = rbuf_of(f->p, f->len);
	const uint8_t *p;

	while ((p = next_descriptor(&r)) != NULL)
		if (p[1] == ENDPOINT_DESCRIPTOR && p[0] >= ENDPOINT_LENGTH)
			ccid_desc_endpoint(d, p[2], p[3], get_le16(p + 4));
	return ccid_desc_interface(d, f->p[2], f->p[5], f->p[7], class_desc, class_len);
}

const char *ccid_desc_of(struct ccid_desc *d, const uint8_t device[18], const uint8_t *config,
			 size_t len, int interface)
{
	struct rbuf r = rbuf_of(config, len);
	struct face f;

	*d = (struct ccid_desc){ .idVendor = get_le16(device + 8),
				 .idProduct = get_le16(device + 10),
				 .bcdDevice = get_le16(device + 12) };
	while (next_face(&r, &f)) {
		size_t n;
		const uint8_t *p = ccid_desc_find(f.p, f.len, &n);

		if ((interface < 0 || f.p[2] == interface) && ccid_desc_is_reader(f.p[5], p, n))
			return read_face(d, &f, p, n);
	}
	return "no interface of a reader";
}
