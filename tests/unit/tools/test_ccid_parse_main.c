/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* src/tools/ccid_parse.c: options, exit codes, where the text goes. This file plays the bus. */
#include "unit/tools/capture.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

int parse_main(int argc, char **argv);
#define main parse_main
#include "../../../src/tools/ccid_parse.c"
#undef main

/* --- the bus --- */

static struct {
	struct parse_wanted asked;
	unsigned calls, readers, vendor, devices;
	bool incomplete, broken;
} bus;

bool parse_bus(const struct parse_wanted *w, struct parse_seen *seen,
	       void (*on_reader)(void *user, struct parse_reader *r), void *user)
{
	struct parse_reader *r = calloc(1, sizeof *r);

	assert_non_null(r);
	bus.asked = *w;
	bus.calls++;
	*seen = (struct parse_seen){ .readers = bus.readers, .vendor = bus.vendor,
				     .devices = bus.devices, .incomplete = bus.incomplete };
	for (unsigned i = 0; i < bus.readers; i++) {
		r->idVendor = 0x08E6;
		r->idProduct = (uint16_t)(0x3437 + i);
		r->iSerialNumber = (struct parse_string){ 3, true, "S-0042" };
		on_reader(user, r);
	}
	free(r);
	return !bus.broken;
}

static int setup(void **state)
{
	(void)state;
	memset(&bus, 0, sizeof bus);
	bus.readers = bus.devices = 1;
	setenv("TERM", "xterm", 1);
	unsetenv("NO_COLOR");
	return 0;
}

/* --- one run --- */

static struct capture out, err;

static int run_to(int file, const char *a, const char *b, const char *c)
{
	const char *argv[] = { "ccid-parse", a, b, c, NULL };
	int argc = c ? 4 : b ? 3 : a ? 2 : 1, rc;

	optind = 0;	/* getopt starts again */
	capture_begin(&out, stdout, file);
	capture_begin(&err, stderr, -1);
	rc = parse_main(argc, (char **)(uintptr_t)argv);
	capture_end(&err);
	capture_end(&out);
	return rc;
}

static int run_with(const char *a, const char *b, const char *c)
{
	return run_to(-1, a, b, c);
}

static void has(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("\"%s\" is not in: %s", part, text);
}

/* --- options --- */

static void what_is_looked_for(void **state)
{
	static const struct {
		const char *argument;
		int idVendor, idProduct;
		unsigned bus, address;
	} rows[] = {
		{ NULL, -1, -1, 0, 0 },		    { "08e6:3437", 0x08E6, 0x3437, 0, 0 },
		{ "08E6:ABCD", 0x08E6, 0xABCD, 0, 0 }, { "0000:0000", 0, 0, 0, 0 },
		{ "001/002", -1, -1, 1, 2 },	    { "1/2", -1, -1, 1, 2 },
		{ "/dev/bus/usb/003/127", -1, -1, 3, 127 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		assert_int_equal(run_with(rows[i].argument, NULL, NULL), 0);
		assert_int_equal(bus.asked.idVendor, rows[i].idVendor);
		assert_int_equal(bus.asked.idProduct, rows[i].idProduct);
		assert_int_equal(bus.asked.bus, rows[i].bus);
		assert_int_equal(bus.asked.address, rows[i].address);
		assert_false(bus.asked.vendor_too);
		assert_string_equal(err.text, "");
	}
	assert_int_equal(run_with("-p", NULL, NULL), 0);
	assert_true(bus.asked.vendor_too);
	assert_int_equal(run_with("--vendor", "001/002", NULL), 0);
	assert_true(bus.asked.vendor_too);
	assert_int_equal(bus.asked.address, 2);
}

static void what_is_no_device(void **state)
{
	static const char *const wrong[] = {
		"08e6", "08e6:343", "08e6:3437x", "8e6:34370", "0x8e:3437", "+8e6:3437", "", "x",
		"/dev/ttyS0", "/dev/bus/usb/001", "001/002/003", "001/", "0/2", "1/0", "1/2x", "1111/2",
	};

	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		if (run_with(wrong[i], NULL, NULL) != 2)
			fail_msg("%s was taken", wrong[i]);
		has(err.text, "is neither VID:PID (four hexadecimal digits each) nor a device node\n");
		assert_string_equal(out.text, "");
	}
	assert_int_equal(bus.calls, 0);
}

