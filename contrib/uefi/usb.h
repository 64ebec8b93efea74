/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef UEFI_USB_H
#define UEFI_USB_H

#include "efi_usb_io.h"

#include "core/ifdccid.h"
#include "util/deadline.h"

/* The USB side: an interface's descriptors and pipes, by EFI_USB_IO_PROTOCOL. */

struct efi_usb {
	EFI_USB_IO_PROTOCOL *io;	/* not to be used when `gone` */
	EFI_TPL outside;		/* TPL of the caller that waits: in between the firmware runs at it */
	bool gone;			/* the firmware took the interface back */
	uint8_t bulk_in, bulk_out;	/* bEndpointAddress */
	uint8_t interrupt_in;		/* 0: not read */
	uint16_t interrupt_packet;
	bool card_out;			/* heard since the last command went out */
	struct deadline out_until;	/* then: of the command's answer */
};

/* A bulk-only interface of class 0B. */
bool efi_usb_is_reader(EFI_USB_IO_PROTOCOL *io);
/* u->io is set. Fills the rest, and *desc. CCID_ERR_COMM: no descriptors are to be had; CCID_ERR_NOT_SUPPORTED: they
 * cannot be used; CCID_ERR_NOMEM. u->outside is TPL_CALLBACK then: nothing runs in between. */
enum ccid_err efi_usb_open(struct efi_usb *u, struct ccid_desc *desc);
/* The hooks of the interface, for pipes_open(); u stays in place as long as they are used. */
struct pipes efi_usb_pipes(struct efi_usb *u);
/* The device's own name (iProduct) in name[cap], with its closing zero; "" when there is none. Returns the length
 * without the zero. */
UINTN efi_usb_product(EFI_USB_IO_PROTOCOL *io, CHAR16 *name, UINTN cap);

#endif
