/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* pcscd: installed, started, as which user, and with what environment. */
#include "tools/doctor.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Of units and their drop-ins the first folder wins. */
static const char *const unit_folders[] = { "/etc/systemd/system", "/run/systemd/system",
					   "/usr/lib/systemd/system", "/lib/systemd/system"};
#define N_UNIT_FOLDERS (sizeof(unit_folders) / sizeof(unit_folders[0]))
#define SOCKET	       "/run/pcscd/pcscd.comm"

/* --- texts of lines --- */

/* Calls each() for every line of a text, which is cut into lines on the way. */
static void each_line(char *text, void (*each)(void *user, char *line), void *user)
{
	char *at = text, *line;

	while ((line = strsep(&at, "\n")))
		each(user, line);
}

/* What "KEY=" or "KEY:" is followed by; NULL for another line. */
static char *value_of(char *line, const char *key)
{
	size_t n = strlen(key);

	line += strspn(line, " \t");
	return strncmp(line, key, n) == 0 ? line + n : NULL;
}

struct lookup {
	const char *key; /* "User=" */
	char *out;
	size_t cap;
};

static void take_value(void *user, char *line)
{
	struct lookup *l = user;
	const char *value = value_of(line, l->key);

	if (value)
		snprintf(l->out, l->cap, "%s", value);
}

static void take_variable(void *user, char *line)
{
	struct lookup *l = user;
	char *value = value_of(line, "Environment="), *p;
	size_t n = strlen(l->key);

	p = value ? value : line + strspn(line, " \t");
	if (!value && strncmp(p, "export ", 7) == 0)
		p += 7;
	if (*p == '"' || *p == '\'')
		p++;
	if (strncmp(p, l->key, n) != 0)
		return;
	p += n;
	if (*p == '"' || *p == '\'')
		p++;
	snprintf(l->out, l->cap, "%.*s", (int)strcspn(p, "\"'"), p);
}

struct drop_ins {
	const struct doctor *d;
	const char *folder;
	void (*each)(void *user, char *line);
	struct lookup *lookup;
};

static void read_unit(const struct doctor *d, const char *path,
		      void (*each)(void *user, char *line), struct lookup *l)
{
	char *text = system_text(&d->root, "%s", path);

	if (text)
		each_line(text, each, l);
	free(text);
}

static bool read_drop_in(void *user, const char *name)
{
	struct drop_ins *in = user;
	char path[SYSTEM_PATH];

	snprintf(path, sizeof path, "%s/%s", in->folder, name);
	read_unit(in->d, path, in->each, in->lookup);
	return false;
}

/* Looks through the unit and its drop-ins; of several lines the last counts. */
static void search_unit(const struct doctor *d, void (*each)(void *user, char *line),
			struct lookup *l)
{
	char path[SYSTEM_PATH];

	for (size_t i = 0; i < N_UNIT_FOLDERS; i++) {
		snprintf(path, sizeof path, "%s/pcscd.service", unit_folders[i]);
		if (!system_exists(&d->root, "%s", path))
			continue;
		read_unit(d, path, each, l);
		break;
	}
	for (size_t i = N_UNIT_FOLDERS; i-- > 0;) {
		struct drop_ins in = {d, path, each, l};

		snprintf(path, sizeof path, "%s/pcscd.service.d", unit_folders[i]);
		system_each(&d->root, path, read_drop_in, &in);
	}
}

char *doctor_environment(const struct doctor *d, const char *name, char *out, size_t cap)
{
	const size_t most = (size_t)128 * 1024;
	char key[80], *text = malloc(most);
	struct lookup l = {key, out, cap};
	long n = -1;

	out[0] = '\0';
	snprintf(key, sizeof key, "%s=", name);
	if (d->pcscd.pid && text)
		n = system_read(&d->root, text, most, "/proc/%ld/environ", d->pcscd.pid);
	if (n > 0) {
		for (long i = 0; i < n; i++)
			if (text[i] == '\0')
				text[i] = '\n';
		each_line(text, take_variable, &l);
	} else {
		search_unit(d, take_variable, &l);
		read_unit(d, "/etc/default/pcscd", take_variable, &l);
		read_unit(d, "/etc/sysconfig/pcscd", take_variable, &l);
	}
	free(text);
	return out;
}

