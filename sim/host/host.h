/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef HOST_H
#define HOST_H

/* The inside of ccid-sim. One front is the host that simulated readers are plugged into: namespaces, sysfs tree,
 * uevents, and the daemon that answers the preloaded library. The other serves USB/IP. One process, one thread. */

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "sim/model/sim_dev.h"
#include "sim/host/usbfs_wire.h"

#define HOST_BUS 1u
#define HOST_SOCKET "/run/ccid-sim/socket"
#define HOST_MAX_INTERFACES 32u
#define HOST_PATH 512		/* room for any path that is made here */

/* One port of the simulated bus. */
struct host_port {
	struct sim_dev *dev;
	unsigned number;	/* 1 ... */
	unsigned device;	/* USB address; 0: unplugged */
	uint8_t faces[HOST_MAX_INTERFACES][9];	/* interface descriptors as they were when plugged */
	unsigned n_faces;
};

struct sim_host;

/* The actions of a front. plug: 0, or -1 and errno. reset: as if the host had reset the device. */
struct host_front {
	int (*plug)(struct sim_host *r, struct host_port *p);
	void (*unplug)(struct sim_host *r, struct host_port *p);
	void (*reset)(struct sim_host *r, struct host_port *p);
};

struct sim_host {
	const struct host_front *front;
	struct host_port *ports;
	unsigned n_ports;
	unsigned next_device;
	int uevent_fd;
	uint64_t seqnum;
	uint64_t started;
	FILE *trace;		/* NULL: off */
	struct host_usbfs *usbfs;
	struct host_foreign *foreign;	/* NULL: none yet */
};

/* CLOCK_MONOTONIC in nanoseconds. */
uint64_t host_now(void);

/* host_namespace.c: moves this process into private mount and network namespaces (and a user
 * namespace where it lacks the right otherwise) with /sys, /dev/bus/usb and /run of its own. Returns
 * 0, or -1 with a message on stderr. */
int host_namespace_enter(void);

/* host_sysfs.c: the files of one device below /sys, its node and its udev database entries. 0 or -1 and errno. */
int host_sysfs_add(const struct host_port *p);
void host_sysfs_remove(const struct host_port *p);
int host_sysfs_root(void);
/* Device path (without /sys) of the device, or of its interface i (bInterfaceNumber) when i ≥ 0. */
void host_sysfs_path(const struct host_port *p, int i, char *buf, size_t cap);
/* Fills in faces and n_faces from the device's descriptors (altsetting 0 of each interface). */
void host_interfaces(struct host_port *p);
/* The properties of a device or interface as in its uevent file: "KEY=value\n" each, without those that only
 * messages carry. Returns the length. */
size_t host_properties(const struct host_port *p, const uint8_t *interface, char *buf, size_t cap);

/* host_uevent.c: tells listeners on udev's multicast group. */
int host_uevent_open(void);
void host_uevent_send(struct sim_host *r, const struct host_port *p, const uint8_t *interface, const char *action);

/* host_host.c: plug and unplug as the kernel and udev show them. 0, or -1 and errno. */
int host_plug(struct sim_host *r, struct host_port *p);
void host_unplug(struct sim_host *r, struct host_port *p);
struct host_port *host_port_by_device(struct sim_host *r, unsigned device);
/* The port by its number in the list (0 ...) or by its reader's name; NULL: none, or more than one. */
struct host_port *host_port_by_name(struct sim_host *r, const char *name);
void host_reset(struct sim_host *r, struct host_port *p);
extern const struct host_front host_host_front;
/* Makes the ports from a file of readers (- is standard input); none is plugged. 0, or -1 with a message. */
int host_load(struct sim_host *r, const char *file);
void host_unload(struct sim_host *r);
unsigned host_complaints(const struct sim_host *r, FILE *to);
/* Prints where drivers did not follow the played recordings. */
unsigned host_divergences(const struct sim_host *r, FILE *to);

