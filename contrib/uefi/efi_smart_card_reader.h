/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef EFI_SMART_CARD_READER_H
#define EFI_SMART_CARD_READER_H

#include <efi.h>

/* EFI_SMART_CARD_READER_PROTOCOL (UEFI 2.5, Smart Card Reader Protocol), which gnu-efi does not declare. One
 * is installed on the handle of each reader. */
#define EFI_SMART_CARD_READER_PROTOCOL_GUID \
	{ 0x2a4d1adf, 0x21dc, 0x4b81, { 0xa4, 0x2f, 0x8b, 0x8e, 0xe2, 0x38, 0x00, 0x60 } }

typedef struct efi_smart_card_reader EFI_SMART_CARD_READER_PROTOCOL;

/* AccessMode */
#define SCARD_AM_READER 0x0001u
#define SCARD_AM_CARD 0x0002u
/* CardAction */
#define SCARD_CA_NORESET 0x0000u
#define SCARD_CA_COLDRESET 0x0001u
#define SCARD_CA_WARMRESET 0x0002u
#define SCARD_CA_UNPOWER 0x0003u
#define SCARD_CA_EJECT 0x0004u
/* Protocols: bits */
#define SCARD_PROTOCOL_UNDEFINED 0x0000u
#define SCARD_PROTOCOL_T0 0x0001u
#define SCARD_PROTOCOL_T1 0x0002u
#define SCARD_PROTOCOL_RAW 0x0004u
/* State */
#define SCARD_UNKNOWN 0x0000u
#define SCARD_ABSENT 0x0001u
#define SCARD_INACTIVE 0x0002u
#define SCARD_ACTIVE 0x0003u

/* For SCardControl: 0x42000000 + n. */
#define SCARD_CTL_CODE(n) (0x42000000u + (n))
#define CM_IOCTL_GET_FEATURE_REQUEST SCARD_CTL_CODE(3400u)

struct efi_smart_card_reader {
	EFI_STATUS(EFIAPI *SCardConnect)(EFI_SMART_CARD_READER_PROTOCOL *This, UINT32 AccessMode, UINT32 CardAction,
					 UINT32 PreferredProtocols, UINT32 *ActiveProtocol);
	EFI_STATUS(EFIAPI *SCardDisconnect)(EFI_SMART_CARD_READER_PROTOCOL *This, UINT32 CardAction);
	/* Lengths in bytes, of the buffer at first and of what there is afterwards. */
	EFI_STATUS(EFIAPI *SCardStatus)(EFI_SMART_CARD_READER_PROTOCOL *This, CHAR16 *ReaderName,
					UINTN *ReaderNameLength, UINT32 *State, UINT32 *CardProtocol, UINT8 *Atr,
					UINTN *AtrLength);
	EFI_STATUS(EFIAPI *SCardTransmit)(EFI_SMART_CARD_READER_PROTOCOL *This, UINT8 *CAPDU, UINTN CAPDULength,
					  UINT8 *RAPDU, UINTN *RAPDULength);
	EFI_STATUS(EFIAPI *SCardControl)(EFI_SMART_CARD_READER_PROTOCOL *This, UINT32 ControlCode, UINT8 *InBuffer,
					 UINTN InBufferLength, UINT8 *OutBuffer, UINTN *OutBufferLength);
	EFI_STATUS(EFIAPI *SCardGetAttrib)(EFI_SMART_CARD_READER_PROTOCOL *This, UINT32 Attrib, UINT8 *OutBuffer,
					   UINTN *OutBufferLength);
};

#endif