static void usage_and_version(void **state)
{
	(void)state;
	assert_int_equal(run_with("-h", NULL, NULL), 0);
	has(out.text, "Usage: ccid-parse ");
	assert_string_equal(err.text, "");
	assert_int_equal(run_with("--version", NULL, NULL), 0);
	assert_string_equal(out.text, "ccid-parse (ifd-ccid) " VERSION "\n");
	assert_int_equal(run_with("a", "b", NULL), 2);
	has(err.text, "one reader at a time: \"b\" is too much");
	assert_string_equal(out.text, "");
	assert_int_equal(run_with("-j", "-g", "no.gz"), 2);
	assert_int_equal(run_with("-x", NULL, NULL), 2);
	assert_int_equal(run_with("-g", NULL, NULL), 2);
	assert_int_equal(bus.calls, 0);
}

/* --- text, JSON, compressed --- */

static unsigned count(const char *text, const char *part)
{
	unsigned n = 0;

	for (const char *p = text; (p = strstr(p, part)) != NULL; p++)
		n++;
	return n;
}

static void text_of_two(void **state)
{
	(void)state;
	bus.readers = 2;
	assert_int_equal(run_with(NULL, NULL, NULL), 0);
	has(out.text, "08e6:3437");
	has(out.text, "\n\n08e6:3438");	/* an empty line between them */
	has(out.text, "iSerialNumber: S-0042\n");
	assert_null(strchr(out.text, '\033'));	/* no terminal */
}

static void json_is_one_array(void **state)
{
	(void)state;
	bus.readers = 2;
	assert_int_equal(run_with("--json", NULL, NULL), 0);
	assert_memory_equal(out.text, "[\n {", 4);
	assert_string_equal(out.text + strlen(out.text) - 4, "}\n]\n");
	assert_int_equal(count(out.text, "},\n {"), 1);
	bus.readers = 0;
	assert_int_equal(run_with("-j", NULL, NULL), 1);
	assert_string_equal(out.text, "[]\n");
}

static void compressed_without_serial_number(void **state)
{
	char name[] = "/tmp/ccid-parse-XXXXXX", text[4096];
	int fd = mkstemp(name), n;
	gzFile gz;

	(void)state;
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(run_with("-g", name, NULL), 0);
	assert_string_equal(out.text, "");
	has(err.text, "ccid-parse: 1 interface written to /tmp/ccid-parse-");
	gz = gzopen(name, "rb");
	assert_non_null(gz);
	n = gzread(gz, text, sizeof text - 1);
	gzclose(gz);
	assert_true(n > 0);
	text[n] = '\0';
	has(text, "08e6:3437");
	has(text, "iSerialNumber: (left out)\n");
	assert_null(strstr(text, "S-0042"));
	bus.readers = 2;
	assert_int_equal(run_with("--gz", name, NULL), 0);
	has(err.text, "ccid-parse: 2 interfaces written to ");
	unlink(name);
	/* nothing to write: no file */
	bus.readers = 0;
	assert_int_equal(run_with("-g", name, NULL), 1);
	assert_int_equal(access(name, F_OK), -1);
}

/* --- rows --- */

static const char dump[] =
	"1234:5678 Reader, bus 001 device 002 interface 0\n device\n  bcdUSB: 2.00\n  idVendor: 0x1234\n"
	"  idProduct: 0x5678\n  bcdDevice: 1.0A\n  iManufacturer: M: N\n  iProduct: Reader 2\n interface\n"
	"  bInterfaceNumber: 1\n  bNumEndpoints: 3\n  bInterfaceClass: 0x0B (smart card (CCID))\n"
	"  bInterfaceProtocol: 0 (CCID, bulk transfers)\n  iInterface: string 4, not read\n class descriptor\n"
	"  bDescriptorType: 0x21\n  bcdCCID: 1.10\n  bMaxSlotIndex: 10 (11 slots)\n  bVoltageSupport: 0x07\n"
	"    0x01 5.0 V\n  dwProtocols: 0x00000003\n  dwDefaultClock: 4000 kHz\n  dwMaximumClock: 8000 kHz\n"
	"  bNumClockSupported: 2\n  GET_CLOCK_FREQUENCIES: 4000, 8000 kHz\n  dwDataRate: 10752 bps\n"
	"  dwMaxDataRate: 344086 bps\n  bNumDataRatesSupported: 0 (all between)\n"
	"  GET_DATA_RATES: none (not read)\n  dwMaxIFSD: 254 bytes\n  dwSynchProtocols: 0x00000000 (none)\n"
	"  dwMechanical: 0x00000000 (none)\n  dwFeatures: 0x000100BA\n  dwMaxCCIDMessageLength: 271 bytes\n"
	"  bClassGetResponse: 0xFF\n  bClassEnvelope: 0xFF\n  wLcdLayout: 0x0210\n  bPINSupport: 0x03\n"
	"  bMaxCCIDBusySlots: 1 (1 slot busy at once)\n";
