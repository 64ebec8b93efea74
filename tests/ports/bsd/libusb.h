/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef PORTS_BSD_LIBUSB_H
#define PORTS_BSD_LIBUSB_H

/* The part of libusb that the driver may use on other systems than Linux (FreeBSD has its own
 * libusb; NetBSD and macOS have libusb without Linux's parts): no libusb_wrap_sys_device(), no
 * options, an API version below 1.0.3. For -fsyntax-only: the order of members does not matter. */
#include <stdint.h>
#include <sys/time.h>

#define LIBUSB_API_VERSION 0x01000102
#define LIBUSB_CALL
#define LIBUSB_CONTROL_SETUP_SIZE 8

enum libusb_error {
	LIBUSB_SUCCESS = 0, LIBUSB_ERROR_IO = -1, LIBUSB_ERROR_INVALID_PARAM = -2, LIBUSB_ERROR_ACCESS = -3,
	LIBUSB_ERROR_NO_DEVICE = -4, LIBUSB_ERROR_NOT_FOUND = -5, LIBUSB_ERROR_BUSY = -6, LIBUSB_ERROR_TIMEOUT = -7,
	LIBUSB_ERROR_OVERFLOW = -8, LIBUSB_ERROR_PIPE = -9, LIBUSB_ERROR_INTERRUPTED = -10, LIBUSB_ERROR_NO_MEM = -11,
	LIBUSB_ERROR_NOT_SUPPORTED = -12, LIBUSB_ERROR_OTHER = -99,
};
enum libusb_transfer_status {
	LIBUSB_TRANSFER_COMPLETED, LIBUSB_TRANSFER_ERROR, LIBUSB_TRANSFER_TIMED_OUT, LIBUSB_TRANSFER_CANCELLED,
	LIBUSB_TRANSFER_STALL, LIBUSB_TRANSFER_NO_DEVICE, LIBUSB_TRANSFER_OVERFLOW,
};
enum { LIBUSB_ENDPOINT_IN = 0x80, LIBUSB_ENDPOINT_OUT = 0x00, LIBUSB_REQUEST_GET_DESCRIPTOR = 6 };
enum { LIBUSB_DT_DEVICE = 1, LIBUSB_DT_CONFIG, LIBUSB_DT_STRING, LIBUSB_DT_INTERFACE, LIBUSB_DT_ENDPOINT };
enum { LIBUSB_TRANSFER_TYPE_MASK = 3, LIBUSB_TRANSFER_TYPE_BULK = 2, LIBUSB_TRANSFER_TYPE_INTERRUPT = 3 };

typedef struct libusb_context libusb_context;
typedef struct libusb_device libusb_device;
typedef struct libusb_device_handle libusb_device_handle;

struct libusb_device_descriptor {
	uint8_t bLength, bDescriptorType;
	uint16_t bcdUSB;
	uint8_t bDeviceClass, bDeviceSubClass, bDeviceProtocol, bMaxPacketSize0;
	uint16_t idVendor, idProduct, bcdDevice;
	uint8_t iManufacturer, iProduct, iSerialNumber, bNumConfigurations;
};
struct libusb_endpoint_descriptor {
	uint8_t bLength, bDescriptorType, bEndpointAddress, bmAttributes;
	uint16_t wMaxPacketSize;
	uint8_t bInterval, bRefresh, bSynchAddress;
	uint8_t *extra;
	int extra_length;
};
struct libusb_interface_descriptor {
	uint8_t bLength, bDescriptorType, bInterfaceNumber, bAlternateSetting, bNumEndpoints, bInterfaceClass,
		bInterfaceSubClass, bInterfaceProtocol, iInterface;
	struct libusb_endpoint_descriptor *endpoint;
	uint8_t *extra;
	int extra_length;
};
struct libusb_interface {
	struct libusb_interface_descriptor *altsetting;
	int num_altsetting;
};
struct libusb_config_descriptor {
	uint8_t bLength, bDescriptorType;
	uint16_t wTotalLength;
	uint8_t bNumInterfaces, bConfigurationValue, iConfiguration, bmAttributes, MaxPower;
	struct libusb_interface *interface;
	uint8_t *extra;
	int extra_length;
};

