/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef UEFI_PORT_H
#define UEFI_PORT_H

#include <efi.h>
#include <stdbool.h>

/* What the core asks of UEFI (src/util/port.h) is in port.c. A lock has nothing to do here: each call of the
 * protocol runs at TPL_CALLBACK, where no other one begins (reader.h). */

/* Before any other function, once: learns how fast the processor's counter runs, which takes 20 ms. */
void efi_port_begin(EFI_SYSTEM_TABLE *table);
/* At the end: one line in the log when memory was not given back. */
void efi_port_end(void);

extern EFI_BOOT_SERVICES *efi_boot;

#endif
