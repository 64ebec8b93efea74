/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Runs a target on its packed corpus (corpus/NAME.corpus), or on the packed corpora, files and
 * folders of the command line. Each input is a test case and a process of its own: after a crash
 * the input's name is known, and the other inputs still run. */
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
#define NAME_CAP 128
#define MOST_BYTES (1u << 20)

struct input {
	char name[NAME_CAP];
	size_t len;
	uint8_t bytes[MOST_BYTES];
};

static unsigned cases, failed;

/* In the child. */
static void run(const struct input *in)
{
	uint8_t *exact = fuzz_copy(in->bytes, in->len);

	alarm(LIMIT_S);
	LLVMFuzzerTestOneInput(exact, in->len);
	free(exact);
	exit(0);
}

static void report(bool passed, const char *name)
{
	failed += !passed;
	printf("%s %u - %s: %s\n", passed ? "ok" : "not ok", ++cases, fuzz_name, name);
}

static void one_case(const struct input *in)
{
	int status = -1;
	pid_t child;

	fflush(stdout);
	child = fork();
	if (child == 0)
		run(in);
	if (child > 0)
		waitpid(child, &status, 0);
	report(status == 0, in->name);
	if (status > 0 && WIFSIGNALED(status))
		printf("# signal %d\n", WTERMSIG(status));
}

/* One input as the fuzzer writes it. */
static void plain_file(const char *path, struct input *in)
{
	const char *slash = strrchr(path, '/');
	FILE *f = fopen(path, "rb");

	if (!f) {
		perror(path);
		report(false, path);
		return;
	}
	snprintf(in->name, sizeof in->name, "%s", slash ? slash + 1 : path);
	in->len = fread(in->bytes, 1, sizeof in->bytes, f);
	fclose(f);
	one_case(in);
}

/* Appends the bytes of a line of hexadecimal digits; false when the line has anything else. */
static bool add_bytes(struct input *in, const char *hex)
{
	unsigned byte;
	int used = 0;

	for (; sscanf(hex, "%2x%n", &byte, &used) == 1 && used == 2; hex += used) {
		if (in->len == sizeof in->bytes)
			return false;
		in->bytes[in->len++] = (uint8_t)byte;
	}
	return *hex == '\0';
}

/* A whole file as text, which the caller frees; NULL: the file cannot be read. The file is closed
 * before a child runs: a child's exit could set back the shared file offset, and lines would be
 * read twice. */
static char *text_of(const char *path)
{
	FILE *f = fopen(path, "r");
	char *text = NULL;
	size_t cap = 0;

	if (f) {
		if (getdelim(&text, &cap, '\0', f) < 0) {
			free(text);
			text = NULL;
		}
		fclose(f);
	}
	return text;
}

/* A packed corpus; corpus.py describes the format. */
static void packed(const char *path, struct input *in)
{
	char *text = text_of(path), *rest = text;
	bool good = text != NULL;

	in->name[0] = '\0';
	for (char *line; good && (line = strsep(&rest, "\n"));) {
		if (line[0] == '#' || line[0] == '\0')
			continue;
		if (line[0] == '\t') {
			good = in->name[0] != '\0' && add_bytes(in, line + 1);
			continue;
		}
		if (in->name[0])
			one_case(in);
		snprintf(in->name, sizeof in->name, "%.*s", NAME_CAP - 1, line);
		in->len = 0;
	}
	if (good && in->name[0])
		one_case(in);
	else
		report(false, "the packed corpus can be read");
	free(text);
}

static void any(const char *path, struct input *in);

static void folder(const char *path, struct input *in)
{
	struct dirent **list;
	char file[PATH_CAP];
	int n = scandir(path, &list, NULL, alphasort);

	for (int i = 0; i < n; i++) {
		snprintf(file, sizeof file, "%s/%s", path, list[i]->d_name);
		if (list[i]->d_name[0] != '.')
			any(file, in);
		free(list[i]);
	}
	if (n >= 0)
		free(list);
}

static void any(const char *path, struct input *in)
{
	const char *dot = strrchr(path, '.');
	struct stat st;

	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		folder(path, in);
	else if (dot && strcmp(dot, ".corpus") == 0)
		packed(path, in);
	else
		plain_file(path, in);
}

int main(int argc, char **argv)
{
	struct input *in = malloc(sizeof *in);
	char path[PATH_CAP];

	if (!in) {
		perror(fuzz_name);
		return 2;
	}
	snprintf(path, sizeof path, "%s/tests/fuzz/corpus/%s.corpus", TOP_SRCDIR, fuzz_name);
	if (argc < 2)
		any(path, in);
	for (int i = 1; i < argc; i++)
		any(argv[i], in);
	free(in);
	printf("1..%u\n", cases);
	return failed || cases == 0;
}
