/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From a device name to a claimed CCID or ICCD interface. */
#include "transport/usb_bulk.h"
#include "transport/usb_control.h"
#include "transport/usb_error.h"
#include "transport/usb_iccd.h"
#include "transport/usb_intr.h"
#include "transport/usb_request.h"
#include "transport/usb_find.h"
#include "transport/usb_node.h"
#include "util/buf.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GET_DATA_RATES 0x03	/* CCID 1.10 §5.3.3 */
#define CONTROL_MS 1000u
#define CLAIM_MS 1500u
#define RATES_MAX 256u

struct usb_host {
	struct pump pump;
};

enum ccid_err usb_host_new(struct usb_host **out)
{
	struct usb_host *host = calloc(1, sizeof *host);
	enum ccid_err err = CCID_ERR_NOMEM;

	errno = 0;
	if (host)
		err = pump_init(&host->pump);
	if (err != CCID_OK)
		err = usb_open_failed(NULL, "libusb cannot be initialised", LIBUSB_ERROR_OTHER,
				      errno);
	if (err != CCID_OK) {
		free(host);
		host = NULL;
	}
	*out = host;
	return err;
}

bool usb_host_free(struct usb_host *host)
{
	if (!host)
		return true;
	if (pump_sweep(&host->pump) > 0)
		return false;
	pump_destroy(&host->pump);
	free(host);
	return true;
}

/* A string descriptor (index 0: the languages), at most 255 bytes. Returns how many came. */
static size_t read_descriptor(struct usb_transport *u, uint8_t index, uint16_t language,
			      uint8_t *out)
{
	const struct usb_setup setup = { 0x80, LIBUSB_REQUEST_GET_DESCRIPTOR,
					 LIBUSB_DT_STRING << 8 | index, language, 255 };
	struct deadline d = deadline_in_ms(CONTROL_MS);
	size_t len = 0;

	if (usb_control(u, 0, &setup, out, &len, &d) != CCID_OK || len < 2 ||
	    out[1] != LIBUSB_DT_STRING)
		return 0;
	return out[0] < len ? out[0] : len;
}

/* A string as printable ASCII, NULL when there is none. */
static char *usb_read_string(struct usb_transport *u, uint8_t index, uint16_t language)
{
	uint8_t text[255];
	size_t len = index ? read_descriptor(u, index, language, text) / 2 : 0;
	char *out;

	if (len < 2)
		return NULL;
	out = malloc(len);
	if (!out)
		return NULL;
	for (size_t i = 1; i < len; i++) {
		uint16_t c = get_le16(text + 2 * i);

		out[i - 1] = (char)(c >= 0x20 && c < 0x7F ? c : '?');
	}
	out[len - 1] = '\0';
	return out;
}

static void usb_read_strings(struct usb_transport *u, const struct libusb_device_descriptor *dd)
{
	uint8_t languages[255];
	uint16_t language;

	if (!dd->iManufacturer && !dd->iSerialNumber && !dd->iProduct)
		return;
	if (read_descriptor(u, 0, 0, languages) < 4)
		return;
	language = get_le16(languages + 2);
	u->t.manufacturer = usb_read_string(u, dd->iManufacturer, language);
	u->t.serial_number = usb_read_string(u, dd->iSerialNumber, language);
	/* One that does not give its strings is not asked for a third. */
	if ((u->t.manufacturer || !dd->iManufacturer) && (u->t.serial_number || !dd->iSerialNumber))
		u->t.product = usb_read_string(u, dd->iProduct, language);
}

static void usb_read_rates(struct usb_transport *u)
{
	uint8_t answer[4 * RATES_MAX];
	unsigned announced = u->t.desc.bNumDataRatesSupported;
	const struct usb_setup setup = { 0xA1, GET_DATA_RATES, 0, u->t.desc.bInterfaceNumber,
					 (uint16_t)(4 * announced) };
	struct deadline d = deadline_in_ms(CONTROL_MS);
	size_t len = 0;

	/* 0: every rate from dwDataRate to dwMaxDataRate (CCID 1.10 table 5.1-1). Readers that are
	 * asked all the same are seen to answer zeros or rubbish. */
	if (announced == 0)
		return;
	if (usb_control(u, 0, &setup, answer, &len, &d) != CCID_OK || len == 0)
		return;
	u->t.data_rates = malloc(len / 4 * sizeof(uint32_t) + sizeof(uint32_t));
	if (!u->t.data_rates)
		return;
	u->t.n_data_rates = ccid_rates_parse(u->t.data_rates, len / 4, answer, len, announced);
	if (u->t.n_data_rates == 0) {
		LOG(LOG_INFO, &u->t.log, "data-rate table of %zu bytes ignored", len);
		free(u->t.data_rates);
		u->t.data_rates = NULL;
	}
}

static const struct transport_ops bulk_ops = {
	.start = usb_start,
	.wait = usb_wait,
	.finish = usb_finish,
	.abort = usb_abort,
	.card_told = usb_card_told,
	.want_reset = usb_want_reset,
	.wait_change = usb_wait_change,
	.stop_change = usb_stop_change,
	.mark_changed = usb_mark_changed,
	.set_gone = usb_set_gone,
	.set_closed = usb_set_closed,
	.reopen = usb_reopen,
	.bus_path = usb_bus_path,
	.close = usb_close,
};

/* A reader without an interrupt endpoint says nothing by itself. */
static const struct transport_ops quiet_ops = {
	.start = usb_start,
	.wait = usb_wait,
	.finish = usb_finish,
	.abort = usb_abort,
	.want_reset = usb_want_reset,
	.set_gone = usb_set_gone,
	.set_closed = usb_set_closed,
	.reopen = usb_reopen,
	.bus_path = usb_bus_path,
	.close = usb_close,
};

