/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef SLOT_FEATURES_H
#define SLOT_FEATURES_H

#include "slot/slot_state.h"

/* Control code of a feature, as an offset for SCARD_CTL_CODE(): PC/SC part 10 leaves the values to
 * the driver, applications find them by CM_IOCTL_GET_FEATURE_REQUEST. */
#define FEATURE_CODE_BASE 0x330000u

/* PC/SC part 10: each writes at most cap bytes; CCID_ERR_SHORT_BUFFER and *len = 0 when it does
 * not fit. They take the slot's lock where they need it: call without. */
/* CM_IOCTL_GET_FEATURE_REQUEST (§2.2): TLV list, 6 bytes a feature, value big-endian. */
enum ccid_err features_list(struct slot *s, uint8_t *out, size_t cap, size_t *len);
/* FEATURE_IFD_PIN_PROPERTIES (§2.5.5): PIN_PROPERTIES_STRUCTURE in host order.
 * CCID_ERR_NOT_SUPPORTED for a reader without a PIN pad. */
enum ccid_err features_pin_properties(struct slot *s, uint8_t *out, size_t cap, size_t *len);
/* FEATURE_GET_TLV_PROPERTIES (§2.6.14): values little-endian. May send an Escape. */
enum ccid_err features_tlv_properties(struct slot *s, uint8_t *out, size_t cap, size_t *len);
/* May this Escape command go out? By ifdDriverOptions or by a quirk that allows that command. */
bool features_escape_allowed(const struct slot *s, const uint8_t *cmd, size_t len);
bool features_has_pin_verify(const struct slot *s);
bool features_has_pin_modify(const struct slot *s);
/* Is FEATURE_MCT_READER_DIRECT offered? */
bool features_has_mct(const struct slot *s);

#endif
