/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The ten functions pcscd calls. Each finds the slot, lets the layers below do the work, and
 * gives the slot back; nothing is kept here. Calls for different slots run at once. */
#include "ifdh/ifdh.h"

#include "transport/serial.h"

#include <reader.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))

/* Opens the slot of Lun by pcscd's device name. IFD_NO_SUCH_DEVICE: no reader of ours. */
static RESPONSECODE create_by_name(DWORD Lun, LPSTR DeviceName)
{
	return ifdh_code(DeviceName ? registry_open(Lun, DeviceName) : CCID_ERR_ARG);
}

/* A reader.conf without a device name: the serial port of that number, else the first free
 * supported reader; Channel says nothing about USB. */
static RESPONSECODE create(DWORD Lun, DWORD Channel)
{
	char name[32];
	bool serial = serial_channel_name(Channel, name, sizeof name);

	return ifdh_code(registry_open(Lun, serial ? name : NULL));
}

/* Also while a command runs on the slot: that one ends with IFD_NO_SUCH_DEVICE. */
static RESPONSECODE close_channel(DWORD Lun)
{
	return ifdh_code(registry_close(Lun));
}

static RESPONSECODE get_capabilities(DWORD Lun, DWORD Tag, PDWORD Length, PUCHAR Value)
{
	struct slot *s;
	enum ccid_err err;

	if (!Length)
		return ifdh_code(CCID_ERR_ARG);
	s = registry_get(Lun);
	if (!s) {
		*Length = 0;
		return ifdh_code(CCID_ERR_NO_DEVICE);
	}
	err = ifdh_get_cap(s, Tag, Length, Value);
	registry_put(s);
	return ifdh_code(err);
}

static RESPONSECODE set_capabilities(DWORD Lun, DWORD Tag, DWORD Length, PUCHAR Value)
{
	struct slot *s = registry_get(Lun);
	RESPONSECODE code;

	if (!s)
		return ifdh_code(CCID_ERR_NO_DEVICE);
	code = ifdh_set_cap(s, Tag, Length, Value);
	registry_put(s);
	return code;
}

/* Flags and PTS bytes would replace what the driver finds out by itself: pcscd never sends any. */
static RESPONSECODE ask_protocol(DWORD Lun, DWORD Protocol, UCHAR Flags, UCHAR PTS1, UCHAR PTS2,
				 UCHAR PTS3)
{
	struct slot *s;
	enum ccid_err err;

	(void)PTS1;
	(void)PTS2;
	(void)PTS3;
	if (Flags != 0)
		return ifdh_code(CCID_ERR_NOT_SUPPORTED);
	if (Protocol != SCARD_PROTOCOL_T0 && Protocol != SCARD_PROTOCOL_T1)
		return ifdh_code(CCID_ERR_PROTO_UNSUPPORTED);
	s = registry_get(Lun);
	if (!s)
		return ifdh_code(CCID_ERR_NO_DEVICE);
	err = slot_set_protocol(s, Protocol == SCARD_PROTOCOL_T1 ? 1 : 0);
	registry_put(s);
	return ifdh_code(err);
}

/* Whatever went wrong, the power action did, unless there is no reader any more: so says
 * ifdhandler.h. */
static enum ccid_err power_error(enum ccid_err err)
{
	return err == CCID_OK || err == CCID_ERR_NO_DEVICE ? err : CCID_ERR_POWER;
}

static enum ccid_err power(struct slot *s, DWORD Action, PUCHAR Atr, size_t *len)
{
	uint8_t atr[ATR_MAX];
	enum ccid_err err;

	*len = 0;
	switch (Action) {
	case IFD_POWER_UP:
	case IFD_RESET:
		err = Action == IFD_RESET ? slot_reset(s, atr, len) : slot_power_on(s, atr, len);
		if (err || *len > sizeof atr)
			*len = 0;
		memcpy(Atr, atr, *len);
		return power_error(err);
	case IFD_POWER_DOWN:
		memset(Atr, 0, MAX_ATR_SIZE);
		return power_error(slot_power_off(s));
	default:
		return CCID_ERR_NOT_SUPPORTED;
	}
}

/* Atr has room for MAX_ATR_SIZE bytes, whatever *AtrLength is: pcscd does not always set it. */
static RESPONSECODE power_icc(DWORD Lun, DWORD Action, PUCHAR Atr, PDWORD AtrLength)
{
	struct slot *s;
	enum ccid_err err;
	size_t len;

	if (!AtrLength || !Atr)
		return ifdh_code(CCID_ERR_ARG);
	*AtrLength = 0;
	s = registry_get(Lun);
	if (!s)
		return ifdh_code(CCID_ERR_NO_DEVICE);
	err = power(s, Action, Atr, &len);
	registry_put(s);
	*AtrLength = (DWORD)len;
	return ifdh_code(err);
}

/* An answer longer than the buffer is signalled by *RxLength alone. */
static RESPONSECODE transmit(DWORD Lun, SCARD_IO_HEADER SendPci, PUCHAR TxBuffer, DWORD TxLength,
			     PUCHAR RxBuffer, PDWORD RxLength, PSCARD_IO_HEADER RecvPci)
{
	struct slot *s;
	enum ccid_err err;
	size_t cap, len = 0;

	(void)SendPci;
	(void)RecvPci;
	if (!RxLength)
		return ifdh_code(CCID_ERR_ARG);
	cap = *RxLength;
	*RxLength = 0;
	if (!TxBuffer || TxLength == 0 || (!RxBuffer && cap > 0))
		return ifdh_code(CCID_ERR_ARG);
	s = registry_get(Lun);
	if (!s)
		return ifdh_code(CCID_ERR_NO_DEVICE);
	err = slot_transmit(s, TxBuffer, TxLength, RxBuffer, cap, &len);
	registry_put(s);
	*RxLength = err != CCID_OK ? 0 : (DWORD)len;
	return ifdh_code(err);
}