static const struct transport_ops iccd_ops = {
	.start = usb_iccd_start,
	.wait = usb_iccd_wait,
	.finish = usb_iccd_finish,
	.wait_change = usb_wait_change,
	.stop_change = usb_stop_change,
	.mark_changed = usb_mark_changed,
	.set_gone = usb_set_gone,
	.set_closed = usb_set_closed,
	.reopen = usb_iccd_reopen,
	.bus_path = usb_bus_path,
	.close = usb_close,
};

/* Everything that needs the claimed interface. */
static enum ccid_err set_up(struct usb_transport *u, const struct libusb_device_descriptor *dd)
{
	bool bulk = u->t.desc.bInterfaceProtocol == CCID_PROTOCOL_BULK;
	enum ccid_err err;

	u->t.ops = !bulk ? &iccd_ops
		 : u->t.desc.interrupt_in ? &bulk_ops : &quiet_ops;
	err = usb_make_slots(u);
	if (err == CCID_OK && bulk)
		err = usb_bulk_init(u);
	if (err == CCID_OK && bulk && u->t.desc.interrupt_in)
		err = usb_intr_init(u);
	if (err != CCID_OK)
		return err;
	usb_control_init(u);
	usb_read_strings(u, dd);
	if (!bulk)
		return usb_iccd_open(u);
	usb_read_rates(u);
	usb_intr_start(u);
	return CCID_OK;
}

static void usb_open_undo(struct usb_transport *u)
{
	u->t.ops = &bulk_ops;
	u->t.ops->close(&u->t);
}

/* No wait for a program that had the interface the last time, too, nor for one of several
 * readers. */
static enum ccid_err claim(struct usb_transport *u, const struct usb_open_request *rq,
			   enum usb_failure before)
{
	bool wait = before != USB_CLAIMED && !rq->name->of_class;
	struct deadline d = deadline_in_ms(wait ? CLAIM_MS : 0);
	enum ccid_err err;

	u->failure_logged = before == USB_CLAIMED;
	err = usb_claim(u, &d);
	u->failure_logged = false;
	if (err == CCID_ERR_BUSY)
		usb_failure_claimed(rq->failures, u->name.bus, u->name.address, u->name.interface);
	return err;
}

/* Everything from the claim on. */
static enum ccid_err open_interface(struct usb_transport *u, const struct usb_open_request *rq,
				    const struct libusb_device_descriptor *dd)
{
	const struct usb_name *name = &u->name;
	enum usb_failure before = usb_failure_of(rq->failures, name->bus, name->address,
						 name->interface);
	enum ccid_err err;

	if (before == USB_HOPELESS || (before == USB_FAILED && rq->name->of_class)) {
		LOG(LOG_INFO, &u->t.log,
		    "interface %d is left alone for a minute: it did not work when it was opened: "
		    "plug the reader in again to have it tried at once",
		    name->interface);
		return CCID_ERR_COMM;
	}
	err = claim(u, rq, before);
	if (err != CCID_OK)
		return err;
	u->t.bus = (uint8_t)name->bus;
	u->t.address = (uint8_t)name->address;
	err = set_up(u, dd);
	if (err != CCID_OK)
		usb_failure_note(rq->failures, name->bus, name->address, name->interface, err);
	return err;
}

static enum ccid_err open_named(struct usb_host *host, const struct usb_open_request *rq,
				const struct usb_name *name, struct transport **out)
{
	struct usb_transport *u = calloc(1, sizeof *u);
	struct libusb_device_descriptor dd;
	enum ccid_err err;
	int rc = 0;

	if (!u)
		return CCID_ERR_NOMEM;
	u->t.log = *rq->log;
	u->name = *name;
	u->pump = &host->pump;
	u->fd = -1;
	pump_sweep(u->pump);
	pthread_mutex_init(&u->lock, NULL);
	waiter_init(&u->reaper, WAIT_COMMAND);
	err = usb_open_handle(u);
	errno = 0;
	if (err == CCID_OK)
		rc = libusb_get_device_descriptor(libusb_get_device(u->handle), &dd);
	if (rc != 0)
		err = usb_open_failed(&u->t.log, "no device descriptor", rc, errno);
	if (err == CCID_OK)
		err = usb_find_interface(libusb_get_device(u->handle), &dd, &u->name, &u->t.log,
					 &u->t.desc, &u->t.ccid_interfaces);
	if (err == CCID_OK)
		rc = usb_identify(libusb_get_device(u->handle), u->name.interface, &u->identity);
	if (rc != 0)
		err = usb_open_failed(&u->t.log, "no descriptors", rc, errno);
	if (err == CCID_OK)
		err = open_interface(u, rq, &dd);
	if (err != CCID_OK) {
		usb_open_undo(u);
		return err;
	}
	*out = &u->t;
	return CCID_OK;
}

enum ccid_err usb_open(struct usb_host *host, const struct usb_open_request *rq,
		       struct transport **out)
{
	struct usb_name name = *rq->name;
	enum ccid_err err;

	*out = NULL;
	if (name.node[0] != '\0')
		return open_named(host, rq, &name, out);
	do {
		err = usb_find_next(rq, &name);
		if (err != CCID_OK)
			return err;
		err = open_named(host, rq, &name, out);
	} while (err != CCID_OK && err != CCID_ERR_NOMEM && rq->name->of_class);
	return err;
}
