/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A private view of the machine: own network (uevents are sent there), own /sys, /dev and /run. Everything
 * lives in namespaces and tmpfs, so the kernel removes it with the last process. */
#define _GNU_SOURCE
#include "sim/host/host.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static int failed(const char *what)
{
	fprintf(stderr, "ccid-sim: %s: %s\n", what, strerror(errno));
	return -1;
}

static int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t r;

	if (fd < 0)
		return -1;
	r = write(fd, text, strlen(text));
	close(fd);
	return r < 0 ? -1 : 0;
}

/* The caller becomes root of a user namespace in which only its own ids exist. */
static int become_root(uid_t uid, gid_t gid)
{
	char map[64];

	if (write_file("/proc/self/setgroups", "deny") && errno != ENOENT)
		return failed("/proc/self/setgroups");
	snprintf(map, sizeof map, "0 %u 1", (unsigned)uid);
	if (write_file("/proc/self/uid_map", map))
		return failed("/proc/self/uid_map");
	snprintf(map, sizeof map, "0 %u 1", (unsigned)gid);
	if (write_file("/proc/self/gid_map", map))
		return failed("/proc/self/gid_map");
	return 0;
}

static int unshare_all(void)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();

	if (!uid && !unshare(CLONE_NEWNS | CLONE_NEWNET))
		return 0;
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET))
		return failed("cannot make private namespaces (needs root, or user namespaces for all)");
	return become_root(uid, gid);
}

static void loopback_up(void)
{
	struct ifreq q = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return;
	if (ioctl(fd, SIOCSIFFLAGS, &q))
		failed("lo");	/* programs under test seldom care */
	close(fd);
}

/* An entry of the old directory appears under the same name in the new one. */
static void keep_entry(int old, const char *dir, const char *name)
{
	char from[HOST_PATH], to[HOST_PATH], link[HOST_PATH];
	struct stat s;
	ssize_t n;
	int fd;

	snprintf(to, sizeof to, "%s/%s", dir, name);
	snprintf(from, sizeof from, "/proc/self/fd/%d/%s", old, name);
	if (fstatat(old, name, &s, AT_SYMLINK_NOFOLLOW))
		return;
	if (S_ISLNK(s.st_mode)) {
		n = readlinkat(old, name, link, sizeof link - 1);
		if (n < 0)
			return;
		link[n] = 0;
		if (symlink(link, to))
			failed(to);
		return;
	}
	if (S_ISDIR(s.st_mode)) {
		if (mkdir(to, 0755)) {
			failed(to);
			return;
		}
	} else {
		fd = open(to, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
		if (fd < 0) {
			failed(to);
			return;
		}
		close(fd);
	}
	/* Entries that the caller may not see are left out. */
	if (mount(from, to, NULL, MS_BIND | MS_REC, NULL))
		S_ISDIR(s.st_mode) ? rmdir(to) : unlink(to);
}

static bool is_in(const char *const *list, const char *name)
{
	for (; *list; list++)
		if (!strcmp(*list, name))
			return true;
	return false;
}

/* Puts a tmpfs over dir that shows dir's old entries, but none of those in hide. */
static int overlay(const char *dir, const char *const *hide)
{
	int old = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct dirent *e;
	DIR *d;

	if (old < 0)
		return failed(dir);
	d = fdopendir(old);
	if (!d) {
		close(old);
		return failed(dir);
	}
	if (mount("ccid-sim", dir, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755")) {
		closedir(d);
		return failed(dir);
	}
	while ((e = readdir(d)))
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, "..") && !is_in(hide, e->d_name))
			keep_entry(dirfd(d), dir, e->d_name);
	closedir(d);
	return 0;
}

/* Of /sys/devices only processors and the like stay, nothing about devices. */
static int overlay_sys(void)
{
	static const char *const hide[] = { "block", "bus", "class", "dev", "devices", NULL };
	int old = open("/sys/devices", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (overlay("/sys", hide))
		return -1;
	if (mkdir("/sys/devices", 0755))
		return failed("/sys/devices");
	if (old >= 0) {
		keep_entry(old, "/sys/devices", "system");
		close(old);
	}
	return 0;
}

/* Private terminals: the kernel finds them from the place of ptmx, which is a new one. */
static void own_terminals(void)
{
	if (mkdir("/dev/pts", 0755) || symlink("pts/ptmx", "/dev/ptmx") ||
	    mount("devpts", "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620"))
		failed("/dev/pts");	/* programs under test seldom care */
}

int host_namespace_enter(void)
{
	static const char *const hide_dev[] = { "bus", "ptmx", "pts", NULL };
	static const char *const hide_run[] = { "pcscd", "udev", "ccid-sim", NULL };

	if (unshare_all())
		return -1;
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return failed("mount --make-rprivate /");
	loopback_up();
	if (overlay_sys() || overlay("/dev", hide_dev) || overlay("/run", hide_run))
		return -1;
	own_terminals();
	if (mkdir("/run/pcscd", 0755) || mkdir("/run/ccid-sim", 0755) || mkdir("/run/udev", 0755) ||
	    mkdir("/run/udev/data", 0755))
		return failed("/run");
	/* libudev listens to udev's messages only where udev seems to run. */
	if (close(open("/run/udev/control", O_CREAT | O_WRONLY | O_CLOEXEC, 0600)))
		return failed("/run/udev/control");
	return host_sysfs_root();
}
