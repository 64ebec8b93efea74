/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A stand-in for pcscd: opens all slots of readers and exchanges APDUs on all of them at once, with
 * a thread for each slot. Every answer must have exactly the bytes that were sent to that slot.
 * Commands on standard input, one answer a line:
 *	start BANK NAME		opens the 8 slots of a device by pcscd's name: "started N"
 *	begin BANK		starts the exchanges: "begun N"
 *	count BANK		"exchanges N wrong N failed N working N"
 *	end BANK		ends its threads (an error does so, too), closes all: "ended N"
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <winscard.h>
#include <ifdhandler.h>
#include <reader.h>

/* The card's time for each command: nearly always every slot has a command in flight. */
enum { SLOTS = 8, MOST = 512, DATA = 120, WORK_MS = 500 };

static struct {
	RESPONSECODE (*open)(DWORD, LPSTR);
	RESPONSECODE (*close)(DWORD);
	RESPONSECODE (*power)(DWORD, DWORD, PUCHAR, PDWORD);
	RESPONSECODE (*protocol)(DWORD, DWORD, UCHAR, UCHAR, UCHAR, UCHAR);
	RESPONSECODE (*transmit)(DWORD, SCARD_IO_HEADER, PUCHAR, DWORD, PUCHAR, PDWORD, PSCARD_IO_HEADER);
	RESPONSECODE (*set)(DWORD, DWORD, DWORD, PUCHAR);
} driver;

static struct worker {
	pthread_t thread;
	char bank[32];
	DWORD lun;
	bool used;
	atomic_bool working, told_to_begin, told_to_end;
	atomic_ulong exchanges, wrong, failed;
} workers[MOST];

void log_msg(const int priority, const char *fmt, ...) __attribute__((visibility("default"), format(printf, 2, 3)));

void log_msg(const int priority, const char *fmt, ...)
{
	va_list ap;

	if (priority < 3)
		return;
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

/* An ECHO command with DATA bytes that no other slot sends. */
static bool exchange(struct worker *w, unsigned long n)
{
	UCHAR command[5 + DATA + 1] = { 0x80, 0x18, WORK_MS >> 8, WORK_MS & 0xFF, DATA },
	      answer[300];
	SCARD_IO_HEADER t1 = { 1, sizeof t1 };
	DWORD len = sizeof answer;

	for (unsigned i = 0; i < DATA; i++)
		command[5 + i] = (UCHAR)((w->lun >> 16) * 31 + (w->lun & 7) * 7 + n * 13 + i * (1 + (w->lun & 7)));
	memcpy(command + 5, &w->lun, sizeof w->lun);
	memcpy(command + 5 + sizeof w->lun, &n, sizeof n);
	if (driver.transmit(w->lun, t1, command, sizeof command, answer, &len, &t1) != IFD_SUCCESS)
		return false;
	if (len != DATA + 2 || memcmp(answer, command + 5, DATA) || memcmp(answer + DATA, "\x90\x00", 2))
		w->wrong++;
	w->exchanges++;
	return true;
}

static void *work(void *arg)
{
	struct worker *w = arg;
	UCHAR atr[MAX_ATR_SIZE];
	DWORD len = sizeof atr;
	bool good = driver.power(w->lun, IFD_POWER_UP, atr, &len) == IFD_SUCCESS &&
		    driver.protocol(w->lun, SCARD_PROTOCOL_T1, 0, 0, 0, 0) == IFD_SUCCESS;

	while (!w->told_to_begin)
		usleep(50000);
	for (unsigned long n = 0; good && !w->told_to_end; n++)
		good = exchange(w, n);
	w->failed += !good;
	w->working = false;
	return NULL;
}

static void start(const char *bank, char *name)
{
	static DWORD reader;
	unsigned n = 0;

	for (unsigned slot = 0; slot < SLOTS; slot++) {
		struct worker *w = workers;

		while (w < workers + MOST && w->used)
			w++;
		if (w == workers + MOST || driver.open(reader << 16 | slot, name) != IFD_SUCCESS)
			break;
		memset(w, 0, sizeof *w);
		snprintf(w->bank, sizeof w->bank, "%s", bank);
		w->lun = reader << 16 | slot;
		w->working = w->used = true;
		n += pthread_create(&w->thread, NULL, work, w) == 0;
	}
	reader++;
	printf("started %u\n", n);
}

static void begin(const char *bank)
{
	unsigned n = 0;

	for (struct worker *w = workers; w < workers + MOST; w++) {
		if (!w->used || strcmp(w->bank, bank) != 0)
			continue;
		w->told_to_begin = true;
		n++;
	}
	printf("begun %u\n", n);
}

static void count(const char *bank)
{
	unsigned long exchanges = 0, wrong = 0, failed = 0, working = 0;

	for (struct worker *w = workers; w < workers + MOST; w++) {
		if (!w->used || strcmp(w->bank, bank) != 0)
			continue;
		exchanges += w->exchanges;
		wrong += w->wrong;
		failed += w->failed;
		working += w->working;
	}
	printf("exchanges %lu wrong %lu failed %lu working %lu\n", exchanges, wrong, failed, working);
}

/* An unplugged device is closed as in pcscd. */
static void end(const char *bank)
{
	UCHAR one = 1;
	unsigned n = 0;

	for (struct worker *w = workers; w < workers + MOST; w++)
		if (w->used && strcmp(w->bank, bank) == 0)
			w->told_to_begin = w->told_to_end = true;
	for (struct worker *w = workers; w < workers + MOST; w++) {
		if (!w->used || strcmp(w->bank, bank) != 0)
			continue;
		pthread_join(w->thread, NULL);
		if (w->failed)
			driver.set(w->lun, TAG_IFD_DEVICE_REMOVED, 1, &one);
		driver.close(w->lun);
		w->used = false;
		n++;
	}
	printf("ended %u\n", n);
}

static bool load(const char *path)
{
	void *file = dlopen(path, RTLD_NOW);

	if (!file) {
		fprintf(stderr, "%s\n", dlerror());
		return false;
	}
	*(void **)&driver.open = dlsym(file, "IFDHCreateChannelByName");
	*(void **)&driver.close = dlsym(file, "IFDHCloseChannel");
	*(void **)&driver.power = dlsym(file, "IFDHPowerICC");
	*(void **)&driver.protocol = dlsym(file, "IFDHSetProtocolParameters");
	*(void **)&driver.transmit = dlsym(file, "IFDHTransmitToICC");
	*(void **)&driver.set = dlsym(file, "IFDHSetCapabilities");
	return driver.open && driver.close && driver.power && driver.protocol && driver.transmit && driver.set;
}

int main(int argc, char **argv)
{
	char line[300], what[16], bank[32], name[256];

	if (argc != 2 || !load(argv[1]))
		return 2;
	while (fgets(line, sizeof line, stdin)) {
		int n = sscanf(line, "%15s %31s %255s", what, bank, name);

		if (n == 3 && strcmp(what, "start") == 0)
			start(bank, name);
		else if (n == 2 && strcmp(what, "begin") == 0)
			begin(bank);
		else if (n == 2 && strcmp(what, "count") == 0)
			count(bank);
		else if (n == 2 && strcmp(what, "end") == 0)
			end(bank);
		else
			printf("what?\n");
		fflush(stdout);
	}
	return 0;
}
