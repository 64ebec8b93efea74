/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef UEFI_READER_H
#define UEFI_READER_H

#include "efi_smart_card_reader.h"
#include "usb.h"

#define READER_NAME_MAX 64u	/* characters, with the closing zero */

/* A reader that the driver has bound, and its protocol. The readers' only list is the driver's (driver.c).
 *
 * Each function of the protocol runs at TPL_CALLBACK, so that the firmware does not unplug the reader meanwhile; only
 * while it waits for the reader it lets the firmware look at its ports now and then (usb.c). Then a reader
 * may be stopped in the middle of a call:
 *
 *	state		event				next
 *	READER_IDLE	a call begins			READER_BUSY
 *	READER_BUSY	the call ends			READER_IDLE
 *	READER_BUSY	the driver is stopped		READER_LEAVING
 *	READER_LEAVING	the call ends			READER_GONE
 *	READER_IDLE	the driver is stopped		READER_GONE
 *
 * A reader that is gone has no memory left but its struct: a program that still holds the protocol is told
 * EFI_DEVICE_ERROR. The struct goes when the driver is unloaded. */
enum reader_state { READER_IDLE, READER_BUSY, READER_LEAVING, READER_GONE };

/* What a program is connected to. */
enum reader_connection { CONNECTED_NOT, CONNECTED_READER, CONNECTED_CARD };

struct efi_reader {
	EFI_SMART_CARD_READER_PROTOCOL protocol;	/* first: This is the reader */
	enum reader_state state;
	enum reader_connection connection;
	EFI_HANDLE handle;
	struct efi_usb usb;
	struct ifdccid *core;
	CHAR16 name[READER_NAME_MAX];
	uint8_t atr[IFDCCID_ATR_MAX];
	size_t atr_len;					/* 0: the card is not powered */
	UINT32 active;					/* SCARD_PROTOCOL_... of the powered card */
	struct efi_reader *next;			/* the driver's */
};

/* The slot that the protocol is for: UEFI knows readers with one slot only. */
#define READER_SLOT 0u

/* Each function of the protocol is between the two. EFI_ACCESS_DENIED: another call is running; EFI_DEVICE_ERROR: the
 * reader is gone; EFI_INVALID_PARAMETER: r is NULL. *before: for reader_leave(). */
EFI_STATUS reader_enter(struct efi_reader *r, EFI_TPL *before);
void reader_leave(struct efi_reader *r, EFI_TPL before);
/* The card lost its power, or is another one. */
void reader_forget_card(struct efi_reader *r);
/* Between the two: is there a card? EFI_NO_MEDIA, EFI_DEVICE_ERROR. */
EFI_STATUS reader_look(struct efi_reader *r);
/* The core's errors as the protocol has them; a card that is out is forgotten. */
EFI_STATUS reader_status(struct efi_reader *r, enum ccid_err err);

/* The protocol's functions (smart_card.c). */
extern const EFI_SMART_CARD_READER_PROTOCOL efi_smart_card_functions;
/* The functions that ask for a status: status.c. */
EFI_STATUS EFIAPI efi_scard_status(EFI_SMART_CARD_READER_PROTOCOL *this, CHAR16 *name, UINTN *name_length,
				   UINT32 *state, UINT32 *protocol, UINT8 *atr, UINTN *atr_length);
EFI_STATUS EFIAPI efi_scard_control(EFI_SMART_CARD_READER_PROTOCOL *this, UINT32 code, UINT8 *in, UINTN in_length,
				    UINT8 *out, UINTN *out_length);
EFI_STATUS EFIAPI efi_scard_get_attrib(EFI_SMART_CARD_READER_PROTOCOL *this, UINT32 attrib, UINT8 *out,
				       UINTN *out_length);

/* Opens the device behind `io`, which the caller has for itself. On success the protocol may be installed.
 * EFI_DEVICE_ERROR: it does not answer; EFI_UNSUPPORTED: its descriptors cannot be used; EFI_OUT_OF_RESOURCES. */
EFI_STATUS efi_reader_open(struct efi_reader *r, EFI_USB_IO_PROTOCOL *io);
/* The device is not touched any more after this. */
void efi_reader_stop(struct efi_reader *r);

#endif
