/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef PRELOAD_FD_H
#define PRELOAD_FD_H

#include <linux/usbdevice_fs.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "sim/host/usbfs_wire.h"

/* An open simulated device node. Reference counted: the descriptor table holds one reference, every
 * call in flight another one. */
struct node;

/* Opens node bus/device: returns the file descriptor, or -1 and errno (ENODEV, ENOENT, EACCES). */
int node_open(unsigned bus, unsigned device, int flags);
/* The node behind a descriptor, with a reference for the caller, or NULL: not one of ours. */
struct node *node_get(int fd);
void node_put(struct node *n);
/* Whether fd is a simulated node; cheaper than node_get. */
bool node_is(int fd);
/* Takes the node out of the table and tells the daemon; the caller closes fd afterwards. */
void node_forget(int fd);

/* "/dev/bus/usb/BBB/DDD" of the node. */
const char *node_path(const struct node *n);
unsigned node_bus(const struct node *n), node_device(const struct node *n), node_speed(const struct node *n);
/* Bytes of the descriptors from offset on, as read() of a device node gives them. offset < 0: at, and moving, the
 * file position. */
ssize_t node_read(struct node *n, void *buf, size_t len, off64_t offset);
off64_t node_seek(struct node *n, off64_t offset, int whence);

/* The ioctls: 0 or a value ≥ 0, or -errno. */
int node_submit(struct node *n, struct usbdevfs_urb *u);
int node_discard(struct node *n, const struct usbdevfs_urb *u);
int node_reap(struct node *n, bool wait, struct usbdevfs_urb **u);
int node_call(struct node *n, enum wire_op op, uint32_t arg);
int node_control(struct node *n, const struct usbdevfs_ctrltransfer *c);
int node_bulk(struct node *n, const struct usbdevfs_bulktransfer *b);

#endif
