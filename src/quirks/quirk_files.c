/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "quirks/quirk_files.h"
#include "util/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SUFFIX ".quirk"
#define MAX_FILES 64
#define MAX_BYTES 65536u	/* of one file */
#define MAX_MISTAKES 10		/* log lines for one file */
#define SHOWN 60		/* characters of a line with a mistake */

static bool quirk_is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

void quirk_files_text(struct quirk_set *q, const struct quirk_ids *ids, const char *file,
		      const char *p, size_t len)
{
	unsigned mistakes = 0;

	for (unsigned number = 1; len > 0; number++) {
		const char *end = memchr(p, '\n', len), *line = p;
		size_t n = end ? (size_t)(end - p) : len;

		p += n + (end != NULL);
		len -= n + (end != NULL);
		for (; n > 0 && quirk_is_blank(line[0]); n--)
			line++;
		while (n > 0 && quirk_is_blank(line[n - 1]))
			n--;
		if (n == 0 || line[0] == '#' || quirks_line(q, ids, line, n))
			continue;
		if (++mistakes > MAX_MISTAKES)
			continue;
		LOG(LOG_CRITICAL, NULL,
		    "%s, line %u: \"%.*s\" is not vid:pid:flag[,flag][,name=number] or "
		    "atr:HEX:keep-power: ignored", file,
		    number, (int)(n < SHOWN ? n : SHOWN), line);
	}
	if (mistakes > MAX_MISTAKES)
		LOG(LOG_CRITICAL, NULL, "%s: %u more lines are ignored", file,
		    mistakes - MAX_MISTAKES);
}

static void apply_file(struct quirk_set *q, const struct quirk_ids *ids, const char *path)
{
	/* Without waiting: it may be a pipe. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	FILE *f = fd >= 0 ? fdopen(fd, "r") : NULL;
	char *text = malloc(MAX_BYTES + 1);
	size_t n = f && text ? fread(text, 1, MAX_BYTES + 1, f) : 0;

	if (!f || !text || ferror(f))
		LOG(LOG_CRITICAL, NULL, "%s cannot be read: %s", path, strerror(errno));
	else if (n > MAX_BYTES)
		LOG(LOG_CRITICAL, NULL, "%s is longer than %u bytes: ignored", path, MAX_BYTES);
	else
		quirk_files_text(q, ids, path, text, n);
	if (f)
		fclose(f);
	else if (fd >= 0)
		close(fd);
	free(text);
}

static int is_quirk_file(const struct dirent *e)
{
	size_t n = strlen(e->d_name), suffix = sizeof SUFFIX - 1;

	return e->d_name[0] != '.' && n > suffix && strcmp(e->d_name + n - suffix, SUFFIX) == 0;
}

void quirk_files_apply(struct quirk_set *q, const struct quirk_ids *ids, const char *folder)
{
	struct dirent **list;
	int n = scandir(folder, &list, is_quirk_file, alphasort);

	if (n < 0) {
		if (errno != ENOENT && errno != ENOTDIR)
			LOG(LOG_CRITICAL, NULL, "%s cannot be read: %s", folder, strerror(errno));
		return;
	}
	if (n > MAX_FILES)
		LOG(LOG_CRITICAL, NULL, "%s has more than %d files: the last are ignored", folder,
		    MAX_FILES);
	for (int i = 0; i < n; i++) {
		size_t cap = strlen(folder) + strlen(list[i]->d_name) + 2;
		char *path = malloc(cap);

		if (path) {
			snprintf(path, cap, "%s/%s", folder, list[i]->d_name);
			if (i < MAX_FILES)
				apply_file(q, ids, path);
		}
		free(path);
		free(list[i]);
	}
	free(list);
}
