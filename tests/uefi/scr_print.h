/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef SCR_PRINT_H
#define SCR_PRINT_H

#include <efi.h>
#include <stdbool.h>
#include <stdint.h>

/* TAP on the firmware's console, whose lines have 80 columns. */
void scr_print_to(SIMPLE_TEXT_OUTPUT_INTERFACE *console);
void scr_text(const char *text);
void scr_number(UINTN n);
void scr_hex(const uint8_t *bytes, UINTN n);
void scr_line(void);

/* One case. Returns `good`. */
bool scr_ok(bool good, const char *name);
/* A case whose name ends with a number. */
bool scr_ok_n(bool good, const char *name, UINTN n);
/* A case that compares the status with `wanted`; a difference is printed as a comment. */
bool scr_is(EFI_STATUS status, EFI_STATUS wanted, const char *name);
/* The plan. */
void scr_end(void);

#endif
