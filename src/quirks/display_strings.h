/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef DISPLAY_STRINGS_H
#define DISPLAY_STRINGS_H

#include <stdint.h>

/* Texts of PIN pads whose display is filled by the host. */
#define DISPLAY_STRINGS 10
#define DISPLAY_WIDTH 16

/* Writes the ten texts, each padded with blanks to 16 ASCII characters, in the language of a
 * locale's name ("fr_BE.UTF-8"); English when it is NULL or another. */
void display_strings_fill(uint8_t out[DISPLAY_STRINGS * DISPLAY_WIDTH], const char *locale);

#endif
