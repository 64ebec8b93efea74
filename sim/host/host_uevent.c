/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Device messages in the form in which udev passes them on to libudev. */
#define _GNU_SOURCE
#include "sim/host/host.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netlink.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define UDEV_GROUP 2u
#define UDEV_MAGIC 0xfeedcafeu

/* The header of libudev's messages; the magic and the hashes are big-endian, the rest native. */
struct udev_header {
	char prefix[8];
	uint32_t magic;
	uint32_t header_size;
	uint32_t properties_off;
	uint32_t properties_len;
	uint32_t subsystem_hash;
	uint32_t devtype_hash;
	uint32_t tag_bloom_hi;
	uint32_t tag_bloom_lo;
};

/* MurmurHash2 with seed 0, by which listeners' socket filters compare names. */
static uint32_t murmur2(const char *s)
{
	const uint32_t m = 0x5bd1e995u;
	const uint8_t *p = (const uint8_t *)s;
	size_t len = strlen(s);
	uint32_t h = (uint32_t)len, k;

	for (; len >= 4; p += 4, len -= 4) {
		memcpy(&k, p, 4);
		k *= m;
		k ^= k >> 24;
		h = h * m ^ k * m;
	}
	if (len == 3)
		h ^= (uint32_t)p[2] << 16;
	if (len >= 2)
		h ^= (uint32_t)p[1] << 8;
	if (len >= 1)
		h = (h ^ p[0]) * m;
	h = (h ^ h >> 13) * m;
	return h ^ h >> 15;
}

int host_uevent_open(void)
{
	struct sockaddr_nl a = { .nl_family = AF_NETLINK };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT);

	if (fd >= 0 && bind(fd, (struct sockaddr *)&a, sizeof a)) {
		close(fd);
		return -1;
	}
	return fd;
}

/* The properties as one zero-terminated string after the other. */
static size_t message(struct sim_host *r, const struct host_port *p, const uint8_t *interface,
		      const char *action, char *buf, size_t cap)
{
	char path[256];
	size_t len;

	host_sysfs_path(p, interface ? interface[2] : -1, path, sizeof path);
	len = (size_t)snprintf(buf, cap, "ACTION=%s\nDEVPATH=%s\nSUBSYSTEM=usb\nSEQNUM=%llu\n"
			       "USEC_INITIALIZED=%llu\n", action, path, (unsigned long long)++r->seqnum,
			       (unsigned long long)(host_now() / 1000));
	if (!interface)
		len += (size_t)snprintf(buf + len, cap - len, "ID_BUS=usb\nTAGS=\n");
	len += host_properties(p, interface, buf + len, cap - len);
	for (size_t i = 0; i < len; i++)
		if (buf[i] == '\n')
			buf[i] = 0;
	return len;
}

void host_uevent_send(struct sim_host *r, const struct host_port *p, const uint8_t *interface, const char *action)
{
	struct sockaddr_nl to = { .nl_family = AF_NETLINK, .nl_groups = UDEV_GROUP };
	char text[2048];
	size_t len = message(r, p, interface, action, text, sizeof text);
	struct udev_header h = {
		.prefix = "libudev", .magic = htonl(UDEV_MAGIC), .header_size = sizeof h,
		.properties_off = sizeof h, .properties_len = (uint32_t)len,
		.subsystem_hash = htonl(murmur2("usb")),
		.devtype_hash = htonl(murmur2(interface ? "usb_interface" : "usb_device")),
	};
	struct iovec v[2] = { { &h, sizeof h }, { text, len } };
	struct msghdr m = { .msg_name = &to, .msg_namelen = sizeof to, .msg_iov = v, .msg_iovlen = 2 };

	/* ECONNREFUSED: no program listens, which is fine. */
	if (sendmsg(r->uevent_fd, &m, 0) < 0 && errno != ECONNREFUSED)
		fprintf(stderr, "ccid-sim: uevent: %s\n", strerror(errno));
}
