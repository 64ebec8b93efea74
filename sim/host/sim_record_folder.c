/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The folder of ccid-sim record's socket: made, locked, removed. The recorder's two processes both remove it. When both
 * were killed, the next recorder does: the lock shows that no process uses the folder. A socket without a name in the
 * file system would need no folder, but is not reached from another network namespace, as that of ccid-sim run. */
#define _GNU_SOURCE
#include "sim/host/sim_record_folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define PLACE "/tmp"
#define NAME "ccid-sim-record-"
#define RANDOM "XXXXXX"
#define BACKLOG 16

static void name_socket(struct record_folder *f)
{
	snprintf(f->socket, sizeof f->socket, "%s/socket", f->path);
}

void record_folder_remove(const struct record_folder *f)
{
	if (!f->path[0])
		return;
	unlink(f->socket);
	rmdir(f->path);
}

static int open_folder(const char *path)
{
	return open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

static void remove_when_unused(const struct record_folder *f)
{
	struct stat s;
	int fd = open_folder(f->path);

	if (fd < 0)
		return;
	if (fstat(fd, &s) == 0 && s.st_uid == geteuid() && flock(fd, LOCK_EX | LOCK_NB) == 0)
		record_folder_remove(f);
	close(fd);
}

static void remove_unused(void)
{
	DIR *d = opendir(PLACE);
	struct record_folder f = { .lock = -1 };
	struct dirent *e;

	while (d && (e = readdir(d))) {
		if (strncmp(e->d_name, NAME, strlen(NAME)) != 0 || strlen(e->d_name) != strlen(NAME RANDOM))
			continue;
		snprintf(f.path, sizeof f.path, PLACE "/%.22s", e->d_name);
		name_socket(&f);
		remove_when_unused(&f);
	}
	if (d)
		closedir(d);
}

/* Whether the folder is there and locked: between its making and the lock, another recorder may have removed it.
 * Without locks on this file system no recorder removes the folder of another one. */
static bool lock_folder(struct record_folder *f)
{
	struct stat s, there;

	f->lock = open_folder(f->path);
	if (f->lock < 0)
		return false;
	(void)flock(f->lock, LOCK_EX);
	if (fstat(f->lock, &s) == 0 && stat(f->path, &there) == 0 && s.st_ino == there.st_ino)
		return true;
	close(f->lock);
	return false;
}

static bool make_folder(struct record_folder *f)
{
	for (unsigned tries = 0; tries < 100; tries++) {
		strcpy(f->path, PLACE "/" NAME RANDOM);
		if (!mkdtemp(f->path))
			break;
		name_socket(f);
		if (lock_folder(f))
			return true;
		record_folder_remove(f);
	}
	return false;
}

int record_folder_listen(struct record_folder *f)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd;

	remove_unused();
	if (!make_folder(f))
		return -1;
	snprintf(a.sun_path, sizeof a.sun_path, "%s", f->socket);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd >= 0 && (bind(fd, (struct sockaddr *)&a, sizeof a) || listen(fd, BACKLOG))) {
		close(fd);
		fd = -1;
	}
	return fd;
}
