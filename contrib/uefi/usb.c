/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "usb.h"

#include "port.h"

#include "util/buf.h"
#include "util/deadline.h"
#include "wire/ccid_interface.h"
#include "wire/ccid_msg.h"

#include <stddef.h>
#include <string.h>

#define GET_DESCRIPTOR 0x06
#define CLEAR_FEATURE 0x01
#define DESCRIPTOR_CONFIGURATION 0x02
#define IN_STANDARD_DEVICE 0x80
#define OUT_STANDARD_ENDPOINT 0x02
#define FEATURE_ENDPOINT_HALT 0
#define DIRECTION_IN 0x80
#define CONTROL_MS 1000u
/* So long the firmware does not look whether a device was unplugged. */
#define SLICE_MS 250u
/* edk2 cuts a longer transfer into pieces at 64 KiB, and waits for the others when the first one ends early. */
#define TRANSFER_MAX (16u << 10)
/* For a notification that is there already. */
#define NOTICE_MS 2u
#define NOTICE_CAP 64u
#define SLOT_CHANGED 2u		/* CCID 1.10 §6.3.1: the bits of slot 0 */
#define SLOT_OCCUPIED 1u
/* A reader that told that the card is out may still answer within this time. */
#define OUT_SILENCE_MS 1000u

bool efi_usb_is_reader(EFI_USB_IO_PROTOCOL *io)
{
	EFI_USB_INTERFACE_DESCRIPTOR d;

	return !EFI_ERROR(io->UsbGetInterfaceDescriptor(io, &d)) && d.InterfaceClass == CCID_CLASS &&
	       d.InterfaceProtocol == CCID_PROTOCOL_BULK;
}

static enum ccid_err err_of(const struct efi_usb *u, EFI_STATUS status)
{
	if (u->gone)
		return CCID_ERR_NO_DEVICE;
	if (!EFI_ERROR(status))
		return CCID_OK;
	return status == EFI_TIMEOUT ? CCID_ERR_TIMEOUT : CCID_ERR_COMM;
}

/* The firmware looks at its ports, and may stop the driver: *u tells. */
static void breathe(const struct efi_usb *u)
{
	efi_boot->RestoreTPL(u->outside);
	efi_boot->RaiseTPL(TPL_CALLBACK);
}

static EFI_STATUS control(EFI_USB_IO_PROTOCOL *io, EFI_USB_DEVICE_REQUEST *rq, void *data, unsigned ms)
{
	UINT32 usb_status = 0;
	EFI_USB_DATA_DIRECTION direction = rq->Length == 0 ? EfiUsbNoData :
					   rq->RequestType & DIRECTION_IN ? EfiUsbDataIn : EfiUsbDataOut;

	return io->UsbControlTransfer(io, rq, direction, ms, data, rq->Length, &usb_status);
}

static enum ccid_err usb_control(void *user, uint8_t bmRequestType, uint8_t bRequest, uint16_t wValue,
				 uint16_t wIndex, uint8_t *data, size_t len, size_t *actual, unsigned ms)
{
	struct efi_usb *u = user;
	EFI_USB_DEVICE_REQUEST rq = { bmRequestType, bRequest, wValue, wIndex, (UINT16)len };
	enum ccid_err err;

	*actual = 0;
	if (u->gone)
		return CCID_ERR_NO_DEVICE;
	/* UEFI does not tell how many bytes came: the others are zero. */
	if (bmRequestType & DIRECTION_IN)
		memset(data, 0, len);
	err = err_of(u, control(u->io, &rq, data, ms > 0 ? ms : 1));
	if (err == CCID_OK)
		*actual = len;
	return err;
}

/* A pipe that the device has halted works again after this (USB 2.0 §9.4.5). */
static void clear_halt(struct efi_usb *u, uint8_t endpoint)
{
	EFI_USB_DEVICE_REQUEST rq = { OUT_STANDARD_ENDPOINT, CLEAR_FEATURE, FEATURE_ENDPOINT_HALT, endpoint, 0 };

	control(u->io, &rq, NULL, CONTROL_MS);
}

/* One transfer; *n is how many bytes were moved. */
static EFI_STATUS bulk(struct efi_usb *u, uint8_t endpoint, void *data, UINTN *n, UINTN ms)
{
	UINT32 usb_status = 0;
	EFI_STATUS status = u->io->UsbBulkTransfer(u->io, endpoint, data, n, ms, &usb_status);

	if (EFI_ERROR(status) && usb_status & EFI_USB_ERR_STALL)
		clear_halt(u, endpoint);
	if (EFI_ERROR(status) && usb_status & EFI_USB_ERR_TIMEOUT)
		status = EFI_TIMEOUT;
	return status;
}

/* Some readers say nothing more of a command whose card was taken out in the middle of it, and only notify. Asked for
 * while an answer is waited for only: this takes a time-out, and a driver that is started when a device is plugged in
 * has none under OVMF before 2023, where the timer stands still. */
static void hear_notices(struct efi_usb *u)
{
	uint8_t m[NOTICE_CAP];
	UINT32 usb_status = 0;

	for (;;) {
		UINTN n = u->interrupt_packet;

		if (!u->interrupt_in || u->gone ||
		    EFI_ERROR(u->io->UsbSyncInterruptTransfer(u->io, u->interrupt_in, m, &n, NOTICE_MS, &usb_status)))
			return;
		if (n >= 2 && m[0] == RDR_TO_PC_NOTIFY_SLOT_CHANGE && m[1] & SLOT_CHANGED) {
			u->card_out = !(m[1] & SLOT_OCCUPIED);
			u->out_until = deadline_in_ms(OUT_SILENCE_MS);
		}
	}
}

