/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/ccid_msg.h"

#include "util/buf.h"

void ccid_msg_encode(const struct ccid_msg *m, uint8_t out[CCID_HEADER_LENGTH])
{
	out[0] = m->bMessageType;
	put_le32(out + 1, m->dwLength);
	out[5] = m->bSlot;
	out[6] = m->bSeq;
	out[7] = m->b7;
	out[8] = m->b8;
	out[9] = m->b9;
}

enum ccid_err ccid_msg_decode(struct ccid_msg *m, const uint8_t *p, size_t len)
{
	if (len < CCID_HEADER_LENGTH)
		return CCID_ERR_COMM;
	m->bMessageType = p[0];
	m->dwLength = get_le32(p + 1);
	m->bSlot = p[5];
	m->bSeq = p[6];
	m->b7 = p[7];
	m->b8 = p[8];
	m->b9 = p[9];
	return CCID_OK;
}
