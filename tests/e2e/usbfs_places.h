/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef USBFS_PLACES_H
#define USBFS_PLACES_H

/* Places: the readers of a simulated machine, used through the driver's functions as by pcscd. */

#include "usbfs_hook.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <winscard.h>
#include <ifdhandler.h>

#define PLACES 128u

struct place {
	DWORD lun;
	unsigned device;		/* number of its node on bus 1 */
	unsigned product;		/* even: its card speaks T=0, odd: T=1 */
	char port[16];			/* where it is plugged in, "1-N" */
	char name[80];			/* pcscd's device name */
	pthread_t thread;
	char wrong[200];		/* the first failure; "": none */
	char what[120];			/* the current step, for messages */
	uint64_t began;
};

/* Finds the machine's readers, in the order of their nodes. Returns their number. */
unsigned places_find(struct place *places, unsigned cap);
/* Finds the new node of a reader that was plugged in again. False: there is none. */
bool place_refresh(struct place *p);

uint64_t place_ms(void);
void place_wrong(struct place *p, const char *what);
/* Notes a failure if the time since the last call's end is too long for one call. Returns rc. */
RESPONSECODE place_over(struct place *p, const char *call, RESPONSECODE rc);

RESPONSECODE place_open(struct place *p);
RESPONSECODE place_power(const struct place *p);
/* Power on, protocol, an APDU. */
RESPONSECODE place_set_up(const struct place *p);
/* An APDU whose answer's length depends on tag. */
RESPONSECODE place_echo(const struct place *p, uint8_t tag);
void place_poll(const struct place *p, int ms);

#endif
