/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* compare-play DRIVER CASES: plays conversations with a driver's file (libccid.so, of this driver
 * or of libccid) on simulated readers, and prints the messages on the wire, the results of the
 * calls, and their duration by the virtual clock.
 *
 * CASES is lines of text:
 *	case NAME		begins; each case is played by a process of its own
 *	drop FOLDER		PCSCLITE_HP_DROPDIR of the case
 *	sim LINE		a line of a simulator file
 *	do STEP...		a step; see `steps` below
 * Printed: "case NAME", for each step "step TEXT", "> BYTES" for each message to the reader (XX for bSeq), "c BYTES"
 * for each class request, "= CODE DATA MS", and "end SIGNAL". */
#include "compare/play.h"
#include "fake/fake_libusb_priv.h"
#include "util/deadline.h"

#include <ctype.h>
#include <dlfcn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <winscard.h>
#include <ifdhandler.h>

#define SHOWN 64
#define ROOM 70000
#define MOST_TRANSFERS 40000u

static struct {
	RESPONSECODE (*create)(DWORD, LPSTR);
	RESPONSECODE (*close)(DWORD);
	RESPONSECODE (*caps)(DWORD, DWORD, PDWORD, PUCHAR);
	RESPONSECODE (*set_caps)(DWORD, DWORD, DWORD, PUCHAR);
	RESPONSECODE (*power)(DWORD, DWORD, PUCHAR, PDWORD);
	RESPONSECODE (*protocol)(DWORD, DWORD, UCHAR, UCHAR, UCHAR, UCHAR);
	RESPONSECODE (*transmit)(DWORD, SCARD_IO_HEADER, PUCHAR, DWORD, PUCHAR, PDWORD, PSCARD_IO_HEADER);
	RESPONSECODE (*control)(DWORD, DWORD, PUCHAR, DWORD, PUCHAR, DWORD, LPDWORD);
	RESPONSECODE (*presence)(DWORD);
} ifd;

/* A change of the reader's nth answer from now on. -1: the member is not changed. */
static struct twist {
	unsigned nth;
	int type, status, error, delta;
	int body;		/* length of the body */
	int slot;
} twist;

static DWORD lun;
static unsigned t_in_use;
static uint8_t in[ROOM], out[ROOM];

/* --- pcscd's log --- */

void log_msg(const int priority, const char *fmt, ...)
	__attribute__((visibility("default"), format(printf, 2, 3)));
void log_xxd(const int priority, const char *msg, const unsigned char *buffer, const int len)
	__attribute__((visibility("default")));

void log_msg(const int priority, const char *fmt, ...)
{
	va_list ap;

	(void)priority;
	if (!getenv("COMPARE_LOG"))
		return;
	fputs("log ", stdout);
	va_start(ap, fmt);
	vfprintf(stdout, fmt, ap);
	va_end(ap);
	putchar('\n');
}

/* --- the wire --- */

/* All bytes, or the first of them with the length and a sum over all. */
static void print_bytes(const uint8_t *p, size_t n, int masked)
{
	uint32_t sum = 2166136261u;

	for (size_t i = 0; i < n; i++) {
		if (i >= SHOWN)
			;
		else if ((int)i == masked)
			fputs("XX", stdout);
		else
			printf("%02X", p[i]);
		sum = (sum ^ ((int)i == masked ? 0 : p[i])) * 16777619u;
	}
	if (n > SHOWN)
		printf("+%zu#%08X", n, sum);
}

void log_xxd(const int priority, const char *msg, const unsigned char *buffer, const int len)
{
	(void)priority;
	if (!getenv("COMPARE_LOG"))
		return;
	printf("log %s", msg);
	print_bytes(buffer, (size_t)len, -1);
	putchar('\n');
}

static void show(const struct sim_urb *u)
{
	if (u->type == SIM_BULK && !(u->endpoint & 0x80) && u->len) {
		fputs("> ", stdout);
		print_bytes(u->buf, u->len, 6);
	} else if (u->type == SIM_CONTROL && (u->setup[0] & 0x60) == 0x20) {
		fputs("c ", stdout);
		/* ABORT carries bSeq in wValue. */
		print_bytes(u->setup, 8, u->setup[1] == 1 ? 3 : -1);
		if (!(u->setup[0] & 0x80) && u->len) {
			putchar(' ');
			print_bytes(u->buf, u->len, u->len >= 10 ? 6 : -1);
		}
	} else {
		return;
	}
	putchar('\n');
}

