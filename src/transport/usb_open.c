/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From a device name to a claimed CCID or ICCD interface. */
#include "transport/usb_engine.h"

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
#define CLAIM_RETRY_MS 50u
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

/* What libusb's code means; for "other" and "input/output" the errno that its system call left
 * tells more. */
static int errno_of(int rc, int left)
{
	switch (rc) {
	case LIBUSB_ERROR_ACCESS:
		return EACCES;
	case LIBUSB_ERROR_NO_MEM:
		return ENOMEM;
	case LIBUSB_ERROR_BUSY:
		return EBUSY;
	case LIBUSB_ERROR_NO_DEVICE:
	case LIBUSB_ERROR_NOT_FOUND:
		return ENODEV;
	default:
		return left ? left : EIO;
	}
}

static const char *advice(int error)
{
	switch (error) {
	case EACCES:
		return "install the udev rules, and plug the reader in again";
	case EPERM:
		return "allow pcscd the device (USBGuard, SELinux, the container's devices)";
	case EMFILE:
	case ENFILE:
		return "raise pcscd's limit of open files (LimitNOFILE)";
	case ENOMEM:
	case ENOSPC:
		return "free memory or USB bandwidth, or use another port";
	case EBUSY:
		return "end the program that uses it";
	default:
		return "plug the reader in again, and see the kernel's log";
	}
}

bool usb_errno_is_gone(int error)
{
	return error == ENODEV || error == ENOENT || error == ENXIO;
}

enum ccid_err usb_open_failed_at(enum log_level level, const struct log_ctx *log, const char *step,
				 int rc, int left)
{
	int error = errno_of(rc, left);

	if (usb_errno_is_gone(error)) {
		LOG(LOG_INFO, log, "%s: %s: it is gone", step, strerror(error));
		return CCID_ERR_NO_DEVICE;
	}
	LOG(level, log, "%s: %s: %s", step, strerror(error), advice(error));
	return error == EACCES || error == EPERM ? CCID_ERR_BUSY : CCID_ERR_COMM;
}

enum ccid_err usb_open_failed(const struct log_ctx *log, const char *step, int rc, int left)
{
	return usb_open_failed_at(LOG_CRITICAL, log, step, rc, left);
}

/* What fails again at each call was told the first time. */
static enum log_level level_of(const struct usb_transport *u)
{
	return u->reopen_failed ? LOG_PERIODIC : LOG_CRITICAL;
}

static enum ccid_err failed(const struct usb_transport *u, const char *step, int rc, int left)
{
	return usb_open_failed_at(level_of(u), &u->t.log, step, rc, left);
}

/* The node may appear a moment before udev made it ours; absence is final. */
static enum ccid_err open_node(struct usb_transport *u)
{
	char step[sizeof u->name.node + 16];

	u->fd = usb_node_open(u->name.node);
	if (u->fd >= 0 || errno == ENOSYS)
		return CCID_OK;
	snprintf(step, sizeof step, "cannot open %s", u->name.node);
	return failed(u, step, LIBUSB_ERROR_OTHER, errno);
}

static enum ccid_err open_handle(struct usb_transport *u)
{
	enum ccid_err err = open_node(u);
	int rc;

	if (err != CCID_OK)
		return err;
	errno = 0;
	rc = usb_wrap_node(u->pump->ctx, u->fd, &u->name, &u->handle);
	if (rc == 0)
		return CCID_OK;
	err = failed(u, "libusb cannot use the device", rc, errno);
	if (u->fd >= 0)
		usb_node_close(u->fd);
	u->fd = -1;
	u->handle = NULL;
	return err;
}

static void close_handle(struct usb_transport *u)
{
	if (u->handle)
		libusb_close(u->handle);
	u->handle = NULL;
	if (u->fd >= 0)
		usb_node_close(u->fd);
	u->fd = -1;
}

/* Takes the interface from the kernel's drivers and waits a short while for another program. */
static enum ccid_err claim(struct usb_transport *u, const struct deadline *d)
{
	int interface = u->t.desc.bInterfaceNumber;
	char step[40];
	int rc;

	libusb_set_auto_detach_kernel_driver(u->handle, 1);
	errno = 0;
	while ((rc = libusb_claim_interface(u->handle, interface)) == LIBUSB_ERROR_BUSY &&
	       !deadline_passed(d)) {
		/* It may be ours: closed, but for transfers that were long in coming back. */
		pump_sweep(u->pump);
		deadline_sleep_ms(d, CLAIM_RETRY_MS);
	}
	if (rc == 0)
		return CCID_OK;
	if (rc != LIBUSB_ERROR_BUSY) {
		snprintf(step, sizeof step, "interface %d cannot be claimed", interface);
		return failed(u, step, rc, errno);
	}
	LOG(level_of(u), &u->t.log,
	    "interface %d is claimed by another program. Often it is GnuPG's scdaemon: "
	    "put \"disable-ccid\" into scdaemon.conf and end scdaemon "
	    "(gpgconf --kill scdaemon)",
	    interface);
	return CCID_ERR_BUSY;
}

