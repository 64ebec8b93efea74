/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Loads driver modules as pcscd does and looks up their functions, but calls none: TAP.
 *	load_driver MODULE... */
#include <dlfcn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <wintypes.h>
#include <ifdhandler.h>

/* The functions that pcscd offers to its drivers. */
void log_msg(const int priority, const char *fmt, ...);
void log_xxd(const int priority, const char *msg, const unsigned char *buffer, const int size);

void log_msg(const int priority, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	printf("# log %d: ", priority);
	vprintf(fmt, ap);
	putchar('\n');
	va_end(ap);
}

void log_xxd(const int priority, const char *msg, const unsigned char *buffer, const int size)
{
	(void)buffer;
	printf("# log %d: %s (%d bytes)\n", priority, msg, size);
}

static const char *const names[] = {
	"IFDHCloseChannel",	"IFDHControl",		"IFDHCreateChannel",
	"IFDHCreateChannelByName", "IFDHGetCapabilities", "IFDHICCPresence",
	"IFDHPowerICC",		"IFDHSetCapabilities",	"IFDHSetProtocolParameters",
	"IFDHTransmitToICC",
};

#define NAMES (sizeof(names) / sizeof(names[0]))

#ifdef RTLD_NOLOAD
#define CASES (NAMES + 5)
#else
#define CASES (NAMES + 4)
#endif

static unsigned count;
static int failed;

static void result(int good, const char *module, const char *name)
{
	printf("%sok %u - %s: %s\n", good ? "" : "not ", ++count, module, name);
	failed |= !good;
}

static void try_module(const char *path)
{
	const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
	RESPONSECODE (*close_channel)(DWORD);
	void *module = dlopen(path, RTLD_NOW);

	result(module != NULL, base, "loads");
	if (!module) {
		printf("Bail out! %s\n", dlerror());
		exit(1);
	}
	for (size_t i = 0; i < NAMES; i++)
		result(dlsym(module, names[i]) != NULL, base, names[i]);
	result(dlsym(module, "registry_get") == NULL, base, "internal functions are hidden");

	/* POSIX: a pointer from dlsym() may be stored through a void **. */
	*(void **)&close_channel = dlsym(module, "IFDHCloseChannel");
	result(close_channel && close_channel(0x12340000) != IFD_SUCCESS, base,
	       "a channel that is not open cannot be closed");
	result(dlclose(module) == 0, base, "unloads");
#ifdef RTLD_NOLOAD
	/* After closing, a thread with an interrupted command may still run the driver's code. */
	module = dlopen(path, RTLD_NOW | RTLD_NOLOAD);
	result(module != NULL, base, "its code stays in memory");
	if (module)
		dlclose(module);
#endif
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		fprintf(stderr, "usage: load_driver MODULE...\n");
		return 2;
	}
	printf("1..%u\n", (unsigned)CASES * (unsigned)(argc - 1));
	for (int i = 1; i < argc; i++)
		try_module(argv[i]);
	return failed;
}
