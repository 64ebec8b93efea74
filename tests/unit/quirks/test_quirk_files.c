/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* src/quirks/quirk_files.c: files that administrators put into quirks.d, correct ones and
 * others. */
#include "quirks/quirk_files.h"
#include "unit/unit_cmocka.h"
#include "util/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct quirk_ids ids = { .idVendor = 0x1111, .idProduct = 0x2222, .bcdDevice = 0x0105 };
static char folder[] = "/tmp/quirk-files-XXXXXX", said[8192];

/* pcscd's log. */
void log_msg(const int priority, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void log_msg(const int priority, const char *fmt, ...)
{
	size_t n = strlen(said);
	va_list ap;

	(void)priority;
	va_start(ap, fmt);
	vsnprintf(said + n, sizeof said - n, fmt, ap);
	va_end(ap);
	strncat(said, "\n", sizeof said - strlen(said) - 1);
}

/* In a driver without log text every line counts as logged. */
static bool told(const char *what)
{
	return !LOG_BUILT_IN || strstr(said, what);
}

static struct quirk_set text(const char *p)
{
	struct quirk_set q = { 0 };

	said[0] = '\0';
	quirk_files_text(&q, &ids, "x.quirk", p, strlen(p));
	return q;
}

static bool same(const struct quirk_set *a, const struct quirk_set *b)
{
	bool numbers = true;

#define X(type, name, most, doc) numbers = numbers && a->name == b->name;
	QUIRK_VALUES(X)
#undef X
	return numbers && a->bits == b->bits;
}

static void good_lines_have_effect(void **state)
{
	static const struct {
		const char *text;
		struct quirk_set want;
	} t[] = {
		{ "", { 0 } }, { "\n\n# 1111:2222:no-pinpad\n  \t\r\n", { 0 } },
		{ "1111:2222:no-pinpad", { .bits = UINT64_C(1) << QUIRK_NO_PINPAD } },
		{ " 1111:2222:no-pinpad \r\n", { .bits = UINT64_C(1) << QUIRK_NO_PINPAD } },
		{ "1111:2222:no-pinpad\n1111:xxxx:-no-pinpad\n", { 0 } },
		{ "1111:2223:no-pinpad\n1112:2222:no-pinpad\n", { 0 } },
		{ "1111:2222:first-timeout-ms=12000", { .first_timeout_ms = 12000 } },
		{ "1111:2222:first-timeout-ms=12000\n1111:2222:first-timeout-ms=0", { 0 } },
		{ "1111:2222:min-pin=0x4,max-pin=255,first-good-fw=0x0510",
		  { .min_pin = 4, .max_pin = 255, .first_good_fw = 0x0510 } },
		{ "1111:2222:composite", { .bits = UINT64_C(1) << QUIRK_COMPOSITE,
					   .composite_count = QUIRK_ALL_INTERFACES } },
		{ "1111:2222:firmware=0105,max-pin=8", { .max_pin = 8 } },
		{ "1111:2222:firmware=0000-0105,max-pin=8", { .max_pin = 8 } },
		{ "1111:2222:firmware=0106-ffff,max-pin=8\n1111:2222:max-pin=9,firmware=0-0104", { 0 } },
	};

	(void)state;
	for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
		struct quirk_set q = text(t[i].text);

		if (!same(&q, &t[i].want) || said[0])
			fail_msg("\"%s\": %s", t[i].text, said);
	}
}

/* A line with a mistake has no effect, and the other lines count. */
static void a_bad_line_is_reported_and_ignored(void **state)
{
	static const char *const t[] = {
		"hello", "1111:2222", "1111:2222:", "1111:2222:no-pinpad,nonsense", "1111:2222:nonsense,no-pinpad",
		"1111:2222:no-pinpad;1111:2222:no-ifsd", "1111:2222:no-pinpad,max-pin=256",
		"1111:2222:no-pinpad,max-pin=", "1111:2222:no-pinpad,max-pin=8x", "1111:2222:no-pinpad,max-pin=1f",
		"1111:2222:no-pinpad,max-pin=0x", "1111:2222:no-pinpad,max-pin=-1", "1111:2222:no-pinpad,max-pin",
		"1111:2222:no-pinpad,max_pin=1", "1111:2222:no-pinpad,open-delay-ms=18446744073709551617",
		"1111:2222:no-pinpad,firmware=", "1111:2222:no-pinpad,firmware=xxxx",
		"1111:2222:no-pinpad,firmware=2-1", "1111:2222:no-pinpad,firmware=1-2-3",
		"1111:2222:no-pinpad,firmware=0-xxxx", "1111:2222:no-pinpad # why",
		"1111:2222:no-pinpad,fruit=1",
	};

	(void)state;
	for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
		char both[200];
		struct quirk_set q;

		snprintf(both, sizeof both, "# first\n%s\n1111:2222:max-pin=8\n", t[i]);
		q = text(both);
		if (q.bits != 0 || q.max_pin != 8 || !told("x.quirk, line 2: \""))
			fail_msg("\"%s\": %s", t[i], said);
	}
	memset(said, 0, sizeof said);
	text("a\na\na\na\na\na\na\na\na\na\na\na\na\n");
	assert_true(told("line 10:"));
	assert_null(strstr(said, "line 11:"));
	assert_true(told("x.quirk: 3 more lines are ignored"));
}