static void put_length(uint8_t *p, size_t n)
{
	for (unsigned i = 0; i < 4; i++)
		p[1 + i] = (uint8_t)(n >> 8 * i);
}

static void apply_twist(struct sim_urb *u)
{
	if (u->type != SIM_BULK || !(u->endpoint & 0x80) || u->status != SIM_OK || u->actual < 10 ||
	    twist.nth == 0 || --twist.nth)
		return;
	if (twist.type >= 0)
		u->buf[0] = (uint8_t)twist.type;
	if (twist.slot >= 0)
		u->buf[5] = (uint8_t)twist.slot;
	if (twist.status >= 0)
		u->buf[7] = (uint8_t)twist.status;
	if (twist.error >= 0)
		u->buf[8] = (uint8_t)twist.error;
	if (twist.body >= 0 && 10u + (unsigned)twist.body <= u->len) {
		if (10u + (unsigned)twist.body > u->actual)
			memset(u->buf + u->actual, 0, 10u + (unsigned)twist.body - u->actual);
		u->actual = 10u + (unsigned)twist.body;
		put_length(u->buf, (size_t)twist.body);
	}
	put_length(u->buf, (size_t)(u->buf[1] | u->buf[2] << 8 | u->buf[3] << 16) + (size_t)twist.delta);
}

static void watch(struct sim_urb *u, bool done)
{
	static unsigned transfers;

	if (!done && ++transfers > MOST_TRANSFERS)
		play_no_end();
	if (done)
		apply_twist(u);
	else
		show(u);
}

/* --- steps --- */

/* Hexadecimal digits, and "@N" for N bytes that depend on their place. Returns how many bytes. */
static size_t to_bytes(const char *text, uint8_t *p, size_t cap)
{
	size_t n = 0;
	unsigned v;

	while (*text && n < cap) {
		if (*text == '@') {
			unsigned long many = strtoul(text + 1, (char **)(uintptr_t)&text, 10);

			for (unsigned long i = 0; i < many && n < cap; i++)
				p[n++] = (uint8_t)(i * 7 + (i >> 8));
		} else if (isspace((unsigned char)*text)) {
			text++;
		} else if (sscanf(text, "%2x", &v) == 1) {
			p[n++] = (uint8_t)v;
			text += 2;
		} else {
			break;
		}
	}
	return n;
}

static uint64_t begun;

static void result(RESPONSECODE rc, const uint8_t *data, size_t n)
{
	printf("= %ld ", (long)rc);
	if (n)
		print_bytes(data, n, -1);
	else
		putchar('-');
	printf(" %llu\n", (unsigned long long)((clock_now() - begun) / 1000000u));
}

static void do_open(const char *arg)
{
	char name[80];
	unsigned interface = 0, slot = 0;

	(void)sscanf(arg, "%u %u", &interface, &slot);
	lun = slot;
	fake_usb_name(0, interface, name, sizeof name);
	result(ifd.create(lun, name), NULL, 0);
}

static void do_close(const char *arg)
{
	(void)arg;
	result(ifd.close(lun), NULL, 0);
}

static void do_slot(const char *arg)
{
	lun = strtoul(arg, NULL, 10);
	result(0, NULL, 0);
}

static void do_presence(const char *arg)
{
	(void)arg;
	result(ifd.presence(lun), NULL, 0);
}

static void do_power(const char *arg)
{
	DWORD what = strcmp(arg, "down") == 0 ? IFD_POWER_DOWN : strcmp(arg, "reset") == 0 ? IFD_RESET : IFD_POWER_UP;
	DWORD n = MAX_ATR_SIZE;
	RESPONSECODE rc = ifd.power(lun, what, out, &n);

	t_in_use = 0;
	result(rc, out, rc == IFD_SUCCESS && what != IFD_POWER_DOWN ? n : 0);
}

static void do_proto(const char *arg)
{
	unsigned t = 0, flags = 0, p1 = 0;
	RESPONSECODE rc;

	(void)sscanf(arg, "%u %x %x", &t, &flags, &p1);
	rc = ifd.protocol(lun, t == 0 ? SCARD_PROTOCOL_T0 : t == 1 ? SCARD_PROTOCOL_T1 : SCARD_PROTOCOL_RAW,
			  (UCHAR)flags, (UCHAR)p1, 0, 0);
	if (rc == IFD_SUCCESS)
		t_in_use = t;
	result(rc, NULL, 0);
}