/* host_usbfs.c: connections of the preloaded library. */
struct host_usbfs *host_usbfs_new(struct sim_host *r);
void host_usbfs_free(struct host_usbfs *u);
int host_usbfs_epoll(const struct host_usbfs *u);
/* Takes a new connection over. */
void host_usbfs_accept(struct host_usbfs *u, int fd);
/* Serves what epoll reported for a connection (data.ptr). */
void host_usbfs_event(struct host_usbfs *u, void *ptr, uint32_t events);
/* Hands over completions that are due; returns when to be called again (UINT64_MAX: no need). */
uint64_t host_usbfs_run(struct host_usbfs *u, uint64_t now);
/* Frees what was closed meanwhile; after every batch of events. */
void host_usbfs_sweep(struct host_usbfs *u);
/* The device went away, or was reset by the host: pending requests end, claims are lost. */
void host_usbfs_gone(struct host_usbfs *u, struct host_port *p);
void host_usbfs_reset(struct host_usbfs *u, struct host_port *p);

/* host_foreign.c: cards that other programs bring (vpcd:PORT, pcsc:READER). Serves them; returns when to be called
 * again (UINT64_MAX: there are none). */
struct host_foreign;
uint64_t host_foreign_run(struct sim_host *r, uint64_t now);
void host_foreign_free(struct sim_host *r);
/* host_vpcd.c: one such card, by vpcd's protocol. */
struct host_vpcd;
struct host_vpcd *host_vpcd_new(int fd, unsigned wait_s);
void host_vpcd_free(struct host_vpcd *v);
/* Takes what has come. False: the other side has gone. */
bool host_vpcd_run(struct host_vpcd *v, uint64_t now);
/* Asks for the ATR, as for a reset; true when it is there, or will not come. */
bool host_vpcd_awake(struct host_vpcd *v);
extern const struct sim_foreign host_vpcd_card;	/* user: the struct host_vpcd */
/* host_pcsc.c: connects the card of a PC/SC reader over a socket; returns it, or -1 and errno.
 * *pid: the process. An empty message comes first, when there is a card. */
int host_pcsc_start(const char *reader, pid_t *pid);
/* Before the namespaces are entered: keeps the way to this machine's own pcscd. */
void host_pcsc_remember(void);

/* host_command.c: runs one command line and writes the answer. False: it is an error message. */
bool host_command(struct sim_host *r, char *line, FILE *out);

/* host_daemon.c: serves until SIGTERM. ready_fd gets a byte once CMD may start. Returns the exit status: 0,
 * 1 when drivers were complained about, 3 when one did not follow a recording, 2 on an error of its own (message
 * on stderr). */
int host_daemon(const char *config, bool trace, int listen_fd, int ready_fd);
int host_listen(void);

/* host_usbip.c: serves USB/IP until SIGTERM or SIGINT. Returns as host_daemon(). */
/* The names of commands, one by one; NULL at the end. */
const char *host_command_name(unsigned i);

struct host_usbip_options {
	const char *file, *address, *port;
	const char *control;	/* path of a socket for commands; NULL: none */
	bool trace;
};
int host_usbip(const struct host_usbip_options *o);

/* host_run.c */
int host_run(const char *file, bool trace, char **command);
/* Puts a library in front of LD_PRELOAD: the one that the environment variable names, or the one beside ccid-sim. 0; or
 * -1, which is told on standard error. */
int host_preload(const char *name, const char *variable);
/* Sets CCID_SIM_TABLE, unless it is set, to the reader table of the build folder or the installation that this program
 * is in; without one, the table is where configure said. */
void host_find_table(void);
void host_die_with_parent(pid_t parent);
/* Waits for the command, and hands over the signals that were meant for it. Returns its wait status. */
int host_supervise(pid_t command, const sigset_t *mask);
/* Ends what the command left running: all children of this process but daemon. */
void host_end_leftovers(pid_t daemon);

/* sim_record_run.c: records what the command says to the reader "vvvv:pppp". file: NULL for a new one that is named by
 * the ids. Returns the exit status. */
struct sim_record_options;
int host_record(const char *reader, const char *file, const struct sim_record_options *o, char **command);

#endif
