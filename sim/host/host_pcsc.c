/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* pcsc:READER: a process of its own talks to pcscd, so that nothing else ever waits for it, and brings the card as
 * vpcd's protocol has it. libpcsclite is loaded only then: the simulator runs without it. */
#define _GNU_SOURCE
#include "sim/host/host.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* PC/SC as pcsc-lite has it on 64 and 32 bits: LONG and DWORD are long. */
typedef long pcsc_long;
typedef unsigned long pcsc_dword;
struct pcsc_io { pcsc_dword protocol, length; };

enum { SCOPE_SYSTEM = 2, SHARE_EXCLUSIVE = 1, PROTOCOL_ANY = 3, LEAVE = 0, RESET = 1, UNPOWER = 2 };
enum { VPCD_OFF = 0, VPCD_ON = 1, VPCD_RESET = 2, VPCD_ATR = 4 };

#define MESSAGE_MAX 65535u
#define ATR_MAX 33u
#define NAMES_MAX 8192u
#define LOOK_MS 300
#define NO_READERS 0x8010002Eul

struct pcsc {
	pcsc_long (*establish)(pcsc_dword scope, const void *, const void *, pcsc_long *context);
	pcsc_long (*list)(pcsc_long context, const char *groups, char *readers, pcsc_dword *len);
	pcsc_long (*connect)(pcsc_long context, const char *reader, pcsc_dword mode, pcsc_dword protocols,
			     pcsc_long *card, pcsc_dword *protocol);
	pcsc_long (*reconnect)(pcsc_long card, pcsc_dword mode, pcsc_dword protocols, pcsc_dword how,
			       pcsc_dword *protocol);
	pcsc_long (*status)(pcsc_long card, char *name, pcsc_dword *name_len, pcsc_dword *state, pcsc_dword *protocol,
			    uint8_t *atr, pcsc_dword *atr_len);
	pcsc_long (*transmit)(pcsc_long card, const struct pcsc_io *out, const uint8_t *in, pcsc_dword in_len,
			      struct pcsc_io *back, uint8_t *answer, pcsc_dword *answer_len);
	pcsc_long context, card;
	pcsc_dword protocol;
};

static char pcscd_socket[64];

/* The folder itself is held: it has another name, or none, once this process has a /run of its own. */
void host_pcsc_remember(void)
{
	int fd = open("/run/pcscd", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0 && !getenv("PCSCLITE_CSOCK_NAME"))
		snprintf(pcscd_socket, sizeof pcscd_socket, "/proc/self/fd/%d/pcscd.comm", fd);
}

static bool load(struct pcsc *p)
{
	static const char *const names[] = { "SCardEstablishContext", "SCardListReaders", "SCardConnect",
					     "SCardReconnect", "SCardStatus", "SCardTransmit" };
	void *lib = dlopen("libpcsclite.so.1", RTLD_NOW | RTLD_LOCAL), *to[6];

	for (unsigned i = 0; lib && i < 6; i++)
		if (!(to[i] = dlsym(lib, names[i])))
			lib = NULL;
	if (!lib) {
		fprintf(stderr, "ccid-sim: pcsc: %s; install libpcsclite1\n", dlerror());
		return false;
	}
	memcpy(&p->establish, &to[0], sizeof(void *));
	memcpy(&p->list, &to[1], sizeof(void *));
	memcpy(&p->connect, &to[2], sizeof(void *));
	memcpy(&p->reconnect, &to[3], sizeof(void *));
	memcpy(&p->status, &to[4], sizeof(void *));
	memcpy(&p->transmit, &to[5], sizeof(void *));
	return true;
}

/* The first reader whose name has the text in it. *lost: pcscd has gone, so that asking again is useless. */
static bool connect_card(struct pcsc *p, const char *reader, bool *lost)
{
	char names[NAMES_MAX] = "", *name;
	pcsc_dword len = sizeof names - 2;

	pcsc_long rv = p->list(p->context, NULL, names, &len);

	*lost = rv && ((unsigned long)rv & 0xFFFFFFFF) != NO_READERS;
	if (rv)
		return false;
	for (name = names; *name; name += strlen(name) + 1)
		if (strstr(name, reader))
			return !p->connect(p->context, name, SHARE_EXCLUSIVE, PROTOCOL_ANY, &p->card, &p->protocol);
	return false;
}

