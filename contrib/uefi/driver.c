/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The UEFI driver: binds to interfaces of class 0B, and gives each an EFI_SMART_CARD_READER_PROTOCOL. */
#include "port.h"
#include "reader.h"

#include "util/port.h"

#define DRIVER_VERSION 0x10u	/* of all versions of a driver the highest is asked first */

static EFI_GUID usb_guid = EFI_USB_IO_PROTOCOL_GUID;
static EFI_GUID reader_guid = EFI_SMART_CARD_READER_PROTOCOL_GUID;
static EFI_GUID binding_guid = EFI_DRIVER_BINDING_PROTOCOL_GUID;
static EFI_GUID image_guid = EFI_LOADED_IMAGE_PROTOCOL_GUID;

/* All that were ever started, the gone ones too: TPL_CALLBACK guards it. */
static struct efi_reader *readers;

static EFI_STATUS EFIAPI supported(EFI_DRIVER_BINDING_PROTOCOL *this, EFI_HANDLE handle, EFI_DEVICE_PATH *rest)
{
	EFI_USB_IO_PROTOCOL *io;
	EFI_STATUS status = efi_boot->OpenProtocol(handle, &usb_guid, (VOID **)&io, this->DriverBindingHandle, handle,
						   EFI_OPEN_PROTOCOL_BY_DRIVER);

	(void)rest;
	if (EFI_ERROR(status))
		return status;
	if (!efi_usb_is_reader(io))
		status = EFI_UNSUPPORTED;
	efi_boot->CloseProtocol(handle, &usb_guid, this->DriverBindingHandle, handle);
	return status;
}

static struct efi_reader *find(EFI_HANDLE handle)
{
	struct efi_reader *r = readers;

	while (r && (r->handle != handle || r->state == READER_GONE || r->state == READER_LEAVING))
		r = r->next;
	return r;
}

static EFI_STATUS open_and_install(EFI_HANDLE handle, EFI_USB_IO_PROTOCOL *io)
{
	struct efi_reader *r = port_alloc(sizeof *r);
	EFI_STATUS status;

	if (!r)
		return EFI_OUT_OF_RESOURCES;
	r->handle = handle;
	status = efi_reader_open(r, io);
	if (EFI_ERROR(status)) {
		port_free(r);
		return status;
	}
	r->next = readers;
	readers = r;
	status = efi_boot->InstallProtocolInterface(&r->handle, &reader_guid, EFI_NATIVE_INTERFACE, &r->protocol);
	if (EFI_ERROR(status))
		efi_reader_stop(r);
	return status;
}

static EFI_STATUS EFIAPI start(EFI_DRIVER_BINDING_PROTOCOL *this, EFI_HANDLE handle, EFI_DEVICE_PATH *rest)
{
	EFI_USB_IO_PROTOCOL *io;
	EFI_TPL before = efi_boot->RaiseTPL(TPL_CALLBACK);
	EFI_STATUS status = efi_boot->OpenProtocol(handle, &usb_guid, (VOID **)&io, this->DriverBindingHandle, handle,
						   EFI_OPEN_PROTOCOL_BY_DRIVER);

	(void)rest;
	if (!EFI_ERROR(status)) {
		status = open_and_install(handle, io);
		if (EFI_ERROR(status))
			efi_boot->CloseProtocol(handle, &usb_guid, this->DriverBindingHandle, handle);
	}
	efi_boot->RestoreTPL(before);
	return status;
}

/* Also in the middle of a call of the protocol. */
static EFI_STATUS EFIAPI stop(EFI_DRIVER_BINDING_PROTOCOL *this, EFI_HANDLE handle, UINTN n_children,
			      EFI_HANDLE *children)
{
	EFI_TPL before = efi_boot->RaiseTPL(TPL_CALLBACK);
	struct efi_reader *r = find(handle);
	EFI_STATUS status = EFI_DEVICE_ERROR;

	(void)n_children;
	(void)children;
	if (r)
		status = efi_boot->UninstallProtocolInterface(handle, &reader_guid, &r->protocol);
	if (!EFI_ERROR(status)) {
		efi_reader_stop(r);
		efi_boot->CloseProtocol(handle, &usb_guid, this->DriverBindingHandle, handle);
	}
	efi_boot->RestoreTPL(before);
	return status;
}

static EFI_DRIVER_BINDING_PROTOCOL binding = {
	.Supported = supported,
	.Start = start,
	.Stop = stop,
	.Version = DRIVER_VERSION,
};

/* A reader whose call is still running needs this code. */
static bool is_in_use(void)
{
	for (const struct efi_reader *r = readers; r; r = r->next)
		if (r->state == READER_BUSY || r->state == READER_LEAVING)
			return true;
	return false;
}

static EFI_STATUS stop_all(void)
{
	for (struct efi_reader *r = readers; r; r = r->next) {
		EFI_STATUS status = EFI_SUCCESS;

		if (r->state != READER_GONE)
			status = efi_boot->DisconnectController(r->handle, binding.DriverBindingHandle, NULL);
		if (EFI_ERROR(status))
			return status;
	}
	return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI unload(EFI_HANDLE image)
{
	EFI_STATUS status = is_in_use() ? EFI_ACCESS_DENIED : stop_all();

	if (!EFI_ERROR(status))
		status = efi_boot->UninstallProtocolInterface(image, &binding_guid, &binding);
	if (EFI_ERROR(status))
		return status;
	while (readers) {
		struct efi_reader *r = readers;

		readers = r->next;
		port_free(r);
	}
	efi_port_end();
	return EFI_SUCCESS;
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *table);
EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *table)
{
	EFI_LOADED_IMAGE *loaded;
	EFI_STATUS status;

	efi_port_begin(table);
	status = efi_boot->HandleProtocol(image, &image_guid, (VOID **)&loaded);
	if (EFI_ERROR(status))
		return status;
	loaded->Unload = unload;
	binding.ImageHandle = image;
	binding.DriverBindingHandle = image;
	return efi_boot->InstallProtocolInterface(&image, &binding_guid, EFI_NATIVE_INTERFACE, &binding);
}
