/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ccid-sim run: the daemon, the user's command, and the end of both. */
#define _GNU_SOURCE
#include "sim/host/host.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PRELOAD_NAME "libccid-sim-preload.so"
#define STATUS_DIVERGED 98
#define STATUS_COMPLAINTS 99
#define DAEMON_DIVERGED 3
#define STATUS_ERROR 125
#define PATIENCE_MS 3000

/* A file whose place is known from that of this program: the first of the places, each with the name behind it, that
 * can be read. */
static int find_beside(const char *const *places, const char *name, char *path, size_t cap)
{
	ssize_t n = readlink("/proc/self/exe", path, cap);
	size_t dir;

	if (n < 0 || (size_t)n >= cap)
		return -1;
	path[n] = 0;
	dir = (size_t)(strrchr(path, '/') - path);
	for (; *places; places++) {
		if ((size_t)snprintf(path + dir, cap - dir, "%s%s", *places, name) < cap - dir &&
		    !access(path, R_OK))
			return 0;
	}
	return -1;
}

/* The library lies beside the program, in libtool's .libs beside it, or where the build installs it. */
static int find_preload(const char *name, const char *variable, char *path, size_t cap)
{
	static const char *const places[] = { "/", "/.libs/", "/../", "/../lib/ccid-sim/", NULL };
	const char *given = getenv(variable);

	if (given)
		return snprintf(path, cap, "%s", given) < (int)cap ? access(path, R_OK) : -1;
	return find_beside(places, name, path, cap);
}

/* A build folder has a copy of the table; an installed program that was moved has it beside itself. */
void host_find_table(void)
{
	static const char *const places[] = { "/readers/", "/../share/ifd-ccid/", NULL };
	char path[HOST_PATH];

	if (!getenv("CCID_SIM_TABLE") && (!find_beside(places, "simulated.tsv", path, sizeof path) ||
					  !find_beside(places, "reader_descriptors.tsv", path, sizeof path)))
		setenv("CCID_SIM_TABLE", path, 1);
}

int host_preload(const char *name, const char *variable)
{
	const char *others = getenv("LD_PRELOAD");
	char all[HOST_PATH * 4];
	size_t len;

	if (find_preload(name, variable, all, HOST_PATH)) {
		fprintf(stderr, "ccid-sim: %s not found (%s names it)\n", name, variable);
		return -1;
	}
	len = strlen(all);
	if (others && *others)
		snprintf(all + len, sizeof all - len, ":%s", others);
	return setenv("LD_PRELOAD", all, 1);
}

static int set_environment(void)
{
	return host_preload(PRELOAD_NAME, "CCID_SIM_PRELOAD") | setenv(WIRE_SOCKET_ENV, HOST_SOCKET, 1) |
	       setenv("SYSTEMD_DEVICE_VERIFY_SYSFS", "0", 1);
}

void host_die_with_parent(pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(STATUS_ERROR);
}

/* Starts the daemon and waits until its readers are there. */
static pid_t start_daemon(const char *file, bool trace)
{
	pid_t self = getpid(), pid;
	int ready[2], listen_fd = host_listen();
	char byte;
	bool ok;

	if (listen_fd < 0 || pipe2(ready, O_CLOEXEC))
		return -1;
	pid = fork();
	if (!pid) {
		host_die_with_parent(self);
		signal(SIGINT, SIG_IGN);
		close(ready[0]);
		exit(host_daemon(file, trace, listen_fd, ready[1]));
	}
	close(ready[1]);
	close(listen_fd);
	ok = pid > 0 && read(ready[0], &byte, 1) == 1;
	close(ready[0]);
	if (pid > 0 && !ok)
		waitpid(pid, NULL, 0);
	return ok ? pid : -1;
}

static pid_t start_command(char **command, const sigset_t *mask)
{
	pid_t self = getpid(), pid = fork();

	if (pid)
		return pid;
	host_die_with_parent(self);
	sigprocmask(SIG_SETMASK, mask, NULL);
	if (!set_environment()) {
		execvp(command[0], command);
		fprintf(stderr, "ccid-sim: %s: %s\n", command[0], strerror(errno));
	}
	_exit(errno == ENOENT ? 127 : 126);
}