bool doctor_knows_variable(const struct doctor *d, const char *name)
{
	const size_t most = (size_t)4 * 1024 * 1024, len = strlen(name);
	char *program = malloc(most);
	long n = -1;
	bool found = false;

	if (program && d->pcscd.pid)
		n = system_read(&d->root, program, most, "/proc/%ld/exe", d->pcscd.pid);
	if (program && n < 0)
		n = system_read(&d->root, program, most, "/usr/sbin/pcscd");
	for (long i = 0; program && i + (long)len <= n && !found; i++)
		found = memcmp(program + i, name, len) == 0;
	free(program);
	/* a program that cannot be read may know it */
	return found || n < 0;
}

/* --- the process --- */

static void take_status(void *user, char *line)
{
	struct doctor_pcscd *p = user;
	char *value, *end;

	if ((value = value_of(line, "Uid:"))) {
		strtoul(value, &end, 10);
		p->uid = (unsigned)strtoul(end, NULL, 10); /* the effective one */
	} else if ((value = value_of(line, "Gid:"))) {
		strtoul(value, &end, 10);
		p->gid = (unsigned)strtoul(end, NULL, 10);
	} else if ((value = value_of(line, "Groups:"))) {
		while (p->n_groups < DOCTOR_GROUPS - 1) {
			unsigned long group = strtoul(value, &end, 10);

			if (end == value)
				break;
			p->groups[p->n_groups++] = (unsigned)group;
			value = end;
		}
	}
}

static bool is_same(const struct doctor *d, const char *ours, const struct stat *theirs)
{
	char path[SYSTEM_PATH];
	struct stat st;

	return system_path(&d->root, path, "%s", ours) && stat(path, &st) == 0 &&
	       st.st_dev == theirs->st_dev && st.st_ino == theirs->st_ino;
}

/* A pcscd in a container can be seen from outside, but its socket is another. One that this user
 * cannot look into counts when there is a socket here. */
static bool has_our_socket(const struct doctor *d, const char *pid)
{
	char theirs[SYSTEM_PATH];
	struct stat st;

	if (system_path(&d->root, theirs, "/proc/%s/root/run/pcscd", pid) && stat(theirs, &st) == 0)
		return is_same(d, "/run/pcscd", &st);
	if (system_path(&d->root, theirs, "/proc/%s/root/", pid) && stat(theirs, &st) == 0)
		return is_same(d, "/", &st);
	return system_exists(&d->root, SOCKET);
}

static bool is_pcscd(void *user, const char *name)
{
	struct doctor *d = user;
	char comm[64], text[8192];

	if (strspn(name, "0123456789") != strlen(name))
		return false;
	system_line(&d->root, comm, sizeof comm, "/proc/%s/comm", name);
	if (strcmp(comm, "pcscd") != 0)
		return false;
	if (!has_our_socket(d, name)) {
		d->pcscd.other = strtol(name, NULL, 10);
		return false;
	}
	d->pcscd.pid = strtol(name, NULL, 10);
	if (system_read(&d->root, text, sizeof text, "/proc/%s/status", name) > 0)
		each_line(text, take_status, &d->pcscd);
	d->pcscd.groups[d->pcscd.n_groups++] = d->pcscd.gid;
	return true;
}

/* --- the user that it would run as --- */

struct account {
	struct doctor_pcscd *p;
	const char *user, *group; /* names */
	bool found;
};

static void take_user(void *user, char *line)
{
	struct account *a = user;
	char *name = strsep(&line, ":");

	if (!line || strcmp(name, a->user) != 0)
		return;
	strsep(&line, ":");
	a->p->uid = (unsigned)strtoul(line ? line : "", &line, 10);
	a->p->gid = *line == ':' ? (unsigned)strtoul(line + 1, NULL, 10) : 0;
	a->p->groups[a->p->n_groups++] = a->p->gid;
	a->found = true;
}

