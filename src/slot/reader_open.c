/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "slot/reader_open.h"

#include "transport/serial.h"
#include "transport/usb_failures.h"

#include <errno.h>
#include <string.h>

/* The reader's transport, and what belongs to it before the first command. */
static enum ccid_err open_transport(struct reader *r, struct usb_host *host,
				    struct device_list *devices, const struct usb_open_request *rq,
				    const struct log_ctx *log)
{
	enum ccid_err err;

	if (rq)
		err = usb_open(host, rq, &r->transport);
	else
		err = serial_open(r->device_name, log, &r->transport);
	if (err != CCID_OK)
		return err;
	if (rq) {
		r->device = device_get(devices, r->transport->bus, r->transport->address);
		if (!r->device)
			return CCID_ERR_NOMEM;
	}
	err = reader_prepare(r, log);
	if (err == CCID_OK && quirk_has(&r->quirks, QUIRK_SHARED_GATE))
		device_share_gate(r->device, r->transport);
	return err;
}

/* What the attempt came to, for the next one. */
static void note_attempt(const struct reader *r, const struct usb_open_request *rq,
			 enum ccid_err err)
{
	const struct transport *t = r->transport;

	/* Without one the transport has noted it. */
	if (rq && t)
		usb_failure_note(rq->failures, t->bus, t->address, t->desc.bInterfaceNumber, err);
}

enum ccid_err reader_open(struct reader *r, struct usb_host *host, struct device_list *devices,
			  const struct usb_open_request *rq, unsigned long lun, unsigned number,
			  struct slot **first)
{
	struct log_ctx log = reader_log(r, lun);
	enum ccid_err err = open_transport(r, host, devices, rq, &log);

	*first = NULL;
	if (err == CCID_OK)
		err = reader_first_slot(r, lun, number, &log, first);
	if (err == CCID_ERR_NOMEM)
		LOG(LOG_CRITICAL, &log, "not opened: %s: end other programs, restart pcscd",
		    strerror(ENOMEM));
	note_attempt(r, rq, err);
	if (err != CCID_OK)
		reader_end(r);
	return err;
}

void reader_end(struct reader *r)
{
	reader_close(r);
	device_put(r->device);
	r->device = NULL;
}