static void do_apdu(const char *arg)
{
	SCARD_IO_HEADER pci = { t_in_use, sizeof pci }, back = { 0, 0 };
	size_t n = to_bytes(arg, in, sizeof in);
	DWORD room = 65548;
	RESPONSECODE rc = ifd.transmit(lun, pci, in, n, out, &room, &back);

	result(rc, out, rc == IFD_SUCCESS ? room : 0);
}

static void do_control(const char *arg)
{
	unsigned long code = strtoul(arg, (char **)(uintptr_t)&arg, 16);
	size_t n = to_bytes(arg, in, sizeof in);
	DWORD got = 0;
	RESPONSECODE rc = ifd.control(lun, code, in, n, out, 65548, &got);

	result(rc, out, rc == IFD_SUCCESS ? got : 0);
}

static void do_attr(const char *arg)
{
	DWORD tag = strtoul(arg, NULL, 16), n = 300;
	RESPONSECODE rc = ifd.caps(lun, tag, &n, out);

	/* The values of pointers are not compared. */
	if (tag >= TAG_IFD_POLLING_THREAD_KILLABLE - 3 && n == sizeof(void *))
		memset(out, 0, n);
	result(rc, out, rc == IFD_SUCCESS ? n : 0);
}

static void do_poll(const char *arg)
{
	RESPONSECODE (*fn)(DWORD, int) = NULL;
	DWORD n = sizeof fn;

	if (ifd.caps(lun, TAG_IFD_POLLING_THREAD_WITH_TIMEOUT, &n, (PUCHAR)&fn) != IFD_SUCCESS || !fn)
		result(-1, NULL, 0);
	else
		result(fn(lun, atoi(arg)), NULL, 0);
}

static void said(bool ok, const char *err)
{
	if (!ok)
		printf("log player: %s\n", err);
	result(ok ? 0 : -1, NULL, 0);
}

static void do_fault(const char *arg)
{
	char err[200] = "";

	said(sim_dev_fault(fake_usb_dev(0), arg, err, sizeof err), err);
}

static void do_insert(const char *arg)
{
	char err[200] = "";

	said(sim_dev_insert(fake_usb_dev(0), 0, 0, arg, clock_now(), err, sizeof err), err);
}

static void do_remove(const char *arg)
{
	(void)arg;
	said(sim_dev_remove(fake_usb_dev(0), 0, 0, clock_now()), "no card");
}

/* "HH..." keys as text, \n and \e by their letters. */
static void do_keys(const char *arg)
{
	char keys[32];
	size_t n = 0;

	for (; *arg && n < sizeof keys - 1; arg++)
		keys[n++] = *arg == 'O' ? '\n' : *arg == 'C' ? '\033' : *arg;
	keys[n] = '\0';
	said(sim_dev_keys(fake_usb_dev(0), 0, keys, clock_now()), "no keys");
}

static void do_wait(const char *arg)
{
	usleep((useconds_t)strtoul(arg, NULL, 10) * 1000);
	result(0, NULL, 0);
}

/* "nth=1 type=81 status=40 error=FE delta=-1 body=3", all but nth, delta and body in hexadecimal. */
static void do_twist(const char *arg)
{
	static const struct { const char *name; size_t at; int base; } words[] = {
		{ "nth=", offsetof(struct twist, nth), 10 }, { "type=", offsetof(struct twist, type), 16 },
		{ "status=", offsetof(struct twist, status), 16 }, { "error=", offsetof(struct twist, error), 16 },
		{ "delta=", offsetof(struct twist, delta), 10 }, { "body=", offsetof(struct twist, body), 10 },
		{ "slot=", offsetof(struct twist, slot), 16 },
	};

	twist = (struct twist){ 1, -1, -1, -1, 0, -1, -1 };
	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
		const char *p = strstr(arg, words[i].name);

		if (p)
			*(int *)(void *)((char *)&twist + words[i].at) =
				(int)strtol(p + strlen(words[i].name), NULL, words[i].base);
	}
	result(0, NULL, 0);
}

static const struct {
	const char *name;
	void (*run)(const char *arg);
} steps[] = {
	{ "open", do_open },	     { "close", do_close },   { "slot", do_slot },     { "presence", do_presence },
	{ "power", do_power },	     { "proto", do_proto },   { "apdu", do_apdu },     { "control", do_control },
	{ "attr", do_attr },	     { "poll", do_poll },     { "fault", do_fault },   { "insert", do_insert },
	{ "remove", do_remove },     { "keys", do_keys },     { "wait", do_wait },     { "twist", do_twist },
};

