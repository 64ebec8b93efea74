/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TRANSPORT_PIPES_H
#define TRANSPORT_PIPES_H

#include "transport/transport.h"

/* A transport for systems that can move bytes through the pipes of a USB interface and wait for
 * them: a port writes these hooks instead of all of transport.h. One command at a time is in
 * flight; threads that have another one wait for its end.
 *
 * ms is how long a hook may take; one that cannot be ended early may take longer. CCID_ERR_TIMEOUT
 * when nothing came: what comes later is not lost, the next call gives it. Other errors: NO_DEVICE
 * (the device was removed), COMM. */
struct pipes {
	void *user;	/* for all hooks */
	/* One whole message to the bulk OUT pipe. */
	enum ccid_err (*send)(void *user, const uint8_t *message, size_t len, unsigned ms);
	/* One transfer from the bulk IN pipe: *len bytes of cap, which is a multiple of the
	 * packet size; it ends by a packet that is not full, or when there is no more room. */
	enum ccid_err (*receive)(void *user, uint8_t *out, size_t cap, size_t *len, unsigned ms);
	/* A control transfer to the interface; len bytes of data go out, or *actual of them come
	 * in. NULL: there are none. */
	enum ccid_err (*control)(void *user, uint8_t bmRequestType, uint8_t bRequest,
				 uint16_t wValue, uint16_t wIndex, uint8_t *data, size_t len,
				 size_t *actual, unsigned ms);
	/* One message from the interrupt pipe. NULL: it is not read, the caller looks for cards
	 * from time to time. */
	enum ccid_err (*notice)(void *user, uint8_t *out, size_t cap, size_t *len, unsigned ms);
	/* The transport is done with the hooks. NULL: nothing to do. */
	void (*end)(void *user);
};

/* desc: the reader (ccid_desc_of() makes it of the descriptors). Reads the table of data rates.
 * *out is the caller's, to be ended by ops->close(). CCID_ERR_NOMEM; CCID_ERR_NOT_SUPPORTED for a
 * reader without bulk pipes: after an error `end` was not called. */
enum ccid_err pipes_open(const struct pipes *p, const struct ccid_desc *desc,
			 struct transport **out);

#endif
