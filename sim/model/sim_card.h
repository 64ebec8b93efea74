/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef SIM_CARD_H
#define SIM_CARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A simulated card: ATR, the card's half of T=0, T=1 and PPS (written from ISO 7816-3 on its own;
 * shares no code with src/), and an applet with files behind it. Pure: no I/O,
 * no clock; how long the card works is told in nanoseconds. */
struct sim_card;

/* Room that the out buffer of every exchange below must have, in bytes. */
#define SIM_CARD_ROOM 65600

/* Results of the exchanges below. */
enum sim_card_result {
	SIM_CARD_OK = 0,
	SIM_CARD_MUTE = -1,	/* no answer within any waiting time */
	SIM_CARD_CONFLICT = -2,	/* T=0 TPDU only: the card sent a procedure byte that is none */
};

/* spec: words of text, "key=value" separated by blanks; unknown words are an error told in err.
 * "" is the card that speaks T=0 and T=1. The list of words is in card_spec.c. NULL and err on
 * errors. */
struct sim_card *sim_card_new(const char *spec, char *err, size_t err_cap);
void sim_card_free(struct sim_card *c);
/* Names of ready-made cards ("t0", "t1crc", ...) for lists; NULL behind the last. */
const char *sim_card_preset(unsigned i);

/* Cold or warm reset; returns the ATR (owned by the card, valid until the next reset). class_bit:
 * 0 5 V, 1 3 V, 2 1.8 V; *len 0 when the card does not answer at this voltage. */
const uint8_t *sim_card_reset(struct sim_card *c, unsigned class_bit, bool warm, size_t *len);
void sim_card_power_off(struct sim_card *c);

/* The card's answer at each of the interfaces a reader may offer. Returns an enum
 * sim_card_result. out has SIM_CARD_ROOM bytes. *work_ns: how long the card was busy before its
 * answer. */
int sim_card_pps(struct sim_card *c, const uint8_t *in, size_t len, uint8_t *out, size_t *out_len);
/* True when a PPS request is what the card may get now: nothing exchanged since the ATR, and no
 * TA2. Neither a CLA nor a NAD can be FF, so FF as the first byte is a PPS request then. */
bool sim_card_pps_possible(const struct sim_card *c);
/* A T=0 TPDU: header of 5 bytes (or 4: case 1) and data; the reader does procedure bytes with the
 * card. */
int sim_card_t0_tpdu(struct sim_card *c, const uint8_t *in, size_t len, uint8_t *out,
		size_t *out_len, uint64_t *work_ns);
/* Character level T=0: bytes in, then at most `want` of the card's bytes out. Fewer come when the
 * card waits for the other side; what is not asked for stays for the next call (len 0). */
int sim_card_t0_chars(struct sim_card *c, const uint8_t *in, size_t len, size_t want, uint8_t *out,
		size_t *out_len, uint64_t *work_ns);
/* One T=1 block in, one out, with prologue and epilogue. */
int sim_card_t1_block(struct sim_card *c, const uint8_t *in, size_t len, uint8_t *out,
		size_t *out_len, uint64_t *work_ns);
/* The reader has spoken T=1 by itself: a command of `in` bytes, an answer of `out`. The block numbers move on as its
 * blocks would have moved them. Where the host has spoken meanwhile, by sim_card_t1_block(), the reader
 * began with an S(RESYNCH request). */
void sim_card_t1_passed(struct sim_card *c, size_t in, size_t out);
/* A whole APDU, for readers that speak the protocol themselves (short and extended APDU level). */
int sim_card_apdu(struct sim_card *c, const uint8_t *in, size_t len, uint8_t *out, size_t *out_len,
		uint64_t *work_ns);

/* Whether the card answers a reset with these bytes; a program's card is not asked, and may. */
bool sim_card_has_atr(const struct sim_card *c, const uint8_t *atr, size_t len);
/* Another card has taken this block, a PPS request or a T=1 block, and has given this answer: protocol, speed,
 * IFSD and block numbers of this card become what they are there (ISO 7816-3:2006 §9, §11.6). An answer that is
 * not whole does nothing. */
void sim_card_follow(struct sim_card *c, const uint8_t *in, size_t in_len, const uint8_t *out, size_t out_len);

/* Protocol in use (after ATR and PPS): 0 or 1; and F/D byte (11 by default). */
unsigned sim_card_protocol(const struct sim_card *c);
uint8_t sim_card_fidi(const struct sim_card *c);
/* A reader that negotiates by itself sets both without PPS bytes. */
void sim_card_set_protocol(struct sim_card *c, unsigned protocol, uint8_t fidi);
/* IFSD by a reader that negotiates it by itself (1..254). */
void sim_card_set_ifsd(struct sim_card *c, uint8_t ifsd);

/* Arms a named fault: "name [key=value ...]", keys nth= (1: the next occasion), count= (0: for
 * ever; default 1), value=, on=i|r|s, until=reset; "clear" ends all. False with a message for an
 * unknown word. List: card_fault.c, and by index (name and one line of text; NULL behind the
 * last). */
bool sim_card_fault(struct sim_card *c, const char *spec, char *err, size_t cap);
const char *sim_card_fault_name(unsigned i, const char **text);
/* How often the command with this INS was executed. */
unsigned sim_card_ran(const struct sim_card *c, uint8_t ins);
/* The reader lost, damaged or delayed the card's last answer: asking for it again is then no
 * violation. */
void sim_card_lost(struct sim_card *c);

/* What runs the commands of a card that lives elsewhere, and knows its ATR. The model never waits for it: while it
 * works, it is asked again. */
enum sim_foreign_result { SIM_FOREIGN_DONE, SIM_FOREIGN_WORKING, SIM_FOREIGN_MUTE };

struct sim_foreign {
	/* again: the same as last time, when it was WORKING. atr: room for 33 bytes; out: SIM_CARD_ROOM. */
	enum sim_foreign_result (*reset)(void *user, bool warm, bool again, uint8_t *atr, size_t *len);
	enum sim_foreign_result (*apdu)(void *user, const uint8_t *in, size_t len, bool again, uint8_t *out,
					size_t *out_len);
	bool (*working)(void *user);	/* false: asking again gives the answer, or none at all */
	void (*power_off)(void *user);
};

void sim_card_set_foreign(struct sim_card *c, const struct sim_foreign *f, void *user);
bool sim_card_is_foreign(const struct sim_card *c);
/* Of the last reset or exchange, which ended with nothing unless it is DONE. */
enum sim_foreign_result sim_card_foreign_state(const struct sim_card *c);
bool sim_card_foreign_works(const struct sim_card *c);
/* A copy (to be freed by free()), and the way back to it: the exchange has not been. */
struct sim_card *sim_card_save(const struct sim_card *c);
void sim_card_undo(struct sim_card *c, const struct sim_card *saved);

/* Violations of T=0/T=1/PPS by the other side, counted and named: a block longer than IFSC, a wrong
 * N(S), ... The texts of the first 32 are kept; NULL behind the last. They outlive resets. */
unsigned sim_card_complaints(const struct sim_card *c);
const char *sim_card_complaint(const struct sim_card *c, unsigned i);

#endif