static void take_group(void *user, char *line)
{
	struct account *a = user;
	char *name = strsep(&line, ":"), *member, *id;
	bool in = strcmp(name, a->group) == 0;

	if (!line)
		return;
	strsep(&line, ":");
	id = strsep(&line, ":");
	while ((member = strsep(&line, ",")))
		in = in || strcmp(member, a->user) == 0;
	if (in && id && a->p->n_groups < DOCTOR_GROUPS)
		a->p->groups[a->p->n_groups++] = (unsigned)strtoul(id, NULL, 10);
}

static void read_account(struct doctor *d, const char *user, const char *group)
{
	struct account a = {&d->pcscd, user, group, false};
	char *users = system_text(&d->root, "/etc/passwd");
	char *groups = system_text(&d->root, "/etc/group");

	if (users)
		each_line(users, take_user, &a);
	if (groups)
		each_line(groups, take_group, &a);
	free(users);
	free(groups);
	d->pcscd.no_user = !a.found;
	snprintf(d->pcscd.user, sizeof d->pcscd.user, "user %s%s", user,
		 a.found ? "" : ", which is not a user of this system");
}

void doctor_find_pcscd(struct doctor *d)
{
	char user[48] = "", group[48] = "";
	struct lookup who = { "User=", user, sizeof user};
	struct lookup with = { "Group=", group, sizeof group};

	if (system_each(&d->root, "/proc", is_pcscd, d)) {
		snprintf(d->pcscd.user, sizeof d->pcscd.user, d->pcscd.uid ? "uid %u" : "root",
			 d->pcscd.uid);
		return;
	}
	search_unit(d, take_value, &who);
	search_unit(d, take_value, &with);
	if (user[0] && strcmp(user, "root") != 0 && strcmp(user, "0") != 0) {
		d->pcscd.uid = (unsigned)-1;
		read_account(d, user, group);
	} else {
		strcpy(d->pcscd.user, "root");
	}
}

/* --- the steps --- */

enum doctor_verdict doctor_installed(struct doctor *d, struct doctor_device *unused)
{
	static const char *const places[] = { "/usr/sbin/pcscd", "/usr/bin/pcscd", "/sbin/pcscd",
					     "/usr/local/sbin/pcscd"};

	(void)unused;
	for (size_t i = 0; i < sizeof places / sizeof places[0]; i++)
		if (system_exists(&d->root, "%s", places[i]))
			return doctor_say(d, WELL, "%s", places[i]);
	if (d->pcscd.pid)
		return doctor_say(d, WELL, "it runs as process %ld", d->pcscd.pid);
	if (system_exists(&d->root, SOCKET))
		return doctor_say(d, WELL,
				  "not here, but its socket is: it runs outside of this container");
	doctor_cure(d, "sudo apt install pcscd");
	return doctor_say(d, BROKEN, "pcscd is not installed");
}

static const char *masked(const struct doctor *d)
{
	static const char *const units[] = { "pcscd.socket", "pcscd.service"};
	char target[SYSTEM_PATH];

	for (size_t u = 0; u < 2; u++)
		for (size_t i = 0; i < 2; i++)
			if (strcmp(system_link(&d->root, target, sizeof target, "%s/%s",
					       unit_folders[i], units[u]),
				   "/dev/null") == 0)
				return units[u];
	return NULL;
}

enum doctor_verdict doctor_service(struct doctor *d, struct doctor_device *unused)
{
	const char *mask = masked(d);
	bool socket = system_exists(&d->root, SOCKET);
	bool systemd = system_exists(&d->root, "/run/systemd/system");

