/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* src/transport/usb_holder.c: which programs have a device open. */
#include "transport/usb_holder.h"

#include "unit/unit_cmocka.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define NODE "/dev/bus/usb/001/002"

static char root[64];

static void put(const char *path, const char *text)
{
	char whole[256];
	FILE *f;

	snprintf(whole, sizeof whole, "%s%s", root, path);
	f = fopen(whole, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void make(const char *path)
{
	char whole[256];

	snprintf(whole, sizeof whole, "%s%s", root, path);
	assert_int_equal(mkdir(whole, 0755), 0);
}

/* A process with one file open. NULL: its name cannot be read. */
static void process(const char *pid, const char *comm, const char *file)
{
	char path[128], whole[256];

	snprintf(path, sizeof path, "/proc/%s", pid);
	make(path);
	snprintf(path, sizeof path, "/proc/%s/fd", pid);
	make(path);
	snprintf(whole, sizeof whole, "%s%s/7", root, path);
	assert_int_equal(symlink(file, whole), 0);
	snprintf(path, sizeof path, "/proc/%s/comm", pid);
	if (comm)
		put(path, comm);
}

static int a_root(void **state)
{
	(void)state;
	strcpy(root, "/tmp/test_usb_holder.XXXXXX");
	return mkdtemp(root) ? 0 : -1;
}

static int no_root(void **state)
{
	char command[100];

	(void)state;
	snprintf(command, sizeof command, "rm -rf %s", root);
	return system(command);
}

static void gather(void *user, const struct usb_holder *h)
{
	snprintf((char *)user + strlen(user), 200 - strlen(user), "%ld=%s;", h->pid, h->comm);
}

static void has(const char *said, const char *part)
{
	if (!strstr(said, part))
		fail_msg("\"%s\" is not in \"%s\"", part, said);
}

static void holders_are_found_by_open_files(void **state)
{
	char said[200] = "";

	(void)state;
	make("/proc");
	process("12", "scdaemon\n", NODE);
	process("13", "bash\n", "/dev/tty");
	process("14", "\x1b[2J\nfake: line\n", NODE);
	process("15", NULL, NODE);
	process("16", "", NODE);
	process("17", "qemu-system-x86 with a name that is too long to be shown\n", NODE "/x");
	process("self", "nobody\n", NODE);
	make("/proc/18");
	assert_true(usb_each_holder(root, NODE, gather, said));
	has(said, "12=scdaemon;");
	has(said, "14=?[2J;");
	has(said, "15=?;");
	has(said, "16=?;");
	assert_null(strstr(said, "bash"));
	assert_null(strstr(said, "qemu"));
	assert_null(strstr(said, "nobody"));
}

static void folders_that_may_not_be_read(void **state)
{
	char said[200] = "", path[128];

	(void)state;
	assert_false(usb_each_holder(root, NODE, gather, said));	/* no /proc */
	make("/proc");
	process("12", "scdaemon\n", NODE);
	assert_true(usb_each_holder(root, NODE, gather, said));
	snprintf(path, sizeof path, "%s/proc/12/fd", root);
	assert_int_equal(chmod(path, 0), 0);
	said[0] = '\0';
	assert_int_equal(usb_each_holder(root, NODE, gather, said), geteuid() == 0);
	assert_int_equal(said[0] != '\0', geteuid() == 0);
	chmod(path, 0755);
}

/* Of this system: another process, and never this one. */
static void holders_that_are_other_processes(void **state)
{
	char path[128], byte;
	struct usb_holder h;
	int fd, up[2], status;
	pid_t child;

	(void)state;
	if (access("/proc/self/fd", R_OK) != 0)
		skip();
	snprintf(path, sizeof path, "%s/node", root);
	assert_int_equal(pipe(up), 0);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_false(usb_other_holder(path, &h));
	child = fork();
	if (child == 0) {
		close(up[1]);
		_exit(read(up[0], &byte, 1) < 0);
	}
	assert_true(usb_other_holder(path, &h));
	assert_int_equal(h.pid, child);
	assert_true(strlen(h.comm) > 1);
	close(up[0]);
	close(up[1]);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_false(usb_other_holder(path, &h));
	assert_int_equal(h.pid, 0);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(holders_are_found_by_open_files, a_root, no_root),
		cmocka_unit_test_setup_teardown(folders_that_may_not_be_read, a_root, no_root),
		cmocka_unit_test_setup_teardown(holders_that_are_other_processes, a_root, no_root),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
