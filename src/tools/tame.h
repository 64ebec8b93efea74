/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TOOLS_TAME_H
#define TOOLS_TAME_H

/* Replaces characters that a terminal could obey: control characters become '?'. */
void tame_text(char *text);

#endif
