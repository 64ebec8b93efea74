/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Prints the flags of reader 1234:5678. check_newcomer.py compiles it with the quirks of a copy of
 * the tree. */
#include "quirks/quirks.h"

#include <stdio.h>

int main(void)
{
	struct quirk_set q;
	char name[QUIRK_NAME_CAP];

	quirks_match(&q, 0x1234, 0x5678, 0x0100, NULL);
	for (int i = 0; i < QUIRK_COUNT; i++)
		if (quirk_has(&q, (enum quirk)i))
			printf("%s: %s\n", quirk_name((enum quirk)i, name, sizeof name), quirk_doc((enum quirk)i));
	return 0;
}
