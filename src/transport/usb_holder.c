/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Linux tells it by the links in /proc/PID/fd, to whom it may concern: a pcscd that is not root, or
 * that its unit lets see no other processes (ProtectProc), finds no process. */
#include "transport/usb_holder.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PATH_CAP 600

static bool is_pid(const char *name)
{
	return name[0] != '\0' && name[strspn(name, "0123456789")] == '\0';
}

/* 1: the process has the node open; 0: it does not, or it ended; -1: no right to look. */
static int has_node(const char *root, const char *pid, const char *node)
{
	char path[PATH_CAP], target[128];
	struct dirent *e;
	int found = 0, len = snprintf(path, sizeof path, "%s/proc/%s/fd", root, pid);
	DIR *dir = len < (int)sizeof path ? opendir(path) : NULL;

	if (!dir)
		return errno == EACCES || errno == EPERM ? -1 : 0;
	while (!found && (e = readdir(dir))) {
		ssize_t n = readlinkat(dirfd(dir), e->d_name, target, sizeof target - 1);

		target[n > 0 ? n : 0] = '\0';
		found = strcmp(target, node) == 0;
	}
	closedir(dir);
	return found;
}

/* A process may call itself anything. */
static void read_comm(const char *root, const char *pid, char comm[USB_COMM_CAP])
{
	char path[PATH_CAP];
	FILE *f;

	comm[0] = '\0';
	snprintf(path, sizeof path, "%s/proc/%s/comm", root, pid);
	f = fopen(path, "re");
	if (f && !fgets(comm, USB_COMM_CAP, f))
		comm[0] = '\0';
	if (f)
		fclose(f);
	comm[strcspn(comm, "\n")] = '\0';
	for (char *c = comm; *c; c++)
		if (*c < 0x20 || *c > 0x7E)
			*c = '?';
	if (!comm[0])
		memcpy(comm, "?", sizeof "?");
}

bool usb_each_holder(const char *root, const char *node,
		     void (*each)(void *user, const struct usb_holder *h), void *user)
{
	char path[PATH_CAP];
	struct dirent *e;
	bool all = true;
	DIR *dir;

	snprintf(path, sizeof path, "%s/proc", root);
	dir = opendir(path);
	if (!dir)
		return false;
	while ((e = readdir(dir))) {
		struct usb_holder h;
		int has = is_pid(e->d_name) ? has_node(root, e->d_name, node) : 0;

		all = all && has >= 0;
		if (has <= 0)
			continue;
		h.pid = strtol(e->d_name, NULL, 10);
		read_comm(root, e->d_name, h.comm);
		each(user, &h);
	}
	closedir(dir);
	return all;
}

static void keep_first_other(void *user, const struct usb_holder *h)
{
	struct usb_holder *out = user;

	if (out->pid == 0 && h->pid != (long)getpid())
		*out = *h;
}

bool usb_other_holder(const char *node, struct usb_holder *out)
{
	*out = (struct usb_holder){ .pid = 0 };
	usb_each_holder("", node, keep_first_other, out);
	return out->pid != 0;
}