/* A node's number may be another device's by now. */
static enum ccid_err check_identity(struct usb_transport *u)
{
	struct usb_identity now;
	int rc;

	errno = 0;
	rc = usb_identify(libusb_get_device(u->handle), u->t.desc.bInterfaceNumber, &now);
	if (rc != 0)
		return failed(u, "no descriptors", rc, errno);
	if (memcmp(&now, &u->identity, sizeof now) == 0)
		return CCID_OK;
	LOG(LOG_INFO, &u->t.log, "another device is there now: %04x:%04x", now.device.idVendor,
	    now.device.idProduct);
	return CCID_ERR_NO_DEVICE;
}

enum ccid_err usb_attach(struct usb_transport *u, const struct deadline *d)
{
	enum ccid_err err = open_handle(u);

	if (err != CCID_OK)
		return err;
	err = check_identity(u);
	if (err == CCID_OK)
		err = claim(u, d);
	if (err != CCID_OK)
		close_handle(u);
	return err;
}

void usb_detach(struct usb_transport *u)
{
	if (u->handle)
		libusb_release_interface(u->handle, u->t.desc.bInterfaceNumber);
	close_handle(u);
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
static char *read_string(struct usb_transport *u, uint8_t index, uint16_t language)
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

static void read_strings(struct usb_transport *u, const struct libusb_device_descriptor *dd)
{
	uint8_t languages[255];
	uint16_t language;

	if (!dd->iManufacturer && !dd->iSerialNumber && !dd->iProduct)
		return;
	if (read_descriptor(u, 0, 0, languages) < 4)
		return;
	language = get_le16(languages + 2);
	u->t.manufacturer = read_string(u, dd->iManufacturer, language);
	u->t.serial_number = read_string(u, dd->iSerialNumber, language);
	/* One that does not give its strings is not asked for a third. */
	if ((u->t.manufacturer || !dd->iManufacturer) && (u->t.serial_number || !dd->iSerialNumber))
		u->t.product = read_string(u, dd->iProduct, language);
}

static void read_rates(struct usb_transport *u)
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

/* Everything that needs the claimed interface. */
static enum ccid_err set_up(struct usb_transport *u, const struct libusb_device_descriptor *dd)
{
	bool bulk = u->t.desc.bInterfaceProtocol == CCID_PROTOCOL_BULK;
	enum ccid_err err;

	u->t.ops = !bulk ? &usb_iccd_ops
		 : u->t.desc.interrupt_in ? &usb_bulk_ops : &usb_bulk_quiet_ops;
	err = usb_engine_init(u);
	if (err == CCID_OK && bulk)
		err = usb_bulk_init(u);
	if (err == CCID_OK && bulk && u->t.desc.interrupt_in)
		err = usb_intr_init(u);
	if (err != CCID_OK)
		return err;
	usb_control_init(u);
	read_strings(u, dd);
	if (!bulk)
		return usb_iccd_open(u);
	read_rates(u);
	usb_intr_start(u);
	return CCID_OK;
}

static void give_up(struct usb_transport *u)
{
	u->t.ops = &usb_bulk_ops;
	u->t.ops->close(&u->t);
}

static enum ccid_err open_named(struct usb_host *host, const struct usb_open_request *rq,
				const struct usb_name *name, struct transport **out)
{
	struct usb_transport *u = calloc(1, sizeof *u);
	struct deadline claimed = deadline_in_ms(CLAIM_MS);
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
	err = open_handle(u);
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
		err = claim(u, &claimed);
	if (err == CCID_OK) {
		u->t.bus = (uint8_t)u->name.bus;
		u->t.address = (uint8_t)u->name.address;
		err = set_up(u, &dd);
	}
	if (err != CCID_OK) {
		give_up(u);
		return err;
	}
	*out = &u->t;
	return CCID_OK;
}

enum ccid_err usb_open(struct usb_host *host, const struct usb_open_request *rq,
		       struct transport **out)
{
	struct usb_name name = *rq->name;

	*out = NULL;
	if (name.node[0] == '\0') {
		enum ccid_err err = usb_find_first(rq, &name);

		if (err != CCID_OK)
			return err;
	}
	return open_named(host, rq, &name, out);
}
