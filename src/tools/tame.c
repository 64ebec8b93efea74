/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Text of a device or of a file, made harmless for a terminal. */
#include "tools/tame.h"

void tame_text(char *text)
{
	for (unsigned char *p = (unsigned char *)text; *p; p++) {
		/* the controls C0 and DEL; C1 as UTF-8 has them */
		if (*p < 0x20 || *p == 0x7F)
			*p = '?';
		else if (p[0] == 0xC2 && p[1] >= 0x80 && p[1] < 0xA0)
			p[0] = p[1] = '?';
	}
}
