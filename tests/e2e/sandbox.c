/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* sandbox REPORT PROGRAM [ARGUMENT...]: becomes PROGRAM with no more rights than a distribution's pcscd.service leaves:
 *	User=		pcscd where there is one, else nobody	UMask=0077
 *	PrivateUsers=full
 *	CapabilityBoundingSet= NoNewPrivileges= MemoryDenyWriteExecute= LockPersonality= RestrictRealtime=
 *	ProtectSystem=strict PrivateTmp= ProtectHome= ProtectKernelTunables= RestrictSUIDSGID= RestrictNamespaces=
 *	RestrictAddressFamilies=AF_UNIX AF_NETLINK
 *	SystemCallFilter=@system-service, SystemCallFilter=~@resources @privileged, SystemCallArchitectures=native
 * Any other system call is refused, and named in the file REPORT. To be run inside "ccid-sim run",
 * whose mount namespace it makes read-only but for /run/pcscd. */
#include "sandbox_calls.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define CANNOT 125
#ifndef PR_SET_MDWE
#define PR_SET_MDWE 65
#define PR_MDWE_REFUSE_EXEC_GAIN 1
#endif

static void must(int failed, const char *what)
{
	if (!failed)
		return;
	fprintf(stderr, "sandbox: %s: %s\n", what, strerror(errno));
	exit(CANNOT);
}

/* --- file systems and rights --- */

static void close_file_systems(uid_t uid, gid_t gid)
{
	static const char *const private[] = { "/tmp", "/var/tmp", "/home", "/root" };
	struct mount_attr closed = { .attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID };
	struct mount_attr open = { .attr_clr = MOUNT_ATTR_RDONLY };

	must(unshare(CLONE_NEWNS), "unshare");
	must(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), "private mounts");
	for (size_t i = 0; i < COUNT(private); i++)
		must(access(private[i], F_OK) == 0 && mount("sandbox", private[i], "tmpfs", MS_NODEV, "mode=1777"),
		     private[i]);
	must(mount("/run/pcscd", "/run/pcscd", NULL, MS_BIND, NULL), "/run/pcscd");
	must(chown("/run/pcscd", uid, gid), "/run/pcscd");
	must(mount_setattr(AT_FDCWD, "/", AT_RECURSIVE, &closed, sizeof closed), "read-only file systems");
	must(mount_setattr(AT_FDCWD, "/run/pcscd", 0, &open, sizeof open), "/run/pcscd");
	must(mount_setattr(AT_FDCWD, "/tmp", 0, &open, sizeof open), "/tmp");
	must(chdir("/"), "/");
}

/* --- users --- */

/* Writes the map of users or groups of the process pid: each existing id is mapped to itself. */
static void map_to_itself(pid_t pid, const char *map)
{
	char path[64];
	unsigned long inside, outside, n;
	FILE *from, *to;

	snprintf(path, sizeof path, "/proc/self/%s", map);
	from = fopen(path, "re");
	snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, map);
	to = fopen(path, "we");
	must(!from || !to, path);
	/* the kernel accepts a single write only */
	must(setvbuf(to, NULL, _IOFBF, 4096), path);
	while (fscanf(from, "%lu %lu %lu", &inside, &outside, &n) == 3)
		fprintf(to, "%lu %lu %lu\n", inside, inside, n);
	fclose(from);
	must(fclose(to), path);
}

/* PrivateUsers=full: the same users and groups in a new namespace, whose root has no right outside.
 * Outside, where /proc can be written, the mapper waits until that namespace exists. */
struct mapper {
	pid_t pid;
	int begin;
};

static struct mapper start_mapper(void)
{
	struct mapper m;
	pid_t me = getpid();
	int pair[2];
	char byte;

	must(pipe2(pair, O_CLOEXEC), "pipe");
	m.pid = fork();
	must(m.pid < 0, "fork");
	if (m.pid == 0) {
		close(pair[1]);
		if (read(pair[0], &byte, 1) != 1)
			_exit(CANNOT);
		map_to_itself(me, "uid_map");
		map_to_itself(me, "gid_map");
		_exit(0);
	}
	close(pair[0]);
	m.begin = pair[1];
	return m;
}

