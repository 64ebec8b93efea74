/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Included by unit tests in place of <cmocka.h>: makes versions 1.1 and 2 alike. */
#ifndef UNIT_CMOCKA_H
#define UNIT_CMOCKA_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* cmocka 2 has one for signed and one for unsigned numbers. It warns of the old name, which compared unsigned ones. */
#ifdef assert_uint_in_range
#undef assert_in_range
#define assert_in_range(value, least, most) assert_uint_in_range(value, least, most)
#endif

#endif
