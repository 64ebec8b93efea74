/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A slot's buffers. */
#include "ccid/ccid_slot.h"

#include "util/buf.h"

/* A long Escape makes the message buffer larger; it stays so until the slot is closed. The buffer
 * holds nothing between two commands. */
enum ccid_err ccid_grow(struct ccid_slot *cs, size_t len)
{
	uint8_t *larger = port_alloc(CCID_HEADER_LENGTH + len);

	if (!larger)
		return CCID_ERR_NOMEM;
	port_free(cs->message);
	cs->message = larger;
	cs->message_cap = CCID_HEADER_LENGTH + len;
	return CCID_OK;
}

void ccid_drop_long(struct ccid_slot *cs)
{
	wipe(cs->long_answer, cs->long_len);
	port_free(cs->long_answer);
	cs->long_answer = NULL;
}

void ccid_forget(struct ccid_slot *cs)
{
	ccid_forget_long(cs);
	wipe(cs->answer, cs->answer_used);
	cs->answer_used = 0;
}
