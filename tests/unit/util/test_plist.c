/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* src/util/plist.l and plist.c */
#include "util/plist.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include "unit/unit_cmocka.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEAD "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n" \
	"<!DOCTYPE plist PUBLIC \"-//Apple Computer//DTD PLIST 1.0//EN\"\n" \
	"  \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n<plist version=\"1.0\">\n"
#define WHOLE HEAD "<dict>\n<!-- a - comment -- >\n <key>no</key> -->\n" \
	"<key>ifdLogLevel</key>\n\t<string>0x0003</string>\n" \
	"<key>ifdVendorID</key><array><string>0x08E6</string>\n<string>0x076B</string></array>\n" \
	"<key>empty</key><array/><key>nothing</key><string></string><key>none</key><string/>\n" \
	"<key>flag</key><true/><key>n</key><integer>5</integer>\n" \
	"<key>inner</key><dict><key>ifdLogLevel</key><string>9</string></dict>\n" \
	"<key>text</key><string>a &amp; b &lt;c&gt; &quot;d&quot; &apos;e&apos; &#65;&#x42;&#xe9;&#8364;</string>\n" \
	"<key>last</key><string>  two\nlines </string></dict>\n</plist>\n"

static struct plist *good(const char *text, size_t len)
{
	struct plist_error e;
	struct plist *p;

	assert_int_equal(plist_parse(&p, text, len, &e), CCID_OK);
	assert_non_null(p);
	return p;
}

static struct plist_error bad(const char *text, size_t len)
{
	struct plist_error e;
	struct plist *p;

	assert_int_equal(plist_parse(&p, text, len, &e), CCID_ERR_CONFIG);
	assert_null(p);
	assert_non_null(e.why);
	return e;
}

static void a_whole_list(void **state)
{
	struct plist *p = good(WHOLE, sizeof WHOLE - 1);

	(void)state;
	assert_int_equal(plist_count(p, "ifdLogLevel"), 1);
	assert_string_equal(plist_get(p, "ifdLogLevel", 0), "0x0003");
	assert_null(plist_get(p, "ifdLogLevel", 1));
	assert_int_equal(plist_count(p, "ifdVendorID"), 2);
	assert_string_equal(plist_get(p, "ifdVendorID", 0), "0x08E6");
	assert_string_equal(plist_get(p, "ifdVendorID", 1), "0x076B");
	assert_int_equal(plist_count(p, "empty"), 0);
	assert_string_equal(plist_get(p, "nothing", 0), "");
	assert_string_equal(plist_get(p, "none", 0), "");
	assert_int_equal(plist_count(p, "flag"), 0);
	assert_int_equal(plist_count(p, "n"), 0);
	assert_int_equal(plist_count(p, "no"), 0);
	assert_int_equal(plist_count(p, "missing"), 0);
	assert_string_equal(plist_get(p, "text", 0), "a & b <c> \"d\" 'e' AB\xc3\xa9\xe2\x82\xac");
	assert_string_equal(plist_get(p, "last", 0), "  two\nlines ");
	plist_free(p);
	plist_free(NULL);
}

static void every_truncation_is_refused(void **state)
{
	(void)state;
	/* the last 9 bytes are "</plist>\n" */
	for (size_t n = 0; n < sizeof WHOLE - 1 - 1; n++)
		bad(WHOLE, n);
	plist_free(good(WHOLE, sizeof WHOLE - 2));
}

static void every_byte_damaged_is_survived(void **state)
{
	static const char with[] = { '<', '>', '/', '&', '\0', 'x', '\n', '\xff' };
	char text[sizeof WHOLE];

	(void)state;
	for (size_t i = 0; i < sizeof WHOLE - 1; i++) {
		for (size_t k = 0; k < sizeof with; k++) {
			struct plist_error e;
			struct plist *p = NULL;

			memcpy(text, WHOLE, sizeof text);
			text[i] = with[k];
			if (plist_parse(&p, text, sizeof text - 1, &e) == CCID_OK)
				plist_free(p);
			else
				assert_non_null(e.why);
		}
	}
}

