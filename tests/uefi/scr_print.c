/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "scr_print.h"

static SIMPLE_TEXT_OUTPUT_INTERFACE *out;
static UINTN cases;

void scr_print_to(SIMPLE_TEXT_OUTPUT_INTERFACE *console)
{
	out = console;
}

void scr_text(const char *text)
{
	CHAR16 wide[2] = { 0, 0 };

	for (; *text; text++) {
		wide[0] = (CHAR16)*text;
		out->OutputString(out, wide);
	}
}

void scr_number(UINTN n)
{
	char digits[24];
	char *p = digits + sizeof digits - 1;

	*p = '\0';
	do {
		*--p = (char)('0' + n % 10);
		n /= 10;
	} while (n > 0);
	scr_text(p);
}

void scr_hex(const uint8_t *bytes, UINTN n)
{
	static const char digits[] = "0123456789abcdef";

	for (UINTN i = 0; i < n; i++) {
		char pair[3] = { digits[bytes[i] >> 4], digits[bytes[i] & 15], '\0' };

		scr_text(pair);
	}
}

void scr_line(void)
{
	scr_text("\r\n");
}

static bool begin_case(bool good)
{
	cases++;
	scr_text(good ? "ok " : "not ok ");
	scr_number(cases);
	scr_text(" - ");
	return good;
}

bool scr_ok(bool good, const char *name)
{
	begin_case(good);
	scr_text(name);
	scr_line();
	return good;
}

bool scr_ok_n(bool good, const char *name, UINTN n)
{
	begin_case(good);
	scr_text(name);
	scr_text(" ");
	scr_number(n);
	scr_line();
	return good;
}

bool scr_is(EFI_STATUS status, EFI_STATUS wanted, const char *name)
{
	if (status != wanted) {
		scr_text("# status ");
		scr_number(status & ~EFI_ERROR_MASK);
		scr_text(", not ");
		scr_number(wanted & ~EFI_ERROR_MASK);
		scr_line();
	}
	return scr_ok(status == wanted, name);
}

void scr_end(void)
{
	scr_text("1..");
	scr_number(cases);
	scr_line();
}
