/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transport/usb_find.h"

#include "transport/usb_error.h"
#include "transport/usb_ignored.h"
#include "wire/ccid_interface.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

const uint8_t *usb_class_descriptor(const struct libusb_interface_descriptor *alt, size_t *len)
{
	const uint8_t *p = ccid_desc_find(alt->extra, (size_t)alt->extra_length, len);

	for (unsigned i = alt->bNumEndpoints; !p && i > 0; i--) {
		const struct libusb_endpoint_descriptor *ep = &alt->endpoint[i - 1];

		p = ccid_desc_find(ep->extra, (size_t)ep->extra_length, len);
	}
	return p;
}

bool usb_is_reader(const struct libusb_interface_descriptor *alt)
{
	size_t len = 0;
	const uint8_t *p = usb_class_descriptor(alt, &len);

	return ccid_desc_is_reader(alt->bInterfaceClass, p, len);
}

int usb_identify(libusb_device *dev, int interface, struct usb_identity *out)
{
	struct libusb_config_descriptor *config;
	int rc;

	memset(out, 0, sizeof *out);
	rc = libusb_get_device_descriptor(dev, &out->device);
	if (rc != 0)
		return rc;
	/* A device that was just reset may be slow to say which one is active. */
	if (libusb_get_active_config_descriptor(dev, &config) != 0)
		return 0;
	out->bConfigurationValue = config->bConfigurationValue;
	for (unsigned i = 0; i < config->bNumInterfaces; i++) {
		const struct libusb_interface_descriptor *alt = config->interface[i].altsetting;
		const uint8_t *p;
		size_t len;

		if (config->interface[i].num_altsetting < 1 || alt->bInterfaceNumber != interface)
			continue;
		out->bInterfaceClass = alt->bInterfaceClass;
		out->bInterfaceProtocol = alt->bInterfaceProtocol;
		p = usb_class_descriptor(alt, &len);
		if (p)
			memcpy(out->class_descriptor, p,
			       len < sizeof out->class_descriptor ? len
								  : sizeof out->class_descriptor);
	}
	libusb_free_config_descriptor(config);
	return 0;
}

bool usb_same_identity(const struct usb_identity *a, const struct usb_identity *b)
{
	if (a->bConfigurationValue == 0 || b->bConfigurationValue == 0)
		return memcmp(&a->device, &b->device, sizeof a->device) == 0;
	return memcmp(&a->device, &b->device, sizeof a->device) == 0 &&
	       a->bConfigurationValue == b->bConfigurationValue &&
	       a->bInterfaceClass == b->bInterfaceClass &&
	       a->bInterfaceProtocol == b->bInterfaceProtocol &&
	       memcmp(a->class_descriptor, b->class_descriptor, sizeof a->class_descriptor) == 0;
}

const char *usb_interface_fault(const struct libusb_interface_descriptor *alt, struct ccid_desc *d)
{
	size_t len = 0;
	const uint8_t *p = usb_class_descriptor(alt, &len);

	for (unsigned i = 0; p && i < alt->bNumEndpoints; i++)
		ccid_desc_endpoint(d, alt->endpoint[i].bEndpointAddress,
				   alt->endpoint[i].bmAttributes, alt->endpoint[i].wMaxPacketSize);
	return ccid_desc_interface(d, alt->bInterfaceNumber, alt->bInterfaceClass,
				   alt->bInterfaceProtocol, p, len);
}

static enum ccid_err judge(const struct libusb_interface_descriptor *alt, const struct log_ctx *log,
			   struct ccid_desc *d)
{
	const char *why = usb_interface_fault(alt, d);

	if (!why)
		return CCID_OK;
	LOG(LOG_CRITICAL, log, "interface %u cannot be used: %s", (unsigned)alt->bInterfaceNumber,
	    why);
	return CCID_ERR_NO_DEVICE;
}

enum ccid_err usb_find_interface(libusb_device *dev, const struct libusb_device_descriptor *dd,
				 struct usb_name *name, const struct log_ctx *log,
				 struct ccid_desc *desc, unsigned *n_interfaces)
{
	struct libusb_config_descriptor *config;
	const struct libusb_interface_descriptor *chosen = NULL;
	enum ccid_err err = CCID_ERR_NO_DEVICE;
	int rc;