/* The parent of a process, 0 when there is none such. */
static pid_t parent_of(const char *pid)
{
	char path[64], line[512], *p;
	FILE *f;
	int ppid = 0;

	snprintf(path, sizeof path, "/proc/%.20s/stat", pid);
	f = fopen(path, "re");
	if (!f)
		return 0;
	if (fgets(line, sizeof line, f)) {
		p = strrchr(line, ')');
		if (!p || sscanf(p + 1, " %*c %d", &ppid) != 1)
			ppid = 0;
	}
	fclose(f);
	return ppid;
}

/* Signals all child processes except the daemon. Returns how many there are. */
static unsigned signal_children(int sig, pid_t daemon)
{
	DIR *d = opendir("/proc");
	struct dirent *e;
	unsigned n = 0;

	while (d && (e = readdir(d))) {
		pid_t pid = (pid_t)atoi(e->d_name);

		if (!isdigit((unsigned char)e->d_name[0]) || pid == daemon || parent_of(e->d_name) != getpid())
			continue;
		kill(pid, sig);
		n++;
	}
	if (d)
		closedir(d);
	return n;
}

/* Processes that the command left running are children of this one (PR_SET_CHILD_SUBREAPER): they
 * end now. */
void host_end_leftovers(pid_t daemon)
{
	struct timespec pause = { 0, 10000000 };
	unsigned ms = 0;
	int sig = SIGTERM;

	while (signal_children(sig, daemon)) {
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		nanosleep(&pause, NULL);
		ms += 10;
		/* Repeated now and then, for those that have become our children meanwhile. */
		sig = ms > PATIENCE_MS ? SIGKILL : ms % 500 ? 0 : SIGTERM;
	}
}

/* Waits for the command, and hands over the signals that were meant for it. Returns its wait status. */
int host_supervise(pid_t command, const sigset_t *mask)
{
	int status = 0, sig;
	siginfo_t info;

	for (;;) {
		sig = sigwaitinfo(mask, &info);
		if (sig == SIGTERM || sig == SIGHUP)
			kill(command, sig);
		while (sig == SIGCHLD && waitpid(command, &status, WNOHANG) == command)
			return status;
	}
}

int host_run(const char *file, bool trace, char **command)
{
	int status, daemon_status = 0;
	sigset_t mask, old;
	pid_t daemon, pid;

	host_pcsc_remember();
	if (host_namespace_enter())
		return STATUS_ERROR;
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	daemon = start_daemon(file, trace);
	if (daemon < 0)
		return STATUS_ERROR;
	sigemptyset(&mask);
	sigaddset(&mask, SIGCHLD);
	sigaddset(&mask, SIGTERM);
	sigaddset(&mask, SIGHUP);
	sigaddset(&mask, SIGINT);	/* the terminal signals the command as well, which
					   decides */
	sigprocmask(SIG_BLOCK, &mask, &old);
	pid = start_command(command, &old);
	if (pid < 0) {
		kill(daemon, SIGTERM);
		return STATUS_ERROR;
	}
	status = host_supervise(pid, &mask);
	host_end_leftovers(daemon);
	kill(daemon, SIGTERM);
	waitpid(daemon, &daemon_status, 0);
	if (WIFSIGNALED(status))
		return 128 + WTERMSIG(status);
	if (WEXITSTATUS(status))
		return WEXITSTATUS(status);
	if (!WIFEXITED(daemon_status)) {
		fprintf(stderr, "ccid-sim: the simulator ended with signal %d\n", WTERMSIG(daemon_status));
		return STATUS_ERROR;
	}
	if (WEXITSTATUS(daemon_status) == DAEMON_DIVERGED)
		return STATUS_DIVERGED;
	return WEXITSTATUS(daemon_status) ? STATUS_COMPLAINTS : 0;
}
