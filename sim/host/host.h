/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef RIG_H
#define RIG_H

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

#define RIG_BUS 1u
#define RIG_SOCKET "/run/ccid-sim/socket"
#define RIG_MAX_INTERFACES 32u
#define RIG_PATH 512		/* room for any path that is made here */

/* One port of the simulated bus. */
struct rig_port {
	struct sim_dev *dev;
	unsigned number;	/* 1 ... */
	unsigned device;	/* USB address; 0: unplugged */
	uint8_t faces[RIG_MAX_INTERFACES][9];	/* interface descriptors as they were when plugged */
	unsigned n_faces;
};

struct rig;

/* What plugging means. plug: 0, or -1 and errno. reset: as if the host had reset the device. */
struct rig_front {
	int (*plug)(struct rig *r, struct rig_port *p);
	void (*unplug)(struct rig *r, struct rig_port *p);
	void (*reset)(struct rig *r, struct rig_port *p);
};

struct rig {
	const struct rig_front *front;
	struct rig_port *ports;
	unsigned n_ports;
	unsigned next_device;
	int uevent_fd;
	uint64_t seqnum;
	uint64_t started;
	FILE *trace;		/* NULL: off */
	struct rig_usbfs *usbfs;
	struct rig_foreign *foreign;	/* NULL: none yet */
};

/* CLOCK_MONOTONIC in nanoseconds. */
uint64_t rig_now(void);

/* rig_namespace.c: moves this process into private mount and network namespaces (and a user
 * namespace where it has not the right otherwise) with /sys, /dev/bus/usb and /run of its own. Returns
 * 0, or -1 with a message on stderr. */
int rig_namespace_enter(void);

/* rig_sysfs.c: the files of one device below /sys, its node and its udev database entries. 0 or -1 and errno. */
int rig_sysfs_add(const struct rig_port *p);
void rig_sysfs_remove(const struct rig_port *p);
int rig_sysfs_root(void);
/* Device path (without /sys) of the device, or of its interface i (bInterfaceNumber) when i ≥ 0. */
void rig_sysfs_path(const struct rig_port *p, int i, char *buf, size_t cap);
/* Fills in faces and n_faces from the device's descriptors (altsetting 0 each). */
void rig_interfaces(struct rig_port *p);
/* The properties of a device or interface as in its uevent file: "KEY=value\n" each, without those that only
 * messages carry. Returns the length. */
size_t rig_properties(const struct rig_port *p, const uint8_t *interface, char *buf, size_t cap);

/* rig_uevent.c: tells listeners on udev's multicast group. */
int rig_uevent_open(void);
void rig_uevent_send(struct rig *r, const struct rig_port *p, const uint8_t *interface, const char *action);

/* rig_host.c: plug and unplug as the kernel and udev show them. 0, or -1 and errno. */
int rig_plug(struct rig *r, struct rig_port *p);
void rig_unplug(struct rig *r, struct rig_port *p);
struct rig_port *rig_port_by_device(struct rig *r, unsigned device);
/* The port by its number in the list (0 ...) or by its reader's name; NULL: none, or more than one. */
struct rig_port *rig_port_by_name(struct rig *r, const char *name);
void rig_reset(struct rig *r, struct rig_port *p);
extern const struct rig_front rig_host_front;
/* Makes the ports from a file of readers (- is standard input); none is plugged. 0, or -1 with a message. */
int rig_load(struct rig *r, const char *file);
void rig_unload(struct rig *r);
unsigned rig_complaints(const struct rig *r, FILE *to);
/* Where drivers did not follow the recordings that are played. */
unsigned rig_divergences(const struct rig *r, FILE *to);

/* rig_usbfs.c: connections of the preloaded library. */
struct rig_usbfs *rig_usbfs_new(struct rig *r);
void rig_usbfs_free(struct rig_usbfs *u);
int rig_usbfs_epoll(const struct rig_usbfs *u);
/* Takes a new connection over. */
void rig_usbfs_accept(struct rig_usbfs *u, int fd);
/* Serves what epoll reported for a connection (data.ptr). */
void rig_usbfs_event(struct rig_usbfs *u, void *ptr, uint32_t events);
/* Hands over completions that are due; returns when to be called again (UINT64_MAX: no need). */
uint64_t rig_usbfs_run(struct rig_usbfs *u, uint64_t now);
/* Frees what was closed meanwhile; after every batch of events. */
void rig_usbfs_sweep(struct rig_usbfs *u);
/* The device went away, or was reset by the host: pending requests end, claims are lost. */
void rig_usbfs_gone(struct rig_usbfs *u, struct rig_port *p);
void rig_usbfs_reset(struct rig_usbfs *u, struct rig_port *p);

/* rig_foreign.c: cards that other programs bring (vpcd:PORT, pcsc:READER). Serves them; returns when to be called again
 * (UINT64_MAX: there are none). */
struct rig_foreign;
uint64_t rig_foreign_run(struct rig *r, uint64_t now);
void rig_foreign_free(struct rig *r);
/* rig_vpcd.c: one such card, by vpcd's protocol. */
struct rig_vpcd;
struct rig_vpcd *rig_vpcd_new(int fd, unsigned wait_s);
void rig_vpcd_free(struct rig_vpcd *v);
/* Takes what has come. False: the other side has gone. */
bool rig_vpcd_run(struct rig_vpcd *v, uint64_t now);
/* Asks for the ATR, as for a reset; true when it is there, or will not come. */
bool rig_vpcd_awake(struct rig_vpcd *v);
extern const struct sim_foreign rig_vpcd_card;	/* user: the struct rig_vpcd */
/* rig_pcsc.c: brings the card of a PC/SC reader over a socket; returns it, or -1 and errno. *pid: the process. An
 * empty message comes first, when there is a card. */
int rig_pcsc_start(const char *reader, pid_t *pid);
/* Before the namespaces are entered: where this machine's own pcscd is. */
void rig_pcsc_remember(void);

/* rig_command.c: one line of text in, an answer out. False: it is an error message. */
bool rig_command(struct rig *r, char *line, FILE *out);

/* rig_daemon.c: serves until SIGTERM. ready_fd gets a byte once CMD may start. Returns the exit status: 0,
 * 1 when drivers were complained about, 3 when one did not follow a recording, 2 on an error of its own (message
 * on stderr). */
int rig_daemon(const char *config, bool trace, int listen_fd, int ready_fd);
int rig_listen(void);

/* rig_usbip.c: serves USB/IP until SIGTERM or SIGINT. Returns as rig_daemon(). */
/* The names of commands, one by one; NULL at the end. */
const char *rig_command_name(unsigned i);

struct rig_usbip_options {
	const char *file, *address, *port;
	const char *control;	/* path of a socket for commands; NULL: none */
	bool trace;
};
int rig_usbip(const struct rig_usbip_options *o);

/* rig_run.c */
int rig_run(const char *file, bool trace, char **command);
/* The path of a library to preload: what the environment variable says, or where ccid-sim lies. 0 or -1. */
int rig_find_preload(const char *name, const char *variable, char *path, size_t cap);
void rig_die_with_parent(pid_t parent);
/* Waits for the command, and hands over the signals that were meant for it. Returns its wait status. */
int rig_supervise(pid_t command, const sigset_t *mask);
/* Ends what the command left running: all children of this process but daemon. */
void rig_end_leftovers(pid_t daemon);

/* sim_record_run.c: records what the command says to the reader "vvvv:pppp". Returns the exit status. */
struct sim_record_options;
int rig_record(const char *reader, const char *file, const struct sim_record_options *o, char **command);

#endif
