/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "PCSCv2part10.h"

/* Both lists are tag, length, value; only the order of a value's bytes differs. Returns the value of the
 * first entry with that tag, NULL when there is none; an entry that claims more than there is ends
 * the list. */
static const uint8_t *find(const uint8_t *list, size_t len, uint8_t tag, size_t *value_len)
{
	while (len >= 2 && list[1] <= len - 2) {
		if (list[0] == tag) {
			*value_len = list[1];
			return list + 2;
		}
		len -= 2u + list[1];
		list += 2 + list[1];
	}
	return NULL;
}

uint32_t part10_control_code(const uint8_t *list, size_t len, uint8_t feature)
{
	size_t n;
	const uint8_t *v = find(list, len, feature, &n);

	/* part 10 §2.2: four bytes, the most significant first */
	if (!v || n != 4)
		return 0;
	return (uint32_t)v[0] << 24 | (uint32_t)v[1] << 16 | (uint32_t)v[2] << 8 | v[3];
}

const uint8_t *part10_property_bytes(const uint8_t *list, size_t len, uint8_t property, size_t *value_len)
{
	return find(list, len, property, value_len);
}

enum part10_found part10_property(const uint8_t *list, size_t len, uint8_t property, uint32_t *value)
{
	size_t n;
	const uint8_t *v = find(list, len, property, &n);
	uint32_t sum = 0;

	if (!v)
		return PART10_NOT_THERE;
	if (n != 1 && n != 2 && n != 4)
		return PART10_NOT_A_NUMBER;
	/* part 10 §2.6.14: the least significant first */
	while (n-- > 0)
		sum = sum << 8 | v[n];
	*value = sum;
	return PART10_FOUND;
}