static void own_users(const struct mapper *m)
{
	int status;

	must(unshare(CLONE_NEWUSER), "unshare users");
	must(write(m->begin, "", 1) != 1, "write");
	close(m->begin);
	must(waitpid(m->pid, &status, 0) != m->pid, "waitpid");
	if (status != 0)
		exit(CANNOT);
}

/* The namespace of an ordinary user has no other user. */
static void drop_rights(uid_t uid, gid_t gid)
{
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct none[2] = { { 0, 0, 0 }, { 0, 0, 0 } };
	const struct rlimit no_realtime = { 0, 0 };

	must(setrlimit(RLIMIT_RTPRIO, &no_realtime), "RLIMIT_RTPRIO");
	for (int cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
		must(prctl(PR_CAPBSET_DROP, cap, 0, 0, 0), "bounding set");
	must(uid && (setgroups(0, NULL) || setresgid(gid, gid, gid) || setresuid(uid, uid, uid)), "user");
	must((int)syscall(SYS_capset, &head, none), "capset");
	must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no new privileges");
	if (prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0) && errno != EINVAL)
		must(1, "PR_SET_MDWE");	/* does not exist before Linux 6.3 */
}

/* --- system calls --- */

static void allow_if(scmp_filter_ctx f, const char *name, struct scmp_arg_cmp arg)
{
	int nr = seccomp_syscall_resolve_name(name);

	errno = EINVAL;
	must(nr != __NR_SCMP_ERROR && nr >= 0 && seccomp_rule_add_array(f, SCMP_ACT_ALLOW, nr, 1, &arg), name);
}

/* Calls that are allowed with some arguments only. */
static void allow_some(scmp_filter_ctx f)
{
	static const char *const modes[] = { "chmod", "fchmod", "mkdir", "creat" };
	const unsigned namespaces = CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID |
				    CLONE_NEWNET | CLONE_NEWCGROUP;

	allow_if(f, "socket", SCMP_A0_32(SCMP_CMP_EQ, AF_UNIX, 0));
	allow_if(f, "socket", SCMP_A0_32(SCMP_CMP_EQ, AF_NETLINK, 0));
	allow_if(f, "clone", SCMP_A0(SCMP_CMP_MASKED_EQ, namespaces, 0));
	allow_if(f, "mmap", SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	allow_if(f, "mmap", SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_WRITE, 0));
	allow_if(f, "mprotect", SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	allow_if(f, "shmat", SCMP_A2(SCMP_CMP_MASKED_EQ, SHM_EXEC, 0));
	allow_if(f, "personality", SCMP_A0(SCMP_CMP_EQ, 0xFFFFFFFF, 0));
	for (size_t i = 0; i < COUNT(modes); i++)
		allow_if(f, modes[i], SCMP_A1(SCMP_CMP_MASKED_EQ, S_ISUID | S_ISGID, 0));
	allow_if(f, "fchmodat", SCMP_A2(SCMP_CMP_MASKED_EQ, S_ISUID | S_ISGID, 0));
	allow_if(f, "mkdirat", SCMP_A2(SCMP_CMP_MASKED_EQ, S_ISUID | S_ISGID, 0));
}

/* Installs the filter: all calls that are not allowed are reported to the returned descriptor. */
static int close_calls(void)
{
	static const char calls[] = SANDBOX_CALLS;
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_NOTIFY);
	char *names = strdup(calls), *save = NULL;

	errno = EINVAL;
	must(!f || !names, "seccomp_init");
	for (char *name = strtok_r(names, " ", &save); name; name = strtok_r(NULL, " ", &save)) {
		int nr = seccomp_syscall_resolve_name(name);

		/* other architectures' calls have negative numbers here */
		if (nr >= 0)
			must(seccomp_rule_add(f, SCMP_ACT_ALLOW, nr, 0), name);
	}
	allow_some(f);
	/* a filter cannot see the flags of clone3(): ENOSYS makes the C library use clone(), as
	 * under systemd */
	must(seccomp_rule_add(f, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0), "clone3");
	free(names);
	errno = -seccomp_load(f);
	must(errno != 0, "seccomp_load");
	return seccomp_notify_fd(f);
}

