/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Runs a target on the files of its corpus, or on the files and folders of the command line: each is a test case,
 * and a process of its own, so that one that crashes is told by name and the others still run. */
#include "fuzz/fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define LIMIT_S 60
#define PATH_CAP 1024
#define MOST_BYTES (1u << 20)

static unsigned cases, failed;

/* In the child. */
static void run(const char *path)
{
	FILE *f = fopen(path, "rb");
	uint8_t *text = malloc(MOST_BYTES), *exact;
	size_t n;

	if (!f || !text) {
		perror(path);
		exit(2);
	}
	alarm(LIMIT_S);
	n = fread(text, 1, MOST_BYTES, f);
	fclose(f);
	exact = fuzz_copy(text, n);
	free(text);
	LLVMFuzzerTestOneInput(exact, n);
	free(exact);
	exit(0);
}

static void one_case(const char *path)
{
	const char *name = strrchr(path, '/');
	int status = -1;
	pid_t child;

	fflush(stdout);
	child = fork();
	if (child == 0)
		run(path);
	if (child > 0)
		waitpid(child, &status, 0);
	failed += status != 0;
	printf("%s %u - %s: %s\n", status ? "not ok" : "ok", ++cases, fuzz_name, name ? name + 1 : path);
	if (status > 0 && WIFSIGNALED(status))
		printf("# signal %d\n", WTERMSIG(status));
}

static void folder(const char *path)
{
	struct dirent **list;
	char file[PATH_CAP];
	int n = scandir(path, &list, NULL, alphasort);

	for (int i = 0; i < n; i++) {
		snprintf(file, sizeof file, "%s/%s", path, list[i]->d_name);
		if (list[i]->d_name[0] != '.')
			one_case(file);
		free(list[i]);
	}
	if (n >= 0)
		free(list);
}

int main(int argc, char **argv)
{
	char path[PATH_CAP];
	struct stat st;

	if (argc < 2) {
		snprintf(path, sizeof path, "%s/tests/fuzz/corpus/%s", TOP_SRCDIR, fuzz_name);
		folder(path);
	}
	for (int i = 1; i < argc; i++) {
		if (stat(argv[i], &st) == 0 && S_ISDIR(st.st_mode))
			folder(argv[i]);
		else
			one_case(argv[i]);
	}
	printf("1..%u\n", cases);
	return failed || cases == 0;
}