static void put(const char *name, const char *what, size_t times)
{
	char path[200];
	FILE *f;

	snprintf(path, sizeof path, "%s/%s", folder, name);
	f = fopen(path, "w");
	assert_non_null(f);
	while (times--)
		fputs(what, f);
	fclose(f);
}

static struct quirk_set all_files(void)
{
	struct quirk_set q = { 0 };

	said[0] = '\0';
	quirk_files_apply(&q, &ids, folder);
	return q;
}

static void all_files_of_the_folder_count(void **state)
{
	char path[200];

	(void)state;
	assert_int_equal(all_files().bits, 0);
	put("b.quirk", "1111:2222:max-pin=8,no-ifsd", 1);
	put("a.quirk", "1111:2222:max-pin=7,min-pin=4\n", 1);
	put(".c.quirk", "1111:2222:max-pin=6", 1);
	put("d.quirk~", "1111:2222:max-pin=5", 1);
	put(".quirk", "1111:2222:max-pin=4", 1);
	assert_int_equal(all_files().max_pin, 8);
	assert_int_equal(all_files().min_pin, 4);
	assert_int_equal(all_files().bits, UINT64_C(1) << QUIRK_NO_IFSD);
	assert_string_equal(said, "");

	/* a folder and a file that is too long are reported, and the other files count */
	put("e.quirk", "1111:2222:max-pin=3\n", 4000);
	snprintf(path, sizeof path, "%s/f.quirk", folder);
	assert_int_equal(mkfifo(path, 0600), 0);
	snprintf(path, sizeof path, "%s/g.quirk", folder);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof path, "%s/h.quirk", folder);
	assert_int_equal(symlink("/no/such/file", path), 0);
	assert_int_equal(all_files().max_pin, 8);
	assert_true(told("/e.quirk is longer than 65536 bytes: ignored"));
	assert_null(strstr(said, "/f.quirk"));
	assert_true(told("/g.quirk cannot be read: Is a directory"));
	assert_true(told("/h.quirk cannot be read: No such file"));
}

static void more_than_64_files_are_reported(void **state)
{
	char name[32];

	(void)state;
	for (unsigned i = 0; i < 65; i++) {
		snprintf(name, sizeof name, "i%02u.quirk", i);
		put(name, i == 64 ? "1111:2222:no-pinpad" : "", 1);
	}
	assert_int_equal(all_files().bits & UINT64_C(1) << QUIRK_NO_PINPAD, 0);
	assert_true(told("has more than 64 files: the last are ignored"));
}

static void a_missing_folder_is_not_an_error(void **state)
{
	struct quirk_set q = { 0 };

	(void)state;
	said[0] = '\0';
	quirk_files_apply(&q, &ids, "/no/such/folder");
	quirk_files_apply(&q, &ids, "/dev/null");
	assert_string_equal(said, "");
	quirk_files_apply(&q, &ids, "");
	quirk_files_apply(&q, &ids, "/dev/null/\n");
	assert_int_equal(q.bits, 0);
}

static int begin(void **state)
{
	(void)state;
	log_setup(15, false);
	return mkdtemp(folder) ? 0 : -1;
}

static int end(void **state)
{
	char command[100];

	(void)state;
	snprintf(command, sizeof command, "rm -rf %s", folder);
	return system(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_lines_have_effect),
		cmocka_unit_test(a_bad_line_is_reported_and_ignored),
		cmocka_unit_test(all_files_of_the_folder_count),
		cmocka_unit_test(more_than_64_files_are_reported),
		cmocka_unit_test(a_missing_folder_is_not_an_error),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
