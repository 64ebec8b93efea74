/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The core's port to UEFI: memory, clock, log. */
#include "port.h"

#include "util/port.h"

#include <stdint.h>
#include <string.h>

#define CALIBRATION_US 20000u
#define NS_PER_US 1000u

/* Lines that are less important are not written. */
#ifndef UEFI_LOG_PRIORITY
#define UEFI_LOG_PRIORITY PORT_ERROR
#endif

EFI_BOOT_SERVICES *efi_boot;

static EFI_SYSTEM_TABLE *system_table;
static uint64_t ns_per_count;		/* 32 bits of them behind the point */
static uint64_t first_count;
static size_t blocks;			/* allocated, not yet freed */

/* The firmware's timer stands still during a USB transfer, which runs at TPL_NOTIFY. The processor's own counter does
 * not; it is as fast as it was at the start, as no operating system saves power yet. */
static uint64_t counter(void)
{
	uint32_t low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	return (uint64_t)high << 32 | low;
}

void efi_port_begin(EFI_SYSTEM_TABLE *table)
{
	uint64_t counts;

	system_table = table;
	efi_boot = table->BootServices;
	first_count = counter();
	efi_boot->Stall(CALIBRATION_US);
	counts = counter() - first_count;
	ns_per_count = ((uint64_t)CALIBRATION_US * NS_PER_US << 32) / (counts > 0 ? counts : 1);
}

void efi_port_end(void)
{
	if (blocks > 0)
		port_log(PORT_CRITICAL, false, "memory was not given back");
}

uint64_t clock_now(void)
{
	return (uint64_t)(((unsigned __int128)(counter() - first_count) * ns_per_count) >> 32);
}

void clock_sleep_until(uint64_t at_ns)
{
	uint64_t now = clock_now();

	if (at_ns > now)
		efi_boot->Stall((UINTN)((at_ns - now) / NS_PER_US + 1));
}

void *port_alloc(size_t size)
{
	VOID *p = NULL;

	if (efi_boot->AllocatePool(EfiBootServicesData, size, &p) != EFI_SUCCESS)
		return NULL;
	blocks++;
	return memset(p, 0, size);
}

void port_free(void *p)
{
	if (!p)
		return;
	blocks--;
	efi_boot->FreePool(p);
}

static void write_text(const char *text)
{
	SIMPLE_TEXT_OUTPUT_INTERFACE *out = system_table->StdErr ? system_table->StdErr : system_table->ConOut;
	CHAR16 wide[2] = { 0, 0 };

	for (; *text; text++) {
		wide[0] = (CHAR16)(unsigned char)*text;
		out->OutputString(out, wide);
	}
}

void port_log(enum port_priority priority, bool is_private, const char *line)
{
	if (priority < UEFI_LOG_PRIORITY || is_private)
		return;
	write_text("ccid: ");
	write_text(line);
	write_text("\r\n");
}
