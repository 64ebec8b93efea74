/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef DRIVER_ACTOR_H
#define DRIVER_ACTOR_H

/* An application at one slot: what it asks for, and whether the answer is the right one. */
#include "driver_fixture.h"

#define ACTOR_MAX 5000		/* longest data of an APDU */

/* Under faults a command may fail; a wrong answer that is reported as a success is never right. */
enum act { ACT_FINE, ACT_FAILED, ACT_WRONG };

struct actor {
	DWORD lun, protocol;
	unsigned tag;		/* changes with every echo, so that no two answers are alike */
	uint8_t command[ACTOR_MAX + 9], answer[ACTOR_MAX + 2];
};

/* Powers the card and takes the protocol that its ATR names first. */
enum act actor_power(struct actor *a);
/* APDUs of case 1 to 4, extended ones from 256 bytes on. At T=0 GET RESPONSE is done as an application does. */
enum act actor_touch(struct actor *a);
enum act actor_read(struct actor *a, size_t len);
enum act actor_write(struct actor *a, size_t len);
enum act actor_echo(struct actor *a, size_t len);
/* The PIN 1234 is verified, or changed into itself, at a PIN pad where a person sits (actor_person()). */
enum act actor_pin(struct actor *a, bool change);
/* Every attribute and control code; only that of the features must succeed. */
enum act actor_ask(struct actor *a);

/* An actor that types whenever a device wants a PIN. With fake_usb_lock() held. */
void actor_person(struct sim_dev *d);
/* The actor's reaction to a line of the device's trace (sim_dev_trace), also for other
 * listeners. */
void actor_hears(struct sim_dev *d, uint64_t now, const char *text);

#endif
