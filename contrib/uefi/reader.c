/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "reader.h"

#include "port.h"

#include <string.h>

static EFI_STATUS status_of(enum ccid_err err)
{
	static const EFI_STATUS table[CCID_ERR_COUNT] = {
		[CCID_OK] = EFI_SUCCESS,
		[CCID_ERR_ARG] = EFI_INVALID_PARAMETER,
		[CCID_ERR_NOMEM] = EFI_OUT_OF_RESOURCES,
		[CCID_ERR_NO_DEVICE] = EFI_DEVICE_ERROR,
		[CCID_ERR_STALE] = EFI_DEVICE_ERROR,
		[CCID_ERR_NO_CARD] = EFI_NO_MEDIA,
		[CCID_ERR_MUTE] = EFI_TIMEOUT,
		[CCID_ERR_TIMEOUT] = EFI_TIMEOUT,
		[CCID_ERR_COMM] = EFI_DEVICE_ERROR,
		[CCID_ERR_PARITY] = EFI_DEVICE_ERROR,
		[CCID_ERR_PROTOCOL] = EFI_PROTOCOL_ERROR,
		[CCID_ERR_BUSY] = EFI_ACCESS_DENIED,
		[CCID_ERR_TOO_LONG] = EFI_UNSUPPORTED,
		[CCID_ERR_OVERFLOW] = EFI_BUFFER_TOO_SMALL,
		[CCID_ERR_NOT_SUPPORTED] = EFI_UNSUPPORTED,
		[CCID_ERR_PROTO_UNSUPPORTED] = EFI_UNSUPPORTED,
		[CCID_ERR_PTS] = EFI_DEVICE_ERROR,
		[CCID_ERR_TAG] = EFI_UNSUPPORTED,
		[CCID_ERR_SHORT_BUFFER] = EFI_BUFFER_TOO_SMALL,
		[CCID_ERR_POWER] = EFI_NOT_READY,
		[CCID_ERR_CONFIG] = EFI_DEVICE_ERROR,
	};

	return (unsigned)err < CCID_ERR_COUNT ? table[err] : EFI_DEVICE_ERROR;
}

void reader_forget_card(struct efi_reader *r)
{
	memset(r->atr, 0, sizeof r->atr);
	r->atr_len = 0;
	r->active = SCARD_PROTOCOL_UNDEFINED;
}

EFI_STATUS reader_status(struct efi_reader *r, enum ccid_err err)
{
	if (err == CCID_ERR_NO_CARD || err == CCID_ERR_POWER)
		reader_forget_card(r);
	return r->usb.gone ? EFI_DEVICE_ERROR : status_of(err);
}

EFI_STATUS reader_look(struct efi_reader *r)
{
	bool present = false;
	enum ccid_err err = ifdccid_presence(r->core, READER_SLOT, &present);

	return reader_status(r, err == CCID_OK && !present ? CCID_ERR_NO_CARD : err);
}

static void release(struct efi_reader *r)
{
	ifdccid_close(r->core);
	r->core = NULL;
	reader_forget_card(r);
	r->connection = CONNECTED_NOT;
	r->state = READER_GONE;
	r->usb.gone = true;
}

EFI_STATUS reader_enter(struct efi_reader *r, EFI_TPL *before)
{
	EFI_STATUS status;

	if (!r)
		return EFI_INVALID_PARAMETER;
	*before = efi_boot->RaiseTPL(TPL_CALLBACK);
	if (r->state != READER_IDLE) {
		status = r->state == READER_BUSY ? EFI_ACCESS_DENIED : EFI_DEVICE_ERROR;
		efi_boot->RestoreTPL(*before);
		return status;
	}
	r->state = READER_BUSY;
	r->usb.outside = *before;
	return EFI_SUCCESS;
}

void reader_leave(struct efi_reader *r, EFI_TPL before)
{
	if (r->state == READER_LEAVING)
		release(r);
	else
		r->state = READER_IDLE;
	efi_boot->RestoreTPL(before);
}

static EFI_STATUS open_core(struct efi_reader *r)
{
	struct ccid_desc desc;
	struct pipes pipes = efi_usb_pipes(&r->usb);
	struct transport *transport = NULL;
	enum ccid_err err;

	memset(&desc, 0, sizeof desc);
	err = efi_usb_open(&r->usb, &desc);
	if (err == CCID_OK)
		err = pipes_open(&pipes, &desc, &transport);
	if (err == CCID_OK)
		err = ifdccid_open(transport, NULL, &r->core);
	return status_of(err);
}

EFI_STATUS efi_reader_open(struct efi_reader *r, EFI_USB_IO_PROTOCOL *io)
{
	static const CHAR16 nameless[] = { 'C', 'C', 'I', 'D', ' ', 'r', 'e', 'a', 'd', 'e', 'r', 0 };

	r->protocol = efi_smart_card_functions;
	r->usb.io = io;
	if (efi_usb_product(io, r->name, READER_NAME_MAX) == 0)
		memcpy(r->name, nameless, sizeof nameless);
	return open_core(r);
}

void efi_reader_stop(struct efi_reader *r)
{
	if (r->state == READER_BUSY) {
		r->usb.gone = true;
		r->state = READER_LEAVING;
		ifdccid_gone(r->core);
		return;
	}
	r->usb.outside = TPL_CALLBACK;
	release(r);
}
