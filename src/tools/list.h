/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TOOLS_LIST_H
#define TOOLS_LIST_H

/* The inside of ccid-list: what PC/SC knows of each slot (list_gather.c) and how it is written
 * (list_print.c). */

#include "tools/bundles.h"
#include "tools/bus.h"
#include "tools/pcsc.h"
#include "tools/system.h"

#include <stdint.h>

#define LIST_MAX     256
#define LIST_DEVICES 64

enum list_card { LIST_NONE, LIST_PRESENT, LIST_SHARED, LIST_EXCLUSIVE, LIST_MUTE, LIST_UNKNOWN };

/* One slot: a reader of PC/SC. */
struct list_row {
	char name[128];
	unsigned bus, address; /* 0: not known */
	int interface, slot;   /* -1: not known */
	char key[96];	       /* "1-2.4/0/0": port, interface, slot; "" : not known */
	char port[64], serial[128];
	char device[128]; /* the device's own strings */
	char driver[160]; /* bundle and version */
	char firmware[8];
	const char *level; /* static text */
	uint32_t rate, max_rate;
	enum list_card card;
	char atr[2 * MAX_ATR_SIZE + 1];
	DWORD state; /* as PC/SC said it last */
	unsigned asked;		 /* how often for its place */
	bool told;   /* as added */
	bool seen;   /* by the present round */
};

struct list {
	struct system_root root;
	const char *drop;
	struct pcsc pcsc;
	SCARDCONTEXT context;
	bool connected;
	unsigned n_devices;
	struct bus_device device[LIST_DEVICES];
	struct bundles bundles;
	unsigned n;
	struct list_row row[LIST_MAX];
};

/* The name of an event; static text. */
typedef void list_event(void *user, const struct list_row *row, const char *event);

/* --- list_gather.c --- */
/* Brings the rows up to date, sorted by their keys, and tells what has changed. False: pcscd cannot
 * be used; *rv says why, and all rows are removed. */
bool list_update(struct list *l, list_event *event, void *user, LONG *rv);
/* Waits until something may have changed, half a second at most. */
void list_wait(struct list *l);
void list_end(struct list *l);

/* --- list_print.c --- */
void list_print_table(FILE *out, const struct list *l);
void list_print_json(FILE *out, const struct list *l);
/* One line: an event with its row. */
void list_print_event(FILE *out, const struct list_row *row, const char *event, bool json);

#endif