static RESPONSECODE any_control(DWORD Lun, DWORD dwControlCode, PUCHAR TxBuffer, DWORD TxLength,
				PUCHAR RxBuffer, DWORD RxLength, LPDWORD pdwBytesReturned)
{
	struct slot *s;
	RESPONSECODE code;
	size_t returned;

	if (!pdwBytesReturned)
		return ifdh_code(CCID_ERR_ARG);
	*pdwBytesReturned = 0;
	s = registry_get(Lun);
	if (!s)
		return ifdh_code(CCID_ERR_NO_DEVICE);
	code = ifdh_control(s, dwControlCode, TxBuffer, TxLength, RxBuffer, RxLength, &returned);
	registry_put(s);
	*pdwBytesReturned = (DWORD)returned;
	return code;
}

static RESPONSECODE presence(DWORD Lun)
{
	struct slot *s = registry_get(Lun);
	bool present = false;
	enum ccid_err err;

	if (!s)
		return ifdh_code(CCID_ERR_NO_DEVICE);
	err = slot_presence(s, &present);
	registry_put(s);
	if (err != CCID_OK)
		return ifdh_code(err);
	return present ? IFD_ICC_PRESENT : IFD_ICC_NOT_PRESENT;
}

/* ---- exported: no thread is cancelled in here ---- */

EXPORT RESPONSECODE IFDHCreateChannelByName(DWORD Lun, LPSTR DeviceName)
{
	int cancelling = ifdh_not_cancelled();
	RESPONSECODE code = create_by_name(Lun, DeviceName);

	ifdh_cancelled_again(cancelling);
	return code;
}

EXPORT RESPONSECODE IFDHCreateChannel(DWORD Lun, DWORD Channel)
{
	int cancelling = ifdh_not_cancelled();
	RESPONSECODE code = create(Lun, Channel);

	ifdh_cancelled_again(cancelling);
	return code;
}

EXPORT RESPONSECODE IFDHCloseChannel(DWORD Lun)
{
	int cancelling = ifdh_not_cancelled();
	RESPONSECODE code = close_channel(Lun);

	ifdh_cancelled_again(cancelling);
	return code;
}

EXPORT RESPONSECODE IFDHGetCapabilities(DWORD Lun, DWORD Tag, PDWORD Length, PUCHAR Value)
{
	int cancelling = ifdh_not_cancelled();
	RESPONSECODE code = get_capabilities(Lun, Tag, Length, Value);

	ifdh_cancelled_again(cancelling);
	return code;
}

EXPORT RESPONSECODE IFDHSetCapabilities(DWORD Lun, DWORD Tag, DWORD Length, PUCHAR Value)
{
	int cancelling = ifdh_not_cancelled();
	RESPONSECODE code = set_capabilities(Lun, Tag, Length, Value);

	ifdh_cancelled_again(cancelling);
	return code;
}

EXPORT RESPONSECODE IFDHSetProtocolParameters(DWORD Lun, DWORD Protocol, UCHAR Flags, UCHAR PTS1,
					      UCHAR PTS2, UCHAR PTS3)
{
	int cancelling = ifdh_not_cancelled();
	RESPONSECODE code = ask_protocol(Lun, Protocol, Flags, PTS1, PTS2, PTS3);

	ifdh_cancelled_again(cancelling);
	return code;
}

EXPORT RESPONSECODE IFDHPowerICC(DWORD Lun, DWORD Action, PUCHAR Atr, PDWORD AtrLength)
{
	int cancelling = ifdh_not_cancelled();
	RESPONSECODE code = power_icc(Lun, Action, Atr, AtrLength);

	ifdh_cancelled_again(cancelling);
	return code;
}

EXPORT RESPONSECODE IFDHTransmitToICC(DWORD Lun, SCARD_IO_HEADER SendPci, PUCHAR TxBuffer,
				      DWORD TxLength, PUCHAR RxBuffer, PDWORD RxLength,
				      PSCARD_IO_HEADER RecvPci)
{
	int cancelling = ifdh_not_cancelled();
	RESPONSECODE code = transmit(Lun, SendPci, TxBuffer, TxLength, RxBuffer, RxLength,
				     RecvPci);

	ifdh_cancelled_again(cancelling);
	return code;
}

EXPORT RESPONSECODE IFDHControl(DWORD Lun, DWORD dwControlCode, PUCHAR TxBuffer, DWORD TxLength,
				PUCHAR RxBuffer, DWORD RxLength, LPDWORD pdwBytesReturned)
{
	int cancelling = ifdh_not_cancelled();
	RESPONSECODE code = any_control(Lun, dwControlCode, TxBuffer, TxLength, RxBuffer, RxLength,
					pdwBytesReturned);

	ifdh_cancelled_again(cancelling);
	return code;
}

EXPORT RESPONSECODE IFDHICCPresence(DWORD Lun)
{
	int cancelling = ifdh_not_cancelled();
	RESPONSECODE code = presence(Lun);

	ifdh_cancelled_again(cancelling);
	return code;
}