	(void)unused;
	if (mask && !d->pcscd.pid) {
		doctor_cure(d,
			    "sudo systemctl unmask %s && sudo systemctl enable --now pcscd.socket",
			    mask);
		return doctor_say(d, BROKEN, "%s is masked: pcscd cannot be started", mask);
	}
	if (d->pcscd.pid && !socket) {
		doctor_cure(d, "sudo systemctl restart pcscd.socket pcscd");
		return doctor_say(d, BROKEN,
				  "pcscd runs (process %ld), but its socket " SOCKET " is gone: no "
				  "program reaches it",
				  d->pcscd.pid);
	}
	if (d->pcscd.pid)
		return doctor_say(d, WELL, "it runs as process %ld, %s", d->pcscd.pid,
				  d->pcscd.user);
	if (d->pcscd.no_user) {
		doctor_cure(d, "sudo systemd-sysusers, or install pcscd again");
		return doctor_say(d, BROKEN, "pcscd is to run as %s", d->pcscd.user);
	}
	if (socket && systemd)
		return doctor_say(d, WELL, "it is started when a program needs it, as %s",
				  d->pcscd.user);
	if (socket && !system_exists(&d->root, "/usr/sbin/pcscd"))
		return doctor_say(d, WELL, "its socket is here");
	doctor_cure(d, systemd ? "sudo systemctl enable --now pcscd.socket"
			       : "sudo service pcscd start, or pcscd");
	if (d->pcscd.other && !socket)
		return doctor_say(d, BROKEN,
				  "no program reaches a pcscd, and nothing starts it (no " SOCKET
				  "); process %ld may be the pcscd of a container",
				  d->pcscd.other);
	return doctor_say(d, BROKEN,
			  socket ? "pcscd does not run, though its socket " SOCKET " is there"
				 : "pcscd does not run, and nothing starts it (no " SOCKET ")");
}

/* Whether one of the words between colons is a part of the name. */
static bool is_filtered(char *words, const char *name)
{
	char *word;

	while ((word = strsep(&words, ":")))
		if (*word && strstr(name, word))
			return true;
	return false;
}

static bool udev_ignores(const struct doctor *d, const struct doctor_device *device)
{
	char text[8192];
	unsigned minor = (device->usb.bus - 1) * 128 + device->usb.address - 1;

	if (system_read(&d->root, text, sizeof text, "/run/udev/data/c189:%u", minor) > 0 &&
	    strstr(text, "E:PCSCLITE_IGNORE=1"))
		return true;
	for (unsigned i = 0; i < device->usb.n_faces; i++)
		if (system_read(&d->root, text, sizeof text, "/run/udev/data/+usb:%s:1.%u",
				device->usb.port, device->usb.face[i].desc.bInterfaceNumber) > 0 &&
		    strstr(text, "E:PCSCLITE_IGNORE=1"))
			return true;
	return false;
}

enum doctor_verdict doctor_ignored(struct doctor *d, struct doctor_device *device)
{
	const char *name = doctor_name_of(d, device);
	char words[512], copy[512];

	if (udev_ignores(d, device)) {
		doctor_cure(d, "grep -r PCSCLITE_IGNORE /etc/udev/rules.d /usr/lib/udev/rules.d; "
			       "remove that rule, then "
			       "unplug the reader and plug it in again");
		return doctor_say(d, BROKEN, "a rule of udev sets PCSCLITE_IGNORE for it");
	}
	doctor_environment(d, "PCSCLITE_FILTER_IGNORE_READER_NAMES", words, sizeof words);
	strcpy(copy, words);
	if (is_filtered(copy, name)) {
		doctor_cure(d, "take its name out of PCSCLITE_FILTER_IGNORE_READER_NAMES "
			       "(systemctl edit pcscd; "
			       "/etc/default/pcscd), then: sudo systemctl restart pcscd");
		return doctor_say(d, BROKEN,
				  "pcscd's PCSCLITE_FILTER_IGNORE_READER_NAMES is \"%s\"", words);
	}
	return doctor_say(d, WELL, "%s", words[0] ? "the filter of names leaves it" : "no filter");
}
