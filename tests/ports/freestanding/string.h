/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef PORTS_STRING_H
#define PORTS_STRING_H

/* All of the C library that the core may use: doc/porting.md. */
#include <stddef.h>

void *memchr(const void *p, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);
void *memcpy(void *to, const void *from, size_t n);
void *memmove(void *to, const void *from, size_t n);
void *memset(void *p, int c, size_t n);
size_t strlen(const char *s);

#endif