struct libusb_transfer;
typedef void (LIBUSB_CALL *libusb_transfer_cb_fn)(struct libusb_transfer *transfer);
struct libusb_transfer {
	libusb_device_handle *dev_handle;
	uint8_t flags;
	uint32_t endpoint;
	uint8_t type;
	uint32_t timeout;
	enum libusb_transfer_status status;
	int length, actual_length;
	libusb_transfer_cb_fn callback;
	void *user_data;
	uint8_t *buffer;
	int num_iso_packets;
};

int libusb_init(libusb_context **ctx);
void libusb_exit(libusb_context *ctx);
const char *libusb_error_name(int code);
intptr_t libusb_get_device_list(libusb_context *ctx, libusb_device ***list);
void libusb_free_device_list(libusb_device **list, int unref);
uint8_t libusb_get_bus_number(libusb_device *dev);
uint8_t libusb_get_device_address(libusb_device *dev);
int libusb_get_port_numbers(libusb_device *dev, uint8_t *numbers, uint8_t n);
int libusb_get_device_descriptor(libusb_device *dev, struct libusb_device_descriptor *desc);
int libusb_get_active_config_descriptor(libusb_device *dev, struct libusb_config_descriptor **config);
int libusb_get_config_descriptor(libusb_device *dev, uint8_t i, struct libusb_config_descriptor **config);
void libusb_free_config_descriptor(struct libusb_config_descriptor *config);
int libusb_open(libusb_device *dev, libusb_device_handle **handle);
void libusb_close(libusb_device_handle *handle);
libusb_device *libusb_get_device(libusb_device_handle *handle);
int libusb_claim_interface(libusb_device_handle *handle, int interface);
int libusb_release_interface(libusb_device_handle *handle, int interface);
int libusb_set_auto_detach_kernel_driver(libusb_device_handle *handle, int enable);
int libusb_clear_halt(libusb_device_handle *handle, uint8_t endpoint);
int libusb_reset_device(libusb_device_handle *handle);
struct libusb_transfer *libusb_alloc_transfer(int iso_packets);
void libusb_free_transfer(struct libusb_transfer *transfer);
int libusb_submit_transfer(struct libusb_transfer *transfer);
int libusb_cancel_transfer(struct libusb_transfer *transfer);
void libusb_interrupt_event_handler(libusb_context *ctx);
int libusb_handle_events_timeout_completed(libusb_context *ctx, struct timeval *tv, int *completed);
int libusb_control_transfer(libusb_device_handle *handle, uint8_t type, uint8_t request, uint16_t value,
			    uint16_t index, uint8_t *data, uint16_t len, uint32_t timeout);
int libusb_get_string_descriptor(libusb_device_handle *handle, uint8_t index, uint16_t language, uint8_t *data,
				 int len);
int libusb_get_string_descriptor_ascii(libusb_device_handle *handle, uint8_t index, uint8_t *data, int len);
void libusb_fill_control_setup(uint8_t *buf, uint8_t type, uint8_t request, uint16_t value, uint16_t index,
			       uint16_t len);
void libusb_fill_control_transfer(struct libusb_transfer *t, libusb_device_handle *handle, uint8_t *buf,
				  libusb_transfer_cb_fn callback, void *user, uint32_t timeout);
void libusb_fill_bulk_transfer(struct libusb_transfer *t, libusb_device_handle *handle, uint8_t endpoint,
			       uint8_t *buf, int len, libusb_transfer_cb_fn callback, void *user, uint32_t timeout);
void libusb_fill_interrupt_transfer(struct libusb_transfer *t, libusb_device_handle *handle, uint8_t endpoint,
				    uint8_t *buf, int len, libusb_transfer_cb_fn callback, void *user,
				    uint32_t timeout);

#endif