static void play_step(char *text)
{
	size_t word = strcspn(text, " ");

	printf("step %.200s\n", text);
	play_turns();
	begun = clock_now();
	for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
		if (strlen(steps[i].name) == word && strncmp(steps[i].name, text, word) == 0) {
			steps[i].run(text + word + (text[word] == ' '));
			fflush(stdout);
			return;
		}
	}
	printf("log player: unknown step\n");
}

/* --- cases --- */

struct conversation {
	char name[160], drop[300];
	char sim[4096];
	char *step[400];
	unsigned n_steps;
};

static void play(struct conversation *c)
{
	struct sim_dev **devs;
	char err[200] = "";
	int n;

	alarm(60);
	setenv("PCSCLITE_HP_DROPDIR", c->drop, 1);
	fake.idle = play_idle;
	fake.watch = watch;
	fake_usb_begin(FAKE_VIRTUAL);
	/* Not a time near 0, which a driver could take for an unset time. */
	fake_clock_advance(1000000000000ull);
	play_time_begin();
	n = sim_config_parse(c->sim, &devs, err, sizeof err);
	if (n < 1) {
		printf("log player: %s\n", err);
		_exit(3);
	}
	for (int i = 0; i < n; i++)
		fake_usb_add(devs[i]);
	for (unsigned i = 0; i < c->n_steps; i++)
		play_step(c->step[i]);
	fflush(stdout);
	_exit(0);
}

static void run(struct conversation *c)
{
	int status;
	pid_t pid;

	if (!c->name[0])
		return;
	printf("case %s\n", c->name);
	fflush(stdout);
	pid = fork();
	if (pid < 0)
		exit(2);
	if (pid == 0)
		play(c);
	waitpid(pid, &status, 0);
	printf("\nend %d\n", WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	for (unsigned i = 0; i < c->n_steps; i++)
		free(c->step[i]);
	memset(c, 0, sizeof *c);
}

static void read_cases(FILE *f)
{
	static struct conversation c;
	char *line = NULL;
	size_t cap = 0;

	while (getline(&line, &cap, f) > 0) {
		line[strcspn(line, "\n")] = '\0';
		if (strncmp(line, "case ", 5) == 0) {
			run(&c);
			snprintf(c.name, sizeof c.name, "%s", line + 5);
		} else if (strncmp(line, "drop ", 5) == 0) {
			snprintf(c.drop, sizeof c.drop, "%s", line + 5);
		} else if (strncmp(line, "sim ", 4) == 0) {
			size_t at = strlen(c.sim);

			snprintf(c.sim + at, sizeof c.sim - at, "%s\n", line + 4);
		} else if (strncmp(line, "do ", 3) == 0 && c.n_steps < sizeof c.step / sizeof c.step[0]) {
			c.step[c.n_steps++] = strdup(line + 3);
		}
	}
	run(&c);
	free(line);
}

static void load(const char *path)
{
	static const struct { const char *name; void *fn; } names[] = {
		{ "IFDHCreateChannelByName", &ifd.create },  { "IFDHCloseChannel", &ifd.close },
		{ "IFDHGetCapabilities", &ifd.caps },	     { "IFDHSetCapabilities", &ifd.set_caps },
		{ "IFDHPowerICC", &ifd.power },		     { "IFDHSetProtocolParameters", &ifd.protocol },
		{ "IFDHTransmitToICC", &ifd.transmit },	     { "IFDHControl", &ifd.control },
		{ "IFDHICCPresence", &ifd.presence },
	};
	void *so = dlopen(path, RTLD_NOW | RTLD_LOCAL);

	for (size_t i = 0; so && i < sizeof names / sizeof names[0]; i++)
		*(void **)names[i].fn = dlsym(so, names[i].name);
	if (!so || !ifd.presence) {
		fprintf(stderr, "%s: %s\n", path, dlerror());
		exit(2);
	}
}

int main(int argc, char **argv)
{
	FILE *f;

	if (argc != 3 || !(f = fopen(argv[2], "r"))) {
		fprintf(stderr, "usage: compare-play DRIVER CASES\n");
		return 2;
	}
	setenv("LIBCCID_ifdLogLevel", getenv("COMPARE_LOG") ? "15" : "0", 0);
	load(argv[1]);
	read_cases(f);
	fclose(f);
	return 0;
}
