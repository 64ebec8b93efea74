/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tools/system.h"

#include "tools/tame.h"

#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool put_path(const struct system_root *root, char *out, const char *fmt, va_list ap)
{
	size_t at = strlen(root->path);
	int n;

	if (at >= SYSTEM_PATH)
		return false;
	memcpy(out, root->path, at + 1);
	n = vsnprintf(out + at, SYSTEM_PATH - at, fmt, ap);
	errno = ENAMETOOLONG;
	return n >= 0 && (size_t)n < SYSTEM_PATH - at;
}

#define PATH_FROM(root, path, fmt, good)                                                           \
	do {                                                                                       \
		va_list ap;                                                                        \
                                                                                                   \
		va_start(ap, fmt);                                                                 \
		good = put_path(root, path, fmt, ap);                                              \
		va_end(ap);                                                                        \
	} while (0)

bool system_path(const struct system_root *root, char *out, const char *fmt, ...)
{
	bool good;

	PATH_FROM(root, out, fmt, good);
	return good;
}

static long read_path(const char *path, char *buf, size_t cap)
{
	FILE *f = fopen(path, "re");
	size_t n;
	bool bad;

	buf[0] = '\0';
	if (!f)
		return -1;
	n = fread(buf, 1, cap - 1, f);
	bad = ferror(f);
	fclose(f);
	buf[n] = '\0';
	return bad ? -1 : (long)n;
}

long system_read(const struct system_root *root, char *buf, size_t cap, const char *fmt, ...)
{
	char path[SYSTEM_PATH];
	bool good;

	buf[0] = '\0';
	PATH_FROM(root, path, fmt, good);
	return good ? read_path(path, buf, cap) : -1;
}

char *system_text(const struct system_root *root, const char *fmt, ...)
{
	const size_t cap = (size_t)1024 * 1024;
	char path[SYSTEM_PATH], *text = malloc(cap), *fitting;
	bool good;
	long n = -1;

	PATH_FROM(root, path, fmt, good);
	if (good && text)
		n = read_path(path, text, cap);
	if (n < 0) {
		free(text);
		return NULL;
	}
	/* as read: a file of /proc has zeros in it */
	fitting = realloc(text, (size_t)n + 1);
	return fitting ? fitting : text;
}

char *system_line(const struct system_root *root, char *out, size_t cap, const char *fmt, ...)
{
	char path[SYSTEM_PATH];
	bool good;

	out[0] = '\0';
	PATH_FROM(root, path, fmt, good);
	if (good)
		read_path(path, out, cap);
	out[strcspn(out, "\n")] = '\0';
	tame_text(out);
	return out;
}

char *system_link(const struct system_root *root, char *out, size_t cap, const char *fmt, ...)
{
	char path[SYSTEM_PATH];
	ssize_t n = -1;
	bool good;

	PATH_FROM(root, path, fmt, good);
	if (good)
		n = readlink(path, out, cap - 1);
	out[n > 0 ? n : 0] = '\0';
	return out;
}

bool system_exists(const struct system_root *root, const char *fmt, ...)
{
	char path[SYSTEM_PATH];
	bool good;

	PATH_FROM(root, path, fmt, good);
	return good && access(path, F_OK) == 0;
}

static int visible(const struct dirent *e)
{
	return e->d_name[0] != '.';
}

bool system_each(const struct system_root *root, const char *folder,
		 bool (*each)(void *user, const char *name), void *user)
{
	char path[SYSTEM_PATH];
	struct dirent **list;
	bool found = false;
	int n;

	if (!system_path(root, path, "%s", folder))
		return false;
	n = scandir(path, &list, visible, alphasort);
	if (n < 0)
		return false;
	for (int i = 0; i < n; i++) {
		found = found || each(user, list[i]->d_name);
		free(list[i]);
	}
	free(list);
	errno = 0;
	return found;
}

/* The length of the UTF-8 character at p, 0 when there is none (RFC 3629). */
static unsigned utf8_length(const unsigned char *p)
{
	static const struct {
		unsigned char from, to, low, high, length;
	} firsts[] = {
		{ 0x20, 0x7F, 0x00, 0xFF, 1}, {0xC2, 0xDF, 0x80, 0xBF, 2 },
		{ 0xE0, 0xE0, 0xA0, 0xBF, 3}, {0xE1, 0xEC, 0x80, 0xBF, 3 },
		{ 0xED, 0xED, 0x80, 0x9F, 3}, {0xEE, 0xEF, 0x80, 0xBF, 3 },
		{ 0xF0, 0xF0, 0x90, 0xBF, 4}, {0xF1, 0xF3, 0x80, 0xBF, 4 },
		{ 0xF4, 0xF4, 0x80, 0x8F, 4 },
	};

	for (size_t i = 0; i < sizeof firsts / sizeof firsts[0]; i++) {
		if (p[0] < firsts[i].from || p[0] > firsts[i].to)
			continue;
		if (firsts[i].length > 1 && (p[1] < firsts[i].low || p[1] > firsts[i].high))
			return 0;
		for (unsigned n = 2; n < firsts[i].length; n++)
			if (p[n] < 0x80 || p[n] > 0xBF)
				return 0;
		return firsts[i].length;
	}
	return 0;
}

void system_json_string(FILE *out, const char *text)
{
	const unsigned char *p = (const unsigned char *)text;

	fputc('"', out);
	while (*p) {
		unsigned n = utf8_length(p);

		if (n == 0)
			fputc('?', out);
		else if (*p == '"' || *p == '\\')
			fprintf(out, "\\%c", *p);
		else
			fwrite(p, 1, n, out);
		p += n ? n : 1;
	}
	fputc('"', out);
}