static bool is_silent_without_card(struct efi_usb *u)
{
	hear_notices(u);
	return u->card_out && deadline_passed(&u->out_until);
}

static enum ccid_err usb_send(void *user, const uint8_t *message, size_t len, unsigned ms)
{
	struct efi_usb *u = user;
	UINTN n = len;
	EFI_STATUS status;

	if (u->gone)
		return CCID_ERR_NO_DEVICE;
	u->card_out = false;
	status = bulk(u, u->bulk_out, (void *)(uintptr_t)message, &n, ms > 0 ? ms : 1);
	if (EFI_ERROR(status))
		breathe(u);
	return err_of(u, status);
}

/* A transfer that is taken back may have brought whole packets already: they are given. */
static enum ccid_err usb_receive(void *user, uint8_t *out, size_t cap, size_t *len, unsigned ms)
{
	struct efi_usb *u = user;
	struct deadline end = deadline_in_ms(ms);

	*len = 0;
	while (!u->gone) {
		uint64_t left = deadline_left_ms(&end);
		UINTN n = cap < TRANSFER_MAX ? cap : TRANSFER_MAX;
		EFI_STATUS status = bulk(u, u->bulk_in, out, &n, left < 1 ? 1 : left < SLICE_MS ? left : SLICE_MS);

		if (status == EFI_TIMEOUT && n > 0 && n < TRANSFER_MAX && n < cap)
			status = EFI_SUCCESS;
		if (!EFI_ERROR(status)) {
			*len = n;
			return CCID_OK;
		}
		breathe(u);
		if (status != EFI_TIMEOUT || deadline_passed(&end))
			return err_of(u, status);
		if (is_silent_without_card(u))
			return CCID_ERR_NO_CARD;
	}
	return CCID_ERR_NO_DEVICE;
}

/* The whole configuration descriptor with the value `wanted`: the firmware hands out its first 9 bytes only. *data is
 * the caller's, to be freed. */
static enum ccid_err read_configuration(EFI_USB_IO_PROTOCOL *io, const EFI_USB_CONFIG_DESCRIPTOR *wanted,
					unsigned configurations, uint8_t **data)
{
	uint8_t *p = port_alloc(wanted->TotalLength);

	*data = NULL;
	if (!p)
		return CCID_ERR_NOMEM;
	for (unsigned i = 0; i < configurations; i++) {
		EFI_USB_DEVICE_REQUEST rq = { IN_STANDARD_DEVICE, GET_DESCRIPTOR,
					      (UINT16)(DESCRIPTOR_CONFIGURATION << 8 | i), 0, wanted->TotalLength };

		if (!EFI_ERROR(control(io, &rq, p, CONTROL_MS)) && wanted->TotalLength >= sizeof *wanted &&
		    p[offsetof(EFI_USB_CONFIG_DESCRIPTOR, ConfigurationValue)] == wanted->ConfigurationValue) {
			*data = p;
			return CCID_OK;
		}
	}
	port_free(p);
	return CCID_ERR_COMM;
}

enum ccid_err efi_usb_open(struct efi_usb *u, struct ccid_desc *desc)
{
	EFI_USB_DEVICE_DESCRIPTOR device;
	EFI_USB_CONFIG_DESCRIPTOR configuration;
	EFI_USB_INTERFACE_DESCRIPTOR interface;
	uint8_t *data = NULL;
	enum ccid_err err = CCID_ERR_COMM;
	const char *why = NULL;

	u->outside = TPL_CALLBACK;
	if (!EFI_ERROR(u->io->UsbGetDeviceDescriptor(u->io, &device)) &&
	    !EFI_ERROR(u->io->UsbGetConfigDescriptor(u->io, &configuration)) &&
	    !EFI_ERROR(u->io->UsbGetInterfaceDescriptor(u->io, &interface)))
		err = read_configuration(u->io, &configuration, device.NumConfigurations, &data);
	if (err == CCID_OK)
		why = ccid_desc_of(desc, (const uint8_t *)&device, data, configuration.TotalLength,
				   interface.InterfaceNumber);
	port_free(data);
	if (err != CCID_OK || why) {
		port_log(PORT_ERROR, false, why ? why : "no descriptors can be read from this reader");
		return err != CCID_OK ? err : CCID_ERR_NOT_SUPPORTED;
	}
	u->bulk_in = desc->bulk_in;
	u->bulk_out = desc->bulk_out;
	u->interrupt_packet = desc->interrupt_packet;
	if (u->interrupt_packet > 0 && u->interrupt_packet <= NOTICE_CAP)
		u->interrupt_in = desc->interrupt_in;
	return CCID_OK;
}

struct pipes efi_usb_pipes(struct efi_usb *u)
{
	return (struct pipes){ .user = u, .send = usb_send, .receive = usb_receive, .control = usb_control };
}

UINTN efi_usb_product(EFI_USB_IO_PROTOCOL *io, CHAR16 *name, UINTN cap)
{
	EFI_USB_DEVICE_DESCRIPTOR d;
	UINT16 *languages = NULL;
	UINT16 size = 0;
	CHAR16 *text = NULL;
	UINTN n = 0;

	if (!EFI_ERROR(io->UsbGetDeviceDescriptor(io, &d)) && d.StrProduct &&
	    !EFI_ERROR(io->UsbGetSupportedLanguages(io, &languages, &size)) && size >= sizeof *languages &&
	    !EFI_ERROR(io->UsbGetStringDescriptor(io, languages[0], d.StrProduct, &text)) && text) {
		for (; n + 1 < cap && text[n]; n++)
			name[n] = text[n];
		efi_boot->FreePool(text);
	}
	name[n] = 0;
	return n;
}
