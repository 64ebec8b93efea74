/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TOOLS_DOCTOR_H
#define TOOLS_DOCTOR_H

/* The inside of ccid-doctor. Each step checks one thing between the bus and the application, and
 * reports its finding (doctor_say) and the remedy (doctor_cure); the table of steps is in
 * doctor_steps.c. Nothing on the system is changed. */

#include "quirks/quirks.h"
#include "tools/bundles.h"
#include "tools/bus.h"
#include "tools/child.h"
#include "tools/system.h"

#define DOCTOR_DEVICES 64
#define DOCTOR_FACES   8
#define DOCTOR_TEXT    500

enum doctor_verdict {
	WELL,
	BROKEN,
	UNKNOWN, /* this user may not see it, or nothing says it */
	SKIPPED, /* nothing to look at: not told */
	DOCTOR_VERDICTS,
};

struct doctor_device {
	struct bus_device usb;
	struct quirk_set quirks;
	const struct bundle *bundle; /* that pcscd takes, NULL: none */
	int index;		     /* in the arrays of that */
	bool held;		     /* pcscd has it open, as far as can be seen */
	bool expected;		     /* no fault was found before pcscd is asked */
	bool broken;		     /* a step has reported a fault: the rest would be noise */
};

struct doctor_finding {
	const struct doctor_device *device; /* NULL: the whole system */
	const char *step, *looks_at;
	enum doctor_verdict verdict;
	char text[DOCTOR_TEXT], cure[DOCTOR_TEXT];
};

#define DOCTOR_FINDINGS 1100 /* all steps for all devices, and one more */
#define DOCTOR_GROUPS	64

/* pcscd as it runs, or as it would be started. */
struct doctor_pcscd {
	long pid;   /* 0: it does not run */
	long other; /* one in a container, or that this user cannot look into; 0: there is none */
	unsigned uid, gid;
	unsigned n_groups, groups[DOCTOR_GROUPS];
	char user[96];
	bool no_user; /* pcscd is to run as a user that this system does not have */
};

/* What PC/SC says; filled in a child process, so that a library that hangs or fails takes nothing
 * with it. */
#define DOCTOR_READERS 256
struct doctor_pcsc {
	enum { PCSC_NOT_ASKED, PCSC_NO_LIBRARY, PCSC_HANGS, PCSC_ANSWERED } how;
	long rv; /* of SCardEstablishContext or SCardListReaders */
	char rv_text[100];
	unsigned n;
	struct {
		char name[128];
		unsigned long state;
		char port[64];	/* "": its place is not known */
		int interface; /* -1: not known */
	} reader[DOCTOR_READERS];
};

/* The entry of reader.conf for readers that no driver lists; file "": there is none. */
struct doctor_class {
	char file[256], name[128], library[SYSTEM_PATH];
};

struct doctor {
	struct system_root root;
	const char *drop;	       /* pcscd's folder of drivers, below the root */
	bool ask;		       /* pcscd, also below a root */
	int want_vendor, want_product; /* -1: any */
	struct bundles bundles;
	struct doctor_class by_class;
	struct doctor_pcscd pcscd;
	struct doctor_pcsc pcsc;
	unsigned n_devices;
	struct doctor_device device[DOCTOR_DEVICES];
	unsigned n_usb; /* devices of any kind on the bus */
	unsigned n_findings;
	struct doctor_finding finding[DOCTOR_FINDINGS]; /* [n_findings]: the present one */
};

/* --- doctor_steps.c: the table --- */
struct doctor_step {
	const char *name, *looks_at;
	bool each_device; /* else once; then device is NULL */
	enum doctor_verdict (*look)(struct doctor *d, struct doctor_device *device);
};
extern const struct doctor_step doctor_steps[];
extern const unsigned doctor_n_steps;
/* Runs the steps; stops for a device at its first broken step, and altogether at the system's.
 * Exit code: 0 all well, 1 something is broken, 2 cannot tell. */
int doctor_walk(struct doctor *d);
/* What the present step found, and the command that repairs it. The verdict, to be returned. */
__attribute__((format(printf, 3, 4))) enum doctor_verdict
doctor_say(struct doctor *d, enum doctor_verdict v, const char *fmt, ...);
__attribute__((format(printf, 2, 3))) void doctor_cure(struct doctor *d, const char *fmt, ...);

/* --- doctor_bus.c --- */
void doctor_read_bus(struct doctor *d);
enum doctor_verdict doctor_bus(struct doctor *d, struct doctor_device *unused);
enum doctor_verdict doctor_allowed(struct doctor *d, struct doctor_device *device);
enum doctor_verdict doctor_descriptor(struct doctor *d, struct doctor_device *device);
enum doctor_verdict doctor_power(struct doctor *d, struct doctor_device *device);

/* --- doctor_list.c --- */
enum doctor_verdict doctor_drivers(struct doctor *d, struct doctor_device *unused);
enum doctor_verdict doctor_listed(struct doctor *d, struct doctor_device *device);
enum doctor_verdict doctor_library(struct doctor *d, struct doctor_device *device);
enum doctor_verdict doctor_firmware(struct doctor *d, struct doctor_device *device);

/* --- doctor_class.c --- */
void doctor_find_class(struct doctor *d);
/* No driver lists it, and reader.conf offers it by its class. */
bool doctor_is_by_class(const struct doctor *d, const struct doctor_device *device);
/* What its name in PC/SC begins with; device is listed, or offered by its class. */
const char *doctor_name_of(const struct doctor *d, const struct doctor_device *device);

/* --- doctor_node.c --- */
enum doctor_verdict doctor_node(struct doctor *d, struct doctor_device *device);
/* usbip-host has the whole device, which has no configuration until another machine attaches it. */
bool doctor_is_exported(const struct doctor *d, const struct doctor_device *device);
enum doctor_verdict doctor_kernel(struct doctor *d, struct doctor_device *device);
enum doctor_verdict doctor_holder(struct doctor *d, struct doctor_device *device);

/* --- doctor_pcscd.c --- */
void doctor_find_pcscd(struct doctor *d);
/* A variable of pcscd's environment, as far as it can be seen; "" when it is not set. */
char *doctor_environment(const struct doctor *d, const char *name, char *out, size_t cap);
/* False: pcscd's program does not have the variable's name, so that its value has no effect. */
bool doctor_knows_variable(const struct doctor *d, const char *name);
enum doctor_verdict doctor_installed(struct doctor *d, struct doctor_device *unused);
enum doctor_verdict doctor_service(struct doctor *d, struct doctor_device *unused);
enum doctor_verdict doctor_ignored(struct doctor *d, struct doctor_device *device);

/* --- doctor_pcsc.c --- */
enum doctor_verdict doctor_answer(struct doctor *d, struct doctor_device *unused);

/* --- doctor_shown.c --- */
enum doctor_verdict doctor_shown(struct doctor *d, struct doctor_device *device);
enum doctor_verdict doctor_card(struct doctor *d, struct doctor_device *device);

/* --- doctor_print.c --- */
void doctor_print_text(FILE *out, const struct doctor *d, int code, bool colour);
void doctor_print_json(FILE *out, const struct doctor *d, int code);

#endif
