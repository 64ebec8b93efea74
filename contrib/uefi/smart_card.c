/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* EFI_SMART_CARD_READER_PROTOCOL: connecting, and what a connected card does. */
#include "reader.h"

#include "proto/atr.h"

#define PROTOCOLS_KNOWN (SCARD_PROTOCOL_T0 | SCARD_PROTOCOL_T1 | SCARD_PROTOCOL_RAW)

static struct efi_reader *reader_of(EFI_SMART_CARD_READER_PROTOCOL *this)
{
	return (struct efi_reader *)this;
}

/* Which of the protocols that the caller prefers the card is asked for: the ATR's first one if it can be. Each is a
 * bit, T=0 the lowest. */
static UINT32 choose(const struct atr *atr, UINT32 preferred)
{
	UINT32 both = atr->protocols & preferred & (SCARD_PROTOCOL_T0 | SCARD_PROTOCOL_T1);
	UINT32 first = 1u << atr->first_protocol & both;

	if (first)
		return first;
	return both & SCARD_PROTOCOL_T1 ? SCARD_PROTOCOL_T1 : both;
}

static EFI_STATUS reset(struct efi_reader *r)
{
	enum ccid_err err;

	reader_forget_card(r);
	err = ifdccid_power_on(r->core, READER_SLOT, r->atr, &r->atr_len);
	/* A card that does not answer has no ATR to give. */
	if (err == CCID_ERR_MUTE || err == CCID_ERR_TIMEOUT || err == CCID_ERR_PROTOCOL)
		err = CCID_ERR_POWER;
	return reader_status(r, err);
}

static EFI_STATUS settle(struct efi_reader *r, UINT32 preferred)
{
	struct atr atr;
	UINT32 chosen;
	enum ccid_err err;

	if (r->active != SCARD_PROTOCOL_UNDEFINED)
		return r->active & preferred ? EFI_SUCCESS : EFI_UNSUPPORTED;
	if (atr_parse(&atr, r->atr, r->atr_len) != CCID_OK)
		return EFI_NOT_READY;
	chosen = choose(&atr, preferred);
	if (!chosen)
		return EFI_UNSUPPORTED;
	err = ifdccid_protocol(r->core, READER_SLOT, chosen == SCARD_PROTOCOL_T1);
	if (err == CCID_OK)
		r->active = chosen;
	return reader_status(r, err);
}

static EFI_STATUS connect_card(struct efi_reader *r, UINT32 action, UINT32 preferred)
{
	EFI_STATUS status = reader_look(r);

	if (!EFI_ERROR(status) && (action != SCARD_CA_NORESET || r->atr_len == 0))
		status = reset(r);
	if (!EFI_ERROR(status))
		status = settle(r, preferred);
	if (!EFI_ERROR(status))
		r->connection = CONNECTED_CARD;
	return status;
}

static bool connect_makes_sense(UINT32 mode, UINT32 action, UINT32 preferred)
{
	if (mode == SCARD_AM_READER)
		return action == SCARD_CA_NORESET && preferred == SCARD_PROTOCOL_UNDEFINED;
	return mode == SCARD_AM_CARD && action <= SCARD_CA_WARMRESET && preferred != SCARD_PROTOCOL_UNDEFINED &&
	       !(preferred & ~PROTOCOLS_KNOWN);
}

static EFI_STATUS EFIAPI scard_connect(EFI_SMART_CARD_READER_PROTOCOL *this, UINT32 mode, UINT32 action,
				       UINT32 preferred, UINT32 *active)
{
	struct efi_reader *r = reader_of(this);
	EFI_STATUS status;
	EFI_TPL before;

	if (!active || !connect_makes_sense(mode, action, preferred))
		return EFI_INVALID_PARAMETER;
	status = reader_enter(r, &before);
	if (EFI_ERROR(status))
		return status;
	if (r->connection != CONNECTED_NOT)
		status = EFI_ACCESS_DENIED;
	else if (mode == SCARD_AM_READER)
		r->connection = CONNECTED_READER;
	else
		status = connect_card(r, action, preferred);
	if (!EFI_ERROR(status))
		*active = mode == SCARD_AM_CARD ? r->active : SCARD_PROTOCOL_UNDEFINED;
	reader_leave(r, before);
	return status;
}

static EFI_STATUS act_on_card(struct efi_reader *r, UINT32 action)
{
	EFI_STATUS status = reader_look(r);

	if (status == EFI_NO_MEDIA)
		return EFI_SUCCESS;
	if (EFI_ERROR(status) || action == SCARD_CA_NORESET)
		return status;
	if (action != SCARD_CA_UNPOWER)
		return reset(r);
	reader_forget_card(r);
	return reader_status(r, ifdccid_power_off(r->core, READER_SLOT));
}

static EFI_STATUS EFIAPI scard_disconnect(EFI_SMART_CARD_READER_PROTOCOL *this, UINT32 action)
{
	struct efi_reader *r = reader_of(this);
	EFI_STATUS status;
	EFI_TPL before;

	if (action == SCARD_CA_EJECT)
		return EFI_UNSUPPORTED;
	if (!r || action > SCARD_CA_EJECT)
		return EFI_INVALID_PARAMETER;
	status = reader_enter(r, &before);
	if (status == EFI_DEVICE_ERROR)
		return EFI_SUCCESS;	/* with the reader its connections have gone */
	if (EFI_ERROR(status))
		return status;
	if (r->connection == CONNECTED_CARD)
		status = act_on_card(r, action);
	r->connection = CONNECTED_NOT;
	reader_leave(r, before);
	return status;
}

static EFI_STATUS exchange(struct efi_reader *r, const uint8_t *command, UINTN length, uint8_t *answer, UINTN *room)
{
	size_t n = 0;
	enum ccid_err err = ifdccid_transmit(r->core, READER_SLOT, command, length, answer, *room, &n);

	/* Readers say many things of a card that is taken out meanwhile. */
	if (err != CCID_OK && reader_look(r) == EFI_NO_MEDIA)
		err = CCID_ERR_NO_CARD;
	if (err != CCID_OK)
		return reader_status(r, err);
	if (n > *room)
		err = CCID_ERR_SHORT_BUFFER;
	*room = n;
	return reader_status(r, err);
}

static EFI_STATUS EFIAPI scard_transmit(EFI_SMART_CARD_READER_PROTOCOL *this, UINT8 *command, UINTN length,
					UINT8 *answer, UINTN *room)
{
	struct efi_reader *r = reader_of(this);
	EFI_STATUS status;
	EFI_TPL before;

	if (!command || length == 0 || !answer || !room)
		return EFI_INVALID_PARAMETER;
	status = reader_enter(r, &before);
	if (EFI_ERROR(status))
		return status;
	if (r->connection != CONNECTED_CARD || r->atr_len == 0)
		status = reader_look(r);
	if (!EFI_ERROR(status) && (r->connection != CONNECTED_CARD || r->atr_len == 0))
		status = EFI_NOT_READY;
	if (!EFI_ERROR(status))
		status = exchange(r, command, length, answer, room);
	reader_leave(r, before);
	return status;
}

const EFI_SMART_CARD_READER_PROTOCOL efi_smart_card_functions = {
	.SCardConnect = scard_connect,
	.SCardDisconnect = scard_disconnect,
	.SCardStatus = efi_scard_status,
	.SCardTransmit = scard_transmit,
	.SCardControl = efi_scard_control,
	.SCardGetAttrib = efi_scard_get_attrib,
};
