/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef SIM_SERIAL_H
#define SIM_SERIAL_H

#include "sim/model/sim_dev.h"

/* A simulated reader on a serial line: the frame layer of the wire around a struct sim_dev, written from
 * the description of the wire on its own (shares no code with src/). Pure: bytes in, bytes out, time
 * is an argument (nanoseconds, monotonic). */
struct sim_serial;

/* type: as in reader.conf ("GemPCTwin", ...); cards: the card of each slot, NULL or "" for an empty one;
 * NULL and err when there is no such type or card. */
struct sim_serial *sim_serial_new(const char *type, const char *const *cards, unsigned n_cards, char *err,
				  size_t err_cap);
void sim_serial_free(struct sim_serial *s);
/* The reader behind the line: cards, keys, complaints, faults of the CCID layer. */
struct sim_dev *sim_serial_device(struct sim_serial *s);

/* The speed the other end has set; bytes at a wrong speed are noise. 115200 at first. */
void sim_serial_line_speed(struct sim_serial *s, unsigned bps);
/* Bytes from the other end. */
void sim_serial_input(struct sim_serial *s, const uint8_t *p, size_t n, uint64_t now);
/* Bytes for the other end that are due; returns how many. */
size_t sim_serial_output(struct sim_serial *s, uint8_t *p, size_t cap, uint64_t now);
/* When sim_serial_output may have something; UINT64_MAX: nothing until the host or a user acts. */
uint64_t sim_serial_next(const struct sim_serial *s);

/* Faults of the line, "name [count=N]" (without count: until "clear"):
 *   bad-lrc	answers with a wrong LRC
 *   nak	commands are not acknowledged
 *   garbage	noise before and behind answers
 *   too-long	answers that claim 2^31 bytes
 *   half	answers that break off
 *   silence	nothing comes, not even the echo
 *   hang-up	the line is hung up for good
 * Any other name goes to sim_dev_fault(). */
bool sim_serial_fault(struct sim_serial *s, const char *spec, char *err, size_t err_cap);
bool sim_serial_hung_up(const struct sim_serial *s);

#endif
