/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "util/plist.h"
#include "util/plist_scan.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A string of the list, and the key it belongs to. Offsets into the pool: it moves. */
struct entry {
	size_t key, value;
};

struct plist {
	char *pool;		/* zero-terminated strings, one after the other */
	size_t pool_len, pool_cap;
	struct entry *entries;
	size_t n, cap;
};

#define MAX_DEPTH 32

struct builder {
	struct plist *list;
	enum plist_tag open[MAX_DEPTH];
	unsigned depth;
	bool seen_plist, have_key;
	size_t key;		/* offset in the pool, when have_key */
};

/* Makes room for one more element of size bytes at least. */
static bool grow(void **p, size_t *cap, size_t need, size_t size)
{
	size_t n = *cap ? *cap : 256;
	void *q;

	if (need <= *cap)
		return true;
	while (n < need)
		n *= 2;
	q = realloc(*p, n * size);
	if (!q)
		return false;
	*p = q;
	*cap = n;
	return true;
}

/* Moves the collected text into the pool; returns its offset. */
static size_t keep_text(struct plist_scan *scan)
{
	struct plist *l = ((struct builder *)scan->sink)->list;
	size_t at = l->pool_len, len = scan->text_len;
	void *pool = l->pool;

	if (!grow(&pool, &l->pool_cap, at + len + 1, 1)) {
		scan->no_memory = true;
		scan->why = "out of memory";
		return 0;
	}
	l->pool = pool;
	if (len > 0)
		memcpy(l->pool + at, scan->text, len);
	l->pool[at + len] = '\0';
	l->pool_len += len + 1;
	return at;
}

static void add_value(struct plist_scan *scan)
{
	struct builder *b = scan->sink;
	struct plist *l = b->list;
	void *entries = l->entries;
	size_t value = keep_text(scan);

	if (scan->why)
		return;
	if (!grow(&entries, &l->cap, l->n + 1, sizeof *l->entries)) {
		scan->no_memory = true;
		scan->why = "out of memory";
		return;
	}
	l->entries = entries;
	l->entries[l->n++] = (struct entry){ b->key, value };
}

static bool inside(const struct builder *b, unsigned depth, enum plist_tag tag)
{
	return b->depth > depth && b->open[depth] == tag;
}

/* Is the innermost open element a <key> or <string>? Only there does text count. */
static bool in_text(const struct builder *b)
{
	return b->depth > 0 && (b->open[b->depth - 1] == PLIST_TAG_KEY ||
				b->open[b->depth - 1] == PLIST_TAG_STRING);
}

void plist_on_open(struct plist_scan *scan, enum plist_tag tag, bool closed_at_once)
{
	struct builder *b = scan->sink;

	if (scan->why)
		return;
	if (b->depth == 0 && (tag != PLIST_TAG_PLIST || b->seen_plist))
		scan->why = "the outermost element is not one <plist>";
	else if (b->depth == 1 && tag != PLIST_TAG_DICT)
		scan->why = "<plist> does not contain a <dict>";
	else if (in_text(b))
		scan->why = "an element inside <key> or <string>";
	else if (b->depth == MAX_DEPTH)
		scan->why = "nested too deeply";
	if (scan->why)
		return;
	b->seen_plist = true;
	b->open[b->depth++] = tag;
	scan->text_len = 0;
	if (closed_at_once)
		plist_on_close(scan, tag);
}

void plist_on_close(struct plist_scan *scan, enum plist_tag tag)
{
	struct builder *b = scan->sink;

	if (scan->why)
		return;
	if (b->depth == 0 || b->open[b->depth - 1] != tag) {
		scan->why = "a closing tag that does not match the open one";
		return;
	}
	if (inside(b, 2, PLIST_TAG_KEY)) {
		b->key = keep_text(scan);
		b->have_key = true;
	} else if (b->have_key && (inside(b, 2, PLIST_TAG_STRING) ||
				   (b->depth == 4 && inside(b, 2, PLIST_TAG_ARRAY) &&
				    inside(b, 3, PLIST_TAG_STRING)))) {
		add_value(scan);
	} else if (inside(b, 2, PLIST_TAG_STRING)) {
		scan->why = "a value without a <key>";
	}
	if (b->depth == 3 && tag != PLIST_TAG_KEY)
		b->have_key = false;	/* the key has its value */
	b->depth--;
}