	*desc = (struct ccid_desc){ .idVendor = dd->idVendor, .idProduct = dd->idProduct,
				    .bcdDevice = dd->bcdDevice };
	*n_interfaces = 0;
	if (name->idVendor &&
	    (name->idVendor != dd->idVendor || name->idProduct != dd->idProduct)) {
		LOG(LOG_INFO, log, "another device is there now: %04x:%04x", dd->idVendor,
		    dd->idProduct);
		return CCID_ERR_NO_DEVICE;
	}
	errno = 0;
	rc = libusb_get_active_config_descriptor(dev, &config);
	if (rc != 0)
		rc = libusb_get_config_descriptor(dev, 0, &config);
	if (rc != 0)
		return usb_open_failed(log, "no configuration descriptor", rc, errno);
	for (unsigned i = 0; i < config->bNumInterfaces; i++) {
		const struct libusb_interface *iface = &config->interface[i];
		const struct libusb_interface_descriptor *alt = iface->altsetting;

		if (iface->num_altsetting < 1 || !usb_is_reader(alt))
			continue;
		++*n_interfaces;
		if (!chosen && (name->interface < 0 || alt->bInterfaceNumber == name->interface))
			chosen = alt;
	}
	if (chosen) {
		err = judge(chosen, log, desc);
		name->interface = chosen->bInterfaceNumber;
	} else {
		LOG(LOG_INFO, log, "this is not a CCID reader: %s",
		    name->interface < 0 ? "it has no CCID interface"
					: "the interface that is asked for is not one of CCID");
	}
	libusb_free_config_descriptor(config);
	return err;
}

/* A reader that any driver of the class may take: not what merely looks like one. */
static bool is_of_class(const struct libusb_interface_descriptor *alt)
{
	struct ccid_desc desc = { 0 };

	return alt->bInterfaceClass == CCID_CLASS && alt->bInterfaceSubClass == 0 &&
	       !usb_interface_fault(alt, &desc);
}

static bool may_be_taken(const struct usb_open_request *rq, libusb_device *dev,
			 const struct libusb_interface *iface)
{
	const struct libusb_interface_descriptor *alt = iface->altsetting;

	if (iface->num_altsetting < 1 || !usb_is_reader(alt) ||
	    (rq->name->of_class && !is_of_class(alt)))
		return false;
	return !rq->taken || !rq->taken(rq->user, libusb_get_bus_number(dev),
					libusb_get_device_address(dev), alt->bInterfaceNumber);
}

/* In the order in which devices came to their bus. */
static unsigned long place_of(unsigned bus, unsigned address, int interface)
{
	return (unsigned long)bus << 16 | address << 8 | (unsigned)(interface + 1);
}

/* The device's CCID interface that is not taken, of those behind `after` the nearest, if it is
 * nearer than *found. */
static void look_at(libusb_device *dev, const struct usb_open_request *rq, unsigned long after,
		    struct usb_name *found, unsigned long *nearest)
{
	unsigned bus = libusb_get_bus_number(dev), address = libusb_get_device_address(dev);
	struct libusb_config_descriptor *config;

	if (libusb_get_active_config_descriptor(dev, &config) != 0)
		return;
	for (unsigned i = 0; i < config->bNumInterfaces; i++) {
		const struct libusb_interface *iface = &config->interface[i];
		unsigned long place;

		if (!may_be_taken(rq, dev, iface))
			continue;
		place = place_of(bus, address, iface->altsetting->bInterfaceNumber);
		if (place <= after || place >= *nearest)
			continue;
		*nearest = place;
		found->interface = iface->altsetting->bInterfaceNumber;
		found->bus = bus;
		found->address = address;
	}
	libusb_free_config_descriptor(config);
}

static bool fits(libusb_device *dev, const struct usb_open_request *rq)
{
	const struct usb_name *wanted = rq->name;
	struct libusb_device_descriptor dd;

	if (libusb_get_device_descriptor(dev, &dd) != 0)
		return false;
	if (wanted->of_class)
		return (!rq->listed || !rq->listed(rq->user, dd.idVendor, dd.idProduct)) &&
		       !usb_is_ignored("", libusb_get_bus_number(dev),
				       libusb_get_device_address(dev));
	return !wanted->idVendor ||
	       (dd.idVendor == wanted->idVendor && dd.idProduct == wanted->idProduct);
}

/* Shows the devices of libusb to see() until it returns true. Returns how many there are, or the
 * libusb error; errno is what libusb's list or see() left. */