static const char row[] = "1234\t5678\t1.0A\tM: N\tReader 2\t1\t0x0B\t0\t3\t4\t1.10\t0x0A\t0x07\t0x00000003\t4000\t"
	"8000\t2\t10752\t344086\t0\t254\t0x00000000\t0x00000000\t0x000100BA\t271\t0xFF\t0xFF\t0x0210\t0x03\t1\t"
	"4000,8000\t\t0x21\n";

/* A file with the text, with `from` replaced by `to`, twice where asked for. */
static void write_dump(const char *name, const char *from, const char *to, unsigned times)
{
	const char *at = strstr(dump, from);
	FILE *f = fopen(name, "w");

	assert_true(at && f);
	while (times--)
		fprintf(f, "%.*s%s%s\n", (int)(at - dump), dump, to, at + strlen(from));
	fclose(f);
}

static void rows_of_what_was_sent_in(void **state)
{
	char name[] = "/tmp/ccid-parse-XXXXXX", want[1024];
	int fd = mkstemp(name);
	static const struct {
		const char *from, *to, *name;
	} names[] = {
		{ "1234:5678", "1234:5678", "M__N_Reader_2" }, { "Reader 2", "M: N 2", "M__N_2" },
		{ "Reader 2", "none", "M__N" },
	};

	(void)state;
	assert_true(fd >= 0);
	close(fd);
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		write_dump(name, names[i].from, names[i].to, 1);
		assert_int_equal(run_with("--row", name, NULL), 0);
		snprintf(want, sizeof want, "%s\t", names[i].name);
		assert_memory_equal(out.text, want, strlen(want));
		assert_string_equal(err.text, "");
	}
	write_dump(name, "1234:5678", "1234:5678", 2);
	assert_int_equal(run_with("-r", name, NULL), 0);
	snprintf(want, sizeof want, "M__N_Reader_2\t%sM__N_Reader_2\t%s", row, row);
	assert_string_equal(out.text, want);
	assert_int_equal(bus.calls, 0);
	assert_int_equal(run_to(open("/dev/full", O_RDWR), "-r", name, NULL), 1);
	has(err.text, "No space left");
	unlink(name);
	assert_int_equal(run_with("-r", name, NULL), 2);
	has(err.text, "nor a file that can be read");
	assert_int_equal(run_with("-r", "/tmp", NULL), 1);
	has(err.text, "cannot be read");
}

static void texts_that_give_no_row(void **state)
{
	char name[] = "/tmp/ccid-parse-XXXXXX";
	int fd = mkstemp(name);
	static const struct {
		const char *from, *to, *said;
	} rows[] = {
		{ "dwFeatures:", "dwFeature:", "no field dwFeatures" },
		{ "  idVendor", " idVendor", "no field idVendor" },
		{ "Reader 2", "string 2, not read", "strings were not read: run ccid-parse as root" },
		{ "M: N", "string 1, not read", "strings were not read: run ccid-parse as root" },
	};

	(void)state;
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(run_with("-r", name, NULL), 1);
	has(err.text, "no text of ccid-parse");
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		for (unsigned times = 1; times < 3; times++) {
			write_dump(name, rows[i].from, rows[i].to, times);
			assert_int_equal(run_with("-r", name, NULL), 1);
			has(err.text, rows[i].said);
		}
	}
	unlink(name);
}

static void rows_of_the_bus(void **state)
{
	(void)state;
	/* the interface has no class descriptor */
	assert_int_equal(run_with("-r", "08e6:3437", NULL), 1);
	assert_true(bus.asked.vendor_too);
	has(err.text, "ccid-parse: no row: no field bcdCCID");
	bus.readers = 0;
	assert_int_equal(run_with("-r", "08e6:3437", NULL), 1);
	assert_string_equal(out.text, "");
	assert_int_equal(run_with("-r", "-j", NULL), 2);
	has(err.text, "-r excludes both");
}

static void colour_on_terminals(void **state)
{
	static const struct {
		const char *term, *no_color;
		bool colour;
	} rows[] = { { "xterm", NULL, true }, { "dumb", NULL, false }, { "xterm", "1", false },
		     { NULL, NULL, false } };

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		int leader = posix_openpt(O_RDWR | O_NOCTTY), follower;
		char text[8192];
		ssize_t n;
		size_t len = 0;

		assert_true(leader >= 0 && grantpt(leader) == 0 && unlockpt(leader) == 0);
		follower = open(ptsname(leader), O_RDWR | O_NOCTTY);
		assert_true(follower >= 0);
		if (rows[i].term)
			setenv("TERM", rows[i].term, 1);
		else
			unsetenv("TERM");
		if (rows[i].no_color)
			setenv("NO_COLOR", rows[i].no_color, 1);
		else
			unsetenv("NO_COLOR");
		assert_int_equal(run_to(follower, NULL, NULL, NULL), 0);
		/* all of it: the other end is closed */
		while (len < sizeof text - 1 && (n = read(leader, text + len, sizeof text - 1 - len)) > 0)
			len += (size_t)n;
		text[len] = '\0';
		has(text, "bMaxPacketSize0");
		assert_int_equal(strstr(text, "\033[1m") != NULL, rows[i].colour);
		close(leader);
	}
}

