/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef USBFS_PLACES_H
#define USBFS_PLACES_H

/* The readers of a simulated machine, one a place, through the driver's functions, as pcscd calls them. */

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
	char name[80];			/* as pcscd gives it */
	pthread_t thread;
	char wrong[200];		/* what went wrong first; "": nothing */
	char what[120];			/* what is under way */
	uint64_t began;
};

/* The machine's readers, in the order of their nodes. Returns how many. */
unsigned places_find(struct place *places, unsigned cap);
/* The reader was plugged in again and has another node. False: it is not there. */
bool place_refresh(struct place *p);

uint64_t place_ms(void);
void place_wrong(struct place *p, const char *what);
/* A call is over that began with the last one: it must not have taken longer. Gives rc back. */
RESPONSECODE place_over(struct place *p, const char *call, RESPONSECODE rc);

RESPONSECODE place_open(struct place *p);
RESPONSECODE place_power(const struct place *p);
/* Power on, protocol, an APDU. */
RESPONSECODE place_set_up(const struct place *p);
/* An APDU whose answer's length depends on tag. */
RESPONSECODE place_echo(const struct place *p, uint8_t tag);
void place_poll(const struct place *p, int ms);

#endif
