/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* src/slot/config.c: Info.plist and environment into values. */
#include "slot/config_quirks.h"
#include "util/log.h"

#include <stdarg.h>
#include <setjmp.h>
#include "unit/unit_cmocka.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char out[8000];

void log_msg(const int priority, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

void log_msg(const int priority, const char *fmt, ...)
{
	size_t n = strlen(out);
	va_list ap;

	(void)priority;
	va_start(ap, fmt);
	vsnprintf(out + n, sizeof out - n, fmt, ap);
	va_end(ap);
	strncat(out, "\n", sizeof out - strlen(out) - 1);
}

/* Text of the log, where there is one. */
#if defined(EMBEDDED) || defined(NO_PCSCLITE_LOG)
#define assert_logged(text) ((void)(text))
#else
#define assert_logged(text) assert_non_null(strstr(out, (text)))
#endif

static char dir[64], contents[128], plist[160];

static int setup(void **state)
{
	char bundle[100];

	(void)state;
	snprintf(dir, sizeof dir, "/tmp/test_config.XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(bundle, sizeof bundle, "%s/" BUNDLE, dir);
	snprintf(contents, sizeof contents, "%s/Contents", bundle);
	snprintf(plist, sizeof plist, "%s/Info.plist", contents);
	mkdir(bundle, 0700);
	mkdir(contents, 0700);
	unsetenv("LIBCCID_ifdLogLevel");
	unsetenv("IFDCCID_QUIRKS");
	unsetenv("IFDCCID_LOG_SECRETS");
	setenv("PCSCLITE_HP_DROPDIR", dir, 1);
	out[0] = '\0';
	log_setup(LOG_DEFAULT_MASK, false);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unlink(plist);
	rmdir(contents);
	*strrchr(contents, '/') = '\0';
	rmdir(contents);
	rmdir(dir);
	return 0;
}

#define ARRAYS "<key>ifdVendorID</key><array><string>0x1</string><string>0x2</string></array>" \
	"<key>ifdProductID</key><array><string>0x1</string><string>0x2</string></array>" \
	"<key>ifdFriendlyName</key><array><string>a</string><string>b</string></array>"

static void write_plist(const char *dict)
{
	FILE *f = fopen(plist, "w");

	assert_non_null(f);
	fprintf(f, "<?xml version=\"1.0\"?>\n<plist version=\"1.0\">\n<dict>%s</dict></plist>\n", dict);
	fclose(f);
}

static void values_of_the_plist(void **state)
{
	struct config c;

	(void)state;
	write_plist(ARRAYS "<key>ifdLogLevel</key><string>0x000F</string>"
		    "<key>ifdDriverOptions</key><string>0x0031</string>");
	assert_int_equal(config_load(&c), CCID_OK);
	assert_int_equal(c.log_level, 15);
	assert_int_equal(c.driver_options, 0x31);
	assert_false(c.log_secrets);
	assert_string_equal(c.quirks, "");
	assert_string_equal(out, "");
#ifndef EMBEDDED
	assert_true(log_enabled(LOG_COMM));
#endif
}

static void defaults_without_keys(void **state)
{
	struct config c;

	(void)state;
	write_plist(ARRAYS);
	assert_int_equal(config_load(&c), CCID_OK);
	assert_int_equal(c.log_level, 3);
	assert_int_equal(c.driver_options, 0);
}

static void numbers_are_in_c_notation(void **state)
{
	static const struct {
		const char *text;
		unsigned value;
		bool good;
	} t[] = {
		{ "7", 7, true }, { "0x1F", 31, true }, { "0X1f", 31, true }, { "017", 15, true },
		{ "0", 0, true }, { "4294967295", 4294967295u, true },
		{ "", 0, false }, { "-1", 0, false }, { "+1", 0, false }, { " 1", 0, false }, { "1 ", 0, false },
		{ "08", 0, false }, { "0x", 0, false }, { "1x", 0, false }, { "4294967296", 0, false },
		{ "99999999999999999999999", 0, false }, { "three", 0, false },
	};
	struct config c;
	char dict[1000];

	(void)state;
	for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
		snprintf(dict, sizeof dict, ARRAYS "<key>ifdDriverOptions</key><string>%s</string>", t[i].text);
		write_plist(dict);
		out[0] = '\0';
		assert_int_equal(config_load(&c), CCID_OK);
		if (c.driver_options != (t[i].good ? t[i].value : 0))
			fail_msg("\"%s\" gives %u", t[i].text, c.driver_options);
		if (t[i].good)
			assert_string_equal(out, "");
		else
			assert_logged("is not a number and is ignored");
	}
}

static void environment_wins(void **state)
{
	struct config c;

	(void)state;
	write_plist(ARRAYS "<key>ifdLogLevel</key><string>1</string>");
	setenv("LIBCCID_ifdLogLevel", "0x7", 1);
	setenv("IFDCCID_LOG_SECRETS", "1", 1);
	setenv("IFDCCID_QUIRKS", "08e6:3437:no-pinpad", 1);
	assert_int_equal(config_load(&c), CCID_OK);
	assert_int_equal(c.log_level, 7);
	assert_true(c.log_secrets);
	assert_string_equal(c.quirks, "08e6:3437:no-pinpad");
	assert_true(log_shows_secrets());
	setenv("IFDCCID_LOG_SECRETS", "yes", 1);
	setenv("LIBCCID_ifdLogLevel", "all", 1);
	assert_int_equal(config_load(&c), CCID_OK);
	assert_false(c.log_secrets);
	assert_int_equal(c.log_level, 1);
	assert_logged("LIBCCID_ifdLogLevel: \"all\" is not a number");
}

static void mistaken_and_long_quirks(void **state)
{
	char text[1000] = "";
	struct config c;

	(void)state;
	write_plist(ARRAYS);
	setenv("IFDCCID_QUIRKS", "08e6:3437:nonsense;hello", 1);
	assert_int_equal(config_load(&c), CCID_OK);
	assert_logged("\"nonsense\"");
	assert_logged("\"hello\"");
	for (int i = 0; i < 40; i++)
		strcat(text, "08e6:3437:no-pinpad;");
	setenv("IFDCCID_QUIRKS", text, 1);
	out[0] = '\0';
	assert_int_equal(config_load(&c), CCID_OK);
	assert_logged("longer than 511");
	assert_true(strlen(c.quirks) % 20 == 19);	/* only whole entries are kept */
	assert_null(strstr(out, "unknown"));
	memset(text, 'x', 600);
	text[600] = '\0';
	setenv("IFDCCID_QUIRKS", text, 1);
	assert_int_equal(config_load(&c), CCID_OK);
	assert_string_equal(c.quirks, "");
}

static void arrays_of_unequal_length_are_reported(void **state)
{
	struct config c;

	(void)state;
	write_plist("<key>ifdVendorID</key><array><string>0x1</string><string>0x2</string></array>"
		    "<key>ifdProductID</key><array><string>0x1</string></array>"
		    "<key>ifdFriendlyName</key><array><string>a</string><string>b</string><string>c</string></array>"
		    "<key>ifdLogLevel</key><string>5</string>");
	assert_int_equal(config_load(&c), CCID_ERR_CONFIG);
	assert_logged("ifdVendorID has 2 entries, ifdProductID 1, ifdFriendlyName 3");
	assert_int_equal(c.log_level, 5);
	write_plist("<key>ifdVendorID</key><string>1</string><key>ifdProductID</key><string>1</string>");
	assert_int_equal(config_load(&c), CCID_ERR_CONFIG);
	write_plist("<key>ifdVendorID</key><string>1</string><key>ifdFriendlyName</key><string>1</string>");
	assert_int_equal(config_load(&c), CCID_ERR_CONFIG);
	write_plist("");
	assert_int_equal(config_load(&c), CCID_ERR_CONFIG);
}

static void unusable_files_are_reported(void **state)
{
	struct config c;
	FILE *f;

	(void)state;
	assert_int_equal(config_load(&c), CCID_ERR_CONFIG);	/* missing */
	assert_logged("the file is missing");
	assert_logged(plist);
	assert_int_equal(c.log_level, 3);
	f = fopen(plist, "w");
	fclose(f);
	assert_int_equal(config_load(&c), CCID_ERR_CONFIG);
	assert_logged("the file is empty");
	assert_int_equal(truncate(plist, 10 * 1000 * 1000), 0);
	assert_int_equal(config_load(&c), CCID_ERR_CONFIG);
	assert_logged("the file is too large");
	assert_int_equal(truncate(plist, 1000), 0);
	assert_int_equal(config_load(&c), CCID_ERR_CONFIG);
	assert_logged("zero byte");
}

/* The table's quirks apply first, then those of the bundle's quirks.d, then those of the
 * environment. */
static void quirks_of_all_sources(void **state)
{
	static const struct quirk_ids ids = { .idVendor = 0x25dd, .idProduct = 0x3111, .bcdDevice = 0x0100 };
	char path[200];
	struct quirk_set q;
	struct config c;
	FILE *f;

	(void)state;
	write_plist(ARRAYS);
	assert_int_equal(config_load(&c), CCID_OK);
	config_quirks(&c, &q, &ids);
	assert_true(quirk_has(&q, QUIRK_NO_PINPAD));
	snprintf(path, sizeof path, "%s/quirks.d", contents);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof path, "%s/quirks.d/mine.quirk", contents);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs("25dd:3111:-no-pinpad,no-ifsd,max-pin=8\nmistake\n", f);
	fclose(f);
	out[0] = '\0';
	config_quirks(&c, &q, &ids);
	assert_logged("mine.quirk, line 2: \"mistake\"");
	assert_false(quirk_has(&q, QUIRK_NO_PINPAD));
	assert_true(quirk_has(&q, QUIRK_NO_IFSD));
	assert_int_equal(q.max_pin, 8);
	setenv("IFDCCID_QUIRKS", "25dd:3111:no-pinpad,max-pin=9", 1);
	assert_int_equal(config_load(&c), CCID_OK);
	config_quirks(&c, &q, &ids);
	assert_true(quirk_has(&q, QUIRK_NO_PINPAD) && quirk_has(&q, QUIRK_NO_IFSD));
	assert_int_equal(q.max_pin, 9);
	unlink(path);
	snprintf(path, sizeof path, "%s/quirks.d", contents);
	rmdir(path);
}

static void compiled_in_folder(void **state)
{
	struct config c;

	(void)state;
	write_plist(ARRAYS);
	setenv("PCSCLITE_HP_DROPDIR", "", 1);
	config_load(&c);	/* reads whatever is installed there, and not the test's folder */
	assert_null(strstr(out, dir));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(values_of_the_plist), T(defaults_without_keys),
		T(numbers_are_in_c_notation), T(environment_wins),
		T(mistaken_and_long_quirks), T(arrays_of_unequal_length_are_reported),
		T(unusable_files_are_reported),
		T(compiled_in_folder),
		T(quirks_of_all_sources),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