static ssize_t each_device(libusb_context *ctx, bool (*see)(void *user, libusb_device *dev),
			   void *user)
{
	libusb_device **list;
	ssize_t n;
	int why;

	errno = 0;
	n = libusb_get_device_list(ctx, &list);
	for (ssize_t i = 0; i < n && !see(user, list[i]); i++)
		;
	why = errno;
	if (n >= 0)
		libusb_free_device_list(list, 1);
	errno = why;
	return n;
}

/* The search for the next interface. */
struct search {
	const struct usb_open_request *rq;
	unsigned long after, nearest;
	struct usb_name *found;
};

static bool see_candidate(void *user, libusb_device *dev)
{
	struct search *s = user;

	if (fits(dev, s->rq))
		look_at(dev, s->rq, s->after, s->found, &s->nearest);
	return false;
}

enum ccid_err usb_find_next(const struct usb_open_request *rq, struct usb_name *found)
{
	struct search s = { rq, place_of(found->bus, found->address, found->interface), ULONG_MAX,
			    found };
	libusb_context *ctx;
	ssize_t n;
	int rc;

	/* The pump's context may know no devices: look with one of our own. */
	errno = 0;
	rc = libusb_init(&ctx);
	if (rc != 0)
		return usb_open_failed(rq->log, "libusb cannot be initialised", rc, errno);
	n = each_device(ctx, see_candidate, &s);
	rc = errno;
	libusb_exit(ctx);
	if (n < 0)
		return usb_open_failed(rq->log, "libusb lists no devices", (int)n, rc);
	if (s.nearest == ULONG_MAX)
		return CCID_ERR_NO_DEVICE;
	snprintf(found->node, sizeof found->node, "/dev/bus/usb/%03u/%03u", found->bus,
		 found->address);
	return CCID_OK;
}

/* A device by its address: what is asked of it, and what came of that. */
struct addressed {
	unsigned bus, address;
	char *ports;			/* USB_PORTS_CAP bytes */
	bool has_ports;
	libusb_device_handle **handle;
	int rc;
};

static bool is_at(libusb_device *dev, const struct addressed *a)
{
	return libusb_get_bus_number(dev) == a->bus && libusb_get_device_address(dev) == a->address;
}

static bool name_ports(libusb_device *dev, unsigned bus, char out[USB_PORTS_CAP])
{
	uint8_t ports[8];
	int depth = libusb_get_port_numbers(dev, ports, sizeof ports);
	size_t len = 0;

	for (int k = 0; k < depth && len < USB_PORTS_CAP; k++)
		len += (size_t)snprintf(out + len, USB_PORTS_CAP - len, k ? ".%u" : "%u-%u",
					k ? ports[k] : bus, ports[k]);
	return len > 0 && len < USB_PORTS_CAP;
}

static bool see_ports(void *user, libusb_device *dev)
{
	struct addressed *a = user;

	a->has_ports = is_at(dev, a) && name_ports(dev, a->bus, a->ports);
	return a->has_ports;
}

bool usb_find_ports(unsigned bus, unsigned address, char out[USB_PORTS_CAP])
{
	struct addressed a = { .bus = bus, .address = address, .ports = out };
	libusb_context *ctx;

	/* The pump's context may know no devices. */
	if (libusb_init(&ctx) != 0)
		return false;
	each_device(ctx, see_ports, &a);
	libusb_exit(ctx);
	return a.has_ports;
}

static bool see_opening(void *user, libusb_device *dev)
{
	struct addressed *a = user;

	if (is_at(dev, a))
		a->rc = libusb_open(dev, a->handle);
	return a->rc != LIBUSB_ERROR_NO_DEVICE;
}

/* By libusb's list of devices, for systems whose nodes libusb cannot be handed. */
static int open_by_address(libusb_context *ctx, const struct usb_name *name,
			   libusb_device_handle **handle)
{
	struct addressed a = { .bus = name->bus, .address = name->address, .handle = handle,
			       .rc = LIBUSB_ERROR_NO_DEVICE };

	each_device(ctx, see_opening, &a);
	return a.rc;
}

int usb_wrap_node(libusb_context *ctx, int fd, const struct usb_name *name,
		  libusb_device_handle **handle)
{
#ifdef HAVE_LIBUSB_WRAP_SYS_DEVICE
	if (fd >= 0)
		return libusb_wrap_sys_device(ctx, fd, handle);
#else
	(void)fd;
#endif
	return open_by_address(ctx, name, handle);
}
