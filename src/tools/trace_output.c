/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The output of ccid-trace: in its folder under another name first, then in the place of a file of
 * its name. Pipes, devices and what is in /dev (/dev/stdout, /dev/fd/3) are written directly; so is
 * a file in a folder that is not writable. */
#include "tools/trace_output.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* for the signal handler */
static volatile sig_atomic_t caught;
static int input, nothing = -1;

/* The input ends here, and what has been read is converted: the read that waits for more goes on
 * with /dev/null. A second signal ends the program at once. */
static void end_input(int number)
{
	int error = errno;

	caught = number;
	dup2(nothing, input);
	errno = error;
}

static void catch_signals(FILE *in)
{
	static const int numbers[] = {SIGHUP, SIGINT, SIGTERM};
	struct sigaction now = {.sa_handler = end_input, .sa_flags = SA_RESTART}, old;

	now.sa_flags |= (int)SA_RESETHAND;

	input = fileno(in);
	nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
	for (size_t i = 0; nothing >= 0 && i < sizeof numbers / sizeof numbers[0]; i++)
		if (sigaction(numbers[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
			sigaction(numbers[i], &now, NULL);
}

static bool output_fail(const char *name, const char *why)
{
	fprintf(stderr, "ccid-trace: %s: %s\n", name ? name : "standard output", why);
	return false;
}

static bool same_file(const struct stat *a, const struct stat *b)
{
	return S_ISREG(a->st_mode) && a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* Opens the file under another name. False: it has to be written directly. there: what has the name
 * now, NULL when there is none. */
static bool open_part(struct trace_output *o, const struct stat *there, FILE *in)
{
	struct stat link;
	size_t cap;
	int fd;

	if (strncmp(o->name, "/dev/", 5) == 0)
		return false;
	/* a link that leads nowhere yet; a file without the right to write */
	if (there ? !S_ISREG(there->st_mode) || access(o->name, W_OK) != 0
		  : lstat(o->name, &link) == 0)
		return false;
	o->target = there ? realpath(o->name, NULL) : strdup(o->name);
	cap = o->target ? strlen(o->target) + 32 : 0;
	o->part = o->target ? malloc(cap) : NULL;
	if (!o->part)
		return false;
	snprintf(o->part, cap, "%s.%ld.part", o->target, (long)getpid());
	fd = open(o->part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (fd < 0)
		return false;
	if (there)
		(void)fchmod(fd, there->st_mode & 07777);
	o->to = fdopen(fd, "wb");
	if (!o->to) {
		close(fd);
		unlink(o->part);
		return false;
	}
	catch_signals(in);
	return true;
}

static void forget_part(struct trace_output *o)
{
	free(o->target);
	free(o->part);
	o->target = o->part = NULL;
}

bool trace_output_open(struct trace_output *o, const char *name, FILE *in)
{
	struct stat from, to;
	bool there = name ? stat(name, &to) == 0 : fstat(STDOUT_FILENO, &to) == 0;

	*o = (struct trace_output){.to = stdout, .name = name};
	if (there && fstat(fileno(in), &from) == 0 && same_file(&from, &to))
		return output_fail(name, "is the file that is read; the output needs another name");
	if (name && !open_part(o, there ? &to : NULL, in)) {
		forget_part(o);
		o->to = fopen(name, "wb");
		if (!o->to)
			return output_fail(name, strerror(errno));
	}
	setvbuf(o->to, NULL, _IOFBF, 1 << 18);
	return true;
}

bool trace_output_close(struct trace_output *o, bool keep)
{
	bool good = fflush(o->to) == 0 && !ferror(o->to);
	int error = errno;

	if (o->to != stdout && fclose(o->to) != 0 && good) {
		good = false;
		error = errno;
	}
	if (good && keep && o->part && rename(o->part, o->target) != 0) {
		good = false;
		error = errno;
	}
	if (o->part && !(good && keep))
		unlink(o->part);
	forget_part(o);
	if (!good)
		fprintf(stderr, "ccid-trace: %s cannot be written: %s\n",
			o->name ? o->name : "standard output", strerror(error));
	if (caught)
		raise(caught);
	return good;
}