static bool read_all(int fd, uint8_t *to, size_t len)
{
	return len == 0 || recv(fd, to, len, MSG_WAITALL) == (ssize_t)len;
}

static bool answer(int fd, const uint8_t *p, size_t len)
{
	uint8_t head[2] = { (uint8_t)(len >> 8), (uint8_t)len };

	return send(fd, head, 2, MSG_NOSIGNAL) == 2 && (!len || send(fd, p, len, MSG_NOSIGNAL) == (ssize_t)len);
}

static bool is_there(struct pcsc *p)
{
	uint8_t atr[ATR_MAX];
	char name[256];
	pcsc_dword len = sizeof atr, name_len = sizeof name, state, protocol;

	return !p->status(p->card, name, &name_len, &state, &protocol, atr, &len);
}

static bool control(struct pcsc *p, int fd, uint8_t what)
{
	uint8_t atr[ATR_MAX];
	char name[256];
	pcsc_dword len = sizeof atr, name_len = sizeof name, state;

	switch (what) {
	case VPCD_OFF:
		return true;	/* the reset that follows it is a cold one */
	case VPCD_ON:
		return !p->reconnect(p->card, SHARE_EXCLUSIVE, PROTOCOL_ANY, UNPOWER, &p->protocol);
	case VPCD_RESET:
		return !p->reconnect(p->card, SHARE_EXCLUSIVE, PROTOCOL_ANY, RESET, &p->protocol);
	default:
		return !p->status(p->card, name, &name_len, &state, &p->protocol, atr, &len) && answer(fd, atr, len);
	}
}

/* One message of the simulator. False: the card has gone. */
static bool answer_one(struct pcsc *p, int fd, size_t len)
{
	static uint8_t in[MESSAGE_MAX], out[MESSAGE_MAX + 1];
	struct pcsc_io io = { p->protocol, sizeof io };
	pcsc_dword n = MESSAGE_MAX;

	if (!read_all(fd, in, len))
		return false;
	if (len == 1)
		return control(p, fd, in[0]);
	return !p->transmit(p->card, &io, in, (pcsc_dword)len, NULL, out, &n) && answer(fd, out, n);
}

/* Ends with the other side, or when the card is removed: a closed socket is a removed card. */
static void serve(struct pcsc *p, int fd)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
	uint8_t head[2];
	int ready;

	for (;;) {
		ready = poll(&poll_fd, 1, LOOK_MS);
		if (ready == 0 && is_there(p))
			continue;
		if (ready <= 0 || !read_all(fd, head, 2))
			return;
		if (!answer_one(p, fd, (size_t)head[0] << 8 | head[1]))
			return;
	}
}

static void bridge(const char *reader, int fd)
{
	struct pcsc p = { 0 };
	bool lost = false;

	if (pcscd_socket[0])
		setenv("PCSCLITE_CSOCK_NAME", pcscd_socket, 1);
	if (!load(&p))
		pause();	/* the trouble has been reported once */
	if (p.establish(SCOPE_SYSTEM, NULL, NULL, &p.context))
		lost = true;
	while (!lost && !connect_card(&p, reader, &lost))
		poll(NULL, 0, LOOK_MS);
	if (!lost && answer(fd, NULL, 0))	/* now it is there */
		serve(&p, fd);
	else
		poll(NULL, 0, LOOK_MS);	/* and another process tries */
}

int host_pcsc_start(const char *reader, pid_t *pid)
{
	pid_t parent = getpid();
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		return -1;
	*pid = fork();
	if (!*pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() == parent)
			bridge(reader, pair[1]);
		_exit(0);
	}
	close(pair[1]);
	if (*pid > 0)
		return pair[0];
	*pid = 0;
	close(pair[0]);
	return -1;
}