void plist_on_text(struct plist_scan *scan, const char *p, size_t len)
{
	struct builder *b = scan->sink;
	void *text = scan->text;

	if (scan->why)
		return;
	if (!in_text(b)) {
		bool other = b->depth > 0 && b->open[b->depth - 1] == PLIST_TAG_OTHER;

		for (size_t i = 0; !other && i < len && !scan->why; i++)
			if (!strchr(" \t\r\n", p[i]) && (unsigned char)p[i] != 0xEF &&
			    (unsigned char)p[i] != 0xBB && (unsigned char)p[i] != 0xBF)
				scan->why = "text outside of <key> and <string>: "
					    "not an XML property list";
		return;
	}
	if (!grow(&text, &scan->text_cap, scan->text_len + len, 1)) {
		scan->no_memory = true;
		scan->why = "out of memory";
		return;
	}
	scan->text = text;
	memcpy(scan->text + scan->text_len, p, len);
	scan->text_len += len;
}

static enum ccid_err fail_plist(struct plist_error *e, const char *why, unsigned line)
{
	e->why = why;
	e->line = line;
	return CCID_ERR_CONFIG;
}

enum ccid_err plist_parse(struct plist **out, const char *text, size_t len, struct plist_error *e)
{
	struct plist *l;
	struct builder b = { 0 };
	struct plist_scan scan = { .sink = &b, .line = 1 };
	char *copy;
	bool whole;

	*out = NULL;
	*e = (struct plist_error){ 0 };
	if (len == 0)
		return fail_plist(e, "the file is empty", 0);
	if (len > PLIST_MAX_BYTES)
		return fail_plist(e, "the file is too large", 0);
	l = calloc(1, sizeof *l);
	copy = malloc(len + 2);
	if (!l || !copy) {
		free(copy);
		free(l);
		return CCID_ERR_NOMEM;
	}
	memcpy(copy, text, len);
	b.list = l;
	plist_run(&scan, copy, len);
	free(copy);
	free(scan.text);
	whole = b.seen_plist && b.depth == 0;
	if (!scan.why && !scan.no_memory && whole) {
		*out = l;
		return CCID_OK;
	}
	plist_free(l);
	if (scan.no_memory)
		return CCID_ERR_NOMEM;
	if (scan.why)
		return fail_plist(e, scan.why, scan.line);
	return fail_plist(e, b.seen_plist ? "ends before </plist>" : "contains no <plist>",
			  scan.line);
}

/* The whole of an open file of size bytes; NULL when it cannot be read. */
static char *plist_read_all(int fd, size_t size)
{
	char *text = malloc(size);
	size_t got = 0;

	while (text && got < size) {
		ssize_t n = read(fd, text + got, size - got);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			free(text);
			return NULL;
		}
		got += (size_t)n;
	}
	return text;
}

enum ccid_err plist_read(struct plist **out, const char *path, struct plist_error *e)
{
	enum ccid_err err = CCID_ERR_CONFIG;
	char *text = NULL;
	struct stat st;
	/* A FIFO in its place must not block pcscd. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	*out = NULL;
	*e = (struct plist_error){ 0 };
	if (fd < 0) {
		e->error = errno;
		return fail_plist(e, errno == ENOENT ? "the file is missing"
			       : "the file cannot be opened", 0);
	}
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
		fail_plist(e, "not a regular file", 0);
	else if (st.st_size == 0)
		fail_plist(e, "the file is empty", 0);
	else if (st.st_size > (off_t)PLIST_MAX_BYTES)
		fail_plist(e, "the file is too large", 0);
	else if (!(text = plist_read_all(fd, (size_t)st.st_size)))
		fail_plist(e, "the file cannot be read", 0);
	else
		err = plist_parse(out, text, (size_t)st.st_size, e);
	free(text);
	close(fd);
	return err;
}

size_t plist_count(const struct plist *p, const char *key)
{
	size_t count = 0;

	for (size_t i = 0; i < p->n; i++)
		if (strcmp(p->pool + p->entries[i].key, key) == 0)
			count++;
	return count;
}

const char *plist_get(const struct plist *p, const char *key, size_t i)
{
	for (size_t at = 0; at < p->n; at++)
		if (strcmp(p->pool + p->entries[at].key, key) == 0 && i-- == 0)
			return p->pool + p->entries[at].value;
	return NULL;
}

void plist_each(const struct plist *p, const char *key,
		void (*each)(void *user, size_t i, const char *value), void *user)
{
	size_t i = 0;

	for (size_t at = 0; at < p->n; at++)
		if (strcmp(p->pool + p->entries[at].key, key) == 0)
			each(user, i++, p->pool + p->entries[at].value);
}

void plist_free(struct plist *p)
{
	if (!p)
		return;
	free(p->pool);
	free(p->entries);
	free(p);
}
