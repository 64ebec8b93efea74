/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* EFI_SMART_CARD_READER_PROTOCOL: what is known of reader and card. */
#include "reader.h"

#include <string.h>

/* PC/SC part 10: what a feature's control code begins with is in the list of features; here it is what the core
 * writes into it. */
#define CODE_ESCAPE SCARD_CTL_CODE(1u)
#define CODE_VERIFY_PIN_DIRECT SCARD_CTL_CODE(0x330000u + 0x06u)
#define CODE_MODIFY_PIN_DIRECT SCARD_CTL_CODE(0x330000u + 0x07u)
#define CODE_TLV_PROPERTIES SCARD_CTL_CODE(0x330000u + 0x12u)

/* PC/SC part 3 */
#define ATTRIB_MAX_INPUT 0x0007A007u
#define ATTRIB_PROTOCOL_TYPE 0x00080201u
#define ATTRIB_PRESENCE 0x00090300u
#define ATTRIB_INTERFACE_STATUS 0x00090301u
#define ATTRIB_ATR 0x00090303u
#define PRESENT_NOT_SWALLOWED 2

/* Copies n bytes to a caller who has room for *room; *room becomes n. `to` may be NULL for the length alone. */
static EFI_STATUS give(void *to, UINTN *room, const void *from, UINTN n)
{
	UINTN had = *room;

	*room = n;
	if (!to)
		return EFI_SUCCESS;
	if (had < n)
		return EFI_BUFFER_TOO_SMALL;
	memcpy(to, from, n);
	return EFI_SUCCESS;
}

static UINTN name_size(const struct efi_reader *r)
{
	UINTN n = 0;

	while (r->name[n])
		n++;
	return (n + 1) * sizeof r->name[0];
}

/* EFI_NO_MEDIA is not an error of this one. */
static EFI_STATUS look(struct efi_reader *r, UINT32 *state)
{
	EFI_STATUS status = reader_look(r);

	*state = status == EFI_NO_MEDIA ? SCARD_ABSENT :
		 EFI_ERROR(status) ? SCARD_UNKNOWN : r->atr_len > 0 ? SCARD_ACTIVE : SCARD_INACTIVE;
	return status == EFI_NO_MEDIA ? EFI_SUCCESS : status;
}

EFI_STATUS EFIAPI efi_scard_status(EFI_SMART_CARD_READER_PROTOCOL *this, CHAR16 *name, UINTN *name_length,
				   UINT32 *state, UINT32 *protocol, UINT8 *atr, UINTN *atr_length)
{
	struct efi_reader *r = (struct efi_reader *)this;
	EFI_STATUS status, name_status = EFI_SUCCESS, atr_status = EFI_SUCCESS;
	UINT32 seen = SCARD_UNKNOWN;
	EFI_TPL before;

	if ((name && !name_length) || (atr && !atr_length))
		return EFI_INVALID_PARAMETER;
	status = reader_enter(r, &before);
	if (EFI_ERROR(status))
		return status;
	if (state || protocol || atr_length)
		status = look(r, &seen);
	if (state)
		*state = seen;
	if (protocol)
		*protocol = r->active;
	if (name_length)
		name_status = give(name, name_length, r->name, name_size(r));
	if (atr_length)
		atr_status = give(atr, atr_length, r->atr, r->atr_len);
	reader_leave(r, before);
	return EFI_ERROR(status) ? status : EFI_ERROR(name_status) ? name_status : atr_status;
}

struct control {
	const uint8_t *in;
	UINTN length;
	uint8_t *out;
	UINTN room;
};

static enum ccid_err do_control(struct efi_reader *r, UINT32 code, const struct control *c, size_t *n)
{
	switch (code) {
	case CM_IOCTL_GET_FEATURE_REQUEST:
		return ifdccid_features(r->core, READER_SLOT, c->out, c->room, n);
	case CODE_TLV_PROPERTIES:
		return ifdccid_properties(r->core, READER_SLOT, c->out, c->room, n);
	case CODE_VERIFY_PIN_DIRECT:
		return ifdccid_pin_verify(r->core, READER_SLOT, c->in, c->length, c->out, c->room, n);
	case CODE_MODIFY_PIN_DIRECT:
		return ifdccid_pin_modify(r->core, READER_SLOT, c->in, c->length, c->out, c->room, n);
	case CODE_ESCAPE:
		return ifdccid_escape(r->core, READER_SLOT, c->in, c->length, c->out, c->room, n);
	default:
		return CCID_ERR_NOT_SUPPORTED;
	}
}

EFI_STATUS EFIAPI efi_scard_control(EFI_SMART_CARD_READER_PROTOCOL *this, UINT32 code, UINT8 *in, UINTN in_length,
				    UINT8 *out, UINTN *out_length)
{
	struct efi_reader *r = (struct efi_reader *)this;
	struct control c = { in, in_length, out, 0 };
	EFI_STATUS status;
	EFI_TPL before;
	size_t n = 0;

	if ((!in && in_length > 0) || (out && !out_length))
		return EFI_INVALID_PARAMETER;
	status = reader_enter(r, &before);
	if (EFI_ERROR(status))
		return status;
	c.room = out ? *out_length : 0;
	status = reader_status(r, do_control(r, code, &c, &n));
	if (!EFI_ERROR(status) && out_length)
		*out_length = n;
	reader_leave(r, before);
	return status;
}

/* Room for the longest attribute. */
struct value {
	uint8_t bytes[IFDCCID_ATR_MAX];
	UINTN length;
};

static EFI_STATUS put(struct value *v, const void *bytes, UINTN length)
{
	memcpy(v->bytes, bytes, length);
	v->length = length;
	return EFI_SUCCESS;
}

static EFI_STATUS get_attrib(struct efi_reader *r, UINT32 attrib, struct value *v)
{
	UINT32 state;
	EFI_STATUS status = look(r, &state);
	uint8_t present = state == SCARD_ABSENT ? 0 : PRESENT_NOT_SWALLOWED, powered = r->atr_len > 0;
	UINT32 max = ifdccid_desc(r->core)->dwMaxCCIDMessageLength - CCID_HEADER_LENGTH;

	if (EFI_ERROR(status))
		return status;
	switch (attrib) {
	case ATTRIB_ATR:
		return put(v, r->atr, r->atr_len);
	case ATTRIB_PRESENCE:
		return put(v, &present, 1);
	case ATTRIB_INTERFACE_STATUS:
		return put(v, &powered, 1);
	case ATTRIB_MAX_INPUT:
		return put(v, &max, sizeof max);
	case ATTRIB_PROTOCOL_TYPE:
		return put(v, &r->active, sizeof r->active);
	default:
		return EFI_UNSUPPORTED;
	}
}

EFI_STATUS EFIAPI efi_scard_get_attrib(EFI_SMART_CARD_READER_PROTOCOL *this, UINT32 attrib, UINT8 *out,
				       UINTN *out_length)
{
	struct efi_reader *r = (struct efi_reader *)this;
	struct value v = { { 0 }, 0 };
	EFI_STATUS status;
	EFI_TPL before;

	if (!out_length)
		return EFI_INVALID_PARAMETER;
	status = reader_enter(r, &before);
	if (EFI_ERROR(status))
		return status;
	status = get_attrib(r, attrib, &v);
	if (!EFI_ERROR(status))
		status = give(out, out_length, v.bytes, v.length);
	reader_leave(r, before);
	return status;
}