static void mistakes_are_named_with_their_line(void **state)
{
	static const struct {
		const char *text, *why;
		unsigned line;
	} t[] = {
		{ HEAD "<dict>\n<key>a</key><string>b</dict></plist>", "does not match", 6 },
		{ HEAD "<array></array></plist>", "does not contain a <dict>", 5 },
		{ "<dict></dict>", "not one <plist>", 1 },
		{ HEAD "<dict></dict></plist><plist></plist>", "not one <plist>", 5 },
		{ HEAD "<dict><string>x</string></dict></plist>", "without a <key>", 5 },
		{ HEAD "<dict><key>a</key><string>x</string><string>y</string></dict></plist>", "without a <key>", 5 },
		{ HEAD "<dict><key><key>x</key></key></dict></plist>", "inside", 5 },
		{ HEAD "<dict>\n\n&nbsp;</dict></plist>", "entity", 7 },
		{ HEAD "<dict>loose</dict></plist>", "text outside", 5 },
		{ HEAD "<dict><key>&#0;</key></dict></plist>", "out of range", 5 },
		{ HEAD "<dict><key>&#xD800;</key></dict></plist>", "out of range", 5 },
		{ HEAD "<dict>< key></dict></plist>", "no tag", 5 },
		{ HEAD "<dict><key>a</key></dict>", "ends before", 5 },
		{ "bplist00\xd1\x01\x02", "text outside", 1 },
		{ "<!DOCTYPE plist [ <!ENTITY a \"b\"> ]>", "declarations of its own", 1 },
		{ "<!-- for ever", "middle of a comment", 1 },
		{ "   \n ", "no <plist>", 2 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
		struct plist_error e = bad(t[i].text, strlen(t[i].text));

		if (!strstr(e.why, t[i].why) || e.line != t[i].line)
			fail_msg("%s: line %u: %s", t[i].text, e.line, e.why);
	}
	assert_non_null(strstr(bad("<plist>\0</plist>", 16).why, "zero byte"));
	assert_non_null(strstr(bad("", 0).why, "empty"));
}

static void nesting_is_bounded(void **state)
{
	char text[4000] = HEAD "<dict><key>a</key>";

	(void)state;
	for (int i = 0; i < 100; i++)
		strcat(text, "<array>");
	assert_non_null(strstr(bad(text, strlen(text)).why, "nested"));
}

static void many_values(void **state)
{
	const size_t n = 3000, cap = 40 * n + 1000;
	char *text = malloc(cap), value[16];
	struct plist *p;
	size_t len;

	(void)state;
	assert_non_null(text);
	len = (size_t)snprintf(text, cap, HEAD "<dict><key>k</key><array>");
	for (size_t i = 0; i < n; i++)
		len += (size_t)snprintf(text + len, cap - len, "<string>%zu</string>\n", i);
	len += (size_t)snprintf(text + len, cap - len, "</array></dict></plist>");
	p = good(text, len);
	free(text);
	assert_int_equal(plist_count(p, "k"), n);
	snprintf(value, sizeof value, "%zu", n - 1);
	assert_string_equal(plist_get(p, "k", n - 1), value);
	plist_free(p);
}

/* ---- files ---- */

static char path[64];

static void write_file(const char *text, size_t len)
{
	int fd;

	snprintf(path, sizeof path, "/tmp/test_plist.XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, len), len);
	close(fd);
}

static void files(void **state)
{
	struct plist_error e;
	struct plist *p;

	(void)state;
	write_file(WHOLE, sizeof WHOLE - 1);
	assert_int_equal(plist_read(&p, path, &e), CCID_OK);
	assert_int_equal(plist_count(p, "ifdVendorID"), 2);
	plist_free(p);
	/* 10 MB: not even read */
	assert_int_equal(truncate(path, 10 * 1024 * 1024), 0);
	assert_int_equal(plist_read(&p, path, &e), CCID_ERR_CONFIG);
	assert_string_equal(e.why, "the file is too large");
	assert_int_equal(truncate(path, 0), 0);
	assert_int_equal(plist_read(&p, path, &e), CCID_ERR_CONFIG);
	assert_string_equal(e.why, "the file is empty");
	unlink(path);
	assert_int_equal(plist_read(&p, path, &e), CCID_ERR_CONFIG);
	assert_string_equal(e.why, "the file is missing");
	assert_int_equal(plist_read(&p, "/tmp", &e), CCID_ERR_CONFIG);
	assert_string_equal(e.why, "not a regular file");
	/* a FIFO without a writer must not hang */
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(plist_read(&p, path, &e), CCID_ERR_CONFIG);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_whole_list),
		cmocka_unit_test(every_truncation_is_refused),
		cmocka_unit_test(every_byte_damaged_is_survived),
		cmocka_unit_test(mistakes_are_named_with_their_line),
		cmocka_unit_test(nesting_is_bounded),
		cmocka_unit_test(many_values),
		cmocka_unit_test(files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