/* --- exit codes --- */

static void nothing_found(void **state)
{
	static const struct {
		const char *argument;
		unsigned devices, vendor;
		const char *said;
	} rows[] = {
		{ NULL, 3, 0, "ccid-parse: no smart-card reader is on the bus\n" },
		{ "08e6:3437", 0, 0, "ccid-parse: no such device is on the bus\n" },
		{ "001/002", 0, 0, "ccid-parse: no such device is on the bus\n" },
		{ "08e6:3437", 1, 0, "ccid-parse: that device has no smart-card reader interface\n" },
		{ "001/002", 1, 0, "ccid-parse: that device has no smart-card reader interface\n" },
		{ NULL, 3, 1, "ccid-parse: no smart-card reader is on the bus\n"
			      "ccid-parse: 1 interface of class FF or 00 looks like one: try -p\n" },
		{ NULL, 3, 2, "ccid-parse: no smart-card reader is on the bus\n"
			      "ccid-parse: 2 interfaces of class FF or 00 look like one: try -p\n" },
	};

	(void)state;
	bus.readers = 0;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		bus.devices = rows[i].devices;
		bus.vendor = rows[i].vendor;
		assert_int_equal(run_with(rows[i].argument, NULL, NULL), 1);
		assert_string_equal(err.text, rows[i].said);
		assert_string_equal(out.text, "");
	}
}

static void what_could_not_be_read_whole(void **state)
{
	(void)state;
	bus.incomplete = true;
	assert_int_equal(run_with(NULL, NULL, NULL), 1);
	has(out.text, "08e6:3437");
	bus.incomplete = false;
	bus.broken = true;
	assert_int_equal(run_with(NULL, NULL, NULL), 1);
	assert_string_equal(out.text, "");
	assert_int_equal(run_with("-j", NULL, NULL), 1);
	assert_string_equal(out.text, "");
}

static void output_that_cannot_be_written(void **state)
{
	(void)state;
	for (unsigned json = 0; json < 2; json++) {
		assert_int_equal(run_to(open("/dev/full", O_RDWR), json ? "-j" : NULL, NULL, NULL), 1);
		has(err.text, "ccid-parse: standard output: No space left on device\n");
	}
	assert_int_equal(run_with("-g", "/no/such/folder/x.gz", NULL), 1);
	has(err.text, "ccid-parse: /no/such/folder/x.gz: No such file or directory\n");
}

/* A file that is not whole is of no use; what was there before as something else is not ours to remove. */
static void a_compressed_file_that_cannot_be_written(void **state)
{
	char folder[] = "/tmp/ccid-parse-XXXXXX", name[64];
	struct rlimit before, little;
	struct stat st;

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(name, sizeof name, "%s/gz", folder);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	little = before;
	little.rlim_cur = 90;	/* for the message it is enough */
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &little), 0);
	assert_int_equal(run_with("-g", name, NULL), 1);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	signal(SIGXFSZ, SIG_DFL);
	has(err.text, " cannot be written\n");
	assert_int_equal(access(name, F_OK), -1);

	assert_int_equal(symlink("/dev/full", name), 0);
	assert_int_equal(run_with("-g", name, NULL), 1);
	has(err.text, " cannot be written\n");
	assert_null(strstr(err.text, "interface"));
	assert_int_equal(lstat(name, &st), 0);
	unlink(name);
	rmdir(folder);
}

#define TEST(f) cmocka_unit_test_setup(f, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_looked_for),	   TEST(what_is_no_device),
		TEST(usage_and_version),	   TEST(text_of_two),
		TEST(json_is_one_array),	   TEST(compressed_without_serial_number),
		TEST(rows_of_what_was_sent_in),	   TEST(texts_that_give_no_row),
		TEST(rows_of_the_bus),
		TEST(colour_on_terminals),	   TEST(nothing_found),
		TEST(what_could_not_be_read_whole), TEST(output_that_cannot_be_written),
		TEST(a_compressed_file_that_cannot_be_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