/* --- the watcher --- */

static void send_descriptor(int to, int fd)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof fd)];
	} control = { .room = { 0 } };
	struct iovec one = { (void *)(uintptr_t)"", 1 };
	struct msghdr m = { .msg_iov = &one, .msg_iovlen = 1, .msg_control = control.room,
			    .msg_controllen = sizeof control.room };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof fd);
	memcpy(CMSG_DATA(c), &fd, sizeof fd);
	must(sendmsg(to, &m, 0) != 1, "sendmsg");
}

static int receive_descriptor(int from)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	char byte;
	struct iovec one = { &byte, 1 };
	struct msghdr m = { .msg_iov = &one, .msg_iovlen = 1, .msg_control = control.room,
			    .msg_controllen = sizeof control.room };
	struct cmsghdr *c;
	int fd;

	if (recvmsg(from, &m, 0) != 1 || !(c = CMSG_FIRSTHDR(&m)) || c->cmsg_type != SCM_RIGHTS)
		exit(CANNOT);
	memcpy(&fd, CMSG_DATA(c), sizeof fd);
	return fd;
}

/* Refuses and writes down each reported call, until the last sandboxed process has ended. */
static void watch(int fd, FILE *report)
{
	struct seccomp_notif *call;
	struct seccomp_notif_resp *answer;

	must(seccomp_notify_alloc(&call, &answer), "seccomp_notify_alloc");
	for (;;) {
		char *name;

		memset(call, 0, sizeof *call);
		if (seccomp_notify_receive(fd, call)) {
			if (errno == EINTR)
				continue;
			exit(0);
		}
		name = seccomp_syscall_resolve_num_arch(call->data.arch, call->data.nr);
		fprintf(report, "%s(%llx, %llx, %llx) at %llx\n", name ? name : "?",
			(unsigned long long)call->data.args[0], (unsigned long long)call->data.args[1],
			(unsigned long long)call->data.args[2], (unsigned long long)call->data.instruction_pointer);
		fflush(report);
		free(name);
		memset(answer, 0, sizeof *answer);
		answer->id = call->id;
		answer->error = -EPERM;
		seccomp_notify_respond(fd, answer);
	}
}

/* Forks twice: the watcher is not a child of the program, which must not find a child that it did
 * not start. */
static int start_watcher(const char *path)
{
	FILE *report = fopen(path, "ae");
	int pair[2];
	pid_t pid;

	must(!report, path);
	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), "socketpair");
	pid = fork();
	must(pid < 0, "fork");
	if (pid == 0) {
		close(pair[0]);
		if (fork() != 0)
			_exit(0);
		watch(receive_descriptor(pair[1]), report);
	}
	close(pair[1]);
	fclose(report);
	waitpid(pid, NULL, 0);
	return pair[0];
}

int main(int argc, char **argv)
{
	const struct passwd *user = getpwnam("pcscd");
	int to, fd;
	FILE *map = fopen("/proc/self/uid_map", "re");
	struct mapper mapper;
	unsigned long inside = 0, outside = 0, n = 0;
	uid_t uid;
	gid_t gid;

	must(argc < 3, "usage: sandbox REPORT PROGRAM [ARGUMENT...]");
	must(!map || fscanf(map, "%lu %lu %lu", &inside, &outside, &n) != 3, "/proc/self/uid_map");
	fclose(map);
	uid = n == 1 ? 0 : user ? user->pw_uid : 65534;
	gid = n == 1 ? 0 : user ? user->pw_gid : 65534;
	to = start_watcher(argv[1]);
	mapper = start_mapper();
	close_file_systems(uid, gid);
	own_users(&mapper);
	umask(0077);
	drop_rights(uid, gid);
	fd = close_calls();
	send_descriptor(to, fd);
	close(fd);
	execvp(argv[2], argv + 2);
	must(1, argv[2]);
}
