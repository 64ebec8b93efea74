/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef SLOT_PART10_H
#define SLOT_PART10_H

#include <stdint.h>

/* Numbers of PC/SC part 10 (§2.2, §2.6.14), for where there is no <reader.h> of pcsc-lite;
 * ifdh_control.c compares them with it. */
enum part10_feature {
	PART10_VERIFY_PIN_DIRECT = 0x06,
	PART10_MODIFY_PIN_DIRECT = 0x07,
	PART10_MCT_READER_DIRECT = 0x08,
	PART10_IFD_PIN_PROPERTIES = 0x0A,
	PART10_GET_TLV_PROPERTIES = 0x12,
	PART10_CCID_ESC_COMMAND = 0x13,
};

enum part10_property {
	PART10_wLcdLayout = 1,
	PART10_bEntryValidationCondition,
	PART10_bTimeOut2,
	PART10_wLcdMaxCharacters,
	PART10_wLcdMaxLines,
	PART10_bMinPINSize,
	PART10_bMaxPINSize,
	PART10_sFirmwareID,
	PART10_bPPDUSupport,
	PART10_dwMaxAPDUDataSize,
	PART10_wIdVendor,
	PART10_wIdProduct,
};

/* How pcsc-lite makes a control code of a number. */
#define PART10_CONTROL_CODE(number) (0x42000000u + (number))

#endif
